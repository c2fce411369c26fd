//! Who may do what, and over which connections.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::time::Duration;

use actionpass_model::{TrustStore, VoteKind};
use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::requests::{opens, votes};
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, verify_jsonl};
use actionpass_store::trust_file::TrustFileCode;
use actionpass_store::{
    ChangeOutcome, CommitOutcome, Consumption, DecisionStore, Ledger, LedgerExt, OutcomeStore, QueueStore, ReplayStart,
    ReplayStore, Reported, SideKind, StoreCode, StoreError, TrustDocument,
};
use actionpass_store_postgres::{PostgresOptions, PostgresStore, PostgresTrust, ROLES_SQL};
use shared::{database, options, server};

fn start() -> ReplayStart {
    ReplayStart::first(fixtures::at(0))
}

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreCode {
    answer.unwrap_err().code()
}

/// A store whose roles are made, and the names of users in them.
struct Roles {
    name: String,
}

impl Roles {
    fn new() -> Self {
        let name = database(server());
        drop(PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start()).unwrap());
        // Twice: it is run after each migration.
        for _ in 0..2 {
            server().sql(&name, ROLES_SQL);
        }
        for role in ["admin", "front", "service", "auditor"] {
            let user = format!("CREATE ROLE {name}_{role} LOGIN; GRANT actionpass_{role} TO {name}_{role}");
            server().sql(&name, &user);
        }
        Self { name }
    }

    fn options(&self, role: &str) -> PostgresOptions {
        let user = format!("{}_{role}", self.name);
        PostgresOptions::parse(&server().url_as(&user, &self.name)).unwrap()
    }

    fn open(&self, role: &str) -> PostgresStore {
        PostgresStore::open(&self.options(role)).unwrap()
    }

    /// What a user may not do by hand.
    fn refuses(&self, role: &str, script: &str) {
        let said = server().try_sql(&self.name, &format!("SET ROLE actionpass_{role}; {script}"));
        assert!(
            said.clone().is_err_and(|said| said.contains("permission denied")),
            "{script}: {said:?}"
        );
    }
}

/// All roles are made in one cluster, which takes one at a time.
static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn front_ends_decide_and_change_neither_trust_nor_records() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let roles = Roles::new();
    let trust = PostgresTrust::of(&roles.open("admin"));
    block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();

    let store = roles.open("front");
    let allowed = fixtures::decision(
        1,
        actionpass_model::Decision::Allow,
        vec![fixtures::approval("user:ann", 1)],
    );
    assert!(matches!(
        block_on(store.commit(allowed)).unwrap(),
        CommitOutcome::Committed(_)
    ));
    assert!(matches!(
        block_on(store.commit(opens(2, 2, 0))).unwrap(),
        CommitOutcome::Committed(_)
    ));
    let voted = block_on(store.change(votes(2, 0, 7, "user:p7", VoteKind::Approve, 6))).unwrap();
    assert!(matches!(voted, ChangeOutcome::Changed(..)));
    let consumed = block_on(store.consume(&fixtures::mark(1, 0), fixtures::at(1_000_000_000))).unwrap();
    assert_eq!(consumed, Consumption::Consumed);
    let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
    let reported = block_on(store.report(fixtures::report(5, 1, true, None))).unwrap();
    assert!(matches!(reported, Reported::Recorded(_)));
    let _ = block_on(store.append_one(fixtures::revoked(6, 1, 2))).unwrap();
    let _ = block_on(store.append_one(fixtures::erased(8, vec![0, 1]))).unwrap();
    assert_eq!(block_on(store.side(0, SideKind::Token)).unwrap(), None);
    assert_eq!(code(block_on(store.purge())), StoreCode::StoreReadOnly);
    block_on(roles.open("admin").purge()).unwrap();
    // Behind the consumption expired marks are forgotten, with the same rights.
    let forgotten = || server().sql(&roles.name, "SELECT count(*) FROM actionpass.replay") == "0";
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !forgotten() && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(forgotten());

    let trust = PostgresTrust::of(&store);
    assert_eq!(block_on(trust.read()).unwrap().document.version, 1);
    let refused = block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).unwrap_err();
    assert_eq!(refused.code(), TrustFileCode::TrustUnwritable);
    assert_eq!(
        code(block_on(store.restart_replay(ReplayStart::restored(fixtures::at(9))))),
        StoreCode::StoreReadOnly
    );
    let version = server().sql(&roles.name, "SELECT version FROM actionpass.version");
    server().sql(&roles.name, "UPDATE actionpass.version SET version = 0");
    assert_eq!(
        code(PostgresStore::migrate(&roles.options("front"))),
        StoreCode::StoreReadOnly
    );
    server().sql(
        &roles.name,
        &format!("UPDATE actionpass.version SET version = {version}"),
    );
    for script in [
        "UPDATE actionpass.record SET json = ''",
        "DELETE FROM actionpass.record",
        "DELETE FROM actionpass.approval",
        "DELETE FROM actionpass.issued",
        "UPDATE actionpass.issued SET pass = pass",
        "UPDATE actionpass.trust SET version = 9",
        "INSERT INTO actionpass.trust VALUES (0, 9, '')",
        "UPDATE actionpass.ledger SET issuer = 'https://other.example'",
        "UPDATE actionpass.ledger SET restored = NULL",
        "UPDATE actionpass.replay_limits SET start = 0",
        "UPDATE actionpass.replay SET until = 0",
        "UPDATE actionpass.version SET version = 0",
        "DELETE FROM actionpass.ledger",
        "CREATE TABLE actionpass.mine (n int)",
        "TRUNCATE actionpass.replay",
    ] {
        roles.refuses("front", script);
    }
}

