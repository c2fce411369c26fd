//! Approval requests: what waits for people, their votes on it, and how it ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Actor;
use crate::codes::Code;
use crate::decision::{Assurance, Reason};
use crate::digest::Digest;
use crate::document::{Document, DocumentCode, DocumentError, schema_tag};
use crate::ids::{
    ActionId, ApprovalId, Approver, PolicyId, Principal, RecordId, RequestId, Resource, Role, RuleId, Server,
    Statement, Task, Tenant, Tool,
};
use crate::json::present;
use crate::record::Commitment;
use crate::time::Timestamp;

/// How long a request waits unless its issuer says otherwise.
pub const DEFAULT_REQUEST_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The longest that a request may wait: an approval holds no longer, and each lives as long as its request.
pub const MAX_REQUEST_LIFETIME: Duration = crate::MAX_APPROVAL_LIFETIME;

schema_tag!(
    /// `actionpass.request.v1`.
    RequestSchema, "actionpass.request.v1");

/// What waits for people: one action that policy steps up, under one policy, with one context and the same facts.
///
/// Hashes, ids and names: the action itself, its facts and the tokens of votes are side data, which can be erased.
/// Stored are the votes and the end. Whether it is pending or approved is what policy says *now* of the votes that
/// verify now, so that nothing here says it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ApprovalRequest {
    /// The version of this document.
    pub schema: RequestSchema,
    /// Its id.
    pub id: RequestId,
    /// The organization.
    pub tenant: Tenant,
    /// Who wants to act.
    pub actor: Actor,
    /// For which task.
    pub task: Task,
    /// With which tool.
    pub tool: Tool,
    /// On what.
    pub resource: Resource,
    /// The server that lists the tool.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The hash of the tool's definition.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<Digest>,
    /// The occurrence that opened it, for information: a retry keeps its own.
    pub action_id: ActionId,
    /// The exact action.
    pub action_hash: Digest,
    /// The exact payload.
    pub payload_hash: Digest,
    /// The context that it was judged with.
    pub context_hash: Digest,
    /// The facts that it was judged by.
    pub facts_hash: Digest,
    /// The policy that steps up.
    pub policy: PolicyVersion,
    /// The rules whose approvals were missing when it was opened.
    pub rules: Vec<RuleId>,
    /// Why it was stepped up.
    pub reasons: Vec<Reason>,
    /// What the policy's authors have to say about those rules.
    pub notes: Vec<RuleNote>,
    /// The approvals that were missing when it was opened.
    pub required: Vec<RequiredApproval>,
    /// The record of the decision that opened it.
    pub decision: DecisionRef,
    /// When it was opened.
    pub created_at: Timestamp,
    /// From when on nobody can approve it and no approval of it holds.
    pub expires_at: Timestamp,
    /// How it ended; absent while it waits.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub end: Option<RequestEnd>,
    /// What people said, in the order in which they said it.
    pub votes: Vec<Vote>,
    /// Grows by one with every change: what compare-and-set goes by.
    pub version: u64,
}

/// A policy as it was at one time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct PolicyVersion {
    /// The policy's id.
    pub id: PolicyId,
    /// The digest of everything that determines its decisions.
    pub digest: Digest,
}

/// Words of a policy's authors about a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct RuleNote {
    /// The rule.
    pub rule: RuleId,
    /// Its `reason`.
    pub reason: Statement,
}

/// Approvals that a rule misses.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct RequiredApproval {
    /// The rule.
    pub rule: RuleId,
    /// How many are missing, each of another person.
    pub count: u64,
    /// How many the rule wants in all.
    pub total: u64,
    /// The roles of which each approver must hold one; empty if any approver counts.
    pub roles: Vec<Role>,
    /// Whether the agent's owner doesn't count.
    pub not_owner: bool,
}

/// Which record of the log a decision is in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct DecisionRef {
    /// Its place, from 0.
    pub seq: u64,
    /// Its id.
    pub id: RecordId,
}

/// What a person said to a request. Its token is side data.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Vote {
    /// The `jti` of its token.
    pub id: ApprovalId,
    /// Who.
    pub principal: Approver,
    /// Yes or no.
    pub kind: VoteKind,
    /// When it was cast.
    pub at: Timestamp,
    /// How sure it is who.
    pub assurance: Assurance,
    /// SHA-256 of the token's signing input.
    pub token_hash: Digest,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum VoteKind {
    /// An approval.
    Approve,
    /// A refusal.
    Decline,
}

/// How a request ended, and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct RequestEnd {
    /// How.
    pub state: EndState,
    /// When.
    pub at: Timestamp,
    /// Who declined or cancelled it; absent where nobody did.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
    /// Why it was cancelled: a stable code.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Until when a decline answers every action of the same hash.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
}

