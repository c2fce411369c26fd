//! Why a pass is refused: codes, findings, refusals.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use actionpass_model::{ApprovalId, Code, CodeClass, CodedError};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

actionpass_model::codes! {
    /// What a verifier finds wrong with a pass whose signature holds. The codes of the signature itself are
    /// `JwsCode`'s, those of a passkey's assertion `WebAuthnCode`'s, those of the replay store `ReplayCode`'s.
    pub enum VerifyCode: Mismatch {
        /// The pass, or the key that signed it, is another issuer's.
        IssuerMismatch = "issuer_mismatch",
        /// The pass is for another audience.
        AudienceMismatch = "audience_mismatch",
        /// The pass is for another tenant than the executor's or the action's, or its key doesn't speak for the tenant.
        TenantMismatch = "tenant_mismatch",
        /// The pass was issued outside of its key's time.
        KeyNotValid = "key_not_valid" => OutOfTime,
        /// The pass holds only later, or was issued in the future.
        NotYetValid = "not_yet_valid" => OutOfTime,
        /// The pass no longer holds.
        Expired = "expired" => OutOfTime,
        /// The pass holds longer than the verifier accepts.
        LifetimeTooLong = "lifetime_too_long" => OutOfTime,
        /// The pass was revoked.
        PassRevoked = "pass_revoked" => Revoked,
        /// The agent, one it acts for, the owner, the runtime or the tenant was revoked.
        PrincipalRevoked = "principal_revoked" => Revoked,
        /// Another agent calls.
        AgentMismatch = "agent_mismatch",
        /// The agent acts for others.
        ViaMismatch = "via_mismatch",
        /// Another person answers for the agent.
        HumanOwnerMismatch = "human_owner_mismatch",
        /// The agent runs elsewhere.
        RuntimeMismatch = "runtime_mismatch",
        /// The call serves another task.
        TaskMismatch = "task_mismatch",
        /// Another tool is called.
        ToolMismatch = "tool_mismatch",
        /// The call acts on something else.
        ResourceMismatch = "resource_mismatch",
        /// Another server lists the tool.
        ServerMismatch = "server_mismatch",
        /// The tool is defined otherwise than the agent was shown.
        DefinitionHashMismatch = "definition_hash_mismatch",
        /// The payload is not the one that the pass was issued for.
        PayloadHashMismatch = "payload_hash_mismatch",
        /// The pass's own claims don't hash to its action hash.
        ActionHashMismatch = "action_hash_mismatch",
        /// The pass demands something that this executor didn't say it enforces.
        ObligationUnsupported = "obligation_unsupported",
        /// An embedded approval is not one.
        ApprovalMalformed = "approval_malformed" => Approval,
        /// An embedded approval's signature doesn't hold.
        ApprovalSignatureInvalid = "approval_signature_invalid" => Approval,
        /// An embedded approval is signed by no key that may approve for this tenant at that time.
        ApprovalKeyUnknown = "approval_key_unknown" => Approval,
        /// An approval had expired when the pass was issued.
        ApprovalExpired = "approval_expired" => Approval,
        /// An approval was given after the pass was issued.
        ApprovalNotYetValid = "approval_not_yet_valid" => Approval,
        /// An approval was made for another issuer.
        ApprovalAudienceMismatch = "approval_audience_mismatch",
        /// An approval is for another action, payload, agent, tenant, context or occurrence.
        ApprovalBindingMismatch = "approval_binding_mismatch",
        /// An approval was given under another policy or for other rules.
        ApprovalPolicyMismatch = "approval_policy_mismatch",
        /// The approver isn't who the pass or the key says.
        ApproverMismatch = "approver_mismatch",
        /// The approver is the agent itself or one that it acts for.
        ApproverIsAgent = "approver_is_agent" => Approval,
        /// Nobody signed the approval, and this verifier accepts only signed ones.
        ApprovalUnsigned = "approval_unsigned" => Approval,
        /// The approval, its approver or the approver's key was revoked.
        ApprovalRevoked = "approval_revoked" => Revoked,
        /// The trust store has expired.
        TrustExpired = "trust_expired" => Stale,
        /// The revocations are older than the verifier accepts.
        RevocationsStale = "revocations_stale" => Stale,
        /// The time is not known.
        ClockUnknown = "clock_unknown" => Stale,
    }
}

