//! Durable decisions against bare SQLite, and what a million live marks cost a consumption.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{Authorizer, Request};
use actionpass_crypto::{PublicKey, Residence, SignFuture, Signature, Signer, SigningInput, SoftwareKey};
use actionpass_model::{Issuer, PassId, UnixSeconds};
use actionpass_store::{CommitOutcome, Consumption, DecisionCommit, DecisionStore, Mark, ReplayStart, ReplayStore};
use actionpass_store_sqlite::{SqliteStore, Witness};
use futures_util::future::join_all;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::Effort;
use crate::bout::Bout;
use crate::fixture::{Fixture, ISSUER, block_on};
use crate::row::{Budget, Row};
use crate::template::{Template, action_with_id, shares};

const CALLERS: usize = 16;

/// Decisions per second of 16 callers, acknowledged when they are durable.
pub(crate) fn decisions(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let each = effort.of(100, 4);
    let folder = folder();
    let template = Template::of(fixture);
    let bare = Bare::start(&folder.path().join("bare.db"));
    let log = fixture.config.log().unwrap();
    let create = |name: &str| {
        let start = ReplayStart::first(fixture.at());
        Arc::new(SqliteStore::create(&folder.path().join(name), Some(&log), start).unwrap())
    };
    let witnessed = |name: &str| {
        drop(create(name));
        let witness = Witness::at(folder.path().join(name).with_extension("witness"));
        Arc::new(SqliteStore::open_witnessed(&folder.path().join(name), witness).unwrap())
    };
    let (marked, whole) = (create("marked.db"), create("whole.db"));
    let seen = witnessed("seen.db");
    let signer = Arc::new(Unsigned::of(&fixture.key));
    let issuing = fixture.reviewing(Arc::clone(&signer) as _, create("issuer.db"));
    let issuing_seen = fixture.reviewing(Arc::clone(&signer) as _, witnessed("issuer-seen.db"));
    let allowing = fixture.allowing(signer, create("allowing.db"));
    let commit_all = |store: &SqliteStore, commits: Vec<Vec<DecisionCommit>>| {
        callers(commits, |commit| {
            let outcome = block_on(store.commit(commit)).unwrap();
            assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
        });
    };
    let mut bout = Bout::new(effort.of(21, 2), Duration::from_millis(4), effort, &fixture.control);
    let reference = bout.add_burst(CALLERS * each, || {
        let rows = shares(CALLERS, each, || template.record_bytes.clone());
        || callers(rows, |row| bare.insert(row))
    });
    let small = bout.add_burst(CALLERS * each, || {
        let commits = shares(CALLERS, each, || template.commit(false));
        || commit_all(&marked, commits)
    });
    let stored = bout.add_burst(CALLERS * each, || {
        let commits = shares(CALLERS, each, || template.commit(true));
        || commit_all(&whole, commits)
    });
    let small_seen = bout.add_burst(CALLERS * each, || {
        let commits = shares(CALLERS, each, || template.commit(false));
        || commit_all(&seen, commits)
    });
    let authorize_all = |issuing: &Authorizer, requests: Vec<Vec<(String, String)>>| {
        callers(requests, |(action, approval)| {
            let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
            let request = Request::new(&action, &fixture.caller).with_approval(approval);
            assert!(block_on(issuing.authorize(request)).unwrap().pass.is_some());
        });
    };
    let requests = || shares(CALLERS, each, || (action_with_id(fixture), fixture.approval()));
    let authorized = bout.add_burst(CALLERS * each, || {
        let requests = requests();
        || authorize_all(&issuing, requests)
    });
    let authorized_seen = bout.add_burst(CALLERS * each, || {
        let requests = requests();
        || authorize_all(&issuing_seen, requests)
    });
    let unapproved = bout.add_burst(CALLERS * each, || {
        let actions = shares(CALLERS, each, || action_with_id(fixture));
        || {
            callers(actions, |action| {
                let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
                let request = Request::new(&action, &fixture.caller);
                assert!(block_on(allowing.authorize(request)).unwrap().pass.is_some());
            });
        }
    });
    let outcome = bout.run();

    let rate = |id| format!("{:.0}/s", 1.0 / outcome.time(id));
    let figure = |id| format!("{} : {}", rate(id), rate(reference));
    let ratio = |id| outcome.ratio(reference, id);
    vec![
        Row::new(
            "durable decisions, 16 callers: approval mark, record and head, against bare one-row SQLite group commits",
            figure(small),
            ratio(small),
            Budget::AtLeast(0.7),
            &outcome,
        ),
        Row::new(
            "durable decisions, 16 callers: all of authorize with one approval, signing left out, against the same",
            figure(authorized),
            ratio(authorized),
            Budget::AtLeast(0.5),
            &outcome,
        )
        .beside(format!(
            "the store's part alone, with token, payload and idempotency: {} or {:.2} ×; without an approval: {} or {:.2} ×",
            rate(stored),
            ratio(stored),
            rate(unapproved),
            ratio(unapproved)
        )),
        Row::new(
            "the first of these with a witness, against without",
            format!("{} : {}", rate(small_seen), rate(small)),
            outcome.ratio(small, small_seen),
            Budget::AtLeast(0.5),
            &outcome,
        )
        .beside(format!(
            "the second: {} : {} or {:.2} ×",
            rate(authorized_seen),
            rate(authorized),
            outcome.ratio(authorized, authorized_seen)
        )),
    ]
}

