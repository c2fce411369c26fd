use actionpass_model::{KeyStatus, KeyUse, TrustKey};
use proptest::prelude::*;

use super::*;
use crate::fixtures::{Note, note, sign, trust_key};
use crate::{Signer, SoftwareKey};

struct Issuer {
    key: SoftwareKey,
    keyring: Keyring,
}

impl Issuer {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut TrustKey)) -> Self {
        let key = SoftwareKey::generate().unwrap();
        let mut trust = trust_key(key.public_key());
        change(&mut trust);
        Self {
            keyring: Keyring::from_keys([trust]).unwrap(),
            key,
        }
    }

    fn token(&self) -> String {
        sign(&self.key, &note()).into_string()
    }

    /// A token whose header and claims are exactly these bytes, signed by this key: what another program might make.
    fn forge(&self, header: &[u8], claims: &[u8]) -> String {
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
        let signature = self.key.sign_raw_for_tests(input.as_bytes());
        format!("{input}.{}", base64url::encode(signature.as_bytes()))
    }

    fn header(&self) -> String {
        format!(
            r#"{{"alg":"ES256","kid":"{}","typ":"{}"}}"#,
            self.key.public_key().kid(),
            Note::TYP
        )
    }

    fn verify(&self, token: &str) -> Result<Verified<Note>, JwsError> {
        Unverified::<Note>::parse(token)?.verify(&self.keyring)
    }

    fn code(&self, token: &str) -> String {
        self.verify(token)
            .map_or_else(|error| error.code().to_string(), |_| "ok".to_owned())
    }
}

#[test]
fn what_we_sign_verifies() {
    let issuer = Issuer::new();
    let token = sign(&issuer.key, &note());
    let unverified = Unverified::<Note>::parse(token.as_str()).unwrap();
    assert_eq!(unverified.kid(), issuer.key.public_key().kid().as_str());
    assert_eq!(unverified.algorithm(), Some(Algorithm::Es256));
    let verified = unverified.verify(&issuer.keyring).unwrap();
    assert_eq!(verified.claims(), &note());
    assert_eq!(verified.token_hash(), token.token_hash());
    assert_eq!(verified.key().kid(), issuer.key.public_key().kid());
    // The bytes of the header are part of the format.
    let inspected = dangerous::inspect(token.as_str()).unwrap();
    assert_eq!(String::from_utf8(inspected.header).unwrap(), issuer.header());
    assert_eq!(inspected.payload, note().0);
    assert!(!format!("{token:?}").contains(&token.as_str()[..30]));
}

