//! [`Load`]: how much is asked at once, in shares that can't take from each other.
//!
//! What is too much is refused at once, with `overloaded` and `Retry-After`: nobody queues, so nothing times out as if that
//! were a decision.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actionpass_home::ServeLimits;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::ServerCode;
use crate::gate::Shared;
use crate::problem::Refused;

/// Whose share a request counts against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Share {
    /// Programs that ask: every route of the API but votes.
    Api,
    /// People who decide: the page, and votes.
    People,
}

/// The shares.
#[derive(Debug)]
pub(crate) struct Load {
    api: Arc<Semaphore>,
    people: Arc<Semaphore>,
    parked: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    votes_per_minute: u32,
    votes: Mutex<HashMap<String, Votes>>,
    parked_most: usize,
    streams_most: usize,
}

/// The votes of one client within a minute.
#[derive(Debug)]
struct Votes {
    since: Instant,
    count: u32,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Load {
    pub(crate) fn new(limits: &ServeLimits) -> Self {
        let semaphore = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            api: semaphore(limits.calls),
            people: semaphore(limits.page_calls),
            parked: semaphore(limits.parked),
            streams: semaphore(limits.streams),
            votes_per_minute: limits.votes_per_minute,
            votes: Mutex::default(),
            parked_most: limits.parked,
            streams_most: limits.streams,
        }
    }

    /// A place among what runs at once.
    pub(crate) fn enter(&self, share: Share, deadline: Instant) -> Result<Slot, Refused> {
        let semaphore = match share {
            Share::Api => &self.api,
            Share::People => &self.people,
        };
        let permit = taken(semaphore)?;
        Ok(Slot(Arc::new(Place {
            semaphore: Arc::clone(semaphore),
            held: Mutex::new(Held {
                permit: Some(permit),
                deadline,
            }),
        })))
    }

    /// A place for a stream of events, held until it is dropped.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Refused> {
        taken(&self.streams)
    }

    /// Counts a vote that a client, or a person at the page, casts; refuses those beyond its number in a minute.
    pub(crate) fn vote(&self, by: &str) -> Result<(), Refused> {
        let now = Instant::now();
        let mut votes = self.votes.lock().unwrap_or_else(PoisonError::into_inner);
        votes.retain(|_, votes| now.saturating_duration_since(votes.since) < MINUTE);
        let of = votes.entry(by.to_owned()).or_insert(Votes { since: now, count: 0 });
        if of.count >= self.votes_per_minute {
            return Err(ServerCode::Overloaded.into());
        }
        of.count = of.count.saturating_add(1);
        Ok(())
    }

    /// How many calls are parked.
    pub(crate) fn parked(&self) -> usize {
        self.parked_most.saturating_sub(self.parked.available_permits())
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.streams_most.saturating_sub(self.streams.available_permits())
    }
}

fn taken(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refused> {
    Arc::clone(semaphore)
        .try_acquire_owned()
        .map_err(|_| ServerCode::Overloaded.into())
}

/// The place of one request among what runs at once. A handler that waits for people gives it back meanwhile:
///
/// ```text
/// let parked = slot.park(&gate, wait)?;
/// tokio::select! { _ = gate.issuer.wait_for(&id, wait) => {}, () = gate.stop.begun() => {} }
/// parked.resume().await; // then judge again
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Slot(Arc<Place>);

#[derive(Debug)]
struct Place {
    semaphore: Arc<Semaphore>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    deadline: Instant,
}

impl Slot {
    /// Gives the place back for a call that waits for people, at most so long, and takes one among the parked.
    ///
    /// # Errors
    /// `overloaded` if too many are parked: the call then keeps its place, and answers without waiting.
    pub(crate) fn park(&self, gate: &Shared, wait: Duration) -> Result<Parked, Refused> {
        let parked = taken(&gate.load.parked)?;
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.permit = None;
        if let Some(later) = held.deadline.checked_add(wait) {
            held.deadline = later;
        }
        Ok(Parked {
            place: Arc::clone(&self.0),
            _parked: parked,
        })
    }

    /// Until when the request has to be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).deadline
    }
}

/// A parked call.
#[derive(Debug)]
pub(crate) struct Parked {
    place: Arc<Place>,
    _parked: OwnedSemaphorePermit,
}

impl Parked {
    /// Goes on: takes a place among what runs again, in turn with the others that were parked. They were let in once, so they
    /// are not refused; the time of the request bounds how long this takes.
    pub(crate) async fn resume(self) {
        // The semaphore is never closed.
        if let Ok(permit) = Arc::clone(&self.place.semaphore).acquire_owned().await {
            self.place.held.lock().unwrap_or_else(PoisonError::into_inner).permit = Some(permit);
        }
    }
}

impl FromRequestParts<Shared> for Slot {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refused> {
        // Every route of the API has one, by the layer above it.
        let slot = parts.extensions.get::<Self>().cloned();
        slot.ok_or_else(|| ServerCode::ServiceFailed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ServeLimits {
        let mut limits = ServeLimits::DEFAULT;
        limits.calls = 1;
        limits.page_calls = 1;
        limits.votes_per_minute = 2;
        limits
    }

    #[tokio::test(start_paused = true)]
    async fn one_share_takes_nothing_from_the_other() {
        let load = Load::new(&limits());
        let deadline = Instant::now();
        let first = load.enter(Share::Api, deadline).unwrap();
        assert_eq!(load.enter(Share::Api, deadline).unwrap_err().code(), "overloaded");
        let person = load.enter(Share::People, deadline).unwrap();
        assert_eq!(load.enter(Share::People, deadline).unwrap_err().code(), "overloaded");
        drop(first);
        load.enter(Share::Api, deadline).unwrap();
        drop(person);
    }

    #[tokio::test(start_paused = true)]
    async fn votes_are_counted_by_client_and_minute() {
        let load = Load::new(&limits());
        load.vote("a").unwrap();
        load.vote("a").unwrap();
        assert_eq!(load.vote("a").unwrap_err().code(), "overloaded");
        load.vote("b").unwrap();
        tokio::time::advance(MINUTE).await;
        load.vote("a").unwrap();
        assert_eq!(load.votes.lock().unwrap().len(), 1);
    }
}
