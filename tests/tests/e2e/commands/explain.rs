//! `explain`: what a code means, what causes it, and what to do next.

use super::Transcript;
use crate::home::Home;
use crate::program::root;

#[test]
fn explain() {
    let home = Home::none();
    let mut transcript = Transcript::of(&home);
    transcript.run(&["explain", "key_revoked"]);
    transcript.run(&["explain", "key_revoked", "--json"]);
    // A reason has no exit code.
    transcript.run(&["explain", "default_deny"]);
    transcript.run(&["explain", "default_deny", "--json"]);
    transcript.run(&["explain", "key_revokd"]);
    transcript.run(&["explain", "key_revokd", "--json"]);
    transcript.run(&["explain", "\u{202e}"]);
    transcript.run(&["explain", ""]);
    transcript.run(&["explain", "key_revoked", "--list"]);
    transcript.check("explain");
}

/// The page is written from the source, so no code is missing.
#[test]
fn explain_knows_every_code() {
    let home = Home::none();
    let page = std::fs::read_to_string(root().join("docs/error-codes.md")).unwrap();
    let codes: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, _)| code)
        .collect();
    let list = home.run(["explain"]).exits(0).json();
    let list = list["codes"].as_array().unwrap();
    let listed: Vec<&str> = list.iter().map(|code| code["code"].as_str().unwrap()).collect();
    assert_eq!(listed, codes);
    let asked = home.run(["explain", "--list"]).exits(0).json();
    assert_eq!(asked["codes"].as_array(), Some(list));
    assert_eq!(home.talk(["explain"]).exits(0).stdout.lines().count(), codes.len() + 1);
    // One of each part.
    for code in [
        "number_unsafe_integer",
        "contention",
        "store_full",
        "approval_expired",
        "policy_role_unheld",
    ] {
        let explained = home.run(["explain", code]).exits(0).json();
        let head = list.iter().find(|listed| listed["code"] == code).unwrap();
        for member in ["code", "part", "class", "exit", "meaning"] {
            assert_eq!(explained.get(member), head.get(member), "{code} {member}");
        }
        for member in ["cause", "remedy"] {
            assert!(explained[member].as_str().unwrap().ends_with('.'), "{code} {member}");
        }
    }
    home.run(["explain", "no_such_code"]).fails(2, "code_unknown");
}
