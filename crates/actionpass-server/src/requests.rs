//! Approval requests: lists, views, votes, events.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
