//! Beginnings, forged by somebody who had the ledger key and the store: none of them is signed anew.

use std::fs;

use actionpass_canon::{Limits, admit, sha256};
use actionpass_core::sign_head;

use actionpass_store::ledger::{ChainVerifier, TreeHead, verify_jsonl};
use actionpass_testkit::block_on;
use actionpass_testkit::fixtures::FixtureKey;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::resigned::{archived, resign, revoke};
use super::{ERASE, archive, erased, export, is_whole, size};
use crate::action::{DENY, STEP_UP};
use crate::back::{copy, put_back};
use crate::home::Home;
use crate::signed_heads::{KEPT, forget_witness, go_on, sign_heads};
use crate::template::Template;

/// Two homes with the same keys and records, a ledger key among them: the owner's, and that of whoever has the key.
fn two() -> (Home, Home, String) {
    let home = Home::with_maintainer();
    let kid = sign_heads(&home, "ES256");
    fs::create_dir(home.path("to")).unwrap();
    let both = Template::of(&home.path(""));
    (Home::from(&both), Home::from(&both), kid)
}

/// Puts the store of one home, and all that it holds it to, in the place of another's.
fn replace(home: &Home, by: &Home) {
    put_back(home, &copy(by));
    forget_witness(home);
    home.write(KEPT, by.read(KEPT));
}

fn sql(home: &Home, script: &str) {
    let connection = Connection::open(home.path("home/ledger.db")).unwrap();
    connection.execute_batch(script).unwrap();
}

fn put_head(home: &Home, signed: &str) {
    let hex: String = signed.bytes().map(|byte| format!("{byte:02x}")).collect();
    sql(home, &format!("UPDATE signed_head SET bytes = x'{hex}'"));
}

