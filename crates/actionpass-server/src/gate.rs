//! [`Gate`]: what every route shares.

use std::sync::Arc;

use actionpass_canon::Limits;
use actionpass_core::Issuer;
use actionpass_home::OpenHome;
use actionpass_model::WebOrigin;

use crate::caller::Callers;
use crate::events::Events;
use crate::load::Load;
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
    /// The origin of the page: what links begin with.
    pub(crate) origin: WebOrigin,
    /// How much is asked at once.
    pub(crate) load: Load,
    /// How telling receivers of webhooks fares.
    pub(crate) webhooks: Arc<Counts>,
    /// That the service is about to stop.
    pub(crate) stop: Stop,
}

impl Gate {
    /// What the gate of JSON admits of a body.
    pub(crate) fn limits(&self) -> Limits {
        self.home.config.limits()
    }
}
