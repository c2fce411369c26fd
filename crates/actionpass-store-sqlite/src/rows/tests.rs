use std::path::PathBuf;

use actionpass_model::{Decision, ErasureBody};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::{Consumption, DecisionStore, LedgerExt, ReplayStart, ReplayStore, StoreError};

use super::*;
use crate::SqliteStore;

/// A store with two of everything: allows with an approval each, revocations, uses.
fn filled() -> (TempFolder, PathBuf) {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let start = ReplayStart::first(fixtures::at(0));
    let store = SqliteStore::create(&path, Some(&fixtures::log()), start).unwrap();
    for number in 1..=2 {
        let approvals = vec![fixtures::approval("user:ann", number)];
        let _ = block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals))).unwrap();
        let used = block_on(store.consume(&fixtures::mark(number, 0), fixtures::at(1))).unwrap();
        assert_eq!(used, Consumption::Consumed);
        let _ = block_on(store.append_one(fixtures::used(number))).unwrap();
    }
    for number in 1..=2 {
        let _ = block_on(store.append_one(fixtures::revoked(number, number, 1))).unwrap();
    }
    // A refused commit leaves the numbers as they are.
    let again = fixtures::decision(3, Decision::Allow, vec![fixtures::approval("user:ann", 1)]);
    let _ = block_on(store.commit(again)).unwrap();
    (folder, path)
}

fn check(path: &std::path::Path) -> Result<(), StoreError> {
    SqliteStore::open(path)?.check_rows()
}

fn change(path: &std::path::Path, sql: &str) {
    let changed = Connection::open(path).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

#[test]
fn what_a_store_wrote_fits() {
    let (_folder, path) = filled();
    check(&path).unwrap();
    let rows = Rows::read(&Connection::open(&path).unwrap()).unwrap().unwrap();
    assert_eq!((rows.issued, rows.approvals, rows.revocations), (2, 2, 2));
    assert_eq!(
        (rows.last_allow, rows.last_approved, rows.last_revoked),
        (Some(2), Some(2), Some(5))
    );
    // Marks that ended are forgotten, and the numbers go with them.
    let store = SqliteStore::open(&path).unwrap();
    let late = block_on(store.consume(&fixtures::mark(9, 5000), fixtures::at(5000))).unwrap();
    assert_eq!(late, Consumption::Consumed);
    drop(store);
    let hand = Connection::open(&path).unwrap();
    let marks: i64 = hand
        .query_row("SELECT count(*) FROM replay", [], |row| row.get(0))
        .unwrap();
    assert_eq!(marks, 1);
    check(&path).unwrap();
}

/// The end of a table, or all of it: found by opening. Anything else: by comparing.
#[test]
fn g11_rows_that_were_taken_away_are_found() {
    for (sql, at_opening) in [
        ("DELETE FROM replay", true),
        ("DELETE FROM approval", true),
        ("DELETE FROM issued", true),
        ("DELETE FROM revocation", true),
        ("DELETE FROM replay WHERE pass = (SELECT max(pass) FROM replay)", true),
        ("DELETE FROM replay WHERE pass = (SELECT min(pass) FROM replay)", false),
        // As many marks as before, one of them that of another pass.
        (
            "UPDATE replay SET pass = zeroblob(16) WHERE pass = (SELECT min(pass) FROM replay)",
            false,
        ),
        ("DELETE FROM approval WHERE seq = (SELECT max(seq) FROM approval)", true),
        (
            "DELETE FROM approval WHERE seq = (SELECT min(seq) FROM approval)",
            false,
        ),
        ("DELETE FROM issued WHERE seq = (SELECT min(seq) FROM issued)", false),
        (
            "DELETE FROM revocation WHERE seq = (SELECT min(seq) FROM revocation)",
            false,
        ),
        (
            "UPDATE approval SET seq = 7 WHERE seq = (SELECT min(seq) FROM approval)",
            false,
        ),
        (
            "INSERT INTO approval (id, approver, seq) VALUES (zeroblob(16), 'user:eve', 0)",
            false,
        ),
        ("UPDATE ledger SET issued_rows = 1", false),
    ] {
        let (_folder, path) = filled();
        change(&path, sql);
        let opened = SqliteStore::open(&path).map(drop).map_err(|error| error.code());
        let expected = if at_opening {
            Err(StoreCode::StoreRowsMissing)
        } else {
            Ok(())
        };
        assert_eq!(opened, expected, "{sql}");
        assert_eq!(check(&path).unwrap_err().code(), StoreCode::StoreRowsMissing, "{sql}");
    }
}

/// Erasing takes side data, never a mark.
#[test]
fn what_is_erased_is_no_row_that_is_missed() {
    let (_folder, path) = filled();
    let store = SqliteStore::open(&path).unwrap();
    let erased: ErasureBody = ErasureBody {
        schema: actionpass_model::ErasureSchema,
        records: vec![0, 2],
        erased_by: "user:owner".parse().unwrap(),
        reason: "law".parse().unwrap(),
        rules: Vec::new(),
    };
    let _ = block_on(store.append_one(fixtures::draft(9, &erased))).unwrap();
    store.check_rows().unwrap();
}

/// What was made in the file by somebody else is noticed, whatever it is.
#[test]
fn g11_a_changed_schema_is_refused() {
    for sql in [
        "CREATE TRIGGER undo AFTER INSERT ON approval BEGIN DELETE FROM approval; END",
        "CREATE VIEW seen AS SELECT * FROM record",
        "CREATE INDEX by_seq ON approval (seq)",
        "CREATE TABLE notes (text TEXT)",
        "DROP INDEX replay_until",
        "ALTER TABLE approval RENAME TO hidden",
        "ALTER TABLE side ADD COLUMN more TEXT",
        "ANALYZE",
    ] {
        let (_folder, path) = filled();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let refused = SqliteStore::open(&path).unwrap_err();
        assert_eq!(refused.code(), StoreCode::StoreSchemaChanged, "{sql}");
    }
}
