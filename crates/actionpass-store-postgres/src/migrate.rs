//! The tables made, and brought to this release; a store in them.

use actionpass_store::ledger::Log;
use actionpass_store::{ReplayStart, StoreCode};
use tokio_postgres::Row;

use crate::error::Failure;
use crate::schema::{FOUNDATION, LOCKS, MIGRATION_LOCK, MIGRATIONS};
use crate::session::{Session, get, to_sql};

const LOCK: &str = "SELECT pg_advisory_xact_lock($1, $2)";
const VERSION: &str = "SELECT version FROM actionpass.version";
const SET_VERSION: &str = "UPDATE actionpass.version SET version = $1";
const ENCODING: &str = "SELECT current_setting('server_encoding')";

/// What a database holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Holds {
    /// No store.
    Nothing,
    /// A store, with this log or, of an executor, with none.
    Store(Option<Log>),
}

/// Runs what a transaction does, and commits.
async fn in_transaction<T>(session: &Session, work: impl AsyncFnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    session.run("BEGIN").await?;
    session.query(LOCK, &[&LOCKS, &MIGRATION_LOCK]).await?;
    let value = work().await?;
    session.run("COMMIT").await?;
    Ok(value)
}

/// Brings the tables to this release, one migration after the other, by one process at a time; gives their version before.
pub(crate) async fn migrate(session: &Session) -> Result<usize, Failure> {
    in_transaction(session, async || migrate_locked(session).await).await
}

async fn migrate_locked(session: &Session) -> Result<usize, Failure> {
    let encoding: String = only(session.one(ENCODING, &[]).await?)?;
    if encoding != "UTF8" {
        let problem = format!("the encoding of the database is {encoding} and not UTF8");
        return Err(Failure::new(StoreCode::StoreForeign, problem));
    }
    // Making a schema that is there takes the right to make one.
    if !has_schema(session).await? {
        session.run(FOUNDATION).await?;
    }
    let before = version(session).await?;
    for (number, script) in (1_i32..).zip(MIGRATIONS).skip(before) {
        session.run(script).await?;
        session.execute(SET_VERSION, &[&number]).await?;
    }
    Ok(before)
}

/// How many migrations the tables have had; 0 where there are none.
pub(crate) async fn applied(session: &Session) -> Result<usize, Failure> {
    match has_schema(session).await? {
        true => version(session).await,
        false => Ok(0),
    }
}

async fn has_schema(session: &Session) -> Result<bool, Failure> {
    has_table(session, "actionpass.version").await
}

async fn has_table(session: &Session, name: &str) -> Result<bool, Failure> {
    const IS_THERE: &str = "SELECT to_regclass($1) IS NOT NULL";
    only(session.one(IS_THERE, &[&name]).await?)
}

/// Whether there is a store, by tables of whichever release.
pub(crate) async fn has_store(session: &Session) -> Result<bool, Failure> {
    if !has_table(session, "actionpass.replay_limits").await? {
        return Ok(false);
    }
    let row = session.one("SELECT 1 FROM actionpass.replay_limits", &[]).await?;
    Ok(row.is_some())
}

/// The names of the documents, by tables of whichever release.
pub(crate) async fn documents(session: &Session) -> Result<Vec<String>, Failure> {
    if !has_table(session, "actionpass.document").await? {
        return Ok(Vec::new());
    }
    let rows = session
        .query("SELECT name FROM actionpass.document ORDER BY name", &[])
        .await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

async fn version(session: &Session) -> Result<usize, Failure> {
    let version: i32 = only(session.one(VERSION, &[]).await?)?;
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(Failure::new(
            StoreCode::StoreVersionUnsupported,
            "the schema is of a later version",
        )),
    }
}

fn only<T: tokio_postgres::types::FromSqlOwned>(row: Option<Row>) -> Result<T, Failure> {
    get(&row.ok_or_else(|| Failure::corrupt("a row"))?, 0)
}

/// Makes a store in a database that holds none, and the tables where they are missing.
pub(crate) async fn create(session: &Session, log: Option<&Log>, start: ReplayStart) -> Result<(), Failure> {
    begin_vacant(session).await?;
    let start = to_sql(start.at().get())?;
    let put = "INSERT INTO actionpass.replay_limits (id, start, pruned_to) VALUES (0, $1, 0)";
    session.execute(put, &[&start]).await?;
    if let Some(log) = log {
        let put = "INSERT INTO actionpass.ledger (id, origin, issuer, hash) VALUES (0, $1, $2, $3)";
        let hash = [0_u8; 32].to_vec();
        session
            .execute(put, &[&log.origin().as_str(), &log.issuer().as_str(), &hash])
            .await?;
    }
    session.run("COMMIT").await
}

/// Begins the transaction that makes a store: nobody else makes one meanwhile, the tables are there, and no store is.
pub(crate) async fn begin_vacant(session: &Session) -> Result<(), Failure> {
    session.run("BEGIN").await?;
    session.query(LOCK, &[&LOCKS, &MIGRATION_LOCK]).await?;
    migrate_locked(session).await?;
    let there = session.one("SELECT 1 FROM actionpass.replay_limits", &[]).await?;
    match there {
        None => Ok(()),
        Some(_) => Err(Failure::new(
            StoreCode::StoreExists,
            "the database holds a store already",
        )),
    }
}

/// What the database holds, if its tables are those of this release.
pub(crate) async fn look(session: &Session) -> Result<Holds, Failure> {
    if !has_schema(session).await? {
        return Ok(Holds::Nothing);
    }
    if version(session).await? < MIGRATIONS.len() {
        return Err(Failure::new(
            StoreCode::StoreOutdated,
            "the schema is of an earlier version",
        ));
    }
    if session
        .one("SELECT 1 FROM actionpass.replay_limits", &[])
        .await?
        .is_none()
    {
        return Ok(Holds::Nothing);
    }
    let Some(row) = session.one("SELECT origin, issuer FROM actionpass.ledger", &[]).await? else {
        return Ok(Holds::Store(None));
    };
    let broken = |_| Failure::corrupt("the log that the store holds");
    let (origin, issuer): (String, String) = (get(&row, 0)?, get(&row, 1)?);
    let log = Log::new(origin.parse().map_err(broken)?, issuer.parse().map_err(broken)?);
    Ok(Holds::Store(Some(log)))
}
