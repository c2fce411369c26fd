//! [`Events`]: what happens to approval requests, told to everybody who waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actionpass_core::{RequestEvent, RequestWatch, TimerFuture};
use actionpass_model::RequestId;
use actionpass_store::QueueStore;
use tokio::sync::{broadcast, watch};

/// How many records are read at once.
const PAGE: usize = 256;
/// How many events somebody may be behind before they are told that they missed some.
const BEHIND: usize = 1024;
/// How long a ledger that can't be read is left alone.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Reads the ledger as it grows, once for all who wait: whoever parks asks no store, and streams get the same events.
#[derive(Debug)]
pub(crate) struct Events {
    store: Arc<dyn QueueStore>,
    sender: broadcast::Sender<Arc<RequestEvent>>,
    /// Of each request that somebody waits for, the newest version that was heard of.
    waited_for: Mutex<HashMap<RequestId, watch::Sender<u64>>>,
    is_over: watch::Sender<bool>,
}

impl Events {
    pub(crate) fn new(store: Arc<dyn QueueStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            sender: broadcast::Sender::new(BEHIND),
            waited_for: Mutex::default(),
            is_over: watch::Sender::new(false),
        })
    }

    /// Every event from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<RequestEvent>> {
        self.sender.subscribe()
    }

    /// Ends [`follow`](Self::follow) and every stream of events.
    pub(crate) fn stop(&self) {
        self.is_over.send_replace(true);
    }

    /// Ready once [`stop`](Self::stop) was called.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.is_over.subscribe().wait_for(|is_over| *is_over).await;
    }

    /// Tells of every record from `seq` on, until it is stopped.
    pub(crate) async fn follow(&self, seq: u64) {
        tokio::select! {
            () = self.tell_from(seq) => {}
            () = self.stopped() => {}
        }
    }

    async fn tell_from(&self, mut seq: u64) {
        loop {
            if let Err(error) = self.tell(&mut seq).await {
                tracing::error!(%error, "the ledger can't be read: nobody is told of what happens");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    async fn tell(&self, seq: &mut u64) -> Result<(), actionpass_store::StoreError> {
        self.store.follow(*seq).await?;
        for stored in self.store.read(*seq, PAGE).await? {
            // A record that can't be read is for whoever verifies the ledger; those who wait look at the store themselves.
            if let Ok(record) = stored.to_record()
                && let Some(event) = RequestEvent::of(&*self.store, &record).await?
            {
                self.moved(&event.request.id, event.request.version);
                // Nobody may be listening.
                let _ = self.sender.send(Arc::new(event));
            }
            *seq = stored.seq.saturating_add(1);
        }
        Ok(())
    }

    fn moved(&self, request: &RequestId, version: u64) {
        let mut waited_for = self.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(heard) = waited_for.get(request) {
            heard.send_replace(version);
        }
        waited_for.retain(|_, heard| heard.receiver_count() > 0);
    }

    fn heard_of(&self, request: &RequestId, version: u64) -> watch::Receiver<u64> {
        let mut waited_for = self.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = waited_for
            .entry(request.clone())
            .or_insert_with(|| watch::Sender::new(version));
        heard.subscribe()
    }
}

/// What parked calls hold on to.
#[derive(Clone, Debug)]
pub(crate) struct Watch(pub(crate) Arc<Events>);

impl RequestWatch for Watch {
    fn moved(&self, request: &RequestId, version: u64) -> TimerFuture {
        let (events, request) = (Arc::clone(&self.0), request.clone());
        Box::pin(async move {
            let mut heard = events.heard_of(&request, version);
            // It may have moved before anybody listened.
            if !matches!(events.store.request_version(&request).await, Ok(Some(now)) if now == version) {
                return;
            }
            // The sender lives as long as somebody listens.
            tokio::select! {
                _ = heard.wait_for(|now| *now != version) => {}
                () = events.stopped() => {}
            }
        })
    }

    fn is_over(&self) -> bool {
        *self.0.is_over.borrow()
    }
}

/// Timers of the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokioTimer;

impl actionpass_core::Timer for TokioTimer {
    fn sleep(&self, time: Duration) -> TimerFuture {
        Box::pin(tokio::time::sleep(time))
    }
}
