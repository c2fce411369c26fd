//! [`Secret`]: what opens a key.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::Exposure;

/// A passphrase, PIN or token, wiped when dropped. No `Display`, no serde, and `Debug` shows nothing of it.
pub struct Secret(Zeroizing<Vec<u8>>);

/// A file that gave no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The operating system doesn't let it be read, or it is longer than 64 KiB.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Opening it could wait for its other end.
    #[error("it is not a regular file")]
    NotRegular,
    /// Others than its owner are let in.
    #[error("it {0}")]
    Exposed(Exposure),
}

impl Secret {
    /// The longest file that is read, in bytes.
    pub const MAX_FILE_BYTES: u64 = 64 * 1024;

    /// A secret of exactly these bytes, UTF-8 by custom. It takes them over, to wipe them.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A secret as variables and keyrings keep it: these bytes without the one line end, `\n` or `\r\n`, that tools leave
    /// behind a text.
    #[must_use]
    pub fn without_line_end(bytes: Vec<u8>) -> Self {
        let mut bytes = Zeroizing::new(bytes);
        let length = before_line_end(&bytes).len();
        bytes.truncate(length);
        Self(bytes)
    }

    /// A secret as files have it: the first line of these bytes, without its end, which is `\n` or `\r\n`.
    #[must_use]
    pub fn first_line(bytes: Vec<u8>) -> Self {
        let mut bytes = Zeroizing::new(bytes);
        let length = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .next()
            .map_or(0, |line| before_line_end(line).len());
        bytes.truncate(length);
        Self(bytes)
    }

    /// The secret of an environment variable, without a line end, if it is set and not empty.
    #[must_use]
    pub fn from_variable(name: &str) -> Option<Self> {
        // A name with `=` or NUL can't be set; asking for it may panic.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        let text = std::env::var_os(name)?;
        Some(Self::without_line_end(text.into_encoded_bytes())).filter(|secret| !secret.expose().is_empty())
    }

    /// The first line of a file, without its end. Whom the file lies open to is not looked at: for tokens that the
    /// platform leaves where everybody in a container reads them.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a file of more than [`MAX_FILE_BYTES`](Self::MAX_FILE_BYTES).
    pub fn from_file(path: &Path) -> io::Result<Self> {
        Self::read(File::open(path)?)
    }

    /// The first line of a regular file, without its end, if the file is its owner's alone as
    /// [`Exposure::of_secret`] has it. Symbolic links are followed.
    ///
    /// # Errors
    /// [`SecretFileError`].
    pub fn from_private_file(path: &Path) -> Result<Self, SecretFileError> {
        // Opening a pipe would wait for its other end, so this asks first; what counts is asked of the open file.
        if !fs::metadata(path)?.is_file() {
            return Err(SecretFileError::NotRegular);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(SecretFileError::NotRegular);
        }
        match Exposure::of_secret(&metadata) {
            Some(exposure) => Err(SecretFileError::Exposed(exposure)),
            None => Ok(Self::read(file)?),
        }
    }

    fn read(file: File) -> io::Result<Self> {
        // The buffer never grows, so that no copy stays behind unwiped.
        let limit = Self::MAX_FILE_BYTES.saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or_default()));
        file.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > Self::MAX_FILE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 64 KiB"));
        }
        Ok(Self::first_line(std::mem::take(&mut *bytes)))
    }

    /// The bytes: for whoever hands them to a custodian, and nobody else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// What stands before a line end, if there is one.
fn before_line_end(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n");
    line.map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_line_end_is_cut() {
        for (kept, whole, line) in [
            ("open", "open", "open"),
            ("open\n", "open", "open"),
            ("open\r\n", "open", "open"),
            ("open \n", "open ", "open "),
            ("open\n\n", "open\n", "open"),
            ("open\r\r\n", "open\r", "open\r"),
            ("open\r", "open\r", "open\r"),
            ("open\nand more\n", "open\nand more", "open"),
            ("op\ren", "op\ren", "op\ren"),
            ("\nopen", "\nopen", ""),
            ("\n", "", ""),
            ("", "", ""),
        ] {
            let bytes = || kept.as_bytes().to_vec();
            assert_eq!(Secret::without_line_end(bytes()).expose_str(), Some(whole), "{kept:?}");
            assert_eq!(Secret::first_line(bytes()).expose_str(), Some(line), "{kept:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_its_owners_alone() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "open\r\nand more").unwrap();
        // As Kubernetes mounts them: a link to a link.
        symlink("secret", folder.path().join("..data")).unwrap();
        let link = folder.path().join("link");
        symlink("..data", &link).unwrap();
        for (mode, is_private) in [
            (0o600, true),
            (0o400, true),
            (0o604, false),
            (0o640, false),
            (0o620, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for name in [&path, &link] {
                let read = Secret::from_private_file(name);
                assert_eq!(read.is_ok(), is_private, "{mode:o}: {read:?}");
                if let Ok(secret) = read {
                    assert_eq!(secret.expose_str(), Some("open"));
                }
            }
        }
        assert!(matches!(
            Secret::from_private_file(folder.path()),
            Err(SecretFileError::NotRegular)
        ));
        fs::write(&path, "x".repeat(65537)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let long = Secret::from_private_file(&path).unwrap_err();
        assert!(long.to_string().contains("64 KiB"), "{long}");
    }
}
