//! What holds of every catalogue and call (`docs/spec/tools.md`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use actionpass_canon::{CanonicalBytes, Limits, admit};
use actionpass_gate::{Catalogue, HttpCall, ListedTool, MethodCall, Normalized, Pins, Schema, ToolCall};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "a"
[[server]]
name = "b"
root = "/r"
[[tool]]
match = "a/x"
tool = "x"
resource = "k:{payload.p}/{payload.q}"
[[tool]]
match = "a/x*"
resource = "k:{payload.p}:{payload.q}"
fold = ["payload.q"]
[[tool]]
match = "a/x/y"
tool = "x.y"
[[tool]]
match = "b/*"
resource = "file:{path:payload.p}"
[[tool]]
match = "http:GET h/{p}/{q}"
resource = "k:{payload.path.p}/{payload.path.q}"
[[tool]]
match = "http:GET h/a/{q}"
[[tool]]
match = "http:POST h/{p}"
tool = "post"
[[tool]]
match = "http:GET h:1/{p}/{q}"
"#;

fn catalogue() -> Catalogue {
    Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap()
}

fn bytes(value: &Value) -> CanonicalBytes {
    admit(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

/// What rules see and passes bind.
fn triple(call: &Normalized) -> (String, String, String) {
    (
        call.tool.to_string(),
        call.resource.to_string(),
        call.payload.as_str().to_owned(),
    )
}

/// Texts in which everything is that has a meaning somewhere.
fn texts() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", "b", "A", "/", ":", "%", "%2F", "%41", "-", ".", "..", "~", "_", "\\", " ", "é", "e\u{301}", "\u{212a}",
        "k", "\u{0}", "+", "?", "#", "{", "}",
    ];
    prop_oneof![
        4 => prop::collection::vec(select(pieces), 0..5).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => texts().prop_map(Value::from),
        1 => (-12_i64..12).prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(1.5), json!([]), json!({ "p": "a" })]),
    ]
}

fn tool_calls() -> impl Strategy<Value = (String, String, Value)> {
    let names = prop_oneof![4 => select(vec!["x", "xx", "x/y", "x/z", "y", "X"]).prop_map(str::to_owned), 1 => texts()];
    let arguments = prop::collection::btree_map(select(vec!["p", "q", "P", "r"]), values(), 0..4);
    (select(vec!["a", "b", "c"]), names, arguments)
        .prop_map(|(server, name, arguments)| (server.to_owned(), name, json!(arguments)))
}

fn method_calls() -> impl Strategy<Value = (String, String, Value)> {
    let methods = prop_oneof![
        4 => select(vec!["resources/read", "prompts/get", "tasks/update", "x", "x/y"]).prop_map(str::to_owned),
        1 => texts(),
    ];
    let params = prop::collection::btree_map(select(vec!["uri", "name", "p"]), values(), 0..3);
    (select(vec!["a", "b", "c"]), methods, params)
        .prop_map(|(server, method, params)| (server.to_owned(), method, json!(params)))
}

/// A method, a host, a target, and a body.
fn requests() -> impl Strategy<Value = (String, String, String, Option<Value>)> {
    let segment = || {
        select(vec![
            "a", "b", "%61", "%62", "%2561", "%2f", ".", "%2e", "a;b", "", "%C3%A9", "a%20b", "A", "7",
        ])
    };
    let pairs = || {
        select(vec![
            "a=1", "a=2", "%61=1", "a", "a=", "b=1", "b=%31", "b=a+b", "b=a%2Bb", "b=a%20b", "", "c=%26", "c=%3D",
        ])
    };
    let target = (
        prop::collection::vec(segment(), 0..4),
        prop::option::of(prop::collection::vec(pairs(), 0..4)),
    );
    let target = target.prop_map(|(path, query)| {
        let query = query.map(|pairs| format!("?{}", pairs.join("&"))).unwrap_or_default();
        format!("/{}{query}", path.join("/"))
    });
    let body = prop::option::of(prop_oneof![Just(json!({})), Just(json!({ "a": 1 })), Just(json!(null))]);
    (
        select(vec!["GET", "POST", "get"]),
        select(vec!["h", "H", "h:1", "i"]),
        target,
        body,
    )
        .prop_map(|(method, host, target, body)| (method.to_owned(), host.to_owned(), target, body))
}

