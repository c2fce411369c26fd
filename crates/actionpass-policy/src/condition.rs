//! Conditions: a path and what is asked of the value there, three-valued.

use std::borrow::Cow;

use actionpass_canon::names::fold;

use crate::datum::{Datum, Elements, End};
use crate::glob::Glob;
use crate::number::{Decimal, Number};
use crate::path::{Path, Step};
use crate::safe_path::is_safe_path_within;
use crate::scope::Scope;
use crate::template::Template;
use crate::truth::Truth;
use crate::work::Work;

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
    /// `equals` and `one_of`.
    OneOf(Literals),
    Compare(Bound),
    Glob(Globs),
    PathGlob(Globs),
    /// Whether a number has no fraction; with `decimal = true` a text that is one, too.
    Integer {
        decimal: bool,
    },
    SameAs(Other),
    /// The names that members may have, sorted.
    Members(Box<[Box<str>]>),
    Exists(bool),
    MinLength(usize),
    MaxLength(usize),
}

/// Patterns of texts or paths.
#[derive(Clone, Debug)]
pub(crate) struct Globs {
    pub(crate) globs: Box<[Glob]>,
    /// Whether they were read after case folding, and so must be what they are compared with: `glob_nocase`,
    /// `path_glob_nocase`.
    pub(crate) folded: bool,
}

/// What `same_as` names.
#[derive(Clone, Debug)]
pub(crate) enum Other {
    /// The value at another path.
    Path(Path),
    /// A text that is put together: `{payload.owner}/{payload.repo}`.
    Template(Template),
}

/// A number that others are compared with.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) side: Side,
    pub(crate) number: Number,
    /// The number in decimal, if texts are compared with it too: `decimal = true`.
    pub(crate) decimal: Option<Box<str>>,
}

/// On which side of a bound a number must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// `equals` with `decimal = true`.
    Equal,
}

/// A value written in the policy.
#[derive(Clone, Debug)]
pub(crate) enum Literal {
    Text(Box<str>),
    Number(Number),
    Boolean(bool),
}

/// Values written in the policy, each kind sorted: whether one is among them is found by search.
#[derive(Clone, Debug)]
pub(crate) struct Literals {
    pub(crate) texts: Box<[Box<str>]>,
    pub(crate) numbers: Box<[Number]>,
    pub(crate) booleans: Box<[bool]>,
}

/// What a condition came to, why, and on which value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    pub(crate) truth: Truth,
    pub(crate) cause: Cause,
    pub(crate) value: Option<Datum<'a>>,
}

/// Why a condition came to what it came to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The value is as asked.
    Held,
    /// The value is there, of the right type, and not as asked.
    Differs,
    /// There is no value at this path, or none at the path it is compared with.
    Missing,
    /// The value is of another type than the test is about, or of another type than what it is compared with; or a value
    /// before it on the path is of another type than the path says.
    OtherType,
    /// The value is no path that every reader resolves to the same place: it has a `..` segment, a `:`, a device's name …
    UnsafePath,
    /// The text is no decimal number that every reader reads alike, and the test compares texts as numbers: `"1e6"`.
    NotDecimal,
    /// The array has no element, so nothing can be said of every one.
    EmptyArray,
    /// There is no member of this name, and one whose name is equal after case folding: some readers take that one.
    FoldedName,
    /// A part of the text that it is compared with holds a character that stands between parts, so that two different
    /// pairs of parts would make one text.
    AmbiguousParts,
    /// The decision took more work than one may; it is a deny with `policy_work_exceeded`.
    WorkExceeded,
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

/// What `same_as` compares with: looked up once for a condition, however many elements it is asked of.
#[derive(Debug)]
enum Right<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Boolean(bool),
    /// There is nothing to compare with.
    Unknown(Cause),
}

/// A condition that is being asked.
#[derive(Debug)]
struct Asking<'c, 'a> {
    condition: &'c Condition,
    scope: &'c Scope<'a>,
    /// For a condition with `same_as`.
    right: Option<Right<'a>>,
}

