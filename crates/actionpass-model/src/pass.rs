//! The pass: the signed permission for one action, a JWT.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::{Binding, BindingSchema, MAX_VIA};
use crate::decision::{ApprovalMode, Assurance, Obligation, PolicyRef};
use crate::digest::Digest;
use crate::document::{
    ClaimsError, ClaimsVersion, DocumentCode, DocumentError, SignedDocument, exactly, not_written, read_claims,
};
use crate::ids::{
    ActionId, Agent, ApprovalId, Approver, Audience, Issuer, Owner, PassId, PolicyId, Resource, RuleId, Runtime,
    Server, Task, Tenant, Tool,
};
use crate::json::{JsonObject, present};
use crate::key_use::KeyUse;
use crate::layout::{Layout, Written};
use crate::time::UnixSeconds;

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
#[serde(deny_unknown_fields, remote = "Self")]
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
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
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
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
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
            return wrong(
                "actionpass.definitionHash",
                "must stand with `server`, and `server` with it",
            );
        }
        Ok(())
    }
}

impl PassClaims {
    fn check(&self) -> Result<(), DocumentError> {
        if self.iat > self.nbf || self.nbf >= self.exp {
            return Err(DocumentError::new(
                DocumentCode::MembersContradict,
                "nbf",
                "is before `iat` or not before `exp`",
            ));
        }
        self.actionpass.check()
    }
}

impl PassClaims {
    /// Reads claims in the layout that [`to_claims`](SignedDocument::to_claims) writes; `None` leaves them to the strict
    /// reader.
    fn in_layout(payload: &str) -> Option<Self> {
        let from = &mut Layout::new(payload);
        from.expect("{\"iss\":")?;
        let iss = from.text(Issuer::parse)?;
        from.expect(",\"sub\":")?;
        let sub = from.text(Agent::parse)?;
        from.expect(",\"aud\":")?;
        let aud = from.text(Audience::parse)?;
        from.expect(",\"iat\":")?;
        let iat = from.seconds()?;
        from.expect(",\"nbf\":")?;
        let nbf = from.seconds()?;
        from.expect(",\"exp\":")?;
        let exp = from.seconds()?;
        from.expect(",\"jti\":")?;
        let jti = from.text(PassId::parse)?;
        from.expect(",\"actionpass\":")?;
        let actionpass = PassTerms::in_layout(from)?;
        from.expect("}")?;
        from.end()?;
        Some(Self {
            iss,
            sub,
            aud,
            iat,
            nbf,
            exp,
            jti,
            actionpass,
        })
    }
}

impl PassTerms {
    fn in_layout(from: &mut Layout<'_>) -> Option<Self> {
        from.expect("{\"v\":1,\"tenant\":")?;
        let tenant = from.text(Tenant::parse)?;
        from.expect(",\"humanOwner\":")?;
        let human_owner = from.text(Owner::parse)?;
        from.expect(",\"runtime\":")?;
        let runtime = from.text(Runtime::parse)?;
        from.expect(",\"via\":")?;
        let via = from.list(|from| from.text(Agent::parse))?;
        from.expect(",\"task\":")?;
        let task = from.text(Task::parse)?;
        from.expect(",\"tool\":")?;
        let tool = from.text(Tool::parse)?;
        from.expect(",\"resource\":")?;
        let resource = from.text(Resource::parse)?;
        let server = if from.has(",\"server\":") {
            Some(from.text(Server::parse)?)
        } else {
            None
        };
        let definition_hash = if from.has(",\"definitionHash\":") {
            Some(from.text(Digest::parse)?)
        } else {
            None
        };
        from.expect(",\"actionId\":")?;
        let action_id = from.text(ActionId::parse)?;
        from.expect(",\"actionHash\":")?;
        let action_hash = from.text(Digest::parse)?;
        from.expect(",\"payloadHash\":")?;
        let payload_hash = from.text(Digest::parse)?;
        from.expect(",\"contextHash\":")?;
        let context_hash = from.text(Digest::parse)?;
        from.expect(",\"factsHash\":")?;
        let facts_hash = from.text(Digest::parse)?;
        from.expect(",\"canon\":\"rfc8785\",\"policy\":{\"id\":")?;
        let id = from.text(PolicyId::parse)?;
        from.expect(",\"digest\":")?;
        let digest = from.text(Digest::parse)?;
        from.expect(",\"rules\":")?;
        let rules = from.list(|from| from.text(RuleId::parse))?;
        // Obligations have free-form parameters, and those are the strict reader's.
        from.expect("},\"obligations\":[],\"approvals\":")?;
        let approvals = from.list(EmbeddedApproval::in_layout)?;
        from.expect("}")?;
        Some(Self {
            v: ClaimsVersion,
            tenant,
            human_owner,
            runtime,
            via,
            task,
            tool,
            resource,
            server,
            definition_hash,
            action_id,
            action_hash,
            payload_hash,
            context_hash,
            facts_hash,
            canon: Canon,
            policy: PolicyRef { id, digest, rules },
            obligations: Vec::new(),
            approvals,
            ext: None,
        })
    }
}

