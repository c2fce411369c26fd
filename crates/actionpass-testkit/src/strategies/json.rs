//! JSON values that the gate admits.

use actionpass_canon::{Limits, admit, names};
use actionpass_model::{JsonObject, JsonValue};
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Any JSON value that the gate admits, a few levels deep.
pub fn values() -> impl Strategy<Value = Value> + Clone {
    leaves().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(member_names(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any JSON object that the gate admits.
pub fn objects() -> impl Strategy<Value = Map<String, Value>> + Clone {
    prop::collection::btree_map(member_names(), values(), 0..6).prop_map(|members| members.into_iter().collect())
}

/// The same as the type of free-form members.
pub fn json_objects() -> impl Strategy<Value = JsonObject> + Clone {
    objects().prop_map(JsonObject::from)
}

/// Payloads that an issuer takes: no two member names of one object are equal after case folding.
pub fn payloads() -> impl Strategy<Value = JsonValue> + Clone {
    let objects = objects().prop_map(Value::Object);
    objects
        .prop_filter("member names collide", |payload| {
            let bytes = payload.to_string();
            admit(bytes.as_bytes(), &Limits::default())
                .is_ok_and(|bytes| names::first_case_collision(bytes.as_bytes()).is_none())
        })
        .prop_map(JsonValue::from)
}

/// Numbers that mean the same to every reader.
pub fn numbers() -> impl Strategy<Value = Number> + Clone {
    const SAFE: i64 = (1 << 53) - 1;
    let exact = prop_oneof![
        Just(0.1),
        Just(1e21),
        Just(-1.5e-7),
        Just(5e-324),
        -1e15_f64..1e15,
        -1.0_f64..1.0
    ];
    prop_oneof![
        (-SAFE..=SAFE).prop_map(Number::from),
        (-9_i64..100).prop_map(Number::from),
        exact.prop_map(|number| Number::from_f64(number).expect("it is finite")),
    ]
}

/// Member names: short ones of one case, and any text.
pub fn member_names() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => "[a-z]{1,6}", 1 => "\\PC{0,8}".prop_filter("reserved", |name| !name.starts_with("$serde_json::private::"))]
}

fn leaves() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers().prop_map(Value::Number),
        "\\PC{0,12}".prop_map(Value::String),
        any::<String>().prop_map(Value::String),
    ]
}
