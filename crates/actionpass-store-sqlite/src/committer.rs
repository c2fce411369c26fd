//! What writes, in a thread of its own or in that of a caller: one transaction for all calls that wait.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use actionpass_model::UnixSeconds;
use actionpass_store::backend::{Lift, QueueCall};
use actionpass_store::ledger::{Log, SealedRecord};
use actionpass_store::{
    AppendOutcome, ArchiveOutcome, Change, ChangeOutcome, CommitOutcome, Consumption, Known, LedgerState, LookUp, Mark,
    ReplayStart, Reported, StoreCode, StoreError, UsedUp,
};
use futures_channel::oneshot::Sender;
use rusqlite::Connection;

use crate::consume::{self, Issuers, Limits};
use crate::decide::{self, Append, ArchiveCall, Commit, Judged, OpenLedger, ReportCall, ResignCall};
use crate::error::Failure;
use crate::file::{Access, BUSY_TIMEOUT};
use crate::moment::{Moment, run_cached};
use crate::queue::Queue;
use crate::reader::Reads;
use crate::witness::Witness;
use crate::{file, rows};

/// Where an answer goes.
pub(crate) type Reply<T> = Sender<Result<T, StoreError>>;

/// Answers, if anybody still listens.
pub(crate) fn send<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    let _ = reply.send(answer);
}

/// A call that writes.
#[derive(Debug)]
pub(crate) enum Write {
    Commit(Box<Commit>, Reply<(CommitOutcome, Box<Commit>)>),
    Append(Box<Append>, Reply<Vec<AppendOutcome>>),
    Change(Box<QueueCall<Change>>, Reply<ChangeOutcome>),
    Lift(Box<QueueCall<Lift>>, Reply<Option<SealedRecord>>),
    Report(Box<ReportCall>, Reply<Reported>),
    Archive(Box<ArchiveCall>, Reply<ArchiveOutcome>),
    Resign(Box<ResignCall>, Reply<Option<SealedRecord>>),
    Sweep(usize, Reply<bool>),
    Consume(Mark, UnixSeconds, Reply<Consumption>),
    UseUp(Box<UseCall>, Reply<UsedUp>),
    Restart(ReplayStart, Reply<()>),
}

/// A pass to be marked used with its record.
#[derive(Debug)]
pub(crate) struct UseCall {
    pub(crate) mark: Mark,
    pub(crate) now: UnixSeconds,
    /// The one record.
    pub(crate) record: Append,
}

/// What became of a call, once it is durable.
enum Outcome {
    Commit(Result<CommitOutcome, StoreError>),
    Append(Result<Vec<AppendOutcome>, StoreError>),
    Change(Result<ChangeOutcome, StoreError>),
    Lift(Result<Option<SealedRecord>, StoreError>),
    Report(Result<Reported, StoreError>),
    Archive(Result<ArchiveOutcome, StoreError>),
    Resign(Result<Option<SealedRecord>, StoreError>),
    Sweep(bool),
    Consume(Consumption),
    UseUp(Result<UsedUp, StoreError>),
    Restart,
}

impl Write {
    fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Commit(commit, reply), Outcome::Commit(outcome)) => {
                send(reply, outcome.map(|outcome| (outcome, commit)));
            }
            (Self::Append(_, reply), Outcome::Append(outcome)) => send(reply, outcome),
            (Self::Change(_, reply), Outcome::Change(outcome)) => send(reply, outcome),
            (Self::Lift(_, reply), Outcome::Lift(outcome)) => send(reply, outcome),
            (Self::Report(_, reply), Outcome::Report(outcome)) => send(reply, outcome),
            (Self::Archive(_, reply), Outcome::Archive(outcome)) => send(reply, outcome),
            (Self::Resign(_, reply), Outcome::Resign(outcome)) => send(reply, outcome),
            (Self::Sweep(_, reply), Outcome::Sweep(has_more)) => send(reply, Ok(has_more)),
            (Self::Consume(_, _, reply), Outcome::Consume(outcome)) => send(reply, Ok(outcome)),
            (Self::UseUp(_, reply), Outcome::UseUp(outcome)) => send(reply, outcome),
            (Self::Restart(_, reply), Outcome::Restart) => send(reply, Ok(())),
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
            Self::Archive(_, reply) => send(reply, Err(error)),
            Self::Resign(_, reply) => send(reply, Err(error)),
            Self::Sweep(_, reply) => send(reply, Err(error)),
            Self::Consume(_, _, reply) => send(reply, Err(error)),
            Self::UseUp(_, reply) => send(reply, Err(error)),
            Self::Restart(_, reply) => send(reply, Err(error)),
        }
    }

    const fn is_for_the_log(&self) -> bool {
        !matches!(self, Self::Consume(..) | Self::Restart(..) | Self::Sweep(..))
    }

    fn erases(&self) -> bool {
        match self {
            Self::Append(append, _) => append.erases(),
            Self::Sweep(..) => true,
            _ => false,
        }
    }
}

