//! Issuers that live: two processes over one trust store and one ledger, whose policy and key are replaced meanwhile.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{
    Administrator, Approval, ApprovalAnswer, ApprovalFuture, ApprovalQuestion, ApprovalSource, Authorization,
    AuthorizeError, Clock, Deployment, Issuer, IssuerBuilder, IssuerConfig, KeyChanged, NewRevocation, PartFuture,
    Request, Rotation, System,
};
use actionpass_crypto::{PublicKey, Signer, SoftwareKey};
use actionpass_model::{
    Approver, Caller, Decision, KeyId, KeyStatus, KeyUse, Principal, Record, RecordKind, Revocation, RevocationSchema,
    RevocationTarget, Role, Statement, Tenant, Tenants, Timestamp, TrustEvidence, TrustKey, TrustStore,
};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP, PolicyEngine, RulePolicy, STARTER_POLICY};
use actionpass_store::ledger::ChainVerifier;
use actionpass_store::trust_file::{TrustSnapshot, change};
use actionpass_store::{
    Ledger, MemoryDecisionStore, MemoryReplayStore, MemoryTrust, ReplayStart, StoreCode, StoreError, TrustChange,
    TrustChanged, TrustDocument, TrustFuture,
};
use actionpass_verify::{Call, DocumentTrust, Executor, Verifier};
use pollster::block_on;
use serde_json::json;

const ISSUER: &str = "https://issuer.example";
const TENANT: &str = "org:example";
const APPROVER: &str = "user:maya@example.com";

/// Denies whatever it is asked.
const FROZEN: &str = r#"
schema = "actionpass.policy.v1"
id = "frozen"
[[rule]]
id = "nothing"
effect = "deny"
tool = "*"
"#;

/// The starter policy under another id, which allows the same.
fn renamed(id: &str) -> String {
    STARTER_POLICY.replacen("id = \"starter\"", &format!("id = \"{id}\""), 1)
}

/// A policy file and the name of a key, as a configuration has them; either can be replaced.
#[derive(Debug)]
struct Files {
    policy: Mutex<String>,
    /// What is said once in the policy's place: it was read before another came.
    policy_before: Mutex<Option<String>>,
    key: Mutex<Arc<SoftwareKey>>,
    /// What is said once in the key's place: it was read before another was named.
    said_before: Mutex<Option<Arc<SoftwareKey>>>,
}

/// A place where another policy is whenever somebody looks: somebody always brings one.
#[derive(Debug, Default)]
struct Restless {
    looks: AtomicUsize,
    /// Which look found the last one that was brought.
    last: AtomicUsize,
    key: Mutex<Option<Arc<SoftwareKey>>>,
}

impl Deployment for Restless {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let number = look.min(self.last.load(Ordering::Relaxed));
        let policy = RulePolicy::load(&renamed(&format!("policy-{number}")), "policy.toml").unwrap();
        Box::pin(ready(Ok(Arc::new(policy) as _)))
    }

    fn signer(&self) -> PartFuture<'_, dyn Signer> {
        let key = self.key.lock().unwrap().clone();
        Box::pin(ready(Ok(key.unwrap() as _)))
    }
}

impl Files {
    fn set_policy(&self, text: impl Into<String>) {
        *self.policy.lock().unwrap() = text.into();
    }

    fn set_key(&self, key: &Arc<SoftwareKey>) {
        *self.key.lock().unwrap() = Arc::clone(key);
    }

    fn key(&self) -> Arc<SoftwareKey> {
        Arc::clone(&self.key.lock().unwrap())
    }
}

impl Deployment for Files {
    fn policy(&self) -> PartFuture<'_, dyn PolicyEngine> {
        let before = self.policy_before.lock().unwrap().take();
        let policy = before.unwrap_or_else(|| self.policy.lock().unwrap().clone());
        let policy = RulePolicy::load(&policy, "policy.toml");
        Box::pin(ready(match policy {
            Ok(policy) => Ok(Arc::new(policy) as _),
            Err(error) => Err(Box::new(error) as _),
        }))
    }

    fn signer(&self) -> PartFuture<'_, dyn Signer> {
        let said = self.said_before.lock().unwrap().take();
        Box::pin(ready(Ok(said.unwrap_or_else(|| self.key()) as _)))
    }
}

/// What the processes of one deployment share.
struct Place {
    files: Arc<Files>,
    trust: Arc<MemoryTrust>,
    store: Arc<MemoryDecisionStore>,
    config: IssuerConfig,
}

impl Place {
    fn new() -> Self {
        Self::with_keys(|_| Vec::new())
    }

