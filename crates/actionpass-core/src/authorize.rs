//! [`Authorizer`]: from an action to a decision, and for an allow to a pass.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use actionpass_canon::{BoundAction, BoundFacts, names};
use actionpass_crypto::{SignError, Signer, SigningInput, Unverified, sign_document};
use actionpass_model::{
    ActionId, ApprovalRequest, Audience, Decision, DecisionBody, DecisionMode, KeyId, KeyStatus, KeyUse,
    MAX_APPROVAL_LIFETIME, MAX_APPROVALS, PassClaims, PassEvidence, PassId, Reason, RecordId, Tenant, Timestamp, Tool,
    Trace, TrustEvidence, TrustKey, UnixSeconds,
};
use actionpass_policy::{PolicyEngine, PolicyInput, Verdict};
use actionpass_queue::RequestCode;
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{
    ActionKey, Allow, Batch, CommitOutcome, DecisionCommit, DecisionStore, Issued, Known, LedgerExt as _, LedgerState,
    LookUp, QueuePart, QueueStore, ReplayStore, RequestPart, SideKind, StoreCode, StoreError, StoreFuture,
    StoredRequest, newest_trust,
};
use actionpass_verify::approval::{OfRequest, VerifiedApproval};
use actionpass_verify::{Call, Clock, Trust, TrustSource, Verifier, VerifyCode};
use uuid::Uuid;

use crate::call::{AdmittedCall, Asked, Judged, Round, Settled, SignedPass, Tries};
use crate::environment::{Ids, Random, RequestWatch, System, Timer, random_salt, within};
use crate::offered::{Checked, MAX_OFFERED, Occasion, Offered, check_each};
use crate::queue::{MAX_MOVES, Recent, Waits, standing};
use crate::quota::{Quota, Who};
use crate::source::{ApprovalAnswer, ApprovalQuestion, ApprovalSource};
use crate::{
    AdminError, Authorization, AuthorizeCode, AuthorizeError, IssuedPass, IssuerConfig, MAX_DENIED_PAYLOAD_BYTES,
    Request, RequestState, documents, log,
};

/// How often an authorization starts over when trust or policy changed under it.
const MAX_ROUNDS: usize = 3;

/// The issuer: judges actions by policy, records every decision, and signs passes for what is allowed.
///
/// Everything it needs is a trait, so that custodian, policy, trust, store and clock can be swapped; a failure of any
/// of them yields no pass.
#[derive(Clone, Debug)]
pub struct Authorizer {
    pub(crate) config: IssuerConfig,
    /// What signs, or why nothing does: then nothing is allowed, and every other decision is made as ever.
    key: Result<Arc<dyn Signer>, AuthorizeError>,
    pub(crate) parts: Parts,
    clock: Arc<dyn Clock>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) watch: Option<Arc<dyn RequestWatch>>,
    pub(crate) random: Arc<dyn Random>,
    approvals: Option<Arc<dyn ApprovalSource>>,
    replay: Option<Arc<dyn ReplayStore>>,
    quota: Arc<Quota>,
    pub(crate) recent: Arc<Recent>,
}

#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) policy: Arc<dyn PolicyEngine>,
    pub(crate) trust: Arc<dyn TrustSource>,
    pub(crate) store: Arc<dyn DecisionStore>,
    /// The same store, where it keeps approval requests.
    pub(crate) queue: Option<Arc<dyn QueueStore>>,
}

/// What an issuer can't do without.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of them are needed, and callers name them")]
pub struct AuthorizerParts {
    /// The key that signs passes.
    pub signer: Arc<dyn Signer>,
    /// What judges.
    pub policy: Arc<dyn PolicyEngine>,
    /// Whom it believes.
    pub trust: Arc<dyn TrustSource>,
    /// Where decisions are recorded.
    pub store: Arc<dyn DecisionStore>,
}

/// An [`Authorizer`] in the making. Clock, timer and randomness are the operating system's unless they are set.
#[derive(Debug)]
pub struct AuthorizerBuilder(Authorizer);

impl AuthorizerBuilder {
    /// Goes by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// Bounds what it waits for by this timer.
    #[must_use]
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.0.timer = timer;
        self
    }

    /// Makes ids and salts of this randomness.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.0.random = random;
        self
    }

    /// Keeps approval requests: a step_up opens or joins one, an allow settles it. This is the store of its decisions from
    /// now on, whatever it was built with.
    #[must_use]
    pub fn with_requests(mut self, store: Arc<dyn QueueStore>) -> Self {
        self.0.parts.store = Arc::clone(&store) as _;
        self.0.parts.queue = Some(store);
        self
    }

    /// Learns from this watch that approval requests move, in the place of looking at the store.
    #[must_use]
    pub fn with_request_watch(mut self, watch: Arc<dyn RequestWatch>) -> Self {
        self.0.watch = Some(watch);
        self
    }

    /// Asks this source for approvals whenever policy steps up, and judges again.
    #[must_use]
    pub fn with_approval_source(mut self, source: Arc<dyn ApprovalSource>) -> Self {
        self.0.approvals = Some(source);
        self
    }

    /// Looks here whether a pass was used before it is given out again to the same caller.
    #[must_use]
    pub fn with_replay_store(mut self, store: Arc<dyn ReplayStore>) -> Self {
        self.0.replay = Some(store);
        self
    }

    /// The issuer.
    ///
    /// Revocations that a crash kept out of the ledger are appended by
    /// [`Administrator::open`](crate::Administrator::open), which an [`Issuer`](crate::Issuer) calls and a program of its
    /// own before this.
    ///
    /// # Errors
    /// [`AuthorizeCode::SignerNotTrusted`] and the other codes of signers unless the trust store has the signer's key as
    /// an active pass key of this issuer; [`VerifyCode::ClockUnknown`]; what [`TrustSource::current`] gives.
    pub async fn build(self) -> Result<Authorizer, AuthorizeError> {
        self.0.checked().await
    }

    /// The issuer, whatever becomes of its key.
    pub(crate) fn unchecked(self) -> Authorizer {
        self.0
    }
}

