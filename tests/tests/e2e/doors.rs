//! A front door at a service: the same as on its home, and nothing is made on the word of a service that contradicts itself.

use actionpass_canon::{CanonicalBytes, Limits, admit};
use actionpass_client::Client;
use actionpass_door::{Door, Mode, Occasion, Outcome, ServiceDoor, Verdict};
use actionpass_gate::{HttpCall, ListedTool, MethodCall, Origin, Standing, ToolCall};
use actionpass_model::{CodedError as _, Decision};
use actionpass_servers::fake::{Answer, Fake};
use actionpass_testkit::block_on;
use serde_json::{Value, json};

use crate::home::Home;
use crate::served::Served;

const TOOLS: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "files"
command = ["files-server"]
root = "/srv"
env = ["FILES_KEY"]
[[server]]
name = "other"
[[tool]]
match = "files/read"
tool = "files.read"
resource = "file:{path:payload.path}"
[[tool]]
match = "files/write"
tool = "files.write"
resource = "file:{path:payload.path}"
risk = "high"
"#;
const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "doors"
[[rule]]
id = "reads"
effect = "allow"
tool = "files.read"
[[rule]]
id = "resources"
effect = "allow"
tool = "mcp-method/files/resources/read"
[[rule]]
id = "writes"
effect = "step_up"
tool = "files.write"
approvals = { count = 1 }
"#;

fn home() -> Home {
    let home = Home::new();
    std::fs::write(home.path("home/tools.toml"), TOOLS).unwrap();
    std::fs::write(home.path("home/policy.toml"), POLICY).unwrap();
    home
}

/// A client for one agent, as a front door is.
fn token(home: &Home) -> String {
    let added = home
        .run([
            "clients",
            "add",
            "laptop",
            "--may",
            "authorize,consume,outcome",
            "--tenant",
            "org:example",
            "--agent",
            "agent:helper",
            "--owner",
            "user:maya@example.com",
            "--runtime",
            "runtime:desk",
            "--server",
            "files",
            "--audience",
            "*",
        ])
        .exits(0)
        .json();
    added["token"].as_str().unwrap().to_owned()
}

fn door(url: &str, token: &str, mode: Mode) -> ServiceDoor {
    ServiceDoor::new(Client::new(url, token).unwrap(), mode)
}

fn bytes(text: &str) -> CanonicalBytes {
    admit(text.as_bytes(), &Limits::default()).unwrap()
}

fn ask(door: &ServiceDoor, server: &str, tool: &str, arguments: &str) -> Verdict {
    let arguments = bytes(arguments);
    let occasion = Occasion::of_session("s-1");
    block_on(door.ask(ToolCall::new(server, tool, &arguments).into(), &occasion)).unwrap()
}

