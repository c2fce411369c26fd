//! The engine's meaning a second time, by the book: slow, over trees, and without any part of the engine but what says
//! whether a rule can be loaded. Rules, payloads and changes to payloads are drawn from bytes, so that a property test and a
//! fuzz target can share them.

#![expect(clippy::arithmetic_side_effects, reason = "small numbers, in a test")]

use actionpass_canon::names::fold;
use actionpass_model::{ApprovalMode, Assurance, Decision, Grant, is_hidden};
use actionpass_policy::{PolicyCode, RulePolicy};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::world;

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Decision,
    pub(crate) tool: &'static str,
    pub(crate) when: Vec<Condition>,
    pub(crate) unless: Vec<Condition>,
    pub(crate) count: usize,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) not_owner: bool,
    pub(crate) overridable_by: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    path: Path,
    /// For a path to many values: whether every one must pass (else any).
    each: Option<bool>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
struct Path {
    root: &'static str,
    steps: &'static [Step],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Member(&'static str),
    Each,
    EveryMember,
    Tree,
}

#[derive(Clone, Debug)]
enum Test {
    OneOf(Vec<Value>),
    AtMost(i64),
    LessThan(i64),
    AtLeast(i64),
    GreaterThan(i64),
    /// With `decimal = true`: `at_most`, `at_least`, `equals`.
    DecimalAtMost(i64),
    DecimalAtLeast(i64),
    DecimalEquals(i64),
    Exists(bool),
    MinLength(usize),
    MaxLength(usize),
    Glob(&'static str),
    GlobNocase(&'static str),
    Integer,
    /// With `decimal = true`.
    DecimalInteger,
    PathGlob(&'static str),
    PathGlobNocase(&'static str),
    SameAs(Path),
    /// Two paths and a separator.
    SamePair(Path, &'static str, Path),
    ClosedTo(&'static [&'static str]),
}

/// Kleene's third value is `None`.
type Kleene = Option<bool>;

fn and(values: impl IntoIterator<Item = Kleene>) -> Kleene {
    let values: Vec<Kleene> = values.into_iter().collect();
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn not(value: Kleene) -> Kleene {
    value.map(|value| !value)
}

/// How a path ends.
#[derive(Clone)]
enum End {
    Found(Value),
    Absent,
    /// At another type, or at a name that is equal after case folding only.
    Unclear,
}

fn member(of: &Value, name: &str) -> End {
    let Value::Object(members) = of else {
        return End::Unclear;
    };
    if let Some(value) = members.get(name) {
        return End::Found(value.clone());
    }
    for other in members.keys() {
        if fold(other) == fold(name) {
            return End::Unclear;
        }
    }
    End::Absent
}

/// Everything in a tree that is no object and no array, and every name.
fn leaves(of: &Value) -> Vec<Value> {
    match of {
        Value::Array(elements) => elements.iter().flat_map(leaves).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| [vec![json!(name)], leaves(value)].concat())
            .collect(),
        scalar => vec![scalar.clone()],
    }
}

/// Whether a pattern matches a text, by the definition of each wildcard.
fn matches(pattern: &str, text: &str) -> bool {
    fn rest(pattern: &[u8], at: usize, text: &[u8]) -> bool {
        let here = &pattern[at..];
        let starts_segment = at == 0 || pattern[at - 1] == b'/';
        let some_end = |after: usize, may_end: &dyn Fn(&[u8]) -> bool| {
            (0..=text.len()).any(|end| may_end(&text[..end]) && rest(pattern, at + after, &text[end..]))
        };
        if here.is_empty() {
            text.is_empty()
        } else if here.starts_with(b"**/") && starts_segment {
            some_end(3, &|run| run.is_empty() || run.ends_with(b"/"))
        } else if here.starts_with(b"**") {
            some_end(2, &|_| true)
        } else if here.starts_with(b"*") {
            some_end(1, &|run| !run.contains(&b'/'))
        } else {
            text.first() == here.first() && rest(pattern, at + 1, &text[1..])
        }
    }
    rest(pattern.as_bytes(), 0, text.as_bytes())
}

/// Whether every reader resolves a path to the same place.
fn is_plain_path(path: &str) -> bool {
    let normal: String = path.nfc().collect();
    let compatible: String = path.nfkc().collect();
    if normal != path || compatible.split('/').count() != path.split('/').count() {
        return false;
    }
    for spelling in [path, &compatible] {
        if spelling.contains([
            '\\', ':', '%', '<', '>', '"', '|', '*', '?', '\u{a5}', '\u{2215}', '\u{600}', '\u{fdd0}',
        ]) || spelling.chars().any(is_hidden)
        {
            return false;
        }
        if spelling.starts_with(['~', '$']) {
            return false;
        }
        for segment in spelling.split('/') {
            if segment == "..namedfork"
                || segment.is_empty()
                || segment.ends_with('.')
                || segment.ends_with(char::is_whitespace)
            {
                return false;
            }
            let stem = segment.split('.').next().unwrap().trim().to_uppercase();
            let mut devices: Vec<String> = ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"]
                .map(String::from)
                .to_vec();
            devices.extend((0..10).flat_map(|digit| [format!("COM{digit}"), format!("LPT{digit}")]));
            if devices.contains(&stem) {
                return false;
            }
            if let Some((_, digits)) = stem.rsplit_once('~')
                && !digits.is_empty()
                && digits.chars().all(|digit| digit.is_ascii_digit())
            {
                return false;
            }
        }
    }
    true
}

/// A text that is a decimal number, in hundredths of hundredths; a fraction has at most four digits here.
fn decimal(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let parts: Vec<&str> = digits.split('.').collect();
    let all_digits = parts
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit()));
    if parts.len() > 2 || !all_digits || (parts[0].len() > 1 && parts[0].starts_with('0')) {
        return None;
    }
    let fraction = parts.get(1).copied().unwrap_or("0");
    assert!(fraction.len() <= 4, "{text}");
    let whole: i64 = parts[0].parse().ok()?;
    Some(sign * (whole * 10_000 + format!("{fraction:0<4}").parse::<i64>().unwrap()))
}

impl Path {
    fn is_many(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Member(_)))
    }

