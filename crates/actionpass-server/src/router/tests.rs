use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actionpass_home::{Client, Home};
use actionpass_model::Statement;
use actionpass_policy::EXAMPLE_ALLOW;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower::ServiceExt as _;

use super::*;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::load::Slot;
use crate::peer::Peer;
use crate::serve::tests::Service;
use crate::testing::{self, Fixture, Lines, everything};

/// Routes that only tests have: one that takes long, one that waits for people, one that takes a body.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/test/slow",
            get(async || tokio::time::sleep(Duration::from_secs(3600)).await),
        )
        .route("/test/parked", get(parked))
        .route(
            "/test/body",
            post(async |Admitted(body): Admitted| body.as_bytes().to_vec()),
        )
}

async fn parked(State(gate): State<Shared>, slot: Slot) -> Result<&'static str, Refused> {
    let parked = slot.park(&gate, Duration::from_secs(3600))?;
    gate.front.stop.begun().await;
    drop(parked);
    Ok("step_up")
}

/// The routes of a router as its debug output shows them, which is the only list of them that axum gives.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let paths = shown.split('"').filter(|text| text.starts_with('/'));
    // What axum shows of the fallback is `/` and a wildcard of its own.
    paths
        .filter(|path| *path != "/" && !path.starts_with("/test/") && !path.contains("{*__private"))
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test]
async fn every_route_is_in_the_document_and_the_other_way_round() {
    let service = Service::new(|_| {}).await;
    let gate = service.gate.clone();
    let programs = with_fallback(api(&gate).merge(operations(&gate)));
    let mut routes = BTreeSet::new();
    for path in paths(&programs) {
        // A method that none has: the answer names those that there are.
        let request = Request::builder().method("PURGE").uri(path.replace(['{', '}'], ""));
        let answer = programs
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()[header::ALLOW].to_str().unwrap().to_lowercase();
        for method in allowed.split(',').filter(|method| *method != "head") {
            routes.insert((path.clone(), method.to_owned()));
        }
    }
    assert!(routes.contains(&("/readyz".to_owned(), "get".to_owned())), "{routes:?}");
    let document: serde_json::Value = serde_json::from_str(&crate::openapi().unwrap()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(routes, documented, "annotate the handler and name it in openapi.rs");
}

#[tokio::test]
async fn the_page_is_on_its_origin_alone_and_other_sites_only_read() {
    let service = Service::new(|settings| {
        settings.origin = Some(actionpass_model::WebOrigin::parse("https://approve.example").unwrap());
        settings.hosts = vec!["gate.internal".to_owned()];
    })
    .await;
    let gate = service.gate.clone();
    let page = Router::new()
        .route("/", get(async || "page").post(async || "done"))
        .layer(from_fn_with_state(gate.front.clone(), guard::page))
        .layer(from_fn_with_state(gate.front.clone(), guard::every));
    let ask = async |method: &str, host: &str, site: &str| {
        let request = Request::builder().method(method).uri("/").header("host", host);
        let request = request.header("sec-fetch-site", site).body(Body::empty()).unwrap();
        page.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask("GET", "approve.example", "same-origin").await, 200);
    // The link from a chat.
    assert_eq!(ask("GET", "approve.example", "cross-site").await, 200);
    assert_eq!(ask("POST", "approve.example", "same-origin").await, 200);
    assert_eq!(ask("POST", "approve.example", "cross-site").await, 403);
    // Programs know the service by this name, passkeys don't.
    assert_eq!(ask("GET", "gate.internal", "same-origin").await, 421);
    assert_eq!(ask("GET", "evil.example", "same-origin").await, 421);
}

/// A service whose limits are set.
async fn limited(limits: &str) -> Fixture {
    let set = |home: &Home| {
        let path = home.path("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}\n[serve.limits]\n{limits}\n")).unwrap();
    };
    Fixture::configured(set).await
}

fn named(name: &str) -> Client {
    let mut client = everything();
    client.name = Statement::parse(name).unwrap();
    client
}

