//! [`InMemory`]: a whole issuer without a file, for first steps and for tests of programs that embed one.

use std::sync::Arc;

use actionpass_canon::{CanonError, canonicalize};
use actionpass_crypto::{KeyError, Signer, SoftwareKey};
use actionpass_model::{Audience, Issuer, KeyStatus, KeyUse, Tenant, Tenants, TextError, TrustKey, TrustStore};
use actionpass_policy::{PolicyError, RulePolicy};
use actionpass_store::{MemoryDecisionStore, MemoryReplayStore, ReplayStart};
use actionpass_verify::{Call, ConsumedPass, FixedTrust, Refusal, Trust, TrustError, Verifier};

use crate::{AuthorizeCode, AuthorizeError, Authorizer, Clock, IssuerConfig, System};

/// An issuer and its executors in one process: one key, one trust store, one policy, stores in memory.
///
/// Everything in it is real but durable: it forgets when it is dropped.
#[derive(Debug)]
pub struct InMemory {
    authorizer: Authorizer,
    signer: Arc<dyn Signer>,
    trust: Arc<Trust>,
    replay: Arc<MemoryReplayStore>,
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
    Trust(#[from] TrustError),
    /// The trust store could not be written.
    #[error(transparent)]
    Canon(#[from] CanonError),
    /// The parts don't fit together.
    #[error(transparent)]
    Authorize(#[from] AuthorizeError),
}

impl InMemory {
    /// An issuer for one tenant with a fresh key and the policy of a `policy.toml`.
    ///
    /// # Errors
    /// [`InMemoryError`] says which part could not be made.
    pub fn new(issuer: &str, tenant: &str, policy: &str) -> Result<Self, InMemoryError> {
        let issuer = Issuer::parse(issuer)?;
        let tenant = Tenant::parse(tenant)?;
        let now = System
            .now()
            .ok_or_else(|| AuthorizeError::from(AuthorizeCode::ClockUnknown))?;
        let signer: Arc<dyn Signer> = Arc::new(SoftwareKey::generate()?);
        let mut store = TrustStore::new(now);
        store.keys.push(pass_key(&*signer, &issuer, &tenant));
        let trust = Arc::new(Trust::parse(canonicalize(&store)?.as_bytes())?);
        let config = IssuerConfig::new(issuer, vec![tenant.clone()]);
        let decisions = Arc::new(MemoryDecisionStore::new(config.log()?));
        let replay = Arc::new(MemoryReplayStore::new(ReplayStart::first(now.to_unix_seconds())));
        let policy = Arc::new(RulePolicy::load(policy, "policy.toml")?);
        let authorizer = Authorizer::under(
            &trust,
            config,
            Arc::clone(&signer),
            policy,
            Arc::new(FixedTrust::new(Arc::clone(&trust))),
            decisions,
            Arc::new(System),
            Arc::new(System),
        )?
        .with_replay_store(Arc::clone(&replay) as _);
        Ok(Self {
            authorizer,
            signer,
            trust,
            replay,
            tenant,
        })
    }

    /// The issuer.
    #[must_use]
    pub const fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// The issuer's key.
    #[must_use]
    pub const fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// The trust that its executors verify by.
    #[must_use]
    pub const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// An executor's verifier for this audience.
    #[must_use]
    pub fn verifier(&self, audience: Audience) -> Verifier {
        Verifier::new(self.authorizer.config().issuer().clone(), audience, self.tenant.clone())
    }

    /// Verifies and consumes a pass for a call, as the executor of the tool's own audience does.
    ///
    /// # Errors
    /// [`Refusal`] with the codes.
    pub async fn consume(&self, token: &str, call: &Call<'_>) -> Result<ConsumedPass, Refusal> {
        let now = System
            .now()
            .ok_or_else(|| Refusal::because(AuthorizeCode::ClockUnknown))?;
        let verifier = self.verifier(call.tool().default_audience());
        verifier
            .consume(token, call, &self.trust, now.to_unix_seconds(), &*self.replay)
            .await
    }
}

fn pass_key(signer: &dyn Signer, issuer: &Issuer, tenant: &Tenant) -> TrustKey {
    let key = signer.public_key();
    TrustKey {
        kid: key.kid().clone(),
        jwk: key.to_jwk(),
        alg: key.algorithm().as_str().to_owned(),
        key_use: KeyUse::Pass,
        issuer: Some(issuer.clone()),
        principal: None,
        roles: Vec::new(),
        tenants: Tenants::Only(vec![tenant.clone()]),
        origin: None,
        not_before: None,
        not_after: None,
        status: KeyStatus::Active,
        superseded_by: None,
        compromised_since: None,
        reason: None,
        ext: None,
    }
}
