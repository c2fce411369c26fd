//! Stable machine-readable codes: the [`codes!`](crate::codes) macro and [`Code`], any one of them as text.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Declares a closed set of stable codes.
///
/// Every code of the project is declared through this macro, so that the list in `docs/error-codes.md` can be
/// checked against the source. A variant's doc comment is its entry in that list; a code is never reused.
///
/// ```
/// actionpass_model::codes! {
///     /// Why a door stays shut.
///     pub enum DoorCode {
///         /// The key doesn't fit.
///         WrongKey = "wrong_key",
///     }
/// }
/// assert_eq!(DoorCode::WrongKey.as_str(), "wrong_key");
/// assert_eq!(DoorCode::from_code("wrong_key"), Some(DoorCode::WrongKey));
/// ```
#[macro_export]
macro_rules! codes {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+ }) => {
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
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for $crate::Code {
            fn from(code: $name) -> Self {
                Self::from_static(code.as_str())
            }
        }
    };
}

/// A stable code of any set, as text: `snake_case`, at most [`Code::MAX_BYTES`] bytes.
///
/// Records and answers carry codes of every layer and of custodians and stores that we don't know, so they hold
/// this type and not one of the closed sets.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// The longest code that is read, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// A code known at compile time.
    #[must_use]
    pub const fn from_static(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// Reads a code from text; `None` unless it is `snake_case` of 1 to [`Code::MAX_BYTES`] bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (starts && goes_on && text.len() <= Self::MAX_BYTES).then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
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
}
