//! `demo`, `completions`, `man`, help, and the command line itself.

use std::time::{Duration, Instant};

use crate::lab::Lab;

#[test]
fn demo() {
    let mut lab = Lab::new();
    let started = Instant::now();
    lab.run(&["demo"]);
    lab.run(&["demo", "--json"]);
    assert!(started.elapsed() < Duration::from_secs(40));
    // It touches no home but its own.
    assert!(!lab.path().join("home").exists());
    lab.check("demo");
}

#[test]
fn demo_leaves_nothing_behind() {
    let lab = Lab::new();
    let output = lab.command(&["demo"]).env("TMPDIR", lab.path()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(std::fs::read_dir(lab.path()).unwrap().count(), 0);
}

#[test]
fn help() {
    let mut lab = Lab::new();
    lab.run(&["--help"]);
    for command in [
        "demo",
        "init",
        "canon",
        "hash",
        "authorize",
        "approve",
        "verify",
        "inspect",
        "revoke",
        "keys",
        "trust",
        "ledger",
        "policy",
        "schema",
        "doctor",
        "completions",
        "man",
    ] {
        lab.run(&[command, "--help"]);
    }
    for (command, sub) in [
        ("keys", "new"),
        ("keys", "export"),
        ("trust", "add"),
        ("ledger", "verify"),
        ("policy", "explain"),
    ] {
        lab.run(&[command, sub, "--help"]);
    }
    lab.check("help");
}

#[test]
fn usage() {
    let mut lab = Lab::new();
    lab.run(&[]);
    lab.run(&["--json"]);
    lab.run(&["frobnicate"]);
    lab.run(&["frobnicate", "--json"]);
    lab.run(&["hash", "-", "--jsn"]);
    lab.run(&["--version"]);
    lab.check("usage");
}

#[test]
fn completions_and_manual_pages() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.quiet(&["completions", shell]).stdout;
        assert!(script.contains("actionpass") && script.contains("authorize"), "{shell}");
    }
    assert_eq!(lab.quiet(&["completions", "zsh", "--json"]).json()["shell"], "zsh");
    assert_eq!(lab.try_run(&["completions", "tcsh"], b"").exit, 2);
    let page = lab.quiet(&["man"]).stdout;
    assert!(
        page.contains(".TH actionpass 1") && page.contains("authorize"),
        "{page}"
    );
    let files = lab.quiet(&["man", "--out", "pages", "--json"]).json();
    let files = files["files"].as_array().unwrap();
    assert!(files.len() > 35, "{}", files.len());
    assert!(lab.path().join("pages/actionpass-keys-rotate.1").exists());
    lab.file("file", b"");
    assert_eq!(
        lab.try_run(&["man", "--out", "file/pages", "--json"], b"").code(),
        "file_unwritable"
    );
}

#[test]
fn every_command_names_itself_in_its_json() {
    let lab = Lab::with_home();
    for (args, name) in [
        (&["canon", "home/examples/allow.json"][..], "canon"),
        (&["hash", "home/examples/allow.json"], "hash"),
        (&["doctor"], "doctor"),
        (&["keys", "list"], "keys-list"),
        (&["trust", "show"], "trust-show"),
        (&["ledger", "verify"], "ledger-verify"),
        (&["policy", "check"], "policy-check"),
        (&["schema"], "schema"),
    ] {
        let ran = lab.quiet(&[args, &["--json"]].concat());
        assert_eq!(ran.json()["schema"], format!("actionpass.cli.{name}.v1"));
        assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""), "{name}");
    }
}
