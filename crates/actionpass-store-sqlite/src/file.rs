//! The file: made at once or not at all, and checked whenever it is opened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use actionpass_store::ledger::Log;
use actionpass_store::{ReplayStart, StoreCode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::error::{Failure, to_sql};
use crate::schema::{APPLICATION_ID, MIGRATIONS};

/// How long a call waits for other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the file, complete and durable, or leaves nothing at `path`.
pub(crate) fn create(path: &Path, log: Option<&Log>, start: ReplayStart) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Store(StoreCode::StoreExists, "there is a file already"));
    }
    // Made under another name and then linked, which fails if `path` came to be meanwhile.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".new-{}-{:?}", std::process::id(), std::thread::current().id()));
    let draft = PathBuf::from(draft);
    let made = fill(&draft, log, start).and_then(|()| Ok(fs::hard_link(&draft, path)?));
    let removed = fs::remove_file(&draft);
    made?;
    removed?;
    Ok(sync_folder(path)?)
}

fn fill(path: &Path, log: Option<&Log>, start: ReplayStart) -> Result<(), Failure> {
    let file = private_file(path)?;
    let mut connection = connect(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&transaction, 0)?;
    if let Some(log) = log {
        transaction.execute(
            "INSERT INTO ledger (id, origin, issuer, size, hash) VALUES (0, ?1, ?2, 0, zeroblob(32))",
            params![log.origin().as_str(), log.issuer().as_str()],
        )?;
    }
    let start = to_sql(start.at().get())?;
    transaction.execute(
        "INSERT INTO replay_limits (id, start, pruned_to) VALUES (0, ?1, 0)",
        [start],
    )?;
    transaction.commit()?;
    // Closing takes the write-ahead log into the file, so that the file alone is the store.
    connection.close().map_err(|(_, error)| error)?;
    Ok(file.sync_all()?)
}

/// Opens the file for a thread of its own, and checks it.
pub(crate) fn open(path: &Path) -> Result<Connection, Failure> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Failure::Store(StoreCode::StoreForeign, "not a file"));
    }
    if others_can_write(&metadata) {
        return Err(Failure::Store(
            StoreCode::StoreNotPrivate,
            "the file's mode lets others write",
        ));
    }
    let mut connection = connect(path)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(Failure::Store(
            StoreCode::StoreForeign,
            "another application made the file",
        ));
    }
    if version(&connection)? < MIGRATIONS.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        let version = version(&transaction)?;
        migrate(&transaction, version)?;
        transaction.commit()?;
    }
    if version(&connection)? > MIGRATIONS.len() {
        return Err(Failure::Store(
            StoreCode::StoreVersionUnsupported,
            "the schema is of a later version",
        ));
    }
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What a foreign hand may have put into the schema isn't run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Store(
            StoreCode::StoreUnavailable,
            "the file system doesn't support WAL",
        ));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    // What is erased is overwritten.
    connection.pragma_update(None, "secure_delete", "on")?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<usize, Failure> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| Failure::corrupt("the version is negative"))
}

fn migrate(connection: &Connection, from: usize) -> Result<(), Failure> {
    for script in MIGRATIONS.iter().skip(from) {
        connection.execute_batch(script)?;
    }
    if from < MIGRATIONS.len() {
        connection.pragma_update(None, "user_version", to_sql(MIGRATIONS.len() as u64)?)?;
    }
    Ok(())
}

/// The log that the file holds, if it holds one.
pub(crate) fn log(connection: &Connection) -> Result<Option<Log>, Failure> {
    let texts = connection.query_row("SELECT origin, issuer FROM ledger", [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    });
    match texts.optional()? {
        None => Ok(None),
        Some((origin, issuer)) => {
            let broken = |_| Failure::corrupt("the log's name");
            Ok(Some(Log::new(
                origin.parse().map_err(broken)?,
                issuer.parse().map_err(broken)?,
            )))
        }
    }
}

#[cfg(unix)]
fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // SQLite gives its other files the mode of this one.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn others_can_write(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o022 != 0
}

#[cfg(not(unix))]
fn others_can_write(_: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
