//! The beginning of a home's ledger: the signed head that its store begins at, and records taken out into an archive.
//!
//! An archive is two files: the export of the records, and the signed head at the last of them. They are written, read back and verified
//! before anything is taken out of the store.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use actionpass_core::{AdminError, Administrator};
use actionpass_custody::OpenKey;
use actionpass_model::{ArchiveBody, ArchiveSchema, ArchivedRows, Code, Principal, Statement, Timestamp, codes};
use actionpass_store::ledger::{ChainVerifier, LedgerError, LedgerVerifier, Log, RecordRef, TreeHead};
use actionpass_store::{Archive, ArchiveOutcome, Beginning, Needed, StoreCode, StoreError};
use actionpass_verify::{SignedHead, SignedHeadError, Trust};
use pollster::block_on;

use crate::documents::HEAD_FILE;
use crate::retention::{self, Scope};
use crate::{HeadSigningError, HomeError, OpenHome, home};

use files::{file_error, is_there, verify_file, write_new};
use head_file::{HeadFile, read_back};

mod files;
mod head_file;
mod resign;
mod vouching;

pub use resign::{ResignCode, ResignError, Resigned, Resigning, Unvouched, Voucher, is_of_its_key};

/// How many records are read at once.
const PAGE: usize = 512;

/// How many rows go in one transaction.
const SWEPT: usize = 5000;

codes! {
    /// Why nothing was archived, where no layer below says so.
    pub enum ArchiveCode: InputRefused {
        /// No record is there to be archived: none is that old, or those that are meant are in archives already.
        NothingToArchive = "ledger_nothing_to_archive" => Usage,
        /// A file of the archive is there already and is another, or can't be written or read back.
        FileRefused = "archive_file_refused",
        /// What was written of the archive isn't what was to be written.
        FileDiffers = "archive_file_differs" => LedgerBroken,
        /// The signed head that the store begins at is another than the one that it keeps.
        BeginningMismatch = "ledger_beginning_mismatch" => LedgerBroken,
    }
}

/// Nothing was archived; or it was, and the store still has rows of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// No record is there to be archived.
    #[error("no record is to be archived: the store has records from {first} on")]
    Nothing {
        /// The first record that is there.
        first: u64,
    },
    /// The ledger has no such record.
    #[error("the ledger has no record {0}")]
    Unknown(u64),
    /// Something still needs the records.
    #[error("{0}")]
    Needed(Needed),
    /// A file of the archive.
    #[error("{}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the archive that is there isn't what was written.
    #[error("{} is not what was to be written", .path.display())]
    Differs {
        /// Which.
        path: PathBuf,
        /// What it says instead.
        source: Box<ArchiveError>,
    },
    /// The signed head isn't where the store begins, or a file ends.
    #[error("the signed head is that of another record")]
    BeginningMismatch,
    /// The head that was signed last is in front of where the store begins: no archive leaves it so.
    #[error(
        "`{}` is of {kept} records, and the store begins behind {first}: whoever archived these didn't keep their head there",
        .place.display()
    )]
    KeptBehind {
        /// The file of the head that was signed last, or its place in the database.
        place: PathBuf,
        /// How many records it is of.
        kept: u64,
        /// How many records the store begins behind.
        first: u64,
    },
    /// The signed head that the store begins at, or that was written, doesn't verify.
    #[error(transparent)]
    Signed(#[from] SignedHeadError),
    /// The ledger, or what was written of it, isn't whole.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No head was signed.
    #[error(transparent)]
    Head(#[from] HeadSigningError),
    /// The record of it wasn't appended.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The home or its store.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl ArchiveError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Nothing { .. } | Self::Unknown(_) => ArchiveCode::NothingToArchive.into(),
            Self::Needed(_) => StoreCode::RecordsNeeded.into(),
            Self::File { .. } => ArchiveCode::FileRefused.into(),
            Self::Differs { .. } => ArchiveCode::FileDiffers.into(),
            Self::BeginningMismatch | Self::KeptBehind { .. } => ArchiveCode::BeginningMismatch.into(),
            Self::Signed(error) => error.code(),
            Self::Ledger(error) => error.code().into(),
            Self::Head(error) => error.code(),
            Self::Admin(error) => error.code(),
            Self::Home(error) => error.code(),
        }
    }
}

actionpass_model::coded_error!(ArchiveError);

/// Who archives, why, and where to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "who archives says all of it")]
pub struct Archiving {
    /// Who.
    pub archived_by: Principal,
    /// Why.
    pub reason: Statement,
    /// The folder that the files go to.
    pub folder: PathBuf,
    /// Whether the records stay in the store.
    pub is_kept: bool,
}

