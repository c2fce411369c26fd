//! The clauses of the contract of [`OutcomeStore`].

use std::sync::Arc;
use std::thread;

use super::fixtures::{allow, log, outcome, pass, report, used, used_of};
use super::{OpenOutcomes, Suite};
use crate::ledger::SealedRecord;
use crate::{AppendOutcome, LedgerExt, OutcomeStore, Report, Reported, StoreCode, UsedPass};

type Outcomes<'a> = Suite<'a, OpenOutcomes<'a>>;

impl Outcomes<'_> {
    fn store(&self) -> Arc<dyn OutcomeStore> {
        (self.open)(self.folder.path(), &log())
    }

    fn recorded(&self, store: &dyn OutcomeStore, report: Report) -> SealedRecord {
        match self.run(store.report(report)).unwrap() {
            Reported::Recorded(record) => record,
            other => super::fail(&other),
        }
    }

    /// What isn't recorded leaves the log as it was.
    fn not_recorded(&self, store: &dyn OutcomeStore, report: Report) -> Reported {
        let before = self.run(store.state()).unwrap();
        let outcome = self.run(store.report(report)).unwrap();
        assert_eq!(self.run(store.state()).unwrap(), before);
        outcome
    }

    fn use_up(&self, store: &dyn OutcomeStore, number: u64) -> u64 {
        let appended = self.run(store.append_one(used(number))).unwrap();
        assert!(matches!(appended, AppendOutcome::Appended(_)), "{appended:?}");
        appended.to_ref().seq
    }
}

fn known(used: u64, outcome: Option<u64>, contradiction: Option<u64>) -> UsedPass {
    UsedPass {
        used,
        outcome,
        contradiction,
    }
}

/// Of a pass that nobody used nothing is reported.
pub fn an_unused_pass_has_no_outcome(suite: &Outcomes<'_>) {
    let store = suite.store();
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), None);
    assert_eq!(suite.not_recorded(&store, report(1, 1, true, None)), Reported::Unused);
    assert_eq!(
        suite.not_recorded(&store, report(1, 1, true, Some(0))),
        Reported::Unused
    );
    let _ = suite.use_up(&store, 2);
    assert_eq!(suite.not_recorded(&store, report(3, 1, true, None)), Reported::Unused);
}

/// A pass of another issuer isn't this log's.
pub fn a_foreign_pass_has_no_outcome(suite: &Outcomes<'_>) {
    let store = suite.store();
    let foreign = used_of(1, "https://other.example".parse().unwrap());
    let _ = suite.run(store.append_one(foreign)).unwrap();
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), None);
    // Of several uses the first of this issuer counts.
    assert_eq!((suite.use_up(&store, 1), suite.use_up(&store, 1)), (1, 2));
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), Some(known(1, None, None)));
}

/// The first report is the outcome, one more may contradict it, and that is all.
pub fn an_outcome_is_recorded_once_and_contradicted_once(suite: &Outcomes<'_>) {
    let store = suite.store();
    let at = suite.use_up(&store, 1);
    let nothing = known(at, None, None);
    assert_eq!(
        suite.not_recorded(&store, report(2, 1, true, Some(0))),
        Reported::Moved(nothing)
    );
    let first = suite.recorded(&store, report(2, 1, true, None));
    let once = known(at, Some(first.seq()), None);
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), Some(once));
    assert_eq!(
        suite.not_recorded(&store, report(3, 1, true, None)),
        Reported::Moved(once)
    );
    assert_eq!(
        suite.not_recorded(&store, report(3, 1, false, Some(at))),
        Reported::Moved(once)
    );
    let second = suite.recorded(&store, report(3, 1, false, Some(first.seq())));
    let twice = known(at, Some(first.seq()), Some(second.seq()));
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), Some(twice));
    for contradicts in [None, Some(first.seq()), Some(second.seq())] {
        assert_eq!(
            suite.not_recorded(&store, report(4, 1, true, contradicts)),
            Reported::Moved(twice)
        );
    }
    assert_eq!((first.seq(), second.seq()), (1, 2));
    assert_eq!(suite.run(store.read(1, 9)).unwrap().len(), 2);
}

/// A record says what the report says, and an outcome of a pass comes by a report only.
pub fn what_is_no_report_writes_nothing(suite: &Outcomes<'_>) {
    let store = suite.store();
    let _ = suite.use_up(&store, 1);
    let before = suite.run(store.state()).unwrap();
    for record in [used(2), outcome(2, 2, true, None), allow(2).record] {
        let wrong = Report {
            record,
            ..report(2, 1, true, None)
        };
        assert_eq!(
            suite.run(store.report(wrong)).unwrap_err().code(),
            StoreCode::StoreMisused
        );
    }
    let appended = suite.run(store.append_one(outcome(2, 1, true, None)));
    assert_eq!(appended.unwrap_err().code(), StoreCode::StoreMisused);
    assert_eq!(suite.run(store.state()).unwrap(), before);
}

/// Of those who report at once one is recorded.
pub fn of_16_threads_one_reports(suite: &Outcomes<'_>) {
    let store = suite.store();
    let _ = suite.use_up(&store, 1);
    let (store, block_on) = (&store, suite.block_on);
    let recorded = thread::scope(|scope| {
        let threads: Vec<_> = (2_u64..18)
            .map(|number| {
                scope.spawn(move || {
                    let mut is_recorded = false;
                    block_on(Box::pin(async {
                        let reported = store.report(report(number, 1, number.is_multiple_of(2), None)).await;
                        is_recorded = matches!(reported.unwrap(), Reported::Recorded(_));
                    }));
                    is_recorded
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|it| *it)
            .count()
    });
    assert_eq!(recorded, 1);
    assert_eq!(suite.run(store.state()).unwrap().head.size(), 2);
}

/// Opened again, it knows what was reported.
pub fn outcomes_are_there_after_opening_again(suite: &Outcomes<'_>) {
    let at = suite.use_up(&suite.store(), 1);
    let first = suite.recorded(&suite.store(), report(2, 1, true, None)).seq();
    let second = suite.recorded(&suite.store(), report(3, 1, false, Some(first))).seq();
    let found = suite.run(suite.store().used(&pass(1))).unwrap();
    assert_eq!(found, Some(known(at, Some(first), Some(second))));
}
