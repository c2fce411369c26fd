//! Conditions, read and checked: one that can never hold is refused.

use actionpass_canon::names::fold;
use toml::de::DeValue;

use super::fields::{boolean, count, some, text, type_mismatch};
use super::literal::{literal, number};
use super::together::{Asked, consistent};
use super::{Fields, Node, Result, Source};
use crate::PolicyCode;
use crate::condition::{Bound, Condition, Globs, Literals, Other, Quantifier, Side, Test};
use crate::field::{Format, Holds, Shape};
use crate::glob::Glob;
use crate::number::Number;
use crate::path::{Path, Root, Step};
use crate::rule::Effect;
use crate::template::{Part, Template};
use crate::work::Work;

const TESTS: [&str; 17] = [
    "equals",
    "one_of",
    "less_than",
    "at_most",
    "greater_than",
    "at_least",
    "glob",
    "glob_nocase",
    "path_glob",
    "path_glob_nocase",
    "same_as",
    "exists",
    "min_length",
    "max_length",
    "members",
    "integer",
    "decimal",
];

/// In which list of which rule a condition stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) effect: Effect,
    pub(super) exception: bool,
}

/// Reads one entry of `when` or `unless`.
pub(super) fn condition(source: &Source<'_>, node: &Node<'_>, place: Place) -> Result<Condition> {
    let fields = Fields::new(source, node)?;
    let mut known = vec!["path", "any", "every"];
    known.extend(TESTS);
    fields.only(&known, "a condition")?;
    let at = fields.need("path")?;
    let path = path(source, at, place)?;
    let quantified = match (fields.get("any"), fields.get("every")) {
        (None, None) => None,
        (Some(tests), None) => Some((Quantifier::Any, tests)),
        (None, Some(tests)) => Some((Quantifier::Every, tests)),
        (Some(_), Some(both)) => return Err(misplaced(source, both, "`any` and `every` stand in two conditions")),
    };
    let (quantifier, tests) = match quantified {
        None if path.is_many() => {
            let problem = "the path leads to many values: say `any = { … }` or `every = { … }`";
            return Err(source.error(PolicyCode::PolicyQuantifierMissing, at.span(), problem));
        }
        None => (None, fields.clone()),
        Some((_, tests)) if !path.is_many() => {
            return Err(misplaced(source, tests, "the path has no `[]`, `*` or `**`"));
        }
        Some((quantifier, tests)) => {
            if let Some((_, beside)) = fields.entries().iter().find(|(key, _)| TESTS.contains(key)) {
                return Err(misplaced(
                    source,
                    beside,
                    "tests stand inside of `any` or `every`, not beside it",
                ));
            }
            let inner = Fields::new(source, tests)?;
            inner.only(&TESTS, "a test")?;
            (Some(quantifier), inner)
        }
    };
    let mut read = Vec::new();
    let decimal = tests.flag("decimal")?;
    for (key, node) in tests.entries() {
        let is_off = key == "integer" && !tests.flag("integer")?;
        if !matches!(key, "path" | "decimal") && !is_off {
            let test = test(source, key, node, place, decimal)?;
            fits(source, node, &path, &test)?;
            read.push((test, node));
        }
    }
    if let Some(node) = tests.get("decimal").filter(|_| decimal)
        && !read
            .iter()
            .any(|(test, _)| matches!(test, Test::Compare(_) | Test::Integer { .. }))
    {
        let problem = "is about comparisons with a number and `integer`, and there is none";
        return Err(source.error(PolicyCode::PolicyValueInvalid, node.span(), problem));
    }
    if read.is_empty() {
        let problem = format!("asks nothing: add one of {}", TESTS.join(", "));
        return Err(source.error(PolicyCode::PolicyConditionEmpty, tests.span(), problem));
    }
    let asked = read.iter().map(|(test, node)| (Asked::Test(test), *node));
    consistent(source, &asked.collect::<Vec<_>>(), &Work::default())?;
    let asked = fields.entries().into_iter().filter(|(key, _)| *key != "path");
    let words: Vec<String> = asked
        .map(|(key, node)| format!("{key} = {}", source.slice(node.span())))
        .collect();
    let tests = read.into_iter().map(|(test, _)| test).collect();
    Ok(Condition {
        path,
        quantifier,
        tests,
        text: words.join(", ").into(),
    })
}

