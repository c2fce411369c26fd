//! Everything carried from a file into a database and back: the same records, the same head, and every row beside them.
//!
//! A few thousand records; with `ACTIONPASS_LONG` 100,000.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::collections::BTreeMap;
use std::path::Path;

use actionpass_model::{Decision, VoteKind};
use actionpass_store::conformance::requests::{cancel, changes, joins, opens, settles, votes};
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::contents::{Cell, Page, Pages, Table};
use actionpass_store::ledger::{ChainVerifier, Head, verify_jsonl};
use actionpass_store::{
    Batch, Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore, Ledger, LedgerExt,
    OutcomeStore, QueueStore, ReplayCode, ReplayStart, ReplayStore, Reported, SideKind, StoreCode, StoreError,
    UseStore, UsedUp,
};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};
use actionpass_store_sqlite::SqliteStore;
use shared::{database, options, server};

/// How many records there are beside those of every kind.
fn many() -> u64 {
    match std::env::var_os("ACTIONPASS_LONG") {
        Some(_) => 100_000,
        None => 3_000,
    }
}

fn commit(store: &SqliteStore, commit: DecisionCommit) {
    let outcome = block_on(store.commit(commit)).unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
}

fn change(store: &SqliteStore, change: Change) {
    let outcome = block_on(store.change(change)).unwrap();
    assert!(matches!(outcome, ChangeOutcome::Changed(..)), "{outcome:?}");
}

/// A file with rows of every kind, and many records.
fn filled(path: &Path, many: u64) -> SqliteStore {
    use VoteKind::{Approve, Decline};
    let start = ReplayStart::first(fixtures::at(0));
    let store = SqliteStore::create(path, Some(&fixtures::log()), start).unwrap();
    let vote = |request, version, number: u64, kind, seconds| {
        votes(request, version, number, &format!("user:p{number}"), kind, seconds)
    };
    for number in 1..=5 {
        commit(&store, opens(number, number, 0));
    }
    change(&store, vote(1, 0, 1, Decline, 1));
    change(&store, vote(2, 0, 2, Approve, 2));
    change(&store, vote(2, 1, 3, Approve, 3));
    commit(&store, joins(20, 2, 2, 2, 4));
    commit(&store, settles(21, 2, 2, 2, 5));
    change(&store, changes(3, 0, cancel(6), 6));
    change(&store, vote(5, 0, 7, Approve, 8));
    for number in 101..=110 {
        let approvals = vec![fixtures::approval("user:ann", number)];
        commit(&store, fixtures::decision(number, Decision::Allow, approvals));
    }
    assert_eq!(
        block_on(store.consume(&fixtures::mark(101, 0), fixtures::at(1))).unwrap(),
        Consumption::Consumed
    );
    let _ = block_on(store.append_one(fixtures::used(101))).unwrap();
    let used = block_on(store.use_up(fixtures::mark(102, 0), fixtures::at(1), fixtures::used(102))).unwrap();
    assert!(matches!(used, UsedUp::Recorded(_)));
    let reported = block_on(store.report(fixtures::report(111, 101, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)));
    let _ = block_on(store.append_one(fixtures::revoked(112, 1, 1))).unwrap();
    let _ = block_on(store.append_one(fixtures::erased(113, vec![0]))).unwrap();
    let numbers: Vec<u64> = (1000..many.saturating_add(1000)).collect();
    for numbers in numbers.chunks(500) {
        let drafts = numbers
            .iter()
            .map(|number| fixtures::policed(*number, *number))
            .collect();
        let _ = block_on(store.append(Batch::new(drafts))).unwrap();
    }
    store.check_rows().unwrap();
    store
}

/// Every row of every table.
fn rows(pages: Result<Pages, StoreError>) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in pages.unwrap() {
        let Page { table, rows, .. } = page.unwrap();
        let rows = rows.iter().map(|row| format!("{row:?}"));
        tables.entry(format!("{table:?}")).or_default().extend(rows);
    }
    tables.values_mut().for_each(|rows| rows.sort());
    tables
}

/// The head of a log that verifies from its first record on.
fn verified(mut export: impl FnMut(&mut Vec<u8>) -> u64) -> Head {
    let mut lines = Vec::new();
    let size = export(&mut lines);
    let verified = verify_jsonl(&lines[..], ChainVerifier::new()).unwrap();
    assert_eq!(verified.head.size(), size);
    verified.head
}

