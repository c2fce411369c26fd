//! [`Verdict`]: what is decided on a call, and what may be done with it.

use actionpass_canon::CanonicalBytes;
use actionpass_client::api::{AuthorizeAnswer, RecordLink, ToldReason};
use actionpass_gate::{CallError, Normalized};
use actionpass_model::{Decision, Digest, OutcomeStatus, PassId, Resource, Statement, Tool};

use crate::DoorError;

/// What is decided on a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// A pass was given. The call is made once it is [consumed](crate::Door::consume).
    Allowed(Allowed),
    /// The call is not made.
    Refused(Refused),
    /// The door observes: the call is made.
    Observed(Observed),
}

/// A call that a pass was given for.
#[derive(Clone, Debug)]
pub struct Allowed {
    answer: Box<AuthorizeAnswer>,
    pub(crate) call: Bound,
}

/// What a pass is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) tool: Tool,
    pub(crate) resource: Resource,
    pub(crate) payload: CanonicalBytes,
}

impl Bound {
    pub(crate) fn of(call: Normalized) -> Self {
        Self {
            tool: call.tool,
            resource: call.resource,
            payload: call.payload,
        }
    }
}

/// A call that is not made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// `deny` or `step_up`: whether people can let the same call through.
    pub decision: Decision,
    /// Why.
    pub reasons: Vec<ToldReason>,
    /// The decision as it is recorded; `None` for a call that no action says. The request that waits for people, with a link
    /// where the page is known, is in it.
    pub answer: Option<Box<AuthorizeAnswer>>,
}

/// A call that is made whatever was decided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observed {
    /// What would have been decided.
    pub would: Decision,
    /// Why.
    pub reasons: Vec<ToldReason>,
    /// The decision as it is recorded; `None` for a call that no action says.
    pub answer: Option<Box<AuthorizeAnswer>>,
}

/// A call that may be made now, once: its pass was verified and used up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Permit {
    /// What is to be executed, and nothing else.
    pub payload: CanonicalBytes,
    /// The pass, a compact JWS, for whoever executes behind the door. It is used up as far as this door is concerned.
    pub token: String,
    /// The decision.
    pub answer: Box<AuthorizeAnswer>,
    pass: PassId,
}

/// What a report is about.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Ran {
    /// A call that was made under a pass.
    Pass(PassId),
    /// A call that was made though its decision was only observed.
    Observed(RecordLink),
    /// A call that was made without a decision, which nothing is recorded of.
    Unrecorded,
}

/// What came of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers name all of it")]
pub struct Outcome {
    /// Whether it was executed, failed, or nobody knows.
    pub status: OutcomeStatus,
    /// What the provider calls what was done.
    pub provider_id: Option<Statement>,
    /// SHA-256 of the canonical result.
    pub result_hash: Option<Digest>,
}

impl Allowed {
    /// A call that this answer gave a pass for; the answer again if it gave none.
    pub(crate) fn of(answer: Box<AuthorizeAnswer>, call: Bound) -> Result<Self, Box<AuthorizeAnswer>> {
        if answer.decision != Decision::Allow || answer.pass.is_none() {
            return Err(answer);
        }
        Ok(Self { answer, call })
    }

    pub(crate) fn token(&self) -> Result<&str, DoorError> {
        let pass = self.answer.pass.as_ref().ok_or_else(DoorError::without_pass)?;
        Ok(&pass.token)
    }

    /// The decision.
    #[must_use]
    pub const fn answer(&self) -> &AuthorizeAnswer {
        &self.answer
    }

    /// The permit of a pass that was verified and used up for this payload.
    pub(crate) fn permit(self, payload: CanonicalBytes) -> Result<Permit, DoorError> {
        let Self { mut answer, .. } = self;
        let pass = answer.pass.take().ok_or_else(DoorError::without_pass)?;
        Ok(Permit {
            payload,
            token: pass.token,
            answer,
            pass: pass.id,
        })
    }
}

