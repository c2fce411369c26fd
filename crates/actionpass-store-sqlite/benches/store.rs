//! What durable decisions cost against bare SQLite, and what a million live marks cost a consumption.
//!
//! Everything runs on the folder for temporary files, interleaved, in one run; figures are medians of the rounds. With
//! `--json` one object is printed, `{rows: [{what, ratio, budget, met}]}`; another argument filters: `decisions`, `consume`.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark that can't run may stop"
)]

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actionpass_model::Decision;
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::{CommitOutcome, Consumption, DecisionCommit, DecisionStore, ReplayStart, ReplayStore};
use actionpass_store_sqlite::SqliteStore;
use rusqlite::{Connection, params};

const CALLERS: u64 = 16;
const ROUNDS: usize = 9;
const PER_ROUND: u64 = 6_000;
const LIVE: u64 = 1_000_000;

fn main() {
    // `cargo test --benches` runs this too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"))
        .unwrap_or_default();
    let mut rows = Vec::new();
    if "decisions".contains(&filter) {
        rows.push(decisions());
    }
    if "consume".contains(&filter) {
        rows.push(consumptions("one after the other", true));
        rows.push(consumptions("strewn", false));
    }
    if std::env::args().any(|argument| argument == "--json") {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        println!("{{\"rows\":[{}]}}", rows.join(","));
    } else {
        rows.iter().for_each(Row::print);
    }
}

struct Row {
    what: String,
    ours: f64,
    theirs: f64,
    ratio: f64,
    budget: f64,
    /// The ratio must not be less; else it must not be more.
    at_least: bool,
}

impl Row {
    fn met(&self) -> bool {
        if self.at_least {
            self.ratio >= self.budget
        } else {
            self.ratio <= self.budget
        }
    }

    fn print(&self) {
        let sign = if self.at_least { "≥" } else { "≤" };
        let Self {
            what,
            ours,
            theirs,
            ratio,
            budget,
            ..
        } = self;
        let met = if self.met() { "met" } else { "NOT MET" };
        println!("{what}: {ours:.0}/s, against {theirs:.0}/s: {ratio:.2} ({sign} {budget:.2}, {met})");
    }

    fn json(&self) -> String {
        let Self {
            what, ratio, budget, ..
        } = self;
        format!(
            "{{\"what\":\"{what}\",\"ratio\":{ratio:.3},\"budget\":{budget},\"met\":{}}}",
            self.met()
        )
    }
}

/// Durable decisions a second with 16 callers, against group commits of approval mark, record and head in bare SQLite.
fn decisions() -> Row {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    let store = SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap();
    let bare = Bare::start(&folder.path().join("bare.db"));
    let mut next = 0;
    let record = match block_on(store.commit(decision(u64::MAX))).unwrap() {
        CommitOutcome::Committed(record) => record.json().to_vec(),
        other => unreachable!("{other:?}"),
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // What is signed and judged before is not the store's: the drafts are made outside of the time.
        let drafts = shares(&mut next, decision);
        ours.push(rate(drafts, |commit: DecisionCommit| {
            let outcome = block_on(store.commit(commit)).unwrap();
            assert!(matches!(outcome, CommitOutcome::Committed(_)));
        }));
        let marks = shares(&mut next, |number| number);
        theirs.push(rate(marks, |number| bare.commit(number, record.clone())));
    }
    row(
        "durable decisions, 16 callers, against bare group commits",
        &ours,
        &theirs,
        0.7,
        true,
    )
}

fn decision(number: u64) -> DecisionCommit {
    let mut commit = fixtures::decision(
        number,
        Decision::Allow,
        vec![fixtures::approval("user:ann@example.com", number)],
    );
    commit.action.action = format!("act_{number:032x}").parse().unwrap();
    // About as long as a pass is.
    if let Some(allow) = &mut commit.allow {
        allow.token = "x".repeat(1270);
    }
    commit
}

/// Consumptions a second with 16 callers: a million live marks against none; `ratio` is of the times.
fn consumptions(what: &str, in_order: bool) -> Row {
    let folder = TempFolder::new();
    let open = |name: &str, live| {
        let path = folder.path().join(name);
        drop(SqliteStore::create(&path, None, ReplayStart::first(fixtures::at(0))).unwrap());
        fill(&path, live, in_order);
        SqliteStore::open(&path).unwrap()
    };
    let (full, empty) = (open("full.db", LIVE), open("empty.db", 0));
    let mut next = 0;
    let mut consume = |store: &SqliteStore| {
        let marks = shares(&mut next, |number| mark(number, in_order));
        rate(marks, |mark| {
            let outcome = block_on(store.consume(&mark, fixtures::at(1))).unwrap();
            assert_eq!(outcome, Consumption::Consumed);
        })
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(consume(&full));
        without.push(consume(&empty));
    }
    let mut row = row(
        &format!("consume with a million live marks, ids {what}"),
        &with,
        &without,
        2.0,
        false,
    );
    row.ratio = 1.0 / row.ratio;
    row
}

