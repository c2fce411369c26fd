//! [`Caller`]: who asks, as `clients.toml` has them.

use std::sync::Arc;

use actionpass_home::{Client, Right};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::ServerCode;
use crate::gate::Shared;
use crate::problem::Refused;

/// The client that asks, proven by its token or by the socket that it came through.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Client>);

impl Caller {
    /// Refuses a client that lacks a right.
    pub(crate) fn may(&self, right: Right) -> Result<(), Refused> {
        if self.0.may.contains(&right) {
            Ok(())
        } else {
            tracing::warn!(client = %self.0.name, right = right.as_str(), "a client asked for what it may not do");
            Err(ServerCode::ClientForbidden.into())
        }
    }

    /// The entry of the client.
    pub(crate) fn client(&self) -> &Client {
        &self.0
    }
}

#[cfg(test)]
impl From<Client> for Caller {
    fn from(client: Client) -> Self {
        Self(Arc::new(client))
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refused> {
        #[cfg(test)]
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let _ = parts;
        Err(ServerCode::ClientUnauthenticated.into())
    }
}
