//! [`ArchiveStore`] for [`SqliteStore`].

use actionpass_model::Timestamp;
use actionpass_store::ledger::SealedRecord;
use actionpass_store::{Archive, ArchiveOutcome, ArchiveStore, Beginning, Needed, Resign, StoreFuture};

use super::SqliteStore;
use crate::committer::Write;
use crate::decide::{self, ArchiveCall, ResignCall};

impl ArchiveStore for SqliteStore {
    fn beginning(&self) -> StoreFuture<'_, Option<Beginning>> {
        self.ask(decide::beginning)
    }

    fn needed(&self, until: u64, now: Timestamp) -> StoreFuture<'_, Option<Needed>> {
        self.ask(move |connection| decide::needed(connection, until, now))
    }

    fn archive(&self, call: Archive) -> StoreFuture<'_, ArchiveOutcome> {
        Box::pin(async move {
            let call = ArchiveCall::prepare(self.needed_log()?, call);
            self.written(|reply| Write::Archive(Box::new(call), reply)).await
        })
    }

    fn resign(&self, call: Resign) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(async move {
            let call = ResignCall::prepare(self.needed_log()?, call);
            self.written(|reply| Write::Resign(Box::new(call), reply)).await
        })
    }

    fn sweep(&self, limit: usize) -> StoreFuture<'_, bool> {
        Box::pin(async move { self.written(|reply| Write::Sweep(limit, reply)).await })
    }
}
