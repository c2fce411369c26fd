//! What decisions and people do to approval requests, inside of a transaction that holds the head.

use actionpass_model::{DecisionRef, RecordKind};
use actionpass_queue::Step;
use actionpass_store::backend::{Lift, Plan, QueueCall, Refused, Stepped, Then};
use actionpass_store::ledger::SealedRecord;
use actionpass_store::{
    AppendOutcome, Change, ChangeOutcome, CommitOutcome, Found, QueuePart, RequestPart, SideKind, StoreCode, StoreError,
};

use crate::error::Failure;
use crate::facts::{Facts, Questions};
use crate::ledger::{Append, Commit, Judged, Obstacle, OpenLedger};
use crate::requests;
use crate::session::Session;

/// A ledger and the session that its requests are read and written in.
pub(crate) struct Held<'a, 'l> {
    pub(crate) session: &'a Session,
    pub(crate) ledger: &'a mut OpenLedger<'l>,
}

impl Held<'_, '_> {
    /// Judges and writes a decision together with what it does to the queue.
    pub(crate) async fn commit(&mut self, commit: &Commit, part: &QueuePart) -> Result<Judged<CommitOutcome>, Failure> {
        if let Err(misused) = part.check_record(&commit.call.record) {
            return Ok(Err(misused));
        }
        let mut questions = Questions::default();
        commit.ask(&mut questions);
        self.ledger.facts = Facts::load(self.session, &questions).await?;
        let (plan, obstacle) = match self.plan(commit, part).await? {
            Ok(plan) => (Some(plan), None),
            Err(obstacle) => (None, Some(obstacle)),
        };
        let (outcome, superseding) = self.ledger.commit(commit, obstacle)?;
        if let (Ok(CommitOutcome::Committed(record)), Some(plan)) = (&outcome, plan) {
            if let (Some(ended), Some(seq)) = (&plan.ended, superseding) {
                self.put(ended, seq, None).await?;
            }
            self.carry_out(commit, &plan.then, record).await?;
        }
        self.flush().await?;
        Ok(outcome)
    }

    async fn carry_out(&mut self, commit: &Commit, then: &Then<'_>, record: &SealedRecord) -> Result<(), Failure> {
        match then {
            Then::Nothing => Ok(()),
            Then::Settle(settled) => self.put(settled, record.seq(), None).await,
            Then::Open(open) => {
                let mut stored = open.request.clone();
                stored.request.decision = DecisionRef {
                    seq: record.seq(),
                    id: record.id().clone(),
                };
                let side = commit.call.record.side();
                let is_committed = side.iter().any(|(kind, _)| *kind == SideKind::Salt);
                let counts = &mut self.ledger.counts;
                requests::insert(self.session, counts, &stored, open.client.as_ref(), is_committed).await
            }
        }
    }

