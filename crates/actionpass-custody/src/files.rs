//! Private keys in files and, for development, in environment variables.
//!
//! Blocking I/O: for the start of a program. A missing key is an error; nothing here ever makes one up.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actionpass_crypto::{Algorithm, KeyCode, KeyError, Signer, SoftwareKey};
use actionpass_model::{Code, KeyId};
use zeroize::Zeroizing;

use crate::pem::{PrivatePem, malformed};
use crate::uri::FILE;
use crate::{Custodian, CustodianError, Exposure, KeyUri, OpenKey, Secret, SecretKind, Secrets};

actionpass_model::codes! {
    /// Why a private key was not read or written. What is wrong with the key itself has the codes of keys.
    pub enum KeyFileCode: Unavailable {
        /// There is no file of this name.
        Missing = "key_file_missing",
        /// The file lies open to others than its owner, or belongs to somebody else.
        Permissions = "key_file_permissions",
        /// It is not a regular file.
        NotRegular = "key_file_not_regular",
        /// The operating system refuses to read the file.
        Unreadable = "key_file_unreadable",
        /// The operating system refuses to write the file.
        Unwritable = "key_file_unwritable",
        /// There is a file of this name already; keys are never overwritten.
        Exists = "key_file_exists" => Usage,
        /// The environment variable is not set.
        VariableMissing = "key_variable_missing",
    }
}

/// A private key that was not read or written.
#[derive(Debug)]
pub struct KeyFileError {
    place: KeySource,
    fault: KeyFileFault,
}

/// What went wrong with a file.
#[derive(Debug)]
enum KeyFileFault {
    Io(KeyFileCode, io::Error),
    Refused(KeyFileCode),
    Exposed(Exposure),
    Key(KeyError),
}

/// Where a private key is: a file, or an environment variable.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeySource {
    /// A PEM file. Symbolic links are followed, as mounted secrets are made of them; what they lead to is checked.
    File(PathBuf),
    /// An environment variable that holds PEM text, for development: anything that this process starts can read it.
    Variable(String),
}

const ENV: &str = "env";

/// An encrypted RSA key of 4096 bits is 3.5 KiB; whatever is longer is no key.
const MAX_FILE_BYTES: u64 = 16 * 1024;

impl KeySource {
    /// Loads the key, decrypting it if need be. Its custodian is called `file` or `env`.
    ///
    /// # Errors
    /// [`KeyFileError`]: the file is missing, not a regular file, open to others as
    /// [`Exposure::of_secret`] has it, or not a private key of ours.
    pub fn load(&self, passphrase: Option<&Secret>) -> Result<SoftwareKey, KeyFileError> {
        let failed = |fault| KeyFileError {
            place: self.clone(),
            fault,
        };
        let (pem, custodian) = match self {
            Self::File(path) => (read(path).map_err(failed)?, "file"),
            Self::Variable(name) => (variable(name).map_err(failed)?, "env"),
        };
        let pem = actionpass_crypto::pem::text(&pem).map_err(|error| failed(KeyFileFault::Key(error)))?;
        PrivatePem::decode(pem, passphrase)
            .and_then(|key| SoftwareKey::from_pkcs8_der(key.as_der()))
            .map(|key| key.with_custodian(custodian))
            .map_err(|error| failed(KeyFileFault::Key(error)))
    }
}

/// Keys in PEM files (`file:PATH`) and, for development, in environment variables (`env:NAME`): the custodian that is
/// always there.
#[derive(Clone, Debug, Default)]
pub struct KeyFiles {
    base: Option<PathBuf>,
    encrypt: bool,
}

impl KeyFiles {
    /// Files by their path, relative to the current folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Files by their path, relative to this folder.
    #[must_use]
    pub fn below(base: &Path) -> Self {
        Self {
            base: Some(base.to_owned()),
            encrypt: false,
        }
    }

    /// New keys are encrypted, with a passphrase that is asked for.
    #[must_use]
    pub const fn with_encryption(mut self) -> Self {
        self.encrypt = true;
        self
    }

    /// The text of a new key's file.
    fn pem(&self, key: &SoftwareKey, uri: &KeyUri, secrets: &dyn Secrets) -> Result<PrivatePem, KeyError> {
        let private = key.to_pkcs8()?;
        if !self.encrypt {
            return PrivatePem::encode(&private);
        }
        let passphrase = secrets
            .ask(SecretKind::Passphrase, uri)
            .ok_or(KeyError::PassphraseRequired)?;
        let mut randomness = [0; 32];
        getrandom::fill(&mut randomness).map_err(|_| KeyError::NotGenerated)?;
        PrivatePem::encrypt(&private, &passphrase, &randomness)
    }

