//! [`Checkpoint`]: how large the tree of a log is, and its root (C2SP tlog-checkpoint).

use std::fmt;

use actionpass_model::{Digest, KeyUse, Origin};

use super::note::key_id;
use super::{CheckpointError, NoteSignature, SignedNote, encode, hash, malformed, number};
use crate::signer::{SignError, Signer};
use crate::signing::check_signature;
use crate::{Keyring, PublicKey, SigningInput};

/// The largest size of a log: records are numbered up to 2^53−1.
const MAX_SIZE: u64 = 1 << 53;

/// The state of a log: how many records it has, and the root of the Merkle tree (RFC 6962 §2.1) of their entries. `Display`
/// writes the three lines that are signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Digest,
}

/// Signs a checkpoint; the note names the log as the key. The signature of a custodian outside of this process is verified
/// before the note is handed out.
///
/// What was signed before is for the caller to know: a log never signs two checkpoints of which one doesn't continue the
/// other.
///
/// # Errors
/// [`SignError`]: then there is no note.
pub async fn sign_checkpoint<S>(signer: &S, checkpoint: &Checkpoint) -> Result<SignedNote, SignError>
where
    S: Signer + ?Sized,
{
    let key = signer.public_key();
    let input = SigningInput::for_checkpoint(checkpoint, key)?;
    let signature = signer.sign(&input).await?;
    check_signature(signer, &input, &signature)?;
    let line = NoteSignature::new(checkpoint.origin.as_str(), key, &signature).ok_or(UNSUITABLE)?;
    Ok(SignedNote::new(checkpoint.to_string(), line))
}

const UNSUITABLE: SignError = SignError::CheckpointNotSignable {
    problem: "its key is neither of ES256 nor of Ed25519",
};

impl SigningInput {
    /// What has to be signed for this checkpoint to be a note of this key: three lines, each with its line feed, which no
    /// token's signing input has.
    ///
    /// # Errors
    /// [`SignError::CheckpointNotSignable`] unless the key is of ES256 or Ed25519.
    pub fn for_checkpoint(checkpoint: &Checkpoint, key: &PublicKey) -> Result<Self, SignError> {
        match key_id(checkpoint.origin.as_str(), key) {
            Some(_) => Ok(Self::of_text(checkpoint.to_string(), key)),
            None => Err(UNSUITABLE),
        }
    }
}

impl Checkpoint {
    /// The state of a log of at least one record.
    ///
    /// # Errors
    /// [`SignError::CheckpointNotSignable`] if the size is 0 or over 2^53, or the origin has a plus sign, which no key's
    /// name may have.
    pub fn new(origin: Origin, size: u64, root: Digest) -> Result<Self, SignError> {
        let refused = |problem| Err(SignError::CheckpointNotSignable { problem });
        if origin.as_str().contains('+') {
            return refused("the log's origin has a plus sign, which no key's name may have");
        }
        if size == 0 || size > MAX_SIZE {
            return refused("the log has no records, or more than there are numbers for");
        }
        Ok(Self { origin, size, root })
    }

    /// Reads the text of a note.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<_> = text.split('\n').take(5).collect();
        let [origin, size, root, ""] = lines.as_slice() else {
            return Err(malformed("it is not the three lines of a checkpoint"));
        };
        let origin = Origin::parse(origin).map_err(|_| malformed("its first line is no origin"))?;
        let size = number(size).ok_or(malformed("its second line is not a size in its one spelling"))?;
        let root = hash(root).ok_or(malformed("its third line is not a root in padded base64"))?;
        Self::new(origin, size, root).map_err(|_| malformed("its origin or size is none of a ledger"))
    }

    /// What a note says, whose signatures **are not verified**: exactly origin, size and root, without extension lines.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn unverified(note: &SignedNote) -> Result<Self, CheckpointError> {
        Self::parse(note.text())
    }

    /// Verifies a note: signed by an active or retired key of use `ledger` whose origin it names, under that origin as the
    /// key's name.
    ///
    /// There is no time in a checkpoint, so `notBefore` and `notAfter` don't count. A revoked key is like one that
    /// nobody knows. Lines of unknown keys are ignored, whatever they say.
    ///
    /// # Errors
    /// [`CheckpointError`]; one line of a known key that doesn't verify refuses the note, whatever the others are.
    pub fn verify(note: &SignedNote, keyring: &Keyring) -> Result<Self, CheckpointError> {
        let checkpoint = Self::unverified(note)?;
        let name = checkpoint.origin.as_str();
        let of_log = keyring.iter().filter(|entry| {
            let trust = entry.trust();
            trust.key_use == KeyUse::Ledger && trust.origin.as_ref() == Some(&checkpoint.origin)
        });
        let (revoked, known): (Vec<_>, Vec<_>) = of_log.partition(|entry| entry.is_revoked());
        let mut is_signed = false;
        for line in note.signatures() {
            // Ids are short: two keys may have the same.
            let mut keys = known.iter().filter(|entry| line.is_by(name, entry.key())).peekable();
            if keys.peek().is_none() {
                continue;
            }
            if !keys.any(|entry| line.verify(note.text(), entry.key()).is_ok()) {
                return Err(CheckpointError::SignatureInvalid);
            }
            is_signed = true;
        }
        // Ids can be copied: only a signature shows whose it is.
        let is_by_revoked = |line: &NoteSignature| {
            let mut keys = revoked.iter().map(|entry| entry.key());
            keys.any(|key| line.is_by(name, key) && line.verify(note.text(), key).is_ok())
        };
        match is_signed {
            true => Ok(checkpoint),
            false if note.signatures().iter().any(is_by_revoked) => Err(CheckpointError::KeyRevoked),
            false => Err(CheckpointError::KeyUnknown),
        }
    }

    /// Whose log it is of.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many records the log has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree of so many entries.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, encode(self.root.as_bytes()))
    }
}
