//! Design §6: one id of one agent has at most one pass, and only an allow is final.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actionpass_core::Request;
use actionpass_model::{Audience, Decision, RevocationTarget};
use actionpass_policy::PolicyInput;
use actionpass_policy::Verdict;
use actionpass_testkit::policies::{NeedsApprovals, Scripted, rule};
use actionpass_testkit::{Testbed, fixtures};

use crate::common::{at_once, demo_with_id, failure, reasons, recorded};

#[test]
fn the_same_act_again_gives_the_same_pass() {
    let bed = Testbed::new();
    let first = bed.authorize(&demo_with_id("act_1")).unwrap();
    bed.clock().advance(Duration::from_secs(60));
    let again = bed.authorize(&demo_with_id("act_1")).unwrap();
    assert_eq!(first.pass, again.pass);
    assert_eq!(first.record, again.record);
    assert_eq!(reasons(&again), ["issued_before"]);
    assert_eq!(recorded(&bed).len(), 1);
}

#[test]
fn reworded_it_is_the_same_act() {
    let bed = Testbed::new();
    let first = bed.authorize(&demo_with_id("act_1")).unwrap();
    let text = actionpass_model::DEMO_ACTION
        .replacen(
            "\"tenant\"",
            "\"id\": \"act_1\", \"context\": { \"mood\": \"eager\" }, \"tenant\"",
            1,
        )
        .replace("Open a pull request", "Please do open a pull request");
    assert_eq!(bed.authorize(&fixtures::admit(&text)).unwrap().pass, first.pass);
}

#[test]
fn another_act_under_the_same_id_is_refused() {
    let bed = Testbed::new();
    let _ = bed.authorize(&demo_with_id("act_1")).unwrap();
    let text = actionpass_model::DEMO_ACTION
        .replacen("\"tenant\"", "\"id\": \"act_1\", \"tenant\"", 1)
        .replace("\"additions\": 14", "\"additions\": 15");
    assert_eq!(failure(bed.authorize(&fixtures::admit(&text))), "action_id_reused");
    let recorded = recorded(&bed);
    assert_eq!(recorded.len(), 2, "the refusal is a deny on record");
}

#[test]
fn ids_are_scoped_by_agent() {
    let bed = Testbed::new();
    let first = bed.authorize(&demo_with_id("act_1")).unwrap();
    let text = actionpass_model::DEMO_ACTION
        .replacen("\"tenant\"", "\"id\": \"act_1\", \"tenant\"", 1)
        .replace("agent:codex-prod", "agent:codex-test");
    let other = bed.authorize(&fixtures::admit(&text)).unwrap();
    assert_ne!(first.pass, other.pass);
}

#[test]
fn a_pass_that_no_longer_verifies_is_not_given_again() {
    let action = demo_with_id("act_1");
    let gone = |bed: &Testbed| failure(bed.authorize(&action));

    let expired = Testbed::new();
    let first = expired.authorize(&action).unwrap();
    expired.clock().advance(Duration::from_secs(629));
    assert_eq!(expired.authorize(&action).unwrap().pass, first.pass);
    expired.clock().advance(Duration::from_secs(1));
    assert_eq!(gone(&expired), "action_already_issued");

    let used = Testbed::new();
    let token = used.pass(&action);
    let _ = used.consume(&token, &action).unwrap();
    assert_eq!(gone(&used), "action_already_issued");

    let revoked = Testbed::new();
    let pass = revoked.authorize(&action).unwrap().pass.unwrap();
    revoked.revoke(RevocationTarget::Pass {
        id: pass.id,
        issuer: fixtures::issuer(),
    });
    assert_eq!(gone(&revoked), "action_already_issued");

    let elsewhere = Testbed::new().with_config(|config| {
        config.with_audience(
            Audience::parse("other-executor").unwrap(),
            vec![action.action().capability.tool.clone()],
        )
    });
    let _ = elsewhere.authorize(&action).unwrap();
    let caller = fixtures::caller(action.action());
    let audience = Audience::parse("other-executor").unwrap();
    assert_eq!(
        failure(elsewhere.request(Request::new(&action, &caller).with_audience(&audience))),
        "action_already_issued"
    );
}

/// A pass that a verifier would refuse for any reason at all must not be handed out again.
#[test]
fn what_is_given_again_verifies() {
    let action = demo_with_id("act_1");
    let pass = Testbed::new().authorize(&action).unwrap().pass.unwrap();
    let claims = actionpass_testkit::tokens::Forgery::of(&pass.token).claims();
    let principals = ["sub", "humanOwner", "runtime", "tenant"].map(|name| {
        let value = claims.get(name).or_else(|| claims["actionpass"].get(name)).unwrap();
        value.as_str().unwrap().parse::<actionpass_model::Principal>().unwrap()
    });
    for principal in principals {
        let bed = Testbed::new();
        let _ = bed.authorize(&action).unwrap();
        bed.revoke(RevocationTarget::Principal(principal.clone()));
        assert_eq!(failure(bed.authorize(&action)), "action_already_issued", "{principal}");
    }
}

#[test]
fn a_deny_or_step_up_is_judged_afresh() {
    let calls = AtomicUsize::new(0);
    let decide = move |_: &PolicyInput<'_>| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Verdict::deny(vec![rule()], Vec::new()),
        1 => Verdict::step_up(vec![rule()], Vec::new(), Vec::new()),
        _ => Verdict::allow(vec![rule()], Vec::new()),
    };
    let bed = Testbed::new().with_policy(Scripted::new("changing", decide));
    let decisions: Vec<_> = (0..3)
        .map(|_| bed.authorize(&demo_with_id("act_1")).unwrap().decision)
        .collect();
    assert_eq!(decisions, [Decision::Deny, Decision::StepUp, Decision::Allow]);
    assert_eq!(bed.verify_ledger().unwrap().head.size(), 3);
}

#[test]
fn sixteen_at_once_share_one_pass() {
    let bed = Testbed::new();
    let passes: HashSet<_> = at_once(16, |_| {
        bed.authorize(&demo_with_id("act_1")).unwrap().pass.unwrap().token
    })
    .into_iter()
    .collect();
    assert_eq!(passes.len(), 1);
    let allows = recorded(&bed)
        .into_iter()
        .filter(|(decision, _)| decision == "allow")
        .count();
    assert_eq!(allows, 1);
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn without_an_id_each_occurrence_is_its_own() {
    let bed = Testbed::new().with_policy(NeedsApprovals::new(1));
    let action = fixtures::demo_action();
    let first = bed.authorize_with(&action, None, &[bed.approve(&action)]).unwrap();
    let second = bed.authorize_with(&action, None, &[bed.approve(&action)]).unwrap();
    assert_ne!(first.action_id, second.action_id);
    assert_ne!(first.pass, second.pass);
}
