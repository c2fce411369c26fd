//! [`MemoryDecisionStore`]: decisions, ledger and used approvals in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::sync::{Mutex, MutexGuard};

use actionpass_model::{
    ApprovalRef, ApprovalRequest, DecisionRef, PassId, RecordKind, RequestId, RevocationId, Statement, Timestamp,
};

use super::queue::{Queue, Refused};
use crate::decision::newest_trust;
use crate::ledger::{Log, RecordDraft, RecordRef, Salt, SealedRecord, seal};
use crate::offload::{Sender, channel};
use crate::process::Process;
use crate::{
    ActionKey, AppendOutcome, Archive, ArchiveOutcome, ArchiveStore, Batch, Beginning, Change, ChangeOutcome,
    CommitOutcome, DecisionCommit, DecisionStore, Issued, Known, Ledger, LedgerState, LookUp, Needed, OutcomeStore,
    QueueStore, ReplayStart, Report, Reported, RequestFilter, RequestPart, Resign, SideKind, StoreCode, StoreError,
    StoreFuture, StoredRecord, StoredRequest, UsedPass,
};

/// An issuer's store in the memory of one process. Nothing survives it: for tests and examples.
///
/// It keeps so many records and no more: none is ever dropped, so then everything that writes is refused
/// ([`StoreCode::StoreFull`]). In a process that was forked after it was made everything is
/// ([`StoreCode::StoreForked`]).
///
/// ```
/// use actionpass_model::{Issuer, Origin};
/// use actionpass_store::{MemoryDecisionStore, ledger::Log};
///
/// let log = Log::new(Origin::parse("issuer.example/log")?, Issuer::parse("https://issuer.example")?);
/// let store = MemoryDecisionStore::new(log);
/// # Ok::<(), actionpass_model::TextError>(())
/// ```
#[derive(Debug)]
pub struct MemoryDecisionStore {
    process: Process,
    log: Log,
    /// The most records.
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// From [`LedgerState::first`] on.
    records: Vec<Vec<u8>>,
    /// The signed head that it begins at.
    signed: Vec<u8>,
    /// The records of revocations in front of that.
    revoked: BTreeMap<u64, Vec<u8>>,
    known: LedgerState,
    /// Who waits for more records than this.
    followers: Vec<(u64, Sender<u64>)>,
    /// Without their tokens, which are side data.
    issued: HashMap<ActionKey, Issued>,
    approvals: HashSet<ApprovalRef>,
    revocations: HashMap<RevocationId, RecordRef>,
    side: BTreeMap<(u64, SideKind), Vec<u8>>,
    /// The passes of this log's issuer that were used.
    used: HashMap<PassId, UsedPass>,
    queue: Queue,
}

