//! The signer against an imitation of KMS that takes digests as KMS does, and has its faults.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actionpass_aws_kms::AwsKms;
use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{SignCode, SignError, Signer, sign_document};
use actionpass_custody::conformance::{self, every_wait_ends, report};
use actionpass_custody::{Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secret, Timeouts};
use actionpass_model::{ApprovalClaims, SignedDocument};
use actionpass_servers::fake::{Answer, Fake, Question};
use base64ct::{Base64, Encoding};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "arn:aws:kms:eu-west-1:123456789012:key/0000abcd-12ab-34cd-56ef-1234567890ab";

/// What one call to sign is answered with: the signature's DER, or something else altogether.
type Reply = Box<dyn Fn(Vec<u8>) -> Answer + Send + Sync>;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

/// KMS with one key. `reply` gets a signature of the digest that was sent.
fn imitation(reply: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static) -> Fake {
    imitation_of(key(1), key(1), Box::new(reply))
}

fn imitation_of(shown: SigningKey, used: SigningKey, reply: Reply) -> Fake {
    let spki = shown.verifying_key().to_public_key_der().unwrap();
    let described = json!({
        "KeyId": ARN, "PublicKey": Base64::encode_string(spki.as_bytes()), "KeySpec": "ECC_NIST_P256",
        "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": ["ECDSA_SHA_256"]
    });
    Fake::start(move |question| match question.header("x-amz-target") {
        Some("TrentService.GetPublicKey") => Answer::Body(200, described.to_string()),
        Some("TrentService.Sign") => reply(sign_digest(&used, question)),
        _ => Answer::Body(400, r#"{"__type":"UnsupportedOperationException"}"#.to_owned()),
    })
}

fn sign_digest(key: &SigningKey, question: &Question) -> Vec<u8> {
    let body: Value = serde_json::from_str(&question.body).unwrap();
    assert_eq!(body["KeyId"], ARN);
    assert_eq!(body["SigningAlgorithm"], "ECDSA_SHA_256");
    assert_eq!(body["MessageType"], "DIGEST");
    let digest = Base64::decode_vec(body["Message"].as_str().unwrap()).unwrap();
    assert_eq!(digest.len(), 32);
    let signature: Signature = key.sign_prehash(&digest).unwrap();
    signature.to_der().as_bytes().to_vec()
}

fn signed(der: &[u8]) -> Answer {
    signed_by(ARN, "ECDSA_SHA_256", der)
}

fn signed_by(arn: &str, algorithm: &str, der: &[u8]) -> Answer {
    let body = json!({ "KeyId": arn, "Signature": Base64::encode_string(der), "SigningAlgorithm": algorithm });
    Answer::Body(200, body.to_string())
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::Body(
        status,
        json!({ "__type": code, "message": "said\nthe server" }).to_string(),
    )
}

fn kms(fake: &Fake) -> AwsKms {
    AwsKms::new()
        .with_endpoint(&fake.address())
        .with_region("eu-west-1")
        .with_access_key("AKIDTEST", Secret::new("HIDDENSECRET".into()))
        .with_timeouts(
            Timeouts::new()
                .with_signing(Duration::from_secs(2))
                .with_opening(Duration::from_secs(3)),
        )
}

fn open(fake: &Fake) -> Result<OpenKey, CustodianError> {
    kms(fake).open(&KeyUri::parse("awskms:alias/pass").unwrap(), &NoSecrets)
}

fn sign(signer: &dyn Signer) -> Result<(), SignError> {
    let outcome = conformance::sign(signer).map(drop);
    if let Err(error) = &outcome {
        let source = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            !report(error).contains("HIDDEN") && !source.contains('\n'),
            "{}",
            report(error)
        );
    }
    outcome
}

fn outcome_of(reply: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static) -> Result<(), SignCode> {
    let fake = imitation(reply);
    sign(&open(&fake).unwrap().signer).map_err(|error| error.code())
}

fn document() -> ApprovalClaims {
    document_with(json!({ "mode": "human" }))
}

/// Of more than 4096 bytes.
fn long_document() -> ApprovalClaims {
    let rules: Vec<_> = (0..60)
        .map(|number| format!("{}.{number}", "rule".repeat(12)))
        .collect();
    let digest = format!("sha256:{}", "0".repeat(64));
    document_with(json!({ "mode": "policy_override", "policyDigest": digest, "rules": rules }))
}

