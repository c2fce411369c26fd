//! `authorize` and `approve`.

use serde_json::Value;

use super::Transcript;
use crate::action::{ALLOW, DENY, STEP_UP};
use crate::home::{Home, ISSUER};

#[test]
fn authorize() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    for (action, exit) in [(ALLOW, 0), (STEP_UP, 11), (DENY, 10)] {
        let ran = transcript.run(&["authorize", "--action", action]);
        assert_eq!(ran.exit, exit);
        // stdout is data: the token and nothing else, or nothing.
        assert_eq!(ran.stdout.lines().count(), usize::from(exit == 0));
        let ran = transcript.run(&["authorize", "--action", action, "--json"]);
        assert_eq!((ran.exit, ran.json().get("pass").is_some()), (exit, exit == 0));
    }
    transcript.check("authorize");
}

#[test]
fn approval_turns_a_step_up_into_a_pass_once() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    home.approve_into("approval.jwt", STEP_UP);
    transcript.run(&["authorize", "--action", STEP_UP, "--approval", "approval.jwt"]);
    // Used up.
    let again = transcript.run(&["authorize", "--action", STEP_UP, "--approval", "approval.jwt", "--json"]);
    assert_eq!(
        (again.exit, again.json()["reasons"][0]["code"].as_str()),
        (11, Some("approval_already_used"))
    );
    // For another action it is worth nothing.
    home.approve_into("second.jwt", STEP_UP);
    let other = transcript.run(&["authorize", "--action", DENY, "--approval", "second.jwt"]);
    assert_eq!(other.exit, 10);
    transcript.check("authorize_approval");
}

#[test]
fn an_override_lifts_what_may_be_lifted() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
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
    let token = transcript
        .run(&[&args[..], &["--mode", "policy_override", "--rule", "github.protected"]].concat())
        .stdout;
    home.write("override.jwt", &token);
    home.approve_into("approval.jwt", DENY);
    let half = transcript.run(&["authorize", "--action", DENY, "--approval", "override.jwt"]);
    assert_eq!(half.exit, 11);
    let whole = transcript.run(&[
        "authorize",
        "--action",
        DENY,
        "--approval",
        "override.jwt",
        "--approval",
        "approval.jwt",
    ]);
    assert_eq!(whole.exit, 0);
    home.write("pass.jwt", &whole.stdout);
    assert_eq!(
        transcript
            .run(&["verify", "--token", "pass.jwt", "--action", DENY])
            .exit,
        0
    );
    transcript.check("authorize_override");
}

#[test]
fn authorize_refusals() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let action = home.read(ALLOW);
    home.write(
        "other_tenant.json",
        action.replace("org:example", "org:other").as_bytes(),
    );
    home.write(
        "colliding.json",
        action
            .replace("\"team\": \"ENG\",", "\"team\": \"ENG\", \"Team\": \"OPS\",")
            .as_bytes(),
    );
    home.write(
        "duplicate.json",
        action
            .replace("\"team\": \"ENG\",", "\"team\": \"ENG\", \"team\": \"OPS\",")
            .as_bytes(),
    );
    home.write("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","actionHash":"sha256:0000000000000000000000000000000000000000000000000000000000000000","facts":{}}"#);
    transcript.run(&["authorize", "--action", "other_tenant.json"]);
    transcript.run(&["authorize", "--action", "other_tenant.json", "--json"]);
    transcript.run(&["authorize", "--action", "colliding.json"]);
    transcript.run(&["authorize", "--action", "duplicate.json", "--json"]);
    transcript.run(&["authorize", "--action", ALLOW, "--facts", "facts.json"]);
    transcript.run(&["authorize", "--action", ALLOW, "--audience", "somebody-else"]);
    transcript.run_with(&["authorize", "--action", "-", "--facts", "-"], b"{}");
    transcript.run(&["authorize", "--action", "missing.json"]);
    transcript.run(&["authorize", "--action", ALLOW, "--home", "nowhere"]);
    transcript.run(&["authorize"]);
    transcript.run(&["authorize", "--json"]);
    transcript.check("authorize_refusals");
}

