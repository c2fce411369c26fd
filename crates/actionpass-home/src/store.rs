//! [`HomeStore`]: what keeps the decisions of a home, its own file or a PostgreSQL database.

use std::fmt::Debug;

use actionpass_model::ArchivedRows;
use actionpass_store::ledger::Log;
use actionpass_store::{ArchiveStore, OutcomeStore, QueueStore, ReplayStart, StoreError, StoreFuture, UseStore};
use actionpass_store_sqlite::SqliteStore;

/// The store of a home: decisions, requests, ledger and used passes, and what whoever looks after them needs besides.
pub trait HomeStore: ArchiveStore + OutcomeStore + QueueStore + UseStore + Debug {
    /// Whose log it holds; `None` in an executor's.
    fn log(&self) -> Option<&Log>;

    /// Compares what is kept for look-ups with the log. Blocks this thread.
    ///
    /// # Errors
    /// [`StoreCode::StoreRowsMissing`](actionpass_store::StoreCode::StoreRowsMissing), naming the first record whose rows differ.
    fn check_rows(&self) -> Result<(), StoreError>;

    /// What the records in front of this number left in what is kept for look-ups, which is compared with them on the way. Blocks
    /// this thread.
    ///
    /// # Errors
    /// Those of [`check_rows`](Self::check_rows).
    fn rows_before(&self, until: u64) -> Result<ArchivedRows, StoreError>;

    /// That what is written now would survive the loss of power.
    ///
    /// # Errors
    /// [`StoreCode::StoreNotDurable`](actionpass_store::StoreCode::StoreNotDurable); [`StoreCode::StoreClockOff`](actionpass_store::StoreCode::StoreClockOff)
    /// if this machine's clock is too far from a database's.
    fn check_durable(&self) -> StoreFuture<'_, ()>;

    /// Those records, at most `limit` and from `seq` on, that have side data.
    fn sided(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<u64>>;

    /// Frees what erased side data left behind, as far as the store can reach it.
    fn purge(&self) -> StoreFuture<'_, ()>;

    /// Says that it was restored from an earlier state.
    fn restart_replay(&self, start: ReplayStart) -> StoreFuture<'_, ()>;

    /// Says that there is one caller, whose thread may wait for a commit
    /// ([`SqliteStore::write_here`]). A store that can't use that goes on as before.
    fn write_here(&self) {}
}

impl HomeStore for SqliteStore {
    fn log(&self) -> Option<&Log> {
        Self::log(self)
    }

    fn write_here(&self) {
        Self::write_here(self);
    }

    fn check_rows(&self) -> Result<(), StoreError> {
        Self::check_rows(self)
    }

    fn rows_before(&self, until: u64) -> Result<ArchivedRows, StoreError> {
        Self::rows_before(self, until)
    }

    /// Each connection asks for it itself when it is opened.
    fn check_durable(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn sided(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<u64>> {
        Self::sided(self, seq, limit)
    }

    fn purge(&self) -> StoreFuture<'_, ()> {
        Self::purge(self)
    }

    fn restart_replay(&self, start: ReplayStart) -> StoreFuture<'_, ()> {
        Self::restart_replay(self, start)
    }
}

#[cfg(feature = "postgres")]
impl HomeStore for actionpass_store_postgres::PostgresStore {
    fn log(&self) -> Option<&Log> {
        Self::log(self)
    }

    fn check_rows(&self) -> Result<(), StoreError> {
        pollster::block_on(Self::check_rows(self))
    }

    fn rows_before(&self, until: u64) -> Result<ArchivedRows, StoreError> {
        pollster::block_on(Self::rows_before(self, until))
    }

    fn check_durable(&self) -> StoreFuture<'_, ()> {
        Self::check_durable(self)
    }

    fn sided(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<u64>> {
        Self::sided(self, seq, limit)
    }

    fn purge(&self) -> StoreFuture<'_, ()> {
        Self::purge(self)
    }

    fn restart_replay(&self, start: ReplayStart) -> StoreFuture<'_, ()> {
        Self::restart_replay(self, start)
    }
}
