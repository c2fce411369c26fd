//! [`Issuer`]: a deployment that lives, whose policy and key change while it answers.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actionpass_crypto::Signer;
use actionpass_model::{CodedError, KeyId, Principal, RequestId};
use actionpass_policy::PolicyEngine;
use actionpass_store::ledger::RecordRef;
use actionpass_store::trust_file::TrustSnapshot;
use actionpass_store::{DecisionStore, Ledger, QueueStore, ReplayStore, RequestFilter, TrustDocument};
use actionpass_verify::{Clock, DocumentTrust, Trust, TrustSource};

use crate::call::Asked;
use crate::environment::{Random, RequestWatch, System, Timer};
use crate::{
    AdminError, Administrator, ApprovalSource, Authorization, AuthorizeCode, AuthorizeError, Authorizer, IssuerConfig,
    Request, Review, ReviewError,
};

/// How often an authorization starts over because another process changed policy or key.
const MAX_ROUNDS: usize = 3;

/// What a deployment gives: a part, or why it can't be had.
pub type PartFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<Arc<T>, Box<dyn CodedError + Send + Sync>>> + Send + 'a>>;

/// Where an issuer finds what others may replace while it lives: its policy and its signing key.
///
/// # Contract
/// - Each call reads anew: what it gives is what the deployment says now, whole.
/// - An error leaves the issuer with what it had.
pub trait Deployment: Debug + Send + Sync {
    /// The policy, checked and ready to judge.
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine>;

    /// The signing key.
    fn signer(&self) -> PartFuture<'_, dyn Signer>;
}

/// A policy and a key that nobody replaces: for tests, and for programs that are started again with others.
#[derive(Clone, Debug)]
pub struct FixedDeployment {
    policy: Arc<dyn PolicyEngine>,
    signer: Arc<dyn Signer>,
}

impl FixedDeployment {
    /// These two, for ever.
    #[must_use]
    pub const fn new(policy: Arc<dyn PolicyEngine>, signer: Arc<dyn Signer>) -> Self {
        Self { policy, signer }
    }
}

impl Deployment for FixedDeployment {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        Box::pin(std::future::ready(Ok(Arc::clone(&self.policy))))
    }

    fn signer(&self) -> PartFuture<'_, dyn Signer> {
        Box::pin(std::future::ready(Ok(Arc::clone(&self.signer))))
    }
}

/// An issuer that lives: it judges, records and signs like an [`Authorizer`], and takes over policies and keys that
/// replace its own, by its own process or by another.
///
/// Share it behind an `Arc`; any number of tasks may ask it, on any async runtime.
#[derive(Debug)]
pub struct Issuer {
    deployment: Arc<dyn Deployment>,
    administrator: Administrator,
    current: RwLock<Arc<Authorizer>>,
}

/// An [`Issuer`] in the making. Clock, timer and randomness are the operating system's unless they are set.
#[derive(Debug)]
pub struct IssuerBuilder {
    config: IssuerConfig,
    deployment: Arc<dyn Deployment>,
    document: Arc<dyn TrustDocument>,
    store: Arc<dyn DecisionStore>,
    trust: Option<(Arc<dyn TrustSource>, TrustSnapshot)>,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    watch: Option<Arc<dyn RequestWatch>>,
    random: Arc<dyn Random>,
    approvals: Option<Arc<dyn ApprovalSource>>,
    replay: Option<Arc<dyn ReplayStore>>,
    queue: Option<Arc<dyn QueueStore>>,
    judges_without_key: bool,
    seen: u64,
}

impl IssuerBuilder {
    /// Believes what this source gives of the trust store, which was read a moment ago: a `LiveTrust` looks at the file
    /// whenever it is asked, and parses it only if it changed. Otherwise the trust store is read for each decision.
    #[must_use]
    pub fn with_trust_source(mut self, source: Arc<dyn TrustSource>, read: TrustSnapshot) -> Self {
        self.trust = Some((source, read));
        self
    }

