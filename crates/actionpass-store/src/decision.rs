//! [`DecisionStore`]: the issuer's store.

use std::sync::Arc;

use actionpass_model::{
    ActionId, Agent, ApprovalRef, Audience, Digest, PassId, RequestId, Tenant, Timestamp, TrustEvidence, UnixSeconds,
};
use actionpass_queue::{RequestCode, RequestKey};

use crate::ledger::{RecordDraft, RecordRef, Salt, SealedRecord};
use crate::{Ledger, LedgerState, QueuePart, Standing, StoreFuture};

/// What an issuer keeps: the ledger, which approvals are used, and which actions have their pass.
///
/// One store holds one issuer's one log. A pass may be released only after [`commit`](Self::commit) gave
/// [`CommitOutcome::Committed`] (G9: no record, no pass).
///
/// # Contract
/// That of [`Ledger`], whose transactions are these too, and:
/// - **Atomicity.** The checks of `commit` and its writes are one step: of two commits that use one approval, or that
///   are for one action, at most one is `Committed`, whatever processes share the store.
/// - **Refusals write nothing.** Every outcome other than `Committed` leaves the store as it was.
/// - **One moment.** All that an answer of `look_up` says was true at one moment between the call and the answer.
/// - **Errors.** After an `Err`, find out with [`look_up`](Self::look_up), or commit again: idempotency by action makes
///   that safe.
/// - **Watermark.** A commit never moves [`LedgerState::reconciled`](crate::LedgerState::reconciled): that a decision
///   relied on a trust store doesn't say that its revocations are in the log.
pub trait DecisionStore: Ledger {
    /// What this store knows of what is about to be decided. An answer permits nothing; only a commit does.
    ///
    /// A store may begin to look before the future is polled: whoever asks has something else to do meanwhile.
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known>;

    /// Records a decision and, if it is an allow, marks its approvals used and keeps its token, in one step.
    ///
    /// Checked in this order, in the same step as the writes; the first that fails is the outcome:
    /// 1. The action has no allow yet: else [`CommitOutcome::AlreadyIssued`], whatever it was an allow for.
    /// 2. For an allow: the trust store that the decision names is not older than the newest that this store was told
    ///    of, nor another one of the same version: else [`CommitOutcome::TrustChanged`]. A newer one becomes the newest.
    /// 3. For an allow: the policy that it names is the one last recorded, if any was: else
    ///    [`CommitOutcome::PolicyChanged`].
    /// 4. For an allow: each of its approvals is unused: else [`CommitOutcome::ApprovalUsed`].
    /// 5. With a [`QueuePart`]: what it supersedes is at the version that it names and can be ended, else
    ///    [`CommitOutcome::RequestMoved`]; [`RequestPart::check`](crate::RequestPart::check) holds, else
    ///    [`CommitOutcome::Joined`] or `RequestMoved`; and if it opens or joins a request, the policy is the one last recorded
    ///    (3), and there is room for one more, else [`CommitOutcome::NotOpened`].
    ///
    /// Marks of used approvals are never forgotten.
    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome>;

    /// [`Known::issued`] of an action.
    fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>> {
        Box::pin(async move { Ok(self.look_up(LookUp::new().of_action(action.clone())).await?.issued) })
    }

    /// [`Known::used`] of approvals.
    fn used_approvals(&self, approvals: Vec<ApprovalRef>) -> StoreFuture<'_, Vec<ApprovalRef>> {
        Box::pin(async move { Ok(self.look_up(LookUp::new().of_approvals(approvals)).await?.used) })
    }
}

/// What an issuer asks before it decides, answered in one step by [`DecisionStore::look_up`]. What isn't asked for isn't
/// looked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LookUp {
    /// The occurrence of an action that may have been allowed before.
    pub action: Option<ActionKey>,
    /// The approvals that may be used.
    pub approvals: Vec<ApprovalRef>,
    /// The action that the queue may have something to say of, and the time.
    pub request: Option<(RequestKey, Timestamp)>,
}

impl LookUp {
    /// Asks only for what every answer says: [`Known::state`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            action: None,
            approvals: Vec::new(),
            request: None,
        }
    }

    /// Asks also whether this action was allowed before.
    #[must_use]
    pub fn of_action(self, action: ActionKey) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }

    /// Asks also what the queue has to say of this action at this time.
    #[must_use]
    pub fn of_request(self, key: RequestKey, now: Timestamp) -> Self {
        Self {
            request: Some((key, now)),
            ..self
        }
    }

    /// Asks also which of these approvals are used.
    #[must_use]
    pub fn of_approvals(self, approvals: Vec<ApprovalRef>) -> Self {
        Self { approvals, ..self }
    }
}

/// What a store knows: the answer to a [`LookUp`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Known {
    /// Where the log ends, and what the store was told of.
    pub state: LedgerState,
    /// The former allow of the action that was asked for. Only an allow is final: a deny or step_up is not found here.
    pub issued: Option<Issued>,
    /// Those of the approvals asked for that are used, in the order of the question: what a commit gave as
    /// [`CommitOutcome::Committed`] is among them from then on.
    pub used: Vec<ApprovalRef>,
    /// What the queue has to say of the action that was asked for; absent where nothing was asked or no queue is kept.
    pub standing: Option<Standing>,
}

