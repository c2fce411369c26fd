//! [`Ledger`]: the log of an issuer, apart from its decisions.

use std::fmt::Debug;
use std::sync::Arc;

use actionpass_model::{Commitment, Digest, Document, DocumentError, Record, RevocationId, TrustEvidence, UnixSeconds};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::ledger::{Consequence, Head, RecordDraft, RecordRef, SealedRecord};
use crate::{StoreCode, StoreError, StoreFuture};

/// An issuer's one log: what it decided and changed, in one chain of records, with erasable data beside it.
///
/// # Contract
/// - **Atomicity.** `append` does all of what it says or nothing, also when the process or the machine dies halfway.
/// - **Durability.** When the future gives `Ok`, what was written survives the loss of power.
/// - **Order.** The log has no gap and no fork: each record chains to the one before, by any process. The records of a
///   batch stand next to each other, in the order of their drafts.
/// - **Errors.** `Err` promises that nothing was acknowledged, no more: the write may be there or not, never half.
///   After a failed write a store must not go on as if what it sees were durable.
/// - **Watermark.** [`LedgerState::reconciled`] grows only by what [`Batch::with_reconciled`] says, in the transaction
///   that writes the batch. It never goes back.
/// - **Cancellation.** Dropping a future before it is ready may leave the write done or not done, never half done.
/// - **Runtime.** Futures may be polled on any executor and must not block it.
/// - **Clones** and further handles on one store see one state.
pub trait Ledger: Debug + Send + Sync {
    /// Appends records that are no allows, and lets each take effect: a trust store newer than the one known, a policy,
    /// an erasure of side data ([`Effects`](crate::ledger::Effects)). There is one outcome for each draft, in order.
    ///
    /// A revocation is recorded once: appending its record again, also twice in one batch, gives the record that is
    /// there. One draft that can't be written fails the whole batch; the outcome of a pass is one
    /// ([`StoreCode::StoreMisused`]): it is reported by [`OutcomeStore::report`](crate::OutcomeStore::report).
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>>;

    /// Where the log ends, and what this store was told of.
    fn state(&self) -> StoreFuture<'_, LedgerState>;

    /// At most `limit` records from `seq` on, in order; empty at the end of the log. What was stored is given as it is:
    /// only [`ledger::ChainVerifier`](crate::ledger::ChainVerifier) says whether it is whole.
    ///
    /// A record in front of [`LedgerState::first`] is refused: [`StoreCode::LedgerArchived`].
    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>>;

    /// Waits until the log has more than `seq` records, so until there is a record at `seq`, and gives its size then.
    ///
    /// A record of another process is noticed at most 250 ms after it became durable.
    fn follow(&self, seq: u64) -> StoreFuture<'_, u64>;

    /// Side data of a record, if it was kept and not erased.
    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Those of these revocations that the log doesn't hold, in the order given: what a crash between trust store and
    /// ledger left out.
    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>>;

    /// Every revocation that the log holds, with the number of its record, in the order of the records.
    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>>;

    /// The record of a revocation by its number, `None` if that is another; also of one in front of [`LedgerState::first`]: these stay, so that a trust
    /// store that went back can be mended by them.
    fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
        Box::pin(async move {
            let read = self.read(seq, 1).await?;
            let is_it = |record: &StoredRecord| {
                let said = Consequence::of(&record.json);
                record.seq == seq && matches!(said, Some(Consequence::Revocation(_)))
            };
            Ok(read.into_iter().next().filter(is_it))
        })
    }
}

/// Conveniences of every [`Ledger`]. Nobody implements it: it is there for all of them.
pub trait LedgerExt: Ledger {
    /// Appends one record: a [`Batch::of`] it.
    fn append_one(&self, draft: RecordDraft) -> StoreFuture<'_, AppendOutcome> {
        Box::pin(async move {
            let outcomes = self.append(Batch::of(draft)).await?;
            let missing = || StoreError::with_source(StoreCode::StoreCorrupt, "a store gave no outcome of a draft");
            outcomes.into_iter().next().ok_or_else(missing)
        })
    }
}

impl<L: Ledger + ?Sized> LedgerExt for L {}

/// Records to be appended in one transaction, in order, all of them or none.
#[derive(Clone, Debug)]
#[must_use]
pub struct Batch {
    drafts: Vec<RecordDraft>,
    reconciled: Option<TrustRange>,
}

/// The revocations that came into the trust store behind version `after`, up to and with version `to`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrustRange {
    /// The version before the first change.
    pub after: u64,
    /// The version of the last change.
    pub to: u64,
}

impl Batch {
    /// These records.
    pub const fn new(drafts: Vec<RecordDraft>) -> Self {
        Self {
            drafts,
            reconciled: None,
        }
    }

    /// One record.
    pub fn of(draft: RecordDraft) -> Self {
        Self::new(vec![draft])
    }

