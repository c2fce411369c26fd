//! The facade as a binding uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actionpass::policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP, STARTER_POLICY};
use serde_json::{Value, json};

use super::*;
use crate::demo::{AssertedArtifact, Quickstart};
use crate::process::Process;

const ISSUER: &str = "https://issuer.example";

/// What a foreign signer does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    Signs,
    Fails,
    GivesShort,
    SignsWithAnother,
    Stalls,
}

struct Keeper {
    key: p256::ecdsa::SigningKey,
    manner: Manner,
    calls: AtomicUsize,
}

impl Keeper {
    fn new(seed: u8, manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            key: p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap(),
            manner,
            calls: AtomicUsize::new(0),
        })
    }

    fn public_pem(&self) -> String {
        use p256::pkcs8::EncodePublicKey as _;
        let der = self.key.verifying_key().to_public_key_der().unwrap();
        actionpass::crypto::PublicKey::from_spki_der(der.as_bytes())
            .unwrap()
            .to_spki_pem()
    }

    fn signing_key(self: &Arc<Self>) -> SigningKey {
        SigningKey::foreign(&self.public_pem(), "callback", Arc::clone(self) as _).unwrap()
    }
}

impl ForeignSigner for Keeper {
    fn sign(&self, input: Vec<u8>) -> ForeignSignature {
        use p256::ecdsa::signature::Signer as _;
        self.calls.fetch_add(1, Ordering::SeqCst);
        let signed: p256::ecdsa::Signature = self.key.sign(&input);
        let mut bytes = signed.to_bytes().to_vec();
        let manner = self.manner;
        if manner == Manner::SignsWithAnother {
            let other = p256::ecdsa::SigningKey::from_slice(&[99; 32]).unwrap();
            let signed: p256::ecdsa::Signature = other.sign(&input);
            bytes = signed.to_bytes().to_vec();
        }
        Box::pin(async move {
            match manner {
                Manner::Signs | Manner::SignsWithAnother => Ok(bytes),
                Manner::Fails => Err("the drawer is locked".to_owned()),
                Manner::GivesShort => {
                    bytes.truncate(63);
                    Ok(bytes)
                }
                Manner::Stalls => std::future::pending().await,
            }
        })
    }
}

fn action(text: &str) -> Action {
    Action::admit(text.as_bytes()).unwrap()
}

fn issuer_options(policy: &str) -> Value {
    json!({ "issuer": ISSUER, "tenants": ["org:example"], "policy": policy })
}

fn caller() -> Value {
    json!({
        "tenant": "org:example",
        "agent": "agent:codex-prod",
        "humanOwner": "user:owner@example.com",
        "runtime": "runtime:codex-cli",
    })
}

fn open(key: &SigningKey, trust: &Trust) -> Issuer {
    wait(Issuer::open(
        &issuer_options(STARTER_POLICY).to_string(),
        key.clone(),
        trust.clone(),
    ))
    .unwrap()
}

fn ask(issuer: &Issuer, of: &str, approvals: &[&str]) -> Result<actionpass::Authorization, Error> {
    let stated = json!({ "caller": caller(), "approvals": approvals });
    wait(issuer.authorize(action(of), None, &stated.to_string()))
}

fn verifier(audience: &str, trust: &Trust) -> Verifier {
    let options = json!({ "issuer": ISSUER, "audience": audience, "tenant": "org:example" });
    Verifier::new(&options.to_string(), trust.clone()).unwrap()
}

fn tool_of(text: &str) -> String {
    action(text).bound().action().capability.tool.as_str().to_owned()
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::from_str(&to_json(of).unwrap()).unwrap()
}