impl MemoryDecisionStore {
    /// How many records are kept unless something else is said: with tokens and small payloads some 400 MB.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// An empty log of at most [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY) records.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self::with_capacity(log, Self::DEFAULT_CAPACITY)
    }

    /// An empty log of at most so many records. Nothing is reserved for them.
    #[must_use]
    pub fn with_capacity(log: Log, records: usize) -> Self {
        Self {
            process: Process::current(),
            log,
            capacity: records,
            state: Mutex::default(),
        }
    }

    /// As a store would be that was restored from an earlier state: [`LedgerState::restored`](crate::LedgerState::restored). It
    /// never moves back.
    ///
    /// # Errors
    /// [`StoreCode::StoreForked`], [`StoreCode::StorePoisoned`].
    pub fn restart(&self, start: ReplayStart) -> Result<(), StoreError> {
        let mut state = self.lock()?;
        state.known.restored = state.known.restored.max(Some(start.at()));
        Ok(())
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        self.process.check()?;
        self.state.lock().map_err(|_| StoreError::new(StoreCode::StorePoisoned))
    }

    fn commit_now(&self, commit: DecisionCommit) -> Result<CommitOutcome, StoreError> {
        if let Some(part) = &commit.queue {
            part.check_record(&commit.record)?;
        }
        let mut state = self.lock()?;
        if let Some(issued) = state.find(&commit.action) {
            return Ok(CommitOutcome::AlreadyIssued(Box::new(issued)));
        }
        let effects = commit.record.effects();
        let mut known = state.known;
        if let Some(allow) = &commit.allow {
            match effects.trust.map(|relied| newest_trust(known.trust, relied)) {
                Some(Ok(newest)) => known.trust = Some(newest),
                Some(Err(newer)) => return Ok(CommitOutcome::TrustChanged(newer)),
                None => {}
            }
            if let Some(policy) = known.policy.filter(|policy| Some(*policy) != effects.policy) {
                return Ok(CommitOutcome::PolicyChanged(policy));
            }
            let mut seen = HashSet::new();
            for approval in &allow.approvals {
                if !seen.insert(approval) || state.approvals.contains(approval) {
                    return Ok(CommitOutcome::ApprovalUsed(approval.clone()));
                }
            }
        }

        let mut superseding = None;
        let plan = match commit.queue {
            Some(part) => {
                if matches!(part.request, RequestPart::Opens(_) | RequestPart::Joins(..))
                    && let Some(policy) = known.policy.filter(|policy| Some(*policy) != effects.policy)
                {
                    return Ok(CommitOutcome::PolicyChanged(policy));
                }
                superseding = part.supersedes.as_ref().map(|change| change.record.clone());
                if let RequestPart::Opens(open) = &part.request
                    && state.queue.get(&open.request.request.id).is_some()
                {
                    return Err(StoreError::with_source(
                        StoreCode::StoreMisused,
                        "there is a request of this id",
                    ));
                }
                match state.queue.plan(part, commit.record.time()) {
                    Ok(plan) => Some(plan),
                    Err(outcome) => return Ok(outcome),
                }
            }
            None => None,
        };

        self.check_room(&state, if superseding.is_some() { 2 } else { 1 })?;
        let superseding = match superseding {
            Some(draft) => {
                let record = seal(&self.log, &known.head, &draft)?;
                known.head = record.head();
                Some((draft, record))
            }
            None => None,
        };
        let record = seal(&self.log, &known.head, &commit.record)?;
        known.head = record.head();
        if let Some((draft, record)) = superseding {
            state.keep(&draft, &record, &mut known);
        }
        state.keep_side(&commit.record, &record);
        let is_committed = commit.record.side().iter().any(|(kind, _)| *kind == SideKind::Salt);
        if let Some(plan) = plan {
            let decision = DecisionRef {
                seq: record.seq(),
                id: commit.record.id().clone(),
            };
            state.queue.carry_out(plan, decision, is_committed);
        }
        if let Some(allow) = commit.allow {
            state.approvals.extend(allow.approvals);
            state
                .side
                .insert((record.seq(), SideKind::Token), allow.token.into_bytes());
            let mut issued = Issued::new(
                commit.action_hash,
                record.to_ref(),
                allow.pass,
                allow.expires_at,
                allow.audience,
            );
            issued.is_committed = is_committed;
            state.issued.insert(commit.action, issued);
        }
        state.records.push(record.json().to_vec());
        let ready = state.advance(known);
        drop(state);
        answer(ready, known);
        Ok(CommitOutcome::Committed(record))
    }

    fn append_now(&self, batch: Batch) -> Result<Vec<AppendOutcome>, StoreError> {
        let (drafts, reconciled) = batch.into_parts();
        let mut state = self.lock()?;
        let mut known = state.known;
        // First everything that may fail, which changes nothing yet.
        let mut outcomes = Vec::with_capacity(drafts.len());
        let mut revoked: HashMap<&RevocationId, RecordRef> = HashMap::new();
        for draft in &drafts {
            if draft.effects().outcome.is_some() || draft.effects().is_of_the_beginning() {
                return Err(StoreError::with_source(
                    StoreCode::StoreMisused,
                    "outcomes of passes are reported, records archived, and beginnings signed anew",
                ));
            }
            state.queue.check_erasure(&draft.effects().erases, draft.time())?;
            let revocation = draft.effects().revocation.as_ref();
            let recorded = revocation.and_then(|id| revoked.get(id).or_else(|| state.revocations.get(id)));
            if let Some(record) = recorded {
                outcomes.push(AppendOutcome::AlreadyRecorded(record.clone()));
                continue;
            }
            let record = seal(&self.log, &known.head, draft)?;
            known.head = record.head();
            if let Some(id) = revocation {
                revoked.insert(id, record.to_ref());
            }
            outcomes.push(AppendOutcome::Appended(record));
        }
        let appended = |outcome: &&AppendOutcome| matches!(outcome, AppendOutcome::Appended(_));
        self.check_room(&state, outcomes.iter().filter(appended).count())?;

        for (draft, outcome) in drafts.iter().zip(&outcomes) {
            if let AppendOutcome::Appended(record) = outcome {
                state.keep(draft, record, &mut known);
                if let Some((issuer, pass)) = &draft.effects().used
                    && issuer == self.log.issuer()
                {
                    let used = UsedPass::new(record.seq());
                    state.used.entry(pass.clone()).or_insert(used);
                }
            }
        }
        if let Some(range) = reconciled {
            known.reconciled = range.advance(known.reconciled);
        }
        let ready = state.advance(known);
        drop(state);
        answer(ready, known);
        Ok(outcomes)
    }

    fn check_room(&self, state: &State, records: usize) -> Result<(), StoreError> {
        if state.records.len().saturating_add(records) > self.capacity {
            return Err(StoreError::new(StoreCode::StoreFull));
        }
        Ok(())
    }

    fn change_now(&self, change: Change) -> Result<ChangeOutcome, StoreError> {
        let mut state = self.lock()?;
        let next = match state.queue.step(&change) {
            Ok(next) => next,
            Err(Refused::Moved(request)) => return Ok(ChangeOutcome::Moved(request)),
            Err(Refused::Law(code)) => return Ok(ChangeOutcome::Refused(code)),
        };
        let record = self.keep_one(&mut state, &change.record)?;
        state.queue.put(next.clone(), change.token);
        let (ready, known) = (state.advance_followers(), state.known);
        drop(state);
        answer(ready, known);
        Ok(ChangeOutcome::Changed(Box::new(next), record))
    }

    fn lift_now(&self, request: &RequestId, draft: &RecordDraft) -> Result<Option<SealedRecord>, StoreError> {
        let mut state = self.lock()?;
        if !state.queue.is_holding(request) {
            return Ok(None);
        }
        let record = self.keep_one(&mut state, draft)?;
        state.queue.lift(request, draft.time());
        let (ready, known) = (state.advance_followers(), state.known);
        drop(state);
        answer(ready, known);
        Ok(Some(record))
    }

    fn report_now(&self, report: &Report) -> Result<Reported, StoreError> {
        report.check_record()?;
        let mut state = self.lock()?;
        let Some(used) = state.used.get(&report.pass).copied() else {
            return Ok(Reported::Unused);
        };
        if !used.takes(report) {
            return Ok(Reported::Moved(used));
        }
        let record = self.keep_one(&mut state, &report.record)?;
        state.used.insert(report.pass.clone(), used.with_report(record.seq()));
        let (ready, known) = (state.advance_followers(), state.known);
        drop(state);
        answer(ready, known);
        Ok(Reported::Recorded(record))
    }

    /// Seals and keeps one record of the queue, or of an outcome.
    fn keep_one(&self, state: &mut State, draft: &RecordDraft) -> Result<SealedRecord, StoreError> {
        self.check_room(state, 1)?;
        let mut known = state.known;
        let record = seal(&self.log, &known.head, draft)?;
        known.head = record.head();
        state.keep(draft, &record, &mut known);
        state.known = known;
        Ok(record)
    }

    fn archive_now(&self, call: Archive) -> Result<ArchiveOutcome, StoreError> {
        let mut state = self.lock()?;
        call.check(&state.known)?;
        let Archive { head, signed, record } = call;
        let last = state.read(head.size().saturating_sub(1), 1)?.pop();
        let is_it = |last: StoredRecord| last.to_record().is_ok_and(|record| record.ledger_hash == head.hash());
        if !last.is_some_and(is_it) {
            return Err(Archive::misplaced());
        }
        if let Some(needed) = state.needed(head.size(), record.time()) {
            return Ok(ArchiveOutcome::Needed(needed));
        }
        let sealed = self.keep_one(&mut state, &record)?;
        let (first, state_mut) = (state.known.first.size(), &mut *state);
        let count = usize::try_from(head.size().saturating_sub(first)).unwrap_or(usize::MAX);
        let kept: HashSet<u64> = state_mut.revocations.values().map(|record| record.seq).collect();
        let gone = state_mut.records.drain(..count.min(state_mut.records.len()));
        let stay = (first..).zip(gone).filter(|(seq, _)| kept.contains(seq));
        state_mut.revoked.extend(stay);
        state_mut.signed = signed;
        state_mut.known.first = head;
        let (ready, known) = (state.advance_followers(), state.known);
        drop(state);
        answer(ready, known);
        Ok(ArchiveOutcome::Archived(sealed))
    }

    fn resign_now(&self, call: Resign) -> Result<Option<SealedRecord>, StoreError> {
        let mut state = self.lock()?;
        let signed = (state.known.first.size() > 0).then_some(state.signed.as_slice());
        if !call.check(&state.known, signed)? {
            return Ok(None);
        }
        let sealed = self.keep_one(&mut state, &call.record)?;
        state.signed = call.signed;
        let (ready, known) = (state.advance_followers(), state.known);
        drop(state);
        answer(ready, known);
        Ok(Some(sealed))
    }

    async fn follow_from(&self, seq: u64) -> Result<u64, StoreError> {
        let waiting = {
            let mut state = self.lock()?;
            let size = state.known.head.size();
            if size > seq {
                return Ok(size);
            }
            state.followers.retain(|(_, sender)| !sender.is_abandoned());
            let (sender, waiting) = channel();
            state.followers.push((seq, sender));
            waiting
        };
        waiting
            .await
            .map_err(|error| StoreError::with_source(StoreCode::StorePoisoned, error))
    }
}

