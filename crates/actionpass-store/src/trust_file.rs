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
mod text;

use std::error::Error as StdError;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use actionpass_model::{Document, Timestamp, TrustEvidence, TrustStore};

pub use change::{ChangeCode, ChangeError};
pub use disk::Stamp;
pub use error::{TrustFileCode, TrustFileError};
pub use text::TrustText;

/// Any error of a caller's closure.
pub type AnyError = Box<dyn StdError + Send + Sync>;

/// The largest trust store that is read, in bytes: room for some 200,000 revocations.
pub const MAX_TRUST_BYTES: u64 = 64 << 20;

/// How often a reader may be overtaken by another who has seen a newer file meanwhile, which looks as if the file had gone
/// back.
const MAX_OVERTAKEN: usize = 3;

/// A trust store file, and the newest version that was seen through this value or a clone of it: an older one is refused
/// from then on.
///
/// Its own methods block; those of [`TrustDocument`](crate::TrustDocument), which it implements, don't.
#[derive(Clone, Debug)]
pub struct TrustFile {
    path: PathBuf,
    /// Version and text of the newest.
    seen: Arc<Mutex<Option<(u64, TrustText)>>>,
}

/// A trust store file that nobody else can change for as long as this lives.
#[derive(Debug)]
pub(crate) struct LockedTrustFile {
    file: TrustFile,
    _lock: File,
    snapshot: TrustSnapshot,
}

/// A trust store as it was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrustSnapshot {
    /// The document.
    pub document: TrustStore,
    text: TrustText,
}

impl TrustSnapshot {
    /// Reads a trust store from bytes, whole or not at all.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustInvalid`], with the [`DocumentError`](actionpass_model::DocumentError) as its source.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, TrustFileError> {
        let document = TrustStore::from_json(&bytes)
            .map_err(|error| TrustFileError::new(TrustFileCode::TrustInvalid).with_source(error))?;
        Ok(Self {
            document,
            text: TrustText::new(bytes),
        })
    }

    /// The text that it was read from, and its digest.
    #[must_use]
    pub const fn text(&self) -> &TrustText {
        &self.text
    }

    /// A document as it is written, read back: what can't be read is not written.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustInvalid`] if the document contradicts itself.
    pub fn of(document: &TrustStore) -> Result<Self, TrustFileError> {
        let bytes = layout::to_vec(document)
            .map_err(|error| TrustFileError::new(TrustFileCode::TrustInvalid).with_source(error))?;
        Self::from_bytes(bytes)
    }

    /// The trust store after a change. Every store's `change` uses it, so that they agree: `version` grows by one, or to one
    /// more than a higher one that `change` wrote there, `updatedAt` becomes `now`, and what must stay is there.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustChangeRefused`] with the cause if `change` refuses, or if the result would bring a revoked
    /// key back or drop a revocation that must stay; [`TrustFileCode::TrustInvalid`] if the result contradicts itself.
    pub fn changed(
        &self,
        now: Timestamp,
        change: &mut dyn FnMut(&mut TrustStore) -> Result<(), AnyError>,
    ) -> Result<Self, TrustFileError> {
        self.succeeded_by(self.edited(change)?, now)
    }

    /// The document as a change leaves it, before anything is checked.
    pub(crate) fn edited(
        &self,
        change: &mut dyn FnMut(&mut TrustStore) -> Result<(), AnyError>,
    ) -> Result<TrustStore, TrustFileError> {
        let mut after = self.document.clone();
        change(&mut after).map_err(TrustFileError::refused)?;
        Ok(after)
    }

    /// The trust store that this document becomes, as the next version.
    pub(crate) fn succeeded_by(&self, mut after: TrustStore, now: Timestamp) -> Result<Self, TrustFileError> {
        after.version = after
            .version
            .max(self.document.version)
            .checked_add(1)
            .filter(|version| *version < 1 << 53)
            .ok_or_else(|| TrustFileError::new(TrustFileCode::TrustInvalid))?;
        after.updated_at = now;
        change::check_transition(&self.document, &after, now).map_err(|error| TrustFileError::refused(error.into()))?;
        Self::of(&after)
    }

    /// Version and digest, as records name them.
    #[must_use]
    pub fn evidence(&self) -> TrustEvidence {
        TrustEvidence {
            version: self.document.version,
            digest: self.text.digest(),
        }
    }
}

