//! A file whose first records were taken out: what is compared, what is noticed, and what is left of them in it.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail their test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_model::{Decision, VoteKind};
use actionpass_store::conformance::requests::{opens, settles, votes};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::Head;
use actionpass_store::{
    Archive, ArchiveOutcome, ArchiveStore, ChangeOutcome, CommitOutcome, DecisionCommit, DecisionStore, Ledger,
    LedgerExt, OutcomeStore, QueueStore, ReplayStart, Reported, StoreCode, StoredRecord, UseStore, UsedUp,
};
use actionpass_store_sqlite::{SqliteStore, Witness};
use rusqlite::Connection;

fn start() -> ReplayStart {
    ReplayStart::first(fixtures::at(0))
}

fn commit(store: &SqliteStore, commit: DecisionCommit) {
    let outcome = block_on(store.commit(commit)).unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
}

/// Twelve records: allows, one salted, a request that ends behind record 5, a use with its outcome, a revocation. What lies
/// beside them is erased.
fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::create(path, Some(&fixtures::log()), start()).unwrap();
    commit(
        &store,
        fixtures::decision(1, Decision::Allow, vec![fixtures::approval("user:ann", 1)]),
    );
    commit(&store, fixtures::salted(2));
    let used = block_on(store.use_up(fixtures::mark(1, 0), fixtures::at(1), fixtures::used(1))).unwrap();
    assert!(matches!(used, UsedUp::Recorded(_)));
    let reported = block_on(store.report(fixtures::report(3, 1, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)));
    let _ = block_on(store.append_one(fixtures::revoked(4, 1, 1))).unwrap();
    commit(&store, opens(1, 5, 0));
    let voted = block_on(store.change(votes(1, 0, 6, "user:p6", VoteKind::Approve, 1))).unwrap();
    assert!(matches!(voted, ChangeOutcome::Changed(..)));
    commit(&store, settles(7, 5, 1, 1, 2));
    commit(&store, opens(2, 8, 3));
    // Ends the request that waits.
    let _ = block_on(store.append_one(fixtures::erased_at(9, 10, vec![0, 1, 5, 7, 8]))).unwrap();
    let _ = block_on(store.append_one(fixtures::policed(10, 1))).unwrap();
    let _ = block_on(store.append_one(fixtures::policed(11, 1))).unwrap();
    store.check_rows().unwrap();
    store
}

/// Takes the records in front of this number out.
fn archive(store: &SqliteStore, number: u64, size: u64) {
    let last = block_on(Ledger::read(store, size - 1, 1)).unwrap().remove(0);
    let head = Head::new(size, last.to_record().unwrap().ledger_hash);
    let rows = store.rows_before(size).unwrap();
    let call = Archive {
        head,
        signed: b"signed".to_vec(),
        record: fixtures::archived(number, 60, head, rows),
    };
    let outcome = block_on(store.archive(call)).unwrap();
    assert!(matches!(outcome, ArchiveOutcome::Archived(_)), "{outcome:?}");
}

fn sweep(store: &SqliteStore) {
    while block_on(store.sweep(1)).unwrap() {}
    block_on(store.purge()).unwrap();
}

/// The tables agree with the log wherever it is cut, before the rows go and behind, and at each opening.
#[test]
fn the_tables_agree_wherever_it_is_cut() {
    for size in 1..=12 {
        let folder = TempFolder::new();
        let path = folder.path().join("ledger.db");
        let store = filled(&path);
        let rows = store.rows_before(size).unwrap();
        archive(&store, 20, size);
        store.check_rows().unwrap();
        sweep(&store);
        store.check_rows().unwrap();
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        store.check_rows().unwrap();
        assert_eq!(store.rows_before(size).unwrap(), rows, "{size}");
        let _ = block_on(store.append_one(fixtures::policed(21, 1))).unwrap();
        commit(&store, fixtures::allow(22));
        let _ = block_on(store.append_one(fixtures::erased_at(23, 61, vec![14]))).unwrap();
        archive(&store, 24, 16);
        sweep(&store);
        store.check_rows().unwrap();
        // Everything that was ever allowed counts.
        assert_eq!(store.rows_before(16).unwrap().actions, 4);
    }
}

/// G5: an id whose allow was in a salted log answers as before, and so does one of a plain log.
#[test]
fn g05_hashes_and_commitments_are_told_apart() {
    let folder = TempFolder::new();
    let store = filled(&folder.path().join("ledger.db"));
    let before = [1, 2].map(|number| block_on(store.find(&fixtures::action(number))).unwrap().unwrap());
    archive(&store, 20, 12);
    sweep(&store);
    let after = [1, 2].map(|number| block_on(store.find(&fixtures::action(number))).unwrap().unwrap());
    assert_eq!(before, after);
    assert_eq!([after[0].is_committed, after[1].is_committed], [false, true]);
    let pages = SqliteStore::contents(&folder.path().join("ledger.db")).unwrap();
    let copy = folder.path().join("copy.db");
    SqliteStore::create_of(&copy, pages).unwrap();
    let copy = SqliteStore::open(&copy).unwrap();
    copy.check_rows().unwrap();
    assert_eq!(block_on(copy.state()).unwrap(), block_on(store.state()).unwrap());
    assert_eq!(
        block_on(copy.beginning()).unwrap(),
        block_on(store.beginning()).unwrap()
    );
    let copied = [1, 2].map(|number| block_on(copy.find(&fixtures::action(number))).unwrap().unwrap());
    assert_eq!(after, copied);
}

