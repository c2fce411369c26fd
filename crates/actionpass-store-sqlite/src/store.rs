//! [`SqliteStore`]: the store as its users see it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use actionpass_model::{ArchivedRows, Issuer, PassId, RevocationId, UnixSeconds};
use actionpass_store::ledger::Log;
use actionpass_store::{
    AppendOutcome, Batch, CommitOutcome, Consumption, DecisionCommit, DecisionStore, Known, Ledger, LedgerState,
    LookUp, Mark, ReplayStart, ReplayStore, SideKind, StoreCode, StoreError, StoreFuture, StoredRecord,
};
use futures_channel::oneshot::{Receiver, channel};
use rusqlite::{Connection, OptionalExtension, params};

use crate::committer::{Reply, Write, Writer, send};
use crate::decide::{Append, Commit};
use crate::error::{Failure, from_sql, to_sql};
use crate::file::Access;
use crate::id::to_bytes;
use crate::process::Lease;
use crate::reader::{self, Read, Reads};
use crate::witness::Witness;
use crate::{consume, decide, file, rows};

mod archive;
mod outcomes;
mod requests;
mod uses;

/// An issuer's log and decisions, and an executor's used passes, in one SQLite file.
///
/// Cheap to clone; clones share two threads, which end with the last of them. Dropping the last clone waits until what
/// was begun is written.
///
/// After a fork only the process that opened a store can use it: elsewhere every call gives [`StoreCode::StoreForked`].
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    lease: Arc<Lease>,
    access: Access,
    log: Option<Log>,
    writer: Arc<Writer>,
    /// Whether calls are written in the thread of their caller.
    is_here: AtomicBool,
    reads: Arc<Reads>,
    writing: Option<JoinHandle<()>>,
    reading: Option<JoinHandle<()>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.lease.is_forked() {
            // There are no such threads here to be joined, and a queue may have been copied while it was locked.
            std::mem::forget((self.writing.take(), self.reading.take()));
            // Nor may its connection be closed here: that is the original's.
            std::mem::forget(Arc::clone(&self.writer));
            return;
        }
        // One after the other: of two connections that are closed at once, each may leave it to the other to take the write-ahead
        // log into the file.
        self.writer.close();
        join(self.writing.take());
        self.reads.queue.close();
        join(self.reading.take());
    }
}

