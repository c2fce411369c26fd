//! A ledger key that leaked: what its store begins at is signed anew, once something else than the store vouched for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{ERASE, answers, archive, decide, export, is_whole, names, refused, size};
use crate::action::{ALLOW, DENY};
use crate::home::{Home, MAINTAINER, Ran};
use crate::signed_heads::{CONFIG, KEPT, go_on, name_key, sign_heads};

/// The command that signs anew, with what vouches for it.
pub(super) fn resign(home: &Home, out: &str, what: &[&str]) -> Ran {
    let args = ["ledger", "resign", "--out", out, "--reason", "the key leaked"];
    home.run([&args[..], what].concat())
}

pub(super) fn revoke(home: &Home, kid: &str) {
    home.run(["revoke", "key", kid, "--reason", "leaked"]).exits(0);
}

/// A home with a key for heads, whose store begins behind an archive; gives the archive's last record, and the key.
pub(super) fn archived(home: &Home) -> (u64, String) {
    let kid = sign_heads(home, "ES256");
    go_on(home);
    home.run(ERASE).exits(0);
    fs::create_dir_all(home.path("to")).unwrap();
    let last = size(home) - 1;
    archive(home, last, "to", &[]).exits(0);
    (last, kid)
}

/// Everything that believes the signed head refuses the store, with what to do; it decides all the same.
fn is_in_doubt(home: &Home) {
    for command in [
        &["ledger", "verify"][..],
        &["ledger", "checkpoint"],
        &["doctor"],
        &["store", "check"],
    ] {
        let ran = home.run(command);
        assert_ne!(ran.exit, 0, "{command:?}: {ran:?}");
        assert!(ran.stdout.contains("checkpoint_key_revoked"), "{command:?}: {ran:?}");
    }
    let doctor = home.talk(["doctor"]);
    assert!(doctor.stdout.contains("ledger resign"), "{doctor:?}");
    let fsck = home.run(["ledger", "fsck"]).json();
    let finding = &fsck["findings"][0];
    assert_eq!(
        (&finding["area"], &finding["code"]),
        (&json!("beginning"), &json!("checkpoint_key_revoked"))
    );
    let next = fsck["next"].to_string();
    assert!(next.contains("ledger resign") && !next.contains("backup"), "{next}");
    home.run(["authorize", "--action", DENY]).exits(10);
    refused(home, size(home) - 1, "to", 23, "checkpoint_key_revoked");
}

/// The whole story: archives, a leak, a successor; the store is the one of before, and moves as any other.
fn is_signed_anew(home: &Home, there: &str, back: &str) {
    let leaked = sign_heads(home, "ES256");
    let made = decide(home);
    home.run(ERASE).exits(0);
    fs::create_dir(home.path("to")).unwrap();
    let first_last = size(home) - 1;
    archive(home, first_last, "to", &[]).exits(0);
    go_on(home);
    home.run(ERASE).exits(0);
    let last = size(home) - 1;
    archive(home, last, "to", &[]).exits(0);
    let before_answers = answers(home, &made);
    let records = [
        format!("to/0-{first_last}.jsonl"),
        format!("to/{}-{last}.jsonl", first_last + 1),
    ];
    // In the order of their numbers, whatever the order of their names is.
    let archives = [records[1].as_str(), records[0].as_str()];
    // As long as the key is believed there is nothing to be done.
    resign(home, "anew.tlog-proof", &archives).fails(2, "ledger_nothing_to_resign");

    revoke(home, &leaked);
    is_in_doubt(home);
    resign(home, "anew.tlog-proof", &archives).fails(31, "ledger_key_not_trusted");
    let kid = sign_heads(home, "Ed25519");
    is_in_doubt(home);
    assert!(!home.path("anew.tlog-proof").exists());

    let before = export(home);
    let signed = resign(home, "anew.tlog-proof", &archives).exits(0).json();
    assert_eq!(
        (&signed["kid"], &signed["size"], &signed["record"]["seq"]),
        (
            &json!(kid),
            &json!(last + 1),
            &json!(last + 1 + before.lines().count() as u64)
        )
    );
    let file = home.path("anew.tlog-proof");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // One record more, which says so, and nothing else.
    let now = export(home);
    let record: Value = serde_json::from_str(now.strip_prefix(&before).unwrap()).unwrap();
    let body = &record["body"];
    assert_eq!(
        (&record["kind"], &body["schema"]),
        (&json!("erasure"), &json!("actionpass.beginning.v1"))
    );
    assert_eq!(
        (&body["size"], &body["kid"], &body["vouchedBy"]),
        (&json!(last + 1), &json!(kid), &json!("archives"))
    );
    assert_eq!(
        (&body["root"], &body["reason"]),
        (&signed["root"], &json!("the key leaked"))
    );
    assert_eq!(answers(home, &made), before_answers);
    is_whole(home);
    home.run(["ledger", "fsck"]).exits(0);
    resign(home, "again.tlog-proof", &archives).fails(2, "ledger_nothing_to_resign");

    // Whoever verifies what follows begins with the new file, and not with the one of then.
    let former = format!("to/{}-{last}.tlog-proof", first_last + 1);
    home.run(["ledger", "verify", "--from", "anew.tlog-proof"]).exits(0);
    home.run(["ledger", "verify", "--from", &former])
        .fails(23, "checkpoint_key_revoked");
    home.write("live.jsonl", export(home));
    home.write("trust.json", home.talk(["trust", "export"]).exits(0).stdout);
    home.set_mode("trust.json", 0o600);
    let of_live = [
        "ledger",
        "verify",
        "live.jsonl",
        "--trust",
        "trust.json",
        "--from",
        "anew.tlog-proof",
    ];
    home.run(of_live).exits(0);

    // It goes along, and on.
    for to in [there, back] {
        home.run(["store", "copy", "--to", to]).exits(0);
        is_whole(home);
        home.run(["ledger", "fsck"]).exits(0);
        assert_eq!(answers(home, &made), before_answers, "{to}");
    }
    home.run(ERASE).exits(0);
    archive(home, size(home) - 1, "to", &[]).exits(0);
    is_whole(home);
    home.pass(ALLOW);
    assert!(
        names(&home.path(""))
            .iter()
            .all(|name| !name.starts_with(".actionpass-archive-"))
    );
}

