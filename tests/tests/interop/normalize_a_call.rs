//! A second implementation of `docs/spec/tools.md`: it derives the same actions from the published vectors, and from whatever else.

use std::fs;
use std::path::{Path, PathBuf};

use actionpass_canon::Limits;
use actionpass_gate::{CallDocument, Catalogue, ListedTool};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Language, command, is_ready, root, run, text};

fn program() -> PathBuf {
    root().join("tests/interop/tools/normalize.py")
}

fn published() -> PathBuf {
    root().join("crates/actionpass-gate/vectors/calls.json")
}

/// What the other implementation says of vectors: whether all are as they should be, and what it prints.
fn checked(vectors: &Path) -> (bool, String) {
    let mut command = command(Language::PlainPython, &program()).unwrap();
    let output = run(command.arg(vectors));
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// What becomes of a call here, in the form of the vectors.
fn derived(catalogue: &Catalogue, call: &Value) -> Value {
    let document = CallDocument::admit(call.to_string().as_bytes(), &Limits::default()).unwrap();
    let normalized = catalogue.normalize(document.call());
    match normalized {
        Ok(call) => {
            let payload: Value = serde_json::from_slice(call.payload.as_bytes()).unwrap();
            json!({ "tool": call.tool, "resource": call.resource, "payload": payload })
        }
        Err(error) => match error.path() {
            Some(path) => json!({ "code": error.code().as_str(), "path": path }),
            None => json!({ "code": error.code().as_str() }),
        },
    }
}

/// The hashes of a list's definitions here.
fn hashes(list: &str, meta: &Value) -> Value {
    let meta: Vec<Box<str>> = serde_json::from_value(meta.clone()).unwrap();
    let tools = ListedTool::read_all(list.as_bytes(), &meta, &Limits::default()).unwrap();
    let hashes = tools.iter().map(|tool| (tool.name().to_owned(), json!(tool.hash())));
    Value::Object(hashes.collect())
}

#[test]
fn derives_the_published_actions() {
    let vectors: Value = serde_json::from_slice(&fs::read(published()).unwrap()).unwrap();
    let catalogue = Catalogue::parse(vectors["catalogue"].as_str().unwrap(), "tools.toml", |_| None).unwrap();
    let calls = vectors["calls"].as_array().unwrap();
    for vector in calls {
        assert_eq!(derived(&catalogue, &vector["call"]), vector["is"], "{}", vector["call"]);
    }
    let definitions = vectors["definitions"].as_array().unwrap();
    for vector in definitions {
        assert_eq!(
            hashes(vector["list"].as_str().unwrap(), &vector["meta"]),
            vector["hashes"]
        );
    }
    if is_ready(Language::PlainPython, &program()) {
        let (all, said) = checked(&published());
        assert!(all, "{said}");
        let count = calls.len() + definitions.len();
        assert!(said.ends_with(&format!("{count} of {count} alike\n")), "{said}");
    }
}

/// Texts in which everything is that has a meaning somewhere, but for characters that only one of the two knows.
fn texts() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", "b", "A", "Z", "7", "/", "//", ":", "%", "%2F", "%41", "%2e", "-", ".", "..", "~", "~1", "_", "\\", " ",
        "é", "e\u{301}", "\u{212a}", "\u{200b}", "\u{0}", "+", "?", "#", "{", "}", "$", "con", "NUL.txt", "COM1",
        "\u{ff0f}", "\u{ff0e}", "*", "\t", "=", "&", "@", "漢",
    ];
    prop::collection::vec(select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => texts().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(1.5), json!([]), json!({ "n": "a" }), json!({ "n": 3, "N": 4 })]),
    ]
}

