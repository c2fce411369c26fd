//! The laws of admission, on generated documents.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod documents;

use std::fmt::Write as _;

use actionpass_canon::{AdmitCode, Limits, admit, canonicalize, names, rfc8785, scan};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};

use documents::{choices, document, spell, string};

fn canonical(text: &[u8]) -> Vec<u8> {
    admit(text, &Limits::default())
        .map_err(|error| format!("{error} in {}", String::from_utf8_lossy(text)))
        .unwrap()
        .into_vec()
}

/// Every place of a document that can be changed by itself.
fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(places).sum(),
        Value::Object(members) => members.values().map(places).sum(),
        _ => 0,
    }
}

/// Changes the meaning of one place in one way.
fn change(value: &mut Value, place: &mut usize, how: u8, name: &str) {
    if *place == 0 {
        *place = usize::MAX;
        match (how % 4, &mut *value) {
            (0, Value::Object(members)) if !members.is_empty() => {
                let first = members.keys().nth(usize::from(how) % members.len()).unwrap().clone();
                members.remove(&first);
            }
            (1, Value::Object(members)) if !members.contains_key(name) => {
                members.insert(name.to_owned(), Value::Null);
            }
            (2, Value::Object(members)) if !members.is_empty() => {
                let first = members.keys().nth(usize::from(how) % members.len()).unwrap().clone();
                let moved = members.remove(&first).unwrap();
                let mut other = first + "x";
                while members.contains_key(&other) {
                    other.push('x');
                }
                members.insert(other, moved);
            }
            (0, Value::Array(elements)) if !elements.is_empty() => drop(elements.pop()),
            (1, Value::Array(elements)) => elements.push(Value::Null),
            (_, Value::String(text)) => text.push('\0'),
            (_, Value::Bool(value)) => *value = !*value,
            (_, Value::Number(number)) => {
                *number = match number.as_f64() {
                    Some(1.0) => 2.into(),
                    _ => 1.into(),
                };
            }
            (_, Value::Null) => *value = Value::Bool(false),
            (_, value) => *value = Value::Array(vec![value.take()]),
        }
        return;
    }
    let mut descend = |inner: &mut Value| {
        if *place != usize::MAX {
            *place -= 1;
            change(inner, place, how, name);
        }
    };
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(&mut descend),
        Value::Object(members) => members.values_mut().for_each(&mut descend),
        _ => {}
    }
}

/// Walks the whole document through `scan` and compares it with the parsed one.
fn same_by_scan(bytes: &[u8], value: &Value) -> bool {
    match value {
        Value::String(expected) => scan::text(bytes).as_deref() == Some(expected),
        Value::Array(expected) => {
            let elements: Vec<_> = scan::elements(bytes).unwrap().map(Result::unwrap).collect();
            elements.len() == expected.len()
                && elements
                    .iter()
                    .zip(expected)
                    .all(|(bytes, value)| same_by_scan(bytes, value))
        }
        Value::Object(expected) => {
            let found = scan::members(bytes).unwrap().map(Result::unwrap).count();
            found == expected.len()
                && expected
                    .iter()
                    .all(|(name, value)| same_by_scan(scan::member(bytes, name).unwrap(), value))
        }
        other => serde_jcs::to_vec(other).unwrap() == bytes && scan::text(bytes).is_none(),
    }
}

