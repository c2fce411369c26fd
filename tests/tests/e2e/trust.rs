//! The trust store as a file that people write, hand on and come back to.

use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::tokens::Forgery;
use serde_json::{Value, json};

use crate::action::{ALLOW, STEP_UP, read, with_id};
use crate::home::{Home, ISSUER, MAINTAINER, jwk_file};

const TRUST: &str = "home/trust.json";
const SECOND: &str = "org:two";

fn trust(home: &Home) -> Value {
    read(home, TRUST)
}

/// Verifies the pass of `ALLOW` with a trust store that the command line names.
fn verify_with(home: &Home, pass: &str, trust: &str) -> crate::home::Ran {
    let stated = [
        "--issuer",
        ISSUER,
        "--audience",
        "linear.issues.create",
        "--tenant",
        "org:example",
    ];
    let what = ["verify", "--token", pass, "--action", ALLOW, "--trust", trust];
    home.run([&what[..], &stated].concat())
}

/// A threshold that nobody counts up to: the file that relies on it is refused wherever it is read.
#[test]
fn roots_are_refused_until_they_are_enforced() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let mut with_roots = trust(&home);
    with_roots["roots"] = json!({ "threshold": 2 });
    let file = home.write("roots.json", with_roots.to_string());
    verify_with(&home, &pass, &file).fails(31, "trust_use_unenforced");
    home.run(["trust", "check", &file]).fails(31, "trust_use_unenforced");
    home.write(TRUST, with_roots.to_string());
    for command in [
        &["authorize", "--action", ALLOW][..],
        &["verify", "--token", &pass, "--action", ALLOW],
        &["trust", "check"],
        &["trust", "show"],
        &["trust", "export"],
        &["trust", "refresh"],
        &["keys", "rotate"],
    ] {
        home.run(command).fails(31, "trust_use_unenforced");
    }
}

#[test]
fn uses_are_refused_until_they_are_enforced() {
    let home = Home::with_maintainer();
    let jwk = jwk_file(MAINTAINER);
    let before = home.read(TRUST);
    let keys = || std::fs::read_dir(home.path("home/keys")).unwrap().count();
    let made = keys();
    for key_use in ["root", "revocation"] {
        for command in [
            &["trust", "add", &jwk, "--use", key_use][..],
            &["keys", "new", "--use", key_use],
            &["keys", "new", "--use", key_use, "--out", "new.pem"],
            &["keys", "import", "maintainer.pem", "--use", key_use],
        ] {
            home.run(command).fails(31, "trust_use_unenforced");
        }
    }
    assert_eq!((home.read(TRUST), keys()), (before, made));
    assert!(!home.path("new.pem").exists());
}

/// Whoever sorts the file's members or pretty-prints it has changed nothing, for issuer and executor.
#[test]
fn a_file_that_is_spelt_otherwise_is_the_same_trust_store() {
    let home = Home::new();
    let pass = home.pass(ALLOW);
    let digest = |home: &Home| home.run(["trust", "check"]).exits(0).json()["digest"].take();
    let (before, value, text) = (digest(&home), trust(&home), home.read(TRUST));
    // Without white space, and every member in the order of its name.
    home.write(TRUST, value.to_string());
    assert_ne!(home.read(TRUST), text);
    assert!(value.to_string().find("\"keys\"") < value.to_string().find("\"schema\""));
    assert_eq!(digest(&home), before);
    assert_eq!(home.decisions().last().unwrap()["trust"]["digest"], before);
    home.run(["doctor"]).exits(0);
    home.pass(ALLOW);
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
        .exits(0);

    let mut other = value;
    other["expiresAt"] = json!("2126-01-01T00:00:00.000Z");
    home.write(TRUST, other.to_string());
    home.run(["authorize", "--action", ALLOW])
        .fails(26, "trust_rolled_back");
}

#[test]
fn refreshing_is_a_write_without_a_record() {
    let home = Home::new();
    let (before, records) = (trust(&home), home.records());
    let refreshed = home.run(["trust", "refresh"]).exits(0).json();
    let after = trust(&home);
    assert_eq!(refreshed["trust"]["version"], after["version"]);
    assert_eq!(
        after["version"].as_u64(),
        before["version"].as_u64().map(|version| version + 1)
    );
    assert_eq!(refreshed["revocationsAsOf"], after["revocationsAsOf"]);
    assert!(after["revocationsAsOf"].as_str() > before["revocationsAsOf"].as_str());
    assert_eq!(
        (&after["keys"], &after["revocations"]),
        (&before["keys"], &before["revocations"])
    );
    assert_eq!(home.records(), records);
    home.pass(ALLOW);
}

