//! [`Moment`]: several reads of one state.

use std::ops::Deref;

use rusqlite::Connection;

/// Runs a statement that takes and gives nothing, parsed only once.
pub(crate) fn run_cached(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A transaction that reads, over when this is dropped. `rusqlite` has one too, which parses both of its statements anew.
pub(crate) struct Moment<'c>(&'c Connection);

impl<'c> Moment<'c> {
    pub(crate) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        run_cached(connection, "BEGIN")?;
        Ok(Self(connection))
    }
}

impl Deref for Moment<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        // There is nothing to be kept. Where it fails, the next one can't begin and says why.
        let _ = run_cached(self.0, "ROLLBACK");
    }
}
