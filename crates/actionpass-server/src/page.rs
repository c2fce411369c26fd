//! The page on which people decide (`docs/spec/service.md`, "The page").
//!
//! Rendered here, readable without JavaScript; its script does what only a script can: ask the browser for a passkey, count
//! down, and hear of changes. A session reads. What decides is an assertion over one vote, made for that vote alone.

mod assets;
#[cfg(test)]
mod elsewhere;
mod enrol;
mod html;
mod listing;
mod live;
mod local;
mod look;
mod question;
mod remote;
mod request;
mod sessions;
mod sign_in;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actionpass_core::{Clock as _, System};
use actionpass_model::Timestamp;
use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use maud::Markup;

use crate::ServerCode;
use crate::front::SharedFront;
use crate::log::RefusedAs;
use crate::operations::Found;
use crate::problem::Refused;
use crate::requests::negotiate::prefers_html;

use sessions::Person;

pub(crate) use local::not_registered;
pub(crate) use remote::Remote;
pub(crate) use source::{Host, Invited, SharedHost, Source};

/// Every route of the page.
pub(crate) fn routes() -> Router<SharedHost> {
    Router::new()
        .route("/", get(listing::waiting))
        .route("/history", get(listing::history))
        .route("/requests/{id}", get(request::show))
        .route("/requests/{id}/ballot", post(request::ballot))
        .route("/requests/{id}/vote", post(request::vote))
        .route("/live", get(live::stream))
        .route("/enrol", get(enrol::show).post(enrol::register))
        .route("/enrol/invitation", post(enrol::invitation))
        .route("/enrol/{kid}", get(enrol::state))
        .route("/sign-in/challenge", post(sign_in::challenge))
        .route("/sign-in", post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/page.js", get(assets::script))
        .route("/page.css", get(assets::style))
        .route("/icon.svg", get(assets::icon))
        .route_layer(middleware::map_response(with_headers))
}

/// What watches a page that is served alone.
pub(crate) fn operations() -> Router<SharedHost> {
    Router::new()
        .route("/healthz", get(crate::operations::healthz))
        .route("/readyz", get(ready))
        .layer(Extension(Arc::new(Found::<bool>::default())))
}

/// Whether whatever the page has its requests from answers.
async fn ready(State(host): State<SharedHost>, Extension(found): Extension<Arc<Found<bool>>>) -> StatusCode {
    let look = async move { host.source.is_ready().await };
    if found.or(look).await == Some(true) {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// What a page may load and do. Nothing is inline, nothing comes from elsewhere, and nobody puts it into a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const PERMISSIONS: &str = "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), \
     microphone=(), geolocation=(), payment=(), usb=()";

/// Puts the headers on every answer.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Around every route: a problem that a browser would put before a person becomes a page that says the same. Programs, and the
/// page's own script, ask for no HTML.
pub(crate) async fn refused(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    let is_read = [Method::GET, Method::HEAD].contains(request.method()) && !request.uri().path().starts_with("/v1/");
    let is_person = is_read && prefers_html(request.headers());
    let response = next.run(request).await;
    let refused = response.extensions().get::<RefusedAs>().filter(|_| is_person).cloned();
    let Some(refused) = refused else { return response };
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let told = with_headers(page(head.status, html::refused(&refused.0, &front.origin))).await;
    let (told, body) = told.into_parts();
    head.headers.extend(told.headers);
    Response::from_parts(head, body)
}

/// Browsers name the origin of every POST: whatever isn't the page's own is refused, what has none as well.
fn check_origin(host: &SharedHost, headers: &HeaderMap) -> Result<(), Refused> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_own =
        origin == Some(host.front.origin.as_str().as_bytes()) && site.is_none_or(|site| site == b"same-origin");
    if is_own {
        Ok(())
    } else {
        Err(ServerCode::CrossSite.into())
    }
}

/// The time; without one nothing is done.
fn now() -> Result<Timestamp, Refused> {
    System
        .now()
        .ok_or_else(|| Refused::from(ServerCode::ServiceFailed).with_detail("the time is unknown"))
}

/// Random bytes; without any nothing is done.
fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map(|()| bytes)
        .map_err(|_| Refused::from(ServerCode::ServiceFailed).with_detail("there is no randomness"))
}

/// Work that reads files or takes long, beside the threads that answer.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a part of the page failed");
        ServerCode::ServiceFailed.into()
    })
}

/// Who is signed in.
async fn signed_in(host: &Host, headers: &HeaderMap) -> Result<Option<Person>, Refused> {
    sessions::person(host, headers, now()?).await
}

/// Who is signed in, where only such a one is answered.
async fn person(host: &Host, headers: &HeaderMap) -> Result<Person, Refused> {
    let person = signed_in(host, headers).await?;
    person.ok_or_else(|| ServerCode::SignedOut.into())
}

/// A page as an answer.
fn page(status: StatusCode, markup: Markup) -> Response {
    let media_type = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, media_type, markup.into_string()).into_response()
}

/// JSON as an answer to the page's script.
fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
