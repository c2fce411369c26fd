//! `revoke`, and what verifiers make of it.

use crate::lab::Lab;

const ALLOW: &str = "home/examples/allow.json";
const STEP_UP: &str = "home/examples/step_up.json";

#[test]
fn revoke() {
    let mut lab = Lab::with_home();
    let allowed = lab.quiet(&["authorize", "--action", ALLOW, "--json"]).json();
    lab.file("pass.jwt", allowed["pass"]["token"].as_str().unwrap().as_bytes());
    let id = allowed["pass"]["id"].as_str().unwrap();
    lab.run(&["revoke", "pass", id, "--reason", "wrong team"]);
    assert_eq!(lab.run(&["verify", "--token", "pass.jwt", "--action", ALLOW]).exit, 23);
    lab.run(&[
        "revoke",
        "principal",
        "agent:codex-prod",
        "--reason",
        "left its lane",
        "--by",
        "user:owner@example.com",
        "--json",
    ]);
    let both = lab.run(&["verify", "--token", "pass.jwt", "--action", ALLOW, "--json"]);
    assert_eq!(
        both.json()["codes"],
        serde_json::json!(["pass_revoked", "principal_revoked"])
    );
    lab.run(&["ledger", "show", "--limit", "2"]);
    lab.run(&["ledger", "verify"]);
    lab.check("revoke");
}

#[test]
fn a_revoked_approval_takes_its_passes_with_it() {
    let mut lab = Lab::with_home();
    lab.approval(STEP_UP, "approval.jwt");
    let allowed = lab
        .quiet(&["authorize", "--action", STEP_UP, "--approval", "approval.jwt", "--json"])
        .json();
    lab.file("pass.jwt", allowed["pass"]["token"].as_str().unwrap().as_bytes());
    let inspected = lab.quiet(&["inspect", "approval.jwt", "--json"]).json();
    let id = inspected["payload"]["jti"].as_str().unwrap();
    // Whose approval it is stands in the ledger.
    lab.run(&["revoke", "approval", id, "--reason", "was asleep"]);
    assert_eq!(
        lab.run(&["verify", "--token", "pass.jwt", "--action", STEP_UP]).exit,
        23
    );
    // One that no decision relied on needs its approver.
    lab.run(&[
        "revoke",
        "approval",
        "apr_00000000000000000000000000000000",
        "--reason",
        "r",
    ]);
    lab.run(&[
        "revoke",
        "approval",
        "apr_00000000000000000000000000000000",
        "--reason",
        "r",
        "--approver",
        "user:a",
    ]);
    lab.check("revoke_approval");
}

#[test]
fn the_signing_key_revoked_means_no_more_passes() {
    let mut lab = Lab::with_home();
    let keys = lab
        .quiet(&["keys", "export", "--jwks", "--use", "pass", "--json"])
        .json();
    let kid = keys["jwks"]["keys"][0]["kid"].as_str().unwrap();
    lab.run(&[
        "revoke",
        "key",
        kid,
        "--reason",
        "laptop stolen",
        "--compromised-since",
        "2026-11-01T00:00:00Z",
    ]);
    assert_eq!(lab.run(&["authorize", "--action", ALLOW]).exit, 40);
    lab.run(&["doctor"]);
    // Never again.
    let jwk = lab.quiet(&["keys", "export", "--jwks", "--kid", kid, "--json"]).json()["jwks"]["keys"][0].to_string();
    lab.run_with(&["trust", "add", "-", "--use", "pass"], jwk.as_bytes());
    lab.run(&["trust", "show"]);
    lab.check("revoke_signing_key");
}

#[test]
fn revoke_refusals() {
    let mut lab = Lab::with_home();
    lab.run(&["revoke", "pass", "ap_1", "--reason", "r"]);
    lab.run(&["revoke", "pass", "ap_1", "--reason", "r", "--json"]);
    lab.run(&["revoke", "key", "zzzzzzzz", "--reason", "r"]);
    lab.run(&["revoke", "principal", "codex", "--reason", "r"]);
    lab.run(&["revoke", "principal", "agent:a"]);
    lab.run(&["revoke", "agent", "agent:a", "--reason", "r"]);
    lab.run(&[
        "revoke",
        "principal",
        "agent:a",
        "--reason",
        "r",
        "--approver",
        "user:a",
    ]);
    lab.run(&[
        "revoke",
        "pass",
        "ap_00000000000000000000000000000000",
        "--reason",
        "r",
        "--home",
        "nowhere",
    ]);
    lab.check("revoke_refusals");
}

#[test]
fn a_trust_store_that_was_rolled_back_is_refused() {
    let mut lab = Lab::with_home();
    let action = "home/examples/allow.json";
    lab.pass(action, "pass.jwt");
    let trust = lab.path().join("home/trust.json");
    let before = std::fs::read(&trust).unwrap();
    lab.quiet(&["revoke", "principal", "agent:codex-prod", "--reason", "stolen"]);
    let newest = std::fs::read(&trust).unwrap();
    lab.file("home/trust.json", &before);
    let kid = lab.quiet(&["keys", "list", "--json"]).json()["keys"][1]["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let commands: [&[&str]; 9] = [
        &["authorize", "--action", action],
        &["verify", "--token", "pass.jwt", "--action", action, "--consume"],
        &["revoke", "principal", "agent:other", "--reason", "test"],
        &["keys", "new"],
        &["keys", "rotate"],
        &["keys", "retire", &kid],
        &["trust", "add", "maintainer.jwk", "--use", "pass"],
        &["trust", "remove", &kid],
        &["ledger", "restored"],
    ];
    for command in commands {
        let ran = lab.try_run(&[command, &["--json"]].concat(), b"");
        assert_eq!(
            (ran.exit, ran.code().as_str()),
            (26, "trust_rolled_back"),
            "{command:?}"
        );
    }
    assert_eq!(std::fs::read(&trust).unwrap(), before);
    lab.run(&["authorize", "--action", action]);
    assert_eq!(lab.run(&["doctor"]).exit, 26);
    // Another file of the version that is known.
    let edited = String::from_utf8(newest.clone()).unwrap().replace("stolen", "strayed");
    lab.file("home/trust.json", edited.as_bytes());
    assert_eq!(lab.run(&["authorize", "--action", action]).exit, 26);
    lab.file("home/trust.json", &newest);
    lab.quiet(&["doctor"]);
    lab.check("revoke_rolled_back");
}
