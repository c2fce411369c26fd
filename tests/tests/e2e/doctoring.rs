//! What `doctor` says to mend: the remedy fits what is wrong, and what works and may not be meant is pointed at.

use std::fs;

use serde_json::Value;

use crate::home::{Home, Ran};
use crate::signed_heads::{CONFIG, name_key, sign_heads};

/// What `doctor` says of one check.
fn check(ran: &Ran, name: &str) -> Value {
    let json = ran.json();
    let checks = json["checks"].as_array().unwrap().iter();
    checks.into_iter().find(|check| check["name"] == name).unwrap().clone()
}

#[test]
fn a_key_that_is_there_is_not_replaced() {
    let home = Home::none();
    home.write_secret("passphrase", "open\n");
    home.run([
        "init",
        "--issuer",
        crate::home::ISSUER,
        "--encrypt",
        "--passphrase-file",
        "passphrase",
    ])
    .exits(0);
    let mend = |ran: Ran| check(&ran, "key")["mend"].as_str().unwrap().to_owned();
    // The passphrase is missing, or is that of another key.
    let missing = mend(home.run(["doctor"]));
    assert!(
        !missing.contains("rotate") && missing.contains("ACTIONPASS_PASSPHRASE"),
        "{missing}"
    );
    home.write_secret("other", "shut\n");
    let wrong = mend(home.run(["doctor", "--passphrase-file", "other"]));
    assert!(
        !wrong.contains("rotate") && wrong.contains("key_passphrase_wrong"),
        "{wrong}"
    );
    home.run(["doctor", "--passphrase-file", "passphrase"]).exits(0);
    // The key is gone.
    fs::remove_dir_all(home.path("home/keys")).unwrap();
    fs::create_dir(home.path("home/keys")).unwrap();
    let gone = mend(home.run(["doctor", "--passphrase-file", "passphrase"]));
    assert!(gone.contains("keys rotate"), "{gone}");
}

