//! What is asked of an [`Authorizer`](crate::Authorizer), and what it answers.

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::{ActionId, Audience, Caller, Decision, Digest, PassId, PolicyRef, Reason, Trace, UnixSeconds};
use actionpass_policy::{Note, Requirement};
use actionpass_store::ledger::RecordRef;

/// What is to be authorized: an admitted action, who calls as the host knows it, and what goes with it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub(crate) action: &'a BoundAction,
    pub(crate) caller: &'a Caller,
    pub(crate) facts: Option<&'a BoundFacts>,
    pub(crate) approvals: Vec<String>,
    pub(crate) audience: Option<&'a Audience>,
    pub(crate) trace: Option<&'a Trace>,
}

impl<'a> Request<'a> {
    /// An action, and who calls as the **host** states it, never as the agent does.
    #[must_use]
    pub const fn new(action: &'a BoundAction, caller: &'a Caller) -> Self {
        Self {
            action,
            caller,
            facts: None,
            approvals: Vec::new(),
            audience: None,
            trace: None,
        }
    }

    /// Facts that the host attests.
    #[must_use]
    pub const fn with_facts(mut self, facts: &'a BoundFacts) -> Self {
        self.facts = Some(facts);
        self
    }

    /// An approval that is offered: a compact JWS.
    #[must_use]
    pub fn with_approval(mut self, token: impl Into<String>) -> Self {
        self.approvals.push(token.into());
        self
    }

    /// The audience of the pass; the configured one of the tool unless it is set.
    #[must_use]
    pub const fn with_audience(mut self, audience: &'a Audience) -> Self {
        self.audience = Some(audience);
        self
    }

    /// What the record can be correlated by.
    #[must_use]
    pub const fn with_trace(mut self, trace: &'a Trace) -> Self {
        self.trace = Some(trace);
        self
    }
}

/// A decision that is in the ledger, with the pass if it is an allow.
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorization {
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the policy's authors say about the rules that decided.
    pub notes: Vec<Note>,
    /// What would turn it, if it isn't an allow.
    pub required: Vec<Requirement>,
    /// Which occurrence of the action it is.
    pub action_id: ActionId,
    /// The hash of the action.
    pub action_hash: Digest,
    /// The hash of its payload.
    pub payload_hash: Digest,
    /// Which policy decided, and by which rules.
    pub policy: PolicyRef,
    /// The pass. Only an allow has one.
    pub pass: Option<IssuedPass>,
    /// The record of the decision.
    pub record: RecordRef,
}

/// A pass that was signed and recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedPass {
    /// Its id.
    pub id: PassId,
    /// The token, a compact JWS.
    pub token: String,
    /// When it expires.
    pub expires_at: UnixSeconds,
}
