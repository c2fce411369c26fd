//! Decisions: asked for, verified, used, and what came of them.

use actionpass_model::{
    ActionId, Actor, Agent, ApprovalId, Audience, Code, Decision, DecisionRef, Digest, Intent, Issuer, JsonObject,
    KeyId, Obligation, OutcomeStatus, Owner, PassId, PolicyRef, Principal, RequestId, RequestState, Resource, RuleId,
    Runtime, Statement, Task, Tenant, Timestamp, Tool,
};
use actionpass_policy::Requirement;
use serde::{Deserialize, Serialize};

use super::{Declined, RecordLink};

#[cfg(feature = "openapi")]
use super::schema;

/// How long a call may wait for people, in seconds.
pub const MAX_WAIT_SECONDS: u64 = 60;

/// An action that is to be decided on, or a call that the tool catalogue makes one of.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AuthorizeRequest {
    /// The action (`actionpass.action.v1`). Either this or `call` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Action>))]
    pub action: Option<JsonObject>,
    /// The call, as its protocol makes it: `{server, tool, arguments}`, `{server, method, params}` or `{method, host, target,
    /// headers?, body?}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub call: Option<JsonObject>,
    /// Why the agent makes the call: with `call` it is needed, and an action has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Intent>))]
    pub intent: Option<Intent>,
    /// The context of the call; an action has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub context: Option<JsonObject>,
    /// Who calls, as the client knows it: the action must say the same. Absent: the action's own tenant and actor, for a client
    /// that wrote the action itself; of a call, whoever the client's entry leaves no choice of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<StatedCaller>,
    /// What the client attests (`actionpass.facts.v1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Facts>))]
    pub facts: Option<JsonObject>,
    /// Approvals, as compact JWS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// The audience of the pass; the configured one of the tool unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Audience>))]
    pub audience: Option<Audience>,
    /// How many seconds to wait, on a step_up, for people to decide: 0 to [`MAX_WAIT_SECONDS`]; 0 unless it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 60))]
    pub wait: Option<u64>,
    /// Whether a step_up opens an approval request; it does unless this is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Whether the decision is only observed: it is recorded as such, gives no pass, and nobody is asked. Whoever says so makes the
    /// call whatever is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<bool>,
}

impl AuthorizeRequest {
    /// Asks for a decision on an action.
    #[must_use]
    pub fn new(action: JsonObject) -> Self {
        Self {
            action: Some(action),
            ..Self::nothing()
        }
    }

    /// Asks for a decision on a call, which the service's tool catalogue makes an action of.
    #[must_use]
    pub fn call(call: JsonObject, intent: Intent) -> Self {
        Self {
            call: Some(call),
            intent: Some(intent),
            ..Self::nothing()
        }
    }

    const fn nothing() -> Self {
        Self {
            action: None,
            call: None,
            intent: None,
            context: None,
            caller: None,
            facts: None,
            approvals: Vec::new(),
            audience: None,
            wait: None,
            open: None,
            observe: None,
        }
    }
}

/// Who calls. What the client's entry leaves no choice of may be left out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "who calls has these parts, in actions and passes too"
)]
pub struct StatedCaller {
    /// The organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Tenant>))]
    pub tenant: Option<Tenant>,
    /// The agent that makes the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Agent>))]
    pub agent: Option<Agent>,
    /// The person who answers for the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::HumanOwner>))]
    pub human_owner: Option<Owner>,
    /// Where the agent runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Runtime>))]
    pub runtime: Option<Runtime>,
    /// The agents that it acts for, the first caller first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Agent>))]
    pub via: Vec<Agent>,
}

impl StatedCaller {
    /// A caller of which everything is stated.
    #[must_use]
    pub fn new(tenant: Tenant, actor: Actor) -> Self {
        Self {
            tenant: Some(tenant),
            agent: Some(actor.agent),
            human_owner: Some(actor.human_owner),
            runtime: Some(actor.runtime),
            via: actor.via,
        }
    }
}

