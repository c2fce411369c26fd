//! [`InMemory`]: a whole issuer without a file, for first steps and for tests of programs that embed one.

use std::sync::Arc;

use actionpass_crypto::{KeyError, PublicKey, Signer, SoftwareKey};
use actionpass_model::{
    Approver, Audience, Issuer as IssuerName, Role, Tenant, Tenants, TextError, Timestamp, TrustStore,
};
use actionpass_policy::{PolicyEngine, PolicyError, RulePolicy};
use actionpass_store::trust_file::TrustFileError;
use actionpass_store::{MemoryDecisionStore, MemoryReplayStore, MemoryTrust, ReplayStart};
use actionpass_verify::{Call, Clock, ConsumedPass, DocumentTrust, Executor, Refusal, TrustSource, Verifier};

use crate::{ApprovalSource, Authorization, AuthorizeError, FixedDeployment, Issuer, IssuerConfig, Request, System};

/// An issuer and its executors in one process: one key, one trust store, one policy, stores in memory.
///
/// Everything in it is real but durable: it forgets when it is dropped.
#[derive(Debug)]
pub struct InMemory {
    issuer: Issuer,
    signer: Arc<dyn Signer>,
    trust: Arc<dyn TrustSource>,
    replay: Arc<MemoryReplayStore>,
    clock: Arc<dyn Clock>,
    tenant: Tenant,
}

/// Nothing was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InMemoryError {
    /// A name isn't one.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The policy isn't one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The trust store could not be made.
    #[error(transparent)]
    Trust(#[from] TrustFileError),
    /// The parts don't fit together.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
}

/// An [`InMemory`] issuer in the making: a fresh key and the operating system's clock, unless others are set.
#[derive(Debug)]
pub struct InMemoryBuilder {
    config: IssuerConfig,
    tenant: Tenant,
    policy: Arc<dyn PolicyEngine>,
    signer: Option<Arc<dyn Signer>>,
    clock: Arc<dyn Clock>,
    approvers: Vec<(PublicKey, Approver, Vec<Role>)>,
    approvals: Option<Arc<dyn ApprovalSource>>,
}

impl InMemoryBuilder {
    /// Changes the configuration, which serves one tenant and gives every tool its own audience.
    #[must_use]
    pub fn with_config(mut self, change: impl FnOnce(IssuerConfig) -> IssuerConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// Signs with this key.
    #[must_use]
    pub fn with_signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Goes by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Believes this key as one that approves as this person.
    #[must_use]
    pub fn with_approver(mut self, key: &PublicKey, approver: Approver, roles: Vec<Role>) -> Self {
        self.approvers.push((key.clone(), approver, roles));
        self
    }

    /// Asks this source for approvals whenever policy steps up.
    #[must_use]
    pub fn with_approval_source(mut self, source: Arc<dyn ApprovalSource>) -> Self {
        self.approvals = Some(source);
        self
    }

    /// The issuer.
    ///
    /// # Errors
    /// [`InMemoryError`] says which part could not be made.
    pub async fn build(self) -> Result<InMemory, InMemoryError> {
        let now = self.clock.now().ok_or_else(AuthorizeError::clock)?;
        let signer = match self.signer {
            Some(signer) => signer,
            None => Arc::new(SoftwareKey::generate()?),
        };
        let issuer = self.config.issuer().clone();
        let tenants = Tenants::Only(vec![self.tenant.clone()]);
        let mut store = TrustStore::new(now);
        store
            .keys
            .push(signer.public_key().pass_key_of(&issuer).with_tenants(tenants.clone()));
        for (key, approver, roles) in self.approvers {
            let entry = key.approval_key_of(&approver).with_roles(roles);
            store.keys.push(entry.with_tenants(tenants.clone()));
        }
        let document = Arc::new(MemoryTrust::new(&store)?);
        let trust: Arc<dyn TrustSource> = Arc::new(DocumentTrust::new(Arc::clone(&document) as _));
        let decisions = Arc::new(MemoryDecisionStore::new(self.config.log()?));
        let replay = Arc::new(MemoryReplayStore::new(first_start(now)));
        let deployment = FixedDeployment::new(self.policy, Arc::clone(&signer));
        let mut builder = Issuer::builder(self.config, Arc::new(deployment), document, Arc::clone(&decisions) as _)
            .with_requests(decisions)
            .with_clock(Arc::clone(&self.clock))
            .with_replay_store(Arc::clone(&replay) as _);
        if let Some(source) = self.approvals {
            builder = builder.with_approval_source(source);
        }
        Ok(InMemory {
            issuer: builder.open().await?,
            signer,
            trust,
            replay,
            clock: self.clock,
            tenant: self.tenant,
        })
    }
}

impl InMemory {
    /// An issuer for one tenant with a fresh key and the policy of a `policy.toml`.
    ///
    /// # Errors
    /// [`InMemoryError`] says which part could not be made.
    pub async fn new(issuer: &str, tenant: &str, policy: &str) -> Result<Self, InMemoryError> {
        let policy = Arc::new(RulePolicy::load(policy, "policy.toml")?);
        Self::builder(IssuerName::parse(issuer)?, Tenant::parse(tenant)?, policy)
            .build()
            .await
    }