    fn is_tree(&self) -> bool {
        self.steps.contains(&Step::Tree)
    }

    fn text(&self) -> String {
        let step = |step: &Step| match step {
            Step::Member(name) => format!(".{name}"),
            Step::Each => "[]".to_owned(),
            Step::EveryMember => ".*".to_owned(),
            Step::Tree => ".**".to_owned(),
        };
        self.steps
            .iter()
            .fold(self.root.to_owned(), |text, next| text + &step(next))
    }

    fn root(&self, world: &World) -> Value {
        match self.root {
            "payload" => world.payload.clone(),
            _ => Value::Object(world.facts.clone()),
        }
    }

    /// How a path to one value ends.
    fn end(&self, world: &World) -> End {
        let mut end = End::Found(self.root(world));
        for step in self.steps {
            end = match (end, step) {
                (End::Found(value), Step::Member(name)) => member(&value, name),
                (end, _) => end,
            };
        }
        end
    }
}

impl Test {
    fn ask(&self, end: End, world: &World) -> Kleene {
        let value = match (self, end) {
            (_, End::Unclear) => return None,
            (Self::Exists(wanted), End::Found(_)) => return Some(*wanted),
            (Self::Exists(wanted), End::Absent) => return Some(!*wanted),
            (_, End::Absent) => return None,
            (_, End::Found(value)) => value,
        };
        let number = || value.as_f64();
        let hundredths = || match value.as_str() {
            Some(text) => decimal(text),
            None => Some((value.as_f64()? * 10_000.0) as i64),
        };
        let same_type = |other: &Value| {
            (other.is_string() && value.is_string())
                || (other.is_boolean() && value.is_boolean())
                || (other.is_number() && value.is_number())
        };
        let same = |other: &Value| match (other.as_f64(), value.as_f64()) {
            (Some(left), Some(right)) => left == right,
            _ => *other == value,
        };
        match self {
            Self::OneOf(literals) => {
                if literals.iter().any(same_type) {
                    Some(literals.iter().any(same))
                } else {
                    None
                }
            }
            Self::AtMost(bound) => Some(number()? <= *bound as f64),
            Self::LessThan(bound) => Some(number()? < *bound as f64),
            Self::AtLeast(bound) => Some(number()? >= *bound as f64),
            Self::GreaterThan(bound) => Some(number()? > *bound as f64),
            Self::DecimalAtMost(bound) => Some(hundredths()? <= bound * 10_000),
            Self::DecimalAtLeast(bound) => Some(hundredths()? >= bound * 10_000),
            Self::DecimalEquals(bound) => Some(hundredths()? == bound * 10_000),
            Self::MinLength(_) | Self::MaxLength(_) => {
                let length = match &value {
                    Value::Array(elements) => elements.len(),
                    Value::String(text) => text.chars().count(),
                    _ => return None,
                };
                Some(match self {
                    Self::MinLength(least) => length >= *least,
                    Self::MaxLength(most) => length <= *most,
                    _ => unreachable!(),
                })
            }
            Self::Glob(pattern) => Some(matches(pattern, value.as_str()?)),
            Self::GlobNocase(pattern) => Some(matches(&fold(pattern), &fold(value.as_str()?))),
            Self::Integer => Some(number()?.fract() == 0.0),
            Self::DecimalInteger => Some(hundredths()? % 10_000 == 0),
            Self::PathGlob(pattern) => {
                let path = value.as_str()?;
                is_plain_path(path).then(|| matches(pattern, path))
            }
            Self::PathGlobNocase(pattern) => {
                let path = value.as_str()?;
                is_plain_path(path).then(|| matches(&fold(pattern), &fold(path)))
            }
            Self::SameAs(other) => match other.end(world) {
                End::Found(other) if same_type(&other) => Some(same(&other)),
                _ => None,
            },
            Self::SamePair(left, separator, right) => {
                let part = |path: &Path| match path.end(world) {
                    End::Found(Value::String(text)) if !text.contains(separator) => Some(text),
                    _ => None,
                };
                let pair = format!("{}{separator}{}", part(left)?, part(right)?);
                Some(value.as_str()? == pair)
            }
            Self::ClosedTo(names) => {
                let members = value.as_object()?;
                Some(members.keys().all(|name| names.contains(&name.as_str())))
            }
            Self::Exists(_) => unreachable!(),
        }
    }

