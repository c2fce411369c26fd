//! People who are invited to approve, and the passkeys that wait to be confirmed, over the API.

#[cfg(test)]
mod tests;

use actionpass_client::api::{ConfirmPasskey, ConfirmedPasskey, PendingApprovers, PendingInvitation, PendingPasskey};
use actionpass_home::{Approvers, HomeError, Right};
use actionpass_model::Tenants;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};

use crate::ServerCode;
use crate::answer::json;
use crate::body::Admitted;
use crate::caller::Caller;
use crate::decisions::told::link;
use crate::gate::{Gate, Shared, now};
use crate::problem::Refused;
use crate::query::{Query, malformed};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/approvers", get(list))
        .route("/v1/approvers/confirm", post(confirm))
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
    let asked: ConfirmPasskey =
        serde_json::from_slice(body.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    // A client that goes away must not leave a key that is believed without its record.
    let work = tokio::spawn(async move { confirm_now(&gate, &caller, &asked).await });
    let confirmed = work.await.map_err(|_| Refused::from(ServerCode::ServiceFailed))??;
    Ok(json(&confirmed))
}

async fn confirm_now(gate: &Gate, caller: &Caller, asked: &ConfirmPasskey) -> Result<ConfirmedPasskey, Refused> {
    let (now, approvers) = (now()?, Approvers::of(&gate.home.home));
    let (_, mut waiting) = approvers.pending(now).map_err(|error| refused(&error))?;
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
