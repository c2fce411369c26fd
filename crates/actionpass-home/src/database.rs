//! [`DatabaseUrl`]: the database that keeps the decisions of a home in the place of its own file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use actionpass_custodians::SecretSource;
use serde::Deserialize;

use crate::{Home, HomeError};

/// The address of a PostgreSQL database, `postgres://USER@HOST:PORT/DATABASE?…`. It holds no password: that is named by
/// `[store] password`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(Box<str>);

/// An address that isn't one, without its text, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct DatabaseUrlError(&'static str);

/// A database as a home names it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "address and password are all there is to say")]
pub struct Database {
    /// Where it is.
    pub url: DatabaseUrl,
    /// What keeps the password of its user; a file relative to the home.
    pub password: Option<SecretSource>,
}

impl DatabaseUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`DatabaseUrlError`], also for one with a password in it.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or(DatabaseUrlError("the address of a database begins with postgres://"))?;
        let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let user = address.rsplit_once('@').map_or("", |(user, _)| user);
        let names_password = |parameter: &str| parameter.split('=').next() == Some("password");
        if user.contains(':') || parameters.split('&').any(names_password) {
            let problem = "a password is named, not written: `[store] password` says what keeps it";
            return Err(DatabaseUrlError(problem));
        }
        Ok(Self(text.into()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What messages name in the place of a file.
    pub(crate) fn place(&self) -> PathBuf {
        PathBuf::from(self.as_str())
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = DatabaseUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// To read and to write, if the witness knows no later state.
    Write,
    /// To read only, if the witness knows no later state.
    Read,
    /// To read and to write, in whatever state it is.
    Unwitnessed,
}

#[cfg(feature = "postgres")]
mod linked {
    use std::path::Path;
    use std::sync::Arc;

    use actionpass_model::TrustStore;
    use actionpass_store::ledger::Log;
    use actionpass_store::salvage::Salvage;
    use actionpass_store::{ReplayStart, StoreCode, StoreError};
    use actionpass_store_postgres::{
        Found, PostgresDocuments, PostgresOptions, PostgresSalvage, PostgresSessions, PostgresStore, PostgresTrust,
    };
    use actionpass_store_sqlite::Witness;
    use pollster::block_on;

    use super::{Access, Database, Home, HomeError};
    use crate::documents::Documents;
    use crate::home::Kept;
    use crate::kept::{DatabaseDocuments, Row, Rows};

    impl Rows for PostgresDocuments {
        fn read(&self, name: &str) -> Result<Option<Row>, StoreError> {
            let row = block_on(Self::read(self, name))?;
            Ok(row.map(|row| Row {
                version: row.version,
                digest: row.digest,
                bytes: row.bytes,
            }))
        }

        fn replace(&self, name: &str, version: Option<u64>, bytes: Vec<u8>) -> Result<Option<u64>, StoreError> {
            block_on(Self::replace(self, name, version, bytes))
        }
    }

    impl Database {
        /// How it is reached, with its password; files relative to this folder.
        ///
        /// # Errors
        /// [`HomeError::Secret`]; [`HomeError::Store`] if the address can't be read.
        pub fn options(&self, base: &Path) -> Result<PostgresOptions, HomeError> {
            let options = PostgresOptions::parse(self.url.as_str()).map_err(|error| self.about(error))?;
            let Some(source) = &self.password else {
                return Ok(options);
            };
            let secret = source.below(base).read()?;
            Ok(options.with_password(secret.expose()))
        }

        /// What it is and holds. Blocks this thread.
        ///
        /// # Errors
        /// [`HomeError::Store`], [`HomeError::Secret`].
        pub fn find(&self, base: &Path) -> Result<Found, HomeError> {
            PostgresStore::find(&self.options(base)?).map_err(|error| self.about(error))
        }

        /// Brings its tables to this release, and makes them where there are none; gives how many migrations were run. Blocks
        /// this thread.
        ///
        /// # Errors
        /// [`HomeError::Store`], [`HomeError::Secret`].
        pub fn migrate(&self, base: &Path) -> Result<usize, HomeError> {
            PostgresStore::migrate(&self.options(base)?).map_err(|error| self.about(error))
        }

        /// Its store, to be examined.
        pub(crate) fn salvage(&self, base: &Path) -> Result<Box<dyn Salvage>, HomeError> {
            let opened = PostgresSalvage::open(&self.options(base)?).map_err(|error| self.about(error))?;
            Ok(Box::new(opened))
        }

        pub(crate) fn about(&self, error: StoreError) -> HomeError {
            HomeError::store(&self.url.place(), error)
        }

        /// Its store and its trust store.
        pub(crate) fn open(&self, home: &Home, witness: Witness, access: Access) -> Result<Kept, HomeError> {
            let options = self.options(home.root())?;
            let opened = match access {
                Access::Write => PostgresStore::open_witnessed(&options, Arc::new(witness)),
                Access::Read => PostgresStore::open_witnessed(&options.with_read_only(), Arc::new(witness)),
                Access::Unwitnessed => PostgresStore::open(&options),
            };
            let store = opened.map_err(|error| self.about(error))?;
            let trust = PostgresTrust::of(&store);
            let documents = DatabaseDocuments::new(Arc::new(PostgresDocuments::of(&store)), self.url.clone());
            let sessions = Arc::new(PostgresSessions::of(&store));
            Ok(Kept {
                store: Arc::new(store),
                trust: Arc::new(trust),
                file: None,
                documents: Documents::Database(documents),
                sessions,
            })
        }

        /// That it holds no store, and could take one.
        pub(crate) fn check_vacant(&self, base: &Path) -> Result<(), HomeError> {
            match PostgresStore::open(&self.options(base)?) {
                Err(error) if error.code() == StoreCode::StoreMissing => Ok(()),
                Err(error) => Err(self.about(error)),
                Ok(_) => Err(self.about(StoreError::new(StoreCode::StoreExists))),
            }
        }

        /// Makes the store and the trust store of a new home in it.
        pub(crate) async fn create(
            &self,
            base: &Path,
            log: &Log,
            start: ReplayStart,
            trust: &TrustStore,
        ) -> Result<(), HomeError> {
            let store =
                PostgresStore::create(&self.options(base)?, Some(log), start).map_err(|error| self.about(error))?;
            Ok(PostgresTrust::of(&store).create(trust).await?)
        }
    }
}

#[cfg(not(feature = "postgres"))]
mod unlinked {
    use std::path::Path;

    use actionpass_model::TrustStore;
    use actionpass_store::ledger::Log;
    use actionpass_store::salvage::Salvage;
    use actionpass_store::{ReplayStart, StoreCode, StoreError};
    use actionpass_store_sqlite::Witness;

    use super::{Access, Database, Home, HomeError};
    use crate::home::Kept;

    impl Database {
        fn unknown<T>(&self) -> Result<T, HomeError> {
            let problem = "this build knows no PostgreSQL (feature `postgres`)";
            let error = StoreError::with_source(StoreCode::StoreUnavailable, problem);
            Err(HomeError::store(&self.url.place(), error))
        }

        pub(crate) fn open(&self, _: &Home, _: Witness, _: Access) -> Result<Kept, HomeError> {
            self.unknown()
        }

        pub(crate) fn check_vacant(&self, _: &Path) -> Result<(), HomeError> {
            self.unknown()
        }

        pub(crate) fn salvage(&self, _: &Path) -> Result<Box<dyn Salvage>, HomeError> {
            self.unknown()
        }

        pub(crate) async fn create(&self, _: &Path, _: &Log, _: ReplayStart, _: &TrustStore) -> Result<(), HomeError> {
            self.unknown()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_named_and_not_written() {
        for url in [
            "postgres://gate@db.example/actionpass",
            "postgresql://gate@%2Frun%2Fpostgresql/actionpass?target_session_attrs=read-write",
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap().as_str(), url);
        }
        for url in [
            "postgres://gate:s3cret@db.example/actionpass",
            "postgres://db.example/actionpass?password=s3cret",
            "postgres://gate@db.example/actionpass?user=gate&password=s3cret",
            "mysql://gate@db.example/s3cret",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{url}");
        }
    }
}
