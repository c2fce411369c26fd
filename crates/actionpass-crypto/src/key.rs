//! [`PublicKey`]: a public key with its algorithm, checked and ready to verify.

use std::fmt;

use actionpass_model::{Approver, Issuer, Jwk, KeyId, Origin, TrustKey};

use crate::algorithm::KeyType;
use crate::backend::{self, VerifyingKey};
use crate::pem::Block;
use crate::{Algorithm, Signature, SigningInput, base64url};

actionpass_model::codes! {
    /// Why a key was not read.
    pub enum KeyCode: InputRefused {
        /// The text or bytes are not a key in a form that is read here.
        Malformed = "key_malformed",
        /// The key is of a type, curve or algorithm that this release doesn't know.
        Unsupported = "key_unsupported",
        /// The key's coordinates are not a point on its curve.
        NotOnCurve = "key_not_on_curve",
        /// The JWK's own `kid` is not the thumbprint of the key.
        IdMismatch = "key_id_mismatch",
        /// The JWK's `use`, `key_ops` or `alg` say that it doesn't verify signatures of its curve's algorithm.
        Contradiction = "key_contradiction",
        /// The private key's passphrase is to be stretched with more work than is followed, or with none.
        WorkFactor = "key_work_factor",
        /// The operating system gave no randomness for a new key.
        NotGenerated = "key_not_generated" => Unavailable,
        /// The private key is encrypted and no passphrase was given.
        PassphraseRequired = "key_passphrase_required" => Unavailable,
        /// The passphrase doesn't open the private key.
        PassphraseWrong = "key_passphrase_wrong" => Unavailable,
    }
}

/// A key that was not read or made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not a key in a form that is read here.
    #[error("the key is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is a key or another thing in a form that is not read here.
    #[error("the key is malformed: it is a `{label}`; {instead}")]
    OtherForm {
        /// What it calls itself, such as the label of its PEM block: printable ASCII, at most 64 characters of it.
        label: Box<str>,
        /// What makes of it what is read here.
        instead: &'static str,
    },
    /// It is of a type, curve or algorithm that this release doesn't know.
    #[error("the key's type, curve or algorithm is not supported")]
    Unsupported,
    /// It is known, and can't sign what is signed here.
    #[error("the key can not be used here: {problem}")]
    Unusable {
        /// Why not.
        problem: &'static str,
    },
    /// Its coordinates are not a point on its curve.
    #[error("the key is not a point on its curve")]
    NotOnCurve,
    /// The JWK's own `kid` is not the thumbprint of the key.
    #[error("the key's id is not its thumbprint")]
    IdMismatch,
    /// A member of the JWK says that it is no verifying key of its algorithm.
    #[error("the key's `{member}` contradicts its type")]
    Contradiction {
        /// `alg`, `use` or `key_ops`.
        member: &'static str,
    },
    /// Its passphrase is to be stretched with a work factor that is not followed.
    #[error("the key's work factor is not followed: {problem}")]
    WorkFactor {
        /// Which it is, and what is followed.
        problem: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("no key could be generated")]
    NotGenerated,
    /// The private key is encrypted.
    #[error("the key is encrypted, and no passphrase was given")]
    PassphraseRequired,
    /// The passphrase doesn't open the private key.
    #[error("the passphrase does not open the key")]
    PassphraseWrong,
}

impl KeyError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> KeyCode {
        match self {
            Self::Malformed { .. } | Self::OtherForm { .. } => KeyCode::Malformed,
            Self::WorkFactor { .. } => KeyCode::WorkFactor,
            Self::Unsupported | Self::Unusable { .. } => KeyCode::Unsupported,
            Self::NotOnCurve => KeyCode::NotOnCurve,
            Self::IdMismatch => KeyCode::IdMismatch,
            Self::Contradiction { .. } => KeyCode::Contradiction,
            Self::NotGenerated => KeyCode::NotGenerated,
            Self::PassphraseRequired => KeyCode::PassphraseRequired,
            Self::PassphraseWrong => KeyCode::PassphraseWrong,
        }
    }

    pub(crate) const fn malformed(problem: &'static str) -> Self {
        Self::Malformed { problem }
    }

    /// The refusal of another form: what it calls itself, and what makes of it what is read here.
    #[must_use]
    pub fn other_form(label: &str, instead: &'static str) -> Self {
        const MAX_CHARS: usize = 64;
        Self::OtherForm {
            // It goes to terminals.
            label: label
                .chars()
                .filter(|char| char.is_ascii_graphic() || *char == ' ')
                .take(MAX_CHARS)
                .collect(),
            instead,
        }
    }
}

