//! [`LiveTrust`]: the trust store of a long-running verifier, taken over whole whenever the file changes.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_store::trust_file::{Stamp, TrustFile};

use crate::{Trust, TrustError};

/// Where the trust in force comes from.
pub trait TrustSource: Debug + Send + Sync {
    /// The trust in force now, as one whole.
    ///
    /// # Errors
    /// [`TrustError`] if there is none to be had that can be believed: then nothing may be allowed.
    fn current(&self) -> Result<Arc<Trust>, TrustError>;
}

impl<T: TrustSource + ?Sized> TrustSource for Arc<T> {
    fn current(&self) -> Result<Arc<Trust>, TrustError> {
        (**self).current()
    }
}

/// Trust that never changes: for tests, and for programs that are restarted with new trust.
#[derive(Clone, Debug)]
pub struct FixedTrust(Arc<Trust>);

impl FixedTrust {
    /// This trust, for ever.
    #[must_use]
    pub const fn new(trust: Arc<Trust>) -> Self {
        Self(trust)
    }
}

impl TrustSource for FixedTrust {
    fn current(&self) -> Result<Arc<Trust>, TrustError> {
        Ok(Arc::clone(&self.0))
    }
}

/// A trust store file that is read again whenever it changes, whole or not at all.
///
/// Asking costs one look at the file's metadata. A file that can't be believed (broken, gone, older than the one
/// before) is an error for as long as it lies there, and the trust of before is not used in its place: revocations
/// that stand in the new file would be missed.
#[derive(Debug)]
pub struct LiveTrust {
    file: TrustFile,
    taken: Mutex<Option<(Stamp, Arc<Trust>)>>,
}

impl LiveTrust {
    /// The trust store at this path, read for the first time.
    ///
    /// # Errors
    /// [`TrustError`] if it can't be believed now.
    pub fn open(path: &Path) -> Result<Self, TrustError> {
        let live = Self {
            file: TrustFile::open(path),
            taken: Mutex::new(None),
        };
        live.current()?;
        Ok(live)
    }
}

impl TrustSource for LiveTrust {
    fn current(&self) -> Result<Arc<Trust>, TrustError> {
        // A panic elsewhere can't leave half a value here: it is replaced in one assignment.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before reading: a file that is replaced in between is read once more next time, never missed.
        let stamp = self.file.stamp()?;
        if let Some((known, trust)) = taken.as_ref()
            && *known == stamp
        {
            return Ok(Arc::clone(trust));
        }
        let trust = Arc::new(Trust::from_snapshot(&self.file.read()?)?);
        *taken = Some((stamp, Arc::clone(&trust)));
        Ok(trust)
    }
}
