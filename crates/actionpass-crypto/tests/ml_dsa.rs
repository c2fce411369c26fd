//! ML-DSA-65 behind its feature: keys, tokens, and what it doesn't mix with.
#![cfg(feature = "ml-dsa")]
#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

use actionpass_crypto::conformance::block_on;
use actionpass_crypto::{
    Algorithm, JwsCode, KeyCode, Keyring, PublicKey, Signer, SoftwareKey, Unverified, sign_document, signer_conformance,
};
use actionpass_model::{ApprovalClaims, Approver, Code, Jwk, SignedDocument};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

signer_conformance!(ml_dsa_65, || SoftwareKey::generate_for(Algorithm::MlDsa65).unwrap());

fn approval() -> ApprovalClaims {
    let hash = format!("sha256:{:064}", 0);
    let claims = json!({
        "iss": "user:owner@example.com", "sub": "agent:codex-prod", "aud": "https://issuer.example", "iat": 1_795_000_000,
        "exp": 1_795_000_900, "jti": "apr_01920000000070008000000000000001",
        "approval": { "v": 1, "mode": "human", "reason": "r", "tenant": "org:example", "actionHash": hash, "payloadHash": hash },
    });
    ApprovalClaims::from_claims(claims.to_string().as_bytes()).unwrap()
}

fn keyring(key: &PublicKey) -> Keyring {
    let owner = Approver::parse("user:owner@example.com").unwrap();
    Keyring::from_keys([key.approval_key_of(&owner)]).unwrap()
}

fn code(token: &str, keyring: &Keyring) -> Code {
    let unverified = Unverified::<ApprovalClaims>::parse(token);
    unverified.and_then(|token| token.verify(keyring)).unwrap_err().code()
}

#[test]
fn tokens_verify_and_no_changed_one_does() {
    let key = SoftwareKey::generate_for(Algorithm::MlDsa65).unwrap();
    let token = block_on(sign_document(&key, &approval())).unwrap();
    let keyring = keyring(key.public_key());
    let verified = Unverified::<ApprovalClaims>::parse(token.as_str())
        .unwrap()
        .verify(&keyring)
        .unwrap();
    assert_eq!(verified.claims(), &approval());
    let (input, signature) = token.as_str().rsplit_once('.').unwrap();
    assert_eq!(signature.len(), (3309_usize * 4).div_ceil(3));
    let other = SoftwareKey::generate_for(Algorithm::MlDsa65).unwrap();
    let foreign = block_on(sign_document(&other, &approval())).unwrap();
    let foreign = foreign.as_str().rsplit_once('.').unwrap().1.to_owned();
    for bad in [foreign.as_str(), &signature[4..], &signature[..signature.len() - 4], ""] {
        assert_eq!(code(&format!("{input}.{bad}"), &keyring), JwsCode::SignatureInvalid);
    }
}

#[test]
fn a_key_of_another_algorithm_verifies_nothing_of_it() {
    let key = SoftwareKey::generate_for(Algorithm::MlDsa65).unwrap();
    let token = block_on(sign_document(&key, &approval())).unwrap();
    let (_, rest) = token.as_str().split_once('.').unwrap();
    for algorithm in Algorithm::ALL
        .iter()
        .copied()
        .filter(|other| *other != Algorithm::MlDsa65)
    {
        let other = SoftwareKey::generate_for(algorithm).unwrap();
        let kid = other.public_key().kid();
        for (alg, expected) in [
            ("ML-DSA-65", JwsCode::AlgorithmMismatch),
            (algorithm.as_str(), JwsCode::SignatureInvalid),
        ] {
            let header = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{}"}}"#, ApprovalClaims::TYP);
            let header = base64(header.as_bytes());
            assert_eq!(
                code(&format!("{header}.{rest}"), &keyring(other.public_key())),
                expected,
                "{alg}"
            );
        }
    }
}

#[test]
fn keys_have_their_members_and_no_others() {
    let key = SoftwareKey::generate_for(Algorithm::MlDsa65).unwrap();
    let public = key.public_key();
    let jwk = serde_json::to_value(public.to_jwk()).unwrap();
    assert_eq!(
        (&jwk["kty"], &jwk["alg"], jwk.get("crv")),
        (&json!("AKP"), &json!("ML-DSA-65"), None)
    );
    assert_eq!(PublicKey::from_spki_der(&public.to_spki_der()).unwrap(), *public);
    assert_eq!(PublicKey::from_spki_pem(&public.to_spki_pem()).unwrap(), *public);
    let private = key.to_pkcs8().unwrap();
    assert_eq!(
        SoftwareKey::from_pkcs8_der(private.as_der()).unwrap().public_key(),
        public
    );

    let read = |jwk: &Value| Jwk::from_json(jwk.to_string().as_bytes()).map(|jwk| PublicKey::from_jwk(&jwk));
    assert_eq!(read(&jwk).unwrap().unwrap(), *public);
    let refusal = |member: &str, value: Value| {
        let mut changed = jwk.clone();
        changed[member] = value;
        read(&changed).unwrap().unwrap_err().code()
    };
    assert_eq!(refusal("alg", json!("ML-DSA-44")), KeyCode::Unsupported);
    assert_eq!(refusal("crv", json!("P-256")), KeyCode::Unsupported);
    assert_eq!(refusal("x", json!("AA")), KeyCode::Malformed);
    assert_eq!(refusal("pub", json!("AA")), KeyCode::Malformed);
    let mut unnamed = jwk.clone();
    unnamed.as_object_mut().unwrap().remove("alg");
    assert_eq!(read(&unnamed).unwrap().unwrap_err().code(), KeyCode::Unsupported);
    let mut private = jwk.clone();
    private["priv"] = json!("AA");
    assert_eq!(read(&private).unwrap_err().code().as_str(), "private_key_member");
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
