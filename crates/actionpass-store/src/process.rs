//! [`Process`]: whose memory a store is in, since a copy of a process has a copy of the memory.

use crate::{StoreCode, StoreError};

/// The process that made a store.
#[derive(Debug)]
pub struct Process {
    /// `None` where there are no processes.
    id: Option<u32>,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self { id: id() }
    }

    /// That this is the process that made the store.
    ///
    /// What is marked in one copy isn't in the others, so in a process that was forked since a store in memory would serve
    /// what was served already.
    ///
    /// # Errors
    /// [`StoreCode::StoreForked`].
    pub fn check(&self) -> Result<(), StoreError> {
        if self.id == id() {
            Ok(())
        } else {
            Err(StoreError::new(StoreCode::StoreForked))
        }
    }

    /// The process that this one is a copy of.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self {
            id: id().map(|id| id ^ 1),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn id() -> Option<u32> {
    Some(std::process::id())
}

#[cfg(target_family = "wasm")]
const fn id() -> Option<u32> {
    None
}
