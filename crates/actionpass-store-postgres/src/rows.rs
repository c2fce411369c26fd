//! Rows held against the log: what the tables say of uses, allows, approvals, revocations and requests, the log says too.
//!
//! Two ways, because one of them must take constant time: [`check_last`], whenever a store is opened, looks for the rows of the
//! newest records of each kind; [`Comparison`], for a verification, for those of every record, and counts.

use std::collections::HashMap;

use actionpass_model::{ApprovalRef, ArchivedRows, Issuer, PassId, RevocationId, Timestamp};
use actionpass_store::backend::{Hold, Kept};
use actionpass_store::ledger::{Consequence, Head, Surveyed};
use actionpass_store::{ActionKey, LEEWAY_SECS, RequestTally, StoreCode};
use uuid::Uuid;

use crate::archive::moved;
use crate::error::Failure;
use crate::ledger::{Counts, HeadRow, head_statement};
use crate::requests;
use crate::session::{Params, Session, get, number, to_sql, to_uuid};

/// How many records are compared in one read.
const PAGE: i64 = 1000;

/// From how many records with other rows on no more are looked for.
const MAX_FAULTS: usize = 10_000;

const RECORDS: &str = "SELECT seq, json FROM actionpass.record WHERE seq >= $1 ORDER BY seq LIMIT $2";
const ONE_OF: &str = "SELECT seq, json FROM actionpass.record WHERE seq = ANY($1) ORDER BY seq";
/// The allows whose action isn't marked issued by them. The others alike.
const NOT_ISSUED: &str = "SELECT u.seq FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
        AS u (action, tenant, agent, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.issued i WHERE i.action = u.action AND i.tenant = u.tenant
        AND i.agent = u.agent AND i.seq = u.seq) ORDER BY u.seq";
const NOT_USED: &str = "SELECT u.seq FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS u (id, approver, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.approval a WHERE a.id = u.id AND a.approver = u.approver AND a.seq = u.seq) ORDER BY u.seq";
const NOT_REVOKED: &str = "SELECT u.seq FROM unnest($1::uuid[], $2::bigint[]) AS u (id, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.revocation r WHERE r.id = u.id AND r.seq = u.seq) ORDER BY u.seq";
const NOT_FOUND: &str = "SELECT u.seq FROM unnest($1::uuid[], $2::bigint[]) AS u (pass, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.used p WHERE p.pass = u.pass AND p.seq <= u.seq) ORDER BY u.seq";
const NOT_REPORTED: &str = "SELECT u.seq FROM unnest($1::uuid[], $2::bigint[]) AS u (pass, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.used p
        WHERE p.pass = u.pass AND (p.outcome = u.seq OR p.contradiction = u.seq)) ORDER BY u.seq";
const NOT_MARKED: &str = "SELECT u.seq FROM unnest($1::uuid[], $2::bigint[]) AS u (pass, seq)
    WHERE NOT EXISTS (SELECT FROM actionpass.replay m WHERE m.pass = u.pass AND m.issuer = $3) ORDER BY u.seq";
const COUNTS: &str = "SELECT (SELECT count(*) FROM actionpass.issued), (SELECT count(*) FROM actionpass.approval),
    (SELECT count(*) FROM actionpass.revocation)";
const OF_REQUESTS: &str = "SELECT count(*), coalesce(sum(version), 0)::bigint, count(*) FILTER (WHERE ended IS NULL),
    (SELECT count(*) FROM actionpass.request_hold) FROM actionpass.request";
const ARE_THERE: &str = "SELECT EXISTS (SELECT FROM actionpass.issued), EXISTS (SELECT FROM actionpass.approval),
    EXISTS (SELECT FROM actionpass.revocation), EXISTS (SELECT FROM actionpass.request)";
const MAY_READ: &str = "SELECT has_table_privilege('actionpass.issued', 'SELECT')
    AND has_table_privilege('actionpass.approval', 'SELECT') AND has_table_privilege('actionpass.request', 'SELECT')";

fn missing(problem: &'static str) -> Failure {
    Failure::new(StoreCode::StoreRowsMissing, problem)
}

fn missing_of(problem: &'static str, seq: u64) -> Failure {
    Failure::new(StoreCode::StoreRowsMissing, format!("{problem} (record {seq})"))
}

