//! [`Admitted`]: a JSON body, read whole and admitted by the gate once.

use std::time::Duration;

use actionpass_canon::{CanonicalBytes, admit};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::ServerCode;
use crate::gate::Shared;
use crate::guard::Arrival;
use crate::listening::RESERVE_TIME;
use crate::load::Slot;
use crate::problem::Refused;
use crate::query::malformed;

/// A JSON body in its canonical form. Parts of it are slices ([`CanonicalBytes::member`]): nothing reads it another way.
#[derive(Debug)]
pub(crate) struct Admitted(pub(crate) CanonicalBytes);

/// What a body says, as a type that knows each of its members.
///
/// # Errors
/// `request_malformed`, with what is wrong.
pub(crate) fn stated<T: DeserializeOwned>(body: &CanonicalBytes) -> Result<T, Refused> {
    serde_json::from_slice(body.as_bytes()).map_err(|error| malformed(error.to_string()))
}

impl FromRequest<Shared> for Admitted {
    type Rejection = Refused;

    async fn from_request(request: Request, gate: &Shared) -> Result<Self, Refused> {
        is_json(&request)?;
        let raw = read(request, gate.limits().max_bytes(), gate.front.serve.body_time).await?;
        admit(&raw, &gate.limits())
            .map(Self)
            .map_err(|error| Refused::of(&error))
    }
}

/// Refuses a body that isn't said to be JSON.
pub(crate) fn is_json(request: &Request) -> Result<(), Refused> {
    let media_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(Refused::from(ServerCode::MediaTypeUnsupported).with_detail("the body must be application/json"))
    }
}

/// The bytes of a request's body of at most `limit` bytes, which may take so long to arrive.
pub(crate) async fn read(request: Request, limit: usize, time: Duration) -> Result<Vec<u8>, Refused> {
    let slot = request.extensions().get::<Slot>().cloned();
    let arrival = request.extensions().get::<Arrival>();
    let is_reserve = arrival.is_some_and(|arrival| arrival.is_reserve);
    let time = if is_reserve { time.min(RESERVE_TIME) } else { time };
    let body = read_body(request.into_body(), limit, time);
    match slot {
        Some(slot) => slot.while_reading(body).await,
        None => body.await,
    }
}

/// The same of a body alone.
pub(crate) async fn read_body(body: Body, limit: usize, time: Duration) -> Result<Vec<u8>, Refused> {
    let collected = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match collected {
        Err(_) => Err(ServerCode::BodyTimeout.into()),
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ServerCode::BodyTooLarge.into()),
        Ok(Err(error)) => Err(Refused::from(ServerCode::RequestMalformed).with_detail(error.to_string())),
    }
}
