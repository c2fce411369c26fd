//! Processes that are killed, alone and two on one file; disks that are full or read-only; clocks that jump; parts of a store
//! that were put back from copies.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use actionpass_model::UnixSeconds;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::{Consumption, Ledger, Mark, ReplayCode, ReplayStart, ReplayStore, StoreCode};
use actionpass_store_sqlite::{SqliteStore, Witness};
use tempfile::TempDir;

use crate::dice::{Dice, count, seed};
use crate::oracle::{Done, Known, Op, perform};
use crate::power::folder_in_memory;
use crate::program::not_run;
use crate::tally::{Tally, Wrong};

/// What [`child`] does: a word, a seed, a number to begin with, and a path.
const TASK: &str = "ACTIONPASS_FAULTS_CHILD";

fn witness_of(path: &Path) -> Witness {
    Witness::at(path.with_extension("witness"))
}

fn open(path: &Path) -> Result<SqliteStore, StoreCode> {
    SqliteStore::open_witnessed(path, witness_of(path)).map_err(|error| error.code())
}

fn made() -> (TempDir, PathBuf) {
    let folder = folder_in_memory();
    let path = folder.path().join("ledger.db");
    create(&path);
    (folder, path)
}

fn create(path: &Path) {
    drop(SqliteStore::create(path, Some(&fixtures::log()), ReplayStart::first(fixtures::at(0))).unwrap());
}

/// This test program, once more.
fn program(command: &mut Command, task: &str) -> Child {
    command.args(["--exact", "kills::child", "--nocapture"]).env(TASK, task);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

/// What the child says, line by line; one that was cut off says nothing.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines.map_while(|line| String::from_utf8(line.ok()?).ok())
}

fn say(line: &str) {
    // In one call, so that a line of another thread doesn't come between.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// What a process started by another test does.
#[test]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.splitn(4, ' ').collect();
    let (dice, number) = (Dice::new(words[1].parse().unwrap()), words[2].parse().unwrap());
    let path = Path::new(words[3]);
    match words[0] {
        "work" => work(path, dice, number),
        "full" => full(path, dice),
        "readonly" => read_only(path, dice),
        other => panic!("{other}"),
    }
}

/// Works until it is killed, and says what it begins and what was acknowledged.
fn work(path: &Path, mut dice: Dice, first: u64) {
    let store = open(path).unwrap();
    let mut known = Known::default();
    for number in first.. {
        let op = known.plan(&mut dice, number);
        say(&format!("begin {op}"));
        let done = match perform(&store, op) {
            Ok(done) => done,
            // Nothing fails here but processes.
            Err(error) => return say(&format!("failed {op}: {}", error.code())),
        };
        known.note(op, &done);
        if let Done::Acknowledged(head) = done {
            let head = head.map_or("-".to_owned(), |head| head.to_string());
            say(&format!("done {head} {op}"));
        }
    }
}

/// Takes in what a worker said.
fn hear(known: &mut Known, tally: &mut Tally, line: &str) {
    if let Some(failed) = line.strip_prefix("failed ") {
        tally.count(vec![(Wrong::Corrupt, failed.to_owned())]);
    } else if let Some(op) = line.strip_prefix("begin ").and_then(Op::parse) {
        known.begun.push(op);
    } else if let Some((head, op)) = line.strip_prefix("done ").and_then(|rest| rest.split_once(' '))
        && let Some(op) = Op::parse(op)
    {
        let head = (head != "-").then(|| head.parse().unwrap());
        tally.count(known.note(op, &Done::Acknowledged(head)));
        tally.acknowledged += 1;
    }
}

