//! G4: a pass verifies only for the payload it was issued for; changing any leaf fails.

use std::time::Duration;

use actionpass_canon::{BoundAction, sha256};
use actionpass_policy::{PolicyInput, Verdict};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::strategies::documents;
use actionpass_testkit::tokens::{Forgery, at, leaves};
use actionpass_testkit::{Testbed, fixtures, policies, tokens};
use actionpass_verify::Verifier;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Checked, action_json, changed, codes, records};

/// A verifier: a token and the action about to be executed, and what is wrong with it.
type Verify<'a> = &'a dyn Fn(&str, &BoundAction) -> Vec<String>;

/// What a leaf of an action is: another value for it, and the code that a verifier answers with if the binding
/// covers it.
fn leaf(path: &[String], value: &Value) -> (Value, Option<&'static str>) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["tenant"] => (json!("org:other"), Some("tenant_mismatch")),
        ["actor", "agent"] => (changed(value), Some("agent_mismatch")),
        ["actor", "humanOwner"] => (changed(value), Some("human_owner_mismatch")),
        ["actor", "runtime"] => (changed(value), Some("runtime_mismatch")),
        ["actor", "via", _] => (changed(value), Some("via_mismatch")),
        ["intent", "task"] => (changed(value), Some("task_mismatch")),
        ["capability", "tool"] => (changed(value), Some("tool_mismatch")),
        ["capability", "resource"] => (changed(value), Some("resource_mismatch")),
        ["capability", "payload", ..] => (changed(value), Some("payload_hash_mismatch")),
        ["toolDefinition", "server"] => (changed(value), Some("server_mismatch")),
        ["toolDefinition", "definitionHash"] => (json!(sha256(b"other")), Some("definition_hash_mismatch")),
        // How it was worded, and which occurrence it is.
        ["intent", "summary"] | ["context", ..] | ["id"] => (changed(value), None),
        other => panic!("an action has a leaf that this test doesn't know: {other:?}"),
    }
}

/// Walks every leaf of the action that the pass is for.
fn every_leaf_counts(token: &str, verify: Verify<'_>) -> Checked {
    let action = action_json();
    let mut walked = 0;
    for path in leaves(&action)
        .iter()
        .filter(|path| path.first().is_some_and(|name| name != "schema"))
    {
        let mut copy = action.clone();
        let place = at(&mut copy, path).unwrap();
        let (other, code) = leaf(path, place);
        *place = other;
        let found = verify(token, &fixtures::admit(&copy.to_string()));
        let expected: Vec<String> = code.into_iter().map(str::to_owned).collect();
        if found != expected {
            return Err(format!("{path:?}: {found:?} instead of {expected:?}"));
        }
        walked += 1;
    }
    if walked > 20 {
        Ok(())
    } else {
        Err(format!("only {walked} leaves"))
    }
}

/// Verifies as an executor of the action's tenant does.
fn verify(token: &str, action: &BoundAction) -> Vec<String> {
    let tenant = action.action().tenant.clone();
    let bed = Testbed::new().with_verifier(|_| Verifier::new(fixtures::issuer(), fixtures::audience(), tenant));
    codes(bed.verify(token, action))
}

#[test]
fn g04_any_changed_leaf_of_the_action_has_its_code() {
    assert_eq!(verify(fixtures::PASS, &fixtures::action()), Vec::<String>::new());
    assert_eq!(every_leaf_counts(fixtures::PASS, &verify), Ok(()));
    assert_eq!(every_leaf_counts(fixtures::PASS_WITH_APPROVAL, &verify), Ok(()));
}

/// The executor serves the pass's tenant, and what it is about to execute is another tenant's.
#[test]
fn g04_an_action_of_another_tenant_is_refused() {
    let mut action = action_json();
    action["tenant"] = json!(fixtures::other_tenant());
    let action = fixtures::admit(&action.to_string());
    assert_eq!(
        codes(Testbed::new().verify(fixtures::PASS, &action)),
        ["tenant_mismatch"]
    );
}

