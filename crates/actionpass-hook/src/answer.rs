//! [`Hook`]: what becomes of a call that an agent asks about.

use std::time::Duration;

use actionpass_door::{Door, DoorError, Mode, Occasion, Outcome, Refused, Verdict};
use actionpass_gate::{DeclaredServer, ToolCall};
use actionpass_model::{CodedError, Decision, is_hidden};

use crate::{Agent, Event, HookError, Proxy, Tool};

/// The longest reason that is told, in characters: a model reads all of it.
const MAX_REASON: usize = 2_000;

/// A hook of one agent.
#[derive(Clone, Debug)]
pub struct Hook {
    agent: Agent,
    proxy: Proxy,
    wait: Duration,
}

/// What a hook says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a hook that says something else would be believed by nobody"
)]
#[must_use]
pub enum Answer {
    /// Nothing against the call: the agent goes on as if there were no hook, asks its user if it would have.
    NoOpinion,
    /// The call is not made, with what the agent is told.
    Block(String),
}

/// Whose tool it is that is called.
enum Called<'a> {
    /// The tool of a server of the catalogue, or of the agent itself.
    Judged(&'a str, String),
    /// It is judged where the call arrives: our own proxy.
    LeftToProxy,
}

impl Hook {
    /// A hook of this agent that waits for nobody, and judges the tools of all MCP servers.
    #[must_use]
    pub fn new(agent: Agent) -> Self {
        Self {
            agent,
            proxy: Proxy::default(),
            wait: Duration::ZERO,
        }
    }

    /// Leaves the tools of servers that run behind our proxy to it.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Self { proxy, ..self }
    }

    /// Waits that long for people, on a step_up.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// What becomes of what the agent wrote to the hook. A call that is allowed has been allowed, recorded, verified and consumed;
    /// its outcome is recorded as unknown, because a hook doesn't see what the agent does.
    ///
    /// A door that observes blocks nothing, whatever fails.
    pub async fn answer(&self, door: &dyn Door, raw: &[u8]) -> Answer {
        let answer = match Event::read(self.agent, raw) {
            Ok(event) => self.judge(door, &event).await,
            Err(error) => Err(Blocked::from(&error)),
        };
        match (answer, door.mode()) {
            (Ok(()), _) | (Err(_), Mode::Observe) => Answer::NoOpinion,
            (Err(Blocked(reason)), Mode::Enforce) => Answer::Block(reason),
        }
    }

    async fn judge(&self, door: &dyn Door, event: &Event) -> Result<(), Blocked> {
        let servers = door.servers().await?;
        let Called::Judged(server, tool) = self.called(&event.tool, &servers) else {
            return Ok(());
        };
        let mut occasion = Occasion::default().with_wait(self.wait);
        occasion.session.clone_from(&event.session);
        occasion.context = event.context();
        let call = ToolCall::new(server, &tool, &event.arguments);
        match door.ask(call.into(), &occasion).await? {
            Verdict::Allowed(allowed) => {
                let permit = door.consume(allowed).await?;
                if permit.payload != event.arguments {
                    // The agent runs what it stated, not what a door makes of it.
                    return Err(Blocked::failed("the pass is for other arguments", "answer_contradicts"));
                }
                // That this isn't recorded leaves a used pass without an outcome, which says the same.
                let _ = door.report(&permit.ran(), Outcome::unknown()).await;
                Ok(())
            }
            Verdict::Observed(observed) if door.mode() == Mode::Observe => {
                let _ = door.report(&observed.ran(), Outcome::unknown()).await;
                Ok(())
            }
            Verdict::Refused(refused) => Err(Blocked::refused(&refused)),
            // Nothing was used up, so nothing is made.
            _ => Err(Blocked::failed(
                "the door gave no answer that a hook knows",
                "answer_contradicts",
            )),
        }
    }

    /// Whose tool it is. An MCP server counts as one of the catalogue only if there is no other way to read its name.
    fn called<'a>(&self, tool: &Tool, servers: &'a [DeclaredServer]) -> Called<'a> {
        let own = |tool: &str| Called::Judged(self.agent.as_str(), tool.to_owned());
        // A server that calls itself like an agent would have its tools judged as the agent's.
        let declared = |name: &str| {
            let found = servers.iter().find(|server| *server.name == *name);
            found.filter(|_| Agent::parse(name).is_none())
        };
        match tool {
            Tool::Own(tool) => own(tool),
            Tool::Joined(name) => match split(name) {
                Some((server, _)) if self.proxy.is_named(server) => Called::LeftToProxy,
                Some((server, tool)) => match declared(server) {
                    Some(server) => Called::Judged(&server.name, tool.to_owned()),
                    None => own(name),
                },
                None => own(name),
            },
            Tool::Of {
                server,
                tool,
                name,
                runs,
                url,
            } => {
                let is_proxy = runs.as_ref().is_some_and(|line| self.proxy.is(line));
                if is_proxy || self.proxy.is_named(server) {
                    return Called::LeftToProxy;
                }
                // Behind a proxy that is not certain to judge it is the server that the proxy runs.
                let runs = runs.as_deref().map(|line| self.proxy.served(line));
                match declared(server).filter(|server| is_reached_so(server, runs, url.as_deref())) {
                    Some(server) => Called::Judged(&server.name, tool.clone()),
                    None => own(name),
                }
            }
            Tool::OfUnnamed { runs: Some(line), .. } if self.proxy.is(line) => Called::LeftToProxy,
            Tool::OfUnnamed { tool, .. } => own(&format!("mcp/{tool}")),
        }
    }
}

