//! Facts: what the host or a third party attests about an action.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::{Document, schema_tag};
use crate::ids::Statement;
use crate::json::{JsonObject, present};
use crate::time::Timestamp;

schema_tag!(
    /// `actionpass.facts.v1`.
    FactsSchema, "actionpass.facts.v1");

/// Attested facts; a policy may trust them, because the host and not the agent states them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, remote = "Self")]
pub struct Facts {
    /// The version of this document.
    pub schema: FactsSchema,
    /// Who attests.
    pub source: Statement,
    /// When the facts were established.
    pub as_of: Timestamp,
    /// The one action that the facts are about; facts about another action are refused.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub action_hash: Option<Digest>,
    /// The facts, by name.
    pub facts: JsonObject,
}

impl Document for Facts {
    const KIND: &'static str = "facts";
}

crate::closed::objects!(Facts);
