//! What the manual says beyond the command line itself: examples, which `--help` prints too, and the tables of exit codes,
//! files and variables.

use clap::Command;

/// Where the tables come from.
const PAGE: &str = include_str!("../../../docs/cli.md");

/// One command to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    /// What it is for.
    pub(crate) purpose: &'static str,
    /// As a shell takes it; a long one goes on in the next line, as in a shell.
    pub(crate) command: &'static str,
}

const fn example(purpose: &'static str, command: &'static str) -> Example {
    Example { purpose, command }
}

/// The examples of each command, by its name without `actionpass`. The end-to-end tests run every one of them. What a
/// reader has to replace is in capital letters: `KID`, `REVOCATION`, `REQUEST`, `DATABASE`.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            example("See what it does, in a few seconds", "actionpass demo"),
            example("Make a home", "actionpass init --issuer https://issuer.example"),
            example(
                "Decide on an action, and keep the pass",
                "actionpass authorize --action action.json > pass.jwt",
            ),
            example(
                "Check the pass before the action is executed",
                "actionpass verify --token pass.jwt --action action.json",
            ),
        ],
    ),
    (
        "demo",
        &[example("See everything, and keep nothing", "actionpass demo")],
    ),
    (
        "init",
        &[
            example(
                "Make a home for one organization",
                "actionpass init --issuer https://issuer.example --tenant org:example",
            ),
            example(
                "Make one elsewhere, with an encrypted signing key",
                "actionpass --home other init --encrypt --passphrase-file passphrase.txt",
            ),
        ],
    ),
    (
        "canon",
        &[example("What a hash is computed of", "actionpass canon payload.json")],
    ),
    (
        "hash",
        &[
            example("The hash of any JSON document", "actionpass hash payload.json"),
            example(
                "The hashes that a pass for this action binds",
                "actionpass hash --action action.json",
            ),
        ],
    ),
    (
        "authorize",
        &[
            example(
                "Decide, and keep the pass if there is one",
                "actionpass authorize --action action.json > pass.jwt",
            ),
            example(
                "By the parts of a call",
                "actionpass authorize --tool linear.issues.create --resource team:ENG --payload payload.json \\\n      \
                 --agent agent:codex-prod --owner user:owner@example.com \\\n      \
                 --runtime runtime:codex-cli --task AXT-418",
            ),
            example(
                "With an approval",
                "actionpass authorize --action step_up.json --approval approval.jwt > approved.jwt",
            ),
            example(
                "Wait up to a minute for people, where approvals are missing",
                "actionpass authorize --action action.json --wait 1m > waited.jwt",
            ),
            example(
                "With facts that the host attests",
                "actionpass authorize --action tested.json --facts facts.json > tested.jwt",
            ),
        ],
    ),
    (
        "approve",
        &[
            example(
                "Look at an action, be asked, and sign",
                "actionpass approve --action step_up.json --key me.pem --as user:me@example.com \\\n      \
                 --reason \"read the diff\"",
            ),
            example(
                "From a program that has shown the action itself",
                "actionpass approve --action step_up.json --key me.pem --as user:me@example.com \\\n      \
                 --reason \"read the diff\" --yes > approval.jwt",
            ),
        ],
    ),
    (
        "requests",
        &[example(
            "What waits for people",
            "actionpass requests list --state pending",
        )],
    ),
    (
        "requests list",
        &[
            example("What waits for people", "actionpass requests list --state pending"),
            example(
                "What one agent asked for",
                "actionpass requests list --agent agent:codex-prod",
            ),
        ],
    ),
    (
        "requests show",
        &[example(
            "What it is about, what is missing, and who voted",
            "actionpass requests show REQUEST",
        )],
    ),
    (
        "requests approve",
        &[
            example(
                "Look at it, be asked, and sign",
                "actionpass requests approve REQUEST --key me.pem --as user:me@example.com \\\n      \
                 --reason \"read the diff\"",
            ),
            example(
                "From a program that has shown it itself",
                "actionpass requests approve REQUEST --key me.pem --as user:me@example.com \\\n      \
                 --reason \"read the diff\" --yes",
            ),
        ],
    ),
    (
        "requests decline",
        &[example(
            "Say no, which ends it",
            "actionpass requests decline REQUEST --key me.pem --as user:me@example.com \\\n      \
             --reason \"not on a Friday\" --yes",
        )],
    ),
    (
        "requests cancel",
        &[example("Take it back", "actionpass requests cancel REQUEST")],
    ),
    (
        "requests wait",
        &[example(
            "Wait until people decided, for ten minutes at most",
            "actionpass requests wait REQUEST --timeout 10m",
        )],
    ),
    (
        "requests watch",
        &[example(
            "What happens from now on, until it is interrupted",
            "actionpass requests watch",
        )],
    ),
    (
        "requests lift",
        &[example(
            "Let an agent ask again, after three noes",
            "actionpass requests lift REQUEST --as user:me@example.com",
        )],
    ),
    (
        "serve",
        &[
            example(
                "Show it: a page, an approver to enrol, an agent that asks",
                "actionpass serve --demo",
            ),
            example("Serve the home, on this machine only", "actionpass serve"),
            example(
                "Behind a reverse proxy, whose name people see",
                "actionpass serve --listen 127.0.0.1:8312 --origin https://approve.example.com --log-format json",
            ),
            example(
                "The page alone, for a service elsewhere, as a client of it",
                "actionpass serve --page-only --gate https://gate.example.com --token-file page-token \\\n      \
                 --issuer https://issuer.example --listen 127.0.0.1:8313 --origin https://approve.example.com",
            ),
        ],
    ),
    (
        "verify",
        &[
            example(
                "Check a pass against the action",
                "actionpass verify --token pass.jwt --action action.json",
            ),
            example(
                "The same without a home, as an executor would",
                "actionpass verify --token pass.jwt --action action.json --trust trust.json \\\n      \
                 --issuer https://issuer.example --tenant org:example \\\n      \
                 --audience linear.issues.create",
            ),
            example(
                "Check it and mark it used; a second time it is refused",
                "actionpass verify --token pass.jwt --action action.json --consume",
            ),
            example(
                "Mark it used without a home, and keep the payload to execute",
                "actionpass verify --token tested.jwt --action tested.json --trust trust.json \\\n      \
                 --issuer https://issuer.example --tenant org:example \\\n      \
                 --audience github.pull_requests.create --consume --replay-store used.db \\\n      \
                 --print-payload > verified.json",
            ),
        ],
    ),
    (
        "replay-store",
        &[example(
            "Make the store of an audience, before its first pass",
            "actionpass replay-store new other.db",
        )],
    ),
    (
        "replay-store new",
        &[example(
            "Make the store of an audience, before its first pass",
            "actionpass replay-store new used.db",
        )],
    ),
    (
        "replay-store restored",
        &[example(
            "Say that it came out of a backup",
            "actionpass replay-store restored used.db",
        )],
    ),
    (
        "store",
        &[example("Look whether all of it is there", "actionpass store check")],
    ),
    (
        "store check",
        &[example("Look whether all of it is there", "actionpass store check")],
    ),
    (
        "store copy",
        &[example(
            "Move a home into a database: postgres://USER@HOST/NAME",
            "actionpass store copy --to DATABASE",
        )],
    ),
    (
        "store migrate",
        &[
            example(
                "See what a new release would change in the database",
                "actionpass store migrate --dry-run",
            ),
            example("Change it", "actionpass store migrate"),
        ],
    ),
    (
        "store roles",
        &[example(
            "The roles, for a superuser of the database to run",
            "actionpass store roles > roles.sql",
        )],
    ),
    (
        "inspect",
        &[example(
            "Look into a token; nothing is verified",
            "actionpass inspect pass.jwt",
        )],
    ),
    (
        "revoke",
        &[
            example(
                "Stop an agent",
                "actionpass revoke principal agent:codex-prod --reason \"out of control\" > revocation.txt",
            ),
            example(
                "Refuse everything that a key signed",
                "actionpass revoke key KID --reason \"the laptop was stolen\"",
            ),
        ],
    ),
    (
        "keys",
        &[example("The keys, and which are kept here", "actionpass keys list")],
    ),
    (
        "keys new",
        &[
            example(
                "An approver's key, made without a home; its public half goes to the issuer",
                "actionpass keys new --use approval --principal user:me@example.com --out me.pem > me.jwk",
            ),
            example(
                "A key of this home, for an approver who works here",
                "actionpass keys new --use approval --principal user:desk@example.com --role maintainer",
            ),
        ],
    ),
    (
        "keys list",
        &[example("The keys, and which are kept here", "actionpass keys list")],
    ),
    (
        "keys import",
        &[example(
            "Take a key that was made elsewhere",
            "actionpass keys import spare.pem --use approval --principal user:spare@example.com",
        )],
    ),
    (
        "keys export",
        &[
            example(
                "Public keys for executors that take a JWK Set",
                "actionpass keys export --jwks > jwks.json",
            ),
            example("One key, as PEM", "actionpass keys export --pem --kid KID > pass.pem"),
        ],
    ),
    (
        "keys rotate",
        &[
            example(
                "Sign with a new key from now on; passes of the old one stay valid",
                "actionpass keys rotate",
            ),
            example(
                "The same of the key that signs heads of the ledger",
                "actionpass keys rotate --use ledger",
            ),
        ],
    ),
    (
        "keys retire",
        &[example(
            "An approver's key signs nothing any more",
            "actionpass keys retire KID --reason \"left the team\"",
        )],
    ),
    (
        "keys check",
        &[
            example("Try the signing key", "actionpass keys check"),
            example("Try another one", "actionpass keys check --key file:me.pem"),
        ],
    ),
    ("trust", &[example("Keys and revocations", "actionpass trust show")]),
    (
        "trust show",
        &[example("Keys and revocations", "actionpass trust show")],
    ),
    (
        "trust add",
        &[example(
            "Believe an approver's key",
            "actionpass trust add me.jwk --use approval --principal user:me@example.com --role maintainer",
        )],
    ),
    (
        "trust remove",
        &[example("Take a key out", "actionpass trust remove KID")],
    ),
    (
        "trust lift",
        &[example(
            "Accept a principal again",
            "actionpass trust lift REVOCATION --reason \"mended\"",
        )],
    ),
    (
        "trust refresh",
        &[example(
            "Say that the revocations are complete as of now",
            "actionpass trust refresh",
        )],
    ),
    (
        "trust restored",
        &[example(
            "Go on from a trust.json that came out of a backup",
            "actionpass trust restored",
        )],
    ),
    (
        "trust check",
        &[
            example("Check the home's", "actionpass trust check"),
            example("Check a file", "actionpass trust check trust.json"),
        ],
    ),
    ("approvers", &[example("Who may approve", "actionpass approvers list")]),
    (
        "approvers list",
        &[example("Who may approve", "actionpass approvers list")],
    ),
    (
        "approvers invite",
        &[example(
            "Have somebody register a passkey",
            "actionpass approvers invite user:maya@example.com --role maintainer \\\n      \
             --origin https://approve.example.com > link.txt",
        )],
    ),
    (
        "approvers confirm",
        &[example(
            "Let their passkey in, by the code that they read to you",
            "actionpass approvers confirm user:maya@example.com CODE",
        )],
    ),
    (
        "approvers remove",
        &[example(
            "Let somebody approve no more",
            "actionpass approvers remove user:maya@example.com --reason \"left the team\"",
        )],
    ),
    (
        "clients",
        &[example("Who may ask the service", "actionpass clients list")],
    ),
    (
        "clients add",
        &[
            example(
                "Let a host ask for decisions for its agents, and see what waits",
                "actionpass clients add ci --may authorize,requests --tenant org:example --agent \"agent:codex-*\" \\\n      \
                 --owner user:owner@example.com --runtime runtime:codex-cli > token.txt",
            ),
            example(
                "Let an executor have its passes consumed",
                "actionpass clients add deployer --may consume,outcome --tenant org:example \\\n      \
                 --audience deploy > token.txt",
            ),
        ],
    ),
    (
        "mcp",
        &[
            example(
                "Stand in front of the server that an agent would start",
                "actionpass mcp -- mcp-server-files /srv/files",
            ),
            example(
                "The server as tools.toml starts it, for clients that swallow `--`",
                "actionpass mcp --server files",
            ),
            example(
                "Make every call, and record what would have been decided",
                "actionpass mcp --observe --server files",
            ),
        ],
    ),
    (
        "hook",
        &[example(
            "Check how an agent is set up, without running its hook",
            "actionpass hook doctor --agent gemini --no-canary",
        )],
    ),
    (
        "hook run",
        &[
            example(
                "What an agent's configuration runs, for an event on stdin",
                "actionpass --home \"$PWD/home\" hook run --agent claude-code --deadline 30s < event.json",
            ),
            example(
                "Record what would be decided, and hold nothing up",
                "actionpass --home \"$PWD/home\" hook run --agent claude-code --deadline 30s --observe < event.json",
            ),
        ],
    ),
    (
        "hook doctor",
        &[
            example(
                "Fire a call that has to be blocked, at the hooks of one file",
                "actionpass hook doctor --agent gemini --config settings.json",
            ),
            example(
                "Check how an agent is set up, without running its hook",
                "actionpass hook doctor --agent gemini --no-canary",
            ),
        ],
    ),
    (
        "clients list",
        &[example("Who may ask the service", "actionpass clients list")],
    ),
    (
        "clients remove",
        &[example("Answer a client no more", "actionpass clients remove ci")],
    ),
    (
        "trust export",
        &[example(
            "What executors are handed",
            "actionpass trust export > trust.json",
        )],
    ),
    ("ledger", &[example("The newest records", "actionpass ledger show")]),
    (
        "ledger show",
        &[
            example("The newest records", "actionpass ledger show"),
            example(
                "What was denied to one agent",
                "actionpass ledger show --decision deny --agent agent:codex-prod",
            ),
            example(
                "What happened to an approval request",
                "actionpass ledger show --request REQUEST",
            ),
            example("One record in full", "actionpass ledger show 0"),
        ],
    ),
    (
        "ledger verify",
        &[
            example("Verify the home's", "actionpass ledger verify"),
            example(
                "Verify an export, without any home",
                "actionpass ledger verify ledger.jsonl --trust trust.json",
            ),
            example(
                "Verify that it goes on from a signed head",
                "actionpass ledger verify --checkpoint head.tlog-proof",
            ),
        ],
    ),
    (
        "ledger checkpoint",
        &[example(
            "Sign where the ledger ends now",
            "actionpass ledger checkpoint --out head.tlog-proof",
        )],
    ),
    (
        "ledger archive",
        &[example(
            "Try it with the first record, which stays in the store",
            "actionpass ledger archive --until 0 --to . --reason \"a trial\" --keep",
        )],
    ),
    (
        "ledger resign",
        &[example(
            "After the key leaked and was revoked: the archives vouch for where the store begins",
            "actionpass ledger resign 0-0.jsonl --out beginning.tlog-proof --reason \"the key leaked\"",
        )],
    ),
    (
        "ledger export",
        &[example(
            "All records, as JSON lines",
            "actionpass ledger export > ledger.jsonl",
        )],
    ),
    (
        "ledger fsck",
        &[
            example("Look at the home's for damage", "actionpass ledger fsck"),
            example(
                "Look at an export, without any home",
                "actionpass ledger fsck ledger.jsonl",
            ),
        ],
    ),
    (
        "ledger erase",
        &[example(
            "Erase what lies beside records of more than 90 days ago",
            "actionpass ledger erase --older-than 90d --reason \"the retention period is over\"",
        )],
    ),
    (
        "ledger restored",
        &[example(
            "Say that ledger.db came out of a backup",
            "actionpass ledger restored",
        )],
    ),
    (
        "policy",
        &[example("Check the home's policy", "actionpass policy check")],
    ),
    (
        "policy check",
        &[
            example("Check the home's policy", "actionpass policy check"),
            example("Check a file", "actionpass policy check policy.toml"),
        ],
    ),
    (
        "policy explain",
        &[example(
            "What each rule makes of an action",
            "actionpass policy explain --action action.json",
        )],
    ),
    (
        "policy test",
        &[example(
            "Run a table of actions and their decisions",
            "actionpass policy test tests.toml --policy policy.toml",
        )],
    ),
    (
        "policy show",
        &[
            example("Which policy is in force", "actionpass policy show"),
            example("Which tool catalogue is", "actionpass policy show tools.toml"),
        ],
    ),
    (
        "policy put",
        &[
            example("Bring a changed policy into force", "actionpass policy put policy.toml"),
            example(
                "Together with a tool catalogue",
                "actionpass policy put policy.toml --tools tools.toml",
            ),
        ],
    ),
    (
        "normalize",
        &[
            example(
                "What a call becomes, or why it is refused",
                "actionpass normalize call.json",
            ),
            example(
                "The same of its arguments",
                "actionpass normalize --server github --tool create_pull_request arguments.json",
            ),
        ],
    ),
    (
        "tools",
        &[example("Check the home's tool catalogue", "actionpass tools check")],
    ),
    (
        "tools check",
        &[
            example("Check the home's tool catalogue", "actionpass tools check"),
            example("Check a file", "actionpass tools check --tools tools.toml"),
        ],
    ),
    (
        "tools list",
        &[example("Which calls become which tool", "actionpass tools list")],
    ),
    (
        "tools put",
        &[example(
            "Bring a changed tool catalogue into force",
            "actionpass tools put tools.toml",
        )],
    ),
    (
        "tools add",
        &[example(
            "Add entries for what a server lists",
            "actionpass tools add --from-mcp docs --yes",
        )],
    ),
    (
        "tools test",
        &[example(
            "Run a table of calls and what they become",
            "actionpass tools test calls.toml",
        )],
    ),
    (
        "pins",
        &[example(
            "What servers list, and what of it is approved",
            "actionpass pins list",
        )],
    ),
    (
        "pins list",
        &[example(
            "What servers list, and what of it is approved",
            "actionpass pins list",
        )],
    ),
    (
        "pins show",
        &[example(
            "What a server says of a tool, and what changed",
            "actionpass pins show github create_pull_request",
        )],
    ),
    (
        "pins approve",
        &[
            example(
                "Look at all that a server offers, and approve it on the terminal",
                "actionpass pins approve github --as user:me@example.com",
            ),
            example(
                "Approve one tool without being asked",
                "actionpass pins approve github create_pull_request --as user:me@example.com --yes",
            ),
        ],
    ),
    (
        "pins reset",
        &[example(
            "Approve no definition of a tool any more",
            "actionpass pins reset github create_pull_request",
        )],
    ),
    (
        "protect",
        &[
            example("See what would be written", "actionpass protect --dry-run"),
            example(
                "Watch the agents of this machine; ask before each file is written",
                "actionpass protect",
            ),
            example("The same without being asked", "actionpass protect --yes"),
            example(
                "What of the last day would have been denied or asked, and why",
                "actionpass protect --report --since 24h",
            ),
            example("Hold calls to what is decided", "actionpass protect --enforce --yes"),
            example("Take everything back", "actionpass protect --undo --yes"),
        ],
    ),
    (
        "hook install",
        &[
            example(
                "Watch the tools of Claude Code",
                "actionpass hook install --agent claude-code --observe --yes",
            ),
            example(
                "Hold the calls of every coding agent that is there to what is decided",
                "actionpass hook install --yes",
            ),
        ],
    ),
    (
        "hook status",
        &[example("Which coding agents have our hook", "actionpass hook status")],
    ),
    (
        "hook uninstall",
        &[example(
            "Take the hook out of Claude Code",
            "actionpass hook uninstall --agent claude-code --yes",
        )],
    ),
    (
        "schema",
        &[
            example("All documents", "actionpass schema"),
            example(
                "The schema of an action",
                "actionpass schema action > action.schema.json",
            ),
        ],
    ),
    ("doctor", &[example("What is wrong with the home", "actionpass doctor")]),
    (
        "explain",
        &[
            example("What to do about a code", "actionpass explain key_revoked"),
            example("All codes", "actionpass explain --list"),
        ],
    ),
    ("help", &[example("The help of a command", "actionpass help keys new")]),
    ("version", &[example("The version", "actionpass version")]),
    (
        "completions",
        &[example("For bash", "actionpass completions bash > actionpass.bash")],
    ),
    (
        "man",
        &[
            example("The page of the program", "actionpass man > actionpass.1"),
            example("The pages of all commands", "actionpass man --out pages"),
        ],
    ),
];

