//! The ledger: its head, records, exports.

#[cfg(test)]
mod tests;

use actionpass_client::api::{LedgerHead, RecordList, schema};
use actionpass_home::{Right, home};
use actionpass_model::{ApprovalRequest, PassId, Record, RecordKind, RequestId, Tenant};
use actionpass_store::{Ledger as _, QueueStore as _, StoreCode, StoreError, StoredRecord};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use crate::ServerCode;
use crate::answer::{json, json_text};
use crate::caller::Caller;
use crate::gate::{Gate, Shared};
use crate::problem::Refused;
use crate::query::{Query, malformed};

/// The most records on a page.
const MAX_PAGE: usize = 100;
/// How many records one question looks at, at most.
const LOOKED_AT: usize = 2048;
/// How many records are read at once. Between two pages nothing of the store is held.
const PAGE: usize = 256;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/ledger/head", get(head))
        .route("/v1/ledger/records", get(records))
        .route("/v1/ledger/records/{seq}", get(record))
        .route("/v1/ledger/export", get(export))
}

/// Where the ledger ends.
#[utoipa::path(get, path = "/v1/ledger/head", tag = "ledger",
    responses((status = 200, body = LedgerHead), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn head(State(gate): State<Shared>, caller: Caller, uri: Uri) -> Result<Response, Refused> {
    caller.may(Right::Ledger)?;
    Query::none(&uri)?;
    let log = home::log(&gate.home.config).map_err(|error| Refused::of(&error))?;
    let state = gate.home.store.state().await.map_err(|error| Refused::of(&error))?;
    Ok(json(&LedgerHead {
        issuer: log.issuer().clone(),
        log: log.origin().clone(),
        size: state.head.size(),
        hash: state.head.hash(),
        head: state.head.known().map(|head| head.to_string()),
    }))
}

/// Which records are asked for. Everything that is set must hold.
#[derive(Debug)]
struct Filter {
    kind: Option<String>,
    tenant: Option<Tenant>,
    agent: Option<String>,
    request: Option<RequestId>,
    pass: Option<PassId>,
}

/// Lists records, in the order of the ledger, from the first on that is not in an archive.
#[utoipa::path(get, path = "/v1/ledger/records", tag = "ledger", params(
    ("kind" = Option<schema::RecordKind>, Query, description = "`decision`, `revocation`, `outcome`, `use`, `key`, `trust`, `policy`, `pin`, `erasure` or `request`"),
    ("tenant" = Option<schema::Tenant>, Query, description = "That concern this tenant"),
    ("agent" = Option<schema::Agent>, Query, description = "Decisions for this agent, and what happened to its requests"),
    ("request" = Option<schema::RequestId>, Query, description = "Decisions on this approval request, and what happened to it"),
    ("pass" = Option<schema::PassId>, Query, description = "Decisions, uses, outcomes and revocations of this pass"),
    ("after" = Option<u64>, Query, description = "Behind the record of this number: `next` of the page before"),
    ("before" = Option<u64>, Query, description = "In front of the record of this number"),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 100, description = "So many at most, 100 unless it is said"),
), responses((status = 200, body = RecordList), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn records(State(gate): State<Shared>, caller: Caller, uri: Uri) -> Result<Response, Refused> {
    caller.may(Right::Ledger)?;
    let names = ["kind", "tenant", "agent", "request", "pass", "after", "before", "limit"];
    let query = Query::of(&uri, &names)?;
    let limit = query.limit(MAX_PAGE)?;
    let filter = Filter {
        kind: query.get_by("kind", kind)?,
        tenant: query.get("tenant")?,
        agent: query.get::<actionpass_model::Agent>("agent")?.map(String::from),
        request: query.get("request")?,
        pass: query.get("pass")?,
    };
    let after = query.get::<u64>("after")?;
    let before = query.get::<u64>("before")?.unwrap_or(u64::MAX);
    // Behind a record that was taken out, and isn't the last of those, there is nothing to go on with: the store says so.
    let mut seq = match after {
        Some(after) => after.saturating_add(1),
        None => {
            let state = gate.home.store.state().await.map_err(|error| Refused::of(&error))?;
            state.first.size()
        }
    };

    let mut found = Vec::new();
    let mut looked_at: usize = 0;
    let mut next = None;
    'pages: loop {
        let page = gate.home.store.read(seq, PAGE).await;
        let page = page.map_err(|error| Refused::of(&error))?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            if stored.seq >= before {
                break 'pages;
            }
            if found.len() == limit || looked_at == LOOKED_AT {
                next = seq.checked_sub(1);
                break 'pages;
            }
            looked_at = looked_at.saturating_add(1);
            seq = stored.seq.saturating_add(1);
            if let Some(told) = told(&gate, &caller, &stored).await?
                && filter.admits(&told)
            {
                found.push(stored.json);
            }
        }
    }
    Ok(page_of(&found, next))
}