impl Known {
    /// Nothing but this state. A store sets the other fields.
    #[must_use]
    pub const fn new(state: LedgerState) -> Self {
        Self {
            state,
            issued: None,
            used: Vec::new(),
            standing: None,
        }
    }
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
#[non_exhaustive]
pub struct DecisionCommit {
    /// Which occurrence of an action it is about.
    pub action: ActionKey,
    /// The hash of the action, or the commitment to it, as the record has it: nothing that a store keeps says more.
    pub action_hash: Digest,
    /// The record, of kind `decision`. The trust store and the policy that its body names are those it relies on.
    pub record: RecordDraft,
    /// What becomes of an allow; `None` for a deny or step_up.
    pub allow: Option<Allow>,
    /// What it has to do with the queue; `None` if its issuer has none.
    pub queue: Option<QueuePart>,
}

impl DecisionCommit {
    /// A decision that is no allow.
    #[must_use]
    pub const fn new(action: ActionKey, action_hash: Digest, record: RecordDraft) -> Self {
        Self {
            action,
            action_hash,
            record,
            allow: None,
            queue: None,
        }
    }

    /// The same, as an allow.
    #[must_use]
    pub fn with_allow(self, allow: Allow) -> Self {
        Self {
            allow: Some(allow),
            ..self
        }
    }

    /// The same, with what it does to the queue. Only a [`QueueStore`](crate::QueueStore) takes it; another store refuses it with
    /// [`StoreCode::StoreMisused`](crate::StoreCode::StoreMisused).
    #[must_use]
    pub fn with_queue(self, queue: QueuePart) -> Self {
        Self {
            queue: Some(queue),
            ..self
        }
    }
}

/// What an allow writes besides its record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Allow {
    /// The pass.
    pub pass: PassId,
    /// The pass as a compact JWS. Kept as side data, [`SideKind::Token`](crate::SideKind::Token).
    pub token: String,
    /// When the pass expires, its `exp`.
    pub expires_at: UnixSeconds,
    /// Whom it is for.
    pub audience: Audience,
    /// The approvals that the decision relied on, to be marked used.
    pub approvals: Vec<ApprovalRef>,
}

impl Allow {
    /// An allow that relies on no approval.
    #[must_use]
    pub const fn new(pass: PassId, token: String, expires_at: UnixSeconds, audience: Audience) -> Self {
        Self {
            pass,
            token,
            expires_at,
            audience,
            approvals: Vec::new(),
        }
    }

    /// The same, and it uses these approvals up.
    #[must_use]
    pub fn with_approvals(self, approvals: Vec<ApprovalRef>) -> Self {
        Self { approvals, ..self }
    }
}

/// What became of a commit. Exhaustive on purpose: an issuer that doesn't know a new outcome must not compile.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum CommitOutcome {
    /// All of it is durable.
    Committed(SealedRecord),
    /// This occurrence was allowed before, or another action with its id: [`Issued::is_of`] tells.
    AlreadyIssued(Box<Issued>),
    /// An approval was used before, or stands twice in this commit.
    ApprovalUsed(ApprovalRef),
    /// The decision relied on an older trust store than this, or on another one of the same version.
    TrustChanged(TrustEvidence),
    /// The decision relied on another policy than the one in force.
    PolicyChanged(Digest),
    /// Another request for the same waits already: the decision joins it.
    Joined(RequestId),
    /// The queue isn't what the decision was made by: a vote was cast, a request was opened or has ended.
    RequestMoved,
    /// No request may be opened.
    NotOpened(RequestCode),
}

/// A former allow.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Issued {
    /// The hash of the action that was allowed, or the commitment to it.
    pub action_hash: Digest,
    /// Whether `action_hash` is a commitment.
    pub is_committed: bool,
    /// The salt of that commitment, until it is erased.
    pub salt: Option<Salt>,
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

impl Issued {
    /// A former allow whose token was erased, or is still to be added.
    #[must_use]
    pub const fn new(
        action_hash: Digest,
        record: RecordRef,
        pass: PassId,
        expires_at: UnixSeconds,
        audience: Audience,
    ) -> Self {
        Self {
            action_hash,
            is_committed: false,
            salt: None,
            record,
            pass,
            expires_at,
            audience,
            token: None,
        }
    }

    /// The same, whose `action_hash` is a commitment by this salt; `None` if the salt was erased.
    #[must_use]
    pub fn committed_by(self, salt: Option<Salt>) -> Self {
        Self {
            is_committed: true,
            salt,
            ..self
        }
    }

    /// Whether it was the allow of this very action; `None` if nobody can tell any more.
    #[must_use]
    pub fn is_of(&self, action_hash: Digest) -> Option<bool> {
        if !self.is_committed {
            return Some(self.action_hash == action_hash);
        }
        self.salt.map(|salt| salt.commit(action_hash) == self.action_hash)
    }

    /// The same, with its token if there is one.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: DecisionStore + ?Sized> DecisionStore for $pointer<T> {
            fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
                (**self).look_up(question)
            }

            fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
                (**self).commit(commit)
            }

            fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>> {
                (**self).find(action)
            }

            fn used_approvals(&self, approvals: Vec<ApprovalRef>) -> StoreFuture<'_, Vec<ApprovalRef>> {
                (**self).used_approvals(approvals)
            }
        }
    };
}
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
