//! `demo`, `completions`, `man`, help, and the command line itself.

use std::time::{Duration, Instant};

use super::Transcript;
use crate::action::ALLOW;
use crate::home::Home;

#[test]
fn demo() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    let started = Instant::now();
    transcript.run(&["demo"]);
    transcript.run(&["demo", "--json"]);
    assert!(started.elapsed() < Duration::from_secs(40));
    // It touches no home but its own.
    assert!(!home.path("home").exists());
    transcript.check("demo");
}

#[test]
fn demo_leaves_nothing_behind() {
    let home = Home::none();
    let output = home.command(["demo"]).env("TMPDIR", home.path("")).output().unwrap();
    assert!(output.status.success());
    assert_eq!(std::fs::read_dir(home.path("")).unwrap().count(), 0);
}

#[test]
fn help() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["--help"]);
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
        transcript.run(&[command, "--help"]);
    }
    for (command, sub) in [
        ("keys", "new"),
        ("keys", "export"),
        ("trust", "add"),
        ("ledger", "verify"),
        ("policy", "explain"),
    ] {
        transcript.run(&[command, sub, "--help"]);
    }
    transcript.check("help");
}

#[test]
fn usage() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    transcript.run(&[]);
    transcript.run(&["--json"]);
    transcript.run(&["frobnicate"]);
    transcript.run(&["frobnicate", "--json"]);
    transcript.run(&["hash", "-", "--jsn"]);
    transcript.run(&["--version"]);
    transcript.check("usage");
}

#[test]
fn completions_and_manual_pages() {
    let home = Home::none();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.talk(["completions", shell]).exits(0).stdout;
        assert!(script.contains("actionpass") && script.contains("authorize"), "{shell}");
    }
    assert_eq!(
        home.talk(["completions", "zsh", "--json"]).exits(0).json()["shell"],
        "zsh"
    );
    assert_eq!(home.talk(["completions", "tcsh"]).exit, 2);
    let page = home.talk(["man"]).exits(0).stdout;
    assert!(
        page.contains(".TH actionpass 1") && page.contains("authorize"),
        "{page}"
    );
    let files = home.talk(["man", "--out", "pages", "--json"]).exits(0).json();
    let files = files["files"].as_array().unwrap();
    assert!(files.len() > 35, "{}", files.len());
    assert!(home.path("pages/actionpass-keys-rotate.1").exists());
    home.write("file", b"");
    assert_eq!(
        home.talk(["man", "--out", "file/pages", "--json"]).code(),
        "file_unwritable"
    );
}

#[test]
fn every_command_names_itself_in_its_json() {
    let home = Home::with_approvers();
    for (args, name) in [
        (&["canon", ALLOW][..], "canon"),
        (&["hash", ALLOW], "hash"),
        (&["doctor"], "doctor"),
        (&["keys", "list"], "keys-list"),
        (&["trust", "show"], "trust-show"),
        (&["ledger", "verify"], "ledger-verify"),
        (&["policy", "check"], "policy-check"),
        (&["schema"], "schema"),
    ] {
        let ran = home.talk([args, &["--json"]].concat()).exits(0);
        assert_eq!(ran.json()["schema"], format!("actionpass.cli.{name}.v1"));
        assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, ""), "{name}");
    }
}