#[test]
fn g12_what_goes_into_a_database_and_back_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (here, back) = (folder.path().join("here.db"), folder.path().join("back.db"));
    let first = filled(&here, many());
    let head = verified(|lines| first.export(lines).unwrap());
    let before = rows(SqliteStore::contents(&here));
    // That of a log whose first records were taken out has a test of its own.
    let absent = [Table::RequestHold, Table::SignedHead];
    for table in Table::ALL.iter().filter(|table| !absent.contains(table)) {
        assert!(before.contains_key(&format!("{table:?}")), "{table:?} is empty");
    }

    let there = options(server(), &database(server()));
    PostgresStore::create_of(&there, SqliteStore::contents(&here).unwrap()).unwrap();
    let copy = PostgresStore::open(&there).unwrap();
    assert_eq!(copy.log(), first.log());
    assert_eq!(verified(|lines| copy.export(lines).unwrap()), head);
    assert_eq!(block_on(copy.state()).unwrap(), block_on(first.state()).unwrap());
    block_on(copy.check_rows()).unwrap();
    assert_eq!(rows(PostgresStore::contents(&there)), before);

    SqliteStore::create_of(&back, PostgresStore::contents(&there).unwrap()).unwrap();
    let last = SqliteStore::open(&back).unwrap();
    assert_eq!(verified(|lines| last.export(lines).unwrap()), head);
    assert_eq!(block_on(last.state()).unwrap(), block_on(first.state()).unwrap());
    last.check_rows().unwrap();
    assert_eq!(rows(SqliteStore::contents(&back)), before);

    // Both go on where the first ended.
    for number in [101, 102] {
        let used = block_on(copy.consume(&fixtures::mark(number, 0), fixtures::at(1))).unwrap();
        assert_eq!(used, Consumption::Refused(ReplayCode::AlreadyUsed));
        let used = block_on(last.consume(&fixtures::mark(number, 0), fixtures::at(1))).unwrap();
        assert_eq!(used, Consumption::Refused(ReplayCode::AlreadyUsed));
    }
    let _ = block_on(copy.append_one(fixtures::revoked(900, 9, 2))).unwrap();
    let _ = block_on(last.append_one(fixtures::revoked(900, 9, 2))).unwrap();
    block_on(copy.check_rows()).unwrap();
    last.check_rows().unwrap();
    let head = head.size();
    assert!(block_on(copy.side(head, SideKind::Payload)).unwrap().is_none());
    assert_eq!(
        block_on(copy.state()).unwrap().head,
        block_on(last.state()).unwrap().head
    );
}

/// A copy that comes to nothing leaves nothing, and one is made only where there is no store.
#[test]
fn half_a_copy_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here.db");
    drop(filled(&path, 10));
    let broken = || {
        let whole = SqliteStore::contents(&path).unwrap();
        Pages::read(move |out| {
            for page in whole.take(5) {
                let page = page?;
                page.rows.into_iter().try_for_each(|row| out.row(page.table, row))?;
            }
            Err(StoreError::new(StoreCode::StoreIoFailed))
        })
        .unwrap()
    };
    let code = |done: Result<(), StoreError>| done.unwrap_err().code();
    let there: PostgresOptions = options(server(), &database(server()));
    assert_eq!(
        code(PostgresStore::create_of(&there, broken())),
        StoreCode::StoreIoFailed
    );
    assert_eq!(PostgresStore::open(&there).unwrap_err().code(), StoreCode::StoreMissing);
    let copy = folder.path().join("copy.db");
    assert_eq!(code(SqliteStore::create_of(&copy, broken())), StoreCode::StoreIoFailed);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    // Rows of another form are refused, and leave nothing either.
    let odd = || Pages::read(|out| out.row(Table::Limits, vec![Cell::Text("1".to_owned()), Cell::Null])).unwrap();
    assert_eq!(code(PostgresStore::create_of(&there, odd())), StoreCode::StoreCorrupt);
    assert_eq!(code(SqliteStore::create_of(&copy, odd())), StoreCode::StoreCorrupt);
    assert!(!copy.exists());

    PostgresStore::create_of(&there, SqliteStore::contents(&path).unwrap()).unwrap();
    let again = PostgresStore::create_of(&there, SqliteStore::contents(&path).unwrap());
    assert_eq!(code(again), StoreCode::StoreExists);
    let onto = SqliteStore::create_of(&path, PostgresStore::contents(&there).unwrap());
    assert_eq!(code(onto), StoreCode::StoreExists);
}
