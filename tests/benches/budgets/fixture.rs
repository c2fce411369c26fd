//! An issuer, an approver, a trust store and an action with a payload of 600 bytes.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{Approval, Authorizer, AuthorizerParts, Clock, IssuerConfig, Request, System};
use actionpass_crypto::{Signer, SoftwareKey};
use actionpass_model::{
    Approver, Audience, Caller, Issuer, RevocationId, Role, Statement, Tenant, Tenants, Timestamp, TrustKey,
    TrustStore, UnixSeconds,
};
use actionpass_policy::{RulePolicy, STARTER_POLICY};
use actionpass_store::ledger::{Head, Log, SealedRecord, seal};
use actionpass_store::{
    AppendOutcome, Batch, CommitOutcome, DecisionCommit, DecisionStore, Known, Ledger, LedgerState, LookUp, SideKind,
    StoreCode, StoreError, StoreFuture, StoredRecord,
};
use actionpass_verify::{FixedTrust, Trust, Verifier};

use crate::bare::BareVerify;

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const TENANT: &str = "org:example";
pub(crate) const TOOL: &str = "linear.issues.create";
pub(crate) const RESOURCE: &str = "team:ENG";
const APPROVER: &str = "user:maintainer@example.com";

/// One rule that asks a maintainer about what the starter policy allows by itself.
const REVIEWED: &str = r#"
schema = "actionpass.policy.v1"
id = "reviewed"
[[rule]]
id = "linear.reviewed"
effect = "step_up"
tool = "linear.issues.create"
approvals = { count = 1, roles = ["maintainer"], not_owner = true }
"#;

/// Everything that the rows share.
pub(crate) struct Fixture {
    pub(crate) key: Arc<SoftwareKey>,
    pub(crate) approver: SoftwareKey,
    pub(crate) trust: Arc<Trust>,
    pub(crate) config: IssuerConfig,
    pub(crate) caller: Caller,
    /// The action as it arrives; its payload has 600 canonical bytes.
    pub(crate) action: String,
    /// The payload as it arrives at the executor.
    pub(crate) payload: String,
    /// A pass for the action.
    pub(crate) pass: String,
    pub(crate) control: BareVerify,
    pub(crate) now: Timestamp,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let (key, approver) = (
            Arc::new(SoftwareKey::generate().unwrap()),
            SoftwareKey::generate().unwrap(),
        );
        let now = System.now().unwrap();
        let trust = Arc::new(Trust::parse(&serde_json::to_vec(&trust_store(&key, &approver, now)).unwrap()).unwrap());
        let issuer = Issuer::parse(ISSUER).unwrap();
        let config = IssuerConfig::new(issuer, vec![Tenant::parse(TENANT).unwrap()]);
        let payload = payload(600);
        let action = action(&payload, None);
        let caller = Caller::parse(
            TENANT,
            "agent:codex-prod",
            "user:owner@example.com",
            "runtime:codex-cli",
        )
        .unwrap();
        let unfinished = Unfinished {
            key: &key,
            trust: &trust,
            config: &config,
        };
        let issuing = unfinished.authorizer(policy(), Arc::new(NoStore::new(&config)));
        let pass = pass(&issuing, &caller, &action, None);
        let control = BareVerify::of(&pass, &key);
        Self {
            key,
            approver,
            trust,
            config,
            caller,
            action,
            payload,
            pass,
            control,
            now,
        }
    }

    /// An issuer with the starter policy, which allows the action.
    pub(crate) fn authorizer(&self, store: Arc<dyn DecisionStore>) -> Authorizer {
        self.allowing(Arc::clone(&self.key) as _, store)
    }

    /// The same with another custodian.
    pub(crate) fn allowing(&self, signer: Arc<dyn Signer>, store: Arc<dyn DecisionStore>) -> Authorizer {
        self.authorizer_with(policy(), signer, store)
    }

    /// An issuer whose policy wants a maintainer's approval of the action.
    pub(crate) fn reviewing(&self, signer: Arc<dyn Signer>, store: Arc<dyn DecisionStore>) -> Authorizer {
        self.authorizer_with(RulePolicy::load(REVIEWED, "policy.toml").unwrap(), signer, store)
    }

    fn authorizer_with(
        &self,
        policy: RulePolicy,
        signer: Arc<dyn Signer>,
        store: Arc<dyn DecisionStore>,
    ) -> Authorizer {
        authorizer(&self.config, signer, policy, &self.trust, store)
    }

    /// A maintainer's approval of the action, different each time.
    pub(crate) fn approval(&self) -> String {
        let approval = Approval::human(
            Approver::parse(APPROVER).unwrap(),
            Statement::parse("looked at it").unwrap(),
        );
        let action = BoundAction::admit(self.action.as_bytes(), &Limits::default()).unwrap();
        let issuer = Issuer::parse(ISSUER).unwrap();
        block_on(approval.sign(&action, &issuer, &self.approver, System.now().unwrap(), &System)).unwrap()
    }

    /// A pass with one approval inside.
    pub(crate) fn approved_pass(&self) -> String {
        let store = Arc::new(NoStore::new(&self.config));
        let issuing = self.reviewing(Arc::clone(&self.key) as _, store);
        pass(&issuing, &self.caller, &self.action, Some(self.approval()))
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let audience = Audience::parse(TOOL).unwrap();
        Verifier::new(Issuer::parse(ISSUER).unwrap(), audience, Tenant::parse(TENANT).unwrap())
    }

    /// When the pass is verified.
    pub(crate) fn at(&self) -> UnixSeconds {
        self.now.to_unix_seconds()
    }
}

