//! Connections that are lost, servers that end, databases that can't be written: what is acknowledged is there, once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

mod shared;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_model::{Decision, TrustStore, VoteKind};
use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::requests::{decides, opens, votes};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, LedgerCode, verify_jsonl};
use actionpass_store::trust_file::TrustFileCode;
use actionpass_store::{
    AppendOutcome, Batch, ChangeOutcome, CommitOutcome, Consumption, DecisionStore, Ledger, LedgerExt, QueueStore,
    ReplayCode, ReplayStart, ReplayStore, StoreCode, StoreError, TrustDocument,
};
use actionpass_store_postgres::{PostgresOptions, PostgresStore, PostgresTrust};
use actionpass_store_sqlite::Witness;
use proptest::prelude::*;
use shared::{database, options, server};

fn start() -> ReplayStart {
    ReplayStart::first(fixtures::at(0))
}

fn made_in(server: &Postgres) -> (String, PostgresStore) {
    let name = database(server);
    let options = options(server, &name).with_timeout(Duration::from_secs(30));
    let store = PostgresStore::create(&options, Some(&fixtures::log()), start());
    (name, store.unwrap())
}

fn allow(number: u64) -> actionpass_store::DecisionCommit {
    fixtures::decision(number, Decision::Allow, vec![fixtures::approval("user:ann", number)])
}

fn verify(store: &PostgresStore, known: impl IntoIterator<Item = KnownHead>) -> u64 {
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    let verifier = ChainVerifier::new().with_log(fixtures::log());
    let verifier = known.into_iter().fold(verifier, ChainVerifier::with_known_head);
    verify_jsonl(export.as_slice(), verifier).unwrap().head.size()
}

/// Four callers that allow action after action until they are told to stop, each action once: each must be acknowledged as
/// committed, whatever happens to the connections meanwhile.
fn insist_while(store: &PostgresStore, trouble: impl FnOnce(&AtomicU64)) -> HashMap<u64, KnownHead> {
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4_u64)
            .map(|caller| {
                let (done, count) = (&done, &count);
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    for number in 0.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let number = (caller << 32) | number;
                        match block_on(store.commit(allow(number))).unwrap() {
                            CommitOutcome::Committed(record) => acknowledged.push((number, record.to_ref().head())),
                            other => panic!("{other:?}"),
                        }
                        let mark = fixtures::mark(number, 0);
                        let consumed = block_on(store.consume(&mark, fixtures::at(1))).unwrap();
                        assert_eq!(consumed, Consumption::Consumed, "{number}");
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            })
            .collect();
        trouble(&count);
        done.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

/// Everything that was acknowledged is there, and nothing else: none was written twice or without being acknowledged.
fn check(store: &PostgresStore, acknowledged: &HashMap<u64, KnownHead>) {
    assert_eq!(verify(store, acknowledged.values().copied()), acknowledged.len() as u64);
    for (number, head) in acknowledged.iter().take(300) {
        let issued = block_on(store.find(&fixtures::action(*number))).unwrap().unwrap();
        assert_eq!(issued.record.head(), *head);
        let again = block_on(store.consume(&fixtures::mark(*number, 0), fixtures::at(1))).unwrap();
        assert_eq!(again, Consumption::Refused(ReplayCode::AlreadyUsed));
    }
}

fn terminate(database: &str) {
    server().sql(
        "postgres",
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"),
    );
}

