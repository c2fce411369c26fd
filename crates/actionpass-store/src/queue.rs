//! [`QueueStore`]: what waits for people, kept with the decisions that open and settle it.

use std::fmt;
use std::sync::Arc;

use actionpass_model::{
    Agent, ApprovalId, ApprovalRequest, Approver, Digest, Document, EndState, RequestId, Statement, Tenant, Timestamp,
};
use actionpass_queue::{Limits, RequestCode, RequestKey, Step};

use crate::ledger::{RecordDraft, SealedRecord};
use crate::{DecisionStore, StoreCode, StoreError, StoreFuture};

/// The most overdue requests of an agent that [`Standing::overdue`] names at once.
pub const MAX_OVERDUE: usize = 16;
/// The most requests that [`QueueStore::requests`] gives at once.
pub const MAX_LISTED: usize = 1000;

/// A store of decisions that keeps the approval requests of its issuer too.
///
/// # Contract
/// That of [`DecisionStore`], and:
/// - **One law.** What may happen to a request is what [`actionpass_queue::step`] says; a step that it refuses changes
///   nothing.
/// - **Compare and set.** A change is made to the version that it names or not at all: of two changes of one version, by
///   whatever processes, one is made.
/// - **Evidence.** A change and its record are written in one step; so are a decision and what it does to its request.
/// - **One waits.** Of each [`RequestKey`] at most one request waits: `end` is absent and `expiresAt` is to come.
/// - **Side data.** The action, the facts and the tokens of votes lie beside the request and not in it. Erasing the side
///   data of the record that opened a request erases them, and ends the request, if nothing has: as
///   [`actionpass_queue::erased`] says, `cancelled` with [`RequestCode::RequestErased`] if it waits, else `expired`. Where the log is salted, the hashes in the document become
///   [`Digest::ZERO`] with it: nothing that is left confirms a guess.
/// - **Standing.** [`Known::standing`](crate::Known::standing) of a look-up is what the queue has to say of an action; a store
///   of decisions that keeps no queue leaves it out.
/// - **Time.** `now` is the clock of whoever asks; of a commit or change it is the time of its record.
pub trait QueueStore: DecisionStore {
    /// A request with what lies beside it.
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>>;

    /// The version of a request: what is polled while somebody waits for it to move.
    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>>;

    /// The client of a service that a request came from, if it came from one.
    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>>;

    /// Requests, the oldest first, [`MAX_LISTED`] at most.
    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>>;

    /// Makes a change and appends its record, in one step.
    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome>;

    /// Lifts the hold on new requests of the agent of this request, and appends the record that says so, in one step.
    /// `None` if there is no hold that this request brought about.
    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>>;
}

/// What the queue has to say of an action.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// The request that waits for it.
    pub live: Option<StoredRequest>,
    /// The request whose decline answers it: the one that holds longest.
    pub declined: Option<StoredRequest>,
    /// Requests of the same agent whose time is over and that have no end yet, at most [`MAX_OVERDUE`]: whoever learns of
    /// them records that.
    pub overdue: Vec<ApprovalRequest>,
    /// The request that brought about a hold on new requests of this agent.
    pub held_by: Option<RequestId>,
}

/// A request with what lies beside it; what was erased is absent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredRequest {
    /// The request.
    pub request: ApprovalRequest,
    /// The admitted action that opened it, canonical JSON.
    pub action: Option<Vec<u8>>,
    /// The admitted facts that it was judged by, canonical JSON; absent too where there were none.
    pub facts: Option<Vec<u8>>,
    /// The tokens of its votes.
    pub tokens: Vec<VoteToken>,
}

/// The token of a vote. Debug output doesn't show it.
#[derive(Clone, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a vote and its token")]
pub struct VoteToken {
    /// Who cast it.
    pub principal: Approver,
    /// Its `jti`.
    pub vote: ApprovalId,
    /// The token, a compact JWS.
    pub token: String,
}

