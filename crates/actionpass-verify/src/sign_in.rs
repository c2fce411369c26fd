//! Signing in: who a passkey says is there, by the trust in force.

use actionpass_crypto::webauthn::{Assertion, LoginChallenge, verify_login};
use actionpass_crypto::{WebAuthnCode, WebAuthnError};
use actionpass_model::{Approver, Code, CredentialId, KeyId, Role, Tenants, UnixSeconds};

use crate::VerifyCode;
use crate::trust::{Trust, signs_in};

/// A person who signed in with their passkey. It grants nothing: every approval is signed by itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SignedIn {
    /// Who.
    pub principal: Approver,
    /// The roles that they hold.
    pub roles: Vec<Role>,
    /// The tenants that they approve for.
    pub tenants: Tenants,
    /// The passkey.
    pub kid: KeyId,
}

/// A sign-in that is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The assertion, or the passkey that made it.
    #[error(transparent)]
    Assertion(#[from] WebAuthnError),
    /// The passkey belongs to nobody, as no trust store has it.
    #[error("the passkey belongs to nobody")]
    Nobody,
    /// The passkey signs at another time.
    #[error("the passkey is used outside of its time")]
    OutOfTime,
    /// Whose passkey it is was revoked.
    #[error("the principal is revoked")]
    Revoked,
    /// The trust store has expired.
    #[error("the trust store has expired")]
    TrustExpired,
}

impl SignInError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Assertion(error) => error.code().into(),
            Self::Nobody => WebAuthnCode::CredentialUnknown.into(),
            Self::OutOfTime => VerifyCode::KeyNotValid.into(),
            Self::Revoked => VerifyCode::PrincipalRevoked.into(),
            Self::TrustExpired => VerifyCode::TrustExpired.into(),
        }
    }
}

actionpass_model::coded_error!(SignInError);

impl Trust {
    /// Verifies a sign-in at this time. That the challenge is one of the caller's, and serves once, is for the caller to
    /// know.
    ///
    /// # Errors
    /// [`SignInError`]; alike for whoever tries: tell them no more than that it failed.
    pub fn sign_in(
        &self,
        credential_id: &CredentialId,
        assertion: &Assertion,
        challenge: &LoginChallenge,
        now: UnixSeconds,
    ) -> Result<SignedIn, SignInError> {
        if self.is_expired(now) {
            return Err(SignInError::TrustExpired);
        }
        let login = verify_login(credential_id, assertion, challenge, self.keyring())?;
        let key = login.key().trust();
        if !signs_in(key, now) {
            return Err(SignInError::OutOfTime);
        }
        let principal = key.principal.clone().ok_or(SignInError::Nobody)?;
        if self.is_principal_revoked(principal.as_str()) {
            return Err(SignInError::Revoked);
        }
        Ok(SignedIn {
            principal,
            roles: key.roles.clone(),
            tenants: key.tenants.clone(),
            kid: key.kid.clone(),
        })
    }
}