/// The signature doesn't verify. Alike for every cause, on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct VerifyError;

/// A public key: its algorithm pinned, its point on the curve, its id the JWK thumbprint (RFC 7638).
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    kid: KeyId,
    coordinates: Box<[u8]>,
    verifying: VerifyingKey,
}

const SPKI_LABEL: &str = "PUBLIC KEY";

impl PublicKey {
    /// Reads a JWK (RFC 7517, RFC 7518 §6.2).
    ///
    /// # Errors
    /// [`KeyError`] unless the type and curve are known, the coordinates are unpadded base64url of the curve's exact
    /// length and a point on it, and `kid`, `alg`, `use` and `key_ops`, where they are present, say the same.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let is_of = |known: &Algorithm| {
            let form = known.key_type();
            let is_named = form.crv().is_some() || jwk.alg.as_deref() == Some(known.as_str());
            (form.kty(), form.crv()) == (jwk.kty.as_str(), jwk.crv.as_deref()) && is_named
        };
        let algorithm = Algorithm::ALL
            .iter()
            .copied()
            .find(is_of)
            .ok_or(KeyError::Unsupported)?;
        let contradiction = |member| Err(KeyError::Contradiction { member });
        if jwk.alg.as_ref().is_some_and(|alg| alg != algorithm.as_str()) {
            return contradiction("alg");
        }
        if jwk.key_use.as_ref().is_some_and(|key_use| key_use != "sig") {
            return contradiction("use");
        }
        if jwk
            .key_ops
            .as_ref()
            .is_some_and(|operations| !matches!(operations.as_slice(), [only] if only == "verify"))
        {
            return contradiction("key_ops");
        }
        let members = (jwk.x.as_deref(), jwk.y.as_deref(), jwk.public.as_deref());
        let coordinates = match (algorithm.key_type(), members) {
            (KeyType::Ec(_), (Some(x), Some(y), None)) => [coordinate(x)?, coordinate(y)?],
            (KeyType::Okp(_), (Some(x), None, None)) => [coordinate(x)?, Vec::new()],
            #[cfg(feature = "ml-dsa")]
            (KeyType::Akp, (None, None, Some(public))) => [coordinate(public)?, Vec::new()],
            _ => return Err(KeyError::malformed("its members are not those of its type")),
        };
        // Each of its own length, or bytes of one could count as the other's.
        if coordinates
            .iter()
            .any(|bytes| !bytes.is_empty() && bytes.len() != algorithm.coordinate_bytes())
        {
            return Err(KeyError::malformed(
                "a coordinate has another length than the curve demands",
            ));
        }
        let key = Self::from_coordinates(algorithm, &coordinates.concat())?;
        if jwk.kid.as_ref().is_some_and(|kid| *kid != key.kid) {
            return Err(KeyError::IdMismatch);
        }
        Ok(key)
    }

    /// Reads a SubjectPublicKeyInfo (RFC 5480 §2) in DER, with an uncompressed point.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] if it is of another type, curve or point form, [`KeyError::NotOnCurve`] if the point
    /// isn't.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, coordinates) = Algorithm::ALL
            .iter()
            .find_map(|known| Some((*known, der.strip_prefix(known.spki_prefix())?)))
            .ok_or(KeyError::Unsupported)?;
        Self::from_coordinates(algorithm, coordinates)
    }

    /// Reads a SubjectPublicKeyInfo in PEM (RFC 7468 §13), as `openssl pkey -pubout` writes it, by the lax form of §3: text
    /// and blocks that hold no key, such as certificates, may stand around it.
    ///
    /// # Errors
    /// [`KeyError`], as [`from_spki_der`](Self::from_spki_der), and if the text has not exactly one block with a key, or
    /// that is not a `PUBLIC KEY`.
    pub fn from_spki_pem(pem: &str) -> Result<Self, KeyError> {
        let block = Block::find(pem, |label| label.ends_with("KEY"))?;
        match block.label() {
            SPKI_LABEL => Self::from_spki_der(&block.decode()?),
            label => Err(block.refused(public_half_of(label))),
        }
    }

    /// Reads the bytes of the key: the coordinates, one after the other.
    pub(crate) fn from_coordinates(algorithm: Algorithm, coordinates: &[u8]) -> Result<Self, KeyError> {
        if coordinates.len() != algorithm.public_key_bytes() {
            return Err(KeyError::malformed(
                "its coordinates have another length than the curve demands",
            ));
        }
        let verifying = VerifyingKey::new(algorithm, coordinates).ok_or(KeyError::NotOnCurve)?;
        let kid = thumbprint(algorithm, coordinates)?;
        Ok(Self {
            algorithm,
            kid,
            coordinates: coordinates.into(),
            verifying,
        })
    }

    /// The key as a JWK with `kid`, `alg` and `use`.
    #[must_use]
    pub fn to_jwk(&self) -> Jwk {
        let form = self.algorithm.key_type();
        let (x, y) = coordinates_of(self.algorithm, &self.coordinates);
        let text = Some(base64url::encode(x));
        let (x, public) = match form.crv() {
            Some(_) => (text, None),
            None => (None, text),
        };
        Jwk {
            kty: form.kty().to_owned(),
            crv: form.crv().map(ToOwned::to_owned),
            x,
            y: y.map(base64url::encode),
            public,
            kid: Some(self.kid.clone()),
            alg: Some(self.algorithm.as_str().to_owned()),
            key_use: Some("sig".to_owned()),
            key_ops: None,
        }
    }

    /// The key as a SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        [self.algorithm.spki_prefix(), &self.coordinates].concat()
    }

    /// The key as a SubjectPublicKeyInfo in PEM, for tools that know no JWK.
    #[must_use]
    pub fn to_spki_pem(&self) -> String {
        // INVARIANT: a label without a hyphen and a few thousand bytes always fit into a PEM block.
        pem_rfc7468::encode_string(SPKI_LABEL, pem_rfc7468::LineEnding::LF, &self.to_spki_der()).unwrap_or_default()
    }

    /// The one algorithm that the key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The JWK thumbprint (RFC 7638) with SHA-256: the key's id, everywhere.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The trust store's entry that lets this key sign passes of an issuer, for every tenant and all the time:
    /// [`TrustKey::with_tenants`] and [`TrustKey::with_window`] narrow that.
    #[must_use]
    pub fn pass_key_of(&self, issuer: &Issuer) -> TrustKey {
        TrustKey::pass(self.kid.clone(), self.to_jwk(), self.algorithm.as_str(), issuer.clone())
    }

    /// The entry that lets this key sign approvals of somebody, as [`pass_key_of`](Self::pass_key_of) does for passes.
    /// The roles come with [`TrustKey::with_roles`].
    #[must_use]
    pub fn approval_key_of(&self, principal: &Approver) -> TrustKey {
        TrustKey::approval(
            self.kid.clone(),
            self.to_jwk(),
            self.algorithm.as_str(),
            principal.clone(),
        )
    }

    /// The entry that lets this key sign checkpoints of a log, as [`pass_key_of`](Self::pass_key_of) does for passes. A trust
    /// store takes such an entry of a key of ES256 or Ed25519 only.
    #[must_use]
    pub fn ledger_key_of(&self, origin: &Origin) -> TrustKey {
        TrustKey::ledger(self.kid.clone(), self.to_jwk(), self.algorithm.as_str(), origin.clone())
    }

    /// The bytes of the key: the coordinates, one after the other.
    pub(crate) fn coordinates(&self) -> &[u8] {
        &self.coordinates
    }

    /// Verifies what a custodian signed. Tokens are verified through a [`Keyring`](crate::Keyring).
    ///
    /// # Errors
    /// [`VerifyError`] unless this key's private half made the signature over exactly this input.
    pub fn verify(&self, input: &SigningInput, signature: &Signature) -> Result<(), VerifyError> {
        if signature.algorithm() != self.algorithm || input.algorithm() != self.algorithm {
            return Err(VerifyError);
        }
        self.verify_bytes(input.as_bytes(), signature.as_bytes()).map(|_| ())
    }

    /// Verifies received bytes and hands back the SHA-256 of the message.
    pub(crate) fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> Result<[u8; 32], VerifyError> {
        if signature.len() != self.algorithm.signature_bytes() {
            return Err(VerifyError);
        }
        self.verifying.verify(message, signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm, self.kid)
    }
}

