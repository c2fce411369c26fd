//! [`OpenLedger`]: decisions and records, judged in memory by what one moment of the database says.
//!
//! Everything that is judged follows from rows that no process changes without moving the head. So a batch reads the head
//! and what its calls ask for, judges them one after the other, and writes with a compare-and-set of that head: where it
//! holds, nothing of what was read has changed.

use std::collections::{HashMap, HashSet};

use actionpass_model::{RecordKind, RevocationId, TrustEvidence, UnixSeconds};
use actionpass_store::ledger::{Head, Log, PreparedRecord, RecordDraft, RecordRef, Salt, SealedRecord};
use actionpass_store::{
    Allow, AppendOutcome, Batch, CommitOutcome, DecisionCommit, Issued, LedgerState, QueuePart, Report, Reported,
    RequestPart, SideKind, StoreCode, StoreError, TrustRange, newest_trust,
};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::facts::{Facts, Questions};
use crate::session::{Params, Session, digest, from_sql, get, maybe, number, to_digest, to_sql};
use crate::writes::{Sent, Writes, kind};

/// What one call gives: its own error leaves the others of its batch alone, a [`Failure`] fails them all.
pub(crate) type Judged<T> = Result<T, StoreError>;

/// The row of the head. Held, it stays as it is until the transaction ends.
macro_rules! head {
    ($held:literal) => {
        concat!(
            "SELECT origin, issuer, revision, size, hash, trust_version, trust_digest, policy, reconciled, restored,
        issued_rows, approval_rows, revocation_rows, last_allow, last_approved, last_revoked,
        request_rows, request_unended, request_changes, last_opened, last_changed,
        current_setting('synchronous_commit'), current_setting('fsync'), actionpass.now_millis(),
        first, first_hash, archived
    FROM actionpass.ledger",
            $held
        )
    };
}
/// The fence: moves the head from where it was read, or divides by zero, so that nothing behind it is done.
macro_rules! fence {
    ($told:literal) => {
        concat!(
            "WITH moved AS (
    UPDATE actionpass.ledger SET revision = revision + 1, size = $4, hash = $5, trust_version = $6, trust_digest = $7,
        policy = $8, reconciled = $9, issued_rows = $10, approval_rows = $11, revocation_rows = $12, last_allow = $13,
        last_approved = $14, last_revoked = $15, request_rows = $16, request_unended = $17, request_changes = $18,
        last_opened = $19, last_changed = $20
    WHERE revision = $1 AND size = $2 AND hash = $3 RETURNING 1)
    SELECT 1 / count(*)",
            $told,
            " FROM moved"
        )
    };
}
const MOVE: &str = fence!("");
/// The same, and those who listen are told. That costs a commit time, so what nobody waits for is left to their looking.
const MOVE_AND_TELL: &str = fence!(", pg_notify('actionpass', $4::bigint::text)");
pub(crate) const RECORD: &str = "SELECT json FROM actionpass.record WHERE seq = $1";

/// How far the clock of a front end may be from the database's.
const CLOCKS_APART_MILLIS: u64 = 30_000;

/// What is kept of the tables that belong to the log: how many rows each has, and the records that wrote the last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) issued: u64,
    pub(crate) approvals: u64,
    pub(crate) revocations: u64,
    pub(crate) last_allow: Option<u64>,
    pub(crate) last_approved: Option<u64>,
    pub(crate) last_revoked: Option<u64>,
    pub(crate) requests: u64,
    /// Requests that nothing ended.
    pub(crate) unended: u64,
    pub(crate) changes: u64,
    pub(crate) last_opened: Option<u64>,
    pub(crate) last_changed: Option<u64>,
}

/// The row of the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadRow {
    pub(crate) state: LedgerState,
    pub(crate) counts: Counts,
    pub(crate) revision: u64,
    /// The record that says where the log begins.
    pub(crate) archived: Option<u64>,
}

/// Which statement reads the head.
pub(crate) const fn head_statement(is_held: bool) -> &'static str {
    if is_held { head!(" FOR UPDATE") } else { head!("") }
}

