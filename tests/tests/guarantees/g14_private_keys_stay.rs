//! G14: no private key leaves its custodian or reaches the trust store, a log or an error.

use std::error::Error;

use actionpass_crypto::{PublicKey, Signer, SigningInput, SoftwareKey, aws_lc, rustcrypto};
use actionpass_custody::{PrivatePem, Secret};
use actionpass_model::{Document, Jwk, TrustStore};
use actionpass_testkit::custodians::{InProcess, Lie, Lying, Refusing};
use actionpass_testkit::fixtures::FixtureKey;
use actionpass_testkit::{Testbed, block_on, fixtures, tokens};
use actionpass_verify::Trust;
use serde_json::json;

use crate::common::Checked;

/// What a leak of a key would look like: every third of its scalar in the encodings that programs print bytes in.
fn traces(key: FixtureKey) -> Vec<String> {
    let scalar = key.private_scalar();
    let mut traces = Vec::new();
    for part in [&scalar[..12], &scalar[9..21], &scalar[18..30]] {
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = part.iter().map(u8::to_string).collect();
        let base64url = tokens::base64url(part);
        // `{:02x?}`, `{:x?}`, `{:#x?}` on a line, and byte strings as `escape_ascii` writes them.
        for list in [format!("{part:02x?}"), format!("{part:x?}"), format!("{part:02X?}")] {
            traces.push(list.trim_matches(['[', ']']).to_owned());
        }
        let prefixed: Vec<String> = part.iter().map(|byte| format!("{byte:#x}")).collect();
        traces.push(prefixed.join(", "));
        let escaped: String = part.iter().map(|byte| byte.escape_ascii().to_string()).collect();
        traces.push(escaped.replace("\\x", "\\\\x"));
        traces.push(escaped);
        traces.push(hex.to_uppercase());
        traces.push(hex);
        traces.push(numbers.join(", "));
        traces.push(numbers.join(","));
        traces.push(base64url.replace('-', "+").replace('_', "/"));
        traces.push(base64url);
    }
    traces
}

fn shows_no_key(text: &str) -> Checked {
    for key in FixtureKey::ALL {
        if let Some(trace) = traces(*key).into_iter().find(|trace| text.contains(trace.as_str())) {
            return Err(format!("`{trace}` of {} in: {text}", key.name()));
        }
    }
    Ok(())
}

/// An error as a log would have it: `Debug` and every message of the chain.
fn logged(error: &dyn Error) -> String {
    let mut text = format!("{error:?} {error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!(": {error}"));
        next = error.source();
    }
    text
}

#[test]
fn g14_the_check_finds_keys_in_every_encoding() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is there to be printed")]
    struct Careless {
        secret: Vec<u8>,
    }
    let key = FixtureKey::APPROVER;
    let hex: String = key.private_scalar().iter().map(|byte| format!("{byte:02x}")).collect();
    for leak in [
        format!(
            "{:?}",
            Careless {
                secret: key.private_scalar()
            }
        ),
        format!("{:#?}", key.private_scalar()).replace("\n    ", " "),
        hex.to_uppercase(),
        hex,
        json!({ "kty": "EC", "d": tokens::base64url(&key.private_scalar()) }).to_string(),
        key.private_pem().to_owned(),
        format!("{:02x?}", key.private_scalar()),
        format!("{:x?}", key.private_scalar()),
        format!("{:#x?}", key.private_scalar()).replace(",\n    ", ", "),
        key.private_scalar().escape_ascii().to_string(),
        // A text that holds a byte string, printed once more.
        format!("{:?}", key.private_scalar().escape_ascii().to_string()),
    ] {
        assert!(shows_no_key(&leak).is_err(), "{leak}");
    }
}

