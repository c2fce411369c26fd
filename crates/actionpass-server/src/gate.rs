//! [`Gate`]: what every route shares.

use std::sync::Arc;

use actionpass_canon::Limits;
use actionpass_core::{AdminError, Clock as _, Issuer, System};
use actionpass_home::{Metrics as MetricsFor, OpenHome};
use actionpass_model::Timestamp;

use crate::caller::Callers;
use crate::events::Events;
use crate::front::SharedFront;
use crate::operations::Readiness;
use crate::problem::Refused;
use crate::servers::LivePins;
use crate::webhooks::Counts;

/// What every route gets.
pub(crate) type Shared = Arc<Gate>;

/// The issuer of one home, and what stands around it.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) front: SharedFront,
    pub(crate) home: OpenHome,
    pub(crate) issuer: Issuer,
    pub(crate) events: Arc<Events>,
    /// Who may ask.
    pub(crate) callers: Callers,
    /// The definitions of tools that somebody approved.
    pub(crate) pins: LivePins,
    /// How telling receivers of webhooks fares.
    pub(crate) webhooks: Arc<Counts>,
    /// Who may read the metrics.
    pub(crate) metrics_for: MetricsFor,
    /// What was found when somebody asked last whether the service is ready.
    pub(crate) readiness: Readiness,
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
