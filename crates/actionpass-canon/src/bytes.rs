//! [`CanonicalBytes`]: a JSON value in its one canonical spelling.

use std::fmt;

use actionpass_model::Digest;

use crate::{scan, sha256};

/// A JSON value in the canonical spelling of RFC 8785, admitted.
///
/// Only this crate makes it, so whoever holds one knows: it is valid UTF-8, no object has two members of one name,
/// every number is exact, and [`admit`](crate::admit) gives back the very same bytes as long as the limits are the
/// same. `Debug` shows length and digest only; a payload doesn't end up in a log.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct CanonicalBytes(Vec<u8>);

impl CanonicalBytes {
    /// INVARIANT: callers pass canonical bytes only.
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text. Reads all of them once, to check what is known: valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, without copying.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        sha256(&self.0)
    }

    /// The value found by following member names from the outermost object: what is canonical as a part is canonical
    /// by itself. An empty path is the document.
    ///
    /// ```
    /// # use actionpass_canon::{Limits, admit};
    /// let action = admit(br#"{"capability":{"tool":"t","payload":{"b":1,"a":[2]}}}"#, &Limits::default())?;
    /// let payload = action.member(&["capability", "payload"]).unwrap();
    /// assert_eq!(payload.as_bytes(), br#"{"a":[2],"b":1}"#);
    /// assert_eq!(action.member(&["capability", "resource"]), None);
    /// # Ok::<(), actionpass_canon::AdmitError>(())
    /// ```
    #[must_use]
    pub fn member(&self, path: &[&str]) -> Option<Self> {
        let mut value = self.as_bytes();
        for name in path {
            value = scan::member(value, name)?;
        }
        Some(Self(value.to_vec()))
    }
}

impl AsRef<[u8]> for CanonicalBytes {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for CanonicalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CanonicalBytes({} bytes, {})", self.0.len(), self.digest())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Limits, admit};

    #[test]
    fn debug_shows_no_content() {
        let bytes = admit(br#"{"password":"hunter2"}"#, &Limits::default()).unwrap();
        let shown = format!("{bytes:?}");
        assert!(shown.starts_with("CanonicalBytes(22 bytes, sha256:"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("password"), "{shown}");
    }
}
