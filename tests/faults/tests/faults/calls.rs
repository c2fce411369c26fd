//! An error or a kill at any system call of a command.

use std::collections::BTreeMap;

use crate::deeds::{Prepared, prepared};
use crate::dice::{Dice, count, is_long, seed};
use crate::home::Ran;
use crate::program::{actionpass, strace_works};
use crate::tally::{Tally, Wrong};

/// The calls that are tampered with, and the errors that they may meet. Without memory Rust's own library ends the process, so that
/// is only killed there.
const CALLS: [(&str, &[&str]); 14] = [
    ("openat", &["EIO", "EMFILE", "ENOSPC"]),
    ("read", &["EIO"]),
    ("pread64", &["EIO"]),
    ("write", &["EIO", "ENOSPC"]),
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO"]),
    ("fdatasync", &["EIO"]),
    ("ftruncate", &["EIO"]),
    ("rename", &["EIO", "ENOSPC"]),
    ("unlink", &["EIO"]),
    ("linkat", &["EIO"]),
    ("mmap", &[]),
    ("fcntl", &["ENOLCK"]),
    ("flock", &["ENOLCK"]),
];

/// What goes wrong, and when.
#[derive(Clone, Debug)]
struct Fault {
    call: &'static str,
    what: String,
}

impl Fault {
    fn expression(&self) -> String {
        format!("inject={}:{}", self.call, self.what)
    }
}

/// Runs the command under strace.
fn run(prepared: &Prepared, home: &crate::home::Home, expressions: &[&str]) -> Ran {
    let mut strace = home.command_of("strace".as_ref());
    strace.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    strace.args(["-f", "-qq", "-o", "calls"]);
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    strace.arg(actionpass()).args(&prepared.args).arg("--json");
    Ran::of(strace.spawn().unwrap())
}

/// Every fault that a deed can meet: an error or a kill at each call of each kind, and errors from some call on.
fn faults(prepared: &Prepared) -> Vec<Fault> {
    let home = prepared.home();
    let names: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    let ran = run(prepared, &home, &[&format!("trace={}", names.join(","))]);
    assert!(prepared.is_acknowledged(&ran.json()), "{ran:?}");
    // Each thread counts its own.
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let calls = home.read("calls");
    for line in calls.lines() {
        if let Some((thread, call)) = line.split_once(' ')
            && let Some((name, _)) = call.trim_start().split_once('(')
        {
            *made.entry((thread, name)).or_default() += 1;
        }
    }
    let mut faults = Vec::new();
    for (call, errors) in CALLS {
        let most = made
            .iter()
            .filter(|((_, name), _)| *name == call)
            .map(|(_, made)| *made)
            .max();
        for number in 1..=most.unwrap_or_default() {
            let kinds = errors
                .iter()
                .map(|error| format!("error={error}"))
                .chain(["signal=KILL".to_owned()]);
            for kind in kinds {
                faults.push(Fault {
                    call,
                    what: format!("{kind}:when={number}"),
                });
                // Whoever never gets a lock asks for it for half a minute.
                let is_quick = !["fcntl", "flock"].contains(&call) || is_long();
                if kind.starts_with("error") && is_quick {
                    faults.push(Fault {
                        call,
                        what: format!("{kind}:when={number}+"),
                    });
                }
            }
        }
    }
    faults
}

/// Does a deed with a fault, and looks at what came of it.
fn round(tally: &mut Tally, prepared: &Prepared, fault: &Fault) {
    let home = prepared.home();
    let trace = format!("trace={}", fault.call);
    let ran = run(prepared, &home, &[&trace, &fault.expression()]);
    tally.rounds += 1;
    let calls = home.read("calls");
    // A thread may make fewer calls this time.
    if !calls.contains("(INJECTED)") && ran.exit.is_some() {
        return;
    }
    tally.injected += 1;
    let answer = ran.json();
    tally.acknowledged += u64::from(prepared.is_acknowledged(&answer));
    let mut found = prepared.check(&home, &answer);
    if ran.stderr.contains("panicked") {
        found.push((Wrong::Corrupt, format!("a panic: {}", ran.stderr)));
    }
    tally.count(
        found
            .into_iter()
            .map(|(wrong, what)| (wrong, format!("{fault:?}: {what}")))
            .collect(),
    );
}

/// One half of the faults.
fn every_second(suite: &'static str, half: usize) {
    if !strace_works(suite) {
        return;
    }
    let seed = seed();
    let (mut dice, mut tally) = (Dice::new(seed), Tally::new(suite, seed));
    for prepared in prepared() {
        let all: Vec<Fault> = faults(prepared).into_iter().skip(half).step_by(2).collect();
        for fault in dice.sample(all, count(4, usize::MAX)) {
            round(&mut tally, prepared, &fault);
        }
    }
    tally.end();
}

#[test]
fn g10_a_system_call_that_fails_or_ends_the_process_takes_nothing_the_even_ones() {
    every_second("system calls, the even ones", 0);
}

#[test]
fn g10_a_system_call_that_fails_or_ends_the_process_takes_nothing_the_odd_ones() {
    every_second("system calls, the odd ones", 1);
}
