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

/// A token of a passkey, and the keyring that knows it.
fn signed() -> (String, Keyring) {
    let key = SoftwareKey::generate().unwrap();
    let entry = key
        .public_key()
        .approval_key_of(&Approver::parse("user:owner@example.com").unwrap())
        .with_passkey(passkey());
    let input = AssertionInput::for_document(&claims(), key.public_key()).unwrap();
    let assertion = assertion(&key, input.challenge(), true);
    (input.into_token(&assertion), Keyring::from_keys([entry]).unwrap())
}

fn is_accepted(token: &str, keyring: &Keyring) -> bool {
    Unverified::<ApprovalClaims>::parse(token)
        .and_then(|token| token.verify(keyring))
        .is_ok()
}

#[test]
fn no_character_of_a_token_can_change() {
    let (token, keyring) = signed();
    assert!(is_accepted(&token, &keyring));
    for place in 0..token.len() {
        for other in ["A", "B", "_", "=", ".", "\n", ""] {
            let changed = [&token[..place], other, &token[place + 1..]].concat();
            assert!(
                changed == token || !is_accepted(&changed, &keyring),
                "{place}: {other:?}"
            );
        }
    }
    for around in [
        format!("{token}A"),
        format!("{token}="),
        format!("{token} "),
        format!(" {token}"),
    ] {
        assert!(!is_accepted(&around, &keyring), "{around}");
    }
}

/// Integers of a signature that are the curve's order (SEC 2 §2.4.2) or more.
#[test]
fn integers_beyond_the_order_verify_nothing() {
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let one = [[0; 31].as_slice(), &[1]].concat();
    let key = SoftwareKey::generate().unwrap();
    for (r, s) in [(&ORDER[..], &one[..]), (&one, &ORDER), (&[0xFF; 32], &[0xFF; 32])] {
        let forged = Assertion {
            signature: der(&[r, s].concat()),
            ..assertion(&key, &[7; 32], true)
        };
        let refused = forged.check(&[7; 32], key.public_key(), &passkey()).unwrap_err();
        assert_eq!(refused.code(), WebAuthnCode::SignatureInvalid);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_a_browser_hands_over_ends_in_a_code(
        authenticator_data in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
        client_data_json in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
        signature in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        flags in proptest::num::u8::ANY,
    ) {
        use proptest::prop_assert;
        let key = SoftwareKey::generate().unwrap();
        let challenge = [7; 32];
        let good = assertion(&key, &challenge, true);
        // Each member alone, so that the checks behind those of the others are reached.
        let behind = [&good.authenticator_data[..32], &[flags], &authenticator_data[..]].concat();
        for bad in [
            Assertion { authenticator_data: authenticator_data.clone(), ..good.clone() },
            Assertion { authenticator_data: behind.clone(), ..good.clone() },
            Assertion { client_data_json: client_data_json.clone(), ..good.clone() },
            Assertion { signature: signature.clone(), ..good.clone() },
        ] {
            let is_new = bad != good;
            prop_assert!(!is_new || bad.check(&challenge, key.public_key(), &passkey()).is_err());
        }
        let party = RelyingParty::new(passkey().rp_id().clone(), passkey().origins().to_vec()).unwrap();
        let client_data = String::from_utf8(good.client_data_json).unwrap().replace("webauthn.get", "webauthn.create");
        let head = [&[0xA3, 0x63], &b"fmt"[..], &[0x64], b"none", &[0x67], b"attStmt", &[0xA0, 0x68], b"authData", &[0x58]].concat();
        let length = u8::try_from(behind.len()).unwrap();
        for object in [authenticator_data, [&head[..], &[length], &behind].concat()] {
            let registration = Registration { client_data_json: client_data.clone().into_bytes(), attestation_object: object };
            prop_assert!(registration.verify(&challenge, &party).is_err());
        }
    }
}
