//! `requests`: what waits for people, told as stories.

use serde_json::{Value, json};

use super::Transcript;
use crate::action::{self, STEP_UP};
use crate::facts;
use crate::home::{Home, Ran};

/// A vote of the maintainer on a request.
fn vote<'a>(verb: &'a str, request: &'a str, reason: &'a str) -> Vec<&'a str> {
    let who = ["--key", "maintainer.pem", "--as", "user:maintainer@example.com"];
    let said = ["--reason", reason, "--yes"];
    [&["requests", verb, request], &who[..], &said[..]].concat()
}

/// The id of the request that a step_up opened or joined.
fn request(ran: &Ran) -> String {
    let (_, behind) = ran.stderr.split_once("\nrequest ").unwrap();
    behind.split(' ').next().unwrap().to_owned()
}

#[test]
fn from_a_step_up_to_a_pass() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let stepped = transcript.run(&["authorize", "--action", STEP_UP]);
    assert_eq!(stepped.exit, 11);
    let id = request(&stepped);
    assert_eq!(transcript.run(&["requests", "list"]).exit, 0);
    assert_eq!(
        transcript
            .run(&["requests", "list", "--state", "pending", "--json"])
            .exit,
        0
    );
    assert_eq!(transcript.run(&["requests", "show", &id]).exit, 11);
    // The identical retry joins, and its answer is the one of before.
    let joined = transcript.run(&["authorize", "--action", STEP_UP, "--json"]).json();
    assert_eq!(joined["request"]["id"], id.as_str());
    assert_eq!(transcript.run(&["requests", "wait", &id, "--timeout", "0s"]).exit, 11);

    assert_eq!(transcript.run(&vote("approve", &id, "read the diff")).exit, 0);
    assert_eq!(transcript.run(&["requests", "wait", &id]).exit, 0);
    assert_eq!(transcript.run(&["requests", "list", "--state", "approved"]).exit, 0);
    let allowed = transcript.run(&["authorize", "--action", STEP_UP]);
    assert_eq!(allowed.exit, 0);
    home.write("pass.jwt", &allowed.stdout);
    let verified = transcript.run(&["verify", "--token", "pass.jwt", "--action", STEP_UP, "--consume"]);
    assert_eq!(verified.exit, 0);
    assert_eq!(transcript.run(&["requests", "show", &id]).exit, 0);
    let shown = transcript.run(&["requests", "show", &id, "--json"]);
    assert_eq!((shown.exit, &shown.json()["state"]), (0, &Value::from("used")));
    // Who needs it again asks again.
    let next = transcript.run(&["authorize", "--action", STEP_UP, "--no-request"]);
    assert_eq!(next.exit, 11);
    assert_eq!(transcript.run(&["ledger", "show", "--request", &id]).exit, 0);
    transcript.check("requests");
}

#[test]
fn a_decline_answers_every_retry() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let id = request(&transcript.run(&["authorize", "--action", STEP_UP]));
    let declined = transcript.run(&vote("decline", &id, "not on a Friday \u{202e}!"));
    assert_eq!(declined.exit, 0);
    assert_eq!(transcript.run(&["authorize", "--action", STEP_UP]).exit, 10);
    // In other words, with another context and another id it is the same action.
    let mut reworded = action::read(&home, STEP_UP);
    reworded["id"] = action::id(7).into();
    reworded["intent"]["summary"] = "Please, it is urgent".into();
    reworded["context"] = json!({ "approved": "yes" });
    home.write("reworded.json", reworded.to_string());
    let denied = transcript.run(&["authorize", "--action", "reworded.json", "--json"]);
    assert_eq!(denied.exit, 10);
    let json = denied.json();
    assert_eq!(json["reasons"][0]["code"], "approval_declined");
    assert_eq!(json["declined"]["by"], "user:maintainer@example.com");
    assert_eq!(json["declined"]["words"], "not on a Friday \u{202e}!");
    // Whoever approves now approves nothing.
    assert_eq!(transcript.run(&vote("approve", &id, "but I want it")).exit, 10);
    assert_eq!(transcript.run(&["requests", "list", "--state", "declined"]).exit, 0);
    assert_eq!(transcript.run(&["requests", "show", &id]).exit, 10);
    transcript.check("requests_declined");
}

#[test]
fn other_facts_take_the_place_of_a_request() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    home.write("first.json", facts::document(0, &json!({ "ciRun": 17 })).to_string());
    home.write("second.json", facts::document(0, &json!({ "ciRun": 18 })).to_string());
    let with = |facts: &'static str| vec!["authorize", "--action", STEP_UP, "--facts", facts];
    let first = request(&transcript.run(&with("first.json")));
    assert_eq!(transcript.run(&vote("approve", &first, "run 17 is fine")).exit, 0);
    // The vote was for what CI said then.
    let stepped = transcript.run(&with("second.json"));
    assert_eq!(stepped.exit, 11);
    assert_ne!(request(&stepped), first);
    assert_eq!(transcript.run(&["requests", "list"]).exit, 0);
    assert_eq!(transcript.run(&["requests", "show", &first]).exit, 10);
    transcript.check("requests_superseded");
}

#[test]
fn what_is_taken_back_is_over() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let id = request(&transcript.run(&["authorize", "--action", STEP_UP]));
    assert_eq!(
        transcript
            .run(&["requests", "cancel", &id, "--as", "agent:codex-prod"])
            .exit,
        0
    );
    assert_eq!(transcript.run(&["requests", "wait", &id]).exit, 10);
    assert_eq!(transcript.run(&["requests", "cancel", &id]).exit, 10);
    assert_eq!(transcript.run(&["requests", "list", "--state", "pending"]).exit, 0);
    assert_eq!(
        transcript
            .run(&["requests", "lift", &id, "--as", "user:admin@example.com"])
            .exit,
        0
    );
    transcript.check("requests_cancelled");
}

#[test]
fn a_vote_that_would_not_count_is_not_signed() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    home.approver("user:owner@example.com", &["maintainer"]).exits(0);
    home.run(["keys", "new", "--out", "stranger.pem"]).exits(0);
    let id = request(&transcript.run(&["authorize", "--action", STEP_UP]));
    let by = |key: &'static str, who: &'static str| {
        let said = ["--reason", "read it", "--yes"];
        [&["requests", "approve", &id, "--key", key, "--as", who], &said[..]].concat()
    };
    for (key, who, exit) in [
        ("maintainer.pem", "user:officer@example.com", 21),
        ("stranger.pem", "user:maintainer@example.com", 25),
        ("officer.pem", "user:officer@example.com", 25),
        ("owner.pem", "user:owner@example.com", 25),
    ] {
        let refused = transcript.run(&by(key, who));
        assert_eq!((refused.exit, refused.stdout.as_str()), (exit, ""));
    }
    let unknown = "req_01930000000070008000000000000000";
    assert_eq!(transcript.run(&vote("approve", unknown, "read it")).exit, 2);
    assert_eq!(transcript.run(&["requests", "show", "apr_1"]).exit, 2);
    // Nobody is there to be asked; everything is shown.
    let unasked = vote("decline", &id, "no");
    assert_eq!(transcript.run(unasked.split_last().unwrap().1).exit, 2);
    // Only the opening is recorded.
    let changes = home.records().into_iter().filter(|record| record["kind"] == "request");
    assert_eq!(changes.count(), 0);
    transcript.check("requests_refused");
}