/// The rows that were written last are there. Who may not read them isn't told.
pub(crate) async fn check_last(session: &Session) -> Result<(), Failure> {
    session.run(crate::reads::MOMENT).await?;
    let may_read = session.one(MAY_READ, &[]).await?;
    if may_read.map_or(Ok(false), |row| get(&row, 0))? {
        let head = session.one(head_statement(false), &[]).await?;
        let head = HeadRow::read(head, None)?;
        crate::archive::check_beginning(session, &head).await?;
        let Counts {
            issued,
            approvals,
            revocations,
            requests,
            last_allow,
            last_approved,
            last_revoked,
            last_opened,
            last_changed,
            ..
        } = head.counts;
        let there = session.one(ARE_THERE, &[]).await?;
        let there = there.ok_or_else(|| Failure::corrupt("a count"))?;
        for (column, count) in [issued, approvals, revocations, requests].into_iter().enumerate() {
            if count > 0 && !get::<bool>(&there, column)? {
                return Err(missing("a table has no rows, and the log has"));
            }
        }
        let last = [last_allow, last_approved, last_revoked, last_opened, last_changed];
        // What a record said that was taken out, the tables are counted by.
        let first = head.state.first.size();
        let last = last.into_iter().flatten().filter(|seq| *seq >= first);
        let mut seqs: Vec<i64> = last.map(to_sql).collect::<Result<_, _>>()?;
        seqs.sort_unstable();
        seqs.dedup();
        let records = records(session, ONE_OF, &[&seqs]).await?;
        if records.len() != seqs.len() {
            return Err(Failure::corrupt("a record that wrote the last rows is missing"));
        }
        let mut page = Page::default();
        for (seq, consequence) in &records {
            page.take(*seq, consequence)?;
            check_request(session, *seq, consequence).await?;
        }
        page.check(session).await?;
    }
    session.run("COMMIT").await
}

/// Records and what follows from them.
async fn records(session: &Session, sql: &str, with: Params<'_>) -> Result<Vec<(u64, Consequence)>, Failure> {
    let rows = session.query(sql, with).await?;
    let record = |row| {
        let (seq, json): (u64, String) = (number(row, 0)?, get(row, 1)?);
        let unreadable = || {
            Failure::new(
                StoreCode::StoreCorrupt,
                format!("the record can't be read (record {seq})"),
            )
        };
        Ok((seq, Consequence::of(json.as_bytes()).ok_or_else(unreadable)?))
    };
    rows.iter().map(record).collect()
}

/// What several records say of the tables without requests, column by column.
#[derive(Debug, Default)]
struct Page {
    actions: (Vec<String>, Vec<String>, Vec<String>, Vec<i64>),
    approvals: (Vec<Uuid>, Vec<String>, Vec<i64>),
    revocations: (Vec<Uuid>, Vec<i64>),
    uses: (Vec<Uuid>, Vec<i64>),
    outcomes: (Vec<Uuid>, Vec<i64>),
    /// The uses whose marks must still be there, of passes of this issuer.
    marked: (Vec<Uuid>, Vec<i64>),
    issuer: String,
}

impl Page {
    fn take(&mut self, seq: u64, consequence: &Consequence) -> Result<(), Failure> {
        let place = to_sql(seq)?;
        match consequence {
            Consequence::Allow { action, approvals, .. } => {
                self.action(action, place);
                for approval in approvals {
                    self.approval(approval, place)?;
                }
            }
            Consequence::Revocation(id) => self.revocation(id, place)?,
            Consequence::Outcome(pass) => {
                self.outcomes.0.push(to_uuid(pass)?);
                self.outcomes.1.push(place);
            }
            _ => {}
        }
        Ok(())
    }

    fn action(&mut self, action: &ActionKey, seq: i64) {
        self.actions.0.push(action.action.as_str().to_owned());
        self.actions.1.push(action.tenant.as_str().to_owned());
        self.actions.2.push(action.agent.as_str().to_owned());
        self.actions.3.push(seq);
    }

    fn approval(&mut self, approval: &ApprovalRef, seq: i64) -> Result<(), Failure> {
        self.approvals.0.push(to_uuid(&approval.id)?);
        self.approvals.1.push(approval.approver.as_str().to_owned());
        self.approvals.2.push(seq);
        Ok(())
    }

    fn revocation(&mut self, id: &RevocationId, seq: i64) -> Result<(), Failure> {
        self.revocations.0.push(to_uuid(id)?);
        self.revocations.1.push(seq);
        Ok(())
    }

