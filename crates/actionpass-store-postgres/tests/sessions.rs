//! Sessions of the page: for the roles that serve it alone, removed when they are over, and gone once the store was put back.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::thread;
use std::time::Duration;

use actionpass_model::{KeyId, Timestamp};
use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::sessions::{KeptBallot, MAX_SESSIONS_IN_ALL, Opened, SessionStore, SignIn};
use actionpass_store::{CommitOutcome, DecisionStore, ReplayStart, StoreCode, StoreError};
use actionpass_store_postgres::{PostgresOptions, PostgresSessions, PostgresStore, ROLES_SQL};
use shared::{create, options, server};

const HOUR: u64 = 3600;

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreCode {
    answer.unwrap_err().code()
}

fn after(seconds: u64) -> Timestamp {
    fixtures::at(seconds).to_timestamp()
}

/// A sign-in so many seconds after the time of the suites; its challenge holds for five minutes, its session for an hour.
fn sign_in(number: u64, seconds: u64) -> SignIn {
    SignIn {
        challenge: fixtures::digest(number),
        challenge_until: after(seconds.saturating_add(300)),
        kid: KeyId::parse(&format!("{number:042}A")).unwrap(),
        session: fixtures::digest(number),
        until: after(seconds.saturating_add(HOUR)),
    }
}

fn ballot(number: u64, seconds: u64) -> KeptBallot {
    KeptBallot {
        id: format!("apr_{number:032x}").parse().unwrap(),
        request: format!("req_{number:032x}").parse().unwrap(),
        input: "header.payload".to_owned(),
        until: after(seconds.saturating_add(300)),
    }
}

fn open(sessions: &PostgresSessions, number: u64, seconds: u64) -> Result<Opened, StoreError> {
    block_on(sessions.open(sign_in(number, seconds), after(seconds)))
}

fn count(name: &str, table: &str) -> String {
    server().sql(name, &format!("SELECT count(*) FROM actionpass.page_{table}"))
}

#[test]
fn what_is_over_is_removed_by_who_signs_in() {
    let (name, store) = create(server());
    let sessions = PostgresSessions::of(&store);
    assert_eq!(open(&sessions, 1, 0).unwrap(), Opened::Opened);
    block_on(sessions.keep_ballot(fixtures::digest(1), ballot(1, 0), after(0))).unwrap();
    // The challenge is remembered a minute longer than it holds.
    assert_eq!(open(&sessions, 2, 359).unwrap(), Opened::Opened);
    assert_eq!(
        (count(&name, "sign_in"), count(&name, "ballot")),
        ("2".into(), "0".into())
    );
    assert_eq!(open(&sessions, 3, 360).unwrap(), Opened::Opened);
    assert_eq!(
        (count(&name, "sign_in"), count(&name, "session")),
        ("2".into(), "3".into())
    );
    assert_eq!(open(&sessions, 4, HOUR).unwrap(), Opened::Opened);
    assert_eq!(count(&name, "session"), "3");
}

/// A clock that runs ahead removes nothing that holds by the database's.
#[test]
fn both_clocks_say_what_is_over() {
    let (name, store) = create(server());
    let sessions = PostgresSessions::of(&store);
    assert_eq!(open(&sessions, 1, 0).unwrap(), Opened::Opened);
    server().sql(
        &name,
        "UPDATE actionpass.page_sign_in SET until = actionpass.now_millis() - 1000;
         UPDATE actionpass.page_session SET until = actionpass.now_millis() + 1000",
    );
    let far = 20 * 365 * 24 * HOUR;
    assert_eq!(open(&sessions, 2, far).unwrap(), Opened::Opened);
    assert_eq!(
        (count(&name, "sign_in"), count(&name, "session")),
        ("2".into(), "2".into())
    );
    assert_eq!(
        block_on(sessions.open(
            SignIn {
                session: fixtures::digest(9),
                ..sign_in(1, far)
            },
            after(far)
        ))
        .unwrap(),
        Opened::Used
    );
}

#[test]
fn the_oldest_session_of_all_makes_room() {
    let (name, store) = create(server());
    let sessions = PostgresSessions::of(&store);
    let until = after(HOUR).unix_millis();
    server().sql(
        &name,
        &format!(
            "INSERT INTO actionpass.page_session SELECT sha256(n::text::bytea), n::text, {until} - n
             FROM generate_series(1, {MAX_SESSIONS_IN_ALL}) AS n"
        ),
    );
    assert_eq!(open(&sessions, 1, 0).unwrap(), Opened::Opened);
    assert_eq!(count(&name, "session"), MAX_SESSIONS_IN_ALL.to_string());
    let oldest = format!("SELECT count(*) FROM actionpass.page_session WHERE kid = '{MAX_SESSIONS_IN_ALL}'");
    assert_eq!(server().sql(&name, &oldest), "0");
}

/// What is kept signs nobody in: cookies are hashes, and challenges follow from a secret.
#[test]
fn a_store_that_was_put_back_knows_no_session() {
    let (name, store) = create(server());
    let sessions = PostgresSessions::of(&store);
    assert_eq!(block_on(sessions.secret([1; 32])).unwrap(), [1; 32]);
    assert_eq!(open(&sessions, 1, 0).unwrap(), Opened::Opened);
    block_on(sessions.keep_ballot(fixtures::digest(1), ballot(1, 0), after(0))).unwrap();
    block_on(store.restart_replay(ReplayStart::restored(fixtures::at(9)))).unwrap();
    assert_eq!(block_on(sessions.owner(fixtures::digest(1), after(0))).unwrap(), None);
    for table in ["secret", "sign_in", "session", "ballot"] {
        assert_eq!(count(&name, table), "0", "{table}");
    }
    assert_eq!(block_on(sessions.secret([2; 32])).unwrap(), [2; 32]);
}

