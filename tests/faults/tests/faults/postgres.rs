//! PostgreSQL: an exchange that is cut, delayed and garbled at every place, a server that is killed, a disk that is full, a
//! database that can only be read, and one that was put back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::fixtures;
use actionpass_store::{ReplayStart, StoreCode};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};

use crate::dice::{Dice, count, seed};
use crate::oracle::{Done, Known, Op, perform};
use crate::program::not_run;
use crate::proxy::{Fault, Proxy, Way};
use crate::tally::{Tally, Wrong};

/// The server of the suites that don't end theirs.
fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

fn made(server: &Postgres, name: &str) -> PostgresStore {
    server.create_database(name);
    store_in(server, name)
}

fn store_in(server: &Postgres, name: &str) -> PostgresStore {
    let options = options(&server.url(name), Duration::from_secs(30));
    PostgresStore::create(&options, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap()
}

fn options(url: &str, patience: Duration) -> PostgresOptions {
    PostgresOptions::parse(url).unwrap().with_timeout(patience)
}

/// Allows an action and uses its pass up, uses up another one, revokes. What fails may have been done; what is acknowledged was.
fn work(store: &PostgresStore, known: &mut Known, tally: &mut Tally, number: u64) {
    const ELSEWHERE: u64 = 1 << 30;
    for op in [
        Op::Allow(number),
        Op::UseUp(number),
        Op::Consume(number + ELSEWHERE),
        Op::Revoke(number),
    ] {
        if matches!(op, Op::UseUp(number) if !known.acknowledged.contains_key(&Op::Allow(number))) {
            // Nobody has a pass of what wasn't acknowledged.
            continue;
        }
        known.begun.push(op);
        if let Ok(done) = perform(store, op) {
            tally.acknowledged += u64::from(matches!(done, Done::Acknowledged(_)));
            tally.count(known.note(op, &done));
        }
    }
}

/// What is there in the end, within a minute.
fn insist<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(Instant::now() < until, "it doesn't go on");
    }
}

/// G10: bytes that are lost, late or there twice, at every place of the exchange in turn, lose, repeat and garble nothing.
#[test]
fn g10_an_exchange_that_is_cut_delayed_or_garbled_anywhere() {
    const NAME: &str = "proxied";
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("postgres: proxy", seed));
    let direct = made(server(), NAME);
    let proxy = Proxy::before(server().port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{NAME}?sslmode=disable", proxy.port());
    // A connection of which nothing makes sense any more is given up when its time is over, which may be too short on a machine
    // that does much else.
    let options = options(&url, Duration::from_millis(1500));
    let store = insist(|| PostgresStore::open(&options).ok());
    let (mut known, mut number) = (Known::default(), 0);
    // How long it is, with every statement prepared.
    let lengths = insist(|| {
        let before = tally.acknowledged;
        proxy.plan(Way::ToServer, usize::MAX, Fault::Cut);
        number += 2;
        work(&store, &mut known, &mut tally, number);
        let (lengths, _) = proxy.end();
        (number > 2 && tally.acknowledged == before + 4).then_some(lengths)
    });
    for (kind, places) in [(0, count(60, 4000)), (1, count(30, 500)), (2, count(12, 500))] {
        for (way, length) in [Way::ToServer, Way::FromServer].into_iter().zip(lengths) {
            let step = (length / places).max(1);
            for place in (0..length).step_by(step) {
                let at = place + dice.index(step);
                let fault = match kind {
                    0 => Fault::Cut,
                    1 => Fault::Delay(Duration::from_millis(dice.below(40))),
                    _ => Fault::Duplicate(1 + dice.index(4)),
                };
                proxy.plan(way, at, fault);
                number += 1;
                work(&store, &mut known, &mut tally, number);
                tally.rounds += 1;
                tally.injected += u64::from(proxy.end().1);
                if tally.rounds.is_multiple_of(40) {
                    tally.count(known.check_open(&direct, &mut dice));
                }
            }
        }
    }
    tally.count(known.check_open(&direct, &mut dice));
    // It goes on over the proxy, too.
    insist(|| {
        number += 1;
        matches!(perform(&store, Op::Allow(number)), Ok(Done::Acknowledged(_))).then_some(())
    });
    tally.end();
}

/// G10: what was acknowledged before the server was killed, at any moment, is there when it is up again.
#[test]
fn g10_a_server_that_is_killed_at_any_moment() {
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("postgres: kills of the server", seed));
    let server = Postgres::start();
    let store = made(&server, "killed");
    let known = Mutex::new(Known::default());
    let found = Mutex::new(Vec::new());
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for caller in 0..4 {
            let (store, known, found, next, done) = (&store, &known, &found, &next, &done);
            let mut dice = Dice::new(seed ^ (caller + 1));
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let op = match dice.below(4) {
                        0 => Op::Consume(number),
                        1 => Op::Revoke(number),
                        _ => Op::Allow(number),
                    };
                    known.lock().unwrap().begun.push(op);
                    // What fails isn't known to be there.
                    if let Ok(outcome) = perform(store, op) {
                        let wrong = known.lock().unwrap().note(op, &outcome);
                        found.lock().unwrap().extend(wrong);
                    }
                }
            });
        }
        for _ in 0..count(6, 200) {
            let acknowledged = || known.lock().unwrap().acknowledged.len();
            let (before, began) = (acknowledged(), Instant::now());
            while acknowledged() < before + 20 && began.elapsed() < Duration::from_secs(60) {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_micros(dice.below(20_000)));
            server.kill();
            server.restart();
            tally.rounds += 1;
            tally.injected += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
    let known = known.into_inner().unwrap();
    tally.acknowledged = known.acknowledged.len() as u64;
    tally.count(found.into_inner().unwrap());
    tally.count(known.check_open(&store, &mut dice));
    tally.end();
}

