//! Writing in the thread of the caller, and where that can't be.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_store::conformance::{TempFolder, block_on, fixtures};
use actionpass_store::{Batch, Ledger, ReplayStart, StoreCode};
use actionpass_store_sqlite::SqliteStore;
use rusqlite::Connection;

fn made(folder: &TempFolder) -> SqliteStore {
    let path = folder.path().join("ledger.db");
    let store = SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap();
    store.write_here();
    store
}

fn size(store: &SqliteStore) -> u64 {
    block_on(store.state()).unwrap().head.size()
}

fn polled<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_call_is_written_by_whoever_polls_it() {
    let folder = TempFolder::new();
    let store = made(&folder);
    let mut call = pin!(store.append(Batch::of(fixtures::used(1))));
    // Others that are ready go first, and then it is done.
    assert!(polled(call.as_mut()).is_pending());
    assert!(matches!(polled(call.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(size(&store), 1);
}

/// Were it waited for here, whoever is to let go would wait as well.
#[test]
fn a_lock_of_another_process_is_waited_for_elsewhere() {
    let folder = TempFolder::new();
    let store = made(&folder);
    block_on(store.append(Batch::of(fixtures::used(0)))).unwrap();
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut call = pin!(store.append(Batch::of(fixtures::used(1))));
    assert!(polled(call.as_mut()).is_pending());
    assert!(polled(call.as_mut()).is_pending());
    // Whatever comes behind it waits as well, and is not answered with an error.
    let mut second = pin!(store.append(Batch::of(fixtures::used(2))));
    assert!(polled(second.as_mut()).is_pending());
    assert!(polled(second.as_mut()).is_pending());
    other.execute_batch("ROLLBACK").unwrap();
    block_on(call).unwrap();
    block_on(second).unwrap();
    assert_eq!(size(&store), 3);
}

#[test]
fn a_call_whose_caller_left_is_written_all_the_same() {
    let folder = TempFolder::new();
    let store = made(&folder);
    {
        let mut call = pin!(store.append(Batch::of(fixtures::used(1))));
        assert!(polled(call.as_mut()).is_pending());
    }
    let begun = Instant::now();
    while size(&store) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn callers_in_many_threads_are_all_answered() {
    let folder = TempFolder::new();
    let store = made(&folder);
    thread::scope(|scope| {
        for caller in 0..4_u64 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..50 {
                    block_on(store.append(Batch::of(fixtures::used((caller << 8) | number)))).unwrap();
                }
            });
        }
    });
    assert_eq!(size(&store), 200);
    store.check_rows().unwrap();
}

/// Whoever only reads writes nothing, in whichever thread.
#[test]
fn a_store_that_is_open_to_read_stays_so() {
    let folder = TempFolder::new();
    drop(made(&folder));
    let witness = actionpass_store_sqlite::Witness::at(folder.path().join("witness"));
    let store = SqliteStore::open_to_read(&folder.path().join("ledger.db"), witness).unwrap();
    store.write_here();
    let refused = block_on(store.append(Batch::of(fixtures::used(1)))).unwrap_err();
    assert_eq!(refused.code(), StoreCode::StoreReadOnly);
}