impl fmt::Debug for VoteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoteToken")
            .field("principal", &self.principal)
            .field("vote", &self.vote)
            .finish_non_exhaustive()
    }
}

impl StoredRequest {
    /// A request that nothing lies beside.
    #[must_use]
    pub const fn new(request: ApprovalRequest) -> Self {
        Self {
            request,
            action: None,
            facts: None,
            tokens: Vec::new(),
        }
    }

    /// The tokens of its approving votes, in the order of the votes.
    pub fn approvals(&self) -> impl Iterator<Item = &VoteToken> {
        let is_approve = |token: &&VoteToken| {
            self.request.votes.iter().any(|vote| {
                vote.id == token.vote
                    && vote.principal == token.principal
                    && vote.kind == actionpass_model::VoteKind::Approve
            })
        };
        self.tokens.iter().filter(is_approve)
    }
}

/// Which requests are asked for. Everything that is set must hold.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestFilter {
    /// Whether they wait, or how they ended; a request whose time is over has expired, recorded or not.
    pub state: Option<StateFilter>,
    /// Of this tenant.
    pub tenant: Option<Tenant>,
    /// Of this agent.
    pub agent: Option<Agent>,
    /// Behind this one in the order of ids, which is that of their making.
    pub after: Option<RequestId>,
    /// So many at most; [`MAX_LISTED`] if it is absent or more.
    pub limit: Option<usize>,
}

/// Whether a request waits, or how it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a request waits or has ended")]
pub enum StateFilter {
    /// It waits.
    Live,
    /// It ended like this.
    Ended(EndState),
}

impl RequestFilter {
    /// Whether a request is asked for, but for its place and the limit. Every store uses it, so that they agree.
    #[must_use]
    pub fn admits(&self, request: &ApprovalRequest, now: Timestamp) -> bool {
        let is_in_state = match self.state {
            None => true,
            Some(StateFilter::Live) => request.is_live(now),
            Some(StateFilter::Ended(end)) => request.ended(now) == Some(end),
        };
        is_in_state
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == request.tenant)
            && self.agent.as_ref().is_none_or(|agent| *agent == request.actor.agent)
    }

    /// How many are given at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED)
    }
}

/// A change of a request.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct Change {
    /// The request.
    pub request: RequestId,
    /// The version that it is changed at.
    pub version: u64,
    /// What happens.
    pub step: Step,
    /// The token of a vote, where the step is one.
    pub token: Option<VoteToken>,
    /// The record, of kind `request`.
    pub record: RecordDraft,
}

/// What became of a change. Exhaustive on purpose: whoever changes a request must know each of them.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum ChangeOutcome {
    /// It is made and recorded; this is the request from now on.
    Changed(Box<ApprovalRequest>, SealedRecord),
    /// The request is at another version; this is it.
    Moved(Box<ApprovalRequest>),
    /// The law forbids it.
    Refused(RequestCode),
}

/// What a decision has to do with the queue.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct QueuePart {
    /// What it is about.
    pub key: RequestKey,
    /// The request that waited until now and is about something else: it is ended first.
    pub supersedes: Option<Change>,
    /// The request that waits.
    pub request: RequestPart,
}

/// What a decision does with the request that waits for its action.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must know each of them")]
pub enum RequestPart {
    /// Nothing: none waits.
    None,
    /// Nothing, whether one waits or not: of a deny, or of a step_up for which none could be opened.
    Apart,
    /// It opens one. Its `decision` is filled in by the store.
    Opens(Box<Open>),
    /// It joins this one, at this version.
    Joins(RequestId, u64),
    /// It is its allow, and settles this one, at this version.
    Settles(RequestId, u64),
}