/// How long a batch waits for callers at most.
const MAX_LINGER: Duration = Duration::from_millis(2);

/// What writes, and what waits to be written.
pub(crate) struct Writer {
    committer: Mutex<Committer>,
    queue: Queue<Write>,
    reads: Arc<Reads>,
}

impl Writer {
    pub(crate) fn new(path: PathBuf, log: Option<Log>, witness: Option<Witness>, reads: Arc<Reads>) -> Self {
        Self {
            committer: Mutex::new(Committer {
                path,
                log,
                witness,
                open: None,
                was_open: false,
            }),
            queue: Queue::new(),
            reads,
        }
    }

    /// Leaves a call to the writing thread.
    pub(crate) fn put(&self, write: Write) {
        self.queue.put(write);
    }

    /// No more calls will be put.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// Writes until the queue is closed and empty, and closes the file.
    pub(crate) fn run(&self) {
        let (mut callers, mut linger) = (1, Duration::ZERO);
        while let Some(batch) = self.queue.take(callers, linger) {
            let start = Instant::now();
            let done = self.committer().take(&batch, BUSY_TIMEOUT);
            // As many as are active now, waited for half as long as a transaction takes.
            callers = batch.len().saturating_add(self.queue.len());
            linger = start.elapsed().checked_div(2).unwrap_or_default().min(MAX_LINGER);
            self.answer(batch, done);
        }
        self.committer().open = None;
    }

    /// Writes in this thread: first whoever else is ready puts a call too, so that all of them share a transaction. What can't
    /// be begun at once is left to the writing thread.
    pub(crate) async fn write_here(&self, write: Write) {
        self.queue.put_silently(write);
        let left = Left(&self.queue);
        yield_now().await;
        let Ok(mut committer) = self.committer.try_lock() else {
            return;
        };
        std::mem::forget(left);
        while let Some(batch) = self.queue.take_now() {
            match committer.take(&batch, Duration::ZERO) {
                Err(failure) if failure.is_busy() => {
                    self.queue.put_back(batch);
                    return;
                }
                done => self.answer(batch, done),
            }
        }
    }

    /// Reads in this thread, on the connection that writes, and takes the question away; `None` if there is none to be had just
    /// now.
    pub(crate) fn look_up_here(&self, question: &mut Option<LookUp>) -> Option<Result<Known, StoreError>> {
        let committer = self.committer.try_lock().ok()?;
        let open = committer.open.as_ref()?;
        let question = question.take()?;
        let moment = Moment::begin(&open.connection).map_err(Failure::from);
        let known = moment.and_then(|moment| decide::look_up(&moment, decide::state(&moment)?, question));
        Some(known.map_err(|failure| failure.to_error()))
    }

    fn answer(&self, batch: Vec<Write>, done: Result<Vec<Outcome>, Failure>) {
        match done {
            Ok(outcomes) => {
                if batch.iter().any(Write::is_for_the_log) {
                    self.reads.look();
                }
                batch
                    .into_iter()
                    .zip(outcomes)
                    .for_each(|(write, outcome)| write.answer(outcome));
            }
            Err(failure) => batch.into_iter().for_each(|write| write.fail(&failure)),
        }
    }

