//! From raw bytes to a digest: the gate against serde_json, serde_jcs and the same SHA-256.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench fails by panicking"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use actionpass_canon::{Limits, admit, canonicalize, names, scan, sha256};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// What anybody would write: parse, canonicalize, hash.
fn serde(raw: &[u8]) -> [u8; 32] {
    let value: serde_json::Value = serde_json::from_slice(raw).unwrap();
    *sha256(&serde_jcs::to_vec(&value).unwrap()).as_bytes()
}

fn gate(raw: &[u8], limits: &Limits) -> [u8; 32] {
    *admit(raw, limits).unwrap().digest().as_bytes()
}

fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let mixed: serde_json::Value = serde_json::from_str(&mixed(5_000_000)).unwrap();
    let mixed_compact = serde_json::to_vec(&mixed).unwrap();
    let mixed_pretty = serde_json::to_vec_pretty(&mixed).unwrap();
    vec![
        ("payload 400 B", payload(400)),
        ("payload 600 B", payload(600)),
        ("mixed 5 MB as written", self::mixed(5_000_000).into_bytes()),
        ("mixed 5 MB compact", mixed_compact),
        ("mixed 5 MB pretty", mixed_pretty),
        (
            "long strings 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "\"{}{at}\"", "lorem ipsum ".repeat(800)).unwrap()
            }),
        ),
        (
            "one string 1 MB",
            list(1_000_000, |text, _| {
                write!(text, "\"{}\"", "lorem ipsum ".repeat(83_333)).unwrap()
            }),
        ),
        (
            "strings of 600 B 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "\"{}{at}\"", "lorem ipsum ".repeat(50)).unwrap()
            }),
        ),
        (
            "long strings, a diff 1 MB",
            list(1_000_000, |text, at| {
                let line = r"+    let remaining = limits.max_members() - members.len(); // of this object\n";
                write!(text, "\"{}{at}\"", line.repeat(200)).unwrap();
            }),
        ),
        (
            "long strings with escapes 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "\"{}{at}\"", r#"line of \"source\" text;\n"#.repeat(400)).unwrap()
            }),
        ),
        (
            "long strings, Cyrillic 1 MB",
            list(1_000_000, |text, _| {
                write!(text, "\"{}\"", "съешь ещё ".repeat(800)).unwrap()
            }),
        ),
        (
            "escaped Cyrillic 1 MB",
            list(1_000_000, |text, _| {
                write!(text, "\"{}\"", r"\u0441\u044a".repeat(8)).unwrap()
            }),
        ),
        (
            "integers 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "{}", at * 7_919 % 1_000_003).unwrap()
            }),
        ),
        (
            "decimals 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "{}.{}", at % 977, at % 89 + 1).unwrap()
            }),
        ),
        (
            "doubles, 16 and 17 digits 1 MB",
            list(1_000_000, |text, at| {
                write!(text, "{}", (at as f64).sqrt().sin()).unwrap()
            }),
        ),
        (
            "tiny objects 1 MB",
            list(1_000_000, |text, at| write!(text, r#"{{"a":{at},"b":true}}"#).unwrap()),
        ),
        (
            "tiny objects, reversed 1 MB",
            list(1_000_000, |text, at| write!(text, r#"{{"b":{at},"a":true}}"#).unwrap()),
        ),
        (
            "one object, reversed 1 MB",
            object(1_000_000, |text, at| {
                write!(text, "member-{:08}", 90_000_000 - at).unwrap()
            }),
        ),
        (
            "one object, shuffled 1 MB",
            object(1_000_000, |text, at| {
                write!(text, "{:08x}", (at as u32).wrapping_mul(2_654_435_761)).unwrap()
            }),
        ),
        (
            "one object, Unicode names 1 MB",
            object(1_000_000, |text, at| {
                write!(text, "имя😂{:08}", 90_000_000 - at).unwrap()
            }),
        ),
        (
            "one object, escaped names 1 MB",
            object(1_000_000, |text, at| {
                write!(text, r"\n\u0441\t{:08}", 90_000_000 - at).unwrap()
            }),
        ),
        ("objects 60 deep, reversed 1 MB", deep(1_000_000)),
    ]
}

/// A tool call's payload, pull request or chat message, of about `len` bytes.
fn payload(len: usize) -> Vec<u8> {
    let mut text = String::from(
        r#"{"owner":"company","repo":"web-app","title":"Fix the login redirect","head":"agent/axt-418","base":"main","draft":false,"labels":["bug","agent"],"files":[{"path":"src/login.rs","additions":12,"deletions":3}],"body":"The redirect kept the old query string.\nThis drops it, as \"RFC 9110\" says."#,
    );
    while text.len() + 2 < len {
        text.push_str(" More.");
    }
    text.push_str("\"}");
    text.into_bytes()
}

/// An array of objects as APIs return them, members in the order of whoever wrote the API.
fn mixed(len: usize) -> String {
    list_text(len, |text, at| {
        write!(
            text,
            r#"{{"id":{at},"name":"user {at}","email":"user{at}@example.com","active":{},"score":{}.{},"tags":["alpha","beta","gamma"],"address":{{"street":"{at} Main Street","city":"Zürich","zip":"80{}","geo":{{"lat":47.{},"lng":8.{}}}}},"created":"2026-11-23T01:02:03.000Z","note":"said \"yes\"\nand left","parent":null}}"#,
            at % 3 == 0,
            at % 1000,
            at % 97 + 1,
            at % 90 + 10,
            at % 9_000 + 1,
            at % 7_000 + 1,
        )
        .unwrap();
    })
}

fn list(len: usize, element: impl Fn(&mut String, usize)) -> Vec<u8> {
    list_text(len, element).into_bytes()
}

fn list_text(len: usize, element: impl Fn(&mut String, usize)) -> String {
    let mut text = String::from("[");
    for at in 0.. {
        element(&mut text, at);
        if text.len() >= len {
            break;
        }
        text.push(',');
    }
    text.push(']');
    text
}

fn object(len: usize, name: impl Fn(&mut String, usize)) -> Vec<u8> {
    let mut text = String::from("{");
    for at in 0.. {
        text.push('"');
        name(&mut text, at);
        write!(text, "\":{at}").unwrap();
        if text.len() >= len {
            break;
        }
        text.push(',');
    }
    text.push('}');
    text.into_bytes()
}

/// Objects within objects, each out of order, with everything in the innermost.
fn deep(len: usize) -> Vec<u8> {
    let inner = String::from_utf8(object(len, |text, at| write!(text, "{:08}", 90_000_000 - at).unwrap())).unwrap();
    format!("{}{inner}{}", r#"{"z":0,"a":"#.repeat(59), "}".repeat(59)).into_bytes()
}

fn compare(criterion: &mut Criterion) {
    let limits = Limits::default().with_max_bytes(64 << 20).with_max_members(10_000_000);
    let mut group = criterion.benchmark_group("raw bytes to digest");
    for (name, raw) in inputs() {
        assert_eq!(gate(&raw, &limits), serde(&raw), "{name}");
        group.throughput(Throughput::Bytes(raw.len() as u64));
        group.sample_size(if raw.len() > 100_000 { 10 } else { 100 });
        group.bench_with_input(BenchmarkId::new("gate", name), &raw, |b, raw| {
            b.iter(|| gate(black_box(raw), &limits))
        });
        group.bench_with_input(BenchmarkId::new("serde", name), &raw, |b, raw| {
            b.iter(|| serde(black_box(raw)))
        });
    }
}

fn parts(criterion: &mut Criterion) {
    let canonical = admit(&payload(600), &Limits::default()).unwrap();
    let mut group = criterion.benchmark_group("canonical bytes, 600 B");
    group.bench_function("sha256", |b| b.iter(|| sha256(black_box(canonical.as_bytes()))));
    let typed: serde_json::Value = serde_json::from_slice(canonical.as_bytes()).unwrap();
    group.bench_function("canonicalize", |b| b.iter(|| canonicalize(black_box(&typed)).unwrap()));
    group.bench_function("serde_jcs", |b| {
        b.iter(|| serde_jcs::to_vec(black_box(&typed)).unwrap())
    });
    group.bench_function("last member", |b| {
        b.iter(|| scan::member(black_box(canonical.as_bytes()), "title"))
    });
    group.bench_function("case collisions", |b| {
        b.iter(|| names::first_case_collision(black_box(canonical.as_bytes())))
    });
}

criterion_group!(benches, compare, parts);
criterion_main!(benches);
