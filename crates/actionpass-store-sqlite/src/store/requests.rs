//! [`QueueStore`] of [`SqliteStore`].

use actionpass_model::{ApprovalRequest, RequestId, Statement, Timestamp};
use actionpass_store::backend::{Lift, QueueCall};
use actionpass_store::ledger::{RecordDraft, SealedRecord};
use actionpass_store::{Change, ChangeOutcome, QueueStore, RequestFilter, StoreFuture, StoredRequest};

use super::SqliteStore;
use crate::committer::Write;
use crate::requests::{self, Listing};

impl QueueStore for SqliteStore {
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        let id = id.clone();
        self.ask(move |connection| {
            let moment = connection.unchecked_transaction()?;
            let kept = requests::by_id(&moment, &id)?;
            kept.map(|kept| requests::with_side(&moment, kept)).transpose()
        })
    }

    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        let id = id.clone();
        self.ask(move |connection| requests::version(connection, &id))
    }

    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        let id = id.clone();
        self.ask(move |connection| requests::client(connection, &id))
    }

    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        Box::pin(async move {
            let listing = Listing::new(filter.clone(), now);
            let mut listing = listing.map_err(|failure| failure.to_error())?;
            while !listing.is_done {
                listing = self.ask(move |connection| listing.turn(connection)).await?;
            }
            Ok(listing.found)
        })
    }

    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
        Box::pin(async move {
            let call = QueueCall::change(self.needed_log()?, change);
            self.written(|reply| Write::Change(Box::new(call), reply)).await
        })
    }

    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(async move {
            let call = QueueCall::lift(self.needed_log()?, Lift { request, record });
            self.written(|reply| Write::Lift(Box::new(call), reply)).await
        })
    }
}
