//! [`Peer`]: from where a connection came.

use std::net::SocketAddr;

/// From where a connection came. Every request carries it as an extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Peer {
    /// By TCP, from this address; behind a proxy, that is the proxy's.
    Tcp(SocketAddr),
    /// By the Unix socket.
    Unix {
        /// The user of the process that connected, as the system says (`SO_PEERCRED`).
        uid: u32,
    },
}

impl Peer {
    /// Whether the peer runs on this host.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_the_socket_are_local() {
        for (address, is_local) in [
            ("127.0.0.1:1", true),
            ("127.8.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            assert_eq!(Peer::Tcp(address.parse().unwrap()).is_local(), is_local, "{address}");
        }
        assert!(Peer::Unix { uid: 0 }.is_local());
    }
}
