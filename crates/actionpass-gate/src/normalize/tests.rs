use actionpass_canon::{Limits, admit};

use super::*;

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "gh"
[[server]]
name = "fs"
root = "/srv/work"
[[tool]]
match = "gh/create_pull_request"
tool = "github.pull_requests.create"
resource = "repo:{payload.owner}/{payload.repo}"
fold = ["payload.owner", "payload.repo"]
audience = "github-executor"
risk = "high"
[[tool]]
match = "gh/get_*"
resource = "repo:{payload.owner}"
[[tool]]
match = "gh/get_issue*"
resource = "issue:{payload.issue.number}"
[[tool]]
match = "fs/*"
resource = "file:{path:payload.path}"
[[tool]]
match = "http:POST api.example.com/v1/refunds/{id}"
tool = "payments.refunds.create"
resource = "refund:{payload.path.id}"
headers = ["x-account"]
[[tool]]
match = "http:POST api.example.com/v1/refunds/all"
tool = "payments.refunds.all"
"#;

fn catalogue() -> Catalogue {
    Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap()
}

fn bytes(text: &str) -> CanonicalBytes {
    admit(text.as_bytes(), &Limits::default()).unwrap()
}

/// Tool and resource of a call, or its code and path.
fn tool(server: &str, name: &str, arguments: &str) -> Result<(String, String), (CallCode, Option<String>)> {
    let arguments = bytes(arguments);
    let call = catalogue()
        .normalize(ToolCall::new(server, name, &arguments))
        .map_err(told)?;
    assert_eq!(call.payload, arguments);
    Ok((call.tool.to_string(), call.resource.to_string()))
}

fn told(error: CallError) -> (CallCode, Option<String>) {
    (error.code(), error.path().map(str::to_owned))
}

fn ok(tool: &str, resource: &str) -> Result<(String, String), (CallCode, Option<String>)> {
    Ok((tool.to_owned(), resource.to_owned()))
}

#[test]
fn the_exact_entry_wins_then_the_longest_prefix_then_none() {
    let owner = r#"{"owner":"A","repo":"b","issue":{"number":7}}"#;
    assert_eq!(
        tool("gh", "create_pull_request", owner),
        ok("github.pull_requests.create", "repo:a/b")
    );
    assert_eq!(tool("gh", "get_file", owner), ok("mcp/gh/get_file", "repo:A"));
    assert_eq!(tool("gh", "get_issue", owner), ok("mcp/gh/get_issue", "issue:7"));
    assert_eq!(
        tool("gh", "get_issue_comments", owner),
        ok("mcp/gh/get_issue_comments", "issue:7")
    );
    assert_eq!(tool("gh", "merge", owner), ok("mcp/gh/merge", "server:gh"));
    assert_eq!(
        tool("other", "get_issue", "{}"),
        ok("mcp/other/get_issue", "server:other")
    );
    assert_eq!(tool("other", "a/b", "{}"), ok("mcp/other/a/b", "server:other"));
}

