//! Keys over their life: made, named, rotated under load, taken over from elsewhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use actionpass_crypto::{Signer, SoftwareKey};
use serde_json::{Value, json};

use crate::action::ALLOW;
use crate::home::{Home, ISSUER, MAINTAINER};

/// The keys of the trust store, as `keys list` has them.
fn keys(home: &Home) -> Vec<Value> {
    match home.run(["keys", "list"]).exits(0).json()["keys"].take() {
        Value::Array(keys) => keys,
        other => panic!("no list: {other}"),
    }
}

fn signing(home: &Home) -> Value {
    keys(home).into_iter().find(|key| key["signs"] == true).unwrap()
}

/// One key id in 64 starts with a hyphen, which looks like an option.
#[test]
fn a_kid_that_looks_like_an_option_is_a_kid() {
    let home = Home::new();
    let key = loop {
        let key = SoftwareKey::generate().unwrap();
        if key.public_key().kid().as_str().starts_with('-') {
            break key;
        }
    };
    let kid = key.public_key().kid().as_str();
    let jwk = home.write("key.jwk", serde_json::to_string(&key.public_key().to_jwk()).unwrap());
    let add = [
        "trust",
        "add",
        &jwk,
        "--use",
        "approval",
        "--principal",
        MAINTAINER,
        "--pin",
        kid,
    ];
    home.run(add).exits(0);
    home.run(["keys", "export", "--kid", kid, "--jwks"]).exits(0);
    home.run(["keys", "export", "--pem", "--kid", kid]).exits(0);
    home.run(["keys", "retire", kid, "--reason", "r"]).exits(0);
    home.run(["trust", "remove", kid]).exits(0);
    home.run(["revoke", "key", kid, "--reason", "r"]).exits(0);
    home.run(add).fails(31, "key_was_revoked");
}

#[test]
fn every_algorithm_signs_passes_and_approvals() {
    for alg in ["ES256", "ES384", "Ed25519"] {
        let home = Home::new();
        home.run(["keys", "rotate", "--alg", alg]).exits(0);
        let key = signing(&home);
        assert_eq!(
            (key["alg"].as_str(), key["jwk"]["alg"].as_str()),
            (Some(alg), Some(alg))
        );
        // The next one is of the same algorithm unless told otherwise.
        home.run(["keys", "rotate"]).exits(0);
        assert_eq!(signing(&home)["alg"], alg);
        let new = home
            .run(["keys", "new", "--alg", alg, "--out", "maya.pem"])
            .exits(0)
            .json();
        let jwk = home.write("maya.jwk", new["jwk"].to_string());
        let purpose = ["--use", "approval", "--principal", MAINTAINER, "--role", "maintainer"];
        home.run([&["trust", "add", &jwk], &purpose[..]].concat()).exits(0);
        let step_up = crate::action::STEP_UP;
        let approve = ["--key", "maya.pem", "--as", MAINTAINER, "--reason", "read it", "--yes"];
        let approved = home
            .run([&["approve", "--action", step_up], &approve[..]].concat())
            .exits(0);
        let approval = home.write("approval.jwt", approved.json()["token"].as_str().unwrap());
        let decided = home
            .run(["authorize", "--action", step_up, "--approval", &approval])
            .exits(0);
        let pass = home.write_pass(&decided);
        home.verify(&pass, step_up).exits(0);
        home.verify(&pass, ALLOW).exits(21);
    }
}

/// Passes are issued and verified throughout two rotations: none fails, and none is of the old key afterwards.
#[test]
fn rotation_under_load() {
    let home = Home::new();
    let is_over = AtomicBool::new(false);
    let (issued, rotated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let pass = home.pass(ALLOW);
                    home.verify(&pass, ALLOW).exits(0);
                    issued.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let wait = |passes: usize| {
            let enough = issued.load(Ordering::SeqCst) + passes;
            while issued.load(Ordering::SeqCst) < enough {
                assert!(!is_over.load(Ordering::SeqCst));
                thread::sleep(std::time::Duration::from_millis(5));
            }
        };
        // Should anything fail here, the others must not go on for ever.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..2 {
                wait(4);
                let old = signing(&home)["kid"].take();
                home.run(["keys", "rotate", "--reason", "yearly"]).exits(0);
                rotated.fetch_add(1, Ordering::SeqCst);
                // What begins after the rotation is signed by the new key.
                let decided = home.run(["authorize", "--action", ALLOW]).exits(0).json();
                let record = decided["record"]["seq"].as_u64().unwrap();
                let records = home.records();
                let after = records.iter().filter(|it| it["seq"].as_u64().unwrap() >= record);
                for record in after.filter(|record| record["kind"] == "decision") {
                    assert_ne!(record["body"]["pass"]["kid"], old, "{record}");
                }
                wait(4);
            }
        }));
        is_over.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!(rotated.load(Ordering::SeqCst), 2);
    // In the ledger too: once a key is superseded, no later decision has a pass of it.
    let mut superseded = Vec::new();
    for record in home.records() {
        let body = &record["body"];
        if record["kind"] == "key" && body["event"] == "rotated" {
            superseded.push(body["kid"].clone());
        }
        if let Some(kid) = body.get("pass").map(|pass| &pass["kid"]) {
            assert!(!superseded.contains(kid), "{record}");
        }
    }
    assert_eq!(superseded.len(), 2);
    assert_eq!(keys(&home).iter().filter(|key| key["status"] == "active").count(), 1);
}

