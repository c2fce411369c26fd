//! The routes of decisions, asked through the real router.

use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_core::Request;
use actionpass_home::{Client, Patterns, Right};
use actionpass_model::{Caller, RequestId, VoteKind};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP};
use actionpass_store::ledger::{ChainVerifier, LedgerVerifier};
use axum::body::Body;
use axum::http::{self, HeaderValue, Method, StatusCode, header};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::testing::{Answer, Fixture, everything, post, value};

const UUID: &str = "0192F7C4-aaaa-7bbb-8ccc-0123456789ab";
const ACTION_ID: &str = "act_0192f7c4aaaa7bbb8ccc0123456789ab";

fn asking(action: &str) -> Value {
    json!({ "action": value(action) })
}

fn with(mut question: Value, member: &str, part: Value) -> Value {
    question[member] = part;
    question
}

fn facts() -> Value {
    let now = actionpass_core::Clock::now(&actionpass_core::System).unwrap();
    json!({ "schema": "actionpass.facts.v1", "source": "ci", "asOf": now, "facts": { "testsPassed": true } })
}

async fn keyed(fixture: &Fixture, question: &Value, key: &str) -> Answer {
    let mut request = post("/v1/authorize", question.to_string());
    let key = HeaderValue::from_str(key).unwrap();
    request.headers_mut().insert("idempotency-key", key);
    fixture.send(&everything(), request).await
}

/// A pass of the example that is allowed.
async fn allowed(fixture: &Fixture) -> Value {
    let answer = fixture
        .post(&everything(), "/v1/authorize", &asking(EXAMPLE_ALLOW))
        .await
        .ok();
    assert_eq!(answer["decision"], "allow");
    answer["pass"].clone()
}

fn verifying(pass: &Value) -> Value {
    json!({
        "token": pass["token"], "action": value(EXAMPLE_ALLOW), "audience": "linear.issues.create", "tenant": "org:example"
    })
}

#[tokio::test]
async fn every_decision_is_an_answer() {
    let fixture = Fixture::new().await;
    let client = everything();
    let before = fixture.records().await;
    let allow = fixture
        .post(&client, "/v1/authorize", &asking(EXAMPLE_ALLOW))
        .await
        .ok();
    assert_eq!(
        (&allow["decision"], &allow["reasons"][0]["code"], &allow["request"]),
        (&json!("allow"), &json!("rule_allowed"), &Value::Null)
    );
    assert!(allow["pass"]["token"].as_str().unwrap().starts_with("ey"));
    let deny = fixture.post(&client, "/v1/authorize", &asking(EXAMPLE_DENY)).await.ok();
    assert_eq!((&deny["decision"], &deny["pass"]), (&json!("deny"), &Value::Null));
    assert!(!deny["reasons"][0]["message"].as_str().unwrap().is_empty(), "{deny}");
    let step_up = fixture
        .post(&client, "/v1/authorize", &asking(EXAMPLE_STEP_UP))
        .await
        .ok();
    assert_eq!(
        (&step_up["decision"], &step_up["pass"]),
        (&json!("step_up"), &Value::Null)
    );
    let id = step_up["request"]["id"].as_str().unwrap();
    assert_eq!(step_up["request"]["state"], "pending");
    assert_eq!(step_up["request"]["events"], format!("/v1/requests/{id}/events"));
    let review = format!("{}/requests/{id}", fixture.gate.front.origin.as_str());
    assert_eq!(step_up["request"]["review"], review);
    // One record each, which names the door.
    let records = fixture.records_from(before).await;
    let doors: Vec<_> = records
        .iter()
        .map(|record| record.to_body::<Value>().unwrap()["door"].clone())
        .collect();
    assert_eq!(doors, [json!("http"), json!("http"), json!("http")]);
    assert_eq!(allow["record"]["seq"], before);
    let metrics = fixture.gate.front.metrics.text().unwrap();
    for outcome in ["allow", "deny", "step_up"] {
        let line = format!("actionpass_decisions_total{{outcome=\"{outcome}\"}} 1");
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
}

#[tokio::test]
async fn a_closed_question_opens_no_request() {
    let fixture = Fixture::new().await;
    let question = with(asking(EXAMPLE_STEP_UP), "open", json!(false));
    let answer = fixture.post(&everything(), "/v1/authorize", &question).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["request"]),
        (&json!("step_up"), &Value::Null)
    );
}

