//! [`Connection`]: a socket that signs with one key.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actionpass_crypto::{SignError, Signature, SigningInput};
use actionpass_custody::{BlockingKey, bounded};

use crate::agent::{Agent, AgentError, Listed};
use crate::{SSH_AGENT, key};

/// A connection to the agent of a key. It is made when it is needed, and anew when it is lost.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: PathBuf,
    blob: Vec<u8>,
    limit: Duration,
    agent: Option<Agent>,
}

impl Connection {
    pub(crate) fn new(socket: &Path, blob: &[u8], limit: Duration) -> Self {
        Self {
            socket: socket.to_owned(),
            blob: blob.to_owned(),
            limit,
            agent: None,
        }
    }

    fn ask(&mut self, input: &SigningInput) -> Result<Vec<u8>, AgentError> {
        let start = Instant::now();
        if let Some(agent) = &mut self.agent {
            match agent.sign(&self.blob, input.as_bytes(), self.limit) {
                // Lost, as when the agent was started anew. Had it only been slow, no time would be left.
                Err(AgentError::Connection(_)) if start.elapsed() < self.limit => {
                    tracing::info!(custodian = SSH_AGENT, "the connection is lost: making another");
                }
                answer => return answer,
            }
        }
        let agent = self.agent.insert(Agent::connect(&self.socket)?);
        agent.sign(&self.blob, input.as_bytes(), self.limit.saturating_sub(start.elapsed()))
    }
}

impl BlockingKey for Connection {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let answer = self.ask(input);
        if !matches!(answer, Ok(_) | Err(AgentError::Refused)) {
            // An answer that comes late must not be taken for the next one's.
            self.agent = None;
        }
        match answer {
            Ok(encoded) => {
                key::signature(input.algorithm(), &encoded).map_err(|source| SignError::SignatureMalformed {
                    custodian: SSH_AGENT.into(),
                    source,
                })
            }
            Err(error @ AgentError::Refused) => Err(SignError::refused(SSH_AGENT, error)),
            Err(error) => Err(SignError::unavailable(SSH_AGENT, error)),
        }
    }
}

/// The keys of the agent behind this socket. On a thread of its own: connecting to an agent that accepts nobody has no
/// time-out.
pub(crate) fn list(socket: &Path, limit: Duration) -> Result<Vec<Listed>, AgentError> {
    let socket = socket.to_owned();
    bounded(SSH_AGENT, limit, move |_| {
        Agent::connect(&socket).and_then(|mut agent| agent.list(limit))
    })?
}
