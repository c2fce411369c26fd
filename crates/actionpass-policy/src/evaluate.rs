//! From rules to a verdict: a deny that isn't lifted beats step_up beats allow, and nothing permits by default.

use actionpass_model::Reason;

use crate::condition::{Condition, Finding};
use crate::grants::{Need, Standing, needed};
use crate::rule::{Effect, Rule, conjunction};
use crate::scope::Scope;
use crate::truth::Truth;
use crate::{Note, ReasonCode, Requirement, Verdict};

/// The most reasons of one verdict: enough for people, and a record stays small.
pub(crate) const MAX_REASONS: usize = 32;

/// The rules that apply to an action, each in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Applied<'r> {
    /// Deny rules that stand.
    pub(crate) denies: Vec<&'r Rule>,
    /// Deny rules that an override lifts.
    pub(crate) lifted: Vec<&'r Rule>,
    /// Step_up rules whose approvals are missing.
    pub(crate) waiting: Vec<&'r Rule>,
    /// Step_up rules whose approvals are there.
    pub(crate) satisfied: Vec<&'r Rule>,
    /// Allow rules.
    pub(crate) allows: Vec<&'r Rule>,
}

impl<'r> Applied<'r> {
    pub(crate) fn new(rules: &'r [Rule], scope: &Scope<'_>) -> Self {
        let mut applied = Self::default();
        for rule in rules {
            if !rule.applies(scope) {
                continue;
            }
            if scope.work.is_exceeded() {
                break;
            }
            let list = match rule.effect {
                Effect::Allow => &mut applied.allows,
                Effect::Deny if rule.is_met(scope) => &mut applied.lifted,
                Effect::Deny => &mut applied.denies,
                Effect::StepUp if rule.is_met(scope) => &mut applied.satisfied,
                Effect::StepUp => &mut applied.waiting,
            };
            list.push(rule);
        }
        applied
    }

    fn permits(&self) -> bool {
        !(self.allows.is_empty() && self.satisfied.is_empty() && self.waiting.is_empty())
    }
}

/// Decides, with no more work than a decision may take.
pub(crate) fn evaluate(rules: &[Rule], scope: &Scope<'_>) -> Verdict {
    let verdict = decide(rules, scope);
    if scope.work.is_exceeded() {
        return Verdict::deny_with(ReasonCode::PolicyWorkExceeded);
    }
    verdict
}

fn decide(rules: &[Rule], scope: &Scope<'_>) -> Verdict {
    let applied = Applied::new(rules, scope);
    if !applied.denies.is_empty() {
        deny(&applied, scope)
    } else if !applied.waiting.is_empty() {
        step_up(&applied, scope)
    } else if applied.allows.is_empty() && applied.satisfied.is_empty() {
        default_deny(rules, &applied, scope)
    } else {
        allow(&applied, scope)
    }
}

fn allow(applied: &Applied<'_>, scope: &Scope<'_>) -> Verdict {
    let mut permitting: Vec<&Rule> = applied.satisfied.iter().chain(&applied.allows).copied().collect();
    permitting.sort_by_key(|rule| rule.position);
    let mut reasons = about(&applied.lifted, ReasonCode::RuleOverridden);
    reasons.extend(permitting.iter().map(|rule| match rule.effect {
        Effect::StepUp => rule.because(ReasonCode::ApprovalSatisfied),
        _ => rule.because(ReasonCode::RuleAllowed),
    }));
    reasons.truncate(MAX_REASONS);
    // A lifted deny decided too: an override names it, and an executor holds the two against each other.
    let mut deciding: Vec<&Rule> = applied.lifted.iter().chain(&permitting).copied().collect();
    deciding.sort_by_key(|rule| rule.position);
    let mut verdict = Verdict::allow(ids(&deciding), reasons);
    for obligation in permitting.iter().flat_map(|rule| &rule.obligations) {
        // The same obligation twice is one; with other parameters it is another, and both hold.
        if !verdict.obligations.contains(obligation) {
            verdict.obligations.push(obligation.clone());
        }
    }
    verdict.lifetime = permitting.iter().filter_map(|rule| rule.lifetime).min();
    let met = applied.satisfied.iter().chain(&applied.lifted);
    let needs: Vec<Need<'_>> = met.filter_map(|rule| rule.need()).collect();
    verdict.relied_on = needed(&needs, &scope.input);
    verdict.notes = notes(&permitting);
    verdict
}

fn deny(applied: &Applied<'_>, scope: &Scope<'_>) -> Verdict {
    let mut reasons = Vec::new();
    let mut required = Vec::new();
    for rule in &applied.denies {
        reasons.push(rule.because(ReasonCode::RuleDenied));
        why_it_applies(rule, scope, &mut reasons, &mut required);
        not_counted(rule, scope, &mut reasons);
    }
    if !applied.permits() {
        reasons.push(Reason::new(ReasonCode::DefaultDeny));
    } else if applied.denies.iter().all(|rule| !rule.overridable_by.is_empty()) {
        required.extend(requirements(&applied.denies, scope));
        required.extend(requirements(&applied.waiting, scope));
    }
    reasons.truncate(MAX_REASONS);
    let mut verdict = Verdict::deny(ids(&applied.denies), reasons);
    verdict.required = required;
    verdict.notes = notes(&applied.denies);
    verdict
}

