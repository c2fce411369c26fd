//! How the service fares: health, readiness, metrics, OpenAPI.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actionpass_client::api::Problem;
use actionpass_home::{Metrics as MetricsFor, Right};
use actionpass_store::{Batch, Ledger as _};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::gate::Shared;
use crate::peer::Peer;
use crate::problem::Refused;
use crate::telemetry::Telemetry;
use crate::{ServerCode, metrics, openapi};

/// The file that is written to see whether there is room.
const PROBE_FILE: &str = "serve.probe";
/// For how long an answer of `/readyz` stands, so that probes are no load.
const READY_HOLDS: Duration = Duration::from_secs(3);
/// How long a part may take to show that it works.
const PART_TIME: Duration = Duration::from_secs(5);

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi_json))
}

/// What `/readyz` found last.
pub(crate) type Readiness = Found<Parts>;

/// What was found last, for as long as an answer of `/readyz` stands.
#[derive(Debug)]
pub(crate) struct Found<T>(Arc<Mutex<Option<(Instant, T)>>>);

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Copy + Send + 'static> Found<T> {
    /// What was found last, or what `look` finds, at most once in [`READY_HOLDS`]; who comes meanwhile waits for the same answer. Who
    /// goes away doesn't end it: anybody may ask, and could have it looked again as often as they hang up. `None` if it panicked.
    pub(crate) async fn or(&self, look: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some((at, found)) = *last
            && at.elapsed() < READY_HOLDS
        {
            return Some(found);
        }
        let looking = tokio::spawn(async move {
            let found = look.await;
            *last = Some((Instant::now(), found));
            found
        });
        looking.await.ok()
    }
}

/// Which parts of the service work.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parts {
    /// The key signed a probe.
    key: bool,
    /// The store took a write.
    store: bool,
    /// The trust store could be read, and believed.
    trust: bool,
    /// `clients.toml` could be read: without it nobody is answered.
    clients: bool,
}

impl Parts {
    /// The code of each part that doesn't work.
    fn broken(self) -> impl Iterator<Item = ServerCode> {
        let parts = [
            (self.key, ServerCode::KeyNotReady),
            (self.store, ServerCode::StoreNotReady),
            (self.trust, ServerCode::TrustNotReady),
            (self.clients, ServerCode::ClientsUnreadable),
        ];
        parts.into_iter().filter(|(works, _)| !works).map(|(_, code)| code)
    }
}

/// Whether it is up, and ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// Whether all of it works.
    ready: bool,
    /// Which parts work; for peers on this host only.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Parts>,
}

/// That it isn't ready: a problem, and which parts work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NotReady {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    ready: Ready,
}

/// That the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "The process lives."))
)]
pub(crate) async fn healthz() -> StatusCode {
    StatusCode::OK
}

/// Whether decisions can be made: the key signs, the store takes writes, trust and clients can be read.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses(
        (status = 200, description = "All of it works.", body = Ready),
        (status = 503, description = "A part doesn't.", body = NotReady, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(gate): State<Shared>, peer: Option<Extension<Peer>>) -> Result<Response, Refused> {
    let parts = gate.readiness.or(look(Arc::clone(&gate))).await;
    let parts = parts.ok_or(ServerCode::ServiceFailed)?;
    let is_local = peer.is_some_and(|Extension(peer)| peer.is_local());
    let codes: Vec<ServerCode> = parts.broken().collect();
    let answer = Ready {
        ready: codes.is_empty(),
        parts: is_local.then_some(parts),
    };
    let Some(first) = codes.first() else {
        let body = serde_json::to_vec(&answer).map_err(|_| ServerCode::ServiceFailed)?;
        return Ok((json_headers("no-store"), body).into_response());
    };
    let mut refused = Refused::from(if is_local { *first } else { ServerCode::NotReady });
    if is_local && codes.len() > 1 {
        refused = refused.with_codes(codes.iter().map(|code| code.as_str().to_owned()).collect());
    }
    let answer = NotReady {
        problem: refused.problem().clone(),
        ready: answer,
    };
    let body = serde_json::to_vec(&answer).map_err(|_| ServerCode::ServiceFailed)?;
    let (head, _) = refused.into_response().into_parts();
    Ok(Response::from_parts(head, body.into()))
}

/// Looks at every part.
async fn look(gate: Shared) -> Parts {
    let (key, store, trust, clients) = tokio::join!(
        part("key", async {
            gate.issuer.probe_signer().await.map_err(|error| error.to_string())
        }),
        part("store", async {
            let appended = gate.home.store.append(Batch::new(Vec::new())).await;
            appended.map_err(|error| error.to_string())?;
            // A transaction that changes nothing writes nothing, so a full disk shows here.
            let file = gate.home.home.path(PROBE_FILE);
            let written = tokio::task::spawn_blocking(move || write_probe(&file)).await;
            written
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())
        }),
        part("trust", async {
            gate.issuer.trust().await.map(|_| ()).map_err(|error| error.to_string())
        }),
        part("clients", async {
            let clients = gate.callers.current().await;
            clients.map(|_| ()).map_err(|refused| refused.code().to_owned())
        }),
    );
    Parts {
        key,
        store,
        trust,
        clients,
    }
}

/// Writes a page of the disk that the home is on, and takes it away again.
fn write_probe(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    std::fs::remove_file(path)
}

async fn part(name: &'static str, works: impl Future<Output = Result<(), String>>) -> bool {
    let problem = match tokio::time::timeout(PART_TIME, works).await {
        Ok(Ok(())) => return true,
        Ok(Err(problem)) => problem,
        Err(_) => "it took too long".to_owned(),
    };
    tracing::error!(part = name, problem, "a part of the service doesn't work");
    false
}

/// What the service counted, for a client that may read the ledger or administer. With `[serve] metrics = "open"` for every
/// peer on this host too.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
        (status = "4XX", description = "The client may not", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "A part of the service failed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn metrics(State(gate): State<Shared>, request: Request) -> Result<Response, Refused> {
    let (mut parts, _) = request.into_parts();
    let is_open = gate.metrics_for == MetricsFor::Open && parts.extensions.get::<Peer>().is_some_and(Peer::is_local);
    if !is_open {
        let caller = Caller::from_request_parts(&mut parts, &gate).await?;
        if !caller.client().may(Right::Admin) {
            caller.may(Right::Ledger)?;
        }
    }
    let front = &gate.front;
    let spans = front.telemetry.as_ref().map_or(0, Telemetry::dropped);
    front
        .metrics
        .told(gate.webhooks.delivered(), gate.webhooks.dropped(), spans);
    front.measure();
    let text = front.metrics.text().map_err(|_| ServerCode::ServiceFailed)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, text).into_response())
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) async fn openapi_json() -> Result<Response, Refused> {
    let text = openapi::TEXT.as_deref().ok_or(ServerCode::ServiceFailed)?;
    Ok((json_headers("max-age=300"), text).into_response())
}

const fn json_headers(cache: &'static str) -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn who_hangs_up_has_nothing_looked_at_again() {
        let (found, times, go_on) = (Found::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let look = || {
            let (times, go_on) = (Arc::clone(&times), Arc::clone(&go_on));
            async move {
                times.fetch_add(1, Ordering::Relaxed);
                go_on.notified().await;
                true
            }
        };
        for _ in 0..3 {
            let gone = tokio::time::timeout(Duration::from_millis(20), found.or(look())).await;
            assert!(gone.is_err());
        }
        go_on.notify_one();
        assert_eq!(found.or(look()).await, Some(true));
        assert_eq!(found.or(look()).await, Some(true));
        assert_eq!(times.load(Ordering::Relaxed), 1);
    }
}
