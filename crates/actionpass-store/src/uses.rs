//! [`UseStore`]: passes used up and recorded in one step.

use actionpass_model::UnixSeconds;

use crate::ledger::{RecordDraft, SealedRecord};
use crate::{Ledger, Mark, ReplayCode, ReplayStore, StoreFuture};

/// A replay store and a ledger in one: what an executor uses whose passes are recorded where they are marked.
///
/// # Contract
/// Those of [`ReplayStore`] and [`Ledger`], and:
/// - **One step.** A mark and its record are written in one transaction: no pass is marked used without its record, and none
///   is recorded as used that wasn't marked.
/// - **Refusals write nothing**, and so do errors that say that the record can't be written.
pub trait UseStore: ReplayStore + Ledger {
    /// Marks a pass used, if this is its one use, as [`ReplayStore::consume`] does, and appends the record that says so.
    fn use_up(&self, mark: Mark, now: UnixSeconds, record: RecordDraft) -> StoreFuture<'_, UsedUp>;
}

/// What became of a pass and the record of its use. Exhaustive on purpose: whoever executes must know each of them.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum UsedUp {
    /// This is its one use; mark and record are durable.
    Recorded(SealedRecord),
    /// It must not be executed.
    Refused(ReplayCode),
}
