use actionpass_core::Request;
use actionpass_home::{Client, Patterns, Right};
use actionpass_model::{RequestId, VoteKind};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP};
use actionpass_store::ledger::{ChainVerifier, LedgerVerifier, verify_jsonl_with};
use actionpass_testkit::fixtures;
use axum::http::header;
use serde_json::{Value, json};

use crate::testing::{Fixture, everything};

/// A decision, and the request that it opens.
async fn decided(fixture: &Fixture, text: &str, agent: &str) -> (Value, Option<RequestId>) {
    let action = fixtures::admit(&text.replace("agent:codex-prod", agent));
    let caller = fixtures::caller(action.action());
    let answer = fixture
        .gate
        .issuer
        .authorize(Request::new(action, caller))
        .await
        .unwrap();
    let request = answer.request.as_ref().map(|request| request.id.clone());
    (serde_json::to_value(&answer).unwrap(), request)
}

fn auditor(agent: &str) -> Client {
    let mut client = everything();
    client.may = vec![Right::Ledger];
    client.agents = Patterns::of_agents(vec![agent.to_owned()]).unwrap();
    client
}

fn seqs(page: &Value) -> Vec<u64> {
    let records = page["records"].as_array().unwrap();
    records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn records_are_filtered_by_what_is_asked_and_by_the_entry() {
    let fixture = Fixture::new().await;
    let first = fixture.records().await;
    let (allow, _) = decided(&fixture, EXAMPLE_ALLOW, "agent:codex-prod").await;
    let (_, one) = decided(&fixture, EXAMPLE_STEP_UP, "agent:codex-prod").await;
    let (_, other) = decided(&fixture, EXAMPLE_STEP_UP, "agent:other").await;
    fixture.vote(&one.clone().unwrap(), VoteKind::Approve, "yes").await;
    fixture.vote(&other.unwrap(), VoteKind::Decline, "no").await;
    let size = fixture.records().await;
    let all = everything();
    let whole = fixture.get(&all, "/v1/ledger/records").await.ok();
    assert_eq!(seqs(&whole), (0..size).collect::<Vec<_>>());
    let pass = allow["pass"]["id"].as_str().unwrap();
    for (query, expected) in [
        ("kind=request".to_owned(), vec![first + 3, first + 4]),
        ("agent=agent:other".to_owned(), vec![first + 2, first + 4]),
        (format!("request={}", one.unwrap()), vec![first + 1, first + 3]),
        (format!("pass={pass}"), vec![first]),
        (
            format!("tenant=org:example&after={first}&before={}", size - 1),
            vec![first + 1, first + 2, first + 3],
        ),
        ("tenant=org:other".to_owned(), vec![]),
        (format!("after={}", u64::MAX), vec![]),
    ] {
        let page = fixture.get(&all, &format!("/v1/ledger/records?{query}")).await.ok();
        assert_eq!(seqs(&page), expected, "{query}");
    }
    let (mut after, mut paged) = (String::new(), Vec::new());
    loop {
        let page = fixture
            .get(&all, &format!("/v1/ledger/records?limit=2{after}"))
            .await
            .ok();
        paged.extend(seqs(&page));
        let Some(next) = page["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged, (0..size).collect::<Vec<_>>());

    // Keys, policies and the other agent are nothing to this one.
    let narrow = auditor("agent:codex-prod");
    let page = fixture.get(&narrow, "/v1/ledger/records").await.ok();
    assert_eq!(seqs(&page), [first, first + 1, first + 3]);
    for (client, seq, sees) in [
        (&narrow, first + 1, true),
        (&narrow, first + 2, false),
        (&narrow, 0, false),
        (&all, 0, true),
        (&all, size, false),
    ] {
        let answer = fixture.get(client, &format!("/v1/ledger/records/{seq}")).await;
        if sees {
            let stored = &fixture.records_from(seq).await[0].json;
            assert_eq!(&answer.body, stored);
        } else {
            assert_eq!(answer.problem(), (404, "record_not_found".into()), "{seq}");
        }
    }
    for wrong in [
        "records?kind=votes",
        "records?seq=1",
        "records?limit=0",
        "records?after=-1",
        "records?pass=x",
        "records/x",
        "records/-1",
        "head?x=1",
    ] {
        let answer = fixture.get(&all, &format!("/v1/ledger/{wrong}")).await;
        assert_eq!(answer.problem(), (400, "request_malformed".into()), "{wrong}");
    }
}

#[tokio::test]
async fn an_export_is_what_verifies_and_only_for_all_tenants() {
    let fixture = Fixture::new().await;
    for number in 0..300 {
        let text = EXAMPLE_ALLOW.replacen("AXT-", &format!("AXT-{number}"), 1);
        let _ = decided(&fixture, &text, "agent:codex-prod").await;
    }
    let head = fixture.get(&everything(), "/v1/ledger/head").await.ok();
    assert_eq!(head["size"], json!(fixture.records().await));
    let answer = fixture.get(&everything(), "/v1/ledger/export").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson");
    let verifier = ChainVerifier::new().with_known_head(head["head"].as_str().unwrap().parse().unwrap());
    let verified = verify_jsonl_with(answer.body.as_slice(), LedgerVerifier::new(verifier), |_| {}).unwrap();
    assert_eq!(json!(verified.head.size()), head["size"]);

    let mut narrow = everything();
    narrow.tenants = Patterns::of_tenants(vec!["org:example".to_owned()]).unwrap();
    let answer = fixture.get(&narrow, "/v1/ledger/export").await;
    assert_eq!(answer.problem(), (403, "client_forbidden".into()));
    narrow.may = vec![Right::Requests];
    for path in ["head", "records", "records/0", "export"] {
        let answer = fixture.get(&narrow, &format!("/v1/ledger/{path}")).await;
        assert_eq!(answer.problem(), (403, "client_forbidden".into()), "{path}");
    }
}
