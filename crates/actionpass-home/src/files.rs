//! Files of a home: read with limits, written durably, and refused where others could have changed them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use actionpass_model::Code;

use crate::{Exposure, HomeError};

/// The largest text file of a home.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A file of a home: at most 1 MiB, and one byte more of a larger one, so that its reader sees that it is.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, HomeError> {
    bytes_of_at_most(path, MAX_BYTES)
}

/// The same of a file that may have so many bytes.
pub(crate) fn bytes_of_at_most(path: &Path, most: usize) -> Result<Vec<u8>, HomeError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take((most as u64).saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| HomeError::unreadable(path, error))?;
    Ok(bytes)
}

/// A text file of a home: UTF-8, at most 1 MiB.
pub(crate) fn text(path: &Path, code: impl Into<Code>) -> Result<String, HomeError> {
    decoded(bytes(path)?, path, code)
}

/// The text of such bytes.
pub(crate) fn decoded(bytes: Vec<u8>, path: &Path, code: impl Into<Code>) -> Result<String, HomeError> {
    let refused = |code: Code, problem| HomeError::NotText {
        path: path.to_owned(),
        code,
        problem,
    };
    if bytes.len() > MAX_BYTES {
        return Err(refused(code.into(), "larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| refused(code.into(), "not UTF-8"))
}

/// Writes a new file that only its owner can read: it is there whole or not at all, and survives the loss of power.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut next = tempfile::NamedTempFile::new_in(folder)?;
        next.write_all(bytes)?;
        next.as_file().sync_all()?;
        next.persist_noclobber(path)?;
        sync_folder_of(path)
    };
    written().map_err(|error: io::Error| HomeError::unwritable(path, error))
}

/// Makes durable what its folder says of a file or folder: that it is new, or is another now.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, or [replaces](replace) it.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    if path.exists() {
        replace(path, bytes)
    } else {
        write_new(path, bytes)
    }
}

/// Whether there is a file of this name; a link that leads nowhere counts, and its reader misses the file.
pub(crate) fn is_there(path: &Path) -> Result<bool, HomeError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(HomeError::unreadable(path, error)),
    }
}

/// Replaces a file: readers see the old one or the new one, and the new one survives the loss of power.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let replaced = || {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut next = tempfile::NamedTempFile::new_in(folder)?;
        next.as_file().set_permissions(fs::metadata(path)?.permissions())?;
        next.write_all(bytes)?;
        next.as_file().sync_all()?;
        next.persist(path)?;
        sync_folder_of(path)
    };
    replaced().map_err(|error: io::Error| HomeError::unwritable(path, error))
}

/// Makes a folder for its owner alone, durably.
pub(crate) fn make_folder(path: &Path) -> Result<(), HomeError> {
    create_folder(path).map_err(|error| HomeError::unwritable(path, error))
}

fn create_folder(path: &Path) -> io::Result<()> {
    folder_builder().create(path)?;
    sync_folder_of(path)
}

/// Makes a home's folder, or takes one that is empty.
pub(crate) fn claim(root: &Path) -> Result<(), HomeError> {
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(|error| HomeError::unwritable(parent, error))?;
    }
    match create_folder(root) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_empty = fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
            if !is_empty {
                return Err(HomeError::Exists(root.to_owned()));
            }
            restrict(root, 0o700).map_err(|error| HomeError::unwritable(root, error))
        }
        Err(error) => Err(HomeError::unwritable(root, error)),
    }
}

fn folder_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Leaves a file to its owner alone.
pub(crate) fn make_private(path: &Path) -> Result<(), HomeError> {
    restrict(path, 0o600).map_err(|error| HomeError::unwritable(path, error))
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Refuses what others can write, or what belongs to somebody else.
pub(crate) fn refuse_writable(path: &Path, metadata: &Metadata) -> Result<(), HomeError> {
    refuse(path, Exposure::of_public(metadata))
}

/// How many links a path may lead through, as in Linux.
const MAX_LINKS: usize = 40;

/// Refuses a path in a folder that others can write, or that belongs to somebody else: they could put another in its place.
/// Looks at every folder on the way, also of each link that it leads through.
pub(crate) fn refuse_writable_parents(path: &Path) -> Result<(), HomeError> {
    let unreadable = |error| HomeError::unreadable(path, error);
    let named = std::path::absolute(path).map_err(unreadable)?;
    let mut left: Vec<OsString> = named
        .components()
        .rev()
        .map(|part| part.as_os_str().to_owned())
        .collect();
    let (mut here, mut links) = (PathBuf::new(), 0_usize);
    while let Some(part) = left.pop() {
        let next = here.join(&part);
        if next.parent().is_some() {
            match fs::metadata(&here) {
                Ok(metadata) => refuse(&here, Exposure::of_folder(&metadata))?,
                // Nothing lies there, which is for its reader to miss.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(HomeError::unreadable(&here, error)),
            }
        }
        match fs::read_link(&next) {
            Ok(target) => {
                links = links.saturating_add(1);
                if links > MAX_LINKS {
                    return Err(unreadable(io::Error::other("it leads through too many links")));
                }
                left.extend(target.components().rev().map(|part| part.as_os_str().to_owned()));
            }
            // No link, or nothing at all, which is for its reader to miss.
            Err(_) if part == ".." => {
                here.pop();
            }
            Err(_) => here = next,
        }
    }
    Ok(())
}

/// Refuses a secret that others can read.
pub(crate) fn refuse_readable(path: &Path) -> Result<(), HomeError> {
    let metadata = fs::metadata(path).map_err(|error| HomeError::unreadable(path, error))?;
    refuse(path, Exposure::of_secret(&metadata))
}

fn refuse(path: &Path, exposure: Option<Exposure>) -> Result<(), HomeError> {
    exposure.map_or(Ok(()), |exposure| {
        Err(HomeError::Exposed {
            path: path.to_owned(),
            exposure,
        })
    })
}