impl Refused {
    /// A call that no action says.
    #[must_use]
    pub fn unmapped(error: &CallError) -> Self {
        Self {
            decision: Decision::Deny,
            reasons: vec![reason(error)],
            answer: None,
        }
    }

    /// What a decision that gave no pass says.
    #[must_use]
    pub fn of(answer: Box<AuthorizeAnswer>) -> Self {
        let decision = match answer.decision {
            Decision::StepUp => Decision::StepUp,
            // An allow without its pass permits nothing.
            Decision::Allow | Decision::Deny => Decision::Deny,
        };
        Self {
            decision,
            reasons: answer.reasons.clone(),
            answer: Some(answer),
        }
    }
}

impl Observed {
    /// What was decided, and is not enforced.
    #[must_use]
    pub fn of(answer: Box<AuthorizeAnswer>) -> Self {
        Self {
            would: answer.decision,
            reasons: answer.reasons.clone(),
            answer: Some(answer),
        }
    }

    /// A call that no action says.
    #[must_use]
    pub fn unmapped(error: &CallError) -> Self {
        Self {
            would: Decision::Deny,
            reasons: vec![reason(error)],
            answer: None,
        }
    }

    /// What a report of it is about.
    #[must_use]
    pub fn ran(&self) -> Ran {
        let record = self.answer.as_ref().map(|answer| answer.record.clone());
        record.map_or(Ran::Unrecorded, Ran::Observed)
    }
}

impl Permit {
    /// What a report of it is about.
    #[must_use]
    pub fn ran(&self) -> Ran {
        Ran::Pass(self.pass.clone())
    }
}

impl Outcome {
    /// It was executed.
    #[must_use]
    pub const fn executed() -> Self {
        Self::of(OutcomeStatus::Executed)
    }

    /// It was not executed, or without effect.
    #[must_use]
    pub const fn failed() -> Self {
        Self::of(OutcomeStatus::Failed)
    }

    /// Nobody knows, so it isn't repeated.
    #[must_use]
    pub const fn unknown() -> Self {
        Self::of(OutcomeStatus::Unknown)
    }

    const fn of(status: OutcomeStatus) -> Self {
        Self {
            status,
            provider_id: None,
            result_hash: None,
        }
    }

    /// With the hash of the canonical result.
    #[must_use]
    pub const fn with_result(mut self, hash: Digest) -> Self {
        self.result_hash = Some(hash);
        self
    }
}

fn reason(error: &CallError) -> ToldReason {
    ToldReason {
        code: error.code().into(),
        rule: None,
        path: error.path().map(ToOwned::to_owned),
        message: error.to_string(),
        by: None,
        at: None,
        words: None,
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use actionpass_canon::{Limits, admit};
    use actionpass_gate::{Catalogue, ToolCall};

    use super::*;
    use crate::testing::answer;

    #[test]
    fn nothing_but_an_allow_with_its_pass_permits() {
        let payload = admit(b"{}", &Limits::default()).unwrap();
        let call = ToolCall::new("files", "read", &payload);
        let call = Catalogue::empty().normalize(call).unwrap();
        let given = |decision| Box::new(answer(decision, &call, crate::Mode::Enforce).unwrap());
        let permits = |answer| Allowed::of(answer, Bound::of(call.clone())).is_ok();
        assert!(permits(given(Decision::Allow)));
        let pass = given(Decision::Allow).pass;
        for decision in [Decision::Allow, Decision::StepUp, Decision::Deny] {
            let without = AuthorizeAnswer {
                pass: None,
                ..*given(decision)
            };
            assert!(!permits(Box::new(without)), "{decision:?} without a pass");
            if decision != Decision::Allow {
                let with = AuthorizeAnswer {
                    pass: pass.clone(),
                    ..*given(decision)
                };
                assert!(!permits(Box::new(with)), "{decision:?} with a pass");
            }
        }
    }
}
