//! Decisions and records, inside of a transaction.

use std::collections::HashMap;

use actionpass_model::{ApprovalRef, Digest, RecordKind, TrustEvidence, UnixSeconds};
use actionpass_store::backend::side_number;
use actionpass_store::ledger::{Head, Log, PreparedRecord, RecordDraft, RecordRef, Salt, SealedRecord};
use actionpass_store::{
    ActionKey, Allow, AppendOutcome, Batch, CommitOutcome, DecisionCommit, Issued, Known, LedgerState, LookUp,
    ReplayStart, SideKind, StoreCode, StoreError, StoredRecord, TrustRange, newest_trust,
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use crate::error::{Failure, from_sql, to_sql};
use crate::id::{action_to_bytes, from_bytes, to_bytes};
use crate::requests;
use crate::rows::Rows;
use crate::witness::Witnessed;

mod archive;
mod outcome;
mod queue;

pub(crate) use archive::{ArchiveCall, ResignCall, beginning, check_beginning, needed, signed, sweep};
pub(crate) use outcome::{ReportCall, used};

/// What one call gives: its own error leaves the others of its batch alone, a [`Failure`] fails them all.
pub(crate) type Judged<T> = Result<Result<T, StoreError>, Failure>;

/// Reads where the log ends and what it was told of.
pub(crate) fn state(connection: &Connection) -> Result<LedgerState, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT size, hash, trust_version, trust_digest, policy, reconciled, restored, first, first_hash FROM ledger",
    )?;
    let row = statement.query_row([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            digest(row, 1)?,
            row.get::<_, Option<i64>>(2)?,
            row.get::<_, Option<[u8; 32]>>(3)?,
            row.get::<_, Option<[u8; 32]>>(4)?,
            row.get::<_, i64>(5)?,
            row.get::<_, Option<i64>>(6)?,
            (row.get::<_, i64>(7)?, row.get::<_, Option<[u8; 32]>>(8)?),
        ))
    });
    let Some((size, hash, version, trust, policy, reconciled, restored, first)) = row.optional()? else {
        return Err(Failure::Store(StoreCode::StoreLogMismatch, "the store holds no log"));
    };
    let trust = match (version, trust) {
        (Some(version), Some(digest)) => Some(TrustEvidence {
            version: from_sql(version)?,
            digest: Digest::from_bytes(digest),
        }),
        _ => None,
    };
    let mut state = LedgerState::new(Head::new(from_sql(size)?, hash));
    state.first = match first {
        (0, None) => Head::EMPTY,
        (first, Some(hash)) if first > 0 => Head::new(from_sql(first)?, Digest::from_bytes(hash)),
        _ => return Err(Failure::corrupt("where the log begins")),
    };
    state.trust = trust;
    state.policy = policy.map(Digest::from_bytes);
    state.reconciled = from_sql(reconciled)?;
    let restored =
        restored.map(|seconds| UnixSeconds::new(from_sql(seconds)?).ok_or_else(|| Failure::corrupt("a time")));
    state.restored = restored.transpose()?;
    Ok(state)
}

/// What the store knows is lost in part: approvals and action ids of before are not judged. Never earlier than before.
pub(crate) fn restart(connection: &Connection, start: ReplayStart) -> Result<(), Failure> {
    connection
        .prepare_cached("UPDATE ledger SET restored = max(coalesce(restored, 0), ?1)")?
        .execute([to_sql(start.at().get())?])?;
    Ok(())
}

/// How many records there are.
pub(crate) fn size(connection: &Connection) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached("SELECT size FROM ledger")?;
    match statement.query_row([], |row| row.get(0)).optional()? {
        Some(size) => from_sql(size),
        None => Err(Failure::Store(StoreCode::StoreLogMismatch, "the store holds no log")),
    }
}

/// Writes what [`state`] reads.
fn set_state(connection: &Connection, state: &LedgerState) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE ledger SET size = ?1, hash = ?2, trust_version = ?3, trust_digest = ?4, policy = ?5, reconciled = ?6
         WHERE id = 0",
    )?;
    statement.execute(params![
        to_sql(state.head.size())?,
        state.head.hash().as_bytes(),
        state.trust.map(|trust| to_sql(trust.version)).transpose()?,
        state.trust.as_ref().map(|trust| trust.digest.as_bytes()),
        state.policy.as_ref().map(Digest::as_bytes),
        to_sql(state.reconciled)?,
    ])?;
    Ok(())
}

