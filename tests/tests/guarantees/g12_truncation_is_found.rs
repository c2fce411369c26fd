//! G12: truncation or rollback past a known head is found.

use actionpass_store::ledger::{ChainVerifier, KnownHead};
use actionpass_testkit::{Testbed, fixtures};

use crate::common::{Checked, demo_with_id};

/// A verifier of records that knows a head: the code of what is wrong.
type Verify<'a> = &'a dyn Fn(&[Vec<u8>], KnownHead) -> Option<&'static str>;

fn verify(records: &[Vec<u8>], head: KnownHead) -> Option<&'static str> {
    let mut verifier = ChainVerifier::new().with_known_head(head);
    let pushed = records.iter().try_for_each(|record| verifier.push(record).map(|_| ()));
    pushed
        .and_then(|()| verifier.finish())
        .err()
        .map(|error| error.code().as_str())
}

/// The records of an issuer that allowed so many actions, and its head after each.
fn issued(actions: usize, name: &str) -> (Vec<Vec<u8>>, Vec<KnownHead>) {
    let bed = Testbed::new();
    let heads = (0..actions).map(|number| {
        bed.authorize(&demo_with_id(&format!("{name}_{number}")))
            .unwrap()
            .record
            .head()
    });
    let heads = heads.collect();
    (
        bed.records().unwrap().into_iter().map(|record| record.json).collect(),
        heads,
    )
}

fn known_heads_hold(verify: Verify<'_>) -> Checked {
    let (records, heads) = issued(4, "act");
    for (seq, head) in heads.iter().enumerate() {
        for size in 0..=records.len() {
            let found = verify(&records[..size], *head);
            let expected = (size <= seq).then_some("ledger_truncated");
            if found != expected {
                return Err(format!("{size} records, head of {seq}: {found:?}"));
            }
        }
    }
    // A log written anew, from its first record on.
    let (others, _) = issued(4, "other");
    let found = verify(&others, heads[2]);
    if found == Some("ledger_forked") {
        Ok(())
    } else {
        Err(format!("rewritten: {found:?}"))
    }
}

#[test]
fn g12_a_known_head_finds_what_is_missing_or_rewritten() {
    assert_eq!(known_heads_hold(&verify), Ok(()));
}

#[test]
fn g12_the_check_finds_verifiers_that_ignore_part_of_the_head() {
    let ignores_it = |records: &[Vec<u8>], _| {
        verify(records, KnownHead::new(0, fixtures::action().payload_hash())).filter(|_| false)
    };
    assert!(known_heads_hold(&ignores_it).is_err());
    let counts_only = |records: &[Vec<u8>], head: KnownHead| {
        let missing = usize::try_from(head.seq()).is_ok_and(|seq| records.len() <= seq);
        missing.then_some("ledger_truncated")
    };
    assert!(known_heads_hold(&counts_only).is_err());
}
