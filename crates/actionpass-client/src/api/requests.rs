//! Approval requests: listed, shown, voted on, taken back.

use actionpass_model::{
    Agent, ApprovalId, ApprovalRequest, Approver, Code, Issuer, JsonObject, Principal, Reason, RequestId, RequestState,
    Resource, Shown, Statement, Timestamp, Tool,
};
use actionpass_policy::Requirement;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "openapi")]
use super::schema;

/// A page of approval requests, the oldest first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RequestList {
    /// The requests that the client may see; there may be none on a page that isn't the last.
    pub requests: Vec<RequestItem>,
    /// What `after` is on the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::RequestId>))]
    pub next: Option<RequestId>,
}

/// An approval request in a listing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever shows a request makes one")]
pub struct RequestItem {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestId))]
    pub id: RequestId,
    /// What it is now: `pending`, `approved`, `used`, `declined`, `cancelled`, `expired`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestState))]
    pub state: RequestState,
    /// With which tool.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Tool))]
    pub tool: Tool,
    /// On what.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Resource))]
    pub resource: Resource,
    /// Who wants to act.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Agent))]
    pub agent: Agent,
    /// The approvals that are missing.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub missing: Vec<Requirement>,
    /// Whether it waits and nobody can approve it any more.
    pub void: bool,
    /// When it was opened.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub created_at: Timestamp,
    /// From when on nobody can approve it.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub expires_at: Timestamp,
}

/// All of an approval request. Tokens of votes are not in it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever shows a request makes one")]
pub struct FullRequest {
    /// The request (`actionpass.request.v1`).
    #[cfg_attr(feature = "openapi", schema(value_type = schema::ApprovalRequest))]
    pub request: ApprovalRequest,
    /// What it is now: `pending`, `approved`, `used`, `declined`, `cancelled`, `expired`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestState))]
    pub state: RequestState,
    /// The approvals that are missing.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub missing: Vec<Requirement>,
    /// Whether it waits and nobody can approve it any more.
    pub void: bool,
    /// Why it stands like this, while it waits.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Reason>))]
    pub reasons: Vec<Reason>,
    /// The votes that don't count any more, while it waits.
    pub dropped: Vec<DroppedVote>,
    /// Who said no, if that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declined>,
    /// What approvers are shown (`docs/spec/display.md`); absent once the action was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub view: Option<Value>,
    /// The hash of the view, and what made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Shown>))]
    pub shown: Option<Shown>,
    /// What a vote is signed over, as the service has it; absent once the action was erased. Whoever signs takes no hash of this
    /// document for granted: all of them are computed from these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<VoteSubject>,
}

/// What a vote is signed over.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever shows a request makes one")]
pub struct VoteSubject {
    /// Whose request it is: the audience of the vote.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Issuer))]
    pub issuer: Issuer,
    /// The whole action (`actionpass.action.v1`).
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Action))]
    pub action: JsonObject,
    /// The facts that it was judged by (`actionpass.facts.v1`), if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Facts>))]
    pub facts: Option<JsonObject>,
}

/// A vote that doesn't count any more.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever shows a request makes one")]
pub struct DroppedVote {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::ApprovalId))]
    pub id: ApprovalId,
    /// Who cast it.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
    /// What is wrong with it.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Code>))]
    pub codes: Vec<Code>,
}

/// Who said no, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever shows a request makes one")]
pub struct Declined {
    /// The request that was declined.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestId))]
    pub request: RequestId,
    /// Who.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Principal))]
    pub by: Principal,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub at: Timestamp,
    /// Until when it answers every action of the same hash.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub until: Timestamp,
    /// Why, in their words: text of others, to be shown as such. Absent if it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Statement>))]
    pub words: Option<Statement>,
}

/// A vote that a person signed.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a vote is its token")]
pub struct CastVote {
    /// The approval or refusal, a compact JWS.
    pub token: String,
}

impl std::fmt::Debug for CastVote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CastVote").finish_non_exhaustive()
    }
}

/// Whether a hold on an agent's new requests was lifted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct Lifted {
    /// The request whose end brought the hold about.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestId))]
    pub id: RequestId,
    /// The agent.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Agent))]
    pub agent: Agent,
    /// Whether there was a hold that it brought about.
    pub lifted: bool,
}

/// Something that happened to an approval request: the data of an event.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever tells of a request makes one")]
pub struct RequestEvent {
    /// The number of the record: what a stream resumes behind.
    pub seq: u64,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub time: Timestamp,
    /// What: `opened`, `used`, `approve`, `decline`, `cancel`, `expire`, `lift`.
    pub event: String,
    /// The request.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestId))]
    pub request: RequestId,
    /// With which tool.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Tool))]
    pub tool: Tool,
    /// On what.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Resource))]
    pub resource: Resource,
    /// Who wants to act.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Agent))]
    pub agent: Agent,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Principal>))]
    pub principal: Option<Principal>,
    /// Why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Code>))]
    pub code: Option<Code>,
}

impl RequestList {
    /// A page; the last unless there is a `next`.
    #[must_use]
    pub const fn new(requests: Vec<RequestItem>, next: Option<RequestId>) -> Self {
        Self { requests, next }
    }
}
