//! Every route, and what is refused before any.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use crate::gate::Shared;
use crate::guard::{self, Arrival};
use crate::load::Share;
use crate::problem::Refused;
use crate::{ServerCode, approvers, decisions, ledger, log, operations, page, requests, trust};

/// The route of votes, which has the share of people.
const VOTES: &str = "/v1/requests/{id}/votes";

/// Every route behind its guards, as listeners serve them.
pub(crate) fn front(gate: &Shared) -> Router {
    let same_site = from_fn_with_state(gate.clone(), guard::same_site);
    let page_guard = from_fn_with_state(gate.clone(), guard::page);
    let programs = api(gate).merge(operations(gate)).layer(same_site);
    with_fallback(programs.merge(page(gate).layer(page_guard)))
        .layer(from_fn_with_state(gate.clone(), guard::every))
        .layer(from_fn_with_state(gate.clone(), log::each))
}

/// Every route without the guards, which need a connection: for tests of the routes themselves.
#[cfg(test)]
pub(crate) fn router(gate: Shared) -> Router {
    with_fallback(api(&gate).merge(operations(&gate)).merge(page(&gate)))
}

fn with_fallback(router: Router) -> Router {
    router.fallback(|uri: Uri| async move {
        Refused::from(ServerCode::RouteUnknown).with_detail(format!("there is no {}", uri.path()))
    })
}

/// Routes that answer a method that they don't have with a problem. Before any layer, so that it is behind the guards too.
fn with_methods(router: Router<Shared>) -> Router<Shared> {
    router.method_not_allowed_fallback(|| async { Refused::from(ServerCode::MethodNotAllowed) })
}

/// What programs ask.
fn api(gate: &Shared) -> Router {
    let router = Router::new();
    #[cfg(test)]
    let router = router.merge(tests::routes());
    let router = router
        .merge(decisions::routes())
        .merge(requests::routes())
        .merge(trust::routes())
        .merge(approvers::routes())
        .merge(ledger::routes());
    with_methods(router)
        .layer(from_fn_with_state(gate.clone(), for_programs))
        .with_state(gate.clone())
}

/// What watches the service. It is answered however much else is asked.
fn operations(gate: &Shared) -> Router {
    with_methods(operations::routes()).with_state(gate.clone())
}

/// What people see.
fn page(gate: &Shared) -> Router {
    with_methods(page::routes())
        .layer(from_fn_with_state(gate.clone(), for_people))
        .with_state(gate.clone())
}

async fn for_programs(State(gate): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let share = if route == Some(VOTES) {
        Share::People
    } else {
        Share::Api
    };
    within(&gate, share, request, next).await
}

async fn for_people(State(gate): State<Shared>, request: Request, next: Next) -> Response {
    within(&gate, Share::People, request, next).await
}

/// Answers within the share and the time of a request. A request that takes longer is given up with a problem, which is no
/// decision: whatever it recorded by then stands, and nothing is released on it.
async fn within(gate: &Shared, share: Share, mut request: Request, next: Next) -> Response {
    let is_reserve = request
        .extensions()
        .get::<Arrival>()
        .is_some_and(|arrival| arrival.is_reserve);
    if is_reserve && share == Share::Api {
        let mut response = Refused::from(ServerCode::Overloaded).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let now = Instant::now();
    let deadline = now.checked_add(gate.serve.request_time).unwrap_or(now);
    let slot = match gate.load.enter(share, deadline) {
        Ok(slot) => slot,
        Err(refused) => return refused.into_response(),
    };
    request.extensions_mut().insert(slot.clone());
    let mut answer = std::pin::pin!(next.run(request));
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep_until(slot.deadline()) => {
                // A call that was parked has more time than it had at first.
                if slot.deadline() <= Instant::now() {
                    return Refused::from(ServerCode::RequestTimeout).into_response();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
