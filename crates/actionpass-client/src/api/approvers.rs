//! People who are invited to approve, and the passkeys that wait to be confirmed.

use actionpass_model::{Approver, KeyId, Role, Tenants, Timestamp};
use serde::{Deserialize, Serialize};

use super::RecordLink;

#[cfg(feature = "openapi")]
use super::schema;

/// Who is invited, and what waits.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct PendingApprovers {
    /// Invitations that hold and that nobody used.
    pub invitations: Vec<PendingInvitation>,
    /// Passkeys that wait to be confirmed.
    pub waiting: Vec<PendingPasskey>,
}

/// An invitation that holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct PendingInvitation {
    /// Who is invited.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
    /// The roles that they will hold.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Vec<Role>,
    /// The tenants that they will approve for; `["*"]`: any.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub tenants: Tenants,
    /// Until when it holds.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub expires_at: Timestamp,
}

/// A passkey that waits. What confirms it isn't told: its owner reads that to whoever confirms.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct PendingPasskey {
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
    /// The roles that they will hold.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Vec<Role>,
    /// The tenants that they will approve for; `["*"]`: any.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub tenants: Tenants,
    /// When it was registered.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Timestamp))]
    pub registered_at: Timestamp,
}

/// A passkey that is to be let into the trust store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a passkey is confirmed by these two")]
pub struct ConfirmPasskey {
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
    /// What its owner reads out: the first eight characters of its thumbprint.
    pub code: String,
}

/// A passkey that is in the trust store.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct ConfirmedPasskey {
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
    /// Its thumbprint.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Kid))]
    pub kid: KeyId,
    /// The roles that they hold.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub roles: Vec<Role>,
    /// The tenants that they approve for; `["*"]`: any.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub tenants: Tenants,
    /// The record of the change.
    pub record: RecordLink,
}

/// The secret of an invitation, as whoever was invited has it.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "an invitation is known by its secret")]
pub struct OpenInvitation {
    /// What stands behind the `#` of its link.
    pub secret: String,
}

/// What a browser made of an invitation.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a registration is these three")]
pub struct RegisterPasskey {
    /// What stands behind the `#` of the invitation's link.
    pub secret: String,
    /// `clientDataJSON`, base64url without padding.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// `attestationObject`, base64url without padding.
    pub attestation_object: String,
}

/// A passkey that waits to be confirmed. Whoever registered it computes what confirms it from the passkey itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "all that there is to say")]
pub struct RegisteredPasskey {
    /// Whose it is.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Approver))]
    pub principal: Approver,
}

/// Nothing of the secret.
impl std::fmt::Debug for OpenInvitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenInvitation").finish_non_exhaustive()
    }
}

/// Nothing of the secret.
impl std::fmt::Debug for RegisterPasskey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisterPasskey").finish_non_exhaustive()
    }
}
