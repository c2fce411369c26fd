use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use actionpass_client::api::OpenedRequest;
use actionpass_door::testing::{ScriptedDoor, Seen};
use actionpass_door::{Allowed, DoorCode, DoorError, DoorFuture, Occasion, Outcome, Permit, Ran, Verdict};
use actionpass_gate::{Call as GateCall, DeclaredServer, ListedTool, Origin, Pins, ToolState};
use actionpass_model::{Decision, OutcomeStatus, Reason};
use serde_json::Value;

use super::*;
use crate::{DenyAs, ServerEntry};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(60);

const TOOLS: &str = r#"[{"name":"read","inputSchema":{"type":"object"},"_meta":{"x":1}},{"name":"write","inputSchema":{"type":"object"}},{"name":"pay","inputSchema":{"type":"object","properties":{"amount":{"type":"integer"}}}}]"#;

/// `read` is allowed, `pay` waits for people, everything else is denied.
fn script(tool: &str) -> Decision {
    match tool.rsplit('/').next() {
        Some("read") => Decision::Allow,
        Some("pay") => Decision::StepUp,
        _ => Decision::Deny,
    }
}

/// A scripted door that parks what isn't decided, names a request, and can be made to wait or fail.
#[derive(Debug)]
struct TestDoor {
    scripted: ScriptedDoor,
    /// Asks wait for it.
    gate: tokio::sync::Semaphore,
    consumes_fail: AtomicBool,
    /// Nothing is approved.
    is_reset: AtomicBool,
    waits: Mutex<Vec<Duration>>,
    contexts: Mutex<Vec<Option<String>>>,
}

impl TestDoor {
    fn new(scripted: ScriptedDoor) -> Self {
        Self {
            scripted,
            gate: tokio::sync::Semaphore::new(1000),
            consumes_fail: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
            waits: Mutex::default(),
            contexts: Mutex::default(),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        self.scripted
            .seen()
            .into_iter()
            .filter(|seen| !matches!(seen, Seen::Listed(_)))
            .collect()
    }

    fn outcomes(&self) -> Vec<(OutcomeStatus, bool)> {
        let outcome = |seen| match seen {
            Seen::Reported(_, outcome) => Some((outcome.status, outcome.result_hash.is_some())),
            _ => None,
        };
        self.seen().into_iter().filter_map(outcome).collect()
    }
}

impl Door for TestDoor {
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
        if self.is_reset.load(Ordering::SeqCst) {
            return Box::pin(async move { Ok(Pins::default().judge(server, origin, tools)) });
        }
        self.scripted.listed(server, origin, tools)
    }
    fn ask<'a>(&'a self, call: GateCall<'a>, occasion: &'a Occasion) -> DoorFuture<'a, Verdict> {
        Box::pin(async move {
            self.waits.lock().unwrap().push(occasion.wait);
            self.contexts
                .lock()
                .unwrap()
                .push(occasion.context.as_ref().map(|context| context.as_str().to_owned()));
            let _slot = self.gate.acquire().await.unwrap();
            let mut verdict = self.scripted.ask(call, occasion).await?;
            if let Verdict::Refused(refused) = &mut verdict
                && refused.decision == Decision::StepUp
            {
                let request = serde_json::json!({
                    "id": "req_00000000000070008000000000000001", "state": "pending", "expiresAt": "2026-11-30T12:00:00.000Z",
                    "review": "https://gate.example/r/1", "events": "/v1/requests/1/events",
                });
                let request: OpenedRequest = serde_json::from_value(request).unwrap();
                refused.answer.as_mut().unwrap().request = Some(request);
            }
            Ok(verdict)
        })
    }
    fn refuse<'a>(&'a self, call: GateCall<'a>, occasion: &'a Occasion, reason: Reason) -> DoorFuture<'a, ()> {
        self.scripted.refuse(call, occasion, reason)
    }
    fn consume(&self, allowed: Allowed) -> DoorFuture<'_, Permit> {
        if self.consumes_fail.load(Ordering::SeqCst) {
            return Box::pin(async { Err(DoorError::new(DoorCode::AnswerContradicts, "used already")) });
        }
        self.scripted.consume(allowed)
    }
    fn report<'a>(&'a self, ran: &'a Ran, outcome: Outcome) -> DoorFuture<'a, ()> {
        self.scripted.report(ran, outcome)
    }
}

