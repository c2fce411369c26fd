//! The file itself: made, opened, refused, damaged.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::fs;
use std::path::PathBuf;
use std::thread;

use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, LedgerCode, Log, verify_jsonl};
use actionpass_store::{
    AppendOutcome, CommitOutcome, Consumption, DecisionStore, Ledger, LedgerExt, ReplayCode, ReplayStart, ReplayStore,
    StoreCode,
};
use actionpass_store_sqlite::SqliteStore;
use proptest::prelude::*;
use rusqlite::Connection;

fn start() -> ReplayStart {
    ReplayStart::first(fixtures::at(0))
}

fn made() -> (TempFolder, PathBuf, SqliteStore) {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let store = SqliteStore::create(&path, Some(&fixtures::log()), start()).unwrap();
    (folder, path, store)
}

fn appended(store: &SqliteStore, number: u64) -> KnownHead {
    match block_on(store.append_one(fixtures::used(number))).unwrap() {
        AppendOutcome::Appended(record) => record.to_ref().head(),
        AppendOutcome::AlreadyRecorded(record) => record.head(),
    }
}

fn refusal(path: &std::path::Path) -> StoreCode {
    SqliteStore::open(path).unwrap_err().code()
}

#[test]
fn a_store_is_made_whole_and_once() {
    let (folder, path, store) = made();
    drop(store);
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["ledger.db"]);
    let again = SqliteStore::create(&path, Some(&fixtures::log()), start()).unwrap_err();
    assert_eq!(again.code(), StoreCode::StoreExists);

    let other = folder.path().join("other.db");
    let made = thread::scope(|scope| {
        let make = || SqliteStore::create(&other, Some(&fixtures::log()), start()).is_ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .filter(|made| *made)
            .count()
    });
    assert_eq!(made, 1);
}

#[test]
fn what_is_not_a_store_is_refused() {
    let (folder, path, store) = made();
    drop(store);
    let other = folder.path().join("other.db");
    assert_eq!(refusal(&other), StoreCode::StoreMissing);
    assert_eq!(refusal(folder.path()), StoreCode::StoreForeign);
    fs::write(&other, vec![b'x'; 8192]).unwrap();
    assert_eq!(refusal(&other), StoreCode::StoreForeign);
    fs::write(&other, b"").unwrap();
    assert_eq!(refusal(&other), StoreCode::StoreForeign);

    let log = Log::new("other.example/log".parse().unwrap(), fixtures::log().issuer().clone());
    let mismatch = SqliteStore::open_or_create(&path, Some(&log), start()).unwrap_err();
    assert_eq!(mismatch.code(), StoreCode::StoreLogMismatch);

    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert_eq!(refusal(&path), StoreCode::StoreVersionUnsupported);
}

#[cfg(unix)]
#[test]
fn others_can_neither_read_nor_write_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, path, store) = made();
    appended(&store, 1);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
    drop(store);
    for mode in [0o620, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(refusal(&path), StoreCode::StoreNotPrivate);
    }
}

