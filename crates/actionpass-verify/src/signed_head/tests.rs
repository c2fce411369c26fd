use actionpass_crypto::tlog::sign_checkpoint;
use actionpass_crypto::{Algorithm, Signer, SoftwareKey};
use actionpass_model::{Digest, Origin, Timestamp, TrustKey, TrustStore};
use actionpass_store::conformance::fixtures;
use actionpass_store::ledger::{ChainVerifier, Head, Log, SealedRecord, seal, verify_jsonl};
use pollster::block_on;
use proptest::prelude::*;

use super::*;

fn now() -> UnixSeconds {
    fixtures::at(0)
}

fn records(log: &Log, count: u64) -> Vec<SealedRecord> {
    let mut head = Head::EMPTY;
    let seal = |number| {
        let record = seal(log, &head, &fixtures::used(number)).unwrap();
        head = record.head();
        record
    };
    (1..=count).map(seal).collect()
}

fn tree_of(records: &[SealedRecord]) -> TreeHead {
    let lines: Vec<_> = records.iter().map(SealedRecord::json).collect();
    let verified = verify_jsonl(lines.join(&b"\n"[..]).as_slice(), ChainVerifier::new().with_tree());
    verified.unwrap().tree.unwrap()
}

/// What a log writes that is run well, or one that isn't: the parts are as they are stated.
fn proof_of(key: &SoftwareKey, origin: &Origin, size: u64, root: Digest, head: &TreeHead) -> TlogProof {
    let checkpoint = Checkpoint::new(origin.clone(), size, root).unwrap();
    let note = block_on(sign_checkpoint(key, &checkpoint)).unwrap();
    TlogProof::new(head.entry().to_vec(), head.seq(), head.proof(), note)
}

fn signed(key: &SoftwareKey, head: &TreeHead) -> TlogProof {
    proof_of(key, head.origin(), head.size(), head.root(), head)
}

fn trust(entries: Vec<TrustKey>, change: impl FnOnce(&mut TrustStore)) -> Trust {
    let mut store = TrustStore::new(Timestamp::from_unix_millis(1_700_000_000_000).unwrap());
    store.keys = entries;
    change(&mut store);
    Trust::parse(&serde_json::to_vec(&store).unwrap()).unwrap()
}

fn trusting(key: &SoftwareKey) -> Trust {
    trust(vec![key.public_key().ledger_key_of(fixtures::log().origin())], |_| {})
}

fn code(proof: &TlogProof, trust: &Trust) -> String {
    let refused = SignedHead::verify(proof.to_string().as_bytes(), trust, now()).unwrap_err();
    refused.code().as_str().to_owned()
}

#[test]
fn a_signed_head_is_everything_that_a_verification_begins_with() {
    let records = records(&fixtures::log(), 11);
    for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
        let key = SoftwareKey::generate_for(algorithm).unwrap();
        for size in 1..=records.len() {
            let head = tree_of(&records[..size]);
            let text = signed(&key, &head).to_string();
            let verified = SignedHead::verify(text.as_bytes(), &trusting(&key), now()).unwrap();
            assert_eq!(verified.head(), &head);
            assert_eq!(verified.proof().to_string(), text);

            let rest: Vec<_> = records[size..].iter().map(SealedRecord::json).collect();
            let behind = ChainVerifier::behind_tree(verified.head());
            let end = verify_jsonl(rest.join(&b"\n"[..]).as_slice(), behind).unwrap();
            assert_eq!(end.tree, Some(tree_of(&records)));
        }
    }
}

#[test]
fn whoever_signs_it_has_a_ledger_key_of_that_log() {
    let head = tree_of(&records(&fixtures::log(), 3));
    let key = SoftwareKey::generate().unwrap();
    let proof = signed(&key, &head);
    let public = key.public_key();
    // The key of the passes of that very issuer.
    let pass_key = trust(vec![public.pass_key_of(fixtures::log().issuer())], |_| {});
    assert_eq!(code(&proof, &pass_key), "checkpoint_key_unknown");
    let of_other_log = public.ledger_key_of(&Origin::parse("other.example").unwrap());
    assert_eq!(
        code(&proof, &trust(vec![of_other_log], |_| {})),
        "checkpoint_key_unknown"
    );
    let expired = trust(vec![public.ledger_key_of(head.origin())], |store| {
        store.expires_at = Some(Timestamp::from_unix_millis(1_700_000_000_001).unwrap());
    });
    assert_eq!(code(&proof, &expired), "trust_expired");
    let revoked = trust(vec![public.ledger_key_of(head.origin())], |store| {
        store.keys[0].status = actionpass_model::KeyStatus::Revoked;
    });
    assert_eq!(code(&proof, &revoked), "checkpoint_key_revoked");
}

