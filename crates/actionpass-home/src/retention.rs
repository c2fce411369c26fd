//! Side data erased by age: by hand, and on the schedule that `[retention]` sets.
//!
//! What is due is judged by the clock and by the records: see [`due`].

use std::collections::HashMap;
use std::time::Duration;

use actionpass_core::Administrator;
use actionpass_model::{
    ApprovalRequest, EndState, ErasureBody, ErasureSchema, Principal, RequestId, RuleId, Statement, Timestamp,
};
use actionpass_store::ledger::{Consequence, RecordRef};
use actionpass_store::{LEEWAY_SECS, RequestFilter, StateFilter, StoreCode, StoreError, StoredRecord};
use serde::Deserialize;

use crate::{HomeError, HomeStore, OpenHome};

/// How many records one erasure names: their numbers, of at most 16 digits, fit the 65,535 bytes of its own record, and
/// leave room for reason and rules.
const BATCH: usize = 2048;

/// The shortest time for which `[retention]` may keep side data: no pass, and no request, lives longer.
pub const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that a time without records counts.
const LONGEST_QUIET: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why something is erased, and by whom.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "who erases says all of it")]
pub struct Erasure {
    /// Who.
    pub erased_by: Principal,
    /// Why.
    pub reason: Statement,
    /// The rules or laws that it rests on.
    pub rules: Vec<RuleId>,
}

/// Which records lose what lies beside them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Scope {
    /// Those from before this time …
    pub before: Timestamp,
    /// … with lower numbers than this.
    below: u64,
    /// Whether what something still needs is left: by schedule it is.
    keeping: Option<Duration>,
}

/// What was erased.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Erased {
    /// How many records lost what lay beside them.
    pub count: usize,
    /// The records of the erasures.
    pub records: Vec<RecordRef>,
    /// The requests that waited and ended with their actions.
    pub ended: Vec<RequestId>,
    /// The records whose side data was left, since something still needs it.
    pub held: usize,
    /// Whether there may be more than was done at once.
    pub has_more: bool,
    /// Whether the room that it took was not overwritten: a user of a database who doesn't own the tables leaves that to its vacuum.
    pub is_left_in_free_room: bool,
}

impl Scope {
    /// Everything older, also what waits: whoever says so by hand means it.
    #[must_use]
    pub const fn older_than(before: Timestamp) -> Self {
        Self {
            before,
            below: u64::MAX,
            keeping: None,
        }
    }
}

/// Why something is erased that is due by `[retention]`.
#[must_use]
pub fn reason(period: Duration) -> Option<Statement> {
    let (count, unit) = match (period.as_secs() / 86_400, period.as_secs() % 86_400) {
        (days, 0) => (days, 'd'),
        _ => (period.as_secs(), 's'),
    };
    format!("due by [retention]: side data is kept for {count}{unit}")
        .parse()
        .ok()
}

/// What is due at this time, by `[retention]`: what is older by the clock, and by the records.
///
/// The clock alone would erase everything once it jumps ahead. So the time that passed since a record is counted by the records
/// behind it, and a time without any counts seven days at most, or a quarter of the period if that is shorter. One that jumped
/// ahead, however far, makes something due by so much too early, and no more. A clock that went back makes things due later.
///
/// # Errors
/// [`HomeError::Store`].
pub async fn due(home: &OpenHome, period: Duration, now: Timestamp) -> Result<Scope, HomeError> {
    let below = below(&*home.store, period, now).await;
    let below = below.map_err(|error| store_error(home, error))?;
    let before = now.unix_millis().saturating_sub(millis(period));
    Ok(Scope {
        // Earlier than now, so a time as well.
        before: Timestamp::from_unix_millis(before).unwrap_or(now),
        below,
        keeping: Some(period),
    })
}

