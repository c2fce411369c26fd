//! The proxy between real clients and a server: what they see, and what the server and the disk saw.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mcp::bed::{Bed, Client, Driver, decision, text, until};
use crate::mcp::kit;

/// Every client of an era, whatever it declares.
const OF_SESSIONS: &[Client] = &[
    Client::First(None),
    Client::First(Some("form")),
    Client::First(Some("url")),
    Client::Second("legacy"),
    Client::Second("auto"),
    Client::Python,
];
const MODERN: &[Client] = &[
    Client::Second("auto"),
    Client::Pinned(None),
    Client::Pinned(Some("url")),
];

/// What all clients see: the story of one note, told once for each of them.
fn tell(client: Client, era: &str) {
    let bed = Bed::fake(era);
    let words = bed.server().to_vec();
    let mut directly = bed.drive(client, &words);
    let mut through = bed.drive(client, &bed.proxy(&["--wait", "50s"]));

    // Everything that was approved is listed as the server lists it, and nothing else.
    let mut all = directly.list();
    assert_eq!(all.remove("hidden").unwrap()["name"], "hidden");
    assert_eq!(through.list(), all, "{client:?}");

    // Reads.
    let arguments = json!({ "name": "a.txt" });
    let read = through.call("read", arguments.clone());
    assert_eq!(
        read["result"],
        directly.call("read", arguments.clone())["result"],
        "{client:?}"
    );
    assert_eq!(text(&read), "first");
    drop(directly);
    fs::remove_file(bed.path("received.jsonl")).unwrap();

    // What is denied never reaches the server; nor does what nobody approved.
    let denied = through.call("delete", arguments);
    assert_eq!(decision(&denied)["decision"], "deny", "{client:?}: {denied}");
    let hidden = through.call("hidden", json!({}));
    assert_eq!(
        decision(&hidden)["codes"],
        json!(["tool_not_pinned"]),
        "{client:?}: {hidden}"
    );
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    assert_eq!(bed.reached("delete") + bed.reached("hidden"), 0);
    assert_eq!(bed.denied("mcp/files/hidden"), ["tool_not_pinned"], "{client:?}");

    // A write waits for a person, and is made once she approves, with the pass for whoever executes behind.
    let second = json!({ "name": "a.txt", "text": "second" });
    through.begin("second", "write", second.clone());
    let request = bed.waiting();
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    bed.approve(&request);
    let mut answer = through.answer("second");
    if client.opens_pages() {
        // It would be sent to the page at once; a home has none, and the call comes again.
        assert_eq!(decision(&answer)["decision"], "step_up", "{client:?}: {answer}");
        answer = through.call("write", second.clone());
    }
    assert_eq!(text(&answer), "written", "{client:?}");
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));
    let written = bed.received().pop().unwrap();
    assert_eq!(written["params"]["arguments"], second);
    assert!(
        written["params"]["_meta"]["dev.actionpass/pass"]
            .as_str()
            .unwrap()
            .starts_with("eyJ"),
        "{written}"
    );
    assert_eq!(bed.state(&request), "used");

    // One byte more asks again. The client goes away, and what is approved later isn't made until somebody asks for it.
    let third = json!({ "name": "a.txt", "text": "second!" });
    through.begin("third", "write", third.clone());
    let request = bed.waiting();
    through.cancel("third");
    let gone = through.answer("third");
    assert!(gone["error"].is_object() || client.opens_pages(), "{client:?}: {gone}");
    bed.approve(&request);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(
            (bed.state(&request).as_str(), bed.reached("write")),
            ("approved", 1),
            "{client:?}"
        );
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));
    // The identical call goes on from there, spelled however the client does.
    assert_eq!(text(&through.call("write", third)), "written", "{client:?}");
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second!"));

    // A server's own progress comes through.
    let before = progress(&mut through);
    assert_eq!(text(&through.call("slow", json!({}))), "done", "{client:?}");
    assert_eq!(progress(&mut through) - before, 3, "{client:?}");

    // It dies in the middle of a call: whether that was executed nobody knows, and it isn't called again.
    let died = through.call("die", json!({}));
    assert_eq!(died["result"]["isError"], true, "{client:?}: {died}");
    assert_eq!(bed.reached("die"), 1);
    drop(through);
    let outcomes = bed.outcomes();
    assert_eq!(outcomes.get("unknown"), Some(&1), "{client:?}: {outcomes:?}");
    assert_eq!(outcomes.get("executed"), Some(&4), "{client:?}: {outcomes:?}");
}

fn progress(driver: &mut Driver) -> u64 {
    driver.seen()["progress"].as_u64().unwrap()
}

