//! Calls by their parts, and readers that leave early.

use std::fs;
use std::io;
use std::process::Stdio;

use crate::action::{self, ALLOW};
use crate::home::{Home, Ran};

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
