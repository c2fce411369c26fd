//! G13: two admitted documents that are different JSON values never share a hash, short of a SHA-256 collision.

use actionpass_canon::{Limits, admit, sha256};
use actionpass_model::Digest;
use actionpass_testkit::strategies::{documents, json};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::Checked;

/// Raw payloads that different readers confuse: pairs that must have different hashes, or be refused.
const CONFUSABLE: &[(&str, &str)] = &[
    (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
    (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
    ("9007199254740993", "9007199254740992"),
    ("0.10000000000000001", "0.1"),
    ("1e400", "1e308"),
    ("1e-400", "0"),
    (r#"{"a":null}"#, "{}"),
    (r#""1""#, "1"),
    ("true", r#""true""#),
    ("[]", "{}"),
    ("[[1],2]", "[1,[2]]"),
    (r#"["a,b"]"#, r#"["a","b"]"#),
    (r#"{"a":{"b":1}}"#, r#"{"a":1,"b":{}}"#),
    (r#""\u00e9""#, r#""e\u0301""#),
    (r#""\ud800""#, r#""\ufffd""#),
    (r#""a\u0000""#, r#""a""#),
    (r#"{"$serde_json::private::Number":"1"}"#, "1"),
    (r#"{"$serde_json::private::RawValue":"{}"}"#, "{}"),
];

fn values_are_told_apart(hash: &dyn Fn(&str) -> Option<Digest>) -> Checked {
    for (left, right) in CONFUSABLE {
        if let (Some(first), Some(second)) = (hash(left), hash(right))
            && first == second
        {
            return Err(format!("{left} and {right}"));
        }
    }
    Ok(())
}

#[test]
fn g13_confusable_values() {
    assert_eq!(
        values_are_told_apart(&|text| admit(text.as_bytes(), &Limits::default())
            .ok()
            .map(|bytes| bytes.digest())),
        Ok(())
    );
}

#[test]
fn g13_the_check_finds_a_hash_of_what_a_lenient_parser_kept() {
    let lenient = |text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .map(|value| sha256(value.to_string().as_bytes()))
    };
    assert!(values_are_told_apart(&lenient).is_err());
}

/// Equality of JSON values: numbers by value, which serde_json keeps in three ways.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, value)| right.get(name).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

proptest! {
    #[test]
    fn g13_payloads_share_a_hash_only_if_they_are_one(left in json::payloads(), right in json::payloads()) {
        let hash = |payload: &Value| documents::demo_action_with(payload).payload_hash();
        let action = |payload: &Value| documents::demo_action_with(payload).action_hash();
        let (left, right) = (left.get(), right.get());
        prop_assert_eq!(hash(left) == hash(right), same(left, right));
        prop_assert_eq!(action(left) == action(right), same(left, right));
    }

    #[test]
    fn g13_spelling_never_matters(payload in json::payloads()) {
        let pretty = serde_json::to_string_pretty(payload.get()).unwrap();
        let plain = serde_json::to_string(payload.get()).unwrap();
        let digest = |text: &str| admit(text.as_bytes(), &Limits::default()).unwrap().digest();
        prop_assert_eq!(digest(&pretty), digest(&plain));
    }
}