fn path(source: &Source<'_>, node: &Node<'_>, place: Place) -> Result<Path> {
    let path = Path::parse(text(source, node)?).map_err(|problem| {
        source.error(
            PolicyCode::PolicyPathInvalid,
            node.span(),
            format!("the path {problem}"),
        )
    })?;
    may_look(source, node, &path, place)?;
    Ok(path)
}

/// What `same_as` names: a path, or a text with paths in braces.
fn other(source: &Source<'_>, node: &Node<'_>, place: Place) -> Result<Other> {
    let text = text(source, node)?;
    let other = if Template::is_one(text) {
        let template = Template::parse(text).map_err(|problem| {
            let problem = format!("the text with paths {problem}");
            source.error(PolicyCode::PolicyPathInvalid, node.span(), problem)
        })?;
        for path in template.paths() {
            may_look(source, node, path, place)?;
        }
        Other::Template(template)
    } else {
        Other::Path(path(source, node, place)?)
    };
    let is_many = match &other {
        Other::Path(path) => path.is_many(),
        Other::Template(template) => template.paths().any(Path::is_many),
    };
    if is_many {
        let problem = "`same_as` names one value: no `[]`, `*` or `**`";
        return Err(source.error(PolicyCode::PolicyQuantifierMisplaced, node.span(), problem));
    }
    Ok(other)
}

/// Refuses `context` where it could do more than tighten.
fn may_look(source: &Source<'_>, node: &Node<'_>, path: &Path, place: Place) -> Result<()> {
    if path.root == Root::Context {
        if place.effect == Effect::Allow {
            let problem = "what the agent says about itself can only tighten: no `context` in an allow rule";
            return Err(source.error(PolicyCode::ContextInAllow, node.span(), problem));
        }
        if place.exception {
            let problem = "an agent could claim the exception for itself: no `context` in `unless`";
            return Err(source.error(PolicyCode::ContextInUnless, node.span(), problem));
        }
    }
    Ok(())
}

fn test(source: &Source<'_>, key: &str, node: &Node<'_>, place: Place, decimal: bool) -> Result<Test> {
    let bound = |side| -> Result<Test> {
        let number = number(source, node)?;
        Ok(Test::Compare(Bound {
            side,
            number,
            decimal: decimal.then(|| number.to_decimal()),
        }))
    };
    Ok(match key {
        "equals" if decimal => bound(Side::Equal)?,
        "equals" => Test::OneOf(Literals::new([literal(source, node)?])),
        "one_of" => {
            let literals = some(source, node)?.iter().map(|element| literal(source, element));
            Test::OneOf(Literals::new(literals.collect::<Result<Vec<_>>>()?))
        }
        "less_than" => bound(Side::Less)?,
        "at_most" => bound(Side::AtMost)?,
        "greater_than" => bound(Side::Greater)?,
        "at_least" => bound(Side::AtLeast)?,
        "glob" => Test::Glob(text_globs(source, node, false)?),
        "glob_nocase" => Test::Glob(text_globs(source, node, true)?),
        "integer" => Test::Integer { decimal },
        "path_glob" => Test::PathGlob(path_globs(source, node, false)?),
        "path_glob_nocase" => Test::PathGlob(path_globs(source, node, true)?),
        "same_as" => Test::SameAs(other(source, node, place)?),
        "members" => {
            let mut names = some(source, node)?
                .iter()
                .map(|name| text(source, name).map(Box::from))
                .collect::<Result<Vec<Box<str>>>>()?;
            names.sort_unstable();
            Test::Members(names.into())
        }
        "exists" => Test::Exists(boolean(source, node)?),
        "min_length" => Test::MinLength(count(source, node)?),
        _ => Test::MaxLength(count(source, node)?),
    })
}

/// Patterns of texts.
fn text_globs(source: &Source<'_>, node: &Node<'_>, folded: bool) -> Result<Globs> {
    let globs = globs_of(source, node, folded)?;
    Ok(Globs {
        globs: globs.into_iter().map(|(glob, _)| glob).collect(),
        folded,
    })
}

