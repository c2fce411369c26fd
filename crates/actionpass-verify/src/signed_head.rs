//! [`SignedHead`]: how far a log had come, signed by a key of use `ledger` (`docs/spec/checkpoint.md`).

use actionpass_crypto::tlog::{Checkpoint, CheckpointError, TlogProof};
use actionpass_model::{Code, UnixSeconds, codes};
use actionpass_store::ledger::{LedgerError, TreeHead};

use crate::{Trust, VerifyCode};

codes! {
    /// Why a signed head was refused although its signature holds.
    pub enum SignedHeadCode: NotAuthentic {
        /// What it carries is not the entry of a record of the log whose checkpoint it is, under its number.
        RecordMismatch = "signed_head_record_mismatch",
        /// The record and its proof don't lead to the root that is signed, or are of another size.
        RootMismatch = "signed_head_root_mismatch",
    }
}

/// A signed head that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignedHeadError {
    /// The trust store has expired.
    #[error("the trust store has expired")]
    TrustExpired,
    /// It is malformed, or no trusted key signed it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What it carries is no entry of a record.
    #[error("the signed head doesn't carry the entry of a record")]
    Entry(#[source] LedgerError),
    /// The record that it carries is of another log or has another number.
    #[error("the signed head carries a record of another log or another number")]
    RecordMismatch,
    /// The record and its proof lead to another root.
    #[error("the record of the signed head doesn't lead to the root that is signed")]
    RootMismatch,
}

impl SignedHeadError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::TrustExpired => VerifyCode::TrustExpired.into(),
            Self::Checkpoint(error) => error.code().into(),
            Self::Entry(_) | Self::RecordMismatch => SignedHeadCode::RecordMismatch.into(),
            Self::RootMismatch => SignedHeadCode::RootMismatch.into(),
        }
    }
}

actionpass_model::coded_error!(SignedHeadError);

/// The head of a log that a key of that log signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedHead {
    proof: TlogProof,
    head: TreeHead,
}

impl SignedHead {
    /// Verifies a C2SP tlog-proof of the last record of a log, which carries that record's entry as `extra`.
    ///
    /// A signed head has no time: it holds for as long as a trusted key of use `ledger` that signed it isn't revoked.
    ///
    /// # Errors
    /// [`SignedHeadError`].
    pub fn verify(bytes: &[u8], trust: &Trust, now: UnixSeconds) -> Result<Self, SignedHeadError> {
        if trust.is_expired(now) {
            return Err(SignedHeadError::TrustExpired);
        }
        let proof = TlogProof::parse(bytes)?;
        let checkpoint = Checkpoint::verify(proof.note(), trust.keyring())?;
        let head = head_of(&proof, &checkpoint)?;
        Ok(Self { proof, head })
    }

    /// What a signed head of the reader's own says, whose signatures **are not verified**: for whoever signs the next one, and
    /// has to hold the log against what was signed before, by whichever key.
    ///
    /// # Errors
    /// [`SignedHeadError`], but none about keys.
    pub fn read_own(bytes: &[u8]) -> Result<TreeHead, SignedHeadError> {
        let proof = TlogProof::parse(bytes)?;
        head_of(&proof, &Checkpoint::unverified(proof.note())?)
    }

    /// Where the log ended: size, `ledgerHash` and root, and what a verification of the records behind it begins with.
    #[must_use]
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The proof as it was read; `Display` writes the same bytes.
    #[must_use]
    pub const fn proof(&self) -> &TlogProof {
        &self.proof
    }
}

/// The head that the parts of a proof are together.
fn head_of(proof: &TlogProof, checkpoint: &Checkpoint) -> Result<TreeHead, SignedHeadError> {
    // Of the last record, whose proof is the state of the tree before it.
    if proof.index().checked_add(1) != Some(checkpoint.size()) {
        return Err(SignedHeadError::RootMismatch);
    }
    let head = TreeHead::new(proof.extra(), proof.hashes()).map_err(SignedHeadError::Entry)?;
    if head.seq() != proof.index() || head.origin() != checkpoint.origin() {
        return Err(SignedHeadError::RecordMismatch);
    }
    if head.root() != checkpoint.root() {
        return Err(SignedHeadError::RootMismatch);
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
