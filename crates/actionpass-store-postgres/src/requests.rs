//! Approval requests as the database keeps them.
//!
//! Each is one row: the document, and columns that say again what the look-ups go by. What can be erased lies in
//! rows of its own, which the request's row names by one hash. Nothing here writes a record or decides
//! anything: what may happen is [`actionpass_queue`]'s, and when is [`queue`](crate::queue)'s. Requests are opened and ended
//! at the pace of people, so their statements run one after the other.

use std::time::Duration;

use actionpass_canon::canonicalize;
use actionpass_model::{ApprovalRequest, EndState, RequestId, Statement, Timestamp};
use actionpass_queue::{ENDS_THAT_HOLD, HOLD_WINDOW, Limits, Load, OPENED_WINDOW, RequestKey, came_to_nothing, erased};
use actionpass_store::backend::{Columns, FIRST_TOKEN, Hold, Kept, Pieces, beside_all, beside_vote, millis_before};
use actionpass_store::{
    Beside, MAX_OVERDUE, NOTHING_BESIDE, RequestFilter, Standing, StateFilter, StoredRequest, VoteToken, hide,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::facts::{asked, asked_for};
use crate::ledger::Counts;
use crate::session::{Params, Session, from_uuid, get, number, to_sql, to_uuid};

mod sql;

/// How many rows are looked at in one turn of a list.
const TURN: usize = 1000;

fn columns(row: &Row) -> Result<Columns, Failure> {
    let hash: Vec<u8> = get(row, 4)?;
    Ok(Columns {
        decision: get(row, 0)?,
        id: get::<Uuid>(row, 1)?.into_bytes(),
        tenant: get(row, 2)?,
        agent: get(row, 3)?,
        action_hash: hash.try_into().map_err(|_| Failure::corrupt("an approval request"))?,
        created: get(row, 5)?,
        expires: get(row, 6)?,
        ended: get(row, 7)?,
        holds: get(row, 8)?,
        failed: get(row, 9)?,
        version: get(row, 10)?,
    })
}

fn millis(time: Timestamp) -> Result<i64, Failure> {
    to_sql(time.unix_millis())
}

fn before(time: Timestamp, window: Duration) -> Result<i64, Failure> {
    millis_before(time, window).ok_or_else(|| Failure::corrupt("a time"))
}

/// A row, whose columns must say what its document says.
fn parse(row: &Row) -> Result<Kept, Failure> {
    let broken = || Failure::corrupt("an approval request");
    let side: Option<Vec<u8>> = get(row, 13)?;
    let side = side.map(|side| side.try_into().map_err(|_| broken())).transpose()?;
    let kept = Kept::parse(&get::<String>(row, 14)?, number(row, 11)?, get(row, 12)?, side).ok_or_else(broken)?;
    if !kept.fits(&columns(row)?) {
        return Err(Failure::corrupt("an approval request and the columns beside it"));
    }
    Ok(kept)
}

/// The row that a query finds.
async fn row(session: &Session, sql: &str, with: Params<'_>) -> Result<Option<Kept>, Failure> {
    let row = session.one(sql, with).await?;
    row.as_ref().map(parse).transpose()
}

/// The request of this id.
pub(crate) async fn by_id(session: &Session, id: &RequestId) -> Result<Option<Kept>, Failure> {
    row(session, sql::BY_ID, &[&to_uuid(id)?]).await
}

/// The request that this record opened.
pub(crate) async fn by_decision(session: &Session, seq: u64) -> Result<Option<Kept>, Failure> {
    // Beyond what the database counts to there are no records.
    let Ok(seq) = to_sql(seq) else { return Ok(None) };
    row(session, sql::BY_DECISION, &[&seq]).await
}

/// Whether nothing lies beside a request any more.
pub(crate) async fn is_bare(session: &Session, kept: &Kept) -> Result<bool, Failure> {
    let beside = session.one(sql::SIDE, &[&to_sql(kept.request.decision.seq)?]).await?;
    Ok(kept.side.is_none() && beside.is_none())
}

/// The version of a request.
pub(crate) async fn version(session: &Session, id: &RequestId) -> Result<Option<u64>, Failure> {
    let row = session.one(sql::VERSION, &[&to_uuid(id)?]).await?;
    row.map(|row| number(&row, 0)).transpose()
}

/// The client that a request came from.
pub(crate) async fn client(session: &Session, id: &RequestId) -> Result<Option<Statement>, Failure> {
    let row = session.one(sql::CLIENT, &[&to_uuid(id)?]).await?;
    let client: Option<String> = row.map(|row| get(&row, 0)).transpose()?.flatten();
    let parsed =
        |text: String| Statement::parse(&text).map_err(|_| Failure::corrupt("the client of an approval request"));
    client.map(parsed).transpose()
}

/// The request that waits for this at this time, if it isn't the one that this record opened.
pub(crate) async fn live(
    session: &Session,
    key: &RequestKey,
    now: Timestamp,
    but: Option<u64>,
) -> Result<Option<Kept>, Failure> {
    let (hash, tenant, agent) = (&key.action_hash.as_bytes()[..], key.tenant.as_str(), key.agent.as_str());
    let but = but.map(to_sql).transpose()?;
    row(session, sql::LIVE, &[&hash, &tenant, &agent, &millis(now)?, &but]).await
}

/// The request whose decline answers this at this time: the one that holds longest.
pub(crate) async fn declined(session: &Session, key: &RequestKey, now: Timestamp) -> Result<Option<Kept>, Failure> {
    let (hash, tenant, agent) = (&key.action_hash.as_bytes()[..], key.tenant.as_str(), key.agent.as_str());
    row(session, sql::DECLINED, &[&hash, &tenant, &agent, &millis(now)?]).await
}

/// What the queue has to say of actions, one answer for each.
pub(crate) async fn standings(
    session: &Session,
    asked_of: &[(RequestKey, Timestamp)],
) -> Result<Vec<Standing>, Failure> {
    let hash: Vec<&[u8]> = asked_of
        .iter()
        .map(|(key, _)| &key.action_hash.as_bytes()[..])
        .collect();
    let tenant: Vec<&str> = asked_of.iter().map(|(key, _)| key.tenant.as_str()).collect();
    let agent: Vec<&str> = asked_of.iter().map(|(key, _)| key.agent.as_str()).collect();
    let now: Vec<i64> = asked_of.iter().map(|(_, now)| millis(*now)).collect::<Result<_, _>>()?;
    let rows = asked(
        session,
        sql::STANDING,
        !asked_of.is_empty(),
        &[&hash, &tenant, &agent, &now],
    )
    .await?;
    let mut answers = vec![Standing::default(); asked_of.len()];
    for row in &rows {
        let (key, now) = asked_for(asked_of, row)?;
        let place = usize::try_from(number(row, 0)?.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(answer) = answers.get_mut(place) {
            *answer = standing(session, key, *now).await?;
        }
    }
    Ok(answers)
}

async fn standing(session: &Session, key: &RequestKey, now: Timestamp) -> Result<Standing, Failure> {
    let mut standing = Standing::default();
    if let Some(kept) = live(session, key, now, None).await? {
        standing.live = Some(with_side(session, kept).await?);
    }
    if let Some(kept) = declined(session, key, now).await? {
        standing.declined = Some(with_side(session, kept).await?);
    }
    let limit = to_sql(MAX_OVERDUE as u64)?;
    let (tenant, agent) = (key.tenant.as_str(), key.agent.as_str());
    let overdue = session
        .query(sql::OVERDUE, &[&tenant, &agent, &millis(now)?, &limit])
        .await?;
    for row in &overdue {
        standing.overdue.push(parse(row)?.request);
    }
    standing.held_by = hold(session, tenant, agent).await?.by;
    Ok(standing)
}

/// How many there are, as far as the limits ask.
pub(crate) async fn load(
    session: &Session,
    counts: &Counts,
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
    load.live = counts.unended;
    if load.live >= limits.live {
        load.live = session.count(sql::COUNT_LIVE, &[&at, &up_to(limits.live)]).await?;
    }
    let of_agent: Params<'_> = &[&tenant, &agent, &at, &up_to(limits.live_per_agent)];
    load.live_of_agent = session.count(sql::COUNT_OF_AGENT, of_agent).await?;
    if let Some(client) = client {
        let of_client: Params<'_> = &[&client.as_str(), &at, &up_to(limits.live_per_client)];
        load.live_of_client = session.count(sql::COUNT_OF_CLIENT, of_client).await?;
    }
    let since = before(now, OPENED_WINDOW)?;
    let opened: Params<'_> = &[&tenant, &agent, &since, &up_to(limits.opened_per_hour)];
    load.opened_in_hour = session.count(sql::COUNT_OPENED, opened).await?;
    load.is_held = hold(session, tenant, agent).await?.by.is_some();
    Ok(load)
}

pub(crate) async fn hold(session: &Session, tenant: &str, agent: &str) -> Result<Hold, Failure> {
    let Some(row) = session.one(sql::HOLD, &[&tenant, &agent]).await? else {
        return Ok(Hold::default());
    };
    let by: Option<Uuid> = get(&row, 0)?;
    Ok(Hold {
        by: by.map(from_uuid).transpose()?,
        lifted: get(&row, 1)?,
    })
}

/// Lifts the hold of an agent.
pub(crate) async fn lift(session: &Session, request: &ApprovalRequest, at: Timestamp) -> Result<(), Failure> {
    let (tenant, agent) = (request.tenant.as_str(), request.actor.agent.as_str());
    session
        .execute(sql::LIFT_HOLD, &[&tenant, &agent, &millis(at)?])
        .await?;
    Ok(())
}

/// Writes a new request, whose `decision` is filled in, and what lies beside it.
pub(crate) async fn insert(
    session: &Session,
    counts: &mut Counts,
    stored: &StoredRequest,
    client: Option<&Statement>,
    is_committed: bool,
) -> Result<(), Failure> {
    let decision = stored.request.decision.seq;
    let mut side = NOTHING_BESIDE;
    for beside in beside_all(stored).ok_or_else(|| Failure::corrupt("an id"))? {
        side = put_side(session, decision, &side, &beside).await?;
    }
    let kept = Kept {
        request: stored.request.clone(),
        last: decision,
        is_committed,
        side: Some(side),
    };
    write(session, sql::INSERT, &kept, client).await?;
    counts.requests = counts.requests.saturating_add(1);
    counts.unended = counts.unended.saturating_add(1);
    counts.last_opened = Some(decision);
    Ok(())
}

/// Puts a request in the place of the same one of before, because of this record, with the token of a vote.
pub(crate) async fn update(
    session: &Session,
    counts: &mut Counts,
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
        let next_place = to_sql(session.count(sql::NEXT_PLACE, &[&to_sql(decision)?]).await?)?;
        let beside = beside_vote(next_place.max(FIRST_TOKEN), token).ok_or_else(|| Failure::corrupt("an id"))?;
        let before = kept.side.unwrap_or(NOTHING_BESIDE);
        kept.side = Some(put_side(session, decision, &before, &beside).await?);
    }
    write(session, sql::UPDATE, &kept, None).await?;
    changed(counts, Some(record), kept.request.end.is_some());
    hold_if_due(session, &kept.request).await
}

/// Holds new requests of the agent of this request if its end was one too many.
async fn hold_if_due(session: &Session, request: &ApprovalRequest) -> Result<(), Failure> {
    let Some(at) = came_to_nothing(request) else {
        return Ok(());
    };
    let (tenant, agent) = (request.tenant.as_str(), request.actor.agent.as_str());
    let lifted = hold(session, tenant, agent).await?.lifted.unwrap_or(i64::MIN);
    let since = before(at, HOLD_WINDOW)?.max(lifted);
    let failed: Params<'_> = &[&tenant, &agent, &since, &to_sql(ENDS_THAT_HOLD)?];
    if session.count(sql::COUNT_FAILED, failed).await? >= ENDS_THAT_HOLD {
        session
            .execute(sql::PUT_HOLD, &[&tenant, &agent, &to_uuid(&request.id)?])
            .await?;
    }
    Ok(())
}

/// Counts a change, which ends a request or doesn't.
const fn changed(counts: &mut Counts, record: Option<u64>, ends: bool) {
    counts.changes = counts.changes.saturating_add(1);
    if ends {
        counts.unended = counts.unended.saturating_sub(1);
    }
    if record.is_some() {
        counts.last_changed = record;
    }
}

/// Binds a row, and runs its statement.
async fn write(session: &Session, sql: &str, kept: &Kept, client: Option<&Statement>) -> Result<(), Failure> {
    let columns = Columns::of(&kept.request).ok_or_else(|| Failure::corrupt("a number is out of range"))?;
    let document = canonicalize(&kept.request).map_err(|_| Failure::corrupt("an approval request"))?;
    let last = to_sql(kept.last)?;
    let with: Params<'_> = &[
        &columns.decision,
        &Uuid::from_bytes(columns.id),
        &columns.tenant,
        &columns.agent,
        &&columns.action_hash[..],
        &columns.created,
        &columns.expires,
        &columns.ended,
        &columns.holds,
        &columns.failed,
        &columns.version,
        &last,
        &kept.is_committed,
        &kept.side.map(Vec::from),
        &document.as_str(),
        &client.map(Statement::as_str),
    ];
    session.execute(sql, with).await?;
    Ok(())
}