    /// A place whose trust store believes further keys.
    fn with_keys(further: impl FnOnce(&TrustStore) -> Vec<TrustKey>) -> Self {
        let key = new_key();
        let mut trust = TrustStore::new(System.now().unwrap());
        trust.keys.push(pass_key(key.public_key()));
        let further = further(&trust);
        trust.keys.extend(further);
        let config = IssuerConfig::new(ISSUER.parse().unwrap(), vec![TENANT.parse().unwrap()]);
        Self {
            files: Arc::new(Files {
                policy: Mutex::new(STARTER_POLICY.to_owned()),
                policy_before: Mutex::default(),
                key: Mutex::new(key),
                said_before: Mutex::new(None),
            }),
            trust: Arc::new(MemoryTrust::new(&trust).unwrap()),
            store: Arc::new(MemoryDecisionStore::new(config.log().unwrap())),
            config,
        }
    }

    fn builder_with(&self, trust: Arc<dyn TrustDocument>) -> IssuerBuilder {
        Issuer::builder(
            self.config.clone(),
            Arc::clone(&self.files) as _,
            trust,
            Arc::clone(&self.store) as _,
        )
    }

    fn builder(&self) -> IssuerBuilder {
        self.builder_with(Arc::clone(&self.trust) as _)
    }

    /// One more process.
    fn open(&self) -> Issuer {
        block_on(self.builder().open()).unwrap()
    }

    /// Opens with another trust store in the place of this one, and gives the code of what is refused.
    fn refused_with(&self, trust: Arc<dyn TrustDocument>) -> String {
        let refused = block_on(self.builder_with(trust).open());
        refused.unwrap_err().code().to_string()
    }

    fn administrator(&self) -> Administrator {
        Administrator::new(Arc::clone(&self.trust) as _, Arc::clone(&self.store) as _)
    }

    fn snapshot(&self) -> TrustSnapshot {
        block_on(self.trust.read()).unwrap()
    }

    /// Changes the trust store and records nothing, as a program does that crashes in between.
    fn change_unrecorded(&self, mut change: impl FnMut(&mut TrustStore) + Send) {
        let changed = self.trust.change(
            System.now().unwrap(),
            Box::new(move |trust| {
                change(trust);
                Ok(())
            }),
        );
        block_on(changed).unwrap();
    }

    fn records(&self) -> Vec<Record> {
        let records = block_on(self.store.read(0, usize::MAX)).unwrap();
        records.iter().map(|record| record.to_record().unwrap()).collect()
    }

    fn records_of(&self, kind: RecordKind) -> Vec<Record> {
        let mut records = self.records();
        records.retain(|record| record.kind == kind);
        records
    }

    /// How long the ledger is, which is verified from its first record.
    fn verified_size(&self) -> u64 {
        let mut verifier = ChainVerifier::new().with_log(self.config.log().unwrap());
        for record in block_on(self.store.read(0, usize::MAX)).unwrap() {
            verifier.push(&record.json).unwrap();
        }
        verifier.finish().unwrap().head.size()
    }

    /// The key that signed an allow, as an executor finds that trusts what the issuers trust.
    fn signed_by(&self, allowed: &Authorization) -> KeyId {
        let action = example(EXAMPLE_ALLOW);
        let verifier = Verifier::new(
            ISSUER.parse().unwrap(),
            action.action().capability.tool.default_audience(),
            TENANT.parse().unwrap(),
        );
        let now = System.now().unwrap().to_unix_seconds();
        let executor = Executor::new(
            verifier,
            Arc::new(DocumentTrust::new(Arc::clone(&self.trust) as _)),
            Arc::new(MemoryReplayStore::new(ReplayStart::first(now))),
        );
        let pass = allowed.pass.as_ref().unwrap();
        let verified = block_on(executor.verify(&pass.token, &Call::action(&action))).unwrap();
        verified.kid().clone()
    }
}

fn new_key() -> Arc<SoftwareKey> {
    Arc::new(SoftwareKey::generate().unwrap())
}

fn kid(key: &SoftwareKey) -> KeyId {
    key.public_key().kid().clone()
}

fn pass_key(key: &PublicKey) -> TrustKey {
    key.pass_key_of(&ISSUER.parse().unwrap())
        .with_tenants(Tenants::Only(vec![Tenant::parse(TENANT).unwrap()]))
}

fn approval_key(key: &PublicKey) -> TrustKey {
    key.approval_key_of(&APPROVER.parse().unwrap())
        .with_roles(vec![Role::parse("maintainer").unwrap()])
}

fn example(action: &str) -> BoundAction {
    BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap()
}

fn ask(issuer: &Issuer, action: &str) -> Result<Authorization, AuthorizeError> {
    let action = example(action);
    let caller = Caller::dangerously_from(action.action());
    block_on(issuer.authorize(Request::new(action, caller)))
}

