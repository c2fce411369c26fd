//! G2: no allow without a matching rule. G3: a deny that isn't lifted beats step_up beats allow.

use actionpass_model::Decision;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::reference::{Choices, Condition, Rule, World, differ};
use crate::strategies::{rules, worlds};
use crate::world::ids;

fn unconditional(id: &str, effect: Decision) -> Rule {
    Rule {
        id: id.to_owned(),
        effect,
        tool: "t",
        when: Vec::new(),
        unless: Vec::new(),
        count: 8,
        roles: vec!["nobody"],
        not_owner: true,
        overridable_by: Vec::new(),
    }
}

/// Every way to take one member away, or to put something in its place that no test is about.
fn weakened(value: &Value) -> Vec<Value> {
    let mut results = Vec::new();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                results.push(Value::Object(without));
                for other in weakened(member).into_iter().chain([json!(null), json!({})]) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), other);
                    results.push(Value::Object(changed));
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                for other in weakened(element) {
                    let mut changed = elements.clone();
                    changed[index] = other;
                    results.push(Value::Array(changed));
                }
            }
        }
        _ => {}
    }
    results
}

/// Rules that don't ask whether something is there, or about all that is there: to such a question, taking it away is an
/// answer.
fn rules_without_presence() -> impl Strategy<Value = Vec<Rule>> {
    rules().prop_map(|mut rules| {
        rules.retain(|rule| !rule.when.iter().chain(&rule.unless).any(Condition::is_about_presence));
        rules
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// The whole engine against its meaning.
    #[test]
    fn g02_g03_the_engine_decides_as_the_reference(rules in rules(), world in worlds()) {
        prop_assert_eq!(world.judge(&rules).decision, world.expected(&rules));
    }

    /// A payload that was changed to have a rule look elsewhere is decided as the reference decides about it: no deny or
    /// step_up of the reference is an allow of the engine, and no other decision differs.
    #[test]
    fn g02_g03_a_mutated_payload_is_decided_as_the_reference(drawn in proptest::collection::vec(any::<u8>(), 300)) {
        differ(&drawn).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn g02_an_allow_names_rules_that_permit_and_apply(rules in rules(), world in worlds()) {
        let verdict = world.judge(&rules);
        if verdict.decision == Decision::Allow {
            let named = || ids(&verdict.rules).into_iter().map(|id| rules.iter().find(|rule| rule.id == id).unwrap());
            prop_assert!(named().any(|rule| rule.effect != Decision::Deny));
            for rule in named() {
                // A deny among them is one that an override lifted.
                let lifted = || verdict.reasons.iter().any(|reason| {
                    reason.code == "rule_overridden" && reason.rule.as_ref().is_some_and(|id| id.as_str() == rule.id)
                });
                prop_assert!(rule.applies(&world) && (rule.effect != Decision::Deny || lifted()), "{}", rule.id);
            }
            // Without the rules that it names, and without any that permit, it is none.
            let rest: Vec<Rule> = rules.iter().filter(|rule| !ids(&verdict.rules).contains(&&*rule.id)).cloned().collect();
            prop_assert_eq!(world.judge(&rest).decision, Decision::Deny);
        }
    }

    #[test]
    fn g02_without_rules_that_permit_nothing_is_allowed(rules in rules(), world in worlds()) {
        let denies: Vec<Rule> = rules.into_iter().filter(|rule| rule.effect == Decision::Deny).collect();
        prop_assert_eq!(world.judge(&denies).decision, Decision::Deny);
        prop_assert_eq!(world.judge(&[]).decision, Decision::Deny);
        let other = World { tool: "elsewhere", ..world };
        let about_t: Vec<Rule> = denies.into_iter().filter(|rule| rule.tool != "**").collect();
        prop_assert_eq!(other.judge(&about_t).decision, Decision::Deny);
    }

    /// What is taken away or unreadable never allows what was not allowed, unless people approved the exact payload
    /// as it is: unknown makes a step_up apply, and an approved step_up permits.
    #[test]
    fn g02_unknown_never_allows(rules in rules_without_presence(), world in worlds()) {
        if world.judge(&rules).decision != Decision::Allow {
            let payloads = weakened(&world.payload).into_iter().map(|payload| World { payload, ..world.clone() });
            let facts = weakened(&Value::Object(world.facts.clone())).into_iter();
            let facts = facts.filter_map(|facts| Some(World { facts: facts.as_object()?.clone(), ..world.clone() }));
            for weaker in payloads.chain(facts) {
                let verdict = weaker.judge(&rules);
                let approved = rules.iter().any(|rule| rule.effect == Decision::StepUp && ids(&verdict.rules).contains(&&*rule.id));
                prop_assert!(verdict.decision != Decision::Allow || approved, "{:?}", weaker);
                let alone = World { grants: Vec::new(), ..weaker };
                prop_assert_ne!(alone.judge(&rules).decision, Decision::Allow, "{:?}", alone);
            }
        }
    }

    #[test]
    fn g03_a_deny_that_applies_always_wins(rules in rules(), world in worlds(), at in 0usize..6) {
        let mut rules = rules;
        rules.insert(at.min(rules.len()), unconditional("wall", Decision::Deny));
        let verdict = world.judge(&rules);
        prop_assert_eq!(verdict.decision, Decision::Deny);
        prop_assert!(ids(&verdict.rules).contains(&"wall"));
    }

    #[test]
    fn g03_a_step_up_that_waits_beats_every_allow(rules in rules(), world in worlds(), at in 0usize..6) {
        let before = world.judge(&rules);
        let mut rules = rules;
        rules.insert(at.min(rules.len()), unconditional("gate", Decision::StepUp));
        let denied_by_rule = before.decision == Decision::Deny && !before.rules.is_empty();
        let expected = if denied_by_rule { Decision::Deny } else { Decision::StepUp };
        prop_assert_eq!(world.judge(&rules).decision, expected);
    }

    #[test]
    fn g03_the_order_of_rules_and_of_approvals_decides_nothing(rules in rules(), world in worlds()) {
        let verdict = world.judge(&rules);
        let mut reversed = rules;
        reversed.reverse();
        let mut world = world;
        world.grants.reverse();
        let again = world.judge(&reversed);
        prop_assert_eq!((verdict.decision, verdict.lifetime, verdict.relied_on), (again.decision, again.lifetime, again.relied_on));
    }

    /// The approvals that a verdict relies on are enough, and none can be left out.
    #[test]
    fn g03_an_allow_needs_each_approval_that_it_relied_on(rules in rules(), world in worlds()) {
        let verdict = world.judge(&rules);
        if verdict.decision == Decision::Allow {
            let relied: Vec<_> = world.grants.iter().filter(|grant| verdict.relied_on.iter().any(|on| on.id == grant.id)).cloned().collect();
            prop_assert_eq!(relied.len(), verdict.relied_on.len());
            let only = World { grants: relied.clone(), ..world.clone() };
            prop_assert_eq!(only.judge(&rules).decision, Decision::Allow);
            for left_out in 0..relied.len() {
                let mut fewer = relied.clone();
                fewer.remove(left_out);
                let fewer = World { grants: fewer, ..world.clone() };
                prop_assert_ne!(fewer.judge(&rules).decision, Decision::Allow);
            }
        } else {
            prop_assert!(verdict.relied_on.is_empty());
        }
    }

    /// Reasons go into records, so no value of payload, facts or context may be in them.
    #[test]
    fn reasons_carry_no_values(rules in rules(), world in worlds()) {
        for reason in world.judge(&rules).reasons {
            let path = reason.path.unwrap_or_default();
            prop_assert!(path.is_empty() || path.starts_with("payload.") || path.starts_with("fact.") || path == "tool", "{}", path);
        }
    }
}

/// The cases that the properties above are about do come up: a test that never sees an allow proves nothing.
#[test]
fn the_strategies_reach_every_decision() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [0; 3];
    let mut approved = 0;
    for _ in 0..600 {
        let (rules, world) = (rules(), worlds()).new_tree(&mut runner).unwrap().current();
        let verdict = world.judge(&rules);
        seen[match verdict.decision {
            Decision::Allow => 0,
            Decision::Deny => 1,
            Decision::StepUp => 2,
        }] += 1;
        approved += usize::from(!verdict.relied_on.is_empty());
    }
    assert!(
        seen.iter().all(|count| *count > 30) && approved > 10,
        "{seen:?} {approved}"
    );
}

/// Every kind of test, and every quantifier, comes to each of the three values in what is drawn.
#[test]
fn the_draws_reach_every_truth() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<_, std::collections::BTreeSet<_>>::new();
    for _ in 0..20_000 {
        let drawn = proptest::collection::vec(any::<u8>(), 150)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let choices = &mut Choices(&drawn);
        let (condition, world) = (Condition::draw(choices), choices.world());
        let (test, quantifier) = condition.kind();
        let truth = condition.ask(&world);
        seen.entry(test).or_default().insert(truth);
        seen.entry(format!("{quantifier:?}")).or_default().insert(truth);
    }
    assert_eq!(seen.len(), 20 + 3, "{seen:?}");
    for (kind, truths) in seen {
        assert_eq!(truths.len(), 3, "{kind:?} {truths:?}");
    }
}

/// Conditions that are refused at load since they can't hold together never do, in the reference; and most of what is drawn
/// isn't refused.
#[test]
fn g02_refused_conditions_never_hold_together() {
    use proptest::strategy::ValueTree;
    const RULES: usize = 6_000;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut refused = 0;
    for _ in 0..RULES {
        let drawn = proptest::collection::vec(any::<u8>(), 400)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let choices = &mut Choices(&drawn);
        let when = vec![Condition::draw(choices), Condition::draw(choices)];
        let rule = Rule {
            when,
            ..unconditional("r", Decision::Allow)
        };
        if !rule.is_contradictory() {
            continue;
        }
        refused += 1;
        for _ in 0..4 {
            let mut world = choices.world();
            for _ in 0..4 {
                assert!(!rule.conditions_hold(&world), "{rule:?} {world:?}");
                world.payload = choices.mutated(&world.payload);
            }
        }
    }
    assert!((RULES / 50..RULES / 5).contains(&refused), "{refused} of {RULES}");
}