#[test]
fn clients_of_sessions_see_what_the_server_says_and_what_is_decided() {
    if kit::is_there() {
        OF_SESSIONS.iter().for_each(|client| tell(*client, "legacy"));
    }
}

#[test]
fn clients_of_requests_that_describe_themselves_do_too() {
    if kit::is_there() {
        MODERN.iter().for_each(|client| tell(*client, "modern"));
    }
}

/// As many at once as a model may ask for, answered in whatever order.
#[test]
fn every_call_gets_its_own_answer() {
    if !kit::is_there() {
        return;
    }
    for (client, era) in [
        (Client::First(None), "legacy"),
        (Client::Pinned(None), "modern"),
        (Client::Python, "legacy"),
    ] {
        let bed = Bed::fake(era);
        let mut through = bed.drive(client, &bed.proxy(&[]));
        let calls: Vec<Value> = (0..200)
            .map(|n| json!(["echo", { "text": format!("call {n}"), "delay": (n * 37) % 60 }]))
            .collect();
        let answers = through.step(&json!({ "op": "all", "calls": calls }));
        for (n, answer) in answers["answers"].as_array().unwrap().iter().enumerate() {
            assert_eq!(text(answer), format!("call {n}"), "{client:?}");
        }
        drop(through);
        assert_eq!(bed.reached("echo"), 200);
        assert_eq!(bed.outcomes().get("executed"), Some(&200), "{client:?}");
    }
}

/// A client that waits is told so, so that it doesn't give up.
#[test]
fn who_waits_is_told_of_progress() {
    if !kit::is_there() {
        return;
    }
    let bed = Bed::fake("legacy");
    let mut through = bed.drive(Client::First(None), &bed.proxy(&["--wait", "50s"]));
    through.begin("write", "write", json!({ "name": "b.txt", "text": "b" }));
    let request = bed.waiting();
    until("progress while parked", || (progress(&mut through) > 0).then_some(()));
    assert_eq!(bed.reached("write"), 0);
    bed.approve(&request);
    assert_eq!(text(&through.answer("write")), "written");
}

/// Without waiting, the answer says who has to approve, and the retry goes on.
#[test]
fn what_was_not_waited_for_goes_on_with_the_retry() {
    if !kit::is_there() {
        return;
    }
    for (client, era) in [
        (Client::First(Some("form")), "legacy"),
        (Client::Pinned(None), "modern"),
    ] {
        let bed = Bed::fake(era);
        let mut through = bed.drive(client, &bed.proxy(&["--wait", "0s"]));
        let write = json!({ "name": "b.txt", "text": "b" });
        let refused = through.call("write", write.clone());
        let told = decision(&refused);
        assert_eq!(told["decision"], "step_up", "{client:?}: {refused}");
        let request = told["request"]["id"].as_str().unwrap();
        // Asked again, it is the same request.
        let again = through.call("write", write.clone());
        assert_eq!(decision(&again)["request"]["id"], request, "{client:?}");
        bed.approve(request);
        assert_eq!(text(&through.call("write", write.clone())), "written", "{client:?}");
        // Once.
        let third = through.call("write", write);
        assert_eq!(decision(&third)["decision"], "step_up", "{client:?}");
        assert_eq!(bed.reached("write"), 1);
    }
}

/// A proxy without a home: what is allowed, recorded and used up, a service says.
#[test]
fn a_proxy_without_a_home_does_what_a_service_says() {
    if !kit::is_there() {
        return;
    }
    for (client, era) in [
        (Client::First(None), "legacy"),
        (Client::Second("auto"), "modern"),
        (Client::Pinned(Some("url")), "modern"),
        (Client::Python, "legacy"),
    ] {
        let bed = Bed::fake(era);
        let service = bed.serve();
        let mut through = bed.drive(client, &bed.proxy_of(&service, &["--wait", "50s"]));
        assert!(!through.list().contains_key("hidden"), "{client:?}");
        assert_eq!(
            text(&through.call("read", json!({ "name": "a.txt" }))),
            "first",
            "{client:?}"
        );
        let denied = through.call("delete", json!({ "name": "a.txt" }));
        assert_eq!(decision(&denied)["decision"], "deny", "{client:?}: {denied}");
        let hidden = through.call("hidden", json!({}));
        assert_eq!(
            decision(&hidden)["codes"],
            json!(["tool_not_pinned"]),
            "{client:?}: {hidden}"
        );

        let write = json!({ "name": "a.txt", "text": "second" });
        through.begin("second", "write", write.clone());
        let request = bed.waiting();
        assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
        bed.approve(&request);
        let answer = through.answer("second");
        assert_eq!(text(&answer), "written", "{client:?}: {answer}");
        assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));
        assert_eq!(
            (bed.reached("delete"), bed.reached("hidden"), bed.reached("write")),
            (0, 0, 1)
        );
        // The service is gone, and with it every permission.
        drop(service);
        let refused = through.call("read", json!({ "name": "a.txt" }));
        assert_eq!(decision(&refused)["decision"], "error", "{client:?}: {refused}");
        assert_eq!(bed.reached("read"), 1, "{client:?}");
        drop(through);
        assert_eq!(bed.outcomes().get("executed"), Some(&2), "{client:?}");
    }
}

