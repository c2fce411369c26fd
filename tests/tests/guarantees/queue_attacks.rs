//! G18 to G20 attacked: histories that nobody plans, callers that get in each other's way, stores that fail at each call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_core::{Authorizer, Clock, Request, RequestState};
use actionpass_model::{Decision, ErasureBody, ErasureSchema, RecordId, RequestId, Statement, Timestamp};
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{LedgerExt, MemoryDecisionStore, QueueStore, ReplayStart, RequestFilter, StoreError};
use actionpass_store_sqlite::SqliteStore;
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::stores::{Flaky, Moment};
use actionpass_testkit::{CountingRandom, Testbed, block_on};
use serde_json::Value;

use crate::common::Dice;

/// An action without an id: each call is another occurrence.
fn action(title: &str, model: &str) -> BoundAction {
    let mut value: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    value.as_object_mut().unwrap().remove("id");
    value["capability"]["payload"]["title"] = title.into();
    value["context"]["model"] = model.into();
    BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn with_id(id: &str) -> BoundAction {
    let mut value: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    value["id"] = id.into();
    BoundAction::admit(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn facts(tests: u64) -> BoundFacts {
    let document = format!(
        r#"{{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:00.000Z","facts":{{"tests":{tests}}}}}"#
    );
    BoundFacts::admit(document.as_bytes(), &Limits::default()).unwrap()
}

fn bed() -> Testbed {
    Testbed::new().with_requests().with_policy(NeedsApprovals::new(1))
}

fn opened(bed: &Testbed, action: &BoundAction) -> RequestId {
    let answer = bed.authorize(action).unwrap();
    assert_eq!(answer.decision, Decision::StepUp);
    answer.request.unwrap().id
}

fn all(issuer: &Authorizer) -> usize {
    block_on(issuer.reviews(&RequestFilter::default())).unwrap().len()
}

fn erasure(number: u64, at: Timestamp, records: Vec<u64>) -> RecordDraft {
    let body = ErasureBody {
        schema: ErasureSchema,
        records,
        erased_by: "user:owner@example.com".parse().unwrap(),
        reason: Statement::parse("asked for by law").unwrap(),
        rules: Vec::new(),
    };
    let id = RecordId::parse(&format!("rec_01920000000070008000{number:012}")).unwrap();
    RecordDraft::new(id, at, &body).unwrap()
}

/// G18: two who wait with different contexts get out of each other's way: neither ends the other's request for one of its own
/// once its own has ended.
#[test]
fn g18_parked_calls_do_not_supersede_each_other_for_ever() {
    let bed = bed();
    let issuer = bed.authorizer().unwrap();
    let (one, other) = (action("a", "one"), action("a", "other"));
    let caller = fixtures::caller(one.action());
    let park = |action: &BoundAction| {
        let request = Request::new(action, &caller).with_wait(Duration::from_secs(3));
        block_on(issuer.authorize(request)).unwrap()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| park(&one));
        while all(&issuer) == 0 {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| park(&other));
        let answer = first.join().unwrap();
        assert_eq!((answer.decision, answer.request.is_none()), (Decision::StepUp, true));
        let codes: Vec<_> = answer.reasons.iter().map(|reason| reason.code.to_string()).collect();
        assert!(codes.contains(&"request_cancelled".to_owned()), "{codes:?}");
        assert_eq!(second.join().unwrap().request.unwrap().state, RequestState::Pending);
    });
    assert_eq!(all(&issuer), 2);
    assert!(bed.verify_ledger().is_ok());
}

/// G18: what is overdue and erased before anybody noticed that it is over ends once.
#[test]
fn g18_what_is_erased_overdue_ends_once() {
    let bed = bed();
    let id = opened(&bed, &action("a", "one"));
    bed.clock().advance(Duration::from_secs(2 * 3600));
    let now = bed.clock().now().unwrap();
    let _ = block_on(bed.decisions().append_one(erasure(1, now, vec![0]))).unwrap();
    // The next call of the agent looks after what is overdue.
    let _ = opened(&bed, &action("b", "one"));
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Expired);
    assert!(bed.verify_ledger().is_ok(), "{:?}", bed.verify_ledger());
    // It waits for nobody, whatever clocks say.
    bed.clock().rewind(Duration::from_secs(5400));
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Expired);
    assert_ne!(opened(&bed, &action("a", "one")), id);
    assert!(bed.verify_ledger().is_ok());
}

/// G19: whatever the action was allowed for before, after a decline nobody gets a pass of the issuer again.
#[test]
fn g19_a_decline_gives_no_pass_of_before_again() {
    let bed = bed();
    let named = with_id("deploy-1");
    let allowed = bed.authorize_with(&named, None, &[bed.approve(&named)]).unwrap();
    assert_eq!(allowed.decision, Decision::Allow);
    assert!(bed.authorize(&named).unwrap().pass.is_some());
    let id = opened(&bed, &with_id("deploy-2"));
    let _ = bed
        .vote(&id, &bed.no(FixtureKey::APPROVER, fixtures::approver(), &id))
        .unwrap();
    let refused = bed.authorize(&named).unwrap_err();
    assert_eq!(refused.code().as_str(), "approval_declined");
    let last = String::from_utf8(bed.records().unwrap().pop().unwrap().json).unwrap();
    assert!(last.contains("approval_declined"), "{last}");
    assert!(bed.verify_ledger().is_ok());
}