/// What was archived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Archived {
    /// The first record of the archive.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The export.
    pub records: PathBuf,
    /// The signed head.
    pub head: PathBuf,
    /// The record of it, if the records were taken out.
    pub record: Option<RecordRef>,
}

/// The signed head that a store begins at, verified.
///
/// # Errors
/// [`ArchiveError::Signed`]; [`ArchiveError::BeginningMismatch`] if it is of another log than this, or of another record.
pub fn verified_beginning(
    beginning: &Beginning,
    log: &Log,
    trust: &Trust,
    now: Timestamp,
) -> Result<TreeHead, ArchiveError> {
    let signed = SignedHead::verify(&beginning.signed, trust, now.to_unix_seconds())?;
    let head = signed.head();
    if head.head() != beginning.head || head.log() != log {
        return Err(ArchiveError::BeginningMismatch);
    }
    Ok(head.clone())
}

impl OpenHome {
    /// The signed head that the store begins at, verified: `None` if it begins with the first record of the log.
    ///
    /// # Errors
    /// [`ArchiveError::Signed`]; [`ArchiveError::BeginningMismatch`] if it is of another log or record; [`ArchiveError::Home`].
    pub fn beginning(&self, trust: &Trust, now: Timestamp) -> Result<Option<TreeHead>, ArchiveError> {
        let Some(beginning) = block_on(self.store.beginning()).map_err(|error| self.about(error))? else {
            return Ok(None);
        };
        let log = home::log(&self.config)?;
        Ok(Some(verified_beginning(&beginning, &log, trust, now)?))
    }

    /// What verifies the records that the store has, with the Merkle tree: it begins where the store does.
    ///
    /// # Errors
    /// Those of [`beginning`](Self::beginning).
    pub fn chain(&self, trust: &Trust, now: Timestamp) -> Result<ChainVerifier, ArchiveError> {
        let log = home::log(&self.config)?;
        Ok(match self.beginning(trust, now)? {
            Some(head) => ChainVerifier::behind_tree(&head),
            None => ChainVerifier::new().with_tree(),
        }
        .with_log(log))
    }

    /// How many records of the log may be archived of those that are older than this, by the clock and by the records; and what
    /// stands against archiving more of them.
    ///
    /// # Errors
    /// [`HomeError::Store`].
    pub async fn archivable(&self, scope: Scope, now: Timestamp) -> Result<(u64, Option<Needed>), HomeError> {
        let about = |error| self.about(error);
        let first = self.store.state().await.map_err(about)?.first.size();
        let until = retention::end_of(&*self.store, first, scope).await.map_err(about)?;
        let needed = self.store.needed(until, now).await.map_err(about)?;
        Ok((needed.map_or(until, |needed| needed.seq().min(until)), needed))
    }

    /// Writes the records in front of `size` to an archive, and takes them out of the store. What an earlier call left behind is
    /// taken up: files that are there are verified and used, and rows that were to go, go. Blocks this thread.
    ///
    /// # Errors
    /// [`ArchiveError`]. Nothing is taken out unless both files are there, durable and verified.
    pub fn archive(
        &self,
        administrator: &Administrator,
        key: &OpenKey,
        size: u64,
        archiving: &Archiving,
        now: Timestamp,
    ) -> Result<Archived, ArchiveError> {
        let trust = self.trust_now()?;
        let chain = self.chain(&trust, now)?;
        let first = chain.head().size();
        let Some(last) = size.checked_sub(1).filter(|last| *last >= first) else {
            return Err(ArchiveError::Nothing { first });
        };
        let (kept, former) = self.kept_head()?;
        let head = self.verified_until(chain.clone(), size, former.as_ref())?;
        self.check_ledger_key(key, &trust, &head)?;
        let rows = self.store.rows_before(size).map_err(|error| self.about(error))?;
        if let Some(needed) = block_on(self.store.needed(size, now)).map_err(|error| self.about(error))? {
            return Err(ArchiveError::Needed(needed));
        }
        files::remove_drafts(&archiving.folder)?;
        let records = archiving.folder.join(format!("{first}-{last}.jsonl"));
        let proof = archiving.folder.join(format!("{first}-{last}.tlog-proof"));
        if !is_there(&records)? {
            write_new(&records, |file| self.export(file, first, size))?;
        }
        let heads = HeadFile {
            path: &proof,
            head: &head,
            trust: &trust,
            now,
        };
        let is_newest = former.is_none_or(|former| former.size() < size);
        let signed = self.hand_out(&heads, key, is_newest.then_some(kept.as_deref()))?;
        read_back(&records, verify_file(&records, chain, &head))?;
        // Also those that were there: a process that wrote them may have ended before the folder was durable.
        files::make_durable(&archiving.folder, &[&records, &proof])?;
        let mut archived = Archived {
            first,
            last,
            records,
            head: proof,
            record: None,
        };
        if archiving.is_kept {
            return Ok(archived);
        }
        archived.record = Some(self.take_out(administrator, first, &head, signed, rows, archiving)?);
        Ok(archived)
    }

