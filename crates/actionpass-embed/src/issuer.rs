//! [`Issuer`]: decisions, of a home or of parts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actionpass::canon::{BoundFacts, Limits};
use actionpass::core::{FixedDeployment, NewRevocation, RequestTerms, prunable_from};
use actionpass::custody::Secrets;
use actionpass::home::{Home, OpenHome};
use actionpass::model::{
    Actor, Agent, ApprovalId, Approver, Audience, Caller, Issuer as Name, KeyId, Owner, PassId, Principal, Revocation,
    RevocationTarget, Runtime, Statement, Tenant, Tenants, Tool,
};
use actionpass::policy::RulePolicy;
use actionpass::store::ledger::RecordRef;
use actionpass::store::{MemoryDecisionStore, MemoryReplayStore, QueueStore, ReplayStart, ReplayStore as Replay};
use actionpass::{Authorization, IssuerConfig, Request};
use actionpass_custodians::SecretSource;
use actionpass_store_sqlite::SqliteStore;
use serde::{Deserialize, Serialize};

use crate::process::Process;
use crate::signer::Named;
use crate::{Action, BindingCode, Error, ReplayStore, SigningKey, Trust, options, time};

/// An issuer: it judges, records, and signs what is allowed. Clones are the same issuer.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    /// `None` once it was closed.
    parts: RwLock<Option<Arc<Parts>>>,
    process: Process,
}

struct Parts {
    issuer: actionpass::Issuer,
    name: Name,
    trust: Trust,
    replay: ReplayStore,
}

/// An issuer of parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) issuer: Name,
    pub(crate) tenants: Vec<Tenant>,
    #[serde(default)]
    pub(crate) agents: Vec<Agent>,
    #[serde(default)]
    pub(crate) audiences: BTreeMap<String, Vec<Tool>>,
    /// The text of a `policy.toml`.
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) store: Store,
    #[serde(default)]
    pub(crate) pass: PassOptions,
    /// In seconds.
    #[serde(default)]
    pub(crate) signing_timeout: Option<u64>,
    #[serde(default)]
    pub(crate) dangerously_accept_asserted_approvals: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct PassOptions {
    /// In seconds.
    lifetime: Option<u64>,
}

/// `"memory"`, `{memory: {capacity}}` or `{sqlite: PATH}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Store {
    Name(StoreName),
    Of(StoreOf),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreName {
    Memory,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreOf {
    Memory(Capacity),
    Sqlite(PathBuf),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    capacity: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self::Name(StoreName::Memory)
    }
}

/// What goes with an action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Question {
    caller: StatedCaller,
    #[serde(default)]
    approvals: Vec<String>,
    #[serde(default)]
    audience: Option<Audience>,
    /// In seconds.
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    observe: bool,
    /// Whether a step_up opens an approval request.
    #[serde(default)]
    open: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StatedCaller {
    pub(crate) tenant: Tenant,
    agent: Agent,
    human_owner: Owner,
    runtime: Runtime,
    #[serde(default)]
    via: Vec<Agent>,
}

impl From<StatedCaller> for Caller {
    fn from(stated: StatedCaller) -> Self {
        Self {
            tenant: stated.tenant,
            actor: Actor {
                agent: stated.agent,
                human_owner: stated.human_owner,
                runtime: stated.runtime,
                via: stated.via,
            },
        }
    }
}

/// What is revoked, and why.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Revoke {
    #[serde(default)]
    pass: Option<PassId>,
    /// Of another issuer than this one.
    #[serde(default)]
    issuer: Option<Name>,
    #[serde(default)]
    approval: Option<ApprovalId>,
    #[serde(default)]
    approver: Option<Approver>,
    #[serde(default)]
    key: Option<KeyId>,
    #[serde(default)]
    principal: Option<Principal>,
    reason: Statement,
    /// Who says so.
    by: Principal,
}

/// What was revoked, and the record of it.
#[derive(Clone, Debug, Serialize)]
pub struct Revoked {
    revocation: Revocation,
    record: RecordRef,
}

