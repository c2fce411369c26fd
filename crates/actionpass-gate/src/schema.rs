//! JSON Schemas of tools: [`Schema`].
//!
//! Assertions are judged by the crate `jsonschema`, without a retriever and with its linear-time regular expressions. What it
//! doesn't know is here: limits on the schema, a budget for the work of one call, and which members a schema declares.

mod graph;

use std::fmt;

use actionpass_canon::CanonicalBytes;
use actionpass_policy::PayloadStep;
use jsonschema::Validator;
use serde_json::Value;

use self::graph::Graph;
use crate::{CallCode, CallError};

/// A JSON Schema that arguments are judged by.
///
/// ```
/// use actionpass_canon::{Limits, admit};
/// use actionpass_gate::{CallCode, Schema};
///
/// let schema = Schema::parse(br#"{"type":"object","properties":{"count":{"type":"integer","maximum":10}}}"#)?;
/// let judge = |arguments: &[u8]| schema.judge(&admit(arguments, &Limits::default()).unwrap());
/// assert!(judge(br#"{"count":3}"#).is_ok());
///
/// let refused = judge(br#"{"count":30}"#).unwrap_err();
/// assert_eq!((refused.code(), refused.path()), (CallCode::ArgumentsInvalid, Some("payload.count")));
///
/// // A member that the schema doesn't declare might mean something to the tool.
/// let refused = judge(br#"{"count":3,"force":true}"#).unwrap_err();
/// assert_eq!((refused.code(), refused.path()), (CallCode::ArgumentUndeclared, Some("payload.force")));
/// # Ok::<(), actionpass_gate::CallError>(())
/// ```
pub struct Schema {
    validator: Validator,
    graph: Graph,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl Schema {
    /// The largest schema, in bytes.
    pub const MAX_BYTES: usize = 64 << 10;
    /// How deep objects and arrays of a schema may nest.
    pub const MAX_DEPTH: usize = 32;
    /// The most steps that judging one call may take (`docs/spec/tools.md`, "Schemas").
    pub const MAX_WORK: u64 = 1 << 26;

    /// Reads a schema.
    ///
    /// # Errors
    /// [`CallCode::SchemaUnusable`] if it isn't JSON, is larger or deeper than the limits, refers to anything outside of
    /// itself, has a pattern that takes more than linear time, or isn't a schema of its draft.
    pub fn parse(text: &[u8]) -> Result<Self, CallError> {
        if text.len() > Self::MAX_BYTES {
            return Err(unusable(format!("is larger than {} bytes", Self::MAX_BYTES)));
        }
        let value = serde_json::from_slice(text).map_err(|error| unusable(format!("is not JSON: {error}")))?;
        Self::compile(&value)
    }

    /// The same of a value whose size was checked.
    pub(crate) fn compile(value: &Value) -> Result<Self, CallError> {
        let graph = Graph::read(value).map_err(unusable)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(graph::engine(graph::MAX_PATTERN_BYTES))
            .should_validate_formats(false)
            .build(value)
            .map_err(|error| unusable(format!("is no schema: {}", error.masked())))?;
        Ok(Self { validator, graph })
    }

    /// Whether arguments that fit can have something at this path; not if a member on the way is declared by nothing, in an object
    /// that is closed.
    #[must_use]
    pub fn can_have(&self, steps: &[PayloadStep<'_>]) -> bool {
        self.graph.can_have(steps)
    }

    /// Whether these arguments fit.
    ///
    /// # Errors
    /// [`CallCode::SchemaUnusable`] if judging takes more than [`MAX_WORK`](Self::MAX_WORK) steps;
    /// [`CallCode::ArgumentUndeclared`] and [`CallCode::ArgumentsInvalid`], each with the place.
    pub fn judge(&self, arguments: &CanonicalBytes) -> Result<(), CallError> {
        let value: Value = serde_json::from_slice(arguments.as_bytes())
            .map_err(|error| CallError::at(CallCode::ArgumentsInvalid, "payload", error.to_string()))?;
        // Work first: the budget holds for the validator too.
        let undeclared = self.graph.walk(&value, Self::MAX_WORK).map_err(unusable)?;
        self.validator.validate(&value).map_err(|error| {
            let path = dotted(error.instance_path().as_str());
            CallError::at(
                CallCode::ArgumentsInvalid,
                path,
                format!("doesn't fit the tool's schema: {}", error.masked()),
            )
        })?;
        match undeclared {
            None => Ok(()),
            Some(pointer) => Err(CallError::at(
                CallCode::ArgumentUndeclared,
                dotted(&pointer),
                "is not declared by the tool's schema",
            )),
        }
    }
}

fn unusable(problem: impl fmt::Display) -> CallError {
    CallError::new(CallCode::SchemaUnusable, format!("the tool's schema {problem}"))
}

/// A JSON pointer (RFC 6901) as the paths of errors are written: `payload.files[0].path`.
fn dotted(pointer: &str) -> String {
    let mut path = "payload".to_owned();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.extend(["[", &step, "]"]);
        } else {
            path.extend([".", &step]);
        }
    }
    path
}

#[cfg(test)]
mod tests;
