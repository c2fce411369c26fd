//! Approval requests at the issuer: opened, joined, voted on, used, and every way around them that is refused.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_core::{
    Approval, Authorization, AuthorizeCode, Clock, Request, RequestCode, RequestState, RequestTerms, ReviewError,
};
use actionpass_model::{
    ActionId, ApprovalClaims, Approver, CodedError, Decision, Digest, EndState, ErasureBody, ErasureSchema, Principal,
    RequestId, RevocationTarget, Role, RuleId, Statement, UnixSeconds,
};
use actionpass_policy::RulePolicy;
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{LedgerExt, MemoryDecisionStore, QueueStore, ReplayStart, RequestFilter, StateFilter};
use actionpass_store_sqlite::SqliteStore;
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::{Testbed, block_on};
use serde_json::Value;

/// One maintainer for everything, and a second person of another role above 100 files.
const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "reviewed"
[[rule]]
id = "allowed"
effect = "allow"
tool = "*"
[[rule]]
id = "review"
effect = "step_up"
tool = "*"
unless = [ { path = "fact.testsPassed", equals = true } ]
approvals = { count = 1, roles = ["maintainer"], not_owner = true }
[[rule]]
id = "money"
effect = "step_up"
tool = "pay"
approvals = { count = 1, roles = ["security"] }
"#;

fn bed() -> Testbed {
    Testbed::new()
        .with_requests()
        .with_policy(RulePolicy::load(POLICY, "policy.toml").unwrap())
}

/// An action without an id: each call is another occurrence.
fn action() -> BoundAction {
    changed(|_| {})
}

