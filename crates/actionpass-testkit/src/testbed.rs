//! [`Testbed`]: an issuer, an executor and an approver in memory.

use std::sync::Arc;

use actionpass_canon::{BoundAction, BoundFacts};
use actionpass_core::{
    Approval, ApprovalSource, Authorization, AuthorizeError, Authorizer, AuthorizerParts, Clock, IssuerConfig, Random,
    Request, Review, ReviewError,
};
use actionpass_crypto::Signer;
use actionpass_model::{Approver, RequestId, RevocationTarget, Shown, Statement};
use actionpass_policy::PolicyEngine;
use actionpass_store::ledger::{ChainVerifier, LedgerError, LedgerVerifier, Log, VerifiedLedger};
use actionpass_store::{
    DecisionStore, MemoryDecisionStore, MemoryReplayStore, QueueStore, ReplayStart, ReplayStore, StoreError,
    StoredRecord,
};
use actionpass_verify::{Call, ConsumedPass, Refusal, VerifiedPass, Verifier};

use crate::fixtures::{self, FixtureKey};
use crate::policies::DangerouslyAllowAll;
use crate::{CountingRandom, ManualClock, ManualTrust, block_on};

/// An issuer, an executor and an approver in memory: keys, trust and names of [`fixtures`], a clock that stands still,
/// and a policy that allows everything until [`with_policy`](Self::with_policy) gives another.
///
/// Every part can be replaced by one that fails. What it does, it does at once: futures are driven to their end.
#[derive(Debug)]
pub struct Testbed {
    clock: Arc<ManualClock>,
    random: Arc<dyn Random>,
    trust: Arc<ManualTrust>,
    signer: Arc<dyn Signer>,
    policy: Arc<dyn PolicyEngine>,
    decisions: Arc<dyn DecisionStore>,
    queue: Option<Arc<dyn QueueStore>>,
    replay: Arc<dyn ReplayStore>,
    config: IssuerConfig,
    verifier: Verifier,
    approvals: Option<Arc<dyn ApprovalSource>>,
}

impl Testbed {
    /// Everything in memory, and everything is allowed.
    #[must_use]
    pub fn new() -> Self {
        let issuer = fixtures::issuer();
        let tools = vec![fixtures::demo_action().action().capability.tool.clone()];
        Self {
            clock: Arc::new(ManualClock::new(fixtures::now())),
            random: Arc::new(CountingRandom::new()),
            trust: Arc::new(ManualTrust::new(fixtures::trust_store())),
            signer: Arc::new(FixtureKey::ISSUER.signer()),
            policy: Arc::new(DangerouslyAllowAll::new()),
            decisions: Arc::new(MemoryDecisionStore::new(Self::log())),
            queue: None,
            replay: Arc::new(MemoryReplayStore::new(ReplayStart::first(fixtures::seconds()))),
            config: IssuerConfig::new(issuer.clone(), vec![fixtures::tenant()])
                .with_audience(fixtures::audience(), tools),
            verifier: Verifier::new(issuer, fixtures::audience(), fixtures::tenant()),
            approvals: None,
        }
    }

    /// The log that the issuer writes, for stores of a test's own.
    #[must_use]
    pub fn log() -> Log {
        Log::new(fixtures::origin(), fixtures::issuer())
    }

