//! Work on a store, and the oracle that knows what of it was acknowledged.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, io};

use actionpass_model::Decision;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, LedgerCode, LedgerVerifier, verify_jsonl};
use actionpass_store::{
    AppendOutcome, CommitOutcome, Consumption, DecisionStore, LedgerExt, ReplayCode, StoreError, UseStore, UsedUp,
};
use actionpass_store_postgres::PostgresStore;
use actionpass_store_sqlite::SqliteStore;

use crate::dice::Dice;
use crate::tally::Wrong;

/// A store that is worked on, of any backend.
pub(crate) trait Backend: DecisionStore + UseStore {
    /// The whole log, as JSON lines.
    fn exported(&self) -> io::Result<Vec<u8>>;

    /// Compares the tables with the log.
    fn check_tables(&self) -> Result<(), StoreError>;
}

impl Backend for SqliteStore {
    fn exported(&self) -> io::Result<Vec<u8>> {
        let mut export = Vec::new();
        self.export(&mut export).map(|_| export)
    }

    fn check_tables(&self) -> Result<(), StoreError> {
        self.check_rows()
    }
}

impl Backend for PostgresStore {
    fn exported(&self) -> io::Result<Vec<u8>> {
        let mut export = Vec::new();
        self.export(&mut export).map(|_| export)
    }

    fn check_tables(&self) -> Result<(), StoreError> {
        block_on(self.check_rows())
    }
}

/// What was found wrong.
pub(crate) type Found = Vec<(Wrong, String)>;

/// One thing to do, each with a number of its own but for what is done once more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Op {
    /// Allow an action that a person approved.
    Allow(u64),
    /// Use the pass of an allow up, with its record.
    UseUp(u64),
    /// Use a pass up that was issued elsewhere, without a record.
    Consume(u64),
    /// Record a revocation.
    Revoke(u64),
    /// Erase what lies beside the record with this number, which takes the write-ahead log into the file.
    Erase(u64),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(number) => write!(f, "allow {number}"),
            Self::UseUp(number) => write!(f, "useup {number}"),
            Self::Consume(number) => write!(f, "consume {number}"),
            Self::Revoke(number) => write!(f, "revoke {number}"),
            Self::Erase(number) => write!(f, "erase {number}"),
        }
    }
}

impl Op {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (word, number) = text.split_once(' ')?;
        let number = number.parse().ok()?;
        Some(match word {
            "allow" => Self::Allow(number),
            "useup" => Self::UseUp(number),
            "consume" => Self::Consume(number),
            "revoke" => Self::Revoke(number),
            "erase" => Self::Erase(number),
            _ => return None,
        })
    }
}

/// What became of an [`Op`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Done {
    /// Acknowledged, with its record if it has one.
    Acknowledged(Option<KnownHead>),
    /// It was done before.
    Before,
    /// It is refused for another reason.
    Refused,
}

/// Does it.
pub(crate) fn perform(store: &impl Backend, op: Op) -> Result<Done, StoreError> {
    let recorded = |record: &actionpass_store::ledger::SealedRecord| {
        Done::Acknowledged(Some(KnownHead::new(record.seq(), record.ledger_hash())))
    };
    Ok(match op {
        Op::Allow(number) => allow(store, number, number)?,
        Op::UseUp(number) => {
            match block_on(store.use_up(fixtures::mark(number, 0), fixtures::at(1), fixtures::used(number)))? {
                UsedUp::Recorded(record) => recorded(&record),
                UsedUp::Refused(ReplayCode::AlreadyUsed) => Done::Before,
                UsedUp::Refused(_) => Done::Refused,
            }
        }
        Op::Consume(number) => match block_on(store.consume(&fixtures::mark(number, 0), fixtures::at(1)))? {
            Consumption::Consumed => Done::Acknowledged(None),
            Consumption::Refused(ReplayCode::AlreadyUsed) => Done::Before,
            Consumption::Refused(_) => Done::Refused,
        },
        Op::Revoke(number) => match block_on(store.append_one(fixtures::revoked(number, number, 1)))? {
            AppendOutcome::Appended(record) => recorded(&record),
            AppendOutcome::AlreadyRecorded(_) => Done::Before,
        },
        Op::Erase(seq) => match block_on(store.append_one(fixtures::erased(seq, vec![seq])))? {
            AppendOutcome::Appended(record) => recorded(&record),
            AppendOutcome::AlreadyRecorded(_) => Done::Before,
        },
    })
}

/// Allows action `number` by approval `approval`.
fn allow(store: &impl Backend, number: u64, approval: u64) -> Result<Done, StoreError> {
    let approvals = vec![fixtures::approval("user:ann", approval)];
    Ok(
        match block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals)))? {
            CommitOutcome::Committed(record) => {
                Done::Acknowledged(Some(KnownHead::new(record.seq(), record.ledger_hash())))
            }
            CommitOutcome::AlreadyIssued(_) | CommitOutcome::ApprovalUsed(_) => Done::Before,
            _ => Done::Refused,
        },
    )
}

/// What was begun, and of what was acknowledged the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) begun: Vec<Op>,
    pub(crate) acknowledged: BTreeMap<Op, Option<KnownHead>>,
}

impl Known {
    /// The next thing to do.
    pub(crate) fn plan(&self, dice: &mut Dice, number: u64) -> Op {
        let allowed = || self.acknowledged.iter().filter(|(op, _)| matches!(op, Op::Allow(_)));
        let some = |dice: &mut Dice| {
            let count = allowed().count();
            (count > 0).then(|| allowed().nth(dice.index(count)).unwrap())
        };
        match dice.below(10) {
            0..4 => Op::Allow(number),
            4..6 => match some(dice) {
                Some((Op::Allow(allowed), _)) => Op::UseUp(*allowed),
                _ => Op::Allow(number),
            },
            6..8 => Op::Consume(number),
            8 => Op::Revoke(number),
            _ => match some(dice) {
                Some((_, Some(head))) => Op::Erase(head.seq()),
                _ => Op::Revoke(number),
            },
        }
    }

