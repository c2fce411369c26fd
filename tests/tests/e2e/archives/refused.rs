//! What stops an archive, and what is wrong with where a log begins.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use super::{ERASE, archive, erased, is_whole, names, refused, size, vote, wait};
use crate::action::DENY;
use crate::signed_heads::sign_heads;

const KEPT: &str = "home/ledger.tlog-proof";

/// Nothing is taken out unless there is such a record, and both files are what they must be.
#[test]
fn what_cannot_be_archived_stays() {
    let (home, last) = erased();
    refused(&home, last + 1, "to", 2, "ledger_nothing_to_archive");
    // The number that was named is the one that isn't there, however large.
    for until in [1 << 53, 1 << 63, u64::MAX - 1, u64::MAX] {
        let said = refused(&home, until, "to", 2, "ledger_nothing_to_archive");
        assert!(said.stdout.contains(&format!("no record {until}\"")), "{said:?}");
    }
    refused(&home, last, "none", 31, "archive_file_refused");
    assert!(names(&home.path("to")).is_empty() && !home.path("none").exists());

    // Files of these names that are others, before and after they were right.
    let (records, head) = (format!("to/0-{last}.jsonl"), format!("to/0-{last}.tlog-proof"));
    for file in [&records, &head] {
        home.write(file, "something else");
        refused(&home, last, "to", 30, "archive_file_differs");
        assert_eq!(home.read(file), "something else");
        fs::remove_file(home.path(file)).unwrap();
    }
    archive(&home, last, "to", &["--keep"]).exits(0);
    let whole = [&records, &head].map(|file| home.read(file));
    let lines: Vec<&str> = whole[0].split_inclusive('\n').collect();
    for (file, damaged) in [
        (&records, lines[1..].concat()),
        (&records, lines[..lines.len() - 1].concat()),
        (&records, whole[0].replacen("deny", "dena", 1)),
        (&records, whole[0].clone() + lines[lines.len() - 1]),
        (&head, whole[1].replacen("index", "indes", 1)),
        (&head, whole[1].replacen('\n', "x\n", 1)),
        (&head, String::new()),
    ] {
        home.write(file, damaged);
        refused(&home, last, "to", 30, "archive_file_differs");
        home.write(&records, &whole[0]);
        home.write(&head, &whole[1]);
    }
    // Another home's head in the place of this one's.
    let (other, end) = erased();
    archive(&other, end, "to", &["--keep"]).exits(0);
    home.write(&head, other.read(&format!("to/0-{end}.tlog-proof")));
    refused(&home, last, "to", 30, "archive_file_differs");
    home.write(&head, &whole[1]);
    archive(&home, last, "to", &[]).exits(0);
    is_whole(&home);
}

