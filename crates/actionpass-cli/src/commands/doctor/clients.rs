//! The check of `clients.toml`.

use actionpass_home::{Client, Config, Home, Right};
use actionpass_model::Tenant;

use super::{Check, Found};
use crate::failure::Failure;

/// Whether who may ask the service can be read; nothing to check in a home that has no clients.
pub(super) fn known(home: &Home, config: &Config) -> Option<Check> {
    if matches!(home.has_clients(), Ok(false)) {
        return None;
    }
    let clients = home.clients().map_err(|error| {
        Failure::from(error).with_hint("until it is mended the service answers nobody; it is read again each second")
    });
    let found = clients.map(|clients| {
        let clients = clients.as_slice();
        let notes = clients.iter().filter_map(|client| odd(client, config)).collect();
        Found::new(format!("{} may ask the service", clients.len()), notes)
    });
    Some(("clients", found))
}

/// What an entry says in vain.
fn odd(client: &Client, config: &Config) -> Option<String> {
    let name = &client.name;
    if client.may(Right::Authorize) {
        let kinds = [
            ("tenants", &client.tenants),
            ("agents", &client.agents),
            ("owners", &client.owners),
            ("runtimes", &client.runtimes),
        ];
        if let Some((kind, _)) = kinds.iter().find(|(_, patterns)| patterns.as_slice().is_empty()) {
            return Some(format!(
                "client {name} may authorize, and for no identity: it has no {kind}"
            ));
        }
    }
    let is_served = |pattern: &str| match pattern.strip_suffix('*') {
        Some(begin) => config.tenants.iter().any(|tenant| tenant.as_str().starts_with(begin)),
        None => config
            .tenants
            .iter()
            .map(Tenant::as_str)
            .any(|tenant| tenant == pattern),
    };
    let foreign = client.tenants.as_slice().iter().find(|pattern| !is_served(pattern));
    foreign.map(|pattern| format!("client {name} asks for {pattern}, which config.toml doesn't serve"))
}
