//! The page on which people decide (`docs/spec/service.md`, "The page").
//!
//! Rendered here, readable without JavaScript; its script does what only a script can: ask the browser for a passkey, count
//! down, and hear of changes. A session reads. What decides is an assertion over one vote, made for that vote alone.

mod assets;
mod enrol;
mod html;
mod listing;
mod live;
mod look;
mod question;
mod request;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use actionpass_core::{Clock as _, System};
use actionpass_model::Timestamp;
use axum::extract::Extension;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use maud::Markup;

use crate::ServerCode;
use crate::gate::Shared;
use crate::problem::Refused;

use sessions::{Person, Sessions};

/// What everything of the page shares beside the gate.
type Door = Extension<Arc<Sessions>>;

/// Every route of the page.
pub(crate) fn routes() -> Router<Shared> {
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
        .layer(Extension(Arc::new(Sessions::default())))
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

/// Browsers name the origin of every POST: whatever isn't the page's own is refused, what has none as well.
fn check_origin(gate: &Shared, headers: &HeaderMap) -> Result<(), Refused> {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_own = origin == Some(gate.origin.as_str().as_bytes()) && site.is_none_or(|site| site == b"same-origin");
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
async fn signed_in(gate: &Shared, sessions: &Sessions, headers: &HeaderMap) -> Result<Option<Person>, Refused> {
    sessions.person(gate, headers, now()?).await
}

/// Who is signed in, where only such a one is answered.
async fn person(gate: &Shared, sessions: &Sessions, headers: &HeaderMap) -> Result<Person, Refused> {
    let person = signed_in(gate, sessions, headers).await?;
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