fn changed(change: impl FnOnce(&mut Value)) -> BoundAction {
    let mut value: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    value.as_object_mut().unwrap().remove("id");
    change(&mut value);
    BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn facts(json: &str) -> BoundFacts {
    let document =
        format!(r#"{{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:00.000Z","facts":{json}}}"#);
    BoundFacts::admit(document.as_bytes(), &Limits::default()).unwrap()
}

fn codes(answer: &Authorization) -> Vec<String> {
    let code = |reason: &actionpass_model::Reason| match &reason.path {
        Some(path) => format!("{} {path}", reason.code),
        None => reason.code.to_string(),
    };
    // What policy says of its conditions isn't what these tests are about.
    let is_ours = |code: &String| !code.starts_with("condition_");
    answer.reasons.iter().map(code).filter(is_ours).collect()
}

fn stepped_up(answer: &Authorization) -> RequestId {
    assert_eq!(answer.decision, Decision::StepUp);
    let request = answer.request.as_ref().unwrap();
    assert_eq!(request.state, RequestState::Pending);
    request.id.clone()
}

fn opened(bed: &Testbed) -> RequestId {
    stepped_up(&bed.authorize(&action()).unwrap())
}

fn yes(bed: &Testbed, id: &RequestId) -> String {
    bed.yes(FixtureKey::APPROVER, fixtures::approver(), id)
}

fn no(bed: &Testbed, id: &RequestId) -> String {
    bed.no(FixtureKey::APPROVER, fixtures::approver(), id)
}

fn refused(outcome: Result<actionpass_core::Review, ReviewError>) -> Vec<String> {
    let codes = outcome.unwrap_err().codes();
    codes.iter().map(ToString::to_string).collect()
}

/// A vote whose claims a test changed, signed by the approver's key.
fn forged(bed: &Testbed, id: &RequestId, change: impl FnOnce(&mut ApprovalClaims)) -> String {
    let review = bed.review(id).unwrap();
    let ballot = Testbed::ballot(fixtures::approver(), &review);
    let now = fixtures::now();
    let random = actionpass_core::System;
    let mut claims = ballot
        .claims(review.action.as_ref().unwrap(), &fixtures::issuer(), now, &random)
        .unwrap();
    change(&mut claims);
    let signer = FixtureKey::APPROVER.signer();
    let signed = block_on(actionpass_crypto::sign_document(&signer, &claims)).unwrap();
    signed.into_string()
}

#[test]
fn a_request_is_opened_approved_and_used_once() {
    let bed = bed();
    let id = opened(&bed);
    let review = bed.review(&id).unwrap();
    assert_eq!(review.state, RequestState::Pending);
    assert_eq!(review.request.rules, [RuleId::parse("review").unwrap()]);
    assert_eq!(review.action.unwrap().action_hash(), action().action_hash());

    let voted = bed.vote(&id, &yes(&bed, &id)).unwrap();
    assert_eq!((voted.state, voted.request.version), (RequestState::Approved, 1));
    let allowed = bed.authorize(&action()).unwrap();
    assert_eq!(allowed.decision, Decision::Allow);
    assert_eq!(allowed.request.as_ref().unwrap().state, RequestState::Used);
    let token = allowed.pass.unwrap().token;
    assert!(bed.consume(&token, &action()).is_ok());
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Used);

    // An approval is for one occurrence: the next is another request.
    let next = opened(&bed);
    assert_ne!(next, id);
    assert_eq!(refused(bed.vote(&id, &yes(&bed, &next))), ["request_used"]);
    assert_eq!(bed.verify_ledger().unwrap().head.size(), 4);
}

#[test]
fn a_retry_joins_and_within_a_minute_is_the_record_of_before() {
    let bed = bed();
    let issuer = bed.authorizer().unwrap();
    let ask = |action: &BoundAction| {
        let caller = fixtures::caller(action.action());
        block_on(issuer.authorize(Request::new(action, &caller))).unwrap()
    };
    let first = ask(&action());
    // Another process finds the record that opened it, this one what it said last.
    for again in [ask(&action()), bed.authorize(&action()).unwrap()] {
        assert_eq!(
            (stepped_up(&again), again.record),
            (stepped_up(&first), first.record.clone())
        );
    }
    bed.clock().advance(Duration::from_secs(61));
    let later = ask(&action());
    assert_eq!(stepped_up(&later), stepped_up(&first));
    assert_ne!(later.record, first.record);
    // A reworded retry of the same act is the same act.
    let reworded = ask(&changed(|action| action["intent"]["summary"] = "pretty please".into()));
    assert_eq!(
        (stepped_up(&reworded), reworded.record),
        (stepped_up(&first), later.record)
    );
    // Once something moved it is judged and recorded again.
    let id = stepped_up(&first);
    let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
    bed.revoke(RevocationTarget::Key(FixtureKey::APPROVER.kid()));
    assert_eq!(stepped_up(&ask(&action())), id);
    assert_eq!(bed.records().unwrap().len(), 4);
}

#[test]
fn g18_what_differs_supersedes_and_voids_the_votes() {
    let bed = bed();
    let first = opened(&bed);
    let vote = yes(&bed, &first);
    let _ = bed.vote(&first, &vote).unwrap();
    // Another context.
    let other = changed(|action| action["context"]["model"] = "another".into());
    let answer = bed.authorize(&other).unwrap();
    let second = stepped_up(&answer);
    assert_ne!(second, first);
    assert_eq!(codes(&answer), ["approval_required", "request_superseded context"]);
    assert_eq!(bed.review(&first).unwrap().state, RequestState::Cancelled);
    assert_eq!(refused(bed.vote(&first, &vote)), ["request_cancelled"]);
    // Its vote is for another context, and names another request.
    assert_eq!(refused(bed.vote(&second, &vote)), ["approval_binding_mismatch"]);

    // Other facts: which members.
    let (old, new) = (
        facts(r#"{"coverage":0.5,"same":1,"testsPassed":false}"#),
        facts(r#"{"coverage":0.9,"same":1,"testsPassed":false,"extra":true}"#),
    );
    let third = stepped_up(&bed.authorize_with(&other, Some(&old), &[]).unwrap());
    let _ = bed.vote(&third, &yes(&bed, &third)).unwrap();
    let answer = bed.authorize_with(&other, Some(&new), &[]).unwrap();
    assert_ne!(stepped_up(&answer), third);
    assert_eq!(
        codes(&answer),
        [
            "approval_required",
            "request_superseded fact.coverage",
            "request_superseded fact.extra"
        ]
    );
    // Facts that policy allows by: nothing waits any more.
    let allowed = bed
        .authorize_with(&other, Some(&facts(r#"{"testsPassed":true}"#)), &[])
        .unwrap();
    assert_eq!((allowed.decision, allowed.request), (Decision::Allow, None));
    let mut live = RequestFilter::default();
    live.state = Some(StateFilter::Live);
    let live_now = block_on(bed.authorizer().unwrap().reviews(&live)).unwrap();
    assert_eq!(live_now.len(), 0);
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn g18_another_policy_voids_what_waits() {
    let before = bed();
    let id = opened(&before);
    let vote = yes(&before, &id);
    let _ = before.vote(&id, &vote).unwrap();
    let after =
        before.with_policy(RulePolicy::load(&POLICY.replace("not_owner = true", "not_owner = false"), "p").unwrap());
    let review = after.review(&id).unwrap();
    assert_eq!(review.state, RequestState::Pending);
    assert_eq!(
        review.reasons.first().unwrap().code,
        actionpass_model::Code::from(RequestCode::RequestSuperseded)
    );
    // Nobody waits for what nobody can approve.
    let begun = std::time::Instant::now();
    let waited = block_on(after.authorizer().unwrap().wait_for(&id, Duration::from_secs(600))).unwrap();
    assert!(review.is_void() && waited.is_void() && begun.elapsed() < Duration::from_secs(300));
    assert_eq!(
        refused(after.vote(&id, &after.no(FixtureKey::APPROVER, fixtures::approver(), &id))),
        ["approval_policy_mismatch"]
    );
    let answer = after.authorize(&action()).unwrap();
    assert_ne!(stepped_up(&answer), id);
    assert_eq!(codes(&answer), ["approval_required", "request_superseded policy"]);
}

#[test]
fn g19_a_decline_answers_every_wording_while_it_holds() {
    let bed = bed();
    let id = opened(&bed);
    let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
    let declined = bed
        .vote(
            &id,
            &bed.no(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id),
        )
        .unwrap();
    assert_eq!(declined.state, RequestState::Declined);
    let with_id = changed(|action| action["id"] = "another-1".into());
    let reworded = changed(|action| action["intent"]["summary"] = "it is urgent".into());
    let other_context = changed(|action| action["context"]["model"] = "another".into());
    for again in [action(), with_id, reworded, other_context] {
        for facts in [None, Some(facts(r#"{"testsPassed":true}"#))] {
            let answer = bed.authorize_with(&again, facts.as_ref(), &[]).unwrap();
            assert_eq!(
                (answer.decision, codes(&answer)),
                (Decision::Deny, vec!["approval_declined".to_owned()])
            );
            let declined = answer.declined.unwrap();
            assert_eq!(declined.by.as_str(), "user:security@example.com");
            assert_eq!(declined.words.unwrap().as_str(), "reviewed");
            assert!(answer.pass.is_none());
        }
    }
    // Neither does an approval that somebody hands over beside the queue.
    let beside = bed.approve(&action());
    let answer = bed.authorize_with(&action(), None, &[beside]).unwrap();
    assert_eq!(answer.decision, Decision::Deny);
    // Another payload is another act: that is stated, not promised away.
    let other = changed(|action| action["capability"]["payload"]["title"] = "x".into());
    assert_eq!(bed.authorize(&other).unwrap().decision, Decision::StepUp);
    bed.clock().advance(Duration::from_secs(3601));
    assert_eq!(bed.authorize(&action()).unwrap().decision, Decision::StepUp);
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn g19_silence_cancellation_and_erasure_are_no() {
    let bed = bed();
    let id = opened(&bed);
    let vote = yes(&bed, &id);
    let _ = bed.vote(&id, &vote).unwrap();
    bed.clock().advance(Duration::from_secs(3600));
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Expired);
    assert_eq!(refused(bed.vote(&id, &vote)), ["request_expired"]);
    let answer = bed.authorize(&action()).unwrap();
    let next = stepped_up(&answer);
    assert_ne!(next, id);
    let by = Some(Principal::parse("user:owner@example.com").unwrap());
    let cancelled = block_on(bed.authorizer().unwrap().cancel(&next, by)).unwrap();
    assert_eq!(cancelled.state, RequestState::Cancelled);
    assert_eq!(bed.authorize(&action()).unwrap().decision, Decision::StepUp);
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn g05_what_is_no_vote_is_refused_with_its_code() {
    let bed = bed();
    let id = opened(&bed);
    let claim = |change: fn(&mut ApprovalClaims)| refused(bed.vote(&id, &forged(&bed, &id, change)));
    let incomplete = ["vote_incomplete"];
    assert_eq!(claim(|claims| claims.approval.request = None), incomplete);
    assert_eq!(claim(|claims| claims.approval.policy_digest = None), incomplete);
    assert_eq!(claim(|claims| claims.approval.context_hash = None), incomplete);
    assert_eq!(claim(|claims| claims.approval.facts_hash = None), incomplete);
    assert_eq!(claim(|claims| claims.approval.shown = None), incomplete);
    assert_eq!(claim(|claims| claims.approval.rules = None), incomplete);
    assert_eq!(
        claim(|claims| claims.approval.rules = Some(vec![RuleId::parse("money").unwrap()])),
        incomplete
    );
    assert_eq!(
        claim(|claims| claims.exp = UnixSeconds::new(claims.exp.get() - 1).unwrap()),
        incomplete
    );
    let names_an_occurrence = |claims: &mut ApprovalClaims| {
        let request = "act_01920000000070008000000000000001";
        claims.approval.action_id = Some(ActionId::parse(request).unwrap());
    };
    let refused_for = claim(names_an_occurrence);
    assert!(
        refused_for == incomplete || refused_for == ["approval_binding_mismatch"],
        "{refused_for:?}"
    );
    let other = RequestId::parse("req_01920000000070008000000000000099").unwrap();
    let of_another = forged(&bed, &id, |claims| claims.approval.request = Some(other.clone()));
    assert_eq!(refused(bed.vote(&id, &of_another)), ["approval_binding_mismatch"]);
    assert_eq!(refused(bed.vote(&other, &of_another)), ["request_unknown"]);
    // Of whom the trust store says nothing, under another's name, of the agent's owner, of nobody.
    let stranger = bed.yes(FixtureKey::STRANGER, fixtures::approver(), &id);
    assert_eq!(refused(bed.vote(&id, &stranger)), ["approval_key_unknown"]);
    let impostor = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::approver(), &id);
    assert_eq!(refused(bed.vote(&id, &impostor)), ["approver_mismatch"]);
    assert_eq!(refused(bed.vote(&id, "nonsense")), ["approval_malformed"]);
    let asserted = serde_json::to_string(&fixtures::asserted_approval(&action())).unwrap();
    assert_eq!(refused(bed.vote(&id, &asserted)), ["approval_unsigned"]);
    // Nothing of this is recorded, and the request is as it was.
    assert_eq!(bed.review(&id).unwrap().request.version, 0);
    assert_eq!(bed.records().unwrap().len(), 1);
}

#[test]
fn g05_a_vote_is_judged_again_whenever_it_counts() {
    let bed = bed();
    let id = opened(&bed);
    let vote = yes(&bed, &id);
    assert_eq!(bed.vote(&id, &vote).unwrap().state, RequestState::Approved);
    assert_eq!(refused(bed.vote(&id, &vote)), ["vote_repeated"]);
    // Its key is revoked: approved goes back to pending.
    bed.revoke(RevocationTarget::Key(FixtureKey::APPROVER.kid()));
    let review = bed.review(&id).unwrap();
    assert_eq!(review.state, RequestState::Pending);
    assert_eq!(review.dropped.len(), 1);
    assert_eq!(
        review.dropped.first().unwrap().codes,
        ["approval_revoked"].map(|code| actionpass_model::Code::parse(code).unwrap())
    );
    let answer = bed.authorize(&action()).unwrap();
    assert_eq!(stepped_up(&answer), id);
    assert!(codes(&answer).contains(&"approval_revoked".to_owned()));
    // Somebody else can still decide.
    let second = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    assert_eq!(bed.vote(&id, &second).unwrap().state, RequestState::Approved);
    assert_eq!(bed.authorize(&action()).unwrap().decision, Decision::Allow);
}

#[test]
fn g05_a_vote_that_was_spent_elsewhere_grants_nothing() {
    let bed = bed();
    let id = opened(&bed);
    let vote = yes(&bed, &id);
    let _ = bed.vote(&id, &vote).unwrap();
    // Handed over by its caster as an approval: it is used for this request, whoever offers it.
    let allowed = bed
        .authorize_with(&action(), None, std::slice::from_ref(&vote))
        .unwrap();
    assert_eq!(allowed.decision, Decision::Allow);
    assert_eq!(allowed.request.unwrap().state, RequestState::Used);
    let again = bed.authorize_with(&action(), None, &[vote]).unwrap();
    assert_eq!(again.decision, Decision::StepUp);
    assert!(
        codes(&again).iter().any(|code| code == "approval_binding_mismatch"),
        "{:?}",
        codes(&again)
    );
}

#[test]
fn g03_a_refusal_is_no_approval_anywhere() {
    let bed = bed();
    let id = opened(&bed);
    let refusal = no(&bed, &id);
    let answer = bed.authorize_with(&action(), None, &[refusal]).unwrap();
    assert_eq!(answer.decision, Decision::StepUp);
    assert!(codes(&answer).contains(&"approval_malformed".to_owned()));
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Pending);
}

#[test]
fn only_who_could_say_yes_can_say_no() {
    let bed = Testbed::new()
        .with_requests()
        .with_policy(NeedsApprovals::new(1).with_role(fixtures::security()));
    let id = opened(&bed);
    assert_eq!(refused(bed.vote(&id, &no(&bed, &id))), ["vote_not_counted"]);
    assert_eq!(refused(bed.vote(&id, &yes(&bed, &id))), ["vote_not_counted"]);
    let by_role = bed.no(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    assert_eq!(bed.vote(&id, &by_role).unwrap().state, RequestState::Declined);
}

#[test]
fn two_roles_are_two_people_and_two_keys_are_one() {
    let bed = bed();
    let pay = changed(|action| action["capability"]["tool"] = "pay".into());
    let id = stepped_up(&bed.authorize(&pay).unwrap());
    // The second approver holds both roles, and is one person.
    let both = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    let voted = bed.vote(&id, &both).unwrap();
    let first_alone = (voted.state, voted.missing.len());
    let again = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    assert_eq!(refused(bed.vote(&id, &again)), ["vote_repeated"]);
    let voted = bed.vote(&id, &yes(&bed, &id)).unwrap();
    assert_eq!(voted.state, RequestState::Approved, "{first_alone:?}");
    let allowed = bed.authorize(&pay).unwrap();
    assert_eq!(allowed.decision, Decision::Allow);

    // Another key of the same person, under another spelling of the name.
    let bed = Testbed::new().with_requests().with_policy(NeedsApprovals::new(2));
    let other_key = fixtures::approval_key(
        FixtureKey::STRANGER,
        Approver::parse("service:maintainer@example.com").unwrap(),
        vec![Role::parse("maintainer").unwrap()],
    );
    bed.trust().update(|trust| trust.keys.push(other_key));
    let id = opened(&bed);
    assert_eq!(bed.vote(&id, &yes(&bed, &id)).unwrap().state, RequestState::Pending);
    let twin = bed.yes(
        FixtureKey::STRANGER,
        Approver::parse("service:maintainer@example.com").unwrap(),
        &id,
    );
    assert_eq!(refused(bed.vote(&id, &twin)), ["vote_repeated"]);
}

#[test]
fn the_owner_does_not_decide_where_policy_forbids() {
    let bed = bed();
    let owner = Approver::parse("user:owner@example.com").unwrap();
    let key = fixtures::approval_key(FixtureKey::STRANGER, owner.clone(), vec![fixtures::maintainer()]);
    bed.trust().update(|trust| trust.keys.push(key));
    let id = opened(&bed);
    for vote in [
        bed.yes(FixtureKey::STRANGER, owner.clone(), &id),
        bed.no(FixtureKey::STRANGER, owner, &id),
    ] {
        assert_eq!(refused(bed.vote(&id, &vote)), ["vote_not_counted"]);
    }
}

#[test]
fn g19_a_restored_store_forgets_no_vote_into_a_pass() {
    let store = std::sync::Arc::new(MemoryDecisionStore::new(Testbed::log()));
    let bed = Testbed::new()
        .with_queue(std::sync::Arc::clone(&store))
        .with_policy(RulePolicy::load(POLICY, "policy.toml").unwrap());
    let id = opened(&bed);
    let vote = yes(&bed, &id);
    let _ = bed.vote(&id, &vote).unwrap();
    bed.clock().advance(Duration::from_secs(10));
    store.restart(ReplayStart::restored(bed.clock().seconds())).unwrap();
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Pending);
    assert_eq!(refused(bed.vote(&id, &no(&bed, &id))), ["request_state_lost"]);
    let answer = bed.authorize_with(&action(), None, &[vote]).unwrap();
    let next = stepped_up(&answer);
    assert_ne!(next, id);
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Cancelled);
    assert!(
        codes(&answer).contains(&"request_state_lost".to_owned()),
        "{:?}",
        codes(&answer)
    );
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn a_full_queue_is_still_a_step_up() {
    let mut terms = RequestTerms::DEFAULT;
    terms.limits.live_per_agent = 1;
    let bed = bed().with_config(|config| config.with_requests(terms));
    let _ = opened(&bed);
    let other = changed(|action| action["capability"]["payload"]["title"] = "x".into());
    let answer = bed.authorize(&other).unwrap();
    assert_eq!((answer.decision, answer.request.is_none()), (Decision::StepUp, true));
    assert_eq!(codes(&answer), ["approval_required", "queue_full"]);
    // An approval by hand still turns it.
    let approval = bed.approve(&other);
    assert_eq!(
        bed.authorize_with(&other, None, &[approval]).unwrap().decision,
        Decision::Allow
    );
}

#[test]
fn three_declines_hold_the_next_until_somebody_lifts_that() {
    let bed = bed();
    let titled = |title: &str| {
        let title = title.to_owned();
        changed(move |action| action["capability"]["payload"]["title"] = title.into())
    };
    let declined = ["a", "b", "c"].map(|title| {
        let id = stepped_up(&bed.authorize(&titled(title)).unwrap());
        let _ = bed.vote(&id, &no(&bed, &id)).unwrap();
        id
    });
    let answer = bed.authorize(&titled("d")).unwrap();
    assert_eq!(
        (codes(&answer), answer.request.is_none()),
        (vec!["approval_required".to_owned(), "requests_held".to_owned()], true)
    );
    assert_eq!(answer.held_by.as_ref(), declined.last());
    // Whichever of the agent's requests is named.
    let by = Some(Principal::parse("user:owner@example.com").unwrap());
    let lift = || block_on(bed.authorizer().unwrap().lift_hold(&declined[0], by.clone())).unwrap();
    assert_eq!((lift(), lift()), (true, false));
    let _ = stepped_up(&bed.authorize(&titled("d")).unwrap());
    assert!(bed.verify_ledger().is_ok());
}

#[test]
fn whoever_opens_nothing_still_settles_what_waits() {
    let bed = bed();
    let caller = fixtures::caller(action().action());
    let asked = action();
    let request = Request::new(&asked, &caller).without_opening();
    let answer = bed.request(request.clone()).unwrap();
    assert_eq!((answer.decision, answer.request.is_none()), (Decision::StepUp, true));
    let id = opened(&bed);
    let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
    let allowed = bed.request(request).unwrap();
    assert_eq!(allowed.request.unwrap().id, id);
}

#[test]
fn hashes_of_salted_logs_stay_hidden_and_the_chain_holds() {
    let bed = bed().with_config(|config| config.with_salted_commitments());
    let id = opened(&bed);
    let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
    let _ = bed
        .vote(
            &id,
            &bed.no(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id),
        )
        .unwrap();
    assert_eq!(bed.authorize(&action()).unwrap().decision, Decision::Deny);
    let hash = action().action_hash().to_string();
    for record in bed.records().unwrap() {
        assert!(!String::from_utf8(record.json).unwrap().contains(&hash));
    }
    assert!(bed.verify_ledger().is_ok());
}

/// What a call that waits for people comes to, when this happens to the request that it opened.
fn parked(bed: &Testbed, happens: impl FnOnce(&RequestId)) -> (RequestId, Authorization) {
    let asked = action();
    let caller = fixtures::caller(asked.action());
    let issuer = bed.authorizer().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let request = Request::new(&asked, &caller).with_wait(Duration::from_secs(30));
            block_on(issuer.authorize(request)).unwrap()
        });
        let id = loop {
            let all = block_on(issuer.reviews(&RequestFilter::default())).unwrap();
            if let Some(review) = all.first() {
                break review.request.id.clone();
            }
        };
        happens(&id);
        (id, waits.join().unwrap())
    })
}

#[test]
fn a_parked_call_goes_on_when_the_request_moves() {
    let bed = bed();
    let (id, allowed) = parked(&bed, |id| drop(bed.vote(id, &yes(&bed, id)).unwrap()));
    assert_eq!((allowed.decision, allowed.request.unwrap().id), (Decision::Allow, id));
}

#[test]
fn a_parked_call_opens_no_second_request() {
    let bed = bed();
    let issuer = bed.authorizer().unwrap();
    let (_, answer) = parked(&bed, |id| drop(block_on(issuer.cancel(id, None)).unwrap()));
    assert_eq!((answer.decision, answer.request.is_none()), (Decision::StepUp, true));
    assert_eq!(codes(&answer), ["approval_required", "request_cancelled"]);
    assert_eq!(block_on(issuer.reviews(&RequestFilter::default())).unwrap().len(), 1);
}

#[test]
fn waiting_has_an_end() {
    let bed = bed();
    let asked = action();
    let caller = fixtures::caller(asked.action());
    let request = Request::new(&asked, &caller).with_wait(Duration::from_millis(300));
    let answer = bed.request(request).unwrap();
    let id = stepped_up(&answer);
    let review = block_on(bed.authorizer().unwrap().wait_for(&id, Duration::from_millis(250))).unwrap();
    assert_eq!(review.state, RequestState::Pending);
}

/// What a custom reason says, whatever it says, is the words of whoever said it.
#[test]
fn the_words_of_a_decline_go_back_to_the_agent() {
    let bed = bed();
    let id = opened(&bed);
    let review = bed.review(&id).unwrap();
    let words = Statement::parse("not on a friday").unwrap();
    let ballot = Approval::human(fixtures::approver(), words.clone())
        .for_request(&review.request)
        .with_shown(actionpass_model::Shown {
            hash: review.request.action_hash,
            renderer: words.clone(),
        });
    let action_of = review.action.unwrap();
    let signer = FixtureKey::APPROVER.signer();
    let (issuer, random) = (fixtures::issuer(), actionpass_core::System);
    let signing = ballot.sign_refusal(&action_of, &issuer, &signer, fixtures::now(), &random);
    let _ = bed.vote(&id, &block_on(signing).unwrap()).unwrap();
    let answer = bed.authorize(&action()).unwrap();
    assert_eq!(answer.declined.unwrap().words, Some(words.clone()));
    for record in bed.records().unwrap() {
        assert!(!String::from_utf8(record.json).unwrap().contains(words.as_str()));
    }
    assert_eq!(
        answer.reasons.first().unwrap().code,
        actionpass_model::Code::from(AuthorizeCode::ApprovalDeclined)
    );
}

/// G18: what a real issuer writes, the tables of a file and its log agree on, salted or not.
#[test]
fn g18_requests_in_a_file_agree_with_their_log() {
    for is_salted in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let start = ReplayStart::first(fixtures::seconds());
        let store = SqliteStore::create(&path, Some(&Testbed::log()), start).unwrap();
        let bed = bed().with_queue(store.clone());
        let bed = if is_salted {
            bed.with_config(|config| config.with_salted_commitments())
        } else {
            bed
        };
        let titled = |title: &str| {
            let title = title.to_owned();
            changed(move |action| action["capability"]["payload"]["title"] = title.into())
        };
        // Opened, joined, approved and used.
        let id = stepped_up(&bed.authorize(&titled("a")).unwrap());
        bed.clock().advance(Duration::from_secs(61));
        assert_eq!(stepped_up(&bed.authorize(&titled("a")).unwrap()), id);
        let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
        assert_eq!(bed.authorize(&titled("a")).unwrap().decision, Decision::Allow);
        // Declined, and denied for it.
        let declined = stepped_up(&bed.authorize(&titled("b")).unwrap());
        let _ = bed.vote(&declined, &no(&bed, &declined)).unwrap();
        assert_eq!(bed.authorize(&titled("b")).unwrap().decision, Decision::Deny);
        // Superseded, then cancelled.
        let _ = stepped_up(&bed.authorize(&titled("c")).unwrap());
        let third = stepped_up(&bed.authorize_with(&titled("c"), Some(&facts("{}")), &[]).unwrap());
        let _ = block_on(bed.authorizer().unwrap().cancel(&third, None)).unwrap();
        // Overdue, and its end recorded by the next.
        let overdue = stepped_up(&bed.authorize(&titled("d")).unwrap());
        bed.clock().advance(Duration::from_secs(2 * 3600));
        let waits = stepped_up(&bed.authorize(&titled("d")).unwrap());
        let ended = block_on(store.request(&overdue)).unwrap().unwrap().request.end;
        assert_eq!(ended.map(|end| end.state), Some(EndState::Expired));
        let live = block_on(store.request(&waits)).unwrap().unwrap().request;
        assert!(live.end.is_none());
        store.check_rows().unwrap();

        // What waits is erased.
        let body = ErasureBody {
            schema: ErasureSchema,
            records: vec![live.decision.seq],
            erased_by: "user:owner@example.com".parse().unwrap(),
            reason: Statement::parse("asked for by law").unwrap(),
            rules: Vec::new(),
        };
        let now = bed.clock().now().unwrap();
        let draft = RecordDraft::new("rec_01920000000070008000000000000001".parse().unwrap(), now, &body).unwrap();
        let _ = block_on(store.append_one(draft)).unwrap();
        let erased = block_on(store.request(&waits)).unwrap().unwrap();
        assert_eq!(erased.request.end.map(|end| end.state), Some(EndState::Cancelled));
        assert_eq!(
            (erased.request.action_hash == Digest::ZERO, erased.action),
            (is_salted, None)
        );
        assert!(bed.verify_ledger().is_ok());
        store.check_rows().unwrap();
        drop((bed, store));
        SqliteStore::open(&path).unwrap().check_rows().unwrap();
    }
}

/// An approval that is offered beside the queue is no vote: what waits asks for what votes alone must bring.
#[test]
fn a_request_asks_for_what_votes_alone_must_bring() {
    let bed = Testbed::new().with_requests().with_policy(NeedsApprovals::new(2));
    let beside = bed.approve(&action());
    let answer = bed
        .authorize_with(&action(), None, std::slice::from_ref(&beside))
        .unwrap();
    let id = stepped_up(&answer);
    let review = bed.review(&id).unwrap();
    assert_eq!(review.request.required.first().unwrap().count, 2);
    let second = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    assert_eq!(bed.vote(&id, &second).unwrap().state, RequestState::Pending);
    // Together with what is offered again it is enough.
    let allowed = bed.authorize_with(&action(), None, &[beside]).unwrap();
    assert_eq!((allowed.decision, allowed.request.unwrap().id), (Decision::Allow, id));
}
