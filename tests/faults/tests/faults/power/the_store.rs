//! A store whose writes are recorded by a layer below SQLite.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::thread;

use actionpass_store::ReplayStart;
use actionpass_store::conformance::fixtures;
use actionpass_store_sqlite::SqliteStore;

use super::{disasters, files_of, folder_in_memory, print_of, put, without_shared_memory};
use crate::dice::{Dice, count, seed};
use crate::disk::{Fate, Journal};
use crate::oracle::{Known, perform};
use crate::tally::Tally;
use crate::vfs;

/// Runs work on a store whose writes are recorded. What was acknowledged is known for each moment.
fn recorded(seed: u64) -> (PathBuf, Journal, Vec<Known>, Known) {
    let mut dice = Dice::new(seed);
    let folder = folder_in_memory();
    let root = folder.path().canonicalize().unwrap();
    let path = root.join("ledger.db");
    drop(SqliteStore::create(&path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap());
    vfs::record(&root, files_of(&root));

    let mut known = Known::default();
    // What was known after so many acknowledgements.
    let mut moments = vec![known.clone()];
    let mut number = 0;
    for _ in 0..3 {
        let store = SqliteStore::open(&path).unwrap();
        for _ in 0..10 {
            // One alone, or several in one transaction.
            let planned: Vec<_> = (0..=dice.below(3))
                .map(|_| {
                    number += 1;
                    known.plan(&mut dice, number)
                })
                .collect();
            known.begun.extend(&planned);
            let done: Vec<_> = thread::scope(|scope| {
                let store = &store;
                let threads: Vec<_> = planned
                    .iter()
                    .map(|op| scope.spawn(|| perform(store, *op).unwrap()))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for (op, done) in planned.iter().zip(&done) {
                assert_eq!(known.note(*op, done), []);
            }
            moments.push(known.clone());
            vfs::acknowledged();
        }
        // Closing it takes the write-ahead log into the file.
    }
    let journal = vfs::recorded();
    // Nothing was written that isn't in the journal.
    let there = without_shared_memory(files_of(&root));
    assert!(
        journal.after(journal.len(), Fate::Kept) == there,
        "something was written that was not recorded"
    );
    (root, journal, moments, known)
}

#[test]
fn g10_power_that_is_lost_at_any_moment_takes_nothing_that_a_store_acknowledged() {
    let seed = seed();
    let mut tally = Tally::new("power, the store", seed);
    for seed in seed..seed + count(1, 2) as u64 {
        let (root, journal, moments, all) = recorded(seed);
        let mut dice = Dice::new(seed ^ 0xD15C);
        let mut tried = HashSet::new();
        for (end, fate) in disasters(&journal, &mut dice, 500, 200) {
            let files = journal.after(end, fate);
            let acknowledged = journal.acknowledged_before(end);
            if !tried.insert(print_of(&files, acknowledged)) {
                continue;
            }
            let folder = folder_in_memory();
            put(&files, &root, folder.path());
            if dice.below(2) == 0 {
                // What was shared memory is anything.
                let rubbish: Vec<u8> = (0..32 << 10).map(|_| dice.next() as u8).collect();
                fs::write(folder.path().join("ledger.db-shm"), rubbish).unwrap();
            }
            let mut known = moments[acknowledged].clone();
            known
                .begun
                .clone_from(&moments.get(acknowledged + 1).unwrap_or(&all).begun);
            let found = known.check(&folder.path().join("ledger.db"), &mut dice);
            tally.count(
                found
                    .into_iter()
                    .map(|(wrong, what)| (wrong, format!("after event {end}, {fate:?}: {what}")))
                    .collect(),
            );
            tally.rounds += 1;
            tally.injected += 1;
        }
        tally.acknowledged += all.acknowledged.len() as u64;
    }
    tally.end();
}