struct Pair {
    session: Arc<Session>,
    door: Arc<TestDoor>,
    server: mpsc::Receiver<ToServer>,
    client: mpsc::Receiver<ToClient>,
    tools: String,
    lists: AtomicUsize,
}

fn settings() -> Settings {
    let entry = ServerEntry {
        name: "files".into(),
        is_declared: true,
        ..ServerEntry::undeclared()
    };
    Settings::new(entry, Origin::Command(vec!["server".to_owned()]))
        .with_gate_origins(["https://gate.example".to_owned()])
}

impl Pair {
    fn with(settings: Settings, scripted: ScriptedDoor) -> Self {
        let door = Arc::new(TestDoor::new(scripted));
        let (session, server, client) = Session::new(door.clone(), settings, "session-1".to_owned(), [1; 32]);
        Self {
            session,
            door,
            server,
            client,
            tools: TOOLS.to_owned(),
            lists: AtomicUsize::new(0),
        }
    }

    fn new() -> Self {
        Self::with(settings(), ScriptedDoor::new(|call, _| Ok(script(call.tool.as_str()))))
    }

    /// A connection of 2025-11-25 whose client can do this.
    async fn legacy(mut self, capabilities: &str) -> Self {
        let line = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":CAPS,"clientInfo":{"name":"t","version":"1"}}}"#;
        self.say(&line.replace("CAPS", capabilities)).await;
        let asked = self.asked().await;
        assert_eq!(asked["method"], "initialize");
        self.reply(r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"},"odd":1.0}}"#).await;
        assert_eq!(self.told().await["result"]["odd"], 1.0);
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        assert_eq!(self.asked().await["method"], "notifications/initialized");
        self
    }

    async fn say(&self, line: &str) {
        self.session.from_client(line.as_bytes()).await;
    }

    async fn reply(&self, line: &str) {
        self.session.from_server(line.as_bytes()).await;
    }

    /// What the server gets next, once it has told its tools as often as it was asked.
    async fn asked(&mut self) -> Value {
        self.asked_raw().await.1
    }

    async fn asked_raw(&mut self) -> (ToServer, Value) {
        loop {
            let message = tokio::time::timeout(LIMIT, self.server.recv()).await.unwrap().unwrap();
            let value: Value = serde_json::from_slice(&message.line).unwrap();
            if message.method == "tools/list" {
                self.lists.fetch_add(1, Ordering::SeqCst);
                self.reply(&format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{}}}}}"#,
                    value["id"], self.tools
                ))
                .await;
                continue;
            }
            return (message, value);
        }
    }

    /// What the client gets next; the server tells its tools meanwhile.
    async fn told(&mut self) -> Value {
        tokio::time::timeout(LIMIT, self.next_told()).await.unwrap()
    }

    async fn next_told(&mut self) -> Value {
        loop {
            tokio::select! {
                biased;
                message = self.client.recv() => return serde_json::from_slice(&message.unwrap().line).unwrap(),
                message = self.server.recv() => {
                    let message = message.unwrap();
                    assert_eq!(message.method, "tools/list", "{}", String::from_utf8_lossy(&message.line));
                    self.lists.fetch_add(1, Ordering::SeqCst);
                    let value: Value = serde_json::from_slice(&message.line).unwrap();
                    self.reply(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{}}}}}"#, value["id"], self.tools)).await;
                }
            }
        }
    }

    /// Nothing goes to either side.
    async fn quiet(&mut self) {
        self.session.settled().await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            self.server
                .try_recv()
                .ok()
                .map(|message| String::from_utf8(message.line).unwrap()),
            None
        );
        assert_eq!(
            self.client
                .try_recv()
                .ok()
                .map(|message| String::from_utf8(message.line).unwrap()),
            None
        );
    }
}

fn call(id: u32, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

const MODERN: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":"#;

fn modern(id: u32, method: &str, params: &str, capabilities: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{comma}"_meta":{{{MODERN}{capabilities}}}}}}}"#
    )
}

fn code(told: &Value) -> &str {
    told["error"]["data"]["code"].as_str().unwrap_or_default()
}

fn decision(told: &Value) -> &Value {
    assert_eq!(told["result"]["isError"], true, "{told}");
    &told["result"]["_meta"]["dev.actionpass/decision"]
}

#[tokio::test]
async fn nothing_happens_before_the_client_asks() {
    let mut pair = Pair::new();
    pair.quiet().await;
    assert!(pair.door.scripted.seen().is_empty());
}

