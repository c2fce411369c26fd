//! [`PayloadPath`]: where conditions look in payloads, for whoever knows what payloads have.

use actionpass_model::RuleId;

use crate::RulePolicy;
use crate::condition::{Condition, Other, Test};
use crate::path::{Path, Root, Step};
use crate::rule::{MatcherKey, Rule};

/// A path of a rule into the payload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PayloadPath<'a> {
    /// The rule.
    pub rule: &'a RuleId,
    /// The patterns of tools that the rule is about; empty if it is about any.
    pub tools: Vec<&'a str>,
    /// The path as it is written.
    pub text: String,
    /// The same step by step.
    pub steps: Vec<PayloadStep<'a>>,
}

/// A step from a value into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PayloadStep<'a> {
    /// To the member of this name.
    Member(&'a str),
    /// `[]`: to each element.
    Each,
    /// `.*`: to each member.
    Members,
    /// `.**`: to every value inside, and the value itself.
    Tree,
}

impl RulePolicy {
    /// Where conditions look in payloads, in the order of the rules. A condition that only asks that something doesn't exist is
    /// left out: what it looks for need not be possible.
    pub fn payload_paths(&self) -> impl Iterator<Item = PayloadPath<'_>> {
        self.compiled().iter().flat_map(|rule| {
            let conditions = rule.when.iter().chain(&rule.unless);
            conditions.flat_map(paths).map(|path| PayloadPath {
                rule: &rule.id,
                tools: tools(rule),
                text: path.to_string(),
                steps: path.steps.iter().map(step).collect(),
            })
        })
    }
}

fn tools(rule: &Rule) -> Vec<&str> {
    let matchers = rule.matchers.iter().filter(|matcher| matcher.key == MatcherKey::Tool);
    matchers
        .flat_map(|matcher| &matcher.globs)
        .map(|glob| glob.as_str())
        .collect()
}

fn paths(condition: &Condition) -> impl Iterator<Item = &Path> {
    let only_absent = condition.tests.iter().all(|test| matches!(test, Test::Exists(false)));
    let others = condition.tests.iter().filter_map(|test| match test {
        Test::SameAs(Other::Path(path)) => Some(path),
        _ => None,
    });
    let own = (!only_absent).then_some(&condition.path);
    own.into_iter().chain(others).filter(|path| path.root == Root::Payload)
}

fn step(step: &Step) -> PayloadStep<'_> {
    match step {
        Step::Member(name) => PayloadStep::Member(name.as_str()),
        Step::Each => PayloadStep::Each,
        Step::Members => PayloadStep::Members,
        Step::Tree => PayloadStep::Tree,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_with_their_rules() {
        let policy = r#"
            schema = "actionpass.policy.v1"
            id = "p"
            [[rule]]
            id = "a"
            effect = "deny"
            tool = ["x", "y.*"]
            when = [
                { path = "payload.files[].path", any = { path_glob = "a/**" } },
                { path = "payload.gone", exists = false },
                { path = "fact.x", equals = true },
                { path = "agent", same_as = "payload.who" },
            ]
            unless = [{ path = "payload.**", every = { max_length = 3 } }]
        "#;
        let policy = RulePolicy::load(policy, "policy.toml").unwrap();
        let found: Vec<_> = policy
            .payload_paths()
            .map(|path| (path.rule.to_string(), path.tools, path.text, path.steps))
            .collect();
        let row =
            |text: &str, steps: Vec<PayloadStep<'static>>| ("a".to_owned(), vec!["x", "y.*"], text.to_owned(), steps);
        let member = PayloadStep::Member;
        assert_eq!(
            found,
            [
                row(
                    "payload.files[].path",
                    vec![member("files"), PayloadStep::Each, member("path")]
                ),
                row("payload.who", vec![member("who")]),
                row("payload.**", vec![PayloadStep::Tree]),
            ]
        );
    }
}
