//! Conditions: a path and what is asked of the value there, three-valued.

use crate::datum::Datum;
use crate::glob::Glob;
use crate::number::Number;
use crate::path::{Path, Step};
use crate::scope::Scope;
use crate::truth::Truth;

/// One entry of `when` or `unless`.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) path: Path,
    /// How the elements of every `[]` of the path count; `None` for a path without.
    pub(crate) quantifier: Option<Quantifier>,
    pub(crate) tests: Box<[Test]>,
    /// What is asked, as the policy says it: `every = { path_glob = "src/**" }`.
    pub(crate) text: Box<str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantifier {
    Any,
    Every,
}

/// One question about one value.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Equals(Literal),
    OneOf(Box<[Literal]>),
    LessThan(Number),
    AtMost(Number),
    GreaterThan(Number),
    AtLeast(Number),
    Glob(Box<[Glob]>),
    PathGlob(Box<[Glob]>),
    SameAs(Path),
    Exists(bool),
    MinLength(usize),
    MaxLength(usize),
}

/// A value written in the policy.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Text(Box<str>),
    Number(Number),
    Boolean(bool),
}

/// What a condition came to, why, and on which value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    pub(crate) truth: Truth,
    pub(crate) cause: Cause,
    pub(crate) value: Option<Datum<'a>>,
}

/// Why a condition came to what it came to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The value is as asked.
    Held,
    /// The value is there, of the right type, and not as asked.
    Differs,
    /// There is no value at this path, or none at the path it is compared with.
    Missing,
    /// The value is of another type than the test is about, or of another type than what it is compared with.
    OtherType,
    /// The value is not a plain relative path: an empty, `.` or `..` segment, `\`, `%` or a control character.
    UnsafePath,
    /// The array has no element, so nothing can be said of every one.
    EmptyArray,
}

impl<'a> Finding<'a> {
    fn definite(holds: bool, value: Option<Datum<'a>>) -> Self {
        let cause = if holds { Cause::Held } else { Cause::Differs };
        Self {
            truth: Truth::definite(holds),
            cause,
            value,
        }
    }

    fn unknown(cause: Cause, value: Option<Datum<'a>>) -> Self {
        Self {
            truth: Truth::Unknown,
            cause,
            value,
        }
    }
}

impl Condition {
    /// What the condition comes to for an action.
    pub(crate) fn evaluate<'a>(&self, scope: &Scope<'a>) -> Finding<'a> {
        let (start, steps) = scope.start(&self.path);
        self.walk(start, steps, scope)
    }

    fn walk<'a>(&self, value: Option<Datum<'a>>, steps: &[Step], scope: &Scope<'a>) -> Finding<'a> {
        match steps.split_first() {
            None => all(&self.tests, value, scope),
            Some((Step::Member(name), rest)) => self.walk(value.and_then(|value| value.member(name)), rest, scope),
            Some((Step::Each, rest)) => match value.map(Datum::elements) {
                None => Finding::unknown(Cause::Missing, None),
                Some(None) => Finding::unknown(Cause::OtherType, value),
                Some(Some(elements)) => {
                    let mut found = elements.map(|element| self.walk(Some(element), rest, scope)).peekable();
                    match self.quantifier {
                        Some(Quantifier::Any) => settle(&mut found, Truth::True, Finding::definite(false, value)),
                        Some(Quantifier::Every) if found.peek().is_none() => Finding::unknown(Cause::EmptyArray, value),
                        Some(Quantifier::Every) => settle(&mut found, Truth::False, Finding::definite(true, value)),
                        // A policy without quantifier here is refused at load.
                        None => Finding::unknown(Cause::OtherType, value),
                    }
                }
            },
        }
    }
}

/// The first finding that settles the matter, else the first unknown, else `otherwise`.
fn settle<'a>(found: &mut dyn Iterator<Item = Finding<'a>>, settles: Truth, otherwise: Finding<'a>) -> Finding<'a> {
    let mut result = otherwise;
    for finding in found {
        if finding.truth == settles {
            return finding;
        }
        if finding.truth == Truth::Unknown && result.truth != Truth::Unknown {
            result = finding;
        }
    }
    result
}

