//! [`Front`]: what listeners and guards share with every route, whatever is behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actionpass_home::ServeLimits;
use actionpass_model::WebOrigin;

use crate::guard::Names;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::stop::Stop;
use crate::telemetry::Telemetry;

/// What listeners, guards and routes get.
pub(crate) type SharedFront = Arc<Front>;

/// How the service is known, and how much of it is used.
#[derive(Debug)]
pub(crate) struct Front {
    /// The origin of the page: what links begin with.
    pub(crate) origin: WebOrigin,
    /// Under which names the service is known.
    pub(crate) names: Names,
    /// How much is asked at once.
    pub(crate) load: Load,
    /// How much is taken at once, and how long others are waited for.
    pub(crate) serve: ServeLimits,
    /// That the service is about to stop.
    pub(crate) stop: Stop,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What is sent to a collector besides.
    pub(crate) telemetry: Option<Telemetry>,
    /// How many connections are open.
    pub(crate) open_connections: AtomicUsize,
}

impl Front {
    /// Of a service that listens at this port.
    pub(crate) fn new(
        origin: WebOrigin,
        port: u16,
        hosts: &[String],
        serve: ServeLimits,
        telemetry: Option<Telemetry>,
    ) -> SharedFront {
        Arc::new(Self {
            names: Names::new(origin.clone(), port, hosts),
            origin,
            load: Load::new(&serve),
            serve,
            stop: Stop::new(),
            metrics: Metrics::new(),
            telemetry,
            open_connections: AtomicUsize::new(0),
        })
    }

    /// Counts a decision: `allow`, `deny`, `step_up`.
    pub(crate) fn decided(&self, outcome: &str) {
        self.metrics.decided(outcome);
        if let Some(telemetry) = &self.telemetry {
            telemetry.decided(outcome);
        }
    }

    /// Counts a change of an approval request.
    pub(crate) fn request_moved(&self, change: &str) {
        self.metrics.request_moved(change);
        if let Some(telemetry) = &self.telemetry {
            telemetry.request_moved(change);
        }
    }

    /// Says what is open now, wherever that is told.
    pub(crate) fn measure(&self) {
        let connections = self.open_connections.load(Ordering::Relaxed);
        let (parked, streams) = (self.load.parked(), self.load.streams());
        self.metrics.now(parked, streams, connections);
        if let Some(telemetry) = &self.telemetry {
            telemetry.now(parked, streams, connections);
        }
    }
}
