//! A file of the last schema that had no archives.

use std::path::{Path, PathBuf};

use actionpass_model::{Decision, VoteKind};
use actionpass_store::conformance::requests::{self, opens, votes};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::Head;
use actionpass_store::{
    Archive, ArchiveOutcome, ArchiveStore, DecisionStore, Ledger, LedgerExt, OutcomeStore, QueueStore, ReplayStart,
    SideKind, UseStore,
};
use rusqlite::Connection;

use super::private_file;
use crate::SqliteStore;
use crate::schema::{APPLICATION_ID, MIGRATIONS};

fn filled(path: &Path) -> SqliteStore {
    let store = SqliteStore::create(path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap();
    let approvals = vec![fixtures::approval("user:ann", 1)];
    let _ = block_on(store.commit(fixtures::decision(1, Decision::Allow, approvals))).unwrap();
    let _ = block_on(store.commit(fixtures::salted(2))).unwrap();
    let _ = block_on(store.commit(fixtures::salted(3))).unwrap();
    let _ = block_on(store.commit(fixtures::decision(4, Decision::Deny, Vec::new()))).unwrap();
    let _ = block_on(store.use_up(fixtures::mark(1, 0), fixtures::at(1), fixtures::used(1))).unwrap();
    let _ = block_on(store.report(fixtures::report(5, 1, true, None))).unwrap();
    let _ = block_on(store.append_one(fixtures::revoked(6, 1, 1))).unwrap();
    let _ = block_on(store.commit(opens(1, 7, 0))).unwrap();
    let _ = block_on(store.change(votes(1, 0, 8, "user:p8", VoteKind::Approve, 1))).unwrap();
    let _ = block_on(store.append_one(fixtures::erased_at(9, 10, vec![0, 1]))).unwrap();
    store
}

/// The same file as the release before made it.
fn version_5(filled: &Path, path: PathBuf) -> PathBuf {
    private_file(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    for script in &MIGRATIONS[..5] {
        connection.execute_batch(script).unwrap();
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection.pragma_update(None, "user_version", 5).unwrap();
    connection
        .execute("ATTACH ?1 AS filled", [filled.to_str().unwrap()])
        .unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for table in texts("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
        let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
        let copy = format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} ({columns}) SELECT {columns} FROM filled.{table}"
        );
        connection.execute_batch(&copy).unwrap();
    }
    path
}

/// What is known of everything.
fn known(store: &SqliteStore) -> String {
    let issued: Vec<_> = (1..=4)
        .map(|number| block_on(store.find(&fixtures::action(number))).unwrap())
        .collect();
    let side: Vec<_> = (0..12)
        .flat_map(|seq| [SideKind::Payload, SideKind::Token, SideKind::Salt].map(|kind| (seq, kind)))
        .map(|(seq, kind)| block_on(store.side(seq, kind)).unwrap())
        .collect();
    format!(
        "{issued:?} {side:?} {:?} {:?} {:?} {:?} {:?}",
        block_on(store.state()).unwrap(),
        block_on(Ledger::read(store, 0, 100)).unwrap(),
        block_on(store.used(&fixtures::pass(1))).unwrap(),
        block_on(store.request(&requests::id(1))).unwrap(),
        block_on(store.revocation_at(6)).unwrap(),
    )
}

#[test]
fn a_file_of_version_5_keeps_everything_and_can_be_archived() {
    let folder = TempFolder::new();
    let path = folder.path().join("filled.db");
    let store = filled(&path);
    let before = known(&store);
    drop(store);
    let path = version_5(&path, folder.path().join("v5.db"));
    let store = SqliteStore::open(&path).unwrap();
    store.check_rows().unwrap();
    assert_eq!(known(&store), before);
    assert_eq!(block_on(store.beginning()).unwrap(), None);

    // What records of then said of commitments is known behind an archive of them.
    let _ = block_on(store.append_one(fixtures::erased_at(10, 10, vec![2, 3, 7]))).unwrap();
    let issued = || [1, 2, 3].map(|number| block_on(store.find(&fixtures::action(number))).unwrap().unwrap());
    let before = issued();
    assert_eq!(before.each_ref().map(|issued| issued.is_committed), [false, true, true]);
    let last = block_on(Ledger::read(&store, 9, 1)).unwrap().remove(0);
    let head = Head::new(10, last.to_record().unwrap().ledger_hash);
    let rows = store.rows_before(10).unwrap();
    let call = Archive {
        head,
        signed: b"signed".to_vec(),
        record: fixtures::archived(11, 60, head, rows),
    };
    let outcome = block_on(store.archive(call)).unwrap();
    assert!(matches!(outcome, ArchiveOutcome::Archived(_)), "{outcome:?}");
    while block_on(store.sweep(3)).unwrap() {}
    store.check_rows().unwrap();
    assert_eq!(issued(), before);
    drop(store);
    SqliteStore::open(&path).unwrap().check_rows().unwrap();
}
