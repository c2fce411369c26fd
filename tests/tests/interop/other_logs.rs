//! A second implementation of transparency logs (`tlog_tiles`, `signed_note`) beside ours: the same roots, proofs that hold in both, and
//! notes of each that the other verifies.

use actionpass_canon::merkle::{leaf_hash, root_of_inclusion};
use actionpass_canon::sha256;
use actionpass_core::sign_head;
use actionpass_crypto::{Algorithm, PublicKey, Signer, SoftwareKey};
use actionpass_model::{Digest, Timestamp, TrustStore, UnixSeconds};
use actionpass_store::conformance::fixtures;
use actionpass_store::ledger::{ChainVerifier, Head, RecordDraft, SealedRecord, TreeHead, seal, verify_jsonl};
use actionpass_verify::{SignedHead, Trust};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, check_record, prove_record, record_hash, stored_hash_index, stored_hashes,
    tree_hash,
};

use crate::fixture::block_on;

/// The hashes that the other implementation keeps of a growing log, by its own numbers for them.
#[derive(Default)]
struct Kept(Vec<Hash>);

impl HashReader for Kept {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let at = |index: &u64| self.0[usize::try_from(*index).unwrap()];
        Ok(indexes.iter().map(at).collect())
    }
}

impl Kept {
    fn push(&mut self, seq: u64, entry: &[u8]) {
        assert_eq!(stored_hash_index(0, seq), self.0.len() as u64);
        let hashes = stored_hashes(seq, entry, self).unwrap();
        self.0.extend(hashes);
    }
}

fn theirs(ours: Digest) -> Hash {
    Hash(*ours.as_bytes())
}

fn ours(theirs: &Hash) -> Digest {
    Digest::from_bytes(theirs.0)
}

/// A ledger of some records.
fn records(drafts: &[RecordDraft]) -> Vec<SealedRecord> {
    let mut head = Head::EMPTY;
    let seal = |draft| {
        let record = seal(&fixtures::log(), &head, draft).unwrap();
        head = record.head();
        record
    };
    drafts.iter().map(seal).collect()
}

/// The tree of each beginning of a ledger, in our implementation.
fn trees(records: &[SealedRecord]) -> Vec<TreeHead> {
    let tree = |size: usize| {
        let lines: Vec<_> = records[..size].iter().map(SealedRecord::json).collect();
        let verified = verify_jsonl(lines.join(&b"\n"[..]).as_slice(), ChainVerifier::new().with_tree());
        verified.unwrap().tree.unwrap()
    };
    (1..=records.len()).map(tree).collect()
}

/// Records of several kinds, so entries of several lengths.
fn ledger() -> impl Strategy<Value = Vec<TreeHead>> {
    let kinds = prop::collection::vec(0..3_u8, 1..20);
    (1..1_000_000_u64, kinds).prop_map(|(first, kinds)| {
        let drafts = (first..).zip(kinds).map(|(number, kind)| match kind {
            0 => fixtures::used(number),
            1 => fixtures::policed(number, number),
            _ => fixtures::revoked(number, number, number),
        });
        trees(&records(&drafts.collect::<Vec<_>>()))
    })
}

/// The SubjectPublicKeyInfo of a key, in DER.
fn spki(key: &PublicKey) -> Vec<u8> {
    let pem = key.to_spki_pem();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(base64).unwrap()
}

/// The key of a seed, and the text of the private key that the other implementation reads.
fn ed25519(seed: [u8; 32], name: &str) -> (SoftwareKey, String) {
    // RFC 8410: what stands in front of the seed in a private key.
    const PREFIX: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ];
    let key = SoftwareKey::from_pkcs8_der(&[&PREFIX[..], &seed].concat()).unwrap();
    let public = typed(&raw(key.public_key()));
    let id = signed_note::key_id(name, &public);
    let private = BASE64_STANDARD.encode(typed(&seed));
    (key, format!("PRIVATE+KEY+{name}+{id:08x}+{private}"))
}

