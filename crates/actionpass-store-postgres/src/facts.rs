//! [`Facts`]: what the tables say of what several calls ask for, found by one statement for each table.

use std::collections::{HashMap, HashSet};

use actionpass_model::{ApprovalRef, PassId, RevocationId, Timestamp, UnixSeconds};
use actionpass_queue::RequestKey;
use actionpass_store::ledger::{RecordRef, Salt};
use actionpass_store::{ActionKey, Issued, UsedPass};
use futures_util::future::try_join5;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::error::Failure;
use crate::session::{Params, Session, digest, from_sql, from_uuid, get, maybe, number, to_sql, to_uuid};

const ISSUED: &str = "
    SELECT u.n, i.action_hash, i.seq, i.record, i.ledger_hash, i.pass, i.expires, i.audience, i.is_committed,
        (SELECT bytes FROM actionpass.side WHERE seq = i.seq AND kind = 4),
        (SELECT bytes FROM actionpass.side WHERE seq = i.seq AND kind = 3)
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS u (action, tenant, agent, n)
    JOIN actionpass.issued i ON i.action = u.action AND i.tenant = u.tenant AND i.agent = u.agent";
const USED: &str = "
    SELECT u.n FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS u (id, approver, n)
    JOIN actionpass.approval a ON a.id = u.id AND a.approver = u.approver";
const REVOKED: &str = "
    SELECT u.n, r.seq, r.record, r.ledger_hash FROM unnest($1::uuid[]) WITH ORDINALITY AS u (id, n)
    JOIN actionpass.revocation r ON r.id = u.id";
const REPORTED: &str = "
    SELECT u.n, p.seq, p.outcome, p.contradiction FROM unnest($1::uuid[]) WITH ORDINALITY AS u (pass, n)
    JOIN actionpass.used p ON p.pass = u.pass";
/// The actions that a request waits for, or that a decline answers.
const OBSTRUCTED: &str = "
    SELECT u.n FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY
        AS u (action_hash, tenant, agent, now, n)
    WHERE EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
            AND r.agent = u.agent AND r.ended IS NULL AND r.expires > u.now)
        OR EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
            AND r.agent = u.agent AND r.holds > u.now)";

/// Whether the tables know anything of what is asked for, in the order of the statements above. Mostly they don't: the
/// actions of decisions are new, and each statement that isn't sent spares a batch some of its time.
const PROBE: &str = "
    SELECT EXISTS (SELECT FROM unnest($1::text[], $2::text[], $3::text[]) AS u (action, tenant, agent)
            JOIN actionpass.issued i ON i.action = u.action AND i.tenant = u.tenant AND i.agent = u.agent),
        EXISTS (SELECT FROM unnest($4::uuid[], $5::text[]) AS u (id, approver)
            JOIN actionpass.approval a ON a.id = u.id AND a.approver = u.approver),
        EXISTS (SELECT FROM unnest($6::uuid[]) AS u (id) JOIN actionpass.revocation r ON r.id = u.id),
        EXISTS (SELECT FROM unnest($7::uuid[]) AS u (pass) JOIN actionpass.used p ON p.pass = u.pass),
        EXISTS (SELECT FROM unnest($8::bytea[], $9::text[], $10::text[], $11::bigint[]) AS u (action_hash, tenant, agent, now)
            WHERE EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
                    AND r.agent = u.agent AND r.ended IS NULL AND r.expires > u.now)
                OR EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
                    AND r.agent = u.agent AND r.holds > u.now))";

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) actions: Vec<ActionKey>,
    pub(crate) approvals: Vec<ApprovalRef>,
    pub(crate) revocations: Vec<RevocationId>,
    pub(crate) passes: Vec<PassId>,
    /// Actions, each with its time.
    pub(crate) keys: Vec<(RequestKey, Timestamp)>,
}

impl Questions {
    /// What to ask in detail: of several kinds of questions only those that the tables know something of.
    async fn known(&self, session: &Session, with: &[Params<'_>; 5]) -> Result<[bool; 5], Failure> {
        let mut asks = [
            !self.actions.is_empty(),
            !self.approvals.is_empty(),
            !self.revocations.is_empty(),
            !self.passes.is_empty(),
            !self.keys.is_empty(),
        ];
        if asks.iter().filter(|asks| **asks).count() > 1 {
            let row = session.one(PROBE, &with.concat()).await?;
            let row = row.ok_or_else(|| Failure::corrupt("whether something is known"))?;
            for (column, asks) in asks.iter_mut().enumerate() {
                *asks = get(&row, column)?;
            }
        }
        Ok(asks)
    }
}

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) issued: HashMap<ActionKey, Issued>,
    pub(crate) used: HashSet<ApprovalRef>,
    pub(crate) revoked: HashMap<RevocationId, RecordRef>,
    pub(crate) reported: HashMap<PassId, UsedPass>,
    /// Something of the queue stands against an allow of these actions.
    pub(crate) obstructed: HashSet<(RequestKey, Timestamp)>,
}

