use actionpass_canon::sha256;

use super::*;

fn list(text: &str) -> Result<Vec<ListedTool>, ListingError> {
    ListedTool::read_all(text.as_bytes(), &[], &Limits::default())
}

fn code(text: &str) -> ListingCode {
    list(text).unwrap_err().code()
}

#[test]
fn the_hash_is_over_everything_but_meta() {
    let plain = list(r#"[{"name":"a","description":"d","annotations":{"readOnlyHint":true}}]"#).unwrap();
    let expected = br#"{"annotations":{"readOnlyHint":true},"description":"d","name":"a"}"#;
    assert_eq!(plain[0].hash(), sha256(expected));
    for same in [
        r#"[ {"description":"\u0064","name":"a","annotations":{"readOnlyHint":true},"_meta":{"x":1}} ]"#,
        r#"[{"_meta":null,"annotations":{"readOnlyHint":true},"name":"a","description":"d"}]"#,
    ] {
        assert_eq!(list(same).unwrap()[0].hash(), plain[0].hash(), "{same}");
    }
    for other in [
        r#"[{"name":"b","description":"d","annotations":{"readOnlyHint":true}}]"#,
        r#"[{"name":"a","description":"D","annotations":{"readOnlyHint":true}}]"#,
        r#"[{"name":"a","description":"d","annotations":{"readOnlyHint":false}}]"#,
        r#"[{"name":"a","description":"d","annotations":{"readOnlyHint":true},"title":"t"}]"#,
        r#"[{"name":"a","description":"d","annotations":{"readOnlyHint":true,"_meta":{}}}]"#,
    ] {
        assert_ne!(list(other).unwrap()[0].hash(), plain[0].hash(), "{other}");
    }
}

#[test]
fn members_of_meta_that_are_named_stay_and_are_hashed() {
    let read = |meta: &str| {
        let text = format!(r#"[{{"name":"a","_meta":{meta}}}]"#);
        let names = ["z".into(), "k".into()];
        let tools = ListedTool::read_all(text.as_bytes(), &names, &Limits::default()).unwrap();
        tools[0].definition().as_str().to_owned()
    };
    assert_eq!(
        read(r#"{"x":1,"z":{"q":1},"k":2}"#),
        r#"{"_meta":{"k":2,"z":{"q":1}},"name":"a"}"#
    );
    assert_eq!(read(r#"{"x":1}"#), r#"{"name":"a"}"#);
    assert_eq!(read("[1]"), r#"{"name":"a"}"#);
}

#[test]
fn numbers_that_the_gate_refuses_are_kept_as_they_are_written() {
    let tools = list(r#"[{"name":"a","inputSchema":{"type":"object","properties":{"n":{"type":"integer","maximum": 9223372036854775807,"minimum":-1.50}}},"x":[1e400,"1e400"]}]"#).unwrap();
    let definition = tools[0].definition().as_str();
    assert!(
        definition.contains(r#""maximum":{"actionpass.number":"9223372036854775807"},"minimum":-1.5"#),
        "{definition}"
    );
    assert!(
        definition.ends_with(r#""x":[{"actionpass.number":"1e400"},"1e400"]}"#),
        "{definition}"
    );
    // The schema has the number as readers of JSON take it.
    let judge = |arguments: &str| {
        let arguments = admit(arguments.as_bytes(), &Limits::default()).unwrap();
        tools[0]
            .input_schema()
            .unwrap()
            .judge(&arguments)
            .map_err(|error| error.code())
    };
    assert_eq!(judge(r#"{"n":9007199254740991}"#), Ok(()));
    assert_eq!(judge(r#"{"n":-2}"#), Err(CallCode::ArgumentsInvalid));
    // A spelling of its own is a definition of its own.
    let hash = |number: &str| list(&format!(r#"[{{"name":"a","x":{number}}}]"#)).unwrap()[0].hash();
    assert_ne!(hash("1e400"), hash("1E400"));
    assert_ne!(hash("0.10000000000000001"), hash("0.1"));
    assert_eq!(hash("1.0"), hash("1"));
    // What stands for a number can't be written by a server.
    for forged in [
        r#"{"actionpass.number":"1e400"}"#,
        r#""actionpass.number""#,
        r#"{"actionpass\u002enumber":1}"#,
    ] {
        assert_eq!(
            code(&format!(r#"[{{"name":"a","x":{forged}}}]"#)),
            ListingCode::DefinitionMalformed,
            "{forged}"
        );
        assert_eq!(
            code(&format!(r#"[{{"name":"a","x":{forged},"y":1e400}}]"#)),
            ListingCode::DefinitionMalformed
        );
    }
}

#[test]
fn a_schema_with_a_number_that_nobody_holds_is_unusable_and_the_tool_is_listed() {
    let tools = list(r#"[{"name":"a","inputSchema":{"maximum":1e400}},{"name":"b"}]"#).unwrap();
    for tool in &tools {
        assert_eq!(
            tool.input_schema().unwrap_err().code(),
            CallCode::SchemaUnusable,
            "{}",
            tool.name()
        );
    }
}

#[test]
fn lists_that_readers_take_differently_are_refused() {
    for text in [
        "",
        "{}",
        "[1]",
        "[{}]",
        r#"[{"name":1}]"#,
        r#"[{"name":""}]"#,
        r#"[{"name":"a","name":"b"}]"#,
        r#"[{"name":"\ud800"}]"#,
        r#"[{"name":"a"}"#,
        "[1e]",
        r#"[{"name":"a","x":01}]"#,
        r#"["#,
        "\"",
        "-",
        r#"[{"name":"a\"#,
    ] {
        assert_eq!(code(text), ListingCode::DefinitionMalformed, "{text}");
    }
    assert_eq!(
        code(r#"[{"name":"a"},{"name":"\u0061"}]"#),
        ListingCode::DefinitionRepeated
    );
    assert!(list("[]").unwrap().is_empty());
}

#[test]
fn what_is_told_of_a_server_is_its_list() {
    let tools = r#"[{"name":"a","inputSchema":{"maximum":9223372036854775807,"minimum":-1.50,"x":[1e400, 2]}},{"name":"b","description":"{\"actionpass.number\":\"1\"}"}]"#;
    let limits = Limits::default();
    let read = |raw: &str| ListedTool::read_listing(raw.as_bytes(), &[], &limits);
    let alone = ListedTool::read_all(tools.as_bytes(), &[], &limits).unwrap();
    let (origin, told) = read(&format!(
        r#"{{"origin":{{"url":"https://Mcp.example.com:443/mcp"}},"tools":{tools}}}"#
    ))
    .unwrap();
    assert_eq!(origin, Origin::Url("https://mcp.example.com".to_owned()));
    let hashes = |tools: &[ListedTool]| tools.iter().map(ListedTool::hash).collect::<Vec<_>>();
    assert_eq!(hashes(&told), hashes(&alone));
    // Told on, it is the same list.
    let again: Vec<String> = alone.iter().map(ListedTool::to_listed).collect();
    assert!(again[0].contains("\"maximum\":9223372036854775807,"), "{}", again[0]);
    let again = read(&format!(
        r#"{{"origin":{{"command":["a"]}},"tools":[{}]}}"#,
        again.join(",")
    ));
    assert_eq!(hashes(&again.unwrap().1), hashes(&alone));
    for wrong in [
        "[]",
        r#"{"tools":[]}"#,
        r#"{"origin":{"command":["a"]}}"#,
        r#"{"origin":{"command":["a"]},"tools":{}}"#,
        r#"{"origin":{"command":["a"],"url":"https://a"},"tools":[]}"#,
        r#"{"origin":{"url":"file:///a"},"tools":[]}"#,
        r#"{"origin":{"command":["a"]},"tools":[],"more":1}"#,
        r#"{"origin":{"command":["a"]},"tools":[],"tools":[]}"#,
    ] {
        assert_eq!(
            read(wrong).unwrap_err().code(),
            ListingCode::DefinitionMalformed,
            "{wrong}"
        );
    }
}
