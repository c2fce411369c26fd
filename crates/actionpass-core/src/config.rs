//! What an issuer is told once: who it is, whom it serves, for how long its passes hold.

use std::time::Duration;

use actionpass_model::{
    Agent, Audience, DEFAULT_PASS_LIFETIME, DEFAULT_REQUEST_LIFETIME, Issuer, MAX_PASS_LIFETIME, MAX_REQUEST_LIFETIME,
    Origin, Tenant, TextError, Tool,
};
use actionpass_queue::Limits;
use actionpass_store::ledger::Log;

use crate::FactsTerms;

/// The largest payload of a call that was not allowed that is kept, in bytes, where such payloads are kept at all.
pub const MAX_DENIED_PAYLOAD_BYTES: usize = 65_536;

/// How an issuer behaves. Everything that loosens it says `dangerously`.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    pub(crate) issuer: Issuer,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) audiences: Vec<(Audience, Vec<Tool>)>,
    pub(crate) facts: FactsTerms,
    pub(crate) pass_lifetime: Duration,
    pub(crate) signing_timeout: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) approval_wait: Duration,
    pub(crate) salted_commitments: bool,
    pub(crate) denied_payloads: bool,
    pub(crate) dangerously_accept_asserted: bool,
    pub(crate) tools_with_colliding_names: Vec<Tool>,
    pub(crate) requests: RequestTerms,
}

/// How long approval requests wait and declines hold, and how many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RequestTerms {
    /// How long a request waits; at most a day.
    pub lifetime: Duration,
    /// How long a decline answers every action of the same hash, at least: it also does for the rest of its request's time.
    pub decline_holds: Duration,
    /// How many there may be.
    pub limits: Limits,
}

impl RequestTerms {
    /// An hour each, and the limits of [`Limits::DEFAULT`].
    pub const DEFAULT: Self = Self {
        lifetime: DEFAULT_REQUEST_LIFETIME,
        decline_holds: Duration::from_secs(60 * 60),
        limits: Limits::DEFAULT,
    };
}

impl Default for RequestTerms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl IssuerConfig {
    /// An issuer for these tenants; every agent of theirs, each tool its own audience, passes of ten minutes.
    #[must_use]
    pub const fn new(issuer: Issuer, tenants: Vec<Tenant>) -> Self {
        Self {
            issuer,
            tenants,
            agents: Vec::new(),
            audiences: Vec::new(),
            facts: FactsTerms::new(),
            pass_lifetime: DEFAULT_PASS_LIFETIME,
            signing_timeout: Duration::from_secs(10),
            store_timeout: Duration::from_secs(30),
            approval_wait: Duration::from_secs(60),
            salted_commitments: false,
            denied_payloads: false,
            dangerously_accept_asserted: false,
            tools_with_colliding_names: Vec::new(),
            requests: RequestTerms::DEFAULT,
        }
    }

    /// Serves these agents only; an empty list serves every agent of the tenants.
    #[must_use]
    pub fn with_agents(mut self, agents: Vec<Agent>) -> Self {
        self.agents = agents;
        self
    }

    /// Adds an audience: executors that share one replay store, and the tools that they run.
    #[must_use]
    pub fn with_audience(mut self, name: Audience, tools: Vec<Tool>) -> Self {
        self.audiences.push((name, tools));
        self
    }

    /// Which facts are taken; those that are at most an hour old unless it is set.
    #[must_use]
    pub const fn with_facts(mut self, terms: FactsTerms) -> Self {
        self.facts = terms;
        self
    }

    /// How long a pass holds; at least a second, at most an hour. Policy may shorten it.
    #[must_use]
    pub fn with_pass_lifetime(mut self, lifetime: Duration) -> Self {
        self.pass_lifetime = lifetime.clamp(Duration::from_secs(1), MAX_PASS_LIFETIME);
        self
    }

    /// How long a custodian may take to sign; ten seconds unless it is set.
    #[must_use]
    pub const fn with_signing_timeout(mut self, timeout: Duration) -> Self {
        self.signing_timeout = timeout;
        self
    }

    /// How long a store may take to answer; half a minute unless it is set. Without an answer there is no pass, even
    /// if the store goes on to write the record of one.
    #[must_use]
    pub const fn with_store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How long an [`ApprovalSource`](crate::ApprovalSource) may take; a minute unless it is set.
    #[must_use]
    pub const fn with_approval_wait(mut self, wait: Duration) -> Self {
        self.approval_wait = wait;
        self
    }

