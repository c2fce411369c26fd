//! The catalogues of `examples/catalogues`, with their rules: what they make of everyday calls, and of attacks. And those of
//! `docs/spec/tools.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use actionpass_gate::testing::CallTests;
use actionpass_gate::{CallCode, Catalogue, CatalogueCode, ListingCode};
use actionpass_policy::RulePolicy;

fn holds(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/catalogues")
        .join(name);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let catalogue = Catalogue::parse(&read("tools.toml"), "tools.toml", |_| None).unwrap();
    let policy = RulePolicy::load(&read("policy.toml"), "policy.toml").unwrap();
    let tests = CallTests::parse(&read("tests.toml"), "tests.toml").unwrap();
    let outcomes = tests.run(&catalogue, Some(&policy));
    assert!(outcomes.len() > 15);
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(ToString::to_string)
        .collect();
    assert_eq!(failed, <[String; 0]>::default());
}

#[test]
fn github() {
    holds("github");
}

#[test]
fn filesystem() {
    holds("filesystem");
}

#[test]
fn shell() {
    holds("shell");
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/tools.md")).unwrap()
}

#[test]
fn the_examples_of_the_specification_hold() {
    let page = page();
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [catalogue, tests] = examples.as_slice() else {
        unreachable!("two examples, not {}", examples.len())
    };
    let catalogue = Catalogue::parse(catalogue, "tools.toml", |_| None).unwrap();
    let github =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/catalogues/github/policy.toml"));
    let policy = RulePolicy::load(&github.unwrap(), "policy.toml").unwrap();
    for outcome in CallTests::parse(tests, "tests.toml")
        .unwrap()
        .run(&catalogue, Some(&policy))
    {
        assert!(outcome.passed(), "{outcome}");
    }
}

#[test]
fn the_specification_names_every_code() {
    let page = page();
    let codes = CatalogueCode::ALL
        .iter()
        .map(|code| code.as_str())
        .chain(CallCode::ALL.iter().map(|code| code.as_str()))
        .chain(ListingCode::ALL.iter().map(|code| code.as_str()));
    let table = page.split("## Refusals").nth(1).unwrap();
    for code in codes {
        assert!(table.contains(&format!("`{code}`")), "{code}");
    }
}
