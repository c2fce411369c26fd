//! A ledger of version 1, as it was written once and must be read and written for ever.

use actionpass_model::Decision;
use actionpass_store::conformance::{block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, verify_jsonl};
use actionpass_store::{DecisionStore, Ledger, LedgerExt, MemoryDecisionStore};

const LEDGER: &[u8] = include_bytes!("golden/ledger.v1.jsonl");
const HEAD: &str = "7:sha256:1bae985116591df96df4eb1610ce4aeacddd7361bfb9176e5cd419d1b61ea910";

/// G17: a ledger that a former release wrote verifies.
#[test]
fn g17_the_ledger_of_version_1_verifies() {
    let verifier = ChainVerifier::new()
        .with_log(fixtures::log())
        .with_known_head(HEAD.parse().unwrap());
    let verified = verify_jsonl(LEDGER, verifier).unwrap();
    assert_eq!(verified.head.known().unwrap().to_string(), HEAD);
}

/// G17: the same records are sealed to the same bytes.
#[test]
fn g17_the_ledger_of_version_1_is_written_alike() {
    let store = MemoryDecisionStore::new(fixtures::log());
    let approvals = vec![fixtures::approval("user:ann@example.com", 1)];
    for commit in [
        fixtures::decision(1, Decision::StepUp, Vec::new()),
        fixtures::decision(1, Decision::Allow, approvals),
        fixtures::decision(2, Decision::Deny, Vec::new()),
    ] {
        let _ = block_on(store.commit(commit)).unwrap();
    }
    for draft in [
        fixtures::used(3),
        fixtures::revoked(4, 1, 2),
        fixtures::trusted(5, fixtures::trust(3)),
        fixtures::policed(6, 1).with_trace(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                .parse()
                .unwrap(),
        ),
        fixtures::erased(7, vec![1]),
    ] {
        let _ = block_on(store.append_one(draft)).unwrap();
    }
    let records = block_on(store.read(0, 100)).unwrap();
    let written: Vec<u8> = records
        .iter()
        .flat_map(|record| [record.json.as_slice(), b"\n"].concat())
        .collect();
    assert_eq!(
        String::from_utf8(written).unwrap(),
        std::str::from_utf8(LEDGER).unwrap()
    );
}
