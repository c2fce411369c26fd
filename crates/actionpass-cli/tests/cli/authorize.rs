//! `authorize` and `approve`.

use serde_json::Value;

use crate::lab::{ISSUER, Lab};

const ALLOW: &str = "home/examples/allow.json";
const STEP_UP: &str = "home/examples/step_up.json";
const DENY: &str = "home/examples/deny.json";

#[test]
fn authorize() {
    let mut lab = Lab::with_home();
    for (action, exit) in [(ALLOW, 0), (STEP_UP, 11), (DENY, 10)] {
        let ran = lab.run(&["authorize", "--action", action]);
        assert_eq!(ran.exit, exit);
        // stdout is data: the token and nothing else, or nothing.
        assert_eq!(ran.stdout.lines().count(), usize::from(exit == 0));
        let ran = lab.run(&["authorize", "--action", action, "--json"]);
        assert_eq!((ran.exit, ran.json().get("pass").is_some()), (exit, exit == 0));
    }
    lab.check("authorize");
}

#[test]
fn approval_turns_a_step_up_into_a_pass_once() {
    let mut lab = Lab::with_home();
    lab.approval(STEP_UP, "approval.jwt");
    lab.run(&["authorize", "--action", STEP_UP, "--approval", "approval.jwt"]);
    // Used up.
    let again = lab.run(&["authorize", "--action", STEP_UP, "--approval", "approval.jwt", "--json"]);
    assert_eq!(
        (again.exit, again.json()["reasons"][0]["code"].as_str()),
        (11, Some("approval_already_used"))
    );
    // For another action it is worth nothing.
    lab.approval(STEP_UP, "second.jwt");
    let other = lab.run(&["authorize", "--action", DENY, "--approval", "second.jwt"]);
    assert_eq!(other.exit, 10);
    lab.check("authorize_approval");
}

#[test]
fn an_override_lifts_what_may_be_lifted() {
    let mut lab = Lab::with_home();
    let args = [
        "approve",
        "--action",
        DENY,
        "--key",
        "officer.pem",
        "--as",
        "user:officer@example.com",
        "--reason",
        "incident 7",
        "--yes",
    ];
    let token = lab
        .run(&[&args[..], &["--mode", "policy_override", "--rule", "github.protected"]].concat())
        .stdout;
    lab.file("override.jwt", token.as_bytes());
    lab.approval(DENY, "approval.jwt");
    let half = lab.run(&["authorize", "--action", DENY, "--approval", "override.jwt"]);
    assert_eq!(half.exit, 11);
    let whole = lab.run(&[
        "authorize",
        "--action",
        DENY,
        "--approval",
        "override.jwt",
        "--approval",
        "approval.jwt",
    ]);
    assert_eq!(whole.exit, 0);
    lab.file("pass.jwt", whole.stdout.as_bytes());
    assert_eq!(lab.run(&["verify", "--token", "pass.jwt", "--action", DENY]).exit, 0);
    lab.check("authorize_override");
}

#[test]
fn authorize_refusals() {
    let mut lab = Lab::with_home();
    let action = std::fs::read_to_string(lab.path().join(ALLOW)).unwrap();
    lab.file(
        "other_tenant.json",
        action.replace("org:example", "org:other").as_bytes(),
    );
    lab.file(
        "colliding.json",
        action
            .replace("\"team\": \"ENG\",", "\"team\": \"ENG\", \"Team\": \"OPS\",")
            .as_bytes(),
    );
    lab.file(
        "duplicate.json",
        action
            .replace("\"team\": \"ENG\",", "\"team\": \"ENG\", \"team\": \"OPS\",")
            .as_bytes(),
    );
    lab.file("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","actionHash":"sha256:0000000000000000000000000000000000000000000000000000000000000000","facts":{}}"#);
    lab.run(&["authorize", "--action", "other_tenant.json"]);
    lab.run(&["authorize", "--action", "other_tenant.json", "--json"]);
    lab.run(&["authorize", "--action", "colliding.json"]);
    lab.run(&["authorize", "--action", "duplicate.json", "--json"]);
    lab.run(&["authorize", "--action", ALLOW, "--facts", "facts.json"]);
    lab.run(&["authorize", "--action", ALLOW, "--audience", "somebody-else"]);
    lab.run_with(&["authorize", "--action", "-", "--facts", "-"], b"{}");
    lab.run(&["authorize", "--action", "missing.json"]);
    lab.run(&["authorize", "--action", ALLOW, "--home", "nowhere"]);
    lab.run(&["authorize"]);
    lab.run(&["authorize", "--json"]);
    lab.check("authorize_refusals");
}

