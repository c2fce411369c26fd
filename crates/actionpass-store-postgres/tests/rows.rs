//! Tables held against the log: rows that were edited, taken away or added are found.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use actionpass_model::{Decision, VoteKind};
use actionpass_store::conformance::requests::{
    LIFETIME, cancel, changes, expire, id, joins, lifted, opens, settles, votes,
};
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::Salt;
use actionpass_store::{
    Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore, LedgerExt, OutcomeStore,
    QueueStore, ReplayStart, ReplayStore, Reported, SideKind, StoreCode,
};
use actionpass_store_postgres::PostgresStore;
use shared::{database, options, server};

fn made() -> (String, PostgresStore) {
    let name = database(server());
    let start = ReplayStart::first(fixtures::at(0));
    let store = PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start);
    (name, store.unwrap())
}

fn commit(store: &PostgresStore, commit: DecisionCommit) {
    let outcome = block_on(store.commit(commit)).unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
}

fn change(store: &PostgresStore, change: Change) {
    let outcome = block_on(store.change(change)).unwrap();
    assert!(matches!(outcome, ChangeOutcome::Changed(..)), "{outcome:?}");
}

fn vote(request: u64, version: u64, number: u64, kind: VoteKind, seconds: u64) -> Change {
    votes(request, version, number, &format!("user:p{number}"), kind, seconds)
}

/// A store with requests of every end, the first and the last of them declined, and rows of every other kind.
fn filled() -> String {
    use VoteKind::{Approve, Decline};
    let (name, store) = made();
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
    for number in 101..=103 {
        commit(
            &store,
            fixtures::decision(number, Decision::Allow, vec![fixtures::approval("user:ann", number)]),
        );
    }
    let consumed = block_on(store.consume(&fixtures::mark(101, 0), fixtures::at(1))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
    let _ = block_on(store.append_one(fixtures::used(101))).unwrap();
    let reported = block_on(store.report(fixtures::report(111, 101, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)));
    let _ = block_on(store.append_one(fixtures::revoked(112, 1, 1))).unwrap();
    let _ = block_on(store.append_one(fixtures::revoked(113, 2, 2))).unwrap();
    block_on(store.check_rows()).unwrap();
    name
}

/// What opening says, and what comparing says, of a copy that was changed like this.
fn changed(filled: &str, sql: &str) -> (Result<(), StoreCode>, Result<(), StoreCode>) {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let name = format!("copy_{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    server().sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {filled}"));
    let before = PostgresStore::open(&options(server(), &name)).unwrap();
    let count = format!("WITH changed AS ({sql} RETURNING 1) SELECT count(*) FROM changed");
    assert_ne!(server().sql(&name, &count), "0", "{sql}");
    let opened = PostgresStore::open(&options(server(), &name));
    let compared = block_on(before.check_rows());
    (
        opened.map(drop).map_err(|error| error.code()),
        compared.map_err(|error| error.code()),
    )
}

#[test]
fn what_a_store_wrote_fits() {
    let (_, store) = made();
    block_on(store.check_rows()).unwrap();
    drop(store);
    let name = filled();
    let store = PostgresStore::open(&options(server(), &name)).unwrap();
    // The third that came to nothing holds new ones, until that is lifted.
    let lifts = |request| block_on(store.lift(id(request), lifted(request, LIFETIME + 9))).unwrap();
    assert_eq!(lifts(1), None);
    assert!(lifts(6).is_some());
    block_on(store.check_rows()).unwrap();

    // Erased are what waits, what was declined, and what was overdue by then.
    let _ = block_on(store.append_one(fixtures::erased(60, vec![0, 1, 4]))).unwrap();
    block_on(store.check_rows()).unwrap();
    let openers: Vec<u64> = (71..=73)
        .map(|number| {
            commit(&store, opens(number, number, 0));
            let opened = block_on(store.request(&id(number))).unwrap().unwrap();
            opened.request.decision.seq
        })
        .collect();
    let _ = block_on(store.append_one(fixtures::erased_at(62, LIFETIME + 3600, openers))).unwrap();
    block_on(store.check_rows()).unwrap();
    assert!(PostgresStore::open(&options(server(), &name)).is_ok());

    let (_, store) = made();
    let mut salted = opens(1, 1, 0);
    let salt = Salt::from_bytes([7; 32]).as_bytes().to_vec();
    salted.record = salted.record.with_side(SideKind::Salt, salt);
    commit(&store, salted);
    let _ = block_on(store.append_one(fixtures::erased(60, vec![0]))).unwrap();
    block_on(store.check_rows()).unwrap();
}

const MISSING: Result<(), StoreCode> = Err(StoreCode::StoreRowsMissing);

/// Used approvals, issued actions and revocations that would count as new: the last record's at once, others by comparing.
#[test]
fn g11_rows_that_were_taken_away_are_found() {
    let filled = filled();
    let last = |column: &str| format!("(SELECT {column} FROM actionpass.ledger)");
    for (sql, at_opening) in [
        ("DELETE FROM actionpass.issued".to_owned(), true),
        (format!("DELETE FROM actionpass.issued WHERE seq = {}", last("last_allow")), true),
        (format!("DELETE FROM actionpass.issued WHERE seq < {}", last("last_allow")), false),
        ("UPDATE actionpass.issued SET seq = seq - 1".to_owned(), true),
        ("DELETE FROM actionpass.approval".to_owned(), true),
        (format!("DELETE FROM actionpass.approval WHERE seq < {}", last("last_approved")), false),
        ("UPDATE actionpass.approval SET approver = 'user:eve'".to_owned(), true),
        ("DELETE FROM actionpass.revocation".to_owned(), true),
        (format!("DELETE FROM actionpass.revocation WHERE seq < {}", last("last_revoked")), false),
        ("DELETE FROM actionpass.used".to_owned(), false),
        ("UPDATE actionpass.used SET outcome = NULL".to_owned(), false),
        ("DELETE FROM actionpass.replay".to_owned(), false),
        ("UPDATE actionpass.ledger SET issued_rows = 1".to_owned(), false),
        ("UPDATE actionpass.ledger SET approval_rows = 1".to_owned(), false),
        ("UPDATE actionpass.ledger SET revocation_rows = 1".to_owned(), false),
        (
            "INSERT INTO actionpass.approval VALUES (gen_random_uuid(), 'user:eve', 1)".to_owned(),
            false,
        ),
        (
            "INSERT INTO actionpass.revocation SELECT gen_random_uuid(), seq, record, ledger_hash FROM actionpass.revocation"
                .to_owned(),
            false,
        ),
    ] {
        let (opened, compared) = changed(&filled, &sql);
        assert_eq!(opened, if at_opening { MISSING } else { Ok(()) }, "{sql}");
        assert_eq!(compared, MISSING, "{sql}");
    }
}

