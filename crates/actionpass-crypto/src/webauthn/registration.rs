//! [`Registration`]: a new passkey, as a browser hands it over, and its checks (§7.1).

use actionpass_model::{Approver, CredentialId, Passkey, PasskeyError, RpId, TrustKey, WebOrigin};

use super::authenticator_data::{self, Attested};
use super::cbor::Cbor;
use super::client_data::{self, Operation};
use super::{WebAuthnCode, WebAuthnError, demand};
use crate::{Algorithm, PublicKey, base64url};

/// The longest attestation object that is read, in bytes. One of the format `none` has about 200, and 1,023 more with the
/// longest credential id.
const MAX_BYTES: usize = 4096;

/// The pages on which passkeys are registered: one relying party, the exact host of each page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    rp_id: RpId,
    origins: Vec<WebOrigin>,
}

impl RelyingParty {
    /// The relying party of these pages.
    ///
    /// # Errors
    /// [`PasskeyError`], as for a [`Passkey`] of these pages.
    pub fn new(rp_id: RpId, origins: Vec<WebOrigin>) -> Result<Self, PasskeyError> {
        Passkey::check(&rp_id, &origins)?;
        Ok(Self { rp_id, origins })
    }

    /// The relying party id.
    #[must_use]
    pub const fn rp_id(&self) -> &RpId {
        &self.rp_id
    }

    /// The pages.
    #[must_use]
    pub fn origins(&self) -> &[WebOrigin] {
        &self.origins
    }
}

/// What a browser hands back for a new passkey (`AuthenticatorAttestationResponse`, §5.2.1), as it is and not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "these two are what a registration is")]
pub struct Registration {
    /// `clientDataJSON`, byte for byte as the browser wrote it.
    pub client_data_json: Vec<u8>,
    /// `attestationObject`, asked for with `attestation: "none"`.
    pub attestation_object: Vec<u8>,
}

/// A passkey that was just made on one of our pages, by somebody whom the authenticator verified. Nobody trusts it yet, and
/// whether its key and its id are new is for the trust store to say.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    key: PublicKey,
    passkey: Passkey,
    origin: WebOrigin,
}

impl NewPasskey {
    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its id, its relying party and all pages of that.
    #[must_use]
    pub const fn passkey(&self) -> &Passkey {
        &self.passkey
    }

    /// The page that it was made on.
    #[must_use]
    pub const fn origin(&self) -> &WebOrigin {
        &self.origin
    }

    /// The trust store's entry that lets it approve as somebody; roles, tenants and validity come with its other methods.
    #[must_use]
    pub fn approval_key_of(&self, principal: &Approver) -> TrustKey {
        self.key.approval_key_of(principal).with_passkey(self.passkey.clone())
    }
}

impl Registration {
    /// Checks a registration on one of these pages, for this challenge, which the caller drew and kept.
    ///
    /// # Errors
    /// [`WebAuthnError`], each check with its code. Person present and verified; attestation `none`: who made the
    /// authenticator is not asked.
    pub fn verify(&self, challenge: &[u8; 32], party: &RelyingParty) -> Result<NewPasskey, WebAuthnError> {
        let origin = client_data::check(&self.client_data_json, Operation::Create, challenge, &party.origins)?;
        let data = authenticator_data_of(&self.attestation_object)?;
        let attested = authenticator_data::check_registration(data, &party.rp_id)?;
        let key = read_key(&attested)?;
        let malformed = WebAuthnError::new(
            WebAuthnCode::AuthenticatorDataMalformed,
            "the new passkey has no id of 1 to 1023 bytes",
        );
        let id = CredentialId::parse(&base64url::encode(attested.credential_id)).map_err(|_| malformed.clone())?;
        let passkey = Passkey::new(party.rp_id.clone(), party.origins.clone(), id).map_err(|_| malformed)?;
        Ok(NewPasskey {
            key,
            passkey,
            origin: origin.clone(),
        })
    }
}

