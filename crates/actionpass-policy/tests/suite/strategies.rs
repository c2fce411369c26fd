//! Rules, actions, facts and approvals at random.

use actionpass_model::Decision;
use proptest::prelude::*;

use crate::reference::{Choices, Condition, Rule, World};
use crate::world;

fn condition() -> impl Strategy<Value = Condition> {
    proptest::collection::vec(any::<u8>(), 16).prop_map(|drawn| Condition::draw(&mut Choices(&drawn)))
}

fn roles() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(vec!["maintainer", "security"], 0..=2)
}

/// Up to six rules with ids `r0`, `r1` …
pub(crate) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let effect = prop_oneof![3 => Just(Decision::Allow), 1 => Just(Decision::Deny), 2 => Just(Decision::StepUp)];
    let tool = prop_oneof![3 => Just("t"), 1 => Just("u"), 1 => Just("**")];
    let lists = (
        proptest::collection::vec(condition(), 0..3),
        proptest::collection::vec(condition(), 0..3),
    );
    let rule = (effect, tool, lists, 1usize..3, roles(), any::<bool>(), roles());
    proptest::collection::vec(rule, 0..6).prop_map(|rules| {
        let rule =
            |(index, (effect, tool, (when, unless), count, roles, not_owner, overridable_by)): (usize, _)| Rule {
                id: format!("r{index}"),
                effect,
                tool,
                when,
                unless,
                count,
                roles,
                not_owner,
                overridable_by,
            };
        let rules = rules.into_iter().enumerate().map(rule);
        rules.map(Rule::consistent).collect()
    })
}

/// An action with tool `t`, facts and grants.
pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let approver = prop_oneof![Just("user:ann"), Just("user:bob"), Just("user:owner@example.com")];
    let named = proptest::sample::subsequence(vec!["r0", "r1", "r2", "r3", "r4", "r5"], 0..=6);
    let grant = (approver, roles(), any::<bool>(), any::<bool>(), named);
    let grants = proptest::collection::vec(grant, 0..4).prop_map(|grants| {
        let grant = |(index, (approver, roles, overrides, signed, rules)): (usize, (_, Vec<&str>, _, _, Vec<&str>))| {
            let grant = if overrides {
                world::overriding(index as u128, approver, &roles, &rules)
            } else {
                world::human(index as u128, approver, &roles)
            };
            if signed { grant } else { world::asserted(grant) }
        };
        grants.into_iter().enumerate().map(grant).collect()
    });
    let drawn = proptest::collection::vec(any::<u8>(), 120);
    (drawn, grants).prop_map(|(drawn, grants)| World {
        grants,
        ..Choices(&drawn).world()
    })
}
