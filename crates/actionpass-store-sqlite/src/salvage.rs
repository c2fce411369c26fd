//! [`SqliteSalvage`]: a database file in whatever state it is, read without a change to it or to what lies beside it.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::error::Error as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use actionpass_store::backend::side_kind;
use actionpass_store::ledger::{Log, Surveyed};
use actionpass_store::salvage::{RowFault, Salvage, SideData, TakeBeside, Told};
use actionpass_store::{LedgerState, StoreCode, StoreError};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::error::{Failure, from_sql};
use crate::process::Lease;
use crate::rows::Comparison;
use crate::schema::{APPLICATION_ID, MIGRATIONS};
use crate::{decide, file};

use pages::{Pages, Spot};

mod pages;

/// How many of SQLite's own complaints are told.
const COMPLAINTS: usize = 20;

/// An issuer's database file, damaged or not, read as far as it can be: by SQLite, and where that can't, out of its pages.
///
/// With a write-ahead log beside it SQLite reads a copy of both in the folder for temporary files: to read the original it would have
/// to write beside it.
#[derive(Debug)]
pub struct SqliteSalvage {
    path: PathBuf,
    log: PathBuf,
    /// How file and log were when they were opened.
    before: [Option<(u64, SystemTime)>; 2],
    connection: Option<Connection>,
    /// Whether SQLite finds nothing wrong with the file.
    is_sound: bool,
    /// Whether its tables are those of this release.
    is_current: bool,
    kept_log: Option<Log>,
    state: Option<LedgerState>,
    faults: Vec<StoreError>,
    /// Where SQLite reads from, if not from the file.
    _copy: Option<TempDir>,
    _lease: Lease,
}

impl SqliteSalvage {
    /// Looks at the file at `path`.
    ///
    /// # Errors
    /// [`StoreCode::StoreMissing`] if there is none; [`StoreCode::StoreUnavailable`] if it can't be read at all, or not be copied
    /// where it has a write-ahead log; [`StoreCode::StoreForked`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::look(path).map_err(|failure| failure.to_error())
    }

    fn look(path: &Path) -> Result<Self, Failure> {
        let lease = Lease::take()?;
        let path = std::path::absolute(path)?;
        if !fs::metadata(&path)?.is_file() {
            return Err(Failure::Store(StoreCode::StoreForeign, "not a file"));
        }
        drop(File::open(&path)?);
        let log = file::beside(&path, "-wal");
        let before = [stamp(&path), stamp(&log)];
        let (opened, copy) = match before {
            [_, Some((length, _))] if length > 0 => {
                let copy = file::copy(&path, &log)?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                (Connection::open_with_flags(file::copied_to(&copy), flags), Some(copy))
            }
            _ => {
                let flags =
                    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
                (Connection::open_with_flags(file::immutable(&path)?, flags), None)
            }
        };
        let mut salvage = Self {
            path,
            log,
            before,
            connection: None,
            is_sound: false,
            is_current: false,
            kept_log: None,
            state: None,
            faults: Vec::new(),
            _copy: copy,
            _lease: lease,
        };
        match opened.map_err(Failure::from).and_then(file::guarded) {
            Ok(connection) => {
                salvage.check(&connection);
                salvage.connection = Some(connection);
            }
            Err(failure) => salvage.fault(&failure),
        }
        Ok(salvage)
    }

    fn fault(&mut self, failure: &Failure) {
        self.faults.push(failure.to_error());
    }

    /// What can be said before anything of the log is read.
    fn check(&mut self, connection: &Connection) {
        let mut told = |checked: Result<(), Failure>| match checked {
            Ok(()) => true,
            Err(failure) => {
                self.faults.push(failure.to_error());
                false
            }
        };
        self.is_sound = told(sound(connection));
        self.is_current = told(current(connection));
        match file::log(connection) {
            Ok(log) => self.kept_log = log,
            Err(failure) => drop(told(Err(failure))),
        }
        match decide::state(connection) {
            Ok(state) => self.state = Some(state),
            Err(failure) => drop(told(Err(failure))),
        }
    }

    /// The records that SQLite finds, up to where it can't go on; with others out of the file's pages if it isn't sound.
    fn read(&mut self, take: &mut dyn FnMut(u64, &[&[u8]])) {
        let mut carved = Carved::default();
        if !self.is_sound {
            match Pages::open(&self.path, self.log.exists().then_some(&*self.log)) {
                Ok(mut pages) => {
                    carved.spots = pages.spots().into();
                    carved.pages = Some(pages);
                }
                Err(error) => self.fault(&Failure::from(error)),
            }
        }
        let mut found: u64 = 0;
        let read = self.by_sqlite(&mut |seq, json| {
            found = found.saturating_add(carved.before(seq, take));
            carved.hand_on(seq, Some(json), take);
        });
        if let Err(failure) = read {
            self.fault(&failure);
        }
        found = found.saturating_add(carved.before(u64::MAX, take));
        if found > 0 {
            let problem = format!("{found} records that SQLite doesn't find were read out of the file's pages");
            self.faults
                .push(StoreError::with_source(StoreCode::StoreCorrupt, problem));
        }
    }

    fn by_sqlite(&self, take: &mut dyn FnMut(u64, &[u8])) -> Result<(), Failure> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let mut statement = connection.prepare("SELECT seq, json FROM record ORDER BY seq")?;
        let mut rows = statement.query([])?;
        let mut behind = 0;
        while let Some(row) = rows.next()? {
            // What is of another type is no record, and no number has a sign.
            let (Ok(seq), Ok(json)) = (from_sql(row.get(0)?), row.get_ref(1)?.as_bytes()) else {
                continue;
            };
            // In a damaged tree keys may go back, or round in a circle.
            if seq < behind {
                return Err(Failure::corrupt("the table of records isn't in order"));
            }
            behind = seq.saturating_add(1);
            take(seq, json);
        }
        Ok(())
    }

    /// What this finds, as far as there is something to ask.
    fn asked<T>(&mut self, ask: impl FnOnce(&Connection) -> Result<T, Failure>) -> Option<T> {
        match ask(self.connection.as_ref()?) {
            Ok(answer) => Some(answer),
            Err(failure) => {
                self.fault(&failure);
                None
            }
        }
    }
}

