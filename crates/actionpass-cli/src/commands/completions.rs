//! `completions`: what a shell needs to complete our command line.

use clap::Args;
use clap_complete::Shell;
use serde_json::json;

use crate::context::Context;
use crate::failure::Outcome;
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut (context.command_line)(), "actionpass", &mut script);
        let json = json!({ "shell": self.shell.to_string(), "script": String::from_utf8_lossy(&script) });
        Ok(Reply::new(json).with_data(script))
    }
}
