//! Raw JSON: admitted, canonical, hashed.

use actionpass::canon::{BoundAction, Limits, admit};
use serde::Serialize;

use crate::Error;

/// The hash of a payload, `sha256:…` of its RFC 8785 bytes, from raw JSON.
///
/// # Errors
/// What the gate refuses, with the offset in bytes.
pub fn hash(json: &[u8]) -> Result<String, Error> {
    Ok(admit(json, &Limits::default())?.digest().to_string())
}

/// The RFC 8785 text of raw JSON.
///
/// # Errors
/// What the gate refuses, with the offset in bytes.
pub fn canonicalize(json: &[u8]) -> Result<String, Error> {
    Ok(admit(json, &Limits::default())?.as_str().to_owned())
}

/// An action that the gate admitted, to be used more than once. Serialized it is `{actionHash, payloadHash, contextHash}`.
#[derive(Clone, Debug)]
pub struct Action(BoundAction);

impl Action {
    /// Admits the raw JSON of an action.
    ///
    /// # Errors
    /// What the gate refuses, with offset or path.
    pub fn admit(json: &[u8]) -> Result<Self, Error> {
        Ok(Self(BoundAction::admit(json, &Limits::default())?))
    }

    /// The admitted action.
    #[must_use]
    pub const fn bound(&self) -> &BoundAction {
        &self.0
    }

    /// The canonical text of the payload.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.0.payload().as_str()
    }
}

impl Serialize for Action {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut hashes = serializer.serialize_struct("Action", 3)?;
        hashes.serialize_field("actionHash", &self.0.action_hash())?;
        hashes.serialize_field("payloadHash", &self.0.payload_hash())?;
        hashes.serialize_field("contextHash", &self.0.context_hash())?;
        hashes.end()
    }
}
