//! [`Source`]: where the page has its requests from, and what becomes of votes. One is the issuer of the same process
//! ([`local`](super::local)), the other a service elsewhere that the page doesn't trust ([`remote`](super::remote)).

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_crypto::webauthn::Registration;
use actionpass_home::InvitationSecret;
use actionpass_model::{
    ApprovalId, ApprovalRequest, Approver, Issuer, KeyId, RequestId, RequestState, Role, Statement, Tenants, Timestamp,
};
use actionpass_policy::Requirement;
use actionpass_store::sessions::SessionStore;
use actionpass_verify::Trust;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::look::Looked;
use super::sessions::Person;
use crate::front::SharedFront;
use crate::problem::Refused;

/// What a source answers, or why it doesn't.
pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, Refused>>;

/// What every handler of the page gets.
pub(crate) type SharedHost = Arc<Host>;

/// The page, and where it has its requests from.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) front: SharedFront,
    pub(crate) source: Arc<dyn Source>,
    /// Who is signed in.
    pub(crate) sessions: Arc<dyn SessionStore>,
}

/// Where the page has its requests from.
pub(crate) trait Source: Debug + Send + Sync {
    /// The trust in force now: who signs in, and for how long.
    fn trust(&self) -> Answer<'_, Arc<Trust>>;

    /// A request, if this person sees it; others are unknown.
    fn look<'a>(&'a self, person: &'a Person, id: &'a RequestId) -> Answer<'a, Looked>;

    /// What waits and concerns this person, the oldest first, `most` at most; and whether there is more of it.
    fn waiting<'a>(&'a self, person: &'a Person, now: Timestamp, most: usize) -> Answer<'a, (Vec<Looked>, bool)>;

    /// What was opened behind this id, has ended and concerns this person: the newest `most`, the oldest first.
    fn ended<'a>(
        &'a self,
        person: &'a Person,
        now: Timestamp,
        after: RequestId,
        most: usize,
    ) -> Answer<'a, VecDeque<ApprovalRequest>>;

    /// Casts a vote that was signed.
    fn vote<'a>(&'a self, id: &'a RequestId, token: &'a str) -> Answer<'a, Voted>;

    /// Each request that changes, from now on; `None` where some may have been missed.
    fn changes(&self) -> BoxStream<'static, Option<RequestId>>;

    /// Whom an invitation is for.
    fn invited(&self, secret: InvitationSecret, now: Timestamp) -> Answer<'_, Invited>;

    /// Registers a passkey with an invitation, once. It waits then.
    fn register(&self, secret: InvitationSecret, registration: Registration, now: Timestamp) -> Answer<'_, Registered>;

    /// Whether it answers.
    fn is_ready(&self) -> BoxFuture<'_, bool>;
}

/// An approval request as it is now.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) request: ApprovalRequest,
    pub(crate) state: RequestState,
    /// What is missing, while it is pending.
    pub(crate) missing: Vec<Requirement>,
    /// Whether it waits and nobody can approve it any more.
    pub(crate) is_void: bool,
    /// Why somebody declined it, in their words.
    pub(crate) words: Option<Statement>,
    /// The votes that don't count any more, while it waits.
    pub(crate) dropped: Vec<ApprovalId>,
    /// What a vote is signed over; `None` once it was erased, and where it contradicts itself.
    pub(crate) subject: Option<Subject>,
    /// What somebody else told of it that doesn't fit together. Then nobody is asked to sign anything.
    pub(crate) contradiction: Option<String>,
}

/// What a vote is signed over.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Whose request it is: the audience of the vote.
    pub(crate) issuer: Issuer,
    pub(crate) action: BoundAction,
    pub(crate) facts: BoundFacts,
}

impl Review {
    /// Whether there is something to decide.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, RequestState::Pending | RequestState::Approved)
            && !self.is_void
            && self.contradiction.is_none()
    }
}

/// What became of a request with a vote.
#[derive(Debug)]
pub(crate) struct Voted {
    pub(crate) state: RequestState,
    pub(crate) text: String,
}

/// Whom an invitation is for.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) principal: Approver,
    pub(crate) roles: Vec<Role>,
    pub(crate) tenants: Tenants,
    pub(crate) expires_at: Timestamp,
}

/// A passkey that waits to be confirmed.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) principal: String,
    pub(crate) kid: KeyId,
    /// What confirms it.
    pub(crate) code: String,
}