fn document_with(mode: Value) -> ApprovalClaims {
    let hash = format!("sha256:{}", "0".repeat(64));
    let mut claims = json!({
        "iss": "user:owner@example.com", "sub": "agent:codex-prod", "aud": "https://issuer.example",
        "iat": 1795000000, "exp": 1795000900, "jti": "apr_01920000000070008000000000000001",
        "approval": {
            "v": 1, "reason": "reviewed", "tenant": "org:example", "actionHash": hash, "payloadHash": hash
        }
    });
    let Value::Object(mode) = mode else {
        panic!("it is an object");
    };
    claims["approval"].as_object_mut().unwrap().extend(mode);
    ApprovalClaims::from_claims(claims.to_string().as_bytes()).unwrap()
}

actionpass_crypto::signer_conformance!(digests, || {
    static SERVER: std::sync::OnceLock<Fake> = std::sync::OnceLock::new();
    open(SERVER.get_or_init(|| imitation(|der| signed(&der))))
        .unwrap()
        .signer
});

/// KMS signs Ed25519 over whole messages only.
fn imitation_of_ed25519() -> Fake {
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let prefix = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
    let spki = [&prefix[..], key.verifying_key().as_bytes()].concat();
    let described = json!({
        "KeyId": ARN, "PublicKey": Base64::encode_string(&spki), "KeySpec": "ECC_NIST_EDWARDS25519",
        "KeyUsage": "SIGN_VERIFY"
    });
    Fake::start(move |question| {
        let body: Value = serde_json::from_str(&question.body).unwrap();
        if question.header("x-amz-target") == Some("TrentService.GetPublicKey") {
            return Answer::Body(200, described.to_string());
        }
        assert_eq!(
            (&body["SigningAlgorithm"], &body["MessageType"]),
            (&json!("ED25519_SHA_512"), &json!("RAW"))
        );
        let message = Base64::decode_vec(body["Message"].as_str().unwrap()).unwrap();
        let signature = ed25519_dalek::Signer::sign(&key, &message);
        signed_by(ARN, "ED25519_SHA_512", &signature.to_bytes())
    })
}

actionpass_crypto::signer_conformance!(ed25519, || {
    static SERVER: std::sync::OnceLock<Fake> = std::sync::OnceLock::new();
    open(SERVER.get_or_init(imitation_of_ed25519)).unwrap().signer
});

#[test]
fn what_is_too_long_to_be_sent_raw_is_not_sent() {
    let long = long_document;
    let fake = imitation_of_ed25519();
    let signer = open(&fake).unwrap().signer;
    block_on(sign_document(&signer, &document())).unwrap();
    let asked = fake.asked().len();
    let error = block_on(sign_document(&signer, &long())).unwrap_err();
    assert_eq!(error.code(), SignCode::Refused);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("4096"));
    assert_eq!(fake.asked().len(), asked);

    let fake = imitation(|der| signed(&der));
    block_on(sign_document(&open(&fake).unwrap().signer, &long())).unwrap();
    let asked = fake.asked().len();
    let raw = kms(&fake)
        .with_raw_messages()
        .open(&KeyUri::parse("awskms:alias/pass").unwrap(), &NoSecrets);
    let error = block_on(sign_document(&raw.unwrap().signer, &long())).unwrap_err();
    assert_eq!(error.code(), SignCode::Refused);
    // Opening asked once more.
    assert_eq!(fake.asked().len(), asked + 1);
}

#[test]
fn documents_are_signed() {
    let fake = imitation(|der| signed(&der));
    let key = open(&fake).unwrap();
    assert_eq!(key.uri.as_str(), format!("awskms:{ARN}"));
    block_on(sign_document(&key.signer, &document())).unwrap();
}

#[test]
fn a_signature_of_another_key_never_becomes_a_token() {
    let fake = imitation_of(key(1), key(2), Box::new(|der| signed(&der)));
    let signer = open(&fake).unwrap().signer;
    let error = block_on(sign_document(&signer, &document())).unwrap_err();
    assert_eq!(error.code(), SignCode::SelfCheckFailed);
}

