//! The signer against servers that are slow, wrong or hostile.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{Algorithm, SignCode, Signer, SigningInput, SoftwareKey};
use actionpass_custody::conformance::every_wait_ends;
use actionpass_custody::{Custodian, CustodianError, KeyUri, NoSecrets, OpenKey, Secret, Timeouts};
use actionpass_servers::fake::{Answer, Fake, Question};
use actionpass_vault::Vault;
use serde_json::json;

const TOKEN: &str = "hvs.HIDDENTOKEN";
const OPENING: Duration = Duration::from_millis(800);

fn vault(address: &str) -> Vault {
    Vault::new()
        .with_address(address)
        .with_token(Secret::new(TOKEN.into()))
        .with_namespace("")
        .with_timeouts(
            Timeouts::new()
                .with_signing(Duration::from_millis(500))
                .with_opening(OPENING),
        )
}

fn open(address: &str) -> Result<OpenKey, CustodianError> {
    vault(address).open(&KeyUri::parse("vault:transit/pass").unwrap(), &NoSecrets)
}

/// What the engine says about a key of two versions.
fn description(key: &SoftwareKey) -> String {
    let entry = json!({ "public_key": key.public_key().to_spki_pem() });
    json!({ "data": { "type": "ecdsa-p256", "latest_version": 2, "keys": { "1": entry, "2": entry } } }).to_string()
}

/// A server that describes a key as it should, and signs as `sign` says.
fn signing(sign: impl Fn(&SoftwareKey, &Question) -> Answer + Send + Sync + 'static) -> Fake {
    let key = SoftwareKey::generate().unwrap();
    let described = description(&key);
    Fake::start(move |question| match &*question.method {
        "GET" => Answer::Body(200, described.clone()),
        _ => sign(&key, question),
    })
}

fn signature(text: &str) -> Answer {
    Answer::Body(200, json!({ "data": { "signature": text } }).to_string())
}

fn sign(signer: &dyn Signer) -> Result<(), SignCode> {
    let input = SigningInput::probe(&[7; 32], signer.public_key());
    let outcome = block_on(signer.sign(&input));
    if let Err(error) = &outcome {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("HIDDEN") && !shown.contains('\n'), "{shown}");
    }
    outcome.map(drop).map_err(|error| error.code())
}

#[test]
fn what_is_sent_is_what_the_engine_wants() {
    let fake = signing(|_, _| signature(&format!("vault:v2:{}", "A".repeat(86))));
    let key = open(&fake.address()).unwrap();
    assert_eq!(key.uri.as_str(), "vault:transit/pass?version=2");
    // 64 bytes of the right version are a signature; that it is none of this key's is for `sign_document` to see.
    sign(&key.signer).unwrap();
    let asked = fake.asked();
    let [read, sign] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((&*read.method, &*read.path), ("GET", "/v1/transit/keys/pass"));
    assert_eq!((&*sign.method, &*sign.path), ("POST", "/v1/transit/sign/pass"));
    assert_eq!(sign.header("x-vault-token"), Some(TOKEN));
    assert_eq!(sign.header("x-vault-namespace"), None);
    let body: serde_json::Value = serde_json::from_str(&sign.body).unwrap();
    assert_eq!(body["key_version"], 2);
    assert_eq!(body["prehashed"], true);
    assert_eq!(body["hash_algorithm"], "sha2-256");
    assert_eq!(body["marshaling_algorithm"], "jws");
    assert_eq!(body["input"].as_str().unwrap().len(), 44);
}

