//! Rules, read and checked: a key that a rule's effect doesn't have, or a pattern that matches nothing, is refused.

use std::collections::HashSet;
use std::time::Duration;

use actionpass_model::{JsonObject, MAX_APPROVALS, MAX_PASS_LIFETIME, Obligation, ObligationId};
use serde_json::Value;
use toml::de::DeValue;

use super::condition::{Place, condition, globs, impossible};
use super::fields::{count, names, parsed, some, text, type_mismatch};
use super::literal::json;
use super::together::meet_each_other;
use super::{Fields, Node, Result, Source};
use crate::PolicyCode;
use crate::condition::{Condition, Test};
use crate::field::{Holds, Shape};
use crate::glob::Glob;
use crate::path::{ActionText, Root};
use crate::rule::{Approvals, Effect, Matcher, MatcherKey, Rule, ToolStart};
use crate::work::Work;

const KEYS: [&str; 16] = [
    "id",
    "effect",
    "tool",
    "resource",
    "agent",
    "owner",
    "tenant",
    "runtime",
    "via",
    "when",
    "unless",
    "lifetime",
    "approvals",
    "obligations",
    "overridable_by",
    "reason",
];

/// Reads one rule.
pub(super) fn rule(fields: &Fields<'_, '_>, position: usize) -> Result<Rule> {
    let source = fields.source;
    fields.only(&KEYS, "a rule")?;
    let id = parsed(source, fields.need("id")?)?;
    let effect = effect(source, fields.need("effect")?)?;
    let misplaced: &[&str] = match effect {
        Effect::Allow => &["approvals", "overridable_by"],
        Effect::StepUp => &["overridable_by"],
        Effect::Deny => &["approvals", "lifetime", "obligations"],
    };
    if let Some((key, node)) = fields.entries().iter().find(|(key, _)| misplaced.contains(key)) {
        let problem = format!("a rule with effect `{effect}` has no `{key}`");
        return Err(source.error(PolicyCode::PolicyKeyMisplaced, node.span(), problem));
    }
    fields.need("tool")?;
    let mut matchers = Vec::new();
    for key in MatcherKey::ALL {
        if let Some(node) = fields.get(key.as_str()) {
            matchers.push(matcher(source, key, node)?);
        }
    }
    let place = Place {
        effect,
        exception: false,
    };
    let when = conditions(fields, &matchers, "when", place)?;
    let exception = Place {
        effect,
        exception: true,
    };
    let unless = conditions(fields, &matchers, "unless", exception)?;
    if let Some(node) = fields.get("unless").filter(|_| always_hold(&matchers, &unless)) {
        let problem = "holds for every call that the rule is about, so that the rule never applies";
        return Err(impossible(source, node, problem));
    }
    Ok(Rule {
        id,
        position,
        effect,
        tools: ToolStart::new(&matchers),
        matchers: matchers.into(),
        when,
        unless,
        lifetime: fields.get("lifetime").map(|node| lifetime(source, node)).transpose()?,
        approvals: match (effect, fields.get("approvals")) {
            (Effect::StepUp, Some(node)) => Some(approvals(&Fields::new(source, node)?)?),
            (Effect::StepUp, None) => Some(Approvals {
                count: 1,
                roles: Box::default(),
                not_owner: false,
            }),
            _ => None,
        },
        obligations: match fields.get("obligations") {
            Some(node) => some(source, node)?
                .iter()
                .map(|node| obligation(source, node))
                .collect::<Result<_>>()?,
            None => Box::default(),
        },
        overridable_by: fields
            .get("overridable_by")
            .map_or(Ok(Box::default()), |node| names(source, node))?,
        reason: fields.get("reason").map(|node| parsed(source, node)).transpose()?,
    })
}

fn effect(source: &Source<'_>, node: &Node<'_>) -> Result<Effect> {
    match text(source, node)? {
        "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        "step_up" => Ok(Effect::StepUp),
        _ => Err(source.error(
            PolicyCode::PolicyValueInvalid,
            node.span(),
            "is none of `allow`, `deny`, `step_up`",
        )),
    }
}

