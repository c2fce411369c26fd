//! Passes consumed, inside of a transaction.

use std::collections::HashMap;

use actionpass_model::{Issuer, PassId, UnixSeconds};
use actionpass_store::{Consumption, Mark, ReplayCode, ReplayStart, judge};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Failure, from_sql, to_sql};
use crate::id::to_bytes;

/// How many expired marks go for each that comes: the table shrinks to what is alive, and no call pays for many.
const PRUNED_PER_MARK: usize = 2;

/// From when on passes are judged, and up to where marks were forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    start: ReplayStart,
    pub(crate) pruned_to: UnixSeconds,
    /// How many marks there are.
    pub(crate) marks: u64,
    /// The newest mark.
    pub(crate) last: Option<LastMark>,
}

/// A mark as its row says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LastMark {
    pub(crate) issuer: i64,
    pub(crate) pass: [u8; 16],
    pub(crate) until: i64,
}

/// The numbers of the issuers seen so far.
pub(crate) type Issuers = HashMap<Issuer, i64>;

impl Limits {
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        let mut statement = connection
            .prepare_cached("SELECT start, pruned_to, marks, last_issuer, last_pass, last_until FROM replay_limits")?;
        let (start, pruned_to, marks, last) = statement.query_row([], |row| {
            let last = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                last,
            ))
        })?;
        let time = |seconds| UnixSeconds::new(from_sql(seconds)?).ok_or_else(|| Failure::corrupt("a time"));
        Ok(Self {
            start: ReplayStart::kept(time(start)?),
            pruned_to: time(pruned_to)?,
            marks: from_sql(marks)?,
            last: match last {
                (Some(issuer), Some(pass), Some(until)) => Some(LastMark { issuer, pass, until }),
                _ => None,
            },
        })
    }

    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Failure> {
        let mut statement = connection.prepare_cached(
            "UPDATE replay_limits SET start = ?1, pruned_to = ?2, marks = ?3, last_issuer = ?4, last_pass = ?5,
             last_until = ?6",
        )?;
        statement.execute(params![
            to_sql(self.start.at().get())?,
            to_sql(self.pruned_to.get())?,
            to_sql(self.marks)?,
            self.last.map(|mark| mark.issuer),
            self.last.map(|mark| mark.pass),
            self.last.map(|mark| mark.until),
        ])?;
        Ok(())
    }

    /// What the store knows is lost in part: never earlier than before.
    pub(crate) fn restart(&mut self, start: ReplayStart) {
        self.start = self.start.max(start);
    }
}

/// Why a pass would not be marked now; `None` if it would.
pub(crate) fn refusal(connection: &Connection, limits: &Limits, mark: &Mark) -> Result<Option<ReplayCode>, Failure> {
    if let Err(code) = judge(mark, limits.start, limits.pruned_to) {
        return Ok(Some(code));
    }
    let is_used = is_used(connection, &mark.issuer, &mark.pass)?;
    Ok(is_used.then_some(ReplayCode::AlreadyUsed))
}

/// Judges and marks a pass.
pub(crate) fn consume(
    connection: &Connection,
    issuers: &mut Issuers,
    limits: &mut Limits,
    mark: &Mark,
) -> Result<Consumption, Failure> {
    if let Err(code) = judge(mark, limits.start, limits.pruned_to) {
        return Ok(Consumption::Refused(code));
    }
    let issuer = match issuers.get(&mark.issuer) {
        Some(number) => *number,
        None => {
            let number = number_issuer(connection, &mark.issuer)?;
            issuers.insert(mark.issuer.clone(), number);
            number
        }
    };
    let mut insert = connection
        .prepare_cached("INSERT INTO replay (issuer, pass, until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    let (pass, until) = (to_bytes(&mark.pass)?, to_sql(mark.until().get())?);
    match insert.execute(params![issuer, pass, until])? {
        0 => Ok(Consumption::Refused(ReplayCode::AlreadyUsed)),
        _ => {
            limits.marks = limits.marks.saturating_add(1);
            limits.last = Some(LastMark { issuer, pass, until });
            Ok(Consumption::Consumed)
        }
    }
}

/// Forgets some of the marks that nobody accepts any more at `now`, oldest first.
pub(crate) fn prune(
    connection: &Connection,
    limits: &mut Limits,
    consumed: usize,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let limit = to_sql(consumed.saturating_mul(PRUNED_PER_MARK) as u64)?;
    let mut expired = connection
        .prepare_cached("SELECT issuer, pass, until FROM replay WHERE until <= ?1 ORDER BY until LIMIT ?2")?;
    let rows = expired.query_map([to_sql(now.get())?, limit], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?, row.get::<_, i64>(2)?))
    })?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM replay WHERE issuer = ?1 AND pass = ?2")?;
    for (issuer, pass, until) in rows {
        let deleted = delete.execute(params![issuer, pass])?;
        limits.marks = limits.marks.saturating_sub(deleted as u64);
        let until = UnixSeconds::new(from_sql(until)?).ok_or_else(|| Failure::corrupt("a time"))?;
        limits.pruned_to = limits.pruned_to.max(until);
    }
    Ok(())
}

pub(crate) fn is_used(connection: &Connection, issuer: &Issuer, pass: &PassId) -> Result<bool, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM replay WHERE issuer = (SELECT id FROM issuer WHERE name = ?1) AND pass = ?2")?;
    Ok(statement.exists(params![issuer.as_str(), to_bytes(pass)?])?)
}

fn number_issuer(connection: &Connection, issuer: &Issuer) -> Result<i64, Failure> {
    let mut find = connection.prepare_cached("SELECT id FROM issuer WHERE name = ?1")?;
    if let Some(number) = find.query_row([issuer.as_str()], |row| row.get(0)).optional()? {
        return Ok(number);
    }
    let mut insert = connection.prepare_cached("INSERT INTO issuer (name) VALUES (?1)")?;
    Ok(insert.insert([issuer.as_str()])?)
}
