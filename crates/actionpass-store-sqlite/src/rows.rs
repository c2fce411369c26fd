//! Rows held against the log: what the tables say of uses, allows, approvals and revocations, the log says too.
//!
//! Two ways, because one of them must take constant time:
//!
//! - [`check_last`], whenever a file is opened: the rows of the newest allow, of the newest allow with approvals, of the
//!   newest revocation and of the newest use must be there. Which records these are is kept in the row that each commit
//!   writes anyway; what must be there the record itself says. Counting the rows of a table would read all of it, and an
//!   index by `seq` would cost every commit a page for each table. So a table that was emptied or lost its end is found at
//!   once, and any other missing row by the comparison.
//! - [`Comparison`], for `ledger verify` and `doctor`: every record against its rows, and the number of rows.

use std::collections::HashMap;

use actionpass_model::{ApprovalRef, ArchivedRows, Issuer, PassId};
use actionpass_store::ledger::{Consequence, Head, Surveyed};
use actionpass_store::{ActionKey, LEEWAY_SECS, StoreCode};
use rusqlite::{Connection, OptionalExtension, params};

use crate::consume::{self, Limits};
use crate::error::{Failure, from_sql, to_sql};
use crate::id::{action_to_bytes, to_bytes};

/// How many records are compared in one read.
const PAGE: u64 = 1000;

/// How many records with other rows are told one by one.
const MAX_FAULTS: usize = 10_000;

/// What is kept of the tables that belong to the log: how many rows each has, and the records that wrote the last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rows {
    issued: u64,
    approvals: u64,
    revocations: u64,
    last_allow: Option<u64>,
    last_approved: Option<u64>,
    last_revoked: Option<u64>,
}

impl Rows {
    /// `None` in an executor's store, which has no log.
    pub(crate) fn read(connection: &Connection) -> Result<Option<Self>, Failure> {
        let mut statement = connection.prepare_cached(
            "SELECT issued_rows, approval_rows, revocation_rows, last_allow, last_approved, last_revoked FROM ledger",
        )?;
        let row = statement.query_row([], |row| {
            let counts: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            let last: [Option<i64>; 3] = [row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((counts, last))
        });
        let Some(([issued, approvals, revocations], [allow, approved, revoked])) = row.optional()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            issued: from_sql(issued)?,
            approvals: from_sql(approvals)?,
            revocations: from_sql(revocations)?,
            last_allow: allow.map(from_sql).transpose()?,
            last_approved: approved.map(from_sql).transpose()?,
            last_revoked: revoked.map(from_sql).transpose()?,
        }))
    }

    pub(crate) fn write(&self, connection: &Connection) -> Result<(), Failure> {
        let mut statement = connection.prepare_cached(
            "UPDATE ledger SET issued_rows = ?1, approval_rows = ?2, revocation_rows = ?3,
             last_allow = ?4, last_approved = ?5, last_revoked = ?6 WHERE id = 0",
        )?;
        statement.execute(params![
            to_sql(self.issued)?,
            to_sql(self.approvals)?,
            to_sql(self.revocations)?,
            self.last_allow.map(to_sql).transpose()?,
            self.last_approved.map(to_sql).transpose()?,
            self.last_revoked.map(to_sql).transpose()?,
        ])?;
        Ok(())
    }

    /// An allow with so many approvals wrote its rows.
    pub(crate) const fn allowed(&mut self, seq: u64, approvals: usize) {
        self.issued = self.issued.saturating_add(1);
        self.last_allow = Some(seq);
        if approvals > 0 {
            self.approvals = self.approvals.saturating_add(approvals as u64);
            self.last_approved = Some(seq);
        }
    }

    /// A revocation wrote its row.
    pub(crate) const fn revoked(&mut self, seq: u64) {
        self.revocations = self.revocations.saturating_add(1);
        self.last_revoked = Some(seq);
    }
}