#[test]
fn g12_a_beginning_is_signed_anew_after_a_leak() {
    let url = crate::database::server().url(&crate::database::database());
    is_signed_anew(&Home::with_maintainer(), &url, "files");
}

#[test]
fn g12_a_beginning_in_a_database_is_signed_anew_after_a_leak() {
    let (home, _) = crate::database::home();
    home.approver(MAINTAINER, &["maintainer"]).exits(0);
    let url = crate::database::server().url(&crate::database::database());
    is_signed_anew(&home, "files", &url);
}

/// The head that was signed last holds the log to what it says, whoever signed it; that of the beginning is replaced, and a later one
/// stays for the next checkpoint.
#[test]
fn the_head_that_was_signed_last_stays_a_bound() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let records = format!("to/0-{last}.jsonl");
    revoke(&home, &leaked);
    sign_heads(&home, "ES256");
    let revoked = home.read(KEPT);
    assert_eq!(revoked, home.read(&format!("to/0-{last}.tlog-proof")));
    // One of another log of this name, of as many records and of fewer, and none at all.
    let other = Home::with_maintainer();
    sign_heads(&other, "ES256");
    other.run(["ledger", "checkpoint"]).exits(0);
    let fewer = other.read(KEPT);
    let same = Home::with_maintainer();
    assert_eq!(archived(&same).0, last);
    for (bytes, code) in [
        (same.read(KEPT), "ledger_forked"),
        (fewer, "ledger_forked"),
        (revoked.replacen("index", "indes", 1), "ledger_kept_head_invalid"),
    ] {
        home.write(KEPT, bytes);
        resign(&home, "anew.tlog-proof", &[&records]).fails(30, code);
        assert!(!home.path("anew.tlog-proof").exists());
    }
    home.write(KEPT, &revoked);
    resign(&home, "anew.tlog-proof", &[&records]).exits(0);
    assert_eq!(home.read(KEPT), home.read("anew.tlog-proof"));

    // A later one, by a key that is revoked then.
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let records = format!("to/0-{last}.jsonl");
    go_on(&home);
    home.run(["ledger", "checkpoint"]).exits(0);
    let kept = home.read(KEPT);
    revoke(&home, &leaked);
    sign_heads(&home, "ES256");
    // One of another log of this name, and none.
    let other = Home::with_maintainer();
    let _ = archived(&other);
    go_on(&other);
    go_on(&other);
    other.run(["ledger", "checkpoint"]).exits(0);
    for (bytes, code) in [
        (other.read(KEPT), "ledger_forked"),
        (kept.replacen("index", "indes", 1), "ledger_kept_head_invalid"),
    ] {
        home.write(KEPT, bytes);
        resign(&home, "anew.tlog-proof", &[&records]).fails(30, code);
        assert!(!home.path("anew.tlog-proof").exists());
    }
    home.write(KEPT, &kept);
    resign(&home, "anew.tlog-proof", &[&records]).exits(0);
    assert_eq!(home.read(KEPT), kept);
    home.run(["ledger", "checkpoint"]).exits(0);
    assert_ne!(home.read(KEPT), kept);
    is_whole(&home);
}

/// The URI of the key that signs heads now.
fn key_of(home: &Home) -> String {
    let config = home.read(CONFIG);
    let (_, rest) = config.split_once("key = \"file:keys/ledger-").unwrap();
    format!("file:keys/ledger-{}", rest.split('"').next().unwrap())
}

