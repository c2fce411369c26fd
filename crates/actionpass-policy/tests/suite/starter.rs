//! The starter policy and the sample actions that come with the project.

use std::path::Path;

use actionpass_model::Decision;
use actionpass_policy::testing::{PolicyTests, TestOutcome};
use actionpass_policy::{PolicyEngine, RulePolicy, STARTER_POLICY};
use serde_json::json;

use crate::world::{bind, document, facts, judge};

#[test]
fn the_sample_actions_get_the_decisions_that_their_table_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/actions");
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    let table = std::fs::read_to_string(folder.join("policy-tests.toml")).unwrap();
    let tests = PolicyTests::load(&table, "policy-tests.toml").unwrap();
    let outcomes = tests.run(&policy, |name| std::fs::read(folder.join(name)).ok());
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    // Each sample is decided at least once.
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".json") || table.contains(&format!("\"{name}\"")),
            "{name} is in no test"
        );
    }
}

/// Every attack gets what its table says, and would get through a policy that allows everything.
#[test]
fn the_attacks_are_stopped() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/starter-attacks.toml");
    let table = std::fs::read_to_string(table).unwrap();
    let tests = PolicyTests::load(&table, "starter-attacks.toml").unwrap();
    let passed = |policy: &str| {
        let outcomes = tests.run(&RulePolicy::load(policy, "policy.toml").unwrap(), |_| None);
        assert!(outcomes.len() == 196, "{}", outcomes.len());
        let (passed, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(TestOutcome::passed);
        let lines = |outcomes: Vec<TestOutcome>| outcomes.iter().map(|one| format!("{one}\n")).collect::<String>();
        (lines(passed), lines(failed))
    };
    assert_eq!(passed(STARTER_POLICY).1, "");
    let open =
        "schema = \"actionpass.policy.v1\"\nid = \"open\"\n[[rule]]\nid = \"all\"\neffect = \"allow\"\ntool = \"**\"\n";
    assert_eq!(passed(open).0, "");
}

/// What the attacks are made of still goes through where it is meant to.
#[test]
fn ordinary_calls_are_allowed() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    let files = json!([{ "path": "src/a.rs", "additions": 3, "deletions": 0 }]);
    for (tool, resource, payload) in [
        (
            "linear.issues.update",
            "team:ENG",
            json!({ "team": "ENG", "issue": "ENG-418", "state": "Todo" }),
        ),
        (
            "linear.issues.update",
            "team:OPS",
            json!({ "team": "OPS", "issue": "OPS-7", "state": "In Review" }),
        ),
        (
            "github.contents.get",
            "repo:company/web-app",
            json!({ "owner": "company", "repo": "web-app", "path": "src/secretary.rs", "ref": "main" }),
        ),
        (
            "github.pull_requests.create",
            "repo:company/web-app",
            json!({ "owner": "company", "repo": "web-app", "title": "t", "body": "b", "draft": true, "head": "agent/a",
                    "base": "main", "files": files }),
        ),
        (
            "slack.messages.post",
            "channel:eng-a",
            json!({ "channel": "eng-a", "text": "In Asia, Friday: here is the msg. from the channel" }),
        ),
        (
            "payments.refunds.create",
            "order:A-1",
            json!({ "order": "A-1", "amount": 5000.0, "currency": "EUR", "reason": "broken" }),
        ),
        ("mcp/docs/search", "server:docs", json!({ "query": "a", "limit": 5 })),
        ("shell.run", "host:ci", json!({ "program": "cargo", "args": ["test"] })),
    ] {
        let mut document = document(tool, resource, payload);
        if tool.starts_with("mcp/") {
            document["toolDefinition"] = json!({
                "server": "mcp://docs.example",
                "definitionHash": "sha256:9f2feb0f1ef425b292f2f94bc8482494df430413d4d1fe5c7e1cbb2b1f5d6f3a",
            });
        }
        let facts = facts(&json!({ "testsPassed": true }));
        let verdict = judge(&policy, &bind(&document), &facts, &[]);
        assert_eq!(verdict.decision, Decision::Allow, "{tool} {:?}", verdict.reasons);
    }
}