#[test]
fn hashes_are_of_canonical_bytes_and_refusals_say_where() {
    assert_eq!(canonicalize(br#"{"b":1.0,"a":"x"}"#).unwrap(), r#"{"a":"x","b":1}"#);
    assert_eq!(hash(b" [ ] ").unwrap(), hash(b"[]").unwrap());
    let error = hash(br#"{"a":1,"a":2}"#).unwrap_err();
    assert_eq!((error.code(), error.offset()), ("member_duplicate", Some(7)));
    let error = hash(br#"{"a":"\ud800"}"#).unwrap_err();
    assert_eq!(error.code(), "lone_surrogate");
    let error = Action::admit(&EXAMPLE_ALLOW.replace("agent:", "user:").into_bytes()).unwrap_err();
    assert_eq!(error.path(), Some("actor.agent"));
    let told = value(&error);
    assert_eq!(told["codes"][0], told["code"]);
}

#[test]
fn options_are_read_strictly() {
    for (options, path) in [
        (
            r#"{"issuer":"https://a.example","audience":"x","tenant":"example"}"#,
            Some("tenant"),
        ),
        (
            r#"{"issuer":"https://a.example","audience":"x","tenant":"org:a","lifetime":1}"#,
            Some("lifetime"),
        ),
        (r#"{"issuer":"https://a.example","audience":"x"}"#, None),
        (r#"{"issuer":1,"audience":"x","tenant":"org:a"}"#, Some("issuer")),
        ("{} {}", None),
    ] {
        let error = Verifier::new(options, Trust::of("[]").unwrap()).unwrap_err();
        assert_eq!(
            (error.code(), error.path()),
            ("argument_invalid", path),
            "{options}: {error}"
        );
    }
}

#[test]
fn a_foreign_key_issues_and_an_executor_consumes_once() {
    let keeper = Keeper::new(7, Manner::Signs);
    let trust = Trust::of("[]").unwrap();
    let issuer = open(&keeper.signing_key(), &trust);
    let decided = ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap();
    let told = value(&decided);
    assert_eq!(told["decision"], "allow");
    let token = told["pass"]["token"].as_str().unwrap();
    assert!(keeper.calls.load(Ordering::SeqCst) > 0);

    let verifier = verifier(&tool_of(EXAMPLE_ALLOW), &trust);
    let store = ReplayStore::memory(r#"{"first":true}"#).unwrap();
    let whole = Call::action(&action(EXAMPLE_ALLOW));
    let verified = verifier.verify(token, &whole).unwrap();
    let told = value(&verified);
    assert_eq!((&told["valid"], &told["claims"]["iss"]), (&json!(true), &json!(ISSUER)));
    assert_eq!(verified.payload(), action(EXAMPLE_ALLOW).payload());
    assert!(wait(verifier.consume(token, &whole, &store)).is_ok());
    let error = wait(verifier.consume(token, &whole, &store)).unwrap_err();
    assert_eq!(error.code(), "already_used");

    // By parts: what isn't stated isn't compared, and another payload is refused.
    let capability = &action(EXAMPLE_ALLOW).bound().action().capability.clone();
    let head = json!({ "tool": capability.tool, "resource": capability.resource }).to_string();
    let parts = Call::parts(&head, action(EXAMPLE_ALLOW).payload().as_bytes()).unwrap();
    let told = value(&verifier.verify(token, &parts).unwrap());
    assert_eq!(told["compared"], json!(["tool", "resource", "payload"]));
    let error = verifier.verify(token, &Call::parts(&head, b"{}").unwrap()).unwrap_err();
    assert_eq!(error.codes().collect::<Vec<_>>(), ["payload_hash_mismatch"]);

    // A store that doesn't know of before refuses what may have been used then.
    let late = ReplayStore::memory("{}").unwrap();
    let error = wait(verifier.consume(token, &whole, &late)).unwrap_err();
    assert_eq!(error.code(), "replay_state_lost");
}

#[test]
fn foreign_signers_that_misbehave_make_no_pass() {
    for (manner, code) in [
        (Manner::Fails, "custodian_unavailable"),
        (Manner::GivesShort, "signature_self_check_failed"),
        (Manner::SignsWithAnother, "signature_self_check_failed"),
        (Manner::Stalls, "custodian_unavailable"),
    ] {
        let keeper = Keeper::new(7, manner);
        let mut options = issuer_options(STARTER_POLICY);
        options["signingTimeout"] = json!(1);
        let opened = wait(Issuer::open(
            &options.to_string(),
            keeper.signing_key(),
            Trust::of("[]").unwrap(),
        ));
        let error = ask(&opened.unwrap(), EXAMPLE_ALLOW, &[]).unwrap_err();
        assert_eq!(error.code(), code, "{manner:?}: {error}");
    }
}

#[test]
fn a_public_key_is_found_from_two_signatures() {
    let keeper = Keeper::new(7, Manner::Signs);
    let found: Value = serde_json::from_str(&wait(recover_public_key(Arc::clone(&keeper) as _)).unwrap()).unwrap();
    let known: Value = serde_json::from_str(&keeper.signing_key().public_jwk().unwrap()).unwrap();
    assert_eq!(found, known);
    assert_eq!(keeper.calls.load(Ordering::SeqCst), 2);
    for manner in [Manner::Fails, Manner::GivesShort] {
        let error = wait(recover_public_key(Keeper::new(7, manner) as _)).unwrap_err();
        assert_eq!(error.code(), "public_key_unknown", "{manner:?}");
    }
    // Each time another key: no key fits both.
    struct Fickle(AtomicUsize);
    impl ForeignSigner for Fickle {
        fn sign(&self, input: Vec<u8>) -> ForeignSignature {
            let seed = u8::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap();
            Keeper::new(seed.saturating_add(1), Manner::Signs).sign(input)
        }
    }
    let error = wait(recover_public_key(Arc::new(Fickle(AtomicUsize::new(0))))).unwrap_err();
    assert_eq!(error.code(), "public_key_unknown");
}

#[test]
fn approvals_are_signed_by_any_key_and_bind_the_action() {
    let maya = Keeper::new(8, Manner::Signs);
    let maya_jwk: Value = serde_json::from_str(&maya.signing_key().public_jwk().unwrap()).unwrap();
    let keys = json!([{ "principal": "user:maya@example.com", "key": maya_jwk, "roles": ["maintainer"] }]);
    let trust = Trust::of(&keys.to_string()).unwrap();
    let issuer = open(&Keeper::new(7, Manner::Signs).signing_key(), &trust);
    assert_eq!(
        value(&ask(&issuer, EXAMPLE_STEP_UP, &[]).unwrap())["decision"],
        "step_up"
    );
    let options = json!({ "issuer": ISSUER, "as": "user:maya@example.com", "reason": "read it" });
    let approval = wait(approve(
        action(EXAMPLE_STEP_UP),
        maya.signing_key(),
        &options.to_string(),
    ))
    .unwrap();
    let told = value(&ask(&issuer, EXAMPLE_STEP_UP, &[&approval]).unwrap());
    assert_eq!(told["decision"], "allow");
    let token = told["pass"]["token"].as_str().unwrap();
    let verified = verifier(&tool_of(EXAMPLE_STEP_UP), &trust)
        .verify(token, &Call::action(&action(EXAMPLE_STEP_UP)))
        .unwrap();
    assert_eq!(value(&verified)["approvals"][0]["assurance"], "signed");

    let incomplete =
        json!({ "issuer": ISSUER, "as": "user:maya@example.com", "reason": "r", "mode": "policy_override" });
    let error = wait(approve(
        action(EXAMPLE_STEP_UP),
        maya.signing_key(),
        &incomplete.to_string(),
    ))
    .unwrap_err();
    assert_eq!((error.code(), error.path()), ("argument_invalid", Some("mode")));
    let failing = Keeper::new(8, Manner::GivesShort);
    let error = wait(approve(
        action(EXAMPLE_STEP_UP),
        failing.signing_key(),
        &options.to_string(),
    ))
    .unwrap_err();
    assert_eq!(error.code(), "signature_self_check_failed");
}

#[test]
fn what_an_issuer_revokes_its_verifiers_refuse() {
    let trust = Trust::of("[]").unwrap();
    let issuer = open(&Keeper::new(7, Manner::Signs).signing_key(), &trust);
    let told = value(&ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap());
    let (id, token) = (
        told["pass"]["id"].as_str().unwrap(),
        told["pass"]["token"].as_str().unwrap(),
    );
    let verifier = verifier(&tool_of(EXAMPLE_ALLOW), &issuer.trust().unwrap());
    let call = Call::action(&action(EXAMPLE_ALLOW));
    assert!(verifier.verify(token, &call).is_ok());
    let before = trust.version().unwrap();
    let revoke = json!({ "pass": id, "reason": "leaked", "by": "user:owner@example.com" });
    assert_eq!(
        value(&wait(issuer.revoke(&revoke.to_string())).unwrap())["revocation"]["target"]["id"],
        id
    );
    assert_eq!(verifier.verify(token, &call).unwrap_err().code(), "pass_revoked");
    assert_eq!(trust.version().unwrap(), before + 1);
    let both = json!({ "pass": id, "principal": "agent:a", "reason": "r", "by": "user:owner@example.com" });
    let error = wait(issuer.revoke(&both.to_string())).unwrap_err();
    assert_eq!(error.code(), "argument_invalid");

    assert_eq!(issuer.name().unwrap(), ISSUER);
    issuer.close();
    assert_eq!(ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap_err().code(), "issuer_closed");
    issuer.close();
}

#[test]
fn memory_is_bounded_and_files_are_shared() {
    let mut options = issuer_options(STARTER_POLICY);
    options["store"] = json!({ "memory": { "capacity": 2 } });
    let key = Keeper::new(7, Manner::Signs).signing_key();
    let issuer = wait(Issuer::open(
        &options.to_string(),
        key.clone(),
        Trust::of("[]").unwrap(),
    ))
    .unwrap();
    // The first record says which policy is in force.
    assert!(ask(&issuer, EXAMPLE_ALLOW, &[]).is_ok());
    assert_eq!(ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap_err().code(), "store_full");

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(
        ReplayStore::sqlite(&path("used.db"), "{}").unwrap_err().code(),
        "store_missing"
    );
    let first = ReplayStore::sqlite(&path("used.db"), r#"{"create":true}"#).unwrap();
    let second = ReplayStore::sqlite(&path("used.db"), "{}").unwrap();

    // The same trust at each start, so the ledger in the file goes on.
    let document = Trust::of("[]").unwrap().to_json().unwrap();
    options["store"] = json!({ "sqlite": path("ledger.db") });
    let mut tokens = Vec::new();
    let trust = Trust::parse(document.as_bytes()).unwrap();
    for _ in 0..2 {
        let trust = Trust::parse(document.as_bytes()).unwrap();
        let issuer = wait(Issuer::open(&options.to_string(), key.clone(), trust)).unwrap();
        let told = value(&ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap());
        tokens.push(told["pass"]["token"].as_str().unwrap().to_owned());
        issuer.close();
    }
    let issuer = wait(Issuer::open(&options.to_string(), key, trust.clone())).unwrap();
    let verifier = verifier(&tool_of(EXAMPLE_ALLOW), &issuer.trust().unwrap());
    let call = Call::action(&action(EXAMPLE_ALLOW));
    for token in &tokens {
        assert!(wait(verifier.consume(token, &call, &first)).is_ok());
        assert_eq!(
            wait(verifier.consume(token, &call, &second)).unwrap_err().code(),
            "already_used"
        );
    }
}

#[test]
fn a_home_is_opened_and_closed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("home");
    let name = actionpass::model::Issuer::parse(ISSUER).unwrap();
    let tenant = actionpass::model::Tenant::parse("org:example").unwrap();
    wait(actionpass::NewHome::new(name, vec![tenant]).create(&root, &actionpass::custody::NoSecrets)).unwrap();
    let issuer = wait(Issuer::open_home(root.to_str().unwrap(), None)).unwrap();
    let told = value(&ask(&issuer, EXAMPLE_ALLOW, &[]).unwrap());
    assert_eq!(told["decision"], "allow");
    let watched = Trust::watch(root.join("trust.json").to_str().unwrap()).unwrap();
    let verifier = verifier(&tool_of(EXAMPLE_ALLOW), &watched);
    let call = Call::action(&action(EXAMPLE_ALLOW));
    let token = told["pass"]["token"].as_str().unwrap();
    let used = issuer.replay_store().unwrap();
    assert!(wait(verifier.consume(token, &call, &used)).is_ok());
    // The trust file is looked at anew for each call.
    let revoke = json!({ "principal": "agent:codex-prod", "reason": "retired", "by": "user:owner@example.com" });
    wait(issuer.revoke(&revoke.to_string())).unwrap();
    assert_eq!(verifier.verify(token, &call).unwrap_err().code(), "principal_revoked");
    let missing = wait(Issuer::open_home(folder.path().join("none").to_str().unwrap(), None)).unwrap_err();
    assert_eq!(missing.code(), "home_missing");
}

/// Whatever lies in its folder: an exported `trust.json` is not the one in force.
#[test]
fn a_home_in_a_database_is_asked_through_its_service() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("home");
    let name = actionpass::model::Issuer::parse(ISSUER).unwrap();
    let tenant = actionpass::model::Tenant::parse("org:example").unwrap();
    wait(actionpass::NewHome::new(name, vec![tenant]).create(&root, &actionpass::custody::NoSecrets)).unwrap();
    let config = std::fs::read_to_string(root.join("config.toml")).unwrap();
    let database = "[store]\nurl = \"postgres://gate@127.0.0.1:1/actionpass\"\n";
    std::fs::write(root.join("config.toml"), format!("{config}\n{database}")).unwrap();
    let refused = wait(Issuer::open_home(root.to_str().unwrap(), None)).unwrap_err();
    assert_eq!((refused.code(), refused.path()), ("argument_invalid", Some("home")));
    for hint in ["PostgreSQL", "`actionpass serve`", "client"] {
        assert!(refused.message().contains(hint), "{refused}");
    }
}

#[test]
fn a_forked_copy_is_refused() {
    assert!(Process::current().check().is_ok());
    assert_eq!(Process::another().check().unwrap_err().code(), "store_forked");
}

fn artifact(of: &str) -> AssertedArtifact {
    let said = r#"{"mode":"human","approvedBy":"user:reviewer@example.com","reason":"Reviewed the exact PR payload"}"#;
    AssertedArtifact::new(action(of), said).unwrap()
}

fn quickstart(issuer: &str) -> Result<Quickstart, Error> {
    let options = json!({ "issuer": issuer, "tenant": "org:example" }).to_string();
    let key = Keeper::new(7, Manner::Signs).signing_key();
    wait(Quickstart::open(&options, key, &action(demo::ACTION)))
}

#[test]
fn the_demo_action_is_allowed_by_a_name_alone_and_nothing_else_is() {
    let local = "https://axtary.local";
    let engine = quickstart(local).unwrap();
    assert!(engine.is_demo());
    let yes = artifact(demo::ACTION);
    let told = value(&wait(engine.authorize(action(demo::ACTION), None, Some(yes.clone()), "{}")).unwrap());
    assert_eq!(told["decision"], "allow");
    assert_eq!(
        told["payloadHash"],
        "sha256:dd2d07355b5ebe06ee0b137a71eb6dc77b207a623c3524f7a2a6b63b92e20f22"
    );
    let token = told["pass"]["token"].as_str().unwrap();
    let key = Keeper::new(7, Manner::Signs).public_pem();
    let stated = json!({ "issuer": local }).to_string();
    let verified = demo::verify(token, &action(demo::ACTION), &key, &stated).unwrap();
    let claims = value(&verified)["claims"].clone();
    assert_eq!(claims["aud"], demo::AUDIENCE);
    assert_eq!(claims["actionpass"]["approvals"][0]["assurance"], "asserted");

    // Used up; and none at all.
    let again = value(&wait(engine.authorize(action(demo::ACTION), None, Some(yes), "{}")).unwrap());
    assert_eq!(again["decision"], "step_up");
    assert!(
        again["reasons"].to_string().contains("approval_already_used"),
        "{again}"
    );
    let none = value(&wait(engine.authorize(action(demo::ACTION), None, None, "{}")).unwrap());
    assert_eq!(none["decision"], "step_up");

    // Another action, and another issuer.
    let other = demo::ACTION.replace("Fix the retry loop", "Fix the other loop");
    let yes = artifact(&other);
    let error = wait(engine.authorize(action(&other), None, Some(yes), "{}")).unwrap_err();
    assert_eq!(error.code(), "policy_required");
    for name in [
        "https://axtary.com",
        "urn:uuid:01920000-0000-7000-8000-000000000001",
        "https://local.axtary.com",
        "https://a@x.local",
    ] {
        assert!(
            quickstart(name)
                .is_err_and(|error| error.code() == "policy_required" || error.code() == "argument_invalid"),
            "{name}"
        );
    }
    // A real verifier, with the demo's own audience, says what it lacks.
    let trust = Trust::of(&json!([{ "issuer": local, "key": key }]).to_string()).unwrap();
    let options = json!({ "issuer": local, "audience": demo::AUDIENCE, "tenant": "org:example" });
    let strict = Verifier::new(&options.to_string(), trust).unwrap();
    let error = strict.verify(token, &Call::action(&action(demo::ACTION))).unwrap_err();
    assert_eq!(error.codes().collect::<Vec<_>>(), ["approval_unsigned"]);
}

#[test]
fn with_a_policy_of_its_own_a_name_alone_counts_for_nothing() {
    let maya = Keeper::new(8, Manner::Signs);
    let approvers =
        json!([{ "principal": "user:maya@example.com", "key": maya.public_pem(), "roles": ["maintainer"] }]);
    let options =
        json!({ "issuer": ISSUER, "tenant": "org:example", "policy": STARTER_POLICY, "approvers": approvers });
    let key = Keeper::new(7, Manner::Signs);
    let opened = wait(Quickstart::open(
        &options.to_string(),
        key.signing_key(),
        &action(demo::ACTION),
    ));
    let engine = opened.unwrap();
    assert!(!engine.is_demo());
    let told = wait(engine.authorize(action(demo::ACTION), None, Some(artifact(demo::ACTION)), "{}")).unwrap();
    let told = value(&told);
    assert_eq!(told["decision"], "step_up");
    assert!(told["reasons"].to_string().contains("approval_unsigned"), "{told}");

    // Signed it does, and the pass is for the real executor.
    let yes = json!({ "issuer": ISSUER, "as": "user:maya@example.com", "reason": "read it" });
    let approval = wait(approve(action(demo::ACTION), maya.signing_key(), &yes.to_string())).unwrap();
    let with = json!({ "approvals": [approval] }).to_string();
    let told = value(&wait(engine.authorize(action(demo::ACTION), None, None, &with)).unwrap());
    assert_eq!(told["decision"], "allow");
    let token = told["pass"]["token"].as_str().unwrap();
    let stated = json!({ "issuer": ISSUER, "approvers": approvers }).to_string();
    let verified = demo::verify(token, &action(demo::ACTION), &key.public_pem(), &stated).unwrap();
    assert_eq!(value(&verified)["claims"]["aud"], tool_of(demo::ACTION));
    let unknown = demo::verify(
        token,
        &action(demo::ACTION),
        &key.public_pem(),
        &json!({ "issuer": ISSUER }).to_string(),
    );
    assert_eq!(unknown.unwrap_err().code(), "approval_key_unknown");
}

#[test]
fn keys_come_as_jwk_or_pem_and_never_private() {
    let keeper = Keeper::new(7, Manner::Signs);
    let mut jwk: Value = serde_json::from_str(&keeper.signing_key().public_jwk().unwrap()).unwrap();
    jwk["ext"] = json!(true);
    let foreign = SigningKey::foreign(&jwk.to_string(), "webcrypto", Arc::clone(&keeper) as _).unwrap();
    assert_eq!(foreign.kid(), keeper.signing_key().kid());
    jwk["d"] = json!("AA");
    let error = SigningKey::foreign(&jwk.to_string(), "webcrypto", Arc::clone(&keeper) as _).unwrap_err();
    assert_eq!(error.code(), "private_key_member");
    let error = Trust::of(&json!([{ "issuer": ISSUER, "key": jwk }]).to_string()).unwrap_err();
    assert_eq!(error.code(), "private_key_member");
    let error = Trust::of(&json!([{ "key": keeper.public_pem() }]).to_string()).unwrap_err();
    assert_eq!((error.code(), error.path()), ("argument_invalid", Some("[0]")));
    let error = SigningKey::foreign(&keeper.public_pem(), "a b", keeper as _).unwrap_err();
    assert_eq!(error.path(), Some("custodian"));
    assert_eq!(
        SigningKey::open("env:ACTIONPASS_NO_SUCH_KEY", None).unwrap_err().code(),
        "key_variable_missing"
    );
}

#[test]
fn the_service_is_asked_by_name() {
    assert_eq!(
        Client::new("http://gate.example.com", "t").unwrap_err().code(),
        "service_address_refused"
    );
    let client = Client::new("http://localhost:1", "token").unwrap();
    assert_eq!(client.ask("no such", "{}").unwrap_err().path(), Some("method"));
    assert_eq!(client.ask("request", r#"{"id":"x"}"#).unwrap_err().path(), Some("id"));
    assert!(Client::METHODS.is_sorted());
}
