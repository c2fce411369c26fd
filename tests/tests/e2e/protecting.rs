//! `protect` and `hook install` on the configuration of a user: what they write, ask, report, enforce and take back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::approving::OnTerminal;
use crate::home::{Home, Ran};
use crate::support::files_in;

const CLAUDE_JSON: &str = "{\n  \"numStartups\": 7,\n  \"mcpServers\": {\n    \"files\": {\n      \"type\": \"stdio\",\n      \"command\": \"npx\",\n      \"args\": [\"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv/work\"],\n      \"env\": { \"NOTE\": \"hunter2\" }\n    }\n  },\n  \"unknown\": [1.50, null]\n}";

/// The files of products, with comments, unknown members, other scripts, and line ends of another system.
const FILES: &[(&str, &str)] = &[
    ("user/.claude.json", CLAUDE_JSON),
    (
        "user/.claude/settings.json",
        "{\r\n\t\"permissions\": {\r\n\t\t\"deny\": [\"Read(.env)\"]\r\n\t},\r\n\t\"hooks\": { \"PreToolUse\": [{ \"matcher\": \"Bash\", \"hooks\": [{ \"type\": \"command\", \"command\": \"mine.sh\" }] }] }\r\n}\r\n",
    ),
    (
        "user/.codex/config.toml",
        "# Codex – mine\nmodel = 'o5'\n\n[mcp_servers.docs] # the docs\ncommand = 'npx'\nargs = [\"-y\", \"docs\"]   # odd   spacing\n",
    ),
    (
        "user/.cursor/mcp.json",
        "{\n  // bemerkt: größer\n  \"mcpServers\": {\n    \"git\": { \"command\": \"uvx\", \"args\": [\"mcp-server-git\"], },\n  },\n}\n",
    ),
    (
        "user/.gemini/settings.json",
        "{\n  \"theme\": \"Dracula\", // mine\n  \"mcpServers\": { \"git\": { \"command\": \"uvx\", \"args\": [\"mcp-server-git\"] } }\n}\n",
    ),
    (
        "user/.config/Code/User/mcp.json",
        "{\n\t\"servers\": {\n\t\t\"ask\": { \"type\": \"stdio\", \"command\": \"ask\", \"args\": [\"--key\", \"${input:key}\"] }\n\t}\n}",
    ),
    (
        "user/.config/Claude/claude_desktop_config.json",
        "{\"mcpServers\":{\"files\":{\"command\":\"npx\",\"args\":[\"-y\",\"@modelcontextprotocol/server-filesystem\",\"/srv/work\"]}}}",
    ),
    (
        ".mcp.json",
        "{\n    \"mcpServers\": {\n        \"db\": { \"command\": \"db\", \"args\": [\"--password\", \"hunter4\"] }\n    }\n}\n",
    ),
];

/// A user of Claude Code with one MCP server.
fn newcomer() -> Home {
    user(&FILES[..1])
}

fn user(files: &[(&str, &str)]) -> Home {
    let mut home = Home::none();
    let folder = home.path("user").display().to_string();
    home.set_environment(vec![("HOME".to_owned(), folder)]);
    fs::create_dir_all(home.path("user/.claude")).unwrap();
    for (path, text) in files {
        fs::create_dir_all(home.path(path).parent().unwrap()).unwrap();
        home.write(path, text);
    }
    home
}

/// Every file of the user and the project, and what it holds.
fn snapshot(home: &Home) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::from([(
        home.path(".mcp.json"),
        fs::read_to_string(home.path(".mcp.json")).unwrap_or_default(),
    )]);
    for path in files_in(&home.path("user")) {
        files.insert(path.clone(), fs::read_to_string(path).unwrap());
    }
    files
}

fn settings(home: &Home) -> Value {
    serde_json::from_str(&home.read("user/.claude/settings.json")).unwrap()
}

