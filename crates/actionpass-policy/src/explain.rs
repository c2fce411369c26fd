//! [`Explanation`]: every rule and every condition with what it came to, values included.

use std::fmt;

use actionpass_model::{ApprovalId, Approver, Decision, Reason, RuleId, Statement};
use serde::Serialize;

use crate::condition::{Cause, Condition};
use crate::evaluate::{Applied, evaluate};
use crate::grants::Standing;
use crate::rule::{Effect, Matcher, MatcherKey, Rule};
use crate::scope::Scope;
use crate::{PolicyInput, Requirement, Truth};

/// How a verdict came about: for people who write policies. It shows values out of payload and facts, so it is no
/// material for records or for the agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// The decision: the very one that [`PolicyEngine::evaluate`](crate::PolicyEngine::evaluate) gives.
    pub decision: Decision,
    /// Its reasons.
    pub reasons: Vec<Reason>,
    /// What would turn it.
    pub required: Vec<Requirement>,
    /// Every rule, in the order of the file.
    pub rules: Vec<RuleExplanation>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleExplanation {
    /// The rule.
    pub rule: RuleId,
    /// What it does where it applies.
    pub effect: Effect,
    /// What became of it.
    pub outcome: Outcome,
    /// What its authors say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Statement>,
    /// What its matchers came to.
    pub matchers: Vec<MatcherExplanation>,
    /// What its conditions came to; empty for a rule about other calls.
    pub when: Vec<ConditionExplanation>,
    /// What its exceptions came to; empty for a rule about other calls.
    pub unless: Vec<ConditionExplanation>,
    /// How the approvals that were offered stand to it; empty for a rule that doesn't apply.
    pub approvals: Vec<ApprovalExplanation>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It is about other calls.
    OtherCall,
    /// Its conditions keep it from applying.
    DoesNotApply,
    /// It applies: an allow or deny that counts, a step_up whose approvals are there.
    Applies,
    /// It is a deny, and an override lifts it.
    Lifted,
    /// It is a step_up, and approvals are missing.
    Waiting,
}

/// What a matcher came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MatcherExplanation {
    /// The key: `tool`, `resource` …
    pub key: &'static str,
    /// The patterns, one of which must match.
    pub patterns: Vec<String>,
    /// What the action has.
    pub value: String,
    /// Whether it matches.
    pub matches: bool,
}

/// What a condition came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConditionExplanation {
    /// Where it looks.
    pub path: String,
    /// What it asks, in the policy's words.
    pub expected: String,
    /// What it came to.
    pub truth: Truth,
    /// Why.
    pub cause: Cause,
    /// The value that decided, as JSON, shortened; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// How an approval stands to a rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ApprovalExplanation {
    /// The approval.
    pub id: ApprovalId,
    /// Who approved.
    pub approved_by: Approver,
    /// Whether it counts, and if not, why.
    pub standing: Standing,
}

impl Explanation {
    pub(crate) fn new(rules: &[Rule], input: &PolicyInput<'_>) -> Self {
        let verdict = evaluate(rules, &Scope::new(input));
        // What is shown is found out again, with work of its own: the verdict is that of an evaluation without a reader.
        let scope = &Scope::new(input);
        let applied = Applied::new(rules, scope);
        // Rules are applied in the order of the file.
        let is_in = |list: &[&Rule], rule: &Rule| {
            list.binary_search_by_key(&rule.position, |other| other.position)
                .is_ok()
        };
        let explain = |rule: &Rule| {
            let concerned = rule.concerns(scope);
            let outcome = if !concerned {
                Outcome::OtherCall
            } else if is_in(&applied.lifted, rule) {
                Outcome::Lifted
            } else if is_in(&applied.waiting, rule) {
                Outcome::Waiting
            } else if is_in(&applied.denies, rule) || is_in(&applied.satisfied, rule) || is_in(&applied.allows, rule) {
                Outcome::Applies
            } else {
                Outcome::DoesNotApply
            };
            let conditions = |list: &[Condition]| match concerned {
                true => list
                    .iter()
                    .map(|condition| ConditionExplanation::new(condition, scope))
                    .collect(),
                false => Vec::new(),
            };
            let applies = !matches!(outcome, Outcome::OtherCall | Outcome::DoesNotApply);
            // A deny that nobody may lift needs nothing that somebody could give.
            let asks = rule.effect != Effect::Deny || !rule.overridable_by.is_empty();
            let need = rule.need().filter(|_| asks && applies);
            RuleExplanation {
                rule: rule.id.clone(),
                effect: rule.effect,
                outcome,
                reason: rule.reason.clone(),
                matchers: rule
                    .matchers
                    .iter()
                    .map(|matcher| MatcherExplanation::new(matcher, rule, scope))
                    .collect(),
                when: conditions(&rule.when),
                unless: conditions(&rule.unless),
                approvals: need.map_or_else(Vec::new, |need| {
                    let offered = scope.input.grants.iter();
                    offered
                        .map(|grant| ApprovalExplanation {
                            id: grant.id.clone(),
                            approved_by: grant.approver.clone(),
                            standing: need.standing(grant, scope.input.action),
                        })
                        .collect()
                }),
            }
        };
        let rules = rules.iter().map(explain).collect();
        Self {
            decision: verdict.decision,
            reasons: verdict.reasons,
            required: verdict.required,
            rules,
        }
    }
}

