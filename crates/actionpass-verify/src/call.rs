//! [`Call`]: what an executor is about to do, as far as it knows.

use actionpass_canon::{BoundAction, CanonicalBytes};
use actionpass_model::{Agent, Digest, Owner, PassClaims, Resource, Runtime, Server, Task, Tenant, Tool};

use crate::VerifyCode;

/// The call that an executor is about to make: tool, resource and payload, and whatever else it knows.
///
/// What isn't stated isn't compared, and the verdict says what was. An executor that knows the whole action states
/// the whole action.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    tenant: Option<&'a Tenant>,
    tool: &'a Tool,
    resource: &'a Resource,
    payload: &'a CanonicalBytes,
    payload_hash: Digest,
    agent: Option<&'a Agent>,
    via: Option<&'a [Agent]>,
    human_owner: Option<&'a Owner>,
    runtime: Option<&'a Runtime>,
    task: Option<&'a Task>,
    definition: Option<Option<(&'a Server, Digest)>>,
}

/// A call that owns what it states, for programs that keep it while they wait.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedCall {
    /// The whole action.
    Action(Box<BoundAction>),
    /// Tool, resource and payload, and what else is known.
    Parts {
        /// The tool that is called.
        tool: Tool,
        /// What it acts on.
        resource: Resource,
        /// The canonical payload.
        payload: CanonicalBytes,
        /// The agent that calls, if it is known.
        agent: Option<Agent>,
        /// The task that the call serves, if it is known.
        task: Option<Task>,
    },
}

impl OwnedCall {
    /// A call of which everything is known.
    #[must_use]
    pub fn action(action: BoundAction) -> Self {
        Self::Action(Box::new(action))
    }

    /// A call of which only tool, resource and payload are known.
    #[must_use]
    pub const fn new(tool: Tool, resource: Resource, payload: CanonicalBytes) -> Self {
        Self::Parts {
            tool,
            resource,
            payload,
            agent: None,
            task: None,
        }
    }

    /// The same with the agent that calls and the task that it serves, as far as they are known; a whole action says both.
    #[must_use]
    pub fn stating(self, known_agent: Option<Agent>, known_task: Option<Task>) -> Self {
        match self {
            Self::Parts {
                tool,
                resource,
                payload,
                ..
            } => Self::Parts {
                tool,
                resource,
                payload,
                agent: known_agent,
                task: known_task,
            },
            whole @ Self::Action(_) => whole,
        }
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        match self {
            Self::Action(action) => Call::action(action),
            Self::Parts {
                tool,
                resource,
                payload,
                agent,
                task,
            } => Call {
                agent: agent.as_ref(),
                task: task.as_ref(),
                ..Call::new(tool, resource, payload)
            },
        }
    }

    /// The tool that is called.
    #[must_use]
    pub fn tool(&self) -> &Tool {
        match self {
            Self::Action(action) => &action.action().capability.tool,
            Self::Parts { tool, .. } => tool,
        }
    }
}

impl<'a> Call<'a> {
    /// A call of which only tool, resource and payload are known.
    #[must_use]
    pub fn new(tool: &'a Tool, resource: &'a Resource, payload: &'a CanonicalBytes) -> Self {
        Self {
            tenant: None,
            tool,
            resource,
            payload,
            payload_hash: payload.digest(),
            agent: None,
            via: None,
            human_owner: None,
            runtime: None,
            task: None,
            definition: None,
        }
    }

    /// A call of which everything is known, also that no tool definition goes with it if there is none.
    #[must_use]
    pub fn action(action: &'a BoundAction) -> Self {
        let head = action.action();
        Self {
            tenant: Some(&head.tenant),
            tool: &head.capability.tool,
            resource: &head.capability.resource,
            payload: action.payload(),
            payload_hash: action.payload_hash(),
            agent: Some(&head.actor.agent),
            via: Some(&head.actor.via),
            human_owner: Some(&head.actor.human_owner),
            runtime: Some(&head.actor.runtime),
            task: Some(&head.intent.task),
            definition: Some(
                head.tool_definition
                    .as_ref()
                    .map(|definition| (&definition.server, definition.definition_hash)),
            ),
        }
    }

    /// States the agent that calls.
    #[must_use]
    pub const fn with_agent(mut self, agent: &'a Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// States the task that the call serves.
    #[must_use]
    pub const fn with_task(mut self, task: &'a Task) -> Self {
        self.task = Some(task);
        self
    }

    /// States which server lists the tool, and the hash of the definition it lists.
    #[must_use]
    pub const fn with_definition(mut self, server: &'a Server, definition_hash: Digest) -> Self {
        self.definition = Some(Some((server, definition_hash)));
        self
    }

    /// The tool that is called.
    #[must_use]
    pub const fn tool(&self) -> &'a Tool {
        self.tool
    }

    /// The canonical payload: what is executed.
    #[must_use]
    pub const fn payload(&self) -> &'a CanonicalBytes {
        self.payload
    }

    /// The tenant of the action, if the whole action is stated; the executor's own is the verifier's.
    pub(crate) const fn tenant(&self) -> Option<&'a Tenant> {
        self.tenant
    }

    /// The names of the members that are compared.
    pub(crate) fn compared(&self) -> Vec<&'static str> {
        let stated = [
            ("agent", self.agent.is_some()),
            ("via", self.via.is_some()),
            ("humanOwner", self.human_owner.is_some()),
            ("runtime", self.runtime.is_some()),
            ("task", self.task.is_some()),
            ("tool", true),
            ("resource", true),
            ("server", self.definition.is_some()),
            ("definitionHash", self.definition.is_some()),
            ("payload", true),
        ];
        stated
            .into_iter()
            .filter_map(|(name, stated)| stated.then_some(name))
            .collect()
    }

    /// Every stated member that the pass contradicts, in the order of the checks.
    pub(crate) fn mismatches(&self, pass: &PassClaims, mut found: impl FnMut(VerifyCode)) {
        let terms = &pass.actionpass;
        let mut check = |holds: bool, code| {
            if !holds {
                found(code);
            }
        };
        check(
            self.agent.is_none_or(|agent| *agent == pass.sub),
            VerifyCode::AgentMismatch,
        );
        check(self.via.is_none_or(|via| *via == terms.via), VerifyCode::ViaMismatch);
        check(
            self.human_owner.is_none_or(|owner| *owner == terms.human_owner),
            VerifyCode::HumanOwnerMismatch,
        );
        check(
            self.runtime.is_none_or(|runtime| *runtime == terms.runtime),
            VerifyCode::RuntimeMismatch,
        );
        check(
            self.task.is_none_or(|task| *task == terms.task),
            VerifyCode::TaskMismatch,
        );
        check(*self.tool == terms.tool, VerifyCode::ToolMismatch);
        check(*self.resource == terms.resource, VerifyCode::ResourceMismatch);
        if let Some(definition) = self.definition {
            check(
                definition.map(|(server, _)| server) == terms.server.as_ref(),
                VerifyCode::ServerMismatch,
            );
            check(
                definition.map(|(_, hash)| hash) == terms.definition_hash,
                VerifyCode::DefinitionHashMismatch,
            );
        }
        check(self.payload_hash == terms.payload_hash, VerifyCode::PayloadHashMismatch);
    }
}
