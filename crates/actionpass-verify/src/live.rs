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
/// Asking costs one look at the file's metadata. For 100 ms after a write (and while the file's time is yet to come) the
/// metadata may not show the next write, so the file is read each time.
///
/// A file that can't be believed (broken, gone, older than the one before) is an error for as long as it lies there, and
/// the trust of before is not used in its place: revocations that stand in the new file would be missed.
#[derive(Debug)]
pub struct LiveTrust {
    file: TrustFile,
    /// Only ever under a stamp that is settled.
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
        *taken = stamp.is_settled().then(|| (stamp, Arc::clone(&trust)));
        Ok(trust)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use actionpass_model::{Revocation, RevocationSchema, RevocationTarget, Timestamp, TrustStore};

    use super::*;

    const ROGUE: &str = "agent:rogue";

    /// The trust store of a version, which revokes in version 2 and is padded to a length.
    fn bytes(version: u64, len: usize) -> Vec<u8> {
        let now = Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap();
        let mut document = TrustStore::new(now);
        document.version = version;
        if version > 1 {
            document.revocations.push(Revocation {
                schema: RevocationSchema,
                id: "rev_01920000000070008000000000000001".parse().unwrap(),
                target: RevocationTarget::Principal(ROGUE.parse().unwrap()),
                reason: "left its lane".parse().unwrap(),
                revoked_by: "user:owner".parse().unwrap(),
                revoked_at: now,
                compromised_since: None,
                expires_at: None,
                ext: None,
            });
        }
        let mut bytes = serde_json::to_vec(&document).unwrap();
        assert!(bytes.len() <= len);
        bytes.resize(len, b' ');
        bytes
    }

    /// The file of a test, which ends with it.
    struct Rewritten(PathBuf);

    impl Rewritten {
        fn new(test: &str) -> Self {
            let name = format!("actionpass-live-{}-{test}.json", std::process::id());
            let file = Self(std::env::temp_dir().join(name));
            fs::write(&file.0, bytes(1, 4096)).unwrap();
            file
        }

        /// Writes in place, with the length and the modification time of before.
        fn revoke(&self) {
            let modified = fs::metadata(&self.0).unwrap().modified().unwrap();
            fs::write(&self.0, bytes(2, 4096)).unwrap();
            self.set_modified(modified);
        }

        fn set_modified(&self, time: SystemTime) {
            File::options()
                .write(true)
                .open(&self.0)
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
    }

    impl Drop for Rewritten {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn is_revoked(live: &LiveTrust) -> bool {
        live.current().unwrap().is_principal_revoked(ROGUE)
    }

    #[cfg(unix)]
    #[test]
    fn a_rewrite_that_keeps_length_and_time_is_seen() {
        let file = Rewritten::new("kept");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600));
        std::thread::sleep(Duration::from_millis(150));
        let live = LiveTrust::open(&file.0).unwrap();
        let before = live.current().unwrap();
        assert!(
            Arc::ptr_eq(&before, &live.current().unwrap()),
            "a settled file is not read again"
        );
        file.revoke();
        assert!(is_revoked(&live));
    }

    #[test]
    fn a_rewrite_within_a_tick_of_the_clock_is_seen() {
        for _ in 0..50 {
            let file = Rewritten::new("tick");
            let live = LiveTrust::open(&file.0).unwrap();
            file.revoke();
            assert!(is_revoked(&live));
        }
    }

    #[test]
    fn a_file_is_read_again_until_it_has_settled() {
        let file = Rewritten::new("settles");
        // As seen by a machine whose clock lags.
        file.set_modified(SystemTime::now() + Duration::from_secs(3600));
        let live = LiveTrust::open(&file.0).unwrap();
        let before = live.current().unwrap();
        assert!(!Arc::ptr_eq(&before, &live.current().unwrap()));
    }
}
