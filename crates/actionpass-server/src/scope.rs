//! Which requests and records a client may see or touch, by its entry in `clients.toml`.

use actionpass_home::Client;
use actionpass_model::{Actor, ApprovalRequest, Principal, Server, Tenant};

/// Whether a request is within what a client may see. Another one looks to it as if there were none.
pub(crate) fn sees(client: &Client, request: &ApprovalRequest) -> bool {
    sees_actor(client, &request.tenant, &request.actor, request.server.as_ref())
}

/// The same of whatever an actor does for a tenant with a tool of a server.
pub(crate) fn sees_actor(client: &Client, tenant: &Tenant, actor: &Actor, server: Option<&Server>) -> bool {
    client.tenants.admit(tenant.as_str())
        && client.agents.admit(actor.agent.as_str())
        && client.owners.admit(actor.human_owner.as_str())
        && client.runtimes.admit(actor.runtime.as_str())
        && server.is_none_or(|server| client.servers.admit(server.as_str()))
}

/// Whether a client may see what concerns all tenants.
pub(crate) fn sees_all_tenants(client: &Client) -> bool {
    // No tenant is called this, so nothing but the pattern for all of them admits it.
    client.tenants.admit("*")
}

/// Whether a client may see what concerns all agents, owners, runtimes and servers of its tenants.
pub(crate) fn sees_all_actors(client: &Client) -> bool {
    [&client.agents, &client.owners, &client.runtimes, &client.servers]
        .iter()
        .all(|patterns| patterns.admit("*"))
}

/// Whether nothing is kept from a client.
pub(crate) fn sees_all(client: &Client) -> bool {
    sees_all_tenants(client) && sees_all_actors(client)
}

/// Whom records name for what a client does: `service:` and its name; nobody where that is no principal.
pub(crate) fn principal(client: &Client) -> Option<Principal> {
    Principal::parse(&format!("service:{}", client.name)).ok()
}