    /// That all their rows are there.
    async fn check(&self, session: &Session) -> Result<(), Failure> {
        match self.missing(session).await?.first() {
            Some((seq, problem)) => Err(missing_of(problem, *seq)),
            None => Ok(()),
        }
    }

    /// The records whose rows aren't there.
    async fn missing(&self, session: &Session) -> Result<Vec<(u64, &'static str)>, Failure> {
        let (actions, approvals) = (&self.actions, &self.approvals);
        let checks: [(&str, &'static str, Params<'_>); 6] = [
            (
                NOT_ISSUED,
                "the action that was allowed is not marked issued",
                &[&actions.0, &actions.1, &actions.2, &actions.3],
            ),
            (
                NOT_USED,
                "an approval that was used is not marked used",
                &[&approvals.0, &approvals.1, &approvals.2],
            ),
            (
                NOT_REVOKED,
                "the revocation is not marked recorded",
                &[&self.revocations.0, &self.revocations.1],
            ),
            (
                NOT_FOUND,
                "the use of the pass can't be found by its pass",
                &[&self.uses.0, &self.uses.1],
            ),
            (
                NOT_REPORTED,
                "the outcome can't be found by its pass",
                &[&self.outcomes.0, &self.outcomes.1],
            ),
            (
                NOT_MARKED,
                "the pass that was used is not marked used",
                &[&self.marked.0, &self.marked.1, &self.issuer],
            ),
        ];
        let mut missing = Vec::new();
        for (sql, problem, with) in checks {
            for row in session.query(sql, with).await? {
                missing.push((number(&row, 0)?, problem));
            }
        }
        Ok(missing)
    }
}

/// Up to where marks were forgotten.
async fn pruned_to(session: &Session) -> Result<u64, Failure> {
    let limits = session
        .one("SELECT pruned_to FROM actionpass.replay_limits", &[])
        .await?;
    limits.map_or(Ok(0), |row| number(&row, 0))
}

const UNLIKE: &str = "the approval request is not there as the log has it";

/// What a record says of a request is what the request's row says; the row, if the record is about one.
async fn check_request(session: &Session, seq: u64, consequence: &Consequence) -> Result<Option<Kept>, Failure> {
    let Some(id) = consequence.request() else {
        return Ok(None);
    };
    match requests::by_id(session, id).await {
        Ok(Some(kept)) if kept.is_said(seq, consequence) => Ok(Some(kept)),
        Err(failure) if failure.code != StoreCode::StoreCorrupt => Err(failure),
        _ => Err(missing_of(UNLIKE, seq)),
    }
}

/// A comparison of the tables with the log, page by page from its first record on.
///
/// Every record's rows are looked up. That there are no others follows from their number: each row has a key of its own.
#[derive(Debug)]
pub(crate) struct Comparison {
    issuer: Issuer,
    /// The record that is next.
    next: u64,
    issued: u64,
    approvals: u64,
    revocations: u64,
    /// Until when the marks must stay of passes that were allowed, as far as that is not over.
    due: HashMap<PassId, u64>,
    requests: RequestTally,
    /// Where the log begins.
    first: Head,
    /// The record that says so.
    archived: Option<u64>,
    /// What records in front of that left in the tables.
    before: ArchivedRows,
}

