//! Passkeys of both algorithms, and of none that a trust store has.

use actionpass_model::{
    ApprovalClaims, Approver, CredentialId, MAX_TOKEN_BYTES, Passkey, RpId, SignedDocument, Statement, WebOrigin,
};

use super::*;
use crate::{Algorithm, Keyring, SignCode, Signer, SoftwareKey, Unverified, backend, base64url, dangerous};

fn passkey() -> Passkey {
    Passkey::new(
        RpId::parse("localhost").unwrap(),
        vec![WebOrigin::parse("http://localhost:8080").unwrap()],
        CredentialId::parse("AAAA").unwrap(),
    )
    .unwrap()
}

fn claims() -> ApprovalClaims {
    ApprovalClaims::from_claims(
        br#"{
            "iss": "user:owner@example.com", "sub": "agent:codex-prod", "aud": "https://issuer.example",
            "iat": 1795000000, "exp": 1795000900, "jti": "apr_01920000000070008000000000000001",
            "approval": { "v": 1, "mode": "human", "reason": "reviewed", "tenant": "org:example",
                "actionHash": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "payloadHash": "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
        }"#,
    )
    .unwrap()
}

/// What an authenticator with this key makes of a challenge; the signature in the form of JWS or in DER.
fn assertion(key: &SoftwareKey, challenge: &[u8; 32], is_der: bool) -> Assertion {
    let client_data_json = format!(
        r#"{{"type":"webauthn.get","challenge":"{}","origin":"http://localhost:8080"}}"#,
        base64url::encode(challenge)
    )
    .into_bytes();
    let authenticator_data = [&backend::sha256(b"localhost")[..], &[0x05, 0, 0, 0, 0]].concat();
    let message = [&authenticator_data[..], &backend::sha256(&client_data_json)].concat();
    let signature = key.sign_raw_for_tests(&message).as_bytes().to_vec();
    Assertion {
        authenticator_data,
        client_data_json,
        signature: if is_der { der(&signature) } else { signature },
    }
}

fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = &bytes[zeros..];
        let pad: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
        let value = [pad, digits].concat();
        [&[2, u8::try_from(value.len()).unwrap()], &value[..]].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

fn code(algorithm: Algorithm, is_der: bool) -> String {
    let key = SoftwareKey::generate_for(algorithm).unwrap();
    let entry = key
        .public_key()
        .approval_key_of(&Approver::parse("user:owner@example.com").unwrap())
        .with_passkey(passkey());
    let keyring = Keyring::from_keys([entry]).unwrap();
    let input = AssertionInput::for_document(&claims(), key.public_key()).unwrap();
    let assertion = assertion(&key, input.challenge(), is_der);
    let token = input.clone().into_token(&assertion);
    assert_eq!(dangerous::inspect(&token).unwrap().assertion, Some(assertion));
    let verified = Unverified::<ApprovalClaims>::parse(&token).and_then(|token| token.verify(&keyring));
    match verified {
        Ok(verified) => {
            assert_eq!(verified.claims(), &claims());
            assert_eq!(verified.token_hash().as_bytes(), input.challenge());
            "ok".to_owned()
        }
        Err(error) => error.code().to_string(),
    }
}

#[test]
fn each_algorithm_has_one_form_of_signatures() {
    assert_eq!(code(Algorithm::Es256, true), "ok");
    assert_eq!(code(Algorithm::Es256, false), "webauthn_signature_malformed");
    assert_eq!(code(Algorithm::Ed25519, false), "ok");
    assert_eq!(code(Algorithm::Ed25519, true), "webauthn_signature_malformed");
    // A keyring takes entries that no trust store has, and such a key verifies nothing.
    for is_der in [true, false] {
        assert_eq!(code(Algorithm::Es384, is_der), "webauthn_signature_malformed");
    }
}

