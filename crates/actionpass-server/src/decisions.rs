//! Decisions: `authorize`, `verify`, `consume`, `outcomes`.

use axum::Router;
use axum::routing::post;

use crate::gate::Shared;

pub(crate) mod authorize;
mod entry;
pub(crate) mod outcome;
mod question;
pub(crate) mod verify;

#[cfg(test)]
mod calls;
#[cfg(test)]
mod tests;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/authorize", post(authorize::authorize))
        .route("/v1/verify", post(verify::verify))
        .route("/v1/consume", post(verify::consume))
        .route("/v1/outcomes", post(outcome::report))
}
