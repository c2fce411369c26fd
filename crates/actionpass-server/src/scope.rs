//! What an entry of `clients.toml` lets its client see beyond single requests and records.

use actionpass_home::Client;
use actionpass_model::Principal;

/// Whether nothing is kept from a client.
pub(crate) fn sees_all(client: &Client) -> bool {
    [&client.tenants, &client.agents, &client.owners, &client.runtimes]
        .iter()
        .all(|patterns| patterns.are_any())
}

/// Whom records name for what a client does: `service:` and its name; nobody where that is no principal.
pub(crate) fn principal(client: &Client) -> Option<Principal> {
    Principal::parse(&format!("service:{}", client.name)).ok()
}