#[tokio::test]
async fn an_allowed_call_is_made_with_its_pass_and_reported() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.tools = r#"[{"name":"read","inputSchema":{"type":"object","additionalProperties":true}}]"#.to_owned();
    pair.say(&call(1, "read", r#"{ "b": 1.0, "a": "\u0041" }"#)).await;
    let (message, asked) = pair.asked_raw().await;
    assert_eq!(
        String::from_utf8(message.line).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"a":"A","b":1},"_meta":{"dev.actionpass/pass":"e30.e30."}}}"#
    );
    assert_eq!(
        message.pass.as_deref(),
        asked["params"]["_meta"]["dev.actionpass/pass"].as_str()
    );
    assert_eq!(pair.lists.load(Ordering::SeqCst), 1);
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1.50,"_meta":{"dev.actionpass/decision":{},"their/own":1}}}"#;
    pair.reply(answer).await;
    let told = pair.client.recv().await.unwrap();
    assert_eq!(
        String::from_utf8(told.line).unwrap(),
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"n":1.50,"_meta":{"their/own":1}}}"#
    );
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Executed, true)]);
}

#[tokio::test]
async fn what_the_server_says_it_failed_at_is_reported_so() {
    let mut pair = Pair::new().legacy("{}").await;
    for (id, answer) in [
        (1, r#""result":{"isError":true,"content":[]}"#),
        (2, r#""error":{"code":-32602,"message":"no"}"#),
    ] {
        pair.say(&call(id, "read", "{}")).await;
        pair.asked().await;
        pair.reply(&format!(r#"{{"jsonrpc":"2.0","id":{id},{answer}}}"#)).await;
        pair.told().await;
    }
    let statuses: Vec<_> = pair.door.outcomes().into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [OutcomeStatus::Failed, OutcomeStatus::Failed]);
}

#[tokio::test]
async fn a_denied_call_never_reaches_the_server() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "write", "{}")).await;
    let told = pair.told().await;
    assert_eq!(decision(&told)["decision"], "deny");
    assert_eq!(decision(&told)["codes"], serde_json::json!(["rule_denies"]));
    assert!(decision(&told)["payloadHash"].is_string());
    assert!(told["result"].get("resultType").is_none());
    pair.quiet().await;
    let mut pair = Pair::with(
        settings().with_deny_as(DenyAs::Error),
        ScriptedDoor::new(|_, _| Ok(Decision::Deny)),
    );
    pair = pair.legacy("{}").await;
    pair.say(&call(1, "write", "{}")).await;
    assert_eq!(pair.told().await["error"]["code"], -32001);
}

