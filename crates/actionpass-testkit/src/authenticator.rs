//! [`Authenticator`]: a passkey in software, which also signs what no honest authenticator or browser would.

use actionpass_canon::sha256;
use actionpass_crypto::webauthn::{Assertion, AssertionInput, Registration, RelyingParty};
use actionpass_model::{Approver, CredentialId, Passkey, Role, RpId, SignedDocument, TrustKey, WebOrigin};
use serde_json::{Value, json};

use crate::fixtures::{FixtureKey, approval_key};
use crate::tokens::base64url;

/// One thing that is wrong with what an [`Authenticator`] hands over; the signature is right all the same, but for the
/// faults of signatures. Each is refused with [`code`](Fault::code).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The client data are of the other operation.
    Type,
    /// The client data have another challenge.
    Challenge,
    /// The page is of another origin.
    Origin,
    /// The page stands in a frame of another origin.
    CrossOrigin,
    /// The client data name the page around.
    TopOrigin,
    /// A member stands twice, once under an escape.
    RepeatedMember,
    /// Client data of more than 2 KiB.
    LongClientData,
    /// Client data behind a byte order mark.
    ByteOrderMark,
    /// A byte of the client data is not UTF-8.
    InvalidUtf8,
    /// The authenticator was asked by another relying party: the parent domain.
    ParentRpId,
    /// Nobody was there.
    UserNotPresent,
    /// Nobody was verified.
    UserNotVerified,
    /// An assertion with a credential, a registration without one.
    Attested,
    /// Backed up, and of a kind that is not.
    BackupState,
    /// Extensions are announced, and there are none.
    NoExtensions,
    /// Bytes follow that nothing announces.
    TrailingBytes,
    /// An assertion's authenticator data of more than 512 bytes, with extensions that are well-formed.
    LongAuthenticatorData,
    /// The authenticator data end before the counter.
    ShortAuthenticatorData,
    /// The signature is in the form of JWS.
    RawSignature,
    /// Something follows the signature's DER.
    TrailingSignature,
    /// Another key signed.
    OtherKey,
}

impl Fault {
    /// Every fault that an assertion can have.
    pub const ALL: &'static [Self] = &[
        Self::Type,
        Self::Challenge,
        Self::Origin,
        Self::CrossOrigin,
        Self::TopOrigin,
        Self::RepeatedMember,
        Self::LongClientData,
        Self::ByteOrderMark,
        Self::InvalidUtf8,
        Self::ParentRpId,
        Self::UserNotPresent,
        Self::UserNotVerified,
        Self::Attested,
        Self::BackupState,
        Self::NoExtensions,
        Self::TrailingBytes,
        Self::LongAuthenticatorData,
        Self::ShortAuthenticatorData,
        Self::RawSignature,
        Self::TrailingSignature,
        Self::OtherKey,
    ];

    /// The code that an assertion with it is refused with.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Type => "webauthn_type_mismatch",
            Self::Challenge => "webauthn_challenge_mismatch",
            Self::Origin => "webauthn_origin_mismatch",
            Self::CrossOrigin => "webauthn_cross_origin",
            Self::TopOrigin => "webauthn_top_origin",
            Self::RepeatedMember => "webauthn_client_data_repeated",
            Self::LongClientData => "webauthn_client_data_too_long",
            Self::ByteOrderMark | Self::InvalidUtf8 => "webauthn_client_data_malformed",
            Self::ParentRpId => "webauthn_rp_id_mismatch",
            Self::UserNotPresent => "webauthn_user_not_present",
            Self::UserNotVerified => "webauthn_user_not_verified",
            Self::Attested => "webauthn_attested_credential",
            Self::BackupState => "webauthn_backup_state",
            Self::NoExtensions | Self::TrailingBytes | Self::ShortAuthenticatorData => {
                "webauthn_authenticator_data_malformed"
            }
            Self::LongAuthenticatorData => "webauthn_authenticator_data_too_long",
            Self::RawSignature | Self::TrailingSignature => "webauthn_signature_malformed",
            Self::OtherKey => "webauthn_signature_invalid",
        }
    }
}