#[tokio::test]
async fn a_lost_answer_is_had_again_and_never_a_second_pass() {
    let fixture = Fixture::new().await;
    let first = keyed(&fixture, &asking(EXAMPLE_ALLOW), UUID).await.ok();
    assert_eq!(first["actionId"], ACTION_ID);
    let before = fixture.records().await;
    for key in [UUID, ACTION_ID, &format!("\"{ACTION_ID}\""), &UUID.to_lowercase()] {
        let again = keyed(&fixture, &asking(EXAMPLE_ALLOW), key).await.ok();
        assert_eq!(again["pass"], first["pass"]);
        assert_eq!(again["reasons"][0]["code"], "issued_before");
    }
    assert_eq!(fixture.records().await, before);
    // For another action it is refused, whatever was lost.
    let other = keyed(&fixture, &asking(EXAMPLE_STEP_UP), UUID).await.problem();
    assert_eq!(other, (400, "action_id_reused".to_owned()));
    // Used up, it is gone.
    fixture
        .post(&everything(), "/v1/consume", &verifying(&first["pass"]))
        .await
        .ok();
    let used = keyed(&fixture, &asking(EXAMPLE_ALLOW), UUID).await.problem();
    assert_eq!(used, (409, "action_already_issued".to_owned()));
}

/// The client hangs up while the decision is made: it is recorded or not, and asked again there is one pass of it.
#[tokio::test]
async fn a_client_that_hangs_up_gets_its_answer_by_asking_again() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let lost = tokio::time::timeout(Duration::ZERO, keyed(&fixture, &asking(EXAMPLE_ALLOW), UUID)).await;
    assert!(lost.is_err());
    let answer = keyed(&fixture, &asking(EXAMPLE_ALLOW), UUID).await.ok();
    assert_eq!(answer["decision"], "allow");
    assert_eq!(fixture.records().await, before + 1);
}

#[tokio::test]
async fn idempotency_keys_are_ids_and_agree_with_the_action() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let malformed = (400, "idempotency_key_malformed".to_owned());
    for key in [
        "",
        "1",
        "act_",
        "act_é",
        "{0192f7c4-aaaa-7bbb-8ccc-0123456789ab}",
        "urn:uuid:0192f7c4-aaaa-7bbb-8ccc-0123456789ab",
    ] {
        let mut request = post("/v1/authorize", asking(EXAMPLE_ALLOW).to_string());
        request
            .headers_mut()
            .insert("idempotency-key", HeaderValue::from_bytes(key.as_bytes()).unwrap());
        assert_eq!(fixture.send(&everything(), request).await.problem(), malformed, "{key}");
    }
    let mut twice = post("/v1/authorize", asking(EXAMPLE_ALLOW).to_string());
    for key in [UUID, UUID] {
        twice
            .headers_mut()
            .append("idempotency-key", HeaderValue::from_static(key));
    }
    assert_eq!(fixture.send(&everything(), twice).await.problem(), malformed);
    let mut named = asking(EXAMPLE_ALLOW);
    named["action"]["id"] = json!("act_other");
    let mismatch = (400, "idempotency_key_mismatch".to_owned());
    assert_eq!(keyed(&fixture, &named, UUID).await.problem(), mismatch);
    assert_eq!(fixture.records().await, before);
    assert_eq!(keyed(&fixture, &named, "act_other").await.ok()["actionId"], "act_other");
}

