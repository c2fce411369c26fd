//! A process that is forked while a store is open.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod shared;

use std::process::{Command, exit};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, ReplayStart, ReplayStore, StoreError};
use actionpass_store_postgres::{PostgresOptions, PostgresStore};
use fork::{Fork, fork};
use shared::{database, options, server};

const TASK: &str = "ACTIONPASS_FORK_CHILD";

/// In the copy every call says that it was forked, dropping the store hangs nobody, and another can be opened; the
/// original goes on with the connections that it had.
#[test]
fn a_store_does_not_survive_a_fork() {
    let name = database(server());
    let start = ReplayStart::first(fixtures::at(0));
    drop(PostgresStore::create(&options(server(), &name), Some(&fixtures::log()), start).unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(TASK, server().url(&name))
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(child.wait().unwrap().success());
}

/// What a process started by the other test does: there are no threads of a harness in it that matter.
#[test]
fn child() {
    let Ok(url) = std::env::var(TASK) else { return };
    let options = PostgresOptions::parse(&url).unwrap();
    let store = PostgresStore::open(&options).unwrap();
    let _ = block_on(store.append_one(fixtures::used(1))).unwrap();
    let sessions = || block_on(store.state()).unwrap().head.size();
    assert_eq!(sessions(), 1);
    let copied = store.clone();
    let went_well = in_a_copy(move || {
        let mark = fixtures::mark(1, 0);
        is_forked(block_on(copied.commit(fixtures::allow(1))))?;
        is_forked(block_on(copied.find(&fixtures::action(1))))?;
        is_forked(block_on(copied.append_one(fixtures::used(2))))?;
        is_forked(block_on(copied.state()))?;
        is_forked(block_on(copied.follow(0)))?;
        is_forked(block_on(copied.consume(&mark, fixtures::at(1))))?;
        is_forked(block_on(copied.is_used(&mark.issuer, &mark.pass)))?;
        drop(copied);
        let own = PostgresStore::open(&options).map_err(|error| error.to_string())?;
        let _ = block_on(own.append_one(fixtures::used(3))).map_err(|error| error.to_string())?;
        Ok(())
    });
    assert!(went_well);
    // Its connections are still its own.
    let _ = block_on(store.append_one(fixtures::used(4))).unwrap();
    assert_eq!(block_on(store.state()).unwrap().head.size(), 3);
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
