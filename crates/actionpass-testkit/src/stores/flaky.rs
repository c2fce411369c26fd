//! [`Flaky`]: a store one of whose calls fails.

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};

use actionpass_model::{
    ApprovalRef, ApprovalRequest, Issuer, PassId, RequestId, RevocationId, Statement, Timestamp, UnixSeconds,
};
use actionpass_store::ledger::{RecordDraft, SealedRecord};
use actionpass_store::{
    ActionKey, AppendOutcome, Batch, Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore,
    Issued, Known, Ledger, LedgerState, LookUp, Mark, QueueStore, ReplayStore, RequestFilter, SideKind, StoreCode,
    StoreError, StoreFuture, StoredRecord, StoredRequest,
};

/// A store that works, but for one call: the nth, counted from 1 over all methods.
///
/// ```
/// use actionpass_model::{Issuer, PassId, UnixSeconds};
/// use actionpass_store::{MemoryReplayStore, ReplayStart, ReplayStore, StoreCode};
/// use actionpass_testkit::stores::{Flaky, Moment};
/// use actionpass_testkit::{block_on, fixtures};
///
/// let store = MemoryReplayStore::new(ReplayStart::first(fixtures::now().to_unix_seconds()));
/// let store = Flaky::new(store, 2, Moment::Before);
/// let pass = PassId::parse("ap_01920000000070008000000000000001")?;
/// let outcomes = [1, 2, 3].map(|_| block_on(store.is_used(&fixtures::issuer(), &pass)).map_err(|error| error.code()));
/// assert_eq!(outcomes, [Ok(false), Err(StoreCode::StoreUnavailable), Ok(false)]);
/// # Ok::<(), actionpass_model::TextError>(())
/// ```
#[derive(Debug)]
pub struct Flaky<S> {
    inner: S,
    fails: usize,
    moment: Moment,
    calls: AtomicUsize,
}

/// When a call of a [`Flaky`] store fails.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Moment {
    /// Before the store did anything.
    Before,
    /// After the store did all of it: only the acknowledgement is lost.
    After,
}

impl<S> Flaky<S> {
    /// This store, whose `fails`th call fails.
    #[must_use]
    pub const fn new(inner: S, fails: usize, moment: Moment) -> Self {
        Self {
            inner,
            fails,
            moment,
            calls: AtomicUsize::new(0),
        }
    }

    /// The store that works.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn call<'a, T: Send + 'a>(&'a self, call: impl FnOnce(&'a S) -> StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let failed = || StoreError::with_source(StoreCode::StoreUnavailable, "the disk is gone");
        match self.moment {
            _ if number != self.fails => call(&self.inner),
            Moment::Before => Box::pin(ready(Err(failed()))),
            Moment::After => {
                let done = call(&self.inner);
                Box::pin(async move { done.await.and_then(|_| Err(failed())) })
            }
        }
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a wrapper that forgets a method would change its meaning"
)]
impl<S: DecisionStore> DecisionStore for Flaky<S> {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        self.call(|store| store.look_up(question))
    }

    fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>> {
        self.call(|store| store.find(action))
    }

    fn used_approvals(&self, approvals: Vec<ApprovalRef>) -> StoreFuture<'_, Vec<ApprovalRef>> {
        self.call(|store| store.used_approvals(approvals))
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        self.call(|store| store.commit(commit))
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a wrapper that forgets a method would change its meaning"
)]
impl<S: QueueStore> QueueStore for Flaky<S> {
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        self.call(|store| store.request(id))
    }

    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        self.call(|store| store.request_version(id))
    }

    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        self.call(|store| store.request_client(id))
    }

    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        self.call(|store| store.requests(filter, now))
    }

    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
        self.call(|store| store.change(change))
    }

    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        self.call(|store| store.lift(request, record))
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a wrapper that forgets a method would change its meaning"
)]
impl<S: Ledger> Ledger for Flaky<S> {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        self.call(|store| store.append(batch))
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.call(S::state)
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        self.call(|store| store.read(seq, limit))
    }

    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        self.call(|store| store.follow(seq))
    }

    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.call(|store| store.side(seq, kind))
    }

    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.call(|store| store.unrecorded(revocations))
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.call(Ledger::revocations)
    }

    fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
        self.call(move |store| store.revocation_at(seq))
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a wrapper that forgets a method would change its meaning"
)]
impl<S: ReplayStore> ReplayStore for Flaky<S> {
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
        self.call(|store| store.consume(mark, now))
    }

    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
        self.call(|store| store.is_used(issuer, pass))
    }
}
