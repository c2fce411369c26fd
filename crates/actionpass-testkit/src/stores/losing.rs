//! [`LosingStore`]: acknowledges everything and keeps nothing.

use std::future::{pending, ready};

use actionpass_model::{Issuer, PassId, RevocationId, UnixSeconds};
use actionpass_store::ledger::{Head, Log, seal};
use actionpass_store::{
    AppendOutcome, Batch, CommitOutcome, Consumption, DecisionCommit, DecisionStore, Known, Ledger, LedgerState,
    LookUp, Mark, ReplayStore, SideKind, StoreFuture, StoredRecord,
};

/// Acknowledges everything and keeps nothing. Nobody can tell it from a store by its answers, so a test that passes
/// with it doesn't look at what was kept.
#[derive(Debug)]
pub struct LosingStore(Log);

impl LosingStore {
    /// Loses the records of this log.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self(log)
    }
}

impl DecisionStore for LosingStore {
    fn look_up(&self, _: LookUp) -> StoreFuture<'_, Known> {
        Box::pin(ready(Ok(Known::new(LedgerState::default()))))
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(ready(
            seal(&self.0, &Head::EMPTY, &commit.record).map(CommitOutcome::Committed),
        ))
    }
}

impl Ledger for LosingStore {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        let appended = |draft| seal(&self.0, &Head::EMPTY, draft).map(AppendOutcome::Appended);
        Box::pin(ready(batch.drafts().iter().map(appended).collect()))
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        Box::pin(ready(Ok(LedgerState::default())))
    }

    fn read(&self, _: u64, _: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn follow(&self, _: u64) -> StoreFuture<'_, u64> {
        Box::pin(pending())
    }

    fn side(&self, _: u64, _: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(ready(Ok(None)))
    }

    fn unrecorded(&self, _: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        Box::pin(ready(Ok(Vec::new())))
    }
}

impl ReplayStore for LosingStore {
    fn consume<'a>(&'a self, _: &'a Mark, _: UnixSeconds) -> StoreFuture<'a, Consumption> {
        Box::pin(ready(Ok(Consumption::Consumed)))
    }

    fn is_used<'a>(&'a self, _: &'a Issuer, _: &'a PassId) -> StoreFuture<'a, bool> {
        Box::pin(ready(Ok(false)))
    }
}
