//! Signing in: an assertion over a challenge that no token can have.

use std::sync::Arc;

use actionpass_model::CredentialId;

use super::{Assertion, WebAuthnCode, WebAuthnError, demand};
use crate::{KeyEntry, Keyring, backend};

/// What stands before the random bytes; a zero byte follows. Signing inputs of tokens are ASCII without a zero.
const PREFIX: &[u8] = b"actionpass-login-v1";

/// The challenge of one sign-in: SHA-256 of `actionpass-login-v1`, a zero byte and 32 random bytes, which the server draws
/// and keeps. There is no way to make one from a challenge, so no page can have an approval signed as a sign-in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginChallenge([u8; 32]);

impl LoginChallenge {
    /// The challenge of these random bytes.
    #[must_use]
    pub fn from_random(random: &[u8; 32]) -> Self {
        Self(backend::sha256(&[PREFIX, &[0], random].concat()))
    }

    /// The challenge, which goes to `navigator.credentials.get`.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A sign-in whose assertion holds: this passkey was used. Its time, its tenants and revocations of its principal are for
/// others to check, and that the challenge served once.
#[derive(Clone, Debug)]
pub struct Login {
    key: Arc<KeyEntry>,
}

impl Login {
    /// The passkey that signed.
    #[must_use]
    pub const fn key(&self) -> &Arc<KeyEntry> {
        &self.key
    }
}

/// Verifies a sign-in with the passkey of this credential id.
///
/// # Errors
/// [`WebAuthnError`]: no such passkey, a revoked one, or whatever is wrong with the assertion.
pub fn verify_login(
    credential_id: &CredentialId,
    assertion: &Assertion,
    challenge: &LoginChallenge,
    keyring: &Keyring,
) -> Result<Login, WebAuthnError> {
    let found = keyring.iter().find_map(|entry| {
        let passkey = entry.trust().webauthn.as_ref()?;
        (passkey.credential_id() == credential_id).then_some((entry, passkey))
    });
    let (entry, passkey) = found.ok_or(WebAuthnError::new(
        WebAuthnCode::CredentialUnknown,
        "no key of the trust store has this credential id",
    ))?;
    demand(
        !entry.is_revoked(),
        WebAuthnCode::CredentialRevoked,
        "the passkey is revoked",
    )?;
    assertion.check(&challenge.0, entry.key(), passkey)?;
    Ok(Login { key: Arc::clone(entry) })
}
