//! [`SecretSource`]: where the passphrase of a key comes from when nobody is there to type it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use actionpass_custody::{Secret, SecretFileError};

actionpass_model::codes! {
    /// Why a passphrase was not read from where the configuration says.
    pub enum SecretSourceCode: Unavailable {
        /// The text names no place: `file:PATH`, `env:NAME` or `keyring:NAME` does.
        Malformed = "secret_source_malformed" => Usage,
        /// There is no such file, variable or entry.
        Missing = "secret_missing",
        /// The file lies open to others than its owner, or belongs to somebody else.
        Permissions = "secret_file_permissions",
        /// It is there and can't be read.
        Unreadable = "secret_unreadable",
    }
}

/// A place that keeps a passphrase.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The first line of a file that is its owner's alone, as [`Exposure::of_secret`](actionpass_custody::Exposure::of_secret)
    /// has it.
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

    /// The same place, where the path of a file is relative to this folder.
    #[must_use]
    pub fn below(&self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other.clone(),
        }
    }

    /// The secret, without the line end that tools leave behind it.
    ///
    /// # Errors
    /// [`SecretSourceError`]; a keyring that this build doesn't know is [`SecretSourceCode::Unreadable`].
    pub fn read(&self) -> Result<Secret, SecretSourceError> {
        let secret = match self {
            Self::File(path) => Secret::from_private_file(path).map_err(|error| self.file_failed(error)),
            Self::Variable(name) => {
                Secret::from_variable(name).ok_or_else(|| self.failed(SecretSourceCode::Missing, None))
            }
            Self::Keyring(name) => self.read_keyring(name),
        }?;
        if secret.expose().is_empty() {
            return Err(self.failed(SecretSourceCode::Unreadable, Some("the secret is empty".into())));
        }
        Ok(secret)
    }

    fn file_failed(&self, error: SecretFileError) -> SecretSourceError {
        let code = match &error {
            SecretFileError::Exposed(_) => SecretSourceCode::Permissions,
            SecretFileError::Io(error) if error.kind() == io::ErrorKind::NotFound => SecretSourceCode::Missing,
            _ => SecretSourceCode::Unreadable,
        };
        self.failed(code, Some(error.into()))
    }

    #[cfg(feature = "keyring")]
    fn read_keyring(&self, name: &str) -> Result<Secret, SecretSourceError> {
        let read = keyring::Entry::new(SERVICE, name).and_then(|entry| entry.get_secret());
        read.map(Secret::without_line_end).map_err(|error| {
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
            // What isn't there may be the passphrase itself that somebody wrote here by mistake: it is not repeated.
            SecretSourceCode::Missing => match self {
                Self::File(_) => "there is no file where `file:` says that a secret is".to_owned(),
                Self::Variable(_) => "the environment variable that `env:` names is not set, or empty".to_owned(),
                Self::Keyring(_) => "the keyring has no entry of the name that `keyring:` says".to_owned(),
            },
            SecretSourceCode::Permissions => format!("`{self}` gives no secret"),
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

    #[test]
    fn a_passphrase_is_named_and_never_repeated() {
        for text in ["", "hunter2", "file:", "env:", "keyring:", "pass:hunter2"] {
            let error = SecretSource::parse(text).unwrap_err();
            assert_eq!(error.code(), SecretSourceCode::Malformed);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        for text in ["file:hunter2", "env:hunter2", "env:hunter=2\0"] {
            let error = SecretSource::parse(text).and_then(|source| source.read()).unwrap_err();
            assert_eq!(error.code(), SecretSourceCode::Missing);
            assert!(
                !actionpass_model::message_with_sources(&error).contains("hunter"),
                "{error}"
            );
        }
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
        mode(0o620);
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Permissions);
        mode(0o600);
        assert_eq!(source.read().unwrap().expose_str(), Some("open sesame"));
        std::fs::write(&path, "\nopen sesame\n").unwrap();
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Unreadable);
        let folder = SecretSource::File(folder.path().to_owned());
        assert_eq!(folder.read().unwrap_err().code(), SecretSourceCode::Unreadable);
    }

    #[cfg(all(feature = "keyring", target_os = "linux"))]
    #[test]
    fn the_keyring_keeps_what_it_is_given() {
        let name = format!("test-{}", std::process::id());
        let source = SecretSource::parse(&format!("keyring:{name}")).unwrap();
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Missing);
        source.store(&Secret::new(b"open sesame\r\n".to_vec())).unwrap();
        assert_eq!(source.read().unwrap().expose_str(), Some("open sesame"));
        keyring::Entry::new(SERVICE, &name)
            .unwrap()
            .delete_credential()
            .unwrap();
        assert_eq!(source.read().unwrap_err().code(), SecretSourceCode::Missing);
    }
}
