//! How the service fares: health, readiness, metrics, OpenAPI.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
