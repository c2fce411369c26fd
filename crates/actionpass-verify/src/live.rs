//! Where the trust in force comes from: [`TrustSource`], and [`LiveTrust`], a file that is taken over whole whenever it
//! changes.

use std::fmt::Debug;
use std::future::ready;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actionpass_store::TrustDocument;
use actionpass_store::offload::{Shared, Unfinished, offload};
use actionpass_store::trust_file::{Stamp, TrustFile, TrustFileCode, TrustFileError, TrustSnapshot};

use crate::{Trust, TrustError};

/// What a [`TrustSource`] gives.
pub type TrustSourceFuture<'a> = Pin<Box<dyn Future<Output = Result<Arc<Trust>, TrustError>> + Send + 'a>>;

/// Where the trust in force comes from.
///
/// # Contract
/// - What a call gives is no older than what was in force when it was made.
/// - An error says that there is no trust to be had that can be believed: then nothing may be allowed.
/// - Futures may be polled on any executor and must not block it.
pub trait TrustSource: Debug + Send + Sync {
    /// The trust in force now, as one whole.
    fn current(&self) -> TrustSourceFuture<'_>;

    /// The same, read anew whatever the source may remember: for whoever knows that the trust has changed, as an issuer
    /// does after `CommitOutcome::TrustChanged`.
    fn refresh(&self) -> TrustSourceFuture<'_>;
}

impl<T: TrustSource + ?Sized> TrustSource for Arc<T> {
    fn current(&self) -> TrustSourceFuture<'_> {
        (**self).current()
    }

    fn refresh(&self) -> TrustSourceFuture<'_> {
        (**self).refresh()
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
    fn current(&self) -> TrustSourceFuture<'_> {
        Box::pin(ready(Ok(Arc::clone(&self.0))))
    }

    fn refresh(&self) -> TrustSourceFuture<'_> {
        self.current()
    }
}

/// A trust store file that is read again whenever it changes, whole or not at all.
///
/// Asking costs one look at the file's metadata. What has changed is read and parsed on a thread of its own, one reading
/// at a time, and callers share it where it began after they asked. For 100 ms after a write (and while the file's time
/// is yet to come) the metadata may not show the next write, so the file is read each time.
///
/// A file that can't be believed (broken, gone, older than the one before) is an error for as long as it lies there, and
/// the trust of before is not used in its place: revocations that stand in the new file would be missed.
#[derive(Clone, Debug)]
pub struct LiveTrust(Arc<Live>);

#[derive(Debug)]
struct Live {
    file: TrustFile,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Only ever under a stamp that is settled.
    taken: Option<(Stamp, Arc<Trust>)>,
    /// The newest reading, under way or done.
    reading: Option<Reading>,
}

/// One reading of the file beside the executors' threads.
#[derive(Clone, Debug)]
struct Reading {
    /// Readings are numbered from 1, in the order in which they begin. One ends before the next begins.
    number: u64,
    /// The process that it runs in: its thread isn't there in one that was forked meanwhile.
    process: u32,
    /// Taken before it began.
    stamp: Option<Stamp>,
    outcome: Shared<Result<Arc<Trust>, TrustError>>,
}

impl LiveTrust {
    /// The trust store at this path, read for the first time, on this thread.
    ///
    /// # Errors
    /// [`TrustError`] if it can't be believed now.
    pub fn open(path: &Path) -> Result<Self, TrustError> {
        Ok(Self::open_file(TrustFile::open(path))?.0)
    }

