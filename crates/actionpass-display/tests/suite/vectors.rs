//! The published vectors: each is a file with an action, rules, facts, their view and its hash. `UPDATE_GOLDEN=1` writes the
//! last two anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use actionpass_canon::{BoundAction, BoundFacts, Limits, canonicalize};
use actionpass_display::{FlagKind, View, shown_matches};
use actionpass_model::RuleId;
use serde_json::{Value, json};

/// Every vector by its name.
fn vectors() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        })
        .collect()
}

/// The three that a view is made of.
fn parts(vector: &Value) -> (BoundAction, Vec<RuleId>, BoundFacts) {
    let limits = Limits::default();
    let rules = vector["rules"].as_array().unwrap().iter();
    let facts = match &vector["facts"] {
        Value::Null => BoundFacts::none(),
        facts => BoundFacts::admit(facts.to_string().as_bytes(), &limits).unwrap(),
    };
    (
        BoundAction::admit(vector["action"].to_string().as_bytes(), &limits).unwrap(),
        rules
            .map(|rule| RuleId::parse(rule.as_str().unwrap()).unwrap())
            .collect(),
        facts,
    )
}

/// JSON that any editor shows as it is.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for character in serde_json::to_string_pretty(value).unwrap().chars() {
        if character.is_ascii() && character != '\x7f' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text + "\n"
}

#[test]
fn views_are_those_of_the_vectors() {
    let all = vectors();
    assert!(all.len() >= 28, "{}", all.len());
    for (name, vector) in all {
        let (action, rules, facts) = parts(&vector);
        let view = View::of(&action, &rules, &facts).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let mut vector = vector.clone();
            vector["view"] = serde_json::from_str(&view.canonical()).unwrap();
            vector["hash"] = json!(view.hash());
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{name}.json"));
            fs::write(file, ascii(&vector)).unwrap();
            continue;
        }
        let expected = canonicalize(&vector["view"]).unwrap();
        assert_eq!(view.canonical(), expected.as_str(), "{name}");
        assert_eq!(json!(view.hash()), vector["hash"], "{name}");
        assert_eq!(json!(expected.digest()), vector["hash"], "{name}");
        assert_eq!(shown_matches(&view.shown(), &action, &rules, &facts), Ok(()), "{name}");
    }
}

#[test]
fn every_flag_member_and_kind_has_a_vector() {
    let text: String = vectors().values().map(|vector| vector["view"].to_string()).collect();
    for flag in [
        FlagKind::Control,
        FlagKind::Bidi,
        FlagKind::Tag,
        FlagKind::Hidden,
        FlagKind::Blank,
        FlagKind::Stacked,
        FlagKind::Private,
        FlagKind::Unassigned,
        FlagKind::LookAlike,
        FlagKind::MixedScript,
        FlagKind::WholeScript,
    ] {
        assert!(text.contains(&format!("\"flag\":\"{}\"", flag.as_str())), "{flag:?}");
    }
    for member in [
        "changes",
        "flags",
        "fold",
        "foldedChanges",
        "foldedFields",
        "former",
        "like",
        "lines",
        "pathFlags",
        "reads",
        "same",
    ] {
        assert!(text.contains(&format!("\"{member}\":")), "{member}");
    }
    for kind in ["added", "removed", "same", "skipped"] {
        assert!(text.contains(&format!("\"kind\":\"{kind}\"")), "{kind}");
    }
    for kind in ["name", "hash", "string", "number", "boolean", "null", "object", "array"] {
        assert!(text.contains(&format!("\"type\":\"{kind}\"")), "{kind}");
    }
}