fn matcher(source: &Source<'_>, key: MatcherKey, node: &Node<'_>) -> Result<Matcher> {
    if key == MatcherKey::Via && matches!(node.get_ref(), DeValue::Array(agents) if agents.is_empty()) {
        return Ok(Matcher {
            key,
            globs: Box::default(),
        });
    }
    let globs = globs(source, node)?;
    for (glob, node) in &globs {
        if let Holds::Text(format) = key.field().holds()
            && !format.matches(glob)
        {
            let problem = format!("matches nothing: {}", format.what);
            return Err(source.error(PolicyCode::PolicyGlobMatchesNothing, node.span(), problem));
        }
    }
    Ok(Matcher {
        key,
        globs: globs.into_iter().map(|(glob, _)| glob).collect(),
    })
}

/// Refuses a condition that no call meets which the matchers are about.
fn meets_matchers(source: &Source<'_>, node: &Node<'_>, matchers: &[Matcher], conditions: &[Condition]) -> Result<()> {
    for condition in conditions {
        let Root::Action(field) = condition.path.root else {
            continue;
        };
        let matcher = matchers.iter().find(|matcher| match field {
            ActionText::ResourceKind | ActionText::ResourceValue => matcher.key == MatcherKey::Resource,
            field => matcher.key != MatcherKey::Via && matcher.key.field() == field,
        });
        let Some((matcher, globs)) = matcher.and_then(|matcher| Some((matcher, about(matcher, field)?))) else {
            continue;
        };
        let asked = condition.tests.iter().find(|test| match test {
            Test::OneOf(literals) => !some_text_matches(&literals.texts, &globs),
            Test::Glob(asked) if !asked.folded => !some_globs_meet(&asked.globs, &globs),
            _ => false,
        });
        if asked.is_some() {
            let problem = format!(
                "no `{}` that the rule is about is `{}`",
                matcher.key.as_str(),
                condition.text
            );
            return Err(source.error(PolicyCode::PolicyConditionImpossible, node.span(), problem));
        }
    }
    Ok(())
}

/// Whether exceptions hold for every call that the matchers are about.
fn always_hold(matchers: &[Matcher], unless: &[Condition]) -> bool {
    let always = |condition: &Condition| {
        let Root::Action(field) = condition.path.root else {
            return false;
        };
        let matcher = matchers
            .iter()
            .find(|matcher| matcher.key != MatcherKey::Via && matcher.key.field() == field);
        let matched = matcher.map_or(&[][..], |matcher| &matcher.globs);
        let is_plain = !matched.is_empty() && matched.iter().all(|glob| !glob.is_wild());
        let passes = |test: &Test| match test {
            Test::Glob(globs) if globs.globs.iter().any(|glob| glob.as_str() == "**") => true,
            Test::Glob(globs) if !globs.folded && !matched.is_empty() => {
                let named: HashSet<&str> = globs.globs.iter().map(Glob::as_str).collect();
                matched.iter().all(|glob| named.contains(glob.as_str()))
            }
            Test::OneOf(literals) if is_plain => {
                let named: HashSet<&str> = literals.texts.iter().map(|text| &**text).collect();
                matched.iter().all(|glob| named.contains(&*glob.literal()))
            }
            _ => false,
        };
        field.is_always_there() && condition.tests.iter().all(passes)
    };
    !unless.is_empty() && unless.iter().all(always)
}

/// What a matcher says about a field: of kind and value of a resource, its patterns before or after their first colon.
/// `None` if that can't be said, because a wildcard may cover it.
fn about(matcher: &Matcher, field: ActionText) -> Option<Vec<Glob>> {
    let part = |glob: &Glob| {
        let (kind, value) = glob.as_str().split_once(':')?;
        let is_plain = !kind.contains(['*', '\\']);
        match field {
            _ if !is_plain => None,
            ActionText::ResourceKind => Glob::parse(kind).ok(),
            _ => Glob::parse(value).ok(),
        }
    };
    match field {
        ActionText::ResourceKind | ActionText::ResourceValue => matcher.globs.iter().map(part).collect(),
        _ => Some(matcher.globs.to_vec()),
    }
}

/// How many pairs are compared with each other at most: loading takes time by the size of the file, not by its square. What
/// is left uncompared is taken for possible.
const MAX_PAIRS: usize = 1 << 16;

