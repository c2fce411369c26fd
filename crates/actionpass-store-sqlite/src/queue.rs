//! Calls that wait for a thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many calls one batch takes: enough to share a sync, few enough to bound a transaction.
const MAX_BATCH: usize = 512;

/// A queue of calls: many put, one thread takes them in batches.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn put(&self, call: T) {
        let mut state = self.lock();
        let first = state.waiting.is_empty();
        state.waiting.push(call);
        drop(state);
        // The thread sleeps only on an empty queue.
        if first {
            self.changed.notify_one();
        }
    }

    /// Everything that waits, oldest first, at most a batch; `None` once the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.waiting.len() <= MAX_BATCH {
            return Some(std::mem::take(&mut state.waiting));
        }
        let later = state.waiting.split_off(MAX_BATCH);
        Some(std::mem::replace(&mut state.waiting, later))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_and_in_order() {
        let queue = Queue::new();
        for number in 0..=MAX_BATCH {
            queue.put(number);
        }
        queue.close();
        assert_eq!(queue.take().unwrap(), (0..MAX_BATCH).collect::<Vec<_>>());
        assert_eq!(queue.take().unwrap(), [MAX_BATCH]);
        assert_eq!(queue.take(), None);
    }
}
