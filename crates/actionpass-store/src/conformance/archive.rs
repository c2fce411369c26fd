//! The clauses of the contract of [`ArchiveStore`](crate::ArchiveStore).

use std::sync::Arc;

use actionpass_model::{ArchivedRows, Decision, VoteKind};

use super::fixtures::{
    action, allow, approval, archived, at, decision, digest, erased_at, log, pass, policed, report, revoked, used,
};
use super::requests::{self, opens, settles, votes};
use super::{Archivable, OpenArchivable, Suite};
use crate::ledger::{ChainVerifier, Head, LedgerVerifier, SealedRecord};
use crate::{
    AppendOutcome, Archive, ArchiveOutcome, ChangeOutcome, CommitOutcome, DecisionCommit, Ledger, LedgerExt, Needed,
    Reported, StoreCode, StoredRecord,
};

mod resign;

pub use resign::{
    g10_a_head_that_was_signed_anew_is_there_after_opening_again, g12_another_signed_head_takes_the_place_of_the_first,
    what_is_no_signing_anew_changes_nothing,
};

type Archives<'a> = Suite<'a, OpenArchivable<'a>>;

/// A signed head, as far as a store looks at it.
const SIGNED: &[u8] = b"signed\n";

impl Archives<'_> {
    fn store(&self) -> Arc<dyn Archivable> {
        (self.open)(self.folder.path(), &log())
    }

    fn decided(&self, store: &dyn Archivable, commit: DecisionCommit) -> SealedRecord {
        match self.run(store.commit(commit)).unwrap() {
            CommitOutcome::Committed(record) => record,
            other => super::fail(&other),
        }
    }

    /// Everything in front of this number, which the store is asked to take out.
    fn call(&self, store: &dyn Archivable, number: u64, size: u64) -> Archive {
        let last = self.run(store.read(size.saturating_sub(1), 1)).unwrap().remove(0);
        let head = Head::new(size, last.to_record().unwrap().ledger_hash);
        Archive {
            head,
            signed: SIGNED.to_vec(),
            record: archived(number, 60, head, ArchivedRows::default()),
        }
    }

    fn archive(&self, store: &dyn Archivable, number: u64, size: u64) -> SealedRecord {
        let call = self.call(store, number, size);
        match self.run(store.archive(call)).unwrap() {
            ArchiveOutcome::Archived(record) => record,
            other => super::fail(&other),
        }
    }

    fn sweep(&self, store: &dyn Archivable) {
        while self.run(store.sweep(2)).unwrap() {}
    }

    fn from(&self, store: &dyn Archivable, seq: u64) -> Vec<StoredRecord> {
        self.run(store.read(seq, 10_000)).unwrap()
    }

    /// What is left chains to the head that it begins at, and what was there before is the same log.
    fn check(&self, store: &dyn Archivable, taken: &[StoredRecord]) {
        let state = self.state(store);
        let rest = self.from(store, state.first.size());
        let mut behind = LedgerVerifier::new(ChainVerifier::behind(state.first.known().unwrap()).with_log(log()));
        let mut whole = LedgerVerifier::new(ChainVerifier::new().with_log(log()));
        for record in taken {
            let _ = whole.push(&record.json).unwrap();
        }
        assert_eq!(whole.head(), state.first);
        for record in &rest {
            assert_eq!(behind.push(&record.json).unwrap().seq, record.seq);
            let _ = whole.push(&record.json).unwrap();
        }
        assert_eq!(behind.finish().unwrap().head, state.head);
        assert_eq!(whole.finish().unwrap().head, state.head);
    }
}

fn archived_code<T: std::fmt::Debug>(read: Result<T, crate::StoreError>) -> StoreCode {
    read.unwrap_err().code()
}

/// Nothing was taken out of a log at first.
pub fn a_log_begins_with_its_first_record(suite: &Archives<'_>) {
    let store = suite.store();
    assert_eq!(suite.run(store.beginning()).unwrap(), None);
    assert_eq!(suite.run(store.needed(u64::MAX, at(0).to_timestamp())).unwrap(), None);
    assert!(!suite.run(store.sweep(10)).unwrap());
    let _ = suite.append(&store, policed(1, 1));
    assert!(!suite.run(store.sweep(10)).unwrap());
    assert_eq!(suite.state(&store).first, Head::EMPTY);
    assert_eq!(suite.from(&*store, 0).len(), 1);
}

