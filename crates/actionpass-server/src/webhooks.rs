//! Webhooks: events of approval requests, posted to whoever the configuration names (`docs/spec/service.md`, "Webhooks").
//!
//! Each receiver has a queue and a thread of its own, so that none waits for another and no decision for any. What can't be
//! delivered for a while is dropped, and what happens while the service doesn't run is told to nobody: whoever must miss nothing
//! follows `/v1/events`.

mod address;
mod delivery;
mod message;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use actionpass_core::RequestEvent;
use actionpass_home::{Config, Webhook, WebhookFormat};
use actionpass_model::{Issuer, WebOrigin};
use tokio::sync::broadcast::error::RecvError;

use crate::ServeError;
use crate::events::Events;
use delivery::{Delivery, Secret};
use message::Message;

/// How many events may wait for one receiver.
const QUEUE: usize = 1000;

/// How delivering fares.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Counts {
    /// How many messages were taken.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// How many were given up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Every receiver of a configuration.
#[derive(Debug)]
pub(crate) struct Webhooks {
    receivers: Vec<(Webhook, Delivery)>,
    issuer: Issuer,
    origin: WebOrigin,
    counts: Arc<Counts>,
}

impl Webhooks {
    /// Reads the secrets; nothing is sent yet.
    ///
    /// # Errors
    /// [`ServeError`] for a secret that can't be had or isn't one, since an event that nobody can believe is not sent, and for
    /// certificates of `ca` that can't be read.
    pub(crate) fn open(config: &Config, root: &Path, origin: WebOrigin) -> Result<Self, ServeError> {
        let counts = Arc::new(Counts::default());
        let receivers = config.webhooks().iter().map(|webhook| {
            let secret = match (&webhook.secret, webhook.format) {
                (Some(source), WebhookFormat::Standard) => Some(Secret::read(&source.below(root), &webhook.name)?),
                _ => None,
            };
            Ok((webhook.clone(), Delivery::open(webhook, secret, root)?))
        });
        Ok(Self {
            receivers: receivers.collect::<Result<_, ServeError>>()?,
            issuer: config.issuer.clone(),
            origin,
            counts,
        })
    }

    /// How delivering fares, for as long as the service runs.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Tells every receiver of what happens from now on, until the service stops. What is under way then is given up.
    pub(crate) fn start(self, events: &Arc<Events>) {
        if self.receivers.is_empty() {
            return;
        }
        let stop = Arc::new(Stop::default());
        let queues: Vec<_> = self
            .receivers
            .into_iter()
            .filter_map(|(webhook, delivery)| Receiver::start(webhook, delivery, &stop, &self.counts))
            .collect();
        let mut heard = events.subscribe();
        let events = Arc::clone(events);
        let (issuer, origin) = (self.issuer, self.origin);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = events.stopped() => break,
                    event = heard.recv() => event,
                };
                match event {
                    Ok(event) => {
                        let message = Arc::new(Message::of(&event, &issuer, &origin));
                        for receiver in &queues {
                            receiver.tell(&event, &message);
                        }
                    }
                    Err(RecvError::Lagged(missed)) => {
                        tracing::error!(missed, "webhooks: events were missed");
                        self.counts.dropped.fetch_add(missed, Ordering::Relaxed);
                    }
                    Err(RecvError::Closed) => break,
                }
            }
            stop.begin();
        });
    }
}

/// One receiver's queue.
struct Receiver {
    webhook: Webhook,
    queue: SyncSender<Arc<Message>>,
    counts: Arc<Counts>,
}

impl Receiver {
    fn start(webhook: Webhook, delivery: Delivery, stop: &Arc<Stop>, counts: &Arc<Counts>) -> Option<Self> {
        let (queue, waiting) = sync_channel::<Arc<Message>>(QUEUE);
        let (stop, told) = (Arc::clone(stop), Arc::clone(counts));
        let name = webhook.name.clone();
        let thread = std::thread::Builder::new().name("actionpass-webhook".to_owned());
        let work = move || {
            // Ends once nobody is left who puts anything in.
            for message in waiting {
                if stop.has_begun() {
                    return;
                }
                let count = if delivery.deliver(&message, &stop) {
                    &told.delivered
                } else {
                    &told.dropped
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        match thread.spawn(work) {
            Ok(_) => Some(Self {
                webhook,
                queue,
                counts: Arc::clone(counts),
            }),
            Err(error) => {
                tracing::error!(webhook = %name, %error, "a webhook has no thread: it is told nothing");
                None
            }
        }
    }

    fn tell(&self, event: &RequestEvent, message: &Arc<Message>) {
        let webhook = &self.webhook;
        let is_wanted = (webhook.events.is_empty() || webhook.events.iter().any(|wanted| **wanted == *event.event))
            && (webhook.tenants.is_empty() || webhook.tenants.contains(&event.request.tenant));
        if !is_wanted {
            return;
        }
        match self.queue.try_send(Arc::clone(message)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::error!(webhook = %webhook.name, message = %message.id(), "a webhook is too far behind: dropped");
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Says to threads that the service stops.
#[derive(Debug, Default)]
struct Stop {
    has_begun: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn begin(&self) {
        *self.has_begun.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn has_begun(&self) -> bool {
        *self.has_begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long; `true` if the service stops meanwhile.
    fn within(&self, time: Duration) -> bool {
        let has_begun = self.has_begun.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(has_begun, time, |begun| !*begun);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
