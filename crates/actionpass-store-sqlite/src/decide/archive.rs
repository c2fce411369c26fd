//! The beginning of the log, moved and looked at.

use actionpass_model::{RecordKind, Timestamp};
use actionpass_store::ledger::{Consequence, Log, PreparedRecord, SealedRecord};
use actionpass_store::{Archive, ArchiveOutcome, Beginning, LedgerState, Needed, Resign, StoreCode};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Judged, OpenLedger, state};
use crate::error::{Failure, from_sql, to_sql};

/// Records to be taken out, with the record of that as far as its caller's thread makes it.
#[derive(Debug)]
pub(crate) struct ArchiveCall {
    call: Archive,
    record: PreparedRecord,
}

impl ArchiveCall {
    pub(crate) fn prepare(log: &Log, call: Archive) -> Self {
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
    pub(crate) fn prepare(log: &Log, call: Resign) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

impl OpenLedger<'_> {
    /// Moves the beginning and appends the record of that.
    pub(crate) fn archive(&mut self, call: &ArchiveCall) -> Judged<ArchiveOutcome> {
        let Archive { head, signed, record } = &call.call;
        if let Err(misused) = call.call.check(&self.state) {
            return Ok(Err(misused));
        }
        let last = json(self.connection, head.size().saturating_sub(1))?;
        let hash = format!(",\"ledgerHash\":\"{}\",", head.hash());
        if !last.is_some_and(|json| json.contains(&hash)) {
            return Ok(Err(Archive::misplaced()));
        }
        if let Some(needed) = needed(self.connection, head.size(), record.time())? {
            return Ok(Ok(ArchiveOutcome::Needed(needed)));
        }
        let sealed = match self.append_one(RecordKind::Erasure, record, &call.record)? {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        let first = to_sql(head.size())?;
        // Said by the record until now.
        self.connection.execute(
            "UPDATE issued SET is_committed = (SELECT json_extract(r.json, '$.body.commitment') IS NOT NULL FROM record r
                WHERE r.seq = issued.seq) WHERE seq < ?1 AND is_committed IS NULL",
            [first],
        )?;
        self.connection.execute(
            "UPDATE ledger SET first = ?1, first_hash = ?2, archived = ?3 WHERE id = 0",
            params![first, head.hash().as_bytes(), to_sql(sealed.seq())?],
        )?;
        put_signed(self.connection, signed)?;
        self.state.first = *head;
        Ok(Ok(ArchiveOutcome::Archived(sealed)))
    }

    /// Replaces the signed head that the log begins at, and appends the record of that.
    pub(crate) fn resign(&mut self, call: &ResignCall) -> Judged<Option<SealedRecord>> {
        let former = signed(self.connection)?;
        match call.call.check(&self.state, former.as_deref()) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(None)),
            Err(misused) => return Ok(Err(misused)),
        }
        let sealed = match self.append_one(RecordKind::Erasure, &call.call.record, &call.record)? {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        put_signed(self.connection, &call.call.signed)?;
        Ok(Ok(Some(sealed)))
    }
}

fn put_signed(connection: &Connection, signed: &[u8]) -> Result<(), Failure> {
    let put = "INSERT OR REPLACE INTO signed_head (id, bytes) VALUES (0, ?1)";
    let _ = connection.execute(put, params![signed])?;
    Ok(())
}

fn json(connection: &Connection, seq: u64) -> Result<Option<String>, Failure> {
    let mut statement = connection.prepare_cached("SELECT json FROM record WHERE seq = ?1")?;
    Ok(statement.query_row([to_sql(seq)?], |row| row.get(0)).optional()?)
}

/// The first record in front of this number that something needs at this time.
pub(crate) fn needed(connection: &Connection, until: u64, now: Timestamp) -> Result<Option<Needed>, Failure> {
    // Beyond what SQLite counts to there are no records.
    let until = i64::try_from(until).unwrap_or(i64::MAX);
    let now = to_sql(now.unix_millis())?;
    let first = |sql: &str| -> Result<Option<u64>, Failure> {
        let found: Option<i64> = connection.query_row(sql, params![until, now], |row| row.get(0))?;
        found.map(from_sql).transpose()
    };
    let side = first(
        "SELECT min(seq) FROM (SELECT min(slot) / 8 AS seq FROM side UNION ALL SELECT min(request) FROM request_side)
         WHERE seq < ?1 AND ?2 IS NOT NULL",
    )?;
    let request = first("SELECT min(decision) FROM request WHERE decision < ?1 AND (ended IS NULL OR holds > ?2)")?;
    Ok(Needed::first(side, request))
}

/// Where the log begins, if not with its first record.
pub(crate) fn beginning(connection: &Connection) -> Result<Option<Beginning>, Failure> {
    let moment = connection.unchecked_transaction()?;
    let first = state(&moment)?.first;
    let signed = signed(&moment)?;
    match (first.size(), signed) {
        (0, None) => Ok(None),
        (1.., Some(signed)) => Ok(Some(Beginning { head: first, signed })),
        _ => Err(Failure::corrupt("where the log begins")),
    }
}

/// The signed head that the log begins at, whether or not it says so itself.
pub(crate) fn signed(connection: &Connection) -> Result<Option<Vec<u8>>, Failure> {
    let row = connection.query_row("SELECT bytes FROM signed_head", [], |row| row.get(0));
    Ok(row.optional()?)
}

/// The log begins where it says: the first record follows the head, and the record of the archive names it. In constant time.
pub(crate) fn check_beginning(connection: &Connection) -> Result<(), Failure> {
    let LedgerState { head, first, .. } = state(connection)?;
    let archived: Option<i64> = connection.query_row("SELECT archived FROM ledger", [], |row| row.get(0))?;
    if head.size() > first.size() {
        let gone = |problem| Failure::Record(StoreCode::StoreRowsMissing, problem, first.size());
        let record = json(connection, first.size())?;
        let record = record.ok_or_else(|| gone("the record that the log begins with is gone"))?;
        if !record.contains(&format!(",\"previousLedgerHash\":\"{}\",", first.hash())) {
            return Err(gone(
                "the record that the log begins with doesn't follow what is in front of it",
            ));
        }
    }
    match (first.size(), archived, signed(connection)?.is_some()) {
        (0, None, false) => Ok(()),
        (1.., Some(archived), true) => {
            let seq = from_sql(archived)?;
            let said = json(connection, seq)?.and_then(|json| Consequence::of(json.as_bytes()));
            match said {
                Some(Consequence::Archive { head, .. }) if head == first && seq >= first.size() => Ok(()),
                _ => Err(Failure::Record(
                    StoreCode::StoreRowsMissing,
                    "the log begins elsewhere than its record of that says",
                    seq,
                )),
            }
        }
        _ => Err(Failure::corrupt("where the log begins")),
    }
}

/// Deletes at most so many records in front of the beginning; `true` if there are more. Those of revocations stay.
pub(crate) fn sweep(connection: &Connection, limit: usize) -> Result<bool, Failure> {
    let limit = to_sql(limit as u64).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "DELETE FROM record WHERE seq IN (SELECT seq FROM record WHERE seq < (SELECT first FROM ledger)
            AND seq NOT IN (SELECT seq FROM revocation) ORDER BY seq LIMIT ?1)",
    )?;
    let gone = statement.execute([limit])?;
    Ok(to_sql(gone as u64)? >= limit)
}
