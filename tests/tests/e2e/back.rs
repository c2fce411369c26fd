//! State that went back: databases and trust stores put back from copies, each part alone, and what `ledger restored` says.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::action::{ALLOW, STEP_UP};
use crate::home::Home;

/// The store as it is between two commands, in one file.
pub(crate) fn copy(home: &Home) -> Vec<u8> {
    let connection = Connection::open(home.path("home/ledger.db")).unwrap();
    connection
        .pragma(None, "wal_checkpoint", "truncate", |_| Ok(()))
        .unwrap();
    drop(connection);
    fs::read(home.path("home/ledger.db")).unwrap()
}

pub(crate) fn put_back(home: &Home, database: &[u8]) {
    for name in ["home/ledger.db-wal", "home/ledger.db-shm"] {
        // Absent where the last connection tidied up.
        let _ = fs::remove_file(home.path(name));
    }
    home.write("home/ledger.db", database);
}

/// An example with an id of its own.
fn named(home: &Home, action: &str, id: &str) -> String {
    let mut document: Value = serde_json::from_str(&home.read(action)).unwrap();
    document["id"] = json!(id);
    home.write(&format!("{id}.json"), document.to_string())
}

#[test]
fn g12_a_ledger_that_was_put_back_is_refused_by_every_command() {
    let home = Home::with_maintainer();
    home.pass_into("pass.jwt", ALLOW);
    let consume = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
    let before = copy(&home);
    home.run(consume).exits(0);
    put_back(&home, &before);
    for command in [
        &consume[..],
        &["authorize", "--action", ALLOW],
        &["ledger", "verify"],
        &["ledger", "show"],
        &["ledger", "export"],
        &["keys", "rotate"],
    ] {
        home.run(command).fails(26, "store_rolled_back");
    }
    // What is stolen is revoked all the same, and recorded later.
    let revoked = home
        .run(["revoke", "principal", "agent:x", "--reason", "test"])
        .exits(0);
    assert_eq!(revoked.json()["warning"]["code"], "store_rolled_back");
    let doctor = home.run(["doctor"]);
    assert_ne!(doctor.exit, 0, "{doctor:?}");
    // What a command needs that opens no ledger goes on.
    home.run(["verify", "--token", "pass.jwt", "--action", ALLOW]).exits(0);

    // Once it is said, the pass counts as used up.
    home.run(["ledger", "restored"]).exits(0);
    let refused = home.run(consume).exits(26);
    assert_eq!(refused.json()["codes"], json!(["replay_state_lost"]));
    home.run(["ledger", "verify"]).exits(0);
    home.run(["authorize", "--action", ALLOW]).exits(0);
}

#[test]
fn g05_after_a_restoration_approvals_and_ids_of_before_are_refused() {
    let home = Home::with_maintainer();
    let first = named(&home, STEP_UP, "run-7");
    let approval = home.approve(&first);
    let before = copy(&home);
    home.run(["authorize", "--action", &first, "--approval", &approval])
        .exits(0);
    put_back(&home, &before);
    home.run(["ledger", "restored"]).exits(0);

    // The approval was used, which nobody knows any more.
    let unnamed = home.approve(STEP_UP);
    let refused = home.run(["authorize", "--action", STEP_UP, "--approval", &unnamed]);
    assert_eq!(refused.reasons()[0], "approval_state_lost", "{refused:?}");
    refused.exits(11);
    // And so was the id, of which nobody can say when it was made.
    home.run(["authorize", "--action", &first, "--approval", &approval])
        .fails(25, "approval_state_lost");
    let ours = named(&home, ALLOW, "act_01920000000070008000000000000003");
    home.run(["authorize", "--action", &ours])
        .fails(25, "approval_state_lost");
    // An id of now is as good as any, and so is none.
    let millis = actionpass_core::Clock::now(&actionpass_core::System)
        .unwrap()
        .unix_millis()
        + 60_000;
    let fresh = named(&home, ALLOW, &format!("act_{millis:012x}70008000000000000003"));
    home.run(["authorize", "--action", &fresh]).exits(0);
    home.run(["authorize", "--action", ALLOW]).exits(0);
}

