//! [`PostgresStore`]: the store as its users see it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actionpass_model::{
    ApprovalRequest, ArchivedRows, Issuer, PassId, RequestId, RevocationId, Statement, Timestamp, UnixSeconds,
};
use actionpass_store::backend::{Lift, QueueCall};
use actionpass_store::ledger::{Log, RecordDraft, SealedRecord};
use actionpass_store::{
    AppendOutcome, Batch, Change, ChangeOutcome, CommitOutcome, Consumption, DecisionCommit, DecisionStore,
    HeadWitness, Known, Ledger, LedgerState, LookUp, Mark, OutcomeStore, Process, QueueStore, ReplayStart, ReplayStore,
    Report, Reported, RequestFilter, SideKind, StoreCode, StoreError, StoreFuture, StoredRecord, StoredRequest,
    UseStore, UsedPass, UsedUp,
};
use deadpool_postgres::Pool;
use futures_channel::oneshot::{Receiver, channel};
use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use crate::error::Failure;
use crate::facts::{Facts, Questions};
use crate::follow::{self, Follower, News};
use crate::ledger::{Append, Commit, HeadRow, ReportCall, check_durable, head_statement};
use crate::marks::{self, Marking};
use crate::migrate::{self, Holds};
use crate::options::PostgresOptions;
use crate::session::{Session, from_uuid, get, maybe, number, pool, to_sql};
use crate::writer::{self, Reply, UseCall, Write, Writer, send};
use crate::{reads, requests, rows, writes};

/// An issuer's log and decisions, and the used passes of executors, in a PostgreSQL database.
///
/// Cheap to clone; clones share one thread with its connections, which ends with the last of them. Dropping the last clone
/// waits until what was begun is written, at most as long as a call may take.
///
/// After a fork only the process that opened a store can use it: elsewhere every call gives [`StoreCode::StoreForked`].
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    process: Process,
    log: Option<Log>,
    patience: Duration,
    /// `None` while it is dropped.
    running: Option<Running>,
}

/// The way to the thread of a store.
struct Running {
    calls: Calls,
    thread: JoinHandle<()>,
}

pub(crate) struct Calls {
    pub(crate) writes: UnboundedSender<Write>,
    marks: UnboundedSender<Marking>,
    look_ups: UnboundedSender<(LookUp, Reply<Known>)>,
    follows: UnboundedSender<Follower>,
    jobs: UnboundedSender<Job>,
}

/// Anything else that runs on the thread.
type Job = Box<dyn FnOnce(Pool, Duration) -> LocalBoxFuture<'static, ()> + Send>;

impl Drop for Shared {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if self.process.check().is_err() {
            // There is no such thread here, and its connections are the other process's.
            std::mem::forget(running);
            return;
        }
        let Running { calls, thread } = running;
        drop(calls);
        // A waker run by the thread may hold the last clone.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("log", &self.0.log)
            .finish_non_exhaustive()
    }
}

/// What a database is and holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// The version of the server.
    pub server: String,
    /// The encoding of its text: UTF8 is needed.
    pub encoding: String,
    /// Whether it follows another server, and so can't be written.
    pub is_replica: bool,
    /// As whom it was asked.
    pub user: String,
    /// Whether a commit there would outlive the loss of power.
    pub durable: Result<(), StoreError>,
    /// How many migrations its tables have had.
    pub applied: usize,
    /// How many they lack.
    pub pending: usize,
    /// Whether there is a store.
    pub has_store: bool,
    /// The names of the documents that are there and that this user may see.
    pub documents: Vec<String>,
}

/// What a thread begins with.
#[derive(Clone, Debug)]
enum Opening {
    Open,
    Create(Option<Log>, ReplayStart),
    OpenOrCreate(Option<Log>, ReplayStart),
}

