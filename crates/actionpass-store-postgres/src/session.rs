//! [`Session`]: a connection of the pool, and what runs on it.

use std::time::Duration;

use actionpass_model::Digest;
use actionpass_store::StoreCode;
use actionpass_store::backend::{Id, id_from_bytes, id_to_bytes};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{NoTls, Row, Statement};
use uuid::Uuid;

use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::tls::Tls;

/// What a statement takes.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How long a session may idle inside of a transaction: a process that is stopped while it holds the head's row keeps
/// nobody for longer.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(3);

/// A pool of connections to the database.
pub(crate) fn pool(options: &PostgresOptions) -> Result<Pool, Failure> {
    let mut config = options.config.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.timeout);
    }
    let fast = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match options.is_encrypted() {
        true => Manager::from_config(config, Tls::new(options.roots.as_deref())?, fast),
        false => Manager::from_config(config, NoTls, fast),
    };
    // A server that waits for a lock gives up in time to say so. Every look-up is by a key: a plan that was made while a table
    // was empty must not read all of it later. What is planned so looks dear, and compiling it would be. And it is planned once:
    // of arrays whose length it doesn't know PostgreSQL expects ten rows, so that planning anew for one looks cheaper each time.
    let patience = options.timeout.as_millis().saturating_mul(9) / 10;
    let settings = format!(
        "SET statement_timeout = {patience}; SET lock_timeout = {patience};
         SET idle_in_transaction_session_timeout = {}; SET client_min_messages = error;
         SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; {}",
        IDLE_IN_TRANSACTION.as_millis(),
        // Where the server or the user is held to reading already, that stays.
        if options.is_read_only {
            "SET default_transaction_read_only = on"
        } else {
            ""
        }
    );
    let settle = Hook::async_fn(move |client, _| {
        let settings = settings.clone();
        Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
    });
    let pool = Pool::builder(manager)
        .max_size(options.connections.max(4))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.timeout))
        .create_timeout(Some(options.timeout))
        .post_create(settle)
        .build();
    pool.map_err(|error| Failure::new(StoreCode::StoreUnavailable, error.to_string()))
}

/// A connection, and what this crate asks of it. Dropped, it goes back to the pool.
pub(crate) struct Session(Object);

impl Session {
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self(pool.get().await?))
    }

    /// Closes the connection: nobody knows what it does.
    pub(crate) fn give_up(self) {
        drop(Object::take(self.0));
    }

    /// A statement, parsed once for each connection.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.0.prepare_cached(sql).await?)
    }

    /// Runs a script, or a statement that takes and gives nothing.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.0.batch_execute(sql).await?)
    }

    /// The rows that a prepared statement finds. It is sent when this is polled first: of futures that are polled in their
    /// order, the statements run in that order, and nobody waits between them.
    pub(crate) async fn rows(&self, statement: &Statement, with: Params<'_>) -> Result<Vec<Row>, Failure> {
        Ok(self.0.query(statement, with).await?)
    }

    pub(crate) async fn query(&self, sql: &str, with: Params<'_>) -> Result<Vec<Row>, Failure> {
        self.rows(&self.prepare(sql).await?, with).await
    }

    /// The first row that a statement finds.
    pub(crate) async fn one(&self, sql: &str, with: Params<'_>) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, with).await?.into_iter().next())
    }

    /// Runs a prepared statement, sent as that of [`rows`](Self::rows), and gives how many rows it wrote.
    pub(crate) async fn write(&self, statement: &Statement, with: Params<'_>) -> Result<u64, Failure> {
        Ok(self.0.execute(statement, with).await?)
    }

    pub(crate) async fn execute(&self, sql: &str, with: Params<'_>) -> Result<u64, Failure> {
        self.write(&self.prepare(sql).await?, with).await
    }

    /// A number that a statement counts.
    pub(crate) async fn count(&self, sql: &str, with: Params<'_>) -> Result<u64, Failure> {
        let row = self.one(sql, with).await?.ok_or_else(|| Failure::corrupt("a count"))?;
        from_sql(get(&row, 0)?)
    }
}

/// A column of a row.
pub(crate) fn get<T: FromSqlOwned>(row: &Row, column: usize) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

/// A number as PostgreSQL keeps it. Every number of this store is at most 2^53 or a time before the year 10000.
pub(crate) fn to_sql(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::corrupt("a number is out of range"))
}

/// A number as PostgreSQL kept it.
pub(crate) fn from_sql(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::corrupt("a number is negative"))
}

/// A number of a column.
pub(crate) fn number(row: &Row, column: usize) -> Result<u64, Failure> {
    from_sql(get(row, column)?)
}

/// A number of a column that may be absent.
pub(crate) fn maybe(row: &Row, column: usize) -> Result<Option<u64>, Failure> {
    get::<Option<i64>>(row, column)?.map(from_sql).transpose()
}

/// A digest of a column.
pub(crate) fn digest(row: &Row, column: usize) -> Result<Digest, Failure> {
    to_digest(&get::<Vec<u8>>(row, column)?)
}

pub(crate) fn to_digest(bytes: &[u8]) -> Result<Digest, Failure> {
    let bytes = bytes.try_into().map_err(|_| Failure::corrupt("a digest"))?;
    Ok(Digest::from_bytes(bytes))
}

/// What the database keeps of an id.
pub(crate) fn to_uuid<I: Id>(id: &I) -> Result<Uuid, Failure> {
    let bytes = id_to_bytes(id).ok_or_else(|| Failure::corrupt("an id"))?;
    Ok(Uuid::from_bytes(bytes))
}

/// The id that the database keeps so.
pub(crate) fn from_uuid<I: Id>(uuid: Uuid) -> Result<I, Failure> {
    id_from_bytes(uuid.into_bytes()).ok_or_else(|| Failure::corrupt("an id"))
}
