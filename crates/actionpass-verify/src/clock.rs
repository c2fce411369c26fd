//! [`Clock`]: where the time comes from.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actionpass_model::Timestamp;

/// Where the time comes from. A clock may not know it, and unknown time denies.
pub trait Clock: Debug + Send + Sync {
    /// The time now, or `None` if it isn't known.
    fn now(&self) -> Option<Timestamp>;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Option<Timestamp> {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Timestamp::from_unix_millis(u64::try_from(elapsed.as_millis()).ok()?)
    }
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Option<Timestamp> {
        (**self).now()
    }
}