/// What Claude Code does before it runs a command: its hook, by a shell, with the call on stdin.
fn claude_code_runs(home: &Home, command: &str) -> Ran {
    let settings = settings(home);
    let hook = settings["hooks"]["PreToolUse"].as_array().unwrap().last().unwrap()["hooks"][0]["command"].clone();
    let event = json!({
        "session_id": "7c1f", "transcript_path": "/t", "cwd": "/p", "permission_mode": "default",
        "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": "toolu_01",
        "tool_input": { "command": command, "description": "clean up" },
    });
    let mut shell = home.command_of("sh", ["-c", hook.as_str().unwrap()]);
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    home.feed_to(&mut shell, event.to_string().as_bytes())
}

#[test]
fn a_newcomer_watches_reads_the_report_enforces_and_takes_it_back() {
    let home = newcomer();
    let before = snapshot(&home);
    let protected = home.run(["protect", "--yes"]).exits(0).json();
    assert_eq!(protected["made"], home.path("home").display().to_string());
    let states: Vec<&Value> = protected["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["state"])
        .collect();
    assert_eq!(states, ["written"; 4], "{protected}");
    assert_eq!(protected["guarded"][0]["server"], "files");
    assert_eq!(protected["guarded"][0]["state"], "observed");
    assert_eq!(protected["guarded"][1]["state"], "observed");
    let wrapped: Value = serde_json::from_str(&home.read("user/.claude.json")).unwrap();
    let files = &wrapped["mcpServers"]["files"];
    assert!(files["command"].as_str().unwrap().ends_with("/actionpass"), "{files}");
    let root = home.path("home").canonicalize().unwrap();
    let expected = [
        "mcp",
        "--server",
        "files",
        "--home",
        root.to_str().unwrap(),
        "--door",
        "claude-code-mcp",
        "--observe",
        "--",
        "npx",
        "-y",
        "@modelcontextprotocol/server-filesystem",
        "/srv/work",
    ];
    assert_eq!(files["args"], json!(expected));
    assert_eq!(files["env"], json!({ "NOTE": "hunter2" }));
    home.run(["doctor"]).exits(0);
    home.run(["tools", "check"]).exits(0);
    let again = home.run(["protect", "--yes"]).exits(0).json();
    assert_eq!((&again["files"], &again["made"]), (&json!([]), &Value::Null));

    // Watched: what would be denied runs, and is recorded.
    for _ in 0..2 {
        assert_eq!(claude_code_runs(&home, "rm -rf /").exits(0).stdout, "");
    }
    let report = home.run(["protect", "--report", "--since", "1h"]).exits(0).json();
    assert_eq!(
        (&report["observed"], &report["allowed"]),
        (&json!(2), &json!(0)),
        "{report}"
    );
    let refused = &report["refused"][0];
    assert_eq!(
        (&refused["decision"], &refused["count"]),
        (&json!("deny"), &json!(2)),
        "{report}"
    );
    assert_eq!(refused["door"], "claude-code");
    let told = home.talk(["protect", "--report"]).exits(0).stdout;
    assert!(
        told.contains("2 calls observed: 0 would have been allowed, 2 denied, 0 asked\n"),
        "{told}"
    );

    // Held to it.
    let enforced = home.run(["protect", "--enforce", "--yes"]).exits(0).json();
    assert_eq!(enforced["report"]["observed"], 2);
    assert!(!home.read("user/.claude.json").contains("--observe"));
    let ran = claude_code_runs(&home, "rm -rf /").exits(2);
    assert!(ran.stderr.contains("ActionPass"), "{ran:?}");
    let status = home.run(["hook", "status", "--agent", "claude-code"]).exits(0).json();
    assert_eq!(status["hooks"][0]["state"], "enforced");
    assert_eq!(status["hooks"][0]["asWritten"], true, "{status}");
    let doctor = home.run(["hook", "doctor", "--agent", "claude-code"]).exits(0).json();
    assert_eq!(doctor["healthy"], true, "{doctor}");

    home.run(["protect", "--undo", "--yes"]).exits(0);
    assert_eq!(snapshot(&home), before);
    assert!(!home.path("home/protect.json").exists() && !home.path("home/tools.toml").exists());
    home.run(["ledger", "verify"]).exits(0);
    home.run(["doctor"]).exits(0);
}

/// An MCP server that notes the calls that reach it.
const SERVER: &str = r#"#!/bin/sh
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
while IFS= read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) answer '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"notes","version":"1"}}' ;;
    *'"tools/list"'*) answer '{"tools":[{"name":"note","inputSchema":{"type":"object","properties":{"text":{"type":"string"}}}}]}' ;;
    *'"tools/call"'*) printf '%s\n' "$line" >> "$1"; answer '{"content":[{"type":"text","text":"noted"}]}' ;;
  esac
