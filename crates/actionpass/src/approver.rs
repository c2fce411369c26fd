//! [`Approver`]: a person or service that approves, and the key that they approve with.

use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_core::{Approval, ApproveError, Clock, RequestCode, Review, System};
use actionpass_crypto::{PublicKey, Signer};
use actionpass_custodians::Custodians;
use actionpass_custody::{CustodianError, KeyUri, Secrets};
use actionpass_display::{DisplayError, View};
use actionpass_model::{
    Approver as Name, Code, DEFAULT_APPROVAL_LIFETIME, Digest, Issuer, RuleId, Statement, Timestamp,
};
use actionpass_verify::VerifyCode;

/// A person or service that approves: its name in the trust store, and the key that only it has.
///
/// Whoever calls [`approve`](Self::approve) has shown the exact payload to that person; `actionpass approve` does so on a
/// terminal.
#[derive(Clone, Debug)]
pub struct Approver {
    name: Name,
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    lifetime: Duration,
}

/// There is no approval.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApproverError {
    /// It was not signed.
    #[error(transparent)]
    Approve(#[from] ApproveError),
    /// The time is not known.
    #[error("the time is not known")]
    ClockUnknown,
    /// What the request is about was erased.
    #[error("what the request is about was erased")]
    ActionErased,
    /// There is no view of the action that the person could have been shown.
    #[error(transparent)]
    Display(#[from] DisplayError),
}

impl ApproverError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Approve(error) => error.code(),
            Self::ClockUnknown => VerifyCode::ClockUnknown.into(),
            Self::ActionErased => RequestCode::RequestErased.into(),
            Self::Display(error) => error.code().into(),
        }
    }
}

actionpass_model::coded_error!(ApproverError);

impl Approver {
    /// An approver with a key that is open. Approvals hold 15 minutes.
    #[must_use]
    pub fn new(name: Name, signer: Arc<dyn Signer>) -> Self {
        Self {
            name,
            signer,
            clock: Arc::new(System),
            lifetime: DEFAULT_APPROVAL_LIFETIME,
        }
    }

    /// An approver whose key is at a URI, such as `file:maya.pem` or `ssh-agent:SHA256:…`. Blocks while the custodian is
    /// asked.
    ///
    /// # Errors
    /// What the custodian says.
    pub fn open(name: Name, key: &KeyUri, secrets: &dyn Secrets) -> Result<Self, CustodianError> {
        Ok(Self::new(name, Custodians::standard().open(key, secrets)?.signer))
    }

    /// Goes by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long approvals hold; between a second and 24 hours.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Who it is, as the issuer's trust store has it.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The key that the issuer's trust store must have for this name.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    /// A yes to exactly this action, for this issuer, once: the token that goes with the next request.
    ///
    /// # Errors
    /// [`ApproverError`]: nothing was approved.
    pub async fn approve(
        &self,
        action: &BoundAction,
        issuer: Issuer,
        reason: Statement,
    ) -> Result<String, ApproverError> {
        self.sign(Approval::human(self.name.clone(), reason), action, &issuer)
            .await
    }

    /// Lifts these deny rules of this policy for exactly this action, once, where the rules permit it.
    ///
    /// # Errors
    /// [`ApproverError`]: nothing was lifted.
    pub async fn override_denial(
        &self,
        action: &BoundAction,
        issuer: Issuer,
        reason: Statement,
        policy: Digest,
        rules: Vec<RuleId>,
    ) -> Result<String, ApproverError> {
        let approval = Approval::policy_override(self.name.clone(), reason, policy, rules);
        self.sign(approval, action, &issuer).await
    }

    /// A yes to an approval request: the token that [`Issuer::vote`](actionpass_core::Issuer::vote) takes. Whoever calls it has
    /// shown the person the view of the request's action ([`View::of`]), which the vote states.
    ///
    /// # Errors
    /// [`ApproverError`]: nothing was signed.
    pub async fn approve_request(
        &self,
        review: &Review,
        issuer: Issuer,
        reason: Statement,
    ) -> Result<String, ApproverError> {
        let (ballot, action, now) = self.ballot(review, reason)?;
        Ok(ballot.sign(action, &issuer, &*self.signer, now, &System).await?)
    }

    /// A no to an approval request, which ends it.
    ///
    /// # Errors
    /// [`ApproverError`]: nothing was signed.
    pub async fn decline_request(
        &self,
        review: &Review,
        issuer: Issuer,
        reason: Statement,
    ) -> Result<String, ApproverError> {
        let (ballot, action, now) = self.ballot(review, reason)?;
        Ok(ballot
            .sign_refusal(action, &issuer, &*self.signer, now, &System)
            .await?)
    }

    fn ballot<'a>(
        &self,
        review: &'a Review,
        reason: Statement,
    ) -> Result<(Approval, &'a BoundAction, Timestamp), ApproverError> {
        let action = review.action.as_ref().ok_or(ApproverError::ActionErased)?;
        let view = View::of(action, &review.request.rules, &review.facts)?;
        let ballot = Approval::human(self.name.clone(), reason)
            .for_request(&review.request)
            .with_shown(view.shown());
        let now = self.clock.now().ok_or(ApproverError::ClockUnknown)?;
        Ok((ballot, action, now))
    }

    async fn sign(&self, approval: Approval, action: &BoundAction, issuer: &Issuer) -> Result<String, ApproverError> {
        let now = self.clock.now().ok_or(ApproverError::ClockUnknown)?;
        let approval = approval.with_lifetime(self.lifetime);
        Ok(approval.sign(action, issuer, &*self.signer, now, &System).await?)
    }
}
