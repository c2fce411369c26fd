//! A database that went back is noticed by its witness, and one that a crash left behind or ahead is not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_model::Decision;
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, ReplayStart, StoreCode};
use actionpass_store_sqlite::{SqliteStore, Witness};

struct Place {
    folder: TempFolder,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: TempFolder::new(),
        };
        let start = ReplayStart::first(fixtures::at(0));
        drop(SqliteStore::create(&place.database(), Some(&fixtures::log()), start).unwrap());
        place
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    fn witness(&self) -> Witness {
        Witness::at(self.folder.path().join("elsewhere"))
    }

    fn open(&self) -> Result<SqliteStore, StoreCode> {
        SqliteStore::open_witnessed(&self.database(), self.witness()).map_err(|error| error.code())
    }

    fn append(&self, number: u64) {
        let _ = block_on(self.open().unwrap().append_one(fixtures::used(number))).unwrap();
    }

    /// The database as it is now, in one file: two connections that close at once may leave a write-ahead log.
    fn copy(&self, name: &str) -> PathBuf {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        let checkpoint = connection.pragma(None, "wal_checkpoint", "truncate", |_| Ok(()));
        checkpoint.unwrap();
        drop(connection);
        let copy = self.folder.path().join(name);
        fs::copy(self.database(), &copy).unwrap();
        copy
    }

    fn put_back(&self, copy: &Path) {
        for name in ["ledger.db-wal", "ledger.db-shm"] {
            // Not that of the copy, if there is one.
            let _ = fs::remove_file(self.folder.path().join(name));
        }
        fs::copy(copy, self.database()).unwrap();
    }
}

/// The log is whole, and what the store remembers of it was changed: revocations of since would be accepted again.
#[test]
fn the_newest_trust_store_is_the_witness_s_to_say() {
    let place = Place::new();
    let changed = fixtures::trusted(1, fixtures::trust(7));
    let _ = block_on(place.open().unwrap().append_one(changed)).unwrap();
    let set = |version: i64| {
        let connection = rusqlite::Connection::open(place.database()).unwrap();
        let changed = connection.execute("UPDATE ledger SET trust_version = ?1", [version]);
        assert_eq!(changed.unwrap(), 1);
    };
    // A store that forgot it is no earlier state: whoever reads the trust store holds it against the witness, which may know
    // of one that was written without a log, and keeps what it knows.
    set(6);
    let store = place.open().unwrap();
    let _ = block_on(store.append_one(fixtures::used(2))).unwrap();
    drop(store);
    assert_eq!(place.witness().read().unwrap().unwrap().trust_version, 7);
    assert!(place.witness().advance_trust(9).unwrap());
    assert!(place.witness().advance_trust(8).unwrap());
    let store = place.open().unwrap();
    let _ = block_on(store.append_one(fixtures::used(3))).unwrap();
    drop(store);
    let said = place.witness().read().unwrap().unwrap();
    assert_eq!((said.size, said.trust_version), (3, 9));
}

#[test]
fn g12_a_database_that_was_put_back_is_refused() {
    let place = Place::new();
    assert!(place.open().is_ok(), "a new store has no witness");
    place.append(1);
    let first = place.copy("first");
    place.append(2);
    let second = place.copy("second");
    assert!(place.open().is_ok());

    place.put_back(&first);
    assert_eq!(place.open().unwrap_err(), StoreCode::StoreRolledBack);
    // It stays so, whatever is done with the file by those who ask no witness.
    let unasked = SqliteStore::open(&place.database()).unwrap();
    let _ = block_on(unasked.append_one(fixtures::used(3))).unwrap();
    drop(unasked);
    assert_eq!(
        place.open().unwrap_err(),
        StoreCode::StoreRolledBack,
        "another record in its place"
    );
    place.put_back(&second);
    assert!(place.open().is_ok());

    // A witness that lags behind, as a crash before it was written leaves it, is fine.
    let before = fs::read(place.witness().path()).unwrap();
    place.append(3);
    fs::write(place.witness().path(), before).unwrap();
    assert!(place.open().is_ok());
}

#[test]
fn the_trust_store_that_the_log_knew_is_witnessed() {
    let place = Place::new();
    let store = place.open().unwrap();
    let _ = block_on(store.append_one(fixtures::trusted(1, fixtures::trust(7)))).unwrap();
    assert_eq!(place.witness().read().unwrap().unwrap().trust_version, 7);
    // By a decision too, and never less.
    let decided = fixtures::decision_by(2, Decision::Allow, vec![], fixtures::trust(9), 1);
    let _ = block_on(store.commit(decided)).unwrap();
    assert_eq!(place.witness().read().unwrap().unwrap().trust_version, 9);
}

#[test]
fn the_witness_of_another_log_is_no_witness() {
    let (place, other) = (Place::new(), TempFolder::new());
    let path = other.path().join("ledger.db");
    let log = actionpass_store::ledger::Log::new(
        "other.example".parse().unwrap(),
        "https://other.example".parse().unwrap(),
    );
    drop(SqliteStore::create(&path, Some(&log), ReplayStart::first(fixtures::at(0))).unwrap());
    place.append(1);
    let refused = SqliteStore::open_witnessed(&path, place.witness());
    assert_eq!(refused.unwrap_err().code(), StoreCode::StoreLogMismatch);
    fs::write(place.witness().path(), "spoilt").unwrap();
    assert_eq!(place.open().unwrap_err(), StoreCode::StoreCorrupt);
}

/// G15: what can't be witnessed is not acknowledged.
#[test]
fn g15_a_witness_that_cannot_be_written_acknowledges_nothing() {
    let place = Place::new();
    let nowhere = Witness::at(place.folder.path().join("missing/folder/witness"));
    let store = SqliteStore::open_witnessed(&place.database(), nowhere).unwrap();
    assert!(block_on(store.append_one(fixtures::used(1))).is_err());
}

#[test]
fn what_is_said_of_a_restored_store_is_kept() {
    let place = Place::new();
    let store = place.open().unwrap();
    assert_eq!(block_on(store.state()).unwrap().restored, None);
    let start = ReplayStart::restored(fixtures::at(100));
    block_on(store.restart_replay(start)).unwrap();
    block_on(store.restart_replay(ReplayStart::restored(fixtures::at(50)))).unwrap();
    drop(store);
    assert_eq!(
        block_on(place.open().unwrap().state()).unwrap().restored,
        Some(start.at())
    );
}