#[tokio::test]
async fn a_step_up_tells_how_to_go_on() {
    let mut pair = Pair::new().legacy(r#"{"elicitation":{}}"#).await;
    pair.say(&call(1, "pay", r#"{"amount":5}"#)).await;
    let told = pair.told().await;
    assert_eq!(decision(&told)["decision"], "step_up");
    assert_eq!(decision(&told)["request"]["review"], "https://gate.example/r/1");
    let text = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("https://gate.example/r/1") && text.contains("identical arguments"),
        "{text}"
    );
    assert_eq!(*pair.door.waits.lock().unwrap(), [Settings::WAIT]);
}

#[tokio::test]
async fn a_legacy_client_that_opens_addresses_is_sent_to_the_page_once() {
    let mut pair = Pair::new().legacy(r#"{"elicitation":{"url":{}}}"#).await;
    pair.say(&call(1, "pay", r#"{"amount":5}"#)).await;
    let told = pair.told().await;
    assert_eq!(told["error"]["code"], -32042);
    let elicitation = &told["error"]["data"]["elicitations"][0];
    assert_eq!(
        (&elicitation["mode"], &elicitation["url"]),
        (&"url".into(), &"https://gate.example/r/1".into())
    );
    pair.say(&call(2, "pay", r#"{"amount":5}"#)).await;
    assert_eq!(decision(&pair.told().await)["decision"], "step_up");
    assert_eq!(*pair.door.waits.lock().unwrap(), [Duration::ZERO, Settings::WAIT]);
}

const URL: &str = r#"{"elicitation":{"url":{}}}"#;

#[tokio::test]
async fn a_modern_client_comes_back_with_the_state_it_was_given_and_approves_nothing_by_it() {
    let mut pair = Pair::new();
    let pay = r#""name":"pay","arguments":{"amount":5}"#;
    pair.say(&modern(1, "tools/call", pay, URL)).await;
    let told = pair.told().await;
    assert_eq!(told["result"]["resultType"], "input_required");
    assert_eq!(
        told["result"]["inputRequests"]["approval"]["params"]["url"],
        "https://gate.example/r/1"
    );
    let state = told["result"]["requestState"].as_str().unwrap().to_owned();
    let resume = |id: u32, pay: &str, action: &str, state: &str| {
        let params =
            format!(r#"{pay},"inputResponses":{{"approval":{{"action":"{action}"}}}},"requestState":"{state}""#);
        modern(id, "tools/call", &params, URL)
    };
    // Opened, and still nobody approved it.
    pair.say(&resume(2, pay, "accept", &state)).await;
    assert_eq!(pair.told().await["result"]["resultType"], "input_required");
    assert_eq!(*pair.door.waits.lock().unwrap(), [Duration::ZERO, Settings::WAIT]);
    // What the client answers is no part of the call.
    assert_eq!(*pair.door.contexts.lock().unwrap(), [None, None]);
    for (id, pay, action, state, expected) in [
        (3, pay, "decline", state.as_str(), "mcp_elicitation_declined"),
        (4, pay, "cancel", state.as_str(), "mcp_elicitation_declined"),
        (
            5,
            r#""name":"pay","arguments":{"amount":6}"#,
            "accept",
            state.as_str(),
            "mcp_state_refused",
        ),
        (
            6,
            r#""name":"read","arguments":{"amount":5}"#,
            "accept",
            state.as_str(),
            "mcp_state_refused",
        ),
        (7, pay, "accept", "actionpass.1.99999999999.AAAA", "mcp_state_refused"),
    ] {
        pair.say(&resume(id, pay, action, state)).await;
        let told = pair.told().await;
        assert_eq!(decision(&told)["codes"][0], expected, "{id}");
        assert_eq!(told["result"]["resultType"], "complete");
    }
    pair.quiet().await;
}

#[tokio::test]
async fn what_comes_back_to_the_server_is_bound_to_the_call() {
    let mut pair = Pair::new();
    let params = r#""name":"read","arguments":{},"inputResponses":{"q":{"n":1.0}},"requestState":"theirs""#;
    pair.say(&modern(1, "tools/call", params, "{}")).await;
    let asked = pair.asked().await;
    assert_eq!(asked["params"]["requestState"], "theirs");
    assert_eq!(asked["params"]["inputResponses"], serde_json::json!({"q":{"n":1}}));
    let bound = r#"{"mcp":{"inputResponses":{"q":{"n":1}},"requestState":"theirs"}}"#;
    assert_eq!(*pair.door.contexts.lock().unwrap(), [Some(bound.to_owned())]);
}

#[tokio::test]
async fn another_member_of_a_call_is_refused_and_smuggled_meta_goes_no_further() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{},"confirm":true}}"#,
    )
    .await;
    assert_eq!(code(&pair.told().await), "mcp_member_unknown");
    pair.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read","_meta":{"dev.actionpass/pass":"forged","x/y":1,"progressToken":7}}}"#).await;
    let asked = pair.asked().await;
    assert_eq!(
        asked["params"]["_meta"],
        serde_json::json!({"progressToken":7,"dev.actionpass/pass":"e30.e30."})
    );
    pair.say(
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"read","arguments":{"n":9007199254740993}}}"#,
    )
    .await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "mcp_message_refused");
}

#[tokio::test]
async fn methods_that_act_are_calls_and_unknown_ones_go_no_further() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#)
        .await;
    let asked = pair.asked().await;
    assert_eq!(
        asked["params"],
        serde_json::json!({"uri":"file:///a","_meta":{"dev.actionpass/pass":"e30.e30."}})
    );
    assert_eq!(
        pair.door.seen()[0],
        Seen::Asked(
            "mcp-method/files/resources/read".to_owned(),
            message::admitted(br#"{"uri":"file:///a"}"#).unwrap()
        )
    );
    pair.say(r#"{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"p"}}"#)
        .await;
    assert_eq!(pair.told().await["error"]["code"], -32001);
    for method in ["resources/subscribe", "tools/Call", "sampling/createMessage", "eval"] {
        pair.say(&format!(r#"{{"jsonrpc":"2.0","id":3,"method":"{method}"}}"#))
            .await;
        let told = pair.told().await;
        assert_eq!(
            (told["error"]["code"].as_i64(), code(&told)),
            (Some(-32601), "mcp_method_refused"),
            "{method}"
        );
    }
    pair.quiet().await;
}

#[tokio::test]
async fn tasks_are_those_that_an_answer_named() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t1"}}"#)
        .await;
    assert_eq!(code(&pair.told().await), "mcp_task_unknown");
    pair.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read","task":{"ttl":5}}}"#)
        .await;
    assert_eq!(pair.asked().await["params"]["task"], serde_json::json!({"ttl":5}));
    pair.reply(r#"{"jsonrpc":"2.0","id":2,"result":{"task":{"taskId":"t1","status":"working"}}}"#)
        .await;
    pair.told().await;
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, true)]);
    pair.say(r#"{"jsonrpc":"2.0","id":3,"method":"tasks/get","params":{"taskId":"t1"}}"#)
        .await;
    assert_eq!(pair.asked().await["method"], "tasks/get");
}

#[tokio::test]
async fn a_tool_that_nobody_approved_is_hidden_and_refused() {
    let approved = ListedTool::read_all(
        br#"[{"name":"read","inputSchema":{"type":"object"}},{"name":"pay"}]"#,
        &[],
        &actionpass_canon::Limits::default(),
    );
    let mut pins = Pins::default();
    let origin = Origin::Command(vec!["server".to_owned()]);
    pins.offer("files", &origin, &approved.unwrap());
    for tool in ["read", "pay"] {
        pins.approve(
            "files",
            tool,
            actionpass_model::Timestamp::from_unix_millis(0).unwrap(),
            None,
        )
        .unwrap();
    }
    let door = ScriptedDoor::new(|_, _| Ok(Decision::Allow)).with_pins(pins);
    let mut pair = Pair::with(settings(), door).legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    let told = pair.told().await;
    // Without what its server says in `_meta`, which nobody approved either.
    assert_eq!(
        told["result"]["tools"],
        serde_json::json!([{"name":"read","inputSchema":{"type":"object"}}])
    );
    for (id, tool, expected) in [
        (2, "write", "tool_not_pinned"),
        (3, "pay", "definition_changed"),
        (4, "other", "mcp_tool_not_listed"),
    ] {
        pair.say(&call(id, tool, "{}")).await;
        assert_eq!(decision(&pair.told().await)["codes"][0], expected, "{tool}");
        // The door is not asked, and has it on record.
        let seen = pair.door.seen();
        let Some(Seen::Refused(recorded, code)) = seen.last() else {
            panic!("{seen:?}")
        };
        assert_eq!(
            (recorded.as_str(), code.as_str()),
            (&*format!("mcp/files/{tool}"), expected)
        );
    }
    assert!(!pair.door.seen().iter().any(|seen| matches!(seen, Seen::Asked(..))));
    pair.quiet().await;
    // An undeclared server's tools are all like that.
    let mut undeclared = settings();
    undeclared.server = ServerEntry::undeclared();
    let mut pair = Pair::with(undeclared, ScriptedDoor::new(|_, _| Ok(Decision::Allow)))
        .legacy("{}")
        .await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(pair.told().await["result"]["tools"], serde_json::json!([]));
    pair.say(&call(2, "read", "{}")).await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "tool_not_pinned");
}

#[tokio::test]
async fn a_server_that_changes_its_tools_is_read_again_also_while_a_call_waits() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    pair.say(&call(2, "read", "{}")).await;
    pair.asked().await;
    assert_eq!(pair.lists.load(Ordering::SeqCst), 1);
    // The decision takes its time; meanwhile the tool becomes another one.
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(&call(3, "read", "{}")).await;
    while pair.door.waits.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    pair.tools = pair.tools.replace(r#""read","#, r#""read","description":"Deletes.","#);
    pair.reply(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#)
        .await;
    assert_eq!(pair.told().await["method"], "notifications/tools/list_changed");
    drop(slots);
    assert_eq!(decision(&pair.told().await)["codes"][0], "mcp_tool_not_listed");
    let consumed = pair
        .door
        .seen()
        .into_iter()
        .filter(|seen| matches!(seen, Seen::Consumed(_)))
        .count();
    assert_eq!((consumed, pair.lists.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test]
async fn lists_without_end_and_lists_that_are_none_are_refused() {
    for page in [
        r#"{"tools":[],"nextCursor":"again"}"#,
        r#"{"tools":{}}"#,
        r#"{"tools":[{"name":"read"},{"name":"read"}]}"#,
        r#"{"tools":[{"description":"no name"}]}"#,
    ] {
        let mut pair = Pair::new().legacy("{}").await;
        pair.say(&call(1, "read", "{}")).await;
        let told = loop {
            tokio::select! {
                biased;
                told = pair.client.recv() => break serde_json::from_slice::<Value>(&told.unwrap().line).unwrap(),
                asked = pair.server.recv() => {
                    let asked: Value = serde_json::from_slice(&asked.unwrap().line).unwrap();
                    pair.reply(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{page}}}"#, asked["id"])).await;
                }
            }
        };
        assert_eq!(decision(&told)["codes"][0], "mcp_list_refused", "{page}");
    }
}

#[tokio::test]
async fn a_schema_that_explodes_refuses_its_own_tool_alone() {
    let mut pair = Pair::new().legacy("{}").await;
    let bomb = format!(
        r#"{{"type":"object","properties":{{"a":{}{{}}{}}}}}"#,
        r#"{"items":"#.repeat(50),
        "}".repeat(50)
    );
    pair.tools =
        format!(r#"[{{"name":"pay","inputSchema":{bomb}}},{{"name":"read","inputSchema":{{"type":"object"}}}}]"#);
    pair.say(&call(1, "pay", r#"{"a":1}"#)).await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "schema_unusable");
    pair.say(&call(2, "read", "{}")).await;
    assert_eq!(pair.asked().await["params"]["name"], "read");
}

#[tokio::test]
async fn unasked_answers_forged_ids_and_noise_are_dropped() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#).await;
    pair.asked().await;
    for line in [
        "Server listening on stdio",
        r#"{"jsonrpc":"2.0","id":6,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"5","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"dev.actionpass/9","result":{"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":5,"result":{},"id":6}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{}}"#,
        r#"[{"jsonrpc":"2.0","id":5,"result":{}}]"#,
    ] {
        pair.reply(line).await;
    }
    assert_eq!(pair.session.dropped(), 9);
    pair.reply(r#"{"jsonrpc":"2.0","id":5,"result":{}}"#).await;
    assert_eq!(
        pair.told().await,
        serde_json::json!({"jsonrpc":"2.0","id":5,"result":{}})
    );
    // A second answer is one to nothing.
    pair.reply(r#"{"jsonrpc":"2.0","id":5,"result":{"again":1}}"#).await;
    pair.quiet().await;
}

#[tokio::test]
async fn an_answer_that_readers_read_differently_is_none() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false}}"#)
        .await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "mcp_answer_refused");
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false)]);
}