/// A decline that is forgotten, a request that waits again, a vote more or fewer: the last record's at once, others by
/// comparing.
#[test]
fn g11_requests_that_were_edited_are_found() {
    const FIRST: &str = "WHERE decision = 0";
    const LAST: &str = "WHERE decision = 5";
    let set = |with: &str| format!("document = ({with})::text");
    let live = format!(
        "ended = NULL, holds = NULL, failed = NULL, version = 0, {}",
        set("jsonb_set(jsonb_set(document::jsonb - 'end', '{version}', '0'), '{votes}', '[]')")
    );
    let unended = format!(
        "ended = NULL, holds = NULL, failed = NULL, {}",
        set("document::jsonb - 'end'")
    );
    let another_vote = set(r#"jsonb_set(document::jsonb, '{votes,0,principal}', '"user:eve"')"#);
    let zero = "decode(repeat('00', 32), 'hex')";
    let filled = filled();
    let update = |what: &str, of: &str| format!("UPDATE actionpass.request SET {what} {of}");
    for (sql, at_opening) in [
        (format!("DELETE FROM actionpass.request {FIRST}"), false),
        (format!("DELETE FROM actionpass.request {LAST}"), true),
        (update(&live, FIRST), false),
        (update(&live, LAST), true),
        (update(&format!("{live}, last = 0"), FIRST), false),
        (update(&unended, FIRST), false),
        (update(&unended, "WHERE decision = 1"), false),
        // The columns alone, and the document alone.
        (update("ended = NULL, holds = NULL", FIRST), false),
        (update("holds = 1", LAST), true),
        (update(&format!("action_hash = {zero}"), FIRST), false),
        (
            update(&set("jsonb_set(document::jsonb, '{version}', '9')"), FIRST),
            false,
        ),
        (update(&another_vote, FIRST), false),
        (update(&another_vote, "WHERE decision = 4"), false),
        (update("document = 'x'", FIRST), false),
        // A vote and a request that no record has.
        (
            update(
                &format!("version = 2, {}", set("jsonb_set(document::jsonb, '{version}', '2')")),
                "WHERE decision = 4",
            ),
            false,
        ),
        (
            "INSERT INTO actionpass.request SELECT 99, gen_random_uuid(), tenant, agent, action_hash, client, created,
                 expires, ended, holds, failed, 0, last, is_committed, side, document
             FROM actionpass.request WHERE decision = 2"
                .to_owned(),
            false,
        ),
        ("UPDATE actionpass.ledger SET request_rows = 5".to_owned(), false),
        ("UPDATE actionpass.ledger SET request_changes = 5".to_owned(), false),
        ("UPDATE actionpass.ledger SET request_unended = 0".to_owned(), false),
        // What lies beside: of another put in place, taken away, added.
        (
            "UPDATE actionpass.request_side SET bytes = '{}' WHERE request = 2 AND place = 0".to_owned(),
            false,
        ),
        (
            "DELETE FROM actionpass.request_side WHERE request = 4 AND place = 2".to_owned(),
            false,
        ),
        (
            "UPDATE actionpass.request_side SET principal = 'user:eve' WHERE request = 1 AND place = 3".to_owned(),
            false,
        ),
        (
            "DELETE FROM actionpass.request_side WHERE request = 0".to_owned(),
            false,
        ),
        // Holds.
        ("DELETE FROM actionpass.request_hold".to_owned(), false),
        ("UPDATE actionpass.request_hold SET request = NULL".to_owned(), false),
        ("UPDATE actionpass.request_hold SET lifted = 1".to_owned(), false),
        (
            "INSERT INTO actionpass.request_hold (tenant, agent, request)
             VALUES ('org:example', 'agent:other', gen_random_uuid())"
                .to_owned(),
            false,
        ),
    ] {
        let (opened, compared) = changed(&filled, &sql);
        assert_eq!(opened, if at_opening { MISSING } else { Ok(()) }, "{sql}");
        assert_eq!(compared, MISSING, "{sql}");
    }
}

/// Records that are missing, or that can't be read.
#[test]
fn g11_records_that_are_missing_are_found_by_comparing() {
    let filled = filled();
    for (sql, expected) in [
        ("DELETE FROM actionpass.record WHERE seq = 3", MISSING),
        (
            "UPDATE actionpass.record SET json = replace(json, 'actionpass.decision', 'actionpass.x') WHERE seq = 16",
            MISSING,
        ),
        (
            "UPDATE actionpass.record SET json = 'x' WHERE seq = 3",
            Err(StoreCode::StoreCorrupt),
        ),
    ] {
        let (opened, compared) = changed(&filled, sql);
        assert_eq!((opened, compared), (Ok(()), expected), "{sql}");
    }
}
