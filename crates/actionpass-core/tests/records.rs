//! What the records of decisions say: who approved, who offered in vain, who was refused before anybody judged, and that a
//! salted record and what lies beside it say nothing that could be guessed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Arc, Mutex};

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_core::verify::{Call, Verifier};
use actionpass_core::{
    Administrator, Approval, Authorization, AuthorizeError, Clock, Deployment, Issuer, IssuerConfig, ObservedOutcome,
    PartFuture, Request, System,
};
use actionpass_crypto::{KeyError, PublicKey, Signer, SoftwareKey};
use actionpass_model::{
    Caller, CodedError, Decision, DecisionBody, DecisionRef, Digest, KeyId, OutcomeBody, OutcomeStatus, RecordId,
    RecordKind, Role, Tenant, Tenants, TrustStore,
};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP, PolicyEngine, RulePolicy, STARTER_POLICY};
use actionpass_store::ledger::Salt;
use actionpass_store::{ActionKey, DecisionStore, Ledger, MemoryDecisionStore, MemoryTrust, SideKind, TrustDocument};
use pollster::block_on;
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example";
const TENANT: &str = "org:example";
const APPROVER: &str = "user:maya@example.com";

/// A policy and a key that can be replaced, or be missing.
#[derive(Debug)]
struct Parts {
    policy: Mutex<String>,
    key: Option<Arc<SoftwareKey>>,
}

impl Deployment for Parts {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        let policy = RulePolicy::load(&self.policy.lock().unwrap(), "policy.toml").unwrap();
        Box::pin(ready(Ok(Arc::new(policy) as _)))
    }

    fn signer(&self) -> PartFuture<'_, dyn Signer> {
        let missing = || Box::new(KeyError::Unsupported) as Box<dyn CodedError + Send + Sync>;
        Box::pin(ready(self.key.clone().map(|key| key as _).ok_or_else(missing)))
    }
}

struct Place {
    parts: Arc<Parts>,
    approver: SoftwareKey,
    trust: Arc<MemoryTrust>,
    store: Arc<MemoryDecisionStore>,
    config: IssuerConfig,
}

impl Place {
    fn new(change: impl FnOnce(IssuerConfig) -> IssuerConfig) -> Self {
        let (key, approver) = (
            Arc::new(SoftwareKey::generate().unwrap()),
            SoftwareKey::generate().unwrap(),
        );
        let mut trust = TrustStore::new(System.now().unwrap());
        trust.keys.push(
            key.public_key()
                .pass_key_of(&ISSUER.parse().unwrap())
                .with_tenants(Tenants::Any),
        );
        trust.keys.push(approval_key(approver.public_key()));
        let config = IssuerConfig::new(ISSUER.parse().unwrap(), vec![TENANT.parse().unwrap()]);
        let config = change(config);
        Self {
            parts: Arc::new(Parts {
                policy: Mutex::new(STARTER_POLICY.to_owned()),
                key: Some(key),
            }),
            approver,
            trust: Arc::new(MemoryTrust::new(&trust).unwrap()),
            store: Arc::new(MemoryDecisionStore::new(config.log().unwrap())),
            config,
        }
    }

    fn open_with(&self, parts: &Arc<Parts>, trust: Arc<dyn TrustDocument>) -> Result<Issuer, AuthorizeError> {
        let store = Arc::clone(&self.store) as _;
        let builder = Issuer::builder(self.config.clone(), Arc::clone(parts) as _, trust, store);
        block_on(builder.judging_without_key().open())
    }

    fn open(&self) -> Issuer {
        self.open_with(&self.parts, Arc::clone(&self.trust) as _).unwrap()
    }

    /// The records of decisions, with their places.
    fn decisions(&self) -> Vec<(u64, DecisionBody)> {
        let stored = block_on(self.store.read(0, usize::MAX)).unwrap();
        let records = stored.iter().map(|record| record.to_record().unwrap());
        let decisions = records.filter(|record| record.kind == RecordKind::Decision);
        decisions
            .map(|record| {
                let body = Value::Object(record.body.into_inner());
                (record.seq, serde_json::from_value(body).unwrap())
            })
            .collect()
    }

    fn last(&self) -> DecisionBody {
        self.decisions().pop().unwrap().1
    }

    fn side(&self, seq: u64, kind: SideKind) -> Option<Vec<u8>> {
        block_on(self.store.side(seq, kind)).unwrap()
    }

    fn approve(&self, action: &BoundAction, key: &SoftwareKey) -> String {
        let approval = Approval::human(APPROVER.parse().unwrap(), "read it".parse().unwrap());
        let issuer = ISSUER.parse().unwrap();
        block_on(approval.sign(action, &issuer, key, System.now().unwrap(), &System)).unwrap()
    }
}

