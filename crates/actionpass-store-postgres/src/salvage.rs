//! [`PostgresSalvage`]: a database in whatever state it is, read without a change to it.

use actionpass_store::backend::side_kind;
use actionpass_store::contents::{Cell, Pages, Table};
use actionpass_store::ledger::{Log, Surveyed};
use actionpass_store::salvage::{RowFault, Salvage, SideData, TakeBeside, Told};
use actionpass_store::{LedgerState, SideKind, StoreCode, StoreError};

use crate::error::Failure;
use crate::ledger::{HeadRow, head_statement};
use crate::migrate::{self, Holds};
use crate::options::PostgresOptions;
use crate::rows::Comparison;
use crate::session::{Session, pool};
use crate::store::{PostgresStore, blocking};

/// The tables that go back to records, and the columns that say to which.
const TOLD: [&str; 7] = [
    "SELECT seq FROM actionpass.issued",
    "SELECT seq FROM actionpass.approval",
    "SELECT seq FROM actionpass.revocation",
    "SELECT seq FROM actionpass.used",
    "SELECT outcome FROM actionpass.used WHERE outcome IS NOT NULL",
    "SELECT decision FROM actionpass.request",
    "SELECT DISTINCT seq FROM actionpass.side",
];

/// The store in a database, damaged or not, read as far as the server gives it. A table that the server itself can't read is for its
/// own tools to repair.
#[derive(Debug)]
pub struct PostgresSalvage {
    options: PostgresOptions,
    log: Option<Log>,
    state: Option<LedgerState>,
    faults: Vec<StoreError>,
}

impl PostgresSalvage {
    /// Looks at the store in a database. Blocks this thread.
    ///
    /// # Errors
    /// [`StoreCode::StoreMissing`] if there is none; [`StoreCode::StoreOutdated`] or [`StoreCode::StoreVersionUnsupported`] if its
    /// tables are those of another release; [`StoreCode::StoreUnavailable`].
    pub fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        let mut salvage = Self {
            options: options.clone().with_read_only(),
            log: None,
            state: None,
            faults: Vec::new(),
        };
        let held = salvage.asked(async |session| migrate::look(session).await)?;
        match held {
            Holds::Nothing => {
                let problem = "the database holds no store";
                return Err(StoreError::with_source(StoreCode::StoreMissing, problem));
            }
            Holds::Store(log) => salvage.log = log,
        }
        let head = async |session: &Session| HeadRow::read(session.one(head_statement(false), &[]).await?, None);
        match salvage.asked(head) {
            Ok(head) => salvage.state = Some(head.state),
            Err(error) => salvage.faults.push(error),
        }
        Ok(salvage)
    }

    fn asked<T: Send>(&self, ask: impl AsyncFnOnce(&Session) -> Result<T, Failure> + Send) -> Result<T, StoreError> {
        let asked = blocking(async || {
            let pool = pool(&self.options)?;
            ask(&Session::begin(&pool).await?).await
        });
        asked.and_then(|answer| answer).map_err(|failure| failure.to_error())
    }

    /// The rows of a table, in their order, up to where they can't be read.
    fn each(&mut self, table: &'static [Table], mut take: impl FnMut(&[Cell])) -> bool {
        let read = PostgresStore::tables(&self.options, table).and_then(|pages: Pages| {
            for page in pages {
                page?.rows.iter().for_each(|row| take(row));
            }
            Ok(())
        });
        read.map_err(|error| self.faults.push(error)).is_ok()
    }
}

impl Salvage for PostgresSalvage {
    fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    fn state(&self) -> Option<&LedgerState> {
        self.state.as_ref()
    }

    fn signed_head(&mut self) -> Option<Vec<u8>> {
        let mut signed = None;
        self.each(&[Table::SignedHead], |row| {
            if let [Cell::Bytes(bytes)] = row {
                signed = Some(bytes.clone());
            }
        });
        signed
    }