fn mark(number: u64, in_order: bool) -> actionpass_store::Mark {
    let high = if in_order {
        u128::from(LIVE + number)
    } else {
        u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    };
    let mut mark = fixtures::mark(0, 0);
    mark.pass = format!("ap_{:032x}", (high << 64) | u128::from(number))
        .parse()
        .unwrap();
    mark
}

fn fill(path: &Path, live: u64, in_order: bool) {
    let pass = if in_order {
        "unhex(printf('%016x%016x', i, i))"
    } else {
        "randomblob(16)"
    };
    let until = fixtures::mark(0, 0).until().get();
    let sql = format!(
        "PRAGMA cache_size = -200000;
         INSERT INTO issuer (id, name) VALUES (1, '{}');
         WITH RECURSIVE n(i) AS (SELECT 1 WHERE {live} > 0 UNION ALL SELECT i + 1 FROM n WHERE i < {live})
         INSERT INTO replay (issuer, pass, until) SELECT 1, {pass}, {until} + i / 1000 FROM n ORDER BY 2",
        fixtures::log().issuer(),
    );
    Connection::open(path).unwrap().execute_batch(&sql).unwrap();
}

/// What each caller of a round calls with. Ids of ours grow with time, so those of calls at once are neighbours.
fn shares<T>(next: &mut u64, make: impl Fn(u64) -> T) -> Vec<Vec<T>> {
    let first = *next;
    *next += PER_ROUND;
    let share = |caller| (first + caller..*next).step_by(CALLERS as usize).map(&make).collect();
    (0..CALLERS).map(share).collect()
}

/// Calls a second, with each caller's calls one after the other.
fn rate<T: Send>(calls: Vec<Vec<T>>, call: impl Fn(T) + Sync) -> f64 {
    let count: usize = calls.iter().map(Vec::len).sum();
    let start = Instant::now();
    thread::scope(|scope| {
        for calls in calls {
            scope.spawn(|| calls.into_iter().for_each(&call));
        }
    });
    count as f64 / start.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn row(what: &str, ours: &[f64], theirs: &[f64], budget: f64, at_least: bool) -> Row {
    // Neighbouring rounds see the same machine, so the ratio is the median of theirs.
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    let (ours, theirs, ratio) = (median(ours), median(theirs), median(&ratios));
    Row {
        what: what.to_owned(),
        ours,
        theirs,
        ratio,
        budget,
        at_least,
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The least that a durable decision needs: three rows, many in one transaction.
struct Bare(mpsc::Sender<(u64, Vec<u8>, mpsc::SyncSender<()>)>);

impl Bare {
    fn start(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        let tables = "CREATE TABLE mark (approver TEXT, id TEXT, PRIMARY KEY (approver, id)) WITHOUT ROWID;
             CREATE TABLE record (seq INTEGER PRIMARY KEY, json BLOB);
             CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER, hash BLOB); INSERT INTO head VALUES (0, 0, '')";
        connection.execute_batch(tables).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(first) = receiver.recv() {
                let mut batch: Vec<(u64, Vec<u8>, mpsc::SyncSender<()>)> = vec![first];
                batch.extend(receiver.try_iter());
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                for (number, json, _) in &batch {
                    let mut mark = connection.prepare_cached("INSERT INTO mark VALUES (?1, ?2)").unwrap();
                    mark.execute(params!["user:ann@example.com", format!("apr_{number:032x}")])
                        .unwrap();
                    let mut record = connection
                        .prepare_cached("INSERT INTO record (json) VALUES (?1)")
                        .unwrap();
                    record.execute(params![json]).unwrap();
                    let mut head = connection
                        .prepare_cached("UPDATE head SET size = size + 1, hash = ?1")
                        .unwrap();
                    head.execute(params![[7_u8; 32]]).unwrap();
                }
                connection.execute_batch("COMMIT").unwrap();
                batch.into_iter().for_each(|(_, _, reply)| reply.send(()).unwrap());
            }
        });
        Self(sender)
    }

    fn commit(&self, number: u64, record: Vec<u8>) {
        let (reply, answer) = mpsc::sync_channel(1);
        self.0.send((number, record, reply)).unwrap();
        answer.recv().unwrap();
    }
}
