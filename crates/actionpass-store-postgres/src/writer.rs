//! The task that writes: one transaction for all calls that wait.
//!
//! A batch is judged by one moment of the database and committed with a compare-and-set of the head, the fence. First it
//! only looks, holding nothing: a process that is stopped in between holds nobody up, and finds the head moved when it goes
//! on. Where another was faster, or calls of the queue need several statements, or passes are marked, it holds the head's row
//! from the start: so whoever lost once is served next.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use actionpass_store::backend::{Lift, QueueCall};
use actionpass_store::ledger::{Head, KnownHead, Log, SealedRecord};
use actionpass_store::{
    AppendOutcome, ArchiveOutcome, Change, ChangeOutcome, CommitOutcome, Consumption, HeadWitness, LedgerState, Mark,
    Reported, StoreCode, StoreError, UsedUp,
};
use deadpool_postgres::Pool;
use futures_channel::oneshot::Sender;
use futures_util::future::try_join3;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use crate::archive::{ArchiveCall, ResignCall};
use crate::error::{Failure, Kind};
use crate::facts::{Facts, Questions};
use crate::follow::News;
use crate::ledger::{Append, Commit, HeadRow, Judged, OpenLedger, RECORD, ReportCall, head_statement};
use crate::marks;
use crate::queue::Held;
use crate::session::{Session, get, to_sql};

/// Where an answer goes.
pub(crate) type Reply<T> = Sender<Result<T, StoreError>>;

/// Answers, if anybody still listens.
pub(crate) fn send<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    let _ = reply.send(answer);
}

/// A call that writes.
#[derive(Debug)]
pub(crate) enum Write {
    Commit(Box<Commit>, Reply<CommitOutcome>),
    Append(Box<Append>, Reply<Vec<AppendOutcome>>),
    Change(Box<QueueCall<Change>>, Reply<ChangeOutcome>),
    Lift(Box<QueueCall<Lift>>, Reply<Option<SealedRecord>>),
    Report(Box<ReportCall>, Reply<Reported>),
    UseUp(Box<UseCall>, Reply<UsedUp>),
    Archive(Box<ArchiveCall>, Reply<ArchiveOutcome>),
    Resign(Box<ResignCall>, Reply<Option<SealedRecord>>),
}

/// A pass that is to be marked used, and the record of that.
#[derive(Debug)]
pub(crate) struct UseCall {
    pub(crate) mark: Mark,
    pub(crate) record: Append,
}

/// What became of a call, once it is durable.
enum Outcome {
    Commit(Result<CommitOutcome, StoreError>),
    Append(Result<Vec<AppendOutcome>, StoreError>),
    Change(Result<ChangeOutcome, StoreError>),
    Lift(Result<Option<SealedRecord>, StoreError>),
    Report(Result<Reported, StoreError>),
    UseUp(Result<UsedUp, StoreError>),
    Archive(Result<ArchiveOutcome, StoreError>),
    Resign(Result<Option<SealedRecord>, StoreError>),
}