/// The number of the first record since which, by the records, less time has passed than this.
async fn below(store: &dyn HomeStore, period: Duration, now: Timestamp) -> Result<u64, StoreError> {
    let step = millis(LONGEST_QUIET).min(millis(period) / 4);
    let mut left = millis(period);
    let mut at = now.unix_millis();
    let state = store.state().await?;
    // Whatever was taken out was older than anything that is asked for.
    let first = state.first.size();
    let mut seq = state.head.size();
    while seq > first {
        // The earliest record that is older by no more than this.
        let most = step.min(left);
        let bound = at.saturating_sub(most);
        let (mut low, mut high) = (first, seq);
        while low < high {
            let middle = low.midpoint(high);
            if time_of(store, middle).await? >= bound {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        if low < seq {
            let time = time_of(store, low).await?;
            left = left.saturating_sub(at.saturating_sub(time).min(most));
            // A record from the future says nothing of the time before it.
            at = at.min(time);
            seq = low;
        } else if left <= step {
            return Ok(seq);
        } else {
            // Nothing for so long: what stands in front is taken to be no older than this.
            seq = seq.saturating_sub(1);
            at = at.min(time_of(store, seq).await?);
            left = left.saturating_sub(step);
        }
    }
    Ok(first)
}

/// The number of the first record from `first` on that is not older than a scope says.
pub(crate) async fn end_of(store: &dyn HomeStore, first: u64, scope: Scope) -> Result<u64, StoreError> {
    const PAGE: usize = 512;
    let mut seq = first;
    loop {
        let records = store.read(seq, PAGE).await?;
        if records.is_empty() {
            return Ok(seq);
        }
        for record in &records {
            if record.seq >= scope.below || time(record)? >= scope.before.unix_millis() {
                return Ok(record.seq);
            }
            seq = record.seq.saturating_add(1);
        }
    }
}

async fn time_of(store: &dyn HomeStore, seq: u64) -> Result<u64, StoreError> {
    time(&record(store, seq).await?)
}

async fn record(store: &dyn HomeStore, seq: u64) -> Result<StoredRecord, StoreError> {
    let stored = store.read(seq, 1).await?.into_iter().next();
    stored.filter(|record| record.seq == seq).ok_or_else(|| unreadable(seq))
}

/// When a record was appended, in milliseconds.
fn time(record: &StoredRecord) -> Result<u64, StoreError> {
    #[derive(Deserialize)]
    struct Head {
        time: Timestamp,
    }
    let head: Head = serde_json::from_slice(&record.json).map_err(|_| unreadable(record.seq))?;
    Ok(head.time.unix_millis())
}

fn unreadable(seq: u64) -> StoreError {
    StoreError::with_source(StoreCode::StoreCorrupt, format!("record {seq} can't be read"))
}

/// Whether something was due by this time and lies there still; nothing is erased.
///
/// # Errors
/// [`HomeError::Store`].
pub async fn is_overdue(home: &OpenHome, scope: Scope, now: Timestamp) -> Result<bool, HomeError> {
    let needs = Needs::now(&*home.store, now)
        .await
        .map_err(|error| store_error(home, error))?;
    let mut seq = 0;
    loop {
        let (due, _, next) = batch(&*home.store, seq, scope, &needs, now)
            .await
            .map_err(|error| store_error(home, error))?;
        match next {
            _ if !due.is_empty() => return Ok(true),
            Some(next) => seq = next,
            None => return Ok(false),
        }
    }
}

/// Erases what lies beside the records of a scope, in the order of their numbers, and frees the space. At most so many batches, each
/// recorded in the transaction that erases it. It may be done by several at once: what is gone is not erased again.
///
/// # Errors
/// [`HomeError::Store`], [`HomeError::Admin`]: batches of before are erased and recorded.
pub async fn erase(
    home: &OpenHome,
    administrator: &Administrator,
    why: &Erasure,
    scope: Scope,
    now: Timestamp,
    batches: usize,
) -> Result<Erased, HomeError> {
    let about = |error| store_error(home, error);
    let store = &*home.store;
    let needs = Needs::now(store, now).await.map_err(about)?;
    let mut erased = Erased::default();
    let mut seq = 0;
    loop {
        let (records, held, next) = batch(store, seq, scope, &needs, now).await.map_err(about)?;
        erased.held = erased.held.saturating_add(held);
        if !records.is_empty() {
            if erased.records.len() >= batches {
                erased.has_more = true;
                break;
            }
            erased
                .ended
                .extend(records.iter().filter_map(|seq| needs.live.get(seq)).cloned());
            erased.count = erased.count.saturating_add(records.len());
            let body = ErasureBody {
                schema: ErasureSchema,
                records,
                erased_by: why.erased_by.clone(),
                reason: why.reason.clone(),
                rules: why.rules.clone(),
            };
            erased.records.push(administrator.record(&body).await?);
        }
        match next {
            Some(next) => seq = next,
            None => break,
        }
    }
    // Also where nothing was left to erase: an earlier call may have found the store busy.
    match store.purge().await {
        // It is erased and recorded. Whoever may not overwrite the room that it took leaves that to the database.
        Err(error)
            if error.code() == StoreCode::StoreReadOnly && (scope.keeping.is_some() || !erased.records.is_empty()) =>
        {
            erased.is_left_in_free_room = true;
        }
        purged => purged.map_err(about)?,
    }
    Ok(erased)
}

/// What is asked for side data, by the numbers of the records that it lies beside.
struct Needs {
    /// Requests that wait, and end when their action is erased.
    live: HashMap<u64, RequestId>,
    /// Requests whose declines hold: the store refuses to erase their actions.
    held: HashMap<u64, RequestId>,
}

impl Needs {
    async fn now(store: &dyn HomeStore, now: Timestamp) -> Result<Self, StoreError> {
        let holds = |request: &ApprovalRequest| {
            let until = request.end.as_ref().and_then(|end| end.holds_until);
            until.is_some_and(|until| now < until)
        };
        Ok(Self {
            live: by_record(store, StateFilter::Live, now, |_| true).await?,
            held: by_record(store, StateFilter::Ended(EndState::Declined), now, holds).await?,
        })
    }

    /// Whether by schedule the record is left for now.
    async fn is_needed(
        &self,
        store: &dyn HomeStore,
        record: &StoredRecord,
        period: Duration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.live.contains_key(&record.seq) {
            return Ok(true);
        }
        let Some(Consequence::Allow { pass, expires_at, .. }) = Consequence::of(&record.json) else {
            return Ok(false);
        };
        if now.to_unix_seconds() < expires_at.to_unix_seconds().saturating_add(LEEWAY_SECS) {
            return Ok(true);
        }
        // Whoever looks into what became of a call needs to see it, but not for ever.
        let is_unfinished = store.used(&pass).await?.is_some_and(|used| used.outcome.is_none());
        let until = time(record)?.saturating_add(millis(period).saturating_mul(2));
        Ok(is_unfinished && now.unix_millis() < until)
    }
}

async fn by_record(
    store: &dyn HomeStore,
    state: StateFilter,
    now: Timestamp,
    is: impl Fn(&ApprovalRequest) -> bool,
) -> Result<HashMap<u64, RequestId>, StoreError> {
    let mut found = HashMap::new();
    let mut filter = RequestFilter::default();
    filter.state = Some(state);
    loop {
        let page = store.requests(&filter, now).await?;
        let Some(last) = page.last() else { return Ok(found) };
        filter.after = Some(last.id.clone());
        let those = page.into_iter().filter(|request| is(request));
        found.extend(those.map(|request| (request.decision.seq, request.id)));
    }
}

/// At most [`BATCH`] records from `seq` on that have side data and are in scope, how many of these are left, and where to go on.
async fn batch(
    store: &dyn HomeStore,
    seq: u64,
    scope: Scope,
    needs: &Needs,
    now: Timestamp,
) -> Result<(Vec<u64>, usize, Option<u64>), StoreError> {
    let sided = store.sided(seq, BATCH).await?;
    let next = sided
        .last()
        .map(|last| last.saturating_add(1))
        .filter(|next| *next < scope.below);
    let (mut due, mut held) = (Vec::new(), 0_usize);
    for seq in sided.into_iter().filter(|seq| *seq < scope.below) {
        let record = record(store, seq).await?;
        // Several machines append, so times may go back: each record counts for itself.
        if time(&record)? >= scope.before.unix_millis() {
            continue;
        }
        let is_needed = match scope.keeping {
            Some(period) => needs.is_needed(store, &record, period, now).await?,
            None => false,
        };
        if is_needed || needs.held.contains_key(&seq) {
            held = held.saturating_add(1);
        } else {
            due.push(seq);
        }
    }
    Ok((due, held, next))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn store_error(home: &OpenHome, error: StoreError) -> HomeError {
    HomeError::store(&home.home.place_of_store(&home.config), error)
}

#[cfg(test)]
mod tests;
