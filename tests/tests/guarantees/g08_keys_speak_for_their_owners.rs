//! G8: an unknown, misused or out-of-window key fails; a key speaks only for its issuer, principal and tenants.

use std::time::Duration;

use actionpass_crypto::Unverified;
use actionpass_model::{ApprovalClaims, KeyStatus, Tenants, Timestamp, TrustStore};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::tokens::Forgery;
use actionpass_testkit::{Testbed, tokens};
use actionpass_verify::{Trust, Verifier};
use serde_json::{Value, json};

use crate::common::{Checked, codes, failure};

/// Keys, and what becomes of a pass that they sign under their own id.
fn keys_are_kept_apart(verify: &dyn Fn(&str) -> Vec<String>) -> Checked {
    let expected = [
        (FixtureKey::ISSUER, vec![]),
        (FixtureKey::OTHER_ISSUER, vec!["issuer_mismatch"]),
        (FixtureKey::APPROVER, vec!["key_use_mismatch"]),
        (FixtureKey::STRANGER, vec!["key_unknown"]),
    ];
    for (key, codes) in expected {
        let token = tokens::sign(key, &fixtures::pass_claims(&fixtures::action()));
        let found = verify(&token);
        if found != codes {
            return Err(format!("{}: {found:?}", key.name()));
        }
    }
    Ok(())
}

fn verify(token: &str) -> Vec<String> {
    codes(Testbed::new().verify(token, &fixtures::action()))
}

/// What becomes of the fixture's pass under a changed trust store.
fn under(change: impl FnOnce(&mut TrustStore)) -> Vec<String> {
    let bed = Testbed::new();
    bed.trust().update(change);
    codes(bed.verify(fixtures::PASS, &fixtures::action()))
}

fn seconds_from_now(seconds: u64) -> Timestamp {
    fixtures::now().saturating_add(Duration::from_secs(seconds))
}

fn earlier(seconds: u64) -> Timestamp {
    fixtures::seconds().saturating_sub(seconds).to_timestamp()
}

#[test]
fn g08_each_key_signs_for_its_owner_and_use() {
    assert_eq!(keys_are_kept_apart(&verify), Ok(()));
}

#[test]
fn g08_the_check_finds_a_verifier_that_takes_any_known_key() {
    // It looks at the signature only.
    let careless = |token: &str| {
        let kid = Forgery::of(token);
        let known = FixtureKey::ALL
            .iter()
            .any(|key| *key != FixtureKey::STRANGER && kid.sign(*key) == token);
        if known {
            Vec::new()
        } else {
            vec!["key_unknown".to_owned()]
        }
    };
    assert!(keys_are_kept_apart(&careless).is_err());
}

#[test]
fn g08_no_key_signs_in_the_name_of_another() {
    let pass = Forgery::of(fixtures::PASS);
    for key in FixtureKey::ALL.iter().filter(|key| **key != FixtureKey::ISSUER) {
        assert_eq!(verify(&pass.sign(*key)), ["signature_invalid"], "{}", key.name());
    }
    let foreign = pass.with_header_member("kid", json!(FixtureKey::STRANGER.kid()));
    assert_eq!(verify(&foreign.sign(FixtureKey::ISSUER)), ["key_unknown"]);
}

/// Both issuers are trusted here, each for its own passes; the verifier asked for one.
#[test]
fn g08_a_pass_of_another_trusted_issuer_is_refused() {
    let mut claims = fixtures::pass_claims(&fixtures::action());
    claims.iss = fixtures::other_issuer();
    let token = tokens::sign(FixtureKey::OTHER_ISSUER, &claims);
    assert_eq!(verify(&token), ["issuer_mismatch"]);
    let theirs = Testbed::new()
        .with_verifier(|_| Verifier::new(fixtures::other_issuer(), fixtures::audience(), fixtures::tenant()));
    assert_eq!(codes(theirs.verify(&token, &fixtures::action())), Vec::<String>::new());
}