/// The example that the starter policy allows; every call is an occurrence of its own.
fn authorize(issuer: &Issuer) -> Authorization {
    ask(issuer, EXAMPLE_ALLOW).unwrap()
}

#[track_caller]
fn allowed(issuer: &Issuer) -> Authorization {
    let authorization = authorize(issuer);
    assert_eq!(authorization.decision, Decision::Allow);
    authorization
}

fn policy_of(authorization: &Authorization) -> &str {
    authorization.policy.id.as_str()
}

fn rotation(new: &SoftwareKey, old: &SoftwareKey) -> Rotation {
    Rotation {
        new: pass_key(new.public_key()),
        old: Some(kid(old)),
        reason: Some("due".parse().unwrap()),
    }
}

fn revocation(id: u8, principal: &str, at: Timestamp) -> Revocation {
    Revocation {
        schema: RevocationSchema,
        id: format!("rev_0192000000007000800000000000000{id}").parse().unwrap(),
        target: RevocationTarget::Principal(Principal::parse(principal).unwrap()),
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner@example.com".parse().unwrap(),
        revoked_at: at,
        compromised_since: None,
        expires_at: None,
        ext: None,
    }
}

#[test]
fn a_policy_that_one_puts_into_force_the_other_takes_over() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    assert_eq!(place.records_of(RecordKind::Policy).len(), 1, "in force already");
    assert_eq!(policy_of(&allowed(&other)), "starter");

    place.files.set_policy(renamed("second"));
    assert!(block_on(one.reload_policy()).unwrap().is_some());
    // Whole: the decision names the new policy, and so does its record.
    let decided = allowed(&other);
    let second = RulePolicy::load(&renamed("second"), "policy.toml").unwrap();
    assert_eq!(
        (policy_of(&decided), decided.policy.digest),
        ("second", second.digest())
    );
    let record = place.records().pop().unwrap();
    assert_eq!(record.seq, decided.record.seq);
    assert_eq!(record.body.get()["policy"]["digest"], json!(second.digest()));
    assert_eq!(policy_of(&allowed(&one)), "second");
    // The one that took it over put nothing into force.
    assert_eq!(place.records_of(RecordKind::Policy).len(), 2);

    place.files.set_policy(FROZEN);
    assert!(block_on(other.reload_policy()).unwrap().is_some());
    let denied = authorize(&one);
    assert_eq!((denied.decision, policy_of(&denied)), (Decision::Deny, "frozen"));
    assert!(denied.pass.is_none());
    assert_eq!(block_on(other.reload_policy()).unwrap(), None, "in force already");
    place.verified_size();
}

/// Who read the former policy a moment before another came into force doesn't put the former back.
#[test]
fn a_policy_that_was_read_before_another_came_is_not_put_back() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    place.files.set_policy(FROZEN);
    assert!(block_on(one.reload_policy()).unwrap().is_some());
    *place.files.policy_before.lock().unwrap() = Some(STARTER_POLICY.to_owned());
    assert!(block_on(other.reload_policy()).unwrap().is_some());
    for issuer in [&one, &other, &place.open()] {
        assert_eq!(policy_of(&authorize(issuer)), "frozen");
    }
    *place.files.policy_before.lock().unwrap() = Some(STARTER_POLICY.to_owned());
    assert_eq!(policy_of(&authorize(&place.open())), "frozen");
    place.verified_size();
}

/// Where somebody always brings another policy, nobody judges by one that was replaced: an issuer doesn't open, one that lives answers
/// no call, and both go on once it is over.
#[test]
fn policies_that_never_rest_are_an_error_and_no_decision() {
    let place = Place::new();
    let restless = Arc::new(Restless {
        last: AtomicUsize::new(usize::MAX),
        key: Mutex::new(Some(place.files.key())),
        ..Restless::default()
    });
    let open = || {
        let builder = Issuer::builder(
            place.config.clone(),
            Arc::clone(&restless) as _,
            Arc::clone(&place.trust) as _,
            Arc::clone(&place.store) as _,
        );
        block_on(builder.open())
    };
    let busy = |error: AuthorizeError| assert_eq!(error.code().as_str(), "store_busy");
    busy(open().unwrap_err());
    assert_eq!(
        restless.looks.load(Ordering::Relaxed),
        9,
        "what is there, and after each of eight"
    );
    assert_eq!(place.records_of(RecordKind::Policy).len(), 8);

    restless
        .last
        .store(restless.looks.load(Ordering::Relaxed), Ordering::Relaxed);
    let issuer = open().unwrap();
    let before = allowed(&issuer);
    restless.last.store(usize::MAX, Ordering::Relaxed);
    busy(block_on(issuer.reload_policy()).unwrap_err());
    // Its own policy isn't in force any more, and the one that is can't be told.
    busy(ask(&issuer, EXAMPLE_ALLOW).unwrap_err());
    let allows = |place: &Place| {
        let decisions = place.records_of(RecordKind::Decision);
        decisions
            .iter()
            .filter(|record| record.body.get()["decision"] == "allow")
            .count()
    };
    assert_eq!(allows(&place), 1);

    restless
        .last
        .store(restless.looks.load(Ordering::Relaxed), Ordering::Relaxed);
    assert_ne!(policy_of(&allowed(&issuer)), policy_of(&before));
    assert_eq!(allows(&place), 2);
}