impl PostgresStore {
    /// Brings the tables of a database to this release, and makes them where there are none; gives how many migrations were
    /// run. Blocks this thread. It takes the owner of the schema; a store that is open elsewhere goes on.
    ///
    /// # Errors
    /// [`StoreCode::StoreVersionUnsupported`] if a later release made the tables; [`StoreCode::StoreForeign`] if the
    /// database's encoding isn't UTF-8; [`StoreCode::StoreReadOnly`] without the right to; [`StoreCode::StoreUnavailable`].
    pub fn migrate(options: &PostgresOptions) -> Result<usize, StoreError> {
        let migrate = async || {
            let pool = pool(options)?;
            let session = Session::begin(&pool).await?;
            let before = bounded(options.timeout, migrate::migrate(&session)).await?;
            Ok(crate::schema::MIGRATIONS.len().saturating_sub(before))
        };
        let done = blocking(migrate).and_then(|done| done);
        done.map_err(|failure: Failure| failure.to_error())
    }

    /// What a database is and holds, for whoever is about to use it. Nothing is changed. Blocks this thread.
    ///
    /// # Errors
    /// [`StoreCode::StoreVersionUnsupported`] if a later release made its tables; [`StoreCode::StoreUnavailable`].
    pub fn find(options: &PostgresOptions) -> Result<Found, StoreError> {
        const SERVER: &str = "SELECT current_setting('server_version'), current_setting('server_encoding'),
            current_setting('synchronous_commit'), current_setting('fsync'), pg_is_in_recovery(), current_user::text";
        let find = async || {
            let pool = pool(options)?;
            let session = Session::begin(&pool).await?;
            let find = async {
                let row = session.one(SERVER, &[]).await?;
                let row = row.ok_or_else(|| Failure::corrupt("the settings of the server"))?;
                let applied = migrate::applied(&session).await?;
                let pending = crate::schema::MIGRATIONS.len().saturating_sub(applied);
                let has_store = migrate::has_store(&session).await?;
                let documents = migrate::documents(&session).await?;
                let durable = check_durable(&get::<String>(&row, 2)?, &get::<String>(&row, 3)?);
                Ok(Found {
                    server: get(&row, 0)?,
                    encoding: get(&row, 1)?,
                    is_replica: get(&row, 4)?,
                    user: get(&row, 5)?,
                    durable: durable.map_err(|failure| failure.to_error()),
                    applied,
                    pending,
                    has_store,
                    documents,
                })
            };
            bounded(options.timeout, find).await
        };
        let found = blocking(find).and_then(|found| found);
        found.map_err(|failure: Failure| failure.to_error())
    }

    /// Makes a store in a database that holds none: an issuer's with a log, an executor's with none. Blocks this thread.
    ///
    /// # Errors
    /// [`StoreCode::StoreExists`] if there is one; those of [`migrate`](Self::migrate) and [`open`](Self::open).
    pub fn create(options: &PostgresOptions, log: Option<&Log>, start: ReplayStart) -> Result<Self, StoreError> {
        Self::start(options, Opening::Create(log.cloned(), start), None)
    }

