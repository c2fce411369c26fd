//! [`Connection`]: one session that signs with one key.

use std::sync::Arc;

use actionpass_crypto::{PublicKey, SignError, Signature, SigningInput};
use actionpass_custody::{BlockingKey, KeyUri};
use cryptoki::object::ObjectHandle;

use crate::PKCS11;
use crate::fault::{Fault, Kind};
use crate::key;
use crate::token::{Access, Login, OpenSession};
use crate::uri::{KeyFilter, Pkcs11Uri};

/// A session on the token of a key. It is opened anew when it is lost.
#[derive(Debug)]
pub(crate) struct Connection {
    login: Arc<Login>,
    key: Arc<KeyFilter>,
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    session: OpenSession,
    private: ObjectHandle,
}

/// A key with its connections.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) uri: KeyUri,
    pub(crate) public: PublicKey,
    pub(crate) connections: Vec<Connection>,
}

impl Connection {
    /// Opens a key, and as many sessions for it as the token has, up to this many.
    pub(crate) fn open(login: &Arc<Login>, sessions: usize, uri: &Pkcs11Uri) -> Result<Opened, Fault> {
        let token = &login.token;
        let serial = token.has_namesake.then_some(token.serial.as_str());
        let session = login.open_session(Access::Read)?;
        let reading = token.module.reading();
        let found = key::read(session.get()?, &uri.key, |name| {
            uri.exact(&token.label, serial, name, Some("public"))
        })?;
        drop(reading);
        let name = Arc::new(found.name);
        let connect = |live| Self {
            login: Arc::clone(login),
            key: Arc::clone(&name),
            live: Some(live),
        };
        let mut connections = vec![connect(Live {
            session,
            private: found.private,
        })];
        while connections.len() < sessions {
            // A token that has no more sessions to give signs with those that it gave.
            let Ok(live) = Live::new(login, &name) else { break };
            connections.push(connect(live));
        }
        Ok(Opened {
            uri: uri.exact(&token.label, serial, &name, None),
            public: found.public,
            connections,
        })
    }
}

impl Live {
    fn new(login: &Login, name: &KeyFilter) -> Result<Self, Fault> {
        let session = login.open_session(Access::Read)?;
        let _reading = login.token.module.reading();
        let private = key::find(session.get()?, name)?;
        Ok(Self { session, private })
    }

    fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Fault> {
        key::sign(self.session.get()?, self.private, input)
    }
}

impl BlockingKey for Connection {
    fn sign(&mut self, input: &SigningInput) -> Result<Signature, SignError> {
        let signed = match self.live.as_ref().map(|live| live.sign(input)) {
            Some(Ok(signed)) => Ok(signed),
            Some(Err(fault)) if fault.kind() != Kind::Unavailable => Err(fault),
            // There are too many ways to say that a session is lost to list them: whatever is not an answer of the
            // token is worth one other session.
            Some(Err(_)) | None => {
                self.live = None;
                tracing::info!(custodian = PKCS11, "the session is lost: opening another");
                Live::new(&self.login, &self.key).and_then(|live| self.live.insert(live).sign(input))
            }
        };
        signed
            .and_then(|bytes| Ok(Signature::from_bytes(input.algorithm(), &bytes)?))
            .map_err(Fault::of_signing)
    }
}