impl Write {
    fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Commit(_, reply), Outcome::Commit(outcome)) => send(reply, outcome),
            (Self::Append(_, reply), Outcome::Append(outcome)) => send(reply, outcome),
            (Self::Change(_, reply), Outcome::Change(outcome)) => send(reply, outcome),
            (Self::Lift(_, reply), Outcome::Lift(outcome)) => send(reply, outcome),
            (Self::Report(_, reply), Outcome::Report(outcome)) => send(reply, outcome),
            (Self::UseUp(_, reply), Outcome::UseUp(outcome)) => send(reply, outcome),
            (Self::Archive(_, reply), Outcome::Archive(outcome)) => send(reply, outcome),
            (Self::Resign(_, reply), Outcome::Resign(outcome)) => send(reply, outcome),
            (write, _) => write.fail(&Failure::corrupt("an answer to another call")),
        }
    }

    fn fail(self, failure: &Failure) {
        let error = failure.to_error();
        match self {
            Self::Commit(_, reply) => send(reply, Err(error)),
            Self::Append(_, reply) => send(reply, Err(error)),
            Self::Change(_, reply) => send(reply, Err(error)),
            Self::Lift(_, reply) => send(reply, Err(error)),
            Self::Report(_, reply) => send(reply, Err(error)),
            Self::UseUp(_, reply) => send(reply, Err(error)),
            Self::Archive(_, reply) => send(reply, Err(error)),
            Self::Resign(_, reply) => send(reply, Err(error)),
        }
    }

    /// Whether it reads and writes requests, so that statements run between others.
    fn is_of_the_queue(&self) -> bool {
        match self {
            Self::Commit(commit, _) => commit.queue_part().is_some(),
            Self::Append(append, _) => append.erases(),
            Self::Change(..) | Self::Lift(..) | Self::Archive(..) | Self::Resign(..) => true,
            Self::Report(..) | Self::UseUp(..) => false,
        }
    }

    /// Whether what it writes depends on what the database says in between, so that the head is held meanwhile.
    fn needs_the_head(&self) -> bool {
        self.is_of_the_queue() || matches!(self, Self::UseUp(..))
    }

    fn ask(&self, questions: &mut Questions) {
        match self {
            _ if self.is_of_the_queue() => {}
            Self::Commit(commit, _) => commit.ask(questions),
            Self::Append(append, _) => append.ask(questions),
            Self::Report(report, _) => questions.passes.push(report.call.pass.clone()),
            Self::Change(..) | Self::Lift(..) | Self::UseUp(..) | Self::Archive(..) | Self::Resign(..) => {}
        }
    }
}

/// How many calls one batch takes: enough to share a sync, few enough to bound a transaction.
const MAX_BATCH: usize = 512;
/// How long a batch waits for callers at most.
const MAX_LINGER: Duration = Duration::from_millis(2);
/// How long it waits before it tries again on another connection, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Writes until nobody can call any more and every call is answered.
pub(crate) async fn run(writer: Writer, mut calls: UnboundedReceiver<Write>, news: News) {
    let (mut callers, mut linger) = (1, Duration::ZERO);
    while let Some(batch) = next_batch(&mut calls, callers, linger).await {
        let start = Instant::now();
        let done = writer.take(&batch).await;
        // As many as are active now, waited for half as long as a transaction takes.
        callers = batch.len().saturating_add(calls.len());
        linger = start.elapsed().checked_div(2).unwrap_or_default().min(MAX_LINGER);
        match done {
            Ok(outcomes) => {
                news.grown();
                batch
                    .into_iter()
                    .zip(outcomes)
                    .for_each(|(write, outcome)| write.answer(outcome));
            }
            Err(failure) => {
                tracing::error!(error = %failure, calls = batch.len(), "a batch was not written");
                batch.into_iter().for_each(|write| write.fail(&failure));
            }
        }
    }
}

/// What waits, oldest first, at most a batch. Once there is a call, up to `linger` goes by until there are `expected`:
/// callers that were just answered come back with their next call, and one sync for all of them is cheaper than two for
/// half of them each.
pub(crate) async fn next_batch<T>(
    calls: &mut UnboundedReceiver<T>,
    expected: usize,
    linger: Duration,
) -> Option<Vec<T>> {
    let mut batch = Vec::new();
    if calls.recv_many(&mut batch, MAX_BATCH).await == 0 {
        return None;
    }
    let until = Instant::now().checked_add(linger)?;
    let expected = expected.min(MAX_BATCH);
    while batch.len() < expected {
        let room = expected.saturating_sub(batch.len());
        match timeout_at(until, calls.recv_many(&mut batch, room)).await {
            Ok(more) if more > 0 => {}
            _ => break,
        }
    }
    Some(batch)
}

/// A commit of which nobody heard: the last record that it wrote, and what the calls get if it is there.
struct Unheard {
    last: KnownHead,
    outcomes: Vec<Outcome>,
}