#[test]
fn an_entry_gives_audience_and_risk() {
    let arguments = bytes(r#"{"owner":"A","repo":"b"}"#);
    let call = catalogue()
        .normalize(ToolCall::new("gh", "create_pull_request", &arguments))
        .unwrap();
    assert_eq!(call.audience.unwrap().as_str(), "github-executor");
    assert_eq!(call.risk, Some(Risk::High));
    assert_eq!(call.entry.as_deref(), Some("gh/create_pull_request"));
    assert!(call.definition.is_none());
}

#[test]
fn names_that_no_tool_can_have_are_refused() {
    for name in [
        "",
        ".",
        "..",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a b",
        "ä",
        "a*",
        "a\n",
        &"a".repeat(129),
    ] {
        assert_eq!(
            tool("gh", name, "{}").unwrap_err().0,
            CallCode::CallNotNormalizable,
            "{name:?}"
        );
    }
    for server in ["", "a/b", "a b", ".a", "ä", &"a".repeat(65)] {
        assert_eq!(
            tool(server, "a", "{}").unwrap_err().0,
            CallCode::CallNotNormalizable,
            "{server:?}"
        );
    }
    for arguments in ["[]", "null", "\"a\"", "1"] {
        assert_eq!(
            tool("gh", "a", arguments).unwrap_err().0,
            CallCode::CallArgumentsNotObject
        );
    }
    assert!(tool("gh", &"a".repeat(128), "{}").is_ok());
}

#[test]
fn placeholders_are_percent_encoded_and_refuse_what_could_be_taken_for_something_else() {
    let repo = |owner: &str| tool("gh", "get_file", &format!(r#"{{"owner":{owner}}}"#));
    for (value, resource) in [
        (r#""a-b.c_d~E9""#, "repo:a-b.c_d~E9"),
        (r#""a/b c%:é""#, "repo:a%2Fb%20c%25%3A%C3%A9"),
        (r#""..a""#, "repo:..a"),
        ("12", "repo:12"),
        ("-12", "repo:-12"),
        (r#""\u0000""#, "repo:%00"),
    ] {
        assert_eq!(repo(value), ok("mcp/gh/get_file", resource), "{value}");
    }
    for (value, code) in [
        (r#""""#, CallCode::CallValueEmpty),
        (r#"".""#, CallCode::CallValueDots),
        (r#""..""#, CallCode::CallValueDots),
        (r#""a/../b""#, CallCode::CallValueDots),
        (r#""a\\..""#, CallCode::CallValueDots),
        ("null", CallCode::CallValueType),
        ("1.5", CallCode::CallValueType),
        ("true", CallCode::CallValueType),
        ("[1]", CallCode::CallValueType),
        ("{}", CallCode::CallValueType),
    ] {
        assert_eq!(repo(value), Err((code, Some("payload.owner".to_owned()))), "{value}");
    }
    let missing = Err((CallCode::CallValueMissing, Some("payload.owner".to_owned())));
    assert_eq!(tool("gh", "get_file", "{}"), missing);
    let missing = Err((CallCode::CallValueMissing, Some("payload.issue.number".to_owned())));
    assert_eq!(tool("gh", "get_issue", r#"{"issue":7}"#), missing);
    for shadowed in [r#"{"owner":"a","Owner":"b"}"#, r#"{"Owner":"b"}"#] {
        let refused = Err((CallCode::CallValueShadowed, Some("payload.owner".to_owned())));
        assert_eq!(tool("gh", "get_file", shadowed), refused, "{shadowed}");
    }
    let long = format!(r#""{}""#, "a".repeat(2048));
    assert_eq!(repo(&long).unwrap_err().0, CallCode::CallTooLarge);
}

#[test]
fn folding_is_of_ascii_only() {
    let arguments = |owner: &str| format!(r#"{{"owner":"{owner}","repo":"R"}}"#);
    let create = |owner: &str| tool("gh", "create_pull_request", &arguments(owner));
    assert_eq!(create("AbC-1"), ok("github.pull_requests.create", "repo:abc-1/r"));
    // The Kelvin sign is a `k` to who folds by Unicode.
    for owner in ["\u{212a}", "É"] {
        assert_eq!(create(owner).unwrap_err().0, CallCode::CallValueNotFoldable);
    }
}

#[test]
fn paths_are_joined_to_the_root_and_have_one_spelling() {
    let path = |path: &str| tool("fs", "read", &format!(r#"{{"path":"{path}"}}"#)).map(|(_, resource)| resource);
    for (given, resource) in [
        ("a", "file:/srv/work/a"),
        ("a/b c.txt", "file:/srv/work/a/b%20c.txt"),
        ("a//b/", "file:/srv/work/a/b"),
        ("/srv/work/a", "file:/srv/work/a"),
        ("/etc/passwd", "file:/etc/passwd"),
        ("//etc", "file:/etc"),
        ("/", "file:/"),
        ("é", "file:/srv/work/%C3%A9"),
    ] {
        assert_eq!(path(given).as_deref(), Ok(resource), "{given}");
    }
    for (given, code) in [
        ("", CallCode::CallValueEmpty),
        (".", CallCode::CallValueDots),
        ("a/../b", CallCode::CallValueDots),
        ("./a", CallCode::CallValueDots),
        ("a\\\\b", CallCode::CallPathUnsafe),
        ("C:/a", CallCode::CallPathUnsafe),
        ("~/a", CallCode::CallPathUnsafe),
        ("$HOME", CallCode::CallPathUnsafe),
        ("a%2fb", CallCode::CallPathUnsafe),
        ("a\\u0000", CallCode::CallPathUnsafe),
        ("a./b", CallCode::CallPathUnsafe),
        ("e\u{301}", CallCode::CallPathUnsafe),
        ("/~a", CallCode::CallPathUnsafe),
    ] {
        assert_eq!(path(given), Err((code, Some("payload.path".to_owned()))), "{given}");
    }
}

#[test]
fn methods_are_told_from_tools() {
    let params = bytes(r#"{"uri":"file:///a"}"#);
    let call = catalogue()
        .normalize(MethodCall::new("fs", "resources/read", &params))
        .unwrap();
    assert_eq!(
        (call.tool.as_str(), call.resource.as_str()),
        ("mcp-method/fs/resources/read", "server:fs")
    );
    for method in ["", "a b", "../x"] {
        let error = catalogue()
            .normalize(MethodCall::new("fs", method, &params))
            .unwrap_err();
        assert_eq!(error.code(), CallCode::CallNotNormalizable);
    }
}

fn request(target: &str) -> Result<(String, String, String), (CallCode, Option<String>)> {
    let body = bytes(r#"{"amount":1}"#);
    let call = HttpCall::new("POST", "API.example.com", target).with_body(&body);
    let call = catalogue().normalize(call).map_err(told)?;
    let payload = call.payload.as_str().to_owned();
    Ok((call.tool.to_string(), call.resource.to_string(), payload))
}

#[test]
fn requests_are_bound_with_path_query_and_body() {
    let payload = |rest: &str| format!(r#"{{"body":{{"amount":1}},"headers":{{}},{rest}}}"#);
    for (target, resource, rest) in [
        ("/v1/refunds/7", "refund:7", r#""path":{"id":"7"},"query":{}"#),
        ("/v1/refunds/a%20b", "refund:a%20b", r#""path":{"id":"a b"},"query":{}"#),
        ("/v1/%72efunds/7?", "refund:7", r#""path":{"id":"7"},"query":{}"#),
        (
            "/v1/refunds/7?b=%3D&a=&c",
            "refund:7",
            r#""path":{"id":"7"},"query":{"a":"","b":"=","c":true}"#,
        ),
    ] {
        let expected = ("payments.refunds.create".to_owned(), resource.to_owned(), payload(rest));
        assert_eq!(request(target), Ok(expected), "{target}");
    }
    let (tool, resource, _) = request("/v1/refunds/all").unwrap();
    assert_eq!((&*tool, &*resource), ("payments.refunds.all", "host:api.example.com"));
}

#[test]
fn only_headers_that_the_entry_names_are_part_of_a_request() {
    let with = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let call = HttpCall::new("POST", "api.example.com", "/v1/refunds/7").with_headers(&headers);
        catalogue()
            .normalize(call)
            .map(|call| call.payload.as_str().to_owned())
            .map_err(told)
    };
    let expected = r#"{"headers":{"x-account":"A"},"path":{"id":"7"},"query":{}}"#;
    assert_eq!(with(&[("Accept", "*/*"), ("X-Account", " A")]), Ok(expected.to_owned()));
    let refused = Err((CallCode::CallHeaderAmbiguous, Some("headers.x-account".to_owned())));
    assert_eq!(with(&[("x-account", "A"), ("X-ACCOUNT", "A")]), refused);
    assert_eq!(with(&[("x-account", "é")]), refused);
}

#[test]
fn requests_that_two_readers_take_differently_are_refused() {
    for target in [
        "",
        "v1",
        "//v1/refunds/7",
        "/v1//refunds/7",
        "/v1/refunds/",
        "/v1/refunds/7/",
        "/v1/./refunds/7",
        "/v1/x/../refunds/7",
        "/v1/refunds/%2e",
        "/v1/refunds/%2E%2e",
        "/v1/refunds/a%2fb",
        "/v1/refunds/a%5Cb",
        "/v1/refunds/a%00",
        "/v1/refunds/a\\b",
        "/v1/refunds/a#b",
        "/v1/refunds/a b",
        "/v1/refunds/%",
        "/v1/refunds/%4",
        "/v1/refunds/%zz",
        "/v1/refunds/%ff",
        "/v1/refunds/%252e",
        "/v1/refunds/7;x=1",
        "/v1/refunds/é",
        "/v1/refunds/%0a",
    ] {
        assert_eq!(
            request(target),
            Err((CallCode::CallPathAmbiguous, Some("path".to_owned()))),
            "{target}"
        );
    }
    for query in [
        "a=1&a=2",
        "a=1&%61=2",
        "a=b+c",
        "a=1;b=2",
        "=1",
        "a=1&",
        "&a=1",
        "a=1&&b=2",
        "a=%",
        "a=%ff",
        "a=%00",
        "a=1#b",
        "a=é",
        "a=[1]",
    ] {
        let target = format!("/v1/refunds/7?{query}");
        assert_eq!(
            request(&target),
            Err((CallCode::CallQueryAmbiguous, Some("query".to_owned()))),
            "{query}"
        );
    }
    for (method, host, target) in [
        ("GET", "api.example.com", "/v1/refunds/7"),
        ("post", "api.example.com", "/v1/refunds/7"),
        ("POST", "api.example.com:443", "/v1/refunds/7"),
        ("POST", "example.com", "/v1/refunds/7"),
        ("POST", "api.example.com", "/v1/refunds"),
        ("POST", "api.example.com", "/v1/Refunds/7"),
        ("POST", "api.example.com", "/"),
    ] {
        let error = catalogue().normalize(HttpCall::new(method, host, target)).unwrap_err();
        assert_eq!(error.code(), CallCode::CallNotMapped, "{method} {host} {target}");
    }
    for host in [
        "",
        "api.example.com.",
        "a b",
        "user@api.example.com",
        "api.example.com:",
        "[::1]",
    ] {
        let error = catalogue()
            .normalize(HttpCall::new("POST", host, "/v1/refunds/7"))
            .unwrap_err();
        assert_eq!(error.code(), CallCode::CallNotNormalizable, "{host}");
    }
}

#[test]
fn a_call_comes_with_the_definition_that_is_listed() {
    let list = br#"[{"name":"search","inputSchema":{"type":"object","properties":{"q":{"type":"string"}}}}]"#;
    let tools = crate::ListedTool::read_all(list, &[], &Limits::default()).unwrap();
    let judge = |text: &str, entry: &str| {
        let text = format!("schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"d\"\n{entry}\n# {text}");
        let catalogue = Catalogue::parse(&text, "tools.toml", |_| Some(br#"{"required":["z"]}"#.to_vec())).unwrap();
        let arguments = bytes(text.rsplit("# ").next().unwrap());
        let with = catalogue.normalize(ToolCall::new("d", "search", &arguments).with_definition(&tools[0]));
        let without = catalogue.normalize(ToolCall::new("d", "search", &arguments));
        let hash = with
            .as_ref()
            .ok()
            .and_then(|call| Some(call.definition.as_ref()?.definition_hash));
        assert!(hash.is_none_or(|hash| hash == tools[0].hash()));
        // Whatever the schema says, an executor derives it.
        assert!(catalogue.derive(ToolCall::new("d", "search", &arguments)).is_ok());
        (
            with.map(|_| ()).map_err(|error| error.code()),
            without.map(|_| ()).map_err(|error| error.code()),
        )
    };
    let entry = |rest: &str| format!("[[tool]]\nmatch = \"d/search\"\n{rest}");
    let arguments = bytes("{}");
    let other = Catalogue::empty().derive(ToolCall::new("d", "find", &arguments).with_definition(&tools[0]));
    assert_eq!(other.unwrap_err().code(), CallCode::CallNotNormalizable);
    assert_eq!(judge(r#"{"q":"a"}"#, ""), (Ok(()), Ok(())));
    assert_eq!(judge(r#"{"q":1}"#, ""), (Err(CallCode::ArgumentsInvalid), Ok(())));
    assert_eq!(judge(r#"{"q":1}"#, &entry("schema = \"none\"")), (Ok(()), Ok(())));
    let pinned = entry("schema = \"pinned\"");
    assert_eq!(judge(r#"{"q":"a"}"#, &pinned), (Ok(()), Err(CallCode::ToolNotPinned)));
    assert_eq!(
        judge(r#"{"q":"a","r":1}"#, &pinned).0,
        Err(CallCode::ArgumentUndeclared)
    );
    let file = entry("schema = \"a.json\"");
    assert_eq!(judge(r#"{"q":"a"}"#, &file).0, Err(CallCode::ArgumentsInvalid));
}

#[test]
fn a_call_becomes_an_action_of_its_caller() {
    let arguments = bytes(r#"{"owner":"A","repo":"b","title":"é\n"}"#);
    let list = br#"[{"name":"create_pull_request","inputSchema":{"type":"object","additionalProperties":true}}]"#;
    let tools = crate::ListedTool::read_all(list, &[], &Limits::default()).unwrap();
    let call = ToolCall::new("gh", "create_pull_request", &arguments).with_definition(&tools[0]);
    let call = catalogue().normalize(call).unwrap();
    let caller = Caller::parse("org:e", "agent:a", "user:u", "runtime:r").unwrap();
    let intent = Intent {
        task: actionpass_model::Task::parse("T-1").unwrap(),
        summary: None,
    };
    let id = ActionId::parse("call-1").unwrap();
    let context = bytes(r#"{"session":"s"}"#);
    let action = call
        .action(&caller, &intent, Some(&id), Some(&context), &Limits::default())
        .unwrap();
    assert_eq!(action.payload(), &arguments);
    assert_eq!(action.context(), Some(&context));
    let head = action.action();
    assert_eq!(
        (&head.capability.tool, &head.capability.resource),
        (&call.tool, &call.resource)
    );
    assert_eq!(
        (&head.tenant, &head.actor, head.id.as_ref()),
        (&caller.tenant, &caller.actor, Some(&id))
    );
    let definition = head.tool_definition.as_ref().unwrap();
    assert_eq!(
        (definition.server.as_str(), definition.definition_hash),
        ("gh", tools[0].hash())
    );
    assert_eq!(call.facts(), json!({ "tool": { "risk": "high" } }));
    // Too large as a whole, though its payload alone is not.
    let limits = Limits::default().with_max_bytes(arguments.as_bytes().len());
    assert!(call.action(&caller, &intent, None, None, &limits).is_err());
}
