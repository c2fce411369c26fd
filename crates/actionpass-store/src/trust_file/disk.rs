//! The file on the disk: locked, read, replaced.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{TrustFileCode, TrustFileError};
use crate::lock_file::{self, LockError};

/// What changes when a file is replaced or written to: its times, its length, its place on the disk.
///
/// Two equal stamps mean an unchanged file only if the first [is settled](Self::is_settled).
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    file: Identity,
    settled: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    modified: SystemTime,
    /// Unlike `modified`, no program sets it at will.
    changed: SystemTime,
    len: u64,
    device: u64,
    inode: u64,
}

/// File systems stamp with a clock that ticks, every 10 ms or faster: two writes in one tick bear the same time.
const SETTLES_IN: Duration = Duration::from_millis(100);

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, TrustFileError> {
        // Before the times are read, so that the file isn't taken to be older than it is.
        let now = SystemTime::now();
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let file = Identity::of(&metadata).map_err(unreadable)?;
        // A time to come says nothing about the age, so such a file doesn't settle.
        let settled = [file.modified, file.changed]
            .into_iter()
            .all(|time| now.duration_since(time).is_ok_and(|age| age >= SETTLES_IN));
        Ok(Self { file, settled })
    }

    /// Whether every write after this stamp gives another one.
    ///
    /// Right after a write it may not, so whoever holds an unsettled stamp reads the file again.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.settled
    }
}

/// Of the same state of the same file, whenever they were taken.
impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl Eq for Stamp {}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;

        let none = |_| io::Error::other("the time of its last change is before 1970");
        let seconds = u64::try_from(metadata.ctime()).map_err(none)?;
        let nanos = u32::try_from(metadata.ctime_nsec()).map_err(none)?;
        Ok(Self {
            modified: metadata.modified()?,
            changed: SystemTime::UNIX_EPOCH
                .checked_add(Duration::new(seconds, nanos))
                .ok_or_else(|| io::Error::other("the time of its last change is out of range"))?,
            len: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> io::Result<Self> {
        let modified = metadata.modified()?;
        Ok(Self {
            modified,
            changed: modified,
            len: metadata.len(),
            device: 0,
            inode: 0,
        })
    }
}

/// Takes the exclusive lock, which ends with the returned file.
///
/// The lock is on a file of its own, because the trust store itself is replaced; beside the file that a link leads to, so
/// that all who change it by whatever name wait for each other.
pub(super) fn lock(path: &Path) -> Result<File, TrustFileError> {
    lock_file::exclusive(&beside(&target(path), ".lock")).map_err(|error| {
        let code = match error {
            LockError::Held(_) => TrustFileCode::TrustLocked,
            LockError::Io(_) => TrustFileCode::TrustUnwritable,
        };
        TrustFileError::new(code).with_source(error)
    })
}

/// The file that a path leads to, through links: what is replaced is the file, never a link to it.
fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, TrustFileError> {
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if writable_by_everybody(&metadata) {
        return Err(TrustFileError::new(TrustFileCode::TrustNotPrivate));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(max_bytes)).unwrap_or_default());
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(TrustFileError::new(TrustFileCode::TrustInvalid).with_source("the file is too large"));
    }
    Ok(bytes)
}

/// Replaces the file: readers see the old one or the new one, and the new one survives the loss of power.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), TrustFileError> {
    let path = &*target(path);
    // One name is enough: whoever writes it holds the lock. What a crash left there is overwritten.
    let next = beside(path, ".next");
    let write = || -> io::Result<()> {
        let mut file = File::create(&next)?;
        if let Ok(before) = fs::metadata(path) {
            file.set_permissions(before.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        sync_folder(path)
    };
    write().map_err(unwritable)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn unreadable(error: io::Error) -> TrustFileError {
    TrustFileError::new(TrustFileCode::TrustUnreadable).with_source(error)
}

fn unwritable(error: io::Error) -> TrustFileError {
    TrustFileError::new(TrustFileCode::TrustUnwritable).with_source(error)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn writable_by_everybody(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o002 != 0
}

#[cfg(not(unix))]
fn writable_by_everybody(_: &Metadata) -> bool {
    false
}