impl QueuePart {
    /// Whether the record of the decision names the request that it opens, joins or settles, and what it opens is a request
    /// of its key that nothing happened to. Every store's `commit` asks it first.
    ///
    /// # Errors
    /// [`StoreCode::StoreMisused`].
    pub fn check_record(&self, record: &RecordDraft) -> Result<(), StoreError> {
        let misused = |problem: &'static str| Err(StoreError::with_source(StoreCode::StoreMisused, problem));
        let named = record.effects().request.as_ref();
        let is_named = match &self.request {
            RequestPart::None | RequestPart::Apart => true,
            RequestPart::Opens(open) => named == Some(&open.request.request.id),
            RequestPart::Joins(id, _) | RequestPart::Settles(id, _) => named == Some(id),
        };
        if !is_named {
            return misused("the record doesn't name the request");
        }
        let RequestPart::Opens(open) = &self.request else {
            return Ok(());
        };
        let request = &open.request.request;
        if let Err(error) = request.check() {
            return Err(StoreError::with_source(StoreCode::StoreMisused, error));
        }
        let is_new = request.version == 0 && request.end.is_none() && request.votes.is_empty();
        if !is_new || RequestKey::of(request) != self.key {
            return misused("what is opened is no new request of this action");
        }
        Ok(())
    }
}

/// A request to be opened.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is needed, and callers name it")]
pub struct Open {
    /// The request and what lies beside it; it has no votes, no end, and version 0.
    pub request: StoredRequest,
    /// How many there may be.
    pub limits: Limits,
    /// The client of a service that it came from.
    pub client: Option<Statement>,
}

/// What a store finds of a [`RequestKey`] when it commits a decision: enough to judge by.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a store fills in all of it")]
pub struct Found<'a> {
    /// The request that waits, with its version, once what the decision supersedes has ended.
    pub live: Option<(&'a RequestId, u64)>,
    /// Whether a decline answers the action.
    pub is_declined: bool,
}

/// What stands against a decision, as the queue has it. Every store's `commit` uses it, so that they agree.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a store must know each of them")]
pub enum Obstacle {
    /// There is a request to join.
    Joined(RequestId),
    /// The queue isn't what the decision was made by.
    Moved,
}

impl RequestPart {
    /// Whether the decision may be recorded.
    ///
    /// # Errors
    /// [`Obstacle`]: nothing may be written.
    pub fn check(&self, found: Found<'_>) -> Result<(), Obstacle> {
        match (self, found.live) {
            (Self::Apart, _) => Ok(()),
            // A decline was not known when it was made.
            _ if found.is_declined => Err(Obstacle::Moved),
            (Self::None | Self::Opens(_), None) => Ok(()),
            (Self::Opens(_), Some((id, _))) => Err(Obstacle::Joined(id.clone())),
            (Self::Joins(id, version) | Self::Settles(id, version), Some((live, at)))
                if id == live && *version == at =>
            {
                Ok(())
            }
            _ => Err(Obstacle::Moved),
        }
    }
}

/// The hashes of a request whose side data is erased from a salted log: nothing that is left confirms a guess.
pub fn hide(request: &mut ApprovalRequest) {
    for hash in [
        &mut request.action_hash,
        &mut request.payload_hash,
        &mut request.context_hash,
        &mut request.facts_hash,
    ] {
        *hash = Digest::ZERO;
    }
    for vote in &mut request.votes {
        vote.token_hash = Digest::ZERO;
    }
}

macro_rules! forward {
    ($pointer:ident) => {
        impl<T: QueueStore + ?Sized> QueueStore for $pointer<T> {
            fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
                (**self).request(id)
            }

            fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
                (**self).request_version(id)
            }

            fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
                (**self).request_client(id)
            }

            fn requests<'a>(
                &'a self,
                filter: &'a RequestFilter,
                now: Timestamp,
            ) -> StoreFuture<'a, Vec<ApprovalRequest>> {
                (**self).requests(filter, now)
            }

            fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
                (**self).change(change)
            }

            fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
                (**self).lift(request, record)
            }
        }
    };
}
forward!(Arc);
forward!(Box);
