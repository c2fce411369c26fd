//! [`Verifier`]: the executor's side.

use std::sync::Arc;
use std::time::Duration;

use actionpass::canon::{Limits, admit};
use actionpass::model::{Agent, Audience, Issuer, ObligationId, Resource, Task, Tenant, Tool};
use actionpass::{OwnedCall, VerifiedPass};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Action, Error, ReplayStore, Trust, options, time, to_json};

/// What an executor accepts, and whom it believes.
#[derive(Clone, Debug)]
pub struct Verifier {
    verifier: Arc<actionpass::Verifier>,
    trust: Trust,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    issuer: Issuer,
    audience: Audience,
    tenant: Tenant,
    #[serde(default)]
    obligations: Vec<ObligationId>,
    /// In seconds.
    #[serde(default)]
    max_lifetime: Option<u64>,
    /// In seconds.
    #[serde(default)]
    max_revocations_age: Option<u64>,
    #[serde(default)]
    dangerously_accept_asserted_approvals: bool,
}

/// The call that is about to be made.
#[derive(Clone, Debug)]
pub struct Call(OwnedCall);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    tool: Tool,
    resource: Resource,
    #[serde(default)]
    agent: Option<Agent>,
    #[serde(default)]
    task: Option<Task>,
}

impl Call {
    /// A call of which the whole action is known.
    #[must_use]
    pub fn action(action: &Action) -> Self {
        Self(OwnedCall::action(action.bound().clone()))
    }

    /// A call by `{tool, resource, agent?, task?}` and the raw JSON of its payload.
    ///
    /// # Errors
    /// [`BindingCode::ArgumentInvalid`](crate::BindingCode::ArgumentInvalid); what the gate refuses of the payload.
    pub fn parts(head: &str, payload: &[u8]) -> Result<Self, Error> {
        let head: Head = options::read(head)?;
        let payload = admit(payload, &Limits::default())?;
        let call = OwnedCall::new(head.tool, head.resource, payload);
        Ok(Self(call.stating(head.agent, head.task)))
    }
}

/// A pass for which everything held. Serialized it is `{valid: true, id, expiresAt, compared, claims, approvals}`; the payload
/// stands beside.
#[derive(Clone, Debug)]
pub struct Verified(VerifiedPass);

impl Verified {
    /// The canonical JSON of the payload: what is to be executed, and nothing else.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.0.payload().as_str()
    }

    /// The pass.
    #[must_use]
    pub const fn pass(&self) -> &VerifiedPass {
        &self.0
    }
}

impl Serialize for Verified {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.0.claims();
        let mut verdict = serializer.serialize_struct("Verified", 6)?;
        verdict.serialize_field("valid", &true)?;
        verdict.serialize_field("id", &claims.jti)?;
        verdict.serialize_field("expiresAt", &claims.exp.to_timestamp())?;
        verdict.serialize_field("compared", self.0.compared())?;
        verdict.serialize_field("claims", claims)?;
        verdict.serialize_field("approvals", &claims.actionpass.approvals)?;
        verdict.end()
    }
}

impl Verifier {
    /// A verifier of `{issuer, audience, tenant, obligations?, maxLifetime?, maxRevocationsAge?,
    /// dangerouslyAcceptAssertedApprovals?}`, times in seconds.
    ///
    /// # Errors
    /// [`BindingCode::ArgumentInvalid`](crate::BindingCode::ArgumentInvalid).
    pub fn new(json: &str, trust: Trust) -> Result<Self, Error> {
        let options: Options = options::read(json)?;
        let mut verifier = actionpass::Verifier::new(options.issuer, options.audience, options.tenant);
        for obligation in options.obligations {
            verifier = verifier.with_obligation(obligation);
        }
        if let Some(seconds) = options.max_lifetime {
            verifier = verifier.with_max_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seconds) = options.max_revocations_age {
            verifier = verifier.with_max_revocations_age(Duration::from_secs(seconds));
        }
        if options.dangerously_accept_asserted_approvals {
            verifier = verifier.dangerously_accept_asserted_approvals();
        }
        Ok(Self::of(verifier, trust))
    }

    pub(crate) fn of(verifier: actionpass::Verifier, trust: Trust) -> Self {
        Self {
            verifier: Arc::new(verifier),
            trust,
        }
    }

    /// Checks a pass for the call that is about to be made, without using it up. Computes only, but for a look at a watched
    /// trust file.
    ///
    /// # Errors
    /// Every code that the pass is refused for.
    pub fn verify(&self, token: &str, call: &Call) -> Result<Verified, Error> {
        let trust = self.trust.current()?;
        let now = time::now()?.to_unix_seconds();
        Ok(Verified(self.verifier.verify(token, &call.0.call(), &trust, now)?))
    }

    /// Checks a pass and marks it used: of any number of executors with one store exactly one succeeds. Only then may the call
    /// be made, with [`Verified::payload`].
    ///
    /// # Errors
    /// Beside those of [`verify`](Self::verify) `already_used`, `replay_state_lost`, and what the store says. The pass may be
    /// used up all the same.
    pub async fn consume(&self, token: &str, call: &Call, store: &ReplayStore) -> Result<Verified, Error> {
        let trust = self.trust.source()?.current().await?;
        let now = time::now()?.to_unix_seconds();
        let consumed = self
            .verifier
            .consume(token, &call.0.call(), &trust, now, store.store()?)
            .await?;
        Ok(Verified(consumed.pass().clone()))
    }
}

/// The outcome as one text, for bindings in which an exception costs more than a refusal: `{…}`, a line end, and the canonical
/// payload; or `!` and the error.
///
/// # Errors
/// None for what this crate gives.
pub fn verdict(settled: &Result<Verified, Error>) -> Result<String, Error> {
    match settled {
        Ok(verified) => Ok([&to_json(verified)?, "\n", verified.payload()].concat()),
        Err(error) => Ok(["!", &to_json(error)?].concat()),
    }
}
