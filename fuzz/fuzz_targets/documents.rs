//! Documents and exports: no input panics, and an admitted action hashes alike however often it is read.
#![no_main]

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_model::{AssertedApproval, Document, Record, Revocation, TrustStore};
use actionpass_store::ledger::{ChainVerifier, verify_jsonl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    if let Ok(action) = BoundAction::admit(raw, &limits) {
        let again = BoundAction::admit(action.document().as_bytes(), &limits).expect("its canonical bytes are an action");
        assert_eq!((again.action_hash(), again.payload_hash()), (action.action_hash(), action.payload_hash()));
    }
    let _ = BoundFacts::admit(raw, &limits);
    let _ = TrustStore::from_json(raw);
    let _ = Revocation::from_json(raw);
    let _ = Record::from_json(raw);
    let _ = AssertedApproval::from_json(raw);
    let _ = verify_jsonl(raw, ChainVerifier::default());
});
