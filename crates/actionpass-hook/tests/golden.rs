//! What each documented input of each agent comes to, and what inputs come to that were changed at random: the same call, or a
//! block.
//!
//! `golden/AGENT/CASE.json` is what the agent writes, `CASE.out` what the hook says and what it asked. `UPDATE_GOLDEN=1` writes
//! the latter anew. Names begin with a version where the input was recorded from it, or read out of its source or documentation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_canon::CanonicalBytes;
use actionpass_door::testing::{ScriptedDoor, Seen};
use actionpass_gate::Catalogue;
use actionpass_hook::{Agent, Answer, Hook, Proxy};
use actionpass_model::Decision;
use pollster::block_on;

const TOOLS: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "claude-code"
[[server]]
name = "codex"
[[server]]
name = "cursor"
[[server]]
name = "gemini"
[[server]]
name = "github"
command = ["npx", "-y", "@example/github"]
[[tool]]
match = "claude-code/Bash"
tool = "shell.run"
resource = "host:local"
[[tool]]
match = "codex/Bash"
tool = "shell.run"
resource = "host:local"
[[tool]]
match = "cursor/Shell"
tool = "shell.run"
resource = "host:local"
[[tool]]
match = "gemini/run_shell_command"
tool = "shell.run"
resource = "host:local"
[[tool]]
match = "claude-code/Read"
tool = "files.read"
resource = "file:{path:payload.file_path}"
root = "/"
[[tool]]
match = "claude-code/Write"
tool = "files.write"
resource = "file:{path:payload.file_path}"
root = "/"
[[tool]]
match = "cursor/Read"
tool = "files.read"
resource = "file:{path:payload.file_path}"
root = "/"
[[tool]]
match = "github/create_issue"
tool = "github.issues.create"
resource = "repo:{payload.owner}/{payload.repo}"
[[tool]]
match = "cursor/mcp/create_issue"
tool = "github.issues.create"
resource = "repo:{payload.owner}/{payload.repo}"
"#;

fn catalogue() -> Catalogue {
    Catalogue::parse(TOOLS, "tools.toml", |_| None).unwrap()
}

/// A door that lets reads, issues and one command through, and has people asked about another.
fn door() -> ScriptedDoor {
    let script = |call: &actionpass_gate::Normalized, _: &actionpass_door::Occasion| {
        let command = call.payload.member(&["command"]);
        Ok(
            match (call.tool.as_str(), command.as_ref().map(CanonicalBytes::as_str)) {
                ("shell.run", Some("\"cargo test\"")) | ("files.read" | "github.issues.create", _) => Decision::Allow,
                ("shell.run", Some("\"make deploy\"")) => Decision::StepUp,
                _ => Decision::Deny,
            },
        )
    };
    ScriptedDoor::new(script).with_catalogue(catalogue())
}

fn hook(agent: Agent) -> Hook {
    Hook::new(agent).with_proxy(Proxy::default().with_names(vec!["proxied".to_owned()]))
}

fn cases() -> Vec<(Agent, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for agent in Agent::ALL {
        let files = fs::read_dir(root.join(agent.as_str())).unwrap();
        let files = files.map(|file| file.unwrap().path());
        cases.extend(
            files
                .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
                .map(|path| (agent, path)),
        );
    }
    cases.sort_by(|(_, a), (_, b)| a.cmp(b));
    cases
}

/// What a hook says, and what it asked its door.
fn told(agent: Agent, raw: &[u8]) -> String {
    let door = door();
    let answer = block_on(hook(agent).answer(&door, raw));
    let mut text = match answer {
        Answer::NoOpinion => format!("exit 0\nstdout {:?}\n", agent.no_opinion()),
        Answer::Block(reason) => format!("exit 2\nstderr {reason}\n"),
    };
    for seen in door.seen() {
        match seen {
            Seen::Asked(tool, payload) => text.push_str(&format!("asked {tool} {}\n", payload.as_str())),
            Seen::Consumed(tool) => text.push_str(&format!("consumed {tool}\n")),
            Seen::Reported(_, outcome) => text.push_str(&format!("reported {:?}\n", outcome.status)),
            other => text.push_str(&format!("{other:?}\n")),
        }
    }
    text
}

