//! `hook run` as an agent runs it, and `hook doctor`: what is allowed runs once, everything that isn't an answer blocks.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::home::{Home, MAINTAINER, Ran};
use crate::program::actionpass;
use crate::served::Served;

/// What stands behind a hook's command, as `hook doctor` tells it.
const FALLBACK: &str = "|| { cat >/dev/null; echo 'ActionPass blocks this call.' >&2; exit 2; }";

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
"#;

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "hooks"
[[rule]]
id = "shell.checks"
effect = "allow"
tool = "shell.run"
resource = "host:local"
when = [{ path = "payload.command", one_of = ["cargo test"] }]
[[rule]]
id = "shell.deploy"
effect = "step_up"
tool = "shell.run"
when = [{ path = "payload.command", one_of = ["make deploy"] }]
approvals = { count = 1 }
reason = "somebody has to look"
"#;

/// A home with a door for each agent.
fn home() -> Home {
    let home = Home::with_maintainer();
    let mut config = home.read("home/config.toml");
    for kind in ["claude-code", "codex", "cursor", "gemini"] {
        config.push_str(&format!(
            "\n[[door]]\nname = \"{kind}\"\nkind = \"{kind}\"\ntenant = \"org:example\"\nagent = \"agent:{kind}\"\n\
             owner = \"user:owner@example.com\"\nruntime = \"runtime:{kind}\"\n"
        ));
    }
    home.write("home/config.toml", config);
    home.write_secret("home/tools.toml", TOOLS);
    home.write("home/policy.toml", POLICY);
    home
}

/// What an agent states of a command.
fn event(agent: &str, command: &str) -> Value {
    match agent {
        "cursor" => json!({
            "hook_event_name": "beforeShellExecution", "conversation_id": "c1", "command": command, "cwd": "/srv/work",
        }),
        "gemini" => json!({
            "hook_event_name": "BeforeTool", "session_id": "s1", "cwd": "/srv/work",
            "tool_name": "run_shell_command", "tool_input": {"command": command},
        }),
        _ => json!({
            "hook_event_name": "PreToolUse", "session_id": "s1", "cwd": "/srv/work", "tool_use_id": "t1",
            "tool_name": "Bash", "tool_input": {"command": command},
        }),
    }
}

fn hook(home: &Home, agent: &str, more: &[&str]) -> Command {
    let place = home.path("home");
    let args = [
        "--home",
        place.to_str().unwrap(),
        "hook",
        "run",
        "--agent",
        agent,
        "--deadline",
        "30s",
    ];
    home.command([&args[..], more].concat())
}

#[track_caller]
fn asked(home: &Home, agent: &str, command: &str) -> Ran {
    home.feed_to(
        &mut hook(home, agent, &[]),
        event(agent, command).to_string().as_bytes(),
    )
}

