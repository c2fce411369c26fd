//! Changes as they happen, to a page that is open: server-sent events. A stream begins with what is now, since things happen
//! between the making of a page and its stream, and while a device sleeps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actionpass_core::RequestEvent;
use actionpass_model::{RequestId, RequestState};
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::look::{Looked, look, outcome};
use super::sessions::{Person, Sessions};
use super::{Door, now, person};
use crate::gate::Shared;
use crate::problem::Refused;

/// How often a stream says that it lives, and asks whether its session does.
const BEAT: Duration = Duration::from_secs(15);

/// What a page is of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    /// The request, of a page of one.
    request: Option<RequestId>,
}

/// Somebody who listens.
struct Listener {
    first: Option<Event>,
    gate: Shared,
    sessions: Arc<Sessions>,
    person: Person,
    events: Receiver<Arc<RequestEvent>>,
    /// Its place among the streams that there may be.
    _place: OwnedSemaphorePermit,
}

/// `GET /live`: of each request that the person sees and that changes, what it is now. It ends with the session, and
/// when the service stops.
pub(super) async fn stream(
    State(gate): State<Shared>,
    Extension(sessions): Door,
    headers: HeaderMap,
    Query(of): Query<Of>,
) -> Result<Response, Refused> {
    let person = person(&gate, &sessions, &headers).await?;
    let mut listener = Listener {
        first: None,
        _place: gate.load.stream()?,
        person,
        events: gate.events.subscribe(),
        gate,
        sessions,
    };
    listener.first = match &of.request {
        Some(request) => listener.tell(request).await,
        None => Some(listener.tell_all().await?),
    };
    let changes = stream::unfold(listener, |listener: Listener| async move {
        let (event, listener) = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(changes).into_response())
}

impl Listener {
    /// The next that is told; `None` once the person is out.
    async fn next(mut self) -> Option<(Event, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        loop {
            let heard = tokio::select! {
                heard = tokio::time::timeout(BEAT, self.events.recv()) => heard,
                () = self.gate.stop.begun() => return None,
            };
            self.person = self
                .sessions
                .again(&self.gate, &self.person, now().ok()?)
                .await
                .ok()??;
            let event = match heard {
                Err(_) => Event::default().comment("still here"),
                Ok(Err(RecvError::Closed)) => return None,
                // Some were missed: the page offers to be read again.
                Ok(Err(RecvError::Lagged(_))) => Event::default().event("missed").data("{}"),
                Ok(Ok(event)) => match self.tell(&event.request.id).await {
                    Some(event) => event,
                    None => continue,
                },
            };
            return Some((event, self));
        }
    }

    /// What a request is to this person now; `None` if they don't see it.
    async fn tell(&self, request: &RequestId) -> Option<Event> {
        let looked = look(&self.gate, &self.person, request).await.ok()?;
        Some(Event::default().event("request").data(told(&looked).to_string()))
    }

    /// What waits for this person now.
    async fn tell_all(&self) -> Result<Event, Refused> {
        let (looked, is_cut) = super::listing::live(&self.gate, &self.person, now()?).await?;
        let requests: Vec<Value> = looked.iter().map(told).collect();
        let data = json!({ "requests": requests, "whole": !is_cut });
        Ok(Event::default().event("waiting").data(data.to_string()))
    }
}

fn told(looked: &Looked) -> Value {
    let review = &looked.review;
    let is_open = looked.may_vote && matches!(review.state, RequestState::Pending | RequestState::Approved);
    json!({ "id": review.request.id, "text": outcome(review), "open": is_open, "state": review.state.as_str() })
}