impl Salvage for SqliteSalvage {
    fn log(&self) -> Option<&Log> {
        self.kept_log.as_ref()
    }

    fn state(&self) -> Option<&LedgerState> {
        self.state.as_ref()
    }

    fn signed_head(&mut self) -> Option<Vec<u8>> {
        self.asked(decide::signed)?
    }

    fn records(&mut self, take: &mut dyn FnMut(u64, &[&[u8]])) {
        self.read(take);
    }

    fn beside(&mut self, take: &mut TakeBeside<'_>) -> bool {
        self.asked(|connection| beside(connection, take)).is_some()
    }

    fn rows(&mut self, records: &Surveyed) -> Vec<RowFault> {
        let Some(issuer) = self.kept_log.as_ref().map(|log| log.issuer().clone()) else {
            return Vec::new();
        };
        if !self.is_current {
            return Vec::new();
        }
        let faults = self.asked(|connection| Comparison::new(issuer).faults(connection, records));
        let of = |failure: Failure| {
            let seq = match &failure {
                Failure::Record(_, _, seq) => Some(*seq),
                _ => None,
            };
            RowFault::new(seq, failure.to_error())
        };
        faults.unwrap_or_default().into_iter().map(of).collect()
    }

    fn told(&mut self, records: &Surveyed) -> Told {
        let mut count = |sql: &str| -> u64 {
            let counted = self.asked(|connection| {
                let mut statement = connection.prepare(sql)?;
                let mut rows = statement.query([])?;
                let mut count: u64 = 0;
                while let Some(row) = rows.next()? {
                    // What is no number goes back to no record.
                    let seq = row.get(0).ok().and_then(|seq| from_sql(seq).ok());
                    count = count.saturating_add(u64::from(seq.is_some_and(|seq| records.is_lost(seq))));
                }
                Ok(count)
            });
            counted.unwrap_or_default()
        };
        Told {
            issued: count("SELECT seq FROM issued"),
            approvals: count("SELECT seq FROM approval"),
            revocations: count("SELECT seq FROM revocation"),
            uses: count("SELECT seq FROM used"),
            outcomes: count("SELECT outcome FROM used WHERE outcome IS NOT NULL"),
            requests: count("SELECT decision FROM request"),
            side: count("SELECT DISTINCT slot / 8 FROM side"),
        }
    }

    fn faults(&mut self) -> Vec<StoreError> {
        if [stamp(&self.path), stamp(&self.log)] != self.before {
            let problem = "the file was written while it was read, so what is said of it may be of two moments";
            self.faults.push(StoreError::with_source(StoreCode::StoreBusy, problem));
        }
        // What SQLite says of a file that is none of its own, it says of every question.
        let mut said = HashSet::new();
        let mut faults = std::mem::take(&mut self.faults);
        faults.retain(|fault| said.insert((fault.code(), fault.source().map(ToString::to_string))));
        faults
    }
}