async fn put_side(session: &Session, seq: u64, before: &[u8; 32], beside: &Beside<'_>) -> Result<[u8; 32], Failure> {
    let (vote, principal) = beside.vote.unzip();
    let vote = vote.map(Uuid::from_bytes);
    let with: Params<'_> = &[&to_sql(seq)?, &beside.place, &vote, &principal, &beside.bytes];
    session.execute(sql::PUT_SIDE, with).await?;
    Ok(beside.chain(before))
}

/// A request with what lies beside it.
pub(crate) async fn with_side(session: &Session, kept: Kept) -> Result<StoredRequest, Failure> {
    let broken = || Failure::corrupt("what lies beside an approval request");
    let rows = session.query(sql::SIDE, &[&to_sql(kept.request.decision.seq)?]).await?;
    let mut pieces = Pieces::of(kept);
    for row in &rows {
        let vote = get::<Option<Uuid>>(row, 1)?.map(Uuid::into_bytes);
        let principal: Option<String> = get(row, 2)?;
        let more = pieces.with(get(row, 0)?, vote, principal.as_deref(), get(row, 3)?);
        pieces = more.ok_or_else(broken)?;
    }
    pieces.end().ok_or_else(broken)
}

/// Whether the side data of these records may be erased now: what a decline goes by may not.
pub(crate) async fn is_held(session: &Session, records: &[u64], now: Timestamp) -> Result<bool, Failure> {
    let records = places(records);
    let held = session.one(sql::HOLDING_RECORDS, &[&records, &millis(now)?]).await?;
    Ok(held.is_some())
}

