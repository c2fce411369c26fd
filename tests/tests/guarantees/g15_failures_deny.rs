//! G15: every failure of a part (custodian, store, policy, clock) denies.

use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::sha256;
use actionpass_core::Request;
use actionpass_crypto::Signer;
use actionpass_model::{Decision, PolicyBody, PolicyChangeSchema, PolicyId, PolicyRef, RecordId};
use actionpass_policy::{PolicyInput, Verdict};
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{LedgerExt, MemoryDecisionStore};
use actionpass_testkit::custodians::{InProcess, Late, Lie, Lying, OutOfProcess, Refusing, Stalling, Unreachable};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::policies::Scripted;
use actionpass_testkit::{CountingRandom, Testbed, block_on, fixtures};

use crate::common::{Checked, codes, demo_with_id, failure, recorded};

/// No pass of this custodian leaves the issuer unless it verifies.
fn every_pass_verifies(signer: impl Signer + 'static) -> Checked {
    let bed = Testbed::new().with_signer(signer);
    for number in 0..3 {
        let action = demo_with_id(&format!("act_{number}"));
        let Ok(authorization) = bed.authorize(&action) else {
            continue;
        };
        let token = authorization.pass.ok_or("an allow without a pass")?.token;
        bed.verify(&token, &action).map_err(|refusal| refusal.to_string())?;
    }
    Ok(())
}

#[test]
fn g15_custodians_that_do_not_sign() {
    let action = fixtures::demo_action();
    let cases: [(Box<dyn Signer>, &str); 3] = [
        (Box::new(Refusing::new(FixtureKey::ISSUER)), "custodian_refused"),
        (Box::new(Unreachable::new(FixtureKey::ISSUER)), "custodian_unavailable"),
        (Box::new(Stalling::new(FixtureKey::ISSUER)), "custodian_unavailable"),
    ];
    for (signer, code) in cases {
        let bed = Testbed::new()
            .with_signer(signer)
            .with_config(|config| config.with_signing_timeout(Duration::from_millis(20)));
        assert_eq!(failure(bed.authorize(&action)), code);
        assert_eq!(recorded(&bed), [("deny".to_owned(), vec![code.to_owned()])]);
    }
}

#[test]
fn g15_custodians_that_lie() {
    for lie in Lie::ALL {
        assert_eq!(
            every_pass_verifies(Lying::new(FixtureKey::ISSUER, *lie)),
            Ok(()),
            "{lie:?}"
        );
        let bed = Testbed::new().with_signer(Lying::new(FixtureKey::ISSUER, *lie));
        // A replayed signature is right once.
        let rounds = if *lie == Lie::Replays { 2 } else { 1 };
        let outcomes: Vec<_> = (0..rounds)
            .map(|number| crate::common::outcome(bed.authorize(&demo_with_id(&format!("act_{number}")))))
            .collect();
        let code = "signature_self_check_failed";
        assert_eq!(outcomes.last().map(String::as_str), Some(code), "{lie:?}");
        assert_eq!(
            recorded(&bed).last(),
            Some(&("deny".to_owned(), vec![code.to_owned()])),
            "{lie:?}"
        );
    }
    assert_eq!(every_pass_verifies(OutOfProcess(FixtureKey::ISSUER.signer())), Ok(()));
}

#[test]
fn g15_the_check_finds_signatures_that_nobody_checked() {
    for lie in [Lie::OtherKey, Lie::Replays, Lie::Garbage, Lie::DoubleHash] {
        let unchecked = InProcess(Lying::new(FixtureKey::ISSUER, lie));
        assert!(every_pass_verifies(unchecked).is_err(), "{lie:?}");
    }
}

/// What the issuer says to so many actions in a row, with a custodian that lies.
fn outcomes(lie: Lie, actions: usize) -> Vec<String> {
    let bed = Testbed::new().with_signer(Lying::new(FixtureKey::ISSUER, lie));
    let outcome = |number| crate::common::outcome(bed.authorize(&demo_with_id(&format!("act_{number}"))));
    let outcomes: Vec<_> = (0..actions).map(outcome).collect();
    let recorded = recorded(&bed);
    assert_eq!(recorded.len(), outcomes.len());
    for ((decision, reasons), outcome) in recorded.iter().zip(&outcomes) {
        assert_eq!(outcome == "allow", decision == "allow");
        assert!(
            decision == "allow" || reasons == std::slice::from_ref(outcome),
            "{reasons:?}"
        );
    }
    outcomes
}