fn calls() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        6 => select(vec!["create", "get", "get_issue", "get_issue_x", "merge", "read", "a/b", "create_"]).prop_map(str::to_owned),
        1 => texts(),
    ];
    let servers = prop_oneof![9 => select(vec!["gh", "fs", "other"]).prop_map(str::to_owned), 1 => texts()];
    let members = select(vec!["owner", "repo", "path", "issue", "Owner", "PATH", "x"]);
    let arguments = prop::collection::btree_map(members, values(), 0..6).prop_map(|members| json!(members));
    let tools = (servers, names, prop_oneof![20 => arguments, 1 => values()])
        .prop_map(|(server, tool, arguments)| json!({ "server": server, "tool": tool, "arguments": arguments }));
    let segments = prop_oneof![
        6 => select(vec!["v1", "refunds", "all", "7", "%72efunds", "a%20b", "%C3%A9"]).prop_map(str::to_owned),
        1 => texts(),
    ];
    let pairs = prop_oneof![
        4 => select(vec!["a=1", "b=2", "c", "d=", "e=%20", "%61=1", "f=a/b?c", "g=%2B"]).prop_map(str::to_owned),
        1 => texts(),
    ];
    let target = (
        prop::collection::vec(segments, 0..4),
        prop::option::of(prop::collection::vec(pairs, 0..3)),
        any::<bool>(),
    );
    let target = target.prop_map(|(path, query, known)| {
        let query = query.map(|pairs| format!("?{}", pairs.join("&"))).unwrap_or_default();
        let start = if known { "/v1/refunds" } else { "" };
        format!("{start}/{}{query}", path.join("/"))
    });
    let hosts = prop_oneof![8 => select(vec!["api.example.com", "API.example.com", "api.example.com:80"]).prop_map(str::to_owned), 1 => texts()];
    let header = (select(vec!["x-account", "X-Account", "accept"]), texts());
    let requests = (
        select(vec!["GET", "POST", "get"]),
        hosts,
        target,
        prop::option::of(values()),
        prop::collection::vec(header, 0..3),
    );
    let requests = requests.prop_map(|(method, host, target, body, headers)| {
        let mut call = json!({ "method": method, "host": host, "target": target, "headers": headers });
        if let Some(body) = body {
            call["body"] = body;
        }
        call
    });
    prop_oneof![tools, requests]
}

/// Lists of tools with numbers of every kind.
fn lists() -> impl Strategy<Value = String> {
    let numbers = select(vec![
        "0",
        "-0",
        "1.0",
        "1e2",
        "0.1",
        "0.10000000000000001",
        "9007199254740991",
        "9007199254740992",
        "9223372036854775807",
        "1e15",
        "1e16",
        "1e21",
        "1E400",
        "-1.5e-7",
        "1e-400",
        "123456789012345678901234567890",
        "5e-324",
    ]);
    (prop::collection::vec(numbers, 0..4), texts(), texts()).prop_map(|(numbers, description, meta)| {
        let schema = format!("{{\"enum\":[{}]}}", numbers.join(", "));
        let (description, meta) = (json!(description), json!(meta));
        format!("[{{\"name\":\"a\",\"inputSchema\":{schema},\"description\":{description},\"_meta\":{{\"k\":{meta},\"x\":1}}}}, {{\"name\":\"b\"}}]")
    })
}

#[test]
fn derives_the_same_of_whatever_is_called() {
    if !is_ready(Language::PlainPython, &program()) {
        return;
    }
    let published: Value = serde_json::from_slice(&fs::read(published()).unwrap()).unwrap();
    let catalogue = Catalogue::parse(published["catalogue"].as_str().unwrap(), "tools.toml", |_| None).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut vectors = Vec::new();
    for _ in 0..20_000 {
        let call = calls().new_tree(&mut runner).unwrap().current();
        vectors.push(json!({ "is": derived(&catalogue, &call), "call": call }));
    }
    let allowed = vectors
        .iter()
        .filter(|vector| vector["is"].get("tool").is_some())
        .count();
    assert!(allowed > 4_000, "{allowed}");
    let mut definitions = Vec::new();
    for _ in 0..500 {
        let list = lists().new_tree(&mut runner).unwrap().current();
        definitions.push(json!({ "hashes": hashes(&list, &json!(["k"])), "meta": ["k"], "list": list }));
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.json");
    let all = json!({ "catalogue": published["catalogue"], "calls": vectors, "definitions": definitions });
    fs::write(&file, all.to_string()).unwrap();
    let (all, said) = checked(&file);
    assert!(all, "{}", said.chars().take(4000).collect::<String>());
    assert!(said.ends_with("20500 of 20500 alike\n"), "{said}");
}
