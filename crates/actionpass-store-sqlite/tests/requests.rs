//! A process that opens, votes on and settles approval requests, and is killed.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use actionpass_model::VoteKind;
use actionpass_queue::Limits;
use actionpass_store::conformance::requests::{cancel, changes, id, opens_within, settles, votes};
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, LedgerVerifier, SealedRecord, verify_jsonl};
use actionpass_store::{
    Change, ChangeOutcome, CommitOutcome, DecisionCommit, DecisionStore, QueueStore, ReplayStart, SideKind,
};
use actionpass_store_sqlite::SqliteStore;

const TASK: &str = "ACTIONPASS_QUEUE_CHILD";

fn spawn(round: u64, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, format!("{round} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process started by another test does: requests, one after the other, until it is killed.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (round, path) = task.split_once(' ').unwrap();
    let round: u64 = round.parse().unwrap();
    let store = SqliteStore::open(Path::new(path)).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || (round * 100_000..u64::MAX).for_each(|turn| live(store, turn * 4 + writer)));
        }
    });
}

/// The life of a request, which says what was acknowledged. Each writer has its own kind of them; those of one are so far
/// apart in time that no decline counts with another.
fn live(store: &SqliteStore, number: u64) {
    let seconds = number * 4000;
    let (opener, second, third) = (number * 4, number * 4 + 1, number * 4 + 2);
    let mut limits = Limits::DEFAULT;
    (limits.live_per_agent, limits.opened_per_hour) = (u64::MAX, u64::MAX);
    let mut open = opens_within(number, number, seconds, limits);
    open.record = open.record.with_side(SideKind::Context, b"{}".to_vec());
    commit(store, number, 0, open);
    let vote = |version, vote, kind| votes(number, version, vote, &format!("user:p{vote}"), kind, seconds + 1);
    change(store, number, 1, vote(0, opener, VoteKind::Approve));
    match number % 4 {
        0 => change(store, number, 2, vote(1, second, VoteKind::Decline)),
        1 => change(store, number, 2, changes(number, 1, cancel(seconds + 2), seconds + 2)),
        2 => {
            change(store, number, 2, vote(1, second, VoteKind::Approve));
            commit(store, number, 3, settles(third, number, number, 2, seconds + 3));
        }
        // It waits for ever.
        _ => {}
    }
}

fn commit(store: &SqliteStore, request: u64, version: u64, commit: DecisionCommit) {
    match block_on(store.commit(commit)).unwrap() {
        CommitOutcome::Committed(record) => acknowledged(request, version, &record),
        other => panic!("{other:?}"),
    }
}

fn change(store: &SqliteStore, request: u64, version: u64, change: Change) {
    match block_on(store.change(change)).unwrap() {
        ChangeOutcome::Changed(changed, record) if changed.version == version => {
            acknowledged(request, version, &record);
        }
        other => panic!("{other:?}"),
    }
}

fn acknowledged(request: u64, version: u64, record: &SealedRecord) {
    let head = KnownHead::new(record.seq(), record.ledger_hash());
    println!("\nacknowledged {request} {version} {head}");
}

/// The lines of a child that are whole: request, version, head.
fn said(child: &mut Child) -> impl Iterator<Item = (u64, u64, KnownHead)> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines.map_while(Result::ok).filter_map(|line| {
        let line = String::from_utf8(line).ok()?;
        let mut words = line.strip_prefix("acknowledged ")?.split(' ');
        let (request, version) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((request, version, words.next()?.parse().ok()?))
    })
}

/// G10 and G18: every change that was acknowledged before a kill is there, with its record and its token, none is there by
/// half, and requests and log agree.
#[test]
fn g10_requests_survive_kill_9() {
    let folder = TempFolder::new();
    let path = folder.path().join("ledger.db");
    drop(SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap());
    let mut versions: HashMap<u64, u64> = HashMap::new();
    let mut heads = Vec::new();
    for round in 0..8_u64 {
        let mut child = spawn(round, &path);
        let mut lines = said(&mut child);
        let before = heads.len();
        let mut note = |(request, version, head): (u64, u64, KnownHead)| {
            let known = versions.entry(request).or_default();
            *known = version.max(*known);
            heads.push(head);
        };
        lines
            .by_ref()
            .take(usize::try_from(5 + (round * 37) % 60).unwrap())
            .for_each(&mut note);
        child.kill().unwrap();
        // Also what it said between our last look and its end.
        lines.for_each(&mut note);
        child.wait().unwrap();
        assert!(heads.len() > before);

        let store = SqliteStore::open(&path).unwrap();
        store.check_rows().unwrap();
        let mut export = Vec::new();
        store.export(&mut export).unwrap();
        let chain = ChainVerifier::new().with_log(fixtures::log());
        let chain = heads.iter().copied().fold(chain, ChainVerifier::with_known_head);
        let verified = verify_jsonl(export.as_slice(), LedgerVerifier::new(chain)).unwrap();
        assert!(verified.head.size() >= heads.len() as u64);
        for (request, version) in &versions {
            let stored = block_on(store.request(&id(*request))).unwrap().unwrap();
            assert!(stored.request.version >= *version, "{request}");
            assert!(stored.action.is_some());
            assert_eq!(stored.tokens.len(), stored.request.votes.len(), "{request}");
        }
    }
}
