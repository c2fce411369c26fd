//! What a question leaves out and the client's entry in `clients.toml` says.

use actionpass_client::api::StatedCaller;
use actionpass_home::{Client, Patterns};
use actionpass_model::{Actor, Caller};

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

/// Who calls: as it is stated, the rest from the entry where that leaves no choice. Whether the entry admits what is stated is for
/// [`Caller::admits`](crate::caller::Caller::admits).
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