    /// Opens the store in a database. Blocks this thread.
    ///
    /// # Errors
    /// [`StoreCode::StoreMissing`] if there is none; [`StoreCode::StoreOutdated`] or
    /// [`StoreCode::StoreVersionUnsupported`] if its tables are those of another release; [`StoreCode::StoreUnavailable`]
    /// if the database can't be reached.
    pub fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        Self::start(options, Opening::Open, None)
    }

    /// Opens the store in a database, which must hold what the witness saw of its log, and goes on to tell the witness before
    /// anybody hears of a record. Blocks this thread.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`StoreCode::StoreRolledBack`] if the database is an earlier state; those of
    /// [`HeadWitness::seen`].
    pub fn open_witnessed(options: &PostgresOptions, witness: Arc<dyn HeadWitness>) -> Result<Self, StoreError> {
        Self::start(options, Opening::Open, Some(witness))
    }

    /// Opens the store in a database, or makes it if there is none. `start` counts only for a new one:
    /// [`ReplayStart::restored`] unless nothing was ever consumed for this audience. Blocks this thread.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`open`](Self::open); [`StoreCode::StoreLogMismatch`] if the store that is
    /// there holds another log.
    pub fn open_or_create(
        options: &PostgresOptions,
        log: Option<&Log>,
        start: ReplayStart,
    ) -> Result<Self, StoreError> {
        let opened = Self::start(options, Opening::OpenOrCreate(log.cloned(), start), None)?;
        if opened.log() == log {
            Ok(opened)
        } else {
            Err(StoreError::new(StoreCode::StoreLogMismatch))
        }
    }

    fn start(
        options: &PostgresOptions,
        opening: Opening,
        witness: Option<Arc<dyn HeadWitness>>,
    ) -> Result<Self, StoreError> {
        let (answer, answered) = sync_channel(1);
        let (writes, to_write) = unbounded_channel();
        let (marks, to_mark) = unbounded_channel();
        let (look_ups, to_look_up) = unbounded_channel();
        let (follows, to_follow) = unbounded_channel();
        let (jobs, mut to_run) = unbounded_channel::<Job>();
        let calls = Calls {
            writes,
            marks,
            look_ups,
            follows,
            jobs,
        };
        let options = options.clone();
        let patience = options.timeout;
        let thread = spawn(move |runtime| {
            runtime.block_on(LocalSet::new().run_until(async move {
                let (pool, log) = match begin(&options, opening, witness.clone()).await {
                    Ok((pool, log)) => {
                        let _ = answer.send(Ok(log.clone()));
                        (pool, log)
                    }
                    Err(failure) => {
                        let _ = answer.send(Err(failure));
                        return;
                    }
                };
                let news = News::default();
                let writer = Writer::new(pool.clone(), log.clone(), patience, witness);
                let writing = writer::run(writer, to_write, news.clone());
                let marking = marks::run(pool.clone(), patience, to_mark);
                let looking = reads::run(pool.clone(), log, patience, to_look_up);
                let following = follow::run(pool.clone(), options, news, to_follow);
                let running = async {
                    while let Some(job) = to_run.recv().await {
                        spawn_local(job(pool.clone(), patience));
                    }
                };
                tokio::join!(writing, marking, looking, following, running);
            }));
        })
        .map_err(|failure| failure.to_error())?;
        let log = match answered.recv().map_err(|_| gone())? {
            Ok(opened) => opened,
            Err(failure) => {
                let _ = thread.join();
                return Err(failure.to_error());
            }
        };
        tracing::debug!(log = log.as_ref().map(|log| log.origin().as_str()), "opened a store");
        Ok(Self(Arc::new(Shared {
            process: Process::current(),
            log,
            patience,
            running: Some(Running { calls, thread }),
        })))
    }

    /// The log that the database holds; `None` in an executor's.
    #[must_use]
    pub fn log(&self) -> Option<&Log> {
        self.0.log.as_ref()
    }

    /// Frees what erased side data, and records that were taken out, left behind in the tables (`VACUUM`), however long that
    /// takes. What the write-ahead log, replicas and backups keep of it is beyond this.
    ///
    /// # Errors
    /// [`StoreCode::StoreReadOnly`] for a user who doesn't own the tables.
    pub fn purge(&self) -> StoreFuture<'_, ()> {
        const OWNS: &str = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
            WHERE oid IN ('actionpass.side'::regclass, 'actionpass.request_side'::regclass, 'actionpass.record'::regclass)";
        self.unhurried(async |session| {
            let row = session.one(OWNS, &[]).await?;
            if !row.map_or(Ok(false), |row| get(&row, 0))? {
                let problem = "only who owns the tables may vacuum them";
                return Err(Failure::new(StoreCode::StoreReadOnly, problem));
            }
            session.run("SET statement_timeout = 0").await?;
            session
                .run("VACUUM actionpass.side, actionpass.request_side, actionpass.record")
                .await
        })
    }

    /// Says that the database was restored from an earlier state, so passes consumed and approvals used since may not be
    /// marked, nor actions known that were allowed: `start` is [`ReplayStart::restored`], and becomes
    /// [`LedgerState::restored`](actionpass_store::LedgerState::restored). It never moves back.
    pub fn restart_replay(&self, start: ReplayStart) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let (reply, answer) = channel();
            self.call(|calls| calls.marks.send(Marking::Restart(start, reply)).is_ok())?;
            received(answer).await
        })
    }

    /// Writes the whole log as JSON lines, from the first record on that is there, and gives their number. Blocks this thread, in
    /// constant memory; writers go on, and what they append meanwhile may be in it.
    ///
    /// Nothing is verified here: [`verify_jsonl`](actionpass_store::ledger::verify_jsonl) does that with the result.
    ///
    /// # Errors
    /// Those of `out`, and [`io::ErrorKind::Other`] with a [`StoreError`].
    pub fn export(&self, mut out: impl io::Write) -> io::Result<u64> {
        const PAGE: usize = 1000;
        let first = self.first().map_err(io::Error::other)?;
        let mut size = first;
        loop {
            let (answer, answered) = sync_channel(1);
            let from = size;
            self.run(move |pool, patience| async move {
                let page = reads::insist(&pool, patience, async |session| read(session, from, PAGE).await).await;
                // Whoever asked waits for it.
                let _ = answer.send(page);
            })
            .map_err(io::Error::other)?;
            let page = answered.recv().map_err(|_| io::Error::other(gone()))?;
            let page = page.map_err(|failure| io::Error::other(failure.to_error()))?;
            for record in &page {
                out.write_all(&record.json)?;
                out.write_all(b"\n")?;
                size = size.saturating_add(1);
            }
            if page.len() < PAGE {
                out.flush()?;
                return Ok(size.saturating_sub(first));
            }
        }
    }

    /// The number of the first record that is there. Blocks this thread.
    fn first(&self) -> Result<u64, StoreError> {
        if self.0.log.is_none() {
            return Ok(0);
        }
        let (answer, answered) = sync_channel(1);
        self.run(move |pool, patience| async move {
            let first = reads::insist(&pool, patience, async |session| {
                let head = session.one(head_statement(false), &[]).await?;
                Ok(HeadRow::read(head, None)?.state.first.size())
            });
            let _ = answer.send(first.await);
        })?;
        let first = answered.recv().map_err(|_| gone())?;
        first.map_err(|failure| failure.to_error())
    }

    /// Compares the tables with the log: the issued action and the used approvals of every allow, every revocation, every use
    /// and outcome, the mark of every use of this issuer's passes that must not have been forgotten, every approval request and
    /// the number of rows. Memory grows with the passes that still hold. Nothing is said of the chain.
    ///
    /// # Errors
    /// [`StoreCode::StoreRowsMissing`], naming the first record whose rows differ; [`StoreCode::StoreCorrupt`] for a record
    /// that can't be read. Without a log: [`StoreCode::StoreLogMismatch`].
    pub fn check_rows(&self) -> StoreFuture<'_, ()> {
        let compared = self.rows_before(u64::MAX);
        Box::pin(async move { compared.await.map(drop) })
    }

    /// What the records in front of this number left in the tables, which are compared with them on the way.
    ///
    /// # Errors
    /// Those of [`check_rows`](Self::check_rows).
    pub fn rows_before(&self, until: u64) -> StoreFuture<'_, ArchivedRows> {
        Box::pin(async move {
            let issuer = self.needed_log()?.issuer().clone();
            self.unhurried(async move |session| rows::Comparison::new(issuer.clone()).run(session, until).await)
                .await
        })
    }

    /// That a commit of now would wait for the disk, here and where a replica is to have it, and that the clocks agree.
    ///
    /// # Errors
    /// [`StoreCode::StoreNotDurable`] unless `synchronous_commit` is `on` or `remote_apply`, and `fsync` on;
    /// [`StoreCode::StoreClockOff`].
    pub fn check_durable(&self) -> StoreFuture<'_, ()> {
        self.ask(async |session| match session.one(head_statement(false), &[]).await? {
            Some(row) => HeadRow::check_writable(&row),
            None => Err(Failure::new(StoreCode::StoreLogMismatch, "the store holds no log")),
        })
    }

    /// Those records, at most `limit` and from `seq` on, that have side data: payloads, salts, tokens.
    pub fn sided(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<u64>> {
        const SIDED: &str = "SELECT seq FROM (SELECT DISTINCT seq FROM actionpass.side WHERE seq >= $1
            UNION SELECT DISTINCT request FROM actionpass.request_side WHERE request >= $1) AS sided
            ORDER BY seq LIMIT $2";
        self.ask(async move |session| {
            // Beyond what the database counts to there are no records.
            let Ok(first) = to_sql(seq) else { return Ok(Vec::new()) };
            let limit = to_sql(limit as u64).unwrap_or(i64::MAX);
            let rows = session.query(SIDED, &[&first, &limit]).await?;
            rows.iter().map(|row| number(row, 0)).collect()
        })
    }

    pub(crate) fn patience(&self) -> Duration {
        self.0.patience
    }

    /// The log, for what can't be done without one.
    fn needed_log(&self) -> Result<&Log, StoreError> {
        self.log().ok_or_else(|| StoreError::new(StoreCode::StoreLogMismatch))
    }

    fn running(&self) -> Result<&Running, StoreError> {
        self.0.process.check()?;
        self.0.running.as_ref().ok_or_else(gone)
    }

    /// Gives the thread a call.
    pub(crate) fn call(&self, call: impl FnOnce(&Calls) -> bool) -> Result<(), StoreError> {
        if call(&self.running()?.calls) {
            Ok(())
        } else {
            Err(gone())
        }
    }

    /// Runs something on the thread.
    fn run<F: Future<Output = ()> + 'static>(
        &self,
        work: impl FnOnce(Pool, Duration) -> F + Send + 'static,
    ) -> Result<(), StoreError> {
        let job: Job = Box::new(move |pool, patience| Box::pin(work(pool, patience)));
        self.call(|calls| calls.jobs.send(job).is_ok())
    }

    /// Asks the database on a connection of the pool, from now on, and gives a future of its answer, which needs no runtime.
    /// The question is asked again on another connection where one fails.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl AsyncFn(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let (reply, answer) = channel();
        let asked = self.run(move |pool, patience| async move {
            let answer = reads::insist(&pool, patience, question).await;
            send(reply, answer.map_err(|failure| failure.to_error()));
        });
        Box::pin(async move {
            asked?;
            received(answer).await
        })
    }

    /// Asks once, for as long as the answer takes, on a connection that is closed afterwards: it may have other settings by
    /// then. What isn't set otherwise bounds each statement.
    fn unhurried<T: Send + 'static>(
        &self,
        question: impl AsyncFn(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<'static, T> {
        let (reply, answer) = channel();
        let asked = self.run(move |pool, _| async move {
            let answered = async {
                let session = Session::begin(&pool).await?;
                let answer = question(&session).await;
                session.give_up();
                answer
            };
            send(reply, answered.await.map_err(|failure| failure.to_error()));
        });
        Box::pin(async move {
            asked?;
            received(answer).await
        })
    }
}

