use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use actionpass_door::testing::ScriptedDoor;
use actionpass_gate::Catalogue;
use actionpass_model::Decision;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, DuplexStream};

use super::*;
use crate::{DenyAs, Settings};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(30);

struct Client {
    input: DuplexStream,
    output: tokio::io::Lines<BufReader<DuplexStream>>,
    served: tokio::task::JoinHandle<Result<(), McpError>>,
}

fn start(server: &str, target: Target) -> Client {
    let catalogue = format!("schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"s\"\n{server}\n");
    let catalogue = Catalogue::parse(&catalogue, "tools.toml", |_| None).unwrap();
    let door = ScriptedDoor::new(|_, _| Ok(Decision::Allow)).with_catalogue(catalogue);
    let proxy = Proxy {
        door: Arc::new(door),
        server: None,
        target: Some(target),
        wait: Settings::WAIT,
        deny_as: DenyAs::Result,
        gate_origins: Vec::new(),
    };
    let (input, theirs) = tokio::io::duplex(1 << 16);
    let (output, our_output) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(serve(proxy, theirs, output, std::future::pending()));
    Client {
        input,
        output: BufReader::new(our_output).lines(),
        served,
    }
}

impl Client {
    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn told(&mut self) -> Value {
        let line = tokio::time::timeout(LIMIT, self.output.next_line())
            .await
            .unwrap()
            .unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    async fn end(self) -> Result<(), McpError> {
        drop(self.input);
        tokio::time::timeout(LIMIT, self.served).await.unwrap().unwrap()
    }
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_little_of_the_environment_and_ends_with_all_that_it_started() {
    let script = r#"read line; sleep 1000 & echo not json
printf '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","pid":%s,"env":"%s"}}\n' $! "$(env | cut -d= -f1 | tr '\n' ' ')"
cat > /dev/null"#;
    let command = ["sh", "-c", script].map(ToOwned::to_owned).to_vec();
    let mut client = start("", Target::Command(command));
    client.say(INITIALIZE).await;
    let told = client.told().await;
    let names: Vec<&str> = told["result"]["env"].as_str().unwrap().split_whitespace().collect();
    // The last three are the shell's own.
    assert!(
        names
            .iter()
            .all(|name| ["PATH", "HOME", "LANG", "PWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );
    let state = format!("/proc/{}/stat", told["result"]["pid"]);
    assert!(std::fs::exists(&state).unwrap());
    client.end().await.unwrap();
    let ended = async {
        // What is left of it, if anything, waits to be reaped.
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_started_or_ends_is_told() {
    let mut client = start("", Target::Command(vec!["/nowhere/server".to_owned()]));
    client.say(INITIALIZE).await;
    assert_eq!(client.told().await["error"]["data"]["code"], "mcp_server_gone");
    assert!(matches!(
        client.end().await,
        Err(McpError::Server {
            code: crate::McpCode::ServerUnavailable,
            ..
        })
    ));

    let mut client = start("", Target::Command(vec!["true".to_owned()]));
    client.say(INITIALIZE).await;
    assert_eq!(client.told().await["error"]["data"]["code"], "mcp_server_gone");
    assert!(matches!(
        client.end().await,
        Err(McpError::Server {
            code: crate::McpCode::ServerGone,
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_starts_nothing() {
    start("", Target::Command(vec!["/nowhere/server".to_owned()]))
        .end()
        .await
        .unwrap();
}

/// Reads one request: its head and its body.
fn request(stream: &mut TcpStream) -> (String, Value) {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        read.push(byte[0]);
    }
    let head = String::from_utf8(read).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_at_a_url_is_asked_with_its_session_and_the_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let seen = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (head, body) = request(&mut stream);
            let id = body["id"].to_string();
            let json = |result: &str| format!("{{\"jsonrpc\":\"2.0\",\n \"id\":{id},\"result\":{result}}}");
            let (kind, more, text) = match body["method"].as_str() {
                Some("initialize") => (
                    "application/json",
                    "mcp-session-id: s1\r\n",
                    json(r#"{"protocolVersion":"2025-11-25"}"#),
                ),
                Some("tools/list") => (
                    "application/json",
                    "",
                    json(r#"{"tools":[{"name":"read","inputSchema":{"type":"object"}}]}"#),
                ),
                Some("tools/call") => {
                    let answer = json(r#"{"content":[]}"#).replace('\n', "\ndata: ");
                    (
                        "text/event-stream",
                        "",
                        format!(": hello\nevent: message\ndata: {answer}\n\n"),
                    )
                }
                _ => ("text/plain", "", String::new()),
            };
            let status = if head.starts_with("get") {
                "405 Method Not Allowed"
            } else {
                "200 OK"
            };
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n{text}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            let is_last = body["method"] == "tools/call";
            heads.push((head, body));
            if is_last {
                return heads;
            }
        }
        heads
    });
    let mut client = start(&format!("url = \"{url}\""), Target::Url(url.clone()));
    client.say(INITIALIZE).await;
    assert_eq!(client.told().await["result"]["protocolVersion"], "2025-11-25");
    client
        .say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    client
        .say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}"#)
        .await;
    assert_eq!(
        client.told().await,
        serde_json::json!({"jsonrpc":"2.0","id":1,"result":{"content":[]}})
    );
    let seen = seen.join().unwrap();
    let (head, body) = seen.last().unwrap();
    assert!(
        head.contains("mcp-session-id: s1") && head.contains("mcp-protocol-version: 2025-11-25"),
        "{head}"
    );
    assert!(head.contains("actionpass-pass: e30.e30."), "{head}");
    assert_eq!(body["params"]["_meta"]["dev.actionpass/pass"], "e30.e30.");
    client.end().await.unwrap();
}

/// The state of a process, until there is none or it only waits to be reaped.
async fn ended(pid: &str) {
    let state = format!("/proc/{pid}/stat");
    let ended = async {
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reads_nothing_ends_with_its_client() {
    let script =
        r#"printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"pid":"%s"}}\n' $$; exec sleep 1000"#;
    let mut client = start(
        "",
        Target::Command(["sh", "-c", script].map(ToOwned::to_owned).to_vec()),
    );
    client.say(INITIALIZE).await;
    let pid = client.told().await["params"]["pid"].as_str().unwrap().to_owned();
    // More than any pipe takes.
    for id in 1..=20 {
        let filler = "x".repeat(20_000);
        client
            .say(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"_meta":{{"x":"{filler}"}}}}}}"#
            ))
            .await;
    }
    let _ = client.end().await;
    ended(&pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reads_nothing_and_closes_its_output_is_gone() {
    let script = "exec sleep 1000 > /dev/null";
    let mut client = start(
        "",
        Target::Command(["sh", "-c", script].map(ToOwned::to_owned).to_vec()),
    );
    for id in 0..10 {
        let filler = "x".repeat(20_000);
        client
            .say(&format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"ping","params":{{"_meta":{{"x":"{filler}"}}}}}}"#
            ))
            .await;
    }
    assert_eq!(client.told().await["error"]["data"]["code"], "mcp_server_gone");
    let _ = client.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_nothing_keeps_no_server() {
    let script = r#"echo '{"jsonrpc":"2.0","method":"notifications/message","params":{"pid":"'$$'"}}'
        while :; do echo '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}' || exit; done"#;
    let mut client = start(
        "",
        Target::Command(["sh", "-c", script].map(ToOwned::to_owned).to_vec()),
    );
    client.say(INITIALIZE).await;
    let pid = client.told().await["params"]["pid"].as_str().unwrap().to_owned();
    let _ = client.end().await;
    ended(&pid).await;
}