#[tokio::test]
async fn a_server_asks_only_what_the_client_can_be_asked() {
    let mut pair = Pair::new().legacy(r#"{"sampling":{},"elicitation":{"url":{}}}"#).await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"x":1.0}}"#)
        .await;
    assert_eq!(pair.told().await["params"]["x"], 1.0);
    // An id in use, and things that the client isn't asked.
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    for method in ["roots/list", "tools/call", "elicitation/create"] {
        let params = r#"{"mode":"url","url":"HTTPS://Gate.example/r/2","message":"Please approve"}"#;
        pair.reply(&format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"{method}","params":{params}}}"#
        ))
        .await;
        assert_eq!(pair.asked().await["error"]["code"], -32601, "{method}");
    }
    pair.say(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#).await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"result":{"y":1.0}}"#).await;
    assert_eq!(
        pair.asked().await,
        serde_json::json!({"jsonrpc":"2.0","id":1,"result":{"y":1.0}})
    );
    pair.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    pair.quiet().await;
}

#[tokio::test]
async fn the_server_gets_what_the_pass_is_for() {
    let payload = crate::message::admitted(br#"{"a":2}"#).unwrap();
    let door = ScriptedDoor::new(|_, _| Ok(Decision::Allow)).permitting(payload);
    let mut pair = Pair::with(settings(), door).legacy("{}").await;
    pair.tools = r#"[{"name":"read","inputSchema":{"type":"object","additionalProperties":true}}]"#.to_owned();
    pair.say(&call(1, "read", r#"{"a":1}"#)).await;
    assert_eq!(pair.asked().await["params"]["arguments"], serde_json::json!({"a": 2}));
}

#[tokio::test]
async fn a_server_sends_nobody_to_the_page_of_the_gate() {
    let mut pair = Pair::new();
    pair.say(&modern(1, "tools/call", r#""name":"read""#, URL)).await;
    pair.asked().await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"mode":"url","u\u0072l":"https://gate.example/r/9"}}},"requestState":"s"}}"#).await;
    assert_eq!(decision(&pair.told().await)["codes"][0], "mcp_elicitation_refused");
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false)]);
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_waits_is_never_made() {
    let mut pair = Pair::new().legacy("{}").await;
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(&call(1, "read", "{}")).await;
    let asked = tokio::select! { asked = pair.server.recv() => asked.unwrap() };
    let asked: Value = serde_json::from_slice(&asked.line).unwrap();
    pair.reply(&format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":{TOOLS}}}}}"#,
        asked["id"]
    ))
    .await;
    while pair.door.waits.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    pair.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    drop(slots);
    pair.quiet().await;
    assert_eq!(pair.door.seen(), []);
    // The same call again goes on.
    pair.say(&call(2, "read", "{}")).await;
    assert_eq!(pair.asked().await["id"], 2);
    // So does one whose client hangs up.
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(&call(3, "read", "{}")).await;
    while pair.door.waits.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    pair.session.client_gone();
    drop(slots);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(pair.server.try_recv().is_err());
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_runs_is_reported_as_unknown() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    pair.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"enough"}}"#)
        .await;
    let asked = pair.asked().await;
    assert_eq!(
        (&asked["method"], &asked["params"]["requestId"]),
        (&"notifications/cancelled".into(), &1.into())
    );
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    pair.quiet().await;
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false)]);
}

