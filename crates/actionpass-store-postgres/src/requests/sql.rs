//! Every statement about approval requests, in one place.

/// A query for whole rows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT decision, id, tenant, agent, action_hash, created, expires, ended, holds, failed, version, last,
             is_committed, side, document FROM actionpass.request ",
            $rest
        )
    };
}

/// Counts at most so many.
macro_rules! count {
    ($rest:literal, $limit:literal) => {
        concat!(
            "SELECT count(*) FROM (SELECT 1 FROM actionpass.request ",
            $rest,
            " LIMIT ",
            $limit,
            ") AS found"
        )
    };
}

pub(super) const BY_DECISION: &str = select!("WHERE decision = $1");
pub(super) const BY_ID: &str = select!("WHERE id = $1");
pub(super) const VERSION: &str = "SELECT version FROM actionpass.request WHERE id = $1";
pub(super) const CLIENT: &str = "SELECT client FROM actionpass.request WHERE id = $1";
pub(super) const HOLDING_RECORDS: &str = "SELECT 1 FROM actionpass.request
    WHERE decision = ANY($1) AND is_committed AND holds > $2 LIMIT 1";
pub(super) const LIVE: &str = select!(
    "WHERE action_hash = $1 AND tenant = $2 AND agent = $3 AND ended IS NULL
        AND expires > $4 AND decision IS DISTINCT FROM $5 ORDER BY expires LIMIT 1"
);
pub(super) const DECLINED: &str = select!(
    "WHERE action_hash = $1 AND tenant = $2 AND agent = $3 AND holds > $4 ORDER BY holds DESC, decision DESC LIMIT 1"
);
pub(super) const OVERDUE: &str =
    select!("WHERE tenant = $1 AND agent = $2 AND ended IS NULL AND expires <= $3 ORDER BY expires LIMIT $4");
pub(super) const COUNT_LIVE: &str = count!("WHERE ended IS NULL AND expires > $1", "$2");
pub(super) const COUNT_OF_AGENT: &str = count!(
    "WHERE tenant = $1 AND agent = $2 AND ended IS NULL AND expires > $3",
    "$4"
);
pub(super) const COUNT_OF_CLIENT: &str = count!("WHERE client = $1 AND ended IS NULL AND expires > $2", "$3");
pub(super) const COUNT_OPENED: &str = count!("WHERE tenant = $1 AND agent = $2 AND created > $3", "$4");
pub(super) const COUNT_FAILED: &str = count!("WHERE tenant = $1 AND agent = $2 AND failed > $3", "$4");
pub(super) const INSERT: &str = "INSERT INTO actionpass.request
    (decision, id, tenant, agent, action_hash, created, expires, ended, holds, failed, version, last, is_committed, side,
     document, client)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
pub(super) const UPDATE: &str = "UPDATE actionpass.request SET id = $2, tenant = $3, agent = $4, action_hash = $5,
    created = $6, expires = $7, ended = $8, holds = $9, failed = $10, version = $11, last = $12, is_committed = $13,
    side = $14, document = $15, client = coalesce(client, $16) WHERE decision = $1";
pub(super) const SIDE: &str =
    "SELECT place, vote, principal, bytes FROM actionpass.request_side WHERE request = $1 ORDER BY place";
pub(super) const NEXT_PLACE: &str =
    "SELECT coalesce(max(place) + 1, 0) FROM actionpass.request_side WHERE request = $1";
pub(super) const PUT_SIDE: &str =
    "INSERT INTO actionpass.request_side (request, place, vote, principal, bytes) VALUES ($1, $2, $3, $4, $5)";
pub(super) const ERASE_SIDE: &str = "DELETE FROM actionpass.request_side WHERE request = $1";
pub(super) const HOLD: &str = "SELECT request, lifted FROM actionpass.request_hold WHERE tenant = $1 AND agent = $2";
pub(super) const PUT_HOLD: &str = "INSERT INTO actionpass.request_hold (tenant, agent, request) VALUES ($1, $2, $3)
    ON CONFLICT (tenant, agent) DO UPDATE SET request = excluded.request";
pub(super) const LIFT_HOLD: &str =
    "UPDATE actionpass.request_hold SET request = NULL, lifted = $3 WHERE tenant = $1 AND agent = $2";
pub(super) const LIST: &str =
    "SELECT id, tenant, agent, decision FROM actionpass.request WHERE id > $1 ORDER BY id LIMIT $2";
pub(super) const LIST_LIVE: &str = "SELECT id, tenant, agent, decision FROM actionpass.request
    WHERE ended IS NULL AND expires > $3 AND id > $1 ORDER BY id LIMIT $2";
pub(super) const LIST_ENDED: &str = "SELECT id, tenant, agent, decision FROM actionpass.request
    WHERE ended = $3 AND id > $1 ORDER BY id LIMIT $2";
pub(super) const LIST_EXPIRED: &str = "SELECT id, tenant, agent, decision FROM actionpass.request
    WHERE (ended = 'expired' OR (ended IS NULL AND expires <= $3)) AND id > $1 ORDER BY id LIMIT $2";
/// The actions that the queue has something to say of, of those asked for.
pub(super) const STANDING: &str = "
    SELECT u.n FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY
        AS u (action_hash, tenant, agent, now, n)
    WHERE EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
            AND r.agent = u.agent AND r.ended IS NULL)
        OR EXISTS (SELECT FROM actionpass.request r WHERE r.action_hash = u.action_hash AND r.tenant = u.tenant
            AND r.agent = u.agent AND r.holds > u.now)
        OR EXISTS (SELECT FROM actionpass.request r WHERE r.tenant = u.tenant AND r.agent = u.agent
            AND r.ended IS NULL AND r.expires <= u.now)
        OR EXISTS (SELECT FROM actionpass.request_hold h WHERE h.tenant = u.tenant AND h.agent = u.agent
            AND h.request IS NOT NULL)";
