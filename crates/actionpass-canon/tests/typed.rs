//! The canonicalizer on typed values: shaped as serde_json shapes them, and nothing lost on the way.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use actionpass_canon::{CanonError, canonicalize};
use serde::{Serialize, Serializer};

fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, String> {
    canonicalize(value)
        .map(|bytes| bytes.as_str().to_owned())
        .map_err(|error| error.code().to_string())
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Wrapped(u8);
#[derive(Serialize)]
struct Pair(u8, &'static str);
#[derive(Serialize)]
struct Fields {
    zulu: Option<u8>,
    alpha: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    #[serde(rename = "\u{20ac}")]
    euro: f32,
}
#[derive(Serialize)]
enum Kind {
    Unit,
    Newtype(Wrapped),
    Tuple(u8, u8),
    Struct { b: u8, a: u8 },
}

#[test]
fn shapes_are_those_of_serde_json() {
    let fields = Fields {
        zulu: None,
        alpha: (),
        absent: None,
        euro: 0.5,
    };
    assert_eq!(
        text(&fields).unwrap(),
        "{\"alpha\":null,\"zulu\":null,\"\u{20ac}\":0.5}"
    );
    let everything = (
        (Unit, Wrapped(1), Pair(2, "x"), fields, 'ß', [1_i8; 2], "\u{1}"),
        (
            Kind::Unit,
            Kind::Newtype(Wrapped(3)),
            Kind::Tuple(4, 5),
            Kind::Struct { b: 6, a: 7 },
        ),
        BTreeMap::from([(10, true), (9, false)]),
        BTreeMap::from([('b', Some(1_u64)), ('a', None)]),
        (1_u128, -1_i128, 1e300, f64::MIN_POSITIVE, -9_007_199_254_740_991_i64),
    );
    let value = serde_json::to_value(&everything).unwrap();
    assert_eq!(text(&everything).unwrap(), serde_jcs::to_string(&value).unwrap());
}

#[test]
fn what_json_cannot_hold_is_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(text(&[value]), Err("number_out_of_range".into()));
        assert_eq!(text(&Some(value as f32)), Err("number_out_of_range".into()));
    }
    for value in [9_007_199_254_740_992_i64, -9_007_199_254_740_992, i64::MAX, i64::MIN] {
        assert_eq!(text(&value), Err("number_unsafe_integer".into()));
        assert_eq!(text(&i128::from(value)), Err("number_unsafe_integer".into()));
        assert_eq!(text(&(value as f64)), Err("number_unsafe_integer".into()));
    }
    assert_eq!(text(&u64::MAX), Err("number_unsafe_integer".into()));
    assert_eq!(text(&u128::MAX), Err("number_unsafe_integer".into()));
    assert_eq!(text(&9_007_199_254_740_991_u64), Ok("9007199254740991".into()));
    assert_eq!(text(&1e21), Ok("1e+21".into()));
}

#[test]
fn names_must_be_text() {
    assert_eq!(text(&BTreeMap::from([((1, 2), 0)])), Err("member_name_not_text".into()));
    assert_eq!(
        text(&BTreeMap::from([(None::<u8>, 0)])),
        Err("member_name_not_text".into())
    );
    assert_eq!(text(&BTreeMap::from([(Some("a"), 0)])), Ok(r#"{"a":0}"#.into()));
}

#[test]
fn duplicates_are_refused_wherever_they_come_from() {
    #[derive(Serialize)]
    struct Outer {
        name: &'static str,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    let outer = |inner| Outer {
        name: "a",
        rest: BTreeMap::from([(inner, 1)]),
    };
    assert_eq!(text(&outer("other")), Ok(r#"{"name":"a","other":1}"#.into()));
    assert_eq!(text(&outer("name")), Err("member_duplicate".into()));
    assert_eq!(
        text(&BTreeMap::from([("$serde_json::private::RawValue", 1)])),
        Err("member_name_reserved".into())
    );

    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("b", 1), ("a", 2), ("b", 3)])
        }
    }
    assert_eq!(text(&[Twice]), Err("member_duplicate".into()));
}

#[test]
fn a_failing_value_says_why() {
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the disk is gone"))
        }
    }
    let error = canonicalize(&Failing).unwrap_err();
    assert_eq!(error.code(), "value_not_serializable");
    assert!(matches!(error, CanonError::NotSerializable { message } if &*message == "the disk is gone"));
}
