//! Changes as they happen, to a page that is open: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actionpass_core::RequestEvent;
use actionpass_model::RequestState;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::look::{look, outcome};
use super::sessions::{Person, Sessions};
use super::{Door, now, person};
use crate::gate::Shared;
use crate::problem::Refused;

/// How often a stream says that it lives, and asks whether its session does.
const BEAT: Duration = Duration::from_secs(15);

/// Somebody who listens.
struct Listener {
    gate: Shared,
    sessions: Arc<Sessions>,
    person: Person,
    events: Receiver<Arc<RequestEvent>>,
}

/// `GET /live`: of each request that the person sees and that changes, what it is now. It ends with the session.
pub(super) async fn stream(
    State(gate): State<Shared>,
    Extension(sessions): Door,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let listener = Listener {
        person: person(&gate, &sessions, &headers).await?,
        events: gate.events.subscribe(),
        gate,
        sessions,
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
        loop {
            let heard = tokio::time::timeout(BEAT, self.events.recv()).await;
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
                Ok(Ok(event)) => match self.tell(&event).await {
                    Some(event) => event,
                    None => continue,
                },
            };
            return Some((event, self));
        }
    }

    /// What a change is to this person; `None` if they don't see the request.
    async fn tell(&self, event: &RequestEvent) -> Option<Event> {
        let looked = look(&self.gate, &self.person, &event.request.id).await.ok()?;
        let review = &looked.review;
        let is_open = looked.may_vote && matches!(review.state, RequestState::Pending | RequestState::Approved);
        let data = json!({
            "id": review.request.id, "text": outcome(review), "open": is_open, "state": review.state.as_str(),
        });
        Some(Event::default().event("request").data(data.to_string()))
    }
}