/// What a log may sign that isn't run well: each part has to go with the others.
#[test]
fn the_parts_of_a_signed_head_go_together() {
    let all = records(&fixtures::log(), 6);
    let (head, shorter) = (tree_of(&all[..5]), tree_of(&all[..4]));
    let key = SoftwareKey::generate().unwrap();
    let trust = trusting(&key);
    let code = |origin: &Origin, size, root, parts: &TreeHead| code(&proof_of(&key, origin, size, root, parts), &trust);
    let origin = head.origin();
    let mismatch = "signed_head_root_mismatch";
    assert_eq!(code(origin, 5, shorter.root(), &head), mismatch);
    assert_eq!(code(origin, 6, head.root(), &head), mismatch);
    assert_eq!(code(origin, 4, head.root(), &head), mismatch);
    assert_eq!(code(origin, 5, head.root(), &shorter), mismatch);

    let other = Log::new(
        Origin::parse("other.example").unwrap(),
        fixtures::log().issuer().clone(),
    );
    let foreign = tree_of(&records(&other, 5));
    assert_eq!(code(origin, 5, foreign.root(), &foreign), "signed_head_record_mismatch");

    // An entry and a number that don't go together.
    let good = signed(&key, &head);
    let with = |extra: &[u8], index, hashes: &[Digest]| {
        let proof = TlogProof::new(extra.to_vec(), index, hashes.to_vec(), good.note().clone());
        self::code(&proof, &trust)
    };
    assert_eq!(with(shorter.entry(), 4, &head.proof()), "signed_head_record_mismatch");
    assert_eq!(with(b"{}", 4, &head.proof()), "signed_head_record_mismatch");
    assert_eq!(with(head.entry(), 3, &head.proof()), mismatch);
    assert_eq!(with(head.entry(), 4, &[]), "signed_head_record_mismatch");
    assert_eq!(with(head.entry(), 4, &[Digest::ZERO]), mismatch);
    // The whole record, which holds its own hash.
    assert_eq!(with(all[4].json(), 4, &head.proof()), "signed_head_record_mismatch");
}

#[test]
fn each_line_counts() {
    let head = tree_of(&records(&fixtures::log(), 7));
    let key = SoftwareKey::generate_for(Algorithm::Ed25519).unwrap();
    let trust = trusting(&key);
    let text = signed(&key, &head).to_string();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // Name, entry, number, two hashes, empty line, origin, size, root, empty line, signature.
    assert_eq!(lines.len(), 11);
    let verify = |lines: &[&str]| SignedHead::verify(lines.concat().as_bytes(), &trust, now());
    assert!(verify(&lines).is_ok());
    for place in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(place);
        assert!(verify(&without).is_err(), "without line {place}");
        let mut doubled = lines.clone();
        doubled.insert(place, lines[place]);
        // The same signature twice says the same.
        assert_eq!(verify(&doubled).is_ok(), place == 10, "line {place} twice");
        for other in 0..lines.len() {
            let mut moved = lines.clone();
            moved.swap(place, other);
            assert_eq!(
                verify(&moved).is_ok(),
                lines[place] == lines[other],
                "{place} and {other}"
            );
        }
        let mut longer = lines.clone();
        let line = format!("{}x\n", lines[place].trim_end_matches('\n'));
        longer[place] = &line;
        assert!(verify(&longer).is_err(), "line {place} with a character more");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any byte that is another one, is missing or is there besides.
    #[test]
    fn no_byte_can_be_another(
        place in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3, count in 1_u64..9,
    ) {
        let head = tree_of(&records(&fixtures::log(), count));
        let key = SoftwareKey::generate_for(Algorithm::Ed25519).unwrap();
        let good = signed(&key, &head).to_string().into_bytes();
        let mut bytes = good.clone();
        let place = place.index(bytes.len());
        match how {
            0 => bytes[place] = byte,
            1 => { bytes.remove(place); }
            _ => bytes.insert(place, byte),
        }
        let verified = SignedHead::verify(&bytes, &trusting(&key), now());
        prop_assert_eq!(verified.is_ok(), bytes == good);
    }
}
