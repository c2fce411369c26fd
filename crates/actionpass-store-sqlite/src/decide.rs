//! Decisions and records, inside of a transaction.

use actionpass_model::{Digest, RecordKind, TrustEvidence, UnixSeconds};
use actionpass_store::ledger::{Head, Log, RecordDraft, RecordRef, SealedRecord, seal};
use actionpass_store::{
    ActionKey, Allow, AppendOutcome, ApprovalUse, CommitOutcome, DecisionCommit, Issued, LedgerState, SideKind,
    StoreCode, StoreError, newest_trust,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Failure, from_sql, to_sql};

/// What one call gives: its own error leaves the others of its batch alone, a [`Failure`] fails them all.
pub(crate) type Judged<T> = Result<Result<T, StoreError>, Failure>;

/// Reads where the log ends and what it was told of.
pub(crate) fn state(connection: &Connection) -> Result<LedgerState, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT size, hash, trust_version, trust_digest, policy FROM ledger")?;
    let row = statement.query_row([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            digest(row, 1)?,
            row.get::<_, Option<i64>>(2)?,
            row.get::<_, Option<[u8; 32]>>(3)?,
            row.get::<_, Option<[u8; 32]>>(4)?,
        ))
    });
    let Some((size, hash, version, trust, policy)) = row.optional()? else {
        return Err(Failure::Store(StoreCode::StoreLogMismatch, "the store holds no log"));
    };
    let trust = match (version, trust) {
        (Some(version), Some(digest)) => Some(TrustEvidence {
            version: from_sql(version)?,
            digest: Digest::from_bytes(digest),
        }),
        _ => None,
    };
    Ok(LedgerState {
        head: Head::new(from_sql(size)?, hash),
        trust,
        policy: policy.map(Digest::from_bytes),
    })
}

/// Writes what [`state`] reads.
pub(crate) fn set_state(connection: &Connection, state: &LedgerState) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE ledger SET size = ?1, hash = ?2, trust_version = ?3, trust_digest = ?4, policy = ?5 WHERE id = 0",
    )?;
    statement.execute(params![
        to_sql(state.head.size())?,
        state.head.hash().as_bytes(),
        state.trust.map(|trust| to_sql(trust.version)).transpose()?,
        state.trust.as_ref().map(|trust| trust.digest.as_bytes()),
        state.policy.as_ref().map(Digest::as_bytes),
    ])?;
    Ok(())
}

/// The log's end is where its head says. Whether the records before it are whole is for a verification to say.
pub(crate) fn check_head(connection: &Connection, head: &Head) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached("SELECT seq, json FROM record ORDER BY seq DESC LIMIT 1")?;
    let last = statement
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let matches = match (last, head.known()) {
        (None, None) => true,
        (Some((seq, json)), Some(known)) => {
            from_sql(seq)? == known.seq() && json.contains(&format!(",\"ledgerHash\":\"{}\",", known.hash()))
        }
        _ => false,
    };
    if matches {
        Ok(())
    } else {
        Err(Failure::corrupt("the last record is not the one that the head names"))
    }
}

pub(crate) fn find(connection: &Connection, action: &ActionKey) -> Result<Option<Issued>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT action_hash, seq, record, ledger_hash, pass, expires, audience FROM issued
         WHERE tenant = ?1 AND agent = ?2 AND action = ?3",
    )?;
    let key = params![action.tenant.as_str(), action.agent.as_str(), action.action.as_str()];
    let row = statement.query_row(key, |row| {
        let texts = (
            row.get::<_, String>(4)?,
            row.get::<_, i64>(5)?,
            row.get::<_, String>(6)?,
        );
        Ok((digest(row, 0)?, reference(row, 1)?, texts))
    });
    let Some((action_hash, record, (pass, expires, audience))) = row.optional()? else {
        return Ok(None);
    };
    let record = checked(record)?;
    let token = side(connection, record.seq, SideKind::Token)?;
    let broken = |_| Failure::corrupt("an issued pass");
    Ok(Some(Issued {
        action_hash,
        record,
        pass: pass.parse().map_err(broken)?,
        expires_at: UnixSeconds::new(from_sql(expires)?).ok_or_else(|| Failure::corrupt("an issued pass"))?,
        audience: audience.parse().map_err(broken)?,
        token: token
            .map(String::from_utf8)
            .transpose()
            .map_err(|_| Failure::corrupt("a token"))?,
    }))
}

