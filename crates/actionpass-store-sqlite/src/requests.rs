//! Approval requests as the file keeps them.
//!
//! Each is one row: the document, and columns that say again what the look-ups go by. What can be erased lies in
//! rows of its own, which the request's row names by one hash. Nothing here writes a record or decides
//! anything: what may happen is [`actionpass_queue`]'s, and when is [`decide`](crate::decide)'s.

use std::time::Duration;

use actionpass_canon::canonicalize;
use actionpass_model::{ApprovalRequest, EndState, RequestId, Statement, Timestamp};
use actionpass_queue::{ENDS_THAT_HOLD, HOLD_WINDOW, Limits, Load, OPENED_WINDOW, RequestKey, came_to_nothing, erased};
use actionpass_store::backend::{Columns, FIRST_TOKEN, Hold, Kept, Pieces, beside_all, beside_vote, millis_before};
use actionpass_store::{
    Beside, MAX_OVERDUE, NOTHING_BESIDE, RequestFilter, Standing, StateFilter, StoreCode, StoreError, StoredRequest,
    VoteToken, hide,
};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::error::{Failure, from_sql, to_sql};
use crate::id::{from_bytes, to_bytes};

mod sql;
#[cfg(test)]
mod tests;

/// How many rows are looked at in one turn of a list.
pub(crate) const TURN: usize = 1000;

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok(Columns {
        decision: row.get(0)?,
        id: row.get(1)?,
        tenant: row.get(2)?,
        agent: row.get(3)?,
        action_hash: row.get(4)?,
        created: row.get(5)?,
        expires: row.get(6)?,
        ended: row.get(7)?,
        holds: row.get(8)?,
        failed: row.get(9)?,
        version: row.get(10)?,
    })
}

fn millis(time: Timestamp) -> Result<i64, Failure> {
    to_sql(time.unix_millis())
}

fn before(time: Timestamp, window: Duration) -> Result<i64, Failure> {
    millis_before(time, window).ok_or_else(|| Failure::corrupt("a time"))
}

/// The row that a query finds, and whether its columns say what its document says.
fn checked_row(connection: &Connection, sql: &str, with: impl Params) -> Result<Option<(Kept, bool)>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(with, read_row).optional()?.map(parse).transpose()
}

type Raw = (Columns, i64, bool, Option<[u8; 32]>, String);

fn read_row(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((columns(row)?, row.get(11)?, row.get(12)?, row.get(13)?, row.get(14)?))
}

fn parse((columns, last, is_committed, side, document): Raw) -> Result<(Kept, bool), Failure> {
    let kept = Kept::parse(&document, from_sql(last)?, is_committed, side);
    let kept = kept.ok_or_else(|| Failure::corrupt("an approval request"))?;
    let fits = kept.fits(&columns);
    Ok((kept, fits))
}

/// The row that a query finds.
fn row(connection: &Connection, sql: &str, with: impl Params) -> Result<Option<Kept>, Failure> {
    checked_row(connection, sql, with)?.map(fitting).transpose()
}

fn fitting((kept, fits): (Kept, bool)) -> Result<Kept, Failure> {
    if fits {
        Ok(kept)
    } else {
        Err(Failure::corrupt("an approval request and the columns beside it"))
    }
}

/// The request of this id.
pub(crate) fn by_id(connection: &Connection, id: &RequestId) -> Result<Option<Kept>, Failure> {
    row(connection, sql::BY_ID, [to_bytes(id)?])
}

/// The request of this id, and whether its columns fit.
pub(crate) fn compared(connection: &Connection, id: &RequestId) -> Result<Option<(Kept, bool)>, Failure> {
    checked_row(connection, sql::BY_ID, [to_bytes(id)?])
}

/// The request that this record opened.
pub(crate) fn by_decision(connection: &Connection, seq: u64) -> Result<Option<Kept>, Failure> {
    // Beyond what SQLite counts to there are no records.
    let Ok(seq) = to_sql(seq) else { return Ok(None) };
    row(connection, sql::BY_DECISION, [seq])
}

