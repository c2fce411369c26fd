//! Approving: an approver's signed yes to one exact action.

use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_crypto::{SignError, Signer, sign_document};
use actionpass_model::{
    ActionId, ApprovalClaims, ApprovalId, ApprovalMode, ApprovalTerms, Approver, ClaimsVersion, Code,
    DEFAULT_APPROVAL_LIFETIME, Digest, Issuer, RuleId, Shown, Statement, Timestamp,
};

use crate::AuthorizeCode;
use crate::environment::{Random, uuid};

/// An approval in the making.
///
/// ```no_run
/// # async fn example(action: &actionpass_canon::BoundAction, key: &dyn actionpass_crypto::Signer,
/// #     now: actionpass_model::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
/// use actionpass_core::{Approval, System};
/// use actionpass_model::{Approver, Issuer, Statement};
///
/// let approval = Approval::human(Approver::parse("user:maintainer@example.com")?, Statement::parse("looks right")?);
/// let token = approval.sign(action, &Issuer::parse("https://issuer.example")?, key, now, &System).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Approval {
    approver: Approver,
    mode: ApprovalMode,
    reason: Statement,
    lifetime: Duration,
    policy_digest: Option<Digest>,
    rules: Option<Vec<RuleId>>,
    action_id: Option<ActionId>,
    binds_context: bool,
    shown: Option<Shown>,
}

/// Nothing was approved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApproveError {
    /// The approver's key did not sign.
    #[error("the approval was not signed")]
    Sign(#[from] SignError),
    /// There is no randomness to make an id from.
    #[error("no randomness is to be had")]
    NoRandomness,
}

impl ApproveError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Sign(error) => error.code().into(),
            Self::NoRandomness => AuthorizeCode::RandomnessUnavailable.into(),
        }
    }
}

actionpass_model::coded_error!(ApproveError);

impl Approval {
    /// A human's yes to the exact action, for 15 minutes.
    #[must_use]
    pub const fn human(approver: Approver, reason: Statement) -> Self {
        Self {
            approver,
            mode: ApprovalMode::Human,
            reason,
            lifetime: DEFAULT_APPROVAL_LIFETIME,
            policy_digest: None,
            rules: None,
            action_id: None,
            binds_context: false,
            shown: None,
        }
    }

    /// An override of named deny rules of one policy, for 15 minutes.
    #[must_use]
    pub fn policy_override(approver: Approver, reason: Statement, policy_digest: Digest, rules: Vec<RuleId>) -> Self {
        Self {
            mode: ApprovalMode::PolicyOverride,
            policy_digest: Some(policy_digest),
            rules: Some(rules),
            ..Self::human(approver, reason)
        }
    }

    /// How long it holds; more than 24 hours is refused when it is signed.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Holds only under this policy.
    #[must_use]
    pub const fn with_policy_digest(mut self, digest: Digest) -> Self {
        self.policy_digest = Some(digest);
        self
    }

    /// Holds only for these rules.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<RuleId>) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Holds only for this occurrence.
    #[must_use]
    pub fn with_action_id(mut self, id: ActionId) -> Self {
        self.action_id = Some(id);
        self
    }

    /// Holds only for the context that the approver saw.
    #[must_use]
    pub const fn with_context(mut self) -> Self {
        self.binds_context = true;
        self
    }

    /// Says what the approver was shown.
    #[must_use]
    pub fn with_shown(mut self, shown: Shown) -> Self {
        self.shown = Some(shown);
        self
    }

    /// Signs the approval with the approver's own key, for passes of this issuer.
    ///
    /// # Errors
    /// [`ApproveError`]; claims that contradict each other are not signed.
    pub async fn sign(
        self,
        action: &BoundAction,
        issuer: &Issuer,
        signer: &dyn Signer,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, ApproveError> {
        let id = uuid(now, random).ok_or(ApproveError::NoRandomness)?;
        let iat = now.to_unix_seconds();
        let claims = ApprovalClaims {
            iss: self.approver,
            sub: action.action().actor.agent.clone(),
            aud: issuer.clone(),
            iat,
            exp: iat.saturating_add(self.lifetime.as_secs()),
            jti: ApprovalId::from_uuid(id),
            approval: ApprovalTerms {
                v: ClaimsVersion,
                mode: self.mode,
                reason: self.reason,
                tenant: action.action().tenant.clone(),
                action_hash: action.action_hash(),
                payload_hash: action.payload_hash(),
                policy_digest: self.policy_digest,
                rules: self.rules,
                action_id: self.action_id,
                context_hash: self.binds_context.then(|| action.context_hash()),
                shown: self.shown,
                ext: None,
            },
        };
        Ok(sign_document(signer, &claims).await?.into_string())
    }
}
