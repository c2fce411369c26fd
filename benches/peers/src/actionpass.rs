//! ActionPass: admission, policy, a signature, and a record in a ledger in memory.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actionpass_canon::{BoundAction, Limits, admit, canonicalize};
use actionpass_core::{Authorizer, AuthorizerParts, Clock, IssuerConfig, Request, System};
use actionpass_crypto::{Signer, SoftwareKey};
use actionpass_model::{Audience, Caller, Issuer, Resource, Tenant, Tenants, Tool, TrustStore};
use actionpass_policy::RulePolicy;
use actionpass_store::MemoryDecisionStore;
use actionpass_verify::{FixedTrust, Trust, Verifier};

use crate::{Call, Peer, Presented, Result};

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "peers"
[[rule]]
id = "github.pr"
effect = "allow"
tool = "github.pull_requests.create"
resource = "repo:company/*"
"#;

pub struct ActionPass {
    authorizer: Authorizer,
    caller: Caller,
    verifier: Verifier,
    trust: Arc<Trust>,
}

impl ActionPass {
    pub fn new() -> Result<Self> {
        let issuer = Issuer::parse("https://issuer.example")?;
        let tenant = Tenant::parse("org:example")?;
        let key = SoftwareKey::generate()?;
        let mut store = TrustStore::new(System.now().ok_or("no time")?);
        let pass_key = key.public_key().pass_key_of(&issuer);
        store
            .keys
            .push(pass_key.with_tenants(Tenants::Only(vec![tenant.clone()])));
        let trust = Arc::new(Trust::parse(canonicalize(&store)?.as_bytes())?);
        let config = IssuerConfig::new(issuer.clone(), vec![tenant.clone()]);
        let parts = AuthorizerParts {
            signer: Arc::new(key),
            policy: Arc::new(RulePolicy::load(POLICY, "policy.toml")?),
            trust: Arc::new(FixedTrust::new(Arc::clone(&trust))),
            store: Arc::new(MemoryDecisionStore::with_capacity(config.log()?, usize::MAX)),
        };
        let authorizer = ready(Authorizer::builder(config, parts).build())?;
        let audience = Audience::parse("github.pull_requests.create")?;
        let caller = Caller::parse(
            "org:example",
            "agent:codex-prod",
            "user:owner@example.com",
            "runtime:codex-cli",
        )?;
        Ok(Self {
            authorizer,
            caller,
            verifier: Verifier::new(issuer, audience, tenant),
            trust,
        })
    }
}

impl Peer for ActionPass {
    fn name(&self) -> &'static str {
        "ActionPass, ES256, aws-lc"
    }

    fn issue(&self, action: &[u8]) -> Result<String> {
        let action = BoundAction::admit(action, &Limits::default())?;
        let answer = ready(self.authorizer.authorize(Request::new(&action, &self.caller)))?;
        Ok(answer.pass.ok_or("not allowed")?.token)
    }

    fn permits(&self, presented: &Presented, call: &Call<'_>) -> bool {
        let check = || -> Result<()> {
            let tool = Tool::parse(&*call.tool)?;
            let resource = Resource::parse(&*call.resource)?;
            let payload = admit(call.payload.as_bytes(), &Limits::default())?;
            let call = actionpass_verify::Call::new(&tool, &resource, &payload);
            let now = System.now().ok_or("no time")?.to_unix_seconds();
            self.verifier.verify(&presented.token, &call, &self.trust, now)?;
            Ok(())
        };
        check().is_ok()
    }
}

/// The output of a future that never waits: neither a key nor a store in memory does.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
