//! [`IssuerHome`]: a home with its ledger open, for the commands that change or read what the issuer keeps.

use std::path::Path;
use std::sync::Arc;

use actionpass_core::{System, reconcile};
use actionpass_crypto::Keyring;
use actionpass_model::{
    Code, KeyBody, KeyEvent, KeyEventSchema, KeyId, KeyUse, Principal, RecordId, Statement, Timestamp, TrustEvidence,
    TrustStore,
};
use actionpass_store::ledger::{Log, RecordBody, RecordDraft, RecordRef};
use actionpass_store::trust_file::{AnyError, ChangeError, TrustFile, TrustFileCode, TrustFileError, TrustSnapshot};
use actionpass_store::{Ledger, LedgerExt, ReplayStart, StoreCode, StoreError, newest_trust};
use actionpass_store_sqlite::SqliteStore;

use crate::cli::Context;
use crate::clock;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::home::{self, Home};
use pollster::block_on;

/// A home with configuration and ledger open.
#[derive(Debug)]
pub(crate) struct IssuerHome {
    /// The folder.
    pub(crate) home: Home,
    /// Its configuration.
    pub(crate) config: Config,
    /// Its trust store.
    pub(crate) trust: TrustFile,
    /// Its ledger, approvals and used passes.
    pub(crate) store: Arc<SqliteStore>,
}

impl IssuerHome {
    /// Opens the home and appends the records of revocations that a crash kept out of the ledger.
    pub(crate) fn open(context: &Context) -> Outcome<Self> {
        let issuer = Self::open_to_read(context)?;
        issuer.refuse_rollback()?;
        block_on(reconcile(&issuer.trust, &*issuer.store, clock::now()?, &System))?;
        Ok(issuer)
    }

    /// Opens the home to read it.
    pub(crate) fn open_to_read(context: &Context) -> Outcome<Self> {
        let home = context.home()?;
        let config = home.config()?;
        let trust = TrustFile::open(&home.file(home::TRUST)?);
        let store = Arc::new(open_store(&home.file(home::LEDGER)?, &log(&config)?)?);
        Ok(Self {
            home,
            config,
            trust,
            store,
        })
    }

    /// Refuses a trust store that is older than one that the ledger knows, or another one of the same version: with it
    /// what was revoked since would be accepted again.
    pub(crate) fn refuse_rollback(&self) -> Outcome<()> {
        // In this order: what is changed meanwhile is newer in the file, never in the ledger only.
        let known = block_on(self.store.state())?.trust;
        let found = self.trust.read()?.evidence();
        let Err(known) = newest_trust(known, found) else {
            return Ok(());
        };
        let problem = format!(
            "{} is version {}, and the ledger knows {} version {}",
            crate::input::name(self.trust.path()),
            found.version,
            if known.version == found.version {
                "another"
            } else {
                "the newer"
            },
            known.version
        );
        Err(Failure::new(TrustFileCode::TrustRolledBack, problem)
            .with_hint("put the newest trust.json back: an older one lacks what was revoked since"))
    }

    /// Appends a record.
    pub(crate) fn record<B: RecordBody>(&self, now: Timestamp, body: &B) -> Outcome<RecordRef> {
        let id = RecordId::from_uuid(clock::uuid(now)?);
        let draft = RecordDraft::new(id, now, body)?;
        Ok(block_on(self.store.append_one(draft))?.to_ref())
    }

    /// Appends the record of something that happened to a key.
    pub(crate) fn record_key(
        &self,
        now: Timestamp,
        event: KeyEvent,
        key: (&KeyId, KeyUse),
        why: (Option<KeyId>, Option<Statement>),
        trust: TrustEvidence,
    ) -> Outcome<RecordRef> {
        let (kid, key_use) = key;
        let (superseded_by, reason) = why;
        let body = KeyBody {
            schema: KeyEventSchema,
            event,
            kid: kid.clone(),
            key_use,
            superseded_by,
            reason,
            trust,
        };
        self.record(now, &body)
    }

    /// Changes the trust store; its keys are checked before it is written.
    pub(crate) fn change_trust<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut TrustStore) -> Result<T, ChangeError>,
    ) -> Outcome<(T, TrustSnapshot)> {
        let changed = self.trust.update(now, check_keys, |document| Ok(change(document)?))?;
        Ok(changed)
    }
}

/// Refuses a trust store with a key that isn't one: off its curve, or with an id that isn't its thumbprint.
pub(crate) fn check_keys(document: &TrustStore) -> Result<(), AnyError> {
    Keyring::from_trust(document)?;
    Ok(())
}

/// Whose log a home's ledger is.
pub(crate) fn log(config: &Config) -> Outcome<Log> {
    config.issuer_config().log().map_err(|error| Failure::internal(&error))
}

/// Opens a ledger that is there.
pub(crate) fn open_store(path: &Path, log: &Log) -> Outcome<SqliteStore> {
    let about = |error: StoreError| Failure::from(error).about(&crate::input::name(path));
    let store = SqliteStore::open(path).map_err(about)?;
    if store.log() == Some(log) {
        Ok(store)
    } else {
        Err(about(StoreError::new(StoreCode::StoreLogMismatch)))
    }
}

/// Makes a ledger.
pub(crate) fn create_store(path: &Path, log: &Log, now: Timestamp) -> Outcome<SqliteStore> {
    let start = ReplayStart::first(now.to_unix_seconds());
    SqliteStore::create(path, Some(log), start).map_err(|error| Failure::from(error).about(&crate::input::name(path)))
}

/// Who runs this command, as far as it says so: `--by`, else the name of the login.
pub(crate) fn principal(stated: Option<Principal>) -> Outcome<Principal> {
    if let Some(stated) = stated {
        return Ok(stated);
    }
    let login = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let by_login = login.and_then(|name| Principal::parse(&format!("user:{name}")).ok());
    by_login.map_or_else(unnamed, Ok)
}

#[cfg(unix)]
fn unnamed() -> Outcome<Principal> {
    Principal::parse(&format!("user:uid-{}", rustix::process::geteuid().as_raw()))
        .map_err(|error| Failure::internal(&error))
}

#[cfg(not(unix))]
fn unnamed() -> Outcome<Principal> {
    Principal::parse("user:unnamed").map_err(|error| Failure::internal(&error))
}

impl From<TrustFileError> for Failure {
    fn from(error: TrustFileError) -> Self {
        // What a closure of ours refused has a code that says more.
        let cause = std::error::Error::source(&error);
        let change = cause
            .and_then(|cause| cause.downcast_ref::<ChangeError>())
            .map(|cause| Code::from(cause.code()));
        let keys = || {
            let error = cause?.downcast_ref::<actionpass_crypto::KeyringError>()?;
            Some(error.code())
        };
        let document = || {
            let error = cause?.downcast_ref::<actionpass_model::DocumentError>()?;
            Some(Code::from(error.code()))
        };
        let code = change
            .or_else(keys)
            .or_else(document)
            .unwrap_or_else(|| error.code().into());
        Self::from_error(code, &error)
    }
}

impl From<actionpass_core::RevokeError> for Failure {
    fn from(error: actionpass_core::RevokeError) -> Self {
        match error {
            actionpass_core::RevokeError::Trust(error) => Self::from(error),
            error => Self::from_error(error.code(), &error),
        }
    }
}
