use super::*;

const HEAD: &str =
    "schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"fs\"\n[[server]]\nname = \"gh\"\nroot = \"/srv\"\n";

fn parse(tools: &str) -> Result<Catalogue, CatalogueError> {
    let files = |name: &str| match name {
        "a.json" => Some(br#"{"type":"object"}"#.to_vec()),
        "bad.json" => Some(b"{\"$ref\":\"https://example.com\"}".to_vec()),
        _ => None,
    };
    Catalogue::parse(&format!("{HEAD}{tools}"), "/home/a/tools.toml", files)
}

/// The code and place of a refusal; lines count from the first one after [`HEAD`].
fn refusal(tools: &str) -> (&'static str, usize, usize) {
    let error = parse(tools).unwrap_err();
    let head = HEAD.matches('\n').count();
    (error.code().as_str(), error.line().saturating_sub(head), error.column())
}

fn tool(matched: &str, rest: &str) -> String {
    format!("[[tool]]\nmatch = \"{matched}\"\n{rest}\n")
}

#[test]
fn a_catalogue_is_read() {
    let catalogue = parse(&format!(
        "{}{}{}",
        tool("fs/read_file", "tool = \"files.read\"\nresource = \"file:{path:payload.path}\"\nroot = \"/work\"\nrisk = \"low\"\nschema = \"pinned\""),
        tool("gh/*", "resource = \"repo:{payload.owner}/{payload.repo}\"\nfold = [\"payload.owner\"]\naudience = \"x\"\nschema = \"a.json\""),
        tool("http:POST api.example.com:8443/v1/refunds/{id}", "headers = [\"x-account\"]"),
    ))
    .unwrap();
    let entries: Vec<_> = catalogue
        .entries()
        .map(|entry| (entry.matched, entry.tool.map(Tool::as_str)))
        .collect();
    assert_eq!(
        entries,
        [
            ("fs/read_file", Some("files.read")),
            ("gh/*", None),
            (
                "http:POST api.example.com:8443/v1/refunds/{id}",
                Some("http:POST:api.example.com:8443/v1/refunds/:id")
            ),
        ]
    );
    let files: Vec<_> = catalogue.files().map(|(name, _)| name).collect();
    assert_eq!(files, ["tools.toml", "a.json"]);
    assert_eq!(Catalogue::empty().files().count(), 0);
}

#[test]
fn every_refusal_has_code_line_and_column() {
    let at_match = ("tools_invalid", 2, 9);
    for (tools, expected) in [
        ("[[tool]\n".to_owned(), ("tools_invalid", 1, 8)),
        (tool("fs/a", "tols = 1"), ("tools_invalid", 3, 1)),
        ("[[tool]]\n".to_owned(), ("tools_invalid", 1, 1)),
        ("[[tool]]\nmatch = 1\n".to_owned(), at_match),
        (tool("fs", ""), at_match),
        (tool("*", ""), at_match),
        (tool("fs/", ""), at_match),
        (tool("fs/a*b", ""), at_match),
        (tool("fs/../b", ""), at_match),
        (tool("fs/a//b", ""), at_match),
        (tool("fs/a b", ""), at_match),
        (tool("/a", ""), at_match),
        (tool("f s/a", ""), at_match),
        (tool("http:post h/", ""), at_match),
        (tool("http:POST H/", ""), at_match),
        (tool("http:POST h", ""), at_match),
        (tool("http:POST h/a//b", ""), at_match),
        (tool("http:POST h/a/", ""), at_match),
        (tool("http:POST h/../b", ""), at_match),
        (tool("http:POST h/:a", ""), at_match),
        (tool("http:POST h/%61", ""), at_match),
        (tool("http:POST h/a?b=c", ""), at_match),
        (tool("http:POST h/{a}/{a}", ""), at_match),
        (tool("http:POST h/{a-b}", ""), at_match),
        (tool("http:POST h/a@b", ""), at_match),
        (tool("no/a", ""), ("tools_server_unknown", 2, 9)),
        (tool("fs/a", "tool = \"mcp/x\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "tool = \"mcp-method/x\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "tool = \"http:x\""), ("tools_invalid", 3, 8)),
        (tool("fs/*", "tool = \"x\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "resource = \"x\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"{payload.a}:x\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"a:\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"a:{payload}\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"a:{a.b}\""), ("tools_invalid", 3, 12)),
        (
            tool("fs/a", "resource = \"a:{payload.a[0]}\""),
            ("tools_invalid", 3, 12),
        ),
        (tool("fs/a", "resource = \"a:{payload.a\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"a:payload.a}\""), ("tools_invalid", 3, 12)),
        (tool("fs/a", "resource = \"a:%41\""), ("tools_invalid", 3, 12)),
        (
            tool("fs/a", "resource = \"a:{path:payload.a}\""),
            ("tools_invalid", 3, 12),
        ),
        (
            tool("fs/a", "resource = \"a:{payload.a}{payload.b}\""),
            ("tools_resource_ambiguous", 3, 12),
        ),
        (
            tool("fs/a", "resource = \"a:{payload.a}-{payload.b}\""),
            ("tools_resource_ambiguous", 3, 12),
        ),
        (
            tool("gh/a", "resource = \"a:{path:payload.a}/{payload.b}\""),
            ("tools_resource_ambiguous", 3, 12),
        ),
        (
            tool("gh/a", "resource = \"a:{payload.a}/{path:payload.b}\""),
            ("tools_resource_ambiguous", 3, 12),
        ),
        (tool("fs/a", "fold = [\"payload.a\"]"), ("tools_invalid", 3, 9)),
        (tool("fs/a", "root = \"srv\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "root = \"/srv/../etc\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "risk = \"huge\""), ("tools_invalid", 3, 8)),
        (tool("fs/a", "schema = \"no.json\""), ("tools_schema_file", 3, 10)),
        (tool("fs/a", "schema = \"bad.json\""), ("tools_schema_file", 3, 10)),
        (tool("fs/a", "schema = \"../a.json\""), ("tools_schema_file", 3, 10)),
        (tool("fs/a", "headers = [\"x\"]"), ("tools_invalid", 3, 12)),
        (tool("http:GET h/", "headers = [\"X\"]"), ("tools_invalid", 3, 12)),
        (
            tool("http:GET h/", "headers = [\"x\", \"x\"]"),
            ("tools_invalid", 3, 17),
        ),
        (tool("http:GET h/", "schema = \"pinned\""), ("tools_invalid", 3, 10)),
        (tool("fs/a", "colliding_names = \"permit\""), at_match),
        (tool("fs/a", "colliding_names = \"refuse\""), ("tools_invalid", 3, 19)),
        ("[[server]]\nname = \"fs\"\n".to_owned(), ("tools_entry_repeated", 2, 8)),
        ("[[server]]\nname = \"a/b\"\n".to_owned(), ("tools_invalid", 2, 8)),
        (
            "[[server]]\nname = \"a\"\ncommand = []\n".to_owned(),
            ("tools_invalid", 3, 11),
        ),
        (
            "[[server]]\nname = \"a\"\nurl = \"file:///x\"\n".to_owned(),
            ("tools_invalid", 3, 7),
        ),
        (
            "[[server]]\nname = \"a\"\nurl = \"https://x\"\ncommand = [\"x\"]\n".to_owned(),
            ("tools_invalid", 2, 8),
        ),
    ] {
        assert_eq!(refusal(&tools), expected, "{tools}");
    }
}

