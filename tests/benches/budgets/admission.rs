//! From raw bytes to a digest: the gate against serde_json, serde_jcs and SHA-256.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use actionpass_canon::{Limits, admit, sha256};
use actionpass_model::Digest;
use serde_json::Value;

use crate::Effort;
use crate::bout::{Bout, Id, Outcome};
use crate::fixture::Fixture;
use crate::row::{Budget, Row, against};

/// Inputs that share a budget.
struct Class {
    what: &'static str,
    budget: Budget,
    inputs: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) fn rows(fixture: &Fixture, effort: Effort) -> Vec<Row> {
    let (mixed, list) = (effort.of(5_000_000, 50_000), effort.of(1_000_000, 20_000));
    let classes = classes(mixed, list);
    let limits = Limits::default().with_max_bytes(64 << 20).with_max_members(10_000_000);
    let mut rows = Vec::new();
    for class in &classes {
        let mut bout = Bout::new(effort.of(15, 3), Duration::from_millis(4), effort, &fixture.control);
        let pairs: Vec<(&str, Id, Id)> = class
            .inputs
            .iter()
            .map(|(name, raw)| {
                assert_eq!(gate(raw, &limits), serde(raw), "{name}");
                let ours = bout.add(|| {
                    black_box(gate(black_box(raw), &limits));
                });
                let theirs = bout.add(|| {
                    black_box(serde(black_box(raw)));
                });
                (*name, ours, theirs)
            })
            .collect();
        rows.push(row(class, &pairs, &bout.run()));
    }
    rows
}

/// The row of a class is that of its slowest input.
fn row(class: &Class, pairs: &[(&str, Id, Id)], outcome: &Outcome) -> Row {
    let ratio = |pair: &(&str, Id, Id)| outcome.ratio(pair.2, pair.1);
    let slowest = pairs.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b))).unwrap();
    let figure = against(outcome.time(slowest.1), outcome.time(slowest.2));
    let row = Row::new(class.what, figure, ratio(slowest), class.budget, outcome);
    if pairs.len() == 1 {
        return row;
    }
    let each: Vec<_> = pairs
        .iter()
        .map(|pair| format!("{} {:.1} ×", pair.0, ratio(pair)))
        .collect();
    row.beside(format!("the slowest of: {}", each.join(", ")))
}

fn gate(raw: &[u8], limits: &Limits) -> Digest {
    admit(raw, limits).unwrap().digest()
}

/// What anybody would write: parse, canonicalize, hash.
fn serde(raw: &[u8]) -> Digest {
    let value: Value = serde_json::from_slice(raw).unwrap();
    sha256(&serde_jcs::to_vec(&value).unwrap())
}