#[test]
fn a_witness_lies_where_the_configuration_says() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        format!("{config}\n[store]\nwitness = \"../elsewhere\"\n"),
    );
    home.run(["authorize", "--action", ALLOW]).exits(0);
    assert!(home.path("elsewhere").exists());
    // Whoever puts the whole folder back doesn't put back what is outside of it.
    let (before, witness) = (copy(&home), fs::read(home.path("elsewhere")).unwrap());
    home.run(["authorize", "--action", ALLOW]).exits(0);
    put_back(&home, &before);
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "store_rolled_back");
    // In the same folder it would: nothing is noticed.
    home.write("elsewhere", &witness);
    home.run(["authorize", "--action", ALLOW]).exits(0);
    home.write("elsewhere", "spoilt");
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_corrupt");
}

/// A custodian that can't be opened leaves the record of a deny, and is needed for an allow only.
#[test]
fn g15_a_key_that_cannot_be_opened_is_a_deny_on_record() {
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    let broken: Vec<&str> = config
        .lines()
        .map(|line| {
            if line.starts_with("key = ") {
                "key = \"file:keys/none.pem\""
            } else {
                line
            }
        })
        .collect();
    home.write("home/config.toml", broken.join("\n"));
    home.run(["authorize", "--action", ALLOW]).fails(40, "key_file_missing");
    let decisions = home.decisions();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0]["decision"], "deny");
    assert_eq!(decisions[0]["reasons"][0]["code"], "key_file_missing");
    home.run(["authorize", "--action", STEP_UP]).exits(11);
}

/// A short payload can't be found by trying once the salts are erased.
#[test]
fn salted_commitments_hide_in_every_record() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replacen("[ledger]", "[ledger]\ncommitment = \"salted\"", 1),
    );
    let allowed = home.run(["authorize", "--action", ALLOW]).exits(0).json();
    home.write("pass.jwt", allowed["pass"]["token"].as_str().unwrap());
    home.run(["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"])
        .exits(0);
    let hashes = home.run(["hash", "--action", ALLOW]).exits(0).json();
    let token = home.read("pass.jwt");
    let signed = token.trim_end().rsplit_once('.').unwrap().0;
    let known = [
        hashes["actionHash"].as_str().unwrap().to_owned(),
        hashes["payloadHash"].as_str().unwrap().to_owned(),
        actionpass_canon::sha256(signed.as_bytes()).to_string(),
    ];
    let records = home.records();
    for hash in &known {
        assert!(
            !records.iter().any(|record| record.to_string().contains(hash)),
            "{hash}"
        );
    }
    let committed = records.iter().filter(|record| record["body"]["commitment"] == "salted");
    assert_eq!(committed.count(), 2, "the decision and the use");
    home.run(["ledger", "verify"]).exits(0);
    // Nor does the database keep them elsewhere, the token apart, which is erasable like the salt.
    let database = fs::read(home.path("home/ledger.db")).unwrap();
    for hash in &known[..2] {
        let bytes: actionpass_model::Digest = hash.parse().unwrap();
        let found = database.windows(32).any(|window| window == bytes.as_bytes());
        assert!(!found, "{hash}");
    }
}

/// Which action an id was allowed for nobody can say without the salt; that it was, the record says.
#[test]
fn an_action_id_stays_taken_once_its_salt_is_erased() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replacen("[ledger]", "[ledger]\ncommitment = \"salted\"", 1),
    );
    let (first, another) = (named(&home, ALLOW, "run-1"), named(&home, ALLOW, "run-2"));
    home.run(["authorize", "--action", &first]).exits(0);
    home.run(["ledger", "erase", "--older-than", "0s", "--reason", "asked to"])
        .exits(0);
    home.run(["authorize", "--action", &first])
        .fails(24, "action_already_issued");
    home.run(["authorize", "--action", &another]).exits(0);
    home.run(["ledger", "verify"]).exits(0);
}
