//! Bounded waiting without a runtime: [`within`], and [`Sleep`], a future that is ready once a time has gone by, of one thread for
//! all of them. A forked copy of the process, which has no threads but the one that forked, starts a thread of its own.
//!
//! Every call of a store is bounded by one, and hardly any is ever waited for. So what must cost little is one that is
//! dropped early: it is a place in a map, and the thread is woken only for one that is due before what it waits for. Calls with one
//! bound come in the order in which they are due, so that is next to never.

mod within;

pub use within::within;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Ready once its time has gone by. Where no thread can be started, it is ready at once: who waits with a bound must not
/// wait without.
pub struct Sleep {
    /// `None` for a time that is further off than this clock goes.
    due: Option<Instant>,
    place: Option<(&'static Sleepers, u64)>,
}

impl Sleep {
    /// Ready after this time, counted from now.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self {
            due: Instant::now().checked_add(time),
            place: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        let (sleepers, number) = self.place.map_or_else(
            || (Sleepers::of(&FIRST, process()), None),
            |(sleepers, number)| (sleepers, Some(number)),
        );
        match sleepers.put(due, number, context.waker()) {
            Some(number) => {
                self.place = Some((sleepers, number));
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let (Some(due), Some((sleepers, number))) = (self.due, self.place) else {
            return;
        };
        let waker = sleepers
            .lock_unless_copied()
            .and_then(|mut state| state.waiting.remove(&(due, number)));
        // Not under the lock: dropping a waker may drop a whole task, which may sleep.
        drop(waker);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("due", &self.due).finish_non_exhaustive()
    }
}

/// All who sleep in one process.
struct Sleepers {
    /// The process that has the thread: a copy of it has none, and the lock as it happened to be.
    process: Option<u32>,
    state: Mutex<State>,
    earlier: Condvar,
    /// Those of a copy of that process.
    of_copy: OnceLock<Box<Sleepers>>,
}

static FIRST: OnceLock<Sleepers> = OnceLock::new();

struct State {
    /// Whom to wake, by time and number.
    waiting: BTreeMap<(Instant, u64), Waker>,
    numbered: u64,
    /// Whether the thread was started.
    has_thread: bool,
    /// When the thread wakes by itself.
    wakes: Option<Instant>,
}

impl Sleepers {
    const fn new(process: Option<u32>) -> Self {
        Self {
            process,
            state: Mutex::new(State {
                waiting: BTreeMap::new(),
                numbered: 0,
                has_thread: false,
                wakes: None,
            }),
            earlier: Condvar::new(),
            of_copy: OnceLock::new(),
        }
    }