/// G11: what is left follows the head, and what was taken out is asked for in vain.
pub fn g11_the_rest_follows_the_head(suite: &Archives<'_>) {
    let store = suite.store();
    for number in 1..=7 {
        let _ = suite.append(&store, policed(number, number));
    }
    let taken = suite.from(&*store, 0).into_iter().take(5).collect::<Vec<_>>();
    let call = suite.call(&*store, 8, 5);
    let head = call.head;
    let record = suite.archive(&*store, 8, 5);
    assert_eq!(record.seq(), 7);
    for is_swept in [false, true] {
        let state = suite.state(&store);
        assert_eq!((state.head, state.first), (record.head(), head));
        let beginning = suite.run(store.beginning()).unwrap().unwrap();
        assert_eq!((beginning.head, beginning.signed.as_slice()), (head, SIGNED));
        for seq in 0..5 {
            let read = suite.run(store.read(seq, 10));
            assert_eq!(archived_code(read), StoreCode::LedgerArchived, "{seq} {is_swept}");
        }
        let rest: Vec<u64> = suite.from(&*store, 5).iter().map(|record| record.seq).collect();
        assert_eq!(rest, [5, 6, 7]);
        assert_eq!(suite.from(&*store, 8), []);
        suite.check(&*store, &taken);
        suite.sweep(&*store);
    }
    let next = suite.append(&store, policed(9, 9));
    assert_eq!(next.seq(), 8);
    suite.check(&*store, &taken);
}

/// A record stays as long as something lies beside it, or the request that it opened waits.
pub fn what_something_needs_stays(suite: &Archives<'_>) {
    let store = suite.store();
    let _ = suite.append(&store, policed(1, 1));
    let _ = suite.decided(&*store, allow(2));
    let _ = suite.decided(&*store, opens(3, 3, 0));
    let _ = suite.append(&store, policed(4, 1));
    let now = at(60).to_timestamp();
    let needed = |until| suite.run(store.needed(until, now)).unwrap();
    assert_eq!([needed(1), needed(2)], [None, Some(Needed::SideData(1))]);
    let before = suite.state(&store);
    let refused = suite.run(store.archive(suite.call(&*store, 5, 3))).unwrap();
    assert_eq!(refused, ArchiveOutcome::Needed(Needed::SideData(1)));
    assert_eq!(suite.state(&store), before);
    let _ = suite.append(&store, erased_at(6, 10, vec![1]));
    assert_eq!([needed(2), needed(4)], [None, Some(Needed::SideData(2))]);
    // Erasing what lies beside it ends the request.
    let _ = suite.append(&store, erased_at(7, 10, vec![2]));
    assert_eq!(needed(4), None);
    let taken = suite.from(&*store, 0).into_iter().take(4).collect::<Vec<_>>();
    let _ = suite.archive(&*store, 8, 4);
    suite.check(&*store, &taken);
}

/// Whatever isn't a head of this log behind its beginning, said by the record, moves nothing.
pub fn what_is_no_archive_moves_nothing(suite: &Archives<'_>) {
    let store = suite.store();
    for number in 1..=4 {
        let _ = suite.append(&store, policed(number, number));
    }
    let _ = suite.archive(&*store, 5, 2);
    let before = suite.state(&store);
    let rows = ArchivedRows::default();
    let good = suite.call(&*store, 6, 3);
    let of = |head| Archive {
        head,
        record: archived(6, 60, head, rows),
        ..good.clone()
    };
    let bad = [
        of(before.first),
        of(Head::EMPTY),
        of(Head::new(3, digest(3))),
        of(Head::new(9, digest(9))),
        Archive {
            record: archived(6, 60, before.head, rows),
            ..good.clone()
        },
        Archive {
            record: policed(6, 6),
            ..good.clone()
        },
        Archive {
            signed: Vec::new(),
            ..good.clone()
        },
        Archive {
            signed: vec![b'x'; crate::MAX_SIGNED_HEAD + 1],
            ..good.clone()
        },
    ];
    for call in bad {
        let error = suite.run(store.archive(call.clone())).unwrap_err();
        assert_eq!(error.code(), StoreCode::StoreMisused, "{call:?}");
    }
    // Nor does a record alone.
    let appended = suite.run(store.append_one(good.record.clone()));
    assert_eq!(appended.unwrap_err().code(), StoreCode::StoreMisused);
    assert_eq!(suite.state(&store), before);
    let done = suite.run(store.archive(good)).unwrap();
    assert!(matches!(done, ArchiveOutcome::Archived(_)));
}