/// Records out of the file's pages, in the order of their numbers.
#[derive(Default)]
struct Carved {
    spots: VecDeque<Spot>,
    pages: Option<Pages>,
}

impl Carved {
    /// Hands on those in front of this number, and gives how many.
    fn before(&mut self, seq: u64, take: &mut dyn FnMut(u64, &[&[u8]])) -> u64 {
        let mut count: u64 = 0;
        while let Some(next) = self.spots.front().map(|spot| spot.seq).filter(|next| *next < seq) {
            self.hand_on(next, None, take);
            count = count.saturating_add(1);
        }
        count
    }

    /// Hands on all that stands under a number: what SQLite reads first.
    fn hand_on(&mut self, seq: u64, read: Option<&[u8]>, take: &mut dyn FnMut(u64, &[&[u8]])) {
        let mut texts = Vec::new();
        while self.spots.front().is_some_and(|spot| spot.seq == seq) {
            let Some(spot) = self.spots.pop_front() else { break };
            let text = self.pages.as_mut().and_then(|pages| pages.text(spot));
            texts.extend(text.filter(|text| Some(text.as_slice()) != read && !texts.contains(text)));
        }
        let candidates: Vec<&[u8]> = read.into_iter().chain(texts.iter().map(Vec::as_slice)).collect();
        take(seq, &candidates);
    }
}

/// Length and time of the last write of a file that is there.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// That SQLite finds nothing wrong with the file.
fn sound(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({COMPLAINTS})"))?;
    let complaints = statement.query_map([], |row| row.get::<_, String>(0))?;
    let complaints: Vec<String> = complaints.collect::<Result<_, _>>()?;
    if complaints == ["ok"] {
        return Ok(());
    }
    // Its text goes over several lines.
    let said: Vec<&str> = complaints.iter().flat_map(|complaint| complaint.lines()).collect();
    let problem = format!("SQLite says: {}", said.join("; "));
    Err(Failure::File(
        StoreCode::StoreCorrupt,
        std::sync::Arc::new(io::Error::other(problem)),
    ))
}

/// That it is a file of this release.
fn current(connection: &Connection) -> Result<(), Failure> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID {
        return Err(Failure::Store(
            StoreCode::StoreForeign,
            "another application made the file",
        ));
    }
    match file::version(connection)?.cmp(&MIGRATIONS.len()) {
        Ordering::Less => Err(Failure::Store(
            StoreCode::StoreOutdated,
            "an earlier release made the tables, which are not held against the records",
        )),
        Ordering::Equal => file::check_schema(connection),
        Ordering::Greater => Err(Failure::Store(
            StoreCode::StoreVersionUnsupported,
            "the schema is of a later version",
        )),
    }
}

/// What a row of the table of side data says: of which record, of which kind, what.
fn beside(connection: &Connection, take: &mut TakeBeside<'_>) -> Result<(), Failure> {
    let mut statement = connection.prepare("SELECT slot / 8, slot % 8, bytes FROM side ORDER BY slot")?;
    let mut record = connection.prepare("SELECT json FROM record WHERE seq = ?1")?;
    let mut rows = statement.query([])?;
    let mut current: Option<(u64, SideData)> = None;
    loop {
        let next = match rows.next()? {
            // A number with a sign goes back to no record.
            Some(row) => match from_sql(row.get(0)?) {
                Ok(seq) => Some((
                    seq,
                    side_kind(row.get(1)?),
                    row.get_ref(2)?.as_bytes().ok().map(<[u8]>::to_vec),
                )),
                Err(_) => continue,
            },
            None => None,
        };
        let is_other = |(seq, _): &(u64, _)| next.as_ref().is_none_or(|(next, ..)| next != seq);
        if let Some((seq, there)) = current.take_if(|current| is_other(current)) {
            // One that can't be read is told elsewhere.
            let json: Option<Vec<u8>> = record
                .query_row([seq.cast_signed()], |row| {
                    Ok(row.get_ref(0)?.as_bytes().map(<[u8]>::to_vec)?)
                })
                .ok();
            take(seq, json.as_deref(), &there);
        }
        let Some((seq, kind, bytes)) = next else { return Ok(()) };
        let (_, there) = current.get_or_insert_with(|| (seq, Vec::new()));
        there.extend(kind.zip(bytes));
    }
}

#[cfg(test)]
mod tests;
