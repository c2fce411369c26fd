//! [`offload()`]: calls that block, beside the threads of an executor.
//!
//! Waiting for a lock or a disk inside of a future would hold up every other task of its executor. Libraries here name no
//! runtime, so there is no pool to hand such work to: it gets a thread for its time. That takes some 30 µs, so it is for
//! what is rare. Whoever blocks at every call keeps threads of its own, as `actionpass-store-sqlite` does.
//!
//! ```
//! use actionpass_store::offload::offload;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let text = offload(|| std::fs::read_to_string("Cargo.toml")).await??;
//! assert!(text.contains("[package]"));
//! # Ok(())
//! # }
//! # std::thread::scope(|scope| {
//! #     let mut example = std::pin::pin!(example());
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     while example.as_mut().poll(&mut context).is_pending() { std::thread::yield_now() }
//! # });
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Runs work on a thread of its own, from now on, and gives a future of what it gives.
///
/// Dropping the future doesn't stop the work; what it gives is dropped then.
pub fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Offload<T> {
    let (answer, waiting) = channel();
    // A thread that doesn't start drops `answer`, which is an answer too.
    let _ = thread::Builder::new()
        .name("actionpass-offload".to_owned())
        .spawn(move || answer.send(work()));
    waiting
}

/// The work was not done: its thread could not be started, or it panicked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a thread was not started or ended before it was done")]
pub struct Unfinished;

/// What work on another thread will give: the future of [`offload()`].
#[must_use = "nobody learns what became of the work"]
pub struct Offload<T>(Arc<Slot<T>>);

impl<T: Clone> Offload<T> {
    /// A future that several can wait for.
    pub fn shared(self) -> Shared<T> {
        Shared(self.0)
    }
}

impl<T> Future for Offload<T> {
    type Output = Result<T, Unfinished>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context, Option::take)
    }
}

impl<T> fmt::Debug for Offload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").finish_non_exhaustive()
    }
}

/// What work on another thread will give, for everybody who waits for it.
#[must_use = "nobody learns what became of the work"]
pub struct Shared<T>(Arc<Slot<T>>);

impl<T> Shared<T> {
    /// Whether the work has ended, so that waiting takes no time.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.lock().done
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Future for Shared<T> {
    type Output = Result<T, Unfinished>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(context, |value| value.clone())
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("done", &self.is_done()).finish()
    }
}

/// Where one value is handed over, and who waits for it.
struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    value: Option<T>,
    /// There is a value, or there was one, or there will be none.
    done: bool,
    waiting: Vec<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing of a caller's runs under the lock but the clone of a value, which leaves the state as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(
        &self,
        context: &mut Context<'_>,
        give: impl FnOnce(&mut Option<T>) -> Option<T>,
    ) -> Poll<Result<T, Unfinished>> {
        let mut state = self.lock();
        if state.done {
            return Poll::Ready(give(&mut state.value).ok_or(Unfinished));
        }
        if !state.waiting.iter().any(|known| known.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn finish(&self, value: Option<T>) {
        let mut state = self.lock();
        if state.done {
            return;
        }
        state.value = value;
        state.done = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A value to be handed over once, and the future of it.
pub(crate) fn channel<T>() -> (Sender<T>, Offload<T>) {
    let slot = Arc::new(Slot(Mutex::new(State {
        value: None,
        done: false,
        waiting: Vec::new(),
    })));
    (Sender(Arc::clone(&slot)), Offload(slot))
}

/// The side that hands the value over. Dropped without it, whoever waits gets [`Unfinished`].
pub(crate) struct Sender<T>(Arc<Slot<T>>);

impl<T> Sender<T> {
    pub(crate) fn send(self, value: T) {
        self.0.finish(Some(value));
    }

    /// Nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.finish(None);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::conformance::block_on;

    #[test]
    fn work_runs_on_another_thread() {
        let here = thread::current().id();
        assert_ne!(block_on(offload(|| thread::current().id())), Ok(here));
    }

    #[test]
    fn work_begins_without_being_polled_and_goes_on_without_being_awaited() {
        let (began, beginning) = mpsc::channel();
        drop(offload(move || began.send(()).unwrap()));
        beginning.recv().unwrap();
    }

    #[test]
    fn work_that_panics_is_unfinished_for_all() {
        let shared = offload(|| -> u8 { panic!("on purpose") }).shared();
        assert_eq!(block_on(shared.clone()), Err(Unfinished));
        assert_eq!(block_on(shared), Err(Unfinished));
    }

    #[test]
    fn all_who_share_get_the_value() {
        let (go, going) = mpsc::channel();
        let shared = offload(move || going.recv().unwrap()).shared();
        assert!(!shared.is_done());
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| block_on(shared.clone()))).collect();
            go.send(7).unwrap();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Ok(7));
            }
        });
        assert!(shared.is_done());
        assert_eq!(block_on(shared), Ok(7));
    }

    #[test]
    fn a_sender_knows_that_nobody_waits() {
        let (sender, waiting) = channel::<u8>();
        assert!(!sender.is_abandoned());
        drop(waiting);
        assert!(sender.is_abandoned());
        sender.send(1);
    }
}