#[test]
fn durability_is_switched_on() {
    let (_folder, path, store) = made();
    appended(&store, 1);
    let mode: String = Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn an_executors_store_has_no_log() {
    let folder = TempFolder::new();
    let store = SqliteStore::create(&folder.path().join("replay.db"), None, start()).unwrap();
    assert_eq!(store.log(), None);
    assert_eq!(
        block_on(store.append_one(fixtures::used(1))).unwrap_err().code(),
        StoreCode::StoreLogMismatch
    );
    assert_eq!(
        block_on(store.commit(fixtures::allow(1))).unwrap_err().code(),
        StoreCode::StoreLogMismatch
    );
    assert_eq!(block_on(store.state()).unwrap_err().code(), StoreCode::StoreLogMismatch);
    let consumed = block_on(store.consume(&fixtures::mark(1, 0), fixtures::at(1))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
}

/// G6: a store that was restored from an earlier copy refuses what may have been consumed since.
#[test]
fn g06_a_restored_file_is_restarted() {
    let (_folder, path, store) = made();
    block_on(store.restart_replay(ReplayStart::restored(fixtures::at(100)))).unwrap();
    block_on(store.restart_replay(start())).unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    let lost = block_on(store.consume(&fixtures::mark(1, 130), fixtures::at(130))).unwrap();
    assert_eq!(lost, Consumption::Refused(ReplayCode::ReplayStateLost));
    let consumed = block_on(store.consume(&fixtures::mark(2, 131), fixtures::at(131))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
}

#[test]
fn expired_marks_are_forgotten_and_the_limit_is_kept() {
    let (_folder, path, store) = made();
    for number in 0..50 {
        let _ = block_on(store.consume(&fixtures::mark(number, 0), fixtures::at(1))).unwrap();
    }
    for number in 50..100 {
        let _ = block_on(store.consume(&fixtures::mark(number, 5000), fixtures::at(5000))).unwrap();
    }
    let count = |path| -> i64 {
        Connection::open(path)
            .unwrap()
            .query_row("SELECT count(*) FROM replay", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(&path), 50);
    let behind = block_on(store.consume(&fixtures::mark(200, 0), fixtures::at(1))).unwrap();
    assert_eq!(behind, Consumption::Refused(ReplayCode::ClockBehind));
}

#[test]
fn erased_data_is_nowhere_in_the_files() {
    let (folder, _path, store) = made();
    let secret = b"a secret that is erased by law";
    let mut commit = fixtures::allow(1);
    commit.record = commit
        .record
        .with_side(actionpass_store::SideKind::Payload, secret.to_vec());
    let _ = block_on(store.commit(commit)).unwrap();
    let holds = || {
        fs::read_dir(folder.path()).unwrap().any(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        })
    };
    assert!(holds());
    let _ = block_on(store.append_one(fixtures::erased(2, vec![0]))).unwrap();
    assert!(!holds());
}

/// G15: after a failed write nothing is acknowledged, and the store opens anew before the next.
#[test]
fn g15_a_failed_write_fails_its_batch_and_no_other() {
    let (_folder, path, store) = made();
    appended(&store, 1);
    let hand = Connection::open(&path).unwrap();
    // Renamed there and back it would have another statement, and so another schema.
    let made: String = hand
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'approval'", [], |row| {
            row.get(0)
        })
        .unwrap();
    hand.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM main.approval; DROP TABLE main.approval")
        .unwrap();
    let approvals = vec![fixtures::approval("user:ann", 1)];
    let commit = || fixtures::decision(2, actionpass_model::Decision::Allow, approvals.clone());
    assert!(block_on(store.commit(commit())).is_err());
    hand.execute_batch(&format!("{made}; INSERT INTO main.approval SELECT * FROM kept"))
        .unwrap();
    assert_eq!(block_on(store.find(&fixtures::action(2))).unwrap(), None);
    assert!(matches!(block_on(store.commit(commit())).unwrap(), CommitOutcome::Committed(record) if record.seq() == 1));
}

#[test]
fn a_head_that_is_not_the_last_record_stops_writing_and_not_reading() {
    let (_folder, path, store) = made();
    for number in 0..3 {
        appended(&store, number);
    }
    drop(store);
    Connection::open(&path)
        .unwrap()
        .execute("DELETE FROM record WHERE seq = 2", [])
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(
        block_on(store.append_one(fixtures::used(3))).unwrap_err().code(),
        StoreCode::StoreCorrupt
    );
    assert_eq!(block_on(store.read(0, 10)).unwrap().len(), 2);
}

const SIZE: u64 = 12;

#[derive(Clone, Copy, Debug)]
enum Tampering {
    Edit,
    Remove,
    Insert,
    Swap,
    Truncate,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// G11 and G12: whatever somebody does to the records in the file is found in its export; only what is cut off
    /// at the end needs a head that is known.
    #[test]
    fn g11_tampering_with_the_file_is_found(
        kind in prop::sample::select(vec![
            Tampering::Edit, Tampering::Remove, Tampering::Insert, Tampering::Swap, Tampering::Truncate,
        ]),
        at in 0..SIZE, other in 0..SIZE,
    ) {
        let (_folder, path, store) = made();
        let last = (0..SIZE).fold(None, |_, number| Some(appended(&store, number))).unwrap();
        let hand = Connection::open(&path).unwrap();
        let run = |sql: &str| hand.execute_batch(&sql.replace("?1", &at.to_string()).replace("?2", &other.to_string()));
        match kind {
            Tampering::Edit => run("UPDATE record SET json = replace(json, 'executor', 'attacker') WHERE seq = ?1"),
            Tampering::Remove => run("DELETE FROM record WHERE seq = ?1"),
            Tampering::Insert => run("UPDATE record SET seq = -seq - 2 WHERE seq >= ?1;
                UPDATE record SET seq = -seq - 1 WHERE seq < 0;
                INSERT INTO record (seq, json) SELECT ?1, json FROM record WHERE seq = ?1 + 1"),
            Tampering::Swap => run("UPDATE record SET seq = 99 WHERE seq = ?1; UPDATE record SET seq = ?1 WHERE seq = ?2;
                UPDATE record SET seq = ?2 WHERE seq = 99"),
            Tampering::Truncate => run("DELETE FROM record WHERE seq >= ?1"),
        }.unwrap();
        let mut export = Vec::new();
        store.export(&mut export).unwrap();
        let chain = verify_jsonl(export.as_slice(), ChainVerifier::new()).map_err(|error| error.code());
        let with_head = verify_jsonl(export.as_slice(), ChainVerifier::new().with_known_head(last)).map_err(|error| error.code());
        match kind {
            Tampering::Edit => prop_assert_eq!(chain.unwrap_err(), LedgerCode::LedgerHashMismatch),
            Tampering::Swap if at == other => prop_assert!(with_head.is_ok()),
            Tampering::Remove if at == SIZE - 1 => prop_assert_eq!(with_head.unwrap_err(), LedgerCode::LedgerTruncated),
            Tampering::Truncate => prop_assert_eq!(with_head.unwrap_err(), LedgerCode::LedgerTruncated),
            Tampering::Remove | Tampering::Insert | Tampering::Swap => {
                prop_assert_eq!(chain.unwrap_err(), LedgerCode::LedgerSequenceBroken);
            }
        }
    }
}

/// What was erased is in no byte of the file, its free pages and its write-ahead log; the marks of the allow stay.
#[test]
fn what_was_erased_is_in_no_byte() {
    let (folder, path, store) = made();
    let secret = "a payload that nobody may find".repeat(400);
    for number in 1..=8 {
        let mut allow = fixtures::allow(number);
        allow.record = allow
            .record
            .with_side(actionpass_store::SideKind::Payload, secret.clone().into_bytes());
        assert!(matches!(
            block_on(store.commit(allow)).unwrap(),
            CommitOutcome::Committed(_)
        ));
    }
    let holders = || {
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let needle = b"that nobody may find";
        let holds = |path: &PathBuf| {
            fs::read(path)
                .unwrap()
                .windows(needle.len())
                .any(|window| window == needle)
        };
        files.filter(holds).count()
    };
    assert!(holders() > 0);
    assert_eq!(block_on(store.sided(0, 3)).unwrap(), [0, 1, 2]);
    assert_eq!(block_on(store.sided(6, 100)).unwrap(), [6, 7]);
    let _ = block_on(store.append_one(fixtures::erased(9, (0..8).collect()))).unwrap();
    block_on(store.purge()).unwrap();
    assert_eq!(holders(), 0);
    let wal = fs::metadata(folder.path().join("ledger.db-wal")).map_or(0, |file| file.len());
    assert_eq!(wal, 0);
    // There are free pages, and they were among the bytes above.
    let free: i64 = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .unwrap();
    assert!(free > 0);
    assert!(block_on(store.sided(0, 100)).unwrap().is_empty());
    store.check_rows().unwrap();
    assert!(matches!(
        block_on(store.commit(fixtures::allow(1))).unwrap(),
        CommitOutcome::AlreadyIssued(issued) if issued.token.is_none()
    ));
}
