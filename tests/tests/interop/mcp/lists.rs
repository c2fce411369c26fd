//! The tools of real servers: their definitions are hashed, and calls of them are mapped or refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use actionpass_canon::{Limits, admit};
use actionpass_gate::{CallError, Catalogue, ListedTool, Normalized, ToolCall};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::mcp::kit;
use crate::mcp::raw::Raw;

/// An entry of `servers.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    name: String,
    /// A script below `node_modules`.
    node: Option<String>,
    /// A program of the Python environment.
    python: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl Server {
    /// The command that starts it where nothing is reached, not even loopback.
    fn command(&self, folder: &TempDir) -> Command {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let words = match (&self.node, &self.python) {
            (Some(script), None) => kit::of_package(script, &args),
            (None, Some(program)) => {
                let program = kit::python_program(program).to_str().unwrap().to_owned();
                [program].into_iter().chain(self.args.iter().cloned()).collect()
            }
            _ => panic!("{} is one of the two", self.name),
        };
        let alone = ["unshare", "--map-root-user", "--net"].map(ToOwned::to_owned);
        let mut command = kit::in_folder(&[&alone[..], &words].concat(), folder.path());
        // The one server that would write beside its program.
        command.env("MEMORY_FILE_PATH", folder.path().join("memory.jsonl"));
        command.envs(&self.env);
        command
    }
}

/// Arguments that fit a schema, as far as its common keywords go.
struct Samples<'a> {
    root: &'a Value,
}

impl Samples<'_> {
    fn of(&self, schema: &Value, depth: usize) -> Value {
        if depth > 12 {
            return Value::Null;
        }
        let next = |schema: &Value| self.of(schema, depth + 1);
        if let Some(place) = schema["$ref"].as_str() {
            let found = place.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return next(found.unwrap_or(&Value::Null));
        }
        if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return value.clone();
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            if let Some(branch) = schema[keyword].get(0) {
                let mut value = next(branch);
                if let (Value::Object(whole), Value::Object(also)) = (&mut value, self.object(schema, depth)) {
                    whole.extend(also);
                }
                return value;
            }
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
        match kind {
            Some("string") => Value::from(text(schema)),
            Some("integer" | "number") => number(schema),
            Some("boolean") => json!(true),
            Some("array") => {
                let item = schema["prefixItems"].get(0).unwrap_or(&schema["items"]);
                let count = schema["minItems"].as_u64().unwrap_or(1).max(1);
                (0..count).map(|_| next(item)).collect()
            }
            Some("null") => Value::Null,
            Some("object") => self.object(schema, depth),
            _ if schema.get("properties").is_some() => self.object(schema, depth),
            _ => json!("x"),
        }
    }

    /// The members that are required, and a first one that isn't.
    fn object(&self, schema: &Value, depth: usize) -> Value {
        let Some(properties) = schema["properties"].as_object() else {
            return json!({});
        };
        let required: BTreeSet<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let more = properties
            .keys()
            .map(String::as_str)
            .find(|name| !required.contains(name));
        let wanted = properties
            .iter()
            .filter(|(name, _)| required.contains(name.as_str()) || (depth == 0 && more == Some(name)));
        let members: Map<String, Value> = wanted
            .map(|(name, schema)| (name.clone(), self.of(schema, depth + 1)))
            .collect();
        Value::Object(members)
    }
}

fn text(schema: &Value) -> String {
    let sample = match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("uri"), _) => "https://example.com/a",
        (Some("date-time"), _) => "2026-11-23T01:02:03Z",
        (Some("uuid"), _) => "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        (_, Some(pattern)) if pattern.contains("\\d{4}-\\d{2}") => "2026-11-23",
        (_, Some(pattern)) if pattern.contains("png") => "a.png",
        (_, Some(pattern)) if pattern.contains("\\d+[:") => "1:2",
        (_, Some(pattern)) if pattern.contains("{32}") || pattern.contains("0-9a-f") => {
            "3f2504e04f8941d39a0c0305e82c3301"
        }
        _ => "sample",
    };
    let least = schema["minLength"].as_u64().unwrap_or(0);
    format!(
        "{sample}{}",
        "x".repeat(usize::try_from(least).unwrap().saturating_sub(sample.len()))
    )
}

fn number(schema: &Value) -> Value {
    let least = schema["minimum"]
        .as_i64()
        .or_else(|| schema["exclusiveMinimum"].as_i64().map(|least| least + 1));
    let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
    json!(least.unwrap_or(1).max(1).min(most))
}

