//! Passes that were used, and what was reported of them, inside of a transaction.

use actionpass_model::{Issuer, PassId, RecordKind};
use actionpass_store::ledger::{Log, PreparedRecord};
use actionpass_store::{Report, Reported, UsedPass};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Judged, OpenLedger};
use crate::error::{Failure, from_sql, to_sql};
use crate::id::to_bytes;

/// A report, with its record as far as its caller's thread makes it.
#[derive(Debug)]
pub(crate) struct ReportCall {
    call: Report,
    record: PreparedRecord,
}

impl ReportCall {
    pub(crate) fn prepare(log: &Log, call: Report) -> Self {
        let record = PreparedRecord::new(log, &call.record);
        Self { call, record }
    }
}

/// What the log says of a pass.
pub(crate) fn used(connection: &Connection, pass: &PassId) -> Result<Option<UsedPass>, Failure> {
    let mut statement = connection.prepare_cached("SELECT seq, outcome, contradiction FROM used WHERE pass = ?1")?;
    let row = statement.query_row([to_bytes(pass)?], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, Option<i64>>(1)?,
            row.get::<_, Option<i64>>(2)?,
        ))
    });
    let Some((seq, outcome, contradiction)) = row.optional()? else {
        return Ok(None);
    };
    let mut used = UsedPass::new(from_sql(seq)?);
    used.outcome = outcome.map(from_sql).transpose()?;
    used.contradiction = contradiction.map(from_sql).transpose()?;
    Ok(Some(used))
}

impl OpenLedger<'_> {
    /// Keeps the use of a pass, if this log's issuer issued it. Of several uses the first counts.
    pub(super) fn keep_use(&self, issuer: &Issuer, pass: &PassId, seq: u64) -> Result<(), Failure> {
        let mut keep = self.connection.prepare_cached(
            "INSERT INTO used (pass, seq) SELECT ?1, ?2 WHERE ?3 = (SELECT issuer FROM ledger) ON CONFLICT DO NOTHING",
        )?;
        keep.execute(params![to_bytes(pass)?, to_sql(seq)?, issuer.as_str()])?;
        Ok(())
    }

    /// Appends the record of an outcome, if nothing else was reported than the report knows.
    pub(crate) fn report(&mut self, call: &ReportCall) -> Judged<Reported> {
        let report = &call.call;
        if let Err(misused) = report.check_record() {
            return Ok(Err(misused));
        }
        let Some(used) = used(self.connection, &report.pass)? else {
            return Ok(Ok(Reported::Unused));
        };
        if !used.takes(report) {
            return Ok(Ok(Reported::Moved(used)));
        }
        let record = match self.append_one(RecordKind::Outcome, &report.record, &call.record)? {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let used = used.with_report(record.seq());
        let mut keep = self
            .connection
            .prepare_cached("UPDATE used SET outcome = ?2, contradiction = ?3 WHERE pass = ?1")?;
        keep.execute(params![
            to_bytes(&report.pass)?,
            used.outcome.map(to_sql).transpose()?,
            used.contradiction.map(to_sql).transpose()?,
        ])?;
        Ok(Ok(Reported::Recorded(record)))
    }
}
