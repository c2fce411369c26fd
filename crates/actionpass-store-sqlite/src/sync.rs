//! What the queue's threads wait with. The fault suites put locks in its place that try every order of threads.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