#[test]
fn g15_a_signature_of_another_key() {
    assert_eq!(outcomes(Lie::OtherKey, 1), ["signature_self_check_failed"]);
}

#[test]
fn g15_a_digest_that_is_hashed_again() {
    assert_eq!(outcomes(Lie::DoubleHash, 1), ["signature_self_check_failed"]);
}

#[test]
fn g15_der_in_the_place_of_a_signature() {
    assert_eq!(outcomes(Lie::Der, 1), ["signature_self_check_failed"]);
}

/// It is right once, and never again.
#[test]
fn g15_yesterdays_signature() {
    let failed = "signature_self_check_failed";
    assert_eq!(outcomes(Lie::Replays, 3), ["allow", failed, failed]);
}

#[test]
fn g15_an_answer_after_a_minute() {
    let late = |delay, timeout| {
        let bed = Testbed::new()
            .with_signer(Late::new(FixtureKey::ISSUER, delay))
            .with_config(|config| config.with_signing_timeout(timeout));
        (
            crate::common::outcome(bed.authorize(&fixtures::demo_action())),
            recorded(&bed),
        )
    };
    let code = "custodian_unavailable";
    let start = std::time::Instant::now();
    let (outcome, recorded) = late(Duration::from_secs(60), Duration::from_millis(20));
    assert!(start.elapsed() < Duration::from_secs(10), "the issuer waits for it");
    assert_eq!(outcome, code);
    assert_eq!(recorded, [("deny".to_owned(), vec![code.to_owned()])]);
    // In time it is as good as any.
    let (outcome, _) = late(Duration::from_millis(20), Duration::from_secs(60));
    assert_eq!(outcome, "allow");
}

#[test]
fn g15_a_clock_that_does_not_know() {
    let (bed, action) = (Testbed::new(), fixtures::demo_action());
    let authorizer = bed.authorizer().unwrap();
    bed.clock().lose();
    let caller = fixtures::caller(action.action());
    assert_eq!(
        failure(block_on(authorizer.authorize(Request::new(&action, &caller)))),
        "clock_unknown"
    );
    assert_eq!(bed.authorizer().unwrap_err().code(), "clock_unknown");
    assert!(bed.records().unwrap().is_empty());
    bed.clock().set(fixtures::now());
    assert_eq!(
        block_on(authorizer.authorize(Request::new(&action, &caller)))
            .unwrap()
            .decision,
        Decision::Allow
    );
}

#[test]
fn g15_trust_that_is_gone() {
    let (bed, action) = (Testbed::new(), fixtures::demo_action());
    let authorizer = bed.authorizer().unwrap();
    bed.trust().lose();
    let caller = fixtures::caller(action.action());
    assert_eq!(
        failure(block_on(authorizer.authorize(Request::new(&action, &caller)))),
        "json_malformed"
    );
    assert_eq!(bed.authorizer().unwrap_err().code(), "json_malformed");
}

#[test]
fn g15_trust_that_keeps_changing() {
    let bed = Testbed::new();
    let authorizer = bed.authorizer().unwrap();
    let action = fixtures::demo_action();
    let caller = fixtures::caller(action.action());
    let authorize = || block_on(authorizer.authorize(Request::new(&action, &caller)));

    bed.trust().change_after_looks(100);
    assert_eq!(failure(authorize()), "contention");
    assert_eq!(recorded(&bed), [("deny".to_owned(), vec!["contention".to_owned()])]);

    // A change or two is judged by, not an error.
    bed.trust().change_after_looks(2);
    assert_eq!(authorize().unwrap().decision, Decision::Allow);
}

#[test]
fn g15_randomness_that_runs_out() {
    let action = fixtures::demo_action();
    for requests in 0..16 {
        let bed = Testbed::new().with_random(CountingRandom::running_out_after(requests));
        match bed.authorize(&action) {
            Ok(authorization) => {
                assert!(bed.verify(&authorization.pass.unwrap().token, &action).is_ok());
                assert!(requests >= 1, "ids need a draw");
                return;
            }
            Err(error) => assert_eq!(error.code(), "randomness_unavailable"),
        }
    }
    panic!("sixteen draws are not enough");
}

