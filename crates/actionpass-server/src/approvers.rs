//! People who are invited to approve, and the passkeys that wait to be confirmed, over the API.

#[cfg(test)]
mod tests;

use actionpass_client::api::{
    ConfirmPasskey, ConfirmedPasskey, OpenInvitation, PendingApprovers, PendingInvitation, PendingPasskey,
    RegisterPasskey, RegisteredPasskey,
};
use actionpass_crypto::webauthn::Registration;
use actionpass_door::told::link;
use actionpass_home::{Approvers, HomeError, InvitationSecret, Right};
use actionpass_model::Tenants;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use base64ct::{Base64UrlUnpadded, Encoding as _};

use crate::ServerCode;
use crate::answer::json;
use crate::body::{self, Admitted};
use crate::caller::Caller;
use crate::gate::{Gate, Shared, now};
use crate::page::{Invited, Source as _, not_registered};
use crate::problem::Refused;
use crate::query::{Query, malformed};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/approvers", get(list))
        .route("/v1/approvers/confirm", post(confirm))
        .route("/v1/approvers/invitation", post(invitation))
        .route("/v1/approvers/passkeys", post(register))
}

/// Lists who is invited, and the passkeys that wait to be confirmed.
///
/// What confirms a passkey isn't told: its owner reads the code to whoever confirms.
#[utoipa::path(get, path = "/v1/approvers", tag = "approvers",
    responses((status = 200, body = PendingApprovers), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(State(gate): State<Shared>, caller: Caller, uri: Uri) -> Result<Response, Refused> {
    caller.may(Right::Admin)?;
    Query::none(&uri)?;
    let (home, now) = (gate.home.home.clone(), now()?);
    let pending = tokio::task::spawn_blocking(move || Approvers::of(&home).pending(now)).await;
    let pending = pending.map_err(|_| Refused::from(ServerCode::ServiceFailed))?;
    let (invitations, waiting) = pending.map_err(|error| refused(&error))?;
    let invitations = invitations
        .into_iter()
        .filter(|invitation| admits_all(&caller, &invitation.tenants))
        .map(|invitation| PendingInvitation {
            principal: invitation.principal,
            roles: invitation.roles,
            tenants: invitation.tenants,
            expires_at: invitation.expires_at,
        });
    let waiting = waiting
        .into_iter()
        .filter(|waiting| admits_all(&caller, &waiting.key.tenants))
        .filter_map(|waiting| {
            Some(PendingPasskey {
                principal: waiting.key.principal?,
                roles: waiting.key.roles,
                tenants: waiting.key.tenants,
                registered_at: waiting.registered_at,
            })
        });
    Ok(json(&PendingApprovers {
        invitations: invitations.collect(),
        waiting: waiting.collect(),
    }))
}

/// Lets a passkey that waits into the trust store, by the code that its owner reads out.
#[utoipa::path(post, path = "/v1/approvers/confirm", tag = "approvers", request_body = ConfirmPasskey,
    responses((status = 200, body = ConfirmedPasskey), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn confirm(
    State(gate): State<Shared>,
    caller: Caller,
    uri: Uri,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Admin)?;
    Query::none(&uri)?;
    let asked: ConfirmPasskey = body::stated(&body)?;
    // A client that goes away must not leave a key that is believed without its record.
    let work = tokio::spawn(async move { confirm_now(&gate, &caller, &asked).await });
    let confirmed = work.await.map_err(|_| Refused::from(ServerCode::ServiceFailed))??;
    Ok(json(&confirmed))
}

/// Says whom an invitation is for, to a page elsewhere on which they register. It changes nothing.
#[utoipa::path(post, path = "/v1/approvers/invitation", tag = "approvers", request_body = OpenInvitation,
    responses((status = 200, body = PendingInvitation), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn invitation(
    State(gate): State<Shared>,
    caller: Caller,
    uri: Uri,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    let asked: OpenInvitation = body::stated(&body)?;
    let (_, invited) = invited(&gate, &caller, &asked.secret).await?;
    Ok(json(&PendingInvitation {
        principal: invited.principal,
        roles: invited.roles,
        tenants: invited.tenants,
        expires_at: invited.expires_at,
    }))
}

/// Registers a passkey that was made on a page elsewhere, with an invitation to that page. It waits to be confirmed. Whose it is, the
/// invitation says, so the client is a messenger.
#[utoipa::path(post, path = "/v1/approvers/passkeys", tag = "approvers", request_body = RegisterPasskey,
    responses((status = 200, body = RegisteredPasskey), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn register(
    State(gate): State<Shared>,
    caller: Caller,
    uri: Uri,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    let asked: RegisterPasskey = body::stated(&body)?;
    let bytes = |text: &str, path: &str| {
        let bytes = Base64UrlUnpadded::decode_vec(text);
        bytes.map_err(|_| malformed("is not base64url without padding").at(path))
    };
    let registration = Registration {
        client_data_json: bytes(&asked.client_data_json, "clientDataJSON")?,
        attestation_object: bytes(&asked.attestation_object, "attestationObject")?,
    };
    let (secret, invited) = invited(&gate, &caller, &asked.secret).await?;
    let registered = gate.register(secret, registration, now()?).await?;
    tracing::info!(client = %caller.name(), principal = %invited.principal, kid = %registered.kid, "a passkey was registered and waits");
    let principal = invited.principal;
    Ok(json(&RegisteredPasskey { principal }))
}

/// Whom an invitation is for, if all their tenants are in the client's entry.
async fn invited(gate: &Gate, caller: &Caller, secret: &str) -> Result<(InvitationSecret, Invited), Refused> {
    let unknown = || not_registered(&HomeError::InvitationUnknown);
    let secret = InvitationSecret::parse(secret).ok_or_else(unknown)?;
    let invited = gate.invited(secret.clone(), now()?).await?;
    if admits_all(caller, &invited.tenants) {
        Ok((secret, invited))
    } else {
        Err(unknown())
    }
}

async fn confirm_now(gate: &Gate, caller: &Caller, asked: &ConfirmPasskey) -> Result<ConfirmedPasskey, Refused> {
    let (now, approvers) = (now()?, Approvers::of(&gate.home.home));
    let home = gate.home.home.clone();
    let pending = tokio::task::spawn_blocking(move || Approvers::of(&home).pending(now)).await;
    let pending = pending.map_err(|_| ServerCode::ServiceFailed)?;
    let (_, mut waiting) = pending.map_err(|error| refused(&error))?;
    waiting.retain(|waiting| waiting.key.principal.as_ref() == Some(&asked.principal) && waiting.code() == asked.code);
    // One of other tenants is as if there were none.
    if !waiting.iter().all(|waiting| admits_all(caller, &waiting.key.tenants)) {
        tracing::warn!(client = %caller.name(), principal = %asked.principal, "a client confirmed a passkey of tenants that its entry doesn't have");
        return Err(refused(&HomeError::PasskeyNotWaiting));
    }
    let confirmed = approvers.confirm(gate.issuer.administrator(), &asked.principal, &asked.code, now);
    let (key, changed) = confirmed.await.map_err(|error| refused(&error))?;
    tracing::info!(client = %caller.name(), principal = %asked.principal, kid = %key.kid, "a passkey was confirmed");
    Ok(ConfirmedPasskey {
        principal: asked.principal.clone(),
        kid: key.kid,
        roles: key.roles,
        tenants: key.tenants,
        record: link(&changed.record),
    })
}

/// Whether a client's entry admits every tenant that somebody approves for.
fn admits_all(caller: &Caller, tenants: &Tenants) -> bool {
    let own = &caller.client().tenants;
    match tenants {
        Tenants::Any => own.are_any(),
        Tenants::Only(tenants) => tenants.iter().all(|tenant| own.admit(tenant.as_str())),
    }
}

/// What is wrong with the home itself is for the log.
fn refused(error: &HomeError) -> Refused {
    match error {
        HomeError::PasskeyNotWaiting => Refused::of(error).with_status(StatusCode::NOT_FOUND),
        HomeError::Admin(_) => Refused::of(error),
        _ => {
            tracing::error!(%error, "the home can't be used");
            ServerCode::ServiceFailed.into()
        }
    }
}
