//! Files that others look after: read with limits, refused where somebody else could write them, replaced whole.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::SetupError;

/// The largest file that is looked into: products keep histories beside their settings.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// A file as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where it is in truth, if a link leads to it.
    pub(crate) target: PathBuf,
    /// Its text; `None`: there is no file.
    pub(crate) text: Option<String>,
}

impl Source {
    /// Reads a file below one of these folders.
    ///
    /// A link is followed where it leads to a file below one of them: that is how people keep their settings elsewhere. One that
    /// leads out of them is somebody's way to have another file written.
    pub(crate) fn read(path: &Path, below: &[PathBuf]) -> Result<Self, SetupError> {
        let refused = |problem: &str| Err(SetupError::unusable(path, problem));
        let unreadable = |error: io::Error| SetupError::unusable(path, format!("it can't be read: {error}"));
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if fs::symlink_metadata(path).is_ok() {
                    return refused("a link that leads nowhere");
                }
                return Ok(Self {
                    target: path.to_owned(),
                    text: None,
                });
            }
            Err(error) => return Err(unreadable(error)),
        };
        let is_below = |folder: &PathBuf| fs::canonicalize(folder).is_ok_and(|folder| target.starts_with(folder));
        if !below.iter().any(is_below) {
            return refused("a link that leads out of the folders that are looked through");
        }
        let metadata = fs::metadata(&target).map_err(unreadable)?;
        if !metadata.is_file() {
            return refused("no file");
        }
        let folder = target.parent().and_then(|folder| fs::metadata(folder).ok());
        if let Some(problem) = exposure(&metadata) {
            return refused(&format!("it {problem}"));
        }
        if let Some(problem) = folder.as_ref().and_then(exposure) {
            return refused(&format!("its folder {problem}"));
        }
        if metadata.len() > MAX_BYTES {
            return refused("larger than 16 MiB");
        }
        let mut bytes = Vec::new();
        File::open(&target)
            .and_then(|file| file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        let Ok(text) = String::from_utf8(bytes) else {
            return refused("not UTF-8");
        };
        Ok(Self {
            target,
            text: Some(text),
        })
    }
}

/// Who else could write there. Groups are left out: with a umask of 002 files are the group's whose only member is their owner.
#[cfg(unix)]
fn exposure(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    const ROOT: u32 = 0;
    const STICKY: u32 = 0o1000;
    const BY_ALL: u32 = 0o002;
    let is_ours = [ROOT, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if !is_ours {
        Some("belongs to somebody else")
    } else if metadata.mode() & BY_ALL != 0 && (metadata.is_file() || metadata.mode() & STICKY == 0) {
        Some("can be written by everybody")
    } else {
        None
    }
}

/// Files have no such modes here.
#[cfg(not(unix))]
const fn exposure(_: &Metadata) -> Option<&'static str> {
    None
}

/// What a file holds now, for comparison; `None`: there is none.
pub(crate) fn now(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces what a file is known to hold: readers see the old one or the new one, and the new one survives the loss of power. Its
/// mode stays; a new file is its owner's alone.
pub(crate) fn replace(path: &Path, known: Option<&[u8]>, new: Option<&[u8]>) -> Result<(), SetupError> {
    let unwritable = |source: io::Error| SetupError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let Some(new) = new else {
        // INVARIANT: only a file of ours is removed, and only with what we wrote in it.
        if now(path).map_err(unwritable)?.as_deref() != known {
            return Err(SetupError::Moved(path.to_owned()));
        }
        return fs::remove_file(path).and_then(|()| synced(folder)).map_err(unwritable);
    };
    // A product may have no folder for its settings yet, beside a file that it has, such as `~/.claude.json`.
    if known.is_none() && !folder.is_dir() {
        fs::create_dir(folder).map_err(unwritable)?;
    }
    let mut next = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    if let Ok(metadata) = fs::metadata(path) {
        next.as_file()
            .set_permissions(metadata.permissions())
            .map_err(unwritable)?;
    }
    next.write_all(new)
        .and_then(|()| next.as_file().sync_all())
        .map_err(unwritable)?;
    // As late as can be: products write their files whenever they like.
    if now(path).map_err(unwritable)?.as_deref() != known {
        return Err(SetupError::Moved(path.to_owned()));
    }
    let persisted = match known {
        Some(_) => next.persist(path),
        None => next.persist_noclobber(path),
    };
    match persisted {
        Ok(_) => synced(folder).map_err(unwritable),
        Err(error) if known.is_none() && error.error.kind() == ErrorKind::AlreadyExists => {
            Err(SetupError::Moved(path.to_owned()))
        }
        Err(error) => Err(unwritable(error.error)),
    }
}

fn synced(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_its_folder_and_no_folder_above() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".claude/settings.json");
        replace(&path, None, Some(b"{}")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        let deeper = root.path().join("a/b/settings.json");
        assert!(matches!(
            replace(&deeper, None, Some(b"{}")),
            Err(SetupError::Unwritable { .. })
        ));
        assert!(!root.path().join("a").exists());
    }
}
