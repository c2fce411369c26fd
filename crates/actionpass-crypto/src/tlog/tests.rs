use actionpass_model::{Digest, Issuer, KeyStatus, Origin, TrustKey};
use proptest::prelude::*;

use super::*;
use crate::fixtures::{note as document, now, sign, trust_key};
use crate::{Algorithm, Keyring, SignCode, Signer, SigningInput, SoftwareKey, Unverified};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Ed25519];

fn origin() -> Origin {
    Origin::parse("issuer.example").unwrap()
}

fn key(algorithm: Algorithm) -> SoftwareKey {
    SoftwareKey::generate_for(algorithm).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(origin(), 12, Digest::from_bytes([7; 32])).unwrap()
}

fn signed(key: &SoftwareKey) -> SignedNote {
    now(sign_checkpoint(key, &checkpoint())).unwrap()
}

fn entry(key: &SoftwareKey) -> TrustKey {
    key.public_key().ledger_key_of(&origin())
}

fn keyring(entries: &[TrustKey]) -> Keyring {
    Keyring::from_keys(entries.to_vec()).unwrap()
}

fn verify(note: &str, entries: &[TrustKey]) -> Result<Checkpoint, CheckpointCode> {
    SignedNote::parse(note)
        .and_then(|note| Checkpoint::verify(&note, &keyring(entries)))
        .map_err(|error| error.code())
}

#[test]
fn what_is_signed_is_three_lines() {
    assert_eq!(
        checkpoint().to_string(),
        "issuer.example\n12\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
    );
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let note = signed(&key);
        let text = note.to_string();
        assert!(
            text.starts_with(&format!("{}\n\u{2014} issuer.example ", checkpoint())),
            "{text}"
        );
        assert_eq!(SignedNote::parse(&text), Ok(note));
        assert_eq!(verify(&text, &[entry(&key)]), Ok(checkpoint()));
    }
}

#[test]
fn only_an_own_key_of_that_use_and_log_verifies() {
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let text = signed(&key).to_string();
        let unknown = |entries: &[TrustKey]| assert_eq!(verify(&text, entries), Err(CheckpointCode::KeyUnknown));
        unknown(&[]);
        unknown(&[trust_key(key.public_key())]);
        unknown(&[key.public_key().ledger_key_of(&Origin::parse("other.example").unwrap())]);
        for other in ALGORITHMS.map(self::key) {
            unknown(&[entry(&other)]);
            // A pass key of the same owner and a ledger key of another.
            unknown(&[entry(&other), trust_key(key.public_key())]);
        }

        let with = |change: &dyn Fn(&mut TrustKey)| {
            let mut entry = entry(&key);
            change(&mut entry);
            verify(&text, &[entry])
        };
        assert_eq!(
            with(&|entry| entry.status = KeyStatus::Revoked),
            Err(CheckpointCode::KeyRevoked)
        );
        // There is no time in a checkpoint.
        let time = actionpass_model::Timestamp::from_unix_millis(0).unwrap();
        assert!(
            with(&|entry| {
                entry.status = KeyStatus::Retired;
                entry.not_after = Some(time);
            })
            .is_ok()
        );
    }
}

/// A checkpoint is no token and a token no checkpoint, whatever the use of the keys is.
#[test]
fn tokens_and_checkpoints_are_never_each_other() {
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let token = sign(&key, &document()).into_string();
        let as_ledger_key = keyring(&[entry(&key)]);
        let refused = Unverified::<crate::fixtures::Note>::parse(&token)
            .unwrap()
            .verify(&as_ledger_key);
        assert_eq!(refused.unwrap_err().code(), "key_use_mismatch");

        // What a custodian is given: a line feed is in no signing input of a token, and three are in each of a checkpoint.
        let input = SigningInput::for_checkpoint(&checkpoint(), key.public_key()).unwrap();
        let feeds = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!((feeds(input.as_bytes()), input.as_bytes().last()), (3, Some(&b'\n')));
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        for token_input in [
            SigningInput::for_document(&document(), key.public_key()).unwrap(),
            SigningInput::probe(&[1; 32], key.public_key()),
        ] {
            assert!(token_input.as_bytes().iter().all(plain));
            // The signature of a token under the text of a checkpoint, and the other way round.
            let signature = key.sign_now(&token_input).unwrap();
            assert!(key.public_key().verify(&input, &signature).is_err());
            let other = key.sign_now(&input).unwrap();
            assert!(key.public_key().verify(&token_input, &other).is_err());
            // The text of a token as the text of a note.
            let text = format!("{}\n", std::str::from_utf8(token_input.as_bytes()).unwrap());
            let line = NoteSignature::new("issuer.example", key.public_key(), &signature).unwrap();
            assert_eq!(
                verify(&SignedNote::new(text, line).to_string(), &[entry(&key)]),
                Err(CheckpointCode::Malformed)
            );
        }
        let with_dots = format!("{}.{}", checkpoint(), "A".repeat(86));
        assert!(Unverified::<crate::fixtures::Note>::parse(&with_dots).is_err());
    }
}