#[tokio::test]
async fn what_an_entry_does_not_have_is_neither_judged_nor_recorded() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let whole = |change: &dyn Fn(&mut Client)| {
        let mut client = everything();
        client.tenants = Patterns::of_tenants(["org:example"].map(str::to_owned).into()).unwrap();
        client.agents = Patterns::of_agents(["agent:codex-prod"].map(str::to_owned).into()).unwrap();
        client.owners = Patterns::of_owners(["user:owner@example.com"].map(str::to_owned).into()).unwrap();
        client.runtimes = Patterns::of_runtimes(["runtime:codex-cli"].map(str::to_owned).into()).unwrap();
        client.servers = Patterns::of_servers(["mcp:linear"].map(str::to_owned).into()).unwrap();
        client.audiences = Patterns::of_audiences(["linear.issues.create"].map(str::to_owned).into()).unwrap();
        change(&mut client);
        client
    };
    let forbidden = (403, "client_forbidden".to_owned());
    let narrowed: [&dyn Fn(&mut Client); 8] = [
        &|client| client.may.retain(|right| *right != Right::Authorize),
        &|client| client.tenants = Patterns::of_tenants(["org:other"].map(str::to_owned).into()).unwrap(),
        &|client| client.agents = Patterns::of_agents(["agent:other"].map(str::to_owned).into()).unwrap(),
        &|client| client.owners = Patterns::default(),
        &|client| client.runtimes = Patterns::of_runtimes(["runtime:other"].map(str::to_owned).into()).unwrap(),
        &|client| client.audiences = Patterns::of_audiences(["other"].map(str::to_owned).into()).unwrap(),
        &|client| client.audiences = Patterns::default(),
        &|client| client.tenants = Patterns::default(),
    ];
    for narrow in narrowed {
        let client = whole(narrow);
        let refused = fixture.post(&client, "/v1/authorize", &asking(EXAMPLE_ALLOW)).await;
        assert_eq!(refused.problem(), forbidden, "{client:?}");
    }
    // Whom the agent acts for, and whose definition of the tool it is, count too.
    let mut through = asking(EXAMPLE_ALLOW);
    through["action"]["actor"]["via"] = json!(["agent:boss"]);
    assert_eq!(
        fixture.post(&whole(&|_| {}), "/v1/authorize", &through).await.problem(),
        forbidden
    );
    let mut foreign = asking(EXAMPLE_ALLOW);
    foreign["action"]["toolDefinition"] =
        json!({ "server": "mcp:other", "definitionHash": format!("sha256:{}", "0".repeat(64)) });
    assert_eq!(
        fixture.post(&whole(&|_| {}), "/v1/authorize", &foreign).await.problem(),
        forbidden
    );
    let other_audience = with(asking(EXAMPLE_ALLOW), "audience", json!("other"));
    assert_eq!(
        fixture
            .post(&whole(&|_| {}), "/v1/authorize", &other_audience)
            .await
            .problem(),
        forbidden
    );
    assert_eq!(fixture.send_unknown(post("/v1/authorize", "{}")).await.problem().0, 401);
    let mut attested = with(asking(EXAMPLE_STEP_UP), "facts", facts());
    let client = {
        let mut client = everything();
        client.attests = false;
        client
    };
    let refused = fixture.post(&client, "/v1/authorize", &attested).await.problem();
    assert_eq!(refused, (403, "facts_not_attested".to_owned()));
    assert_eq!(fixture.records().await, before);

    let mut question = asking(EXAMPLE_ALLOW);
    question["caller"] = json!({});
    assert_eq!(
        fixture.post(&whole(&|_| {}), "/v1/authorize", &question).await.ok()["decision"],
        "allow"
    );
    attested["wait"] = json!(0);
    assert_eq!(
        fixture.post(&everything(), "/v1/authorize", &attested).await.ok()["decision"],
        "allow"
    );
}

#[tokio::test]
async fn who_calls_is_stated_or_the_entry_leaves_no_choice() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let open = with(asking(EXAMPLE_ALLOW), "caller", json!({ "agent": "agent:codex-prod" }));
    let refused = fixture.post(&everything(), "/v1/authorize", &open).await;
    assert_eq!(refused.problem(), (400, "value_not_stated".to_owned()));
    assert_eq!(refused.json()["path"], "caller.tenant");
    assert_eq!(fixture.records().await, before);
    let lying = json!({
        "tenant": "org:example", "agent": "agent:other", "humanOwner": "user:owner@example.com", "runtime": "runtime:codex-cli"
    });
    let lied = fixture
        .post(
            &everything(),
            "/v1/authorize",
            &with(asking(EXAMPLE_ALLOW), "caller", lying),
        )
        .await;
    assert_eq!(lied.problem(), (400, "caller_mismatch".to_owned()));
}

#[tokio::test]
async fn what_is_no_question_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let ask = async |body: String| fixture.send(&everything(), post("/v1/authorize", body)).await;
    let action = value(EXAMPLE_ALLOW);
    let hidden = format!("x\u{202e}{}", "y".repeat(5000));
    for (body, code, path) in [
        (String::new(), "json_truncated", None),
        ("[]".to_owned(), "member_invalid", None),
        ("{}".to_owned(), "value_not_stated", Some("action")),
        ("{\"action\":null}".to_owned(), "value_not_stated", Some("action")),
        ("{\"action\":{}}".to_owned(), "schema_missing", Some("action.schema")),
        ("{\"action\":7}".to_owned(), "member_invalid", Some("action")),
        (
            json!({ "action": action, "intent": { "task": "T-1" } }).to_string(),
            "request_malformed",
            Some("intent"),
        ),
        (
            json!({ "action": action, "context": {} }).to_string(),
            "request_malformed",
            Some("context"),
        ),
        (
            json!({ "action": action, "wait": 61 }).to_string(),
            "wait_too_long",
            Some("wait"),
        ),
        (
            json!({ "action": action, "wait": "30s" }).to_string(),
            "member_invalid",
            Some("wait"),
        ),
        (
            json!({ "action": action, "wait": -1 }).to_string(),
            "member_invalid",
            Some("wait"),
        ),
        (
            json!({ "action": action, "approvals": [7] }).to_string(),
            "member_invalid",
            Some("approvals[0]"),
        ),
        (
            json!({ "action": action, "facts": {} }).to_string(),
            "schema_missing",
            Some("facts.schema"),
        ),
        (
            json!({ "action": action, "more": 1 }).to_string(),
            "member_unknown",
            Some("more"),
        ),
        (
            json!({ "action": action, "caller": { "tenants": [] } }).to_string(),
            "member_unknown",
            Some("caller.tenants"),
        ),
        (
            format!("{{\"action\":{action},\"action\":{action}}}"),
            "member_duplicate",
            None,
        ),
    ] {
        let refused = ask(body.clone()).await;
        assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
        assert_eq!(refused.json()["path"].as_str(), path, "{body}");
    }
    let told = ask(json!({ "action": action, hidden: 1 }).to_string()).await;
    assert_eq!(told.problem().1, "member_unknown");
    assert!(told.body.len() < 2000 && !String::from_utf8_lossy(&told.body).contains('\u{202e}'));

    let mut typed = post("/v1/authorize", asking(EXAMPLE_ALLOW).to_string());
    typed
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(fixture.send(&everything(), typed).await.problem().0, 415);
    let large = ask(format!(
        "{{\"action\":\"{}\"}}",
        "x".repeat(fixture.gate.limits().max_bytes())
    ))
    .await;
    assert_eq!(large.problem(), (413, "body_too_large".to_owned()));
    for path in ["/v1/authorize", "/v1/verify", "/v1/consume"] {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        assert_eq!(fixture.send(&everything(), request).await.problem().0, 405);
    }
    assert_eq!(fixture.records().await, before);
}

