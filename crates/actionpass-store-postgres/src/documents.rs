//! [`PostgresDocuments`]: what all front ends of an issuer go by besides records and trust, changed by a compare-and-set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actionpass_canon::sha256;
use actionpass_model::Digest;
use actionpass_store::{StoreCode, StoreError, StoreFuture};

use crate::error::Failure;
use crate::session::{digest, from_sql, get, number, to_sql};
use crate::store::PostgresStore;
use crate::trust::check_settings;

/// The row, without its bytes where it is the one that was read before.
const READ: &str = "SELECT version, digest, CASE WHEN version = $2 AND digest = $3 THEN NULL ELSE bytes END
    FROM actionpass.document WHERE name = $1";
const MAKE: &str = "INSERT INTO actionpass.document (name, version, digest, bytes) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING";
const SWAP: &str =
    "UPDATE actionpass.document SET version = $2, digest = $3, bytes = $4 WHERE name = $1 AND version = $5";
const IS_THERE: &str = "SELECT 1 FROM actionpass.document WHERE name = $1 AND version = $2 AND digest = $3";

/// Documents by their names, in the database of a [`PostgresStore`], each with a version that grows by one with every change.
/// Clones share what they have seen: an older version is refused from then on, and so is another text of the same version.
#[derive(Clone, Debug)]
pub struct PostgresDocuments {
    store: PostgresStore,
    seen: Arc<Mutex<BTreeMap<String, KeptDocument>>>,
}

/// A document as the database keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeptDocument {
    /// How many changes it has had, the first one included.
    pub version: u64,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it says.
    pub bytes: Arc<[u8]>,
}

impl PostgresDocuments {
    /// The documents in the database of this store. Nothing is read yet.
    #[must_use]
    pub fn of(store: &PostgresStore) -> Self {
        Self {
            store: store.clone(),
            seen: Arc::default(),
        }
    }

    /// The document of this name, if there is one.
    ///
    /// Errors are those of a read, [`StoreCode::StoreCorrupt`] where the digest is of other bytes, and
    /// [`StoreCode::StoreRolledBack`] where a later version was seen.
    #[must_use]
    pub fn read(&self, name: &str) -> StoreFuture<'_, Option<KeptDocument>> {
        let (name, known) = (name.to_owned(), self.lock().get(name).cloned());
        Box::pin(async move {
            let asked = (name.clone(), known.clone());
            let row = self.store.ask(async move |session| {
                let (name, known) = &asked;
                // No version is 0, and no digest is empty.
                let (version, hash) = match known {
                    Some(known) => (to_sql(known.version)?, known.digest.as_bytes().to_vec()),
                    None => (0, Vec::new()),
                };
                let Some(row) = session.one(READ, &[name, &version, &hash]).await? else {
                    return Ok(None);
                };
                let bytes: Option<Vec<u8>> = get(&row, 2)?;
                Ok(Some((number(&row, 0)?, digest(&row, 1)?, bytes)))
            });
            let found = match row.await? {
                None => None,
                Some((version, digest, Some(bytes))) if sha256(&bytes) == digest => Some(KeptDocument {
                    version,
                    digest,
                    bytes: bytes.into(),
                }),
                Some((_, _, Some(_))) => {
                    let problem = format!("the digest of the document `{name}` is of another text");
                    return Err(StoreError::with_source(StoreCode::StoreCorrupt, problem));
                }
                Some((_, _, None)) => known.clone(),
            };
            self.accept(&name, known.as_ref(), found)
        })
    }

    /// Puts these bytes in the place of this version, or where no document of this name is, and gives the new version; `None` if
    /// another version is there by now.
    ///
    /// Errors are those of a write; [`StoreCode::StoreReadOnly`] for a user who may not change this document.
    #[must_use]
    pub fn replace(&self, name: &str, version: Option<u64>, bytes: Vec<u8>) -> StoreFuture<'_, Option<u64>> {
        let (name, digest) = (name.to_owned(), sha256(&bytes));
        let next = version.unwrap_or(0).saturating_add(1);
        Box::pin(async move {
            let was_tried = AtomicBool::new(false);
            let asked = (name.clone(), bytes.clone());
            let swapped = self.store.ask(async move |session| {
                let (name, bytes) = &asked;
                check_settings(session).await?;
                let (next, hash) = (to_sql(next)?, digest.as_bytes().to_vec());
                // The first try may have been made although nobody heard of it.
                if was_tried.swap(true, Ordering::Relaxed)
                    && session.one(IS_THERE, &[name, &next, &hash]).await?.is_some()
                {
                    return Ok(1);
                }
                match version {
                    None => session.execute(MAKE, &[name, &next, &hash, bytes]).await,
                    Some(version) => {
                        let former = to_sql(version)?;
                        session.execute(SWAP, &[name, &next, &hash, bytes, &former]).await
                    }
                }
            });
            if swapped.await? == 0 {
                return Ok(None);
            }
            let made = KeptDocument {
                version: next,
                digest,
                bytes: bytes.into(),
            };
            // It is made, whatever was seen since.
            let _ = self.accept(&name, None, Some(made));
            Ok(Some(next))
        })
    }

    /// The names of all documents, each with its version and digest. A user who may read only some sees only these.
    #[must_use]
    pub fn list(&self) -> StoreFuture<'_, Vec<(String, u64, Digest)>> {
        const LIST: &str = "SELECT name, version, digest FROM actionpass.document ORDER BY name";
        self.store.ask(async |session| {
            let rows = session.query(LIST, &[]).await?;
            let listed = rows
                .iter()
                .map(|row| Ok((get(row, 0)?, from_sql(get(row, 1)?)?, digest(row, 2)?)));
            listed.collect::<Result<Vec<_>, Failure>>()
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, KeptDocument>> {
        // Each entry is replaced in one assignment.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the newest that was seen, and gives it: another reader, or a change, may have seen a newer one than this, which was
    /// read before it. One that is older than what was known before the question is refused.
    fn accept(
        &self,
        name: &str,
        known: Option<&KeptDocument>,
        found: Option<KeptDocument>,
    ) -> Result<Option<KeptDocument>, StoreError> {
        let mut seen = self.lock();
        let newest = seen.get(name);
        let is_before = |known: &KeptDocument, found: &KeptDocument| {
            known.version > found.version || (known.version == found.version && known.digest != found.digest)
        };
        let is_old = match (known, &found) {
            (Some(known), Some(found)) => is_before(known, found),
            (Some(_), None) => true,
            (None, _) => false,
        };
        let contradicts = |newest: &KeptDocument, found: &KeptDocument| {
            newest.version == found.version && newest.digest != found.digest
        };
        if is_old || matches!((newest, &found), (Some(newest), Some(found)) if contradicts(newest, found)) {
            let problem = format!("a later version of the document `{name}` was seen");
            return Err(StoreError::with_source(StoreCode::StoreRolledBack, problem));
        }
        match (newest, found) {
            (Some(newest), Some(found)) if newest.version > found.version => Ok(Some(newest.clone())),
            (Some(newest), None) => Ok(Some(newest.clone())),
            (_, Some(found)) => {
                seen.insert(name.to_owned(), found.clone());
                Ok(Some(found))
            }
            (None, None) => Ok(None),
        }
    }
}