#[test]
fn g08_only_within_its_time() {
    let window = |start: Option<Timestamp>, end: Option<Timestamp>| {
        under(|trust| {
            trust.keys[0].not_before = start;
            trust.keys[0].not_after = end;
        })
    };
    assert_eq!(
        window(Some(fixtures::now()), Some(fixtures::now())),
        Vec::<String>::new()
    );
    assert_eq!(window(Some(seconds_from_now(1)), None), ["key_not_valid"]);
    assert_eq!(window(None, Some(earlier(1))), ["key_not_valid"]);
    // What a key signed before it was retired holds until it expires.
    let retired = under(|trust| {
        trust.keys[0].status = KeyStatus::Retired;
        trust.keys[0].not_after = Some(seconds_from_now(1));
    });
    assert_eq!(retired, Vec::<String>::new());
}

#[test]
fn g08_only_for_its_issuer_and_tenants() {
    assert_eq!(
        under(|trust| trust.keys[0].issuer = Some(fixtures::other_issuer())),
        ["issuer_mismatch"]
    );
    assert_eq!(
        under(|trust| trust.keys[0].tenants = Tenants::Only(vec![fixtures::other_tenant()])),
        ["tenant_mismatch"]
    );
    assert_eq!(
        under(|trust| trust.keys[0].tenants = Tenants::Only(vec![fixtures::tenant()])),
        Vec::<String>::new()
    );
    assert_eq!(under(|trust| trust.keys.clear()), ["key_unknown"]);
}

#[test]
fn g08_an_approval_is_no_pass_and_a_pass_no_approval() {
    assert_eq!(verify(fixtures::APPROVAL), ["type_mismatch"]);
    let relabelled = Forgery::of(fixtures::APPROVAL).with_header_member("typ", json!("actionpass+jwt"));
    assert_eq!(verify(&relabelled.sign(FixtureKey::APPROVER)), ["key_use_mismatch"]);
    let resigned = relabelled.with_header_member("kid", json!(FixtureKey::ISSUER.kid()));
    assert_eq!(verify(&resigned.sign(FixtureKey::ISSUER)), ["claims_malformed"]);
}

/// A threshold of signatures that nobody counts, and keys that sign what nobody asks for, say something that isn't so.
#[test]
fn g08_a_trust_store_that_relies_on_what_is_not_enforced_is_refused() {
    let code = |change: fn(&mut Value)| {
        let mut trust = serde_json::to_value(fixtures::trust_store()).unwrap();
        change(&mut trust);
        Trust::parse(trust.to_string().as_bytes())
            .err()
            .map(|error| error.code().to_string())
    };
    fn with_key(trust: &mut Value, key_use: &str, owner: Value) {
        let mut key = serde_json::to_value(fixtures::pass_key(FixtureKey::LEDGER, fixtures::issuer())).unwrap();
        let members = key.as_object_mut().unwrap();
        members.remove("issuer");
        members.insert("use".to_owned(), key_use.into());
        members.extend(owner.as_object().unwrap().clone());
        trust["keys"].as_array_mut().unwrap().push(key);
    }
    let unenforced: [fn(&mut Value); 3] = [
        |trust| trust["roots"] = json!({ "threshold": 1 }),
        |trust| with_key(trust, "root", json!({})),
        |trust| with_key(trust, "revocation", json!({ "issuer": fixtures::issuer() })),
    ];
    for change in unenforced {
        assert_eq!(code(change).as_deref(), Some("trust_use_unenforced"));
    }
    let enforced: [fn(&mut Value); 2] = [
        |trust| with_key(trust, "pass", json!({ "issuer": fixtures::issuer() })),
        |trust| with_key(trust, "ledger", json!({ "origin": fixtures::origin() })),
    ];
    for change in enforced {
        assert_eq!(code(change), None);
    }
}

