//! What a home keeps, carried from its files into a database, into another one, and back.

use std::fs;

use actionpass_model::TrustStore;
use actionpass_store::contents::Pages;
use actionpass_store::trust_file::TrustFile;
use actionpass_store_postgres::{PostgresStore, PostgresTrust};
use actionpass_store_sqlite::SqliteStore;
use pollster::block_on;

use crate::database::Access;
use crate::{Config, Home, HomeError, OpenHome, files, home};

impl Home {
    /// Everything that the store of this configuration holds.
    ///
    /// # Errors
    /// [`HomeError::Store`], [`HomeError::Secret`].
    pub fn contents(&self, config: &Config) -> Result<Pages, HomeError> {
        let about = |error| HomeError::store(&self.place_of_store(config), error);
        match config.database() {
            Some(database) => PostgresStore::contents(&database.options(self.root())?).map_err(about),
            None => SqliteStore::contents(&self.file(home::LEDGER)?).map_err(about),
        }
    }

    /// Makes the store of this configuration, where there is none, with everything that another held, and the trust store.
    /// Blocks this thread.
    ///
    /// # Errors
    /// [`HomeError::Store`], with `store_exists` if there is one; [`HomeError::TrustFile`], [`HomeError::Secret`].
    pub fn fill(&self, config: &Config, pages: Pages, trust: &TrustStore) -> Result<(), HomeError> {
        let about = |error| HomeError::store(&self.place_of_store(config), error);
        if let Some(database) = config.database() {
            let options = database.options(self.root())?;
            PostgresStore::create_of(&options, pages).map_err(about)?;
            let store = PostgresStore::open(&options).map_err(about)?;
            block_on(PostgresTrust::of(&store).create(trust))?;
            return Ok(());
        }
        let path = self.file(home::LEDGER)?;
        let kept = self.file(home::TRUST)?;
        TrustFile::create(&kept, trust)?;
        files::make_private(&kept)?;
        SqliteStore::create_of(&path, pages).map_err(|error| {
            // Made a moment ago, and nobody goes by it.
            let _ = fs::remove_file(&kept);
            HomeError::store(&path, error)
        })
    }

    /// Gives the files of store and trust store other names, which end in this, so that nobody goes on with them; gives the
    /// new names.
    ///
    /// # Errors
    /// [`HomeError::Unwritable`].
    pub fn set_aside(&self, suffix: &str) -> Result<Vec<String>, HomeError> {
        let mut names = Vec::new();
        for name in [home::LEDGER, home::TRUST] {
            let (path, next) = (self.path(name), format!("{name}.{suffix}"));
            // SQLite looks for its log beside the file by the file's name.
            for beside in ["", "-wal", "-shm"] {
                let from = self.path(format!("{name}{beside}"));
                if from.exists() {
                    let to = self.path(format!("{next}{beside}"));
                    fs::rename(&from, to).map_err(|error| HomeError::unwritable(&path, error))?;
                }
            }
            names.push(next);
        }
        Ok(names)
    }
}

impl OpenHome {
    /// Opens the store that this configuration names in the place of the home's own, in whatever state it is: what was copied
    /// is looked at before anybody goes by it.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_as(home: Home, config: Config) -> Result<Self, HomeError> {
        Self::open_by(home, config, Access::Unwitnessed)
    }

    /// The same to read only, and only if the witness knows no later state.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_to_read_as(home: Home, config: Config) -> Result<Self, HomeError> {
        Self::open_by(home, config, Access::Read)
    }
}