    fn source(&self, uri: &KeyUri) -> KeySource {
        if uri.scheme() == ENV {
            KeySource::Variable(uri.rest().to_owned())
        } else {
            KeySource::File(self.path(uri.rest()))
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base
            .as_ref()
            .map_or_else(|| PathBuf::from(path), |base| base.join(path))
    }
}

impl Custodian for KeyFiles {
    fn schemes(&self) -> &'static [&'static str] {
        &[FILE, ENV]
    }

    /// The passphrase is asked for only if the key is encrypted.
    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let source = self.source(uri);
        let key = match source.load(None) {
            Err(error) if error.code() == KeyCode::PassphraseRequired.as_str() => {
                match secrets.ask(SecretKind::Passphrase, uri) {
                    Some(passphrase) => source.load(Some(&passphrase)),
                    None => Err(error),
                }
            }
            loaded => loaded,
        }?;
        Ok(OpenKey {
            uri: uri.clone(),
            signer: Arc::new(key),
        })
    }

    /// Writes a new file. A `*` in its name becomes the id of the key.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        if uri.scheme() == ENV {
            return Err(no_variable());
        }
        let failed = |error| KeyFileError {
            place: self.source(uri),
            fault: KeyFileFault::Key(error),
        };
        let key = SoftwareKey::generate_for(algorithm).map_err(failed)?;
        let (folder, name) = split_name(uri.rest());
        let path = format!("{folder}{}", name.replacen('*', key.public_key().kid().as_str(), 1));
        let uri = KeyUri::new(FILE, &path);
        let pem = self.pem(&key, &uri, secrets).map_err(failed)?;
        pem.write_new(&self.path(&path))?;
        Ok(OpenKey {
            uri,
            signer: Arc::new(key.with_custodian(FILE)),
        })
    }

    /// In the same folder; where the name ends in a key id, the new one's takes its place.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        if uri.scheme() == ENV {
            return Err(no_variable());
        }
        let (folder, name) = split_name(uri.rest());
        let prefix = name
            .strip_suffix(".pem")
            .and_then(|stem| stem.split_once('-'))
            .filter(|(_, kid)| KeyId::parse(kid).is_ok())
            .map_or("key", |(prefix, _)| prefix);
        Ok(KeyUri::new(FILE, &format!("{folder}{prefix}-*.pem")))
    }
}

fn no_variable() -> CustodianError {
    CustodianError::not_generable(ENV, "a variable holds what somebody put there")
}

/// The folder of a path, with its separator, and the name.
fn split_name(path: &str) -> (&str, &str) {
    let start = path.rfind(std::path::is_separator).map_or(0, |at| at.saturating_add(1));
    path.split_at_checked(start).unwrap_or(("", path))
}

impl PrivatePem {
    /// Writes a private key into a new file that only its owner can read (on Unix, mode 0600), durably: file and folder are
    /// synced before this returns.
    ///
    /// # Errors
    /// [`KeyFileError`] with [`KeyFileCode::Exists`] or [`KeyFileCode::Unwritable`]. Then there is no new file, unless even
    /// removing it failed.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFileError> {
        let failed = |error: io::Error| {
            let code = if error.kind() == ErrorKind::AlreadyExists {
                KeyFileCode::Exists
            } else {
                KeyFileCode::Unwritable
            };
            KeyFileError {
                place: KeySource::File(path.to_owned()),
                fault: KeyFileFault::Io(code, error),
            }
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let written = file
            .write_all(self.as_str().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(path));
        written.map_err(|error| {
            // Half a key is of no use; that it can't be removed would be said by the next attempt, with `key_file_exists`.
            let _ = fs::remove_file(path);
            failed(error)
        })
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    let unreadable = |error: io::Error| {
        let code = if error.kind() == ErrorKind::NotFound {
            KeyFileCode::Missing
        } else {
            KeyFileCode::Unreadable
        };
        KeyFileFault::Io(code, error)
    };
    // Opening a pipe would wait for its other end, so this asks first; what counts is asked of the open file.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(KeyFileFault::Refused(KeyFileCode::NotRegular));
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(KeyFileFault::Refused(KeyFileCode::NotRegular));
    }
    if let Some(exposure) = Exposure::of_secret(&metadata) {
        return Err(KeyFileFault::Exposed(exposure));
    }
    // The buffer never grows, so that no copy of the key stays behind unwiped.
    let limit = MAX_FILE_BYTES.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(usize::MAX)));
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length < limit) {
        Ok(bytes)
    } else {
        Err(KeyFileFault::Key(malformed("the file is longer than 16 KiB")))
    }
}