/// G19: a vote that bears the id of another person's decline doesn't take the words out of that person's mouth.
#[test]
fn g19_a_decline_is_told_in_its_own_words_whatever_its_id() {
    let bed = Testbed::new().with_requests().with_policy(NeedsApprovals::new(2));
    let asked = action("a", "one");
    let id = opened(&bed, &asked);
    let review = bed.review(&id).unwrap();
    let (issuer, now) = (fixtures::issuer(), fixtures::now());
    let ballot = |approver| Testbed::ballot(approver, &review);
    // Of the same randomness, so with the same id.
    let (yes, no) = (CountingRandom::new(), CountingRandom::new());
    let signer = FixtureKey::APPROVER.signer();
    let yes = block_on(ballot(fixtures::approver()).sign(&asked, &issuer, &signer, now, &yes)).unwrap();
    let signer = FixtureKey::SECOND_APPROVER.signer();
    let no = block_on(ballot(fixtures::second_approver()).sign_refusal(&asked, &issuer, &signer, now, &no)).unwrap();
    let votes = [bed.vote(&id, &yes), bed.vote(&id, &no)].map(|voted| voted.unwrap().request.votes);
    let declined = votes.last().unwrap();
    assert_eq!(declined.first().unwrap().id, declined.last().unwrap().id);
    let answer = bed.authorize(&asked).unwrap().declined.unwrap();
    assert_eq!(answer.by.as_str(), "user:security@example.com");
    assert_eq!(answer.words.unwrap().as_str(), "reviewed");
}

/// G18: what people signed is in no debug output.
#[test]
fn g18_tokens_of_votes_are_in_no_debug_output() {
    let store = Arc::new(MemoryDecisionStore::new(Testbed::log()));
    let bed = bed().with_queue(Arc::clone(&store));
    let id = opened(&bed, &action("a", "one"));
    let vote = bed.yes(FixtureKey::APPROVER, fixtures::approver(), &id);
    let review = bed.vote(&id, &vote).unwrap();
    let stored = block_on(store.request(&id)).unwrap().unwrap();
    assert_eq!(stored.tokens.len(), 1);
    for shown in [format!("{stored:?}"), format!("{review:?}")] {
        assert!(!shown.contains(&vote), "{shown}");
    }
}

/// One history that nobody planned. After each step log and, if there is one, file agree with what happened.
fn walk(bed: &Testbed, store: &dyn QueueStore, check: &dyn Fn() -> Result<(), StoreError>, dice: &mut Dice) {
    let issuer = bed.authorizer().unwrap();
    let mut ids: Vec<RequestId> = Vec::new();
    let mut history = Vec::new();
    for number in 0..40 {
        let title = ["a", "b", "c"][usize::try_from(dice.below(3)).unwrap()];
        let model = ["one", "other"][usize::try_from(dice.below(4) / 3).unwrap()];
        let pick = usize::try_from(dice.below(ids.len().max(1) as u64)).unwrap();
        let picked = ids.get(pick).cloned();
        let what = dice.below(14);
        history.push((what, title, model, pick));
        match (what, picked) {
            (0..=4, _) => {
                let given = (dice.below(4) == 0).then(|| facts(dice.below(2)));
                let asked = match dice.below(6) {
                    0 => with_id(title),
                    _ => action(title, model),
                };
                match bed.authorize_with(&asked, given.as_ref(), &[]) {
                    Ok(answer) => ids.extend(answer.request.map(|request| request.id)),
                    Err(error) => assert!(!error.code().as_str().starts_with("store"), "{history:?}: {error:?}"),
                }
            }
            (5..=8, Some(id)) => {
                let review = bed.review(&id).unwrap();
                if matches!(review.state, RequestState::Pending | RequestState::Approved) {
                    let (key, approver) = match dice.below(2) {
                        0 => (FixtureKey::APPROVER, fixtures::approver()),
                        _ => (FixtureKey::SECOND_APPROVER, fixtures::second_approver()),
                    };
                    let vote = if what == 5 {
                        bed.no(key, approver, &id)
                    } else {
                        bed.yes(key, approver, &id)
                    };
                    let _ = bed.vote(&id, &vote);
                }
            }
            (9, Some(id)) => drop(block_on(issuer.cancel(&id, None))),
            (10, Some(id)) => drop(block_on(issuer.lift_hold(&id, None)).unwrap()),
            (11, _) => {
                let size = block_on(store.state()).unwrap().head.size();
                let records = vec![dice.below(size.max(1))];
                if size > 0 {
                    let draft = erasure(number, bed.clock().now().unwrap(), records);
                    if let Err(error) = block_on(store.append_one(draft)) {
                        assert_eq!(error.code().as_str(), "side_data_held", "{history:?}");
                    }
                }
            }
            (12, _) => bed.clock().rewind(Duration::from_secs(dice.below(3) * 1800)),
            _ => bed.clock().advance(Duration::from_secs(
                [1, 61, 1800, 4000][usize::try_from(dice.below(4)).unwrap()],
            )),
        }
        if let Err(error) = bed.verify_ledger() {
            panic!("{history:?}: {error:?}");
        }
        check().unwrap_or_else(|error| panic!("{history:?}: {error:?}"));
        for id in &ids {
            let _ = bed.review(id).unwrap_or_else(|error| panic!("{history:?}: {error:?}"));
        }
    }
}