/// Tells those who waited how long the log is; not under the lock, since a waker may run anything.
fn answer(ready: Vec<Sender<u64>>, known: LedgerState) {
    for sender in ready {
        sender.send(known.head.size());
    }
}

impl State {
    fn keep_side(&mut self, draft: &RecordDraft, record: &SealedRecord) {
        for (kind, bytes) in draft.side() {
            self.side.insert((record.seq(), *kind), bytes.clone());
        }
    }

    /// Keeps a sealed record, and lets it take effect.
    fn keep(&mut self, draft: &RecordDraft, record: &SealedRecord, known: &mut LedgerState) {
        self.keep_side(draft, record);
        let effects = draft.effects();
        self.records.push(record.json().to_vec());
        if draft.kind() != RecordKind::Decision {
            if let Some(Ok(newest)) = effects.trust.map(|named| newest_trust(known.trust, named)) {
                known.trust = Some(newest);
            }
            known.policy = effects.policy.or(known.policy);
        }
        if let Some(id) = &effects.revocation {
            self.revocations.insert(id.clone(), record.to_ref());
        }
        if !effects.erases.is_empty() {
            let gone: HashSet<u64> = effects.erases.iter().copied().collect();
            self.side.retain(|(seq, _), _| !gone.contains(seq));
            self.queue.erase(&gone, draft.time());
        }
    }

