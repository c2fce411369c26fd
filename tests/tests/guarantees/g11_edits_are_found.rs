//! G11: an edited, reordered, inserted or removed record is found.

use std::collections::BTreeMap;

use actionpass_canon::sha256;
use actionpass_store::ledger::{ChainVerifier, SealedRecord, verify_jsonl};
use actionpass_testkit::fixtures;
use actionpass_testkit::strategies::documents;
use actionpass_testkit::tokens::{at, leaves};
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{Checked, changed};

/// A verifier of exported lines: whether it takes them.
type Verify<'a> = &'a dyn Fn(&[Vec<u8>]) -> bool;

fn verify(lines: &[Vec<u8>]) -> bool {
    let export: Vec<u8> = lines
        .iter()
        .flat_map(|line| [line.as_slice(), b"\n"].concat())
        .collect();
    verify_jsonl(export.as_slice(), ChainVerifier::new()).is_ok()
}

fn lines(records: &[SealedRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|record| record.json().to_vec()).collect()
}

/// A record with its own hash made to fit, as somebody would who knows how.
fn resealed(record: &Value) -> Vec<u8> {
    let mut members: BTreeMap<String, Value> = serde_json::from_value(record.clone()).unwrap();
    members.remove("ledgerHash");
    let entry = actionpass_canon::canonicalize(&members).unwrap();
    members.insert("ledgerHash".into(), serde_json::json!(sha256(entry.as_bytes())));
    actionpass_canon::canonicalize(&members).unwrap().into_vec()
}

/// Every leaf of every record, edited, with and without a new hash; every record removed, doubled, moved.
fn tampering_is_found(verify: Verify<'_>) -> Checked {
    let records = fixtures::sealed_ledger();
    let whole = lines(&records);
    if !verify(&whole) {
        return Err("a whole ledger is refused".into());
    }
    for (index, record) in records.iter().enumerate() {
        let json: Value = serde_json::from_slice(record.json()).unwrap();
        for path in leaves(&json) {
            let mut edited = json.clone();
            let place = at(&mut edited, &path).unwrap();
            *place = changed(place);
            let plain = edited.to_string().into_bytes();
            let is_last = index + 1 == records.len();
            // A new hash on the last record is a log of its own: only a known head tells it apart (G12).
            let forged = (!is_last && path != ["ledgerHash"]).then(|| resealed(&edited));
            for line in std::iter::once(plain).chain(forged) {
                let mut tampered = whole.clone();
                tampered[index] = line;
                if verify(&tampered) {
                    return Err(format!("record {index}: {path:?} was edited"));
                }
            }
        }
        let mut doubled = whole.clone();
        doubled.insert(index, whole[index].clone());
        let mut moved = whole.clone();
        moved.swap(index, (index + 1) % records.len());
        let mut removed = whole.clone();
        removed.remove(index);
        let is_end = index + 1 == records.len();
        if verify(&doubled) || verify(&moved) || (!is_end && verify(&removed)) {
            return Err(format!("record {index} was doubled, moved or removed"));
        }
    }
    Ok(())
}

#[test]
fn g11_every_leaf_and_every_place() {
    assert_eq!(tampering_is_found(&verify), Ok(()));
}

#[test]
fn g11_the_check_finds_verifiers_that_skip_a_part() {
    let hashes_only = |lines: &[Vec<u8>]| {
        lines
            .iter()
            .all(|line| serde_json::from_slice(line).is_ok_and(|record: Value| resealed(&record) == *line))
    };
    assert!(tampering_is_found(&hashes_only).is_err(), "it never looks at the chain");
    let chain_only = |lines: &[Vec<u8>]| {
        let records: Vec<Value> = lines
            .iter()
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        records.len() == lines.len()
            && records
                .windows(2)
                .all(|pair| pair[0]["ledgerHash"] == pair[1]["previousLedgerHash"])
    };
    assert!(tampering_is_found(&chain_only).is_err(), "it never computes a hash");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn g11_whatever_the_records(records in documents::ledgers(2..6), from: prop::sample::Index, to: prop::sample::Index, byte: prop::sample::Index) {
        let whole = lines(&records);
        prop_assert!(verify(&whole));
        let (from, to) = (from.index(whole.len()), to.index(whole.len()));
        let mut moved = whole.clone();
        let line = moved.remove(from);
        moved.insert(to, line);
        prop_assert_eq!(verify(&moved), from == to);
        let mut edited = whole.clone();
        let place = byte.index(edited[from].len());
        edited[from][place] ^= 0x04;
        prop_assert!(!verify(&edited));
    }
}
