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
        "DELETE FROM record WHERE seq = {last}; DELETE FROM revocation WHERE seq = {last};
         UPDATE ledger SET size = {last}, hash = unhex('{hash}'), revocation_rows = 0, last_revoked = NULL;",
        last = lines.len() - 1
    );
    Connection::open(home.path("home/ledger.db"))
        .unwrap()
        .execute_batch(&sql)
        .unwrap();
    // The witness saw more.
    home.run(["ledger", "verify"]).fails(26, "store_rolled_back");
    std::fs::remove_file(home.path("home/ledger.witness")).unwrap();
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
        // 30 where the chain shows it, 40 where the store itself finds that it is broken, 26 where the witness saw more.
        assert!(matches!(ran.exit, 26 | 30 | 40), "{sql}: {ran:#?}");
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

/// What an attacker does who wants a pass or an approval to count once more: takes the row that says that it was used.
#[test]
fn rows_that_were_deleted_are_found() {
    for (sql, at_opening) in [
        ("DELETE FROM replay", true),
        ("DELETE FROM approval", true),
        ("DELETE FROM issued", true),
        ("DELETE FROM revocation", true),
        ("DELETE FROM issued WHERE seq = (SELECT min(seq) FROM issued)", false),
    ] {
        let home = Home::with_maintainer();
        let pass = home.pass(ALLOW);
        let approval = home.approve(STEP_UP);
        home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
            .exits(0);
        home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
            .exits(0);
        home.run(["revoke", "principal", "agent:other", "--reason", "left"])
            .exits(0);
        home.run(["ledger", "verify"]).exits(0);
        home.run(["doctor"]).exits(0);
        let hand = Connection::open(home.path("home/ledger.db")).unwrap();
        assert!(hand.execute(sql, []).unwrap() > 0, "{sql}");
        drop(hand);
        home.run(["ledger", "verify"]).fails(40, "store_rows_missing");
        assert_ne!(home.run(["doctor"]).exit, 0, "{sql}");
        if at_opening {
            home.run(["verify", "--token", &pass, "--action", ALLOW, "--consume"])
                .fails(40, "store_rows_missing");
            home.run(["authorize", "--action", STEP_UP, "--approval", &approval])
                .fails(40, "store_rows_missing");
        }
    }
}

#[test]
fn a_trigger_in_the_file_is_refused() {
    let home = Home::new();
    let hand = Connection::open(home.path("home/ledger.db")).unwrap();
    hand.execute_batch("CREATE TRIGGER undo AFTER INSERT ON replay BEGIN DELETE FROM replay; END")
        .unwrap();
    drop(hand);
    home.run(["authorize", "--action", ALLOW])
        .fails(40, "store_schema_changed");
    assert_ne!(home.run(["doctor"]).exit, 0);
}

/// An export whose chain is whole and whose records contradict each other, sealed anew as a forger would.
#[test]
fn a_contradiction_in_a_whole_export_is_found() {
    use actionpass_store::ledger::{ChainVerifier, LedgerVerifier, verify_jsonl};

    let (_, lines) = written();
    let at = lines.iter().position(|line| line.contains("\"kind\":\"use\"")).unwrap();
    let mut forged = lines.clone();
    forged.insert(at, lines[at].clone());
    let mut last = format!("sha256:{}", "0".repeat(64));
    for (seq, line) in forged.iter_mut().enumerate() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["seq"] = seq.into();
        record["previousLedgerHash"] = last.clone().into();
        record.as_object_mut().unwrap().remove("ledgerHash");
        // The members of these records sort alike by RFC 8785 and by `serde_json`.
        last = actionpass_canon::sha256(record.to_string().as_bytes()).to_string();
        record["ledgerHash"] = last.clone().into();
        *line = record.to_string();
    }
    let text = forged.join("\n");
    assert!(verify_jsonl(text.as_bytes(), ChainVerifier::new()).is_ok());
    assert!(verify_jsonl(text.as_bytes(), LedgerVerifier::default()).is_err());
    verify(&forged, &[]).fails(30, "ledger_pass_used_twice");
}