#[test]
fn lines_of_others_are_ignored_and_own_ones_are_not() {
    let (first, second, stranger) = (key(Algorithm::Es256), key(Algorithm::Ed25519), key(Algorithm::Ed25519));
    let trusted = [entry(&first), entry(&second)];
    let line = |key: &SoftwareKey| {
        let text = signed(key).to_string();
        text.rsplit_once("\n\n").unwrap().1.to_owned()
    };
    let note = |lines: &[String]| format!("{}\n{}", checkpoint(), lines.concat());
    let witness = "\u{2014} witness.example AAAAAAAA\n".to_owned();
    for lines in [
        vec![line(&first), line(&second)],
        vec![line(&stranger), line(&first)],
        vec![witness.clone(), line(&second), witness.clone()],
        [vec![witness.clone(); 31], vec![line(&first)]].concat(),
        // The id of a known key under another name.
        vec![
            line(&first).replacen("issuer.example", "witness.example", 1),
            line(&second),
        ],
        vec![line(&first), line(&first)],
    ] {
        assert_eq!(verify(&note(&lines), &trusted), Ok(checkpoint()), "{lines:?}");
    }
    for lines in [vec![witness.clone()], vec![line(&stranger)]] {
        assert_eq!(verify(&note(&lines), &trusted), Err(CheckpointCode::KeyUnknown));
    }
    let many = [vec![witness; 32], vec![line(&first)]].concat();
    assert_eq!(verify(&note(&many), &trusted), Err(CheckpointCode::Malformed));

    // A bad signature by a known key, whatever stands beside it.
    let other = Checkpoint::new(origin(), 13, Digest::from_bytes([7; 32])).unwrap();
    let bad = now(sign_checkpoint(&second, &other)).unwrap().to_string();
    let bad = bad.rsplit_once("\n\n").unwrap().1.to_owned();
    for lines in [
        vec![bad.clone()],
        vec![line(&first), bad.clone()],
        vec![bad, line(&first), line(&second)],
    ] {
        assert_eq!(verify(&note(&lines), &trusted), Err(CheckpointCode::SignatureInvalid));
    }
    // A revoked key beside one that holds.
    let mut revoked = trusted.clone();
    revoked[0].status = KeyStatus::Revoked;
    assert!(verify(&note(&[line(&first), line(&second)]), &revoked).is_ok());
    assert_eq!(
        verify(&note(&[line(&first)]), &revoked),
        Err(CheckpointCode::KeyRevoked)
    );
}

#[test]
fn what_notes_have_no_type_for_is_not_signed() {
    let key = key(Algorithm::Es384);
    let error = now(sign_checkpoint(&key, &checkpoint())).unwrap_err();
    assert_eq!(error.code(), SignCode::CheckpointNotSignable);
    let code = |origin: &str, size: u64| {
        Checkpoint::new(Origin::parse(origin).unwrap(), size, Digest::ZERO)
            .unwrap_err()
            .code()
    };
    assert_eq!(code("issuer.example/a+b", 1), SignCode::CheckpointNotSignable);
    assert_eq!(code("issuer.example", 0), SignCode::CheckpointNotSignable);
    assert_eq!(code("issuer.example", (1 << 53) + 1), SignCode::CheckpointNotSignable);
}

/// A custodian outside of the process that signs with another key than it says, or something else.
#[test]
fn what_a_custodian_returns_is_checked() {
    #[derive(Debug)]
    struct Liar(SoftwareKey, SoftwareKey);
    impl Signer for Liar {
        fn public_key(&self) -> &crate::PublicKey {
            self.0.public_key()
        }
        fn custodian(&self) -> &str {
            "liar"
        }
        fn residence(&self) -> crate::Residence {
            crate::Residence::Outside
        }
        fn sign<'a>(&'a self, _: &'a SigningInput) -> crate::SignFuture<'a> {
            Box::pin(async move {
                let own = SigningInput::for_checkpoint(&checkpoint(), self.1.public_key())?;
                self.1.sign_now(&own)
            })
        }
    }
    for algorithm in ALGORITHMS {
        let liar = Liar(key(algorithm), key(algorithm));
        let error = now(sign_checkpoint(&liar, &checkpoint())).unwrap_err();
        assert_eq!(error.code(), SignCode::SelfCheckFailed);
    }
}

fn proof() -> TlogProof {
    let note = signed(&key(Algorithm::Ed25519));
    TlogProof::new(
        b"{}".to_vec(),
        11,
        vec![Digest::from_bytes([1; 32]), Digest::ZERO],
        note,
    )
}

