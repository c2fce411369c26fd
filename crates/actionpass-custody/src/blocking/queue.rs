//! [`Queue`]: calls on their way to the threads that make them.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue with room for so many calls, between callers that never wait and workers that do.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    room: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    workers: usize,
    is_closed: bool,
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NotTaken {
    #[error("too many calls are waiting for it")]
    Full,
    #[error("its threads have ended")]
    NoWorkers,
}

/// One of the workers, until it is dropped. With the last one, what waits is dropped as well.
#[derive(Debug)]
pub(super) struct Worker<'a, T>(&'a Queue<T>);

impl<T> Queue<T> {
    /// A queue for so many workers, each of which calls [`worker`](Self::worker) once.
    pub(super) const fn new(room: usize, workers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                workers,
                is_closed: false,
            }),
            changed: Condvar::new(),
            room,
        }
    }

    pub(super) fn push(&self, call: T) -> Result<(), NotTaken> {
        let mut state = self.lock();
        if state.workers == 0 {
            return Err(NotTaken::NoWorkers);
        }
        if state.waiting.len() >= self.room {
            return Err(NotTaken::Full);
        }
        state.waiting.push_back(call);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Lets the workers end.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    pub(super) const fn worker(&self) -> Worker<'_, T> {
        Worker(self)
    }

    /// Nothing can panic while it is locked.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Worker<'_, T> {
    /// The next call, as soon as there is one; `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(call) = state.waiting.pop_front() {
                return Some(call);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Worker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.workers = state.workers.saturating_sub(1);
        let lost = if state.workers == 0 {
            mem::take(&mut state.waiting)
        } else {
            VecDeque::new()
        };
        drop(state);
        // Whoever waits for one of these hears of it, which is not to happen under the lock.
        drop(lost);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn calls_are_taken_in_order_while_there_is_room_and_somebody_to_take_them() {
        let queue = Queue::new(2, 1);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(3), Err(NotTaken::Full));
        let worker = queue.worker();
        assert_eq!(worker.next(), Some(1));
        assert_eq!(queue.push(4), Ok(()));
        assert_eq!(worker.next(), Some(2));
        assert_eq!(worker.next(), Some(4));
        queue.close();
        assert_eq!(worker.next(), None);
        drop(worker);
        assert_eq!(queue.push(5), Err(NotTaken::NoWorkers));
    }

    #[test]
    fn what_waits_goes_with_the_last_worker() {
        let queue = Queue::new(2, 2);
        let (call, dropped) = mpsc::channel::<()>();
        queue.push(call).unwrap();
        drop(queue.worker());
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(queue.worker());
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    /// A lost wake-up would leave a call lying, and this test waiting.
    #[test]
    fn no_call_is_left_unanswered() {
        let queue = Queue::new(1024, 4);
        let (done, count) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..4 {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let worker = queue.worker();
                    while let Some(call) = worker.next() {
                        done.send(call).unwrap();
                    }
                });
            }
            let mut sum = 0_u64;
            for round in 0..2000_u64 {
                // One, or several at once; right behind each other, or after everybody fell asleep.
                let calls = round % 5 + 1;
                for _ in 0..calls {
                    queue.push(1_u64).unwrap();
                }
                for _ in 0..calls {
                    sum += count.recv_timeout(Duration::from_secs(10)).unwrap();
                }
                if round % 100 == 0 {
                    thread::sleep(Duration::from_micros(300));
                }
            }
            assert_eq!(sum, 6_000);
            queue.close();
        });
    }

    /// Two calls while one worker is busy: the second must wake the other, who is asleep.
    #[test]
    fn a_busy_worker_keeps_nobody_asleep() {
        let queue = Queue::new(8, 2);
        let (done, count) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..2 {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let worker = queue.worker();
                    while let Some(call) = worker.next() {
                        done.send(call).unwrap();
                        thread::sleep(Duration::from_secs(1));
                    }
                });
            }
            queue.push(1).unwrap();
            queue.push(2).unwrap();
            for _ in 0..2 {
                count.recv_timeout(Duration::from_millis(700)).unwrap();
            }
            queue.close();
        });
    }
}
