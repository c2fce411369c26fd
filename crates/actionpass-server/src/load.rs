//! [`Load`]: how much is asked at once, in shares that can't take from each other.
//!
//! What is too much is refused at once, with `overloaded` and `Retry-After`: nobody queues, so nothing times out as if that
//! were a decision.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    api: Arc<Lane>,
    people: Arc<Lane>,
    parked: Arc<Lane>,
    streams: Arc<Lane>,
    votes_per_minute: u32,
    votes: Mutex<HashMap<String, Votes>>,
}

/// So many places.
#[derive(Debug)]
struct Bounded {
    places: Arc<Semaphore>,
    most: usize,
}

/// What there is at once of one share: a bound for all, and one for each client.
#[derive(Debug)]
struct Lane {
    all: Bounded,
    of_one_client: usize,
    clients: Mutex<HashMap<String, usize>>,
    /// Whether a call holds a place while its body arrives. Anybody may send one to the page, as slowly as they like.
    holds_while_reading: bool,
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
        let lane = |most, of_one_client, holds_while_reading| {
            Arc::new(Lane {
                all: Bounded::new(most),
                of_one_client,
                clients: Mutex::default(),
                holds_while_reading,
            })
        };
        Self {
            api: lane(limits.calls, limits.calls_per_client, true),
            people: lane(limits.page_calls, limits.page_calls.div_ceil(2), false),
            parked: lane(limits.parked, limits.parked_per_client, true),
            streams: lane(limits.streams, limits.streams_per_client, true),
            votes_per_minute: limits.votes_per_minute,
            votes: Mutex::default(),
        }
    }

    /// A place among what runs at once.
    pub(crate) fn enter(&self, share: Share, deadline: Instant) -> Result<Slot, Refused> {
        let lane = match share {
            Share::Api => &self.api,
            Share::People => &self.people,
        };
        let permit = lane.all.take().ok_or(ServerCode::Overloaded)?;
        Ok(Slot(Arc::new(Place {
            lane: Arc::clone(lane),
            held: Mutex::new(Held {
                permit: Some(permit),
                client: None,
                deadline,
            }),
        })))
    }

    /// A place for a stream of events of a client, or of a person at the page; held until it is dropped.
    ///
    /// # Errors
    /// `overloaded` if there is none, or as many of this client as one may have.
    pub(crate) fn stream(&self, by: &str) -> Result<Kept, Refused> {
        Kept::of(&self.streams, by)
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
        self.parked.all.taken()
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.streams.all.taken()
    }
}

impl Bounded {
    fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
        }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn taken(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }
}

impl Lane {
    fn clients(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more of a client, if that is within `most`.
    fn count(&self, client: &str, most: usize) -> bool {
        let mut clients = self.clients();
        let running = clients.get(client).copied().unwrap_or_default();
        if running >= most {
            return false;
        }
        clients.insert(client.to_owned(), running.saturating_add(1));
        true
    }

    fn uncount(&self, client: &str) {
        let mut clients = self.clients();
        match clients.get_mut(client) {
            Some(running) if *running > 1 => *running = running.saturating_sub(1),
            _ => {
                clients.remove(client);
            }
        }
    }
}

/// The place of one request among what runs at once. A handler that waits for people gives it back meanwhile:
///
/// ```text
/// let parked = slot.park(&gate, wait)?;
/// tokio::select! { _ = gate.issuer.wait_for(&id, wait) => {}, () = gate.front.stop.begun() => {} }
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Slot(Arc<Place>);

#[derive(Debug)]
struct Place {
    lane: Arc<Lane>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// Whose it is, once that is proven; as long as it counts for them.
    client: Option<String>,
    deadline: Instant,
}

impl Slot {
    /// Says whose request it is.
    ///
    /// # Errors
    /// `overloaded` if as many of this client run as of one may.
    pub(crate) fn belongs_to(&self, client: &str) -> Result<(), Refused> {
        let mut held = self.0.held();
        if held.client.is_some() || held.permit.is_none() {
            return Ok(());
        }
        if !self.0.lane.count(client, self.0.lane.of_one_client) {
            return Err(ServerCode::Overloaded.into());
        }
        held.client = Some(client.to_owned());
        Ok(())
    }

    /// Reads a body. One of the share of people has no place meanwhile, so that whoever sends bodies slowly takes none from those who
    /// decide; of a client it counts all the while.
    ///
    /// # Errors
    /// Whatever the reading says; `overloaded` if there is no place once the body is there.
    pub(crate) async fn while_reading<T>(&self, body: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
        if self.0.lane.holds_while_reading {
            return body.await;
        }
        self.0.held().permit = None;
        let read = body.await?;
        let permit = self.0.lane.all.take().ok_or(ServerCode::Overloaded)?;
        self.0.held().permit = Some(permit);
        Ok(read)
    }

    /// Gives the place back before the answer: the answer is late on purpose, and nothing runs for it any more.
    pub(crate) fn give_back(&self) {
        self.0.held().permit = None;
    }

