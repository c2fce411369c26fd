//! [`Engine`]: a store and, beside it, the bare tables of the same database.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actionpass_servers::postgres::Postgres;
use actionpass_store::ledger::Log;
use actionpass_store::{DecisionStore, QueueStore, ReplayStart, UseStore};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};
use actionpass_store_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

use super::bulk::{Bulk, InPostgres, InSqlite};
use crate::fixture::{Fixture, block_on};

/// All that a store of an issuer does.
pub(crate) trait Store: QueueStore + UseStore {}

impl<S: QueueStore + UseStore> Store for S {}

/// One database, with a store in it and the bare tables.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bare: Mutex<Box<dyn Bulk>>,
    place: Place,
    database: String,
}

/// Where stores are made.
#[derive(Clone)]
enum Place {
    Folder(Arc<TempDir>),
    Server(Arc<Postgres>),
}

/// What a store takes on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    pub(crate) all: u64,
    /// Of that, what lies beside records and can be erased.
    pub(crate) beside: u64,
}

/// A store that nothing else is in.
pub(crate) struct Fresh {
    pub(crate) store: Arc<dyn Store>,
    kind: Kind,
}

enum Kind {
    Sqlite(Arc<SqliteStore>, PathBuf),
    Postgres(Arc<PostgresStore>, Arc<Postgres>, String),
}

/// On the disk that the project is built on: the folder for temporary files may be memory, where nothing is durable.
pub(crate) fn sqlite(fixture: &Fixture) -> Engine {
    let folder = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let place = Place::Folder(Arc::new(folder));
    let store = place
        .make(&fixture.config.log().unwrap(), ReplayStart::first(fixture.at()))
        .store;
    let bare = match place
        .make(&fixture.config.log().unwrap(), ReplayStart::first(fixture.at()))
        .kind
    {
        Kind::Sqlite(store, path) => {
            drop(store);
            InSqlite::open(&path)
        }
        Kind::Postgres(..) => unreachable!(),
    };
    Engine {
        name: "SQLite",
        store,
        bare: Mutex::new(Box::new(bare)),
        place,
        database: String::new(),
    }
}

/// A server of its own, with its data in the folder for temporary files, where its user may go.
pub(crate) fn postgres(fixture: &Fixture) -> Engine {
    let place = Place::Server(Arc::new(Postgres::start()));
    let made = place.make(&fixture.config.log().unwrap(), ReplayStart::first(fixture.at()));
    let Kind::Postgres(_, _, database) = made.kind else {
        unreachable!()
    };
    let bare = match place
        .make(&fixture.config.log().unwrap(), ReplayStart::first(fixture.at()))
        .kind
    {
        Kind::Postgres(_, server, name) => InPostgres::connect(&server.url(&name)),
        Kind::Sqlite(..) => unreachable!(),
    };
    Engine {
        name: "PostgreSQL",
        store: made.store,
        bare: Mutex::new(Box::new(bare)),
        place,
        database,
    }
}

impl Engine {
    pub(crate) fn decisions(&self) -> Arc<dyn DecisionStore> {
        Arc::clone(&self.store) as _
    }

    /// How often the store has committed, if the database counts that.
    pub(crate) fn transactions(&self) -> Option<u64> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Server(server) => {
                let revision = server.sql(&self.database, "SELECT revision FROM actionpass.ledger");
                Some(revision.parse().unwrap())
            }
        }
    }

    /// A store of the issuer, with nothing in it.
    pub(crate) fn fresh(&self, fixture: &Fixture) -> Fresh {
        self.place
            .make(&fixture.config.log().unwrap(), ReplayStart::first(fixture.at()))
    }

    /// A store of another log.
    pub(crate) fn with_log(&self, log: &Log, start: ReplayStart) -> Fresh {
        self.place.make(log, start)
    }
}

impl Place {
    fn make(&self, log: &Log, start: ReplayStart) -> Fresh {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("scale_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::Folder(folder) => {
                let path = folder.path().join(name);
                let store = Arc::new(SqliteStore::create(&path, Some(log), start).unwrap());
                Fresh {
                    store: Arc::clone(&store) as _,
                    kind: Kind::Sqlite(store, path),
                }
            }
            Self::Server(server) => {
                server.create_database(&name);
                let options = PostgresOptions::parse(&server.url(&name)).unwrap();
                let store = Arc::new(PostgresStore::create(&options, Some(log), start).unwrap());
                Fresh {
                    store: Arc::clone(&store) as _,
                    kind: Kind::Postgres(store, Arc::clone(server), name),
                }
            }
        }
    }
}

impl Fresh {
    pub(crate) fn decisions(&self) -> Arc<dyn DecisionStore> {
        Arc::clone(&self.store) as _
    }

    /// The whole log, as JSON lines.
    pub(crate) fn export(&self) -> Vec<u8> {
        let mut export = Vec::new();
        match &self.kind {
            Kind::Sqlite(store, _) => store.export(&mut export),
            Kind::Postgres(store, ..) => store.export(&mut export),
        }
        .unwrap();
        export
    }

    /// What it takes now, with nothing left in a write-ahead log.
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.kind {
            Kind::Sqlite(store, path) => {
                block_on(store.purge()).unwrap();
                // What the file is without it: a copy that is packed with and without.
                let size = |script: &str| {
                    let copy = path.with_extension("copy");
                    std::fs::copy(path, &copy).unwrap();
                    Connection::open(&copy).unwrap().execute_batch(script).unwrap();
                    let size = std::fs::metadata(&copy).unwrap().len();
                    std::fs::remove_file(copy).unwrap();
                    size
                };
                let without = size("PRAGMA journal_mode = delete; DELETE FROM side; VACUUM");
                let packed = size("PRAGMA journal_mode = delete; VACUUM");
                Bytes {
                    all: std::fs::metadata(path).unwrap().len(),
                    beside: packed - without,
                }
            }
            Kind::Postgres(_, server, name) => {
                // Until then the server doesn't know of the room that decisions leave at the end of pages, and that uses fit into.
                server.sql(name, "VACUUM");
                let size = |table: &str| {
                    let sql = format!(
                        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
                         WHERE relnamespace = 'actionpass'::regnamespace AND relkind = 'r' AND relname LIKE '{table}'"
                    );
                    server.sql(name, &sql).parse().unwrap()
                };
                Bytes {
                    all: size("%"),
                    beside: size("side"),
                }
            }
        }
    }
}
