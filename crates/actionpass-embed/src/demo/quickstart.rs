//! The issuer's half of the first five minutes: [`AssertedArtifact`] and [`Quickstart`].

use actionpass::Authorization;
use actionpass::core::{Random as _, System};
use actionpass::model::{
    ApprovalId, ApprovalMode, ApprovalSchema, Approver, AssertedApproval, Audience, Caller, DEFAULT_APPROVAL_LIFETIME,
    Digest, Issuer as Name, Statement, Tenant, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{AUDIENCE, TrustedApprover, is_demo_call};
use crate::issuer::{Options, PassOptions, StatedCaller, Store};
use crate::{Action, BindingCode, Error, Issuer, SigningKey, Trust, options, time};

const POLICY: &str = include_str!("../demo.toml");

/// An approval of a name that nobody proved. There is no way to make one from text: what an agent writes is none.
///
/// Serialized it is `{kind: "asserted", actionHash, payloadHash, approvedBy, reason}`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssertedArtifact {
    kind: &'static str,
    action_hash: Digest,
    payload_hash: Digest,
    approved_by: Approver,
    reason: Statement,
    #[serde(skip)]
    id: ApprovalId,
    #[serde(skip)]
    approved_at: Timestamp,
    #[serde(skip)]
    of: Box<Action>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArtifactOptions {
    mode: ApprovalMode,
    approved_by: Approver,
    reason: Statement,
}

impl AssertedArtifact {
    /// A person's yes to an action, without a signature: `{mode: "human", approvedBy, reason}`.
    ///
    /// # Errors
    /// [`BindingCode::ArgumentInvalid`]: what nobody signed is never `policy_override`.
    pub fn new(action: Action, json: &str) -> Result<Self, Error> {
        let options: ArtifactOptions = options::read(json)?;
        if options.mode != ApprovalMode::Human {
            return Err(Error::argument(
                "mode",
                "what nobody signed is `human` and overrides nothing",
            ));
        }
        let now = time::now()?;
        let mut random = [0_u8; 10];
        if !System.fill(&mut random) {
            return Err(Error::internal(&"no randomness is to be had"));
        }
        let id = uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &random).into_uuid();
        Ok(Self {
            kind: "asserted",
            action_hash: action.bound().action_hash(),
            payload_hash: action.bound().payload_hash(),
            approved_by: options.approved_by,
            reason: options.reason,
            id: ApprovalId::from_uuid(id),
            approved_at: now,
            of: Box::new(action),
        })
    }

    /// The document, for this issuer.
    fn document(&self, issuer: &Name) -> Result<String, Error> {
        let head = self.of.bound().action();
        crate::to_json(&AssertedApproval {
            schema: ApprovalSchema,
            id: self.id.clone(),
            approved_by: self.approved_by.clone(),
            agent: head.actor.agent.clone(),
            issuer: issuer.clone(),
            approved_at: self.approved_at,
            expires_at: self.approved_at.saturating_add(DEFAULT_APPROVAL_LIFETIME),
            mode: ApprovalMode::Human,
            reason: self.reason.clone(),
            tenant: head.tenant.clone(),
            action_hash: self.action_hash,
            payload_hash: self.payload_hash,
            ext: None,
        })
    }
}

