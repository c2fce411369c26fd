//! G17: version 1 files and tokens verify in every later release.
//!
//! `tests/golden/v1` holds one file of every kind, and `hashes.json` what they hash to. They are never changed: a
//! release that can't read them, or hashes them otherwise, breaks every ledger and pass that is out there. With
//! `ACTIONPASS_WRITE_GOLDEN` set, files that are missing are written; those that are there never are.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use actionpass_canon::{BoundAction, BoundFacts, Limits, sha256};
use actionpass_core::sign_head;
use actionpass_crypto::{PublicKey, Signer, Unverified, rustcrypto};
use actionpass_model::{
    ApprovalRequest, AssertedApproval, Decision, DecisionBody, Document, EndState, Jwk, OutcomeBody, PassClaims,
    Principal, Revocation, RevocationTarget, SignedDocument, TrustStore,
};
use actionpass_policy::{PolicyEngine, PolicyInput, RulePolicy};
use actionpass_store::ledger::{ChainVerifier, TreeHead, verify_jsonl};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::{Authenticator, block_on, tokens};
use actionpass_verify::{Call, SignedHead, Trust, Verifier, approval};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("golden/v1/{name}: {error}"))
}

fn text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

fn trust() -> Trust {
    Trust::parse(&golden("trust.json")).unwrap()
}

fn trust_with_passkey() -> Trust {
    Trust::parse(&golden("trust-webauthn.json")).unwrap()
}

fn action() -> BoundAction {
    BoundAction::admit(&golden("action.json"), &Limits::default()).unwrap()
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap();
    bytes.push(b'\n');
    bytes
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

const POLICY: &str = r#"schema = "actionpass.policy.v1"
id = "golden"

[[rule]]
id = "tested"
effect = "allow"
tool = "github.pull_requests.*"
resource = "repo:company/*"
when = [
    { path = "payload.repo", same_as = "resource.value" },
    { path = "payload.files[].path", every = { path_glob = "src/**" } },
    { path = "fact.testsPassed", equals = true },
]
lifetime = "5m"

[[rule]]
id = "untested"
effect = "step_up"
tool = "github.pull_requests.*"
unless = [{ path = "fact.testsPassed", equals = true }]
approvals = { count = 1, roles = ["maintainer"], not_owner = true }

[[rule]]
id = "protected"
effect = "deny"
tool = "github.**"
when = [{ path = "payload.files[].path", any = { path_glob = "infra/prod/**" } }]
overridable_by = ["security"]
reason = "off limits"
"#;

/// The private key of RFC 8032 §7.1, test 1.
fn ed25519() -> rustcrypto::SoftwareKey {
    const PREFIX: [u8; 16] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ];
    const SEED: [u8; 32] = [
        0x9D, 0x61, 0xB1, 0x9D, 0xEF, 0xFD, 0x5A, 0x60, 0xBA, 0x84, 0x4A, 0xF4, 0x92, 0xEC, 0x2C, 0xC4, 0x44, 0x49,
        0xC5, 0x69, 0x7B, 0x32, 0x69, 0x19, 0x70, 0x3B, 0xAC, 0x03, 0x1C, 0xAE, 0x7F, 0x60,
    ];
    rustcrypto::SoftwareKey::from_pkcs8_der(&[&PREFIX[..], &SEED].concat()).unwrap()
}

/// The keys that sign heads of the golden ledger, in a trust store.
fn trust_of_heads() -> TrustStore {
    let mut trust = fixtures::trust_store();
    for key in [FixtureKey::LEDGER.public_key(), ed25519().public_key().clone()] {
        trust.keys.push(key.ledger_key_of(&fixtures::origin()));
    }
    trust
}

/// Where a ledger ends, with its tree.
fn tree(ledger: &[u8]) -> TreeHead {
    let verified = verify_jsonl(ledger, ChainVerifier::new().with_tree()).unwrap();
    verified.tree.unwrap()
}

/// Both keys sign the same bytes alike each time (RFC 6979, RFC 8032).
fn signed_head(signer: &dyn Signer, ledger: &[u8]) -> Vec<u8> {
    block_on(sign_head(signer, &tree(ledger)))
        .unwrap()
        .to_string()
        .into_bytes()
}

