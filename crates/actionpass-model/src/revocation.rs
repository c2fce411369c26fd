//! Revocations: what must no longer be accepted.

use serde::{Deserialize, Serialize};

use crate::document::{Document, DocumentCode, DocumentError, contradiction, schema_tag};
use crate::ids::{ApprovalId, Approver, Issuer, KeyId, PassId, Principal, RevocationId, Statement};
use crate::json::{JsonObject, present};
use crate::time::Timestamp;

schema_tag!(
    /// `actionpass.revocation.v1`.
    RevocationSchema, "actionpass.revocation.v1");

/// Says that a pass, an approval, a key or a principal must no longer be accepted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Revocation {
    /// The version of this document.
    pub schema: RevocationSchema,
    /// Its id.
    pub id: RevocationId,
    /// What is revoked.
    pub target: RevocationTarget,
    /// Why.
    pub reason: Statement,
    /// Who revoked it.
    pub revoked_by: Principal,
    /// When.
    pub revoked_at: Timestamp,
    /// For a key: since when it may have been in other hands.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<Timestamp>,
    /// From when on this entry may be pruned: never before the target's own end plus an hour, absent for keys and
    /// principals, which stay revoked.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Additions without meaning for security.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ext: Option<JsonObject>,
}

/// What is revoked. An id alone names a pass or an approval only together with who made it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "RawTarget", into = "RawTarget")]
pub enum RevocationTarget {
    /// One pass of one issuer.
    Pass {
        /// The pass.
        id: PassId,
        /// Who issued it.
        issuer: Issuer,
    },
    /// One approval of one approver.
    Approval {
        /// The approval.
        id: ApprovalId,
        /// Who gave it.
        approver: Approver,
    },
    /// A key, whatever it signed.
    Key(KeyId),
    /// An agent, owner, runtime, tenant or approver, wherever it appears.
    Principal(Principal),
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
enum TargetKind {
    Pass,
    Approval,
    Key,
    Principal,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "RevocationTarget"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
struct RawTarget {
    kind: TargetKind,
    id: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
}

impl TryFrom<RawTarget> for RevocationTarget {
    type Error = String;

    fn try_from(raw: RawTarget) -> Result<Self, String> {
        let target = match (raw.kind, raw.issuer) {
            (TargetKind::Pass, Some(issuer)) => Self::Pass {
                id: PassId::parse(&raw.id).map_err(|error| error.to_string())?,
                issuer: Issuer::parse(&issuer).map_err(|error| error.to_string())?,
            },
            (TargetKind::Approval, Some(approver)) => Self::Approval {
                id: ApprovalId::parse(&raw.id).map_err(|error| error.to_string())?,
                approver: Approver::parse(&approver).map_err(|error| error.to_string())?,
            },
            (TargetKind::Pass | TargetKind::Approval, None) => {
                return Err("a pass or approval needs its `issuer`".into());
            }
            (TargetKind::Key | TargetKind::Principal, Some(_)) => {
                return Err("a key or principal has no `issuer`".into());
            }
            (TargetKind::Key, None) => Self::Key(KeyId::parse(&raw.id).map_err(|error| error.to_string())?),
            (TargetKind::Principal, None) => {
                Self::Principal(Principal::parse(&raw.id).map_err(|error| error.to_string())?)
            }
        };
        Ok(target)
    }
}

impl From<RevocationTarget> for RawTarget {
    fn from(target: RevocationTarget) -> Self {
        let (kind, id, issuer) = match target {
            RevocationTarget::Pass { id, issuer } => (TargetKind::Pass, id.into(), Some(issuer.into())),
            RevocationTarget::Approval { id, approver } => (TargetKind::Approval, id.into(), Some(approver.into())),
            RevocationTarget::Key(id) => (TargetKind::Key, id.into(), None),
            RevocationTarget::Principal(id) => (TargetKind::Principal, id.into(), None),
        };
        Self { kind, id, issuer }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RevocationTarget {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        RawTarget::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawTarget::json_schema(generator)
    }
}

impl Revocation {
    /// What serde can't check.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        match &self.target {
            RevocationTarget::Key(_) | RevocationTarget::Principal(_) if self.expires_at.is_some() => {
                Some("`expiresAt` stands on a key or principal, which stay revoked")
            }
            RevocationTarget::Key(_) => None,
            _ if self.compromised_since.is_some() => Some("`compromisedSince` stands on something that is not a key"),
            _ => None,
        }
    }
}

impl Document for Revocation {
    const KIND: &'static str = "revocation";

    fn check(&self) -> Result<(), DocumentError> {
        match self.contradiction() {
            Some(problem) => Err(DocumentError::new(DocumentCode::MembersContradict, "target", problem)),
            None => Ok(()),
        }
    }
}

/// Reads the revocations of a trust store, each checked.
pub(crate) fn checked<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Revocation>, D::Error> {
    let revocations = Vec::<Revocation>::deserialize(deserializer)?;
    match revocations.iter().find_map(Revocation::contradiction) {
        Some(problem) => Err(contradiction(problem)),
        None => Ok(revocations),
    }
}

crate::closed::objects!(Revocation, RawTarget);
crate::closed::names!(TargetKind);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_need_what_identifies_them() {
        let pass = r#"{"kind":"pass","id":"ap_01920000000070008000000000000001","issuer":"https://i.example"}"#;
        let target: RevocationTarget = serde_json::from_str(pass).unwrap();
        assert_eq!(serde_json::to_string(&target).unwrap(), pass);
        for bad in [
            r#"{"kind":"pass","id":"ap_01920000000070008000000000000001"}"#,
            r#"{"kind":"principal","id":"agent:a","issuer":"https://i.example"}"#,
            r#"{"kind":"key","id":"agent:a"}"#,
            r#"{"kind":"approval","id":"apr_01920000000070008000000000000001","issuer":"https://i.example"}"#,
            r#"{"kind":"agent","id":"agent:a"}"#,
        ] {
            assert!(serde_json::from_str::<RevocationTarget>(bad).is_err(), "{bad}");
        }
    }
}
