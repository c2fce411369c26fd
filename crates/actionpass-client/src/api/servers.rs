//! Servers of the tool catalogue, and what they list.

use actionpass_model::{Digest, JsonObject};
use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use super::schema;

/// The servers of the catalogue that a client may name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct ServerList {
    /// In the order of the file.
    pub servers: Vec<ServerItem>,
}

/// A server of the catalogue.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct ServerItem {
    /// Its name.
    pub name: String,
    /// The command that starts it, with its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The variables of the environment that it gets beside `PATH`, `HOME` and `LANG`.
    pub env: Vec<String>,
    /// The methods that reach it beside those that every server gets.
    pub methods: Vec<String>,
    /// The members of `_meta` of its tools that stay, and are hashed.
    pub meta: Vec<String>,
}

/// Where a server's tools come from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "a pin has one of the two")]
pub enum ServerOrigin {
    /// The command that starts it, with its arguments.
    Command(Vec<String>),
    /// Its URL, of which scheme, host and port count.
    Url(String),
}

/// What a server lists now: all of its tools.
///
/// Definitions have numbers that readers of JSON round, so [`Client::tools`](crate::Client::tools) takes their text.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks states both")]
pub struct ListedTools {
    /// Where they come from.
    pub origin: ServerOrigin,
    /// Each as the server lists it, `_meta` included or not.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub tools: Vec<JsonObject>,
}

/// How listed tools stand.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct ToolStates {
    /// In the order of the list.
    pub tools: Vec<ToolStateItem>,
}

/// How a listed tool stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct ToolStateItem {
    /// The tool's name.
    pub name: String,
    /// The hash of what is listed.
    #[cfg_attr(feature = "openapi", schema(value_type = schema::Digest))]
    pub definition_hash: Digest,
    /// How it stands: only a pinned one may be shown and called.
    pub standing: ToolStanding,
    /// Where a changed one differs from what was approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<DefinitionChange>,
}

/// How a listed tool stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "one that isn't known here must not be called")]
pub enum ToolStanding {
    /// As it was approved.
    Pinned,
    /// Nobody approved a tool of this name.
    New,
    /// Another definition was approved.
    Changed,
    /// The server of this name had another origin when its tools were approved.
    OtherOrigin,
}

/// A place where two definitions differ.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "whoever answers makes one")]
pub struct DefinitionChange {
    /// A JSON pointer (RFC 6901).
    pub at: String,
    /// The JSON that was approved, if something stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The JSON that is listed, if something stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
