//! [`Process`]: which process made an object, since a forked copy must not go on with what the first holds.

use actionpass::store::{StoreCode, StoreError};

use crate::Error;

/// The process that made an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn current() -> Self {
        Self(std::process::id())
    }

    /// That this is still that process. Threads, connections and locks don't live on in a child.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.0 == std::process::id() {
            Ok(())
        } else {
            Err(StoreError::new(StoreCode::StoreForked).into())
        }
    }

    /// The process that this one is a copy of.
    #[cfg(test)]
    pub(crate) fn another() -> Self {
        Self(std::process::id() ^ 1)
    }
}
