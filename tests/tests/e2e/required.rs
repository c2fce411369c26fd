//! What is still required, to the last approval, whatever became of those that were offered.

use serde_json::{Value, json};

use crate::action::STEP_UP;
use crate::home::{Home, MAINTAINER};
use crate::program::root;

/// Three who may approve, and a refund that two of them have to.
fn with_finance() -> (Home, String) {
    let home = Home::new();
    for name in ["fay", "sid", "ulf"] {
        home.approver(&format!("user:{name}@example.com"), &["finance"])
            .exits(0);
    }
    let refund = root().join("examples/actions/refund.json").display().to_string();
    (home, refund)
}

fn by(home: &Home, name: &str, action: &str) -> String {
    home.approve_as(&format!("user:{name}@example.com"), action, &[])
}

/// `authorize` or `policy explain` with these approvals.
fn asked(home: &Home, command: &[&str], action: &str, approvals: &[&String]) -> crate::home::Ran {
    let mut args = command.to_vec();
    args.extend(["--action", action]);
    for approval in approvals {
        args.extend(["--approval", approval]);
    }
    home.run(args)
}

/// How many are missing, and of how many.
fn missing(json: &Value) -> (u64, u64) {
    let required = &json["required"][0];
    assert_eq!(required["rule"], "refund.large", "{json}");
    (required["count"].as_u64().unwrap(), required["total"].as_u64().unwrap())
}

#[test]
fn two_are_wanted_as_long_as_none_counts() {
    let (home, refund) = with_finance();
    let (fay, sid, ulf) = (
        by(&home, "fay", &refund),
        by(&home, "sid", &refund),
        by(&home, "ulf", &refund),
    );
    let spoiled = home.read(&fay);
    let (head, signature) = spoiled.trim_end().rsplit_once('.').unwrap();
    let spoiled = home.write("spoiled.jwt", format!("{head}.{}", crate::exits::flip(signature)));
    let other = home.approve_as("user:sid@example.com", STEP_UP, &[]);
    const EXPLAIN: &[&str] = &["policy", "explain"];
    const AUTHORIZE: &[&str] = &["authorize"];
    // As `explain` says before, `authorize` does.
    let both = |approvals: &[&String], expected: (u64, u64)| {
        let explained = asked(&home, EXPLAIN, &refund, approvals).exits(11);
        let decided = asked(&home, AUTHORIZE, &refund, approvals).exits(11);
        assert_eq!(missing(&decided.json()), expected, "{approvals:?}: {decided:?}");
        assert_eq!(
            explained.json()["required"],
            decided.json()["required"],
            "{approvals:?}"
        );
        assert_eq!(explained.reasons(), decided.reasons(), "{approvals:?}");
        decided
    };
    both(&[], (2, 2));
    both(&[&spoiled, &other], (2, 2));
    both(&[&fay], (1, 2));
    both(&[&fay, &fay, &other], (1, 2));
    asked(&home, EXPLAIN, &refund, &[&fay, &sid]).exits(0);
    // That explaining uses nothing up shows here.
    asked(&home, AUTHORIZE, &refund, &[&fay, &sid]).exits(0);

    let used = both(&[&fay, &sid], (2, 2));
    assert_eq!(used.reasons()[0], "approval_already_used");
    both(&[&sid], (2, 2));
    both(&[&fay, &sid, &ulf], (1, 2));
    both(&[&fay, &ulf, &spoiled], (1, 2));
    // The one that is left was not used up by all that.
    let again = by(&home, "fay", &refund);
    both(&[&again, &sid], (1, 2));
    asked(&home, EXPLAIN, &refund, &[&again, &ulf]).exits(0);
    asked(&home, AUTHORIZE, &refund, &[&again, &ulf]).exits(0);

    let recorded: Vec<Value> = home.decisions().iter().map(|body| body["decision"].clone()).collect();
    let allowed = recorded.iter().filter(|decision| **decision == json!("allow")).count();
    assert_eq!(allowed, 2, "{recorded:?}");
}

#[test]
fn it_says_that_they_are_different_people() {
    let (home, refund) = with_finance();
    let fay = by(&home, "fay", &refund);
    let told = |approvals: &[&str]| {
        let args = [&["authorize", "--action", &refund][..], approvals].concat();
        home.talk(args).exits(11).stderr
    };
    let none = told(&[]);
    assert!(
        none.contains("needs 2 approvals by different people with role finance or support"),
        "{none}"
    );
    let one = told(&["--approval", &fay]);
    assert!(
        one.contains("needs 1 more of 2 approvals by different people with role"),
        "{one}"
    );
    // One of one is by whomever.
    let home = Home::with_maintainer();
    let told = home.talk(["authorize", "--action", STEP_UP]).exits(11).stderr;
    assert!(told.contains("needs 1 approval with role maintainer"), "{told}");
}

/// Where a deny could be lifted, what was used up is wanted again too.
#[test]
fn a_used_override_is_wanted_again() {
    let home = Home::with_approvers();
    let officer = "user:officer@example.com";
    let lift = home.approve_as(
        officer,
        crate::action::DENY,
        &["--mode", "policy_override", "--rule", "github.protected"],
    );
    let approval = home.approve_as(MAINTAINER, crate::action::DENY, &[]);
    let action = crate::action::DENY;
    asked(&home, &["authorize"], action, &[&lift, &approval]).exits(0);
    for command in [&["policy", "explain"][..], &["authorize"]] {
        let refused = asked(&home, command, action, &[&lift, &approval]).exits(10);
        assert_eq!(refused.reasons()[0], "approval_already_used");
        let kinds: Vec<Value> = refused.json()["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["kind"].clone())
            .collect();
        assert!(
            kinds.contains(&json!("override")) && kinds.contains(&json!("approval")),
            "{kinds:?}"
        );
    }
}

#[test]
fn explaining_takes_approvals_as_deciding_does() {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let many: Vec<&String> = vec![&approval; 33];
    for command in [&["policy", "explain"][..], &["authorize"]] {
        asked(&home, command, STEP_UP, &many).fails(25, "too_many_approvals");
    }
    // At its time it holds; long after, it has expired.
    let explain = ["policy", "explain", "--action", STEP_UP, "--approval", &approval];
    let explained = home.run(explain).exits(0).json();
    let rule = explained["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["rule"] == "github.pr.untested")
        .unwrap();
    assert_eq!(rule["approvals"][0]["standing"], "counts");
    let late = home
        .run([&explain[..], &["--at", "2099-01-01T00:00:00Z"]].concat())
        .exits(11);
    assert!(late.reasons().contains(&"approval_expired".to_owned()), "{late:?}");
    // Of explaining nothing was recorded; what `authorize` refused was.
    assert_eq!(home.decisions().len(), 1);
    asked(&home, &["authorize"], STEP_UP, &[&approval]).exits(0);
}