#[test]
fn g10_processes_that_are_killed_alone_and_two_on_one_file_lose_nothing() {
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("kill -9, one and two processes", seed));
    let (_folder, path) = made();
    let mut known = Known::default();
    for round in 0..count(16, 1000) as u64 {
        let program_path = std::env::current_exe().unwrap();
        // Two do the same things, each of which is done once.
        let (task, workers) = (dice.next() >> 1, 1 + round % 2);
        let mut children: Vec<Child> = (0..workers)
            .map(|_| {
                program(
                    &mut Command::new(&program_path),
                    &format!("work {task} {} {}", (round + 1) << 20, path.display()),
                )
            })
            .collect();
        let mut said: Vec<_> = children.iter_mut().map(lines).collect();
        for (child, said) in children.iter_mut().zip(&mut said) {
            for line in said.by_ref().take(usize::try_from(20 + dice.below(150)).unwrap()) {
                hear(&mut known, &mut tally, &line);
            }
            child.kill().unwrap();
            tally.injected += 1;
        }
        for (child, said) in children.iter_mut().zip(said) {
            // Also what it said between our last look and its end.
            said.for_each(|line| hear(&mut known, &mut tally, &line));
            if let Some(code) = child.wait().unwrap().code() {
                tally.count(vec![(Wrong::Corrupt, format!("a process ended by itself with {code}"))]);
            }
        }
        match open(&path) {
            Ok(store) => tally.count(known.check_open(&store, &mut dice)),
            Err(code) => tally.count(vec![(Wrong::Corrupt, format!("it can't be opened: {code}"))]),
        }
        tally.rounds += 1;
    }
    tally.end();
}

/// A child that sees a small file system of its own, in memory.
fn on_small_disk(suite: &'static str, task: &str) {
    let seed = seed();
    let mut tally = Tally::new(suite, seed);
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m,mode=700 tmpfs \"$0\" && exec \"$@\"";
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(folder.path());
    unshare.arg(std::env::current_exe().unwrap());
    let mut child = program(
        &mut unshare,
        &format!("{task} {seed} 0 {}", folder.path().join("ledger.db").display()),
    );
    let mut is_there = false;
    for line in lines(&mut child) {
        match line.split_once(' ') {
            Some(("found", what)) => tally.count(vec![(Wrong::Corrupt, what.to_owned())]),
            Some(("round", counts)) => {
                let (injected, acknowledged) = counts.split_once(' ').unwrap();
                tally.rounds += 1;
                tally.injected += injected.parse::<u64>().unwrap();
                tally.acknowledged += acknowledged.parse::<u64>().unwrap();
                is_there = true;
            }
            _ => {}
        }
    }
    let status = child.wait().unwrap();
    if !is_there && !may_mount() {
        not_run(&format!("{suite} (no file system may be mounted here)"));
        return;
    }
    assert!(status.success(), "{status}");
    tally.end();
}

fn may_mount() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--user",
        "--map-root-user",
        "--mount",
        "mount",
        "-t",
        "tmpfs",
        "tmpfs",
        "/mnt",
    ]);
    unshare
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Does some more, and says how many failed and how many were acknowledged.
fn some(store: &SqliteStore, known: &mut Known, dice: &mut Dice, number: &mut u64, count: usize) -> (u64, u64) {
    let (mut failed, mut acknowledged) = (0, 0);
    for _ in 0..count {
        *number += 1;
        let op = known.plan(dice, *number);
        known.begun.push(op);
        match perform(store, op) {
            Ok(done) => {
                known
                    .note(op, &done)
                    .iter()
                    .for_each(|found| say(&format!("found {found:?}")));
                acknowledged += u64::from(matches!(done, Done::Acknowledged(_)));
            }
            Err(_) => failed += 1,
        }
    }
    (failed, acknowledged)
}

