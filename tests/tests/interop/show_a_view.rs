//! A second implementation of `docs/spec/display.md`: it makes the same views of the published vectors, and of whatever else.

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_display::View;
use actionpass_model::{DEMO_ACTION, RuleId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Language, command, is_ready, root, run, text};

fn program() -> PathBuf {
    root().join("tests/interop/display/view.py")
}

/// What the other implementation says of vectors: whether all are as they should be, and what it prints.
fn checked(vectors: &[PathBuf]) -> (bool, String) {
    let mut command = command(Language::PlainPython, &program()).unwrap();
    command.arg(root().join("crates/actionpass-display/data/table-1.txt"));
    let output = run(command.args(vectors));
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

#[test]
fn makes_the_published_views() {
    if !is_ready(Language::PlainPython, &program()) {
        return;
    }
    let vectors = files(&root().join("crates/actionpass-display/vectors"));
    let (all, said) = checked(&vectors);
    assert!(all, "{said}");
    assert_eq!(said.matches("ok ").count(), vectors.len(), "{said}");
}

/// Texts with all that can go wrong in them.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "Z",
        "0",
        " ",
        "\n",
        "\t",
        "\\",
        "\\u{202e}",
        "\"",
        "\u{202e}",
        "\u{200b}",
        "\u{e0041}",
        "\u{1b}",
        "\u{301}",
        "\u{302}",
        "\u{489}",
        "\u{430}",
        "\u{436}",
        "\u{3bf}",
        "\u{ff41}",
        "\u{1d41a}",
        "\u{251}",
        "\u{2ba}",
        "\u{a0}",
        "\u{3000}",
        "\u{e000}",
        "\u{ffff}",
        "漢",
        "ノ",
        "ש",
        "\r",
        "é",
        "\u{1f600}",
        "\u{ff0f}",
        "\u{660}",
    ]);
    prop_oneof![
        prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat()),
        any::<String>(),
        prop::collection::vec(any::<char>(), 0..60).prop_map(|all| all.into_iter().collect()),
        prop::collection::vec("[abc]{0,2}", 0..40).prop_map(|lines| lines.join("\n")),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => texts().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (-1e9..1e9).prop_map(|number: f64| json!(number)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(prop_oneof!["[ab]", texts()], inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A vector of an action with this payload, former payload and summary.
fn vector(payload: &Value, before: &Value, summary: &str) -> Value {
    let mut action: Value = serde_json::from_str(DEMO_ACTION).unwrap();
    action["capability"]["payload"] = payload.clone();
    action["intent"]["summary"] = summary.into();
    let facts = json!({
        "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-23T01:02:03.000Z", "facts": { "before": before },
    });
    let limits = Limits::default();
    let bound = BoundAction::admit(action.to_string().as_bytes(), &limits).unwrap();
    let attested = BoundFacts::admit(facts.to_string().as_bytes(), &limits).unwrap();
    let view = View::of(&bound, &[RuleId::parse("r").unwrap()], &attested).unwrap();
    json!({
        "action": action, "rules": ["r"], "facts": facts,
        "view": serde_json::from_str::<Value>(&view.canonical()).unwrap(), "hash": view.hash(),
    })
}

#[test]
fn makes_the_same_views_of_whatever_is_shown() {
    if !is_ready(Language::PlainPython, &program()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut runner = TestRunner::deterministic();
    for number in 0..300 {
        // Half of them with a former payload of the same shape.
        let payload = values().new_tree(&mut runner).unwrap().current();
        let before = if number % 2 == 0 {
            values().new_tree(&mut runner).unwrap().current()
        } else {
            serde_json::from_str(&payload.to_string().replace('a', "b")).unwrap_or(Value::Null)
        };
        let summary = texts().new_tree(&mut runner).unwrap().current();
        let vector = vector(&payload, &before, &summary);
        fs::write(folder.path().join(format!("{number}.json")), vector.to_string()).unwrap();
    }
    let (all, said) = checked(&files(folder.path()));
    assert!(all, "{said}");
    assert_eq!(said.matches("ok ").count(), 300);
}

#[test]
fn finds_a_view_that_was_changed() {
    if !is_ready(Language::PlainPython, &program()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("changed.json");
    let mut changed = vector(&json!({ "amount": 1 }), &Value::Null, "fine");
    changed["view"]["sections"][1]["fields"][1]["text"] = "2".into();
    fs::write(&file, changed.to_string()).unwrap();
    let (all, said) = checked(&[file]);
    assert!(
        !all && said.contains("DIFFERS") && said.contains("payload.amount"),
        "{said}"
    );
}