/// What writes, and what it has seen of the log.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: Pool,
    log: Option<Log>,
    patience: Duration,
    witness: Option<Arc<dyn HeadWitness>>,
    /// The head that this process saw last: no database that doesn't hold it is written to.
    seen: Cell<Head>,
}

impl Writer {
    pub(crate) const fn new(
        pool: Pool,
        log: Option<Log>,
        patience: Duration,
        witness: Option<Arc<dyn HeadWitness>>,
    ) -> Self {
        Self {
            pool,
            log,
            patience,
            witness,
            seen: Cell::new(Head::EMPTY),
        }
    }

    /// Judges and writes a batch; `Ok` once it is durable.
    async fn take(&self, batch: &[Write]) -> Result<Vec<Outcome>, Failure> {
        let until = Instant::now().checked_add(self.patience).ok_or_else(Failure::late)?;
        let mut unheard = Vec::new();
        let mut is_held = batch.iter().any(Write::needs_the_head);
        let mut pause = PAUSES.0;
        loop {
            let failure = match self.attempt(batch, is_held, until, &mut unheard).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(failure) => failure,
            };
            is_held = true;
            match failure.kind {
                Kind::Lasting => return Err(failure),
                Kind::Lost => {}
                Kind::Gone => {
                    tracing::warn!(error = %failure, calls = batch.len(), "a connection failed, and the batch is tried again");
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(PAUSES.1);
                }
            }
            if Instant::now() >= until {
                return Err(failure);
            }
        }
    }

    async fn attempt(
        &self,
        batch: &[Write],
        is_held: bool,
        until: Instant,
        unheard: &mut Vec<Unheard>,
    ) -> Result<Vec<Outcome>, Failure> {
        let late = |_| Failure::late();
        let session = timeout_at(until, Session::begin(&self.pool)).await.map_err(late)??;
        let written = timeout_at(until, self.write(&session, batch, is_held, unheard)).await;
        match written.map_err(late).and_then(|written| written) {
            Ok(outcomes) => Ok(outcomes),
            Err(failure) => {
                // Where a commit was sent, the server has taken back what failed; a roll-back of nothing does nothing.
                let is_whole = failure.kind != Kind::Gone
                    && matches!(timeout_at(until, session.run("ROLLBACK")).await, Ok(Ok(())));
                if !is_whole {
                    session.give_up();
                }
                Err(failure)
            }
        }
    }

    /// One transaction.
    async fn write(
        &self,
        session: &Session,
        batch: &[Write],
        is_held: bool,
        unheard: &mut Vec<Unheard>,
    ) -> Result<Vec<Outcome>, Failure> {
        let log = self.log.as_ref();
        let log = log.ok_or_else(|| Failure::new(StoreCode::StoreLogMismatch, "the store has no log"))?;
        let mut questions = Questions::default();
        batch.iter().for_each(|write| write.ask(&mut questions));
        let head = session.prepare(head_statement(is_held)).await?;
        // Held, each statement sees what is there by then, and nobody else moves the head; else all see one moment.
        let begin = match is_held {
            true => "BEGIN ISOLATION LEVEL READ COMMITTED",
            false => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        };
        let has_queue = batch.iter().any(Write::is_of_the_queue);
        // With calls of the queue the others are judged behind them, by what those left.
        let first = Questions::default();
        let asked = if has_queue { &first } else { &questions };
        let (_, rows, facts) = try_join3(
            session.run(begin),
            session.rows(&head, &[]),
            Facts::load(session, asked),
        )
        .await?;
        let row = rows.into_iter().next();
        if let Some(row) = &row {
            HeadRow::check_writable(row)?;
        }
        let head = HeadRow::read(row, Some(log))?;
        let seen = self.seen.get();
        if let Some(known) = seen.known().filter(|_| seen != head.state.head) {
            check_holds(session, &head.state, known).await?;
        }
        self.seen.set(head.state.head);
        if let Some(outcomes) = heard(session, &head.state, unheard).await? {
            session.run("ROLLBACK").await?;
            self.told(log, head.state).await?;
            return Ok(outcomes);
        }
        let mut ledger = OpenLedger::new(log, head);
        let mut marked = mark(session, &ledger, batch).await?.into_iter();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(batch.len());
        if has_queue {
            for write in batch {
                outcomes.push(queued(session, &mut ledger, write).await?);
            }
            ledger.facts = Facts::load(session, &questions).await?;
        } else {
            ledger.facts = facts;
            outcomes.resize_with(batch.len(), || None);
        }
        for (write, outcome) in batch.iter().zip(&mut outcomes) {
            if outcome.is_none() {
                *outcome = Some(match write {
                    Write::UseUp(call, _) => Outcome::UseUp(recorded(&mut ledger, call, marked.next())?),
                    write => judged(&mut ledger, write)?,
                });
            }
        }
        let missing = || Failure::corrupt("a call without an outcome");
        let outcomes = outcomes.into_iter().collect::<Option<Vec<_>>>().ok_or_else(missing)?;
        if !ledger.is_changed() {
            session.run("ROLLBACK").await?;
            return Ok(outcomes);
        }
        let state = ledger.state;
        let committed = ledger.commit_all(session);
        let Some(last) = state.head.known().filter(|_| state.head != head.state.head) else {
            // The watermark moved, or the trust store that is known: doing it again does it once.
            committed.await?;
            self.told(log, state).await?;
            return Ok(outcomes);
        };
        // Until the server says what became of it, it may be there.
        unheard.push(Unheard { last, outcomes });
        let done = committed.await;
        match done {
            Err(failure) if failure.kind == Kind::Gone => Err(failure),
            done => {
                let known = unheard.pop().map(|unheard| unheard.outcomes);
                done?;
                self.told(log, state).await?;
                known.ok_or_else(missing)
            }
        }
    }

    /// Durable, then witnessed, then acknowledged.
    async fn told(&self, log: &Log, state: LedgerState) -> Result<(), Failure> {
        self.seen.set(state.head);
        let Some(witness) = &self.witness else { return Ok(()) };
        let (witness, log) = (Arc::clone(witness), log.clone());
        let told = spawn_blocking(move || witness.advance(&log, &state)).await;
        match told {
            Ok(told) => told.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::new(StoreCode::StoreUnavailable, "the witness was not told")),
        }
    }
}

