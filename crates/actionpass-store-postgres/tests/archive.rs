//! A log whose first records were taken out, on its way between stores, and who may take them out.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail their test"
)]

mod shared;

use std::time::{Duration, Instant};

use actionpass_model::Decision;
use actionpass_store::conformance::requests::{self, opens, settles};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::Head;
use actionpass_store::{
    Archive, ArchiveOutcome, ArchiveStore, CommitOutcome, DecisionCommit, DecisionStore, Ledger, LedgerExt,
    OutcomeStore, QueueStore, ReplayStart, Resign, StoreCode, StoreError, UseStore, UsedUp,
};
use actionpass_store_postgres::{PostgresOptions, PostgresStore, ROLES_SQL};
use actionpass_store_sqlite::SqliteStore;
use shared::{database, options, server};

fn start() -> ReplayStart {
    ReplayStart::first(fixtures::at(0))
}

fn commit(store: &dyn DecisionStore, commit: DecisionCommit) {
    let outcome = block_on(store.commit(commit)).unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
}

fn call(store: &dyn ArchiveStore, number: u64, size: u64, rows: actionpass_model::ArchivedRows) -> Archive {
    let last = block_on(store.read(size - 1, 1)).unwrap().remove(0);
    let head = Head::new(size, last.to_record().unwrap().ledger_hash);
    Archive {
        head,
        signed: b"signed".to_vec(),
        record: fixtures::archived(number, 60, head, rows),
    }
}

fn taken_out(outcome: Result<ArchiveOutcome, StoreError>) {
    let outcome = outcome.unwrap();
    assert!(matches!(outcome, ArchiveOutcome::Archived(_)), "{outcome:?}");
}

/// The beginning goes along into a database, moves on there, and comes back.
#[test]
fn the_beginning_goes_along_both_ways() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let file = SqliteStore::create(&path, Some(&fixtures::log()), start()).unwrap();
    let approvals = vec![fixtures::approval("user:ann", 1)];
    commit(&file, fixtures::decision(1, Decision::Allow, approvals.clone()));
    commit(&file, opens(2, 5, 0));
    commit(&file, settles(3, 5, 2, 0, 2));
    let _ = block_on(file.append_one(fixtures::revoked(4, 1, 1))).unwrap();
    let _ = block_on(file.append_one(fixtures::erased_at(5, 10, vec![0, 1, 2]))).unwrap();
    taken_out(block_on(file.archive(call(&file, 6, 2, file.rows_before(2).unwrap()))));
    while block_on(file.sweep(1)).unwrap() {}
    file.check_rows().unwrap();
    let state = block_on(file.state()).unwrap();
    drop(file);

    let options = options(server(), &database(server()));
    PostgresStore::create_of(&options, SqliteStore::contents(&path).unwrap()).unwrap();
    let store = PostgresStore::open(&options).unwrap();
    assert_eq!(block_on(store.state()).unwrap(), state);
    block_on(store.check_rows()).unwrap();
    commit(
        &store,
        fixtures::decision_by(7, Decision::Allow, Vec::new(), fixtures::trust(1), 1),
    );
    let rows = block_on(store.rows_before(6)).unwrap();
    assert_eq!(
        (
            rows.actions,
            rows.approvals,
            rows.revocations,
            rows.requests,
            rows.request_changes
        ),
        (2, 2, 1, 1, 1)
    );
    taken_out(block_on(store.archive(call(&store, 8, 6, rows))));
    block_on(store.check_rows()).unwrap();
    while block_on(store.sweep(1)).unwrap() {}
    block_on(store.purge()).unwrap();
    block_on(store.check_rows()).unwrap();
    let used = fixtures::decision_by(9, Decision::Allow, approvals, fixtures::trust(1), 1);
    assert!(matches!(
        block_on(store.commit(used)).unwrap(),
        CommitOutcome::ApprovalUsed(_)
    ));
    let (state, beginning) = (block_on(store.state()).unwrap(), block_on(store.beginning()).unwrap());
    drop(store);

    let back = folder.path().join("back.db");
    SqliteStore::create_of(&back, PostgresStore::contents(&options).unwrap()).unwrap();
    let back = SqliteStore::open(&back).unwrap();
    back.check_rows().unwrap();
    assert_eq!(block_on(back.state()).unwrap(), state);
    assert_eq!(block_on(back.beginning()).unwrap(), beginning);
    let kept = block_on(back.revocation_at(3)).unwrap().unwrap();
    assert_eq!(kept.seq, 3);
}