/// Every golden file, made from the fixtures of today.
fn made() -> BTreeMap<&'static str, Vec<u8>> {
    let revoked = |number, target| pretty(&fixtures::revocation(number, target));
    let pass = fixtures::pass_claims(&fixtures::action());
    let approval = fixtures::approval_claims(&fixtures::action());
    let ledger: Vec<u8> = fixtures::sealed_ledger()
        .iter()
        .flat_map(|record| [record.json(), b"\n"].concat())
        .collect();
    let rogue = Principal::parse("agent:rogue").unwrap();
    let refusal = fixtures::refusal_claims(&fixtures::action());
    let passkey = Authenticator::new();
    BTreeMap::from([
        ("trust-webauthn.json", pretty(&fixtures::trust_store_with_passkey())),
        ("approval-webauthn.jwt", line(&passkey.sign(&approval))),
        ("refusal.jwt", line(&tokens::sign(FixtureKey::APPROVER, &refusal))),
        ("refusal-webauthn.jwt", line(&passkey.sign(&refusal))),
        ("action.json", fixtures::ACTION.into()),
        ("facts.json", fixtures::FACTS.into()),
        ("policy.toml", POLICY.into()),
        ("trust.json", pretty(&fixtures::trust_store())),
        ("issuer.jwk.json", pretty(&FixtureKey::ISSUER.public_key().to_jwk())),
        ("pass.jwt", line(fixtures::PASS)),
        ("pass-with-approval.jwt", line(fixtures::PASS_WITH_APPROVAL)),
        ("approval.jwt", line(fixtures::APPROVAL)),
        (
            "asserted-approval.json",
            pretty(&fixtures::asserted_approval(&fixtures::action())),
        ),
        (
            "revocation-pass.json",
            revoked(
                1,
                RevocationTarget::Pass {
                    id: pass.jti,
                    issuer: pass.iss,
                },
            ),
        ),
        (
            "revocation-approval.json",
            revoked(
                2,
                RevocationTarget::Approval {
                    id: approval.jti,
                    approver: approval.iss,
                },
            ),
        ),
        (
            "revocation-key.json",
            revoked(3, RevocationTarget::Key(FixtureKey::STRANGER.kid())),
        ),
        (
            "revocation-principal.json",
            revoked(4, RevocationTarget::Principal(rogue)),
        ),
        ("trust-ledger.json", pretty(&trust_of_heads())),
        (
            "head-es256.tlog-proof",
            signed_head(&FixtureKey::LEDGER.signer(), &ledger),
        ),
        ("head-ed25519.tlog-proof", signed_head(&ed25519(), &ledger)),
        ("ledger.jsonl", ledger),
        ("request.json", pretty(&fixtures::approval_request())),
        ("decision-observed.json", pretty(&fixtures::observed().0)),
        ("outcome-observed.json", pretty(&fixtures::observed().1)),
        ("outcome-contradicting.json", pretty(&fixtures::contradicting())),
    ])
}

/// What the golden files hash to, as today's release computes it.
fn hashes() -> Value {
    let action = action();
    let facts = BoundFacts::admit(&golden("facts.json"), &Limits::default()).unwrap();
    let policy = RulePolicy::load(&text("policy.toml"), "policy.toml").unwrap();
    let ledger = verify_jsonl(golden("ledger.jsonl").as_slice(), ChainVerifier::new()).unwrap();
    let token_hash = |name: &str| {
        let token = text(name);
        let pass = Unverified::<PassClaims>::parse(token.trim_end())
            .unwrap()
            .verify(trust().keyring())
            .unwrap();
        pass.token_hash()
    };
    let jwk = Jwk::from_json(&golden("issuer.jwk.json")).unwrap();
    json!({
        "action.json": { "actionHash": action.action_hash(), "payloadHash": action.payload_hash(), "contextHash": action.context_hash() },
        "facts.json": { "factsHash": facts.hash() },
        "issuer.jwk.json": { "kid": PublicKey::from_jwk(&jwk).unwrap().kid() },
        "ledger.jsonl": { "head": ledger.head.known().unwrap().to_string() },
        "pass.jwt": { "tokenHash": token_hash("pass.jwt") },
        "pass-with-approval.jwt": { "tokenHash": token_hash("pass-with-approval.jwt") },
        "policy.toml": { "digest": policy.digest() },
        "trust.json": { "digest": trust().evidence().digest },
    })
}

