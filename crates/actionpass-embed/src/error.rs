//! [`Error`]: what every failure of the library is for another language.

use std::fmt;

use actionpass::model::{Code, CodedError, message_with_sources};
use serde::Serialize;

use crate::BindingCode;

/// A failure: its codes, and what is known of where it is. Serialized it is `{code, codes, message, offset?, path?}`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    code: Code,
    codes: Vec<Code>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Error {
    /// A failure with one code.
    #[must_use]
    pub fn new(code: BindingCode, message: impl Into<String>) -> Self {
        let code = Code::from(code);
        Self {
            codes: vec![code.clone()],
            code,
            message: message.into(),
            offset: None,
            path: None,
        }
    }

    /// A value of another language that is no JSON value: for bindings, which know where it stands in what they were handed.
    #[must_use]
    pub fn value_not_json(path: &str, what: &str) -> Self {
        let place = if path.is_empty() { "the value" } else { path };
        Self::new(
            BindingCode::ValueNotJson,
            format!("{place} is {what}, which is no JSON value"),
        )
        .at(path)
    }

    pub(crate) fn argument(path: &str, problem: impl fmt::Display) -> Self {
        let message = if path.is_empty() {
            problem.to_string()
        } else {
            format!("`{path}`: {problem}")
        };
        Self::new(BindingCode::ArgumentInvalid, message).at(path)
    }

    pub(crate) fn internal(problem: &dyn fmt::Display) -> Self {
        Self::new(BindingCode::BindingFailed, problem.to_string())
    }

    /// The same, of this member.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = (!path.is_empty()).then(|| path.to_owned());
        self
    }

    /// The stable code: of several, the first in the order of the checks.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_str()
    }

    /// Every code that applies; never empty.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.codes.iter().map(Code::as_str)
    }

    /// What a person reads: no secrets, one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the input it is, in bytes from its start.
    #[must_use]
    pub const fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The member that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Whether a code is among them.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.codes().any(|found| found == code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Whatever the layers below say, in the words of its whole chain.
impl<E: CodedError> From<E> for Error {
    fn from(error: E) -> Self {
        Self {
            code: error.code(),
            codes: error.codes(),
            message: message_with_sources(&error),
            offset: error.offset(),
            path: error.path().filter(|path| !path.is_empty()).map(ToOwned::to_owned),
        }
    }
}
