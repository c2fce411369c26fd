//! Input of people who mean harm, or of nobody.

use proptest::prelude::*;

use super::documents;
use crate::fixtures;

/// Any bytes at all, pieces of JSON in any order, and documents with bytes changed, cut, doubled or put elsewhere.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..256),
        json_like(),
        mangled(documents::actions().prop_map(|action| serde_json::to_vec(&action).expect("an action can be written"))),
        mangled(
            documents::trust_stores()
                .prop_map(|trust| serde_json::to_vec(&trust).expect("a trust store can be written"))
        ),
        mangled(
            documents::revocations().prop_map(|entry| serde_json::to_vec(&entry).expect("a revocation can be written"))
        ),
        mangled(Just(fixtures::PASS_WITH_APPROVAL.as_bytes().to_vec())),
        nested(),
    ]
}

/// The same as text.
pub fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        bytes().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        tokens()
    ]
}

/// Something with dots in it that is nearly a token.
pub fn tokens() -> impl Strategy<Value = String> {
    let real = [fixtures::PASS, fixtures::PASS_WITH_APPROVAL, fixtures::APPROVAL];
    let parts: Vec<String> = real
        .iter()
        .flat_map(|token| token.split('.'))
        .map(str::to_owned)
        .collect();
    let part = prop_oneof![
        3 => prop::sample::select(parts),
        1 => "[A-Za-z0-9_=. -]{0,80}",
        1 => json_like().prop_map(|json| crate::tokens::base64url(&json)),
    ];
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.join("."))
}

/// Pieces of JSON in any order.
pub fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"schema\"",
        "\"actionpass.action.v1\"",
        "\\u",
        "\\ud800",
        "\\",
        "0",
        "-",
        "1e400",
        "1e-400",
        "9007199254740993",
        "0e99999999999",
        "null",
        "true",
        " ",
        "\n",
        "\u{FEFF}",
        "\u{0}",
        "\u{202E}",
        "$serde_json::private::Number",
    ]);
    prop::collection::vec(pieces, 0..48).prop_map(|pieces| pieces.concat().into_bytes())
}

/// These bytes, changed, cut, doubled or put elsewhere in a few places.
pub fn mangled(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        any::<u8>(),
        0..5_u8,
    );
    (bytes, prop::collection::vec(change, 1..4)).prop_map(|(mut bytes, changes)| {
        for (from, to, byte, what) in changes {
            if bytes.is_empty() {
                break;
            }
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let (from, to) = (from.min(to), from.max(to));
            match what {
                0 => bytes.insert(from, byte),
                1 => drop(bytes.drain(from..to)),
                2 => bytes.truncate(to),
                3 => bytes.extend_from_within(from..to),
                _ => bytes.swap(from, to),
            }
        }
        bytes
    })
}

/// Something nested far deeper than any document.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(vec!["[", "{\"a\":", "[[{\"\":"]), 1_usize..4000)
        .prop_map(|(open, depth)| open.repeat(depth).into_bytes())
}
