//! Signing and verifying, beside the bare aws-lc-rs operations that they are made of.
//!
//! `cargo bench -p actionpass-crypto`: what this layer adds is the difference between two lines of a group.
#![allow(missing_docs, reason = "what `criterion_group!` makes has no documentation")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that can't run stops")]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actionpass_crypto::{CompactJws, Keyring, Signer, SigningInput, SoftwareKey, Unverified, sign_document};
use actionpass_model::{ClaimsError, Issuer, KeyUse, SignedDocument, TrustKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};

/// As long as a pass. Its claims cost nothing to read, so that this layer alone is measured.
struct Opaque;

const CLAIMS_BYTES: usize = 1270;

impl SignedDocument for Opaque {
    const TYP: &'static str = "actionpass-bench+jwt";
    const KEY_USE: KeyUse = KeyUse::Pass;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        black_box(payload);
        Ok(Self)
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        Ok(vec![b'x'; CLAIMS_BYTES])
    }
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a software key never waits"),
    }
}

fn trust_key(key: &SoftwareKey) -> TrustKey {
    key.public_key()
        .pass_key_of(&Issuer::parse("https://issuer.example").unwrap())
}

fn sign(key: &SoftwareKey) -> CompactJws {
    now(sign_document(key, &Opaque)).unwrap()
}

fn signing(criterion: &mut Criterion) {
    let key = SoftwareKey::generate().unwrap();
    let input = SigningInput::for_document(&Opaque, key.public_key()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.to_pkcs8().unwrap().as_der()).unwrap();
    let random = SystemRandom::new();
    let mut group = criterion.benchmark_group("sign");
    group.bench_function("bare aws-lc", |bencher| {
        bencher.iter(|| pair.sign(&random, black_box(input.as_bytes())).unwrap())
    });
    group.bench_function("signing input", |bencher| {
        bencher.iter(|| SigningInput::for_document(&Opaque, key.public_key()).unwrap())
    });
    group.bench_function("sign_document", |bencher| bencher.iter(|| sign(black_box(&key))));
    group.finish();
}

fn verifying(criterion: &mut Criterion) {
    let key = SoftwareKey::generate().unwrap();
    let keyring = Keyring::from_keys([trust_key(&key)]).unwrap();
    let token = sign(&key).into_string();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = now(key.sign(&SigningInput::for_document(&Opaque, key.public_key()).unwrap()))
        .map(|_| signature)
        .unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let spki = key.public_key().to_spki_der();
    let point = spki.get(26..).unwrap();
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap();
    let foreign = sign(&SoftwareKey::generate().unwrap()).into_string();
    let broken = format!("{token}=");
    let reordered = {
        let header = format!(
            r#"{{"typ":"{}","alg":"ES256","kid":"{}"}}"#,
            Opaque::TYP,
            key.public_key().kid()
        );
        let payload = token.split('.').nth(1).unwrap();
        format!("{}.{payload}.AAAA", URL_SAFE_NO_PAD.encode(header))
    };
    let unknown_member = {
        let header = format!(
            r#"{{"crit":[],"alg":"ES256","kid":"{}","typ":"{}"}}"#,
            key.public_key().kid(),
            Opaque::TYP
        );
        let payload = token.split('.').nth(1).unwrap();
        format!("{}.{payload}.AAAA", URL_SAFE_NO_PAD.encode(header))
    };
    let verify = |token: &str| Unverified::<Opaque>::parse(token).and_then(|unverified| unverified.verify(&keyring));
    let mut group = criterion.benchmark_group("verify");
    group.bench_function("bare aws-lc", |bencher| {
        bencher.iter(|| {
            parsed
                .verify_sig(black_box(input.as_bytes()), black_box(&signature))
                .unwrap()
        });
    });
    group.bench_function("token", |bencher| bencher.iter(|| verify(black_box(&token)).unwrap()));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Unverified::<Opaque>::parse(black_box(&token)).unwrap())
    });
    group.bench_function("refuse unknown key", |bencher| {
        bencher.iter(|| verify(black_box(&foreign)).is_err())
    });
    group.bench_function("refuse malformed", |bencher| {
        bencher.iter(|| verify(black_box(&broken)).is_err())
    });
    group.bench_function("refuse header member", |bencher| {
        bencher.iter(|| verify(black_box(&unknown_member)).is_err())
    });
    group.bench_function("refuse short signature, header reordered", |bencher| {
        bencher.iter(|| verify(black_box(&reordered)).is_err());
    });
    group.finish();
}

fn keyrings(criterion: &mut Criterion) {
    let keys: Vec<_> = (0..200).map(|_| trust_key(&SoftwareKey::generate().unwrap())).collect();
    let mut group = criterion.benchmark_group("keyring");
    group.bench_function("of 200 keys", |bencher| {
        bencher.iter(|| Keyring::from_keys(black_box(keys.clone())).unwrap())
    });
    group.finish();
}

criterion_group!(benches, signing, verifying, keyrings);
criterion_main!(benches);