#[test]
fn g17_golden_files_are_what_the_fixtures_make() {
    let writes = std::env::var_os("ACTIONPASS_WRITE_GOLDEN").is_some();
    let missing = |name: &str| writes && !folder().join(name).exists();
    for (name, bytes) in made() {
        if missing(name) {
            fs::create_dir_all(folder()).unwrap();
            fs::write(folder().join(name), &bytes).unwrap();
        }
        assert!(golden(name) == bytes, "golden/v1/{name} is not what the fixtures make");
    }
    if missing("hashes.json") {
        fs::write(folder().join("hashes.json"), pretty(&hashes())).unwrap();
    }
    let known = made();
    for file in fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "hashes.json" || known.contains_key(name.as_str()),
            "golden/v1/{name}: no test reads it"
        );
    }
}

#[test]
fn g17_hashes_are_those_of_then() {
    let then: Value = serde_json::from_slice(&golden("hashes.json")).unwrap();
    assert_eq!(hashes(), then);
}

#[test]
fn g17_signed_heads_of_then_verify() {
    let trust = Trust::parse(&golden("trust-ledger.json")).unwrap();
    for name in ["head-es256.tlog-proof", "head-ed25519.tlog-proof"] {
        let head = SignedHead::verify(&golden(name), &trust, fixtures::seconds()).unwrap();
        assert_eq!(head.head(), &tree(&golden("ledger.jsonl")));
        assert_eq!(head.proof().to_string().into_bytes(), golden(name));
    }
}

#[test]
fn g17_passes_of_then_verify() {
    let (trust, action) = (trust(), action());
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    for name in ["pass.jwt", "pass-with-approval.jwt"] {
        let token = text(name);
        let pass = verifier
            .verify(token.trim_end(), &Call::action(&action), &trust, fixtures::seconds())
            .unwrap();
        assert_eq!(pass.claims().actionpass.payload_hash, action.payload_hash());
        // Written again, the claims are the same bytes.
        let claims = payload_of(&token);
        assert_eq!(pass.claims().to_claims().unwrap(), claims);
    }
}

fn payload_of(token: &str) -> Vec<u8> {
    actionpass_crypto::dangerous::inspect(token.trim_end()).unwrap().payload
}

