//! [`Process`], [`Usable`]: which process made an object, since a forked copy must not go on with what the first holds.

use std::sync::atomic::{AtomicU32, Ordering};

use actionpass::store::{StoreCode, StoreError};

use crate::Error;

/// The process that made an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn current() -> Self {
        Self(id())
    }

    /// That this is still that process. Threads, connections and locks don't live on in a child.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.0 == id() { Ok(()) } else { Err(forked()) }
    }

    /// The process that this one is a copy of.
    #[cfg(all(test, feature = "issuer"))]
    pub(crate) fn another() -> Self {
        Self(id() ^ 1)
    }
}

/// WebAssembly has no processes, and asking for one ends it.
fn id() -> u32 {
    if cfg!(target_family = "wasm") {
        0
    } else {
        std::process::id()
    }
}

/// The refusal in a forked copy.
pub(crate) fn forked() -> Error {
    StoreError::new(StoreCode::StoreForked).into()
}

/// The process in which something is known to be usable.
#[derive(Debug)]
pub(crate) struct Usable(AtomicU32);

impl Usable {
    pub(crate) fn here() -> Self {
        Self(AtomicU32::new(id()))
    }

    /// Nothing in a process in which it is known; in another what shows it.
    pub(crate) fn or_else(&self, show: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let process = id();
        if self.0.load(Ordering::Relaxed) != process {
            show()?;
            self.0.store(process, Ordering::Relaxed);
        }
        Ok(())
    }

    /// As in a copy.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.0.store(id() ^ 1, Ordering::Relaxed);
    }
}
