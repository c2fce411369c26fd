//! The clauses of the contract of [`Ledger`].

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_model::{ErasureBody, ErasureSchema, RevocationId};

use super::fixtures::{digest, draft, erased, log, policed, revoked, trust, trusted, used};
use super::{OpenLedger, Suite};
use crate::ledger::{ChainVerifier, Head, RecordDraft, SealedRecord};
use crate::{
    AppendOutcome, Batch, Ledger, LedgerExt, LedgerState, SideKind, StoreCode, StoreError, StoredRecord, TrustRange,
};

type Ledgers<'a> = Suite<'a, OpenLedger<'a>>;

/// How long what must come may take, on a machine that is busy with other tests.
const LATEST: Duration = Duration::from_secs(20);

impl<O: ?Sized> Suite<'_, O> {
    pub(super) fn append(&self, ledger: &dyn Ledger, draft: RecordDraft) -> SealedRecord {
        match self.run(ledger.append_one(draft)).unwrap() {
            AppendOutcome::Appended(record) => record,
            other => super::fail(&other),
        }
    }

    pub(super) fn state(&self, ledger: &dyn Ledger) -> LedgerState {
        self.run(ledger.state()).unwrap()
    }

    pub(super) fn all(&self, ledger: &dyn Ledger) -> Vec<StoredRecord> {
        self.run(ledger.read(0, 10_000)).unwrap()
    }

    /// The log chains from its first record to its head.
    pub(super) fn verify(&self, ledger: &dyn Ledger) -> Head {
        let mut verifier = ChainVerifier::new().with_log(log());
        for record in self.all(ledger) {
            assert_eq!(verifier.push(&record.json).unwrap().seq, record.seq);
        }
        let head = verifier.finish().unwrap().head;
        assert_eq!(head, self.state(ledger).head);
        head
    }
}

impl Ledgers<'_> {
    fn ledger(&self) -> Arc<dyn Ledger> {
        (self.open)(self.folder.path(), &log())
    }

    /// Appends a batch, all of whose records are new, and gives their places.
    fn places(&self, ledger: &dyn Ledger, batch: Batch) -> Vec<u64> {
        let place = |outcome| match outcome {
            AppendOutcome::Appended(record) => record.seq(),
            other => super::fail(&other),
        };
        let outcomes = self.run(ledger.append(batch)).unwrap();
        outcomes.into_iter().map(place).collect()
    }

    fn watermark(&self, ledger: &dyn Ledger) -> u64 {
        self.state(ledger).reconciled
    }
}

fn revocation(number: u64) -> RevocationId {
    format!("rev_{number:032x}").parse().unwrap()
}

/// A record that no log takes.
pub(super) fn too_large(number: u64) -> RecordDraft {
    let body = ErasureBody {
        schema: ErasureSchema,
        records: vec![1_000_000; 10_000],
        erased_by: "user:owner".parse().unwrap(),
        reason: "too much".parse().unwrap(),
        rules: Vec::new(),
    };
    draft(number, &body)
}

const fn range(after: u64, to: u64) -> TrustRange {
    TrustRange { after, to }
}

/// What a future gives, if it gives it in time.
async fn in_time<T>(future: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let mut future = pin!(future);
    let deadline = Instant::now().checked_add(LATEST).unwrap();
    let mut alarm = None;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output.unwrap())),
        Poll::Pending if Instant::now() >= deadline => Poll::Ready(None),
        Poll::Pending => {
            alarm.get_or_insert_with(|| {
                let waker = context.waker().clone();
                thread::spawn(move || {
                    thread::sleep(LATEST);
                    waker.wake();
                })
            });
            Poll::Pending
        }
    })
    .await
}

/// A new log has no records, and its store knows nothing.
pub fn a_new_log_is_empty(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    assert_eq!(suite.state(&ledger), LedgerState::default());
    assert_eq!(suite.all(&ledger), []);
    assert_eq!(suite.run(ledger.side(0, SideKind::Token)).unwrap(), None);
}

