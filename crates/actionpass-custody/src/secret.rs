//! [`Secret`]: what opens a key.

use std::fmt;

use zeroize::Zeroizing;

/// A passphrase, PIN or token, wiped when dropped. No `Display`, no serde, and `Debug` shows nothing of it.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret of these bytes, UTF-8 by custom. It takes them over, to wipe them.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret of an environment variable, if it is set and not empty.
    #[must_use]
    pub fn from_variable(name: &str) -> Option<Self> {
        let text = std::env::var_os(name)?;
        (!text.is_empty()).then(|| Self::new(text.into_encoded_bytes()))
    }

    /// The first line of a file, without its end.
    ///
    /// # Errors
    /// Those of the file system, and `InvalidData` for a file of more than 64 KiB.
    pub fn from_file(path: &std::path::Path) -> std::io::Result<Self> {
        use std::io::Read;

        const MAX_BYTES: u64 = 64 * 1024;
        let mut bytes = Zeroizing::new(Vec::new());
        std::fs::File::open(path)?
            .take(MAX_BYTES.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "it is longer than 64 KiB",
            ));
        }
        let line = bytes
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        Ok(Self::new(line.to_vec()))
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}
