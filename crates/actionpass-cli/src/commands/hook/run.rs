//! `hook run`: judges one call of an agent.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actionpass_home::{DoorKind, duration};
use actionpass_hook::{Agent, Answer, Hook, HookCode, MAX_INPUT, Place, Proxy};
use clap::Args;
use pollster::block_on;
use serde_json::json;

use super::{agent, guard};
use crate::code::CliCode;
use crate::context::Context;
use crate::door::DoorArgs;
use crate::failure::{Failure, Outcome};
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The agent that asks: claude-code, codex, cursor or gemini
    #[arg(long, value_name = "AGENT", value_parser = agent)]
    agent: Agent,
    /// For how long the agent waits for its hook, `30s`: after 80 % of it the call is blocked
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    deadline: Duration,
    /// Where approvals are missing, wait so long for people to vote on the request
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "0s")]
    wait: Duration,
    /// An MCP server of the agent's configuration that runs behind `actionpass mcp`, and is left to it: only where the agent can't
    /// change which server has this name
    #[arg(long, value_name = "NAME")]
    proxied: Vec<String>,
    #[command(flatten)]
    door: DoorArgs,
}

impl RunArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let answer = match self.answer(context) {
            Ok(answer) => answer,
            Err(failure) => {
                let message = match failure.hint() {
                    Some(hint) => format!("{}; {hint}", failure.message()),
                    None => failure.message().to_owned(),
                };
                Answer::of_failure(&message, failure.code().as_str())
            }
        };
        let reply = Reply::new(json!({}));
        let reply = match answer {
            Answer::NoOpinion => reply.with_data(self.agent.no_opinion()),
            // Whatever failed, a door that observes blocks nothing.
            Answer::Block(reason) if self.door.observe => reply
                .with_data(self.agent.no_opinion())
                .with_talk(format!("{reason}\n")),
            Answer::Block(reason) => reply.with_exit(guard::BLOCK).with_talk(format!("{reason}\n")),
        };
        guard::is_answered();
        Ok(reply)
    }

    fn answer(&self, context: &Context) -> Outcome<Answer> {
        // First, whatever else is wrong: an agent may take a hook that doesn't read for one that failed.
        let raw = read()?;
        let place = self.place(context)?;
        if self.wait >= guard::last_moment(self.deadline) {
            return Err(usage(
                "--wait has to end before the 80 % of --deadline after which the call is blocked",
            ));
        }
        let door = self.door.open(context, kind(self.agent))?;
        let proxy = std::env::current_exe().and_then(|program| program.canonicalize());
        let proxy = proxy.map_or_else(|_| Proxy::default(), |program| Proxy::of(program, place));
        let hook = Hook::new(self.agent)
            .with_wait(self.wait)
            .with_proxy(proxy.with_names(self.proxied.clone()));
        Ok(block_on(hook.answer(&*door, &raw)))
    }

    /// Who judges: only what the command line says, by its whole path.
    fn place(&self, context: &Context) -> Outcome<Place> {
        let absolute = |name: &str, path: &Path| match path.is_absolute() {
            true => Ok(()),
            false => Err(usage(&format!(
                "{name} has to be a whole path: an agent works wherever a project is"
            ))),
        };
        let (gate, token_file) = self.door.gate.named();
        if let Some(path) = token_file {
            absolute("--token-file", path)?;
        }
        match (gate, context.named_home()) {
            (Some(url), _) => Ok(Place::Gate(url.to_owned())),
            (None, Some(home)) => {
                absolute("--home", home)?;
                Ok(Place::Home(PathBuf::from(home)))
            }
            (None, None) => Err(Failure::new(
                CliCode::OptionMissing,
                "--home DIR or --gate URL has to say who judges: the environment counts for nothing here",
            )),
        }
    }
}

/// What the agent wrote, to its end.
fn read() -> Outcome<Vec<u8>> {
    let mut raw = Vec::new();
    let limit = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX).saturating_add(1);
    let mut stdin = io::stdin().lock();
    let taken = stdin.by_ref().take(limit).read_to_end(&mut raw);
    // The rest of what is too large.
    let rest = taken.and_then(|_| io::copy(&mut stdin, &mut io::sink()));
    guard::is_read();
    rest.map_err(|error| Failure::new(HookCode::HookInputUnreadable, format!("stdin can't be read: {error}")))?;
    Ok(raw)
}

const fn kind(agent: Agent) -> DoorKind {
    match agent {
        Agent::ClaudeCode => DoorKind::ClaudeCode,
        Agent::Codex => DoorKind::Codex,
        Agent::Cursor => DoorKind::Cursor,
        Agent::Gemini => DoorKind::Gemini,
    }
}

fn usage(problem: &str) -> Failure {
    Failure::new(CliCode::UsageInvalid, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_called_the_same_everywhere() {
        for agent in Agent::ALL {
            assert_eq!(kind(agent).as_str(), agent.as_str());
        }
    }
}
