//! The file on the disk: locked, read, replaced.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{TrustFileCode, TrustFileError};

/// What changes when a file is replaced: when it was written, its length, its place on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    modified_nanos: u128,
    len: u64,
    inode: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Result<Self, TrustFileError> {
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let modified = metadata.modified().map_err(unreadable)?;
        let modified_nanos = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self {
            modified_nanos,
            len: metadata.len(),
            inode: inode(&metadata),
        })
    }
}

/// Waits for the exclusive lock, which ends with the returned file.
///
/// The lock is on a file of its own, because the trust store itself is replaced.
pub(super) fn lock(path: &Path) -> Result<File, TrustFileError> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, ".lock"))
        .map_err(unwritable)?;
    lock.lock().map_err(unwritable)?;
    Ok(lock)
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
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

#[cfg(unix)]
fn writable_by_everybody(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o002 != 0
}

#[cfg(not(unix))]
fn writable_by_everybody(_: &Metadata) -> bool {
    false
}
