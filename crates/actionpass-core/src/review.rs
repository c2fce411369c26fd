//! [`Review`]: approval requests as people see them, and their votes.

use std::time::Duration;

use actionpass_canon::{BindError, BoundAction, BoundFacts};
use actionpass_crypto::Unverified;
use actionpass_model::{
    ApprovalId, ApprovalMode, ApprovalRequest, Approver, Assurance, Code, CodedError, Decision, Digest, EndState,
    Grant, KeyId, KeyUse, Principal, Reason, RefusalClaims, RequestBody, RequestChange, RequestId, Timestamp,
    UnixSeconds, Vote, VoteKind,
};
use actionpass_policy::{PolicyInput, Requirement, Verdict};
use actionpass_queue::{RequestCode, RequestKey, Step, refused};
use actionpass_store::{
    Change, ChangeOutcome, LedgerState, LookUp, QueueStore, RequestFilter, StoreCode, StoreError, StoredRequest,
    VoteToken,
};
use actionpass_verify::approval::{self, ApprovalContext, OfRequest, VerifiedApproval};
use actionpass_verify::{Trust, VerifyCode};
use uuid::Uuid;

use crate::authorize::{Authorizer, is_anybody_revoked};
use crate::environment::Ids;
use crate::error::clause;
use crate::offered::{Occasion, Offered, check_each};
use crate::queue::{MAX_MOVES, STORED_LIMITS, is_lost, required_approvals, standing};
use crate::{AuthorizeCode, AuthorizeError, Declined, RequestState};

/// An approval request as it is now: what policy says of the votes that verify now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Review {
    /// The request.
    pub request: ApprovalRequest,
    /// What it is.
    pub state: RequestState,
    /// What is missing, while it is pending.
    pub missing: Vec<Requirement>,
    /// Why it came to stand like this, while it waits: what policy says, and why approvals don't count.
    pub reasons: Vec<Reason>,
    /// What the votes that verify now grant, while it waits.
    pub grants: Vec<Grant>,
    /// Who said no, if that ended it.
    pub declined: Option<Declined>,
    /// The votes that don't verify any more, while it waits.
    pub dropped: Vec<DroppedVote>,
    /// The action; absent once it was erased.
    pub action: Option<BoundAction>,
    /// The facts that it was judged by.
    pub facts: BoundFacts,
}

/// A vote that grants nothing any more.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DroppedVote {
    /// Its id.
    pub id: ApprovalId,
    /// Who cast it.
    pub principal: Approver,
    /// What is wrong with it.
    pub codes: Vec<Code>,
}

/// Nothing was done to a request, and nothing is known of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The law of requests forbids it.
    #[error("{}{}", path.map(|path| format!("`{path}`: ")).unwrap_or_default(), clause(code.meaning()))]
    Request {
        /// Which.
        code: RequestCode,
        /// The claim that it is about, where it is about one.
        path: Option<&'static str>,
    },
    /// The vote doesn't verify.
    #[error("the vote does not verify: {}", codes.iter().map(Code::as_str).collect::<Vec<_>>().join(", "))]
    Vote {
        /// Every check that failed.
        codes: Vec<Code>,
    },
    /// A part of the issuer failed.
    #[error(transparent)]
    Failed(#[from] AuthorizeError),
}

impl Review {
    /// Whether it waits and nobody can approve it: another policy is in force than the one that it was opened under, or the store
    /// was restored since. Asking for the action again opens another one.
    #[must_use]
    pub fn is_void(&self) -> bool {
        let voids = |reason: &Reason| {
            reason.code == RequestCode::RequestStateLost || reason.code == RequestCode::RequestSuperseded
        };
        self.state == RequestState::Pending && self.reasons.iter().any(voids)
    }
}

impl ReviewError {
    /// The stable code: of several, the first in the order of the checks.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Request { code, .. } => (*code).into(),
            Self::Vote { codes } => codes
                .first()
                .cloned()
                .unwrap_or_else(|| VerifyCode::ApprovalMalformed.into()),
            Self::Failed(error) => error.code(),
        }
    }

    fn at(code: RequestCode, path: &'static str) -> Self {
        Self::Request { code, path: Some(path) }
    }
}

impl CodedError for ReviewError {
    fn code(&self) -> Code {
        self.code()
    }