/// What a table's size takes is no reason to give up.
#[test]
fn room_is_freed_for_as_long_as_it_takes() {
    let database = database(server());
    let patience = Duration::from_secs(1);
    let options = options(server(), &database).with_timeout(patience);
    PostgresStore::create(&options, Some(&fixtures::log()), start()).unwrap();
    // Every page that is read or written costs a tenth of a second.
    for setting in ["vacuum_cost_delay = 100", "vacuum_cost_limit = 1"] {
        server().sql(&database, &format!("ALTER DATABASE \"{database}\" SET {setting}"));
    }
    let store = PostgresStore::open(&options).unwrap();
    for number in 1..=20 {
        commit(&store, fixtures::decision(number, Decision::Allow, Vec::new()));
    }
    let began = Instant::now();
    block_on(store.purge()).unwrap();
    assert!(began.elapsed() > patience, "it was too quick to say anything");
    // The limits of everything else are as before.
    assert!(block_on(store.state()).is_ok());
}

/// A beginning that contradicts its record, and rows that are gone without one, are noticed by whoever opens the store.
#[test]
fn another_beginning_is_noticed_by_opening() {
    for (sql, code) in [
        (
            "DELETE FROM actionpass.record WHERE seq = 2",
            StoreCode::StoreRowsMissing,
        ),
        ("UPDATE actionpass.ledger SET first = 3", StoreCode::StoreRowsMissing),
        (
            "UPDATE actionpass.ledger SET first = 0, first_hash = NULL, archived = NULL",
            StoreCode::StoreRowsMissing,
        ),
        ("UPDATE actionpass.ledger SET archived = 3", StoreCode::StoreRowsMissing),
        ("DELETE FROM actionpass.signed_head", StoreCode::StoreCorrupt),
    ] {
        let name = database(server());
        let options = options(server(), &name);
        let store = PostgresStore::create(&options, Some(&fixtures::log()), start()).unwrap();
        for number in 1..=4 {
            let _ = block_on(store.append_one(fixtures::policed(number, 1))).unwrap();
        }
        taken_out(block_on(store.archive(call(&store, 5, 2, Default::default()))));
        while block_on(store.sweep(1)).unwrap() {}
        drop(store);
        server().sql(&name, sql);
        let error = PostgresStore::open(&options).unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error:?}");
    }
}

/// Front ends neither move the beginning nor delete records; the owner of the tables does both.
#[test]
fn only_the_owner_takes_records_out() {
    let name = database(server());
    drop(PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start()).unwrap());
    server().sql(&name, ROLES_SQL);
    let open = |role: &str| {
        let user = format!("CREATE ROLE {name}_{role} LOGIN; GRANT actionpass_{role} TO {name}_{role}");
        server().sql(&name, &user);
        let url = server().url_as(&format!("{name}_{role}"), &name);
        PostgresStore::open(&PostgresOptions::parse(&url).unwrap()).unwrap()
    };
    let (front, admin) = (open("front"), open("admin"));
    for number in 1..=4 {
        let _ = block_on(front.append_one(fixtures::policed(number, 1))).unwrap();
    }
    let before = block_on(front.state()).unwrap();
    let refused = block_on(front.archive(call(&front, 5, 2, Default::default())));
    assert_eq!(refused.unwrap_err().code(), StoreCode::StoreReadOnly);
    assert_eq!(block_on(front.state()).unwrap(), before);
    taken_out(block_on(admin.archive(call(&admin, 6, 2, Default::default()))));
    assert_eq!(block_on(front.sweep(1)).unwrap_err().code(), StoreCode::StoreReadOnly);
    while block_on(admin.sweep(1)).unwrap() {}
    // A front end that was open all the time goes on, behind the beginning.
    let _ = block_on(front.append_one(fixtures::policed(7, 1))).unwrap();
    assert_eq!(
        block_on(front.read(0, 1)).unwrap_err().code(),
        StoreCode::LedgerArchived
    );
    // Nor do they replace the signed head that it begins at.
    let resign = |store: &PostgresStore, number| {
        let beginning = block_on(store.beginning()).unwrap().unwrap();
        let call = Resign {
            head: beginning.head,
            former: beginning.signed,
            signed: b"signed anew".to_vec(),
            record: fixtures::resigned(number, 70, beginning.head),
        };
        block_on(store.resign(call))
    };
    let (before, beginning) = (block_on(front.state()).unwrap(), block_on(front.beginning()).unwrap());
    assert_eq!(resign(&front, 8).unwrap_err().code(), StoreCode::StoreReadOnly);
    assert_eq!(block_on(front.state()).unwrap(), before);
    assert_eq!(block_on(front.beginning()).unwrap(), beginning);
    assert!(resign(&admin, 9).unwrap().is_some());
    assert_eq!(block_on(front.beginning()).unwrap().unwrap().signed, b"signed anew");
    let _ = block_on(front.append_one(fixtures::policed(10, 1))).unwrap();
    block_on(admin.check_rows()).unwrap();
    for script in [
        "UPDATE actionpass.signed_head SET bytes = 'mine'",
        "INSERT INTO actionpass.signed_head (id, bytes) VALUES (0, 'mine') ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes",
        "DELETE FROM actionpass.record",
        "UPDATE actionpass.ledger SET first = 1",
        "DELETE FROM actionpass.signed_head",
    ] {
        let said = server().try_sql(&name, &format!("SET ROLE actionpass_front; {script}"));
        assert!(
            said.clone().is_err_and(|said| said.contains("permission denied")),
            "{said:?}"
        );
    }
}

