//! The starter policy and the sample actions that come with the project.

use std::path::Path;

use actionpass_policy::testing::{PolicyTests, TestOutcome};
use actionpass_policy::{PolicyEngine, RulePolicy, STARTER_POLICY};

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
        assert!(outcomes.len() >= 100, "{}", outcomes.len());
        let (passed, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(TestOutcome::passed);
        let lines = |outcomes: Vec<TestOutcome>| outcomes.iter().map(|one| format!("{one}\n")).collect::<String>();
        (lines(passed), lines(failed))
    };
    assert_eq!(passed(STARTER_POLICY).1, "");
    let open =
        "schema = \"actionpass.policy.v1\"\nid = \"open\"\n[[rule]]\nid = \"all\"\neffect = \"allow\"\ntool = \"**\"\n";
    assert_eq!(passed(open).0, "");
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

#[test]
fn the_rules_that_documents_refer_to_are_there() {
    let policy = RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap();
    assert_eq!(policy.id().as_str(), "starter");
    let rules: Vec<&str> = policy.rules().map(|(id, _)| id.as_str()).collect();
    for id in ["github.pr.tested", "github.pr.untested", "github.protected"] {
        assert!(rules.contains(&id), "{id}");
    }
}
