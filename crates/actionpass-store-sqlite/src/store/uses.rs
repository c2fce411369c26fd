//! [`UseStore`] for [`SqliteStore`].

use actionpass_model::UnixSeconds;
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{Batch, Mark, StoreFuture, UseStore, UsedUp};

use super::SqliteStore;
use crate::committer::{UseCall, Write};
use crate::decide::Append;

impl UseStore for SqliteStore {
    fn use_up(&self, mark: Mark, now: UnixSeconds, record: RecordDraft) -> StoreFuture<'_, UsedUp> {
        Box::pin(async move {
            let append = Append::prepare(self.needed_log()?, Batch::of(record));
            let record = append.map_err(|failure| failure.to_error())?;
            self.written(|reply| Write::UseUp(Box::new(UseCall { mark, now, record }), reply))
                .await
        })
    }
}