/// Judges and writes a decision.
///
/// That an id is new and an approval unused is found out by inserting them, which costs half of looking first; what was
/// inserted before a refusal is taken out again.
pub(crate) fn commit(
    connection: &Connection,
    log: &Log,
    state: &mut LedgerState,
    commit: &DecisionCommit,
) -> Judged<CommitOutcome> {
    let refused = |otherwise| Ok(taken(connection, commit)?.map_or(otherwise, Ok));
    if commit.side.iter().any(|(kind, _)| slot(0, *kind).is_none()) {
        return refused(Err(StoreError::new(StoreCode::StoreMisused)));
    }
    let sealed = seal(log, &state.head, &commit.record);
    let Some(allow) = &commit.allow else {
        return match (taken(connection, commit)?, sealed) {
            (Some(outcome), _) => Ok(Ok(outcome)),
            (None, Ok(record)) => write(connection, state, record, &commit.side)
                .map(CommitOutcome::Committed)
                .map(Ok),
            (None, Err(error)) => Ok(Err(error)),
        };
    };
    let relied = commit.record.effects();
    let trust = match relied.trust.map(|named| newest_trust(state.trust, named)).transpose() {
        Ok(newest) => newest.or(state.trust),
        Err(newer) => return refused(Ok(CommitOutcome::TrustChanged(newer))),
    };
    if let Some(policy) = state.policy.filter(|policy| Some(*policy) != relied.policy) {
        return refused(Ok(CommitOutcome::PolicyChanged(policy)));
    }
    let record = match sealed {
        Ok(record) => record,
        Err(error) => return refused(Err(error)),
    };
    if !insert_issued(connection, commit, allow, &record)? {
        return refused(Err(StoreError::new(StoreCode::StoreCorrupt)));
    }
    if let Some(used) = use_approvals(connection, allow, record.seq())? {
        let key = &commit.action;
        let mut undo =
            connection.prepare_cached("DELETE FROM issued WHERE tenant = ?1 AND agent = ?2 AND action = ?3")?;
        undo.execute([key.tenant.as_str(), key.agent.as_str(), key.action.as_str()])?;
        return Ok(Ok(CommitOutcome::ApprovalUsed(used)));
    }
    put_side(connection, record.seq(), SideKind::Token, allow.token.as_bytes())?;
    state.trust = trust;
    write(connection, state, record, &commit.side)
        .map(CommitOutcome::Committed)
        .map(Ok)
}

/// What a commit for an action that has its allow gives.
fn taken(connection: &Connection, commit: &DecisionCommit) -> Result<Option<CommitOutcome>, Failure> {
    Ok(find(connection, &commit.action)?.map(|issued| {
        if issued.action_hash == commit.action_hash {
            CommitOutcome::AlreadyIssued(Box::new(issued))
        } else {
            CommitOutcome::IdReused
        }
    }))
}

/// Takes an action's one place; `false` if it is taken.
fn insert_issued(
    connection: &Connection,
    commit: &DecisionCommit,
    allow: &Allow,
    record: &SealedRecord,
) -> Result<bool, Failure> {
    let mut issued = connection.prepare_cached(
        "INSERT INTO issued
         (tenant, agent, action, action_hash, seq, record, ledger_hash, pass, expires, audience)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
    )?;
    let inserted = issued.execute(params![
        commit.action.tenant.as_str(),
        commit.action.agent.as_str(),
        commit.action.action.as_str(),
        commit.action_hash.as_bytes(),
        to_sql(record.seq())?,
        record.id().as_str(),
        record.ledger_hash().as_bytes(),
        allow.pass.as_str(),
        to_sql(allow.expires_at.get())?,
        allow.audience.as_str(),
    ])?;
    Ok(inserted == 1)
}

/// Marks approvals used: all of them, or none and the one that was used before.
fn use_approvals(connection: &Connection, allow: &Allow, seq: u64) -> Result<Option<ApprovalUse>, Failure> {
    let seq = to_sql(seq)?;
    let mut mark = connection
        .prepare_cached("INSERT INTO approval (approver, id, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    for (index, approval) in allow.approvals.iter().enumerate() {
        if mark.execute(params![approval.approver.as_str(), approval.id.as_str(), seq])? == 1 {
            continue;
        }
        let mut unmark = connection.prepare_cached("DELETE FROM approval WHERE approver = ?1 AND id = ?2")?;
        for marked in allow.approvals.iter().take(index) {
            unmark.execute([marked.approver.as_str(), marked.id.as_str()])?;
        }
        return Ok(Some(approval.clone()));
    }
    Ok(None)
}

