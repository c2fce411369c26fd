//! [`sign_head`]: the head of a log, signed.

use actionpass_crypto::tlog::{Checkpoint, TlogProof, sign_checkpoint};
use actionpass_crypto::{SignError, Signer};
use actionpass_store::ledger::TreeHead;

/// Signs where a log ends, as a C2SP tlog-proof of its last record (`docs/spec/checkpoint.md`).
///
/// The caller has verified the log from its first record up to there, through every head that was signed before: a log
/// never signs two heads of which one doesn't continue the other.
///
/// # Errors
/// [`SignError`]: then nothing is signed.
pub async fn sign_head<S>(signer: &S, head: &TreeHead) -> Result<TlogProof, SignError>
where
    S: Signer + ?Sized,
{
    let checkpoint = Checkpoint::new(head.origin().clone(), head.size(), head.root())?;
    let note = sign_checkpoint(signer, &checkpoint).await?;
    Ok(TlogProof::new(head.entry().to_vec(), head.seq(), head.proof(), note))
}