#[tokio::test]
async fn a_traceparent_is_recorded_and_what_is_none_is_left_out() {
    let fixture = Fixture::new().await;
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (said, recorded) in [
        (good, Some(good)),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
        ("anything", None),
    ] {
        let mut request = post("/v1/authorize", asking(EXAMPLE_DENY).to_string());
        request
            .headers_mut()
            .insert("traceparent", HeaderValue::from_static(said));
        fixture.send(&everything(), request).await.ok();
        assert_eq!(fixture.last_record().await["trace"].as_str(), recorded, "{said}");
    }
}

/// Waits until the request of a parked call is there.
async fn parked(fixture: &Fixture, before: u64) -> RequestId {
    fixture.until_records(before + 1).await;
    let record = fixture.last_record().await;
    record["body"]["request"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_parked_call_goes_on_once_a_person_approves() {
    let fixture = Fixture::new().await;
    let client = everything();
    let before = fixture.records().await;
    let question = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
    let waiting = fixture.post(&client, "/v1/authorize", &question);
    let voting = async {
        let id = parked(&fixture, before).await;
        fixture.vote(&id, VoteKind::Approve, "looks right").await;
    };
    let (answer, ()) = tokio::join!(waiting, voting);
    let answer = answer.ok();
    assert_eq!(
        (&answer["decision"], &answer["request"]["state"]),
        (&json!("allow"), &json!("used"))
    );
}

#[tokio::test]
async fn a_decline_reaches_the_agent_in_words_without_anything_hidden() {
    let fixture = Fixture::new().await;
    let before = fixture.records().await;
    let question = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
    let client = everything();
    let waiting = fixture.post(&client, "/v1/authorize", &question);
    let words = format!("no\u{202e}\u{e0041}{}", "\u{200b}".repeat(300));
    let voting = async {
        let id = parked(&fixture, before).await;
        fixture.vote(&id, VoteKind::Decline, &words).await;
    };
    let (answer, ()) = tokio::join!(waiting, voting);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let answer = answer.ok();
    assert_eq!(answer["decision"], "deny");
    let reason = &answer["reasons"][0];
    assert_eq!(reason["code"], "approval_declined");
    assert_eq!(reason["by"], "user:maintainer@example.com");
    assert_eq!(reason["at"], answer["declined"]["at"]);
    let told = reason["words"].as_str().unwrap();
    assert!(
        told.starts_with("no\\u{202e}\\u{e0041}\\u{200b}") && told.ends_with("\\u{200b}"),
        "{told}"
    );
    assert!(answer["declined"]["words"].as_str().unwrap().starts_with("no\\u{202e}"));
    assert!(!text.contains(['\u{202e}', '\u{e0041}', '\u{200b}']));
    assert!(!fixture.last_record().await.to_string().contains("no\\"));
}

#[tokio::test]
async fn a_parked_call_answers_step_up_when_its_time_is_over_or_the_service_stops() {
    let fixture = Fixture::new().await;
    let client = everything();
    let short = with(asking(EXAMPLE_STEP_UP), "wait", json!(1));
    let answer = fixture.post(&client, "/v1/authorize", &short).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["request"]["state"]),
        (&json!("step_up"), &json!("pending"))
    );

    let before = fixture.records().await;
    let long = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fixture.gate.events.stop();
    };
    let waiting = tokio::time::timeout(Duration::from_secs(10), fixture.post(&client, "/v1/authorize", &long));
    let (answer, ()) = tokio::join!(waiting, stopping);
    let answer = answer.unwrap().ok();
    assert_eq!(
        (&answer["decision"], &answer["request"]["state"]),
        (&json!("step_up"), &json!("pending"))
    );
    // It joined the request that waits, and judged once.
    assert!(fixture.records().await <= before + 1);
}