impl Facts {
    /// Asks all of it. The first statement is sent behind what was sent before, and it is the only one where nothing is known.
    pub(crate) async fn load(session: &Session, questions: &Questions) -> Result<Self, Failure> {
        let Questions {
            actions,
            approvals,
            revocations,
            passes,
            keys,
        } = questions;
        let action: Vec<&str> = actions.iter().map(|key| key.action.as_str()).collect();
        let tenant: Vec<&str> = actions.iter().map(|key| key.tenant.as_str()).collect();
        let agent: Vec<&str> = actions.iter().map(|key| key.agent.as_str()).collect();
        let approval: Vec<Uuid> = approvals
            .iter()
            .map(|used| to_uuid(&used.id))
            .collect::<Result<_, _>>()?;
        let approver: Vec<&str> = approvals.iter().map(|used| used.approver.as_str()).collect();
        let revocation: Vec<Uuid> = revocations.iter().map(to_uuid).collect::<Result<_, _>>()?;
        let pass: Vec<Uuid> = passes.iter().map(to_uuid).collect::<Result<_, _>>()?;
        let hash: Vec<&[u8]> = keys.iter().map(|(key, _)| &key.action_hash.as_bytes()[..]).collect();
        let of_tenant: Vec<&str> = keys.iter().map(|(key, _)| key.tenant.as_str()).collect();
        let of_agent: Vec<&str> = keys.iter().map(|(key, _)| key.agent.as_str()).collect();
        let now: Vec<i64> = keys
            .iter()
            .map(|(_, now)| to_sql(now.unix_millis()))
            .collect::<Result<_, _>>()?;
        let with: [Params<'_>; 5] = [
            &[&action, &tenant, &agent],
            &[&approval, &approver],
            &[&revocation],
            &[&pass],
            &[&hash, &of_tenant, &of_agent, &now],
        ];
        let [of_issued, of_used, of_revoked, of_reported, of_obstructed] = questions.known(session, &with).await?;
        let (issued, used, revoked, reported, obstructed) = try_join5(
            asked(session, ISSUED, of_issued, with[0]),
            asked(session, USED, of_used, with[1]),
            asked(session, REVOKED, of_revoked, with[2]),
            asked(session, REPORTED, of_reported, with[3]),
            asked(session, OBSTRUCTED, of_obstructed, with[4]),
        )
        .await?;
        let mut facts = Self::default();
        for row in &issued {
            facts.issued.insert(asked_for(actions, row)?.clone(), read_issued(row)?);
        }
        for row in &used {
            facts.used.insert(asked_for(approvals, row)?.clone());
        }
        for row in &revoked {
            let record = RecordRef {
                seq: number(row, 1)?,
                id: from_uuid(get(row, 2)?)?,
                ledger_hash: digest(row, 3)?,
            };
            facts.revoked.insert(asked_for(revocations, row)?.clone(), record);
        }
        for row in &reported {
            let mut used = UsedPass::new(number(row, 1)?);
            used.outcome = maybe(row, 2)?;
            used.contradiction = maybe(row, 3)?;
            facts.reported.insert(asked_for(passes, row)?.clone(), used);
        }
        for row in &obstructed {
            facts.obstructed.insert(asked_for(keys, row)?.clone());
        }
        Ok(facts)
    }
}

/// The rows that a statement finds, if there is anything to ask for.
pub(crate) async fn asked(session: &Session, sql: &str, is_asked: bool, with: Params<'_>) -> Result<Vec<Row>, Failure> {
    if is_asked {
        session.query(sql, with).await
    } else {
        Ok(Vec::new())
    }
}

/// What a row answers: its first column counts the questions from 1.
pub(crate) fn asked_for<'a, Q>(questions: &'a [Q], row: &Row) -> Result<&'a Q, Failure> {
    let place = number(row, 0)?.checked_sub(1);
    let place = place.and_then(|place| usize::try_from(place).ok());
    place
        .and_then(|place| questions.get(place))
        .ok_or_else(|| Failure::corrupt("an answer to nothing"))
}

fn read_issued(row: &Row) -> Result<Issued, Failure> {
    let broken = || Failure::corrupt("an issued pass");
    let record = RecordRef {
        seq: number(row, 2)?,
        id: from_uuid(get(row, 3)?)?,
        ledger_hash: digest(row, 4)?,
    };
    let audience: String = get(row, 7)?;
    let issued = Issued::new(
        digest(row, 1)?,
        record,
        from_uuid(get(row, 5)?)?,
        UnixSeconds::new(from_sql(get(row, 6)?)?).ok_or_else(broken)?,
        audience.parse().map_err(|_| broken())?,
    );
    let token: Option<Vec<u8>> = get(row, 9)?;
    let token = token.map(String::from_utf8).transpose().map_err(|_| broken())?;
    let issued = issued.with_token(token);
    if !get::<bool>(row, 8)? {
        return Ok(issued);
    }
    let salt: Option<Vec<u8>> = get(row, 10)?;
    let salt = salt.map(|salt| Salt::parse(&salt).ok_or_else(|| Failure::corrupt("a salt")));
    Ok(issued.committed_by(salt.transpose()?))
}
