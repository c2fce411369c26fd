//! The command line as a whole: options, commands, and what happens before one runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::code::CliCode;
#[cfg(feature = "postgres")]
use crate::commands::store;
use crate::commands::{
    approve, approvers, authorize, canon, clients, completions, demo, doctor, explain, hash, help, hook, init, inspect,
    keys, ledger, man, mcp, normalize, pins, policy, protect, replay, requests, revoke, schema, serve, tools, trust,
    verify, version,
};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::log::LogArgs;
use crate::manual;
use crate::output::{self, Reader, Reply};

/// Authorizes what AI agents do: one exact tool call, judged by policy, approved by people where policy says so,
/// signed as a short-lived pass, verified offline, and recorded in a tamper-evident ledger.
#[derive(Debug, Parser)]
#[command(
    name = "actionpass",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
New here? `actionpass demo` shows everything in a few seconds and leaves nothing behind.

Exit codes: 0 allowed or valid, 1 internal, 2 usage, 10 deny, 11 step_up, 20 to 26 a pass is
refused, 30 ledger broken, 31 input refused, 40 custodian or store.")]
pub(crate) struct Cli {
    /// The home: configuration, keys, trust, policy, ledger [default: ACTIONPASS_HOME, else the user's data folder]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Everywhere",
        display_order = 900
    )]
    home: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long, global = true, help_heading = "Everywhere", display_order = 901)]
    json: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show everything in a temporary home: allow, deny, step_up, approval, pass, refusals
    Demo(demo::DemoArgs),
    /// Make a home: configuration, signing key, trust store, starter policy, ledger, examples
    Init(init::InitArgs),
    /// Stand before the agents and MCP servers of this machine: shows every change, asks, can undo; starts by watching
    Protect(Box<protect::ProtectArgs>),
    /// Print the canonical bytes (RFC 8785) of a JSON document
    Canon(canon::CanonArgs),
    /// Print the SHA-256 of a JSON document's canonical bytes
    Hash(hash::HashArgs),
    /// Decide on an action; print the pass if it is allowed
    Authorize(Box<authorize::AuthorizeArgs>),
    /// Look at an action and sign an approval of it
    Approve(Box<approve::ApproveArgs>),
    /// Look after approval requests: what waits for people
    #[command(subcommand)]
    Requests(requests::RequestsCommand),
    /// Serve decisions, approval requests and the page on which people decide
    Serve(serve::ServeArgs),
    /// Stand between an MCP client and a server: no tool is called that isn't allowed
    Mcp(Box<mcp::McpArgs>),
    /// Check a pass against the call that is about to be made
    Verify(Box<verify::VerifyArgs>),
    /// Decode a token without verifying anything
    Inspect(inspect::InspectArgs),
    /// Revoke a pass, an approval, a key or a principal
    Revoke(revoke::RevokeArgs),
    /// Judge what coding agents are about to do, by their hooks, and look after these
    #[command(subcommand)]
    Hook(hook::HookCommand),
    /// Make and look after keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Look after the trust store: whose keys are believed
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Look after approvers: who may approve, and how people get a passkey in
    #[command(subcommand)]
    Approvers(approvers::ApproversCommand),
    /// Look after clients: who may ask the service, for whom, and what
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
    /// Read, verify and export the ledger
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Look after what keeps the decisions: make a database ready, check it, carry everything there and back
    #[cfg(feature = "postgres")]
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Make and look after the file of used passes of an executor that has no home
    #[command(subcommand)]
    ReplayStore(replay::ReplayStoreCommand),
    /// Check, explain and test the policy
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Say what a tool call becomes: tool, resource, payload, or why it is refused
    Normalize(normalize::NormalizeArgs),
    /// Check, list and test the tool catalogue
    #[command(subcommand)]
    Tools(tools::ToolsCommand),
    /// Look at what servers list, and approve definitions of their tools
    #[command(subcommand)]
    Pins(pins::PinsCommand),
    /// Print the JSON Schema of a document; without a name, list them
    Schema(schema::SchemaArgs),
    /// Check the home and say what to mend
    Doctor(doctor::DoctorArgs),
    /// Say what a code means, what causes it and what to do; without a code, list all
    Explain(explain::ExplainArgs),
    /// Print the help of a command
    Help(help::HelpArgs),
    /// Print the version
    Version(version::VersionArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    Man(man::ManArgs),
}

