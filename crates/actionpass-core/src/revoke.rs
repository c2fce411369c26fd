//! Revoking, and lifting what was revoked: the trust store first, then the ledger.

use std::collections::HashSet;
use std::time::Duration;

use actionpass_model::{
    Code, Issuer, LiftedEvidence, LiftedRevocation, Principal, RecordId, Revocation, RevocationBody, RevocationId,
    RevocationRecordSchema, RevocationSchema, RevocationTarget, Statement, Timestamp, TrustBody, TrustChangeSchema,
    TrustEvidence, TrustStore,
};
use actionpass_store::ledger::{RecordBody, RecordDraft, RecordRef};
use actionpass_store::trust_file::{TrustFileError, TrustSnapshot, change};
use actionpass_store::{Batch, Ledger, StoreCode, StoreError, TrustChanged, TrustDocument, TrustRange};

use crate::AuthorizeCode;
use crate::admin::trust_code;
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

/// From when on the revocation of a pass of ours may be pruned: a pass holds an hour at most, and an hour more has to go by; the
/// rest is for clocks.
const PASS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for an approval, which holds a day at most.
const APPROVAL_KEPT: Duration = Duration::from_secs(48 * 60 * 60);

/// From when on what revokes this now may be pruned ([`NewRevocation::expires_at`]), where it is known how long it would hold:
/// an approval, or a pass of `issuer`.
#[must_use]
pub fn prunable_from(target: &RevocationTarget, issuer: Option<&Issuer>, now: Timestamp) -> Option<Timestamp> {
    match target {
        RevocationTarget::Pass { issuer: of, .. } if issuer == Some(of) => Some(now.saturating_add(PASS_KEPT)),
        RevocationTarget::Approval { .. } => Some(now.saturating_add(APPROVAL_KEPT)),
        _ => None,
    }
}

/// Nothing was revoked, or it was and the ledger doesn't say so yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The trust store was not changed: nothing is revoked.
    #[error("the trust store was not changed")]
    Trust(#[from] TrustFileError),
    /// The ledger can't be read or doesn't hold a record.
    #[error("the ledger can't be read, or doesn't hold the record yet")]
    Ledger(#[from] StoreError),
    /// The trust store holds this revocation, and the ledger doesn't: [`reconcile`] appends it.
    #[error("it is revoked, but the ledger doesn't hold the record yet")]
    Unrecorded {
        /// The revocation.
        revocation: Box<Revocation>,
        /// Why it was not recorded.
        source: StoreError,
    },
    /// There is no randomness to make an id from: nothing is revoked.
    #[error("no randomness is to be had")]
    NoRandomness,
}

impl RevokeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Trust(error) => trust_code(error),
            Self::Ledger(error) | Self::Unrecorded { source: error, .. } => error.code().into(),
            Self::NoRandomness => AuthorizeCode::RandomnessUnavailable.into(),
        }
    }
}

/// Revokes: writes the trust store, which is what verifiers read, and then the record.
///
/// # Errors
/// [`RevokeError`]; only [`RevokeError::Unrecorded`] leaves a revocation behind, and it is in force.
pub async fn revoke(
    revocation: NewRevocation,
    trust: &dyn TrustDocument,
    ledger: &dyn Ledger,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Revocation, RecordRef), RevokeError> {
    let (revocation, changed) = enter(revocation, trust, now, random).await?;
    let range = changed.range();
    let draft = record(&revocation, changed.after.evidence(), now, random)?;
    let appended = ledger.append(Batch::of(draft).with_reconciled(range)).await;
    let recorded = appended.and_then(|outcomes| {
        let outcome = outcomes.first().ok_or(StoreError::new(StoreCode::StoreCorrupt))?;
        Ok(outcome.to_ref())
    });
    match recorded {
        Ok(record) => Ok((revocation, record)),
        Err(source) => Err(RevokeError::Unrecorded {
            revocation: Box::new(revocation),
            source,
        }),
    }
}

/// Revokes where the ledger can't be had: writes the trust store alone. [`reconcile`] appends the record once the ledger is
/// there again.
///
/// # Errors
/// [`RevokeError`]: nothing is revoked.
pub async fn revoke_unrecorded(
    revocation: NewRevocation,
    trust: &dyn TrustDocument,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Revocation, TrustEvidence), RevokeError> {
    let (revocation, changed) = enter(revocation, trust, now, random).await?;
    Ok((revocation, changed.after.evidence()))
}

