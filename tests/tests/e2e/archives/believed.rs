//! What is decided goes by where a store begins, so a beginning that somebody made who can write the store is not believed.

use actionpass_canon::{Limits, admit, sha256};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use super::resigned::{archived, resign, revoke};
use super::{ERASE, archive, erased, size};
use crate::action::{ALLOW, DENY, id};
use crate::back::{copy, put_back};
use crate::home::Home;
use crate::signed_heads::{go_on, sign_heads};
use crate::template::Template;

/// A record with its hash, as the store has it.
fn seal(mut record: Value) -> (String, [u8; 32]) {
    let canonical = |record: &Value| {
        let text = record.to_string();
        admit(text.as_bytes(), &Limits::default()).unwrap().into_vec()
    };
    record.as_object_mut().unwrap().remove("ledgerHash");
    let hash = sha256(&canonical(&record));
    record["ledgerHash"] = json!(hash.to_string());
    (String::from_utf8(canonical(&record)).unwrap(), *hash.as_bytes())
}

/// The store's file.
fn store(home: &Home) -> Connection {
    Connection::open(home.path("home/ledger.db")).unwrap()
}

fn record(store: &Connection, which: &str) -> Value {
    let read = format!("SELECT json FROM record WHERE seq = ({which})");
    let json: String = store.query_row(&read, [], |row| row.get(0)).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// Without a key: nothing is left in the store but the record of an archive, of which the witness saw nothing.
#[test]
fn g12_a_beginning_behind_the_witness_is_believed_by_its_signature_only() {
    let home = Home::with_maintainer();
    let _ = archived(&home);
    let mut action: Value = serde_json::from_str(&home.read(ALLOW)).unwrap();
    action["id"] = json!(id(1));
    let action = home.write("again.json", action.to_string());
    home.run(["authorize", "--action", &action]).exits(0);
    let store = store(&home);
    let mut made = record(&store, "SELECT archived FROM ledger");
    let first = size(&home) + 1;
    let at = i64::try_from(first).unwrap();
    let before = sha256(b"any").to_string();
    made["seq"] = json!(first);
    made["previousLedgerHash"] = json!(before);
    made["body"]["size"] = json!(first);
    made["body"]["lastHash"] = json!(before);
    for rows in made["body"]["rows"].as_object_mut().unwrap().values_mut() {
        *rows = json!(0);
    }
    let (json, hash) = seal(made);
    for table in [
        "issued",
        "approval",
        "revocation",
        "request",
        "request_side",
        "used",
        "side",
        "replay",
        "record",
    ] {
        store.execute(&format!("DELETE FROM {table}"), []).unwrap();
    }
    store
        .execute_batch("UPDATE replay_limits SET marks = 0, last_issuer = NULL, last_pass = NULL, last_until = NULL")
        .unwrap();
    store
        .execute("INSERT INTO record VALUES (?1, ?2)", params![at, json])
        .unwrap();
    let set = "UPDATE ledger SET size = ?1, hash = ?2, first = ?3, first_hash = ?4, archived = ?3, issued_rows = 0,
        approval_rows = 0, revocation_rows = 0, last_allow = NULL, last_approved = NULL, last_revoked = NULL, request_rows = 0,
        request_unended = 0, request_changes = 0, last_opened = NULL, last_changed = NULL, reconciled = trust_version";
    let any = *sha256(b"any").as_bytes();
    store.execute(set, params![at + 1, hash, at, any]).unwrap();
    drop(store);
    home.run(["authorize", "--action", &action])
        .fails(26, "store_rolled_back");
    self::store(&home)
        .execute("UPDATE signed_head SET bytes = x'00'", [])
        .unwrap();
    home.run(["authorize", "--action", &action])
        .fails(26, "store_rolled_back");
}

/// Without a key: a second record of the same archive says that fewer rows were left than were.
#[test]
fn g12_one_beginning_has_one_record() {
    let (home, last) = erased();
    archive(&home, last, "to", &[]).exits(0);
    home.run(["ledger", "verify"]).exits(0);
    let seq = size(&home);
    let at = i64::try_from(seq).unwrap();
    let store = store(&home);
    let gone = store
        .execute("DELETE FROM issued WHERE seq <= ?1", [i64::try_from(last).unwrap()])
        .unwrap();
    assert!(gone > 0);
    let mut second = record(&store, "SELECT archived FROM ledger");
    let newest = record(&store, "SELECT max(seq) FROM record");
    second["seq"] = json!(seq);
    second["previousLedgerHash"] = newest["ledgerHash"].clone();
    second["time"] = newest["time"].clone();
    let name = second["id"].as_str().unwrap().to_owned();
    second["id"] = json!(format!(
        "{}{}",
        &name[..name.len() - 1],
        if name.ends_with('0') { '1' } else { '0' }
    ));
    let actions = second["body"]["rows"]["actions"].as_u64().unwrap();
    second["body"]["rows"]["actions"] = json!(actions - gone as u64);
    let (json, hash) = seal(second);
    store
        .execute("INSERT INTO record VALUES (?1, ?2)", params![at, json])
        .unwrap();
    let set = "UPDATE ledger SET size = ?1, hash = ?2, archived = ?3, issued_rows = (SELECT count(*) FROM issued)";
    store.execute(set, params![at + 1, hash, at]).unwrap();
    drop(store);
    home.run(["ledger", "verify"]).fails(40, "store_rows_missing");
    home.run(["ledger", "checkpoint"]).fails(40, "store_rows_missing");
}

/// With a ledger key that nobody knows to be in other hands: another log of the same keys, archived further on.
#[test]
fn g12_a_beginning_behind_the_head_that_was_signed_last_is_another_log() {
    let home = Home::with_maintainer();
    let leaked = sign_heads(&home, "ES256");
    std::fs::create_dir(home.path("to")).unwrap();
    let both = Template::of(&home.path(""));
    let (home, forger) = (Home::from(&both), Home::from(&both));
    go_on(&home);
    home.run(["ledger", "checkpoint", "--out", "true.tlog-proof"]).exits(0);
    for _ in 0..size(&home) {
        forger.run(["authorize", "--action", DENY]).exits(10);
    }
    forger.run(ERASE).exits(0);
    let until = size(&forger) - 1;
    assert!(until > size(&home));
    archive(&forger, until, "to", &[]).exits(0);
    go_on(&forger);
    put_back(&home, &copy(&forger));

    home.run(["authorize", "--action", ALLOW])
        .fails(26, "store_rolled_back");
    home.run(["ledger", "checkpoint"])
        .fails(30, "ledger_beginning_mismatch");
    let told = home.run(["doctor"]);
    assert!(told.stdout.contains("nothing is signed or archived"), "{told:?}");
    revoke(&home, &leaked);
    sign_heads(&home, "Ed25519");
    home.write("theirs.tlog-proof", forger.read("home/ledger.tlog-proof"));
    for (head, code) in [
        ("true.tlog-proof", "checkpoint_key_revoked"),
        ("theirs.tlog-proof", "checkpoint_key_revoked"),
    ] {
        let ran = resign(&home, "anew.tlog-proof", &["--checkpoint", head]);
        assert!(ran.exit == 30 || ran.code() == code, "{ran:?}");
    }
    assert!(!home.path("anew.tlog-proof").exists());
}