fn classes(mixed_bytes: usize, list_bytes: usize) -> Vec<Class> {
    let mixed: Value = serde_json::from_str(&mixed(mixed_bytes)).unwrap();
    let list = |element: fn(&mut String, usize)| list(list_bytes, element).into_bytes();
    let object = |name: fn(&mut String, usize)| object(list_bytes, name).into_bytes();
    vec![
        Class {
            what: "gate, canonical bytes and SHA-256, 400 B payload, against serde_json, serde_jcs and SHA-256",
            budget: Budget::AtLeast(5.0),
            inputs: vec![("400 B", payload(400))],
        },
        Class {
            what: "the same, 5 MB of mixed objects, compact",
            budget: Budget::AtLeast(10.0),
            inputs: vec![("compact", serde_json::to_vec(&mixed).unwrap())],
        },
        Class {
            what: "the same, 5 MB of mixed objects, pretty-printed",
            budget: Budget::AtLeast(7.0),
            inputs: vec![("pretty", serde_json::to_vec_pretty(&mixed).unwrap())],
        },
        Class {
            what: "the same, long strings",
            budget: Budget::AtLeast(2.0),
            inputs: vec![
                (
                    "plain",
                    list(|text, at| write!(text, "\"{}{at}\"", "lorem ipsum ".repeat(800)).unwrap()),
                ),
                (
                    "escapes",
                    list(|text, at| write!(text, "\"{}{at}\"", r#"a \"quoted\" line;\n"#.repeat(400)).unwrap()),
                ),
                (
                    "Cyrillic",
                    list(|text, at| write!(text, "\"{}{at}\"", "съешь ещё ".repeat(800)).unwrap()),
                ),
            ],
        },
        Class {
            what: "the same, every other shape: never slower",
            budget: Budget::AtLeast(1.0),
            inputs: vec![
                (
                    "escaped Cyrillic",
                    list(|text, _| write!(text, "\"{}\"", r"\u0441\u044a".repeat(8)).unwrap()),
                ),
                (
                    "integers",
                    list(|text, at| write!(text, "{}", at * 7_919 % 1_000_003).unwrap()),
                ),
                (
                    "decimals",
                    list(|text, at| write!(text, "{}.{}", at % 977, at % 89 + 1).unwrap()),
                ),
                (
                    "doubles of 16 and 17 digits",
                    list(|text, at| write!(text, "{}", (at as f64).sqrt().sin()).unwrap()),
                ),
                (
                    "tiny objects",
                    list(|text, at| write!(text, r#"{{"a":{at},"b":true}}"#).unwrap()),
                ),
                (
                    "tiny objects, reversed",
                    list(|text, at| write!(text, r#"{{"b":{at},"a":true}}"#).unwrap()),
                ),
                (
                    "one object, reversed",
                    object(|text, at| write!(text, "member-{:08}", 90_000_000 - at).unwrap()),
                ),
                (
                    "one object, shuffled",
                    object(|text, at| write!(text, "{:08x}", shuffled(at)).unwrap()),
                ),
                (
                    "Unicode names",
                    object(|text, at| write!(text, "имя😂{:08}", 90_000_000 - at).unwrap()),
                ),
                (
                    "escaped names",
                    object(|text, at| write!(text, r"\n\u0441\t{:08}", 90_000_000 - at).unwrap()),
                ),
                ("60 deep", deep(list_bytes)),
            ],
        },
    ]
}

/// A tool call's payload of about `bytes` bytes.
fn payload(bytes: usize) -> Vec<u8> {
    let start = r#"{"owner":"company","repo":"web-app","title":"Fix the login redirect","head":"agent/axt-418","base":"main","draft":false,"labels":["bug","agent"],"files":[{"path":"src/login.rs","additions":12,"deletions":3}],"body":"The redirect kept the old query string.\n"#;
    let words = "This drops it. ".chars().cycle().take(bytes - start.len() - 2);
    format!("{start}{}\"}}", words.collect::<String>()).into_bytes()
}

/// An array of objects as APIs return them, members in the order of whoever wrote the API.
fn mixed(bytes: usize) -> String {
    list(bytes, |text, at| {
        write!(
            text,
            r#"{{"id":{at},"name":"user {at}","email":"user{at}@example.com","active":{},"score":{}.{},"tags":["alpha","beta","gamma"],"address":{{"street":"{at} Main Street","city":"Zürich","geo":{{"lat":47.{},"lng":8.{}}}}},"created":"2026-11-23T01:02:03.000Z","note":"said \"yes\"\nand left","parent":null}}"#,
            at % 3 == 0,
            at % 1000,
            at % 97 + 1,
            at % 9_000 + 1,
            at % 7_000 + 1,
        )
        .unwrap();
    })
}

fn shuffled(at: usize) -> u32 {
    (at as u32).wrapping_mul(2_654_435_761)
}

fn list(bytes: usize, element: impl Fn(&mut String, usize)) -> String {
    filled('[', bytes, ']', element)
}

fn object(bytes: usize, name: impl Fn(&mut String, usize)) -> String {
    filled('{', bytes, '}', |text, at| {
        text.push('"');
        name(text, at);
        write!(text, "\":{at}").unwrap();
    })
}

fn filled(open: char, bytes: usize, close: char, element: impl Fn(&mut String, usize)) -> String {
    let mut text = String::from(open);
    let mut at = 0;
    while text.len() < bytes {
        if at > 0 {
            text.push(',');
        }
        element(&mut text, at);
        at += 1;
    }
    text.push(close);
    text
}

/// Objects within objects, each out of order, with everything in the innermost.
fn deep(bytes: usize) -> Vec<u8> {
    let inner = object(bytes, |text, at| write!(text, "{:08}", 90_000_000 - at).unwrap());
    format!("{}{inner}{}", r#"{"z":0,"a":"#.repeat(59), "}".repeat(59)).into_bytes()
}