/// The log's end is where its head says. Whether the records before it are whole is for a verification to say.
pub(crate) fn check_head(connection: &Connection, head: &Head) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT seq, json FROM record ORDER BY seq DESC LIMIT 1")?;
    let last = statement
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let matches = match (last, head.known()) {
        (None, None) => true,
        (Some((seq, json)), Some(known)) => {
            from_sql(seq)? == known.seq() && json.contains(&format!(",\"ledgerHash\":\"{}\",", known.hash()))
        }
        _ => false,
    };
    if matches {
        Ok(())
    } else {
        Err(Failure::corrupt("the last record is not the one that the head names"))
    }
}

/// Whether the log holds what a witness saw of it. The witness was read before this connection's moment: what it saw was
/// durable by then.
pub(crate) fn check_witnessed(connection: &Connection, log: &Log, seen: &Witnessed) -> Result<(), Failure> {
    const BACK: Failure = Failure::Store(
        StoreCode::StoreRolledBack,
        "the log doesn't hold the record that the witness names",
    );
    if !seen.is_of(log) {
        return Err(Failure::Store(
            StoreCode::StoreLogMismatch,
            "the witness is that of another log",
        ));
    }
    let Some(seq) = seen.size.checked_sub(1) else {
        return Ok(());
    };
    let mut statement = connection.prepare_cached("SELECT json FROM record WHERE seq = ?1")?;
    let json: Option<String> = statement.query_row([to_sql(seq)?], |row| row.get(0)).optional()?;
    let is_there = match json {
        Some(json) => json.contains(&format!(",\"ledgerHash\":\"{}\",", seen.hash)),
        // What was taken out its signed head vouches for.
        None => {
            let first = state(connection)?.first;
            seen.size < first.size() || (seen.size == first.size() && seen.hash == first.hash())
        }
    };
    if is_there { Ok(()) } else { Err(BACK) }
}

fn find(connection: &Connection, action: &ActionKey) -> Result<Option<Issued>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT action_hash, seq, record, ledger_hash, pass, expires, audience, is_committed FROM issued
         WHERE action = ?1 AND tenant = ?2 AND agent = ?3",
    )?;
    let key = params![
        action_to_bytes(&action.action),
        action.tenant.as_str(),
        action.agent.as_str()
    ];
    let row = statement.query_row(key, |row| {
        let pass = (
            row.get::<_, [u8; 16]>(4)?,
            row.get::<_, i64>(5)?,
            row.get::<_, String>(6)?,
        );
        Ok((
            digest(row, 0)?,
            reference(row, 1)?,
            pass,
            row.get::<_, Option<bool>>(7)?,
        ))
    });
    let Some((action_hash, record, (pass, expires, audience), said)) = row.optional()? else {
        return Ok(None);
    };
    let record = checked(record)?;
    let token = side(connection, record.seq, SideKind::Token)?;
    let broken = |_| Failure::corrupt("an issued pass");
    let issued = Issued::new(
        action_hash,
        record,
        from_bytes(pass)?,
        UnixSeconds::new(from_sql(expires)?).ok_or_else(|| Failure::corrupt("an issued pass"))?,
        audience.parse().map_err(broken)?,
    );
    let token = token.map(String::from_utf8).transpose();
    let issued = issued.with_token(token.map_err(|_| Failure::corrupt("a token"))?);
    let is_committed = match said {
        Some(said) => said,
        None => is_committed(connection, issued.record.seq)?,
    };
    if !is_committed {
        return Ok(Some(issued));
    }
    let salt = side(connection, issued.record.seq, SideKind::Salt)?;
    let salt = salt.map(|salt| Salt::parse(&salt).ok_or_else(|| Failure::corrupt("a salt")));
    Ok(Some(issued.committed_by(salt.transpose()?)))
}

/// Whether the record of a decision has commitments in the place of hashes. It says so itself: the salt may be erased.
fn is_committed(connection: &Connection, seq: u64) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT json FROM record WHERE seq = ?1")?;
    let json: Option<String> = statement.query_row([to_sql(seq)?], |row| row.get(0)).optional()?;
    json.and_then(|json| StoredRecord::new(seq, json.into_bytes()).is_committed())
        .ok_or_else(|| Failure::corrupt("the record of an issued pass"))
}