impl Eq for PublicKey {}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.coordinates) == (other.algorithm, &other.coordinates)
    }
}

/// What gets a `PUBLIC KEY` out of a block with this label.
fn public_half_of(label: &str) -> &'static str {
    match label {
        "OPENSSH PRIVATE KEY" => "`ssh-keygen -y -f FILE` prints its public half",
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            "`openssl x509 -in FILE -noout -pubkey` prints its key"
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => "`openssl req -in FILE -noout -pubkey` prints its key",
        "RSA PUBLIC KEY" => {
            "keys here are on P-256, P-384 or edwards25519: `openssl genpkey -algorithm ed25519` makes one"
        }
        _ if label.ends_with("PRIVATE KEY") => "`openssl pkey -in FILE -pubout` prints its public half",
        _ => "a `PUBLIC KEY` is read here, which `openssl pkey -in FILE -pubout` prints",
    }
}

/// The coordinates one by one: two on the NIST curves, one on edwards25519.
fn coordinates_of(algorithm: Algorithm, coordinates: &[u8]) -> (&[u8], Option<&[u8]>) {
    match coordinates.split_at_checked(algorithm.coordinate_bytes()) {
        Some((x, y)) if !y.is_empty() => (x, Some(y)),
        _ => (coordinates, None),
    }
}

