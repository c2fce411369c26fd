//! Signing in with a passkey, and out.

use actionpass_model::CredentialId;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;

use super::question::{Bytes, Question, assertion, base64url};
use super::{SharedHost, check_origin, now, sessions};
use crate::ServerCode;
use crate::problem::Refused;

/// Nothing: that it is asked is all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What `navigator.credentials.get` handed back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignIn {
    credential: String,
    authenticator_data: Bytes,
    #[serde(rename = "clientDataJSON")]
    client_data_json: Bytes,
    signature: Bytes,
}

fn cookies<const N: usize>(cookies: [String; N]) -> AppendHeaders<[(header::HeaderName, String); N]> {
    AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)))
}

/// `POST /sign-in/challenge`.
pub(super) async fn challenge(
    State(host): State<SharedHost>,
    Question(Nothing {}): Question<Nothing>,
) -> Result<Response, Refused> {
    let (challenge, cookie) = sessions::begin(&host, now()?).await?;
    let answer = format!(r#"{{"challenge":"{}"}}"#, base64url(challenge.as_bytes()));
    Ok((cookies([cookie]), super::json(answer)).into_response())
}

/// `POST /sign-in`: why it fails, the log says.
pub(super) async fn sign_in(
    State(host): State<SharedHost>,
    headers: HeaderMap,
    Question(asked): Question<SignIn>,
) -> Result<Response, Refused> {
    let now = now()?;
    let refused = Refused::from(ServerCode::SignInRefused);
    let Some(started) = sessions::started(&host, &headers, now).await? else {
        tracing::info!("a sign-in had no challenge of ours");
        return Err(refused);
    };
    let Ok(credential) = CredentialId::parse(&asked.credential) else {
        return Err(refused);
    };
    let assertion = assertion(asked.authenticator_data, asked.client_data_json, asked.signature);
    let trust = host.source.trust().await?;
    match trust.sign_in(&credential, &assertion, &started.challenge, now.to_unix_seconds()) {
        Ok(person) => {
            let (principal, kid) = (person.principal, person.kid);
            let set = sessions::open(&host, started, kid.clone(), now).await?;
            tracing::info!(%principal, %kid, "signed in");
            Ok((StatusCode::NO_CONTENT, cookies(set)).into_response())
        }
        Err(error) => {
            tracing::warn!(code = %error.code(), "a sign-in was refused");
            Err(refused)
        }
    }
}

/// `POST /sign-out`: a form, so that it works without a script.
pub(super) async fn sign_out(State(host): State<SharedHost>, headers: HeaderMap) -> Result<Response, Refused> {
    check_origin(&host, &headers)?;
    let cookie = sessions::close(&host, &headers).await?;
    let home = [(header::LOCATION, HeaderValue::from_static("/"))];
    Ok((StatusCode::SEE_OTHER, home, cookies([cookie])).into_response())
}
