//! Calls by their parts: authorized without an action file, verified and consumed without a home, executed as verified; the
//! limits of both sides; and readers that leave early.

use std::fs;
use std::io;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use actionpass_canon::{Limits, admit};
use serde_json::{Value, json};

use crate::action::{self, ALLOW, STEP_UP};
use crate::home::{Home, ISSUER, Ran};

/// What an executor without a home knows by itself.
const EXECUTOR: [&str; 10] = [
    "--home",
    "nowhere",
    "--trust",
    "trust.json",
    "--issuer",
    ISSUER,
    "--audience",
    "linear.issues.create",
    "--tenant",
    "org:example",
];

/// Who calls, as a host states it.
const CALLER: [&str; 8] = [
    "--agent",
    "agent:codex-prod",
    "--owner",
    "user:owner@example.com",
    "--runtime",
    "runtime:codex-cli",
    "--task",
    "AXT-418",
];

/// The call of an action in a file, its payload in another.
fn parts(home: &Home, file: &str) -> Vec<String> {
    let action = action::read(home, file);
    let capability = &action["capability"];
    home.write("payload.json", capability["payload"].to_string());
    let text = |name: &str| capability[name].as_str().unwrap().to_owned();
    let (tool, resource) = (text("tool"), text("resource"));
    ["--tool", &tool, "--resource", &resource, "--payload", "payload.json"]
        .map(ToOwned::to_owned)
        .to_vec()
}

/// A home whose trust store is in `trust.json` for whoever has no home.
fn home() -> Home {
    let home = Home::new();
    let trust = home.talk(["trust", "export"]).exits(0).stdout;
    home.write("trust.json", trust);
    home
}

/// Runs `verify` on the parts of the allowed call as an executor without a home.
fn execute(home: &Home, pass: &str, more: &[&str]) -> Ran {
    let parts = parts(home, ALLOW);
    let mut args = vec!["verify", "--token", pass];
    args.extend(parts.iter().map(String::as_str));
    args.extend(EXECUTOR);
    args.extend(more);
    home.run(args)
}

/// Changes the configuration of a home.
fn configure(home: &Home, from: &str, to: &str) {
    let config = home.read("home/config.toml");
    let changed = config.replacen(from, to, 1);
    assert_ne!(config, changed, "{from}");
    home.write("home/config.toml", changed);
}

#[test]
fn a_call_has_the_hash_of_the_action_that_says_the_same() {
    let home = Home::new();
    for payload in [
        "{ \"b\": 1.0, \"a\": [1e2, -0, 0.10, 1e21], \"\\u00e9\": \"caf\\u00e9\\/\\u2028\" }",
        "\"}},\\\"tenant\\\":\\\"org:other\\\"\"",
        "null",
        " [9007199254740991, 5e-324] ",
    ] {
        home.write("payload.json", payload);
        let file = home.write(
            "action.json",
            format!(
                r#"{{ "schema": "actionpass.action.v1", "tenant": "org:example",
                "actor": {{ "agent": "agent:codex-prod", "humanOwner": "user:owner@example.com", "runtime": "runtime:codex-cli" }},
                "intent": {{ "task": "AXT-418", "summary": "what it says is not hashed" }},
                "capability": {{ "tool": "some.tool", "resource": "thing:\u00e9", "payload": {payload} }} }}"#
            ),
        );
        let hashes = home.run(["hash", "--action", &file]).exits(0).json();
        let call = [
            "authorize",
            "--tool",
            "some.tool",
            "--resource",
            "thing:é",
            "--payload",
            "payload.json",
        ];
        let decided = home.run([&call[..], &CALLER].concat()).exits(10).json();
        for hash in ["actionHash", "payloadHash"] {
            assert_eq!(decided[hash], hashes[hash], "{payload}");
        }
        // And the payload is what the ledger would keep: read again, it is the same.
        assert_eq!(
            home.run(["hash", "payload.json"]).exits(0).json()["hash"],
            hashes["payloadHash"]
        );
    }
}