fn approval_key(key: &PublicKey) -> actionpass_model::TrustKey {
    key.approval_key_of(&APPROVER.parse().unwrap())
        .with_roles(vec![Role::parse("maintainer").unwrap()])
}

/// An example, changed.
fn example(text: &str, change: impl FnOnce(&mut Value)) -> BoundAction {
    let mut action: Value = serde_json::from_str(text).unwrap();
    change(&mut action);
    BoundAction::admit(action.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn ask(issuer: &Issuer, action: &BoundAction) -> Result<Authorization, AuthorizeError> {
    block_on(issuer.authorize(Request::new(action, Caller::dangerously_from(action.action()))))
}

fn codes(body: &DecisionBody) -> Vec<&str> {
    body.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn hash_of_signing_input(token: &str) -> Digest {
    actionpass_canon::sha256(token.rsplit_once('.').unwrap().0.as_bytes())
}

#[test]
fn approvals_name_their_key_and_those_offered_in_vain_are_recorded() {
    let place = Place::new(|config| config);
    let issuer = place.open();
    let action = example(EXAMPLE_STEP_UP, |_| {});
    let other = example(EXAMPLE_STEP_UP, |action| {
        action["capability"]["payload"]["title"] = json!("another")
    });
    let stranger = SoftwareKey::generate().unwrap();
    let (good, wrong) = (
        place.approve(&action, &place.approver),
        place.approve(&other, &place.approver),
    );
    let unknown = place.approve(&action, &stranger);
    let request = Request::new(&action, Caller::dangerously_from(action.action()))
        .with_approval(wrong.as_str())
        .with_approval(good.as_str())
        .with_approval(unknown.as_str())
        .with_approval("no approval at all");
    assert_eq!(block_on(issuer.authorize(request)).unwrap().decision, Decision::Allow);

    let body = place.last();
    let kid: KeyId = place.approver.public_key().kid().clone();
    assert_eq!(body.approvals[0].kid.as_ref(), Some(&kid));
    assert_eq!(body.approvals[0].token_hash, hash_of_signing_input(&good));
    let offered = body.offered.unwrap();
    let said: Vec<_> = offered
        .iter()
        .map(|offered| (offered.codes[0].as_str(), offered.kid.as_ref(), offered.token_hash))
        .collect();
    let whole = actionpass_canon::sha256(b"no approval at all");
    assert_eq!(
        said,
        [
            ("approval_binding_mismatch", Some(&kid), hash_of_signing_input(&wrong)),
            // Whoever it names may never have seen it.
            ("approval_key_unknown", None, hash_of_signing_input(&unknown)),
            ("approval_malformed", None, whole),
        ]
    );
    let names = offered
        .iter()
        .map(|offered| offered.approved_by.as_ref().map(AsRef::as_ref));
    assert!(names.eq([Some(APPROVER), None, None]));

    // One that holds and serves nobody: the action needs none.
    let allowed = example(EXAMPLE_ALLOW, |_| {});
    let needless = place.approve(&allowed, &place.approver);
    let request = Request::new(&allowed, Caller::dangerously_from(allowed.action())).with_approval(needless.as_str());
    assert_eq!(block_on(issuer.authorize(request)).unwrap().decision, Decision::Allow);
    let offered = place.last().offered.unwrap();
    assert_eq!(offered[0].codes[0], "approval_not_relied_on");
    assert_eq!(offered[0].kid.as_ref(), Some(&kid));
    // And one that is used.
    let again = example(EXAMPLE_STEP_UP, |_| {});
    let request = Request::new(&again, Caller::dangerously_from(again.action())).with_approval(good.as_str());
    assert_eq!(block_on(issuer.authorize(request)).unwrap().decision, Decision::StepUp);
    let body = place.last();
    assert_eq!(body.offered.unwrap()[0].codes[0], "approval_already_used");
}

/// Each kind of refusal before judging, by a change of the request.
#[test]
fn what_is_refused_before_judging_is_a_deny_under_the_hosts_caller() {
    let place = Place::new(|config| config);
    let issuer = place.open();
    let action = example(EXAMPLE_ALLOW, |action| action["id"] = json!("act_1"));
    let host = || Caller::dangerously_from(action.action());
    let reused = example(EXAMPLE_ALLOW, |action| {
        action["id"] = json!("act_1");
        action["capability"]["payload"]["title"] = json!("another");
    });
    let lying = example(EXAMPLE_ALLOW, |action| {
        action["actor"]["humanOwner"] = json!("user:nobody@example.com")
    });
    let colliding = example(EXAMPLE_ALLOW, |action| {
        action["capability"]["payload"]["TITLE"] = json!("hidden")
    });
    let facts = |as_of: &str, about: Option<Digest>| {
        let mut facts = json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": as_of, "facts": {} });
        if let Some(about) = about {
            facts["actionHash"] = json!(about);
        }
        BoundFacts::admit(facts.to_string().as_bytes(), &Limits::default()).unwrap()
    };
    let now = System.now().unwrap().to_string();
    let (old, foreign) = (
        facts("2001-01-01T00:00:00.000Z", None),
        facts(&now, Some(actionpass_canon::sha256(b"x"))),
    );
    assert_eq!(ask(&issuer, &action).unwrap().decision, Decision::Allow);

    let audience: actionpass_model::Audience = "nobody".parse().unwrap();
    let many = (0..33).fold(Request::new(&action, host()), |request, _| request.with_approval("x"));
    let cases = [
        ("caller_mismatch", Request::new(&lying, host())),
        ("member_names_collide", Request::new(&colliding, host())),
        ("facts_mismatch", Request::new(&action, host()).with_facts(&foreign)),
        ("facts_stale", {
            let fresh = example(EXAMPLE_ALLOW, |_| {});
            Request::new(fresh, host()).with_facts(&old)
        }),
        (
            "audience_unknown",
            Request::new(&action, host()).with_audience(&audience),
        ),
        ("too_many_approvals", many),
        ("action_id_reused", Request::new(&reused, host())),
    ];
    for (number, (code, request)) in (1..).zip(cases) {
        let refused = block_on(issuer.authorize(request)).unwrap_err();
        assert_eq!(refused.code().as_str(), code);
        let decisions = place.decisions();
        assert_eq!(decisions.len(), number + 1, "{code}");
        let (seq, body) = &decisions[number];
        assert_eq!((body.decision, codes(body)), (Decision::Deny, vec![code]));
        assert_eq!((&body.actor, &body.pass), (&host().actor, &None));
        assert_eq!(place.side(*seq, SideKind::Payload), None, "{code}");
    }
}

#[test]
fn nothing_is_recorded_for_whom_the_issuer_doesnt_serve() {
    let place = Place::new(|config| config.with_agents(vec!["agent:codex-prod".parse().unwrap()]));
    let issuer = place.open();
    for (member, stranger) in [("tenant", "org:other"), ("agent", "agent:other")] {
        let action = example(EXAMPLE_ALLOW, |action| {
            if member == "tenant" {
                action["tenant"] = json!(stranger);
            } else {
                action["actor"]["agent"] = json!(stranger);
            }
        });
        assert_eq!(ask(&issuer, &action).unwrap_err().code().as_str(), "caller_not_served");
        // Nor if the action says something else than such a host.
        let plain = example(EXAMPLE_ALLOW, |_| {});
        let request = Request::new(&plain, Caller::dangerously_from(action.action()));
        assert_eq!(
            block_on(issuer.authorize(request)).unwrap_err().code().as_str(),
            "caller_mismatch"
        );
    }
    assert!(place.decisions().is_empty());
}

#[test]
fn refusals_beyond_sixty_a_minute_are_counted_in_the_next_record() {
    let place = Place::new(|config| config);
    let issuer = place.open();
    let colliding = example(EXAMPLE_ALLOW, |action| {
        action["capability"]["payload"]["TITLE"] = json!("hidden")
    });
    for _ in 0..100 {
        assert!(ask(&issuer, &colliding).is_err());
    }
    // A slow machine may begin a second minute.
    let recorded = place.decisions();
    assert!((60..100).contains(&recorded.len()), "{}", recorded.len());
    let told: u64 = recorded.iter().filter_map(|(_, body)| body.unrecorded).sum();
    let _ = ask(&issuer, &example(EXAMPLE_ALLOW, |_| {})).unwrap();
    let last = place.last();
    assert_eq!(last.decision, Decision::Allow);
    assert_eq!(told + last.unrecorded.unwrap(), 100 - recorded.len() as u64);
    let _ = ask(&issuer, &example(EXAMPLE_ALLOW, |_| {})).unwrap();
    assert_eq!(place.last().unrecorded, None);
}

/// The texts of every hash that stands anywhere in a document, with the members on the way to it.
fn hashes(value: &Value, path: &str, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::String(text) if text.starts_with("sha256:") => {
            found.insert((path.to_owned(), text.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| hashes(item, path, found)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, item)| hashes(item, &format!("{path}.{name}"), found)),
        _ => {}
    }
}

#[test]
fn every_hash_of_a_salted_record_is_public_or_hidden() {
    let place = Place::new(IssuerConfig::with_salted_commitments);
    let issuer = place.open();
    let action = example(EXAMPLE_STEP_UP, |action| action["id"] = json!("act_1"));
    let approval = place.approve(&action, &place.approver);
    let request = Request::new(&action, Caller::dangerously_from(action.action()))
        .with_approval(approval.as_str())
        .with_approval("not.one");
    let decided = block_on(issuer.authorize(request)).unwrap();
    let token = decided.pass.clone().unwrap().token;
    let head = action.action();
    let audience = head.capability.tool.default_audience();
    let verifier = Verifier::new(ISSUER.parse().unwrap(), audience, head.tenant.clone());
    let trust = block_on(issuer.trust()).unwrap();
    let now = System.now().unwrap().to_unix_seconds();
    let pass = verifier.verify(&token, &Call::action(&action), &trust, now).unwrap();
    assert_eq!(pass.token_hash(), hash_of_signing_input(&token));
    let used = block_on(issuer.administrator().record_use(&pass)).unwrap();
    let refused = ask(
        &issuer,
        &example(EXAMPLE_STEP_UP, |action| {
            action["id"] = json!("act_1");
            action["capability"]["payload"]["title"] = json!("another");
        }),
    );
    assert_eq!(refused.unwrap_err().code().as_str(), "action_id_reused");

    // What anybody knows who knows the pass, or guesses what was decided on.
    let guesses = [
        action.action_hash(),
        action.payload_hash(),
        action.context_hash(),
        BoundFacts::none().hash(),
        hash_of_signing_input(&token),
        hash_of_signing_input(&approval),
        hash_of_signing_input("not.one"),
    ];
    let public = [".policy.digest", ".trust.digest"];
    let mut salts = BTreeSet::new();
    let stored = block_on(place.store.read(0, usize::MAX)).unwrap();
    let mut seen = 0;
    for record in stored.iter().map(|record| record.to_record().unwrap()) {
        if !matches!(record.kind, RecordKind::Decision | RecordKind::Use) {
            continue;
        }
        seen += 1;
        let salt = place.side(record.seq, SideKind::Salt).unwrap();
        let salt = Salt::parse(&salt).unwrap();
        assert!(salts.insert(*salt.as_bytes()), "a salt serves one record");
        let mut found = BTreeSet::new();
        hashes(&Value::Object(record.body.into_inner()), "", &mut found);
        for (path, hash) in found {
            if public.contains(&path.as_str()) {
                continue;
            }
            assert!(
                guesses.iter().all(|guess| guess.to_string() != hash),
                "{path} confirms a guess"
            );
            let is_of_this_call = record.seq == decided.record.seq || record.seq == used.seq;
            let opened = guesses.iter().any(|guess| salt.commit(*guess).to_string() == hash);
            assert!(opened || !is_of_this_call, "{path} is no commitment");
        }
    }
    assert_eq!(seen, 3);

    // Nor does what the store keeps beside the records, and it finds the former pass nevertheless.
    let key = ActionKey {
        tenant: TENANT.parse().unwrap(),
        agent: "agent:codex-prod".parse().unwrap(),
        action: "act_1".parse().unwrap(),
    };
    let issued = block_on(place.store.find(&key)).unwrap().unwrap();
    assert!(guesses.iter().all(|guess| *guess != issued.action_hash));
    assert_eq!(ask(&issuer, &action).unwrap().pass.unwrap().token, token);

    // Without the salt nobody can tell, so the id is taken.
    let erasure = actionpass_model::ErasureBody {
        schema: actionpass_model::ErasureSchema,
        records: vec![decided.record.seq],
        erased_by: "user:owner@example.com".parse().unwrap(),
        reason: "law".parse().unwrap(),
        rules: Vec::new(),
    };
    let _ = block_on(issuer.administrator().record(&erasure)).unwrap();
    assert_eq!(place.side(decided.record.seq, SideKind::Salt), None);
    assert_eq!(
        ask(&issuer, &action).unwrap_err().code().as_str(),
        "action_already_issued"
    );
}

#[test]
fn a_former_pass_is_given_again_only_under_the_policy_that_allowed_it() {
    let place = Place::new(|config| config);
    let issuer = place.open();
    let action = example(EXAMPLE_ALLOW, |action| action["id"] = json!("act_1"));
    let first = ask(&issuer, &action).unwrap().pass.unwrap();
    assert_eq!(ask(&issuer, &action).unwrap().pass, Some(first));

    // Under the same name.
    let denying =
        "schema = \"actionpass.policy.v1\"\nid = \"starter\"\n[[rule]]\nid = \"no\"\neffect = \"deny\"\ntool = \"*\"\n";
    denying.clone_into(&mut place.parts.policy.lock().unwrap());
    // By another process: this one hears of it through the ledger.
    drop(place.open());
    assert_eq!(
        ask(&issuer, &action).unwrap_err().code().as_str(),
        "action_already_issued"
    );
}

#[test]
fn a_former_pass_is_not_given_again_by_a_trust_store_that_went_back() {
    let place = Place::new(|config| config);
    let before = block_on(place.trust.read()).unwrap();
    let older: Arc<MemoryTrust> = Arc::new(MemoryTrust::new(&before.document).unwrap());
    let behind = place.open_with(&place.parts, older as _).unwrap();
    let action = example(EXAMPLE_ALLOW, |action| action["id"] = json!("act_1"));
    let _ = ask(&behind, &action).unwrap().pass.unwrap();
    // The ledger hears of a newer one, of which this issuer's source doesn't.
    let administrator = Administrator::new(Arc::clone(&place.trust) as _, Arc::clone(&place.store) as _);
    let spare = SoftwareKey::generate().unwrap();
    let added = approval_key(spare.public_key());
    let _ = block_on(administrator.add_key(added)).unwrap();
    assert_eq!(ask(&behind, &action).unwrap_err().code().as_str(), "trust_rolled_back");
}

/// G15: a key that can't be opened is a deny on record, and only where there would have been a pass.
#[test]
fn g15_without_a_key_it_is_judged_and_an_allow_is_denied() {
    let place = Place::new(|config| config);
    let keyless = Arc::new(Parts {
        policy: Mutex::new(STARTER_POLICY.to_owned()),
        key: None,
    });
    let issuer = place.open_with(&keyless, Arc::clone(&place.trust) as _).unwrap();
    let step_up = ask(&issuer, &example(EXAMPLE_STEP_UP, |_| {})).unwrap();
    assert_eq!(step_up.decision, Decision::StepUp);
    let refused = ask(&issuer, &example(EXAMPLE_ALLOW, |_| {})).unwrap_err();
    assert_eq!(refused.code().as_str(), KeyError::Unsupported.code().as_str());
    let body = place.last();
    assert_eq!(
        (body.decision, codes(&body)),
        (Decision::Deny, vec![refused.code().as_str()])
    );
    // An issuer that lives doesn't start like that.
    let store = Arc::clone(&place.store) as _;
    let builder = Issuer::builder(place.config.clone(), keyless as _, Arc::clone(&place.trust) as _, store);
    assert!(block_on(builder.open()).is_err());
}

/// The outcome of a call that was only observed names its decision, and no other can be named.
#[test]
fn the_outcome_of_an_observed_call_names_its_decision_and_no_other() {
    let place = Place::new(|config| config);
    let issuer = place.open();
    let action = example(EXAMPLE_ALLOW, |_| {});
    let caller = Caller::dangerously_from(action.action());
    let enforced = ask(&issuer, &action).unwrap();
    let observed = block_on(issuer.authorize(Request::new(&action, &caller).observing())).unwrap();
    let administrator = Administrator::new(Arc::clone(&place.trust) as _, Arc::clone(&place.store) as _);
    let outcome = ObservedOutcome {
        status: OutcomeStatus::Executed,
        provider_id: None,
        result_hash: None,
    };
    let report = |seq: u64, id: &RecordId, tenant: &Tenant| {
        let decision = DecisionRef { seq, id: id.clone() };
        block_on(administrator.report_observed(&decision, tenant, &outcome)).unwrap()
    };
    let (tenant, of) = (&caller.tenant, &observed.record);
    // One that was enforced, of another id, that isn't there, of another tenant.
    assert_eq!(report(enforced.record.seq, &enforced.record.id, tenant), None);
    assert_eq!(report(of.seq, &enforced.record.id, tenant), None);
    assert_eq!(report(of.seq + 9, &of.id, tenant), None);
    assert_eq!(report(of.seq, &of.id, &Tenant::parse("org:other").unwrap()), None);
    let record = report(of.seq, &of.id, tenant).unwrap();
    let stored = block_on(place.store.read(record.seq, 1)).unwrap();
    let body: OutcomeBody = stored[0].to_body().unwrap();
    assert_eq!((body.pass, body.status), (None, OutcomeStatus::Executed));
    assert_eq!(body.decision.unwrap().id, of.id);
}