/// The version of a request.
pub(crate) fn version(connection: &Connection, id: &RequestId) -> Result<Option<u64>, Failure> {
    let mut statement = connection.prepare_cached(sql::VERSION)?;
    let version: Option<i64> = statement.query_row([to_bytes(id)?], |row| row.get(0)).optional()?;
    version.map(from_sql).transpose()
}

/// The client that a request came from.
pub(crate) fn client(connection: &Connection, id: &RequestId) -> Result<Option<Statement>, Failure> {
    let mut statement = connection.prepare_cached(sql::CLIENT)?;
    let client: Option<Option<String>> = statement.query_row([to_bytes(id)?], |row| row.get(0)).optional()?;
    let parsed =
        |text: String| Statement::parse(&text).map_err(|_| Failure::corrupt("the client of an approval request"));
    client.flatten().map(parsed).transpose()
}

/// The request that waits for this at this time, if it isn't the one that this record opened.
pub(crate) fn live(
    connection: &Connection,
    key: &RequestKey,
    now: Timestamp,
    but: Option<u64>,
) -> Result<Option<Kept>, Failure> {
    let (hash, tenant, agent) = (key.action_hash.as_bytes(), key.tenant.as_str(), key.agent.as_str());
    let but = but.map(to_sql).transpose()?;
    row(connection, sql::LIVE, params![hash, tenant, agent, millis(now)?, but])
}

/// The request whose decline answers this at this time: the one that holds longest.
pub(crate) fn declined(connection: &Connection, key: &RequestKey, now: Timestamp) -> Result<Option<Kept>, Failure> {
    let (hash, tenant, agent) = (key.action_hash.as_bytes(), key.tenant.as_str(), key.agent.as_str());
    row(connection, sql::DECLINED, params![hash, tenant, agent, millis(now)?])
}

/// What the queue has to say of an action.
pub(crate) fn standing(connection: &Connection, key: &RequestKey, now: Timestamp) -> Result<Standing, Failure> {
    let stored = |kept: Option<Kept>| kept.map(|kept| with_side(connection, kept)).transpose();
    let mut standing = Standing::default();
    standing.live = stored(live(connection, key, now, None)?)?;
    standing.declined = stored(declined(connection, key, now)?)?;
    let mut statement = connection.prepare_cached(sql::OVERDUE)?;
    let limit = to_sql(MAX_OVERDUE as u64)?;
    let (tenant, agent) = (key.tenant.as_str(), key.agent.as_str());
    let overdue = statement.query_map(params![tenant, agent, millis(now)?, limit], read_row)?;
    for raw in overdue {
        standing.overdue.push(fitting(parse(raw?)?)?.request);
    }
    standing.held_by = hold(connection, tenant, agent)?.by;
    Ok(standing)
}

/// How many there are, as far as the limits ask.
pub(crate) fn load(
    connection: &Connection,
    key: &RequestKey,
    client: Option<&Statement>,
    now: Timestamp,
    limits: &Limits,
) -> Result<Load, Failure> {
    // One more than the limit, since what is superseded is taken off.
    let up_to = |limit: u64| to_sql(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let (tenant, agent, at) = (key.tenant.as_str(), key.agent.as_str(), millis(now)?);
    let mut load = Load::default();
    // No more wait than nothing ended, which costs nothing to know; counted are they only where that doesn't settle it.
    load.live = Numbers::read(connection)?.unended;
    if load.live >= limits.live {
        load.live = count(connection, sql::COUNT_LIVE, params![at, up_to(limits.live)])?;
    }
    load.live_of_agent = count(
        connection,
        sql::COUNT_OF_AGENT,
        params![tenant, agent, at, up_to(limits.live_per_agent)],
    )?;
    if let Some(client) = client {
        let of_client = params![client.as_str(), at, up_to(limits.live_per_client)];
        load.live_of_client = count(connection, sql::COUNT_OF_CLIENT, of_client)?;
    }
    let since = before(now, OPENED_WINDOW)?;
    let opened = params![tenant, agent, since, up_to(limits.opened_per_hour)];
    load.opened_in_hour = count(connection, sql::COUNT_OPENED, opened)?;
    load.is_held = hold(connection, tenant, agent)?.by.is_some();
    Ok(load)
}

fn count(connection: &Connection, sql: &str, with: impl Params) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    from_sql(statement.query_row(with, |row| row.get(0))?)
}

