//! The signed head of a ledger, in the formats of C2SP: signed notes, checkpoints and proofs (`docs/spec/checkpoint.md`).
//!
//! ```
//! use actionpass_crypto::tlog::{Checkpoint, SignedNote, sign_checkpoint};
//! use actionpass_crypto::{Keyring, Signer, SoftwareKey};
//! use actionpass_model::{Digest, Origin};
//! # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("a software key never waits"),
//! #     }
//! # }
//!
//! let key = SoftwareKey::generate()?;
//! let log = Origin::parse("issuer.example")?;
//! let checkpoint = Checkpoint::new(log.clone(), 3, Digest::from_bytes([7; 32]))?;
//! let note = block_on(sign_checkpoint(&key, &checkpoint))?;
//!
//! let keyring = Keyring::from_keys([key.public_key().ledger_key_of(&log)])?;
//! let read = SignedNote::parse(&note.to_string())?;
//! assert_eq!(Checkpoint::verify(&read, &keyring)?, checkpoint);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod note;
mod proof;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use checkpoint::{Checkpoint, sign_checkpoint};
pub use note::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, NoteSignature, SignedNote};
pub use proof::{MAX_PROOF_BYTES, TlogProof};

actionpass_model::codes! {
    /// Why a checkpoint was not believed, in the order of the checks.
    pub enum CheckpointCode: NotAuthentic {
        /// The text is not a signed checkpoint, or not a proof with one, in the one spelling that is read here.
        Malformed = "checkpoint_malformed",
        /// A signature by a key of this log doesn't verify.
        SignatureInvalid = "checkpoint_signature_invalid",
        /// No key that may sign checkpoints of this log has signed it but such that are revoked.
        KeyRevoked = "checkpoint_key_revoked" => Revoked,
        /// No key that may sign checkpoints of this log has signed it.
        KeyUnknown = "checkpoint_key_unknown",
    }
}

/// A checkpoint that is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is not in the one spelling that is read here.
    #[error("the checkpoint is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A signature by a key of this log doesn't verify.
    #[error("a signature of the checkpoint does not verify with the log's key")]
    SignatureInvalid,
    /// Only revoked keys of this log have signed it.
    #[error("the key that signed the checkpoint is revoked")]
    KeyRevoked,
    /// No key of this log has signed it.
    #[error("no trusted key of use `ledger` of this log has signed the checkpoint")]
    KeyUnknown,
}

impl CheckpointError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> CheckpointCode {
        match self {
            Self::Malformed { .. } => CheckpointCode::Malformed,
            Self::SignatureInvalid => CheckpointCode::SignatureInvalid,
            Self::KeyRevoked => CheckpointCode::KeyRevoked,
            Self::KeyUnknown => CheckpointCode::KeyUnknown,
        }
    }
}

actionpass_model::coded_error!(CheckpointError);

const fn malformed(problem: &'static str) -> CheckpointError {
    CheckpointError::Malformed { problem }
}

/// Base64 with padding (RFC 4648 §4).
fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What such text stands for, if it is in its one spelling: padded, no stray bits in the last character.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A number in its one decimal spelling.
fn number(text: &str) -> Option<u64> {
    // `u64::from_str` takes a plus sign and leading zeros.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The SHA-256 hash that a line holds.
fn hash(text: &str) -> Option<actionpass_model::Digest> {
    let bytes = decode(text)?.try_into().ok()?;
    Some(actionpass_model::Digest::from_bytes(bytes))
}
