//! The page on which people decide.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
