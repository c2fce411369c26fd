//! SQLite against the contracts of its traits: written by its own thread, and by its callers'.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::path::Path;

use actionpass_store::ReplayStart;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::Log;
use actionpass_store_sqlite::SqliteStore;

fn by_thread(path: &Path, log: Option<&Log>, start: ReplayStart) -> SqliteStore {
    SqliteStore::open_or_create(path, log, start).unwrap()
}

fn by_callers(path: &Path, log: Option<&Log>, start: ReplayStart) -> SqliteStore {
    let store = by_thread(path, log, start);
    store.write_here();
    store
}

macro_rules! suites {
    ($open:ident, $name:ident) => {
        mod $name {
            use super::*;

            fn ledger(folder: &Path, log: &Log) -> SqliteStore {
                $open(&folder.join("ledger.db"), Some(log), ReplayStart::first(fixtures::at(0)))
            }

            mod decisions {
                actionpass_store::decision_store_conformance!(durable, open: super::ledger, block_on: super::block_on);
            }

            mod queue {
                actionpass_store::queue_store_conformance!(durable, open: super::ledger, block_on: super::block_on);
            }

            mod outcomes {
                actionpass_store::outcome_store_conformance!(durable, open: super::ledger, block_on: super::block_on);
            }

            mod archives {
                actionpass_store::archive_store_conformance!(durable, open: super::ledger, block_on: super::block_on);
            }

            mod uses {
                actionpass_store::use_store_conformance!(durable, open: super::ledger, block_on: super::block_on);
            }

            mod replay {
                use super::*;

                actionpass_store::replay_store_conformance!(durable,
                    open: |folder: &Path, start: ReplayStart| $open(&folder.join("replay.db"), None, start),
                    block_on: block_on);
            }
        }
    };
}

suites!(by_thread, thread);
suites!(by_callers, callers);
