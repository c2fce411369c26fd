//! The examples in the help of every command, run by a shell: they all work.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use actionpass_home::{Approvers, InvitationSecret};
use actionpass_servers::postgres::Postgres;
use actionpass_testkit::Authenticator;
use actionpass_verify::{Clock, SystemClock};

use crate::home::Home;
use crate::program::actionpass;
use crate::signed_heads::sign_heads;

/// Every command, each behind those whose results its examples need.
const ORDER: &[&str] = &[
    "demo",
    "init",
    "canon",
    "hash",
    "keys new",
    "trust add",
    "keys",
    "keys list",
    "keys check",
    "keys import",
    "keys export",
    "policy",
    "policy check",
    "policy explain",
    "policy test",
    "normalize",
    "tools",
    "tools check",
    "tools list",
    "tools put",
    "policy show",
    "policy put",
    "tools test",
    "tools add",
    "pins",
    "pins list",
    "pins show",
    "pins approve",
    "pins reset",
    "protect",
    "replay-store new",
    "replay-store",
    "approve",
    "authorize",
    "inspect",
    "trust export",
    "verify",
    "requests",
    "requests list",
    "requests show",
    "requests approve",
    "requests wait",
    "requests decline",
    "requests cancel",
    "requests lift",
    "requests watch",
    "serve",
    "replay-store restored",
    "trust",
    "trust show",
    "trust refresh",
    "trust restored",
    "trust check",
    "approvers invite",
    "approvers confirm",
    "approvers",
    "approvers list",
    "approvers remove",
    "clients add",
    "clients",
    "clients list",
    "clients remove",
    "hook run",
    "hook doctor",
    "hook",
    "hook install",
    "hook status",
    "hook uninstall",
    "mcp",
    "ledger",
    "ledger show",
    "ledger export",
    "ledger checkpoint",
    "ledger verify",
    "ledger fsck",
    "ledger erase",
    "ledger archive",
    "ledger resign",
    "keys retire",
    "trust remove",
    "revoke",
    "trust lift",
    "keys rotate",
    "doctor",
    "ledger restored",
    "store copy",
    "store migrate",
    "store roles",
    "store check",
    "store",
    "schema",
    "explain",
    "help",
    "version",
    "completions",
    "man",
];

const TESTS: &str = r#"
schema = "actionpass.policy-tests.v1"

[[test]]
name = "the first example is allowed"
action = "action.json"
expect = "allow"
"#;

const TOOLS: &str = r#"
schema = "actionpass.tools.v1"

[[server]]
name = "github"
command = ["github-mcp-server", "stdio"]

[[server]]
name = "docs"
command = ["sh", "docs-server.sh"]

[[tool]]
match = "github/create_pull_request"
tool = "github.pull_requests.create"
resource = "repo:{payload.owner}/{payload.repo}"
"#;

/// A server of MCP that a shell is: one tool.
const SERVER: &str = r#"while read -r line; do case "$line" in
*'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}';;
*'"tools/list"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"search","description":"Searches."}]}}';;
esac; done
"#;

const CALLS: &str = r#"
schema = "actionpass.tools-tests.v1"

[[test]]
name = "a pull request is about its repository"
call = '{"server":"github","tool":"create_pull_request","arguments":{"owner":"company","repo":"web-app"}}'
resource = "repo:company/web-app"
"#;

const PINS: &str = r#"{"schema":"actionpass.pins.v1","servers":[{"name":"github","origin":{"command":["github-mcp-server","stdio"]},
"tools":[{"name":"create_pull_request","offered":{"name":"create_pull_request","description":"Opens a pull request."}}]}]}"#;

/// The commands in the examples of a help.
fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("\nExamples:\n").unwrap();
    let examples = examples.replace("\\\n", "");
    let commands = examples.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    commands.map(ToOwned::to_owned).collect()
}

