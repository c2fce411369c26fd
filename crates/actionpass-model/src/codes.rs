//! Stable machine-readable codes: the [`codes!`](crate::codes) macro, their [`CodeClass`], [`Code`], any one of them, and
//! [`CodedError`], what every error says of itself.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Declares a closed set of stable codes.
///
/// Every code of the project is declared through this macro, so that the list in `docs/error-codes.md` can be
/// checked against the source. A variant's doc comment is its entry in that list; a code is never reused. The set names
/// the [`CodeClass`] of its codes, and a variant that has another names that one.
///
/// ```
/// use actionpass_model::CodeClass;
///
/// actionpass_model::codes! {
///     /// Why a message is not taken in.
///     pub enum InboxCode: Unavailable {
///         /// Its signature doesn't verify.
///         WrongKey = "inbox_wrong_key" => NotAuthentic,
///         /// There is no room for it.
///         Full = "inbox_full",
///     }
/// }
/// assert_eq!(InboxCode::WrongKey.as_str(), "inbox_wrong_key");
/// assert_eq!(InboxCode::from_code("inbox_wrong_key"), Some(InboxCode::WrongKey));
/// assert_eq!(InboxCode::WrongKey.class(), CodeClass::NotAuthentic);
/// assert_eq!(InboxCode::Full.class().exit_code(), 40);
/// ```
#[macro_export]
macro_rules! codes {
    (@class $default:ident) => { $crate::CodeClass::$default };
    (@class $default:ident $class:ident) => { $crate::CodeClass::$class };
    ($(#[$meta:meta])* $vis:vis enum $name:ident: $default:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $code:literal $(=> $class:ident)?,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        $vis enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every code of this set, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is written in JSON, logs and documents.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The variant that a code names, if it is one of this set.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == code)
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// What kind of failure the code stands for.
            #[must_use]
            pub const fn class(self) -> $crate::CodeClass {
                match self { $(Self::$variant => $crate::codes!(@class $default $($class)?)),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl PartialEq<$name> for $crate::Code {
            fn eq(&self, other: &$name) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl From<$name> for $crate::Code {
            fn from(code: $name) -> Self {
                Self::from_static(code.as_str(), code.class())
            }
        }
    };
}

/// What kind of failure a code stands for: what whoever meets it does next, whatever the code.
///
/// A later release may add classes: treat one that you don't know as [`Internal`](Self::Internal).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum CodeClass {
    /// It says why something came out as it did, and fails nothing by itself.
    Reason,
    /// A fault of ours.
    Internal,
    /// The program was called wrongly, or what the call names isn't there.
    Usage,
    /// A person said no.
    Declined,
    /// A token or document is not what it claims to be: malformed, of an unknown key, with a wrong signature.
    NotAuthentic,
    /// A pass is authentic and for something else.
    Mismatch,
    /// A pass or key holds at another time.
    OutOfTime,
    /// Somebody revoked it.
    Revoked,
    /// It has served already.
    AlreadyDone,
    /// An approval grants nothing.
    Approval,
    /// Trust store, clock or replay state are too old to judge by.
    Stale,
    /// The ledger is not whole.
    LedgerBroken,
    /// The input is refused.
    InputRefused,
    /// A custodian, a store or the system failed: the same call may succeed later.
    Unavailable,
}

impl CodeClass {
    /// The name, as `docs/error-codes.md` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reason => "Reason",
            Self::Internal => "Internal",
            Self::Usage => "Usage",
            Self::Declined => "Declined",
            Self::NotAuthentic => "NotAuthentic",
            Self::Mismatch => "Mismatch",
            Self::OutOfTime => "OutOfTime",
            Self::Revoked => "Revoked",
            Self::AlreadyDone => "AlreadyDone",
            Self::Approval => "Approval",
            Self::Stale => "Stale",
            Self::LedgerBroken => "LedgerBroken",
            Self::InputRefused => "InputRefused",
            Self::Unavailable => "Unavailable",
        }
    }

    /// The exit code of a program that fails for this (`docs/cli.md`).
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Reason | Self::Internal => 1,
            Self::Usage => 2,
            Self::Declined => 10,
            Self::NotAuthentic => 20,
            Self::Mismatch => 21,
            Self::OutOfTime => 22,
            Self::Revoked => 23,
            Self::AlreadyDone => 24,
            Self::Approval => 25,
            Self::Stale => 26,
            Self::LedgerBroken => 30,
            Self::InputRefused => 31,
            Self::Unavailable => 40,
        }
    }

    /// The HTTP status of an answer that fails for this (RFC 9110 §15), where its route says nothing more exact.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Usage | Self::InputRefused => 400,
            Self::Declined => 403,
            Self::AlreadyDone => 409,
            Self::NotAuthentic | Self::Mismatch | Self::OutOfTime | Self::Revoked | Self::Approval => 422,
            Self::Stale | Self::Unavailable => 503,
            Self::Reason | Self::Internal | Self::LedgerBroken => 500,
        }
    }

    /// The exit code of a program that fails for several reasons: the smallest from 20 up, else the smallest; 1 without
    /// any.
    #[must_use]
    pub fn exit_code_of_all(classes: impl IntoIterator<Item = Self>) -> u8 {
        let exits = classes.into_iter().map(Self::exit_code);
        exits
            .min_by_key(|exit| (*exit < 20, *exit))
            .unwrap_or(Self::Internal.exit_code())
    }
}

