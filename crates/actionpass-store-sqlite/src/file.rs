//! The file: made at once or not at all, and checked whenever it is opened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actionpass_store::ledger::Log;
use actionpass_store::{ReplayStart, StoreCode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::error::{Failure, to_sql};
use crate::schema::{APPLICATION_ID, MIGRATIONS};

/// How long a call waits for other processes.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How many times it is looked whether a file that has two names is one that is just made.
const MADE_IN: usize = 100;

/// Makes the file, complete and durable, or leaves nothing at `path`.
pub(crate) fn create(path: &Path, log: Option<&Log>, start: ReplayStart) -> Result<(), Failure> {
    create_by(path, |connection| {
        if let Some(log) = log {
            connection.execute(
                "INSERT INTO ledger (id, origin, issuer, size, hash) VALUES (0, ?1, ?2, 0, zeroblob(32))",
                params![log.origin().as_str(), log.issuer().as_str()],
            )?;
        }
        let start = to_sql(start.at().get())?;
        connection.execute(
            "INSERT INTO replay_limits (id, start, pruned_to) VALUES (0, ?1, 0)",
            [start],
        )?;
        Ok(())
    })
}

/// The same with what `write` puts into its tables.
pub(crate) fn create_by(path: &Path, write: impl FnOnce(&Connection) -> Result<(), Failure>) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Store(StoreCode::StoreExists, "there is a file already"));
    }
    // Made under another name and then linked, which fails if `path` came to be meanwhile.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".new-{}-{:?}", std::process::id(), std::thread::current().id()));
    let draft = PathBuf::from(draft);
    let made = fill(&draft, write).and_then(|()| Ok(fs::hard_link(&draft, path)?));
    let removed = fs::remove_file(&draft);
    for suffix in ["-wal", "-shm"] {
        // Gone already, unless it came to nothing.
        let _ = fs::remove_file(beside(&draft, suffix));
    }
    made?;
    removed?;
    Ok(sync_folder(path)?)
}

fn fill(path: &Path, write: impl FnOnce(&Connection) -> Result<(), Failure>) -> Result<(), Failure> {
    let file = private_file(path)?;
    let mut connection = connect(path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&transaction, 0)?;
    write(&transaction)?;
    transaction.commit()?;
    // Closing takes the write-ahead log into the file, so that the file alone is the store.
    connection.close().map_err(|(_, error)| error)?;
    Ok(file.sync_all()?)
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// To read and write.
    Write,
    /// To read, whatever may be written.
    Read,
}

/// Opens the file for a thread of its own, and checks it.
pub(crate) fn open(path: &Path, access: Access) -> Result<Connection, Failure> {
    let mut metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Failure::Store(StoreCode::StoreForeign, "not a file"));
    }
    // Whoever makes a file takes its first name away right after.
    for _ in 0..MADE_IN {
        if names(&metadata) < 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        metadata = fs::metadata(path)?;
    }
    if names(&metadata) > 1 {
        return Err(Failure::Store(
            StoreCode::StoreNotPrivate,
            "the file has another name, whose users have another write-ahead log",
        ));
    }
    if others_can_write(&metadata) {
        return Err(Failure::Store(
            StoreCode::StoreNotPrivate,
            "the file's mode lets others write",
        ));
    }
    let mut connection = match access {
        Access::Write => connect(path).map_err(|failure| match File::open(path) {
            Ok(_) if failure.is_unopened() => {
                Failure::Store(StoreCode::StoreReadOnly, "the files beside it can't be made")
            }
            _ => failure,
        })?,
        Access::Read => connect_to_read(path)?,
    };
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(Failure::Store(
            StoreCode::StoreForeign,
            "another application made the file",
        ));
    }
    if version(&connection)? < MIGRATIONS.len() {
        if access == Access::Read {
            // Whoever reads a file of an earlier release needs the tables of this one.
            return open(path, Access::Write);
        }
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
    check_schema(&connection)?;
    Ok(connection)
}

/// Every object of a schema: type, name, table, and the statement that makes it.
type Objects = Vec<(String, String, String, Option<String>)>;

fn objects(connection: &Connection) -> rusqlite::Result<Objects> {
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name, tbl_name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    rows.collect()
}

