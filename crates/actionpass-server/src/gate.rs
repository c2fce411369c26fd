//! [`Gate`]: what every route shares.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use actionpass_canon::Limits;
use actionpass_core::{AdminError, Clock as _, Issuer, System};
use actionpass_home::{Metrics as MetricsFor, OpenHome, ServeLimits};
use actionpass_model::{Timestamp, WebOrigin};

use crate::caller::Callers;
use crate::events::Events;
use crate::guard::Names;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::operations::Readiness;
use crate::problem::Refused;
use crate::stop::Stop;
use crate::webhooks::Counts;

/// What every route gets.
pub(crate) type Shared = Arc<Gate>;

/// The issuer of one home, and what stands around it.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) home: OpenHome,
    pub(crate) issuer: Issuer,
    pub(crate) events: Arc<Events>,
    /// Who may ask.
    pub(crate) callers: Callers,
    /// How telling receivers of webhooks fares.
    pub(crate) webhooks: Arc<Counts>,
    /// The origin of the page: what links begin with.
    pub(crate) origin: WebOrigin,
    /// How much is asked at once.
    pub(crate) load: Load,
    /// That the service is about to stop.
    pub(crate) stop: Stop,
    /// How much is taken at once, and how long others are waited for.
    pub(crate) serve: ServeLimits,
    /// Under which names the service is known.
    pub(crate) names: Names,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Who may read that.
    pub(crate) metrics_for: MetricsFor,
    /// What was found when somebody asked last whether the service is ready.
    pub(crate) readiness: Readiness,
    /// How many connections are open.
    pub(crate) open_connections: AtomicUsize,
}

/// The time; without one nothing is done.
pub(crate) fn now() -> Result<Timestamp, Refused> {
    System.now().ok_or_else(|| Refused::of(&AdminError::ClockUnknown))
}

impl Gate {
    /// What the gate of JSON admits of a body.
    pub(crate) fn limits(&self) -> Limits {
        self.home.config.limits()
    }
}