pub(crate) fn hold(connection: &Connection, tenant: &str, agent: &str) -> Result<Hold, Failure> {
    let mut statement = connection.prepare_cached(sql::HOLD)?;
    let found = statement.query_row([tenant, agent], |row| {
        Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get(1)?))
    });
    let Some((by, lifted)) = found.optional()? else {
        return Ok(Hold::default());
    };
    Ok(Hold {
        by: by.map(from_bytes).transpose()?,
        lifted,
    })
}

/// Lifts the hold of an agent.
pub(crate) fn lift(connection: &Connection, request: &ApprovalRequest, at: Timestamp) -> Result<(), Failure> {
    let (tenant, agent) = (request.tenant.as_str(), request.actor.agent.as_str());
    let mut statement = connection.prepare_cached(sql::LIFT_HOLD)?;
    statement.execute(params![tenant, agent, millis(at)?])?;
    Ok(())
}

/// Writes a new request, whose `decision` is filled in, and what lies beside it.
pub(crate) fn insert(
    connection: &Connection,
    stored: &StoredRequest,
    client: Option<&Statement>,
    is_committed: bool,
) -> Result<(), Failure> {
    let decision = stored.request.decision.seq;
    let mut side = NOTHING_BESIDE;
    for beside in beside_all(stored).ok_or_else(|| Failure::corrupt("an id"))? {
        side = put_side(connection, decision, &side, &beside)?;
    }
    let kept = Kept {
        request: stored.request.clone(),
        last: decision,
        is_committed,
        side: Some(side),
    };
    let mut statement = connection.prepare_cached(sql::INSERT)?;
    write(&mut statement, &kept, client)?;
    connection.prepare_cached(sql::OPENED)?.execute([to_sql(decision)?])?;
    Ok(())
}

/// Puts a request in the place of the same one of before, because of this record, with the token of a vote.
pub(crate) fn update(
    connection: &Connection,
    former: &Kept,
    next: ApprovalRequest,
    record: u64,
    token: Option<&VoteToken>,
) -> Result<(), Failure> {
    let mut kept = Kept {
        request: next,
        last: record,
        ..former.clone()
    };
    if let Some(token) = token {
        let decision = kept.request.decision.seq;
        let next_place = to_sql(count(connection, sql::NEXT_PLACE, [to_sql(decision)?])?)?;
        let beside = beside_vote(next_place.max(FIRST_TOKEN), token).ok_or_else(|| Failure::corrupt("an id"))?;
        let before = kept.side.unwrap_or(NOTHING_BESIDE);
        kept.side = Some(put_side(connection, decision, &before, &beside)?);
    }
    rewrite(connection, &kept)?;
    changed(connection, Some(record), kept.request.end.is_some())?;
    hold_if_due(connection, &kept.request)
}

/// Holds new requests of the agent of this request if its end was one too many.
fn hold_if_due(connection: &Connection, request: &ApprovalRequest) -> Result<(), Failure> {
    let Some(at) = came_to_nothing(request) else {
        return Ok(());
    };
    let (tenant, agent) = (request.tenant.as_str(), request.actor.agent.as_str());
    let lifted = hold(connection, tenant, agent)?.lifted.unwrap_or(i64::MIN);
    let since = before(at, HOLD_WINDOW)?.max(lifted);
    let failed = params![tenant, agent, since, to_sql(ENDS_THAT_HOLD)?];
    if count(connection, sql::COUNT_FAILED, failed)? >= ENDS_THAT_HOLD {
        let mut statement = connection.prepare_cached(sql::PUT_HOLD)?;
        statement.execute(params![tenant, agent, to_bytes(&request.id)?])?;
    }
    Ok(())
}

/// Counts a change, which ends a request or doesn't.
fn changed(connection: &Connection, record: Option<u64>, ends: bool) -> Result<(), Failure> {
    let record = record.map(to_sql).transpose()?;
    connection
        .prepare_cached(sql::CHANGED)?
        .execute(params![record, ends])?;
    Ok(())
}

fn rewrite(connection: &Connection, kept: &Kept) -> Result<(), Failure> {
    write(&mut connection.prepare_cached(sql::UPDATE)?, kept, None)
}

