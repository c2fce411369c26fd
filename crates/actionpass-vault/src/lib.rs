//! Keys in the transit engine of Vault and OpenBao, as ActionPass signers.
//!
//! ```no_run
//! use actionpass_custody::{Custodian, KeyUri, NoSecrets};
//! use actionpass_vault::Vault;
//!
//! let uri: KeyUri = "vault:transit/pass".parse()?;
//! let key = Vault::new().open(&uri, &NoSecrets)?;
//! println!("{} is {}", key.uri, key.signer.public_key().kid());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A key is `vault:MOUNT/KEY?version=N&namespace=NS`. Without `version` the latest one is opened, and the answer's URI
//! says which that is; without `namespace` it is that of `VAULT_NAMESPACE`. ES256, ES384 and Ed25519, by keys of the
//! types `ecdsa-p256`, `ecdsa-p384` and `ed25519`.
//!
//! What the variables of `vault` and `bao` say is read when a key is opened: `VAULT_ADDR`, `VAULT_TOKEN`,
//! `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_TLS_SERVER_NAME`, each also as `BAO_…`; and for AppRole `VAULT_ROLE_ID`
//! with `VAULT_SECRET_ID` or `VAULT_SECRET_ID_FILE`. `VAULT_SKIP_VERIFY` is refused.

mod client;
mod fault;
mod login;
mod lookup;
mod place;
mod settings;
mod transit;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use actionpass_crypto::{Algorithm, KeyError};
use actionpass_custody::{Custodian, CustodianError, KeyUri, OpenKey, Secret, SecretKind, Secrets, Timeouts};
use serde_json::json;

use crate::client::{CONNECTIONS, Client, Deadline, Effect};
use crate::fault::Fault;
use crate::login::{SecretId, Source};
use crate::place::Place;
use crate::settings::{Given, Settings};
use crate::transit::{Description, TransitKey, describe, type_of};

/// The scheme of its URIs, and its name.
const SCHEME: &str = "vault";

/// Keys in the transit engine of Vault or OpenBao.
pub struct Vault {
    given: Given,
    credentials: Option<Credentials>,
    timeouts: Timeouts,
}

/// What a program gave to be let in with. [`Vault`] may open many keys with it.
enum Credentials {
    Token(Arc<Secret>),
    AppRole(String, Arc<Secret>),
}

impl Vault {
    /// The server, token and namespace that the variables of `vault` and `bao` name when a key is opened.
    #[must_use]
    pub fn new() -> Self {
        Self {
            given: Given::default(),
            credentials: None,
            timeouts: Timeouts::new(),
        }
    }

    /// The server at this address, `https://HOST:PORT`, instead of that of `VAULT_ADDR`. Plain `http` is for servers on
    /// this machine.
    #[must_use]
    pub fn with_address(mut self, address: &str) -> Self {
        self.given.address = Some(address.to_owned());
        self
    }

    /// Lets plain `http` to servers on other machines pass: whoever is between can read the token, and sign with it.
    #[must_use]
    pub const fn with_dangerous_plain_http(mut self) -> Self {
        self.given.may_be_plain = true;
        self
    }

