//! One server for all tests of a binary, and a database for each of them.
#![allow(dead_code, reason = "each binary uses some of it")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use actionpass_servers::postgres::Postgres;
use actionpass_store::ReplayStart;
use actionpass_store::conformance::fixtures;
use actionpass_store_postgres::{PostgresOptions, PostgresStore};

/// The server of this binary.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(Postgres::start)
}

/// The database that goes with a folder, made when it is asked for first.
pub(crate) fn of(folder: &Path) -> PostgresOptions {
    static MADE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "_");
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.get_or_insert_default().insert(name.clone()) {
        server().create_database(&name);
    }
    options(server(), &name)
}

/// A new database.
pub(crate) fn database(server: &Postgres) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name);
    name
}

/// A store with a log in a new database, and the name of that.
pub(crate) fn create(server: &Postgres) -> (String, PostgresStore) {
    let name = database(server);
    let start = ReplayStart::first(fixtures::at(0));
    let store = PostgresStore::create(&options(server, &name), Some(&fixtures::log()), start).unwrap();
    (name, store)
}

pub(crate) fn options(server: &Postgres, database: &str) -> PostgresOptions {
    PostgresOptions::parse(&server.url(database)).unwrap()
}
