//! Everything that a database holds, on its way into another store and back.

use actionpass_store::contents::{Cell, Kind, Page, PageWriter, Pages, Table};
use actionpass_store::{StoreCode, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::Failure;
use crate::ledger::{HeadRow, head_statement};
use crate::migrate;
use crate::options::PostgresOptions;
use crate::session::{Session, get, pool};
use crate::store::{PostgresStore, blocking};

/// A copy takes as long as it takes, also where the other store is slower. It reads whole tables.
const UNHURRIED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL enable_seqscan = on";

/// The name of a table here, its columns, and the columns as every store has them.
const fn columns(table: Table) -> (&'static str, &'static str, &'static str) {
    match table {
        Table::Ledger => (
            "ledger",
            "origin, issuer, size, hash, trust_version, trust_digest, policy, reconciled, restored, issued_rows, approval_rows,
                revocation_rows, last_allow, last_approved, last_revoked, request_rows, request_unended, request_changes,
                last_opened, last_changed, first, first_hash, archived",
            "origin, issuer, size, hash, trust_version, trust_digest, policy, reconciled, restored, issued_rows, approval_rows,
                revocation_rows, last_allow, last_approved, last_revoked, request_rows, request_unended, request_changes,
                last_opened, last_changed, first, first_hash, archived",
        ),
        Table::SignedHead => ("signed_head", "bytes", "bytes"),
        Table::Limits => ("replay_limits", "start, pruned_to", "start, pruned_to"),
        Table::Record => ("record", "seq, json", "seq, json"),
        Table::Side => ("side", "seq, kind, bytes", "seq, kind::bigint, bytes"),
        Table::Issued => (
            "issued",
            "action, tenant, agent, action_hash, is_committed, seq, record, ledger_hash, pass, expires, audience",
            "action, tenant, agent, action_hash, is_committed::int::bigint, seq, uuid_send(record), ledger_hash,
                uuid_send(pass), expires, audience",
        ),
        Table::Approval => ("approval", "id, approver, seq", "uuid_send(id), approver, seq"),
        Table::Revocation => (
            "revocation",
            "id, seq, record, ledger_hash",
            "uuid_send(id), seq, uuid_send(record), ledger_hash",
        ),
        Table::Used => (
            "used",
            "pass, seq, outcome, contradiction",
            "uuid_send(pass), seq, outcome, contradiction",
        ),
        Table::Mark => ("replay", "pass, issuer, until", "uuid_send(pass), issuer, until"),
        Table::Request => (
            "request",
            "decision, id, tenant, agent, action_hash, client, created, expires, ended, holds, failed, version, last,
                is_committed, side, document",
            "decision, uuid_send(id), tenant, agent, action_hash, client, created, expires, ended, holds, failed, version, last,
                is_committed::int::bigint, side, document",
        ),
        Table::RequestSide => (
            "request_side",
            "request, place, vote, principal, bytes",
            "request, place, uuid_send(vote), principal, bytes",
        ),
        Table::RequestHold => (
            "request_hold",
            "tenant, agent, request, lifted",
            "tenant, agent, uuid_send(request), lifted",
        ),
    }
}

/// The statement that puts rows into a table, from one array for each column.
fn insert(table: Table) -> String {
    let (name, mine, _) = columns(table);
    let (mut arrays, mut given, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (kind, column)) in table.kinds().iter().zip(mine.split(',').map(str::trim)).enumerate() {
        let (array, value) = match (kind, column) {
            (Kind::Number, "is_committed") => ("bigint", format!("c{place} <> 0")),
            (Kind::Number, "kind") => ("bigint", format!("c{place}::smallint")),
            (Kind::Number, _) => ("bigint", format!("c{place}")),
            (Kind::Text, _) => ("text", format!("c{place}")),
            (Kind::Bytes, column) if is_uuid(table, column) => ("bytea", format!("encode(c{place}, 'hex')::uuid")),
            (Kind::Bytes, _) => ("bytea", format!("c{place}")),
        };
        arrays.push(format!("${}::{array}[]", place.saturating_add(1)));
        given.push(format!("c{place}"));
        values.push(value);
    }
    let (mut named, mut values) = (mine.to_owned(), values.join(", "));
    let extra = match table {
        Table::Ledger | Table::SignedHead | Table::Limits => Some(("id", "0")),
        // Which call made a mark counts only while it is made.
        Table::Mark => Some(("call", "gen_random_uuid()")),
        _ => None,
    };
    if let Some((column, value)) = extra {
        named = format!("{named}, {column}");
        values = format!("{values}, {value}");
    }
    format!(
        "INSERT INTO actionpass.{name} ({named}) SELECT {values} FROM unnest({}) AS u ({})",
        arrays.join(", "),
        given.join(", ")
    )
}

/// Whether a column holds an id of ours, and not a hash or other bytes.
fn is_uuid(table: Table, column: &str) -> bool {
    match column {
        "id" | "record" | "pass" | "vote" => true,
        "request" => table == Table::RequestHold,
        _ => false,
    }
}

impl PostgresStore {
    /// Everything that the database holds, as it is in one moment, for the making of another store.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), here or with the pages.
    pub fn contents(options: &PostgresOptions) -> Result<Pages, StoreError> {
        Self::tables(options, Table::ALL)
    }

    /// The same of some tables.
    pub(crate) fn tables(options: &PostgresOptions, tables: &'static [Table]) -> Result<Pages, StoreError> {
        let options = options.clone();
        Pages::read(move |out| {
            blocking(async || read(&options, tables, out).await.map_err(Stopped::into_error))
                .unwrap_or_else(|failure| Err(failure.to_error()))
        })
    }

    /// Makes a store in a database that holds none, with everything that another store held, in one transaction. Blocks this
    /// thread.
    ///
    /// What was copied is compared with the log by [`check_rows`](Self::check_rows).
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and of the pages.
    pub fn create_of(options: &PostgresOptions, mut pages: Pages) -> Result<(), StoreError> {
        blocking(async || write(options, &mut pages).await.map_err(Stopped::into_error))
            .unwrap_or_else(|failure| Err(failure.to_error()))
    }
}

/// Why a copy came to nothing: of the database, or of the other side.
enum Stopped {
    Here(Failure),
    There(StoreError),
}

impl Stopped {
    fn into_error(self) -> StoreError {
        match self {
            Self::Here(failure) => failure.to_error(),
            Self::There(error) => error,
        }
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

/// The other side blocks this thread, which has nothing else to do.
async fn read(options: &PostgresOptions, tables: &[Table], out: &mut PageWriter) -> Result<(), Stopped> {
    let pool = pool(options)?;
    let session = Session::begin(&pool).await?;
    if migrate::look(&session).await? == migrate::Holds::Nothing {
        return Err(Failure::new(StoreCode::StoreMissing, "the database holds no store").into());
    }
    session.run(crate::reads::MOMENT).await?;
    session.run(UNHURRIED).await?;
    for table in tables {
        let (name, _, shown) = columns(*table);
        let cursor = format!("contents_of_{name}");
        // As they are written, so that they lie next to each other there.
        let order = match table {
            Table::Record => " ORDER BY seq",
            Table::Side => " ORDER BY seq, kind",
            _ => "",
        };
        session
            .run(&format!(
                "DECLARE {cursor} CURSOR FOR SELECT {shown} FROM actionpass.{name}{order}"
            ))
            .await?;
        let fetch = format!("FETCH 500 FROM {cursor}");
        loop {
            let rows = session.query(&fetch, &[]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                out.row(*table, cells(*table, row)?).map_err(Stopped::There)?;
            }
        }
        session.run(&format!("CLOSE {cursor}")).await?;
    }
    Ok(session.run("COMMIT").await?)
}

fn cells(table: Table, row: &Row) -> Result<Vec<Cell>, Failure> {
    let cell = |(place, kind): (usize, &Kind)| {
        Ok(match kind {
            Kind::Number => get::<Option<i64>>(row, place)?.map_or(Cell::Null, Cell::Number),
            Kind::Text => get::<Option<String>>(row, place)?.map_or(Cell::Null, Cell::Text),
            Kind::Bytes => get::<Option<Vec<u8>>>(row, place)?.map_or(Cell::Null, Cell::Bytes),
        })
    };
    table.kinds().iter().enumerate().map(cell).collect()
}

async fn write(options: &PostgresOptions, pages: &mut Pages) -> Result<(), Stopped> {
    let pool = pool(options)?;
    let session = Session::begin(&pool).await?;
    let written = async {
        migrate::begin_vacant(&session).await?;
        session.run(UNHURRIED).await?;
        for page in pages {
            put(&session, &page.map_err(Stopped::There)?).await?;
        }
        let head = session.one(head_statement(false), &[]).await?;
        let head = head.ok_or_else(|| Failure::new(StoreCode::StoreLogMismatch, "the other store holds no log"))?;
        HeadRow::check_writable(&head)?;
        Ok(session.run("COMMIT").await?)
    };
    let written: Result<(), Stopped> = written.await;
    if written.is_err() {
        // Nobody goes on with half of it.
        session.give_up();
    }
    written
}

async fn put(session: &Session, page: &Page) -> Result<(), Failure> {
    let kinds = page.table.kinds();
    let columns: Result<Vec<_>, _> = kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| column(page, at, *kind))
        .collect();
    let columns = columns?;
    let with: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as &(dyn ToSql + Sync)).collect();
    let put = session.execute(&insert(page.table), &with).await?;
    if put == page.rows.len() as u64 {
        Ok(())
    } else {
        Err(Failure::corrupt("rows were not written"))
    }
}

/// One column of a page, as the array that the statement takes.
fn column(page: &Page, place: usize, kind: Kind) -> Result<Box<dyn ToSql + Sync>, Failure> {
    let other = || Failure::corrupt("a value of another kind");
    macro_rules! column {
        ($variant:ident) => {{
            let mut values = Vec::with_capacity(page.rows.len());
            for row in &page.rows {
                values.push(match row.get(place).ok_or_else(other)? {
                    Cell::Null => None,
                    Cell::$variant(value) => Some(value.clone()),
                    _ => return Err(other()),
                });
            }
            Box::new(values)
        }};
    }
    Ok(match kind {
        Kind::Number => column!(Number),
        Kind::Text => column!(Text),
        Kind::Bytes => column!(Bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_table_has_a_place() {
        for table in Table::ALL {
            let (name, mine, shown) = columns(*table);
            let count = table.kinds().len();
            assert_eq!(
                (mine.split(',').count(), shown.split(',').count()),
                (count, count),
                "{name}"
            );
        }
        assert_eq!(
            insert(Table::Approval),
            "INSERT INTO actionpass.approval (id, approver, seq) SELECT encode(c0, 'hex')::uuid, c1, c2 \
             FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS u (c0, c1, c2)"
        );
    }
}
