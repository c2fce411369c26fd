//! [`OutcomeStore`]: what came of the calls that were made under passes.

use std::sync::Arc;

use actionpass_model::{PassId, RecordKind};

use crate::ledger::{RecordDraft, SealedRecord};
use crate::{Ledger, StoreCode, StoreError, StoreFuture};

/// A ledger that finds the uses of its issuer's passes, and what was reported of each.
///
/// # Contract
/// That of [`Ledger`], and:
/// - **Uses.** A pass is used once the log holds a record of its use, by this log's issuer; of several the first counts.
/// - **Once.** Of each pass there is at most one outcome, and at most one that contradicts it and says so. Of two reports of one
///   version, by whatever processes, one is recorded.
/// - **Evidence.** A report and its record are written in one step. Everything but [`Reported::Recorded`] leaves the store as it
///   was.
pub trait OutcomeStore: Ledger {
    /// What the log says of a pass; `None` if it holds no use of it.
    fn used<'a>(&'a self, pass: &'a PassId) -> StoreFuture<'a, Option<UsedPass>>;

    /// Appends the record of an outcome, if the pass was used and nothing else was reported of it than the report knows.
    fn report(&self, report: Report) -> StoreFuture<'_, Reported>;
}

/// What the log says of a pass that was used: the numbers of the records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UsedPass {
    /// Its use.
    pub used: u64,
    /// The outcome.
    pub outcome: Option<u64>,
    /// The outcome that contradicts that one.
    pub contradiction: Option<u64>,
}

impl UsedPass {
    /// A pass of which nothing was reported yet.
    #[must_use]
    pub const fn new(used: u64) -> Self {
        Self {
            used,
            outcome: None,
            contradiction: None,
        }
    }

    /// Whether a report may be recorded: the first of all, or the one that contradicts the first. Every store uses it, so that
    /// they agree.
    #[must_use]
    pub fn takes(&self, report: &Report) -> bool {
        match report.contradicts {
            None => self.outcome.is_none(),
            Some(first) => self.outcome == Some(first) && self.contradiction.is_none(),
        }
    }

    /// The same once a report is recorded here.
    #[must_use]
    pub const fn with_report(mut self, seq: u64) -> Self {
        if self.outcome.is_none() {
            self.outcome = Some(seq);
        } else {
            self.contradiction = Some(seq);
        }
        self
    }
}

/// An outcome to be recorded.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct Report {
    /// The pass.
    pub pass: PassId,
    /// The outcome that it contradicts, as its body says; `None` if it is the first.
    pub contradicts: Option<u64>,
    /// The record, of kind `outcome`, of this pass.
    pub record: RecordDraft,
}

impl Report {
    /// Whether the record is what the report says. Every store asks it first.
    ///
    /// # Errors
    /// [`StoreCode::StoreMisused`].
    pub fn check_record(&self) -> Result<(), StoreError> {
        let is_of_pass = self.record.effects().outcome.as_ref() == Some(&self.pass);
        if self.record.kind() == RecordKind::Outcome && is_of_pass {
            return Ok(());
        }
        let problem = "the record is no outcome of the pass";
        Err(StoreError::with_source(StoreCode::StoreMisused, problem))
    }
}

/// What became of a report. Exhaustive on purpose: whoever reports must know each of them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Reported {
    /// It is in the log.
    Recorded(SealedRecord),
    /// Something else was reported than the report knows.
    Moved(UsedPass),
    /// The log holds no use of the pass.
    Unused,
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: OutcomeStore + ?Sized> OutcomeStore for $pointer<T> {
            fn used<'a>(&'a self, pass: &'a PassId) -> StoreFuture<'a, Option<UsedPass>> {
                (**self).used(pass)
            }

            fn report(&self, report: Report) -> StoreFuture<'_, Reported> {
                (**self).report(report)
            }
        }
    };
}
forward!(Arc);
forward!(Box);