/// Case folding by another crate, one object at a time.
fn collides(value: &Value) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(collides),
        Value::Object(members) => {
            let mut folded: Vec<_> = members
                .keys()
                .map(|name| caseless::default_case_fold_str(name))
                .collect();
            folded.sort();
            folded.windows(2).any(|pair| pair[0] == pair[1]) || members.values().any(collides)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn output_is_admitted_again_unchanged(value in document(), choices in choices()) {
        let once = canonical(spell(&value, choices).as_bytes());
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn spelling_never_matters(value in document(), one in choices(), other in choices()) {
        let (one, other) = (spell(&value, one), spell(&value, other));
        prop_assert_eq!(canonical(one.as_bytes()), canonical(other.as_bytes()), "{} and {}", one, other);
    }

    #[test]
    fn the_output_means_what_was_written(value in document(), choices in choices()) {
        let bytes = canonical(spell(&value, choices).as_bytes());
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(serde_jcs::to_vec(&read).unwrap(), serde_jcs::to_vec(&value).unwrap());
    }

    #[test]
    fn agrees_with_both_oracles(value in document(), choices in choices()) {
        let text = spell(&value, choices);
        let bytes = canonical(text.as_bytes());
        let parsed: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&serde_jcs::to_vec(&parsed).unwrap(), &bytes);
        prop_assert_eq!(&serde_json_canonicalizer::to_vec(&parsed).unwrap(), &bytes);
        prop_assert_eq!(&rfc8785::transform(text.as_bytes(), &Limits::default()).unwrap(), &bytes);
    }

    #[test]
    fn typed_values_and_raw_bytes_have_one_form(value in document(), choices in choices()) {
        let typed = canonicalize(&value).unwrap().into_vec();
        prop_assert_eq!(typed, canonical(spell(&value, choices).as_bytes()));
    }

    #[test]
    fn a_change_of_meaning_changes_the_hash(value in document(), place in any::<Index>(), how: u8, name in string()) {
        let mut changed = value.clone();
        let mut place = place.index(places(&value));
        change(&mut changed, &mut place, how, &name);
        prop_assert_ne!(&changed, &value, "the change changed nothing");
        let hash = |value: &Value| canonicalize(value).unwrap().digest();
        prop_assert_ne!(hash(&changed), hash(&value));
    }

    #[test]
    fn a_duplicate_is_found_however_it_is_spelled(value in document(), one in choices(), other in choices()) {
        if let Value::Object(members) = &value && let Some((name, inner)) = members.iter().next() {
            let again = Value::Object(Map::from_iter([(name.clone(), inner.clone())]));
            let (one, other) = (spell(&value, one), spell(&again, other));
            let (one, other) = (one.trim_end().strip_suffix('}').unwrap(), other.trim_start().strip_prefix('{').unwrap());
            let text = format!("{one},{other}");
            let error = admit(text.as_bytes(), &Limits::default()).unwrap_err();
            prop_assert_eq!(error.code(), AdmitCode::MemberDuplicate, "{}", text);
            let at = one.len() + 1 + other.len() - other.trim_start().len();
            prop_assert_eq!(error.offset(), at, "{}", text);
        }
    }

    #[test]
    fn parts_are_slices_of_the_whole(value in document()) {
        let bytes = canonicalize(&value).unwrap();
        prop_assert!(same_by_scan(bytes.as_bytes(), &value));
    }

    #[test]
    fn collisions_are_found_where_case_folding_finds_them(value in document()) {
        let found = names::first_case_collision(canonicalize(&value).unwrap().as_bytes());
        // Ours is wider (`İ`, `ı`), never narrower.
        if collides(&value) {
            prop_assert!(found.is_some());
        } else if let Some(found) = found {
            prop_assert!(found.name != found.other && names::fold(&found.name) == names::fold(&found.other));
        }
    }

    #[test]
    fn doubles_print_as_both_oracles_print_them(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let ours = rfc8785::number(value).unwrap();
        prop_assert_eq!(&serde_jcs::to_string(&value).unwrap(), &ours);
        prop_assert_eq!(&serde_json_canonicalizer::to_string(&value).unwrap(), &ours);
        prop_assert_eq!(ours.parse::<f64>().unwrap(), value);
    }

    /// The rule by digits and exponent against the rule by conversion: what is written is admitted if, and only if,
    /// the double's own text, expanded to digits without a point, is the written one's.
    #[test]
    fn a_number_is_admitted_if_its_double_is_the_same_number(
        digits in "[1-9][0-9]{0,19}", point in 0..20_usize, exponent in -330..310_i32, with_exponent: bool,
    ) {
        let point = point.min(digits.len() - 1);
        let (integer, fraction) = digits.split_at(digits.len() - point);
        let mut text = integer.to_owned();
        if !fraction.is_empty() {
            write!(text, ".{fraction}").unwrap();
        }
        if with_exponent {
            write!(text, "e{exponent}").unwrap();
        }
        let value: f64 = text.parse().unwrap();
        let shown = rfc8785::number(value);
        let unsafe_literal = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u128>().map_or(true, |value| value > 9_007_199_254_740_991)
        };
        let expected = match &shown {
            None => Err(AdmitCode::NumberOutOfRange),
            Some(shown) if unsafe_literal(&text) || unsafe_literal(shown) => Err(AdmitCode::NumberUnsafeInteger),
            Some(shown) if by_digits(shown) != by_digits(&text) => Err(AdmitCode::NumberNotExact),
            Some(shown) => Ok(shown.clone().into_bytes()),
        };
        let found = admit(text.as_bytes(), &Limits::default());
        if let Err(error) = &found && let Some(instead) = error.accepted_spelling() {
            prop_assert_eq!(canonical(instead.as_bytes()), instead.as_bytes());
            prop_assert_eq!(Some(instead), shown.as_deref());
        }
        prop_assert_eq!(found.map(|bytes| bytes.into_vec()).map_err(|error| error.code()), expected, "{}", text);
    }

    #[test]
    fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        check_anything(&raw);
    }

    #[test]
    fn nearly_json_never_panics(raw in "[\\[\\]{}:,\"\\\\ntruefalsE0-9.+u\u{e9}\u{0}-]{0,40}") {
        check_anything(raw.as_bytes());
    }

    #[test]
    fn damaged_json_never_panics(
        value in document(), choices in choices(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut raw = spell(&value, choices).into_bytes();
        for (at, byte, how) in damage {
            let at = at.index(raw.len());
            match how {
                0 => raw[at] = byte,
                1 => raw.insert(at, byte),
                _ => drop(raw.remove(at)),
            }
            if raw.is_empty() {
                break;
            }
        }
        check_anything(&raw);
    }
}

/// Significant digits and the place of the point: what a decimal numeral denotes.
fn by_digits(text: &str) -> (String, i64) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_start_matches('0');
    let point = integer.len() as i64 - (digits.len() - significant.len()) as i64 + exponent.parse::<i64>().unwrap();
    let significant = significant.trim_end_matches('0');
    (significant.to_owned(), if significant.is_empty() { 0 } else { point })
}

/// Whatever the bytes: an answer, consistent with that of serde_json and with itself.
fn check_anything(raw: &[u8]) {
    match admit(raw, &Limits::default()) {
        Ok(bytes) => {
            assert_eq!(canonical(bytes.as_bytes()), bytes.as_bytes());
            let value: Value = serde_json::from_slice(raw).unwrap();
            assert_eq!(serde_jcs::to_vec(&value).unwrap(), bytes.as_bytes());
        }
        Err(error) => {
            assert!(error.offset() <= raw.len(), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }
    // Not canonical, so the answers mean nothing; there has to be one.
    let _ = names::first_case_collision(raw);
    let _ = scan::text(raw);
    let _ = scan::members(raw).map(|members| members.take(raw.len() + 2).count());
    let _ = scan::elements(raw).map(|elements| elements.take(raw.len() + 2).count());
    let _ = rfc8785::transform(raw, &Limits::default());
}