pub(crate) async fn received<T>(answer: Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.await.unwrap_or_else(|_| Err(gone()))
}

/// The thread ended before it answered.
fn gone() -> StoreError {
    StoreError::new(StoreCode::StorePoisoned)
}

/// Runs something to its end on a thread with a runtime of its own: this one may be a runtime's.
pub(crate) fn blocking<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> Result<T, Failure> {
    let failed = |error: io::Error| Failure::new(StoreCode::StoreUnavailable, error.to_string());
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(failed)?;
    let ended = |_| Failure::new(StoreCode::StorePoisoned, "the thread of the store ended");
    thread::scope(|scope| {
        let named = thread::Builder::new().name("actionpass-postgres".to_owned());
        let running = named.spawn_scoped(scope, move || runtime.block_on(work()));
        running.map_err(failed)?.join().map_err(ended)
    })
}

/// Starts a thread with a runtime of its own: the callers' may be any, or none.
fn spawn(work: impl FnOnce(&Runtime) + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let failed = |error: io::Error| Failure::new(StoreCode::StoreUnavailable, error.to_string());
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(failed)?;
    let named = thread::Builder::new().name("actionpass-postgres".to_owned());
    named.spawn(move || work(&runtime)).map_err(failed)
}

async fn bounded<T>(patience: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(Failure::late()))
}

