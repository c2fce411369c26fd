use actionpass_core::Request;
use actionpass_home::{Client, Patterns, Right, client_name};
use actionpass_model::VoteKind;
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_STEP_UP};
use actionpass_testkit::fixtures;
use axum::body::Body;
use axum::http::{Request as HttpRequest, StatusCode, header};
use serde_json::{Value, json};

use crate::testing::{Fixture, everything};

fn revoker(right: Right) -> Client {
    let mut client = everything();
    client.name = client_name("revoker").unwrap();
    client.may = vec![right];
    client.tenants = Patterns::of_tenants(vec!["org:example".to_owned()]).unwrap();
    client
}

async fn allowed(fixture: &Fixture) -> (Value, u64) {
    let action = fixtures::admit(EXAMPLE_ALLOW);
    let caller = fixtures::caller(action.action());
    let answer = fixture
        .gate
        .issuer
        .authorize(Request::new(action, caller))
        .await
        .unwrap();
    let pass = answer.pass.unwrap().id;
    (
        json!({ "kind": "pass", "id": pass, "issuer": "https://issuer.example" }),
        answer.record.seq,
    )
}

#[tokio::test]
async fn a_pass_is_revoked_by_a_client_of_its_tenant() {
    let fixture = Fixture::new().await;
    let (target, seq) = allowed(&fixture).await;
    let revoke = |target: &Value, record: Option<u64>| match record {
        Some(record) => json!({ "target": target, "reason": "leaked", "record": record }),
        None => json!({ "target": target, "reason": "leaked" }),
    };
    let client = revoker(Right::Revoke);
    let records = fixture.records().await;
    let mut foreign = client.clone();
    foreign.tenants = Patterns::of_tenants(vec!["org:other".to_owned()]).unwrap();
    let mut other = target.clone();
    other["issuer"] = json!("https://other-issuer.example");
    for (client, body) in [
        (&client, revoke(&target, None)),
        (&client, revoke(&target, Some(seq - 1))),
        (&client, revoke(&target, Some(seq + 1))),
        (&client, revoke(&other, Some(seq))),
        (&foreign, revoke(&target, Some(seq))),
        (&revoker(Right::Ledger), revoke(&target, Some(seq))),
        (
            &client,
            revoke(&json!({ "kind": "principal", "id": "agent:codex-prod" }), None),
        ),
        (
            &revoker(Right::Admin),
            revoke(&json!({ "kind": "principal", "id": "agent:codex-prod" }), None),
        ),
    ] {
        let answer = fixture.post(client, "/v1/revocations", &body).await;
        assert_eq!(answer.problem(), (403, "client_forbidden".into()), "{body}");
    }
    for body in [
        json!({}),
        json!({ "target": target }),
        json!({ "target": target, "reason": "" }),
        json!({ "target": target, "reason": "x", "by": "user:x" }),
        json!({ "target": { "kind": "pass", "id": "ap_x", "issuer": "https://issuer.example" }, "reason": "x" }),
        json!({ "target": target, "reason": "x", "record": seq, "compromisedSince": "2026-01-01T00:00:00.000Z" }),
    ] {
        let answer = fixture.post(&client, "/v1/revocations", &body).await;
        assert_eq!(answer.problem(), (400, "request_malformed".into()), "{body}");
    }
    assert_eq!(fixture.records().await, records);

    let answer = fixture
        .post(&client, "/v1/revocations", &revoke(&target, Some(seq)))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let revoked = answer.json();
    assert_eq!(revoked["revocation"]["revokedBy"], "service:revoker");
    assert_eq!(revoked["record"]["seq"], json!(records));
    let listed = fixture.get(&client, "/v1/revocations").await.ok();
    assert_eq!(listed["revocations"], json!([revoked["revocation"]]));
    assert_eq!(fixture.last_record().await["kind"], "revocation");
}

#[tokio::test]
async fn a_vote_is_revoked_by_its_record_and_a_principal_by_an_administrator_of_all() {
    let fixture = Fixture::new().await;
    let action = fixtures::admit(EXAMPLE_STEP_UP);
    let caller = fixtures::caller(action.action());
    let answer = fixture
        .gate
        .issuer
        .authorize(Request::new(action, caller))
        .await
        .unwrap();
    fixture
        .vote(&answer.request.unwrap().id, VoteKind::Approve, "yes")
        .await;
    let vote = fixture.last_record().await;
    let target = json!({ "kind": "approval", "id": vote["body"]["vote"], "issuer": "user:maintainer@example.com" });
    let body = json!({ "target": target, "reason": "a mistake", "record": vote["seq"] });
    let answer = fixture.post(&revoker(Right::Revoke), "/v1/revocations", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json());

    let body = json!({ "target": { "kind": "principal", "id": "agent:codex-prod" }, "reason": "gone wrong" });
    let answer = fixture.post(&everything(), "/v1/revocations", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let trust = fixture.gate.issuer.trust().await.unwrap();
    assert!(trust.is_principal_revoked("agent:codex-prod"));
}

#[tokio::test]
async fn the_trust_store_is_handed_out_with_a_tag_and_keys_to_anybody() {
    let fixture = Fixture::new().await;
    let none = HttpRequest::get("/v1/trust").body(Body::empty()).unwrap();
    assert_eq!(
        fixture.send_unknown(none).await.problem(),
        (401, "client_unauthenticated".into())
    );
    let client = revoker(Right::Verify);
    let answer = fixture.get(&client, "/v1/trust").await;
    assert_eq!(answer.status, StatusCode::OK);
    let trust = actionpass_verify::Trust::parse(&answer.body).unwrap();
    assert_eq!(trust.keyring().iter().count(), 2);
    let tag = answer.headers[header::ETAG].to_str().unwrap().to_owned();
    let asked = |tags: &str| {
        HttpRequest::get("/v1/trust")
            .header(header::IF_NONE_MATCH, tags)
            .body(Body::empty())
            .unwrap()
    };
    for known in [
        tag.clone(),
        format!("\"x\", {tag}"),
        "*".to_owned(),
        tag.trim_start_matches("W/").to_owned(),
    ] {
        let answer = fixture.send(&client, asked(&known)).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{known}"
        );
    }
    let (target, _) = allowed(&fixture).await;
    let body = json!({ "target": target, "reason": "leaked" });
    assert_eq!(
        fixture.post(&everything(), "/v1/revocations", &body).await.status,
        StatusCode::CREATED
    );
    let answer = fixture.send(&client, asked(&tag)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_ne!(answer.headers[header::ETAG], tag);

    let keys = HttpRequest::get("/.well-known/jwks.json").body(Body::empty()).unwrap();
    let answer = fixture.send_unknown(keys).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=300");
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    // The issuer's, and no approver's.
    assert_eq!(keys.len(), 1);
    let home = &fixture.gate.home;
    let signing = home.home.signing_kid(&home.config).unwrap();
    assert_eq!(keys[0]["kid"], signing.as_str());
    assert!(keys[0].get("d").is_none());
}