impl EmbeddedApproval {
    fn in_layout(from: &mut Layout<'_>) -> Option<Self> {
        from.expect("{\"id\":")?;
        let id = from.text(ApprovalId::parse)?;
        from.expect(",\"mode\":")?;
        let mode = ApprovalMode::from_name(from.plain()?)?;
        from.expect(",\"approvedBy\":")?;
        let approved_by = from.text(Approver::parse)?;
        from.expect(",\"assurance\":")?;
        let assurance = Assurance::from_name(from.plain()?)?;
        from.expect(",\"token\":")?;
        let token = from.plain()?.to_owned();
        from.expect("}")?;
        Some(Self {
            id,
            mode,
            approved_by,
            assurance,
            token,
        })
    }
}

impl PassClaims {
    /// Writes what the derived `Serialize` writes, in a third of its time; a test holds one against the other.
    fn write(&self, to: &mut Written) -> serde_json::Result<()> {
        to.text("{\"iss\":", self.iss.as_str())?;
        to.text(",\"sub\":", self.sub.as_str())?;
        to.text(",\"aud\":", self.aud.as_str())?;
        to.json(",\"iat\":", &self.iat)?;
        to.json(",\"nbf\":", &self.nbf)?;
        to.json(",\"exp\":", &self.exp)?;
        to.text(",\"jti\":", self.jti.as_str())?;
        to.literal(",\"actionpass\":");
        self.actionpass.write(to)?;
        to.literal("}");
        Ok(())
    }
}

impl PassTerms {
    fn write(&self, to: &mut Written) -> serde_json::Result<()> {
        to.text("{\"v\":1,\"tenant\":", self.tenant.as_str())?;
        to.text(",\"humanOwner\":", self.human_owner.as_str())?;
        to.text(",\"runtime\":", self.runtime.as_str())?;
        to.literal(",\"via\":");
        to.list(&self.via, |to, agent| to.text("", agent.as_str()))?;
        to.text(",\"task\":", self.task.as_str())?;
        to.text(",\"tool\":", self.tool.as_str())?;
        to.text(",\"resource\":", self.resource.as_str())?;
        if let Some(server) = &self.server {
            to.text(",\"server\":", server.as_str())?;
        }
        if let Some(definition_hash) = self.definition_hash {
            to.digest(",\"definitionHash\":", definition_hash);
        }
        to.text(",\"actionId\":", self.action_id.as_str())?;
        to.digest(",\"actionHash\":", self.action_hash);
        to.digest(",\"payloadHash\":", self.payload_hash);
        to.digest(",\"contextHash\":", self.context_hash);
        to.digest(",\"factsHash\":", self.facts_hash);
        to.text(",\"canon\":\"rfc8785\",\"policy\":{\"id\":", self.policy.id.as_str())?;
        to.digest(",\"digest\":", self.policy.digest);
        to.literal(",\"rules\":");
        to.list(&self.policy.rules, |to, rule| to.text("", rule.as_str()))?;
        to.literal("},\"obligations\":");
        to.list(&self.obligations, |to, obligation| to.json("", obligation))?;
        to.literal(",\"approvals\":");
        to.list(&self.approvals, |to, approval| approval.write(to))?;
        if let Some(ext) = &self.ext {
            to.json(",\"ext\":", ext)?;
        }
        to.literal("}");
        Ok(())
    }
}

impl EmbeddedApproval {
    fn write(&self, to: &mut Written) -> serde_json::Result<()> {
        to.text("{\"id\":", self.id.as_str())?;
        to.text(",\"mode\":", self.mode.as_str())?;
        to.text(",\"approvedBy\":", self.approved_by.as_str())?;
        to.text(",\"assurance\":", self.assurance.as_str())?;
        to.text(",\"token\":", &self.token)?;
        to.literal("}");
        Ok(())
    }
}

impl SignedDocument for PassClaims {
    const TYP: &'static str = "actionpass+jwt";
    const KEY_USE: KeyUse = KeyUse::Pass;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        let in_layout = std::str::from_utf8(payload).ok().and_then(Self::in_layout);
        let claims = match in_layout {
            Some(claims) => claims,
            None => read_claims(payload, "actionpass")?,
        };
        claims.check().map_err(ClaimsError::Malformed)?;
        Ok(claims)
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        self.check().map_err(ClaimsError::Malformed)?;
        // Most claims are about 950 bytes, and an approval adds its token.
        let tokens = self.actionpass.approvals.iter().map(|approval| approval.token.len());
        let mut to =
            Written::with_capacity(tokens.fold(1024, |sum, token| sum.saturating_add(token).saturating_add(256)));
        self.write(&mut to).map_err(|error| not_written(&error))?;
        Ok(to.into_bytes())
    }
}

crate::closed::objects!(PassClaims, PassTerms, EmbeddedApproval);

#[cfg(test)]
mod tests;
