//! [`Pages`]: everything that a store holds, on its way into another.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::{StoreCode, StoreError};

/// How many rows are handed on at once, and from how many bytes on they go by themselves.
const PAGE: (usize, usize) = (1000, 4 << 20);

/// What stores keep, as tables that every backend can read and write: what the log says, what lies beside it, and what is known
/// for look-ups. Ids of ours and hashes are bytes, names are text, times and numbers are numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a store that leaves one out loses something")]
pub enum Table {
    /// Where the log ends and what is known of it: `origin`, `issuer`, `size`, `hash`, `trust_version`, `trust_digest`,
    /// `policy`, `reconciled`, `restored`, `issued_rows`, `approval_rows`, `revocation_rows`, `last_allow`, `last_approved`,
    /// `last_revoked`, `request_rows`, `request_unended`, `request_changes`, `last_opened`, `last_changed`, `first`, `first_hash`,
    /// `archived`. One row, the first.
    Ledger,
    /// `bytes` of the signed head that the log begins at, if records were taken out.
    SignedHead,
    /// `start`, `pruned_to` of the marks. One row.
    Limits,
    /// `seq`, `json`.
    Record,
    /// `seq`, `kind` (payload 0, context 1, facts 2, salt 3, token 4), `bytes`.
    Side,
    /// `action`, `tenant`, `agent`, `action_hash`, `is_committed`, `seq`, `record`, `ledger_hash`, `pass`, `expires`, `audience`.
    Issued,
    /// `id`, `approver`, `seq`.
    Approval,
    /// `id`, `seq`, `record`, `ledger_hash`.
    Revocation,
    /// `pass`, `seq`, `outcome`, `contradiction`.
    Used,
    /// `pass`, `issuer`, `until`.
    Mark,
    /// `decision`, `id`, `tenant`, `agent`, `action_hash`, `client`, `created`, `expires`, `ended`, `holds`, `failed`,
    /// `version`, `last`, `is_committed`, `side`, `document`.
    Request,
    /// `request`, `place`, `vote`, `principal`, `bytes`.
    RequestSide,
    /// `tenant`, `agent`, `request`, `lifted`.
    RequestHold,
}

/// What a column holds, or nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every backend has these")]
pub enum Kind {
    /// A number.
    Number,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A value of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every backend has these")]
pub enum Cell {
    /// None.
    Null,
    /// A number.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Rows of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// Which.
    pub table: Table,
    /// Each with a value for every column.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// All, in the order in which they go.
    pub const ALL: &'static [Self] = &[
        Self::Ledger,
        Self::SignedHead,
        Self::Limits,
        Self::Record,
        Self::Side,
        Self::Issued,
        Self::Approval,
        Self::Revocation,
        Self::Used,
        Self::Mark,
        Self::Request,
        Self::RequestSide,
        Self::RequestHold,
    ];

    /// What its columns hold.
    #[must_use]
    pub const fn kinds(self) -> &'static [Kind] {
        use Kind::{Bytes as B, Number as N, Text as T};
        match self {
            Self::Ledger => &[T, T, N, B, N, B, B, N, N, N, N, N, N, N, N, N, N, N, N, N, N, B, N],
            Self::SignedHead => &[B],
            Self::Limits => &[N, N],
            Self::Record => &[N, T],
            Self::Side => &[N, N, B],
            Self::Issued => &[T, T, T, B, N, N, B, B, B, N, T],
            Self::Approval => &[B, T, N],
            Self::Revocation => &[B, N, B, B],
            Self::Used => &[B, N, N, N],
            Self::Mark => &[B, T, N],
            Self::Request => &[N, B, T, T, B, T, N, N, T, N, N, N, N, N, B, T],
            Self::RequestSide => &[N, N, B, T, B],
            Self::RequestHold => &[T, T, B, N],
        }
    }
}

