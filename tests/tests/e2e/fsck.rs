//! `ledger fsck`: each kind of damage is told, with what is still provable, and nothing is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use actionpass_home::OpenHome;
use actionpass_model::{Digest, Timestamp, UseBody, UseSchema};
use actionpass_store::ledger::RecordDraft;
use actionpass_store::{LedgerExt as _, SideKind};
use actionpass_testkit::block_on;
use actionpass_verify::{Clock as _, SystemClock};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::action::{ALLOW, DENY, STEP_UP};
use crate::back::{copy, put_back};
use crate::home::Home;
use crate::support::files_in;

/// A home with a decision of every kind, a use, and a request.
fn filled() -> Home {
    let home = Home::with_maintainer();
    fill(&home);
    home
}

fn fill(home: &Home) {
    home.pass_into("pass.jwt", ALLOW);
    home.run(["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"])
        .exits(0);
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    home.run(["authorize", "--action", ALLOW]).exits(0);
}

/// Every file of the home, with its content.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let content = fs::read(&path).unwrap();
        (path, content)
    };
    files_in(&home.path("home")).map(read).collect()
}

/// What `ledger fsck` says, with this exit code; the home is as before, and people are told too.
fn fsck(home: &Home, exit: i32) -> Value {
    let before = files(home);
    let said = home.run(["ledger", "fsck"]).exits(exit).json();
    let text = home.talk(["ledger", "fsck"]).exits(exit).stdout;
    assert_eq!(text.starts_with("ok "), exit == 0, "{text}");
    assert_eq!(said["whole"], json!(exit == 0));
    assert_eq!(said["schema"], "actionpass.cli.ledger-fsck.v1");
    assert_eq!(said["next"].as_array().unwrap().is_empty(), exit == 0);
    assert!(files(home) == before, "something was changed");
    said
}

fn sql(home: &Home, sql: &str) {
    Connection::open(home.path("home/ledger.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

/// Area, code and first record of every finding.
fn found(said: &Value) -> Vec<(String, String, Option<u64>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = said["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            (
                text(&finding["area"]),
                text(&finding["code"]),
                finding["first"].as_u64(),
            )
        })
        .collect()
}

#[track_caller]
fn finds(said: &Value, findings: &[(&str, &str, Option<u64>)]) {
    let wanted: Vec<_> = findings
        .iter()
        .map(|(area, code, first)| ((*area).to_owned(), (*code).to_owned(), *first))
        .collect();
    assert_eq!(found(said), wanted, "{said}");
}

fn stretches(said: &Value) -> Vec<(u64, u64, &str)> {
    let stretches = said["stretches"].as_array().unwrap().iter();
    stretches
        .map(|stretch| {
            let number = |name: &str| stretch[name].as_u64().unwrap();
            (
                number("first"),
                number("last"),
                stretch["provedBy"].as_str().unwrap_or("nobody"),
            )
        })
        .collect()
}

#[test]
fn g11_a_whole_home_is_told_whole() {
    let home = filled();
    let said = fsck(&home, 0);
    let last = said["size"].as_u64().unwrap() - 1;
    assert_eq!(stretches(&said), [(0, last, "witness")]);
    assert_eq!((&said["lost"], &said["files"]), (&json!([]), &json!([])));
    home.run(["ledger", "erase", "--older-than", "0s", "--reason", "asked to"])
        .exits(0);
    fsck(&home, 0);

    // With salted commitments too.
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replacen("[ledger]", "[ledger]\ncommitment = \"salted\"", 1),
    );
    fill(&home);
    fsck(&home, 0);
    sql(
        &home,
        "UPDATE side SET bytes = zeroblob(32) WHERE slot % 8 = 3 AND slot = (SELECT min(slot) FROM side WHERE slot % 8 = 3)",
    );
    let said = fsck(&home, 30);
    assert!(
        found(&said)
            .iter()
            .all(|(area, code, _)| area == "side" && code == "side_data_changed"),
        "{said}"
    );
}

