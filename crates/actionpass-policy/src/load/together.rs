//! What is asked of one value, refused where no value meets it all.
//!
//! Every condition of a list asks something of the value at its path, and of each value on the way there: that it is an
//! object, or an array. What `same_as` looks at must be there, too. Whatever is asked of one value is held together.

use std::collections::{HashMap, HashSet};

use super::condition::impossible;
use super::{Node, Result, Source};
use crate::condition::{Bound, Condition, Literal, Literals, Other, Quantifier, Side, Test};
use crate::datum::Datum;
use crate::number::Number;
use crate::path::{Path, Root, Step};
use crate::template::Part;
use crate::work::Work;

/// What a condition asks of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'c> {
    /// That it passes a test.
    Test(&'c Test),
    /// That it leads on by this step.
    Within {
        step: &'c Step,
        /// Whether it may be absent as well: what the condition asks is that something inside doesn't exist.
        or_absent: bool,
    },
    /// That it is of one of these types, to be compared with.
    Compared(Types),
}

impl Asked<'_> {
    fn types(self) -> Types {
        match self {
            Self::Test(test) => Types::of(test),
            Self::Within { step, .. } => match step {
                Step::Member(_) | Step::Members => Types::OBJECT,
                Step::Each => Types::ARRAY,
                Step::Tree => Types::ANY,
            },
            Self::Compared(types) => types,
        }
    }

    const fn test(&self) -> Option<&Test> {
        match self {
            Self::Test(test) => Some(test),
            _ => None,
        }
    }

    /// Whether what doesn't exist meets it.
    const fn permits_absence(self) -> bool {
        matches!(
            self,
            Self::Test(Test::Exists(false)) | Self::Within { or_absent: true, .. }
        )
    }
}

/// Something asked, and where the policy says it.
type AskedAt<'c, 'n, 't> = (Asked<'c>, &'n Node<'t>);

/// What is asked at one place.
#[derive(Debug, Default)]
struct Place<'c, 'n, 't> {
    of_all: Vec<AskedAt<'c, 'n, 't>>,
    /// With the number of the condition: what each condition with `any` asks of one of many values.
    of_one: Vec<(usize, AskedAt<'c, 'n, 't>)>,
}

/// Refuses conditions that no call meets together. Those about one of many values don't contradict each other, since
/// each may be met by another value.
pub(super) fn meet_each_other(source: &Source<'_>, nodes: &[Node<'_>], conditions: &[Condition]) -> Result<()> {
    if conditions.len() < 2 {
        // The tests of one condition were compared when it was read.
        return Ok(());
    }
    let work = Work::default();
    let mut compared = 0_usize;
    for place in Places::of(nodes, conditions).list {
        let mut groups: Vec<&[_]> = place.of_one.chunk_by(|(one, _), (other, _)| one == other).collect();
        if groups.is_empty() {
            groups.push(&[]);
        }
        for group in groups {
            let of_one = group.iter().map(|(_, asked)| *asked);
            let asked: Vec<_> = place.of_all.iter().copied().chain(of_one).collect();
            compared = compared.saturating_add(asked.len());
            if compared > MAX_COMPARED {
                return Ok(());
            }
            consistent(source, &asked, &work)?;
        }
    }
    Ok(())
}

/// Everything that a list of conditions asks, by place.
#[derive(Debug, Default)]
struct Places<'c, 'n, 't> {
    list: Vec<Place<'c, 'n, 't>>,
    roots: HashMap<Root, usize>,
    below: HashMap<(usize, &'c Step), usize>,
}