/// An issuer for the function `authorize`: of one key, one name, one tenant and one policy, with a store in memory. It lives as
/// long as whoever keeps it, and so long its approvals are used once.
#[derive(Clone, Debug)]
pub struct Quickstart {
    issuer: Issuer,
    name: Name,
    tenant: Tenant,
    is_demo: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QuickOptions {
    issuer: Name,
    tenant: Tenant,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    approvers: Vec<TrustedApprover>,
    #[serde(default)]
    audience: Option<Audience>,
    #[serde(default)]
    store: Store,
    #[serde(default)]
    dangerously_accept_asserted_approvals: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QuickQuestion {
    #[serde(default)]
    caller: Option<StatedCaller>,
    #[serde(default)]
    approvals: Vec<String>,
    #[serde(default)]
    audience: Option<Audience>,
}

impl Quickstart {
    /// An issuer from `{issuer, tenant, policy?, approvers?: [{principal, key, roles?}], audience?, store?,
    /// dangerouslyAcceptAssertedApprovals?}`. `action` is the one that it is opened for: its tool is the one that `audience` runs.
    /// Without a policy it decides on the demo action and nothing else.
    ///
    /// # Errors
    /// [`BindingCode::PolicyRequired`]; what [`Issuer::open`] says.
    pub async fn open(json: &str, key: SigningKey, action: &Action) -> Result<Self, Error> {
        let options: QuickOptions = options::read(json)?;
        let is_demo = options.policy.is_none();
        if is_demo && !is_demo_call(action.bound(), &options.issuer) {
            return Err(policy_required());
        }
        let tool = action.bound().action().capability.tool.clone();
        let audience = if is_demo {
            Some(AUDIENCE.to_owned())
        } else {
            options.audience.map(|audience| audience.as_str().to_owned())
        };
        let mut entries = Vec::new();
        for approver in &options.approvers {
            entries.push(approver.entry()?);
        }
        let (name, tenant) = (options.issuer, options.tenant);
        let parts = Options {
            issuer: name.clone(),
            tenants: vec![tenant.clone()],
            agents: Vec::new(),
            audiences: audience
                .into_iter()
                .map(|audience| (audience, vec![tool.clone()]))
                .collect(),
            policy: options.policy.unwrap_or_else(|| POLICY.to_owned()),
            store: options.store,
            pass: PassOptions::default(),
            signing_timeout: None,
            dangerously_accept_asserted_approvals: is_demo || options.dangerously_accept_asserted_approvals,
        };
        Ok(Self {
            issuer: Issuer::of_options(parts, key, Trust::of_entries(entries)?).await?,
            name,
            tenant,
            is_demo,
        })
    }

    /// Whether it is the demo's, which a binding warns of once.
    #[must_use]
    pub const fn is_demo(&self) -> bool {
        self.is_demo
    }

    /// Decides on an action with `{caller?, approvals?, audience?}`, as [`Issuer::authorize`] does. Without a caller it is the
    /// action's actor, whom the host vouches for by having made the action.
    ///
    /// # Errors
    /// [`BindingCode::PolicyRequired`] without a policy, for anything but the demo action; those of [`Issuer::authorize`].
    pub async fn authorize(
        &self,
        action: Action,
        facts: Option<Vec<u8>>,
        artifact: Option<AssertedArtifact>,
        json: &str,
    ) -> Result<Authorization, Error> {
        let question: QuickQuestion = options::read(json)?;
        if self.is_demo && !is_demo_call(action.bound(), &self.name) {
            return Err(policy_required());
        }
        let caller = match question.caller {
            Some(caller) => Caller::from(caller),
            None => Caller {
                tenant: self.tenant.clone(),
                ..Caller::dangerously_from(action.bound().action())
            },
        };
        let mut approvals = question.approvals;
        if let Some(artifact) = artifact {
            approvals.push(artifact.document(&self.name)?);
        }
        let actor = &caller.actor;
        let stated = serde_json::json!({
            "caller": {
                "tenant": caller.tenant,
                "agent": actor.agent,
                "humanOwner": actor.human_owner,
                "runtime": actor.runtime,
                "via": actor.via,
            },
            "approvals": approvals,
            "audience": question.audience,
            "open": false,
        });
        self.issuer.authorize(action, facts, &stated.to_string()).await
    }
}

fn policy_required() -> Error {
    Error::new(
        BindingCode::PolicyRequired,
        "without a policy only the demo action is decided, under an issuer of a reserved name (`.local`, `.test`, `.example`, `.invalid`, localhost)",
    )
}
