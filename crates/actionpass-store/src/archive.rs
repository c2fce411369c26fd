//! [`ArchiveStore`]: the beginning of a log taken out of its store.

use std::fmt;
use std::sync::Arc;

use actionpass_model::Timestamp;

use crate::ledger::{Head, RecordDraft, SealedRecord};
use crate::{Ledger, LedgerState, StoreCode, StoreError, StoreFuture};

/// The most bytes of a signed head.
pub const MAX_SIGNED_HEAD: usize = 128 * 1024;

/// A log whose first records can be taken out of the store, once an export of them and a signed head are elsewhere
/// (`docs/spec/ledger.md`). From then on the store begins at that head: [`LedgerState::first`](crate::LedgerState::first).
///
/// # Contract
/// - **Nothing is forgotten.** Marks of issued actions, used approvals and used passes, requests and the records of revocations
///   stay.
/// - **Atomicity.** The beginning moves together with the record that says so, or neither does. It never moves back. So does the signed
///   head change at which it begins, which is there at every moment.
/// - **Rows** in front of the beginning are given to nobody, and go by [`sweep`](Self::sweep): a process that dies in between
///   leaves rows that nobody sees, and the next sweep takes them.
pub trait ArchiveStore: Ledger {
    /// Where the store begins, if not with the first record of the log.
    fn beginning(&self) -> StoreFuture<'_, Option<Beginning>>;

    /// What stands against taking out the records in front of this number, at this time: the first of them that is still needed.
    fn needed(&self, until: u64, now: Timestamp) -> StoreFuture<'_, Option<Needed>>;

    /// Moves the beginning, and appends the record of that. Nothing is judged of the signed head: whoever calls has verified it.
    ///
    /// [`StoreCode::StoreMisused`] unless the record says the same head ([`Effects::archives`](crate::ledger::Effects::archives)),
    /// which is that of a record of this log behind the former beginning, and the signed head has at most
    /// [`MAX_SIGNED_HEAD`] bytes.
    fn archive(&self, call: Archive) -> StoreFuture<'_, ArchiveOutcome>;

    /// Puts another signed head of the same record in the place of the one that the store begins at, and appends the record of that.
    /// Nothing is judged of either head: whoever calls has verified what is to be believed.
    ///
    /// `None` if the store begins elsewhere by then, or at another signed head: nothing was done.
    /// [`StoreCode::StoreMisused`] unless the record says the same head ([`Effects::resigns`](crate::ledger::Effects::resigns)), and the
    /// signed head has at most [`MAX_SIGNED_HEAD`] bytes.
    fn resign(&self, call: Resign) -> StoreFuture<'_, Option<SealedRecord>>;

    /// Deletes at most so many records in front of the beginning; `true` if there are more. What is deleted is overwritten as
    /// what is erased is.
    fn sweep(&self, limit: usize) -> StoreFuture<'_, bool>;
}

/// Where a store begins.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a store fills in all of it")]
pub struct Beginning {
    /// How many records were taken out, and the hash of the last.
    pub head: Head,
    /// The signed head, as it was given.
    pub signed: Vec<u8>,
}

/// Records to be taken out.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct Archive {
    /// How many records the log has up to there, and the hash of the last of them.
    pub head: Head,
    /// The signed head.
    pub signed: Vec<u8>,
    /// The record that says so, whose body is an [`ArchiveBody`](actionpass_model::ArchiveBody).
    pub record: RecordDraft,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("head", &self.head)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl Archive {
    /// Whether a log of this state can be asked to do it. Every store's `archive` asks it first.
    ///
    /// # Errors
    /// [`StoreCode::StoreMisused`].
    pub fn check(&self, state: &LedgerState) -> Result<(), StoreError> {
        let misused = |problem: &'static str| Err(StoreError::with_source(StoreCode::StoreMisused, problem));
        if self.record.effects().archives != Some(self.head) || !self.record.side().is_empty() {
            return misused("the record doesn't say that records up to this head are taken out");
        }
        if self.head.size() <= state.first.size() || self.head.size() > state.head.size() {
            return misused("the head is not behind the beginning, or behind the end");
        }
        if self.signed.is_empty() || self.signed.len() > MAX_SIGNED_HEAD {
            return misused("the signed head is empty, or larger than 128 KiB");
        }
        Ok(())
    }

    /// The refusal of a head that isn't that of the record in its place.
    #[must_use]
    pub fn misplaced() -> StoreError {
        StoreError::with_source(StoreCode::StoreMisused, "the record at the head has another hash")
    }
}

