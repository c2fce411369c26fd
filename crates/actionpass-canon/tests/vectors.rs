//! Published vectors: the RFC 8785 author's pairs and number table, and the JSON parsing set.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use actionpass_canon::merkle::root_of_inclusion;
use actionpass_canon::{AdmitCode, Limits, admit, canonicalize, rfc8785};
use actionpass_model::Digest;
use base64ct::{Base64, Encoding};
use serde_json::Value;

/// The folder of published vectors, if there is one. Without it the suite says aloud that it didn't run.
fn vectors_dir() -> Option<PathBuf> {
    let dir = match std::env::var_os("ACTIONPASS_VECTORS") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
    };
    if dir.is_dir() {
        return Some(dir);
    }
    not_run("canon vectors");
    None
}

/// Says that a suite didn't run: on stderr, and in the file that `cargo xtask test` collects.
fn not_run(suite: &str) {
    let line = format!("not run: {suite} (ACTIONPASS_VECTORS absent)\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("ACTIONPASS_NOT_RUN") {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn author_pairs() {
    let Some(dir) = vectors_dir() else { return };
    let mut pairs = 0;
    for entry in std::fs::read_dir(dir.join("jcs/input")).unwrap() {
        let input = entry.unwrap().path();
        let name = input.file_name().unwrap().to_owned();
        let raw = std::fs::read(&input).unwrap();
        let expected = std::fs::read(dir.join("jcs/output").join(&name)).unwrap();
        assert_eq!(
            rfc8785::transform(&raw, &Limits::default()).unwrap(),
            expected,
            "{}",
            name.display()
        );
        let typed: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(canonicalize(&typed).unwrap().as_bytes(), expected, "{}", name.display());
        // Of the six, the gate refuses one, for the first of its numbers.
        match admit(&raw, &Limits::default()) {
            Ok(bytes) => assert_eq!(bytes.as_bytes(), expected, "{}", name.display()),
            Err(error) => {
                assert_eq!(name, "values.json");
                assert_eq!(error.code(), AdmitCode::NumberNotExact);
                assert_eq!(error.accepted_spelling(), Some("333333333.3333333"));
            }
        }
        pairs += 1;
    }
    assert_eq!(pairs, 6);
}

/// What the gate refuses of the documents that every JSON parser must take, and why.
const REFUSED_THOUGH_VALID: [(&str, AdmitCode); 2] = [
    ("y_object_duplicated_key.json", AdmitCode::MemberDuplicate),
    ("y_object_duplicated_key_and_value.json", AdmitCode::MemberDuplicate),
];

/// What becomes of the documents that parsers may take or refuse, or change: a refusal, or these bytes.
const EITHER: [(&str, Result<&str, AdmitCode>); 57] = [
    ("i_number_double_huge_neg_exp.json", Err(AdmitCode::NumberNotExact)),
    ("i_number_huge_exp.json", Err(AdmitCode::NumberOutOfRange)),
    ("i_number_neg_int_huge_exp.json", Err(AdmitCode::NumberOutOfRange)),
    ("i_number_pos_double_huge_exp.json", Err(AdmitCode::NumberOutOfRange)),
    ("i_number_real_neg_overflow.json", Err(AdmitCode::NumberOutOfRange)),
    ("i_number_real_pos_overflow.json", Err(AdmitCode::NumberOutOfRange)),
    ("i_number_real_underflow.json", Err(AdmitCode::NumberNotExact)),
    ("i_number_too_big_neg_int.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("i_number_too_big_pos_int.json", Err(AdmitCode::NumberUnsafeInteger)),
    (
        "i_number_very_big_negative_int.json",
        Err(AdmitCode::NumberUnsafeInteger),
    ),
    ("i_object_key_lone_2nd_surrogate.json", Err(AdmitCode::LoneSurrogate)),
    (
        "i_string_1st_surrogate_but_2nd_missing.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    (
        "i_string_1st_valid_surrogate_2nd_invalid.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("i_string_UTF-16LE_with_BOM.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_UTF-8_invalid_sequence.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_UTF8_surrogate_U+D800.json", Err(AdmitCode::InvalidUtf8)),
    (
        "i_string_incomplete_surrogate_and_escape_valid.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("i_string_incomplete_surrogate_pair.json", Err(AdmitCode::LoneSurrogate)),
    (
        "i_string_incomplete_surrogates_escape_valid.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("i_string_invalid_lonely_surrogate.json", Err(AdmitCode::LoneSurrogate)),
    ("i_string_invalid_surrogate.json", Err(AdmitCode::LoneSurrogate)),
    ("i_string_invalid_utf-8.json", Err(AdmitCode::InvalidUtf8)),
    (
        "i_string_inverted_surrogates_U+1D11E.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("i_string_iso_latin_1.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_lone_second_surrogate.json", Err(AdmitCode::LoneSurrogate)),
    ("i_string_lone_utf8_continuation_byte.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_not_in_unicode_range.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_overlong_sequence_2_bytes.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_overlong_sequence_6_bytes.json", Err(AdmitCode::InvalidUtf8)),
    (
        "i_string_overlong_sequence_6_bytes_null.json",
        Err(AdmitCode::InvalidUtf8),
    ),
    ("i_string_truncated-utf-8.json", Err(AdmitCode::InvalidUtf8)),
    ("i_string_utf16BE_no_BOM.json", Err(AdmitCode::JsonSyntax)),
    ("i_string_utf16LE_no_BOM.json", Err(AdmitCode::JsonSyntax)),
    ("i_structure_500_nested_arrays.json", Err(AdmitCode::DepthExceeded)),
    ("i_structure_UTF-8_BOM_empty_object.json", Err(AdmitCode::ByteOrderMark)),
    ("number_-9223372036854775808.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("number_-9223372036854775809.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("number_1.0.json", Ok("[1]")),
    ("number_1.000000000000000005.json", Err(AdmitCode::NumberNotExact)),
    ("number_1000000000000000.json", Ok("[1000000000000000]")),
    ("number_10000000000000000999.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("number_1e-999.json", Err(AdmitCode::NumberNotExact)),
    ("number_1e6.json", Ok("[1000000]")),
    ("number_9223372036854775807.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("number_9223372036854775808.json", Err(AdmitCode::NumberUnsafeInteger)),
    ("object_key_nfc_nfd.json", Ok("{\"e\u{301}\":\"NFD\",\"é\":\"NFC\"}")),
    ("object_key_nfd_nfc.json", Ok("{\"e\u{301}\":\"NFD\",\"é\":\"NFC\"}")),
    ("object_same_key_different_values.json", Err(AdmitCode::MemberDuplicate)),
    ("object_same_key_same_value.json", Err(AdmitCode::MemberDuplicate)),
    ("object_same_key_unclear_values.json", Err(AdmitCode::MemberDuplicate)),
    ("string_1_escaped_invalid_codepoint.json", Err(AdmitCode::LoneSurrogate)),
    ("string_1_invalid_codepoint.json", Err(AdmitCode::InvalidUtf8)),
    (
        "string_2_escaped_invalid_codepoints.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("string_2_invalid_codepoints.json", Err(AdmitCode::InvalidUtf8)),
    (
        "string_3_escaped_invalid_codepoints.json",
        Err(AdmitCode::LoneSurrogate),
    ),
    ("string_3_invalid_codepoints.json", Err(AdmitCode::InvalidUtf8)),
    ("string_with_escaped_NULL.json", Ok(r#"["A\u0000B"]"#)),
];

#[test]
fn json_parsing_set() {
    let Some(dir) = vectors_dir() else { return };
    let cases = std::fs::read_to_string(dir.join("json-parsing/cases.jsonl")).unwrap();
    let refused_though_valid = BTreeMap::from(REFUSED_THOUGH_VALID);
    let either = BTreeMap::from(EITHER);
    let mut seen = BTreeMap::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |member: &str| case[member].as_str().unwrap();
        let (name, expect) = (text("name"), text("expect"));
        let raw = Base64::decode_vec(text("base64")).unwrap();
        let found = admit(&raw, &Limits::default());
        match expect {
            "accept" => match refused_though_valid.get(name) {
                Some(code) => assert_eq!(found.unwrap_err().code(), *code, "{name}"),
                None => {
                    let value: Value = serde_json::from_slice(&raw).unwrap();
                    assert_eq!(found.unwrap().as_bytes(), serde_jcs::to_vec(&value).unwrap(), "{name}");
                }
            },
            "refuse" => {
                let error = found.unwrap_err();
                assert!(error.offset() <= raw.len(), "{name}: {error}");
            }
            "either" | "transform" => {
                let found = found
                    .map(|bytes| bytes.as_str().to_owned())
                    .map_err(|error| error.code());
                assert_eq!(found.as_deref().map_err(|code| *code), either[name], "{name}");
            }
            other => panic!("what is `{other}`?"),
        }
        *seen.entry(expect.to_owned()).or_insert(0) += 1;
    }
    let expected = [("accept", 95), ("either", 35), ("refuse", 188), ("transform", 22)];
    assert_eq!(seen, expected.map(|(expect, count)| (expect.to_owned(), count)).into());
}

/// RFC 8785, Appendix B: doubles by their bits, and their text.
const NUMBERS: [(u64, Option<&str>); 27] = [
    (0x0000_0000_0000_0000, Some("0")),
    (0x8000_0000_0000_0000, Some("0")),
    (0x0000_0000_0000_0001, Some("5e-324")),
    (0x8000_0000_0000_0001, Some("-5e-324")),
    (0x7fef_ffff_ffff_ffff, Some("1.7976931348623157e+308")),
    (0xffef_ffff_ffff_ffff, Some("-1.7976931348623157e+308")),
    (0x4340_0000_0000_0000, Some("9007199254740992")),
    (0xc340_0000_0000_0000, Some("-9007199254740992")),
    (0x4430_0000_0000_0000, Some("295147905179352830000")),
    (0x7fff_ffff_ffff_ffff, None),
    (0x7ff0_0000_0000_0000, None),
    (0x44b5_2d02_c7e1_4af5, Some("9.999999999999997e+22")),
    (0x44b5_2d02_c7e1_4af6, Some("1e+23")),
    (0x44b5_2d02_c7e1_4af7, Some("1.0000000000000001e+23")),
    (0x444b_1ae4_d6e2_ef4e, Some("999999999999999700000")),
    (0x444b_1ae4_d6e2_ef4f, Some("999999999999999900000")),
    (0x444b_1ae4_d6e2_ef50, Some("1e+21")),
    (0x3eb0_c6f7_a0b5_ed8c, Some("9.999999999999997e-7")),
    (0x3eb0_c6f7_a0b5_ed8d, Some("0.000001")),
    (0x41b3_de43_5555_5553, Some("333333333.3333332")),
    (0x41b3_de43_5555_5554, Some("333333333.33333325")),
    (0x41b3_de43_5555_5555, Some("333333333.3333333")),
    (0x41b3_de43_5555_5556, Some("333333333.3333334")),
    (0x41b3_de43_5555_5557, Some("333333333.33333343")),
    (0xbecb_f647_612f_3696, Some("-0.0000033333333333333333")),
    (0x4314_3ff3_c1cb_0959, Some("1424953923781206.2")),
    (0xfff0_0000_0000_0000, None),
];

#[test]
fn number_table() {
    for (bits, expected) in NUMBERS {
        let value = f64::from_bits(bits);
        assert_eq!(rfc8785::number(value).as_deref(), expected, "{bits:016x}");
        let Some(expected) = expected else {
            assert_eq!(
                canonicalize(&value).unwrap_err().code(),
                "number_out_of_range",
                "{bits:016x}"
            );
            continue;
        };
        assert_eq!(
            rfc8785::transform(expected.as_bytes(), &Limits::default()).unwrap(),
            expected.as_bytes()
        );
        // The gate and the canonicalizer for what is signed refuse the integers among them that aren't safe.
        let integer = expected
            .trim_start_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if integer && value != 0.0 {
            assert_eq!(
                canonicalize(&value).unwrap_err().code(),
                "number_unsafe_integer",
                "{expected}"
            );
            let error = admit(expected.as_bytes(), &Limits::default()).unwrap_err();
            assert_eq!(error.code(), AdmitCode::NumberUnsafeInteger, "{expected}");
        } else {
            assert_eq!(canonicalize(&value).unwrap().as_bytes(), expected.as_bytes());
            assert_eq!(
                admit(expected.as_bytes(), &Limits::default()).unwrap().as_bytes(),
                expected.as_bytes()
            );
        }
    }
}

fn merkle_cases(file: &str) -> Vec<Value> {
    let Some(dir) = vectors_dir() else { return Vec::new() };
    let text = std::fs::read_to_string(dir.join("merkle").join(file)).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 98, "{file}");
    cases
}

/// A hash of a case; `None` if it isn't 32 bytes, which no caller can hand over.
fn merkle_hash(value: &Value) -> Option<Digest> {
    let bytes = Base64::decode_vec(value.as_str().unwrap()).unwrap();
    bytes.try_into().ok().map(Digest::from_bytes)
}

/// The proofs of transparency-dev/merkle: each holds or doesn't, as they say.
#[test]
fn merkle_inclusion_proofs() {
    for case in merkle_cases("inclusion.jsonl") {
        let holds = (|| {
            let proof = case["proof"].as_array().map_or(&[][..], Vec::as_slice);
            let proof = proof.iter().map(merkle_hash).collect::<Option<Vec<_>>>()?;
            let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
            let root = root_of_inclusion(index, size, merkle_hash(&case["leafHash"])?, &proof)?;
            Some(root == merkle_hash(&case["root"])?)
        })();
        assert_eq!(holds == Some(true), case["wantErr"] == false, "{}", case["case"]);
    }
}
