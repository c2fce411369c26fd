//! What is asked of an [`Authorizer`](crate::Authorizer), and what it answers.

use std::borrow::Cow;

use actionpass_canon::{BoundAction, BoundFacts};
use std::time::Duration;

use actionpass_model::{
    ActionId, Audience, Caller, Decision, DecisionMode, Digest, DoorName, PassId, PolicyRef, Principal, Reason,
    RequestId, RequestState, Statement, Timestamp, Trace, UnixSeconds,
};
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
    pub(crate) door: Option<DoorName>,
    pub(crate) client: Option<Statement>,
    pub(crate) wait: Duration,
    pub(crate) opens: bool,
    pub(crate) refusal: Option<Reason>,
    pub(crate) mode: Option<DecisionMode>,
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
            door: None,
            client: None,
            wait: Duration::ZERO,
            opens: true,
            refusal: None,
            mode: None,
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

    /// On a step_up, waits so long for people to decide on its approval request, and judges again whenever it moves.
    /// Without that the step_up is returned at once.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Opens no approval request; one that waits is still joined, and settled by an allow.
    #[must_use]
    pub const fn without_opening(mut self) -> Self {
        self.opens = false;
        self
    }

    /// The front door refuses the call, and says why: it is denied with this reason, whatever policy says of it.
    #[must_use]
    pub fn refused(mut self, reason: Reason) -> Self {
        self.refusal = Some(reason);
        self
    }

    /// Only observes: what would be decided is recorded as such (`mode: "observe"`), and the answer never has a pass. Nobody is
    /// asked for approval, no request is opened, and approvals that are offered are not looked at.
    #[must_use]
    pub const fn observing(mut self) -> Self {
        self.mode = Some(DecisionMode::Observe);
        self
    }

    /// The front door that the call came through, which the record names.
    #[must_use]
    pub fn through(mut self, door: DoorName) -> Self {
        self.door = Some(door);
        self
    }

    /// The client of a service that asks, whose waiting requests are limited.
    #[must_use]
    pub fn from_client(mut self, client: Statement) -> Self {
        self.client = Some(client);
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
/// policy, pass?, record, request?, heldBy?, declined?}`.
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
    /// The approval request that waits for the action, or that an allow settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestAnswer>,
    /// The request whose end keeps the agent from opening others, if that is why none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<RequestId>,
    /// Who said no, if that is what the decision is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declined>,
}

/// An approval request, as whoever asked for the action learns of it: no tokens, and nobody who voted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RequestAnswer {
    /// Its id.
    pub id: RequestId,
    /// What it is now.
    pub state: RequestState,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

/// Who said no to an action, and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Declined {
    /// The request that was declined.
    pub request: RequestId,
    /// Who.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// Until when it answers every action of the same hash.
    pub until: Timestamp,
    /// Why, in their words: not ours, so to be shown as foreign text. Absent if it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Statement>,
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