/// The rows that were written last are there. In one moment, which is the caller's transaction.
pub(crate) fn check_last(connection: &Connection) -> Result<(), Failure> {
    if let Some(rows) = Rows::read(connection)? {
        let last = [rows.last_allow, rows.last_approved, rows.last_revoked];
        crate::decide::check_beginning(connection)?;
        let first = crate::decide::state(connection)?.first.size();
        // What a record said that was taken out, the tables are counted by.
        for seq in last.into_iter().flatten().filter(|seq| *seq >= first) {
            check_record(connection, seq, &consequence(connection, seq)?)?;
        }
        for (table, count) in [
            ("issued", rows.issued),
            ("approval", rows.approvals),
            ("revocation", rows.revocations),
        ] {
            let is_there = connection
                .prepare_cached(&format!("SELECT 1 FROM {table}"))?
                .exists([])?;
            if count > 0 && !is_there {
                return Err(missing("a table has no rows, and the log has"));
            }
        }
        requests::check_last(connection)?;
    }
    let limits = Limits::read(connection)?;
    let Some(mark) = limits.last else { return Ok(()) };
    let mut marked = connection.prepare_cached("SELECT 1 FROM replay WHERE issuer = ?1 AND pass = ?2")?;
    // A mark that ended by then may have been forgotten.
    let is_due = from_sql(mark.until)? > limits.pruned_to.get();
    if is_due && !marked.exists(params![mark.issuer, mark.pass])? {
        return Err(missing("the newest use is not marked"));
    }
    Ok(())
}

mod requests;

/// What follows from the record at a place.
fn consequence(connection: &Connection, seq: u64) -> Result<Consequence, Failure> {
    let mut statement = connection.prepare_cached("SELECT json FROM record WHERE seq = ?1")?;
    let json: Option<String> = statement.query_row([to_sql(seq)?], |row| row.get(0)).optional()?;
    json.and_then(|json| Consequence::of(json.as_bytes()))
        .ok_or(Failure::Record(
            StoreCode::StoreCorrupt,
            "the record can't be read",
            seq,
        ))
}

/// The rows of an allow or a revocation are there, and name it.
fn check_record(connection: &Connection, seq: u64, consequence: &Consequence) -> Result<(), Failure> {
    let problem = match consequence {
        Consequence::Allow { action, approvals, .. } => {
            if !is_issued(connection, action, seq)? {
                Some("the action that was allowed is not marked issued")
            } else if !are_used(connection, approvals, seq)? {
                Some("an approval that was used is not marked used")
            } else {
                None
            }
        }
        Consequence::Revocation(id) => {
            let mut recorded = connection.prepare_cached("SELECT 1 FROM revocation WHERE id = ?1 AND seq = ?2")?;
            let is_there = recorded.exists(params![to_bytes(id)?, to_sql(seq)?])?;
            (!is_there).then_some("the revocation is not marked recorded")
        }
        _ => None,
    };
    problem.map_or(Ok(()), |problem| {
        Err(Failure::Record(StoreCode::StoreRowsMissing, problem, seq))
    })
}

fn is_issued(connection: &Connection, action: &ActionKey, seq: u64) -> Result<bool, Failure> {
    let mut issued = connection
        .prepare_cached("SELECT 1 FROM issued WHERE action = ?1 AND tenant = ?2 AND agent = ?3 AND seq = ?4")?;
    Ok(issued.exists(params![
        action_to_bytes(&action.action),
        action.tenant.as_str(),
        action.agent.as_str(),
        to_sql(seq)?
    ])?)
}

fn are_used(connection: &Connection, approvals: &[ApprovalRef], seq: u64) -> Result<bool, Failure> {
    let mut used = connection.prepare_cached("SELECT 1 FROM approval WHERE id = ?1 AND approver = ?2 AND seq = ?3")?;
    for approval in approvals {
        if !used.exists(params![
            to_bytes(&approval.id)?,
            approval.approver.as_str(),
            to_sql(seq)?
        ])? {
            return Ok(false);
        }
    }
    Ok(true)
}

const MOVED: &str = "the log begins elsewhere than its record of that says";

const fn missing(problem: &'static str) -> Failure {
    Failure::Store(StoreCode::StoreRowsMissing, problem)
}

