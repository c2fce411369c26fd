//! What a home keeps beside its store and its trust store: pins, clients, invitations, the newest signed
//! head, and the files of its policy. In files of the
//! home, or in the database that keeps everything else.

use std::path::{Path, PathBuf};

use crate::database::Access;
use crate::kept::DatabaseDocuments;
use crate::{CLIENTS, Config, Home, HomeError, MAX_LIMITS, files, home};

/// One of them: a file of the home by its name, or a document of the database by the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    /// Whether others may not even read its file.
    is_secret: bool,
    /// How large it is, at most.
    most: usize,
}

/// Definitions of tools are large, and there is one of each tool of every server.
pub(crate) const PINS_FILE: Document = Document {
    name: home::PINS,
    is_secret: false,
    most: MAX_LIMITS.max_bytes(),
};
pub(crate) const CLIENTS_FILE: Document = Document {
    name: CLIENTS,
    is_secret: true,
    most: files::MAX_BYTES,
};
pub(crate) const APPROVERS_FILE: Document = Document {
    name: home::APPROVERS,
    is_secret: true,
    most: files::MAX_BYTES,
};
/// The head of the ledger that was signed last. It is handed on anyway.
pub(crate) const HEAD_FILE: Document = Document {
    name: home::SIGNED_HEAD,
    is_secret: false,
    most: files::MAX_BYTES,
};
/// What is one file in a folder as well.
pub(crate) const ALL: [Document; 4] = [PINS_FILE, CLIENTS_FILE, APPROVERS_FILE, HEAD_FILE];

/// What makes another document of one, or `None` where it is to stay. It may be called more than once, with what is there by then.
pub(crate) type Turn<'a> = &'a mut dyn FnMut(Option<Vec<u8>>) -> Option<Vec<u8>>;

/// Where the documents of a home are kept. Every call blocks its thread.
///
/// What [`read`](Self::read) gives was in force when it was asked, or later. [`change`](Self::change) replaces exactly what it showed
/// last, durably, or nothing: of two at once neither loses the other's.
#[derive(Clone, Debug)]
pub(crate) enum Documents {
    /// Files of the home, changed under a lock.
    Files(Home),
    /// Rows of a database, changed by a compare-and-set.
    Database(DatabaseDocuments),
}

impl Documents {
    /// What messages name as the place of a document.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        match self {
            Self::Files(home) => home.path(name),
            Self::Database(database) => database.place(name),
        }
    }

    /// What it says; `None` if there is none. One byte more of a document that is too large, so that its reader sees that it is.
    pub(crate) fn read(&self, document: Document) -> Result<Option<Vec<u8>>, HomeError> {
        match self {
            Self::Files(home) => read_file(home, document),
            Self::Database(database) => Ok(database.read(document.name)?.map(|kept| kept.bytes.to_vec())),
        }
    }

    /// Reads, changes and writes, and gives what the change came to; what it refuses is not written. Where another process is faster
    /// it is asked again, with what that one wrote.
    pub(crate) fn change<T, E: From<HomeError>>(
        &self,
        document: Document,
        mut change: impl FnMut(Option<Vec<u8>>) -> Result<(T, Option<Vec<u8>>), E>,
    ) -> Result<T, E> {
        let mut done = None;
        self.turn(document, &mut |kept| match change(kept) {
            Ok((value, next)) => {
                done = Some(Ok(value));
                next
            }
            Err(error) => {
                done = Some(Err(error));
                None
            }
        })?;
        // INVARIANT: what was changed or left be was asked for.
        done.unwrap_or_else(|| Err(missing(&self.place(document.name)).into()))
    }

    fn turn(&self, document: Document, turn: Turn<'_>) -> Result<(), HomeError> {
        match self {
            Self::Files(home) => {
                let _held = home.lock(&format!("{}.lock", document.name))?;
                match turn(read_file(home, document)?) {
                    Some(bytes) => files::put(&home.file(document.name)?, &bytes),
                    None => Ok(()),
                }
            }
            Self::Database(database) => database.change(document.name, turn),
        }
    }
}

fn read_file(home: &Home, document: Document) -> Result<Option<Vec<u8>>, HomeError> {
    if !files::is_there(&home.path(document.name))? {
        return Ok(None);
    }
    let path = home.file(document.name)?;
    let bytes = files::bytes_of_at_most(&path, document.most)?;
    if document.is_secret {
        home.secret(document.name)?;
    }
    Ok(Some(bytes))
}

/// A file that a home needs, and that isn't in its folder or database.
pub(crate) fn missing(place: &Path) -> HomeError {
    HomeError::unreadable(place, std::io::ErrorKind::NotFound.into())
}

impl Home {
    /// Where the documents of this home are: in the database that `config.toml` names, or in its files. Blocks this thread where
    /// the database isn't open yet.
    pub(crate) fn documents(&self) -> Result<Documents, HomeError> {
        if let Some(database) = self.opened() {
            return Ok(database);
        }
        let config = match self.config() {
            // Which database, and so which documents are in force, nobody can tell.
            Err(error) if self.names_database() => return Err(error),
            read => read.ok(),
        };
        config.map_or_else(
            || Ok(Documents::Files(self.clone())),
            |config| self.documents_of(&config),
        )
    }

    /// The same by this configuration.
    pub(crate) fn documents_of(&self, config: &Config) -> Result<Documents, HomeError> {
        if config.database().is_none() {
            return Ok(Documents::Files(self.clone()));
        }
        match self.opened() {
            Some(database) => Ok(database),
            None => Ok(self.kept(config, Access::Write)?.documents),
        }
    }
}

#[cfg(test)]
mod tests;
