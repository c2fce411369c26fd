//! The file of a signed head: signed, kept as what was signed last, written, and read back.

use std::path::Path;

use actionpass_core::sign_head;
use actionpass_custody::OpenKey;
use actionpass_model::Timestamp;
use actionpass_store::ledger::TreeHead;
use actionpass_store::{StoreCode, StoreError};
use actionpass_verify::{SignedHead, Trust};
use pollster::block_on;

use super::ArchiveError;
use super::files::{file_error, is_there, read_head, write_new};
use crate::documents::HEAD_FILE;
use crate::{HeadSigningError, HomeError, OpenHome};

/// Where a signed head goes, and what it is verified by.
#[derive(Clone, Copy)]
pub(super) struct HeadFile<'a> {
    pub(super) path: &'a Path,
    pub(super) head: &'a TreeHead,
    pub(super) trust: &'a Trust,
    pub(super) now: Timestamp,
}

/// What was written isn't what was to be written, if it can't be believed.
pub(super) fn read_back<T>(path: &Path, checked: Result<T, ArchiveError>) -> Result<T, ArchiveError> {
    checked.map_err(|source| ArchiveError::Differs {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

impl HeadFile<'_> {
    fn read(&self) -> Result<Vec<u8>, ArchiveError> {
        read_back(self.path, read_head(self.path, self.head, self.trust, self.now))
    }

    fn sign(&self, key: &OpenKey) -> Result<Vec<u8>, HeadSigningError> {
        let signed = block_on(sign_head(&*key.signer, self.head))?.to_string().into_bytes();
        let verified = SignedHead::verify(&signed, self.trust, self.now.to_unix_seconds());
        let _ = verified.map_err(HeadSigningError::Unverified)?;
        Ok(signed)
    }
}

impl OpenHome {
    /// What the file holds, if it is there: a signed head of this record, which an earlier call left. Otherwise the head is signed and
    /// written to it.
    ///
    /// `newest` is there if it is the newest that the log signs, with the one so far: it takes the place of that.
    pub(super) fn hand_out(
        &self,
        file: &HeadFile<'_>,
        key: &OpenKey,
        newest: Option<Option<&[u8]>>,
    ) -> Result<Vec<u8>, ArchiveError> {
        let (signed, is_new) = match is_there(file.path)? {
            true => (file.read()?, false),
            false => (file.sign(key)?, true),
        };
        // A log that signed this head signs no other in its place, and nobody gets it before that is so.
        if let Some(former) = newest
            && !self.keep_head(former, &signed)?
        {
            let late = StoreError::with_source(StoreCode::StoreBusy, "another head was signed meanwhile");
            return Err(HomeError::store(&self.documents.place(HEAD_FILE.name), late).into());
        }
        if is_new {
            write_new(file.path, |out| {
                out.write_all(&signed).map_err(|error| file_error(file.path, error))
            })?;
        }
        file.read()
    }
}