fn step_up(applied: &Applied<'_>, scope: &Scope<'_>) -> Verdict {
    let mut reasons = Vec::new();
    let mut conditions = Vec::new();
    for rule in &applied.waiting {
        reasons.push(rule.because(ReasonCode::ApprovalRequired));
        why_it_applies(rule, scope, &mut reasons, &mut conditions);
        not_counted(rule, scope, &mut reasons);
    }
    reasons.truncate(MAX_REASONS);
    let mut required: Vec<Requirement> = requirements(&applied.waiting, scope).collect();
    required.append(&mut conditions);
    let mut verdict = Verdict::step_up(ids(&applied.waiting), reasons, required);
    verdict.notes = notes(&applied.waiting);
    verdict
}

fn default_deny(rules: &[Rule], applied: &Applied<'_>, scope: &Scope<'_>) -> Verdict {
    let mut reasons = vec![Reason::new(ReasonCode::DefaultDeny)];
    reasons.extend(about(&applied.lifted, ReasonCode::RuleOverridden));
    let mut required = Vec::new();
    // The rules that would permit, were it not for what is said here. One about another tool is not near.
    let near = |rule: &&Rule| {
        rule.effect != Effect::Deny
            && rule
                .matchers
                .first()
                .is_some_and(|tool| tool.matches(rule.effect, scope))
    };
    for rule in rules.iter().filter(near) {
        let differing = rule
            .matchers
            .iter()
            .find(|matcher| !matcher.matches(rule.effect, scope));
        if let Some(matcher) = differing {
            reasons.push(rule.because(ReasonCode::MatcherDiffers).with_path(matcher.key.as_str()));
            continue;
        }
        for condition in &rule.when {
            let finding = condition.evaluate(scope);
            if finding.truth != Truth::True {
                reasons.push(condition_reason(rule, condition, &finding));
                required.push(condition_requirement(rule, condition, &finding));
            }
        }
        if !rule.unless.is_empty() && conjunction(&rule.unless, scope) != Truth::False {
            for condition in &rule.unless {
                reasons.push(match condition.evaluate(scope).truth {
                    Truth::Unknown => rule
                        .because(ReasonCode::ConditionUnknown)
                        .with_path(condition.path.as_str()),
                    _ => rule
                        .because(ReasonCode::ExceptionHolds)
                        .with_path(condition.path.as_str()),
                });
            }
        }
    }
    reasons.truncate(MAX_REASONS);
    required.truncate(MAX_REASONS);
    let mut verdict = Verdict::deny(Vec::new(), reasons);
    verdict.required = required;
    verdict
}

/// Why a deny or step_up applies: what holds, what is unknown, and which exception isn't met.
fn why_it_applies(rule: &Rule, scope: &Scope<'_>, reasons: &mut Vec<Reason>, required: &mut Vec<Requirement>) {
    for condition in &rule.when {
        let finding = condition.evaluate(scope);
        if finding.truth == Truth::Unknown {
            required.push(condition_requirement(rule, condition, &finding));
        }
        reasons.push(condition_reason(rule, condition, &finding));
    }
    for condition in &rule.unless {
        let finding = condition.evaluate(scope);
        if finding.truth != Truth::True {
            reasons.push(condition_reason(rule, condition, &finding));
            required.push(condition_requirement(rule, condition, &finding));
        }
    }
}

/// Approvals that were offered for what they don't cover: only those that look as if they were meant for this rule.
fn not_counted(rule: &Rule, scope: &Scope<'_>, reasons: &mut Vec<Reason>) {
    let refused = |standing| {
        !matches!(
            standing,
            Standing::Counts | Standing::OtherMode | Standing::RuleNotNamed
        )
    };
    let Some(need) = rule.need() else { return };
    let input = &scope.input;
    let mut grants = input.grants().iter();
    if grants.any(|grant| refused(need.standing(grant, input.action()))) {
        reasons.push(rule.because(ReasonCode::ApprovalNotCounted));
    }
}

fn requirements(rules: &[&Rule], scope: &Scope<'_>) -> impl Iterator<Item = Requirement> {
    let needs = rules.iter().filter_map(|rule| rule.need());
    needs.map(|need| need.requirement(&scope.input))
}

fn condition_reason(rule: &Rule, condition: &Condition, finding: &Finding<'_>) -> Reason {
    let code = match finding.truth {
        Truth::True => ReasonCode::ConditionHolds,
        Truth::False => ReasonCode::ConditionFails,
        Truth::Unknown => ReasonCode::ConditionUnknown,
    };
    rule.because(code).with_path(condition.path.as_str())
}

fn condition_requirement(rule: &Rule, condition: &Condition, finding: &Finding<'_>) -> Requirement {
    Requirement::condition(
        rule.id.clone(),
        rule.effect,
        condition.path.as_str(),
        condition.text.to_string(),
        finding.cause,
    )
}

fn about(rules: &[&Rule], code: ReasonCode) -> Vec<Reason> {
    rules.iter().map(|rule| rule.because(code)).collect()
}

fn ids(rules: &[&Rule]) -> Vec<actionpass_model::RuleId> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}

fn notes(rules: &[&Rule]) -> Vec<Note> {
    let note = |rule: &&Rule| Some(Note::new(rule.id.clone(), rule.reason.clone()?));
    rules.iter().filter_map(note).collect()
}

impl Rule {
    fn because(&self, code: ReasonCode) -> Reason {
        Reason::new(code).with_rule(self.id.clone())
    }
}
