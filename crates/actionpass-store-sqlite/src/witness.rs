//! [`Witness`]: what a store once acknowledged, kept outside of its database, so that a database that went back is noticed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actionpass_canon::sha256;
use actionpass_model::Digest;
use actionpass_store::ledger::{Head, KnownHead, Log};
use actionpass_store::{HeadWitness, LedgerState, StoreCode, StoreError};

use crate::error::Failure;
use crate::file::{private_file, sync_folder};

/// A file that says how far a log had come, and the trust store, when something was last acknowledged.
///
/// It is written after the database is durable and before a caller hears of it, once for each transaction, and only ever
/// forward. So a database that doesn't hold the record that it names was put back or cut off, and one that is ahead of it
/// was not: a crash at any moment leaves it so. It notices nothing if it goes back together with the database: kept in the
/// same folder it does, with a snapshot of that folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Witness {
    path: PathBuf,
}

/// What a witness says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Witnessed {
    /// How many records the log had.
    pub size: u64,
    /// The hash of the last of them.
    pub hash: Digest,
    /// The newest version of the trust store that the log knew of, or that was written while there was no log to be had; 0 if
    /// none.
    pub trust_version: u64,
    /// Of which log it speaks: SHA-256 of origin, line feed, issuer.
    log: Digest,
}

/// Two places of this many bytes each, written in turns: whatever a crash does to one, the other is whole.
const PLACE: usize = 512;
const NAME: &str = "actionpass-witness-v1";
/// How long a call waits for other processes.
const PATIENCE: Duration = Duration::from_secs(10);

impl Witness {
    /// The witness in the file at this path, which need not be there yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; `None` if there is none yet.
    ///
    /// # Errors
    /// [`StoreCode::StoreCorrupt`] if the file is no witness, [`StoreCode::StoreUnavailable`] if it can't be read.
    pub fn read(&self) -> Result<Option<Witnessed>, StoreError> {
        self.said().map_err(|failure| failure.to_error())
    }

    /// Makes it say what a store knows now, also if that is less: for a store that was put back on purpose, and of which it
    /// was said what may be lost. The trust store went back with it only if somebody says so, so its version stays.
    ///
    /// # Errors
    /// [`StoreCode::StoreUnavailable`] if it can't be written.
    pub fn reset(&self, log: &Log, state: &LedgerState) -> Result<(), StoreError> {
        let mut next = Witnessed::of(log, state);
        // One that can't be read says nothing that could stay.
        if let Ok(Some(before)) = self.said() {
            next.trust_version = next.trust_version.max(before.trust_version);
        }
        self.make(&next, |draft, path| fs::rename(draft, path))
            .map_err(|error| Failure::unwitnessed(error).to_error())
    }

    /// Makes it say that the trust store has this version, where it was changed without the log. `false` if there is no
    /// witness to say it.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); [`StoreCode::StoreUnavailable`] if it can't be written.
    pub fn advance_trust(&self, version: u64) -> Result<bool, StoreError> {
        let Some(_) = self.read()? else { return Ok(false) };
        let advanced = self.open_locked().and_then(|(file, known, place)| {
            let next = Witnessed {
                trust_version: known.trust_version.max(version),
                ..known
            };
            next.replace(&file, place)
        });
        advanced.map(|()| true).map_err(|failure| failure.to_error())
    }