impl Comparison {
    pub(crate) fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            next: 0,
            issued: 0,
            approvals: 0,
            revocations: 0,
            due: HashMap::new(),
            requests: RequestTally::default(),
            first: Head::EMPTY,
            archived: None,
            before: ArchivedRows::default(),
        }
    }

    /// Begins anew where the log begins, if that moved.
    async fn begin(&mut self, session: &Session, head: &HeadRow) -> Result<(), Failure> {
        let first = head.state.first;
        if first == self.first {
            return Ok(());
        }
        // Whoever opened the store found it to be an archive's, of this head.
        let seq = head.archived.ok_or_else(|| Failure::corrupt("where the log begins"))?;
        let said = records(session, ONE_OF, &[&vec![to_sql(seq)?]]).await?;
        let before = match said.first() {
            Some((_, Consequence::Archive { head, rows })) if *head == first => *rows,
            _ => return Err(moved(seq)),
        };
        *self = Self {
            next: first.size(),
            first,
            archived: Some(seq),
            before,
            ..Self::new(self.issuer.clone())
        };
        Ok(())
    }

    /// What the records so far left in the tables.
    const fn so_far(&self) -> ArchivedRows {
        let before = self.before;
        ArchivedRows {
            actions: before.actions.saturating_add(self.issued),
            approvals: before.approvals.saturating_add(self.approvals),
            revocations: before.revocations.saturating_add(self.revocations),
            requests: before.requests.saturating_add(self.requests.opened()),
            request_changes: before.request_changes.saturating_add(self.requests.changes()),
        }
    }

    /// Compares the records in front of this number, each page in a moment of its own, and gives what they left in the tables.
    pub(crate) async fn run(mut self, session: &Session, until: u64) -> Result<ArchivedRows, Failure> {
        loop {
            session.run(crate::reads::MOMENT).await?;
            let is_done = self.page(session, until).await?;
            session.run("COMMIT").await?;
            if is_done {
                return Ok(self.so_far());
            }
        }
    }

    /// Compares the next records in front of this number; behind the last of all, the number of rows. Gives whether there are no
    /// more.
    async fn page(&mut self, session: &Session, until: u64) -> Result<bool, Failure> {
        // A record and its rows were written together, so they are read together.
        let head = session.one(head_statement(false), &[]).await?;
        let head = HeadRow::read(head, None)?;
        self.begin(session, &head).await?;
        let pruned_to = pruned_to(session).await?;
        let mut page = self.next_page();
        let limit = i64::try_from(until.saturating_sub(self.next)).map_or(PAGE, |left| left.min(PAGE));
        for (seq, consequence) in records(session, RECORDS, &[&to_sql(self.next)?, &limit]).await? {
            if seq != self.next {
                return Err(missing_of("a record is missing in front of another", seq));
            }
            self.take(session, &mut page, pruned_to, seq, &consequence).await?;
            self.next = seq.saturating_add(1);
        }
        page.check(session).await?;
        if self.next < head.state.head.size() {
            return Ok(self.next >= until);
        }
        if until == u64::MAX {
            self.count(session, &head.counts).await?;
        }
        Ok(true)
    }

    fn next_page(&self) -> Page {
        Page {
            issuer: self.issuer.as_str().to_owned(),
            ..Page::default()
        }
    }

    /// Everything that differs: goes on where [`run`](Self::run) stops, over the records that were found. Rows are counted only if
    /// none was lost. Each with its record, if it is of one.
    pub(crate) async fn faults(
        mut self,
        session: &Session,
        found: &Surveyed,
    ) -> Result<Vec<(Option<u64>, Failure)>, Failure> {
        let mut faults = Vec::new();
        session.run(crate::reads::MOMENT).await?;
        let head = HeadRow::read(session.one(head_statement(false), &[]).await?, None)?;
        let begun = crate::archive::check_beginning(session, &head).await;
        for checked in [begun, self.begin(session, &head).await] {
            match checked {
                Err(failure) if matches!(failure.code, StoreCode::StoreRowsMissing | StoreCode::StoreCorrupt) => {
                    faults.push((None, failure));
                }
                checked => checked?,
            }
        }
        self.next = head.state.first.size();
        let pruned_to = pruned_to(session).await?;
        loop {
            let rows = session.query(RECORDS, &[&to_sql(self.next)?, &PAGE]).await?;
            let mut page = self.next_page();
            for row in &rows {
                let (seq, json): (u64, String) = (number(row, 0)?, get(row, 1)?);
                self.next = seq.saturating_add(1);
                // A record that can't be read is no matter of its rows.
                let consequence = Consequence::of(json.as_bytes()).filter(|_| !found.is_lost(seq));
                let Some(consequence) = consequence else { continue };
                match self.take(session, &mut page, pruned_to, seq, &consequence).await {
                    Err(failure) if failure.code == StoreCode::StoreRowsMissing => faults.push((Some(seq), failure)),
                    taken => taken?,
                }
            }
            let missing = page.missing(session).await?;
            faults.extend(
                missing
                    .into_iter()
                    .map(|(seq, problem)| (Some(seq), missing_of(problem, seq))),
            );
            if rows.is_empty() || faults.len() >= MAX_FAULTS {
                break;
            }
        }
        if found.lost.is_empty() && faults.is_empty() {
            match self.count(session, &head.counts).await {
                Err(failure) if failure.code == StoreCode::StoreRowsMissing => faults.push((None, failure)),
                counted => counted?,
            }
        }
        faults.sort_by_key(|(seq, _)| *seq);
        session.run("COMMIT").await?;
        Ok(faults)
    }

    async fn take(
        &mut self,
        session: &Session,
        page: &mut Page,
        pruned_to: u64,
        seq: u64,
        consequence: &Consequence,
    ) -> Result<(), Failure> {
        page.take(seq, consequence)?;
        match consequence {
            Consequence::Allow {
                approvals,
                pass,
                expires_at,
                ..
            } => {
                self.issued = self.issued.saturating_add(1);
                self.approvals = self.approvals.saturating_add(approvals.len() as u64);
                let until = expires_at.to_unix_seconds().saturating_add(LEEWAY_SECS).get();
                if until > pruned_to {
                    self.due.insert(pass.clone(), until);
                }
            }
            // When a pass of another issuer ends, the log doesn't say, so its mark may have gone.
            Consequence::Use { issuer, pass } if *issuer == self.issuer => {
                page.uses.0.push(to_uuid(pass)?);
                page.uses.1.push(to_sql(seq)?);
                if self.due.get(pass).is_some_and(|until| *until > pruned_to) {
                    page.marked.0.push(to_uuid(pass)?);
                    page.marked.1.push(to_sql(seq)?);
                }
            }
            // One beginning has one record: another could say that it left other rows.
            Consequence::Archive { head, .. } if head.size() >= self.first.size() && self.archived != Some(seq) => {
                return Err(moved(seq));
            }
            Consequence::Revocation(_) => self.revocations = self.revocations.saturating_add(1),
            Consequence::Erasure { records, at } => {
                for opener in records {
                    self.erased(session, *opener, seq, *at).await?;
                }
            }
            _ => {}
        }
        let Some(kept) = check_request(session, seq, consequence).await? else {
            return Ok(());
        };
        self.requests.count(&kept.request, seq, consequence);
        if kept.request.decision.seq == seq && requests::with_side(session, kept).await.is_err() {
            let problem = "what lies beside the approval request is not what was put there";
            return Err(missing_of(problem, seq));
        }
        Ok(())
    }

    async fn erased(&mut self, session: &Session, opener: u64, seq: u64, at: Timestamp) -> Result<(), Failure> {
        let Some(kept) = requests::by_decision(session, opener).await? else {
            return Ok(());
        };
        let is_ended = self.requests.erased(&kept.request, kept.last, seq, at);
        if is_ended && requests::is_bare(session, &kept).await? {
            Ok(())
        } else {
            Err(missing_of(UNLIKE, seq))
        }
    }

    /// The log has no more records: there are as many rows as it says.
    async fn count(&self, session: &Session, kept: &Counts) -> Result<(), Failure> {
        let row = session
            .one(COUNTS, &[])
            .await?
            .ok_or_else(|| Failure::corrupt("a count"))?;
        let logged = self.so_far();
        for (column, kept, logged, problem) in [
            (
                0,
                kept.issued,
                logged.actions,
                "more or fewer actions are marked issued than the log allows",
            ),
            (
                1,
                kept.approvals,
                logged.approvals,
                "more or fewer approvals are marked used than the log says",
            ),
            (
                2,
                kept.revocations,
                logged.revocations,
                "more or fewer revocations are marked recorded than the log has",
            ),
        ] {
            if number(&row, column)? != logged || kept != logged {
                return Err(missing(problem));
            }
        }
        let row = session
            .one(OF_REQUESTS, &[])
            .await?
            .ok_or_else(|| Failure::corrupt("a count"))?;
        let there = (number(&row, 0)?, number(&row, 1)?);
        if there != (logged.requests, logged.request_changes) || (kept.requests, kept.changes) != there {
            return Err(missing(
                "there are more or fewer approval requests or changes of them than the log has",
            ));
        }
        if number(&row, 2)? != kept.unended {
            return Err(missing("more or fewer approval requests have no end than were counted"));
        }
        // What holds follow from may have been taken out.
        if self.first.size() > 0 {
            return Ok(());
        }
        let mut known: u64 = 0;
        for held in self.requests.holds() {
            let wanted = Hold {
                by: held.by.cloned(),
                lifted: held.lifted.map(|at| to_sql(at.unix_millis())).transpose()?,
            };
            if requests::hold(session, held.tenant.as_str(), held.agent.as_str()).await? != wanted {
                return Err(missing(
                    "an agent's new requests are held, or not, other than the log says",
                ));
            }
            known = known.saturating_add(u64::from(wanted != Hold::default()));
        }
        if number(&row, 3)? != known {
            return Err(missing(
                "new requests of more or fewer agents are held than the log says",
            ));
        }
        Ok(())
    }
}
