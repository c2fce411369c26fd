//! [`ReplayFile`]: the replay store of an executor that has no home.

use std::path::{Path, PathBuf};

use actionpass_model::UnixSeconds;
use actionpass_store::{ReplayStart, ReplayStore, StoreCode, StoreError};
use actionpass_store_sqlite::SqliteStore;

use crate::{HomeError, files};

/// Which passes were used, in a file of its own: what executors without a home share.
///
/// All executors of one audience share one, and it lies where agents can't write. It is made on purpose and never on the
/// way: a file that is missing because a disk isn't mounted would otherwise become a second store, which knows nothing of
/// what the first one has seen used.
#[derive(Debug)]
pub struct ReplayFile {
    path: PathBuf,
    store: SqliteStore,
}

impl ReplayFile {
    /// Makes the file of an audience that never had one: passes issued before `now` are refused (`replay_state_lost`).
    /// Where there was one and it is lost, [`restart`](Self::restart) it right after.
    ///
    /// # Errors
    /// [`HomeError::Store`], with `store_exists` if something is there already; [`HomeError::Exposed`] in a folder that others
    /// can write, who could put a former one in its place.
    pub fn create(path: &Path, now: UnixSeconds) -> Result<Self, HomeError> {
        files::refuse_writable_parents(path)?;
        SqliteStore::create(path, None, ReplayStart::first(now))
            .map(|store| Self::of(path, store))
            .map_err(|error| HomeError::store(path, error))
    }

    /// Opens the file.
    ///
    /// # Errors
    /// [`HomeError::Store`], with `store_missing` if there is none, and with `store_log_mismatch` if it is the ledger of
    /// an issuer: that one is used by way of its home, which records each use.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let about = |error| HomeError::store(path, error);
        if let Ok(metadata) = std::fs::metadata(path) {
            files::refuse_writable(path, &metadata)?;
        }
        files::refuse_writable_parents(path)?;
        let store = SqliteStore::open(path).map_err(about)?;
        if store.log().is_some() {
            return Err(about(StoreError::new(StoreCode::StoreLogMismatch)));
        }
        Ok(Self::of(path, store))
    }

    fn of(path: &Path, store: SqliteStore) -> Self {
        Self {
            path: path.to_owned(),
            store,
        }
    }

    /// Says that the file was restored from a backup, or made anew in the place of one that is lost: which passes were used
    /// before isn't known, so passes issued before the time that this gives are refused (`replay_state_lost`).
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub async fn restart(&self, now: UnixSeconds) -> Result<UnixSeconds, HomeError> {
        let start = ReplayStart::restored(now);
        let restarted = self.store.restart_replay(start).await;
        restarted.map_err(|error| HomeError::store(&self.path, error))?;
        Ok(start.at())
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn ReplayStore {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use actionpass_model::{Issuer, PassId};
    use actionpass_store::{Consumption, Mark, ReplayCode};
    use pollster::block_on;

    use super::*;

    fn at(seconds: u64) -> UnixSeconds {
        UnixSeconds::new(1_795_000_000_u64.saturating_add(seconds)).unwrap()
    }

    fn consume(file: &ReplayFile, number: u8, issued: u64) -> Consumption {
        let mark = Mark {
            issuer: Issuer::parse("urn:x").unwrap(),
            pass: PassId::parse(&format!("ap_0000000000007000800000000000000{number}")).unwrap(),
            issued_at: at(issued),
            expires_at: at(issued.saturating_add(600)),
        };
        block_on(file.store().consume(&mark, at(issued.saturating_add(1)))).unwrap()
    }

    #[test]
    fn a_file_is_made_once_and_refuses_what_is_older() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("used.db");
        let error = ReplayFile::open(&path).unwrap_err();
        assert_eq!(error.code(), "store_missing");
        assert!(!path.exists());

        let file = ReplayFile::create(&path, at(100)).unwrap();
        assert_eq!(consume(&file, 1, 99), Consumption::Refused(ReplayCode::ReplayStateLost));
        assert_eq!(consume(&file, 2, 100), Consumption::Consumed);
        assert_eq!(ReplayFile::create(&path, at(0)).unwrap_err().code(), "store_exists");

        let again = ReplayFile::open(&path).unwrap();
        assert_eq!(consume(&again, 2, 100), Consumption::Refused(ReplayCode::AlreadyUsed));
        assert_eq!(block_on(again.restart(at(200))).unwrap(), at(231));
        assert_eq!(
            consume(&file, 3, 230),
            Consumption::Refused(ReplayCode::ReplayStateLost)
        );
        assert_eq!(consume(&file, 4, 231), Consumption::Consumed);
    }
}
