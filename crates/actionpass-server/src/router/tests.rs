use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower::ServiceExt as _;

use super::*;
use crate::body::Admitted;
use crate::load::Slot;
use crate::serve::tests::Service;

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
    gate.stop.begun().await;
    parked.resume().await;
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
        .layer(from_fn_with_state(gate.clone(), guard::page))
        .layer(from_fn_with_state(gate, guard::every));
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