/// Where archives are out of reach, a head that another key signed vouches for the beginning: of that record, or of a later one.
#[test]
fn g12_a_head_of_a_key_in_force_vouches_for_a_beginning() {
    let home = Home::with_maintainer();
    sign_heads(&home, "Ed25519");
    let trusted = key_of(&home);
    go_on(&home);
    home.run(["ledger", "checkpoint", "--out", "before.tlog-proof"])
        .exits(0);
    let leaked = sign_heads(&home, "ES256");
    let key = key_of(&home);
    home.run(ERASE).exits(0);
    fs::create_dir(home.path("to")).unwrap();
    let last = size(&home) - 1;
    name_key(&home, &trusted);
    home.run(["ledger", "checkpoint", "--out", "there.tlog-proof"]).exits(0);
    name_key(&home, &key);
    archive(&home, last, "to", &[]).exits(0);
    go_on(&home);
    home.run(["ledger", "checkpoint", "--out", "leaked.tlog-proof"])
        .exits(0);
    name_key(&home, &trusted);
    home.run(["ledger", "checkpoint", "--out", "later.tlog-proof"]).exits(0);
    revoke(&home, &leaked);

    let other = Home::with_maintainer();
    archived(&other);
    home.write("other.tlog-proof", other.read(KEPT));
    let by = |head: &str| resign(&home, "anew.tlog-proof", &["--checkpoint", head]);
    let before = export(&home);
    by("before.tlog-proof").fails(30, "ledger_beginning_unvouched");
    by("leaked.tlog-proof").fails(23, "checkpoint_key_revoked");
    by("other.tlog-proof").fails(20, "checkpoint_key_unknown");
    by("home/config.toml").fails(20, "checkpoint_malformed");
    by("none.tlog-proof").fails(2, "file_unreadable");
    assert_eq!(export(&home), before);
    assert!(!home.path("anew.tlog-proof").exists());
    let (whole, kept) = (crate::back::copy(&home), home.read(KEPT));
    for head in ["there.tlog-proof", "later.tlog-proof"] {
        crate::back::put_back(&home, &whole);
        crate::signed_heads::forget_witness(&home);
        home.write(KEPT, &kept);
        by(head).exits(0);
        fs::remove_file(home.path("anew.tlog-proof")).unwrap();
        let records = home.records();
        assert_eq!(records.last().unwrap()["body"]["vouchedBy"], json!("signed_head"));
        is_whole(&home);
    }
}

/// The file is a new one, or the signed head that an earlier call left there.
#[test]
fn what_lies_in_the_place_of_the_new_file_stays() {
    let home = Home::with_maintainer();
    let (last, leaked) = archived(&home);
    let (records, former) = (format!("to/0-{last}.jsonl"), format!("to/0-{last}.tlog-proof"));
    revoke(&home, &leaked);
    sign_heads(&home, "ES256");
    let before = export(&home);
    let old = home.read(&former);
    resign(&home, &former, &[&records]).fails(30, "archive_file_differs");
    home.write("anew.tlog-proof", "mine");
    resign(&home, "anew.tlog-proof", &[&records]).fails(30, "archive_file_differs");
    resign(&home, "none/anew.tlog-proof", &[&records]).fails(31, "archive_file_refused");
    resign(&home, "to", &[&records]).fails(31, "archive_file_refused");
    assert_eq!(
        (home.read(&former), home.read("anew.tlog-proof")),
        (old, "mine".to_owned())
    );
    assert_eq!(export(&home), before);
    // What a call left that was killed before the store changed.
    let whole = crate::back::copy(&home);
    resign(&home, "left.tlog-proof", &[&records]).exits(0);
    let left = home.read("left.tlog-proof");
    crate::back::put_back(&home, &whole);
    crate::signed_heads::forget_witness(&home);
    resign(&home, "left.tlog-proof", &[&records]).exits(0);
    assert_eq!(home.read("left.tlog-proof"), left);
    is_whole(&home);
    // The same by a key that was replaced since, which the record would not name.
    crate::back::put_back(&home, &whole);
    crate::signed_heads::forget_witness(&home);
    home.write(KEPT, &left);
    sign_heads(&home, "Ed25519");
    resign(&home, "left.tlog-proof", &[&records]).fails(30, "archive_file_differs");
    resign(&home, "other.tlog-proof", &[&records]).exits(0);
    is_whole(&home);
}

/// A store without archives has nothing to be signed anew.
#[test]
fn a_store_with_its_first_record_begins_at_no_head() {
    let home = Home::with_maintainer();
    sign_heads(&home, "ES256");
    home.write("all.jsonl", export(&home));
    resign(&home, "anew.tlog-proof", &["all.jsonl"]).fails(2, "ledger_nothing_to_resign");
    resign(&home, "anew.tlog-proof", &[]).fails(2, "usage_invalid");
    let both = ["all.jsonl", "--checkpoint", "head.tlog-proof"];
    resign(&home, "anew.tlog-proof", &both).fails(2, "usage_invalid");
}
