//! What is asked of an [`Authorizer`](crate::Authorizer), and what it answers.

use std::borrow::Cow;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::{ActionId, Audience, Caller, Decision, Digest, PassId, PolicyRef, Reason, Trace, UnixSeconds};
use actionpass_policy::{Note, Requirement};
use actionpass_store::ledger::RecordRef;
use serde::{Serialize, Serializer};

/// What is to be authorized: an admitted action, who calls as the host knows it, and what goes with it. Every part may be
/// borrowed or owned.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub(crate) action: Cow<'a, BoundAction>,
    pub(crate) caller: Cow<'a, Caller>,
    pub(crate) facts: Option<Cow<'a, BoundFacts>>,
    pub(crate) approvals: Vec<String>,
    pub(crate) audience: Option<Cow<'a, Audience>>,
    pub(crate) trace: Option<Cow<'a, Trace>>,
}

impl<'a> Request<'a> {
    /// An action, and who calls as the **host** states it, never as the agent does.
    #[must_use]
    pub fn new(action: impl Into<Cow<'a, BoundAction>>, caller: impl Into<Cow<'a, Caller>>) -> Self {
        Self {
            action: action.into(),
            caller: caller.into(),
            facts: None,
            approvals: Vec::new(),
            audience: None,
            trace: None,
        }
    }

    /// Facts that the host attests.
    #[must_use]
    pub fn with_facts(mut self, facts: impl Into<Cow<'a, BoundFacts>>) -> Self {
        self.facts = Some(facts.into());
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
    pub fn with_audience(mut self, audience: impl Into<Cow<'a, Audience>>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// What the record can be correlated by.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<Cow<'a, Trace>>) -> Self {
        self.trace = Some(trace.into());
        self
    }
}

/// A decision that is in the ledger, with the pass if it is an allow.
///
/// Serialized it is what the command line prints: `{decision, reasons, required, actionId, actionHash, payloadHash,
/// policy, pass?, record}`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
#[non_exhaustive]
pub struct Authorization {
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the policy's authors say about the rules that decided.
    #[serde(skip)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<IssuedPass>,
    /// The record of the decision.
    pub record: RecordRef,
}

/// A pass that was signed and recorded.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IssuedPass {
    /// Its id.
    pub id: PassId,
    /// The token, a compact JWS.
    pub token: String,
    /// When it expires.
    #[serde(serialize_with = "as_timestamp")]
    pub expires_at: UnixSeconds,
}

fn as_timestamp<S: Serializer>(time: &UnixSeconds, serializer: S) -> Result<S::Ok, S::Error> {
    time.to_timestamp().serialize(serializer)
}
