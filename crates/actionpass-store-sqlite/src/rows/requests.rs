//! Approval requests held against the log, as [`RequestTally`] counts them.

use actionpass_model::{ArchivedRows, Timestamp};
use actionpass_store::backend::{Hold, Kept};
use actionpass_store::ledger::Consequence;
use actionpass_store::{RequestTally, StoreCode};
use rusqlite::Connection;

use super::{consequence, missing};
use crate::error::{Failure, from_sql, to_sql};
use crate::requests::{self, Numbers};

const UNLIKE: &str = "the approval request is not there as the log has it";

/// The request that was opened last and the one that was changed last are there, as those records say.
pub(super) fn check_last(connection: &Connection) -> Result<(), Failure> {
    let numbers = Numbers::read(connection)?;
    let first = crate::decide::state(connection)?.first.size();
    let last = [numbers.last_opened, numbers.last_changed].into_iter().flatten();
    for seq in last.filter(|seq| *seq >= first) {
        check(connection, seq, &consequence(connection, seq)?)?;
    }
    let opened = numbers.last_opened.filter(|seq| *seq < first);
    if let Some(opened) = opened
        && requests::by_decision(connection, opened)?.is_none()
    {
        return Err(missing("the request that was opened last is gone"));
    }
    Ok(())
}

/// What a record says of a request is what the request's row says; the row, if the record is about one.
fn check(connection: &Connection, seq: u64, consequence: &Consequence) -> Result<Option<Kept>, Failure> {
    let Some(id) = consequence.request() else {
        return Ok(None);
    };
    let unlike = Failure::Record(StoreCode::StoreRowsMissing, UNLIKE, seq);
    match requests::compared(connection, id) {
        Ok(Some((kept, true))) if kept.is_said(seq, consequence) => Ok(Some(kept)),
        Ok(_) | Err(Failure::Store(..)) => Err(unlike),
        Err(failure) => Err(failure),
    }
}

/// What the log says of requests so far, as far as it is counted at its end.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    tally: RequestTally,
    /// What records in front of the first left: requests, and changes of them.
    before: (u64, u64),
    is_partial: bool,
}

impl Comparison {
    /// Behind records that left so much.
    pub(super) fn behind(rows: &ArchivedRows) -> Self {
        Self {
            before: (rows.requests, rows.request_changes),
            is_partial: true,
            ..Self::default()
        }
    }

    /// How many requests were opened.
    pub(super) const fn opened(&self) -> u64 {
        self.before.0.saturating_add(self.tally.opened())
    }

    /// How often requests were changed.
    pub(super) const fn changes(&self) -> u64 {
        self.before.1.saturating_add(self.tally.changes())
    }

    /// Compares the rows with the record at a place.
    pub(super) fn take(&mut self, connection: &Connection, seq: u64, consequence: &Consequence) -> Result<(), Failure> {
        let kept = check(connection, seq, consequence)?;
        if let Some(kept) = &kept {
            self.tally.count(&kept.request, seq, consequence);
        }
        match (consequence, kept) {
            (Consequence::Named { .. }, Some(kept))
                if kept.request.decision.seq == seq && requests::side(connection, kept.clone())?.is_none() =>
            {
                let problem = "what lies beside the approval request is not what was put there";
                return Err(Failure::Record(StoreCode::StoreRowsMissing, problem, seq));
            }
            (Consequence::Erasure { records, at }, _) => {
                for opener in records {
                    self.erased(connection, *opener, seq, *at)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn erased(&mut self, connection: &Connection, opener: u64, seq: u64, at: Timestamp) -> Result<(), Failure> {
        let Some(kept) = requests::by_decision(connection, opener)? else {
            return Ok(());
        };
        let is_ended = self.tally.erased(&kept.request, kept.last, seq, at);
        if is_ended && requests::is_bare(connection, &kept)? {
            Ok(())
        } else {
            Err(Failure::Record(StoreCode::StoreRowsMissing, UNLIKE, seq))
        }
    }

    /// The log has no more records: there are as many rows and changes, and the holds that follow from them.
    pub(super) fn finish(&self, connection: &Connection) -> Result<(), Failure> {
        let sql = "SELECT count(*), coalesce(sum(version), 0) FROM request";
        let numbers: (i64, i64) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let there = (from_sql(numbers.0)?, from_sql(numbers.1)?);
        let kept = Numbers::read(connection)?;
        if there != (self.opened(), self.changes()) || (kept.rows, kept.changes) != there {
            return Err(missing(
                "there are more or fewer approval requests or changes of them than the log has",
            ));
        }
        let sql = "SELECT count(*) FROM request WHERE ended IS NULL";
        if from_sql(connection.query_row(sql, [], |row| row.get(0))?)? != kept.unended {
            return Err(missing("more or fewer approval requests have no end than were counted"));
        }
        // What holds follow from may have been taken out.
        if self.is_partial {
            return Ok(());
        }
        let mut known: u64 = 0;
        for held in self.tally.holds() {
            let wanted = Hold {
                by: held.by.cloned(),
                lifted: held.lifted.map(|at| to_sql(at.unix_millis())).transpose()?,
            };
            if requests::hold(connection, held.tenant.as_str(), held.agent.as_str())? != wanted {
                return Err(missing(
                    "an agent's new requests are held, or not, other than the log says",
                ));
            }
            known = known.saturating_add(u64::from(wanted != Hold::default()));
        }
        let holds = connection.query_row("SELECT count(*) FROM request_hold", [], |row| row.get(0))?;
        if from_sql(holds)? != known {
            return Err(missing(
                "new requests of more or fewer agents are held than the log says",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
