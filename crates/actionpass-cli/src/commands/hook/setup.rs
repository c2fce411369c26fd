//! `hook install`, `status`, `uninstall`: our hooks in the configuration of coding agents.

use std::path::PathBuf;

use actionpass_home::HomeError;
use actionpass_setup::{Asked, CodingAgent, Hook, Journal, Places, Plan, State, status, uninstall};
use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use serde_json::json;

use crate::code::CliCode;
use crate::commands::protect::{self, WhoArgs, WritingArgs};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Ink, Reply, Table};

/// Which coding agents.
#[derive(Args, Clone, Debug)]
struct AgentArgs {
    /// A coding agent; may be repeated [default: those that are there]
    #[arg(long = "agent", value_name = "AGENT", value_parser = coding_agent())]
    agents: Vec<CodingAgent>,
}

#[derive(Args, Debug)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    agents: AgentArgs,
    /// Hold no call up: all are made, and what would have been decided is recorded
    #[arg(long)]
    observe: bool,
    /// The `[[door]]` of config.toml whose calls these are [default: the agent's own, which is written]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "gate")]
    door: Option<String>,
    /// Ask the service at this URL instead of a home
    #[arg(long, value_name = "URL", requires = "token_file")]
    gate: Option<String>,
    /// The file with the token for the service, by its whole path
    #[arg(long, value_name = "FILE", requires = "gate")]
    token_file: Option<PathBuf>,
    /// The organization that the agents act for [default: the only one of the configuration]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<actionpass_model::Tenant>,
    /// Who answers for the agents [default: the name of the login]
    #[arg(long, value_name = "OWNER")]
    owner: Option<actionpass_model::Owner>,
    #[command(flatten)]
    writing: WritingArgs,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    agents: AgentArgs,
}

#[derive(Args, Debug)]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    agents: AgentArgs,
    #[command(flatten)]
    writing: WritingArgs,
}

fn coding_agent() -> impl TypedValueParser<Value = CodingAgent> {
    let names = CodingAgent::ALL.iter().map(|agent| agent.name());
    PossibleValuesParser::new(names).try_map(|name| {
        let agent = CodingAgent::ALL.iter().find(|agent| agent.name() == name);
        agent.copied().ok_or("no coding agent of this name is known")
    })
}

/// The agents that are named, or those that are there.
fn chosen(named: &[CodingAgent], places: &Places) -> Vec<CodingAgent> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let all = CodingAgent::ALL.iter().copied();
    all.filter(|agent| places.has(*agent)).collect()
}

impl InstallArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let places = protect::places(None)?;
        let program = protect::program()?;
        let root = protect::root(context)?;
        let has_home = context.home_if_there()?.is_some();
        let asked = match (&self.gate, &self.token_file) {
            (Some(url), Some(token_file)) => Asked::gate(url, &text(token_file)?),
            _ if has_home => Asked::home(&text(&root)?),
            _ => return Err(HomeError::Missing(root).into()),
        };
        let agents = chosen(&self.agents.agents, &places);
        if agents.is_empty() {
            return Err(Failure::new(
                CliCode::OptionMissing,
                "no coding agent was found here: name one by --agent",
            ));
        }
        let identity = WhoArgs {
            tenant: self.tenant,
            agent: None,
            owner: self.owner,
        }
        .identity();
        let mut hooks = Vec::new();
        for agent in agents {
            let mut hook = Hook::new(agent, asked.clone(), program.clone());
            hook.is_observing = self.observe;
            hook.door.clone_from(&self.door);
            hooks.push(hook);
        }
        let plan = Hook::install_all(&hooks, &places, &identity)?;
        write(context, &self.writing, plan, &places, has_home)
    }
}

impl UninstallArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let places = protect::places(None)?;
        let mut plan = Plan::default();
        for agent in chosen(&self.agents.agents, &places) {
            plan.extend(uninstall(&places, agent)?);
        }
        let has_home = context.home_if_there()?.is_some();
        write(context, &self.writing, plan, &places, has_home)
    }
}

impl StatusArgs {
    pub(crate) fn run(self) -> Outcome<Reply> {
        let places = protect::places(None)?;
        let agents = if self.agents.agents.is_empty() {
            CodingAgent::ALL.to_vec()
        } else {
            self.agents.agents
        };
        Ok(stand(&places, &agents))
    }
}

fn text(path: &std::path::Path) -> Outcome<String> {
    let text = path.to_str();
    let text = text.ok_or_else(|| Failure::new(CliCode::UsageInvalid, format!("`{}` is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}

fn write(context: &Context, writing: &WritingArgs, plan: Plan, places: &Places, has_home: bool) -> Outcome<Reply> {
    let root = protect::root(context)?;
    let mut journal = has_home.then(|| Journal::open(&root)).transpose()?;
    let written = writing.write(context, plan, journal.as_mut())?;
    let (json, talk, exit) = written.told(&root);
    let stands = stand(places, CodingAgent::ALL);
    Ok(stands.with_members(json).with_talk(talk).with_exit(exit))
}

/// How the hooks of agents stand.
fn stand(places: &Places, agents: &[CodingAgent]) -> Reply {
    let mut table = Table::new(&["AGENT", "HOOK", "FILE", "OTHERWISE THAN WRITTEN"]);
    let mut hooks = Vec::new();
    for &agent in agents {
        let found = status(places, agent);
        let path = found.path.display().to_string();
        let stands = match found.state {
            State::Open if !found.is_there => "-",
            State::Open => "none",
            other => other.as_str(),
        };
        table.row([
            agent.name().to_owned(),
            stands.to_owned(),
            path.clone(),
            found.problems.join("; "),
        ]);
        hooks.push(json!({
            "agent": agent.name(), "isThere": found.is_there, "state": found.state.as_str(), "path": path,
            "asWritten": found.state != State::Open && found.problems.is_empty(), "problems": found.problems,
        }));
    }
    Reply::new(json!({ "hooks": hooks })).with_data(table.render(Ink::stdout()))
}
