//! Revocations that a crash kept out of the ledger: every one is recorded once, whenever the process dies.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actionpass_core::{
    AdminError, Administrator, NewRevocation, System, reconcile, reconcile_with, revoke, revoke_unrecorded,
};
use actionpass_model::{
    Origin, Principal, RecordKind, Revocation, RevocationId, RevocationSchema, RevocationTarget, Statement, Timestamp,
    TrustStore,
};
use actionpass_store::ledger::{ChainVerifier, Log};
use actionpass_store::{
    AppendOutcome, Batch, Ledger, LedgerState, MemoryDecisionStore, MemoryTrust, SideKind, StoreCode, StoreError,
    StoreFuture, StoredRecord, TrustDocument,
};
use pollster::block_on;

/// What [`reconcile`] appends in one transaction.
const PER_BATCH: usize = 500;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap()
}

fn log() -> Log {
    Log::new(
        Origin::parse("issuer.example").unwrap(),
        "https://issuer.example".parse().unwrap(),
    )
}

fn revocation(number: usize) -> Revocation {
    Revocation {
        schema: RevocationSchema,
        id: format!("rev_{number:032x}").parse().unwrap(),
        target: RevocationTarget::Principal(Principal::parse(&format!("agent:rogue-{number}")).unwrap()),
        reason: Statement::parse("left its lane").unwrap(),
        revoked_by: Principal::parse("user:owner").unwrap(),
        revoked_at: now(),
        compromised_since: None,
        expires_at: None,
        ext: None,
    }
}

/// A trust store of version 2 with so many revocations.
fn trust(revocations: usize) -> MemoryTrust {
    let trust = MemoryTrust::new(&TrustStore::new(now())).unwrap();
    add(&trust, 0..revocations);
    trust
}

/// Adds revocations that no ledger hears of.
fn add(trust: &MemoryTrust, numbers: std::ops::Range<usize>) {
    let change = move |document: &mut TrustStore| {
        document.revocations.extend(numbers.clone().map(revocation));
        Ok(())
    };
    let _ = block_on(trust.change(now(), Box::new(change))).unwrap();
}

fn new_revocation() -> NewRevocation {
    NewRevocation {
        target: RevocationTarget::Principal(Principal::parse("agent:another").unwrap()),
        reason: Statement::parse("left its lane").unwrap(),
        revoked_by: Principal::parse("user:owner").unwrap(),
        compromised_since: None,
        expires_at: None,
    }
}

/// How often each revocation is recorded.
fn recorded(ledger: &dyn Ledger) -> BTreeMap<RevocationId, usize> {
    let mut chain = ChainVerifier::new().with_log(log());
    let mut recorded = BTreeMap::new();
    for stored in block_on(ledger.read(0, usize::MAX)).unwrap() {
        assert_eq!(chain.push(&stored.json).unwrap().seq, stored.seq);
        let record = stored.to_record().unwrap();
        assert_eq!(record.kind, RecordKind::Revocation);
        let body = record.body.into_inner();
        let id = body["revocation"]["id"].as_str().unwrap().parse().unwrap();
        *recorded.entry(id).or_default() += 1;
    }
    recorded
}

fn watermark(ledger: &dyn Ledger) -> u64 {
    block_on(ledger.state()).unwrap().reconciled
}

/// A ledger that counts its calls, and of which one append fails: before it is written, or after, as if the process had
/// been killed in between.
#[derive(Debug)]
struct Counted {
    inner: MemoryDecisionStore,
    appends: AtomicUsize,
    others: AtomicUsize,
    /// Which append fails, from 1, and whether it is written all the same.
    fails: Option<(usize, bool)>,
}

impl Counted {
    fn new(fails: Option<(usize, bool)>) -> Self {
        Self {
            inner: MemoryDecisionStore::new(log()),
            appends: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            fails,
        }
    }

    fn other(&self) -> &MemoryDecisionStore {
        self.others.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
}

impl Ledger for Counted {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(batch.drafts().len() <= PER_BATCH);
        Box::pin(async move {
            match self.fails.filter(|(fails, _)| *fails == number) {
                None => self.inner.append(batch).await,
                Some((_, written)) => {
                    if written {
                        let _ = self.inner.append(batch).await?;
                    }
                    Err(StoreError::new(StoreCode::StoreUnavailable))
                }
            }
        })
    }
    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.inner.state()
    }
    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        self.other().read(seq, limit)
    }
    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        self.other().follow(seq)
    }
    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.other().side(seq, kind)
    }
    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.other().unrecorded(revocations)
    }
    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.other().revocations()
    }
}

#[test]
fn what_is_missing_is_appended_in_batches_and_then_nothing_is_asked() {
    for missing in [0, 1, PER_BATCH, PER_BATCH + 1, 1200] {
        let (trust, ledger) = (trust(missing), Counted::new(None));
        assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), missing);
        assert_eq!(
            ledger.appends.load(Ordering::SeqCst),
            missing.div_ceil(PER_BATCH).max(1)
        );
        assert_eq!(ledger.others.load(Ordering::SeqCst), 1, "one question");
        assert_eq!(watermark(&ledger), 2);
        let recorded = recorded(&ledger.inner);
        assert_eq!(recorded.len(), missing);
        assert!(recorded.values().all(|times| *times == 1));

        for _ in 0..3 {
            assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 0);
        }
        assert_eq!(
            ledger.appends.load(Ordering::SeqCst),
            missing.div_ceil(PER_BATCH).max(1)
        );
        assert_eq!(ledger.others.load(Ordering::SeqCst), 1, "nothing is asked any more");
    }
}

