//! The least that a durable record costs: one row of its size in SQLite with the same settings, and one file that is synced
//! beside it, as the witness is; nothing is judged, hashed or handed from thread to thread.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::Connection;

use crate::processor_time;

/// The size of the record of a denied call, roughly.
const RECORD: [u8; 1000] = [b'x'; 1000];
const PLACE: [u8; 512] = [b' '; 512];

/// Processor time of one commit, in µs.
pub(crate) fn commit(folder: &Path, count: u32) -> f64 {
    let connection = Connection::open(folder.join("bare.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection
        .execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, json BLOB)", [])
        .unwrap();
    let witness = File::create(folder.join("bare.witness")).unwrap();
    witness.write_all_at(&[PLACE; 2].concat(), 0).unwrap();
    witness.sync_all().unwrap();
    let mut insert = connection.prepare("INSERT INTO record (json) VALUES (?1)").unwrap();
    let mut commit = |number: u64| {
        insert.execute([&RECORD[..]]).unwrap();
        witness.write_all_at(&PLACE, number % 2 * 512).unwrap();
        witness.sync_data().unwrap();
    };
    (0..u64::from(count) / 10).for_each(&mut commit);
    let before = processor_time(std::process::id());
    (0..u64::from(count)).for_each(&mut commit);
    (processor_time(std::process::id()) - before).as_secs_f64() * 1e6 / f64::from(count)
}
