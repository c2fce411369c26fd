//! `inspect`: a token decoded and not believed.

use std::path::PathBuf;

use actionpass_canon::{Limits, admit};
use actionpass_crypto::{JwsCode, dangerous};
use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::output::{Ink, Reply};
use crate::render;

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// The token; `-` is stdin
    #[arg(value_name = "TOKEN-FILE")]
    file: PathBuf,
}

impl InspectArgs {
    pub(crate) fn run(self, _: &Context) -> Outcome<Reply> {
        let (header, payload) = decode(&input::token(&self.file)?)?;
        let mut json = json!({ "verified": false, "header": header, "payload": payload });
        let approvals = embedded(&payload);
        if let (false, Some(members)) = (approvals.is_empty(), json.as_object_mut()) {
            members.insert("approvals".to_owned(), approvals.into());
        }
        let ink = Ink::stderr();
        let talk = format!(
            "{} nothing of this was verified: anybody may have written it\n",
            ink.warn("UNVERIFIED")
        );
        Ok(Reply::new(json.clone())
            .with_data(render::pretty(&json) + "\n")
            .with_talk(talk))
    }
}

/// Header and payload of a token.
fn decode(token: &str) -> Outcome<(Value, Value)> {
    let parts = dangerous::inspect(token)?;
    Ok((value(&parts.header, "header")?, value(&parts.payload, "payload")?))
}

/// The approvals inside of a pass, decoded in their turn; one that can't be decoded is left out.
fn embedded(payload: &Value) -> Vec<Value> {
    let approvals = payload.pointer("/actionpass/approvals").and_then(Value::as_array);
    let tokens = approvals
        .into_iter()
        .flatten()
        .filter_map(|approval| approval.get("token")?.as_str());
    tokens
        .filter_map(|token| decode(token).ok())
        .map(|(header, payload)| json!({ "header": header, "payload": payload }))
        .collect()
}

fn value(bytes: &[u8], part: &str) -> Outcome<Value> {
    let refused = |problem: String| {
        Failure::new(
            JwsCode::TokenMalformed,
            format!("the token's {part} is no JSON that is admitted: {problem}"),
        )
    };
    let admitted = admit(bytes, &Limits::default()).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(admitted.as_bytes()).map_err(|error| refused(error.to_string()))
}
