//! [`PostgresSessions`]: the sessions of the page, in tables that every machine reads and writes.
//!
//! What may be done once is one statement: of two machines that make the row of a used challenge, or take away that of a ballot, one
//! is told that it did.

use actionpass_model::{ApprovalId, Digest, KeyId, RequestId, Timestamp};
use actionpass_store::StoreFuture;
use actionpass_store::sessions::{
    KeptBallot, MAX_BALLOTS, MAX_SESSIONS, MAX_SESSIONS_IN_ALL, MAX_SIGN_INS, Opened, SessionStore, SignIn,
};

use crate::error::Failure;
use crate::ledger::{check_clock, check_durable};
use crate::schema::{LOCKS, SIGN_INS_LOCK};
use crate::session::{Session, from_sql, get, to_sql, to_uuid};
use crate::store::PostgresStore;

/// How many rows that are over are removed at once.
const REMOVED_AT_ONCE: i64 = 1000;
/// How much later than all say a used challenge is removed, in milliseconds: two machines' clocks are each 30 s from the
/// database's at most.
const CLOCKS_MILLIS: i64 = 60_000;

const SETTINGS: &str =
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'), actionpass.now_millis()";
const MAKE_SECRET: &str = "INSERT INTO actionpass.page_secret (id, secret) VALUES (0, $1) ON CONFLICT DO NOTHING";
const SECRET: &str = "SELECT secret FROM actionpass.page_secret";
const LOCK: &str = "SELECT pg_advisory_xact_lock($1, $2)";
const IS_OPEN: &str = "SELECT 1 FROM actionpass.page_session WHERE session = $1";
const USE: &str =
    "INSERT INTO actionpass.page_sign_in (challenge, kid, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const SIGN_INS: &str = "SELECT count(*) FROM actionpass.page_sign_in WHERE kid = $1 AND until > $2";
const FORGET_SIGN_INS: &str = "DELETE FROM actionpass.page_sign_in WHERE challenge = ANY (ARRAY (
    SELECT challenge FROM actionpass.page_sign_in WHERE until <= least($1, actionpass.now_millis()) - $2
    ORDER BY until LIMIT $3))";
const REMOVE_SESSIONS: &str = "DELETE FROM actionpass.page_session WHERE session = ANY (ARRAY (
    SELECT session FROM actionpass.page_session WHERE until <= least($1, actionpass.now_millis())
    ORDER BY until LIMIT $2))";
const REMOVE_BALLOTS: &str = "DELETE FROM actionpass.page_ballot WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM actionpass.page_ballot WHERE until <= least($1, actionpass.now_millis())
    ORDER BY until LIMIT $2))";
/// All but the newest of a passkey, and of all.
const SHRINK_OWN: &str = "DELETE FROM actionpass.page_session WHERE session = ANY (ARRAY (
    SELECT session FROM actionpass.page_session WHERE kid = $1 ORDER BY until DESC OFFSET $2))";
const SHRINK_ALL: &str = "DELETE FROM actionpass.page_session WHERE session = ANY (ARRAY (
    SELECT session FROM actionpass.page_session ORDER BY until DESC OFFSET $1 LIMIT $2))";
const OPEN: &str = "INSERT INTO actionpass.page_session (session, kid, until) VALUES ($1, $2, $3)";
const OWNER: &str = "SELECT kid FROM actionpass.page_session WHERE session = $1 AND until > $2";
const CLOSE: &str = "WITH ballots AS (DELETE FROM actionpass.page_ballot WHERE session = $1)
    DELETE FROM actionpass.page_session WHERE session = $1";
const KEEP: &str = "INSERT INTO actionpass.page_ballot (session, id, request, input, until)
    SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT FROM actionpass.page_session WHERE session = $1 AND until > $6)
    ON CONFLICT DO NOTHING";
const SHRINK_BALLOTS: &str = "DELETE FROM actionpass.page_ballot WHERE session = $1 AND id = ANY (ARRAY (
    SELECT id FROM actionpass.page_ballot WHERE session = $1 ORDER BY until DESC, id DESC OFFSET $2))";
const TAKE: &str =
    "DELETE FROM actionpass.page_ballot WHERE session = $1 AND id = $2 AND request = $3 RETURNING input, until";

/// The sessions of the page, in the database of a [`PostgresStore`].
#[derive(Clone, Debug)]
pub struct PostgresSessions {
    store: PostgresStore,
}

impl PostgresSessions {
    /// The sessions in the database of this store. Nothing is read yet.
    #[must_use]
    pub fn of(store: &PostgresStore) -> Self {
        Self { store: store.clone() }
    }
}

fn millis(time: Timestamp) -> Result<i64, Failure> {
    to_sql(time.unix_millis())
}

fn bytes(digest: &Digest) -> Vec<u8> {
    digest.as_bytes().to_vec()
}

fn most(limit: usize) -> Result<i64, Failure> {
    i64::try_from(limit).map_err(|_| Failure::corrupt("a limit"))
}