impl Issuer {
    /// The issuer of a home that `actionpass init` made: policy, key and trust are those of its files, also as they change.
    /// `passphrase` names what keeps the passphrase of an encrypted key, where `config.toml` doesn't.
    ///
    /// # Errors
    /// What is wrong with the home, or what its custodian says. `argument_invalid` for a home that is in a database: its trust store
    /// isn't a file, and a `trust.json` that lies in it isn't in force. Its service is asked instead, through a client.
    pub async fn open_home(root: &str, passphrase: Option<&str>) -> Result<Self, Error> {
        let named = passphrase.map(SecretSource::parse).transpose()?;
        let home = Home::open(Path::new(root))?;
        if home.config()?.database().is_some() {
            let hint = "the home is in a PostgreSQL database, which this package doesn't open: run `actionpass serve` on it, and ask \
                        that service through a client";
            return Err(Error::argument("home", hint));
        }
        let open = OpenHome::open(home)?;
        let configured = open.config.signing.passphrase.as_ref();
        let source = named.or_else(|| configured.map(|source| source.below(open.home.root())));
        let secrets: Arc<dyn Secrets + Send + Sync> = Arc::new(Named(source));
        let issuer = open.issuer(secrets).await?;
        let trust = open.home.path("trust.json");
        let trust = trust
            .to_str()
            .ok_or_else(|| Error::argument("home", "its path is not Unicode"))?;
        Ok(Self::of(Parts {
            name: issuer.config().issuer().clone(),
            trust: Trust::watch(trust)?,
            replay: ReplayStore::of(Arc::clone(&open.store) as _),
            issuer,
        }))
    }

    /// An issuer of parts: `{issuer, tenants, agents?, audiences?: {NAME: [TOOL]}, policy, store?, pass?: {lifetime?},
    /// signingTimeout?, dangerouslyAcceptAssertedApprovals?}`. `policy` is the text of a `policy.toml`; `store` is `"memory"`
    /// (100,000 records, then everything is refused with `store_full`), `{memory: {capacity}}` or `{sqlite: PATH}`, which is made
    /// where it isn't there; times are in seconds.
    ///
    /// Trust in memory is made to believe the issuer's key; of a file it has to be there. A store in a file goes with trust in a
    /// file: it refuses a trust store that is another than before (`trust_rolled_back`).
    ///
    /// # Errors
    /// [`BindingCode::ArgumentInvalid`]; what is wrong with policy, key, trust or store.
    pub async fn open(json: &str, key: SigningKey, trust: Trust) -> Result<Self, Error> {
        Self::of_options(options::read(json)?, key, trust).await
    }

    pub(crate) async fn of_options(options: Options, key: SigningKey, trust: Trust) -> Result<Self, Error> {
        let policy = Arc::new(RulePolicy::load(&options.policy, "policy.toml")?);
        let name = options.issuer.clone();
        let mut config = IssuerConfig::new(options.issuer, options.tenants.clone())
            .with_agents(options.agents)
            .with_requests(RequestTerms::DEFAULT);
        for (audience, tools) in options.audiences {
            let audience = options::text(&format!("audiences.{audience}"), &audience)?;
            config = config.with_audience(audience, tools);
        }
        if let Some(seconds) = options.pass.lifetime {
            config = config.with_pass_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seconds) = options.signing_timeout {
            config = config.with_signing_timeout(Duration::from_secs(seconds));
        }
        if options.dangerously_accept_asserted_approvals {
            config = config.dangerously_accept_asserted_approvals();
        }
        let entry = key.signer().public_key().pass_key_of(&name);
        trust
            .believe(entry.with_tenants(Tenants::Only(options.tenants)))
            .await?;

        let log = config.log().map_err(|error| Error::argument("issuer", error))?;
        let start = ReplayStart::first(time::now()?.to_unix_seconds());
        let (queue, replay): (Arc<dyn QueueStore>, Arc<dyn Replay>) = match options.store {
            Store::Name(StoreName::Memory) => in_memory(MemoryDecisionStore::new(log), start),
            Store::Of(StoreOf::Memory(Capacity { capacity })) => {
                in_memory(MemoryDecisionStore::with_capacity(log, capacity), start)
            }
            Store::Of(StoreOf::Sqlite(path)) => {
                let store = Arc::new(SqliteStore::open_or_create(&path, Some(&log), start)?);
                (Arc::clone(&store) as _, store)
            }
        };
        let deployment = FixedDeployment::new(policy, Arc::clone(key.signer()));
        let issuer =
            actionpass::Issuer::builder(config, Arc::new(deployment), trust.document()?, Arc::clone(&queue) as _)
                .with_requests(queue)
                .with_replay_store(Arc::clone(&replay))
                .open()
                .await?;
        Ok(Self::of(Parts {
            issuer,
            name,
            trust,
            replay: ReplayStore::of(replay),
        }))
    }

