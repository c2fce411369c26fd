//! Actions, facts, grants and policies in one line each.

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::{ApprovalId, ApprovalMode, Approver, Assurance, Decision, Grant, Role, RuleId};
use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy, Verdict};
use serde_json::{Value, json};

pub(crate) fn action(tool: &str, resource: &str, payload: Value) -> BoundAction {
    bind(&document(tool, resource, payload))
}

pub(crate) fn document(tool: &str, resource: &str, payload: Value) -> Value {
    json!({
        "schema": "actionpass.action.v1",
        "tenant": "org:example",
        "actor": { "agent": "agent:codex-prod", "humanOwner": "user:owner@example.com", "runtime": "runtime:codex-cli" },
        "intent": { "task": "AXT-418" },
        "capability": { "tool": tool, "resource": resource, "payload": payload },
    })
}

pub(crate) fn bind(document: &Value) -> BoundAction {
    BoundAction::admit(document.to_string().as_bytes(), &Limits::default()).unwrap()
}

pub(crate) fn facts(facts: &Value) -> BoundFacts {
    let document = json!({ "schema": "actionpass.facts.v1", "source": "test", "asOf": "2026-11-23T01:02:03.000Z", "facts": facts });
    BoundFacts::admit(document.to_string().as_bytes(), &Limits::default()).unwrap()
}

/// A policy of these rules.
pub(crate) fn policy(rules: &str) -> RulePolicy {
    let text = format!("schema = \"actionpass.policy.v1\"\nid = \"test\"\n{rules}");
    RulePolicy::load(&text, "test.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A signed `human` approval; `number` makes its id, in the order of time.
pub(crate) fn human(number: u128, approver: &str, roles: &[&str]) -> Grant {
    Grant {
        id: ApprovalId::parse(&format!("apr_{number:032x}")).unwrap(),
        mode: ApprovalMode::Human,
        approver: Approver::parse(approver).unwrap(),
        roles: roles.iter().map(|role| Role::parse(role).unwrap()).collect(),
        assurance: Assurance::Signed,
        rules: Vec::new(),
    }
}

/// A signed override of these rules.
pub(crate) fn overriding(number: u128, approver: &str, roles: &[&str], rules: &[&str]) -> Grant {
    Grant {
        mode: ApprovalMode::PolicyOverride,
        rules: rules.iter().map(|rule| RuleId::parse(rule).unwrap()).collect(),
        ..human(number, approver, roles)
    }
}

pub(crate) fn asserted(grant: Grant) -> Grant {
    Grant {
        assurance: Assurance::Asserted,
        ..grant
    }
}

pub(crate) fn judge(policy: &RulePolicy, action: &BoundAction, facts: &BoundFacts, grants: &[Grant]) -> Verdict {
    let input = PolicyInput::new(action, facts, grants);
    let verdict = policy.evaluate(&input);
    // Both come from one evaluator, and this holds them together.
    assert_eq!(policy.explain(&input).decision, verdict.decision);
    verdict
}

/// The decision on an action without facts and approvals.
pub(crate) fn decide(policy: &RulePolicy, action: &BoundAction) -> Decision {
    judge(policy, action, &BoundFacts::none(), &[]).decision
}

pub(crate) fn ids(rules: &[RuleId]) -> Vec<&str> {
    rules.iter().map(RuleId::as_str).collect()
}