/// A call about one file and a pull request keep the same files secret.
#[test]
fn secret_files_are_one_list() {
    let lists: Vec<&str> = STARTER_POLICY
        .split("# The repository's inside, and a file that moves it elsewhere.")
        .skip(1)
        .map(|rest| rest.split("] }").next().unwrap())
        .collect();
    let patterns = |list: &str| -> Vec<String> {
        let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(lists.len(), 2);
    assert_eq!(patterns(lists[0]), patterns(lists[1]));
    assert!(patterns(lists[0]).len() > 10);
}

#[test]
fn a_table_can_fail() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    let run = |test: &str| {
        let text = format!("schema = \"actionpass.policy-tests.v1\"\n[[test]]\nname = \"n\"\n{test}");
        let read = |name: &str| (name == "demo.json").then(|| actionpass_model::DEMO_ACTION.as_bytes().to_vec());
        PolicyTests::load(&text, "t.toml").unwrap().run(&policy, read)[0].passed()
    };
    assert!(run("action = \"demo.json\"\nexpect = \"step_up\""));
    assert!(run(
        "action = \"demo.json\"\nexpect = \"step_up\"\nrules = [\"github.pr.untested\"]"
    ));
    assert!(run(
        "action = \"demo.json\"\nfacts = { testsPassed = true }\nexpect = \"allow\""
    ));
    assert!(!run("action = \"demo.json\"\nexpect = \"allow\""));
    assert!(!run(
        "action = \"demo.json\"\nexpect = \"step_up\"\nrules = [\"github.pr.wide\"]"
    ));
    assert!(!run("action = \"demo.json\"\nexpect = \"step_up\"\nrules = []"));
    assert!(!run("action = \"absent.json\"\nexpect = \"deny\""));
    assert!(!run("action = \"{}\"\nexpect = \"deny\""));
    assert!(!run(
        "action = \"demo.json\"\nfacts = \"demo.json\"\nexpect = \"step_up\""
    ));
}

/// A name says which test failed, so it stands in a table once.
#[test]
fn two_tests_of_one_name_are_refused() {
    let test = "[[test]]\nname = \"n\"\naction = \"demo.json\"\nexpect = \"deny\"\n";
    let text = format!("schema = \"actionpass.policy-tests.v1\"\n{test}{test}");
    let error = PolicyTests::load(&text, "t.toml").unwrap_err();
    assert_eq!(error.code().as_str(), "policy_test_repeated");
    assert!(error.to_string().contains("t.toml:6:"), "{error}");
}

/// Facts about another action, and those that the issuer doesn't take, fail a test whatever it expects.
#[test]
fn facts_that_are_refused_fail() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    let text = "schema = \"actionpass.policy-tests.v1\"\n[[test]]\nname = \"n\"\naction = \"demo.json\"\n\
                facts = \"facts.json\"\nexpect = \"allow\"\n";
    let tests = PolicyTests::load(text, "t.toml").unwrap();
    let demo = actionpass_model::DEMO_ACTION.as_bytes();
    let own = actionpass_canon::BoundAction::admit(demo, &actionpass_canon::Limits::default())
        .unwrap()
        .action_hash()
        .to_string();
    let other = format!("sha256:{}", "0".repeat(64));
    for (hash, taken, problem) in [
        (&own, true, None),
        (
            &other,
            true,
            Some("the facts are refused: facts_mismatch: they are about another action"),
        ),
        (&own, false, Some("the facts are refused: facts_stale")),
    ] {
        let facts = json!({
            "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-23T01:02:03.000Z",
            "actionHash": hash, "facts": { "testsPassed": true },
        });
        let read = |name: &str| {
            Some(match name {
                "demo.json" => demo.to_vec(),
                _ => facts.to_string().into_bytes(),
            })
        };
        let admits = |_: &_, _: &_, at: actionpass_model::Timestamp| {
            assert_eq!(at.to_string(), "2026-11-23T01:02:03.000Z");
            if taken { Ok(()) } else { Err("facts_stale".to_owned()) }
        };
        let outcome = &tests.run_with(&policy, read, admits)[0];
        assert_eq!(outcome.passed(), problem.is_none(), "{outcome}");
        assert_eq!(outcome.decided.as_ref().err().map(String::as_str), problem);
    }
}

#[test]
fn the_rules_that_documents_refer_to_are_there() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    assert_eq!(policy.id().as_str(), "starter");
    let rules: Vec<&str> = policy.rules().map(|(id, _)| id.as_str()).collect();
    for id in ["github.pr.tested", "github.pr.untested", "github.protected"] {
        assert!(rules.contains(&id), "{id}");
    }
}
