//! [`Events`]: what happens to approval requests, told to everybody who waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actionpass_core::{RequestEvent, RequestWatch, TimerFuture};
use actionpass_model::RequestId;
use actionpass_store::{QueueStore, StoreCode, StoreError, StoredRecord};
use tokio::sync::{broadcast, watch};

/// How many records are read at once.
const PAGE: usize = 256;
/// How many events somebody may be behind before they are told that they missed some.
const BEHIND: usize = 1024;
/// How long a ledger that can't be read is left alone.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// Reads the ledger as it grows, once for all who wait: whoever parks asks no store, and streams get the same events.
#[derive(Debug)]
pub(crate) struct Events {
    store: Arc<dyn QueueStore>,
    sender: broadcast::Sender<Arc<RequestEvent>>,
    /// Of each request that somebody waits for, the newest version that was heard of. Who waits last takes the entry out.
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
                tracing::error!(%error, seq, "the ledger can't be read: nobody is told of what happens");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    /// Tells of the next records, and moves `seq` behind those that were told of.
    async fn tell(&self, seq: &mut u64) -> Result<(), StoreError> {
        self.store.follow(*seq).await?;
        let page = read(&*self.store, *seq, PAGE).await?;
        if page.is_empty() {
            // There should be a record. Once the next one is there, reading goes on behind the gap.
            return Err(StoreError::with_source(StoreCode::StoreCorrupt, "a record is missing"));
        }
        for stored in page {
            if let Some(event) = event_of(&*self.store, &stored).await? {
                self.moved(&event.request.id, event.request.version);
                // Nobody may be listening.
                let _ = self.sender.send(Arc::new(event));
            }
            *seq = stored.seq.saturating_add(1);
        }
        Ok(())
    }

    fn moved(&self, request: &RequestId, version: u64) {
        if let Some(heard) = self.lock().get(request) {
            heard.send_if_modified(|newest| {
                let is_newer = version > *newest;
                *newest = version.max(*newest);
                is_newer
            });
        }
    }

    fn heard_of(self: &Arc<Self>, request: &RequestId, version: u64) -> Waiting {
        let mut waited_for = self.lock();
        let heard = waited_for
            .entry(request.clone())
            .or_insert_with(|| watch::Sender::new(version));
        Waiting {
            heard: heard.subscribe(),
            _place: Place {
                request: request.clone(),
                events: Arc::clone(self),
            },
        }
    }

    /// Tells again of an event.
    #[cfg(test)]
    pub(crate) fn repeat(&self, event: &Arc<RequestEvent>) {
        let _ = self.sender.send(Arc::clone(event));
    }

    /// Of how many requests somebody waits.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// How many wait for a request.
    #[cfg(test)]
    pub(crate) fn waiters(&self, request: &RequestId) -> usize {
        self.lock().get(request).map_or(0, watch::Sender::receiver_count)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, watch::Sender<u64>>> {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// At most `limit` records from `seq` on. Where one of them can't be read, those before it are given, and it is left out once it
/// is the first: it is for whoever verifies the ledger.
pub(crate) async fn read(store: &dyn QueueStore, seq: u64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
    let error = match store.read(seq, limit).await {
        // Nobody who waits for anything waits for what was taken out.
        Err(error) if error.code() == StoreCode::LedgerArchived => {
            let first = store.state().await?.first.size();
            return store.read(first, limit).await;
        }
        Err(error) if error.code() == StoreCode::StoreCorrupt => error,
        read => return read,
    };
    let mut at = seq;
    // One that can't be read says so when it is asked for alone.
    for _ in 0..limit {
        match store.read(at, 1).await {
            Err(error) if error.code() == StoreCode::StoreCorrupt => at = at.saturating_add(1),
            read => return read,
        }
    }
    Err(error)
}

/// What a stored record tells of a request. One that can't be read tells nothing: whoever waits looks at the store by itself, and
/// whoever verifies the ledger finds it.
///
/// # Errors
/// The store failed, and may answer later.
pub(crate) async fn event_of(
    store: &dyn QueueStore,
    stored: &StoredRecord,
) -> Result<Option<RequestEvent>, StoreError> {
    let Ok(record) = stored.to_record() else {
        tracing::error!(seq = stored.seq, "a record can't be read: nobody is told of it");
        return Ok(None);
    };
    match RequestEvent::of(store, &record).await {
        Err(error) if error.code() == StoreCode::StoreCorrupt => {
            tracing::error!(seq = stored.seq, %error, "a request can't be read: nobody is told of it");
            Ok(None)
        }
        event => event,
    }
}

/// Somebody who waits for a request.
struct Waiting {
    heard: watch::Receiver<u64>,
    /// Goes behind the receiver, since fields go in their order: of several who leave at once, the last then finds nobody.
    _place: Place,
}

/// The entry of a request, which goes with the last who waits for it.
struct Place {
    request: RequestId,
    events: Arc<Events>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waited_for = self.events.lock();
        // Nobody subscribes but under this lock, so nobody waits when the entry goes.
        if waited_for
            .get(&self.request)
            .is_some_and(|heard| heard.receiver_count() == 0)
        {
            waited_for.remove(&self.request);
        }
    }
}

/// What parked calls hold on to.
#[derive(Clone, Debug)]
pub(crate) struct Watch(pub(crate) Arc<Events>);

impl RequestWatch for Watch {
    fn moved(&self, request: &RequestId, version: u64) -> TimerFuture {
        let (events, request) = (Arc::clone(&self.0), request.clone());
        Box::pin(async move {
            let mut waiting = events.heard_of(&request, version);
            // It may have moved before anybody listened.
            if !matches!(events.store.request_version(&request).await, Ok(Some(now)) if now == version) {
                return;
            }
            // Versions grow. What was heard may be older than what the caller read from the store, which is no news.
            // The sender lives as long as somebody waits.
            tokio::select! {
                _ = waiting.heard.wait_for(|now| *now > version) => {}
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
