//! The clauses about the signed head at which a log begins: another one in its place.

use std::sync::Arc;

use actionpass_model::ArchivedRows;

use super::super::Archivable;
use super::super::fixtures::{archived, digest, policed, resigned};
use super::{Archives, SIGNED};
use crate::ledger::{Head, SealedRecord};
use crate::{LedgerExt, Resign, StoreCode};

/// Another signed head of the same record.
const ANEW: &[u8] = b"signed anew\n";

impl Archives<'_> {
    /// Has the first records out of a log of six, and gives where it begins.
    fn archived_log(&self, store: &Arc<dyn Archivable>) -> Head {
        for number in 1..=6 {
            let _ = self.append(store, policed(number, number));
        }
        let _ = self.archive(&**store, 7, 4);
        self.state(store).first
    }

    fn signing(number: u64, head: Head, former: &[u8], signed: &[u8]) -> Resign {
        Resign {
            head,
            former: former.to_vec(),
            signed: signed.to_vec(),
            record: resigned(number, 70, head),
        }
    }

    fn resign(&self, store: &dyn Archivable, call: Resign) -> Option<SealedRecord> {
        self.run(store.resign(call)).unwrap()
    }

    /// The signed head at which it begins.
    fn signed(&self, store: &dyn Archivable) -> Vec<u8> {
        self.run(store.beginning()).unwrap().unwrap().signed
    }
}

/// G12: another signed head takes the place of the one that it began at, with its record, and nothing else changes.
pub fn g12_another_signed_head_takes_the_place_of_the_first(suite: &Archives<'_>) {
    let store = suite.store();
    let head = suite.archived_log(&store);
    let (before, rest) = (suite.state(&store), suite.from(&*store, 4));
    let record = suite.resign(&*store, Archives::signing(8, head, SIGNED, ANEW)).unwrap();
    assert_eq!((record.seq(), suite.signed(&*store).as_slice()), (7, ANEW));
    let state = suite.state(&store);
    assert_eq!((state.head, state.first), (record.head(), head));
    assert_eq!((state.trust, state.policy), (before.trust, before.policy));
    let now = suite.from(&*store, 4);
    assert_eq!(now.split_last().unwrap().1, rest);
    assert_eq!(now.last().unwrap().json, record.json());
    // Again, in the place of that one, and an archive behind it.
    assert!(
        suite
            .resign(&*store, Archives::signing(9, head, ANEW, SIGNED))
            .is_some()
    );
    assert_eq!(suite.signed(&*store), SIGNED);
    let next = suite.append(&store, policed(10, 10));
    assert_eq!(next.seq(), 9);
    let _ = suite.archive(&*store, 11, 8);
    suite.sweep(&*store);
    assert_eq!(suite.state(&store).first.size(), 8);
    assert!(
        suite
            .resign(&*store, Archives::signing(12, head, SIGNED, ANEW))
            .is_none()
    );
    let first = suite.state(&store).first;
    assert!(
        suite
            .resign(&*store, Archives::signing(13, first, SIGNED, ANEW))
            .is_some()
    );
}

/// Unless the store begins there, at that signed head, and the record says so, nothing is changed.
pub fn what_is_no_signing_anew_changes_nothing(suite: &Archives<'_>) {
    let store = suite.store();
    let misused = |call: Resign| {
        let error = suite.run(store.resign(call.clone())).unwrap_err();
        assert_eq!(error.code(), StoreCode::StoreMisused, "{call:?}");
    };
    misused(Archives::signing(1, Head::EMPTY, SIGNED, ANEW));
    assert!(
        suite
            .resign(&*store, Archives::signing(1, Head::new(2, digest(2)), SIGNED, ANEW))
            .is_none()
    );
    let head = suite.archived_log(&store);
    let before = suite.state(&store);
    let good = Archives::signing(8, head, SIGNED, ANEW);
    // What another did meanwhile is no fault of the caller's.
    for call in [
        Archives::signing(8, head, ANEW, ANEW),
        Archives::signing(8, head, b"", ANEW),
        Archives::signing(8, Head::new(head.size(), digest(9)), SIGNED, ANEW),
        Archives::signing(8, Head::new(3, digest(3)), SIGNED, ANEW),
        Archives::signing(8, before.head, SIGNED, ANEW),
    ] {
        assert!(suite.resign(&*store, call.clone()).is_none(), "{call:?}");
    }
    for record in [
        policed(8, 8),
        resigned(8, 70, before.head),
        archived(8, 70, head, ArchivedRows::default()),
    ] {
        misused(Resign { record, ..good.clone() });
    }
    for signed in [Vec::new(), vec![b'x'; crate::MAX_SIGNED_HEAD + 1]] {
        misused(Resign { signed, ..good.clone() });
    }
    // Nor does a record alone.
    let appended = suite.run(store.append_one(good.record.clone()));
    assert_eq!(appended.unwrap_err().code(), StoreCode::StoreMisused);
    assert_eq!(
        (suite.state(&store), suite.signed(&*store).as_slice()),
        (before, SIGNED)
    );
    assert!(suite.resign(&*store, good).is_some());
}

/// G10: what was signed anew is there when the store is opened again.
pub fn g10_a_head_that_was_signed_anew_is_there_after_opening_again(suite: &Archives<'_>) {
    let store = suite.store();
    let head = suite.archived_log(&store);
    assert!(
        suite
            .resign(&*store, Archives::signing(8, head, SIGNED, ANEW))
            .is_some()
    );
    let state = suite.state(&store);
    drop(store);
    let store = suite.store();
    assert_eq!((suite.state(&store), suite.signed(&*store).as_slice()), (state, ANEW));
    assert!(
        suite
            .resign(&*store, Archives::signing(9, head, SIGNED, ANEW))
            .is_none()
    );
    let _ = suite.append(&store, policed(9, 9));
}