#[test]
fn every_documented_input_comes_to_what_is_written_down() {
    let cases = cases();
    assert!(cases.len() > 40, "{}", cases.len());
    let mut wrong = Vec::new();
    for (agent, path) in cases {
        let told = told(agent, &fs::read(&path).unwrap());
        let golden = path.with_extension("out");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &told).unwrap();
        }
        if fs::read_to_string(&golden).ok().as_ref() != Some(&told) {
            wrong.push(format!("{}\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// xorshift64*: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }
}

/// One change of a document: of its bytes, or of a value or member anywhere in it.
fn mutated(raw: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = raw.to_vec();
    match numbers.below(6) {
        0 => {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
        }
        1 => {
            let at = numbers.below(bytes.len());
            bytes.remove(at);
        }
        2 => {
            let at = numbers.below(bytes.len());
            bytes.insert(at, b"{}[]\",:\\0 \xff\x00"[numbers.below(12)]);
        }
        3 => bytes.truncate(numbers.below(bytes.len())),
        kind => {
            let mut document: serde_json::Value = serde_json::from_slice(raw).unwrap();
            let mut spots = Vec::new();
            pointers(&document, String::new(), &mut spots);
            let at = spots[numbers.below(spots.len())].clone();
            if kind == 4 {
                let values = [
                    "null",
                    "true",
                    "0",
                    "\"\"",
                    "[]",
                    "{}",
                    "\"Bash\"",
                    "[\"cargo test\"]",
                    "{\"command\":\"cargo test\"}",
                ];
                let value = values[numbers.below(values.len())];
                *document.pointer_mut(&at).unwrap() = serde_json::from_str(value).unwrap();
                bytes = document.to_string().into_bytes();
            } else {
                let (parent, name) = at.rsplit_once('/').unwrap();
                let Some(members) = document.pointer_mut(parent).unwrap().as_object_mut() else {
                    return bytes;
                };
                if numbers.below(2) == 0 {
                    members.remove(name);
                    bytes = document.to_string().into_bytes();
                } else {
                    // A second member of the name, before or behind the first.
                    members.insert("\u{1}twin".to_owned(), serde_json::json!("id"));
                    bytes = document.to_string().replace("\\u0001twin", name).into_bytes();
                }
            }
        }
    }
    bytes
}

fn pointers(value: &serde_json::Value, at: String, spots: &mut Vec<String>) {
    if let Some(members) = value.as_object() {
        for (name, value) in members {
            let at = format!("{at}/{name}");
            pointers(value, at.clone(), spots);
            spots.push(at);
        }
    }
}

#[test]
fn a_changed_input_is_the_same_call_or_blocked() {
    let allowed: Vec<(Agent, Vec<u8>, Vec<Seen>)> = cases()
        .into_iter()
        .filter_map(|(agent, path)| {
            let raw = fs::read(path).unwrap();
            let door = door();
            let answer = block_on(hook(agent).answer(&door, &raw));
            let seen = door.seen();
            (answer == Answer::NoOpinion && !seen.is_empty()).then_some((agent, raw, seen))
        })
        .collect();
    assert!(allowed.len() > 12, "{}", allowed.len());
    let mut numbers = Numbers(0x5eed_2026);
    let (mut same, mut blocked) = (0, 0);
    for round in 0..10_000 {
        let (agent, raw, original) = &allowed[round % allowed.len()];
        let mut bytes = mutated(raw, &mut numbers);
        if numbers.below(4) == 0 && serde_json::from_slice::<serde_json::Value>(&bytes).is_ok() {
            bytes = mutated(&bytes, &mut numbers);
        }
        let Seen::Asked(tool, payload) = &original[0] else {
            panic!("{original:?}");
        };
        // Allows what was allowed, and nothing else.
        let (tool, payload) = (tool.clone(), payload.clone());
        let script = move |call: &actionpass_gate::Normalized, _: &actionpass_door::Occasion| {
            let is_it = call.tool.as_str() == tool && call.payload == payload;
            Ok(if is_it { Decision::Allow } else { Decision::Deny })
        };
        let door = ScriptedDoor::new(script).with_catalogue(catalogue());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match block_on(Hook::new(*agent).answer(&door, &bytes)) {
            Answer::NoOpinion => {
                assert_eq!(&door.seen(), original, "{text}");
                same += 1;
            }
            Answer::Block(reason) => {
                assert!(!reason.trim().is_empty(), "{text}");
                assert!(
                    !door.seen().iter().any(|seen| matches!(seen, Seen::Consumed(_))),
                    "{text}"
                );
                blocked += 1;
            }
        }
    }
    assert!(same > 1_000 && blocked > 4_000, "{same} the same, {blocked} blocked");
}

#[test]
fn a_door_that_observes_blocks_nothing() {
    for (agent, path) in cases() {
        let raw = fs::read(&path).unwrap();
        let door = door().observing();
        assert_eq!(
            block_on(hook(agent).answer(&door, &raw)),
            Answer::NoOpinion,
            "{}",
            path.display()
        );
        assert!(!door.seen().iter().any(|seen| matches!(seen, Seen::Consumed(_))));
    }
}

#[test]
fn a_door_that_fails_blocks() {
    let door = ScriptedDoor::new(|_, _| {
        Err(actionpass_door::DoorError::new(
            actionpass_door::DoorCode::NotOverAService,
            "it is away",
        ))
    });
    let raw = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/claude-code/bash.json")).unwrap();
    let Answer::Block(reason) = block_on(Hook::new(Agent::ClaudeCode).answer(&door, &raw)) else {
        panic!("it isn't blocked");
    };
    assert!(reason.contains("it is away (not_over_a_service)"), "{reason}");
}

#[test]
fn a_door_that_permits_something_else_or_observes_unsaid_blocks() {
    let raw = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/claude-code/bash.json")).unwrap();
    let allowing = || ScriptedDoor::new(|_, _| Ok(Decision::Allow)).with_catalogue(catalogue());
    let other = actionpass_canon::admit(br#"{"command":"rm -r /"}"#, &actionpass_canon::Limits::default()).unwrap();
    let told = |door: &ScriptedDoor| block_on(Hook::new(Agent::ClaudeCode).answer(door, &raw));
    let used = |door: &ScriptedDoor| door.seen().iter().any(|seen| matches!(seen, Seen::Consumed(_)));
    let door = allowing();
    assert_eq!((told(&door), used(&door)), (Answer::NoOpinion, true));
    for door in [allowing().permitting(other), allowing().observing_unsaid()] {
        let Answer::Block(reason) = told(&door) else {
            panic!("it isn't blocked: {door:?}");
        };
        assert!(reason.contains("answer_contradicts"), "{reason}");
    }
}

#[test]
fn folder_and_session_go_with_the_call() {
    let (sent, got) = std::sync::mpsc::channel();
    let sent = std::sync::Mutex::new(sent);
    let door = ScriptedDoor::new(move |_, occasion| {
        sent.lock().unwrap().send(occasion.clone()).unwrap();
        Ok(Decision::Deny)
    });
    let raw = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/claude-code/bash.json")).unwrap();
    let _ = block_on(Hook::new(Agent::ClaudeCode).answer(&door, &raw));
    let occasion = got.try_recv().unwrap();
    assert_eq!(occasion.session.as_deref(), Some("abc123"));
    assert_eq!(occasion.context.unwrap().as_str(), r#"{"cwd":"/srv/work"}"#);
}
