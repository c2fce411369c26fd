//! Requests of a client that have no answer yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, oneshot};

use crate::McpCode;
use crate::message::Id;

/// The most requests of a client at once.
const MAX_FLIGHTS: usize = 1024;

/// How many requests are remembered that were given up and that the server may still answer.
const MAX_GIVEN_UP: usize = 1024;

/// What the server answered: its message, or why it can't be passed on.
pub(crate) type Answered = Result<Vec<u8>, McpCode>;

/// A request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    id: Id,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    is_given_up: AtomicBool,
    given_up: Notify,
}

impl Flight {
    /// Whether the client doesn't wait any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.inner.is_given_up.load(Ordering::SeqCst)
    }

    /// Until the client doesn't wait any more.
    pub(crate) async fn given_up(&self) {
        let notified = self.inner.given_up.notified();
        if !self.is_given_up() {
            notified.await;
        }
    }

    fn give_up(&self) {
        self.inner.is_given_up.store(true, Ordering::SeqCst);
        // Whoever asks later sees the flag; whoever asked before is woken, once.
        self.inner.given_up.notify_one();
    }
}

/// Requests of a client by their ids.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    by_id: HashMap<Id, Entry>,
    /// Those that were given up after the server got them: its answer would be taken for that of a later request with the same id.
    given_up: VecDeque<Id>,
}

#[derive(Debug)]
struct Entry {
    flight: Flight,
    method: String,
    token: Option<Vec<u8>>,
    is_sent: bool,
    /// Who waits for the server's answer; nobody if it goes to the client as it is.
    answered: Option<oneshot::Sender<Answered>>,
}

/// What the server's answer is to.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) method: String,
    pub(crate) answered: Option<oneshot::Sender<Answered>>,
}

impl Flights {
    pub(crate) fn begin(&mut self, id: &Id, method: &str, token: Option<&[u8]>) -> Result<Flight, McpCode> {
        if self.by_id.contains_key(id) || self.given_up.contains(id) {
            return Err(McpCode::IdRefused);
        }
        if self.by_id.len() >= MAX_FLIGHTS {
            return Err(McpCode::TooManyRequests);
        }
        let flight = Flight {
            id: id.clone(),
            inner: Arc::default(),
        };
        let entry = Entry {
            flight: flight.clone(),
            method: method.to_owned(),
            token: token.map(<[u8]>::to_vec),
            is_sent: false,
            answered: None,
        };
        self.by_id.insert(id.clone(), entry);
        Ok(flight)
    }

    pub(crate) fn is_used(&self, id: &Id) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether a request of this method has no answer yet.
    pub(crate) fn has(&self, method: &str) -> bool {
        self.by_id.values().any(|entry| entry.method == method)
    }

    /// The request that gave this token.
    pub(crate) fn with_token(&self, token: &[u8]) -> Option<&Id> {
        let mut entries = self.by_id.iter();
        entries
            .find(|(_, entry)| entry.token.as_deref() == Some(token))
            .map(|(id, _)| id)
    }

    /// Notes that the server gets it; not if it was given up.
    pub(crate) fn sent(&mut self, flight: &Flight, answered: Option<oneshot::Sender<Answered>>) -> bool {
        match self.entry(flight) {
            Some(entry) => {
                entry.is_sent = true;
                entry.answered = answered;
                true
            }
            None => false,
        }
    }

    /// Gives one up; whether the server has it.
    pub(crate) fn cancel(&mut self, id: &Id) -> bool {
        // A client doesn't take back what everything else rests on.
        if self.by_id.get(id).is_some_and(|entry| entry.method == "initialize") {
            return false;
        }
        let Some(entry) = self.by_id.remove(id) else {
            return false;
        };
        entry.flight.give_up();
        if entry.is_sent {
            if self.given_up.len() >= MAX_GIVEN_UP {
                self.given_up.pop_front();
            }
            self.given_up.push_back(id.clone());
        }
        entry.is_sent
    }

    /// Gives one up that the server doesn't have.
    pub(crate) fn cancel_unsent(&mut self, id: &Id) {
        if self
            .by_id
            .get(id)
            .is_some_and(|entry| !entry.is_sent && entry.answered.is_none())
        {
            self.cancel(id);
        }
    }

    /// Gives up all that the server doesn't have.
    pub(crate) fn cancel_waiting(&mut self) {
        self.by_id.retain(|_, entry| {
            if !entry.is_sent {
                entry.flight.give_up();
            }
            entry.is_sent
        });
    }

    /// Takes out what the server answers; not what it was never asked.
    pub(crate) fn land(&mut self, id: &Id) -> Option<Landed> {
        if let Some(at) = self.given_up.iter().position(|given_up| given_up == id) {
            self.given_up.remove(at);
            return None;
        }
        let entry = self.by_id.get_mut(id).filter(|entry| entry.is_sent)?;
        let method = entry.method.clone();
        let answered = entry.answered.take();
        // Of a call that is answered by its task the id stays in use until then; another answer is one to nothing.
        entry.is_sent = false;
        if answered.is_none() {
            self.by_id.remove(id);
        }
        Some(Landed { method, answered })
    }

    /// Takes out all that the server has and that goes to the client as it is. Who waits for others is told by the end of the
    /// channel.
    pub(crate) fn lost(&mut self) -> Vec<Id> {
        let mut lost = Vec::new();
        self.by_id.retain(|id, entry| {
            let is_lost = entry.is_sent && entry.answered.take().is_none();
            if is_lost {
                lost.push(id.clone());
            }
            !is_lost
        });
        lost
    }

    pub(crate) fn end(&mut self, id: &Id) {
        self.by_id.remove(id);
    }

    /// Ends one; whether the client still waits for it.
    pub(crate) fn end_of(&mut self, flight: &Flight) -> bool {
        self.entry(flight).is_some() && self.by_id.remove(&flight.id).is_some()
    }

    /// Its entry, unless the id is another one's by now.
    fn entry(&mut self, flight: &Flight) -> Option<&mut Entry> {
        let entry = self.by_id.get_mut(&flight.id)?;
        Arc::ptr_eq(&entry.flight.inner, &flight.inner).then_some(entry)
    }
}
