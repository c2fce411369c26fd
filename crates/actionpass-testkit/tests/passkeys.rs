//! Passkeys: what their assertions are accepted for, and what they are refused for.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail their test"
)]

use actionpass_canon::BoundFacts;
use actionpass_crypto::webauthn::{AssertionInput, LoginChallenge, verify_login};
use actionpass_crypto::{WebAuthnCode, dangerous};
use actionpass_model::{
    ApprovalClaims, Digest, RefusalClaims, RevocationTarget, Role, SignedDocument, TrustKey, TrustStore,
};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::tokens::{self, Forgery, base64url};
use actionpass_testkit::{Authenticator, Fault};
use actionpass_verify::{Call, Trust, Verifier, approval};
use proptest::prelude::*;
use serde_json::json;

fn trust_with(change: impl FnOnce(&mut Vec<TrustKey>)) -> Trust {
    let mut trust = fixtures::trust_store();
    change(&mut trust.keys);
    Trust::parse(&serde_json::to_vec(&trust).unwrap()).unwrap()
}

fn trust_of(passkey: &Authenticator) -> Trust {
    let key = passkey.trust_key(fixtures::approver(), vec![fixtures::maintainer()]);
    trust_with(|keys| keys.push(key))
}

fn trust() -> Trust {
    trust_of(&Authenticator::new())
}

fn claims() -> ApprovalClaims {
    fixtures::approval_claims(&fixtures::action())
}

fn refusal() -> RefusalClaims {
    fixtures::refusal_claims(&fixtures::action())
}