    pub(crate) fn said(&self) -> Result<Option<Witnessed>, Failure> {
        match self.regular().and_then(|()| fs::read(&self.path)) {
            Ok(bytes) => Ok(Some(newest(&bytes)?.0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::unwitnessed(error)),
        }
    }

    /// Refuses what is there and is no file: a pipe would be waited for without end.
    fn regular(&self) -> io::Result<()> {
        match fs::metadata(&self.path)?.is_file() {
            true => Ok(()),
            false => Err(io::Error::other("the witness is not a regular file")),
        }
    }

    /// Says that the log has come this far, durably, unless more was said already.
    pub(crate) fn advance(&self, log: &Log, state: &LedgerState) -> Result<(), Failure> {
        let next = Witnessed::of(log, state);
        if matches!(self.regular(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            // Whoever comes first: a link never takes the place of another's.
            match self.make(&next, |draft, path| fs::hard_link(draft, path)) {
                // It is there by now, or it is a link that leads nowhere.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map_err(Failure::unwitnessed),
            }
        }
        let (file, known, place) = self.open_locked()?;
        if known.log != next.log {
            return Err(Failure::Store(
                StoreCode::StoreLogMismatch,
                "the witness is that of another log",
            ));
        }
        let trust_version = next.trust_version.max(known.trust_version);
        if (known.size, known.trust_version) >= (next.size, trust_version) {
            return Ok(());
        }
        Witnessed { trust_version, ..next }.replace(&file, place)
    }

    /// The file, for this process alone until it is closed, what it says, and in which place.
    fn open_locked(&self) -> Result<(File, Witnessed, usize), Failure> {
        self.regular().map_err(Failure::unwitnessed)?;
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        let mut file = opened.map_err(Failure::unwitnessed)?;
        lock(&file)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Failure::unwitnessed)?;
        let (known, place) = newest(&bytes)?;
        Ok((file, known, place))
    }

    /// Makes the file, whole, under another name, and puts it in its place.
    fn make(&self, witnessed: &Witnessed, put: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
        let mut draft = self.path.as_os_str().to_owned();
        draft.push(format!(".new-{}-{:?}", std::process::id(), std::thread::current().id()));
        let draft = PathBuf::from(draft);
        let made = private_file(&draft).and_then(|mut file| {
            let place = witnessed.to_place();
            file.write_all(&[place, place].concat())?;
            file.sync_all()?;
            put(&draft, &self.path)?;
            sync_folder(&self.path)
        });
        // Gone already if it was renamed.
        let _ = fs::remove_file(&draft);
        made
    }
}

impl HeadWitness for Witness {
    fn seen(&self, log: &Log) -> Result<Option<KnownHead>, StoreError> {
        match self.read()? {
            Some(seen) if !seen.is_of(log) => Err(StoreError::new(StoreCode::StoreLogMismatch)),
            Some(seen) => Ok(seen.known()),
            None => Ok(None),
        }
    }

    fn advance(&self, log: &Log, state: &LedgerState) -> Result<(), StoreError> {
        Self::advance(self, log, state).map_err(|failure| failure.to_error())
    }
}

impl Witnessed {
    fn of(log: &Log, state: &LedgerState) -> Self {
        Self {
            size: state.head.size(),
            hash: state.head.hash(),
            trust_version: state.trust.map_or(0, |trust| trust.version),
            log: name_of(log),
        }
    }

    /// Whether it speaks of this log.
    #[must_use]
    pub fn is_of(&self, log: &Log) -> bool {
        self.log == name_of(log)
    }

    /// The record that the log holds, if it says that there was one.
    #[must_use]
    pub const fn known(&self) -> Option<KnownHead> {
        Head::new(self.size, self.hash).known()
    }

    /// Writes it into the other place than the one that counts until then, durably.
    fn replace(self, file: &File, place: usize) -> Result<(), Failure> {
        write_at(file, &self.to_place(), 1_usize.saturating_sub(place)).map_err(Failure::unwitnessed)?;
        file.sync_data().map_err(Failure::unwitnessed)
    }

    fn to_place(self) -> [u8; PLACE] {
        let Self {
            size,
            hash,
            trust_version,
            log,
        } = self;
        let text = format!("{NAME} {log} {size} {hash} {trust_version} ");
        let line = format!("{text}{}", sha256(text.as_bytes()));
        let mut place = [b' '; PLACE];
        for (to, from) in place.iter_mut().zip(line.bytes()) {
            *to = from;
        }
        if let Some(last) = place.last_mut() {
            *last = b'\n';
        }
        place
    }

    /// What a place says; `None` if it was not written to its end.
    fn of_place(place: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(place).ok()?.trim_ascii_end();
        let (text, sum) = line.rsplit_once(' ')?;
        let mut words = text.split(' ');
        if words.next()? != NAME || sha256(format!("{text} ").as_bytes()) != sum.parse().ok()? {
            return None;
        }
        Some(Self {
            log: words.next()?.parse().ok()?,
            size: words.next()?.parse().ok()?,
            hash: words.next()?.parse().ok()?,
            trust_version: words.next()?.parse().ok()?,
        })
    }
}

fn name_of(log: &Log) -> Digest {
    sha256(format!("{}\n{}", log.origin(), log.issuer()).as_bytes())
}

/// What is newest in a file, and in which place.
fn newest(bytes: &[u8]) -> Result<(Witnessed, usize), Failure> {
    let places = bytes.chunks(PLACE).map(Witnessed::of_place);
    let said = places.zip(0..).filter_map(|(said, place)| Some((said?, place)));
    said.max_by_key(|(said, _)| (said.size, said.trust_version))
        .ok_or_else(|| Failure::corrupt("the file of the witness is none"))
}

/// Held until the file is closed. A process that is stopped while it holds it keeps nobody for ever.
fn lock(file: &File) -> Result<(), Failure> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}

#[cfg(unix)]
fn write_at(file: &File, place: &[u8; PLACE], index: usize) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, place, (index.saturating_mul(PLACE)) as u64)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, place: &[u8; PLACE], index: usize) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    file.seek(SeekFrom::Start((index.saturating_mul(PLACE)) as u64))?;
    file.write_all(place)
}

