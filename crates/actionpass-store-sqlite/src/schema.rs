//! The tables, and how they came to be.

/// SQLite's `application_id` of our files: `APss`.
pub(crate) const APPLICATION_ID: i32 = 0x4150_7373;

/// One script for each version of the schema; `user_version` counts those that were run. Released scripts never change.
pub(crate) const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5, V6];

const V1: &str = "
-- One row in a store that holds a log, none in an executor's.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    origin TEXT NOT NULL,
    issuer TEXT NOT NULL,
    size INTEGER NOT NULL,
    hash BLOB NOT NULL,
    trust_version INTEGER,
    trust_digest BLOB,
    policy BLOB
) STRICT;
-- Whole records, canonical JSON.
CREATE TABLE record (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
-- What can be erased: slot is 8 * seq + kind.
CREATE TABLE side (slot INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
-- The allows, by action. Ids of ours are kept as their 16 bytes, those that callers choose as text, and stand first in keys: those made at one time are neighbours,
-- so what is written together costs few pages.
CREATE TABLE issued (
    action BLOB NOT NULL,
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    action_hash BLOB NOT NULL,
    seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    ledger_hash BLOB NOT NULL,
    pass BLOB NOT NULL,
    expires INTEGER NOT NULL,
    audience TEXT NOT NULL,
    PRIMARY KEY (action, tenant, agent)
) STRICT, WITHOUT ROWID;
CREATE TABLE approval (
    id BLOB NOT NULL,
    approver TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (id, approver)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocation (
    id BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    ledger_hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Passes consumed, and until when the mark must stay.
CREATE TABLE issuer (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE replay (
    issuer INTEGER NOT NULL,
    pass BLOB NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (issuer, pass)
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_until ON replay (until);
CREATE TABLE replay_limits (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    start INTEGER NOT NULL,
    pruned_to INTEGER NOT NULL
) STRICT;
";

const V2: &str = "
-- The newest version of the trust store all of whose revocations are known to be in the log.
ALTER TABLE ledger ADD COLUMN reconciled INTEGER NOT NULL DEFAULT 0;
";

const V3: &str = "
-- How many rows the tables have, and the records whose rows were written last: rows taken away are noticed.
ALTER TABLE ledger ADD COLUMN issued_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN approval_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN revocation_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN last_allow INTEGER;
ALTER TABLE ledger ADD COLUMN last_approved INTEGER;
ALTER TABLE ledger ADD COLUMN last_revoked INTEGER;
-- From when on approvals and action ids are judged, if the file was restored from a backup.
ALTER TABLE ledger ADD COLUMN restored INTEGER;
UPDATE ledger SET
    issued_rows = (SELECT count(*) FROM issued), last_allow = (SELECT max(seq) FROM issued),
    approval_rows = (SELECT count(*) FROM approval), last_approved = (SELECT max(seq) FROM approval),
    revocation_rows = (SELECT count(*) FROM revocation), last_revoked = (SELECT max(seq) FROM revocation);
-- The same of the marks; the last is of the newest consumption since this version.
ALTER TABLE replay_limits ADD COLUMN marks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replay_limits ADD COLUMN last_issuer INTEGER;
ALTER TABLE replay_limits ADD COLUMN last_pass BLOB;
ALTER TABLE replay_limits ADD COLUMN last_until INTEGER;
UPDATE replay_limits SET marks = (SELECT count(*) FROM replay);
";

const V4: &str = "
-- Approval requests, by the number of the record that opened each. The columns beside the document say again what it says,
-- for the look-ups; times are milliseconds since 1970.
CREATE TABLE request (
    decision INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    action_hash BLOB NOT NULL,
    client TEXT,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    -- How it ended, absent while nothing did; until when its decline holds; when it came to nothing.
    ended TEXT,
    holds INTEGER,
    failed INTEGER,
    version INTEGER NOT NULL,
    -- The record that changed it last.
    last INTEGER NOT NULL,
    -- Whether its record has commitments in the place of hashes.
    is_committed INTEGER NOT NULL,
    -- What lies beside it, as one hash; absent once that was erased.
    side BLOB,
    document TEXT NOT NULL
) STRICT;
-- Of those that nothing ended: by what they are about, of an agent by their time, of a client, in all.
CREATE INDEX request_key ON request (action_hash, tenant, agent, expires) WHERE ended IS NULL;
CREATE INDEX request_due ON request (tenant, agent, expires) WHERE ended IS NULL;
CREATE INDEX request_client ON request (client, expires) WHERE ended IS NULL AND client IS NOT NULL;
CREATE INDEX request_live ON request (expires, id) WHERE ended IS NULL;
-- What answers an action, what counts against an agent, and lists.
CREATE INDEX request_declined ON request (action_hash, tenant, agent, holds) WHERE holds IS NOT NULL;
CREATE INDEX request_failed ON request (tenant, agent, failed) WHERE failed IS NOT NULL;
CREATE INDEX request_opened ON request (tenant, agent, created);
CREATE INDEX request_ended ON request (ended, id);
-- What can be erased of a request: the action at place 0, the facts at 1, then the tokens of votes as they came.
CREATE TABLE request_side (
    request INTEGER NOT NULL,
    place INTEGER NOT NULL,
    vote BLOB,
    principal TEXT,
    bytes BLOB NOT NULL,
    PRIMARY KEY (request, place)
) STRICT;
-- Agents whose new requests were held: the request that brought it about while it lasts, and when it was lifted last.
CREATE TABLE request_hold (
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    request BLOB,
    lifted INTEGER,
    PRIMARY KEY (tenant, agent)
) STRICT, WITHOUT ROWID;
-- How many requests there are, how many of them nothing ended, and how often they were changed; the record that opened the last, and the one that changed one
-- last: rows taken away or put back are noticed.
ALTER TABLE ledger ADD COLUMN request_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN request_unended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN request_changes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN last_opened INTEGER;
ALTER TABLE ledger ADD COLUMN last_changed INTEGER;
";

const V5: &str = "
-- The passes of this log's issuer that were used, by the number of the record of the use; what was reported of each, and what
-- contradicts that, by the numbers of those records.
CREATE TABLE used (
    pass BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    outcome INTEGER,
    contradiction INTEGER
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO used (pass, seq)
    SELECT unhex(substr(json_extract(json, '$.body.pass'), 4)), seq FROM record
    WHERE json_extract(json, '$.kind') = 'use' AND json_extract(json, '$.body.schema') = 'actionpass.use.v1'
        AND json_extract(json, '$.body.issuer') = (SELECT issuer FROM ledger)
    ORDER BY seq;
";

const V6: &str = "
-- Where the log begins, if records were taken out: how many, the hash of the last of them, and the record that says so. The
-- signed head lies apart, since the row of the log is written by every commit.
ALTER TABLE ledger ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN first_hash BLOB;
ALTER TABLE ledger ADD COLUMN archived INTEGER;
CREATE TABLE signed_head (id INTEGER PRIMARY KEY CHECK (id = 0), bytes BLOB NOT NULL) STRICT;
-- Whether the record of an allow has commitments in the place of hashes; absent where the record itself is there to say it.
ALTER TABLE issued ADD COLUMN is_committed INTEGER;
";