    /// The same of a file that others look at too, and the document as it was read: who needs both opens it once.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_file(file: TrustFile) -> Result<(Self, TrustSnapshot), TrustError> {
        let live = Live {
            file,
            state: Mutex::default(),
        };
        let (snapshot, _) = live.read()?;
        Ok((Self(Arc::new(live)), snapshot))
    }

    /// The trust in force now, like [`TrustSource::current`]; what has changed is read and parsed on this thread. For
    /// programs that do one thing at a time.
    ///
    /// # Errors
    /// [`TrustError`] if it can't be believed now.
    pub fn read_now(&self) -> Result<Arc<Trust>, TrustError> {
        let stamp = self.0.file.stamp()?;
        let taken = self.0.lock().taken(&stamp);
        taken.map_or_else(|| Ok(self.0.read()?.1), Ok)
    }

    /// What a reading gives that sees the file as it was when this was called, or newer.
    async fn read_beside(&self, stamp: Option<Stamp>, before: u64) -> Result<Arc<Trust>, TrustError> {
        loop {
            let reading = self.join(stamp, before);
            // One that began before may not have seen what lay there when this was called.
            let serves = reading.number > before || stamp.is_some_and(|stamp| reading.serves(&stamp));
            let outcome = reading.outcome.await;
            if serves {
                return outcome.unwrap_or_else(|error| Err(unread(error)));
            }
        }
    }

    /// The reading to wait for: one that is under way or began after number `before`, else a new one.
    fn join(&self, stamp: Option<Stamp>, before: u64) -> Reading {
        let mut state = self.0.lock();
        let process = process();
        if let Some(reading) = &state.reading
            && reading.process == process
            && (reading.number > before || !reading.outcome.is_done())
        {
            return reading.clone();
        }
        let live = Arc::clone(&self.0);
        let reading = Reading {
            number: state.readings().saturating_add(1),
            process,
            stamp,
            outcome: offload(move || Ok(live.read()?.1)).shared(),
        };
        state.reading = Some(reading.clone());
        reading
    }
}

/// The process that reads: a forked copy doesn't wait for a thread of the first. WebAssembly has no processes, and asking for one ends it.
fn process() -> u32 {
    if cfg!(target_family = "wasm") {
        0
    } else {
        std::process::id()
    }
}

impl Reading {
    /// Whether it sees the file as it is under this stamp, or newer, although it may have begun before.
    fn serves(&self, stamp: &Stamp) -> bool {
        stamp.is_settled() && self.stamp.as_ref() == Some(stamp)
    }
}

impl Live {
    /// Reads the file on this thread, and remembers its trust as long as its stamp tells of every change.
    fn read(&self) -> Result<(TrustSnapshot, Arc<Trust>), TrustError> {
        // Taken before reading: a file that is replaced in between is read once more next time, never missed.
        let stamp = self.file.stamp()?;
        let snapshot = self.file.read()?;
        let trust = Arc::new(Trust::from_snapshot(&snapshot)?);
        self.lock().taken = stamp.is_settled().then(|| (stamp, Arc::clone(&trust)));
        Ok((snapshot, trust))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere can't leave half a value here: each is replaced in one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn taken(&self, stamp: &Stamp) -> Option<Arc<Trust>> {
        let (known, trust) = self.taken.as_ref()?;
        (known == stamp).then(|| Arc::clone(trust))
    }

    /// How many readings have begun.
    fn readings(&self) -> u64 {
        self.reading.as_ref().map_or(0, |reading| reading.number)
    }
}

impl TrustSource for LiveTrust {
    fn current(&self) -> TrustSourceFuture<'_> {
        Box::pin(async move {
            let stamp = self.0.file.stamp()?;
            let before = {
                let state = self.0.lock();
                if let Some(trust) = state.taken(&stamp) {
                    return Ok(trust);
                }
                state.readings()
            };
            self.read_beside(Some(stamp), before).await
        })
    }

    fn refresh(&self) -> TrustSourceFuture<'_> {
        Box::pin(async move {
            let before = self.0.lock().readings();
            self.read_beside(None, before).await
        })
    }
}

/// The trust of a [`TrustDocument`] that is read at every call, as one in memory or in a database may be. Keys and
/// revocations are checked and indexed, on a thread of their own, when the document has changed.
#[derive(Debug)]
pub struct DocumentTrust {
    document: Arc<dyn TrustDocument>,
    taken: Mutex<Option<Arc<Trust>>>,
}