#[tokio::test]
async fn a_server_that_dies_leaves_its_calls_unknown_and_everyone_answered() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    pair.asked().await;
    pair.say(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await;
    pair.asked().await;
    pair.session.answer_lost().await;
    let (first, second) = (pair.told().await, pair.told().await);
    let told = if first["id"] == 1 { &first } else { &second };
    let pinged = if first["id"] == 2 { &first } else { &second };
    assert_eq!(decision(told)["codes"][0], "mcp_server_gone");
    assert_eq!(decision(told)["outcome"], "unknown");
    assert_eq!(code(pinged), "mcp_server_gone");
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false)]);
    // Nothing is sent to it any more, and nothing is used up.
    pair.say(&call(3, "read", "{}")).await;
    let told = pair.told().await;
    assert_eq!(decision(&told)["codes"][0], "mcp_server_gone");
    assert_eq!(pair.door.outcomes().last(), Some(&(OutcomeStatus::Failed, false)));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_told_by_its_id_at_either_end() {
    let mut pair = Pair::new().legacy("{}").await;
    for (id, start, end) in [
        (1, r#"{"jsonrpc":"2.0","id":1,"result":{"a":""#, r#"xxx"}}"#),
        (2, r#"{"result":{"a":""#, r#"xxx"},"jsonrpc":"2.0","id":2}"#),
    ] {
        pair.say(&call(id, "read", "{}")).await;
        pair.asked().await;
        pair.session
            .from_server_too_long(start.as_bytes(), end.as_bytes())
            .await;
        assert_eq!(decision(&pair.told().await)["codes"][0], "mcp_message_too_large");
    }
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Unknown, false); 2]);
}

