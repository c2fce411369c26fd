//! Calls that wait for a thread.

use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many calls one batch takes: enough to share a sync, few enough to bound a transaction.
pub(crate) const MAX_BATCH: usize = 512;

/// A queue of calls: many put, one thread takes them in batches.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    /// The taking thread sleeps until so many wait; 0 while it is awake, since telling it costs a system call.
    wanted: usize,
    closed: bool,
}

impl<T> State<T> {
    /// Takes at most a batch of what waits, for the thread that is awake to take it.
    fn batch(&mut self) -> Vec<T> {
        self.wanted = 0;
        self.split()
    }

    fn split(&mut self) -> Vec<T> {
        if self.waiting.len() <= MAX_BATCH {
            return std::mem::take(&mut self.waiting);
        }
        let later = self.waiting.split_off(MAX_BATCH);
        std::mem::replace(&mut self.waiting, later)
    }
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                wanted: 0,
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn put(&self, call: T) {
        let mut state = self.lock();
        state.waiting.push(call);
        let enough = state.waiting.len() == state.wanted;
        drop(state);
        if enough {
            self.changed.notify_one();
        }
    }

    /// The same without a word to the taking thread: [`tell`](Self::tell) makes up for it.
    pub(crate) fn put_silently(&self, call: T) {
        self.lock().waiting.push(call);
    }

    /// Says that calls wait.
    pub(crate) fn tell(&self) {
        self.changed.notify_one();
    }

    /// What waits, oldest first, at most a batch; `None` if nothing does.
    pub(crate) fn take_now(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        (!state.waiting.is_empty()).then(|| state.split())
    }

    /// Puts a batch back to its place before all others, and says so.
    pub(crate) fn put_back(&self, batch: Vec<T>) {
        self.lock().waiting.splice(0..0, batch);
        self.tell();
    }

    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// What waits, oldest first, at most a batch; `None` once the queue is closed and empty.
    ///
    /// Once there is a call, up to `linger` goes by until there are `expected`: callers that were just answered come back
    /// with their next call, and one sync for all of them is cheaper than two for half of them each.
    pub(crate) fn take(&self, expected: usize, linger: Duration) -> Option<Vec<T>> {
        let mut state = self.lock();
        state.wanted = 1;
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let expected = expected.min(MAX_BATCH);
        if state.waiting.len() < expected && !state.closed {
            state.wanted = expected;
            let lingered = self
                .changed
                .wait_timeout_while(state, linger, |state| state.waiting.len() < expected && !state.closed);
            state = lingered.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(state.batch())
    }

    /// What waits, oldest first, at most a batch; nothing once `patience` has gone by, if there is an end to it. `None`
    /// once the queue is closed and empty.
    pub(crate) fn take_within(&self, patience: Option<Duration>) -> Option<Vec<T>> {
        let Some(patience) = patience else {
            return self.take(1, Duration::ZERO);
        };
        let mut state = self.lock();
        state.wanted = 1;
        let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.closed;
        let waited = self.changed.wait_timeout_while(state, patience, idle);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.waiting.is_empty() && state.closed {
            return None;
        }
        Some(state.batch())
    }

    /// No more calls will be put.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
