//! What policy yields, as the other documents carry it: decisions, reasons, obligations, grants.

use serde::{Deserialize, Serialize};

use crate::approval::ApprovalRef;
use crate::codes::Code;
use crate::digest::Digest;
use crate::ids::{ApprovalId, Approver, ObligationId, PolicyId, Role, RuleId};
use crate::json::{JsonObject, present};

/// What is to happen with an action. Exhaustive on purpose: a new outcome must break the build where it matters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
#[must_use]
pub enum Decision {
    /// A pass may be issued.
    Allow,
    /// Refused.
    Deny,
    /// Refused until the approvals that policy asks for are there.
    StepUp,
}

impl Decision {
    /// `allow`, `deny` or `step_up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::StepUp => "step_up",
        }
    }
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a decision came out as it did: a code, and where it applies the rule and the path. Never a payload value.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Reason {
    /// The stable code.
    pub code: Code,
    /// The path that it is about, as in the policy: `payload.files[].path`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The rule that it is about.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
}

impl Reason {
    /// A reason that is about no rule and no path.
    #[must_use]
    pub fn new(code: impl Into<Code>) -> Self {
        Self {
            code: code.into(),
            rule: None,
            path: None,
        }
    }

    /// The same, about a rule.
    #[must_use]
    pub fn with_rule(self, rule: RuleId) -> Self {
        Self {
            rule: Some(rule),
            ..self
        }
    }

    /// The same, about a path.
    #[must_use]
    pub fn with_path(self, path: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..self
        }
    }
}

/// Something that the executor must enforce while it performs the call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Obligation {
    /// Which obligation.
    pub id: ObligationId,
    /// Its parameters.
    pub params: JsonObject,
}

/// Which policy decided, and which of its rules.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct PolicyRef {
    /// The policy's id.
    pub id: PolicyId,
    /// The digest of everything that determines its decisions.
    pub digest: Digest,
    /// The rules that decided.
    pub rules: Vec<RuleId>,
}

/// How an approval counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum ApprovalMode {
    /// A principal's yes to the exact action: counts towards a step_up.
    Human,
    /// Lifts named deny rules, if they say who may; satisfies no step_up.
    PolicyOverride,
}

impl ApprovalMode {
    /// The variant of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Human, Self::PolicyOverride]
            .into_iter()
            .find(|variant| variant.as_str() == name)
    }

    /// `human` or `policy_override`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::PolicyOverride => "policy_override",
        }
    }
}

/// How sure it is who approved.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Assurance {
    /// The approver's own key signed it.
    Signed,
    /// Somebody only wrote down a name. Accepted nowhere unless both issuer and verifier opt in.
    Asserted,
}

impl Assurance {
    /// The variant of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Signed, Self::Asserted]
            .into_iter()
            .find(|variant| variant.as_str() == name)
    }

    /// `signed` or `asserted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Asserted => "asserted",
        }
    }
}

/// What an approval grants, as policy sees it: plain data, so that it can be simulated. Not evidence of anything:
/// the issuer makes grants from verified approvals only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// The approval's id.
    pub id: ApprovalId,
    /// How it counts.
    pub mode: ApprovalMode,
    /// Who approved.
    pub approver: Approver,
    /// The roles that the trust store gives the approver.
    pub roles: Vec<Role>,
    /// How sure it is who approved.
    pub assurance: Assurance,
    /// The deny rules that an override names; empty for `human`.
    pub rules: Vec<RuleId>,
}

impl Grant {
    /// What names the approval.
    #[must_use]
    pub fn to_ref(&self) -> ApprovalRef {
        ApprovalRef {
            approver: self.approver.clone(),
            id: self.id.clone(),
        }
    }
}

crate::closed::objects!(Reason, Obligation, PolicyRef);
crate::closed::names!(Decision, ApprovalMode, Assurance);