    /// Whether a value is of a type that the test is about; what it is compared with doesn't matter.
    fn is_about(&self, value: &Value, world: &World) -> bool {
        let pair = || value.is_string();
        match self {
            Self::SameAs(other) => match other.end(world) {
                End::Found(Value::String(_)) => value.is_string(),
                End::Found(Value::Number(_)) => value.is_number(),
                End::Found(Value::Bool(_)) => value.is_boolean(),
                // There is nothing to compare with, whatever the value.
                _ => true,
            },
            Self::SamePair(..) => pair() || self.ask(End::Found(json!("")), world).is_none(),
            Self::PathGlob(_) | Self::PathGlobNocase(_) => value.is_string(),
            Self::DecimalAtMost(_) | Self::DecimalAtLeast(_) | Self::DecimalEquals(_) | Self::DecimalInteger => {
                value.is_string() || value.is_number()
            }
            _ => self.ask(End::Found(value.clone()), world).is_some(),
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::OneOf(literals) if literals.len() == 1 => format!("equals = {}", literals[0]),
            Self::OneOf(literals) => format!("one_of = {}", json!(literals)),
            Self::AtMost(bound) => format!("at_most = {bound}"),
            Self::LessThan(bound) => format!("less_than = {bound}"),
            Self::AtLeast(bound) => format!("at_least = {bound}"),
            Self::GreaterThan(bound) => format!("greater_than = {bound}"),
            Self::DecimalAtMost(bound) => format!("at_most = {bound}, decimal = true"),
            Self::DecimalAtLeast(bound) => format!("decimal = true, at_least = {bound}"),
            Self::DecimalEquals(bound) => format!("equals = {bound}, decimal = true"),
            Self::Exists(wanted) => format!("exists = {wanted}"),
            Self::MinLength(length) => format!("min_length = {length}"),
            Self::MaxLength(length) => format!("max_length = {length}"),
            Self::Glob(pattern) => format!("glob = {pattern:?}"),
            Self::GlobNocase(pattern) => format!("glob_nocase = {pattern:?}"),
            Self::Integer => "integer = true".to_owned(),
            Self::DecimalInteger => "decimal = true, integer = true".to_owned(),
            Self::PathGlob(pattern) => format!("path_glob = {pattern:?}"),
            Self::PathGlobNocase(pattern) => format!("path_glob_nocase = {pattern:?}"),
            Self::SameAs(path) => format!("same_as = {:?}", path.text()),
            Self::SamePair(left, separator, right) => {
                format!("same_as = \"{{{}}}{separator}{{{}}}\"", left.text(), right.text())
            }
            Self::ClosedTo(names) => format!("members = {names:?}"),
        }
    }
}