    /// Notes what an operation came to; what was done twice is found.
    pub(crate) fn note(&mut self, op: Op, done: &Done) -> Found {
        let Done::Acknowledged(head) = done else {
            return Vec::new();
        };
        let again = self.acknowledged.insert(op, *head).is_some();
        match op {
            Op::Allow(_) if again => vec![(Wrong::PassedTwice, format!("{op} was acknowledged twice"))],
            Op::UseUp(_) | Op::Consume(_) if again => {
                vec![(Wrong::ConsumedTwice, format!("{op} was acknowledged twice"))]
            }
            _ => Vec::new(),
        }
    }

    /// Compares a store with what was acknowledged, tries to do it all once more, and goes on with it.
    ///
    /// Of what takes long the last and some more are tried.
    pub(crate) fn check(&self, path: &Path, dice: &mut Dice) -> Found {
        match SqliteStore::open(path) {
            Ok(store) => self.check_open(&store, dice),
            Err(error) => vec![(Wrong::Corrupt, format!("it can't be opened: {}", error.code()))],
        }
    }

    /// The same of a store that is open.
    pub(crate) fn check_open(&self, store: &impl Backend, dice: &mut Dice) -> Found {
        let mut found = verified(store, &self.acknowledged);
        let all: Vec<Op> = self.acknowledged.keys().copied().collect();
        let mut again = dice.sample(all, 6);
        again.extend(self.begun.iter().rev().take(4));
        for op in again {
            found.extend(
                self.again(store, op)
                    .unwrap_or_else(|error| vec![(Wrong::Corrupt, format!("{op} once more: {}", error.code()))]),
            );
        }
        // It goes on, and what was tried changed nothing that was there.
        let number = GOING_ON + dice.below(GOING_ON);
        match perform(store, Op::Allow(number)) {
            Ok(Done::Acknowledged(_)) => {}
            other => found.push((Wrong::Corrupt, format!("it doesn't go on: {other:?}"))),
        }
        found.extend(verified(store, &self.acknowledged));
        found
    }

    /// Does once more what was done, or was begun and may have been done.
    fn again(&self, store: &impl Backend, op: Op) -> Result<Found, StoreError> {
        let is_known = self.acknowledged.contains_key(&op);
        let mut found = Vec::new();
        let mut twice = |wrong, what: &str| found.push((wrong, format!("{op} {what}")));
        match op {
            Op::Allow(number) => {
                let was_there = block_on(store.find(&fixtures::action(number)))?.is_some();
                let done = perform(store, op)?;
                if was_there || is_known {
                    if done != Done::Before {
                        twice(Wrong::PassedTwice, "was allowed once more");
                    }
                } else if !matches!(done, Done::Acknowledged(_)) {
                    twice(Wrong::Corrupt, "can't be done");
                }
                // By another action with the same approval.
                if allow(store, number + ANOTHER, number)? != Done::Before {
                    twice(Wrong::PassedTwice, "and its approval allows another action");
                }
            }
            Op::UseUp(_) | Op::Consume(_) => {
                let first = perform(store, op)?;
                if is_known && first != Done::Before {
                    twice(Wrong::ConsumedTwice, "was done once more");
                }
                if perform(store, op)? != Done::Before {
                    twice(Wrong::ConsumedTwice, "was done twice after");
                }
            }
            Op::Revoke(_) => {
                let first = perform(store, op)?;
                if is_known && first != Done::Before {
                    twice(Wrong::Lost, "was recorded once more");
                }
            }
            Op::Erase(_) => {}
        }
        Ok(found)
    }
}

const GOING_ON: u64 = 1 << 40;
const ANOTHER: u64 = 1 << 50;

/// The chain is whole and says nothing that can't be, the tables are as it says, and every acknowledged record is there.
fn verified(store: &impl Backend, acknowledged: &BTreeMap<Op, Option<KnownHead>>) -> Found {
    let export = match store.exported() {
        Ok(export) => export,
        Err(error) => return vec![(Wrong::Corrupt, format!("it can't be read: {error}"))],
    };
    let mut found = Vec::new();
    let verifier = LedgerVerifier::new(ChainVerifier::new().with_log(fixtures::log()));
    if let Err(error) = verify_jsonl(export.as_slice(), verifier) {
        let wrong = match error.code() {
            LedgerCode::LedgerPassUsedTwice => Wrong::ConsumedTwice,
            LedgerCode::LedgerApprovalUsedTwice | LedgerCode::LedgerActionAllowedTwice => Wrong::PassedTwice,
            _ => Wrong::Corrupt,
        };
        found.push((wrong, format!("the chain: {error}")));
    }
    if let Err(error) = store.check_tables() {
        found.push((Wrong::Corrupt, format!("the tables: {}", error.code())));
    }
    let text = String::from_utf8_lossy(&export);
    let hashes: Vec<&str> = text
        .lines()
        .map(|line| {
            let (_, rest) = line.split_once("\"ledgerHash\":\"").unwrap_or_default();
            rest.split('"').next().unwrap_or_default()
        })
        .collect();
    for (op, head) in acknowledged {
        if let Some(head) = head {
            let place = usize::try_from(head.seq()).unwrap();
            let there = hashes.get(place).map(|hash| format!("{place}:{hash}"));
            if there.as_deref() != Some(head.to_string().as_str()) {
                found.push((Wrong::Lost, format!("{op}, record {head}: there is {there:?}")));
            }
        }
    }
    found
}
