//! The ledger: its head, records, exports.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