#[tokio::test]
async fn a_pass_that_cannot_be_used_up_makes_no_call() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.door.consumes_fail.store(true, Ordering::SeqCst);
    pair.say(&call(1, "read", "{}")).await;
    let told = pair.told().await;
    assert_eq!(decision(&told)["codes"][0], "answer_contradicts");
    pair.quiet().await;
    let failing = ScriptedDoor::new(|_, _| Err(DoorError::new(DoorCode::AnswerContradicts, "broken")));
    let mut pair = Pair::with(settings(), failing).legacy("{}").await;
    pair.say(&call(1, "read", "{}")).await;
    assert_eq!(decision(&pair.told().await)["decision"], "error");
    pair.quiet().await;
}

#[tokio::test]
async fn an_observing_door_hides_nothing_and_says_so() {
    let door = ScriptedDoor::new(|_, _| Ok(Decision::Deny))
        .with_pins(Pins::default())
        .observing();
    let mut pair = Pair::with(settings(), door).legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(pair.told().await["result"]["tools"].as_array().unwrap().len(), 3);
    pair.say(&call(2, "write", "{}")).await;
    let asked = pair.asked().await;
    assert!(asked["params"].get("_meta").is_none());
    pair.reply(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[],"n":1.0,"_meta":{"a/b":1}}}"#)
        .await;
    let told = pair.told().await;
    assert_eq!(told["result"]["_meta"]["a/b"], 1);
    let decision = &told["result"]["_meta"]["dev.actionpass/decision"];
    assert_eq!(
        (&decision["mode"], &decision["decision"]),
        (&"observe".into(), &"deny".into())
    );
    assert_eq!(pair.door.outcomes(), [(OutcomeStatus::Executed, true)]);
}