/// That the log with this head holds a record: else the database is an earlier state, or another one.
pub(crate) async fn check_holds(session: &Session, state: &LedgerState, known: KnownHead) -> Result<(), Failure> {
    let (head, first) = (state.head, state.first);
    // What was taken out its signed head vouches for.
    let is_archived = known.seq() < first.size() && first.known().is_some_and(|last| last.seq() != known.seq());
    if is_archived || first.known() == Some(known) {
        return Ok(());
    }
    if known.seq() < head.size() && is_there(session, known).await? {
        return Ok(());
    }
    let problem = "the log doesn't hold a record that was acknowledged";
    Err(Failure::new(StoreCode::StoreRolledBack, problem))
}

/// Whether the log has this record.
async fn is_there(session: &Session, known: KnownHead) -> Result<bool, Failure> {
    let row = session.one(RECORD, &[&to_sql(known.seq())?]).await?;
    let json: Option<String> = row.map(|row| get(&row, 0)).transpose()?;
    let hash = format!(",\"ledgerHash\":\"{}\",", known.hash());
    Ok(json.is_some_and(|json| json.contains(&hash)))
}

/// What the calls get, if one of the commits took place of which nobody heard. The head is held: no such commit is still on
/// its way, or it will find the head moved.
async fn heard(
    session: &Session,
    state: &LedgerState,
    unheard: &mut Vec<Unheard>,
) -> Result<Option<Vec<Outcome>>, Failure> {
    for place in 0..unheard.len() {
        let Some(candidate) = unheard.get(place) else { break };
        if candidate.last.seq() < state.first.size() {
            let problem = "what was committed unheard was taken out into an archive meanwhile";
            return Err(Failure::new(StoreCode::StoreUnavailable, problem));
        }
        if is_there(session, candidate.last).await? {
            return Ok(Some(unheard.swap_remove(place).outcomes));
        }
    }
    Ok(None)
}

