//! [`Failure`]: why a command ends without a decision, with its code and the whole chain of causes, once.

use std::error::Error;

use actionpass_model::{Code, CodedError, message_with_sources};

use crate::code::CliCode;
use crate::hint;

/// What commands give.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a command ends without a decision.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    offset: Option<usize>,
    path: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a message of our own.
    pub(crate) fn new(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            offset: None,
            path: None,
            hint: None,
        }
    }

    /// A failure of a layer below: its message and those of its causes.
    pub(crate) fn from_error(code: impl Into<Code>, error: &dyn Error) -> Self {
        Self::new(code, message_with_sources(error))
    }

    /// A fault of ours.
    pub(crate) fn internal(error: &dyn Error) -> Self {
        Self::from_error(CliCode::Internal, error)
    }

    /// The same, with what it was about in front.
    #[must_use]
    pub(crate) fn about(self, what: &str) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }

    /// The same, with what belongs to it behind.
    #[must_use]
    pub(crate) fn followed_by(self, what: &str) -> Self {
        Self {
            message: format!("{}: {what}", self.message),
            ..self
        }
    }

    /// The same, with the byte offset in the input.
    #[must_use]
    pub(crate) fn at(self, offset: Option<usize>) -> Self {
        Self { offset, ..self }
    }

    /// The same, with what to do next.
    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> &Code {
        &self.code
    }

    /// What went wrong, and why.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Where in the input, in bytes.
    pub(crate) const fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// The part of the input that it is about.
    pub(crate) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// What an error of a layer below says: code, messages of its whole chain, offset, and what to do next.
impl<E: CodedError + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let offset = error.offset().and_then(|offset| usize::try_from(offset).ok());
        let mut failure = Self::from_error(error.code(), &error).at(offset);
        failure.path = error.path().map(ToOwned::to_owned);
        match hint::of(&error) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
