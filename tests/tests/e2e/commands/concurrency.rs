//! Many processes on one home.

use crate::action::ALLOW;
use crate::home::Home;

/// Starts all of them before any is waited for, and gives the exits in that order.
fn exits<'a>(home: &Home, commands: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<i32> {
    home.at_once(commands).into_iter().map(|ran| ran.exit).collect()
}

#[test]
fn sixteen_processes_authorize_and_the_chain_is_whole() {
    let home = Home::with_approvers();
    let before = home.talk(["ledger", "verify", "--json"]).exits(0).json()["size"]
        .as_u64()
        .unwrap();
    let authorize = (0..16).map(|_| vec!["authorize", "--action", ALLOW]);
    assert_eq!(exits(&home, authorize), vec![0; 16]);
    assert_eq!(
        home.talk(["ledger", "verify", "--json"]).exits(0).json()["size"],
        before + 16
    );
}

#[test]
fn of_eight_processes_that_consume_one_pass_one_wins() {
    let home = Home::with_approvers();
    home.pass_into("pass.jwt", ALLOW);
    let consume = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
    let mut exits = exits(&home, (0..8).map(|_| consume.to_vec()));
    exits.sort_unstable();
    assert_eq!(exits, [0, 24, 24, 24, 24, 24, 24, 24]);
}

#[test]
fn processes_that_change_the_trust_store_lose_nothing() {
    let home = Home::with_approvers();
    let names: Vec<String> = (0..8).map(|number| format!("agent:{number}")).collect();
    let revoke = names
        .iter()
        .map(|name| vec!["revoke", "principal", name, "--reason", "test"]);
    assert_eq!(exits(&home, revoke), vec![0; 8]);
    let trust = home.talk(["trust", "show", "--json"]).exits(0).json();
    assert_eq!(trust["trust"]["revocations"].as_array().unwrap().len(), 8);
    let records = home.talk(["ledger", "export", "--json"]).exits(0).json();
    let recorded = records["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["kind"] == "revocation")
        .count();
    assert_eq!(recorded, 8);
}

#[test]
fn killed_at_any_time_nothing_is_lost() {
    let home = Home::with_approvers();
    let mut released = Vec::new();
    for round in 0..24_u64 {
        let mut child = home
            .command(["authorize", "--action", ALLOW, "--json"])
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round));
        // It may have ended by itself.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        if let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
            released.push(answer["pass"]["id"].as_str().unwrap().to_owned());
        }
    }
    home.talk(["ledger", "verify"]).exits(0);
    home.talk(["doctor"]).exits(0);
    let records = home.talk(["ledger", "export"]).exits(0).stdout;
    for pass in released {
        assert_eq!(records.matches(&pass).count(), 1, "{pass}");
    }
}

#[test]
fn of_four_rotations_each_takes_its_turn() {
    let home = Home::with_approvers();
    let rotate = (0..4).map(|_| vec!["keys", "rotate"]);
    assert_eq!(exits(&home, rotate), vec![0; 4]);
    let keys = home.talk(["keys", "list", "--json"]).exits(0).json();
    let passes = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["use"] == "pass");
    let (active, others): (Vec<_>, Vec<_>) = passes.partition(|key| key["status"] == "active");
    assert_eq!((active.len(), others.len()), (1, 4), "{keys}");
    assert_eq!(active[0]["signs"], true, "{keys}");
    assert!(others.iter().all(|key| key["status"] == "retired"), "{keys}");
    home.talk(["authorize", "--action", ALLOW]).exits(0);
    home.talk(["doctor"]).exits(0);
    let left = std::fs::read_dir(home.path("home")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with(".tmp")),
        "{left:?}"
    );
}
