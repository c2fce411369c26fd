//! [`Question`]: what the page's script sends: a small closed JSON document.

use actionpass_canon::{Limits, admit};
use actionpass_crypto::webauthn::Assertion;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

use super::{SharedHost, check_origin};
use crate::ServerCode;
use crate::body::read;
use crate::problem::Refused;

/// The longest that the script sends: an attestation object of 4 KiB is most of it.
const MAX_BYTES: usize = 16 * 1024;

/// A small closed document from the page's script: of the page's own origin, and through the gate of JSON as every body.
#[derive(Debug)]
pub(super) struct Question<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<SharedHost> for Question<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, host: &SharedHost) -> Result<Self, Refused> {
        check_origin(host, request.headers())?;
        let media_type = request.headers().get(header::CONTENT_TYPE);
        if media_type.is_none_or(|value| value != "application/json") {
            return Err(
                Refused::from(ServerCode::MediaTypeUnsupported).with_detail("the body must be application/json")
            );
        }
        let raw = read(request, MAX_BYTES, host.front.serve.body_time).await?;
        let admitted = admit(&raw, &Limits::default()).map_err(|error| Refused::of(&error))?;
        serde_json::from_slice(admitted.as_bytes())
            .map(Self)
            .map_err(|error| Refused::from(ServerCode::RequestMalformed).with_detail(error.to_string()))
    }
}

/// Bytes in base64url without padding.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Base64UrlUnpadded::decode_vec(&text)
            .map(Self)
            .map_err(|_| D::Error::custom("is not base64url without padding"))
    }
}

/// Bytes in base64url without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The three parts of an assertion.
pub(super) fn assertion(authenticator_data: Bytes, client_data_json: Bytes, signature: Bytes) -> Assertion {
    Assertion {
        authenticator_data: authenticator_data.0,
        client_data_json: client_data_json.0,
        signature: signature.0,
    }
}
