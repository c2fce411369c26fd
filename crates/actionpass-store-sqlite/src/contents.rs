//! Everything that a file holds, on its way into another store and back.

use std::path::Path;

use actionpass_model::ActionId;
use actionpass_store::StoreError;
use actionpass_store::contents::{Cell, Kind, Page, PageWriter, Pages, Table};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use crate::error::Failure;
use crate::file::{self, Access};
use crate::id::{action_of_bytes, action_to_bytes};
use crate::process::Lease;
use crate::store::SqliteStore;

/// A table as its columns have it.
const fn select(table: Table) -> &'static str {
    match table {
        Table::Ledger => {
            "SELECT origin, issuer, size, hash, trust_version, trust_digest, policy, reconciled, restored, issued_rows,
                approval_rows, revocation_rows, last_allow, last_approved, last_revoked, request_rows, request_unended,
                request_changes, last_opened, last_changed, first, first_hash, archived FROM ledger"
        }
        Table::SignedHead => "SELECT bytes FROM signed_head",
        Table::Limits => "SELECT start, pruned_to FROM replay_limits",
        Table::Record => "SELECT seq, json FROM record ORDER BY seq",
        Table::Side => "SELECT slot / 8, slot % 8, bytes FROM side ORDER BY slot",
        Table::Issued => {
            "SELECT i.action, i.tenant, i.agent, i.action_hash,
                coalesce(i.is_committed,
                    (SELECT json_extract(r.json, '$.body.commitment') IS NOT NULL FROM record r WHERE r.seq = i.seq)),
                i.seq, i.record, i.ledger_hash, i.pass, i.expires, i.audience FROM issued i"
        }
        Table::Approval => "SELECT id, approver, seq FROM approval",
        Table::Revocation => "SELECT id, seq, record, ledger_hash FROM revocation",
        Table::Used => "SELECT pass, seq, outcome, contradiction FROM used",
        Table::Mark => "SELECT r.pass, i.name, r.until FROM replay r JOIN issuer i ON i.id = r.issuer",
        Table::Request => {
            "SELECT decision, id, tenant, agent, action_hash, client, created, expires, ended, holds, failed, version, last,
                is_committed, side, document FROM request"
        }
        Table::RequestSide => "SELECT request, place, vote, principal, bytes FROM request_side",
        Table::RequestHold => "SELECT tenant, agent, request, lifted FROM request_hold",
    }
}

const fn insert(table: Table) -> &'static str {
    match table {
        Table::Ledger => {
            "INSERT INTO ledger (id, origin, issuer, size, hash, trust_version, trust_digest, policy, reconciled, restored,
                issued_rows, approval_rows, revocation_rows, last_allow, last_approved, last_revoked, request_rows,
                request_unended, request_changes, last_opened, last_changed, first, first_hash, archived)
             VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)"
        }
        Table::SignedHead => "INSERT INTO signed_head (id, bytes) VALUES (0, ?1)",
        Table::Limits => "INSERT INTO replay_limits (id, start, pruned_to) VALUES (0, ?1, ?2)",
        Table::Record => "INSERT INTO record (seq, json) VALUES (?1, ?2)",
        Table::Side => "INSERT INTO side (slot, bytes) VALUES (8 * ?1 + ?2, ?3)",
        Table::Issued => {
            "INSERT INTO issued
                (action, tenant, agent, action_hash, is_committed, seq, record, ledger_hash, pass, expires, audience)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        }
        Table::Approval => "INSERT INTO approval (id, approver, seq) VALUES (?1, ?2, ?3)",
        Table::Revocation => "INSERT INTO revocation (id, seq, record, ledger_hash) VALUES (?1, ?2, ?3, ?4)",
        Table::Used => "INSERT INTO used (pass, seq, outcome, contradiction) VALUES (?1, ?2, ?3, ?4)",
        Table::Mark => {
            "INSERT INTO replay (pass, issuer, until) VALUES (?1, (SELECT id FROM issuer WHERE name = ?2), ?3)"
        }
        Table::Request => {
            "INSERT INTO request (decision, id, tenant, agent, action_hash, client, created, expires, ended, holds, failed,
                version, last, is_committed, side, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        }
        Table::RequestSide => {
            "INSERT INTO request_side (request, place, vote, principal, bytes) VALUES (?1, ?2, ?3, ?4, ?5)"
        }
        Table::RequestHold => "INSERT INTO request_hold (tenant, agent, request, lifted) VALUES (?1, ?2, ?3, ?4)",
    }
}