impl Condition {
    pub(crate) fn ask(&self, world: &World) -> Kleene {
        self.walk(End::Found(self.path.root(world)), self.path.steps, world)
    }

    fn walk(&self, end: End, steps: &[Step], world: &World) -> Kleene {
        let Some((step, rest)) = steps.split_first() else {
            return self.test.ask(end, world);
        };
        let value = match (step, end) {
            (Step::Member(name), End::Found(value)) => return self.walk(member(&value, name), rest, world),
            (Step::Member(_), end) => return self.walk(end, rest, world),
            (_, End::Found(value)) => value,
            (_, _) => return None,
        };
        let every = self.each.unwrap();
        let values: Vec<Value> = match step {
            Step::Each => value.as_array()?.clone(),
            Step::EveryMember => value.as_object()?.values().cloned().collect(),
            _ => leaves(&value),
        };
        if every && values.is_empty() {
            return None;
        }
        let asked = values.into_iter().map(|value| {
            if *step == Step::Tree && !every && !self.test.is_about(&value, world) {
                return Some(false);
            }
            self.walk(End::Found(value), rest, world)
        });
        // Any is not every not.
        if every { and(asked) } else { not(and(asked.map(not))) }
    }

    fn toml(&self) -> String {
        let (path, test) = (self.path.text(), self.test.toml());
        match self.each {
            None => format!("{{ path = \"{path}\", {test} }}"),
            Some(every) => {
                let quantifier = if every { "every" } else { "any" };
                format!("{{ path = \"{path}\", {quantifier} = {{ {test} }} }}")
            }
        }
    }

    /// The kind of its test, and whether it is asked of many values.
    pub(crate) fn kind(&self) -> (String, Option<bool>) {
        let test = format!("{:?}", self.test);
        (test.split(['(', ' ']).next().unwrap().to_owned(), self.each)
    }

    /// Whether taking something away can answer the question: whether it is there, and whether all is well with everything
    /// that is there.
    pub(crate) fn is_about_presence(&self) -> bool {
        let all = self
            .path
            .steps
            .iter()
            .any(|step| matches!(step, Step::EveryMember | Step::Tree));
        all || matches!(self.test, Test::Exists(_) | Test::ClosedTo(_))
    }

