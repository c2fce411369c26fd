//! The engine against its meaning: rules, payloads and changes to payloads are drawn from the bytes, and every decision is
//! that of the reference evaluator of `actionpass-policy`'s tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the tests of the policy use more of it")]
#[path = "../../crates/actionpass-policy/tests/suite/reference.rs"]
mod reference;
#[allow(dead_code, reason = "the tests of the policy use more of it")]
#[path = "../../crates/actionpass-policy/tests/suite/world.rs"]
mod world;

fuzz_target!(|bytes: &[u8]| {
    if let Err(difference) = reference::differ(bytes) {
        panic!("{difference}");
    }
});
