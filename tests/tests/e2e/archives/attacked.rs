//! Archives, attacked: what `ledger archive` signs and takes out of a store, and what is left of it.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::action::{ALLOW, DENY};
use crate::back::{copy, put_back};
use crate::home::{Home, Ran};
use crate::signed_heads::{forget_witness, go_on, sign_heads};

const KEPT: &str = "home/ledger.tlog-proof";

/// Has nothing lie beside any record any more; gives the number of the last.
fn erase(home: &Home) -> u64 {
    home.run(["ledger", "erase", "--older-than", "0s", "--reason", "test"])
        .exits(0);
    let verified = home.run(["ledger", "verify"]).exits(0).json();
    verified["size"].as_u64().unwrap() - 1
}

/// Archives up to a record into a folder beside the home.
fn archive(home: &Home, until: u64, more: &[&str]) -> Ran {
    fs::create_dir_all(home.path("archives")).unwrap();
    let until = until.to_string();
    let archive = [
        "ledger", "archive", "--to", "archives", "--reason", "test", "--until", &until,
    ];
    home.run([&archive[..], more].concat())
}

#[test]
fn g12_no_other_head_is_signed_after_that_of_an_archive() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    home.run(["ledger", "checkpoint"]).exits(0);
    let before = copy(&home);
    go_on(&home);
    let last = erase(&home);
    archive(&home, last, &["--keep"]).exits(0);
    // It is a signed head as any other, and so the one that was signed last.
    let signed = home.read(&format!("archives/0-{last}.tlog-proof"));
    assert_eq!(home.read(KEPT), signed);

    put_back(&home, &before);
    forget_witness(&home);
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_truncated");
    go_on(&home);
    go_on(&home);
    erase(&home);
    home.run(["ledger", "verify"]).exits(0);
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_forked");
    archive(&home, last, &["--keep"]).fails(30, "ledger_forked");

    // An earlier archive is no step back.
    home.write(KEPT, &signed);
    let again = Home::with_maintainer();
    sign_heads(&again, "Ed25519");
    go_on(&again);
    let last = erase(&again);
    again
        .run(["ledger", "checkpoint", "--out", "first.tlog-proof"])
        .exits(0);
    let kept = again.read(KEPT);
    archive(&again, last - 1, &["--keep"]).exits(0);
    assert_eq!(again.read(KEPT), kept);

    // One in front of what is left is for the archive.
    let against = ["--checkpoint", "first.tlog-proof"];
    go_on(&again);
    let last = erase(&again);
    archive(&again, last, &[]).exits(0);
    let refused = again.run([&["ledger", "verify"][..], &against].concat());
    refused.fails(2, "usage_invalid");
    let records = format!("archives/0-{last}.jsonl");
    again
        .run(
            [
                &["ledger", "verify", &records, "--trust", "home/trust.json"][..],
                &against,
            ]
            .concat(),
        )
        .exits(0);
}

#[test]
fn g12_a_ledger_without_records_doesnt_go_on_from_a_head() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    home.run(["ledger", "checkpoint", "--out", "head.tlog-proof"]).exits(0);
    let from = ["ledger", "verify", "--from", "head.tlog-proof"];
    home.run(from).exits(0);
    home.write("nothing.jsonl", "");
    let of_nothing = ["ledger", "verify", "nothing.jsonl", "--trust", "home/trust.json"];
    home.run([&of_nothing[..], &from[2..]].concat())
        .fails(30, "ledger_empty");
    copy(&home);
    let connection = Connection::open(home.path("home/ledger.db")).unwrap();
    connection
        .execute_batch(
            "DELETE FROM record; DELETE FROM side; DELETE FROM revocation;
             UPDATE ledger SET size = 0, hash = zeroblob(32), trust_version = 0, trust_digest = NULL, policy = NULL,
                reconciled = 0, revocation_rows = 0, last_revoked = NULL",
        )
        .unwrap();
    drop(connection);
    forget_witness(&home);
    home.run(["ledger", "verify", "--checkpoint", "head.tlog-proof"])
        .fails(30, "ledger_truncated");
    home.run(from).fails(30, "ledger_truncated");
}

#[test]
fn g12_a_kept_head_at_the_beginning_is_held_against_it() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    go_on(&home);
    let last = erase(&home);
    archive(&home, last, &[]).exits(0);
    home.run(["ledger", "checkpoint"]).exits(0);
    // A head of another log of this name, as long as what was taken out.
    let other = Home::with_maintainer();
    sign_heads(&other, "ES256");
    go_on(&other);
    let mut end = erase(&other);
    while end < last {
        other.run(["authorize", "--action", DENY]).exits(10);
        end = erase(&other);
    }
    archive(&other, last, &["--keep"]).exits(0);
    home.write(KEPT, other.read(&format!("archives/0-{last}.tlog-proof")));
    home.run(["ledger", "checkpoint"]).fails(30, "ledger_forked");
}

