//! The action: one intended tool call, and the binding that its hash is taken over.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::{Document, DocumentCode, DocumentError, schema_tag};
use crate::ids::{ActionId, Agent, Owner, Resource, Runtime, Server, Task, Tenant, Tool};
use crate::json::{JsonObject, JsonValue, SkippedObject, SkippedValue, present};
use crate::layout::Layout;
use crate::text::TextError;

/// The most agents that an action may be passed on through.
pub const MAX_VIA: usize = 8;

schema_tag!(
    /// `actionpass.action.v1`.
    ActionSchema, "actionpass.action.v1");
schema_tag!(
    /// `actionpass.binding.v1`.
    BindingSchema, "actionpass.binding.v1");

/// One intended tool call: who, for whom, why, which tool, on what, with which exact payload.
///
/// `P` and `C` are the types of payload and context: the values themselves ([`Action`]), or [`SkippedValue`] and
/// [`SkippedObject`] for a reader that keeps their canonical bytes instead ([`ActionHead`]).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Action"))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    remote = "Self",
    bound(
        deserialize = "P: Deserialize<'de>, C: Deserialize<'de>",
        serialize = "P: Serialize, C: Serialize"
    )
)]
pub struct ActionOf<P, C> {
    /// The version of this document.
    pub schema: ActionSchema,
    /// Which occurrence this is; made where missing.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub id: Option<ActionId>,
    /// The organization that all of this happens in.
    pub tenant: Tenant,
    /// Who acts, for whom, in which runtime.
    pub actor: Actor,
    /// Why.
    pub intent: Intent,
    /// What.
    pub capability: Capability<P>,
    /// Which definition of the tool the agent was shown.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tool_definition: Option<ToolDefinition>,
    /// What the agent says about the circumstances: never trusted, so it may only tighten a decision.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub context: Option<C>,
}

/// An action read past its payload and context, whose canonical bytes are kept beside it.
pub type ActionHead = ActionOf<SkippedValue, SkippedObject>;

/// An action with its payload and context.
pub type Action = ActionOf<JsonValue, JsonObject>;

/// Who acts, for whom, in which runtime.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Actor {
    /// The agent that makes the call.
    pub agent: Agent,
    /// The person who answers for the agent.
    pub human_owner: Owner,
    /// Where the agent runs.
    pub runtime: Runtime,
    /// The agents that this one acts for, the first caller first; at most [`MAX_VIA`].
    #[serde(default)]
    pub via: Vec<Agent>,
}

/// Why the agent acts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Intent {
    /// The task or ticket.
    pub task: Task,
    /// The agent's own words; bound to nothing and trusted for nothing.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// What is to be done: a tool, what it acts on, and the exact arguments.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Capability<P> {
    /// The tool.
    pub tool: Tool,
    /// What it acts on, as the host's normalizer read it out of the call.
    pub resource: Resource,
    /// The tool call's arguments, any JSON value.
    pub payload: P,
}

/// Which definition of the tool the agent was shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ToolDefinition {
    /// The server that lists the tool.
    pub server: Server,
    /// SHA-256 of the RFC 8785 bytes of the tool object as the server lists it, without `_meta`.
    pub definition_hash: Digest,
}

impl<P, C> ActionOf<P, C> {
    /// The binding of this action to a payload with the given hash.
    pub fn binding(&self, payload_hash: Digest) -> Binding<'_> {
        Binding {
            schema: BindingSchema,
            tenant: &self.tenant,
            agent: &self.actor.agent,
            via: &self.actor.via,
            human_owner: &self.actor.human_owner,
            runtime: &self.actor.runtime,
            task: &self.intent.task,
            tool: &self.capability.tool,
            resource: &self.capability.resource,
            server: self.tool_definition.as_ref().map(|definition| &definition.server),
            definition_hash: self
                .tool_definition
                .as_ref()
                .map(|definition| definition.definition_hash),
            payload_hash,
        }
    }

    fn check_via(&self) -> Result<(), DocumentError> {
        if self.actor.via.len() > MAX_VIA {
            return Err(DocumentError::new(
                DocumentCode::MemberInvalid,
                "actor.via",
                "has more than 8 agents",
            ));
        }
        Ok(())
    }
}

/// An action read out of its canonical bytes: its head, and where payload and context stand in them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CanonicalAction<'a> {
    /// Everything but payload and context.
    pub head: ActionHead,
    /// The canonical payload.
    pub payload: &'a str,
    /// The canonical context, if there is one.
    pub context: Option<&'a str>,
}