/// The examples of a command, by its name without `actionpass`.
pub(crate) fn examples(path: &str) -> &'static [Example] {
    let found = EXAMPLES.iter().find(|(named, _)| *named == path);
    found.map_or(&[], |(_, examples)| examples)
}

/// The command line with the examples below each command's help; the program's own help stays short.
pub(crate) fn with_examples(program: Command) -> Command {
    each(program, "")
}

fn each(command: Command, path: &str) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}").trim_start().to_owned();
        command.mut_subcommand(name, |command| {
            let text = help(examples(&path));
            each(command.after_help(text), &path)
        })
    })
}

fn help(examples: &[Example]) -> String {
    let lines = examples
        .iter()
        .map(|example| format!("  # {}\n  {}\n", example.purpose, example.command));
    format!("Examples:\n{}", lines.collect::<String>().trim_end())
}

/// What commands exit with, and what that means.
pub(crate) fn exits() -> Vec<(&'static str, &'static str)> {
    table("## Exit codes")
}

/// The files of a home.
pub(crate) fn files() -> Vec<(&'static str, &'static str)> {
    table("## The home")
}

/// The environment variables that are read.
pub(crate) fn variables() -> Vec<(&'static str, &'static str)> {
    table("## Environment")
}

/// The rows of the table below a heading of the page, as Markdown.
fn table(heading: &str) -> Vec<(&'static str, &'static str)> {
    let lines = PAGE.lines().skip_while(|line| *line != heading).skip(1);
    lines
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .skip(1)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl Example {
        /// The command in one line.
        pub(crate) fn line(&self) -> String {
            self.command.split("\\\n").map(str::trim).collect::<Vec<_>>().join(" ")
        }
    }

    /// Every command's name without `actionpass`, the program's own first.
    pub(crate) fn paths(command: &Command) -> Vec<String> {
        fn add(command: &Command, path: &str, paths: &mut Vec<String>) {
            paths.push(path.to_owned());
            for command in command.get_subcommands() {
                add(command, format!("{path} {}", command.get_name()).trim_start(), paths);
            }
        }
        let mut paths = Vec::new();
        add(command, "", &mut paths);
        paths
    }

    /// Every command, the program itself first.
    pub(crate) fn commands(command: &Command) -> Vec<&Command> {
        let below = command.get_subcommands().flat_map(commands);
        std::iter::once(command).chain(below).collect()
    }

    /// The names that there are examples of.
    pub(crate) fn named() -> Vec<&'static str> {
        EXAMPLES.iter().map(|(path, _)| *path).collect()
    }

    #[test]
    fn the_tables_are_whole() {
        let exits = exits();
        let codes: Vec<&str> = exits.iter().map(|(exit, _)| *exit).collect();
        assert_eq!(
            codes,
            [
                "0", "1", "2", "10", "11", "20", "21", "22", "23", "24", "25", "26", "30", "31", "40"
            ]
        );
        assert_eq!(exits.last().map(|(_, text)| text.starts_with("custodian")), Some(true));
        let names: Vec<&str> = files().iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "`config.toml`",
                "`keys/`",
                "`trust.json`",
                "`policy.toml`",
                "`tools.toml`",
                "`pins.json`",
                "`clients.toml`, `approvers.json`",
                "`protect.json`",
                "`ledger.db`",
                "`ledger.tlog-proof`",
                "`ledger.witness`",
                "`examples/`"
            ]
        );
        assert!(variables().iter().any(|(name, _)| *name == "`ACTIONPASS_HOME`"));
    }

    #[test]
    fn no_example_is_broken_where_a_shell_would_not_read_on() {
        for (path, examples) in EXAMPLES {
            for line in help(examples).lines() {
                assert!(line.chars().count() <= 100, "{path}: {line}");
            }
            for example in *examples {
                assert!(!example.line().contains(['\n', '\\']), "{}", example.line());
            }
        }
    }

    #[test]
    fn the_help_of_a_command_ends_with_its_examples() {
        let program = with_examples(Command::new("actionpass").subcommand(Command::new("demo")));
        let mut demo = program.find_subcommand("demo").unwrap().clone();
        let help = demo.render_help().to_string();
        assert!(
            help.ends_with("Examples:\n  # See everything, and keep nothing\n  actionpass demo\n"),
            "{help}"
        );
    }
}
