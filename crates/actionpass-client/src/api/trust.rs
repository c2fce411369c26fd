//! Revocations and public keys.

use actionpass_model::{Digest, Jwk, RecordId, Revocation, RevocationTarget, Statement, Timestamp};
use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use super::schema;

/// Something that shall no longer be accepted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct NewRevocation {
    /// What: `{kind, id, issuer?}` with the kind `pass`, `approval`, `key` or `principal`; passes name their issuer, and approvals
    /// their approver, as `issuer`.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RevocationTarget))]
    pub target: RevocationTarget,
    /// Why.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Statement))]
    pub reason: Statement,
    /// The number of the record that tells of the pass or the approval: a decision, or a vote. A client for all tenants may leave
    /// it out; of any other it says which tenant is concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// Since when a key may have been in other hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::Timestamp>))]
    pub compromised_since: Option<Timestamp>,
}

/// Something is revoked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct Revoked {
    /// The revocation.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Revocation))]
    pub revocation: Revocation,
    /// Its record. Absent where it is in force and the ledger doesn't hold its record yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordLink>,
}

/// Which record of the ledger.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "a record is named by these three")]
pub struct RecordLink {
    /// Its place in the log.
    pub seq: u64,
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::RecordId))]
    pub id: RecordId,
    /// Its hash.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub ledger_hash: Digest,
}

/// What is revoked, as the trust store has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct RevocationList {
    /// The version of the trust store.
    pub version: u64,
    /// The revocations.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Revocation>))]
    pub revocations: Vec<Revocation>,
}

/// A JWK Set (RFC 7517).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(clippy::exhaustive_structs, reason = "as RFC 7517 has it")]
pub struct JwkSet {
    /// The keys.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Jwk>))]
    pub keys: Vec<Jwk>,
}

impl NewRevocation {
    /// This, for that reason.
    #[must_use]
    pub const fn new(target: RevocationTarget, reason: Statement) -> Self {
        Self {
            target,
            reason,
            record: None,
            compromised_since: None,
        }
    }

    /// The record that tells of it.
    #[must_use]
    pub const fn with_record(mut self, seq: u64) -> Self {
        self.record = Some(seq);
        self
    }

    /// Since when the key may have been in other hands.
    #[must_use]
    pub const fn with_compromised_since(mut self, time: Timestamp) -> Self {
        self.compromised_since = Some(time);
        self
    }
}