impl<'a> CanonicalAction<'a> {
    /// Reads an action out of RFC 8785 bytes, whose members stand in a known order: several times as fast as
    /// [`ActionHead::from_json`], to which `None` leaves the document, valid or not. `measure` gives the length of the
    /// value that a text starts with.
    ///
    /// The text has to be canonical: payload and context are not looked into.
    #[must_use]
    pub fn in_order(canonical: &'a str, measure: impl Fn(&'a str) -> Option<usize>) -> Option<Self> {
        let from = &mut Layout::new(canonical);
        from.expect("{\"actor\":{\"agent\":")?;
        let agent = from.text(Agent::parse)?;
        from.expect(",\"humanOwner\":")?;
        let human_owner = from.text(Owner::parse)?;
        from.expect(",\"runtime\":")?;
        let runtime = from.text(Runtime::parse)?;
        let via = if from.has(",\"via\":") {
            from.list(|from| from.text(Agent::parse))?
        } else {
            Vec::new()
        };
        from.expect("},\"capability\":{\"payload\":")?;
        let payload = from.value(&measure)?;
        from.expect(",\"resource\":")?;
        let resource = from.text(Resource::parse)?;
        from.expect(",\"tool\":")?;
        let tool = from.text(Tool::parse)?;
        from.expect("}")?;
        let context = if from.has(",\"context\":") {
            Some(from.value(&measure).filter(|context| context.starts_with('{'))?)
        } else {
            None
        };
        let id = if from.has(",\"id\":") {
            Some(from.text(ActionId::parse)?)
        } else {
            None
        };
        from.expect(",\"intent\":{")?;
        let summary = if from.has("\"summary\":") {
            let summary = from.string()?;
            from.expect(",")?;
            Some(summary)
        } else {
            None
        };
        from.expect("\"task\":")?;
        let task = from.text(Task::parse)?;
        from.expect("},\"schema\":\"actionpass.action.v1\",\"tenant\":")?;
        let tenant = from.text(Tenant::parse)?;
        let tool_definition = if from.has(",\"toolDefinition\":{\"definitionHash\":") {
            let definition_hash = from.text(Digest::parse)?;
            from.expect(",\"server\":")?;
            let server = from.text(Server::parse)?;
            from.expect("}")?;
            Some(ToolDefinition {
                server,
                definition_hash,
            })
        } else {
            None
        };
        from.expect("}")?;
        from.end()?;
        let head = ActionHead {
            schema: ActionSchema,
            id,
            tenant,
            actor: Actor {
                agent,
                human_owner,
                runtime,
                via,
            },
            intent: Intent { task, summary },
            capability: Capability {
                tool,
                resource,
                payload: SkippedValue,
            },
            tool_definition,
            context: context.map(|_| SkippedObject),
        };
        head.check_via().ok()?;
        Some(Self { head, payload, context })
    }
}

impl Document for Action {
    const KIND: &'static str = "action";

    fn check(&self) -> Result<(), DocumentError> {
        self.check_via()
    }
}

impl Document for ActionHead {
    const KIND: &'static str = "action";

    fn check(&self) -> Result<(), DocumentError> {
        self.check_via()
    }
}

/// What `actionHash` is taken over: what is done, by whom, for whom and why; not how it was worded and not which
/// occurrence it is.
///
/// `actionHash` is the SHA-256 of the RFC 8785 bytes of this document; `actionpass-canon` computes it. The fields stand
/// in the order of RFC 8785, which spares the canonicalizer the sorting.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// The hash of the tool's definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<Digest>,
    /// The person who answers for it.
    pub human_owner: &'a Owner,
    /// The hash of the payload.
    pub payload_hash: Digest,
    /// What it acts on.
    pub resource: &'a Resource,
    /// Where it runs.
    pub runtime: &'a Runtime,
    /// The version of this document.
    pub schema: BindingSchema,
    /// The server that lists the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<&'a Server>,
    /// The task.
    pub task: &'a Task,
    /// The organization.
    pub tenant: &'a Tenant,
    /// The tool.
    pub tool: &'a Tool,
    /// The agents it acts for.
    pub via: &'a [Agent],
}

impl<'a> From<&'a Caller> for std::borrow::Cow<'a, Caller> {
    fn from(caller: &'a Caller) -> Self {
        Self::Borrowed(caller)
    }
}

impl From<Caller> for std::borrow::Cow<'_, Caller> {
    fn from(caller: Caller) -> Self {
        Self::Owned(caller)
    }
}

/// Who calls, as the host states it: an action that says otherwise is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The organization.
    pub tenant: Tenant,
    /// Who acts, for whom, in which runtime, through whom.
    pub actor: Actor,
}

impl Caller {
    /// A caller that acts for nobody but its owner, from the texts of tenant, agent, owner and runtime.
    ///
    /// # Errors
    /// [`TextError`] names the one that isn't of its type.
    pub fn parse(tenant: &str, agent: &str, human_owner: &str, runtime: &str) -> Result<Self, TextError> {
        Ok(Self {
            tenant: Tenant::parse(tenant)?,
            actor: Actor {
                agent: Agent::parse(agent)?,
                human_owner: Owner::parse(human_owner)?,
                runtime: Runtime::parse(runtime)?,
                via: Vec::new(),
            },
        })
    }

