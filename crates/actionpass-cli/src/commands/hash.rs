//! `hash`: the SHA-256 of a JSON document's canonical bytes, or the hashes of an action.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::Reply;

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct HashArgs {
    /// The document; `-` is stdin
    #[arg(group = "what")]
    file: Option<PathBuf>,
    /// An action, of which the payload and the binding are hashed; `-` is stdin
    #[arg(long, group = "what", value_name = "FILE")]
    action: Option<PathBuf>,
}

impl HashArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let bounds = context.bounds()?;
        if let Some(path) = &self.action {
            let action = input::action(path, &bounds)?;
            let (payload, bound, context) = (action.payload_hash(), action.action_hash(), action.context_hash());
            let json = json!({
                "payloadHash": payload.to_string(), "actionHash": bound.to_string(), "contextHash": context.to_string()
            });
            let data = format!("payloadHash  {payload}\nactionHash   {bound}\ncontextHash  {context}\n");
            return Ok(Reply::new(json).with_data(data));
        }
        let hash = input::document(&self.file.unwrap_or_default(), &bounds)?
            .digest()
            .to_string();
        Ok(Reply::new(json!({ "hash": hash })).with_data(format!("{hash}\n")))
    }
}
