//! `docs/spec/admission.md`, row by row, and inputs that are meant to exhaust.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use actionpass_canon::{AdmitCode, Limits, admit, canonicalize, rfc8785};
use serde::{Serialize, Serializer};

const SPEC: &str = include_str!("../../../docs/spec/admission.md");

/// The cells of every row of the table whose head starts with `head`.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let rows = SPEC
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn code(cell: &str) -> &str {
    cell.strip_prefix('`')
        .and_then(|cell| cell.strip_suffix('`'))
        .unwrap_or_else(|| panic!("`{cell}` is not code"))
}

/// The bytes that an example stands for.
fn bytes(example: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = example;
    while let Some((plain, after)) = rest.split_once('<') {
        let (notation, after) = after.split_once('>').unwrap();
        let (byte, count) = notation.split_once('*').unwrap_or((notation, "1"));
        bytes.extend_from_slice(plain.as_bytes());
        bytes.extend(std::iter::repeat_n(
            u8::from_str_radix(byte, 16).unwrap(),
            count.parse().unwrap(),
        ));
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[test]
fn every_refusal_of_the_table() {
    let mut seen = BTreeSet::new();
    for row in table("| code | example |") {
        let [name, example, offset, limit, why] = row[..] else {
            panic!("{row:?}")
        };
        let limits = match limit.split_once(' ') {
            None => Limits::default(),
            Some(("`max_bytes`", value)) => Limits::default().with_max_bytes(value.parse().unwrap()),
            Some(("`max_depth`", value)) => Limits::default().with_max_depth(value.parse().unwrap()),
            Some(("`max_members`", value)) => Limits::default().with_max_members(value.parse().unwrap()),
            Some(_) => panic!("{limit}"),
        };
        let error = admit(&bytes(code(example)), &limits).unwrap_err();
        assert_eq!(
            (error.code().as_str(), error.offset()),
            (code(name), offset.parse().unwrap()),
            "{example}"
        );
        let named = why.split_once("write ").map(|(_, spelling)| code(spelling));
        assert_eq!(error.accepted_spelling(), named, "{example}");
        if let Some(spelling) = named {
            assert!(error.to_string().ends_with(&format!("write `{spelling}`")), "{error}");
            assert_eq!(admit(spelling.as_bytes(), &limits).unwrap().as_str(), spelling);
        }
        seen.insert(error.code());
    }
    assert_eq!(
        seen,
        BTreeSet::from_iter(AdmitCode::ALL.iter().copied()),
        "every code has an example"
    );
}

#[test]
fn every_number_of_the_table() {
    let rows = table("| written | canonical |");
    assert!(rows.len() > 10);
    for row in rows {
        let (written, canonical) = (code(row[0]), code(row[1]));
        assert_eq!(
            admit(written.as_bytes(), &Limits::default()).unwrap().as_str(),
            canonical,
            "{written}"
        );
        let listed = format!("[{written}]");
        assert_eq!(
            admit(listed.as_bytes(), &Limits::default()).unwrap().as_str(),
            format!("[{canonical}]")
        );
    }
}

#[test]
fn the_limits_of_the_table_are_the_defaults() {
    let limits = Limits::default();
    let defaults: Vec<usize> = table("| limit | default |")
        .iter()
        .map(|row| row[1].replace(',', "").parse().unwrap())
        .collect();
    assert_eq!(defaults, [limits.max_bytes(), limits.max_depth(), limits.max_members()]);
}

#[test]
fn limits_admit_what_is_just_within() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(admit(nested(64).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(
        admit(nested(65).as_bytes(), &Limits::default()).unwrap_err().code(),
        AdmitCode::DepthExceeded
    );
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|at| format!("\"{at:06}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(admit(members(65_536).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(
        admit(members(65_537).as_bytes(), &Limits::default())
            .unwrap_err()
            .code(),
        AdmitCode::MembersExceeded
    );
    let text = |len: usize| format!("\"{}\"", "a".repeat(len - 2));
    assert!(admit(text(1 << 20).as_bytes(), &Limits::default()).is_ok());
    assert_eq!(
        admit(text((1 << 20) + 1).as_bytes(), &Limits::default())
            .unwrap_err()
            .code(),
        AdmitCode::SizeExceeded
    );
    assert_eq!(
        Limits::default().with_max_bytes(usize::MAX).max_bytes(),
        Limits::MAX_BYTES_CEILING
    );
}

#[test]
fn typed_values_have_the_same_limit_of_depth() {
    /// Arrays, this many within each other.
    struct Nested(usize);
    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((1..self.0).take(1).map(|_| Nested(self.0 - 1)))
        }
    }
    assert_eq!(
        canonicalize(&Nested(64)).unwrap().as_str(),
        "[".repeat(64) + &"]".repeat(64)
    );
    assert_eq!(canonicalize(&Nested(65)).unwrap_err().code(), "depth_exceeded");
    assert_eq!(canonicalize(&Nested(usize::MAX)).unwrap_err().code(), "depth_exceeded");
}

/// Inputs built to cost much more than their length: each gets its answer at once.
#[test]
fn exhausting_inputs_end_at_once() {
    let long = Limits::default()
        .with_max_bytes(64 << 20)
        .with_max_depth(usize::MAX)
        .with_max_members(usize::MAX);
    let short = Limits::default();
    let million = 1_000_000;
    let cases = [
        ("[".repeat(100_000), short, Some(AdmitCode::DepthExceeded)),
        (r#"{"a":"#.repeat(100_000), short, Some(AdmitCode::DepthExceeded)),
        ("[".repeat(million), long, Some(AdmitCode::JsonTruncated)),
        ("[".repeat(million) + &"]".repeat(million), long, None),
        ("9".repeat(million), short, Some(AdmitCode::NumberUnsafeInteger)),
        (
            format!("0.{}", "9".repeat(million)),
            short,
            Some(AdmitCode::NumberNotExact),
        ),
        (format!("1{}e-{million}", "0".repeat(million)), short, None),
        (format!("0.{}1e{}", "0".repeat(million), million + 1), short, None),
        (format!("0e{}", "9".repeat(million)), short, None),
        (
            format!("1e{}", "9".repeat(million)),
            short,
            Some(AdmitCode::NumberOutOfRange),
        ),
        (
            format!("1e-{}", "9".repeat(million)),
            short,
            Some(AdmitCode::NumberNotExact),
        ),
        (format!("1e{}5", "0".repeat(million)), short, None),
        (" ".repeat(million), short, Some(AdmitCode::JsonTruncated)),
        ("\\".repeat(million), short, Some(AdmitCode::JsonSyntax)),
        (
            format!("\"{}", "\\\\".repeat(million / 2)),
            short,
            Some(AdmitCode::JsonTruncated),
        ),
        (
            format!("[{}0]", "1e15,".repeat(200_000)),
            short,
            Some(AdmitCode::SizeExceeded),
        ),
        (
            r#"{"b":0,"a":"#.repeat(60_000) + "0" + &"}".repeat(60_000),
            short.with_max_bytes(8 << 20),
            Some(AdmitCode::DepthExceeded),
        ),
    ];
    for (text, limits, expected) in cases {
        let start = Instant::now();
        let found = admit(text.as_bytes(), &limits).err().map(|error| error.code());
        let took = start.elapsed();
        let shown = &text[..text.len().min(20)];
        assert_eq!(found, expected, "{shown}…");
        assert!(took < Duration::from_secs(10), "{shown}… took {took:?}");
        let _ = rfc8785::transform(text.as_bytes(), &limits);
    }
}

/// Names that share a long beginning, and names that all have to be decoded, sort in the time of a sort.
#[test]
fn adversarial_names_sort_in_time() {
    for name in [
        "same-long-beginning-of-every-name-".repeat(4),
        "\\n".repeat(60),
        "\u{1f602}".repeat(30),
        "\\u0061".repeat(20),
    ] {
        let members: Vec<_> = (0..8_000)
            .map(|at| format!("\"{name}{:05}\":0", (at * 7_919) % 8_000))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        let start = Instant::now();
        let bytes = admit(text.as_bytes(), &Limits::default().with_max_bytes(8 << 20)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bytes.as_bytes(), serde_jcs::to_vec(&value).unwrap());
    }
}

/// Of several faults, the first in reading order.
#[test]
fn the_first_fault_is_named() {
    for (raw, code, offset) in [
        (b"[\"\xff\",\"\\x\"]".as_slice(), AdmitCode::InvalidUtf8, 2),
        (b"[\"\\x\",\"\xff\"]", AdmitCode::InvalidEscape, 2),
        (b"[\"\xff\\x\"]", AdmitCode::InvalidUtf8, 2),
        (b"[\"\\x\xff\"]", AdmitCode::InvalidEscape, 2),
        (b"[\"\xff\n\"]", AdmitCode::InvalidUtf8, 2),
        (b"[\"\xff", AdmitCode::InvalidUtf8, 2),
        (b"[\"\xe2\x82", AdmitCode::InvalidUtf8, 2),
        (b"[\"\xe2\x82\"]", AdmitCode::InvalidUtf8, 2),
        (b"[\xff]", AdmitCode::InvalidUtf8, 1),
        (b"[1e400,1e20]", AdmitCode::NumberOutOfRange, 1),
        (b"{\"a\":0,\"a\":1e400}", AdmitCode::MemberDuplicate, 7),
        (b"tru", AdmitCode::JsonTruncated, 3),
        (b"trux", AdmitCode::JsonSyntax, 3),
        (b"[1 2]", AdmitCode::JsonSyntax, 3),
        (b"{\"a\" 1}", AdmitCode::JsonSyntax, 5),
        (b"-", AdmitCode::JsonTruncated, 1),
        (b"1.5e", AdmitCode::JsonTruncated, 4),
        (b"\"\\", AdmitCode::JsonTruncated, 2),
        (b"{\"\\ud83d\\u0061\":0}", AdmitCode::LoneSurrogate, 2),
        (
            b"{\"\\u0024serde_json::private::RawValue\":0}",
            AdmitCode::MemberNameReserved,
            1,
        ),
        (
            b"{\"z\":0,\"$serde_json::private::\":0}",
            AdmitCode::MemberNameReserved,
            7,
        ),
    ] {
        let error = admit(raw, &Limits::default()).unwrap_err();
        assert_eq!((error.code(), error.offset()), (code, offset), "{}", raw.escape_ascii());
    }
    assert!(admit(br#"{"$serde_json::private:":0}"#, &Limits::default()).is_ok());
}
