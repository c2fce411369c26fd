//! [`OutcomeStore`] for [`SqliteStore`].

use actionpass_model::PassId;
use actionpass_store::{OutcomeStore, Report, Reported, StoreFuture, UsedPass};

use super::SqliteStore;
use crate::committer::Write;
use crate::decide::{self, ReportCall};

impl OutcomeStore for SqliteStore {
    fn used<'a>(&'a self, pass: &'a PassId) -> StoreFuture<'a, Option<UsedPass>> {
        let pass = pass.clone();
        self.ask(move |connection| decide::used(connection, &pass))
    }

    fn report(&self, report: Report) -> StoreFuture<'_, Reported> {
        Box::pin(async move {
            let call = ReportCall::prepare(self.needed_log()?, report);
            self.written(|reply| Write::Report(Box::new(call), reply)).await
        })
    }
}