#[test]
fn one_id_never_has_two_passes() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let action = home.read(ALLOW);
    let with_id = action.replacen("\"tenant\"", "\"id\": \"run-7\", \"tenant\"", 1);
    home.write("one.json", &with_id);
    home.write("other.json", with_id.replace("Retry loop", "Another loop").as_bytes());
    home.write(
        "reworded.json",
        with_id.replace("File the follow-up", "Follow up").as_bytes(),
    );
    let first = transcript.run(&["authorize", "--action", "one.json", "--json"]).json();
    let again = transcript
        .run(&["authorize", "--action", "reworded.json", "--json"])
        .json();
    assert_eq!(first["pass"], again["pass"]);
    let other = transcript.run(&["authorize", "--action", "other.json", "--json"]);
    assert_eq!((other.exit, other.code().as_str()), (31, "action_id_reused"));
    home.write("pass.jwt", first["pass"]["token"].as_str().unwrap().as_bytes());
    assert_eq!(
        transcript
            .run(&["verify", "--token", "pass.jwt", "--action", "one.json", "--consume"])
            .exit,
        0
    );
    let used = transcript.run(&["authorize", "--action", "one.json"]);
    assert_eq!(used.exit, 24);
    transcript.check("authorize_twice");
}

#[test]
fn a_changed_policy_is_recorded_and_counts_at_once() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    assert_eq!(home.talk(["authorize", "--action", ALLOW]).exit, 0);
    home.write(
        "home/policy.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"closed\"\n",
    );
    assert_eq!(transcript.run(&["authorize", "--action", ALLOW]).exit, 10);
    transcript.run(&["ledger", "show", "--limit", "2"]);
    home.write(
        "home/policy.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"closed\"\n[[rules]]\n",
    );
    transcript.run(&["authorize", "--action", ALLOW]);
    transcript.check("authorize_policy_changed");
}

#[test]
fn approve() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
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
    transcript.run(&with(&["--yes"]));
    transcript.run(&with(&["--yes", "--json", "--expires", "2h", "--issuer", ISSUER]));
    // Nobody is there to ask.
    assert_eq!(transcript.run(&base).exit, 2);
    transcript.run(&with(&["--json"]));
    transcript.run(&with(&["--yes", "--home", "nowhere"]));
    transcript.run(&with(&["--yes", "--expires", "25h"]));
    transcript.run(&with(&["--yes", "--rule", "x"]));
    transcript.run(&with(&["--yes", "--mode", "policy_override"]));
    transcript.run(&[
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
    transcript.run(&[
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
    transcript.check("approve");
}

#[test]
fn what_an_approver_does_not_see_is_escaped() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let action = home.read(STEP_UP);
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
    home.write("hidden.json", &hidden);
    let args = [
        "approve",
        "--action",
        "hidden.json",
        "--key",
        "maintainer.pem",
        "--as",
        "user:maintainer@example.com",
    ];
    let ran = transcript.run(&[&args[..], &["--reason", "looks odd", "--yes"]].concat());
    assert!(
        !ran.stderr
            .chars()
            .any(|character| actionpass_model::is_hidden(character) && character != '\n')
    );
    transcript.check("approve_hidden");
}

#[test]
fn json_members_that_others_build_on() {
    let home = Home::with_approvers();
    let allowed = home.talk(["authorize", "--action", ALLOW, "--json"]).json();
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
    let denied = home.talk(["authorize", "--action", DENY, "--json"]).json();
    assert!(
        denied.get("pass").is_none() && denied.get("error").is_none(),
        "{denied}"
    );
}

#[test]
fn only_what_was_shown_is_called_shown() {
    let home = Home::with_approvers();
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
    let silent = home.talk([&args[..], &["--json"]].concat()).exits(0);
    assert_eq!(silent.stderr, "");
    assert!(silent.json()["approval"]["exp"].is_u64(), "{silent:?}");
    assert!(!silent.stdout.contains("\"shown\""), "{silent:?}");
    let told = home.talk(args).exits(0);
    assert!(told.stderr.contains("for 30 seconds\n"), "{told:?}");
    home.write("told.jwt", &told.stdout);
    let inspected = home.talk(["inspect", "told.jwt"]).exits(0).stdout;
    assert!(inspected.contains("\"shown\""), "{inspected}");
}

#[test]
fn messages_move_no_cursor() {
    let home = Home::with_approvers();
    let action = home.read(ALLOW);
    let member = action.replacen("\"tenant\"", "\"\\u001b]0;mine\\u0007\\nallow\": 1, \"tenant\"", 1);
    assert_ne!(member, action);
    home.write("member.json", &member);
    let policy = home.read("home/policy.toml");
    home.write(
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
        let ran = home.talk(command);
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