impl TrustFile {
    /// The file at `path`. Nothing is read yet.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: Arc::default(),
        }
    }

    /// Makes the file at `path`, which must not be there.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustExists`]; [`TrustFileCode::TrustInvalid`] if the document contradicts itself;
    /// [`TrustFileCode::TrustUnwritable`].
    pub fn create(path: &Path, document: &TrustStore) -> Result<Self, TrustFileError> {
        let snapshot = TrustSnapshot::of(document)?;
        let _lock = disk::lock(path)?;
        if path.exists() {
            return Err(TrustFileError::new(TrustFileCode::TrustExists));
        }
        disk::replace(path, snapshot.text.bytes())?;
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
    /// [`TrustFileCode::TrustRolledBack`] if a newer version, or another value of the same version, was seen before.
    pub fn read(&self) -> Result<TrustSnapshot, TrustFileError> {
        let read = || TrustSnapshot::from_bytes(disk::read(&self.path, MAX_TRUST_BYTES)?);
        for _ in 0..MAX_OVERTAKEN {
            let snapshot = read()?;
            if self.accept(&snapshot).is_ok() {
                return Ok(snapshot);
            }
        }
        let snapshot = read()?;
        self.accept(&snapshot)?;
        Ok(snapshot)
    }

    /// Changes the file: reads it under the lock, applies `change`, checks, and replaces it. Other processes wait, so
    /// none of two concurrent changes is lost.
    ///
    /// `version` grows by one and `updatedAt` becomes `now`. `validate` sees what `change` made, before it is written: this
    /// crate knows no cryptography, so that is the place to check that every key is a point on its curve with its own kid.
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
        let locked = self.lock()?;
        let (mut change, mut validate, mut value) = (Some(change), Some(validate), None);
        let after = locked.snapshot().changed(now, &mut |document| {
            // Called once: nobody else changes the file meanwhile.
            if let (Some(change), Some(validate)) = (change.take(), validate.take()) {
                value = Some(change(document)?);
                validate(document)?;
            }
            Ok(())
        })?;
        let snapshot = locked.replace(after)?;
        let value = value.ok_or_else(|| TrustFileError::new(TrustFileCode::TrustChangeRefused))?;
        Ok((value, snapshot))
    }

    /// Waits until nobody else changes the file, and reads it.
    pub(crate) fn lock(&self) -> Result<LockedTrustFile, TrustFileError> {
        let lock = disk::lock(&self.path)?;
        Ok(LockedTrustFile {
            file: self.clone(),
            _lock: lock,
            snapshot: self.read()?,
        })
    }

    /// Remembers what was seen, and refuses what is older, or another of the same version. That is the rule of
    /// [`newest_trust`](crate::newest_trust), with digests only where two texts of one version differ.
    fn accept(&self, snapshot: &TrustSnapshot) -> Result<(), TrustFileError> {
        let rolled_back = || TrustFileError::new(TrustFileCode::TrustRolledBack);
        let (version, text) = (snapshot.document.version, &snapshot.text);
        let mut seen = self.seen.lock().map_err(|_| rolled_back())?;
        if let Some((newest, known)) = &*seen
            && (*newest > version || *newest == version && !known.is_same_value(text))
        {
            return Err(rolled_back());
        }
        *seen = Some((version, text.clone()));
        Ok(())
    }
}

impl LockedTrustFile {
    /// The trust store as it is.
    pub(crate) const fn snapshot(&self) -> &TrustSnapshot {
        &self.snapshot
    }

    /// Puts another in its place, and lets others at the file again.
    pub(crate) fn replace(self, after: TrustSnapshot) -> Result<TrustSnapshot, TrustFileError> {
        disk::replace(&self.file.path, after.text.bytes())?;
        self.file.accept(&after)?;
        Ok(after)
    }
}