/// It is blocked: as every agent reads it.
#[track_caller]
fn blocks(ran: &Ran) {
    assert_eq!((ran.exit, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(!ran.stderr.trim().is_empty(), "{ran:?}");
}

#[test]
fn an_allowed_call_is_recorded_and_used_before_the_agent_goes_on() {
    for (agent, said) in [
        ("claude-code", ""),
        ("codex", ""),
        ("cursor", "{\"permission\":\"allow\"}\n"),
        ("gemini", "{}\n"),
    ] {
        let home = home();
        let ran = asked(&home, agent, "cargo test");
        assert_eq!(
            (ran.exit, ran.stdout.as_str(), ran.stderr.as_str()),
            (0, said, ""),
            "{agent}"
        );
        let records = home.records();
        let kinds: Vec<&str> = records.iter().filter_map(|record| record["kind"].as_str()).collect();
        assert!(kinds.ends_with(&["decision", "use", "outcome"]), "{agent}: {kinds:?}");
        assert_eq!(records.last().unwrap()["body"]["status"], "unknown");
        let decision = &home.decisions()[0];
        assert_eq!(decision["door"], agent);
    }
}

#[test]
fn what_no_rule_allows_is_blocked_with_its_reason() {
    let home = home();
    for agent in ["claude-code", "codex", "cursor", "gemini"] {
        let ran = asked(&home, agent, "id");
        blocks(&ran);
        assert!(ran.stderr.starts_with("ActionPass denies this call"), "{ran:?}");
    }
}

#[test]
fn a_parked_call_goes_through_when_it_is_approved_and_tried_again() {
    let home = home();
    let ran = asked(&home, "claude-code", "make deploy");
    blocks(&ran);
    let (_, id) = ran.stderr.split_once("Request ").unwrap();
    let id = id.split_whitespace().next().unwrap();
    assert!(ran.stderr.contains("retry the identical call"), "{ran:?}");
    let vote = [
        "--key",
        "maintainer.pem",
        "--as",
        MAINTAINER,
        "--reason",
        "read it",
        "--yes",
    ];
    home.run([&["requests", "approve", id], &vote[..]].concat()).exits(0);
    // In another folder it is another call.
    let mut elsewhere = event("claude-code", "make deploy");
    elsewhere["cwd"] = "/etc".into();
    assert_eq!(asked(&home, "claude-code", "make deploy").exit, 0);
    blocks(&home.feed_to(&mut hook(&home, "claude-code", &[]), elsewhere.to_string().as_bytes()));
    // An approval counts once.
    blocks(&asked(&home, "claude-code", "make deploy"));
}

#[test]
fn every_failure_blocks() {
    let home = home();
    let place = home.path("home");
    let place = place.to_str().unwrap();
    let event = event("gemini", "cargo test").to_string();
    let good = ["--home", place, "hook", "run", "--agent", "gemini", "--deadline", "30s"];
    assert_eq!(home.feed_to(&mut home.command(good), event.as_bytes()).exit, 0);
    let bad: &[&[&str]] = &[
        &["hook", "run", "--agent", "gemini", "--deadline", "30s"],
        &[
            "--home",
            "home",
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &[
            "--home",
            "/nonexistent",
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &["--home", place, "hook", "run", "--agent", "gemini"],
        &["--home", place, "hook", "run", "--deadline", "30s"],
        &["--home", place, "hook", "run", "--agent", "other", "--deadline", "30s"],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "soon",
        ],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
            "--bogus",
        ],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
            "--wait",
            "24s",
        ],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
            "--door",
            "nobody",
        ],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
            "--door",
            "codex",
        ],
        &[
            "--home",
            place,
            "--json",
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &[
            "--home",
            place,
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
            "--help",
        ],
        &[
            "--home",
            place,
            "--gate",
            "http://localhost:1",
            "hook",
            "run",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &[
            "hook",
            "run",
            "--gate",
            "http://localhost:1",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &[
            "hook",
            "run",
            "--gate",
            "http://localhost:1",
            "--token-file",
            "t",
            "--agent",
            "gemini",
            "--deadline",
            "30s",
        ],
        &["hook", "runn", "--agent", "gemini"],
        &["hook"],
        &["hok", "run"],
    ];
    for args in bad {
        let ran = home.feed_to(&mut home.command(*args), event.as_bytes());
        let shows_help = args.contains(&"--help");
        assert_eq!(ran.exit, 2, "{args:?}: {ran:?}");
        assert!(!ran.stderr.trim().is_empty(), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout.is_empty(), !shows_help, "{args:?}: {ran:?}");
    }
    // What the agent states.
    let large = format!(r#"{{"hook_event_name":"BeforeTool","x":"{}"}}"#, "x".repeat(9 << 20));
    for stdin in ["", "{", "[]", r#"{"hook_event_name":"AfterTool"}"#, large.as_str()] {
        let mut child = home.command(good).stdin(Stdio::piped()).spawn().unwrap();
        // All of it is taken in: an agent may take a closed pipe for a hook that failed.
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        blocks(&home.finish(child));
    }
    // The home.
    for (file, text) in [
        ("policy.toml", "schema = 1"),
        ("config.toml", "?"),
        ("tools.toml", "schema = \"x\""),
        ("trust.json", "{}"),
    ] {
        let name = format!("home/{file}");
        let before = home.read(&name);
        home.write(&name, text);
        blocks(&home.feed_to(&mut home.command(good), event.as_bytes()));
        home.write(&name, before);
    }
    assert_eq!(home.feed_to(&mut home.command(good), event.as_bytes()).exit, 0);
}

#[test]
fn a_hook_that_hangs_blocks_before_the_agent_gives_up() {
    let home = home();
    let place = home.path("home");
    let args = [
        "--home",
        place.to_str().unwrap(),
        "hook",
        "run",
        "--agent",
        "codex",
        "--deadline",
        "2s",
    ];
    let started = Instant::now();
    let mut child = home.command(args).stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let ran = home.finish(child);
    let took = started.elapsed();
    drop(stdin);
    blocks(&ran);
    assert!(ran.stderr.contains("hook_deadline_passed"), "{ran:?}");
    assert!(
        took >= Duration::from_millis(1_600) && took < Duration::from_secs(2),
        "{took:?}"
    );
}

#[test]
fn an_answer_that_nobody_reads_blocks() {
    let home = home();
    let mut child = hook(&home, "gemini", &[]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(event("gemini", "cargo test").to_string().as_bytes())
        .unwrap();
    let ran = home.finish(child);
    blocks(&ran);
}

/// By a service the client's entry says who calls, and the hook opens no home.
#[test]
fn a_service_judges_for_a_hook_without_a_home() {
    let home = home();
    let entry: &[&str] = &[
        "--agent",
        "agent:codex",
        "--owner",
        "user:owner@example.com",
        "--runtime",
        "runtime:codex",
        "--tenant",
        "org:example",
        "--server",
        "*",
        "--audience",
        "*",
        "--consumes",
    ];
    let add = ["clients", "add", "codex", "--may", "authorize,consume,outcome"];
    let token = home.run([&add[..], entry].concat()).exits(0).json()["token"].take();
    let token = token.as_str().unwrap();
    home.write_secret("token", token);
    let service = Served::start(&home, token);
    let url = service.url();
    let token = home.path("token");
    let asked = |command: &str| {
        let args = [
            "hook",
            "run",
            "--agent",
            "codex",
            "--deadline",
            "30s",
            "--gate",
            &url,
            "--token-file",
        ];
        let mut hook = home.command(args);
        home.feed_to(hook.arg(&token), event("codex", command).to_string().as_bytes())
    };
    let ran = asked("cargo test");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, ""), "{ran:?}");
    blocks(&asked("id"));
    let parked = asked("make deploy");
    blocks(&parked);
    assert!(parked.stderr.contains(" waits for them: http"), "{parked:?}");
    drop(service);
    let away = asked("cargo test");
    blocks(&away);
    assert!(away.stderr.contains("service_unreachable"), "{away:?}");
}

/// The environment and the folder are a project's, which the agent works in.
#[test]
fn a_project_does_not_say_who_judges() {
    let home = home();
    let other = Home::new();
    for (name, value) in [
        ("ACTIONPASS_HOME", other.path("home").display().to_string()),
        ("ACTIONPASS_GATE", "http://localhost:1".to_owned()),
        ("ACTIONPASS_LOG", "no level".to_owned()),
        ("ACTIONPASS_PASSPHRASE", "x".to_owned()),
        ("SSL_CERT_FILE", "/nonexistent".to_owned()),
    ] {
        let mut command = hook(&home, "codex", &[]);
        command.env(name, value).current_dir(other.path("."));
        let ran = home.feed_to(&mut command, event("codex", "cargo test").to_string().as_bytes());
        assert_eq!(ran.exit, 0, "{name}: {ran:?}");
        let mut command = hook(&home, "codex", &[]);
        let ran = home.feed_to(command.env(name, "x"), event("codex", "id").to_string().as_bytes());
        blocks(&ran);
    }
}

#[test]
fn a_hook_that_observes_records_and_blocks_nothing() {
    let home = home();
    let mut observing = hook(&home, "gemini", &["--observe"]);
    let ran = home.feed_to(&mut observing, event("gemini", "id").to_string().as_bytes());
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "{}\n"), "{ran:?}");
    let decision = &home.decisions()[0];
    assert_eq!(
        (&decision["mode"], &decision["decision"]),
        (&json!("observe"), &json!("deny"))
    );
    assert_eq!(home.records().last().unwrap()["kind"], "outcome");
    // What can't be judged runs too.
    let ran = home.feed_to(&mut hook(&home, "gemini", &["--observe"]), b"{");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "{}\n"), "{ran:?}");
    home.write("home/policy.toml", "?");
    let ran = home.feed_to(
        &mut hook(&home, "gemini", &["--observe"]),
        event("gemini", "id").to_string().as_bytes(),
    );
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "{}\n"), "{ran:?}");
    // A command line that can't be read may not have meant it.
    blocks(&home.feed_to(&mut hook(&home, "gemini", &["--observe", "--bogus"]), b"{"));
}

