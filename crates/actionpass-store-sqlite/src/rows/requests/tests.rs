use std::path::{Path, PathBuf};

use actionpass_model::{EndState, VoteKind};
use actionpass_store::conformance::requests::{
    LIFETIME, cancel, changes, expire, id, joins, lifted, opens, settles, votes,
};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::Salt;
use actionpass_store::{
    Change, ChangeOutcome, CommitOutcome, DecisionCommit, DecisionStore, LedgerExt, QueueStore, ReplayStart, SideKind,
    StoreError,
};

use super::*;
use crate::SqliteStore;

fn made() -> (TempFolder, PathBuf, SqliteStore) {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let start = ReplayStart::first(fixtures::at(0));
    let store = SqliteStore::create(&path, Some(&fixtures::log()), start).unwrap();
    (folder, path, store)
}

fn commit(store: &SqliteStore, commit: DecisionCommit) {
    let outcome = block_on(store.commit(commit)).unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
}

fn change(store: &SqliteStore, change: Change) {
    let outcome = block_on(store.change(change)).unwrap();
    assert!(matches!(outcome, ChangeOutcome::Changed(..)), "{outcome:?}");
}

fn vote(request: u64, version: u64, number: u64, kind: VoteKind, seconds: u64) -> Change {
    votes(request, version, number, &format!("user:p{number}"), kind, seconds)
}

/// A store with requests of every end, the first and the last of them declined.
fn filled() -> (TempFolder, PathBuf) {
    use VoteKind::{Approve, Decline};
    let (folder, path, store) = made();
    for number in 1..=6 {
        commit(&store, opens(number, number, 0));
    }
    change(&store, vote(1, 0, 1, Decline, 1));
    change(&store, vote(2, 0, 2, Approve, 2));
    change(&store, vote(2, 1, 3, Approve, 3));
    commit(&store, joins(20, 2, 2, 2, 4));
    commit(&store, settles(21, 2, 2, 2, 5));
    change(&store, changes(3, 0, cancel(6), 6));
    change(&store, changes(4, 0, expire(LIFETIME), LIFETIME));
    change(&store, vote(5, 0, 7, Approve, 8));
    change(&store, vote(6, 0, 8, Decline, 9));
    drop(store);
    (folder, path)
}

fn check(path: &Path) -> Result<(), StoreError> {
    SqliteStore::open(path)?.check_rows()
}