/// The schema is the one that the migrations make, word for word: a trigger could undo what is written, and a table without
/// its key would take an approval twice. They are run once for each process, in memory.
pub(crate) fn check_schema(connection: &Connection) -> Result<(), Failure> {
    static MADE: OnceLock<Objects> = OnceLock::new();
    let made = match MADE.get() {
        Some(made) => made,
        None => {
            let memory = Connection::open_in_memory()?;
            migrate(&memory, 0)?;
            let made = objects(&memory)?;
            MADE.get_or_init(|| made)
        }
    };
    if objects(connection)? == *made {
        Ok(())
    } else {
        Err(Failure::Store(
            StoreCode::StoreSchemaChanged,
            "the schema has other tables, indexes, triggers or views than this release makes",
        ))
    }
}

/// A connection that needs no right to write.
///
/// SQLite reads a database with a write-ahead log by an index beside it, which is there while somebody has the database open.
/// Whoever may write makes it, and takes it away again. For others a file without a log is read as it is, and one with a log
/// from a copy: nobody has them open. Nothing is left beside the file, which might keep its owner from it.
fn connect_to_read(path: &Path) -> Result<Connection, Failure> {
    if OpenOptions::new().write(true).open(path).is_ok() {
        match connect(path) {
            Err(failure) if failure.is_unopened() => {}
            opened => return opened,
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let readable = |connection: Connection| version(&connection).map(|_| connection);
    let log = beside(path, "-wal");
    if beside(path, "-shm").exists() {
        match guarded(Connection::open_with_flags(path, flags)?).and_then(readable) {
            Err(failure) if failure.is_unopened() => {}
            opened => return opened,
        }
    }
    match fs::metadata(&log) {
        Ok(metadata) if metadata.len() > 0 => copied(path, &log),
        _ => {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            guarded(Connection::open_with_flags(immutable(path)?, flags)?).and_then(readable)
        }
    }
}

/// The URI of a file that nobody changes (<https://www.sqlite.org/uri.html>).
pub(crate) fn immutable(path: &Path) -> io::Result<String> {
    let path = std::path::absolute(path)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match plain(*byte) {
            true => uri.push(char::from(*byte)),
            false => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    Ok(uri + "?immutable=1")
}

/// A connection to a copy of the file and of its log, in a folder of its user alone, which is gone by the time that this
/// returns: what is open stays readable.
fn copied(path: &Path, log: &Path) -> Result<Connection, Failure> {
    let folder = copy(path, log)?;
    let connection = connect(&copied_to(&folder))?;
    version(&connection)?;
    connection.pragma_update(None, "query_only", "on")?;
    Ok(connection)
}

/// A copy of the file and of its log, in a folder of its user alone that goes when it is dropped.
pub(crate) fn copy(path: &Path, log: &Path) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::Builder::new().prefix("actionpass-").tempdir();
    let folder = folder.map_err(|error| {
        let why = format!("its write-ahead log is read from a copy, which can't be made: {error}");
        Failure::File(StoreCode::StoreUnavailable, Arc::new(io::Error::other(why)))
    })?;
    let copy = copied_to(&folder);
    for (from, to) in [(path, copy.clone()), (log, beside(&copy, "-wal"))] {
        // The mode of a copy is that of its original, which may be read only.
        let mut to = private_file(&to)?;
        io::copy(&mut File::open(from)?, &mut to)?;
    }
    Ok(folder)
}

/// Where the copy of a file is in its folder.
pub(crate) fn copied_to(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("ledger.db")
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = guarded(Connection::open_with_flags(path, flags)?)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Store(
            StoreCode::StoreUnavailable,
            "the file system doesn't support WAL",
        ));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    // On macOS fsync leaves the data in the disk's own memory. Elsewhere this does nothing.
    connection.pragma_update(None, "fullfsync", "on")?;
    connection.pragma_update(None, "checkpoint_fullfsync", "on")?;
    // What is erased is overwritten.
    connection.pragma_update(None, "secure_delete", "on")?;
    Ok(connection)
}

/// What every connection is told.
pub(crate) fn guarded(connection: Connection) -> Result<Connection, Failure> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What a foreign hand may have put into the schema isn't run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A statement keeps its plan whatever is bound to it. Without this SQLite plans anew at each binding where the value might
    // choose another index, and of those here there is one right plan each.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(crate) fn version(connection: &Connection) -> Result<usize, Failure> {
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
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // SQLite gives its other files the mode of this one.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// How many names a file has. Each would have a write-ahead log of its own.
#[cfg(unix)]
fn names(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
const fn names(_: &fs::Metadata) -> u64 {
    1
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
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod version_5;

#[cfg(test)]
mod tests {
    use std::thread;

    use actionpass_model::Decision;
    use actionpass_store::conformance::{TempFolder, block_on, fixtures};
    use actionpass_store::{
        AppendOutcome, CommitOutcome, DecisionStore, Ledger, LedgerExt, OutcomeStore, ReplayStore, Reported, UsedPass,
    };

    use super::*;
    use crate::SqliteStore;

    /// A file as the first release made and filled it.
    fn version_1(folder: &Path) -> PathBuf {
        let (path, filled) = (folder.join("v1.db"), folder.join("filled.db"));
        let start = ReplayStart::first(fixtures::at(0));
        let store = SqliteStore::create(&filled, Some(&fixtures::log()), start).unwrap();
        let approvals = vec![fixtures::approval("user:ann", 1)];
        let _ = block_on(store.commit(fixtures::decision(1, Decision::Allow, approvals))).unwrap();
        let _ = block_on(store.append_one(fixtures::revoked(2, 1, 5))).unwrap();
        let _ = block_on(store.consume(&fixtures::mark(1, 0), fixtures::at(1))).unwrap();
        let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
        drop(store);

        private_file(&path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute("ATTACH ?1 AS filled", [filled.to_str().unwrap()])
            .unwrap();
        let issued = "action, tenant, agent, action_hash, seq, record, ledger_hash, pass, expires, audience";
        for (table, columns) in [
            ("record", "*"),
            ("side", "*"),
            ("issued", issued),
            ("approval", "*"),
            ("revocation", "*"),
            ("issuer", "*"),
            ("replay", "*"),
        ] {
            connection
                .execute_batch(&format!("INSERT INTO {table} SELECT {columns} FROM filled.{table}"))
                .unwrap();
        }
        let columns = "id, origin, issuer, size, hash, trust_version, trust_digest, policy";
        connection
            .execute_batch(&format!(
                "INSERT INTO ledger ({columns}) SELECT {columns} FROM filled.ledger;
                 INSERT INTO replay_limits (id, start, pruned_to) SELECT id, start, pruned_to FROM filled.replay_limits"
            ))
            .unwrap();
        path
    }

    #[test]
    fn a_file_of_version_1_is_carried_forward_when_it_is_opened() {
        let folder = TempFolder::new();
        let path = version_1(folder.path());
        // By whoever comes first, of several at once.
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| open(&path, Access::Write).map(drop)))
                .collect();
            for thread in threads {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(version(&open(&path, Access::Write).unwrap()).unwrap(), MIGRATIONS.len());
        let kept = "SELECT issued_rows, approval_rows, revocation_rows, last_allow, last_approved, last_revoked, marks
                    FROM ledger, replay_limits";
        let counted = open(&path, Access::Write).unwrap().query_row(kept, [], |row| {
            let columns: rusqlite::Result<Vec<i64>> = (0..7).map(|column| row.get(column)).collect();
            columns
        });
        assert_eq!(counted.unwrap(), [1, 1, 1, 0, 0, 1, 1]);
        SqliteStore::open(&path).unwrap().check_rows().unwrap();

        let store = SqliteStore::open(&path).unwrap();
        let state = block_on(store.state()).unwrap();
        assert_eq!((state.head.size(), state.reconciled), (3, 0));
        assert_eq!(state.first.size(), 0);
        // A use of then is found by its pass, and may have its outcome.
        let found = block_on(store.used(&fixtures::pass(1))).unwrap();
        assert_eq!(found, Some(UsedPass::new(2)));
        assert_eq!(block_on(store.used(&fixtures::pass(2))).unwrap(), None);
        let reported = block_on(store.report(fixtures::report(9, 1, true, None))).unwrap();
        assert!(matches!(reported, Reported::Recorded(_)), "{reported:?}");
        assert_eq!(state.trust, Some(fixtures::trust(5)));
        let again = block_on(store.append_one(fixtures::revoked(3, 1, 5))).unwrap();
        assert!(matches!(again, AppendOutcome::AlreadyRecorded(_)));
        let used = fixtures::decision_by(
            4,
            Decision::Allow,
            vec![fixtures::approval("user:ann", 1)],
            fixtures::trust(5),
            1,
        );
        assert!(matches!(
            block_on(store.commit(used)).unwrap(),
            CommitOutcome::ApprovalUsed(_)
        ));
    }
}