#[test]
fn auditors_read_the_log_and_nothing_beside_it() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let roles = Roles::new();
    let front = roles.open("front");
    assert!(matches!(
        block_on(front.commit(fixtures::allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));

    let store = roles.open("auditor");
    let mut export = Vec::new();
    assert_eq!(store.export(&mut export).unwrap(), 1);
    let verified = verify_jsonl(export.as_slice(), ChainVerifier::new().with_log(fixtures::log())).unwrap();
    assert_eq!(verified.head, block_on(store.state()).unwrap().head);
    assert!(block_on(store.revocations()).unwrap().is_empty());
    assert_eq!(
        code(block_on(store.commit(fixtures::allow(2)))),
        StoreCode::StoreReadOnly
    );
    assert_eq!(
        code(block_on(store.append_one(fixtures::used(2)))),
        StoreCode::StoreReadOnly
    );
    assert!(block_on(store.side(0, SideKind::Token)).is_err());
    for script in [
        "SELECT * FROM actionpass.side",
        "SELECT * FROM actionpass.request_side",
        "SELECT * FROM actionpass.request",
        "SELECT * FROM actionpass.ledger FOR UPDATE",
        "INSERT INTO actionpass.record VALUES (1, '')",
    ] {
        roles.refuses("auditor", script);
    }
}

#[test]
fn administrators_change_trust_and_say_what_was_restored() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let roles = Roles::new();
    assert_eq!(PostgresStore::migrate(&roles.options("admin")).unwrap(), 0);
    let store = roles.open("admin");
    let trust = PostgresTrust::of(&store);
    block_on(trust.create(&TrustStore::new(fixtures::at(0).to_timestamp()))).unwrap();
    let changed = block_on(trust.change(fixtures::at(1).to_timestamp(), Box::new(|_| Ok(())))).unwrap();
    assert_eq!(changed.after.document.version, 2);
    block_on(store.restart_replay(ReplayStart::restored(fixtures::at(9)))).unwrap();
    assert!(matches!(
        block_on(store.commit(fixtures::allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));
}

/// Encrypted, by the authority that was named and for the name that was asked for, or not at all.
#[test]
fn a_server_over_the_network_shows_its_certificate() {
    let server = Postgres::start_with_tls();
    server.create_database("gate");
    let address = |host: &str, roots: &str| format!("postgres://postgres@{host}:{}/gate?{roots}", server.port());
    let roots = format!("sslmode=verify-full&sslrootcert={}", server.ca_file().display());
    let open = |url: &str| {
        let options = PostgresOptions::parse(url).unwrap();
        assert!(options.is_encrypted());
        PostgresStore::open_or_create(&options, Some(&fixtures::log()), start())
    };
    let store = open(&address("127.0.0.1", &roots)).unwrap();
    assert!(matches!(
        block_on(store.commit(fixtures::allow(1))).unwrap(),
        CommitOutcome::Committed(_)
    ));
    let encrypted =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'actionpass'";
    assert_eq!(server.sql("gate", encrypted), "t");
    // The listener's connection too.
    let _ = block_on(store.follow(0)).unwrap();
    let listens = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN actionpass'";
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while server.sql("gate", listens) == "0" && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(server.sql("gate", encrypted), "t");

    // Its certificate is for another name, or by an authority that nobody named.
    for url in [
        address("localhost", &roots),
        address("127.0.0.1", "sslmode=verify-full"),
    ] {
        assert_eq!(code(open(&url)), StoreCode::StoreUnavailable, "{url}");
    }
    // One that offers no TLS is not spoken to.
    let other = shared::server();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?{roots}", other.port());
    assert_eq!(code(open(&url)), StoreCode::StoreUnavailable);
}