/// One thing that is wrong, and with which approval if it is one's.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<ApprovalId>,
}

impl Finding {
    pub(crate) fn new(code: impl Into<Code>) -> Self {
        Self {
            code: code.into(),
            approval: None,
        }
    }

    pub(crate) fn of_approval(code: impl Into<Code>, approval: &ApprovalId) -> Self {
        Self {
            code: code.into(),
            approval: Some(approval.clone()),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// The embedded approval that it is about.
    #[must_use]
    pub const fn approval(&self) -> Option<&ApprovalId> {
        self.approval.as_ref()
    }
}

/// A pass that was refused, with everything that was found: one code where the token isn't authentic, all of them
/// where it is.
///
/// Serialized it is the verdict that the command line prints: `{valid: false, codes, findings, compared}`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pass is refused: {}", Codes(.findings))]
pub struct Refusal {
    findings: Vec<Finding>,
    compared: Vec<&'static str>,
    #[source]
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Refusals are equal if they say the same; what a failed part said of itself is not compared.
impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.findings == other.findings && self.compared == other.compared
    }
}

impl Eq for Refusal {}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let codes: Vec<&Code> = self.codes().collect();
        let mut verdict = serializer.serialize_struct("Refusal", 4)?;
        verdict.serialize_field("valid", &false)?;
        verdict.serialize_field("codes", &codes)?;
        verdict.serialize_field("findings", &self.findings)?;
        verdict.serialize_field("compared", &self.compared)?;
        verdict.end()
    }
}

struct Codes<'a>(&'a [Finding]);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}", finding.code)?;
        }
        Ok(())
    }
}

impl CodedError for Refusal {
    fn code(&self) -> Code {
        let first = self.findings.first().map(|finding| finding.code.clone());
        // Never: a refusal has a finding.
        first.unwrap_or(Code::from_static("internal_error", CodeClass::Internal))
    }

    fn codes(&self) -> Vec<Code> {
        self.findings.iter().map(|finding| finding.code.clone()).collect()
    }
}

impl Refusal {
    /// A refusal for one reason: for whoever calls the verifier and finds something wrong before or after it.
    #[must_use]
    pub fn because(code: impl Into<Code>) -> Self {
        Self {
            findings: vec![Finding::new(code)],
            compared: Vec::new(),
            source: None,
        }
    }

    /// A refusal because something failed that is needed to judge.
    #[must_use]
    pub fn failed(error: impl CodedError + Send + Sync + 'static) -> Self {
        Self::because(error.code()).with_source(error)
    }

    pub(crate) const fn new(findings: Vec<Finding>, compared: Vec<&'static str>) -> Self {
        Self {
            findings,
            compared,
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Everything that was found, in the order of the checks; never empty.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The codes, in the order of the checks.
    pub fn codes(&self) -> impl Iterator<Item = &Code> {
        self.findings.iter().map(Finding::code)
    }

    /// The codes as one text, with commas between them.
    pub(crate) const fn all_codes(&self) -> impl fmt::Display {
        Codes(self.findings.as_slice())
    }

    /// Whether a code is among them.
    #[must_use]
    pub fn has(&self, code: impl Into<Code>) -> bool {
        let code = code.into();
        self.codes().any(|found| *found == code)
    }

    /// The members of the call that were compared with the pass; empty where the token isn't authentic.
    #[must_use]
    pub fn compared(&self) -> &[&'static str] {
        &self.compared
    }
}
