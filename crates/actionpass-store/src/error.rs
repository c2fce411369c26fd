//! [`StoreError`]: a store that could not do what it was asked.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use actionpass_model::codes;

/// What a store's methods give: a boxed future, so that the traits are dyn-compatible and need no runtime.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

codes! {
    /// Why a store did not do what it was asked.
    pub enum StoreCode: Unavailable {
        /// The store can't be reached or doesn't answer in time; the same call may succeed later.
        StoreUnavailable = "store_unavailable",
        /// Another process holds the store; the same call may succeed later.
        StoreBusy = "store_busy",
        /// The store can't be written: its mode, its folder or its file system forbids it. It can be read.
        StoreReadOnly = "store_read_only",
        /// The disk or its file system failed while the store was read or written.
        StoreIoFailed = "store_io_failed",
        /// A write failed halfway, so the store no longer trusts what it sees; it must be opened again.
        StorePoisoned = "store_poisoned",
        /// There is no store where one was to be opened.
        StoreMissing = "store_missing",
        /// There is a store already where one was to be made.
        StoreExists = "store_exists" => Usage,
        /// Other users of the machine can write the store.
        StoreNotPrivate = "store_not_private",
        /// What lies there is not a store of this project.
        StoreForeign = "store_foreign",
        /// A later release wrote the store.
        StoreVersionUnsupported = "store_version_unsupported",
        /// The store contradicts itself or holds what can't be read.
        StoreCorrupt = "store_corrupt",
        /// Rows that the log says must be there are gone, or others are there: used approvals, issued actions or used
        /// passes would count as new.
        StoreRowsMissing = "store_rows_missing",
        /// The store, or the log in it, is an earlier state than one that was acknowledged: what was decided, used and revoked
        /// since would be forgotten.
        StoreRolledBack = "store_rolled_back" => Stale,
        /// The tables are not those that this project makes: a trigger, a view, an index or a table was added or changed.
        StoreSchemaChanged = "store_schema_changed",
        /// The store holds the log of another issuer or origin, or none.
        StoreLogMismatch = "store_log_mismatch",
        /// The tables are those of an earlier release: they are to be brought to this one first.
        StoreOutdated = "store_outdated",
        /// The database doesn't wait for its disk before it says that something is written.
        StoreNotDurable = "store_not_durable",
        /// The clocks of this machine and of the store are more than 30 s apart.
        StoreClockOff = "store_clock_off" => Stale,
        /// A ledger record would be larger than 65,535 bytes.
        RecordTooLarge = "record_too_large",
        /// A ledger record has no canonical form, or its body is not an object.
        RecordInvalid = "record_invalid",
        /// A store was asked to do in one way what it only does in another.
        StoreMisused = "store_misused",
        /// A decline still holds for what is to be erased: without its hash it would hold nothing. Later it can be erased.
        SideDataHeld = "side_data_held" => InputRefused,
        /// The record was taken out of the store into an archive.
        LedgerArchived = "ledger_archived" => InputRefused,
        /// Something still needs records that are to be taken out of the store: what lies beside them, or a request that waits.
        RecordsNeeded = "records_needed" => InputRefused,
        /// The store, or the disk that it is on, has no room left; nothing is dropped to make some.
        StoreFull = "store_full",
        /// This is a copy of a process that was forked while a store was open; stores are opened after the fork.
        StoreForked = "store_forked",
    }
}

impl StoreCode {
    const fn message(self) -> &'static str {
        match self {
            Self::StoreUnavailable => "the store is unavailable",
            Self::StoreBusy => "another process holds the store",
            Self::StoreReadOnly => "the store can't be written",
            Self::StoreIoFailed => "the disk failed",
            Self::StorePoisoned => "a write failed halfway and the store must be opened again",
            Self::StoreMissing => "there is no store",
            Self::StoreExists => "there is a store already",
            Self::StoreNotPrivate => "others can write the store",
            Self::StoreForeign => "not a store of ActionPass",
            Self::StoreVersionUnsupported => "a later release wrote the store",
            Self::StoreCorrupt => "the store contradicts itself",
            Self::StoreRowsMissing => "the store's tables don't hold what its log says",
            Self::StoreRolledBack => "the store is an earlier state than one that was acknowledged",
            Self::StoreSchemaChanged => "the store's tables are not as ActionPass makes them",
            Self::StoreLogMismatch => "the store holds another log",
            Self::StoreOutdated => "an earlier release made the store's tables",
            Self::StoreNotDurable => "the store acknowledges what is not on its disk",
            Self::StoreClockOff => "this machine's clock is not the store's",
            Self::RecordTooLarge => "the record is larger than a log takes",
            Self::RecordInvalid => "the record can't be written",
            Self::StoreMisused => "the store can't be used like this",
            Self::SideDataHeld => "a decline still holds for what is to be erased",
            Self::LedgerArchived => "the record was taken out into an archive",
            Self::RecordsNeeded => "something still needs records that are to be taken out",
            Self::StoreFull => "the store is full",
            Self::StoreForked => "the store was opened before this process was forked",
        }
    }
}

/// A store that could not do what it was asked: nothing may be released on it.
///
/// `Err` promises only that nothing was acknowledged. Whether the write took place is unknown (it may, for instance,
/// be durable although its acknowledgement was lost), but it is never half there.
#[derive(Debug)]
pub struct StoreError {
    code: StoreCode,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StoreError {
    /// An error without a cause to show.
    #[must_use]
    pub const fn new(code: StoreCode) -> Self {
        Self { code, source: None }
    }

    /// An error and what caused it.
    #[must_use]
    pub fn with_source(code: StoreCode, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            code,
            source: Some(source.into()),
        }
    }

    /// A record that is asked for stands in front of the first that the store has.
    #[must_use]
    pub fn archived(first: u64) -> Self {
        let problem = format!("the store has records from {first} on; those before are in archives");
        Self::with_source(StoreCode::LedgerArchived, problem)
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> StoreCode {
        self.code
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.message())
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

actionpass_model::coded_error!(StoreError);