/// Connects, and finds or makes the store.
async fn begin(
    options: &PostgresOptions,
    opening: Opening,
    witness: Option<Arc<dyn HeadWitness>>,
) -> Result<(Pool, Option<Log>), Failure> {
    let pool = pool(options)?;
    let session = Session::begin(&pool).await?;
    let log = bounded(options.timeout, opened(&session, opening)).await?;
    if log.is_some() {
        bounded(options.timeout, rows::check_last(&session)).await?;
    }
    if let (Some(witness), Some(log)) = (witness, log.clone()) {
        // Read first: what it saw was durable before.
        let seen = spawn_blocking(move || witness.seen(&log)).await;
        let seen = seen.map_err(|_| Failure::new(StoreCode::StoreUnavailable, "the witness was not asked"))?;
        if let Some(known) = seen.map_err(|error| Failure::of(&error))? {
            let head = session.one(head_statement(false), &[]).await?;
            let state = HeadRow::read(head, None)?.state;
            bounded(options.timeout, writer::check_holds(&session, &state, known)).await?;
        }
    }
    Ok((pool, log))
}

async fn opened(session: &Session, opening: Opening) -> Result<Option<Log>, Failure> {
    let missing = || Failure::new(StoreCode::StoreMissing, "the database holds no store");
    match opening {
        Opening::Open => match migrate::look(session).await? {
            Holds::Store(log) => Ok(log),
            Holds::Nothing => Err(missing()),
        },
        Opening::Create(log, start) => {
            migrate::create(session, log.as_ref(), start).await?;
            Ok(log)
        }
        Opening::OpenOrCreate(log, start) => {
            if let Holds::Store(log) = migrate::look(session).await? {
                return Ok(log);
            }
            match migrate::create(session, log.as_ref(), start).await {
                Ok(()) => Ok(log),
                // Another process was faster.
                Err(failure) if failure.code == StoreCode::StoreExists => {
                    session.run("ROLLBACK").await?;
                    match migrate::look(session).await? {
                        Holds::Store(log) => Ok(log),
                        Holds::Nothing => Err(missing()),
                    }
                }
                Err(failure) => Err(failure),
            }
        }
    }
}

