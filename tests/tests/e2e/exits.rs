//! The table of exit codes, a test for each.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::action::{self, ALLOW, DENY, STEP_UP};
use crate::home::{Home, ISSUER, MAINTAINER};

/// Something in base64url with another first character.
pub(crate) fn flip(text: &str) -> String {
    let first = if text.starts_with('A') { 'B' } else { 'A' };
    format!("{first}{}", &text[1..])
}

#[test]
fn exit_00_allowed_and_valid() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    home.verify(&pass, ALLOW).exits(0);
    home.talk(["--version"]).exits(0);
    home.talk(["--help"]).exits(0);
}

/// Whoever can't be told must not see a success.
#[test]
fn exit_01_internal() {
    let home = Home::new();
    for args in [
        &["canon", ALLOW][..],
        &["authorize", "--action", ALLOW],
        &["trust", "export"],
        &["ledger", "export"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = home.command(args).stdout(full).spawn().unwrap();
        home.finish(child).exits(1);
    }
}

#[test]
fn exit_02_usage() {
    let home = Home::new();
    home.run(["no-such-command"]).fails(2, "usage_invalid");
    home.run(["authorize"]).fails(2, "usage_invalid");
    home.run(["authorize", "--action", ALLOW, "--no-such-option"])
        .fails(2, "usage_invalid");
    home.run(["authorize", "--action", "no-such-file.json"])
        .fails(2, "file_unreadable");
    home.run(["verify", "--token", ALLOW, "--action", ALLOW, "--at", "0", "--consume"])
        .fails(2, "usage_invalid");
    home.run(["init"]).fails(2, "home_exists");
    home.run(["schema", "nothing"]).fails(2, "schema_unknown");
    // Nobody is there to be asked, and nobody said yes in advance.
    let key = crate::home::key_file(MAINTAINER);
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let approve = [
        "approve", "--action", STEP_UP, "--key", &key, "--as", MAINTAINER, "--reason", "x",
    ];
    home.run(approve).fails(2, "confirmation_required");
    home.run(["keys", "new", "--out", &key]).fails(2, "key_file_exists");
    Home::none().run(["authorize", "--action", "x"]).exits(2);
}

#[test]
fn exit_10_deny() {
    Home::new().run(["authorize", "--action", DENY]).exits(10);
}

#[test]
fn exit_11_step_up() {
    Home::new().run(["authorize", "--action", STEP_UP]).exits(11);
}

#[test]
fn exit_20_not_authentic() {
    let home = Home::new();
    let token = home.read(&home.pass(ALLOW));
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let verify = |token: &str| home.verify(&home.write("tried.jwt", token), ALLOW);
    verify(&token).exits(0);
    verify(&format!("{header}.{payload}.{}", flip(signature))).refuses(20, &["signature_invalid"]);
    verify(&format!("{header}.{payload}")).refuses(20, &["token_malformed"]);
    verify(&format!("{token}=")).refuses(20, &["token_malformed"]);
    verify(&format!("{token}.{signature}")).refuses(20, &["token_malformed"]);
    verify("").refuses(20, &["token_malformed"]);
    verify(&"A".repeat(100_000)).refuses(20, &["token_malformed"]);
    // An approval is no pass, though someone believed signed it.
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let approval = home.approve(ALLOW);
    home.verify(&approval, ALLOW).refuses(20, &["type_mismatch"]);
    // A pass of an issuer whose key nobody here believes, whatever issuer it names.
    let other = Home::none();
    other.run(["init", "--issuer", ISSUER]).exits(0);
    verify(&other.read(&other.pass(ALLOW))).refuses(20, &["key_unknown"]);
}

#[test]
fn exit_21_for_something_else() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    home.verify(&pass, DENY).exits(21);
    // Obligations that this executor doesn't enforce.
    let policy = home.read("home/policy.toml").replacen(
        "id = \"linear.create\"\neffect = \"allow\"",
        "id = \"linear.create\"\neffect = \"allow\"\nobligations = [{ id = \"redact\" }]",
        1,
    );
    home.write("home/policy.toml", policy);
    let pass = home.pass(ALLOW);
    home.verify(&pass, ALLOW).refuses(21, &["obligation_unsupported"]);
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--enforces", "redact"])
        .exits(0);
}

#[test]
fn exit_22_at_another_time() {
    let home = Home::new();
    let decided = home.run(["authorize", "--action", ALLOW]).exits(0);
    let pass = home.write_pass(&decided);
    let verify = |at: &str| home.run(["verify", "--token", &pass, "--action", ALLOW, "--at", at]);
    let expires = decided.json()["pass"]["expiresAt"].as_str().unwrap().to_owned();
    // 30 seconds of leeway at most.
    verify(&expires).exits(0);
    verify("2099-01-01T00:00:00Z").refuses(22, &["expired"]);
    verify("2000-01-01T00:00:00Z").refuses(22, &["not_yet_valid"]);
}

#[test]
fn exit_23_revoked() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    home.run(["revoke", "pass", pass.trim_end_matches(".jwt"), "--reason", "x"])
        .exits(0);
    home.verify(&pass, ALLOW).refuses(23, &["pass_revoked"]);
}

#[test]
fn exit_24_done_before() {
    let home = Home::new();
    let file = action::with_id(&home, ALLOW, &action::id(1));
    let pass = home.pass(&file);
    home.run(["verify", "--token", &pass, "--action", &file, "--consume"])
        .exits(0);
    home.run(["verify", "--token", &pass, "--action", &file, "--consume"])
        .refuses(24, &["already_used"]);
    home.run(["authorize", "--action", &file])
        .fails(24, "action_already_issued");
}