    fn committer(&self) -> MutexGuard<'_, Committer> {
        self.committer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets whoever else is ready go first.
async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Calls that were put silently: the writing thread hears of them when this is dropped.
struct Left<'a>(&'a Queue<Write>);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.tell();
    }
}

struct Committer {
    path: PathBuf,
    log: Option<Log>,
    witness: Option<Witness>,
    /// `None` before the first batch and after a failure: what SQLite then believes to be there may not be durable.
    open: Option<Open>,
    /// Whether there was a connection before.
    was_open: bool,
}

/// Says that a write failed, so that what the connection sees may not be durable.
fn given_up(failure: &Failure, batch: &[Write]) {
    tracing::error!(
        error = failure.as_error(),
        calls = batch.len(),
        "a write failed and the store gave its connection up"
    );
}

struct Open {
    connection: Connection,
    issuers: Issuers,
}

impl Committer {
    /// Judges and writes a batch in one transaction, for which other processes are waited for so long; `Ok` once it is durable.
    fn take(&mut self, batch: &[Write], patience: Duration) -> Result<Vec<Outcome>, Failure> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.reopen().inspect_err(|failure| {
                tracing::error!(
                    error = failure.as_error(),
                    calls = batch.len(),
                    "the store can't be opened to write"
                );
            })?,
        };
        if let Err(failure) = open.begin(patience) {
            if failure.is_busy() {
                if !patience.is_zero() {
                    tracing::warn!(
                        error = failure.as_error(),
                        calls = batch.len(),
                        "another process held the store's lock all the time"
                    );
                }
                // Nothing is wrong.
                self.open = Some(open);
            } else {
                given_up(&failure, batch);
            }
            return Err(failure);
        }
        // From here on every failure gives the connection up, and with it the transaction.
        let written = open.write(batch).and_then(|(outcomes, state)| {
            run_cached(&open.connection, "COMMIT")?;
            // Durable, then witnessed, then acknowledged.
            if let (Some(witness), Some(log), Some(state)) = (&self.witness, &self.log, state) {
                witness.advance(log, &state)?;
            }
            Ok(outcomes)
        });
        let outcomes = written.inspect_err(|failure| given_up(failure, batch))?;
        if batch.iter().any(Write::erases) {
            // So that what was erased is not in the write-ahead log either. Readers may be in the way.
            let _ = open.connection.pragma(None, "wal_checkpoint", "truncate", |_| Ok(()));
        }
        self.open = Some(open);
        Ok(outcomes)
    }

    fn reopen(&mut self) -> Result<Open, Failure> {
        let seen = self.witness.as_ref().map_or(Ok(None), Witness::said)?;
        let connection = file::open(&self.path, Access::Write)?;
        if file::log(&connection)? != self.log {
            return Err(Failure::Store(
                StoreCode::StoreLogMismatch,
                "the file was replaced by another",
            ));
        }
        {
            // One moment for all of it: another process may append between two statements.
            let moment = connection.unchecked_transaction()?;
            if let Some(log) = &self.log {
                decide::check_head(&moment, &decide::state(&moment)?.head)?;
                if let Some(seen) = &seen {
                    decide::check_witnessed(&moment, log, seen)?;
                }
            }
            rows::check_last(&moment)?;
        }
        if std::mem::replace(&mut self.was_open, true) {
            tracing::info!("opened the store anew after a failed write");
        }
        Ok(Open {
            connection,
            issuers: Issuers::new(),
        })
    }
}

impl Open {
    fn begin(&self, patience: Duration) -> Result<(), Failure> {
        self.connection.busy_timeout(patience)?;
        let begun = run_cached(&self.connection, "BEGIN IMMEDIATE");
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(begun?)
    }