impl DecisionStore for PostgresStore {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        // Now, and not when the future is polled: whoever asks has something else to do meanwhile.
        let (reply, answer) = channel();
        let asked = self.call(|calls| calls.look_ups.send((question, reply)).is_ok());
        Box::pin(async move {
            asked?;
            received(answer).await
        })
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(async move {
            // Here, and not in the thread that everybody waits for.
            let commit = Box::new(Commit::prepare(self.needed_log()?, commit));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Commit(commit, reply)).is_ok())?;
            received(answer).await
        })
    }
}

impl Ledger for PostgresStore {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        Box::pin(async move {
            let append = Box::new(Append::prepare(self.needed_log()?, batch));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Append(append, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.ask(async |session| {
            let head = session.one(head_statement(false), &[]).await?;
            Ok(HeadRow::read(head, None)?.state)
        })
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        self.ask(async move |session| read(session, seq, limit).await)
    }

    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let (reply, answer) = channel();
            self.call(|calls| calls.follows.send((seq, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.ask(async move |session| {
            let (Some(place), Ok(seq)) = (writes::kind(kind), to_sql(seq)) else {
                return Ok(None);
            };
            let beside = "SELECT bytes FROM actionpass.side WHERE seq = $1 AND kind = $2";
            let row = session.one(beside, &[&seq, &place]).await?;
            row.map(|row| get(&row, 0)).transpose()
        })
    }

    fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
        const OF_A_REVOCATION: &str = "SELECT json FROM actionpass.record
            WHERE seq = $1 AND EXISTS (SELECT FROM actionpass.revocation WHERE seq = $1)";
        self.ask(async move |session| {
            let Ok(place) = to_sql(seq) else { return Ok(None) };
            let row = session.one(OF_A_REVOCATION, &[&place]).await?;
            let json: Option<String> = row.map(|row| get(&row, 0)).transpose()?;
            Ok(json.map(|json| StoredRecord::new(seq, json.into_bytes())))
        })
    }

    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.ask(async move |session| {
            let mut questions = Questions::default();
            questions.revocations.clone_from(&revocations);
            let facts = Facts::load(session, &questions).await?;
            let missing = questions
                .revocations
                .into_iter()
                .filter(|id| !facts.revoked.contains_key(id));
            Ok(missing.collect())
        })
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.ask(async |session| {
            let rows = session
                .query("SELECT id, seq FROM actionpass.revocation ORDER BY seq", &[])
                .await?;
            rows.iter()
                .map(|row| Ok((from_uuid(get(row, 0)?)?, number(row, 1)?)))
                .collect()
        })
    }
}

impl OutcomeStore for PostgresStore {
    fn used<'a>(&'a self, pass: &'a PassId) -> StoreFuture<'a, Option<UsedPass>> {
        let pass = pass.clone();
        self.ask(async move |session| {
            let mut questions = Questions::default();
            questions.passes.push(pass.clone());
            let facts = Facts::load(session, &questions).await?;
            Ok(facts.reported.get(&pass).copied())
        })
    }

    fn report(&self, report: Report) -> StoreFuture<'_, Reported> {
        Box::pin(async move {
            let call = Box::new(ReportCall::prepare(self.needed_log()?, report));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Report(call, reply)).is_ok())?;
            received(answer).await
        })
    }
}

