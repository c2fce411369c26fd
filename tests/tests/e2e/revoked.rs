//! Revoking, rotating, retiring.

use serde_json::Value;

use crate::action::{ALLOW, STEP_UP};
use crate::home::{Home, ISSUER, MAINTAINER, jwk_file};

/// A home with a pass that the maintainer's approval got.
fn approved() -> (Home, String, String) {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(0);
    let pass = home.write_pass(&decided);
    home.verify(&pass, STEP_UP).exits(0);
    (home, pass, approval.trim_end_matches(".jwt").to_owned())
}

fn revoke(home: &Home, kind: &str, id: &str) {
    home.run(["revoke", kind, id, "--reason", "the test says so"]).exits(0);
    let records = home.records();
    let body = &records.last().unwrap()["body"];
    assert_eq!(body["revocation"]["target"]["id"].as_str(), Some(id), "{body}");
}

/// The kid of the key that signs.
fn signing_kid(home: &Home) -> String {
    let keys = home.run(["keys", "list"]).exits(0).json()["keys"].take();
    let signing = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["signs"] == Value::Bool(true))
        .unwrap();
    signing["kid"].as_str().unwrap().to_owned()
}

/// The kid of the maintainer's key.
fn maintainer_kid(home: &Home) -> String {
    let keys = home.run(["keys", "list"]).exits(0).json()["keys"].take();
    let key = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["principal"] == MAINTAINER)
        .unwrap();
    key["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_pass() {
    let (home, pass, _) = approved();
    let other = home.pass(ALLOW);
    revoke(&home, "pass", pass.trim_end_matches(".jwt"));
    home.verify(&pass, STEP_UP).refuses(23, &["pass_revoked"]);
    home.run(["verify", "--token", &pass, "--action", STEP_UP, "--consume"])
        .refuses(23, &["pass_revoked"]);
    home.verify(&other, ALLOW).exits(0);
}

#[test]
fn an_approval() {
    let (home, pass, approval) = approved();
    let other = home.pass(ALLOW);
    revoke(&home, "approval", &approval);
    home.verify(&pass, STEP_UP).refuses(23, &["approval_revoked"]);
    home.verify(&other, ALLOW).exits(0);
}

/// An approval that was revoked before it was used turns nothing.
#[test]
fn an_approval_before_its_use() {
    let home = Home::with_maintainer();
    let approval = home.approve(STEP_UP);
    let id = approval.trim_end_matches(".jwt");
    let revoked = [
        "revoke",
        "approval",
        id,
        "--approver",
        MAINTAINER,
        "--reason",
        "changed my mind",
    ];
    home.run(revoked).exits(0);
    let decided = home
        .run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(11);
    assert!(
        decided.reasons().contains(&"approval_revoked".to_owned()),
        "{decided:?}"
    );
}

#[test]
fn a_signing_key() {
    let (home, pass, _) = approved();
    let kid = signing_kid(&home);
    revoke(&home, "key", &kid);
    home.verify(&pass, STEP_UP).refuses(23, &["key_revoked"]);
    // It issues nothing any more, and never comes back.
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "signing_key_revoked");
    let file = format!("home/keys/pass-{kid}.pem");
    let copy = home.write("copy.pem", home.read(&file));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(home.path(&copy), mode).unwrap();
    let imported = home.run(["keys", "import", &copy]);
    assert_ne!(imported.exit, 0, "{imported:?}");
}

#[test]
fn a_revoked_key_is_never_believed_again() {
    let (home, _, _) = approved();
    let kid = maintainer_kid(&home);
    revoke(&home, "key", &kid);
    home.run(["trust", "remove", &kid]);
    let jwk = jwk_file(MAINTAINER);
    home.run(["trust", "add", &jwk, "--use", "approval", "--principal", MAINTAINER])
        .fails(31, "key_was_revoked");
}

#[test]
fn an_approvers_key() {
    let (home, pass, _) = approved();
    let other = home.pass(ALLOW);
    let kid = maintainer_kid(&home);
    revoke(&home, "key", &kid);
    home.verify(&pass, STEP_UP).refuses(23, &["approval_revoked"]);
    home.verify(&other, ALLOW).exits(0);
    let approval = home.approve(STEP_UP);
    home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
        .exits(11);
}

