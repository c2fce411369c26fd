//! Keys in an ssh-agent, as ActionPass signers: what a person who approves has already.
//!
//! ```no_run
//! use actionpass_custody::{Custodian, KeyUri, NoSecrets};
//! use actionpass_ssh_agent::SshAgent;
//!
//! let uri = KeyUri::parse("ssh-agent:SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDHNmAB0RoCpCTBMpA")?;
//! let key = SshAgent::new().open(&uri, &NoSecrets)?;
//! println!("{} signs as {}", key.uri, key.signer.public_key().kid());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A key is named by its fingerprint, as `ssh-add -l` prints it, or by its comment where only one key has that. The agent
//! is the one behind `?socket=PATH`, else [`SshAgent::with_socket`], else the variable `SSH_AUTH_SOCK`.
//!
//! | key | algorithm |
//! |---|---|
//! | `ecdsa-sha2-nistp256` | ES256 |
//! | `ecdsa-sha2-nistp384` | ES384 |
//! | `ssh-ed25519` | Ed25519 |
//! | `sk-…` (FIDO) | none: their signatures are over a structure of their own |
//! | RSA, P-521, certificates | none |
//!
//! The agent may ask a person before it signs (`ssh-add -c`), so a signature may take a minute.

mod agent;
mod connection;
mod key;
mod uri;

use std::path::PathBuf;
use std::time::Duration;

use actionpass_crypto::Algorithm;
use actionpass_custody::{Custodian, CustodianError, KeyUri, OpenKey, Secrets, Timeouts};

use crate::connection::Connection;
use crate::uri::AgentUri;

/// The scheme, and the name of the custodian.
pub(crate) const SSH_AGENT: &str = "ssh-agent";

const SOCKET_VARIABLE: &str = "SSH_AUTH_SOCK";

/// How many signatures an agent may be asked for at once.
const CONNECTIONS: usize = 4;

/// Keys in an ssh-agent: `ssh-agent:SHA256:FINGERPRINT` or `ssh-agent:COMMENT`.
#[derive(Clone, Debug)]
pub struct SshAgent {
    socket: Option<PathBuf>,
    timeouts: Timeouts,
}

impl Default for SshAgent {
    fn default() -> Self {
        Self::new()
    }
}

impl SshAgent {
    /// A person has 60 seconds to confirm a signature; the agent has 10 to list its keys.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            socket: None,
            timeouts: Timeouts::new().with_signing(Duration::from_secs(60)),
        }
    }

    /// The socket of the agent, for URIs that name none.
    #[must_use]
    pub fn with_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// How long the agent may take: with whoever confirms a signature, and to list its keys.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

impl Custodian for SshAgent {
    fn schemes(&self) -> &'static [&'static str] {
        &[SSH_AGENT]
    }

    /// The exact URI has the key's fingerprint. Nothing is asked for: the agent has done that.
    fn open(&self, uri: &KeyUri, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let parsed = AgentUri::parse(uri)?;
        let socket = parsed.socket.clone().or_else(|| self.socket.clone());
        let socket = socket.or_else(|| {
            std::env::var_os(SOCKET_VARIABLE)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let Some(socket) = socket else {
            return Err(CustodianError::unavailable(
                SSH_AGENT,
                "no agent is known: SSH_AUTH_SOCK is not set",
            ));
        };
        let listed = connection::list(&socket, self.timeouts.opening)
            .map_err(|error| CustodianError::unavailable(SSH_AGENT, error))?;
        let uri = || uri.clone();
        let key = match key::fitting(&listed, &parsed.name).as_slice() {
            [one] => *one,
            [] => return Err(CustodianError::KeyMissing { uri: uri() }),
            _ => return Err(CustodianError::KeyAmbiguous { uri: uri() }),
        };
        let public = key::public_key(&key.blob).map_err(|source| CustodianError::Key { uri: uri(), source })?;
        let connect = || Connection::new(&socket, &key.blob, self.timeouts.signing);
        let connections = std::iter::repeat_with(connect).take(CONNECTIONS).collect();
        let exact = parsed.exact(&key::fingerprint(&key.blob));
        OpenKey::with_connections(exact, public, SSH_AGENT, self.timeouts, connections)
    }

    /// An agent makes no keys.
    fn generate(&self, _: &KeyUri, _: Algorithm, _: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        Err(makes_none())
    }

    /// An agent makes no keys.
    fn beside(&self, _: &KeyUri) -> Result<KeyUri, CustodianError> {
        Err(makes_none())
    }
}

fn makes_none() -> CustodianError {
    CustodianError::not_generable(
        SSH_AGENT,
        "an agent holds keys that others made: `ssh-keygen -t ecdsa`, then `ssh-add -c`",
    )
}
