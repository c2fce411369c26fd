//! Every statement about approval requests, in one place, so that a test can ask for the plan of each: none reads a whole
//! table.

/// A query for whole rows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT decision, id, tenant, agent, action_hash, created, expires, ended, holds, failed, version, last,
             is_committed, side, document FROM request ",
            $rest
        )
    };
}

/// Counts at most so many.
macro_rules! count {
    ($rest:literal, $limit:literal) => {
        concat!(
            "SELECT count(*) FROM (SELECT 1 FROM request ",
            $rest,
            " LIMIT ",
            $limit,
            ")"
        )
    };
}

macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(pub(super) const $name: &str = $sql;)+

        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

statements! {
    BY_DECISION = select!("WHERE decision = ?1");
    BY_ID = select!("WHERE id = ?1");
    VERSION = "SELECT version FROM request WHERE id = ?1";
    CLIENT = "SELECT client FROM request WHERE id = ?1";
    HOLDING_RECORD = "SELECT is_committed, holds FROM request WHERE decision = ?1";
    LIVE = select!("INDEXED BY request_key WHERE action_hash = ?1 AND tenant = ?2 AND agent = ?3 AND ended IS NULL
        AND expires > ?4 AND decision IS NOT ?5 ORDER BY expires LIMIT 1");
    DECLINED = select!("INDEXED BY request_declined WHERE action_hash = ?1 AND tenant = ?2 AND agent = ?3 AND holds > ?4
        ORDER BY holds DESC, decision DESC LIMIT 1");
    OVERDUE = select!("INDEXED BY request_due WHERE tenant = ?1 AND agent = ?2 AND ended IS NULL AND expires <= ?3
        ORDER BY expires LIMIT ?4");
    COUNT_LIVE = count!("INDEXED BY request_live WHERE ended IS NULL AND expires > ?1", "?2");
    COUNT_OF_AGENT = count!("INDEXED BY request_due WHERE tenant = ?1 AND agent = ?2 AND ended IS NULL AND expires > ?3", "?4");
    COUNT_OF_CLIENT = count!("INDEXED BY request_client WHERE client = ?1 AND ended IS NULL AND expires > ?2", "?3");
    COUNT_OPENED = count!("INDEXED BY request_opened WHERE tenant = ?1 AND agent = ?2 AND created > ?3", "?4");
    COUNT_FAILED = count!("INDEXED BY request_failed WHERE tenant = ?1 AND agent = ?2 AND failed > ?3", "?4");
    INSERT = "INSERT INTO request
        (decision, id, tenant, agent, action_hash, created, expires, ended, holds, failed, version, last, is_committed, side,
         document, client)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    UPDATE = "UPDATE request SET id = ?2, tenant = ?3, agent = ?4, action_hash = ?5, created = ?6, expires = ?7, ended = ?8,
        holds = ?9, failed = ?10, version = ?11, last = ?12, is_committed = ?13, side = ?14, document = ?15, client = coalesce(client, ?16)
        WHERE decision = ?1";
    SIDE = "SELECT place, vote, principal, bytes FROM request_side WHERE request = ?1 ORDER BY place";
    NEXT_PLACE = "SELECT coalesce(max(place) + 1, 0) FROM request_side WHERE request = ?1";
    PUT_SIDE = "INSERT INTO request_side (request, place, vote, principal, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
    ERASE_SIDE = "DELETE FROM request_side WHERE request = ?1";
    HOLD = "SELECT request, lifted FROM request_hold WHERE tenant = ?1 AND agent = ?2";
    PUT_HOLD = "INSERT INTO request_hold (tenant, agent, request) VALUES (?1, ?2, ?3)
        ON CONFLICT (tenant, agent) DO UPDATE SET request = excluded.request";
    LIFT_HOLD = "UPDATE request_hold SET request = NULL, lifted = ?3 WHERE tenant = ?1 AND agent = ?2";
    LIST = "SELECT id, tenant, agent, decision FROM request WHERE id > ?1 ORDER BY id LIMIT ?2";
    LIST_LIVE = "SELECT id, tenant, agent, decision FROM request INDEXED BY request_live
        WHERE ended IS NULL AND expires > ?3 AND id > ?1 ORDER BY id LIMIT ?2";
    LIST_ENDED = "SELECT id, tenant, agent, decision FROM request INDEXED BY request_ended
        WHERE ended = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
    LIST_EXPIRED = "SELECT id, tenant, agent, decision FROM request INDEXED BY request_ended
        WHERE ended = 'expired' AND id > ?1
        UNION ALL SELECT id, tenant, agent, decision FROM request INDEXED BY request_ended
        WHERE ended IS NULL AND expires <= ?3 AND id > ?1 ORDER BY id LIMIT ?2";
    KEPT = "SELECT request_rows, request_changes, last_opened, last_changed, request_unended FROM ledger";
    OPENED = "UPDATE ledger SET request_rows = request_rows + 1, request_unended = request_unended + 1, last_opened = ?1
        WHERE id = 0";
    CHANGED = "UPDATE ledger SET request_changes = request_changes + 1, request_unended = request_unended - ?2,
        last_changed = coalesce(?1, last_changed) WHERE id = 0";
}
