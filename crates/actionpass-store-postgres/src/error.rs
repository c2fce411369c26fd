//! From PostgreSQL's errors to the store's codes.

use std::error::Error as _;
use std::io;

use actionpass_store::{StoreCode, StoreError};
use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

/// A failure that several callers have a share in.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Failure {
    pub(crate) code: StoreCode,
    /// What the server said, without the values that it may name.
    problem: String,
    pub(crate) kind: Kind,
}

/// What may be done about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Another process was faster: nothing was written, and the same may succeed at once.
    Lost,
    /// The connection is gone, or the server is: whether the last thing was done is unknown, and the same may succeed on
    /// another connection.
    Gone,
    /// The same will fail again.
    Lasting,
}

impl Failure {
    pub(crate) fn new(code: StoreCode, problem: impl Into<String>) -> Self {
        Self {
            code,
            problem: problem.into(),
            kind: Kind::Lasting,
        }
    }

    pub(crate) fn corrupt(problem: &'static str) -> Self {
        Self::new(StoreCode::StoreCorrupt, problem)
    }

    /// A record that is asked for stands in front of the first that the database has.
    pub(crate) fn archived(first: u64) -> Self {
        let error = StoreError::archived(first);
        let problem = error.source().map(ToString::to_string).unwrap_or_default();
        Self::new(error.code(), problem)
    }

    /// It was tried for as long as it may be.
    pub(crate) fn late() -> Self {
        Self {
            kind: Kind::Gone,
            ..Self::new(StoreCode::StoreUnavailable, "the database did not answer in time")
        }
    }

    /// What another part of the store says.
    pub(crate) fn of(error: &StoreError) -> Self {
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(error.code(), format!("{error}{cause}"))
    }

    pub(crate) fn to_error(&self) -> StoreError {
        StoreError::with_source(self.code, self.problem.clone())
    }

    fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            let (code, kind) = of_state(said.code(), said.constraint());
            // Without the detail, which may name values.
            let problem = format!("{} ({})", said.message(), said.code().code());
            return Self::new(code, problem).of_kind(kind);
        }
        let is_of_the_network = error.source().is_some_and(|source| source.is::<io::Error>());
        if error.is_closed() || is_of_the_network {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            return Self::new(StoreCode::StoreUnavailable, format!("{error}{cause}")).of_kind(Kind::Gone);
        }
        let text = error.to_string();
        // What can't be read out of a row is not what this crate wrote there.
        let code = if text.contains("deserializing") || text.contains("serializing") {
            StoreCode::StoreCorrupt
        } else {
            StoreCode::StoreUnavailable
        };
        Self::new(code, text)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => error.into(),
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::new(StoreCode::StoreBusy, "every connection to the database is in use").of_kind(Kind::Gone)
            }
            PoolError::Timeout(_) => Self::late(),
            error => Self::new(StoreCode::StoreUnavailable, error.to_string()),
        }
    }
}

/// The code of an SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), and what may be done.
fn of_state(state: &SqlState, constraint: Option<&str>) -> (StoreCode, Kind) {
    let lost = (StoreCode::StoreBusy, Kind::Lost);
    // The fence (see `MOVE`) divides by the number of heads that it moved, and two records of one place are two heads.
    if *state == SqlState::DIVISION_BY_ZERO
        || (*state == SqlState::UNIQUE_VIOLATION && constraint == Some("record_pkey"))
        || *state == SqlState::T_R_SERIALIZATION_FAILURE
        || *state == SqlState::T_R_DEADLOCK_DETECTED
        || *state == SqlState::LOCK_NOT_AVAILABLE
    {
        return lost;
    }
    let lasting = |code| (code, Kind::Lasting);
    match *state {
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => lasting(StoreCode::StoreReadOnly),
        SqlState::DISK_FULL => lasting(StoreCode::StoreFull),
        SqlState::IO_ERROR => lasting(StoreCode::StoreIoFailed),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => lasting(StoreCode::StoreCorrupt),
        SqlState::INVALID_CATALOG_NAME | SqlState::INVALID_SCHEMA_NAME => lasting(StoreCode::StoreMissing),
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_FUNCTION => {
            lasting(StoreCode::StoreSchemaChanged)
        }
        SqlState::QUERY_CANCELED => (StoreCode::StoreUnavailable, Kind::Gone),
        // A statement that the connection prepared is another by now.
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::FEATURE_NOT_SUPPORTED => {
            (StoreCode::StoreUnavailable, Kind::Gone)
        }
        _ => match state.code().get(..2) {
            // Connections and servers that come and go, and resources that others use up.
            Some("08" | "57" | "53") => (StoreCode::StoreUnavailable, Kind::Gone),
            // A session that was ended because it idled inside of a transaction.
            Some("25") => (StoreCode::StoreUnavailable, Kind::Gone),
            Some("22" | "23" | "42") => lasting(StoreCode::StoreCorrupt),
            _ => lasting(StoreCode::StoreUnavailable),
        },
    }
}