#[test]
fn schema_and_size_are_looked_at_first() {
    let code = |text: &str| Catalogue::parse(text, "tools.toml", |_| None).unwrap_err().code();
    assert_eq!(
        code("schema = \"actionpass.tools.v2\"\nnews = 1\n"),
        CatalogueCode::ToolsSchemaUnsupported
    );
    assert_eq!(code("[[tool]]\nmatch = \"a/b\"\n"), CatalogueCode::ToolsInvalid);
    assert_eq!(
        code(&"#".repeat(Catalogue::MAX_BYTES.saturating_add(1))),
        CatalogueCode::ToolsTooLarge
    );
}

#[test]
fn two_entries_that_fit_alike_are_refused() {
    let two = |first: &str, second: &str| {
        parse(&format!(
            "{}{}",
            tool(first, "tool = \"a\""),
            tool(second, "tool = \"b\"")
        ))
        .map_err(|error| error.code())
    };
    for (first, second) in [
        ("fs/a", "fs/a"),
        ("http:GET h/a/{x}", "http:GET h/a/{y}"),
        // For `/a/b` neither is the more exact one.
        ("http:GET h/a/{x}", "http:GET h/{y}/b"),
    ] {
        assert_eq!(
            two(first, second).unwrap_err(),
            CatalogueCode::ToolsEntryRepeated,
            "{first} {second}"
        );
    }
    for (first, second) in [
        ("fs/a", "gh/a"),
        ("fs/a", "fs/A"),
        ("http:GET h/a/{x}", "http:POST h/a/{y}"),
        ("http:GET h/a/{x}", "http:GET h2/a/{y}"),
        ("http:GET h/a/{x}", "http:GET h/{y}/{z}"),
        ("http:GET h/a/{x}", "http:GET h/a/b"),
        ("http:GET h/a/{x}", "http:GET h/c/{y}"),
    ] {
        assert!(two(first, second).is_ok(), "{first} {second}");
    }
    assert_eq!(
        parse("[[tool]]\nmatch = \"fs/a*\"\n[[tool]]\nmatch = \"fs/a*\"\n")
            .unwrap_err()
            .code(),
        CatalogueCode::ToolsEntryRepeated
    );
}

