//! Locks between processes, each on a file of its own: taken by one at a time, waited for no longer than [`WAIT`].

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a lock is waited for. Whoever holds one writes a small file meanwhile, so it is free again long before, unless
/// something is wrong.
pub const WAIT: Duration = Duration::from_secs(5);

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process held it for all of [`WAIT`].
    #[error("{} has held its lock for {} seconds", .0.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string), WAIT.as_secs())]
    Held(Option<Holder>),
    /// The file can't be made, opened or locked.
    #[error("its lock can't be taken")]
    Io(#[from] io::Error),
}

/// The process that holds a lock.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The name of its program, where it is known.
    pub program: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match &self.program {
            // A process chooses its own name.
            Some(program) => write!(f, " (`{}`)", program.escape_debug()),
            None => Ok(()),
        }
    }
}

/// Takes the exclusive lock on a file, which is made if it isn't there, and holds it until the returned file is dropped.
///
/// Its owner alone can read and write the file, and so take the lock: whoever can open a file can lock it, for as long as
/// they like.
///
/// # Errors
/// [`LockError`].
pub fn exclusive(path: &Path) -> Result<File, LockError> {
    // Neither a link to somewhere else nor a pipe is opened, and no other file is made private.
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is not a regular file").into());
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    restrict(&file);
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::Error(error)) => return Err(error.into()),
        Err(TryLockError::WouldBlock) => {}
    }
    // Those who wait are served in the order of their coming, which trying again and again is not. A lock that comes too late
    // is dropped with the message that nobody receives.
    let (sender, receiver) = mpsc::sync_channel(1);
    let waiting = file.try_clone()?;
    thread::Builder::new().spawn(move || {
        let locked = waiting.lock();
        let _ = sender.send(locked.map(|()| waiting));
    })?;
    match receiver.recv_timeout(WAIT) {
        Ok(locked) => Ok(locked?),
        Err(_) => Err(LockError::Held(holder(&file))),
    }
}

/// Takes the rights of others from a lock that an earlier release made for everybody. Without the right to do so it stays.
#[cfg(unix)]
fn restrict(file: &File) {
    use std::os::unix::fs::PermissionsExt;

    let is_open = file
        .metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_open {
        let _ = file.set_permissions(PermissionsExt::from_mode(0o600));
    }
}

#[cfg(not(unix))]
fn restrict(_: &File) {}

/// Who holds the lock on a file, as Linux tells.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<Holder> {
    use std::os::unix::fs::MetadataExt;

    let inode = file.metadata().ok()?.ino();
    let pid = locked_by(&std::fs::read_to_string("/proc/locks").ok()?, inode)?;
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    Some(Holder {
        pid,
        program: program.map(|name| name.trim_end().to_owned()),
    })
}

#[cfg(not(target_os = "linux"))]
const fn holder(_: &File) -> Option<Holder> {
    None
}

/// The process that has locked the file of this inode, of the lines of `/proc/locks` (proc_locks(5)):
/// `1: FLOCK  ADVISORY  WRITE 4711 fd:00:131 0 EOF`, those who wait with `->` after the number.
#[cfg(target_os = "linux")]
fn locked_by(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, pid, place) = (words.next()?, words.nth(2)?, words.next()?);
        let is_this = place.rsplit(':').next()?.parse() == Ok(inode);
        (kind != "->" && is_this).then(|| pid.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let first = exclusive(&path).unwrap();
        let (sender, receiver) = mpsc::channel();
        let second = thread::spawn({
            let path = path.clone();
            move || {
                let _locked = exclusive(&path).unwrap();
                sender.send("second").unwrap();
            }
        });
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        drop(first);
        assert_eq!(receiver.recv(), Ok("second"));
        second.join().unwrap();
        drop(exclusive(&path).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_take_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        drop(exclusive(&path).unwrap());
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        drop(exclusive(&path).unwrap());
        assert_eq!(mode(), 0o600);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_holds_it_is_told() {
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 fd:00:131 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 12 fd:00:132 0 EOF\n\
                     2: POSIX  ADVISORY  READ 13 fd:00:132 0 EOF\nnonsense\n3:\n";
        assert_eq!(locked_by(locks, 131), Some(4711));
        assert_eq!(locked_by(locks, 132), Some(13));
        assert_eq!(locked_by(locks, 11), None);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = exclusive(&path).unwrap();
        let told = holder(&held).unwrap();
        assert_eq!(told.pid, std::process::id());
        assert!(
            told.to_string()
                .starts_with(&format!("process {} (`", std::process::id()))
        );
        drop(held);
        assert_eq!(holder(&File::open(&path).unwrap()), None);
    }
}