#[cfg(test)]
mod tests {
    use actionpass_store::conformance::{TempFolder, fixtures};
    use proptest::prelude::*;

    use super::*;

    fn state(size: u64) -> LedgerState {
        LedgerState::new(Head::new(size, fixtures::digest(size)))
    }

    #[test]
    fn it_goes_forward_only() {
        let folder = TempFolder::new();
        let witness = Witness::at(folder.path().join("witness"));
        assert_eq!(witness.read().unwrap(), None);
        for (said, then) in [(3, 3), (5, 5), (4, 5), (6, 6), (6, 6), (1, 6)] {
            witness.advance(&fixtures::log(), &state(said)).unwrap();
            let read = witness.read().unwrap().unwrap();
            assert_eq!((read.size, read.hash), (then, fixtures::digest(then)));
        }
        let mut trusted = state(6);
        trusted.trust = Some(fixtures::trust(9));
        witness.advance(&fixtures::log(), &trusted).unwrap();
        assert_eq!(witness.read().unwrap().unwrap().trust_version, 9);
        witness.reset(&fixtures::log(), &state(2)).unwrap();
        assert_eq!(witness.read().unwrap().unwrap().size, 2);
    }

    /// As another store asks it.
    #[test]
    fn it_is_a_witness_of_any_store() {
        let folder = TempFolder::new();
        let witness: &dyn HeadWitness = &Witness::at(folder.path().join("witness"));
        let log = fixtures::log();
        assert_eq!(witness.seen(&log).unwrap(), None);
        witness.advance(&log, &state(3)).unwrap();
        assert_eq!(
            witness.seen(&log).unwrap(),
            Some(KnownHead::new(2, fixtures::digest(3)))
        );
        let other = Log::new("other.example".parse().unwrap(), log.issuer().clone());
        for refused in [witness.seen(&other).map(drop), witness.advance(&other, &state(4))] {
            assert_eq!(refused.unwrap_err().code(), StoreCode::StoreLogMismatch);
        }
    }

    #[test]
    fn whatever_a_crash_leaves_of_a_write_the_former_word_stands() {
        let folder = TempFolder::new();
        let path = folder.path().join("witness");
        let witness = Witness::at(&path);
        witness.advance(&fixtures::log(), &state(7)).unwrap();
        for size in 8..11 {
            let before = fs::read(&path).unwrap();
            witness.advance(&fixtures::log(), &state(size)).unwrap();
            let after = fs::read(&path).unwrap();
            for written in 0..after.len() {
                // A write that ended anywhere, from either side.
                for torn in [
                    [&after[..written], &before[written..]].concat(),
                    [&before[..written], &after[written..]].concat(),
                ] {
                    fs::write(&path, torn).unwrap();
                    let said = witness.read().unwrap().unwrap();
                    assert!([size - 1, size].contains(&said.size));
                    assert_eq!(said.hash, fixtures::digest(said.size));
                }
            }
            fs::write(&path, after).unwrap();
        }
        fs::write(&path, "something else").unwrap();
        assert_eq!(witness.read().unwrap_err().code(), StoreCode::StoreCorrupt);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_nowhere_is_an_error() {
        let folder = TempFolder::new();
        let path = folder.path().join("witness");
        std::os::unix::fs::symlink("nowhere/at/all", &path).unwrap();
        let refused = Witness::at(&path).advance(&fixtures::log(), &state(1)).unwrap_err();
        assert_eq!(refused.to_error().code(), StoreCode::StoreUnavailable);
    }

    #[test]
    fn many_at_once_leave_the_highest() {
        let folder = TempFolder::new();
        let witness = Witness::at(folder.path().join("witness"));
        witness.advance(&fixtures::log(), &state(1)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let witness = &witness;
                scope.spawn(move || {
                    for step in 0..50 {
                        witness
                            .advance(&fixtures::log(), &state(step * 4 + thread + 1))
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(witness.read().unwrap().unwrap().size, 200);
    }

    proptest! {
        #[test]
        fn a_place_says_what_was_put_there(size in 0..=u64::MAX, trust_version: u64, hash: [u8; 32], spoil in 0..PLACE) {
            let log = name_of(&fixtures::log());
            let said = Witnessed { size, hash: Digest::from_bytes(hash), trust_version, log };
            let mut place = said.to_place();
            prop_assert_eq!(Witnessed::of_place(&place), Some(said));
            place[spoil] ^= 1;
            // White space at the end is none of it.
            prop_assert!(Witnessed::of_place(&place).is_none_or(|read| read == said));
        }
    }
}
