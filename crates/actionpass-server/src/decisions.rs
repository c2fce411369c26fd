//! Decisions: `authorize`, `verify`, `consume`, `outcomes`.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