/// Judges by what the golden action wants.
fn with_context<T>(judge: impl FnOnce(&approval::ApprovalContext<'_>) -> T) -> T {
    let action = action();
    let head = action.action();
    judge(&approval::ApprovalContext {
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
        policy_digest: sha256(b"any"),
        at: fixtures::seconds(),
        dangerously_accept_asserted: true,
    })
}

#[test]
fn g17_approvals_of_then_count() {
    let trust = trust();
    let check = |token: &str| with_context(|context| approval::check(token, context, &trust));
    let signed = check(text("approval.jwt").trim_end()).unwrap();
    assert_eq!(
        (signed.approver(), signed.assurance().as_str()),
        (&fixtures::approver(), "signed")
    );
    let asserted = check(&text("asserted-approval.json")).unwrap();
    assert_eq!(
        (asserted.approver(), asserted.assurance().as_str()),
        (&fixtures::approver(), "asserted")
    );
    let document = AssertedApproval::from_json(&golden("asserted-approval.json")).unwrap();
    assert_eq!(pretty(&document), golden("asserted-approval.json"));
}

/// Refusals, and what passkeys signed, under the trust store that has one.
#[test]
fn g17_refusals_and_passkeys_of_then_count() {
    let document = TrustStore::from_json(&golden("trust-webauthn.json")).unwrap();
    assert_eq!(pretty(&document), golden("trust-webauthn.json"));
    let trust = trust_with_passkey();
    let key = |name: &str| match name {
        "refusal.jwt" => FixtureKey::APPROVER.kid(),
        _ => FixtureKey::PASSKEY.kid(),
    };
    let approved = with_context(|context| approval::check(text("approval-webauthn.jwt").trim_end(), context, &trust));
    let approved = approved.unwrap();
    assert_eq!(
        (approved.approver(), approved.kid()),
        (&fixtures::approver(), Some(&key("approval-webauthn.jwt")))
    );
    for name in ["refusal.jwt", "refusal-webauthn.jwt"] {
        let token = text(name);
        let refused = with_context(|context| approval::check_refusal(token.trim_end(), context, &trust)).unwrap();
        assert_eq!(
            (refused.principal(), refused.kid()),
            (&fixtures::approver(), Some(&key(name)))
        );
        assert!(with_context(|context| approval::check(token.trim_end(), context, &trust)).is_err());
    }
}

#[test]
fn g17_revocations_and_trust_of_then_are_in_force() {
    let mut trust = TrustStore::from_json(&golden("trust.json")).unwrap();
    assert_eq!(pretty(&trust), golden("trust.json"));
    for kind in ["pass", "approval", "key", "principal"] {
        let bytes = golden(&format!("revocation-{kind}.json"));
        let revocation = Revocation::from_json(&bytes).unwrap();
        assert_eq!(pretty(&revocation), bytes);
        trust.revocations.push(revocation);
    }
    let trust = Trust::parse(&serde_json::to_vec(&trust).unwrap()).unwrap();
    let action = action();
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    let refusal = verifier
        .verify(
            text("pass.jwt").trim_end(),
            &Call::action(&action),
            &trust,
            fixtures::seconds(),
        )
        .unwrap_err();
    assert!(refusal.codes().map(|code| code.as_str()).eq(["pass_revoked"]));
}

#[test]
fn g17_policies_of_then_decide_alike() {
    let policy = RulePolicy::load(&text("policy.toml"), "policy.toml").unwrap();
    let facts = BoundFacts::admit(&golden("facts.json"), &Limits::default()).unwrap();
    let action = action();
    let decide = |facts: &BoundFacts| policy.evaluate(&PolicyInput::new(&action, facts, &[])).decision;
    assert_eq!(decide(&facts), Decision::Allow);
    assert_eq!(decide(&BoundFacts::none()), Decision::StepUp);
}

#[test]
fn g17_ledgers_of_then_are_whole() {
    let ledger = golden("ledger.jsonl");
    let whole = verify_jsonl(ledger.as_slice(), ChainVerifier::new()).unwrap();
    assert_eq!(whole.head.size(), 9);
    assert_eq!(whole.log, Some(actionpass_testkit::Testbed::log()));
    let kinds: Vec<String> = String::from_utf8(ledger)
        .unwrap()
        .lines()
        .map(|line| {
            actionpass_model::Record::from_json(line.as_bytes())
                .unwrap()
                .kind
                .as_str()
                .to_owned()
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "decision",
            "revocation",
            "outcome",
            "use",
            "key",
            "trust",
            "policy",
            "erasure",
            "request"
        ]
    );
}

#[test]
fn g17_requests_of_then_are_read() {
    let request = ApprovalRequest::from_json(&golden("request.json")).unwrap();
    assert_eq!(pretty(&request), golden("request.json"));
    assert_eq!(request.ended(fixtures::now()), Some(EndState::Declined));
    let decision: DecisionBody = serde_json::from_slice(&golden("decision-observed.json")).unwrap();
    assert_eq!(pretty(&decision), golden("decision-observed.json"));
    for name in ["outcome-observed.json", "outcome-contradicting.json"] {
        let outcome: OutcomeBody = serde_json::from_slice(&golden(name)).unwrap();
        assert_eq!(pretty(&outcome), golden(name));
    }
}

#[test]
fn g17_a_version_to_come_has_its_own_code() {
    let later = |name: &str| text(name).replacen(".v1\"", ".v2\"", 1);
    let code = |error: actionpass_model::DocumentError| error.code().as_str();
    assert_eq!(
        TrustStore::from_json(later("trust.json").as_bytes())
            .map_err(code)
            .unwrap_err(),
        "schema_unsupported"
    );
    assert_eq!(
        Revocation::from_json(later("revocation-key.json").as_bytes())
            .map_err(code)
            .unwrap_err(),
        "schema_unsupported"
    );
    assert_eq!(
        AssertedApproval::from_json(later("asserted-approval.json").as_bytes())
            .map_err(code)
            .unwrap_err(),
        "schema_unsupported"
    );
    assert_eq!(
        RulePolicy::load(&later("policy.toml"), "policy.toml")
            .unwrap_err()
            .code()
            .as_str(),
        "policy_schema_unsupported"
    );
    let claims =
        actionpass_testkit::tokens::Forgery::of(text("pass.jwt").trim_end()).with_claim(&["actionpass", "v"], json!(2));
    let error = Unverified::<PassClaims>::parse(&claims.sign(FixtureKey::ISSUER))
        .unwrap()
        .verify(trust().keyring())
        .unwrap_err();
    assert_eq!(error.code().as_str(), "version_unsupported");
}
