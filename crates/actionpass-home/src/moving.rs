//! What a home keeps, carried from its files into a database, into another one, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use actionpass_model::TrustStore;
use actionpass_store::contents::Pages;
use actionpass_store::trust_file::TrustFile;
use actionpass_store_postgres::{PostgresStore, PostgresTrust};
use actionpass_store_sqlite::SqliteStore;
use pollster::block_on;

use crate::database::Access;
use crate::documents::{self, Documents};
use crate::{Config, Home, HomeError, MAX_LIMITS, OpenHome, files, home};

impl Home {
    /// Policy, pins, clients and invitations as they are in the folder, wherever those in force are.
    ///
    /// # Errors
    /// Those of [`policy_files`](Self::policy_files), and of what can't be read.
    pub fn folder_files(&self, config: &Config) -> Result<KeptFiles, HomeError> {
        kept_files(&Documents::Files(self.clone()), config)
    }

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

    /// Gives the files of store and trust store, of pins, clients and invitations other names, which end in this, so that nobody goes
    /// on with them; gives the new names. Files of the policy stay: whoever changes them brings them into force anew.
    ///
    /// # Errors
    /// [`HomeError::Unwritable`].
    pub fn set_aside(&self, suffix: &str) -> Result<Vec<String>, HomeError> {
        let mut names = Vec::new();
        for document in documents::ALL {
            if files::is_there(&self.path(document.name))? {
                names.push(put_aside(self, document.name, suffix)?);
            }
        }
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

/// What a home keeps beside its store and its trust store, as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptFiles {
    /// The text of each file of the policy; none where there is no policy.
    policy: BTreeMap<String, String>,
    /// The rest by their names.
    others: Vec<(&'static str, Vec<u8>)>,
}

impl KeptFiles {
    /// The names of all of them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.others.iter().map(|(name, _)| *name);
        self.policy.keys().map(String::as_str).chain(others)
    }
}

fn kept_files(documents: &Documents, config: &Config) -> Result<KeptFiles, HomeError> {
    let policy = documents.policy_files(config)?.files;
    let mut others = Vec::new();
    for document in documents::ALL {
        if let Some(bytes) = documents.read(document)? {
            others.push((document.name, bytes));
        }
    }
    Ok(KeptFiles { policy, others })
}

/// Gives a file of the home another name; gives that.
fn put_aside(home: &Home, name: &str, suffix: &str) -> Result<String, HomeError> {
    let (path, next) = (home.path(name), format!("{name}.{suffix}"));
    fs::rename(&path, home.path(&next)).map_err(|error| HomeError::unwritable(&path, error))?;
    Ok(next)
}

impl OpenHome {
    /// Policy, pins, clients and invitations, as they are in the place of this store.
    ///
    /// # Errors
    /// Those of [`Home::policy_files`], and of what can't be read.
    pub fn kept_files(&self) -> Result<KeptFiles, HomeError> {
        kept_files(&self.documents, &self.config)
    }

    /// Takes over into a database whatever of the policy, pins, clients and invitations the folder of the home has and the database
    /// lacks; gives the names of these files, which aren't used any more. The policy was what this machine went by until now.
    ///
    /// # Errors
    /// Those of [`Home::policy_files`], and of what can't be read or written.
    pub fn take_over_files(&self) -> Result<Vec<String>, HomeError> {
        let mut kept = self.home.folder_files(&self.config)?;
        kept.others.retain(|(name, _)| {
            let document = documents::ALL.into_iter().find(|document| document.name == *name);
            document.is_some_and(|document| matches!(self.documents.read(document), Ok(None)))
        });
        self.put_kept_files(&kept, "")?;
        Ok(kept.names().map(ToOwned::to_owned).collect())
    }

    /// Puts them in the place of this store, which nobody uses yet. Of a folder, files that are others, or that these lack, get
    /// other names first, which end in this; gives the new names.
    ///
    /// # Errors
    /// What can't be written.
    pub fn put_kept_files(&self, kept: &KeptFiles, suffix: &str) -> Result<Vec<String>, HomeError> {
        let mut aside = Vec::new();
        if let Documents::Files(home) = &self.documents {
            let others = kept.others.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
            let texts = kept.policy.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
            let next: BTreeMap<&str, &[u8]> = texts.chain(others).collect();
            let fixed = [home::POLICY, home::TOOLS].into_iter();
            let fixed = fixed.chain(documents::ALL.map(|document| document.name));
            let names: BTreeSet<&str> = next.keys().copied().chain(fixed).collect();
            for name in names {
                let path = home.path(name);
                if !files::is_there(&path)? {
                    continue;
                }
                let there = files::bytes_of_at_most(&path, MAX_LIMITS.max_bytes())?;
                if next.get(name).copied() != Some(there.as_slice()) {
                    aside.push(put_aside(home, name, suffix)?);
                }
            }
        }
        self.documents.carry_policy(&kept.policy)?;
        for document in documents::ALL {
            let Some((_, bytes)) = kept.others.iter().find(|(name, _)| *name == document.name) else {
                continue;
            };
            self.documents.change(document, |there| {
                let is_same = there.as_ref() == Some(bytes);
                Ok::<_, HomeError>(((), (!is_same).then(|| bytes.clone())))
            })?;
        }
        Ok(aside)
    }

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
