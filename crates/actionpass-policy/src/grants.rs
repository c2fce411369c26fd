//! Which approvals count for which rules, and how few of them a decision needs.

use actionpass_model::{AnyPrincipal, ApprovalMode, Approver, Assurance, Grant};
use serde::Serialize;

use crate::ReliedOn;
use crate::rule::{Approvals, Rule};
use crate::scope::Scope;

/// Whether an approval counts for a rule, and if not, why.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It counts.
    Counts,
    /// It is of the other mode: `human` lifts no deny, `policy_override` satisfies no step_up.
    OtherMode,
    /// It names rules, and this one isn't among them; an override always names rules.
    RuleNotNamed,
    /// It is an override that nobody signed.
    NotSigned,
    /// The approver holds none of the roles that the rule names.
    RoleMissing,
    /// The approver is the agent's owner.
    IsOwner,
    /// The approver is the agent, or one that it acts for.
    IsAgent,
}

/// How one grant stands to one rule.
pub(crate) fn standing(grant: &Grant, rule: &Rule, scope: &Scope<'_>) -> Standing {
    let actor = &scope.action.action().actor;
    let agents = || std::iter::once(&actor.agent).chain(&actor.via);
    if agents().any(|agent| grant.approver.is_same_person_as(agent)) {
        return Standing::IsAgent;
    }
    match &rule.approvals {
        Some(approvals) => {
            if grant.mode != ApprovalMode::Human {
                Standing::OtherMode
            } else if !grant.rules.is_empty() && !grant.rules.contains(&rule.id) {
                Standing::RuleNotNamed
            } else if approvals.not_owner && grant.approver.is_same_person_as(&actor.human_owner) {
                Standing::IsOwner
            } else if !approvals.roles.is_empty() && !grant.roles.iter().any(|role| approvals.roles.contains(role)) {
                Standing::RoleMissing
            } else {
                Standing::Counts
            }
        }
        None => {
            if grant.mode != ApprovalMode::PolicyOverride {
                Standing::OtherMode
            } else if grant.assurance != Assurance::Signed {
                Standing::NotSigned
            } else if !grant.rules.contains(&rule.id) {
                Standing::RuleNotNamed
            } else if !grant.roles.iter().any(|role| rule.overridable_by.contains(role)) {
                Standing::RoleMissing
            } else {
                Standing::Counts
            }
        }
    }
}

/// How many approvals a step_up still lacks, each from another approver.
pub(crate) fn missing<'a>(
    approvals: &Approvals,
    rule: &Rule,
    grants: impl Iterator<Item = &'a Grant>,
    scope: &Scope<'_>,
) -> usize {
    let mut approvers: Vec<&Approver> = Vec::new();
    for grant in grants {
        let approver = &grant.approver;
        if standing(grant, rule, scope) == Standing::Counts
            && !approvers.iter().any(|other| other.is_same_person_as(approver))
        {
            approvers.push(approver);
        }
    }
    approvals.count.saturating_sub(approvers.len())
}

/// Whether the grants satisfy a step_up, or lift a deny.
pub(crate) fn satisfy<'a>(rule: &Rule, mut grants: impl Iterator<Item = &'a Grant>, scope: &Scope<'_>) -> bool {
    match &rule.approvals {
        Some(approvals) => missing(approvals, rule, grants, scope) == 0,
        None => grants.any(|grant| standing(grant, rule, scope) == Standing::Counts),
    }
}

/// The grants that these rules need, none of which can be left out. Which ones depends on the grants only and not on
/// their order: the oldest stay (ids are made in the order of time), and signed ones before asserted ones.
pub(crate) fn needed(rules: &[&Rule], scope: &Scope<'_>) -> Vec<ReliedOn> {
    if rules.is_empty() {
        return Vec::new();
    }
    let counts = |grant: &&Grant| {
        rules
            .iter()
            .any(|rule| standing(grant, rule, scope) == Standing::Counts)
    };
    let mut kept: Vec<&Grant> = scope.grants.iter().filter(counts).collect();
    kept.sort_by(|left, right| {
        let key = |grant: &Grant| grant.assurance != Assurance::Signed;
        key(left)
            .cmp(&key(right))
            .then_with(|| (&left.id, &left.approver).cmp(&(&right.id, &right.approver)))
    });
    for candidate in (0..kept.len()).rev() {
        let without = || {
            kept.iter()
                .enumerate()
                .filter(move |(at, _)| *at != candidate)
                .map(|(_, grant)| *grant)
        };
        if rules.iter().all(|rule| satisfy(rule, without(), scope)) {
            kept.remove(candidate);
        }
    }
    kept.iter()
        .map(|grant| ReliedOn::new(grant.approver.clone(), grant.id.clone()))
        .collect()
}
