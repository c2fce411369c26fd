//! [`Login`]: what lets us in at the server.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_custody::Secret;
use serde_json::json;

use crate::client::{Client, Deadline};
use crate::fault::Fault;
use crate::settings::{secret_file, variable};

/// Where tokens come from.
pub(crate) enum Source {
    /// One token, for as long as it lives.
    Token(Arc<Secret>),
    /// A file that `vault login` or an agent writes, and writes again.
    File(PathBuf),
    /// The AppRole method, mounted where it is by default.
    AppRole { role_id: String, secret_id: SecretId },
}

/// The secret half of an AppRole.
pub(crate) enum SecretId {
    Given(Arc<Secret>),
    /// Read at each login, so that it can be replaced.
    File(PathBuf),
}

impl Source {
    /// What the variables of `vault` and `bao` say, and else the file that `vault login` leaves in the home folder. What
    /// somebody set for this program goes before what somebody left on this machine.
    pub(crate) fn from_environment() -> Result<Option<Self>, Fault> {
        if let Some(token) = variable("TOKEN")? {
            return Ok(Some(Self::Token(Arc::new(Secret::new(token.into_bytes())))));
        }
        if let Some(role_id) = variable("ROLE_ID")? {
            let secret_id = match (variable("SECRET_ID")?, variable("SECRET_ID_FILE")?) {
                (Some(secret), None) => SecretId::Given(Arc::new(Secret::new(secret.into_bytes()))),
                (None, Some(path)) => SecretId::File(path.into()),
                (Some(_), Some(_)) => {
                    return Err(Fault::Forbidden(
                        "VAULT_SECRET_ID and VAULT_SECRET_ID_FILE are both set",
                    ));
                }
                (None, None) => {
                    return Err(Fault::Forbidden(
                        "VAULT_ROLE_ID is set, and neither VAULT_SECRET_ID nor VAULT_SECRET_ID_FILE is",
                    ));
                }
            };
            return Ok(Some(Self::AppRole { role_id, secret_id }));
        }
        let file = std::env::home_dir().map(|home| home.join(".vault-token"));
        Ok(file.filter(|file| file.exists()).map(Self::File))
    }
}

/// The token in use, shared by all connections to one key.
pub(crate) struct Login {
    source: Source,
    current: Mutex<Option<Arc<Secret>>>,
}

impl Login {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            current: Mutex::new(None),
        }
    }

    /// The token; gets one if there is none yet.
    pub(crate) fn token(&self, client: &Client, deadline: Deadline) -> Result<Arc<Secret>, Fault> {
        // Whoever comes meanwhile waits: one login serves all.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = &*current {
            return Ok(Arc::clone(token));
        }
        let token = self.source.fetch(client, deadline)?;
        Ok(Arc::clone(current.insert(token)))
    }

    /// Another token in place of one that was declined: it may have expired. `None` if there is no other.
    pub(crate) fn renew(
        &self,
        client: &Client,
        declined: &Secret,
        deadline: Deadline,
    ) -> Result<Option<Arc<Secret>>, Fault> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_declined = |token: &Arc<Secret>| token.expose() == declined.expose();
        if let Some(token) = current.as_ref().filter(|token| !is_declined(token)) {
            return Ok(Some(Arc::clone(token)));
        }
        if matches!(self.source, Source::Token(_)) {
            return Ok(None);
        }
        let token = self.source.fetch(client, deadline)?;
        Ok(Some(Arc::clone(current.insert(token))).filter(|token| !is_declined(token)))
    }
}

impl Source {
    fn fetch(&self, client: &Client, deadline: Deadline) -> Result<Arc<Secret>, Fault> {
        match self {
            Self::Token(token) => Ok(Arc::clone(token)),
            Self::File(path) => secret_file(path).map(Arc::new),
            Self::AppRole { role_id, secret_id } => {
                let secret_id = match secret_id {
                    SecretId::Given(secret) => Arc::clone(secret),
                    SecretId::File(path) => Arc::new(secret_file(path)?),
                };
                let secret = secret_id
                    .expose_str()
                    .ok_or(Fault::Forbidden("the secret id of the AppRole is not UTF-8"))?;
                let body = json!({ "role_id": role_id, "secret_id": secret });
                let answer = client.log_in("auth/approle/login", &body, &[secret], deadline)?;
                let token = answer.pointer("/auth/client_token").and_then(|token| token.as_str());
                let token = token.ok_or(Fault::Garbled("the login gives no token"))?;
                Ok(Arc::new(Secret::new(token.as_bytes().to_vec())))
            }
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::File(_) => "File",
            Self::AppRole { .. } => "AppRole",
        })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