/// A passkey of a fixture key, on a page of its own, with the browser around it.
///
/// ```
/// use actionpass_crypto::{Keyring, Unverified};
/// use actionpass_model::ApprovalClaims;
/// use actionpass_testkit::{Authenticator, Fault, fixtures};
///
/// let keyring = Keyring::from_trust(&fixtures::trust_store_with_passkey())?;
/// let claims = fixtures::approval_claims(&fixtures::action());
///
/// let token = Authenticator::new().sign(&claims);
/// assert!(Unverified::<ApprovalClaims>::parse(&token)?.verify(&keyring).is_ok());
///
/// let token = Authenticator::new().with(Fault::UserNotVerified).sign(&claims);
/// let error = Unverified::<ApprovalClaims>::parse(&token)?.verify(&keyring).unwrap_err();
/// assert_eq!(error.code(), Fault::UserNotVerified.code());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Authenticator {
    key: FixtureKey,
    origin: String,
    rp_id: String,
    credential: Vec<u8>,
    fault: Option<Fault>,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator {
    /// The passkey of [`FixtureKey::PASSKEY`] on `https://approve.example.com`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            key: FixtureKey::PASSKEY,
            origin: "https://approve.example.com".to_owned(),
            rp_id: "approve.example.com".to_owned(),
            credential: b"a passkey of the fixtures".to_vec(),
            fault: None,
        }
    }

    /// The same with another key and another id.
    #[must_use]
    pub fn with_key(mut self, key: FixtureKey, credential: &[u8]) -> Self {
        self.key = key;
        self.credential = credential.to_vec();
        self
    }

    /// The same on another page, whatever its host has to do with the relying party.
    #[must_use]
    pub fn on_page(mut self, origin: &str, rp_id: &str) -> Self {
        self.origin = origin.to_owned();
        self.rp_id = rp_id.to_owned();
        self
    }

    /// The same, doing one thing wrong.
    #[must_use]
    pub const fn with(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Its key.
    #[must_use]
    pub const fn key(&self) -> FixtureKey {
        self.key
    }

    /// Its id.
    ///
    /// # Panics
    /// If it has none of 1 to 1,023 bytes.
    #[must_use]
    pub fn credential_id(&self) -> CredentialId {
        CredentialId::parse(&base64url(&self.credential)).expect("it is a credential id")
    }

    /// What the trust store says of it.
    ///
    /// # Panics
    /// If it signs on a page that no trust store would have.
    #[must_use]
    pub fn passkey(&self) -> Passkey {
        let party = self.relying_party();
        Passkey::new(party.rp_id().clone(), party.origins().to_vec(), self.credential_id()).expect("it is a passkey")
    }

    /// The relying party of its page.
    ///
    /// # Panics
    /// If that is a page that no trust store would have.
    #[must_use]
    pub fn relying_party(&self) -> RelyingParty {
        let rp_id = RpId::parse(&self.rp_id).expect("it is a relying party id");
        let origin = WebOrigin::parse(&self.origin).expect("it is an origin");
        RelyingParty::new(rp_id, vec![origin]).expect("the page has its own relying party")
    }

    /// The entry that lets it approve as somebody who holds these roles.
    #[must_use]
    pub fn trust_key(&self, principal: Approver, roles: Vec<Role>) -> TrustKey {
        approval_key(self.key, principal, roles).with_passkey(self.passkey())
    }

    /// Signs a document: the token.
    ///
    /// # Panics
    /// If its claims contradict each other.
    #[must_use]
    pub fn sign<D: SignedDocument>(&self, document: &D) -> String {
        let input = AssertionInput::for_document(document, &self.key.public_key()).expect("the claims can be signed");
        let assertion = self.assert(input.challenge());
        input.into_token(&assertion)
    }

    /// What `navigator.credentials.get` hands back for this challenge.
    #[must_use]
    pub fn assert(&self, challenge: &[u8; 32]) -> Assertion {
        let client_data_json = self.client_data("webauthn.get", "webauthn.create", challenge);
        let mut data = self.authenticator_data(0x05);
        match self.fault {
            Some(Fault::Attested) => {
                set_flags(&mut data, 0x40);
                data.extend(self.attested());
            }
            Some(Fault::LongAuthenticatorData) => {
                set_flags(&mut data, 0x80);
                // {"x": 470 bytes}
                data.extend([0xA1, 0x61, b'x', 0x59, 1, 0xD6]);
                data.extend([0; 470]);
            }
            _ => {}
        }
        let data = self.damaged(data);
        let message = [&data[..], sha256(&client_data_json).as_bytes()].concat();
        let signature = match self.fault {
            Some(Fault::RawSignature) => self.key.sign_bytes(&message).as_bytes().to_vec(),
            Some(Fault::TrailingSignature) => [&self.key.sign_der(&message)[..], &[0]].concat(),
            Some(Fault::OtherKey) => FixtureKey::STRANGER.sign_der(&message),
            _ => self.key.sign_der(&message),
        };
        Assertion {
            authenticator_data: data,
            client_data_json,
            signature,
        }
    }

    /// What `navigator.credentials.create` hands back for this challenge, with attestation `none`.
    #[must_use]
    pub fn register(&self, challenge: &[u8; 32]) -> Registration {
        let mut data = self.authenticator_data(0x05);
        if self.fault != Some(Fault::Attested) {
            set_flags(&mut data, 0x40);
            data.extend(self.attested());
        }
        let data = self.damaged(data);
        // The shortest head of a byte string, as the CTAP2 canonical form demands.
        let length = match u8::try_from(data.len()) {
            Ok(length) => vec![0x58, length],
            Err(_) => {
                let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
                [&[0x59][..], &length].concat()
            }
        };
        // {"fmt": "none", "attStmt": {}, "authData": h'…'}
        let head = b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData";
        Registration {
            client_data_json: self.client_data("webauthn.create", "webauthn.get", challenge),
            attestation_object: [&head[..], &length, &data].concat(),
        }
    }

    fn client_data(&self, own: &str, other: &str, challenge: &[u8; 32]) -> Vec<u8> {
        let mut challenge = *challenge;
        if let (Some(Fault::Challenge), [first, ..]) = (self.fault, &mut challenge) {
            *first ^= 1;
        }
        let origin = match self.fault {
            Some(Fault::Origin) => "https://approve.example.net",
            _ => self.origin.as_str(),
        };
        let mut members = json!({
            "type": if self.fault == Some(Fault::Type) { other } else { own },
            "challenge": base64url(&challenge),
            "origin": origin,
            "crossOrigin": self.fault == Some(Fault::CrossOrigin),
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
        });
        let mut add = |name: &str, value: Value| {
            if let Some(members) = members.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        match self.fault {
            Some(Fault::TopOrigin) => add("topOrigin", json!("https://approve.example.com")),
            Some(Fault::LongClientData) => add("padding", json!("x".repeat(2048))),
            _ => {}
        }
        let text = members.to_string();
        match self.fault {
            Some(Fault::RepeatedMember) => text
                .replacen('{', &format!(r#"{{"\u0074ype":"{own}","#), 1)
                .into_bytes(),
            Some(Fault::ByteOrderMark) => format!("\u{FEFF}{text}").into_bytes(),
            Some(Fault::InvalidUtf8) => {
                let (before, after) = text.split_once("template").unwrap_or_default();
                [before.as_bytes(), &[0xFF], after.as_bytes()].concat()
            }
            _ => text.into_bytes(),
        }
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let (rp_id, flags) = match self.fault {
            Some(Fault::ParentRpId) => ("example.com", flags),
            Some(Fault::UserNotPresent) => (&*self.rp_id, flags & !0x01),
            Some(Fault::UserNotVerified) => (&*self.rp_id, flags & !0x04),
            Some(Fault::BackupState) => (&*self.rp_id, flags | 0x10),
            Some(Fault::NoExtensions) => (&*self.rp_id, flags | 0x80),
            _ => (&*self.rp_id, flags),
        };
        [&sha256(rp_id.as_bytes()).as_bytes()[..], &[flags], &[0, 0, 0, 0]].concat()
    }

    fn damaged(&self, mut data: Vec<u8>) -> Vec<u8> {
        match self.fault {
            Some(Fault::TrailingBytes) => data.push(0xA0),
            Some(Fault::ShortAuthenticatorData) => data.truncate(36),
            _ => {}
        }
        data
    }

    /// The attested credential data (Web Authentication Level 3 §6.5.1): no model, the id, the `COSE_Key`.
    fn attested(&self) -> Vec<u8> {
        let length = u16::try_from(self.credential.len()).unwrap_or(u16::MAX).to_be_bytes();
        let spki = self.key.public_key().to_spki_der();
        let (_, coordinates) = spki.split_at(spki.len().saturating_sub(64));
        let (x, y) = coordinates.split_at(32);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
        [
            &[0; 16][..],
            &length,
            &self.credential,
            &[0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
            x,
            &[0x22, 0x58, 0x20],
            y,
        ]
        .concat()
    }
}

fn set_flags(data: &mut [u8], flags: u8) {
    if let Some(all) = data.get_mut(32) {
        *all |= flags;
    }
}