fn full(path: &Path, mut dice: Dice) {
    create(path);
    let (mut known, mut number) = (Known::default(), 0);
    let filler = path.with_file_name("filler");
    for round in 0..count(6, 200) {
        let store = open(path).unwrap();
        let (_, before) = some(&store, &mut known, &mut dice, &mut number, 20);
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        drop(file);
        let (failed, meanwhile) = some(&store, &mut known, &mut dice, &mut number, 120);
        if round % 2 == 0 {
            // It ends while the disk is full, and begins again so.
            drop(store);
            match open(path) {
                Ok(store) => drop(some(&store, &mut known, &mut dice, &mut number, 5)),
                Err(StoreCode::StoreFull | StoreCode::StoreReadOnly | StoreCode::StoreUnavailable) => {}
                Err(code) => say(&format!("found a full disk opened as {code}")),
            }
            fs::remove_file(&filler).unwrap();
        } else {
            fs::remove_file(&filler).unwrap();
            let (still, _) = some(&store, &mut known, &mut dice, &mut number, 5);
            // One may find out that its connection is to be given up.
            if still > 1 {
                say(&format!("found {still} of 5 failed with room again"));
            }
            drop(store);
        }
        for found in known.check(path, &mut dice) {
            say(&format!("found {found:?}"));
        }
        say(&format!("round {failed} {}", before + meanwhile));
        // A small disk holds no more: begin anew.
        if fs::metadata(path).unwrap().len() > 1 << 20 {
            for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.witness"] {
                let _ = fs::remove_file(path.with_file_name(name));
            }
            create(path);
            (known, number) = (Known::default(), 0);
        }
    }
}

fn read_only(path: &Path, mut dice: Dice) {
    create(path);
    let (mut known, mut number) = (Known::default(), 0);
    let folder = path.parent().unwrap();
    let remount = |how: &str| {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(folder)
            .status();
        assert!(done.unwrap().success());
    };
    for _ in 0..count(6, 200) {
        let store = open(path).unwrap();
        let (_, acknowledged) = some(&store, &mut known, &mut dice, &mut number, 10);
        drop(store);
        remount("ro");
        match open(path) {
            Err(StoreCode::StoreReadOnly) => {}
            other => say(&format!("found a read-only file opened to write: {other:?}")),
        }
        let store = SqliteStore::open_to_read(path, witness_of(path)).unwrap();
        let refused = perform(&store, Op::Allow(number + 1)).map_err(|error| error.code());
        if refused != Err(StoreCode::StoreReadOnly) {
            say(&format!("found a write to a read-only file: {refused:?}"));
        }
        let size = block_on(store.state()).unwrap().head.size();
        let records = known.acknowledged.values().flatten().count() as u64;
        if size < records {
            say(&format!("found {size} records of {records} in a read-only file"));
        }
        drop(store);
        remount("rw");
        known
            .check(path, &mut dice)
            .iter()
            .for_each(|found| say(&format!("found {found:?}")));
        say(&format!("round 2 {acknowledged}"));
    }
}

#[test]
fn g10_a_full_disk_takes_nothing_and_with_room_again_it_goes_on() {
    on_small_disk("full disk", "full");
}

#[test]
fn g15_a_read_only_file_is_read_and_never_written() {
    on_small_disk("read-only file", "readonly");
}

/// The clock goes on, back and far ahead; passes are offered again and again, by two handles.
#[test]
fn g06_whatever_the_clock_does_a_pass_is_used_up_once() {
    let seed = seed();
    let mut tally = Tally::new("clock", seed);
    for round in 0..count(6, 200) as u64 {
        let mut dice = Dice::new(seed + round);
        let (_folder, path) = made();
        let mut stores = [open(&path).unwrap(), open(&path).unwrap()];
        let (mut now, mut latest) = (1_000_000_u64, 0);
        let mut issued: Vec<Mark> = Vec::new();
        let mut consumed = BTreeSet::new();
        for _ in 0..150 {
            let jump = match dice.below(12) {
                0 => 86_400,
                1 => 700,
                2 => -3_600,
                3 => -86_400,
                4 => -30,
                _ => i64::try_from(dice.below(20)).unwrap(),
            };
            now = now.saturating_add_signed(jump).max(1);
            tally.injected += u64::from(!(0..20).contains(&jump));
            let is_new = issued.is_empty() || dice.below(3) == 0;
            let mark = match is_new {
                true => {
                    issued.push(fixtures::mark(issued.len() as u64, now));
                    issued.last().unwrap().clone()
                }
                // Of those of lately more often, which the clock may bring back.
                false => dice.pick(&issued).clone(),
            };
            if dice.below(20) == 0 {
                stores[0] = open(&path).unwrap();
            }
            // As a verifier does: a pass is offered to the store only while it holds.
            let at: UnixSeconds = fixtures::at(now);
            if at.get() >= mark.until().get() || mark.issued_at.get() > at.get() + 30 {
                continue;
            }
            let outcome = block_on(dice.pick(&stores).consume(&mark, at)).unwrap();
            match outcome {
                Consumption::Consumed => {
                    tally.acknowledged += 1;
                    if !consumed.insert(mark.pass.clone()) {
                        tally.count(vec![(Wrong::ConsumedTwice, format!("{mark:?} at {now}"))]);
                    }
                }
                // A clock that never went back refuses nothing new.
                Consumption::Refused(code) if is_new && now >= latest => {
                    tally.count(vec![(Wrong::Corrupt, format!("a new pass is refused: {code}"))]);
                }
                Consumption::Refused(_) => {}
            }
            latest = latest.max(now);
        }
        tally.rounds += 1;
    }
    tally.end();
}