/// Binds a row, and runs its statement.
fn write(
    statement: &mut rusqlite::CachedStatement<'_>,
    kept: &Kept,
    client: Option<&Statement>,
) -> Result<(), Failure> {
    let columns = Columns::of(&kept.request).ok_or_else(|| Failure::corrupt("a number is out of range"))?;
    let document = canonicalize(&kept.request).map_err(|_| Failure::corrupt("an approval request"))?;
    let last = to_sql(kept.last)?;
    statement.execute(params![
        columns.decision,
        columns.id,
        columns.tenant,
        columns.agent,
        columns.action_hash,
        columns.created,
        columns.expires,
        columns.ended,
        columns.holds,
        columns.failed,
        columns.version,
        last,
        kept.is_committed,
        kept.side,
        document.as_str(),
        client.map(Statement::as_str),
    ])?;
    Ok(())
}

fn put_side(connection: &Connection, seq: u64, before: &[u8; 32], beside: &Beside<'_>) -> Result<[u8; 32], Failure> {
    let (vote, principal) = beside.vote.unzip();
    let mut statement = connection.prepare_cached(sql::PUT_SIDE)?;
    statement.execute(params![to_sql(seq)?, beside.place, vote, principal, beside.bytes])?;
    Ok(beside.chain(before))
}

/// A request with what lies beside it.
pub(crate) fn with_side(connection: &Connection, kept: Kept) -> Result<StoredRequest, Failure> {
    side(connection, kept)?.ok_or_else(|| Failure::corrupt("what lies beside an approval request"))
}

/// A request with what lies beside it; `None` if that isn't what was put there.
pub(crate) fn side(connection: &Connection, kept: Kept) -> Result<Option<StoredRequest>, Failure> {
    let mut statement = connection.prepare_cached(sql::SIDE)?;
    let mut rows = statement.query([to_sql(kept.request.decision.seq)?])?;
    let mut pieces = Pieces::of(kept);
    while let Some(row) = rows.next()? {
        let (vote, principal) = (row.get(1)?, row.get::<_, Option<String>>(2)?);
        match pieces.with(row.get(0)?, vote, principal.as_deref(), row.get(3)?) {
            Some(more) => pieces = more,
            None => return Ok(None),
        }
    }
    Ok(pieces.end())
}

/// Whether nothing lies beside a request any more.
pub(crate) fn is_bare(connection: &Connection, kept: &Kept) -> Result<bool, Failure> {
    let seq = to_sql(kept.request.decision.seq)?;
    Ok(kept.side.is_none() && !connection.prepare_cached(sql::SIDE)?.exists([seq])?)
}

/// Whether the side data of these records may be erased now: what a decline goes by may not.
pub(crate) fn check_erasure(connection: &Connection, records: &[u64], now: Timestamp) -> Result<(), ErasureRefused> {
    let mut statement = connection.prepare_cached(sql::HOLDING_RECORD).map_err(Failure::from)?;
    for seq in records {
        let Ok(seq) = to_sql(*seq) else { continue };
        let found = statement.query_row([seq], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)));
        let found: Option<(bool, _)> = found.optional().map_err(Failure::from)?;
        let now = millis(now)?;
        if found.is_some_and(|(is_committed, holds)| is_committed && holds.is_some_and(|until| now < until)) {
            return Err(ErasureRefused::Held(StoreError::new(StoreCode::SideDataHeld)));
        }
    }
    Ok(())
}

/// Why an erasure isn't made.
#[derive(Debug)]
pub(crate) enum ErasureRefused {
    /// The call's own error.
    Held(StoreError),
    Failed(Failure),
}

impl From<Failure> for ErasureRefused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Erases what lies beside the request that this record opened, and ends it if nothing has; because of the erasure `record`.
pub(crate) fn erase(connection: &Connection, opener: u64, record: u64, at: Timestamp) -> Result<(), Failure> {
    let Some(mut kept) = by_decision(connection, opener)? else {
        return Ok(());
    };
    let ended = erased(&kept.request, at);
    let is_ended_by_it = ended.is_some();
    if let Some(ended) = ended {
        kept.request = ended;
        kept.last = record;
        changed(connection, None, true)?;
    }
    if kept.is_committed {
        hide(&mut kept.request);
    }
    kept.side = None;
    rewrite(connection, &kept)?;
    connection.prepare_cached(sql::ERASE_SIDE)?.execute([to_sql(opener)?])?;
    if is_ended_by_it {
        hold_if_due(connection, &kept.request)?;
    }
    Ok(())
}