    /// What is known from now on, and who waited for it.
    fn advance(&mut self, known: LedgerState) -> Vec<Sender<u64>> {
        self.known = known;
        self.advance_followers()
    }

    fn advance_followers(&mut self) -> Vec<Sender<u64>> {
        let size = self.known.head.size();
        let waits = |(seq, _): &mut (u64, Sender<u64>)| size > *seq;
        self.followers.extract_if(.., waits).map(|(_, sender)| sender).collect()
    }

    fn find(&self, action: &ActionKey) -> Option<Issued> {
        let issued = self.issued.get(action)?.clone();
        let token = self.side.get(&(issued.record.seq, SideKind::Token));
        let token = token.and_then(|token| String::from_utf8(token.clone()).ok());
        let salt = self.side.get(&(issued.record.seq, SideKind::Salt));
        let issued = if issued.is_committed {
            issued.committed_by(salt.and_then(|salt| Salt::parse(salt)))
        } else {
            issued
        };
        Some(issued.with_token(token))
    }

    fn look_up(&self, question: LookUp) -> Known {
        let mut known = Known::new(self.known);
        known.issued = question.action.and_then(|action| self.find(&action));
        known.used = question.approvals;
        known.used.retain(|approval| self.approvals.contains(approval));
        known.standing = question.request.map(|(key, now)| self.queue.standing(&key, now));
        known
    }

