//! [`Queue`]: calls on their way to the threads that make them.

use std::collections::VecDeque;
use std::hint;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue with room for so many, between callers that never wait and workers that do.
///
/// A worker may look out for the next call for a moment before it sleeps: waking a thread takes as long as some devices
/// take to sign. One looks out at a time, and a call that it will see wakes nobody else.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
    /// What the worker on the lookout watches: how many wait, or that the queue is closed.
    visible: AtomicUsize,
    room: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    workers: usize,
    has_lookout: bool,
    is_closed: bool,
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NotTaken {
    Full,
    NoWorkers,
}

/// One of the workers, until it is dropped. With the last one, what waits is dropped as well.
#[derive(Debug)]
pub(super) struct Worker<'a, T>(&'a Queue<T>);

impl<T> Queue<T> {
    /// A queue for so many workers, which are to [`attend`](Self::attend) it.
    pub(super) const fn new(room: usize, workers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                workers,
                has_lookout: false,
                is_closed: false,
            }),
            wake: Condvar::new(),
            visible: AtomicUsize::new(0),
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
        self.show(&state);
        let is_seen = state.has_lookout && state.waiting.len() == 1;
        drop(state);
        if !is_seen {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Wakes another worker, should a call still wait for the one on the lookout.
    pub(super) fn nudge(&self) {
        if self.visible.load(Ordering::Acquire) != 0 {
            self.wake.notify_one();
        }
    }

    /// Sends the workers home.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        self.show(&state);
        drop(state);
        self.wake.notify_all();
    }

    /// To be called once by each of the workers.
    pub(super) const fn attend(&self) -> Worker<'_, T> {
        Worker(self)
    }

    fn show(&self, state: &State<T>) {
        let visible = if state.is_closed {
            usize::MAX
        } else {
            state.waiting.len()
        };
        self.visible.store(visible, Ordering::Release);
    }

    /// Nothing can panic while it is locked.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Worker<'_, T> {
    /// The next call, looked out for this long and then slept for; `None` once the queue is closed.
    pub(super) fn next(&self, mut lookout: Duration) -> Option<T> {
        let queue = self.0;
        let mut state = queue.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(call) = state.waiting.pop_front() {
                queue.show(&state);
                return Some(call);
            }
            if lookout.is_zero() || state.has_lookout {
                state = queue.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.has_lookout = true;
            drop(state);
            self.look_out(lookout);
            lookout = Duration::ZERO;
            state = queue.lock();
            // From here on calls wake somebody again; one that came before is found right away.
            state.has_lookout = false;
        }
    }

    fn look_out(&self, time: Duration) {
        let start = Instant::now();
        while self.0.visible.load(Ordering::Acquire) == 0 && start.elapsed() < time {
            hint::spin_loop();
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
        self.0.show(&state);
        drop(state);
        // Whoever waits for one of these hears of it, which is not to happen under the lock.
        drop(lost);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_millis(50);

    #[test]
    fn calls_are_taken_in_order_while_there_is_room_and_somebody_to_take_them() {
        let queue = Queue::new(2, 1);
        assert_eq!(queue.push(1), Ok(()));
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(3), Err(NotTaken::Full));
        let worker = queue.attend();
        assert_eq!(worker.next(Duration::ZERO), Some(1));
        assert_eq!(queue.push(4), Ok(()));
        assert_eq!(worker.next(LONG), Some(2));
        assert_eq!(worker.next(LONG), Some(4));
        queue.close();
        assert_eq!(worker.next(LONG), None);
        drop(worker);
        assert_eq!(queue.push(5), Err(NotTaken::NoWorkers));
    }

    #[test]
    fn what_waits_goes_with_the_last_worker() {
        let queue = Queue::new(2, 2);
        let (call, dropped) = mpsc::channel::<()>();
        queue.push(call).unwrap();
        drop(queue.attend());
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(queue.attend());
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    /// A lost wake-up would leave a call lying, and this test hanging.
    #[test]
    fn no_call_is_left_lying() {
        let queue = Queue::new(1024, 4);
        let (done, count) = mpsc::channel();
        thread::scope(|scope| {
            for lookout in [0, 0, 20, 200] {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let worker = queue.attend();
                    while let Some(call) = worker.next(Duration::from_micros(lookout)) {
                        done.send(call).unwrap();
                    }
                });
            }
            let mut sum = 0_u64;
            for round in 0..4000_u64 {
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
            assert_eq!(sum, 12_000);
            queue.close();
        });
    }

    /// The one on the lookout has lost its core: whoever gets tired of waiting wakes another.
    #[test]
    fn a_call_that_nobody_sees_finds_a_worker_after_a_nudge() {
        let queue = Queue::new(8, 1);
        let (done, count) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                let worker = queue.attend();
                while let Some(call) = worker.next(Duration::ZERO) {
                    done.send(call).unwrap();
                }
            });
            thread::sleep(Duration::from_millis(20));
            queue.lock().has_lookout = true;
            queue.push(1).unwrap();
            assert!(count.recv_timeout(LONG).is_err());
            queue.nudge();
            count.recv_timeout(Duration::from_secs(10)).unwrap();
            queue.close();
        });
    }

    /// Two calls while one worker looks out: the second must wake the other, who is asleep.
    #[test]
    fn a_worker_on_the_lookout_keeps_nobody_asleep() {
        let queue = Queue::new(8, 2);
        let (done, count) = mpsc::channel();
        thread::scope(|scope| {
            for lookout in [Duration::ZERO, Duration::from_secs(1)] {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let worker = queue.attend();
                    while let Some(call) = worker.next(lookout) {
                        done.send(call).unwrap();
                        thread::sleep(Duration::from_millis(300));
                    }
                });
            }
            thread::sleep(Duration::from_millis(20));
            queue.push(1).unwrap();
            queue.push(2).unwrap();
            for _ in 0..2 {
                count.recv_timeout(Duration::from_millis(200)).unwrap();
            }
            queue.close();
        });
    }
}