/// Refused, and nothing is signed.
#[track_caller]
fn is_refused(home: &Home, what: &[&str], code: &str, says: &[&str]) {
    let before = export(home);
    let ran = resign(home, "anew.tlog-proof", what).fails(30, code);
    for part in says {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert_eq!(export(home), before);
    assert!(!home.path("anew.tlog-proof").exists());
    assert_ne!(home.run(["ledger", "verify"]).exit, 0);
}

/// Other records of the same number, and another number of records: whole, signed by the key, and not those of the archives.
#[test]
fn g12_other_records_in_front_of_a_beginning_are_refused() {
    let (home, forger, leaked) = two();
    go_on(&home);
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(ERASE).exits(0);
    let last = size(&home) - 1;
    archive(&home, last, "to", &[]).exits(0);
    let records = format!("to/0-{last}.jsonl");
    let real = home.read(KEPT);
    let hash = |proof: &str| {
        let extra = proof.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
        let entry = <base64ct::Base64 as base64ct::Encoding>::decode_vec(extra).unwrap();
        format!("{last}:{}", sha256(&entry))
    };
    for _ in 0..3 {
        forger.run(["authorize", "--action", STEP_UP]).exits(11);
    }
    forger.run(ERASE).exits(0);
    go_on(&forger);
    forger.run(ERASE).exits(0);
    assert!(size(&forger) > last + 1);
    let start = copy(&forger);
    for until in [last, last - 1, last + 1] {
        put_back(&forger, &start);
        forget_witness(&forger);
        let _ = fs::remove_file(forger.path(KEPT));
        archive(&forger, until, "to", &[]).exits(0);
        let forged = forger.read(KEPT);
        replace(&home, &forger);
        let trust = home.read("home/trust.json");
        let config = home.read("home/config.toml");
        // To whoever has no more than the store, it is whole.
        home.run(["ledger", "verify"]).exits(0);
        home.run(["doctor"]).exits(0);
        revoke(&home, &leaked);
        sign_heads(&home, "Ed25519");
        let mut says = vec![hash(&real)];
        if until == last {
            says.push(hash(&forged));
        }
        let says: Vec<&str> = says.iter().map(String::as_str).collect();
        is_refused(&home, &[&records], "ledger_beginning_unvouched", &says);
        // Nor does what the forger calls the archives, or signed with the key.
        forger.write("to/forged.jsonl", "");
        let theirs = forger.read(&format!("to/0-{until}.jsonl"));
        home.write("cut.jsonl", &theirs[..theirs.len() - 20]);
        is_refused(&home, &["cut.jsonl"], "ledger_line_truncated", &["cut.jsonl"]);
        home.write("theirs.tlog-proof", &forged);
        let by = ["--checkpoint", "theirs.tlog-proof"];
        resign(&home, "anew.tlog-proof", &by).fails(23, "checkpoint_key_revoked");
        home.write("home/trust.json", trust);
        home.write("home/config.toml", config);
    }
}

/// A head of the same records, or of others, in the place of the one that it begins at.
#[test]
fn g12_another_signed_head_at_a_beginning_is_refused() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let records = format!("to/0-{last}.jsonl");
    let proof = home.read(&format!("to/0-{last}.tlog-proof"));
    go_on(&home);
    home.run(["ledger", "checkpoint"]).exits(0);
    let later = home.read(KEPT);
    sign_heads(&home, "ES256");
    go_on(&home);
    home.run(["ledger", "checkpoint", "--out", "later.tlog-proof"]).exits(0);
    let jwk = serde_json::to_string(&FixtureKey::LEDGER.public_key().to_jwk()).unwrap();
    let jwk = home.write("leaked.jwk", jwk);
    home.run(["trust", "add", &jwk, "--use", "ledger"]).exits(0);
    revoke(&home, &leaked);
    revoke(&home, FixtureKey::LEDGER.kid().as_str());

    put_head(&home, &later);
    is_refused(&home, &[&records], "ledger_beginning_mismatch", &[]);
    put_head(&home, &proof.replacen('\n', "x\n", 1));
    resign(&home, "anew.tlog-proof", &[&records]).fails(20, "checkpoint_malformed");

    // The right record, and a root that leaves room for other records in front of it.
    let real = verify_jsonl(home.read(&records).as_bytes(), ChainVerifier::new().with_tree()).unwrap();
    let real = real.tree.unwrap();
    let mut hashes = real.proof();
    hashes[0] = sha256(b"another subtree");
    let forged = TreeHead::new(real.entry(), &hashes).unwrap();
    let signed = block_on(sign_head(&FixtureKey::LEDGER.signer(), &forged)).unwrap();
    put_head(&home, &signed.to_string());
    let known = real.known().to_string();
    is_refused(&home, &[&records], "ledger_beginning_unvouched", &[&known, "root"]);
    // Nor do the records lead from there, whatever is kept in the home, to what another key has signed later.
    fs::remove_file(home.path(KEPT)).unwrap();
    is_refused(&home, &["--checkpoint", "later.tlog-proof"], "ledger_forked", &[]);
    // Whoever signed the right one doesn't matter any more.
    let signed = block_on(sign_head(&FixtureKey::LEDGER.signer(), &real)).unwrap();
    put_head(&home, &signed.to_string());
    resign(&home, "anew.tlog-proof", &[&records]).exits(0);
    is_whole(&home);
}

/// The store's last record, written anew with another body; the hash of it is the head's.
fn rewrite_last(home: &Home, change: impl FnOnce(&mut Value)) {
    let connection = Connection::open(home.path("home/ledger.db")).unwrap();
    let read = "SELECT json FROM record ORDER BY seq DESC LIMIT 1";
    let json: String = connection.query_row(read, [], |row| row.get(0)).unwrap();
    let mut record: Value = serde_json::from_str(&json).unwrap();
    let canonical = |record: &Value| {
        admit(record.to_string().as_bytes(), &Limits::default())
            .unwrap()
            .into_vec()
    };
    change(&mut record["body"]);
    record.as_object_mut().unwrap().remove("ledgerHash");
    let hash = sha256(&canonical(&record));
    record["ledgerHash"] = json!(hash.to_string());
    let json = String::from_utf8(canonical(&record)).unwrap();
    connection
        .execute(
            "UPDATE record SET json = ?1 WHERE seq = (SELECT max(seq) FROM record)",
            [json],
        )
        .unwrap();
    connection
        .execute("UPDATE ledger SET hash = ?1", [hash.as_bytes().as_slice()])
        .unwrap();
    drop(connection);
    forget_witness(home);
}

