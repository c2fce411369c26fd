//! Where a log ends: [`Head`], and [`KnownHead`] as somebody wrote it down.

use std::fmt;
use std::str::FromStr;

use actionpass_model::{Digest, RecordId};
use serde::{Deserialize, Serialize};

/// Where a log ends: how many records it has and the hash of the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    size: u64,
    hash: Digest,
}

impl Head {
    /// The head of a log without records: [`Digest::ZERO`] is what the first record chains to.
    pub const EMPTY: Self = Self {
        size: 0,
        hash: Digest::ZERO,
    };

    /// The head of a log with `size` records, the last of which has the `ledgerHash` `hash`. Without records the hash
    /// is [`Digest::ZERO`], whatever is passed.
    #[must_use]
    pub const fn new(size: u64, hash: Digest) -> Self {
        if size == 0 { Self::EMPTY } else { Self { size, hash } }
    }

    /// How many records there are, and the `seq` of the next.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What the next record names as `previousLedgerHash`.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// The last record's place and hash, to be written down; `None` if there are no records.
    #[must_use]
    pub const fn known(&self) -> Option<KnownHead> {
        match self.size.checked_sub(1) {
            Some(seq) => Some(KnownHead { seq, hash: self.hash }),
            None => None,
        }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// A record that a log is known to hold, written `SEQ:sha256:…`.
///
/// Whoever keeps one outside of the log finds every truncation before it, and every rewriting up to it.
///
/// ```
/// use actionpass_store::ledger::KnownHead;
/// let text = "12:sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
/// let head: KnownHead = text.parse()?;
/// assert_eq!((head.seq(), head.to_string().as_str()), (12, text));
/// # Ok::<(), actionpass_store::ledger::HeadError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownHead {
    seq: u64,
    hash: Digest,
}

/// Text that is not a known head.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a ledger head is `SEQ:sha256:…`, a number and 64 lower-case hex digits")]
pub struct HeadError;

impl KnownHead {
    /// The record at `seq` has this `ledgerHash`.
    #[must_use]
    pub const fn new(seq: u64, hash: Digest) -> Self {
        Self { seq, hash }
    }

    /// The record's place.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Its `ledgerHash`.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }
}

impl FromStr for KnownHead {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (seq, hash) = text.split_once(':').ok_or(HeadError)?;
        // `u64::from_str` takes a plus sign and leading zeros.
        let plain = seq.bytes().all(|byte| byte.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        let seq = if plain {
            seq.parse().map_err(|_| HeadError)?
        } else {
            return Err(HeadError);
        };
        Ok(Self {
            seq,
            hash: Digest::parse(hash).map_err(|_| HeadError)?,
        })
    }
}

impl fmt::Display for KnownHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// What identifies a record of a log.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordRef {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: RecordId,
    /// Its hash.
    pub ledger_hash: Digest,
}

impl RecordRef {
    /// The head of the log right after this record.
    #[must_use]
    pub const fn head(&self) -> KnownHead {
        KnownHead {
            seq: self.seq,
            hash: self.ledger_hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_heads_have_one_spelling() {
        let hash = Digest::from_bytes([7; 32]);
        let text = format!("12:{hash}");
        assert_eq!(text.parse(), Ok(KnownHead::new(12, hash)));
        for bad in [
            "",
            "12",
            ":",
            &format!("+1:{hash}"),
            &format!("01:{hash}"),
            &format!(":{hash}"),
            "1:sha256:00",
        ] {
            assert_eq!(bad.parse::<KnownHead>(), Err(HeadError), "{bad}");
        }
    }

    #[test]
    fn an_empty_log_has_no_known_head() {
        assert_eq!(Head::EMPTY.known(), None);
        assert_eq!(Head::new(0, Digest::from_bytes([7; 32])), Head::EMPTY);
    }
}
