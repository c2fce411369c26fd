//! [`ManualClock`]: a clock that a test sets.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_core::Clock;
use actionpass_model::{Timestamp, UnixSeconds};

/// A clock that stands still until a test moves it, forwards or backwards, or makes it forget the time.
///
/// ```
/// use std::time::Duration;
/// use actionpass_core::Clock;
/// use actionpass_testkit::{ManualClock, fixtures};
///
/// let clock = ManualClock::new(fixtures::now());
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().map(|now| now.saturating_since(fixtures::now())), Some(Duration::from_secs(60)));
/// clock.lose();
/// assert_eq!(clock.now(), None);
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<Option<Timestamp>>);

impl ManualClock {
    /// A clock that shows this time.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Some(now)))
    }

    /// A clock that doesn't know the time.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(Mutex::new(None))
    }

    /// Sets the time.
    pub fn set(&self, now: Timestamp) {
        *self.lock() = Some(now);
    }

    /// Moves the clock forwards; one that doesn't know the time still doesn't.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = now.map(|now| now.saturating_add(by));
    }

    /// Moves the clock backwards, as an administrator or a wrong time server does; not before 1970.
    pub fn rewind(&self, by: Duration) {
        let mut now = self.lock();
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        *now = now.and_then(|now| Timestamp::from_unix_millis(now.unix_millis().saturating_sub(by)));
    }

    /// Makes the clock forget the time.
    pub fn lose(&self) {
        *self.lock() = None;
    }

    /// The time in whole seconds, as verifiers take it.
    ///
    /// # Panics
    /// If the clock doesn't know the time.
    #[must_use]
    pub fn seconds(&self) -> UnixSeconds {
        self.lock()
            .expect("the clock was made to lose the time")
            .to_unix_seconds()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Option<Timestamp> {
        *self.lock()
    }
}
