//! `inspect`: a token decoded and not believed.

use std::path::PathBuf;

use actionpass_canon::{Limits, admit};
use actionpass_crypto::webauthn::Assertion;
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
        let mut json = decode(&input::token(&self.file)?)?;
        let approvals = embedded(&json);
        if let Some(members) = json.as_object_mut() {
            members.insert("verified".to_owned(), false.into());
            if !approvals.is_empty() {
                members.insert("approvals".to_owned(), approvals.into());
            }
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

/// Header, payload and, by a passkey, the assertion of a token.
fn decode(token: &str) -> Outcome<Value> {
    let parts = dangerous::inspect(token)?;
    let mut json = json!({ "header": value(&parts.header, "header")?, "payload": value(&parts.payload, "payload")? });
    if let (Some(assertion), Some(members)) = (parts.assertion, json.as_object_mut()) {
        members.insert("webauthn".to_owned(), webauthn(&assertion));
    }
    Ok(json)
}

/// What an authenticator and the browser around it said; what can't be decoded is left out.
fn webauthn(assertion: &Assertion) -> Value {
    let data = &assertion.authenticator_data;
    let mut json = json!({ "signature": hex(&assertion.signature) });
    if let Some(members) = json.as_object_mut() {
        if let Ok(client_data) = value(&assertion.client_data_json, "client data") {
            members.insert("clientData".to_owned(), client_data);
        }
        if let (Some(rp_id_hash), Some(flags), Some(counter)) = (
            data.get(..32),
            data.get(32),
            data.get(33..).and_then(<[u8]>::first_chunk::<4>),
        ) {
            let names = ["UP", "RFU1", "UV", "BE", "BS", "RFU2", "AT", "ED"];
            let set = names.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1);
            let authenticator = json!({
                "rpIdHash": format!("sha256:{}", hex(rp_id_hash)),
                "flags": set.map(|(_, name)| *name).collect::<Vec<_>>(),
                "counter": u32::from_be_bytes(*counter),
            });
            members.insert("authenticatorData".to_owned(), authenticator);
        }
    }
    json
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The approvals inside of a pass, decoded in their turn; one that can't be decoded is left out.
fn embedded(pass: &Value) -> Vec<Value> {
    let approvals = pass.pointer("/payload/actionpass/approvals").and_then(Value::as_array);
    let tokens = approvals
        .into_iter()
        .flatten()
        .filter_map(|approval| approval.get("token")?.as_str());
    tokens.filter_map(|token| decode(token).ok()).collect()
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
