//! [`Scope`]: what somebody states or touches, as far as the entry of a client limits it.

use actionpass_model::{
    Agent, ApprovalRequest, Audience, Caller, DecisionBody, JsonObject, Owner, Record, RecordKind, Runtime, Server,
    Tenant,
};

use super::{Client, Patterns};

/// What somebody states or touches. A member that isn't there isn't stated, and so isn't limited.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks states what there is of it")]
pub struct Scope<'a> {
    /// The organization.
    pub tenant: Option<&'a Tenant>,
    /// Who acts.
    pub agent: Option<&'a Agent>,
    /// For which agents it acts: each is stated as an agent.
    pub via: &'a [Agent],
    /// Who answers for the agent.
    pub owner: Option<&'a Owner>,
    /// Where the agent runs.
    pub runtime: Option<&'a Runtime>,
    /// The server that lists the tool.
    pub server: Option<&'a Server>,
    /// The executors that share one replay store.
    pub audience: Option<&'a Audience>,
}

/// A member of a [`Scope`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Member {
    /// `tenant`.
    Tenant,
    /// `agent`.
    Agent,
    /// `via`.
    Via,
    /// `owner`.
    Owner,
    /// `runtime`.
    Runtime,
    /// `server`.
    Server,
    /// `audience`.
    Audience,
}

impl Member {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Agent => "agent",
            Self::Via => "via",
            Self::Owner => "owner",
            Self::Runtime => "runtime",
            Self::Server => "server",
            Self::Audience => "audience",
        }
    }
}

impl<'a> Scope<'a> {
    /// That of an identity.
    #[must_use]
    pub fn of_caller(caller: &'a Caller) -> Self {
        Self {
            tenant: Some(&caller.tenant),
            agent: Some(&caller.actor.agent),
            via: &caller.actor.via,
            owner: Some(&caller.actor.human_owner),
            runtime: Some(&caller.actor.runtime),
            server: None,
            audience: None,
        }
    }

    /// That of an approval request.
    #[must_use]
    pub fn of_request(request: &'a ApprovalRequest) -> Self {
        Self {
            tenant: Some(&request.tenant),
            agent: Some(&request.actor.agent),
            via: &request.actor.via,
            owner: Some(&request.actor.human_owner),
            runtime: Some(&request.actor.runtime),
            server: request.server.as_ref(),
            audience: None,
        }
    }

    fn of_decision(tenant: Option<&'a Tenant>, decision: &'a DecisionBody) -> Self {
        Self {
            tenant,
            agent: Some(&decision.actor.agent),
            via: &decision.actor.via,
            owner: Some(&decision.actor.human_owner),
            runtime: Some(&decision.actor.runtime),
            server: decision.server.as_ref(),
            audience: Some(&decision.audience),
        }
    }

    /// The same with a server.
    #[must_use]
    pub const fn with_server(mut self, server: Option<&'a Server>) -> Self {
        self.server = server;
        self
    }

    /// The same with an audience.
    #[must_use]
    pub const fn with_audience(mut self, audience: Option<&'a Audience>) -> Self {
        self.audience = audience;
        self
    }
}

impl Client {
    /// Whether it may state or touch all of this.
    ///
    /// # Errors
    /// The first [`Member`] that it may not.
    pub fn admits(&self, scope: &Scope<'_>) -> Result<(), Member> {
        fn check<T: AsRef<str>>(patterns: &Patterns, stated: Option<&T>, member: Member) -> Result<(), Member> {
            if stated.is_none_or(|stated| patterns.admit(stated.as_ref())) {
                Ok(())
            } else {
                Err(member)
            }
        }
        check(&self.tenants, scope.tenant, Member::Tenant)?;
        check(&self.agents, scope.agent, Member::Agent)?;
        for agent in scope.via {
            check(&self.agents, Some(agent), Member::Via)?;
        }
        check(&self.owners, scope.owner, Member::Owner)?;
        check(&self.runtimes, scope.runtime, Member::Runtime)?;
        check(&self.servers, scope.server, Member::Server)?;
        check(&self.audiences, scope.audience, Member::Audience)
    }

    /// Whether a request is within its entry.
    #[must_use]
    pub fn sees(&self, request: &ApprovalRequest) -> bool {
        self.admits(&Scope::of_request(request)).is_ok()
    }

    /// Whether a record is within its entry.
    ///
    /// A decision is if everything that it says is. Any other record says of nobody whose call it is about: its tenant must be
    /// admitted, and all agents, owners and runtimes; of one without a tenant (keys, trust, policy), all tenants too. A change
    /// of an approval request is where [`sees`](Self::sees) says so of the request: whoever can look that up does.
    #[must_use]
    pub fn sees_record(&self, record: &Record) -> bool {
        if record.kind == RecordKind::Decision {
            return decision(&record.body).is_some_and(|body| {
                record.tenant.is_some() && self.admits(&Scope::of_decision(record.tenant.as_ref(), &body)).is_ok()
            });
        }
        let tenant = record
            .tenant
            .as_ref()
            .map_or(self.tenants.are_any(), |tenant| self.tenants.admit(tenant.as_str()));
        tenant && self.agents.are_any() && self.owners.are_any() && self.runtimes.are_any()
    }
}

/// A decision that this version can read.
fn decision(body: &JsonObject) -> Option<DecisionBody> {
    serde_json::to_value(body)
        .ok()
        .and_then(|body| serde_json::from_value(body).ok())
}
