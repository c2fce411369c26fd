//! [`Trust`]: whom to believe.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use actionpass::model::{Approver, Document as _, Issuer, Jwk, Role, Tenant, Tenants, TrustKey, TrustStore};
use actionpass::store::trust_file::TrustFile;
use actionpass::store::{MemoryTrust, TrustDocument};
use actionpass::verify::{DocumentTrust, LiveTrust, TrustSource};
use actionpass_crypto::PublicKey;
use serde::Deserialize;

use crate::process::{self, Usable};
use crate::{Error, options, time};

/// How long a forked copy waits for a lock that nobody may hold any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Public keys and revocations: of a document, of single keys, or a file that is looked at whenever somebody asks.
///
/// What an [`Issuer`](crate::Issuer) of parts changes about it, such as a revocation, every verifier with the same value sees.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    usable: Usable,
}

#[derive(Debug)]
enum Kind {
    Memory(Memory),
    File {
        live: LiveTrust,
        #[cfg(feature = "issuer")]
        file: TrustFile,
    },
}

#[derive(Debug)]
struct Memory {
    document: Arc<MemoryTrust>,
    /// What was made of the document last.
    taken: Mutex<Option<Arc<actionpass::Trust>>>,
}

/// A public key and what it is believed for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TrustedKey {
    /// A JWK, or PEM (SubjectPublicKeyInfo).
    key: KeyMaterial,
    /// Of an issuer: it signs passes.
    #[serde(default)]
    issuer: Option<Issuer>,
    /// Of an approver: it signs approvals.
    #[serde(default)]
    principal: Option<Approver>,
    #[serde(default)]
    roles: Vec<Role>,
    /// All of them, unless some are named.
    #[serde(default)]
    tenants: Option<Vec<Tenant>>,
}

/// A public key as other languages have it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum KeyMaterial {
    Jwk(serde_json::Map<String, serde_json::Value>),
    Pem(String),
}

impl KeyMaterial {
    /// Reads JSON text or PEM.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.trim_start().starts_with('{') {
            options::read(text)
        } else {
            Ok(Self::Pem(text.to_owned()))
        }
    }

    pub(crate) fn public_key(&self) -> Result<PublicKey, Error> {
        match self {
            Self::Pem(pem) => Ok(PublicKey::from_spki_pem(pem)?),
            Self::Jwk(members) => {
                let mut members = members.clone();
                // Whether it may be exported, which WebCrypto writes into each JWK and which says nothing of the key.
                members.remove("ext");
                let json = serde_json::to_vec(&members).map_err(|error| Error::internal(&error))?;
                Ok(PublicKey::from_jwk(&Jwk::from_json(&json)?)?)
            }
        }
    }
}

impl TrustedKey {
    fn entry(&self) -> Result<TrustKey, Error> {
        let key = self.key.public_key()?;
        let entry = match (&self.issuer, &self.principal) {
            (Some(issuer), None) => key.pass_key_of(issuer),
            (None, Some(principal)) => key.approval_key_of(principal).with_roles(self.roles.clone()),
            _ => {
                return Err(Error::argument(
                    "",
                    "a trusted key has either an `issuer` or a `principal`",
                ));
            }
        };
        Ok(match &self.tenants {
            Some(tenants) => entry.with_tenants(Tenants::Only(tenants.clone())),
            None => entry,
        })
    }
}