impl Authorizer {
    /// An issuer of these parts; what else it may have is set by the builder.
    #[must_use]
    pub fn builder(config: IssuerConfig, parts: AuthorizerParts) -> AuthorizerBuilder {
        let AuthorizerParts {
            signer,
            policy,
            trust,
            store,
        } = parts;
        Self::with_key(config, Ok(signer), policy, trust, store)
    }

    /// The same, or an issuer whose key could not be opened: what would be allowed is denied, and recorded so.
    pub(crate) fn with_key(
        config: IssuerConfig,
        key: Result<Arc<dyn Signer>, AuthorizeError>,
        policy: Arc<dyn PolicyEngine>,
        trust: Arc<dyn TrustSource>,
        store: Arc<dyn DecisionStore>,
    ) -> AuthorizerBuilder {
        AuthorizerBuilder(Self {
            config,
            key,
            parts: Parts {
                policy,
                trust,
                store,
                queue: None,
            },
            clock: Arc::new(System),
            timer: Arc::new(System),
            watch: None,
            random: Arc::new(System),
            approvals: None,
            replay: None,
            quota: Arc::default(),
            recent: Arc::default(),
        })
    }

    /// The same issuer with another policy, to be asked from now on.
    #[must_use]
    pub(crate) fn with_policy(&self, policy: Arc<dyn PolicyEngine>) -> Self {
        let mut issuer = self.clone();
        issuer.parts.policy = policy;
        issuer
    }

    /// The same issuer with another key, which the trust store must believe.
    pub(crate) async fn with_signer(&self, signer: Arc<dyn Signer>) -> Result<Self, AuthorizeError> {
        let mut issuer = self.clone();
        issuer.key = Ok(signer);
        issuer.checked().await
    }

    /// The same issuer with the key of another, which was checked there.
    pub(crate) fn with_checked_signer(&self, other: &Self) -> Self {
        let mut issuer = self.clone();
        issuer.key = other.key.clone();
        issuer
    }

    async fn checked(self) -> Result<Self, AuthorizeError> {
        let now = self.now()?;
        self.check_signer(&*self.current_trust().await?, now)?;
        Ok(self)
    }

