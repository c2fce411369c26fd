//! Answers that aren't problems.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::ServerCode;
use crate::problem::Refused;

/// A document that nobody keeps.
pub(crate) fn json(document: &impl Serialize) -> Response {
    match serde_json::to_vec(document) {
        Ok(body) => json_text(body),
        Err(error) => {
            tracing::error!(%error, "an answer can't be written");
            Refused::from(ServerCode::ServiceFailed).into_response()
        }
    }
}

/// The same of a document that is written already.
pub(crate) fn json_text(body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
