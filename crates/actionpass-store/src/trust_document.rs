//! [`TrustDocument`]: the trust store of an issuer, wherever it is kept.

use std::fmt::Debug;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};

use actionpass_model::{Timestamp, TrustEvidence, TrustStore};

use crate::TrustRange;
use crate::offload::offload;
use crate::trust_file::{AnyError, TrustFile, TrustFileCode, TrustFileError, TrustSnapshot};

/// What a trust document's methods give.
pub type TrustFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, TrustFileError>> + Send + 'a>>;

/// A change of a trust store: a function of the document, which a store may call more than once, each time with the
/// document as it then is. What it refuses is not written.
pub type TrustChange<'a> = Box<dyn FnMut(&mut TrustStore) -> Result<(), AnyError> + Send + 'a>;

/// The trust store of an issuer, in a file or a database: read whole, and changed in one step.
///
/// # Contract
/// - **Atomicity.** A change is made as a whole or not at all, also when the process or the machine dies halfway.
///   Readers see the document of before or the one of after.
/// - **Durability.** When the future of `change` gives `Ok`, the change survives the loss of power.
/// - **Order.** Changes are made one after the other, by whatever processes: each sees the document that the one before
///   left, and raises `version` by one, or to one more than a higher one that it wrote there, and sets `updatedAt`. The version never goes back; whoever finds that it did says
///   [`TrustFileCode::TrustRolledBack`].
/// - **What may not change.** No revoked key comes back, and no revocation is dropped that must stay
///   ([`TrustSnapshot::changed`] sees to it).
/// - **Errors.** The document is as it was, except after [`TrustFileCode::TrustUnwritable`]: read it to find out.
/// - **Cancellation.** Dropping the future of a change may leave it made or not made, never half made.
/// - **Runtime.** Futures may be polled on any executor and must not block it.
pub trait TrustDocument: Debug + Send + Sync {
    /// The document as it is now.
    fn read(&self) -> TrustFuture<'_, TrustSnapshot>;

    /// Changes the document.
    ///
    /// This crate knows no cryptography: whoever adds keys checks them in `change`, for instance with `Keyring::from_trust`
    /// of `actionpass-crypto`. What `change` refuses with is the source of a [`TrustFileCode::TrustChangeRefused`].
    fn change<'a>(&'a self, now: Timestamp, change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged>;
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrustChanged {
    /// Which document it was made of: the version before is [`TrustEvidence::version`].
    pub before: TrustEvidence,
    /// The document that it left.
    pub after: TrustSnapshot,
}

impl TrustChanged {
    /// The change from one document to another.
    #[must_use]
    pub const fn new(before: TrustEvidence, after: TrustSnapshot) -> Self {
        Self { before, after }
    }

    /// The versions that it led from and to: what a ledger that records it [is told](crate::Batch::with_reconciled).
    #[must_use]
    pub const fn range(&self) -> TrustRange {
        TrustRange {
            after: self.before.version,
            to: self.after.document.version,
        }
    }
}

/// Reading, locking, checking and writing happen beside the executor's thread; the change itself runs on it.
impl TrustDocument for TrustFile {
    fn read(&self) -> TrustFuture<'_, TrustSnapshot> {
        let file = self.clone();
        Box::pin(async move { beside(move || file.read()).await })
    }

    fn change<'a>(&'a self, now: Timestamp, mut change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged> {
        Box::pin(async move {
            let file = self.clone();
            let locked = beside(move || file.lock()).await?;
            let after = locked.snapshot().edited(&mut *change)?;
            beside(move || {
                let before = locked.snapshot().evidence();
                let after = locked.snapshot().succeeded_by(after, now)?;
                Ok(TrustChanged::new(before, locked.replace(after)?))
            })
            .await
        })
    }
}

/// Runs what blocks on a thread of its own.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrustFileError> + Send + 'static,
) -> Result<T, TrustFileError> {
    let unfinished = |error| TrustFileError::new(TrustFileCode::TrustUnwritable).with_source(error);
    offload(work).await.map_err(unfinished)?
}

/// A trust store in the memory of one process, for tests and for issuers without a file. Clones share it.
///
/// ```
/// use actionpass_model::{Timestamp, TrustStore};
/// use actionpass_store::MemoryTrust;
///
/// let now = Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap();
/// let trust = MemoryTrust::new(&TrustStore::new(now))?;
/// # Ok::<(), actionpass_store::trust_file::TrustFileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTrust(Arc<Mutex<TrustSnapshot>>);

impl MemoryTrust {
    /// A trust store that begins as this document.
    ///
    /// # Errors
    /// [`TrustFileCode::TrustInvalid`] if the document contradicts itself.
    pub fn new(document: &TrustStore) -> Result<Self, TrustFileError> {
        Ok(Self(Arc::new(Mutex::new(TrustSnapshot::of(document)?))))
    }

    fn lock(&self) -> Result<MutexGuard<'_, TrustSnapshot>, TrustFileError> {
        let poisoned = |_| TrustFileError::new(TrustFileCode::TrustUnreadable).with_source("a change panicked");
        self.0.lock().map_err(poisoned)
    }

    fn change_now(&self, now: Timestamp, mut change: TrustChange<'_>) -> Result<TrustChanged, TrustFileError> {
        let mut snapshot = self.lock()?;
        let before = snapshot.evidence();
        *snapshot = snapshot.changed(now, &mut *change)?;
        Ok(TrustChanged::new(before, snapshot.clone()))
    }
}

impl TrustDocument for MemoryTrust {
    fn read(&self) -> TrustFuture<'_, TrustSnapshot> {
        Box::pin(ready(self.lock().map(|snapshot| snapshot.clone())))
    }

    fn change<'a>(&'a self, now: Timestamp, change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged> {
        Box::pin(async move { self.change_now(now, change) })
    }
}

impl<T: TrustDocument + ?Sized> TrustDocument for Arc<T> {
    fn read(&self) -> TrustFuture<'_, TrustSnapshot> {
        (**self).read()
    }

    fn change<'a>(&'a self, now: Timestamp, change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged> {
        (**self).change(now, change)
    }
}