impl Command {
    /// The name in `schema`.
    fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Init(_) => "init",
            Self::Protect(_) => "protect",
            Self::Canon(_) => "canon",
            Self::Hash(_) => "hash",
            Self::Authorize(_) => "authorize",
            Self::Approve(_) => "approve",
            Self::Requests(command) => command.name(),
            Self::Serve(_) => "serve",
            Self::Mcp(_) => "mcp",
            Self::Verify(_) => "verify",
            Self::Inspect(_) => "inspect",
            Self::Revoke(_) => "revoke",
            Self::Hook(command) => command.name(),
            Self::Keys(command) => command.name(),
            Self::Trust(command) => command.name(),
            Self::Approvers(command) => command.name(),
            Self::Clients(command) => command.name(),
            Self::Ledger(command) => command.name(),
            #[cfg(feature = "postgres")]
            Self::Store(command) => command.name(),
            Self::ReplayStore(command) => command.name(),
            Self::Policy(command) => command.name(),
            Self::Normalize(_) => "normalize",
            Self::Tools(command) => command.name(),
            Self::Pins(command) => command.name(),
            Self::Schema(_) => "schema",
            Self::Doctor(_) => "doctor",
            Self::Explain(_) => "explain",
            Self::Help(_) => "help",
            Self::Version(_) => "version",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }

    fn run(self, context: &Context) -> Outcome<Reply> {
        match self {
            Self::Demo(args) => args.run(context),
            Self::Init(args) => args.run(context),
            Self::Protect(args) => args.run(context),
            Self::Canon(args) => args.run(context),
            Self::Hash(args) => args.run(context),
            Self::Authorize(args) => args.run(context),
            Self::Approve(args) => args.run(context),
            Self::Requests(command) => command.run(context),
            Self::Serve(args) => args.run(context),
            Self::Mcp(args) => args.run(context),
            Self::Verify(args) => args.run(context),
            Self::Inspect(args) => args.run(context),
            Self::Revoke(args) => args.run(context),
            Self::Hook(command) => command.run(context),
            Self::Keys(command) => command.run(context),
            Self::Trust(command) => command.run(context),
            Self::Approvers(command) => command.run(context),
            Self::Clients(command) => command.run(context),
            Self::Ledger(command) => command.run(context),
            #[cfg(feature = "postgres")]
            Self::Store(command) => command.run(context),
            Self::ReplayStore(command) => command.run(context),
            Self::Policy(command) => command.run(context),
            Self::Normalize(args) => args.run(context),
            Self::Tools(command) => command.run(context),
            Self::Pins(command) => command.run(context),
            Self::Schema(args) => args.run(context),
            Self::Doctor(args) => args.run(context),
            Self::Explain(args) => args.run(context),
            Self::Help(args) => args.run(context),
            Self::Version(args) => args.run(context),
            Self::Completions(args) => args.run(context),
            Self::Man(args) => args.run(context),
        }
    }
}

/// The whole command line, each command with its examples.
fn command_line() -> clap::Command {
    manual::with_examples(Cli::command())
}

/// The commands that only read, by their names in `schema`: whoever closes their output early has seen enough.
const READERS: &[&str] = &[
    "canon",
    "clients-list",
    "completions",
    "doctor",
    "explain",
    "hash",
    "help",
    "hook-doctor",
    "hook-status",
    "inspect",
    "keys-export",
    "keys-list",
    "ledger-export",
    "ledger-fsck",
    "ledger-show",
    "ledger-verify",
    "man",
    "normalize",
    "pins-list",
    "pins-show",
    "policy-check",
    "policy-explain",
    "policy-show",
    "policy-test",
    "requests-list",
    "requests-show",
    "requests-wait",
    "requests-watch",
    "schema",
    "store-check",
    "store-roles",
    "tools-check",
    "tools-list",
    "tools-test",
    "trust-check",
    "trust-export",
    "trust-show",
    "version",
];

