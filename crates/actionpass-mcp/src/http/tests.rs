use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actionpass_door::testing::{ScriptedDoor, Seen};
use actionpass_door::{Allowed, Door, DoorFuture, Mode, Occasion, Outcome, Permit, Ran, Verdict};
use actionpass_gate::{Call as GateCall, Catalogue, DeclaredServer, ListedTool, Origin, ToolState};
use actionpass_model::{Decision, Reason};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::{DenyAs, Settings, Target};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(60);

/// How many calls are decided at once.
const MAX_ASKS: usize = 100;

const TOKENS: [&str; 2] = ["token-of-the-first", "token-of-the-second"];

/// A server that says who it is, and writes down which tools it was told to call.
const SERVER: &str = r#"while read -r line; do
id=${line#*\"id\":}; id=${id%%,\"method\"*}
say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
case $line in
*'"method":"initialize"'*) say '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}' ;;
*'"method":"server/discover"'*) say '{"supportedVersions":["2026-07-28"]}' ;;
*'"method":"tools/list"'*) say '{"tools":[{"name":"read","inputSchema":{"type":"object","properties":{"region":{"type":"string"}}}},{"name":"wait","inputSchema":{"type":"object"}}]}' ;;
*'"method":"tools/call"'*) echo call >> "$0"; printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":%s}}\n' $$; say "{\"content\":[],\"pid\":$$}" ;;
esac
done"#;

/// Allows everything, but lets nobody know before there is a place at the gate.
#[derive(Debug)]
struct Slow {
    scripted: ScriptedDoor,
    gate: Semaphore,
    asking: AtomicUsize,
}

/// An ask that runs, until it is dropped.
struct Asking<'a>(&'a AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Door for Slow {
    fn mode(&self) -> Mode {
        self.scripted.mode()
    }
    fn servers(&self) -> DoorFuture<'_, Vec<DeclaredServer>> {
        self.scripted.servers()
    }
    fn listed<'a>(
        &'a self,
        server: &'a str,
        origin: &'a Origin,
        tools: &'a [ListedTool],
    ) -> DoorFuture<'a, Vec<ToolState>> {
        self.scripted.listed(server, origin, tools)
    }
    fn ask<'a>(&'a self, call: GateCall<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(async move {
            self.asking.fetch_add(1, Ordering::SeqCst);
            let _asking = Asking(&self.asking);
            let _place = self.gate.acquire().await.unwrap();
            self.scripted.ask(call, occasion).await
        })
    }
    fn refuse<'a>(&'a self, call: GateCall<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        self.scripted.refuse(call, occasion, reason)
    }
    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        self.scripted.consume(allowed)
    }
    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        self.scripted.report(ran, outcome)
    }
}

struct Bed {
    address: SocketAddr,
    door: Arc<Slow>,
    log: std::path::PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<Result<(), McpError>>,
}