/// The database, or its witness, is that of before.
#[test]
fn g12_a_part_that_was_put_back_is_noticed_or_changes_nothing() {
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new("parts put back", seed));
    for round in 0..count(8, 400) {
        let (_folder, path) = made();
        let (mut known, mut number) = (Known::default(), 0);
        let witness = path.with_extension("witness");
        let store = open(&path).unwrap();
        some(&store, &mut known, &mut dice, &mut number, 8);
        // Closing it takes everything into the one file.
        drop(store);
        let (database, said) = (fs::read(&path).unwrap(), fs::read(&witness).unwrap());
        let before = known.clone();
        let store = open(&path).unwrap();
        number += 1;
        tally.count(known.note(Op::Allow(number), &perform(&store, Op::Allow(number)).unwrap()));
        some(&store, &mut known, &mut dice, &mut number, 8);
        drop(store);
        let newer = fs::read(&path).unwrap();
        let mut found = Vec::new();
        match round % 2 {
            0 => {
                fs::write(&path, &database).unwrap();
                let refused = open(&path).map(drop);
                if refused != Err(StoreCode::StoreRolledBack) {
                    found.push((Wrong::Corrupt, format!("a database that was put back: {refused:?}")));
                }
                // Once it is said, what may have been used up counts as used.
                let store = SqliteStore::open(&path).unwrap();
                block_on(store.restart_replay(ReplayStart::restored(fixtures::at(2)))).unwrap();
                let state = block_on(store.state()).unwrap();
                witness_of(&path).reset(&fixtures::log(), &state).unwrap();
                drop(store);
                let store = open(&path).unwrap();
                for op in known
                    .acknowledged
                    .keys()
                    .filter(|op| matches!(op, Op::Consume(_) | Op::UseUp(_)))
                {
                    if !matches!(perform(&store, *op).unwrap(), Done::Before | Done::Refused) {
                        found.push((Wrong::ConsumedTwice, format!("{op} after a restoration")));
                    }
                }
                if let Some(Op::Consume(lost)) = known
                    .acknowledged
                    .keys()
                    .find(|op| matches!(op, Op::Consume(_)) && !before.acknowledged.contains_key(op))
                {
                    let outcome = block_on(store.consume(&fixtures::mark(*lost, 0), fixtures::at(3))).unwrap();
                    if outcome != Consumption::Refused(ReplayCode::ReplayStateLost) {
                        found.push((Wrong::ConsumedTwice, format!("{outcome:?} of what was forgotten")));
                    }
                }
                drop(store);
                // The right file again: everything is there.
                fs::write(&path, &newer).unwrap();
                fs::remove_file(&witness).unwrap();
            }
            // An older witness knows less, and says nothing wrong.
            _ => fs::write(&witness, &said).unwrap(),
        }
        match open(&path) {
            Ok(store) => found.extend(known.check_open(&store, &mut dice)),
            Err(code) => found.push((Wrong::Corrupt, format!("it can't be opened: {code}"))),
        }
        tally.count(found);
        tally.rounds += 1;
        tally.injected += 1;
        tally.acknowledged += known.acknowledged.len() as u64;
    }
    tally.end();
}