#[test]
fn the_payload_of_a_call_goes_through_the_gate() {
    let home = Home::new();
    let mut args = vec![
        "authorize",
        "--tool",
        "some.tool",
        "--resource",
        "thing:x",
        "--payload",
        "payload.json",
    ];
    args.extend(CALLER);
    for (payload, code, offset) in [
        (r#"{"a":1,"a":2}"#, "member_duplicate", 7),
        (r#"{"a":1,"\u0061":2}"#, "member_duplicate", 7),
        ("[9007199254740993]", "number_unsafe_integer", 1),
        ("0.10000000000000001", "number_not_exact", 0),
        ("{},\"resource\":\"thing:y\"", "trailing_bytes", 2),
    ] {
        home.write("payload.json", payload);
        let ran = home.run(&args).fails(31, code);
        assert_eq!(ran.json()["error"]["offset"], json!(offset), "{payload}");
        if code == "number_unsafe_integer" {
            let message = ran.json()["error"]["message"].to_string();
            assert!(message.contains("send 64-bit integers as strings"), "{message}");
        }
    }
    assert_eq!(home.decisions().len(), 0);
    home.write("payload.json", r#"{"Path":1,"path":2}"#);
    home.run(&args).fails(31, "member_names_collide");
}

#[test]
fn a_call_is_authorized_verified_and_executed_without_an_action_file() {
    let home = home();
    home.run(["replay-store", "new", "used.db"]).exits(0);
    let call = parts(&home, ALLOW);
    let mut authorize = vec!["authorize", "--id", "call-7"];
    authorize.extend(call.iter().map(String::as_str));
    authorize.extend(CALLER);
    let decided = home.run(&authorize).exits(0);
    let pass = home.write_pass(&decided);
    // Asked again with its id, the call gets the pass that it has.
    assert_eq!(home.run(&authorize).exits(0).pass_id(), decided.pass_id());

    let verdict = execute(&home, &pass, &["--consume", "--replay-store", "used.db"])
        .exits(0)
        .json();
    assert_eq!(verdict["consumed"], json!(true));
    assert_eq!(verdict["pass"]["payloadHash"], decided.json()["payloadHash"]);
    let text = verdict["payloadCanonical"].as_str().unwrap();
    let canonical = admit(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(canonical.as_str(), text);
    assert_eq!(json!(canonical.digest()), verdict["pass"]["payloadHash"]);
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), verdict["payload"]);
}

#[test]
fn what_a_call_leaves_open_is_named_unless_the_configuration_settles_it() {
    let home = Home::new();
    let call = parts(&home, ALLOW);
    let call: Vec<&str> = call.iter().map(String::as_str).collect();
    let authorize = |more: &[&str]| home.run([&["authorize"], &call[..], more].concat());
    let named = |ran: Ran| {
        let ran = ran.fails(2, "option_missing");
        let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
        message.rsplit(": ").next().unwrap().to_owned()
    };
    assert_eq!(named(authorize(&[])), "--agent, --owner, --runtime, --task");
    let rest = &CALLER[2..];
    assert_eq!(named(authorize(rest)), "--agent");
    configure(&home, "agents = []", "agents = [\"agent:codex-prod\"]");
    authorize(rest).exits(0);
    configure(&home, "[\"agent:codex-prod\"]", "[\"agent:codex-prod\", \"agent:b\"]");
    assert_eq!(named(authorize(rest)), "--agent");
    authorize(&CALLER).exits(0);
    configure(&home, "[\"org:example\"]", "[\"org:example\", \"org:other\"]");
    assert_eq!(named(authorize(&CALLER)), "--tenant");
    authorize(&[&CALLER[..], &["--tenant", "org:example"]].concat()).exits(0);
    // What belongs to a call doesn't go with an action, and a call is whole.
    home.run(["authorize", "--action", ALLOW, "--task", "AXT-418"])
        .fails(2, "usage_invalid");
    home.run(["authorize", "--tool", "linear.issues.create"])
        .fails(2, "usage_invalid");
    home.run([&["authorize", "--action", ALLOW], &call[..]].concat())
        .fails(2, "usage_invalid");
}

#[test]
fn the_action_of_a_call_is_written_for_its_approver() {
    let home = Home::with_maintainer();
    let call = parts(&home, STEP_UP);
    let head = action::read(&home, STEP_UP);
    let text = |pointer: &str| head.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let caller = [
        ("--agent", text("/actor/agent")),
        ("--owner", text("/actor/humanOwner")),
        ("--runtime", text("/actor/runtime")),
        ("--task", text("/intent/task")),
    ];
    let mut args = vec!["authorize"];
    args.extend(call.iter().map(String::as_str));
    args.extend(caller.iter().flat_map(|(name, value)| [*name, value]));
    let told = home.talk(&args).exits(11).stderr;
    assert!(told.contains("requests approve req_"), "{told}");
    assert!(told.ends_with("\nand then the same call again, unchanged\n"), "{told}");
    // Without a request it takes the action to approvers.
    let told = home.talk([&args[..], &["--no-request"]].concat()).exits(11).stderr;
    assert!(told.contains("requests approve req_"), "it waits since before: {told}");
    let waiting = home.run(["requests", "list"]).exits(0).json();
    let id = waiting["requests"][0]["id"].as_str().unwrap();
    home.run(["requests", "cancel", id]).exits(0);
    let told = home.talk([&args[..], &["--no-request"]].concat()).exits(11).stderr;
    assert!(
        told.contains("after the same again with --save-action action.json"),
        "{told}"
    );
    let told = home
        .talk([&args[..], &["--no-request", "--save-action", "mine.json"]].concat())
        .exits(11)
        .stderr;
    assert!(told.contains("approve --action mine.json"), "{told}");
    let approval = home.approve("mine.json");
    home.run([&args[..], &["--approval", &approval]].concat()).exits(0);
}

#[test]
fn a_replay_store_is_made_on_purpose_and_consumes_once() {
    let home = home();
    let old = home.pass(ALLOW);
    let consume = |pass: &str| execute(&home, pass, &["--consume", "--replay-store", "used.db"]);
    // One that is missing may be on a disk that isn't mounted: it isn't made on the way.
    consume(&old).fails(40, "store_missing");
    assert!(!home.path("used.db").exists());
    // A pass of before may have been used where nobody remembers.
    thread::sleep(Duration::from_millis(1100));
    home.run(["replay-store", "new", "used.db"]).exits(0);
    home.run(["replay-store", "new", "used.db"]).fails(2, "store_exists");
    consume(&old).refuses(26, &["replay_state_lost"]);

    let pass = home.pass(ALLOW);
    let verdict = execute(&home, &pass, &[]).exits(0).json();
    assert_eq!(verdict["consumed"], json!(false));
    let verdict = consume(&pass).exits(0).json();
    assert_eq!((&verdict["consumed"], verdict.get("record")), (&json!(true), None));
    let refused = consume(&pass);
    assert_eq!(refused.json()["consumed"], json!(false));
    assert_eq!(refused.json().get("payload"), None);
    refused.refuses(24, &["already_used"]);

    home.run(["replay-store", "restored", "used.db"]).exits(0);
    let later = home.pass(ALLOW);
    consume(&later).refuses(26, &["replay_state_lost"]);
    // Nothing of this touched the home.
    assert!(home.records().iter().all(|record| record["kind"] != "use"));
    // A ledger is no such file: its home would record the use.
    execute(&home, &later, &["--consume", "--replay-store", "home/ledger.db"]).fails(40, "store_log_mismatch");
    home.run(["replay-store", "restored", "home/ledger.db"])
        .fails(40, "store_log_mismatch");
    home.verify(&later, ALLOW).exits(0);
    execute(&home, &later, &["--replay-store", "used.db"]).fails(2, "usage_invalid");
}

#[test]
fn g06_of_8_processes_without_a_home_exactly_one_consumes_a_pass() {
    let home = home();
    home.run(["replay-store", "new", "used.db"]).exits(0);
    for _ in 0..3 {
        let pass = home.pass(ALLOW);
        let mut args = vec!["verify", "--token", &pass, "--action", ALLOW];
        args.extend(EXECUTOR);
        args.extend(["--consume", "--replay-store", "used.db"]);
        let ran = home.at_once((0..8).map(|_| args.clone()));
        let (won, lost): (Vec<_>, Vec<_>) = ran.into_iter().partition(|ran| ran.exit == 0);
        assert_eq!((won.len(), lost.len()), (1, 7), "{lost:#?}");
        for ran in lost {
            ran.refuses(24, &["already_used"]);
        }
    }
}

#[test]
fn the_payload_that_is_printed_is_the_one_that_was_hashed() {
    let home = home();
    let pass = home.pass(ALLOW);
    let verify = ["verify", "--token", &pass, "--action", ALLOW, "--print-payload"];
    let printed = home.talk(verify).exits(0);
    home.write(
        "payload.json",
        action::read(&home, ALLOW)["capability"]["payload"].to_string(),
    );
    assert_eq!(printed.stdout, home.talk(["canon", "payload.json"]).exits(0).stdout);
    assert!(printed.stderr.starts_with("valid"), "{printed:?}");
    let mut changed = action::read(&home, ALLOW);
    changed["capability"]["payload"]["title"] = json!("Another title");
    home.write("changed.json", changed.to_string());
    let refused = home
        .talk([
            "verify",
            "--token",
            &pass,
            "--action",
            "changed.json",
            "--print-payload",
        ])
        .exits(21);
    assert_eq!(refused.stdout, "");
    assert!(refused.stderr.contains("payload_hash_mismatch"), "{refused:?}");
}

#[test]
fn a_verdict_says_when_it_was_judged() {
    let home = home();
    let pass = home.pass(ALLOW);
    let at = "2030-01-01T00:00:00.000Z";
    let refused = home
        .run(["verify", "--token", &pass, "--action", ALLOW, "--at", at])
        .exits(22)
        .json();
    assert_eq!((&refused["at"], &refused["consumed"]), (&json!(at), &json!(false)));
    let valid = home.verify(&pass, ALLOW).exits(0).json();
    let now = valid["at"].as_str().unwrap();
    assert!(valid["pass"]["issuedAt"].as_str().unwrap() <= now && now < at, "{now}");
}

#[test]
fn limits_are_the_issuers_and_the_executors() {
    let home = home();
    let pass = home.pass(ALLOW);
    let message = |ran: &Ran| ran.json()["error"]["message"].as_str().unwrap().to_owned();
    // Of an executor that takes less than the issuer.
    for (limit, value, code, name) in [
        ("--max-bytes", "40", "size_exceeded", "`max_bytes` is 40"),
        ("--max-members", "2", "members_exceeded", "`max_members` is 2"),
    ] {
        let refused = execute(&home, &pass, &[limit, value]).fails(31, code);
        let message = message(&refused);
        assert!(message.contains(name) && message.contains("this executor"), "{message}");
        assert!(message.contains("the issuer may permit more"), "{message}");
    }
    execute(&home, &pass, &["--max-depth", "121"]).fails(2, "usage_invalid");
    execute(&home, &pass, &["--max-bytes", "0"]).fails(2, "usage_invalid");
    execute(&home, &pass, &["--max-members", "99999999999999999999999"]).fails(2, "usage_invalid");

    // Of an issuer: everything that reads what it is to judge.
    let commands = [
        &["authorize", "--action", ALLOW][..],
        &["hash", "--action", ALLOW],
        &["policy", "explain", "--action", ALLOW],
        &["verify", "--token", &pass, "--action", ALLOW],
        &["canon", ALLOW],
    ];
    configure(&home, "max_depth = 64", "max_depth = 2");
    let decided = home.decisions().len();
    for command in commands {
        let refused = home.run(command).fails(31, "depth_exceeded");
        assert!(message(&refused).contains("`max_depth` is 2"), "{refused:?}");
    }
    assert_eq!(home.decisions().len(), decided);
    // The executor that has no home goes by the default ones, or its own.
    execute(&home, &pass, &[]).exits(0);
    configure(&home, "max_depth = 2", "max_depth = 121");
    home.run(["authorize", "--action", ALLOW]).fails(31, "config_invalid");

    // An issuer that permits more, down to the hard maximum; the executor has to permit it too.
    configure(&home, "max_depth = 121", "max_depth = 120");
    let mut deep = action::read(&home, ALLOW);
    let nested = format!("{}{}", "[".repeat(118), "]".repeat(118));
    deep["capability"]["payload"] = json!("HERE");
    let text = deep.to_string().replace("\"HERE\"", &nested);
    home.write("deep.json", text);
    home.run(["authorize", "--action", "deep.json"]).exits(10);
    let policy = home.read("home/policy.toml");
    home.write(
        "home/policy.toml",
        "schema = \"actionpass.policy.v1\"\nid = \"open\"\n[[rule]]\nid = \"all\"\neffect = \"allow\"\ntool = \"linear.issues.create\"\n",
    );
    let pass = home.pass("deep.json");
    home.write("home/policy.toml", policy);
    home.verify(&pass, "deep.json").exits(0);
    let mut args = vec!["verify", "--token", &pass, "--action", "deep.json"];
    args.extend(EXECUTOR);
    let refused = home.run(&args).fails(31, "depth_exceeded");
    assert!(
        message(&refused).contains("`max_depth` is 64 for this executor"),
        "{refused:?}"
    );
    home.run([&args[..], &["--max-depth", "120"]].concat()).exits(0);
}

/// Runs a command whose stdout nobody reads any more.
fn unread(home: &Home, args: &[&str]) -> Ran {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let child = home
        .command(args)
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    home.finish(child)
}

#[test]
fn nothing_is_decided_for_a_reader_that_has_left() {
    let home = home();
    home.run(["replay-store", "new", "used.db"]).exits(0);
    let pass = home.pass(ALLOW);
    let before = home.read("home/ledger.witness");
    for args in [
        &["authorize", "--action", ALLOW][..],
        &["authorize", "--action", ALLOW, "--json"],
    ] {
        let ran = unread(&home, args).exits(1);
        assert!(args.len() == 4 || ran.stderr.contains("output_closed"), "{ran:?}");
    }
    let consume = ["verify", "--token", &pass, "--action", ALLOW, "--consume"];
    let by_file = [&consume[..], &EXECUTOR, &["--replay-store", "used.db"]].concat();
    for args in [&consume[..], &by_file] {
        let ran = unread(&home, args).exits(1);
        assert!(ran.stderr.contains("output_closed"), "{ran:?}");
    }
    assert_eq!(home.read("home/ledger.witness"), before);
    assert_eq!(home.decisions().len(), 1);
    // Neither store has seen the pass.
    home.run(by_file).exits(0);
    home.run(consume).exits(0);
    // A verdict that nobody hears is no success.
    unread(&home, &["verify", "--token", &pass, "--action", ALLOW]).exits(1);
}

#[test]
fn who_has_read_enough_is_no_fault() {
    let home = Home::new();
    fs::write(home.path("token.jwt"), fs::read(home.path(&home.pass(ALLOW))).unwrap()).unwrap();
    for args in [
        &["ledger", "show"][..],
        &["ledger", "show", "--json"],
        &["ledger", "show", "2"],
        &["ledger", "export"],
        &["ledger", "verify"],
        &["trust", "show"],
        &["trust", "export", "--json"],
        &["keys", "list"],
        &["keys", "export", "--jwks"],
        &["policy", "check"],
        &["inspect", "token.jwt"],
        &["canon", ALLOW],
        &["hash", ALLOW],
        &["schema"],
        &["doctor"],
        &["man"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let ran = unread(&home, args);
        assert_eq!(
            (ran.exit, ran.stderr.contains("error")),
            (0, false),
            "{args:?}: {ran:?}"
        );
    }
    // What was found is still said by the exit code.
    unread(&home, &["policy", "explain", "--action", action::DENY]).exits(10);
    unread(&home, &["hash", "no-such-file.json"]).exits(2);
}
