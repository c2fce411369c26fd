//! Enrolment: a passkey of somebody who was invited.

use actionpass_crypto::webauthn::Registration;
use actionpass_home::{HomeError, InvitationSecret};
use actionpass_model::KeyId;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::question::{Bytes, Question};
use super::source::Registered;
use super::{SharedHost, html as layout, json, now, page};
use crate::ServerCode;
use crate::problem::Refused;

/// The secret of an invitation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invited {
    secret: String,
}

/// What `navigator.credentials.create` handed back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Made {
    secret: String,
    #[serde(rename = "clientDataJSON")]
    client_data_json: Bytes,
    attestation_object: Bytes,
}

/// `GET /enrol`: the same for everybody, since the secret stands in the fragment.
pub(super) async fn show() -> Response {
    let markup = html! {
        section #enrol .card {
            h1 { "Register your passkey" }
            p #who { "Somebody invited you to approve what agents ask for." }
            p { "A passkey is a key in your phone, your computer or a security key. You will touch it for each decision." }
            button #create .primary type="button" disabled { "Create a passkey" }
            (layout::script_needed("Creating a passkey needs JavaScript."))
            p #note .note role="status" {}
        }
        section #registered .card hidden {
            h1 { "One step is left" }
            p { "Your passkey counts once somebody who runs this service confirms it. Tell them this code, in person or by phone:" }
            p #code .code {}
            p { "They run:" }
            pre #command .command {}
            p #confirmed .note role="status" { "Waiting to be confirmed…" }
            p { a href="/" { "Sign in" } " works from then on." }
        }
    };
    page(StatusCode::OK, layout::page("Register your passkey", None, &markup))
}

fn secret(text: &str) -> Result<InvitationSecret, Refused> {
    InvitationSecret::parse(text).ok_or_else(|| Refused::of(&HomeError::InvitationUnknown))
}

/// `POST /enrol/invitation`: whom an invitation is for. It changes nothing.
pub(super) async fn invitation(
    State(host): State<SharedHost>,
    Question(asked): Question<Invited>,
) -> Result<Response, Refused> {
    let invited = host.source.invited(secret(&asked.secret)?, now()?).await?;
    let answer = json!({
        "principal": invited.principal, "roles": invited.roles, "tenants": invited.tenants,
        "expiresAt": invited.expires_at,
    });
    Ok(json(answer.to_string()))
}

/// `POST /enrol`: registers, once.
pub(super) async fn register(
    State(host): State<SharedHost>,
    Question(asked): Question<Made>,
) -> Result<Response, Refused> {
    let registration = Registration {
        client_data_json: asked.client_data_json.0,
        attestation_object: asked.attestation_object.0,
    };
    let secret = secret(&asked.secret)?;
    let Registered { principal, kid, code } = host.source.register(secret, registration, now()?).await?;
    tracing::info!(principal, %kid, "a passkey was registered and waits");
    let command = format!("actionpass approvers confirm {} {code}", quoted(&principal));
    let answer = json!({ "kid": kid, "code": code, "command": command });
    Ok(json(answer.to_string()))
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":@._+-".contains(&byte);
    if word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `GET /enrol/{kid}`: whether the passkey of this thumbprint is believed by now.
pub(super) async fn state(State(host): State<SharedHost>, Path(kid): Path<String>) -> Result<Response, Refused> {
    let kid = KeyId::parse(&kid).map_err(|_| Refused::from(ServerCode::RouteUnknown))?;
    let trust = host.source.trust().await?;
    let is_believed = trust.keyring().get(&kid).is_some_and(|entry| !entry.is_revoked());
    Ok(json(json!({ "confirmed": is_believed }).to_string()))
}
