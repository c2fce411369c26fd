//! The signed head that a home's store begins at, signed anew once the key that had signed it is revoked.
//!
//! That key was in other hands, so neither the head nor the store that has it is believed: something else has to vouch for where the log
//! began, before a key in force signs the same head (`docs/decisions/0017-beginnings-signed-anew.md`).

use std::fmt;
use std::path::{Path, PathBuf};

use actionpass_core::{AdminError, Administrator};
use actionpass_crypto::Keyring;
use actionpass_crypto::tlog::{Checkpoint, CheckpointCode, TlogProof};
use actionpass_custody::OpenKey;
use actionpass_model::{
    ArchiveBody, BeginningBody, BeginningSchema, BeginningVoucher, Code, KeyId, Principal, Statement, Timestamp, codes,
};
use actionpass_store::ledger::{ChainVerifier, KnownHead, LedgerError, LedgerVerifier, Log, RecordRef, TreeHead};
use actionpass_store::{Beginning, Resign, StoreCode, StoreError, StoredRecord};
use actionpass_verify::{SignedHead, SignedHeadError, Trust};
use pollster::block_on;

use super::files::{make_durable, remove_drafts};
use super::head_file::{HeadFile, read_back};
use super::vouching::verify_archives;
use super::{ArchiveError, verified_beginning};
use crate::{HeadSigningError, HomeError, OpenHome, home};

codes! {
    /// Why no head was signed anew, where no layer below says so.
    pub enum ResignCode: LedgerBroken {
        /// The store begins with its first record, or at a signed head that is believed.
        NothingToResign = "ledger_nothing_to_resign" => Usage,
        /// What is to vouch for where the store begins shows another beginning, or none.
        Unvouched = "ledger_beginning_unvouched",
    }
}

/// No head was signed anew; or it was, and the store begins at the former one still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResignError {
    /// The store begins at no head.
    #[error("the store begins with the first record of its log, and not at a signed head")]
    FirstRecord,
    /// The head holds.
    #[error("the store begins at a signed head that holds, that of record {0}")]
    Holds(u64),
    /// Nothing vouches for where the store begins.
    #[error("{0}")]
    Unvouched(Unvouched),
    /// The records of an archive aren't those that follow.
    #[error("{}", .path.display())]
    Archive {
        /// Which.
        path: PathBuf,
        /// Why.
        source: LedgerError,
    },
    /// The signed head that is to vouch for it doesn't verify.
    #[error("the signed head that is to vouch for where the store begins")]
    Voucher(#[source] SignedHeadError),
    /// No head was signed.
    #[error(transparent)]
    Head(#[from] HeadSigningError),
    /// A file, the head that the store begins at, or the records that the store has.
    #[error(transparent)]
    Beginning(#[from] ArchiveError),
    /// The home or its store.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl ResignError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::FirstRecord | Self::Holds(_) => ResignCode::NothingToResign.into(),
            Self::Unvouched(_) => ResignCode::Unvouched.into(),
            Self::Archive { source, .. } => source.code().into(),
            Self::Voucher(error) => error.code(),
            Self::Head(error) => error.code(),
            Self::Beginning(error) => error.code(),
            Self::Home(error) => error.code(),
        }
    }
}

actionpass_model::coded_error!(ResignError);

impl From<LedgerError> for ResignError {
    fn from(error: LedgerError) -> Self {
        Self::Beginning(error.into())
    }
}

impl From<AdminError> for ResignError {
    fn from(error: AdminError) -> Self {
        Self::Beginning(error.into())
    }
}

/// Why nothing vouches for where a store begins.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unvouched {
    /// The archives hold another log up to there, or end elsewhere.
    Archives {
        /// Their last record.
        last: Option<KnownHead>,
        /// The record behind which the store begins.
        begins: KnownHead,
    },
    /// The archives end there, and their records have another Merkle root.
    Root(KnownHead),
    /// The signed head is one in front of it.
    Before {
        /// The signed head.
        head: KnownHead,
        /// The record behind which the store begins.
        begins: KnownHead,
    },
    /// The signed head is another one of the same size.
    Other {
        /// The signed head.
        head: KnownHead,
        /// The record behind which the store begins.
        begins: KnownHead,
    },
    /// The last record that says that records were archived names another beginning.
    Record(u64),
    /// No record says so.
    NoRecord,
}

