//! The `actionpass` command: authorize, approve, verify, and everything around them.
//!
//! What a command yields is data on stdout, what it says to people goes to stderr; `--json` makes both one object.
//! The exit code says what became of it: `docs/cli.md` has the table.

mod call;
mod cli;
mod clock;
mod code;
mod commands;
mod context;
mod door;
mod exit;
mod failure;
mod foreign_jwk;
mod gate;
mod hint;
mod input;
mod log;
mod manual;
mod output;
mod owner;
mod passphrase;
mod private_key;
mod public_key;
mod render;
mod shell;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os()))
}
