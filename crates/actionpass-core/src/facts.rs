//! [`FactsTerms`]: which facts an issuer takes.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_model::Timestamp;
use actionpass_store::LEEWAY_SECS;

use crate::{AuthorizeCode, AuthorizeError};

/// Which facts an issuer takes (`docs/spec/action.md`): of when they may be, and whether they must name the action.
/// Policy is never asked about others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FactsTerms {
    max_age: Duration,
    requires_action_hash: bool,
}

impl Default for FactsTerms {
    fn default() -> Self {
        Self::new()
    }
}

impl FactsTerms {
    /// How old facts may be unless something else is said.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(60 * 60);

    /// Facts of the last hour, about whatever they are.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_age: Self::DEFAULT_MAX_AGE,
            requires_action_hash: false,
        }
    }

    /// Facts that are at most this old.
    #[must_use]
    pub const fn with_max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// How old facts may be.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Only facts that say by `actionHash` which action they are about: what holds for one is no evidence for the next.
    #[must_use]
    pub const fn requiring_action_hash(self) -> Self {
        Self {
            requires_action_hash: true,
            ..self
        }
    }

    /// Whether facts are taken for this action at this time. No facts always are.
    ///
    /// # Errors
    /// [`AuthorizeCode::FactsMismatch`], [`AuthorizeCode::FactsStale`].
    pub fn check(&self, facts: &BoundFacts, action: &BoundAction, now: Timestamp) -> Result<(), AuthorizeError> {
        self.check_action(facts, action)?;
        self.check_age(facts, now)
    }

    pub(crate) fn check_action(&self, facts: &BoundFacts, action: &BoundAction) -> Result<(), AuthorizeError> {
        let Some(facts) = facts.document() else { return Ok(()) };
        match facts.action_hash {
            Some(about) if about == action.action_hash() => Ok(()),
            None if !self.requires_action_hash => Ok(()),
            _ => Err(AuthorizeError::at(AuthorizeCode::FactsMismatch, "actionHash")),
        }
    }

    /// The leeway covers clocks that disagree, so it is for the future only: nobody is forced to hand over old facts.
    pub(crate) fn check_age(&self, facts: &BoundFacts, now: Timestamp) -> Result<(), AuthorizeError> {
        let Some(facts) = facts.document() else { return Ok(()) };
        let is_old = now.saturating_since(facts.as_of) > self.max_age;
        let is_ahead = facts.as_of.saturating_since(now) > Duration::from_secs(LEEWAY_SECS);
        if is_old || is_ahead {
            return Err(AuthorizeError::at(AuthorizeCode::FactsStale, "asOf"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actionpass_canon::Limits;
    use actionpass_model::{DEMO_ACTION, Digest};
    use serde_json::json;

    use super::*;

    const AS_OF: &str = "2026-11-23T01:02:03.000Z";

    fn action() -> BoundAction {
        BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap()
    }

    fn facts(about: Option<Digest>) -> BoundFacts {
        let mut document = json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": AS_OF, "facts": {} });
        if let Some(about) = about {
            document["actionHash"] = json!(about);
        }
        BoundFacts::admit(document.to_string().as_bytes(), &Limits::default()).unwrap()
    }

    /// What is said of facts that are this many milliseconds old; negative ones are from the future.
    fn at_age(terms: FactsTerms, age: i64) -> Option<&'static str> {
        let now = i64::try_from(Timestamp::parse(AS_OF).unwrap().unix_millis())
            .unwrap()
            .saturating_add(age);
        let now = Timestamp::from_unix_millis(now.try_into().unwrap()).unwrap();
        let refused = terms.check(&facts(None), &action(), now).err()?;
        assert!(refused.is(AuthorizeCode::FactsStale), "{refused}");
        Some("facts_stale")
    }

    #[test]
    fn facts_are_taken_from_the_leeway_before_to_the_last_millisecond_of_their_age() {
        let hour = 3_600_000;
        let stale = Some("facts_stale");
        for (age, said) in [
            (0, None),
            (hour, None),
            (hour + 1, stale),
            (1_000 * hour, stale),
            (-30_000, None),
            (-30_001, stale),
            (-1_000 * hour, stale),
        ] {
            assert_eq!(at_age(FactsTerms::new(), age), said, "{age}");
        }
        let minute = FactsTerms::new().with_max_age(Duration::from_secs(60));
        assert_eq!(at_age(minute, 60_000), None);
        assert_eq!(at_age(minute, 60_001), stale);
        let year = FactsTerms::new().with_max_age(Duration::from_secs(365 * 24 * 3600));
        assert_eq!(at_age(year, 1_000 * hour), None);
    }

    #[test]
    fn facts_name_no_other_action_and_where_it_is_required_this_one() {
        let (now, action) = (Timestamp::parse(AS_OF).unwrap(), action());
        let (any, named) = (FactsTerms::new(), FactsTerms::new().requiring_action_hash());
        let code =
            |terms: FactsTerms, facts: &BoundFacts| terms.check(facts, &action, now).err().map(|error| error.code());
        for terms in [any, named] {
            assert_eq!(code(terms, &BoundFacts::none()), None);
            assert_eq!(code(terms, &facts(Some(action.action_hash()))), None);
            let other = code(terms, &facts(Some(action.payload_hash())));
            assert_eq!(other, Some(AuthorizeCode::FactsMismatch.into()));
        }
        assert_eq!(code(any, &facts(None)), None);
        assert_eq!(code(named, &facts(None)), Some(AuthorizeCode::FactsMismatch.into()));
    }
}
