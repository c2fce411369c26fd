//! Decisions on calls, which the tool catalogue makes actions of, asked through the real router.

use actionpass_gate::{ListedTool, Origin};
use actionpass_home::{Client, HomeError, Patterns};
use axum::http::HeaderValue;
use serde_json::{Value, json};

use crate::testing::{Answer, Fixture, everything, post};

const TOOLS: &str = r#"
schema = "actionpass.tools.v1"
[[server]]
name = "github"
[[server]]
name = "docs"
[[tool]]
match = "github/create_pull_request"
tool = "github.pull_requests.create"
resource = "repo:{payload.owner}/{payload.repo}"
fold = ["payload.owner", "payload.repo"]
risk = "high"
[[tool]]
match = "github/merge"
tool = "github.merge"
schema = "pinned"
[[tool]]
match = "http:POST api.example.com/v1/refunds/{id}"
tool = "payments.refund"
resource = "refund:{payload.path.id}"
"#;

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "calls"
[[rule]]
id = "pr"
effect = "allow"
tool = "github.pull_requests.create"
resource = "repo:company/*"
when = [{ path = "fact.tool.risk", one_of = ["high"] }]
[[rule]]
id = "tested"
effect = "allow"
tool = "github.merge"
when = [{ path = "fact.testsPassed", one_of = [true] }]
[[rule]]
id = "docs"
effect = "step_up"
tool = "mcp-method/docs/resources/read"
reason = "somebody looks at what is read"
approvals = { count = 1, roles = ["maintainer"] }
agent = "agent:*"
[[rule]]
id = "refund"
effect = "allow"
tool = "payments.refund"
"#;

async fn fixture() -> Fixture {
    Fixture::configured(|home| {
        std::fs::write(home.path("tools.toml"), TOOLS).unwrap();
        std::fs::write(home.path("policy.toml"), POLICY).unwrap();
    })
    .await
}

/// A client whose entry leaves no choice of who calls.
fn codex() -> Client {
    let only = |name: &str| vec![name.to_owned()];
    let mut client = everything();
    client.tenants = Patterns::of_tenants(only("org:example")).unwrap();
    client.agents = Patterns::of_agents(only("agent:codex-prod")).unwrap();
    client.owners = Patterns::of_owners(only("user:owner@example.com")).unwrap();
    client.runtimes = Patterns::of_runtimes(only("runtime:codex-cli")).unwrap();
    client.servers = Patterns::of_servers(vec!["github".to_owned(), "docs".to_owned()]).unwrap();
    client.attests = false;
    client
}

fn calling(call: &Value) -> Value {
    json!({ "call": call, "intent": { "task": "AXT-418", "summary": "fix it" } })
}

fn pull_request(arguments: &Value) -> Value {
    calling(&json!({ "server": "github", "tool": "create_pull_request", "arguments": arguments }))
}

fn with(mut question: Value, member: &str, part: Value) -> Value {
    question[member] = part;
    question
}

async fn ask(fixture: &Fixture, client: &Client, question: &Value) -> Answer {
    fixture.post(client, "/v1/authorize", question).await
}

/// Approves a tool of `github` as it is listed.
fn pin(fixture: &Fixture, definition: &str) {
    let listed = ListedTool::read_all(definition.as_bytes(), &[], &actionpass_canon::Limits::default()).unwrap();
    let origin = Origin::Command(vec!["github-mcp-server".to_owned()]);
    let now = crate::gate::now().unwrap();
    let home = &fixture.gate.home.home;
    home.change_pins(|pins| {
        pins.offer("github", &origin, &listed);
        pins.approve("github", listed[0].name(), now, None)?;
        Ok::<_, HomeError>(())
    })
    .unwrap();
}

