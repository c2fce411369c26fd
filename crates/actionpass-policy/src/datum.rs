//! What a path finds: a view of a JSON value or of a text of the action.
//!
//! Payload and context are looked at where they stand, in their canonical bytes: no tree is built of them. Canonical
//! bytes come from the gate, so they are well-formed; should they ever not be, they are of no type, and every
//! question about them is unknown.

use std::borrow::Cow;
use std::slice;

use actionpass_canon::scan;
use actionpass_model::{Digest, is_hidden};
use serde_json::{Map, Value};

use crate::number::Number;
use crate::path::Name;
use crate::work::Work;

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

/// How a path ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    /// At a value.
    Found(Datum<'a>),
    /// At an object without such a member, and without one of a name that some readers take for it.
    Absent,
    /// Before its last step, at a value that has no members: it is of another type than the path says.
    Broken(Datum<'a>),
    /// At an object that lacks the member and has one whose name is equal after case folding: some readers take that one.
    Folded,
}

/// The values that a step of many leads to.
#[derive(Clone, Debug)]
pub(crate) enum Elements<'a> {
    Canonical(scan::Elements<'a>),
    CanonicalMembers(scan::Members<'a>),
    CanonicalTree(scan::Scalars<'a>),
    Values(slice::Iter<'a, Value>),
    Members(serde_json::map::Values<'a>),
    /// What is still to be looked at, the next one last.
    Tree(Vec<Datum<'a>>),
}

impl<'a> End<'a> {
    /// One step further, to a member.
    pub(crate) fn member(self, name: &Name, work: &Work) -> Self {
        match self {
            Self::Found(datum) => datum.member(name, work),
            other => other,
        }
    }

    /// The member of a fact, or of the facts themselves.
    pub(crate) fn of_map(members: &'a Map<String, Value>, name: &Name, work: &Work) -> Self {
        work.spend(1);
        if let Some(value) = members.get(name.as_str()) {
            return Self::Found(Datum::Value(value));
        }
        work.spend(members.keys().map(String::len).sum());
        work.visit(members.len());
        if members.keys().any(|other| name.is_like(other)) {
            Self::Folded
        } else {
            Self::Absent
        }
    }
}

impl<'a> Datum<'a> {
    pub(crate) fn text(self, work: &Work) -> Option<Cow<'a, str>> {
        let text = match self {
            Self::Text(text) => Some(text.into()),
            Self::Digest(digest) => Some(digest.to_string().into()),
            Self::Canonical(bytes) => scan::text(bytes),
            Self::Value(value) => value.as_str().map(Cow::Borrowed),
            Self::Count(_) => None,
        };
        work.spend(text.as_ref().map_or(1, |text| text.len()));
        text
    }

    pub(crate) fn number(self, work: &Work) -> Option<Number> {
        work.spend(1);
        match self {
            Self::Canonical(bytes) => {
                let number = Number::from_canonical(bytes)?;
                work.spend(bytes.len());
                Some(number)
            }
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

    /// The elements of an array. All of them are paid for at once.
    pub(crate) fn elements(self, work: &Work) -> Option<Elements<'a>> {
        match self {
            Self::Canonical(bytes) => {
                let elements = scan::elements(bytes)?;
                work.spend(bytes.len());
                Some(Elements::Canonical(elements))
            }
            Self::Value(Value::Array(elements)) => {
                work.spend(elements.len());
                Some(Elements::Values(elements.iter()))
            }
            _ => None,
        }
    }

    /// The members' values of an object.
    pub(crate) fn members(self, work: &Work) -> Option<Elements<'a>> {
        match self {
            Self::Canonical(bytes) => {
                let members = scan::members(bytes)?;
                work.spend(bytes.len());
                Some(Elements::CanonicalMembers(members))
            }
            Self::Value(Value::Object(members)) => {
                work.spend(members.len());
                Some(Elements::Members(members.values()))
            }
            _ => None,
        }
    }

    /// Every member name, and every value that is neither object nor array, at any depth; the value itself if it is one.
    pub(crate) fn tree(self, work: &Work) -> Elements<'a> {
        match self {
            Self::Canonical(bytes) => {
                work.spend(bytes.len());
                Elements::CanonicalTree(scan::scalars(bytes))
            }
            other => Elements::Tree(vec![other]),
        }
    }

    /// Whether every member of an object has one of these names, byte by byte; `None` if it is no object. The names are
    /// sorted.
    pub(crate) fn has_only(self, names: &[Box<str>], work: &Work) -> Option<bool> {
        let is_known = |name: &str| names.binary_search_by(|known| (**known).cmp(name)).is_ok();
        match self {
            Self::Canonical(bytes) => {
                let members = scan::members(bytes)?;
                work.spend(bytes.len());
                for member in members {
                    work.visit(1);
                    if !is_known(&scan::text(member.ok()?.name)?) {
                        return Some(false);
                    }
                }
                Some(true)
            }
            Self::Value(Value::Object(members)) => {
                work.spend(members.keys().map(String::len).sum());
                work.visit(members.len());
                Some(members.keys().all(|name| is_known(name)))
            }
            _ => None,
        }
    }

    /// Where a step to a member leads from here.
    pub(crate) fn member(self, name: &Name, work: &Work) -> End<'a> {
        match self {
            Self::Canonical(bytes) => {
                let Some(members) = scan::members(bytes) else {
                    return End::Broken(self);
                };
                work.spend(bytes.len());
                let mut otherwise = End::Absent;
                for member in members {
                    work.visit(1);
                    match member {
                        Err(_) => return End::Broken(self),
                        Ok(member) if member.is_named(name.as_str()) => {
                            return End::Found(Datum::Canonical(member.value));
                        }
                        Ok(member) if name.is_like_canonical(member.name) => otherwise = End::Folded,
                        Ok(_) => {}
                    }
                }
                otherwise
            }
            Self::Value(Value::Object(members)) => End::of_map(members, name, work),
            _ => End::Broken(self),
        }
    }

    /// How many elements an array has or how many characters a text has.
    pub(crate) fn length(self, work: &Work) -> Option<usize> {
        self.elements(work)
            .map(Iterator::count)
            .or_else(|| self.text(work).map(|text| text.chars().count()))
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
        // Bytes that are not canonical are of no type.
        let canonical = |bytes: Result<&'a [u8], _>| Datum::Canonical(bytes.unwrap_or_default());
        match self {
            Self::Canonical(elements) => elements.next().map(canonical),
            Self::CanonicalMembers(members) => {
                let member = members.next()?;
                Some(canonical(member.map(|member| member.value)))
            }
            Self::CanonicalTree(scalars) => scalars.next().map(canonical),
            Self::Values(values) => values.next().map(Datum::Value),
            Self::Members(values) => values.next().map(Datum::Value),
            Self::Tree(open) => loop {
                match open.pop()? {
                    Datum::Value(Value::Array(elements)) => open.extend(elements.iter().rev().map(Datum::Value)),
                    Datum::Value(Value::Object(members)) => {
                        for (name, value) in members.iter().rev() {
                            open.push(Datum::Value(value));
                            open.push(Datum::Text(name));
                        }
                    }
                    scalar => return Some(scalar),
                }
            },
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
                proptest::collection::btree_map("[a-cA\"\n]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Both views see the same.
    fn alike(canonical: Datum<'_>, value: Datum<'_>) {
        let work = &Work::default();
        assert_eq!(canonical.text(work), value.text(work));
        assert_eq!(canonical.boolean(), value.boolean());
        assert_eq!(canonical.length(work), value.length(work));
        match (canonical.number(work), value.number(work)) {
            (Some(left), Some(right)) => assert!(left.compare(right).is_eq(), "{left:?} {right:?}"),
            (left, right) => assert!(left.is_none() && right.is_none(), "{left:?} {right:?}"),
        }
        for name in ["a", "A", "b", "\"", "\n"].map(Name::from) {
            match (canonical.member(&name, work), value.member(&name, work)) {
                (End::Found(left), End::Found(right)) => alike(left, right),
                (End::Absent, End::Absent) | (End::Folded, End::Folded) | (End::Broken(_), End::Broken(_)) => {}
                (left, right) => panic!("{left:?} {right:?}"),
            }
        }
        let names: [Box<str>; 2] = ["A".into(), "a".into()];
        assert_eq!(canonical.has_only(&names, work), value.has_only(&names, work));
        for (left, right) in [
            (canonical.elements(work), value.elements(work)),
            (canonical.members(work), value.members(work)),
        ] {
            match (left, right) {
                (Some(left), Some(right)) => left.zip(right).for_each(|(left, right)| alike(left, right)),
                (left, right) => assert!(left.is_none() && right.is_none()),
            }
        }
        let shown = |tree: Elements<'_>| {
            let mut shown: Vec<_> = tree
                .map(|datum| (datum.text(work).map(Cow::into_owned), datum.boolean()))
                .collect();
            shown.sort_unstable();
            shown
        };
        assert_eq!(shown(canonical.tree(work)), shown(value.tree(work)));
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
            let work = &Work::default();
            let _ = (datum.text(work), datum.number(work), datum.boolean(), datum.length(work), datum.show());
            let _ = datum.member(&Name::from("a"), work);
        }
    }
}