    fn read(&self, seq: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let first = self.known.first.size();
        let place = seq.checked_sub(first).ok_or_else(|| StoreError::archived(first))?;
        let start = usize::try_from(place).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(start).take(limit);
        let records = (seq..).zip(records);
        Ok(records
            .map(|(seq, json)| StoredRecord::new(seq, json.clone()))
            .collect())
    }

    fn revocation_at(&self, seq: u64) -> Result<Option<StoredRecord>, StoreError> {
        if seq < self.known.first.size() {
            let kept = self.revoked.get(&seq);
            return Ok(kept.map(|json| StoredRecord::new(seq, json.clone())));
        }
        if !self.revocations.values().any(|record| record.seq == seq) {
            return Ok(None);
        }
        Ok(self.read(seq, 1)?.pop())
    }

    fn needed(&self, until: u64, now: Timestamp) -> Option<Needed> {
        let side = self.side.first_key_value().map(|((seq, _), _)| *seq);
        let (beside, waiting) = self.queue.needed(now);
        let before = |seq: &u64| *seq < until;
        let side = side.into_iter().chain(beside).filter(before).min();
        Needed::first(side, waiting.filter(before))
    }
}

impl QueueStore for MemoryDecisionStore {
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        Box::pin(ready(self.lock().map(|state| state.queue.get(id).cloned())))
    }

    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        let version = |state: MutexGuard<'_, State>| Some(state.queue.get(id)?.request.version);
        Box::pin(ready(self.lock().map(version)))
    }

    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        Box::pin(ready(self.lock().map(|state| state.queue.client(id).cloned())))
    }

    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        Box::pin(ready(self.lock().map(|state| state.queue.list(filter, now))))
    }

    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
        Box::pin(ready(self.change_now(change)))
    }

    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(ready(self.lift_now(&request, &record)))
    }
}

impl ArchiveStore for MemoryDecisionStore {
    fn beginning(&self) -> StoreFuture<'_, Option<Beginning>> {
        let begins = |state: MutexGuard<'_, State>| {
            let head = state.known.first;
            (head.size() > 0).then(|| Beginning {
                head,
                signed: state.signed.clone(),
            })
        };
        Box::pin(ready(self.lock().map(begins)))
    }

    fn needed(&self, until: u64, now: Timestamp) -> StoreFuture<'_, Option<Needed>> {
        Box::pin(ready(self.lock().map(|state| state.needed(until, now))))
    }

    fn archive(&self, call: Archive) -> StoreFuture<'_, ArchiveOutcome> {
        Box::pin(ready(self.archive_now(call)))
    }

    fn resign(&self, call: Resign) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(ready(self.resign_now(call)))
    }

    /// They go at once.
    fn sweep(&self, _: usize) -> StoreFuture<'_, bool> {
        Box::pin(ready(self.lock().map(|_| false)))
    }
}