/// What was answered: status, head and body.
struct Answered {
    status: u16,
    head: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.head, self.body))
    }

    /// What came last, in a stream or alone.
    fn last(&self) -> Value {
        let line = self.body.lines().rev().find_map(|line| line.strip_prefix("data: "));
        line.map_or_else(|| self.json(), |line| serde_json::from_str(line).unwrap())
    }

    fn code(&self) -> String {
        self.json()["error"]["data"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Bed {
    async fn new(limits: Limits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let log = std::env::temp_dir().join(format!("actionpass-mcp-{}-{number}", std::process::id()));
        let command = ["sh", "-c", SERVER, log.to_str().unwrap()]
            .map(ToOwned::to_owned)
            .to_vec();
        let words = serde_json::to_string(&command).unwrap();
        let catalogue =
            "schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"s\"\ncommand = ['sh']\n".replace("['sh']", &words);
        let catalogue = Catalogue::parse(&catalogue, "tools.toml", |_| None).unwrap();
        let door = Arc::new(Slow {
            scripted: ScriptedDoor::new(|_, _| Ok(Decision::Allow)).with_catalogue(catalogue),
            gate: Semaphore::new(MAX_ASKS),
            asking: AtomicUsize::new(0),
        });
        let proxy = Proxy {
            door: Arc::clone(&door) as _,
            server: None,
            target: Some(Target::Command(command)),
            wait: Settings::WAIT,
            deny_as: DenyAs::Result,
            gate_origins: Vec::new(),
        };
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let tokens = TOKENS.map(ToOwned::to_owned).to_vec();
            let http = Http {
                tcp: Some(tcp),
                unix: None,
                tokens,
                hosts: Vec::new(),
            };
            serve_within(proxy, http, limits, async { drop(stopped.await) }).await
        });
        Self {
            address,
            door,
            log,
            stop: Some(stop),
            served,
        }
    }

    fn calls(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().count()
    }

    fn head(&self, method: &str, more: &[(&str, &str)], length: usize) -> String {
        let mut headers = vec![
            ("host", self.address.to_string()),
            ("authorization", format!("Bearer {}", TOKENS[0])),
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("content-length", length.to_string()),
            ("connection", "close".to_owned()),
        ];
        for (name, value) in more {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name, (*value).to_owned()));
            }
        }
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{method} /mcp HTTP/1.1\r\n{headers}\r\n")
    }

    async fn send(&self, method: &str, more: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = self.head(method, more, body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // Who is refused early may not read all of it.
        let _ = stream.write_all(body.as_bytes()).await;
        stream
    }

    async fn ask(&self, method: &str, more: &[(&str, &str)], body: &str) -> Answered {
        let mut stream = self.send(method, more, body).await;
        let mut read = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut read))
            .await
            .unwrap();
        let text = String::from_utf8(read).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        Answered {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await.unwrap();
    }

    async fn post(&self, more: &[(&str, &str)], body: &str) -> Answered {
        self.ask("POST", more, body).await
    }

    /// A session of the client with this token.
    async fn open(&self, token: &str) -> String {
        let answered = self.post(&[("authorization", token)], INITIALIZE).await;
        assert_eq!(answered.json()["result"]["protocolVersion"], "2025-11-25");
        let id = answered
            .head
            .lines()
            .find_map(|line| line.strip_prefix("mcp-session-id: "));
        let id = id.unwrap();
        assert_eq!(id.len(), 43);
        id.to_owned()
    }
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

fn call(id: u64, tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {} } })
        .to_string()
}

/// Of the modern era, with headers that agree with it.
fn modern(id: u64, tool: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": tool, "arguments": { "region": "lö" }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

const MODERN: [(&str, &str); 3] = [
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "tools/call"),
    ("mcp-name", "read"),
];

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_sites_are_refused_before_anything_starts() {
    let bed = Bed::new(Limits::default()).await;
    let origin = format!("http://{}", bed.address);
    for (more, status, code) in [
        (("host", "evil.example"), 403, "mcp_http_refused"),
        (("host", ""), 403, "mcp_http_refused"),
        (("origin", "http://evil.example"), 403, "mcp_http_refused"),
        (("origin", "null"), 403, "mcp_http_refused"),
        (("sec-fetch-site", "cross-site"), 403, "mcp_http_refused"),
        (("authorization", ""), 401, "mcp_token_refused"),
        (
            ("authorization", "Bearer token-of-nobody-at-all"),
            401,
            "mcp_token_refused",
        ),
        (("authorization", "Basic token-of-the-first"), 401, "mcp_token_refused"),
        (("content-type", "text/plain"), 415, "mcp_http_refused"),
        (("accept", "application/json"), 406, "mcp_http_refused"),
        (("transfer-encoding", "chunked"), 411, "mcp_http_refused"),
    ] {
        let mut more = vec![more];
        if more[0].0 == "transfer-encoding" {
            more.push(("content-length", ""));
        }
        let answered = bed.post(&more, INITIALIZE).await;
        assert_eq!((answered.status, answered.code().as_str()), (status, code), "{more:?}");
        assert!(!answered.head.contains("access-control"), "{}", answered.head);
    }
    assert!(bed.door.scripted.seen().is_empty());
    let own = bed
        .post(&[("origin", &origin), ("sec-fetch-site", "same-origin")], INITIALIZE)
        .await;
    assert_eq!(own.status, 200);
    assert_eq!(bed.ask("PUT", &[], "").await.status, 405);
    for body in ["x", "", &format!("[{INITIALIZE}]")] {
        assert_eq!(bed.post(&[], body).await.status, 400, "{body}");
    }
    let large = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"{}\"}}",
        "x".repeat(MAX_CLIENT_MESSAGE)
    );
    let mut stream = bed.send("POST", &[], &large).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

