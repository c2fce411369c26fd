//! [`Json`]: a value with its members in order, and numbers as they are spelled.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Dialect, JsonError, Node};

/// A JSON value whose members keep their order and whose numbers keep their spelling.
///
/// In a document of ours it stands as text, since what reads that document sorts members.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no other values")]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is spelled.
    Number(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// A string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of strings.
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// An object with these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .rev()
                .find(|member| member.0 == name)
                .map(|member| &member.1),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Whether both are the same value, in whatever order their members stand.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(left), Self::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.is_same(right))
            }
            (Self::Object(left), Self::Object(right)) => {
                let has = |(name, value): &(String, Self)| other.get(name).is_some_and(|found| found.is_same(value));
                left.len() == right.len() && left.iter().all(has)
            }
            (left, right) => left == right,
        }
    }

    /// The text over several lines, as products write it: what stands in a line of its own begins with `indent`, and each
    /// level with one more `unit`.
    pub(crate) fn pretty(&self, indent: &str, unit: &str, newline: &str) -> String {
        let inner = format!("{indent}{unit}");
        let block = |open: char, close: char, parts: Vec<String>| {
            if parts.is_empty() {
                return format!("{open}{close}");
            }
            let parts = parts.join(&format!(",{newline}{inner}"));
            format!("{open}{newline}{inner}{parts}{newline}{indent}{close}")
        };
        match self {
            Self::List(items) => {
                let items = items.iter().map(|item| item.pretty(&inner, unit, newline));
                block('[', ']', items.collect())
            }
            Self::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{}: {}", quoted(name), value.pretty(&inner, unit, newline)));
                block('{', '}', members.collect())
            }
            other => other.compact(),
        }
    }

    /// The text in one line.
    pub(crate) fn compact(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(spelled) => spelled.clone(),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::compact).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("{}: {}", quoted(name), value.compact()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn parse(text: &str) -> Result<Self, JsonError> {
        Node::parse(text, Dialect::Strict).map(|node| node.to_json(text))
    }
}

/// The text as a string of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.compact())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