/// G10 and G15: a full disk takes nothing and says so, what can be read still is, and with room again it goes on.
#[test]
fn g10_a_full_disk_of_the_server() {
    if !Postgres::may_mount() {
        return not_run("postgres: full disk (no file system may be mounted)");
    }
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("postgres: full disk", seed));
    let server = Postgres::start_with_disk("24m");
    server.sql("postgres", "CREATE DATABASE small TEMPLATE template0 TABLESPACE small");
    let store = store_in(&server, "small");
    let (mut known, mut number) = (Known::default(), 0);
    for _ in 0..count(4, 60) {
        for _ in 0..5 {
            number += 1;
            work(&store, &mut known, &mut tally, number);
        }
        // All that is left, down to the last page.
        let filler = "CREATE TABLE public.filler (bytes text) WITH (autovacuum_enabled = off);
             ALTER TABLE public.filler ALTER bytes SET STORAGE PLAIN";
        server.sql("small", filler);
        for rows in [1000, 100, 10, 1] {
            let fill = format!("INSERT INTO public.filler SELECT repeat('x', 7000) FROM generate_series(1, {rows})");
            let until = Instant::now() + Duration::from_secs(60);
            while server.try_sql("small", &fill).is_ok() && Instant::now() < until {}
        }
        let mut codes = Vec::new();
        // The pages that are there have room for some.
        while codes.len() < 3 && tally.acknowledged < 100_000 {
            number += 1;
            let op = Op::Allow(number);
            known.begun.push(op);
            match perform(&store, op) {
                Ok(done) => {
                    tally.acknowledged += 1;
                    tally.count(known.note(op, &done));
                }
                Err(error) => codes.push(error.code()),
            }
        }
        if codes != [StoreCode::StoreFull; 3] {
            tally.count(vec![(Wrong::Corrupt, format!("a full disk gives {codes:?}"))]);
        }
        tally.injected += 1;
        server.sql("small", "DROP TABLE public.filler");
        // Which gives the room back.
        server.sql("small", "CHECKPOINT");
        tally.count(known.check_open(&store, &mut dice));
        tally.rounds += 1;
    }
    tally.end();
}

/// G12 and G15: a database that can only be read takes nothing; one that was put back is refused by the store that lives.
#[test]
fn g12_a_database_that_is_only_read_or_was_put_back() {
    const NAME: &str = "aged";
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("postgres: read-only and put back", seed));
    let store = made(server(), NAME);
    let (mut known, mut number) = (Known::default(), 0);
    let end_sessions = |name: &str| {
        let end = format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        server().sql("postgres", &end);
    };
    let allow_sessions = |name: &str| {
        server().sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    };
    let refused = |number: u64, expected: StoreCode, tally: &mut Tally| {
        let refused = perform(&store, Op::Allow(number)).map_err(|error| error.code());
        if refused != Err(expected) {
            tally.count(vec![(Wrong::Corrupt, format!("{refused:?} and not {expected:?}"))]);
        }
        tally.injected += 1;
    };
    for round in 0..count(3, 60) {
        for _ in 0..3 {
            number += 1;
            work(&store, &mut known, &mut tally, number);
        }
        let set = |value: &str| {
            let set = format!("ALTER DATABASE {NAME} SET default_transaction_read_only = {value}");
            server().sql("postgres", &set);
            end_sessions(NAME);
            allow_sessions(NAME);
        };
        set("on");
        refused(u64::MAX / 2 + 2 * number, StoreCode::StoreReadOnly, &mut tally);
        set("off");
        // A copy, something more, and the copy in its place for a while.
        end_sessions(NAME);
        let (copy, aside) = (format!("copy_{round}"), format!("aside_{round}"));
        server().sql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE {NAME}"));
        allow_sessions(NAME);
        number += 1;
        work(&store, &mut known, &mut tally, number);
        let rename = |from: &str, to: &str| {
            end_sessions(from);
            server().sql("postgres", &format!("ALTER DATABASE {from} RENAME TO {to}"));
        };
        rename(NAME, &aside);
        rename(&copy, NAME);
        allow_sessions(NAME);
        refused(u64::MAX / 2 + 2 * number + 1, StoreCode::StoreRolledBack, &mut tally);
        rename(NAME, &copy);
        rename(&aside, NAME);
        allow_sessions(NAME);
        tally.count(known.check_open(&store, &mut dice));
        tally.rounds += 1;
    }
    tally.end();
}
