//! Trust: the trust store, public keys, revocations.

#[cfg(test)]
mod tests;

use actionpass_client::api::{JwkSet, NewRevocation, RecordLink, RevocationList, Revoked, schema};
use actionpass_core::{AdminError, prunable_from};
use actionpass_home::Right;
use actionpass_model::{
    Approver, DecisionBody, Document as _, KeyUse, Principal, RequestBody, RevocationTarget, TrustStore,
};
use actionpass_store::{QueueStore as _, StoredRecord, TrustDocument as _};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::answer::{json, json_text};
use crate::body::{self, Admitted};
use crate::caller::Caller;
use crate::gate::{Gate, Shared, now};
use crate::problem::Refused;
use crate::query::{Query, malformed};
use crate::{ServerCode, ledger};

/// How long whoever verifies passes may go by the keys that it has: revocations are for what can't wait.
const KEYS_FRESH: &str = "public, max-age=300";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/revocations", get(revocations).post(revoke))
        .route("/v1/trust", get(trust))
        .route("/.well-known/jwks.json", get(jwks))
}

/// Revokes a pass, an approval, a key or a principal.
#[utoipa::path(post, path = "/v1/revocations", tag = "trust", request_body = NewRevocation,
    responses((status = 201, body = Revoked), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn revoke(
    State(gate): State<Shared>,
    caller: Caller,
    uri: Uri,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    let client = caller.client();
    if !client.may(Right::Admin) {
        caller.may(Right::Revoke)?;
    }
    Query::none(&uri)?;
    let asked: NewRevocation = body::stated(&body)?;
    may_revoke(&gate, &caller, &asked).await?;
    let revoked_by = by(&caller)?;
    let now = now()?;
    let revocation = actionpass_core::NewRevocation {
        expires_at: prunable_from(&asked.target, Some(&gate.home.config.issuer), now),
        target: asked.target,
        reason: asked.reason,
        revoked_by,
        compromised_since: asked.compromised_since,
    };
    // A client that goes away must not leave a revocation without its record.
    let work = tokio::spawn(async move { revoke_now(&gate, revocation).await });
    let revoked = work.await.map_err(|_| Refused::from(ServerCode::ServiceFailed))??;
    let mut response = json(&revoked);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn revoke_now(gate: &Gate, revocation: actionpass_core::NewRevocation) -> Result<Revoked, Refused> {
    match gate.issuer.administrator().revoke(revocation).await {
        Ok((revocation, record)) => Ok(Revoked {
            revocation,
            record: Some(RecordLink {
                seq: record.seq,
                id: record.id,
                ledger_hash: record.ledger_hash,
            }),
        }),
        // It is in force, and whoever opens the ledger next appends the record.
        Err(AdminError::Unrecorded { revocation, source }) => {
            tracing::error!(revocation = %revocation.id, error = %source, "revoked, and the ledger doesn't hold the record yet");
            tell_witness(gate).await;
            Ok(Revoked {
                revocation: *revocation,
                record: None,
            })
        }
        Err(error) => Err(Refused::of(&error)),
    }
}

/// Has the witness know of a trust store that the ledger knows nothing of.
async fn tell_witness(gate: &Gate) {
    let (home, config) = (gate.home.home.clone(), gate.home.config.clone());
    let told = async {
        let version = gate.home.trust.read().await.ok()?.document.version;
        let told = tokio::task::spawn_blocking(move || home.witness_trust(Some(&config), version));
        told.await.ok()?.ok()
    };
    if told.await.is_none() {
        tracing::error!("the witness was not told of the trust store");
    }
}

/// Refuses what is beyond a client: keys and principals concern every tenant that trusts them, passes and approvals the tenant of
/// the record that tells of them.
async fn may_revoke(gate: &Gate, caller: &Caller, asked: &NewRevocation) -> Result<(), Refused> {
    let client = caller.client();
    let forbidden = |why: &str| Refused::from(ServerCode::ClientForbidden).with_detail(why);
    let is_for_one = matches!(
        asked.target,
        RevocationTarget::Pass { .. } | RevocationTarget::Approval { .. }
    );
    if asked.compromised_since.is_some() && !matches!(asked.target, RevocationTarget::Key(_)) {
        return Err(malformed("`compromisedSince` is said of keys").at("compromisedSince"));
    }
    if !is_for_one {
        caller.may(Right::Admin)?;
        if asked.record.is_some() {
            return Err(malformed("no record tells of a key or a principal").at("record"));
        }
        if !client.tenants.are_any() {
            return Err(forbidden("a key or a principal concerns all tenants"));
        }
        return Ok(());
    }
    let Some(seq) = asked.record else {
        return if caller.sees_all() {
            Ok(())
        } else {
            Err(forbidden("`record` is needed: it says who is concerned"))
        };
    };
    // What there isn't and what the client may not see look alike.
    let unknown = || forbidden("no such record that the client may see tells of it");
    let stored = match ledger::at(gate, seq).await {
        Err(refused) if refused.code() == ServerCode::RecordUnknown.as_str() => return Err(unknown()),
        stored => stored?,
    };
    if tells_of(gate, caller, &stored, &asked.target).await? {
        Ok(())
    } else {
        Err(unknown())
    }
}

/// Whether a record tells of a pass or an approval, and concerns whom the client may see.
async fn tells_of(
    gate: &Gate,
    caller: &Caller,
    stored: &StoredRecord,
    target: &RevocationTarget,
) -> Result<bool, Refused> {
    let Ok(record) = stored.to_record() else {
        return Ok(false);
    };
    if let Some(body) = stored.to_body::<DecisionBody>() {
        let is_it = match target {
            RevocationTarget::Pass { id, issuer } => {
                *issuer == record.issuer && body.pass.as_ref().is_some_and(|pass| pass.id == *id)
            }
            RevocationTarget::Approval { id, approver } => {
                let mut given = body.approvals.iter();
                given.any(|given| given.id == *id && given.approved_by == *approver)
            }
            RevocationTarget::Key(_) | RevocationTarget::Principal(_) => false,
        };
        return Ok(is_it && caller.sees_record(&record));
    }
    let (Some(body), RevocationTarget::Approval { id, approver }) = (stored.to_body::<RequestBody>(), target) else {
        return Ok(false);
    };
    let voter = body.principal.and_then(|voter| Approver::parse(voter.as_str()).ok());
    if body.vote.as_ref() != Some(id) || voter.as_ref() != Some(approver) {
        return Ok(false);
    }
    let request = gate.home.store.request(&body.request).await;
    let request = request.map_err(|error| Refused::of(&error))?;
    Ok(request.is_some_and(|stored| caller.sees(&stored.request)))
}

fn by(caller: &Caller) -> Result<Principal, Refused> {
    caller.principal().ok_or_else(|| {
        Refused::from(ServerCode::ClientForbidden)
            .with_detail("the name of the client is no principal's, and a record says who revokes")
    })
}

/// What is revoked, as the trust store has it.
#[utoipa::path(get, path = "/v1/revocations", tag = "trust",
    responses((status = 200, body = RevocationList), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn revocations(State(gate): State<Shared>, _: Caller, uri: Uri) -> Result<Response, Refused> {
    Query::none(&uri)?;
    let trust = gate.issuer.trust().await.map_err(|error| Refused::of(&error))?;
    let document = TrustStore::from_json(trust.text().bytes()).map_err(|error| {
        tracing::error!(%error, "the trust store that is in force can't be read again");
        Refused::from(ServerCode::ServiceFailed)
    })?;
    Ok(json(&RevocationList {
        version: document.version,
        revocations: document.revocations,
    }))
}

/// The trust store, for executors and whoever verifies.
#[utoipa::path(get, path = "/v1/trust", tag = "trust", params(
    ("If-None-Match" = Option<String>, Header, description = "The ETag of the one that the caller has"),
), responses((status = 200, body = schema::TrustStore), (status = 304, description = "It is the one that the caller has"), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn trust(
    State(gate): State<Shared>,
    _: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    Query::none(&uri)?;
    let trust = gate.issuer.trust().await.map_err(|error| Refused::of(&error))?;
    // Of the value: another spelling of it is as good.
    let etag = format!("W/\"{}\"", trust.evidence().digest);
    let mut response = if is_known(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_text(trust.text().bytes().to_vec())
    };
    let failed = |_| Refused::from(ServerCode::ServiceFailed);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(failed)?);
    // Kept by whoever asked, and asked for again each time: a revocation counts at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Whether one of the tags is this one, compared weakly (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/") == etag.trim_start_matches("W/")
    })
}

/// The public keys that sign passes of this issuer (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "trust", security(()),
    responses((status = 200, body = JwkSet, content_type = "application/jwk-set+json"), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn jwks(State(gate): State<Shared>, uri: Uri) -> Result<Response, Refused> {
    Query::none(&uri)?;
    let trust = gate.issuer.trust().await.map_err(|error| Refused::of(&error))?;
    let issuer = &gate.home.config.issuer;
    // A JWK says nothing of our uses: whoever is handed a set takes every key in it for one that signs passes.
    let signs_passes = trust.keyring().iter().filter(|entry| {
        let key = entry.trust();
        key.key_use == KeyUse::Pass && key.issuer.as_ref() == Some(issuer) && !entry.is_revoked()
    });
    let mut response = json(&JwkSet {
        keys: signs_passes.map(|entry| entry.key().to_jwk()).collect(),
    });
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/jwk-set+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEYS_FRESH));
    Ok(response)
}
