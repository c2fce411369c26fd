//! Documents of all front ends: replaced by a compare-and-set, read by whom they are for, and there after a migration.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::sync::atomic::{AtomicBool, Ordering};

use actionpass_servers::postgres::Postgres;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::{CommitOutcome, DecisionStore, Ledger, StoreCode, StoreError};
use actionpass_store_postgres::{PostgresDocuments, PostgresOptions, PostgresStore, ROLES_SQL};
use shared::{create, options, server};

fn code<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreCode {
    answer.unwrap_err().code()
}

/// What a document says, and its version.
fn said(documents: &PostgresDocuments, name: &str) -> Option<(u64, String)> {
    let kept = block_on(documents.read(name)).unwrap()?;
    Some((kept.version, String::from_utf8(kept.bytes.to_vec()).unwrap()))
}

fn replace(documents: &PostgresDocuments, name: &str, version: Option<u64>, text: &str) -> Option<u64> {
    block_on(documents.replace(name, version, text.as_bytes().to_vec())).unwrap()
}

#[test]
fn a_document_is_replaced_from_the_version_that_was_read() {
    let (name, store) = create(server());
    let documents = PostgresDocuments::of(&store);
    assert_eq!(said(&documents, "a"), None);
    assert_eq!(replace(&documents, "a", Some(1), "one"), None);
    assert_eq!(replace(&documents, "a", None, "one"), Some(1));
    assert_eq!(replace(&documents, "a", None, "other"), None);
    assert_eq!(replace(&documents, "a", Some(1), "two"), Some(2));
    assert_eq!(replace(&documents, "a", Some(1), "other"), None);
    assert_eq!(replace(&documents, "b", None, ""), Some(1));
    let other = PostgresDocuments::of(&PostgresStore::open(&options(server(), &name)).unwrap());
    for documents in [&documents, &other] {
        // Twice: the second time it is the one that was read before.
        for _ in 0..2 {
            assert_eq!(said(documents, "a"), Some((2, "two".to_owned())));
            assert_eq!(said(documents, "b"), Some((1, String::new())));
        }
    }
    let listed = block_on(documents.list()).unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|(name, version, _)| (name.as_str(), *version))
        .collect();
    assert_eq!(listed, [("a", 2), ("b", 1)]);
    assert_eq!(replace(&other, "a", Some(2), "three"), Some(3));
    assert_eq!(said(&documents, "a"), Some((3, "three".to_owned())));
}

#[test]
fn of_changes_at_once_none_is_lost() {
    const CHANGES: usize = 25;
    let (name, _store) = create(server());
    let stores: Vec<_> = (0..4)
        .map(|_| PostgresStore::open(&options(server(), &name)).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(move || {
                let documents = PostgresDocuments::of(store);
                for _ in 0..CHANGES {
                    loop {
                        let known = said(&documents, "count");
                        let count: usize = known.as_ref().map_or(0, |(_, text)| text.parse().unwrap());
                        let version = known.map(|(version, _)| version);
                        if replace(&documents, "count", version, &(count + 1).to_string()).is_some() {
                            break;
                        }
                    }
                }
            });
        }
    });
    let all = 4 * CHANGES;
    let documents = PostgresDocuments::of(stores.first().unwrap());
    assert_eq!(said(&documents, "count"), Some((all as u64, all.to_string())));
}

#[test]
fn what_went_back_or_was_edited_is_refused() {
    let (name, store) = create(server());
    let documents = PostgresDocuments::of(&store);
    for (version, text) in [(None, "one"), (Some(1), "two")] {
        replace(&documents, "a", version, text).unwrap();
    }
    let fresh = || PostgresDocuments::of(&store);
    let sql = |script: &str| server().sql(&name, script);
    // Without its digest nobody knows what it said.
    sql("UPDATE actionpass.document SET bytes = 'six'");
    assert_eq!(code(block_on(fresh().read("a"))), StoreCode::StoreCorrupt);
    // Another text of the version that was seen, an earlier version, and none.
    for script in [
        "UPDATE actionpass.document SET bytes = 'six', digest = sha256('six')",
        "UPDATE actionpass.document SET version = 1, bytes = 'one', digest = sha256('one')",
        "DELETE FROM actionpass.document",
    ] {
        sql(script);
        assert_eq!(
            code(block_on(documents.read("a"))),
            StoreCode::StoreRolledBack,
            "{script}"
        );
    }
    assert_eq!(said(&fresh(), "a"), None);
    sql("ALTER TABLE actionpass.document DROP COLUMN digest");
    assert_eq!(code(block_on(fresh().read("a"))), StoreCode::StoreSchemaChanged);
}

