//! Attacks on evidence and state that a program of this kind fell for once, each with what it comes to now.
//!
//! Those that take more than a few lines have tests of their own: a use in an export that contradicts another
//! (`ledger::a_contradiction_in_a_whole_export_is_found`), an approval with the id of somebody else's
//! (`trust::an_approval_id_that_two_approvers_chose_asks_whose`), approvals that are wanted again once they are used
//! (`required::two_are_wanted_as_long_as_none_counts`), guessing a short payload by the hashes of a salted record
//! (`back::salted_commitments_hide_in_every_record`), and conditions whose work grows with the square of the action
//! (`work` in the tests of `actionpass-policy`).

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::action::{self, ALLOW, STEP_UP};
use crate::home::{Home, Ran};

/// What was done; the attack, which gives its last command; the exit and first code that it comes to.
type Attack = (&'static str, fn() -> Ran, i32, &'static str);

const ATTACKS: [Attack; 11] = [
    (
        "the mark of a used pass is deleted",
        used_twice,
        40,
        "store_rows_missing",
    ),
    (
        "the mark of a used approval is deleted",
        approved_twice,
        40,
        "store_rows_missing",
    ),
    (
        "a trust store with a threshold of roots",
        roots,
        31,
        "trust_use_unenforced",
    ),
    ("a ledger is put back", ledger_put_back, 26, "store_rolled_back"),
    ("a trust store is put back", trust_put_back, 26, "trust_rolled_back"),
    ("facts of long ago", || facts("2001"), 31, "facts_stale"),
    ("facts of the future", || facts("2099"), 31, "facts_stale"),
    (
        "a member of another type than a condition looks into",
        other_type,
        10,
        "default_deny",
    ),
    ("a custodian that fails", no_custodian, 40, "key_file_missing"),
    (
        "a tenant that no key speaks for",
        second_tenant,
        40,
        "signing_key_not_for_tenant",
    ),
    ("denied calls with large payloads", large_denials, 10, "default_deny"),
];

#[test]
fn each_attack_comes_to_its_code() {
    for (name, attack, exit, code) in ATTACKS {
        assert_eq!(outcome(&attack()), (exit, code.to_owned()), "{name}");
    }
}

/// The exit, and the first code of a failure, a refusal or a decision.
fn outcome(ran: &Ran) -> (i32, String) {
    let json = ran.json();
    let codes = ["/error/code", "/codes/0", "/reasons/0/code"];
    let code = codes.into_iter().find_map(|pointer| json.pointer(pointer)?.as_str());
    (ran.exit, code.unwrap_or_else(|| panic!("no code: {ran:?}")).to_owned())
}

fn consume(home: &Home) -> Ran {
    home.run(["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"])
}

fn delete(home: &Home, table: &str) {
    let hand = Connection::open(home.path("home/ledger.db")).unwrap();
    assert_eq!(hand.execute(&format!("DELETE FROM {table}"), []).unwrap(), 1);
}

fn used_twice() -> Ran {
    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    consume(&home).exits(0);
    delete(&home, "replay");
    consume(&home)
}

fn approved_twice() -> Ran {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let authorize = ["authorize", "--action", STEP_UP, "--approval", &approval];
    home.run(authorize).exits(0);
    delete(&home, "approval");
    home.run(authorize)
}

fn roots() -> Ran {
    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    let mut trust = action::read(&home, "home/trust.json");
    trust["roots"] = json!({ "threshold": 2 });
    home.write("home/trust.json", trust.to_string());
    home.verify("pass.jwt", ALLOW)
}

fn ledger_put_back() -> Ran {
    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    let before = ["ledger.db", "ledger.db-wal"].map(|name| (name, fs::read(home.path(&format!("home/{name}"))).ok()));
    consume(&home).exits(0);
    // Absent where the last connection tidied up.
    let _ = fs::remove_file(home.path("home/ledger.db-shm"));
    for (name, bytes) in before {
        let name = format!("home/{name}");
        match bytes {
            Some(bytes) => drop(home.write(&name, bytes)),
            None => drop(fs::remove_file(home.path(&name))),
        }
    }
    consume(&home)
}

fn trust_put_back() -> Ran {
    let home = Home::new();
    let decided = home.run(["authorize", "--action", ALLOW]).exits(0);
    let pass = home.write_pass(&decided);
    let before = home.read("home/trust.json");
    home.run(["revoke", "pass", &decided.pass_id(), "--reason", "test"])
        .exits(0);
    home.verify(&pass, ALLOW).refuses(23, &["pass_revoked"]);
    home.write("home/trust.json", before);
    home.verify(&pass, ALLOW)
}

fn facts(year: &str) -> Ran {
    let home = Home::new();
    let facts = json!({
        "schema": "actionpass.facts.v1", "source": "ci", "asOf": format!("{year}-01-01T00:00:00.000Z"),
        "facts": { "testsPassed": true },
    });
    home.write("facts.json", facts.to_string());
    home.run(["authorize", "--action", STEP_UP, "--facts", "facts.json"])
}

/// Calls `git.push` with this payload.
fn push(home: &Home, payload: Value) -> Ran {
    let mut document = action::read(home, ALLOW);
    document["capability"]["tool"] = json!("git.push");
    document["capability"]["payload"] = payload;
    home.write("push.json", document.to_string());
    home.run(["authorize", "--action", "push.json"])
}

fn other_type() -> Ran {
    let home = Home::new();
    let policy = "schema = \"actionpass.policy.v1\"\nid = \"unforced\"\n\n[[rule]]\nid = \"ok\"\neffect = \"allow\"\ntool = \
                  \"git.push\"\nwhen = [{ path = \"payload.options.force\", exists = false }]\n";
    home.write("home/policy.toml", policy);
    push(&home, json!({ "options": {} })).exits(0);
    for options in [json!({ "Force": true }), json!([{ "force": true }])] {
        push(&home, json!({ "options": options })).exits(10);
    }
    push(&home, json!({ "options": "--force" }))
}

fn no_custodian() -> Ran {
    let home = Home::new();
    fs::remove_dir_all(home.path("home/keys")).unwrap();
    let ran = home.run(["authorize", "--action", ALLOW]);
    // It is on record, too.
    assert_eq!(home.decisions()[0]["reasons"][0]["code"], "key_file_missing");
    ran
}

fn second_tenant() -> Ran {
    let home = Home::new();
    let config = home.read("home/config.toml");
    let both = config.replace("[\"org:example\"]", "[\"org:example\", \"org:two\"]");
    assert_ne!(config, both);
    home.write("home/config.toml", both);
    let mut document = action::read(&home, ALLOW);
    document["tenant"] = json!("org:two");
    home.write("two.json", document.to_string());
    home.run(["authorize", "--action", "two.json"])
}

fn large_denials() -> Ran {
    let home = Home::new();
    let size = || fs::metadata(home.path("home/ledger.db")).unwrap().len();
    let before = size();
    let deny = || push(&home, json!({ "text": "x".repeat(1_000_000) }));
    for _ in 0..4 {
        deny().exits(10);
    }
    let denied = deny();
    assert!(size() < before + 200_000, "{}", size());
    denied
}
