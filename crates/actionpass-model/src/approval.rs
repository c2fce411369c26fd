//! Approvals: a principal's yes to one exact action, signed as a JWT, or (dangerously) only asserted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decision::ApprovalMode;
use crate::digest::Digest;
use crate::document::{
    ClaimsError, ClaimsVersion, Document, DocumentCode, DocumentError, SignedDocument, read_claims, schema_tag,
    write_claims,
};
use crate::ids::{ActionId, Agent, ApprovalId, Approver, Issuer, RequestId, RuleId, Statement, Tenant};
use crate::json::{JsonObject, present};
use crate::key_use::KeyUse;
use crate::layout::Layout;
use crate::time::{Timestamp, UnixSeconds};

/// How long an approval holds unless its approver says otherwise.
pub const DEFAULT_APPROVAL_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The longest that an approval may hold.
pub const MAX_APPROVAL_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The claims of a signed approval (`typ: actionpass-approval+jwt`, or `actionpass-approval+webauthn` by a passkey).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ApprovalClaims {
    /// The approver.
    pub iss: Approver,
    /// The agent that the approval is for.
    pub sub: Agent,
    /// The issuer of passes that it is made for.
    pub aud: Issuer,
    /// When it was given.
    pub iat: UnixSeconds,
    /// From when on it no longer holds.
    pub exp: UnixSeconds,
    /// Its id: with the approver, what it is used up by.
    pub jti: ApprovalId,
    /// What was approved.
    pub approval: ApprovalTerms,
}

/// What was approved, and how. Everything that is present must match the action, the issuer and its policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct ApprovalTerms {
    /// The version of these claims.
    pub v: ClaimsVersion,
    /// How the approval counts.
    pub mode: ApprovalMode,
    /// Why, in the approver's words.
    pub reason: Statement,
    /// The organization.
    pub tenant: Tenant,
    /// The exact action.
    pub action_hash: Digest,
    /// The exact payload.
    pub payload_hash: Digest,
    /// The policy that the approval was given under; an override must say it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Digest>,
    /// The deny rules that an override lifts; an override must name them.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleId>>,
    /// The one occurrence that it is for.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// The context that the approver saw.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub context_hash: Option<Digest>,
    /// The facts that the approver saw.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub facts_hash: Option<Digest>,
    /// The approval request that it is a vote on.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What the approver was shown.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

/// What an approver was shown: the hash of the view, and which kind of view it is (`docs/spec/display.md`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Shown {
    /// SHA-256 of the view's RFC 8785 bytes.
    pub hash: Digest,
    /// Name and version of what made the view: `actionpass-display/1`.
    pub renderer: Statement,
}

impl ApprovalTerms {
    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        if self.rules.as_ref().is_some_and(Vec::is_empty) {
            return wrong("approval.rules", "names no rule");
        }
        if self.mode == ApprovalMode::PolicyOverride {
            if self.policy_digest.is_none() {
                return wrong("approval.policyDigest", "is missing, and an override needs it");
            }
            if self.rules.is_none() {
                return wrong("approval.rules", "is missing, and an override needs it");
            }
        }
        Ok(())
    }
}

impl ApprovalClaims {
    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, "exp", problem));
        if self.exp <= self.iat {
            return wrong("is not after `iat`");
        }
        if self.exp > self.iat.saturating_add(MAX_APPROVAL_LIFETIME.as_secs()) {
            return wrong("is more than 24 hours after `iat`");
        }
        self.approval.check()
    }
}

impl ApprovalClaims {
    /// Reads claims in the layout that [`to_claims`](SignedDocument::to_claims) writes; `None` leaves them to the strict
    /// reader.
    fn in_layout(payload: &str) -> Option<Self> {
        let from = &mut Layout::new(payload);
        from.expect("{\"iss\":")?;
        let iss = from.text(Approver::parse)?;
        from.expect(",\"sub\":")?;
        let sub = from.text(Agent::parse)?;
        from.expect(",\"aud\":")?;
        let aud = from.text(Issuer::parse)?;
        from.expect(",\"iat\":")?;
        let iat = from.seconds()?;
        from.expect(",\"exp\":")?;
        let exp = from.seconds()?;
        from.expect(",\"jti\":")?;
        let jti = from.text(ApprovalId::parse)?;
        from.expect(",\"approval\":")?;
        let approval = ApprovalTerms::in_layout(from)?;
        from.expect("}")?;
        from.end()?;
        Some(Self {
            iss,
            sub,
            aud,
            iat,
            exp,
            jti,
            approval,
        })
    }
}

