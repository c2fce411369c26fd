//! Changes as they happen, to a page that is open: server-sent events. A stream begins with what is now, since things happen
//! between the making of a page and its stream, and while a device sleeps.

use std::convert::Infallible;
use std::time::Duration;

use actionpass_model::RequestId;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::look::{Looked, outcome};
use super::sessions::{self, Person};
use super::{Host, SharedHost, now, person};
use crate::load::Kept as Place;
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
    host: SharedHost,
    person: Person,
    changes: BoxStream<'static, Option<RequestId>>,
    has_missed: bool,
    /// Its place among the streams that there may be.
    _place: Place,
}

/// `GET /live`: of each request that the person sees and that changes, what it is now. It ends with the session, and
/// when the service stops.
pub(super) async fn stream(
    State(host): State<SharedHost>,
    headers: HeaderMap,
    Query(of): Query<Of>,
) -> Result<Response, Refused> {
    let person = person(&host, &headers).await?;
    let mut listener = Listener {
        first: None,
        _place: host.front.load.stream(person.principal.as_str())?,
        person,
        changes: host.source.changes(),
        has_missed: false,
        host,
    };
    listener.first = match &of.request {
        Some(request) => tell(&listener.host, &listener.person, request).await,
        None => Some(tell_all(&listener.host, &listener.person).await?),
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
                heard = tokio::time::timeout(BEAT, self.changes.next()) => match heard {
                    Ok(None) => return None,
                    Ok(Some(change)) => Some(change),
                    Err(_) => None,
                },
                () = self.host.front.stop.begun() => return None,
            };
            match sessions::again(&self.host, &self.person, now().ok()?).await {
                Ok(Some(person)) => self.person = person,
                Ok(None) => return None,
                // Whether they are signed in still can't be known, so they are told nothing; later, that they missed something.
                Err(_) => {
                    self.has_missed = true;
                    return Some((Event::default().comment("still here"), self));
                }
            }
            let event = match heard {
                _ if std::mem::take(&mut self.has_missed) => Event::default().event("missed").data("{}"),
                None => Event::default().comment("still here"),
                // Some were missed: the page offers to be read again.
                Some(None) => Event::default().event("missed").data("{}"),
                Some(Some(request)) => match tell(&self.host, &self.person, &request).await {
                    Some(event) => event,
                    None => continue,
                },
            };
            return Some((event, self));
        }
    }
}

/// What a request is to this person now; `None` if they don't see it.
async fn tell(host: &Host, person: &Person, request: &RequestId) -> Option<Event> {
    let looked = host.source.look(person, request).await.ok()?;
    Some(Event::default().event("request").data(told(&looked).to_string()))
}

/// What waits for this person now.
async fn tell_all(host: &Host, person: &Person) -> Result<Event, Refused> {
    let (looked, is_cut) = super::listing::live(host, person, now()?).await?;
    let requests: Vec<Value> = looked.iter().map(told).collect();
    let data = json!({ "requests": requests, "whole": !is_cut });
    Ok(Event::default().event("waiting").data(data.to_string()))
}

fn told(looked: &Looked) -> Value {
    let review = &looked.review;
    let is_open = looked.may_vote && review.is_open();
    json!({ "id": review.request.id, "text": outcome(review), "open": is_open, "state": review.state.as_str() })
}
