//! Exit codes: a decision has its own, a code that of its class (`docs/cli.md`).

use actionpass_model::Decision;

/// What a decision exits with.
pub(crate) const fn of_decision(decision: Decision) -> u8 {
    match decision {
        Decision::Allow => 0,
        Decision::Deny => 10,
        Decision::StepUp => 11,
    }
}