/// What a sign-in comes to, inside of a transaction. Sign-ins take turns: each has a passkey's signature behind it, so they are
/// few, and their limits are exact.
async fn open(session: &Session, sign_in: &SignIn, now: i64) -> Result<Opened, Failure> {
    session.query(LOCK, &[&LOCKS, &SIGN_INS_LOCK]).await?;
    let (name, kid) = (bytes(&sign_in.session), sign_in.kid.as_str());
    // Its name is random: the first try was made although nobody heard of it.
    if session.one(IS_OPEN, &[&name]).await?.is_some() {
        return Ok(Opened::Opened);
    }
    let until = millis(sign_in.challenge_until)?;
    if session
        .execute(USE, &[&bytes(&sign_in.challenge), &kid, &until])
        .await?
        == 0
    {
        return Ok(Opened::Used);
    }
    if session.count(SIGN_INS, &[&kid, &now]).await? > MAX_SIGN_INS as u64 {
        return Ok(Opened::TooMany);
    }
    session
        .execute(FORGET_SIGN_INS, &[&now, &CLOCKS_MILLIS, &REMOVED_AT_ONCE])
        .await?;
    session.execute(REMOVE_SESSIONS, &[&now, &REMOVED_AT_ONCE]).await?;
    session.execute(REMOVE_BALLOTS, &[&now, &REMOVED_AT_ONCE]).await?;
    let others = |limit: usize| most(limit.saturating_sub(1));
    session.execute(SHRINK_OWN, &[&kid, &others(MAX_SESSIONS)?]).await?;
    session
        .execute(SHRINK_ALL, &[&others(MAX_SESSIONS_IN_ALL)?, &REMOVED_AT_ONCE])
        .await?;
    session.execute(OPEN, &[&name, &kid, &millis(sign_in.until)?]).await?;
    Ok(Opened::Opened)
}

/// That a commit would last, and that what is over here is so for the other machines, too.
async fn check(session: &Session) -> Result<(), Failure> {
    let row = session.one(SETTINGS, &[]).await?;
    let row = row.ok_or_else(|| Failure::corrupt("the settings"))?;
    check_durable(&get::<String>(&row, 0)?, &get::<String>(&row, 1)?)?;
    check_clock(from_sql(get(&row, 2)?)?)
}

/// Ends every session and forgets the secret, inside of a transaction.
pub(crate) async fn end_all(session: &Session) -> Result<(), Failure> {
    for table in ["page_session", "page_ballot", "page_sign_in", "page_secret"] {
        session.run(&format!("DELETE FROM actionpass.{table}")).await?;
    }
    Ok(())
}

impl SessionStore for PostgresSessions {
    fn secret(&self, made: [u8; 32]) -> StoreFuture<'_, [u8; 32]> {
        self.store.ask(async move |session| {
            let mut kept = session.one(SECRET, &[]).await?;
            if kept.is_none() {
                session.execute(MAKE_SECRET, &[&made.to_vec()]).await?;
                kept = session.one(SECRET, &[]).await?;
            }
            let kept = kept.ok_or_else(|| Failure::corrupt("the secret of the page"))?;
            let kept: Vec<u8> = get(&kept, 0)?;
            kept.try_into().map_err(|_| Failure::corrupt("the secret of the page"))
        })
    }

    fn open(&self, sign_in: SignIn, now: Timestamp) -> StoreFuture<'_, Opened> {
        self.store.ask(async move |session| {
            let now = millis(now)?;
            check(session).await?;
            session.run("BEGIN").await?;
            let opened = open(session, &sign_in, now).await?;
            session
                .run(if opened == Opened::Opened { "COMMIT" } else { "ROLLBACK" })
                .await?;
            Ok(opened)
        })
    }

    fn owner(&self, session: Digest, now: Timestamp) -> StoreFuture<'_, Option<KeyId>> {
        self.store.ask(async move |connection| {
            let row = connection.one(OWNER, &[&bytes(&session), &millis(now)?]).await?;
            let broken = |_| Failure::corrupt("the passkey of a session");
            row.map(|row| KeyId::parse(&get::<String>(&row, 0)?).map_err(broken))
                .transpose()
        })
    }

    fn close(&self, session: Digest) -> StoreFuture<'_, ()> {
        self.store.ask(async move |connection| {
            connection.execute(CLOSE, &[&bytes(&session)]).await?;
            Ok(())
        })
    }

    fn keep_ballot(&self, session: Digest, ballot: KeptBallot, now: Timestamp) -> StoreFuture<'_, ()> {
        self.store.ask(async move |connection| {
            let (name, now) = (bytes(&session), millis(now)?);
            let (id, request) = (to_uuid(&ballot.id)?, to_uuid(&ballot.request)?);
            connection.execute(REMOVE_BALLOTS, &[&now, &REMOVED_AT_ONCE]).await?;
            let until = millis(ballot.until)?;
            connection
                .execute(KEEP, &[&name, &id, &request, &ballot.input, &until, &now])
                .await?;
            connection
                .execute(SHRINK_BALLOTS, &[&name, &most(MAX_BALLOTS)?])
                .await?;
            Ok(())
        })
    }

    fn take_ballot(
        &self,
        session: Digest,
        id: ApprovalId,
        request: RequestId,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<String>> {
        self.store.ask(async move |connection| {
            let (id, request) = (to_uuid(&id)?, to_uuid(&request)?);
            let Some(row) = connection.one(TAKE, &[&bytes(&session), &id, &request]).await? else {
                return Ok(None);
            };
            let (input, until): (String, i64) = (get(&row, 0)?, get(&row, 1)?);
            Ok((millis(now)? < until).then_some(input))
        })
    }
}
