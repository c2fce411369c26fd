//! A process that is forked while a store is open.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, ReplayStart, ReplayStore, StoreError};
use actionpass_store_sqlite::SqliteStore;
use fork::{Fork, fork};

const TASK: &str = "ACTIONPASS_FORK_CHILD";

fn made(folder: &TempFolder) -> PathBuf {
    let path = folder.path().join("ledger.db");
    let start = ReplayStart::first(fixtures::at(0));
    drop(SqliteStore::create(&path, Some(&fixtures::log()), start).unwrap());
    path
}

/// Starts this test binary again as `task`, which [`child`] runs, and waits for it.
fn run(task: &str, path: &Path) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, format!("{task} {}", path.display()))
        .spawn()
        .unwrap();
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return assert!(status.success());
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            assert!(child.wait().unwrap().success(), "it hung");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// What a process started by another test does.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    match task.split_once(' ').unwrap() {
        ("open", path) => fork_while_a_store_is_open(Path::new(path)),
        (_, path) => fork_after_the_store_was_closed(Path::new(path)),
    }
}

/// Runs this in a copy of this process, and says whether it went well. The copy has no thread but this one, so it must
/// not come back to the harness.
fn in_a_copy(run: impl FnOnce() -> Result<(), String>) -> bool {
    match fork().unwrap() {
        Fork::Parent(copy) => fork::waitpid(copy).is_ok_and(|status| status == 0),
        Fork::Child => {
            // A copy that hangs must not outlive the test.
            thread::spawn(|| {
                thread::sleep(Duration::from_secs(20));
                exit(2)
            });
            exit(i32::from(run().is_err()))
        }
    }
}

fn is_forked<T>(result: Result<T, StoreError>) -> Result<(), String> {
    match result {
        Err(error) if error.code().as_str() == "store_forked" => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it was answered".to_owned()),
    }
}

fn fork_while_a_store_is_open(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
    let copied = store.clone();
    // Both threads have work when the process is copied.
    let busy = thread::spawn(move || {
        for number in 100..400 {
            let _ = block_on(copied.append_one(fixtures::used(number))).unwrap();
            let _ = block_on(copied.state()).unwrap();
        }
    });
    for round in 0..20 {
        let in_use = store.clone();
        let went_well = in_a_copy(|| {
            let mark = fixtures::mark(1, 0);
            is_forked(block_on(in_use.commit(fixtures::allow(7))))?;
            is_forked(block_on(in_use.append_one(fixtures::used(7))))?;
            is_forked(block_on(in_use.state()))?;
            is_forked(block_on(in_use.read(0, 1)))?;
            is_forked(block_on(in_use.follow(0)))?;
            is_forked(block_on(in_use.consume(&mark, fixtures::at(1))))?;
            is_forked(block_on(in_use.is_used(&mark.issuer, &mark.pass)))?;
            // Nor is another opened: SQLite would believe in the original's locks.
            is_forked(SqliteStore::open(path))
        });
        assert!(went_well, "round {round}");
    }
    busy.join().unwrap();
    // The original goes on.
    assert_eq!(block_on(store.state()).unwrap().head.size(), 301);
    let _ = block_on(store.commit(fixtures::allow(8))).unwrap();
    // The last clone, whose threads don't run in the copy.
    assert!(in_a_copy(move || {
        drop(store);
        Ok(())
    }));
}

fn fork_after_the_store_was_closed(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
    drop(store);
    assert!(in_a_copy(|| {
        let store = SqliteStore::open(path).map_err(|error| error.to_string())?;
        block_on(store.append_one(fixtures::used(2)))
            .map(drop)
            .map_err(|error| error.to_string())
    }));
    let store = SqliteStore::open(path).unwrap();
    assert_eq!(block_on(store.state()).unwrap().head.size(), 2);
}

#[test]
fn a_forked_store_answers_everything_with_its_code() {
    let folder = TempFolder::new();
    let path = made(&folder);
    run("open", &path);
    assert!(fs::metadata(&path).unwrap().len() > 0);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(block_on(store.state()).unwrap().head.size(), 302);
    assert_eq!(block_on(store.find(&fixtures::action(7))).unwrap(), None);
}

#[test]
fn a_process_that_was_forked_before_opens_its_own_store() {
    let folder = TempFolder::new();
    run("closed", &made(&folder));
}