/// Runs a command line, prints what comes of it, and gives the exit code.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.collect();
    if hook::guard::is_hook(&args) {
        return hook::guard::hold(&args, || dispatch(&args));
    }
    dispatch(&args)
}

fn dispatch(args: &[OsString]) -> u8 {
    if let Some(exit) = refuse_keys(args) {
        return exit;
    }
    let parsed = command_line().try_get_matches_from(args);
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => {
            let name = cli.command.name();
            let schema = schema_of(name);
            let reader = if READERS.contains(&name) {
                Reader::MayLeave
            } else {
                Reader::Needed
            };
            let context = Context::new(cli.home, cli.json, command_line);
            let is_service = matches!(&cli.command, Command::Serve(args) if args.is_logged());
            match cli.log.start(is_service).and_then(|()| cli.command.run(&context)) {
                Ok(reply) => reply.print(&schema, context.is_json, reader),
                Err(failure) => output::print_failure(&failure, &schema, context.is_json),
            }
        }
        Err(error) => refuse(&without_secrets(error, args), args),
    }
}

fn schema_of(command: &str) -> String {
    format!("actionpass.cli.{command}.v1")
}

/// Refuses a command line with the text of a key in it, a private one perhaps, before anything can repeat it.
fn refuse_keys(args: &[OsString]) -> Option<u8> {
    let is_key = |arg: &OsString| {
        let text = arg.to_string_lossy();
        text.contains("-----BEGIN ") || text.contains("\"kty\"")
    };
    args.iter().any(is_key).then(|| {
        let failure = Failure::new(
            CliCode::UsageInvalid,
            "an argument is the text of a key, which others see in the list of processes",
        );
        output::print_failure(
            &failure.with_hint("name the file that holds it"),
            &schema_of("usage"),
            args.iter().any(|arg| arg == "--json"),
        )
    })
}

/// The error without values that may be secrets, typed where they don't belong.
fn without_secrets(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let opens_keys = args.iter().map(|arg| arg.to_string_lossy()).any(|arg| {
        ["keys", "approve", "decline"].contains(&&*arg)
            || arg.starts_with("--passphrase")
            || arg.starts_with("--encrypt")
    });
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let arg = text(ContextKind::InvalidArg);
    let hidden = match error.kind() {
        // The address of a database may have a password in it, and the name of a password may be the password.
        ErrorKind::ValueValidation
            if [
                "--passphrase-from",
                "--pin",
                "--store",
                "--to-password",
                "--from-password",
            ]
            .iter()
            .any(|option| arg.starts_with(option))
                || arg.ends_with("<PLACE>") =>
        {
            Some(ContextKind::InvalidValue)
        }
        ErrorKind::UnknownArgument if opens_keys && !arg.starts_with('-') => Some(ContextKind::InvalidArg),
        _ => None,
    };
    if let Some(kind) = hidden {
        error.insert(kind, ContextValue::String("…".to_owned()));
    }
    error
}