/// A comparison of the tables with the log, page by page from its first record on.
///
/// Every record's rows are looked up. That there are no others follows from their number: each row has a key of its own.
#[derive(Debug)]
pub(crate) struct Comparison {
    issuer: Issuer,
    /// The record that is next.
    next: u64,
    is_done: bool,
    issued: u64,
    approvals: u64,
    revocations: u64,
    /// Until when the marks must stay of passes that were allowed, as far as that is not over.
    due: HashMap<PassId, u64>,
    requests: requests::Comparison,
    /// Where the log begins.
    first: Head,
    /// The record that says so.
    archived: Option<u64>,
}

impl Comparison {
    pub(crate) fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            next: 0,
            is_done: false,
            issued: 0,
            approvals: 0,
            revocations: 0,
            due: HashMap::new(),
            requests: requests::Comparison::default(),
            first: Head::EMPTY,
            archived: None,
        }
    }

    /// Begins anew where the log begins, if that moved.
    fn begin(self, connection: &Connection) -> Result<Self, Failure> {
        let first = crate::decide::state(connection)?.first;
        if first == self.first {
            return Ok(self);
        }
        // Whoever opened the file found it to be an archive's, of this head.
        let said: Option<i64> = connection.query_row("SELECT archived FROM ledger", [], |row| row.get(0))?;
        let seq = from_sql(said.ok_or_else(|| Failure::corrupt("where the log begins"))?)?;
        let Consequence::Archive { head, rows } = consequence(connection, seq)? else {
            return Err(Failure::Record(StoreCode::StoreRowsMissing, MOVED, seq));
        };
        if head != first {
            return Err(Failure::Record(StoreCode::StoreRowsMissing, MOVED, seq));
        }
        let mut anew = Self::new(self.issuer);
        anew.next = first.size();
        anew.first = first;
        anew.archived = Some(seq);
        anew.issued = rows.actions;
        anew.approvals = rows.approvals;
        anew.revocations = rows.revocations;
        anew.requests = requests::Comparison::behind(&rows);
        Ok(anew)
    }

    /// What the records up to this number left in the tables, once they were compared.
    pub(crate) const fn so_far(&self) -> ArchivedRows {
        ArchivedRows {
            actions: self.issued,
            approvals: self.approvals,
            revocations: self.revocations,
            requests: self.requests.opened(),
            request_changes: self.requests.changes(),
        }
    }

    /// Whether the log was compared as far as it was to be.
    pub(crate) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Compares the next records in front of this number; where it is the largest there is, the number of rows behind the last.
    pub(crate) fn page(self, connection: &Connection, until: u64) -> Result<Self, Failure> {
        // A record and its rows were written together, so they are read together.
        let moment = connection.unchecked_transaction()?;
        let mut this = self.begin(&moment)?;
        let size = crate::decide::size(&moment)?;
        let limits = Limits::read(&moment)?;
        let end = size.min(this.next.saturating_add(PAGE)).min(until);
        while this.next < end {
            this.take(&moment, &limits)?;
            this.next = this.next.saturating_add(1);
        }
        if this.next >= size && until == u64::MAX {
            this.count(&moment, &limits)?;
            this.requests.finish(&moment)?;
        }
        this.is_done = this.next >= size.min(until);
        Ok(this)
    }

    /// Everything that differs: goes on where [`page`](Self::page) stops, over the records that were found. Rows are counted only
    /// if none was lost.
    pub(crate) fn faults(self, connection: &Connection, records: &Surveyed) -> Result<Vec<Failure>, Failure> {
        let moment = connection.unchecked_transaction()?;
        let limits = Limits::read(&moment)?;
        let mut faults = Vec::new();
        let issuer = self.issuer.clone();
        let mut this = match crate::decide::check_beginning(&moment).and_then(|()| self.begin(&moment)) {
            Ok(this) => this,
            Err(failure) if failure.is_of_database() => return Err(failure),
            Err(failure) => {
                faults.push(failure);
                Self::new(issuer)
            }
        };
        let first = match crate::decide::state(&moment) {
            Ok(state) => to_sql(state.first.size())?,
            Err(failure) if failure.is_of_database() => return Err(failure),
            Err(_) => 0,
        };
        let mut statement = moment.prepare("SELECT seq FROM record WHERE seq >= ?1 ORDER BY seq")?;
        let mut rows = statement.query([first])?;
        while let Some(row) = rows.next()? {
            this.next = from_sql(row.get(0)?)?;
            if records.is_lost(this.next) {
                continue;
            }
            let failure = match this.take(&moment, &limits) {
                Ok(()) => continue,
                Err(failure) if failure.is_of_database() => return Err(failure),
                Err(failure @ Failure::Record(..)) => failure,
                Err(_) => Failure::Record(StoreCode::StoreCorrupt, "its rows can't be read", this.next),
            };
            faults.push(failure);
            if faults.len() >= MAX_FAULTS {
                faults.push(missing("rows of more records may differ, which are not listed"));
                return Ok(faults);
            }
        }
        if records.lost.is_empty() && faults.is_empty() {
            for counted in [this.count(&moment, &limits), this.requests.finish(&moment)] {
                match counted {
                    Err(failure) if failure.is_of_database() => return Err(failure),
                    counted => faults.extend(counted.err()),
                }
            }
        }
        Ok(faults)
    }

    fn take(&mut self, connection: &Connection, limits: &Limits) -> Result<(), Failure> {
        let consequence = consequence(connection, self.next)?;
        check_record(connection, self.next, &consequence)?;
        self.requests.take(connection, self.next, &consequence)?;
        match consequence {
            Consequence::Allow {
                pass,
                expires_at,
                approvals,
                ..
            } => {
                self.issued = self.issued.saturating_add(1);
                self.approvals = self.approvals.saturating_add(approvals.len() as u64);
                let until = expires_at.to_unix_seconds().saturating_add(LEEWAY_SECS).get();
                if until > limits.pruned_to.get() {
                    self.due.insert(pass, until);
                }
            }
            // One beginning has one record: another could say that it left other rows.
            Consequence::Archive { head, .. }
                if head.size() >= self.first.size() && self.archived != Some(self.next) =>
            {
                return Err(Failure::Record(StoreCode::StoreRowsMissing, MOVED, self.next));
            }
            Consequence::Revocation(_) => self.revocations = self.revocations.saturating_add(1),
            // When a pass of another issuer ends, the log doesn't say, so its mark may have gone.
            Consequence::Use { issuer, pass } if issuer == self.issuer => {
                if crate::decide::used(connection, &pass)?.is_none_or(|used| used.used > self.next) {
                    let problem = "the use of the pass can't be found by its pass";
                    return Err(Failure::Record(StoreCode::StoreRowsMissing, problem, self.next));
                }
                let is_due = self.due.get(&pass).is_some_and(|until| *until > limits.pruned_to.get());
                if is_due && !consume::is_used(connection, &issuer, &pass)? {
                    let problem = "the pass that was used is not marked used";
                    return Err(Failure::Record(StoreCode::StoreRowsMissing, problem, self.next));
                }
            }
            Consequence::Outcome(pass) => {
                let used = crate::decide::used(connection, &pass)?;
                let is_there = |place: Option<u64>| place == Some(self.next);
                if !used.is_some_and(|used| is_there(used.outcome) || is_there(used.contradiction)) {
                    let problem = "the outcome can't be found by its pass";
                    return Err(Failure::Record(StoreCode::StoreRowsMissing, problem, self.next));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&self, connection: &Connection, limits: &Limits) -> Result<(), Failure> {
        let rows = Rows::read(connection)?.unwrap_or_default();
        let count = |table: &str| -> Result<u64, Failure> {
            from_sql(connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
        };
        for (there, kept, logged, problem) in [
            (
                count("issued")?,
                rows.issued,
                self.issued,
                "more or fewer actions are marked issued than the log allows",
            ),
            (
                count("approval")?,
                rows.approvals,
                self.approvals,
                "more or fewer approvals are marked used than the log says",
            ),
            (
                count("revocation")?,
                rows.revocations,
                self.revocations,
                "more or fewer revocations are marked recorded than the log has",
            ),
        ] {
            if there != logged || kept != logged {
                return Err(missing(problem));
            }
        }
        if count("replay")? != limits.marks {
            return Err(missing("there are more or fewer marks of used passes than were made"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