    fn of(first: &'static OnceLock<Self>, process: Option<u32>) -> &'static Self {
        let mut sleepers = first.get_or_init(|| Self::new(process));
        while sleepers.process != process {
            sleepers = sleepers.of_copy.get_or_init(|| Box::new(Self::new(process)));
        }
        sleepers
    }

    /// Wakes this waker by then, in place of the one of that number, and gives its number. `None` without a thread.
    fn put(&'static self, due: Instant, number: Option<u64>, waker: &Waker) -> Option<u64> {
        let waker = waker.clone();
        let mut state = self.lock();
        if !state.has_thread {
            let thread = thread::Builder::new().name("actionpass-timer".to_owned());
            thread.spawn(|| self.run()).ok()?;
            state.has_thread = true;
        }
        let number = number.unwrap_or_else(|| {
            state.numbered = state.numbered.wrapping_add(1);
            state.numbered
        });
        let former = state.waiting.insert((due, number), waker);
        let is_earlier = state.wakes.is_none_or(|wakes| due < wakes);
        if is_earlier {
            state.wakes = Some(due);
        }
        drop(state);
        drop(former);
        if is_earlier {
            self.earlier.notify_one();
        }
        Some(number)
    }

    /// Wakes whoever is due, for ever.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let later = state.waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.waiting, later);
            if !due.is_empty() {
                // Not under the lock: a waker may run anything, and then sleep.
                drop(state);
                for waker in due.into_values() {
                    // Others are to be woken too, whatever becomes of this one.
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                }
                state = self.lock();
                continue;
            }
            state.wakes = state.waiting.first_key_value().map(|((due, _), _)| *due);
            state = match state.wakes {
                Some(wakes) => {
                    let patience = wakes.saturating_duration_since(now);
                    let waited = self.earlier.wait_timeout(state, patience);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.earlier.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, but in a copy of the process not one that was held when it was forked: nobody would give it back.
    fn lock_unless_copied(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(state)) => Some(state.into_inner()),
            Err(TryLockError::WouldBlock) => (self.process == process()).then(|| self.lock()),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn process() -> Option<u32> {
    Some(std::process::id())
}

#[cfg(target_family = "wasm")]
const fn process() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[test]
    fn sleepers_are_woken_when_they_are_due_in_whatever_order_they_came() {
        let start = Instant::now();
        let times = [80, 20, 50].map(Duration::from_millis);
        thread::scope(|scope| {
            let woken = times.map(|time| {
                scope.spawn(move || {
                    pollster::block_on(Sleep::new(time));
                    start.elapsed()
                })
            });
            for (time, woken) in times.into_iter().zip(woken) {
                let woken = woken.join().unwrap();
                assert!(
                    woken >= time && woken < time + Duration::from_secs(5),
                    "{time:?}: {woken:?}"
                );
            }
        });
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
        Pin::new(sleep).poll(&mut Context::from_waker(waker))
    }

    fn is_waiting(sleep: &Sleep) -> bool {
        let (sleepers, number) = sleep.place.unwrap();
        let state = sleepers.lock();
        state.waiting.contains_key(&(sleep.due.unwrap(), number))
    }

    #[test]
    fn a_dropped_sleeper_leaves_nothing() {
        let mut sleep = Sleep::new(Duration::from_secs(3600));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        assert!(is_waiting(&sleep));
        let ((sleepers, number), due) = (sleep.place.unwrap(), sleep.due.unwrap());
        drop(sleep);
        assert!(!sleepers.lock().waiting.contains_key(&(due, number)));
    }

    #[test]
    fn the_waker_that_came_last_is_woken_once() {
        let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let mut sleep = Sleep::new(Duration::from_millis(30));
        for count in [&first, &last, &last] {
            assert_eq!(poll(&mut sleep, &Waker::from(Arc::clone(count))), Poll::Pending);
        }
        pollster::block_on(Sleep::new(Duration::from_millis(60)));
        assert_eq!([&first, &last].map(|count| count.0.load(Ordering::SeqCst)), [0, 1]);
        assert!(!is_waiting(&sleep));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Ready(()));
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_asleep() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("on purpose")
            }
        }
        let mut sleep = Sleep::new(Duration::from_millis(1));
        let _ = poll(&mut sleep, &Waker::from(Arc::new(Panics)));
        pollster::block_on(Sleep::new(Duration::from_millis(20)));
        pollster::block_on(Sleep::new(Duration::from_millis(1)));
    }

    #[test]
    fn a_time_beyond_all_clocks_is_never_over() {
        let mut sleep = Sleep::new(Duration::MAX);
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        assert!(sleep.place.is_none());
    }

    #[test]
    fn a_copy_of_the_process_has_a_thread_of_its_own() {
        static FIRST: OnceLock<Sleepers> = OnceLock::new();
        let [original, copy] = [1, 2].map(|process| Sleepers::of(&FIRST, Some(process)));
        assert!(!std::ptr::eq(original, copy));
        assert!(std::ptr::eq(original, Sleepers::of(&FIRST, Some(1))));
        assert!(std::ptr::eq(copy, Sleepers::of(&FIRST, Some(2))));

        // Held when the process was forked, and never given back in the copy.
        let held = original.lock();
        assert!(original.lock_unless_copied().is_none());
        let count = Arc::new(Count::default());
        let due = Instant::now();
        assert!(copy.put(due, None, &Waker::from(Arc::clone(&count))).is_some());
        let deadline = Instant::now() + Duration::from_secs(10);
        while count.0.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < deadline, "not woken");
            thread::yield_now();
        }
        drop(held);
    }
}
