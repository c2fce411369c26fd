//! Several processes on one file, and processes that are killed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail their test")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use actionpass_model::Decision;
use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, KnownHead, verify_jsonl};
use actionpass_store::{CommitOutcome, Consumption, DecisionStore, ReplayStart, ReplayStore};
use actionpass_store_sqlite::SqliteStore;

const TASK: &str = "ACTIONPASS_STORE_CHILD";

fn made(folder: &TempFolder) -> PathBuf {
    let path = folder.path().join("ledger.db");
    drop(SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap());
    path
}

/// Starts this test binary again as `task`, which [`child`] runs.
fn spawn(task: &str, number: u64, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, format!("{task} {number} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process started by another test does.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut words = task.splitn(3, ' ');
    let (Some(task), Some(number), Some(path)) = (words.next(), words.next(), words.next()) else {
        panic!("{task}")
    };
    let number: u64 = number.parse().unwrap();
    let store = SqliteStore::open(Path::new(path)).unwrap();
    match task {
        "consume" => consume_all(&store),
        "append" => append(&store, number, 25),
        "insist" => insist(&store),
        "forever" => thread::scope(|scope| {
            for writer in 0..4 {
                let store = &store;
                scope.spawn(move || append(store, (number << 8) | writer, u64::MAX));
            }
        }),
        other => panic!("{other}"),
    }
}

fn consume_all(store: &SqliteStore) {
    for number in 0..20 {
        let mark = fixtures::mark(number, 0);
        if block_on(store.consume(&mark, fixtures::at(1))).unwrap() == Consumption::Consumed {
            println!("\nconsumed {number}");
        }
    }
}

/// Allows action after action, each with its own approval, and says which records were acknowledged.
fn append(store: &SqliteStore, writer: u64, count: u64) {
    for number in 0..count {
        let number = (writer << 32) | number;
        let approvals = vec![fixtures::approval("user:ann", number)];
        match block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals))).unwrap() {
            CommitOutcome::Committed(record) => {
                println!(
                    "\nacknowledged {} {number}",
                    KnownHead::new(record.seq(), record.ledger_hash())
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Allows ten actions and asks again where that failed, as a caller would.
fn insist(store: &SqliteStore) {
    for number in 0..10 {
        let approvals = vec![fixtures::approval("user:ann", number)];
        let commit = || block_on(store.commit(fixtures::decision(number, Decision::Allow, approvals.clone())));
        let first = commit();
        if first.is_err() {
            println!("\nfailed {number}");
        }
        let record = match first.or_else(|_| commit()) {
            Ok(CommitOutcome::Committed(record)) => record.to_ref(),
            // The first try took place although it failed.
            Ok(CommitOutcome::AlreadyIssued(issued)) => issued.record,
            other => panic!("{other:?}"),
        };
        println!("\nacknowledged {} {number}", record.head());
    }
}

/// What follows `word` in the child's lines. A line that was cut off says nothing.
fn said(child: &mut Child, word: &str) -> impl Iterator<Item = String> + use<> {
    let prefix = format!("{word} ");
    lines(child).filter_map(move |line| Some(line.strip_prefix(&prefix)?.to_owned()))
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines.map_while(|line| String::from_utf8(line.ok()?).ok())
}

fn verify(store: &SqliteStore, known: impl IntoIterator<Item = KnownHead>) -> u64 {
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    let verifier = ChainVerifier::new().with_log(fixtures::log());
    let verifier = known.into_iter().fold(verifier, ChainVerifier::with_known_head);
    verify_jsonl(export.as_slice(), verifier).unwrap().head.size()
}

/// G6: of 8 processes that consume each of 20 passes, one does.
#[test]
fn g06_of_8_processes_one_consumes() {
    let folder = TempFolder::new();
    let path = made(&folder);
    let mut children: Vec<_> = (0..8).map(|number| spawn("consume", number, &path)).collect();
    let mut consumed: Vec<u64> = children
        .iter_mut()
        .flat_map(|child| said(child, "consumed"))
        .map(|number| number.parse().unwrap())
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    consumed.sort_unstable();
    assert_eq!(consumed, (0..20).collect::<Vec<_>>());
}

/// G11: 16 processes that append at once make one chain.
#[test]
fn g11_16_processes_append_to_one_chain() {
    let folder = TempFolder::new();
    let path = made(&folder);
    let mut children: Vec<_> = (0..16).map(|number| spawn("append", number, &path)).collect();
    let acknowledged: Vec<_> = children
        .iter_mut()
        .flat_map(|child| said(child, "acknowledged"))
        .map(|line| head(&line).0)
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(acknowledged.len(), 400);
    assert_eq!(verify(&SqliteStore::open(&path).unwrap(), acknowledged), 400);
}

/// G10 and G9: whatever was acknowledged before a kill is in the chain, found by its action, its approval used, and
/// nothing is half there.
#[test]
fn g10_what_was_acknowledged_survives_kill_9() {
    let folder = TempFolder::new();
    let path = made(&folder);
    let mut acknowledged = HashMap::new();
    for round in 0..10_u64 {
        let mut child = spawn("forever", round, &path);
        let mut lines = said(&mut child, "acknowledged");
        let before = acknowledged.len();
        for line in lines.by_ref().take(usize::try_from(7 + 13 * round).unwrap()) {
            let (head, number) = head(&line);
            acknowledged.insert(number, head);
        }
        child.kill().unwrap();
        // Also what it said between our last look and its end.
        acknowledged.extend(lines.map(|line| head(&line)).map(|(head, number)| (number, head)));
        child.wait().unwrap();
        assert!(acknowledged.len() > before);

        let store = SqliteStore::open(&path).unwrap();
        let size = verify(&store, acknowledged.values().copied());
        assert!(size >= acknowledged.len() as u64);
        for (number, head) in &acknowledged {
            let issued = block_on(store.find(&fixtures::action(*number))).unwrap().unwrap();
            assert_eq!(issued.record.head(), *head);
            assert_eq!(issued.token, Some(format!("token.of.{number}")));
        }
        let (number, _) = acknowledged.iter().next().unwrap();
        let approvals = vec![fixtures::approval("user:ann", *number)];
        let again = fixtures::decision(u64::MAX, Decision::Allow, approvals.clone());
        let outcome = block_on(store.commit(again)).unwrap();
        assert_eq!(outcome, CommitOutcome::ApprovalUsed(approvals[0].clone()));
    }
}

/// `SEQ:HASH NUMBER`.
fn head(line: &str) -> (KnownHead, u64) {
    let (head, number) = line.split_once(' ').unwrap();
    (head.parse().unwrap(), number.parse().unwrap())
}

/// What `insist` did while one of its system calls was tampered with: how many were acknowledged, how many failed first.
///
/// Whatever happened, the store is whole and holds what was acknowledged.
#[cfg(target_os = "linux")]
fn insist_with(inject: &str) -> (usize, usize) {
    let folder = TempFolder::new();
    let path = made(&folder);
    let mut child = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync,pwrite64",
            "-e",
            inject,
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, format!("insist 0 {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines: Vec<_> = lines(&mut child).collect();
    child.wait().unwrap();
    let acknowledged: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("acknowledged "))
        .map(head)
        .collect();
    let failed = lines.iter().filter(|line| line.starts_with("failed ")).count();

    let store = SqliteStore::open(&path).unwrap();
    let size = verify(&store, acknowledged.iter().map(|(head, _)| *head));
    // The last may have been written without being acknowledged, and none twice.
    let unacknowledged = size.checked_sub(acknowledged.len() as u64);
    assert!(unacknowledged.is_some_and(|count| count <= 1), "{inject}: {size}");
    for (head, number) in &acknowledged {
        let issued = block_on(store.find(&fixtures::action(*number))).unwrap().unwrap();
        assert_eq!(issued.record.head(), *head, "{inject}");
        let approval = fixtures::approval("user:ann", *number);
        let again = fixtures::decision(u64::MAX, Decision::Allow, vec![approval.clone()]);
        assert_eq!(
            block_on(store.commit(again)).unwrap(),
            CommitOutcome::ApprovalUsed(approval),
            "{inject}"
        );
    }
    (acknowledged.len(), failed)
}

/// Whether system calls can be tampered with; where they can't, says so.
#[cfg(target_os = "linux")]
fn strace_works() -> bool {
    let traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    let works = traced.is_ok_and(|status| status.success());
    if !works {
        let line = "not run: system calls that fail (strace is missing or not permitted)\n";
        match std::env::var_os("ACTIONPASS_NOT_RUN").map(|path| std::fs::File::options().append(true).open(path)) {
            Some(Ok(mut file)) => std::io::Write::write_all(&mut file, line.as_bytes()).unwrap(),
            _ => eprint!("{line}"),
        }
    }
    works
}

/// G10 and G15: a sync or write that fails acknowledges nothing, loses nothing that was, and the store goes on.
#[cfg(target_os = "linux")]
#[test]
fn g10_a_failing_sync_acknowledges_nothing() {
    if !strace_works() {
        return;
    }
    let syncs = [1, 2, 3, 5, 9].map(|call| insist_with(&format!("inject=fsync,fdatasync:error=EIO:when={call}")));
    let full = [12, 20, 30].map(|call| insist_with(&format!("inject=pwrite64:error=ENOSPC:when={call}")));
    for outcomes in [&syncs[..], &full] {
        assert!(
            outcomes
                .iter()
                .all(|(acknowledged, failed)| *acknowledged == 10 && *failed <= 1),
            "{outcomes:?}"
        );
        assert!(
            outcomes.iter().any(|(_, failed)| *failed == 1),
            "nothing failed: {outcomes:?}"
        );
    }
}

/// G10: killed at any write, the store holds what was acknowledged and nothing by half.
#[cfg(target_os = "linux")]
#[test]
fn g10_a_kill_at_any_write_leaves_the_store_whole() {
    if !strace_works() {
        return;
    }
    let kill = |call| insist_with(&format!("inject=pwrite64:signal=KILL:when={call}")).0;
    let acknowledged: Vec<_> = (1..60).step_by(6).map(kill).collect();
    assert!(acknowledged.iter().any(|count| *count > 0) && acknowledged.iter().any(|count| *count < 10));
}