#[test]
fn a_policy_that_allows_more_is_taken_over_by_one_that_denies() {
    let place = Place::new();
    place.files.set_policy(FROZEN);
    let (one, other) = (place.open(), place.open());
    assert_eq!(authorize(&other).decision, Decision::Deny);
    place.files.set_policy(STARTER_POLICY);
    assert!(block_on(one.reload_policy()).unwrap().is_some());
    assert_eq!(policy_of(&allowed(&one)), "starter");
    assert_eq!(policy_of(&allowed(&other)), "starter");
}

#[test]
fn an_invalid_policy_leaves_the_old_one_in_force() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let before = block_on(place.store.state()).unwrap();
    for (text, code) in [
        ("id =", "policy_syntax"),
        (
            "schema = \"actionpass.policy.v9\"\nid = \"next\"",
            "policy_schema_unsupported",
        ),
    ] {
        place.files.set_policy(text);
        let error = block_on(one.reload_policy()).unwrap_err();
        assert_eq!(error.code().as_str(), code);
    }
    assert_eq!(block_on(place.store.state()).unwrap(), before, "nothing was recorded");
    assert_eq!(policy_of(&allowed(&one)), "starter");
    assert_eq!(policy_of(&allowed(&other)), "starter");

    // And an issuer that must take over a policy that it can't read gives no pass by the old one.
    place.files.set_policy(renamed("second"));
    assert!(block_on(one.reload_policy()).unwrap().is_some());
    place.files.set_policy("id =");
    assert_eq!(ask(&other, EXAMPLE_ALLOW).unwrap_err().code().as_str(), "policy_syntax");
    assert_eq!(policy_of(&allowed(&one)), "second");
    place.files.set_policy(renamed("second"));
    assert_eq!(policy_of(&allowed(&other)), "second");
}

#[test]
fn a_rotation_leaves_no_gap() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    let (old, new) = (place.files.key(), new_key());
    assert_eq!(place.signed_by(&allowed(&other)), kid(&old));

    let rotated = block_on(one.administrator().rotate(rotation(&new, &old), || {
        // The new key is believed, and nobody names it yet.
        for issuer in [&one, &other] {
            assert_eq!(place.signed_by(&allowed(issuer)), kid(&old));
        }
        place.files.set_key(&new);
        for issuer in [&one, &other] {
            assert_eq!(place.signed_by(&allowed(issuer)), kid(&old), "it is not retired yet");
        }
        // Whoever is started now signs with the new one.
        assert_eq!(place.signed_by(&allowed(&place.open())), kid(&new));
        Ok::<(), StoreError>(())
    }))
    .unwrap();
    assert!(rotated.added.is_some() && rotated.retired.is_some());
    for issuer in [&other, &one] {
        assert_eq!(place.signed_by(&allowed(issuer)), kid(&new));
    }
    assert!(!block_on(other.reload_signer()).unwrap(), "it signs with it already");

    let trust = place.snapshot().document;
    let retired = trust.key(&kid(&old)).unwrap();
    assert_eq!(
        (retired.status, &retired.superseded_by),
        (KeyStatus::Retired, &Some(kid(&new)))
    );
    place.verified_size();
}

/// The deployment said which key it is, another process rotated it, and only then the trust store was read.
#[test]
fn an_issuer_opens_while_another_process_rotates() {
    let place = Place::new();
    let (old, new) = (place.files.key(), new_key());
    let rotated = place.open();
    let rotated = rotated.administrator().rotate(rotation(&new, &old), || {
        place.files.set_key(&new);
        Ok::<(), StoreError>(())
    });
    assert!(block_on(rotated).unwrap().retired.is_some());

    *place.files.said_before.lock().unwrap() = Some(Arc::clone(&old));
    assert_eq!(place.signed_by(&allowed(&place.open())), kid(&new));

    // A deployment that keeps to the old key is told so.
    place.files.set_key(&old);
    let refused = block_on(place.builder().open()).unwrap_err();
    assert_eq!(refused.code().as_str(), "signing_key_superseded");
}

