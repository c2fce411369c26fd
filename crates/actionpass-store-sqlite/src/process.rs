//! [`Lease`]: which process a store was opened in, since a copy of that process can't use it.
//!
//! The threads of a store aren't copied when its process is forked, so calls would wait for ever. And SQLite keeps in the
//! process's memory which locks it holds on a file: a copy believes in locks that the operating system gave to the
//! original only, also for connections that it opens itself (<https://sqlite.org/howtocorrupt.html>, §2.6).

use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actionpass_store::{StoreCode, StoreError};

use crate::error::Failure;

/// What a process may use SQLite with. A store holds one, and so does each of its threads until it has closed its
/// connection.
#[derive(Debug)]
pub(crate) struct Lease {
    pid: u32,
    /// Whether it was said that the process was forked.
    noticed: AtomicBool,
}

/// The process that holds leases, in the upper half, and how many. Not under a lock: a fork copies a locked lock.
static HELD: AtomicU64 = AtomicU64::new(0);

const COUNT: u64 = u32::MAX as u64;

impl Lease {
    /// One more lease of this process.
    ///
    /// # Errors
    /// [`StoreCode::StoreForked`] if this is a copy of a process that held leases when it was forked.
    pub(crate) fn take() -> Result<Self, Failure> {
        let pid = process::id();
        let owner = u64::from(pid) << 32;
        let mut held = HELD.load(Ordering::SeqCst);
        loop {
            if held & COUNT > 0 && held & !COUNT != owner {
                return Err(Failure::Store(
                    StoreCode::StoreForked,
                    "a store was open when this process was forked",
                ));
            }
            let one_more = owner | (held & COUNT).saturating_add(1);
            match HELD.compare_exchange(held, one_more, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => break,
                Err(changed) => held = changed,
            }
        }
        Ok(Self {
            pid,
            noticed: AtomicBool::new(false),
        })
    }

    /// Whether this is another process than the one that took the lease.
    pub(crate) fn is_forked(&self) -> bool {
        self.pid != process::id()
    }

    /// That this is the process that took the lease.
    ///
    /// # Errors
    /// [`StoreCode::StoreForked`].
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if !self.is_forked() {
            return Ok(());
        }
        if !self.noticed.swap(true, Ordering::Relaxed) {
            tracing::error!(
                opened_by = self.pid,
                "the process was forked after the store was opened, so it can't be used here"
            );
        }
        Err(StoreError::new(StoreCode::StoreForked))
    }

    /// A lease of another process, as a copy of it would find it.
    #[cfg(test)]
    pub(crate) fn of_another_process() -> Self {
        Self {
            pid: process::id() ^ 1,
            noticed: AtomicBool::new(false),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A copy leaves the count as it is: what SQLite keeps of the original's connections stays too.
        if !self.is_forked() {
            HELD.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
