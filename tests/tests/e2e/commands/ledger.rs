//! `ledger`: shown, verified, exported, and every kind of damage found.

use std::fs;

use super::Transcript;
use crate::action::ALLOW;
use crate::home::Home;

/// A home with three decisions, and an export of its ledger.
fn exported() -> Home {
    let home = Home::with_approvers();
    for _ in 0..3 {
        home.talk(["authorize", "--action", ALLOW]).exits(0);
    }
    let export = home.talk(["ledger", "export"]).exits(0).stdout;
    home.write("export.jsonl", &export);
    home
}

#[test]
fn ledger() {
    let home = exported();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["ledger", "show"]);
    transcript.run(&["ledger", "show", "--limit", "1", "--json"]);
    transcript.run(&["ledger", "verify"]);
    transcript.run(&["ledger", "verify", "--json"]);
    transcript.run(&["ledger", "verify", "export.jsonl", "--home", "nowhere"]);
    let export = home.read("export.jsonl");
    assert_eq!(export.lines().count(), 7);
    transcript.run_with(&["ledger", "verify", "-"], export.as_bytes());
    assert_eq!(
        home.talk(["ledger", "export", "--json"]).exits(0).json()["records"]
            .as_array()
            .unwrap()
            .len(),
        7
    );
    transcript.run(&["ledger", "verify", "--home", "nowhere"]);
    transcript.run(&["ledger", "verify", "missing.jsonl"]);
    transcript.run(&["ledger", "verify", "--head", "nonsense"]);
    transcript.check("ledger");
}

#[test]
fn damage_is_found() {
    let home = exported();
    let mut transcript = Transcript::of(&home);
    let head = home.talk(["ledger", "verify", "--json"]).exits(0).json()["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let export = home.read("export.jsonl");
    let lines: Vec<&str> = export.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let cases = [
        (
            "edited",
            export.replacen("\"allow\"", "\"deny\"", 1),
            "ledger_hash_mismatch",
        ),
        (
            "removed",
            joined(&[&lines[..2], &lines[3..]].concat()),
            "ledger_sequence_broken",
        ),
        (
            "reordered",
            joined(&[lines[0], lines[2], lines[1]]),
            "ledger_sequence_broken",
        ),
        ("inserted", joined(&[lines[0], lines[0]]), "ledger_sequence_broken"),
        (
            "cut off in a line",
            export[..export.len() - 40].to_owned(),
            "ledger_line_truncated",
        ),
        ("not a record", joined(&[lines[0], "{}"]), "ledger_malformed"),
    ];
    for (what, text, code) in cases {
        let ran = home.tell(["ledger", "verify", "-", "--json"], text.as_bytes());
        assert_eq!((ran.exit, ran.code().as_str()), (30, code), "{what}");
    }
    transcript.run_with(
        &["ledger", "verify", "-"],
        export.replacen("\"allow\"", "\"deny\"", 1).as_bytes(),
    );
    // Whole lines cut off leave a whole chain; only a known head shows it.
    let short = joined(&lines[..5]);
    assert_eq!(
        transcript.run_with(&["ledger", "verify", "-"], short.as_bytes()).exit,
        0
    );
    let ran = transcript.run_with(&["ledger", "verify", "-", "--head", &head], short.as_bytes());
    assert_eq!(ran.exit, 30);
    let forked = format!("3:sha256:{}", "0".repeat(64));
    assert_eq!(
        transcript
            .run_with(
                &["ledger", "verify", "-", "--head", &forked, "--json"],
                export.as_bytes()
            )
            .exit,
        30
    );
    assert_eq!(home.talk(["ledger", "verify", "--head", &head]).exit, 0);
    transcript.check("ledger_damaged");
}

#[test]
fn an_empty_export_proves_nothing() {
    let home = Home::with_approvers();
    let ran = home.talk(["ledger", "verify", "-", "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (30, "ledger_empty"));
    let head = format!("3:sha256:{}", "0".repeat(64));
    let ran = home.talk(["ledger", "verify", "-", "--head", &head, "--json"]);
    assert_eq!((ran.exit, ran.code().as_str()), (30, "ledger_truncated"));
}

#[test]
fn a_restored_ledger_refuses_the_passes_of_before() {
    let home = exported();
    let mut transcript = Transcript::of(&home);
    home.pass_into("pass.jwt", ALLOW);
    let consume = [
        "verify",
        "--token",
        "pass.jwt",
        "--action",
        ALLOW,
        "--consume",
        "--json",
    ];
    let backup = fs::read(home.path("home/ledger.db")).unwrap();
    assert_eq!(home.talk(consume).exit, 0);
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        // Absent where the last connection tidied up.
        let _ = fs::remove_file(home.path("home").join(name));
    }
    home.write("home/ledger.db", &backup);
    transcript.run(&["ledger", "restored"]);
    assert!(home.talk(["ledger", "restored", "--json"]).exits(0).json()["issuedFrom"].is_string());
    let ran = home.talk(consume);
    assert_eq!(
        (ran.exit, ran.json()["codes"][0].as_str()),
        (26, Some("replay_state_lost"))
    );
    home.talk(["ledger", "verify"]).exits(0);
    transcript.run(&["ledger", "restored", "--home", "nowhere"]);
    transcript.check("ledger_restored");
}
