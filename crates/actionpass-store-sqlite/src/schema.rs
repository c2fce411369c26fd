//! The tables, and how they came to be.

/// SQLite's `application_id` of our files: `APss`.
pub(crate) const APPLICATION_ID: i32 = 0x4150_7373;

/// One script for each version of the schema; `user_version` counts those that were run. Released scripts never change.
pub(crate) const MIGRATIONS: &[&str] = &[V1, V2, V3];

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