#[tokio::test]
async fn where_too_many_wait_a_step_up_is_answered_at_once() {
    one_waits("parked = 1").await;
}

#[tokio::test]
async fn where_too_many_of_one_client_wait_a_step_up_is_answered_at_once() {
    one_waits("parked = 5\nparked_per_client = 1").await;
}

/// Of two calls the second finds no place to wait in.
async fn one_waits(limits: &str) {
    let fixture = Fixture::configured(|home| {
        let path = home.path("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}\n[serve.limits]\n{limits}\n")).unwrap();
    })
    .await;
    let client = everything();
    let before = fixture.records().await;
    let question = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
    let mut other = question.clone();
    other["action"]["capability"]["payload"]["title"] = json!("another");
    let first = fixture.post(&client, "/v1/authorize", &question);
    let second = async {
        let id = parked(&fixture, before).await;
        while fixture.gate.front.load.parked() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answer =
            tokio::time::timeout(Duration::from_secs(20), fixture.post(&client, "/v1/authorize", &other)).await;
        let answer = answer.unwrap().ok();
        assert_eq!(
            (&answer["decision"], &answer["request"]["state"]),
            (&json!("step_up"), &json!("pending"))
        );
        fixture.vote(&id, VoteKind::Approve, "looks right").await;
    };
    let (first, ()) = tokio::join!(first, second);
    assert_eq!(first.ok()["decision"], "allow");
    assert_eq!(fixture.gate.front.load.parked(), 0);
}

/// A client that is removed while its call waits gets no pass: what people decided and what follows from it stays recorded.
#[tokio::test]
async fn g21_a_client_that_is_removed_while_it_waits_gets_no_pass() {
    let fixture = Fixture::new().await;
    let tokens = ["stays", "goes"].map(|name| (name, fixture.enter(name, everything())));
    for (name, token) in tokens {
        let before = fixture.records().await;
        let mut question = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
        question["action"]["capability"]["payload"]["title"] = json!(name);
        let waiting = fixture.send_with(&token, post("/v1/authorize", question.to_string()));
        let voting = async {
            let id = parked(&fixture, before).await;
            while fixture.gate.front.load.parked() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if name == "goes" {
                fixture.remove(name).await;
            }
            fixture.vote(&id, VoteKind::Approve, "looks right").await;
        };
        let (answer, ()) = tokio::join!(waiting, voting);
        let record = fixture.last_record().await;
        assert_eq!(
            (&record["kind"], &record["body"]["decision"]),
            (&json!("decision"), &json!("allow"))
        );
        if name == "goes" {
            assert_eq!(answer.problem(), (403, "client_forbidden".to_owned()));
            let pass = record["body"]["pass"]["id"].as_str().unwrap();
            assert!(!String::from_utf8(answer.body).unwrap().contains(pass));
        } else {
            assert_eq!(answer.ok()["pass"]["id"], record["body"]["pass"]["id"]);
        }
    }
}

/// A client that goes away ends its waiting: nothing is left of it but the request.
#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() {
    let fixture = Fixture::new().await;
    let client = everything();
    let before = fixture.records().await;
    let question = with(asking(EXAMPLE_STEP_UP), "wait", json!(60));
    {
        let waiting = fixture.post(&client, "/v1/authorize", &question);
        let going = async {
            while fixture.gate.front.load.parked() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            answer = waiting => panic!("{answer:?}"),
            () = going => {}
        }
    }
    assert_eq!(fixture.gate.front.load.parked(), 0);
    let id = parked(&fixture, before).await;
    fixture.vote(&id, VoteKind::Approve, "looks right").await;
    let again = fixture.post(&client, "/v1/authorize", &question).await.ok();
    assert_eq!(again["decision"], "allow");
}