/// A decision that is in the ledger, with the pass if it is an allow.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct AuthorizeAnswer {
    /// `allow`, `deny` or `step_up`. Only an allow permits the call.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Decision))]
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<ToldReason>,
    /// What would turn it, if it isn't an allow.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub required: Vec<Requirement>,
    /// The action's tool, where a call was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Tool>))]
    pub tool: Option<Tool>,
    /// What it acts on, where a call was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Resource>))]
    pub resource: Option<Resource>,
    /// Who executes it, where a call was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Audience>))]
    pub audience: Option<Audience>,
    /// Which occurrence of the action it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::ActionId))]
    pub action_id: ActionId,
    /// The hash of the action.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub action_hash: Digest,
    /// The hash of its payload.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub payload_hash: Digest,
    /// Which policy decided, and by which rules: `{id, digest, rules}`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::PolicyRef))]
    pub policy: PolicyRef,
    /// The pass. Only an allow has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<GivenPass>,
    /// The record of the decision.
    pub record: RecordLink,
    /// The approval request that waits for the action, or that an allow settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<OpenedRequest>,
    /// The request whose end keeps the agent from opening others, if that is why none waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::RequestId>))]
    pub held_by: Option<RequestId>,
    /// Who said no, if that is what the decision is. The words have nothing hidden in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined: Option<Declined>,
}

/// A reason of a decision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct ToldReason {
    /// The stable code (`docs/error-codes.md`).
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Code))]
    pub code: Code,
    /// The rule that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::RuleId>))]
    pub rule: Option<RuleId>,
    /// The path that it is about, as in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the code means.
    pub message: String,
    /// Of `approval_declined`: who said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Principal>))]
    pub by: Option<Principal>,
    /// Of `approval_declined`: when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Timestamp>))]
    pub at: Option<Timestamp>,
    /// Of `approval_declined`: why, in the words of whoever said no, with every character visible that would not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// A pass that was signed and recorded.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct GivenPass {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::PassId))]
    pub id: PassId,
    /// The token, a compact JWS.
    pub token: String,
    /// When it expires.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for GivenPass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GivenPass")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An approval request, as whoever asked for the action learns of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct OpenedRequest {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestId))]
    pub id: RequestId,
    /// What it is now: `pending`, `approved`, `used`, `declined`, `cancelled`, `expired`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RequestState))]
    pub state: RequestState,
    /// Until when it waits.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub expires_at: Timestamp,
    /// Where people decide on it: a link to the page.
    pub review: String,
    /// Where its events are: a path of the service.
    pub events: String,
}

/// A call that is about to be made under a pass: the whole `action`, or `tool`, `resource` and `payload`.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifyRequest {
    /// The pass, a compact JWS.
    pub token: String,
    /// The whole action (`actionpass.action.v1`), where the executor knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Action>))]
    pub action: Option<JsonObject>,
    /// The tool that is about to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Tool>))]
    pub tool: Option<Tool>,
    /// What it acts on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Resource>))]
    pub resource: Option<Resource>,
    /// The arguments of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub payload: Option<JsonObject>,
    /// The agent that calls, where the executor knows it and not the whole action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Agent>))]
    pub agent: Option<Agent>,
    /// The task that the call serves, where the executor knows it and not the whole action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Task>))]
    pub task: Option<Task>,
    /// The audience that the executor is. May be left out where the client's entry has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Audience>))]
    pub audience: Option<Audience>,
    /// The tenant that it serves. May be left out where the client's entry has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Tenant>))]
    pub tenant: Option<Tenant>,
    /// The obligations that it enforces: a pass with another is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enforces: Vec<String>,
}

impl std::fmt::Debug for VerifyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("VerifyRequest");
        shown.field("audience", &self.audience).field("tenant", &self.tenant);
        shown.finish_non_exhaustive()
    }
}

impl VerifyRequest {
    /// A call of which everything is known.
    #[must_use]
    pub fn action(token: impl Into<String>, action: JsonObject) -> Self {
        Self {
            action: Some(action),
            ..Self::of(token.into())
        }
    }

    /// A call of which tool, resource and payload are known.
    #[must_use]
    pub fn parts(token: impl Into<String>, tool: Tool, resource: Resource, payload: JsonObject) -> Self {
        Self {
            tool: Some(tool),
            resource: Some(resource),
            payload: Some(payload),
            ..Self::of(token.into())
        }
    }