#[test]
fn a_rotation_that_ended_halfway_is_carried_on() {
    let place = Place::new();
    let issuer = place.open();
    let (old, new) = (place.files.key(), new_key());
    let failed = issuer
        .administrator()
        .rotate(rotation(&new, &old), || Err(StoreError::new(StoreCode::StoreFull)));
    let error = block_on(failed).unwrap_err();
    assert_eq!(error.code().as_str(), "store_full");
    assert_eq!(place.signed_by(&allowed(&issuer)), kid(&old));

    let rotate = || {
        block_on(issuer.administrator().rotate(rotation(&new, &old), || {
            place.files.set_key(&new);
            Ok::<(), StoreError>(())
        }))
        .unwrap()
    };
    let rotated = rotate();
    assert!(rotated.added.is_none(), "it was believed already");
    assert!(rotated.retired.is_some());
    assert_eq!(place.signed_by(&allowed(&issuer)), kid(&new));
    let events: Vec<_> = place
        .records_of(RecordKind::Key)
        .iter()
        .map(|record| record.body.get()["event"].clone())
        .collect();
    assert_eq!(events, ["added", "rotated"]);

    let again = rotate();
    assert!(again.added.is_none() && again.retired.is_none());
    assert_eq!(place.records_of(RecordKind::Key).len(), 2);
}

#[test]
fn a_key_that_is_named_but_not_believed_is_not_taken_over() {
    let place = Place::new();
    let issuer = place.open();
    let old = place.files.key();
    place.files.set_key(&new_key());
    let error = block_on(issuer.reload_signer()).unwrap_err();
    assert_eq!(error.code().as_str(), "signer_not_trusted");
    assert_eq!(place.signed_by(&allowed(&issuer)), kid(&old));
}

/// A trust store whose first reader still sees what it was before another process changed it.
#[derive(Debug)]
struct Behind {
    now: Arc<MemoryTrust>,
    before: Mutex<Option<TrustSnapshot>>,
}

impl TrustDocument for Behind {
    fn read(&self) -> TrustFuture<'_, TrustSnapshot> {
        match self.before.lock().unwrap().take() {
            Some(snapshot) => Box::pin(ready(Ok(snapshot))),
            None => self.now.read(),
        }
    }

    fn change<'a>(&'a self, now: Timestamp, change: TrustChange<'a>) -> TrustFuture<'a, TrustChanged> {
        self.now.change(now, change)
    }
}

#[test]
fn a_trust_store_that_went_back_is_refused() {
    let place = Place::new();
    let administrator = place.open().administrator().clone();
    let before = place.snapshot();
    let _ = block_on(administrator.add_key(pass_key(new_key().public_key()))).unwrap();
    let size = place.verified_size();

    let older = MemoryTrust::new(&before.document).unwrap();
    assert_eq!(place.refused_with(Arc::new(older)), "trust_rolled_back");
    // Nor one of the same version that says something else.
    let other = Place {
        trust: Arc::new(MemoryTrust::new(&before.document).unwrap()),
        ..Place::new()
    };
    other.change_unrecorded(|trust| change::add_key(trust, pass_key(new_key().public_key())).unwrap());
    assert_eq!(other.snapshot().document.version, place.snapshot().document.version);
    assert_eq!(place.refused_with(other.trust), "trust_rolled_back");
    assert_eq!(place.verified_size(), size, "nothing was recorded");

    let _ = allowed(&place.open());
}

#[test]
fn a_change_between_reading_trust_store_and_ledger_is_no_rollback() {
    let place = Place::new();
    let administrator = place.open().administrator().clone();
    let before = place.snapshot();
    let _ = block_on(administrator.add_key(pass_key(new_key().public_key()))).unwrap();

    let behind = || {
        Arc::new(Behind {
            now: Arc::clone(&place.trust),
            before: Mutex::new(Some(before.clone())),
        })
    };
    let opened = block_on(place.builder_with(behind()).open()).unwrap();
    let _ = allowed(&opened);
    let source = Arc::new(DocumentTrust::new(Arc::clone(&place.trust) as _));
    let opened = block_on(place.builder().with_trust_source(source, before.clone()).open()).unwrap();
    let _ = allowed(&opened);
    // What was read anew is what is given on.
    let read = block_on(place.administrator().refuse_rollback(before.clone())).unwrap();
    assert_eq!(read, place.snapshot());
}

