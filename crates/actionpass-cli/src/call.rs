//! [`CallArgs`]: a tool call as the host states it, and the action that is made of it.

use std::fs;
use std::path::PathBuf;

use actionpass_canon::{BoundAction, CanonicalBytes};
use actionpass_home::{Config, HomeCode};
use actionpass_model::{ActionId, Agent, Owner, Resource, Runtime, Task, Tenant, Tool};
use clap::Args;
use serde_json::json;

use crate::code::CliCode;
use crate::failure::{Failure, Outcome};
use crate::input::{self, Bounds};

/// A call in the place of an action, for a host that has its parts.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CallArgs {
    /// The tool that is to be called, for a host that has no whole action
    #[arg(long, group = "call", requires_all = ["resource", "payload"], value_name = "TOOL")]
    tool: Option<Tool>,
    /// What it acts on
    #[arg(long, requires = "tool", value_name = "RESOURCE")]
    resource: Option<Resource>,
    /// The arguments of the call; `-` is stdin
    #[arg(long, requires = "tool", value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The tenant that it happens in [default: the home's, if it has one only]
    #[arg(long, requires = "tool", value_name = "TENANT")]
    tenant: Option<Tenant>,
    /// The agent that calls [default: the home's, if it has one only]
    #[arg(long, requires = "tool", value_name = "AGENT")]
    agent: Option<Agent>,
    /// The person who answers for the agent; needed with --tool
    #[arg(long, requires = "tool", value_name = "OWNER")]
    owner: Option<Owner>,
    /// Where the agent runs; needed with --tool
    #[arg(long, requires = "tool", value_name = "RUNTIME")]
    runtime: Option<Runtime>,
    /// The task that the call serves; needed with --tool
    #[arg(long, requires = "tool", value_name = "TASK")]
    task: Option<Task>,
    /// Which occurrence of the call it is: asked again with the same id, it gets the same pass
    #[arg(long, requires = "tool", value_name = "ID")]
    id: Option<ActionId>,
    /// Write the action that is made of it here, for whoever is to approve it
    #[arg(long, requires = "tool", value_name = "FILE")]
    save_action: Option<PathBuf>,
}

/// Everything that an action has to say.
struct Stated<'a> {
    tool: &'a Tool,
    resource: &'a Resource,
    tenant: &'a Tenant,
    agent: &'a Agent,
    owner: &'a Owner,
    runtime: &'a Runtime,
    task: &'a Task,
    id: Option<&'a ActionId>,
}

impl CallArgs {
    /// The file of the payload.
    pub(crate) const fn payload(&self) -> Option<&PathBuf> {
        self.payload.as_ref()
    }

    /// Where the action is written.
    pub(crate) const fn saved(&self) -> Option<&PathBuf> {
        self.save_action.as_ref()
    }

    /// The action, admitted like any other: what isn't stated comes from the configuration where that leaves no choice.
    pub(crate) fn action(&self, config: Option<&Config>, bounds: &Bounds) -> Outcome<BoundAction> {
        let stated = self.stated(config)?;
        let payload = self
            .payload
            .as_ref()
            .ok_or_else(|| missing(config.is_some(), &["--payload"]))?;
        let payload = input::document(payload, bounds)?;
        let text = stated.around(&payload);
        let action = input::action_of(text.as_bytes(), bounds, "the action that is made of the call")?;
        if let Some(path) = &self.save_action {
            fs::write(path, action.document().as_bytes()).map_err(|error| {
                let name = input::name(path);
                Failure::new(HomeCode::FileUnwritable, format!("{name} can't be written: {error}"))
            })?;
        }
        Ok(action)
    }

    fn stated<'a>(&'a self, config: Option<&'a Config>) -> Outcome<Stated<'a>> {
        let tenant = self.tenant.as_ref().or_else(|| only(&config?.tenants));
        let agent = self.agent.as_ref().or_else(|| only(config?.agents()));
        let needed = [
            ("--tool", self.tool.is_some()),
            ("--resource", self.resource.is_some()),
            ("--tenant", tenant.is_some()),
            ("--agent", agent.is_some()),
            ("--owner", self.owner.is_some()),
            ("--runtime", self.runtime.is_some()),
            ("--task", self.task.is_some()),
        ];
        match (
            &self.tool,
            &self.resource,
            tenant,
            agent,
            &self.owner,
            &self.runtime,
            &self.task,
        ) {
            (Some(tool), Some(resource), Some(tenant), Some(agent), Some(owner), Some(runtime), Some(task)) => {
                Ok(Stated {
                    tool,
                    resource,
                    tenant,
                    agent,
                    owner,
                    runtime,
                    task,
                    id: self.id.as_ref(),
                })
            }
            _ => {
                let names = needed
                    .into_iter()
                    .filter_map(|(name, is_there)| (!is_there).then_some(name));
                Err(missing(config.is_some(), &names.collect::<Vec<_>>()))
            }
        }
    }
}

impl Stated<'_> {
    /// The text of the action, in which the payload stands as it was admitted: it is never read and written again.
    fn around(&self, payload: &CanonicalBytes) -> String {
        let actor = json!({ "agent": self.agent, "humanOwner": self.owner, "runtime": self.runtime });
        let id = self.id.map_or_else(String::new, |id| format!("\"id\":{},", json!(id)));
        format!(
            "{{\"actor\":{actor},\"capability\":{{\"payload\":{},\"resource\":{},\"tool\":{}}},{id}\"intent\":{},\"schema\":\"actionpass.action.v1\",\"tenant\":{}}}",
            payload.as_str(),
            json!(self.resource),
            json!(self.tool),
            json!({ "task": self.task }),
            json!(self.tenant),
        )
    }
}

/// The only one of several, if there is but one.
fn only<T>(of: &[T]) -> Option<&T> {
    match of {
        [only] => Some(only),
        _ => None,
    }
}

fn missing(has_home: bool, options: &[&str]) -> Failure {
    let open = if has_home {
        ", and the home's config.toml leaves it open"
    } else {
        ""
    };
    let problem = format!("needed with --tool{open}: {}", options.join(", "));
    Failure::new(CliCode::OptionMissing, problem)
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{Limits, admit};
    use actionpass_model::DEMO_ACTION;

    use super::*;

    #[test]
    fn a_call_is_the_action_that_says_the_same() {
        let demo = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
        let head = demo.action();
        let (id, owner) = (ActionId::parse("call-\"7\\").ok(), &head.actor.human_owner);
        let mut stated = Stated {
            tool: &head.capability.tool,
            resource: &head.capability.resource,
            tenant: &head.tenant,
            agent: &head.actor.agent,
            owner,
            runtime: &head.actor.runtime,
            task: &head.intent.task,
            id: None,
        };
        let made = |stated: &Stated<'_>, payload: &CanonicalBytes| {
            BoundAction::admit(stated.around(payload).as_bytes(), &Limits::default()).unwrap()
        };
        let action = made(&stated, demo.payload());
        assert_eq!(action.action_hash(), demo.action_hash());
        // Canonical as it is made, so nothing of it moves on its way through the gate.
        assert_eq!(action.document().as_str(), stated.around(demo.payload()));
        // A payload that would close the members around it is a text within them.
        let payload = admit(br#""}},\"tenant\":\"org:other\"""#, &Limits::default()).unwrap();
        let action = made(&stated, &payload);
        assert_eq!((action.payload(), &action.action().tenant), (&payload, &head.tenant));
        let plain = ActionId::parse("call-7").unwrap();
        stated.id = Some(id.as_ref().unwrap_or(&plain));
        assert_eq!(made(&stated, demo.payload()).action().id.as_ref(), stated.id);
    }
}