#[test]
fn only_exact_signatures_of_the_version_are_taken() {
    let good = "A".repeat(86);
    for text in [
        String::new(),
        "vault".to_owned(),
        "vault:v2:".to_owned(),
        format!("vault:v1:{good}"),
        format!("vault:v3:{good}"),
        format!("vault:v02:{good}"),
        format!("vault:v22:{good}"),
        format!("vault:2:{good}"),
        format!("bao:v2:{good}"),
        good.clone(),
        format!("vault:v2:{good}="),
        format!("vault:v2:{good}A"),
        format!("vault:v2:{}", "A".repeat(84)),
        format!("vault:v2:{}", "A".repeat(128)),
        format!("vault:v2:{}B", "A".repeat(85)),
        format!("vault:v2:{}+", "A".repeat(85)),
        format!("vault:v2: {good}"),
        format!("vault:v2:x:{good}"),
        // DER in base64, which is what the engine gives unless it is asked for `jws`.
        "vault:v2:MEUCIQDc8vYWB1lHnXqV3s7l6r4YbFJ5oR8z5QJzYH0Q9j8vYQIgQJzYH0Q9j8vYQQJzYH0Q9j8vYQQJzYH0Q9j8vYQQJzY="
            .to_owned(),
    ] {
        let fake = signing(move |_, _| signature(&text));
        let signer = open(&fake.address()).unwrap().signer;
        assert_eq!(sign(&signer), Err(SignCode::SelfCheckFailed), "{:?}", fake.asked());
    }
    let fake = signing(|_, _| Answer::Body(200, r#"{"data":{"signature":7}}"#.to_owned()));
    assert_eq!(
        sign(&open(&fake.address()).unwrap().signer),
        Err(SignCode::SelfCheckFailed)
    );
}

#[test]
fn garbage_is_no_answer() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n{}",
        "[".repeat(3_000_000)
    );
    let deep = format!(r#"{{"data":{}"#, "[".repeat(10_000));
    let answers = [
        Answer::Body(200, "<html>Welcome!</html>".to_owned()),
        Answer::Body(200, String::new()),
        Answer::Body(200, deep),
        Answer::Body(204, String::new()),
        Answer::Body(502, "Bad Gateway".to_owned()),
        Answer::Raw(Vec::new()),
        Answer::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()),
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{".to_vec()),
        Answer::Raw(long.into_bytes()),
        Answer::Raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000)).into_bytes()),
    ];
    for answer in answers {
        let shown = format!("{answer:?}").chars().take(80).collect::<String>();
        let said = answer.clone();
        let outcome = open(&Fake::start(move |_| said.clone()).address()).map(|key| key.uri);
        assert_eq!(outcome.unwrap_err().code(), "custodian_unavailable", "{shown}");
        if matches!(&answer, Answer::Body(204, _)) {
            continue;
        }
        let fake = signing(move |_, _| answer.clone());
        let signer = open(&fake.address()).unwrap().signer;
        assert_eq!(sign(&signer), Err(SignCode::Unavailable), "{shown}");
    }
}

#[test]
fn descriptions_that_are_not_of_a_key_are_refused() {
    let key = SoftwareKey::generate().unwrap();
    let other = SoftwareKey::generate_for(Algorithm::Es384).unwrap();
    let (pem, other) = (key.public_key().to_spki_pem(), other.public_key().to_spki_pem());
    let entry = |pem: &str| json!({ "1": { "public_key": pem } });
    for (data, code) in [
        (
            json!({ "type": "ecdsa-p256", "latest_version": 1, "keys": entry(&other) }),
            "key_unsupported",
        ),
        (
            json!({ "type": "ed25519", "latest_version": 1, "keys": entry(&pem) }),
            "key_malformed",
        ),
        (
            json!({ "type": "ed25519", "latest_version": 1, "keys": entry("AAAA") }),
            "key_malformed",
        ),
        (
            json!({ "type": "ecdsa-p256", "latest_version": 1, "keys": entry("") }),
            "key_malformed",
        ),
        (
            json!({ "type": "ecdsa-p256", "latest_version": 1, "keys": { "1": 1795000000 } }),
            "key_malformed",
        ),
        (
            json!({ "type": "ecdsa-p521", "latest_version": 1, "keys": entry(&pem) }),
            "key_unsupported",
        ),
        (json!({ "latest_version": 1, "keys": entry(&pem) }), "key_unsupported"),
        (
            json!({ "type": "ecdsa-p256", "latest_version": 2, "keys": entry(&pem) }),
            "custodian_key_missing",
        ),
        (
            json!({ "type": "ecdsa-p256", "latest_version": 1 }),
            "custodian_key_missing",
        ),
        (
            json!({ "type": "ecdsa-p256", "keys": entry(&pem) }),
            "custodian_unavailable",
        ),
        (
            json!({ "type": "ecdsa-p256", "latest_version": 1, "keys": entry(&pem), "soft_deleted": true }),
            "custodian_refused",
        ),
    ] {
        let body = json!({ "data": data }).to_string();
        let fake = Fake::start(move |_| Answer::Body(200, body.clone()));
        assert_eq!(open(&fake.address()).unwrap_err().code(), code, "{data}");
    }
}

