//! The tool catalogue of a home: what calls become, what servers list, and what of it is approved.

use serde_json::{Value, json};

use crate::home::Home;

const TOOLS: &str = r#"schema = "actionpass.tools.v1"
[[server]]
name = "docs"
command = ["sh", "SERVER"]
env = ["DOCS_TOKEN"]
[[tool]]
match = "docs/search"
tool = "docs.search"
resource = "topic:{payload.topic}"
schema = "pinned"
"#;

/// A server of MCP that a shell is. It lists two tools on two pages, the second described by what it gets of the environment.
const SERVER: &str = r#"while read -r line; do case "$line" in
*'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}';;
*'"cursor"'*) printf '{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"env","description":"%s"}]}}\n' "$(env | cut -d= -f1 | sort | tr '\n' ' ')";;
*'"tools/list"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"nextCursor":"2","tools":[{"name":"search","inputSchema":{"type":"object","properties":{"topic":{"type":"string"},"max":{"maximum":9223372036854775807}}}}]}}';;
esac; done
"#;

fn home() -> Home {
    let home = Home::new();
    let server = home.write("docs-server.sh", SERVER);
    home.write(
        "home/tools.toml",
        TOOLS.replace("SERVER", &home.path(&server).display().to_string()),
    );
    home
}

fn standings(home: &Home) -> Vec<(String, String)> {
    let listed = home.run(["pins", "list"]).exits(0).json();
    let servers = listed["servers"].as_array().unwrap().iter();
    let tools = servers.flat_map(|server| server["tools"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    tools
        .map(|tool| (text(&tool["name"]), text(&tool["standing"])))
        .collect()
}

#[test]
fn what_a_server_lists_is_added_approved_and_then_called() {
    let home = home();
    let call = json!({ "server": "docs", "tool": "search", "arguments": { "topic": "a/b" } });
    let call = home.write("call.json", call.to_string());
    home.run(["normalize", &call]).fails(31, "tool_not_pinned");

    // Nobody is there to be asked.
    home.run(["tools", "add", "--from-mcp", "docs"])
        .fails(2, "confirmation_required");
    let added = home
        .run(["tools", "add", "--from-mcp", "docs", "--yes"])
        .exits(0)
        .json();
    assert_eq!((&added["listed"], &added["added"]), (&json!(2), &json!(["env"])));
    let again = home
        .run(["tools", "add", "--from-mcp", "docs", "--yes"])
        .exits(0)
        .json();
    assert_eq!(again["added"], json!([]));
    let listed = home.run(["tools", "list"]).exits(0).json();
    assert_eq!(listed["tools"][1]["match"], "docs/env");
    // The server got what its entry lists, and nothing of ours.
    let shown = home.run(["pins", "show", "docs", "env"]).exits(0).json();
    let environment = shown["offered"]["description"].as_str().unwrap();
    assert!(!environment.contains("ACTIONPASS"), "{environment}");

    let pair = |name: &str, standing: &str| (name.to_owned(), standing.to_owned());
    assert_eq!(standings(&home), [pair("env", "new"), pair("search", "new")]);
    home.run(["pins", "approve", "docs", "search"])
        .fails(2, "confirmation_required");
    let by = ["--as", "user:me@example.com", "--yes"];
    let approved = home
        .run([&["pins", "approve", "docs", "search"][..], &by].concat())
        .exits(0)
        .json();
    assert_eq!(standings(&home), [pair("env", "new"), pair("search", "pinned")]);
    let records = home.run(["ledger", "show"]).exits(0).json();
    let record = records["records"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&record["kind"], &record["body"]["change"], &record["body"]["by"]),
        (&json!("pin"), &json!("approved"), &json!("user:me@example.com"))
    );
    assert_eq!(record["body"]["definitionHash"], approved["tools"][0]["definitionHash"]);

    let normalized = home.run(["normalize", &call]).exits(0).json();
    assert_eq!(
        (&normalized["tool"], &normalized["resource"]),
        (&json!("docs.search"), &json!("topic:a%2Fb"))
    );
    let arguments = home.write("arguments.json", r#"{"topic":"a","force":true}"#);
    home.run(["normalize", "--server", "docs", "--tool", "search", &arguments])
        .fails(31, "argument_undeclared");
    home.run(["pins", "reset", "docs", "search"]).exits(0);
    home.run(["normalize", &call]).fails(31, "tool_not_pinned");
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn a_catalogue_is_part_of_the_policy() {
    let home = home();
    let digest = |home: &Home| home.run(["policy", "check"]).exits(0).json()["digest"].clone();
    let with = digest(&home);
    home.write("home/tools.toml", "schema = \"actionpass.tools.v1\"\n");
    assert_ne!(digest(&home), with);
    home.write("home/tools.toml", "schema = \"actionpass.tools.v1\"\ntools = 1\n");
    home.run(["policy", "check"]).fails(31, "tools_invalid");
    home.run(["authorize", "--action", crate::action::ALLOW])
        .fails(31, "tools_invalid");
}