/// The records as the database counts them. Beyond what it counts to there are none.
pub(crate) fn places(records: &[u64]) -> Vec<i64> {
    records.iter().filter_map(|seq| i64::try_from(*seq).ok()).collect()
}

/// Erases what lies beside the request that this record opened, and ends it if nothing has; because of the erasure `record`.
pub(crate) async fn erase(
    session: &Session,
    counts: &mut Counts,
    opener: i64,
    record: u64,
    at: Timestamp,
) -> Result<(), Failure> {
    let Some(mut kept) = row(session, sql::BY_DECISION, &[&opener]).await? else {
        return Ok(());
    };
    let ended = erased(&kept.request, at);
    let is_ended_by_it = ended.is_some();
    if let Some(ended) = ended {
        kept.request = ended;
        kept.last = record;
        changed(counts, None, true);
    }
    if kept.is_committed {
        hide(&mut kept.request);
    }
    kept.side = None;
    write(session, sql::UPDATE, &kept, None).await?;
    session.execute(sql::ERASE_SIDE, &[&opener]).await?;
    if is_ended_by_it {
        hold_if_due(session, &kept.request).await?;
    }
    Ok(())
}

/// Requests, the oldest first. Each turn is a moment of its own, so that no list holds up what is written meanwhile.
pub(crate) async fn list(
    session: &Session,
    filter: &RequestFilter,
    now: Timestamp,
) -> Result<Vec<ApprovalRequest>, Failure> {
    let turn = to_sql(TURN as u64)?;
    let at = millis(now)?;
    let mut after = filter.after.as_ref().map(to_uuid).transpose()?.unwrap_or(Uuid::nil());
    let mut found = Vec::new();
    // The nil id stands in front of all, and no request has it.
    while found.len() < filter.limit() {
        let entries = match filter.state {
            None => session.query(sql::LIST, &[&after, &turn]).await?,
            Some(StateFilter::Live) => session.query(sql::LIST_LIVE, &[&after, &turn, &at]).await?,
            Some(StateFilter::Ended(EndState::Expired)) => {
                session.query(sql::LIST_EXPIRED, &[&after, &turn, &at]).await?
            }
            Some(StateFilter::Ended(end)) => session.query(sql::LIST_ENDED, &[&after, &turn, &end.as_str()]).await?,
        };
        for entry in &entries {
            after = get(entry, 0)?;
            let (tenant, agent): (String, String) = (get(entry, 1)?, get(entry, 2)?);
            let is_other = |wanted: Option<&str>, is: &str| wanted.is_some_and(|wanted| wanted != is);
            if is_other(filter.tenant.as_ref().map(|tenant| tenant.as_str()), &tenant)
                || is_other(filter.agent.as_ref().map(|agent| agent.as_str()), &agent)
            {
                continue;
            }
            let decision: i64 = get(entry, 3)?;
            let kept = row(session, sql::BY_DECISION, &[&decision]).await?;
            let request = kept.ok_or_else(|| Failure::corrupt("an approval request"))?.request;
            if filter.admits(&request, now) {
                found.push(request);
            }
            if found.len() >= filter.limit() {
                break;
            }
        }
        if entries.len() < TURN {
            break;
        }
    }
    Ok(found)
}