impl ApprovalTerms {
    fn in_layout(from: &mut Layout<'_>) -> Option<Self> {
        from.expect("{\"v\":1,\"mode\":")?;
        let mode = ApprovalMode::from_name(from.plain()?)?;
        from.expect(",\"reason\":")?;
        let reason = from.text(Statement::parse)?;
        from.expect(",\"tenant\":")?;
        let tenant = from.text(Tenant::parse)?;
        from.expect(",\"actionHash\":")?;
        let action_hash = from.text(Digest::parse)?;
        from.expect(",\"payloadHash\":")?;
        let payload_hash = from.text(Digest::parse)?;
        let policy_digest = if from.has(",\"policyDigest\":") {
            Some(from.text(Digest::parse)?)
        } else {
            None
        };
        let rules = if from.has(",\"rules\":") {
            Some(from.list(|from| from.text(RuleId::parse))?)
        } else {
            None
        };
        let action_id = if from.has(",\"actionId\":") {
            Some(from.text(ActionId::parse)?)
        } else {
            None
        };
        let context_hash = if from.has(",\"contextHash\":") {
            Some(from.text(Digest::parse)?)
        } else {
            None
        };
        let facts_hash = if from.has(",\"factsHash\":") {
            Some(from.text(Digest::parse)?)
        } else {
            None
        };
        let request = if from.has(",\"request\":") {
            Some(from.text(RequestId::parse)?)
        } else {
            None
        };
        let shown = if from.has(",\"shown\":{\"hash\":") {
            let hash = from.text(Digest::parse)?;
            from.expect(",\"renderer\":")?;
            let renderer = from.text(Statement::parse)?;
            from.expect("}")?;
            Some(Shown { hash, renderer })
        } else {
            None
        };
        // `ext` is free-form and the strict reader's.
        from.expect("}")?;
        Some(Self {
            v: ClaimsVersion,
            mode,
            reason,
            tenant,
            action_hash,
            payload_hash,
            policy_digest,
            rules,
            action_id,
            context_hash,
            facts_hash,
            request,
            shown,
            ext: None,
        })
    }
}

impl SignedDocument for ApprovalClaims {
    const TYP: &'static str = "actionpass-approval+jwt";
    const WEBAUTHN_TYP: Option<&'static str> = Some("actionpass-approval+webauthn");
    const KEY_USE: KeyUse = KeyUse::Approval;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        let in_layout = std::str::from_utf8(payload).ok().and_then(Self::in_layout);
        let claims = match in_layout {
            Some(claims) => claims,
            None => read_claims(payload, "approval")?,
        };
        claims.check().map_err(ClaimsError::Malformed)?;
        Ok(claims)
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        self.check().map_err(ClaimsError::Malformed)?;
        write_claims(self)
    }
}

/// The claims of a signed refusal (`typ: actionpass-refusal+jwt`, or `actionpass-refusal+webauthn` by a passkey): those
/// of an approval, for one request, under another type. It ends the request that it names and grants nothing anywhere.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transparent))]
pub struct RefusalClaims(ApprovalClaims);

impl RefusalClaims {
    /// A refusal of what these claims name.
    ///
    /// # Errors
    /// [`DocumentError`] if they are no refusal: one is of mode `human` and names its request.
    pub fn new(claims: ApprovalClaims) -> Result<Self, DocumentError> {
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        if claims.approval.mode != ApprovalMode::Human {
            return wrong("approval.mode", "is not `human`: a refusal lifts no rule");
        }
        if claims.approval.request.is_none() {
            return wrong("approval.request", "is missing, and a refusal is of one request");
        }
        Ok(Self(claims))
    }

    /// What it says. Of an approval they would be its claims; here they are what was refused.
    #[must_use]
    pub const fn as_claims(&self) -> &ApprovalClaims {
        &self.0
    }
}

impl SignedDocument for RefusalClaims {
    const TYP: &'static str = "actionpass-refusal+jwt";
    const WEBAUTHN_TYP: Option<&'static str> = Some("actionpass-refusal+webauthn");
    const KEY_USE: KeyUse = KeyUse::Approval;

    fn from_claims(payload: &[u8]) -> Result<Self, ClaimsError> {
        ApprovalClaims::from_claims(payload).and_then(|claims| Self::new(claims).map_err(ClaimsError::Malformed))
    }

    fn to_claims(&self) -> Result<Vec<u8>, ClaimsError> {
        self.0.to_claims()
    }
}

schema_tag!(
    /// `actionpass.approval.v1`.
    ApprovalSchema, "actionpass.approval.v1");

/// Names an approval: by its id together with who gave it, since approvers choose the ids and two of them can choose
/// the same one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApprovalRef {
    /// Who gave it, its `iss`.
    pub approver: Approver,
    /// Its `jti`.
    pub id: ApprovalId,
}

/// An approval that nobody signed: a name and nothing to prove it. Accepted only where issuer **and** verifier opt
/// in by a setting named *dangerous*; never overrides.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct AssertedApproval {
    /// The version of this document.
    pub schema: ApprovalSchema,
    /// Its id.
    pub id: ApprovalId,
    /// Who is said to have approved.
    pub approved_by: Approver,
    /// The agent that it is for.
    pub agent: Agent,
    /// The issuer of passes that it is made for.
    pub issuer: Issuer,
    /// When it was given.
    pub approved_at: Timestamp,
    /// From when on it no longer holds.
    pub expires_at: Timestamp,
    /// How it counts; only `human` is ever accepted.
    pub mode: ApprovalMode,
    /// Why.
    pub reason: Statement,
    /// The organization.
    pub tenant: Tenant,
    /// The exact action.
    pub action_hash: Digest,
    /// The exact payload.
    pub payload_hash: Digest,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

impl Document for AssertedApproval {
    const KIND: &'static str = "approval";

    fn check(&self) -> Result<(), DocumentError> {
        let wrong = |path: &str, problem: &str| Err(DocumentError::new(DocumentCode::MembersContradict, path, problem));
        if self.mode != ApprovalMode::Human {
            return wrong("mode", "is not `human`: what nobody signed never overrides");
        }
        if self.expires_at <= self.approved_at {
            return wrong("expiresAt", "is not after `approvedAt`");
        }
        if self.expires_at > self.approved_at.saturating_add(MAX_APPROVAL_LIFETIME) {
            return wrong("expiresAt", "is more than 24 hours after `approvedAt`");
        }
        Ok(())
    }
}

crate::closed::objects!(ApprovalClaims, ApprovalTerms, Shown, AssertedApproval);