/// Waits for the end of a thread, unless it is this one: a waker that it runs may hold the last clone.
fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
        let _ = thread.join();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("log", &self.0.log)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Makes the file at `path`, readable and writable by its owner only: an issuer's with a log, an executor's with
    /// none. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`StoreCode::StoreExists`] if something is there already; [`StoreCode::StoreUnavailable`] if it can't be made.
    pub fn create(path: &Path, log: Option<&Log>, start: ReplayStart) -> Result<Self, StoreError> {
        let created = Lease::take().and_then(|_lease| file::create(path, log, start));
        created.map_err(|failure| failure.to_error())?;
        Self::open(path)
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`StoreCode::StoreMissing`]; [`StoreCode::StoreNotPrivate`] if its mode lets group or others write;
    /// [`StoreCode::StoreForeign`] if it is something else; [`StoreCode::StoreVersionUnsupported`] if a later release
    /// made it; [`StoreCode::StoreForked`] if this is a copy of a process in which a store was open when it was forked;
    /// [`StoreCode::StoreUnavailable`] if it can't be opened as it must (WAL).
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let started = Lease::take().and_then(|lease| Self::start(path, Access::Write, None, lease));
        started.map_err(|failure| failure.to_error())
    }

    /// Opens the file at `path`, which must hold what the witness saw of it, and goes on to tell the witness. It is made
    /// when the first record is appended.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`StoreCode::StoreRolledBack`] if the file is an earlier state, or another log of
    /// this name; [`StoreCode::StoreLogMismatch`] if the witness saw another log; those of [`Witness::read`].
    pub fn open_witnessed(path: &Path, witness: Witness) -> Result<Self, StoreError> {
        let started = Lease::take().and_then(|lease| Self::start(path, Access::Write, Some(witness), lease));
        started.map_err(|failure| failure.to_error())
    }

    /// The same for whoever reads only, which needs no right to write: neither the file nor its folder, nor a file system
    /// that is mounted read-only. Every call that writes gives [`StoreCode::StoreReadOnly`].
    ///
    /// Where nothing can be written beside the file, it is read as if nobody changed it meanwhile, and with a write-ahead log
    /// from a copy in the folder for temporary files.
    ///
    /// # Errors
    /// Those of [`open_witnessed`](Self::open_witnessed); [`StoreCode::StoreReadOnly`] for a file of an earlier release, which
    /// is brought to this one first.
    pub fn open_to_read(path: &Path, witness: Witness) -> Result<Self, StoreError> {
        let started = Lease::take().and_then(|lease| Self::start(path, Access::Read, Some(witness), lease));
        started.map_err(|failure| failure.to_error())
    }

    /// Opens the file at `path`, or makes it if there is none. `start` counts only for a new file:
    /// [`ReplayStart::restored`] unless nothing was ever consumed for this audience.
    ///
    /// # Errors
    /// Those of [`create`](Self::create) and [`open`](Self::open); [`StoreCode::StoreLogMismatch`] if the file that is
    /// there holds another log.
    pub fn open_or_create(path: &Path, log: Option<&Log>, start: ReplayStart) -> Result<Self, StoreError> {
        let opened = match Self::open(path) {
            Err(error) if error.code() == StoreCode::StoreMissing => match Self::create(path, log, start) {
                Err(error) if error.code() == StoreCode::StoreExists => Self::open(path),
                created => created,
            },
            opened => opened,
        }?;
        if opened.log() == log {
            Ok(opened)
        } else {
            Err(StoreError::new(StoreCode::StoreLogMismatch))
        }
    }

    fn start(path: &Path, access: Access, witness: Option<Witness>, lease: Lease) -> Result<Self, Failure> {
        let lease = Arc::new(lease);
        // Read first: what it saw was durable before.
        let seen = witness.as_ref().map_or(Ok(None), Witness::said)?;
        let connection = file::open(path, access)?;
        let log = file::log(&connection)?;
        {
            let moment = connection.unchecked_transaction()?;
            if let (Some(log), Some(seen)) = (&log, &seen) {
                decide::check_witnessed(&moment, log, seen)?;
            }
            rows::check_last(&moment)?;
        }
        // Relative paths mean the folder of now.
        let path = std::path::absolute(path)?;
        let reads = Arc::new(Reads::new());
        let writer = Arc::new(Writer::new(path.clone(), log.clone(), witness, Arc::clone(&reads)));
        let mut shared = Shared {
            lease: Arc::clone(&lease),
            access,
            log,
            writer: Arc::clone(&writer),
            is_here: AtomicBool::new(false),
            reads: Arc::clone(&reads),
            writing: None,
            reading: None,
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.to_owned()).spawn(run);
        let leased = Arc::clone(&lease);
        if access == Access::Write {
            let write = Box::new(move || {
                writer.run();
                drop(leased);
            });
            shared.writing = Some(spawn("actionpass-write", write)?);
        }
        let reader = Box::new(move || {
            reader::run(path, access, connection, &reads.queue);
            drop(lease);
        });
        shared.reading = Some(spawn("actionpass-read", reader)?);
        tracing::debug!(
            log = shared.log.as_ref().map(|log| log.origin().as_str()),
            "opened a store"
        );
        Ok(Self(Arc::new(shared)))
    }

    /// The log that the file holds; `None` in an executor's.
    #[must_use]
    pub fn log(&self) -> Option<&Log> {
        self.0.log.as_ref()
    }

    /// Says that the file was restored from an earlier state, so passes consumed and approvals used since may not be marked,
    /// nor actions known that were allowed: `start` is [`ReplayStart::restored`], and becomes
    /// [`LedgerState::restored`](actionpass_store::LedgerState::restored). It never moves back.
    pub fn restart_replay(&self, start: ReplayStart) -> StoreFuture<'_, ()> {
        Box::pin(async move { self.written(|reply| Write::Restart(start, reply)).await })
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
        let first = self.wait(decide::state).or_else(|error| match error.code() {
            StoreCode::StoreLogMismatch => Ok(LedgerState::default()),
            _ => Err(io::Error::other(error)),
        })?;
        let first = first.first.size();
        let mut size = first;
        loop {
            let page = self
                .wait(move |connection| read(connection, size, PAGE))
                .map_err(io::Error::other)?;
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

    /// Compares the tables with the log: the issued action and the used approvals of every allow, every revocation, the
    /// mark of every use of this issuer's passes that the store must not have forgotten, and the number of rows. Blocks this
    /// thread; memory grows with the passes that still hold. Nothing is said of the chain.
    ///
    /// It takes the log's uses for those of executors that share this file, as `actionpass verify --consume` does.
    ///
    /// # Errors
    /// [`StoreCode::StoreRowsMissing`], naming the first record whose rows differ; [`StoreCode::StoreCorrupt`] for a record
    /// that can't be read. Without a log: [`StoreCode::StoreLogMismatch`].
    pub fn check_rows(&self) -> Result<(), StoreError> {
        self.rows_before(u64::MAX).map(drop)
    }

    /// What the records in front of this number left in the tables, which are compared with them on the way. Blocks this thread.
    ///
    /// # Errors
    /// Those of [`check_rows`](Self::check_rows).
    pub fn rows_before(&self, until: u64) -> Result<ArchivedRows, StoreError> {
        let log = self.needed_log()?;
        let mut comparison = rows::Comparison::new(log.issuer().clone());
        loop {
            comparison = self.wait(move |connection| comparison.page(connection, until))?;
            if comparison.is_done() {
                return Ok(comparison.so_far());
            }
        }
    }

    /// Those records, at most `limit` and from `seq` on, that have side data: payloads, salts, tokens.
    pub fn sided(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<u64>> {
        self.ask(move |connection| decide::sided(connection, seq, limit))
    }

    /// Takes the write-ahead log into the file and empties it, so that what was erased is in neither: in the file it was
    /// overwritten when it was erased (`secure_delete`). What the disk itself keeps of former content is beyond this.
    ///
    /// # Errors
    /// [`StoreCode::StoreUnavailable`] if others read the store all the time: the same call may succeed later.
    pub fn purge(&self) -> StoreFuture<'_, ()> {
        self.ask(|connection| {
            let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if is_busy {
                let problem = "others read the store, so what was erased is still in its write-ahead log";
                return Err(Failure::Store(StoreCode::StoreUnavailable, problem));
            }
            Ok(())
        })
    }

    /// The log, for what can't be done without one.
    fn needed_log(&self) -> Result<&Log, StoreError> {
        self.log().ok_or_else(|| StoreError::new(StoreCode::StoreLogMismatch))
    }

    /// From now on, decisions are looked up and whatever writes is written in the thread of its caller where the store is free,
    /// which blocks that thread for the time of a commit: for programs with one caller, to which waking another thread costs more
    /// than it gives. Calls that are ready together share a transaction as before, and other processes are waited for elsewhere.
    pub fn write_here(&self) {
        self.0.is_here.store(true, Ordering::Relaxed);
    }

    /// Writes what a call asks for, and gives its answer.
    async fn written<T>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Result<T, StoreError> {
        self.0.lease.check()?;
        if self.0.access == Access::Read {
            return Err(StoreError::new(StoreCode::StoreReadOnly));
        }
        let (reply, answer) = channel();
        let write = write(reply);
        if self.0.is_here.load(Ordering::Relaxed) {
            self.0.writer.write_here(write).await;
        } else {
            self.0.writer.put(write);
        }
        received(answer).await
    }

    /// Gives the reading thread a call.
    fn read(&self, read: Read) -> Result<(), StoreError> {
        self.0.lease.check()?;
        self.0.reads.queue.put(read);
        Ok(())
    }

    /// Asks the reading thread and gives a future of its answer.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move {
            let (reply, answer) = channel();
            self.read(Read::Ask(Box::new(move |connection| {
                let answer = connection.map_err(Failure::clone).and_then(question);
                send(reply, answer.map_err(|failure| failure.to_error()));
            })))?;
            received(answer).await
        })
    }

    /// Asks the reading thread and waits.
    fn wait<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.read(Read::Ask(Box::new(move |connection| {
            let answer = connection.map_err(Failure::clone).and_then(question);
            // Whoever asked waits for it.
            let _ = reply.send(answer.map_err(|failure| failure.to_error()));
        })))?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }
}

