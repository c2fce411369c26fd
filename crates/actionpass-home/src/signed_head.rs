//! The signed head of a home's ledger: signed forward only, from what was verified from the first record on.

use std::path::PathBuf;

use actionpass_core::sign_head;
use actionpass_crypto::SignError;
use actionpass_custody::{CustodianError, OpenKey, Secrets};
use actionpass_model::{Code, KeyStatus, KeyUse, Timestamp, UnixSeconds, codes};
use actionpass_store::ledger::{LedgerError, LedgerVerifier, TreeHead};
use actionpass_store::{Ledger, StoreCode, StoreError};
use actionpass_verify::{SignedHead, SignedHeadError, Trust};
use pollster::block_on;

use crate::documents::HEAD_FILE;
use crate::{ArchiveError, Config, Home, HomeError, OpenHome};

/// How many records are read at once.
const PAGE: usize = 512;

/// How often a head is signed anew because another process signed one meanwhile.
const MAX_ROUNDS: usize = 8;

codes! {
    /// Why no head of a ledger was signed, where no layer below says so.
    pub enum HeadCode: Usage {
        /// `config.toml` names no key for heads of the ledger.
        KeyMissing = "ledger_key_missing",
        /// The key for heads is none of use `ledger` of this log in the trust store, or it is retired or revoked.
        KeyNotTrusted = "ledger_key_not_trusted" => InputRefused,
        /// The ledger has no records, so it has no head.
        NothingToSign = "ledger_nothing_to_sign",
        /// The head that was signed last, which the home keeps, is none.
        KeptHeadInvalid = "ledger_kept_head_invalid" => LedgerBroken,
    }
}

/// No head was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadSigningError {
    /// No key is configured.
    #[error("`[ledger] key` in config.toml names no key that signs heads of the ledger")]
    KeyMissing,
    /// The key can't be opened.
    #[error(transparent)]
    Custodian(#[from] CustodianError),
    /// The key isn't trusted with it.
    #[error("the key `{0}` is no active key of use `ledger` of this log in the trust store")]
    KeyNotTrusted(actionpass_model::KeyId),
    /// There are no records.
    #[error("the ledger has no records")]
    NothingToSign,
    /// The head that the home keeps can't be believed.
    #[error("`{}` is not the head that was signed last", .place.display())]
    KeptHeadInvalid {
        /// Its file, or its place in the database.
        place: PathBuf,
        /// Why.
        source: SignedHeadError,
    },
    /// The ledger isn't whole, or doesn't go on from the head that was signed last.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The custodian didn't sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// What was signed doesn't verify with the trust store.
    #[error("the signed head doesn't verify")]
    Unverified(#[source] SignedHeadError),
    /// The store begins at a head that doesn't verify.
    #[error(transparent)]
    Beginning(#[from] Box<ArchiveError>),
    /// The home or its store.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl HeadSigningError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::KeyMissing => HeadCode::KeyMissing.into(),
            Self::Custodian(error) => error.code(),
            Self::KeyNotTrusted(_) => HeadCode::KeyNotTrusted.into(),
            Self::NothingToSign => HeadCode::NothingToSign.into(),
            Self::KeptHeadInvalid { .. } => HeadCode::KeptHeadInvalid.into(),
            Self::Ledger(error) => error.code().into(),
            Self::Sign(error) => error.code().into(),
            Self::Unverified(error) => error.code(),
            Self::Beginning(error) => error.code(),
            Self::Home(error) => error.code(),
        }
    }
}

actionpass_model::coded_error!(HeadSigningError);

impl Home {
    /// Opens the key that heads of the ledger are signed with.
    ///
    /// # Errors
    /// [`HeadSigningError::KeyMissing`], [`HeadSigningError::Custodian`].
    pub fn open_ledger_key(&self, config: &Config, secrets: &dyn Secrets) -> Result<OpenKey, HeadSigningError> {
        let key = config.ledger_key().ok_or(HeadSigningError::KeyMissing)?;
        Ok(self.custodians().open(key, secrets)?)
    }
}

