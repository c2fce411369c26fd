//! The beginning of the log, moved and looked at: what the owner of the tables may do, and no front end.

use actionpass_model::{RecordKind, Timestamp};
use actionpass_store::ledger::{Consequence, Head, Log, PreparedRecord, SealedRecord};
use actionpass_store::{
    Archive, ArchiveOutcome, ArchiveStore, Beginning, Needed, Resign, StoreCode, StoreError, StoreFuture,
};
use futures_channel::oneshot::channel;

use crate::error::Failure;
use crate::ledger::{HeadRow, Judged, RECORD, head_statement};
use crate::queue::Held;
use crate::session::{Session, get, maybe, to_sql};
use crate::store::{PostgresStore, received};
use crate::writer::Write;

const SIGNED: &str = "SELECT bytes FROM actionpass.signed_head";
const PUT_SIGNED: &str = "INSERT INTO actionpass.signed_head (id, bytes) VALUES (0, $1)
    ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes";
const BEGIN: &str = "UPDATE actionpass.ledger SET first = $1, first_hash = $2, archived = $3";
const NEEDED: &str = "SELECT
    (SELECT min(seq) FROM (SELECT min(seq) FROM actionpass.side UNION ALL SELECT min(request) FROM actionpass.request_side)
        AS sided (seq) WHERE seq < $1),
    (SELECT min(decision) FROM actionpass.request WHERE decision < $1 AND (ended IS NULL OR holds > $2))";
/// Those of revocations stay.
const SWEEP: &str = "DELETE FROM actionpass.record WHERE seq IN (SELECT r.seq FROM actionpass.record r
    WHERE r.seq < (SELECT first FROM actionpass.ledger)
        AND NOT EXISTS (SELECT FROM actionpass.revocation v WHERE v.seq = r.seq) ORDER BY r.seq LIMIT $1)";

/// Records to be taken out, with the record of that as far as its caller's thread makes it.
#[derive(Debug)]
pub(crate) struct ArchiveCall {
    call: Archive,
    record: PreparedRecord,
}

