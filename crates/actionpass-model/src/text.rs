//! Checked text: the machinery behind every id and name of the schema.

/// Text that isn't what its type demands: which type, and what is wrong. The text itself is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct TextError {
    what: &'static str,
    problem: &'static str,
}

impl TextError {
    pub(crate) const fn new(what: &'static str, problem: &'static str) -> Self {
        Self { what, problem }
    }

    /// What was to be read: `tenant`, `tool`, `digest` …
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> &'static str {
        self.problem
    }
}

/// `Deserialize`, `FromStr`, `TryFrom` and JSON Schema for a type with `parse(&str)`.
macro_rules! serde_text {
    ($name:ident, $schema:literal, $pattern:literal) => {
        impl ::std::str::FromStr for $name {
            type Err = $crate::text::TextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::text::TextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl ::serde::de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str(concat!("text of type ", $schema))
                    }

                    fn visit_str<E: ::serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }

        #[cfg(feature = "schema")]
        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                $schema.into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}
pub(crate) use serde_text;

/// A newtype over checked text that compares byte by byte.
macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, $what:literal, $pattern:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads checked text.
            ///
            /// # Errors
            /// [`TextError`](crate::TextError) says which rule of the type the text breaks.
            pub fn parse(text: &str) -> Result<Self, $crate::text::TextError> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(problem) => Err($crate::text::TextError::new($what, problem)),
                }
            }

            /// The text, as it was read.
            #[must_use]
            pub const fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl<'a> From<&'a $name> for ::std::borrow::Cow<'a, $name> {
            fn from(text: &'a $name) -> Self {
                Self::Borrowed(text)
            }
        }

        impl From<$name> for ::std::borrow::Cow<'_, $name> {
            fn from(text: $name) -> Self {
                Self::Owned(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0.into()
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        $crate::text::serde_text!($name, $what, $pattern);
    };
}
pub(crate) use text_type;

/// 1 to `max` bytes of ASCII 0x21 to 0x7E.
pub(crate) fn visible_ascii(text: &str, max: usize) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > max {
        return Err("is too long");
    }
    // Every byte is looked at before the verdict: the compiler turns that into vector instructions.
    let is_visible = text
        .bytes()
        .fold(true, |visible, byte| visible & matches!(byte, 0x21..=0x7E));
    if !is_visible {
        return Err("has a character outside of ASCII 0x21 to 0x7E");
    }
    Ok(())
}

/// `kind:value`, the kind one of `kinds`, the value 1 to 256 bytes of ASCII 0x21 to 0x7E.
pub(crate) fn principal(text: &str, kinds: &[&str]) -> Result<(), &'static str> {
    let value = |kind: &&str| text.strip_prefix(kind)?.strip_prefix(':');
    match kinds.iter().find_map(value) {
        Some(value) => visible_ascii(value, 256),
        None if text.contains(':') => Err("has another kind than its place demands"),
        None => Err("is not `kind:value`"),
    }
}

/// `[A-Za-z0-9]` and then up to `max - 1` of `[A-Za-z0-9]` or `also`.
pub(crate) fn name(text: &str, also: &[u8], max: usize) -> Result<(), &'static str> {
    let mut bytes = text.bytes();
    match bytes.next() {
        None => return Err("is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => return Err("does not start with a letter or digit"),
        Some(_) => {}
    }
    if text.len() > max {
        return Err("is too long");
    }
    if !bytes.all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte)) {
        return Err("has a character that is not allowed");
    }
    Ok(())
}