/// G7: whoever is killed between two batches, or before or after any of them, leaves nothing out for ever.
#[test]
fn g07_a_kill_at_any_batch_loses_no_revocation() {
    const MISSING: usize = 1200;
    for fails in 1..=3 {
        for written in [false, true] {
            let (trust, ledger) = (trust(MISSING), Counted::new(Some((fails, written))));
            let error = block_on(reconcile(&trust, &ledger, now(), &System)).unwrap_err();
            assert_eq!(error.code(), "store_unavailable");
            let all = fails == 3 && written;
            assert_eq!(watermark(&ledger), if all { 2 } else { 0 });

            let done = if written { fails } else { fails - 1 };
            let left = MISSING - (done * PER_BATCH).min(MISSING);
            assert_eq!(recorded(&ledger.inner).len(), MISSING - left);
            assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), left);
            let recorded = recorded(&ledger.inner);
            assert_eq!(recorded.len(), MISSING);
            assert!(recorded.values().all(|times| *times == 1));
            assert_eq!(watermark(&ledger), 2);
        }
    }
}

/// G7: a revocation whose record was lost is not skipped because a later one was recorded.
#[test]
fn g07_a_later_revocation_does_not_hide_a_lost_one() {
    let (trust, ledger) = (trust(3), Counted::new(None));
    assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 3);
    // Versions 3 and 4: one whose record a crash left out, and one that was recorded.
    add(&trust, 10..11);
    let (later, record) = block_on(revoke(new_revocation(), &trust, &ledger, now(), &System)).unwrap();
    assert_eq!(record.seq, 3);
    assert_eq!(watermark(&ledger), 2);
    assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 1);
    assert_eq!(watermark(&ledger), 4);
    let recorded = recorded(&ledger.inner);
    assert_eq!(recorded.len(), 5);
    assert!(recorded.contains_key(&later.id) && recorded.contains_key(&revocation(10).id));
    assert!(recorded.values().all(|times| *times == 1));
}

#[test]
fn revoking_keeps_the_watermark_up() {
    let (trust, ledger) = (trust(2), Counted::new(None));
    assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 2);
    for version in 3..6 {
        let _ = block_on(revoke(new_revocation(), &trust, &ledger, now(), &System)).unwrap();
        assert_eq!(watermark(&ledger), version);
    }
    assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 0);
    assert_eq!(ledger.others.load(Ordering::SeqCst), 1, "only at the start");
}

/// A trust store that was read before a later one was reconciled changes nothing.
#[test]
fn an_older_reading_is_no_step_back() {
    let (trust, ledger) = (trust(2), Counted::new(None));
    let older = block_on(trust.read()).unwrap();
    add(&trust, 2..4);
    assert_eq!(block_on(reconcile(&trust, &ledger, now(), &System)).unwrap(), 4);
    assert_eq!(block_on(reconcile_with(&older, &ledger, now(), &System)).unwrap(), 0);
    assert_eq!((watermark(&ledger), recorded(&ledger.inner).len()), (3, 4));
}

/// G7: a trust store that went back is refused by what it lacks, whatever its version; what may be pruned and what was
/// lifted is not missed. Put back, it is above both versions, and every revocation is recorded once.
#[test]
fn g07_a_trust_store_that_lacks_a_revocation_is_refused_whatever_its_version() {
    for unrecorded in 0..5 {
        let ledger = Arc::new(MemoryDecisionStore::new(log()));
        let newest = trust(3);
        let expiring = NewRevocation {
            target: RevocationTarget::Pass {
                id: "ap_01920000000070008000000000000001".parse().unwrap(),
                issuer: log().issuer().clone(),
            },
            expires_at: Some(now()),
            ..new_revocation()
        };
        let _ = block_on(revoke(expiring, &newest, &ledger, now(), &System)).unwrap();
        assert_eq!(block_on(reconcile(&newest, &ledger, now(), &System)).unwrap(), 3);

        // Version 1 of a trust store that knows one of the three, then changed without the ledger.
        let older = Arc::new(MemoryTrust::new(&TrustStore::new(now())).unwrap());
        add(&older, 0..1);
        for _ in 0..unrecorded {
            let _ = block_on(revoke_unrecorded(new_revocation(), &*older, now(), &System)).unwrap();
        }
        let administrator = Administrator::new(Arc::clone(&older) as _, Arc::clone(&ledger) as _);
        let version = block_on(older.read()).unwrap().document.version;
        match block_on(administrator.open()).unwrap_err() {
            AdminError::RolledBack { known, .. } => assert!(version <= known.version, "{unrecorded}"),
            AdminError::RevocationLost { revocation: lost, .. } => {
                assert!(version > 3, "{unrecorded}");
                assert_eq!(lost, revocation(1).id);
            }
            other => panic!("{other}"),
        }

        let (put_back, evidence) = block_on(administrator.put_back_revocations()).unwrap();
        let put_back: Vec<_> = put_back.into_iter().map(|revocation| revocation.id).collect();
        assert_eq!(put_back, [revocation(1).id, revocation(2).id]);
        assert!(evidence.version > version.max(3), "{unrecorded}: {}", evidence.version);
        assert_eq!(block_on(administrator.open()).unwrap().evidence(), evidence);
        assert_eq!(
            block_on(older.read()).unwrap().document.revocations.len(),
            3 + unrecorded
        );
        let records = block_on(ledger.read(0, usize::MAX)).unwrap();
        let revocations = records
            .iter()
            .filter(|record| record.to_record().unwrap().kind == RecordKind::Revocation);
        assert_eq!(revocations.count(), 4 + unrecorded);
    }
}