/// A catalogue that reads a resource out of every tool that has a required text or whole number.
fn catalogue(server: &str, tools: &[ListedTool], definitions: &[Value]) -> Catalogue {
    let mut text = format!("schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"{server}\"\n");
    for (tool, definition) in tools.iter().zip(definitions) {
        let schema = &definition["inputSchema"];
        let required = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let named = required.into_iter().find(|name| {
            let plain =
                schema["properties"][name].get("enum").is_none() && schema["properties"][name].get("const").is_none();
            plain && matches!(schema["properties"][name]["type"].as_str(), Some("string" | "integer"))
        });
        let name = tool.name();
        text += &format!("[[tool]]\nmatch = \"{server}/{name}\"\n");
        if let Some(named) = named {
            text += &format!("resource = \"{named}:{{payload.{named}}}\"\n")
                .replace('_', "-")
                .replace(
                    &format!("payload.{}", named.replace('_', "-")),
                    &format!("payload.{named}"),
                );
        }
    }
    Catalogue::parse(&text, server, |_| None).unwrap_or_else(|error| panic!("{server}: {error}\n{text}"))
}

fn judged(catalogue: &Catalogue, server: &str, tool: &ListedTool, arguments: &Value) -> Result<Normalized, CallError> {
    let arguments = admit(arguments.to_string().as_bytes(), &Limits::default()).unwrap();
    catalogue.normalize(ToolCall::new(server, tool.name(), &arguments).with_definition(tool))
}

/// What each server lists, twice. Most of the time they load their own code, so several do at once.
fn listed(servers: &[Server]) -> Vec<[String; 2]> {
    let found = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((at, server)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, servers.get(at)?)))
                {
                    let folder = TempDir::new().unwrap();
                    let mut raw = Raw::open(&mut server.command(&folder));
                    let lists = [raw.tools(), raw.tools()];
                    found.lock().unwrap().insert(at, lists);
                }
            });
        }
    });
    found.into_inner().unwrap().into_values().collect()
}

#[test]
fn tools_of_real_servers_are_mapped_or_refused_by_name() {
    if !kit::is_there() {
        return;
    }
    let servers: Vec<Server> = serde_json::from_slice(&fs::read(kit::script("servers.json")).unwrap()).unwrap();
    let mut tools_in_all = 0;
    let mut refused = Vec::new();
    let mut with_resource = 0;
    for (server, [listed, again]) in servers.iter().zip(listed(&servers)) {
        let tools = ListedTool::read_all(listed.as_bytes(), &[], &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", server.name));
        let definitions: Vec<Value> = serde_json::from_str(&listed).unwrap();
        assert!(!tools.is_empty() && tools.len() == definitions.len(), "{}", server.name);
        tools_in_all += tools.len();
        let hashes: BTreeSet<String> = tools.iter().map(|tool| tool.hash().to_string()).collect();
        assert_eq!(hashes.len(), tools.len(), "{}", server.name);
        // Listed again, every definition has the same hash.
        let again = ListedTool::read_all(again.as_bytes(), &[], &Limits::default()).unwrap();
        let again: BTreeSet<String> = again.iter().map(|tool| tool.hash().to_string()).collect();
        assert_eq!(again, hashes, "{}", server.name);

        let empty = Catalogue::empty();
        let entries = catalogue(&server.name, &tools, &definitions);
        for (tool, definition) in tools.iter().zip(&definitions) {
            let name = format!("{}/{}", server.name, tool.name());
            let samples = Samples {
                root: &definition["inputSchema"],
            };
            let arguments = samples.of(&definition["inputSchema"], 0);
            let call = match judged(&empty, &server.name, tool, &arguments) {
                Ok(call) => call,
                Err(error) => {
                    refused.push((name, error.code().as_str(), format!("{error} {arguments}")));
                    continue;
                }
            };
            assert_eq!(call.tool.as_str(), format!("mcp/{name}"));
            assert_eq!(call.resource.as_str(), format!("server:{}", server.name));
            assert_eq!(call.definition.unwrap().definition_hash, tool.hash());
            // With an entry, what it acts on is what stands in the arguments.
            let call =
                judged(&entries, &server.name, tool, &arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
            with_resource += usize::from(!call.resource.as_str().starts_with("server:"));
            // What the schema doesn't name is refused, unless it takes anything.
            let mut more = arguments.clone();
            more["actionpass-undeclared"] = json!(1);
            let open = definition["inputSchema"]
                .get("additionalProperties")
                .is_some_and(|more| *more != false);
            match judged(&empty, &server.name, tool, &more) {
                Ok(_) => assert!(open, "{name} takes whatever it is given"),
                Err(error) => assert!(
                    matches!(error.code().as_str(), "argument_undeclared" | "arguments_invalid") && !open,
                    "{name}: {error}"
                ),
            }
        }
    }
    println!(
        "{} servers, {tools_in_all} tools, {with_resource} with a resource of their own",
        servers.len()
    );
    assert!(servers.len() >= 20);
    // None of these has a schema that can't be used. One that does is named here with its code.
    assert_eq!(refused, [] as [(String, &str, String); 0]);
}
