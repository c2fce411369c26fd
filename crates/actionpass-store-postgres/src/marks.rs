//! The task that marks passes used.
//!
//! Marks need no head: of two that are made at once, the key of their table lets one through. Whoever makes marks shares a
//! lock that whoever forgets marks holds alone, so that what is forgotten was not judged a moment before. Each batch has a
//! name of its own, which its marks bear: one that is tried again finds its own. Marks that are recorded are made by the
//! [writer](crate::writer), in the transaction of their records.

use std::collections::HashSet;
use std::time::Duration;

use actionpass_model::{Issuer, PassId, UnixSeconds};
use actionpass_store::{Consumption, Mark, ReplayCode, ReplayStart, StoreCode, judge};
use deadpool_postgres::Pool;
use futures_util::future::try_join3;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::{Failure, Kind};
use crate::ledger::{check_clock, check_durable};
use crate::schema::{LOCKS, MARKS_LOCK};
use crate::session::{Session, from_sql, get, to_sql, to_uuid};
use crate::sessions;
use crate::writer::{Reply, next_batch, send};

/// A call that marks.
#[derive(Debug)]
pub(crate) enum Marking {
    Consume(Mark, UnixSeconds, Reply<Consumption>),
    /// A pass was marked together with its record, at this time.
    Recorded(UnixSeconds),
    Restart(ReplayStart, Reply<()>),
}

const SHARE: &str = "SELECT pg_advisory_xact_lock_shared($1, $2)";
const HOLD: &str = "SELECT pg_advisory_xact_lock($1, $2)";
const LIMITS: &str = "SELECT start, pruned_to, current_setting('synchronous_commit'), current_setting('fsync'),
    actionpass.now_millis() FROM actionpass.replay_limits";
const PUT: &str = "INSERT INTO actionpass.replay (pass, issuer, until, call)
    SELECT pass, issuer, until, $4 FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS u (pass, issuer, until)
    ON CONFLICT DO NOTHING";
/// Those of the marks that this batch made.
const OURS: &str = "SELECT r.pass, r.issuer FROM unnest($1::uuid[], $2::text[]) AS u (pass, issuer)
    JOIN actionpass.replay r ON r.pass = u.pass AND r.issuer = u.issuer WHERE r.call = $3";
/// Forgets, oldest first, what nobody accepts any more, by the database's clock too.
const PRUNE: &str = "WITH gone AS (
    DELETE FROM actionpass.replay WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM actionpass.replay WHERE until <= least($1, actionpass.now_millis() / 1000 + 30)
        ORDER BY until LIMIT $2))
    RETURNING until)
    UPDATE actionpass.replay_limits SET pruned_to = greatest(pruned_to, (SELECT max(until) FROM gone))
    WHERE EXISTS (SELECT FROM gone)";
const RESTART: &str = "UPDATE actionpass.replay_limits SET start = greatest(start, $1)";
const RESTORED: &str = "UPDATE actionpass.ledger SET restored = greatest(restored, $1), revision = revision + 1";

/// How often expired marks are forgotten, and how many at once.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
const PRUNED_AT_ONCE: i64 = 20_000;
/// How long it waits before it tries again on another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Marks until nobody can call any more and every call is answered.
pub(crate) async fn run(pool: Pool, patience: Duration, mut calls: UnboundedReceiver<Marking>) {
    let marker = Marker { pool, patience };
    let (mut callers, mut linger, mut pruned) = (1, Duration::ZERO, None::<Instant>);
    while let Some(batch) = next_batch(&mut calls, callers, linger).await {
        let start = Instant::now();
        let is_alone = batch.len() == 1 && calls.is_empty();
        let mut latest = None;
        let (mut marks, mut restarts) = (Vec::new(), Vec::new());
        for call in batch {
            match call {
                Marking::Consume(mark, now, reply) => marks.push((mark, now, reply)),
                Marking::Recorded(now) => latest = latest.max(Some(now)),
                Marking::Restart(start, reply) => restarts.push((start, reply)),
            }
        }
        for (start, reply) in restarts {
            let done = marker.insist(async |session| restart(session, start).await).await;
            send(reply, done.map_err(|failure| failure.to_error()));
        }
        callers = marks.len().saturating_add(calls.len());
        if !marks.is_empty() {
            let done = marker.consume(&marks).await;
            linger = if is_alone {
                Duration::ZERO
            } else {
                start.elapsed().checked_div(2).unwrap_or_default()
            };
            linger = linger.min(Duration::from_millis(2));
            for (place, (_, now, reply)) in marks.into_iter().enumerate() {
                let outcome = match &done {
                    Ok(outcomes) => outcomes
                        .get(place)
                        .copied()
                        .ok_or_else(|| Failure::corrupt("a mark without an outcome").to_error()),
                    Err(failure) => Err(failure.to_error()),
                };
                if matches!(outcome, Ok(Consumption::Consumed)) {
                    latest = latest.max(Some(now));
                }
                send(reply, outcome);
            }
        }
        let is_due = pruned.is_none_or(|pruned| pruned.elapsed() >= PRUNE_EVERY);
        if let Some(now) = latest.filter(|_| is_due) {
            pruned = Some(Instant::now());
            if let Err(failure) = marker
                .once(async |session| prune(session, now).await, marker.until())
                .await
            {
                tracing::warn!(error = %failure, "expired marks were not forgotten");
            }
        }
    }
}