impl fmt::Display for Unvouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archives { last: None, begins } => {
                write!(f, "the archives have no records, and the store begins behind {begins}")
            }
            Self::Archives {
                last: Some(last),
                begins,
            } => write!(f, "the archives end with {last}, and the store begins behind {begins}"),
            Self::Root(begins) => write!(
                f,
                "the archives have another Merkle root at {begins} than the head that the store begins at"
            ),
            Self::Before { head, begins } => write!(
                f,
                "the signed head is that of {head}, in front of {begins}, behind which the store begins"
            ),
            Self::Other { head, begins } => write!(
                f,
                "the signed head is that of {head} with its root, and the store begins at another, {begins}"
            ),
            Self::Record(seq) => write!(
                f,
                "record {seq}, the last that says that records were archived, names another beginning"
            ),
            Self::NoRecord => f.write_str("no record of the store says that records were archived"),
        }
    }
}

/// What vouches for where a store begins.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "whoever signs anew chooses one")]
pub enum Voucher {
    /// The exports of all archives of the log, from its first record on, in any order.
    Archives(Vec<PathBuf>),
    /// A signed head of where it begins, or of a later record.
    Head(Vec<u8>),
}

/// Who has it signed anew, why, by what, and where to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "who has it signed says all of it")]
pub struct Resigning {
    /// Who.
    pub signed_by: Principal,
    /// Why.
    pub reason: Statement,
    /// What vouches for it.
    pub voucher: Voucher,
    /// The file that the signed head goes to.
    pub out: PathBuf,
}

/// What was signed anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resigned {
    /// Where the store begins.
    pub head: TreeHead,
    /// The key that signed it.
    pub kid: KeyId,
    /// The record of it.
    pub record: RecordRef,
}

impl OpenHome {
    /// Has the head that the store begins at signed anew, by a key in force, after something else than the store vouched for it; the
    /// records behind it are verified as well. What an earlier call left behind is taken up. Blocks this thread.
    ///
    /// # Errors
    /// [`ResignError`]. The store begins at the former signed head then.
    pub fn resign(
        &self,
        administrator: &Administrator,
        key: &OpenKey,
        resigning: &Resigning,
        now: Timestamp,
    ) -> Result<Resigned, ResignError> {
        let beginning = block_on(self.store.beginning()).map_err(|error| self.about(error))?;
        let beginning = beginning.ok_or(ResignError::FirstRecord)?;
        let log = home::log(&self.config)?;
        let claimed = claimed(&beginning, &log, &self.trust_now()?, now)?;
        let (kept, former) = self.kept_head()?;
        self.vouch(&resigning.voucher, &claimed, former.as_ref(), now)?;
        // Read late: it knows every revocation of before.
        let trust = self.trust_now()?;
        self.check_ledger_key(key, &trust, &claimed)?;
        if let Voucher::Head(bytes) = &resigning.voucher {
            let verified = SignedHead::verify(bytes, &trust, now.to_unix_seconds());
            let _ = verified.map_err(ResignError::Voucher)?;
        }
        let kid = key.signer.public_key().kid().clone();
        let body = BeginningBody {
            schema: BeginningSchema,
            size: claimed.size(),
            last_hash: claimed.head().hash(),
            root: claimed.root(),
            kid: kid.clone(),
            vouched_by: match resigning.voucher {
                Voucher::Archives(_) => BeginningVoucher::Archives,
                Voucher::Head(_) => BeginningVoucher::SignedHead,
            },
            signed_by: resigning.signed_by.clone(),
            reason: resigning.reason.clone(),
        };
        let folder = resigning.out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        remove_drafts(folder)?;
        let file = HeadFile {
            path: &resigning.out,
            head: &claimed,
            trust: &trust,
            now,
        };
        // One of the same record that is kept is replaced too: the revoked key may have signed it.
        let is_newest = former.is_none_or(|former| former.size() <= claimed.size());
        let signed = self.hand_out(&file, key, is_newest.then_some(kept.as_deref()))?;
        // The record names the key.
        read_back(&resigning.out, is_by(&signed, key, &claimed))?;
        make_durable(folder, &[&resigning.out])?;
        let call = Resign {
            head: claimed.head(),
            former: beginning.signed,
            signed,
            record: administrator.draft(&body)?,
        };
        let record = block_on(self.store.resign(call)).map_err(|error| self.about(error))?;
        let record = record.ok_or_else(|| {
            let late = "the store begins elsewhere by now, or another head was signed meanwhile";
            self.about(StoreError::with_source(StoreCode::StoreBusy, late))
        })?;
        Ok(Resigned {
            head: claimed,
            kid,
            record: record.to_ref(),
        })
    }