#[tokio::test]
async fn a_call_is_decided_on_as_the_catalogue_says() {
    let fixture = fixture().await;
    let question = pull_request(&json!({ "owner": "Company", "repo": "web-app", "title": "Fix" }));
    let answer = ask(&fixture, &codex(), &question).await.ok();
    assert_eq!(answer["decision"], "allow", "{answer}");
    assert_eq!(answer["tool"], "github.pull_requests.create");
    assert_eq!(answer["resource"], "repo:company/web-app");
    let record = fixture.last_record().await;
    let body = &record["body"];
    assert_eq!(record["tenant"], "org:example");
    assert_eq!(body["actor"]["agent"], "agent:codex-prod");
    assert_eq!((&body["task"], &body["door"]), (&json!("AXT-418"), &json!("http")));
    // The catalogue attests the risk, whoever asks.
    assert_eq!(body["facts"]["source"], "tools.toml");
    // The pass is for the payload as it was sent.
    let consumed = fixture
        .post(
            &everything(),
            "/v1/consume",
            &json!({
                "token": answer["pass"]["token"], "tool": answer["tool"], "resource": answer["resource"],
                "payload": question["call"]["arguments"], "audience": "github.pull_requests.create", "tenant": "org:example",
            }),
        )
        .await
        .ok();
    assert_eq!(
        (&consumed["valid"], &consumed["consumed"]),
        (&json!(true), &json!(true))
    );
    let other = ask(
        &fixture,
        &codex(),
        &pull_request(&json!({ "owner": "other", "repo": "web-app" })),
    )
    .await;
    assert_eq!(other.ok()["decision"], "deny");
}

#[tokio::test]
async fn other_methods_and_requests_are_calls_too() {
    let fixture = fixture().await;
    let read = calling(&json!({ "server": "docs", "method": "resources/read", "params": { "uri": "file:///a" } }));
    let answer = ask(&fixture, &codex(), &read).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["tool"]),
        (&json!("step_up"), &json!("mcp-method/docs/resources/read"))
    );
    // The same question joins the request that waits.
    let again = ask(&fixture, &codex(), &read).await.ok();
    assert_eq!(again["request"]["id"], answer["request"]["id"]);
    let other = with(read, "context", json!({ "session": "s1" }));
    let other = ask(&fixture, &codex(), &other).await.ok();
    assert_ne!(other["request"]["id"], answer["request"]["id"]);

    let refund = calling(&json!({
        "method": "POST", "host": "api.example.com", "target": "/v1/refunds/re_1?reason=late", "body": { "amount": 5 },
    }));
    let answer = ask(&fixture, &codex(), &refund).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["resource"]),
        (&json!("allow"), &json!("refund:re_1")),
        "{answer}"
    );
    let unnamed = calling(&json!({ "server": "github", "tool": "delete_repo", "arguments": {} }));
    let answer = ask(&fixture, &codex(), &unnamed).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["tool"], &answer["resource"]),
        (
            &json!("deny"),
            &json!("mcp/github/delete_repo"),
            &json!("server:github")
        )
    );
}

