//! Every route, and what is refused before any.

use axum::Router;
use axum::http::Uri;

use crate::gate::Shared;
use crate::problem::Refused;
use crate::{ServerCode, decisions, ledger, operations, page, requests, trust};

pub(crate) fn router(gate: Shared) -> Router {
    Router::new()
        .merge(decisions::routes())
        .merge(requests::routes())
        .merge(trust::routes())
        .merge(ledger::routes())
        .merge(operations::routes())
        .merge(page::routes())
        .fallback(|uri: Uri| async move {
            Refused::from(ServerCode::RouteUnknown).with_detail(format!("there is no {}", uri.path()))
        })
        .method_not_allowed_fallback(|| async { Refused::from(ServerCode::MethodNotAllowed) })
        .with_state(gate)
}
