//! Keys in HSMs and tokens behind PKCS#11, as ActionPass signers.
//!
//! ```no_run
//! use actionpass_custody::{Custodian, KeyUri, NoSecrets};
//! use actionpass_pkcs11::Pkcs11;
//!
//! let uri = KeyUri::parse("pkcs11:token=prod;object=pass?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/pass.pin")?;
//! let key = Pkcs11::new().open(&uri, &NoSecrets)?;
//! println!("{} signs as {}", key.uri, key.signer.public_key().kid());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | where it is given |
//! |---|---|
//! | the token and the key | `token`, `serial`, `manufacturer`, `model`, `slot-*`, `library-*`, `object` (label) and `id` of the URI (RFC 7512) |
//! | the module | `module-path`, else [`Pkcs11::with_module`], else the variable `ACTIONPASS_PKCS11_MODULE` |
//! | the PIN | `pin-source`: a `file:` URI, an absolute path, or, as our addition, `env:NAME`; else the variable `ACTIONPASS_PKCS11_PIN`; else it is asked for |
//!
//! What a URI doesn't say fits anything, and it must fit exactly one key. `pin-value` is refused, as is what isn't
//! listed here. The module is code that is loaded into the process: whoever writes the URI chooses what runs.
//!
//! ES256 and ES384 are CKM_ECDSA over a hash that is made here, Ed25519 is CKM_EDDSA where the module has it.

mod connection;
mod fault;
mod key;
mod module;
mod token;
mod uri;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actionpass_crypto::Algorithm;
use actionpass_custody::{
    Custodian, CustodianError, KeyUri, OpenKey, Secret, SecretFileError, SecretKind, Secrets, Timeouts, random_name,
};

use crate::connection::Connection;
use crate::fault::Fault;
use crate::module::{Module, in_time};
use crate::token::{Access, Login, Token};
use crate::uri::{PinSource, Pkcs11Uri};

/// The scheme, and the name of the custodian.
pub(crate) const PKCS11: &str = "pkcs11";

const MODULE_VARIABLE: &str = "ACTIONPASS_PKCS11_MODULE";
const PIN_VARIABLE: &str = "ACTIONPASS_PKCS11_PIN";

/// How long a person may take at the PIN pad of a token.
const AT_THE_PIN_PAD: Duration = Duration::from_secs(60);

/// Keys behind PKCS#11: `pkcs11:token=LABEL;object=LABEL?module-path=PATH`.
///
/// Modules are loaded and initialized once for each process, and stay loaded. A key is used through several sessions
/// side by side; one that is lost, with its login, is opened anew when it is needed. A PIN that the token refuses is not
/// tried again.
#[derive(Clone, Debug)]
pub struct Pkcs11 {
    module: Option<PathBuf>,
    timeouts: Timeouts,
    sessions: usize,
}

impl Default for Pkcs11 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pkcs11 {
    /// Signatures take at most 5 seconds, opening or making a key 10; each key has 4 sessions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            module: None,
            timeouts: Timeouts::new(),
            sessions: 4,
        }
    }

    /// The module of URIs that name none.
    #[must_use]
    pub fn with_module(mut self, path: impl Into<PathBuf>) -> Self {
        self.module = Some(path.into());
        self
    }

    /// How long the module may take.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How many sessions a key has, and so, how many signatures are made at once: at least one, fewer than this if the
    /// token has no more.
    #[must_use]
    pub const fn with_sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions;
        self
    }

    /// The way into the token that the URI means, with the PIN, untried, in hand.
    fn login(&self, uri: &KeyUri, parsed: &Pkcs11Uri, secrets: &dyn Secrets) -> Result<Arc<Login>, CustodianError> {
        let path = parsed.module_path.clone().or_else(|| self.module.clone());
        let path = path.or_else(|| {
            std::env::var_os(MODULE_VARIABLE)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        });
        let path = path.ok_or_else(|| {
            CustodianError::malformed(
                uri,
                "it names no module: give `module-path`, or ACTIONPASS_PKCS11_MODULE",
            )
        })?;
        let filter = parsed.token.clone();
        let token = in_time(self.timeouts.opening, move || {
            let module = Module::load(&path)?;
            Token::find(&module, &filter)
        })
        .map_err(|fault| fault.of_key(uri))?;
        let pin = if !token.wants_login || (token.has_pin_pad && parsed.pin_source.is_none()) {
            None
        } else {
            let pin = pin(uri, parsed, secrets)?;
            token.check_pin(&pin).map_err(|fault| fault.of_key(uri))?;
            Some(pin)
        };
        Ok(Arc::new(Login::new(token, pin)))
    }

    fn wait(&self, login: &Login) -> Duration {
        if login.token.has_pin_pad {
            self.timeouts.opening.max(AT_THE_PIN_PAD)
        } else {
            self.timeouts.opening
        }
    }

    /// The key behind this login.
    fn open_with(&self, login: &Arc<Login>, uri: &KeyUri, parsed: &Pkcs11Uri) -> Result<OpenKey, CustodianError> {
        let opening = {
            let (login, parsed, sessions) = (Arc::clone(login), parsed.clone(), self.sessions);
            move || Connection::open(&login, sessions, &parsed)
        };
        let opened = in_time(self.wait(login), opening).map_err(|fault| fault.of_key(uri))?;
        OpenKey::with_connections(opened.uri, opened.public, PKCS11, self.timeouts, opened.connections)
    }
}

