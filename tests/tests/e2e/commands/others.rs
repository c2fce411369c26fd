//! `demo`, `completions`, `man`, `help`, `version`, and the command line itself.

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
        "explain",
        "help",
        "version",
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
fn help_and_version_are_commands_too() {
    let home = Home::none();
    for command in [
        &[][..],
        &["approve"],
        &["keys"],
        &["keys", "new"],
        &["ledger", "verify"],
    ] {
        let by_name = home.talk([&["help"], command].concat()).exits(0);
        let by_option = home.talk([command, &["--help"]].concat()).exits(0);
        assert_eq!(by_name.stdout, by_option.stdout);
        let json = home.run([&["help"], command].concat()).exits(0).json();
        assert_eq!(json["schema"], "actionpass.cli.help.v1");
        assert_eq!(json["command"], command.join(" "));
        assert_eq!(json["help"], by_option.stdout);
    }
    for unknown in [&["no-such"][..], &["keys", "no-such"], &["canon", "FILE"]] {
        home.run([&["help"], unknown].concat()).fails(2, "usage_invalid");
    }
    let version = home.talk(["version"]).exits(0).stdout;
    assert_eq!(version, home.talk(["--version"]).exits(0).stdout);
    let json = home.run(["version"]).exits(0).json();
    assert_eq!(json["schema"], "actionpass.cli.version.v1");
    assert_eq!(format!("actionpass {}\n", json["version"].as_str().unwrap()), version);
}

#[test]
fn a_manual_page_has_the_sections_that_people_look_for() {
    let home = Home::none();
    home.talk(["man", "--out", "pages"]).exits(0);
    for page in [
        "actionpass",
        "actionpass-keys",
        "actionpass-keys-new",
        "actionpass-verify",
    ] {
        let text = home.read(&format!("pages/{page}.1"));
        let mut rest = text.as_str();
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "FILES",
            "ENVIRONMENT",
        ] {
            let (_, after) = rest
                .split_once(&format!("\n.SH {section}\n"))
                .unwrap_or_else(|| panic!("{page} {section}"));
            rest = after;
        }
        for line in [
            "\\fB24\\fR",
            "\\fBledger.db\\fR",
            "\\fBACTIONPASS_HOME\\fR",
            "\\fBACTIONPASS_PASSPHRASE\\fR",
        ] {
            assert!(text.contains(line), "{page}: {line}");
        }
    }
    let page = home.read("pages/actionpass-keys-rotate.1");
    assert!(page.contains("\\fBactionpass keys rotate\\fR"), "{page}");
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
