//! Clients and servers that lie.

use super::*;

fn cancelled(id: u32) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#)
}

#[tokio::test]
async fn an_id_in_use_is_not_answered_by_any_refusal() {
    let mut pair = Pair::new().legacy("{}").await;
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(&call(1, "read", "{}")).await;
    for line in [
        r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}"#.to_owned(),
        modern(1, "tools/call", r#""name":"read""#, "{}"),
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#.to_owned(),
    ] {
        pair.say(&line).await;
        let told = pair.told().await;
        assert_eq!((&told["id"], code(&told)), (&Value::Null, "mcp_id_refused"), "{line}");
    }
    drop(slots);
    pair.asked().await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!(pair.told().await["id"], 1);
}

#[tokio::test]
async fn the_answer_to_a_call_that_was_given_up_is_none_to_a_later_one_with_its_id() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.tools = r#"[{"name":"read","inputSchema":{"type":"object","additionalProperties":true}}]"#.to_owned();
    pair.say(&call(1, "read", r#"{"a":1}"#)).await;
    pair.asked().await;
    pair.say(&cancelled(1)).await;
    pair.asked().await;
    pair.say(&call(1, "read", r#"{"a":2}"#)).await;
    let told = pair.told().await;
    assert_eq!((&told["id"], code(&told)), (&Value::Null, "mcp_id_refused"));
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"of":1}}"#).await;
    pair.quiet().await;
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false)]);
    // The server has answered: no other answer can come.
    pair.say(&call(1, "read", r#"{"a":3}"#)).await;
    assert_eq!(pair.asked().await["params"]["arguments"]["a"], 3);
}

#[tokio::test]
async fn a_list_that_was_given_up_answers_no_call_with_its_id() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    pair.say(&cancelled(1)).await;
    pair.say(&call(1, "read", "{}")).await;
    assert_eq!(pair.asked().await["method"], "tools/call");
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"of":"call"}}"#).await;
    assert_eq!(pair.told().await["result"]["of"], "call");
}

#[tokio::test]
async fn lists_that_are_given_up_leave_nothing_behind() {
    let pair = Pair::new().legacy("{}").await;
    let mut pair = pair;
    for _ in 0..10 {
        pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
        let asked = pair.server.recv().await.unwrap();
        assert_eq!(asked.method, "tools/list");
        pair.say(&cancelled(1)).await;
        pair.session.settled().await;
    }
    assert_eq!(pair.session.state().own.len(), 0);
}

#[tokio::test]
async fn a_message_stays_on_one_line_for_readers_of_every_kind() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    pair.asked().await;
    // To a reader whose lines end with a carriage return too, the middle is an answer of its own.
    let hidden = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#;
    for line in [
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"a\":\r{hidden}\r}}}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"a\":\r{hidden}\r}}}}"),
    ] {
        pair.reply(&line).await;
        let told = pair.client.recv().await.unwrap();
        assert!(!told.line.contains(&b'\r'), "{}", String::from_utf8_lossy(&told.line));
    }
}

#[tokio::test]
async fn an_answer_that_nests_too_deep_or_is_no_unicode_leaves_nobody_waiting() {
    let mut pair = Pair::new().legacy("{}").await;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let lines: [&[u8]; 2] = [
        deep.as_bytes(),
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}",
    ];
    for line in lines {
        pair.say(&call(1, "read", "{}")).await;
        pair.asked().await;
        pair.session.from_server(line).await;
        let told = tokio::time::timeout(Duration::from_secs(5), pair.told()).await;
        assert_eq!(decision(&told.unwrap())["codes"][0], "mcp_answer_refused");
    }
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false); 2]);
    // What asks or tells answers nobody, whatever its id.
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    let asks = deep.replace(r#""result""#, r#""method":"x","params""#);
    pair.session.from_server(asks.as_bytes()).await;
    pair.session.from_server_too_long(asks.as_bytes(), b"x").await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"real":1}}"#).await;
    assert_eq!(pair.told().await["result"]["real"], 1);
}

#[tokio::test]
async fn the_page_of_the_gate_is_known_however_it_is_written() {
    let mut pair = Pair::new().legacy(r#"{"elicitation":{"url":{}}}"#).await;
    let ask = |url: &str| {
        let params =
            serde_json::json!({ "mode": "url", "url": url, "message": "Please approve", "elicitationId": "e" });
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{params}}}"#)
    };
    for url in [
        "https://gate.example",
        "https://gate.example:443/r/1",
        "https://gate.example./r/1",
        "https://user@gate.example/r/1",
        "https://user:x@GATE.example/r/1",
        "\u{1}https://gate.example/",
        "ht\ttps://gate.exam\nple/",
        "https:gate.example/",
        "https:/\\gate.example/",
        "https:\\\\gate.example/r",
        "https://gate.example\\r",
        "https://%67ate.example/",
        "https://ｇate.example/",
        "https://gate\u{ad}.example/",
        "http://gate.example/",
    ] {
        pair.reply(&ask(url)).await;
        let asked = pair
            .server
            .try_recv()
            .ok()
            .map(|message| String::from_utf8(message.line).unwrap());
        assert!(
            asked.is_some_and(|asked| asked.contains("mcp_elicitation_refused")),
            "{url:?}"
        );
    }
    for url in [
        "https://other.example/",
        "https://gate.example.org/",
        "https://other.example/https://gate.example/",
        "https://notgate.example/?u=gate.example",
        "mailto:gate.example",
        "",
    ] {
        pair.reply(&ask(url)).await;
        assert_eq!(pair.told().await["params"]["url"], url);
        pair.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
        pair.asked().await;
    }
}

