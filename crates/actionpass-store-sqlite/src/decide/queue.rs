//! What decisions and people do to approval requests, inside of a transaction.

use actionpass_model::{DecisionRef, RecordKind};
use actionpass_queue::Step;
use actionpass_store::backend::{Lift, Plan, QueueCall, Refused, Stepped, Then};
use actionpass_store::ledger::{Log, PreparedRecord, RecordDraft, SealedRecord};
use actionpass_store::{
    Change, ChangeOutcome, CommitOutcome, DecisionCommit, Found, Obstacle, QueuePart, RequestPart, SideKind, StoreCode,
    StoreError, VoteToken,
};
use rusqlite::Connection;

use super::{Commit, Judged, OpenLedger, is_side_known};
use crate::error::Failure;
use crate::requests::{self, ErasureRefused};

/// The record of the end of what a decision supersedes, as far as its caller's thread makes it.
pub(super) fn superseding(log: &Log, call: &DecisionCommit) -> Option<PreparedRecord> {
    let change = call.queue.as_ref()?.supersedes.as_ref()?;
    Some(PreparedRecord::new(log, &change.record))
}

/// What a plan gives: itself, or what the call gives in its place.
type Planned<'a> = Result<Plan<'a>, Result<CommitOutcome, StoreError>>;

impl OpenLedger<'_> {
    /// Judges and writes a decision together with what it does to the queue.
    ///
    /// The record of what is superseded stands in front of the decision's, whose checks come first: so both are written to a
    /// savepoint, and taken back unless everything holds.
    pub(super) fn commit_with(&mut self, commit: &Commit, part: &QueuePart) -> Judged<CommitOutcome> {
        if let Err(misused) = part.check_record(&commit.call.record) {
            return Ok(Err(misused));
        }
        let plan = self.plan(commit, part)?;
        let (state, rows) = (self.state, self.rows);
        run(self.connection, "SAVEPOINT decision")?;
        let outcome = match (self.commit_planned(commit, part, &plan)?, plan) {
            // The decision alone would have been recorded.
            (Ok(CommitOutcome::Committed(_)), Err(refused)) => refused,
            (outcome, _) => outcome,
        };
        if !matches!(outcome, Ok(CommitOutcome::Committed(_))) {
            run(self.connection, "ROLLBACK TO decision")?;
            (self.state, self.rows) = (state, rows);
        }
        run(self.connection, "RELEASE decision")?;
        Ok(outcome)
    }

    fn commit_planned(&mut self, commit: &Commit, part: &QueuePart, plan: &Planned<'_>) -> Judged<CommitOutcome> {
        let Ok(plan) = plan else {
            return self.commit_alone(commit);
        };
        if let (Some(ended), Some(change), Some(record)) = (&plan.ended, &part.supersedes, &commit.superseding) {
            let record = match self.append_one(RecordKind::Request, &change.record, record)? {
                Ok(record) => record,
                Err(error) => return Ok(Err(error)),
            };
            self.put(ended, record.seq(), None)?;
        }
        let outcome = self.commit_alone(commit)?;
        let Ok(CommitOutcome::Committed(record)) = &outcome else {
            return Ok(outcome);
        };
        match &plan.then {
            Then::Nothing => {}
            Then::Settle(settled) => self.put(settled, record.seq(), None)?,
            Then::Open(open) => {
                let mut stored = open.request.clone();
                stored.request.decision = DecisionRef {
                    seq: record.seq(),
                    id: record.id().clone(),
                };
                let side = commit.call.record.side();
                let is_committed = side.iter().any(|(kind, _)| *kind == SideKind::Salt);
                requests::insert(self.connection, &stored, open.client.as_ref(), is_committed)?;
            }
        }
        Ok(outcome)
    }

    /// What a decision does, if nothing of the queue stands against it.
    fn plan<'a>(&self, commit: &'a Commit, part: &'a QueuePart) -> Result<Planned<'a>, Failure> {
        let (key, now) = (&part.key, commit.call.record.time());
        let is_step_up = matches!(part.request, RequestPart::Opens(_) | RequestPart::Joins(..));
        let relied = commit.call.record.effects().policy;
        if let Some(policy) = self.state.policy.filter(|policy| is_step_up && Some(*policy) != relied) {
            return Ok(Err(Ok(CommitOutcome::PolicyChanged(policy))));
        }
        if let RequestPart::Opens(open) = &part.request
            && requests::version(self.connection, &open.request.request.id)?.is_some()
        {
            // An id names one request for good.
            return Ok(Err(Err(StoreError::new(StoreCode::StoreMisused))));
        }
        let moved = Ok(Err(Ok(CommitOutcome::RequestMoved)));
        let ended = match &part.supersedes {
            Some(change) => match self.step(change)? {
                Ok(ended) => Some(ended),
                Err(_) => return moved,
            },
            None => None,
        };
        let but = ended.as_ref().map(|ended| ended.former.request.decision.seq);
        let live = requests::live(self.connection, key, now, but)?;
        let found = Found {
            live: live.as_ref().map(|kept| (&kept.request.id, kept.request.version)),
            is_declined: requests::declined(self.connection, key, now)?.is_some(),
        };
        match part.request.check(found) {
            Ok(()) => {}
            Err(Obstacle::Joined(id)) => return Ok(Err(Ok(CommitOutcome::Joined(id)))),
            Err(Obstacle::Moved) => return moved,
        }
        let then = match &part.request {
            RequestPart::None | RequestPart::Apart | RequestPart::Joins(..) => Then::Nothing,
            RequestPart::Opens(open) => {
                let mut load = requests::load(self.connection, key, open.client.as_ref(), now, &open.limits)?;
                if ended.is_some() {
                    load.live = load.live.saturating_sub(1);
                    load.live_of_agent = load.live_of_agent.saturating_sub(1);
                }
                if let Err(code) = open.limits.admit(&load) {
                    return Ok(Err(Ok(CommitOutcome::NotOpened(code))));
                }
                Then::Open(open)
            }
            RequestPart::Settles(..) => match live.map(|live| Stepped::by(live, Step::Use { at: now })) {
                Some(Ok(settled)) => Then::Settle(Box::new(settled)),
                _ => return moved,
            },
        };
        Ok(Ok(Plan { ended, then }))
    }

    /// A request before a change and after it, if it is at the version that the change names.
    fn step(&self, change: &Change) -> Result<Result<Stepped, Refused>, Failure> {
        Ok(Stepped::of(change, requests::by_id(self.connection, &change.request)?))
    }

    /// Makes a change and appends its record.
    pub(crate) fn change(&mut self, call: &QueueCall<Change>) -> Judged<ChangeOutcome> {
        let change = &call.call;
        let stepped = match self.step(change)? {
            Ok(stepped) => stepped,
            Err(Refused::Moved(kept)) => return Ok(Ok(ChangeOutcome::Moved(Box::new(kept.request)))),
            Err(Refused::Law(code)) => return Ok(Ok(ChangeOutcome::Refused(code))),
        };
        let record = match self.append_one(RecordKind::Request, &change.record, &call.record)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        self.put(&stepped, record.seq(), change.token.as_ref())?;
        Ok(Ok(ChangeOutcome::Changed(Box::new(stepped.next), record)))
    }

    /// Puts a request in the place of the same one of before, because of this record.
    fn put(&self, stepped: &Stepped, record: u64, token: Option<&VoteToken>) -> Result<(), Failure> {
        requests::update(self.connection, &stepped.former, stepped.next.clone(), record, token)
    }

    /// Lifts the hold that a request brought about, if there is one, and appends its record.
    pub(crate) fn lift(&mut self, call: &QueueCall<Lift>) -> Judged<Option<SealedRecord>> {
        let Lift { request, record } = &call.call;
        let Some(kept) = requests::by_id(self.connection, request)? else {
            return Ok(Ok(None));
        };
        let (tenant, agent) = (kept.request.tenant.as_str(), kept.request.actor.agent.as_str());
        if requests::hold(self.connection, tenant, agent)?.by.as_ref() != Some(request) {
            return Ok(Ok(None));
        }
        let at = record.time();
        let record = match self.append_one(RecordKind::Request, record, &call.record)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        requests::lift(self.connection, &kept.request, at)?;
        Ok(Ok(Some(record)))
    }

    /// Appends a record, which must be of this kind.
    pub(super) fn append_one(
        &mut self,
        kind: RecordKind,
        draft: &RecordDraft,
        record: &PreparedRecord,
    ) -> Judged<SealedRecord> {
        if draft.kind() != kind || !is_side_known(draft) {
            return Ok(Err(StoreError::new(StoreCode::StoreMisused)));
        }
        match record.seal(&self.state.head) {
            Ok(record) => self.write(record, draft).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Whether what a record erases may be erased now.
    pub(super) fn check_erasure(&self, draft: &RecordDraft) -> Judged<()> {
        match requests::check_erasure(self.connection, &draft.effects().erases, draft.time()) {
            Ok(()) => Ok(Ok(())),
            Err(ErasureRefused::Held(error)) => Ok(Err(error)),
            Err(ErasureRefused::Failed(failure)) => Err(failure),
        }
    }
}

fn run(connection: &Connection, sql: &str) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use actionpass_model::{Decision, VoteKind};
    use actionpass_store::conformance::requests::{cancel, changes, decides, opens, part, votes};
    use actionpass_store::conformance::{TempFolder, fixtures};
    use actionpass_store::{Batch, ReplayStart};

    use super::*;
    use crate::SqliteStore;
    use crate::decide::Append;
    use crate::file::{self, Access};

    /// Refused calls between others of one transaction: those that were made are whole, and chain.
    #[test]
    fn a_refused_call_leaves_the_others_of_its_batch() {
        let folder = TempFolder::new();
        let (path, log) = (folder.path().join("ledger.db"), fixtures::log());
        file::create(&path, Some(&log), ReplayStart::first(fixtures::at(0))).unwrap();
        let connection = file::open(&path, Access::Write).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut ledger = OpenLedger::begin(&connection).unwrap();
        let commit = |ledger: &mut OpenLedger<'_>, call| {
            let commit = Commit::prepare(&log, call).unwrap();
            ledger.commit(&commit).unwrap()
        };
        let seq = |outcome| match outcome {
            Ok(CommitOutcome::Committed(record)) => record.seq(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seq(commit(&mut ledger, decides(3, 9, 0, Decision::Allow))), 0);
        assert_eq!(seq(commit(&mut ledger, opens(1, 1, 0))), 1);
        let superseding = |number| {
            let mut call = decides(number, 1, 5, Decision::Allow).with_queue(part(1, RequestPart::None));
            call.queue.as_mut().unwrap().supersedes = Some(changes(1, 0, cancel(5), 5));
            call
        };
        let used = commit(&mut ledger, superseding(3));
        assert!(matches!(used, Ok(CommitOutcome::ApprovalUsed(_))), "{used:?}");
        assert_eq!(
            commit(&mut ledger, opens(2, 1, 1)).unwrap(),
            CommitOutcome::Joined("req_00000000000000000000000000000001".parse().unwrap())
        );
        // Its id is taken.
        let taken = commit(&mut ledger, opens(1, 4, 1)).unwrap_err();
        assert_eq!(taken.code(), StoreCode::StoreMisused);
        let salted = {
            let mut call = opens(4, 4, 0);
            call.record = call.record.with_side(SideKind::Salt, vec![7; 32]);
            call
        };
        assert_eq!(seq(commit(&mut ledger, salted)), 2);
        let change = |ledger: &mut OpenLedger<'_>, change| ledger.change(&QueueCall::change(&log, change)).unwrap();
        let declined = change(&mut ledger, votes(4, 0, 7, "user:p7", VoteKind::Decline, 6));
        assert!(matches!(declined, Ok(ChangeOutcome::Changed(_, record)) if record.seq() == 3));
        let erased = Append::prepare(&log, Batch::of(fixtures::erased(60, vec![2]))).unwrap();
        let held = ledger.append(&erased).unwrap().unwrap_err();
        assert_eq!(held.code(), StoreCode::SideDataHeld);
        let mut wrong = votes(1, 0, 8, "user:p8", VoteKind::Approve, 6);
        wrong.record = fixtures::used(8);
        let misused = change(&mut ledger, wrong).unwrap_err();
        assert_eq!(misused.code(), StoreCode::StoreMisused);
        assert_eq!(seq(commit(&mut ledger, superseding(5))), 5);
        ledger.end().unwrap();
        connection.execute_batch("COMMIT").unwrap();
        SqliteStore::open(&path).unwrap().check_rows().unwrap();
    }
}
