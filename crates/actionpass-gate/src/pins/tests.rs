use super::*;

fn listed(text: &str) -> Vec<ListedTool> {
    ListedTool::read_all(text.as_bytes(), &[], &Limits::default()).unwrap()
}

fn origin(command: &str) -> Origin {
    Origin::Command(command.split(' ').map(str::to_owned).collect())
}

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000).unwrap()
}

fn approved(list: &str) -> Pins {
    let mut pins = Pins::default();
    let tools = listed(list);
    assert!(pins.offer("s", &origin("run s"), &tools));
    for tool in &tools {
        let hash = pins
            .approve("s", tool.name(), at(), Some(Statement::parse("ops").unwrap()))
            .unwrap();
        assert_eq!(hash, tool.hash());
    }
    pins
}

fn codes(states: &[ToolState]) -> Vec<Option<&'static str>> {
    let code = |state: &ToolState| state.callable().err().map(|error| error.code().as_str());
    states.iter().map(code).collect()
}

const TWO: &str = r#"[{"name":"a","description":"x"},{"name":"b"}]"#;

#[test]
fn only_what_was_approved_is_callable() {
    let pins = approved(TWO);
    let judge = |origin: &Origin, list: &str| codes(&pins.judge("s", origin, &listed(list)));
    let run = origin("run s");
    assert_eq!(judge(&run, TWO), [None, None]);
    assert_eq!(
        judge(&run, r#"[{"description":"x","name":"a","_meta":{"n":1}}]"#),
        [None]
    );
    assert_eq!(
        judge(&run, r#"[{"name":"a","description":"y"},{"name":"b"}]"#),
        [Some("definition_changed"), None]
    );
    // Another name for the same definition is a new tool.
    assert_eq!(
        judge(&run, r#"[{"name":"c","description":"x"}]"#),
        [Some("tool_not_pinned")]
    );
    for other in [
        origin("run s --other"),
        origin("s"),
        Origin::Url("https://s".to_owned()),
    ] {
        assert_eq!(
            judge(&other, TWO),
            [Some("server_origin_changed"), Some("server_origin_changed")]
        );
    }
    assert_eq!(
        codes(&pins.judge("t", &run, &listed(TWO))),
        [Some("tool_not_pinned"), Some("tool_not_pinned")]
    );
}

#[test]
fn what_changed_is_told() {
    let pins = approved(r#"[{"name":"a","inputSchema":{"properties":{"x":{"type":"string"},"y/z":1}},"title":"t"}]"#);
    let list = listed(r#"[{"name":"a","inputSchema":{"properties":{"x":{"type":"number"},"w":[1]}},"title":"t"}]"#);
    let states = pins.judge("s", &origin("run s"), &list);
    let Standing::Changed(changes) = &states[0].standing else {
        panic!("{states:?}")
    };
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (change.at.as_str(), change.before.as_deref(), change.after.as_deref()))
        .collect();
    assert_eq!(
        changes,
        [
            ("/inputSchema/properties/w", None, Some("[1]")),
            ("/inputSchema/properties/x/type", Some("\"string\""), Some("\"number\"")),
            ("/inputSchema/properties/y~1z", Some("1"), None),
        ]
    );
}

#[test]
fn what_is_offered_is_what_is_listed_and_not_pinned() {
    let mut pins = approved(TWO);
    let run = origin("run s");
    assert!(!pins.offer("s", &run, &listed(TWO)));
    let list = listed(r#"[{"name":"a","description":"y"},{"name":"c"}]"#);
    assert!(pins.offer("s", &run, &list));
    let tools: Vec<_> = pins
        .tools("s")
        .map(|(name, pinned, offered)| (name, pinned.is_some(), offered.is_some()))
        .collect();
    assert_eq!(tools, [("a", true, true), ("b", true, false), ("c", false, true)]);
    // Offering approves nothing.
    assert_eq!(
        codes(&pins.judge("s", &run, &list)),
        [Some("definition_changed"), Some("tool_not_pinned")]
    );
    pins.approve("s", "a", at(), None).unwrap();
    assert_eq!(codes(&pins.judge("s", &run, &list)), [None, Some("tool_not_pinned")]);
    // What is listed no more is offered no more.
    pins.offer("s", &run, &listed(TWO));
    assert_eq!(
        pins.approve("s", "c", at(), None).unwrap_err().code(),
        ListingCode::PinUnknown
    );
    // From elsewhere nothing is taken in.
    assert!(!pins.offer("s", &origin("evil"), &list));
    pins.reset("s", None).unwrap();
    assert!(pins.offer("s", &origin("evil"), &list));
}

#[test]
fn a_pin_can_be_taken_back() {
    let mut pins = approved(TWO);
    pins.reset("s", Some("a")).unwrap();
    assert_eq!(
        codes(&pins.judge("s", &origin("run s"), &listed(TWO))),
        [Some("tool_not_pinned"), None]
    );
    for (server, tool) in [("s", Some("a")), ("t", None), ("t", Some("a"))] {
        assert_eq!(pins.reset(server, tool).unwrap_err().code(), ListingCode::PinUnknown);
    }
    assert_eq!(pins.pinned("s", "b").unwrap().hash(), listed(TWO)[1].hash());
    assert!(pins.pinned("s", "a").is_none());
}

#[test]
fn the_file_is_read_as_it_was_written_and_nothing_else_is() {
    let mut pins = approved(r#"[{"name":"a","inputSchema":{"maximum":1e400}}]"#);
    pins.offer("s", &origin("run s"), &listed(r#"[{"name":"a"},{"name":"b"}]"#));
    pins.offer("u", &Origin::of_url("https://s.example/mcp").unwrap(), &listed(TWO));
    let text = pins.to_json().unwrap();
    let read = |text: &str| Pins::parse(text.as_bytes(), &Limits::default());
    assert_eq!(read(&text).unwrap(), pins);
    assert_eq!(read(&Pins::default().to_json().unwrap()).unwrap(), Pins::default());
    let hash = pins.pinned("s", "a").unwrap().hash().to_string();
    for (from, to) in [
        ("actionpass.pins.v1", "actionpass.pins.v2"),
        ("\"servers\"", "\"server\""),
        ("{\"name\":\"u\"", "{\"extra\":1,\"name\":\"u\""),
        ("\"name\":\"u\"", "\"name\":\"s\""),
        ("\"command\"", "\"cmd\""),
        ("\"offered\":", "\"pinned\":"),
        (
            hash.as_str(),
            "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ),
        (
            "\"definition\":{\"inputSchema\"",
            "\"definition\":{\"x\":1,\"inputSchema\"",
        ),
        ("\"approvedBy\":\"ops\"", "\"approvedBy\":null"),
        ("\"schema\":", "\"schema\":\"actionpass.pins.v1\",\"schema\":"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(
            read(&changed).map_err(|error| error.code()),
            Err(ListingCode::PinsInvalid),
            "{from}"
        );
    }
}

#[test]
fn the_origin_of_a_url_is_scheme_host_and_port() {
    let origin = |url: &str| match Origin::of_url(url) {
        Some(Origin::Url(origin)) => Some(origin),
        _ => None,
    };
    for (url, expected) in [
        ("https://mcp.example.com/mcp?x#y", "https://mcp.example.com"),
        ("HTTPS://MCP.Example.com:443", "https://mcp.example.com"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]/", "http://[::1]"),
        ("https://a?b", "https://a"),
    ] {
        assert_eq!(origin(url).as_deref(), Some(expected), "{url}");
    }
    for url in [
        "",
        "a",
        "ftp://a",
        "https://",
        "https://u@a",
        "https://a b",
        "//a",
        "https://a:x",
    ] {
        assert_eq!(origin(url), None, "{url}");
    }
}