done
"#;

/// What Claude Code does with a server of its configuration: starts it, and calls its tool; the answer.
fn claude_code_calls(home: &Home, server: &str) -> Value {
    let config: Value = serde_json::from_str(&home.read("user/.claude.json")).unwrap();
    let entry = &config["mcpServers"][server];
    let arguments = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap());
    let mut command = home.command_of(entry["command"].as_str().unwrap(), arguments);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    let mut answer = |message: Value| {
        writeln!(stdin, "{message}").unwrap();
        let id = message.get("id")?.clone();
        let mut answers = lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        answers.find(|answer| answer["id"] == id)
    };
    answer(json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "claude-code", "version": "2" } },
    }))
    .unwrap();
    answer(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let called = answer(json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "note", "arguments": { "text": "buy milk" } },
    }));
    drop(stdin);
    home.finish(child);
    called.unwrap()
}

#[test]
fn a_server_behind_the_proxy_is_watched_then_held_to_what_is_decided() {
    let home = newcomer();
    home.write("server.sh", SERVER);
    let (script, calls) = (home.path("server.sh"), home.path("calls"));
    let config = json!({ "mcpServers": { "notes": { "command": "sh", "args": [script, calls] } } });
    home.write("user/.claude.json", config.to_string());
    home.run(["protect", "--yes"]).exits(0);
    let count = || fs::read_to_string(&calls).unwrap_or_default().lines().count();
    let answer = claude_code_calls(&home, "notes");
    assert_eq!(answer["result"]["content"][0]["text"], "noted", "{answer}");
    assert_eq!(count(), 1);
    let report = home.run(["protect", "--report"]).exits(0).json();
    assert_eq!(report["observed"], 1, "{report}");
    assert_eq!(report["refused"][0]["tool"], "mcp/notes/note", "{report}");
    assert_eq!(report["refused"][0]["door"], "claude-code-mcp");

    home.run(["protect", "--enforce", "--yes"]).exits(0);
    let answer = claude_code_calls(&home, "notes");
    assert!(!answer.to_string().contains("noted"), "{answer}");
    assert_eq!(count(), 1);
}

#[test]
fn every_product_is_put_back_byte_for_byte() {
    let home = user(FILES);
    for folder in ["user/.codex", "user/.cursor", "user/.gemini"] {
        assert!(home.path(folder).is_dir());
    }
    let before = snapshot(&home);
    let shown = home.talk(["protect", "--yes"]).exits(0);
    for secret in ["hunter2", "hunter4"] {
        assert!(
            !shown.stderr.contains(secret) && !shown.stdout.contains(secret),
            "{shown:?}"
        );
    }
    for (path, text) in &snapshot(&home) {
        let is_ours = text.contains("actionpass");
        assert!(is_ours, "{}: {text}", path.display());
    }
    home.run(["protect", "--enforce", "--yes"]).exits(0);
    for agent in ["claude-code", "codex", "cursor", "gemini"] {
        let status = home.run(["hook", "status", "--agent", agent]).exits(0).json();
        assert_eq!(status["hooks"][0]["asWritten"], true, "{status}");
        assert_eq!(status["hooks"][0]["state"], "enforced", "{status}");
    }
    assert_eq!(home.run(["protect", "--yes"]).exits(0).json()["files"], json!([]));
    let undone = home.run(["protect", "--undo", "--yes"]).exits(0).json();
    assert_eq!(undone["left"], json!([]));
    assert_eq!(snapshot(&home), before);
    assert_eq!(
        home.run(["protect", "--undo", "--yes"]).exits(0).json()["files"],
        json!([])
    );
}