#[test]
fn revocations_without_a_record_are_recorded_at_open_once() {
    let place = Place::new();
    let issuer = place.open();
    let revoked = NewRevocation {
        target: RevocationTarget::Principal(Principal::parse("agent:first").unwrap()),
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner@example.com".parse().unwrap(),
        compromised_since: None,
        expires_at: None,
    };
    let (first, _) = block_on(issuer.administrator().revoke(revoked)).unwrap();
    let now = System.now().unwrap();
    let (second, third) = (revocation(2, "agent:second", now), revocation(3, "agent:third", now));
    for lost in [&second, &third] {
        place.change_unrecorded(|trust| change::revoke(trust, lost.clone()).unwrap());
    }
    let recorded = || -> Vec<_> {
        let records = place.records_of(RecordKind::Revocation);
        let id = |record: &Record| record.body.get()["revocation"]["id"].clone();
        records.iter().map(id).collect()
    };
    assert_eq!(recorded(), [json!(first.id)]);
    for _ in 0..3 {
        let _ = allowed(&place.open());
        assert_eq!(recorded(), [json!(first.id), json!(second.id), json!(third.id)]);
    }
    let state = block_on(place.store.state()).unwrap();
    assert_eq!(state.reconciled, place.snapshot().document.version);
    place.verified_size();
}

#[test]
fn every_change_of_a_key_has_its_record() {
    let place = Place::new();
    let issuer = place.open();
    let administrator = issuer.administrator();
    let (old, new, spare) = (place.files.key(), new_key(), new_key());
    let reason: Option<Statement> = Some("not needed".parse().unwrap());

    let mut made: Vec<(&str, KeyId, KeyChanged)> = Vec::new();
    let added = block_on(administrator.add_key(pass_key(spare.public_key()))).unwrap();
    made.push(("added", kid(&spare), added));
    let retired = block_on(administrator.retire_key(&kid(&spare), reason)).unwrap();
    made.push(("retired", kid(&spare), retired));
    let removed = block_on(administrator.remove_key(&kid(&spare))).unwrap();
    made.push(("removed", kid(&spare), removed));
    let rotated = block_on(administrator.rotate(rotation(&new, &old), || {
        place.files.set_key(&new);
        Ok::<(), StoreError>(())
    }))
    .unwrap();
    made.push(("added", kid(&new), rotated.added.unwrap()));
    made.push(("rotated", kid(&old), rotated.retired.unwrap()));

    let records = place.records_of(RecordKind::Key);
    assert_eq!(records.len(), made.len());
    for (record, (event, kid, changed)) in records.iter().zip(&made) {
        let body = record.body.get();
        assert_eq!((&body["event"], &body["kid"]), (&json!(event), &json!(kid)));
        assert_eq!(body["use"], json!(KeyUse::Pass));
        assert_eq!(
            (&body["owner"], &body["roles"], &body["tenants"]),
            (&json!(ISSUER), &json!([]), &json!([TENANT]))
        );
        let trust: TrustEvidence = serde_json::from_value(body["trust"].clone()).unwrap();
        assert_eq!((&trust, record.seq), (&changed.trust, changed.record.seq));
    }
    assert_eq!(records[1].body.get()["reason"], json!("not needed"));
    assert_eq!(records[4].body.get()["supersededBy"], json!(kid(&new)));
    let versions: Vec<_> = made.iter().map(|(_, _, changed)| changed.trust.version).collect();
    assert!(versions.is_sorted_by(|before, after| before < after));
    let newest = block_on(place.store.state()).unwrap().trust.unwrap();
    assert_eq!(newest, place.snapshot().evidence());

    // What is refused changes nothing and has no record.
    let size = place.verified_size();
    let missing = block_on(administrator.retire_key(&kid(&spare), None)).unwrap_err();
    assert_eq!(missing.code().as_str(), "key_missing");
    let known = block_on(administrator.add_key(pass_key(new.public_key()))).unwrap_err();
    assert_eq!(known.code().as_str(), "key_exists");
    let mut named_as_another = pass_key(new_key().public_key());
    named_as_another.jwk = new.public_key().to_jwk();
    let mut off_its_curve = pass_key(new_key().public_key());
    off_its_curve.jwk.y = off_its_curve.jwk.x.clone();
    for no_key in [named_as_another, off_its_curve] {
        let refused = block_on(administrator.add_key(no_key)).unwrap_err();
        assert!(refused.is_untouched(), "{refused}");
    }
    assert_eq!(place.verified_size(), size);
    assert_eq!(place.snapshot().evidence(), newest);
}

/// The record of an approver's key says whose it is, which roles it gives and for whom it speaks.
#[test]
fn the_record_of_a_key_says_who() {
    let place = Place::new();
    let administrator = place.administrator();
    let key = new_key();
    let _ = block_on(administrator.add_key(approval_key(key.public_key()))).unwrap();
    let _ = block_on(administrator.remove_key(&kid(&key))).unwrap();
    let records = place.records_of(RecordKind::Key);
    assert_eq!(records.len(), 2);
    for record in records {
        let body = record.body.get();
        assert_eq!(
            (&body["owner"], &body["roles"], &body["tenants"]),
            (&json!(APPROVER), &json!(["maintainer"]), &json!(["*"]))
        );
    }
}