    fn codes(&self) -> Vec<Code> {
        match self {
            Self::Vote { codes } => codes.clone(),
            other => vec![other.code()],
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Request { path, .. } => *path,
            _ => None,
        }
    }
}

impl From<RequestCode> for ReviewError {
    fn from(code: RequestCode) -> Self {
        Self::Request { code, path: None }
    }
}

impl From<StoreError> for ReviewError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<AuthorizeCode> for ReviewError {
    fn from(code: AuthorizeCode) -> Self {
        Self::Failed(code.into())
    }
}

/// What votes are judged by at one moment.
struct Moment<'a> {
    trust: &'a Trust,
    state: &'a LedgerState,
    now: Timestamp,
}

/// A request with the documents beside it, read again.
struct Opened {
    action: Option<BoundAction>,
    facts: BoundFacts,
}

impl Authorizer {
    fn requests(&self) -> Result<&dyn QueueStore, ReviewError> {
        // Without a queue there is no request of any id.
        self.queue().ok_or_else(|| RequestCode::RequestUnknown.into())
    }

    async fn found(&self, queue: &dyn QueueStore, id: &RequestId) -> Result<StoredRequest, ReviewError> {
        let stored = self.bounded(queue.request(id)).await?;
        stored.ok_or_else(|| RequestCode::RequestUnknown.into())
    }

    /// A request as it is now. What was noticed to be over is recorded on the way.
    ///
    /// # Errors
    /// [`RequestCode::RequestUnknown`]; [`AuthorizeCode::PolicyChanged`] where another policy is in force than the one asked.
    pub async fn review(&self, id: &RequestId) -> Result<Review, ReviewError> {
        let queue = self.requests()?;
        self.reviewed(self.found(queue, id).await?).await
    }

    /// A request as it is now, from what was read of it a moment ago.
    ///
    /// Which approvals are used is read after the request. A call may settle it in between: then its own votes look used, and it
    /// looks as if it waited for others. So where votes don't count, it is read again if it has moved.
    async fn reviewed(&self, mut stored: StoredRequest) -> Result<Review, ReviewError> {
        let queue = self.requests()?;
        for _ in 0..MAX_MOVES {
            let review = self.judged(stored).await?;
            let request = &review.request;
            if review.dropped.is_empty()
                || self.bounded(queue.request_version(&request.id)).await? == Some(request.version)
            {
                return Ok(review);
            }
            stored = self.found(queue, &request.id).await?;
        }
        Err(AuthorizeCode::Contention.into())
    }

    /// Requests as they are now, the oldest first.
    ///
    /// # Errors
    /// As [`review`](Self::review).
    pub async fn reviews(&self, filter: &RequestFilter) -> Result<Vec<Review>, ReviewError> {
        let queue = self.requests()?;
        let mut reviews = Vec::new();
        for request in self.bounded(queue.requests(filter, self.now()?)).await? {
            // One that is gone meanwhile is in no list.
            if let Some(stored) = self.bounded(queue.request(&request.id)).await? {
                reviews.push(self.reviewed(stored).await?);
            }
        }
        Ok(reviews)
    }

    /// Whether an approval by the owner of this key of the trust store would count, if nobody else gave any: who may decide on
    /// the request, approve it or decline it. `false` for a request that has ended, and for a key that doesn't hold now.
    ///
    /// # Errors
    /// As [`review`](Self::review).
    pub async fn may_vote(&self, review: &Review, kid: &KeyId) -> Result<bool, ReviewError> {
        let Some(action) = &review.action else { return Ok(false) };
        let now = self.now()?;
        let trust = self.current_trust().await?;
        let request = &review.request;
        let entry = trust.keyring().get(kid).filter(|entry| !entry.is_revoked());
        let Some(key) = entry.map(|entry| entry.trust()) else {
            return Ok(false);
        };
        let Some(approver) = &key.principal else {
            return Ok(false);
        };
        let holds = key.key_use == KeyUse::Approval
            && key.signs_at(now)
            && key.tenants.contains(&request.tenant)
            && !trust.is_principal_revoked(approver.as_str());
        if !holds || !request.is_live(now) {
            return Ok(false);
        }
        let known = self.look_up(LookUp::new()).await?;
        let moment = Moment {
            trust: &trust,
            state: &known.state,
            now,
        };
        let grant = Grant {
            id: ApprovalId::from_uuid(Uuid::nil()),
            mode: ApprovalMode::Human,
            approver: approver.clone(),
            roles: key.roles.clone(),
            assurance: Assurance::Signed,
            rules: Vec::new(),
        };
        let without = missing(&self.verdict(action, &review.facts, &[], &moment));
        let with = missing(&self.verdict(action, &review.facts, &[grant], &moment));
        Ok(matches!((without, with), (Some(without), Some(with)) if with < without))
    }