impl<'c, 'n, 't> Places<'c, 'n, 't> {
    fn of(nodes: &'n [Node<'t>], conditions: &'c [Condition]) -> Self {
        let mut places = Self::default();
        for (number, (condition, node)) in conditions.iter().zip(nodes).enumerate() {
            let or_absent = condition.tests.iter().all(|test| matches!(test, Test::Exists(false)));
            let one = (condition.quantifier == Some(Quantifier::Any)).then_some(number);
            let at = places.lead(&condition.path, node, or_absent, one);
            for test in &condition.tests {
                let one = one.filter(|_| condition.path.is_many());
                places.ask(at, Asked::Test(test), node, one);
                match test {
                    Test::SameAs(Other::Path(other)) => places.compare(other, Types::SCALAR, node),
                    Test::SameAs(Other::Template(template)) => {
                        for part in template.parts() {
                            if let Part::Path(other) = part {
                                places.compare(other, Types::TEXT, node);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        places
    }

    /// Where a path leads, having asked of each value on the way that it leads on. `one` is the number of a condition that
    /// asks what it asks of one of many values.
    fn lead(&mut self, path: &'c Path, node: &'n Node<'t>, or_absent: bool, one: Option<usize>) -> usize {
        let mut at = *self.roots.entry(path.root).or_insert(self.list.len());
        self.make(at);
        let mut many = false;
        for (depth, step) in path.steps.iter().enumerate() {
            // Of what isn't there nothing can be said of each element.
            let leads_to_one = path
                .steps
                .iter()
                .skip(depth)
                .all(|step| matches!(step, Step::Member(_)));
            let asked = Asked::Within {
                step,
                or_absent: or_absent && leads_to_one,
            };
            self.ask(at, asked, node, one.filter(|_| many));
            many |= !matches!(step, Step::Member(_));
            at = *self.below.entry((at, step)).or_insert(self.list.len());
            self.make(at);
        }
        at
    }

    fn compare(&mut self, path: &'c Path, types: Types, node: &'n Node<'t>) {
        let at = self.lead(path, node, false, None);
        self.ask(at, Asked::Compared(types), node, None);
    }

    fn make(&mut self, at: usize) {
        if at == self.list.len() {
            self.list.push(Place::default());
        }
    }

    fn ask(&mut self, at: usize, asked: Asked<'c>, node: &'n Node<'t>, one: Option<usize>) {
        let Some(place) = self.list.get_mut(at) else { return };
        match one {
            Some(number) => place.of_one.push((number, (asked, node))),
            None => place.of_all.push((asked, node)),
        }
    }
}

/// How many things that are asked are compared at most: loading takes time by the size of the file, not by its square. What
/// is left uncompared is taken for possible.
const MAX_COMPARED: usize = 1 << 16;

/// Refuses what no value meets together.
pub(super) fn consistent(source: &Source<'_>, all: &[AskedAt<'_, '_, '_>], work: &Work) -> Result<()> {
    let mut shortest = 0;
    let mut longest = usize::MAX;
    let mut types = Types::ANY;
    let mut least = None;
    let mut most = None;
    let tests = || all.iter().filter_map(|(asked, node)| Some((asked.test()?, *node)));
    let whole = tests().any(|(test, _)| matches!(test, Test::Integer { .. }));
    // Each once: a list that holds them all is as long as they are many, so that this takes time by the size of the file.
    let needed: HashSet<&str> = needed_members(all).collect();
    let must_exist = all.iter().any(|(asked, _)| !asked.permits_absence());
    for (asked, node) in all {
        types = types.and(asked.types());
        if types == Types::NONE {
            return Err(impossible(source, node, "no value has the types of all tests"));
        }
    }
    for (test, node) in tests() {
        match test {
            Test::Exists(false) if must_exist => {
                return Err(impossible(source, node, "what doesn't exist has no value to test"));
            }
            Test::Members(names) if !needed.iter().all(|name| is_among(name, names)) => {
                let problem = "another condition needs a member that isn't among these";
                return Err(impossible(source, node, problem));
            }
            Test::MinLength(length) => shortest = shortest.max(*length),
            Test::MaxLength(length) => longest = longest.min(*length),
            Test::Compare(bound) => {
                let includes = matches!(bound.side, Side::AtLeast | Side::AtMost | Side::Equal);
                if matches!(bound.side, Side::AtLeast | Side::Greater | Side::Equal) {
                    least = tighter(least, (bound.number, includes), true);
                }
                if matches!(bound.side, Side::AtMost | Side::Less | Side::Equal) {
                    most = tighter(most, (bound.number, includes), false);
                }
            }
            Test::OneOf(literals) if !some_passes(literals, tests().map(|(test, _)| test), work) => {
                return Err(impossible(source, node, "none of the values passes the other tests"));
            }
            _ => {}
        }
        let empty_range = match (least, most) {
            (Some((least, includes_least)), Some((most, includes_most))) if whole => {
                let (least, most) = (
                    least.next_whole(includes_least, true),
                    most.next_whole(includes_most, false),
                );
                Number::compare(least, most).is_gt()
            }
            (Some((least, includes_least)), Some((most, includes_most))) => {
                let order = Number::compare(least, most);
                order.is_gt() || order.is_eq() && !(includes_least && includes_most)
            }
            _ => false,
        };
        if shortest > longest || empty_range {
            return Err(impossible(source, node, "no value lies between the bounds"));
        }
    }
    Ok(())
}

/// The JSON types of values that a test can be true of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Types(u8);

impl Types {
    const NONE: Self = Self(0);
    const TEXT: Self = Self(1);
    const NUMBER: Self = Self(2);
    const BOOLEAN: Self = Self(4);
    const ARRAY: Self = Self(8);
    const OBJECT: Self = Self(16);
    const SCALAR: Self = Self::TEXT.or(Self::NUMBER).or(Self::BOOLEAN);
    const ANY: Self = Self(u8::MAX);

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn of(test: &Test) -> Self {
        match test {
            Test::OneOf(literals) => [
                (literals.texts.is_empty(), Self::TEXT),
                (literals.numbers.is_empty(), Self::NUMBER),
                (literals.booleans.is_empty(), Self::BOOLEAN),
            ]
            .into_iter()
            .filter(|(is_empty, _)| !is_empty)
            .fold(Self::NONE, |types, (_, kind)| types.or(kind)),
            Test::Compare(Bound { decimal: Some(_), .. }) | Test::Integer { decimal: true } => {
                Self::NUMBER.or(Self::TEXT)
            }
            Test::Compare(_) | Test::Integer { .. } => Self::NUMBER,
            Test::Glob(_) | Test::PathGlob(_) | Test::SameAs(Other::Template(_)) => Self::TEXT,
            Test::MinLength(_) | Test::MaxLength(_) => Self::TEXT.or(Self::ARRAY),
            Test::Members(_) => Self::OBJECT,
            Test::SameAs(Other::Path(_)) => Self::SCALAR,
            Test::Exists(_) => Self::ANY,
        }
    }
}

type Limit = (Number, bool);

/// The tighter of two bounds; `lower` says on which side they are.
fn tighter(bound: Option<Limit>, new: Limit, lower: bool) -> Option<Limit> {
    let Some(old) = bound else { return Some(new) };
    let order = new.0.compare(old.0);
    let tighter = if lower { order.is_gt() } else { order.is_lt() };
    Some(if tighter || order.is_eq() && !new.1 { new } else { old })
}

/// The members that a value must have.
fn needed_members<'c>(all: &[AskedAt<'c, '_, '_>]) -> impl Iterator<Item = &'c str> {
    all.iter().filter_map(|(asked, _)| match asked {
        Asked::Within {
            step: Step::Member(name),
            or_absent: false,
        } => Some(name.as_str()),
        _ => None,
    })
}

/// Whether a name is one of a sorted list.
fn is_among(name: &str, names: &[Box<str>]) -> bool {
    names.binary_search_by(|known| (**known).cmp(name)).is_ok()
}

/// How many steps it may take to find a value that passes: loading takes time by the size of the file, not by its square.
const MAX_SEARCH: u64 = 1 << 22;

/// Whether one of the values passes every other test, or so many were tried in vain that the rest is taken to pass.
fn some_passes<'a>(literals: &Literals, tests: impl Iterator<Item = &'a Test> + Clone, work: &Work) -> bool {
    literals
        .each()
        .any(|literal| work.spent() > MAX_SEARCH || passes(&literal, tests.clone(), work))
}

/// Whether a literal passes every test that looks at the value only.
fn passes<'a>(literal: &Literal, mut tests: impl Iterator<Item = &'a Test>, work: &Work) -> bool {
    let value = match literal {
        Literal::Text(text) => Some(serde_json::Value::from(&**text)),
        Literal::Boolean(boolean) => Some(serde_json::Value::from(*boolean)),
        Literal::Number(Number::Float(float)) => Some(serde_json::Value::from(*float)),
        Literal::Number(Number::Integer(integer)) => i64::try_from(*integer).ok().map(serde_json::Value::from),
    };
    let Some(value) = value else { return true };
    tests.all(|test| matches!(test, Test::SameAs(_)) || test.judge(Datum::Value(&value), work) == Ok(true))
}