/// G5, G6: actions, approvals, uses, outcomes and revocations of before are known as ever.
pub fn g05_nothing_is_forgotten(suite: &Archives<'_>) {
    let store = suite.store();
    let ann = approval("user:ann", 1);
    let _ = suite.decided(&*store, decision(1, Decision::Allow, vec![ann.clone()]));
    let _ = suite.decided(&*store, allow(2));
    let _ = suite.append(&store, used(1));
    let reported = suite.run(store.report(report(3, 1, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)));
    let revocation = suite.append(&store, revoked(4, 1, 1));
    let _ = suite.append(&store, erased_at(5, 10, vec![0, 1]));
    // The records of others are given to nobody who asks for revocations.
    let found = [0, revocation.seq()].map(|seq| suite.run(store.revocation_at(seq)).unwrap().is_some());
    assert_eq!(found, [false, true]);
    let taken = suite.from(&*store, 0);
    let issued = suite.run(store.find(&action(1))).unwrap();
    let used_before = suite.run(store.used(&pass(1))).unwrap();
    let _ = suite.archive(&*store, 6, 6);
    suite.sweep(&*store);
    suite.check(&*store, &taken);
    let before = suite.state(&store);

    assert_eq!(suite.run(store.find(&action(1))).unwrap(), issued);
    let issued = issued.unwrap();
    assert_eq!(
        (issued.is_of(digest(1)), issued.is_of(digest(2))),
        (Some(true), Some(false))
    );
    let again = suite.run(store.commit(allow(1))).unwrap();
    assert_eq!(again, CommitOutcome::AlreadyIssued(Box::new(issued)));
    let again = suite
        .run(store.commit(decision(7, Decision::Allow, vec![ann.clone()])))
        .unwrap();
    assert_eq!(again, CommitOutcome::ApprovalUsed(ann));
    assert_eq!(suite.run(store.used(&pass(1))).unwrap(), used_before);
    let moved = suite.run(store.report(report(8, 1, false, None))).unwrap();
    assert_eq!(moved, Reported::Moved(used_before.unwrap()));
    let known = suite.run(store.append_one(revoked(9, 1, 1))).unwrap();
    assert_eq!(known, AppendOutcome::AlreadyRecorded(revocation.to_ref()));
    let kept = suite.run(store.revocation_at(revocation.seq())).unwrap();
    assert_eq!(kept.unwrap().json, revocation.json());
    assert_eq!(suite.run(store.revocation_at(0)).unwrap(), None);
    assert_eq!(suite.state(&store), before);
    // A contradiction of what was reported before is recorded.
    let contradicts = suite.run(store.report(report(10, 1, false, Some(3)))).unwrap();
    assert!(matches!(contradicts, Reported::Recorded(_)));
}

/// G18: a request that was opened before the beginning and ended behind it is known, and counts.
pub fn g18_requests_of_before_go_on(suite: &Archives<'_>) {
    let store = suite.store();
    let _ = suite.decided(&*store, opens(1, 1, 0));
    let _ = suite.append(&store, policed(2, 1));
    let voted = votes(1, 0, 3, "user:ann", VoteKind::Approve, 1);
    assert!(matches!(
        suite.run(store.change(voted)).unwrap(),
        ChangeOutcome::Changed(..)
    ));
    let _ = suite.decided(&*store, settles(4, 1, 1, 1, 2));
    let _ = suite.append(&store, erased_at(5, 10, vec![0, 3]));
    let request = suite.run(store.request(&requests::id(1))).unwrap();
    let taken = suite.from(&*store, 0).into_iter().take(2).collect::<Vec<_>>();
    let _ = suite.archive(&*store, 6, 2);
    suite.sweep(&*store);
    suite.check(&*store, &taken);
    assert_eq!(suite.run(store.request(&requests::id(1))).unwrap(), request);
    let again = suite.run(store.commit(opens(1, 9, 20)));
    assert_eq!(again.unwrap_err().code(), StoreCode::StoreMisused);
}

/// Each archive goes on where the one before ended, and takes the record of that out in its turn.
pub fn archives_follow_each_other(suite: &Archives<'_>) {
    let store = suite.store();
    let mut taken = Vec::new();
    for round in 0..4_u64 {
        for number in 0..3_u64 {
            let _ = suite.append(&store, policed(number.saturating_add(round.saturating_mul(10)), number));
        }
        let state = suite.state(&store);
        let rest = suite.from(&*store, state.first.size());
        taken.extend(rest);
        let _ = suite.archive(&*store, round.saturating_mul(10).saturating_add(9), state.head.size());
        suite.check(&*store, &taken);
        suite.sweep(&*store);
        suite.check(&*store, &taken);
    }
    assert_eq!(suite.state(&store).head.size(), 16);
}

/// G10: the beginning is there when the store is opened again, swept or not.
pub fn g10_the_beginning_is_there_after_opening_again(suite: &Archives<'_>) {
    let store = suite.store();
    for number in 1..=6 {
        let _ = suite.append(&store, policed(number, number));
    }
    let taken = suite.from(&*store, 0).into_iter().take(4).collect::<Vec<_>>();
    let _ = suite.archive(&*store, 7, 4);
    let state = suite.state(&store);
    drop(store);
    for _ in 0..2 {
        let store = suite.store();
        assert_eq!(suite.state(&store), state);
        let read = suite.run(store.read(3, 1));
        assert_eq!(archived_code(read), StoreCode::LedgerArchived);
        suite.check(&*store, &taken);
        suite.sweep(&*store);
    }
    let store = suite.store();
    let _ = suite.append(&store, policed(8, 8));
    suite.check(&*store, &taken);
}
