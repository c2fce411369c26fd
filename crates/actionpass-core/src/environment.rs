//! What an issuer asks of its surroundings: the time and randomness.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actionpass_model::Timestamp;
use uuid::Uuid;

/// Where the time comes from. A clock may not know it, and unknown time denies.
pub trait Clock: Debug + Send + Sync {
    /// The time now, or `None` if it isn't known.
    fn now(&self) -> Option<Timestamp>;
}

/// Where randomness comes from. It makes ids unguessable, nothing else hangs on it.
pub trait Random: Debug + Send + Sync {
    /// Fills the buffer with random bytes; `false` if there are none to be had.
    fn fill(&self, buffer: &mut [u8]) -> bool;
}

/// The operating system's clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Option<Timestamp> {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Timestamp::from_unix_millis(u64::try_from(elapsed.as_millis()).ok()?)
    }
}

impl Random for System {
    fn fill(&self, buffer: &mut [u8]) -> bool {
        getrandom::fill(buffer).is_ok()
    }
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Option<Timestamp> {
        (**self).now()
    }
}

impl<T: Random + ?Sized> Random for Arc<T> {
    fn fill(&self, buffer: &mut [u8]) -> bool {
        (**self).fill(buffer)
    }
}

/// A UUIDv7 (RFC 9562 §5.7) of this time; `None` without randomness.
pub(crate) fn uuid(now: Timestamp, random: &dyn Random) -> Option<Uuid> {
    let mut bytes = [0_u8; 10];
    random
        .fill(&mut bytes)
        .then(|| uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_carry_the_time() {
        let now = Timestamp::from_unix_millis(1_795_000_000_123).unwrap();
        let id = uuid(now, &System).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, 1_795_000_000_123);
        assert_ne!(uuid(now, &System), Some(id));
    }
}