#[test]
fn g15_a_policy_that_fails() {
    let bed = Testbed::new().with_policy(Scripted::new("broken", |_: &PolicyInput<'_>| {
        Verdict::deny_with(actionpass_model::Code::parse("engine_failed").unwrap())
    }));
    let authorization = bed.authorize(&fixtures::demo_action()).unwrap();
    assert_eq!((authorization.decision, authorization.pass), (Decision::Deny, None));
    assert_eq!(recorded(&bed), [("deny".to_owned(), vec!["engine_failed".to_owned()])]);
}

#[test]
fn g15_a_policy_that_is_no_longer_in_force() {
    let store = Arc::new(MemoryDecisionStore::new(Testbed::log()));
    let policy = PolicyRef {
        id: PolicyId::parse("new").unwrap(),
        digest: sha256(b"new"),
        rules: Vec::new(),
    };
    let id = RecordId::parse("rec_01920000000070008000000000000001").unwrap();
    let draft = RecordDraft::new(
        id,
        fixtures::now(),
        &PolicyBody {
            schema: PolicyChangeSchema,
            policy,
        },
    )
    .unwrap();
    let _ = block_on(store.append_one(draft)).unwrap();
    let bed = Testbed::new().with_decisions(store);
    assert_eq!(failure(bed.authorize(&fixtures::demo_action())), "policy_changed");
    assert_eq!(recorded(&bed), [("deny".to_owned(), vec!["policy_changed".to_owned()])]);
}

#[test]
fn g15_more_than_a_pass_can_carry() {
    // Nine approvals.
    let relies_on_all = |input: &PolicyInput<'_>| {
        let mut verdict = Verdict::allow(vec![actionpass_testkit::policies::rule()], Vec::new());
        let relied_on = |grant: &actionpass_model::Grant| grant.to_ref();
        verdict.relied_on = input.grants().iter().map(relied_on).collect();
        verdict
    };
    let bed = Testbed::new().with_policy(Scripted::new("relies-on-all", relies_on_all));
    let action = fixtures::demo_action();
    let approvals: Vec<_> = (0..9).map(|_| bed.approve(&action)).collect();
    assert_eq!(
        failure(bed.authorize_with(&action, None, &approvals)),
        "too_many_approvals"
    );
    assert_eq!(
        bed.authorize_with(&action, None, &approvals[..8]).unwrap().decision,
        Decision::Allow
    );

    // A token of more than 32 KiB.
    let demanding = |_: &PolicyInput<'_>| {
        let mut verdict = Verdict::allow(vec![actionpass_testkit::policies::rule()], Vec::new());
        let params = serde_json::json!({ "note": "x".repeat(40_000) })
            .as_object()
            .unwrap()
            .clone();
        let id = actionpass_model::ObligationId::parse("note").unwrap();
        verdict.obligations = vec![actionpass_model::Obligation {
            id,
            params: params.into(),
        }];
        verdict
    };
    let bed = Testbed::new().with_policy(Scripted::new("demanding", demanding));
    assert_eq!(failure(bed.authorize(&action)), "token_too_long");
}

/// The executor's side: what it can't judge, it refuses.
#[test]
fn g15_an_executor_without_obligations_refuses() {
    let token = actionpass_testkit::tokens::Forgery::of(fixtures::PASS)
        .with_claim(
            &["actionpass", "obligations"],
            serde_json::json!([{ "id": "dry-run", "params": {} }]),
        )
        .sign(FixtureKey::ISSUER);
    let action = fixtures::action();
    assert_eq!(
        codes(Testbed::new().verify(&token, &action)),
        ["obligation_unsupported"]
    );
    let id = actionpass_model::ObligationId::parse("dry-run").unwrap();
    assert!(
        Testbed::new()
            .with_verifier(|verifier| verifier.with_obligation(id))
            .verify(&token, &action)
            .is_ok()
    );
    // To enforce another one is not enough.
    let other = actionpass_model::ObligationId::parse("log-only").unwrap();
    let bed = Testbed::new().with_verifier(|verifier| verifier.with_obligation(other));
    assert_eq!(codes(bed.verify(&token, &action)), ["obligation_unsupported"]);
}
