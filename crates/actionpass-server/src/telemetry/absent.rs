//! What there is without the feature `otlp`: nothing.

use std::sync::Arc;

use actionpass_home::Otlp;
use actionpass_model::Issuer;

use super::Answered;
use crate::webhooks::Counts;
use crate::{ServeError, ServerCode};

/// There is none.
#[derive(Debug)]
pub(crate) enum Telemetry {}

impl Telemetry {
    /// Refuses a collector: somebody would wait for what never comes.
    pub(crate) fn open(otlp: Option<&Otlp>, _: &Issuer, _: Arc<Counts>) -> Result<Option<Self>, ServeError> {
        match otlp {
            None => Ok(None),
            Some(_) => Err(ServeError::Otlp {
                code: ServerCode::OtlpUnusable.into(),
                problem: "this program was built without the feature `otlp`".to_owned(),
            }),
        }
    }

    pub(crate) fn answered(&self, _: &Answered<'_>) {
        match *self {}
    }

    pub(crate) fn decided(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn request_moved(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn now(&self, _: usize, _: usize, _: usize) {
        match *self {}
    }

    pub(crate) fn dropped(&self) -> u64 {
        match *self {}
    }

    #[expect(clippy::unused_async, reason = "it waits where there is something to wait for")]
    pub(crate) async fn stop(&self) {
        match *self {}
    }
}
