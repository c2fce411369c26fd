//! One pass, one use; one approval, one pass; one id, one action.

use serde_json::json;

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::home::Home;

#[test]
fn a_pass_is_consumed_once() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let consume = ["verify", "--token", &pass, "--action", ALLOW, "--consume"];
    let consumed = home.run(consume).exits(0).json();
    assert_eq!(consumed["valid"], json!(true));
    home.run(consume).refuses(24, &["already_used"]);
    home.run(consume).refuses(24, &["already_used"]);
    // Another pass for the same act is another occurrence.
    let pass = home.pass(ALLOW);
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
        .exits(0);
    let uses = home
        .records()
        .into_iter()
        .filter(|record| record["kind"] == "use")
        .count();
    assert_eq!(uses, 2);
}

#[test]
fn a_refused_call_uses_nothing_up() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let consume = |file: &str| home.run(["verify", "--token", &pass, "--action", file, "--consume"]);
    let mut other = action::read(&home, ALLOW);
    other["capability"]["payload"]["title"] = json!("Another title");
    let other = home.write("other.json", other.to_string());
    consume(&other).refuses(21, &["payload_hash_mismatch"]);
    consume(ALLOW).exits(0);
}

#[test]
fn of_8_processes_exactly_one_consumes_a_pass() {
    let home = Home::new();
    for _ in 0..3 {
        let pass = home.pass(ALLOW);
        let ran = home.at_once((0..8).map(|_| vec!["verify", "--token", &pass, "--action", ALLOW, "--consume"]));
        let (won, lost): (Vec<_>, Vec<_>) = ran.into_iter().partition(|ran| ran.exit == 0);
        assert_eq!((won.len(), lost.len()), (1, 7), "{lost:#?}");
        for ran in lost {
            ran.refuses(24, &["already_used"]);
        }
    }
    let uses = home
        .records()
        .into_iter()
        .filter(|record| record["kind"] == "use")
        .count();
    assert_eq!(uses, 3);
}

#[test]
fn of_8_processes_exactly_one_uses_an_approval() {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let ran = home.at_once((0..8).map(|_| vec!["authorize", "--action", STEP_UP, "--approval", &approval]));
    let allowed = ran.iter().filter(|ran| ran.exit == 0).count();
    assert_eq!(allowed, 1, "{ran:#?}");
    for ran in ran.into_iter().filter(|ran| ran.exit != 0) {
        assert!(ran.reasons().contains(&"approval_already_used".to_owned()), "{ran:?}");
        ran.exits(11);
    }
    assert_eq!(home.decisions().len(), 8);
}

#[test]
fn an_id_gets_one_pass() {
    let home = Home::new();
    let file = action::with_id(&home, ALLOW, &action::id(1));
    let first = home.run(["authorize", "--action", &file]).exits(0);
    let again = home.run(["authorize", "--action", &file]).exits(0);
    assert_eq!(first.pass_id(), again.pass_id());

    // The same id for another act.
    let mut other = action::read(&home, &file);
    other["capability"]["payload"]["title"] = json!("Another title");
    let other = home.write("other.json", other.to_string());
    home.run(["authorize", "--action", &other])
        .fails(31, "action_id_reused");

    // Used, it is not given out again.
    let pass = home.write_pass(&first);
    home.run(["verify", "--token", &pass, "--action", &file, "--consume"])
        .exits(0);
    home.run(["authorize", "--action", &file])
        .fails(24, "action_already_issued");
    let passes = home
        .decisions()
        .into_iter()
        .filter(|body| body.get("pass").is_some())
        .count();
    assert_eq!(passes, 1);
}

/// Only an allow is final: what was denied or waited is judged afresh.
#[test]
fn an_id_that_waited_can_still_get_its_pass() {
    let home = Home::with_maintainer();
    let file = action::with_id(&home, STEP_UP, &action::id(1));
    home.run(["authorize", "--action", &file]).exits(11);
    home.run(["authorize", "--action", &file]).exits(11);
    let approval = home.approve(&file);
    home.run(["authorize", "--action", &file, "--approval", &approval])
        .exits(0);
    let denied = action::with_id(&home, DENY, &action::id(2));
    home.run(["authorize", "--action", &denied]).exits(10);
    home.run(["authorize", "--action", &denied]).exits(10);
    // Who asks again while nothing moved gets the answer of before, with its record.
    assert_eq!(home.decisions().len(), 4);
}
