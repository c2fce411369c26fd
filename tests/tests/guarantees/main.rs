//! The tests behind `docs/guarantees.md`, end to end: one module for each guarantee, each test named after it.
//!
//! Where it can be, a guarantee is a function that takes the part it is about; the test runs it on the real part and
//! on one that is broken on purpose, and demands that the function tells them apart.
#![expect(clippy::arithmetic_side_effects, reason = "what tests count is small")]

// Helpers count as tests for the lints only under this attribute.
#[cfg(test)]
mod algorithms;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod common;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod g01_no_pass_without_an_allow;
#[cfg(test)]
mod g02_no_allow_without_a_rule;
#[cfg(test)]
mod g03_deny_beats_step_up_beats_allow;
#[cfg(test)]
mod g04_only_its_payload;
#[cfg(test)]
mod g05_approvals_serve_once;
#[cfg(test)]
mod g06_consumed_at_most_once;
#[cfg(test)]
mod g07_revoked_is_refused;
#[cfg(test)]
mod g08_keys_speak_for_their_owners;
#[cfg(test)]
mod g09_no_record_no_pass;
#[cfg(test)]
mod g11_edits_are_found;
#[cfg(test)]
mod g12_truncation_is_found;
#[cfg(test)]
mod g13_hashes_tell_values_apart;
#[cfg(test)]
mod g14_private_keys_stay;
#[cfg(test)]
mod g15_failures_deny;
#[cfg(test)]
mod g16_never_a_panic;
#[cfg(test)]
mod g17_version_one_is_read;
#[cfg(test)]
mod g18_requests_are_on_record;
#[cfg(test)]
mod g22_what_was_shown_is_recomputable;
#[cfg(test)]
mod g23_nothing_passes_a_door_unjudged;
#[cfg(test)]
mod g24_a_catalogue_never_guesses;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod log;
#[cfg(test)]
mod observing;
#[cfg(test)]
mod queue_attacks;
#[cfg(test)]
mod requests;
