//! [`OutcomeStore`] for [`SqliteStore`].

use actionpass_model::PassId;
use actionpass_store::{OutcomeStore, Report, Reported, StoreFuture, UsedPass};
use futures_channel::oneshot::channel;

use super::{SqliteStore, received};
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
            let (reply, answer) = channel();
            self.write(Write::Report(Box::new(call), reply))?;
            received(answer).await
        })
    }
}