    /// How long approval requests wait, and how many there may be. A lifetime is brought within a second and a day.
    #[must_use]
    pub fn with_requests(mut self, mut terms: RequestTerms) -> Self {
        terms.lifetime = terms.lifetime.clamp(Duration::from_secs(1), MAX_REQUEST_LIFETIME);
        self.requests = terms;
        self
    }

    /// How long approval requests wait, and how many there may be.
    #[must_use]
    pub const fn requests(&self) -> &RequestTerms {
        &self.requests
    }

    /// Writes salted commitments into the ledger in place of the hashes of actions and tokens
    /// ([`ledger::Salt`](actionpass_store::ledger::Salt)). The salt of each record lies beside the log and can be erased.
    #[must_use]
    pub const fn with_salted_commitments(mut self) -> Self {
        self.salted_commitments = true;
        self
    }

    /// Keeps the payload of a call that was not allowed as well, beside its record, if it is of at most
    /// [`MAX_DENIED_PAYLOAD_BYTES`]. Otherwise only its hash is kept: whoever is denied would fill the disk at no cost.
    #[must_use]
    pub const fn with_denied_payloads(mut self) -> Self {
        self.denied_payloads = true;
        self
    }

    /// Accepts approvals that nobody signed. Dangerous: anybody can write a name. Verifiers must opt in too.
    #[must_use]
    pub const fn dangerously_accept_asserted_approvals(mut self) -> Self {
        self.dangerously_accept_asserted = true;
        self
    }

    /// Accepts payloads of this tool whose member names differ only in case. Dangerous: parsers that fold case read
    /// them as one, and what they execute is not what was approved.
    #[must_use]
    pub fn dangerously_permit_colliding_member_names(mut self, tool: Tool) -> Self {
        self.tools_with_colliding_names.push(tool);
        self
    }

    /// Which facts are taken.
    #[must_use]
    pub const fn facts(&self) -> &FactsTerms {
        &self.facts
    }

    /// Whether the ledger gets salted commitments.
    #[must_use]
    pub const fn has_salted_commitments(&self) -> bool {
        self.salted_commitments
    }

    /// Who signs the passes.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The issuer's one log. Its origin is the issuer without `https://`, as C2SP tlog-checkpoint wants it.
    ///
    /// # Errors
    /// [`TextError`] for the issuer `https://`, which names no host.
    pub fn log(&self) -> Result<Log, TextError> {
        let issuer = self.issuer.as_str();
        let origin = Origin::parse(issuer.strip_prefix("https://").unwrap_or(issuer))?;
        Ok(Log::new(origin, self.issuer.clone()))
    }

    /// The audience of a call: the one asked for if it is configured to run the tool, else the first that is, else
    /// the tool itself. `None` if the one asked for is not to be had.
    #[must_use]
    pub fn audience(&self, tool: &Tool, asked: Option<&Audience>) -> Option<Audience> {
        let mut serving = self
            .audiences
            .iter()
            .filter(|(_, tools)| tools.contains(tool))
            .map(|(name, _)| name);
        match asked {
            None => Some(serving.next().cloned().unwrap_or_else(|| tool.default_audience())),
            Some(asked) => {
                let is_tool = *asked == tool.default_audience() && serving.clone().next().is_none();
                (is_tool || serving.any(|name| name == asked)).then(|| asked.clone())
            }
        }
    }

    /// The member of an action that names somebody whom the issuer doesn't serve, if one does.
    pub(crate) fn not_served(&self, tenant: &Tenant, agent: &Agent) -> Option<&'static str> {
        if !self.tenants.contains(tenant) {
            Some("tenant")
        } else if !self.agents.is_empty() && !self.agents.contains(agent) {
            Some("actor.agent")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_are_the_configured_ones_or_the_tool() {
        let tool = |name| Tool::parse(name).unwrap();
        let audience = |name| Audience::parse(name).unwrap();
        let config = IssuerConfig::new(Issuer::parse("urn:x").unwrap(), vec![])
            .with_audience(audience("github-executor"), vec![tool("github.contents.put")]);
        assert_eq!(
            config.audience(&tool("github.contents.put"), None),
            Some(audience("github-executor"))
        );
        assert_eq!(config.audience(&tool("slack.post"), None), Some(audience("slack.post")));
        assert_eq!(
            config.audience(&tool("slack.post"), Some(&audience("slack.post"))),
            Some(audience("slack.post"))
        );
        assert_eq!(
            config.audience(&tool("slack.post"), Some(&audience("github-executor"))),
            None
        );
        assert_eq!(
            config.audience(&tool("github.contents.put"), Some(&audience("github.contents.put"))),
            None
        );
    }
}