#[test]
fn g10_nobody_signs_in_where_commits_would_not_last() {
    let (name, _store) = create(server());
    server().sql(&name, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let store = PostgresStore::open(&options(server(), &name)).unwrap();
    let refused = open(&PostgresSessions::of(&store), 1, 0);
    assert_eq!(code(refused), StoreCode::StoreNotDurable);
    assert_eq!(
        (count(&name, "sign_in"), count(&name, "session")),
        ("0".into(), "0".into())
    );
}

#[test]
fn what_is_no_secret_is_refused() {
    let (name, store) = create(server());
    server().sql(&name, "INSERT INTO actionpass.page_secret VALUES (0, 'short')");
    let sessions = PostgresSessions::of(&store);
    assert_eq!(code(block_on(sessions.secret([1; 32]))), StoreCode::StoreCorrupt);
}

/// Nobody goes on where a sign-in was left in the middle of its transaction: what is written there would be lost with it.
#[test]
fn what_follows_a_sign_in_that_was_late_lasts() {
    let (name, _store) = create(server());
    let impatient = options(server(), &name).with_timeout(Duration::from_secs(1));
    let store = PostgresStore::open(&impatient).unwrap();
    let sessions = PostgresSessions::of(&store);
    for number in 1..=8 {
        assert_eq!(open(&sessions, number, 0).unwrap(), Opened::Opened);
    }
    let challenge = fixtures::digest(9)
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    // Each wait is short enough, and both together are not.
    let turn = "BEGIN; SELECT pg_advisory_xact_lock(1095791475, 4); SELECT pg_sleep(0.7); COMMIT".to_owned();
    let used = format!(
        "BEGIN; INSERT INTO actionpass.page_sign_in VALUES ('\\x{challenge}', '', 0); SELECT pg_sleep(1.4); ROLLBACK"
    );
    let others = [turn, used].map(|script| {
        let name = name.clone();
        thread::spawn(move || server().sql(&name, &script))
    });
    thread::sleep(Duration::from_millis(300));
    assert_eq!(code(open(&sessions, 9, 0)), StoreCode::StoreUnavailable);
    for other in others {
        let _ = other.join().unwrap();
    }
    thread::sleep(Duration::from_millis(200));
    for number in 1..=8 {
        block_on(sessions.close(fixtures::digest(number))).unwrap();
    }
    // The server ends what idles in a transaction after three seconds.
    thread::sleep(Duration::from_millis(3500));
    assert_eq!(
        (count(&name, "session"), count(&name, "sign_in")),
        ("0".into(), "8".into())
    );
}

/// Services read and write sessions; executors, other front ends and auditors neither.
#[test]
fn sessions_are_for_services_alone() {
    let server = Postgres::start();
    let (name, store) = create(&server);
    for _ in 0..2 {
        server.sql(&name, ROLES_SQL);
    }
    let kept = PostgresSessions::of(&store);
    assert_eq!(open(&kept, 1, 0).unwrap(), Opened::Opened);
    let opened = |role: &str| {
        let user = format!("CREATE ROLE u_{role} LOGIN; GRANT actionpass_{role} TO u_{role}");
        server.sql(&name, &user);
        let options = PostgresOptions::parse(&server.url_as(&format!("u_{role}"), &name)).unwrap();
        PostgresStore::open(&options).unwrap()
    };
    let service = opened("service");
    // Whatever front ends may, services may.
    assert!(matches!(
        block_on(service.commit(fixtures::allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));
    let sessions = PostgresSessions::of(&service);
    assert_eq!(block_on(sessions.secret([1; 32])).unwrap(), [1; 32]);
    assert_eq!(open(&sessions, 2, 0).unwrap(), Opened::Opened);
    block_on(sessions.keep_ballot(fixtures::digest(2), ballot(1, 0), after(0))).unwrap();
    let kept = ballot(1, 0);
    let taken = sessions.take_ballot(fixtures::digest(2), kept.id, kept.request, after(0));
    assert_eq!(block_on(taken).unwrap().as_deref(), Some("header.payload"));
    block_on(sessions.close(fixtures::digest(2))).unwrap();
    for role in ["front", "auditor"] {
        let sessions = PostgresSessions::of(&opened(role));
        let refused = [
            code(block_on(sessions.secret([1; 32]))),
            code(open(&sessions, 3, 0)),
            code(block_on(sessions.owner(fixtures::digest(1), after(0)))),
            code(block_on(sessions.close(fixtures::digest(1)))),
        ];
        assert_eq!(refused, [StoreCode::StoreReadOnly; 4], "{role}");
    }
    for table in ["secret", "sign_in", "session", "ballot"] {
        for role in ["front", "auditor"] {
            let script = format!("SET ROLE actionpass_{role}; SELECT * FROM actionpass.page_{table}");
            let said = server.try_sql(&name, &script);
            assert!(
                said.clone().is_err_and(|said| said.contains("permission denied")),
                "{table}: {said:?}"
            );
        }
    }
}