/// Tables of the release before: everything that was there is there, and can be archived.
#[test]
fn a_migration_keeps_everything() {
    let name = database(server());
    let options = options(server(), &name);
    let store = PostgresStore::create(&options, Some(&fixtures::log()), start()).unwrap();
    let approvals = vec![fixtures::approval("user:ann", 1)];
    commit(&store, fixtures::decision(1, Decision::Allow, approvals.clone()));
    commit(&store, fixtures::decision(2, Decision::Deny, Vec::new()));
    commit(&store, opens(2, 5, 0));
    let _ = block_on(store.append_one(fixtures::revoked(4, 1, 1))).unwrap();
    let used = block_on(store.use_up(fixtures::mark(1, 0), fixtures::at(1), fixtures::used(1))).unwrap();
    assert!(matches!(used, UsedUp::Recorded(_)));
    let known = |store: &PostgresStore| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            block_on(store.state()).unwrap(),
            block_on(store.read(0, 100)).unwrap(),
            block_on(store.find(&fixtures::action(1))).unwrap(),
            block_on(store.used(&fixtures::pass(1))).unwrap(),
            block_on(store.request(&requests::id(2))).unwrap(),
            block_on(store.revocation_at(3)).unwrap(),
            block_on(store.beginning()).unwrap(),
        )
    };
    let before = known(&store);
    drop(store);
    server().sql(
        &name,
        "DROP TABLE actionpass.signed_head, actionpass.page_secret, actionpass.page_sign_in, actionpass.page_session,
             actionpass.page_ballot;
         ALTER TABLE actionpass.ledger DROP COLUMN first, DROP COLUMN first_hash, DROP COLUMN archived;
         UPDATE actionpass.version SET version = 2",
    );
    let outdated = PostgresStore::open(&options).map(drop);
    assert_eq!(outdated.unwrap_err().code(), StoreCode::StoreOutdated);
    assert_eq!(PostgresStore::migrate(&options).unwrap(), 2);
    let store = PostgresStore::open(&options).unwrap();
    assert_eq!(known(&store), before);
    block_on(store.check_rows()).unwrap();
    let _ = block_on(store.append_one(fixtures::erased_at(6, 10, vec![0, 1, 2]))).unwrap();
    let rows = block_on(store.rows_before(4)).unwrap();
    taken_out(block_on(store.archive(call(&store, 7, 4, rows))));
    while block_on(store.sweep(1)).unwrap() {}
    block_on(store.check_rows()).unwrap();
    let used = fixtures::decision(9, Decision::Allow, approvals);
    assert!(matches!(
        block_on(store.commit(used)).unwrap(),
        CommitOutcome::ApprovalUsed(_)
    ));
}
