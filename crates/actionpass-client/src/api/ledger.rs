//! The ledger: where it ends, and its records.

use actionpass_model::{Digest, Issuer, Origin};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "openapi")]
use super::schema;

/// Where the ledger ends.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct LedgerHead {
    /// Whose log it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Issuer))]
    pub issuer: Issuer,
    /// The log's checkpoint origin.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Origin))]
    pub log: Origin,
    /// How many records it has.
    pub size: u64,
    /// The hash of the last; zeros if there is none.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub hash: Digest,
    /// Both as `ledger verify --head` takes them: `SEQ:sha256:…`. Absent if there are no records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
}

/// A page of records, in order.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct RecordList {
    /// The records that were asked for and that the client may see; there may be none on a page that isn't the last.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<schema::Record>))]
    pub records: Vec<Value>,
    /// What `after` is on the next page: a bounded number of records was looked at. Absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
