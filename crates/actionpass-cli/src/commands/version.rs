//! `version`: which release this is.

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::failure::Outcome;
use crate::output::Reply;

/// The release, as `--version` prints it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Args, Debug)]
pub(crate) struct VersionArgs {}

impl VersionArgs {
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "every command is called alike"
    )]
    pub(crate) fn run(self, _: &Context) -> Outcome<Reply> {
        Ok(Reply::new(json!({ "version": VERSION })).with_data(format!("actionpass {VERSION}\n")))
    }
}