#[tokio::test]
async fn a_connection_that_begins_is_not_begun_again() {
    let mut pair = Pair::new();
    let initialize = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}}}}}}"#
        )
    };
    pair.say(&initialize(1)).await;
    pair.asked().await;
    for line in [initialize(2), modern(3, "tools/call", r#""name":"read""#, "{}")] {
        pair.say(&line).await;
        assert_eq!(pair.told().await["error"]["code"], -32022, "{line}");
    }
    pair.quiet().await;
    // A server that knows no `initialize` may be asked in the other way.
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#)
        .await;
    pair.told().await;
    pair.say(&modern(3, "tools/call", r#""name":"read""#, "{}")).await;
    assert_eq!(pair.asked().await["method"], "tools/call");
}

#[tokio::test]
async fn tasks_that_were_named_last_are_known() {
    let mut pair = Pair::new().legacy("{}").await;
    for number in 0..=MAX_TASKS {
        pair.session
            .state()
            .note_task(format!(r#"{{"taskId":"t{number}"}}"#).as_bytes());
    }
    pair.say(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"taskId":"t{MAX_TASKS}"}}}}"#
    ))
    .await;
    assert_eq!(pair.asked().await["method"], "tasks/get");
    assert_eq!(pair.session.state().tasks.len(), MAX_TASKS);
}

#[tokio::test]
async fn calls_written_in_odd_ways_reach_no_server_unasked() {
    let mut pair = Pair::new().legacy("{}").await;
    let denied = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"write"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"write"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","arguments":{"_meta":{"dev.actionpass/pass":"x"}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"Read"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read\u0000"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"re\u0301ad"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"../files/read"}}"#,
    ];
    for line in denied {
        pair.say(line).await;
        assert_eq!(decision(&pair.told().await)["decision"], "deny", "{line}");
    }
    let refused = [
        r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":-0,"method":"tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":"dev.actionpass/0","method":"tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[{"name":"read"}]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":null}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["read"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","n\u0061me":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_Meta":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"Tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call ","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"file:///x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{},"params":{"name":"read"}}"#,
    ];
    for line in refused {
        pair.say(line).await;
        assert!(pair.told().await["error"]["code"].is_i64(), "{line}");
    }
    let dropped = [
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"read"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"dev.actionpass/0"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"dev.actionpass/pass":"x"}}}"#,
    ];
    for line in dropped {
        pair.say(line).await;
    }
    pair.quiet().await;
    assert_eq!(pair.door.outcomes(), []);
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_a_tool_that_is_taken_back_or_given_counts_without_a_new_list() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    pair.door.is_reset.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(11)).await;
    pair.say(&call(2, "read", "{}")).await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "tool_not_pinned");
    pair.door.is_reset.store(false, Ordering::SeqCst);
    pair.say(&call(3, "read", "{}")).await;
    assert_eq!(pair.asked().await["id"], 3);
    // Also of a call that waited for people meanwhile.
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(&call(4, "read", "{}")).await;
    tokio::task::yield_now().await;
    pair.door.is_reset.store(true, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(40)).await;
    drop(slots);
    assert_eq!(decision(&pair.told().await)["codes"][0], "tool_not_pinned");
    assert_eq!(pair.lists.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_takes_back_its_own_requests_and_says_nothing_of_approvals() {
    let mut pair = Pair::new().legacy(r#"{"sampling":{},"elicitation":{"url":{}}}"#).await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#)
        .await;
    pair.told().await;
    // A request of nobody, and news that are the page's to tell.
    pair.reply(&cancelled(2)).await;
    let news = r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"ID"}}"#;
    pair.reply(&news.replace("ID", "req_00000000000070008000000000000001"))
        .await;
    pair.quiet().await;
    // What it asked can be taken back once, and what it elicited itself be over.
    pair.reply(&cancelled(1)).await;
    assert_eq!(pair.told().await["params"]["requestId"], 1);
    pair.reply(&cancelled(1)).await;
    pair.reply(&news.replace("ID", "own-1")).await;
    assert_eq!(pair.told().await["params"]["elicitationId"], "own-1");
    pair.quiet().await;
}
