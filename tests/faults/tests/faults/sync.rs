//! The locks of [`queue`](crate::queue), which try every order of threads.

pub(crate) use std::sync::PoisonError;

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
