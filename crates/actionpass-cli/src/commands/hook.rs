//! `hook`: what coding agents ask before they run a tool, and whether they are held to the answer.

pub(crate) mod guard;

mod doctor;
mod run;
mod setup;

use actionpass_hook::Agent;
use clap::Subcommand;

use crate::context::Context;
use crate::failure::Outcome;
use crate::output::Reply;

#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Judge what an agent is about to do: reads its event on stdin, exits 0 or, to block, 2
    Run(Box<run::RunArgs>),
    /// Install the hook of coding agents: shows every change, asks, can undo
    Install(Box<setup::InstallArgs>),
    /// Say which coding agents have our hook, and whether it is as it would be written
    Status(setup::StatusArgs),
    /// Take the hook out of the configuration of coding agents
    Uninstall(setup::UninstallArgs),
    /// Check how an agent is set up: fires a call that must be blocked, and says which ways around a hook remain
    Doctor(doctor::DoctorArgs),
}

impl HookCommand {
    /// The name in `schema`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "hook-run",
            Self::Install(_) => "hook-install",
            Self::Status(_) => "hook-status",
            Self::Uninstall(_) => "hook-uninstall",
            Self::Doctor(_) => "hook-doctor",
        }
    }

    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Run(args) => args.run(context),
            Self::Install(args) => args.run(context),
            Self::Status(args) => args.run(),
            Self::Uninstall(args) => args.run(context),
            Self::Doctor(args) => args.run(context),
        }
    }
}

/// Reads the name of an agent.
fn agent(name: &str) -> Result<Agent, String> {
    Agent::parse(name).ok_or_else(|| {
        let names: Vec<&str> = Agent::ALL.iter().map(|agent| agent.as_str()).collect();
        format!("one of {}", names.join(", "))
    })
}
