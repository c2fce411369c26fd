//! [`ReplayStore`]: which passes were used.

#[cfg(feature = "issuer")]
use std::path::Path;
use std::sync::Arc;

use actionpass::MemoryReplayStore;
#[cfg(feature = "issuer")]
use actionpass::home::ReplayFile;
use actionpass::store::{ReplayStart, ReplayStore as Store};
use serde::Deserialize;

use crate::process::Process;
use crate::{Error, options, time};

/// Where an executor marks passes as used. All executors of one audience share one.
#[derive(Clone, Debug)]
pub struct ReplayStore {
    kept: Kept,
    process: Process,
}

#[derive(Clone, Debug)]
enum Kept {
    Store(Arc<dyn Store>),
    #[cfg(feature = "issuer")]
    File(Arc<ReplayFile>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MemoryOptions {
    /// The most marks.
    capacity: Option<usize>,
    /// No executor of this audience ran before.
    first: bool,
}

#[cfg(feature = "issuer")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct FileOptions {
    /// Make the file: there never was one.
    create: bool,
}

impl ReplayStore {
    /// In the memory of this process, from options `{capacity?, first?}`: at most `capacity` marks (a million), and where all
    /// must stay the next pass is refused (`store_full`).
    ///
    /// What was used before this process started isn't known, so passes issued before now, and in the next 31 seconds, are
    /// refused (`replay_state_lost`); `first: true` says that there was no executor of the audience before, and takes those
    /// issued from now on.
    ///
    /// # Errors
    /// [`BindingCode::ArgumentInvalid`](crate::BindingCode::ArgumentInvalid).
    pub fn memory(json: &str) -> Result<Self, Error> {
        let options: MemoryOptions = options::read(json)?;
        let now = time::now()?.to_unix_seconds();
        let start = if options.first {
            ReplayStart::first(now)
        } else {
            ReplayStart::restored(now)
        };
        let capacity = options.capacity.unwrap_or(MemoryReplayStore::DEFAULT_CAPACITY);
        Ok(Self::of(Arc::new(MemoryReplayStore::with_capacity(start, capacity))))
    }

    /// In an SQLite file that all executors of the audience on this machine share, from options `{create?}`. One that isn't
    /// there is an error, because a file that is missing has forgotten what was used: `create: true` makes the first one.
    /// Blocks.
    ///
    /// # Errors
    /// `store_missing`, `store_exists`, what the file system says; a file or folder that others can write.
    #[cfg(feature = "issuer")]
    pub fn sqlite(path: &str, json: &str) -> Result<Self, Error> {
        let options: FileOptions = options::read(json)?;
        let path = Path::new(path);
        let file = if options.create {
            ReplayFile::create(path, time::now()?.to_unix_seconds())?
        } else {
            ReplayFile::open(path)?
        };
        Ok(Self {
            kept: Kept::File(Arc::new(file)),
            process: Process::current(),
        })
    }

    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self {
            kept: Kept::Store(store),
            process: Process::current(),
        }
    }

    pub(crate) fn store(&self) -> Result<&dyn Store, Error> {
        self.process.check()?;
        Ok(match &self.kept {
            Kept::Store(store) => &**store,
            #[cfg(feature = "issuer")]
            Kept::File(file) => file.store(),
        })
    }
}
