//! The trust store as a JSON file: read whole or not at all, written atomically, durably and under a lock.
//!
//! ```
//! use actionpass_model::{Principal, Revocation, RevocationSchema, RevocationTarget, Timestamp, TrustStore};
//! use actionpass_store::trust_file::{TrustFile, change};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("trust.json");
//! let now = Timestamp::parse("2026-11-23T01:02:03.000Z")?;
//! let file = TrustFile::create(&path, &TrustStore::new(now))?;
//! let (_, snapshot) = file.update(now, |_| Ok(()), |trust| {
//!     change::revoke(trust, Revocation {
//!         schema: RevocationSchema,
//!         id: "rev_01920000000070008000000000000001".parse()?,
//!         target: RevocationTarget::Principal(Principal::parse("agent:rogue")?),
//!         reason: "left its lane".parse()?,
//!         revoked_by: Principal::parse("user:owner@example.com")?,
//!         revoked_at: now,
//!         compromised_since: None,
//!         expires_at: None,
//!         ext: None,
//!     })?;
//!     Ok(())
//! })?;
//! assert_eq!((snapshot.document.version, snapshot.document.revocations.len()), (2, 1));
//! # Ok(())
//! # }
//! ```

pub mod change;
mod disk;
mod error;
mod layout;

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use actionpass_canon::sha256;
use actionpass_model::{Digest, Document, Timestamp, TrustEvidence, TrustStore};

pub use change::{ChangeCode, ChangeError};
pub use disk::Stamp;
pub use error::{TrustFileCode, TrustFileError};

/// Any error of a caller's closure.
pub type AnyError = Box<dyn StdError + Send + Sync>;

/// The largest trust store that is read, in bytes: room for some 200,000 revocations.
pub const MAX_TRUST_BYTES: u64 = 64 << 20;

/// A trust store file, and the newest version that was seen through this value: an older one is refused from then on.
#[derive(Debug)]
pub struct TrustFile {
    path: PathBuf,
    seen: Mutex<Option<TrustEvidence>>,
}

/// A trust store as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustSnapshot {
    /// The document.
    pub document: TrustStore,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

impl TrustSnapshot {
    /// Reads a trust store from bytes, whole or not at all.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustInvalid`], with the [`DocumentError`](actionpass_model::DocumentError) as its source.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TrustFileError> {
        let document = TrustStore::from_json(&bytes)
            .map_err(|error| TrustFileError::new(TrustFileCode::TrustInvalid).with_source(error))?;
        let digest = sha256(&bytes);
        Ok(Self {
            document,
            bytes,
            digest,
        })
    }

    /// Version and digest, as records name them.
    #[must_use]
    pub const fn evidence(&self) -> TrustEvidence {
        TrustEvidence {
            version: self.document.version,
            digest: self.digest,
        }
    }
}

impl TrustFile {
    /// The file at `path`. Nothing is read yet.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: Mutex::new(None),
        }
    }

    /// Makes the file at `path`, which must not be there.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustExists`]; [`TrustFileCode::TrustInvalid`] if the document contradicts itself;
    /// [`TrustFileCode::TrustUnwritable`].
    pub fn create(path: &Path, document: &TrustStore) -> Result<Self, TrustFileError> {
        let snapshot = written(document)?;
        let _lock = disk::lock(path)?;
        if path.exists() {
            return Err(TrustFileError::new(TrustFileCode::TrustExists));
        }
        disk::replace(path, &snapshot.bytes)?;
        let file = Self::open(path);
        file.accept(&snapshot)?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells cheaply that the file was replaced: if it differs from before, read again.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustUnreadable`].
    pub fn stamp(&self) -> Result<Stamp, TrustFileError> {
        Stamp::of(&self.path)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustUnreadable`], [`TrustFileCode::TrustNotPrivate`], [`TrustFileCode::TrustInvalid`];
    /// [`TrustFileCode::TrustRolledBack`] if a newer version, or another file of the same version, was seen before.
    pub fn read(&self) -> Result<TrustSnapshot, TrustFileError> {
        let snapshot = TrustSnapshot::from_bytes(disk::read(&self.path, MAX_TRUST_BYTES)?)?;
        self.accept(&snapshot)?;
        Ok(snapshot)
    }

    /// Changes the file: reads it under the lock, applies `change`, checks, and replaces it. Other processes wait, so
    /// none of two concurrent changes is lost.
    ///
    /// `version` grows by one and `updatedAt` becomes `now`. `validate` sees the result before it is written: this crate
    /// knows no cryptography, so that is the place to check that every key is a point on its curve with its own kid.
    ///
    /// # Errors
    /// What [`read`](Self::read) gives; [`TrustFileCode::TrustChangeRefused`] with the cause if `change` or `validate`
    /// refuses, or if the result would bring a revoked key back or drop a revocation that must stay;
    /// [`TrustFileCode::TrustInvalid`] if the result contradicts itself; [`TrustFileCode::TrustUnwritable`]. The file is
    /// as it was then, except after a `TrustUnwritable`: read it to find out.
    pub fn update<T>(
        &self,
        now: Timestamp,
        validate: impl FnOnce(&TrustStore) -> Result<(), AnyError>,
        change: impl FnOnce(&mut TrustStore) -> Result<T, AnyError>,
    ) -> Result<(T, TrustSnapshot), TrustFileError> {
        let refused = |error| TrustFileError::new(TrustFileCode::TrustChangeRefused).with_source(error);
        let _lock = disk::lock(&self.path)?;
        let before = self.read()?.document;
        let mut after = before.clone();
        let value = change(&mut after).map_err(refused)?;
        after.version = before
            .version
            .checked_add(1)
            .filter(|version| *version < 1 << 53)
            .ok_or_else(|| TrustFileError::new(TrustFileCode::TrustInvalid))?;
        after.updated_at = now;
        change::check_transition(&before, &after, now).map_err(|error| refused(error.into()))?;
        validate(&after).map_err(refused)?;
        let snapshot = written(&after)?;
        disk::replace(&self.path, &snapshot.bytes)?;
        self.accept(&snapshot)?;
        Ok((value, snapshot))
    }

    /// Remembers what was seen, and refuses what is older.
    fn accept(&self, snapshot: &TrustSnapshot) -> Result<(), TrustFileError> {
        let rolled_back = || TrustFileError::new(TrustFileCode::TrustRolledBack);
        let mut seen = self.seen.lock().map_err(|_| rolled_back())?;
        *seen = Some(crate::newest_trust(*seen, snapshot.evidence()).map_err(|_| rolled_back())?);
        Ok(())
    }
}

/// The document as it is written, read back: what can't be read is not written.
fn written(document: &TrustStore) -> Result<TrustSnapshot, TrustFileError> {
    let bytes = layout::to_vec(document)
        .map_err(|error| TrustFileError::new(TrustFileCode::TrustInvalid).with_source(error))?;
    TrustSnapshot::from_bytes(bytes)
}
