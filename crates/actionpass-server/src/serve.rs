//! [`Server`]: the service of one home.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actionpass_core::System;
use actionpass_home::home::SERVE_LOCK;
use actionpass_home::{OpenHome, SharedSecrets};
use actionpass_model::WebOrigin;
use actionpass_store::lock_file::{self, LockError};
use actionpass_store::offload::offload;
use actionpass_store::{Ledger as _, QueueStore};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::caller::Callers;
use crate::events::{Events, Watch};
use crate::gate::{Gate, Shared};
use crate::listening::Listening;
use crate::operations::Readiness;
use crate::retention;
use crate::router::front;
use crate::servers::LivePins;
use crate::telemetry::Telemetry;
use crate::tls::Tls;
use crate::webhooks::Webhooks;
use crate::{ServeError, Settings, events};

/// How often it is looked how much is open, where nobody asks for it.
const MEASURED: Duration = Duration::from_secs(10);

/// How often it is looked whether another policy is in the database.
const LOOKED: Duration = Duration::from_millis(500);

/// The service of one home, listening.
#[derive(Debug)]
pub struct Server {
    gate: Shared,
    listening: Listening,
    webhooks: Webhooks,
    head: u64,
    /// Held until the service is gone, so that a home has one.
    _lock: File,
}

impl Server {
    /// Opens the issuer of a home and listens; nothing is answered before [`run`](Self::run).
    ///
    /// # Errors
    /// [`ServeError`]: nothing listens.
    pub async fn open(home: OpenHome, secrets: SharedSecrets, settings: Settings) -> Result<Self, ServeError> {
        let lock = lock(&home).await?;
        let tls = match settings.tls.clone() {
            Some(files) => Some(Arc::new(Tls::open(files, home.home.clone())?)),
            None => None,
        };
        let store: Arc<dyn QueueStore> = Arc::clone(&home.store) as _;
        let events = Events::new(Arc::clone(&store));
        let issuer = home
            .issuer_builder(secrets)?
            .with_timer(Arc::new(events::TokioTimer))
            .with_request_watch(Arc::new(Watch(Arc::clone(&events))))
            .open()
            .await?;
        let head = home
            .store
            .state()
            .await
            .map_err(actionpass_core::AuthorizeError::from)?
            .head
            .size();
        let listening = Listening::bind(&settings, tls).await?;
        let origin = listening.origin(&settings)?;
        let webhooks = Webhooks::open(&home.config, home.home.root(), origin.clone())?;
        let telemetry = Telemetry::open(settings.otlp.as_ref(), &home.config.issuer, webhooks.counts())?;
        let front = listening.front(&settings, origin, telemetry);
        let gate = Arc::new(Gate {
            front,
            webhooks: webhooks.counts(),
            callers: Callers::of(home.home.clone()),
            metrics_for: settings.metrics,
            readiness: Readiness::default(),
            pins: LivePins::default(),
            home,
            issuer,
            events,
        });
        Ok(Self {
            gate,
            listening,
            webhooks,
            head,
            _lock: lock,
        })
    }

    /// What its routes share, for tests that ask them without a connection.
    #[cfg(test)]
    pub(crate) const fn gate(&self) -> &Shared {
        &self.gate
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// The origin of the page.
    #[must_use]
    pub fn origin(&self) -> &WebOrigin {
        &self.gate.front.origin
    }

    /// Answers until `stop` is ready. Then nobody is accepted any more, parked calls answer what they know, streams end, and what
    /// runs has [`ServeLimits::stop_time`](actionpass_home::ServeLimits::stop_time) to finish.
    ///
    /// # Errors
    /// [`ServeError::Ended`] if a part that the service doesn't go on without has ended.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let Self {
            gate,
            listening,
            webhooks,
            head,
            _lock,
        } = self;
        webhooks.start(&gate.events);
        let background = background(&gate, head);
        // Parked calls, streams and receivers of webhooks wait for events.
        let at_stop = || gate.events.stop();
        let ended = listening
            .run(&gate.front, front(&gate), background, stop, at_stop)
            .await;
        if let Some(telemetry) = &gate.front.telemetry {
            gate.front.measure();
            telemetry.stop().await;
        }
        ended
    }
}

/// The tasks without which the service doesn't go on, each with its name.
fn background(gate: &Shared, head: u64) -> JoinSet<&'static str> {
    let mut tasks = JoinSet::new();
    let events = Arc::clone(&gate.events);
    tasks.spawn(async move {
        events.follow(head).await;
        "the reader of events"
    });
    let (counting, mut moved) = (Arc::clone(gate), gate.events.subscribe());
    tasks.spawn(async move {
        loop {
            match moved.recv().await {
                Ok(event) => counting.front.request_moved(&event.event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return "the counter of events",
            }
        }
    });
    if gate.home.config.database().is_some() {
        let watching = Arc::clone(gate);
        tasks.spawn(async move {
            watch_policy(&watching).await;
            "the watch of the policy"
        });
    }
    if let Some(period) = gate.home.config.side_data_kept() {
        let gate = Arc::clone(gate);
        tasks.spawn(async move {
            retention::run(gate, period, System).await;
            "the retention of side data"
        });
    }
    if gate.front.telemetry.is_some() {
        let front = Arc::clone(&gate.front);
        tasks.spawn(async move {
            loop {
                front.measure();
                tokio::time::sleep(MEASURED).await;
            }
        });
    }
    tasks
}

/// Takes over the policy that others bring into force in the database, also where nobody asks for a decision meanwhile.
async fn watch_policy(gate: &Gate) {
    let mut known = None;
    let mut last_problem = None;
    loop {
        tokio::time::sleep(LOOKED).await;
        let (home, config) = (gate.home.home.clone(), gate.home.config.clone());
        let taken = match offload(move || home.policy_version(&config)).await {
            Ok(Ok(version)) if version == known => Ok(()),
            Ok(Ok(version)) => {
                let reloaded = gate.issuer.reload_policy().await;
                reloaded.map(|_| known = version).map_err(|error| error.to_string())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(unfinished) => Err(unfinished.to_string()),
        };
        let problem = taken.err();
        if let Some(problem) = problem
            .as_ref()
            .filter(|problem| last_problem.as_ref() != Some(*problem))
        {
            tracing::error!(%problem, "the policy in the database can't be taken over");
        }
        last_problem = problem;
    }
}

/// The lock of the home's service.
async fn lock(home: &OpenHome) -> Result<File, ServeError> {
    let (root, path) = (home.home.root().to_owned(), home.home.path(SERVE_LOCK));
    let at = path.clone();
    let locked = tokio::task::spawn_blocking(move || lock_file::exclusive(&at)).await;
    let locked = locked.map_err(io::Error::other)?;
    locked.map_err(|error| match error {
        LockError::Io(source) => ServeError::Lock { path, source },
        held => ServeError::Served {
            home: root,
            source: held,
        },
    })
}

#[cfg(test)]
pub(crate) mod tests;
