//! [`Writes`]: what a batch writes, one statement for each table.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use actionpass_model::{ApprovalRef, Digest, Issuer, PassId, RevocationId};
use actionpass_store::backend::side_number;
use actionpass_store::ledger::{RecordDraft, SealedRecord};
use actionpass_store::{DecisionCommit, SideKind, UsedPass};
use futures_util::future::try_join_all;
use tokio_postgres::Statement;
use uuid::Uuid;

use crate::error::Failure;
use crate::session::{Params, Session, to_sql, to_uuid};

/// A statement on its way.
pub(crate) type Sent<'a> = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send + 'a>>;

const PUT_RECORDS: &str = "INSERT INTO actionpass.record (seq, json) SELECT * FROM unnest($1::bigint[], $2::text[])";
const PUT_SIDE: &str = "INSERT INTO actionpass.side (seq, kind, bytes)
    SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bytea[])";
const PUT_ISSUED: &str = "INSERT INTO actionpass.issued
    (action, tenant, agent, action_hash, is_committed, seq, record, ledger_hash, pass, expires, audience)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::boolean[], $6::bigint[], $7::uuid[],
        $8::bytea[], $9::uuid[], $10::bigint[], $11::text[])";
const PUT_APPROVALS: &str = "INSERT INTO actionpass.approval (id, approver, seq)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])";
const PUT_REVOCATIONS: &str = "INSERT INTO actionpass.revocation (id, seq, record, ledger_hash)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[])";
/// Of several uses of a pass the first counts.
const PUT_USED: &str = "INSERT INTO actionpass.used (pass, seq)
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) ON CONFLICT DO NOTHING";
const SET_REPORTED: &str = "UPDATE actionpass.used p SET outcome = v.outcome, contradiction = v.contradiction
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS v (pass, outcome, contradiction) WHERE p.pass = v.pass";

/// Rows that are judged and not yet written, column by column.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    records: (Vec<i64>, Vec<String>),
    /// Of two pieces of one kind the later stays.
    side: BTreeMap<(i64, i16), Vec<u8>>,
    issued: Issued,
    approvals: (Vec<Uuid>, Vec<String>, Vec<i64>),
    revocations: (Vec<Uuid>, Vec<i64>, Vec<Uuid>, Vec<Vec<u8>>),
    used: (Vec<Uuid>, Vec<i64>),
    reported: BTreeMap<Uuid, (Option<i64>, Option<i64>)>,
}

#[derive(Debug, Default)]
struct Issued {
    action: Vec<String>,
    tenant: Vec<String>,
    agent: Vec<String>,
    action_hash: Vec<Vec<u8>>,
    is_committed: Vec<bool>,
    seq: Vec<i64>,
    record: Vec<Uuid>,
    ledger_hash: Vec<Vec<u8>>,
    pass: Vec<Uuid>,
    expires: Vec<i64>,
    audience: Vec<String>,
}

