//! Public keys as OpenSSH writes them: one line of type, base64 and comment.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Algorithm, KeyError, PublicKey};

/// The label of RFC 4716, whose dashes are four.
const SSH2: &str = "---- BEGIN SSH2 PUBLIC KEY ----";

impl PublicKey {
    /// Whether a text looks like what [`from_openssh`](Self::from_openssh) reads.
    #[must_use]
    pub fn is_openssh(text: &str) -> bool {
        let first = lines(text).next().unwrap_or_default();
        first.starts_with(SSH2) || ["ssh-", "ecdsa-", "sk-"].iter().any(|start| first.starts_with(start))
    }

    /// Reads the line that `ssh-keygen` leaves in a `.pub` file: `ssh-ed25519`, `ecdsa-sha2-nistp256` or
    /// `ecdsa-sha2-nistp384`, the key (RFC 8709 §4, RFC 5656 §3.1) in base64, and a comment, which counts for nothing.
    /// Blank lines and lines that start with `#` are passed over.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] for other types of OpenSSH, certificates and keys of FIDO devices among them,
    /// [`KeyError::NotOnCurve`], and [`KeyError::Malformed`] for whatever else is not one such line.
    pub fn from_openssh(text: &str) -> Result<Self, KeyError> {
        let mut lines = lines(text);
        let line = lines.next().ok_or(KeyError::malformed("it is empty"))?;
        if line.starts_with(SSH2) {
            return Err(KeyError::other_form(
                "SSH2 PUBLIC KEY",
                "`ssh-keygen -i -f FILE` prints it as a line of OpenSSH",
            ));
        }
        if lines.next().is_some() {
            return Err(KeyError::malformed(
                "it has more than one line, and nothing says which key is meant",
            ));
        }
        let mut fields = line.split_ascii_whitespace();
        let (name, encoded) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let kind = Kind::named(name)?;
        let blob = STANDARD
            .decode(encoded)
            .map_err(|_| KeyError::malformed("what follows its type is not base64"))?;
        kind.read(&blob)
            .ok_or(KeyError::malformed("it is not encoded as SSH encodes keys of its type"))
            .and_then(|(algorithm, coordinates)| Self::from_coordinates(algorithm, coordinates))
    }
}

/// The lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.trim_start_matches('\u{FEFF}').trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A type of keys that is read here.
struct Kind {
    algorithm: Algorithm,
    name: &'static str,
    /// The curve, as its second field names it.
    curve: Option<&'static str>,
}

const KINDS: [Kind; 3] = [
    Kind {
        algorithm: Algorithm::Ed25519,
        name: "ssh-ed25519",
        curve: None,
    },
    Kind {
        algorithm: Algorithm::Es256,
        name: "ecdsa-sha2-nistp256",
        curve: Some("nistp256"),
    },
    Kind {
        algorithm: Algorithm::Es384,
        name: "ecdsa-sha2-nistp384",
        curve: Some("nistp384"),
    },
];

impl Kind {
    fn named(name: &str) -> Result<&'static Self, KeyError> {
        let known = KINDS.iter().find(|kind| kind.name == name);
        known.ok_or(KeyError::Unusable {
            problem: if name.contains("-cert-v") {
                "it is a certificate of OpenSSH; give the `.pub` file of the key that it certifies"
            } else if name.starts_with("sk-") {
                "FIDO keys (`sk-`) sign a structure of their own instead of the token; `ssh-keygen -t ed25519` makes one that can be used"
            } else {
                "of OpenSSH's types, `ssh-ed25519`, `ecdsa-sha2-nistp256` and `ecdsa-sha2-nistp384` are read; `ssh-keygen -t ed25519` makes such a key"
            },
        })
    }

    /// The coordinates in the encoding of a key, which repeats the type's name.
    fn read<'a>(&self, blob: &'a [u8]) -> Option<(Algorithm, &'a [u8])> {
        let (name, rest) = string(blob)?;
        let (point, rest) = match self.curve {
            None => string(rest)?,
            Some(curve) => {
                let (found, rest) = string(rest)?;
                let (point, rest) = string(rest).filter(|_| found == curve.as_bytes())?;
                // Uncompressed (SEC 1 §2.3.3): OpenSSH writes no other.
                (point.strip_prefix(&[0x04])?, rest)
            }
        };
        (name == self.name.as_bytes() && rest.is_empty()).then_some((self.algorithm, point))
    }
}

