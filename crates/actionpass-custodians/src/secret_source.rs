//! [`SecretSource`]: where the passphrase of a key comes from when nobody is there to type it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use actionpass_custody::Secret;

actionpass_model::codes! {
    /// Why a passphrase was not read from where the configuration says.
    pub enum SecretSourceCode: Unavailable {
        /// The text names no place: `file:PATH`, `env:NAME` or `keyring:NAME` does.
        Malformed = "secret_source_malformed" => Usage,
        /// There is no such file, variable or entry.
        Missing = "secret_missing",
        /// The file can be read by its group or by others.
        Permissions = "secret_file_permissions",
        /// It is there and can't be read.
        Unreadable = "secret_unreadable",
    }
}

/// A place that keeps a passphrase.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The first line of a file that only its owner reads.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// An entry of the operating system's keyring, of service `actionpass`: on Linux the kernel's session keyring, on
    /// macOS the Keychain, on Windows the Credential Manager (feature `keyring`).
    Keyring(String),
}

/// A passphrase that was not read.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct SecretSourceError {
    code: SecretSourceCode,
    problem: Box<str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SecretSource {
    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// [`SecretSourceCode::Malformed`].
    pub fn parse(text: &str) -> Result<Self, SecretSourceError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Variable(name.to_owned())),
            Some(("keyring", name)) if !name.is_empty() => Ok(Self::Keyring(name.to_owned())),
            // The text itself may be the passphrase that somebody wrote here by mistake: it is not repeated.
            _ => Err(SecretSourceError::new(
                SecretSourceCode::Malformed,
                "a passphrase is named, not written: `file:PATH`, `env:NAME` or `keyring:NAME`",
            )),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// [`SecretSourceError`]; a keyring that this build doesn't know is [`SecretSourceCode::Unreadable`].
    pub fn read(&self) -> Result<Secret, SecretSourceError> {
        match self {
            Self::File(path) => self.read_file(path),
            Self::Variable(name) => {
                Secret::from_variable(name).ok_or_else(|| self.failed(SecretSourceCode::Missing, None))
            }
            Self::Keyring(name) => self.read_keyring(name),
        }
    }

    fn read_file(&self, path: &std::path::Path) -> Result<Secret, SecretSourceError> {
        let failed = |error: io::Error| {
            let code = if error.kind() == io::ErrorKind::NotFound {
                SecretSourceCode::Missing
            } else {
                SecretSourceCode::Unreadable
            };
            self.failed(code, Some(error.into()))
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        // Opening a pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(self.failed(SecretSourceCode::Unreadable, Some("it is not a regular file".into())));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            if metadata.mode() & 0o077 != 0 {
                return Err(self.failed(SecretSourceCode::Permissions, None));
            }
        }
        Secret::from_file(path).map_err(failed)
    }

    #[cfg(feature = "keyring")]
    fn read_keyring(&self, name: &str) -> Result<Secret, SecretSourceError> {
        let read = keyring::Entry::new(SERVICE, name).and_then(|entry| entry.get_secret());
        read.map(Secret::new).map_err(|error| {
            let code = match error {
                keyring::Error::NoEntry => SecretSourceCode::Missing,
                _ => SecretSourceCode::Unreadable,
            };
            self.failed(code, Some(error.into()))
        })
    }

    #[cfg(not(feature = "keyring"))]
    fn read_keyring(&self, _: &str) -> Result<Secret, SecretSourceError> {
        Err(self.failed(SecretSourceCode::Unreadable, Some("this build has no keyring".into())))
    }

    /// Puts a secret into the operating system's keyring.
    ///
    /// # Errors
    /// [`SecretSourceError`] for other places, which have tools of their own, and if the keyring refuses.
    #[cfg(feature = "keyring")]
    pub fn store(&self, secret: &Secret) -> Result<(), SecretSourceError> {
        let Self::Keyring(name) = self else {
            return Err(self.failed(SecretSourceCode::Unreadable, Some("it is not a keyring".into())));
        };
        keyring::Entry::new(SERVICE, name)
            .and_then(|entry| entry.set_secret(secret.expose()))
            .map_err(|error| self.failed(SecretSourceCode::Unreadable, Some(error.into())))
    }

    fn failed(
        &self,
        code: SecretSourceCode,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SecretSourceError {
        let problem = match code {
            SecretSourceCode::Missing => format!("there is no secret at `{self}`"),
            SecretSourceCode::Permissions => format!("`{self}` can be read by others"),
            _ => format!("`{self}` can't be read"),
        };
        SecretSourceError {
            code,
            problem: problem.into(),
            source,
        }
    }
}

/// What our entries of a keyring belong to.
#[cfg(feature = "keyring")]
const SERVICE: &str = "actionpass";

impl SecretSourceError {
    fn new(code: SecretSourceCode, problem: &str) -> Self {
        Self {
            code,
            problem: problem.into(),
            source: None,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> SecretSourceCode {
        self.code
    }
}

impl FromStr for SecretSource {
    type Err = SecretSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::Keyring(name) => write!(f, "keyring:{name}"),
        }
    }
}

actionpass_model::coded_error!(SecretSourceError);

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> SecretSourceCode {
        SecretSource::parse(text)
            .and_then(|source| source.read())
            .unwrap_err()
            .code()
    }

    #[test]
    fn a_passphrase_is_named_and_never_repeated() {
        for text in ["", "hunter2", "file:", "env:", "keyring:", "pass:hunter2"] {
            let error = SecretSource::parse(text).unwrap_err();
            assert_eq!(error.code(), SecretSourceCode::Malformed);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(refusal("file:/no/such/file"), SecretSourceCode::Missing);
        assert_eq!(refusal("env:NOT_SET_ANYWHERE"), SecretSourceCode::Missing);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_gives_its_first_line_to_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, "open sesame\r\nand more\n").unwrap();
        let source = SecretSource::File(path.clone());
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Permissions);
        mode(0o600);
        assert_eq!(source.read().unwrap().expose_str(), Some("open sesame"));
    }

    #[cfg(all(feature = "keyring", target_os = "linux"))]
    #[test]
    fn the_keyring_keeps_what_it_is_given() {
        let name = format!("test-{}", std::process::id());
        let source = SecretSource::parse(&format!("keyring:{name}")).unwrap();
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Missing);
        source.store(&Secret::new(b"open sesame".to_vec())).unwrap();
        assert_eq!(source.read().unwrap().expose_str(), Some("open sesame"));
        keyring::Entry::new(SERVICE, &name)
            .unwrap()
            .delete_credential()
            .unwrap();
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Missing);
    }
}
