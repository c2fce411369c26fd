//! [`Home`]: the folder with configuration, keys, trust, policy and ledger.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use actionpass_crypto::Algorithm;
use actionpass_custodians::Custodians;
use actionpass_custody::{KeyFiles, KeyUri, NoSecrets, OpenKey, Secrets};
use actionpass_gate::Catalogue;
use actionpass_model::{KeyId, KeyUse};
use actionpass_store::ledger::Log;
use actionpass_store::lock_file::{self, LockError};
use actionpass_store::sessions::SessionStore;
use actionpass_store::trust_file::{TrustFile, TrustFileCode, TrustFileError, TrustSnapshot};
use actionpass_store::{MemorySessions, StoreCode, StoreError, TrustDocument};
use actionpass_store_sqlite::{SqliteStore, Witness};
use actionpass_verify::Trust;
use pollster::block_on;

use crate::database::Access;
use crate::documents::Documents;
use crate::kept::DatabaseDocuments;
use crate::{Config, Database, HomeCode, HomeError, HomeStore, config, files};

/// The configuration, TOML.
pub const CONFIG: &str = "config.toml";
/// The folder of private keys.
pub const KEYS: &str = "keys";
/// The trust store, JSON.
pub const TRUST: &str = "trust.json";
/// The policy, TOML.
pub const POLICY: &str = "policy.toml";
/// The tool catalogue, TOML, if there is one.
pub const TOOLS: &str = Catalogue::FILE;
/// The definitions of tools that somebody approved, JSON, once there are any.
pub const PINS: &str = "pins.json";
/// Who is invited, and passkeys that wait, JSON, once somebody was invited.
pub const APPROVERS: &str = "approvers.json";
/// Decisions, ledger and used passes, SQLite.
pub const LEDGER: &str = "ledger.db";
/// The head of the ledger that was signed last (C2SP tlog-proof), once one was signed.
pub const SIGNED_HEAD: &str = "ledger.tlog-proof";
/// What notices that the ledger went back.
pub const WITNESS: &str = "ledger.witness";
/// Held by the service of a home, so that there is one.
pub const SERVE_LOCK: &str = "serve.lock";
/// The example actions.
pub const EXAMPLES: &str = "examples";

/// What a home keeps, opened.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) store: Arc<dyn HomeStore>,
    pub(crate) trust: Arc<dyn TrustDocument>,
    /// The file of the trust store, where it is one.
    pub(crate) file: Option<TrustFile>,
    pub(crate) documents: Documents,
    /// Who is signed in at its page: for all machines in its database, or in the memory of this process.
    pub(crate) sessions: Arc<dyn SessionStore>,
}

/// A home that exists and that nobody else can write.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    /// The documents of its database, once that was opened to be written; clones share them.
    opened: Arc<OnceLock<DatabaseDocuments>>,
}

/// Where the home is: the folder that was named, else `ACTIONPASS_HOME`, else the user's data folder. Never found by
/// walking up from the current folder: an agent that works there could plant one.
///
/// # Errors
/// [`HomeError::NoPlace`].
pub fn place(named: Option<&Path>) -> Result<PathBuf, HomeError> {
    let variable = || {
        std::env::var_os("ACTIONPASS_HOME")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    };
    if let Some(path) = named.map(Path::to_owned).or_else(variable) {
        return Ok(path);
    }
    let folder = data_folder().ok_or(HomeError::NoPlace)?;
    Ok(folder.join("actionpass"))
}

/// The XDG base directory for data; relative paths there are invalid by its specification.
fn data_folder() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let windows = || if cfg!(windows) { variable("LOCALAPPDATA") } else { None };
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .or_else(windows)
}

