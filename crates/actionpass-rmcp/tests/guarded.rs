//! A server under a guard, over its transport: which calls reach its tool, and with what.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use actionpass_canon::{BoundAction, Limits, admit};
use actionpass_gate::{Catalogue, ToolCall};
use actionpass_model::{Intent, Task};
use actionpass_rmcp::{Guard, PASS};
use actionpass_store::{MemoryReplayStore, ReplayStart};
use actionpass_testkit::fixtures;
use actionpass_testkit::{ManualClock, ManualTrust, Testbed};
use actionpass_verify::{Executor, Verifier};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};

const CATALOGUE: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "notes"
[[tool]]
match = "notes/write"
tool = "notes.write"
resource = "note:{payload.id}"
"#;

/// A server that keeps the arguments its tools were called with.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(JsonObject, bool)>>>);

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        let mut config = ServerConfig::default();
        config.capabilities = ServerCapabilities::builder().enable_tools().build();
        config
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let sees_pass = context.meta.contains_key(PASS) || call.meta.is_some_and(|meta| meta.contains_key(PASS));
        self.0
            .lock()
            .unwrap()
            .push((call.arguments.unwrap_or_default(), sees_pass));
        Ok(CallToolResult::success(vec![ContentBlock::text("written")]).into())
    }
}

/// A client of a guarded server, and what the server's tools were called with.
struct Session {
    to: tokio::io::WriteHalf<DuplexStream>,
    from: tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    notes: Notes,
    id: u32,
}

fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::parse(CATALOGUE, "tools.toml", |_| None).unwrap())
}

fn guard() -> Guard {
    let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::tenant());
    let trust = Arc::new(ManualTrust::new(fixtures::trust_store()));
    let used = Arc::new(MemoryReplayStore::new(ReplayStart::first(fixtures::seconds())));
    let executor = Executor::new(verifier, trust, used).with_clock(Arc::new(ManualClock::new(fixtures::now())));
    Guard::new(executor, catalogue(), "notes")
}

impl Session {
    async fn open() -> Self {
        let notes = Notes::default();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = guard().over(notes.clone());
        tokio::spawn(async move {
            let running = server.serve(tokio::io::split(theirs)).await.unwrap();
            running.waiting().await.unwrap();
        });
        let (from, to) = tokio::io::split(ours);
        let from = BufReader::new(from).lines();
        let mut session = Self { to, from, notes, id: 0 };
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let said = session.ask("initialize", &hello.to_string()).await;
        assert_eq!(said["result"]["protocolVersion"], "2025-11-25", "{said}");
        session
            .send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        session
    }

    async fn send(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The answer to a request, whose parameters are text, so that they can be whatever a client writes.
    async fn ask(&mut self, method: &str, params: &str) -> Value {
        self.id = self.id.checked_add(1).unwrap();
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{params}}}"#,
            self.id
        );
        self.send(&line).await;
        let line = self.from.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn call(&mut self, tool: &str, arguments: &str, pass: Option<&str>) -> Value {
        let meta = pass.map_or_else(|| json!({}), |pass| json!({ PASS: pass }));
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments},"_meta":{meta}}}"#);
        self.ask("tools/call", &params).await
    }

    /// The arguments that tools were called with, none of which saw its pass.
    fn ran(&self) -> Vec<Value> {
        let ran = self.notes.0.lock().unwrap();
        assert!(ran.iter().all(|(_, sees_pass)| !sees_pass));
        ran.iter()
            .map(|(arguments, _)| Value::Object(arguments.clone()))
            .collect()
    }
}

/// A pass for a call, as the issuer of the proxy gives it.
fn pass(tool: &str, arguments: &str) -> String {
    let arguments = admit(arguments.as_bytes(), &Limits::default()).unwrap();
    let call = catalogue().normalize(ToolCall::new("notes", tool, &arguments)).unwrap();
    let intent = Intent {
        task: Task::parse("task:notes").unwrap(),
        summary: None,
    };
    let demo = fixtures::demo_action();
    let caller = fixtures::caller(demo.action());
    let action: BoundAction = call.action(&caller, &intent, None, None, &Limits::default()).unwrap();
    let tools = vec![call.tool];
    let testbed = Testbed::new().with_config(|config| config.with_audience(fixtures::audience(), tools));
    testbed.pass(&action)
}

fn codes(answer: &Value) -> &Value {
    assert_eq!(answer["error"]["code"], -32001, "{answer}");
    &answer["error"]["data"]["dev.actionpass/decision"]["codes"]
}

