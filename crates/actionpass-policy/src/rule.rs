//! Rules as they are compiled: what they match, when they apply, what they ask for.

use std::fmt;
use std::time::Duration;

use actionpass_model::{Obligation, Role, RuleId, Statement};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::glob::Glob;
use crate::grants::Need;
use crate::path::ActionText;
use crate::scope::Scope;
use crate::truth::Truth;
use crate::work::Work;

/// What a rule does where it applies.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Permits.
    Allow,
    /// Refuses, whatever other rules say.
    Deny,
    /// Permits with approvals only, whatever rules of effect `allow` say.
    StepUp,
}

impl Effect {
    /// `allow`, `deny` or `step_up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::StepUp => "step_up",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    /// Which rule of the file this is, from 0.
    pub(crate) position: usize,
    pub(crate) effect: Effect,
    /// What the tools start with that the matchers are about.
    pub(crate) tools: ToolStart,
    /// In the order in which they are tried; `tool` is the first.
    pub(crate) matchers: Box<[Matcher]>,
    pub(crate) when: Box<[Condition]>,
    /// Empty if there is no `unless`.
    pub(crate) unless: Box<[Condition]>,
    pub(crate) lifetime: Option<Duration>,
    /// Only for `step_up`.
    pub(crate) approvals: Option<Approvals>,
    pub(crate) obligations: Box<[Obligation]>,
    /// Only for `deny`; empty if nobody may lift it.
    pub(crate) overridable_by: Box<[Role]>,
    pub(crate) reason: Option<Statement>,
}

/// Which calls a rule is about: one property of the call, and patterns of which one must match.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    pub(crate) key: MatcherKey,
    pub(crate) globs: Box<[Glob]>,
}

/// What every tool starts with that a rule is about, as far as eight bytes reach. Most rules are about other tools, and
/// this says so without following a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToolStart {
    bytes: u64,
    mask: u64,
}

impl ToolStart {
    /// What the patterns of `tool` have in common; nothing, if there is no such matcher.
    pub(crate) fn new(matchers: &[Matcher]) -> Self {
        let tools = matchers.iter().find(|matcher| matcher.key == MatcherKey::Tool);
        let mut prefixes = tools
            .into_iter()
            .flat_map(|matcher| &matcher.globs)
            .map(|glob| glob.literal_prefix());
        let common = prefixes.next().map_or(&[][..], |first| {
            prefixes.fold(first, |common, prefix| {
                let same = common.iter().zip(prefix).take_while(|(left, right)| left == right);
                common.get(..same.count()).unwrap_or_default()
            })
        });
        let ones = vec![u8::MAX; common.len()];
        Self {
            bytes: start(common),
            mask: start(&ones),
        }
    }

    /// Whether a tool with this [`start`] may be one of them.
    const fn may_match(self, tool: u64) -> bool {
        tool & self.mask == self.bytes
    }
}

/// The first eight bytes as a number; zeros where there are fewer.
pub(crate) fn start(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (to, byte) in first.iter_mut().zip(bytes) {
        *to = *byte;
    }
    u64::from_ne_bytes(first)
}

/// What a matcher looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MatcherKey {
    Tool,
    Resource,
    Agent,
    Owner,
    Tenant,
    Runtime,
    Via,
}

/// The approvals that a step_up asks for.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    /// How many different principals.
    pub(crate) count: usize,
    /// The roles of which each approver must hold one; empty if any approver counts.
    pub(crate) roles: Box<[Role]>,
    /// Whether the agent's owner doesn't count.
    pub(crate) not_owner: bool,
}

impl Rule {
    /// Whether the rule is about this call: definite, because what matchers look at is always there.
    pub(crate) fn concerns(&self, scope: &Scope<'_>) -> bool {
        self.tools.may_match(scope.tool_start)
            && self.matchers.iter().all(|matcher| matcher.matches(self.effect, scope))
    }

    /// Whether `when` holds and `unless` doesn't.
    pub(crate) fn conditions(&self, scope: &Scope<'_>) -> Truth {
        match conjunction(&self.when, scope) {
            Truth::False => Truth::False,
            when if self.unless.is_empty() => when,
            when => when.and(conjunction(&self.unless, scope).not()),
        }
    }

    /// What this rule needs of people where it applies; an allow needs nothing.
    pub(crate) fn need(&self) -> Option<Need<'_>> {
        match (self.effect, &self.approvals) {
            (Effect::StepUp, Some(approvals)) => {
                let need = Need::approvals(&self.id, approvals.count, &approvals.roles);
                Some(if approvals.not_owner { need.not_of_owner() } else { need })
            }
            (Effect::Deny, _) => Some(Need::override_by(&self.id, &self.overridable_by)),
            (Effect::Allow | Effect::StepUp, _) => None,
        }
    }

    /// Whether the grants satisfy this step_up, or lift this deny.
    pub(crate) fn is_met(&self, scope: &Scope<'_>) -> bool {
        self.need().is_some_and(|need| need.missing(&scope.input) == 0)
    }

    /// What is unknown counts against the action: an allow doesn't apply, a deny or step_up does.
    pub(crate) fn applies(&self, scope: &Scope<'_>) -> bool {
        self.concerns(scope) && self.effect.applies(self.conditions(scope))
    }
}

