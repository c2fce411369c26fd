//! Many processes on one home.

use std::process::{Child, Stdio};

use crate::lab::Lab;

const ALLOW: &str = "home/examples/allow.json";

fn start(lab: &Lab, args: &[&str]) -> Child {
    lab.command(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn exits(children: Vec<Child>) -> Vec<i32> {
    children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().status.code().unwrap_or(-1))
        .collect()
}

#[test]
fn sixteen_processes_authorize_and_the_chain_is_whole() {
    let lab = Lab::with_home();
    let before = lab.quiet(&["ledger", "verify", "--json"]).json()["size"]
        .as_u64()
        .unwrap();
    let children = (0..16)
        .map(|_| start(&lab, &["authorize", "--action", ALLOW]))
        .collect();
    assert_eq!(exits(children), vec![0; 16]);
    assert_eq!(lab.quiet(&["ledger", "verify", "--json"]).json()["size"], before + 16);
}

#[test]
fn of_eight_processes_that_consume_one_pass_one_wins() {
    let lab = Lab::with_home();
    lab.pass(ALLOW, "pass.jwt");
    let children = (0..8)
        .map(|_| start(&lab, &["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"]))
        .collect();
    let mut exits = exits(children);
    exits.sort_unstable();
    assert_eq!(exits, [0, 24, 24, 24, 24, 24, 24, 24]);
}

#[test]
fn processes_that_change_the_trust_store_lose_nothing() {
    let lab = Lab::with_home();
    let names: Vec<String> = (0..8).map(|number| format!("agent:{number}")).collect();
    let children = names
        .iter()
        .map(|name| start(&lab, &["revoke", "principal", name, "--reason", "test"]))
        .collect();
    assert_eq!(exits(children), vec![0; 8]);
    let trust = lab.quiet(&["trust", "show", "--json"]).json();
    assert_eq!(trust["trust"]["revocations"].as_array().unwrap().len(), 8);
    let records = lab.quiet(&["ledger", "export", "--json"]).json();
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
    let lab = Lab::with_home();
    let mut released = Vec::new();
    for round in 0..24_u64 {
        let mut child = start(&lab, &["authorize", "--action", ALLOW, "--json"]);
        std::thread::sleep(std::time::Duration::from_millis(round));
        // It may have ended by itself.
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        if let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&output.stdout) {
            released.push(answer["pass"]["id"].as_str().unwrap().to_owned());
        }
    }
    lab.quiet(&["ledger", "verify"]);
    lab.quiet(&["doctor"]);
    let records = lab.quiet(&["ledger", "export"]).stdout;
    for pass in released {
        assert_eq!(records.matches(&pass).count(), 1, "{pass}");
    }
}

#[test]
fn of_four_rotations_each_takes_its_turn() {
    let lab = Lab::with_home();
    let children = (0..4).map(|_| start(&lab, &["keys", "rotate"])).collect();
    assert_eq!(exits(children), vec![0; 4]);
    let keys = lab.quiet(&["keys", "list", "--json"]).json();
    let passes = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["use"] == "pass");
    let (active, others): (Vec<_>, Vec<_>) = passes.partition(|key| key["status"] == "active");
    assert_eq!((active.len(), others.len()), (1, 4), "{keys}");
    assert_eq!(active[0]["signs"], true, "{keys}");
    assert!(others.iter().all(|key| key["status"] == "retired"), "{keys}");
    lab.quiet(&["authorize", "--action", ALLOW]);
    lab.quiet(&["doctor"]);
    let left = std::fs::read_dir(lab.path().join("home")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with(".tmp")),
        "{left:?}"
    );
}
