//! JSON text that is edited where it has to be and stays as its owner wrote it everywhere else: order, indentation, comments,
//! line ends.
//!
//! Products read their configuration with parsers of their own, so what is read here is what they take: comments and a comma behind
//! the last member where a product takes them ([`Dialect::Lenient`]), and nothing but JSON elsewhere.

mod edit;
mod scan;
mod value;

use std::fmt;
use std::ops::Range;

pub(crate) use edit::Editor;
pub use value::Json;

/// What a product takes for JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// RFC 8259.
    Strict,
    /// With `//` and `/* */`, and a comma behind a last member.
    Lenient,
}

/// Why text is no JSON, or not what an edit expects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct JsonError {
    /// Where, in bytes.
    pub(crate) at: usize,
    pub(crate) problem: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.at)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Where its name begins.
    pub(crate) start: usize,
    pub(crate) name: String,
    pub(crate) node: Node,
}

impl Node {
    /// Reads a whole document.
    pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Self, JsonError> {
        scan::document(text, dialect)
    }

    /// The members of an object.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value, apart from its text.
    pub(crate) fn to_json(&self, text: &str) -> Json {
        match &self.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => Json::Bool(*value),
            Kind::Number => Json::Number(text.get(self.span.clone()).unwrap_or_default().to_owned()),
            Kind::Text(value) => Json::Text(value.clone()),
            Kind::List(items) => Json::List(items.iter().map(|item| item.to_json(text)).collect()),
            Kind::Object(members) => {
                let members = members.iter();
                Json::Object(
                    members
                        .map(|member| (member.name.clone(), member.node.to_json(text)))
                        .collect(),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