/// What the store knows of what is asked for, in the moment of this state.
pub(crate) fn look_up(moment: &Connection, state: LedgerState, question: LookUp) -> Result<Known, Failure> {
    let mut known = Known::new(state);
    if let Some(action) = &question.action {
        known.issued = find(moment, action)?;
    }
    known.used = used_approvals(moment, question.approvals)?;
    let standing = |(key, now)| requests::standing(moment, &key, now);
    known.standing = question.request.map(standing).transpose()?;
    Ok(known)
}

/// Those of these approvals that are used.
fn used_approvals(connection: &Connection, approvals: Vec<ApprovalRef>) -> Result<Vec<ApprovalRef>, Failure> {
    let mut marked = connection.prepare_cached("SELECT 1 FROM approval WHERE id = ?1 AND approver = ?2")?;
    let mut used = Vec::new();
    for approval in approvals {
        if marked.exists(params![to_bytes(&approval.id)?, approval.approver.as_str()])? {
            used.push(approval);
        }
    }
    Ok(used)
}

/// A decision of which everything is done that needs neither the lock nor the log's end.
#[derive(Debug)]
pub(crate) struct Commit {
    call: DecisionCommit,
    record: PreparedRecord,
    /// The record of the end of what it supersedes.
    superseding: Option<PreparedRecord>,
    action: Vec<u8>,
    /// The pass of an allow, and when it expires.
    pass: Option<([u8; 16], i64)>,
    approvals: Vec<[u8; 16]>,
}

impl Commit {
    /// What the caller's thread does of a commit.
    pub(crate) fn prepare(log: &Log, call: DecisionCommit) -> Result<Self, Failure> {
        let pass = call
            .allow
            .as_ref()
            .map(|allow| Ok::<_, Failure>((to_bytes(&allow.pass)?, to_sql(allow.expires_at.get())?)));
        let approvals = call.allow.iter().flat_map(|allow| &allow.approvals);
        Ok(Self {
            record: PreparedRecord::new(log, &call.record),
            superseding: queue::superseding(log, &call),
            action: action_to_bytes(&call.action.action),
            pass: pass.transpose()?,
            approvals: approvals.map(|used| to_bytes(&used.id)).collect::<Result<_, _>>()?,
            call,
        })
    }
}

/// Records to be appended, as far as their caller's thread makes them.
#[derive(Debug)]
pub(crate) struct Append {
    records: Vec<Appended>,
    reconciled: Option<TrustRange>,
}

#[derive(Debug)]
struct Appended {
    draft: RecordDraft,
    record: PreparedRecord,
    revocation: Option<[u8; 16]>,
}

/// What becomes of one record of a batch.
enum Place {
    New(SealedRecord),
    Known(RecordRef),
}

impl Append {
    /// What the caller's thread does of an append.
    pub(crate) fn prepare(log: &Log, batch: Batch) -> Result<Self, Failure> {
        let (drafts, reconciled) = batch.into_parts();
        let prepare = |draft: RecordDraft| {
            Ok(Appended {
                record: PreparedRecord::new(log, &draft),
                revocation: draft.effects().revocation.as_ref().map(to_bytes).transpose()?,
                draft,
            })
        };
        Ok(Self {
            records: drafts.into_iter().map(prepare).collect::<Result<_, Failure>>()?,
            reconciled,
        })
    }

    pub(crate) fn erases(&self) -> bool {
        let erases = |record: &Appended| !record.draft.effects().erases.is_empty();
        self.records.iter().any(erases)
    }
}

/// The log and what belongs to its records, for the time of a transaction.
pub(crate) struct OpenLedger<'c> {
    connection: &'c Connection,
    /// As it was read.
    before: LedgerState,
    /// As it is now.
    state: LedgerState,
    /// What is kept of the tables, as it was read and as it is now.
    rows: (Rows, Rows),
    insert_record: CachedStatement<'c>,
    insert_side: CachedStatement<'c>,
    insert_issued: CachedStatement<'c>,
    insert_approval: CachedStatement<'c>,
}

