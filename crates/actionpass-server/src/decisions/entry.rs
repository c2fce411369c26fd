//! What a client may state, by its entry in `clients.toml`.

use actionpass_client::api::StatedCaller;
use actionpass_home::{Client, Patterns};
use actionpass_model::{Actor, Audience, Caller, Server, Tenant};

use crate::ServerCode;
use crate::problem::Refused;

/// The value that is stated, or the only one that the entry has.
///
/// # Errors
/// [`ServerCode::ValueNotStated`] where neither says it.
pub(super) fn stated_or_only<T>(
    stated: Option<T>,
    patterns: &Patterns,
    parse: fn(&str) -> Option<T>,
    member: &str,
) -> Result<T, Refused> {
    stated
        .or_else(|| patterns.only().and_then(parse))
        .ok_or_else(|| Refused::from(ServerCode::ValueNotStated).at(member))
}

/// Who calls: as it is stated, the rest from the entry where that leaves no choice.
pub(super) fn caller_of(client: &Client, stated: StatedCaller) -> Result<Caller, Refused> {
    let StatedCaller {
        tenant,
        agent,
        human_owner,
        runtime,
        via,
    } = stated;
    Ok(Caller {
        tenant: stated_or_only(tenant, &client.tenants, |text| text.parse().ok(), "caller.tenant")?,
        actor: Actor {
            agent: stated_or_only(agent, &client.agents, |text| text.parse().ok(), "caller.agent")?,
            human_owner: stated_or_only(
                human_owner,
                &client.owners,
                |text| text.parse().ok(),
                "caller.humanOwner",
            )?,
            runtime: stated_or_only(runtime, &client.runtimes, |text| text.parse().ok(), "caller.runtime")?,
            via,
        },
    })
}

/// Refuses a caller that the client may not state: its tenant, its agent or one that it acts for, its owner, its runtime.
pub(super) fn check_caller(client: &Client, caller: &Caller) -> Result<(), Refused> {
    let actor = &caller.actor;
    check_tenant(client, &caller.tenant)?;
    check(client, &client.agents, actor.agent.as_str(), "agent")?;
    for agent in &actor.via {
        check(client, &client.agents, agent.as_str(), "via")?;
    }
    check(client, &client.owners, actor.human_owner.as_str(), "owner")?;
    check(client, &client.runtimes, actor.runtime.as_str(), "runtime")
}

pub(super) fn check_tenant(client: &Client, tenant: &Tenant) -> Result<(), Refused> {
    check(client, &client.tenants, tenant.as_str(), "tenant")
}

pub(super) fn check_audience(client: &Client, audience: &Audience) -> Result<(), Refused> {
    check(client, &client.audiences, audience.as_str(), "audience")
}

pub(super) fn check_server(client: &Client, server: &Server) -> Result<(), Refused> {
    check(client, &client.servers, server.as_str(), "server")
}

/// The answer doesn't say what it is that the client may not state: the log of the service does.
fn check(client: &Client, patterns: &Patterns, value: &str, kind: &'static str) -> Result<(), Refused> {
    if patterns.admit(value) {
        return Ok(());
    }
    tracing::warn!(client = %client.name, kind, value, "a client stated what its entry doesn't have");
    Err(ServerCode::ClientForbidden.into())
}