    /// Takes a vote: a compact JWS, the approval or the refusal of one who may approve. It is verified now, and again each
    /// time it is counted.
    ///
    /// An approval grants nothing until the action is retried; a refusal ends the request at once.
    ///
    /// # Errors
    /// [`ReviewError`]: nothing was recorded.
    pub async fn vote(&self, id: &RequestId, token: &str) -> Result<Review, ReviewError> {
        let queue = self.requests()?;
        for _ in 0..MAX_MOVES {
            let now = self.now()?;
            let stored = self.waiting(queue, id, now).await?;
            let change = self.vote_change(&stored, token, now).await?;
            match self.bounded(queue.change(change)).await? {
                ChangeOutcome::Changed(request, record) => {
                    tracing::info!(request = %request.id, record = record.seq(), "a vote was cast");
                    return self.review(id).await;
                }
                ChangeOutcome::Moved(_) => {}
                ChangeOutcome::Refused(code) => return Err(code.into()),
            }
        }
        Err(AuthorizeCode::Contention.into())
    }

    /// Takes a request back, for whoever runs the queue or asked for the action.
    ///
    /// # Errors
    /// [`ReviewError`]: nothing was recorded.
    pub async fn cancel(&self, id: &RequestId, by: Option<Principal>) -> Result<Review, ReviewError> {
        self.end(id, by, RequestCode::RequestWithdrawn).await
    }

    async fn end(&self, id: &RequestId, by: Option<Principal>, code: RequestCode) -> Result<Review, ReviewError> {
        let queue = self.requests()?;
        for _ in 0..MAX_MOVES {
            let now = self.now()?;
            let stored = self.waiting(queue, id, now).await?;
            let change = self.cancellation(&mut Ids::new(), &stored.request, by.clone(), code, now)?;
            match self.bounded(queue.change(change)).await? {
                ChangeOutcome::Changed(..) => return self.review(id).await,
                ChangeOutcome::Moved(_) => {}
                ChangeOutcome::Refused(code) => return Err(code.into()),
            }
        }
        Err(AuthorizeCode::Contention.into())
    }

    /// Lifts the hold on new requests of this request's agent ([`RequestCode::RequestsHeld`]), whichever of its requests brought
    /// it about. `false` if there is none.
    ///
    /// # Errors
    /// [`ReviewError`]: nothing was recorded.
    pub async fn lift_hold(&self, id: &RequestId, by: Option<Principal>) -> Result<bool, ReviewError> {
        let queue = self.requests()?;
        let now = self.now()?;
        let stored = self.found(queue, id).await?;
        let question = LookUp::new().of_request(RequestKey::of(&stored.request), now);
        let known = standing(self.look_up(question).await?.standing)?;
        let Some(held_by) = known.held_by else { return Ok(false) };
        let holding = self.found(queue, &held_by).await?;
        let request = &holding.request;
        let mut body = RequestBody::new(held_by.clone(), RequestChange::Lift, request.action_hash);
        body.principal = by;
        let record = self.change_record(&mut Ids::new(), body, &request.tenant, now)?;
        Ok(self.bounded(queue.lift(held_by, record)).await?.is_some())
    }