#[test]
fn throttling_is_waited_for_and_not_for_ever() {
    let calls = AtomicUsize::new(0);
    let outcome = outcome_of(move |der| match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => refusal(400, "ThrottlingException"),
        _ => signed(&der),
    });
    assert_eq!(outcome, Ok(()));

    let fake = imitation(|_| refusal(400, "ThrottlingException"));
    let signer = open(&fake).unwrap().signer;
    let start = Instant::now();
    assert_eq!(sign(&signer).unwrap_err().code(), SignCode::Unavailable);
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    let attempts = fake
        .asked()
        .iter()
        .filter(|question| question.body.contains("DIGEST"))
        .count();
    assert_eq!(attempts, 3);
}

#[test]
fn codes_say_whether_it_may_work_later() {
    for (status, name, code) in [
        (400, "DisabledException", SignCode::Refused),
        (400, "KMSInvalidStateException", SignCode::Refused),
        (400, "InvalidKeyUsageException", SignCode::Refused),
        (400, "AccessDeniedException", SignCode::Refused),
        (400, "UnrecognizedClientException", SignCode::Refused),
        (400, "ExpiredTokenException", SignCode::Refused),
        (400, "NotFoundException", SignCode::Refused),
        (400, "SomethingNewException", SignCode::Refused),
        (500, "KeyUnavailableException", SignCode::Unavailable),
        (500, "KMSInternalException", SignCode::Unavailable),
        (503, "DependencyTimeoutException", SignCode::Unavailable),
        (503, "SomethingNewException", SignCode::Unavailable),
    ] {
        assert_eq!(outcome_of(move |_| refusal(status, name)), Err(code), "{name}");
    }
    for (name, code) in [
        ("NotFoundException", "custodian_key_missing"),
        ("DisabledException", "custodian_refused"),
        ("AccessDeniedException", "custodian_refused"),
        ("UnsupportedOperationException", "custodian_refused"),
        ("ThrottlingException", "custodian_unavailable"),
    ] {
        let fake = Fake::start(move |_| refusal(400, name));
        assert_eq!(open(&fake).unwrap_err().code(), code, "{name}");
    }
}

#[test]
fn whoever_does_not_answer_is_left_in_time() {
    for answer in [Answer::Silence(Duration::from_secs(20)), Answer::Drip] {
        let said = answer.clone();
        let fake = imitation(move |_| said.clone());
        let signer = open(&fake).unwrap().signer;
        let start = Instant::now();
        assert_eq!(sign(&signer).unwrap_err().code(), SignCode::Unavailable);
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());

        let fake = Fake::start(move |_| answer.clone());
        let limit = Duration::from_secs(1);
        let hasty = kms(&fake).with_timeouts(Timeouts::new().with_opening(limit));
        every_wait_ends(hasty, &KeyUri::parse("awskms:alias/pass").unwrap(), None, limit);
    }
}

#[test]
fn a_server_that_was_away_is_found_again() {
    let is_away = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let away = std::sync::Arc::clone(&is_away);
    let fake = imitation(move |der| match away.load(Ordering::SeqCst) {
        true => Answer::Raw(Vec::new()),
        false => signed(&der),
    });
    let signer = open(&fake).unwrap().signer;
    sign(&signer).unwrap();
    is_away.store(true, Ordering::SeqCst);
    assert_eq!(sign(&signer).unwrap_err().code(), SignCode::Unavailable);
    is_away.store(false, Ordering::SeqCst);
    for _ in 0..4 {
        sign(&signer).unwrap();
    }
}

#[test]
fn only_exact_signatures_of_this_key_are_taken() {
    let cases: Vec<fn(Vec<u8>) -> Answer> = vec![
        |_| signed(&[]),
        |_| signed(b"garbage"),
        |_| signed(&[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01]),
        |_| signed(&[1; 64]),
        |der| signed(&der[..der.len() - 1]),
        |der| signed(&[&der[..], &[0]].concat()),
        |der| signed_by(OTHER, "ECDSA_SHA_256", &der),
        |der| signed_by("1234abcd-12ab-34cd-56ef-1234567890ab", "ECDSA_SHA_256", &der),
        |der| signed_by(ARN, "ECDSA_SHA_384", &der),
        |der| signed_by(ARN, "", &der),
        |_| {
            Answer::Body(
                200,
                json!({ "KeyId": ARN, "SigningAlgorithm": "ECDSA_SHA_256" }).to_string(),
            )
        },
        |_| Answer::Body(200, "{}".to_owned()),
    ];
    for (number, case) in cases.into_iter().enumerate() {
        assert_eq!(outcome_of(case), Err(SignCode::SelfCheckFailed), "{number}");
    }
    for text in ["", "<html>", "[", "{\"Signature\":7}"] {
        let outcome = outcome_of(move |_| Answer::Body(200, text.to_owned()));
        assert!(outcome.is_err(), "{text}");
    }
}