    /// What becomes of each call, and where the log ends if it grew.
    fn write(&mut self, batch: &[Write]) -> Result<(Vec<Outcome>, Option<LedgerState>), Failure> {
        let Self { connection, issuers } = self;
        let (mut ledger, mut limits) = (None, Lazy(None));
        let (mut consumed, mut latest) = (0_usize, None);
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch {
            outcomes.push(match write {
                Write::Commit(commit, _) => Outcome::Commit(begun(&mut ledger, connection)?.commit(commit)?),
                Write::Append(append, _) => Outcome::Append(begun(&mut ledger, connection)?.append(append)?),
                Write::Change(call, _) => Outcome::Change(begun(&mut ledger, connection)?.change(call)?),
                Write::Lift(call, _) => Outcome::Lift(begun(&mut ledger, connection)?.lift(call)?),
                Write::Report(call, _) => Outcome::Report(begun(&mut ledger, connection)?.report(call)?),
                Write::Archive(call, _) => Outcome::Archive(begun(&mut ledger, connection)?.archive(call)?),
                Write::Resign(call, _) => Outcome::Resign(begun(&mut ledger, connection)?.resign(call)?),
                Write::Sweep(limit, _) => Outcome::Sweep(decide::sweep(connection, *limit)?),
                Write::Consume(mark, now, _) => {
                    let limits = limits.get(|| Limits::read(connection))?;
                    let outcome = consume::consume(connection, issuers, limits, mark)?;
                    if outcome == Consumption::Consumed {
                        consumed = consumed.saturating_add(1);
                        latest = latest.max(Some(*now));
                    }
                    Outcome::Consume(outcome)
                }
                Write::UseUp(call, _) => {
                    let limits = limits.get(|| Limits::read(connection))?;
                    let ledger = begun(&mut ledger, connection)?;
                    let outcome = use_up(connection, issuers, limits, ledger, call)?;
                    if matches!(outcome, Ok(UsedUp::Recorded(_))) {
                        consumed = consumed.saturating_add(1);
                        latest = latest.max(Some(call.now));
                    }
                    Outcome::UseUp(outcome)
                }
                Write::Restart(start, _) => {
                    limits.get(|| Limits::read(connection))?.restart(*start);
                    decide::restart(connection, *start)?;
                    Outcome::Restart
                }
            });
        }
        if let Some(now) = latest {
            consume::prune(connection, limits.get(|| Limits::read(connection))?, consumed, now)?;
        }
        limits.changed().map_or(Ok(()), |limits| limits.write(connection))?;
        let state = ledger.map_or(Ok(None), OpenLedger::end)?;
        Ok((outcomes, state))
    }
}

/// Records the use of a pass and marks it, or does neither: what could refuse it is looked at first.
fn use_up(
    connection: &Connection,
    issuers: &mut Issuers,
    limits: &mut Limits,
    ledger: &mut OpenLedger<'_>,
    call: &UseCall,
) -> Judged<UsedUp> {
    if let Some(code) = consume::refusal(connection, limits, &call.mark)? {
        return Ok(Ok(UsedUp::Refused(code)));
    }
    let appended = match ledger.append(&call.record)? {
        Ok(appended) => appended,
        Err(error) => return Ok(Err(error)),
    };
    match (
        consume::consume(connection, issuers, limits, &call.mark)?,
        appended.into_iter().next(),
    ) {
        (Consumption::Consumed, Some(AppendOutcome::Appended(record))) => Ok(Ok(UsedUp::Recorded(record))),
        _ => Err(Failure::corrupt("a use that was to be marked and recorded")),
    }
}

/// The ledger of a transaction, begun once it is needed.
fn begun<'a, 'c>(
    ledger: &'a mut Option<OpenLedger<'c>>,
    connection: &'c Connection,
) -> Result<&'a mut OpenLedger<'c>, Failure> {
    let begun = match ledger.take() {
        Some(begun) => begun,
        None => OpenLedger::begin(connection)?,
    };
    Ok(ledger.insert(begun))
}

/// A value read at most once in a transaction, and written only if it changed: as it was, and as it is.
struct Lazy<T>(Option<(T, T)>);

impl<T: Copy + PartialEq> Lazy<T> {
    fn get(&mut self, read: impl FnOnce() -> Result<T, Failure>) -> Result<&mut T, Failure> {
        let known = match self.0 {
            Some(known) => known,
            None => {
                let value = read()?;
                (value, value)
            }
        };
        Ok(&mut self.0.insert(known).1)
    }