#[test]
fn g11_records_that_were_damaged_are_told_with_what_is_left() {
    let home = filled();
    let size = fsck(&home, 0)["size"].as_u64().unwrap();
    sql(
        &home,
        "UPDATE record SET json = replace(json, '\"deny\"', '\"allow\"') WHERE json LIKE '%\"decision\":\"deny\"%'; DELETE FROM record WHERE seq = 1",
    );
    let said = fsck(&home, 30);
    let edited = said["lost"][1]["first"].as_u64().unwrap();
    finds(
        &said,
        &[
            ("records", "ledger_records_missing", Some(1)),
            ("records", "ledger_hash_mismatch", Some(edited)),
        ],
    );
    assert_eq!(
        stretches(&said),
        [
            (0, 0, "genesis"),
            (2, edited - 1, "nobody"),
            (edited + 1, size - 1, "witness")
        ]
    );
    assert_eq!(said["longest"]["provedBy"], "witness");
    // A head from elsewhere proves what nobody else vouches for.
    let connection = Connection::open(home.path("home/ledger.db")).unwrap();
    let json: String = connection
        .query_row(
            "SELECT json FROM record WHERE seq = ?1",
            [(edited - 1).cast_signed()],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let record: Value = serde_json::from_str(&json).unwrap();
    let head = format!("{}:{}", edited - 1, record["ledgerHash"].as_str().unwrap());
    let said = home.run(["ledger", "fsck", "--head", &head]).exits(30).json();
    assert_eq!(stretches(&said)[1], (2, edited - 1, "head"));
}

#[test]
fn g11_what_lies_beside_the_records_is_held_against_them() {
    let home = filled();
    sql(
        &home,
        "UPDATE side SET bytes = CAST('{\"title\":\"other\"}' AS BLOB) WHERE slot % 8 = 0",
    );
    let said = fsck(&home, 30);
    let allow = found(&said)[0].2.unwrap();
    assert!(
        found(&said)
            .iter()
            .all(|(area, code, _)| area == "side" && code == "side_data_changed")
    );
    sql(&home, &format!("DELETE FROM side WHERE slot / 8 = {allow}"));
    let said = fsck(&home, 30);
    assert!(
        found(&said).contains(&("side".to_owned(), "side_data_missing".to_owned(), Some(allow))),
        "{said}"
    );
    sql(&home, "DELETE FROM issued; UPDATE ledger SET issued_rows = 0");
    let said = fsck(&home, 30);
    let rows = ("rows".to_owned(), "store_rows_missing".to_owned(), Some(allow));
    assert!(found(&said).contains(&rows), "{said}");
}

#[test]
fn g12_what_went_back_is_told() {
    let home = filled();
    let before = copy(&home);
    let size = fsck(&home, 0)["size"].as_u64().unwrap();
    let trust = fs::read(home.path("home/trust.json")).unwrap();
    home.run(["authorize", "--action", ALLOW]).exits(0);
    home.run(["revoke", "principal", "agent:x", "--reason", "test"])
        .exits(0);
    put_back(&home, &before);
    let said = fsck(&home, 30);
    finds(&said, &[("records", "ledger_truncated", Some(size))]);
    assert_eq!(stretches(&said), [(0, size - 1, "store")]);
    assert!(said["next"].to_string().contains("ledger restored"));
    home.write("home/trust.json", trust);
    let said = fsck(&home, 26);
    assert!(
        found(&said).contains(&("trust".to_owned(), "trust_rolled_back".to_owned(), None)),
        "{said}"
    );
    assert!(said["next"].to_string().contains("trust restored"));
}

#[test]
fn g12_another_witness_and_files_that_were_left_are_told() {
    let (home, other) = (filled(), Home::none());
    other.run(["init", "--issuer", "https://other.example"]).exits(0);
    let witness = fs::read(home.path("home/ledger.witness")).unwrap();
    home.write(
        "home/ledger.witness",
        fs::read(other.path("home/ledger.witness")).unwrap(),
    );
    finds(&fsck(&home, 40), &[("witness", "store_log_mismatch", None)]);
    home.write("home/ledger.witness", "nonsense");
    finds(&fsck(&home, 40), &[("witness", "store_corrupt", None)]);
    home.write("home/ledger.witness", witness);
    home.write("home/ledger.db.new-1-2", "");
    home.write("home/ledger.db-journal", "");
    let said = fsck(&home, 0);
    let names: Vec<&str> = said["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ledger.db-journal", "ledger.db.new-1-2"]);
}