    /// Verifies that the store begins at this head by something else than the store, and the records that the store has, with its
    /// tables, through the head that was signed last.
    fn vouch(
        &self,
        voucher: &Voucher,
        claimed: &TreeHead,
        former: Option<&TreeHead>,
        now: Timestamp,
    ) -> Result<(), ResignError> {
        let chain = match voucher {
            Voucher::Archives(_) => ChainVerifier::new().with_tree().with_log(claimed.log().clone()),
            Voucher::Head(_) => ChainVerifier::behind_tree(claimed),
        };
        let mut whole = chain.clone();
        // Archives are held against one of theirs; without them, what is in front of the beginning isn't read.
        let is_theirs = |former: &&TreeHead| former.size() <= claimed.size();
        let bound = match voucher {
            Voucher::Archives(_) => former.filter(|former| !is_theirs(former)),
            Voucher::Head(_) => self.kept_behind(former, claimed.size())?,
        };
        if let Some(former) = bound {
            whole = whole.with_tree_head(former);
        }
        if let Voucher::Head(bytes) = voucher {
            whole = whole.with_tree_head(&self.vouching_head(bytes, claimed, now)?);
        }
        // Read before the records, of which there may be more by then.
        let state = block_on(self.store.state()).map_err(|error| self.about(error))?;
        if let Some(known) = state.head.known() {
            whole = whole.with_known_head(known);
        }
        let mut whole = LedgerVerifier::new(whole);
        if let Voucher::Archives(paths) = voucher {
            verify_archives(paths, chain, &mut whole, claimed, former.filter(is_theirs))?;
        }
        let mut archived = None;
        self.each(claimed.size(), u64::MAX, |json| {
            let seq = whole.push(json)?.seq;
            archived = archive_body(seq, json).map(|body| (seq, body)).or(archived.take());
            Ok(())
        })?;
        let _ = whole.finish()?;
        self.store.check_rows().map_err(|error| self.about(error))?;
        match archived {
            None => Err(ResignError::Unvouched(Unvouched::NoRecord)),
            Some((seq, body)) if !names(&body, claimed) => Err(ResignError::Unvouched(Unvouched::Record(seq))),
            Some(_) => Ok(()),
        }
    }

    /// The signed head that is to vouch for this one: of the same record, or of a later one, to whose root the records lead.
    fn vouching_head(&self, bytes: &[u8], claimed: &TreeHead, now: Timestamp) -> Result<TreeHead, ResignError> {
        let signed = SignedHead::verify(bytes, &self.trust_now()?, now.to_unix_seconds());
        let signed = signed.map_err(ResignError::Voucher)?;
        let (head, begins) = (signed.head().known(), claimed.known());
        if signed.head().size() < claimed.size() {
            return Err(ResignError::Unvouched(Unvouched::Before { head, begins }));
        }
        if signed.head().size() == claimed.size() && signed.head() != claimed {
            return Err(ResignError::Unvouched(Unvouched::Other { head, begins }));
        }
        Ok(signed.head().clone())
    }
}

/// Whether a signed head that is refused with this code is refused for its key alone: one in force can sign it anew.
#[must_use]
pub fn is_of_its_key(code: &str) -> bool {
    [CheckpointCode::KeyRevoked, CheckpointCode::KeyUnknown]
        .map(CheckpointCode::as_str)
        .contains(&code)
}

/// What the signed head says that the store begins at, whose key is believed no more; nothing has vouched for it yet.
fn claimed(beginning: &Beginning, log: &Log, trust: &Trust, now: Timestamp) -> Result<TreeHead, ResignError> {
    let refused = match verified_beginning(beginning, log, trust, now) {
        Ok(head) => return Err(ResignError::Holds(head.seq())),
        Err(refused) => refused,
    };
    // Anything else than the key stands against the head itself.
    let code = refused.code();
    if !is_of_its_key(code.as_str()) {
        return Err(refused.into());
    }
    let head = SignedHead::read_own(&beginning.signed).map_err(ArchiveError::from)?;
    if head.head() != beginning.head || head.log() != log {
        return Err(ArchiveError::BeginningMismatch.into());
    }
    Ok(head)
}

/// That this key signed it: a file that an earlier call left may be that of a key before it.
fn is_by(signed: &[u8], key: &OpenKey, head: &TreeHead) -> Result<(), ArchiveError> {
    let key = key.signer.public_key();
    let alone = Keyring::from_keys([key.ledger_key_of(head.origin())]);
    let alone = alone.map_err(|_| HeadSigningError::KeyNotTrusted(key.kid().clone()))?;
    let proof = TlogProof::parse(signed).map_err(SignedHeadError::from)?;
    let _ = Checkpoint::verify(proof.note(), &alone).map_err(SignedHeadError::from)?;
    Ok(())
}

/// What a record of an archive says.
fn archive_body(seq: u64, json: &[u8]) -> Option<ArchiveBody> {
    StoredRecord::new(seq, json.to_vec()).to_body()
}

fn names(body: &ArchiveBody, head: &TreeHead) -> bool {
    (body.size, body.last_hash, body.root) == (head.size(), head.head().hash(), head.root())
}