    /// With another policy.
    #[must_use]
    pub fn with_policy(mut self, policy: impl PolicyEngine + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// With another custodian.
    #[must_use]
    pub fn with_signer(mut self, signer: impl Signer + 'static) -> Self {
        self.signer = Arc::new(signer);
        self
    }

    /// With another store for decisions.
    #[must_use]
    pub fn with_decisions(mut self, store: impl DecisionStore + 'static) -> Self {
        self.decisions = Arc::new(store);
        self
    }

    /// With approval requests, in a store in memory.
    #[must_use]
    pub fn with_requests(self) -> Self {
        self.with_queue(MemoryDecisionStore::new(Self::log()))
    }

    /// With approval requests, in this store, which is that of the decisions too.
    #[must_use]
    pub fn with_queue(mut self, store: impl QueueStore + 'static) -> Self {
        let store = Arc::new(store);
        self.decisions = Arc::clone(&store) as _;
        self.queue = Some(store);
        self
    }

    /// With another store for used passes.
    #[must_use]
    pub fn with_replay(mut self, store: impl ReplayStore + 'static) -> Self {
        self.replay = Arc::new(store);
        self
    }

    /// With other randomness.
    #[must_use]
    pub fn with_random(mut self, random: impl Random + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// With somebody to ask on a step_up.
    #[must_use]
    pub fn with_approval_source(mut self, source: impl ApprovalSource + 'static) -> Self {
        self.approvals = Some(Arc::new(source));
        self
    }

    /// With the issuer's configuration changed.
    #[must_use]
    pub fn with_config(mut self, change: impl FnOnce(IssuerConfig) -> IssuerConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// With the executor's verifier changed.
    #[must_use]
    pub fn with_verifier(mut self, change: impl FnOnce(Verifier) -> Verifier) -> Self {
        self.verifier = change(self.verifier);
        self
    }

    /// The clock of all of them.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The trust of all of them.
    #[must_use]
    pub fn trust(&self) -> &ManualTrust {
        &self.trust
    }

    /// The issuer's store.
    #[must_use]
    pub fn decisions(&self) -> &dyn DecisionStore {
        &*self.decisions
    }

    /// The executor's store.
    #[must_use]
    pub fn replay(&self) -> &dyn ReplayStore {
        &*self.replay
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &dyn PolicyEngine {
        &*self.policy
    }

    /// The issuer, for tests that drive its futures themselves.
    ///
    /// # Errors
    /// What [`AuthorizerBuilder::build`](actionpass_core::AuthorizerBuilder::build) gives.
    pub fn authorizer(&self) -> Result<Authorizer, AuthorizeError> {
        let parts = AuthorizerParts {
            signer: Arc::clone(&self.signer),
            policy: Arc::clone(&self.policy),
            trust: Arc::clone(&self.trust) as _,
            store: Arc::clone(&self.decisions),
        };
        let mut builder = Authorizer::builder(self.config.clone(), parts)
            .with_clock(Arc::clone(&self.clock) as _)
            .with_random(Arc::clone(&self.random))
            .with_replay_store(Arc::clone(&self.replay));
        if let Some(queue) = &self.queue {
            builder = builder.with_requests(Arc::clone(queue));
        }
        if let Some(source) = &self.approvals {
            builder = builder.with_approval_source(Arc::clone(source));
        }
        block_on(builder.build())
    }

    /// Authorizes an action whose caller is who the action says, without facts or approvals.
    ///
    /// # Errors
    /// What [`Authorizer::authorize`] gives.
    pub fn authorize(&self, action: &BoundAction) -> Result<Authorization, AuthorizeError> {
        self.authorize_with(action, None, &[])
    }

    /// The same with facts and approvals.
    ///
    /// # Errors
    /// What [`Authorizer::authorize`] gives.
    pub fn authorize_with(
        &self,
        action: &BoundAction,
        facts: Option<&BoundFacts>,
        approvals: &[String],
    ) -> Result<Authorization, AuthorizeError> {
        let caller = fixtures::caller(action.action());
        let mut request = Request::new(action, &caller);
        if let Some(facts) = facts {
            request = request.with_facts(facts);
        }
        for approval in approvals {
            request = request.with_approval(approval.clone());
        }
        self.request(request)
    }

    /// Authorizes what a test puts together itself.
    ///
    /// # Errors
    /// What [`Authorizer::authorize`] gives.
    pub fn request(&self, request: Request<'_>) -> Result<Authorization, AuthorizeError> {
        block_on(self.authorizer()?.authorize(request))
    }

    /// A request as it is now.
    ///
    /// # Errors
    /// What [`Authorizer::review`] gives.
    pub fn review(&self, id: &RequestId) -> Result<Review, ReviewError> {
        block_on(self.authorizer()?.review(id))
    }

    /// Casts a vote.
    ///
    /// # Errors
    /// What [`Authorizer::vote`] gives.
    pub fn vote(&self, id: &RequestId, token: &str) -> Result<Review, ReviewError> {
        block_on(self.authorizer()?.vote(id, token))
    }

    /// A yes to a request, with all that a vote says.
    ///
    /// # Panics
    /// If there is no such request.
    #[must_use]
    pub fn yes(&self, key: FixtureKey, approver: Approver, id: &RequestId) -> String {
        let review = self.review(id).expect("there is the request");
        let action = review.action.as_ref().expect("its action is there");
        self.sign_approval(key, Self::ballot(approver, &review), action)
    }

    /// A no to a request.
    ///
    /// # Panics
    /// If there is no such request.
    #[must_use]
    pub fn no(&self, key: FixtureKey, approver: Approver, id: &RequestId) -> String {
        let review = self.review(id).expect("there is the request");
        let action = review.action.as_ref().expect("its action is there");
        let ballot = Self::ballot(approver, &review);
        let now = self.clock.now().expect("the clock knows the time");
        let issuer = self.config.issuer();
        block_on(ballot.sign_refusal(action, issuer, &key.signer(), now, &*self.random))
            .expect("the refusal can be signed")
    }

    /// What a vote on this request says, not yet signed.
    ///
    /// # Panics
    /// Never: the words are statements.
    #[must_use]
    pub fn ballot(approver: Approver, review: &Review) -> Approval {
        let shown = Shown {
            hash: review.request.action_hash,
            renderer: Statement::parse("fixture").expect("it is a statement"),
        };
        Approval::human(approver, Statement::parse("reviewed").expect("it is a statement"))
            .for_request(&review.request)
            .with_shown(shown)
    }

    /// The pass of an action that is allowed.
    ///
    /// # Panics
    /// If it isn't.
    #[must_use]
    pub fn pass(&self, action: &BoundAction) -> String {
        let authorization = self.authorize(action).expect("there is a decision");
        authorization.pass.expect("the action is allowed").token
    }

    /// A human's yes to an action by [`fixtures::approver`].
    #[must_use]
    pub fn approve(&self, action: &BoundAction) -> String {
        self.approve_as(FixtureKey::APPROVER, fixtures::approver(), action)
    }

    /// A human's yes to an action by anybody, with any key.
    #[must_use]
    pub fn approve_as(&self, key: FixtureKey, approver: Approver, action: &BoundAction) -> String {
        self.sign_approval(
            key,
            Approval::human(approver, Statement::parse("reviewed").expect("it is a statement")),
            action,
        )
    }

    /// Signs an approval that a test puts together itself.
    ///
    /// # Panics
    /// If it can't be signed, or the clock doesn't know the time.
    #[must_use]
    pub fn sign_approval(&self, key: FixtureKey, approval: Approval, action: &BoundAction) -> String {
        let now = self.clock.now().expect("the clock knows the time");
        let signer = key.signer();
        block_on(approval.sign(action, self.config.issuer(), &signer, now, &*self.random))
            .expect("the approval can be signed")
    }

    /// Revokes something in the trust store, from now on.
    pub fn revoke(&self, target: RevocationTarget) {
        self.trust.update(|trust| fixtures::revoke(trust, target));
    }

    /// The executor's verifier.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Verifies a pass for this whole action.
    ///
    /// # Errors
    /// What [`Verifier::verify`] gives.
    pub fn verify(&self, token: &str, action: &BoundAction) -> Result<VerifiedPass, Refusal> {
        self.verifier
            .verify(token, &Call::action(action), &self.trust.trust(), self.clock.seconds())
    }

    /// Consumes a pass for this whole action.
    ///
    /// # Errors
    /// What [`Verifier::consume`] gives.
    pub fn consume(&self, token: &str, action: &BoundAction) -> Result<ConsumedPass, Refusal> {
        let trust = self.trust.trust();
        block_on(self.verifier.consume(
            token,
            &Call::action(action),
            &trust,
            self.clock.seconds(),
            &*self.replay,
        ))
    }

    /// Everything in the ledger.
    ///
    /// # Errors
    /// What the store gives.
    pub fn records(&self) -> Result<Vec<StoredRecord>, StoreError> {
        block_on(self.decisions.read(0, usize::MAX))
    }

    /// Verifies the ledger from its first record.
    ///
    /// # Errors
    /// What is wrong with it first.
    ///
    /// # Panics
    /// If the store can't be read.
    pub fn verify_ledger(&self) -> Result<VerifiedLedger, LedgerError> {
        let mut verifier = LedgerVerifier::new(ChainVerifier::new().with_log(Self::log()));
        for record in self.records().expect("the store can be read") {
            verifier.push(&record.json)?;
        }
        verifier.finish()
    }
}

impl Default for Testbed {
    fn default() -> Self {
        Self::new()
    }
}