/// Whether nothing that an agent states of a server contradicts how the catalogue runs or reaches it: another program under its
/// name is another server.
fn is_reached_so(server: &DeclaredServer, runs: Option<&[String]>, url: Option<&str>) -> bool {
    let (command, address) = (server.command.as_deref(), server.url.as_deref());
    let is_open = command.is_none() && address.is_none();
    is_open || (runs.is_none_or(|runs| command == Some(runs)) && url.is_none_or(|url| address == Some(url)))
}

/// Server and tool of `mcp__SERVER__TOOL`; `None` if it can be read in more than one way.
fn split(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix("mcp__")?;
    let (server, tool) = rest.split_once("__")?;
    let is_only = !server.is_empty() && !tool.is_empty() && !tool.starts_with('_') && !tool.contains("__");
    is_only.then_some((server, tool))
}

/// That a call is blocked, and what the agent is told.
#[derive(Debug)]
struct Blocked(String);

impl Blocked {
    fn failed(message: &str, code: &str) -> Self {
        Self(failure(message, code))
    }

    fn refused(refused: &Refused) -> Self {
        let mut text = String::from(match refused.decision {
            Decision::StepUp => "ActionPass holds this call until people approve it",
            Decision::Deny | Decision::Allow => "ActionPass denies this call",
        });
        let mut why: Vec<String> = Vec::new();
        for reason in &refused.reasons {
            let mut part = match &reason.rule {
                Some(rule) => format!("rule {rule}: {}", reason.message.trim_end_matches('.')),
                None => reason.message.trim_end_matches('.').to_owned(),
            };
            if let Some(path) = &reason.path {
                part.push_str(&format!(" at `{path}`"));
            }
            if let Some(words) = &reason.words {
                part.push_str(&format!(": \"{words}\""));
            }
            part.push_str(&format!(" ({})", reason.code));
            why.push(part);
        }
        if !why.is_empty() {
            text.push_str(": ");
            text.push_str(&why.join("; "));
        }
        text.push_str(".\n");
        let request = refused.answer.as_ref().and_then(|answer| answer.request.as_ref());
        match (refused.decision, request) {
            (Decision::StepUp, Some(request)) => {
                text.push_str(&format!("Request {}", request.id));
                if request.review.is_empty() {
                    text.push_str(&format!(
                        " waits for them; they see it with: actionpass requests show {}",
                        request.id
                    ));
                } else {
                    text.push_str(&format!(" waits for them: {}", request.review));
                }
                text.push_str(
                    "\nTell the user. Once it is approved, retry the identical call: the same tool with the same arguments.",
                );
            }
            (Decision::StepUp, None) => {
                text.push_str("No request waits for them. Tell the user, and retry the identical call later.");
            }
            _ => text.push_str("Do not look for another way to the same effect; tell the user."),
        }
        Self(told(&text))
    }
}

impl From<DoorError> for Blocked {
    fn from(error: DoorError) -> Self {
        Self::failed(&error.to_string(), error.code().as_str())
    }
}

impl From<&HookError> for Blocked {
    fn from(error: &HookError) -> Self {
        Self::failed(&error.to_string(), error.code().as_str())
    }
}

/// What an agent is told of a call that is blocked because it could not be judged.
#[must_use]
pub(crate) fn failure(message: &str, code: &str) -> String {
    told(&format!(
        "ActionPass blocks this call, because it can't be judged: {message} ({code}).\nTell the user; retrying won't help until that is mended."
    ))
}

/// The text with nothing hidden in it, and not longer than anybody reads.
fn told(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(MAX_REASON) {
        if is_hidden(character) && character != '\n' {
            shown.push_str(&character.escape_unicode().to_string());
        } else {
            shown.push(character);
        }
    }
    if text.chars().nth(MAX_REASON).is_some() {
        shown.push('…');
    }
    shown
}

impl Answer {
    /// The block that a failure outside of this crate comes to: by its message and code.
    #[must_use = "a failure that isn't told blocks nothing"]
    pub fn of_failure(message: &str, code: &str) -> Self {
        Self::Block(failure(message, code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_read_in_two_ways_are_not_taken_apart() {
        assert_eq!(split("mcp__github__create_issue"), Some(("github", "create_issue")));
        assert_eq!(split("mcp__a_b__c"), Some(("a_b", "c")));
        for name in ["mcp__a__b__c", "mcp__a___b", "mcp____b", "mcp__a__", "mcp__a", "a__b"] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_told_hides_nothing_and_ends() {
        assert_eq!(told("a\u{202e}b\nc"), "a\\u{202e}b\nc");
        assert_eq!(told(&"x".repeat(5_000)).chars().count(), MAX_REASON + 1);
        assert!(!failure("", "c").trim().is_empty());
    }
}