/// A command line that can't be read, or asks for help or the version.
fn refuse(error: &clap::Error, args: &[OsString]) -> u8 {
    let is_json = args.iter().any(|arg| arg == "--json");
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // A name on the command line may be an agent's, and clap prints it as it is.
    let is_odd = args
        .iter()
        .any(|arg| arg.to_string_lossy().contains(actionpass_model::is_hidden));
    if is_answer || !(is_json || is_odd) {
        // Clap knows which of the two streams it belongs to; nobody is left to be told that it is closed.
        let _ = error.print();
        return u8::try_from(error.exit_code()).unwrap_or(2);
    }
    let text = error.to_string();
    let problem: Vec<&str> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    let problem = problem.join(" ");
    let problem = problem.strip_prefix("error: ").unwrap_or(&problem);
    // The command itself may be what can't be read, so this schema names none.
    output::print_failure(
        &Failure::new(CliCode::UsageInvalid, problem),
        &schema_of("usage"),
        is_json,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command_line().debug_assert();
    }

    /// The words of a shell's command, up to where its output goes.
    fn words(command: &str) -> Vec<String> {
        let command = command.split(" > ").next().unwrap_or_default();
        let mut words = Vec::new();
        for (at, part) in command.split('"').enumerate() {
            if at % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(ToOwned::to_owned));
            }
        }
        words
    }

    /// The command that words name, as far as they do, and the words behind it.
    fn named<'a>(program: &'a clap::Command, words: &'a [&'a str]) -> (&'a clap::Command, &'a [&'a str]) {
        match words.split_first() {
            Some((name, rest)) => match program.find_subcommand(name) {
                Some(command) => named(command, rest),
                None => (program, words),
            },
            None => (program, words),
        }
    }

    /// The commands, options and pages that the explanations of codes send people to.
    #[test]
    fn what_explanations_name_is_there() {
        let text = include_str!("commands/explain/explanations.md").replace('\n', " ");
        let mut program = command_line();
        program.build();
        let has = |command: &clap::Command, option: &str| {
            let is_it = |arg: &clap::Arg| arg.get_long() == option.strip_prefix("--");
            command.get_arguments().any(is_it)
        };
        let all: Vec<&clap::Command> = manual::tests::commands(&program);
        let mut commands = 0;
        for span in text.split('`').skip(1).step_by(2) {
            let words: Vec<&str> = span.split_whitespace().collect();
            match words.as_slice() {
                ["actionpass", rest @ ..] => {
                    commands += 1;
                    let (command, rest) = named(&program, rest);
                    assert_ne!(command.get_name(), "actionpass", "{span}");
                    assert!(rest.is_empty() || !command.has_subcommands(), "{span}");
                    for option in rest.iter().filter(|word| word.starts_with("--")) {
                        assert!(has(command, option), "{span}");
                    }
                }
                [option, ..] if option.starts_with("--") && *option != "--" => {
                    assert!(all.iter().any(|command| has(command, option)), "{span}");
                }
                [page] if page.starts_with("docs/") => {
                    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
                    assert!(std::path::Path::new(root).join(page).exists(), "{span}");
                }
                _ => {}
            }
        }
        assert!(commands > 50, "{commands}");
    }

    #[test]
    fn every_command_has_examples_and_they_are_of_it() {
        let paths = manual::tests::paths(&command_line());
        assert!(paths.len() > 35, "{paths:?}");
        for path in &paths {
            let examples = manual::examples(path);
            assert!(!examples.is_empty(), "{path}");
            for example in examples {
                // What a reader has to replace is no id yet.
                let command = example
                    .line()
                    .replace("REVOCATION", "rev_01930000000070008000000000000000")
                    .replace("REQUEST", "req_01930000000070008000000000000000")
                    .replace("DATABASE", "postgres://front@db.example/actionpass");
                // What the shell does with a file is none of the command's words.
                let words = words(command.split(" < ").next().unwrap_or_default());
                let cli = Cli::try_parse_from(&words).unwrap();
                let name = path.replace(' ', "-");
                assert!(
                    cli.command.name().starts_with(&name),
                    "{words:?} is of {}",
                    cli.command.name()
                );
            }
        }
        let named = manual::tests::named();
        let mut sorted = (named.clone(), paths.iter().map(String::as_str).collect::<Vec<_>>());
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        assert_eq!(sorted.0, sorted.1);
    }

    #[test]
    fn readers_are_commands() {
        let command_line = Cli::command();
        for reader in READERS {
            let alone = command_line.find_subcommand(reader);
            let of_group = reader
                .split_once('-')
                .and_then(|(group, name)| command_line.find_subcommand(group)?.find_subcommand(name));
            assert!(alone.or(of_group).is_some(), "{reader}");
        }
    }
}
