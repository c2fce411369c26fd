//! [`Limits`]: how many requests there may be.

use std::time::Duration;

use crate::RequestCode;

/// So many declines or expiries of one agent within [`HOLD_WINDOW`] hold its new requests.
pub const ENDS_THAT_HOLD: u64 = 3;
/// The time within which they count.
pub const HOLD_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The time within which [`Limits::opened_per_hour`] counts.
pub const OPENED_WINDOW: Duration = Duration::from_secs(60 * 60);

/// How many requests may wait, and how fast an agent may open them. People read them one by one: a flood hides the one
/// that matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The most that wait of one agent of one tenant.
    pub live_per_agent: u64,
    /// The most that wait of one client of a service.
    pub live_per_client: u64,
    /// The most that wait in all.
    pub live: u64,
    /// The most that one agent of one tenant opens within an hour.
    pub opened_per_hour: u64,
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Load {
    /// That wait, of the agent.
    pub live_of_agent: u64,
    /// That wait, of the client; 0 where there is none.
    pub live_of_client: u64,
    /// That wait, in all.
    pub live: u64,
    /// That the agent opened within the last hour.
    pub opened_in_hour: u64,
    /// Whether the agent's new requests are held.
    pub is_held: bool,
}

impl Limits {
    /// The limits unless an issuer says otherwise.
    pub const DEFAULT: Self = Self {
        live_per_agent: 50,
        live_per_client: 500,
        live: 10_000,
        opened_per_hour: 60,
    };

    /// Whether one more may be opened.
    ///
    /// # Errors
    /// [`RequestCode::RequestsHeld`], [`RequestCode::QueueFull`].
    pub const fn admit(&self, load: &Load) -> Result<(), RequestCode> {
        if load.is_held {
            return Err(RequestCode::RequestsHeld);
        }
        if load.live_of_agent >= self.live_per_agent
            || load.live_of_client >= self.live_per_client
            || load.live >= self.live
            || load.opened_in_hour >= self.opened_per_hour
        {
            return Err(RequestCode::QueueFull);
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_the_most_that_there_may_be() {
        let limits = Limits {
            live_per_agent: 2,
            live_per_client: 3,
            live: 4,
            opened_per_hour: 5,
        };
        let below = Load {
            live_of_agent: 1,
            live_of_client: 2,
            live: 3,
            opened_in_hour: 4,
            is_held: false,
        };
        assert_eq!(limits.admit(&below), Ok(()));
        for full in [
            Load {
                live_of_agent: 2,
                ..below
            },
            Load {
                live_of_client: 3,
                ..below
            },
            Load { live: 4, ..below },
            Load {
                opened_in_hour: 5,
                ..below
            },
        ] {
            assert_eq!(limits.admit(&full), Err(RequestCode::QueueFull));
        }
        // That a person has to look is said before anything that passes by itself.
        let held = Load {
            is_held: true,
            live: 4,
            ..below
        };
        assert_eq!(limits.admit(&held), Err(RequestCode::RequestsHeld));
    }
}
