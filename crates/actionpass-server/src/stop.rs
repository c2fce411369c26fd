//! [`Stop`]: that the service is about to stop.

use tokio::sync::watch;

/// Says that the service is about to stop, to everybody who waits: parked calls answer step_up, streams end.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Says that it stops.
    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it stops.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Ready once it stops.
    pub(crate) fn begun(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut stop = self.0.subscribe();
        async move {
            // Without its sender the service is gone, so whoever waits has nothing left to wait for.
            let _ = stop.wait_for(|begun| *begun).await;
        }
    }
}
