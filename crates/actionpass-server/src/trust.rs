//! Trust: the trust store, public keys, revocations.

use axum::Router;

use crate::gate::Shared;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
}
