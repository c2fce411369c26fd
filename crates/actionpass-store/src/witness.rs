//! [`HeadWitness`]: what notices that a database went back.

use std::fmt::Debug;

use crate::ledger::{KnownHead, Log};
use crate::{LedgerState, StoreError};

/// Something outside of a database that is told how far its log has come, durably, before whoever waits for a record hears of
/// it. A database that doesn't hold what it saw is an earlier state.
///
/// # Contract
/// - **Forward.** What it says never goes back, whatever processes tell it.
/// - **Durability.** When `advance` gives `Ok`, what was said survives the loss of power.
/// - Both methods may block: a store calls them beside the threads of executors.
pub trait HeadWitness: Debug + Send + Sync {
    /// The record that it saw last of this log; `None` if it saw none.
    ///
    /// # Errors
    /// [`StoreCode::StoreLogMismatch`](crate::StoreCode::StoreLogMismatch) if it saw another log;
    /// [`StoreCode::StoreUnavailable`](crate::StoreCode::StoreUnavailable) and
    /// [`StoreCode::StoreCorrupt`](crate::StoreCode::StoreCorrupt) if it can't be asked.
    fn seen(&self, log: &Log) -> Result<Option<KnownHead>, StoreError>;

    /// Says that the log has come this far, unless more was said already.
    ///
    /// # Errors
    /// Those of [`seen`](Self::seen): then nobody may hear of the record.
    fn advance(&self, log: &Log, state: &LedgerState) -> Result<(), StoreError>;
}