#[test]
fn a_principal_wherever_it_stands() {
    for (principal, codes) in [
        ("agent:codex-prod", ["principal_revoked"].as_slice()),
        ("user:owner@example.com", &["principal_revoked"]),
        ("runtime:codex-cli", &["principal_revoked"]),
        ("org:example", &["principal_revoked"]),
        (MAINTAINER, &["approval_revoked"]),
    ] {
        let (home, pass, _) = approved();
        revoke(&home, "principal", principal);
        home.verify(&pass, STEP_UP).refuses(23, codes);
        // Nor is anything allowed on that principal's behalf: denied, or still without an approval that counts.
        let approval = home.approve(STEP_UP);
        let expected = if principal == MAINTAINER { 11 } else { 10 };
        let decided = home
            .run(["authorize", "--action", STEP_UP, "--approval", &approval])
            .exits(expected);
        assert!(decided.stdout.contains(codes[0]), "{}", decided.stdout);
    }
}

#[test]
fn a_rotated_keys_old_passes_hold_and_a_revoked_keys_dont() {
    let home = Home::new();
    let (before, old) = (home.pass(ALLOW), signing_kid(&home));
    home.run(["keys", "rotate"]).exits(0);
    let (after, new) = (home.pass(ALLOW), signing_kid(&home));
    assert_ne!(old, new);
    home.verify(&before, ALLOW).exits(0);
    home.verify(&after, ALLOW).exits(0);
    // A second time, too: the comments of the configuration stay, and the key it names signs.
    home.run(["keys", "rotate", "--reason", "yearly"]).exits(0);
    home.run(["keys", "check"]).exits(0);
    home.verify(&home.pass(ALLOW), ALLOW).exits(0);

    revoke(&home, "key", &old);
    home.verify(&before, ALLOW).refuses(23, &["key_revoked"]);
    home.verify(&after, ALLOW).exits(0);
    home.run(["doctor"]).exits(0);
}

/// What an executor was handed before a revocation doesn't know of it: that is what the age limit is for.
#[test]
fn an_executor_learns_of_it_from_the_next_export() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let verify = |trust: &str, more: &[&str]| {
        let stated = [
            "--issuer",
            ISSUER,
            "--audience",
            "linear.issues.create",
            "--tenant",
            "org:example",
        ];
        let what = ["verify", "--token", &pass, "--action", ALLOW, "--trust", trust];
        home.run([&what[..], &stated, more].concat())
    };
    let old = home.write("old.json", home.talk(["trust", "export"]).exits(0).stdout);
    revoke(&home, "pass", pass.trim_end_matches(".jwt"));
    let new = home.write("new.json", home.talk(["trust", "export"]).exits(0).stdout);
    verify(&old, &[]).exits(0);
    verify(&new, &[]).refuses(23, &["pass_revoked"]);
}

/// A revocation may go once nothing that it revokes can be accepted any more, and an hour later, for clocks that differ.
#[test]
fn a_revocation_stays_longer_than_what_it_revokes() {
    let home = Home::with_maintainer();
    let pass = home.run(["authorize", "--action", ALLOW]).exits(0).pass_id();
    let approval = home.approve(STEP_UP);
    let approval = approval.strip_suffix(".jwt").unwrap();
    let kept = |what: &[&str]| {
        let revoked = home.run([what, &["--reason", "test"]].concat()).exits(0).json();
        let time = |name: &str| -> Option<actionpass_model::Timestamp> {
            Some(revoked["revocation"][name].as_str()?.parse().unwrap())
        };
        let end = time("expiresAt")?;
        Some(end.saturating_since(time("revokedAt").unwrap()).as_secs())
    };
    let hour = 3600;
    assert!(kept(&["revoke", "pass", &pass]).unwrap() >= 2 * hour);
    let approver = ["revoke", "approval", approval, "--approver", crate::home::MAINTAINER];
    assert!(kept(&approver).unwrap() >= 25 * hour);
    assert_eq!(kept(&["revoke", "principal", "agent:rogue"]), None);
}