/// The record that says where the store begins, gone, another, or with another root.
#[test]
fn g12_a_beginning_without_its_record_is_refused() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let records = format!("to/0-{last}.jsonl");
    let record = size(&home) - 1;
    rewrite_last(&home, |body| body["root"] = json!(sha256(b"another").to_string()));
    revoke(&home, &leaked);
    sign_heads(&home, "ES256");
    is_refused(
        &home,
        &[&records],
        "ledger_beginning_unvouched",
        &[&format!("record {record}")],
    );

    for (script, code) in [
        ("UPDATE ledger SET archived = archived + 1", "store_rows_missing"),
        ("UPDATE ledger SET first = first - 1", "store_rows_missing"),
        (
            "DELETE FROM record WHERE seq = (SELECT archived FROM ledger)",
            "store_rows_missing",
        ),
        (
            "UPDATE ledger SET first = 0, first_hash = NULL, archived = NULL; DELETE FROM signed_head",
            "store_rows_missing",
        ),
        ("DELETE FROM signed_head", "store_corrupt"),
    ] {
        let home = Home::with_maintainer();
        let (last, leaked) = archived(&home);
        let records = format!("to/0-{last}.jsonl");
        revoke(&home, &leaked);
        sign_heads(&home, "ES256");
        sql(&home, script);
        let ran = resign(&home, "anew.tlog-proof", &[&records]);
        assert_ne!(ran.exit, 0, "{script}");
        assert_eq!(ran.code(), code, "{script}: {ran:?}");
        assert!(!home.path("anew.tlog-proof").exists());
    }
}

/// Archives that aren't all of the log's, each once, as they were.
#[test]
fn g12_archives_vouch_for_nothing_but_what_they_hold() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    go_on(&home);
    home.run(ERASE).exits(0);
    let end = size(&home) - 1;
    archive(&home, end, "to", &[]).exits(0);
    revoke(&home, &leaked);
    sign_heads(&home, "ES256");
    let (first, second) = (format!("to/0-{last}.jsonl"), format!("to/{}-{end}.jsonl", last + 1));
    let whole = home.read(&first);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    home.write("edited.jsonl", whole.replacen("deny", "dena", 1));
    home.write("cut.jsonl", lines[..lines.len() - 1].concat());
    home.write("torn.jsonl", &whole[..whole.len() - 9]);
    home.write("nothing.jsonl", "");
    let (other, _) = erased();
    other.write("../other.jsonl", "");
    home.write("other.jsonl", export(&other));
    let unvouched = "ledger_beginning_unvouched";
    for (archives, code, says) in [
        (&[first.as_str()][..], unvouched, format!("{last}:sha256:")),
        (&[&second], "ledger_sequence_broken", second.clone()),
        (&[&first, &first, &second], "ledger_sequence_broken", first.clone()),
        (
            &["edited.jsonl", &second],
            "ledger_hash_mismatch",
            "edited.jsonl".to_owned(),
        ),
        (&["cut.jsonl", &second], "ledger_sequence_broken", second.clone()),
        (
            &["torn.jsonl", &second],
            "ledger_line_truncated",
            "torn.jsonl".to_owned(),
        ),
        (&["other.jsonl", &second], "ledger_", String::new()),
        (&["nothing.jsonl"], unvouched, "no records".to_owned()),
        (
            &["home/config.toml", &first, &second],
            "ledger_malformed",
            "config.toml".to_owned(),
        ),
    ] {
        let before = export(&home);
        let ran = resign(&home, "anew.tlog-proof", archives);
        assert_eq!(ran.exit, 30, "{archives:?}: {ran:?}");
        assert!(
            ran.code().starts_with(code) && ran.stdout.contains(&says),
            "{archives:?}: {ran:?}"
        );
        assert_eq!(export(&home), before);
        assert!(!home.path("anew.tlog-proof").exists());
    }
    for archive in ["none.jsonl", "to"] {
        resign(&home, "anew.tlog-proof", &[archive]).fails(31, "archive_file_refused");
    }
    resign(&home, "anew.tlog-proof", &[&first, &second]).exits(0);
    is_whole(&home);
}