    /// An issuer for one tenant with any policy engine; what else it has is set by the builder.
    #[must_use]
    pub fn builder(issuer: IssuerName, tenant: Tenant, policy: Arc<dyn PolicyEngine>) -> InMemoryBuilder {
        InMemoryBuilder {
            config: IssuerConfig::new(issuer, vec![tenant.clone()]),
            tenant,
            policy,
            signer: None,
            clock: Arc::new(System),
            approvers: Vec::new(),
            approvals: None,
        }
    }

    /// The issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The issuer's key.
    #[must_use]
    pub const fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// An executor for this audience. All of one audience and all others here share one replay store.
    #[must_use]
    pub fn executor(&self, audience: Audience) -> Executor {
        let verifier = Verifier::new(self.issuer.config().issuer().clone(), audience, self.tenant.clone());
        Executor::new(verifier, Arc::clone(&self.trust), Arc::clone(&self.replay) as _)
            .with_clock(Arc::clone(&self.clock))
    }

    /// Decides on an action, as [`Issuer::authorize`] does.
    ///
    /// # Errors
    /// Those of [`Issuer::authorize`].
    pub async fn authorize(&self, request: Request<'_>) -> Result<Authorization, AuthorizeError> {
        self.issuer.authorize(request).await
    }

    /// Verifies and consumes a pass for a call, as the executor of the tool's own audience does.
    ///
    /// # Errors
    /// [`Refusal`] with the codes.
    pub async fn consume(&self, token: &str, call: &Call<'_>) -> Result<ConsumedPass, Refusal> {
        self.executor(call.tool().default_audience()).consume(token, call).await
    }
}

const fn first_start(now: Timestamp) -> ReplayStart {
    ReplayStart::first(now.to_unix_seconds())
}

#[cfg(test)]
mod tests {
    use actionpass_canon::{BoundAction, Limits};
    use actionpass_model::{Caller, Decision, Statement};
    use actionpass_policy::{EXAMPLE_STEP_UP, STARTER_POLICY};
    use pollster::block_on;

    use super::*;
    use crate::{Approval, ApprovalAnswer, ApprovalFuture, ApprovalQuestion};

    /// Somebody who approves whatever they are asked for.
    #[derive(Debug)]
    struct Maya(SoftwareKey);

    impl ApprovalSource for Maya {
        fn request<'a>(&'a self, request: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
            Box::pin(async move {
                let approval = Approval::human(
                    Approver::parse("user:maya@example.com").unwrap(),
                    Statement::parse("read it").unwrap(),
                );
                let now = System.now().unwrap();
                let token = approval
                    .sign(request.action, request.issuer, &self.0, now, &System)
                    .await
                    .unwrap();
                Ok(ApprovalAnswer::Tokens(vec![token]))
            })
        }
    }

    #[test]
    fn a_builder_takes_keys_clocks_and_approvers() {
        block_on(async {
            let maya = Arc::new(Maya(SoftwareKey::generate().unwrap()));
            let signer: Arc<dyn Signer> = Arc::new(SoftwareKey::generate().unwrap());
            let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
            let local = InMemory::builder(
                IssuerName::parse("https://issuer.example").unwrap(),
                Tenant::parse("org:example").unwrap(),
                Arc::new(policy),
            )
            .with_signer(Arc::clone(&signer))
            .with_approver(
                maya.0.public_key(),
                Approver::parse("user:maya@example.com").unwrap(),
                vec![Role::parse("maintainer").unwrap()],
            )
            .with_approval_source(maya)
            .build()
            .await
            .unwrap();
            let action = BoundAction::admit(EXAMPLE_STEP_UP.as_bytes(), &Limits::default()).unwrap();
            let caller = Caller {
                tenant: action.action().tenant.clone(),
                actor: action.action().actor.clone(),
            };
            let decided = local.authorize(Request::new(&action, &caller)).await.unwrap();
            assert_eq!(decided.decision, Decision::Allow);
            // The step_up was recorded before anybody was asked.
            let ledger = local.issuer().administrator().ledger();
            let records = ledger.read(0, 100).await.unwrap();
            let decisions: Vec<String> = records
                .iter()
                .filter_map(|record| {
                    let record = record.to_record().unwrap();
                    record.body.get().get("decision")?.as_str().map(ToOwned::to_owned)
                })
                .collect();
            assert_eq!(decisions, ["step_up", "allow"]);
            let pass = decided.pass.unwrap();
            let consumed = local.consume(&pass.token, &Call::action(&action)).await.unwrap();
            assert_eq!(consumed.pass().kid(), signer.public_key().kid());
        });
    }
}
