//! What `doctor` says to mend: the remedy fits what is wrong, and what works and may not be meant is pointed at.

use std::fs;

use serde_json::Value;

use crate::home::{Home, Ran};

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