struct Marker {
    pool: Pool,
    patience: Duration,
}

impl Marker {
    fn until(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.patience).unwrap_or(now)
    }

    /// Runs a transaction once.
    async fn once<T>(
        &self,
        work: impl AsyncFnOnce(&Session) -> Result<T, Failure>,
        until: Instant,
    ) -> Result<T, Failure> {
        let late = |_| Failure::late();
        let session = timeout_at(until, Session::begin(&self.pool)).await.map_err(late)??;
        let done = timeout_at(until, work(&session))
            .await
            .map_err(late)
            .and_then(|done| done);
        if let Err(failure) = &done {
            let is_whole =
                failure.kind != Kind::Gone && matches!(timeout_at(until, session.run("ROLLBACK")).await, Ok(Ok(())));
            if !is_whole {
                session.give_up();
            }
        }
        done
    }

    /// Runs a transaction that may be run again, until it is done or lasts too long.
    async fn insist<T>(&self, work: impl AsyncFn(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let until = self.until();
        loop {
            match self.once(async |session| work(session).await, until).await {
                Err(failure) if failure.kind != Kind::Lasting && Instant::now() < until => sleep(PAUSE).await,
                done => return done,
            }
        }
    }

    /// What becomes of each of these passes, in their order.
    async fn consume(&self, marks: &[(Mark, UnixSeconds, Reply<Consumption>)]) -> Result<Vec<Consumption>, Failure> {
        let name = batch_name()?;
        let marks: Vec<&Mark> = marks.iter().map(|(mark, ..)| mark).collect();
        self.insist(async |session| consume(session, &marks, name).await).await
    }
}

/// 16 random bytes.
fn batch_name() -> Result<Uuid, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failure::new(StoreCode::StoreUnavailable, "no random bytes"))?;
    Ok(Uuid::from_bytes(bytes))
}

async fn consume(session: &Session, marks: &[&Mark], name: Uuid) -> Result<Vec<Consumption>, Failure> {
    let (share, limits) = (session.prepare(SHARE).await?, session.prepare(LIMITS).await?);
    let (put, ours) = (session.prepare(PUT).await?, session.prepare(OURS).await?);
    let (_, _, rows) = try_join3(
        session.run("BEGIN"),
        session.rows(&share, &[&LOCKS, &MARKS_LOCK]),
        session.rows(&limits, &[]),
    )
    .await?;
    let row = rows.first().ok_or_else(|| Failure::corrupt("the limits of marks"))?;
    check_durable(&get::<String>(row, 2)?, &get::<String>(row, 3)?)?;
    check_clock(from_sql(get(row, 4)?)?)?;
    let judged = Judged::by(row, marks)?;
    let (_, rows, ()) = try_join3(
        session.write(&put, &[&judged.pass, &judged.issuer, &judged.until, &name]),
        session.rows(&ours, &[&judged.pass, &judged.issuer, &name]),
        session.run("COMMIT"),
    )
    .await?;
    judged.outcomes(&rows)
}