fn coordinate(text: &str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(text).ok_or(KeyError::malformed("a coordinate is not base64url"))
}

/// RFC 7638 §3, RFC 8037 §2, RFC 9964: SHA-256 of the required members in lexical order, without white space.
fn thumbprint(algorithm: Algorithm, coordinates: &[u8]) -> Result<KeyId, KeyError> {
    let kty = algorithm.key_type().kty();
    let (x, y) = coordinates_of(algorithm, coordinates);
    let x = base64url::encode(x);
    let members = match (algorithm.key_type().crv(), y.map(base64url::encode)) {
        (Some(crv), Some(y)) => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#),
        (Some(crv), None) => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
        (None, _) => format!(r#"{{"alg":"{algorithm}","kty":"{kty}","pub":"{x}"}}"#),
    };
    let digest = base64url::encode(&backend::sha256(members.as_bytes()));
    // INVARIANT: 32 bytes in base64url are a key id.
    KeyId::parse(&digest).map_err(|_| KeyError::malformed("it has no thumbprint"))
}

actionpass_model::coded_error!(KeyError);

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 A.3.1.
    fn jwk() -> Jwk {
        Jwk::from_json(
            br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        )
        .unwrap()
    }

    fn refusal(change: impl FnOnce(&mut Jwk)) -> KeyCode {
        let mut jwk = jwk();
        change(&mut jwk);
        PublicKey::from_jwk(&jwk).unwrap_err().code()
    }

    #[test]
    fn every_form_is_the_same_key() {
        let key = PublicKey::from_jwk(&jwk()).unwrap();
        // SHA-256 of the form that RFC 7638 §3 prescribes, computed with another tool.
        assert_eq!(key.kid().as_str(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).unwrap(), key);
        assert_eq!(PublicKey::from_spki_der(&key.to_spki_der()).unwrap(), key);
        let pem = key.to_spki_pem();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"),
            "{pem}"
        );
        assert_eq!(PublicKey::from_spki_pem(&pem).unwrap(), key);
        assert_eq!(
            format!("{key:?}"),
            "PublicKey(ES256, oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U)"
        );
    }

    #[test]
    fn jwks_that_are_something_else_are_refused() {
        assert_eq!(refusal(|jwk| jwk.kty = "RSA".into()), KeyCode::Unsupported);
        assert_eq!(refusal(|jwk| jwk.crv = Some("P-521".into())), KeyCode::Unsupported);
        assert_eq!(refusal(|jwk| jwk.crv = Some("P-384".into())), KeyCode::Malformed);
        assert_eq!(refusal(|jwk| jwk.kty = "OKP".into()), KeyCode::Unsupported);
        assert_eq!(refusal(|jwk| jwk.crv = None), KeyCode::Unsupported);
        assert_eq!(refusal(|jwk| jwk.x = None), KeyCode::Malformed);
        assert_eq!(refusal(|jwk| jwk.public = Some("AA".into())), KeyCode::Malformed);
        assert_eq!(refusal(|jwk| jwk.crv = Some("p-256".into())), KeyCode::Unsupported);
        assert_eq!(refusal(|jwk| jwk.alg = Some("ES384".into())), KeyCode::Contradiction);
        assert_eq!(refusal(|jwk| jwk.key_use = Some("enc".into())), KeyCode::Contradiction);
        assert_eq!(refusal(|jwk| jwk.key_ops = Some(vec![])), KeyCode::Contradiction);
        assert_eq!(
            refusal(|jwk| jwk.key_ops = Some(vec!["verify".into(), "sign".into()])),
            KeyCode::Contradiction
        );
        assert_eq!(refusal(|jwk| jwk.y = None), KeyCode::Malformed);
        assert_eq!(refusal(|jwk| jwk.x = Some(String::new())), KeyCode::Malformed);
        assert_eq!(refusal(|jwk| jwk.x.as_mut().unwrap().push('=')), KeyCode::Malformed);
        assert_eq!(
            refusal(|jwk| jwk.x.as_mut().unwrap().insert_str(0, "AA")),
            KeyCode::Malformed
        );
        // The last character's low bits are stray.
        assert_eq!(
            refusal(|jwk| jwk.x = Some(jwk.x.as_ref().unwrap().replace("VEU", "VEV"))),
            KeyCode::Malformed
        );
        assert_eq!(
            refusal(|jwk| std::mem::swap(&mut jwk.x, &mut jwk.y)),
            KeyCode::NotOnCurve
        );
        assert_eq!(
            refusal(|jwk| jwk.x = Some(base64url::encode(&[0; 32]))),
            KeyCode::NotOnCurve
        );
        // The field's prime and more is no coordinate.
        assert_eq!(
            refusal(|jwk| jwk.x = Some(base64url::encode(&[0xFF; 32]))),
            KeyCode::NotOnCurve
        );
        let other = KeyId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").unwrap();
        assert_eq!(refusal(|jwk| jwk.kid = Some(other)), KeyCode::IdMismatch);
    }

    #[test]
    fn spki_is_exact() {
        let key = PublicKey::from_jwk(&jwk()).unwrap();
        let der = key.to_spki_der();
        assert_eq!(PublicKey::from_spki_der(&[]).unwrap_err().code(), KeyCode::Unsupported);
        assert_eq!(
            PublicKey::from_spki_der(&der[..90]).unwrap_err().code(),
            KeyCode::Malformed
        );
        assert_eq!(
            PublicKey::from_spki_der(&[&der[..], &[0]].concat()).unwrap_err().code(),
            KeyCode::Malformed
        );
        for index in 0..der.len() {
            let mut changed = der.clone();
            changed[index] ^= 1;
            assert!(PublicKey::from_spki_der(&changed).is_err(), "byte {index}");
        }
        let pem = key.to_spki_pem();
        for (label, command) in [
            ("EC PRIVATE KEY", "openssl pkey -in FILE -pubout"),
            ("OPENSSH PRIVATE KEY", "ssh-keygen -y"),
            ("CERTIFICATE", "openssl x509"),
            ("CERTIFICATE REQUEST", "openssl req"),
            ("RSA PUBLIC KEY", "openssl genpkey"),
            ("PKCS7", "openssl pkey"),
        ] {
            let error = PublicKey::from_spki_pem(&pem.replace("PUBLIC KEY", label)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("`{label}`")) && text.contains(command), "{text}");
        }
        let certificate = pem.replace("PUBLIC KEY", "CERTIFICATE");
        for lax in [
            pem.replace('\n', " \r\n\r\n"),
            format!("key of maya\n{certificate}{pem}{certificate}"),
        ] {
            assert_eq!(PublicKey::from_spki_pem(&lax).unwrap(), key, "{lax}");
        }
        for bad in [
            "",
            "PUBLIC KEY",
            &pem.repeat(2),
            // Which of the two would be believed?
            &format!("{pem}{}", pem.replace("PUBLIC", "PRIVATE")),
            &pem.replace("PUBLIC", "PRIVATE"),
            &pem[..100],
            &pem.replace("MFkw", "MFk!"),
        ] {
            assert_eq!(
                PublicKey::from_spki_pem(bad).unwrap_err().code(),
                KeyCode::Malformed,
                "{bad}"
            );
        }
    }
}
