//! G16: malformed input of any kind yields a code, never a panic.

use actionpass_canon::{BoundAction, BoundFacts, Limits, admit, rfc8785};
use actionpass_crypto::{Algorithm, Keyring, PublicKey, Signature, SoftwareKey, Unverified, dangerous, jose};
use actionpass_custody::PrivatePem;
use actionpass_model::{
    Action, Agent, ApprovalClaims, AssertedApproval, Digest, Document, Facts, Jwk, KeyId, PassClaims, PassId, Record,
    Resource, Revocation, SignedDocument, Statement, Timestamp, Tool, TrustStore,
};
use actionpass_policy::RulePolicy;
use actionpass_policy::testing::PolicyTests;
use actionpass_store::ledger::{ChainVerifier, KnownHead, verify_jsonl};
use actionpass_store::trust_file::TrustSnapshot;
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::strategies::hostile;
use actionpass_testkit::{Testbed, fixtures};
use actionpass_verify::Trust;
use proptest::prelude::*;

/// Every code of an error is one that programs can compare.
fn is_code(code: &str) -> bool {
    actionpass_model::Code::parse(code).is_some()
}

/// Runs every reader of bytes on these, and gives the codes of the errors.
fn read_bytes(bytes: &[u8]) -> Vec<String> {
    let limits = Limits::default();
    let mut codes = Vec::new();
    let mut found = |code: Option<String>| codes.extend(code);
    found(admit(bytes, &limits).err().map(|error| error.code().to_string()));
    found(
        BoundAction::admit(bytes, &limits)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        BoundFacts::admit(bytes, &limits)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        rfc8785::transform(bytes, &limits)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(Action::from_json(bytes).err().map(|error| error.code().to_string()));
    found(Facts::from_json(bytes).err().map(|error| error.code().to_string()));
    found(
        AssertedApproval::from_json(bytes)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(Revocation::from_json(bytes).err().map(|error| error.code().to_string()));
    found(Record::from_json(bytes).err().map(|error| error.code().to_string()));
    found(TrustStore::from_json(bytes).err().map(|error| error.code().to_string()));
    found(Jwk::from_json(bytes).err().map(|error| error.code().to_string()));
    found(Trust::parse(bytes).err().map(|error| error.code().to_string()));
    found(
        TrustSnapshot::from_bytes(bytes.to_vec())
            .err()
            .map(|error| error.code().to_string()),
    );
    let _ = PassClaims::from_claims(bytes).map_err(|error| error.to_string());
    let _ = ApprovalClaims::from_claims(bytes).map_err(|error| error.to_string());
    found(
        PublicKey::from_spki_der(bytes)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        SoftwareKey::from_pkcs8_der(bytes)
            .err()
            .map(|error| error.code().to_string()),
    );
    let _ = Signature::from_der(Algorithm::Es256, bytes).map_err(|error| error.to_string());
    let _ = Signature::from_integers(Algorithm::Es256, bytes, bytes).map_err(|error| error.to_string());
    found(
        ChainVerifier::new()
            .push(bytes)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        verify_jsonl(bytes, ChainVerifier::new())
            .err()
            .map(|error| error.code().to_string()),
    );
    if let Ok(store) = TrustStore::from_json(bytes) {
        found(Keyring::from_trust(&store).err().map(|error| error.code().to_string()));
    }
    codes
}

/// Runs every reader of text on this, and gives the codes of the errors.
fn read_text(text: &str) -> Vec<String> {
    let mut codes = read_bytes(text.as_bytes());
    let mut found = |code: Option<String>| codes.extend(code);
    found(
        Unverified::<PassClaims>::parse(text)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        Unverified::<ApprovalClaims>::parse(text)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(jose::to_json(text).err().map(|error| error.code().to_string()));
    found(jose::from_json(text).err().map(|error| error.code().to_string()));
    found(dangerous::inspect(text).err().map(|error| error.code().to_string()));
    found(
        dangerous::verify_published(text, &fixtures::FixtureKey::ISSUER.public_key())
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        PublicKey::from_spki_pem(text)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        PublicKey::from_openssh(text)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        PrivatePem::decode(text, None)
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        RulePolicy::load(text, "policy.toml")
            .err()
            .map(|error| error.code().to_string()),
    );
    found(
        PolicyTests::load(text, "policy-tests.toml")
            .err()
            .map(|error| error.code().to_string()),
    );
    let _ = (
        text.parse::<KnownHead>(),
        Digest::parse(text),
        Timestamp::parse(text),
        KeyId::parse(text),
        PassId::parse(text),
    );
    let _ = (
        Agent::parse(text),
        Tool::parse(text),
        Resource::parse(text),
        Statement::parse(text),
    );
    codes
}

/// What attackers try first.
const CLASSICS: &[&str] = &[
    "",
    " ",
    "null",
    "{}",
    "[]",
    "\"",
    "{",
    "}",
    "\u{FEFF}{}",
    "{\"a\":1,\"a\":2}",
    "1e400",
    "-",
    "0e99999999999",
    "..",
    "...",
    "a.b.c",
    ".",
    "eyJhbGciOiJub25lIn0..",
    "{\"schema\":null}",
    "{\"schema\":{}}",
    "{\"schema\":\"actionpass.action.v99999999999999999999\"}",
    "{\"schema\":\"actionpass.trust.v1\",\"keys\":{}}",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
    "schema = \"actionpass.policy.v1\"\n[[rule]]",
    "[[rule]]\nwhen = [[[[",
    "1:sha256:",
    "9999-99-99T99:99:99.999Z",
];

#[test]
fn g16_classics() {
    for text in CLASSICS {
        for code in read_text(text) {
            assert!(is_code(&code), "{text:?}: {code}");
        }
    }
}

#[test]
fn g16_deep_and_huge_input_ends_at_once() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "\"".repeat(3 << 20),
        "9".repeat(3 << 20),
        ".".repeat(1 << 20),
        "a".repeat(1 << 20),
    ] {
        let _ = read_bytes(text.as_bytes());
        let _ = Unverified::<PassClaims>::parse(&text).unwrap_err();
    }
    let policy = format!("schema = \"actionpass.policy.v1\"\nid = {}", "[".repeat(10_000));
    assert!(RulePolicy::load(&policy, "policy.toml").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn g16_any_bytes(bytes in hostile::bytes()) {
        for code in read_bytes(&bytes) {
            prop_assert!(is_code(&code), "{}", code);
        }
    }

    #[test]
    fn g16_any_text(text in hostile::texts()) {
        for code in read_text(&text) {
            prop_assert!(is_code(&code), "{}", code);
        }
    }

    #[test]
    fn g16_any_token_offered_to_an_executor_or_as_an_approval(token in hostile::texts()) {
        let action = fixtures::action();
        if let Err(refusal) = Testbed::new().verify(&token, &action) {
            prop_assert!(refusal.codes().all(|code| is_code(code.as_str())));
            prop_assert!(refusal.codes().count() > 0);
        } else {
            prop_assert!([fixtures::PASS, fixtures::PASS_WITH_APPROVAL].contains(&token.as_str()));
        }
        let bed = Testbed::new().with_policy(NeedsApprovals::new(1));
        let authorization = bed.authorize_with(&action, None, std::slice::from_ref(&token)).unwrap();
        prop_assert_eq!(authorization.pass.is_some(), token == fixtures::APPROVAL);
    }
}