    /// A caller that is whoever the action says. Dangerous wherever an agent writes the action: only a host that wrote
    /// it itself may take its word.
    #[must_use]
    pub fn dangerously_from<P, C>(action: &ActionOf<P, C>) -> Self {
        Self {
            tenant: action.tenant.clone(),
            actor: action.actor.clone(),
        }
    }

    /// The member in which an action contradicts the host, if there is one.
    #[must_use]
    pub fn contradiction<P, C>(&self, action: &ActionOf<P, C>) -> Option<&'static str> {
        let actor = &action.actor;
        if self.tenant != action.tenant {
            Some("tenant")
        } else if self.actor.agent != actor.agent {
            Some("actor.agent")
        } else if self.actor.human_owner != actor.human_owner {
            Some("actor.humanOwner")
        } else if self.actor.runtime != actor.runtime {
            Some("actor.runtime")
        } else if self.actor.via != actor.via {
            Some("actor.via")
        } else {
            None
        }
    }
}

/// A pull request without test evidence, as JSON: what the examples and the quickstart start from.
pub const DEMO_ACTION: &str = r#"{
  "schema": "actionpass.action.v1",
  "tenant": "org:example",
  "actor": {
    "agent": "agent:codex-prod",
    "humanOwner": "user:owner@example.com",
    "runtime": "runtime:codex-cli"
  },
  "intent": { "task": "AXT-418", "summary": "Open a pull request for AXT-418" },
  "capability": {
    "tool": "github.pull_requests.create",
    "resource": "repo:company/web-app",
    "payload": {
      "repo": "company/web-app",
      "title": "Fix the retry loop",
      "head": "agent/axt-418",
      "base": "main",
      "files": [{ "path": "src/retry.ts", "additions": 14, "deletions": 3 }]
    }
  }
}"#;

/// [`DEMO_ACTION`], read.
///
/// # Errors
/// None in practice: a test reads it.
pub fn demo_action() -> Result<Action, DocumentError> {
    Action::from_json(DEMO_ACTION.as_bytes())
}

crate::closed::objects!(Actor, Intent, ToolDefinition);
crate::closed::object!([P], Capability<P>, [P]);
crate::closed::object!([P, C], ActionOf<P, C>, [P, C]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_action_reads() {
        let action = demo_action().unwrap();
        assert!(action.actor.via.is_empty());
        assert_eq!(action.capability.payload.get()["base"], "main");
    }

    #[test]
    fn refusals_have_code_and_path() {
        let cases = [
            (
                ("\"org:example\"", "\"example\""),
                DocumentCode::MemberInvalid,
                "tenant",
            ),
            (("\"task\"", "\"tasks\""), DocumentCode::MemberUnknown, "intent.tasks"),
            (("\"tenant\": \"org:example\",", ""), DocumentCode::MemberMissing, ""),
            (("action.v1", "action.v2"), DocumentCode::SchemaUnsupported, "schema"),
            (("action.v1", "pass.v1"), DocumentCode::SchemaMismatch, "schema"),
            (
                ("\"schema\": \"actionpass.action.v1\",", ""),
                DocumentCode::SchemaMissing,
                "schema",
            ),
            (
                ("\"AXT-418\",", "\"AXT-418\", \"task\": \"x\","),
                DocumentCode::MemberRepeated,
                "intent",
            ),
            (
                ("\"base\": \"main\"", "\"base\": \"main\", \"base\": 1"),
                DocumentCode::MemberRepeated,
                "capability.payload",
            ),
            (
                ("\"tenant\": \"org:example\"", "\"tenant\": null"),
                DocumentCode::MemberInvalid,
                "tenant",
            ),
            (
                ("\"tenant\"", "\"id\": null, \"tenant\""),
                DocumentCode::MemberInvalid,
                "id",
            ),
            (
                ("\"tenant\"", "\"context\": null, \"tenant\""),
                DocumentCode::MemberInvalid,
                "context",
            ),
            (
                ("\"tenant\"", "\"context\": [], \"tenant\""),
                DocumentCode::MemberInvalid,
                "context",
            ),
            (("}\n}", "}\n"), DocumentCode::JsonMalformed, ""),
        ];
        for ((from, to), code, path) in cases {
            let text = DEMO_ACTION.replacen(from, to, 1);
            assert_ne!(text, DEMO_ACTION, "{from}");
            let error = Action::from_json(text.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{from}: {error}");
            if code != DocumentCode::JsonMalformed && code != DocumentCode::MemberRepeated {
                assert_eq!(error.path(), path, "{from}: {error}");
            }
        }
    }

    #[test]
    fn at_most_eight_agents_between() {
        let via = |count: usize| {
            let agents: Vec<String> = (0..count).map(|index| format!("\"agent:a{index}\"")).collect();
            DEMO_ACTION.replacen("\"agent\"", &format!("\"via\": [{}], \"agent\"", agents.join(",")), 1)
        };
        assert!(Action::from_json(via(8).as_bytes()).is_ok());
        assert_eq!(Action::from_json(via(9).as_bytes()).unwrap_err().path(), "actor.via");
    }
}