#[test]
fn other_spellings_of_the_header_are_the_same_header() {
    let issuer = Issuer::new();
    let kid = issuer.key.public_key().kid();
    let escaped = kid.as_str().replace('-', "\\u002d").replace('A', "\\u0041");
    for header in [
        issuer.header(),
        format!(r#"{{"typ":"{}","alg":"ES256","kid":"{kid}"}}"#, Note::TYP),
        format!(
            " {{ \"kid\" : \"{kid}\" ,\r\n\t\"typ\":\"{}\", \"alg\":\"ES256\"}} ",
            Note::TYP
        ),
        format!(r#"{{"\u0061lg":"ES25\u0036","kid":"{escaped}","t\u0079p":"actionpass\u002dnote+jwt"}}"#),
    ] {
        assert_eq!(issuer.code(&issuer.forge(header.as_bytes(), b"note")), "ok", "{header}");
    }
}

#[test]
fn headers_are_refused_with_the_right_code() {
    let issuer = Issuer::new();
    let (kid, typ) = (issuer.key.public_key().kid().as_str(), Note::TYP);
    let plain = issuer.header();
    let with = |member: &str| plain.replacen('{', &format!("{{{member},"), 1);
    let cases = [
        // Not a JSON object.
        (String::new(), "token_malformed"),
        ("{".into(), "token_malformed"),
        ("null".into(), "token_malformed"),
        (format!(r#"["ES256","{kid}","{typ}"]"#), "token_malformed"),
        (format!(r#""{kid}""#), "token_malformed"),
        (format!("{plain}{plain}"), "token_malformed"),
        (format!("{plain} x"), "token_malformed"),
        (format!("\u{FEFF}{plain}"), "token_malformed"),
        (plain.replace('"', "'"), "token_malformed"),
        (plain.replace("\"}", "\",}"), "token_malformed"),
        (plain.replace("ES256", "ES\u{0}256"), "token_malformed"),
        (plain.replace("ES256", r"\ud800"), "token_malformed"),
        // Unknown first, broken later: still not JSON.
        (with(r#""x":1"#).replace('}', ""), "token_malformed"),
        // Members that must not be there, must be there, or are something else.
        ("{}".into(), "header_not_allowed"),
        (with(r#""crit":["exp"]"#), "header_not_allowed"),
        (with(r#""crit":[]"#), "header_not_allowed"),
        (with(r#""b64":true"#), "header_not_allowed"),
        (
            with(r#""jwk":{"kty":"EC","crv":"P-256","x":"","y":""}"#),
            "header_not_allowed",
        ),
        (with(r#""jku":"https://evil.example""#), "header_not_allowed"),
        (with(r#""x5u":"https://evil.example""#), "header_not_allowed"),
        (with(r#""x5c":[]"#), "header_not_allowed"),
        (with(r#""x5t":"""#), "header_not_allowed"),
        (with(r#""x5t#S256":"""#), "header_not_allowed"),
        (with(r#""zip":"DEF""#), "header_not_allowed"),
        (with(r#""cty":"JWT""#), "header_not_allowed"),
        (with(r#""ALG":"ES256""#), "header_not_allowed"),
        (with(r#""":"""#), "header_not_allowed"),
        (with(r#""alg":"ES256""#), "header_not_allowed"),
        (with(r#""alg":"none""#), "header_not_allowed"),
        (with(r#""\u0061lg":"ES256""#), "header_not_allowed"),
        (with(&format!(r#""kid":"{kid}""#)), "header_not_allowed"),
        (with(&format!(r#""typ":"{typ}""#)), "header_not_allowed"),
        (plain.replace("\"ES256\"", "null"), "header_not_allowed"),
        (plain.replace("\"ES256\"", "256"), "header_not_allowed"),
        (plain.replace("\"ES256\"", "[\"ES256\"]"), "header_not_allowed"),
        (format!(r#"{{"kid":"{kid}","typ":"{typ}"}}"#), "header_not_allowed"),
        (format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#), "header_not_allowed"),
        (format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), "header_not_allowed"),
        (format!("{plain}{}", " ".repeat(1024)), "header_not_allowed"),
        // Another type.
        (plain.replace(typ, "JWT"), "type_mismatch"),
        (plain.replace(typ, "actionpass-probe+jwt"), "type_mismatch"),
        (plain.replace(typ, "actionpass-Note+jwt"), "type_mismatch"),
        (plain.replace(typ, "application/actionpass-note+jwt"), "type_mismatch"),
        (plain.replace(typ, ""), "type_mismatch"),
        (plain.replace("jwt", "jwt "), "type_mismatch"),
        // Another key.
        (
            plain.replace(kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            "key_unknown",
        ),
        (plain.replace(kid, "kid-ec-sign"), "key_unknown"),
        (plain.replace(kid, ""), "key_unknown"),
        (plain.replace(kid, &kid[..42]), "key_unknown"),
        (plain.replace(kid, &format!("{kid}\\u0000")), "key_unknown"),
        (plain.replace(kid, &format!("../{kid}")), "key_unknown"),
        (plain.replace(kid, "kid").replace("ES256", "none"), "key_unknown"),
        // Another algorithm.
        (plain.replace("ES256", "none"), "algorithm_mismatch"),
        (plain.replace("ES256", "None"), "algorithm_mismatch"),
        (plain.replace("ES256", "HS256"), "algorithm_mismatch"),
        (plain.replace("ES256", "es256"), "algorithm_mismatch"),
        (plain.replace("ES256", "ES256K"), "algorithm_mismatch"),
        (plain.replace("ES256", "ES384"), "algorithm_mismatch"),
        (plain.replace("ES256", "EdDSA"), "algorithm_mismatch"),
        (plain.replace("ES256", ""), "algorithm_mismatch"),
        (plain.replace("ES256", "ES256 "), "algorithm_mismatch"),
    ];
    for (header, code) in cases {
        assert_eq!(issuer.code(&issuer.forge(header.as_bytes(), b"note")), code, "{header}");
    }
    assert_eq!(
        issuer.code(&issuer.forge(b"{\"alg\":\"\xFF\"}", b"note")),
        "token_malformed"
    );
}

#[test]
fn shapes_other_than_three_strict_parts_are_malformed() {
    let issuer = Issuer::new();
    let token = issuer.token();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let long = issuer.forge(issuer.header().as_bytes(), &[b'n'; MAX_TOKEN_BYTES]);
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{header}. {payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{token}=="),
        format!("{token}="),
        token.replace('.', "\0"),
        token.replace('.', "。"),
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        long,
    ] {
        assert_eq!(issuer.code(&bad), "token_malformed", "{bad:.200}");
    }
    // Standard base64 instead of base64url, and stray bits in the last character.
    let claims = [b"note".as_slice(), &[0xFB, 0xFF, 0xBF]].concat();
    let urlsafe = issuer.forge(issuer.header().as_bytes(), &claims);
    assert_eq!(issuer.code(&urlsafe), "ok");
    let [header, payload, signature] = urlsafe.split('.').collect::<Vec<_>>().try_into().unwrap();
    let standard = payload.replace('-', "+").replace('_', "/");
    assert_ne!(standard, payload);
    assert_eq!(
        issuer.code(&format!("{header}.{standard}.{signature}")),
        "token_malformed"
    );
    let last = signature.chars().last().unwrap();
    assert!("AQgw".contains(last));
    let stray = format!("{}{}", &urlsafe[..urlsafe.len() - 1], char::from(last as u8 + 1));
    assert_eq!(issuer.code(&stray), "token_malformed");
}

#[test]
fn keys_speak_only_for_their_use_and_while_trusted() {
    assert_eq!(
        Issuer::with(|trust| trust.key_use = KeyUse::Approval).code_of_own_token(),
        "key_use_mismatch"
    );
    assert_eq!(
        Issuer::with(|trust| trust.status = KeyStatus::Revoked).code_of_own_token(),
        "key_revoked"
    );
    // A retired key's tokens hold until they expire.
    assert_eq!(
        Issuer::with(|trust| trust.status = KeyStatus::Retired).code_of_own_token(),
        "ok"
    );
    let issuer = Issuer::with(|trust| {
        trust.key_use = KeyUse::Approval;
        trust.status = KeyStatus::Revoked;
    });
    assert_eq!(issuer.code_of_own_token(), "key_use_mismatch");
    let hs256 = issuer.header().replace("ES256", "HS256");
    assert_eq!(
        issuer.code(&issuer.forge(hs256.as_bytes(), b"note")),
        "algorithm_mismatch"
    );
}

impl Issuer {
    fn code_of_own_token(&self) -> String {
        self.code(&self.token())
    }
}

#[test]
fn every_fault_of_a_signature_looks_alike() {
    let issuer = Issuer::new();
    let token = issuer.token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = base64url::decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let der = [&[0x30, 68, 2, 32][..], r, &[2, 32], s].concat();
    let faulty = [
        Vec::new(),
        signature[..63].to_vec(),
        [&signature[..], &[0]].concat(),
        [&[0], &signature[..]].concat(),
        [s, r].concat(),
        [0; 64].to_vec(),
        [0xFF; 64].to_vec(),
        der,
        [0; 96].to_vec(),
    ];
    for bytes in faulty {
        let error = issuer
            .verify(&format!("{input}.{}", base64url::encode(&bytes)))
            .unwrap_err();
        assert_eq!(error, JwsError::SignatureInvalid, "{bytes:02x?}");
        assert!(std::error::Error::source(&error).is_none());
    }
    let other = Issuer::new().token();
    let foreign = format!("{input}.{}", other.rsplit_once('.').unwrap().1);
    assert_eq!(issuer.code(&foreign), "signature_invalid");
}

#[test]
fn high_and_low_s_both_verify() {
    // n of P-256 (SEC 2 §2.4.2), to turn an s into its other one, n − s.
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let issuer = Issuer::new();
    let token = issuer.token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = base64url::decode(signature).unwrap();
    let mut borrow = 0_i16;
    for index in (0..32).rev() {
        let difference = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + index] = difference.rem_euclid(256) as u8;
    }
    let other = format!("{input}.{}", base64url::encode(&signature));
    assert_ne!(other, token);
    assert_eq!([issuer.code(&token), issuer.code(&other)], ["ok", "ok"]);
    assert_eq!(
        issuer.verify(&token).unwrap().token_hash(),
        issuer.verify(&other).unwrap().token_hash()
    );
}

#[test]
fn claims_are_read_after_the_signature() {
    let issuer = Issuer::new();
    let header = issuer.header();
    let code = |claims: &[u8]| issuer.code(&issuer.forge(header.as_bytes(), claims));
    assert_eq!(code(b""), "claims_malformed");
    assert_eq!(code(b"nota"), "claims_malformed");
    assert_eq!(code(b"v2"), "version_unsupported");
    let unsigned = format!(
        "{}.{}.{}",
        base64url::encode(header.as_bytes()),
        base64url::encode(b"v2"),
        base64url::encode(&[1; 64])
    );
    assert_eq!(issuer.code(&unsigned), "signature_invalid");
}

#[test]
fn the_codes_are_those_of_the_specification() {
    let codes: Vec<_> = JwsCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "token_malformed",
            "header_not_allowed",
            "type_mismatch",
            "key_unknown",
            "algorithm_mismatch",
            "key_use_mismatch",
            "key_revoked",
            "signature_invalid",
            "claims_malformed",
            "version_unsupported",
        ]
    );
}

#[test]
fn every_changed_byte_of_a_token_is_refused() {
    let issuer = Issuer::new();
    let token = issuer.token();
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert_ne!(issuer.code(&changed), "ok", "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn a_probe_is_no_document() {
    let issuer = Issuer::new();
    let input = crate::SigningInput::probe(&[7; 32], issuer.key.public_key());
    let signature = issuer.key.sign_now(&input).unwrap();
    issuer.key.public_key().verify(&input, &signature).unwrap();
    let token = format!(
        "{}.{}",
        std::str::from_utf8(input.as_bytes()).unwrap(),
        base64url::encode(signature.as_bytes())
    );
    assert_eq!(issuer.code(&token), "type_mismatch");
}

proptest! {
    #[test]
    fn any_text_ends_in_a_code(text in any::<String>()) {
        prop_assert!(Issuer::new().verify(&text).is_err());
    }

    #[test]
    fn any_header_ends_in_a_code(header in prop::collection::vec(any::<u8>(), 0..200), payload in prop::collection::vec(any::<u8>(), 0..50)) {
        let issuer = Issuer::new();
        prop_assert_ne!(issuer.code(&issuer.forge(&header, &payload)), "ok");
    }

    #[test]
    fn any_json_header_ends_in_a_code(
        members in prop::collection::vec(("alg|kid|typ|crit|b64|jwk|[a-z]{0,3}", "\"ES256\"|\"[ -~]{0,9}\"|null|true|1e9|\\[\\]|\\{\\}"), 0..6)
    ) {
        let issuer = Issuer::new();
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let header = format!("{{{}}}", members.join(","));
        prop_assert_ne!(issuer.code(&issuer.forge(header.as_bytes(), b"note")), "ok");
    }

    #[test]
    fn a_spliced_token_is_refused(at: prop::sample::Index, length in 0_usize..5, with in "[A-Za-z0-9_.=-]{0,5}") {
        let issuer = Issuer::new();
        let token = issuer.token();
        let start = at.index(token.len());
        let end = start.saturating_add(length).min(token.len());
        let mut spliced = token.clone();
        spliced.replace_range(start..end, &with);
        prop_assume!(spliced != token);
        prop_assert_ne!(issuer.code(&spliced), "ok");
    }

    #[test]
    fn any_note_comes_back_as_it_was(text in any::<Vec<u8>>()) {
        let issuer = Issuer::new();
        let note = Note([b"note".as_slice(), &text].concat());
        let token = sign(&issuer.key, &note);
        let verified = issuer.verify(token.as_str()).unwrap();
        prop_assert_eq!(verified.into_claims(), note);
    }
}