impl ReplayStore for PostgresStore {
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
        Box::pin(async move {
            let (reply, answer) = channel();
            self.call(|calls| calls.marks.send(Marking::Consume(mark.clone(), now, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
        let (issuer, pass) = (issuer.clone(), pass.clone());
        self.ask(async move |session| marks::is_used(session, &issuer, &pass).await)
    }
}

impl UseStore for PostgresStore {
    fn use_up(&self, mark: Mark, now: UnixSeconds, record: RecordDraft) -> StoreFuture<'_, UsedUp> {
        Box::pin(async move {
            let record = Append::prepare(self.needed_log()?, Batch::of(record));
            let (reply, answer) = channel();
            let call = Box::new(UseCall { mark, record });
            self.call(|calls| calls.writes.send(Write::UseUp(call, reply)).is_ok())?;
            let used = received(answer).await?;
            if matches!(used, UsedUp::Recorded(_)) {
                // Who makes marks forgets those that expired: now and then, and not in this transaction.
                let _ = self.call(|calls| calls.marks.send(Marking::Recorded(now)).is_ok());
            }
            Ok(used)
        })
    }
}

impl QueueStore for PostgresStore {
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        let id = id.clone();
        self.ask(async move |session| {
            session.run(reads::MOMENT).await?;
            let stored = match requests::by_id(session, &id).await? {
                Some(kept) => Some(requests::with_side(session, kept).await?),
                None => None,
            };
            session.run("COMMIT").await?;
            Ok(stored)
        })
    }

    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        let id = id.clone();
        self.ask(async move |session| requests::version(session, &id).await)
    }

    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        let id = id.clone();
        self.ask(async move |session| requests::client(session, &id).await)
    }

    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        let filter = filter.clone();
        self.ask(async move |session| requests::list(session, &filter, now).await)
    }

    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
        Box::pin(async move {
            let call = Box::new(QueueCall::change(self.needed_log()?, change));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Change(call, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(async move {
            let call = Box::new(QueueCall::lift(self.needed_log()?, Lift { request, record }));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Lift(call, reply)).is_ok())?;
            received(answer).await
        })
    }
}

async fn read(session: &Session, seq: u64, limit: usize) -> Result<Vec<StoredRecord>, Failure> {
    // Records are taken out behind a beginning that moved before, so both are of one moment.
    const PAGE: &str = "SELECT r.seq, r.json, l.first FROM
        (SELECT coalesce((SELECT first FROM actionpass.ledger), 0) AS first) AS l LEFT JOIN LATERAL
        (SELECT seq, json FROM actionpass.record WHERE seq >= $1 ORDER BY seq LIMIT $2) AS r ON true ORDER BY r.seq";
    // Beyond what the database counts to there are no records.
    let Ok(first) = to_sql(seq) else { return Ok(Vec::new()) };
    let limit = to_sql(limit as u64).unwrap_or(i64::MAX);
    let rows = session.query(PAGE, &[&first, &limit]).await?;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        let begins = number(row, 2)?;
        if begins > seq {
            return Err(Failure::archived(begins));
        }
        if let Some(seq) = maybe(row, 0)? {
            records.push(StoredRecord::new(seq, get::<String>(row, 1)?.into_bytes()));
        }
    }
    Ok(records)
}
