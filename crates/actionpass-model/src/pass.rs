//! The pass: the signed permission for one action, a JWT.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::{Binding, BindingSchema, MAX_VIA};
use crate::decision::{ApprovalMode, Assurance, Obligation, PolicyRef};
use crate::digest::Digest;
use crate::document::{
    ClaimsError, ClaimsVersion, DocumentCode, DocumentError, SignedDocument, exactly, read_claims, write_claims,
};
use crate::ids::{
    ActionId, Agent, ApprovalId, Approver, Audience, Issuer, Owner, PassId, Resource, Runtime, Server, Task, Tenant, Tool,
};
use crate::json::{JsonObject, present};
use crate::time::UnixSeconds;
use crate::trust::KeyUse;

/// How long a pass holds unless configuration or policy says otherwise.
pub const DEFAULT_PASS_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// The longest lifetime that a verifier accepts by default.
pub const MAX_PASS_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The longest token that is read or issued, in bytes.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// The most approvals that a pass carries.
pub const MAX_APPROVALS: usize = 8;

/// The claims of a pass (`typ: actionpass+jwt`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PassClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The agent.
    pub sub: Agent,
    /// The executors that may accept it: one text, never a list.
    pub aud: Audience,
    /// When it was issued.
    pub iat: UnixSeconds,
    /// From when on it holds.
    pub nbf: UnixSeconds,
    /// From when on it no longer holds.
    pub exp: UnixSeconds,
    /// Its id: with the issuer, what it is used up by. Token bytes never identify a pass.
    pub jti: PassId,
    /// What is permitted.
    pub actionpass: PassTerms,
}

/// What a pass permits and how that came about.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PassTerms {
    /// The version of these claims.
    pub v: ClaimsVersion,
    /// The organization.
    pub tenant: Tenant,
    /// The person who answers for the agent.
    pub human_owner: Owner,
    /// Where the agent runs.
    pub runtime: Runtime,
    /// The agents that it acts for.
    pub via: Vec<Agent>,
    /// The task.
    pub task: Task,
    /// The tool.
    pub tool: Tool,
    /// What it acts on.
    pub resource: Resource,
    /// The server that lists the tool.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The hash of the tool's definition.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub definition_hash: Option<Digest>,
    /// Which occurrence.
    pub action_id: ActionId,
    /// The hash of the binding; a verifier rebuilds it from the other claims.
    pub action_hash: Digest,
    /// The hash of the payload: the one thing that may be executed.
    pub payload_hash: Digest,
    /// The hash of the context, `{}` where there was none.
    pub context_hash: Digest,
    /// The hash of the facts, `{}` where there were none.
    pub facts_hash: Digest,
    /// How the hashes were canonicalized.
    pub canon: Canon,
    /// The policy that allowed it.
    pub policy: PolicyRef,
    /// What the executor must enforce.
    pub obligations: Vec<Obligation>,
    /// The approvals that it rests on.
    pub approvals: Vec<EmbeddedApproval>,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

/// `rfc8785`: the only canonicalization of this version.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Canon;

impl Serialize for Canon {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("rfc8785")
    }
}

impl<'de> Deserialize<'de> for Canon {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        exactly(deserializer, "rfc8785").map(|()| Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Canon {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Canon".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": "rfc8785" })
    }
}

/// An approval inside a pass: the token itself, so that an executor can check it against the same payload.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedApproval {
    /// The approval's id.
    pub id: ApprovalId,
    /// How it counted.
    pub mode: ApprovalMode,
    /// Who approved.
    pub approved_by: Approver,
    /// How sure that is.
    pub assurance: Assurance,
    /// The approval: a compact JWS if it is signed, the JSON document if it is only asserted.
    pub token: String,
}

impl PassTerms {
    /// The binding that `actionHash` must be the hash of, rebuilt from these claims and the pass's agent.
    #[must_use]
    pub fn binding<'a>(&'a self, agent: &'a Agent) -> Binding<'a> {
        Binding {
            schema: BindingSchema,
            tenant: &self.tenant,
            agent,
            via: &self.via,
            human_owner: &self.human_owner,
            runtime: &self.runtime,
            task: &self.task,
            tool: &self.tool,
            resource: &self.resource,
            server: self.server.as_ref(),
            definition_hash: self.definition_hash,
            payload_hash: self.payload_hash,
        }
    }

    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        if self.via.len() > MAX_VIA {
            return wrong("actionpass.via", "has more than 8 agents");
        }
        if self.approvals.len() > MAX_APPROVALS {
            return wrong("actionpass.approvals", "has more than 8 approvals");
        }
        if self.server.is_some() != self.definition_hash.is_some() {
            return wrong("actionpass.definitionHash", "must stand with `server`, and `server` with it");
        }
        Ok(())
    }
}

impl PassClaims {
    fn check(&self) -> Result<(), DocumentError> {
        if self.iat > self.nbf || self.nbf >= self.exp {
            return Err(DocumentError::new(DocumentCode::MembersContradict, "nbf", "is before `iat` or not before `exp`"));
        }
        self.actionpass.check()
    }
}

impl SignedDocument for PassClaims {
    const TYP: &'static str = "actionpass+jwt";
    const KEY_USE: KeyUse = KeyUse::Pass;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        let claims: Self = read_claims(payload, "actionpass")?;
        claims.check().map_err(ClaimsError::Malformed)?;
        Ok(claims)
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        self.check().map_err(ClaimsError::Malformed)?;
        write_claims(self)
    }
}