/// G18: no history is refused by those who check the log and the file, and none is refused by the issuer that wrote it. Some
/// of them unless `ACTIONPASS_LONG` asks for four hundred.
#[test]
fn g18_no_history_is_a_false_alarm() {
    let rounds = if std::env::var_os("ACTIONPASS_LONG").is_some() {
        400
    } else {
        16
    };
    for seed in 0..rounds {
        let is_salted = seed % 2 == 1;
        let salted = |bed: Testbed| {
            if is_salted {
                bed.with_config(|config| config.with_salted_commitments())
            } else {
                bed
            }
        };
        let memory = Arc::new(MemoryDecisionStore::new(Testbed::log()));
        let bench = salted(bed().with_queue(Arc::clone(&memory)));
        walk(&bench, &*memory, &|| Ok(()), &mut Dice::new(seed));

        let folder = tempfile::tempdir().unwrap();
        let start = ReplayStart::first(fixtures::seconds());
        let store = SqliteStore::create(&folder.path().join("ledger.db"), Some(&Testbed::log()), start).unwrap();
        let bench = salted(bed().with_queue(store.clone()));
        walk(&bench, &store, &|| store.check_rows(), &mut Dice::new(seed));
        let requests = |store: &dyn QueueStore| -> BTreeMap<_, _> {
            let found = block_on(store.requests(&RequestFilter::default(), bench.clock().now().unwrap())).unwrap();
            found
                .into_iter()
                .map(|request| (request.created_at, request.end))
                .collect()
        };
        assert_eq!(requests(&*memory), requests(&store), "{seed}");
    }
}

/// G18, G20: whichever call of the store fails, before it was made or behind it, nothing is half done: no pass without its
/// record, no second one of one approval, none after a decline, and the next one who asks is answered.
#[test]
fn g20_a_store_that_fails_at_any_call_leaves_nothing_half_done() {
    for declines in [false, true] {
        for moment in [Moment::Before, Moment::After] {
            for fails in 1.. {
                let memory = Arc::new(MemoryDecisionStore::new(Testbed::log()));
                let flaky = Arc::new(Flaky::new(Arc::clone(&memory), fails, moment));
                let bed = bed()
                    .with_queue(Arc::clone(&flaky))
                    .with_random(actionpass_core::System);
                let (first, second) = (action("a", "one"), action("a", "other"));
                let mut released = Vec::new();
                let mut ask = |action: &BoundAction| {
                    if let Ok(answer) = bed.authorize(action) {
                        released.extend(answer.pass.map(|pass| pass.token));
                    }
                };
                ask(&first);
                ask(&second);
                let healthy = self::bed()
                    .with_queue(Arc::clone(&memory))
                    .with_random(actionpass_core::System);
                let id = opened(&healthy, &second);
                let vote = if declines {
                    healthy.no(FixtureKey::APPROVER, fixtures::approver(), &id)
                } else {
                    healthy.yes(FixtureKey::APPROVER, fixtures::approver(), &id)
                };
                let was_cast = bed.vote(&id, &vote).is_ok();
                let is_on_record = healthy.review(&id).unwrap().state != RequestState::Pending;
                assert!(!was_cast || is_on_record, "{fails} {moment:?}");
                for _ in 0..3 {
                    ask(&second);
                }
                let now = healthy.authorize(&second).unwrap();
                let is_expected = match (is_on_record, declines) {
                    // Used, or lost behind the store's back: another one waits in any case.
                    (true, false) | (false, _) => now.decision == Decision::StepUp,
                    (true, true) => now.decision == Decision::Deny,
                };
                assert!(is_expected, "{declines} {fails} {moment:?}: {now:?}");
                let records = healthy.records().unwrap().into_iter();
                let records = records.map(|record| String::from_utf8(record.json).unwrap());
                let allows = records.filter(|json| json.contains(r#""decision":"allow""#)).count();
                assert!(allows <= usize::from(is_on_record && !declines), "{fails} {moment:?}");
                assert!(released.len() <= allows, "{fails} {moment:?}");
                assert!(healthy.verify_ledger().is_ok());
                if flaky.calls() < fails {
                    break;
                }
            }
        }
    }
}
