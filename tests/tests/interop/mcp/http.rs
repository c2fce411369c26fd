//! The proxy over HTTP: the SDKs' own clients, before a server that it starts and before one at a URL.

use std::fs;
use std::net::TcpStream;
use std::process::Child;

use serde_json::json;

use crate::mcp::bed::{Bed, Client, decision, text, until};
use crate::mcp::kit;
use crate::under_test::actionpass;

const CLIENTS: [Client; 3] = [Client::First(None), Client::Second("auto"), Client::Python];

/// The SDK's own server for files: what was approved is written, and each client has a server of its own.
#[test]
fn clients_over_http_write_what_was_approved() {
    if !kit::is_there() {
        return;
    }
    let words = kit::of_package("@modelcontextprotocol/server-filesystem/dist/index.js", &["{work}"]);
    let file = "file:{path:payload.path}";
    let tools = [
        ("read_text_file", "reads.text", file),
        ("write_file", "writes.file", file),
        ("move_file", "deletes.move", ""),
    ];
    let bed = Bed::new(&words, &tools).with_pins(false);
    let proxy = bed.listen(&bed.proxy(&["--wait", "40s"]));
    for client in CLIENTS {
        let name = format!("{client:?}.txt").replace('"', "");
        let path = bed.path("work").join(&name);
        fs::write(&path, "first").unwrap();
        let mut directly = bed.drive(client, bed.server());
        let (mut one, mut other) = (bed.drive_over_http(client, &proxy), bed.drive_over_http(client, &proxy));
        assert_eq!(one.list(), directly.list(), "{client:?}");
        let read = json!({ "path": path });
        assert_eq!(
            one.call("read_text_file", read.clone()),
            directly.call("read_text_file", read.clone()),
            "{client:?}"
        );
        drop(directly);
        one.begin("write", "write_file", json!({ "path": path, "content": "second" }));
        let request = bed.waiting();
        // While one client waits, another reads.
        assert_eq!(text(&other.call("read_text_file", read)), "first", "{client:?}");
        bed.approve(&request);
        let written = one.answer("write");
        assert!(
            written["result"]["isError"].as_bool() != Some(true),
            "{client:?}: {written}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "second", "{client:?}");
        let moved = json!({ "source": path, "destination": bed.path("work/b.txt") });
        assert_eq!(
            decision(&other.call("move_file", moved))["decision"],
            "deny",
            "{client:?}"
        );
        assert!(path.exists());
    }
    drop(proxy);
    assert_eq!(bed.outcomes().get("executed"), Some(&9));
}

/// A server that ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// HTTP on both sides: the server that has everything at a URL.
#[test]
fn a_server_at_a_url_answers_clients_over_http() {
    if !kit::is_there() {
        return;
    }
    let script = "@modelcontextprotocol/server-everything/dist/index.js";
    let tools = [("echo", "reads.echo", ""), ("get-sum", "reads.sum", "")];
    let bed = Bed::new(&kit::of_package(script, &["stdio"]), &tools);
    let port = actionpass_servers::free_port();
    let words = kit::of_package(script, &["streamableHttp"]);
    let mut start = kit::in_folder(&words, &bed.path(""));
    let _server = Server(start.env("PORT", port.to_string()).spawn().unwrap());
    until("the server listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let url = format!("http://127.0.0.1:{port}/mcp");
    // The catalogue reaches it there, instead of starting it.
    let catalogue = bed.read("home/tools.toml").unwrap();
    let command = catalogue.lines().find(|line| line.starts_with("command = ")).unwrap();
    fs::write(
        bed.path("home/tools.toml"),
        catalogue.replace(command, &format!("url = \"{url}\"")),
    )
    .unwrap();
    let home = bed.path("home").to_str().unwrap().to_owned();
    let program = actionpass().to_str().unwrap().to_owned();
    let words = [&program, "mcp", "--home", &home, "--url", &url].map(ToOwned::to_owned);
    let proxy = bed.listen(&words);
    let mut first = bed.drive_over_http(CLIENTS[0], &proxy);
    assert!(first.list().is_empty());
    drop(first);
    bed.run(&["pins", "approve", "files", "echo", "get-sum", "get-env", "--yes"]);
    for client in CLIENTS {
        let mut through = bed.drive_over_http(client, &proxy);
        let listed: Vec<String> = through.list().into_keys().collect();
        assert_eq!(listed, ["echo", "get-env", "get-sum"], "{client:?}");
        let echo = through.call("echo", json!({ "message": "hello" }));
        assert_eq!(text(&echo), "Echo: hello", "{client:?}");
        let sum = through.call("get-sum", json!({ "a": 1, "b": 2 }));
        assert!(text(&sum).contains('3'), "{client:?}: {sum}");
        let denied = through.call("get-env", json!({}));
        assert_eq!(decision(&denied)["decision"], "deny", "{client:?}");
    }
    drop(proxy);
    assert_eq!(bed.outcomes().get("executed"), Some(&6));
}