/// The 32 bytes of a key of Ed25519, which end its SubjectPublicKeyInfo.
fn raw(key: &PublicKey) -> Vec<u8> {
    spki(key).split_off(12)
}

fn typed(key: &[u8]) -> Vec<u8> {
    [&[1], key].concat()
}

/// A key of ES256, which the other implementation has no verifier for.
struct Es256(String, PublicKey);

impl Verifier for Es256 {
    fn name(&self) -> &str {
        &self.0
    }

    fn key_id(&self) -> u32 {
        let digest = sha256(&spki(&self.1));
        u32::from_be_bytes(digest.as_bytes()[..4].try_into().unwrap())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::from_public_key_der(&spki(&self.1)).unwrap();
        Signature::from_der(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    }
}

/// Whoever knows this key, in the other implementation.
fn verifiers(key: &PublicKey) -> VerifierList {
    let name = fixtures::log().origin().as_str().to_owned();
    let verifier: Box<dyn Verifier> = match key.algorithm() {
        Algorithm::Ed25519 => {
            let public = typed(&raw(key));
            let id = signed_note::key_id(&name, &public);
            let text = format!("{name}+{id:08x}+{}", BASE64_STANDARD.encode(public));
            Box::new(StandardVerifier::new(&text).unwrap())
        }
        _ => Box::new(Es256(name, key.clone())),
    };
    VerifierList::new(vec![verifier])
}

fn trusting(key: &PublicKey) -> Trust {
    let mut store = TrustStore::new(Timestamp::from_unix_millis(1_700_000_000_000).unwrap());
    store.keys = vec![key.ledger_key_of(fixtures::log().origin())];
    Trust::parse(&serde_json::to_vec(&store).unwrap()).unwrap()
}

fn now() -> UnixSeconds {
    fixtures::at(0)
}

/// The checkpoint of a note that the other implementation believes.
fn believed(note: &str, known: &VerifierList) -> Option<Checkpoint> {
    let note = Note::from_bytes(note.as_bytes()).ok()?;
    note.verify(known).ok()?;
    Checkpoint::from_bytes(note.text()).ok()
}

/// What a log of the other implementation hands out: a tlog-proof of its last record.
fn proof(entry: &[u8], size: u64, kept: &Kept, note: &Note) -> String {
    let hashes = prove_record(size, size - 1, kept).unwrap();
    let hashes: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    let extra = BASE64_STANDARD.encode(entry);
    format!(
        "c2sp.org/tlog-proof@v1\nextra {extra}\nindex {}\n{hashes}\n{note}",
        size - 1
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_and_proofs_are_those_of_the_other(trees in ledger()) {
        let mut kept = Kept::default();
        for head in &trees {
            let (seq, size, entry) = (head.seq(), head.size(), head.entry());
            kept.push(seq, entry);
            let root = tree_hash(size, &kept).unwrap();
            prop_assert_eq!(ours(&root), head.root());
            prop_assert_eq!(ours(&record_hash(entry)), leaf_hash(entry));
            // Ours of the last record, there.
            let last: Vec<Hash> = head.proof().into_iter().map(theirs).collect();
            prop_assert_eq!(&prove_record(size, seq, &kept).unwrap(), &last);
            check_record(&last, size, root, seq, record_hash(entry)).unwrap();
            // Theirs of every record, here; of another record, in neither.
            for (index, before) in trees[..trees.len().min(usize::try_from(size).unwrap())].iter().enumerate() {
                let index = index as u64;
                let proof = prove_record(size, index, &kept).unwrap();
                let hashes: Vec<Digest> = proof.iter().map(ours).collect();
                let led = |entry: &[u8]| root_of_inclusion(index, size, leaf_hash(entry), &hashes);
                prop_assert_eq!(led(before.entry()), Some(head.root()));
                prop_assert!(led(b"another") != Some(head.root()));
                prop_assert!(check_record(&proof, size, root, index, record_hash(b"another")).is_err());
                // With a hash more, or in another place.
                let longer = [&hashes[..], &[head.root()]].concat();
                prop_assert_eq!(root_of_inclusion(index, size, leaf_hash(before.entry()), &longer), None);
                let other = (index + 1) % size;
                if other != index {
                    let here = root_of_inclusion(other, size, leaf_hash(before.entry()), &hashes) == Some(head.root());
                    let there = check_record(&proof, size, root, other, record_hash(before.entry())).is_ok();
                    prop_assert_eq!(here, there);
                }
            }
        }
    }

    #[test]
    fn signed_heads_of_ours_verify_with_the_other(trees in ledger(), seed in any::<[u8; 32]>(), place in any::<prop::sample::Index>()) {
        let head = trees.last().unwrap();
        let keys = [ed25519(seed, "unused").0, SoftwareKey::generate_for(Algorithm::Es256).unwrap()];
        for key in keys {
            let known = verifiers(key.public_key());
            let signed = block_on(sign_head(&key, head)).unwrap();
            let note = signed.note().to_string();
            let checkpoint = believed(&note, &known).unwrap();
            prop_assert_eq!(checkpoint.origin(), head.origin().as_str());
            prop_assert_eq!((checkpoint.size(), ours(checkpoint.hash())), (head.size(), head.root()));
            let hashes: Vec<Hash> = signed.hashes().iter().copied().map(theirs).collect();
            let leaf = record_hash(signed.extra());
            check_record(&hashes, checkpoint.size(), *checkpoint.hash(), signed.index(), leaf).unwrap();

            // Any character that is another is believed by neither.
            let trust = trusting(key.public_key());
            let chars: Vec<char> = note.chars().collect();
            let at = place.index(chars.len());
            let changed: String = chars.iter().enumerate().map(|(place, char)| match place == at {
                true if *char == 'A' => 'B',
                true => 'A',
                false => *char,
            }).collect();
            let whole = signed.to_string().replacen(&note, &changed, 1);
            prop_assert!(SignedHead::verify(whole.as_bytes(), &trust, now()).is_err(), "{changed}");
            prop_assert!(believed(&changed, &known).is_none(), "{changed}");
        }
    }

    #[test]
    fn heads_that_the_other_signed_verify_here(trees in ledger(), seed in any::<[u8; 32]>(), witness in any::<[u8; 32]>()) {
        let head = trees.last().unwrap();
        let origin = head.origin().as_str();
        let mut kept = Kept::default();
        for head in &trees {
            kept.push(head.seq(), head.entry());
        }
        let (key, private) = ed25519(seed, origin);
        let signer = StandardSigner::new(&private).unwrap();
        let root = tree_hash(head.size(), &kept).unwrap();
        let checkpoint = Checkpoint::new(origin, head.size(), root, "").unwrap();
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&signer]).unwrap();
        let trust = trusting(key.public_key());
        let verify = |note: &Note| {
            let text = proof(head.entry(), head.size(), &kept, note);
            SignedHead::verify(text.as_bytes(), &trust, now()).map(|signed| signed.head().clone())
        };
        prop_assert_eq!(&verify(&note).unwrap(), head);
        // A line of somebody whom nobody here knows changes nothing; alone it is not enough.
        let (_, private) = ed25519(witness, "witness.example");
        let cosigner = StandardSigner::new(&private).unwrap();
        note.add_sigs(&[&cosigner]).unwrap();
        prop_assert_eq!(&verify(&note).unwrap(), head);
        let mut alone = Note::new(&checkpoint.to_bytes(), &[]).unwrap();
        alone.add_sigs(&[&cosigner]).unwrap();
        prop_assert_eq!(verify(&alone).unwrap_err().code().as_str().to_owned(), "checkpoint_key_unknown");
        // Of another tree.
        let other = Checkpoint::new(origin, head.size(), Hash([7; 32]), "").unwrap();
        let mut note = Note::new(&other.to_bytes(), &[]).unwrap();
        note.add_sigs(&[&signer]).unwrap();
        prop_assert_eq!(verify(&note).unwrap_err().code().as_str().to_owned(), "signed_head_root_mismatch");
    }
}
