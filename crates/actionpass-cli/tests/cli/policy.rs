//! `policy`: checked, explained, tested.

use serde_json::Value;

use crate::lab::Lab;

const STEP_UP: &str = "home/examples/step_up.json";

#[test]
fn policy() {
    let mut lab = Lab::with_home();
    lab.file("one.toml", b"schema = \"actionpass.policy.v1\"\nid = \"one\"\n[[rule]]\nid = \"a.b\"\neffect = \"allow\"\ntool = \"t.*\"\n");
    lab.run(&["policy", "check", "one.toml"]);
    lab.run(&["policy", "check", "one.toml", "--json"]);
    lab.file(
        "bad.toml",
        b"schema = \"actionpass.policy.v1\"\nid = \"one\"\n[[rule]]\nid = \"a.b\"\neffect = \"alow\"\ntool = \"t.*\"\n",
    );
    lab.run(&["policy", "check", "bad.toml"]);
    lab.run(&["policy", "check", "bad.toml", "--json"]);
    lab.run(&["policy", "check", "missing.toml"]);
    assert_eq!(lab.try_run(&["policy", "check"], b"").exit, 0);
    lab.run(&["policy", "explain", "--action", STEP_UP]);
    lab.run(&[
        "policy", "explain", "--action", STEP_UP, "--policy", "one.toml", "--json",
    ]);
    lab.file("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#);
    lab.run(&["policy", "explain", "--action", STEP_UP, "--facts", "facts.json"]);
    lab.check("policy");
}

#[test]
fn what_can_not_be_told_allows_nothing() {
    let lab = Lab::with_home();
    let action: Value = serde_json::from_slice(&std::fs::read(lab.path().join(STEP_UP)).unwrap()).unwrap();
    lab.file("facts.json", br#"{"schema":"actionpass.facts.v1","source":"ci","asOf":"2026-11-23T01:02:03.000Z","facts":{"testsPassed":true}}"#);
    let decide = |action: &Value| {
        lab.file("changed.json", action.to_string().as_bytes());
        let ran = lab.try_run(
            &[
                "policy",
                "explain",
                "--action",
                "changed.json",
                "--facts",
                "facts.json",
                "--json",
            ],
            b"",
        );
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
    let mut lab = Lab::with_home();
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
    lab.file("tests.toml", tests.as_bytes());
    lab.run(&["policy", "test", "tests.toml"]);
    lab.run(&["policy", "test", "tests.toml", "--json"]);
    lab.file(
        "wrong.toml",
        tests
            .replace("expect = \"allow\"", "expect = \"deny\"")
            .replace("deny.json", "gone.json")
            .as_bytes(),
    );
    lab.run(&["policy", "test", "wrong.toml"]);
    lab.run(&["policy", "test", "wrong.toml", "--json"]);
    lab.file("bad.toml", b"schema = \"actionpass.policy-tests.v1\"\n");
    lab.run(&["policy", "test", "bad.toml"]);
    lab.check("policy_test");
}

#[test]
fn the_examples_of_the_repository_get_the_promised_decisions() {
    let lab = Lab::with_home();
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/actions/policy-tests.toml");
    let ran = lab.quiet(&["policy", "test", tests, "--json"]).json();
    assert!(ran["tests"].as_u64().unwrap() >= 8, "{ran}");
}