#[test]
fn a_proof_has_one_spelling() {
    let text = proof().to_string();
    assert!(
        text.starts_with(
            "c2sp.org/tlog-proof@v1\nextra e30=\nindex 11\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\
             AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nissuer.example\n12\n"
        ),
        "{text}"
    );
    assert!(TlogProof::parse(text.as_bytes()).is_ok());
    let refused = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = TlogProof::parse(changed.as_bytes())
            .and_then(|proof| Checkpoint::verify(proof.note(), &Keyring::default()))
            .unwrap_err();
        assert_eq!(error.code(), CheckpointCode::Malformed, "{from} {to}");
    };
    for (from, to) in [
        ("@v1", "@v2"),
        ("extra e30=", "extra e30"),
        ("extra e30=", "extra e31="),
        ("extra ", "extra  "),
        ("extra e30=\n", ""),
        ("index 11", "index 011"),
        ("index 11", "index +11"),
        ("index 11", "index 11 "),
        ("index 11", "index"),
        ("index 11", "index 18446744073709551616"),
        ("AQEB", "AQ=="),
        ("AQE=\n", "AQF=\n"),
        ("AAA=\n\n", "AAA=\n"),
        ("\n12\n", "\n012\n"),
        ("\n12\n", "\n0\n"),
        ("\n12\n", "\n9007199254740993\n"),
        ("\n12\n", "\n12\n\n"),
        ("issuer.example\n", "issuer.example \n"),
        ("issuer.example\n", "issuer+example\n"),
        ("BwcHBwcHBwc=\n", "BwcHBwcHBwc=\nextension\n"),
        ("BwcHBwcHBwc=\n", "BwcHBwcHBwc\n"),
        ("BwcHBwcHBwc=\n", "BwcHBwcHBwd=\n"),
        ("\u{2014} ", "- "),
        ("\u{2014} issuer.example ", "\u{2014} issuer.example  "),
        ("\u{2014} issuer.example ", "\u{2014} issuer.example"),
        ("\u{2014} issuer.example ", "\u{2014}  "),
        ("\u{2014} issuer.example ", "\u{2014} issuer+example "),
        ("\u{2014} issuer.example ", "\u{2014} issuer\u{00a0}example "),
    ] {
        refused(from, to);
    }
    refused("\n", "\r\n");
    for changed in [
        text.replace('\n', "\r\n"),
        format!("{text}\n"),
        format!(" {text}"),
        text.trim_end().to_owned(),
        format!("\u{feff}{text}"),
        String::new(),
        "\n\n".to_owned(),
        "x".repeat(MAX_PROOF_BYTES + 1),
    ] {
        assert!(TlogProof::parse(changed.as_bytes()).is_err(), "{changed}");
    }
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let with = |count: usize| text.replacen(hash, &hash.repeat(count), 1);
    assert!(TlogProof::parse(with(63).as_bytes()).is_ok());
    assert!(TlogProof::parse(with(64).as_bytes()).is_err());
    assert!(TlogProof::parse(&[text.as_bytes(), b"\xff"].concat()).is_err());
}

#[test]
fn a_pass_key_entry_of_the_same_issuer_is_no_ledger_key() {
    let key = key(Algorithm::Es256);
    let issuer = Issuer::parse("https://issuer.example").unwrap();
    let entry = key.public_key().pass_key_of(&issuer);
    assert_eq!(
        verify(&signed(&key).to_string(), &[entry]),
        Err(CheckpointCode::KeyUnknown)
    );
}

proptest! {
    /// Whatever is read is written again to the byte: nothing has two spellings.
    #[test]
    fn what_is_read_is_written_again(cut in any::<prop::sample::Index>(), byte in any::<u8>(), keep in any::<bool>()) {
        let mut bytes = proof().to_string().into_bytes();
        let place = cut.index(bytes.len());
        if keep { bytes[place] = byte } else { bytes.remove(place); }
        if let Ok(read) = TlogProof::parse(&bytes) {
            prop_assert_eq!(read.to_string().into_bytes(), bytes);
        }
    }

    #[test]
    fn der_and_back(bytes in any::<[u8; 32]>(), other in any::<[u8; 32]>(), zeros in 0_usize..32) {
        let mut bytes = bytes;
        bytes[..zeros].fill(0);
        prop_assume!(bytes != [0; 32] && other != [0; 32]);
        let signature = crate::Signature::from_bytes(Algorithm::Es256, &[bytes, other].concat()).unwrap();
        let der = signature.to_der().unwrap();
        prop_assert_eq!(crate::Signature::from_der(Algorithm::Es256, &der), Ok(signature));
    }
}