    /// Goes by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Bounds what it waits for by this timer.
    #[must_use]
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = timer;
        self
    }

    /// Makes ids and salts of this randomness.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Keeps approval requests in this store, which is that of its decisions and its ledger from now on, whatever it was
    /// built with.
    #[must_use]
    pub fn with_requests(mut self, store: Arc<dyn QueueStore>) -> Self {
        self.store = Arc::clone(&store) as _;
        self.queue = Some(store);
        self
    }

    /// Learns from this watch that approval requests move: [`AuthorizerBuilder::with_request_watch`].
    ///
    /// [`AuthorizerBuilder::with_request_watch`]: crate::AuthorizerBuilder::with_request_watch
    #[must_use]
    pub fn with_request_watch(mut self, watch: Arc<dyn RequestWatch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Asks this source for approvals whenever policy steps up, and judges again.
    #[must_use]
    pub fn with_approval_source(mut self, source: Arc<dyn ApprovalSource>) -> Self {
        self.approvals = Some(source);
        self
    }

    /// Looks here whether a pass was used before it is given out again to the same caller.
    #[must_use]
    pub fn with_replay_store(mut self, store: Arc<dyn ReplayStore>) -> Self {
        self.replay = Some(store);
        self
    }

    /// Refuses a trust store below this version, as [`Administrator::with_seen_version`] does.
    #[must_use]
    pub const fn with_seen_version(mut self, version: u64) -> Self {
        self.seen = version;
        self
    }

    /// Opens the issuer also where its key can't be had: it judges and records, and whatever would be allowed fails with
    /// the error of the custodian, which the record of a deny says. For programs that answer one request: one that lives
    /// should not start without its key.
    #[must_use]
    pub const fn judging_without_key(mut self) -> Self {
        self.judges_without_key = true;
        self
    }

    /// Opens the issuer: refuses a trust store that went back, records revocations that a crash kept out of the ledger,
    /// puts the deployment's policy into force, and checks that its key is believed.
    ///
    /// # Errors
    /// [`AuthorizeError`]: there is no issuer. What was recorded until then stays recorded.
    pub async fn open(self) -> Result<Issuer, AuthorizeError> {
        let ledger: Arc<dyn Ledger> = Arc::clone(&self.store) as _;
        let administrator = Administrator::new(Arc::clone(&self.document), ledger)
            .with_clock(Arc::clone(&self.clock))
            .with_random(Arc::clone(&self.random))
            .with_seen_version(self.seen)
            .with_salted_commitments(self.config.salted_commitments);
        let trust: Arc<dyn TrustSource> = match self.trust {
            Some((source, read)) => {
                administrator.open_with(read).await?;
                source
            }
            None => {
                administrator.open().await?;
                Arc::new(DocumentTrust::new(self.document))
            }
        };
        let (policy, _) = enforced(&*self.deployment, &administrator).await?;
        let builder = |signer: Result<Arc<dyn Signer>, AuthorizeError>| {
            let mut builder = Authorizer::with_key(
                self.config.clone(),
                signer,
                Arc::clone(&policy),
                Arc::clone(&trust),
                Arc::clone(&self.store),
            )
            .with_clock(Arc::clone(&self.clock))
            .with_timer(Arc::clone(&self.timer))
            .with_random(Arc::clone(&self.random));
            if let Some(source) = &self.approvals {
                builder = builder.with_approval_source(Arc::clone(source));
            }
            if let Some(watch) = &self.watch {
                builder = builder.with_request_watch(Arc::clone(watch));
            }
            if let Some(store) = &self.queue {
                builder = builder.with_requests(Arc::clone(store));
            }
            if let Some(store) = &self.replay {
                builder = builder.with_replay_store(Arc::clone(store));
            }
            builder
        };
        let opened = self.deployment.signer().await.map_err(AuthorizeError::boxed);
        if let (Err(error), true) = (&opened, self.judges_without_key) {
            let authorizer = builder(Err(error.clone())).unchecked();
            return Ok(Issuer {
                deployment: self.deployment,
                administrator,
                current: RwLock::new(Arc::new(authorizer)),
            });
        }
        let mut signer = opened?;
        let mut rounds: usize = 0;
        let authorizer = loop {
            match builder(Ok(Arc::clone(&signer))).build().await {
                // Another process rotated the key after the deployment said which it is and before trust was read.
                Err(error) if error.is(AuthorizeCode::SignerSuperseded) && rounds < MAX_ROUNDS => {
                    rounds = rounds.saturating_add(1);
                    let next = self.deployment.signer().await.map_err(AuthorizeError::boxed)?;
                    if next.public_key().kid() == signer.public_key().kid() {
                        return Err(error);
                    }
                    signer = next;
                }
                built => break built?,
            }
        };
        Ok(Issuer {
            deployment: self.deployment,
            administrator,
            current: RwLock::new(Arc::new(authorizer)),
        })
    }
}