/// What is before the examples of a command, beside what those of other commands leave.
fn prepare(home: &Home, command: &str) {
    let copy = |from: &str, to: &str| fs::copy(home.path(from), home.path(to)).map(|_| ()).unwrap();
    match command {
        "init" => {
            home.write("passphrase.txt", "correct horse battery staple\n");
            fs::set_permissions(home.path("passphrase.txt"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        "canon" => {
            home.write("payload.json", r#"{"b":1,"a":2}"#);
        }
        "hash" => {
            copy("home/examples/allow.json", "action.json");
            copy("home/examples/step_up.json", "step_up.json");
            let payload = crate::action::read(home, "action.json")["capability"]["payload"].take();
            home.write("payload.json", payload.to_string());
            copy("home/examples/step_up.json", "tested.json");
            copy("home/examples/facts.json", "facts.json");
        }
        "keys import" => {
            let owner = ["--use", "approval", "--principal", "user:spare@example.com"];
            home.talk([&["keys", "new", "--out", "spare.pem"], &owner[..]].concat())
                .exits(0);
        }
        "requests" => {
            home.run(["authorize", "--action", "step_up.json"]).exits(11);
        }
        "requests cancel" => {
            let mut other = crate::action::read(home, "step_up.json");
            other["capability"]["payload"]["title"] = "Another one".into();
            home.write("other.json", other.to_string());
            home.run(["authorize", "--action", "other.json"]).exits(11);
        }
        "policy check" => {
            copy("home/policy.toml", "policy.toml");
            home.write("tests.toml", TESTS);
        }
        "normalize" => {
            home.write("home/tools.toml", TOOLS);
            home.write("tools.toml", TOOLS);
            home.write("docs-server.sh", SERVER);
            home.write("calls.toml", CALLS);
            home.write("arguments.json", r#"{"owner":"company","repo":"web-app"}"#);
            home.write(
                "call.json",
                r#"{"server":"github","tool":"create_pull_request","arguments":{"owner":"company","repo":"web-app"}}"#,
            );
        }
        "pins" => {
            home.write("home/pins.json", PINS);
        }
        "protect" => {
            fs::create_dir_all(home.path("user/.claude")).unwrap();
            home.write(
                "user/.claude.json",
                r#"{"mcpServers":{"files":{"command":"npx","args":["-y","@modelcontextprotocol/server-filesystem","/srv"]}}}"#,
            );
        }
        "serve" => {
            let added = home
                .run(["clients", "add", "page", "--may", "requests"])
                .exits(0)
                .json();
            home.write_secret("page-token", added["token"].as_str().unwrap());
        }
        "hook run" => {
            add_doors(home, &["claude-code", "gemini"]);
            home.write(
                "event.json",
                r#"{"hook_event_name":"PreToolUse","session_id":"s","tool_name":"Read","tool_input":{}}"#,
            );
        }
        "hook doctor" => {
            let command = format!(
                "{} --home {} hook run --agent gemini --deadline 30s || {{ cat >/dev/null; echo 'ActionPass blocks this call.' >&2; exit 2; }}",
                actionpass().display(),
                home.path("home").display()
            );
            let hook = serde_json::json!({"type": "command", "command": command, "timeout": 30_000});
            let settings = serde_json::json!({"hooks": {"BeforeTool": [{"hooks": [hook]}]}}).to_string();
            home.write("settings.json", &settings);
            fs::create_dir(home.path(".gemini")).unwrap();
            home.write(".gemini/settings.json", settings);
        }
        "ledger checkpoint" => {
            sign_heads(home, "ES256");
        }
        "ledger resign" => {
            let archive = ["ledger", "archive", "--until", "0", "--to", ".", "--reason", "old"];
            home.run(archive).exits(0);
            let config = home.read("home/config.toml");
            let (_, kid) = config.split_once("key = \"file:keys/ledger-").unwrap();
            let kid = kid.split('.').next().unwrap();
            home.run(["revoke", "key", kid, "--reason", "leaked"]).exits(0);
            sign_heads(home, "ES256");
        }
        // Its input ends at once: no server is started.
        "mcp" => add_doors(home, &["mcp"]),
        "approvers confirm" => {
            let code = register(home, home.read("link.txt").trim());
            home.write("code.txt", code);
        }
        _ => {}
    }
}

/// Front doors of these kinds, by the same names.
fn add_doors(home: &Home, kinds: &[&str]) {
    let mut config = home.read("home/config.toml");
    for kind in kinds {
        config.push_str(&format!(
            "\n[[door]]\nname = \"{kind}\"\nkind = \"{kind}\"\ntenant = \"org:example\"\nagent = \"agent:{kind}\"\n\
             owner = \"user:owner@example.com\"\nruntime = \"runtime:{kind}\"\n"
        ));
    }
    home.write("home/config.toml", config);
}

/// Registers a passkey by an invitation's link, as the program would that serves the page; the code that confirms it.
fn register(home: &Home, link: &str) -> String {
    let (_, secret) = link.split_once('#').unwrap();
    let secret = InvitationSecret::parse(secret).unwrap();
    let registration = Authenticator::new().register(&secret.challenge());
    let folder = actionpass_home::Home::open(home.path("home").as_ref()).unwrap();
    let trust = folder.trust_snapshot().unwrap().document;
    let now = SystemClock.now().unwrap();
    let waiting = Approvers::of(&folder)
        .register(&secret, &registration, &trust, now)
        .unwrap();
    waiting.code().to_owned()
}

/// The key that the examples of a command call `KID`.
fn kid(home: &Home, command: &str) -> String {
    let wanted = match command {
        "keys export" => "pass",
        "revoke" => "user:desk@example.com",
        _ => "user:me@example.com",
    };
    let trust = home.run(["trust", "show"]).exits(0).json();
    let keys = trust["trust"]["keys"].as_array().unwrap();
    let key = keys
        .iter()
        .find(|key| key["use"] == wanted || key["principal"] == wanted)
        .unwrap();
    key["kid"].as_str().unwrap().to_owned()
}

/// The request that the examples call `REQUEST`: the newest.
fn request(home: &Home) -> String {
    let listed = home.run(["requests", "list"]).exits(0).json();
    let requests = listed["requests"].as_array().unwrap();
    requests.last().unwrap()["id"].as_str().unwrap().to_owned()
}

/// What an example exits with, where it isn't 0.
fn exit(command: &str, line: &str) -> i32 {
    match command {
        // Nobody is there to be asked.
        "approve" | "requests approve" | "pins approve" if !line.contains("--yes") => 2,
        "protect" if line.ends_with("protect") => 2,
        "requests show" => 11,
        // No rule allows it.
        "hook run" if !line.contains("--observe") => 2,
        // They run until somebody ends them.
        "requests watch" | "serve" => 124,
        _ => 0,
    }
}

#[test]
fn every_example_works() {
    let home = Home::none();
    let database = Postgres::start();
    database.create_database("examples");
    let folder = actionpass().parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    for command in ORDER {
        prepare(&home, command);
        let words: Vec<&str> = std::iter::once("help").chain(command.split(' ')).collect();
        for line in examples(&home.talk(words).exits(0).stdout) {
            let mut line = line;
            if line.contains("KID") {
                line = line.replace("KID", &kid(&home, command));
            }
            if line.contains("CODE") {
                line = line.replace("CODE", &home.read("code.txt"));
            }
            if line.contains("REVOCATION") {
                line = line.replace("REVOCATION", home.read("revocation.txt").trim());
            }
            if line.contains("REQUEST") {
                line = line.replace("REQUEST", &request(&home));
            }
            if line.contains("DATABASE") {
                line = line.replace("DATABASE", &format!("'{}'", database.url("examples")));
            }
            if ["requests watch", "serve"].contains(command) {
                line = format!("timeout 2 {line}");
            }
            let ran = home.finish(
                home.command_of("sh", ["-c", &line])
                    .env("PATH", &path)
                    .env("HOME", home.path("user"))
                    .spawn()
                    .unwrap(),
            );
            assert_eq!(ran.exit, exit(command, &line), "{line}: {ran:?}");
        }
    }
    // What the examples say that they write.
    for file in [
        "pass.jwt",
        "approved.jwt",
        "tested.jwt",
        "trust.json",
        "pages/actionpass-keys-new.1",
    ] {
        assert!(!fs::read(home.path(file)).unwrap().is_empty(), "{file}");
    }
}

/// A command that the list lacks would not be tried.
#[test]
fn the_examples_of_every_command_are_run() {
    let home = Home::none();
    let files = home.talk(["man", "--out", "pages", "--json"]).exits(0).json();
    let mut pages: Vec<String> = files["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|file| file.as_str().unwrap().strip_prefix("pages/actionpass-"))
        .map(|file| file.trim_end_matches(".1").to_owned())
        .collect();
    let mut order: Vec<String> = ORDER.iter().map(|command| command.replace(' ', "-")).collect();
    pages.sort();
    order.sort();
    assert_eq!(pages, order);
}
