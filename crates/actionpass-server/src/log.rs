//! One line of the log, and one count, for each request.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actionpass_client::api::Problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::front::SharedFront;
use crate::telemetry::Answered;
use crate::trace::TraceContext;

/// Where the extractor of [`Caller`](crate::caller::Caller) leaves the name of the client for the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedBy(Arc<OnceLock<String>>);

impl AskedBy {
    /// Says who asks, once that is proven.
    pub(crate) fn tell(extensions: &Extensions, client: &str) {
        if let Some(asked) = extensions.get::<Self>() {
            // The first stays.
            let _ = asked.0.set(client.to_owned());
        }
    }
}

/// A problem, on the answer that says it.
#[derive(Clone, Debug)]
pub(crate) struct RefusedAs(pub(crate) Box<Problem>);

/// What was decided, on the answer that says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecidedAs(pub(crate) &'static str);

/// Around every route: never the query, a body, a header or a token.
pub(crate) async fn each(State(front): State<SharedFront>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = name(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let asked = AskedBy::default();
    request.extensions_mut().insert(asked.clone());
    let trace = TraceContext::of(request.headers());
    if let Some(trace) = trace.clone() {
        request.extensions_mut().insert(trace);
    }
    let response = next.run(request).await;
    let (took, status) = (start.elapsed(), response.status().as_u16());
    // Unknown paths are whatever somebody sends, so they get one name.
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let code = response
        .extensions()
        .get::<RefusedAs>()
        .map(|refused| refused.0.code.as_str());
    front.metrics.answered(method, route, status, took);
    if let Some(code) = code {
        front.metrics.refused(code);
    }
    let client = asked.0.get().map(String::as_str);
    if let Some(telemetry) = &front.telemetry {
        telemetry.answered(&Answered {
            method,
            route,
            status,
            code,
            client,
            decision: response.extensions().get::<DecidedAs>().map(|decided| decided.0),
            trace: trace.as_ref(),
            took,
        });
    }
    tracing::info!(
        method,
        route,
        status,
        code,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        client,
        trace = trace.as_ref().map(|trace| trace.id.as_str()),
        "answered"
    );
    response
}

/// A method of the registry, or one name for all others.
fn name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use actionpass_home::ClientToken;
    use axum::body::Body;

    use super::*;
    use crate::testing::{Fixture, everything};

    #[tokio::test]
    async fn whoever_is_proven_is_named_and_nobody_else() {
        let fixture = Fixture::new().await;
        let known = fixture.enter("ci", everything());
        for (token, name) in [(ClientToken::from_random(&[7; 32]), None), (known, Some("ci"))] {
            let asked = AskedBy::default();
            let mut request = Request::get("/v1/requests").body(Body::empty()).unwrap();
            request.extensions_mut().insert(asked.clone());
            fixture.send_with(&token, request).await;
            assert_eq!(asked.0.get().map(String::as_str), name);
        }
    }
}