#[test]
fn a_product_without_a_folder_for_its_settings_gets_one() {
    let home = user(&[("user/.claude.json", CLAUDE_JSON)]);
    fs::remove_dir(home.path("user/.claude")).unwrap();
    home.run(["protect", "--yes"]).exits(0);
    assert!(home.read("user/.claude/settings.json").contains("hook run"));
    home.run(["protect", "--undo", "--yes"]).exits(0);
    assert!(!home.path("user/.claude/settings.json").exists());
}

#[test]
fn nothing_is_written_that_nobody_confirmed() {
    let home = newcomer();
    let before = snapshot(&home);
    // Not even a home.
    let planned = home.run(["protect", "--dry-run"]).exits(0).json();
    assert_eq!(planned["files"].as_array().unwrap().len(), 4);
    assert!(
        planned["notes"][0]
            .as_str()
            .unwrap()
            .starts_with("a home would be made in "),
        "{planned}"
    );
    let refused = home.run(["protect"]).exits(2).json();
    assert_eq!(refused["error"]["code"], "confirmation_required");
    assert!(!home.path("home").exists());
    home.run(["init"]).exits(0);
    let ran = home.talk(["protect"]).exits(2);
    assert!(
        ran.stderr.contains("+      \"args\": [\n") && ran.stderr.contains("(confirmation_required)"),
        "{ran:?}"
    );
    assert_eq!(
        home.run(["protect", "--dry-run"]).exits(0).json()["files"][2]["state"],
        "planned"
    );
    assert_eq!(snapshot(&home), before);
    assert!(!home.path("home/protect.json").exists());
}

#[test]
fn a_person_is_asked_file_by_file() {
    let home = newcomer();
    home.run(["init"]).exits(0);
    let mut asked = OnTerminal::running(home, &["protect"], (100, 120), b"");
    let shown = asked.answer_one("y\n");
    assert!(
        shown.contains("the door `claude-code-mcp`") && shown.contains("/home/config.toml? [y/N] "),
        "{shown}"
    );
    assert!(asked.answer_one("y\n").contains("/home/tools.toml? [y/N] "));
    let shown = asked.answer_one("n\n");
    assert!(shown.contains("-      \"command\": \"npx\",\n"), "{shown}");
    let files = asked.home.path("user");
    let (shown, ran) = asked.answer("y\n");
    assert!(shown.contains("declined ") && shown.contains("written "), "{shown}");
    ran.exits(0);
    // The folder is gone with the home, which the terminal had.
    assert!(!files.exists());
}

#[test]
fn without_doors_nothing_names_them() {
    let home = newcomer();
    home.run(["init"]).exits(0);
    let asked = OnTerminal::running(home, &["protect"], (100, 120), b"");
    let (shown, ran) = asked.answer("n\n");
    assert!(shown.contains("(not_confirmed)"), "{shown}");
    ran.exits(10);
}

#[test]
fn what_changes_while_somebody_reads_is_left_alone() {
    let home = newcomer();
    home.run(["init"]).exits(0);
    let mut asked = OnTerminal::running(home, &["protect"], (100, 120), b"");
    for _ in 0..2 {
        asked.answer_one("y\n");
    }
    // The third is shown, and the product writes its file.
    asked.answer_one("");
    let meanwhile = CLAUDE_JSON.replace(": 7", ": 8");
    asked.home.write("user/.claude.json", &meanwhile);
    let path = asked.home.path("user/.claude.json");
    asked.type_in("y\n");
    asked.until("settings.json? [y/N] ");
    assert_eq!(fs::read_to_string(path).unwrap(), meanwhile);
    let (shown, ran) = asked.answer("y\n");
    assert!(shown.contains("changed meanwhile and was left alone"), "{shown}");
    ran.exits(2);
}