    fn records(&mut self, take: &mut dyn FnMut(u64, &[&[u8]])) {
        self.each(&[Table::Record], |row| {
            if let Some((seq, json)) = record(row) {
                take(seq, &[json.as_bytes()]);
            }
        });
    }

    fn beside(&mut self, take: &mut TakeBeside<'_>) -> bool {
        // Both in the order of the records.
        let records = match PostgresStore::tables(&self.options, &[Table::Record]) {
            Ok(records) => records,
            Err(error) => {
                self.faults.push(error);
                return false;
            }
        };
        // Where they can't be read was told when they were read first.
        let mut records = records.map_while(Result::ok).flat_map(|page| page.rows).peekable();
        let number = |row: &Vec<Cell>| record(row).map(|(seq, _)| seq);
        let mut hand_on = |seq: u64, there: &[(SideKind, Vec<u8>)]| {
            while records
                .next_if(|row| number(row).is_none_or(|next| next < seq))
                .is_some()
            {}
            let row = records.next_if(|row| number(row) == Some(seq));
            let json = row.as_deref().and_then(record).map(|(_, json)| json.as_bytes());
            take(seq, json, there);
        };
        let mut current: Option<(u64, SideData)> = None;
        let is_read = self.each(&[Table::Side], |row| {
            let [Cell::Number(seq), Cell::Number(kind), Cell::Bytes(bytes)] = row else {
                return;
            };
            let Ok(seq) = u64::try_from(*seq) else { return };
            if let Some((seq, there)) = current.take_if(|(before, _)| *before != seq) {
                hand_on(seq, &there);
            }
            let (_, there) = current.get_or_insert_with(|| (seq, Vec::new()));
            there.extend(side_kind(*kind).map(|kind| (kind, bytes.clone())));
        });
        if let Some((seq, there)) = current {
            hand_on(seq, &there);
        }
        is_read
    }

    fn rows(&mut self, records: &Surveyed) -> Vec<RowFault> {
        let Some(issuer) = self.log.as_ref().map(|log| log.issuer().clone()) else {
            return Vec::new();
        };
        let compare = async |session: &Session| Comparison::new(issuer).faults(session, records).await;
        match self.asked(compare) {
            Ok(faults) => faults
                .into_iter()
                .map(|(seq, failure)| RowFault::new(seq, failure.to_error()))
                .collect(),
            Err(error) => {
                self.faults.push(error);
                Vec::new()
            }
        }
    }

    fn told(&mut self, records: &Surveyed) -> Told {
        let limit = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let (first, last): (Vec<i64>, Vec<i64>) = records
            .lost
            .iter()
            .map(|(first, last)| (limit(*first), limit(*last)))
            .unzip();
        let count = async |session: &Session| {
            let mut counts = [0; TOLD.len()];
            for (count, rows) in counts.iter_mut().zip(TOLD) {
                let sql = format!(
                    "SELECT count(*) FROM ({rows}) AS told (seq) WHERE EXISTS (SELECT FROM
                        unnest($1::bigint[], $2::bigint[]) AS lost (first, last) WHERE seq BETWEEN first AND last)"
                );
                *count = session.count(&sql, &[&first, &last]).await?;
            }
            Ok(counts)
        };
        match self.asked(count) {
            Ok([issued, approvals, revocations, uses, outcomes, requests, side]) => Told {
                issued,
                approvals,
                revocations,
                uses,
                outcomes,
                requests,
                side,
            },
            Err(error) => {
                self.faults.push(error);
                Told::default()
            }
        }
    }

    fn faults(&mut self) -> Vec<StoreError> {
        std::mem::take(&mut self.faults)
    }
}

/// A record's row.
fn record(row: &[Cell]) -> Option<(u64, &str)> {
    match row {
        [Cell::Number(seq), Cell::Text(json)] => Some((u64::try_from(*seq).ok()?, json)),
        _ => None,
    }
}
