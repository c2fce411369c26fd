//! [`LosingStore`]: acknowledges everything and keeps nothing.

use std::future::{pending, ready};

use actionpass_model::{ApprovalRequest, Issuer, PassId, RequestId, RevocationId, Statement, Timestamp, UnixSeconds};
use actionpass_queue::RequestCode;
use actionpass_store::ledger::{Head, Log, RecordDraft, SealedRecord, seal};
use actionpass_store::{
    AppendOutcome, Batch, Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore, Known,
    Ledger, LedgerState, LookUp, Mark, QueueStore, ReplayStore, RequestFilter, SideKind, Standing, StoreFuture,
    StoredRecord, StoredRequest,
};

/// Acknowledges everything and keeps nothing. Nobody can tell it from a store by its answers, so a test that passes
/// with it doesn't look at what was kept. It has no request, so a change of one is refused as
/// [`RequestCode::RequestUnknown`](actionpass_queue::RequestCode::RequestUnknown).
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
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        let mut known = Known::new(LedgerState::default());
        known.standing = question.request.map(|_| Standing::default());
        Box::pin(ready(Ok(known)))
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

impl QueueStore for LosingStore {
    fn request<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        Box::pin(ready(Ok(None)))
    }

    fn request_version<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        Box::pin(ready(Ok(None)))
    }

    fn request_client<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        Box::pin(ready(Ok(None)))
    }

    fn requests<'a>(&'a self, _: &'a RequestFilter, _: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn change(&self, _: Change) -> StoreFuture<'_, ChangeOutcome> {
        Box::pin(ready(Ok(ChangeOutcome::Refused(RequestCode::RequestUnknown))))
    }

    fn lift(&self, _: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(ready(seal(&self.0, &Head::EMPTY, &record).map(Some)))
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
