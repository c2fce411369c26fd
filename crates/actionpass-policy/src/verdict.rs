//! Verdicts: what an engine decides, why, and what would turn it.

use std::time::Duration;

use actionpass_model::{ApprovalRef, Code, Decision, Obligation, PolicyRef, Reason, Role, RuleId, Statement};
use serde::{Deserialize, Serialize};

use crate::{Cause, Effect, PolicyEngine};

actionpass_model::codes! {
    /// Why the built-in engine decided as it did.
    pub enum ReasonCode: Reason {
        /// An allow rule applies.
        RuleAllowed = "rule_allowed",
        /// A deny rule applies and nobody lifted it.
        RuleDenied = "rule_denied",
        /// A deny rule applies, and an override lifted it.
        RuleOverridden = "rule_overridden",
        /// A step_up rule applies, and its approvals are there.
        ApprovalSatisfied = "approval_satisfied",
        /// A step_up rule applies, and approvals are missing.
        ApprovalRequired = "approval_required",
        /// An approval was offered that doesn't count for this rule: its role, its mode or its approver.
        ApprovalNotCounted = "approval_not_counted",
        /// No rule permits the action.
        DefaultDeny = "default_deny",
        /// A rule for this tool is about other calls: its matcher at the path doesn't match.
        MatcherDiffers = "matcher_differs",
        /// A condition of a deny or step_up rule holds.
        ConditionHolds = "condition_holds",
        /// A condition doesn't hold.
        ConditionFails = "condition_fails",
        /// A condition can't be decided, because a value is missing, of another type or unsafe; that counts against the action.
        ConditionUnknown = "condition_unknown",
        /// The exception of an allow rule holds, so the rule doesn't apply.
        ExceptionHolds = "exception_holds",
        /// The decision took more work than one may: the action is too large for what the policy asks of it.
        PolicyWorkExceeded = "policy_work_exceeded",
    }
}

/// What an engine decided.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// Why: codes, rules and paths, no values.
    pub reasons: Vec<Reason>,
    /// The rules that decided: those that permit and those that were lifted for an allow, those that refuse for a deny, those whose approvals
    /// are missing for a step_up; none for a default deny.
    pub rules: Vec<RuleId>,
    /// What the executor must enforce; only with an allow.
    pub obligations: Vec<Obligation>,
    /// The longest that the pass may live, where policy says so; only with an allow.
    pub lifetime: Option<Duration>,
    /// The approvals without which this would be no allow; only with an allow.
    pub relied_on: Vec<ApprovalRef>,
    /// What would turn a deny or a step_up. All approvals and overrides are needed together; a condition is another
    /// way out, where it can be met honestly.
    pub required: Vec<Requirement>,
    /// What the policy's authors have to say about the rules that decided.
    pub notes: Vec<Note>,
}

/// Words of a policy's authors about a rule that decided.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The rule.
    pub rule: RuleId,
    /// Its `reason`.
    pub reason: Statement,
}

/// Something that would turn a decision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Requirement {
    /// Approvals of mode `human`, for a step_up.
    #[non_exhaustive]
    Approval {
        /// The rule that asks for them.
        rule: RuleId,
        /// How many are still missing: each from another approver, who gave none of those that count.
        count: usize,
        /// How many the rule wants in all, by different people.
        total: usize,
        /// The roles of which each approver must hold one; empty if any approver counts.
        roles: Vec<Role>,
        /// Whether the agent's owner doesn't count.
        not_owner: bool,
    },
    /// A signed approval of mode `policy_override` that names the rule.
    #[non_exhaustive]
    Override {
        /// The deny rule to lift.
        rule: RuleId,
        /// The roles of which the approver must hold one.
        roles: Vec<Role>,
    },
    /// A value that would let an allow rule apply, or keep another from applying.
    #[non_exhaustive]
    Condition {
        /// The rule.
        rule: RuleId,
        /// What the rule does.
        effect: Effect,
        /// Where the value stands: `fact.testsPassed`.
        path: String,
        /// What the rule asks of it, in the policy's words: `equals = true`.
        expected: String,
        /// What is wrong with the value that is there.
        found: Cause,
    },
}

impl Note {
    /// What the policy says about a rule.
    #[must_use]
    pub const fn new(rule: RuleId, reason: Statement) -> Self {
        Self { rule, reason }
    }
}

impl Requirement {
    /// A value that would turn the decision. What approvals would, [`Need::requirement`](crate::grants::Need::requirement)
    /// says.
    #[must_use]
    pub fn condition(
        rule: RuleId,
        effect: Effect,
        path: impl Into<String>,
        expected: impl Into<String>,
        found: Cause,
    ) -> Self {
        Self::Condition {
            rule,
            effect,
            path: path.into(),
            expected: expected.into(),
            found,
        }
    }
}

impl Verdict {
    /// An allow by these rules.
    pub fn allow(rules: Vec<RuleId>, reasons: Vec<Reason>) -> Self {
        Self {
            rules,
            ..Self::new(Decision::Allow, reasons)
        }
    }

    /// A deny by these rules, or a default deny if there are none.
    pub fn deny(rules: Vec<RuleId>, reasons: Vec<Reason>) -> Self {
        Self {
            rules,
            ..Self::new(Decision::Deny, reasons)
        }
    }

    /// A deny with one code and no rule: what an engine that failed answers.
    pub fn deny_with(code: impl Into<Code>) -> Self {
        Self::new(Decision::Deny, vec![Reason::new(code)])
    }

    /// A deny for this reason and by no rule: what somebody who knows the call refuses before any rule is asked.
    pub fn deny_for(reason: Reason) -> Self {
        Self::new(Decision::Deny, vec![reason])
    }

    /// A step_up by these rules, until what is required is there.
    pub fn step_up(rules: Vec<RuleId>, reasons: Vec<Reason>, required: Vec<Requirement>) -> Self {
        Self {
            rules,
            required,
            ..Self::new(Decision::StepUp, reasons)
        }
    }

    fn new(decision: Decision, reasons: Vec<Reason>) -> Self {
        Self {
            decision,
            reasons,
            rules: Vec::new(),
            obligations: Vec::new(),
            lifetime: None,
            relied_on: Vec::new(),
            required: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whose verdict this is, as passes and records say it.
    #[must_use]
    pub fn policy_ref<E: PolicyEngine + ?Sized>(&self, engine: &E) -> PolicyRef {
        PolicyRef {
            id: engine.id().clone(),
            digest: engine.digest(),
            rules: self.rules.clone(),
        }
    }
}