/// A program that is killed or isn't there blocks by what stands behind it.
#[test]
fn a_killed_or_missing_hook_blocks_by_its_command() {
    let home = home();
    let place = home.path("home");
    let run = format!("--home {} hook run --agent codex --deadline 30s", place.display());
    let program = actionpass().display();
    let killed = format!("{{ {program} {run} < never & kill -9 $!; wait $!; }} {FALLBACK}");
    let missing = format!("/nonexistent/actionpass {run} {FALLBACK}");
    let fine = format!("{program} {run} {FALLBACK}");
    let made = home
        .command_of("mkfifo", ["never"])
        .env("PATH", "/usr/bin:/bin")
        .spawn()
        .unwrap();
    home.finish(made).exits(0);
    let event = |command: &str| event("codex", command).to_string().into_bytes();
    let shell = |line: &str| {
        let mut command = home.command_of("sh", ["-c", line]);
        command.env("PATH", "/usr/bin:/bin");
        command
    };
    for line in [killed, missing] {
        blocks(&home.feed_to(&mut shell(&line), &event("cargo test")));
    }
    blocks(&home.feed_to(&mut shell(&fine), &event("id")));
    assert_eq!(home.feed_to(&mut shell(&fine), &event("cargo test")).exit, 0);
}

/// The same as ten thousand in the tests of actionpass-hook, as processes.
#[test]
fn a_changed_event_is_the_same_call_or_blocked() {
    let home = home();
    let original = event("gemini", "cargo test").to_string().into_bytes();
    let (mut allowed, mut blocked) = (0, 0);
    for round in 0..200_usize {
        let mut bytes = original.clone();
        let at = round.wrapping_mul(37) % bytes.len();
        match round % 4 {
            0 => bytes[at] ^= 1 << (round / 4 % 8),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"{}[]\",:0"[round / 4 % 8]),
            _ => bytes.truncate(at),
        }
        let ran = home.feed_to(&mut hook(&home, "gemini", &[]), &bytes);
        if ran.exit == 0 {
            assert_eq!(ran.stdout, "{}\n");
            allowed += 1;
        } else {
            blocks(&ran);
            blocked += 1;
        }
    }
    assert!(blocked > 100 && allowed > 0, "{blocked} blocked, {allowed} allowed");
    // Whatever was changed, one command was allowed.
    let records = home.records();
    let allowed = records.iter().filter(|record| record["body"]["decision"] == "allow");
    let hashes: Vec<&Value> = allowed.map(|record| &record["body"]["policy"]["rules"]).collect();
    assert!(
        hashes.iter().all(|rules| **rules == json!(["shell.checks"])),
        "{hashes:?}"
    );
}