/// Judges and writes a call of the queue; `None` for another.
async fn queued(session: &Session, ledger: &mut OpenLedger<'_>, write: &Write) -> Result<Option<Outcome>, Failure> {
    if !write.is_of_the_queue() {
        return Ok(None);
    }
    let mut held = Held { session, ledger };
    Ok(Some(match write {
        Write::Commit(commit, _) => match commit.queue_part() {
            Some(part) => Outcome::Commit(held.commit(commit, part).await?),
            None => return Ok(None),
        },
        Write::Append(append, _) => Outcome::Append(held.append(append).await?),
        Write::Change(call, _) => Outcome::Change(held.change(call).await?),
        Write::Lift(call, _) => Outcome::Lift(held.lift(call).await?),
        Write::Archive(call, _) => Outcome::Archive(held.archive(call).await?),
        Write::Resign(call, _) => Outcome::Resign(held.resign(call).await?),
        Write::Report(..) | Write::UseUp(..) => return Ok(None),
    }))
}

/// Judges a call that is none of the queue's.
fn judged(ledger: &mut OpenLedger<'_>, write: &Write) -> Result<Outcome, Failure> {
    Ok(match write {
        Write::Commit(commit, _) => {
            let misused = commit
                .call
                .queue
                .as_ref()
                .map(|part| part.check_record(&commit.call.record));
            match misused {
                Some(Err(misused)) => Outcome::Commit(Err(misused)),
                _ => Outcome::Commit(ledger.commit(commit, None)?.0),
            }
        }
        Write::Append(append, _) => Outcome::Append(ledger.append(append)?),
        Write::Report(call, _) => Outcome::Report(ledger.report(call)?),
        Write::Change(..) | Write::Lift(..) | Write::UseUp(..) | Write::Archive(..) | Write::Resign(..) => {
            return Err(Failure::corrupt("a call that is judged elsewhere"));
        }
    })
}

/// What became of the mark of a pass.
type Marked = Judged<Consumption>;

/// Marks the passes whose use is to be recorded, all at once, and gives what became of each, in their order. The head is held,
/// and whatever keeps a record from being written is found before its pass is marked.
async fn mark(session: &Session, ledger: &OpenLedger<'_>, batch: &[Write]) -> Result<Vec<Marked>, Failure> {
    let uses = batch.iter().filter_map(|write| match write {
        Write::UseUp(call, _) => Some((call, ledger.check_use(&call.record))),
        _ => None,
    });
    let uses: Vec<_> = uses.collect();
    let writable = uses.iter().filter(|(_, checked)| checked.is_ok());
    let marks: Vec<&Mark> = writable.map(|(call, _)| &call.mark).collect();
    if uses.is_empty() {
        return Ok(Vec::new());
    }
    let mut made = marks::mark(session, &marks).await?.into_iter();
    let missing = || Failure::corrupt("a mark without an outcome");
    let outcomes = uses.into_iter().map(|(_, checked)| match checked {
        Ok(()) => made.next().map(Ok).ok_or_else(missing),
        Err(error) => Ok(Err(error)),
    });
    outcomes.collect()
}

/// Writes the record of a use whose pass was marked.
fn recorded(ledger: &mut OpenLedger<'_>, call: &UseCall, marked: Option<Marked>) -> Result<Judged<UsedUp>, Failure> {
    let unmarked = || Failure::corrupt("a use that was to be marked and recorded");
    match marked.ok_or_else(unmarked)? {
        Ok(Consumption::Consumed) => {}
        Ok(Consumption::Refused(code)) => return Ok(Ok(UsedUp::Refused(code))),
        Err(error) => return Ok(Err(error)),
    }
    let appended = ledger.append(&call.record)?.map_err(|error| Failure::of(&error))?;
    match appended.into_iter().next() {
        Some(AppendOutcome::Appended(record)) => Ok(Ok(UsedUp::Recorded(record))),
        _ => Err(unmarked()),
    }
}