/// What a consumption costs with a million live marks in the store, against an empty one.
pub(crate) fn consume(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let each = effort.of(100, 4);
    let folder = folder();
    let start = fixture.at();
    let open = |name: &str| SqliteStore::create(&folder.path().join(name), None, ReplayStart::first(start)).unwrap();
    let (full, empty) = (open("full.db"), open("empty.db"));
    let later = start.saturating_add(1);
    for _ in 0..effort.of(200, 2) {
        let marks: Vec<_> = (0..5_000).map(|_| mark(start)).collect();
        let consumed = block_on(join_all(marks.iter().map(|mark| full.consume(mark, later))));
        assert!(
            consumed
                .into_iter()
                .all(|consumed| consumed.unwrap() == Consumption::Consumed)
        );
    }
    let consume = |store: &SqliteStore, marks: Vec<Vec<Mark>>| {
        callers(marks, |mark| {
            assert_eq!(block_on(store.consume(&mark, later)).unwrap(), Consumption::Consumed)
        });
    };
    let marks = || shares(CALLERS, each, || mark(start));

    let mut bout = Bout::new(effort.of(21, 2), Duration::from_millis(4), effort, &fixture.control);
    let with = bout.add_burst(CALLERS * each, || {
        let marks = marks();
        || consume(&full, marks)
    });
    let without = bout.add_burst(CALLERS * each, || {
        let marks = marks();
        || consume(&empty, marks)
    });
    let (one_with, one_without) = (
        bout.add(|| consume(&full, vec![vec![mark(start)]])),
        bout.add(|| consume(&empty, vec![vec![mark(start)]])),
    );
    let outcome = bout.run();
    let row = Row::new(
        "consume with a million live marks, 16 callers, against an empty store",
        format!(
            "{:.0}/s : {:.0}/s",
            1.0 / outcome.time(with),
            1.0 / outcome.time(without)
        ),
        outcome.ratio(with, without),
        Budget::AtMost(2.0),
        &outcome,
    );
    vec![row.beside(format!("one caller: {:.2} ×", outcome.ratio(one_with, one_without)))]
}

/// On the disk that the project is built on: the folder for temporary files may be memory, where nothing is durable.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// Each caller does its own work, one after the other.
fn callers<T: Send>(work: Vec<Vec<T>>, operation: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for work in work {
            scope.spawn(|| work.into_iter().for_each(&operation));
        }
    });
}

fn mark(start: UnixSeconds) -> Mark {
    Mark {
        issuer: Issuer::parse(ISSUER).unwrap(),
        pass: PassId::from_uuid(Uuid::now_v7()),
        issued_at: start,
        expires_at: start.saturating_add(600),
    }
}

/// A custodian that gives everything the same signature at once.
#[derive(Debug)]
struct Unsigned {
    key: PublicKey,
    signature: Signature,
}

impl Unsigned {
    fn of(key: &SoftwareKey) -> Self {
        let input = SigningInput::probe(&[7; 32], key.public_key());
        Self {
            key: key.public_key().clone(),
            signature: key.sign_now(&input).unwrap(),
        }
    }
}

impl Signer for Unsigned {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn custodian(&self) -> &str {
        "unsigned"
    }

    fn residence(&self) -> Residence {
        Residence::Process
    }

    fn sign<'a>(&'a self, _input: &'a SigningInput) -> SignFuture<'a> {
        Box::pin(std::future::ready(Ok(self.signature.clone())))
    }
}

/// The least that durability costs: one row for each caller, all that wait in one transaction.
struct Bare(mpsc::Sender<(Vec<u8>, mpsc::SyncSender<()>)>);

impl Bare {
    fn start(path: &Path) -> Self {
        let mut connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        connection
            .execute_batch("CREATE TABLE record (seq INTEGER PRIMARY KEY, json BLOB)")
            .unwrap();
        let (sender, waiting) = mpsc::channel::<(Vec<u8>, mpsc::SyncSender<()>)>();
        thread::spawn(move || {
            while let Ok(first) = waiting.recv() {
                let batch: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                let transaction = connection
                    .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
                    .unwrap();
                for (row, _) in &batch {
                    let mut insert = transaction
                        .prepare_cached("INSERT INTO record (json) VALUES (?1)")
                        .unwrap();
                    insert.execute(params![row]).unwrap();
                }
                transaction.commit().unwrap();
                for (_, done) in batch {
                    done.send(()).unwrap();
                }
            }
        });
        Self(sender)
    }

    fn insert(&self, row: Vec<u8>) {
        let (done, wait) = mpsc::sync_channel(1);
        self.0.send((row, done)).unwrap();
        wait.recv().unwrap();
    }
}
