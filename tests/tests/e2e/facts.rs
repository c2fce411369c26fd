//! Facts have an age, an action that they are about, and a place in the record.

use actionpass_core::{Clock as _, System};
use actionpass_model::{Decision, Timestamp};
use serde_json::{Value, json};

use crate::action::{ALLOW, STEP_UP};
use crate::home::Home;

/// How old facts are, in seconds; below zero they are from the future.
fn time(age: i64) -> Timestamp {
    let now = i64::try_from(System.now().unwrap().unix_millis()).unwrap();
    Timestamp::from_unix_millis(u64::try_from(now - age * 1000).unwrap()).unwrap()
}

/// Facts of an age in seconds.
pub(crate) fn document(age: i64, facts: &Value) -> Value {
    json!({ "schema": "actionpass.facts.v1", "source": "ci run 7", "asOf": time(age), "facts": facts })
}

/// A home whose `config.toml` has this in place of its `[facts]`.
fn with_config(facts: &str) -> Home {
    let home = Home::with_maintainer();
    let config = home.read("home/config.toml");
    let (before, rest) = config.split_once("[facts]\n").unwrap();
    let (_, after) = rest.split_once("[approvals]").unwrap();
    home.write("home/config.toml", format!("{before}{facts}\n[approvals]{after}"));
    home
}

/// What is said of a pull request with the evidence of these facts: `allow`, or the code of the refusal.
fn said(home: &Home, facts: &Value) -> String {
    let file = home.write("facts.json", facts.to_string());
    let ran = home.run(["authorize", "--action", STEP_UP, "--facts", &file]);
    if ran.exit == 0 {
        return ran.decision();
    }
    let code = ran.code();
    ran.exits(31);
    code
}

#[test]
fn facts_of_another_time_are_no_evidence() {
    const STALE: &str = "facts_stale";
    let minute = "[facts]\nmax_age = \"1m\"";
    // A home of 0.1 has no `[facts]`, and the same age.
    for (config, age, expected) in [
        ("[facts]", 0, "allow"),
        ("[facts]", 3_500, "allow"),
        ("[facts]", 3_601, STALE),
        ("[facts]", -20, "allow"),
        ("[facts]", -60, STALE),
        ("", 3_500, "allow"),
        ("", 3_601, STALE),
        ("", -60, STALE),
        (minute, 30, "allow"),
        (minute, 61, STALE),
        ("[facts]\nmax_age = \"2d\"", 86_400, "allow"),
        ("[facts]\nmax_age = \"2d\"", 2 * 86_400 + 1, STALE),
    ] {
        let home = with_config(config);
        let facts = document(age, &json!({ "testsPassed": true }));
        assert_eq!(said(&home, &facts), expected, "{config:?} {age}");
        // What is refused before policy is asked is a deny on record.
        let decisions = home.decisions();
        let recorded = if expected == "allow" { "allow" } else { "deny" };
        assert_eq!(decisions.len(), 1, "{config:?} {age}");
        assert_eq!(decisions[0]["decision"], recorded, "{config:?} {age}");
    }
    // Long ago, and in a far future, without any say about which action.
    let home = Home::with_maintainer();
    for as_of in [
        "1970-01-01T00:00:00.000Z",
        "2001-01-01T00:00:00.000Z",
        "9999-12-31T23:59:59.999Z",
    ] {
        let mut facts = document(0, &json!({ "testsPassed": true }));
        facts["asOf"] = json!(as_of);
        assert_eq!(said(&home, &facts), STALE, "{as_of}");
    }
    let file = home.write("old.json", document(7_200, &json!({})).to_string());
    let told = home
        .talk(["authorize", "--action", STEP_UP, "--facts", &file])
        .exits(31);
    assert!(
        told.stderr.contains("facts_stale") && told.stderr.contains("`asOf`"),
        "{told:?}"
    );
}

#[test]
fn facts_name_the_action_where_that_is_required() {
    let required = with_config("[facts]\nrequire_action_hash = true");
    let usual = Home::new();
    let hash = usual.run(["hash", "--action", STEP_UP]).exits(0).json()["actionHash"].take();
    let other = usual.run(["hash", "--action", ALLOW]).exits(0).json()["actionHash"].take();
    let about = |hash: Option<&Value>| {
        let mut facts = document(1, &json!({ "testsPassed": true }));
        if let Some(hash) = hash {
            facts["actionHash"] = hash.clone();
        }
        facts
    };
    for (home, hash, expected) in [
        (&usual, None, "allow"),
        (&usual, Some(&other), "facts_mismatch"),
        (&required, None, "facts_mismatch"),
        (&required, Some(&other), "facts_mismatch"),
        (&required, Some(&hash), "allow"),
    ] {
        assert_eq!(said(home, &about(hash)), expected, "{hash:?}");
    }
    // Without facts there is nothing to name.
    required.run(["authorize", "--action", STEP_UP]).exits(11);
}