#[test]
fn records_are_found_by_what_they_say() {
    let (home, lines) = written();
    let shown = |more: &[&str]| -> Vec<u64> {
        let json = home.run([&["ledger", "show"], more].concat()).exits(0).json();
        let records = json["records"].as_array().unwrap();
        records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
    };
    let of = |needle: &str| -> Vec<u64> {
        let seqs = (0_u64..).zip(&lines);
        seqs.filter(|(_, line)| line.contains(needle))
            .map(|(seq, _)| seq)
            .collect()
    };
    assert_eq!(shown(&["--decision", "deny"]), of("\"decision\":\"deny\""));
    assert_eq!(shown(&["--decision", "step_up"]), of("\"decision\":\"step_up\""));
    assert_eq!(shown(&["--tool", "linear.*"]), of("\"tool\":\"linear."));
    assert_eq!(shown(&["--agent", "agent:codex-prod"]), of("\"kind\":\"decision\""));
    assert_eq!(shown(&["--agent", "agent:codex"]), [0; 0]);
    assert_eq!(shown(&["--owner", "user:owner@*"]), of("\"kind\":\"decision\""));
    assert_eq!(
        shown(&["--task", "AXT-*", "--limit", "1"]),
        of("\"kind\":\"decision\"")[2..]
    );
    assert_eq!(shown(&["--approver", "*"]), [0; 0]);
    assert_eq!(shown(&["--until", "2000-01-01T00:00:00Z"]), [0; 0]);
    assert_eq!(shown(&["--since", "2000-01-01T00:00:00Z"]).len(), lines.len());
    let used: Value = serde_json::from_str(&lines[of("\"kind\":\"use\"")[0] as usize]).unwrap();
    let pass = used["body"]["pass"].as_str().unwrap();
    assert_eq!(shown(&["--pass", pass]), of(pass));

    let table = home.talk(["ledger", "show"]).exits(0).stdout;
    let table: Vec<&str> = table.lines().filter(|line| !line.starts_with("head ")).collect();
    assert!(table.len() == lines.len() + 1 && table.iter().all(|line| line.chars().count() <= 100));
}

#[test]
fn one_record_is_shown_in_full() {
    let (home, lines) = written();
    let deny = lines
        .iter()
        .position(|line| line.contains("\"decision\":\"deny\""))
        .unwrap();
    let allow = lines
        .iter()
        .position(|line| line.contains("\"decision\":\"allow\""))
        .unwrap();
    let record: Value = serde_json::from_str(&lines[allow]).unwrap();
    let json = home.run(["ledger", "show", &allow.to_string()]).exits(0).json();
    assert_eq!((&json["record"], json.get("payload")), (&record, None));
    let text = home
        .talk(["ledger", "show", &allow.to_string(), "--payload"])
        .exits(0)
        .stdout;
    for value in [
        &record["body"]["pass"]["id"],
        &record["body"]["payloadHash"],
        &record["ledgerHash"],
    ] {
        assert!(text.contains(value.as_str().unwrap()), "{text}");
    }
    assert!(text.contains("\npayload\n{"), "{text}");
    // Of a call that was not allowed only the hash is kept.
    let json = home
        .run(["ledger", "show", &deny.to_string(), "--payload"])
        .exits(0)
        .json();
    assert_eq!(json["payload"], Value::Null);
    home.run(["ledger", "show", "4711"]).fails(2, "record_unknown");
}

