//! The engine trait: what decides, and what it decides on.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::{Audience, Digest, Grant, PolicyId, Timestamp, Tool};

use crate::Verdict;

/// Decides about actions.
///
/// # Contract
/// - **Pure and deterministic.** The same input gives the same verdict, in every process and at every time: no clock,
///   no I/O, no randomness, no state that one call leaves for the next. [`digest`](Self::digest) covers everything
///   else that a verdict depends on, so two engines of one digest decide alike.
/// - **Default deny.** Without a rule that permits the action, the verdict is deny.
/// - **Against the action.** What can't be decided (missing data, another type, a fault of the engine) is decided
///   against the action; it never panics and never gives an allow.
/// - **Grants are plain data.** Whoever calls made them from verified approvals, or simulates. An engine counts a
///   grant only for what its mode covers and relies on no more of them than the decision needs.
/// - **Nothing leaks.** Reasons carry codes, rule ids and paths, never values out of payload, facts or context.
///
/// An engine is [`Any`], so that whoever knows which one is in force finds what else it was made of.
pub trait PolicyEngine: Any + Debug + Send + Sync {
    /// The id of the policy in force.
    fn id(&self) -> &PolicyId;

    /// The digest of everything that determines the verdicts (`actionpass.policy-digest.v1`).
    fn digest(&self) -> Digest;

    /// Decides about one action.
    fn evaluate(&self, input: &PolicyInput<'_>) -> Verdict;

    /// Who executes a tool, where the files of the policy say so: the digest covers them, so whoever replaces the engine replaces
    /// this with it. `None` leaves it to the configuration of the issuer.
    fn audience(&self, _tool: &Tool) -> Option<&Audience> {
        None
    }

    /// Whether payloads of a tool may have member names that differ in case only, because the files of the policy say so.
    fn permits_colliding_names(&self, _tool: &Tool) -> bool {
        false
    }
}

/// What a policy decides on.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    pub(crate) action: &'a BoundAction,
    pub(crate) facts: &'a BoundFacts,
    pub(crate) grants: &'a [Grant],
    pub(crate) time: Option<Timestamp>,
}

impl<'a> PolicyInput<'a> {
    /// An action, what the host attests about it, and what approvals grant.
    #[must_use]
    pub const fn new(action: &'a BoundAction, facts: &'a BoundFacts, grants: &'a [Grant]) -> Self {
        Self {
            action,
            facts,
            grants,
            time: None,
        }
    }

    /// The same, judged at this time: the age of facts is counted up to it. An engine reads no clock, so without a time
    /// nothing can be said about any age.
    #[must_use]
    pub const fn at(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    /// The action.
    #[must_use]
    pub const fn action(&self) -> &'a BoundAction {
        self.action
    }

    /// The facts; none is a value of its own.
    #[must_use]
    pub const fn facts(&self) -> &'a BoundFacts {
        self.facts
    }

    /// The grants.
    #[must_use]
    pub const fn grants(&self) -> &'a [Grant] {
        self.grants
    }

    /// When the action is judged, where the caller says.
    #[must_use]
    pub const fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// How old the facts are at the time of judging, in whole seconds, rounded up; 0 for facts from the future, which the
    /// issuer refuses beyond its leeway. `None` without facts or without a time.
    #[must_use]
    pub fn age_of_facts(&self) -> Option<u64> {
        let facts = self.facts.document()?;
        let age = self.time?.saturating_since(facts.as_of);
        Some(age.as_secs().saturating_add(u64::from(age.subsec_nanos() > 0)))
    }
}

macro_rules! forward {
    ($($pointer:ident),+) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<E: PolicyEngine + ?Sized> PolicyEngine for $pointer<E> {
            fn id(&self) -> &PolicyId {
                (**self).id()
            }

            fn digest(&self) -> Digest {
                (**self).digest()
            }

            fn evaluate(&self, input: &PolicyInput<'_>) -> Verdict {
                (**self).evaluate(input)
            }

            fn audience(&self, tool: &Tool) -> Option<&Audience> {
                (**self).audience(tool)
            }

            fn permits_colliding_names(&self, tool: &Tool) -> bool {
                (**self).permits_colliding_names(tool)
            }
        }
    )+};
}
forward!(Arc, Box);
