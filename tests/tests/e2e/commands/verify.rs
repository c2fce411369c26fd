//! `verify`: every code that a changed call, a changed time or a second use leads to.

use serde_json::Value;

use super::Transcript;
use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, ISSUER};

/// Everything that a verifier without a home states.
const STATED: [&str; 6] = [
    "--issuer",
    ISSUER,
    "--audience",
    "linear.issues.create",
    "--tenant",
    "org:example",
];

/// A home with a pass, and its trust store for whoever has no home.
fn passed() -> Home {
    let home = Home::with_approvers();
    home.pass_into("pass.jwt", ALLOW);
    let trust = home.talk(["trust", "export"]).exits(0).stdout;
    home.write("trust.json", &trust);
    home
}

#[test]
fn verify() {
    let home = passed();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["verify", "--token", "pass.jwt", "--action", ALLOW]);
    transcript.run(&["verify", "--token", "pass.jwt", "--action", ALLOW, "--json"]);
    let without = [
        "verify",
        "--token",
        "pass.jwt",
        "--action",
        ALLOW,
        "--trust",
        "trust.json",
        "--home",
        "nowhere",
    ];
    transcript.run(&[&without[..], &STATED].concat());
    home.write("payload.json", br#"{"team":"ENG","title":"Retry loop never gives up","description":"Seen while working on AXT-418: the loop has no limit."}"#);
    let parts = [
        "verify",
        "--token",
        "pass.jwt",
        "--tool",
        "linear.issues.create",
        "--resource",
        "team:ENG",
        "--payload",
        "payload.json",
    ];
    transcript.run(&parts);
    transcript.run(
        &[
            &parts[..],
            &["--agent", "agent:codex-prod", "--task", "AXT-418", "--json"],
        ]
        .concat(),
    );
    transcript.run(&[&parts[..], &["--agent", "agent:other", "--task", "AXT-1"]].concat());
    transcript.check("verify");
}

#[test]
fn every_changed_leaf_is_refused_with_its_code() {
    let home = Home::with_approvers();
    home.approve_into("approval.jwt", STEP_UP);
    let token = home
        .talk(["authorize", "--action", STEP_UP, "--approval", "approval.jwt"])
        .exits(0)
        .stdout;
    home.write("pass.jwt", &token);
    let action: Value = serde_json::from_slice(&std::fs::read(home.path(STEP_UP)).unwrap()).unwrap();
    let changes = [
        ("/tenant", "org:other", "tenant"),
        ("/actor/agent", "agent:other", "agent_mismatch"),
        ("/actor/humanOwner", "user:other", "human_owner_mismatch"),
        ("/actor/runtime", "runtime:other", "runtime_mismatch"),
        ("/intent/task", "AXT-1", "task_mismatch"),
        ("/capability/tool", "github.pull_requests.merge", "tool_mismatch"),
        ("/capability/resource", "repo:company/other", "resource_mismatch"),
        (
            "/capability/payload/title",
            "Fix the retry loop.",
            "payload_hash_mismatch",
        ),
        (
            "/capability/payload/files/0/path",
            "src/retry.tsx",
            "payload_hash_mismatch",
        ),
    ];
    for (pointer, value, code) in changes {
        let mut changed = action.clone();
        *changed.pointer_mut(pointer).unwrap() = value.into();
        home.write("changed.json", changed.to_string().as_bytes());
        let args = [
            "verify",
            "--token",
            "pass.jwt",
            "--action",
            "changed.json",
            "--audience",
            "github.pull_requests.create",
            "--json",
        ];
        let ran = home.talk(args);
        if code == "tenant" {
            // The verifier's tenant is its own, not the call's: stated otherwise, the pass is another tenant's.
            let ran = home.talk([&args[..], &["--tenant", "org:other"]].concat());
            assert_eq!(
                (ran.exit, ran.json()["codes"][0].as_str()),
                (21, Some("tenant_mismatch"))
            );
            continue;
        }
        assert_eq!(ran.exit, 21, "{pointer}: {ran:?}");
        assert_eq!(ran.json()["codes"], serde_json::json!([code]), "{pointer}");
    }
    let mut with_via = action.clone();
    with_via["actor"]["via"] = serde_json::json!(["agent:planner"]);
    with_via["toolDefinition"] =
        serde_json::json!({ "server": "mcp://x", "definitionHash": format!("sha256:{}", "0".repeat(64)) });
    home.write("changed.json", with_via.to_string().as_bytes());
    let codes = home
        .talk(["verify", "--token", "pass.jwt", "--action", "changed.json", "--json"])
        .json()["codes"]
        .clone();
    assert_eq!(
        codes,
        serde_json::json!(["via_mismatch", "server_mismatch", "definition_hash_mismatch"])
    );
    // What an approval or a pass doesn't cover may change: how it was worded, and which occurrence a verifier thinks it is.
    let mut reworded = action;
    reworded["intent"]["summary"] = "another wording".into();
    home.write("changed.json", reworded.to_string().as_bytes());
    assert_eq!(
        home.talk(["verify", "--token", "pass.jwt", "--action", "changed.json"])
            .exit,
        0
    );
}