impl HeadRow {
    /// The head, if it is that of this log, and what is committed now will outlive the loss of power.
    pub(crate) fn read(row: Option<Row>, log: Option<&Log>) -> Result<Self, Failure> {
        let mismatch = |problem| Failure::new(StoreCode::StoreLogMismatch, problem);
        let row = row.ok_or_else(|| mismatch("the store holds no log"))?;
        let (origin, issuer): (String, String) = (get(&row, 0)?, get(&row, 1)?);
        if log.is_some_and(|log| log.origin().as_str() != origin || log.issuer().as_str() != issuer) {
            return Err(mismatch("the database holds another log than before"));
        }
        let trust = match (maybe(&row, 5)?, get::<Option<Vec<u8>>>(&row, 6)?) {
            (Some(version), Some(digest)) => Some(TrustEvidence {
                version,
                digest: to_digest(&digest)?,
            }),
            _ => None,
        };
        let mut state = LedgerState::new(Head::new(number(&row, 3)?, digest(&row, 4)?));
        state.first = match (number(&row, 24)?, get::<Option<Vec<u8>>>(&row, 25)?) {
            (0, None) => Head::EMPTY,
            (first @ 1.., Some(hash)) => Head::new(first, to_digest(&hash)?),
            _ => return Err(Failure::corrupt("where the log begins")),
        };
        state.trust = trust;
        state.policy = get::<Option<Vec<u8>>>(&row, 7)?
            .map(|bytes| to_digest(&bytes))
            .transpose()?;
        state.reconciled = number(&row, 8)?;
        let time = |seconds| UnixSeconds::new(seconds).ok_or_else(|| Failure::corrupt("a time"));
        state.restored = maybe(&row, 9)?.map(time).transpose()?;
        let counts = Counts {
            issued: number(&row, 10)?,
            approvals: number(&row, 11)?,
            revocations: number(&row, 12)?,
            last_allow: maybe(&row, 13)?,
            last_approved: maybe(&row, 14)?,
            last_revoked: maybe(&row, 15)?,
            requests: number(&row, 16)?,
            unended: number(&row, 17)?,
            changes: number(&row, 18)?,
            last_opened: maybe(&row, 19)?,
            last_changed: maybe(&row, 20)?,
        };
        Ok(Self {
            state,
            counts,
            revision: number(&row, 2)?,
            archived: maybe(&row, 26)?,
        })
    }

    /// That what is committed in this session outlives the loss of power, and that the clocks agree.
    pub(crate) fn check_writable(row: &Row) -> Result<(), Failure> {
        check_durable(&get::<String>(row, 21)?, &get::<String>(row, 22)?)?;
        check_clock(from_sql(get(row, 23)?)?)
    }
}

/// That a commit waits for the disk, here and where a replica is to have it.
pub(crate) fn check_durable(synchronous_commit: &str, fsync: &str) -> Result<(), Failure> {
    if matches!(synchronous_commit, "on" | "remote_apply") && fsync == "on" {
        return Ok(());
    }
    let problem = format!("synchronous_commit is {synchronous_commit} and fsync is {fsync}; both must be on");
    Err(Failure::new(StoreCode::StoreNotDurable, problem))
}

/// That the clock of this machine is near the database's, by which others judge.
pub(crate) fn check_clock(database_millis: u64) -> Result<(), Failure> {
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let here = here.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let apart = here.abs_diff(database_millis);
    if apart <= CLOCKS_APART_MILLIS {
        return Ok(());
    }
    let problem = format!("this machine's clock and the database's are {} s apart", apart / 1000);
    Err(Failure::new(StoreCode::StoreClockOff, problem))
}

/// A decision of which everything is done that doesn't need the log's end.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) call: DecisionCommit,
    record: PreparedRecord,
    /// The record of the end of what it supersedes.
    superseding: Option<PreparedRecord>,
}