/// `--deny-as error` is for clients that want errors of the protocol.
#[test]
fn refusals_are_errors_of_the_protocol_where_that_is_wanted() {
    if !kit::is_there() {
        return;
    }
    let bed = Bed::fake("legacy");
    let mut through = bed.drive(Client::First(None), &bed.proxy(&["--deny-as", "error", "--wait", "0s"]));
    let denied = through.call("delete", json!({ "name": "a.txt" }));
    assert!(
        denied["error"]["code"].is_i64() && denied["error"]["data"]["decision"] == "deny",
        "{denied}"
    );
    assert_eq!(bed.reached("delete"), 0);
}

/// What the SDKs never write: each is answered or passed over, and none of it reaches the server.
#[test]
fn messages_that_readers_read_differently_reach_no_server() {
    if !kit::is_there() {
        return;
    }
    let bed = Bed::fake("legacy");
    let mut raw = bed.raw(&bed.proxy(&["--wait", "0s"]), false);
    let _ = raw.tools();
    let delete = r#""name":"delete","arguments":{"name":"a.txt"}"#;
    for line in [
        format!(r#"{{"jsonrpc":"2.0","id":"x","method":"ping","Method":"tools/call","params":{{{delete}}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":"x","method":"ping","method":"tools/call","params":{{{delete}}}}}"#),
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"read","Name":"delete","arguments":{"name":"a.txt"}}}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{{"name":"read",{delete}}}}}"#),
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"read","arguments":{"name":"b.txt","name":"a.txt"}}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"read","arguments":{"name":"a.txt"},"more":1}}"#.to_owned(),
        format!(r#"[{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{{{delete}}}}}]"#),
        format!(r#"{{"jsonrpc":"2.0","id":"x","method":"tools/Call","params":{{{delete}}}}}"#),
        "delete".to_owned(),
    ] {
        raw.send(&line);
    }
    // A message after all of them is answered as ever.
    assert_eq!(
        raw.call("read", &json!({ "name": "a.txt" }))["result"]["content"][0]["text"],
        "first"
    );
    assert_eq!(bed.reached("delete"), 0);
    assert_eq!(bed.reached("read"), 1);
    // A pass that a client brings is nobody's.
    let forged =
        json!({ "name": "read", "arguments": { "name": "a.txt" }, "_meta": { "dev.actionpass/pass": "forged" } });
    let answer = raw.ask("tools/call", &forged);
    assert!(!bed.read("received.jsonl").unwrap().contains("forged"), "{answer}");
}

/// The SDK's own server for files, and the world it changes.
#[test]
fn the_filesystem_server_writes_what_was_approved() {
    if !kit::is_there() {
        return;
    }
    let words = kit::of_package("@modelcontextprotocol/server-filesystem/dist/index.js", &["{work}"]);
    let file = "file:{path:payload.path}";
    let tools = [
        ("read_text_file", "reads.text", file),
        ("list_directory", "reads.list", file),
        ("write_file", "writes.file", file),
        ("move_file", "deletes.move", ""),
    ];
    let bed = Bed::new(&words, &tools).with_pins(false);
    bed.append("work/a.txt", "first");
    let words = bed.server().to_vec();
    let mut directly = bed.drive(Client::First(None), &words);
    let mut through = bed.drive(Client::First(None), &bed.proxy(&["--wait", "40s"]));
    assert_eq!(through.list(), directly.list());
    let path = bed.path("work/a.txt");
    let read = json!({ "path": path });
    assert_eq!(
        through.call("read_text_file", read.clone())["result"],
        directly.call("read_text_file", read)["result"]
    );
    let list = json!({ "path": bed.path("work") });
    assert_eq!(
        through.call("list_directory", list.clone())["result"],
        directly.call("list_directory", list)["result"]
    );
    drop(directly);
    fs::remove_file(bed.path("received.jsonl")).unwrap();

    through.begin("write", "write_file", json!({ "path": path, "content": "second" }));
    let request = bed.waiting();
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    bed.approve(&request);
    assert!(through.answer("write")["result"]["isError"].as_bool() != Some(true));
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));

    let moved = json!({ "source": path, "destination": bed.path("work/b.txt") });
    assert_eq!(decision(&through.call("move_file", moved))["decision"], "deny");
    // A tool that no rule allows.
    let edit = json!({ "path": path, "edits": [{ "oldText": "second", "newText": "x" }] });
    assert_eq!(decision(&through.call("edit_file", edit))["decision"], "deny");
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("second"));
    assert_eq!(bed.reached("move_file") + bed.reached("edit_file"), 0);
    assert_eq!(bed.outcomes().get("executed"), Some(&3));
}

