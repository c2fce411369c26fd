use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn compact(text: &str) -> String {
    let mut out = Vec::new();
    push_compact(&mut out, text.as_bytes());
    String::from_utf8(out).unwrap()
}

#[test]
fn members_are_slices_as_they_are_written() {
    let object = b"{ \"a\" : 1.0 ,\n\"b\\u0063\":[ {\"x\":\"]}\\\"\"} ], \"d\":{}}";
    let found: Vec<_> = members(object)
        .map(|member| (member.name().unwrap(), member.value))
        .collect();
    assert_eq!(found.len(), 3);
    assert_eq!((found[0].0.as_ref(), found[0].1), ("a", b"1.0".as_slice()));
    assert_eq!(
        (found[1].0.as_ref(), found[1].1),
        ("bc", br#"[ {"x":"]}\""} ]"#.as_slice())
    );
    assert_eq!(member(object, "bc"), Some(found[1].1));
    assert_eq!(elements(found[1].1).count(), 1);
    assert_eq!(members(b"[]").count() + elements(b"{}").count(), 0);
}

#[test]
fn what_nests_too_deep_is_no_message() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(is_object(nested(MAX_DEPTH - 1).as_bytes()));
    assert!(!is_object(nested(MAX_DEPTH).as_bytes()));
    assert!(!is_object(b"[]") && !is_object(b"{") && !is_object(b"{}x") && !is_object(b"{\"a\":\"\xff\"}"));
    assert!(is_object(br#"{"half":"\ud83d"}"#));
}

#[test]
fn our_own_members_are_removed_from_meta_alone() {
    let message = br#"{"result":{"_meta":{"dev.actionpass/decision":{"a":1},"x/y":1.0},"content":[{"_meta":{"dev\u002eactionpass/pass":"p"}}],"dev.actionpass/kept":1}}"#;
    let expected = br#"{"result":{"_meta":{"x/y":1.0},"content":[{"_meta":{}}],"dev.actionpass/kept":1}}"#;
    assert_eq!(without_own(message).as_ref(), expected.as_slice());
    assert!(matches!(without_own(br#"{"a":1}"#), Cow::Borrowed(_)));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn reading_and_writing_keeps_every_value(value in value()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let line = compact(&pretty);
        prop_assert_eq!(&line, &serde_json::to_string(&value).unwrap());
        if let Value::Object(object) = &value {
            let names: Vec<String> = members(pretty.as_bytes()).map(|member| member.name().unwrap().into_owned()).collect();
            prop_assert_eq!(names, object.keys().cloned().collect::<Vec<_>>());
            for (name, inner) in object {
                let found: Value = serde_json::from_slice(member(pretty.as_bytes(), name).unwrap()).unwrap();
                prop_assert_eq!(&found, inner);
            }
        }
    }

    #[test]
    fn other_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        members(&bytes).count();
        elements(&bytes).count();
        without_own(&bytes);
        push_compact(&mut Vec::new(), &bytes);
    }
}
