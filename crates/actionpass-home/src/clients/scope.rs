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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_name;

    /// Every member of a scope, in the order of the checks, by what admits nobody but `good`.
    fn client() -> Client {
        let one = |text: &str| vec![text.to_owned()];
        let mut client = Client::new(client_name("ci").unwrap());
        client.tenants = Patterns::of_tenants(one("org:good")).unwrap();
        client.agents = Patterns::of_agents(vec!["agent:good".to_owned(), "agent:via-*".to_owned()]).unwrap();
        client.owners = Patterns::of_owners(one("user:good")).unwrap();
        client.runtimes = Patterns::of_runtimes(one("runtime:good")).unwrap();
        client.servers = Patterns::of_servers(one("mcp:good")).unwrap();
        client.audiences = Patterns::of_audiences(one("good")).unwrap();
        client
    }

    #[test]
    fn g21_a_scope_is_admitted_if_every_member_is() {
        // Each of seven members is absent, admitted or not: all 2,187 scopes.
        let (tenants, agents) = (["org:good", "org:Good"], ["agent:good", "agent:goods"]);
        let via: [[Agent; 2]; 2] = [
            ["agent:via-a", "agent:good"].map(|text| text.parse().unwrap()),
            ["agent:via-a", "agent:bad"].map(|text| text.parse().unwrap()),
        ];
        let tenants: [Tenant; 2] = tenants.map(|text| text.parse().unwrap());
        let agents: [Agent; 2] = agents.map(|text| text.parse().unwrap());
        let owners: [Owner; 2] = ["user:good", "user:bad"].map(|text| text.parse().unwrap());
        let runtimes: [Runtime; 2] = ["runtime:good", "runtime:bad"].map(|text| text.parse().unwrap());
        let servers: [Server; 2] = ["mcp:good", "mcp:bad"].map(|text| text.parse().unwrap());
        let audiences: [Audience; 2] = ["good", "goo"].map(|text| text.parse().unwrap());
        let members = [
            Member::Tenant,
            Member::Agent,
            Member::Via,
            Member::Owner,
            Member::Runtime,
            Member::Server,
            Member::Audience,
        ];
        let client = client();
        for number in 0..3_usize.pow(7) {
            let states: Vec<usize> = (0..7_u32).map(|place| number / 3_usize.pow(place) % 3).collect();
            let scope = Scope {
                tenant: tenants.get(states[0]),
                agent: agents.get(states[1]),
                via: via.get(states[2]).map_or(&[], |via| via),
                owner: owners.get(states[3]),
                runtime: runtimes.get(states[4]),
                server: servers.get(states[5]),
                audience: audiences.get(states[6]),
            };
            let first = states.iter().position(|&state| state == 1);
            let expected = first.map_or(Ok(()), |place| Err(members[place]));
            assert_eq!(client.admits(&scope), expected, "{states:?}");
            // An entry without patterns admits nothing that is stated.
            let is_empty = states.iter().all(|&state| state == 2);
            let nobody = Client::new(client_name("nobody").unwrap());
            assert_eq!(nobody.admits(&scope).is_ok(), is_empty, "{states:?}");
        }
    }
}