#[test]
fn whoever_does_not_answer_is_left_in_time() {
    for answer in [Answer::Silence(Duration::from_secs(20)), Answer::Drip] {
        let said = answer.clone();
        let silent = Fake::start(move |_| said.clone());
        let uri = KeyUri::parse("vault:transit/pass").unwrap();
        every_wait_ends(vault(&silent.address()), &uri, None, OPENING);

        let fake = signing(move |_, _| answer.clone());
        let signer = open(&fake.address()).unwrap().signer;
        let start = Instant::now();
        assert_eq!(sign(&signer), Err(SignCode::Unavailable));
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
}

#[test]
fn a_slow_call_does_not_spoil_the_next() {
    let calls = AtomicUsize::new(0);
    let fake = signing(move |_, _| {
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_secs(1));
        }
        signature(&format!("vault:v2:{}", "A".repeat(86)))
    });
    let signer = open(&fake.address()).unwrap().signer;
    assert_eq!(sign(&signer), Err(SignCode::Unavailable));
    for _ in 0..8 {
        sign(&signer).unwrap();
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // It answers, and hangs up without a word at every second request.
    let fake = signing(move |_, _| match counted.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => Answer::Raw(Vec::new()),
        _ => signature(&format!("vault:v2:{}", "A".repeat(86))),
    });
    let signer = open(&fake.address()).unwrap().signer;
    for _ in 0..5 {
        sign(&signer).unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let fake = signing(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::Raw(Vec::new())
    });
    assert_eq!(sign(&open(&fake.address()).unwrap().signer), Err(SignCode::Unavailable));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn making_a_key_is_asked_for_once() {
    let fake = Fake::start(|question| match &*question.method {
        "GET" => Answer::Body(404, r#"{"errors":[]}"#.to_owned()),
        _ => Answer::Raw(Vec::new()),
    });
    let uri = KeyUri::parse("vault:transit/pass").unwrap();
    let outcome = vault(&fake.address()).generate(&uri, Algorithm::Es256, &NoSecrets);
    assert_eq!(outcome.unwrap_err().code(), "custodian_unavailable");
    let made: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|question| question.method == "POST")
        .collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let body: serde_json::Value = serde_json::from_str(&made[0].body).unwrap();
    assert_eq!(
        body,
        json!({ "type": "ecdsa-p256", "exportable": false, "allow_plaintext_backup": false })
    );
}

#[test]
fn redirects_take_the_token_nowhere() {
    let elsewhere = Fake::start(|_| Answer::Body(200, "{}".to_owned()));
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/v1/transit/keys/pass", elsewhere.address());
        let there = target.clone();
        let fake = Fake::start(move |_| Answer::Header(status, "Location", there.clone()));
        assert_eq!(
            open(&fake.address()).unwrap_err().code(),
            "custodian_unavailable",
            "{status}"
        );
        let fake = signing(move |_, _| Answer::Header(status, "Location", target.clone()));
        let signer = open(&fake.address()).unwrap().signer;
        assert_eq!(sign(&signer), Err(SignCode::Unavailable), "{status}");
    }
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
}

#[test]
fn what_the_server_says_is_passed_on_short_and_without_the_token() {
    let text = format!("denied:\n\t* {TOKEN} may not {}", "x".repeat(5000));
    for (status, code) in [(403, "custodian_refused"), (500, "custodian_unavailable")] {
        let body = json!({ "errors": [text] }).to_string();
        let fake = Fake::start(move |_| Answer::Body(status, body.clone()));
        let error = open(&fake.address()).unwrap_err();
        assert_eq!(error.code(), code);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.starts_with(&format!("the server answers {status}: denied: * (secret) may not xx")),
            "{source}"
        );
        assert!(source.chars().count() < 300 && !source.contains('\n'), "{source}");
        assert!(!format!("{error:?}").contains("HIDDEN"), "{error:?}");
    }
}

#[test]
fn nobody_there_is_unavailable_at_once() {
    let address = format!("http://127.0.0.1:{}", actionpass_servers::free_port());
    let start = Instant::now();
    assert_eq!(open(&address).unwrap_err().code(), "custodian_unavailable");
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}
