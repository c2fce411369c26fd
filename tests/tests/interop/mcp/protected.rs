//! Somebody's first ten minutes: `protect` before the SDK's server for files, a write that is watched, refused, asked, approved, made.

use std::fs;

use serde_json::{Value, json};

use crate::mcp::bed::{Bed, Client, decision, text};
use crate::mcp::kit;

/// What the how-to adds to the entry of the server.
const TOOLS: &str = r#"
[[tool]]
match = "files/write_file"
tool = "notes.write"
resource = "file:{path:payload.path}"
"#;

/// And to the starter policy.
const RULES: &str = r#"
[[rule]]
id = "notes.write"
effect = "step_up"
agent = "agent:*"
tool = "notes.write"
resource = "file:{work}/**"
approvals = { count = 1 }
"#;

/// The words that the configuration of Claude Code starts the server by, which waits a second for people.
fn configured(bed: &Bed) -> Vec<String> {
    let config: Value = serde_json::from_str(&bed.read(".claude.json").unwrap()).unwrap();
    let entry = &config["mcpServers"]["files"];
    let mut words = vec![entry["command"].as_str().unwrap().to_owned()];
    words.extend(
        entry["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned()),
    );
    let end = words.iter().position(|word| word == "--").unwrap();
    words.splice(end..end, ["--wait".to_owned(), "1s".to_owned()]);
    words
}

#[test]
fn a_newcomer_gets_from_watching_to_an_approved_write() {
    if !kit::is_there() {
        return;
    }
    let bed = Bed::empty();
    let (work, file) = (bed.path("work"), bed.path("work/a.txt"));
    let work = work.to_str().unwrap();
    let server = kit::of_package("@modelcontextprotocol/server-filesystem/dist/index.js", &[work]);
    let before = json!({ "mcpServers": { "files": { "command": server[0], "args": server[1..] } } }).to_string();
    bed.append(".claude.json", &before);
    fs::create_dir(bed.path(".claude")).unwrap();
    let start = || bed.drive(Client::First(None), &configured(&bed));

    // Watched: made, and reported.
    bed.run(&["protect", "--yes"]);
    let mut agent = start();
    agent.call("write_file", json!({ "path": file, "content": "first" }));
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    drop(agent);
    let report = bed.run(&["protect", "--report"]);
    assert_eq!(report["observed"], 1, "{report}");
    assert_eq!(report["refused"][0]["tool"], "mcp/files/write_file", "{report}");

    // Held to it, when nobody has looked at a tool yet: there is none, and the agent is told what its user can do.
    bed.run(&["protect", "--enforce", "--yes"]);
    let second = json!({ "path": file, "content": "second" });
    let mut agent = start();
    assert!(agent.list().is_empty());
    let refused = agent.call("write_file", second.clone());
    assert_eq!(decision(&refused)["codes"], json!(["tool_not_pinned"]), "{refused}");
    assert!(text(&refused).contains("`actionpass pins approve`"), "{refused}");
    drop(agent);

    // Definitions, names, rules, and somebody who approves.
    bed.run(&["pins", "approve", "files", "--yes"]);
    let name = "name = \"files\"\n";
    let tools = bed.read("home/tools.toml").unwrap();
    let rooted = tools.replace(name, &format!("{name}root = \"{work}\"\n"));
    fs::write(bed.path("home/tools.toml"), rooted + TOOLS).unwrap();
    bed.append("home/policy.toml", &RULES.replace("{work}", work));
    assert_eq!(bed.run(&["tools", "check"])["warnings"], json!([]));
    bed.run(&["policy", "check"]);
    bed.add_maya();

    // It waits, is approved, and the same call goes through, once.
    let mut agent = start();
    let parked = agent.call("write_file", second.clone());
    assert_eq!(decision(&parked)["decision"], "step_up", "{parked}");
    let request = bed.waiting();
    let told = text(&parked);
    assert!(
        told.contains(&format!("actionpass requests show {request}")),
        "{parked}"
    );
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    bed.approve(&request);
    let made = agent.call("write_file", second.clone());
    assert!(made["result"]["isError"].as_bool() != Some(true), "{made}");
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));
    let shown = bed.run(&["ledger", "show", "--limit", "100000"]);
    let records = shown["records"].as_array().unwrap();
    let last: Vec<&Value> = records.iter().rev().take(5).rev().collect();
    let kinds: Vec<&Value> = last.iter().map(|record| &record["kind"]).collect();
    assert_eq!(kinds, ["decision", "request", "decision", "use", "outcome"], "{shown}");
    assert_eq!(last[0]["body"]["decision"], "step_up", "{shown}");
    assert_eq!(last[2]["body"]["decision"], "allow", "{shown}");
    assert_eq!(decision(&agent.call("write_file", second))["decision"], "step_up");
    drop(agent);
    bed.run(&["ledger", "verify"]);

    bed.run(&["protect", "--undo", "--yes"]);
    assert_eq!(bed.read(".claude.json").unwrap(), before);
}
