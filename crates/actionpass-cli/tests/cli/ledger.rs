//! `ledger`: shown, verified, exported, and every kind of damage found.

use std::fs;

use crate::lab::Lab;

const ALLOW: &str = "home/examples/allow.json";

fn lab() -> Lab {
    let lab = Lab::with_home();
    for _ in 0..3 {
        lab.quiet(&["authorize", "--action", ALLOW]);
    }
    let export = lab.quiet(&["ledger", "export"]).stdout;
    lab.file("export.jsonl", export.as_bytes());
    lab
}

#[test]
fn ledger() {
    let mut lab = lab();
    lab.run(&["ledger", "show"]);
    lab.run(&["ledger", "show", "--limit", "1", "--json"]);
    lab.run(&["ledger", "verify"]);
    lab.run(&["ledger", "verify", "--json"]);
    lab.run(&["ledger", "verify", "export.jsonl", "--home", "nowhere"]);
    let export = fs::read_to_string(lab.path().join("export.jsonl")).unwrap();
    assert_eq!(export.lines().count(), 7);
    lab.run_with(&["ledger", "verify", "-"], export.as_bytes());
    assert_eq!(
        lab.quiet(&["ledger", "export", "--json"]).json()["records"]
            .as_array()
            .unwrap()
            .len(),
        7
    );
    lab.run(&["ledger", "verify", "--home", "nowhere"]);
    lab.run(&["ledger", "verify", "missing.jsonl"]);
    lab.run(&["ledger", "verify", "--head", "nonsense"]);
    lab.check("ledger");
}

#[test]
fn damage_is_found() {
    let mut lab = lab();
    let head = lab.quiet(&["ledger", "verify", "--json"]).json()["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let export = fs::read_to_string(lab.path().join("export.jsonl")).unwrap();
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
        let ran = lab.try_run(&["ledger", "verify", "-", "--json"], text.as_bytes());
        assert_eq!((ran.exit, ran.code().as_str()), (30, code), "{what}");
    }
    lab.run_with(
        &["ledger", "verify", "-"],
        export.replacen("\"allow\"", "\"deny\"", 1).as_bytes(),
    );
    // Whole lines cut off leave a whole chain; only a known head shows it.
    let short = joined(&lines[..5]);
    assert_eq!(lab.run_with(&["ledger", "verify", "-"], short.as_bytes()).exit, 0);
    let ran = lab.run_with(&["ledger", "verify", "-", "--head", &head], short.as_bytes());
    assert_eq!(ran.exit, 30);
    let forked = format!("3:sha256:{}", "0".repeat(64));
    assert_eq!(
        lab.run_with(
            &["ledger", "verify", "-", "--head", &forked, "--json"],
            export.as_bytes()
        )
        .exit,
        30
    );
    assert_eq!(lab.try_run(&["ledger", "verify", "--head", &head], b"").exit, 0);
    lab.check("ledger_damaged");
}

#[test]
fn an_empty_export_proves_nothing() {
    let lab = Lab::with_home();
    let ran = lab.try_run(&["ledger", "verify", "-", "--json"], b"");
    assert_eq!((ran.exit, ran.code().as_str()), (30, "ledger_empty"));
    let head = format!("3:sha256:{}", "0".repeat(64));
    let ran = lab.try_run(&["ledger", "verify", "-", "--head", &head, "--json"], b"");
    assert_eq!((ran.exit, ran.code().as_str()), (30, "ledger_truncated"));
}

#[test]
fn a_restored_ledger_refuses_the_passes_of_before() {
    let mut lab = lab();
    lab.pass(ALLOW, "pass.jwt");
    let consume = [
        "verify",
        "--token",
        "pass.jwt",
        "--action",
        ALLOW,
        "--consume",
        "--json",
    ];
    let backup = fs::read(lab.path().join("home/ledger.db")).unwrap();
    assert_eq!(lab.try_run(&consume, b"").exit, 0);
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        // Absent where the last connection tidied up.
        let _ = fs::remove_file(lab.path().join("home").join(name));
    }
    lab.file("home/ledger.db", &backup);
    lab.run(&["ledger", "restored"]);
    assert!(lab.quiet(&["ledger", "restored", "--json"]).json()["issuedFrom"].is_string());
    let ran = lab.try_run(&consume, b"");
    assert_eq!(
        (ran.exit, ran.json()["codes"][0].as_str()),
        (26, Some("replay_state_lost"))
    );
    lab.quiet(&["ledger", "verify"]);
    lab.run(&["ledger", "restored", "--home", "nowhere"]);
    lab.check("ledger_restored");
}
