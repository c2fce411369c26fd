//! Every route, and what is refused before any.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use crate::front::SharedFront;
use crate::gate::Shared;
use crate::guard::{self, Arrival};
use crate::load::Share;
use crate::page::{Host, SharedHost};
use crate::problem::Refused;
use crate::{ServerCode, approvers, decisions, ledger, log, operations, page, requests, servers, trust};

/// The route of votes, which has the share of people.
const VOTES: &str = "/v1/requests/{id}/votes";

/// Every route behind its guards, as listeners serve them.
pub(crate) fn front(gate: &Shared) -> Router {
    let same_site = from_fn_with_state(gate.front.clone(), guard::same_site);
    let programs = api(gate).merge(operations(gate)).layer(same_site);
    guarded(programs.merge(guarded_page(host(gate))), &gate.front)
}

/// The page alone, behind the same guards.
pub(crate) fn page_front(host: SharedHost) -> Router {
    let front = host.front.clone();
    let same_site = from_fn_with_state(front.clone(), guard::same_site);
    let operations = with_methods(page::operations()).with_state(host.clone());
    guarded(operations.layer(same_site).merge(guarded_page(host)), &front)
}

/// The page of a service that has its requests itself.
fn host(gate: &Shared) -> SharedHost {
    Arc::new(Host {
        front: gate.front.clone(),
        source: gate.clone(),
        sessions: Arc::clone(&gate.home.sessions),
    })
}

fn guarded_page(host: SharedHost) -> Router {
    let page_guard = from_fn_with_state(host.front.clone(), guard::page);
    page(host).layer(page_guard)
}

fn guarded(router: Router, front: &SharedFront) -> Router {
    with_fallback(router)
        .layer(from_fn_with_state(front.clone(), guard::every))
        .layer(from_fn_with_state(front.clone(), page::refused))
        .layer(from_fn_with_state(front.clone(), log::each))
}

/// Every route without the guards, which need a connection: for tests of the routes themselves.
#[cfg(test)]
pub(crate) fn router(gate: Shared) -> Router {
    with_fallback(api(&gate).merge(operations(&gate)).merge(page(host(&gate))))
}

/// The same of a page whose service is elsewhere.
#[cfg(test)]
pub(crate) fn page_router(host: SharedHost) -> Router {
    let operations = with_methods(page::operations()).with_state(host.clone());
    let refused = from_fn_with_state(host.front.clone(), page::refused);
    with_fallback(operations.merge(page(host))).layer(refused)
}

fn with_fallback(router: Router) -> Router {
    router.fallback(|uri: Uri| async move {
        Refused::from(ServerCode::RouteUnknown).with_detail(format!("there is no {}", uri.path()))
    })
}

/// Routes that answer a method that they don't have with a problem. Before any layer, so that it is behind the guards too.
fn with_methods<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.method_not_allowed_fallback(|| async { Refused::from(ServerCode::MethodNotAllowed) })
}

/// What programs ask.
fn api(gate: &Shared) -> Router {
    let router = Router::new();
    #[cfg(test)]
    let router = router.merge(tests::routes());
    let router = router
        .merge(decisions::routes())
        .merge(servers::routes())
        .merge(requests::routes())
        .merge(trust::routes())
        .merge(approvers::routes())
        .merge(ledger::routes());
    with_methods(router)
        .layer(from_fn_with_state(gate.front.clone(), for_programs))
        .with_state(gate.clone())
}

/// What watches the service. It is answered however much else is asked.
fn operations(gate: &Shared) -> Router {
    with_methods(operations::routes()).with_state(gate.clone())
}

/// What people see.
fn page(host: SharedHost) -> Router {
    with_methods(page::routes())
        .layer(from_fn_with_state(host.front.clone(), for_people))
        .with_state(host)
}

async fn for_programs(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let share = if route == Some(VOTES) {
        Share::People
    } else {
        Share::Api
    };
    within(&front, share, request, next).await
}

async fn for_people(State(front): State<SharedFront>, request: Request, next: Next) -> Response {
    within(&front, Share::People, request, next).await
}

/// Answers within the share and the time of a request. A request that takes longer is given up with a problem, which is no
/// decision: whatever it recorded by then stands, and nothing is released on it.
async fn within(front: &SharedFront, share: Share, mut request: Request, next: Next) -> Response {
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
    let deadline = now.checked_add(front.serve.request_time).unwrap_or(now);
    let slot = match front.load.enter(share, deadline) {
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