fn reasons(verdict: &Verdict) -> Vec<&str> {
    let reasons = match verdict {
        Verdict::Refused(refused) => &refused.reasons,
        Verdict::Observed(observed) => &observed.reasons,
        other => panic!("{other:?}"),
    };
    reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn kinds(home: &Home) -> Vec<String> {
    let ledger = home.run(["ledger", "export"]).exits(0).json();
    let records = ledger["records"].as_array().unwrap();
    records
        .iter()
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_door_at_a_service_asks_uses_up_and_reports_as_on_its_home() {
    let home = home();
    let token = token(&home);
    let served = Served::start(&home, &token);
    let door = door(&served.url(), &token, Mode::Enforce);

    let servers = block_on(door.servers()).unwrap();
    assert_eq!(servers.len(), 1, "the entry names one server");
    assert_eq!(
        (&*servers[0].name, &servers[0].env),
        ("files", &vec!["FILES_KEY".to_owned()])
    );

    let Verdict::Allowed(allowed) = ask(&door, "files", "read", r#"{"path":"a","n":1.50}"#) else {
        panic!("a read is allowed")
    };
    let again = allowed.clone();
    let permit = block_on(door.consume(allowed)).unwrap();
    assert_eq!(permit.payload.as_str(), r#"{"n":1.5,"path":"a"}"#);
    block_on(door.report(&permit.ran(), Outcome::executed())).unwrap();
    let error = block_on(door.consume(again)).unwrap_err();
    assert_eq!(error.code().as_str(), "already_used");
    let error = block_on(door.report(&permit.ran(), Outcome::failed())).unwrap_err();
    assert_eq!(error.code().as_str(), "outcome_contradicts");

    let params = bytes(r#"{"uri":"file:///a"}"#);
    let occasion = Occasion::of_session("s-1");
    let read = block_on(door.ask(MethodCall::new("files", "resources/read", &params).into(), &occasion)).unwrap();
    assert!(matches!(read, Verdict::Allowed(_)));

    let parked = ask(&door, "files", "write", r#"{"path":"a"}"#);
    let Verdict::Refused(refused) = &parked else {
        panic!("{parked:?}")
    };
    assert_eq!(refused.decision, Decision::StepUp);
    let request = refused.answer.as_ref().unwrap().request.as_ref().unwrap();
    assert!(
        request.review.contains(request.id.as_str()),
        "where people decide is said: {request:?}"
    );

    assert_eq!(reasons(&ask(&door, "files", "delete", "{}")), ["default_deny"]);
    assert_eq!(
        reasons(&ask(&door, "files", "read", r#"{"path":".."}"#)),
        ["call_value_dots"]
    );
    assert_eq!(reasons(&ask(&door, "files", "re ad", "{}")), ["call_not_normalizable"]);
    // Of another server than its entry names it learns nothing.
    let arguments = bytes("{}");
    let elsewhere = block_on(door.ask(ToolCall::new("other", "read", &arguments).into(), &occasion)).unwrap_err();
    assert_eq!(elsewhere.code().as_str(), "client_forbidden");
    let http = block_on(door.ask(HttpCall::new("GET", "h", "/").into(), &occasion)).unwrap_err();
    assert_eq!(http.code().as_str(), "not_over_a_service");
    home.run(["ledger", "verify"]).exits(0);
}

#[test]
fn a_door_at_a_service_calls_tools_as_somebody_approved_them() {
    let home = home();
    let token = token(&home);
    let served = Served::start(&home, &token);
    let door = door(&served.url(), &token, Mode::Enforce);
    let listed = |text: &str| ListedTool::read_all(text.as_bytes(), &[], &Limits::default()).unwrap();
    let origin = Origin::Command(vec!["files-server".to_owned()]);
    let arguments = bytes(r#"{"path":"a"}"#);
    let occasion = Occasion::of_session("s-1");
    let call = |tool: &ListedTool| {
        let call = ToolCall::new("files", "read", &arguments).with_definition(tool);
        block_on(door.ask(call.into(), &occasion)).unwrap()
    };
    // A number that nobody holds is told as it is.
    let tools = listed(
        r#"[{"name":"read","inputSchema":{"type":"object","properties":{"path":{"type":"string"},"n":{"maximum":9223372036854775807}}}}]"#,
    );
    assert_eq!(reasons(&call(&tools[0])), ["tool_not_pinned"], "it wasn't listed");
    let states = block_on(door.listed("files", &origin, &tools)).unwrap();
    assert_eq!(states[0].standing, Standing::New);
    assert_eq!(reasons(&call(&tools[0])), ["tool_not_pinned"]);

    home.run(["pins", "approve", "files", "read", "--yes"]).exits(0);
    let states = block_on(door.listed("files", &origin, &tools)).unwrap();
    assert_eq!(
        (&states[0].standing, states[0].hash),
        (&Standing::Pinned, tools[0].hash())
    );
    assert!(matches!(call(&tools[0]), Verdict::Allowed(_)));
    assert_eq!(
        reasons(&ask(&door, "files", "read", r#"{"path":"a","more":1}"#)),
        ["argument_undeclared"]
    );

    let changed = listed(r#"[{"name":"read","description":"Read it all.","inputSchema":{"type":"object"}}]"#);
    assert_eq!(
        reasons(&call(&changed[0])),
        ["definition_changed"],
        "it wasn't listed so"
    );
    let states = block_on(door.listed("files", &origin, &changed)).unwrap();
    assert!(
        matches!(&states[0].standing, Standing::Changed(changes) if changes.len() >= 2),
        "{states:?}"
    );
    assert_eq!(reasons(&call(&changed[0])), ["definition_changed"]);
    let elsewhere = Origin::Url("https://mcp.example.com".to_owned());
    let states = block_on(door.listed("files", &elsewhere, &tools)).unwrap();
    assert_eq!(states[0].standing, Standing::OtherOrigin);
    assert_eq!(reasons(&call(&tools[0])), ["server_origin_changed"]);
}

#[test]
fn a_door_that_observes_at_a_service_holds_nothing_up() {
    let home = home();
    let token = token(&home);
    let served = Served::start(&home, &token);
    let door = door(&served.url(), &token, Mode::Observe);
    for (tool, would) in [
        ("read", Decision::Allow),
        ("write", Decision::StepUp),
        ("delete", Decision::Deny),
    ] {
        let Verdict::Observed(observed) = ask(&door, "files", tool, r#"{"path":"a"}"#) else {
            panic!("it observes")
        };
        assert_eq!(observed.would, would);
        let answer = observed.answer.as_ref().unwrap();
        assert!(answer.pass.is_none() && answer.request.is_none());
        block_on(door.report(&observed.ran(), Outcome::executed())).unwrap();
    }
    let verified = home.run(["ledger", "verify"]).exits(0).json();
    assert_eq!(verified["observed"], 3);
    assert_eq!(kinds(&home).iter().filter(|kind| *kind == "outcome").count(), 3);
    assert!(!kinds(&home).iter().any(|kind| kind == "use" || kind == "request"));
    // A decision that was enforced has no such outcome, whoever asks.
    let enforced = served.post(
        "/v1/authorize",
        &json!({ "call": { "server": "files", "tool": "read", "arguments": { "path": "a" } }, "intent": { "task": "T" } }),
    );
    let record = &enforced.body["record"];
    let report = json!({ "decision": { "seq": record["seq"], "id": record["id"] }, "status": "executed" });
    let refused = served.post("/v1/outcomes", &report);
    assert_eq!((refused.status, &refused.body["code"]), (404, &json!("pass_not_used")));
}

/// An answer as the service gives it.
fn said(body: &Value) -> Answer {
    let (body, head) = (body.to_string(), "HTTP/1.1 200 OK\r\ncontent-type: application/json");
    Answer::Raw(
        format!(
            "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

/// What a service answers that lets nothing happen at its door.
#[test]
fn a_door_makes_nothing_on_the_word_of_a_service_that_contradicts_itself() {
    let home = home();
    let token = token(&home);
    let served = Served::start(&home, &token);
    let question = json!({ "call": { "server": "files", "tool": "read", "arguments": { "path": "a" } }, "intent": { "task": "T" } });
    let honest = served.post("/v1/authorize", &question).body;
    let used = json!({
        "token": honest["pass"]["token"], "tool": honest["tool"], "resource": honest["resource"], "payload": { "path": "a" },
        "audience": honest["audience"],
    });
    let verdict = served.post("/v1/consume", &used).body;
    assert_eq!(
        (&verdict["valid"], &verdict["consumed"]),
        (&json!(true), &json!(true)),
        "{verdict}"
    );
    let code = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut answer, mut verdict) = (honest.clone(), verdict.clone());
        change(&mut answer, &mut verdict);
        let fake = Fake::start(move |question| {
            if question.path.ends_with("/consume") {
                return said(&verdict);
            }
            let mut answer = answer.clone();
            answer["actionId"] = question.header("idempotency-key").unwrap().into();
            said(&answer)
        });
        let door = door(&fake.address(), &token, Mode::Enforce);
        let arguments = bytes(r#"{"path":"a"}"#);
        let occasion = Occasion::of_session("s-1");
        let call = ToolCall::new("files", "read", &arguments);
        let verdict = match block_on(door.ask(call.into(), &occasion)) {
            Err(error) => return error.code().as_str().to_owned(),
            Ok(verdict) => verdict,
        };
        match verdict {
            Verdict::Allowed(allowed) => match block_on(door.consume(allowed)) {
                Ok(_) => "made".to_owned(),
                Err(error) => error.code().as_str().to_owned(),
            },
            Verdict::Refused(refused) => format!("{:?}", refused.decision),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code(&|_, _| {}), "made");
    let remove = |value: &mut Value, member: &str| drop(value.as_object_mut().unwrap().remove(member));
    assert_eq!(code(&|answer, _| remove(answer, "pass")), "service_answer_malformed");
    assert_eq!(code(&|answer, _| remove(answer, "tool")), "answer_contradicts");
    assert_eq!(code(&|answer, _| remove(answer, "resource")), "answer_contradicts");
    assert_eq!(
        code(&|answer, _| answer["decision"] = "deny".into()),
        "service_answer_malformed"
    );
    let denied = |answer: &mut Value, _: &mut Value| {
        answer["decision"] = "deny".into();
        answer.as_object_mut().unwrap().remove("pass");
    };
    assert_eq!(code(&denied), "Deny");
    for payload in [r#"{"path":"b"}"#, r#"{"path": "a"}"#, "{}"] {
        assert_eq!(
            code(&|_, verdict| verdict["payloadCanonical"] = payload.into()),
            "answer_contradicts"
        );
    }
    assert_eq!(
        code(&|_, verdict| verdict["consumed"] = false.into()),
        "answer_contradicts"
    );
    assert_eq!(
        code(&|_, verdict| verdict["valid"] = false.into()),
        "service_answer_malformed"
    );
    let expired = |_: &mut Value, verdict: &mut Value| {
        *verdict =
            json!({ "valid": false, "consumed": false, "codes": ["expired"], "compared": [], "at": verdict["at"] });
    };
    assert_eq!(code(&expired), "expired");
    drop(served);
    let gone = door("http://127.0.0.1:9", &token, Mode::Enforce);
    let arguments = bytes("{}");
    let error = block_on(gone.ask(
        ToolCall::new("files", "read", &arguments).into(),
        &Occasion::of_session("s"),
    ))
    .unwrap_err();
    assert_eq!(error.code().as_str(), "service_unreachable");
}
