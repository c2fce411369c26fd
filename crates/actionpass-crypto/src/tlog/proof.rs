//! [`TlogProof`]: that an entry is in a log, with the checkpoint that says so (C2SP tlog-proof).

use std::fmt;

use actionpass_model::Digest;

use super::note::MAX_NOTE_BYTES;
use super::{CheckpointError, SignedNote, decode, encode, hash, malformed, number};

/// How long a proof may be: a note, the largest entry in base64, 64 hashes, and the names of the lines.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 96 * 1024;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";
const MAX_HASHES: usize = 64;

/// An entry, its place in a log, the hashes that lead from it to the root, and a signed checkpoint: read, and neither
/// verified nor believed. `Display` writes it as it was read: there is one spelling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlogProof {
    extra: Vec<u8>,
    index: u64,
    hashes: Vec<Digest>,
    note: SignedNote,
}

impl TlogProof {
    /// A proof of these parts: the entry (`extra`), its `index`, the inclusion proof (RFC 6962 §2.1.1) from the sibling of
    /// the leaf up, and the checkpoint.
    #[must_use]
    pub const fn new(extra: Vec<u8>, index: u64, hashes: Vec<Digest>, note: SignedNote) -> Self {
        Self {
            extra,
            index,
            hashes,
            note,
        }
    }

    /// Reads a proof, the entry of which stands in `extra`.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] unless it is one in its one spelling, at most [`MAX_PROOF_BYTES`] of UTF-8.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(malformed("it is longer than 352 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let (proof, note) = text
            .split_once("\n\n")
            .ok_or(malformed("no empty line stands before its checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next().and_then(|line| decode(line.strip_prefix("extra ")?));
        let extra = extra.ok_or(malformed(
            "its second line is not `extra` and an entry in padded base64",
        ))?;
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or(malformed(
            "its third line is not `index` and a number in its one spelling",
        ))?;
        let hashes = lines
            .take(MAX_HASHES.saturating_add(1))
            .map(|line| hash(line).ok_or(malformed("a line of its proof is not a hash in padded base64")))
            .collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(malformed("its proof has more than 64 hashes"));
        }
        Ok(Self {
            extra,
            index,
            hashes,
            note: SignedNote::parse(note)?,
        })
    }

    /// The entry, which nothing vouches for until its hash leads to the root.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// The place of the entry in the log, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, from the sibling of the leaf up.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The signed checkpoint.
    #[must_use]
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\nextra {}\nindex {}", encode(&self.extra), self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}
