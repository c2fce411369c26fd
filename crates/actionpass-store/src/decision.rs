//! [`DecisionStore`]: the issuer's store.

use std::fmt::Debug;

use actionpass_model::{
    ActionId, Agent, ApprovalId, Approver, Audience, Digest, Document, DocumentError, PassId, Record, RevocationId,
    Tenant, TrustEvidence, UnixSeconds,
};

use crate::StoreFuture;
use crate::ledger::{Head, RecordDraft, RecordRef, SealedRecord};

/// What an issuer keeps: the ledger, which approvals are used, and which actions have their pass.
///
/// One store holds one issuer's one log. A pass may be released only after [`commit`](Self::commit) gave
/// [`CommitOutcome::Committed`] (G9: no record, no pass).
///
/// # Contract
/// - **Atomicity.** `commit` and `append` do all of what they say or nothing, also when the process or the machine
///   dies halfway. The checks of `commit` and its writes are one step: of two commits that use one approval, or that
///   are for one action, at most one is `Committed`, whatever processes share the store.
/// - **Durability.** When the future gives `Ok`, what was written survives the loss of power.
/// - **Order.** The log has no gap and no fork: each record chains to the one before, by any process.
/// - **Refusals write nothing.** Every outcome other than `Committed` or `Appended` leaves the store as it was.
/// - **Errors.** `Err` promises that nothing was acknowledged, no more: the write may be there or not, never half. Find
///   out with [`find`](Self::find), or commit again: idempotency by action makes that safe. After a failed write a
///   store must not go on as if what it sees were durable.
/// - **Cancellation.** Dropping a future before it is ready may leave the write done or not done, never half done.
/// - **Runtime.** Futures may be polled on any executor and must not block it.
/// - **Clones** and further handles on one store see one state.
pub trait DecisionStore: Debug + Send + Sync {
    /// The former allow of an action, if there is one. Only an allow is final: a deny or step_up is not found here.
    fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>>;

    /// Records a decision and, if it is an allow, marks its approvals used and keeps its token, in one step.
    ///
    /// Checked in this order, in the same step as the writes; the first that fails is the outcome:
    /// 1. The action has no allow yet: else [`CommitOutcome::AlreadyIssued`], or for another `action_hash`
    ///    [`CommitOutcome::IdReused`].
    /// 2. For an allow: the trust store that the decision names is not older than the newest that this store was told
    ///    of, nor another one of the same version: else [`CommitOutcome::TrustChanged`]. A newer one becomes the newest.
    /// 3. For an allow: the policy that it names is the one last recorded, if any was: else
    ///    [`CommitOutcome::PolicyChanged`].
    /// 4. For an allow: each of its approvals is unused: else [`CommitOutcome::ApprovalUsed`].
    ///
    /// Marks of used approvals are never forgotten.
    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome>;

    /// Appends a record that is no allow, and lets it take effect: a trust store newer than the one known, a policy, an
    /// erasure of side data ([`Effects`](crate::ledger::Effects)). A revocation is recorded once; appending its record
    /// again gives the one that is there.
    fn append(&self, draft: RecordDraft) -> StoreFuture<'_, AppendOutcome>;

    /// Where the log ends, and the newest trust store and policy that this store was told of.
    fn state(&self) -> StoreFuture<'_, LedgerState>;

    /// At most `limit` records from `seq` on, in order; empty at the end of the log. What was stored is given as it is:
    /// only [`ledger::ChainVerifier`](crate::ledger::ChainVerifier) says whether it is whole.
    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>>;

    /// Side data of a record, if it was kept and not erased.
    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Those of these revocations that the log doesn't hold, in the order given: what a crash between trust store and
    /// ledger left out.
    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>>;
}

/// One occurrence of an action, scoped by tenant and agent (and by the issuer, whose store it is).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ActionKey {
    /// The organization.
    pub tenant: Tenant,
    /// The agent.
    pub agent: Agent,
    /// Which of its actions.
    pub action: ActionId,
}

/// A decision to be recorded.
#[derive(Clone, Debug)]
pub struct DecisionCommit {
    /// Which occurrence of an action it is about.
    pub action: ActionKey,
    /// The hash of the action itself, also where the record only holds a commitment to it.
    pub action_hash: Digest,
    /// The record, of kind `decision`. The trust store and the policy that its body names are those it relies on.
    pub record: RecordDraft,
    /// What becomes of an allow; `None` for a deny or step_up.
    pub allow: Option<Allow>,
    /// What is kept beside the record and can be erased.
    pub side: Vec<(SideKind, Vec<u8>)>,
}

