//! The files of an archive.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use actionpass_model::Timestamp;
use actionpass_store::MAX_SIGNED_HEAD;
use actionpass_store::ledger::{ChainVerifier, LedgerVerifier, TreeHead, verify_jsonl};
use actionpass_verify::{SignedHead, Trust};

use super::ArchiveError;

/// What the names of drafts begin with.
const DRAFT: &str = ".actionpass-archive-";

pub(super) fn file_error(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::File {
        path: path.to_owned(),
        source,
    }
}

/// Whether the file is there. What is no file is refused before it is opened: a pipe may never end.
pub(super) fn is_there(path: &Path) -> Result<bool, ArchiveError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(true),
        Ok(_) => Err(file_error(path, io::Error::other("not a file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error(path, error)),
    }
}

/// Writes a new file of its owner alone, whole and durable or not at all.
pub(super) fn write_new(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let failed = |error| file_error(path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    // Its mode is 0600 from the start.
    let draft = tempfile::Builder::new()
        .prefix(DRAFT)
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 18, draft.as_file());
    write(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    draft.as_file().sync_all().map_err(failed)?;
    let _ = draft.persist_noclobber(path).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what a process that was killed while it wrote an archive left behind. One that still writes finds its draft gone, and is
/// refused.
pub(super) fn remove_drafts(folder: &Path) -> Result<(), ArchiveError> {
    let failed = |error| file_error(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) && entry.file_type().map_err(failed)?.is_file() {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(&entry.path(), error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Has the files, and that they are in the folder, outlast the loss of power.
pub(super) fn make_durable(folder: &Path, files: &[&Path]) -> Result<(), ArchiveError> {
    for path in files {
        // Windows writes through a file only for whoever may write to it.
        let opened = File::options().read(true).write(cfg!(windows)).open(path);
        opened
            .and_then(|file| file.sync_all())
            .map_err(|error| file_error(path, error))?;
    }
    sync_folder(folder).map_err(|error| file_error(folder, error))
}

/// The signed head of a file, which must be this one.
pub(super) fn read_head(path: &Path, head: &TreeHead, trust: &Trust, now: Timestamp) -> Result<Vec<u8>, ArchiveError> {
    let failed = |error| file_error(path, error);
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_SIGNED_HEAD as u64 {
        return Err(failed(io::Error::other("larger than a signed head is")));
    }
    let signed = fs::read(path).map_err(failed)?;
    match SignedHead::verify(&signed, trust, now.to_unix_seconds())?.head() == head {
        true => Ok(signed),
        false => Err(ArchiveError::BeginningMismatch),
    }
}

/// That a file holds the records up to this head, behind where the chain begins.
pub(super) fn verify_file(path: &Path, chain: ChainVerifier, head: &TreeHead) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(|error| file_error(path, error))?;
    let verifier = LedgerVerifier::new(chain.with_tree_head(head));
    let verified = verify_jsonl(BufReader::with_capacity(1 << 18, file), verifier)?;
    match verified.head == head.head() {
        true => Ok(()),
        false => Err(ArchiveError::BeginningMismatch),
    }
}