    pub(crate) fn draw(choices: &mut Choices<'_>) -> Self {
        use Step::{Each, EveryMember, Member, Tree};
        const PATHS: &[&[Step]] = &[
            &[Member("a")],
            &[Member("b")],
            &[Member("a"), Member("x")],
            &[Member("a"), Each],
            &[Member("a"), Each, Member("x")],
            &[Member("b"), Each, Member("x")],
            &[Member("a"), Each, Each],
            &[Member("a"), Member("x"), Each],
            &[Member("a"), EveryMember],
            &[Member("a"), Tree],
            &[EveryMember],
            &[EveryMember, Member("x")],
            &[EveryMember, Each],
            &[Tree],
        ];
        const ONE: &[&[Step]] = &[
            &[Member("a")],
            &[Member("b")],
            &[Member("a"), Member("x")],
            &[Member("x")],
        ];
        let root = choices.pick(&["payload", "payload", "fact"]);
        // A path to facts names one.
        let paths = if root == "fact" { &PATHS[..10] } else { PATHS };
        let path = Path {
            root,
            steps: choices.pick(paths),
        };
        let mut other = || Path {
            root: choices.pick(&["payload", "payload", "fact"]),
            steps: choices.pick(ONE),
        };
        let (left, right) = (other(), other());
        let bound = choices.below(4) as i64 - 1;
        let literals = [
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(2),
            json!("x"),
            json!("y"),
            json!("x/y"),
        ];
        let test = match choices.below(27) {
            0..4 => Test::OneOf(vec![choices.pick(&literals)]),
            4 => Test::OneOf(vec![choices.pick(&literals), choices.pick(&literals), json!("xy")]),
            5 => Test::AtMost(bound),
            6 => Test::LessThan(bound),
            7 => Test::AtLeast(bound),
            8 => Test::GreaterThan(bound),
            9 => Test::DecimalAtMost(bound),
            10 => Test::DecimalAtLeast(bound),
            11 => Test::DecimalEquals(bound),
            12..15 if matches!(path.steps.last(), Some(Member(_))) => Test::Exists(choices.below(2) == 0),
            15 => Test::MinLength(choices.below(3)),
            16 => Test::MaxLength(choices.below(3)),
            17 => Test::Glob(choices.pick(&["x**", "*y", "**/y", "x", "*"])),
            18 => Test::PathGlob(choices.pick(&["**", "x/**", "**/y", "*"])),
            19 => Test::PathGlobNocase(choices.pick(&["X/**", "x*", "**/Y"])),
            20 | 21 if left != path => Test::SameAs(left),
            22 if choices.below(2) == 0 => {
                let at = |steps| Path { root: "payload", steps };
                return Self {
                    path: at(&[Member("a")]),
                    each: None,
                    test: Test::SamePair(at(&[Member("b")]), "/", at(&[Member("x")])),
                };
            }
            22 => Test::SamePair(left, choices.pick(&["/", "."]), right),
            23 if !path.is_tree() => Test::ClosedTo(choices.pick(&[&["a"][..], &["x"], &["a", "b", "x"], &["A", "a"]])),
            24 => Test::GlobNocase(choices.pick(&["X**", "*Y", "x"])),
            25 => Test::Integer,
            26 => Test::DecimalInteger,
            _ => Test::OneOf(vec![json!("x")]),
        };
        let each = path.is_many().then(|| choices.below(2) == 0);
        Self { path, each, test }
    }
}

