//! Passes used up where their issuer's ledger is.

use std::sync::OnceLock;

use actionpass_model::{Code, CodedError, Issuer, PassId, UnixSeconds};
use actionpass_store::ledger::{RecordDraft, RecordRef};
use actionpass_store::{Consumption, Mark, ReplayStore, StoreCode, StoreError, StoreFuture, UseStore, UsedUp};
use actionpass_verify::{ConsumedPass, Refusal, VerifiedPass, Verifier};

use crate::{AdminError, Administrator};

/// A pass that was used up, and the record that says so.
#[derive(Debug)]
#[non_exhaustive]
pub struct RecordedUse {
    /// The pass: its payload may be executed, once.
    pub pass: ConsumedPass,
    /// The record of its use.
    pub record: RecordRef,
}

/// A pass was not used up, or it isn't known: nothing may be executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UseError {
    /// The store refused, or couldn't answer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its record couldn't be made. The pass is as it was.
    #[error(transparent)]
    Record(#[from] AdminError),
}

impl CodedError for UseError {
    fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Record(error) => error.code(),
        }
    }

    fn codes(&self) -> Vec<Code> {
        match self {
            Self::Refused(refusal) => CodedError::codes(refusal),
            Self::Record(error) => error.codes(),
        }
    }
}

impl Administrator {
    /// Uses up a pass that this verifier verified just now, at this time, and records that in its tenant, in one step. `store`
    /// is that of this issuer's ledger.
    ///
    /// # Errors
    /// [`UseError`].
    pub async fn use_up(
        &self,
        verifier: &Verifier,
        pass: VerifiedPass,
        now: UnixSeconds,
        store: &dyn UseStore,
    ) -> Result<RecordedUse, UseError> {
        let recording = Recording {
            store,
            draft: self.draft_of_use(&pass)?,
            record: OnceLock::new(),
        };
        let pass = verifier.use_up(pass, now, &recording).await?;
        // Never: a verifier asks its store before it says that a pass is consumed.
        let record = recording
            .record
            .into_inner()
            .ok_or_else(|| AdminError::from(StoreError::new(StoreCode::StoreMisused)))?;
        Ok(RecordedUse { pass, record })
    }
}

/// A replay store that marks one pass, with its record.
#[derive(Debug)]
struct Recording<'s> {
    store: &'s dyn UseStore,
    draft: RecordDraft,
    record: OnceLock<RecordRef>,
}

impl ReplayStore for Recording<'_> {
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
        Box::pin(async move {
            match self.store.use_up(mark.clone(), now, self.draft.clone()).await? {
                UsedUp::Recorded(record) => {
                    let _ = self.record.set(record.to_ref());
                    Ok(Consumption::Consumed)
                }
                UsedUp::Refused(code) => Ok(Consumption::Refused(code)),
            }
        })
    }

    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
        self.store.is_used(issuer, pass)
    }
}