impl Cell {
    const fn bytes(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Number(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// A page, or the end.
type Sent = Result<Option<Page>, StoreError>;

/// The pages of a store, read on a thread of their own from one moment of it. Whoever takes them to their end has all of it; an
/// error says that there was more.
#[derive(Debug)]
pub struct Pages {
    pages: Receiver<Sent>,
    has_ended: bool,
}

impl Pages {
    /// What this reads, on a thread of its own, which ends when nobody takes pages any more.
    ///
    /// # Errors
    /// [`StoreCode::StoreUnavailable`] without such a thread.
    pub fn read(
        read: impl FnOnce(&mut PageWriter) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (out, pages) = sync_channel(2);
        let reading = move || {
            let mut writer = PageWriter {
                out,
                page: None,
                bytes: 0,
            };
            let end = read(&mut writer).and_then(|()| writer.flush()).map(|()| None);
            // Nobody may wait for it any more.
            let _ = writer.out.send(end);
        };
        let named = thread::Builder::new().name("actionpass-contents".to_owned());
        let started = named.spawn(reading);
        started.map_err(|error| StoreError::with_source(StoreCode::StoreUnavailable, error))?;
        Ok(Self {
            pages,
            has_ended: false,
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Page, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let sent = self.pages.recv().unwrap_or_else(|_| {
            let cut_off = "the reading of a store ended halfway";
            Err(StoreError::with_source(StoreCode::StorePoisoned, cut_off))
        });
        self.has_ended = !matches!(sent, Ok(Some(_)));
        sent.transpose()
    }
}

/// Where the rows of a store go, table by table.
#[derive(Debug)]
pub struct PageWriter {
    out: SyncSender<Sent>,
    page: Option<Page>,
    bytes: usize,
}

impl PageWriter {
    /// Hands a row on. Waits while there are pages that nobody took yet.
    ///
    /// # Errors
    /// [`StoreCode::StoreUnavailable`] if nobody takes pages any more.
    pub fn row(&mut self, table: Table, row: Vec<Cell>) -> Result<(), StoreError> {
        if self.page.as_ref().is_some_and(|page| page.table != table) {
            self.flush()?;
        }
        self.bytes = row.iter().map(Cell::bytes).fold(self.bytes, usize::saturating_add);
        let page = self.page.get_or_insert_with(|| Page {
            table,
            rows: Vec::new(),
        });
        page.rows.push(row);
        if page.rows.len() >= PAGE.0 || self.bytes >= PAGE.1 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let Some(page) = self.page.take() else { return Ok(()) };
        let gone = |_| StoreError::with_source(StoreCode::StoreUnavailable, "nobody takes what is read");
        self.out.send(Ok(Some(page))).map_err(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_and_a_panic_are_no_end() {
        let row = || vec![Cell::Number(1), Cell::Number(2)];
        let all = |pages: Pages| pages.collect::<Result<Vec<Page>, _>>();
        let whole = Pages::read(move |out| (0..2500).try_for_each(|_| out.row(Table::Limits, row()))).unwrap();
        let sizes: Vec<usize> = all(whole).unwrap().iter().map(|page| page.rows.len()).collect();
        assert_eq!(sizes, [1000, 1000, 500]);

        let broken = Pages::read(move |out| {
            out.row(Table::Limits, row())?;
            Err(StoreError::new(StoreCode::StoreCorrupt))
        });
        assert_eq!(all(broken.unwrap()).unwrap_err().code(), StoreCode::StoreCorrupt);
        let panicked = Pages::read(|_| std::panic::resume_unwind(Box::new(())));
        assert_eq!(all(panicked.unwrap()).unwrap_err().code(), StoreCode::StorePoisoned);
    }

    #[test]
    fn tables_go_one_after_the_other() {
        let pages = Pages::read(|out| {
            out.row(Table::Limits, vec![Cell::Number(1), Cell::Number(2)])?;
            out.row(Table::Record, vec![Cell::Number(0), Cell::Text("{}".to_owned())])
        });
        let tables: Vec<Table> = pages.unwrap().map(|page| page.unwrap().table).collect();
        assert_eq!(tables, [Table::Limits, Table::Record]);
    }
}
