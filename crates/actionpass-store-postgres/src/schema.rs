//! The tables, and how they came to be.

/// The first half of the keys of our advisory locks: `APss`. A database holds one store.
pub(crate) const LOCKS: i32 = 0x4150_7373;
/// Held by whoever migrates.
pub(crate) const MIGRATION_LOCK: i32 = 0;
/// Shared by those who mark passes used, held by whoever forgets marks.
pub(crate) const MARKS_LOCK: i32 = 1;
/// Held by whoever signs in at the page.
pub(crate) const SIGN_INS_LOCK: i32 = 4;

/// One script for each version of the schema; `actionpass.version` says how many were run. Released scripts never change.
pub(crate) const MIGRATIONS: &[&str] = &[V1, V2, V3, V4];

/// Makes the schema and the count of its versions, if they aren't there.
pub(crate) const FOUNDATION: &str = "
CREATE SCHEMA IF NOT EXISTS actionpass;
CREATE TABLE IF NOT EXISTS actionpass.version (
    id smallint PRIMARY KEY CHECK (id = 0),
    version integer NOT NULL
);
INSERT INTO actionpass.version (id, version) VALUES (0, 0) ON CONFLICT DO NOTHING;
";

const V1: &str = r#"
-- The database's time, in milliseconds since 1970. Tests put another in its place.
CREATE FUNCTION actionpass.now_millis() RETURNS bigint LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';
-- One row in a store that holds a log, none in an executor's: the head, which every batch moves by a compare-and-set.
CREATE TABLE actionpass.ledger (
    id smallint PRIMARY KEY CHECK (id = 0),
    origin text NOT NULL,
    issuer text NOT NULL,
    -- Grows with every write of this row.
    revision bigint NOT NULL DEFAULT 0,
    size bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL,
    trust_version bigint,
    trust_digest bytea,
    policy bytea,
    -- The newest version of the trust store all of whose revocations are known to be in the log.
    reconciled bigint NOT NULL DEFAULT 0,
    -- From when on approvals and action ids are judged, if the database was restored from a backup.
    restored bigint,
    -- How many rows the tables have, and the records whose rows were written last: rows taken away are noticed.
    issued_rows bigint NOT NULL DEFAULT 0,
    approval_rows bigint NOT NULL DEFAULT 0,
    revocation_rows bigint NOT NULL DEFAULT 0,
    last_allow bigint,
    last_approved bigint,
    last_revoked bigint,
    request_rows bigint NOT NULL DEFAULT 0,
    request_unended bigint NOT NULL DEFAULT 0,
    request_changes bigint NOT NULL DEFAULT 0,
    last_opened bigint,
    last_changed bigint
) WITH (fillfactor = 10);
-- Whole records, canonical JSON.
CREATE TABLE actionpass.record (
    seq bigint CONSTRAINT record_pkey PRIMARY KEY,
    json text NOT NULL
);
-- What can be erased: payload 0, context 1, facts 2, salt 3, token 4.
CREATE TABLE actionpass.side (
    seq bigint NOT NULL,
    kind smallint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (seq, kind)
);
-- The allows, by action. Ids of ours are the 16 bytes behind their prefix; those that callers choose are text.
CREATE TABLE actionpass.issued (
    action text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    action_hash bytea NOT NULL,
    -- Whether its record has commitments in the place of hashes.
    is_committed boolean NOT NULL,
    seq bigint NOT NULL,
    record uuid NOT NULL,
    ledger_hash bytea NOT NULL,
    pass uuid NOT NULL,
    expires bigint NOT NULL,
    audience text NOT NULL,
    PRIMARY KEY (action, tenant, agent)
);
CREATE TABLE actionpass.approval (
    id uuid NOT NULL,
    approver text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (id, approver)
);
CREATE TABLE actionpass.revocation (
    id uuid PRIMARY KEY,
    seq bigint NOT NULL,
    record uuid NOT NULL,
    ledger_hash bytea NOT NULL
);
CREATE INDEX revocation_seq ON actionpass.revocation (seq);
-- The passes of this log's issuer that were used, by the number of the record of the use; what was reported of each, and what
-- contradicts that, by the numbers of those records.
CREATE TABLE actionpass.used (
    pass uuid PRIMARY KEY,
    seq bigint NOT NULL,
    outcome bigint,
    contradiction bigint
);
-- Passes consumed, until when the mark must stay, and by which call: whoever didn't hear what became of it finds out.
CREATE TABLE actionpass.replay (
    pass uuid NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    until bigint NOT NULL,
    call uuid NOT NULL,
    PRIMARY KEY (pass, issuer)
);
CREATE INDEX replay_until ON actionpass.replay (until);
CREATE TABLE actionpass.replay_limits (
    id smallint PRIMARY KEY CHECK (id = 0),
    start bigint NOT NULL,
    pruned_to bigint NOT NULL
);
-- Approval requests, by the number of the record that opened each. The columns beside the document say again what it says,
-- for the look-ups; times are milliseconds since 1970.
CREATE TABLE actionpass.request (
    decision bigint PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    action_hash bytea NOT NULL,
    client text,
    created bigint NOT NULL,
    expires bigint NOT NULL,
    -- How it ended, absent while nothing did; until when its decline holds; when it came to nothing.
    ended text COLLATE "C",
    holds bigint,
    failed bigint,
    version bigint NOT NULL,
    -- The record that changed it last.
    last bigint NOT NULL,
    -- Whether its record has commitments in the place of hashes.
    is_committed boolean NOT NULL,
    -- What lies beside it, as one hash; absent once that was erased.
    side bytea,
    document text NOT NULL
);
-- Of those that nothing ended: by what they are about, of an agent by their time, of a client, in all.
CREATE INDEX request_key ON actionpass.request (action_hash, tenant, agent, expires) WHERE ended IS NULL;
CREATE INDEX request_due ON actionpass.request (tenant, agent, expires) WHERE ended IS NULL;
CREATE INDEX request_client ON actionpass.request (client, expires) WHERE ended IS NULL AND client IS NOT NULL;
CREATE INDEX request_live ON actionpass.request (expires, id) WHERE ended IS NULL;
-- What answers an action, what counts against an agent, and lists.
CREATE INDEX request_declined ON actionpass.request (action_hash, tenant, agent, holds) WHERE holds IS NOT NULL;
CREATE INDEX request_failed ON actionpass.request (tenant, agent, failed) WHERE failed IS NOT NULL;
CREATE INDEX request_opened ON actionpass.request (tenant, agent, created);
CREATE INDEX request_ended ON actionpass.request (ended, id);
-- What can be erased of a request: the action at place 0, the facts at 1, then the tokens of votes as they came.
CREATE TABLE actionpass.request_side (
    request bigint NOT NULL,
    place bigint NOT NULL,
    vote uuid,
    principal text,
    bytes bytea NOT NULL,
    PRIMARY KEY (request, place)
);
-- Agents whose new requests were held: the request that brought it about while it lasts, and when it was lifted last.
CREATE TABLE actionpass.request_hold (
    tenant text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    request uuid,
    lifted bigint,
    PRIMARY KEY (tenant, agent)
);
-- The trust store, as it is written to a file.
CREATE TABLE actionpass.trust (
    id smallint PRIMARY KEY CHECK (id = 0),
    version bigint NOT NULL,
    document bytea NOT NULL
);
"#;

