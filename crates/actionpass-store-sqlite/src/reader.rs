//! The thread that reads, on a connection of its own.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use crate::error::Failure;
use crate::file;
use crate::queue::Queue;

/// A call that reads: it answers by itself, whether there is a connection or why there is none.
pub(crate) type Read = Box<dyn FnOnce(Result<&Connection, &Failure>) + Send>;

/// Reads until the queue is closed and empty.
pub(crate) fn run(path: PathBuf, connection: Connection, queue: &Queue<Read>) {
    let mut connection = Some(connection);
    while let Some(batch) = queue.take(1, Duration::ZERO) {
        for read in batch {
            let opened = connection.take().map_or_else(|| file::open(&path), Ok);
            read(opened.as_ref());
            connection = opened.ok();
        }
    }
}