/// Bytes that choices are made of; when they are used up, the first of everything.
pub(crate) struct Choices<'b>(pub(crate) &'b [u8]);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        match self.0.split_first() {
            None => 0,
            Some((byte, rest)) => {
                self.0 = rest;
                usize::from(*byte) % count
            }
        }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn scalar(&mut self) -> Value {
        const TEXTS: &[&str] = &[
            "x",
            "xy",
            "y",
            "",
            "1",
            "1.50",
            "01",
            "-0",
            "1e6",
            "+2",
            "x/y",
            "../x",
            "X",
            "X/y",
            "con",
            "x.",
            "\u{ff58}",
            "e\u{301}",
            "x?",
            "x\u{2215}y",
            "x/..namedfork",
        ];
        match self.below(8) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(false),
            3 | 4 => json!(self.below(3)),
            5 => json!(1.5),
            _ => json!(self.pick(TEXTS)),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 3 } else { 7 }) {
            0..3 => self.scalar(),
            3 | 4 => (0..self.below(3)).map(|_| self.value(depth - 1)).collect(),
            5 => (0..self.below(3)).map(|_| json!({ "x": self.scalar() })).collect(),
            _ => Value::Object(self.members(depth - 1)),
        }
    }

    /// Names that paths name, and one that some readers take for another.
    pub(crate) fn members(&mut self, depth: usize) -> Map<String, Value> {
        const NAMES: &[&str] = &["a", "b", "x", "a", "x", "A", "X", "c"];
        (0..self.below(4))
            .map(|_| (self.pick(NAMES).to_owned(), self.value(depth)))
            .collect()
    }

    /// The same value with one thing changed somewhere: what an agent may try to have a rule look elsewhere.
    pub(crate) fn mutated(&mut self, value: &Value) -> Value {
        // Further in, mostly.
        match value {
            Value::Object(members) if !members.is_empty() && self.below(3) > 0 => {
                let at = self.below(members.len());
                let (name, inner) = members.iter().nth(at).unwrap();
                let (name, inner) = (name.clone(), self.mutated(inner));
                let mut changed = members.clone();
                changed.insert(name, inner);
                return Value::Object(changed);
            }
            Value::Array(elements) if !elements.is_empty() && self.below(3) > 0 => {
                let at = self.below(elements.len());
                let mut changed = elements.clone();
                changed[at] = self.mutated(&elements[at]);
                return Value::Array(changed);
            }
            _ => {}
        }
        let mut changed = value.clone();
        match (&mut changed, self.below(9)) {
            (Value::Object(members), 0..3) if !members.is_empty() => {
                let name = members.keys().nth(self.below(members.len())).unwrap().clone();
                let inner = members.remove(&name).unwrap();
                match self.below(3) {
                    0 => {}
                    1 => drop(members.insert(name.to_uppercase(), inner)),
                    _ => {
                        members.insert(name.to_lowercase(), self.scalar());
                        members.insert(name.to_uppercase(), inner);
                    }
                }
            }
            (Value::Object(members), 3) => drop(members.insert("extra".to_owned(), self.value(1))),
            (Value::Array(elements), 0 | 1) => elements.push(self.value(1)),
            (Value::Array(elements), 2) => drop(elements.pop()),
            (Value::String(text), 0) => *text = text.to_uppercase(),
            (Value::String(text), 1) => text.push('.'),
            (Value::String(text), 2) => *text = format!("x/../{text}"),
            (_, 4) => changed = json!([value]),
            (_, 5) => changed = json!({ "x": value }),
            (_, 6) => changed = json!(value.to_string()),
            (_, 7) => changed = Value::Null,
            _ => changed = self.value(2),
        }
        changed
    }

    /// Up to four rules about tool `t`, without people.
    pub(crate) fn rules(&mut self) -> Vec<Rule> {
        (0..=self.below(4)).map(|index| self.rule(index).consistent()).collect()
    }

    /// A rule that may contradict itself.
    pub(crate) fn rule(&mut self, index: usize) -> Rule {
        Rule {
            id: format!("r{index}"),
            effect: self.pick(&[Decision::Allow, Decision::Allow, Decision::Deny, Decision::StepUp]),
            tool: "t",
            when: (0..self.below(3)).map(|_| Condition::draw(self)).collect(),
            unless: (0..self.below(3)).map(|_| Condition::draw(self)).collect(),
            count: 1,
            roles: Vec::new(),
            not_owner: false,
            overridable_by: Vec::new(),
        }
    }

    /// A world without approvals.
    pub(crate) fn world(&mut self) -> World {
        World {
            tool: "t",
            payload: match self.below(12) {
                11 => self.value(2),
                10 => json!({ "a": "x/y", "b": self.pick(&["x", "x/y"]), "x": "y" }),
                _ => Value::Object(self.members(2)),
            },
            facts: self.members(2),
            grants: Vec::new(),
        }
    }
}

/// Draws rules and a world, changes its payload some times, and holds the engine against the reference each time.
pub(crate) fn differ(bytes: &[u8]) -> Result<Vec<Decision>, String> {
    let choices = &mut Choices(bytes);
    let (rules, mut world) = (choices.rules(), choices.world());
    let mut decisions = Vec::new();
    for _ in 0..4 {
        let (found, expected) = (world.judge(&rules).decision, world.expected(&rules));
        if found != expected {
            return Err(format!(
                "{found}, not {expected}: {world:?} {}",
                rules.iter().map(Rule::toml).collect::<String>()
            ));
        }
        decisions.push(found);
        world.payload = choices.mutated(&world.payload);
    }
    Ok(decisions)
}