#[test]
fn one_id_never_has_two_passes() {
    let mut lab = Lab::with_home();
    let action = std::fs::read_to_string(lab.path().join(ALLOW)).unwrap();
    let with_id = action.replacen("\"tenant\"", "\"id\": \"run-7\", \"tenant\"", 1);
    lab.file("one.json", with_id.as_bytes());
    lab.file("other.json", with_id.replace("Retry loop", "Another loop").as_bytes());
    lab.file(
        "reworded.json",
        with_id.replace("File the follow-up", "Follow up").as_bytes(),
    );
    let first = lab.run(&["authorize", "--action", "one.json", "--json"]).json();
    let again = lab.run(&["authorize", "--action", "reworded.json", "--json"]).json();
    assert_eq!(first["pass"], again["pass"]);
    let other = lab.run(&["authorize", "--action", "other.json", "--json"]);
    assert_eq!((other.exit, other.code().as_str()), (31, "action_id_reused"));
    lab.file("pass.jwt", first["pass"]["token"].as_str().unwrap().as_bytes());
    assert_eq!(
        lab.run(&["verify", "--token", "pass.jwt", "--action", "one.json", "--consume"])
            .exit,
        0
    );
    let used = lab.run(&["authorize", "--action", "one.json"]);
    assert_eq!(used.exit, 24);
    lab.check("authorize_twice");
}

#[test]
fn a_changed_policy_is_recorded_and_counts_at_once() {
    let mut lab = Lab::with_home();
    assert_eq!(lab.try_run(&["authorize", "--action", ALLOW], b"").exit, 0);
    lab.file(
        "home/policy.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"closed\"\n",
    );
    assert_eq!(lab.run(&["authorize", "--action", ALLOW]).exit, 10);
    lab.run(&["ledger", "show", "--limit", "2"]);
    lab.file(
        "home/policy.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"closed\"\n[[rules]]\n",
    );
    lab.run(&["authorize", "--action", ALLOW]);
    lab.check("authorize_policy_changed");
}

#[test]
fn approve() {
    let mut lab = Lab::with_home();
    let base = [
        "approve",
        "--action",
        STEP_UP,
        "--key",
        "maintainer.pem",
        "--as",
        "user:maintainer@example.com",
        "--reason",
        "read it",
    ];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    lab.run(&with(&["--yes"]));
    lab.run(&with(&["--yes", "--json", "--expires", "2h", "--issuer", ISSUER]));
    // Nobody is there to ask.
    assert_eq!(lab.run(&base).exit, 2);
    lab.run(&with(&["--json"]));
    lab.run(&with(&["--yes", "--home", "nowhere"]));
    lab.run(&with(&["--yes", "--expires", "25h"]));
    lab.run(&with(&["--yes", "--rule", "x"]));
    lab.run(&with(&["--yes", "--mode", "policy_override"]));
    lab.run(&[
        "approve",
        "--action",
        STEP_UP,
        "--key",
        "missing.pem",
        "--as",
        "user:a",
        "--reason",
        "r",
        "--yes",
    ]);
    lab.run(&[
        "approve",
        "--action",
        STEP_UP,
        "--key",
        "maintainer.pem",
        "--as",
        "agent:a",
        "--reason",
        "r",
        "--yes",
    ]);
    lab.check("approve");
}