#[test]
fn each_end_of_a_key_has_its_code() {
    let home = Home::new();
    let config = home.read("home/config.toml");
    let old = signing(&home)["kid"].as_str().unwrap().to_owned();
    let pass = home.pass(ALLOW);
    home.run(["keys", "rotate"]).exits(0);
    let rotated = home.read("home/config.toml");
    home.write("home/config.toml", &config);
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "signing_key_superseded");
    // Its passes hold.
    home.verify(&pass, ALLOW).exits(0);
    home.write("home/config.toml", &rotated);
    let new = home.run(["keys", "new"]).exits(0).json();
    home.run(["keys", "retire", new["kid"].as_str().unwrap()]).exits(0);
    let line = |uri: &str| {
        let key = rotated.lines().find(|line| line.starts_with("key = ")).unwrap();
        rotated.replace(key, &format!("key = {}", json!(uri)))
    };
    home.write("home/config.toml", line(new["key"].as_str().unwrap()));
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "signing_key_retired");
    home.run(["revoke", "key", &old, "--reason", "r"]).exits(0);
    home.write("home/config.toml", &config);
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "signing_key_revoked");
    home.verify(&pass, ALLOW).refuses(23, &["key_revoked"]);
}

#[test]
fn a_foreign_set_is_read_for_pinned_keys_only() {
    let home = Home::new();
    let [ours, other] = [0, 1].map(|_| SoftwareKey::generate().unwrap());
    let foreign = |key: &SoftwareKey, kid: &str| {
        let mut jwk = serde_json::to_value(key.public_key().to_jwk()).unwrap();
        jwk["kid"] = kid.into();
        jwk
    };
    let rsa = json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "old" });
    let set = json!({ "keys": [rsa, foreign(&other, "2026-10"), foreign(&ours, "2026-11")] });
    let set = home.write("jwks.json", set.to_string());
    let add = [
        "trust",
        "add",
        &set,
        "--use",
        "pass",
        "--issuer",
        "https://other.example",
    ];
    home.run(add).fails(2, "option_missing");
    let kid = ours.public_key().kid().as_str();
    home.run([&add[..], &["--pin", kid]].concat()).exits(0);
    let believed: Vec<_> = keys(&home)
        .into_iter()
        .filter(|key| key["issuer"] == "https://other.example")
        .collect();
    assert_eq!(believed.len(), 1);
    assert_eq!(believed[0]["kid"], kid);
    let stranger = SoftwareKey::generate().unwrap();
    let stranger = stranger.public_key().kid().as_str();
    home.run([&add[..], &["--pin", stranger]].concat())
        .fails(2, "key_missing");
    // A pin holds for a single key too.
    let jwk = home.write(
        "other.jwk",
        serde_json::to_string(&other.public_key().to_jwk()).unwrap(),
    );
    let add = ["trust", "add", &jwk, "--use", "pass", "--pin", kid];
    let swapped = home.run(add);
    assert_eq!(swapped.code(), "key_id_mismatch", "{swapped:?}");
}

/// The configuration says what keeps the passphrase, so that a service starts with nobody there.
#[test]
fn a_passphrase_is_kept_elsewhere() {
    let home = Home::new();
    let passphrase = home.write_secret("passphrase", "correct horse\n");
    home.run(["keys", "rotate", "--encrypt"])
        .fails(40, "key_passphrase_required");
    let place = format!("file:{}", home.path(&passphrase).display());
    home.run(["keys", "rotate", "--encrypt", "--passphrase-from", &place])
        .exits(0);
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "key_passphrase_required");
    let config = home.read("home/config.toml");
    let with = |place: &str| config.replace("[signing]", &format!("[signing]\npassphrase = {}", json!(place)));
    home.write("home/config.toml", with(&place));
    home.pass(ALLOW);
    home.write("home/config.toml", with("file:/no/such/file"));
    home.run(["authorize", "--action", ALLOW]).fails(40, "secret_missing");
    home.write("home/config.toml", with("correct horse"));
    let refused = home.run(["authorize", "--action", ALLOW]);
    assert_eq!(refused.code(), "config_invalid");
    assert!(!refused.stdout.contains("correct horse"), "{refused:?}");
}

