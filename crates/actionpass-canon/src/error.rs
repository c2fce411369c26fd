//! Why a document is refused: [`AdmitError`] at the gate, [`CanonError`] for typed values.

use std::fmt;

use actionpass_model::{Code, codes};

codes! {
    /// Why the gate refuses a document.
    pub enum AdmitCode: InputRefused {
        /// A byte that is not part of valid UTF-8 (RFC 3629).
        InvalidUtf8 = "invalid_utf8",
        /// A byte order mark before the document.
        ByteOrderMark = "byte_order_mark",
        /// Something other than white space after the document.
        TrailingBytes = "trailing_bytes",
        /// The input ends before the document does.
        JsonTruncated = "json_truncated",
        /// A byte that cannot stand there (RFC 8259).
        JsonSyntax = "json_syntax",
        /// A number that breaks the grammar, such as `01`, `1.` or `1e`.
        NumberMalformed = "number_malformed",
        /// A control character in a string that is not escaped.
        ControlCharacter = "control_character",
        /// A backslash followed by something that is no escape of JSON.
        InvalidEscape = "invalid_escape",
        /// An escaped surrogate without its other half: no character, and readers disagree on what it is.
        LoneSurrogate = "lone_surrogate",
        /// A member name that occurs twice in one object, however it is escaped.
        MemberDuplicate = "member_duplicate",
        /// A member name that some parsers use for themselves: it starts with `$serde_json::private::`.
        MemberNameReserved = "member_name_reserved",
        /// More members in all objects together than the limit.
        MembersExceeded = "members_exceeded",
        /// Objects and arrays nested deeper than the limit.
        DepthExceeded = "depth_exceeded",
        /// Input or canonical form larger than the limit.
        SizeExceeded = "size_exceeded",
        /// A number too large for a double, which some readers take for infinity.
        NumberOutOfRange = "number_out_of_range",
        /// An integer outside of ±(2^53−1), written so or so in canonical form: readers round it differently.
        NumberUnsafeInteger = "number_unsafe_integer",
        /// A number whose nearest double is another number.
        NumberNotExact = "number_not_exact",
    }
}

codes! {
    /// Why a typed value has no canonical form, besides what the gate refuses as well.
    pub enum CanonCode: InputRefused {
        /// A member name that is not text.
        MemberNameNotText = "member_name_not_text",
        /// The value's own serialization failed.
        ValueNotSerializable = "value_not_serializable",
    }
}

impl AdmitCode {
    const fn message(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::ByteOrderMark => "a byte order mark before the document",
            Self::TrailingBytes => "something follows the document",
            Self::JsonTruncated => "the input ends before the document does",
            Self::JsonSyntax => "not JSON",
            Self::NumberMalformed => "not a JSON number",
            Self::ControlCharacter => "a control character in a string, unescaped",
            Self::InvalidEscape => "not a JSON escape",
            Self::LoneSurrogate => "a surrogate without its other half",
            Self::MemberDuplicate => "a member name occurs twice in one object",
            Self::MemberNameReserved => "a member name that parsers use for themselves",
            Self::MembersExceeded => "too many members",
            Self::DepthExceeded => "nested too deep",
            Self::SizeExceeded => "too large",
            Self::NumberOutOfRange => "a number too large for a double; write it as a string",
            Self::NumberUnsafeInteger => {
                "an integer outside of ±(2^53−1), which readers round differently; send 64-bit integers as strings"
            }
            Self::NumberNotExact => "a number that no double equals",
        }
    }
}

/// A refusal by the gate: what, where, and for an inexact number the spelling that is accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AdmitError {
    code: AdmitCode,
    offset: usize,
    spelling: Option<Box<str>>,
}

impl AdmitError {
    pub(crate) const fn new(code: AdmitCode, offset: usize) -> Self {
        Self {
            code,
            offset,
            spelling: None,
        }
    }

    pub(crate) fn with_spelling(mut self, spelling: &[u8]) -> Self {
        self.spelling = std::str::from_utf8(spelling).ok().map(Into::into);
        self
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> AdmitCode {
        self.code
    }

    /// Where in the input, in bytes from its start: the first byte of what is refused; the length of the input if
    /// something is missing at its end or its canonical form is too large.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// For [`AdmitCode::NumberNotExact`] the number that a double holds instead, spelled as it is accepted.
    #[must_use]
    pub fn accepted_spelling(&self) -> Option<&str> {
        self.spelling.as_deref()
    }
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.code.message(), self.offset)?;
        match &self.spelling {
            Some(spelling) => write!(f, ": write `{spelling}`"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AdmitError {}

/// Why [`canonicalize`](crate::canonicalize) gives no bytes for a typed value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonError {
    /// The gate would refuse the document that the value makes.
    #[error("{}", .0.message())]
    Refused(AdmitCode),
    /// A map has a key that is not text.
    #[error("a member name that is not text")]
    NameNotText,
    /// The value's own `Serialize` failed.
    #[error("the value cannot be serialized: {message}")]
    NotSerializable {
        /// What it said.
        message: Box<str>,
    },
}

impl CanonError {
    /// The stable code: one of [`AdmitCode`] or of [`CanonCode`].
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(code) => (*code).into(),
            Self::NameNotText => CanonCode::MemberNameNotText.into(),
            Self::NotSerializable { .. } => CanonCode::ValueNotSerializable.into(),
        }
    }
}

impl serde::ser::Error for CanonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::NotSerializable {
            message: message.to_string().into(),
        }
    }
}

actionpass_model::coded_error!(AdmitError, offset = |error| Some(error.offset as u64));
actionpass_model::coded_error!(CanonError);