#[test]
fn g11_a_file_that_sqlite_cannot_open_is_read_as_far_as_it_goes() {
    let home = filled();
    let size = fsck(&home, 0)["size"].as_u64().unwrap();
    let mut bytes = copy(&home);
    bytes[..4096].fill(0);
    home.write("home/ledger.db", &bytes);
    let said = fsck(&home, 40);
    assert!(found(&said).iter().all(|(area, ..)| area == "store"), "{said}");
    assert_eq!(stretches(&said), [(0, size - 1, "witness")]);
    bytes.truncate(bytes.len() / 2);
    home.write("home/ledger.db", &bytes);
    let said = fsck(&home, 30);
    assert!(said["lost"].as_array().is_some_and(|lost| !lost.is_empty()));
    fs::remove_file(home.path("home/ledger.db")).unwrap();
    home.run(["ledger", "fsck"]).fails(40, "store_missing");
}

#[test]
fn g11_an_export_is_looked_at_without_a_home() {
    let home = filled();
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let lines: Vec<&str> = export.lines().collect();
    let size = lines.len() as u64;
    let nowhere = Home::none();
    let mut damaged = lines.clone();
    damaged[2] = "garbage";
    damaged.remove(4);
    let file = nowhere.write("export.jsonl", damaged.join("\n") + "\n");
    let last: Value = serde_json::from_str(lines[lines.len() - 1]).unwrap();
    let head = format!("{}:{}", size - 1, last["ledgerHash"].as_str().unwrap());
    let said = nowhere.run(["ledger", "fsck", &file, "--head", &head]).exits(30).json();
    finds(
        &said,
        &[
            ("records", "ledger_malformed", Some(2)),
            ("records", "ledger_records_missing", Some(4)),
        ],
    );
    let offset = (lines[0].len() + lines[1].len() + 2) as u64;
    assert_eq!(said["findings"][0]["offset"].as_u64(), Some(offset));
    assert_eq!(
        stretches(&said),
        [(0, 1, "genesis"), (3, 3, "nobody"), (5, size - 1, "head")]
    );
    let whole = nowhere.feed(["ledger", "fsck", "-"], export.as_bytes()).exits(0).json();
    assert_eq!(stretches(&whole), [(0, size - 1, "genesis")]);
    nowhere.feed(["ledger", "fsck", "-"], b"").fails(30, "ledger_empty");
    nowhere
        .run(["ledger", "fsck", "missing.jsonl"])
        .fails(2, "file_unreadable");
}