#[test]
fn old_side_data_is_erased_and_marks_stay() {
    let (home, lines) = written();
    let allow = lines
        .iter()
        .position(|line| line.contains("\"decision\":\"allow\""))
        .unwrap()
        .to_string();
    let payload = || home.run(["ledger", "show", &allow, "--payload"]).exits(0).json()["payload"].clone();
    let erase = |age: &str| {
        let ran = home.run([
            "ledger",
            "erase",
            "--older-than",
            age,
            "--reason",
            "retention",
            "--rule",
            "gdpr.17",
        ]);
        ran.exits(0).json()
    };
    let young = erase("1d");
    assert_eq!(
        (&young["erased"], young["records"].as_array().unwrap().len()),
        (&0.into(), 0)
    );
    assert!(payload().is_object());
    let old = erase("0s");
    assert_eq!(
        (&old["erased"], old["records"].as_array().unwrap().len()),
        (&2.into(), 1)
    );
    // Beside the allow, and beside the step_up whose request is cancelled with that.
    assert_eq!(old["requestsCancelled"].as_array().map(Vec::len), Some(1));
    assert!(payload().is_null());
    home.run(["ledger", "verify"]).exits(0);
}

/// Ten denied calls of a megabyte leave next to nothing; where it is asked for, payloads up to the cap are kept.
#[test]
fn payloads_of_denied_calls_are_kept_only_if_configured() {
    let size = |home: &Home| fs::metadata(home.path("home/ledger.db")).unwrap().len();
    let call = |home: &Home, length: usize| {
        let mut action: Value = serde_json::from_str(&home.read(DENY)).unwrap();
        action["capability"]["payload"] = serde_json::json!({ "text": "x".repeat(length) });
        home.write("large.json", action.to_string());
        let ran = home.run(["authorize", "--action", "large.json"]).exits(10);
        let seq = ran.json()["record"]["seq"].to_string();
        home.run(["ledger", "show", &seq, "--payload"]).exits(0).json()["payload"].clone()
    };
    let home = Home::new();
    let before = size(&home);
    for _ in 0..10 {
        assert!(call(&home, 1_000_000).is_null());
    }
    assert!(size(&home) < before + 200_000, "{}", size(&home));
    assert!(call(&home, 10).is_null());

    let config = home.read("home/config.toml");
    home.write(
        "home/config.toml",
        config.replace("keep_denied = false", "keep_denied = true"),
    );
    assert!(call(&home, 65_000).is_object());
    assert!(call(&home, 65_536).is_null());
}

/// By whoever may write the database and knows how a chain is made: the chain is whole, and so are the rows.
#[test]
fn a_contradiction_in_the_home_is_found() {
    use actionpass_store::LedgerExt as _;

    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    home.run(["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"])
        .exits(0);
    let used = home
        .records()
        .into_iter()
        .find(|record| record["kind"] == "use")
        .unwrap();
    let body: actionpass_model::UseBody = serde_json::from_value(used["body"].clone()).unwrap();
    let id = "rec_01920000000070008000000000000009".parse().unwrap();
    let time = used["time"].as_str().unwrap().parse().unwrap();
    let draft = actionpass_store::ledger::RecordDraft::new(id, time, &body).unwrap();
    let path = home.path("home/ledger.db");
    let store = actionpass_store_sqlite::SqliteStore::open(&path).unwrap();
    let _ = actionpass_testkit::block_on(store.append_one(draft)).unwrap();
    store.check_rows().unwrap();
    drop(store);
    home.run(["ledger", "verify"]).fails(30, "ledger_pass_used_twice");
    assert_ne!(home.run(["doctor"]).exit, 0);
}

/// Used up and not on record: nothing may be executed.
#[cfg(unix)]
#[test]
fn a_use_whose_record_fails_is_no_use() {
    let home = Home::new();
    home.pass_into("pass.jwt", ALLOW);
    let witness = home.path("home/ledger.witness");
    fs::remove_file(&witness).unwrap();
    std::os::unix::fs::symlink("nowhere/at/all", &witness).unwrap();
    let consume = ["verify", "--token", "pass.jwt", "--action", ALLOW, "--consume"];
    home.run(consume).refuses(40, &["store_unavailable"]);
    fs::remove_file(&witness).unwrap();
    home.run(consume).refuses(24, &["already_used"]);
}
