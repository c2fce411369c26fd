//! Approving: an approver's signed yes to one exact action, or, of a request, the signed no.

use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_crypto::{SignError, Signer, sign_document};
use actionpass_model::{
    ActionId, ApprovalClaims, ApprovalId, ApprovalMode, ApprovalRequest, ApprovalTerms, Approver, ClaimsError,
    ClaimsVersion, Code, DEFAULT_APPROVAL_LIFETIME, Digest, Issuer, RefusalClaims, RequestId, RuleId, Shown, Statement,
    Timestamp, UnixSeconds,
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
    expires: Expires,
    policy_digest: Option<Digest>,
    rules: Option<Vec<RuleId>>,
    action_id: Option<ActionId>,
    binds_context: bool,
    facts_hash: Option<Digest>,
    request: Option<RequestId>,
    shown: Option<Shown>,
}

#[derive(Clone, Copy, Debug)]
enum Expires {
    After(Duration),
    At(UnixSeconds),
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
            expires: Expires::After(DEFAULT_APPROVAL_LIFETIME),
            policy_digest: None,
            rules: None,
            action_id: None,
            binds_context: false,
            facts_hash: None,
            request: None,
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
        self.expires = Expires::After(lifetime);
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

    /// Holds only for the facts that the approver saw: this is their hash.
    #[must_use]
    pub const fn with_facts_hash(mut self, hash: Digest) -> Self {
        self.facts_hash = Some(hash);
        self
    }

    /// A vote on a request: it expires when the request does, and holds for its context, its facts, its policy and the
    /// rules that it waits for, and for no occurrence in particular.
    #[must_use]
    pub fn for_request(mut self, request: &ApprovalRequest) -> Self {
        self.expires = Expires::At(request.expires_at.to_unix_seconds());
        self.policy_digest = Some(request.policy.digest);
        self.rules = Some(request.rules.clone());
        self.action_id = None;
        self.binds_context = true;
        self.facts_hash = Some(request.facts_hash);
        self.request = Some(request.id.clone());
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
        let claims = self.claims(action, issuer, now, random)?;
        Ok(sign_document(signer, &claims).await?.into_string())
    }

    /// Signs the opposite with the approver's own key: a refusal of the request that it was made for.
    ///
    /// # Errors
    /// [`ApproveError`]; what is no vote on a request is not signed.
    pub async fn sign_refusal(
        self,
        action: &BoundAction,
        issuer: &Issuer,
        signer: &dyn Signer,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<String, ApproveError> {
        let claims = self.claims(action, issuer, now, random)?;
        let refusal =
            RefusalClaims::new(claims).map_err(|error| SignError::ClaimsNotSignable(ClaimsError::Malformed(error)))?;
        Ok(sign_document(signer, &refusal).await?.into_string())
    }

    /// The claims that are signed: for signers that are no [`Signer`], as a passkey in a browser.
    ///
    /// # Errors
    /// [`ApproveError::NoRandomness`].
    pub fn claims(
        self,
        action: &BoundAction,
        issuer: &Issuer,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<ApprovalClaims, ApproveError> {
        let id = uuid(now, random).ok_or(ApproveError::NoRandomness)?;
        let iat = now.to_unix_seconds();
        Ok(ApprovalClaims {
            iss: self.approver,
            sub: action.action().actor.agent.clone(),
            aud: issuer.clone(),
            iat,
            exp: match self.expires {
                Expires::After(lifetime) => iat.saturating_add(lifetime.as_secs()),
                Expires::At(exp) => exp,
            },
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
                facts_hash: self.facts_hash,
                request: self.request,
                shown: self.shown,
                ext: None,
            },
        })
    }
}