#[test]
fn descriptions_that_are_not_of_a_key_are_refused() {
    let spki = Base64::encode_string(key(1).verifying_key().to_public_key_der().unwrap().as_bytes());
    let described = json!({ "KeyId": ARN, "PublicKey": spki, "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    for (member, value, code) in [
        ("KeyId", json!("1234abcd"), "custodian_unavailable"),
        (
            "KeyId",
            json!("arn:aws:kms:eu-west-1:123456789012:alias/pass"),
            "custodian_unavailable",
        ),
        ("KeySpec", json!("ECC_NIST_P384"), "key_unsupported"),
        ("KeySpec", json!("ECC_SECG_P256K1"), "key_unsupported"),
        ("KeySpec", json!("RSA_2048"), "key_unsupported"),
        ("KeyUsage", json!("KEY_AGREEMENT"), "key_unsupported"),
        ("PublicKey", json!(""), "key_unsupported"),
        ("PublicKey", json!(&spki[..80]), "key_malformed"),
    ] {
        let mut body = described.clone();
        body[member] = value.clone();
        let fake = Fake::start(move |_| Answer::Body(200, body.to_string()));
        assert_eq!(open(&fake).unwrap_err().code(), code, "{member} {value}");
    }
    // Asked for one key, told about another.
    let fake = Fake::start(move |_| Answer::Body(200, described.to_string()));
    let outcome = kms(&fake).open(&KeyUri::parse(&format!("awskms:{OTHER}")).unwrap(), &NoSecrets);
    assert_eq!(outcome.unwrap_err().code(), "custodian_unavailable");
}

#[test]
fn a_key_that_was_made_and_not_named_is_told() {
    let spki = Base64::encode_string(key(1).verifying_key().to_public_key_der().unwrap().as_bytes());
    let made = Mutex::new(0);
    let fake = Fake::start(move |question| match question.header("x-amz-target") {
        Some("TrentService.GetPublicKey") if question.body.contains("alias") => refusal(400, "NotFoundException"),
        Some("TrentService.GetPublicKey") => Answer::Body(200, spki.clone()),
        Some("TrentService.CreateKey") => {
            *made.lock().unwrap() += 1;
            let body: Value = serde_json::from_str(&question.body).unwrap();
            assert_eq!(
                (&body["KeySpec"], &body["KeyUsage"]),
                (&json!("ECC_NIST_P256"), &json!("SIGN_VERIFY"))
            );
            Answer::Body(
                200,
                json!({ "KeyMetadata": { "KeyId": "1234", "Arn": ARN } }).to_string(),
            )
        }
        _ => refusal(400, "AccessDeniedException"),
    });
    let uri = KeyUri::parse("awskms:alias/pass").unwrap();
    let error = kms(&fake)
        .generate(&uri, actionpass_crypto::Algorithm::Es256, &NoSecrets)
        .unwrap_err();
    assert_eq!(error.code(), "custodian_refused");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains(ARN));
    // A failure on the way is no reason to make another.
    let fake = Fake::start(|question| match question.header("x-amz-target") {
        Some("TrentService.GetPublicKey") => refusal(400, "NotFoundException"),
        _ => Answer::Raw(Vec::new()),
    });
    let error = kms(&fake)
        .generate(&uri, actionpass_crypto::Algorithm::Es256, &NoSecrets)
        .unwrap_err();
    assert_eq!(error.code(), "custodian_unavailable");
    let made = fake
        .asked()
        .iter()
        .filter(|question| question.header("x-amz-target") == Some("TrentService.CreateKey"))
        .count();
    assert_eq!(made, 1);
}