/// The authenticator data of an attestation object (§6.5.4) of the format `none`, whose statement is empty (§8.7).
fn authenticator_data_of(object: &[u8]) -> Result<&[u8], WebAuthnError> {
    const MALFORMED: WebAuthnError = WebAuthnError::new(
        WebAuthnCode::AttestationMalformed,
        "the attestation object is not CBOR of `fmt`, `attStmt` and `authData`",
    );
    demand(
        object.len() <= MAX_BYTES,
        WebAuthnCode::AttestationMalformed,
        "the attestation object is longer than 4 KiB",
    )?;
    let mut cbor = Cbor::new(object);
    let (mut format, mut has_statement, mut data) = (None, None, None);
    for _ in 0..cbor.map().ok_or(MALFORMED)? {
        let is_new = match cbor.text() {
            Some("fmt") => format.replace(cbor.text().ok_or(MALFORMED)?).is_none(),
            Some("attStmt") => {
                let before = cbor;
                cbor.skip().ok_or(MALFORMED)?;
                // An empty map is one byte.
                has_statement.replace(!before.rest().starts_with(&[0xA0])).is_none()
            }
            Some("authData") => data.replace(cbor.bytes().ok_or(MALFORMED)?).is_none(),
            _ => false,
        };
        demand(is_new, WebAuthnCode::AttestationMalformed, MALFORMED.problem)?;
    }
    let (Some(format), Some(has_statement), Some(data), []) = (format, has_statement, data, cbor.rest()) else {
        return Err(MALFORMED);
    };
    demand(
        format == "none",
        WebAuthnCode::AttestationUnsupported,
        "the attestation is of another format than `none`: ask the browser for `attestation: \"none\"`",
    )?;
    demand(!has_statement, WebAuthnCode::AttestationMalformed, MALFORMED.problem)?;
    Ok(data)
}

/// Reads the `COSE_Key` (RFC 9052 §7, RFC 9053 §7) of ES256 (`alg` −7, P-256) or Ed25519 (`alg` −8, edwards25519).
fn read_key(attested: &Attested<'_>) -> Result<PublicKey, WebAuthnError> {
    const MALFORMED: WebAuthnError = WebAuthnError::new(
        WebAuthnCode::KeyMalformed,
        "the new passkey's key is not a COSE_Key of its algorithm",
    );
    let mut cbor = attested.key();
    let (mut kty, mut alg, mut crv, mut x, mut y) = (None, None, None, None, None);
    for _ in 0..cbor.map().ok_or(MALFORMED)? {
        let is_new = match cbor.int().ok_or(MALFORMED)? {
            1 => kty.replace(cbor.int().ok_or(MALFORMED)?).is_none(),
            3 => alg.replace(cbor.int().ok_or(MALFORMED)?).is_none(),
            // Of an RSA key −1 is the modulus and −2 the exponent: its `alg` stands before them and says enough.
            _ if alg.is_some_and(|alg| known(alg).is_none()) => return Err(unsupported(alg)),
            -1 => crv.replace(cbor.int().ok_or(MALFORMED)?).is_none(),
            -2 => x.replace(cbor.bytes().ok_or(MALFORMED)?).is_none(),
            -3 => y.replace(cbor.bytes().ok_or(MALFORMED)?).is_none(),
            _ => false,
        };
        demand(is_new, WebAuthnCode::KeyMalformed, MALFORMED.problem)?;
    }
    let algorithm = alg.and_then(known).ok_or_else(|| unsupported(alg))?;
    let coordinates = match (algorithm, kty, crv, x, y) {
        (Algorithm::Es256, Some(2), Some(1), Some(x), Some(y)) if x.len() == 32 && y.len() == 32 => [x, y].concat(),
        (Algorithm::Ed25519, Some(1), Some(6), Some(x), None) if x.len() == 32 => x.to_vec(),
        _ => return Err(MALFORMED),
    };
    let key = PublicKey::from_coordinates(algorithm, &coordinates).map_err(|error| WebAuthnError {
        source: Some(error),
        ..MALFORMED
    })?;
    attested.check_behind_key(cbor)?;
    Ok(key)
}

/// The algorithm of a COSE identifier, if passkeys of it are taken.
const fn known(alg: i64) -> Option<Algorithm> {
    match alg {
        -7 => Some(Algorithm::Es256),
        -8 => Some(Algorithm::Ed25519),
        _ => None,
    }
}

const fn unsupported(alg: Option<i64>) -> WebAuthnError {
    let problem = match alg {
        // Old Windows Hello without a newer TPM knows nothing else.
        Some(-257) => {
            "the authenticator signs with RS256, which is not taken: use a phone, a security key or a password manager \
             that signs with ES256, or approve on the command line"
        }
        _ => "the new passkey is of an algorithm that is not taken: ES256 and Ed25519 are",
    };
    WebAuthnError::new(WebAuthnCode::KeyUnsupported, problem)
}