    /// Gives the place back for a call that waits for people, at most so long, and takes one among the parked.
    ///
    /// # Errors
    /// `overloaded` if too many are parked, or too many of this client: the call then keeps its place, and answers without waiting.
    pub(crate) fn park(&self, gate: &Shared, wait: Duration) -> Result<Kept, Refused> {
        let mut held = self.0.held();
        let parked = Kept::of(&gate.front.load.parked, held.client.as_deref().unwrap_or_default())?;
        held.permit = None;
        if let Some(client) = held.client.take() {
            self.0.lane.uncount(&client);
        }
        if let Some(later) = held.deadline.checked_add(wait) {
            held.deadline = later;
        }
        Ok(parked)
    }

    /// Until when the request has to be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.held().deadline
    }
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Of a parked call neither is held.
        if let Some(client) = &held.client {
            self.lane.uncount(client);
        }
    }
}

/// The place of what lasts, a parked call or a stream of events, until it is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    _permit: OwnedSemaphorePermit,
    lane: Arc<Lane>,
    client: String,
}

impl Kept {
    fn of(lane: &Arc<Lane>, client: &str) -> Result<Self, Refused> {
        let permit = lane.all.take().ok_or(ServerCode::Overloaded)?;
        if !lane.count(client, lane.of_one_client) {
            return Err(ServerCode::Overloaded.into());
        }
        Ok(Self {
            _permit: permit,
            lane: Arc::clone(lane),
            client: client.to_owned(),
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.lane.uncount(&self.client);
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
        limits.calls = 3;
        limits.calls_per_client = 2;
        limits.page_calls = 1;
        limits.streams = 3;
        limits.streams_per_client = 2;
        limits.votes_per_minute = 2;
        limits
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Refused>) -> String {
        result.unwrap_err().code().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn one_share_takes_nothing_from_the_other() {
        let load = Load::new(&limits());
        let deadline = Instant::now();
        let mut running: Vec<Slot> = (0..3).map(|_| load.enter(Share::Api, deadline).unwrap()).collect();
        assert_eq!(code(load.enter(Share::Api, deadline)), "overloaded");
        let person = load.enter(Share::People, deadline).unwrap();
        assert_eq!(code(load.enter(Share::People, deadline)), "overloaded");
        running.pop();
        load.enter(Share::Api, deadline).unwrap();
        running.pop().unwrap().give_back();
        load.enter(Share::Api, deadline).unwrap();
        drop(person);
        load.enter(Share::People, deadline).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_has_its_share_only() {
        let load = Load::new(&limits());
        let deadline = Instant::now();
        let enter = || load.enter(Share::Api, deadline).unwrap();
        let (first, second, third) = (enter(), enter(), enter());
        first.belongs_to("a").unwrap();
        second.belongs_to("a").unwrap();
        // Said twice, it is one call still.
        second.belongs_to("a").unwrap();
        assert_eq!(code(third.belongs_to("a")), "overloaded");
        third.belongs_to("b").unwrap();
        drop((first, third));
        enter().belongs_to("a").unwrap();
        drop(second);
        assert!(load.api.clients().is_empty());
        assert_eq!(load.api.all.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_people_has_no_place_while_its_body_arrives_and_counts_for_its_client() {
        let load = Load::new(&limits());
        let deadline = Instant::now();
        let vote = load.enter(Share::People, deadline).unwrap();
        vote.belongs_to("a").unwrap();
        let reading = vote.while_reading(async {
            // Its place is for others, and this client has none beside it.
            let other = load.enter(Share::People, deadline).unwrap();
            assert_eq!(code(other.belongs_to("a")), "overloaded");
            other.belongs_to("b").unwrap();
            Ok(other)
        });
        assert_eq!(code(reading.await), "overloaded");
        // Given up in the middle, it leaves nothing.
        drop(vote);
        assert!(load.people.clients().is_empty());
        let vote = load.enter(Share::People, deadline).unwrap();
        vote.belongs_to("a").unwrap();
        vote.while_reading(async { Ok(()) }).await.unwrap();
        assert_eq!(load.people.all.taken(), 1);
        drop(vote);
        // One of the API holds its place.
        let call = load.enter(Share::Api, deadline).unwrap();
        let taken = call.while_reading(async { Ok(load.api.all.taken()) }).await.unwrap();
        assert_eq!(taken, 1);
        drop(call);
        assert_eq!((load.api.all.taken(), load.people.all.taken()), (0, 0));
    }

    #[test]
    fn one_client_has_its_share_of_the_streams_only() {
        let load = Load::new(&limits());
        let (first, second) = (load.stream("a").unwrap(), load.stream("a").unwrap());
        assert_eq!(code(load.stream("a")), "overloaded");
        // Whoever was refused holds nothing, so others have the rest.
        let third = load.stream("b").unwrap();
        assert_eq!(code(load.stream("c")), "overloaded");
        assert_eq!(load.streams(), 3);
        drop(first);
        let again = load.stream("a").unwrap();
        drop((second, third, again));
        assert_eq!(load.streams(), 0);
        assert!(load.streams.clients().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn votes_are_counted_by_client_and_minute() {
        let load = Load::new(&limits());
        load.vote("a").unwrap();
        load.vote("a").unwrap();
        assert_eq!(code(load.vote("a")), "overloaded");
        load.vote("b").unwrap();
        tokio::time::advance(MINUTE).await;
        load.vote("a").unwrap();
        assert_eq!(load.votes.lock().unwrap().len(), 1);
    }
}