pub(crate) async fn received<T>(answer: Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.await.unwrap_or_else(|_| Err(gone()))
}

/// A thread ended before it answered.
const fn gone() -> StoreError {
    StoreError::new(StoreCode::StorePoisoned)
}

impl DecisionStore for SqliteStore {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        let mut question = Some(question);
        if self.0.is_here.load(Ordering::Relaxed)
            && self.0.lease.check().is_ok()
            && let Some(known) = self.0.writer.look_up_here(&mut question)
        {
            return Box::pin(std::future::ready(known));
        }
        // Now, and not when the future is polled: whoever asks has something else to do meanwhile.
        let (reply, answer) = channel();
        let asked = question.map_or(Ok(()), |question| self.read(Read::LookUp(question, reply)));
        Box::pin(async move {
            asked?;
            received(answer).await
        })
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        Box::pin(async move {
            // Here, and not in the thread that everybody waits for.
            let commit = Commit::prepare(self.needed_log()?, commit).map_err(|failure| failure.to_error())?;
            // The call comes back as well, so that what it holds is freed here.
            let (outcome, _call) = self.written(|reply| Write::Commit(Box::new(commit), reply)).await?;
            Ok(outcome)
        })
    }
}

impl Ledger for SqliteStore {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        Box::pin(async move {
            let append = Append::prepare(self.needed_log()?, batch).map_err(|failure| failure.to_error())?;
            self.written(|reply| Write::Append(Box::new(append), reply)).await
        })
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.ask(decide::state)
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        self.ask(move |connection| read(connection, seq, limit))
    }

    fn revocation_at(&self, seq: u64) -> StoreFuture<'_, Option<StoredRecord>> {
        self.ask(move |connection| {
            let Ok(place) = to_sql(seq) else { return Ok(None) };
            let mut statement = connection
                .prepare_cached("SELECT json FROM record WHERE seq = ?1 AND seq IN (SELECT seq FROM revocation)")?;
            let json: Option<String> = statement.query_row([place], |row| row.get(0)).optional()?;
            Ok(json.map(|json| StoredRecord::new(seq, json.into_bytes())))
        })
    }

    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            self.0.lease.check()?;
            self.0.reads.follow(seq).await
        })
    }

    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.ask(move |connection| decide::side(connection, seq, kind))
    }

    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.ask(move |connection| {
            let mut recorded = connection.prepare_cached("SELECT 1 FROM revocation WHERE id = ?1")?;
            let mut missing = Vec::new();
            for id in revocations {
                if !recorded.exists([to_bytes(&id)?])? {
                    missing.push(id);
                }
            }
            Ok(missing)
        })
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.ask(|connection| {
            let mut recorded = connection.prepare_cached("SELECT id, seq FROM revocation ORDER BY seq")?;
            let mut rows = recorded.query([])?;
            let mut revocations = Vec::new();
            while let Some(row) = rows.next()? {
                revocations.push((crate::id::from_bytes(row.get(0)?)?, from_sql(row.get(1)?)?));
            }
            Ok(revocations)
        })
    }
}

