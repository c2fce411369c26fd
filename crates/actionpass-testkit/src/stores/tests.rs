use actionpass_model::VoteKind;
use actionpass_queue::RequestCode;
use actionpass_store::conformance::requests::{id, key, lifted, opens, settles, votes};
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::{
    ChangeOutcome, CommitOutcome, DecisionStore, Ledger, LookUp, MemoryDecisionStore, QueueStore, RequestFilter,
    StoreCode, StoreError,
};

use super::*;

const VERSIONS: [Option<u64>; 4] = [None, Some(0), Some(1), Some(2)];

/// Opens a request, votes on it and settles it: the first failure, and what the calls that came back said.
fn use_up(store: &dyn QueueStore) -> Result<(), StoreError> {
    let opened = block_on(store.commit(opens(1, 1, 0)))?;
    assert!(matches!(opened, CommitOutcome::Committed(_)), "{opened:?}");
    let vote = votes(1, 0, 5, "user:ann", VoteKind::Approve, 1);
    let changed = block_on(store.change(vote))?;
    assert!(matches!(changed, ChangeOutcome::Changed(..)), "{changed:?}");
    let settled = block_on(store.commit(settles(2, 1, 1, 1, 2)))?;
    assert!(matches!(settled, CommitOutcome::Committed(_)), "{settled:?}");
    Ok(())
}

#[test]
fn each_step_of_a_request_fails_before_or_after_it_is_made() {
    for fails in 1..=3 {
        for (moment, made) in [(Moment::Before, fails - 1), (Moment::After, fails)] {
            let store = Flaky::new(MemoryDecisionStore::new(fixtures::log()), fails, moment);
            assert_eq!(use_up(&store).unwrap_err().code(), StoreCode::StoreUnavailable);
            assert_eq!(store.calls(), fails);
            let inner = store.inner();
            assert_eq!(block_on(inner.request_version(&id(1))).unwrap(), VERSIONS[made]);
            let size = block_on(inner.state()).unwrap().head.size();
            assert_eq!(size, made as u64, "{fails} {moment:?}");
        }
    }
    let store = Flaky::new(MemoryDecisionStore::new(fixtures::log()), 4, Moment::Before);
    use_up(&store).unwrap();
    assert_eq!(store.calls(), 3);
}

/// What each call of the queue gives, as a code, or nothing.
fn asked(store: &dyn QueueStore) -> [Option<StoreCode>; 6] {
    fn code<T>(answer: Result<T, StoreError>) -> Option<StoreCode> {
        answer.err().map(|error| error.code())
    }
    let now = fixtures::at(0).to_timestamp();
    let (id, all) = (id(1), RequestFilter::default());
    [
        code(block_on(store.request(&id))),
        code(block_on(store.request_version(&id))),
        code(block_on(store.requests(&all, now))),
        code(block_on(store.change(votes(1, 0, 5, "user:ann", VoteKind::Approve, 1)))),
        code(block_on(store.lift(id.clone(), lifted(1, 1)))),
        code(block_on(store.look_up(LookUp::new().of_request(key(1), now)))),
    ]
}

#[test]
fn every_call_of_the_queue_is_counted() {
    for fails in 1..=6 {
        let store = Flaky::new(MemoryDecisionStore::new(fixtures::log()), fails, Moment::After);
        let expected = std::array::from_fn(|call| (call + 1 == fails).then_some(StoreCode::StoreUnavailable));
        assert_eq!(asked(&store), expected);
    }
    let refused = asked(&RefusingStore(StoreCode::StoreFull));
    assert_eq!(refused, [Some(StoreCode::StoreFull); 6]);
}

#[test]
fn a_queue_that_loses_acknowledges_and_has_nothing() {
    let store = LosingStore::new(fixtures::log());
    let opened = block_on(store.commit(opens(1, 1, 0))).unwrap();
    assert!(matches!(opened, CommitOutcome::Committed(_)));
    assert_eq!(block_on(store.request(&id(1))).unwrap(), None);
    let now = fixtures::at(0).to_timestamp();
    let known = block_on(store.look_up(LookUp::new().of_request(key(1), now))).unwrap();
    assert_eq!(known.standing, Some(actionpass_store::Standing::default()));
    let changed = block_on(store.change(votes(1, 0, 5, "user:ann", VoteKind::Approve, 1))).unwrap();
    assert_eq!(changed, ChangeOutcome::Refused(RequestCode::RequestUnknown));
    assert!(block_on(store.lift(id(1), lifted(1, 1))).unwrap().is_some());
}