/// G10: connections that are ended at any moment lose nothing and repeat nothing.
#[test]
fn g10_connections_that_end_at_any_moment_lose_nothing() {
    let (name, store) = made_in(server());
    let acknowledged = insist_while(&store, |count| {
        let began = Instant::now();
        let mut ended = 0;
        while began.elapsed() < Duration::from_secs(12) {
            terminate(&name);
            ended += 1;
            let before = count.load(Ordering::Relaxed);
            // Somebody gets through in between.
            let until = Instant::now() + Duration::from_secs(20);
            while count.load(Ordering::Relaxed) < before + ended % 5 && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    assert!(acknowledged.len() > 50, "{}", acknowledged.len());
    check(&store, &acknowledged);
}

/// G10: a server that is killed and comes up again holds what was acknowledged, and calls that waited meanwhile succeed.
#[test]
fn g10_a_server_that_is_killed_holds_what_was_acknowledged() {
    let server = Postgres::start();
    let (_, store) = made_in(&server);
    let acknowledged = insist_while(&store, |count| {
        for _ in 0..3 {
            let before = count.load(Ordering::Relaxed);
            let until = Instant::now() + Duration::from_secs(20);
            while count.load(Ordering::Relaxed) < before + 20 && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            server.kill();
            server.restart();
        }
    });
    assert!(acknowledged.len() >= 60);
    check(&store, &acknowledged);
}

/// A server on which a commit is durable and isn't answered: it waits for a replica that there is none of.
struct Mute(Postgres);

impl Mute {
    fn start() -> Self {
        Self(Postgres::start())
    }

    fn set(&self, standby: &str) {
        self.0.sql(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'"),
        );
        self.0.sql("postgres", "SELECT pg_reload_conf()");
        // The processes of the server read it when they are told, each at its time.
        let shown = || self.0.sql("postgres", "SHOW synchronous_standby_names");
        let began = Instant::now();
        while shown() != standby && began.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Runs a call, ends its connection once it is durable and before anybody hears of it, and gives what it gives then.
    fn unheard<T: Send>(&self, call: impl FnOnce() -> T + Send) -> T {
        self.set("nobody");
        thread::scope(|scope| {
            let called = scope.spawn(call);
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            let began = Instant::now();
            while self.0.sql("postgres", waiting) == "0" && began.elapsed() < Duration::from_secs(20) {
                assert!(!called.is_finished(), "nobody waits");
                thread::sleep(Duration::from_millis(5));
            }
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            assert_eq!(self.0.sql("postgres", end), "1");
            self.set("");
            called.join().unwrap()
        })
    }
}

/// G10: a commit whose answer was lost is found before its caller is answered, and is made once.
#[test]
fn g10_a_commit_of_which_nobody_heard_is_found() {
    let server = Mute::start();
    let (_, store) = made_in(&server.0);
    let trust = PostgresTrust::of(&store);
    block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();

    let first = server.unheard(|| block_on(store.commit(allow(1))).unwrap());
    assert!(
        matches!(&first, CommitOutcome::Committed(record) if record.seq() == 0),
        "{first:?}"
    );
    let used = server.unheard(|| block_on(store.append_one(fixtures::used(2))).unwrap());
    assert!(
        matches!(&used, AppendOutcome::Appended(record) if record.seq() == 1),
        "{used:?}"
    );
    let opened = server.unheard(|| block_on(store.commit(opens(3, 3, 0))).unwrap());
    assert!(
        matches!(&opened, CommitOutcome::Committed(record) if record.seq() == 2),
        "{opened:?}"
    );
    let mark = fixtures::mark(9, 0);
    let consumed = server.unheard(|| block_on(store.consume(&mark, fixtures::at(1))).unwrap());
    assert_eq!(consumed, Consumption::Consumed);
    let again = block_on(store.consume(&mark, fixtures::at(1))).unwrap();
    assert_eq!(again, Consumption::Refused(ReplayCode::AlreadyUsed));
    let changed =
        server.unheard(|| block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).unwrap());
    assert_eq!((changed.before.version, changed.after.document.version), (1, 2));
    assert_eq!(block_on(trust.read()).unwrap(), changed.after);
    assert_eq!(verify(&store, []), 3);
}

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreCode {
    answer.unwrap_err().code()
}

/// What can't be written is read, and says so.
#[test]
fn a_database_that_is_read_only_has_its_code() {
    let (name, store) = made_in(server());
    let _ = block_on(store.commit(allow(1))).unwrap();
    let trust = PostgresTrust::of(&store);
    block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();
    drop(store);
    // Who says so of itself is held to it.
    let reader = PostgresStore::open(&options(server(), &name).with_read_only()).unwrap();
    assert_eq!(code(block_on(reader.commit(allow(2)))), StoreCode::StoreReadOnly);
    assert_eq!(
        code(block_on(reader.consume(&fixtures::mark(1, 0), fixtures::at(1)))),
        StoreCode::StoreReadOnly
    );
    assert_eq!(block_on(reader.state()).unwrap().head.size(), 1);
    drop(reader);
    let set = |value: &str| {
        server().sql(
            "postgres",
            &format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"),
        )
    };
    set("on");
    terminate(&name);
    let store = PostgresStore::open(&options(server(), &name)).unwrap();
    assert_eq!(code(block_on(store.commit(allow(2)))), StoreCode::StoreReadOnly);
    assert_eq!(
        code(block_on(store.append_one(fixtures::used(2)))),
        StoreCode::StoreReadOnly
    );
    let mark = fixtures::mark(1, 0);
    assert_eq!(
        code(block_on(store.consume(&mark, fixtures::at(1)))),
        StoreCode::StoreReadOnly
    );
    assert!(block_on(store.find(&fixtures::action(1))).unwrap().is_some());
    assert_eq!(verify(&store, []), 1);
    let trust = PostgresTrust::of(&store);
    let unwritable = block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).unwrap_err();
    assert_eq!(unwritable.code(), TrustFileCode::TrustUnwritable);
    assert_eq!(block_on(trust.read()).unwrap().document.version, 1);
}

/// G10: where a commit doesn't wait for the disk, nothing is acknowledged and nothing is written.
#[test]
fn g10_a_database_that_acknowledges_too_early_is_refused() {
    for setting in ["off", "local", "remote_write"] {
        let (name, store) = made_in(server());
        let trust = PostgresTrust::of(&store);
        block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();
        server().sql(
            "postgres",
            &format!("ALTER DATABASE {name} SET synchronous_commit = {setting}"),
        );
        terminate(&name);
        assert_eq!(
            code(block_on(store.commit(allow(1)))),
            StoreCode::StoreNotDurable,
            "{setting}"
        );
        assert_eq!(code(block_on(store.commit(opens(1, 1, 0)))), StoreCode::StoreNotDurable);
        let mark = fixtures::mark(1, 0);
        assert_eq!(
            code(block_on(store.consume(&mark, fixtures::at(1)))),
            StoreCode::StoreNotDurable
        );
        assert!(block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).is_err());
        server().sql(
            "postgres",
            &format!("ALTER DATABASE {name} SET synchronous_commit = remote_apply"),
        );
        terminate(&name);
        assert_eq!(block_on(store.state()).unwrap().head.size(), 0);
        assert_eq!(
            block_on(store.consume(&mark, fixtures::at(1))).unwrap(),
            Consumption::Consumed
        );
        assert!(matches!(
            block_on(store.commit(allow(1))).unwrap(),
            CommitOutcome::Committed(_)
        ));
    }
}

/// The database's clock is the one that counts: a machine that is far from it writes nothing.
#[test]
fn a_machine_with_another_clock_writes_nothing() {
    let (name, store) = made_in(server());
    let shift = |seconds: i64| {
        let now = format!("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + {seconds} * 1000");
        let replace = format!(
            "CREATE OR REPLACE FUNCTION actionpass.now_millis() RETURNS bigint LANGUAGE sql VOLATILE AS '{now}'"
        );
        server().sql(&name, &replace);
    };
    let mark = fixtures::mark(1, 0);
    for seconds in [-40, 40] {
        shift(seconds);
        assert_eq!(code(block_on(store.commit(allow(1)))), StoreCode::StoreClockOff);
        assert_eq!(
            code(block_on(store.consume(&mark, fixtures::at(1)))),
            StoreCode::StoreClockOff
        );
    }
    shift(20);
    assert!(matches!(
        block_on(store.commit(allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));
    assert_eq!(
        block_on(store.consume(&mark, fixtures::at(1))).unwrap(),
        Consumption::Consumed
    );
}

/// A call doesn't wait for ever: for the head that somebody holds, for a server that doesn't answer.
#[test]
fn what_others_hold_is_waited_for_and_no_longer() {
    let (name, _store) = made_in(server());
    let options = options(server(), &name).with_timeout(Duration::from_secs(2));
    let store = PostgresStore::open(&options).unwrap();
    let held = thread::scope(|scope| {
        let hold = "BEGIN; SELECT size FROM actionpass.ledger FOR UPDATE; SELECT pg_sleep(4); COMMIT";
        let holder = scope.spawn(|| server().sql(&name, hold));
        let is_held =
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event = 'PgSleep'");
        while server().sql("postgres", &is_held) == "0" {
            thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        let failed = code(block_on(store.commit(allow(1))));
        // What only reads isn't held up.
        assert_eq!(block_on(store.state()).unwrap().head.size(), 0);
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        holder.join().unwrap();
        failed
    });
    assert!(
        matches!(held, StoreCode::StoreBusy | StoreCode::StoreUnavailable),
        "{held:?}"
    );
    assert!(matches!(
        block_on(store.commit(allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));
}

#[test]
fn stores_are_made_once_and_found() {
    let name = database(server());
    let options = options(server(), &name);
    assert_eq!(code(PostgresStore::open(&options)), StoreCode::StoreMissing);
    assert_eq!(PostgresStore::migrate(&options).unwrap(), 4);
    assert_eq!(PostgresStore::migrate(&options).unwrap(), 0);
    assert_eq!(
        code(PostgresStore::open(&options)),
        StoreCode::StoreMissing,
        "tables are no store"
    );
    let made = thread::scope(|scope| {
        let make = || PostgresStore::create(&options, Some(&fixtures::log()), start()).is_ok();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .filter(|made| *made)
            .count()
    });
    assert_eq!(made, 1);
    assert_eq!(PostgresStore::open(&options).unwrap().log(), Some(&fixtures::log()));
    assert_eq!(
        code(PostgresStore::create(&options, None, start())),
        StoreCode::StoreExists
    );
    assert_eq!(
        code(PostgresStore::open_or_create(&options, None, start())),
        StoreCode::StoreLogMismatch
    );
    for (version, expected) in [
        ("99", StoreCode::StoreVersionUnsupported),
        ("0", StoreCode::StoreOutdated),
    ] {
        server().sql(&name, &format!("UPDATE actionpass.version SET version = {version}"));
        assert_eq!(code(PostgresStore::open(&options)), expected);
    }
    let nowhere = PostgresOptions::parse(&server().url("nowhere")).unwrap();
    assert_eq!(code(PostgresStore::open(&nowhere)), StoreCode::StoreMissing);
    let closed = format!("postgres://postgres@127.0.0.1:{}/x", actionpass_servers::free_port());
    assert_eq!(
        code(PostgresStore::open(&PostgresOptions::parse(&closed).unwrap())),
        StoreCode::StoreUnavailable
    );
}

#[test]
fn an_executors_store_has_no_log() {
    let name = database(server());
    let store = PostgresStore::create(&options(server(), &name), None, start()).unwrap();
    assert_eq!(store.log(), None);
    assert_eq!(
        code(block_on(store.append_one(fixtures::used(1)))),
        StoreCode::StoreLogMismatch
    );
    assert_eq!(code(block_on(store.commit(allow(1)))), StoreCode::StoreLogMismatch);
    assert_eq!(code(block_on(store.state())), StoreCode::StoreLogMismatch);
    assert_eq!(
        code(block_on(store.find(&fixtures::action(1)))),
        StoreCode::StoreLogMismatch
    );
    let consumed = block_on(store.consume(&fixtures::mark(1, 0), fixtures::at(1))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
}

/// G6: a store that was restored from an earlier copy refuses what may have been consumed since.
#[test]
fn g06_a_restored_database_is_restarted() {
    let (name, store) = made_in(server());
    block_on(store.restart_replay(ReplayStart::restored(fixtures::at(100)))).unwrap();
    block_on(store.restart_replay(start())).unwrap();
    drop(store);
    let store = PostgresStore::open(&options(server(), &name)).unwrap();
    let restored = block_on(store.state()).unwrap().restored;
    assert_eq!(restored, Some(ReplayStart::restored(fixtures::at(100)).at()));
    let lost = block_on(store.consume(&fixtures::mark(1, 130), fixtures::at(130))).unwrap();
    assert_eq!(lost, Consumption::Refused(ReplayCode::ReplayStateLost));
    let consumed = block_on(store.consume(&fixtures::mark(2, 131), fixtures::at(131))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
}

/// G6: expired marks are forgotten, by the clock of the caller and never before that of the database, and what was forgotten
/// is refused.
#[test]
fn g06_expired_marks_are_forgotten_and_the_limit_is_kept() {
    let (name, store) = made_in(server());
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // Ends at 630 behind the first, which is long ago, or in an hour.
    let ended = now - fixtures::NOW - 1000;
    let lives = now - fixtures::NOW + 3600;
    for number in 0..50 {
        let _ = block_on(store.consume(&fixtures::mark(number, ended), fixtures::at(ended))).unwrap();
    }
    let _ = block_on(store.consume(&fixtures::mark(50, lives), fixtures::at(lives))).unwrap();
    let count = || server().sql(&name, "SELECT count(*) FROM actionpass.replay");
    // It forgets once in a while.
    let (until, mut number) = (Instant::now() + Duration::from_secs(20), 100);
    while count().parse::<u64>().unwrap() > number - 100 + 1 && Instant::now() < until {
        thread::sleep(Duration::from_millis(200));
        // By a clock that is far ahead, so that all would have ended.
        let far = fixtures::mark(number, lives + 900_000);
        let _ = block_on(store.consume(&far, fixtures::at(lives + 900_000))).unwrap();
        number += 1;
    }
    let behind = block_on(store.consume(&fixtures::mark(0, ended), fixtures::at(ended))).unwrap();
    assert_eq!(behind, Consumption::Refused(ReplayCode::ClockBehind));
    let kept = block_on(store.consume(&fixtures::mark(50, lives), fixtures::at(lives))).unwrap();
    assert_eq!(kept, Consumption::Refused(ReplayCode::AlreadyUsed));
}

/// Refused calls between others of one batch leave them alone: those that were made are whole, and chain.
#[test]
fn a_refused_call_leaves_the_others_of_its_batch() {
    let (_, store) = made_in(server());
    let mut wrong = votes(1, 0, 8, "user:p8", VoteKind::Approve, 6);
    wrong.record = fixtures::used(8);
    assert_eq!(seq(block_on(store.commit(opens(1, 1, 0)))), 0);
    let (used, taken, misused, voted, allowed, too_large) = block_on(async {
        tokio::join!(
            store.commit(decides(3, 9, 0, Decision::Allow)),
            store.commit(opens(1, 4, 1)),
            store.change(wrong),
            store.change(votes(1, 0, 7, "user:p7", VoteKind::Approve, 6)),
            store.commit(allow(77)),
            store.append(Batch::of(fixtures::erased(60, vec![1; 40_000]))),
        )
    });
    assert!(matches!(used.unwrap(), CommitOutcome::Committed(_)));
    assert_eq!(code(taken), StoreCode::StoreMisused);
    assert_eq!(code(misused), StoreCode::StoreMisused);
    assert!(matches!(voted.unwrap(), ChangeOutcome::Changed(..)));
    assert!(matches!(allowed.unwrap(), CommitOutcome::Committed(_)));
    assert_eq!(code(too_large), StoreCode::RecordTooLarge);
    assert_eq!(verify(&store, []), 4);
}

fn seq(outcome: Result<CommitOutcome, StoreError>) -> u64 {
    match outcome.unwrap() {
        CommitOutcome::Committed(record) => record.seq(),
        other => panic!("{other:?}"),
    }
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
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// G11 and G12: whatever somebody does to the records in the database is found in its export; only what is cut off at the
    /// end needs a head that is known.
    #[test]
    fn g11_tampering_with_the_database_is_found(
        kind in prop::sample::select(vec![
            Tampering::Edit, Tampering::Remove, Tampering::Insert, Tampering::Swap, Tampering::Truncate,
        ]),
        at in 0..SIZE, other in 0..SIZE,
    ) {
        let (name, store) = made_in(server());
        let batch = Batch::new((0..SIZE).map(fixtures::used).collect());
        let last = block_on(store.append(batch)).unwrap().last().unwrap().to_ref().head();
        let run = |sql: &str| server().sql(&name, &sql.replace("?1", &at.to_string()).replace("?2", &other.to_string()));
        run(match kind {
            Tampering::Edit => "UPDATE actionpass.record SET json = replace(json, 'executor', 'attacker') WHERE seq = ?1",
            Tampering::Remove => "DELETE FROM actionpass.record WHERE seq = ?1",
            Tampering::Insert => "UPDATE actionpass.record SET seq = -seq - 2 WHERE seq >= ?1;
                UPDATE actionpass.record SET seq = -seq - 1 WHERE seq < 0;
                INSERT INTO actionpass.record (seq, json) SELECT ?1, json FROM actionpass.record WHERE seq = ?1 + 1",
            Tampering::Swap => "UPDATE actionpass.record SET seq = 99 WHERE seq = ?1;
                UPDATE actionpass.record SET seq = ?1 WHERE seq = ?2;
                UPDATE actionpass.record SET seq = ?2 WHERE seq = 99",
            Tampering::Truncate => "DELETE FROM actionpass.record WHERE seq >= ?1",
        });
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

/// G12: a database that was put back is refused by a witness when it is opened, and by a store that lives without one.
#[test]
fn g12_a_database_that_was_put_back_is_refused() {
    let folder = TempFolder::new();
    let witness = Arc::new(Witness::at(folder.path().join("witness")));
    let (name, first) = made_in(server());
    drop(first);
    let open = |name: &str| PostgresStore::open_witnessed(&options(server(), name), Arc::clone(&witness) as _);
    let store = open(&name).unwrap();
    assert_eq!(seq(block_on(store.commit(allow(1)))), 0);
    assert_eq!(witness.read().unwrap().unwrap().size, 1);
    drop(store);
    let copy = |from: &str, to: &str| {
        server().sql("postgres", &format!("CREATE DATABASE {to} TEMPLATE {from}"));
    };
    let back = format!("{name}_back");
    copy(&name, &back);
    let store = open(&name).unwrap();
    assert_eq!(seq(block_on(store.commit(opens(2, 2, 0)))), 1);
    let _ = block_on(store.append_one(fixtures::used(3))).unwrap();
    assert_eq!(witness.read().unwrap().unwrap().size, 3);

    // Whoever asks the witness finds it; whoever doesn't goes on, and what is written then is another log.
    assert_eq!(code(open(&back)), StoreCode::StoreRolledBack);
    let unasked = PostgresStore::open(&options(server(), &back)).unwrap();
    for number in 4..8 {
        let _ = block_on(unasked.append_one(fixtures::used(number))).unwrap();
    }
    drop(unasked);
    assert_eq!(
        code(open(&back)),
        StoreCode::StoreRolledBack,
        "another record in its place"
    );

    // A store that lives, under which the database is exchanged.
    let lived = PostgresStore::open(&options(server(), &name)).unwrap();
    let _ = block_on(lived.append_one(fixtures::used(8))).unwrap();
    let rename = |from: &str, to: &str| {
        let allowed = |allowed| format!("ALTER DATABASE {from} ALLOW_CONNECTIONS {allowed}");
        server().sql("postgres", &allowed(false));
        terminate(from);
        server().sql("postgres", &format!("ALTER DATABASE {from} RENAME TO {to}"));
    };
    rename(&name, "aside");
    rename(&back, &name);
    server().sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    for store in [&lived, &store] {
        assert_eq!(
            code(block_on(store.append_one(fixtures::used(9)))),
            StoreCode::StoreRolledBack
        );
        assert_eq!(code(block_on(store.commit(opens(9, 9, 0)))), StoreCode::StoreRolledBack);
    }
}

/// G15: what can't be witnessed is not acknowledged.
#[test]
fn g15_a_witness_that_cannot_be_written_acknowledges_nothing() {
    let (name, _store) = made_in(server());
    let folder = TempFolder::new();
    let nowhere = Arc::new(Witness::at(folder.path().join("missing/folder/witness")));
    let store = PostgresStore::open_witnessed(&options(server(), &name), nowhere).unwrap();
    assert_eq!(code(block_on(store.commit(allow(1)))), StoreCode::StoreUnavailable);
    // It was written, so that the same call finds it.
    let again = block_on(store.find(&fixtures::action(1))).unwrap();
    assert!(again.is_some());
}

/// A request that was edited by hand, or what lies beside it, is not believed.
#[test]
fn g18_a_request_that_was_edited_is_corrupt() {
    let (name, store) = made_in(server());
    let id = "req_00000000000000000000000000000001".parse().unwrap();
    assert_eq!(seq(block_on(store.commit(opens(1, 1, 0)))), 0);
    let _ = block_on(store.change(votes(1, 0, 7, "user:p7", VoteKind::Approve, 6))).unwrap();
    assert!(block_on(store.request(&id)).unwrap().is_some());
    for (edit, back) in [
        ("request SET expires = expires + 1", "request SET expires = expires - 1"),
        ("request SET version = 0", "request SET version = 1"),
        (
            "request_side SET principal = 'user:p8' WHERE place >= 2",
            "request_side SET principal = 'user:p7' WHERE place >= 2",
        ),
        (
            "request_side SET bytes = bytes || 'x' WHERE place >= 2",
            "request_side SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE place >= 2",
        ),
    ] {
        server().sql(&name, &format!("UPDATE actionpass.{edit}"));
        assert_eq!(code(block_on(store.request(&id))), StoreCode::StoreCorrupt, "{edit}");
        server().sql(&name, &format!("UPDATE actionpass.{back}"));
        assert!(block_on(store.request(&id)).unwrap().is_some(), "{back}");
    }
}

/// A trust store that was put back is refused by whoever saw the newer one.
#[test]
fn g07_a_trust_store_that_went_back_is_refused() {
    let (name, store) = made_in(server());
    let trust = PostgresTrust::of(&store);
    block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();
    server().sql(&name, "CREATE TABLE public.kept AS SELECT * FROM actionpass.trust");
    let changed = block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).unwrap();
    server().sql(
        &name,
        "UPDATE actionpass.trust t SET version = k.version, document = k.document FROM public.kept k",
    );
    let refused = block_on(trust.read()).unwrap_err();
    assert_eq!(refused.code(), TrustFileCode::TrustRolledBack);
    let refused = block_on(trust.change(fixtures::at(2).to_timestamp(), Box::new(|_| Ok(())))).unwrap_err();
    assert_eq!(refused.code(), TrustFileCode::TrustRolledBack);
    assert_eq!(changed.after.document.version, 2);
}

/// What others wait for in the log of another handle is heard of without looking.
#[test]
fn followers_are_notified() {
    let (name, store) = made_in(server());
    let other = PostgresStore::open(&options(server(), &name)).unwrap();
    let _ = block_on(store.append_one(fixtures::used(0))).unwrap();
    // It listens from its first follower on.
    block_on(other.follow(0)).unwrap();
    let listens = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND query = 'LISTEN actionpass' AND state = 'idle'"
    );
    let until = Instant::now() + Duration::from_secs(20);
    while server().sql("postgres", &listens) == "0" && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
    let mut times: Vec<_> = (1..16)
        .map(|number| {
            thread::scope(|scope| {
                let following = scope.spawn(|| {
                    block_on(other.follow(number)).unwrap();
                    Instant::now()
                });
                // At another moment between two looks each time.
                thread::sleep(Duration::from_millis(13 * number));
                let _ = block_on(store.append_one(fixtures::revoked(number, number, number))).unwrap();
                let appended = Instant::now();
                following.join().unwrap().saturating_duration_since(appended)
            })
        })
        .collect();
    times.sort_unstable();
    // Who only looks every 200 ms needs 100 in the middle.
    assert!(times[7] < Duration::from_millis(60), "{times:?}");
}
