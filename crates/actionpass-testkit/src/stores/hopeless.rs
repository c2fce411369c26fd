//! Stores that do nothing at all: [`RefusingStore`], [`StallingStore`].

use std::future::{pending, ready};

use actionpass_model::{ApprovalRequest, Issuer, PassId, RequestId, RevocationId, Statement, Timestamp, UnixSeconds};
use actionpass_store::ledger::{RecordDraft, SealedRecord};
use actionpass_store::{
    AppendOutcome, Batch, Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore, Known,
    Ledger, LedgerState, LookUp, Mark, QueueStore, ReplayStore, RequestFilter, SideKind, StoreCode, StoreError,
    StoreFuture, StoredRecord, StoredRequest,
};

/// Answers everything with the same error.
#[derive(Clone, Copy, Debug)]
pub struct RefusingStore(pub StoreCode);

/// Never answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct StallingStore;

macro_rules! hopeless {
    ($name:ident, |$self:ident| $answer:expr) => {
        impl DecisionStore for $name {
            fn look_up(&self, _: LookUp) -> StoreFuture<'_, Known> {
                let $self = self;
                $answer
            }

            fn commit(&self, _: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
                let $self = self;
                $answer
            }
        }

        impl Ledger for $name {
            fn append(&self, _: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
                let $self = self;
                $answer
            }

            fn state(&self) -> StoreFuture<'_, LedgerState> {
                let $self = self;
                $answer
            }

            fn read(&self, _: u64, _: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
                let $self = self;
                $answer
            }

            fn follow(&self, _: u64) -> StoreFuture<'_, u64> {
                let $self = self;
                $answer
            }

            fn side(&self, _: u64, _: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
                let $self = self;
                $answer
            }

            fn unrecorded(&self, _: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
                let $self = self;
                $answer
            }

            fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
                let $self = self;
                $answer
            }
        }

        impl QueueStore for $name {
            fn request<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
                let $self = self;
                $answer
            }

            fn request_version<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
                let $self = self;
                $answer
            }

            fn request_client<'a>(&'a self, _: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
                let $self = self;
                $answer
            }

            fn requests<'a>(&'a self, _: &'a RequestFilter, _: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
                let $self = self;
                $answer
            }

            fn change(&self, _: Change) -> StoreFuture<'_, ChangeOutcome> {
                let $self = self;
                $answer
            }

            fn lift(&self, _: RequestId, _: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
                let $self = self;
                $answer
            }
        }

        impl ReplayStore for $name {
            fn consume<'a>(&'a self, _: &'a Mark, _: UnixSeconds) -> StoreFuture<'a, Consumption> {
                let $self = self;
                $answer
            }

            fn is_used<'a>(&'a self, _: &'a Issuer, _: &'a PassId) -> StoreFuture<'a, bool> {
                let $self = self;
                $answer
            }
        }
    };
}
hopeless!(RefusingStore, |this| Box::pin(ready(Err(StoreError::new(this.0)))));
hopeless!(StallingStore, |_this| Box::pin(pending()));
