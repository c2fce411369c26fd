//! Revoking: the trust store first, then the ledger.

use actionpass_model::{
    Code, Principal, RecordId, Revocation, RevocationBody, RevocationId, RevocationRecordSchema, RevocationSchema,
    RevocationTarget, Statement, Timestamp, TrustEvidence,
};
use actionpass_store::ledger::{RecordDraft, RecordRef};
use actionpass_store::trust_file::{TrustFile, TrustFileError, change};
use actionpass_store::{DecisionStore, StoreError};

use crate::AuthorizeCode;
use crate::environment::{Random, uuid};

/// Something that shall no longer be accepted.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// What.
    pub target: RevocationTarget,
    /// Why.
    pub reason: Statement,
    /// Who says so.
    pub revoked_by: Principal,
    /// For a key: since when it may have been in other hands.
    pub compromised_since: Option<Timestamp>,
    /// From when on the entry may be pruned: the end of the target plus an hour at the earliest. `None` keeps it.
    pub expires_at: Option<Timestamp>,
}

/// Nothing was revoked, or it was and the ledger doesn't say so yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The trust store was not changed: nothing is revoked.
    #[error("the trust store was not changed")]
    Trust(#[from] TrustFileError),
    /// The trust store holds the revocation, and the ledger doesn't: [`reconcile`] appends it.
    #[error("it is revoked, but the ledger doesn't hold the record yet")]
    Ledger(#[from] StoreError),
    /// There is no randomness to make an id from: nothing is revoked.
    #[error("no randomness is to be had")]
    NoRandomness,
}

impl RevokeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Trust(error) => error.code().into(),
            Self::Ledger(error) => error.code().into(),
            Self::NoRandomness => AuthorizeCode::RandomnessUnavailable.into(),
        }
    }
}

/// Revokes: writes the trust store, which is what verifiers read, and then the record.
///
/// # Errors
/// [`RevokeError`]; only [`RevokeError::Ledger`] leaves a revocation behind, and it is in force.
pub async fn revoke(
    revocation: NewRevocation,
    trust: &TrustFile,
    store: &dyn DecisionStore,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Revocation, RecordRef), RevokeError> {
    let id = uuid(now, random)
        .map(RevocationId::from_uuid)
        .ok_or(RevokeError::NoRandomness)?;
    let revocation = Revocation {
        schema: RevocationSchema,
        id,
        target: revocation.target,
        reason: revocation.reason,
        revoked_by: revocation.revoked_by,
        revoked_at: now,
        compromised_since: revocation.compromised_since,
        expires_at: revocation.expires_at,
        ext: None,
    };
    let ((), written) = trust.update(
        now,
        |_| Ok(()),
        |document| {
            change::revoke(document, revocation.clone())?;
            change::confirm_revocations(document, now);
            Ok(())
        },
    )?;
    let record = record(&revocation, written.evidence(), store, now, random).await?;
    Ok((revocation, record))
}

/// Appends the record of every revocation that the trust store holds and the ledger doesn't: what a crash between the
/// two left out. A program calls it when it starts.
///
/// # Errors
/// [`RevokeError`]; what was appended until then is there.
pub async fn reconcile(
    trust: &TrustFile,
    store: &dyn DecisionStore,
    now: Timestamp,
    random: &dyn Random,
) -> Result<usize, RevokeError> {
    let snapshot = trust.read()?;
    if snapshot.document.revocations.is_empty() {
        return Ok(0);
    }
    let ids = snapshot
        .document
        .revocations
        .iter()
        .map(|revocation| revocation.id.clone())
        .collect();
    let missing = store.unrecorded(ids).await?;
    for revocation in snapshot
        .document
        .revocations
        .iter()
        .filter(|revocation| missing.contains(&revocation.id))
    {
        record(revocation, snapshot.evidence(), store, now, random).await?;
    }
    Ok(missing.len())
}

async fn record(
    revocation: &Revocation,
    trust: TrustEvidence,
    store: &dyn DecisionStore,
    now: Timestamp,
    random: &dyn Random,
) -> Result<RecordRef, RevokeError> {
    let body = RevocationBody {
        schema: RevocationRecordSchema,
        revocation: revocation.clone(),
        trust,
    };
    let id = uuid(now, random)
        .map(RecordId::from_uuid)
        .ok_or(RevokeError::NoRandomness)?;
    let draft = RecordDraft::new(id, now, &body)?;
    Ok(store.append(draft).await?.to_ref())
}

actionpass_model::coded_error!(RevokeError);