#[test]
fn two_keys_that_sign_and_roles_that_nobody_holds_are_pointed_at() {
    let home = Home::new();
    let ran = home.run(["doctor"]).exits(0);
    let notes = check(&ran, "policy")["notes"].to_string();
    assert!(
        notes.contains("of them ask for roles that no approver holds"),
        "{notes}"
    );
    assert_eq!(check(&ran, "key")["notes"], Value::Null);

    let home = Home::with_approvers();
    let ran = home.run(["doctor"]).exits(0);
    assert_ne!(check(&ran, "policy")["notes"].to_string(), notes);
    let second = home.run(["keys", "new"]).exits(0).json()["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let ran = home.run(["doctor"]).exits(0);
    let notes = check(&ran, "key")["notes"].to_string();
    assert!(notes.contains(&second), "{notes}");
    assert_eq!(ran.json()["healthy"], true);
    let text = home.talk(["doctor"]).exits(0).stdout;
    assert!(text.contains("note:") && text.contains(&second), "{text}");
    home.run(["keys", "retire", &second]).exits(0);
    assert_eq!(check(&home.run(["doctor"]).exits(0), "key")["notes"], Value::Null);
}

/// A witness that is gone notices nothing, and a configuration that is gone is not a home that was never made.
#[test]
fn what_is_missing_is_named() {
    let home = Home::new();
    home.pass_into("pass.jwt", crate::action::ALLOW);
    assert_eq!(check(&home.run(["doctor"]).exits(0), "ledger")["notes"], Value::Null);
    fs::remove_file(home.path("home/ledger.witness")).unwrap();
    let notes = check(&home.run(["doctor"]).exits(0), "ledger")["notes"].to_string();
    assert!(notes.contains("ledger.witness"), "{notes}");

    fs::remove_file(home.path("home/config.toml")).unwrap();
    let refused = home.talk(["authorize", "--action", crate::action::ALLOW]).exits(2);
    assert!(refused.stderr.contains("restore config.toml"), "{refused:?}");
}

/// What `doctor` found of signed heads, and its notes; the home is healthy.
#[track_caller]
fn heads(home: &Home) -> (String, String) {
    let told = check(&home.run(["doctor"]).exits(0), "heads");
    (told["found"].as_str().unwrap().to_owned(), told["notes"].to_string())
}

/// Whether a key signs heads, and whether what was signed is believed, is told before somebody needs it.
#[test]
fn the_ledger_key_and_what_it_signed_are_told() {
    const NONE: &str = "no key is known";
    let home = Home::with_maintainer();
    let checks = home.run(["doctor"]).exits(0).json()["checks"].to_string();
    assert!(!checks.contains("\"heads\""), "{checks}");
    let kid = sign_heads(&home, "Ed25519");
    let (found, notes) = heads(&home);
    assert!(
        found.contains(&kid) && found.contains("keeps none") && notes == "null",
        "{found}, {notes}"
    );
    let signed = home.run(["ledger", "checkpoint"]).exits(0).json();
    let (found, notes) = heads(&home);
    let size = format!("of {} records", signed["size"]);
    assert!(found.contains(&size) && notes == "null", "{found}, {notes}");

    // The configuration names none, one that isn't there, or one that signs something else.
    let named = home.read(CONFIG);
    let line = format!("key = \"file:keys/ledger-{kid}.pem\"\n");
    home.write(CONFIG, named.replacen(&line, "", 1));
    let (found, notes) = heads(&home);
    assert!(
        found.contains(NONE) && notes.contains(&kid) && notes.contains("[ledger] key"),
        "{found}, {notes}"
    );
    name_key(&home, "file:keys/other.pem");
    let (found, notes) = heads(&home);
    assert!(
        found.contains(NONE) && notes.contains("can't be told"),
        "{found}, {notes}"
    );
    let other = home.run(["keys", "new"]).exits(0).json();
    name_key(&home, other["key"].as_str().unwrap());
    let (found, notes) = heads(&home);
    assert!(
        found.contains(NONE) && notes.contains("is no ledger key"),
        "{found}, {notes}"
    );

    // Retired, what it signed is believed; revoked, no more.
    home.write(CONFIG, &named);
    home.run(["keys", "retire", &kid]).exits(0);
    let (found, notes) = heads(&home);
    assert!(
        found.contains(&size) && notes.contains("is retired") && !notes.contains("believed no more"),
        "{found}, {notes}"
    );
    home.run(["revoke", "key", &kid, "--reason", "test"]).exits(0);
    let (found, notes) = heads(&home);
    assert!(
        !found.contains(&size) && notes.contains("is revoked") && notes.contains("checkpoint_key_revoked"),
        "{found}, {notes}"
    );
    home.write(CONFIG, named.replacen(&line, "", 1));
    let (found, notes) = heads(&home);
    assert!(
        found.contains(NONE) && notes.contains("there is no ledger key"),
        "{found}, {notes}"
    );
    let next = sign_heads(&home, "ES256");
    let (found, notes) = heads(&home);
    assert!(
        found.contains(&next) && notes.contains("checkpoint_key_revoked"),
        "{found}, {notes}"
    );
    home.run(["ledger", "checkpoint"]).exits(0);
    assert_eq!(heads(&home).1, "null");

    // What the home keeps is no head any more.
    let kept = home.read("home/ledger.tlog-proof");
    home.write("home/ledger.tlog-proof", kept.replacen("index", "indes", 1));
    let notes = heads(&home).1;
    assert!(
        notes.contains("checkpoint_malformed") && notes.contains("back in its place"),
        "{notes}"
    );
}

/// A store that begins behind records says so wherever somebody looks at it.
#[cfg(target_os = "linux")]
#[test]
fn a_store_that_begins_behind_records_says_so() {
    let (home, last) = crate::archives::erased();
    for command in [["doctor"].as_slice(), &["store", "check"], &["ledger", "fsck"]] {
        let said = home.talk(command).exits(0).stdout;
        assert!(!said.contains("begins behind"), "{command:?}: {said}");
        let json = home.run(command).exits(0).stdout;
        assert!(!json.contains("\"archived\""), "{command:?}: {json}");
    }
    let kid = check(&home.run(["doctor"]).exits(0), "heads")["found"].clone();
    crate::archives::archive(&home, last, "to", &[]).exits(0);
    for command in [["doctor"].as_slice(), &["store", "check"], &["ledger", "fsck"]] {
        let said = home.talk(command).exits(0).stdout;
        assert!(
            said.contains(&format!("begins behind record {last},")),
            "{command:?}: {said}"
        );
        let json = home.run(command).exits(0).json();
        let members = match command {
            ["doctor"] => check(&home.run(command), "ledger"),
            _ => json,
        };
        assert_eq!(members["archived"], last + 1, "{command:?}");
    }
    // Damage elsewhere doesn't hide it.
    fs::remove_file(home.path("home/ledger.witness")).unwrap();
    home.write("home/ledger.witness", "something else");
    let damaged = home.talk(["ledger", "fsck"]);
    assert_ne!(damaged.exit, 0, "{damaged:?}");
    assert!(damaged.stdout.contains("begins behind"), "{damaged:?}");
    fs::remove_file(home.path("home/ledger.witness")).unwrap();

    // A key that signed the head is told when it is revoked, by a check of its own and by that of the ledger.
    let kid = kid.as_str().unwrap().split(' ').next().unwrap();
    home.run(["revoke", "key", kid, "--reason", "test"]).exits(0);
    let ran = home.run(["doctor"]);
    assert_eq!(check(&ran, "ledger")["code"], "checkpoint_key_revoked", "{ran:?}");
    let notes = check(&ran, "heads")["notes"].to_string();
    assert!(notes.contains("head that the store begins at"), "{notes}");
}