#[test]
fn hostile_configuration_is_shown_for_what_it_is() {
    let home = user(&[
        (
            "user/.claude.json",
            "{\"mcpServers\":{\"\\u001b[2J\\u202eevil\":{\"command\":\"x\",\"args\":[\"\\u0007\"]}}}",
        ),
        ("user/.cursor/mcp.json", "{\"mcpServers\": {\"a\": }}"),
        ("elsewhere/secret.json", "{\"mcpServers\":{}}"),
    ]);
    fs::create_dir_all(home.path("user/.gemini")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", home.path("user/.gemini/settings.json")).unwrap();
    let ran = home.talk(["protect", "--yes"]).exits(0);
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{ran:?}");
    }
    assert!(ran.stderr.contains("\\u{1b}[2J\\u{202e}evil"), "{ran:?}");
    assert!(ran.stderr.contains("it is no JSON: no value at byte 21"), "{ran:?}");
    assert!(ran.stderr.contains("a link that leads out of the folders"), "{ran:?}");
    assert_eq!(home.read("user/.cursor/mcp.json"), "{\"mcpServers\": {\"a\": }}");
    assert!(home.read("home/tools.toml").contains("name = \"2J-evil\""));
    home.run(["tools", "check"]).exits(0);
}

#[test]
fn what_a_home_would_refuse_is_not_written() {
    let home = newcomer();
    home.run(["init"]).exits(0);
    let config = home
        .read("home/config.toml")
        .replace("agents = []", "agents = [\"agent:other\"]");
    home.write("home/config.toml", &config);
    let before = snapshot(&home);
    let refused = home.run(["protect", "--yes"]).exits(31).json();
    assert_eq!(refused["error"]["code"], "config_invalid", "{refused}");
    assert_eq!(home.read("home/config.toml"), config);
    assert_eq!(snapshot(&home), before);
    home.run(["protect", "--yes", "--agent", "agent:other"]).exits(0);
    home.run(["doctor"]).exits(0);
}

#[test]
fn a_hook_alone_is_installed_checked_and_uninstalled() {
    let home = user(FILES);
    let missing = home.run(["hook", "install", "--yes"]).exits(2).json();
    assert_eq!(missing["error"]["code"], "home_missing");
    home.run(["init"]).exits(0);
    let before = snapshot(&home);
    let installed = home
        .run(["hook", "install", "--agent", "codex", "--observe", "--yes"])
        .exits(0)
        .json();
    assert_eq!(installed["files"].as_array().unwrap().len(), 2, "{installed}");
    assert!(
        installed["notes"][0].as_str().unwrap().contains("/hooks"),
        "{installed}"
    );
    let codex = &installed["hooks"][1];
    assert_eq!(
        (&codex["state"], &codex["asWritten"]),
        (&json!("observed"), &json!(true)),
        "{installed}"
    );
    assert_eq!(installed["hooks"][0]["state"], "open");
    home.run(["hook", "install", "--yes"]).exits(0);
    let status = home.run(["hook", "status"]).exits(0).json();
    for hook in status["hooks"].as_array().unwrap() {
        assert_eq!(hook["state"], "enforced", "{status}");
    }
    home.run(["hook", "uninstall", "--yes"]).exits(0);
    let status = home.talk(["hook", "status"]).exits(0).stdout;
    assert_eq!(status.matches("none").count(), 4, "{status}");
    home.run(["protect", "--undo", "--yes"]).exits(0);
    assert_eq!(snapshot(&home), before);
}