/// A list that is made turn by turn, so that no other question waits for all of it.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    filter: RequestFilter,
    now: Timestamp,
    /// The last id that was looked at.
    after: Vec<u8>,
    pub(crate) found: Vec<ApprovalRequest>,
    pub(crate) is_done: bool,
}

impl Listing {
    pub(crate) fn new(filter: RequestFilter, now: Timestamp) -> Result<Self, Failure> {
        let after = filter.after.as_ref().map(to_bytes).transpose()?;
        Ok(Self {
            after: after.map_or_else(Vec::new, Vec::from),
            is_done: filter.limit() == 0,
            found: Vec::new(),
            filter,
            now,
        })
    }

    /// Looks at the next rows.
    pub(crate) fn turn(mut self, connection: &Connection) -> Result<Self, Failure> {
        let moment = connection.unchecked_transaction()?;
        let (turn, now) = (to_sql(TURN as u64)?, millis(self.now)?);
        let entries = match self.filter.state {
            None => entries(&moment, sql::LIST, params![self.after, turn])?,
            Some(StateFilter::Live) => entries(&moment, sql::LIST_LIVE, params![self.after, turn, now])?,
            Some(StateFilter::Ended(EndState::Expired)) => {
                entries(&moment, sql::LIST_EXPIRED, params![self.after, turn, now])?
            }
            Some(StateFilter::Ended(end)) => {
                entries(&moment, sql::LIST_ENDED, params![self.after, turn, end.as_str()])?
            }
        };
        self.is_done = entries.len() < TURN;
        for (id, tenant, agent, decision) in entries {
            self.after = id.to_vec();
            let is_other = |wanted: Option<&str>, is: &str| wanted.is_some_and(|wanted| wanted != is);
            if is_other(self.filter.tenant.as_ref().map(|tenant| tenant.as_str()), &tenant)
                || is_other(self.filter.agent.as_ref().map(|agent| agent.as_str()), &agent)
            {
                continue;
            }
            let kept = row(&moment, sql::BY_DECISION, [decision])?;
            let request = kept.ok_or_else(|| Failure::corrupt("an approval request"))?.request;
            if self.filter.admits(&request, self.now) {
                self.found.push(request);
            }
            if self.found.len() >= self.filter.limit() {
                self.is_done = true;
                break;
            }
        }
        Ok(self)
    }
}

/// Id, tenant, agent and place of a request.
type Entry = ([u8; 16], String, String, i64);

fn entries(connection: &Connection, sql: &str, with: impl Params) -> Result<Vec<Entry>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let entries = statement.query_map(with, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(entries.collect::<rusqlite::Result<_>>()?)
}

/// What is kept of the requests: how many there are, how often they were changed, and the records that opened the last and
/// changed one last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) rows: u64,
    /// Of them, those that nothing ended.
    pub(crate) unended: u64,
    pub(crate) changes: u64,
    pub(crate) last_opened: Option<u64>,
    pub(crate) last_changed: Option<u64>,
}

impl Numbers {
    /// Those of an executor's store, which has no log, are 0.
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        let mut statement = connection.prepare_cached(sql::KEPT)?;
        let numbers = statement.query_row([], |row| {
            let last: [Option<i64>; 2] = [row.get(2)?, row.get(3)?];
            Ok((row.get(0)?, row.get(1)?, row.get(4)?, last))
        });
        let Some((rows, changes, unended, [opened, changed])) = numbers.optional()? else {
            return Ok(Self::default());
        };
        Ok(Self {
            rows: from_sql(rows)?,
            unended: from_sql(unended)?,
            changes: from_sql(changes)?,
            last_opened: opened.map(from_sql).transpose()?,
            last_changed: changed.map(from_sql).transpose()?,
        })
    }
}