/// Writes a revocation into the trust store.
async fn enter(
    revocation: NewRevocation,
    trust: &dyn TrustDocument,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Revocation, TrustChanged), RevokeError> {
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
    let entry = revocation.clone();
    let changed = trust
        .change(
            now,
            Box::new(move |document| {
                change::revoke(document, entry.clone())?;
                change::confirm_revocations(document, now);
                Ok(())
            }),
        )
        .await?;
    Ok((revocation, changed))
}

/// The revocations that the ledger holds and a trust store lacks, although they are neither lifted nor pruned: it comes of
/// one that went back. One that is restored from a backup and then changed may have a higher version than the ledger knows,
/// so the version doesn't tell.
pub(crate) async fn lost(
    trust: &TrustStore,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Vec<Revocation>, StoreError> {
    let held = trust.revocations.iter().map(|revocation| &revocation.id);
    let held: HashSet<_> = held.chain(trust.lifted.iter().map(|entry| &entry.revocation)).collect();
    let mut lost = Vec::new();
    for (id, seq) in ledger.revocations().await? {
        if held.contains(&id) {
            continue;
        }
        let record = ledger.revocation_at(seq).await?;
        let body = record.and_then(|record| record.to_body::<RevocationBody>());
        let revocation = body.ok_or(StoreError::new(StoreCode::StoreCorrupt))?.revocation;
        if revocation.expires_at.is_none_or(|end| end > now) {
            lost.push(revocation);
        }
    }
    Ok(lost)
}

/// Puts the revocations that the ledger holds back into a trust store that went back, as a version above both.
pub(crate) async fn put_back(
    trust: &dyn TrustDocument,
    ledger: &dyn Ledger,
    seen: u64,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Vec<Revocation>, TrustEvidence), RevokeError> {
    let known = ledger.state().await?.trust.map_or(0, |known| known.version).max(seen);
    let missing = lost(&trust.read().await?.document, ledger, now).await?;
    let entries = missing.clone();
    let changed = trust
        .change(
            now,
            Box::new(move |document| {
                for revocation in &entries {
                    change::revoke(document, revocation.clone())?;
                }
                change::confirm_revocations(document, now);
                // The next version is one more than the higher of the two.
                document.version = document.version.max(known);
                Ok(())
            }),
        )
        .await?;
    let evidence = changed.after.evidence();
    let body = TrustBody {
        schema: TrustChangeSchema,
        lifted: None,
        trust: evidence,
    };
    let _appended = ledger.append(Batch::of(draft(&body, now, random)?)).await?;
    let _appended = reconcile_with(&changed.after, ledger, now, random).await?;
    Ok((missing, evidence))
}

/// Lifts a revocation of a principal, who is accepted again: writes the trust store, and then the record.
pub(crate) async fn lift(
    id: &RevocationId,
    reason: Statement,
    by: Principal,
    trust: &dyn TrustDocument,
    ledger: &dyn Ledger,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(LiftedRevocation, RecordRef), RevokeError> {
    // So that the watermark moves with the record of this one, which is then never appended again.
    let _appended = reconcile(trust, ledger, now, random).await?;
    let which = id.clone();
    let changed = trust
        .change(
            now,
            Box::new(move |document| {
                change::lift(document, &which, reason.clone(), by.clone())?;
                change::confirm_revocations(document, now);
                Ok(())
            }),
        )
        .await?;
    let range = changed.range();
    let missing = || StoreError::new(StoreCode::StoreCorrupt);
    let entry = changed
        .after
        .document
        .lifted
        .iter()
        .find(|entry| entry.revocation == *id);
    let entry = entry.ok_or_else(missing)?;
    let draft = lift_record(entry, changed.after.evidence(), now, random)?;
    let outcomes = ledger.append(Batch::of(draft).with_reconciled(range)).await?;
    let outcome = outcomes.first().ok_or_else(missing)?;
    Ok((entry.clone(), outcome.to_ref()))
}

/// Appends the record of every revocation that the trust store holds and the ledger doesn't, and of every one that was
/// lifted since: what a crash between the two left out. A program calls it when it starts. One that was lifted is no longer
/// in the trust store, so its own record is not appended any more.
///
/// # Errors
/// [`RevokeError`]; what was appended until then is there, and the rest is appended by the next call.
pub async fn reconcile(
    trust: &dyn TrustDocument,
    ledger: &dyn Ledger,
    now: Timestamp,
    random: &dyn Random,
) -> Result<usize, RevokeError> {
    reconcile_with(&trust.read().await?, ledger, now, random).await
}

/// How many records [`reconcile`] appends in one transaction.
const PER_BATCH: usize = 500;

/// [`reconcile`], for a trust store that was read already.
///
/// Where the ledger is known to hold every revocation up to this version, as is the rule, that is found out by one read
/// of the ledger's state.
///
/// # Errors
/// Those of [`reconcile`].
pub async fn reconcile_with(
    trust: &TrustSnapshot,
    ledger: &dyn Ledger,
    now: Timestamp,
    random: &dyn Random,
) -> Result<usize, RevokeError> {
    let range = TrustRange {
        after: ledger.state().await?.reconciled,
        to: trust.document.version,
    };
    if range.to <= range.after {
        return Ok(0);
    }
    let revocations = &trust.document.revocations;
    let ids = revocations.iter().map(|revocation| revocation.id.clone()).collect();
    let missing: HashSet<_> = ledger.unrecorded(ids).await?.into_iter().collect();
    let revoked = revocations
        .iter()
        .filter(|revocation| missing.contains(&revocation.id))
        .map(|revocation| record(revocation, trust.evidence(), now, random));
    // The ledger holds what was lifted up to its watermark, which moves with the records.
    let lifted = trust.document.lifted.iter().filter(|entry| entry.version > range.after);
    let lifted = lifted.map(|entry| lift_record(entry, trust.evidence(), now, random));
    let drafts = revoked.chain(lifted).collect::<Result<Vec<_>, _>>()?;

    let mut batches = drafts.chunks(PER_BATCH).peekable();
    while let Some(batch) = batches.next() {
        let records = Batch::new(batch.to_vec());
        // Only with the last are all of them in the log: whoever stops before it begins again at the old watermark.
        let records = if batches.peek().is_some() {
            records
        } else {
            records.with_reconciled(range)
        };
        let _appended = ledger.append(records).await?;
    }
    if drafts.is_empty() {
        let _appended = ledger.append(Batch::new(Vec::new()).with_reconciled(range)).await?;
    }
    Ok(drafts.len())
}

fn lift_record(
    lifted: &LiftedRevocation,
    trust: TrustEvidence,
    now: Timestamp,
    random: &dyn Random,
) -> Result<RecordDraft, RevokeError> {
    let body = TrustBody {
        schema: TrustChangeSchema,
        lifted: Some(LiftedEvidence {
            by: lifted.by.clone(),
            reason: lifted.reason.clone(),
            revocation: lifted.revocation.clone(),
        }),
        trust,
    };
    draft(&body, now, random)
}

fn record(
    revocation: &Revocation,
    trust: TrustEvidence,
    now: Timestamp,
    random: &dyn Random,
) -> Result<RecordDraft, RevokeError> {
    let body = RevocationBody {
        schema: RevocationRecordSchema,
        revocation: revocation.clone(),
        trust,
    };
    draft(&body, now, random)
}

fn draft<B: RecordBody>(body: &B, now: Timestamp, random: &dyn Random) -> Result<RecordDraft, RevokeError> {
    let id = uuid(now, random)
        .map(RecordId::from_uuid)
        .ok_or(RevokeError::NoRandomness)?;
    Ok(RecordDraft::new(id, now, body)?)
}

actionpass_model::coded_error!(RevokeError);

#[cfg(test)]
mod tests {
    use actionpass_model::{ApprovalId, Approver, MAX_APPROVAL_LIFETIME, PassId};

    use super::*;

    #[test]
    fn what_is_revoked_is_forgotten_only_once_it_can_not_hold_any_more() {
        let now = Timestamp::parse("2026-11-29T01:02:03.000Z").unwrap();
        let issuer = |name| Issuer::parse(name).unwrap();
        let (ours, other) = (issuer("https://issuer.example"), issuer("https://other.example"));
        let pass = RevocationTarget::Pass {
            id: PassId::from_uuid(uuid::Uuid::nil()),
            issuer: ours.clone(),
        };
        let until = prunable_from(&pass, Some(&ours), now);
        assert_eq!(until, Some(Timestamp::parse("2026-11-30T01:02:03.000Z").unwrap()));
        // Of another issuer's, and of ours where nobody knows who that is, nobody knows how long they hold.
        assert_eq!(prunable_from(&pass, Some(&other), now), None);
        assert_eq!(prunable_from(&pass, None, now), None);

        let approval = RevocationTarget::Approval {
            id: ApprovalId::from_uuid(uuid::Uuid::nil()),
            approver: Approver::parse("user:maya@example.com").unwrap(),
        };
        let until = prunable_from(&approval, None, now).unwrap();
        assert_eq!(until, Timestamp::parse("2026-12-01T01:02:03.000Z").unwrap());
        assert!(until > now.saturating_add(MAX_APPROVAL_LIFETIME));
    }
}