/// What is there before the first pass is.
struct Unfinished<'a> {
    key: &'a Arc<SoftwareKey>,
    trust: &'a Arc<Trust>,
    config: &'a IssuerConfig,
}

impl Unfinished<'_> {
    fn authorizer(&self, policy: RulePolicy, store: Arc<dyn DecisionStore>) -> Authorizer {
        authorizer(self.config, Arc::clone(self.key) as _, policy, self.trust, store)
    }
}

fn authorizer(
    config: &IssuerConfig,
    signer: Arc<dyn Signer>,
    policy: RulePolicy,
    trust: &Arc<Trust>,
    store: Arc<dyn DecisionStore>,
) -> Authorizer {
    let parts = AuthorizerParts {
        signer,
        policy: Arc::new(policy),
        trust: Arc::new(FixedTrust::new(Arc::clone(trust))),
        store,
    };
    block_on(Authorizer::builder(config.clone(), parts).build()).unwrap()
}

fn policy() -> RulePolicy {
    RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()
}

fn pass(issuing: &Authorizer, caller: &Caller, action: &str, approval: Option<String>) -> String {
    let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
    let mut request = Request::new(&action, caller);
    if let Some(approval) = approval {
        request = request.with_approval(approval);
    }
    let answer = block_on(issuing.authorize(request)).unwrap();
    answer
        .pass
        .unwrap_or_else(|| panic!("{:?}: {:?}", answer.decision, answer.reasons))
        .token
}

/// A Linear issue of so many canonical bytes.
fn payload(bytes: usize) -> String {
    let start = r#"{"description":"Seen while working on AXT-418: the loop has no limit, so a \"gone\" server is asked for ever.\n"#;
    let end = r#"","team":"ENG","title":"Retry loop never gives up"}"#;
    let words = "The log has more. "
        .chars()
        .cycle()
        .take(bytes - start.len() - end.len());
    format!("{start}{}{end}", words.collect::<String>())
}

/// The action with this payload, and an id of its own if it gets one.
pub(crate) fn action(payload: &str, id: Option<&str>) -> String {
    let id = id.map_or(String::new(), |id| format!("\"id\": \"{id}\",\n  "));
    format!(
        r#"{{
  "schema": "actionpass.action.v1",
  {id}"tenant": "{TENANT}",
  "actor": {{ "agent": "agent:codex-prod", "humanOwner": "user:owner@example.com", "runtime": "runtime:codex-cli" }},
  "intent": {{ "task": "AXT-418", "summary": "File the follow-up of AXT-418" }},
  "capability": {{ "tool": "{TOOL}", "resource": "{RESOURCE}", "payload": {payload} }}
}}"#
    )
}

/// The issuer's key and the approver's, nothing revoked.
pub(crate) fn trust_store(key: &SoftwareKey, approver: &SoftwareKey, now: Timestamp) -> TrustStore {
    let mut store = TrustStore::new(now);
    store.keys.push(pass_key(key));
    let approver_key = approver
        .public_key()
        .approval_key_of(&Approver::parse(APPROVER).unwrap())
        .with_roles(vec![Role::parse("maintainer").unwrap()]);
    store.keys.push(approver_key.with_tenants(tenants()));
    store
}

/// A key that may sign passes of the issuer.
pub(crate) fn pass_key(key: &SoftwareKey) -> TrustKey {
    let key = key.public_key().pass_key_of(&Issuer::parse(ISSUER).unwrap());
    key.with_tenants(tenants())
}

fn tenants() -> Tenants {
    Tenants::Only(vec![Tenant::parse(TENANT).unwrap()])
}

/// A store that costs next to nothing: it keeps the first decision that it is given, sealed, and answers every later
/// one with that record.
#[derive(Debug)]
pub(crate) struct NoStore {
    log: Log,
    first: OnceLock<(DecisionCommit, SealedRecord)>,
}

impl NoStore {
    pub(crate) fn new(config: &IssuerConfig) -> Self {
        Self {
            log: config.log().unwrap(),
            first: OnceLock::new(),
        }
    }

    /// The first decision, and its record.
    pub(crate) fn first(&self) -> &(DecisionCommit, SealedRecord) {
        self.first.get().unwrap()
    }
}

fn nothing<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn unavailable<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::new(StoreCode::StoreUnavailable))))
}

impl DecisionStore for NoStore {
    fn look_up(&self, _question: LookUp) -> StoreFuture<'_, Known> {
        nothing(Known::new(LedgerState::new(Head::EMPTY)))
    }

    fn commit(&self, commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        let (_, record) = self.first.get_or_init(|| {
            let record = seal(&self.log, &Head::EMPTY, &commit.record).unwrap();
            (commit, record)
        });
        nothing(CommitOutcome::Committed(record.clone()))
    }
}

impl Ledger for NoStore {
    fn append(&self, _batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        unavailable()
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        nothing(LedgerState::new(Head::EMPTY))
    }

    fn read(&self, _seq: u64, _limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        unavailable()
    }

    fn follow(&self, _seq: u64) -> StoreFuture<'_, u64> {
        unavailable()
    }

    fn side(&self, _seq: u64, _kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        unavailable()
    }

    fn unrecorded(&self, _revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        unavailable()
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        unavailable()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    // What is ready at once needs no waker.
    if let Poll::Ready(output) = Pin::as_mut(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        return output;
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