#[test]
fn challenges_are_what_the_design_says() {
    let key = SoftwareKey::generate().unwrap();
    let input = AssertionInput::for_document(&claims(), key.public_key()).unwrap();
    assert_eq!(*input.challenge(), backend::sha256(input.as_str().as_bytes()));
    let header = dangerous::inspect(&format!("{}.AA", input.as_str())).unwrap().header;
    let expected = format!(
        r#"{{"alg":"ES256","kid":"{}","typ":"actionpass-approval+webauthn"}}"#,
        key.public_key().kid()
    );
    assert_eq!(String::from_utf8(header).unwrap(), expected);
    let login = backend::sha256(&[&b"actionpass-login-v1\0"[..], &[4; 32]].concat());
    assert_eq!(*LoginChallenge::from_random(&[4; 32]).as_bytes(), login);
}

#[test]
fn a_token_that_could_be_too_long_is_not_begun() {
    let key = SoftwareKey::generate().unwrap();
    let mut claims = claims();
    let rule = actionpass_model::RuleId::parse(&"r".repeat(128)).unwrap();
    claims.approval.reason = Statement::parse(&"x".repeat(1024)).unwrap();
    let mut longest = 0;
    for rules in 1.. {
        claims.approval.rules = Some(vec![rule.clone(); rules]);
        match AssertionInput::for_document(&claims, key.public_key()) {
            Ok(input) => longest = input.as_str().len(),
            Err(error) => {
                assert_eq!(error.code(), SignCode::TooLong);
                break;
            }
        }
    }
    // The longest third part has 2048, 512 and 72 bytes in it.
    let part = Assertion {
        authenticator_data: vec![0; 512],
        client_data_json: vec![0; 2048],
        signature: vec![0; 72],
    };
    let part = base64url::encode(part.to_part().as_bytes()).len();
    assert!(longest + 1 + part <= MAX_TOKEN_BYTES);
    assert!(longest + 1 + part + 256 > MAX_TOKEN_BYTES, "{longest} {part}");
}

#[test]
fn new_keys_of_edwards25519_are_read() {
    let key = SoftwareKey::generate_for(Algorithm::Ed25519).unwrap();
    let spki = key.public_key().to_spki_der();
    let party = RelyingParty::new(passkey().rp_id().clone(), passkey().origins().to_vec()).unwrap();
    // {1: 1, 3: -8, -1: 6, -2: x}
    let read = |head: &[u8], flags: u8, behind: &[u8]| {
        let cose = [head, &spki[12..], behind].concat();
        let data = [
            &backend::sha256(b"localhost")[..],
            &[flags, 0, 0, 0, 0],
            &[0; 16],
            &[0, 1, 7],
            &cose,
        ]
        .concat();
        let length = u8::try_from(data.len()).unwrap();
        let registration = Registration {
            client_data_json: format!(
                r#"{{"type":"webauthn.create","challenge":"{}","origin":"http://localhost:8080"}}"#,
                base64url::encode(&[1; 32])
            )
            .into_bytes(),
            attestation_object: [
                &b"\xA3\x63fmt\x64none\x67attStmt\xA0\x68authData\x58"[..],
                &[length],
                &data,
            ]
            .concat(),
        };
        let verified = registration.verify(&[1; 32], &party);
        verified.map(|new| new.key().clone()).map_err(|error| error.code())
    };
    let head = b"\xA4\x01\x01\x03\x27\x20\x06\x21\x58\x20";
    assert_eq!(read(head, 0x45, &[]), Ok(key.public_key().clone()));
    assert_eq!(read(head, 0xC5, &[0xA1, 0x61, b'x', 1]), Ok(key.public_key().clone()));
    let malformed = Err(WebAuthnCode::AuthenticatorDataMalformed);
    assert_eq!(read(head, 0x45, &[0xA0]), malformed);
    assert_eq!(read(head, 0xC5, &[]), malformed);
    assert_eq!(
        read(b"\xA4\x01\x01\x03\x27\x20\x07\x21\x58\x20", 0x45, &[]),
        Err(WebAuthnCode::KeyMalformed)
    );
    assert_eq!(
        read(b"\xA4\x01\x01\x03\x26\x20\x06\x21\x58\x20", 0x45, &[]),
        Err(WebAuthnCode::KeyMalformed)
    );
}