/// Whether one of the texts matches one of the patterns. Those without a wildcard are looked up.
fn some_text_matches(texts: &[Box<str>], globs: &[Glob]) -> bool {
    let (wild, plain): (Vec<&Glob>, Vec<&Glob>) = globs.iter().partition(|glob| glob.is_wild());
    let plain: HashSet<_> = plain.iter().map(|glob| glob.literal()).collect();
    if texts.iter().any(|text| plain.contains(&**text)) {
        return true;
    }
    let mut pairs = texts.iter().flat_map(|text| wild.iter().map(move |glob| (text, glob)));
    let work = Work::default();
    pairs
        .by_ref()
        .take(MAX_PAIRS)
        .any(|(text, glob)| glob.matches(text, &work))
        || pairs.next().is_some()
}

/// Whether two patterns, one of each list, have a text in common.
fn some_globs_meet(left: &[Glob], right: &[Glob]) -> bool {
    let equal: HashSet<&str> = left.iter().map(Glob::as_str).collect();
    if right.iter().any(|glob| equal.contains(glob.as_str())) {
        return true;
    }
    let right: Vec<Shape> = right.iter().map(Shape::of_glob).collect();
    let mut pairs = left
        .iter()
        .flat_map(|glob| right.iter().map(move |other| (glob, other)));
    pairs
        .by_ref()
        .take(MAX_PAIRS / 8)
        .any(|(glob, other)| Shape::of_glob(glob).meets(other))
        || pairs.next().is_some()
}

/// Reads `when` or `unless`: conditions that some call meets which the matchers are about, all of them.
fn conditions(fields: &Fields<'_, '_>, matchers: &[Matcher], key: &str, place: Place) -> Result<Box<[Condition]>> {
    let Some(list) = fields.get(key) else {
        return Ok(Box::default());
    };
    let nodes = some(fields.source, list)?;
    let conditions = nodes.iter().map(|node| condition(fields.source, node, place));
    let conditions: Box<[Condition]> = conditions.collect::<Result<_>>()?;
    meets_matchers(fields.source, list, matchers, &conditions)?;
    meet_each_other(fields.source, nodes, &conditions)?;
    Ok(conditions)
}

fn approvals(fields: &Fields<'_, '_>) -> Result<Approvals> {
    let source = fields.source;
    fields.only(&["count", "roles", "not_owner"], "`approvals`")?;
    let count = match fields.get("count") {
        None => 1,
        Some(node) => match count(source, node)? {
            wanted @ 1..=MAX_APPROVALS => wanted,
            _ => {
                let problem = format!("is not 1 to {MAX_APPROVALS}, the most that a pass carries");
                return Err(source.error(PolicyCode::PolicyValueInvalid, node.span(), problem));
            }
        },
    };
    let roles = fields
        .get("roles")
        .map_or(Ok(Box::default()), |node| names(source, node))?;
    Ok(Approvals {
        count,
        roles,
        not_owner: fields.flag("not_owner")?,
    })
}

fn obligation(source: &Source<'_>, node: &Node<'_>) -> Result<Obligation> {
    let fields = Fields::new(source, node)?;
    fields.only(&["id", "params"], "an obligation")?;
    let id: ObligationId = parsed(source, fields.need("id")?)?;
    let params = match fields.get("params") {
        None => JsonObject::default(),
        Some(node) => match json(source, node)? {
            Value::Object(members) => members.into(),
            _ => return Err(type_mismatch(source, node, "a table", node.get_ref())),
        },
    };
    Ok(Obligation { id, params })
}

/// `90s`, `5m`, `1h`: whole, from one second to the longest that a pass may live.
fn lifetime(source: &Source<'_>, node: &Node<'_>) -> Result<Duration> {
    let text = text(source, node)?;
    let parse = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let lifetime = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
        (plain && !lifetime.is_zero() && lifetime <= MAX_PASS_LIFETIME).then_some(lifetime)
    };
    parse().ok_or_else(|| {
        let problem = "is not a time from `1s` to `1h`: a whole number and `s`, `m` or `h`";
        source.error(PolicyCode::PolicyValueInvalid, node.span(), problem)
    })
}