/// What a denied call's record says, the last one.
fn last_denial(place: &Place) -> String {
    let body = json!(place.records_of(RecordKind::Decision).pop().unwrap().body);
    assert_eq!((body.get("decision"), body.get("pass")), (Some(&json!("deny")), None));
    let code = body.pointer("/reasons/0/code").unwrap();
    code.as_str().unwrap().to_owned()
}

/// The key was good when the issuer was opened: every call looks at it again.
#[test]
fn g08_a_key_that_stops_signing_while_the_issuer_lives_signs_nothing_more() {
    type Change = fn(&mut TrustStore, &KeyId);
    let changes: [(Change, &str); 4] = [
        (
            |trust, kid| change::retire_key(trust, kid, System.now().unwrap(), None, None).unwrap(),
            "signing_key_retired",
        ),
        (
            |trust, kid| {
                let mut revocation = revocation(1, "agent:a", System.now().unwrap());
                revocation.target = RevocationTarget::Key(kid.clone());
                change::revoke(trust, revocation).unwrap();
            },
            "signing_key_revoked",
        ),
        (
            |trust, kid| drop(change::remove_key(trust, kid).unwrap()),
            "signer_not_trusted",
        ),
        (
            |trust, _| trust.keys[0].not_after = Some(Timestamp::parse("2026-01-01T00:00:00.000Z").unwrap()),
            "signer_not_trusted",
        ),
    ];
    for (change, code) in changes {
        let place = Place::new();
        let issuer = place.open();
        let _ = allowed(&issuer);
        let signs = kid(&place.files.key());
        place.change_unrecorded(|trust| change(trust, &signs));
        let error = ask(&issuer, EXAMPLE_ALLOW).unwrap_err();
        assert_eq!(error.code().as_str(), code);
        assert_eq!(last_denial(&place), code);
    }
}

/// A tenant that the configuration names and no key speaks for is refused, as no verifier would take the pass; the others
/// are served, and so is that one after a rotation.
#[test]
fn g08_a_tenant_that_no_key_speaks_for_is_refused_until_the_key_is_rotated() {
    const SECOND: &str = "org:two";
    let mut place = Place::new();
    let tenants = vec![TENANT.parse().unwrap(), SECOND.parse().unwrap()];
    place.config = IssuerConfig::new(ISSUER.parse().unwrap(), tenants.clone());
    let issuer = place.open();
    let of_second = EXAMPLE_ALLOW.replace(TENANT, SECOND);
    let error = ask(&issuer, &of_second).unwrap_err();
    assert_eq!(error.code().as_str(), "signing_key_not_for_tenant");
    assert_eq!(last_denial(&place), "signing_key_not_for_tenant");
    let _ = allowed(&issuer);

    let (old, new) = (place.files.key(), new_key());
    let mut rotation = rotation(&new, &old);
    rotation.new = rotation.new.with_tenants(Tenants::Only(tenants));
    let rotated = issuer.administrator().rotate(rotation, || {
        place.files.set_key(&new);
        Ok::<(), StoreError>(())
    });
    assert!(block_on(rotated).unwrap().retired.is_some());
    for action in [EXAMPLE_ALLOW, &of_second] {
        assert_eq!(ask(&issuer, action).unwrap().decision, Decision::Allow);
    }
}

/// A refreshed trust store is a new version with the same content, which the ledger needs no record of.
#[test]
fn refreshing_trust_is_a_write_without_a_record() {
    let place = Place::new();
    let issuer = place.open();
    let (before, size) = (place.snapshot(), place.verified_size());
    std::thread::sleep(std::time::Duration::from_millis(2));
    let after = block_on(issuer.administrator().refresh()).unwrap();
    assert_eq!(after, place.snapshot());
    let (before, mut after) = (before.document, after.document);
    assert_eq!(after.version, before.version + 1);
    assert!(after.revocations_as_of > before.revocations_as_of);
    assert_eq!(after.revocations_as_of, after.updated_at);
    (after.version, after.updated_at, after.revocations_as_of) =
        (before.version, before.updated_at, before.revocations_as_of);
    assert_eq!(after, before);
    assert_eq!(place.verified_size(), size);
    let _ = allowed(&issuer);
    let _ = allowed(&place.open());
}

