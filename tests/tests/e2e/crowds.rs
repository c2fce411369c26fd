//! Many processes on one home.

use std::collections::BTreeSet;

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::home::{Home, jwk_file, key_file};

#[test]
fn sixteen_processes_make_one_whole_chain() {
    let home = Home::new();
    let before = home.records().len();
    // Those that step up are about different things, or they would share one request and its record.
    let different = |n: usize| {
        let mut action = action::read(&home, STEP_UP);
        action["capability"]["payload"]["title"] = format!("number {n}").into();
        home.write(&format!("step_up-{n}.json"), action.to_string())
    };
    let steps: Vec<String> = (0..16).map(different).collect();
    let files = |n: usize| [ALLOW, &steps[n], ALLOW, DENY][n % 4];
    let commands = (0..16).map(|n| vec!["authorize", "--action", files(n)]);
    let mut told = BTreeSet::new();
    for (n, ran) in home.at_once(commands).into_iter().enumerate() {
        let ran = ran.exits([0, 11, 0, 10][n % 4]);
        let record = ran.json()["record"].take();
        told.insert((
            record["seq"].as_u64().unwrap(),
            record["ledgerHash"].as_str().unwrap().to_owned(),
        ));
    }
    assert_eq!(told.len(), 16);
    // What each was told is what is there, and nothing else was written.
    let records = home.records();
    assert_eq!(records.len(), before + 16);
    let there = records.iter().skip(before);
    let there: BTreeSet<(u64, String)> = there
        .map(|record| {
            (
                record["seq"].as_u64().unwrap(),
                record["ledgerHash"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(told, there);
}

#[test]
fn sixteen_processes_that_step_up_alike_open_one_request() {
    let home = Home::new();
    let asked = home.at_once((0..16).map(|_| vec!["authorize", "--action", STEP_UP]));
    let requests: BTreeSet<String> = asked
        .into_iter()
        .map(|ran| ran.exits(11).json()["request"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let listed = home.run(["requests", "list"]).exits(0).json();
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
}

#[test]
fn sixteen_processes_with_one_id_get_one_pass() {
    let home = Home::new();
    let file = action::with_id(&home, ALLOW, &action::id(1));
    let ran = home.at_once((0..16).map(|_| vec!["authorize", "--action", &file]));
    let passes: BTreeSet<String> = ran.into_iter().map(|ran| ran.exits(0).pass_id()).collect();
    assert_eq!(passes.len(), 1, "{passes:?}");
    let recorded: BTreeSet<String> = home
        .decisions()
        .iter()
        .filter_map(|body| Some(body.get("pass")?["id"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(recorded, passes);
}

/// The trust store is a file of its own, with its own lock.
#[test]
fn changes_of_trust_lose_nothing() {
    let home = Home::with_maintainer();
    let keys: Vec<String> = (0..8).map(|n| format!("user:approver-{n}@example.com")).collect();
    for principal in &keys {
        let new = home.run(["keys", "new", "--out", &key_file(principal)]).exits(0);
        home.write(&jwk_file(principal), new.json()["jwk"].to_string());
    }
    let jwks: Vec<String> = keys.iter().map(|principal| jwk_file(principal)).collect();
    let passes: Vec<String> = (1..=4)
        .map(|n| format!("ap_0192f0c1a5b6700080000000000000{n:02}"))
        .collect();
    let adds = keys
        .iter()
        .zip(&jwks)
        .map(|(principal, jwk)| vec!["trust", "add", jwk, "--use", "approval", "--principal", principal]);
    let revokes = passes.iter().map(|pass| vec!["revoke", "pass", pass, "--reason", "x"]);
    for ran in home.at_once(adds.chain(revokes)) {
        ran.exits(0);
    }
    let trust = home.run(["trust", "show"]).exits(0).json()["trust"].take();
    // The signing key, the maintainer's, and eight.
    assert_eq!(trust["keys"].as_array().unwrap().len(), 10);
    assert_eq!(trust["revocations"].as_array().unwrap().len(), 4);
    let kinds = home
        .records()
        .into_iter()
        .map(|record| record["kind"].as_str().unwrap().to_owned());
    assert_eq!(kinds.filter(|kind| kind == "revocation").count(), 4);
    home.run(["doctor"]).exits(0);
}