impl OpenHome {
    /// Verifies the ledger from its first record on, through the head that was signed last, signs where it ends now, and keeps that in the
    /// place of the former. What is handed out was kept before. Blocks this thread.
    ///
    /// A log never signs two heads of which one doesn't continue the other: of two at once, one begins anew.
    ///
    /// # Errors
    /// [`HeadSigningError`]: then nothing was signed, or nobody got it.
    pub fn sign_head(&self, key: &OpenKey, now: UnixSeconds) -> Result<SignedHead, HeadSigningError> {
        for _ in 0..MAX_ROUNDS {
            let (kept, former) = self.kept_head()?;
            let head = self.verified_head(former.as_ref(), now.to_timestamp())?;
            // Read late: it knows every revocation of before.
            let trust = self.trust_now()?;
            self.check_ledger_key(key, &trust, &head)?;
            let signed = block_on(sign_head(&*key.signer, &head))?.to_string().into_bytes();
            let verified = SignedHead::verify(&signed, &trust, now).map_err(HeadSigningError::Unverified)?;
            if self.keep_head(kept.as_deref(), &signed)? {
                return Ok(verified);
            }
        }
        let late = StoreError::with_source(StoreCode::StoreBusy, "other heads were signed for too long");
        Err(HomeError::store(&self.documents.place(HEAD_FILE.name), late).into())
    }

    /// The head that was signed last, as the home keeps it; `None` if none was. Nothing of it is verified. Blocks this thread.
    ///
    /// # Errors
    /// [`HomeError`] if its file, or its row of the database, can't be read.
    pub fn last_signed(&self) -> Result<Option<Vec<u8>>, HomeError> {
        self.documents.read(HEAD_FILE)
    }

    /// The same, and what it says.
    pub(crate) fn kept_head(&self) -> Result<(Option<Vec<u8>>, Option<TreeHead>), HeadSigningError> {
        let kept = self.last_signed()?;
        let former = kept.as_deref().map(|bytes| self.former(bytes)).transpose()?;
        Ok((kept, former))
    }

    /// Keeps a signed head in the place of the one that was signed last; `false` if that isn't this one any more.
    pub(crate) fn keep_head(&self, former: Option<&[u8]>, signed: &[u8]) -> Result<bool, HomeError> {
        self.documents.change(HEAD_FILE, |there| {
            let is_former = there.as_deref() == former;
            Ok((is_former, is_former.then(|| signed.to_vec())))
        })
    }

    /// The head that was signed last. Who signed it doesn't matter here, and may be revoked by now: what it says of the log has
    /// to be so.
    fn former(&self, bytes: &[u8]) -> Result<TreeHead, HeadSigningError> {
        SignedHead::read_own(bytes).map_err(|source| HeadSigningError::KeptHeadInvalid {
            place: self.documents.place(HEAD_FILE.name),
            source,
        })
    }

    /// Where the ledger ends, verified as `ledger verify` does, with its tables, and through a former head.
    fn verified_head(&self, former: Option<&TreeHead>, now: Timestamp) -> Result<TreeHead, HeadSigningError> {
        let about = |error| HomeError::store(&self.home.place_of_store(&self.config), error);
        let mut chain = self.chain(&self.trust_now()?, now).map_err(Box::new)?;
        let first = chain.head().size();
        if let Some(former) = self.kept_behind(former, first).map_err(Box::new)? {
            chain = chain.with_tree_head(former);
        }
        // Read before the records, of which there may be more by then.
        let state = block_on(self.store.state()).map_err(about)?;
        if let Some(known) = state.head.known() {
            chain = chain.with_known_head(known);
        }
        let mut verifier = LedgerVerifier::new(chain);
        loop {
            let records = block_on(self.store.read(verifier.head().size(), PAGE)).map_err(about)?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                verifier.push(&record.json)?;
            }
        }
        let verified = verifier.finish()?;
        self.store.check_rows().map_err(about)?;
        verified.tree.ok_or(HeadSigningError::NothingToSign)
    }

    /// The trust store that is kept with this store, as it is now. Where a home is on its way into another store, that of
    /// [`Home::trust`] is another one, or isn't there yet.
    ///
    /// # Errors
    /// [`HeadSigningError::Home`].
    pub fn trust_now(&self) -> Result<Trust, HeadSigningError> {
        let place = self.home.place_of_store(&self.config);
        let snapshot = block_on(self.trust.read()).map_err(|error| HomeError::trust(&place, error))?;
        Ok(Trust::from_snapshot(&snapshot).map_err(|error| HomeError::trust(&place, error))?)
    }

    /// Before a custodian is asked.
    pub(crate) fn check_ledger_key(
        &self,
        key: &OpenKey,
        trust: &Trust,
        head: &TreeHead,
    ) -> Result<(), HeadSigningError> {
        let kid = key.signer.public_key().kid();
        let is_trusted = trust.keyring().get(kid).is_some_and(|entry| {
            let trust = entry.trust();
            trust.key_use == KeyUse::Ledger
                && trust.origin.as_ref() == Some(head.origin())
                && trust.status == KeyStatus::Active
                && !entry.is_revoked()
        });
        if is_trusted {
            Ok(())
        } else {
            Err(HeadSigningError::KeyNotTrusted(kid.clone()))
        }
    }
}