#[tokio::test]
async fn an_allowed_call_runs_once_with_the_canonical_arguments() {
    let mut session = Session::open().await;
    let pass = pass("write", r#"{"id":"a","text":"x","size":1e2}"#);
    // Spelled and ordered otherwise, which is the same call.
    let answer = session
        .call(
            "write",
            r#"{ "text": "\u0078", "size": 100.0, "id": "a" }"#,
            Some(&pass),
        )
        .await;
    assert_eq!(answer["result"]["content"][0]["text"], "written", "{answer}");
    assert_eq!(session.ran(), [json!({ "id": "a", "size": 100, "text": "x" })]);

    let again = session
        .call("write", r#"{"id":"a","text":"x","size":100}"#, Some(&pass))
        .await;
    assert_eq!(codes(&again), &json!(["already_used"]));
    assert_eq!(session.ran().len(), 1);
}

#[tokio::test]
async fn nothing_runs_without_a_pass_for_exactly_this_call() {
    let mut session = Session::open().await;
    let arguments = r#"{"id":"a","text":"x"}"#;
    let pass = pass("write", arguments);
    for (tool, arguments, pass, expected) in [
        ("write", arguments, None, json!(["token_malformed"])),
        (
            "write",
            r#"{"id":"a","text":"y"}"#,
            Some(&*pass),
            json!(["payload_hash_mismatch"]),
        ),
        (
            "write",
            r#"{"id":"b","text":"x"}"#,
            Some(&*pass),
            json!(["resource_mismatch", "payload_hash_mismatch"]),
        ),
        (
            "delete",
            arguments,
            Some(&*pass),
            json!(["tool_mismatch", "resource_mismatch"]),
        ),
        // No action says these.
        ("write", r#"{"text":"x"}"#, Some(&*pass), json!(["call_value_missing"])),
        (
            "write",
            r#"{"id":"..","text":"x"}"#,
            Some(&*pass),
            json!(["call_value_dots"]),
        ),
        (
            "write",
            r#"{"id":"a","text":9007199254740993}"#,
            Some(&*pass),
            json!(["number_unsafe_integer"]),
        ),
    ] {
        let answer = session.call(tool, arguments, pass).await;
        assert_eq!(codes(&answer), &expected, "{tool} {arguments}");
    }
    // Nor does a pass of somebody else, or one that isn't a text.
    let forged = session.call("write", arguments, Some("e30.e30.e30")).await;
    assert_eq!(forged["error"]["code"], -32001, "{forged}");
    let listed = format!(r#"{{"name":"write","arguments":{arguments},"_meta":{{"{PASS}":["{pass}"]}}}}"#);
    assert_eq!(
        codes(&session.ask("tools/call", &listed).await),
        &json!(["token_malformed"])
    );
    assert_eq!(session.ran(), [] as [Value; 0]);

    // None of them used it up.
    let answer = session.call("write", arguments, Some(&pass)).await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(session.ran(), [json!({ "id": "a", "text": "x" })]);
}

#[tokio::test]
async fn what_no_pass_binds_refuses_the_call() {
    let mut session = Session::open().await;
    let arguments = r#"{"id":"a","text":"x"}"#;
    let pass = pass("write", arguments);
    for more in [r#""requestState":"s""#, r#""inputResponses":{"a":{"action":"accept"}}"#] {
        let params = format!(r#"{{"name":"write","arguments":{arguments},"_meta":{{"{PASS}":"{pass}"}},{more}}}"#);
        assert_eq!(
            codes(&session.ask("tools/call", &params).await),
            &json!(["call_not_normalizable"]),
            "{more}"
        );
    }
    // A call that isn't one, whichever way it is read.
    let answer = session
        .ask("tools/call", &format!(r#"{{"name":7,"_meta":{{"{PASS}":"{pass}"}}}}"#))
        .await;
    assert!(answer["error"].is_object(), "{answer}");
    assert_eq!(session.ran(), [] as [Value; 0]);
}

/// Of two members of one name, one is gone before the guard sees the call: whichever is left is what has to be permitted.
#[tokio::test]
async fn a_member_that_occurs_twice_changes_nothing_that_was_permitted() {
    let mut session = Session::open().await;
    let pass = pass("write", r#"{"id":"a","text":"x"}"#);
    let swapped = session
        .call("write", r#"{"id":"a","text":"x","text":"y"}"#, Some(&pass))
        .await;
    assert!(swapped["error"].is_object(), "{swapped}");
    assert_eq!(session.ran(), [] as [Value; 0]);
    let answer = session
        .call("write", r#"{"id":"a","text":"y","text":"x"}"#, Some(&pass))
        .await;
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(session.ran(), [json!({ "id": "a", "text": "x" })]);
}

#[tokio::test]
async fn everything_else_reaches_the_server() {
    let mut session = Session::open().await;
    let listed = session.ask("tools/list", "{}").await;
    assert_eq!(listed["result"]["tools"], json!([]));
    assert!(session.ask("ping", "{}").await["result"].is_object());
}
