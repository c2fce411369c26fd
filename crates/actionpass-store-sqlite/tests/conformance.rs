//! SQLite against the contracts of its traits.

use actionpass_store::ReplayStart;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::Log;
use actionpass_store_sqlite::SqliteStore;

mod decisions {
    use std::path::Path;

    use super::*;

    actionpass_store::decision_store_conformance!(durable,
        open: |folder: &Path, log: &Log| {
            SqliteStore::open_or_create(&folder.join("ledger.db"), Some(log), ReplayStart::first(fixtures::at(0))).unwrap()
        },
        block_on: block_on);
}

mod queue {
    use std::path::Path;

    use super::*;

    actionpass_store::queue_store_conformance!(durable,
        open: |folder: &Path, log: &Log| {
            SqliteStore::open_or_create(&folder.join("ledger.db"), Some(log), ReplayStart::first(fixtures::at(0))).unwrap()
        },
        block_on: block_on);
}

mod outcomes {
    use std::path::Path;

    use super::*;

    actionpass_store::outcome_store_conformance!(durable,
        open: |folder: &Path, log: &Log| {
            SqliteStore::open_or_create(&folder.join("ledger.db"), Some(log), ReplayStart::first(fixtures::at(0))).unwrap()
        },
        block_on: block_on);
}

mod uses {
    use std::path::Path;

    use super::*;

    actionpass_store::use_store_conformance!(durable,
        open: |folder: &Path, log: &Log| {
            SqliteStore::open_or_create(&folder.join("ledger.db"), Some(log), ReplayStart::first(fixtures::at(0))).unwrap()
        },
        block_on: block_on);
}

mod replay {
    use std::path::Path;

    use super::*;

    actionpass_store::replay_store_conformance!(durable,
        open: |folder: &Path, start: ReplayStart| {
            SqliteStore::open_or_create(&folder.join("replay.db"), None, start).unwrap()
        },
        block_on: block_on);
}