#[test]
fn g10_nothing_is_replaced_where_commits_would_not_last() {
    let (name, store) = create(server());
    let documents = PostgresDocuments::of(&store);
    replace(&documents, "a", None, "one").unwrap();
    server().sql(&name, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let store = PostgresStore::open(&options(server(), &name)).unwrap();
    let documents = PostgresDocuments::of(&store);
    let refused = block_on(documents.replace("a", Some(1), b"two".to_vec()));
    assert_eq!(code(refused), StoreCode::StoreNotDurable);
    assert_eq!(said(&documents, "a"), Some((1, "one".to_owned())));
}

#[test]
fn roles_read_and_change_what_is_theirs() {
    let server = Postgres::start();
    let (name, store) = create(&server);
    server.sql(&name, ROLES_SQL);
    server.sql(&name, ROLES_SQL);
    for role in ["admin", "front", "auditor"] {
        server.sql(
            &name,
            &format!("CREATE ROLE u_{role} LOGIN; GRANT actionpass_{role} TO u_{role}"),
        );
    }
    let open = |role: &str| {
        let options = PostgresOptions::parse(&server.url_as(&format!("u_{role}"), &name)).unwrap();
        PostgresDocuments::of(&PostgresStore::open(&options).unwrap())
    };
    drop(store);
    let admin = open("admin");
    for document in ["policy", "clients.toml"] {
        assert_eq!(replace(&admin, document, None, "one"), Some(1));
        assert_eq!(replace(&admin, document, Some(1), "two"), Some(2));
    }
    let front = open("front");
    for document in ["pins.json", "approvers.json"] {
        assert_eq!(replace(&front, document, None, "one"), Some(1));
        assert_eq!(replace(&front, document, Some(1), "two"), Some(2));
    }
    for document in ["policy", "clients.toml"] {
        assert_eq!(said(&front, document), Some((2, "two".to_owned())));
        let refused = block_on(front.replace(document, Some(2), b"three".to_vec()));
        assert_eq!(code(refused), StoreCode::StoreReadOnly, "{document}");
    }
    let refused = block_on(front.replace("other", None, b"one".to_vec()));
    assert_eq!(code(refused), StoreCode::StoreReadOnly);
    for script in [
        "UPDATE actionpass.document SET name = 'pins.json' WHERE name = 'policy'",
        "DELETE FROM actionpass.document WHERE name = 'pins.json'",
        "TRUNCATE actionpass.document",
    ] {
        let done = server.try_sql(&name, &format!("SET ROLE actionpass_front; {script}"));
        assert!(
            done.clone().is_err_and(|said| said.contains("permission denied")),
            "{script}: {done:?}"
        );
    }
    let auditor = open("auditor");
    assert_eq!(said(&auditor, "policy"), Some((2, "two".to_owned())));
    for secret in ["clients.toml", "approvers.json", "pins.json"] {
        assert_eq!(said(&auditor, secret), None);
    }
    let refused = block_on(auditor.replace("policy", Some(2), b"three".to_vec()));
    assert_eq!(code(refused), StoreCode::StoreReadOnly);
    assert_eq!(said(&admin, "policy"), Some((2, "two".to_owned())));
}

/// A front end goes on while tables are made that it doesn't ask for: it looks at their version when it opens.
#[test]
fn a_migration_holds_nobody_up_who_decides() {
    let (name, store) = create(server());
    server().sql(
        &name,
        "DROP TABLE actionpass.page_secret, actionpass.page_sign_in, actionpass.page_session, actionpass.page_ballot;
         UPDATE actionpass.version SET version = 3",
    );
    let found = PostgresStore::find(&options(server(), &name)).unwrap();
    assert_eq!((found.applied, found.pending, found.has_store), (3, 1, true));
    assert_eq!(
        code(PostgresStore::open(&options(server(), &name))),
        StoreCode::StoreOutdated
    );
    let (is_over, committed) = (AtomicBool::new(false), |number| {
        let outcome = block_on(store.commit(fixtures::allow(number))).unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
    });
    let count = std::thread::scope(|scope| {
        let deciding = scope.spawn(|| {
            let mut number = 0;
            // At least one behind the migration.
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                committed(number);
            }
            committed(number + 1);
            number + 1
        });
        assert_eq!(
            PostgresStore::migrate(&options(server(), &name)).unwrap(),
            found.pending
        );
        is_over.store(true, Ordering::Relaxed);
        deciding.join().unwrap()
    });
    assert_eq!(block_on(store.state()).unwrap().head.size(), count);
    let opened = PostgresStore::open(&options(server(), &name)).unwrap();
    assert_eq!(replace(&PostgresDocuments::of(&opened), "a", None, "one"), Some(1));
    assert_eq!(PostgresStore::migrate(&options(server(), &name)).unwrap(), 0);
}