#[test]
fn doctor_fires_a_call_that_must_be_blocked() {
    let home = home();
    let place = home.path("home");
    let program = actionpass().display();
    let command = format!(
        "{program} --home {} hook run --agent gemini --deadline 30s {FALLBACK}",
        place.display()
    );
    let settings = |command: &str, timeout: u64| {
        let hook = json!({"type": "command", "command": command, "timeout": timeout});
        json!({"hooks": {"BeforeTool": [{"hooks": [hook]}]}}).to_string()
    };
    let doctor = |text: String| {
        home.write("settings.json", text);
        home.run(["hook", "doctor", "--agent", "gemini", "--config", "settings.json"])
    };
    let ran = doctor(settings(&command, 30_000)).exits(0).json();
    assert_eq!(ran["healthy"], true, "{ran}");
    let checks = ran["checks"].as_array().unwrap();
    let blocked = checks
        .iter()
        .filter(|check| check["text"].as_str().unwrap().starts_with("BeforeTool blocks"));
    assert_eq!(blocked.count(), 2, "{ran}");
    assert!(checks.iter().any(|check| check["code"] == "hook_home_exposed"), "{ran}");
    assert!(!ran["waysAround"].as_array().unwrap().is_empty());
    let why = checks
        .iter()
        .filter_map(|check| check["text"].as_str())
        .find(|text| text.contains("that no rule allows"));
    assert!(why.unwrap().contains("ActionPass denies this call"), "{ran}");
    // The canary is a call like others.
    assert_eq!(home.decisions()[0]["decision"], "deny");

    let codes = |text: String| {
        let ran = doctor(text).exits(2).json();
        assert_eq!(ran["healthy"], false);
        let checks = ran["checks"].as_array().unwrap();
        let failed = checks.iter().filter(|check| check["ok"] == false);
        failed
            .map(|check| check["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes("{}".to_owned()), ["hook_missing"]);
    // Seconds where milliseconds are meant.
    assert_eq!(codes(settings(&command, 30))[0], "hook_open");
    let bare = command.replace(FALLBACK, "");
    assert_eq!(codes(settings(&bare, 30_000)), ["hook_open", "hook_not_blocking"]);
    let silent = command.replace(FALLBACK, "|| exit 2");
    assert_eq!(codes(settings(&silent, 30_000)), ["hook_open"]);
    let rule = "\n[[rule]]\nid = \"canary\"\neffect = \"allow\"\ntool = \"mcp/gemini/actionpass_doctor_canary\"\nresource = \"server:gemini\"\n";
    let policy = format!("{POLICY}{rule}");
    home.write("home/policy.toml", policy);
    assert_eq!(codes(settings(&command, 30_000)), ["hook_not_blocking"]);
    fs::remove_file(home.path("settings.json")).unwrap();
    let missing = home.run(["hook", "doctor", "--agent", "gemini", "--config", "settings.json"]);
    missing.fails(2, "hook_config_unreadable");
}
