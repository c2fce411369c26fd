//! From SQLite's errors to the store's codes.

use std::io;
use std::sync::Arc;

use actionpass_store::{StoreCode, StoreError};
use rusqlite::ErrorCode;

/// A failure that several callers have a share in.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// SQLite's.
    #[error("{0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// The store's own.
    #[error("{1}")]
    Store(StoreCode, &'static str),
    /// The store's own, about a record.
    #[error("{1} (record {2})")]
    Record(StoreCode, &'static str, u64),
    /// A record in front of the first, which is this.
    #[error("the record was taken out of the store")]
    Archived(u64),
    /// What the operating system says of the file.
    #[error("{1}")]
    File(StoreCode, Arc<io::Error>),
}

/// An error that several callers get.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Shared<E: std::error::Error>(Arc<E>);

impl Failure {
    pub(crate) fn to_error(&self) -> StoreError {
        match self {
            Self::Sqlite(error) => StoreError::with_source(code(error), Shared(Arc::clone(error))),
            Self::File(code, error) => StoreError::with_source(*code, Shared(Arc::clone(error))),
            Self::Store(code, problem) => StoreError::with_source(*code, *problem),
            Self::Record(code, ..) => StoreError::with_source(*code, self.clone()),
            Self::Archived(first) => StoreError::archived(*first),
        }
    }

    /// What went wrong, with its source, for an event.
    pub(crate) fn as_error(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Sqlite(error) => &**error,
            Self::File(_, error) => &**error,
            Self::Store(..) | Self::Record(..) | Self::Archived(_) => self,
        }
    }

    /// Another process held the lock too long: nothing was written, and nothing is wrong.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if code(error) == StoreCode::StoreBusy)
    }

    /// SQLite can't go on with the file, whatever is asked of it next.
    pub(crate) fn is_of_database(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(**error, rusqlite::Error::SqliteFailure(..)),
            Self::File(..) => true,
            Self::Store(..) | Self::Record(..) | Self::Archived(_) => false,
        }
    }

    /// SQLite could not open the file, or one beside it.
    pub(crate) fn is_unopened(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen))
    }

    /// What the operating system says of the witness: that it isn't there says nothing of the store.
    pub(crate) fn unwitnessed(error: io::Error) -> Self {
        Self::File(StoreCode::StoreUnavailable, Arc::new(error))
    }

    pub(crate) const fn corrupt(problem: &'static str) -> Self {
        Self::Store(StoreCode::StoreCorrupt, problem)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => StoreCode::StoreMissing,
            io::ErrorKind::AlreadyExists => StoreCode::StoreExists,
            _ => StoreCode::StoreUnavailable,
        };
        Self::File(code, Arc::new(error))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

fn code(error: &rusqlite::Error) -> StoreCode {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                StoreCode::StoreBusy
            }
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::OutOfMemory => StoreCode::StoreUnavailable,
            ErrorCode::ReadOnly => StoreCode::StoreReadOnly,
            ErrorCode::SystemIoFailure => StoreCode::StoreIoFailed,
            ErrorCode::NotADatabase => StoreCode::StoreForeign,
            ErrorCode::DiskFull => StoreCode::StoreFull,
            ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => {
                StoreCode::StoreCorrupt
            }
            _ => StoreCode::StorePoisoned,
        },
        _ => StoreCode::StoreCorrupt,
    }
}

/// A number as SQLite keeps it. Every number of this store is at most 2^53 or a time before the year 10000.
pub(crate) fn to_sql(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::corrupt("a number is out of range"))
}

/// A number as SQLite kept it.
pub(crate) fn from_sql(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::corrupt("a number is negative"))
}
