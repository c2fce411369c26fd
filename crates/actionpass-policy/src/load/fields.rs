//! Tables, lists and texts of a TOML document, with errors that know their place.

use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Result, Source};
use crate::PolicyCode;

/// A TOML value and where it stands.
pub(crate) type Node<'t> = Spanned<DeValue<'t>>;

/// A table that is being read.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'s, 't> {
    pub(crate) source: &'s Source<'s>,
    table: &'s DeTable<'t>,
    span: Range<usize>,
}

impl<'s, 't> Fields<'s, 't> {
    /// A value that must be a table.
    pub(crate) fn new(source: &'s Source<'s>, node: &'s Node<'t>) -> Result<Self> {
        match node.get_ref() {
            DeValue::Table(table) => Ok(Self {
                source,
                table,
                span: node.span(),
            }),
            other => Err(type_mismatch(source, node, "a table", other)),
        }
    }

    /// The document itself.
    pub(crate) fn top(source: &'s Source<'s>, table: &'s DeTable<'t>) -> Self {
        Self {
            source,
            table,
            span: 0..0,
        }
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Refuses keys that are none of these. The first in the text is named, whatever order the table keeps.
    pub(crate) fn only(&self, known: &[&str], what: &str) -> Result<()> {
        let unknown = self.table.keys().filter(|key| !known.contains(&&**key.get_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => {
                let problem = format!("unknown key `{}`: {what} has {}", key.get_ref(), known.join(", "));
                Err(self.source.error(PolicyCode::PolicyKeyUnknown, key.span(), problem))
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'s Node<'t>> {
        self.table.get(key)
    }

    pub(crate) fn need(&self, key: &str) -> Result<&'s Node<'t>> {
        self.get(key).ok_or_else(|| {
            self.source
                .error(PolicyCode::PolicyKeyMissing, self.span(), format!("`{key}` is missing"))
        })
    }

    /// The keys and values in the order of the text.
    pub(crate) fn entries(&self) -> Vec<(&'s str, &'s Node<'t>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, node)| (&**key.get_ref(), node))
            .collect()
    }

    /// An optional boolean, false where it is missing.
    pub(crate) fn flag(&self, key: &str) -> Result<bool> {
        self.get(key).map_or(Ok(false), |node| boolean(self.source, node))
    }
}

/// A text.
pub(crate) fn text<'s>(source: &Source<'_>, node: &'s Node<'_>) -> Result<&'s str> {
    match node.get_ref() {
        DeValue::String(text) => Ok(text),
        other => Err(type_mismatch(source, node, "text", other)),
    }
}

/// A text that follows the rule of its type.
pub(crate) fn parsed<T: FromStr<Err: Display>>(source: &Source<'_>, node: &Node<'_>) -> Result<T> {
    let parsed = text(source, node)?.parse::<T>();
    parsed.map_err(|error| source.error(PolicyCode::PolicyValueInvalid, node.span(), error.to_string()))
}

pub(crate) fn boolean(source: &Source<'_>, node: &Node<'_>) -> Result<bool> {
    match node.get_ref() {
        DeValue::Boolean(boolean) => Ok(*boolean),
        other => Err(type_mismatch(source, node, "true or false", other)),
    }
}

/// A list.
pub(crate) fn list<'s, 't>(source: &Source<'_>, node: &'s Node<'t>) -> Result<&'s [Node<'t>]> {
    match node.get_ref() {
        DeValue::Array(elements) => Ok(elements),
        other => Err(type_mismatch(source, node, "a list", other)),
    }
}

/// A list that names something.
pub(crate) fn some<'s, 't>(source: &Source<'_>, node: &'s Node<'t>) -> Result<&'s [Node<'t>]> {
    let elements = list(source, node)?;
    if elements.is_empty() {
        return Err(source.error(PolicyCode::PolicyListEmpty, node.span(), "the list is empty"));
    }
    Ok(elements)
}

/// A list of texts of one type, which names something.
pub(crate) fn names<T: FromStr<Err: Display>>(source: &Source<'_>, node: &Node<'_>) -> Result<Box<[T]>> {
    some(source, node)?
        .iter()
        .map(|element| parsed(source, element))
        .collect()
}

/// A whole number that is not negative.
pub(crate) fn count(source: &Source<'_>, node: &Node<'_>) -> Result<usize> {
    let DeValue::Integer(integer) = node.get_ref() else {
        return Err(type_mismatch(source, node, "a whole number", node.get_ref()));
    };
    usize::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        source.error(
            PolicyCode::PolicyValueInvalid,
            node.span(),
            "is not a whole number from 0 up",
        )
    })
}

pub(crate) fn type_mismatch(
    source: &Source<'_>,
    node: &Node<'_>,
    wanted: &str,
    found: &DeValue<'_>,
) -> crate::PolicyError {
    let found = match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    source.error(
        PolicyCode::PolicyTypeMismatch,
        node.span(),
        format!("is {found} and must be {wanted}"),
    )
}
