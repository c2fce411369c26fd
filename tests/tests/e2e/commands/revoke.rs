//! `revoke`, and what verifiers make of it.

use super::Transcript;
use crate::action::{ALLOW, STEP_UP};
use crate::home::Home;

#[test]
fn revoke() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let allowed = home.talk(["authorize", "--action", ALLOW, "--json"]).exits(0).json();
    home.write("pass.jwt", allowed["pass"]["token"].as_str().unwrap().as_bytes());
    let id = allowed["pass"]["id"].as_str().unwrap();
    transcript.run(&["revoke", "pass", id, "--reason", "wrong team"]);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "pass.jwt", "--action", ALLOW])
            .exit,
        23
    );
    transcript.run(&[
        "revoke",
        "principal",
        "agent:codex-prod",
        "--reason",
        "left its lane",
        "--by",
        "user:owner@example.com",
        "--json",
    ]);
    let both = transcript.run(&["verify", "--token", "pass.jwt", "--action", ALLOW, "--json"]);
    assert_eq!(
        both.json()["codes"],
        serde_json::json!(["pass_revoked", "principal_revoked"])
    );
    transcript.run(&["ledger", "show", "--limit", "2"]);
    transcript.run(&["ledger", "verify"]);
    transcript.check("revoke");
}

#[test]
fn a_revoked_approval_takes_its_passes_with_it() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    home.approve_into("approval.jwt", STEP_UP);
    let allowed = home
        .talk(["authorize", "--action", STEP_UP, "--approval", "approval.jwt", "--json"])
        .exits(0)
        .json();
    home.write("pass.jwt", allowed["pass"]["token"].as_str().unwrap().as_bytes());
    let inspected = home.talk(["inspect", "approval.jwt", "--json"]).exits(0).json();
    let id = inspected["payload"]["jti"].as_str().unwrap();
    // Whose approval it is stands in the ledger.
    transcript.run(&["revoke", "approval", id, "--reason", "was asleep"]);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "pass.jwt", "--action", STEP_UP])
            .exit,
        23
    );
    // One that no decision relied on needs its approver.
    transcript.run(&[
        "revoke",
        "approval",
        "apr_00000000000000000000000000000000",
        "--reason",
        "r",
    ]);
    transcript.run(&[
        "revoke",
        "approval",
        "apr_00000000000000000000000000000000",
        "--reason",
        "r",
        "--approver",
        "user:a",
    ]);
    transcript.check("revoke_approval");
}

#[test]
fn the_signing_key_revoked_means_no_more_passes() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let keys = home
        .talk(["keys", "export", "--jwks", "--use", "pass", "--json"])
        .exits(0)
        .json();
    let kid = keys["jwks"]["keys"][0]["kid"].as_str().unwrap();
    transcript.run(&[
        "revoke",
        "key",
        kid,
        "--reason",
        "laptop stolen",
        "--compromised-since",
        "2026-11-01T00:00:00Z",
    ]);
    assert_eq!(transcript.run(&["authorize", "--action", ALLOW]).exit, 40);
    transcript.run(&["doctor"]);
    // Never again.
    let jwk = home
        .talk(["keys", "export", "--jwks", "--kid", kid, "--json"])
        .exits(0)
        .json()["jwks"]["keys"][0]
        .to_string();
    transcript.run_with(&["trust", "add", "-", "--use", "pass"], jwk.as_bytes());
    transcript.run(&["trust", "show"]);
    transcript.check("revoke_signing_key");
}

#[test]
fn revoke_refusals() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["revoke", "pass", "ap_1", "--reason", "r"]);
    transcript.run(&["revoke", "pass", "ap_1", "--reason", "r", "--json"]);
    transcript.run(&["revoke", "key", "zzzzzzzz", "--reason", "r"]);
    transcript.run(&["revoke", "principal", "codex", "--reason", "r"]);
    transcript.run(&["revoke", "principal", "agent:a"]);
    transcript.run(&["revoke", "agent", "agent:a", "--reason", "r"]);
    transcript.run(&[
        "revoke",
        "principal",
        "agent:a",
        "--reason",
        "r",
        "--approver",
        "user:a",
    ]);
    transcript.run(&[
        "revoke",
        "pass",
        "ap_00000000000000000000000000000000",
        "--reason",
        "r",
        "--home",
        "nowhere",
    ]);
    transcript.check("revoke_refusals");
}

#[test]
fn a_trust_store_that_was_rolled_back_is_refused() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let action = ALLOW;
    home.pass_into("pass.jwt", action);
    let trust = home.path("home/trust.json");
    let before = std::fs::read(&trust).unwrap();
    home.talk(["revoke", "principal", "agent:codex-prod", "--reason", "stolen"])
        .exits(0);
    let newest = std::fs::read(&trust).unwrap();
    let kid = home.talk(["keys", "list", "--json"]).exits(0).json()["keys"][1]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    home.write("home/trust.json", &before);
    // Nor is it shown or handed on as if it were the one in force.
    for reading in [
        &["keys", "list"][..],
        &["trust", "export"],
        &["trust", "show"],
        &["trust", "check"],
    ] {
        home.run(reading).fails(26, "trust_rolled_back");
    }
    home.run(["verify", "--token", "pass.jwt", "--action", action])
        .fails(26, "trust_rolled_back");
    let commands: [&[&str]; 8] = [
        &["authorize", "--action", action],
        &["verify", "--token", "pass.jwt", "--action", action, "--consume"],
        &["keys", "new"],
        &["keys", "rotate"],
        &["keys", "retire", &kid],
        &["trust", "add", "maintainer.jwk", "--use", "pass"],
        &["trust", "remove", &kid],
        &["ledger", "restored"],
    ];
    for command in commands {
        let ran = home.talk([command, &["--json"]].concat());
        assert_eq!(
            (ran.exit, ran.code().as_str()),
            (26, "trust_rolled_back"),
            "{command:?}"
        );
    }
    assert_eq!(std::fs::read(&trust).unwrap(), before);
    transcript.run(&["authorize", "--action", action]);
    assert_eq!(transcript.run(&["doctor"]).exit, 26);
    // Another file of the version that is known.
    let edited = String::from_utf8(newest.clone()).unwrap().replace("stolen", "strayed");
    home.write("home/trust.json", &edited);
    assert_eq!(transcript.run(&["authorize", "--action", action]).exit, 26);
    home.write("home/trust.json", &newest);
    home.talk(["doctor"]).exits(0);
    transcript.check("revoke_rolled_back");
}
