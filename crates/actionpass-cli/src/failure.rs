//! [`Failure`]: why a command ends without a decision, with its code and the whole chain of causes, once.

use std::error::Error;

use actionpass_model::Code;

use crate::code::CliCode;

/// What commands give.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Why a command ends without a decision.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    offset: Option<usize>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with a message of our own.
    pub(crate) fn new(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            offset: None,
            hint: None,
        }
    }

    /// A failure of a layer below: its message and those of its causes.
    pub(crate) fn from_error(code: impl Into<Code>, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
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

    /// What to do next.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The messages of an error and its causes, each once: a transparent wrapper repeats the message of what it wraps.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if message != last {
            text.push_str(": ");
            text.push_str(&message);
            last = message;
        }
        source = cause.source();
    }
    text
}

macro_rules! from_layer {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let code = actionpass_model::Code::from(error.code());
                Self::from_error(code, &error)
            }
        }
    )+};
}

from_layer!(
    actionpass_canon::CanonError,
    actionpass_crypto::JwsError,
    actionpass_crypto::KeyError,
    actionpass_crypto::SignError,
    actionpass_model::DocumentError,
    actionpass_store::StoreError,
    actionpass_verify::TrustError,
);

impl From<actionpass_canon::AdmitError> for Failure {
    fn from(error: actionpass_canon::AdmitError) -> Self {
        Self::from_error(error.code(), &error).at(Some(error.offset()))
    }
}

impl From<actionpass_canon::BindError> for Failure {
    fn from(error: actionpass_canon::BindError) -> Self {
        Self::from_error(error.code(), &error).at(error.offset())
    }
}

impl From<actionpass_crypto::KeyFileError> for Failure {
    fn from(error: actionpass_crypto::KeyFileError) -> Self {
        Self::from_error(Code::from_static(error.code()), &error)
    }
}