#[test]
fn what_an_archive_took_out_stays_used_and_whole() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    let named = |id: &str| {
        let mut document: Value = serde_json::from_str(&home.read(ALLOW)).unwrap();
        document["id"] = json!(id);
        home.write(&format!("{id}.json"), document.to_string())
    };
    let action = named("run-1");
    home.pass_into("pass.jwt", &action);
    let consume = ["verify", "--token", "pass.jwt", "--action", &action, "--consume"];
    home.run(consume).exits(0);
    home.run(["revoke", "principal", "agent:other", "--reason", "left"])
        .exits(0);
    let last = erase(&home);
    let archived = archive(&home, last, &[]).exits(0).json();
    assert_eq!((&archived["first"], &archived["last"]), (&json!(0), &json!(last)));
    let used = |ran: Ran| assert_eq!(ran.exits(24).json()["codes"], json!(["already_used"]));
    used(home.run(consume));
    home.run(["authorize", "--action", &action])
        .fails(24, "action_already_issued");
    for command in [
        &["ledger", "verify"][..],
        &["ledger", "fsck"],
        &["ledger", "checkpoint"],
    ] {
        home.run(command).exits(0);
    }
    home.run(["ledger", "show", "--agent", "*"]).exits(0);

    // The archive and what follows it are the whole log.
    let records = home.read(&format!("archives/0-{last}.jsonl"));
    let rest = home.talk(["ledger", "export"]).exits(0).stdout;
    home.write("whole.jsonl", records + &rest);
    home.run(["ledger", "verify", "whole.jsonl"]).exits(0);

    // A second one begins where the first ended.
    go_on(&home);
    let end = erase(&home);
    archive(&home, end, &[]).exits(0);
    home.run(["ledger", "verify"]).exits(0);
    home.run(["ledger", "fsck"]).exits(0);
    let head = format!("archives/0-{last}.tlog-proof");
    let (next, until) = (
        format!("archives/{}-{end}.jsonl", last + 1),
        format!("archives/{}-{end}.tlog-proof", last + 1),
    );
    home.run([
        "ledger",
        "verify",
        &next,
        "--trust",
        "home/trust.json",
        "--from",
        &head,
        "--checkpoint",
        &until,
    ])
    .exits(0);
    used(home.run(consume));

    // Where it begins can't be moved, nor its signed head replaced.
    let change = |sql: &str| {
        copy(&home);
        let connection = Connection::open(home.path("home/ledger.db")).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    let whole = copy(&home);
    let earlier = home.read(&head);
    let signed = format!("UPDATE signed_head SET bytes = CAST('{earlier}' AS BLOB)");
    for (sql, sees) in [
        // What is signed, whoever has the trust store sees.
        (signed.as_str(), false),
        ("UPDATE signed_head SET bytes = zeroblob(10)", false),
        ("DELETE FROM signed_head", true),
        ("UPDATE ledger SET first = first + 1", true),
        ("UPDATE ledger SET first = 0, first_hash = NULL, archived = NULL", true),
        ("DELETE FROM record WHERE seq = (SELECT first FROM ledger)", true),
        ("DELETE FROM issued", true),
    ] {
        change(sql);
        for command in ["verify", "checkpoint"] {
            assert_ne!(home.run(["ledger", command]).exit, 0, "{sql} {command}");
        }
        if sees {
            assert_ne!(home.run(["ledger", "fsck"]).exit, 0, "{sql}");
            assert_ne!(home.run(["authorize", "--action", DENY]).exit, 10, "{sql}");
        }
        put_back(&home, &whole);
    }
    home.run(["ledger", "verify"]).exits(0);
}

#[cfg(target_os = "linux")]
#[test]
fn g12_the_head_of_an_archive_is_kept_in_the_database() {
    let (home, _) = crate::database::home();
    sign_heads(&home, "ES256");
    go_on(&home);
    let last = erase(&home);
    archive(&home, last, &["--keep"]).exits(0);
    assert!(!home.path(KEPT).exists());
    archive(&home, last, &[]).exits(0);
    go_on(&home);
    home.run(["ledger", "checkpoint", "--out", "head.tlog-proof"]).exits(0);
    let end = erase(&home);
    archive(&home, end, &[]).exits(0);
    let next = format!("archives/{}-{end}", last + 1);
    let (records, head) = (format!("{next}.jsonl"), format!("{next}.tlog-proof"));
    let from = format!("archives/0-{last}.tlog-proof");
    let of_next = ["ledger", "verify", &records, "--trust", "trust.json", "--from", &from];
    home.write("trust.json", home.talk(["trust", "export"]).exits(0).stdout);
    home.set_mode("trust.json", 0o600);
    for known in ["head.tlog-proof", &head] {
        home.run([&of_next[..], &["--checkpoint", known]].concat()).exits(0);
    }
    for command in ["verify", "fsck", "checkpoint"] {
        home.run(["ledger", command]).exits(0);
    }
}

/// What lies in the place of an archive's files is none of it unless it is what was to be written.
#[cfg(unix)]
#[test]
fn nothing_is_taken_out_for_files_that_are_no_archive() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    archive(&home, 2, &["--keep"]).exits(0);
    let (records, head) = ("archives/0-2.jsonl", "archives/0-2.tlog-proof");
    let (lines, signed) = (home.read(records), home.read(head));
    let short: String = lines.split_inclusive('\n').take(2).collect();
    let long = format!("{lines}{lines}");
    for (file, text, whole) in [
        (records, short.as_str(), &lines),
        (records, &long, &lines),
        (records, "", &lines),
        (head, &signed.replacen("index 2", "index 1", 1), &signed),
        (head, "", &signed),
    ] {
        home.write(file, text);
        archive(&home, 2, &[]).fails(30, "archive_file_differs");
        home.write(file, whole);
    }
    fs::remove_file(home.path(records)).unwrap();
    fs::create_dir(home.path(records)).unwrap();
    archive(&home, 2, &[]).fails(31, "archive_file_refused");
    fs::remove_dir(home.path(records)).unwrap();
    std::os::unix::fs::symlink("nowhere", home.path(records)).unwrap();
    archive(&home, 2, &[]).fails(31, "archive_file_refused");
    fs::remove_file(home.path(records)).unwrap();
    home.run(["ledger", "show", "0"]).exits(0);
    archive(&home, 2, &[]).exits(0);
    assert_eq!((home.read(records), home.read(head)), (lines, signed));
    home.run(["ledger", "show", "0"]).fails(31, "ledger_archived");
}