#[tokio::test]
async fn a_flood_of_one_client_leaves_room_for_others() {
    let fixture = limited("calls = 4").await;
    let later = Instant::now() + Duration::from_secs(60);
    let load = &fixture.gate.front.load;
    let running: Vec<Slot> = (0..3).map(|_| load.enter(Share::Api, later).unwrap()).collect();
    for slot in &running {
        slot.belongs_to("flood").unwrap();
    }
    let refused = fixture.get(&named("flood"), "/v1/ledger/head").await;
    assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
    fixture.get(&named("other"), "/v1/ledger/head").await.ok();
    drop(running);
    fixture.get(&named("flood"), "/v1/ledger/head").await.ok();
}

#[tokio::test]
async fn whoever_is_nobody_takes_no_place_while_the_answer_is_late() {
    let fixture = Arc::new(limited("calls = 1").await);
    let ask = |fixture: Arc<Fixture>| async move {
        let request = Request::get("/v1/ledger/head").header(header::AUTHORIZATION, "Bearer apc_no");
        fixture.send_unknown(request.body(Body::empty()).unwrap()).await
    };
    for _ in 0..10 {
        assert_eq!(ask(Arc::clone(&fixture)).await.status, StatusCode::FORBIDDEN);
    }
    let late = tokio::spawn(ask(Arc::clone(&fixture)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!late.is_finished());
    fixture.get(&everything(), "/v1/ledger/head").await.ok();
    assert_eq!(late.await.unwrap().status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn readiness_names_the_part_that_does_not_work() {
    type Break = fn(&Fixture, &Home);
    let cases: [(&str, &str, Break); 4] = [
        ("", "", |_, _| {}),
        // Where the probe would be written is a folder.
        ("store", "store_not_ready", |_, home| {
            std::fs::create_dir(home.path("serve.probe")).unwrap()
        }),
        ("trust", "trust_not_ready", |_, home| {
            std::fs::write(home.path("trust.json"), "{").unwrap()
        }),
        ("clients", "clients_unreadable", |_, home| {
            std::fs::write(home.path("clients.toml"), "[").unwrap()
        }),
    ];
    for (broken, code, breaks) in cases {
        let fixture = Fixture::new().await;
        breaks(&fixture, &fixture.gate.home.home);
        let ask = async |address: [u8; 4]| {
            let mut request = Request::get("/readyz").body(Body::empty()).unwrap();
            request.extensions_mut().insert(Peer::Tcp((address, 1).into()));
            fixture.send_unknown(request).await
        };
        let (answer, elsewhere) = (ask([127, 0, 0, 1]).await, ask([192, 0, 2, 1]).await);
        let document = answer.json();
        assert_eq!(document["ready"], code.is_empty());
        for part in ["key", "store", "trust", "clients"] {
            assert_eq!(document["parts"][part], part != broken, "{broken}: {document}");
        }
        // Others learn no more than whether it is ready.
        assert!(elsewhere.json()["parts"].is_null());
        if code.is_empty() {
            assert_eq!((answer.status.as_u16(), elsewhere.status.as_u16()), (200, 200));
        } else {
            assert_eq!(answer.problem(), (503, code.to_owned()));
            assert_eq!(elsewhere.problem(), (503, "not_ready".to_owned()));
        }
        assert_eq!(fixture.get(&everything(), "/healthz").await.status, StatusCode::OK);
    }
    // Of several each is named.
    let fixture = Fixture::new().await;
    let home = &fixture.gate.home.home;
    std::fs::write(home.path("trust.json"), "{").unwrap();
    std::fs::write(home.path("clients.toml"), "[").unwrap();
    let mut request = Request::get("/readyz").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Peer::Unix { uid: 1 });
    let several = fixture.send_unknown(request).await.json();
    assert_eq!(
        several["codes"],
        serde_json::json!(["trust_not_ready", "clients_unreadable"])
    );
}

#[tokio::test]
async fn the_log_says_who_asked_for_what_and_nothing_that_was_sent() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let fixture = Fixture::new().await;
    let (_, host) = fixture.gate.front.origin.as_str().split_once("://").unwrap();
    // Where another thread, of which nobody hears, came to the place of the event first, it would stay unheard: once it is known, it
    // is judged anew for this thread.
    let first = Request::get("/healthz").header(header::HOST, host).body(Body::empty());
    front(&fixture.gate).oneshot(first.unwrap()).await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    lines.lock().clear();
    let mut request = testing::post("/v1/authorize?secret-query=1", "{\"secret-member\":1}");
    let headers = request.headers_mut();
    headers.insert(
        "traceparent",
        HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    );
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer secret-token"));
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    request.extensions_mut().insert(Caller::from(everything()));
    let answer = front(&fixture.gate).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let logged = String::from_utf8(lines.lock().clone()).unwrap();
    let answered: Vec<serde_json::Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["fields"]["message"] == "answered")
        .collect();
    assert_eq!(answered.len(), 1, "{logged}");
    let fields = &answered[0]["fields"];
    assert_eq!(fields["method"], "POST");
    assert_eq!(fields["route"], "/v1/authorize");
    assert_eq!(fields["status"], 400);
    assert_eq!(fields["client"], "everything");
    assert_eq!(fields["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(fields["micros"].is_u64());
    assert!(!logged.contains("secret"), "{logged}");
}

#[tokio::test]
async fn decisions_and_answers_are_counted_by_words_of_closed_sets() {
    let fixture = Fixture::new().await;
    let action: serde_json::Value = serde_json::from_str(EXAMPLE_ALLOW).unwrap();
    let decided = fixture
        .post(&everything(), "/v1/authorize", &serde_json::json!({ "action": action }))
        .await
        .ok();
    assert_eq!(decided["decision"], "allow");
    let (_, host) = fixture.gate.front.origin.as_str().split_once("://").unwrap();
    for (method, path) in [
        ("GET", "/v1/ledger/records/0?x=secret"),
        ("GET", "/secret"),
        ("SECRET", "/v1/trust"),
    ] {
        let request = Request::builder().method(method).uri(path).header(header::HOST, host);
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller::from(everything()));
        front(&fixture.gate).oneshot(request).await.unwrap();
    }
    let text = String::from_utf8(fixture.get(&everything(), "/metrics").await.body).unwrap();
    for line in [
        "actionpass_decisions_total{outcome=\"allow\"} 1",
        "actionpass_http_answers_total{method=\"GET\",route=\"/v1/ledger/records/{seq}\",status=\"400\"} 1",
        "actionpass_http_answers_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "actionpass_http_answers_total{method=\"other\",route=\"/v1/trust\",status=\"405\"} 1",
        "actionpass_refused_total{code=\"request_malformed\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(!text.to_lowercase().contains("secret"), "{text}");
}

#[tokio::test]
async fn people_are_shown_a_page_where_programs_are_told_a_problem() {
    let fixture = Fixture::new().await;
    let (_, own) = fixture.gate.front.origin.as_str().split_once("://").unwrap();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (host, path, accept, status, is_page) in [
        (own, "/nowhere", browser, 404, true),
        (own, "/nowhere", "*/*", 404, false),
        (own, "/v1/nowhere", browser, 404, false),
        (own, "/live", "text/event-stream", 401, false),
        (own, "/live", browser, 401, true),
        ("other.example", "/", browser, 421, true),
        ("other.example", "/page.css", "text/css,*/*;q=0.1", 421, false),
    ] {
        let request = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, accept);
        let answer = front(&fixture.gate).oneshot(request.body(Body::empty()).unwrap()).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path} of {host}");
        let media_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let has_policy = answer.headers().contains_key(header::CONTENT_SECURITY_POLICY);
        let length = answer.headers().get(header::CONTENT_LENGTH).cloned();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        if is_page {
            assert_eq!(media_type, "text/html; charset=utf-8", "{path} of {host}");
            assert!(has_policy, "{path} of {host}");
            assert!(
                body.contains(&format!("href=\"{}/\"", fixture.gate.front.origin)),
                "{body}"
            );
        } else {
            assert_eq!(media_type, "application/problem+json", "{path} of {host}");
        }
        assert!(
            length.is_none_or(|length| length == body.len().to_string()),
            "{path} of {host}"
        );
    }
}