impl ReplayStore for SqliteStore {
    fn consume<'a>(&'a self, mark: &'a Mark, now: UnixSeconds) -> StoreFuture<'a, Consumption> {
        Box::pin(async move { self.written(|reply| Write::Consume(mark.clone(), now, reply)).await })
    }

    fn is_used<'a>(&'a self, issuer: &'a Issuer, pass: &'a PassId) -> StoreFuture<'a, bool> {
        let (issuer, pass) = (issuer.clone(), pass.clone());
        self.ask(move |connection| consume::is_used(connection, &issuer, &pass))
    }
}

fn read(connection: &Connection, seq: u64, limit: usize) -> Result<Vec<StoredRecord>, Failure> {
    // Beyond what SQLite counts to there are no records.
    let Ok(first) = to_sql(seq) else { return Ok(Vec::new()) };
    let limit = to_sql(limit as u64).unwrap_or(i64::MAX);
    // Records are taken out behind a beginning that moved before, so both are of one moment.
    let moment = connection.unchecked_transaction()?;
    let begins: Option<i64> = moment
        .prepare_cached("SELECT first FROM ledger")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if let Some(begins) = begins.filter(|begins| *begins > first) {
        return Err(Failure::Archived(from_sql(begins)?));
    }
    let mut statement = moment.prepare_cached("SELECT seq, json FROM record WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query(params![first, limit])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        // Given as it is, whatever type and bytes somebody may have put there.
        let json = row
            .get_ref(1)?
            .as_bytes()
            .map_err(|_| Failure::corrupt("a record is not text"))?;
        records.push(StoredRecord::new(from_sql(row.get(0)?)?, json.to_vec()));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use actionpass_model::Decision;
    use actionpass_store::conformance::{TempFolder, block_on, fixtures};

    use super::*;
    use crate::events::capture;

    /// A store as a copy of its process finds it: nothing answers, nothing hangs, and nothing is written.
    #[test]
    fn a_store_of_another_process_is_forked() {
        let folder = TempFolder::new();
        let path = folder.path().join("ledger.db");
        drop(SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap());
        let store = SqliteStore::start(&path, Access::Write, None, Lease::of_another_process()).unwrap();

        let mark = fixtures::mark(1, 0);
        let decision = fixtures::decision(1, Decision::Allow, vec![fixtures::approval("user:ann", 1)]);
        let restart = ReplayStart::restored(fixtures::at(9));
        let errors = [
            block_on(store.commit(decision)).unwrap_err(),
            block_on(store.find(&fixtures::action(1))).unwrap_err(),
            block_on(store.used_approvals(Vec::new())).unwrap_err(),
            block_on(store.append(Batch::of(fixtures::used(1)))).unwrap_err(),
            block_on(store.state()).unwrap_err(),
            block_on(Ledger::read(&store, 0, 1)).unwrap_err(),
            block_on(store.follow(0)).unwrap_err(),
            block_on(store.side(0, SideKind::Token)).unwrap_err(),
            block_on(store.unrecorded(Vec::new())).unwrap_err(),
            block_on(store.consume(&mark, fixtures::at(1))).unwrap_err(),
            block_on(store.is_used(&mark.issuer, &mark.pass)).unwrap_err(),
            block_on(store.restart_replay(restart)).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), StoreCode::StoreForked);
        }
        assert!(store.export(Vec::new()).is_err());
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(block_on(store.state()).unwrap().head.size(), 0);
    }

    #[test]
    fn opening_and_a_fork_are_told_once() {
        let folder = TempFolder::new();
        let path = folder.path().join("ledger.db");
        let start = ReplayStart::first(fixtures::at(0));
        let (created, events) = capture(|| SqliteStore::create(&path, Some(&fixtures::log()), start));
        assert_eq!(events, ["DEBUG message=opened a store log=\"issuer.example/log\""]);
        drop(created.unwrap());

        let (store, _) = capture(|| SqliteStore::start(&path, Access::Write, None, Lease::of_another_process()));
        let store = store.unwrap();
        let (_, events) = capture(|| [(); 3].map(|()| block_on(store.state()).is_err()));
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(events[0].starts_with("ERROR ") && events[0].contains("forked"));
    }
}