impl Effect {
    pub(crate) const fn applies(self, conditions: Truth) -> bool {
        match (self, conditions) {
            (_, Truth::True) | (Self::Deny | Self::StepUp, Truth::Unknown) => true,
            (_, Truth::False) | (Self::Allow, Truth::Unknown) => false,
        }
    }
}

impl Matcher {
    pub(crate) fn matches(&self, effect: Effect, scope: &Scope<'_>) -> bool {
        if self.key != MatcherKey::Via {
            return self.matches_text(self.key.text(scope), &scope.work);
        }
        let via = &scope.input.action.action().actor.via;
        match effect {
            // `via = []`: the agent acts for no other agent.
            _ if self.globs.is_empty() => via.is_empty(),
            // An allow vouches for the whole chain; one agent is enough to warn of.
            Effect::Allow => !via.is_empty() && via.iter().all(|agent| self.matches_text(agent.as_str(), &scope.work)),
            Effect::Deny | Effect::StepUp => via.iter().any(|agent| self.matches_text(agent.as_str(), &scope.work)),
        }
    }

    fn matches_text(&self, text: &str, work: &Work) -> bool {
        self.globs.iter().any(|glob| glob.matches(text, work))
    }
}

impl MatcherKey {
    pub(crate) const ALL: [Self; 7] = [
        Self::Tool,
        Self::Resource,
        Self::Agent,
        Self::Owner,
        Self::Tenant,
        Self::Runtime,
        Self::Via,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Agent => "agent",
            Self::Owner => "owner",
            Self::Tenant => "tenant",
            Self::Runtime => "runtime",
            Self::Via => "via",
        }
    }

    /// The field that is matched; for `via`, what its entries are like.
    pub(crate) const fn field(self) -> ActionText {
        match self {
            Self::Tool => ActionText::Tool,
            Self::Resource => ActionText::Resource,
            Self::Agent | Self::Via => ActionText::Agent,
            Self::Owner => ActionText::Owner,
            Self::Tenant => ActionText::Tenant,
            Self::Runtime => ActionText::Runtime,
        }
    }

    /// The text that is matched; for `via`, which is a list, its first entry.
    pub(crate) fn text<'a>(self, scope: &Scope<'a>) -> &'a str {
        let action = scope.input.action.action();
        match self {
            Self::Tool => action.capability.tool.as_str(),
            Self::Resource => action.capability.resource.as_str(),
            Self::Agent => action.actor.agent.as_str(),
            Self::Owner => action.actor.human_owner.as_str(),
            Self::Tenant => action.tenant.as_str(),
            Self::Runtime => action.actor.runtime.as_str(),
            Self::Via => action.actor.via.first().map_or("", |agent| agent.as_str()),
        }
    }
}

pub(crate) fn conjunction(conditions: &[Condition], scope: &Scope<'_>) -> Truth {
    let mut result = Truth::True;
    for condition in conditions {
        result = result.and(condition.evaluate(scope).truth);
        if result == Truth::False {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tool_is_taken_for_another_that_a_pattern_matches() {
        let tools = [
            "linear.issues.create",
            "linear.i",
            "linear.",
            "linear",
            "l",
            "github.pulls",
            "linear.issues",
            "x",
        ];
        for patterns in [
            &["linear.issues.create"][..],
            &["linear.i"],
            &["linear"],
            &["linear.*", "linear.issues.**"],
            &["l*", "github.*"],
            &["**"],
            &["*.issues.create"],
            &["linear.issues.create", "linear.issues.update", "lin*"],
        ] {
            let globs: Vec<_> = patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect();
            let matcher = Matcher {
                key: MatcherKey::Tool,
                globs: globs.into(),
            };
            let start_of = ToolStart::new(std::slice::from_ref(&matcher));
            for tool in tools {
                assert!(
                    start_of.may_match(start(tool.as_bytes())) || !matcher.matches_text(tool, &Work::default()),
                    "{patterns:?} {tool}"
                );
            }
        }
        let other = ToolStart::new(&[]);
        assert!(other.may_match(start(b"anything")));
        let linear = Glob::parse("linear.*").unwrap();
        let linear = ToolStart::new(&[Matcher {
            key: MatcherKey::Tool,
            globs: [linear].into(),
        }]);
        assert!(!linear.may_match(start(b"github.pulls")) && !linear.may_match(start(b"linea")));
    }
}
