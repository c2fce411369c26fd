//! JSON Schemas of every document, generated from the types.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    Action, ApprovalClaims, ApprovalRequest, ArchiveBody, AssertedApproval, BeginningBody, DecisionBody, ErasureBody,
    Facts, KeyBody, OutcomeBody, PassClaims, PinBody, PolicyBody, Record, RefusalClaims, RequestBody, Revocation,
    RevocationBody, TrustBody, TrustStore, UseBody,
};

/// The name of every document of this version with its JSON Schema (draft 2020-12).
///
/// The schemas say the shape. What they can't say (digests that must agree, windows of time) is in the readers.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("action.v1", of::<Action>()),
        ("facts.v1", of::<Facts>()),
        ("approval-claims.v1", of::<ApprovalClaims>()),
        ("approval.v1", of::<AssertedApproval>()),
        ("refusal-claims.v1", of::<RefusalClaims>()),
        ("request.v1", of::<ApprovalRequest>()),
        ("request-change.v1", of::<RequestBody>()),
        ("pass-claims.v1", of::<PassClaims>()),
        ("revocation.v1", of::<Revocation>()),
        ("trust.v1", of::<TrustStore>()),
        ("record.v1", of::<Record>()),
        ("decision.v1", of::<DecisionBody>()),
        ("revocation-record.v1", of::<RevocationBody>()),
        ("outcome.v1", of::<OutcomeBody>()),
        ("use.v1", of::<UseBody>()),
        ("key.v1", of::<KeyBody>()),
        ("trust-change.v1", of::<TrustBody>()),
        ("policy-change.v1", of::<PolicyBody>()),
        ("pin-change.v1", of::<PinBody>()),
        ("erasure.v1", of::<ErasureBody>()),
        ("archive.v1", of::<ArchiveBody>()),
        ("beginning.v1", of::<BeginningBody>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}
