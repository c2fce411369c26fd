//! Policies: no text panics, and what loads decides about the demo action without a panic.
#![no_main]

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::DEMO_ACTION;
use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(policy) = RulePolicy::load(text, "policy.toml") {
        let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).expect("the demo action is one");
        let _ = policy.evaluate(&PolicyInput::new(&action, &BoundFacts::none(), &[]));
    }
});