    /// This token, instead of what the environment has.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.credentials = Some(Credentials::Token(Arc::new(token)));
        self
    }

    /// A login with the AppRole method, mounted at `approle`, instead of what the environment has. When the token that
    /// comes of it has expired, it logs in again.
    #[must_use]
    pub fn with_app_role(mut self, role_id: &str, secret_id: Secret) -> Self {
        self.credentials = Some(Credentials::AppRole(role_id.to_owned(), Arc::new(secret_id)));
        self
    }

    /// The namespace of logins, and of keys whose URI names none, instead of `VAULT_NAMESPACE`.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        self.given.namespace = Some(namespace.to_owned());
        self
    }

    /// The file of the authorities (PEM) whose certificates count, instead of `VAULT_CACERT`. Without either, those of
    /// the system count.
    #[must_use]
    pub fn with_ca_file(mut self, path: &Path) -> Self {
        self.given.ca_file = Some(path.to_owned());
        self
    }

    /// The name that the server's certificate is for, where that is not the host of its address; instead of
    /// `VAULT_TLS_SERVER_NAME`.
    #[must_use]
    pub fn with_tls_server_name(mut self, name: &str) -> Self {
        self.given.tls_server_name = Some(name.to_owned());
        self
    }

    /// How long the server may take.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// A client for the key's server and namespace, and the key's place with that namespace.
    fn client(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<(Client, Place), CustodianError> {
        let failed = |fault: Fault| fault.into_custodian_error(uri);
        let mut place = Place::parse(uri)?;
        let settings = Settings::read(&self.given).map_err(failed)?;
        place.namespace = place.namespace.or_else(|| settings.namespace.clone());
        let source = match &self.credentials {
            Some(Credentials::Token(token)) => Some(Source::Token(Arc::clone(token))),
            Some(Credentials::AppRole(role_id, secret_id)) => Some(Source::AppRole {
                role_id: role_id.clone(),
                secret_id: SecretId::Given(Arc::clone(secret_id)),
            }),
            None => Source::from_environment().map_err(failed)?,
        };
        let source = match source {
            Some(source) => source,
            None => {
                let token = secrets
                    .ask(SecretKind::Token, uri)
                    .ok_or_else(|| CustodianError::SecretMissing {
                        uri: uri.clone(),
                        kind: SecretKind::Token,
                        hint: "set VAULT_TOKEN, or VAULT_ROLE_ID with VAULT_SECRET_ID_FILE, or run `vault login`",
                    })?;
                Source::Token(Arc::new(token))
            }
        };
        let client = Client::new(settings, source, place.namespace.clone()).map_err(failed)?;
        Ok((client, place))
    }

    fn signer(
        &self,
        uri: &KeyUri,
        client: Client,
        place: &Place,
        key: &Description,
    ) -> Result<OpenKey, CustodianError> {
        let failed = |fault: Fault| fault.into_custodian_error(uri);
        let unfit = |source| CustodianError::Key {
            uri: uri.clone(),
            source,
        };
        if key.algorithm().is_none() {
            return Err(unfit(KeyError::Unsupported));
        }
        let version = match place.version {
            Some(version) => version,
            None => key.latest().map_err(failed)?,
        };
        let public = key
            .public_key(version)
            .ok_or_else(|| CustodianError::KeyMissing { uri: uri.clone() })?;
        let public = public.map_err(unfit)?;
        if let Some(objection) = key.objection(version) {
            return Err(failed(Fault::Forbidden(objection)));
        }
        let client = Arc::new(client);
        let connections = (0..CONNECTIONS)
            .map(|_| TransitKey {
                client: Arc::clone(&client),
                place: place.clone(),
                version,
                timeout: self.timeouts.signing,
            })
            .collect();
        OpenKey::with_connections(place.exact(version), public, SCHEME, self.timeouts, connections)
    }
}

impl Custodian for Vault {
    fn schemes(&self) -> &'static [&'static str] {
        &[SCHEME]
    }

    /// Needs `read` on `MOUNT/keys/KEY`; its signatures need `update` on `MOUNT/sign/KEY`.
    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let deadline = Deadline::after(self.timeouts.opening);
        let (client, place) = self.client(uri, secrets)?;
        let key = describe(&client, &place, deadline).map_err(|fault| fault.into_custodian_error(uri))?;
        self.signer(uri, client, &place, &key)
    }

    /// Makes a key of this name, or a new version of it if there is one of this type already. The private key can't be
    /// exported.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let failed = |fault: Fault| match fault {
            // Not the key is missing, but the engine.
            Fault::Missing { message } => Fault::Declined { status: 404, message }.into_custodian_error(uri),
            fault => fault.into_custodian_error(uri),
        };
        let not_generable = |problem: &str| CustodianError::not_generable(SCHEME, problem);
        let deadline = Deadline::after(self.timeouts.opening);
        let (client, place) = self.client(uri, secrets)?;
        if place.version.is_some() {
            return Err(not_generable(
                "the server counts versions; leave `version` out of the URI",
            ));
        }
        let kind = type_of(algorithm).ok_or_else(|| not_generable("the engine has no such type"))?;
        let path = place.keys_path();
        let (path, body) = match describe(&client, &place, deadline) {
            Err(Fault::Missing { .. }) => {
                let body = json!({ "type": kind, "exportable": false, "allow_plaintext_backup": false });
                (path, body)
            }
            Err(fault) => return Err(failed(fault)),
            Ok(key) => {
                if key.algorithm() != Some(algorithm) {
                    return Err(CustodianError::KeyExists { uri: uri.clone() });
                }
                if key.can_leave() {
                    return Err(not_generable(
                        "the key of this name can be exported, and so could its new version; take another name",
                    ));
                }
                (format!("{path}/rotate"), json!({}))
            }
        };
        let made = client
            .call(&path, Some(&body), Effect::Change, deadline)
            .map_err(failed)?;
        // Older servers say nothing about what they made.
        let key = Description::read(&made).or_else(|_| describe(&client, &place, deadline));
        let key = key.map_err(failed)?;
        self.signer(uri, client, &place, &key)
    }

    /// The same name: its next version.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        Ok(Place::parse(uri)?.beside())
    }
}

impl Default for Vault {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}
