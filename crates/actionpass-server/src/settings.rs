//! [`Settings`]: where the service listens, and under which names.

use std::net::{Ipv4Addr, SocketAddr};

use actionpass_model::WebOrigin;

/// Where the service listens, and under which names it is known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The address.
    pub listen: SocketAddr,
    /// The origin of the page, which is that of passkeys too; `http://localhost:PORT` unless it is set.
    pub origin: Option<WebOrigin>,
}

impl Settings {
    /// Where it listens unless something else is said.
    pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8311);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Self::DEFAULT_LISTEN,
            origin: None,
        }
    }
}
