//! [`TreeHead`]: where a log ends, with the state of its Merkle tree.

use actionpass_canon::merkle::CompactTree;
use actionpass_canon::{canonicalize, sha256};
use actionpass_model::{Digest, MAX_ENTRY_BYTES, Origin};

use super::verify::{LedgerCode, LedgerError, Link};
use super::{Head, KnownHead, Log};

/// A log up to a record: everything that a verification of what follows begins with.
///
/// It is the record's entry and the state of the Merkle tree before it, which is also the inclusion proof of that entry; size,
/// `ledgerHash` and root follow from these. Whether it is the head of the real log, its root has to show: that is what a
/// signed head does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TreeHead {
    log: Log,
    entry: Vec<u8>,
    hash: Digest,
    before: CompactTree,
    tree: CompactTree,
}

impl TreeHead {
    /// The head at this entry of a record, by the inclusion proof of the entry as the last one of the tree (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// [`LedgerCode::LedgerMalformed`] unless the entry is the canonical one of a record, and the proof as long as its
    /// number demands.
    pub fn new(entry: &[u8], proof: &[Digest]) -> Result<Self, LedgerError> {
        let (log, seq, hash) = read_entry(entry)?;
        let before = CompactTree::before(seq, proof)
            .ok_or_else(|| malformed("the proof has another length than the number of the record demands"))?;
        Ok(Self::of(log, entry.to_vec(), hash, before))
    }

    /// The head at an entry of this log that was read already.
    pub(super) fn of(log: Log, entry: Vec<u8>, hash: Digest, before: CompactTree) -> Self {
        let mut tree = before.clone();
        tree.push(&entry);
        Self {
            log,
            entry,
            hash,
            before,
            tree,
        }
    }

    /// Whose log it is.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The origin of the log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        self.log.origin()
    }

    /// How many records the log has, and the `ledgerHash` of the last.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::new(self.tree.size(), self.hash)
    }

    /// Place and `ledgerHash` of the last record.
    #[must_use]
    pub const fn known(&self) -> KnownHead {
        KnownHead::new(self.seq(), self.hash)
    }

    /// The place of the last record, from 0.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.before.size()
    }

    /// How many records the log has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The root of the Merkle tree of so many entries.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The entry of the last record: its RFC 8785 form without `ledgerHash`.
    #[must_use]
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// The inclusion proof of the last record's entry, from its sibling up.
    #[must_use]
    pub fn proof(&self) -> Vec<Digest> {
        self.before.proof_of_next()
    }

    /// The tree before the last record.
    pub(super) const fn before(&self) -> &CompactTree {
        &self.before
    }

    /// The tree up to the last record.
    #[must_use]
    pub const fn tree(&self) -> &CompactTree {
        &self.tree
    }
}

fn malformed(problem: &'static str) -> LedgerError {
    LedgerError::new(LedgerCode::LedgerMalformed, 0).with_source(problem)
}

/// Log, number and hash of a record whose entry this is.
fn read_entry(entry: &[u8]) -> Result<(Log, u64, Digest), LedgerError> {
    if entry.len() > MAX_ENTRY_BYTES {
        return Err(malformed("the entry is larger than 65535 bytes"));
    }
    let hash = sha256(entry);
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
        LedgerError::new(LedgerCode::LedgerMalformed, 0).with_source(error)
    };
    // The record is the entry and its hash: what reads records decides whether it is one.
    let mut record: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(entry).map_err(|error| refused(error.into()))?;
    if record
        .insert("ledgerHash".to_owned(), hash.to_string().into())
        .is_some()
    {
        return Err(malformed("an entry has no `ledgerHash`"));
    }
    let line = canonicalize(&record).map_err(|error| refused(error.into()))?;
    let link = Link::read(line.as_bytes()).map_err(|error| refused(error.source))?;
    // Any other spelling of the same record has another hash.
    if link.computed != hash {
        return Err(malformed("the entry is not in its canonical spelling"));
    }
    Ok((link.record.log(), link.record.seq, hash))
}