#[test]
fn verify_refusals() {
    let home = passed();
    let mut transcript = Transcript::of(&home);
    let base = ["verify", "--token", "pass.jwt", "--action", ALLOW];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    assert_eq!(transcript.run(&with(&["--issuer", "https://other.example"])).exit, 21);
    assert_eq!(
        transcript
            .run(&with(&["--audience", "somebody", "--tenant", "org:other", "--json"]))
            .exit,
        21
    );
    assert_eq!(transcript.run(&with(&["--at", "2030-01-01T00:00:00Z"])).exit, 22);
    assert_eq!(
        transcript.run(&with(&["--at", "2020-01-01T00:00:00Z", "--json"])).exit,
        22
    );
    assert_eq!(
        transcript
            .run(&with(&["--at", "2030-01-01T00:00:00Z", "--max-revocations-age", "1h"]))
            .exit,
        22
    );
    assert_eq!(
        transcript
            .run(&with(&["--at", "2030-01-01T00:00:00Z", "--consume"]))
            .exit,
        2
    );
    assert_eq!(transcript.run(&with(&["--home", "nowhere"])).exit, 2);
    assert_eq!(
        transcript
            .run(&with(&["--home", "nowhere", "--trust", "trust.json", "--json"]))
            .exit,
        2
    );
    assert_eq!(transcript.run(&with(&["--trust", "missing.json"])).exit, 2);
    assert_eq!(transcript.run(&["verify", "--token", "pass.jwt"]).exit, 2);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "missing.jwt", "--action", ALLOW])
            .exit,
        2
    );
    assert_eq!(
        transcript
            .run_with(&["verify", "--token", "-", "--action", "-"], b"")
            .exit,
        2
    );
    transcript.check("verify_refusals");
}

#[test]
fn what_is_not_authentic_exits_20() {
    let home = passed();
    let mut transcript = Transcript::of(&home);
    let token = home.read("pass.jwt").trim().to_owned();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = Home::none();
    other.run(["init", "--issuer", ISSUER]).exits(0);
    let foreign = other.read(&other.pass(ALLOW));
    let cases = [
        ("token_malformed", "nonsense".to_owned()),
        ("token_malformed", format!("{token}=")),
        (
            "header_not_allowed",
            format!("eyJhbGciOiJub25lIn0.{}.", input.split_once('.').unwrap().1),
        ),
        ("key_unknown", foreign),
        ("signature_invalid", format!("{input}.{}", "A".repeat(signature.len()))),
    ];
    for (code, text) in cases {
        home.write("bad.jwt", &text);
        let ran = home.talk(["verify", "--token", "bad.jwt", "--action", ALLOW, "--json"]);
        assert_eq!((ran.exit, ran.json()["codes"][0].as_str()), (20, Some(code)), "{code}");
    }
    transcript.run(&["verify", "--token", "bad.jwt", "--action", ALLOW]);
    transcript.run(&["verify", "--token", "bad.jwt", "--action", ALLOW, "--json"]);
    home.approve_into("approval.jwt", STEP_UP);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "approval.jwt", "--action", STEP_UP])
            .exit,
        20
    );
    transcript.check("verify_not_authentic");
}

#[test]
fn a_pass_is_consumed_once() {
    let home = passed();
    let mut transcript = Transcript::of(&home);
    let consume = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
    assert_eq!(transcript.run(&consume).exit, 0);
    assert_eq!(transcript.run(&consume).exit, 24);
    assert_eq!(transcript.run(&[&consume[..], &["--json"]].concat()).exit, 24);
    // Verifying without consuming doesn't ask the replay store.
    assert_eq!(transcript.run(&consume[..5]).exit, 0);
    assert_eq!(transcript.run(&[&consume[..], &["--home", "nowhere"]].concat()).exit, 2);
    transcript.run(&["ledger", "show"]);
    transcript.check("verify_consume");
}

#[test]
fn obligations_need_an_executor_that_enforces_them() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let policy = r#"schema = "actionpass.policy.v1"
id = "duties"
[[rule]]
id = "all"
effect = "allow"
tool = "linear.issues.create"
obligations = [{ id = "redact", params = { fields = ["description"] } }]
"#;
    home.write("home/policy.toml", policy);
    home.pass_into("pass.jwt", ALLOW);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "pass.jwt", "--action", ALLOW])
            .exit,
        21
    );
    assert_eq!(
        transcript
            .run(&[
                "verify",
                "--token",
                "pass.jwt",
                "--action",
                ALLOW,
                "--enforces",
                "redact"
            ])
            .exit,
        0
    );
    transcript.check("verify_obligations");
}