/// Marks passes inside of a transaction, which need not be known durable: what becomes of each, in their order.
pub(crate) async fn mark(session: &Session, marks: &[&Mark]) -> Result<Vec<Consumption>, Failure> {
    let name = batch_name()?;
    session.query(SHARE, &[&LOCKS, &MARKS_LOCK]).await?;
    let limits = session.one(LIMITS, &[]).await?;
    let limits = limits.ok_or_else(|| Failure::corrupt("the limits of marks"))?;
    let judged = Judged::by(&limits, marks)?;
    session
        .execute(PUT, &[&judged.pass, &judged.issuer, &judged.until, &name])
        .await?;
    let rows = session.query(OURS, &[&judged.pass, &judged.issuer, &name]).await?;
    judged.outcomes(&rows)
}

/// Passes that are to be marked, judged by the limits: those that may be, column by column, in one order, so that no two
/// batches wait for each other.
struct Judged<'a> {
    marks: &'a [&'a Mark],
    codes: Vec<Result<(), ReplayCode>>,
    pass: Vec<Uuid>,
    issuer: Vec<&'a str>,
    until: Vec<i64>,
}

impl<'a> Judged<'a> {
    fn by(limits: &Row, marks: &'a [&'a Mark]) -> Result<Self, Failure> {
        let time = |seconds: i64| UnixSeconds::new(from_sql(seconds)?).ok_or_else(|| Failure::corrupt("a time"));
        let (start, pruned_to) = (ReplayStart::kept(time(get(limits, 0)?)?), time(get(limits, 1)?)?);
        let mut wanted: Vec<(Uuid, &str, i64)> = Vec::with_capacity(marks.len());
        let mut codes = Vec::with_capacity(marks.len());
        for mark in marks {
            let code = judge(mark, start, pruned_to);
            if code.is_ok() {
                wanted.push((to_uuid(&mark.pass)?, mark.issuer.as_str(), to_sql(mark.until().get())?));
            }
            codes.push(code);
        }
        wanted.sort_unstable();
        wanted.dedup_by_key(|(pass, issuer, _)| (*pass, *issuer));
        Ok(Self {
            marks,
            codes,
            pass: wanted.iter().map(|(pass, ..)| *pass).collect(),
            issuer: wanted.iter().map(|(_, issuer, _)| *issuer).collect(),
            until: wanted.iter().map(|(.., until)| *until).collect(),
        })
    }

    /// What became of each, by the rows of those that were made.
    fn outcomes(self, rows: &[Row]) -> Result<Vec<Consumption>, Failure> {
        let mut made = HashSet::with_capacity(rows.len());
        for row in rows {
            made.insert((get::<Uuid>(row, 0)?, get::<String>(row, 1)?));
        }
        let consumed = self.marks.iter().zip(self.codes).map(|(mark, judged)| {
            Ok(match judged {
                Err(code) => Consumption::Refused(code),
                // Of several in this batch the first.
                Ok(()) if made.remove(&(to_uuid(&mark.pass)?, mark.issuer.as_str().to_owned())) => {
                    Consumption::Consumed
                }
                Ok(()) => Consumption::Refused(ReplayCode::AlreadyUsed),
            })
        });
        consumed.collect()
    }
}

async fn prune(session: &Session, now: UnixSeconds) -> Result<(), Failure> {
    session.run("BEGIN").await?;
    session.query(HOLD, &[&LOCKS, &MARKS_LOCK]).await?;
    session.execute(PRUNE, &[&to_sql(now.get())?, &PRUNED_AT_ONCE]).await?;
    session.run("COMMIT").await
}

/// What the store knows is lost in part: never earlier than before. Who was signed out since is not signed in again, and no challenge
/// of before signs anybody in.
async fn restart(session: &Session, start: ReplayStart) -> Result<(), Failure> {
    let start = to_sql(start.at().get())?;
    session.run("BEGIN").await?;
    // The head first, as whoever records uses takes it: no two of them wait for each other.
    session.execute(RESTORED, &[&start]).await?;
    session.query(HOLD, &[&LOCKS, &MARKS_LOCK]).await?;
    session.execute(RESTART, &[&start]).await?;
    sessions::end_all(session).await?;
    session.run("COMMIT").await
}

/// Whether a pass is marked used.
pub(crate) async fn is_used(session: &Session, issuer: &Issuer, pass: &PassId) -> Result<bool, Failure> {
    const MARKED: &str = "SELECT 1 FROM actionpass.replay WHERE pass = $1 AND issuer = $2";
    let marked = session.one(MARKED, &[&to_uuid(pass)?, &issuer.as_str()]).await?;
    Ok(marked.is_some())
}