fn variable(name: &str) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    // A name with `=` or NUL can't be set; asking for it may panic.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(KeyFileFault::Refused(KeyFileCode::VariableMissing));
    }
    match std::env::var_os(name) {
        Some(text) => Ok(Zeroizing::new(text.into_encoded_bytes())),
        None => Err(KeyFileFault::Refused(KeyFileCode::VariableMissing)),
    }
}

impl KeyFileError {
    /// Where the key was to be read or written.
    #[must_use]
    pub const fn place(&self) -> &KeySource {
        &self.place
    }

    /// The stable code: of the file, or of the key in it.
    #[must_use]
    pub fn code(&self) -> Code {
        match &self.fault {
            KeyFileFault::Io(code, _) | KeyFileFault::Refused(code) => (*code).into(),
            KeyFileFault::Exposed(_) => KeyFileCode::Permissions.into(),
            KeyFileFault::Key(error) => error.code().into(),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "{ENV}:{name}"),
        }
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.fault {
            KeyFileFault::Key(_) => write!(f, "no private key could be read from `{place}`"),
            KeyFileFault::Exposed(Exposure::Foreign) => write!(f, "key file `{place}` {}", Exposure::Foreign),
            KeyFileFault::Exposed(exposure) => write!(f, "key file `{place}` {exposure}; `chmod 600` it"),
            KeyFileFault::Io(code, _) | KeyFileFault::Refused(code) => match code {
                KeyFileCode::Missing => write!(f, "there is no key file `{place}`"),
                KeyFileCode::Permissions => write!(f, "key file `{place}` lies open to others"),
                KeyFileCode::NotRegular => write!(f, "key file `{place}` is not a regular file"),
                KeyFileCode::Unreadable => write!(f, "key file `{place}` can not be read"),
                KeyFileCode::Unwritable => write!(f, "key file `{place}` can not be written"),
                KeyFileCode::Exists => write!(f, "key file `{place}` exists already"),
                KeyFileCode::VariableMissing => write!(f, "environment variable `{place}` is not set"),
            },
        }
    }
}

impl StdError for KeyFileError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.fault {
            KeyFileFault::Io(_, error) => Some(error),
            KeyFileFault::Key(error) => Some(error),
            KeyFileFault::Refused(_) | KeyFileFault::Exposed(_) => None,
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn pem() -> PrivatePem {
        PrivatePem::encode(&SoftwareKey::generate().unwrap().to_pkcs8().unwrap()).unwrap()
    }

    fn load(path: &Path) -> Result<SoftwareKey, Code> {
        KeySource::File(path.to_owned())
            .load(None)
            .map_err(|error| error.code())
    }

    #[test]
    fn what_is_written_is_private_and_loads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.pem");
        pem().write_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(&path).unwrap().custodian(), "file");
        let before = fs::read(&path).unwrap();
        assert_eq!(pem().write_new(&path).unwrap_err().code(), "key_file_exists");
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(
            pem().write_new(&folder.path().join("no/such")).unwrap_err().code(),
            "key_file_unwritable"
        );
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issuer.pem");
        pem().write_new(&path).unwrap();
        let link = folder.path().join("link.pem");
        symlink(&path, &link).unwrap();
        for (mode, outcome) in [
            (0o600, Ok(())),
            (0o400, Ok(())),
            (0o640, Err(())),
            (0o604, Err(())),
            (0o620, Err(())),
            (0o601, Err(())),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for name in [&path, &link] {
                let loaded = load(name)
                    .map(|_| ())
                    .map_err(|code| assert_eq!(code, "key_file_permissions"));
                assert_eq!(loaded, outcome, "{mode:o}");
            }
        }
    }

    #[test]
    fn what_is_no_key_file_says_why() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(&folder.path().join("missing")).unwrap_err(), "key_file_missing");
        assert_eq!(load(folder.path()).unwrap_err(), "key_file_not_regular");
        assert_eq!(load(Path::new("/dev/null")).unwrap_err(), "key_file_not_regular");
        let path = folder.path().join("long.pem");
        let long = format!("{}{}", pem().as_str(), "\n".repeat(20_000));
        PrivatePem::for_tests(&long).write_new(&path).unwrap();
        assert_eq!(load(&path).unwrap_err(), "key_malformed");
    }

    #[test]
    fn variables_are_for_development() {
        let load = |name: &str| KeySource::Variable(name.to_owned()).load(None).unwrap_err();
        for name in ["", "a=b", "ACTIONPASS_NO_SUCH_KEY"] {
            let error = load(name);
            assert_eq!(
                (error.code(), error.place().to_string()),
                (KeyFileCode::VariableMissing.into(), format!("env:{name}"))
            );
        }
        // `PATH` is set wherever tests run, and is no key.
        assert_eq!(load("PATH").code(), "key_malformed");
    }
}

actionpass_model::coded_error!(KeyFileError);