#[test]
fn a_principals_revocation_is_lifted_and_no_other() {
    let home = Home::new();
    let revoke = |kind: &str, id: &str| {
        let revoked = home.run(["revoke", kind, id, "--reason", "left its lane"]).exits(0);
        revoked.json()["revocation"]["id"].as_str().unwrap().to_owned()
    };
    let lift = |id: &str| home.run(["trust", "lift", id, "--reason", "it was a test", "--by", "user:maya"]);
    let agent = revoke("principal", "agent:codex-prod");
    let pass = revoke("pass", "ap_01920000000070008000000000000001");
    home.run(["authorize", "--action", ALLOW]).exits(10);
    lift(&pass).fails(31, "revocation_not_liftable");
    lift("rev_01920000000070008000000000000001").fails(2, "revocation_missing");

    let lifted = lift(&agent).exits(0).json();
    let expected = json!({ "revocation": agent, "reason": "it was a test", "by": "user:maya" });
    assert_eq!(lifted["lifted"], expected);
    let records = home.records();
    let last = records.last().unwrap();
    assert_eq!((&last["kind"], &last["body"]["lifted"]), (&json!("trust"), &expected));
    assert_eq!(last["body"]["trust"]["version"], lifted["trust"]["version"]);
    let allowed = home.pass(ALLOW);
    home.verify(&allowed, ALLOW).exits(0);
    // Later starts record neither it nor the revocation again.
    home.run(["trust", "refresh"]).exits(0);
    home.run(["trust", "refresh"]).exits(0);
    assert_eq!(home.records().len(), records.len() + 1);
    lift(&agent).fails(2, "revocation_missing");
}

/// Approvers choose the ids of their approvals. Whoever chooses somebody else's keeps nobody from revoking that one.
#[test]
fn an_approval_id_that_two_approvers_chose_asks_whose() {
    const MALLORY: &str = "user:mallory@example.com";
    let home = Home::with_maintainer();
    let jwk = serde_json::to_string(&FixtureKey::APPROVER.public_key().to_jwk()).unwrap();
    let jwk = home.write("mallory.jwk", jwk);
    let add = [
        "trust",
        "add",
        &jwk,
        "--use",
        "approval",
        "--principal",
        MALLORY,
        "--role",
        "maintainer",
    ];
    home.run(add).exits(0);

    let (hers, theirs) = (crate::action::id(1), crate::action::id(2));
    let (hers, theirs) = (with_id(&home, STEP_UP, &hers), with_id(&home, STEP_UP, &theirs));
    let approval = home.approve(&theirs);
    let id = approval.trim_end_matches(".jwt");
    let own = home.approve(&hers);
    let forged = Forgery::of(home.read(&own).trim_end())
        .with_header_member("kid", json!(FixtureKey::APPROVER.kid()))
        .with_claim(&["iss"], json!(MALLORY))
        .with_claim(&["jti"], json!(id))
        .sign(FixtureKey::APPROVER);
    let forged = home.write("forged.jwt", forged);
    home.run(["authorize", "--action", &hers, "--approval", &forged])
        .exits(0);
    let decided = home
        .run(["authorize", "--action", &theirs, "--approval", &approval])
        .exits(0);
    let pass = home.write_pass(&decided);

    let revoke = ["revoke", "approval", id, "--reason", "was tricked"];
    let refused = home.run(revoke).fails(2, "approver_ambiguous");
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(MALLORY) && message.contains(MAINTAINER), "{message}");
    home.verify(&pass, &theirs).exits(0);
    home.run([&revoke[..], &["--approver", MAINTAINER]].concat()).exits(0);
    home.verify(&pass, &theirs).refuses(23, &["approval_revoked"]);
}

/// A tenant that came into the configuration: nothing is signed for it before a key speaks for it.
#[test]
fn a_second_tenant_waits_for_a_rotation() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    let changed = config.replace(
        "tenants = [\"org:example\"]",
        "tenants = [\"org:example\", \"org:two\"]",
    );
    assert_ne!(changed, config);
    home.write("home/config.toml", changed);
    let of_second = home.read(ALLOW).replace("org:example", SECOND);
    let of_second = home.write("two.json", of_second);

    home.run(["authorize", "--action", &of_second])
        .fails(40, "signing_key_not_for_tenant");
    let denied = home.decisions().pop().unwrap();
    assert_eq!(denied["decision"], "deny");
    assert_eq!(denied["reasons"][0]["code"], "signing_key_not_for_tenant");
    home.pass(ALLOW);
    let doctor = home.run(["doctor"]).exits(40).json();
    let key = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "key");
    let key = key.unwrap();
    assert_eq!(key["code"], "signing_key_not_for_tenant");
    assert!(key["message"].as_str().unwrap().contains(SECOND), "{key}");

    home.run(["keys", "rotate"]).exits(0);
    home.run(["doctor"]).exits(0);
    for (action, tenant) in [(ALLOW, "org:example"), (&of_second, SECOND)] {
        let pass = home.pass(action);
        home.run(["verify", "--token", &pass, "--action", action, "--tenant", tenant])
            .exits(0);
    }
}

/// The records of keys say whose they are.
#[test]
fn records_of_keys_say_who() {
    let home = Home::with_maintainer();
    home.run(["keys", "rotate"]).exits(0);
    let keys: Vec<Value> = home
        .records()
        .into_iter()
        .filter(|record| record["kind"] == "key")
        .map(|mut record| record["body"].take())
        .collect();
    let said: Vec<_> = keys
        .iter()
        .map(|body| {
            (
                body["event"].clone(),
                body["owner"].clone(),
                body["roles"].clone(),
                body["tenants"].clone(),
            )
        })
        .collect();
    let of =
        |event: &str, owner: &str, roles: &[&str]| (json!(event), json!(owner), json!(roles), json!(["org:example"]));
    assert_eq!(
        said,
        [
            of("added", ISSUER, &[]),
            of("added", MAINTAINER, &["maintainer"]),
            of("added", ISSUER, &[]),
            of("rotated", ISSUER, &[]),
        ]
    );
}
