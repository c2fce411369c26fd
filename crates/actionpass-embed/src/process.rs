//! [`Process`]: which process made an object, since a forked copy must not go on with what the first holds.

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
        if self.0 == id() {
            Ok(())
        } else {
            Err(StoreError::new(StoreCode::StoreForked).into())
        }
    }

    /// The process that this one is a copy of.
    #[cfg(test)]
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