/// A stable code of any set, as text: `snake_case`, at most [`Code::MAX_BYTES`] bytes. Codes are equal if their texts are.
///
/// Records and answers carry codes of every layer and of custodians and stores that we don't know, so they hold
/// this type and not one of the closed sets.
#[derive(Clone, Debug)]
pub struct Code {
    text: Cow<'static, str>,
    class: CodeClass,
}

impl Code {
    /// The longest code that is read, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// A code known at compile time.
    #[must_use]
    pub const fn from_static(code: &'static str, class: CodeClass) -> Self {
        Self {
            text: Cow::Borrowed(code),
            class,
        }
    }

    /// Reads a code from text; `None` unless it is `snake_case` of 1 to [`Code::MAX_BYTES`] bytes. Text doesn't say the
    /// class, so that is [`CodeClass::Internal`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (starts && goes_on && text.len() <= Self::MAX_BYTES).then(|| Self {
            text: Cow::Owned(text.to_owned()),
            class: CodeClass::Internal,
        })
    }

    /// The same code with the class that whoever read it knows from elsewhere.
    #[must_use]
    pub fn with_class(self, class: CodeClass) -> Self {
        Self { class, ..self }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind of failure it stands for.
    #[must_use]
    pub const fn class(&self) -> CodeClass {
        self.class
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Code {}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

/// What every error of ActionPass says of itself, whatever its type: for logs, answers and other languages.
///
/// Errors that have a closed set of codes give theirs by an inherent `code()` as well; the two agree.
pub trait CodedError: Error {
    /// The stable code: of several, the first in the order of the checks.
    fn code(&self) -> Code;

    /// Every code that applies, in the order of the checks; never empty.
    fn codes(&self) -> Vec<Code> {
        vec![self.code()]
    }

    /// Where in the input it was found, in bytes from its start.
    fn offset(&self) -> Option<u64> {
        None
    }

    /// The member that it is about, as a path such as `capability.payload`.
    fn path(&self) -> Option<&str> {
        None
    }
}

/// Implements [`CodedError`] for an error by its own `code()`, and by what else is given.
///
/// ```
/// #[derive(Debug, thiserror::Error)]
/// #[error("byte {0}")]
/// struct BadByte(u64);
///
/// actionpass_model::codes! {
///     /// Why bytes are refused.
///     pub enum ByteCode: InputRefused {
///         /// A byte that can't stand there.
///         Bad = "byte_bad",
///     }
/// }
///
/// impl BadByte {
///     fn code(&self) -> ByteCode {
///         ByteCode::Bad
///     }
/// }
///
/// actionpass_model::coded_error!(BadByte, offset = |error| Some(error.0));
/// assert_eq!(actionpass_model::CodedError::offset(&BadByte(7)), Some(7));
/// ```
#[macro_export]
macro_rules! coded_error {
    ($error:ty $(, offset = |$offset_of:ident| $offset:expr)? $(, path = |$path_of:ident| $path:expr)?) => {
        impl $crate::CodedError for $error {
            fn code(&self) -> $crate::Code {
                <$error>::code(self).into()
            }

            $(fn offset(&self) -> Option<u64> {
                let $offset_of = self;
                $offset
            })?

            $(fn path(&self) -> Option<&str> {
                let $path_of = self;
                $path
            })?
        }
    };
}

/// The messages of an error and its sources, each once, joined by `: `. A transparent wrapper repeats the message of what
/// it wraps, which is left out.
#[must_use]
pub fn message_with_sources(error: &dyn Error) -> String {
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

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a code is snake_case, 1 to 64 bytes"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_short() {
        for good in ["a", "key_unknown", "x9_"] {
            assert!(Code::parse(good).is_some(), "{good}");
        }
        for bad in ["", "9a", "A", "key-unknown", "ключ", &"a".repeat(65)] {
            assert!(Code::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_smallest_exit_from_20_up_counts() {
        use CodeClass::{InputRefused, Mismatch, OutOfTime, Reason, Revoked, Unavailable, Usage};
        let exit = |classes: &[CodeClass]| CodeClass::exit_code_of_all(classes.iter().copied());
        assert_eq!(exit(&[OutOfTime, Revoked, Mismatch]), 21);
        assert_eq!(exit(&[Usage, Unavailable]), 40);
        assert_eq!(exit(&[Usage]), 2);
        assert_eq!(exit(&[Reason, InputRefused]), 31);
        assert_eq!(exit(&[]), 1);
    }

    #[test]
    fn a_code_is_its_text() {
        let known = Code::from_static("key_unknown", CodeClass::NotAuthentic);
        let read = Code::parse("key_unknown").unwrap();
        assert_eq!(known, read);
        assert_eq!(
            (known.class(), read.class()),
            (CodeClass::NotAuthentic, CodeClass::Internal)
        );
        assert_eq!(std::collections::HashSet::from([known, read]).len(), 1);
    }

    #[test]
    fn messages_of_sources_stand_once() {
        #[derive(Debug, thiserror::Error)]
        enum Layer {
            #[error("outer")]
            Outer(#[source] Box<Layer>),
            #[error(transparent)]
            Same(Box<Layer>),
            #[error("inner")]
            Inner,
        }
        let error = Layer::Outer(Box::new(Layer::Same(Box::new(Layer::Inner))));
        assert_eq!(message_with_sources(&error), "outer: inner");
    }
}