#[test]
fn g14_debug_of_everything_that_holds_a_key() {
    for key in FixtureKey::ALL {
        let pkcs8 = PrivatePem::decode(key.private_pem(), None).unwrap();
        let aws_lc = aws_lc::SoftwareKey::from_pkcs8_der(pkcs8.as_der()).unwrap();
        let rustcrypto = rustcrypto::SoftwareKey::from_pkcs8_der(pkcs8.as_der()).unwrap();
        let input = SigningInput::probe(&[1; 32], &key.public_key());
        let signature = block_on(aws_lc.sign(&input)).unwrap();
        let bed = Testbed::new().with_signer(InProcess(key.signer()));
        let shown = [
            format!("{aws_lc:?} {aws_lc:#?}"),
            format!("{rustcrypto:?} {rustcrypto:#?}"),
            format!(
                "{pkcs8:?} {:?} {input:?} {signature:?}",
                PrivatePem::encode(&pkcs8).unwrap()
            ),
            format!("{:?}", Secret::new(key.private_scalar())),
            format!("{bed:?} {bed:#?}"),
        ];
        for text in shown {
            assert_eq!(shows_no_key(&text), Ok(()));
        }
    }
}

#[test]
fn g14_debug_of_an_issuer() {
    let bed = Testbed::new();
    let authorizer = bed.authorizer().unwrap();
    assert_eq!(shows_no_key(&format!("{authorizer:?} {authorizer:#?}")), Ok(()));
}

#[test]
fn g14_errors_do_not_repeat_what_they_could_not_read() {
    for key in FixtureKey::ALL {
        let pem = key.private_pem();
        let der = PrivatePem::decode(pem, None).unwrap().as_der().to_vec();
        for broken in [
            pem.replace("-----END", "----END"),
            pem.replace("PRIVATE KEY", "PUBLIC KEY"),
            pem.replace('\n', "*\n"),
            pem[..180].to_owned(),
        ] {
            if let Err(error) = PrivatePem::decode(&broken, None) {
                assert_eq!(shows_no_key(&logged(&error)), Ok(()));
            }
            if let Err(error) = PublicKey::from_spki_pem(&broken) {
                assert_eq!(shows_no_key(&logged(&error)), Ok(()));
            }
        }
        for cut in [der.len() - 1, 70, 40] {
            if let Err(error) = SoftwareKey::from_pkcs8_der(&der[..cut]) {
                assert_eq!(shows_no_key(&logged(&error)), Ok(()));
            }
        }
        assert!(PublicKey::from_spki_der(&der).is_err_and(|error| shows_no_key(&logged(&error)).is_ok()));
    }
}

#[test]
fn g14_no_trust_store_takes_a_private_member() {
    let key = FixtureKey::ISSUER;
    let secret = tokens::base64url(&key.private_scalar());
    let mut jwk = serde_json::to_value(key.public_key().to_jwk()).unwrap();
    jwk["d"] = json!(secret);
    let error = Jwk::from_json(jwk.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.code().as_str(), "private_key_member");
    assert_eq!(shows_no_key(&logged(&error)), Ok(()));

    let mut trust = serde_json::to_value(fixtures::trust_store()).unwrap();
    trust["keys"][0]["jwk"] = jwk;
    let bytes = trust.to_string();
    assert_eq!(
        TrustStore::from_json(bytes.as_bytes()).unwrap_err().code().as_str(),
        "private_key_member"
    );
    let error = Trust::parse(bytes.as_bytes()).unwrap_err();
    assert_eq!(shows_no_key(&logged(&error)), Ok(()));
}

#[test]
fn g14_nothing_that_is_written_or_handed_out() {
    let bed = Testbed::new();
    let action = fixtures::demo_action();
    let authorization = bed.authorize(&action).unwrap();
    let mut written = format!(
        "{authorization:?} {}",
        serde_json::to_string(&bed.trust().document()).unwrap()
    );
    let claims = tokens::Forgery::of(&authorization.pass.unwrap().token).claims();
    written.push_str(&claims.to_string());
    for record in bed.records().unwrap() {
        written.push_str(&String::from_utf8(record.json).unwrap());
    }
    assert_eq!(shows_no_key(&written), Ok(()));
}

#[test]
fn g14_errors_of_custodians() {
    let action = fixtures::demo_action();
    let refusing = Testbed::new()
        .with_signer(Refusing::new(FixtureKey::ISSUER))
        .authorize(&action)
        .unwrap_err();
    assert_eq!(shows_no_key(&logged(&refusing)), Ok(()));
    for lie in Lie::ALL {
        let bed = Testbed::new().with_signer(Lying::new(FixtureKey::ISSUER, *lie));
        if let Err(error) = bed.authorize(&action) {
            assert_eq!(shows_no_key(&logged(&error)), Ok(()));
        }
    }
}