    /// Says that with these records the log holds every revocation that came into the trust store in this range.
    ///
    /// The watermark moves to `range.to` together with the records, and only if it is at `range.after` or beyond: a
    /// revocation in front of the range, whose record a crash left out, is never skipped. There may be no records, if
    /// nothing was missing.
    pub fn with_reconciled(self, range: TrustRange) -> Self {
        Self {
            reconciled: Some(range),
            ..self
        }
    }

    /// The records.
    #[must_use]
    pub fn drafts(&self) -> &[RecordDraft] {
        &self.drafts
    }

    /// Which revocations the log holds with them, if that was said.
    #[must_use]
    pub const fn reconciled(&self) -> Option<TrustRange> {
        self.reconciled
    }

    /// The records, and which revocations the log holds with them.
    #[must_use]
    pub fn into_parts(self) -> (Vec<RecordDraft>, Option<TrustRange>) {
        (self.drafts, self.reconciled)
    }
}

impl TrustRange {
    /// Where the watermark is after a batch with this range. Every store's `append` uses it, so that they agree.
    #[must_use]
    pub const fn advance(self, watermark: u64) -> u64 {
        if watermark >= self.after && watermark < self.to {
            self.to
        } else {
            watermark
        }
    }
}

/// What became of a draft. Exhaustive on purpose: whoever appends must know each of them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum AppendOutcome {
    /// The record is durable.
    Appended(SealedRecord),
    /// The revocation had its record already, this one.
    AlreadyRecorded(RecordRef),
}

impl AppendOutcome {
    /// The record that is in the log, new or old.
    #[must_use]
    pub fn to_ref(&self) -> RecordRef {
        match self {
            Self::Appended(record) => record.to_ref(),
            Self::AlreadyRecorded(record) => record.clone(),
        }
    }
}

/// What a store knows about its log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LedgerState {
    /// Where the log ends.
    pub head: Head,
    /// Where it begins: records in front of that were taken out. [`Head::EMPTY`] if all are there.
    pub first: Head,
    /// The newest trust store that it was told of.
    pub trust: Option<TrustEvidence>,
    /// The policy that was recorded last.
    pub policy: Option<Digest>,
    /// If the store was restored from an earlier state: the earliest time at which an approval was given, or an action id
    /// made, that it can judge.
    pub restored: Option<UnixSeconds>,
    /// The watermark: the newest version of the trust store all of whose revocations are known to be in the log. 0 if
    /// that is known of none.
    pub reconciled: u64,
}

impl LedgerState {
    /// A log that ends here and was told of nothing. A store sets the other fields.
    #[must_use]
    pub const fn new(head: Head) -> Self {
        Self {
            head,
            first: Head::EMPTY,
            trust: None,
            policy: None,
            restored: None,
            reconciled: 0,
        }
    }
}

/// Data kept beside a record, which can be erased without breaking the chain.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SideKind {
    /// The canonical payload.
    Payload,
    /// The canonical context.
    Context,
    /// The canonical facts.
    Facts,
    /// The salt of the commitments, 32 random bytes.
    Salt,
    /// The pass, a compact JWS.
    Token,
}

/// A record as a store keeps it: canonical JSON, unverified.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// Its place.
    pub seq: u64,
    /// The whole record.
    pub json: Vec<u8>,
}

impl StoredRecord {
    /// The record at a place.
    #[must_use]
    pub const fn new(seq: u64, json: Vec<u8>) -> Self {
        Self { seq, json }
    }

    /// The record as a document.
    ///
    /// # Errors
    /// [`DocumentError`] if what is stored is not a record of this release's kinds.
    pub fn to_record(&self) -> Result<Record, DocumentError> {
        Record::from_json(&self.json)
    }

    /// Its body, where that is of this type; `None` for a record of another kind.
    #[must_use]
    pub fn to_body<B: DeserializeOwned>(&self) -> Option<B> {
        #[derive(Deserialize)]
        struct Outer<B> {
            body: B,
        }
        let record: Outer<B> = serde_json::from_slice(&self.json).ok()?;
        Some(record.body)
    }

    /// Whether it has commitments in the place of hashes; `None` if it is no record at all.
    #[must_use]
    pub fn is_committed(&self) -> Option<bool> {
        #[derive(Deserialize)]
        struct Outer {
            body: Inner,
        }
        #[derive(Deserialize)]
        struct Inner {
            commitment: Option<Commitment>,
        }
        let record: Outer = serde_json::from_slice(&self.json).ok()?;
        Some(record.body.commitment.is_some())
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: Ledger + ?Sized> Ledger for $pointer<T> {
            fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
                (**self).append(batch)
            }

            fn state(&self) -> StoreFuture<'_, LedgerState> {
                (**self).state()
            }

            fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
                (**self).read(seq, limit)
            }

            fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
                (**self).follow(seq)
            }

            fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
                (**self).side(seq, kind)
            }

            fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
                (**self).unrecorded(revocations)
            }

            fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
                (**self).revocations()
            }

            fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
                (**self).revocation_at(seq)
            }
        }
    };
}
forward!(Arc);
forward!(Box);
