//! `canon`: the canonical bytes of a JSON document.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::failure::Outcome;
use crate::input;
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct CanonArgs {
    /// The document; `-` is stdin
    file: PathBuf,
}

impl CanonArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let canonical = input::document(&self.file, &context.bounds()?)?;
        let json = json!({ "hash": canonical.digest().to_string(), "canonical": canonical.as_str() });
        let mut bytes = canonical.into_vec();
        // Piped, exactly the canonical bytes; a terminal wants its line ended.
        if std::io::stdout().is_terminal() {
            bytes.push(b'\n');
        }
        Ok(Reply::new(json).with_data(bytes))
    }
}