#[test]
fn keys_that_no_custodian_has() {
    let home = Home::new();
    home.run(["keys", "new", "--key", "yubikey:9c"])
        .fails(2, "key_scheme_unknown");
    home.run(["keys", "check", "--key", "file:"]).fails(2, "usage_invalid");
    home.run(["keys", "new", "--key", "env:HOME"])
        .fails(40, "custodian_generates_none");
    home.run(["keys", "rotate", "--to", "env:NOT_SET"])
        .fails(40, "key_variable_missing");
    let before = home.records().len();
    home.run(["keys", "rotate", "--key", "yubikey:9c"])
        .fails(2, "key_scheme_unknown");
    assert_eq!(home.records().len(), before);
}

/// A revoked key verifies nothing, and its records are still weighed by when they were written.
#[test]
fn evidence_reasons_by_time() {
    let home = Home::new();
    home.pass(ALLOW);
    let old = signing(&home)["kid"].as_str().unwrap().to_owned();
    home.run(["keys", "rotate"]).exits(0);
    home.pass(ALLOW);
    let passes = |home: &Home| home.run(["ledger", "verify"]).exits(0).json()["passes"].take();
    assert_eq!(
        passes(&home)["byStanding"],
        json!({ "key_active": 1, "key_superseded": 1 })
    );
    assert_eq!(passes(&home)["doubtful"], json!([]));

    // Revoked now, and in other hands for as long as nobody knows earlier.
    home.run(["revoke", "key", &old, "--reason", "left behind"]).exits(0);
    assert_eq!(
        passes(&home)["byStanding"],
        json!({ "key_active": 1, "key_revoked_later": 1 })
    );

    let new = signing(&home)["kid"].as_str().unwrap().to_owned();
    let since = "2026-01-01T00:00:00Z";
    let revoke = [
        "revoke",
        "key",
        &new,
        "--reason",
        "stolen",
        "--compromised-since",
        since,
    ];
    home.run(revoke).exits(0);
    let found = passes(&home);
    assert_eq!(
        found["byStanding"],
        json!({ "key_in_doubt": 1, "key_revoked_later": 1 })
    );
    assert_eq!(found["doubtful"][0]["kid"], new);
    assert_eq!(found["doubtful"].as_array().unwrap().len(), 1);

    // An auditor weighs an export by a trust store that somebody handed on.
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let export = home.write("ledger.jsonl", export);
    let weigh = ["ledger", "verify", &export, "--trust", "home/trust.json"];
    assert_eq!(home.run(weigh).exits(0).json()["passes"], found);
    assert!(home.run(["ledger", "verify", &export]).exits(0).json()["passes"].is_null());
    // Keys of somebody else speak for nobody here.
    let trust = home.read("home/trust.json").replace(ISSUER, "https://other.example");
    let foreign = home.write("foreign.json", trust);
    let weighed = home
        .run(["ledger", "verify", &export, "--trust", &foreign])
        .exits(0)
        .json();
    assert_eq!(weighed["passes"]["byStanding"], json!({ "key_not_in_store": 2 }));
}

/// A key that a command names was there before: whatever goes wrong, its file stays.
#[test]
fn rotating_to_a_key_never_takes_its_file_away() {
    let home = Home::new();
    let signing = signing(&home);
    let uri = format!("file:{}", signing["file"].as_str().unwrap());
    home.run(["keys", "rotate", "--to", &uri]).fails(31, "key_exists");
    home.pass(ALLOW);
    let made = home.run(["keys", "new", "--out", "maya.pem"]).exits(0).json();
    let jwk = home.write("maya.jwk", made["jwk"].to_string());
    home.run(["trust", "add", &jwk, "--use", "approval", "--principal", MAINTAINER])
        .exits(0);
    let own = home.path("maya.pem");
    home.run(["keys", "rotate", "--to", &format!("file:{}", own.display())])
        .fails(31, "key_exists");
    assert!(own.exists());
}

/// A key whose file doesn't say its kid is retired all the same.
#[test]
fn an_encrypted_key_of_any_name_is_retired() {
    let home = Home::new();
    home.write_secret("passphrase", "correct horse\n");
    let with = ["--passphrase-file", "passphrase"];
    let new = ["keys", "new", "--out", "own.pem", "--encrypt"];
    let own = home.run([&new, &with[..]].concat()).exits(0).json()["kid"].take();
    let uri = format!("file:{}", home.path("own.pem").display());
    home.run([&["keys", "rotate", "--to", &uri], &with[..]].concat())
        .exits(0);
    let rotated = home.run([&["keys", "rotate"], &with[..]].concat()).exits(0).json();
    assert_eq!(rotated["retired"], own);
}

/// The next key is added ahead of time, so that executors know it before its first pass.
#[test]
fn a_key_that_is_believed_already_takes_over() {
    let home = Home::new();
    let old = signing(&home)["kid"].take();
    let next = home.run(["keys", "new"]).exits(0).json();
    let rotated = home
        .run(["keys", "rotate", "--to", next["key"].as_str().unwrap()])
        .exits(0)
        .json();
    assert_eq!((&rotated["kid"], &rotated["retired"]), (&next["kid"], &old));
    assert_eq!(signing(&home)["kid"], next["kid"]);
    home.pass(ALLOW);
}