#[tokio::test]
async fn a_pass_is_verified_and_used_up_once() {
    let fixture = Fixture::new().await;
    let client = everything();
    let pass = allowed(&fixture).await;
    let before = fixture.records().await;
    let verified = fixture.post(&client, "/v1/verify", &verifying(&pass)).await.ok();
    assert_eq!(
        (&verified["valid"], &verified["consumed"], &verified["record"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    assert_eq!(verified["pass"]["id"], pass["id"]);
    assert_eq!(fixture.records().await, before);

    let consumed = fixture.post(&client, "/v1/consume", &verifying(&pass)).await.ok();
    assert_eq!(
        (&consumed["valid"], &consumed["consumed"], &consumed["codes"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!(consumed["payload"], value(EXAMPLE_ALLOW)["capability"]["payload"]);
    assert_eq!(
        value(consumed["payloadCanonical"].as_str().unwrap()),
        consumed["payload"]
    );
    let record = fixture.last_record().await;
    assert_eq!(
        (&record["kind"], &record["tenant"], &record["seq"]),
        (&json!("use"), &json!("org:example"), &consumed["record"]["seq"])
    );

    let again = fixture.post(&client, "/v1/consume", &verifying(&pass)).await.ok();
    assert_eq!(
        (&again["valid"], &again["consumed"], &again["codes"]),
        (&json!(false), &json!(false), &json!(["already_used"]))
    );
    assert_eq!(
        (&again["payload"], &again["payloadCanonical"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(fixture.records().await, before + 1);
}

#[tokio::test]
async fn of_many_who_consume_at_once_one_may_execute() {
    let fixture = Fixture::new().await;
    let client = everything();
    let pass = allowed(&fixture).await;
    let before = fixture.records().await;
    let question = verifying(&pass);
    let asked = (0..20).map(|_| fixture.post(&client, "/v1/consume", &question));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.ok()["consumed"] == true).count(),
        1
    );
    assert_eq!(fixture.records().await, before + 1);
}

#[tokio::test]
async fn an_executor_without_the_action_states_the_call() {
    let fixture = Fixture::new().await;
    let pass = allowed(&fixture).await;
    let capability = value(EXAMPLE_ALLOW)["capability"].clone();
    let mut executor = everything();
    executor.audiences = Patterns::of_audiences(["linear.issues.create"].map(str::to_owned).into()).unwrap();
    executor.tenants = Patterns::of_tenants(["org:example"].map(str::to_owned).into()).unwrap();
    let question = json!({
        "token": pass["token"], "tool": capability["tool"], "resource": capability["resource"],
        "payload": capability["payload"], "agent": "agent:codex-prod"
    });
    let verified = fixture.post(&executor, "/v1/verify", &question).await.ok();
    assert_eq!(verified["compared"], json!(["agent", "tool", "resource", "payload"]));
    let mut other = question.clone();
    other["payload"]["title"] = json!("another");
    let refused = fixture.post(&executor, "/v1/consume", &other).await.ok();
    assert_eq!(
        (&refused["valid"], &refused["codes"]),
        (&json!(false), &json!(["payload_hash_mismatch"]))
    );
    let stranger = with(question.clone(), "agent", json!("agent:other"));
    let refused = fixture.post(&executor, "/v1/consume", &stranger).await.ok();
    assert_eq!(refused["codes"], json!(["agent_mismatch"]));
    // None of that used it up.
    assert_eq!(
        fixture.post(&executor, "/v1/consume", &question).await.ok()["consumed"],
        true
    );
}

#[tokio::test]
async fn a_client_verifies_and_consumes_within_its_entry() {
    let fixture = Fixture::new().await;
    let pass = allowed(&fixture).await;
    let before = fixture.records().await;
    let question = verifying(&pass);
    let narrowed: [(&dyn Fn(&mut Client), u16, &str); 4] = [
        (&|client| client.may = vec![Right::Authorize], 403, "client_forbidden"),
        (
            &|client| client.audiences = Patterns::of_audiences(["other"].map(str::to_owned).into()).unwrap(),
            403,
            "client_forbidden",
        ),
        (
            &|client| client.tenants = Patterns::of_tenants(["org:other"].map(str::to_owned).into()).unwrap(),
            403,
            "client_forbidden",
        ),
        (&|client| client.tenants = Patterns::default(), 403, "client_forbidden"),
    ];
    for (narrow, status, code) in narrowed {
        let mut client = everything();
        narrow(&mut client);
        for path in ["/v1/verify", "/v1/consume"] {
            assert_eq!(
                fixture.post(&client, path, &question).await.problem(),
                (status, code.to_owned()),
                "{client:?}"
            );
        }
    }
    let mut open = question.clone();
    open.as_object_mut().unwrap().remove("audience");
    let refused = fixture.post(&everything(), "/v1/consume", &open).await;
    assert_eq!(refused.problem(), (400, "value_not_stated".to_owned()));
    assert_eq!(fixture.records().await, before);
    // Another audience than the pass's is a verdict, for who may ask of it.
    let elsewhere = with(question.clone(), "audience", json!("elsewhere"));
    let verdict = fixture.post(&everything(), "/v1/consume", &elsewhere).await.ok();
    assert_eq!(verdict["codes"], json!(["audience_mismatch"]));
    for token in ["", "x", "e30.e30.e30", &"a".repeat(100_000)] {
        let verdict = fixture
            .post(
                &everything(),
                "/v1/consume",
                &with(question.clone(), "token", json!(token)),
            )
            .await
            .ok();
        assert_eq!(verdict["valid"], false, "{token}");
    }
    for (member, part) in [("tool", json!("t")), ("payload", json!({})), ("more", json!(1))] {
        let refused = fixture
            .post(&everything(), "/v1/consume", &with(question.clone(), member, part))
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{member}");
    }
    assert_eq!(fixture.records().await, before);
}

/// A pass of the example that is allowed, used up.
async fn used(fixture: &Fixture) -> Value {
    let pass = allowed(fixture).await;
    let consumed = fixture.post(&everything(), "/v1/consume", &verifying(&pass)).await.ok();
    assert_eq!(consumed["consumed"], true);
    pass["id"].clone()
}

#[tokio::test]
async fn an_outcome_is_recorded_once_and_what_contradicts_it_once() {
    let fixture = Fixture::new().await;
    let client = everything();
    let pass = used(&fixture).await;
    let before = fixture.records().await;
    let executed = json!({ "pass": pass, "status": "executed", "providerId": "issue/7" });
    let first = fixture.post(&client, "/v1/outcomes", &executed).await.ok();
    assert_eq!(
        (&first["pass"], &first["record"]["seq"], &first["repeated"]),
        (&pass, &json!(before), &json!(false))
    );
    let record = fixture.last_record().await;
    assert_eq!(
        (&record["kind"], &record["tenant"]),
        (&json!("outcome"), &json!("org:example"))
    );
    assert_eq!(record["body"]["providerId"], "issue/7");
    let again = fixture.post(&client, "/v1/outcomes", &executed).await.ok();
    assert_eq!((&again["record"], &again["repeated"]), (&first["record"], &json!(true)));
    assert_eq!(fixture.records().await, before + 1);

    let contradicts = (409, "outcome_contradicts".to_owned());
    for status in ["failed", "failed", "unknown"] {
        let other = json!({ "pass": pass, "status": status });
        let refused = fixture.post(&client, "/v1/outcomes", &other).await;
        assert_eq!(refused.problem(), contradicts);
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .contains(&format!("record {}", before + 1))
        );
    }
    assert_eq!(fixture.records().await, before + 2);
    let contradiction = fixture.last_record().await;
    assert_eq!(contradiction["body"]["contradicts"], before);
    assert_eq!(contradiction["body"]["status"], "failed");
    assert_eq!(
        fixture.post(&client, "/v1/outcomes", &executed).await.ok()["repeated"],
        true
    );

    // The log of all that is honest, and the tables agree with it.
    let mut verifier = LedgerVerifier::new(ChainVerifier::new());
    for record in fixture.records_from(0).await {
        verifier.push(&record.json).unwrap();
    }
    verifier.finish().unwrap();
    fixture.gate.home.store.check_rows().unwrap();
}

#[tokio::test]
async fn of_many_who_report_at_once_the_first_counts() {
    let fixture = Fixture::new().await;
    let pass = used(&fixture).await;
    let before = fixture.records().await;
    let client = everything();
    let reports: Vec<Value> = (0..12)
        .map(|number| json!({ "pass": pass, "status": "executed", "providerId": format!("issue/{}", number % 3) }))
        .collect();
    let asked = reports
        .iter()
        .map(|report| fixture.post(&client, "/v1/outcomes", report));
    let answers = futures_util::future::join_all(asked).await;
    let recorded = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK && answer.json()["repeated"] == false);
    assert_eq!(recorded.count(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.status == StatusCode::CONFLICT)
            .count(),
        8
    );
    assert_eq!(fixture.records().await, before + 2);
}

#[tokio::test]
async fn what_is_no_outcome_of_the_client_is_not_recorded() {
    let fixture = Fixture::new().await;
    let unconsumed = allowed(&fixture).await["id"].clone();
    let pass = used(&fixture).await;
    let before = fixture.records().await;
    let ask = async |client: &Client, report: Value| fixture.post(client, "/v1/outcomes", &report).await.problem();
    let unused = (404, "pass_not_used".to_owned());
    let executed = |pass: &Value| json!({ "pass": pass, "status": "executed" });
    assert_eq!(ask(&everything(), executed(&unconsumed)).await, unused);
    assert_eq!(
        ask(&everything(), executed(&json!(format!("ap_{}", "0".repeat(32))))).await,
        unused
    );
    let narrowed: [&dyn Fn(&mut Client); 4] = [
        &|client| client.audiences = Patterns::of_audiences(["other"].map(str::to_owned).into()).unwrap(),
        &|client| client.audiences = Patterns::default(),
        &|client| client.tenants = Patterns::of_tenants(["org:other"].map(str::to_owned).into()).unwrap(),
        &|client| client.tenants = Patterns::default(),
    ];
    for narrow in narrowed {
        let mut client = everything();
        narrow(&mut client);
        assert_eq!(ask(&client, executed(&pass)).await, unused, "{client:?}");
    }
    let mut reader = everything();
    reader.may.retain(|right| *right != Right::Outcome);
    assert_eq!(
        ask(&reader, executed(&pass)).await,
        (403, "client_forbidden".to_owned())
    );
    for (report, code) in [
        (json!({ "status": "executed" }), "value_not_stated"),
        (json!({ "pass": pass, "status": "done" }), "member_invalid"),
        (json!({ "pass": "ap_1", "status": "executed" }), "member_invalid"),
        (
            json!({ "pass": pass, "status": "executed", "decision": {} }),
            "member_missing",
        ),
        (
            json!({ "pass": pass, "status": "executed", "decision": { "seq": 0, "id": "rec_01920000000070008000000000000012" } }),
            "request_malformed",
        ),
        (
            json!({ "pass": pass, "status": "executed", "contradicts": 1 }),
            "member_unknown",
        ),
        (
            json!({ "pass": pass, "status": "executed", "providerId": "a\nb" }),
            "member_invalid",
        ),
    ] {
        assert_eq!(
            ask(&everything(), report.clone()).await,
            (400, code.to_owned()),
            "{report}"
        );
    }
    assert_eq!(fixture.records().await, before);
}

/// The members of an answer that differ from one decision to the next.
fn timeless(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    for member in ["actionId", "record"] {
        members.remove(member).unwrap();
    }
    if let Some(request) = members.get_mut("request") {
        *request = json!({ "state": request["state"] });
    }
    if let Some(pass) = members.get_mut("pass") {
        *pass = json!(true);
    }
    for reason in members["reasons"].as_array_mut().unwrap() {
        reason.as_object_mut().unwrap().remove("message");
    }
    answer
}

fn actions() -> impl Strategy<Value = Value> {
    let base = prop_oneof![Just(EXAMPLE_ALLOW), Just(EXAMPLE_STEP_UP), Just(EXAMPLE_DENY)].prop_map(value);
    let title = prop_oneof![Just("Fix".to_owned()), ".{0,20}", Just("x".repeat(300))];
    let number = prop_oneof![
        Just(json!(14)),
        Just(json!(1e21)),
        Just(json!(-0.5)),
        Just(Value::Null),
        Just(json!([1, {}]))
    ];
    let tool = prop_oneof![
        4 => Just(None),
        1 => Just(Some("slack.chat.postMessage")),
        1 => Just(Some("unknown.tool")),
    ];
    let agent = prop_oneof![6 => Just("agent:codex-prod"), 1 => Just("agent:other")];
    (base, title, number, tool, agent, any::<bool>()).prop_map(|(mut action, title, number, tool, agent, opens)| {
        let capability = &mut action["capability"];
        capability["payload"]["title"] = json!(title);
        if number != 14 {
            capability["payload"]["extra"] = number;
        }
        if let Some(tool) = tool {
            capability["tool"] = json!(tool);
        }
        action["actor"]["agent"] = json!(agent);
        json!({ "action": action, "open": opens })
    })
}

/// Of twin homes, one is asked by its service and the other by its issuer.
#[test]
fn the_service_answers_what_the_issuer_decides() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .enable_io()
        .build()
        .unwrap();
    let (served, direct) = runtime.block_on(async { (Fixture::new().await, Fixture::new().await) });
    let config = ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(question in actions(), attested in any::<bool>())| {
        let question = if attested { with(question, "facts", facts()) } else { question };
        runtime.block_on(async {
            let answer = served.post(&everything(), "/v1/authorize", &question).await;
            let action = question["action"].to_string();
            let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
            let host = Caller::dangerously_from(action.action());
            let mut request = Request::new(&action, &host);
            if attested {
                let facts = question["facts"].to_string();
                request = request.with_facts(BoundFacts::admit(facts.as_bytes(), &Limits::default()).unwrap());
            }
            if question["open"] == false {
                request = request.without_opening();
            }
            match direct.gate.issuer.authorize(request).await {
                Ok(decided) => {
                    let decided = serde_json::to_value(decided).unwrap();
                    assert_eq!(timeless(answer.ok()), timeless_of_issuer(decided));
                }
                Err(error) => assert_eq!(answer.problem().1, error.code().as_str()),
            }
        });
        runtime.block_on(async {
            assert_eq!(served.records().await, direct.records().await);
        });
    });
}

fn timeless_of_issuer(mut decided: Value) -> Value {
    for reason in decided["reasons"].as_array_mut().unwrap() {
        reason["message"] = json!("");
    }
    timeless(decided)
}