impl SqliteStore {
    /// Everything that the file at `path` holds, as it is in one moment, for [`create_of`](Self::create_of) of another store.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), here or with the pages.
    pub fn contents(path: &Path) -> Result<Pages, StoreError> {
        let path = std::path::absolute(path).map_err(|error| Failure::from(error).to_error())?;
        Pages::read(move |out| {
            let read = |out: &mut PageWriter| -> Result<(), Read> {
                let _lease = Lease::take()?;
                let connection = file::open(&path, Access::Read)?;
                let moment = connection.unchecked_transaction()?;
                for table in Table::ALL {
                    let mut statement = moment.prepare(select(*table))?;
                    let mut rows = statement.query([])?;
                    while let Some(row) = rows.next()? {
                        out.row(*table, cells(*table, row)?).map_err(Read::Taker)?;
                    }
                }
                Ok(())
            };
            read(out).map_err(|error| match error {
                Read::File(failure) => failure.to_error(),
                Read::Taker(error) => error,
            })
        })
    }

    /// Makes the file at `path` with everything that another store held, or leaves nothing there. Blocks this thread.
    ///
    /// What was copied is compared with the log by [`check_rows`](Self::check_rows).
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and of the pages.
    pub fn create_of(path: &Path, pages: Pages) -> Result<(), StoreError> {
        let mut pages = pages;
        let mut other = None;
        let filled = Lease::take().and_then(|_lease| {
            file::create_by(path, |connection| {
                for page in pages.by_ref() {
                    match page {
                        Ok(page) => put(connection, &page)?,
                        Err(error) => {
                            let failure = Failure::Store(error.code(), "the store that is copied");
                            other = Some(error);
                            return Err(failure);
                        }
                    }
                }
                let counted =
                    connection.execute("UPDATE replay_limits SET marks = (SELECT count(*) FROM replay)", [])?;
                match counted {
                    1 => Ok(()),
                    _ => Err(Failure::corrupt("the limits of marks")),
                }
            })
        });
        filled.map_err(|failure| other.unwrap_or_else(|| failure.to_error()))
    }
}

/// Why the reading ended: of the file, or of whoever takes the pages.
enum Read {
    File(Failure),
    Taker(StoreError),
}

impl<E: Into<Failure>> From<E> for Read {
    fn from(error: E) -> Self {
        Self::File(error.into())
    }
}

/// A row as every store has it.
fn cells(table: Table, row: &Row<'_>) -> Result<Vec<Cell>, Failure> {
    let mut cells = Vec::with_capacity(table.kinds().len());
    for (place, kind) in table.kinds().iter().enumerate() {
        cells.push(match (row.get_ref(place)?, kind) {
            (ValueRef::Null, _) => Cell::Null,
            (ValueRef::Integer(number), Kind::Number) => Cell::Number(number),
            (ValueRef::Text(text), Kind::Text) => {
                let text = std::str::from_utf8(text).map_err(|_| Failure::corrupt("text"))?;
                Cell::Text(text.to_owned())
            }
            (ValueRef::Blob(bytes), Kind::Bytes) => Cell::Bytes(bytes.to_vec()),
            (ValueRef::Blob(bytes), Kind::Text) if table == Table::Issued && place == 0 => {
                Cell::Text(action_of_bytes(bytes).ok_or_else(|| Failure::corrupt("the id of an action"))?)
            }
            _ => return Err(Failure::corrupt("a value of another kind")),
        });
    }
    Ok(cells)
}

fn put(connection: &Connection, page: &Page) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(insert(page.table))?;
    let mut issuers = connection.prepare_cached("INSERT OR IGNORE INTO issuer (name) VALUES (?1)")?;
    for row in &page.rows {
        if row.len() != page.table.kinds().len() {
            return Err(Failure::corrupt("a row of another length"));
        }
        if let (Table::Mark, Some(Cell::Text(issuer))) = (page.table, row.get(1)) {
            issuers.execute([issuer])?;
        }
        if let (Table::Issued, [Cell::Text(action), rest @ ..]) = (page.table, row.as_slice()) {
            let action = ActionId::parse(action).map_err(|_| Failure::corrupt("the id of an action"))?;
            let action = Cell::Bytes(action_to_bytes(&action));
            let row = std::iter::once(&action).chain(rest);
            statement.execute(params_from_iter(row.map(Bound)))?;
        } else {
            statement.execute(params_from_iter(row.iter().map(Bound)))?;
        }
    }
    Ok(())
}

struct Bound<'a>(&'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}
