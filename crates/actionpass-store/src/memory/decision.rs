//! [`MemoryDecisionStore`]: decisions, ledger and used approvals in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::sync::{Mutex, MutexGuard};

use actionpass_model::{Digest, RecordKind, RevocationId, TrustEvidence};

use crate::decision::newest_trust;
use crate::ledger::{Head, Log, RecordDraft, RecordRef, SealedRecord, seal};
use crate::{
    ActionKey, AppendOutcome, ApprovalUse, CommitOutcome, DecisionCommit, DecisionStore, Issued, LedgerState, SideKind,
    StoreCode, StoreError, StoreFuture, StoredRecord,
};

/// An issuer's store in the memory of one process. Nothing survives it: for tests and examples.
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
    log: Log,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Vec<u8>>,
    head: Head,
    trust: Option<TrustEvidence>,
    policy: Option<Digest>,
    /// Without their tokens, which are side data.
    issued: HashMap<ActionKey, Issued>,
    approvals: HashSet<ApprovalUse>,
    revocations: HashMap<RevocationId, RecordRef>,
    side: BTreeMap<(u64, SideKind), Vec<u8>>,
}

impl MemoryDecisionStore {
    /// An empty log.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self {
            log,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        self.state.lock().map_err(|_| StoreError::new(StoreCode::StorePoisoned))
    }

    fn commit_now(&self, commit: DecisionCommit) -> Result<CommitOutcome, StoreError> {
        let mut state = self.lock()?;
        if let Some(issued) = state.find(&commit.action) {
            return Ok(if issued.action_hash == commit.action_hash {
                CommitOutcome::AlreadyIssued(Box::new(issued))
            } else {
                CommitOutcome::IdReused
            });
        }
        let effects = commit.record.effects();
        let trust = if commit.allow.is_some() {
            match effects
                .trust
                .map(|relied| newest_trust(state.trust, relied))
                .transpose()
            {
                Ok(newest) => newest.or(state.trust),
                Err(known) => return Ok(CommitOutcome::TrustChanged(known)),
            }
        } else {
            state.trust
        };
        if let Some(allow) = &commit.allow {
            if let Some(known) = state.policy.filter(|known| Some(*known) != effects.policy) {
                return Ok(CommitOutcome::PolicyChanged(known));
            }
            let mut seen = HashSet::new();
            for approval in &allow.approvals {
                if !seen.insert(approval) || state.approvals.contains(approval) {
                    return Ok(CommitOutcome::ApprovalUsed(approval.clone()));
                }
            }
        }

        let record = state.seal(&self.log, &commit.record)?;
        state.trust = trust;
        for (kind, bytes) in commit.side {
            state.side.insert((record.seq(), kind), bytes);
        }
        if let Some(allow) = commit.allow {
            state.approvals.extend(allow.approvals);
            state
                .side
                .insert((record.seq(), SideKind::Token), allow.token.into_bytes());
            let issued = Issued {
                action_hash: commit.action_hash,
                record: record.to_ref(),
                pass: allow.pass,
                expires_at: allow.expires_at,
                audience: allow.audience,
                token: None,
            };
            state.issued.insert(commit.action, issued);
        }
        Ok(CommitOutcome::Committed(record))
    }

    fn append_now(&self, draft: &RecordDraft) -> Result<AppendOutcome, StoreError> {
        let mut state = self.lock()?;
        let effects = draft.effects();
        if let Some(known) = effects.revocation.as_ref().and_then(|id| state.revocations.get(id)) {
            return Ok(AppendOutcome::AlreadyRecorded(known.clone()));
        }
        let record = state.seal(&self.log, draft)?;
        if draft.kind() != RecordKind::Decision {
            if let Some(Ok(newest)) = effects.trust.map(|named| newest_trust(state.trust, named)) {
                state.trust = Some(newest);
            }
            state.policy = effects.policy.or(state.policy);
        }
        if let Some(id) = &effects.revocation {
            state.revocations.insert(id.clone(), record.to_ref());
        }
        if !effects.erases.is_empty() {
            let gone: HashSet<u64> = effects.erases.iter().copied().collect();
            state.side.retain(|(seq, _), _| !gone.contains(seq));
        }
        Ok(AppendOutcome::Appended(record))
    }
}

impl State {
    fn seal(&mut self, log: &Log, draft: &RecordDraft) -> Result<SealedRecord, StoreError> {
        let record = seal(log, &self.head, draft)?;
        self.records.push(record.json().to_vec());
        self.head = record.head();
        Ok(record)
    }

    fn find(&self, action: &ActionKey) -> Option<Issued> {
        let issued = self.issued.get(action)?.clone();
        let token = self.side.get(&(issued.record.seq, SideKind::Token));
        Some(Issued {
            token: token.and_then(|token| String::from_utf8(token.clone()).ok()),
            ..issued
        })
    }

    fn read(&self, seq: u64, limit: usize) -> Vec<StoredRecord> {
        let start = usize::try_from(seq).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(start).take(limit);
        (seq..)
            .zip(records)
            .map(|(seq, json)| StoredRecord {
                seq,
                json: json.clone(),
            })
            .collect()
    }
}

impl DecisionStore for MemoryDecisionStore {
    fn find<'a>(&'a self, action: &'a ActionKey) -> StoreFuture<'a, Option<Issued>> {
        Box::pin(ready(self.lock().map(|state| state.find(action))))
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(ready(self.commit_now(commit)))
    }

    fn append(&self, draft: RecordDraft) -> StoreFuture<'_, AppendOutcome> {
        Box::pin(ready(self.append_now(&draft)))
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        let state = self.lock().map(|state| LedgerState {
            head: state.head,
            trust: state.trust,
            policy: state.policy,
        });
        Box::pin(ready(state))
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        Box::pin(ready(self.lock().map(|state| state.read(seq, limit))))
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
}
