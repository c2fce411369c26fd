//! What an issuer asks of its surroundings: the time, to be woken, and randomness.

use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actionpass_model::{RequestId, Timestamp};
use actionpass_store::ledger::Salt;
use actionpass_timer::Sleep;
use actionpass_verify::{Clock, SystemClock};
use uuid::Uuid;

/// Ready once a time has gone by.
pub type TimerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What wakes whoever waits with a bound. A program that has a runtime may use that runtime's timers.
pub trait Timer: Debug + Send + Sync {
    /// A future that is ready once this time has gone by.
    fn sleep(&self, time: Duration) -> TimerFuture;
}

/// What notices that an approval request moved, for a program in which many wait at once: without one, whoever waits looks
/// at the store by itself every 200 ms.
pub trait RequestWatch: Debug + Send + Sync {
    /// A future that is ready once the request is at another version than this one, which it may be already. A change by
    /// another process is noticed within half a second.
    /// Once [`is_over`](Self::is_over), it is ready too.
    fn moved(&self, request: &RequestId, version: u64) -> TimerFuture;

    /// Whether nobody shall wait any more, because the program is about to stop: whoever waits gets the decision as it is.
    fn is_over(&self) -> bool;
}

/// Where randomness comes from. It makes ids and salts unguessable, nothing else hangs on it.
pub trait Random: Debug + Send + Sync {
    /// Fills the buffer with random bytes; `false` if there are none to be had.
    fn fill(&self, buffer: &mut [u8]) -> bool;
}

/// The operating system's clock and randomness, and timers on one thread of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Option<Timestamp> {
        SystemClock.now()
    }
}

impl Timer for System {
    fn sleep(&self, time: Duration) -> TimerFuture {
        Box::pin(Sleep::new(time))
    }
}

impl Random for System {
    fn fill(&self, buffer: &mut [u8]) -> bool {
        getrandom::fill(buffer).is_ok()
    }
}

impl<T: Timer + ?Sized> Timer for Arc<T> {
    fn sleep(&self, time: Duration) -> TimerFuture {
        (**self).sleep(time)
    }
}

/// What the future gives within that time; `None` if it doesn't, and then it is dropped.
///
/// A future that is ready at once, as those of keys in memory are, asks for no timer.
pub(crate) async fn within<F: Future>(timer: &dyn Timer, time: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let sleep = sleep.get_or_insert_with(|| timer.sleep(time));
        sleep.as_mut().poll(context).map(|()| None)
    })
    .await
}

impl<T: Random + ?Sized> Random for Arc<T> {
    fn fill(&self, buffer: &mut [u8]) -> bool {
        (**self).fill(buffer)
    }
}

/// A salt for one record; `None` without randomness.
pub(crate) fn random_salt(random: &dyn Random) -> Option<Salt> {
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes).then(|| Salt::from_bytes(bytes))
}

/// A UUIDv7 (RFC 9562 §5.7) of this time; `None` without randomness.
pub(crate) fn uuid(now: Timestamp, random: &dyn Random) -> Option<Uuid> {
    let mut bytes = [0_u8; 10];
    random
        .fill(&mut bytes)
        .then(|| uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &bytes).into_uuid())
}

/// The ids of one authorization. An allow needs three, and drawing takes longer than all the rest of an id: so
/// randomness is drawn for three at once.
#[derive(Debug)]
pub(crate) struct Ids {
    drawn: [u8; Self::AT_ONCE * 10],
    left: usize,
}

impl Ids {
    const AT_ONCE: usize = 3;

    pub(crate) const fn new() -> Self {
        Self {
            drawn: [0; Self::AT_ONCE * 10],
            left: 0,
        }
    }

    /// A UUIDv7 of this time; `None` without randomness.
    pub(crate) fn next(&mut self, now: Timestamp, random: &dyn Random) -> Option<Uuid> {
        if self.left == 0 {
            if !random.fill(&mut self.drawn) {
                return None;
            }
            self.left = Self::AT_ONCE;
        }
        self.left = self.left.checked_sub(1)?;
        let (draws, _) = self.drawn.as_chunks::<10>();
        let bytes = draws.get(self.left)?;
        Some(uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), bytes).into_uuid())
    }
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

    #[test]
    fn waiting_is_bounded_and_what_is_ready_needs_no_timer() {
        #[derive(Debug)]
        struct NoTimer;
        impl Timer for NoTimer {
            fn sleep(&self, _: Duration) -> TimerFuture {
                panic!("nobody had to wait")
            }
        }
        let time = Duration::from_millis(10);
        let ready = within(&NoTimer, time, std::future::ready(7));
        assert_eq!(pollster::block_on(ready), Some(7));
        let never = within(&System, time, std::future::pending::<()>());
        assert_eq!(pollster::block_on(never), None);
    }

    #[test]
    fn ids_of_one_authorization_differ_also_past_a_draw() {
        #[derive(Debug)]
        struct Once(std::sync::atomic::AtomicBool);
        impl Random for Once {
            fn fill(&self, buffer: &mut [u8]) -> bool {
                let drawn = self.0.swap(true, std::sync::atomic::Ordering::SeqCst);
                // What is there in part must not be used either.
                System.fill(buffer) && !drawn
            }
        }

        let now = Timestamp::from_unix_millis(1_795_000_000_123).unwrap();
        let mut ids = Ids::new();
        let made: std::collections::HashSet<_> = (0..10).map(|_| ids.next(now, &System).unwrap()).collect();
        assert_eq!(made.len(), 10);

        let (mut ids, once) = (Ids::new(), Once(false.into()));
        let made: Vec<_> = (0..5).map(|_| ids.next(now, &once)).collect();
        assert_eq!(made.iter().flatten().count(), 3);
        assert_eq!(&made[3..], [None, None]);
    }
}