#[test]
fn exit_25_the_approval() {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let pass = home.write_pass(&decided);
    let mut trust: Value = serde_json::from_str(&home.read("home/trust.json")).unwrap();
    trust["keys"].as_array_mut().unwrap().retain(|key| key["use"] == "pass");
    let trust = home.write("without.json", trust.to_string());
    let verify = ["verify", "--token", &pass, "--action", STEP_UP, "--trust", &trust];
    home.run(verify).refuses(25, &["approval_key_unknown"]);
}

#[test]
fn exit_26_stale() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let mut trust: Value = serde_json::from_str(&home.read("home/trust.json")).unwrap();
    trust["expiresAt"] = json!("2026-01-01T00:00:00.000Z");
    trust["updatedAt"] = json!("2025-01-01T00:00:00.000Z");
    trust["revocationsAsOf"] = json!("2025-01-01T00:00:00.000Z");
    let expired = home.write("expired.json", trust.to_string());
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--trust", &expired])
        .refuses(26, &["trust_expired"]);
    trust.as_object_mut().unwrap().remove("expiresAt");
    let old = home.write("old.json", trust.to_string());
    let verify = ["verify", "--token", &pass, "--action", ALLOW, "--trust", &old];
    home.run(verify).exits(0);
    let aged = [&verify[..], &["--max-revocations-age", "1h"]].concat();
    home.run(aged).refuses(26, &["revocations_stale"]);
    home.run(["trust", "check", &expired]).fails(26, "trust_expired");
}

/// A replay store that is younger than the pass can't know whether it was used.
#[test]
fn exit_26_replay_state_lost() {
    let issuer = Home::new();
    let pass = issuer.read(&issuer.pass(ALLOW));
    // Times in tokens are whole seconds.
    thread::sleep(Duration::from_millis(1100));
    let executor = Home::none();
    executor.run(["init", "--issuer", ISSUER]).exits(0);
    executor.write("pass.jwt", pass);
    executor.write("trust.json", issuer.talk(["trust", "export"]).stdout);
    let verify = [
        "verify",
        "--token",
        "pass.jwt",
        "--action",
        ALLOW,
        "--trust",
        "trust.json",
    ];
    executor.run(verify).exits(0);
    executor
        .run([&verify[..], &["--consume"]].concat())
        .refuses(26, &["replay_state_lost"]);
}

#[test]
fn exit_30_ledger_broken() {
    let home = Home::new();
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let broken = home.write("broken.jsonl", export.replacen("added", "addex", 1));
    home.run(["ledger", "verify", &broken])
        .fails(30, "ledger_hash_mismatch");
}

#[test]
fn exit_31_input_refused() {
    let home = Home::new();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut action = action::read(&home, ALLOW);
        change(&mut action);
        home.write("changed.json", action.to_string())
    };
    let authorize = |file: String, code: &str| drop(home.run(["authorize", "--action", &file]).fails(31, code));
    authorize(home.write("text.json", "{\"a\":1,\"a\":2}"), "member_duplicate");
    authorize(home.write("text.json", "{}"), "schema_missing");
    authorize(
        changed(&|action| action["schema"] = json!("actionpass.action.v9")),
        "schema_unsupported",
    );
    authorize(changed(&|action| action["more"] = json!(1)), "member_unknown");
    authorize(changed(&|action| action["context"] = json!(null)), "member_invalid");
    authorize(changed(&|action| action["tenant"] = json!("example")), "member_invalid");
    authorize(
        changed(&|action| action["tenant"] = json!("org:nobody")),
        "caller_not_served",
    );
    authorize(
        changed(&|action| drop(action.as_object_mut().unwrap().remove("actor"))),
        "member_missing",
    );
    let other = ["authorize", "--action", ALLOW, "--audience", "somewhere-else"];
    home.run(other).fails(31, "audience_unknown");
    // A policy that would mean something else than its author thinks.
    let policy = home.write(
        "policy.toml",
        home.read("home/policy.toml").replacen("effect", "efect", 1),
    );
    home.run(["policy", "check", &policy]).exits(31);
}

#[test]
fn exit_40_custodian_or_store() {
    let home = Home::new();
    let keys = fs::read_dir(home.path("home/keys")).unwrap();
    let key = keys.map(|entry| entry.unwrap().path()).next().unwrap();
    let authorize = || home.run(["authorize", "--action", ALLOW]);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    authorize().fails(40, "key_file_permissions");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let moved = home.path("moved.pem");
    fs::rename(&key, &moved).unwrap();
    authorize().fails(40, "key_file_missing");
    // Somebody else's key in its place is no key of this issuer.
    home.run(["keys", "new", "--out", "other.pem"]).exits(0);
    fs::copy(home.path("other.pem"), &key).unwrap();
    authorize().fails(40, "signer_not_trusted");
    fs::rename(&moved, &key).unwrap();
    authorize().exits(0);
    fs::write(home.path("home/ledger.db"), "").unwrap();
    authorize().exits(40);
}

/// Where several apply, the smallest from 20 up.
#[test]
fn the_smallest_exit_counts() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    home.run(["revoke", "pass", pass.trim_end_matches(".jwt"), "--reason", "x"])
        .exits(0);
    let late = [
        "verify",
        "--token",
        &pass,
        "--action",
        ALLOW,
        "--at",
        "2099-01-01T00:00:00Z",
    ];
    home.run(late).refuses(22, &["expired", "pass_revoked"]);
    let mut other = action::read(&home, ALLOW);
    other["intent"]["task"] = json!("AXT-1");
    let other = home.write("other.json", other.to_string());
    let all = [
        "verify",
        "--token",
        &pass,
        "--action",
        &other,
        "--at",
        "2099-01-01T00:00:00Z",
    ];
    home.run(all).refuses(21, &["expired", "pass_revoked", "task_mismatch"]);
}
