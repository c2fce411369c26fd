//! G23: nothing reaches a tool through a front door that wasn't allowed, recorded, verified and consumed; one that fails, blocks.
//!
//! The door decides, records, verifies and consumes (`crates/actionpass-door/tests/home.rs`, `tests/e2e/doors.rs`); here it is about
//! what stands in front of it: the MCP proxy and the hook, and fronts that are broken on purpose.

use std::sync::Arc;

use actionpass_canon::{CanonicalBytes, Limits, admit};
use actionpass_door::testing::{ScriptedDoor, Seen};
use actionpass_door::{Allowed, Door, DoorCode, DoorError, DoorFuture, Mode, Occasion, Outcome, Permit, Ran, Verdict};
use actionpass_gate::{Call, DeclaredServer, ListedTool, Origin, ToolCall, ToolState};
use actionpass_hook::{Agent, Answer, Hook};
use actionpass_mcp::{ServerEntry, Session, Settings};
use actionpass_model::{Decision, Reason};
use actionpass_testkit::block_on;
use serde_json::{Value, json};

use crate::common::Checked;

/// Arguments as a client spells them, and what is to be executed.
const SPELT: &str = r#"{ "n": 1.0, "a": "\u0062" }"#;
const CANONICAL: &str = r#"{"a":"b","n":1}"#;

/// What fails behind a front.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    Asking,
    Consuming,
    Reporting,
}

/// A door with a part that fails.
#[derive(Debug)]
struct FaultyDoor {
    inner: ScriptedDoor,
    fault: Fault,
}

impl FaultyDoor {
    fn new(fault: Fault) -> Self {
        let script = |call: &actionpass_gate::Normalized, _: &Occasion| {
            Ok(match call.tool.as_str().rsplit('/').next() {
                Some("read") => Decision::Allow,
                Some("pay") => Decision::StepUp,
                _ => Decision::Deny,
            })
        };
        Self {
            inner: ScriptedDoor::new(script),
            fault,
        }
    }

    fn fails<T>(&self, at: Fault) -> Option<Result<T, DoorError>> {
        (self.fault == at).then(|| Err(DoorError::new(DoorCode::AnswerContradicts, "it failed")))
    }

    fn has_consumed(&self) -> bool {
        self.inner.seen().iter().any(|seen| matches!(seen, Seen::Consumed(_)))
    }
}

impl Door for FaultyDoor {
    fn mode(&self) -> Mode {
        self.inner.mode()
    }
    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        self.inner.servers()
    }
    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        self.inner.listed(server, origin, tools)
    }
    fn ask<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        match self.fails(Fault::Asking) {
            Some(failed) => Box::pin(async { failed }),
            None => self.inner.ask(call, occasion),
        }
    }
    fn refuse<'a>(&'a self, call: Call<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        self.inner.refuse(call, occasion, reason)
    }
    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        match self.fails(Fault::Consuming) {
            Some(failed) => Box::pin(async { failed }),
            None => self.inner.consume(allowed),
        }
    }
    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        match self.fails(Fault::Reporting) {
            Some(failed) => Box::pin(async { failed }),
            None => self.inner.report(ran, outcome),
        }
    }
}

/// What reached the tool: its arguments, and whether the pass was used up by then.
type Reached = Vec<(String, bool)>;

/// A front: has one tool called with [`SPELT`].
type Front = fn(&Arc<FaultyDoor>, &str) -> Reached;

/// The MCP proxy, between a client and a server in memory.
fn proxy(door: &Arc<FaultyDoor>, tool: &str) -> Reached {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut entry = ServerEntry::undeclared();
        entry.name = "files".into();
        entry.is_declared = true;
        let settings = Settings::new(entry, Origin::Command(vec!["server".to_owned()]));
        let (session, mut server, mut client) =
            Session::new(Arc::clone(door) as _, settings, "session-1".to_owned(), [1; 32]);
        let first = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
        session.from_client(first.to_string().as_bytes()).await;
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{SPELT}}}}}"#
        );
        let mut reached = Vec::new();
        loop {
            tokio::select! {
                Some(message) = server.recv() => {
                    let asked: Value = serde_json::from_slice(&message.line).unwrap();
                    let result = match asked["method"].as_str() {
                        Some("initialize") => json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                            "serverInfo": { "name": "s", "version": "1" } }),
                        Some("tools/list") => {
                            let tools = ["read", "pay", "write"].map(|name| json!({ "name": name, "inputSchema": { "additionalProperties": true } }));
                            json!({ "tools": tools })
                        }
                        Some("tools/call") => {
                            // As it stands on the wire.
                            let line = String::from_utf8(message.line).unwrap();
                            let arguments = line.split_once("\"arguments\":").unwrap().1;
                            let end = arguments.find('}').unwrap();
                            reached.push((arguments[..=end].to_owned(), door.has_consumed()));
                            json!({ "content": [] })
                        }
                        _ => continue,
                    };
                    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
                    session.from_server(answer.to_string().as_bytes()).await;
                }
                Some(message) = client.recv() => {
                    let told: Value = serde_json::from_slice(&message.line).unwrap();
                    if told["id"] == 0 {
                        session.from_client(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
                        session.from_client(call.as_bytes()).await;
                    } else if told["id"] == 1 {
                        session.settled().await;
                        return reached;
                    }
                }
            }
        }
    })
}