    fn changed(&self) -> Option<&T> {
        self.0
            .as_ref()
            .filter(|(before, now)| before != now)
            .map(|(_, now)| now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use actionpass_store::Batch;
    use actionpass_store::conformance::{TempFolder, fixtures};

    use super::*;

    const SHORT: Duration = Duration::from_millis(1);
    use crate::events::capture;

    /// Appends as fast as it can: what is durable is of no interest here.
    fn append_until(done: &AtomicBool, path: &std::path::Path, log: &Log) {
        let connection = file::open(path, Access::Write).unwrap();
        connection.pragma_update(None, "synchronous", "off").unwrap();
        for number in 0.. {
            if done.load(Ordering::Relaxed) {
                return;
            }
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let mut ledger = OpenLedger::begin(&connection).unwrap();
            let append = Append::prepare(log, Batch::of(fixtures::used(number))).unwrap();
            let appended = ledger.append(&append).unwrap();
            assert!(appended.is_ok());
            ledger.end().unwrap();
            connection.execute_batch("COMMIT").unwrap();
        }
    }

    #[test]
    fn a_log_that_others_append_to_is_not_corrupt() {
        let folder = TempFolder::new();
        let (path, log) = (folder.path().join("ledger.db"), fixtures::log());
        file::create(&path, Some(&log), ReplayStart::first(fixtures::at(0))).unwrap();
        let mut committer = Committer {
            path: path.clone(),
            log: Some(log.clone()),
            witness: None,
            open: None,
            was_open: false,
        };
        let done = AtomicBool::new(false);
        let refused = thread::scope(|scope| {
            scope.spawn(|| append_until(&done, &path, &log));
            let refused = (0..1500).find_map(|_| committer.reopen().err().map(|failure| failure.to_error().code()));
            done.store(true, Ordering::Relaxed);
            refused
        });
        assert_eq!(refused, None);
    }

    fn made() -> (TempFolder, Committer) {
        let (folder, log) = (TempFolder::new(), fixtures::log());
        let path = folder.path().join("ledger.db");
        file::create(&path, Some(&log), ReplayStart::first(fixtures::at(0))).unwrap();
        let committer = Committer {
            path,
            log: Some(log),
            witness: None,
            open: None,
            was_open: false,
        };
        (folder, committer)
    }

    fn allow(number: u64) -> Vec<Write> {
        let approvals = vec![fixtures::approval("user:ann", number)];
        let call = fixtures::decision(number, actionpass_model::Decision::Allow, approvals);
        let (reply, _) = futures_channel::oneshot::channel();
        let commit = Commit::prepare(&fixtures::log(), call).unwrap();
        vec![Write::Commit(Box::new(commit), reply)]
    }

    /// It opens the file anew after a write that failed, and finds an older one.
    #[test]
    fn g12_a_store_that_lives_opens_no_other_database() {
        let (folder, mut committer) = made();
        committer.witness = Some(Witness::at(folder.path().join("witness")));
        assert!(committer.take(&allow(1), SHORT).is_ok());
        // Closing takes the write-ahead log into the file.
        committer.open = None;
        let older = std::fs::read(&committer.path).unwrap();
        assert!(committer.take(&allow(2), SHORT).is_ok());
        committer.open = None;
        let newer = std::fs::read(&committer.path).unwrap();
        std::fs::write(&committer.path, older).unwrap();
        assert_eq!(
            refusal(committer.take(&allow(3), SHORT)),
            Some(StoreCode::StoreRolledBack)
        );
        std::fs::write(&committer.path, newer).unwrap();
        assert_eq!(refusal(committer.take(&allow(3), SHORT)), None);
    }

    /// The place and the hash of the last record are those of the head: a log that was cut off is found, and one whose last
    /// record was replaced.
    #[test]
    fn a_log_whose_end_is_another_than_its_head_is_not_written_to() {
        for change in [
            "UPDATE record SET json = replace(json, '\"ledgerHash\":\"sha256:', '\"ledgerHash\":\"sha256:0') WHERE seq = 1",
            "UPDATE record SET seq = 7 WHERE seq = 1",
            "DELETE FROM record WHERE seq = 1",
        ] {
            let (_folder, mut committer) = made();
            assert_eq!(refusal(committer.take(&allow(1), SHORT)), None);
            assert_eq!(refusal(committer.take(&allow(2), SHORT)), None);
            committer.open = None;
            let changed = Connection::open(&committer.path).unwrap().execute(change, []);
            assert_eq!(changed.unwrap(), 1, "{change}");
            assert_eq!(
                refusal(committer.take(&allow(3), SHORT)),
                Some(StoreCode::StoreCorrupt),
                "{change}"
            );
        }
    }

    fn refusal(taken: Result<Vec<Outcome>, Failure>) -> Option<StoreCode> {
        taken.err().map(|failure| failure.to_error().code())
    }

    /// The connection that commits, after it did: with less than FULL a commit in WAL outlives a kill and not the loss of power,
    /// which no test of processes shows.
    #[test]
    fn g10_commits_are_synced() {
        let (_folder, mut committer) = made();
        assert!(committer.take(&allow(1), SHORT).is_ok());
        let connection = &committer.open.as_ref().unwrap().connection;
        let synchronous: i64 = connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        let journal: String = connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"), "2 is FULL");
    }

    #[test]
    fn a_failed_write_and_the_opening_after_it_are_told() {
        let (_folder, mut committer) = made();
        let (done, events) = capture(|| committer.take(&allow(1), SHORT).is_ok());
        assert!(done && events.is_empty(), "{events:?}");

        let hand = Connection::open(&committer.path).unwrap();
        // Renamed there and back it would have another statement, and so another schema.
        let made: String = hand
            .query_row("SELECT sql FROM sqlite_schema WHERE name = 'approval'", [], |row| {
                row.get(0)
            })
            .unwrap();
        hand.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM main.approval; DROP TABLE main.approval")
            .unwrap();
        let (done, failed) = capture(|| committer.take(&allow(2), SHORT).is_ok());
        assert!(!done && committer.open.is_none());
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(
            failed[0].starts_with("ERROR ") && failed[0].contains("gave its connection up"),
            "{failed:?}"
        );
        assert!(failed[0].contains("no such table"), "the cause: {failed:?}");
        assert!(failed[0].contains("calls=1"), "{failed:?}");

        hand.execute_batch(&format!("{made}; INSERT INTO main.approval SELECT * FROM kept"))
            .unwrap();
        let (done, reopened) = capture(|| committer.take(&allow(2), SHORT).is_ok());
        assert!(done);
        assert_eq!(reopened.len(), 1, "{reopened:?}");
        assert!(reopened[0].starts_with("INFO ") && reopened[0].contains("opened the store anew"));
        // Nothing of what callers wrote.
        for event in failed.iter().chain(&reopened) {
            for secret in ["token.of", "{}", "ann"] {
                assert!(!event.contains(secret), "{event}");
            }
        }
    }

    #[test]
    fn a_lock_that_others_hold_is_told_and_breaks_nothing() {
        let (_folder, mut committer) = made();
        committer.take(&allow(1), SHORT).unwrap();
        let hand = Connection::open(&committer.path).unwrap();
        hand.execute_batch("BEGIN IMMEDIATE").unwrap();
        let (failed, events) = capture(|| {
            committer
                .take(&allow(2), SHORT)
                .err()
                .map(|failure| failure.to_error().code())
        });
        assert_eq!(failed, Some(StoreCode::StoreBusy));
        assert!(committer.open.is_some());
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("WARN ") && events[0].contains("held the store's lock"));
        hand.execute_batch("ROLLBACK").unwrap();
        assert!(committer.take(&allow(2), SHORT).is_ok());
    }

    /// A disk that is full is told apart from one that fails.
    #[test]
    fn a_full_disk_has_its_code() {
        let (_folder, mut committer) = made();
        committer.take(&allow(1), SHORT).unwrap();
        let connection = &committer.open.as_ref().unwrap().connection;
        let pages: i64 = connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
        let failed = (2..200).find_map(|number| committer.take(&allow(number), SHORT).err());
        assert_eq!(failed.unwrap().to_error().code(), StoreCode::StoreFull);
        assert!(
            committer.take(&allow(1000), SHORT).is_ok(),
            "the limit was this connection's"
        );
    }
}
