//! A home, of whose files the system calls of a command tell.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{disasters, print_of, without_shared_memory};
use crate::deeds::{Prepared, prepared};
use crate::dice::{Dice, seed};
use crate::disk::{Fate, Journal};
use crate::home::{Home, Ran};
use crate::program::{actionpass, strace_works};
use crate::tally::Tally;
use crate::trace;

/// Does a deed under strace: the journal of its folder, what it answered, and the files of before.
fn watched(prepared: &Prepared) -> (PathBuf, Journal, Value) {
    let home = prepared.home();
    let before = without_shared_memory(home.files());
    let mut strace = home.command_of("strace".as_ref());
    strace.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let log = tempfile::NamedTempFile::new().unwrap();
    strace
        .args([
            "-f",
            "-y",
            "-xx",
            "-qq",
            "-s",
            "4000000",
            "-e",
            &format!("trace={}", trace::CALLS),
            "-o",
        ])
        .arg(log.path());
    strace.arg(actionpass()).args(&prepared.args).arg("--json");
    let ran = Ran::of(strace.spawn().unwrap());
    assert!(prepared.is_acknowledged(&ran.json()), "{ran:?}");
    let journal = trace::journal(&fs::read_to_string(log.path()).unwrap(), home.root(), before);
    let there = without_shared_memory(home.files());
    let known = journal.after(journal.len(), Fate::Kept);
    let differ: Vec<_> = there
        .keys()
        .chain(known.keys())
        .filter(|path| there.get(*path) != known.get(*path))
        .collect();
    assert!(
        differ.is_empty(),
        "something was written that was not recorded: {differ:?}"
    );
    (home.root().to_owned(), journal, ran.json())
}

/// One half of the deeds.
fn every_second(suite: &'static str, half: usize) {
    if !strace_works(suite) {
        return;
    }
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new(suite, seed));
    for prepared in prepared().iter().skip(half).step_by(2) {
        let (root, journal, answer) = watched(prepared);
        let mut tried = HashSet::new();
        for (end, fate) in disasters(&journal, &mut dice, 8, 5) {
            let files = journal.after(end, fate);
            let is_acknowledged = journal.acknowledged_before(end) > 0;
            if !tried.insert(print_of(&files, usize::from(is_acknowledged))) {
                continue;
            }
            let home = Home::of(&files, &root);
            let said = if is_acknowledged { answer.clone() } else { Value::Null };
            let found = prepared.check(&home, &said);
            tally.count(
                found
                    .into_iter()
                    .map(|(wrong, what)| (wrong, format!("after event {end}, {fate:?}: {what}")))
                    .collect(),
            );
            tally.rounds += 1;
            tally.injected += 1;
            tally.acknowledged += u64::from(is_acknowledged);
        }
    }
    tally.end();
}

#[test]
fn g10_power_that_is_lost_takes_nothing_that_a_command_acknowledged_the_even_deeds() {
    every_second("power, the whole home, the even deeds", 0);
}

#[test]
fn g10_power_that_is_lost_takes_nothing_that_a_command_acknowledged_the_odd_deeds() {
    every_second("power, the whole home, the odd deeds", 1);
}
