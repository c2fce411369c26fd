//! Deterministic policy: allow, deny or step_up, with reasons.
//!
//! ```
//! use actionpass_canon::{BoundAction, BoundFacts, Limits};
//! use actionpass_model::{DEMO_ACTION, Decision};
//! use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy, STARTER_POLICY};
//!
//! let policy = RulePolicy::load(STARTER_POLICY, "policy.toml")?;
//! let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default())?;
//!
//! // A pull request without evidence that its tests passed: a maintainer must look at it.
//! let verdict = policy.evaluate(&PolicyInput::new(&action, &BoundFacts::none(), &[]));
//! assert_eq!(verdict.decision, Decision::StepUp);
//! assert_eq!(verdict.rules[0].as_str(), "github.pr.untested");
//! assert_eq!(verdict.reasons[0].code, "approval_required");
//!
//! // With the evidence, the host's word and not the agent's, it goes through.
//! let facts = br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#;
//! let facts = BoundFacts::admit(facts, &Limits::default())?;
//! let verdict = policy.evaluate(&PolicyInput::new(&action, &facts, &[]));
//! assert_eq!(verdict.decision, Decision::Allow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | any engine | [`PolicyEngine`], [`PolicyInput`], [`Verdict`] |
//! | the built-in engine, `policy.toml` | [`RulePolicy`], [`PolicyError`]; the language: `docs/spec/policy.md` |
//! | why a verdict is what it is | [`Reason`](actionpass_model::Reason) and [`ReasonCode`] for records, [`Explanation`] for people, [`Requirement`] for what would turn it |
//! | which approvals count, for any engine | [`grants`] |
//! | what an author should look at again | [`RulePolicy::warnings`], [`Warning`] |
//! | tests of a policy | [`testing`] |
//! | a policy to start from | [`STARTER_POLICY`], [`EXAMPLE_ALLOW`], [`EXAMPLE_STEP_UP`], [`EXAMPLE_DENY`] |
//!
//! Default deny; a deny that isn't lifted beats step_up beats allow; and what can't be told (a missing member, another
//! type, an unsafe path) counts against the action. Evaluating is sync and pure: no clock, no I/O.

mod condition;
mod datum;
mod engine;
mod error;
mod evaluate;
mod explain;
mod field;
mod glob;
pub mod grants;
mod lint;
mod load;
mod number;
mod path;
mod payload_path;
mod rule;
mod rules;
mod safe_path;
mod scope;
mod starter;
mod template;
pub mod testing;
mod truth;
mod verdict;
mod work;

pub use condition::Cause;
pub use engine::{PolicyEngine, PolicyInput};
pub use error::{PolicyCode, PolicyError};
pub use explain::{
    ApprovalExplanation, ConditionExplanation, Explanation, MatcherExplanation, Outcome, RuleExplanation,
};
pub use lint::{Warning, WarningCode};
pub use load::decode;
pub use payload_path::{PayloadPath, PayloadStep};
pub use rule::Effect;
pub use rules::RulePolicy;
pub use safe_path::is_safe_path;
pub use starter::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP, STARTER_POLICY};
pub use truth::Truth;
pub use verdict::{Note, ReasonCode, Requirement, Verdict};
