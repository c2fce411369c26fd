//! What a home keeps, looked at in whatever state it is.

use std::fs;

use actionpass_store::salvage::Salvage;
use actionpass_store_sqlite::SqliteSalvage;

use crate::{Config, Home, HomeError, home};

/// A file that something left behind in a home, or that is there while a program runs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LeftFile {
    /// Its name in the home.
    pub name: String,
    /// What it is.
    pub meaning: &'static str,
}

impl Home {
    /// The store that this configuration names, to be examined. Nothing is changed, in it or beside it. Blocks this thread.
    ///
    /// # Errors
    /// [`HomeError::Store`] if there is nothing to look at, [`HomeError::Secret`].
    pub fn salvage(&self, config: &Config) -> Result<Box<dyn Salvage>, HomeError> {
        match config.database() {
            None => {
                let path = self.path(home::LEDGER);
                let opened = SqliteSalvage::open(&path).map_err(|error| HomeError::store(&path, error))?;
                Ok(Box::new(opened))
            }
            Some(database) => database.salvage(self.root()),
        }
    }

    /// What lies in the home beside its files: what a crash left, and what is there while the ledger is open. In the order of the
    /// names.
    #[must_use]
    pub fn left_files(&self) -> Vec<LeftFile> {
        let entries = fs::read_dir(self.root()).into_iter().flatten().filter_map(Result::ok);
        let mut left: Vec<LeftFile> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let meaning = meaning(&name)?;
                Some(LeftFile { name, meaning })
            })
            .collect();
        left.sort_by(|one, other| one.name.cmp(&other.name));
        left
    }
}

fn meaning(name: &str) -> Option<&'static str> {
    if name.contains(".new-") || name.starts_with(".tmp") {
        return Some("a draft that a crash left behind: nothing reads it");
    }
    match name.strip_prefix(home::LEDGER)? {
        "-wal" => Some("the write-ahead log: what was written last is in it, so it belongs to ledger.db"),
        "-shm" => Some("the index of the write-ahead log: a program has the ledger open, or ended without closing it"),
        "-journal" => Some("a rollback journal, which is none of ours: something else wrote ledger.db"),
        _ => None,
    }
}
