//! [`Admitted`]: a JSON body, read whole and admitted by the gate once.

use std::time::Duration;

use actionpass_canon::{CanonicalBytes, admit};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::ServerCode;
use crate::gate::Shared;
use crate::problem::Refused;

/// A JSON body in its canonical form. Parts of it are slices ([`CanonicalBytes::member`]): nothing reads it another way.
#[derive(Debug)]
pub(crate) struct Admitted(pub(crate) CanonicalBytes);

impl FromRequest<Shared> for Admitted {
    type Rejection = Refused;

    async fn from_request(request: Request, gate: &Shared) -> Result<Self, Refused> {
        let media_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|value| value.split(';').next()).map(str::trim);
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            return Err(
                Refused::from(ServerCode::MediaTypeUnsupported).with_detail("the body must be application/json")
            );
        }
        let raw = read(request.into_body(), gate.limits().max_bytes(), gate.serve.body_time).await?;
        admit(&raw, &gate.limits())
            .map(Self)
            .map_err(|error| Refused::of(&error))
    }
}

/// The bytes of a body of at most `limit` bytes, which may take so long to arrive.
pub(crate) async fn read(body: Body, limit: usize, time: Duration) -> Result<Vec<u8>, Refused> {
    let collected = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match collected {
        Err(_) => Err(ServerCode::BodyTimeout.into()),
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ServerCode::BodyTooLarge.into()),
        Ok(Err(error)) => Err(Refused::from(ServerCode::RequestMalformed).with_detail(error.to_string())),
    }
}