/// A ledger key of the very issuer whose pass it signs, and of everybody's trust.
#[test]
fn g08_a_key_for_checkpoints_signs_neither_passes_nor_approvals() {
    let (bed, action) = (Testbed::new(), fixtures::action());
    bed.trust().update(|trust| {
        trust
            .keys
            .push(FixtureKey::LEDGER.public_key().ledger_key_of(&fixtures::origin()));
    });
    let pass = tokens::sign(FixtureKey::LEDGER, &fixtures::pass_claims(&action));
    assert_eq!(codes(bed.verify(&pass, &action)), ["key_use_mismatch"]);

    let mut trust = fixtures::trust_store();
    trust
        .keys
        .push(FixtureKey::LEDGER.public_key().ledger_key_of(&fixtures::origin()));
    let trust = Trust::parse(&serde_json::to_vec(&trust).unwrap()).unwrap();
    let approval = tokens::sign(FixtureKey::LEDGER, &fixtures::approval_claims(&action));
    let refused = Unverified::<ApprovalClaims>::parse(&approval)
        .unwrap()
        .verify(trust.keyring());
    assert_eq!(refused.unwrap_err().code(), "key_use_mismatch");
}

#[test]
fn g08_an_issuer_does_not_start_with_a_key_that_verifiers_refuse() {
    let action = fixtures::demo_action();
    for key in [FixtureKey::OTHER_ISSUER, FixtureKey::APPROVER, FixtureKey::STRANGER] {
        let bed = Testbed::new().with_signer(key.signer());
        assert_eq!(failure(bed.authorize(&action)), "signer_not_trusted", "{}", key.name());
    }
    fn retire(trust: &mut TrustStore) {
        trust.keys[0].status = KeyStatus::Retired;
        trust.keys[0].not_after = Some(seconds_from_now(60));
    }
    type Change = fn(&mut TrustStore);
    let changes: [(Change, &str); 5] = [
        (retire, "signing_key_retired"),
        (
            |trust| {
                retire(trust);
                trust.keys[0].superseded_by = Some(FixtureKey::STRANGER.kid());
            },
            "signing_key_superseded",
        ),
        (|trust| trust.keys[0].status = KeyStatus::Revoked, "signing_key_revoked"),
        (
            |trust| trust.keys[0].not_before = Some(seconds_from_now(60)),
            "signer_not_trusted",
        ),
        (
            |trust| trust.keys[0].not_after = Some(earlier(60)),
            "signer_not_trusted",
        ),
    ];
    for (change, code) in changes {
        let bed = Testbed::new();
        bed.trust().update(change);
        assert_eq!(failure(bed.authorize(&action)), code);
    }
}

#[test]
fn g08_headers_choose_no_key_and_no_algorithm() {
    let pass = Forgery::of(fixtures::PASS);
    let header = |name: &str, value| pass.clone().with_header_member(name, value).sign(FixtureKey::ISSUER);
    let jwk = json!(FixtureKey::ISSUER.public_key().to_jwk());
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        assert_eq!(verify(&header(name, value)), ["header_not_allowed"], "{name}");
    }
    for name in ["alg", "kid", "typ"] {
        assert_eq!(
            verify(&header(name, serde_json::Value::Null)),
            ["header_not_allowed"],
            "{name}"
        );
    }
    for algorithm in ["none", "HS256", "ES384", "es256", "ES256 "] {
        assert_eq!(
            verify(&header("alg", json!(algorithm))),
            ["algorithm_mismatch"],
            "{algorithm}"
        );
    }
    for typ in [
        "JWT",
        "ActionPass+jwt",
        "application/actionpass+jwt",
        "actionpass-approval+jwt",
    ] {
        assert_eq!(verify(&header("typ", json!(typ))), ["type_mismatch"], "{typ}");
    }
    let twice = format!(
        r#"{{"alg":"ES256","alg":"ES256","kid":"{}","typ":"actionpass+jwt"}}"#,
        FixtureKey::ISSUER.kid()
    );
    assert_eq!(
        verify(&pass.with_header(twice).sign(FixtureKey::ISSUER)),
        ["header_not_allowed"]
    );
}
