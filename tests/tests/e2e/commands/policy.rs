//! `policy`: checked, explained, tested.

use serde_json::Value;

use super::Transcript;
use crate::action::STEP_UP;
use crate::home::Home;

#[test]
fn policy() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    home.write("one.toml", b"schema = \"actionpass.policy.v1\"\nid = \"one\"\n[[rule]]\nid = \"a.b\"\neffect = \"allow\"\ntool = \"t.*\"\n");
    transcript.run(&["policy", "check", "one.toml"]);
    transcript.run(&["policy", "check", "one.toml", "--json"]);
    home.write(
        "bad.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"one\"\n[[rule]]\nid = \"a.b\"\neffect = \"alow\"\ntool = \"t.*\"\n",
    );
    transcript.run(&["policy", "check", "bad.toml"]);
    transcript.run(&["policy", "check", "bad.toml", "--json"]);
    transcript.run(&["policy", "check", "missing.toml"]);
    // As Windows PowerShell's `>` writes it; as its editor does, it is read.
    let one = home.read("one.toml");
    let utf16 = one.encode_utf16().flat_map(u16::to_le_bytes);
    home.write("utf16.toml", [0xFF, 0xFE].into_iter().chain(utf16).collect::<Vec<u8>>());
    transcript.run(&["policy", "check", "utf16.toml"]);
    transcript.run(&["policy", "check", "utf16.toml", "--json"]);
    home.write("marked.toml", format!("\u{feff}{one}"));
    transcript.run(&["policy", "check", "marked.toml"]);
    home.write("latin.toml", [one.as_bytes(), b"# caf\xe9"].concat());
    transcript.run(&["policy", "check", "latin.toml"]);
    assert_eq!(home.talk(["policy", "check"]).exit, 0);
    transcript.run(&["policy", "explain", "--action", STEP_UP]);
    transcript.run(&[
        "policy", "explain", "--action", STEP_UP, "--policy", "one.toml", "--json",
    ]);
    home.write("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#);
    transcript.run(&["policy", "explain", "--action", STEP_UP, "--facts", "facts.json"]);
    transcript.check("policy");
}

#[test]
fn what_can_not_be_told_allows_nothing() {
    let home = Home::with_approvers();
    let action: Value = serde_json::from_slice(&std::fs::read(home.path(STEP_UP)).unwrap()).unwrap();
    home.write("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#);
    let decide = |action: &Value| {
        home.write("changed.json", action.to_string().as_bytes());
        let ran = home.talk([
            "policy",
            "explain",
            "--action",
            "changed.json",
            "--facts",
            "facts.json",
            "--json",
        ]);
        let decision = ran.json()["decision"].as_str().unwrap().to_owned();
        let exits = [("allow", 0), ("deny", 10), ("step_up", 11)];
        assert!(exits.contains(&(decision.as_str(), ran.exit)), "{ran:?}");
        decision
    };
    assert_eq!(decide(&action), "allow");
    let payload = "/capability/payload";
    for (what, pointer, value) in [
        (
            "dots in a path",
            "/files/0/path",
            serde_json::json!("src/../infra/prod/x"),
        ),
        ("no files", "/files", serde_json::json!([])),
        ("a number for files", "/files", serde_json::json!(1)),
        ("a number for a path", "/files/0/path", serde_json::json!(7)),
        ("a string for the repo", "/repo", serde_json::json!(["company/web-app"])),
    ] {
        let mut changed = action.clone();
        *changed.pointer_mut(&format!("{payload}{pointer}")).unwrap() = value;
        assert_ne!(decide(&changed), "allow", "{what}");
    }
    for missing in ["files", "repo"] {
        let mut changed = action.clone();
        changed
            .pointer_mut(payload)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(missing);
        assert_ne!(decide(&changed), "allow", "without {missing}");
    }
}

#[test]
fn policy_test() {
    let home = Home::with_approvers();
    let mut transcript = Transcript::of(&home);
    let tests = r#"schema = "actionpass.policy-tests.v1"
[[test]]
name = "an issue is fine"
action = "home/examples/allow.json"
expect = "allow"
[[test]]
name = "secrets are off limits"
action = "home/examples/deny.json"
expect = "deny"
rules = ["github.protected"]
"#;
    home.write("tests.toml", tests);
    transcript.run(&["policy", "test", "tests.toml"]);
    transcript.run(&["policy", "test", "tests.toml", "--json"]);
    home.write(
        "wrong.toml",
        tests
            .replace("expect = \"allow\"", "expect = \"deny\"")
            .replace("deny.json", "gone.json")
            .as_bytes(),
    );
    transcript.run(&["policy", "test", "wrong.toml"]);
    transcript.run(&["policy", "test", "wrong.toml", "--json"]);
    home.write("bad.toml", b"schema = \"actionpass.policy-tests.v1\"\n");
    transcript.run(&["policy", "test", "bad.toml"]);
    transcript.check("policy_test");
}

#[test]
fn the_examples_of_the_repository_get_the_promised_decisions() {
    let home = Home::with_approvers();
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/actions/policy-tests.toml");
    let ran = home.talk(["policy", "test", tests, "--json"]).exits(0).json();
    assert!(ran["tests"].as_u64().unwrap() >= 8, "{ran}");
}

/// A home's own policy in another encoding is no policy, and its code says why.
#[test]
fn a_home_with_a_policy_in_utf_16_says_how_to_convert_it() {
    let home = Home::new();
    let policy = home.read("home/policy.toml");
    let marked = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let units = (mark != 0).then_some(mark).into_iter().chain(policy.encode_utf16());
        units.flat_map(bytes).collect()
    };
    for bytes in [
        marked(0xFEFF, u16::to_le_bytes),
        marked(0xFEFF, u16::to_be_bytes),
        marked(0, u16::to_le_bytes),
        marked(0, u16::to_be_bytes),
    ] {
        home.write("home/policy.toml", bytes);
        for command in [&["policy", "check"][..], &["authorize", "--action", STEP_UP]] {
            let ran = home.run(command).fails(31, "policy_utf16");
            assert!(ran.stdout.contains("iconv -f UTF-16"), "{ran:?}");
        }
    }
    home.write("home/policy.toml", format!("\u{feff}{policy}"));
    home.run(["authorize", "--action", STEP_UP]).exits(11);
}
