//! [`Client`]: the service, asked by name.

use std::sync::Arc;

use actionpass::model::{RequestId, RequestState, Tenant};
use actionpass_client::api::{AuthorizeRequest, NewRevocation, OutcomeReport, VerifyRequest};
use serde::Deserialize;

use crate::process::Process;
use crate::{Error, options, to_json};

/// A client of the service. Every call blocks until there is an answer, which takes as long as the service and its bounds
/// say: bindings run it on a thread of its own.
#[derive(Clone, Debug)]
pub struct Client {
    client: Arc<actionpass_client::Client>,
    process: Process,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfRequest {
    id: RequestId,
    /// The vote, a compact JWS.
    #[serde(default)]
    token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Requests {
    state: Option<RequestState>,
    tenant: Option<Tenant>,
    agent: Option<actionpass::model::Agent>,
    after: Option<RequestId>,
}

impl Client {
    /// What can be asked, as bindings name their methods: each takes and gives JSON as `docs/spec/service.md` has it.
    pub const METHODS: [&'static str; 13] = [
        "authorize",
        "cancel",
        "consume",
        "health",
        "jwks",
        "ledgerHead",
        "outcome",
        "request",
        "requests",
        "revoke",
        "trust",
        "verify",
        "vote",
    ];

    /// A client of the service at `url`, `https://gate.example.com` or `http://localhost:8311`, with the token that
    /// `actionpass clients add` printed.
    ///
    /// # Errors
    /// `service_address_refused`, `client_token_malformed`: nothing of either is repeated.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        Ok(Self {
            client: Arc::new(actionpass_client::Client::new(url, token)?),
            process: Process::current(),
        })
    }

    /// Asks `method`, one of [`METHODS`](Self::METHODS), with a JSON object, and gives the JSON of the answer. Those about one
    /// request take `{id}`, a vote `{id, token}`.
    ///
    /// # Errors
    /// Why there is no answer: nothing is allowed by it. [`BindingCode::ArgumentInvalid`](crate::BindingCode::ArgumentInvalid).
    pub fn ask(&self, method: &str, json: &str) -> Result<String, Error> {
        self.process.check()?;
        let client = &*self.client;
        match method {
            "authorize" => to_json(&client.authorize(&options::read::<AuthorizeRequest>(json)?)?),
            "verify" => to_json(&client.verify(&options::read::<VerifyRequest>(json)?)?),
            "consume" => to_json(&client.consume(&options::read::<VerifyRequest>(json)?)?),
            "outcome" => to_json(&client.outcome(&options::read::<OutcomeReport>(json)?)?),
            "revoke" => to_json(&client.revoke(&options::read::<NewRevocation>(json)?)?),
            "request" => to_json(&client.request(&options::read::<OfRequest>(json)?.id)?),
            "cancel" => to_json(&client.cancel(&options::read::<OfRequest>(json)?.id)?),
            "vote" => {
                let vote: OfRequest = options::read(json)?;
                let token = vote
                    .token
                    .ok_or_else(|| Error::argument("token", "the vote is missing"))?;
                to_json(&client.vote(&vote.id, &token)?)
            }
            "requests" => {
                let of: Requests = options::read(json)?;
                to_json(&client.requests(of.state, of.tenant.as_ref(), of.agent.as_ref(), of.after.as_ref())?)
            }
            "trust" => Ok(client.trust()?.text),
            "jwks" => to_json(&client.jwks()?),
            "ledgerHead" => to_json(&client.ledger_head()?),
            "health" => {
                client.health()?;
                Ok("null".to_owned())
            }
            _ => Err(Error::argument("method", "the service has no such question")),
        }
    }
}