impl Rule {
    fn toml(&self) -> String {
        let list = |conditions: &[Condition]| conditions.iter().map(Condition::toml).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "[[rule]]\nid = \"{}\"\neffect = \"{}\"\ntool = \"{}\"\n",
            self.id, self.effect, self.tool
        );
        for (key, conditions) in [("when", &self.when), ("unless", &self.unless)] {
            if !conditions.is_empty() {
                text += &format!("{key} = [{}]\n", list(conditions));
            }
        }
        if self.effect == Decision::StepUp {
            let roles = if self.roles.is_empty() {
                String::new()
            } else {
                format!(", roles = {:?}", self.roles)
            };
            text += &format!(
                "approvals = {{ count = {}, not_owner = {}{roles} }}\n",
                self.count, self.not_owner
            );
        }
        if self.effect == Decision::Deny && !self.overridable_by.is_empty() {
            text += &format!("overridable_by = {:?}\n", self.overridable_by);
        }
        text
    }

    /// The rule without the last conditions for as long as those contradict each other, which no policy may.
    pub(crate) fn consistent(mut self) -> Self {
        while self.is_contradictory() {
            let longer = if self.when.len() > self.unless.len() {
                &mut self.when
            } else {
                &mut self.unless
            };
            longer.pop().expect("a rule without conditions contradicts none");
        }
        self
    }

    /// Whether the engine refuses the rule since some of its conditions can't hold together.
    pub(crate) fn is_contradictory(&self) -> bool {
        let text = format!("schema = \"actionpass.policy.v1\"\nid = \"test\"\n{}", self.toml());
        match RulePolicy::load(&text, "test.toml") {
            Ok(_) => false,
            Err(error) if error.code() == PolicyCode::PolicyConditionImpossible => true,
            Err(error) => panic!("{error}: {text}"),
        }
    }

    /// Whether all conditions of `when` come to true.
    pub(crate) fn conditions_hold(&self, world: &World) -> bool {
        and(self.when.iter().map(|condition| condition.ask(world))) == Some(true)
    }

    /// Whether the rule applies.
    pub(crate) fn applies(&self, world: &World) -> bool {
        let ask = |conditions: &[Condition]| and(conditions.iter().map(|condition| condition.ask(world)));
        let exception = if self.unless.is_empty() {
            Some(false)
        } else {
            ask(&self.unless)
        };
        let holds = and([ask(&self.when), not(exception)]);
        let about = self.tool == "**" || self.tool == world.tool;
        about
            && (if self.effect == Decision::Allow {
                holds == Some(true)
            } else {
                holds != Some(false)
            })
    }

    fn lifted(&self, world: &World) -> bool {
        world.grants.iter().any(|grant| {
            grant.mode == ApprovalMode::PolicyOverride
                && grant.assurance == Assurance::Signed
                && grant.rules.iter().any(|rule| rule.as_str() == self.id)
                && grant
                    .roles
                    .iter()
                    .any(|role| self.overridable_by.contains(&role.as_str()))
        })
    }

    fn satisfied(&self, world: &World) -> bool {
        let counts = |grant: &&Grant| {
            grant.mode == ApprovalMode::Human
                && (self.roles.is_empty() || grant.roles.iter().any(|role| self.roles.contains(&role.as_str())))
                && !(self.not_owner && grant.approver.as_str() == "user:owner@example.com")
        };
        let mut people: Vec<&str> = world
            .grants
            .iter()
            .filter(counts)
            .map(|grant| grant.approver.as_str())
            .collect();
        people.sort_unstable();
        people.dedup();
        people.len() >= self.count
    }
}

/// Everything that a decision depends on but the rules.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) tool: &'static str,
    pub(crate) payload: Value,
    pub(crate) facts: Map<String, Value>,
    pub(crate) grants: Vec<Grant>,
}

impl World {
    /// What the engine decides.
    pub(crate) fn judge(&self, rules: &[Rule]) -> actionpass_policy::Verdict {
        let text: String = rules.iter().map(Rule::toml).collect();
        let action = world::action(self.tool, "r:x", self.payload.clone());
        world::judge(
            &world::policy(&text),
            &action,
            &world::facts(&Value::Object(self.facts.clone())),
            &self.grants,
        )
    }

    /// What the rules mean.
    pub(crate) fn expected(&self, rules: &[Rule]) -> Decision {
        let applies = |effect: Decision| {
            rules
                .iter()
                .filter(move |rule| rule.effect == effect && rule.applies(self))
        };
        if applies(Decision::Deny).any(|rule| !rule.lifted(self)) {
            Decision::Deny
        } else if applies(Decision::StepUp).any(|rule| !rule.satisfied(self)) {
            Decision::StepUp
        } else if applies(Decision::StepUp)
            .chain(applies(Decision::Allow))
            .next()
            .is_some()
        {
            Decision::Allow
        } else {
            Decision::Deny
        }
    }
}