/// Appends a record and lets it take effect.
pub(crate) fn append(
    connection: &Connection,
    log: &Log,
    state: &mut LedgerState,
    draft: &RecordDraft,
) -> Judged<AppendOutcome> {
    let effects = draft.effects();
    if let Some(id) = &effects.revocation {
        let mut known = connection.prepare_cached("SELECT seq, record, ledger_hash FROM revocation WHERE id = ?1")?;
        if let Some(record) = known.query_row([id.as_str()], |row| reference(row, 0)).optional()? {
            return Ok(Ok(AppendOutcome::AlreadyRecorded(checked(record)?)));
        }
    }
    let record = match seal(log, &state.head, draft) {
        Ok(record) => write(connection, state, record, &[])?,
        Err(error) => return Ok(Err(error)),
    };
    if draft.kind() != RecordKind::Decision {
        if let Some(Ok(newest)) = effects.trust.map(|named| newest_trust(state.trust, named)) {
            state.trust = Some(newest);
        }
        state.policy = effects.policy.or(state.policy);
    }
    if let Some(id) = &effects.revocation {
        let mut recorded = connection
            .prepare_cached("INSERT INTO revocation (id, seq, record, ledger_hash) VALUES (?1, ?2, ?3, ?4)")?;
        recorded.execute(params![
            id.as_str(),
            to_sql(record.seq())?,
            record.id().as_str(),
            record.ledger_hash().as_bytes()
        ])?;
    }
    for seq in &effects.erases {
        // A number that no record can have has no side data.
        if let Some(first) = slot(*seq, SideKind::Payload) {
            let mut erase = connection.prepare_cached("DELETE FROM side WHERE slot BETWEEN ?1 AND ?1 + 7")?;
            erase.execute([first])?;
        }
    }
    Ok(Ok(AppendOutcome::Appended(record)))
}

/// Puts a sealed record at the end of the log, and side data beside it.
fn write(
    connection: &Connection,
    state: &mut LedgerState,
    record: SealedRecord,
    side: &[(SideKind, Vec<u8>)],
) -> Result<SealedRecord, Failure> {
    let json = std::str::from_utf8(record.json()).map_err(|_| Failure::corrupt("a record"))?;
    let mut insert = connection.prepare_cached("INSERT INTO record (seq, json) VALUES (?1, ?2)")?;
    insert.execute(params![to_sql(record.seq())?, json])?;
    for (kind, bytes) in side {
        put_side(connection, record.seq(), *kind, bytes)?;
    }
    state.head = record.head();
    Ok(record)
}

pub(crate) fn side(connection: &Connection, seq: u64, kind: SideKind) -> Result<Option<Vec<u8>>, Failure> {
    let Some(slot) = slot(seq, kind) else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT bytes FROM side WHERE slot = ?1")?;
    Ok(statement.query_row([slot], |row| row.get(0)).optional()?)
}

fn put_side(connection: &Connection, seq: u64, kind: SideKind, bytes: &[u8]) -> Result<(), Failure> {
    let slot = slot(seq, kind).ok_or_else(|| Failure::corrupt("a kind of side data"))?;
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO side (slot, bytes) VALUES (?1, ?2)")?;
    statement.execute(params![slot, bytes])?;
    Ok(())
}

/// Where side data is kept: 8 places for each record.
fn slot(seq: u64, kind: SideKind) -> Option<i64> {
    let place = match kind {
        SideKind::Payload => 0,
        SideKind::Context => 1,
        SideKind::Facts => 2,
        SideKind::Salt => 3,
        SideKind::Token => 4,
        _ => return None,
    };
    i64::try_from(seq).ok()?.checked_mul(8)?.checked_add(place)
}

fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get::<_, [u8; 32]>(column).map(Digest::from_bytes)
}

/// `seq`, `record` and `ledger_hash` as they stand in a row, from a column on.
type Reference = (i64, String, Digest);

fn reference(row: &Row<'_>, column: usize) -> rusqlite::Result<Reference> {
    let next = |places: usize| column.saturating_add(places);
    Ok((row.get(column)?, row.get(next(1))?, digest(row, next(2))?))
}

fn checked((seq, id, ledger_hash): Reference) -> Result<RecordRef, Failure> {
    let id = id.parse().map_err(|_| Failure::corrupt("a record's id"))?;
    Ok(RecordRef {
        seq: from_sql(seq)?,
        id,
        ledger_hash,
    })
}