impl Trust {
    /// The trust of a document, as `actionpass trust export` and the service give it.
    ///
    /// # Errors
    /// One bad entry refuses the whole.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        // The keys too, before anybody relies on it.
        actionpass::Trust::parse(json)?;
        Self::of_document(&TrustStore::from_json(json)?)
    }

    /// Trust in these keys and no others, from a JSON array of `{key, issuer, tenants?}` (passes) and `{key, principal, roles?,
    /// tenants?}` (approvals). A key is a JWK or text in PEM.
    ///
    /// # Errors
    /// An entry that isn't one; keys that aren't.
    pub fn of(keys: &str) -> Result<Self, Error> {
        let keys: Vec<TrustedKey> = options::read(keys)?;
        let mut entries = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            entries.push(key.entry().map_err(|error| match error.path() {
                Some(path) => {
                    let path = format!("[{index}].key.{path}");
                    error.at(&path)
                }
                None => error.at(&format!("[{index}]")),
            })?);
        }
        Self::of_entries(entries)
    }

    /// Trust in these entries.
    pub(crate) fn of_entries(entries: Vec<TrustKey>) -> Result<Self, Error> {
        let mut document = TrustStore::new(time::now()?);
        document.keys = entries;
        Self::of_document(&document)
    }

    fn of_document(document: &TrustStore) -> Result<Self, Error> {
        let memory = Memory {
            document: Arc::new(MemoryTrust::new(document)?),
            taken: Mutex::default(),
        };
        memory.current()?;
        Ok(Self::of_kind(Kind::Memory(memory)))
    }

    /// The trust of a file, which counts as it is at each call: it is parsed anew when it has changed, and one that can't be
    /// believed refuses everything.
    ///
    /// # Errors
    /// If it can't be believed now.
    pub fn watch(path: &str) -> Result<Self, Error> {
        let file = TrustFile::open(Path::new(path));
        let (live, _) = LiveTrust::open_file(file.clone())?;
        Ok(Self::of_kind(Kind::File {
            live,
            #[cfg(feature = "issuer")]
            file,
        }))
    }

    fn of_kind(kind: Kind) -> Self {
        Self(Arc::new(Inner {
            kind,
            usable: Usable::here(),
        }))
    }

    /// The version of now: it grows with every change.
    ///
    /// # Errors
    /// If the file can't be believed now.
    pub fn version(&self) -> Result<u64, Error> {
        Ok(self.current()?.version())
    }

    /// The document of now, as executors are handed it.
    ///
    /// # Errors
    /// If the file can't be believed now.
    pub fn to_json(&self) -> Result<String, Error> {
        let bytes = self.current()?.text().bytes().to_vec();
        String::from_utf8(bytes).map_err(|error| Error::internal(&error))
    }

    /// The trust in force. A file is looked at, and read where it changed, on this thread.
    pub(crate) fn current(&self) -> Result<Arc<actionpass::Trust>, Error> {
        self.check()?;
        self.0.kind.current()
    }

    /// That it can be used in this process. A fork copies locks as they happen to be, and one that another thread held is given
    /// back by nobody: so the first look in a copy is bounded, and shows that none is held.
    fn check(&self) -> Result<(), Error> {
        self.0.usable.or_else(|| {
            let (told, looked) = mpsc::sync_channel(1);
            let inner = Arc::clone(&self.0);
            let look = move || told.send(inner.kind.current().map(drop));
            let thread = thread::Builder::new().name("actionpass-trust".to_owned());
            thread.spawn(look).map_err(|error| Error::internal(&error))?;
            looked.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(process::forked()))
        })
    }

    /// The same for who asks again and again, without blocking.
    ///
    /// # Errors
    /// `store_forked`.
    pub(crate) fn source(&self) -> Result<Arc<dyn TrustSource>, Error> {
        self.check()?;
        Ok(match &self.0.kind {
            Kind::Memory(memory) => Arc::new(DocumentTrust::new(Arc::clone(&memory.document) as _)),
            Kind::File { live, .. } => Arc::new(live.clone()),
        })
    }

    /// What an issuer changes.
    ///
    /// # Errors
    /// `store_forked`.
    #[cfg(feature = "issuer")]
    pub(crate) fn document(&self) -> Result<Arc<dyn TrustDocument>, Error> {
        self.check()?;
        Ok(match &self.0.kind {
            Kind::Memory(memory) => Arc::clone(&memory.document) as _,
            Kind::File { file, .. } => Arc::new(file.clone()),
        })
    }

    /// Believes one key more, unless it is there already. A file stays as it is: whoever keeps one says whom it believes.
    #[cfg(feature = "issuer")]
    pub(crate) async fn believe(&self, entry: TrustKey) -> Result<(), Error> {
        self.check()?;
        let Kind::Memory(memory) = &self.0.kind else {
            return Ok(());
        };
        let document = memory.document.read().await?.document;
        if document.key(&entry.kid).is_some() {
            return Ok(());
        }
        // Not the time of now: of the same document and key it makes the same version at each start, which is what a ledger
        // in a file wants.
        let changed = memory.document.change(
            document.updated_at,
            Box::new(move |document| {
                document.keys.push(entry.clone());
                Ok(())
            }),
        );
        changed.await?;
        memory.current()?;
        Ok(())
    }
}

impl Kind {
    fn current(&self) -> Result<Arc<actionpass::Trust>, Error> {
        match self {
            Self::Memory(memory) => memory.current(),
            Self::File { live, .. } => Ok(live.read_now()?),
        }
    }
}

impl Memory {
    fn current(&self) -> Result<Arc<actionpass::Trust>, Error> {
        // Memory answers at once: nothing is waited for.
        let snapshot = crate::wait(self.document.read())?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = taken
            .as_ref()
            .filter(|trust| trust.version() == snapshot.document.version)
        {
            return Ok(Arc::clone(trust));
        }
        let trust = Arc::new(actionpass::Trust::from_snapshot(&snapshot)?);
        *taken = Some(Arc::clone(&trust));
        Ok(trust)
    }
}

/// The public key of a text, as options name one.
pub(crate) fn public_key(name: &str, text: &str) -> Result<PublicKey, Error> {
    KeyMaterial::parse(text)
        .and_then(|material| material.public_key())
        .map_err(|error| if error.path().is_none() { error.at(name) } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_copy_goes_on_unless_another_thread_held_a_lock() {
        let trust = Trust::of("[]").unwrap();
        let Kind::Memory(memory) = &trust.0.kind else { panic!() };
        trust.0.usable.forget();
        assert_eq!(trust.version().unwrap(), 1);

        let held = memory.taken.lock().unwrap();
        trust.0.usable.forget();
        assert_eq!(trust.version().unwrap_err().code(), "store_forked");
        drop(held);
        assert_eq!(trust.version().unwrap(), 1);
    }
}
