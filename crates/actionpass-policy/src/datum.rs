//! What a path finds: a view of a JSON value or of a text of the action.
//!
//! Payload and context are looked at where they stand, in their canonical bytes: no tree is built of them. Canonical
//! bytes come from the gate, so they are well-formed; should they ever not be, they are of no type, and every
//! question about them is unknown.

use std::borrow::Cow;
use std::slice;

use actionpass_canon::scan;
use actionpass_model::{Digest, is_hidden};
use serde_json::Value;

use crate::number::Number;

/// A value that a condition looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Datum<'a> {
    /// A text of the action.
    Text(&'a str),
    /// A digest of the action.
    Digest(Digest),
    /// A number that the engine counted: the age of the facts.
    Count(u64),
    /// A value of payload or context: its canonical bytes.
    Canonical(&'a [u8]),
    /// A fact, or a value of the policy.
    Value(&'a Value),
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub(crate) enum Elements<'a> {
    Canonical(scan::Elements<'a>),
    Values(slice::Iter<'a, Value>),
}

impl<'a> Datum<'a> {
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Digest(digest) => Some(digest.to_string().into()),
            Self::Canonical(bytes) => scan::text(bytes),
            Self::Value(value) => value.as_str().map(Cow::Borrowed),
            Self::Count(_) => None,
        }
    }

    pub(crate) fn number(self) -> Option<Number> {
        match self {
            Self::Canonical(bytes) => Number::from_canonical(bytes),
            Self::Count(count) => Some(Number::Integer(count.into())),
            Self::Value(Value::Number(number)) => Number::from_json(number),
            _ => None,
        }
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        match self {
            Self::Canonical(b"true") => Some(true),
            Self::Canonical(b"false") => Some(false),
            Self::Value(value) => value.as_bool(),
            _ => None,
        }
    }

    pub(crate) fn elements(self) -> Option<Elements<'a>> {
        match self {
            Self::Canonical(bytes) => scan::elements(bytes).map(Elements::Canonical),
            Self::Value(Value::Array(elements)) => Some(Elements::Values(elements.iter())),
            _ => None,
        }
    }

    pub(crate) fn member(self, name: &str) -> Option<Datum<'a>> {
        match self {
            Self::Canonical(bytes) => scan::member(bytes, name).map(Datum::Canonical),
            Self::Value(value) => value.get(name).map(Datum::Value),
            _ => None,
        }
    }

    /// How many elements an array has or how many characters a text has.
    pub(crate) fn length(self) -> Option<usize> {
        self.elements()
            .map(Iterator::count)
            .or_else(|| self.text().map(|text| text.chars().count()))
    }

    /// The value for people: JSON on one line, shortened, with everything invisible escaped.
    pub(crate) fn show(self) -> String {
        const LONGEST: usize = 120;
        let json = match self {
            Self::Text(text) => Cow::Owned(Value::from(text).to_string()),
            Self::Digest(digest) => Cow::Owned(digest.to_string()),
            Self::Count(count) => Cow::Owned(count.to_string()),
            Self::Canonical(bytes) => String::from_utf8_lossy(bytes),
            Self::Value(value) => Cow::Owned(value.to_string()),
        };
        let mut shown = String::new();
        for (count, character) in json.chars().enumerate() {
            if count == LONGEST {
                shown.push('…');
                break;
            }
            if is_hidden(character) {
                shown.extend(character.escape_unicode());
            } else {
                shown.push(character);
            }
        }
        shown
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Datum<'a>;

    fn next(&mut self) -> Option<Datum<'a>> {
        match self {
            Self::Canonical(elements) => elements
                .next()
                .map(|element| Datum::Canonical(element.unwrap_or_default())),
            Self::Values(values) => values.next().map(Datum::Value),
        }
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{Limits, admit};
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            (-5i64..5).prop_map(Value::from),
            (-1e3..1e3f64).prop_map(Value::from),
            Just(1e300.into())
        ];
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            number,
            "[\\PC\n\"]{0,4}".prop_map(Value::from)
        ];
        scalar.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\"\n]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Both views see the same.
    fn alike(canonical: Datum<'_>, value: Datum<'_>) {
        assert_eq!(canonical.text(), value.text());
        assert_eq!(canonical.boolean(), value.boolean());
        assert_eq!(canonical.length(), value.length());
        match (canonical.number(), value.number()) {
            (Some(left), Some(right)) => assert!(left.compare(right).is_eq(), "{left:?} {right:?}"),
            (left, right) => assert!(left.is_none() && right.is_none(), "{left:?} {right:?}"),
        }
        for name in ["a", "b", "\"", "\n"] {
            match (canonical.member(name), value.member(name)) {
                (Some(left), Some(right)) => alike(left, right),
                (left, right) => assert!(left.is_none() && right.is_none()),
            }
        }
        match (canonical.elements(), value.elements()) {
            (Some(left), Some(right)) => left.zip(right).for_each(|(left, right)| alike(left, right)),
            (left, right) => assert!(left.is_none() && right.is_none()),
        }
    }

    proptest! {
        #[test]
        fn canonical_bytes_read_as_the_value_does(value in values()) {
            if let Ok(bytes) = admit(value.to_string().as_bytes(), &Limits::default()) {
                alike(Datum::Canonical(bytes.as_bytes()), Datum::Value(&value));
            }
        }

        #[test]
        fn other_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let datum = Datum::Canonical(&bytes);
            let _ = (datum.text(), datum.number(), datum.boolean(), datum.length(), datum.member("a"), datum.show());
        }
    }
}