/// Patterns of paths, each of which some safe path matches.
fn path_globs(source: &Source<'_>, node: &Node<'_>, folded: bool) -> Result<Globs> {
    let globs = globs_of(source, node, folded)?;
    if let Some((_, at)) = globs.iter().find(|(glob, _)| glob.matches_no_safe_path()) {
        let problem = "matches no path that every reader resolves to the same place: it writes out an empty, `.` or `..` segment, \
                       `\\`, `%`, `:`, `<`, `>`, `\"`, `|`, `?`, a `~` or `$` at the start, a dot or blank at the end of a segment, a device's or short name, \
                       a hidden character, or is not in NFC";
        return Err(source.error(PolicyCode::PolicyGlobMatchesNothing, at.span(), problem));
    }
    Ok(Globs {
        globs: globs.into_iter().map(|(glob, _)| glob).collect(),
        folded,
    })
}

/// One pattern or a list of them, each with its place.
pub(super) fn globs<'s, 't>(source: &Source<'_>, node: &'s Node<'t>) -> Result<Vec<(Glob, &'s Node<'t>)>> {
    globs_of(source, node, false)
}

fn globs_of<'s, 't>(source: &Source<'_>, node: &'s Node<'t>, folded: bool) -> Result<Vec<(Glob, &'s Node<'t>)>> {
    let nodes = match node.get_ref() {
        DeValue::String(_) => std::slice::from_ref(node),
        DeValue::Array(_) => some(source, node)?,
        other => return Err(type_mismatch(source, node, "a pattern or a list of patterns", other)),
    };
    let glob = |node: &'s Node<'t>| {
        let text = text(source, node)?;
        let glob = Glob::parse(&if folded { fold(text) } else { text.into() });
        let glob = glob.map_err(|problem| {
            source.error(
                PolicyCode::PolicyGlobInvalid,
                node.span(),
                format!("the pattern {problem}"),
            )
        })?;
        Ok((glob, node))
    };
    nodes.iter().map(glob).collect()
}

/// Refuses tests that come to the same for every action: those that no value of a field of the action meets.
fn fits(source: &Source<'_>, node: &Node<'_>, path: &Path, test: &Test) -> Result<()> {
    let itself = match test {
        Test::SameAs(Other::Path(other)) => Some(other),
        Test::SameAs(Other::Template(template)) => match template.parts() {
            [Part::Path(other)] => Some(other),
            _ => None,
        },
        _ => None,
    };
    if itself.is_some_and(|other| other.as_str() == path.as_str()) {
        return Err(impossible(source, node, "compares a value with itself"));
    }
    if let Test::Exists(_) = test
        && !matches!(path.root, Root::Action(_))
        && !matches!(path.steps.last(), Some(Step::Member(_)))
    {
        return Err(impossible(source, node, &format!("what `{path}` leads to is there")));
    }
    if let Test::Members(_) = test
        && path.is_tree()
    {
        return Err(impossible(source, node, "nothing that `**` finds is an object"));
    }
    let Root::Action(field) = path.root else { return Ok(()) };
    if matches!(test, Test::Exists(_)) {
        return match field.is_always_there() {
            true => Err(impossible(source, node, &format!("`{path}` is always there"))),
            false => Ok(()),
        };
    }
    match field.holds() {
        Holds::Text(format) => fits_text(source, node, path, test, &format),
        Holds::Count => fits_count(source, node, path, test),
    }
}