/// Most clients never end their sessions.
#[tokio::test(flavor = "multi_thread")]
async fn the_session_that_is_idle_for_longest_makes_room() {
    let bed = Bed::new(Limits {
        sessions: 2,
        spare: Duration::ZERO,
        ..Limits::default()
    })
    .await;
    let bearer = format!("Bearer {}", TOKENS[0]);
    let (first, second) = (bed.open(&bearer).await, bed.open(&bearer).await);
    let line = call(1, "read");
    assert_eq!(bed.post(&[("mcp-session-id", first.as_str())], &line).await.status, 200);
    // The first was used last.
    let third = bed.open(&bearer).await;
    for (session, status) in [(&second, 404), (&first, 200), (&third, 200)] {
        let answered = bed
            .post(&[("mcp-session-id", session.as_str())], &line.replace(":1,", ":2,"))
            .await;
        assert_eq!(answered.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_of_their_clients_and_see_nothing_of_each_other() {
    let mut bed = Bed::new(Limits {
        sessions: 3,
        ..Limits::default()
    })
    .await;
    let (first, second) = (format!("Bearer {}", TOKENS[0]), format!("Bearer {}", TOKENS[1]));
    let (one, other, foreign) = (bed.open(&first).await, bed.open(&first).await, bed.open(&second).await);
    // The same id in each of them, at once.
    let line = call(1, "read");
    let (a, b) = ([("mcp-session-id", one.as_str())], [("mcp-session-id", other.as_str())]);
    let (in_one, in_other) = tokio::join!(bed.post(&a, &line), bed.post(&b, &line));
    let (in_one, in_other) = (in_one.last(), in_other.last());
    assert!(in_one["result"]["pid"].is_u64(), "{in_one}");
    assert_ne!(in_one["result"]["pid"], in_other["result"]["pid"]);

    for (session, status) in [(foreign.as_str(), 404), ("unknown", 404), ("", 400)] {
        for method in ["POST", "GET", "DELETE"] {
            let answered = bed.ask(method, &[("mcp-session-id", session)], &line).await;
            assert_eq!(
                (answered.status, answered.code().as_str()),
                (status, "mcp_session_unknown"),
                "{method} {session}"
            );
        }
    }
    let version = [("mcp-session-id", one.as_str()), ("mcp-protocol-version", "2026-07-28")];
    assert_eq!(bed.post(&version, &line).await.code(), "mcp_version_refused");
    assert_eq!(bed.post(&[], INITIALIZE).await.code(), "mcp_too_many_sessions");

    // One that has ended makes room, and is unknown from then on.
    assert_eq!(bed.ask("DELETE", &a, "").await.status, 204);
    assert_eq!(bed.post(&a, &line).await.status, 404);
    let room = async {
        while bed.post(&[], INITIALIZE).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, room).await.unwrap();
    bed.stop.take().unwrap().send(()).unwrap();
    tokio::time::timeout(LIMIT, &mut bed.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_nobody_uses_end() {
    let bed = Bed::new(Limits {
        idle: Duration::from_millis(200),
        look: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let session = bed.open(&format!("Bearer {}", TOKENS[0])).await;
    let more = [("mcp-session-id", session.as_str())];
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(bed.ask("DELETE", &more, "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_say_what_the_body_says() {
    let bed = Bed::new(Limits::default()).await;
    let good = bed.post(&MODERN, &modern(1, "read")).await;
    let pid = good.last()["result"]["pid"].clone();
    assert!(pid.is_u64(), "{}", good.body);
    assert!(!good.head.contains("mcp-session-id"));
    // What comes next has the same server behind. An id is free once its call is reported, so this is another.
    assert_eq!(bed.post(&MODERN, &modern(3, "read")).await.last()["result"]["pid"], pid);
    let calls = bed.calls();
    for (name, value) in [
        ("mcp-name", "wait"),
        ("mcp-name", ""),
        ("mcp-name", "=?base64?d2FpdA==?="),
        ("mcp-name", "=?base64?*?="),
        ("mcp-method", "tools/list"),
        ("mcp-method", ""),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", ""),
        ("mcp-param-region", "us"),
    ] {
        let mut more = MODERN.to_vec();
        more.retain(|(known, _)| *known != name);
        more.push((name, value));
        let answered = bed.post(&more, &modern(2, "read")).await;
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (400, "mcp_header_mismatch"),
            "{name}: {value}"
        );
        assert_eq!(answered.json()["error"]["code"], -32020);
        assert_eq!(answered.json()["id"], 2);
    }
    assert_eq!(bed.calls(), calls);
    let mut encoded = MODERN.to_vec();
    encoded[2].1 = "=?base64?cmVhZA==?=";
    encoded.push(("mcp-param-region", "=?base64?bMO2?="));
    assert!(bed.post(&encoded, &modern(2, "read")).await.last()["result"]["pid"].is_u64());
    assert_eq!(bed.calls(), calls + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_has_gone() {
    let bed = Bed::new(Limits::default()).await;
    let session = bed.open(&format!("Bearer {}", TOKENS[0])).await;
    let more = [("mcp-session-id", session.as_str())];
    let nobody = bed
        .door
        .gate
        .acquire_many(u32::try_from(MAX_ASKS).unwrap())
        .await
        .unwrap();
    for (headers, line) in [(&more[..], call(1, "wait")), (&MODERN[..], modern(1, "read"))] {
        let stream = bed.send("POST", headers, &line).await;
        bed.until(|| bed.door.asking.load(Ordering::SeqCst) == 1).await;
        drop(stream);
        bed.until(|| bed.door.asking.load(Ordering::SeqCst) == 0).await;
    }
    // What is decided now is decided for nobody.
    drop(nobody);
    let answered = bed.post(&more, &call(1, "read")).await;
    assert!(answered.last()["result"]["pid"].is_u64(), "{}", answered.body);
    assert_eq!(bed.calls(), 1);
    let seen = bed.door.scripted.seen();
    assert_eq!(
        seen.iter().filter(|seen| matches!(seen, Seen::Consumed(_))).count(),
        1,
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_what_the_server_says_and_ends_with_its_session() {
    let bed = Bed::new(Limits::default()).await;
    let session = bed.open(&format!("Bearer {}", TOKENS[0])).await;
    let more = [("mcp-session-id", session.as_str())];
    // What belongs to a call comes before its answer.
    let answered = bed.post(&more, &call(1, "read")).await;
    assert!(answered.head.contains("text/event-stream"), "{}", answered.head);
    let (said, answer) = answered.body.split_once("notifications/message").unwrap();
    assert!(
        said.contains("event: message\ndata: ") && answer.contains("\"result\""),
        "{}",
        answered.body
    );

    let mut listening = bed.send("GET", &more, "").await;
    let mut read = [0; 15];
    listening.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"HTTP/1.1 200 OK");
    assert_eq!(bed.ask("GET", &more, "").await.status, 409);
    assert_eq!(bed.ask("DELETE", &more, "").await.status, 204);
    let mut rest = Vec::new();
    tokio::time::timeout(LIMIT, listening.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
}