const V2: &str = r#"
-- What all front ends go by besides: policy with tools, pins, clients, invitations. The digest is SHA-256 of the bytes. Which of
-- them a role may read and change, the policies of that role say; without one it sees none.
CREATE TABLE actionpass.document (
    name text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    digest bytea NOT NULL,
    bytes bytea NOT NULL
);
ALTER TABLE actionpass.document ENABLE ROW LEVEL SECURITY;
"#;

const V3: &str = r#"
-- Where the log begins, if records were taken out: how many, the hash of the last of them, and the record that says so. The
-- signed head lies apart, since the row of the log is written by every batch.
ALTER TABLE actionpass.ledger ADD COLUMN first bigint NOT NULL DEFAULT 0, ADD COLUMN first_hash bytea, ADD COLUMN archived bigint;
CREATE TABLE actionpass.signed_head (
    id smallint PRIMARY KEY CHECK (id = 0),
    bytes bytea NOT NULL
);
"#;

const V4: &str = r#"
-- The page's: what challenges of sign-ins follow from; the challenges that signed somebody in; who is signed in; and votes that are
-- about to be signed. Cookies are hashes, times milliseconds since 1970.
CREATE TABLE actionpass.page_secret (
    id smallint PRIMARY KEY CHECK (id = 0),
    secret bytea NOT NULL
);
CREATE TABLE actionpass.page_sign_in (
    challenge bytea PRIMARY KEY,
    kid text COLLATE "C" NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX page_sign_in_kid ON actionpass.page_sign_in (kid, until);
CREATE INDEX page_sign_in_until ON actionpass.page_sign_in (until);
CREATE TABLE actionpass.page_session (
    session bytea PRIMARY KEY,
    kid text COLLATE "C" NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX page_session_kid ON actionpass.page_session (kid, until);
CREATE INDEX page_session_until ON actionpass.page_session (until);
CREATE TABLE actionpass.page_ballot (
    session bytea NOT NULL,
    id uuid NOT NULL,
    request uuid NOT NULL,
    input text NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (session, id)
);
CREATE INDEX page_ballot_until ON actionpass.page_ballot (until);
"#;