/// Every way in which a revoked principal is accepted again, and how it is recorded.
#[test]
fn a_principals_revocation_is_lifted_once() {
    const ROGUE: &str = "agent:codex-prod";
    let place = Place::new();
    let issuer = place.open();
    let administrator = issuer.administrator();
    let new = |target| NewRevocation {
        target,
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner@example.com".parse().unwrap(),
        compromised_since: None,
        expires_at: None,
    };
    let revoke = |target| block_on(administrator.revoke(new(target))).unwrap().0;
    let of_agent = revoke(RevocationTarget::Principal(ROGUE.parse().unwrap()));
    let of_key = revoke(RevocationTarget::Key(kid(&new_key())));
    assert_eq!(authorize(&issuer).decision, Decision::Deny);

    let lift = |id| block_on(administrator.lift(id, "it was a test".parse().unwrap(), "user:maya".parse().unwrap()));
    assert_eq!(lift(&of_key.id).unwrap_err().code().as_str(), "revocation_not_liftable");
    let unknown = "rev_01920000000070008000000000000009".parse().unwrap();
    assert_eq!(lift(&unknown).unwrap_err().code().as_str(), "revocation_missing");
    let size = place.verified_size();

    let (lifted, record) = lift(&of_agent.id).unwrap();
    let trust = place.snapshot();
    assert_eq!(lifted.version, trust.document.version);
    assert_eq!((record.seq, place.verified_size()), (size, size + 1));
    let body = place.records().pop().unwrap();
    assert_eq!(body.kind, RecordKind::Trust);
    assert_eq!(
        body.body.get()["lifted"],
        json!({ "revocation": of_agent.id, "reason": "it was a test", "by": "user:maya" })
    );
    assert_eq!(body.body.get()["trust"], json!(trust.evidence()));
    let _ = allowed(&issuer);
    assert_eq!(lift(&of_agent.id).unwrap_err().code().as_str(), "revocation_missing");
    // Whoever is started later neither records it again nor misses the revocation.
    let size = place.verified_size();
    block_on(administrator.open()).unwrap();
    assert_eq!(place.verified_size(), size);
    // The same principal can be revoked again.
    let _ = revoke(RevocationTarget::Principal(ROGUE.parse().unwrap()));
    assert_eq!(authorize(&issuer).decision, Decision::Deny);
}

/// A crash between trust store and ledger: what was lifted is recorded at the next start, once, and what was revoked and
/// lifted before is not recorded as revoked any more.
#[test]
fn g07_a_lifting_without_a_record_is_recorded_at_open_once() {
    let place = Place::new();
    let _ = place.open();
    let now = System.now().unwrap();
    let (lost, short) = (revocation(1, "agent:first", now), revocation(2, "agent:second", now));
    place.change_unrecorded(|trust| change::revoke(trust, lost.clone()).unwrap());
    let _ = place.open();
    place.change_unrecorded(|trust| change::revoke(trust, short.clone()).unwrap());
    let lift = |trust: &mut TrustStore, id| {
        change::lift(
            trust,
            id,
            "it was a test".parse().unwrap(),
            "user:maya".parse().unwrap(),
        )
        .unwrap();
    };
    place.change_unrecorded(|trust| {
        lift(trust, &lost.id);
        lift(trust, &short.id);
    });
    for _ in 0..2 {
        let _ = place.open();
        let revoked = place.records_of(RecordKind::Revocation);
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0].body.get()["revocation"]["id"], json!(lost.id));
        let lifted: Vec<_> = place
            .records_of(RecordKind::Trust)
            .iter()
            .map(|record| record.body.get()["lifted"]["revocation"].clone())
            .collect();
        assert_eq!(lifted, [json!(lost.id), json!(short.id)]);
    }
}

/// Somebody who approves whatever they are asked for, and counts how often they are.
#[derive(Debug)]
struct Maya {
    key: SoftwareKey,
    asked: AtomicUsize,
}

impl ApprovalSource for Maya {
    fn request<'a>(&'a self, request: ApprovalQuestion<'a>) -> ApprovalFuture<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let approval = Approval::human(Approver::parse(APPROVER).unwrap(), "read it".parse().unwrap());
            let now = System.now().unwrap();
            let signed = approval.sign(request.action, request.issuer, &self.key, now, &System);
            Ok(ApprovalAnswer::Tokens(vec![signed.await.unwrap()]))
        })
    }
}

#[test]
fn an_approval_source_is_asked_once_also_if_the_key_is_superseded() {
    let maya = Arc::new(Maya {
        key: SoftwareKey::generate().unwrap(),
        asked: AtomicUsize::new(0),
    });
    let place = Place::with_keys(|_| vec![approval_key(maya.key.public_key())]);
    let builder = place.builder().with_approval_source(Arc::clone(&maya) as _);
    let issuer = block_on(builder.open()).unwrap();
    let (old, new) = (place.files.key(), new_key());
    let rotated = place.administrator();
    let rotated = rotated.rotate(rotation(&new, &old), || {
        place.files.set_key(&new);
        Ok::<(), StoreError>(())
    });
    let _ = block_on(rotated).unwrap();
    let decided = ask(&issuer, EXAMPLE_STEP_UP).unwrap();
    assert_eq!(decided.decision, Decision::Allow);
    assert_eq!(maya.asked.load(Ordering::Relaxed), 1);
}