impl<'c> OpenLedger<'c> {
    pub(crate) fn begin(connection: &'c Connection) -> Result<Self, Failure> {
        let before = state(connection)?;
        let rows = Rows::read(connection)?.unwrap_or_default();
        Ok(Self {
            connection,
            before,
            state: before,
            rows: (rows, rows),
            insert_record: connection.prepare_cached("INSERT INTO record (seq, json) VALUES (?1, ?2)")?,
            insert_side: connection.prepare_cached("INSERT OR REPLACE INTO side (slot, bytes) VALUES (?1, ?2)")?,
            insert_issued: connection.prepare_cached(
                "INSERT INTO issued
                 (action, tenant, agent, action_hash, seq, record, ledger_hash, pass, expires, audience)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
            )?,
            insert_approval: connection.prepare_cached(
                "INSERT INTO approval (id, approver, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?,
        })
    }

    /// Writes where the log ends now, and gives it if that changed.
    pub(crate) fn end(self) -> Result<Option<LedgerState>, Failure> {
        let (before, rows) = self.rows;
        if rows != before {
            rows.write(self.connection)?;
        }
        if self.state == self.before {
            return Ok(None);
        }
        set_state(self.connection, &self.state)?;
        Ok(Some(self.state))
    }

    /// Judges and writes a decision.
    pub(crate) fn commit(&mut self, commit: &Commit) -> Judged<CommitOutcome> {
        match &commit.call.queue {
            None => self.commit_alone(commit),
            Some(part) => self.commit_with(commit, part),
        }
    }

    /// Judges and writes a decision, whatever the queue has to say of it.
    ///
    /// That an id is new and an approval unused is found out by inserting them, which costs half of looking first; what
    /// was inserted before a refusal is taken out again.
    fn commit_alone(&mut self, commit: &Commit) -> Judged<CommitOutcome> {
        let call = &commit.call;
        let sealed = commit.record.seal(&self.state.head);
        let (Some(allow), Some(pass)) = (&call.allow, commit.pass) else {
            return match (self.taken(call)?, sealed) {
                (Some(outcome), _) => Ok(Ok(outcome)),
                (None, Ok(record)) if is_side_known(&call.record) => self.write_decision(record, &call.record),
                (None, Ok(_)) => Ok(Err(StoreError::new(StoreCode::StoreMisused))),
                (None, Err(error)) => Ok(Err(error)),
            };
        };
        if !is_side_known(&call.record) {
            return self.refused(call, Err(StoreError::new(StoreCode::StoreMisused)));
        }
        let relied = call.record.effects();
        let newest = relied.trust.map(|named| newest_trust(self.state.trust, named));
        let trust = match newest.transpose() {
            Ok(newest) => newest.or(self.state.trust),
            Err(newer) => return self.refused(call, Ok(CommitOutcome::TrustChanged(newer))),
        };
        if let Some(policy) = self.state.policy.filter(|policy| Some(*policy) != relied.policy) {
            return self.refused(call, Ok(CommitOutcome::PolicyChanged(policy)));
        }
        let record = match sealed {
            Ok(record) => record,
            Err(error) => return self.refused(call, Err(error)),
        };
        if !self.issue(commit, allow, pass, &record)? {
            return self.refused(call, Err(StoreError::new(StoreCode::StoreCorrupt)));
        }
        if let Some(used) = self.use_approvals(commit, allow, record.seq())? {
            let mut undo = self
                .connection
                .prepare_cached("DELETE FROM issued WHERE action = ?1 AND tenant = ?2 AND agent = ?3")?;
            undo.execute(params![
                commit.action,
                call.action.tenant.as_str(),
                call.action.agent.as_str()
            ])?;
            return Ok(Ok(CommitOutcome::ApprovalUsed(used)));
        }
        self.put_side(record.seq(), SideKind::Token, allow.token.as_bytes())?;
        self.rows.1.allowed(record.seq(), allow.approvals.len());
        self.state.trust = trust;
        self.write_decision(record, &call.record)
    }

    /// What a commit for an action that has its allow gives.
    fn taken(&self, call: &DecisionCommit) -> Result<Option<CommitOutcome>, Failure> {
        let issued = find(self.connection, &call.action)?;
        Ok(issued.map(|issued| CommitOutcome::AlreadyIssued(Box::new(issued))))
    }

    /// A refusal, unless the action has its allow: that is looked at first.
    fn refused(&self, call: &DecisionCommit, otherwise: Result<CommitOutcome, StoreError>) -> Judged<CommitOutcome> {
        Ok(self.taken(call)?.map_or(otherwise, Ok))
    }

    /// Takes an action's one place; `false` if it is taken.
    fn issue(
        &mut self,
        commit: &Commit,
        allow: &Allow,
        (pass, expires): ([u8; 16], i64),
        record: &SealedRecord,
    ) -> Result<bool, Failure> {
        let key = &commit.call.action;
        let inserted = self.insert_issued.execute(params![
            commit.action,
            key.tenant.as_str(),
            key.agent.as_str(),
            commit.call.action_hash.as_bytes(),
            to_sql(record.seq())?,
            to_bytes(record.id())?,
            record.ledger_hash().as_bytes(),
            pass,
            expires,
            allow.audience.as_str(),
        ])?;
        Ok(inserted == 1)
    }

    /// Marks approvals used: all of them, or none and the one that was used before.
    fn use_approvals(&mut self, commit: &Commit, allow: &Allow, seq: u64) -> Result<Option<ApprovalRef>, Failure> {
        let seq = to_sql(seq)?;
        let approvals = || commit.approvals.iter().zip(&allow.approvals);
        for (index, (id, approval)) in approvals().enumerate() {
            if self
                .insert_approval
                .execute(params![id, approval.approver.as_str(), seq])?
                == 1
            {
                continue;
            }
            let mut unmark = self
                .connection
                .prepare_cached("DELETE FROM approval WHERE id = ?1 AND approver = ?2")?;
            for (id, marked) in approvals().take(index) {
                unmark.execute(params![id, marked.approver.as_str()])?;
            }
            return Ok(Some(approval.clone()));
        }
        Ok(None)
    }

    /// Appends records and lets them take effect: all of them, or none if one can't be written.
    pub(crate) fn append(&mut self, append: &Append) -> Judged<Vec<AppendOutcome>> {
        let places = match self.place(append)? {
            Ok(places) => places,
            Err(error) => return Ok(Err(error)),
        };
        let mut outcomes = Vec::with_capacity(places.len());
        for (appended, place) in append.records.iter().zip(places) {
            outcomes.push(match place {
                Place::New(record) => AppendOutcome::Appended(self.write_record(appended, record)?),
                Place::Known(record) => AppendOutcome::AlreadyRecorded(record),
            });
        }
        if let Some(range) = append.reconciled {
            self.state.reconciled = range.advance(self.state.reconciled);
        }
        Ok(Ok(outcomes))
    }

    /// Seals every record of a batch before one of them is written: one that can't be leaves nothing to be undone.
    fn place(&self, append: &Append) -> Judged<Vec<Place>> {
        let mut head = self.state.head;
        let mut revoked: HashMap<[u8; 16], RecordRef> = HashMap::new();
        let mut places = Vec::with_capacity(append.records.len());
        for appended in &append.records {
            if let Err(refused) = self.check_erasure(&appended.draft)? {
                return Ok(Err(refused));
            }
            if let Some(id) = &appended.revocation {
                let known = match revoked.get(id) {
                    Some(record) => Some(record.clone()),
                    None => self.recorded(id)?,
                };
                if let Some(record) = known {
                    places.push(Place::Known(record));
                    continue;
                }
            }
            // The outcome of a pass is reported, so that there is one.
            let effects = appended.draft.effects();
            if !is_side_known(&appended.draft) || effects.outcome.is_some() || effects.is_of_the_beginning() {
                return Ok(Err(StoreError::new(StoreCode::StoreMisused)));
            }
            let record = match appended.record.seal(&head) {
                Ok(record) => record,
                Err(error) => return Ok(Err(error)),
            };
            head = record.head();
            if let Some(id) = appended.revocation {
                revoked.insert(id, record.to_ref());
            }
            places.push(Place::New(record));
        }
        Ok(Ok(places))
    }

    /// The record of a revocation.
    fn recorded(&self, id: &[u8; 16]) -> Result<Option<RecordRef>, Failure> {
        let mut known = self
            .connection
            .prepare_cached("SELECT seq, record, ledger_hash FROM revocation WHERE id = ?1")?;
        let row = known.query_row([id], |row| reference(row, 0)).optional()?;
        row.map(checked).transpose()
    }

    fn write_record(&mut self, appended: &Appended, record: SealedRecord) -> Result<SealedRecord, Failure> {
        let record = self.write(record, &appended.draft)?;
        let effects = appended.draft.effects();
        if appended.draft.kind() != RecordKind::Decision {
            if let Some(Ok(newest)) = effects.trust.map(|named| newest_trust(self.state.trust, named)) {
                self.state.trust = Some(newest);
            }
            self.state.policy = effects.policy.or(self.state.policy);
        }
        if let Some(id) = &appended.revocation {
            let mut recorded = self
                .connection
                .prepare_cached("INSERT INTO revocation (id, seq, record, ledger_hash) VALUES (?1, ?2, ?3, ?4)")?;
            recorded.execute(params![
                id,
                to_sql(record.seq())?,
                to_bytes(record.id())?,
                record.ledger_hash().as_bytes()
            ])?;
            self.rows.1.revoked(record.seq());
        }
        if let Some((issuer, pass)) = &effects.used {
            self.keep_use(issuer, pass, record.seq())?;
        }
        for seq in &effects.erases {
            // A number that no record can have has no side data.
            if let Some(first) = slot(*seq, SideKind::Payload) {
                let mut erase = self
                    .connection
                    .prepare_cached("DELETE FROM side WHERE slot BETWEEN ?1 AND ?1 + 7")?;
                erase.execute([first])?;
                requests::erase(self.connection, *seq, record.seq(), appended.draft.time())?;
            }
        }
        Ok(record)
    }

    fn write_decision(&mut self, record: SealedRecord, draft: &RecordDraft) -> Judged<CommitOutcome> {
        Ok(Ok(CommitOutcome::Committed(self.write(record, draft)?)))
    }

    /// Puts a sealed record at the end of the log, and its side data beside it.
    fn write(&mut self, record: SealedRecord, draft: &RecordDraft) -> Result<SealedRecord, Failure> {
        let json = std::str::from_utf8(record.json()).map_err(|_| Failure::corrupt("a record"))?;
        self.insert_record.execute(params![to_sql(record.seq())?, json])?;
        for (kind, bytes) in draft.side() {
            self.put_side(record.seq(), *kind, bytes)?;
        }
        self.state.head = record.head();
        Ok(record)
    }

    fn put_side(&mut self, seq: u64, kind: SideKind, bytes: &[u8]) -> Result<(), Failure> {
        let slot = slot(seq, kind).ok_or_else(|| Failure::corrupt("a kind of side data"))?;
        self.insert_side.execute(params![slot, bytes])?;
        Ok(())
    }
}

/// Whether this release has a place for all of a record's side data.
fn is_side_known(draft: &RecordDraft) -> bool {
    draft.side().iter().all(|(kind, _)| slot(0, *kind).is_some())
}

pub(crate) fn side(connection: &Connection, seq: u64, kind: SideKind) -> Result<Option<Vec<u8>>, Failure> {
    let Some(slot) = slot(seq, kind) else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT bytes FROM side WHERE slot = ?1")?;
    Ok(statement.query_row([slot], |row| row.get(0)).optional()?)
}

/// The records from `seq` on that have side data.
pub(crate) fn sided(connection: &Connection, seq: u64, limit: usize) -> Result<Vec<u64>, Failure> {
    // Beyond what SQLite counts to there are no records.
    let (Some(slot), Ok(seq)) = (slot(seq, SideKind::Payload), i64::try_from(seq)) else {
        return Ok(Vec::new());
    };
    // Each in the order of its key, so that no more is read than is asked for.
    const BESIDE_RECORDS: &str = "SELECT slot / 8 FROM side WHERE slot >= ?1 ORDER BY slot";
    const BESIDE_REQUESTS: &str = "SELECT request FROM request_side WHERE request >= ?1 ORDER BY request, place";
    let mut records = distinct(connection, BESIDE_RECORDS, slot, limit)?;
    records.append(&mut distinct(connection, BESIDE_REQUESTS, seq, limit)?);
    records.sort_unstable();
    records.dedup();
    records.truncate(limit);
    Ok(records)
}

/// The first so many different numbers of a query that gives them in their order.
fn distinct(connection: &Connection, query: &str, from: i64, limit: usize) -> Result<Vec<u64>, Failure> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([from])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let record = from_sql(row.get(0)?)?;
        if found.last() != Some(&record) {
            if found.len() == limit {
                break;
            }
            found.push(record);
        }
    }
    Ok(found)
}

/// Where side data is kept: 8 places for each record.
fn slot(seq: u64, kind: SideKind) -> Option<i64> {
    let number = side_number(kind)?;
    i64::try_from(seq).ok()?.checked_mul(8)?.checked_add(number.into())
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get::<_, [u8; 32]>(column).map(Digest::from_bytes)
}

/// `seq`, `record` and `ledger_hash` as they stand in a row, from a column on.
type Reference = (i64, [u8; 16], Digest);

fn reference(row: &Row<'_>, column: usize) -> rusqlite::Result<Reference> {
    let next = |places: usize| column.saturating_add(places);
    Ok((row.get(column)?, row.get(next(1))?, digest(row, next(2))?))
}

fn checked((seq, id, ledger_hash): Reference) -> Result<RecordRef, Failure> {
    Ok(RecordRef {
        seq: from_sql(seq)?,
        id: from_bytes(id)?,
        ledger_hash,
    })
}