/// What was taken out is in neither the file nor what lies beside it; the records of revocations are.
#[test]
fn nothing_of_it_is_left_in_the_file() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let store = filled(&path);
    // As the records write it, and nothing else.
    let hash = |stored: &StoredRecord| {
        let json = String::from_utf8(stored.json.clone()).unwrap();
        let start = json.find(",\"ledgerHash\":").unwrap();
        json[start..start + 80].to_owned()
    };
    let hashes: Vec<String> = block_on(Ledger::read(&store, 0, 100))
        .unwrap()
        .iter()
        .map(hash)
        .collect();
    archive(&store, 20, 12);
    sweep(&store);
    drop(store);
    let holds = |text: &str| {
        fs::read_dir(folder.path()).unwrap().any(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    };
    assert!(holds(&format!("rec_{:032x}", 20)));
    for (seq, hash) in hashes.iter().enumerate() {
        assert_eq!(holds(hash), seq == 4, "{seq}");
    }
}

fn damaged(folder: &TempFolder, name: &str, sql: &str) -> PathBuf {
    let path = folder.path().join(name);
    let store = filled(&path);
    archive(&store, 20, 10);
    sweep(&store);
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    path
}

/// A beginning that contradicts its record, and rows that are gone without one, are noticed by whoever opens the file.
#[test]
fn another_beginning_is_noticed_by_opening() {
    let folder = TempFolder::new();
    for (place, (sql, code)) in [
        ("DELETE FROM record WHERE seq = 10", StoreCode::StoreRowsMissing),
        ("DELETE FROM record WHERE seq < 12", StoreCode::StoreRowsMissing),
        ("UPDATE ledger SET first = 11", StoreCode::StoreRowsMissing),
        (
            "UPDATE ledger SET first = 0, first_hash = NULL, archived = NULL",
            StoreCode::StoreRowsMissing,
        ),
        (
            "UPDATE ledger SET first_hash = zeroblob(32)",
            StoreCode::StoreRowsMissing,
        ),
        ("UPDATE ledger SET archived = 11", StoreCode::StoreRowsMissing),
        ("UPDATE ledger SET archived = NULL", StoreCode::StoreCorrupt),
        ("UPDATE ledger SET first_hash = NULL", StoreCode::StoreCorrupt),
        ("DELETE FROM signed_head", StoreCode::StoreCorrupt),
        ("DELETE FROM issued", StoreCode::StoreRowsMissing),
        ("DELETE FROM approval", StoreCode::StoreRowsMissing),
        ("DELETE FROM revocation", StoreCode::StoreRowsMissing),
        ("DELETE FROM request WHERE decision = 8", StoreCode::StoreRowsMissing),
    ]
    .into_iter()
    .enumerate()
    {
        let path = damaged(&folder, &format!("{place}.db"), sql);
        let error = SqliteStore::open(&path).unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error:?}");
    }
}

/// A row that goes back to an archive and is gone, or one too many, is found by the comparison.
#[test]
fn another_number_of_rows_is_noticed() {
    let folder = TempFolder::new();
    let allowed =
        "x'6134', 'org:example', 'agent:x', zeroblob(32), 1, zeroblob(16), zeroblob(32), zeroblob(16), 9, 'a', 0";
    for (place, sql) in [
        "DELETE FROM issued WHERE seq = 0".to_owned(),
        "DELETE FROM issued WHERE seq = 0; UPDATE ledger SET issued_rows = issued_rows - 1".to_owned(),
        format!("INSERT INTO issued VALUES ({allowed})"),
        "UPDATE ledger SET approval_rows = 0; DELETE FROM approval".to_owned(),
        "DELETE FROM request WHERE decision = 5; UPDATE ledger SET request_rows = 1".to_owned(),
        "UPDATE request SET version = version + 1 WHERE decision = 5".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let path = damaged(&folder, &format!("{place}.db"), sql);
        let store = SqliteStore::open(&path).unwrap();
        let error = store.check_rows().unwrap_err();
        assert_eq!(error.code(), StoreCode::StoreRowsMissing, "{sql}");
    }
}

/// A witness that a crash left behind the beginning, or at it, doesn't keep its owner out; one that names another record does.
#[test]
fn a_witness_of_before_the_beginning_is_no_later_state() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let store = filled(&path);
    archive(&store, 20, 10);
    sweep(&store);
    let state = block_on(store.state()).unwrap();
    drop(store);
    let log = fixtures::log();
    for (size, is_its) in [(3, true), (10, true), (10, false), (13, true)] {
        let witness = folder.path().join(format!("{size}-{is_its}.witness"));
        let hash = match (size, is_its) {
            (10, true) => state.first.hash(),
            (13, true) => state.head.hash(),
            _ => fixtures::digest(size),
        };
        let mut seen = state;
        seen.head = Head::new(size, hash);
        Witness::at(&witness).reset(&log, &seen).unwrap();
        let opened = SqliteStore::open_witnessed(&path, Witness::at(&witness));
        assert_eq!(opened.map(drop).map_err(|error| error.code()).is_ok(), is_its, "{size}");
    }
}
