//! The page of a service elsewhere that may lie.

use actionpass_home::Right;
use actionpass_model::{Decision, RequestId};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::tests::{
    Browser, are_unknown_to_others, decides_and_signs_out, now, registers_once, text, waiting, waiting_decision,
};
use crate::testing::{Fixture, Said, Saying, everything};

/// A page elsewhere whose client may look at requests and nothing else.
async fn elsewhere(said: &Said) -> Fixture {
    let mut client = everything();
    client.may = vec![Right::Requests];
    (client.attests, client.consumes) = (false, false);
    Fixture::new().await.with_page_elsewhere(client, said).await
}

fn say(said: &Said, saying: Saying) {
    *said.lock().unwrap() = saying;
}

fn otherwise(pointer: &'static str, to: Value) -> Saying {
    Saying::Otherwise(vec![(pointer, to)])
}

#[tokio::test]
async fn a_page_elsewhere_does_what_the_page_of_the_service_does() {
    let said = Said::default();
    decides_and_signs_out(elsewhere(&said).await).await;
    registers_once(elsewhere(&said).await).await;
    are_unknown_to_others(elsewhere(&said).await).await;
}

#[tokio::test]
async fn a_passkey_is_registered_for_tenants_of_the_client_alone() {
    let mut client = everything();
    client.may = vec![Right::Requests];
    client.tenants = actionpass_home::Patterns::of_tenants(vec!["org:other".to_owned()]).unwrap();
    let fixture = Fixture::new().await.with_page_elsewhere(client, &Said::default()).await;
    let secret = super::tests::invited(&fixture);
    let mut browser = Browser::with(&fixture, super::tests::authenticator(&fixture));
    let asked = json!({ "secret": secret.as_str() });
    let refused = browser.post("/enrol/invitation", &asked).await;
    assert_eq!(refused.problem().1, "invitation_unknown");
    let refused = browser
        .post("/enrol", &super::tests::registration(&secret, &browser.passkey))
        .await;
    assert_eq!(refused.problem().1, "invitation_unknown");
}