fn edit(path: &Path, sql: &str) {
    let changed = Connection::open(path).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

#[test]
fn what_a_queue_wrote_fits() {
    let (_folder, path) = filled();
    check(&path).unwrap();
    let numbers = Numbers::read(&Connection::open(&path).unwrap()).unwrap();
    let expected = Numbers {
        rows: 6,
        unended: 1,
        changes: 8,
        last_opened: Some(5),
        last_changed: Some(14),
    };
    assert_eq!(numbers, expected);

    // The third that came to nothing holds new ones, until that is lifted.
    let store = SqliteStore::open(&path).unwrap();
    store.check_rows().unwrap();
    let lifts = |request| block_on(store.lift(id(request), lifted(request, LIFETIME + 9))).unwrap();
    assert_eq!(lifts(1), None);
    assert!(lifts(6).is_some());
    store.check_rows().unwrap();

    // Erased are what waits, what was declined, and what was overdue by then.
    let _ = block_on(store.append_one(fixtures::erased(60, vec![0, 1, 4]))).unwrap();
    store.check_rows().unwrap();
    commit(&store, opens(70, 70, 0));
    let opener = block_on(store.request(&id(70))).unwrap().unwrap().request.decision.seq;
    let _ = block_on(store.append_one(fixtures::erased_at(61, LIFETIME, vec![opener]))).unwrap();
    store.check_rows().unwrap();
    let expired = block_on(store.request(&id(70))).unwrap().unwrap().request;
    assert_eq!(expired.end.map(|end| end.state), Some(EndState::Expired));
    // That three were overdue holds new ones.
    let openers: Vec<u64> = (71..=73)
        .map(|number| {
            commit(&store, opens(number, number, 0));
            block_on(store.request(&id(number)))
                .unwrap()
                .unwrap()
                .request
                .decision
                .seq
        })
        .collect();
    let _ = block_on(store.append_one(fixtures::erased_at(62, LIFETIME + 3600, openers))).unwrap();
    store.check_rows().unwrap();
}

#[test]
fn a_salted_request_that_was_erased_fits() {
    let (_folder, path, store) = made();
    let mut salted = opens(1, 1, 0);
    let salt = Salt::from_bytes([7; 32]).as_bytes().to_vec();
    salted.record = salted.record.with_side(SideKind::Salt, salt);
    commit(&store, salted);
    let _ = block_on(store.append_one(fixtures::erased(60, vec![0]))).unwrap();
    drop(store);
    check(&path).unwrap();
}

/// A decline that is forgotten, a request that waits again, a vote more or fewer: the last record's at once, others by
/// comparing.
#[test]
fn g11_requests_that_were_edited_are_found() {
    const FIRST: &str = "WHERE decision = 0";
    const LAST: &str = "WHERE decision = 5";
    let live = "ended = NULL, holds = NULL, failed = NULL, version = 0, document =
        json_set(json_remove(document, '$.end'), '$.version', 0, '$.votes', json('[]'))";
    let unended = "ended = NULL, holds = NULL, failed = NULL, document = json_remove(document, '$.end')";
    let another_vote = "document = json_set(document, '$.votes[0].principal', 'user:eve')";
    for (sql, at_opening) in [
        (format!("DELETE FROM request {FIRST}"), false),
        (format!("DELETE FROM request {LAST}"), true),
        ("DELETE FROM request".to_owned(), true),
        (format!("UPDATE request SET {live} {FIRST}"), false),
        (format!("UPDATE request SET {live} {LAST}"), true),
        (format!("UPDATE request SET {live}, last = 0 {FIRST}"), false),
        (format!("UPDATE request SET {unended} {FIRST}"), false),
        (format!("UPDATE request SET {unended} WHERE decision = 1"), false),
        // The columns alone, and the document alone.
        (format!("UPDATE request SET ended = NULL, holds = NULL {FIRST}"), false),
        (format!("UPDATE request SET holds = 1 {LAST}"), true),
        (format!("UPDATE request SET action_hash = zeroblob(32) {FIRST}"), false),
        (
            format!("UPDATE request SET document = json_set(document, '$.version', 9) {FIRST}"),
            false,
        ),
        (format!("UPDATE request SET {another_vote} {FIRST}"), false),
        (format!("UPDATE request SET {another_vote} WHERE decision = 4"), false),
        (format!("UPDATE request SET document = 'x' {FIRST}"), false),
        // Another action, consistently.
        (
            format!(
                "UPDATE request SET action_hash = zeroblob(32), document =
                 json_set(document, '$.actionHash', 'sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA') {FIRST}"
            ),
            false,
        ),
        // A vote and a request that no record has.
        (
            "UPDATE request SET version = 2, document = json_set(document, '$.version', 2) WHERE decision = 4".to_owned(),
            false,
        ),
        (
            "INSERT INTO request SELECT 99, zeroblob(16), tenant, agent, action_hash, client, created, expires, ended, holds,
             failed, 0, last, is_committed, side, document FROM request WHERE decision = 2"
                .to_owned(),
            false,
        ),
        ("UPDATE ledger SET request_rows = 5".to_owned(), false),
        ("UPDATE ledger SET request_changes = 5".to_owned(), false),
        ("UPDATE ledger SET request_unended = 0".to_owned(), false),
        // What lies beside: of another put in place, taken away, added.
        (
            "UPDATE request_side SET bytes = (SELECT bytes FROM request_side WHERE request = 3 AND place = 0)
             WHERE request = 2 AND place = 0"
                .to_owned(),
            false,
        ),
        ("DELETE FROM request_side WHERE request = 4 AND place = 2".to_owned(), false),
        (
            "UPDATE request_side SET principal = 'user:eve' WHERE request = 1 AND place = 3".to_owned(),
            false,
        ),
        ("DELETE FROM request_side WHERE request = 0".to_owned(), false),
        // Holds.
        ("DELETE FROM request_hold".to_owned(), false),
        ("UPDATE request_hold SET request = NULL".to_owned(), false),
        ("UPDATE request_hold SET lifted = 1".to_owned(), false),
        (
            "INSERT INTO request_hold (tenant, agent, request) VALUES ('org:example', 'agent:other', zeroblob(16))"
                .to_owned(),
            false,
        ),
    ] {
        let (_folder, path) = filled();
        edit(&path, &sql);
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

/// A vote and a request that no record has, with the numbers that would go with them: the log has fewer.
#[test]
fn g11_what_no_record_says_of_requests_is_found() {
    for sql in [
        "UPDATE request SET version = 2, document = json_set(document, '$.version', 2, '$.votes[#]',
             json_set(json_extract(document, '$.votes[0]'), '$.principal', 'user:eve')) WHERE decision = 4;
         UPDATE ledger SET request_changes = request_changes + 1",
        "INSERT INTO request SELECT 99, zeroblob(16), tenant, agent, action_hash, client, created, expires, ended, holds,
             failed, 0, last, is_committed, side, document FROM request WHERE decision = 2;
         UPDATE ledger SET request_rows = request_rows + 1",
    ] {
        let (_folder, path) = filled();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert_eq!(check(&path).unwrap_err().code(), StoreCode::StoreRowsMissing, "{sql}");
    }
}

/// The tables of before, put back from a copy under a log that went on.
#[test]
fn g12_an_old_copy_of_the_queue_is_found() {
    const TABLES: [&str; 3] = ["request", "request_side", "request_hold"];
    let copied = |tables: &[&str], with_numbers: bool| {
        let (folder, path, store) = made();
        commit(&store, opens(1, 1, 0));
        drop(store);
        let copy = folder.path().join("copy.db");
        let copied = Connection::open(&path).unwrap();
        copied.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        drop(copied);
        let store = SqliteStore::open(&path).unwrap();
        change(&store, vote(1, 0, 1, VoteKind::Decline, 1));
        drop(store);
        let hand = Connection::open(&path).unwrap();
        hand.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
        for table in tables {
            let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM copy.{table};");
            hand.execute_batch(&sql).unwrap();
        }
        if with_numbers {
            hand.execute_batch("UPDATE ledger SET request_changes = 0, last_changed = NULL")
                .unwrap();
        }
        drop(hand);
        let opened = SqliteStore::open(&path).map(drop).map_err(|error| error.code());
        (opened, check(&path).map_err(|error| error.code()), folder)
    };
    let missing = || Err(StoreCode::StoreRowsMissing);
    let (opened, compared, _folder) = copied(&TABLES, false);
    assert_eq!((opened, compared), (missing(), missing()));
    let (opened, compared, _folder) = copied(&TABLES, true);
    assert_eq!((opened, compared), (Ok(()), missing()));
}

/// What was put in the place of what lies beside a request is given to nobody.
#[test]
fn what_lies_beside_another_request_is_not_given() {
    let (_folder, path) = filled();
    edit(
        &path,
        "UPDATE request_side SET bytes = x'7b7d' WHERE request = 4 AND place = 0",
    );
    let store = SqliteStore::open(&path).unwrap();
    let refused = block_on(store.request(&id(5))).unwrap_err();
    assert_eq!(refused.code(), StoreCode::StoreCorrupt);
    assert!(block_on(store.request(&id(2))).unwrap().unwrap().action.is_some());
}