    /// What a decision does, if nothing of the queue stands against it.
    async fn plan<'a>(&self, commit: &'a Commit, part: &'a QueuePart) -> Result<Result<Plan<'a>, Obstacle>, Failure> {
        let (session, key, now) = (self.session, &part.key, commit.call.record.time());
        let is_step_up = matches!(part.request, RequestPart::Opens(_) | RequestPart::Joins(..));
        let relied = commit.call.record.effects().policy;
        if let Some(policy) = self
            .ledger
            .state
            .policy
            .filter(|policy| is_step_up && Some(*policy) != relied)
        {
            return Ok(Err(Ok(CommitOutcome::PolicyChanged(policy))));
        }
        if let RequestPart::Opens(open) = &part.request
            && requests::version(session, &open.request.request.id).await?.is_some()
        {
            // An id names one request for good.
            return Ok(Err(Err(StoreError::new(StoreCode::StoreMisused))));
        }
        let moved = Ok(Err(Ok(CommitOutcome::RequestMoved)));
        let ended = match &part.supersedes {
            Some(change) => match self.step(change).await? {
                Ok(ended) => Some(ended),
                Err(_) => return moved,
            },
            None => None,
        };
        let but = ended.as_ref().map(|ended| ended.former.request.decision.seq);
        let live = requests::live(session, key, now, but).await?;
        let found = Found {
            live: live.as_ref().map(|kept| (&kept.request.id, kept.request.version)),
            is_declined: requests::declined(session, key, now).await?.is_some(),
        };
        match part.request.check(found) {
            Ok(()) => {}
            Err(actionpass_store::Obstacle::Joined(id)) => return Ok(Err(Ok(CommitOutcome::Joined(id)))),
            Err(actionpass_store::Obstacle::Moved) => return moved,
        }
        let then = match &part.request {
            RequestPart::None | RequestPart::Apart | RequestPart::Joins(..) => Then::Nothing,
            RequestPart::Opens(open) => {
                let counts = &self.ledger.counts;
                let mut load = requests::load(session, counts, key, open.client.as_ref(), now, &open.limits).await?;
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
    async fn step(&self, change: &Change) -> Result<Result<Stepped, Refused>, Failure> {
        Ok(Stepped::of(
            change,
            requests::by_id(self.session, &change.request).await?,
        ))
    }

    /// Makes a change and appends its record.
    pub(crate) async fn change(&mut self, call: &QueueCall<Change>) -> Result<Judged<ChangeOutcome>, Failure> {
        let change = &call.call;
        let stepped = match self.step(change).await? {
            Ok(stepped) => stepped,
            Err(Refused::Moved(kept)) => return Ok(Ok(ChangeOutcome::Moved(Box::new(kept.request)))),
            Err(Refused::Law(code)) => return Ok(Ok(ChangeOutcome::Refused(code))),
        };
        let record = match self
            .ledger
            .append_one(RecordKind::Request, &change.record, &call.record)?
        {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        self.put(&stepped, record.seq(), change.token.as_ref()).await?;
        self.flush().await?;
        Ok(Ok(ChangeOutcome::Changed(Box::new(stepped.next), record)))
    }

    /// Puts a request in the place of the same one of before, because of this record.
    async fn put(
        &mut self,
        stepped: &Stepped,
        record: u64,
        token: Option<&actionpass_store::VoteToken>,
    ) -> Result<(), Failure> {
        let (counts, next) = (&mut self.ledger.counts, stepped.next.clone());
        requests::update(self.session, counts, &stepped.former, next, record, token).await
    }

    /// Lifts the hold that a request brought about, if there is one, and appends its record.
    pub(crate) async fn lift(&mut self, call: &QueueCall<Lift>) -> Result<Judged<Option<SealedRecord>>, Failure> {
        let Lift { request, record } = &call.call;
        let Some(kept) = requests::by_id(self.session, request).await? else {
            return Ok(Ok(None));
        };
        let (tenant, agent) = (kept.request.tenant.as_str(), kept.request.actor.agent.as_str());
        if requests::hold(self.session, tenant, agent).await?.by.as_ref() != Some(request) {
            return Ok(Ok(None));
        }
        let at = record.time();
        let record = match self.ledger.append_one(RecordKind::Request, record, &call.record)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        requests::lift(self.session, &kept.request, at).await?;
        self.flush().await?;
        Ok(Ok(Some(record)))
    }

    /// Appends records, and erases what they say.
    pub(crate) async fn append(&mut self, append: &Append) -> Result<Judged<Vec<AppendOutcome>>, Failure> {
        for (draft, _) in &append.records {
            let erases = &draft.effects().erases;
            if !erases.is_empty() && requests::is_held(self.session, erases, draft.time()).await? {
                return Ok(Err(StoreError::new(StoreCode::SideDataHeld)));
            }
        }
        let mut questions = Questions::default();
        append.ask(&mut questions);
        self.ledger.facts = Facts::load(self.session, &questions).await?;
        let outcomes = match self.ledger.append(append)? {
            Ok(outcomes) => outcomes,
            Err(error) => return Ok(Err(error)),
        };
        self.flush().await?;
        for ((draft, _), outcome) in append.records.iter().zip(&outcomes) {
            let AppendOutcome::Appended(record) = outcome else {
                continue;
            };
            let gone = requests::places(&draft.effects().erases);
            if gone.is_empty() {
                continue;
            }
            self.session.execute(ERASE, &[&gone]).await?;
            for opener in gone {
                let counts = &mut self.ledger.counts;
                requests::erase(self.session, counts, opener, record.seq(), draft.time()).await?;
            }
        }
        Ok(Ok(outcomes))
    }

    /// Writes what was judged, so that the next call finds it.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        self.ledger.writes.flush(self.session, Vec::new(), None).await
    }
}

const ERASE: &str = "DELETE FROM actionpass.side WHERE seq = ANY($1)";
