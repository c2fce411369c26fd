//! [`SignedNote`]: text and the signatures under it (C2SP signed-note).

use std::fmt;

use super::{CheckpointError, decode, encode, malformed};
use crate::{Algorithm, PublicKey, Signature, VerifyError, backend};

/// How many signatures a note may have: twice those that every reader must take.
pub const MAX_NOTE_SIGNATURES: usize = 32;

/// How long a note may be: room for so many signatures of the longest kind, 5 KB each, and their names.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

const LINE_START: &str = "\u{2014} ";

/// A text and its signatures, read and not yet believed.
///
/// `Display` writes it as it was read: there is one spelling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// A signature line of a note: by whom it says to be, and the bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

impl SignedNote {
    /// Reads a note.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] unless it is text that ends with a line feed, an empty line, and 1 to
    /// [`MAX_NOTE_SIGNATURES`] signature lines, without other control characters, at most [`MAX_NOTE_BYTES`] long, each
    /// signature in padded base64 with no stray bits.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(malformed("it is longer than 256 KiB"));
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(malformed("it has a control character"));
        }
        let (text, lines) = note
            .rsplit_once("\n\n")
            .ok_or(malformed("no empty line stands before its signatures"))?;
        let lines = lines
            .strip_suffix('\n')
            .ok_or(malformed("its last line has no line feed"))?;
        let signatures = lines
            .split('\n')
            // One more tells that there are too many.
            .take(MAX_NOTE_SIGNATURES.saturating_add(1))
            .map(NoteSignature::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_NOTE_SIGNATURES {
            return Err(malformed("it has more than 32 signatures"));
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }

    /// A note of this text with one signature.
    pub(super) fn new(text: String, signature: NoteSignature) -> Self {
        Self {
            text,
            signatures: vec![signature],
        }
    }

    /// The text that is signed, with the line feed at its end.
    #[must_use]
    pub const fn text(&self) -> &str {
        self.text.as_str()
    }

    /// The signatures, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let bytes = [&line.key_id, line.signature.as_slice()].concat();
            writeln!(f, "{LINE_START}{} {}", line.name, encode(&bytes))?;
        }
        Ok(())
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, CheckpointError> {
        let (name, text) = line
            .strip_prefix(LINE_START)
            .and_then(|line| line.split_once(' '))
            .ok_or(malformed("a signature line is not dash, name and signature"))?;
        if name.is_empty() || name.contains(|char: char| char == '+' || char.is_whitespace()) {
            return Err(malformed("a signature line has a name that no key has"));
        }
        let bytes = decode(text).ok_or(malformed("a signature is not padded base64 in its one spelling"))?;
        match bytes.split_first_chunk() {
            Some((key_id, signature)) if !signature.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_id: *key_id,
                signature: signature.to_vec(),
            }),
            _ => Err(malformed("a signature is too short")),
        }
    }

    /// The line of a signature that this key made; `None` if it has no signature type in notes.
    pub(super) fn new(name: &str, key: &PublicKey, signature: &Signature) -> Option<Self> {
        Some(Self {
            name: name.to_owned(),
            key_id: key_id(name, key)?,
            signature: match signature.to_der() {
                Some(der) => der,
                None => signature.as_bytes().to_vec(),
            },
        })
    }

    /// The name of the key that it says to be of.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The id of the key that it says to be of.
    #[must_use]
    pub const fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Whether it says to be of this key under this name.
    pub(super) fn is_by(&self, name: &str, key: &PublicKey) -> bool {
        self.name == name && Some(self.key_id) == key_id(name, key)
    }

    /// Verifies it.
    pub(super) fn verify(&self, text: &str, key: &PublicKey) -> Result<(), VerifyError> {
        let algorithm = key.algorithm();
        let signature = if algorithm.is_ecdsa() {
            Signature::from_der(algorithm, &self.signature)
        } else {
            Signature::from_bytes(algorithm, &self.signature)
        };
        let signature = signature.map_err(|_| VerifyError)?;
        key.verify_bytes(text.as_bytes(), signature.as_bytes()).map(|_| ())
    }
}

/// The id of a key in notes: the first four bytes of a SHA-256, for ECDSA (type 0x02) of the `SubjectPublicKeyInfo`, for
/// Ed25519 (type 0x01) of name, line feed, type and key. `None` if notes have no type for the algorithm that is used here.
pub(super) fn key_id(name: &str, key: &PublicKey) -> Option<[u8; 4]> {
    let hash = match key.algorithm() {
        Algorithm::Es256 => backend::sha256(&key.to_spki_der()),
        Algorithm::Ed25519 => backend::sha256(&[name.as_bytes(), b"\n\x01", key.coordinates()].concat()),
        _ => return None,
    };
    hash.first_chunk().copied()
}