/// Puts the policy that the deployment says into force; gives it, and the record, if it wasn't. The deployment may be shared with
/// issuers elsewhere.
async fn enforced(
    deployment: &dyn Deployment,
    administrator: &Administrator,
) -> Result<(Arc<dyn PolicyEngine>, Option<RecordRef>), AuthorizeError> {
    let read = || async { deployment.policy().await.map_err(AuthorizeError::boxed) };
    administrator.enforce_kept(read, |policy| &**policy).await
}

impl Issuer {
    /// An issuer of this deployment, with this trust store and this store for decisions and ledger.
    #[must_use]
    pub fn builder(
        config: IssuerConfig,
        deployment: Arc<dyn Deployment>,
        trust: Arc<dyn TrustDocument>,
        store: Arc<dyn DecisionStore>,
    ) -> IssuerBuilder {
        IssuerBuilder {
            config,
            deployment,
            document: trust,
            store,
            trust: None,
            clock: Arc::new(System),
            timer: Arc::new(System),
            watch: None,
            random: Arc::new(System),
            approvals: None,
            replay: None,
            queue: None,
            judges_without_key: false,
            seen: 0,
        }
    }

    /// Decides on an action, records the decision, and only then releases the pass, if it is allowed.
    ///
    /// Where another process replaced policy or key meanwhile, the issuer takes them over and judges again, three times at
    /// most; each such round leaves the record of a deny with the code `policy_changed` or `signing_key_superseded`.
    ///
    /// # Errors
    /// Those of [`Authorizer::authorize`]; what the [`Deployment`] says where a part can't be had anew.
    pub async fn authorize(&self, request: Request<'_>) -> Result<Authorization, AuthorizeError> {
        let mut rounds: usize = 0;
        let mut asked = Asked::default();
        loop {
            let authorizer = self.authorizer();
            let error = match authorizer.authorize_on(&request, &mut asked).await {
                Err(error) if rounds < MAX_ROUNDS => error,
                settled => return settled,
            };
            rounds = rounds.saturating_add(1);
            if error.is(AuthorizeCode::PolicyChanged) {
                tracing::info!(round = rounds, "the policy changed: reading it again");
                self.reload_policy().await?;
            } else if error.is(AuthorizeCode::SignerSuperseded) {
                tracing::info!(round = rounds, "the signing key is superseded: opening the new one");
                if !self.reload_signer().await? {
                    return Err(error);
                }
            } else {
                return Err(error);
            }
        }
    }

