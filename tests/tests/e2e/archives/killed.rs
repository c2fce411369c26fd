//! `kill -9` while records are archived.

use std::cell::Cell;
use std::fs;
use std::time::Instant;

use rusqlite::Connection;

use super::resigned::{archived, resign, revoke};
use super::{ERASE, archive, erased, export, is_whole, names, size};
use crate::fsck::daily;
use crate::home::Home;
use crate::kills::{kill, moments, usual};
use crate::signed_heads::sign_heads;

/// How often an archive is killed.
const KILLS: usize = 40;

/// `kill -9` at any moment: the records are in the store or in an archive, none is lost or there twice, and nothing is left over.
#[test]
fn g10_an_archive_that_is_killed_goes_on() {
    let home = Home::with_maintainer();
    sign_heads(&home, "Ed25519");
    daily(&home, 300);
    home.run(ERASE).exits(0);
    let before = export(&home);
    fs::create_dir(home.path("to")).unwrap();
    // Where the store begins, whole.
    let first = || {
        let verified = home.run(["ledger", "verify"]).exits(0).json();
        verified["archived"].as_u64().unwrap_or(0)
    };
    let measured = Cell::new(0);
    let usual = usual(|| {
        drop(archive(&home, measured.get() + 4, "to", &[]).exits(0));
        measured.set(measured.get() + 5);
    });
    let mut files: Vec<(u64, u64)> = (0..measured.get()).step_by(5).map(|first| (first, first + 4)).collect();
    let (mut killed, mut finished) = (0, 0);
    for moment in moments(KILLS, usual) {
        let begin = first();
        let until = begin + 4;
        files.push((begin, until));
        let last = until.to_string();
        let args = ["ledger", "archive", "--until", &last, "--to", "to", "--reason", "old"];
        let (_, was_killed) = kill(home.start(args), moment);
        let now = first();
        assert!([begin, until + 1].contains(&now), "{begin} {until} {now}");
        killed += usize::from(was_killed);
        finished += usize::from(was_killed && now > begin);
        let again = archive(&home, until, "to", &[]);
        match now == begin {
            true => again.exits(0),
            false => again.fails(2, "ledger_nothing_to_archive"),
        };
        assert_eq!(first(), until + 1);
        let rows = Connection::open(home.path("home/ledger.db")).unwrap().query_row(
            "SELECT count(*) FROM record WHERE seq < (SELECT first FROM ledger) AND seq NOT IN (SELECT seq FROM revocation)",
            [],
            |row| row.get::<_, i64>(0),
        );
        assert_eq!(rows, Ok(0));
    }
    assert!(killed > KILLS / 4, "only {killed} of {KILLS} were still running");
    eprintln!("{killed} killed, {finished} of them behind the transaction");
    let mut expected: Vec<String> = files
        .iter()
        .flat_map(|(first, last)| [format!("{first}-{last}.jsonl"), format!("{first}-{last}.tlog-proof")])
        .collect();
    expected.sort();
    assert_eq!(names(&home.path("to")), expected);
    let taken: String = files
        .iter()
        .map(|(first, last)| home.read(&format!("to/{first}-{last}.jsonl")))
        .collect();
    let whole = taken + &export(&home);
    assert!(whole.starts_with(&before));
    home.write("whole.jsonl", whole);
    let verified = home
        .run(["ledger", "verify", "whole.jsonl", "--trust", "home/trust.json"])
        .exits(0)
        .json();
    assert_eq!(verified["head"], home.run(["ledger", "verify"]).exits(0).json()["head"]);
    is_whole(&home);
}

/// `kill -9` at any moment: the store begins at the former signed head or at the new one, and the same command goes on.
#[test]
fn g10_a_signing_anew_that_is_killed_goes_on() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let records = format!("to/0-{last}.jsonl");
    let key = Cell::new(leaked);
    let leak = || {
        revoke(&home, &key.take());
        key.set(sign_heads(&home, "Ed25519"));
    };
    let number = Cell::new(0);
    let next = || {
        number.set(number.get() + 1);
        format!("anew-{}.tlog-proof", number.get())
    };
    let usual = {
        leak();
        let start = Instant::now();
        drop(resign(&home, &next(), &[&records]).exits(0));
        start.elapsed()
    };
    let (mut killed, mut finished) = (0, 0);
    for moment in moments(KILLS, usual) {
        leak();
        let out = next();
        let args = ["ledger", "resign", &records, "--out", &out, "--reason", "leaked"];
        let before = size(&home);
        let (_, was_killed) = kill(home.start(args), moment);
        let is_new = home.run(["ledger", "verify"]).exit == 0;
        assert_eq!(size(&home), before + u64::from(is_new));
        if !is_new {
            home.run(["ledger", "verify"]).fails(23, "checkpoint_key_revoked");
        }
        killed += usize::from(was_killed);
        finished += usize::from(was_killed && is_new);
        let again = resign(&home, &out, &[&records]);
        match is_new {
            true => again.fails(2, "ledger_nothing_to_resign"),
            false => again.exits(0),
        };
        assert_eq!(size(&home), before + 1);
        home.run(["ledger", "verify", "--from", &out]).exits(0);
    }
    assert!(killed > KILLS / 4, "only {killed} of {KILLS} were still running");
    eprintln!("{killed} killed, {finished} of them behind the transaction");
    let drafts = names(&home.path("")).into_iter().filter(|name| name.starts_with('.'));
    assert_eq!(drafts.count(), 0);
    is_whole(&home);
}

/// A draft that a process left behind when it was killed goes; what else lies in the folder stays.
#[test]
fn drafts_of_before_go() {
    let (home, last) = erased();
    home.write("to/.actionpass-archive-x1y2z3", "half of it");
    home.write("to/.archive-mine", "mine");
    archive(&home, last, "to", &["--keep"]).exits(0);
    let files = [
        ".archive-mine".to_owned(),
        format!("0-{last}.jsonl"),
        format!("0-{last}.tlog-proof"),
    ];
    assert_eq!(names(&home.path("to")), files);
}