/// The signed head that a store begins at, to be replaced by another of the same record.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct Resign {
    /// Where the store begins.
    pub head: Head,
    /// The signed head that it begins at so far, byte for byte.
    pub former: Vec<u8>,
    /// The one that takes its place.
    pub signed: Vec<u8>,
    /// The record that says so, whose body is a [`BeginningBody`](actionpass_model::BeginningBody).
    pub record: RecordDraft,
}

impl fmt::Debug for Resign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resign")
            .field("head", &self.head)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl Resign {
    /// Whether a log of this state that begins at this signed head can do it; `false` if it begins elsewhere by now. Every store's
    /// `resign` asks it first.
    ///
    /// # Errors
    /// [`StoreCode::StoreMisused`].
    pub fn check(&self, state: &LedgerState, signed: Option<&[u8]>) -> Result<bool, StoreError> {
        let misused = |problem: &'static str| Err(StoreError::with_source(StoreCode::StoreMisused, problem));
        if self.record.effects().resigns != Some(self.head) || !self.record.side().is_empty() {
            return misused("the record doesn't say that this head was signed anew");
        }
        if self.head.size() == 0 {
            return misused("a log that begins with its first record has no signed head");
        }
        if self.signed.is_empty() || self.signed.len() > MAX_SIGNED_HEAD {
            return misused("the signed head is empty, or larger than 128 KiB");
        }
        Ok(state.first == self.head && signed == Some(self.former.as_slice()))
    }
}

/// What became of it. Exhaustive on purpose: whoever archives must know each of them.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum ArchiveOutcome {
    /// The store begins there, durably; this is the record.
    Archived(SealedRecord),
    /// Nothing was done: something needs the records.
    Needed(Needed),
}

/// Why a record can't be taken out yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "whoever archives must know each of them")]
pub enum Needed {
    /// Something lies beside the record that was not erased.
    SideData(u64),
    /// A request that the record opened waits, or its decline holds.
    Request(u64),
}

impl Needed {
    /// The record.
    #[must_use]
    pub const fn seq(self) -> u64 {
        match self {
            Self::SideData(seq) | Self::Request(seq) => seq,
        }
    }

    /// The earlier of what was found: side data of a record says more than its request.
    #[must_use]
    pub fn first(side: Option<u64>, request: Option<u64>) -> Option<Self> {
        match (side, request) {
            (Some(side), Some(request)) if request < side => Some(Self::Request(request)),
            (Some(side), _) => Some(Self::SideData(side)),
            (None, request) => request.map(Self::Request),
        }
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SideData(seq) => write!(f, "what lies beside record {seq} was not erased"),
            Self::Request(seq) => write!(
                f,
                "the approval request that record {seq} opened waits, or its decline still holds"
            ),
        }
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: ArchiveStore + ?Sized> ArchiveStore for $pointer<T> {
            fn beginning(&self) -> StoreFuture<'_, Option<Beginning>> {
                (**self).beginning()
            }

            fn needed(&self, until: u64, now: Timestamp) -> StoreFuture<'_, Option<Needed>> {
                (**self).needed(until, now)
            }

            fn archive(&self, call: Archive) -> StoreFuture<'_, ArchiveOutcome> {
                (**self).archive(call)
            }

            fn resign(&self, call: Resign) -> StoreFuture<'_, Option<SealedRecord>> {
                (**self).resign(call)
            }

            fn sweep(&self, limit: usize) -> StoreFuture<'_, bool> {
                (**self).sweep(limit)
            }
        }
    };
}
forward!(Arc);
forward!(Box);