/// The page. Records stand in it as they are stored: nothing writes them another way.
fn page_of(records: &[Vec<u8>], next: Option<u64>) -> Response {
    let mut body = b"{\"records\":[".to_vec();
    body.extend(records.join(&b','));
    body.push(b']');
    if let Some(next) = next {
        body.extend(format!(",\"next\":{next}").bytes());
    }
    body.push(b'}');
    json_text(body)
}

/// One record, as it is stored.
#[utoipa::path(get, path = "/v1/ledger/records/{seq}", tag = "ledger", params(("seq" = u64, Path, description = "Its number, from 0")),
    responses((status = 200, body = schema::Record), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn record(
    State(gate): State<Shared>,
    caller: Caller,
    seq: Result<Path<u64>, PathRejection>,
    uri: Uri,
) -> Result<Response, Refused> {
    caller.may(Right::Ledger)?;
    Query::none(&uri)?;
    let Path(seq) = seq.map_err(|_| malformed("the number of a record is a whole number, from 0"))?;
    let stored = at(&gate, seq).await?;
    match told(&gate, &caller, &stored).await? {
        Some(_) => Ok(json_text(stored.json)),
        None => Err(ServerCode::RecordUnknown.into()),
    }
}

/// The record of a number.
///
/// # Errors
/// [`ServerCode::RecordUnknown`].
pub(crate) async fn at(gate: &Gate, seq: u64) -> Result<StoredRecord, Refused> {
    let read = gate.home.store.read(seq, 1).await;
    let read = read.map_err(|error| Refused::of(&error))?;
    let stored = read.into_iter().next().filter(|stored| stored.seq == seq);
    stored.ok_or_else(|| ServerCode::RecordUnknown.into())
}

/// Every record that is there as a line of JSON, up to where the ledger ends now; the first is that behind the last archive: what `ledger export` prints and `ledger verify` takes.
#[utoipa::path(get, path = "/v1/ledger/export", tag = "ledger",
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn export(State(gate): State<Shared>, caller: Caller, uri: Uri) -> Result<Response, Refused> {
    caller.may(Right::Ledger)?;
    Query::none(&uri)?;
    // A chain has no gaps, so there is none of the records that a narrower entry admits.
    if !caller.sees_all() {
        return Err(Refused::from(ServerCode::ClientForbidden).with_detail("an export is of everybody's records"));
    }
    let state = gate.home.store.state().await.map_err(|error| Refused::of(&error))?;
    let size = state.head.size();
    let first = state.first.size();
    let lines = futures_util::stream::try_unfold((gate, first), move |(gate, seq)| async move {
        if seq >= size {
            return Ok(None);
        }
        // An error breaks the answer off, so that what is there isn't taken for all of it.
        let limit = usize::try_from(size.saturating_sub(seq)).unwrap_or(PAGE).min(PAGE);
        let page = gate.home.store.read(seq, limit).await.inspect_err(|error| {
            tracing::error!(%error, seq, "an export breaks off");
        })?;
        let Some(last) = page.last().map(|last| last.seq) else {
            return Err(StoreError::with_source(StoreCode::StoreCorrupt, "a record is missing"));
        };
        let mut lines = Vec::new();
        for stored in page.iter().filter(|stored| stored.seq < size) {
            lines.extend_from_slice(&stored.json);
            lines.push(b'\n');
        }
        Ok::<_, StoreError>(Some((Bytes::from(lines), (gate, last.saturating_add(1)))))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// A record that a client may see, with whose it is where that is known.
struct Told {
    record: Record,
    agent: Option<String>,
}

/// A record, if the client may see it ([`Caller::sees_record`]); a change of a request, if it may see the request.
async fn told(gate: &Gate, caller: &Caller, stored: &StoredRecord) -> Result<Option<Told>, Refused> {
    let record = match stored.to_record() {
        Ok(record) => record,
        // It isn't left out for whoever may see everything, as if there were none.
        Err(error) if caller.sees_all() => {
            return Err(Refused::of(&StoreError::with_source(StoreCode::StoreCorrupt, error)));
        }
        Err(_) => return Ok(None),
    };
    let request = match record.kind {
        RecordKind::Request => request_of(gate, &record).await?,
        _ => None,
    };
    let (is_seen, agent) = match request {
        Some(request) => (caller.sees(&request), Some(request.actor.agent.into())),
        None => (caller.sees_record(&record), agent_of(&record)),
    };
    Ok(is_seen.then_some(Told { record, agent }))
}

/// The request that a record names, if there still is one.
async fn request_of(gate: &Gate, record: &Record) -> Result<Option<ApprovalRequest>, Refused> {
    let id = text(record, "request").and_then(|id| RequestId::parse(id).ok());
    let Some(id) = id else { return Ok(None) };
    let stored = gate.home.store.request(&id).await;
    Ok(stored
        .map_err(|error| Refused::of(&error))?
        .map(|stored| stored.request))
}

/// The agent that a decision was for.
fn agent_of(record: &Record) -> Option<String> {
    let agent = record.body.get().get("actor")?.get("agent")?.as_str()?;
    Some(agent.to_owned())
}

fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.body.get().get(name).and_then(Value::as_str)
}

/// The pass that a record is about.
fn pass_of(record: &Record) -> Option<&str> {
    let body = record.body.get();
    match record.kind {
        RecordKind::Decision => body.get("pass")?.get("id")?.as_str(),
        RecordKind::Use | RecordKind::Outcome => body.get("pass")?.as_str(),
        RecordKind::Revocation => {
            let target = body.get("revocation")?.get("target")?;
            let is_pass = target.get("kind").and_then(Value::as_str) == Some("pass");
            target.get("id").filter(|_| is_pass)?.as_str()
        }
        _ => None,
    }
}

impl Filter {
    fn admits(&self, told: &Told) -> bool {
        let record = &told.record;
        self.kind.as_ref().is_none_or(|kind| kind == record.kind.as_str())
            && self
                .tenant
                .as_ref()
                .is_none_or(|tenant| record.tenant.as_ref() == Some(tenant))
            && self
                .agent
                .as_ref()
                .is_none_or(|agent| told.agent.as_ref() == Some(agent))
            && self
                .request
                .as_ref()
                .is_none_or(|request| text(record, "request") == Some(request.as_str()))
            && self
                .pass
                .as_ref()
                .is_none_or(|pass| pass_of(record) == Some(pass.as_str()))
    }
}

/// A kind of record, by its name.
fn kind(name: &str) -> Result<String, String> {
    let name = Value::from(name);
    let kind = RecordKind::deserialize(&name).map_err(|_| "is no kind of record".to_owned())?;
    Ok(kind.as_str().to_owned())
}