/// Each end of a pass's time is its own: when it begins, and how long the verifier lets one hold at most.
#[test]
fn g04_a_pass_holds_from_its_beginning_and_no_longer_than_the_verifier_says() {
    let signed = |begins_in: u64, lifetime: u64| {
        let mut claims = fixtures::pass_claims(&fixtures::action());
        claims.nbf = claims.iat.saturating_add(begins_in);
        claims.exp = claims.iat.saturating_add(lifetime);
        tokens::sign(FixtureKey::ISSUER, &claims)
    };
    let verify = |token: &str| {
        let two_minutes = Duration::from_secs(120);
        let bed = Testbed::new().with_verifier(|verifier| verifier.with_max_lifetime(two_minutes));
        codes(bed.verify(token, &fixtures::action()))
    };
    for (begins_in, lifetime, expected) in [
        (0, 120, &[][..]),
        (30, 120, &[]),
        (31, 120, &["not_yet_valid"]),
        (0, 121, &["lifetime_too_long"]),
        (119, 3600, &["not_yet_valid", "lifetime_too_long"]),
    ] {
        let found = verify(&signed(begins_in, lifetime));
        assert_eq!(found, expected, "from {begins_in} s for {lifetime} s");
    }
}

#[test]
fn g04_pass_and_record_name_the_facts_of_the_decision() {
    let (bed, action, facts) = (Testbed::new(), fixtures::demo_action(), fixtures::facts());
    let none = actionpass_canon::BoundFacts::none();
    assert_ne!(facts.hash(), none.hash());
    for (given, hash) in [(None, none.hash()), (Some(&facts), facts.hash())] {
        let allowed = bed.authorize_with(&action, given, &[]).unwrap();
        let pass = bed.verify(&allowed.pass.unwrap().token, &action).unwrap();
        assert_eq!(pass.claims().actionpass.facts_hash, hash);
        let record = records(&bed).pop().unwrap();
        assert_eq!(record.body.get()["factsHash"], json!(hash));
    }
}

#[test]
fn g04_policy_shortens_the_life_of_a_pass_and_never_lengthens_it() {
    let action = fixtures::demo_action();
    let lifetime = |said: Option<Duration>| {
        let policy = move |_: &PolicyInput<'_>| {
            let mut verdict = Verdict::allow(vec![policies::rule()], Vec::new());
            verdict.lifetime = said;
            verdict
        };
        let bed = Testbed::new()
            .with_policy(policies::Scripted::new("lifetime", policy))
            .with_config(|config| config.with_pass_lifetime(Duration::from_secs(300)));
        let pass = bed.verify(&bed.pass(&action), &action).unwrap();
        pass.claims().exp.get() - pass.claims().iat.get()
    };
    for (said, seconds) in [
        (None, 300),
        (Some(Duration::from_secs(60)), 60),
        (Some(Duration::from_secs(3600)), 300),
        (Some(Duration::from_millis(500)), 1),
        (Some(Duration::ZERO), 1),
    ] {
        assert_eq!(lifetime(said), seconds, "{said:?}");
    }
}

#[test]
fn g04_the_check_finds_a_verifier_that_skips_the_payload() {
    let skips_payload = |token: &str, action: &BoundAction| {
        let mut found = verify(token, action);
        found.retain(|code| code != "payload_hash_mismatch");
        found
    };
    assert!(every_leaf_counts(fixtures::PASS, &skips_payload).is_err());
    assert!(every_leaf_counts(fixtures::PASS, &|_, _| Vec::new()).is_err());
}

#[test]
fn g04_members_added_to_or_taken_from_the_payload_count() {
    let action = action_json();
    for pointer in [
        "/capability/payload",
        "/capability/payload/files/0",
        "/capability/payload/files",
    ] {
        let mut more = action.clone();
        let place = more.pointer_mut(pointer).unwrap();
        *place = changed(place);
        assert_eq!(
            verify(fixtures::PASS, &fixtures::admit(&more.to_string())),
            ["payload_hash_mismatch"],
            "{pointer}"
        );
    }
    for name in ["repo", "milestone", "files"] {
        let mut less = action.clone();
        less.pointer_mut("/capability/payload")
            .and_then(Value::as_object_mut)
            .unwrap()
            .remove(name);
        assert_eq!(
            verify(fixtures::PASS, &fixtures::admit(&less.to_string())),
            ["payload_hash_mismatch"],
            "{name}"
        );
    }
}