impl Condition {
    /// What the condition comes to for an action.
    pub(crate) fn evaluate<'a>(&self, scope: &Scope<'a>) -> Finding<'a> {
        scope.work.visit(1);
        let same_as = self.tests.iter().find_map(|test| match test {
            Test::SameAs(other) => Some(other),
            _ => None,
        });
        let asking = Asking {
            condition: self,
            scope,
            right: same_as.map(|other| Right::find(other, scope)),
        };
        let (start, steps) = scope.start(&self.path);
        asking.walk(start, steps)
    }
}

impl<'a> Right<'a> {
    fn find(other: &Other, scope: &Scope<'a>) -> Self {
        let work = &scope.work;
        let path = match other {
            Other::Path(path) => path,
            Other::Template(template) => {
                return match template.fill(scope) {
                    Ok(text) => Self::Text(text.into()),
                    Err(cause) => Self::Unknown(cause),
                };
            }
        };
        let datum = match scope.end(path) {
            End::Found(datum) => datum,
            other => return Self::Unknown(other.cause()),
        };
        if let Some(text) = datum.text(work) {
            Self::Text(text)
        } else if let Some(number) = datum.number(work) {
            Self::Number(number)
        } else if let Some(boolean) = datum.boolean() {
            Self::Boolean(boolean)
        } else {
            Self::Unknown(Cause::OtherType)
        }
    }

    /// Whether a value is this one, or why that can't be said.
    fn is(&self, datum: Datum<'_>, work: &Work) -> Result<bool, Cause> {
        let same = match self {
            Self::Text(right) => datum.text(work).map(|left| left == *right),
            Self::Number(right) => datum.number(work).map(|left| left.compare(*right).is_eq()),
            Self::Boolean(right) => datum.boolean().map(|left| left == *right),
            Self::Unknown(cause) => return Err(*cause),
        };
        same.ok_or(Cause::OtherType)
    }
}

impl End<'_> {
    /// Why nothing can be said of the value there, of a path that finds none.
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Self::Found(_) | Self::Absent => Cause::Missing,
            Self::Broken(_) => Cause::OtherType,
            Self::Folded => Cause::FoldedName,
        }
    }
}

