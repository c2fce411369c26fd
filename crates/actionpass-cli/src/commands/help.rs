//! `help`: what `--help` prints, asked for by name.

use clap::Args;
use clap::error::ErrorKind;
use serde_json::json;

use crate::code::CliCode;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Reply;

#[derive(Args, Debug)]
pub(crate) struct HelpArgs {
    /// The command, such as `keys new`; without it, all are listed
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl HelpArgs {
    pub(crate) fn run(self, context: &Context) -> Outcome<Reply> {
        let command_line = (context.command_line)();
        let mut command = &command_line;
        for name in &self.command {
            command = command.find_subcommand(name).ok_or_else(|| {
                let problem = format!("there is no command `{}`", self.command.join(" "));
                Failure::new(CliCode::UsageInvalid, problem).with_hint("`actionpass help` lists all")
            })?;
        }
        // By way of the option: what it prints depends on more than the command.
        let words = ["actionpass"]
            .into_iter()
            .chain(self.command.iter().map(String::as_str));
        let asked = (context.command_line)().try_get_matches_from(words.chain(["--help"]));
        let help = match asked {
            Err(answer) if answer.kind() == ErrorKind::DisplayHelp => answer.render().to_string(),
            Err(error) => return Err(Failure::internal(&error)),
            Ok(_) => String::new(),
        };
        let json = json!({ "command": self.command.join(" "), "help": help });
        Ok(Reply::new(json).with_data(help))
    }
}