    /// Takes the rows that an archive left behind out of the store, and frees their space.
    ///
    /// # Errors
    /// [`ArchiveError::Home`].
    pub fn sweep(&self) -> Result<(), ArchiveError> {
        while block_on(self.store.sweep(SWEPT)).map_err(|error| self.about(error))? {}
        Ok(block_on(self.store.purge()).map_err(|error| self.about(error))?)
    }

    fn take_out(
        &self,
        administrator: &Administrator,
        first: u64,
        head: &TreeHead,
        signed: Vec<u8>,
        rows: ArchivedRows,
        archiving: &Archiving,
    ) -> Result<RecordRef, ArchiveError> {
        let body = ArchiveBody {
            schema: ArchiveSchema,
            size: head.size(),
            last_hash: head.head().hash(),
            root: head.root(),
            rows,
            archived_by: archiving.archived_by.clone(),
            reason: archiving.reason.clone(),
        };
        let call = Archive {
            head: head.head(),
            signed,
            record: administrator.draft(&body)?,
        };
        let archived = block_on(self.store.archive(call)).map_err(|error| {
            let now = block_on(self.store.state()).map(|state| state.first.size());
            match error.code() == StoreCode::StoreMisused && now.is_ok_and(|now| now > first) {
                true => StoreError::with_source(StoreCode::StoreBusy, "other records were archived meanwhile"),
                false => error,
            }
        });
        match archived.map_err(|error| self.about(error))? {
            ArchiveOutcome::Archived(record) => {
                self.sweep()?;
                Ok(record.to_ref())
            }
            ArchiveOutcome::Needed(needed) => Err(ArchiveError::Needed(needed)),
        }
    }

    /// The head of so many records. All records that are there are verified, through the head that was signed last, and what is known
    /// beside them.
    fn verified_until(
        &self,
        chain: ChainVerifier,
        size: u64,
        former: Option<&TreeHead>,
    ) -> Result<TreeHead, ArchiveError> {
        let state = block_on(self.store.state()).map_err(|error| self.about(error))?;
        if size > state.head.size() {
            return Err(ArchiveError::Unknown(size.saturating_sub(1)));
        }
        let first = chain.head().size();
        let mut until = chain.clone();
        let mut whole = chain;
        if let Some(known) = state.head.known() {
            whole = whole.with_known_head(known);
        }
        if let Some(former) = self.kept_behind(former, first)? {
            whole = whole.with_tree_head(former);
        }
        let mut whole = LedgerVerifier::new(whole);
        self.each(first, u64::MAX, |json| {
            if until.head().size() < size {
                let _ = until.push(json)?;
            }
            let _ = whole.push(json)?;
            Ok(())
        })?;
        let _ = whole.finish()?;
        self.store.check_rows().map_err(|error| self.about(error))?;
        let tree = until.finish()?.tree;
        tree.filter(|tree| tree.size() == size)
            .ok_or(ArchiveError::Unknown(size.saturating_sub(1)))
    }

    /// The head that was signed last, which is behind where the store begins, or there: an archive keeps its own before any record
    /// goes. A store that begins further on was put in the place of the one that was signed.
    pub(crate) fn kept_behind<'a>(
        &self,
        former: Option<&'a TreeHead>,
        first: u64,
    ) -> Result<Option<&'a TreeHead>, ArchiveError> {
        match former {
            Some(former) if former.size() < first => Err(ArchiveError::KeptBehind {
                place: self.documents.place(HEAD_FILE.name),
                kept: former.size(),
                first,
            }),
            former => Ok(former),
        }
    }

    fn export(&self, file: &mut dyn Write, first: u64, size: u64) -> Result<(), ArchiveError> {
        let failed = |error| file_error(Path::new("the archive"), error);
        self.each(first, size, |json| {
            file.write_all(json)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(failed)
        })
    }

    /// Hands on the records from one number on, in front of another.
    fn each(
        &self,
        first: u64,
        size: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut seq = first;
        loop {
            let records = block_on(self.store.read(seq, PAGE)).map_err(|error| self.about(error))?;
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                if record.seq >= size {
                    return Ok(());
                }
                take(&record.json)?;
                seq = record.seq.saturating_add(1);
            }
        }
    }

    fn about(&self, error: StoreError) -> HomeError {
        HomeError::store(&self.home.place_of_store(&self.config), error)
    }
}
