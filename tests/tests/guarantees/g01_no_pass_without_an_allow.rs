//! G1: no pass without an allow.

use actionpass_canon::BoundAction;
use actionpass_model::{Decision, Reason};
use actionpass_policy::{PolicyInput, ReasonCode, Verdict};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::policies::{DenyAll, NeedsApprovals, Scripted, rule};
use actionpass_testkit::strategies::documents;
use actionpass_testkit::{Testbed, fixtures, tokens};
use proptest::prelude::*;

use crate::common::{Checked, recorded};

/// An issuer: an action and what policy decides about it become a pass or none.
type Issue<'a> = &'a dyn Fn(&BoundAction, Decision) -> Option<String>;

fn passes_only_on_allow(issue: Issue<'_>) -> Checked {
    let action = fixtures::demo_action();
    for decision in [Decision::Allow, Decision::Deny, Decision::StepUp] {
        let pass = issue(&action, decision);
        if pass.is_some() != (decision == Decision::Allow) {
            return Err(format!("{decision}: pass {}", pass.is_some()));
        }
    }
    Ok(())
}

fn verdict(decision: Decision) -> Verdict {
    let reasons = vec![Reason::new(ReasonCode::RuleDenied)];
    match decision {
        Decision::Allow => Verdict::allow(vec![rule()], reasons),
        Decision::Deny => Verdict::deny(vec![rule()], reasons),
        Decision::StepUp => Verdict::step_up(vec![rule()], reasons, Vec::new()),
    }
}

fn scripted(decision: Decision) -> Testbed {
    Testbed::new().with_policy(Scripted::new("scripted", move |_: &PolicyInput<'_>| verdict(decision)))
}

#[test]
fn g01_only_an_allow_has_a_pass() {
    let issue = |action: &BoundAction, decision| {
        let authorization = scripted(decision).authorize(action).unwrap();
        assert_eq!(authorization.decision, decision);
        authorization.pass.map(|pass| pass.token)
    };
    assert_eq!(passes_only_on_allow(&issue), Ok(()));
}

#[test]
fn g01_the_check_finds_an_issuer_that_signs_first() {
    let careless = |action: &BoundAction, _| Some(tokens::sign(FixtureKey::ISSUER, &fixtures::pass_claims(action)));
    assert!(passes_only_on_allow(&careless).is_err());
}

#[test]
fn g01_the_custodian_is_not_even_asked() {
    use actionpass_testkit::custodians::Counting;
    use std::sync::Arc;
    let signer = Arc::new(Counting::new(FixtureKey::ISSUER.signer()));
    let bed = Testbed::new()
        .with_policy(DenyAll::new())
        .with_signer(Arc::clone(&signer));
    assert_eq!(
        bed.authorize(&fixtures::demo_action()).unwrap().decision,
        Decision::Deny
    );
    assert_eq!(signer.asked(), 0);
}

#[test]
fn g01_step_up_approve_allow() {
    let bed = Testbed::new().with_policy(NeedsApprovals::new(1));
    let action = fixtures::demo_action();
    let first = bed.authorize(&action).unwrap();
    assert_eq!(
        (first.decision, first.required.len(), first.pass),
        (Decision::StepUp, 1, None)
    );

    let second = bed.authorize_with(&action, None, &[bed.approve(&action)]).unwrap();
    let token = second.pass.unwrap().token;
    let pass = bed.verify(&token, &action).unwrap();
    assert_eq!(pass.claims().actionpass.approvals.len(), 1);
    assert!(
        recorded(&bed)
            .into_iter()
            .map(|(decision, _)| decision)
            .eq(["step_up", "allow"])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn g01_whatever_the_action(action in documents::demo_actions(), allows: bool, steps_up: bool) {
        let decision = if allows { Decision::Allow } else if steps_up { Decision::StepUp } else { Decision::Deny };
        let bed = scripted(decision);
        let authorization = bed.authorize(&action).unwrap();
        prop_assert_eq!(authorization.pass.is_some(), allows);
        let recorded = recorded(&bed);
        prop_assert_eq!(recorded.len(), 1);
        prop_assert_eq!(recorded[0].0.as_str(), decision.as_str());
    }
}
