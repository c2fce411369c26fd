//! [`Quota`]: how many refusals of an agent are recorded, so that none fills a disk by asking wrongly.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_model::{Agent, Tenant, Timestamp};

/// How many refusals before judging are recorded for each agent within [`MINUTE`], by one process.
const RECORDED: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// How many agents are remembered before those are forgotten of whom there is nothing left to say.
const REMEMBERED: usize = 1024;

/// Whose refusals are counted.
pub(crate) type Who = (Tenant, Agent);

/// What was recorded of each agent's refusals of late, and how many were not.
#[derive(Debug, Default)]
pub(crate) struct Quota(Mutex<HashMap<Who, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    recorded: u32,
    unrecorded: u64,
}

impl Window {
    /// Whether its minute is over. A clock that went back starts another one, or it would never end.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.since || now.saturating_since(self.since) >= MINUTE
    }
}

impl Quota {
    fn lock(&self) -> MutexGuard<'_, HashMap<Who, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more refusal gets a record. If not, it is counted.
    pub(crate) fn admit(&self, who: &Who, now: Timestamp) -> bool {
        let mut windows = self.lock();
        if windows.len() >= REMEMBERED {
            windows.retain(|_, window| window.unrecorded > 0 || !window.is_over(now));
        }
        let fresh = Window {
            since: now,
            recorded: 0,
            unrecorded: 0,
        };
        let window = windows.entry(who.clone()).or_insert(fresh);
        if window.is_over(now) {
            *window = Window {
                unrecorded: window.unrecorded,
                ..fresh
            };
        }
        let is_admitted = window.recorded < RECORDED;
        if is_admitted {
            window.recorded = window.recorded.saturating_add(1);
        } else {
            window.unrecorded = window.unrecorded.saturating_add(1);
        }
        is_admitted
    }

    /// How many refusals no record speaks of.
    pub(crate) fn unrecorded(&self, who: &Who) -> Option<u64> {
        let unrecorded = self.lock().get(who)?.unrecorded;
        (unrecorded > 0).then_some(unrecorded)
    }

    /// A record says that so many have none of their own.
    pub(crate) fn settle(&self, who: &Who, told: u64) {
        if let Some(window) = self.lock().get_mut(who) {
            window.unrecorded = window.unrecorded.saturating_sub(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(agent: &str) -> Who {
        (
            Tenant::parse("org:example").unwrap(),
            Agent::parse(&format!("agent:{agent}")).unwrap(),
        )
    }

    fn at(seconds: u64) -> Timestamp {
        let start = Timestamp::from_unix_millis(1_795_000_000_000)
            .unwrap()
            .to_unix_seconds();
        start.saturating_add(seconds).to_timestamp()
    }

    #[test]
    fn sixty_a_minute_then_a_count_for_each_agent() {
        let quota = Quota::default();
        let (a, b) = (who("a"), who("b"));
        let admitted = |seconds| (0..100).filter(|_| quota.admit(&a, at(seconds))).count();
        assert_eq!(admitted(0), 60);
        assert_eq!(admitted(59), 0);
        assert_eq!(quota.unrecorded(&a), Some(140));
        assert_eq!((quota.admit(&b, at(59)), quota.unrecorded(&b)), (true, None));
        assert_eq!(admitted(60), 60);
        assert_eq!(quota.unrecorded(&a), Some(180));
        quota.settle(&a, 140);
        assert_eq!(quota.unrecorded(&a), Some(40));
        quota.settle(&a, 40);
        assert_eq!(quota.unrecorded(&a), None);
        // A clock that goes back doesn't stop the records for good.
        assert!(quota.admit(&a, at(10)));
    }

    #[test]
    fn agents_are_forgotten_once_there_is_nothing_to_say() {
        let quota = Quota::default();
        let loud = who("loud");
        for _ in 0..61 {
            let _ = quota.admit(&loud, at(0));
        }
        for number in 0..3 * REMEMBERED {
            assert!(quota.admit(&who(&number.to_string()), at(60 + number as u64)));
        }
        assert!(quota.lock().len() <= REMEMBERED);
        assert_eq!(quota.unrecorded(&loud), Some(1));
    }
}
