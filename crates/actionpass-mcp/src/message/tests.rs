use proptest::prelude::*;

use super::*;

fn refusal(line: &str) -> (Option<Id>, McpCode) {
    match read_client(line.as_bytes()) {
        Err(Rejected::Refused { id, code, .. }) => (id, code),
        other => panic!("{line}: {other:?}"),
    }
}

fn number(id: i64) -> Option<Id> {
    Some(Id(Kind::Integer(id)))
}

#[test]
fn a_request_keeps_the_spelling_of_its_parts() {
    let line = r#" {"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"progressToken": 1.50 ,"dev.actionpass/pass":"x","DEV.actionpass/pass":"y"},"extra":1},"more":2} "#;
    let Ok(ClientMessage::Request { id, method, params }) = read_client(line.as_bytes()) else {
        panic!()
    };
    let written = request(&id, &method, Some(&params.written(&[])));
    let expected = r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"progressToken":1.50}}}"#;
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn what_is_no_object_is_dropped_and_a_batch_refused() {
    for line in ["", "hello", "1", "\"{}\"", "{", "{\"a\":}", "{} {}", "\u{feff}{}"] {
        assert!(matches!(read_client(line.as_bytes()), Err(Rejected::Dropped)), "{line}");
    }
    assert!(matches!(read_client(b"{\"a\":\"\xff\"}"), Err(Rejected::Dropped)));
    assert_eq!(
        refusal(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#),
        (None, McpCode::MessageMalformed)
    );
}

#[test]
fn names_that_some_readers_take_for_others_are_refused() {
    let ambiguous = (number(1), McpCode::MemberAmbiguous);
    for member in [
        "\"Method\":\"tools/call\"",
        "\"PARAMS\":{}",
        "\"param\u{17f}\":{}",
        "\"re\\u017fult\":1",
    ] {
        assert_eq!(
            refusal(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping",{member}}}"#)),
            ambiguous,
            "{member}"
        );
    }
    for member in [
        "\"Name\":1",
        "\"argument\u{17f}\":{}",
        "\"ta\u{17f}\u{212a}\":{}",
        "\"_META\":{}",
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a",{member}}}}}"#);
        assert_eq!(refusal(&line), ambiguous, "{member}");
    }
    // An `Id` beside no `id` is no notification either.
    assert_eq!(
        refusal(r#"{"jsonrpc":"2.0","Id":1,"method":"ping"}"#),
        (None, McpCode::MemberAmbiguous)
    );
}

#[test]
fn what_the_gate_refuses_is_refused_wherever_it_stands() {
    for line in [
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","name":"y"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"x":"\ud83d"}}}"#,
    ] {
        assert_eq!(refusal(line), (number(1), McpCode::MessageRefused), "{line}");
    }
    assert_eq!(
        refusal(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#),
        (None, McpCode::MessageRefused)
    );
}

#[test]
fn an_id_is_one_for_every_reader() {
    for id in [
        "1.0",
        "-0",
        "1e3",
        "9007199254740993",
        "null",
        "{}",
        "true",
        "\"dev.actionpass/1\"",
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(refusal(&line).1, McpCode::IdRefused, "{id}");
    }
    assert_ne!(Id::read(b"1"), Id::read(b"\"1\""));
    assert_eq!(Id::read(b"\"\\u0031\""), Id::read(b"\"1\""));
}

#[test]
fn a_message_is_exactly_one_of_three() {
    for line in [
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":1}}"#,
    ] {
        assert_eq!(refusal(line), (number(1), McpCode::MessageMalformed), "{line}");
    }
}

#[test]
fn a_servers_message_is_read_where_the_proxy_looks() {
    assert!(read_server(br#"{"jsonrpc":"2.0","id":1,"result":{"text":"\ud83d","n":1e400}}"#).is_some());
    for line in [
        r#"Listening on port 3000"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"Result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
    ] {
        assert!(read_server(line.as_bytes()).is_none(), "{line}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = read_client(&bytes);
        let _ = read_server(&bytes);
    }

    #[test]
    fn what_is_read_is_written_to_be_read_again(id in any::<i32>(), method in ".*", name in ".*") {
        let params = ObjectWriter::new().member("name", &raw::quoted(&name)).finish();
        let line = request(&Id(Kind::Integer(id.into())), &method, Some(&params));
        let Ok(ClientMessage::Request { id: read, method: called, params }) = read_client(&line) else {
            return Err(TestCaseError::fail("refused"));
        };
        prop_assert_eq!(read, Id(Kind::Integer(id.into())));
        prop_assert_eq!(called.as_ref(), method.as_str());
        prop_assert_eq!(params.text("name").unwrap(), name.as_str());
        prop_assert_eq!(request(&Id(Kind::Integer(id.into())), &called, Some(&params.written(&["name"]))), line);
    }
}