impl<'a> Asking<'_, 'a> {
    fn walk(&self, end: End<'a>, steps: &[Step]) -> Finding<'a> {
        let work = &self.scope.work;
        if work.is_exceeded() {
            return Finding::unknown(Cause::WorkExceeded, None);
        }
        work.visit(1);
        match (steps.split_first(), end) {
            (None, _) => self.all(end),
            (Some((Step::Member(name), rest)), _) => self.walk(end.member(name, work), rest),
            (Some((step, rest)), End::Found(datum)) => {
                let elements = match step {
                    Step::Members => datum.members(work),
                    Step::Tree => Some(datum.tree(work)),
                    _ => datum.elements(work),
                };
                match elements {
                    None => Finding::unknown(Cause::OtherType, Some(datum)),
                    Some(elements) => self.each(datum, elements, rest),
                }
            }
            (Some(_), End::Broken(datum)) => Finding::unknown(Cause::OtherType, Some(datum)),
            (Some(_), _) => Finding::unknown(end.cause(), None),
        }
    }

    fn each(&self, whole: Datum<'a>, elements: Elements<'a>, rest: &[Step]) -> Finding<'a> {
        let mut found = elements.map(|element| self.walk(End::Found(element), rest)).peekable();
        let whole = Some(whole);
        match self.condition.quantifier {
            Some(Quantifier::Any) => settle(&mut found, Truth::True, Finding::definite(false, whole)),
            Some(Quantifier::Every) if found.peek().is_none() => Finding::unknown(Cause::EmptyArray, whole),
            Some(Quantifier::Every) => settle(&mut found, Truth::False, Finding::definite(true, whole)),
            // A policy without quantifier here is refused at load.
            None => Finding::unknown(Cause::OtherType, whole),
        }
    }

    /// Whether all tests hold of what a path ends in.
    fn all(&self, end: End<'a>) -> Finding<'a> {
        let mut found = self.condition.tests.iter().map(|test| self.ask(test, end));
        let value = match end {
            End::Found(datum) => Some(datum),
            _ => None,
        };
        settle(&mut found, Truth::False, Finding::definite(true, value))
    }

    /// What one test comes to. Only a value can pass a test, and only of an object that lacks the member can it be said
    /// that nothing is there: both other ends are unknown, whatever is asked.
    fn ask(&self, test: &Test, end: End<'a>) -> Finding<'a> {
        let work = &self.scope.work;
        let datum = match (end, test) {
            (End::Found(datum), Test::Exists(wanted)) => return Finding::definite(*wanted, Some(datum)),
            (End::Absent, Test::Exists(wanted)) => return Finding::definite(!*wanted, None),
            (End::Found(datum), _) => datum,
            (End::Broken(datum), _) => return Finding::unknown(Cause::OtherType, Some(datum)),
            (End::Absent | End::Folded, _) => return Finding::unknown(end.cause(), None),
        };
        let value = Some(datum);
        let answer = match (test, &self.right) {
            (Test::SameAs(_), Some(right)) => match right {
                // There is nothing to compare with, whatever the value.
                Right::Unknown(cause) => return Finding::unknown(*cause, value),
                right => right.is(datum, work),
            },
            _ => test.judge(datum, work),
        };
        match answer {
            Ok(holds) => Finding::definite(holds, value),
            // Somewhere in a tree there is always something of another type. It is not what `any` looks for. What is of the
            // right type and can't be judged may be.
            Err(Cause::OtherType)
                if self.condition.quantifier == Some(Quantifier::Any) && self.condition.path.is_tree() =>
            {
                Finding::definite(false, value)
            }
            Err(cause) => Finding::unknown(cause, value),
        }
    }
}

/// The first finding that settles the matter, else the first unknown, else `otherwise`.
fn settle<'a>(found: &mut dyn Iterator<Item = Finding<'a>>, settles: Truth, otherwise: Finding<'a>) -> Finding<'a> {
    let mut result = otherwise;
    for finding in found {
        // Nothing is worth looking at any more: the decision is a deny.
        if finding.truth == settles || finding.cause == Cause::WorkExceeded {
            return finding;
        }
        if finding.truth == Truth::Unknown && result.truth != Truth::Unknown {
            result = finding;
        }
    }
    result
}

impl Test {
    /// What the tests that look at nothing but the value say of it, or why nothing can be said.
    pub(crate) fn judge(&self, datum: Datum<'_>, work: &Work) -> Result<bool, Cause> {
        let answer = match self {
            Self::Compare(bound) => return bound.holds(datum, work),
            Self::PathGlob(globs) => {
                let path = datum.text(work).ok_or(Cause::OtherType)?;
                return globs.match_path(&path, work).ok_or(Cause::UnsafePath);
            }
            Self::OneOf(literals) => literals.contain(datum, work),
            Self::Members(names) => datum.has_only(names, work),
            Self::Integer { decimal } => return is_whole(datum, *decimal, work),
            Self::Glob(globs) => datum.text(work).map(|text| globs.match_text(&text, work)),
            Self::MinLength(length) => datum.length(work).map(|found| found >= *length),
            Self::MaxLength(length) => datum.length(work).map(|found| found <= *length),
            Self::Exists(wanted) => Some(*wanted),
            Self::SameAs(_) => None,
        };
        answer.ok_or(Cause::OtherType)
    }
}

/// Whether a number has no fraction, or why that can't be said.
fn is_whole(datum: Datum<'_>, decimal: bool, work: &Work) -> Result<bool, Cause> {
    if let Some(number) = datum.number(work) {
        return Ok(number.is_whole());
    }
    let text = datum.text(work).filter(|_| decimal).ok_or(Cause::OtherType)?;
    let number = Decimal::parse(&text).ok_or(Cause::NotDecimal)?;
    Ok(number.is_whole())
}

/// What normalizing or folding a text costs. It takes several times the time of a comparison, and of another script than
/// ASCII is done with memory of its own.
pub(crate) fn dear(text: &str, work: &Work) {
    if text.is_ascii() {
        work.spend(text.len().saturating_mul(4));
    } else {
        work.visit(4);
        work.spend(text.len().saturating_mul(8));
    }
}

impl Globs {
    /// Whether one of them matches a text.
    fn match_text(&self, text: &str, work: &Work) -> bool {
        if !self.folded {
            return self.globs.iter().any(|glob| glob.matches(text, work));
        }
        dear(text, work);
        let folded = fold(text);
        dear(&folded, work);
        self.globs.iter().any(|glob| glob.matches(&folded, work))
    }

    /// Whether one of them matches; `None` for a path that some reader takes to another place.
    fn match_path(&self, path: &str, work: &Work) -> Option<bool> {
        dear(path, work);
        is_safe_path_within(path, work).then(|| self.match_text(path, work))
    }
}

impl Bound {
    /// Whether a number is on the right side of the bound, or why that can't be said.
    fn holds(&self, datum: Datum<'_>, work: &Work) -> Result<bool, Cause> {
        let order = match (&self.decimal, datum.number(work)) {
            (_, Some(number)) => number.compare(self.number),
            (Some(decimal), None) => {
                let text = datum.text(work).ok_or(Cause::OtherType)?;
                let read = |text| Decimal::parse(text).ok_or(Cause::NotDecimal);
                read(&text)?.compare(read(decimal)?)
            }
            (None, None) => return Err(Cause::OtherType),
        };
        Ok(match self.side {
            Side::Less => order.is_lt(),
            Side::AtMost => order.is_le(),
            Side::Greater => order.is_gt(),
            Side::AtLeast => order.is_ge(),
            Side::Equal => order.is_eq(),
        })
    }
}

impl Literals {
    pub(crate) fn new(literals: impl IntoIterator<Item = Literal>) -> Self {
        let (mut texts, mut numbers, mut booleans) = (Vec::new(), Vec::new(), Vec::new());
        for literal in literals {
            match literal {
                Literal::Text(text) => texts.push(text),
                Literal::Number(number) => numbers.push(number),
                Literal::Boolean(boolean) => booleans.push(boolean),
            }
        }
        texts.sort_unstable();
        numbers.sort_unstable_by(|left: &Number, right| left.compare(*right));
        Self {
            texts: texts.into(),
            numbers: numbers.into(),
            booleans: booleans.into(),
        }
    }

    /// Whether a value is one of these; `None` if none of them is of its type.
    fn contain(&self, datum: Datum<'_>, work: &Work) -> Option<bool> {
        if !self.texts.is_empty()
            && let Some(text) = datum.text(work)
        {
            return Some(self.texts.binary_search_by(|other| (**other).cmp(&*text)).is_ok());
        }
        if !self.numbers.is_empty()
            && let Some(number) = datum.number(work)
        {
            return Some(self.numbers.binary_search_by(|other| other.compare(number)).is_ok());
        }
        if self.booleans.is_empty() {
            return None;
        }
        datum.boolean().map(|boolean| self.booleans.contains(&boolean))
    }

    /// Every value, one at a time.
    pub(crate) fn each(&self) -> impl Iterator<Item = Literal> {
        let texts = self.texts.iter().cloned().map(Literal::Text);
        let numbers = self.numbers.iter().copied().map(Literal::Number);
        texts
            .chain(numbers)
            .chain(self.booleans.iter().copied().map(Literal::Boolean))
    }
}
