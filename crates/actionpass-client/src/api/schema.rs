//! The documents and texts of `actionpass-model` in OpenAPI: names, under which the service puts the schemas that the model makes
//! of its types, so that they are said once.

use std::borrow::Cow;

use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        $(
            #[doc = concat!("`", stringify!($name), "` of the model.")]
            #[derive(Clone, Copy, Debug)]
            #[non_exhaustive]
            pub struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    Ref::from_schema_name(stringify!($name)).into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )*
    };
}

names!(
    Action,
    ActionId,
    Agent,
    ApprovalId,
    ApprovalRequest,
    Approver,
    Audience,
    Code,
    Decision,
    DecisionRef,
    Digest,
    Facts,
    HumanOwner,
    Intent,
    Issuer,
    Jwk,
    Kid,
    Obligation,
    Origin,
    OutcomeStatus,
    PassId,
    PolicyRef,
    Principal,
    Reason,
    Record,
    RecordKind,
    RecordId,
    RequestId,
    RequestState,
    Resource,
    Revocation,
    RevocationTarget,
    RuleId,
    Runtime,
    Shown,
    Statement,
    Task,
    Tenant,
    Timestamp,
    Tool,
    TrustStore,
);