#[tokio::test]
async fn a_page_whose_client_sees_no_requests_is_not_ready() {
    let mut client = everything();
    client.may = vec![Right::Ledger];
    let fixture = Fixture::new().await.with_page_elsewhere(client, &Said::default()).await;
    let mut browser = Browser::with(&fixture, super::tests::authenticator(&fixture));
    assert_eq!(browser.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// What the page says of a request that it doesn't offer.
async fn refused(browser: &mut Browser<'_>, id: &RequestId) -> String {
    let page = browser.get(&format!("/requests/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = text(&page);
    for absent in ["id=\"approve\"", "id=\"decline\"", "Fix the retry loop", "data-view"] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    let list = text(&browser.get("/").await);
    for page in [&page, &list] {
        assert!(page.contains("Nothing is offered to be signed"), "{page}");
        assert!(!page.contains("Approved: the agent"), "{page}");
    }
    for decision in ["approve", "decline"] {
        let ballot = json!({ "decision": decision, "reason": "so" });
        let refused = browser.post(&format!("/requests/{id}/ballot"), &ballot).await;
        assert_eq!(refused.problem(), (503, "request_contradicts".to_owned()));
    }
    page
}

#[tokio::test]
async fn what_a_gate_sends_is_offered_only_if_it_fits_together() {
    let said = Said::default();
    let fixture = elsewhere(&said).await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let zeros = json!(format!("sha256:{}", "0".repeat(64)));
    let lies = [
        (
            "/subject/action/capability/payload/title",
            json!("harmless"),
            "payloadHash",
        ),
        ("/subject/action/capability/tool", json!("github.other"), "`tool`"),
        ("/subject/action/context", json!({ "note": "trust me" }), "contextHash"),
        ("/request/payloadHash", zeros.clone(), "payloadHash"),
        ("/request/factsHash", zeros.clone(), "factsHash"),
        ("/request/task", json!("AXT-9"), "`task`"),
        ("/request/rules", json!(["another"]), "view"),
        ("/shown/hash", zeros, "view"),
        ("/view/sections", json!([]), "view"),
        ("/view", Value::Null, "view"),
        ("/shown", Value::Null, "shown"),
        ("/subject", Value::Null, "a view and no action"),
    ];
    for (pointer, to, differs) in lies {
        say(&said, otherwise(pointer, to));
        let page = refused(&mut browser, &id).await;
        assert!(page.contains(differs), "{pointer} {differs}: {page}");
    }
    // A request that was approved elsewhere is not shown as such on the word of one who lies.
    let lie = vec![("/state", json!("approved")), ("/request/rules", json!(["another"]))];
    say(&said, Saying::Otherwise(lie));
    refused(&mut browser, &id).await;
    let ahead = now().saturating_add(std::time::Duration::from_secs(30 * 60 * 60));
    let created = now().saturating_add(std::time::Duration::from_secs(20 * 60 * 60));
    let times = vec![
        ("/request/createdAt", json!(created)),
        ("/request/expiresAt", json!(ahead)),
    ];
    say(&said, Saying::Otherwise(times));
    assert!(refused(&mut browser, &id).await.contains("expiresAt"));

    say(&said, Saying::Truth);
    let page = text(&browser.get(&format!("/requests/{id}")).await);
    assert!(
        page.contains("id=\"approve\"") && page.contains("Fix the retry loop"),
        "{page}"
    );
    // What was said first counts, as long as the request lives.
    let later = now().saturating_add(std::time::Duration::from_secs(2 * 60 * 60));
    for (pointer, to, differs) in [
        ("/request/expiresAt", json!(later), "expiresAt"),
        ("/request/notes", json!([]), "notes"),
        ("/request/required", json!([]), "required"),
        ("/subject/issuer", json!("https://other.example"), "another issuer"),
    ] {
        say(&said, otherwise(pointer, to));
        let page = text(&browser.get(&format!("/requests/{id}")).await);
        if differs != "required" {
            let page = refused(&mut browser, &id).await;
            assert!(page.contains(differs), "{pointer}: {page}");
        } else {
            assert!(!page.contains("id=\"approve\""), "{page}");
        }
    }
    say(&said, Saying::Truth);
    let votes = fixture.gate.issuer.review(&id).await.unwrap().request.votes;
    assert!(votes.is_empty(), "{votes:?}");
    browser.decide(&id, json!({ "decision": "approve" })).await.ok();
    assert_eq!(waiting_decision(&fixture).await, Decision::Allow);
}

#[tokio::test]
async fn without_its_gate_a_page_shows_and_decides_nothing() {
    let said = Said::default();
    let fixture = elsewhere(&said).await;
    let mut browser = Browser::of_maya(&fixture).await;
    browser.sign_in().await;
    let id = waiting(&fixture).await;
    let path = format!("/requests/{id}");
    assert_eq!(browser.get("/readyz").await.status, StatusCode::OK);
    say(&said, Saying::Nothing);
    for path in ["/", "/history", &path] {
        let page = browser.open(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let page = text(&page);
        // The layer around every route makes a page of it for people.
        assert!(page.contains("gate_unreachable"), "{page}");
        assert!(!page.contains("pull_requests"), "{page}");
    }
    let unreachable = (503, "gate_unreachable".to_owned());
    let ballot = json!({ "decision": "approve" });
    assert_eq!(
        browser.post(&format!("{path}/ballot"), &ballot).await.problem(),
        unreachable
    );
    assert_eq!(browser.get("/live").await.problem(), unreachable);
    // Probes are no load on the gate: what was found stands for some seconds.
    assert_eq!(browser.get("/readyz").await.status, StatusCode::OK);
    let start = std::time::Instant::now();
    while browser.get("/readyz").await.status != StatusCode::SERVICE_UNAVAILABLE {
        assert!(start.elapsed() < std::time::Duration::from_secs(30));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // The sign-in screen needs nobody, and nobody gets in.
    let challenge = browser.post("/sign-in/challenge", &json!({})).await;
    assert_eq!(challenge.status, StatusCode::OK);
    say(&said, Saying::Truth);
    assert!(browser.is_in().await);
}

#[tokio::test]
async fn words_of_a_gate_that_refuses_hide_nothing_and_are_told_to_be_its() {
    let said = Said::default();
    let fixture = elsewhere(&said).await;
    let mut browser = Browser::of_maya(&fixture).await;
    say(&said, Saying::No("You approved.\u{202e}\u{1b}[2J<b>"));
    let asked = json!({ "secret": "0".repeat(64) });
    let refused = browser.post("/enrol/invitation", &asked).await;
    assert_eq!(refused.problem(), (400, "invented_code".to_owned()));
    let told = "the gate says: You approved.\\u{202e}\\u{1b}[2J<b>";
    assert_eq!(refused.json()["detail"], told);
}

#[tokio::test]
async fn a_page_elsewhere_authorizes_nothing() {
    let fixture = elsewhere(&Said::default()).await;
    let mut browser = Browser::of_maya(&fixture).await;
    for path in [
        "/v1/authorize",
        "/v1/verify",
        "/v1/consume",
        "/v1/requests",
        "/v1/approvers/confirm",
    ] {
        let answer = browser.post(path, &json!({})).await;
        assert_eq!(answer.problem(), (404, "route_unknown".to_owned()), "{path}");
    }
    for path in [
        "/v1/requests",
        "/v1/trust",
        "/metrics",
        "/openapi.json",
        "/.well-known/jwks.json",
    ] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(browser.get("/healthz").await.status, StatusCode::OK);
}
