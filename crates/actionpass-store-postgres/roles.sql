-- Roles for the schema `actionpass`, to be given to users of the database: `GRANT actionpass_front TO gate`. Run it as a
-- superuser once the tables are there, and again after each migration; it may be run any number of times.
--
-- actionpass_admin    owns the tables: migrations, the trust store, policy and clients, what is said of a restored database. It
--                     alone takes records out into archives.
-- actionpass_front    decides, consumes and records: front ends and executors. It changes neither the trust store nor a record, and of
--                     documents those that a service writes: what servers list (pins), and invitations with passkeys that wait.
-- actionpass_service  a front end that serves the page: who is signed in there besides.
-- actionpass_auditor  reads the log and the policy, and no payload, token, salt, request or client.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['actionpass_admin', 'actionpass_front', 'actionpass_service', 'actionpass_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    EXECUTE 'ALTER SCHEMA actionpass OWNER TO actionpass_admin';
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'actionpass' LOOP
        EXECUTE format('ALTER TABLE actionpass.%I OWNER TO actionpass_admin', name);
        EXECUTE format('REVOKE ALL ON actionpass.%I FROM PUBLIC, actionpass_front, actionpass_service, actionpass_auditor', name);
        IF name LIKE 'page\_%' THEN
            EXECUTE format('GRANT SELECT, INSERT, DELETE ON actionpass.%I TO actionpass_service', name);
        ELSE
            EXECUTE format('GRANT SELECT ON actionpass.%I TO actionpass_front', name);
        END IF;
    END LOOP;
    EXECUTE 'ALTER FUNCTION actionpass.now_millis() OWNER TO actionpass_admin';
END
$$;

GRANT USAGE ON SCHEMA actionpass TO actionpass_front, actionpass_auditor;
GRANT actionpass_front TO actionpass_service;

GRANT INSERT ON actionpass.record, actionpass.side, actionpass.issued, actionpass.approval, actionpass.revocation,
    actionpass.used, actionpass.replay, actionpass.request, actionpass.request_side, actionpass.request_hold
    TO actionpass_front;
-- The head, which is moved; not whose log it is or where it begins, nor what was said of a restored database.
GRANT UPDATE (revision, size, hash, trust_version, trust_digest, policy, reconciled, issued_rows, approval_rows,
    revocation_rows, last_allow, last_approved, last_revoked, request_rows, request_unended, request_changes, last_opened,
    last_changed) ON actionpass.ledger TO actionpass_front;
GRANT UPDATE (outcome, contradiction) ON actionpass.used TO actionpass_front;
GRANT UPDATE (pruned_to) ON actionpass.replay_limits TO actionpass_front;
GRANT UPDATE ON actionpass.request, actionpass.request_hold TO actionpass_front;
-- What is erased, and marks that expired.
GRANT DELETE ON actionpass.side, actionpass.request_side, actionpass.replay TO actionpass_front;

GRANT SELECT ON actionpass.version, actionpass.ledger, actionpass.signed_head, actionpass.record, actionpass.revocation, actionpass.replay_limits,
    actionpass.trust TO actionpass_auditor;

-- Documents: rows, each for whom it is.
GRANT SELECT, INSERT ON actionpass.document TO actionpass_front;
GRANT UPDATE (version, digest, bytes) ON actionpass.document TO actionpass_front;
GRANT SELECT ON actionpass.document TO actionpass_auditor;
DROP POLICY IF EXISTS front_reads ON actionpass.document;
DROP POLICY IF EXISTS front_makes ON actionpass.document;
DROP POLICY IF EXISTS front_changes ON actionpass.document;
DROP POLICY IF EXISTS auditor_reads ON actionpass.document;
CREATE POLICY front_reads ON actionpass.document FOR SELECT TO actionpass_front USING (true);
CREATE POLICY front_makes ON actionpass.document FOR INSERT TO actionpass_front
    WITH CHECK (name IN ('pins.json', 'approvers.json'));
CREATE POLICY front_changes ON actionpass.document FOR UPDATE TO actionpass_front USING (true)
    WITH CHECK (name IN ('pins.json', 'approvers.json'));
CREATE POLICY auditor_reads ON actionpass.document FOR SELECT TO actionpass_auditor USING (name = 'policy');