/// How a request ended. Nothing leads out of any of these.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum EndState {
    /// Its action got its pass.
    Used,
    /// Somebody whose yes would have counted said no.
    Declined,
    /// It was taken back, or what it was about changed.
    Cancelled,
    /// Nobody decided in time.
    Expired,
}

/// What an approval request is: stored are the ends, and of what waits policy says it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum RequestState {
    /// Approvals are missing.
    Pending,
    /// The votes that verify now are enough now. That can change until it is used.
    Approved,
    /// Its action got its pass.
    Used,
    /// Somebody whose yes would have counted said no.
    Declined,
    /// It was taken back, or what it was about changed.
    Cancelled,
    /// Nobody decided in time.
    Expired,
}

impl RequestState {
    /// The state as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Used => "used",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl From<EndState> for RequestState {
    fn from(end: EndState) -> Self {
        match end {
            EndState::Used => Self::Used,
            EndState::Declined => Self::Declined,
            EndState::Cancelled => Self::Cancelled,
            EndState::Expired => Self::Expired,
        }
    }
}

impl VoteKind {
    /// `approve` or `decline`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Decline => "decline",
        }
    }
}

impl EndState {
    /// `used`, `declined`, `cancelled` or `expired`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl RequestEnd {
    /// An end of this kind, which nobody is named for.
    #[must_use]
    pub const fn new(state: EndState, at: Timestamp) -> Self {
        Self {
            state,
            at,
            by: None,
            code: None,
            holds_until: None,
        }
    }
}

impl ApprovalRequest {
    /// Whether its time is over, whether that was recorded or not. There is no leeway: its clock is the issuer's.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Whether it waits: nothing ended it and its time isn't over.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.end.is_none() && !self.is_over(now)
    }

    /// How it ended: as it is stored, or by its time.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<EndState> {
        match &self.end {
            Some(end) => Some(end.state),
            None => self.is_over(now).then_some(EndState::Expired),
        }
    }
}

impl Document for ApprovalRequest {
    const KIND: &'static str = "request";

    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        if self.expires_at <= self.created_at {
            return wrong("expiresAt", "is not after `createdAt`");
        }
        if self.expires_at > self.created_at.saturating_add(MAX_REQUEST_LIFETIME) {
            return wrong("expiresAt", "is more than 24 hours after `createdAt`");
        }
        let Some(end) = &self.end else { return Ok(()) };
        match end.state {
            EndState::Declined if end.by.is_none() => wrong("end.by", "is missing, and a decline has somebody"),
            EndState::Declined if end.holds_until.is_none() => {
                wrong("end.holdsUntil", "is missing, and a decline holds for a time")
            }
            EndState::Cancelled if end.code.is_none() => wrong("end.code", "is missing, and a cancellation has one"),
            state if state != EndState::Declined && end.holds_until.is_some() => {
                wrong("end.holdsUntil", "is there, and only a decline holds")
            }
            _ => Ok(()),
        }
    }
}

schema_tag!(
    /// `actionpass.request-change.v1`.
    RequestChangeSchema, "actionpass.request-change.v1");

/// The body of a change of a request. Its opening and its use are decisions, whose records name the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct RequestBody {
    /// The version of this body.
    pub schema: RequestChangeSchema,
    /// The request.
    pub request: RequestId,
    /// What happened.
    pub change: RequestChange,
    /// The hash of the action, or its commitment.
    pub action_hash: Digest,
    /// `salted` where the hashes are commitments.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// Who did it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// The `jti` of the vote.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub vote: Option<ApprovalId>,
    /// SHA-256 of the signing input of the vote's token, or its commitment.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<Digest>,
    /// Why, as a stable code: of a cancellation.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The policy that the vote was judged by.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVersion>,
}

impl RequestBody {
    /// A change that says nothing but what happened.
    #[must_use]
    pub const fn new(request: RequestId, change: RequestChange, action_hash: Digest) -> Self {
        Self {
            schema: RequestChangeSchema,
            request,
            change,
            action_hash,
            commitment: None,
            principal: None,
            vote: None,
            token_hash: None,
            code: None,
            policy: None,
        }
    }

    /// The hashes that a commitment hides.
    pub fn committed_hashes(&mut self) -> impl Iterator<Item = &mut Digest> {
        std::iter::once(&mut self.action_hash).chain(&mut self.token_hash)
    }
}

/// What happened to a request: verbs, where its states are adjectives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum RequestChange {
    /// Somebody said yes: a vote, which may not be enough.
    Approve,
    /// Somebody said no, which ended it.
    Decline,
    /// It was cancelled.
    Cancel,
    /// Its time was over.
    Expire,
    /// The hold on new requests of its agent, which this request's end brought about, was lifted.
    Lift,
}

crate::closed::objects!(
    ApprovalRequest,
    PolicyVersion,
    RuleNote,
    RequiredApproval,
    DecisionRef,
    Vote,
    RequestEnd,
    RequestBody
);
crate::closed::names!(VoteKind, EndState, RequestState, RequestChange);