    /// The key that it signs with, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&KeyId> {
        self.key.as_ref().ok().map(|signer| signer.public_key().kid())
    }

    pub(crate) async fn trust(&self) -> Result<Arc<Trust>, AuthorizeError> {
        self.current_trust().await
    }

    /// Has the key sign a probe, which can never be a document, and verifies that: whether it would sign a pass now. Whether
    /// trust can be had is a question of its own: where it can't, the custodian alone is asked.
    ///
    /// # Errors
    /// [`AuthorizeError`]: it would not.
    pub async fn probe_signer(&self) -> Result<(), AuthorizeError> {
        let signer = self.key.as_ref().map_err(Clone::clone)?;
        if let Ok(trust) = self.current_trust().await {
            self.check_signer(&trust, self.now()?)?;
        }
        let mut nonce = [0; 32];
        if !self.random.fill(&mut nonce) {
            return Err(AuthorizeCode::RandomnessUnavailable.into());
        }
        let input = SigningInput::probe(&nonce, signer.public_key());
        let signed = within(&*self.timer, self.config.signing_timeout, signer.sign(&input)).await;
        let custodian = || signer.custodian().into();
        let signature = signed.ok_or_else(|| SignError::TimedOut { custodian: custodian() })??;
        let verified = signer.public_key().verify(&input, &signature);
        Ok(verified.map_err(|_| SignError::SelfCheckFailed { custodian: custodian() })?)
    }

    /// What the issuer was configured with.
    #[must_use]
    pub const fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// The policy that it judges by.
    #[must_use]
    pub const fn policy(&self) -> &Arc<dyn PolicyEngine> {
        &self.parts.policy
    }

    /// The audience of a call: the one that the policy's files give the tool, else as [`IssuerConfig::audience`] has it. `None` if
    /// the one asked for is not to be had.
    #[must_use]
    pub fn audience(&self, tool: &Tool, asked: Option<&Audience>) -> Option<Audience> {
        match self.parts.policy.audience(tool) {
            Some(named) => asked.is_none_or(|asked| asked == named).then(|| named.clone()),
            None => self.config.audience(tool, asked),
        }
    }

    /// Decides on an action, records the decision, and only then releases the pass, if it is allowed.
    ///
    /// The same id and action of the same caller give the same pass again while it would still verify and isn't used;
    /// never a second one. A deny or step_up is judged afresh every time.
    ///
    /// # Errors
    /// [`AuthorizeError`]: there is no pass. Whatever failed after the action was judged is recorded as a deny if the
    /// store still works, and so is what is refused before: a request that contradicts its host or itself, under the
    /// caller that the host names, without its payload. Of each agent so many refusals a minute get a record of their
    /// own; the next record of that agent counts the others. Requests for tenants and agents that the issuer doesn't
    /// serve leave none.
    pub async fn authorize(&self, request: Request<'_>) -> Result<Authorization, AuthorizeError> {
        self.authorize_on(&request, &mut Asked::default()).await
    }

    /// The same, going on where an issuer of before, whose policy or key was replaced meanwhile, had to stop.
    pub(crate) async fn authorize_on(
        &self,
        request: &Request<'_>,
        asked: &mut Asked,
    ) -> Result<Authorization, AuthorizeError> {
        let outcome = self.decide(request, asked).await;
        log::decided(&outcome);
        outcome
    }

    /// Judges until there is an answer, and waits for people in between. Judging takes much more memory than waiting, and many
    /// calls wait at once: so each round has its own, and gives it back.
    async fn decide(&self, request: &Request<'_>, asked: &mut Asked) -> Result<Authorization, AuthorizeError> {
        let now = self.now()?;
        let mut call = match self.admit(request, now) {
            Ok(call) => call,
            Err(error) => return Err(Box::pin(self.refuse_before(request, error, now)).await),
        };
        if call.mode == Some(DecisionMode::Observe) {
            return Box::pin(self.observe(request, call, now)).await;
        }
        call.offer(&asked.tokens);
        let mut tries = Tries::default();
        loop {
            match Box::pin(self.round(request, &mut call, asked, &mut tries)).await? {
                Round::Settled(authorization) => return Ok(*authorization),
                Round::Again => {}
                Round::Waits(recorded, version) => {
                    if let (Some(queue), Some(waiting)) = (self.queue(), &recorded.request)
                        && self.park(queue, waiting, version, call.wait, asked).await?
                    {
                        log::decision(&recorded);
                    } else {
                        return Ok(*recorded);
                    }
                }
            }
        }
    }

    /// Judges what is only observed, and records it.
    async fn observe(
        &self,
        request: &Request<'_>,
        mut call: AdmittedCall<'_>,
        now: Timestamp,
    ) -> Result<Authorization, AuthorizeError> {
        let trust = self.current_trust().await?;
        let state = self.look_up(LookUp::new()).await?.state;
        if let Err(error) = self.config.facts.check_age(&call.facts, now) {
            return Err(self.refuse_before(request, error, now).await);
        }
        let judged = self.judge(&call, Offered::default(), &Waits::NoQueue, &trust, now);
        if state.policy.is_some_and(|digest| digest != self.parts.policy.digest()) {
            return Err(self
                .fail(&mut call, judged, AuthorizeCode::PolicyChanged.into(), now)
                .await);
        }
        // Not as a commit: nothing is settled by it, and an allow of the same action id stays what it is.
        let decision = judged.verdict.decision;
        let body = documents::refused(&call, &judged, decision, judged.reasons.clone());
        let entry = self.entry(&mut call, body, None, now)?;
        let appended = self.bounded(self.parts.store.append_one(entry.record)).await?;
        self.settle(&call);
        Ok(call.answer(&judged, decision, None, appended.to_ref()))
    }

    /// Judges once, and records what comes of it.
    async fn round(
        &self,
        request: &Request<'_>,
        call: &mut AdmittedCall<'_>,
        asked: &mut Asked,
        tries: &mut Tries,
    ) -> Result<Round, AuthorizeError> {
        if tries.moves > MAX_MOVES {
            let error = AuthorizeCode::Contention.into();
            return Err(self.refuse_before(request, error, self.now()?).await);
        }
        // Afresh in every round: asking for approvals may have taken a while.
        let now = self.now()?;
        let trust = self.current_trust().await?;
        let mut question = LookUp::new().of_action(call.key.clone());
        if self.parts.queue.is_some() {
            question = question.of_request(Self::request_key(call), now);
        }
        let known = self.parts.store.look_up(question);
        // While the store looks. Which request waits isn't known yet, and is compared afterwards.
        let mut checked = self.check(call, &call.offered, OfRequest::Any, &trust, now);
        let known = self.bounded(known).await?;
        // What the front door refuses gets no pass of before either: the store says that there is one.
        if let Some(issued) = known.issued.filter(|_| call.refusal.is_none()) {
            // A decline answers every action of its hash, whatever it was allowed for before.
            let is_declined = known.standing.is_some_and(|standing| standing.declined.is_some());
            let answer = if is_declined {
                Err(AuthorizeCode::ApprovalDeclined.into())
            } else {
                self.again(call, issued, &known.state, trust, now).await
            };
            return match answer {
                Err(error) if error.is(AuthorizeCode::ActionIdReused) || error.is(AuthorizeCode::ApprovalDeclined) => {
                    Err(self.refuse_before(request, error, now).await)
                }
                answer => answer.map(|answer| Round::Settled(Box::new(answer))),
            };
        }
        let mut state = known.state;
        let names_itself = call.action.action().id.is_some();
        if names_itself
            && state
                .restored
                .is_some_and(|start| is_forgotten(&call.key.action, start, now))
        {
            let error = AuthorizeError::at(AuthorizeCode::ApprovalStateLost, "id");
            return Err(self.refuse_before(request, error, now).await);
        }
        // A pass of before holds whatever became of its facts; what is judged now is judged by facts of now.
        if let Err(error) = self.config.facts.check_age(&call.facts, now) {
            return Err(self.refuse_before(request, error, now).await);
        }
        let waits = match self.queue() {
            None => Waits::NoQueue,
            Some(queue) => {
                let standing = standing(known.standing)?;
                if self.close_overdue(queue, standing.overdue, now).await? {
                    tries.moves = tries.moves.saturating_add(1);
                    return Ok(Round::Again);
                }
                call.held_by = standing.held_by;
                if let Some(stored) = standing.declined {
                    let denied = self.deny_declined(call, &stored, &trust, now).await?;
                    return Ok(Round::Settled(Box::new(denied)));
                }
                let waits = self.waits(call, standing.live, state.restored);
                // Nor where another request has taken its place: two who wait would end each other's for ever.
                if waits.request().is_none()
                    && let Some(end) = self.ended_meanwhile(queue, asked, now).await?
                {
                    // What was waited for is over, and nobody asked for another one.
                    call.opens = false;
                    call.remarks = vec![Reason::new(RequestCode::of_end(end))];
                }
                waits
            }
        };
        checked.append(&mut self.check(call, waits.tokens(), waits.of_request(), &trust, now));
        let offered = Offered::of(checked, waits.of_request(), state.restored, &call.used);
        let judged = self.judge(call, offered, &waits, &trust, now);
        if judged.verdict.decision != Decision::Allow {
            // What an allow relies on the store looks at when it commits. A refusal says how much is missing, and must
            // not count what was used before: judged again without it, it says the right number.
            if !judged.told.is_empty() {
                let used = self
                    .parts
                    .store
                    .look_up(LookUp::new().of_approvals(judged.told.clone()));
                let known = self.bounded(used).await?;
                // Each of them is found at most once, so this ends; not only up to the first that is new.
                if known.used.iter().filter(|approval| call.discard(approval)).count() > 0 {
                    return Ok(Round::Again);
                }
                state = known.state;
            }
            // Whether another policy is in force: of an allow the store sees to it.
            if state.policy.is_some_and(|digest| digest != self.parts.policy.digest()) {
                return Err(self.fail(call, judged, AuthorizeCode::PolicyChanged.into(), now).await);
            }
            // Recorded before anybody waits: the wait may outlive this process.
            let Some((recorded, waiting)) = self.refuse(call, &judged, &waits, now).await? else {
                tries.moves = tries.moves.saturating_add(1);
                return Ok(Round::Again);
            };
            if judged.verdict.decision != Decision::StepUp {
                return Ok(Round::Settled(Box::new(recorded)));
            }
            // What is returned is told to the log by whoever returns it; this record isn't.
            if let Some(source) = self.approvals.as_ref().filter(|_| !asked.was_asked) {
                asked.was_asked = true;
                match self.ask(&**source, call, &judged.verdict, waiting.as_ref()).await {
                    ApprovalAnswer::Tokens(tokens) if !tokens.is_empty() => {
                        asked.tokens = tokens;
                        log::decision(&recorded);
                        call.offer(&asked.tokens);
                        return Ok(Round::Again);
                    }
                    ApprovalAnswer::Declined { token } => {
                        if self.take_decline(waiting.as_ref(), &token).await {
                            log::decision(&recorded);
                            return Ok(Round::Again);
                        }
                    }
                    ApprovalAnswer::Tokens(_) | ApprovalAnswer::NoneYet => {}
                }
            }
            return Ok(match waiting {
                Some(waiting) => Round::Waits(Box::new(recorded), waiting.version),
                None => Round::Settled(Box::new(recorded)),
            });
        }
        let outcome = match self.issue(call, &judged, &trust, now).await {
            Ok(pass) => self.commit(call, &judged, &waits, &trust, pass, now).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Settled::Done(authorization)) => return Ok(Round::Settled(authorization)),
            // A used approval grants nothing any more; each is found at most once, so this ends.
            Ok(Settled::Used(used)) if call.discard(&used) => {}
            Ok(Settled::Moved) => tries.moves = tries.moves.saturating_add(1),
            Ok(_) => {
                tries.rounds = tries.rounds.saturating_add(1);
                tracing::debug!(
                    round = tries.rounds,
                    "starting over: something changed while the action was judged"
                );
                if tries.rounds >= MAX_ROUNDS {
                    return Err(self.fail(call, judged, AuthorizeCode::Contention.into(), now).await);
                }
            }
            Err(error) => return Err(self.fail(call, judged, error, now).await),
        }
        Ok(Round::Again)
    }

    pub(crate) fn now(&self) -> Result<Timestamp, AuthorizeError> {
        self.clock.now().ok_or_else(AuthorizeError::clock)
    }

    pub(crate) async fn current_trust(&self) -> Result<Arc<Trust>, AuthorizeError> {
        self.parts.trust.current().await.map_err(AuthorizeError::trust)
    }

    /// What a store answers, in time. An answer that comes too late is as good as none: nothing is released on it.
    pub(crate) async fn bounded<T>(&self, answer: StoreFuture<'_, T>) -> Result<T, AuthorizeError> {
        match within(&*self.timer, self.config.store_timeout, answer).await {
            Some(answer) => Ok(answer?),
            None => Err(StoreError::new(StoreCode::StoreUnavailable).into()),
        }
    }

    pub(crate) async fn look_up(&self, question: LookUp) -> Result<Known, AuthorizeError> {
        self.bounded(self.parts.store.look_up(question)).await
    }

    pub(crate) fn id<T>(&self, ids: &mut Ids, now: Timestamp, from_uuid: fn(Uuid) -> T) -> Result<T, AuthorizeError> {
        ids.next(now, &*self.random)
            .map(from_uuid)
            .ok_or_else(|| AuthorizeCode::RandomnessUnavailable.into())
    }

    /// Everything that is refused before policy is asked: contradictions between the action and its host.
    fn admit<'a>(&self, request: &'a Request<'a>, now: Timestamp) -> Result<AdmittedCall<'a>, AuthorizeError> {
        let action = &*request.action;
        let head = action.action();
        if let Some(member) = request.caller.contradiction(head) {
            return Err(AuthorizeError::at(AuthorizeCode::CallerMismatch, member));
        }
        if let Some(member) = self.config.not_served(&head.tenant, &head.actor.agent) {
            return Err(AuthorizeError::at(AuthorizeCode::CallerNotServed, member));
        }
        let tool = &head.capability.tool;
        if !self.config.tools_with_colliding_names.contains(tool)
            && !self.parts.policy.permits_colliding_names(tool)
            && let Some(collision) = names::first_case_collision(action.payload().as_bytes())
        {
            return Err(AuthorizeError::at(AuthorizeCode::MemberNamesCollide, &collision.name));
        }
        let facts = request
            .facts
            .as_deref()
            .map_or_else(|| Cow::Owned(BoundFacts::none()), Cow::Borrowed);
        self.config.facts.check_action(&facts, action)?;
        if request.approvals.len() > MAX_OFFERED {
            return Err(AuthorizeError::at(AuthorizeCode::TooManyApprovals, "approvals"));
        }
        let audience = self
            .audience(tool, request.audience.as_deref())
            .ok_or_else(|| AuthorizeError::at(AuthorizeCode::AudienceUnknown, "audience"))?;
        let mut ids = Ids::new();
        let action_id = match &head.id {
            Some(id) => id.clone(),
            None => self.id(&mut ids, now, ActionId::from_uuid)?,
        };
        let key = ActionKey {
            tenant: head.tenant.clone(),
            agent: head.actor.agent.clone(),
            action: action_id,
        };
        Ok(AdmittedCall {
            action,
            facts,
            audience,
            key,
            offered: request.approvals.clone(),
            used: Vec::new(),
            trace: request.trace.as_deref().cloned(),
            ids,
            door: request.door.clone(),
            client: request.client.clone(),
            wait: request.wait,
            opens: request.opens,
            refusal: request.refusal.clone(),
            mode: request.mode,
            held_by: None,
            remarks: Vec::new(),
            unrecorded: None,
        })
    }

    /// Verifies approvals, as far as that needs no store.
    fn check<'t>(
        &self,
        call: &AdmittedCall<'_>,
        tokens: impl IntoIterator<Item = &'t String>,
        request: OfRequest<'_>,
        trust: &Trust,
        now: Timestamp,
    ) -> Vec<Checked> {
        let occasion = Occasion {
            action: call.action,
            action_id: &call.key.action,
            facts_hash: call.facts.hash(),
            request,
            policy_digest: self.parts.policy.digest(),
            at: now,
            // The store says that: `Offered::of` looks at it.
            restored: None,
        };
        check_each(tokens, &self.config, &occasion, trust)
    }

    /// Asks policy. Pure but for the clock of its arguments.
    fn judge(
        &self,
        call: &AdmittedCall<'_>,
        mut offered: Offered,
        waits: &Waits,
        trust: &Trust,
        now: Timestamp,
    ) -> Judged {
        let grants = offered.grants();
        // No verifier accepts these passes, so none is issued, whatever policy would say.
        let mut verdict = if trust.is_expired(now.to_unix_seconds()) {
            Verdict::deny_with(VerifyCode::TrustExpired)
        } else if is_anybody_revoked(call.action, trust) {
            Verdict::deny_with(VerifyCode::PrincipalRevoked)
        } else if let Some(reason) = &call.refusal {
            Verdict::deny_for(reason.clone())
        } else {
            self.parts
                .policy
                .evaluate(&PolicyInput::new(call.action, &call.facts, &grants).at(now))
        };
        let told = offered.refs();
        offered.keep_relied_on(&verdict);
        let Offered {
            approvals,
            mut reasons,
            in_vain,
        } = offered;
        reasons.append(&mut verdict.reasons);
        if verdict.decision == Decision::StepUp {
            reasons.extend(waits.differences().iter().chain(&call.remarks).cloned());
        }
        if !call.offered.is_empty() || waits.tokens().next().is_some() {
            // Of approvals that grant nothing, each way of failing is said once: a record has room for so many reasons.
            let mut seen = HashSet::new();
            reasons.retain(|reason| seen.insert((reason.code.clone(), reason.rule.clone(), reason.path.clone())));
        }
        let policy = verdict.policy_ref(&*self.parts.policy);
        Judged {
            verdict,
            reasons,
            told,
            approvals,
            in_vain,
            policy,
            trust: trust.evidence(),
        }
    }

    /// Asks an approval source for what it has to offer.
    async fn ask(
        &self,
        source: &dyn ApprovalSource,
        call: &AdmittedCall<'_>,
        verdict: &Verdict,
        waiting: Option<&ApprovalRequest>,
    ) -> ApprovalAnswer {
        let request = ApprovalQuestion {
            action: call.action,
            action_id: &call.key.action,
            issuer: &self.config.issuer,
            policy_digest: self.parts.policy.digest(),
            required: &verdict.required,
            request: waiting,
            wait: self.config.approval_wait,
        };
        match within(&*self.timer, self.config.approval_wait, source.request(request)).await {
            Some(Ok(answer)) => answer,
            // No answer, no approvals: the decision stays what it is.
            None => ApprovalAnswer::NoneYet,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn Error, "the approval source failed");
                ApprovalAnswer::NoneYet
            }
        }
    }

    /// Takes what a source says is a no as a vote on what waits; whether it is one.
    async fn take_decline(&self, waiting: Option<&ApprovalRequest>, token: &str) -> bool {
        let Some(request) = waiting else { return false };
        match Box::pin(self.vote(&request.id, token)).await {
            Ok(review) => review.state == RequestState::Declined,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "the approval source gave what is no vote");
                false
            }
        }
    }

    /// Records the deny of an action that somebody declined.
    async fn deny_declined(
        &self,
        call: &mut AdmittedCall<'_>,
        stored: &StoredRequest,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Authorization, AuthorizeError> {
        let mut verdict = Verdict::deny_with(AuthorizeCode::ApprovalDeclined);
        let policy = verdict.policy_ref(&*self.parts.policy);
        let reasons = std::mem::take(&mut verdict.reasons);
        let judged = Judged {
            verdict,
            reasons,
            told: Vec::new(),
            approvals: Vec::new(),
            in_vain: Vec::new(),
            policy,
            trust: trust.evidence(),
        };
        let mut body = documents::refused(call, &judged, Decision::Deny, judged.reasons.clone());
        body.request = Some(stored.request.id.clone());
        let entry = self.entry(call, body, None, now)?;
        match self.bounded(self.parts.store.commit(entry)).await? {
            CommitOutcome::Committed(record) => {
                self.settle(call);
                let mut answer = call.answer(&judged, Decision::Deny, None, record.to_ref());
                answer.declined = self.declined(stored, trust);
                Ok(answer.with_request(&stored.request, RequestState::Declined))
            }
            CommitOutcome::AlreadyIssued(_) => Err(AuthorizeCode::ActionAlreadyIssued.into()),
            _ => Err(AuthorizeCode::Contention.into()),
        }
    }

    /// Signs the pass of an allow; nothing is released yet.
    async fn issue(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<SignedPass, AuthorizeError> {
        let (signer, key) = self.check_signer(trust, now)?;
        // Of this call only: an issuer that serves other tenants as well goes on serving them.
        if !key.tenants.contains(&call.key.tenant) {
            return Err(AuthorizeCode::SignerNotForTenant.into());
        }
        if judged.approvals.len() > MAX_APPROVALS {
            return Err(AuthorizeCode::TooManyApprovals.into());
        }
        let id = self.id(&mut call.ids, now, PassId::from_uuid)?;
        let claims = documents::claims(&self.config, call, judged, id, now);
        let signing = sign_document(&**signer, &claims);
        let Some(signed) = within(&*self.timer, self.config.signing_timeout, signing).await else {
            return Err(SignError::TimedOut {
                custodian: signer.custodian().into(),
            }
            .into());
        };
        let token = signed?;
        let kid = signer.public_key().kid().clone();
        Ok(SignedPass { claims, token, kid })
    }

    /// Makes an allow durable, and gives out its pass only if nothing changed since it was judged.
    async fn commit(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        waits: &Waits,
        trust: &Trust,
        pass: SignedPass,
        now: Timestamp,
    ) -> Result<Settled, AuthorizeError> {
        // The store knows of changes that are in the ledger already; the file may be ahead of it.
        if self.current_trust().await?.evidence() != trust.evidence() {
            return Ok(Settled::StartOver);
        }
        let (id, expires_at) = (pass.claims.jti.clone(), pass.claims.exp);
        let evidence = PassEvidence {
            id: id.clone(),
            kid: pass.kid,
            token_hash: pass.token.token_hash(),
            expires_at: expires_at.to_timestamp(),
        };
        let token = pass.token.into_string();
        let allow = Allow::new(id.clone(), token.clone(), expires_at, call.audience.clone())
            .with_approvals(judged.approvals.iter().map(VerifiedApproval::to_ref).collect());
        let mut body = documents::allowed(pass.claims, call, judged, evidence);
        let settled = waits.request().map(|stored| &stored.request);
        body.request = settled.map(|request| request.id.clone());
        let part = self.queue_part(call, judged, waits, now)?;
        let mut entry = self.entry(call, body, Some(allow), now)?;
        entry.queue = part;
        let outcome = self.bounded(self.parts.store.commit(entry)).await?;
        match outcome {
            CommitOutcome::Committed(record) => {
                self.settle(call);
                let pass = IssuedPass { id, token, expires_at };
                let mut answer = call.answer(judged, Decision::Allow, Some(pass), record.to_ref());
                if let Some(request) = settled {
                    answer = answer.with_request(request, RequestState::Used);
                }
                Ok(Settled::Done(Box::new(answer)))
            }
            // Another caller was faster with the same id: what it got is found at the next round.
            CommitOutcome::AlreadyIssued(_) => Ok(Settled::StartOver),
            CommitOutcome::Joined(_) | CommitOutcome::RequestMoved | CommitOutcome::NotOpened(_) => Ok(Settled::Moved),
            CommitOutcome::TrustChanged(_) => {
                // The ledger knows of a newer trust store than the source gave: it looks again, whatever it remembers.
                self.parts.trust.refresh().await.map_err(AuthorizeError::trust)?;
                Ok(Settled::StartOver)
            }
            CommitOutcome::ApprovalUsed(approval) => Ok(Settled::Used(approval)),
            CommitOutcome::PolicyChanged(_) => Err(AuthorizeCode::PolicyChanged.into()),
        }
    }

    /// Records a deny or step_up, with the request that waits because of it. `None` if the queue moved meanwhile.
    async fn refuse(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        waits: &Waits,
        now: Timestamp,
    ) -> Result<Option<(Authorization, Option<ApprovalRequest>)>, AuthorizeError> {
        let decision = judged.verdict.decision;
        let is_step_up = decision == Decision::StepUp;
        let joined = waits.request().map(|stored| &stored.request).filter(|_| is_step_up);
        if let Some(request) = joined
            && call.offered.is_empty()
            && let Some(record) = self.answered_before(request, judged, now).await?
        {
            let answer = call.answer(judged, decision, None, record);
            let answer = answer.with_request(request, RequestState::Pending);
            return Ok(Some((answer, Some(request.clone()))));
        }
        let part = self.queue_part(call, judged, waits, now)?;
        let waiting = match part.as_ref().map(|part| &part.request) {
            Some(RequestPart::Opens(open)) => Some(open.request.request.clone()),
            Some(RequestPart::Joins(..)) => joined.cloned(),
            _ => None,
        };
        match self
            .record_refusal(call, judged, None, part, waiting.as_ref(), now)
            .await?
        {
            CommitOutcome::Committed(record) => {
                let record = record.to_ref();
                let mut answer = call.answer(judged, decision, None, record.clone());
                if let Some(request) = &waiting {
                    self.recent
                        .put(&request.id, request.version, &judged.reasons, &record, now);
                    answer = answer.with_request(request, RequestState::Pending);
                }
                Ok(Some((answer, waiting)))
            }
            CommitOutcome::Joined(_) | CommitOutcome::RequestMoved => Ok(None),
            CommitOutcome::NotOpened(code) => {
                let mut reasons = judged.reasons.clone();
                reasons.push(Reason::new(code));
                match self
                    .record_refusal(call, judged, Some(&reasons), None, None, now)
                    .await?
                {
                    CommitOutcome::Committed(record) => {
                        let mut answer = call.answer(judged, decision, None, record.to_ref());
                        answer.reasons = reasons;
                        answer.held_by = call.held_by.clone().filter(|_| code == RequestCode::RequestsHeld);
                        Ok(Some((answer, None)))
                    }
                    CommitOutcome::AlreadyIssued(_) => Err(AuthorizeCode::ActionAlreadyIssued.into()),
                    _ => Err(AuthorizeCode::Contention.into()),
                }
            }
            CommitOutcome::PolicyChanged(_) => Err(AuthorizeCode::PolicyChanged.into()),
            CommitOutcome::AlreadyIssued(_) => Err(AuthorizeCode::ActionAlreadyIssued.into()),
            CommitOutcome::ApprovalUsed(_) | CommitOutcome::TrustChanged(_) => Err(AuthorizeCode::Contention.into()),
        }
    }

    async fn record_refusal(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: &Judged,
        reasons: Option<&[Reason]>,
        part: Option<QueuePart>,
        waiting: Option<&ApprovalRequest>,
        now: Timestamp,
    ) -> Result<CommitOutcome, AuthorizeError> {
        let reasons = reasons.unwrap_or(&judged.reasons).to_vec();
        let mut body = documents::refused(call, judged, judged.verdict.decision, reasons);
        body.request = waiting.map(|request| request.id.clone());
        let mut entry = self.entry(call, body, None, now)?;
        entry.queue = part;
        let outcome = self.bounded(self.parts.store.commit(entry)).await?;
        if let CommitOutcome::Committed(_) = outcome {
            self.settle(call);
        }
        Ok(outcome)
    }

    /// Records that an allow came to nothing, as far as the store still works, and gives the error on.
    async fn fail(
        &self,
        call: &mut AdmittedCall<'_>,
        judged: Judged,
        error: AuthorizeError,
        now: Timestamp,
    ) -> AuthorizeError {
        let body = documents::refused(call, &judged, Decision::Deny, vec![Reason::new(error.code())]);
        if let Ok(entry) = self.entry(call, body, None, now) {
            // The error at hand is the one that the caller must learn of, not that it could not be recorded.
            match self.bounded(self.parts.store.commit(entry)).await {
                Ok(CommitOutcome::Committed(_)) => self.settle(call),
                Ok(_) => {}
                Err(unrecorded) => {
                    tracing::warn!(error = &unrecorded as &dyn Error, "the failure could not be recorded");
                }
            }
        }
        error
    }

    fn entry(
        &self,
        call: &mut AdmittedCall<'_>,
        mut body: DecisionBody,
        allow: Option<Allow>,
        now: Timestamp,
    ) -> Result<DecisionCommit, AuthorizeError> {
        call.unrecorded = self.quota.unrecorded(&who(&call.key));
        body.unrecorded = call.unrecorded;
        let record = self.draft(&mut call.ids, &mut body, &call.key.tenant, call.trace.as_ref(), now)?;
        let payload = call.action.payload().as_bytes();
        let is_kept = allow.is_some() || (self.config.denied_payloads && payload.len() <= MAX_DENIED_PAYLOAD_BYTES);
        let record = if is_kept {
            record.with_side(SideKind::Payload, payload.to_vec())
        } else {
            record
        };
        let mut commit = DecisionCommit::new(call.key.clone(), body.action_hash, record);
        commit.allow = allow;
        Ok(commit)
    }

    /// The record of a decision, with commitments in the place of its hashes if the issuer is configured so.
    fn draft(
        &self,
        ids: &mut Ids,
        body: &mut DecisionBody,
        tenant: &Tenant,
        trace: Option<&Trace>,
        now: Timestamp,
    ) -> Result<RecordDraft, AuthorizeError> {
        let salt = if self.config.salted_commitments {
            let salt = random_salt(&*self.random).ok_or(AuthorizeCode::RandomnessUnavailable)?;
            salt.hide_decision(body);
            Some(salt)
        } else {
            None
        };
        let mut record =
            RecordDraft::new(self.id(ids, now, RecordId::from_uuid)?, now, body)?.with_tenant(tenant.clone());
        if let Some(salt) = salt {
            record = record.with_side(SideKind::Salt, salt.as_bytes().to_vec());
        }
        if let Some(trace) = trace {
            record = record.with_trace(trace.clone());
        }
        Ok(record)
    }

    /// The refusals that the record of this call counted are told.
    fn settle(&self, call: &AdmittedCall<'_>) {
        if let Some(told) = call.unrecorded {
            self.quota.settle(&who(&call.key), told);
        }
    }

    /// Records a request that is refused before anybody judges it, as far as that is possible, and gives the error on.
    async fn refuse_before(&self, request: &Request<'_>, error: AuthorizeError, now: Timestamp) -> AuthorizeError {
        let caller = &*request.caller;
        let who = (caller.tenant.clone(), caller.actor.agent.clone());
        let is_served = self.config.not_served(&who.0, &who.1).is_none() && !error.is(AuthorizeCode::CallerNotServed);
        if is_served
            && self.quota.admit(&who, now)
            && let Err(unrecorded) = self.record_before(request, &error, &who, now).await
        {
            // The error at hand is the one that the caller must learn of, not that it could not be recorded.
            tracing::warn!(error = &unrecorded as &dyn Error, "the refusal could not be recorded");
        }
        error
    }

    async fn record_before(
        &self,
        request: &Request<'_>,
        error: &AuthorizeError,
        who: &Who,
        now: Timestamp,
    ) -> Result<(), AuthorizeError> {
        let head = request.action.action();
        let mut ids = Ids::new();
        let action_id = match &head.id {
            Some(id) => id.clone(),
            None => self.id(&mut ids, now, ActionId::from_uuid)?,
        };
        let asked = request.audience.as_deref();
        let audience = self.audience(&head.capability.tool, asked);
        let audience = audience.or_else(|| asked.cloned());
        let trust = self.current_trust().await?.evidence();
        let policy = Verdict::deny_with(error.code()).policy_ref(&*self.parts.policy);
        let mut body = documents::refused_before(
            request,
            action_id,
            audience.unwrap_or_else(|| head.capability.tool.default_audience()),
            policy,
            trust,
            error.code(),
        );
        body.unrecorded = self.quota.unrecorded(who);
        let told = body.unrecorded;
        let draft = self.draft(&mut ids, &mut body, &who.0, request.trace.as_deref(), now)?;
        // Not as a commit: what the action id stands for is not settled, or it is another action's.
        let _ = self.bounded(self.parts.store.append(Batch::of(draft))).await?;
        if let Some(told) = told {
            self.quota.settle(who, told);
        }
        Ok(())
    }

    /// Answers for an action that was allowed before: the same pass or none, never a second one.
    async fn again(
        &self,
        call: &AdmittedCall<'_>,
        issued: Issued,
        state: &LedgerState,
        trust: Arc<Trust>,
        now: Timestamp,
    ) -> Result<Authorization, AuthorizeError> {
        let gone = || AuthorizeError::from(AuthorizeCode::ActionAlreadyIssued);
        match issued.is_of(call.action.action_hash()) {
            Some(true) => {}
            Some(false) => return Err(AuthorizeCode::ActionIdReused.into()),
            // The salt is erased: which action it was nobody knows, only that there is no second pass.
            None => return Err(gone()),
        }
        let token = issued.token.ok_or_else(gone)?;
        if state.policy.is_some_and(|digest| digest != self.parts.policy.digest()) {
            return Err(AuthorizeCode::PolicyChanged.into());
        }
        let trust = self.not_rolled_back(trust, state.trust).await?;
        let claims = self.still_verifies(call, &token, &trust, now).ok_or_else(gone)?;
        // What another policy allowed this one may deny.
        if claims.actionpass.policy.digest != self.parts.policy.digest() {
            return Err(gone());
        }
        if let Some(replay) = &self.replay
            && self.bounded(replay.is_used(&claims.iss, &claims.jti)).await?
        {
            return Err(gone());
        }
        Ok(Authorization {
            decision: Decision::Allow,
            reasons: vec![Reason::new(AuthorizeCode::IssuedBefore)],
            notes: Vec::new(),
            required: Vec::new(),
            action_id: call.key.action.clone(),
            action_hash: call.action.action_hash(),
            payload_hash: call.action.payload_hash(),
            policy: claims.actionpass.policy.clone(),
            pass: Some(IssuedPass {
                id: issued.pass,
                expires_at: issued.expires_at,
                token,
            }),
            record: issued.record,
            request: None,
            held_by: None,
            declined: None,
        })
    }

    /// Trust that is not older than what the ledger knows: what was revoked since would be accepted again.
    async fn not_rolled_back(
        &self,
        trust: Arc<Trust>,
        known: Option<TrustEvidence>,
    ) -> Result<Arc<Trust>, AuthorizeError> {
        if newest_trust(known, trust.evidence()).is_ok() {
            return Ok(trust);
        }
        self.parts.trust.refresh().await.map_err(AuthorizeError::trust)?;
        let trust = self.current_trust().await?;
        match newest_trust(known, trust.evidence()) {
            Ok(_) => Ok(trust),
            Err(known) => Err(AuthorizeError::part(AdminError::RolledBack {
                found: trust.evidence(),
                known,
            })),
        }
    }

    /// The claims of a former pass, if an executor that enforces its obligations would still accept it.
    fn still_verifies(
        &self,
        call: &AdmittedCall<'_>,
        token: &str,
        trust: &Trust,
        now: Timestamp,
    ) -> Option<PassClaims> {
        let claims = Unverified::<PassClaims>::parse(token)
            .ok()?
            .verify(trust.keyring())
            .ok()?
            .into_claims();
        let mut verifier = Verifier::new(
            self.config.issuer.clone(),
            call.audience.clone(),
            call.key.tenant.clone(),
        );
        for obligation in &claims.actionpass.obligations {
            verifier = verifier.with_obligation(obligation.id.clone());
        }
        if self.config.dangerously_accept_asserted {
            verifier = verifier.dangerously_accept_asserted_approvals();
        }
        verifier
            .verify(token, &Call::action(call.action), trust, now.to_unix_seconds())
            .ok()?;
        Some(claims)
    }

    /// The signer and the entry of its key, if verifiers will believe it: an active pass key of this issuer, within its
    /// time.
    fn check_signer<'a>(
        &'a self,
        trust: &'a Trust,
        now: Timestamp,
    ) -> Result<(&'a Arc<dyn Signer>, &'a TrustKey), AuthorizeError> {
        let signer = self.key.as_ref().map_err(Clone::clone)?;
        let entry = trust.keyring().get(signer.public_key().kid());
        let Some(entry) = entry.filter(|entry| {
            let key = entry.trust();
            key.key_use == KeyUse::Pass && key.issuer.as_ref() == Some(&self.config.issuer)
        }) else {
            return Err(AuthorizeCode::SignerNotTrusted.into());
        };
        let key = entry.trust();
        let code = match key.status {
            _ if entry.is_revoked() => AuthorizeCode::SignerRevoked,
            KeyStatus::Retired if key.superseded_by.is_some() => AuthorizeCode::SignerSuperseded,
            KeyStatus::Retired => AuthorizeCode::SignerRetired,
            KeyStatus::Active if key.signs_at(now) => return Ok((signer, key)),
            _ => AuthorizeCode::SignerNotTrusted,
        };
        Err(code.into())
    }
}

/// Whether an action may have been allowed before a store was restored that would know otherwise. Ids of our form say when
/// they were made; of others that is believed once no approval of before can be left.
fn is_forgotten(id: &ActionId, restored: UnixSeconds, now: Timestamp) -> bool {
    id.made_at().map_or_else(
        || now.to_unix_seconds() < restored.saturating_add(MAX_APPROVAL_LIFETIME.as_secs()),
        |made| made.to_unix_seconds() < restored,
    )
}

fn who(key: &ActionKey) -> Who {
    (key.tenant.clone(), key.agent.clone())
}

/// Whether the tenant, the agent, one that it acts for, its owner or its runtime was revoked.
pub(crate) fn is_anybody_revoked(action: &BoundAction, trust: &Trust) -> bool {
    let head = action.action();
    let actor = &head.actor;
    let names = [
        head.tenant.as_str(),
        actor.agent.as_str(),
        actor.human_owner.as_str(),
        actor.runtime.as_str(),
    ];
    let via = actor.via.iter().map(AsRef::as_ref);
    names
        .into_iter()
        .chain(via)
        .any(|name| trust.is_principal_revoked(name))
}
