//! [`KeyUri`]: where a private key is, as text.

use std::fmt;
use std::str::FromStr;

/// Where a private key is: a scheme that names the custodian, and what that custodian calls the key.
///
/// `file:keys/pass.pem`, `env:PASS_KEY`, `pkcs11:token=prod;object=pass`, `awskms:alias/pass`,
/// `vault:transit/pass?version=3`, `tpm:0x81010001`, `ssh-agent:SHA256:…`. Text without a scheme is the path of a file.
///
/// There is never a secret in it: it stands in configurations, logs and errors. Custodians refuse URIs that carry one.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyUri {
    text: Box<str>,
    scheme_bytes: usize,
}

/// The text is not the URI of a key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the key URI is malformed: {problem}")]
pub struct KeyUriError {
    problem: &'static str,
}

/// The scheme of paths.
pub(crate) const FILE: &str = "file";

impl KeyUri {
    /// The longest text that is read.
    pub const MAX_BYTES: usize = 2048;

    /// Reads `SCHEME:REST` (RFC 3986 §3, the scheme in lower case), or the path of a file.
    ///
    /// # Errors
    /// [`KeyUriError`] if it is empty or longer than [`MAX_BYTES`](Self::MAX_BYTES), is a key in PEM, has a control
    /// character, or nothing behind its scheme.
    pub fn parse(text: &str) -> Result<Self, KeyUriError> {
        if text.len() > Self::MAX_BYTES {
            return Err(KeyUriError::new("it is longer than 2048 bytes"));
        }
        // Whoever pasted a key here must not find it in errors and logs.
        if text.contains("-----BEGIN ") {
            return Err(KeyUriError::new(
                "it is the text of a key; name the file or the variable that holds it",
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(KeyUriError::new("it has a control character"));
        }
        let uri = match text.split_once(':') {
            Some((scheme, _)) if is_scheme(scheme) => Self {
                text: text.into(),
                scheme_bytes: scheme.len(),
            },
            _ if text.is_empty() => return Err(KeyUriError::new("it is empty")),
            _ => Self::new(FILE, text),
        };
        if uri.rest().is_empty() {
            return Err(KeyUriError::new("nothing stands behind its scheme"));
        }
        Ok(uri)
    }

    /// A URI of its two parts, for custodians that tell where a key is. The caller keeps them well-formed.
    #[must_use]
    pub fn new(scheme: &str, rest: &str) -> Self {
        Self {
            text: format!("{scheme}:{rest}").into(),
            scheme_bytes: scheme.len(),
        }
    }

    /// The whole text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// What names the custodian.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_bytes).unwrap_or_default()
    }

    /// What stands behind the scheme and its colon.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.text.get(self.scheme_bytes.saturating_add(1)..).unwrap_or_default()
    }

    /// The rest up to the first `?`, and the attributes behind it: `name=value` joined by `&`, as they are written,
    /// with nothing decoded. An attribute without `=` has an empty value.
    #[must_use]
    pub fn split_query(&self) -> (&str, Vec<(&str, &str)>) {
        let (path, query) = self.rest().split_once('?').unwrap_or((self.rest(), ""));
        let attributes = query.split('&').filter(|part| !part.is_empty());
        (
            path,
            attributes
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .collect(),
        )
    }
}

/// RFC 3986 §3.1, lower case only. One letter is a drive of Windows, not a scheme.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'))
}

impl KeyUriError {
    /// Says what is wrong: for custodians that read more into a URI than its two parts.
    #[must_use]
    pub const fn new(problem: &'static str) -> Self {
        Self { problem }
    }
}

impl FromStr for KeyUri {
    type Err = KeyUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUri({})", self.text)
    }
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String) {
        let uri = KeyUri::parse(text).unwrap();
        (uri.scheme().to_owned(), uri.rest().to_owned())
    }

    #[test]
    fn schemes_and_paths_are_told_apart() {
        for (text, scheme, rest) in [
            ("file:keys/a.pem", "file", "keys/a.pem"),
            ("env:NAME", "env", "NAME"),
            ("ssh-agent:SHA256:abc", "ssh-agent", "SHA256:abc"),
            (
                "awskms:arn:aws:kms:eu-west-1:1:key/x",
                "awskms",
                "arn:aws:kms:eu-west-1:1:key/x",
            ),
            ("maya.pem", "file", "maya.pem"),
            ("/keys/a:b.pem", "file", "/keys/a:b.pem"),
            ("C:\\keys\\a.pem", "file", "C:\\keys\\a.pem"),
            ("./env:NAME", "file", "./env:NAME"),
        ] {
            assert_eq!(parts(text), (scheme.to_owned(), rest.to_owned()), "{text}");
        }
        assert_eq!(KeyUri::parse("maya.pem").unwrap().as_str(), "file:maya.pem");
        for bad in [
            "",
            "file:",
            "vault:",
            "file:a\nb",
            "env:-----BEGIN PRIVATE KEY----- MC4CAQAw",
            &"x".repeat(KeyUri::MAX_BYTES + 1),
        ] {
            assert!(KeyUri::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn attributes_stand_behind_a_question_mark() {
        let uri = KeyUri::parse("vault:transit/a?version=3&namespace=team/x&flag").unwrap();
        let expected = vec![("version", "3"), ("namespace", "team/x"), ("flag", "")];
        assert_eq!(uri.split_query(), ("transit/a", expected));
        let plain = KeyUri::parse("vault:transit/a").unwrap();
        assert_eq!(plain.split_query(), ("transit/a", vec![]));
    }
}
