//! Decisions and records, inside of a transaction.

use actionpass_model::{Digest, RecordKind, TrustEvidence, UnixSeconds};
use actionpass_store::ledger::{Head, Log, RecordDraft, RecordRef, SealedRecord, seal};
use actionpass_store::{
    ActionKey, AppendOutcome, CommitOutcome, DecisionCommit, Issued, LedgerState, SideKind, StoreCode, StoreError,
    newest_trust,
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
pub(crate) fn commit(
    connection: &Connection,
    log: &Log,
    state: &mut LedgerState,
    commit: &DecisionCommit,
) -> Judged<CommitOutcome> {
    if let Some(issued) = find(connection, &commit.action)? {
        return Ok(Ok(if issued.action_hash == commit.action_hash {
            CommitOutcome::AlreadyIssued(Box::new(issued))
        } else {
            CommitOutcome::IdReused
        }));
    }
    let mut trust = state.trust;
    if let Some(allow) = &commit.allow {
        let relied = commit.record.effects();
        if let Some(named) = relied.trust {
            match newest_trust(trust, named) {
                Ok(newest) => trust = Some(newest),
                Err(known) => return Ok(Ok(CommitOutcome::TrustChanged(known))),
            }
        }
        if let Some(known) = state.policy.filter(|known| Some(*known) != relied.policy) {
            return Ok(Ok(CommitOutcome::PolicyChanged(known)));
        }
        for (index, approval) in allow.approvals.iter().enumerate() {
            let twice = allow.approvals.iter().take(index).any(|before| before == approval);
            let mut used = connection.prepare_cached("SELECT 1 FROM approval WHERE approver = ?1 AND id = ?2")?;
            if twice || used.exists([approval.approver.as_str(), approval.id.as_str()])? {
                return Ok(Ok(CommitOutcome::ApprovalUsed(approval.clone())));
            }
        }
    }
    for (kind, _) in &commit.side {
        if slot(0, *kind).is_none() {
            return Ok(Err(StoreError::new(StoreCode::StoreMisused)));
        }
    }
    let record = match write(connection, log, state, &commit.record)? {
        Ok(record) => record,
        Err(error) => return Ok(Err(error)),
    };
    state.trust = trust;
    let seq = to_sql(record.seq())?;
    for (kind, bytes) in &commit.side {
        put_side(connection, seq, *kind, bytes)?;
    }
    if let Some(allow) = &commit.allow {
        let mut used = connection.prepare_cached("INSERT INTO approval (approver, id, seq) VALUES (?1, ?2, ?3)")?;
        for approval in &allow.approvals {
            used.execute(params![approval.approver.as_str(), approval.id.as_str(), seq])?;
        }
        put_side(connection, seq, SideKind::Token, allow.token.as_bytes())?;
        let mut issued = connection.prepare_cached(
            "INSERT INTO issued
             (tenant, agent, action, action_hash, seq, record, ledger_hash, pass, expires, audience)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        issued.execute(params![
            commit.action.tenant.as_str(),
            commit.action.agent.as_str(),
            commit.action.action.as_str(),
            commit.action_hash.as_bytes(),
            seq,
            record.id().as_str(),
            record.ledger_hash().as_bytes(),
            allow.pass.as_str(),
            to_sql(allow.expires_at.get())?,
            allow.audience.as_str(),
        ])?;
    }
    Ok(Ok(CommitOutcome::Committed(record)))
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
    let record = match write(connection, log, state, draft)? {
        Ok(record) => record,
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

fn write(connection: &Connection, log: &Log, state: &mut LedgerState, draft: &RecordDraft) -> Judged<SealedRecord> {
    let record = match seal(log, &state.head, draft) {
        Ok(record) => record,
        Err(error) => return Ok(Err(error)),
    };
    let json = std::str::from_utf8(record.json()).map_err(|_| Failure::corrupt("a record"))?;
    let mut insert = connection.prepare_cached("INSERT INTO record (seq, json) VALUES (?1, ?2)")?;
    insert.execute(params![to_sql(record.seq())?, json])?;
    state.head = record.head();
    Ok(Ok(record))
}

pub(crate) fn side(connection: &Connection, seq: u64, kind: SideKind) -> Result<Option<Vec<u8>>, Failure> {
    let Some(slot) = slot(seq, kind) else { return Ok(None) };
    let mut statement = connection.prepare_cached("SELECT bytes FROM side WHERE slot = ?1")?;
    Ok(statement.query_row([slot], |row| row.get(0)).optional()?)
}

fn put_side(connection: &Connection, seq: i64, kind: SideKind, bytes: &[u8]) -> Result<(), Failure> {
    let slot = u64::try_from(seq).ok().and_then(|seq| slot(seq, kind));
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
