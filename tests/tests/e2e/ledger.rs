//! The ledger: whatever was done to it is found.

use std::fs;
use std::sync::LazyLock;

use rusqlite::Connection;
use serde_json::Value;

use crate::action::{ALLOW, DENY, STEP_UP};
use crate::home::{Home, Ran};
use crate::template::Template;

/// A home with records of several kinds, and its ledger line by line.
fn written() -> (Home, Vec<String>) {
    static WRITTEN: LazyLock<(Template, Vec<String>)> = LazyLock::new(|| {
        let (home, lines) = write();
        (Template::of(&home.path("")), lines)
    });
    let (template, lines) = &*WRITTEN;
    (Home::from(template), lines.clone())
}

fn write() -> (Home, Vec<String>) {
    let home = Home::with_maintainer();
    let pass = home.pass(ALLOW);
    home.run(["authorize", "--action", STEP_UP]).exits(11);
    home.run(["authorize", "--action", DENY]).exits(10);
    home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
        .exits(0);
    home.run(["revoke", "principal", "agent:other", "--reason", "left"])
        .exits(0);
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    let lines: Vec<String> = export.lines().map(ToOwned::to_owned).collect();
    assert!(lines.len() >= 8, "{}", lines.len());
    (home, lines)
}

/// Verifies lines as an export, where there is no home.
fn verify(lines: &[String], more: &[&str]) -> Ran {
    let nowhere = Home::none();
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    nowhere.write("export.jsonl", text);
    nowhere.run([&["ledger", "verify", "export.jsonl"], more].concat())
}

#[track_caller]
fn finds(lines: &[String], what: &str) {
    let ran = verify(lines, &[]);
    assert!(ran.exit == 30 && ran.code().starts_with("ledger_"), "{what}: {ran:#?}");
}

/// The head as it would be noted elsewhere.
fn head(home: &Home) -> String {
    home.run(["ledger", "verify"]).exits(0).json()["head"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn an_export_verifies_without_a_home() {
    let (home, lines) = written();
    let verified = verify(&lines, &[]).exits(0).json();
    assert_eq!(verified["size"].as_u64(), Some(lines.len() as u64));
    assert_eq!(verified["head"].as_str(), Some(head(&home).as_str()));
    // Also from stdin, and against the head that was noted.
    let text = lines.join("\n") + "\n";
    home.feed(["ledger", "verify", "-", "--head", &head(&home)], text.as_bytes())
        .exits(0);
}

#[test]
fn lines_that_were_edited_removed_inserted_or_moved_are_found() {
    let (_, lines) = written();
    for at in 0..lines.len() {
        let changed = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            lines
        };
        finds(
            &changed(&|lines| lines.insert(at, lines[at].clone())),
            &format!("{at} twice"),
        );
        if at + 1 < lines.len() {
            finds(&changed(&|lines| drop(lines.remove(at))), &format!("{at} removed"));
            finds(&changed(&|lines| lines.swap(at, at + 1)), &format!("{at} moved"));
        }
        // A line cut short.
        finds(
            &changed(&|lines| assert!(lines[at].pop().is_some())),
            &format!("{at} cut"),
        );
        // Any leaf of any record.
        let record: Value = serde_json::from_str(&lines[at]).unwrap();
        for leaf in crate::action::leaves(&record) {
            let mut record = record.clone();
            let value = record.pointer_mut(&leaf).unwrap();
            *value = match value.take() {
                Value::String(text) => other_text(&text).into(),
                Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                Value::Bool(is) => (!is).into(),
                Value::Array(_) => vec!["x"].into(),
                other => panic!("{leaf}: {other}"),
            };
            finds(
                &changed(&|lines| lines[at] = record.to_string()),
                &format!("{at}{leaf} edited"),
            );
        }
    }
}

/// A text of the same form: its last letter or digit is another.
fn other_text(text: &str) -> String {
    let at = text.rfind(|letter: char| letter.is_ascii_alphanumeric()).unwrap();
    let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// A cut-off end is a whole chain: only a head noted elsewhere shows it.
#[test]
fn a_cut_export_is_found_with_the_head() {
    let (home, lines) = written();
    let head = head(&home);
    let cut = &lines[..lines.len() - 1];
    verify(cut, &[]).exits(0);
    verify(cut, &["--head", &head]).fails(30, "ledger_truncated");
    verify(&[], &["--head", &head]).fails(30, "ledger_truncated");
    // A longer one holds the head, too.
    verify(&lines, &["--head", &head]).exits(0);
    home.pass(ALLOW);
    home.run(["ledger", "verify", "--head", &head]).exits(0);
    // Another record in that place.
    let (seq, _) = head.split_once(':').unwrap();
    let other = format!("{seq}:sha256:{}", "0".repeat(64));
    verify(&lines, &["--head", &other]).fails(30, "ledger_forked");
    home.run(["ledger", "verify", "--head", &other])
        .fails(30, "ledger_forked");
}

#[test]
fn a_cut_database_is_found_with_the_head() {
    let (home, lines) = written();
    let head = head(&home);
    // As someone would who knows the tables: the last record gone, the head put back to the one before.
    let before: Value = serde_json::from_str(&lines[lines.len() - 2]).unwrap();
    let hash = before["ledgerHash"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let sql = format!(
        "DELETE FROM record WHERE seq = {last}; UPDATE ledger SET size = {last}, hash = unhex('{hash}');",
        last = lines.len() - 1
    );
    Connection::open(home.path("home/ledger.db"))
        .unwrap()
        .execute_batch(&sql)
        .unwrap();
    home.run(["ledger", "verify"]).exits(0);
    home.run(["ledger", "verify", "--head", &head])
        .fails(30, "ledger_truncated");
}

#[test]
fn a_changed_database_is_found_without_a_head() {
    for sql in [
        "UPDATE record SET json = replace(json, '\"deny\"', '\"allow\"') WHERE seq = 5",
        "UPDATE record SET json = replace(json, 'org:example', 'org:changed')",
        "DELETE FROM record WHERE seq = 3",
        "DELETE FROM record WHERE seq = (SELECT max(seq) FROM record)",
        "DELETE FROM record WHERE seq = 0",
        "UPDATE ledger SET size = size - 1",
        "UPDATE ledger SET hash = zeroblob(32)",
    ] {
        let (home, _) = written();
        let changed = Connection::open(home.path("home/ledger.db"))
            .unwrap()
            .execute(sql, [])
            .unwrap();
        assert!(changed > 0, "{sql}");
        let ran = home.run(["ledger", "verify"]);
        // 30 where the chain shows it, 40 where the store itself finds that it is broken.
        assert!(matches!(ran.exit, 30 | 40), "{sql}: {ran:#?}");
        let doctor = home.run(["doctor"]);
        assert_ne!(doctor.exit, 0, "{sql}: {doctor:#?}");
    }
}

/// A ledger of another issuer, or none, put in the place of ours.
#[test]
fn a_foreign_database_is_refused() {
    let (home, _) = written();
    let other = Home::none();
    other.run(["init", "--issuer", "https://other.example"]).exits(0);
    fs::copy(other.path("home/ledger.db"), home.path("home/ledger.db")).unwrap();
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "store_log_mismatch");
    fs::write(home.path("home/ledger.db"), "not a database").unwrap();
    home.run(["authorize", "--action", ALLOW]).exits(40);
    fs::remove_file(home.path("home/ledger.db")).unwrap();
    // A missing ledger is never made anew: that would forget every use.
    home.run(["authorize", "--action", ALLOW]).fails(40, "store_missing");
    assert!(!home.path("home/ledger.db").exists());
}