    /// Ends every request that was opened before the store was restored: which votes were used since, nobody knows. How many
    /// there were.
    ///
    /// # Errors
    /// [`ReviewError`]: some may be ended.
    pub async fn cancel_lost_requests(&self) -> Result<usize, ReviewError> {
        let queue = self.requests()?;
        let restored = self.bounded(self.parts.store.state()).await?.restored;
        if restored.is_none() {
            return Ok(0);
        }
        let mut ended: usize = 0;
        let mut filter = RequestFilter::default();
        loop {
            let page = self.bounded(queue.requests(&filter, self.now()?)).await?;
            let Some(last) = page.last() else { return Ok(ended) };
            filter.after = Some(last.id.clone());
            for request in page {
                if request.end.is_none() && is_lost(&request, restored) {
                    match self.end(&request.id, None, RequestCode::RequestStateLost).await {
                        Ok(_) => ended = ended.saturating_add(1),
                        // Somebody else was faster.
                        Err(ReviewError::Request { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// Waits until a request is approved or has ended, for so long at most.
    ///
    /// # Errors
    /// As [`review`](Self::review).
    pub async fn wait_for(&self, id: &RequestId, wait: Duration) -> Result<Review, ReviewError> {
        let queue = self.requests()?;
        let mut review = self.review(id).await?;
        let mut waited = Duration::ZERO;
        while review.state == RequestState::Pending && !review.is_void() && waited < wait && !self.is_over() {
            let left = wait.saturating_sub(waited);
            let (nap, has_moved) = self.nap(queue, id, review.request.version, left).await?;
            waited = waited.saturating_add(nap);
            if has_moved || review.request.is_over(self.now()?) {
                review = self.review(id).await?;
            }
        }
        // What verified when it was looked at last may not any more, and the other way round.
        self.review(id).await
    }

    async fn judged(&self, stored: StoredRequest) -> Result<Review, ReviewError> {
        let now = self.now()?;
        let queue = self.requests()?;
        let overdue = overdue(&stored.request, now);
        let stored = if !overdue.is_empty() && self.close_overdue(queue, overdue, now).await? {
            let id = &stored.request.id;
            self.found(queue, id).await?
        } else {
            stored
        };
        let Opened { action, facts } = self.open(&stored)?;
        let mut review = Review {
            state: RequestState::Pending,
            missing: Vec::new(),
            reasons: Vec::new(),
            grants: Vec::new(),
            dropped: Vec::new(),
            declined: None,
            action,
            facts,
            request: stored.request.clone(),
        };
        if let Some(end) = stored.request.ended(now) {
            review.state = end.into();
            if end == EndState::Declined {
                review.declined = self.declined(&stored, &*self.current_trust().await?);
            }
            return Ok(review);
        }
        let known = self.look_up(LookUp::new()).await?;
        self.check_policy(&known.state)?;
        if is_lost(&stored.request, known.state.restored) {
            review.reasons = vec![Reason::new(RequestCode::RequestStateLost)];
            return Ok(review);
        }
        if stored.request.policy.digest != self.parts.policy.digest() {
            let superseded = Reason::new(RequestCode::RequestSuperseded);
            review.reasons = vec![superseded.with_path("policy")];
            return Ok(review);
        }
        let trust = self.current_trust().await?;
        let moment = Moment {
            trust: &trust,
            state: &known.state,
            now,
        };
        self.judge_votes(&stored, &moment, &mut review).await?;
        Ok(review)
    }

    /// What policy says now of the votes that verify now.
    async fn judge_votes(
        &self,
        stored: &StoredRequest,
        moment: &Moment<'_>,
        review: &mut Review,
    ) -> Result<(), ReviewError> {
        // A request whose side data is gone has ended.
        let Some(action) = &review.action else {
            return Err(corrupt("a request waits and its action is gone"));
        };
        let request = &stored.request;
        let occasion = Occasion {
            action,
            action_id: &request.action_id,
            facts_hash: request.facts_hash,
            request: OfRequest::Only(&request.id),
            policy_digest: self.parts.policy.digest(),
            at: moment.now,
            restored: moment.state.restored,
        };
        let mut used = Vec::new();
        let offered = loop {
            let mut offered = Offered::default();
            review.dropped.clear();
            for vote in stored.approvals() {
                let checked = check_each([&vote.token], &self.config, &occasion, moment.trust);
                let mut one = Offered::of(checked, occasion.request, occasion.restored, &used);
                if one.refs().is_empty() {
                    review.dropped.push(DroppedVote {
                        id: vote.vote.clone(),
                        principal: vote.principal.clone(),
                        codes: one.reasons().iter().map(|reason| reason.code.clone()).collect(),
                    });
                }
                offered.approvals.append(&mut one.approvals);
            }
            // Each is found used at most once, so this ends.
            let known = self.look_up(LookUp::new().of_approvals(offered.refs())).await?;
            if known.used.is_empty() {
                break offered;
            }
            used.extend(known.used);
        };
        review.grants = offered.grants();
        let verdict = self.verdict(action, &review.facts, &review.grants, moment);
        review.state = match verdict.decision {
            Decision::Allow => RequestState::Approved,
            Decision::Deny | Decision::StepUp => RequestState::Pending,
        };
        review.missing = verdict.required;
        review.reasons = verdict.reasons;
        Ok(())
    }

    fn verdict(&self, action: &BoundAction, facts: &BoundFacts, grants: &[Grant], moment: &Moment<'_>) -> Verdict {
        if moment.trust.is_expired(moment.now.to_unix_seconds()) {
            return Verdict::deny_with(VerifyCode::TrustExpired);
        }
        if is_anybody_revoked(action, moment.trust) {
            return Verdict::deny_with(VerifyCode::PrincipalRevoked);
        }
        self.parts
            .policy
            .evaluate(&PolicyInput::new(action, facts, grants).at(moment.now))
    }

    /// The request, if it waits; where its time is over or its state lost, that is recorded.
    async fn waiting(
        &self,
        queue: &dyn QueueStore,
        id: &RequestId,
        now: Timestamp,
    ) -> Result<StoredRequest, ReviewError> {
        let stored = self.found(queue, id).await?;
        if let Some(code) = refused(&stored.request, now) {
            self.close_overdue(queue, overdue(&stored.request, now), now).await?;
            return Err(code.into());
        }
        Ok(stored)
    }

    /// The change that a vote makes, if it is one.
    async fn vote_change(&self, stored: &StoredRequest, token: &str, now: Timestamp) -> Result<Change, ReviewError> {
        let request = &stored.request;
        let trust = self.current_trust().await?;
        let context = self.vote_context(request, self.parts.policy.digest(), now.to_unix_seconds());
        // The type of the token says what it is; whether it is authentic is checked next.
        let is_refusal = Unverified::<RefusalClaims>::parse(token).is_ok();
        let refused = |refusal: approval::ApprovalRefusal| ReviewError::Vote { codes: refusal.codes };
        let (kind, change, yes) = if is_refusal {
            let refusal = approval::check_refusal(token, &context, &trust).map_err(refused)?;
            (VoteKind::Decline, RequestChange::Decline, refusal.refused().clone())
        } else {
            let approval = approval::check(token, &context, &trust).map_err(refused)?;
            (VoteKind::Approve, RequestChange::Approve, approval)
        };
        check_terms(&yes, request)?;

        let known = self.look_up(LookUp::new().of_approvals(vec![yes.to_ref()])).await?;
        self.check_policy(&known.state)?;
        if is_lost(request, known.state.restored) {
            return Err(RequestCode::RequestStateLost.into());
        }
        let vote_code = |code: AuthorizeCode| ReviewError::Vote {
            codes: vec![code.into()],
        };
        if known.state.restored.is_some_and(|start| yes.given() < start) {
            return Err(vote_code(AuthorizeCode::ApprovalStateLost));
        }
        if !known.used.is_empty() {
            return Err(vote_code(AuthorizeCode::ApprovalUsed));
        }
        if request.policy.digest != self.parts.policy.digest() {
            return Err(ReviewError::at(RequestCode::RequestSuperseded, "policy"));
        }
        let Opened { action, facts } = self.open(stored)?;
        let action = action.ok_or_else(|| corrupt("a request waits and its action is gone"))?;
        let moment = Moment {
            trust: &trust,
            state: &known.state,
            now,
        };
        // Only whoever could say yes can say no. Whether it is needed beside the others isn't asked: one of these may fall away.
        let without = missing(&self.verdict(&action, &facts, &[], &moment));
        let with = missing(&self.verdict(&action, &facts, &[yes.grant()], &moment));
        if !matches!((without, with), (Some(without), Some(with)) if with < without) {
            return Err(RequestCode::VoteNotCounted.into());
        }

        let mut body = RequestBody::new(request.id.clone(), change, request.action_hash);
        body.principal = Some(Principal::from(yes.approver()));
        body.vote = Some(yes.id().clone());
        body.token_hash = Some(yes.token_hash());
        body.policy = Some(request.policy.clone());
        let vote = Vote {
            id: yes.id().clone(),
            principal: yes.approver().clone(),
            kind,
            at: now,
            assurance: yes.assurance(),
            token_hash: yes.token_hash(),
        };
        Ok(Change {
            request: request.id.clone(),
            version: request.version,
            token: Some(VoteToken {
                principal: vote.principal.clone(),
                vote: vote.id.clone(),
                token: token.to_owned(),
            }),
            step: Step::Vote {
                vote,
                holds: self.config.requests.decline_holds,
            },
            record: self.change_record(&mut Ids::new(), body, &request.tenant, now)?,
        })
    }

    /// What a vote on a request must be for.
    pub(crate) fn vote_context<'a>(
        &'a self,
        request: &'a ApprovalRequest,
        policy_digest: Digest,
        at: UnixSeconds,
    ) -> ApprovalContext<'a> {
        ApprovalContext {
            issuer: &self.config.issuer,
            tenant: &request.tenant,
            agent: &request.actor.agent,
            via: &request.actor.via,
            action_hash: request.action_hash,
            payload_hash: request.payload_hash,
            context_hash: request.context_hash,
            facts_hash: request.facts_hash,
            request: OfRequest::Only(&request.id),
            action_id: &request.action_id,
            policy_digest,
            at,
            // A vote is a token: somebody signed it.
            dangerously_accept_asserted: false,
        }
    }

    /// Another process may have put another policy into force: what this one says counts no more.
    fn check_policy(&self, state: &LedgerState) -> Result<(), ReviewError> {
        match state.policy {
            Some(digest) if digest != self.parts.policy.digest() => Err(AuthorizeCode::PolicyChanged.into()),
            _ => Ok(()),
        }
    }

    /// What lies beside a request, held against its hashes: what was put in another's place decides nothing.
    fn open(&self, stored: &StoredRequest) -> Result<Opened, ReviewError> {
        let request = &stored.request;
        let Some(bytes) = &stored.action else {
            return Ok(Opened {
                action: None,
                facts: BoundFacts::none(),
            });
        };
        let unreadable = |_: BindError| corrupt("what lies beside a request can't be read");
        let action = BoundAction::admit(bytes, &STORED_LIMITS).map_err(unreadable)?;
        let facts = match &stored.facts {
            Some(bytes) => BoundFacts::admit(bytes, &STORED_LIMITS).map_err(unreadable)?,
            None => BoundFacts::none(),
        };
        let is_the_same = action.action_hash() == request.action_hash
            && action.payload_hash() == request.payload_hash
            && action.context_hash() == request.context_hash
            && facts.hash() == request.facts_hash;
        if !is_the_same {
            return Err(corrupt("what lies beside a request is not what it is about"));
        }
        Ok(Opened {
            action: Some(action),
            facts,
        })
    }
}

/// What every vote says, and what none says.
fn check_terms(yes: &VerifiedApproval, request: &ApprovalRequest) -> Result<(), ReviewError> {
    let incomplete = |path| Err(ReviewError::at(RequestCode::VoteIncomplete, path));
    // Nobody signed it, so it says nothing.
    let Some(terms) = yes.terms() else {
        return incomplete("approval");
    };
    // What is present was found to be what it must be.
    if terms.request.is_none() {
        return incomplete("approval.request");
    }
    if terms.mode != ApprovalMode::Human {
        return incomplete("approval.mode");
    }
    if terms.policy_digest.is_none() {
        return incomplete("approval.policyDigest");
    }
    if terms.context_hash.is_none() {
        return incomplete("approval.contextHash");
    }
    if terms.facts_hash.is_none() {
        return incomplete("approval.factsHash");
    }
    if terms.shown.is_none() {
        return incomplete("approval.shown");
    }
    if terms.action_id.is_some() {
        return incomplete("approval.actionId");
    }
    let rules = terms.rules.as_deref().unwrap_or_default();
    if rules.is_empty() || !rules.iter().all(|rule| request.rules.contains(rule)) {
        return incomplete("approval.rules");
    }
    if yes.expires() != request.expires_at.to_unix_seconds() {
        return incomplete("exp");
    }
    Ok(())
}

/// How many approvals a verdict misses; `None` where none would turn it.
fn missing(verdict: &Verdict) -> Option<u64> {
    match verdict.decision {
        Decision::Allow => Some(0),
        Decision::Deny => None,
        Decision::StepUp => {
            let counts = required_approvals(verdict).into_iter().map(|required| required.count);
            Some(counts.fold(0, u64::saturating_add))
        }
    }
}

fn overdue(request: &ApprovalRequest, now: Timestamp) -> Vec<ApprovalRequest> {
    let is_overdue = request.end.is_none() && request.is_over(now);
    is_overdue.then(|| request.clone()).into_iter().collect()
}

fn corrupt(problem: &'static str) -> ReviewError {
    StoreError::with_source(StoreCode::StoreCorrupt, problem).into()
}