impl Home {
    /// Opens a home.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::NotAFolder`], [`HomeError::Exposed`], [`HomeError::Unreadable`].
    pub fn open(root: &Path) -> Result<Self, HomeError> {
        let home = Self {
            root: root.to_owned(),
            opened: Arc::default(),
        };
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => files::refuse_writable(root, &metadata)?,
            Ok(_) => return Err(HomeError::NotAFolder(root.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(HomeError::Missing(root.to_owned())),
            Err(error) => return Err(HomeError::unreadable(root, error)),
        }
        // Whoever writes one of these folders swaps what is in it.
        files::refuse_writable_parents(root)?;
        home.file(KEYS)?;
        Ok(home)
    }

    /// Opens the home if there is one.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), but that it isn't there.
    pub fn open_if_there(root: &Path) -> Result<Option<Self>, HomeError> {
        match Self::open(root) {
            Ok(home) if home.root.join(CONFIG).exists() => Ok(Some(home)),
            Ok(_) | Err(HomeError::Missing(_) | HomeError::NotAFolder(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of something in it.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// The path of a file in it that nobody else can write. A file that isn't there is for its reader to miss.
    ///
    /// # Errors
    /// [`HomeError::Exposed`]; [`HomeError::Unreadable`] for a pipe or a device.
    pub fn file(&self, name: impl AsRef<Path>) -> Result<PathBuf, HomeError> {
        let path = self.path(name);
        if let Ok(metadata) = fs::metadata(&path) {
            files::refuse_writable(&path, &metadata)?;
            // A pipe would be waited for without end.
            if !metadata.is_file() && !metadata.is_dir() {
                return Err(HomeError::unreadable(
                    &path,
                    io::Error::other("it is not a regular file"),
                ));
            }
        }
        // What a link leads to may lie in a folder of others.
        if path.is_symlink() {
            files::refuse_writable_parents(&path)?;
        }
        Ok(path)
    }

    /// Refuses a private file that others can read or write.
    ///
    /// # Errors
    /// [`HomeError::Exposed`], [`HomeError::Unreadable`].
    pub fn secret(&self, name: impl AsRef<Path>) -> Result<(), HomeError> {
        files::refuse_readable(&self.file(name)?)
    }

    /// The lock of `config.toml`, held by whoever changes it until it is dropped. Waits for another who holds it, for
    /// [`lock_file::WAIT`] at most.
    ///
    /// # Errors
    /// [`HomeError::Unwritable`].
    pub fn lock_config(&self) -> Result<File, HomeError> {
        self.lock("config.toml.lock")
    }

    /// The lock that the home's service holds while it runs.
    ///
    /// # Errors
    /// [`HomeError::Unwritable`].
    pub fn lock_service(&self) -> Result<File, HomeError> {
        self.lock(SERVE_LOCK)
    }

    /// The lock that is this file of the home.
    pub(crate) fn lock(&self, name: &str) -> Result<File, HomeError> {
        let path = self.path(name);
        lock_file::exclusive(&path).map_err(|error| match error {
            LockError::Io(error) => HomeError::unwritable(&path, error),
            held => HomeError::unwritable(&path, io::Error::new(ErrorKind::TimedOut, held)),
        })
    }

    /// `config.toml`.
    ///
    /// # Errors
    /// [`HomeError::Missing`] without a home, [`HomeError::Unreadable`] in one that lacks it; [`HomeError::ConfigInvalid`].
    pub fn config(&self) -> Result<Config, HomeError> {
        let path = self.file(CONFIG)?;
        match files::text(&path, HomeCode::ConfigInvalid) {
            // Where the rest of a home is, it is the configuration that is missing.
            Err(HomeError::Unreadable { source, .. })
                if source.kind() == ErrorKind::NotFound
                    && ![TRUST, LEDGER].map(|name| self.path(name).exists()).contains(&true) =>
            {
                Err(HomeError::Missing(self.root.clone()))
            }
            text => Config::parse(&text?, &path),
        }
    }

    /// Makes `config.toml` name another signing key; the rest stays as its owner wrote it.
    ///
    /// # Errors
    /// [`HomeError::ConfigInvalid`], [`HomeError::Unwritable`].
    pub fn set_signing_key(&self, key: &KeyUri) -> Result<(), HomeError> {
        self.set_key("signing", key)
    }

    /// Makes `config.toml` name another key that signs heads of the ledger, where it names one.
    ///
    /// # Errors
    /// [`HomeError::ConfigInvalid`], [`HomeError::Unwritable`].
    pub fn set_ledger_key(&self, key: &KeyUri) -> Result<(), HomeError> {
        self.set_key("ledger", key)
    }

    fn set_key(&self, table: &str, key: &KeyUri) -> Result<(), HomeError> {
        let path = self.file(CONFIG)?;
        let text = files::text(&path, HomeCode::ConfigInvalid)?;
        let changed = config::with_key(&text, table, key).ok_or_else(|| HomeError::ConfigInvalid {
            path: path.clone(),
            line: 1,
            column: 1,
            problem: format!("`[{table}] key` is not there").into(),
        })?;
        files::replace(&path, changed.as_bytes())
    }

    /// The trust store as it is now, ready to verify with.
    ///
    /// # Errors
    /// Those of [`trust_snapshot`](Self::trust_snapshot).
    pub fn trust(&self) -> Result<Trust, HomeError> {
        let snapshot = self.trust_snapshot()?;
        Trust::from_snapshot(&snapshot).map_err(|error| HomeError::trust(&self.place_of_trust(), error))
    }

    /// The trust store, as it is now: `trust.json`, or that of the database which the configuration names. Without opening the
    /// ledger one that went back is noticed by the witness, which saw the version that the ledger knows of. Blocks this thread.
    ///
    /// # Errors
    /// [`HomeError::Trust`]; [`HomeError::Store`] for a witness that can't be read.
    pub fn trust_snapshot(&self) -> Result<TrustSnapshot, HomeError> {
        // The witness is read first: what it saw was in force by then. That the configuration is broken is for others to say.
        let config = match self.config() {
            // Which database, and so which trust is in force, nobody can tell.
            Err(error) if self.names_database() => return Err(error),
            read => read.ok(),
        };
        let named = config.as_ref().map(|config| self.witness(config));
        let witness = named.unwrap_or_else(|| Witness::at(self.path(WITNESS)));
        let seen = witness
            .read()
            .map_err(|error| HomeError::store(witness.path(), error))?;
        let place = self.place_of_trust();
        let snapshot = match &config {
            Some(config) if config.database().is_some() => {
                let kept = self.kept(config, Access::Read)?;
                block_on(kept.trust.read())
            }
            _ => self.trust_file()?.read(),
        };
        let snapshot = snapshot.map_err(|error| HomeError::trust(&place, error))?;
        let version = snapshot.document.version;
        if let Some(seen) = seen.filter(|seen| version < seen.trust_version) {
            let rolled_back = TrustFileError::new(TrustFileCode::TrustRolledBack).with_source(format!(
                "it is version {version}, and the ledger knows version {}",
                seen.trust_version
            ));
            return Err(HomeError::trust(&place, rolled_back));
        }
        Ok(snapshot)
    }

    /// What messages name as the place of the trust store.
    fn place_of_trust(&self) -> PathBuf {
        let database = self.config().ok().and_then(|config| config.database());
        database.map_or_else(|| self.path(TRUST), |database| database.url.place())
    }

    /// What notices that the ledger or the trust store went back: the file that `[store] witness` names, relative to the
    /// home, or `ledger.witness` in it.
    #[must_use]
    pub fn witness(&self, config: &Config) -> Witness {
        Witness::at(self.root.join(config.witness().unwrap_or(Path::new(WITNESS))))
    }

    /// Has the witness say that the trust store has this version, where it was changed without the ledger; `config` where it
    /// can be read. `false` without a witness: then nothing notices a trust store that goes back to before that.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub fn witness_trust(&self, config: Option<&Config>, version: u64) -> Result<bool, HomeError> {
        let witness = config.map_or_else(|| Witness::at(self.path(WITNESS)), |config| self.witness(config));
        let advanced = witness.advance_trust(version);
        advanced.map_err(|error| HomeError::store(witness.path(), error))
    }

    /// The file of the trust store, which is in force unless a database has another. Nothing is read yet.
    ///
    /// # Errors
    /// [`HomeError::Exposed`].
    pub fn trust_file(&self) -> Result<TrustFile, HomeError> {
        Ok(TrustFile::open(&self.file(TRUST)?))
    }

    /// Decisions, ledger and used passes, which must be there, of this issuer, and the trust store: in the database that the
    /// configuration names, or in the files of the home, which are given for whoever watches that of the trust store.
    ///
    /// # Errors
    /// [`HomeError::Store`], [`HomeError::Secret`].
    pub(crate) fn kept(&self, config: &Config, access: Access) -> Result<Kept, HomeError> {
        let witness = self.witness(config);
        if let Ok(metadata) = fs::metadata(witness.path()) {
            files::refuse_writable(witness.path(), &metadata)?;
        }
        // Whoever can take it away, or put a former one back, keeps a ledger that went back from being noticed.
        files::refuse_writable_parents(witness.path())?;
        let place = self.place_of_store(config);
        let kept = match config.database() {
            Some(database) => database.open(self, witness, access)?,
            None => {
                let path = self.file(LEDGER)?;
                let store = match access {
                    Access::Write => SqliteStore::open_witnessed(&path, witness),
                    Access::Read => SqliteStore::open_to_read(&path, witness),
                    Access::Unwitnessed => SqliteStore::open(&path),
                };
                let file = self.trust_file()?;
                Kept {
                    store: Arc::new(store.map_err(|error| HomeError::store(&path, error))?),
                    trust: Arc::new(file.clone()),
                    file: Some(file),
                    documents: Documents::Files(self.clone()),
                    sessions: Arc::new(MemorySessions::default()),
                }
            }
        };
        if kept.store.log() == Some(&log(config)?) {
            if let (Access::Write, Documents::Database(documents)) = (access, &kept.documents) {
                let _ = self.opened.set(documents.clone());
            }
            Ok(kept)
        } else {
            Err(HomeError::store(&place, StoreError::new(StoreCode::StoreLogMismatch)))
        }
    }

    /// The documents of its database, if that was opened.
    pub(crate) fn opened(&self) -> Option<Documents> {
        self.opened.get().cloned().map(Documents::Database)
    }

    /// What messages name as the place of the store.
    pub(crate) fn place_of_store(&self, config: &Config) -> PathBuf {
        let database = config.database();
        database.map_or_else(|| self.path(LEDGER), |database| database.url.place())
    }

    /// Whether `config.toml` names a database, also where the rest of it can't be read: a trust store in a file of the home is
    /// not in force then.
    #[must_use]
    pub fn names_database(&self) -> bool {
        let text = fs::read_to_string(self.path(CONFIG)).unwrap_or_default();
        let mut lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
        lines.any(|line| line.contains("postgres://") || line.contains("postgresql://"))
    }

    /// Makes `config.toml` name this database, or none; the rest stays as its owner wrote it.
    ///
    /// # Errors
    /// [`HomeError::ConfigInvalid`], [`HomeError::Unwritable`].
    pub fn set_database(&self, database: Option<&Database>) -> Result<(), HomeError> {
        let path = self.file(CONFIG)?;
        let text = files::text(&path, HomeCode::ConfigInvalid)?;
        let changed = config::with_database(&text, database, &path)?;
        files::replace(&path, changed.as_bytes())
    }

    /// Every custodian of this program; files relative to the home.
    #[must_use]
    pub fn custodians(&self) -> Custodians {
        Custodians::standard().with_base(&self.root)
    }

    /// Opens the key that passes are signed with.
    ///
    /// # Errors
    /// [`HomeError::Custodian`].
    pub fn open_signing_key(&self, config: &Config, secrets: &dyn Secrets) -> Result<OpenKey, HomeError> {
        Ok(self.custodians().open(&config.signing.key, secrets)?)
    }

    /// Removes the file of a key that came to nothing. Should that fail, or if another custodian has it, there is a key that
    /// nobody believes.
    pub fn discard_key(&self, key: &OpenKey) {
        if let Some(path) = self.key_file(&key.uri) {
            let _ = fs::remove_file(path);
        }
    }

    /// The path of a key that is a file of the home.
    #[must_use]
    pub fn key_file(&self, uri: &KeyUri) -> Option<PathBuf> {
        (uri.scheme() == "file").then(|| self.path(uri.rest()))
    }

    /// The kid of the signing key, without its passphrase where the file's name says it; `None` if it can't be told.
    #[must_use]
    pub fn signing_kid(&self, config: &Config) -> Option<KeyId> {
        self.kid_of(&config.signing.key)
    }

    /// The kid of the key that signs heads of the ledger, in the same way.
    #[must_use]
    pub fn ledger_kid(&self, config: &Config) -> Option<KeyId> {
        self.kid_of(config.ledger_key()?)
    }

    fn kid_of(&self, uri: &KeyUri) -> Option<KeyId> {
        if uri.scheme() == "file"
            && let Some((_, kid)) = Path::new(uri.rest())
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| stem.split_once('-'))
            && let Ok(kid) = KeyId::parse(kid)
        {
            return Some(kid);
        }
        let opened = self.custodians().open(uri, &NoSecrets).ok()?;
        Some(opened.signer.public_key().kid().clone())
    }

    /// The private keys that are files of the home: kid and path within it.
    #[must_use]
    pub fn private_keys(&self) -> Vec<(KeyId, String)> {
        let Ok(entries) = fs::read_dir(self.path(KEYS)) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut keys: Vec<(KeyId, String)> = names
            .filter_map(|name| {
                let (_, kid) = name.strip_suffix(".pem")?.split_once('-')?;
                Some((KeyId::parse(kid).ok()?, format!("{KEYS}/{name}")))
            })
            .collect();
        keys.sort();
        keys
    }
}

/// Whether the file of a new key is encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyForm {
    /// As it is, readable by its owner.
    #[default]
    Plain,
    /// With a passphrase.
    Encrypted,
}

/// Makes a key; its file, if it has one, relative to a folder where there is one.
///
/// # Errors
/// What the custodian says.
pub fn generate_key(
    base: Option<&Path>,
    place: &KeyUri,
    algorithm: Algorithm,
    form: KeyForm,
    secrets: &dyn Secrets,
) -> Result<OpenKey, actionpass_custody::CustodianError> {
    let mut files = base.map_or_else(KeyFiles::new, KeyFiles::below);
    if form == KeyForm::Encrypted {
        files = files.with_encryption();
    }
    Custodians::standard().with(files).generate(place, algorithm, secrets)
}

/// Where a home makes a key of this use unless told otherwise: a file whose name says use and kid, so that an encrypted
/// one is found without its passphrase.
#[must_use]
pub fn key_place(key_use: KeyUse) -> KeyUri {
    KeyUri::new("file", &format!("{KEYS}/{}-*.pem", key_use.as_str()))
}

/// Whose log a home's ledger is.
///
/// # Errors
/// [`HomeError::Name`] for the issuer `https://`, which names no host.
pub fn log(config: &Config) -> Result<Log, HomeError> {
    Ok(config.issuer_config().log()?)
}