impl DocumentTrust {
    /// The trust of this document.
    #[must_use]
    pub fn new(document: Arc<dyn TrustDocument>) -> Self {
        Self {
            document,
            taken: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Trust>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrustSource for DocumentTrust {
    fn current(&self) -> TrustSourceFuture<'_> {
        Box::pin(async move {
            let snapshot = self.document.read().await?;
            if let Some(trust) = &*self.lock()
                && trust.evidence() == snapshot.evidence()
            {
                return Ok(Arc::clone(trust));
            }
            let indexed = offload(move || Trust::from_snapshot(&snapshot)).await;
            let trust = Arc::new(indexed.unwrap_or_else(|error| Err(unread(error)))?);
            *self.lock() = Some(Arc::clone(&trust));
            Ok(trust)
        })
    }

    fn refresh(&self) -> TrustSourceFuture<'_> {
        self.current()
    }
}

fn unread(error: Unfinished) -> TrustError {
    TrustFileError::new(TrustFileCode::TrustUnreadable)
        .with_source(error)
        .into()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::{Duration, SystemTime};

    use actionpass_model::{Revocation, RevocationSchema, RevocationTarget, Timestamp, TrustStore};
    use actionpass_store::MemoryTrust;
    use pollster::block_on;

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

        /// A file whose metadata tells of every further write.
        #[cfg(unix)]
        fn settled(test: &str) -> Self {
            let file = Self::new(test);
            file.set_modified(SystemTime::UNIX_EPOCH);
            std::thread::sleep(Duration::from_millis(150));
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
        block_on(live.current()).unwrap().is_principal_revoked(ROGUE)
    }

    #[cfg(unix)]
    #[test]
    fn a_rewrite_that_keeps_length_and_time_is_seen() {
        let file = Rewritten::settled("kept");
        let live = LiveTrust::open(&file.0).unwrap();
        let before = block_on(live.current()).unwrap();
        assert!(
            Arc::ptr_eq(&before, &block_on(live.current()).unwrap()),
            "a settled file is not read again"
        );
        file.revoke();
        assert!(is_revoked(&live));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_replaced_and_has_settled_is_read() {
        let file = Rewritten::settled("replaced");
        let live = LiveTrust::open(&file.0).unwrap();
        assert!(!is_revoked(&live));
        file.revoke();
        std::thread::sleep(Duration::from_millis(150));
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
        let before = block_on(live.current()).unwrap();
        assert!(!Arc::ptr_eq(&before, &block_on(live.current()).unwrap()));
        assert!(!Arc::ptr_eq(&before, &live.read_now().unwrap()));
    }

    #[cfg(unix)]
    #[test]
    fn refreshing_reads_whatever_the_metadata_says() {
        let file = Rewritten::settled("refresh");
        let live = LiveTrust::open(&file.0).unwrap();
        let before = block_on(live.current()).unwrap();
        let read = block_on(live.refresh()).unwrap();
        assert!(!Arc::ptr_eq(&before, &read));
        assert!(Arc::ptr_eq(&read, &block_on(live.current()).unwrap()));
        assert!(Arc::ptr_eq(&read, &live.read_now().unwrap()));
    }

    /// White space is no change: whoever spells the file otherwise has written the same trust store.
    #[test]
    fn a_file_that_is_spelt_otherwise_is_the_same_trust() {
        let file = Rewritten::new("spelt");
        let live = LiveTrust::open(&file.0).unwrap();
        let before = block_on(live.current()).unwrap();
        fs::write(&file.0, bytes(1, 8192)).unwrap();
        let after = block_on(live.refresh()).unwrap();
        assert_eq!(before.evidence(), after.evidence());
        let changed = String::from_utf8(bytes(1, 8192))
            .unwrap()
            .replace("\"keys\"", "\"ext\":{},\"keys\"");
        fs::write(&file.0, changed).unwrap();
        assert_eq!(block_on(live.refresh()).unwrap_err().code(), "trust_rolled_back");
    }

    #[test]
    fn a_broken_file_is_an_error_for_as_long_as_it_lies_there() {
        let file = Rewritten::new("broken");
        let live = LiveTrust::open(&file.0).unwrap();
        fs::write(&file.0, b"{}").unwrap();
        for _ in 0..2 {
            for result in [block_on(live.current()), block_on(live.refresh()), live.read_now()] {
                assert_eq!(result.unwrap_err().code(), "trust_invalid");
            }
            std::thread::sleep(Duration::from_millis(120));
        }
        fs::remove_file(&file.0).unwrap();
        assert_eq!(block_on(live.current()).unwrap_err().code(), "trust_unreadable");
        fs::write(&file.0, bytes(2, 4096)).unwrap();
        assert!(is_revoked(&live));
    }

    /// G7: whoever asks after the file was replaced sees the new one, also while others wait for a reading that began
    /// before.
    #[test]
    fn g07_no_caller_sees_what_was_replaced_before_it_asked() {
        let file = Rewritten::new("crowd");
        let trust = TrustFile::open(&file.0);
        let live = LiveTrust::open(&file.0).unwrap();
        let (written, done) = (AtomicU64::new(1), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for forced in [false, false, false, true] {
                let (live, written, done) = (&live, &written, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        let least = written.load(Ordering::SeqCst);
                        let seen = if forced { live.refresh() } else { live.current() };
                        let seen = block_on(seen).unwrap().version();
                        assert!(seen >= least, "version {seen}, when {least} was there before");
                    }
                });
            }
            for _ in 0..100 {
                let now = Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap();
                let changed = trust.update(now, |_| Ok(()), |_| Ok(()));
                written.store(changed.unwrap().1.document.version, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        assert_eq!(live.read_now().unwrap().version(), 101);
    }

    #[test]
    fn a_copy_of_the_process_reads_by_itself() {
        let file = Rewritten::new("copy");
        let live = LiveTrust::open(&file.0).unwrap();
        // Under way when this process was copied, so here it never ends.
        live.0.lock().reading = Some(Reading {
            number: 1,
            process: process() ^ 1,
            stamp: None,
            outcome: offload(|| {
                loop {
                    std::thread::park();
                }
            })
            .shared(),
        });
        assert_eq!(block_on(live.current()).unwrap().version(), 1);
        assert_eq!(block_on(live.refresh()).unwrap().version(), 1);
    }

    #[cfg(unix)]
    mod with_a_slow_file {
        use std::task::{Context, Poll, Waker};
        use std::thread;

        use super::*;

        /// A pipe in place of the file: whoever reads it waits for whoever writes it.
        fn pipe(test: &str) -> (Rewritten, LiveTrust) {
            let file = Rewritten::new(test);
            fs::remove_file(&file.0).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&file.0).status().unwrap();
            assert!(made.success());
            let live = thread::scope(|scope| {
                scope.spawn(|| fs::write(&file.0, bytes(1, 4096)).unwrap());
                LiveTrust::open(&file.0).unwrap()
            });
            (file, live)
        }

        fn settle() {
            thread::sleep(Duration::from_millis(150));
        }

        /// Begins to wait, which must not block.
        fn pending(future: &mut TrustSourceFuture<'_>) {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending));
        }

        #[test]
        fn nobody_is_blocked_and_those_who_ask_meanwhile_share_the_next_reading() {
            let (file, live) = pipe("next");
            let mut first = live.current();
            pending(&mut first);
            // The first reading is under way, and the metadata is too young to say that it serves these two as well.
            let (mut second, mut third) = (live.current(), live.current());
            pending(&mut second);
            pending(&mut third);
            fs::write(&file.0, bytes(1, 4096)).unwrap();
            assert_eq!(block_on(first).unwrap().version(), 1);
            pending(&mut second);
            pending(&mut third);
            fs::write(&file.0, bytes(2, 4096)).unwrap();
            let (second, third) = (block_on(second).unwrap(), block_on(third).unwrap());
            assert_eq!(second.version(), 2);
            assert!(Arc::ptr_eq(&second, &third));
        }

        #[test]
        fn those_who_ask_about_the_same_settled_file_share_one_reading() {
            let (file, live) = pipe("shared");
            settle();
            live.0.lock().taken = None;
            let (mut first, mut second) = (live.current(), live.current());
            pending(&mut first);
            pending(&mut second);
            // Whoever forces a reading doesn't take one that began before.
            let mut forced = live.refresh();
            pending(&mut forced);
            fs::write(&file.0, bytes(1, 4096)).unwrap();
            let (first, second) = (block_on(first).unwrap(), block_on(second).unwrap());
            assert!(Arc::ptr_eq(&first, &second));
            pending(&mut forced);
            fs::write(&file.0, bytes(2, 4096)).unwrap();
            assert_eq!(block_on(forced).unwrap().version(), 2);
        }

        #[test]
        fn whoever_gives_up_holds_nobody_up() {
            let (file, live) = pipe("gave-up");
            settle();
            live.0.lock().taken = None;
            let (mut first, mut second) = (live.current(), live.current());
            pending(&mut first);
            pending(&mut second);
            drop(first);
            fs::write(&file.0, bytes(1, 4096)).unwrap();
            assert_eq!(block_on(second).unwrap().version(), 1);
        }
    }

    #[test]
    fn a_document_is_indexed_again_only_when_it_changed() {
        let now = Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap();
        let document = Arc::new(MemoryTrust::new(&TrustStore::new(now)).unwrap());
        let trust = DocumentTrust::new(Arc::clone(&document) as _);
        let before = block_on(trust.current()).unwrap();
        assert!(Arc::ptr_eq(&before, &block_on(trust.refresh()).unwrap()));
        let changed = block_on(document.change(now, Box::new(|_| Ok(())))).unwrap();
        assert_eq!(block_on(trust.current()).unwrap().evidence(), changed.after.evidence());
    }
}