#[tokio::test]
async fn eras_do_not_mix() {
    let mut pair = Pair::new();
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    assert_eq!(code(&pair.told().await), "mcp_not_initialized");
    pair.say(&modern(2, "initialize", "", "{}")).await;
    assert_eq!(pair.told().await["error"]["code"], -32022);
    pair.say(r#"{"jsonrpc":"2.0","id":3,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2031-01-01"}}}"#).await;
    assert_eq!(
        pair.told().await["error"]["data"]["supported"],
        serde_json::json!(["2026-07-28"])
    );
    // A legacy server doesn't know `server/discover`; then `initialize` may follow on the same connection.
    pair.say(&modern(4, "server/discover", "", "{}")).await;
    pair.asked().await;
    pair.reply(r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"no"}}"#)
        .await;
    pair.told().await;
    let mut pair = pair.legacy("{}").await;
    pair.say(&modern(5, "tools/call", r#""name":"read""#, "{}")).await;
    let told = pair.told().await;
    assert_eq!(
        (&told["error"]["code"], &told["error"]["data"]["supported"][0]),
        (&(-32022).into(), &"2025-11-25".into())
    );

    let mut pair = Pair::new();
    pair.say(&modern(1, "server/discover", "", "{}")).await;
    assert_eq!(
        pair.asked().await["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#)
        .await;
    pair.told().await;
    assert_eq!(pair.session.era(), Some(Era::Modern));
    pair.say(r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#)
        .await;
    assert_eq!(pair.told().await["error"]["code"], -32022);
    // Servers of this era ask nothing by themselves.
    pair.reply(r#"{"jsonrpc":"2.0","id":"s","method":"ping"}"#).await;
    assert_eq!(pair.asked().await["error"]["code"], -32601);
    pair.say(&modern(3, "tools/list", "", "{}")).await;
    let told = pair.told().await;
    assert_eq!(
        (&told["result"]["ttlMs"], &told["result"]["cacheScope"]),
        (&0.into(), &"private".into())
    );
}

#[tokio::test]
async fn a_server_of_an_unknown_version_is_refused() {
    let mut pair = Pair::new();
    pair.say(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#,
    )
    .await;
    pair.asked().await;
    pair.reply(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2031-01-01"}}"#)
        .await;
    assert_eq!(code(&pair.told().await), "mcp_version_refused");
    assert_eq!(pair.session.era(), None);
}

#[tokio::test]
async fn an_id_in_use_is_not_answered_twice() {
    let mut pair = Pair::new().legacy("{}").await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    pair.asked().await;
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    let told = pair.told().await;
    assert_eq!((&told["id"], code(&told)), (&Value::Null, "mcp_id_refused"));
    pair.say(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#)
        .await;
    let told = pair.told().await;
    assert_eq!((&told["id"], code(&told)), (&Value::Null, "mcp_message_refused"));
    pair.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_is_told_every_ten_seconds() {
    let mut pair = Pair::new().legacy("{}").await;
    let door = Arc::clone(&pair.door);
    let slots = door.gate.acquire_many(1000).await.unwrap();
    pair.say(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{"progressToken":"p"}}}"#,
    )
    .await;
    let started = tokio::time::Instant::now();
    for count in 1..=3 {
        let told = pair.told().await;
        assert_eq!(
            (&told["params"]["progressToken"], &told["params"]["progress"]),
            (&"p".into(), &count.into())
        );
        assert_eq!(started.elapsed(), Duration::from_secs(10 * count));
    }
    drop(slots);
    assert_eq!(pair.asked().await["params"]["name"], "read");
}

mod attacks;