type Check<T> = fn(&str, &approval::ApprovalContext<'_>, &Trust) -> Result<T, approval::ApprovalRefusal>;

fn checked<T>(check: Check<T>, token: &str, trust: &Trust) -> Result<T, Vec<String>> {
    let action = fixtures::action();
    let head = action.action();
    let context = approval::ApprovalContext {
        issuer: &fixtures::issuer(),
        tenant: &head.tenant,
        agent: &head.actor.agent,
        via: &head.actor.via,
        action_hash: action.action_hash(),
        payload_hash: action.payload_hash(),
        context_hash: action.context_hash(),
        facts_hash: BoundFacts::none().hash(),
        request: approval::OfRequest::Any,
        action_id: head.id.as_ref().unwrap(),
        policy_digest: Digest::from_bytes([0; 32]),
        at: fixtures::seconds(),
        dangerously_accept_asserted: false,
    };
    check(token, &context, trust).map_err(|refusal| refusal.codes.iter().map(ToString::to_string).collect())
}

fn codes(token: &str, trust: &Trust) -> Vec<String> {
    checked(approval::check, token, trust).map_or_else(|codes| codes, |_| vec!["ok".into()])
}

fn codes_as_refusal(token: &str, trust: &Trust) -> Vec<String> {
    checked(approval::check_refusal, token, trust).map_or_else(|codes| codes, |_| vec!["ok".into()])
}

#[test]
fn a_passkeys_approval_counts_like_any_other() {
    let passkey = Authenticator::new();
    let token = passkey.sign(&claims());
    let approval = checked(approval::check, &token, &trust()).unwrap();
    assert_eq!(approval.approver(), &fixtures::approver());
    assert_eq!(approval.kid(), Some(&passkey.key().kid()));
    assert_eq!(approval.assurance().as_str(), "signed");
    assert_eq!(approval.grant().roles, [fixtures::maintainer()]);
    let input = AssertionInput::for_document(&claims(), &passkey.key().public_key()).unwrap();
    assert_eq!(approval.token_hash(), Digest::from_bytes(*input.challenge()));
    assert!(token.starts_with(input.as_str()));
}

#[test]
fn a_passkeys_refusal_is_one() {
    let token = Authenticator::new().sign(&refusal());
    let refused = checked(approval::check_refusal, &token, &trust()).unwrap();
    assert_eq!(refused.principal(), &fixtures::approver());
    assert_eq!(refused.reason(), &claims().approval.reason);
}

#[test]
fn a_pass_that_rests_on_a_passkey_verifies_offline() {
    let action = fixtures::action();
    let pass = |approval: &str| {
        let claims = fixtures::pass_with_approval_claims(&action, approval);
        tokens::sign(FixtureKey::ISSUER, &claims)
    };
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    let verify = |token: &str| verifier.verify(token, &Call::action(&action), &trust(), fixtures::seconds());
    let good = Authenticator::new().sign(&claims());
    assert_eq!(verify(&pass(&good)).unwrap().payload(), action.payload());
    for fault in Fault::ALL {
        let bad = Authenticator::new().with(*fault).sign(&claims());
        let refusal = verify(&pass(&bad)).unwrap_err();
        let finding = &refusal.findings()[0];
        assert_eq!(
            (refusal.findings().len(), finding.code().as_str()),
            (1, fault.code()),
            "{fault:?}"
        );
        assert_eq!(finding.approval(), Some(&claims().jti));
    }
}

#[test]
fn each_fault_of_an_assertion_has_its_code() {
    let (good, trust) = (Authenticator::new(), trust());
    assert_eq!(codes(&good.sign(&claims()), &trust), ["ok"]);
    for fault in Fault::ALL {
        let bad = good.clone().with(*fault);
        assert_eq!(codes(&bad.sign(&claims()), &trust), [fault.code()], "{fault:?}");
        assert_eq!(
            codes_as_refusal(&bad.sign(&refusal()), &trust),
            [fault.code()],
            "{fault:?}"
        );
    }
}

#[test]
fn g08_passkeys_sign_on_the_pages_of_the_trust_store() {
    let sign = |origin: &str, rp_id: &str| Authenticator::new().on_page(origin, rp_id).sign(&claims());
    for (origin, rp_id, code) in [
        ("https://approve.example.com", "approve.example.com", "ok"),
        (
            "https://approve.example.com:8443",
            "approve.example.com",
            "webauthn_origin_mismatch",
        ),
        ("https://example.com", "example.com", "webauthn_origin_mismatch"),
        (
            "https://www.approve.example.com",
            "approve.example.com",
            "webauthn_origin_mismatch",
        ),
        (
            "https://approve.example.com.evil.example",
            "approve.example.com",
            "webauthn_origin_mismatch",
        ),
        (
            "http://approve.example.com",
            "approve.example.com",
            "webauthn_origin_mismatch",
        ),
        ("null", "approve.example.com", "webauthn_origin_mismatch"),
        ("https://approve.example.com", "example.com", "webauthn_rp_id_mismatch"),
        ("https://approve.example.com", "com", "webauthn_rp_id_mismatch"),
        ("https://approve.example.com", "localhost", "webauthn_rp_id_mismatch"),
    ] {
        assert_eq!(codes(&sign(origin, rp_id), &trust()), [code], "{origin} {rp_id}");
    }
    let local = Authenticator::new().on_page("http://localhost:8080", "localhost");
    assert_eq!(codes(&local.sign(&claims()), &trust_of(&local)), ["ok"]);
}

/// The key's form is the type's, whatever else holds.
#[test]
fn g08_no_key_is_tried_for_the_form_of_another() {
    let (passkey, trust) = (Authenticator::new(), trust());
    // The passkey's own private key signs the token itself.
    let direct = tokens::sign(passkey.key(), &claims());
    assert_eq!(codes(&direct, &trust), ["webauthn_key_form_mismatch"]);
    // An ordinary approval key signs an assertion.
    let approver = Authenticator::new().with_key(FixtureKey::APPROVER, b"x");
    assert_eq!(codes(&approver.sign(&claims()), &trust), ["webauthn_key_form_mismatch"]);
    // A pass is signed by neither.
    let action = fixtures::action();
    let pass = tokens::sign(passkey.key(), &fixtures::pass_claims(&action));
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    let refusal = verifier
        .verify(&pass, &Call::action(&action), &trust, fixtures::seconds())
        .unwrap_err();
    assert!(refusal.codes().map(|code| code.as_str()).eq(["key_use_mismatch"]));
}

/// The type is under the signature: no token becomes one of another by its name.
#[test]
fn g08_types_are_not_swapped() {
    let (passkey, trust) = (Authenticator::new(), trust());
    let renamed = |token: &str, typ: &str| {
        let (_, part) = token.rsplit_once('.').unwrap();
        let input = Forgery::of(token).with_header_member("typ", json!(typ)).signing_input();
        format!("{input}.{part}")
    };
    let (yes, no) = (passkey.sign(&claims()), passkey.sign(&refusal()));
    assert_eq!(codes(&no, &trust), ["approval_malformed"]);
    assert_eq!(codes_as_refusal(&yes, &trust), ["approval_malformed"]);
    let [approval, refused] = ["actionpass-approval+webauthn", "actionpass-refusal+webauthn"];
    assert_eq!(codes(&renamed(&no, approval), &trust), ["webauthn_challenge_mismatch"]);
    assert_eq!(
        codes_as_refusal(&renamed(&yes, refused), &trust),
        ["webauthn_challenge_mismatch"]
    );
    for typ in ["actionpass-approval+jwt", "actionpass-refusal+jwt"] {
        let [yes, no] = [renamed(&yes, typ), renamed(&no, typ)];
        let (as_yes, as_no) = (codes(&yes, &trust), codes_as_refusal(&no, &trust));
        let is_yes = typ == ApprovalClaims::TYP;
        let expected = |own: bool| {
            if own {
                "webauthn_key_form_mismatch"
            } else {
                "approval_malformed"
            }
        };
        assert_eq!(
            (as_yes, as_no),
            (vec![expected(is_yes).into()], vec![expected(!is_yes).into()]),
            "{typ}"
        );
    }
    for typ in [
        "actionpass+webauthn",
        "actionpass-approval+WebAuthn",
        "webauthn",
        "actionpass+jwt",
    ] {
        assert_eq!(codes(&renamed(&yes, typ), &trust), ["approval_malformed"], "{typ}");
    }
}

/// Signing in and approving have nothing in common but the passkey.
#[test]
fn g08_a_sign_in_is_no_approval_and_an_approval_no_sign_in() {
    let (passkey, trust) = (Authenticator::new(), trust());
    let challenge = LoginChallenge::from_random(&[9; 32]);
    let login = |assertion, challenge: &LoginChallenge| {
        verify_login(&passkey.credential_id(), &assertion, challenge, trust.keyring())
            .map(|login| login.key().kid().clone())
            .map_err(|error| error.code())
    };
    assert_eq!(
        login(passkey.assert(challenge.as_bytes()), &challenge),
        Ok(passkey.key().kid())
    );
    let other = LoginChallenge::from_random(&[8; 32]);
    assert_eq!(
        login(passkey.assert(challenge.as_bytes()), &other),
        Err(WebAuthnCode::ChallengeMismatch)
    );

    let input = AssertionInput::for_document(&claims(), &passkey.key().public_key()).unwrap();
    let signed_in = input.clone().into_token(&passkey.assert(challenge.as_bytes()));
    assert_eq!(codes(&signed_in, &trust), ["webauthn_challenge_mismatch"]);
    assert_eq!(
        login(passkey.assert(input.challenge()), &challenge),
        Err(WebAuthnCode::ChallengeMismatch)
    );
    // Nor when the random bytes are those of an approval's challenge, raw.
    let chosen = LoginChallenge::from_random(input.challenge());
    assert_eq!(
        login(passkey.assert(input.challenge()), &chosen),
        Err(WebAuthnCode::ChallengeMismatch)
    );

    for fault in Fault::ALL {
        let bad = passkey.clone().with(*fault).assert(challenge.as_bytes());
        assert_eq!(login(bad, &challenge).unwrap_err().as_str(), fault.code(), "{fault:?}");
    }
    let stranger = Authenticator::new().with_key(FixtureKey::STRANGER, b"unknown");
    let unknown = verify_login(
        &stranger.credential_id(),
        &stranger.assert(challenge.as_bytes()),
        &challenge,
        trust.keyring(),
    );
    assert_eq!(unknown.unwrap_err().code(), WebAuthnCode::CredentialUnknown);
}

#[test]
fn whoever_signs_in_is_who_the_trust_store_says_now() {
    type Change<'a> = &'a dyn Fn(&mut TrustStore);
    let (passkey, challenge) = (Authenticator::new(), LoginChallenge::from_random(&[5; 32]));
    let assertion = passkey.assert(challenge.as_bytes());
    let sign_in = |change: Change<'_>| {
        let mut store = fixtures::trust_store_with_passkey();
        change(&mut store);
        let trust = Trust::parse(&serde_json::to_vec(&store).unwrap()).unwrap();
        trust
            .sign_in(&passkey.credential_id(), &assertion, &challenge, fixtures::seconds())
            .map_err(|error| error.code().to_string())
    };
    let signed_in = sign_in(&|_| ()).unwrap();
    assert_eq!(
        (signed_in.principal, signed_in.kid),
        (fixtures::approver(), passkey.key().kid())
    );
    assert_eq!(signed_in.roles, [fixtures::maintainer()]);
    let soon = fixtures::now().saturating_add(std::time::Duration::from_secs(60));
    let cases: [(&str, Change<'_>); 5] = [
        ("trust_expired", &|store| store.expires_at = Some(fixtures::now())),
        ("key_not_valid", &|store| store.keys[4].not_before = Some(soon)),
        ("webauthn_credential_unknown", &|store| drop(store.keys.remove(4))),
        ("webauthn_credential_revoked", &|store| {
            fixtures::revoke(store, RevocationTarget::Key(passkey.key().kid()));
        }),
        ("principal_revoked", &|store| {
            let maintainer = actionpass_model::Principal::parse("user:Maintainer@example.com").unwrap();
            fixtures::revoke(store, RevocationTarget::Principal(maintainer));
        }),
    ];
    for (code, change) in cases {
        assert_eq!(sign_in(change).unwrap_err(), code);
    }
}

#[test]
fn a_revoked_passkey_does_nothing() {
    let passkey = Authenticator::new();
    let mut store = fixtures::trust_store();
    store.keys.push(passkey.trust_key(fixtures::approver(), vec![]));
    fixtures::revoke(&mut store, RevocationTarget::Key(passkey.key().kid()));
    let trust = Trust::parse(&serde_json::to_vec(&store).unwrap()).unwrap();
    assert_eq!(codes(&passkey.sign(&claims()), &trust), ["approval_revoked"]);
    let challenge = LoginChallenge::from_random(&[9; 32]);
    let assertion = passkey.assert(challenge.as_bytes());
    let refused = verify_login(&passkey.credential_id(), &assertion, &challenge, trust.keyring());
    assert_eq!(refused.unwrap_err().code(), WebAuthnCode::CredentialRevoked);
}

#[test]
fn an_approver_is_who_the_passkey_belongs_to() {
    let passkey = Authenticator::new();
    let key = passkey.trust_key(fixtures::second_approver(), vec![Role::parse("security").unwrap()]);
    let trust = trust_with(|keys| keys.push(key));
    assert_eq!(codes(&passkey.sign(&claims()), &trust), ["approver_mismatch"]);
    // And a passkey that nobody trusts is none.
    assert_eq!(
        codes(&passkey.sign(&claims()), &trust_with(|_| ())),
        ["approval_key_unknown"]
    );
}

/// The header's algorithm is the key's, and the third part has one spelling.
#[test]
fn headers_and_third_parts_are_strict() {
    let (passkey, trust) = (Authenticator::new(), trust());
    let token = passkey.sign(&claims());
    for alg in ["Ed25519", "ES384", "RS256", "none", "-7"] {
        let forged = Forgery::of(&token).with_header_member("alg", json!(alg));
        let part = token.rsplit_once('.').unwrap().1;
        let forged = format!("{}.{part}", forged.signing_input());
        assert_eq!(codes(&forged, &trust), ["approval_key_unknown"], "{alg}");
    }
    let forgery = Forgery::of(&token);
    let assertion = dangerous::inspect(&token).unwrap().assertion.unwrap();
    let [data, client, signature] = [
        &assertion.authenticator_data,
        &assertion.client_data_json,
        &assertion.signature,
    ]
    .map(|bytes| base64url(bytes));
    let good = format!(r#"{{"authenticatorData":"{data}","clientDataJSON":"{client}","signature":"{signature}"}}"#);
    assert_eq!(codes(&forgery.with_signature(good.as_bytes()), &trust), ["ok"]);
    for bad in [
        String::new(),
        signature.clone(),
        format!("{good} "),
        good.replace(':', ": "),
        good.replace("\"}", "\",\"userHandle\":\"\"}"),
        good.replace(&data, &format!("{data}=")),
        format!(r#"{{"clientDataJSON":"{client}","authenticatorData":"{data}","signature":"{signature}"}}"#),
    ] {
        let codes = codes(&forgery.with_signature(bad.as_bytes()), &trust);
        assert_eq!(codes, ["webauthn_assertion_malformed"], "{bad}");
    }
}

/// High and low S are the same signature to the key, and the token is known by what was signed.
#[test]
fn both_values_of_s_are_accepted() {
    let (passkey, trust) = (Authenticator::new(), trust());
    let input = AssertionInput::for_document(&claims(), &passkey.key().public_key()).unwrap();
    let mut assertion = passkey.assert(input.challenge());
    let signature = p256::ecdsa::Signature::from_der(&assertion.signature).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let one = input.clone().into_token(&assertion);
    assertion.signature = other.to_der().as_bytes().to_vec();
    let two = input.into_token(&assertion);
    assert_ne!(one, two);
    let hash = |token| checked(approval::check, token, &trust).unwrap().token_hash();
    assert_eq!(hash(&one), hash(&two));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any single character of a token, replaced by another.
    #[test]
    fn any_changed_character_fails(at: prop::sample::Index, by in "[A-Za-z0-9_.-]") {
        let token = Authenticator::new().sign(&claims());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &by);
        prop_assume!(changed != token);
        prop_assert_ne!(codes(&changed, &trust()), ["ok"]);
    }

    /// Any single byte of what the authenticator and the browser said.
    #[test]
    fn any_changed_byte_of_an_assertion_fails(part in 0..3_usize, at: prop::sample::Index, bits in 1..=255_u8) {
        let passkey = Authenticator::new();
        let input = AssertionInput::for_document(&claims(), &passkey.key().public_key()).unwrap();
        let mut assertion = passkey.assert(input.challenge());
        let bytes = match part {
            0 => &mut assertion.authenticator_data,
            1 => &mut assertion.client_data_json,
            _ => &mut assertion.signature,
        };
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        prop_assert_ne!(codes(&input.into_token(&assertion), &trust()), ["ok"]);
    }

    /// Anything at all where an assertion is expected: refused, and no panic.
    #[test]
    fn junk_is_refused(data in prop::collection::vec(any::<u8>(), 0..600), client in "\\PC{0,300}", signature in prop::collection::vec(any::<u8>(), 0..100)) {
        let passkey = Authenticator::new();
        let input = AssertionInput::for_document(&claims(), &passkey.key().public_key()).unwrap();
        let junk = actionpass_crypto::webauthn::Assertion {
            authenticator_data: data,
            client_data_json: client.into_bytes(),
            signature,
        };
        prop_assert_ne!(codes(&input.into_token(&junk), &trust()), ["ok"]);
    }
}

mod registration {
    use super::*;

    const CHALLENGE: [u8; 32] = [3; 32];

    fn register(passkey: &Authenticator) -> Result<actionpass_crypto::webauthn::NewPasskey, &'static str> {
        let party = Authenticator::new().relying_party();
        let registration = passkey.register(&CHALLENGE);
        registration
            .verify(&CHALLENGE, &party)
            .map_err(|error| error.code().as_str())
    }

    #[test]
    fn a_new_passkey_is_what_the_trust_store_takes() {
        let passkey = Authenticator::new();
        let new = register(&passkey).unwrap();
        assert_eq!(new.key(), &passkey.key().public_key());
        assert_eq!(new.passkey(), &passkey.passkey());
        assert_eq!(new.origin(), &passkey.passkey().origins()[0]);
        let entry = new
            .approval_key_of(&fixtures::approver())
            .with_roles(vec![fixtures::maintainer()]);
        assert_eq!(
            entry,
            passkey.trust_key(fixtures::approver(), vec![fixtures::maintainer()])
        );
    }

    #[test]
    fn each_fault_of_a_registration_has_its_code() {
        for fault in Fault::ALL {
            let expected = match fault {
                // These are of assertions, or of their length limit.
                Fault::LongAuthenticatorData | Fault::RawSignature | Fault::TrailingSignature | Fault::OtherKey => None,
                Fault::Attested => Some("webauthn_authenticator_data_malformed"),
                fault => Some(fault.code()),
            };
            assert_eq!(
                register(&Authenticator::new().with(*fault)).err(),
                expected,
                "{fault:?}"
            );
        }
        let page = |origin, rp_id| register(&Authenticator::new().on_page(origin, rp_id)).err();
        assert_eq!(
            page("https://example.com", "approve.example.com"),
            Some("webauthn_origin_mismatch")
        );
        assert_eq!(
            page("https://approve.example.com", "example.com"),
            Some("webauthn_rp_id_mismatch")
        );
    }

    fn changed(from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let passkey = Authenticator::new();
        let mut registration = passkey.register(&CHALLENGE);
        let object = &mut registration.attestation_object;
        let at = object.windows(from.len()).position(|bytes| bytes == from).unwrap();
        let length = object.len();
        object.splice(at..at + from.len(), to.iter().copied());
        // What stands inside of the authenticator data changes their length.
        let inside = object.windows(8).position(|bytes| bytes == b"authData").unwrap();
        if at > inside {
            let data = usize::from(object[inside + 9]) + object.len() - length;
            object[inside + 9] = u8::try_from(data).unwrap();
        }
        let verified = registration.verify(&CHALLENGE, &passkey.relying_party());
        verified.map(|_| ()).map_err(|error| error.code().as_str())
    }

    #[test]
    fn attestation_objects_are_strict() {
        let malformed = Err("webauthn_attestation_malformed");
        assert_eq!(changed(b"\xA3\x63fmt", b"\xA3\x63fmt"), Ok(()));
        assert_eq!(
            changed(b"\x64none", b"\x66packed"),
            Err("webauthn_attestation_unsupported")
        );
        assert_eq!(changed(b"attStmt\xA0", b"attStmt\xA1\x61x\x01"), malformed);
        assert_eq!(changed(b"attStmt\xA0", b"attStmt\x80"), malformed);
        assert_eq!(changed(b"\xA3\x63fmt", b"\xA4\x61x\x01\x63fmt"), malformed);
        assert_eq!(changed(b"\xA3\x63fmt", b"\xA4\x63fmt\x64none\x63fmt"), malformed);
        assert_eq!(changed(b"\xA3\x63fmt", b"\xA2\x63fmt"), malformed);
        assert_eq!(changed(b"\xA3\x63fmt", b"\xBF\x63fmt"), malformed);
        assert_eq!(changed(b"\x63fmt\x64none", b""), malformed);
    }

    #[test]
    fn keys_are_strict() {
        let malformed = Err("webauthn_key_malformed");
        let unsupported = Err("webauthn_key_unsupported");
        let head = b"\xA5\x01\x02\x03\x26\x20\x01\x21\x58\x20";
        assert_eq!(changed(head, head), Ok(()));
        // RS256: {1: 3, 3: -257, -1: n, -2: e}, and other algorithms.
        assert_eq!(changed(head, b"\xA4\x01\x03\x03\x39\x01\x00\x20\x58\x20"), unsupported);
        assert_eq!(
            changed(head, b"\xA5\x01\x02\x03\x38\x22\x20\x02\x21\x58\x20"),
            unsupported
        );
        assert_eq!(changed(head, b"\xA4\x01\x02\x20\x01\x21\x58\x20"), unsupported);
        // A type or curve that is not the algorithm's, a member twice or unknown, a coordinate of another length.
        assert_eq!(changed(head, b"\xA5\x01\x01\x03\x26\x20\x01\x21\x58\x20"), malformed);
        assert_eq!(changed(head, b"\xA5\x01\x02\x03\x26\x20\x02\x21\x58\x20"), malformed);
        assert_eq!(changed(head, b"\xA5\x01\x02\x03\x27\x20\x01\x21\x58\x20"), malformed);
        assert_eq!(
            changed(head, b"\xA6\x01\x02\x03\x26\x20\x01\x20\x01\x21\x58\x20"),
            malformed
        );
        assert_eq!(
            changed(head, b"\xA6\x01\x02\x03\x26\x04\x01\x20\x01\x21\x58\x20"),
            malformed
        );
        assert_eq!(changed(head, b"\xA5\x01\x02\x03\x26\x20\x01\x21\x58\x1F"), malformed);
        let x = FixtureKey::PASSKEY.public_key().to_spki_der()[27..59].to_vec();
        let mut off = x.clone();
        off[31] ^= 1;
        assert_eq!(changed(&x, &off), malformed);
    }

    #[test]
    fn ids_have_1_to_1023_bytes() {
        let with = |length: usize| {
            let passkey = Authenticator::new().with_key(FixtureKey::PASSKEY, &vec![7; length]);
            register(&passkey).map(|new| new.passkey().credential_id().as_str().len())
        };
        assert_eq!((with(1), with(1023)), (Ok(2), Ok(1364)));
        for length in [0, 1024] {
            assert_eq!(with(length), Err("webauthn_authenticator_data_malformed"));
        }
    }

    proptest! {
        #[test]
        fn junk_is_refused(object in prop::collection::vec(any::<u8>(), 0..500), cut: prop::sample::Index) {
            let passkey = Authenticator::new();
            let mut registration = passkey.register(&CHALLENGE);
            let whole = registration.attestation_object.clone();
            for bytes in [object, whole[..cut.index(whole.len())].to_vec()] {
                registration.attestation_object = bytes;
                prop_assert!(registration.verify(&CHALLENGE, &passkey.relying_party()).is_err());
            }
        }
    }
}