#[test]
fn g04_claims_that_the_issuer_did_not_sign_are_refused() {
    let forgery = Forgery::of(fixtures::PASS_WITH_APPROVAL);
    let signature = fixtures::PASS_WITH_APPROVAL.rsplit('.').next().unwrap();
    let claims = forgery.claims();
    for path in leaves(&claims) {
        let mut copy = claims.clone();
        let place = at(&mut copy, &path).unwrap();
        *place = changed(place);
        let input = forgery.clone().with_payload(copy.to_string()).signing_input();
        assert_eq!(
            verify(&format!("{input}.{signature}"), &fixtures::action()),
            ["signature_invalid"],
            "{path:?}"
        );
    }
}

/// Even an issuer's key can't sign a pass whose claims contradict each other or the call.
#[test]
fn g04_claims_are_compared_and_the_action_hash_rebuilt() {
    let other = json!(sha256(b"other"));
    let cases: [(&[&str], Value, &[&str]); 18] = [
        (&["iss"], json!("https://other-issuer.example"), &["issuer_mismatch"]),
        (
            &["sub"],
            json!("agent:other"),
            &["agent_mismatch", "action_hash_mismatch"],
        ),
        (&["aud"], json!("other"), &["audience_mismatch"]),
        (
            &["actionpass", "tenant"],
            json!("org:other"),
            &["tenant_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "humanOwner"],
            json!("user:other"),
            &["human_owner_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "runtime"],
            json!("runtime:other"),
            &["runtime_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "via"],
            json!([]),
            &["via_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "task"],
            json!("other"),
            &["task_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "tool"],
            json!("other"),
            &["tool_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "resource"],
            json!("repo:other"),
            &["resource_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "server"],
            json!("mcp://other"),
            &["server_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "definitionHash"],
            other.clone(),
            &["definition_hash_mismatch", "action_hash_mismatch"],
        ),
        (
            &["actionpass", "payloadHash"],
            other.clone(),
            &["payload_hash_mismatch", "action_hash_mismatch"],
        ),
        (&["actionpass", "actionHash"], other, &["action_hash_mismatch"]),
        (
            &["actionpass", "obligations"],
            json!([{ "id": "dry-run", "params": {} }]),
            &["obligation_unsupported"],
        ),
        (&["actionpass", "v"], json!(2), &["version_unsupported"]),
        (&["actionpass", "canon"], json!("jcs"), &["claims_malformed"]),
        (&["actionpass", "unheardOf"], json!(1), &["claims_malformed"]),
    ];
    for (path, value, expected) in cases {
        let token = Forgery::of(fixtures::PASS)
            .with_claim(path, value)
            .sign(FixtureKey::ISSUER);
        let found = codes(Testbed::new().verify(&token, &fixtures::action()));
        assert_eq!(found, expected, "{path:?}");
    }
}

#[test]
fn g04_any_flipped_bit_of_the_token_refuses_it() {
    let (bed, action) = (Testbed::new(), fixtures::action());
    for index in 0..fixtures::PASS.len() {
        for bit in [0x01, 0x20] {
            let mut bytes = fixtures::PASS.as_bytes().to_vec();
            bytes[index] ^= bit;
            let Ok(token) = String::from_utf8(bytes) else { continue };
            assert!(bed.verify(&token, &action).is_err(), "byte {index}, bit {bit}");
        }
    }
}

#[test]
fn g04_what_is_executed_is_what_was_hashed() {
    let (bed, action) = (Testbed::new(), fixtures::action());
    let pass = bed.consume(fixtures::PASS, &action).unwrap();
    assert_eq!(pass.payload().digest(), pass.pass().claims().actionpass.payload_hash);
    assert_eq!(pass.payload(), action.payload());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn g04_whatever_the_payload(action in documents::demo_actions(), index: prop::sample::Index) {
        let token = tokens::sign(FixtureKey::ISSUER, &fixtures::pass_claims(&action));
        let bed = Testbed::new();
        prop_assert!(bed.verify(&token, &action).is_ok());
        let mut payload = action.payload_value().clone();
        let leaves = leaves(&payload);
        let place = at(&mut payload, &leaves[index.index(leaves.len())]).unwrap();
        *place = changed(place);
        let other = documents::demo_action_with(&payload);
        prop_assert_eq!(codes(bed.verify(&token, &other)), ["payload_hash_mismatch"]);
    }
}
