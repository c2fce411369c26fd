//! Calls by their parts: verified without a home; the limits of both sides; and readers that leave early.

use std::fs;
use std::io;
use std::process::Stdio;

use serde_json::json;

use crate::action::{self, ALLOW};
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
    let home = Home::new();
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
    let ran = unread(&home, &consume).exits(1);
    assert!(ran.stderr.contains("output_closed"), "{ran:?}");
    assert_eq!(home.read("home/ledger.witness"), before);
    assert_eq!(home.decisions().len(), 1);
    // The store has not seen the pass.
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