impl Commit {
    /// What the caller's thread does of a commit.
    pub(crate) fn prepare(log: &Log, call: DecisionCommit) -> Self {
        let change = call.queue.as_ref().and_then(|part| part.supersedes.as_ref());
        let superseding = change.map(|change| PreparedRecord::new(log, &change.record));
        Self {
            record: PreparedRecord::new(log, &call.record),
            superseding,
            call,
        }
    }

    /// The part that the queue has in it, where more is asked of the queue than whether something stands against the call.
    pub(crate) fn queue_part(&self) -> Option<&QueuePart> {
        let needs = |part: &&QueuePart| {
            part.supersedes.is_some() || !matches!(part.request, RequestPart::None | RequestPart::Apart)
        };
        self.call.queue.as_ref().filter(needs)
    }

    pub(crate) fn ask(&self, questions: &mut Questions) {
        questions.actions.push(self.call.action.clone());
        if let Some(allow) = &self.call.allow {
            questions.approvals.extend_from_slice(&allow.approvals);
        }
        if let Some(part) = &self.call.queue
            && matches!(part.request, RequestPart::None)
        {
            questions.keys.push((part.key.clone(), self.call.record.time()));
        }
    }
}

/// Records to be appended, as far as their caller's thread makes them.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) records: Vec<(RecordDraft, PreparedRecord)>,
    reconciled: Option<TrustRange>,
}

impl Append {
    /// What the caller's thread does of an append.
    pub(crate) fn prepare(log: &Log, batch: Batch) -> Self {
        let (drafts, reconciled) = batch.into_parts();
        let prepare = |draft: RecordDraft| {
            let record = PreparedRecord::new(log, &draft);
            (draft, record)
        };
        Self {
            records: drafts.into_iter().map(prepare).collect(),
            reconciled,
        }
    }

    /// The records whose side data goes, with the time of that.
    pub(crate) fn erases(&self) -> bool {
        self.records.iter().any(|(draft, _)| !draft.effects().erases.is_empty())
    }

    pub(crate) fn ask(&self, questions: &mut Questions) {
        let revocations = self
            .records
            .iter()
            .filter_map(|(draft, _)| draft.effects().revocation.clone());
        questions.revocations.extend(revocations);
    }
}

/// A report, with its record as far as its caller's thread makes it.
#[derive(Debug)]
pub(crate) struct ReportCall {
    pub(crate) call: Report,
    record: PreparedRecord,
}

impl ReportCall {
    pub(crate) fn prepare(log: &Log, call: Report) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

/// What stands against a commit, once nothing else does: what it gives in place of its record.
pub(crate) type Obstacle = Result<CommitOutcome, StoreError>;

/// The ledger inside of a transaction: its head as it was read and as it is, what is known, what is to be written.
#[derive(Debug)]
pub(crate) struct OpenLedger<'a> {
    log: &'a Log,
    before: HeadRow,
    pub(crate) state: LedgerState,
    pub(crate) counts: Counts,
    pub(crate) facts: Facts,
    pub(crate) writes: Writes,
}

/// What becomes of one record of a batch.
enum Place {
    New(SealedRecord),
    Known(RecordRef),
}

impl<'a> OpenLedger<'a> {
    pub(crate) fn new(log: &'a Log, before: HeadRow) -> Self {
        Self {
            log,
            before,
            state: before.state,
            counts: before.counts,
            facts: Facts::default(),
            writes: Writes::default(),
        }
    }

    /// Whether somebody may wait for what is to be written: parked calls and pages for requests, others for what is revoked, trusted or
    /// in force.
    fn is_awaited(&self) -> bool {
        let of = |state: LedgerState, counts: Counts| (counts.changes, counts.revocations, state.trust, state.policy);
        of(self.state, self.counts) != of(self.before.state, self.before.counts)
    }

    /// Whether anything is to be written.
    pub(crate) fn is_changed(&self) -> bool {
        self.state != self.before.state || self.counts != self.before.counts
    }

