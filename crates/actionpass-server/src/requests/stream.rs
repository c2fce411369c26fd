//! Streams of events (server-sent events, WHATWG HTML §9.2): from the ledger, without a gap and without a duplicate.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actionpass_client::api::schema;
use actionpass_core::RequestEvent;
use actionpass_home::Right;
use actionpass_model::RequestId;
use actionpass_store::Ledger as _;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{Named, known, refused, shown};
use crate::caller::Caller;
use crate::events;
use crate::gate::Shared;
use crate::load::Kept as Place;
use crate::problem::Refused;
use crate::query::{Query, malformed};

/// So often something is sent, so that nobody between takes the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many records are read at once. Between two pages nothing of the store is held.
const PAGE: usize = 256;
/// So often at least it is asked whether the client's entry is what it was.
const CHECKED: Duration = Duration::from_secs(5);

/// What happens to one approval request: first what it is now, then each event.
#[utoipa::path(get, path = "/v1/requests/{id}/events", tag = "requests", params(
    ("id" = schema::RequestId, Path, description = "`req_…`"),
    ("Last-Event-ID" = Option<u64>, Header, description = "The number of the record behind which to resume"),
), responses((status = 200, body = String, content_type = "text/event-stream"), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_one(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    known(&gate, &caller, &id).await?;
    let mut stream = Stream::open(gate, caller, &headers).await?;
    // Looked at once nothing can be missed any more: an event may tell of what the state says already, and none is left out.
    let review = stream.gate.issuer.review(&id).await.map_err(refused)?;
    stream.only = Some(id);
    stream.message(None, "state", &shown::item(&review));
    Ok(stream.into_response())
}

/// What happens to the approval requests that the client may see.
#[utoipa::path(get, path = "/v1/events", tag = "requests", params(
    ("Last-Event-ID" = Option<u64>, Header, description = "The number of the record behind which to resume"),
), responses((status = 200, body = String, content_type = "text/event-stream"), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_all(
    State(gate): State<Shared>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    Ok(Stream::open(gate, caller, &headers).await?.into_response())
}

/// A stream on its way.
///
/// INVARIANT: every record below `next` was told of, or tells this reader nothing; none from `next` on was told of.
struct Stream {
    gate: Shared,
    caller: Caller,
    /// The one request that is asked for.
    only: Option<RequestId>,
    heard: Receiver<Arc<RequestEvent>>,
    next: u64,
    /// Whether the ledger is read; what is heard meanwhile waits.
    is_behind: bool,
    ready: VecDeque<Bytes>,
    sent: Instant,
    /// When the client's entry is looked at next.
    check_at: Instant,
    /// Its place among the streams that there may be.
    _place: Place,
}

impl Stream {
    async fn open(gate: Shared, caller: Caller, headers: &HeaderMap) -> Result<Self, Refused> {
        let last = last_event_id(headers)?;
        let place = gate.front.load.stream(caller.name().as_str())?;
        // From here on nothing is missed: what isn't heard is in the ledger by the time that it is asked.
        let heard = gate.events.subscribe();
        let state = gate.home.store.state().await.map_err(|error| Refused::of(&error))?;
        let size = state.head.size();
        if last.is_some_and(|last| last >= size) {
            return Err(malformed("Last-Event-ID: the ledger has no such record"));
        }
        let next = last.map_or(size, |last| last.saturating_add(1));
        Ok(Self {
            gate,
            caller,
            only: None,
            heard,
            next,
            is_behind: last.is_some(),
            // So that whoever waits for it learns that it listens.
            ready: VecDeque::from([Bytes::from_static(b":\n\n")]),
            sent: Instant::now(),
            check_at: later(Instant::now(), CHECKED),
            _place: place,
        })
    }

    fn into_response(self) -> Response {
        let pieces = futures_util::stream::unfold(self, |mut stream| async move {
            let piece = stream.piece().await?;
            Some((Ok::<_, Infallible>(piece), stream))
        });
        let mut response = Response::new(Body::from_stream(pieces));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // nginx passes each event on at once then.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// What is sent next; `None` at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                self.sent = Instant::now();
                return Some(piece);
            }
            let gate = Arc::clone(&self.gate);
            let (heartbeat, check_at) = (later(self.sent, HEARTBEAT), self.check_at);
            let is_over = tokio::select! {
                biased;
                () = gate.events.stopped() => true,
                () = gate.front.stop.begun() => true,
                () = tokio::time::sleep_until(heartbeat) => {
                    self.ready.push_back(Bytes::from_static(b":\n\n"));
                    false
                }
                () = tokio::time::sleep_until(check_at) => {
                    self.check_at = later(Instant::now(), CHECKED);
                    self.caller.still(&gate.callers).await.is_err()
                }
                is_over = self.step() => is_over,
            };
            if is_over {
                return None;
            }
        }
    }

    /// Reads or hears what comes next. Given up at any point nothing is lost. Whether the stream is over.
    async fn step(&mut self) -> bool {
        if self.is_behind {
            return self.read().await;
        }
        match self.heard.recv().await {
            Ok(event) => {
                // Others were read in the ledger.
                if event.seq >= self.next {
                    self.next = event.seq.saturating_add(1);
                    self.tell(&event);
                }
                false
            }
            Err(RecvError::Lagged(events)) => {
                self.is_behind = true;
                self.message(None, "behind", &serde_json::json!({ "events": events }));
                false
            }
            Err(RecvError::Closed) => true,
        }
    }

    /// Tells of a page of the ledger.
    async fn read(&mut self) -> bool {
        let store = Arc::clone(&self.gate.home.store);
        let failed = |error| {
            tracing::error!(%error, "a stream of events ends: the ledger can't be read");
            true
        };
        let page = match events::read(&*store, self.next, PAGE).await {
            Ok(page) => page,
            Err(error) => return failed(error),
        };
        // What comes behind the end was heard.
        self.is_behind = !page.is_empty();
        for stored in page {
            match events::event_of(&*store, &stored).await {
                Ok(event) => {
                    self.next = stored.seq.saturating_add(1);
                    if let Some(event) = event {
                        self.tell(&event);
                    }
                }
                Err(error) => return failed(error),
            }
        }
        false
    }

    fn tell(&mut self, event: &RequestEvent) {
        let is_asked_for = self.only.as_ref().is_none_or(|only| *only == event.request.id);
        if is_asked_for && self.caller.sees(&event.request) {
            self.message(Some(event.seq), &event.event, &shown::event(event));
        }
    }

    /// Puts an event in line. INVARIANT: neither names of events nor compact JSON have line ends.
    fn message(&mut self, id: Option<u64>, event: &str, data: &impl serde::Serialize) {
        let data = match serde_json::to_string(data) {
            Ok(data) => data,
            Err(error) => {
                tracing::error!(%error, "an event can't be written");
                return;
            }
        };
        let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
        self.ready
            .push_back(Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n")));
    }
}

fn later(time: Instant, by: Duration) -> Instant {
    time.checked_add(by).unwrap_or(time)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let mut values = headers.get_all("last-event-id").iter();
    let refused = || malformed("Last-Event-ID is the number of a record");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| refused())?;
            text.parse().map(Some).map_err(|_| refused())
        }
        (Some(_), Some(_)) => Err(refused()),
    }
}