/// The server that has everything: structured results, images, resources, prompts, its own requests to the client.
#[test]
fn the_everything_server_answers_as_without_the_proxy() {
    if !kit::is_there() {
        return;
    }
    let words = kit::of_package("@modelcontextprotocol/server-everything/dist/index.js", &["stdio"]);
    let calls = [
        ("echo", json!({ "message": "hello" })),
        ("get-sum", json!({ "a": 1, "b": 2 })),
        ("get-tiny-image", json!({})),
        ("get-structured-content", json!({ "location": "New York" })),
        (
            "get-annotated-message",
            json!({ "messageType": "error", "includeImage": true }),
        ),
        ("get-resource-links", json!({ "count": 2 })),
    ];
    let tools: Vec<(&str, String)> = calls
        .iter()
        .map(|(tool, _)| (*tool, format!("reads.{}", tool.replace('-', "_"))))
        .collect();
    let tools: Vec<(&str, &str, &str)> = tools
        .iter()
        .map(|(tool, action)| (*tool, action.as_str(), ""))
        .collect();
    let bed = Bed::new(&words, &tools).with_pins(false);
    for client in [Client::First(None), Client::Second("auto"), Client::Python] {
        let mut directly = bed.drive(client, bed.server());
        let mut through = bed.drive(client, &bed.proxy(&[]));
        assert_eq!(through.list(), directly.list(), "{client:?}");
        for (tool, arguments) in &calls {
            let (one, other) = (
                through.call(tool, arguments.clone()),
                directly.call(tool, arguments.clone()),
            );
            assert_eq!(one, other, "{client:?} {tool}");
            assert!(one["result"]["content"].is_array(), "{one}");
        }
        let denied = through.call("get-env", json!({}));
        assert_eq!(decision(&denied)["decision"], "deny", "{client:?}: {denied}");
    }
    assert_eq!(bed.reached("get-env"), 0);
    assert_eq!(bed.outcomes().get("executed"), Some(&18));
}

/// The inspector's command line, which is a client of one call.
#[test]
fn the_inspector_lists_and_calls() {
    if !kit::is_there() {
        return;
    }
    let bed = Bed::fake("legacy");
    // Its own options have the same names, so commands stand in its configuration; and it puts its own behind a `--`, so the proxy
    // takes the server's command from the catalogue.
    let proxy = bed.proxy(&["--wait", "0s"]);
    let proxy: Vec<String> = proxy.into_iter().take_while(|word| word != "--").collect();
    let entry = |words: &[String]| json!({ "command": words[0], "args": words[1..] });
    let servers = json!({ "directly": entry(bed.server()), "through": entry(&proxy) });
    bed.append("inspector.json", &json!({ "mcpServers": servers }).to_string());
    let inspect = |server: &str, args: &[&str]| {
        let options = ["--cli", "--config", "inspector.json", "--server", server];
        let all = kit::of_package(
            "@modelcontextprotocol/inspector-cli/build/cli.js",
            &[&options[..], args].concat(),
        );
        let output = kit::in_folder(&all, &bed.path(""))
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{all:?}: {output:?}"))
    };
    let through = |args: &[&str]| inspect("through", args);
    // It reads the first page, and the proxy has put the pages together.
    let (all, page) = (
        through(&["--method", "tools/list"]),
        inspect("directly", &["--method", "tools/list"]),
    );
    let (all, page) = (all["tools"].as_array().unwrap(), page["tools"].as_array().unwrap());
    assert!(all.len() == 6 && all.starts_with(page), "{all:?}");
    let call = |tool: &'static str| {
        [
            ["--method", "tools/call"],
            ["--tool-name", tool],
            ["--tool-arg", "name=a.txt"],
        ]
        .concat()
    };
    assert_eq!(through(&call("read"))["content"][0]["text"], "first");
    let denied = through(&call("delete"));
    assert_eq!(
        denied["_meta"]["dev.actionpass/decision"]["decision"], "deny",
        "{denied}"
    );
    assert_eq!(bed.read("work/a.txt").as_deref(), Some("first"));
    assert_eq!(bed.reached("delete"), 0);
}