/// The hook of a coding agent, which makes the call where the hook has no opinion.
fn hook(door: &Arc<FaultyDoor>, tool: &str) -> Reached {
    let input = format!(
        r#"{{"session_id":"s-1","transcript_path":"/t","cwd":"/p","permission_mode":"default","hook_event_name":"PreToolUse","tool_name":"{tool}","tool_input":{SPELT},"tool_use_id":"u"}}"#
    );
    match block_on(Hook::new(Agent::ClaudeCode).answer(&**door, input.as_bytes())) {
        // The agent has its own arguments; that they are these the hook has judged.
        Answer::NoOpinion => vec![(CANONICAL.to_owned(), door.has_consumed())],
        _ => Vec::new(),
    }
}

/// What the guarantee demands of a front.
fn check(front: Front) -> Checked {
    for fault in [Fault::None, Fault::Asking, Fault::Consuming, Fault::Reporting] {
        for tool in ["read", "pay", "write"] {
            let door = Arc::new(FaultyDoor::new(fault));
            let reached = front(&door, tool);
            // What can't be reported was made all the same.
            let may = tool == "read" && matches!(fault, Fault::None | Fault::Reporting);
            let wanted: Reached = if may {
                vec![(CANONICAL.to_owned(), true)]
            } else {
                Vec::new()
            };
            if reached != wanted {
                return Err(format!("{fault:?}, {tool}: {reached:?} reached it"));
            }
        }
    }
    Ok(())
}

#[test]
fn g23_nothing_passes_the_mcp_proxy_that_was_not_judged_and_used_up() {
    check(proxy).unwrap();
}

#[test]
fn g23_nothing_passes_a_hook_that_was_not_judged_and_used_up() {
    check(hook).unwrap();
}

fn bytes() -> CanonicalBytes {
    admit(SPELT.as_bytes(), &Limits::default()).unwrap()
}

/// Asks as a front does.
fn ask(door: &FaultyDoor, tool: &str) -> Result<Verdict, DoorError> {
    let arguments = bytes();
    block_on(door.ask(
        ToolCall::new("files", tool, &arguments).into(),
        &Occasion::of_session("s"),
    ))
}

fn made(door: &FaultyDoor) -> (String, bool) {
    (CANONICAL.to_owned(), door.has_consumed())
}

#[test]
fn g23_the_check_finds_fronts_that_let_something_through() {
    let twins: [(&str, Front); 7] = [
        ("one that can't ask goes on", |door, tool| match ask(door, tool) {
            Ok(Verdict::Allowed(allowed)) => {
                block_on(door.consume(allowed)).map_or_else(|_| Vec::new(), |_| vec![made(door)])
            }
            Ok(_) => Vec::new(),
            Err(_) => vec![made(door)],
        }),
        ("what waits for people is called", |door, tool| match ask(door, tool) {
            Ok(Verdict::Allowed(allowed)) => {
                block_on(door.consume(allowed)).map_or_else(|_| Vec::new(), |_| vec![made(door)])
            }
            Ok(Verdict::Refused(refused)) if refused.decision == Decision::StepUp => vec![made(door)],
            _ => Vec::new(),
        }),
        ("it is called before the pass is used up", |door, tool| {
            match ask(door, tool) {
                Ok(Verdict::Allowed(allowed)) => {
                    let reached = vec![made(door)];
                    drop(block_on(door.consume(allowed)));
                    reached
                }
                _ => Vec::new(),
            }
        }),
        ("a pass that can't be used up is good enough", |door, tool| {
            match ask(door, tool) {
                Ok(Verdict::Allowed(allowed)) => {
                    drop(block_on(door.consume(allowed)));
                    vec![(CANONICAL.to_owned(), true)]
                }
                _ => Vec::new(),
            }
        }),
        ("the client's own spelling is executed", |door, tool| {
            match ask(door, tool) {
                Ok(Verdict::Allowed(allowed)) => match block_on(door.consume(allowed)) {
                    Ok(_) => vec![(SPELT.to_owned(), door.has_consumed())],
                    Err(_) => Vec::new(),
                },
                _ => Vec::new(),
            }
        }),
        ("it is called again where the report failed", |door, tool| {
            match ask(door, tool) {
                Ok(Verdict::Allowed(allowed)) => match block_on(door.consume(allowed)) {
                    Ok(permit) => match block_on(door.report(&permit.ran(), Outcome::executed())) {
                        Ok(()) => vec![made(door)],
                        Err(_) => vec![made(door), made(door)],
                    },
                    Err(_) => Vec::new(),
                },
                _ => Vec::new(),
            }
        }),
        ("nothing is ever called", |_, _| Vec::new()),
    ];
    for (name, twin) in twins {
        assert!(check(twin).is_err(), "{name}");
    }
}
