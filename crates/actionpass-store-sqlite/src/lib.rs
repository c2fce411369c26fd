//! Decisions, ledger and replay marks in one SQLite file.
//!
//! ```
//! use actionpass_model::{Issuer, Origin, UnixSeconds};
//! use actionpass_store::ledger::{ChainVerifier, Log};
//! use actionpass_store::{DecisionStore, ReplayStart};
//! use actionpass_store_sqlite::SqliteStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("ledger.db");
//! let log = Log::new(Origin::parse("issuer.example/log")?, Issuer::parse("https://issuer.example")?);
//! let now = UnixSeconds::new(1_795_000_000).ok_or("time")?;
//! let store = SqliteStore::create(&path, Some(&log), ReplayStart::first(now))?;
//!
//! let mut export = Vec::new();
//! assert_eq!(store.export(&mut export)?, 0);
//! # drop(store);
//! # assert_eq!(SqliteStore::open(&path)?.log(), Some(&log));
//! # Ok(())
//! # }
//! ```
//!
//! - One file implements [`QueueStore`](actionpass_store::QueueStore), and with it
//!   [`DecisionStore`](actionpass_store::DecisionStore), and [`ReplayStore`](actionpass_store::ReplayStore). Several processes may share it, on one machine.
//! - WAL with `synchronous=FULL`. One thread of each handle writes: it takes whatever calls wait into one transaction and
//!   acknowledges all of them after one sync, so many callers cost little more than one. Each call is judged by itself
//!   inside of the transaction; a refused one writes nothing.
//! - Another thread reads, on a connection of its own, and blocks no writer. All look-ups that wait are answered of one
//!   moment.
//! - Whoever opens a file checks in constant time that its tables are those that this crate makes (no trigger, view or
//!   index beside them), and that the rows of the newest records are there; [`SqliteStore::check_rows`] compares all.
//! - A [`Witness`] outside of the database notices one that went back: it is written, durably, between the database and the
//!   answer.
//! - No runtime is needed; futures are woken by those threads.
//! - After a failed write the connection is given up; the next write opens and checks the file anew.
//! - A store doesn't survive a fork: in the new process every call gives
//!   [`StoreCode::StoreForked`](actionpass_store::StoreCode::StoreForked), and so does opening another store there. Open
//!   stores after the fork.
//! - `tracing` events under `actionpass_store_sqlite` say what a store does by itself: that it was opened, that it gave a
//!   connection up and why, that it opened the file anew. None has data of callers.

mod committer;
mod consume;
mod contents;
mod decide;
mod error;
#[cfg(test)]
mod events;
mod file;
mod id;
mod moment;
mod process;
mod queue;
#[cfg(test)]
mod queue_tests;
mod reader;
mod requests;
mod rows;
mod salvage;
mod schema;
mod store;
mod sync;
mod witness;

pub use salvage::SqliteSalvage;
pub use store::SqliteStore;
pub use witness::{Witness, Witnessed};