    /// An approval request as it is now: [`Authorizer::review`].
    ///
    /// # Errors
    /// Those of [`Authorizer::review`].
    pub async fn review(&self, id: &RequestId) -> Result<Review, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.review(id).await })
            .await
    }

    /// Approval requests as they are now: [`Authorizer::reviews`].
    ///
    /// # Errors
    /// Those of [`Authorizer::reviews`].
    pub async fn reviews(&self, filter: &RequestFilter) -> Result<Vec<Review>, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.reviews(filter).await })
            .await
    }

    /// Whether the owner of this key may decide on an approval request: [`Authorizer::may_vote`].
    ///
    /// # Errors
    /// Those of [`Authorizer::may_vote`].
    pub async fn may_vote(&self, review: &Review, kid: &KeyId) -> Result<bool, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.may_vote(review, kid).await })
            .await
    }

    /// Takes a vote on an approval request: [`Authorizer::vote`].
    ///
    /// # Errors
    /// Those of [`Authorizer::vote`].
    pub async fn vote(&self, id: &RequestId, token: &str) -> Result<Review, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.vote(id, token).await })
            .await
    }

    /// Takes an approval request back: [`Authorizer::cancel`].
    ///
    /// # Errors
    /// Those of [`Authorizer::cancel`].
    pub async fn cancel(&self, id: &RequestId, by: Option<Principal>) -> Result<Review, ReviewError> {
        self.on_requests(|authorizer| {
            let by = by.clone();
            async move { authorizer.cancel(id, by).await }
        })
        .await
    }

    /// Lifts the hold on new requests of a request's agent: [`Authorizer::lift_hold`].
    ///
    /// # Errors
    /// Those of [`Authorizer::lift_hold`].
    pub async fn lift_hold(&self, id: &RequestId, by: Option<Principal>) -> Result<bool, ReviewError> {
        self.authorizer().lift_hold(id, by).await
    }

    /// Ends every request that was opened before the store was restored: [`Authorizer::cancel_lost_requests`].
    ///
    /// # Errors
    /// Those of [`Authorizer::cancel_lost_requests`].
    pub async fn cancel_lost_requests(&self) -> Result<usize, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.cancel_lost_requests().await })
            .await
    }

    /// Waits until an approval request is approved or has ended: [`Authorizer::wait_for`].
    ///
    /// # Errors
    /// Those of [`Authorizer::wait_for`].
    pub async fn wait_for(&self, id: &RequestId, wait: Duration) -> Result<Review, ReviewError> {
        self.on_requests(|authorizer| async move { authorizer.wait_for(id, wait).await })
            .await
    }

    /// Asks the authorizer of now, and where another process put another policy into force, the one of then.
    // The authorizer is handed over, not lent: futures that hold a borrow of any lifetime are not known to be `Send`, and a service
    // needs those that are.
    async fn on_requests<T, F: Future<Output = Result<T, ReviewError>>>(
        &self,
        ask: impl Fn(Arc<Authorizer>) -> F,
    ) -> Result<T, ReviewError> {
        let mut rounds: usize = 0;
        loop {
            match ask(self.authorizer()).await {
                Err(ReviewError::Failed(error)) if error.is(AuthorizeCode::PolicyChanged) && rounds < MAX_ROUNDS => {
                    rounds = rounds.saturating_add(1);
                    self.reload_policy().await?;
                }
                answer => return answer,
            }
        }
    }

    /// The policy that the deployment says now comes into force, if it isn't in force already: whole, or not at all.
    ///
    /// # Errors
    /// What the deployment or the ledger says, and [`AdminError::PolicyMoves`]: the policy of before stays, and allows nothing once
    /// another is in force.
    pub async fn reload_policy(&self) -> Result<Option<RecordRef>, AuthorizeError> {
        let (policy, record) = enforced(&*self.deployment, &self.administrator).await?;
        self.replace(|current| current.with_policy(Arc::clone(&policy)));
        Ok(record)
    }

    /// This policy comes into force: whole, or not at all. `None` if it was in force already.
    ///
    /// The deployment should give the same from then on: issuers that share the store take over what it says, also in the
    /// place of this policy.
    ///
    /// # Errors
    /// What the ledger says: the policy of before stays.
    pub async fn enforce(&self, policy: Arc<dyn PolicyEngine>) -> Result<Option<RecordRef>, AuthorizeError> {
        let record = self.administrator.enforce(&*policy).await?;
        self.replace(|current| current.with_policy(Arc::clone(&policy)));
        Ok(record)
    }

    /// Signs with the key that the deployment names now. `false` if that is the key of before.
    ///
    /// # Errors
    /// What the deployment says, or that the trust store doesn't believe the key: the key of before stays.
    pub async fn reload_signer(&self) -> Result<bool, AuthorizeError> {
        let signer = self.deployment.signer().await.map_err(AuthorizeError::boxed)?;
        let current = self.authorizer();
        if Some(signer.public_key().kid()) == current.kid() {
            return Ok(false);
        }
        let checked = current.with_signer(Arc::clone(&signer)).await?;
        let kid = signer.public_key().kid();
        tracing::info!(key = %kid, "signing with another key");
        self.replace(|now| now.with_checked_signer(&checked));
        Ok(true)
    }

    /// Has the key sign a probe ([`Authorizer::probe_signer`]). Where that key is superseded the new one is opened first, as for a
    /// decision: a front end of which nobody asks anything would not be ready again otherwise.
    ///
    /// # Errors
    /// [`AuthorizeError`]: it would sign no pass now.
    pub async fn probe_signer(&self) -> Result<(), AuthorizeError> {
        match self.authorizer().probe_signer().await {
            Err(error) if error.is(AuthorizeCode::SignerSuperseded) => {
                self.reload_signer().await?;
                self.authorizer().probe_signer().await
            }
            probed => probed,
        }
    }

    /// The authorizer of now, for what is asked of one policy and one key.
    #[must_use]
    pub fn authorizer(&self) -> Arc<Authorizer> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The trust in force.
    ///
    /// # Errors
    /// If there is none to be had that can be believed.
    pub async fn trust(&self) -> Result<Arc<Trust>, AuthorizeError> {
        self.authorizer().trust().await
    }

    /// What changes trust and policy, and records it.
    #[must_use]
    pub const fn administrator(&self) -> &Administrator {
        &self.administrator
    }

    /// What the issuer was configured with.
    #[must_use]
    pub fn config(&self) -> IssuerConfig {
        self.authorizer().config().clone()
    }

    /// Of two that replace something at once neither loses the other's.
    fn replace(&self, change: impl FnOnce(&Authorizer) -> Authorizer) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(change(&current));
    }
}

impl From<AdminError> for AuthorizeError {
    fn from(error: AdminError) -> Self {
        Self::part(error)
    }
}