/// Verified from a head that is known, and exported in parts.
#[test]
fn g12_verification_starts_from_a_known_head() {
    let home = filled();
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let lines: Vec<&str> = export.lines().collect();
    let size = lines.len() as u64;
    let head = |seq: usize| {
        let record: Value = serde_json::from_str(lines[seq]).unwrap();
        format!("{seq}:{}", record["ledgerHash"].as_str().unwrap())
    };
    // What is before isn't read, so damage there isn't found either.
    sql(&home, "UPDATE record SET json = '{}' WHERE seq = 1");
    home.run(["ledger", "verify"]).fails(30, "ledger_malformed");
    let verified = home.run(["ledger", "verify", "--from", &head(2)]).exits(0).json();
    assert_eq!(
        (&verified["from"], verified["size"].as_u64()),
        (&json!(head(2)), Some(size))
    );
    assert_eq!(verified["head"], json!(head(lines.len() - 1)));
    home.run(["ledger", "verify", "--from", &head(lines.len() - 1)])
        .exits(0);
    let other = format!("2:sha256:{}", "0".repeat(64));
    home.run(["ledger", "verify", "--from", &other])
        .fails(30, "ledger_chain_broken");
    let beyond = format!("{size}:sha256:{}", "0".repeat(64));
    home.run(["ledger", "verify", "--from", &beyond])
        .fails(30, "ledger_truncated");
    home.run(["ledger", "verify", "--from", &head(2), "--head", &head(1)])
        .fails(2, "usage_invalid");

    let part = home
        .talk(["ledger", "export", "--from", "3", "--until", "4"])
        .exits(0)
        .stdout;
    assert_eq!(part, format!("{}\n{}\n", lines[3], lines[4]));
    assert_eq!(
        home.talk(["ledger", "export", "--until", "0"]).exits(0).stdout,
        format!("{}\n", lines[0])
    );
    let rest = home.talk(["ledger", "export", "--from", "3"]).exits(0).stdout;
    let nowhere = Home::none();
    nowhere
        .feed(["ledger", "verify", "-", "--from", &head(2)], rest.as_bytes())
        .exits(0);
    nowhere
        .feed(["ledger", "verify", "-"], rest.as_bytes())
        .fails(30, "ledger_sequence_broken");
    nowhere
        .feed(["ledger", "verify", "-", "--from", &head(1)], rest.as_bytes())
        .fails(30, "ledger_sequence_broken");
    home.run(["ledger", "export", "--from", "4", "--until", "3"])
        .fails(2, "usage_invalid");
    home.run(["ledger", "export", "--until", "1000"])
        .fails(2, "record_unknown");
}

/// Records with something beside them, one each day, the newest today.
pub(crate) fn daily(home: &Home, days: u64) {
    let opened = OpenHome::open(actionpass_home::Home::open(&home.path("home")).unwrap()).unwrap();
    let now = SystemClock.now().unwrap().unix_millis();
    for number in 0..days {
        let body = UseBody {
            schema: UseSchema,
            pass: format!("ap_{number:032x}").parse().unwrap(),
            issuer: "https://other.example".parse().unwrap(),
            audience: "executor".parse().unwrap(),
            token_hash: Digest::from_bytes([7; 32]),
            commitment: None,
        };
        let age = (days - 1 - number) * 24 * 60 * 60 * 1000;
        let time = Timestamp::from_unix_millis(now - age).unwrap();
        let draft = RecordDraft::new(format!("rec_{number:032x}").parse().unwrap(), time, &body).unwrap();
        let draft = draft.with_side(SideKind::Payload, b"{}".to_vec());
        let _ = block_on(opened.store.append_one(draft)).unwrap();
    }
}

#[test]
fn what_is_due_by_the_configuration_is_erased_once() {
    let home = Home::with_maintainer();
    home.run(["ledger", "erase", "--due"]).fails(2, "option_missing");
    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        format!("{config}\n[retention]\nside_data = \"1h\"\n"),
    );
    home.run(["ledger", "erase", "--due"]).fails(31, "config_invalid");
    home.write(
        "home/config.toml",
        format!("{config}\n[retention]\nside_data = \"30d\"\n"),
    );
    daily(&home, 100);
    home.pass_into("pass.jwt", ALLOW);
    let notes = |ran: &crate::home::Ran| ran.json()["checks"].to_string();
    let doctor = home.run(["doctor"]).exits(0);
    assert!(notes(&doctor).contains("side data is overdue"), "{doctor:?}");
    let erased = home.run(["ledger", "erase", "--due"]).exits(0).json();
    // Older than thirty days are those of days 30 to 99.
    assert_eq!((&erased["erased"], &erased["held"]), (&json!(70), &json!(0)));
    assert_eq!(erased["records"].as_array().unwrap().len(), 1);
    let doctor = home.run(["doctor"]).exits(0);
    assert!(!notes(&doctor).contains("side data is overdue"), "{doctor:?}");
    let again = home.run(["ledger", "erase", "--due"]).exits(0).json();
    assert_eq!((&again["erased"], &again["records"]), (&json!(0), &json!([])));
    home.run(["ledger", "verify"]).exits(0);
    fsck(&home, 0);
}