#[test]
fn the_record_keeps_where_facts_came_from_and_of_when_they_were() {
    let home = Home::with_maintainer();
    let facts = document(1, &json!({ "testsPassed": true, "secret": "hunter2" }));
    assert_eq!(said(&home, &facts), Decision::Allow.as_str());
    let refused = home.write("failed.json", document(2, &json!({ "testsPassed": false })).to_string());
    home.run(["authorize", "--action", STEP_UP, "--facts", &refused])
        .exits(11);
    home.run(["authorize", "--action", ALLOW]).exits(0);
    let decisions = home.decisions();
    let kept: Vec<&Value> = decisions.iter().map(|body| &body["facts"]).collect();
    assert_eq!(*kept[0], json!({ "asOf": facts["asOf"], "source": "ci run 7" }));
    assert_eq!(kept[1]["source"], "ci run 7");
    // Absent without facts, and never what they say.
    assert!(decisions[2].get("facts").is_none());
    assert!(!json!(decisions).to_string().contains("hunter2"));
}

const AGED: &str = r#"schema = "actionpass.policy.v1"
id = "aged"
[[rule]]
id = "fresh"
effect = "allow"
tool = "**"
when = [{ path = "facts.age", at_most = 600 }, { path = "facts.source", equals = "ci run 7" }]
"#;

/// The time that policy judges at: the facts' own unless it is said, so examples come out the same tomorrow.
#[test]
fn policy_is_explained_and_tested_at_a_time() {
    let home = Home::new();
    let policy = home.write("aged.toml", AGED);
    let mut facts = document(0, &json!({}));
    facts["asOf"] = json!("2026-11-23T01:00:00.000Z");
    let file = home.write("facts.json", facts.to_string());
    let table = r#"schema = "actionpass.policy-tests.v1"
[[test]]
name = "of then"
action = "home/examples/allow.json"
facts = "facts.json"
expect = "allow"
"#;
    let table = home.write("tests.toml", table);
    for (at, exit) in [
        (None, 0),
        (Some("2026-11-23T01:10:00Z"), 0),
        (Some("2026-11-23T01:10:00.001Z"), 10),
        (Some("2026-11-23T02:00:00.000Z"), 10),
    ] {
        let at: Vec<&str> = at.iter().flat_map(|at| ["--at", at]).collect();
        let explain = [
            "policy", "explain", "--action", ALLOW, "--facts", &file, "--policy", &policy,
        ];
        home.run([&explain[..], &at].concat()).exits(exit);
        let tested = home.run([&["policy", "test", &table, "--policy", &policy][..], &at].concat());
        assert_eq!(tested.exit, if exit == 0 { 0 } else { 31 }, "{at:?}: {tested:?}");
    }
    // What `authorize` would refuse is not explained.
    let explain = ["policy", "explain", "--action", ALLOW, "--facts", &file];
    for at in ["2026-11-23T02:00:00.001Z", "2026-11-23T00:59:00Z"] {
        home.run([&explain[..], &["--at", at]].concat())
            .fails(31, "facts_stale");
    }
    // Nor does a test pass with it, whatever it expects; of another action, at any time.
    let open = home.write(
        "open.toml",
        "schema = \"actionpass.policy.v1\"\nid = \"open\"\n[[rule]]\nid = \"r\"\neffect = \"allow\"\ntool = \"**\"\n",
    );
    let test = ["policy", "test", &table, "--policy", &open];
    home.run(test).exits(0);
    for at in ["2026-11-23T02:00:00.001Z", "2026-11-23T00:59:00Z"] {
        let tested = home.run([&test[..], &["--at", at]].concat()).exits(31);
        assert!(tested.json().to_string().contains("facts_stale"), "{tested:?}");
    }
    // What the issuer would refuse now is said, with the age and the limit.
    let explained = home.run([&explain[..], &["--policy", &open]].concat()).exits(0).json();
    let note = &explained["notes"][0];
    assert_eq!(note["code"], "facts_stale", "{explained}");
    assert!(note["age"].as_i64() > Some(3600) && note["maxAge"] == 3600, "{note}");
    let fresh = home.write("fresh.json", document(0, &json!({})).to_string());
    let explained = home.run(["policy", "explain", "--action", ALLOW, "--facts", &fresh]);
    assert!(explained.json().get("notes").is_none(), "{explained:?}");
    facts["actionHash"] = json!(format!("sha256:{}", "0".repeat(64)));
    home.write("facts.json", facts.to_string());
    let tested = home.run(test).exits(31);
    assert!(tested.json().to_string().contains("facts_mismatch"), "{tested:?}");

    home.run([&explain[..], &["--at", "yesterday"]].concat())
        .fails(2, "usage_invalid");
}

/// Facts that `init` and the documentation write are of now.
#[test]
fn a_new_home_has_facts_of_now() {
    let home = Home::none();
    home.run(["init"]).exits(0);
    let facts = "home/examples/facts.json";
    home.run(["authorize", "--action", STEP_UP, "--facts", facts]).exits(0);
    let written: Value = serde_json::from_str(&home.read(facts)).unwrap();
    let age = time(0).saturating_since(written["asOf"].as_str().unwrap().parse().unwrap());
    assert!(age.as_secs() < 60, "{age:?}");
}
