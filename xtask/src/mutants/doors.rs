//! The mutants of the front doors: each lets a call through that was not allowed, recorded, verified and used up, lets a server or
//! a client past the proxy, or lets a hook fail open.

use super::{List, Mutant, Suite};

pub(super) const LIST: List = List {
    name: "doors",
    folder: "crates",
    packages: &["-pactionpass-door", "-pactionpass-mcp", "-pactionpass-hook"],
    suites: &[
        Suite::of(&["--lib"]),
        Suite::of(&["--test=home"]),
        Suite::of(&["--test=golden"]),
    ],
    mutants: MUTANTS,
};

const MUTANTS: &[Mutant] = &[
    // What a door at a home decides.
    Mutant::new(
        "an allow without a pass permits",
        "actionpass-door/src/verdict.rs",
        "if answer.decision != Decision::Allow || answer.pass.is_none() {",
        "if answer.decision != Decision::Allow {",
    ),
    Mutant::new(
        "a decision that isn't allow permits",
        "actionpass-door/src/verdict.rs",
        "if answer.decision != Decision::Allow || answer.pass.is_none() {",
        "if answer.pass.is_none() && answer.decision == Decision::Deny {",
    ),
    Mutant::new(
        "a tool with another definition is called",
        "actionpass-door/src/home.rs",
        "Some(false) => Err(CallError::at(
                CallCode::DefinitionChanged,
                \"tool\",
                \"has another definition than the one that was approved\",
            )),",
        "Some(false) => Ok(None),",
    ),
    Mutant::new(
        "a tool that nobody approved is called",
        "actionpass-door/src/home.rs",
        "None => Err(CallError::at(CallCode::ToolNotPinned, \"tool\", \"is not approved yet\")),",
        "None => Ok(None),",
    ),
    Mutant::new(
        "a door that enforces reads as one that observes",
        "actionpass-door/src/home.rs",
        "Err(_) if self.mode == Mode::Observe => None,",
        "Err(_) if self.mode == Mode::Enforce => None,",
    ),
    Mutant::new(
        "a call that is refused is judged as if it weren't",
        "actionpass-door/src/home.rs",
        "request = request.refused(reason);",
        "let _ = reason;",
    ),
    Mutant::new(
        "the catalogue may change while a call is judged",
        "actionpass-door/src/home.rs",
        "if answer.policy.digest != digest {",
        "if false && answer.policy.digest != digest {",
    ),
    Mutant::new(
        "what is observed is recorded as decided",
        "actionpass-door/src/home.rs",
        "request = request.observing();",
        "",
    ),
    Mutant::new(
        "a refusal says no reason of its own",
        "actionpass-door/src/home.rs",
        "error.to_string().clone_into(&mut reason.message);",
        "let _ = (error, reason);",
    ),
    Mutant::new(
        "an outcome of another pass is taken for recorded",
        "actionpass-door/src/home.rs",
        "told.map_err(DoorError::below)?.is_some()",
        "told.map_err(DoorError::below).is_ok()",
    ),
    // The proxy, towards the client.
    Mutant::new(
        "arguments that are refused are sent empty",
        "actionpass-mcp/src/session/call.rs",
        "if let Some(problem) = &call.refused {",
        "if let Some(problem) = call.refused.as_ref().filter(|_| false) {",
    ),
    Mutant::new(
        "members of a call that can't be bound are left out",
        "actionpass-mcp/src/session/call.rs",
        "if let Some(unknown) = params.unknown(&known) {",
        "if let Some(unknown) = params.unknown(&known).filter(|_| false) {",
    ),
    Mutant::new(
        "an answer to the server isn't bound",
        "actionpass-mcp/src/session/call.rs",
        "occasion.context = call.context()?;",
        "",
    ),
    Mutant::new(
        "a state of another call is taken",
        "actionpass-mcp/src/session/call.rs",
        "match self.key.takes(&resumed.state, &digest) {",
        "match self.key.takes(&resumed.state, &digest) || true {",
    ),
    Mutant::new(
        "whoever declines goes on",
        "actionpass-mcp/src/session/call.rs",
        "true if resumed.accepts => None,",
        "true if resumed.accepts || call.is_tool() => None,",
    ),
    Mutant::new(
        "the tool may change between decision and call",
        "actionpass-mcp/src/session/call.rs",
        "if hash != hash_now {",
        "if false && hash != hash_now {",
    ),
    Mutant::new(
        "the server gets what the client sent, not what was approved",
        "actionpass-mcp/src/session/call.rs",
        "message: call.forwarded(&permit.payload, Some(&permit.token)),",
        "message: call.forwarded(&call.payload, Some(&permit.token)),",
    ),
    Mutant::new(
        "a tool that isn't listed is called",
        "actionpass-mcp/src/session/call.rs",
        "_ if observes => return Ok(Some(listing)),",
        "_ => return Ok(Some(listing)),",
    ),
    Mutant::new(
        "a refusal of the proxy isn't recorded",
        "actionpass-mcp/src/session/call.rs",
        "let recorded = self.door.refuse(call, &occasion, Reason::new(code)).await;",
        "let recorded = Ok::<(), actionpass_door::DoorError>(drop((call, occasion, code)));",
    ),
    Mutant::new(
        "what never left is reported as executed",
        "actionpass-mcp/src/session/call.rs",
        "self.report(&ready.ran, Outcome::failed()).await;",
        "self.report(&ready.ran, Outcome::executed()).await;",
    ),
    Mutant::new(
        "an answer that got lost is reported as executed",
        "actionpass-mcp/src/session/call.rs",
        "            // Given up, or the server is gone.
            Err(_) => {
                self.report(&ready.ran, Outcome::unknown()).await;",
        "            // Given up, or the server is gone.
            Err(_) => {
                self.report(&ready.ran, Outcome::executed()).await;",
    ),
    Mutant::new(
        "a state doesn't end",
        "actionpass-mcp/src/state.rs",
        "is_genuine && now < until",
        "is_genuine",
    ),
    Mutant::new(
        "a state holds for every call",
        "actionpass-mcp/src/state.rs",
        "mac.update(call.to_string().as_bytes());",
        "let _ = call;",
    ),
    // The proxy, towards the server.
    Mutant::new(
        "a server sends people to the page of approvals",
        "actionpass-mcp/src/session/server.rs",
        "if asks.is_some_and(|asks| self.poses_as_gate(asks)) {",
        "if false && asks.is_some_and(|asks| self.poses_as_gate(asks)) {",
    ),
    Mutant::new(
        "a server asks for approvals",
        "actionpass-mcp/src/session/server.rs",
        "} else if method == \"elicitation/create\" && params.is_some_and(|params| self.poses_as_gate(params)) {",
        "} else if method == \"elicitation/\" && params.is_some_and(|params| self.poses_as_gate(params)) {",
    ),
    Mutant::new(
        "a server says that an approval was given",
        "actionpass-mcp/src/session/server.rs",
        "\"notifications/elicitation/complete\" if self.is_ours(member(\"elicitationId\")) => {",
        "\"notifications/elicitation/\" if self.is_ours(member(\"elicitationId\")) => {",
    ),
    Mutant::new(
        "a server asks what the client never said it can do",
        "actionpass-mcp/src/session/server.rs",
        "} else if state.era == Some(Era::Modern) || !may_ask {",
        "} else if state.era == Some(Era::Modern) {",
    ),
    Mutant::new(
        "a server cancels requests of others",
        "actionpass-mcp/src/session/server.rs",
        "let at = id.and_then(|id| state.asked.iter().position(|asked| *asked == id));",
        "let at = id.map(|_| 0).filter(|_| !state.asked.is_empty());",
    ),
    Mutant::new(
        "a line within a line isn't looked at",
        "actionpass-mcp/src/session/server.rs",
        "if memchr::memchr(b'\\r', &line).is_none() {",
        "if memchr::memchr(b'\\r', &line).is_none() || !line.is_empty() {",
    ),
    // Hooks.
    Mutant::new(
        "a hook that can't read its input has no opinion",
        "actionpass-hook/src/answer.rs",
        "(Ok(()), _) | (Err(_), Mode::Observe) => Answer::NoOpinion,",
        "(Ok(()), _) | (Err(_), _) => Answer::NoOpinion,",
    ),
    Mutant::new(
        "a hook uses nothing up",
        "actionpass-hook/src/answer.rs",
        "Verdict::Allowed(allowed) => {",
        "Verdict::Allowed(_) => Ok(()),
            #[expect(unreachable_patterns, reason = \"a mutant\")]
            Verdict::Allowed(allowed) => {",
    ),
    Mutant::new(
        "a hook lets the agent run what was not approved",
        "actionpass-hook/src/answer.rs",
        "if permit.payload != event.arguments {",
        "if false && permit.payload != event.arguments {",
    ),
    Mutant::new(
        "a door that enforces observes for a hook",
        "actionpass-hook/src/answer.rs",
        "Verdict::Observed(observed) if door.mode() == Mode::Observe => {",
        "Verdict::Observed(observed) => {",
    ),
    Mutant::new(
        "a name is read in the first of several ways",
        "actionpass-hook/src/answer.rs",
        "&& !tool.starts_with('_') && !tool.contains(\"__\");",
        ";",
    ),
    Mutant::new(
        "a server that calls itself like an agent is the agent",
        "actionpass-hook/src/answer.rs",
        "found.filter(|_| Agent::parse(name).is_none())",
        "found",
    ),
    Mutant::new(
        "another program under a server's name is that server",
        "actionpass-hook/src/answer.rs",
        "is_open || (runs.is_none_or(|runs| command == Some(runs)) && url.is_none_or(|url| address == Some(url)))",
        "is_open || runs.is_some() || url.is_some() || command.is_some() || address.is_some()",
    ),
    Mutant::new(
        "an event that isn't judged is no matter",
        "actionpass-hook/src/event.rs",
        "(Agent::ClaudeCode | Agent::Codex, \"PreToolUse\") => called(&stated),",
        "(Agent::ClaudeCode | Agent::Codex, _) => called(&stated),",
    ),
];
