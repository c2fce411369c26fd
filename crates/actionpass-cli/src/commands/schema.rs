//! `schema`: the JSON Schemas of all documents.

use clap::Args;
use serde_json::{Value, json};

use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// The document: `action`, `pass-claims`, `record` …; without it, all are listed
    kind: Option<String>,
}

macro_rules! schemas {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of every schema, as they are committed.
        const SCHEMAS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../docs/schemas/", $name, ".schema.json")))),+];
    };
}

schemas!(
    "action.v1",
    "approval-claims.v1",
    "approval.v1",
    "archive.v1",
    "beginning.v1",
    "decision.v1",
    "erasure.v1",
    "facts.v1",
    "key.v1",
    "outcome.v1",
    "pass-claims.v1",
    "pin-change.v1",
    "policy-change.v1",
    "record.v1",
    "refusal-claims.v1",
    "request-change.v1",
    "request.v1",
    "revocation-record.v1",
    "revocation.v1",
    "trust-change.v1",
    "trust.v1",
    "use.v1",
);

impl SchemaArgs {
    pub(crate) fn run(self, _: &Context) -> Outcome<Reply> {
        let Some(kind) = self.kind else {
            let names: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
            let list = names.iter().map(|name| format!("{name}\n")).collect::<String>();
            return Ok(Reply::new(json!({ "kinds": names })).with_data(list));
        };
        let wanted = kind.strip_prefix("actionpass.").unwrap_or(&kind);
        let found = SCHEMAS
            .iter()
            .find(|(name, _)| *name == wanted || name.strip_suffix(".v1") == Some(wanted));
        let (name, text) = found.ok_or_else(|| {
            Failure::new(CliCode::SchemaUnknown, format!("there is no document `{kind}`"))
                .with_hint("`actionpass schema` lists all")
        })?;
        let value: Value = serde_json::from_str(text).map_err(|error| Failure::internal(&error))?;
        Ok(Reply::new(json!({ "kind": name, "jsonSchema": value })).with_data(*text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_schema_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas");
        let mut committed: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".schema.json").map(ToOwned::to_owned))
            .collect();
        committed.sort();
        assert_eq!(SCHEMAS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), committed);
    }
}
