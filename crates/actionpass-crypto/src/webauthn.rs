//! Passkeys: what an authenticator signs, checked offline (Web Authentication Level 3).
//!
//! A passkey doesn't sign a token; it signs an *assertion*, whose challenge is the SHA-256 of `header.payload`. The third
//! part of such a token is base64url of `{"authenticatorData","clientDataJSON","signature"}` in RFC 8785 form, and the
//! token's `typ` says so. [`Unverified`](crate::Unverified) reads both forms; this module has what is particular to
//! this one: the checks of §7.2, signing in, and the registration of a new passkey (§7.1).
//!
//! Three challenges are never taken for each other: an assertion on a token has the hash of that token, which begins with
//! the base64url of `{`; signing in has the hash of a text that begins with `actionpass-login-v1` and a zero byte
//! ([`LoginChallenge`]); a registration is of another type.

mod assertion;
mod authenticator_data;
mod cbor;
mod client_data;
mod input;
mod login;
mod registration;

pub use assertion::Assertion;
pub use input::AssertionInput;
pub use login::{Login, LoginChallenge, verify_login};
pub use registration::{NewPasskey, Registration, RelyingParty};

use crate::KeyError;

actionpass_model::codes! {
    /// Why an assertion of an authenticator, or a new passkey, was refused, in the order of the checks: each stops at once.
    pub enum WebAuthnCode: Approval {
        /// The key signs in the other form: a passkey signs what is typed for passkeys and nothing else, and another key
        /// nothing that is.
        KeyFormMismatch = "webauthn_key_form_mismatch",
        /// No key of the trust store has this credential id.
        CredentialUnknown = "webauthn_credential_unknown",
        /// The passkey is revoked.
        CredentialRevoked = "webauthn_credential_revoked" => Revoked,
        /// The signature is not `authenticatorData`, `clientDataJSON` and `signature` in their one spelling.
        AssertionMalformed = "webauthn_assertion_malformed",
        /// The client data are longer than 2 KiB.
        ClientDataTooLong = "webauthn_client_data_too_long",
        /// The client data are not a JSON object in UTF-8 whose members have the right types.
        ClientDataMalformed = "webauthn_client_data_malformed",
        /// A member of the client data stands there twice.
        ClientDataRepeated = "webauthn_client_data_repeated",
        /// The client data are of another operation.
        TypeMismatch = "webauthn_type_mismatch",
        /// The authenticator signed another challenge: another token, another sign-in.
        ChallengeMismatch = "webauthn_challenge_mismatch",
        /// The passkey was used on a page that is not one of its own.
        OriginMismatch = "webauthn_origin_mismatch",
        /// The passkey was used in a frame of a page of another origin.
        CrossOrigin = "webauthn_cross_origin",
        /// The client data name the origin of a page around the one that asked.
        TopOrigin = "webauthn_top_origin",
        /// The authenticator data are longer than 512 bytes.
        AuthenticatorDataTooLong = "webauthn_authenticator_data_too_long",
        /// The authenticator data end too early, are followed by something, or are not what their flags say.
        AuthenticatorDataMalformed = "webauthn_authenticator_data_malformed",
        /// The authenticator signed for another relying party.
        RpIdMismatch = "webauthn_rp_id_mismatch",
        /// The authenticator didn't see a person.
        UserNotPresent = "webauthn_user_not_present",
        /// The authenticator didn't verify who the person is.
        UserNotVerified = "webauthn_user_not_verified",
        /// The assertion carries a credential, which only registrations do.
        AttestedCredential = "webauthn_attested_credential",
        /// The passkey is said to be backed up and to be of a kind that is never backed up.
        BackupState = "webauthn_backup_state",
        /// The authenticator's signature is not one of the key's algorithm: strict DER for ES256, 64 bytes for Ed25519.
        SignatureMalformed = "webauthn_signature_malformed",
        /// The authenticator's signature doesn't verify.
        SignatureInvalid = "webauthn_signature_invalid",
        /// The attestation object is not CBOR of `fmt`, `attStmt` and `authData`, or is longer than 4 KiB.
        AttestationMalformed = "webauthn_attestation_malformed",
        /// The attestation is of another format than `none`.
        AttestationUnsupported = "webauthn_attestation_unsupported",
        /// The new passkey's key is malformed.
        KeyMalformed = "webauthn_key_malformed",
        /// The new passkey's key is of an algorithm that no approval is signed with.
        KeyUnsupported = "webauthn_key_unsupported",
    }
}

/// An assertion or a new passkey that was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct WebAuthnError {
    code: WebAuthnCode,
    problem: &'static str,
    #[source]
    source: Option<KeyError>,
}

impl WebAuthnError {
    pub(crate) const fn new(code: WebAuthnCode, problem: &'static str) -> Self {
        Self {
            code,
            problem,
            source: None,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> WebAuthnCode {
        self.code
    }
}

actionpass_model::coded_error!(WebAuthnError);

/// Holds, or stops with this code.
const fn demand(holds: bool, code: WebAuthnCode, problem: &'static str) -> Result<(), WebAuthnError> {
    if holds {
        Ok(())
    } else {
        Err(WebAuthnError::new(code, problem))
    }
}

#[cfg(test)]
mod tests;
