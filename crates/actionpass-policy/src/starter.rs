//! A policy to start from, and three actions that it decides.

/// The starter policy: guardrails for GitHub, Slack, Linear, Jira, files, shell commands, MCP tools and refunds.
pub const STARTER_POLICY: &str = include_str!("starter.toml");

/// An action that the starter policy allows, without any facts.
pub const EXAMPLE_ALLOW: &str = include_str!("examples/allow.json");

/// An action that the starter policy allows with a maintainer's approval.
pub const EXAMPLE_STEP_UP: &str = include_str!("examples/step_up.json");

/// An action that the starter policy denies.
pub const EXAMPLE_DENY: &str = include_str!("examples/deny.json");

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundAction, BoundFacts, Limits};
    use actionpass_model::Decision;

    use super::*;
    use crate::{PolicyEngine, PolicyInput, RulePolicy};

    #[test]
    fn the_examples_get_the_decision_of_their_name_without_facts() {
        let policy = RulePolicy::load(STARTER_POLICY, "starter.toml").unwrap();
        for (action, decision) in [
            (EXAMPLE_ALLOW, Decision::Allow),
            (EXAMPLE_STEP_UP, Decision::StepUp),
            (EXAMPLE_DENY, Decision::Deny),
        ] {
            let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
            let verdict = policy.evaluate(&PolicyInput::new(&action, &BoundFacts::none(), &[]));
            assert_eq!(verdict.decision, decision, "{:?}", verdict.reasons);
        }
    }
}