fn bytes(digest: Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

/// Where a kind of side data is kept, if this release knows it.
pub(crate) fn kind(kind: SideKind) -> Option<i16> {
    side_number(kind).map(i16::from)
}

impl Writes {
    /// A record, and what lies beside it.
    pub(crate) fn record(&mut self, record: &SealedRecord, draft: &RecordDraft) -> Result<(), Failure> {
        let json = std::str::from_utf8(record.json()).map_err(|_| Failure::corrupt("a record"))?;
        let seq = to_sql(record.seq())?;
        self.records.0.push(seq);
        self.records.1.push(json.to_owned());
        for (kind, bytes) in draft.side() {
            self.side(record.seq(), *kind, bytes.clone())?;
        }
        Ok(())
    }

    pub(crate) fn side(&mut self, seq: u64, of: SideKind, bytes: Vec<u8>) -> Result<(), Failure> {
        let place = kind(of).ok_or_else(|| Failure::corrupt("a kind of side data"))?;
        self.side.insert((to_sql(seq)?, place), bytes);
        Ok(())
    }

    /// The one place of an action that is allowed by this record.
    pub(crate) fn issued(&mut self, call: &DecisionCommit, issued: &actionpass_store::Issued) -> Result<(), Failure> {
        let rows = &mut self.issued;
        rows.action.push(call.action.action.as_str().to_owned());
        rows.tenant.push(call.action.tenant.as_str().to_owned());
        rows.agent.push(call.action.agent.as_str().to_owned());
        rows.action_hash.push(bytes(issued.action_hash));
        rows.is_committed.push(issued.is_committed);
        rows.seq.push(to_sql(issued.record.seq)?);
        rows.record.push(to_uuid(&issued.record.id)?);
        rows.ledger_hash.push(bytes(issued.record.ledger_hash));
        rows.pass.push(to_uuid(&issued.pass)?);
        rows.expires.push(to_sql(issued.expires_at.get())?);
        rows.audience.push(issued.audience.as_str().to_owned());
        Ok(())
    }

    pub(crate) fn approval(&mut self, approval: &ApprovalRef, seq: u64) -> Result<(), Failure> {
        self.approvals.0.push(to_uuid(&approval.id)?);
        self.approvals.1.push(approval.approver.as_str().to_owned());
        self.approvals.2.push(to_sql(seq)?);
        Ok(())
    }

    pub(crate) fn revocation(&mut self, id: &RevocationId, record: &SealedRecord) -> Result<(), Failure> {
        self.revocations.0.push(to_uuid(id)?);
        self.revocations.1.push(to_sql(record.seq())?);
        self.revocations.2.push(to_uuid(record.id())?);
        self.revocations.3.push(bytes(record.ledger_hash()));
        Ok(())
    }

    /// The use of a pass, if this log's issuer issued it.
    pub(crate) fn used(&mut self, of: &Issuer, issuer: &Issuer, pass: &PassId, seq: u64) -> Result<(), Failure> {
        if of == issuer {
            self.used.0.push(to_uuid(pass)?);
            self.used.1.push(to_sql(seq)?);
        }
        Ok(())
    }

    pub(crate) fn reported(&mut self, pass: &PassId, used: &UsedPass) -> Result<(), Failure> {
        let places = (
            used.outcome.map(to_sql).transpose()?,
            used.contradiction.map(to_sql).transpose()?,
        );
        self.reported.insert(to_uuid(pass)?, places);
        Ok(())
    }

    /// Writes all of it behind `first` and in front of `last`, which may be a commit: sent in one go, so that a process that
    /// is stopped in between holds nothing up.
    pub(crate) async fn flush(
        &mut self,
        session: &Session,
        first: Vec<Sent<'_>>,
        last: Option<&str>,
    ) -> Result<(), Failure> {
        let writes = std::mem::take(self);
        let (side, reported) = (writes.side_columns(), writes.reported_columns());
        let issued = &writes.issued;
        let all: [(&str, bool, Params<'_>); 7] = [
            (
                PUT_RECORDS,
                writes.records.0.is_empty(),
                &[&writes.records.0, &writes.records.1],
            ),
            (PUT_SIDE, side.0.is_empty(), &[&side.0, &side.1, &side.2]),
            (
                PUT_ISSUED,
                issued.seq.is_empty(),
                &[
                    &issued.action,
                    &issued.tenant,
                    &issued.agent,
                    &issued.action_hash,
                    &issued.is_committed,
                    &issued.seq,
                    &issued.record,
                    &issued.ledger_hash,
                    &issued.pass,
                    &issued.expires,
                    &issued.audience,
                ],
            ),
            (
                PUT_APPROVALS,
                writes.approvals.0.is_empty(),
                &[&writes.approvals.0, &writes.approvals.1, &writes.approvals.2],
            ),
            (
                PUT_REVOCATIONS,
                writes.revocations.0.is_empty(),
                &[
                    &writes.revocations.0,
                    &writes.revocations.1,
                    &writes.revocations.2,
                    &writes.revocations.3,
                ],
            ),
            (PUT_USED, writes.used.0.is_empty(), &[&writes.used.0, &writes.used.1]),
            (
                SET_REPORTED,
                reported.0.is_empty(),
                &[&reported.0, &reported.1, &reported.2],
            ),
        ];
        // Parsed before any of them is sent: a commit must not overtake one that the server is still asked about.
        let mut statements: Vec<(Statement, Params<'_>)> = Vec::with_capacity(all.len());
        for (sql, is_empty, with) in all {
            if !is_empty {
                statements.push((session.prepare(sql).await?, with));
            }
        }
        let mut sent = first;
        for (statement, with) in &statements {
            sent.push(Box::pin(session.write(statement, with)));
        }
        if let Some(last) = last {
            sent.push(Box::pin(async move { session.run(last).await.map(|()| 0) }));
        }
        // Polled, and so sent, in this order.
        try_join_all(sent).await?;
        Ok(())
    }

    fn side_columns(&self) -> (Vec<i64>, Vec<i16>, Vec<&[u8]>) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for ((seq, kind), bytes) in &self.side {
            columns.0.push(*seq);
            columns.1.push(*kind);
            columns.2.push(&bytes[..]);
        }
        columns
    }

    fn reported_columns(&self) -> (Vec<Uuid>, Vec<Option<i64>>, Vec<Option<i64>>) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (pass, (outcome, contradiction)) in &self.reported {
            columns.0.push(*pass);
            columns.1.push(*outcome);
            columns.2.push(*contradiction);
        }
        columns
    }
}