    const fn of(token: String) -> Self {
        Self {
            token,
            action: None,
            tool: None,
            resource: None,
            payload: None,
            agent: None,
            task: None,
            audience: None,
            tenant: None,
            enforces: Vec::new(),
        }
    }
}

/// Whether a pass permits a call; for `/v1/consume` also whether it was used up by this question.
///
/// Only a verdict that is `valid` and `consumed` lets the call be made, with `payloadCanonical`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct Verdict {
    /// Whether everything held.
    pub valid: bool,
    /// Whether the pass was used up by this very question: then the call may be made, once.
    pub consumed: bool,
    /// What didn't hold; empty if everything did.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Code>))]
    pub codes: Vec<Code>,
    /// The same with the approval that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<VerdictFinding>,
    /// The members of the call that were compared with the pass; what isn't among them was not stated.
    pub compared: Vec<String>,
    /// The time that it was judged at.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub at: Timestamp,
    /// What the pass says, if everything held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<PassSummary>,
    /// What is to be executed, if everything held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub payload: Option<JsonObject>,
    /// The same as the text whose bytes were hashed: canonical JSON (RFC 8785).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_canonical: Option<String>,
    /// The record of the use, if the pass was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordLink>,
}

/// Something that didn't hold.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct VerdictFinding {
    /// The stable code (`docs/error-codes.md`).
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Code))]
    pub code: Code,
    /// The approval that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::ApprovalId>))]
    pub approval: Option<ApprovalId>,
}

/// What a verdict says of a pass.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct PassSummary {
    /// Its id (`jti`).
    #[cfg_attr(feature = "openapi", schema(value_type = schema::PassId))]
    pub id: PassId,
    /// The key that signed it.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Kid))]
    pub kid: KeyId,
    /// Who issued it.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Issuer))]
    pub issuer: Issuer,
    /// Whom it is for.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Audience))]
    pub audience: Audience,
    /// Whose call it permits.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Agent))]
    pub agent: Agent,
    /// The organization.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Tenant))]
    pub tenant: Tenant,
    /// The tool.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Tool))]
    pub tool: Tool,
    /// What the tool acts on.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Resource))]
    pub resource: Resource,
    /// Which occurrence of the action.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::ActionId))]
    pub action_id: ActionId,
    /// The hash of the action.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub action_hash: Digest,
    /// The hash of its payload.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub payload_hash: Digest,
    /// What the executor must enforce.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Obligation>))]
    pub obligations: Vec<Obligation>,
    /// When it was issued.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub issued_at: Timestamp,
    /// When it expires.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub expires_at: Timestamp,
}

/// What came of a call that was made under a pass, or though its decision was only observed: one of the two is named.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct OutcomeReport {
    /// The pass, which was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PassId>))]
    pub pass: Option<PassId>,
    /// The record of the decision that was only observed: `{seq, id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::DecisionRef>))]
    pub decision: Option<DecisionRef>,
    /// `executed`, `failed` or `unknown`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::OutcomeStatus))]
    pub status: OutcomeStatus,
    /// What the provider calls what was done, if it names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Statement>))]
    pub provider_id: Option<Statement>,
    /// SHA-256 of the canonical result, if the executor states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Digest>))]
    pub result_hash: Option<Digest>,
}

impl OutcomeReport {
    /// This came of the call under that pass.
    #[must_use]
    pub const fn new(pass: PassId, status: OutcomeStatus) -> Self {
        Self {
            pass: Some(pass),
            decision: None,
            status,
            provider_id: None,
            result_hash: None,
        }
    }

    /// This came of the call whose decision was only observed.
    #[must_use]
    pub const fn of_observed(decision: DecisionRef, status: OutcomeStatus) -> Self {
        Self {
            pass: None,
            decision: Some(decision),
            status,
            provider_id: None,
            result_hash: None,
        }
    }
}

/// An outcome that is in the ledger.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct OutcomeAnswer {
    /// The pass, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::PassId>))]
    pub pass: Option<PassId>,
    /// The decision that was only observed, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::DecisionRef>))]
    pub decision: Option<DecisionRef>,
    /// The record of the outcome.
    pub record: RecordLink,
    /// Whether it was recorded before, and this is the record of then.
    pub repeated: bool,
}