    fn of(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts: RwLock::new(Some(Arc::new(parts))),
            process: Process::current(),
        }))
    }

    fn parts(&self) -> Result<Arc<Parts>, Error> {
        self.0.process.check()?;
        let parts = self.0.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts
            .clone()
            .ok_or_else(|| Error::new(BindingCode::IssuerClosed, "the issuer was closed"))
    }

    /// Decides on an action, and records it: `{caller: {tenant, agent, humanOwner, runtime, via?}, approvals?, audience?, wait?,
    /// open?, observe?}`. The caller is who the **host** says it is. `facts` is the raw JSON of what the host attests. `wait` is how
    /// many seconds a step_up waits for people; `open: false` opens no approval request.
    ///
    /// A deny or step_up is a result. Only an allow has a pass.
    ///
    /// # Errors
    /// Nothing was allowed: a part failed, or the action is refused (`caller_mismatch`, `action_id_reused` …).
    pub async fn authorize(&self, action: Action, facts: Option<Vec<u8>>, json: &str) -> Result<Authorization, Error> {
        let question: Question = options::read(json)?;
        let facts = facts
            .map(|facts| BoundFacts::admit(&facts, &Limits::default()))
            .transpose()?;
        let parts = self.parts()?;
        let caller = Caller::from(question.caller);
        let mut request = Request::new(action.bound(), &caller);
        if let Some(facts) = &facts {
            request = request.with_facts(facts);
        }
        if let Some(audience) = &question.audience {
            request = request.with_audience(audience);
        }
        for approval in question.approvals {
            request = request.with_approval(approval);
        }
        if question.open == Some(false) {
            request = request.without_opening();
        }
        if question.observe {
            request = request.observing();
        }
        request = request.with_wait(Duration::from_secs(question.wait));
        Ok(parts.issuer.authorize(request).await?)
    }

    /// Revokes `{pass, issuer?}`, `{approval, approver}`, `{key}` or `{principal}`, with `{reason, by}`: the trust store first, then
    /// the ledger.
    ///
    /// # Errors
    /// Nothing was revoked, or it is and its record is missing.
    pub async fn revoke(&self, json: &str) -> Result<Revoked, Error> {
        let asked: Revoke = options::read(json)?;
        let parts = self.parts()?;
        let target = match asked {
            Revoke {
                pass: Some(id),
                issuer,
                approval: None,
                approver: None,
                key: None,
                principal: None,
                ..
            } => {
                let issuer = issuer.unwrap_or_else(|| parts.name.clone());
                RevocationTarget::Pass { id, issuer }
            }
            Revoke {
                pass: None,
                issuer: None,
                approval: Some(id),
                approver: Some(approver),
                key: None,
                principal: None,
                ..
            } => RevocationTarget::Approval { id, approver },
            Revoke {
                pass: None,
                issuer: None,
                approval: None,
                approver: None,
                key: Some(key),
                principal: None,
                ..
            } => RevocationTarget::Key(key),
            Revoke {
                pass: None,
                issuer: None,
                approval: None,
                approver: None,
                key: None,
                principal: Some(principal),
                ..
            } => RevocationTarget::Principal(principal),
            _ => {
                return Err(Error::argument(
                    "",
                    "one of `pass`, `approval` with `approver`, `key` and `principal` says what is revoked",
                ));
            }
        };
        let expires_at = prunable_from(&target, Some(&parts.name), time::now()?);
        let revocation = NewRevocation {
            target,
            reason: asked.reason,
            revoked_by: asked.by,
            compromised_since: None,
            expires_at,
        };
        let (revocation, record) = parts.issuer.administrator().revoke(revocation).await?;
        Ok(Revoked { revocation, record })
    }

    /// Its name, the `iss` of its passes.
    ///
    /// # Errors
    /// If it was closed.
    pub fn name(&self) -> Result<String, Error> {
        Ok(self.parts()?.name.as_str().to_owned())
    }

    /// Whom it believes: for verifiers in the same process, which see what it revokes.
    ///
    /// # Errors
    /// If it was closed.
    pub fn trust(&self) -> Result<Trust, Error> {
        Ok(self.parts()?.trust.clone())
    }

    /// Which of its passes were used: for executors in the same process.
    ///
    /// # Errors
    /// If it was closed.
    pub fn replay_store(&self) -> Result<ReplayStore, Error> {
        Ok(self.parts()?.replay.clone())
    }

    /// Lets go of key and store; what is under way ends first. Closing again does nothing.
    pub fn close(&self) {
        *self.0.parts.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn in_memory(decisions: MemoryDecisionStore, start: ReplayStart) -> (Arc<dyn QueueStore>, Arc<dyn Replay>) {
    (Arc::new(decisions), Arc::new(MemoryReplayStore::new(start)))
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}
