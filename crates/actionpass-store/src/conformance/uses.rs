//! The clauses of the contract of [`UseStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::RecordKind;

use super::fixtures::{at, log, mark, outcome, used};
use super::{OpenUses, Suite};
use crate::ledger::SealedRecord;
use crate::{Consumption, Mark, ReplayCode, StoreCode, StoreError, UseStore, UsedUp};

type Uses<'a> = Suite<'a, OpenUses<'a>>;

impl Uses<'_> {
    fn store(&self) -> Arc<dyn UseStore> {
        (self.open)(self.folder.path(), &log())
    }

    fn use_up(&self, store: &dyn UseStore, record: u64, mark: Mark) -> Result<UsedUp, StoreError> {
        self.run(store.use_up(mark, at(1), used(record)))
    }

    fn recorded(&self, store: &dyn UseStore, number: u64) -> SealedRecord {
        match self.use_up(store, number, mark(number, 0)).unwrap() {
            UsedUp::Recorded(record) => record,
            UsedUp::Refused(code) => super::fail(&code),
        }
    }

    fn is_used(&self, store: &dyn UseStore, mark: &Mark) -> bool {
        self.run(store.is_used(&mark.issuer, &mark.pass)).unwrap()
    }
}

/// G6: a pass is used once, and its record is in the log once.
pub fn g06_a_pass_is_used_and_recorded_once(suite: &Uses<'_>) {
    let store = suite.store();
    let record = suite.recorded(&*store, 1);
    assert!(suite.is_used(&*store, &mark(1, 0)));
    let again = suite.use_up(&*store, 2, mark(1, 0)).unwrap();
    assert_eq!(again, UsedUp::Refused(ReplayCode::AlreadyUsed));
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 1);
    let stored = suite.run(store.read(0, 9)).unwrap();
    let [stored] = stored.as_slice() else {
        super::fail(&stored)
    };
    assert_eq!(stored.to_record().unwrap().kind, RecordKind::Use);
    assert_eq!(stored.seq, record.seq());
}

/// G6: whoever only consumes, and whoever records too, use the same marks.
pub fn g06_marks_are_those_of_consume(suite: &Uses<'_>) {
    let store = suite.store();
    assert_eq!(
        suite.run(store.consume(&mark(1, 0), at(1))).unwrap(),
        Consumption::Consumed
    );
    let refused = suite.use_up(&*store, 1, mark(1, 0)).unwrap();
    assert_eq!(refused, UsedUp::Refused(ReplayCode::AlreadyUsed));
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 0);

    let _ = suite.recorded(&*store, 2);
    assert_eq!(
        suite.run(store.consume(&mark(2, 0), at(1))).unwrap(),
        Consumption::Refused(ReplayCode::AlreadyUsed)
    );
}

/// A record that can't be written marks nothing.
pub fn a_use_that_cannot_be_recorded_marks_nothing(suite: &Uses<'_>) {
    let store = suite.store();
    // A record that is appended only by a report.
    let refused = suite.run(store.use_up(mark(1, 0), at(1), outcome(1, 1, true, None)));
    assert_eq!(refused.unwrap_err().code(), StoreCode::StoreMisused);
    assert!(!suite.is_used(&*store, &mark(1, 0)));
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 0);
    let _ = suite.recorded(&*store, 1);
}

/// G6: of 16 threads that use one pass up, one does, and one record says so.
pub fn g06_of_16_threads_one_uses_a_pass_up(suite: &Uses<'_>) {
    let store = suite.store();
    let recorded = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let store = &store;
                scope.spawn(move || super::block_on(store.use_up(mark(1, 0), at(1), used(number))).unwrap())
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes
            .filter(|outcome| matches!(outcome, UsedUp::Recorded(_)))
            .count()
    });
    assert_eq!(recorded, 1);
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 1);
}

/// What was used is used after opening again, and recorded.
pub fn g10_uses_are_there_after_opening_again(suite: &Uses<'_>) {
    let store = suite.store();
    let _ = suite.recorded(&*store, 1);
    drop(store);
    let store = suite.store();
    assert!(suite.is_used(&*store, &mark(1, 0)));
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 1);
    let again = suite.use_up(&*store, 2, mark(1, 0)).unwrap();
    assert_eq!(again, UsedUp::Refused(ReplayCode::AlreadyUsed));
}
