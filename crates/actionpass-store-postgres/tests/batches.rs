//! Calls of every kind in one transaction: each finds what is known of what it asks for.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::sync::Barrier;
use std::thread;

use actionpass_model::Decision;
use actionpass_store::conformance::requests::{decides, opens, part};
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::{
    AppendOutcome, CommitOutcome, DecisionCommit, DecisionStore, LedgerExt, OutcomeStore, ReplayStart, Reported,
    RequestPart,
};
use actionpass_store_postgres::PostgresStore;
use shared::{database, options, server};

/// How often each kind of call is made at once: more than one batch takes while another is written.
const EACH: u64 = 8;

fn commit(store: &PostgresStore, commit: DecisionCommit) -> CommitOutcome {
    block_on(store.commit(commit)).unwrap()
}

#[test]
fn calls_of_every_kind_at_once_find_what_is_known() {
    let name = database(server());
    let start = ReplayStart::first(fixtures::at(0));
    let store = PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start).unwrap();
    let approvals = vec![fixtures::approval("user:ann", 1)];
    let first = fixtures::decision(1, Decision::Allow, approvals.clone());
    assert!(matches!(commit(&store, first.clone()), CommitOutcome::Committed(_)));
    assert!(matches!(commit(&store, opens(2, 5, 0)), CommitOutcome::Committed(_)));
    let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
    let reported = block_on(store.report(fixtures::report(3, 1, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)), "{reported:?}");
    let revoked = block_on(store.append_one(fixtures::revoked(4, 1, 1))).unwrap().to_ref();
    // An allow that doesn't say that it settles the request which waits for the same.
    let against = |number| decides(number, 5, 2, Decision::Allow).with_queue(part(5, RequestPart::None));

    let at_once = Barrier::new(5 * usize::try_from(EACH).unwrap());
    thread::scope(|scope| {
        for number in 0..EACH {
            let (store, at_once) = (&store, &at_once);
            let (first, approvals, revoked) = (first.clone(), approvals.clone(), &revoked);
            scope.spawn(move || {
                at_once.wait();
                let again = commit(store, first);
                assert!(matches!(again, CommitOutcome::AlreadyIssued(_)), "{again:?}");
            });
            scope.spawn(move || {
                at_once.wait();
                let used = fixtures::decision(100 + number, Decision::Allow, approvals);
                let used = commit(store, used);
                assert!(matches!(used, CommitOutcome::ApprovalUsed(_)), "{used:?}");
            });
            scope.spawn(move || {
                at_once.wait();
                let known = block_on(store.append_one(fixtures::revoked(200 + number, 1, 1))).unwrap();
                assert_eq!(known, AppendOutcome::AlreadyRecorded(revoked.clone()));
            });
            scope.spawn(move || {
                at_once.wait();
                let again = block_on(store.report(fixtures::report(300 + number, 1, true, None))).unwrap();
                assert!(matches!(again, Reported::Moved(_)), "{again:?}");
            });
            scope.spawn(move || {
                at_once.wait();
                assert_eq!(commit(store, against(400 + number)), CommitOutcome::RequestMoved);
            });
        }
    });
}