/// A `string` (RFC 4251 §5), and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::KeyCode;

    /// `ssh-keygen -t ed25519`, `-t ecdsa -b 256`, `-b 384` and `-b 521`, `-t rsa`, and `-s` for a certificate. Made for this test.
    const ED25519: &str = include_str!("../tests/keys/openssh-ed25519.pub");
    const P256: &str = include_str!("../tests/keys/openssh-p256.pub");
    const P384: &str = include_str!("../tests/keys/openssh-p384.pub");
    const P521: &str = include_str!("../tests/keys/openssh-p521.pub");
    const RSA: &str = include_str!("../tests/keys/openssh-rsa.pub");
    const CERTIFICATE: &str = include_str!("../tests/keys/openssh-cert.pub");
    /// The same P-256 key by `ssh-keygen -e`.
    const P256_SSH2: &str = include_str!("../tests/keys/openssh-p256.ssh2.pub");
    /// What `ssh-keygen -e -m pkcs8` makes of the keys; of Ed25519, which it doesn't know, openssl from the last 32 bytes.
    const ED25519_SPKI: &str = include_str!("../tests/keys/openssh-ed25519.spki.pem");
    const P256_SPKI: &str = include_str!("../tests/keys/openssh-p256.spki.pem");
    const P384_SPKI: &str = include_str!("../tests/keys/openssh-p384.spki.pem");

    fn refusal(text: &str) -> KeyError {
        PublicKey::from_openssh(text).unwrap_err()
    }

    #[test]
    fn lines_of_ssh_keygen_are_read() {
        for (line, spki) in [(ED25519, ED25519_SPKI), (P256, P256_SPKI), (P384, P384_SPKI)] {
            let key = PublicKey::from_spki_pem(spki).unwrap();
            let bare: Vec<_> = line.split_whitespace().take(2).collect();
            for text in [
                line.to_owned(),
                format!("\u{FEFF}# a key\r\n\r\n  {}\r\n", line.trim().replace(' ', "\t ")),
                bare.join(" "),
            ] {
                assert!(PublicKey::is_openssh(&text), "{text}");
                assert_eq!(PublicKey::from_openssh(&text).unwrap(), key, "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_read_says_why() {
        for (text, code, word) in [
            (P521, KeyCode::Unsupported, "nistp384"),
            (RSA, KeyCode::Unsupported, "ssh-keygen -t"),
            (CERTIFICATE, KeyCode::Unsupported, "certificate"),
            (&ED25519.replace("ssh-", "sk-ssh-"), KeyCode::Unsupported, "FIDO"),
            (P256_SSH2, KeyCode::Malformed, "`SSH2 PUBLIC KEY`; `ssh-keygen -i"),
            ("", KeyCode::Malformed, "empty"),
            ("ssh-ed25519", KeyCode::Malformed, "encoded"),
            ("ssh-ed25519 A", KeyCode::Malformed, "base64"),
            (&ED25519.repeat(2), KeyCode::Malformed, "more than one line"),
            // The type in front is another than the one inside.
            (&P256.replace("nistp256", "nistp384"), KeyCode::Malformed, "encoded"),
        ] {
            let error = refusal(text);
            assert_eq!(error.code(), code, "{text}");
            assert!(error.to_string().contains(word), "{text}: {error}");
            assert!(text.len() < 20 || PublicKey::is_openssh(text), "{text}");
        }
        for text in ["{}", "-----BEGIN PUBLIC KEY-----", "maya ssh-ed25519"] {
            assert!(!PublicKey::is_openssh(text), "{text}");
        }
    }

    #[test]
    fn the_encoding_is_exact() {
        let blob = STANDARD.decode(P256.split_whitespace().nth(1).unwrap()).unwrap();
        let read = |blob: &[u8]| PublicKey::from_openssh(&format!("ecdsa-sha2-nistp256 {}", STANDARD.encode(blob)));
        assert!(read(&blob).is_ok());
        for length in 0..blob.len() {
            assert!(read(&blob[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[&blob[..], &[0]].concat()).is_err());
        for index in 0..blob.len() {
            let mut changed = blob.clone();
            changed[index] ^= 1;
            assert!(read(&changed).is_err(), "byte {index}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(ssh-ed25519|ecdsa-sha2-nistp256|sk-x)? ?[A-Za-z0-9+/=]{0,40}[ \\PC]{0,9}") {
            prop_assert!(PublicKey::from_openssh(&text).is_err());
        }
    }
}