/// The PIN, from the first place that is named.
fn pin(uri: &KeyUri, parsed: &Pkcs11Uri, secrets: &dyn Secrets) -> Result<Secret, CustodianError> {
    let missing = |hint| CustodianError::SecretMissing {
        uri: uri.clone(),
        kind: SecretKind::Pin,
        hint,
    };
    match &parsed.pin_source {
        Some(PinSource::File(path)) => {
            let pin = Secret::from_private_file(path).map_err(|error| match error {
                SecretFileError::Io(error) if error.kind() == ErrorKind::NotFound => {
                    missing("the file of `pin-source` is not there")
                }
                SecretFileError::Exposed(_) => {
                    missing("others can read or write the file of `pin-source`; `chmod 600` it")
                }
                _ => missing("the file of `pin-source` can not be read"),
            });
            Some(pin?)
                .filter(|pin| !pin.expose().is_empty())
                .ok_or_else(|| missing("the file of `pin-source` is empty"))
        }
        Some(PinSource::Variable(name)) => {
            Secret::from_variable(name).ok_or_else(|| missing("the variable of `pin-source` is not set"))
        }
        None => Secret::from_variable(PIN_VARIABLE)
            .or_else(|| secrets.ask(SecretKind::Pin, uri))
            .ok_or_else(|| missing("give `pin-source` in the URI, or the variable ACTIONPASS_PKCS11_PIN")),
    }
}

impl Custodian for Pkcs11 {
    fn schemes(&self) -> &'static [&'static str] {
        &[PKCS11]
    }

    /// The exact URI names the token by its label, and by its serial number where another has the same label, and the
    /// key by its id, or, if it has none, by its label.
    fn open(&self, uri: &KeyUri, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let parsed = Pkcs11Uri::parse(uri)?;
        let login = self.login(uri, &parsed, secrets)?;
        self.open_with(&login, uri, &parsed)
    }

    /// Makes a key pair with the label that `object` says, and the id that `id` says, by default 16 random bytes. The
    /// private key is sensitive and never extractable.
    fn generate(&self, uri: &KeyUri, algorithm: Algorithm, secrets: &dyn Secrets) -> Result<OpenKey, CustodianError> {
        let mut parsed = Pkcs11Uri::parse(uri)?;
        let label = parsed
            .key
            .label
            .take()
            .filter(|label| !label.is_empty())
            .ok_or_else(|| CustodianError::malformed(uri, "it has no `object`, the label of the new key"))?;
        let id = match parsed.key.id.take() {
            Some(id) if id.is_empty() => return Err(CustodianError::malformed(uri, "its `id` is empty")),
            Some(id) => id,
            None => random_name::<16>(uri)?.to_vec(),
        };
        parsed.key.id = Some(id.clone());
        let login = self.login(uri, &parsed, secrets)?;
        let making = {
            let login = Arc::clone(&login);
            move || {
                let session = login.open_session(Access::Write)?;
                let session = session.get()?;
                let _making = login.token.module.making();
                if key::is_taken(session, &label, &id)? {
                    return Err(Fault::KeyExists);
                }
                key::generate(session, algorithm, &label, &id)
            }
        };
        in_time(self.wait(&login), making).map_err(|fault| fault.of_key(uri))?;
        self.open_with(&login, uri, &parsed)
    }

    /// On the same token, with the same label but for its end, which is drawn anew.
    fn beside(&self, uri: &KeyUri) -> Result<KeyUri, CustodianError> {
        Ok(Pkcs11Uri::parse(uri)?.beside(&random_name(uri)?))
    }
}
