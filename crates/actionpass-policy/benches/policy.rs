//! The starter policy on real calls: what a decision costs.

#![expect(
    clippy::expect_used,
    reason = "a benchmark whose inputs are broken has nothing to measure"
)]

use std::hint::black_box;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::DEMO_ACTION;
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, PolicyEngine, PolicyInput, RulePolicy, STARTER_POLICY};
use criterion::{Criterion, criterion_group, criterion_main};

const FACTS: &[u8] =
    br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#;

fn evaluate(criterion: &mut Criterion) {
    let limits = Limits::default();
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").expect("the starter policy loads");
    let tested = BoundFacts::admit(FACTS, &limits).expect("the facts are admitted");
    let none = BoundFacts::none();
    let long = DEMO_ACTION.replace("Fix the retry loop", &"Fix the retry loop. ".repeat(24));
    for (name, text, facts) in [
        ("allow, no facts", EXAMPLE_ALLOW, &none),
        ("allow, 600 B payload", &*long, &tested),
        ("step_up", DEMO_ACTION, &none),
        ("deny", EXAMPLE_DENY, &none),
    ] {
        let action = BoundAction::admit(text.as_bytes(), &limits).expect("the action is admitted");
        let input = PolicyInput::new(&action, facts, &[]);
        criterion.bench_function(&format!("evaluate: {name}"), |bencher| {
            bencher.iter(|| policy.evaluate(black_box(&input)))
        });
    }
    criterion.bench_function("load the starter policy", |bencher| {
        bencher.iter(|| RulePolicy::load(black_box(STARTER_POLICY), "policy.toml"));
    });
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