/// Whether all tests hold of one value.
fn all<'a>(tests: &[Test], value: Option<Datum<'a>>, scope: &Scope<'a>) -> Finding<'a> {
    let mut found = tests.iter().map(|test| test.ask(value, scope));
    settle(&mut found, Truth::False, Finding::definite(true, value))
}

impl Test {
    fn ask<'a>(&self, value: Option<Datum<'a>>, scope: &Scope<'a>) -> Finding<'a> {
        if let Self::Exists(wanted) = self {
            return Finding::definite(value.is_some() == *wanted, value);
        }
        let Some(datum) = value else {
            return Finding::unknown(Cause::Missing, None);
        };
        let answer = match self {
            Self::SameAs(path) => match scope.value(path) {
                None => return Finding::unknown(Cause::Missing, value),
                Some(other) => same(datum, other),
            },
            Self::PathGlob(globs) => match datum.text() {
                Some(text) if !is_safe_path(&text) => return Finding::unknown(Cause::UnsafePath, value),
                Some(text) => Some(globs.iter().any(|glob| glob.matches(&text))),
                None => None,
            },
            other => other.judge(datum),
        };
        answer.map_or_else(
            || Finding::unknown(Cause::OtherType, value),
            |holds| Finding::definite(holds, value),
        )
    }

    /// What the tests that look at nothing but the value say of it; `None` if it is of another type.
    pub(crate) fn judge(&self, datum: Datum<'_>) -> Option<bool> {
        match self {
            Self::Equals(literal) => literal.is(datum),
            Self::OneOf(literals) => {
                let mut answer = None;
                for literal in literals {
                    match literal.is(datum) {
                        Some(true) => return Some(true),
                        Some(false) => answer = Some(false),
                        None => {}
                    }
                }
                answer
            }
            Self::LessThan(bound) => datum.number().map(|number| number.compare(*bound).is_lt()),
            Self::AtMost(bound) => datum.number().map(|number| number.compare(*bound).is_le()),
            Self::GreaterThan(bound) => datum.number().map(|number| number.compare(*bound).is_gt()),
            Self::AtLeast(bound) => datum.number().map(|number| number.compare(*bound).is_ge()),
            Self::Glob(globs) => datum.text().map(|text| globs.iter().any(|glob| glob.matches(&text))),
            Self::PathGlob(globs) => datum
                .text()
                .filter(|text| is_safe_path(text))
                .map(|text| globs.iter().any(|glob| glob.matches(&text))),
            Self::MinLength(length) => datum.length().map(|found| found >= *length),
            Self::MaxLength(length) => datum.length().map(|found| found <= *length),
            Self::Exists(wanted) => Some(*wanted),
            Self::SameAs(_) => None,
        }
    }
}

impl Literal {
    /// Whether a value is this one; `None` if it is of another type.
    fn is(&self, datum: Datum<'_>) -> Option<bool> {
        match self {
            Self::Text(text) => datum.text().map(|found| *found == **text),
            Self::Number(number) => datum.number().map(|found| found.compare(*number).is_eq()),
            Self::Boolean(boolean) => datum.boolean().map(|found| found == *boolean),
        }
    }
}

/// Whether two texts, numbers or booleans are the same; `None` for different types and for arrays, objects, `null`.
fn same(left: Datum<'_>, right: Datum<'_>) -> Option<bool> {
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        return Some(left == right);
    }
    if let (Some(left), Some(right)) = (left.number(), right.number()) {
        return Some(left.compare(right).is_eq());
    }
    Some(left.boolean()? == right.boolean()?)
}

/// Whether every reader of a path ends up at the same place: relative, no empty, `.` or `..` segment, and nothing
/// that some readers decode or take for a separator.
pub(crate) fn is_safe_path(path: &str) -> bool {
    !path
        .chars()
        .any(|character| matches!(character, '\\' | '%') || character.is_control())
        && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::is_safe_path;

    #[test]
    fn safe_paths() {
        for good in ["a", "src/a.rs", ".env", "a/.b/..c", "a b/ü"] {
            assert!(is_safe_path(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "./a",
            "a/../b",
            "a/.",
            "a\\b",
            "a%2fb",
            "a\nb",
            "a\0",
            "a\u{85}b",
        ] {
            assert!(!is_safe_path(bad), "{bad:?}");
        }
    }
}
