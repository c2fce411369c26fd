//! [`Offered`]: the approvals that were offered for an action, and what each is worth.

use actionpass_canon::BoundAction;
use actionpass_model::{ActionId, ApprovalRef, Code, Digest, Grant, OfferedEvidence, Reason, Timestamp, UnixSeconds};
use actionpass_policy::Verdict;
use actionpass_verify::approval::{self, ApprovalContext, ApprovalRefusal, OfRequest, VerifiedApproval};
use actionpass_verify::{Trust, VerifyCode};

use crate::{AuthorizeCode, AuthorizeError, IssuerConfig};

/// The most approvals that are looked at, of which a pass carries
/// [`MAX_APPROVALS`](actionpass_model::MAX_APPROVALS).
pub(crate) const MAX_OFFERED: usize = 32;

/// The occurrence of an action that approvals are offered for, by which policy and at what time.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of them are needed, and callers name them")]
pub struct Occasion<'a> {
    /// The action.
    pub action: &'a BoundAction,
    /// Which occurrence of it.
    pub action_id: &'a ActionId,
    /// The facts that it is judged by.
    pub facts_hash: Digest,
    /// The approval request that waits for it.
    pub request: OfRequest<'a>,
    /// The policy that judges it.
    pub policy_digest: Digest,
    /// When it is judged.
    pub at: Timestamp,
    /// [`LedgerState::restored`](actionpass_store::LedgerState::restored) of the store that knows which approvals are used.
    pub restored: Option<UnixSeconds>,
}

/// The approvals that were offered for an action, checked: those that hold, and why the others grant nothing.
///
/// It is what [`Authorizer::authorize`](crate::Authorizer::authorize) counts by, for programs that explain what it would
/// say. Nothing is recorded or used up.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Offered {
    pub(crate) approvals: Vec<VerifiedApproval>,
    pub(crate) reasons: Vec<Reason>,
    /// What the record says of those that don't count.
    pub(crate) in_vain: Vec<OfferedEvidence>,
}

impl Offered {
    /// Checks each token. `used` are approvals that are known to be used up.
    ///
    /// # Errors
    /// [`AuthorizeCode::TooManyApprovals`] where an issuer would refuse the whole request.
    pub fn check(
        tokens: &[String],
        config: &IssuerConfig,
        occasion: &Occasion<'_>,
        trust: &Trust,
        used: &[ApprovalRef],
    ) -> Result<Self, AuthorizeError> {
        if tokens.len() > MAX_OFFERED {
            return Err(AuthorizeError::at(AuthorizeCode::TooManyApprovals, "approvals"));
        }
        let checked = check_each(tokens, config, occasion, trust);
        Ok(Self::of(checked, occasion.request, occasion.restored, used))
    }

    /// What the store knows is looked at last: which request waits, how far back it goes, and which approvals are used.
    pub(crate) fn of(
        checked: Vec<Checked>,
        request: OfRequest<'_>,
        restored: Option<UnixSeconds>,
        used: &[ApprovalRef],
    ) -> Self {
        let mut offered = Self::default();
        for checked in checked {
            match checked {
                Ok(approval) => {
                    let name = approval.to_ref();
                    let named = approval.terms().and_then(|terms| terms.request.as_ref());
                    if !request.permits(named) {
                        let code = VerifyCode::ApprovalBindingMismatch;
                        offered.reasons.push(Reason::new(code));
                        offered.in_vain.push(evidence(&approval, code));
                    } else if restored.is_some_and(|start| approval.given() < start) {
                        offered.reasons.push(Reason::new(AuthorizeCode::ApprovalStateLost));
                        offered
                            .in_vain
                            .push(evidence(&approval, AuthorizeCode::ApprovalStateLost));
                    } else if used.contains(&name) {
                        offered.reasons.push(Reason::new(AuthorizeCode::ApprovalUsed));
                        offered.in_vain.push(evidence(&approval, AuthorizeCode::ApprovalUsed));
                    } else if !offered.refs().contains(&name) {
                        // Offered twice it still counts once.
                        offered.approvals.push(approval);
                    }
                }
                Err(refusal) => {
                    let (approved_by, kid) = refusal.signed.unzip();
                    offered.in_vain.push(OfferedEvidence {
                        approved_by,
                        codes: refusal.codes.clone(),
                        kid,
                        token_hash: refusal.token_hash,
                    });
                    offered.reasons.extend(refusal.codes.into_iter().map(Reason::new));
                }
            }
        }
        offered
    }

    /// What the approvals that hold grant, for policy.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.approvals.iter().map(VerifiedApproval::grant).collect()
    }

    /// What a store knows the approvals that hold by: [`DecisionStore::used_approvals`] says which are used.
    ///
    /// [`DecisionStore::used_approvals`]: actionpass_store::DecisionStore::used_approvals
    #[must_use]
    pub fn refs(&self) -> Vec<ApprovalRef> {
        self.approvals.iter().map(VerifiedApproval::to_ref).collect()
    }

    /// Why the others grant nothing.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Keeps the approvals that a verdict relied on.
    pub(crate) fn keep_relied_on(&mut self, verdict: &Verdict) {
        let is_needless = |approval: &mut VerifiedApproval| !verdict.relied_on.contains(&approval.to_ref());
        let needless = self.approvals.extract_if(.., is_needless);
        self.in_vain
            .extend(needless.map(|approval| evidence(&approval, AuthorizeCode::ApprovalNotReliedOn)));
    }
}

/// An approval, as far as that can be said without a store.
pub(crate) type Checked = Result<VerifiedApproval, ApprovalRefusal>;

/// Checks each token: its signature and everything that it says, against the action.
pub(crate) fn check_each<'t>(
    tokens: impl IntoIterator<Item = &'t String>,
    config: &IssuerConfig,
    occasion: &Occasion<'_>,
    trust: &Trust,
) -> Vec<Checked> {
    let action = occasion.action;
    let head = action.action();
    let context = ApprovalContext {
        issuer: &config.issuer,
        tenant: &head.tenant,
        agent: &head.actor.agent,
        via: &head.actor.via,
        action_hash: action.action_hash(),
        payload_hash: action.payload_hash(),
        context_hash: action.context_hash(),
        facts_hash: occasion.facts_hash,
        request: occasion.request,
        action_id: occasion.action_id,
        policy_digest: occasion.policy_digest,
        at: occasion.at.to_unix_seconds(),
        dangerously_accept_asserted: config.dangerously_accept_asserted,
    };
    let check = |token: &String| approval::check(token, &context, trust);
    tokens.into_iter().map(check).collect()
}

/// What a record says of an approval that holds and doesn't count.
fn evidence(approval: &VerifiedApproval, code: impl Into<Code>) -> OfferedEvidence {
    OfferedEvidence {
        approved_by: approval.kid().map(|_| approval.approver().clone()),
        codes: vec![code.into()],
        kid: approval.kid().cloned(),
        token_hash: approval.token_hash(),
    }
}