/// A signed head that the home keeps holds its log to it: of the log's end, and of its beginning.
#[test]
fn g12_a_kept_head_that_is_damaged_stops_an_archive() {
    let (home, last) = erased();
    home.run(["ledger", "checkpoint"]).exits(0);
    let kept = home.read(KEPT);
    home.write(KEPT, kept.replacen("index", "indes", 1));
    refused(&home, last, "to", 30, "ledger_kept_head_invalid");
    // What was signed behind a log that went back is no beginning either.
    let before = crate::back::copy(&home);
    home.write(KEPT, &kept);
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(["ledger", "checkpoint"]).exits(0);
    crate::back::put_back(&home, &before);
    fs::remove_file(home.path("home/ledger.witness")).unwrap();
    refused(&home, last, "to", 30, "ledger_truncated");
    assert!(names(&home.path("to")).is_empty());
    home.write(KEPT, &kept);
    archive(&home, last - 1, "to", &[]).exits(0);

    // The head that the store begins at.
    let sql = |script: &str| {
        Connection::open(home.path("home/ledger.db"))
            .unwrap()
            .execute_batch(script)
            .unwrap();
    };
    let proof = home.read(&format!("to/0-{}.tlog-proof", last - 1));
    let end = size(&home) - 1;
    let (other, other_end) = erased();
    archive(&other, other_end, "to", &["--keep"]).exits(0);
    let foreign = other.read(&format!("to/0-{other_end}.tlog-proof"));
    for (head, code) in [
        (kept.clone(), "ledger_beginning_mismatch"),
        (foreign, "checkpoint_key_unknown"),
        (proof.replacen('\n', "x\n", 1), "checkpoint_malformed"),
        ("nonsense".to_owned(), "checkpoint_malformed"),
    ] {
        let hex: String = head.bytes().map(|byte| format!("{byte:02x}")).collect();
        sql(&format!("UPDATE signed_head SET bytes = x'{hex}'"));
        for command in [
            &["ledger", "verify"][..],
            &["ledger", "checkpoint"],
            &["doctor"],
            &["store", "check"],
            &[
                "ledger",
                "archive",
                "--until",
                &end.to_string(),
                "--to",
                "to",
                "--reason",
                "old",
            ],
        ] {
            let ran = home.run(command);
            assert_ne!(ran.exit, 0, "{command:?}: {ran:?}");
            assert!(ran.stdout.contains(code), "{command:?}: {ran:?}");
        }
        let fsck = home.run(["ledger", "fsck"]);
        assert_ne!(fsck.exit, 0);
        let finding = fsck.json()["findings"][0].clone();
        assert_eq!(
            (&finding["area"], &finding["code"]),
            (&json!("beginning"), &json!(code)),
            "{fsck:?}"
        );
    }
    let hex: String = proof.bytes().map(|byte| format!("{byte:02x}")).collect();
    sql(&format!("UPDATE signed_head SET bytes = x'{hex}'"));
    is_whole(&home);
    home.run(["ledger", "fsck"]).exits(0);
}

/// A request that waits, or whose decline holds, keeps what is beside it, and so its record.
#[test]
fn a_decline_that_holds_keeps_its_record() {
    let (home, _) = erased();
    let request = wait(&home, "declined");
    let record = size(&home) - 1;
    vote(&home, "decline", &request);
    home.run(ERASE).exits(0);
    let ran = refused(&home, size(&home) - 1, "to", 31, "records_needed");
    assert!(ran.stdout.contains(&format!("record {record} ")), "{ran:?}");
    archive(&home, record - 1, "to", &[]).exits(0);
    let again = home.run(["authorize", "--action", "declined.json"]);
    assert_eq!(again.exit, 10, "{again:?}");
    is_whole(&home);
}

/// Whoever owns the tables can write the head that the log begins at, and not sign it.
#[test]
fn g12_another_beginning_in_a_database_is_told() {
    let (home, name) = crate::database::home();
    sign_heads(&home, "ES256");
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(ERASE).exits(0);
    fs::create_dir(home.path("to")).unwrap();
    let last = size(&home) - 1;
    archive(&home, last, "to", &[]).exits(0);
    home.run(["ledger", "fsck"]).exits(0);
    let sql = |script: &str| crate::database::server().sql(&name, script);
    sql("UPDATE actionpass.signed_head SET bytes = 'nonsense'");
    for command in [
        &["ledger", "verify"][..],
        &["ledger", "checkpoint"],
        &["doctor"],
        &["store", "check"],
    ] {
        let ran = home.run(command);
        assert_ne!(ran.exit, 0, "{command:?}: {ran:?}");
        assert!(ran.stdout.contains("checkpoint_malformed"), "{command:?}: {ran:?}");
    }
    let fsck = home.run(["ledger", "fsck"]);
    assert_ne!(fsck.exit, 0);
    let finding = fsck.json()["findings"][0].clone();
    assert_eq!(
        (&finding["area"], &finding["code"]),
        (&json!("beginning"), &json!("checkpoint_malformed")),
        "{fsck:?}"
    );
    refused(&home, size(&home) - 1, "to", 20, "checkpoint_malformed");
}