#[tokio::test]
async fn a_call_that_is_none_is_refused_with_its_place() {
    let fixture = fixture().await;
    let before = fixture.records().await;
    let good = json!({ "owner": "company", "repo": "web-app" });
    let http = |target: &str| calling(&json!({ "method": "POST", "host": "api.example.com", "target": target }));
    for (question, code, path) in [
        (calling(&Value::Null), "value_not_stated", Some("call")),
        (calling(&json!(7)), "call_malformed", Some("call")),
        (calling(&json!({ "tool": "t" })), "call_malformed", Some("call")),
        (
            json!({ "call": { "server": "github", "tool": "a", "arguments": {} } }),
            "value_not_stated",
            Some("intent"),
        ),
        (
            with(pull_request(&good), "intent", json!({})),
            "member_missing",
            Some("intent"),
        ),
        (
            with(pull_request(&good), "intent", json!({ "task": "T-1", "by": "me" })),
            "member_unknown",
            Some("intent.by"),
        ),
        (
            with(pull_request(&good), "action", json!({})),
            "request_malformed",
            Some("call"),
        ),
        (
            with(pull_request(&good), "context", json!([])),
            "member_invalid",
            Some("context"),
        ),
        (
            pull_request(&json!({ "owner": "company" })),
            "call_value_missing",
            Some("call.payload.repo"),
        ),
        (
            pull_request(&json!({ "owner": "..", "repo": "x" })),
            "call_value_dots",
            Some("call.payload.owner"),
        ),
        (
            pull_request(&json!([])),
            "call_arguments_not_object",
            Some("call.payload"),
        ),
        (
            calling(&json!({ "server": "github", "tool": "../x", "arguments": {} })),
            "call_not_normalizable",
            Some("call.tool"),
        ),
        (
            calling(&json!({ "server": "github", "tool": "merge", "arguments": {} })),
            "tool_not_pinned",
            Some("call.tool"),
        ),
        (http("/v1/refunds/a/../b"), "call_path_ambiguous", Some("call.path")),
        (http("/v1/orders"), "call_not_mapped", Some("call")),
    ] {
        let answer = ask(&fixture, &codex(), &question).await;
        let (status, found) = answer.problem();
        assert_eq!((status, found.as_str()), (400, code), "{question}");
        assert_eq!(answer.json()["path"].as_str(), path, "{question}: {}", answer.json());
    }
    // What two readers could read differently the gate refuses, wherever it stands.
    for (arguments, code) in [
        (r#"{"owner":"company","repo":"a","repo":"b"}"#, "member_duplicate"),
        (
            r#"{"owner":"company","repo":"a","n":9007199254740993}"#,
            "number_unsafe_integer",
        ),
        (
            r#"{"owner":"company","repo":"a","n":0.1000000000000000055511151231257827}"#,
            "number_not_exact",
        ),
    ] {
        let body = format!(
            r#"{{"call":{{"server":"github","tool":"create_pull_request","arguments":{arguments}}},"intent":{{"task":"T-1"}}}}"#
        );
        let answer = fixture.send(&codex(), post("/v1/authorize", body)).await;
        assert_eq!(answer.problem(), (400, code.to_owned()));
    }
    assert_eq!(fixture.records().await, before);
}

#[tokio::test]
async fn the_schema_that_is_pinned_holds() {
    let fixture = fixture().await;
    pin(
        &fixture,
        r#"[{"name":"merge","inputSchema":{"type":"object","properties":{"number":{"type":"integer"}}}}]"#,
    );
    let merge = |arguments: Value| calling(&json!({ "server": "github", "tool": "merge", "arguments": arguments }));
    for (arguments, code, path) in [
        (json!({ "number": "7" }), "arguments_invalid", "call.payload.number"),
        (
            json!({ "number": 7, "force": true }),
            "argument_undeclared",
            "call.payload.force",
        ),
    ] {
        let answer = ask(&fixture, &codex(), &merge(arguments)).await;
        assert_eq!(answer.problem(), (400, code.to_owned()));
        assert_eq!(answer.json()["path"], path);
    }
    // Which definition it was, the record says.
    let answer = ask(&fixture, &codex(), &merge(json!({ "number": 7 }))).await.ok();
    assert_eq!(answer["decision"], "deny");
    let body = fixture.last_record().await["body"].take();
    let pinned = fixture
        .gate
        .home
        .home
        .pins()
        .unwrap()
        .pinned("github", "merge")
        .unwrap();
    assert_eq!(
        (&body["server"], &body["definitionHash"]),
        (&json!("github"), &json!(pinned.hash()))
    );
}

#[tokio::test]
async fn nobody_is_believed_about_who_calls_or_about_the_tool() {
    let fixture = fixture().await;
    let good = pull_request(&json!({ "owner": "company", "repo": "web-app" }));
    let mut of_docs = codex();
    of_docs.servers = Patterns::of_servers(vec!["docs".to_owned()]).unwrap();
    let mut of_other = codex();
    of_other.tenants = Patterns::of_tenants(vec!["org:other".to_owned()]).unwrap();
    let unlisted = calling(&json!({ "server": "gitlab", "tool": "x", "arguments": {} }));
    let forbidden = (403, "client_forbidden".to_owned());
    assert_eq!(ask(&fixture, &of_docs, &good).await.problem(), forbidden);
    assert_eq!(ask(&fixture, &codex(), &unlisted).await.problem(), forbidden);
    let stated = with(good.clone(), "caller", json!({ "agent": "agent:other" }));
    assert_eq!(ask(&fixture, &codex(), &stated).await.problem(), forbidden);
    // Another tenant's client speaks for its own, which this issuer doesn't serve.
    let other = ask(&fixture, &of_other, &good).await.problem();
    assert_eq!(other, (400, "caller_not_served".to_owned()));
    // Where the entry leaves a choice, somebody has to make it.
    let answer = ask(&fixture, &everything(), &good).await;
    assert_eq!(answer.problem(), (400, "value_not_stated".to_owned()));
    assert_eq!(answer.json()["path"], "caller.tenant");

    let now = crate::gate::now().unwrap();
    let facts = |facts: Value| json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": now, "facts": facts });
    let attested = with(good.clone(), "facts", facts(json!({ "testsPassed": true })));
    let answer = ask(&fixture, &codex(), &attested).await;
    assert_eq!(answer.problem(), (403, "facts_not_attested".to_owned()));
    let mut attesting = codex();
    attesting.attests = true;
    let answer = ask(&fixture, &attesting, &attested).await.ok();
    assert_eq!(answer["decision"], "allow");
    assert_eq!(fixture.last_record().await["body"]["facts"]["source"], "ci");
    let lied = with(good, "facts", facts(json!({ "tool": { "risk": "low" } })));
    let answer = ask(&fixture, &attesting, &lied).await;
    assert_eq!(answer.problem(), (400, "request_malformed".to_owned()));
    assert_eq!(answer.json()["path"], "facts.facts.tool");
}

#[tokio::test]
async fn a_call_is_asked_about_again_by_its_key() {
    let fixture = fixture().await;
    let question = pull_request(&json!({ "owner": "company", "repo": "web-app" }));
    let ask = async |question: &Value| {
        let mut request = post("/v1/authorize", question.to_string());
        let key = HeaderValue::from_static("act_0192f7c4aaaa7bbb8ccc0123456789ab");
        request.headers_mut().insert("idempotency-key", key);
        fixture.send(&codex(), request).await
    };
    let first = ask(&question).await.ok();
    assert_eq!(first["actionId"], "act_0192f7c4aaaa7bbb8ccc0123456789ab");
    assert_eq!(ask(&question).await.ok()["pass"], first["pass"]);
    let other = ask(&pull_request(&json!({ "owner": "company", "repo": "other" }))).await;
    assert_eq!(other.problem(), (400, "action_id_reused".to_owned()));
}

#[tokio::test]
async fn a_catalogue_that_is_replaced_is_taken_over() {
    let fixture = fixture().await;
    let home = &fixture.gate.home.home;
    let question = pull_request(&json!({ "owner": "company", "repo": "web-app" }));
    assert_eq!(
        ask(&fixture, &codex(), &question).await.ok()["resource"],
        "repo:company/web-app"
    );
    let changed = TOOLS.replace(
        "repo:{payload.owner}/{payload.repo}",
        "repo:elsewhere/{payload.owner}:{payload.repo}",
    );
    std::fs::write(home.path("tools.toml"), changed).unwrap();
    // Another process puts it into force.
    let policy = home.policy(&fixture.gate.home.config).unwrap();
    fixture.gate.home.administrator().enforce(&policy).await.unwrap();
    let answer = ask(&fixture, &codex(), &question).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["resource"]),
        (&json!("deny"), &json!("repo:elsewhere/company:web-app"))
    );
}
