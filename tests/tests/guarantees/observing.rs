//! What is only observed gives nothing, settles nothing and says that it was only observed; what a front door refuses is denied
//! whatever policy says.

use actionpass_core::Request;
use actionpass_model::{
    Decision, DecisionBody, DecisionMode, PassEvidence, Reason, RecordId, RevocationTarget, Timestamp,
};
use actionpass_policy::ReasonCode;
use actionpass_store::ledger::{Head, LedgerCode, LedgerVerifier, RecordDraft, seal};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::{Testbed, fixtures};

use crate::common::{demo_with_id, failure, reasons};

fn observed(bed: &Testbed, id: &str) -> actionpass_core::Authorization {
    let action = demo_with_id(id);
    let caller = fixtures::caller(action.action());
    bed.request(Request::new(&action, &caller).observing()).unwrap()
}

fn last_decision(bed: &Testbed) -> DecisionBody {
    bed.records().unwrap().last().unwrap().to_body().unwrap()
}

#[test]
fn an_observed_allow_has_no_pass_and_takes_nobodys_place() {
    let bed = Testbed::new();
    let answer = observed(&bed, "act_1");
    assert_eq!(answer.decision, Decision::Allow);
    assert!(answer.pass.is_none());
    let body = last_decision(&bed);
    assert_eq!(
        (body.mode, body.pass, body.decision),
        (Some(DecisionMode::Observe), None, Decision::Allow)
    );
    // The same action, enforced, has its pass still to come, and only one.
    let enforced = bed.authorize(&demo_with_id("act_1")).unwrap();
    assert!(enforced.pass.is_some());
    assert_eq!(observed(&bed, "act_1").pass, None);
    assert_eq!(bed.authorize(&demo_with_id("act_1")).unwrap().pass, enforced.pass);
    assert_eq!(bed.verify_ledger().unwrap().observed, 2);
}

#[test]
fn an_observed_step_up_opens_no_request_and_asks_nobody() {
    let bed = Testbed::new().with_requests().with_policy(NeedsApprovals::new(2));
    let answer = observed(&bed, "act_1");
    assert_eq!((answer.decision, answer.request), (Decision::StepUp, None));
    assert_eq!(last_decision(&bed).request, None);
    let enforced = bed.authorize(&demo_with_id("act_1")).unwrap();
    assert!(enforced.request.is_some());
    assert_eq!(observed(&bed, "act_1").request, None);
    bed.verify_ledger().unwrap();
}

#[test]
fn who_is_revoked_would_be_denied() {
    let bed = Testbed::new();
    let agent = demo_with_id("act_1").action().actor.agent.clone();
    bed.revoke(RevocationTarget::Principal(agent.as_str().parse().unwrap()));
    let answer = observed(&bed, "act_1");
    assert_eq!(
        (answer.decision, reasons(&answer)),
        (Decision::Deny, vec!["principal_revoked"])
    );
}

/// A log of these bodies, as if a store had written them.
fn judged(bodies: Vec<RecordDraft>) -> Result<u64, (LedgerCode, u64)> {
    let (mut head, mut verifier) = (Head::EMPTY, LedgerVerifier::default());
    for draft in bodies {
        let record = seal(&Testbed::log(), &head, &draft).unwrap();
        head = record.head();
        let pushed = verifier.push(record.json());
        pushed.map_err(|error| (error.code(), error.seq()))?;
    }
    Ok(verifier.finish().unwrap().observed)
}

#[test]
fn g11_what_was_only_observed_gave_nothing_and_outcomes_name_it() {
    let (decision, outcome) = fixtures::observed();
    let plain = DecisionBody {
        request: None,
        ..decision.clone()
    };
    let enforced = DecisionBody {
        mode: None,
        decision: Decision::Deny,
        ..plain.clone()
    };
    let now = Timestamp::from_unix_millis(0).unwrap();
    let draft = |number: u128, body: &DecisionBody| {
        RecordDraft::new(RecordId::from_uuid(uuid::Uuid::from_u128(number)), now, body).unwrap()
    };
    let told = || RecordDraft::new(RecordId::from_uuid(uuid::Uuid::from_u128(9)), now, &outcome).unwrap();
    assert_eq!(judged(vec![draft(0, &plain), told()]), Ok(1));
    assert_eq!(
        judged(vec![draft(0, &plain), draft(1, &enforced), draft(2, &plain)]),
        Ok(2)
    );
    assert_eq!(
        judged(vec![draft(0, &decision)]),
        Err((LedgerCode::LedgerObservedGave, 0))
    );
    let (claims, _) = (fixtures::pass_claims(&fixtures::action()), ());
    let gave = DecisionBody {
        pass: Some(PassEvidence {
            id: claims.jti,
            kid: fixtures::FixtureKey::ISSUER.kid(),
            token_hash: actionpass_canon::sha256(b"token"),
            expires_at: now,
        }),
        ..plain
    };
    assert_eq!(judged(vec![draft(0, &gave)]), Err((LedgerCode::LedgerObservedGave, 0)));
    // Of one that was enforced, and of none at all.
    assert_eq!(
        judged(vec![draft(0, &enforced), told()]),
        Err((LedgerCode::LedgerOutcomeUnused, 1))
    );
    assert_eq!(judged(vec![told()]), Err((LedgerCode::LedgerOutcomeUnused, 0)));
}

#[test]
fn what_the_front_door_refuses_is_denied_whatever_policy_says() {
    let bed = Testbed::new();
    let action = demo_with_id("act_1");
    let caller = fixtures::caller(action.action());
    let reason = || Reason::new(ReasonCode::RuleDenied);
    let refused = || Request::new(&action, &caller).refused(reason());
    let answer = bed.request(refused()).unwrap();
    assert_eq!((answer.decision, &answer.pass), (Decision::Deny, &None));
    assert_eq!(answer.reasons, [reason()]);
    let answer = bed.request(refused().observing()).unwrap();
    assert_eq!(
        (answer.decision, last_decision(&bed).mode),
        (Decision::Deny, Some(DecisionMode::Observe))
    );
    // Not even the pass that the same action had before.
    assert!(bed.authorize(&action).unwrap().pass.is_some());
    assert_eq!(failure(bed.request(refused())), "action_already_issued");
    bed.verify_ledger().unwrap();
}