/// G11: the chain holds whatever the kinds of its records, and each record is stored as it was acknowledged.
pub fn g11_records_of_every_kind_chain(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let drafts = [
        used(1),
        revoked(2, 1, 2),
        trusted(3, trust(3)),
        policed(4, 1),
        erased(5, vec![0]),
    ];
    let records = drafts.map(|draft| suite.append(&ledger, draft));
    assert_eq!(suite.verify(&ledger), records[4].head());
    let stored = records.map(|record| StoredRecord::new(record.seq(), record.json().to_vec()));
    assert_eq!(suite.all(&ledger), stored);
}

/// The records of a batch stand next to each other, in the order of their drafts, and each takes effect.
pub fn a_batch_is_written_in_order(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let _ = suite.append(&ledger, used(0));
    let drafts = vec![
        policed(1, 1),
        revoked(2, 1, 2),
        used(3),
        trusted(4, trust(3)),
        policed(5, 2),
    ];
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id().clone()).collect();
    let outcomes = suite.run(ledger.append(Batch::new(drafts))).unwrap();
    let refs: Vec<_> = outcomes.iter().map(AppendOutcome::to_ref).collect();
    assert_eq!(
        refs.iter().map(|record| record.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(refs.into_iter().map(|record| record.id).collect::<Vec<_>>(), ids);
    let state = suite.state(&ledger);
    assert_eq!((state.trust, state.policy), (Some(trust(3)), Some(digest(2))));
    assert_eq!(suite.verify(&ledger).size(), 6);
}

/// A batch without records writes nothing.
pub fn an_empty_batch_writes_nothing(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let _ = suite.append(&ledger, used(0));
    let before = suite.state(&ledger);
    assert_eq!(suite.run(ledger.append(Batch::new(Vec::new()))).unwrap(), []);
    assert_eq!(suite.state(&ledger), before);
}

/// One draft that can't be written leaves nothing of its batch: no record, no effect, no watermark.
pub fn a_batch_with_a_bad_record_writes_nothing(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let _ = suite.append(&ledger, used(0));
    let before = suite.state(&ledger);
    let good = || vec![revoked(1, 1, 2), policed(2, 1), trusted(3, trust(5))];
    for place in 0..=good().len() {
        let mut drafts = good();
        drafts.insert(place, too_large(9));
        let batch = Batch::new(drafts).with_reconciled(range(0, 5));
        let error = suite.run(ledger.append(batch)).unwrap_err();
        assert_eq!(error.code(), StoreCode::RecordTooLarge);
        assert_eq!(suite.state(&ledger), before);
        assert_eq!(suite.all(&ledger).len(), 1);
        assert_eq!(
            suite.run(ledger.unrecorded(vec![revocation(1)])).unwrap(),
            [revocation(1)]
        );
    }
    assert_eq!(suite.places(&ledger, Batch::new(good())), [1, 2, 3]);
    assert_eq!(suite.verify(&ledger).size(), 4);
}

/// A revocation has one record, also where its draft stands twice in a batch, and those without are named.
pub fn a_revocation_is_recorded_once(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let record = suite.append(&ledger, revoked(1, 1, 2));
    let again = suite.run(ledger.append_one(revoked(2, 1, 2))).unwrap();
    assert_eq!(again, AppendOutcome::AlreadyRecorded(record.to_ref()));
    assert_eq!(suite.verify(&ledger).size(), 1);

    let batch = Batch::new(vec![revoked(3, 2, 3), revoked(4, 1, 3), used(5), revoked(6, 2, 3)]);
    let outcomes = suite.run(ledger.append(batch)).unwrap();
    let seqs: Vec<_> = outcomes.iter().map(|outcome| outcome.to_ref().seq).collect();
    assert_eq!(seqs, [1, 0, 2, 1]);
    assert!(matches!(outcomes.last(), Some(AppendOutcome::AlreadyRecorded(_))));
    assert_eq!(suite.verify(&ledger).size(), 3);

    let ids = vec![revocation(4), revocation(1), revocation(3), revocation(2)];
    assert_eq!(
        suite.run(ledger.unrecorded(ids)).unwrap(),
        [revocation(4), revocation(3)]
    );
    assert_eq!(suite.run(ledger.unrecorded(Vec::new())).unwrap(), []);
    assert_eq!(
        suite.run(ledger.revocations()).unwrap(),
        [(revocation(1), 0), (revocation(2), 1)]
    );
}

/// The watermark moves with a batch that says so, also an empty one, and by nothing else.
pub fn the_watermark_moves_by_what_a_batch_says(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    for draft in [revoked(1, 1, 2), trusted(2, trust(3)), used(3)] {
        let _ = suite.append(&ledger, draft);
    }
    assert_eq!(suite.watermark(&ledger), 0);
    let batch = Batch::of(revoked(4, 2, 4)).with_reconciled(range(0, 4));
    assert_eq!(suite.places(&ledger, batch), [3]);
    assert_eq!(suite.watermark(&ledger), 4);
    let nothing = |after, to| Batch::new(Vec::new()).with_reconciled(range(after, to));
    assert_eq!(suite.places(&ledger, nothing(4, 9)), [0; 0]);
    assert_eq!(suite.watermark(&ledger), 9);
    // A range that begins further back is as good.
    assert_eq!(suite.places(&ledger, nothing(2, 10)), [0; 0]);
    assert_eq!(suite.watermark(&ledger), 10);
    // A record that was there already counts: the log holds it.
    let again = Batch::of(revoked(5, 1, 2)).with_reconciled(range(10, 11));
    assert!(matches!(
        suite.run(ledger.append(again)).unwrap()[..],
        [AppendOutcome::AlreadyRecorded(_)]
    ));
    assert_eq!(suite.watermark(&ledger), 11);
}

/// What isn't known to be in the log is never skipped: a range that begins beyond the watermark doesn't move it. Nor
/// does anything move it back.
pub fn the_watermark_skips_nothing(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let append = |number, after, to| {
        let batch = Batch::of(revoked(number, number, to)).with_reconciled(range(after, to));
        assert_eq!(suite.places(&ledger, batch).len(), 1);
        suite.watermark(&ledger)
    };
    assert_eq!(append(1, 0, 5), 5);
    // Version 6 revoked something whose record is missing.
    assert_eq!(append(2, 6, 7), 5);
    assert_eq!(append(3, 7, 8), 5);
    assert_eq!(append(4, 1, 2), 5);
    assert_eq!(append(5, 5, 6), 6);
    // The records themselves are there all the same.
    assert_eq!(suite.verify(&ledger).size(), 5);
    let ids = (1..=6).map(revocation).collect();
    assert_eq!(suite.run(ledger.unrecorded(ids)).unwrap(), [revocation(6)]);
}

/// Reading starts where it is told and stops at its limit or at the end.
pub fn records_are_read_in_pages(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    for number in 0..5 {
        let _ = suite.append(&ledger, used(number));
    }
    let seqs = |seq, limit| -> Vec<u64> {
        suite
            .run(ledger.read(seq, limit))
            .unwrap()
            .iter()
            .map(|record| record.seq)
            .collect()
    };
    assert_eq!(seqs(0, 2), [0, 1]);
    assert_eq!(seqs(3, 100), [3, 4]);
    assert_eq!(seqs(0, 0), [0; 0]);
    assert_eq!(seqs(5, 100), [0; 0]);
    assert_eq!(seqs(u64::MAX, usize::MAX), [0; 0]);
}

/// What a log doesn't take is an error, and the next record takes its place.
pub fn a_record_that_is_too_large_is_not_appended(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let error = suite.run(ledger.append_one(too_large(1))).unwrap_err();
    assert_eq!(error.code(), StoreCode::RecordTooLarge);
    assert_eq!(suite.append(&ledger, used(2)).seq(), 0);
}

/// G11: 16 threads that append batches at once make one chain, in which the records of each batch are neighbours.
pub fn g11_16_threads_append_to_one_chain(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    thread::scope(|scope| {
        for thread in 0..16_u64 {
            let ledger = &ledger;
            scope.spawn(move || {
                for number in 0..4_u64 {
                    let pair = [0, 1].map(|half| used((thread << 8) | (number << 1) | half));
                    let places = suite.places(ledger, Batch::new(pair.into()));
                    let neighbours = |pair: &[u64]| matches!(pair, [one, next] if one.checked_add(1) == Some(*next));
                    assert!(neighbours(&places), "{places:?}");
                }
            });
        }
    });
    assert_eq!(suite.verify(&ledger).size(), 128);
}

/// Whoever follows the log waits for the record that isn't there yet, and is told at once of one that is.
pub fn following_waits_for_the_next_record(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let _ = suite.append(&ledger, used(0));
    assert_eq!(suite.run(in_time(ledger.follow(0))), Some(1));
    thread::scope(|scope| {
        let following = [1, 1, 2].map(|seq| {
            let ledger = &ledger;
            scope.spawn(move || suite.run(in_time(ledger.follow(seq))))
        });
        thread::sleep(Duration::from_millis(50));
        assert!(following.iter().all(|thread| !thread.is_finished()));
        let _ = suite.append(&ledger, used(1));
        let [first, second, third] = following;
        for thread in [first, second] {
            // At least the one: others may have come until it looked.
            assert!(thread.join().unwrap().is_some_and(|size| size >= 2));
        }
        thread::sleep(Duration::from_millis(300));
        assert!(!third.is_finished());
        let _ = suite.append(&ledger, used(2));
        assert_eq!(third.join().unwrap(), Some(3));
    });
}

/// A follower that gave up is no burden, and others are served.
pub fn following_may_be_given_up(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    suite.run(async {
        for _ in 0..3 {
            let mut given_up = ledger.follow(0);
            std::future::poll_fn(|context| {
                assert!(given_up.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
        }
    });
    let _ = suite.append(&ledger, used(0));
    assert_eq!(suite.run(in_time(ledger.follow(0))), Some(1));
}

/// G10: everything that was appended is there when the store is opened again, and the watermark where it was.
pub fn g10_what_was_appended_is_there_after_opening_again(suite: &Ledgers<'_>) {
    let ledger = suite.ledger();
    let revocation = suite.append(&ledger, revoked(1, 1, 2));
    let batch = Batch::new(vec![policed(2, 1), trusted(3, trust(7))]).with_reconciled(range(0, 7));
    assert_eq!(suite.places(&ledger, batch), [1, 2]);
    let (state, records) = (suite.state(&ledger), suite.all(&ledger));
    assert_eq!(state.reconciled, 7);
    drop(ledger);

    let ledger = suite.ledger();
    assert_eq!((suite.state(&ledger), suite.all(&ledger)), (state, records));
    let recorded = suite.run(ledger.append_one(revoked(4, 1, 2))).unwrap();
    assert_eq!(recorded, AppendOutcome::AlreadyRecorded(revocation.to_ref()));
    let _ = suite.append(&ledger, used(5));
    assert_eq!(suite.verify(&ledger).size(), 4);
}

/// G11: two handles on one store append to one chain.
pub fn g11_two_handles_append_to_one_chain(suite: &Ledgers<'_>) {
    let (one, other) = (suite.ledger(), suite.ledger());
    thread::scope(|scope| {
        for (ledger, first) in [(&one, 0_u64), (&other, 100)] {
            scope.spawn(move || {
                for number in first..first.saturating_add(20) {
                    let _ = suite.append(ledger, used(number));
                }
            });
        }
    });
    assert_eq!(suite.verify(&one), suite.verify(&other));
    assert_eq!(suite.state(&one).head.size(), 40);
}

/// Whoever follows the log learns of the records of another handle.
pub fn following_notices_another_handle(suite: &Ledgers<'_>) {
    let (one, other) = (suite.ledger(), suite.ledger());
    thread::scope(|scope| {
        let following = scope.spawn(|| suite.run(in_time(one.follow(0))));
        thread::sleep(Duration::from_millis(50));
        let _ = suite.append(&other, used(0));
        assert_eq!(following.join().unwrap(), Some(1));
    });
}