#[test]
fn a_name_belongs_to_one_tool_of_a_server() {
    let two = |first: &str, second: &str| {
        parse(&format!(
            "{}{}",
            tool(first, "tool = \"a\""),
            tool(second, "tool = \"a\"")
        ))
        .map_err(|error| error.code())
    };
    assert_eq!(
        two("fs/read", "fs/delete").unwrap_err(),
        CatalogueCode::ToolsNameRepeated
    );
    assert_eq!(
        two("http:GET h/a", "http:DELETE h/a").unwrap_err(),
        CatalogueCode::ToolsNameRepeated
    );
    // A shell is a shell, whatever the agent calls it; the definition says whose.
    assert!(two("fs/shell", "gh/shell").is_ok());
}

#[test]
fn a_tool_has_one_audience_whichever_entry_gives_it_its_name() {
    let two = |left: &str, right: &str| {
        let entry = |name: &str, audience: &str| tool(name, &format!("tool = \"shell\"\n{audience}"));
        parse(&format!("{}{}", entry("fs/shell", left), entry("gh/shell", right)))
    };
    let (exec, other) = ("audience = \"exec\"", "audience = \"other\"");
    for (left, right) in [(exec, other), (exec, ""), ("", exec)] {
        let error = two(left, right).unwrap_err();
        assert_eq!(error.code(), CatalogueCode::ToolsAudienceRepeated, "{left} {right}");
    }
    let catalogue = two(exec, exec).unwrap();
    let audience = |name: &str| catalogue.audience(&Tool::parse(name).unwrap()).map(Audience::as_str);
    assert_eq!(audience("shell"), Some("exec"));
    assert_eq!(audience("mcp/fs/shell"), None);
    let catalogue = parse(&tool("fs/read_*", exec)).unwrap();
    let audience = |name: &str| catalogue.audience(&Tool::parse(name).unwrap()).map(Audience::as_str);
    assert_eq!(audience("mcp/fs/read_file"), Some("exec"));
    assert_eq!((audience("mcp/fs/write"), audience("mcp/gh/read_file")), (None, None));
}

#[test]
fn audiences_are_those_of_the_configuration_and_stand_in_one_place() {
    let catalogue = parse(&tool("fs/a", "tool = \"x\"\naudience = \"exec\"")).unwrap();
    let audience = |name: &str| Audience::parse(name).unwrap();
    let (exec, other) = (audience("exec"), audience("other"));
    let tools = [Tool::parse("x").unwrap()];
    let check = |known: &[(&Audience, &[Tool])]| {
        catalogue
            .check_audiences(known.iter().copied())
            .map_err(|error| (error.code(), error.column()))
    };
    assert_eq!(check(&[(&exec, &[]), (&other, &[])]), Ok(()));
    assert_eq!(check(&[(&other, &[])]), Err((CatalogueCode::ToolsAudienceUnknown, 12)));
    assert_eq!(
        check(&[(&exec, &[]), (&other, &tools)]),
        Err((CatalogueCode::ToolsAudienceRepeated, 12))
    );
    assert_eq!(
        check(&[(&exec, &tools)]),
        Err((CatalogueCode::ToolsAudienceRepeated, 12))
    );
}

#[test]
fn a_server_is_found_by_its_command() {
    let catalogue = parse("[[server]]\nname = \"x\"\ncommand = [\"npx\", \"-y\", \"server\"]\nenv = [\"TOKEN\"]\nmethods = [\"a/b\"]\nmeta = [\"k\"]\n").unwrap();
    let command = ["npx", "-y", "server"].map(str::to_owned);
    assert_eq!(&*catalogue.server_of_command(&command).unwrap().name, "x");
    assert_eq!(catalogue.server_of_command(&command[..2]), None);
}

#[test]
fn no_text_panics() {
    for text in [
        "",
        "\u{feff}",
        "schema",
        "schema = 1",
        "[[tool]]",
        "tool = 1",
        "server = [1]",
        "schema = \"actionpass.tools.v1\"\ntool = [[]]",
    ] {
        assert!(Catalogue::parse(text, "", |_| None).is_err(), "{text}");
    }
}
