//! [`ClientError`]: why a question got no answer.

use std::error::Error as StdError;
use std::time::Duration;

use actionpass_model::{Code, CodeClass, CodedError};

use crate::ClientCode;
use crate::api::Problem;

/// A question that got no answer. Nothing is allowed by it, and whoever asked treats it as a no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The service refused the question, and says why.
    #[error("{}", said(problem))]
    Refused {
        /// What it says.
        problem: Box<Problem>,
        /// After how long it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The service can't be reached, or it didn't answer in time. What was asked may have been done.
    #[error("the service at {address} can't be reached")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Something answered that isn't what the service answers.
    #[error("what {address} answers is none of an ActionPass service: {problem}")]
    Malformed {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address isn't one. It isn't repeated: a password may stand in it.
    #[error("the address of the service {0}")]
    Address(&'static str),
    /// The token isn't one. Nothing of it is repeated.
    #[error("the token of the client {0}")]
    Token(&'static str),
}

impl ClientError {
    /// What the service said, if it did.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

fn said(problem: &Problem) -> &str {
    problem.detail.as_deref().unwrap_or(&problem.title)
}

impl CodedError for ClientError {
    /// The service's own code where it refused; text doesn't say a class, so that is told by the status.
    fn code(&self) -> Code {
        match self {
            Self::Refused { problem, .. } => Code::parse(&problem.code).map_or_else(
                || ClientCode::AnswerMalformed.into(),
                |code| code.with_class(class(problem.status)),
            ),
            Self::Unreachable { .. } => ClientCode::Unreachable.into(),
            Self::Malformed { .. } => ClientCode::AnswerMalformed.into(),
            Self::Address(_) => ClientCode::AddressRefused.into(),
            Self::Token(_) => ClientCode::TokenMalformed.into(),
        }
    }

    fn codes(&self) -> Vec<Code> {
        let Some(problem) = self.problem().filter(|problem| !problem.codes.is_empty()) else {
            return vec![self.code()];
        };
        let codes = problem.codes.iter().filter_map(|code| Code::parse(code));
        codes.map(|code| code.with_class(class(problem.status))).collect()
    }

    fn offset(&self) -> Option<u64> {
        self.problem().and_then(|problem| problem.offset)
    }

    fn path(&self) -> Option<&str> {
        self.problem().and_then(|problem| problem.path.as_deref())
    }
}

/// What kind of failure a status stands for, as far as it tells.
const fn class(status: u16) -> CodeClass {
    match status {
        408 | 429 | 502..=504 => CodeClass::Unavailable,
        409 => CodeClass::AlreadyDone,
        400..=499 => CodeClass::InputRefused,
        _ => CodeClass::Internal,
    }
}
