//! Decisions, ledger, replay marks, requests, the trust document and what all front ends go by in PostgreSQL.
//!
//! ```no_run
//! use actionpass_model::{Issuer, Origin, UnixSeconds};
//! use actionpass_store::ReplayStart;
//! use actionpass_store::ledger::Log;
//! use actionpass_store_postgres::{PostgresOptions, PostgresStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = PostgresOptions::parse("postgres://gate@db.example/actionpass")?;
//! let log = Log::new(Origin::parse("issuer.example/log")?, Issuer::parse("https://issuer.example")?);
//! let now = UnixSeconds::new(1_795_000_000).ok_or("time")?;
//! let store = PostgresStore::open_or_create(&options, Some(&log), ReplayStart::first(now))?;
//! assert_eq!(store.log(), Some(&log));
//! # Ok(())
//! # }
//! ```
//!
//! - A database holds one store, in the schema `actionpass`. It implements
//!   [`QueueStore`](actionpass_store::QueueStore), and with it [`DecisionStore`](actionpass_store::DecisionStore),
//!   [`OutcomeStore`](actionpass_store::OutcomeStore), and [`UseStore`](actionpass_store::UseStore), with it
//!   [`ReplayStore`](actionpass_store::ReplayStore); [`PostgresTrust`] is its
//!   [`TrustDocument`](actionpass_store::TrustDocument), [`PostgresDocuments`] keeps whatever else all front ends must have
//!   the same, by name and version, and [`PostgresSessions`] is the [`SessionStore`](actionpass_store::sessions::SessionStore) of their
//!   pages. Any number of processes, on any number of machines, share it.
//! - One process at a time appends to the log: whoever moves the head from where it read it, by a compare-and-set, the
//!   fence. All calls that wait in a process are judged together, by what the same moment says, and written in one
//!   transaction: approvals used, requests, records and the head. Who lost writes nothing, reads anew and tries again, until
//!   [`with_timeout`](PostgresOptions::with_timeout) is over.
//! - Where a connection is lost while a commit is under way, the next one finds out whether it took place before anybody is
//!   answered: by the last record of the batch, or the name that the marks of a batch bear.
//! - Nothing is written unless `synchronous_commit` is `on` or `remote_apply`, `fsync` is on, and this machine's clock is at
//!   most 30 s from the database's.
//! - Whoever opens a store checks in constant time that the rows of the newest records are there;
//!   [`PostgresStore::check_rows`] compares all. A [`HeadWitness`](actionpass_store::HeadWitness) outside of the database notices
//!   one that went back.
//! - [`ROLES_SQL`] makes roles for front ends, services, administrators and auditors.
//! - Connections over the network are encrypted, and the server's certificate is verified with its name.
//! - No runtime is needed: a store has a thread with one of its own, and futures are woken by it.
//! - A store doesn't survive a fork: in the new process every call gives
//!   [`StoreCode::StoreForked`](actionpass_store::StoreCode::StoreForked). Open stores after the fork.

mod archive;
mod contents;
mod documents;
mod error;
mod facts;
mod follow;
mod ledger;
mod marks;
mod migrate;
mod options;
mod queue;
mod reads;
mod requests;
mod rows;
mod salvage;
mod schema;
mod session;
mod sessions;
mod store;
mod tls;
mod trust;
mod writer;
mod writes;

/// The script that makes the roles `actionpass_admin`, `actionpass_front`, `actionpass_service` and `actionpass_auditor`, and grants them what they
/// need: run by a superuser once the tables are there, and again after each migration.
pub const ROLES_SQL: &str = include_str!("../roles.sql");

pub use documents::{KeptDocument, PostgresDocuments};
pub use options::PostgresOptions;
pub use salvage::PostgresSalvage;
pub use sessions::PostgresSessions;
pub use store::{Found, PostgresStore};
pub use trust::PostgresTrust;