/// What a request acts on, read on its own: every escape decoded once.
fn meaning(request: &(String, String, String, Option<Value>)) -> String {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            if let [b'%', high, low, after @ ..] = rest {
                let hex = String::from_utf8(vec![*high, *low]).unwrap();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                rest = after;
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    };
    let (method, host, target, body) = request;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path: Vec<String> = path.split('/').map(decode).collect();
    let mut members = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .map_or((pair, None), |(name, value)| (name, Some(decode(value))));
        members.insert(decode(name), value);
    }
    format!("{method} {} {path:?} {members:?} {body:?}", host.to_lowercase())
}

/// What becomes of a request.
fn normalized(request: &(String, String, String, Option<Value>)) -> Option<Normalized> {
    let (method, host, target, body) = request;
    let body = body.as_ref().map(bytes);
    let call = HttpCall::new(method, host, target);
    let call = body.as_ref().map_or(call, |body| call.with_body(body));
    catalogue().normalize(call).ok()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let (hex, after) = escape.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

/// JSON that has something of a schema.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({ "type": "string" })),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "$ref": "#/$defs/a" })),
        Just(json!({ "pattern": "^a{1,9}(b|c)*$" })),
        values(),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let keyword = select(vec![
            "properties", "patternProperties", "additionalProperties", "propertyNames", "items", "prefixItems", "contains", "allOf", "anyOf", "oneOf",
            "not", "if", "then", "else", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "$defs", "enum", "required", "$anchor", "$id",
        ]);
        prop_oneof![
            4 => prop::collection::btree_map(keyword, inner.clone(), 0..4).prop_map(|members| json!(members)),
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            2 => prop::collection::btree_map(select(vec!["a", "b", "p", "^a"]), inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

fn documents() -> impl Strategy<Value = Value> {
    values().prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(select(vec!["a", "b", "p", "q"]), inner, 0..4)
                .prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn g24_calls_of_tools_that_differ_differ_as_actions(left in tool_calls(), right in tool_calls(), same in any::<bool>()) {
        let right = if same { (right.0, right.1, left.2.clone()) } else { right };
        let of = |(server, name, arguments): &(String, String, Value)| {
            let arguments = bytes(arguments);
            catalogue().normalize(ToolCall::new(server, name, &arguments)).ok().map(|call| triple(&call))
        };
        if let (Some(one), Some(other)) = (of(&left), of(&right)) {
            let (left, right) = ((&left.0, &left.1, bytes(&left.2)), (&right.0, &right.1, bytes(&right.2)));
            prop_assert_eq!(one == other, left == right);
        }
    }

    #[test]
    fn g24_methods_that_differ_differ_as_actions(
        left in method_calls(), right in method_calls(), tool in tool_calls(), same in any::<bool>(),
    ) {
        let right = if same { (right.0, right.1, left.2.clone()) } else { right };
        let of = |(server, method, params): &(String, String, Value)| {
            let params = bytes(params);
            catalogue().normalize(MethodCall::new(server, method, &params)).ok().map(|call| triple(&call))
        };
        if let (Some(one), Some(other)) = (of(&left), of(&right)) {
            let (left, right) = ((&left.0, &left.1, bytes(&left.2)), (&right.0, &right.1, bytes(&right.2)));
            prop_assert_eq!(one == other, left == right);
        }
        // Nor is a method ever a tool, whatever their names.
        let arguments = bytes(&tool.2);
        let called = catalogue().normalize(ToolCall::new(&tool.0, &tool.1, &arguments)).ok();
        if let (Some(method), Some(called)) = (of(&left), called) {
            prop_assert_ne!(method.0, triple(&called).0);
        }
    }

    #[test]
    fn g24_requests_that_differ_differ_as_actions(left in requests(), right in requests()) {
        if let (Some(one), Some(other)) = (normalized(&left), normalized(&right)) {
            prop_assert_eq!(triple(&one) == triple(&other), meaning(&left) == meaning(&right));
        }
    }

    #[test]
    fn from_the_resource_follows_what_stood_in_each_placeholder(p in texts(), q in texts(), folds in any::<bool>()) {
        let arguments = bytes(&json!({ "p": p, "q": q }));
        let name = if folds { "xx" } else { "x" };
        if let Ok(call) = catalogue().normalize(ToolCall::new("a", name, &arguments)) {
            let separator = if folds { ':' } else { '/' };
            let (first, second) = call.resource.value().split_once(separator).unwrap();
            prop_assert_eq!(percent_decoded(first), p);
            prop_assert_eq!(percent_decoded(second), if folds { q.to_ascii_lowercase() } else { q });
        }
    }

    #[test]
    fn a_path_has_one_spelling_and_its_segments(p in texts()) {
        let of = |path: &str| {
            let arguments = bytes(&json!({ "p": path }));
            let call = catalogue().normalize(ToolCall::new("b", "x", &arguments)).ok()?;
            Some(percent_decoded(call.resource.value()))
        };
        if let Some(path) = of(&p) {
            prop_assert!(path.starts_with('/') && !path.contains("//") && (path == "/" || !path.ends_with('/')));
            let absolute = if p.starts_with('/') { p.clone() } else { format!("/r/{p}") };
            let segments = |path: &str| path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(segments(&path), segments(&absolute));
            prop_assert!(segments(&path).iter().all(|segment| segment != "." && segment != ".."));
            // What was written is written again.
            prop_assert_eq!(of(&path), Some(path));
        }
    }

    /// An executor has the payload and no list of tools.
    #[test]
    fn g24_issuer_and_executor_derive_alike(call in tool_calls()) {
        let (server, name, arguments) = call;
        let arguments = bytes(&arguments);
        let listed = if name.is_empty() { "x" } else { &name };
        let list = json!([{ "name": listed, "inputSchema": { "additionalProperties": true } }]).to_string();
        let tools = ListedTool::read_all(list.as_bytes(), &[], &Limits::default()).unwrap();
        let [tool] = tools.as_slice() else { panic!("one tool") };
        let issuer = catalogue().normalize(ToolCall::new(&server, &name, &arguments).with_definition(tool));
        if let Ok(issued) = &issuer {
            let payload = admit(issued.payload.as_bytes(), &Limits::default()).unwrap();
            let executed = catalogue().derive(ToolCall::new(&server, &name, &payload)).unwrap();
            prop_assert_eq!(triple(issued), triple(&executed));
            prop_assert_eq!(&issued.audience, &executed.audience);
        } else {
            prop_assert!(catalogue().derive(ToolCall::new(&server, &name, &arguments)).is_err());
        }
    }

    #[test]
    fn no_request_panics(method in texts(), host in texts(), target in texts(), name in texts(), value in texts()) {
        let headers = [(name, value)];
        let _ = catalogue().normalize(HttpCall::new(&method, &host, &target).with_headers(&headers));
        let _ = catalogue().normalize(HttpCall::new("GET", "h", &format!("/{target}")));
    }

    #[test]
    fn no_catalogue_panics(at in 0..CATALOGUE.len(), text in texts()) {
        let (before, after) = CATALOGUE.split_at(at);
        let _ = Catalogue::parse(&format!("{before}{text}{after}"), &text, |_| None);
        let _ = Catalogue::parse(&format!("{before}{text}"), "tools.toml", |_| None);
    }

    #[test]
    fn no_list_of_tools_or_pins_panics(document in documents(), text in any::<String>(), cut in 0_usize..200) {
        let mut list = json!([{ "name": "a", "_meta": document, "inputSchema": document, "x": 1e300 }]).to_string();
        let _ = ListedTool::read_all(list.as_bytes(), &["a".into()], &Limits::default());
        let cut = (0..=cut.min(list.len())).rev().find(|at| list.is_char_boundary(*at));
        list.truncate(cut.unwrap_or_default());
        let _ = ListedTool::read_all(format!("{list}{text}").as_bytes(), &[], &Limits::default());
        let _ = Pins::parse(text.as_bytes(), &Limits::default());
        let _ = Pins::parse(json!({ "schema": Pins::SCHEMA, "servers": document }).to_string().as_bytes(), &Limits::default());
    }

    #[test]
    fn no_schema_panics(schema in schemas(), arguments in documents()) {
        let text = json!({ "$defs": { "a": schema }, "allOf": [schema] }).to_string();
        if let Ok(schema) = Schema::parse(text.as_bytes()) {
            let _ = schema.judge(&bytes(&arguments));
        }
    }
}