impl ArchiveCall {
    fn prepare(log: &Log, call: Archive) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

/// A signed head to be replaced, with the record of that as far as its caller's thread makes it.
#[derive(Debug)]
pub(crate) struct ResignCall {
    call: Resign,
    record: PreparedRecord,
}

impl ResignCall {
    fn prepare(log: &Log, call: Resign) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

impl Held<'_, '_> {
    /// Moves the beginning and appends the record of that.
    pub(crate) async fn archive(&mut self, call: &ArchiveCall) -> Result<Judged<ArchiveOutcome>, Failure> {
        let Archive { head, signed, record } = &call.call;
        // What stands in front of it in the batch.
        self.flush().await?;
        if let Err(misused) = call.call.check(&self.ledger.state) {
            return Ok(Err(misused));
        }
        let last = json(self.session, head.size().saturating_sub(1)).await?;
        let hash = format!(",\"ledgerHash\":\"{}\",", head.hash());
        if !last.is_some_and(|json| json.contains(&hash)) {
            return Ok(Err(Archive::misplaced()));
        }
        if let Some(needed) = needed(self.session, head.size(), record.time()).await? {
            return Ok(Ok(ArchiveOutcome::Needed(needed)));
        }
        let sealed = match self.ledger.append_one(RecordKind::Erasure, record, &call.record)? {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        self.flush().await?;
        let (first, hash) = (to_sql(head.size())?, head.hash().as_bytes().to_vec());
        let seq = to_sql(sealed.seq())?;
        self.session.execute(BEGIN, &[&first, &hash, &seq]).await?;
        self.session.execute(PUT_SIGNED, &[signed]).await?;
        self.ledger.state.first = *head;
        Ok(Ok(ArchiveOutcome::Archived(sealed)))
    }

    /// Replaces the signed head that the log begins at, and appends the record of that.
    pub(crate) async fn resign(&mut self, call: &ResignCall) -> Result<Judged<Option<SealedRecord>>, Failure> {
        // What stands in front of it in the batch.
        self.flush().await?;
        let former = signed(self.session).await?;
        match call.call.check(&self.ledger.state, former.as_deref()) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(misused) => return Ok(Err(misused)),
        }
        let appended = self
            .ledger
            .append_one(RecordKind::Erasure, &call.call.record, &call.record)?;
        let sealed = match appended {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        self.flush().await?;
        self.session.execute(PUT_SIGNED, &[&call.call.signed]).await?;
        Ok(Ok(Some(sealed)))
    }
}

async fn json(session: &Session, seq: u64) -> Result<Option<String>, Failure> {
    let row = session.one(RECORD, &[&to_sql(seq)?]).await?;
    row.map(|row| get(&row, 0)).transpose()
}

/// The first record in front of this number that something needs at this time.
async fn needed(session: &Session, until: u64, now: Timestamp) -> Result<Option<Needed>, Failure> {
    // Beyond what the database counts to there are no records.
    let until = i64::try_from(until).unwrap_or(i64::MAX);
    let row = session.one(NEEDED, &[&until, &to_sql(now.unix_millis())?]).await?;
    let row = row.ok_or_else(|| Failure::corrupt("what needs records"))?;
    Ok(Needed::first(maybe(&row, 0)?, maybe(&row, 1)?))
}

async fn signed(session: &Session) -> Result<Option<Vec<u8>>, Failure> {
    let row = session.one(SIGNED, &[]).await?;
    row.map(|row| get(&row, 0)).transpose()
}

/// What a record says that the log begins elsewhere than it does.
pub(crate) fn moved(seq: u64) -> Failure {
    let problem = format!("the log begins elsewhere than its record of that says (record {seq})");
    Failure::new(StoreCode::StoreRowsMissing, problem)
}

/// The log begins where it says: the first record follows the head, and the record of the archive names it. In constant time.
pub(crate) async fn check_beginning(session: &Session, row: &HeadRow) -> Result<(), Failure> {
    let first = row.state.first;
    if row.state.head.size() > first.size() {
        let gone = |problem: &str| {
            let problem = format!("{problem} (record {})", first.size());
            Failure::new(StoreCode::StoreRowsMissing, problem)
        };
        let record = json(session, first.size()).await?;
        let record = record.ok_or_else(|| gone("the record that the log begins with is gone"))?;
        if !record.contains(&format!(",\"previousLedgerHash\":\"{}\",", first.hash())) {
            return Err(gone(
                "the record that the log begins with doesn't follow what is in front of it",
            ));
        }
    }
    match (first.size(), row.archived, signed(session).await?.is_some()) {
        (0, None, false) => Ok(()),
        (1.., Some(seq), true) => {
            let said = json(session, seq).await?;
            match said.and_then(|json| Consequence::of(json.as_bytes())) {
                Some(Consequence::Archive { head, .. }) if head == first && seq >= first.size() => Ok(()),
                _ => Err(moved(seq)),
            }
        }
        _ => Err(Failure::corrupt("where the log begins")),
    }
}

async fn first(session: &Session) -> Result<Head, Failure> {
    let head = session.one(head_statement(false), &[]).await?;
    Ok(HeadRow::read(head, None)?.state.first)
}

impl ArchiveStore for PostgresStore {
    fn beginning(&self) -> StoreFuture<'_, Option<Beginning>> {
        self.ask(async |session| {
            session.run(crate::reads::MOMENT).await?;
            let (head, signed) = (first(session).await?, signed(session).await?);
            session.run("COMMIT").await?;
            match (head.size(), signed) {
                (0, None) => Ok(None),
                (1.., Some(signed)) => Ok(Some(Beginning { head, signed })),
                _ => Err(Failure::corrupt("where the log begins")),
            }
        })
    }

    fn needed(&self, until: u64, now: Timestamp) -> StoreFuture<'_, Option<Needed>> {
        self.ask(async move |session| needed(session, until, now).await)
    }

    fn archive(&self, call: Archive) -> StoreFuture<'_, ArchiveOutcome> {
        Box::pin(async move {
            let log = self.log().ok_or_else(|| StoreError::new(StoreCode::StoreLogMismatch))?;
            let call = Box::new(ArchiveCall::prepare(log, call));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Archive(call, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn resign(&self, call: Resign) -> StoreFuture<'_, Option<SealedRecord>> {
        Box::pin(async move {
            let log = self.log().ok_or_else(|| StoreError::new(StoreCode::StoreLogMismatch))?;
            let call = Box::new(ResignCall::prepare(log, call));
            let (reply, answer) = channel();
            self.call(|calls| calls.writes.send(Write::Resign(call, reply)).is_ok())?;
            received(answer).await
        })
    }

    fn sweep(&self, limit: usize) -> StoreFuture<'_, bool> {
        self.ask(async move |session| {
            let limit = to_sql(limit as u64).unwrap_or(i64::MAX);
            let gone = session.execute(SWEEP, &[&limit]).await?;
            Ok(to_sql(gone)? >= limit)
        })
    }
}