impl OutcomeStore for MemoryDecisionStore {
    fn used<'a>(&'a self, pass: &'a PassId) -> StoreFuture<'a, Option<UsedPass>> {
        Box::pin(ready(self.lock().map(|state| state.used.get(pass).copied())))
    }

    fn report(&self, report: Report) -> StoreFuture<'_, Reported> {
        Box::pin(ready(self.report_now(&report)))
    }
}

impl DecisionStore for MemoryDecisionStore {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        Box::pin(ready(self.lock().map(|state| state.look_up(question))))
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(ready(self.commit_now(commit)))
    }
}

impl Ledger for MemoryDecisionStore {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        Box::pin(ready(self.append_now(batch)))
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        Box::pin(ready(self.lock().map(|state| state.known)))
    }

    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        Box::pin(self.follow_from(seq))
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        Box::pin(ready(self.lock().and_then(|state| state.read(seq, limit))))
    }

    fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
        Box::pin(ready(self.lock().and_then(|state| state.revocation_at(seq))))
    }

    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(ready(self.lock().map(|state| state.side.get(&(seq, kind)).cloned())))
    }

    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        let missing = self.lock().map(|state| {
            revocations
                .into_iter()
                .filter(|id| !state.revocations.contains_key(id))
                .collect()
        });
        Box::pin(ready(missing))
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        let recorded = self.lock().map(|state| {
            let recorded = state.revocations.iter();
            let mut recorded: Vec<_> = recorded.map(|(id, record)| (id.clone(), record.seq)).collect();
            recorded.sort_by_key(|(_, seq)| *seq);
            recorded
        });
        Box::pin(ready(recorded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{block_on, fixtures};
    use crate::{LedgerExt, TrustRange};

    #[test]
    fn a_full_store_refuses_whole_calls_and_keeps_what_it_has() {
        let store = MemoryDecisionStore::with_capacity(fixtures::log(), 3);
        let _ = block_on(store.commit(fixtures::allow(1))).unwrap();
        let _ = block_on(store.append_one(fixtures::used(2))).unwrap();
        let before = block_on(store.state()).unwrap();

        // One has room, two have not.
        let range = TrustRange { after: 0, to: 9 };
        let batch = Batch::new(vec![fixtures::revoked(3, 1, 9), fixtures::used(4)]).with_reconciled(range);
        assert_eq!(block_on(store.append(batch)).unwrap_err().code(), StoreCode::StoreFull);
        assert_eq!(block_on(store.state()).unwrap(), before);

        let _ = block_on(store.append_one(fixtures::revoked(3, 1, 1))).unwrap();
        let refused = [
            block_on(store.commit(fixtures::allow(4))).unwrap_err(),
            block_on(store.append_one(fixtures::used(5))).unwrap_err(),
        ];
        assert_eq!(refused.map(|error| error.code()), [StoreCode::StoreFull; 2]);
        // What needs no room is answered.
        let again = block_on(store.commit(fixtures::allow(1))).unwrap();
        assert!(matches!(again, CommitOutcome::AlreadyIssued(_)));
        let again = block_on(store.append_one(fixtures::revoked(6, 1, 1))).unwrap();
        assert!(matches!(again, AppendOutcome::AlreadyRecorded(_)));
        assert_eq!(block_on(store.read(0, 10)).unwrap().len(), 3);
    }

    #[test]
    fn a_copy_of_the_process_decides_nothing() {
        let mut store = MemoryDecisionStore::new(fixtures::log());
        store.process = Process::another();
        let refused = [
            block_on(store.commit(fixtures::allow(1))).map(drop),
            block_on(store.find(&fixtures::action(1))).map(drop),
            block_on(store.used_approvals(Vec::new())).map(drop),
            block_on(store.append_one(fixtures::used(1))).map(drop),
            block_on(store.state()).map(drop),
            block_on(store.follow(0)).map(drop),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().code(), StoreCode::StoreForked);
        }
    }
}