impl MatcherExplanation {
    fn new(matcher: &Matcher, rule: &Rule, scope: &Scope<'_>) -> Self {
        let via: Vec<&str> = scope
            .input
            .action
            .action()
            .actor
            .via
            .iter()
            .map(AsRef::as_ref)
            .collect();
        Self {
            key: matcher.key.as_str(),
            patterns: matcher.globs.iter().map(|glob| glob.as_str().to_owned()).collect(),
            value: match matcher.key {
                MatcherKey::Via => via.join(", "),
                key => key.text(scope).to_owned(),
            },
            matches: matcher.matches(rule.effect, scope),
        }
    }
}

impl ConditionExplanation {
    fn new(condition: &Condition, scope: &Scope<'_>) -> Self {
        let finding = condition.evaluate(scope);
        Self {
            path: condition.path.to_string(),
            expected: condition.text.to_string(),
            truth: finding.truth,
            cause: finding.cause,
            value: finding.value.map(crate::datum::Datum::show),
        }
    }
}

/// The explanation as text: the decision, then each rule that is about this call.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.decision)?;
        for reason in &self.reasons {
            write!(f, "  {}", reason.code)?;
            if let Some(rule) = &reason.rule {
                write!(f, " {rule}")?;
            }
            if let Some(path) = &reason.path {
                write!(f, " {path}")?;
            }
            writeln!(f)?;
        }
        let (others, near): (Vec<_>, Vec<_>) = self.rules.iter().partition(|rule| rule.outcome == Outcome::OtherCall);
        for rule in near {
            write!(f, "\n{} ({}) {}", rule.rule, rule.effect, rule.outcome)?;
            if let Some(reason) = &rule.reason {
                write!(f, ": {reason}")?;
            }
            writeln!(f)?;
            for (list, conditions) in [("when", &rule.when), ("unless", &rule.unless)] {
                for condition in conditions {
                    writeln!(f, "  {list} {condition}")?;
                }
            }
            for approval in &rule.approvals {
                writeln!(
                    f,
                    "  approval {} by {}: {}",
                    approval.id, approval.approved_by, approval.standing
                )?;
            }
        }
        if !others.is_empty() {
            writeln!(f, "\n{} other rules are about other calls", others.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for ConditionExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let truth = match self.truth {
            Truth::True => "holds",
            Truth::False => "doesn't hold",
            Truth::Unknown => "is unknown",
        };
        write!(f, "{} {}: {truth}", self.path, self.expected)?;
        match (self.cause, &self.value) {
            (Cause::Missing, _) => f.write_str(", there is no value")?,
            (Cause::OtherType, Some(value)) => write!(f, ", {value} is of another type")?,
            (Cause::UnsafePath, Some(value)) => write!(f, ", {value} is no plain relative path")?,
            (Cause::FoldedName, _) => {
                f.write_str(", there is only a member whose name differs in upper and lower case")?
            }
            (Cause::NotDecimal, Some(value)) => write!(f, ", {value} is no plain decimal number")?,
            (Cause::AmbiguousParts, _) => f.write_str(", a part of what it is compared with holds a separator")?,
            (Cause::WorkExceeded, _) => f.write_str(", the decision took too much work")?,
            (Cause::EmptyArray, _) => f.write_str(", the array is empty")?,
            (_, Some(value)) => write!(f, ", found {value}")?,
            (_, None) => {}
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherCall => "is about other calls",
            Self::DoesNotApply => "doesn't apply",
            Self::Applies => "applies",
            Self::Lifted => "applies and is lifted",
            Self::Waiting => "applies and waits for approvals",
        })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::OtherMode => "is of another mode",
            Self::RuleNotNamed => "doesn't name this rule",
            Self::NotSigned => "is not signed",
            Self::RoleMissing => "its approver has none of the roles",
            Self::IsOwner => "its approver is the agent's owner",
            Self::IsAgent => "its approver is the agent",
        })
    }
}