    /// Moves the head and writes what is still to be written, and commits.
    pub(crate) async fn commit_all(&mut self, session: &Session) -> Result<(), Failure> {
        let fence = if self.is_awaited() { MOVE_AND_TELL } else { MOVE };
        let statement = session.prepare(fence).await?;
        let (before, state, counts) = (self.before, self.state, self.counts);
        let some = |number: Option<u64>| number.map(to_sql).transpose();
        let head = (
            [
                to_sql(before.revision)?,
                to_sql(before.state.head.size())?,
                to_sql(state.head.size())?,
                to_sql(state.reconciled)?,
            ],
            [
                before.state.head.hash().as_bytes().to_vec(),
                state.head.hash().as_bytes().to_vec(),
            ],
            state.trust.map(|trust| to_sql(trust.version)).transpose()?,
            state.trust.map(|trust| trust.digest.as_bytes().to_vec()),
            state.policy.map(|policy| policy.as_bytes().to_vec()),
            [
                to_sql(counts.issued)?,
                to_sql(counts.approvals)?,
                to_sql(counts.revocations)?,
                to_sql(counts.requests)?,
                to_sql(counts.unended)?,
                to_sql(counts.changes)?,
            ],
            [
                some(counts.last_allow)?,
                some(counts.last_approved)?,
                some(counts.last_revoked)?,
                some(counts.last_opened)?,
                some(counts.last_changed)?,
            ],
        );
        let moved: Sent<'_> = Box::pin(async {
            let (numbers, hashes, trust_version, trust_digest, policy, rows, last) = &head;
            let [revision, was, size, reconciled] = numbers;
            let [hash_was, hash] = hashes;
            let [issued, approvals, revocations, requests, unended, changes] = rows;
            let [allow, approved, revoked, opened, changed] = last;
            let with: Params<'_> = &[
                revision,
                was,
                hash_was,
                size,
                hash,
                trust_version,
                trust_digest,
                policy,
                reconciled,
                issued,
                approvals,
                revocations,
                allow,
                approved,
                revoked,
                requests,
                unended,
                changes,
                opened,
                changed,
            ];
            session.rows(&statement, with).await.map(|rows| rows.len() as u64)
        });
        self.writes.flush(session, vec![moved], Some("COMMIT")).await
    }

    /// Judges a decision, and writes it unless something stands against it.
    ///
    /// `ended` says that the record of what it supersedes stands in front; its number is given with the outcome.
    pub(crate) fn commit(
        &mut self,
        commit: &Commit,
        obstacle: Option<Obstacle>,
    ) -> Result<(Judged<CommitOutcome>, Option<u64>), Failure> {
        match self.judge(commit, obstacle) {
            Ok((superseding, record)) => {
                let seq = superseding.as_ref().map(SealedRecord::seq);
                if let (Some(record), Some(part)) = (superseding, &commit.call.queue)
                    && let Some(change) = &part.supersedes
                {
                    self.write(&record, &change.record)?;
                }
                let record = self.write_decision(commit, record)?;
                Ok((Ok(CommitOutcome::Committed(record)), seq))
            }
            Err(refused) => Ok((refused, None)),
        }
    }

    /// The records of a decision, or what it gives instead.
    fn judge(
        &mut self,
        commit: &Commit,
        obstacle: Option<Obstacle>,
    ) -> Result<(Option<SealedRecord>, SealedRecord), Judged<CommitOutcome>> {
        let call = &commit.call;
        if let Some(issued) = self.facts.issued.get(&call.action) {
            return Err(Ok(CommitOutcome::AlreadyIssued(Box::new(issued.clone()))));
        }
        let misused = || Err(StoreError::new(StoreCode::StoreMisused));
        if !is_side_known(&call.record) {
            return Err(misused());
        }
        let mut trust = self.state.trust;
        if let Some(allow) = &call.allow {
            let relied = call.record.effects();
            match relied.trust.map(|named| newest_trust(self.state.trust, named)) {
                Some(Ok(newest)) => trust = Some(newest),
                Some(Err(newer)) => return Err(Ok(CommitOutcome::TrustChanged(newer))),
                None => {}
            }
            if let Some(policy) = self.state.policy.filter(|policy| Some(*policy) != relied.policy) {
                return Err(Ok(CommitOutcome::PolicyChanged(policy)));
            }
            let mut seen = HashSet::new();
            for approval in &allow.approvals {
                if !seen.insert(approval) || self.facts.used.contains(approval) {
                    return Err(Ok(CommitOutcome::ApprovalUsed(approval.clone())));
                }
            }
        }
        let is_obstructed = |part: &QueuePart| {
            matches!(part.request, RequestPart::None)
                && self.facts.obstructed.contains(&(part.key.clone(), call.record.time()))
        };
        if let Some(obstacle) = obstacle {
            return Err(obstacle);
        }
        if commit.queue_part().is_none() && call.queue.as_ref().is_some_and(is_obstructed) {
            return Err(Ok(CommitOutcome::RequestMoved));
        }
        let mut head = self.state.head;
        let superseding = match (&commit.superseding, &call.queue) {
            (Some(record), Some(part)) => {
                let fits = |draft: &RecordDraft| draft.kind() == RecordKind::Request && is_side_known(draft);
                if !part.supersedes.as_ref().is_some_and(|change| fits(&change.record)) {
                    return Err(misused());
                }
                let record = record.seal(&head).map_err(Err)?;
                head = record.head();
                Some(record)
            }
            _ => None,
        };
        let record = commit.record.seal(&head).map_err(Err)?;
        self.state.trust = trust;
        Ok((superseding, record))
    }

    fn write_decision(&mut self, commit: &Commit, record: SealedRecord) -> Result<SealedRecord, Failure> {
        let call = &commit.call;
        self.write(&record, &call.record)?;
        if let Some(allow) = &call.allow {
            self.issue(call, allow, &record)?;
        }
        Ok(record)
    }

    /// What an allow writes beside its record.
    fn issue(&mut self, call: &DecisionCommit, allow: &Allow, record: &SealedRecord) -> Result<(), Failure> {
        let seq = record.seq();
        self.writes
            .side(seq, SideKind::Token, allow.token.clone().into_bytes())?;
        let mut issued = Issued::new(
            call.action_hash,
            record.to_ref(),
            allow.pass.clone(),
            allow.expires_at,
            allow.audience.clone(),
        )
        .with_token(Some(allow.token.clone()));
        let salt = call.record.side().iter().find(|(kind, _)| *kind == SideKind::Salt);
        if let Some((_, salt)) = salt {
            issued = issued.committed_by(Salt::parse(salt));
        }
        self.writes.issued(call, &issued)?;
        self.facts.issued.insert(call.action.clone(), issued);
        for approval in &allow.approvals {
            self.writes.approval(approval, seq)?;
            self.facts.used.insert(approval.clone());
        }
        self.counts.issued = self.counts.issued.saturating_add(1);
        self.counts.last_allow = Some(seq);
        if !allow.approvals.is_empty() {
            self.counts.approvals = self.counts.approvals.saturating_add(allow.approvals.len() as u64);
            self.counts.last_approved = Some(seq);
        }
        Ok(())
    }

    /// Appends records and lets them take effect: all of them, or none if one can't be written. What they erase is the
    /// caller's.
    pub(crate) fn append(&mut self, append: &Append) -> Result<Judged<Vec<AppendOutcome>>, Failure> {
        let places = match self.place(append) {
            Ok(places) => places,
            Err(error) => return Ok(Err(error)),
        };
        let mut outcomes = Vec::with_capacity(places.len());
        for ((draft, _), place) in append.records.iter().zip(places) {
            outcomes.push(match place {
                Place::New(record) => {
                    self.write(&record, draft)?;
                    self.take_effect(draft, &record)?;
                    AppendOutcome::Appended(record)
                }
                Place::Known(record) => AppendOutcome::AlreadyRecorded(record),
            });
        }
        if let Some(range) = append.reconciled {
            self.state.reconciled = range.advance(self.state.reconciled);
        }
        Ok(Ok(outcomes))
    }

    /// Seals every record of a batch before one of them is written: one that can't be leaves nothing to be undone.
    fn place(&self, append: &Append) -> Result<Vec<Place>, StoreError> {
        let mut head = self.state.head;
        let mut revoked: HashMap<&RevocationId, RecordRef> = HashMap::new();
        let mut places = Vec::with_capacity(append.records.len());
        for (draft, prepared) in &append.records {
            let revocation = draft.effects().revocation.as_ref();
            let known = revocation.and_then(|id| revoked.get(id).or_else(|| self.facts.revoked.get(id)));
            if let Some(record) = known {
                places.push(Place::Known(record.clone()));
                continue;
            }
            // The outcome of a pass is reported, so that there is one.
            let effects = draft.effects();
            if !is_side_known(draft) || effects.outcome.is_some() || effects.is_of_the_beginning() {
                return Err(StoreError::new(StoreCode::StoreMisused));
            }
            let record = prepared.seal(&head)?;
            head = record.head();
            if let Some(id) = revocation {
                revoked.insert(id, record.to_ref());
            }
            places.push(Place::New(record));
        }
        Ok(places)
    }

    /// That the record of a use can be written.
    pub(crate) fn check_use(&self, append: &Append) -> Judged<()> {
        if append.records.iter().any(|(draft, _)| draft.kind() != RecordKind::Use) {
            return Err(StoreError::new(StoreCode::StoreMisused));
        }
        self.place(append).map(drop)
    }

    fn take_effect(&mut self, draft: &RecordDraft, record: &SealedRecord) -> Result<(), Failure> {
        let effects = draft.effects();
        if draft.kind() != RecordKind::Decision {
            if let Some(Ok(newest)) = effects.trust.map(|named| newest_trust(self.state.trust, named)) {
                self.state.trust = Some(newest);
            }
            self.state.policy = effects.policy.or(self.state.policy);
        }
        if let Some(id) = &effects.revocation {
            self.writes.revocation(id, record)?;
            self.facts.revoked.insert(id.clone(), record.to_ref());
            self.counts.revocations = self.counts.revocations.saturating_add(1);
            self.counts.last_revoked = Some(record.seq());
        }
        if let Some((issuer, pass)) = &effects.used {
            self.writes.used(self.log.issuer(), issuer, pass, record.seq())?;
        }
        Ok(())
    }

    /// Appends the record of an outcome, if nothing else was reported than the report knows.
    pub(crate) fn report(&mut self, call: &ReportCall) -> Result<Judged<Reported>, Failure> {
        let report = &call.call;
        if let Err(misused) = report.check_record() {
            return Ok(Err(misused));
        }
        let Some(used) = self.facts.reported.get(&report.pass).copied() else {
            return Ok(Ok(Reported::Unused));
        };
        if !used.takes(report) {
            return Ok(Ok(Reported::Moved(used)));
        }
        let record = match self.append_one(RecordKind::Outcome, &report.record, &call.record)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let used = used.with_report(record.seq());
        self.writes.reported(&report.pass, &used)?;
        self.facts.reported.insert(report.pass.clone(), used);
        Ok(Ok(Reported::Recorded(record)))
    }

    /// Appends a record, which must be of this kind.
    pub(crate) fn append_one(
        &mut self,
        kind: RecordKind,
        draft: &RecordDraft,
        record: &PreparedRecord,
    ) -> Result<Judged<SealedRecord>, Failure> {
        if draft.kind() != kind || !is_side_known(draft) {
            return Ok(Err(StoreError::new(StoreCode::StoreMisused)));
        }
        let record = match record.seal(&self.state.head) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        self.write(&record, draft)?;
        Ok(Ok(record))
    }

    /// Puts a sealed record at the end of the log, and its side data beside it.
    fn write(&mut self, record: &SealedRecord, draft: &RecordDraft) -> Result<(), Failure> {
        self.writes.record(record, draft)?;
        self.state.head = record.head();
        Ok(())
    }
}

/// Whether this release has a place for all of a record's side data.
fn is_side_known(draft: &RecordDraft) -> bool {
    draft.side().iter().all(|(side, _)| kind(*side).is_some())
}