#[test]
fn what_an_approver_does_not_see_is_escaped() {
    let mut lab = Lab::with_home();
    let action = std::fs::read_to_string(lab.path().join(STEP_UP)).unwrap();
    let hidden = action
        .replace("Fix the retry loop", "Fix the retry loop\\u202e\\u200b")
        .replace(
            "Open a pull request for AXT-418",
            "harmless\\npayload, exactly this and nothing else:\\u2066",
        )
        .replacen(
            "\"tenant\"",
            "\"context\": { \"note\": \"approved by the CEO\\u202e\" }, \"tenant\"",
            1,
        );
    lab.file("hidden.json", hidden.as_bytes());
    let args = [
        "approve",
        "--action",
        "hidden.json",
        "--key",
        "maintainer.pem",
        "--as",
        "user:maintainer@example.com",
    ];
    let ran = lab.run(&[&args[..], &["--reason", "looks odd", "--yes"]].concat());
    assert!(
        !ran.stderr
            .chars()
            .any(|character| actionpass_model::is_hidden(character) && character != '\n')
    );
    lab.check("approve_hidden");
}

#[test]
fn json_members_that_others_build_on() {
    let lab = Lab::with_home();
    let allowed = lab.try_run(&["authorize", "--action", ALLOW, "--json"], b"").json();
    for pointer in [
        "/decision",
        "/reasons",
        "/required",
        "/actionId",
        "/actionHash",
        "/payloadHash",
        "/policy/digest",
        "/pass/id",
        "/pass/token",
        "/pass/expiresAt",
        "/record/seq",
        "/record/id",
        "/record/ledgerHash",
    ] {
        assert!(allowed.pointer(pointer).is_some(), "{pointer}: {allowed}");
    }
    assert_eq!(allowed["schema"], "actionpass.cli.authorize.v1");
    assert_eq!(allowed["required"], Value::Array(vec![]));
    let denied = lab.try_run(&["authorize", "--action", DENY, "--json"], b"").json();
    assert!(
        denied.get("pass").is_none() && denied.get("error").is_none(),
        "{denied}"
    );
}

#[test]
fn only_what_was_shown_is_called_shown() {
    let lab = Lab::with_home();
    let args = [
        "approve",
        "--action",
        STEP_UP,
        "--key",
        "maintainer.pem",
        "--as",
        "user:maintainer@example.com",
        "--reason",
        "read it",
        "--expires",
        "30s",
        "--yes",
    ];
    let silent = lab.quiet(&[&args[..], &["--json"]].concat());
    assert_eq!(silent.stderr, "");
    assert!(silent.json()["approval"]["exp"].is_u64(), "{silent:?}");
    assert!(!silent.stdout.contains("\"shown\""), "{silent:?}");
    let told = lab.quiet(&args);
    assert!(told.stderr.contains("for 30 seconds\n"), "{told:?}");
    lab.file("told.jwt", told.stdout.as_bytes());
    let inspected = lab.quiet(&["inspect", "told.jwt"]).stdout;
    assert!(inspected.contains("\"shown\""), "{inspected}");
}

#[test]
fn messages_move_no_cursor() {
    let lab = Lab::with_home();
    let action = std::fs::read_to_string(lab.path().join(ALLOW)).unwrap();
    let member = action.replacen("\"tenant\"", "\"\\u001b]0;mine\\u0007\\nallow\": 1, \"tenant\"", 1);
    assert_ne!(member, action);
    lab.file("member.json", member.as_bytes());
    let policy = std::fs::read_to_string(lab.path().join("home/policy.toml")).unwrap();
    lab.file(
        "policy.toml",
        ("\"\\u001b[2J\\nok\" = 1\n".to_owned() + &policy).as_bytes(),
    );
    let commands: [&[&str]; 5] = [
        &["authorize", "--action", "member.json"],
        &["canon", "a\u{1b}[31m\nb.json"],
        &["policy", "check", "policy.toml"],
        &["canon", "a.json", "\u{7}b\u{202e}\nallow"],
        &["authorize", "--action", ALLOW, "--home", "no\u{1b}[2J"],
    ];
    for command in commands {
        let ran = lab.try_run(command, b"");
        assert_ne!(ran.exit, 0, "{ran:?}");
        assert!(
            ran.stderr.contains("\\u{1b}") || ran.stderr.contains("\\u{202e}"),
            "{ran:?}"
        );
        for character in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!ran.stderr.contains(character), "{ran:?}");
        }
        assert!(
            ran.stderr
                .lines()
                .all(|line| !line.starts_with("allow") && !line.starts_with("ok")),
            "{ran:?}"
        );
    }
}