/// What an allow writes besides its record.
#[derive(Clone, Debug)]
pub struct Allow {
    /// The pass.
    pub pass: PassId,
    /// The pass as a compact JWS. Kept as side data, [`SideKind::Token`].
    pub token: String,
    /// When the pass expires, its `exp`.
    pub expires_at: UnixSeconds,
    /// Whom it is for.
    pub audience: Audience,
    /// The approvals that the decision relied on, to be marked used.
    pub approvals: Vec<ApprovalUse>,
}

/// An approval to be marked used: an id alone names it only together with who gave it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApprovalUse {
    /// Who gave it, its `iss`.
    pub approver: Approver,
    /// Its `jti`.
    pub id: ApprovalId,
}

/// What became of a commit.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum CommitOutcome {
    /// All of it is durable.
    Committed(SealedRecord),
    /// This very action was allowed before.
    AlreadyIssued(Box<Issued>),
    /// The id belongs to another action that was allowed before.
    IdReused,
    /// An approval was used before, or stands twice in this commit.
    ApprovalUsed(ApprovalUse),
    /// The decision relied on an older trust store than this, or on another one of the same version.
    TrustChanged(TrustEvidence),
    /// The decision relied on another policy than the one in force.
    PolicyChanged(Digest),
}

/// What became of an append.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum AppendOutcome {
    /// The record is durable.
    Appended(SealedRecord),
    /// The revocation had its record already, this one.
    AlreadyRecorded(RecordRef),
}

impl AppendOutcome {
    /// The record that is in the log, new or old.
    #[must_use]
    pub fn to_ref(&self) -> RecordRef {
        match self {
            Self::Appended(record) => record.to_ref(),
            Self::AlreadyRecorded(record) => record.clone(),
        }
    }
}

/// A former allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issued {
    /// The hash of the action that was allowed.
    pub action_hash: Digest,
    /// The record of the decision.
    pub record: RecordRef,
    /// The pass.
    pub pass: PassId,
    /// When the pass expires.
    pub expires_at: UnixSeconds,
    /// Whom it is for.
    pub audience: Audience,
    /// The pass as a compact JWS; `None` once it was erased.
    pub token: Option<String>,
}

/// What a store knows about itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LedgerState {
    /// Where the log ends.
    pub head: Head,
    /// The newest trust store that it was told of.
    pub trust: Option<TrustEvidence>,
    /// The policy that was recorded last.
    pub policy: Option<Digest>,
}

/// Data kept beside a record, which can be erased without breaking the chain.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SideKind {
    /// The canonical payload.
    Payload,
    /// The canonical context.
    Context,
    /// The canonical facts.
    Facts,
    /// The salt of the commitments, 32 random bytes.
    Salt,
    /// The pass, a compact JWS.
    Token,
}

/// A record as a store keeps it: canonical JSON, unverified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRecord {
    /// Its place.
    pub seq: u64,
    /// The whole record.
    pub json: Vec<u8>,
}

impl StoredRecord {
    /// The record as a document.
    ///
    /// # Errors
    /// [`DocumentError`] if what is stored is not a record of this release's kinds.
    pub fn to_record(&self) -> Result<Record, DocumentError> {
        Record::from_json(&self.json)
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: DecisionStore + ?Sized> DecisionStore for $pointer<T> {
            fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>> {
                (**self).find(action)
            }

            fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
                (**self).commit(commit)
            }

            fn append(&self, draft: RecordDraft) -> StoreFuture<'_, AppendOutcome> {
                (**self).append(draft)
            }

            fn state(&self) -> StoreFuture<'_, LedgerState> {
                (**self).state()
            }

            fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
                (**self).read(seq, limit)
            }

            fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
                (**self).side(seq, kind)
            }

            fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
                (**self).unrecorded(revocations)
            }
        }
    };
}
use std::sync::Arc;
forward!(Arc);
forward!(Box);

/// The decision of the trust rule: what becomes the newest known trust store, or which one stands against `relied`.
///
/// Every store's `commit` uses it, so that they agree.
///
/// # Errors
/// The known trust store, if the decision may not rely on `relied` any more.
pub fn newest_trust(known: Option<TrustEvidence>, relied: TrustEvidence) -> Result<TrustEvidence, TrustEvidence> {
    match known {
        Some(known) if known.version > relied.version => Err(known),
        Some(known) if known.version == relied.version && known.digest != relied.digest => Err(known),
        _ => Ok(relied),
    }
}