/// Of a field that is a text.
fn fits_text(source: &Source<'_>, node: &Node<'_>, path: &Path, test: &Test, format: &Format) -> Result<()> {
    let is_text = || impossible(source, node, &format!("`{path}` is text"));
    let what = format.what;
    match test {
        Test::OneOf(literals) if !literals.numbers.is_empty() || !literals.booleans.is_empty() => Err(is_text()),
        Test::OneOf(literals) => match literals.texts.iter().find(|text| !format.has(text)) {
            Some(text) => Err(impossible(source, node, &format!("`{path}` is never `{text}`, {what}"))),
            None => Ok(()),
        },
        Test::Compare(Bound { decimal: Some(_), .. }) | Test::Integer { decimal: true } if format.has_decimals() => {
            Ok(())
        }
        Test::Compare(_) | Test::Integer { .. } | Test::Members(_) => Err(is_text()),
        Test::Glob(globs) => every_glob(source, node, &globs.globs, what, |glob| format.matches(glob)),
        Test::PathGlob(globs) => every_glob(source, node, &globs.globs, what, |glob| format.matches_path(glob)),
        Test::SameAs(other) => {
            let alike = match other {
                Other::Path(Path {
                    root: Root::Action(other),
                    ..
                }) => match other.holds() {
                    Holds::Text(other) => format.overlaps(&other),
                    Holds::Count => false,
                },
                Other::Path(_) => true,
                Other::Template(template) => format.meets(&template_shape(template)),
            };
            match alike {
                true => Ok(()),
                false => Err(impossible(source, node, &format!("`{path}` is never the same: {what}"))),
            }
        }
        Test::MinLength(length) if *length > format.longest => {
            Err(impossible(source, node, &format!("`{path}` is never so long")))
        }
        Test::MaxLength(length) if *length < format.shortest() => {
            Err(impossible(source, node, &format!("`{path}` is never so short")))
        }
        Test::MinLength(_) | Test::MaxLength(_) | Test::Exists(_) => Ok(()),
    }
}

/// The texts that a template can make.
fn template_shape(template: &Template) -> Shape {
    template
        .parts()
        .iter()
        .fold(Shape::default(), |shape, part| match part {
            Part::Literal(text) => shape.text(text),
            Part::Path(_) => shape.anything(),
        })
}

/// Of a field that is a whole number from 0 up.
fn fits_count(source: &Source<'_>, node: &Node<'_>, path: &Path, test: &Test) -> Result<()> {
    let zero = Number::Integer(0);
    let fits = match test {
        Test::OneOf(literals) => {
            let whole = |number: &Number| number.is_whole() && number.compare(zero).is_ge();
            literals.texts.is_empty() && literals.booleans.is_empty() && literals.numbers.iter().all(whole)
        }
        Test::Compare(bound) => match bound.side {
            Side::Less => bound.number.compare(zero).is_gt(),
            Side::AtMost => bound.number.compare(zero).is_ge(),
            Side::Greater | Side::AtLeast => true,
            Side::Equal => bound.number.is_whole() && bound.number.compare(zero).is_ge(),
        },
        Test::SameAs(other) => match other {
            Other::Path(Path {
                root: Root::Action(other),
                ..
            }) => matches!(other.holds(), Holds::Count),
            Other::Path(_) => true,
            Other::Template(_) => false,
        },
        Test::Exists(_) => true,
        // It always is one.
        Test::Integer { .. } => false,
        Test::Glob(_) | Test::PathGlob(_) | Test::MinLength(_) | Test::MaxLength(_) | Test::Members(_) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(impossible(
            source,
            node,
            &format!("`{path}` is a whole number from 0 up"),
        )),
    }
}

/// Refuses a pattern that nothing matches, at its place in the list.
fn every_glob(
    source: &Source<'_>,
    node: &Node<'_>,
    globs: &[Glob],
    what: &str,
    matches: impl Fn(&Glob) -> bool,
) -> Result<()> {
    let Some(at) = globs.iter().position(|glob| !matches(glob)) else {
        return Ok(());
    };
    let place = match node.get_ref() {
        DeValue::Array(nodes) => nodes.get(at).unwrap_or(node),
        _ => node,
    };
    let problem = format!("matches nothing: {what}");
    Err(source.error(PolicyCode::PolicyGlobMatchesNothing, place.span(), problem))
}

pub(super) fn impossible(source: &Source<'_>, node: &Node<'_>, problem: &str) -> crate::PolicyError {
    source.error(
        PolicyCode::PolicyConditionImpossible,
        node.span(),
        format!("always comes to the same: {problem}"),
    )
}

fn misplaced(source: &Source<'_>, node: &Node<'_>, problem: &str) -> crate::PolicyError {
    source.error(PolicyCode::PolicyQuantifierMisplaced, node.span(), problem)
}
