//! Approval requests: lists, views, votes, events.

pub(crate) mod negotiate;
pub mod shown;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use actionpass_client::api::{CastVote, FullRequest, Lifted, RequestItem, RequestList, schema};
use actionpass_core::{RequestCode, RequestState, Review, ReviewError};
use actionpass_home::Right;
use actionpass_model::{Agent, EndState, RequestId, Tenant};
use actionpass_store::{QueueStore as _, RequestFilter, StateFilter};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::ServerCode;
use crate::answer::{json, json_text};
use crate::body::{self, Admitted};
use crate::caller::Caller;
use crate::gate::{Gate, Shared, now};
use crate::problem::Refused;
use crate::query::{Query, malformed};

/// The most requests on a page.
const MAX_PAGE: usize = 100;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/requests", get(list))
        .route("/v1/requests/{id}", get(show))
        .route("/v1/requests/{id}/view", get(view))
        .route("/v1/requests/{id}/votes", post(vote))
        .route("/v1/requests/{id}/cancel", post(cancel))
        .route("/v1/requests/{id}/lift", post(lift))
        .route("/v1/requests/{id}/events", get(stream::of_one))
        .route("/v1/events", get(stream::of_all))
}

/// The request that a path names.
#[derive(Debug)]
pub(crate) struct Named(RequestId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| malformed(error.body_text()))?;
        let id = RequestId::parse(&text).map_err(|error| malformed(format!("the id of the request {error}")))?;
        Ok(Self(id))
    }
}

/// Lists approval requests, the oldest first.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(
    ("state" = Option<schema::RequestState>, Query, description = "Those in this state: `pending`, `approved`, `used`, `declined`, `cancelled`, `expired`"),
    ("tenant" = Option<schema::Tenant>, Query, description = "Those of this tenant"),
    ("agent" = Option<schema::Agent>, Query, description = "Those of this agent"),
    ("after" = Option<schema::RequestId>, Query, description = "Those behind this one: `next` of the page before"),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 100, description = "So many at most, 100 unless it is said"),
), responses((status = 200, body = RequestList), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(State(gate): State<Shared>, caller: Caller, uri: Uri) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    let query = Query::of(&uri, &["state", "tenant", "agent", "after", "limit"])?;
    let wanted = query.get_by("state", |text| {
        state(text).ok_or_else(|| "is no state of a request".to_owned())
    })?;
    let limit = query.limit(MAX_PAGE)?;
    let mut filter = RequestFilter::default();
    filter.state = wanted.map(stored_as);
    filter.tenant = query.get::<Tenant>("tenant")?;
    filter.agent = query.get::<Agent>("agent")?;
    filter.after = query.get::<RequestId>("after")?;

    let mut found: Vec<RequestItem> = Vec::new();
    // What the client may not see is passed over before anything is said of it, so a page is full unless it is the last, and
    // tells of nothing else.
    loop {
        let page = gate.home.store.requests(&filter, now()?).await;
        let page = page.map_err(|error| Refused::of(&error))?;
        let Some(last) = page.last() else {
            return Ok(json(&RequestList::new(found, None)));
        };
        filter.after = Some(last.id.clone());
        for request in page.iter().filter(|request| caller.sees(request)) {
            let review = gate.issuer.review(&request.id).await.map_err(refused)?;
            if wanted.is_some_and(|state| state != review.state) {
                continue;
            }
            if found.len() == limit {
                let next = found.last().map(|last| last.id.clone());
                return Ok(json(&RequestList::new(found, next)));
            }
            found.push(shown::item(&review));
        }
    }
}

/// All of an approval request.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests", params(("id" = schema::RequestId, Path, description = "`req_…`")),
    responses((status = 200, body = FullRequest), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    let review = seen(&gate, &caller, &id).await?;
    let mut full = shown::full(&review).map_err(|error| Refused::of(&error))?;
    full.subject = shown::subject(&review, &gate.home.config.issuer).map_err(|error| Refused::of(&error))?;
    Ok(json(&full))
}

/// What approvers are shown of the action: the canonical view, whose hash votes name, or the same as a page.
#[utoipa::path(get, path = "/v1/requests/{id}/view", tag = "requests", params(("id" = schema::RequestId, Path, description = "`req_…`")),
    responses((status = 200, content((Object = "application/json"), (String = "text/html"))), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn view(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    let review = seen(&gate, &caller, &id).await?;
    let Some(view) = shown::view(&review).map_err(|error| Refused::of(&error))? else {
        return Err(Refused::of(&ReviewError::from(RequestCode::RequestErased)).with_status(StatusCode::GONE));
    };
    let mut response = if negotiate::prefers_html(&headers) {
        page(&view.to_html())
    } else {
        json_text(view.canonical())
    };
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, vary);
    Ok(response)
}

/// The view as a document that runs and loads nothing.
fn page(article: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Approval request</title>\n</head>\n\
         <body>\n{article}</body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

/// Casts a vote that a person signed. Who voted, the token says; the client is a messenger.
#[utoipa::path(post, path = "/v1/requests/{id}/votes", tag = "requests", params(("id" = schema::RequestId, Path, description = "`req_…`")),
    request_body = CastVote,
    responses((status = 200, body = RequestItem), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn vote(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
    Admitted(body): Admitted,
) -> Result<Response, Refused> {
    caller.may(Right::Requests)?;
    Query::none(&uri)?;
    let vote: CastVote = body::stated(&body)?;
    known(&gate, &caller, &id).await?;
    gate.front.load.vote(caller.name().as_str())?;
    let review = gate.issuer.vote(&id, &vote.token).await.map_err(refused)?;
    Ok(json(&shown::item(&review)))
}

/// Takes an approval request back.
#[utoipa::path(post, path = "/v1/requests/{id}/cancel", tag = "requests", params(("id" = schema::RequestId, Path, description = "`req_…`")),
    responses((status = 200, body = RequestItem), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn cancel(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
    body: Body,
) -> Result<Response, Refused> {
    Query::none(&uri)?;
    nothing(&gate, body).await?;
    let client = caller.client();
    let may_see = client.may(Right::Requests);
    if !client.may(Right::Admin) {
        let asked = gate.home.store.request_client(&id).await;
        let asked = asked.map_err(|error| Refused::of(&error))?;
        if asked.is_none_or(|asked| asked != client.name) {
            // To whoever may see it, it is somebody else's; to anybody else there is none.
            if may_see {
                known(&gate, &caller, &id).await?;
            }
            return caller.may(Right::Admin).and(Err(ServerCode::ClientForbidden.into()));
        }
    }
    known(&gate, &caller, &id).await?;
    let by = caller.principal();
    let review = gate.issuer.cancel(&id, by).await.map_err(refused)?;
    Ok(json(&shown::item(&review)))
}

/// Lets the agent of a request open others again, where its end keeps the agent from it.
#[utoipa::path(post, path = "/v1/requests/{id}/lift", tag = "requests", params(("id" = schema::RequestId, Path, description = "`req_…`")),
    responses((status = 200, body = Lifted), (status = "default", body = actionpass_client::api::Problem, content_type = "application/problem+json")))]
pub(crate) async fn lift(
    State(gate): State<Shared>,
    caller: Caller,
    Named(id): Named,
    uri: Uri,
    body: Body,
) -> Result<Response, Refused> {
    caller.may(Right::Admin)?;
    Query::none(&uri)?;
    nothing(&gate, body).await?;
    let agent = known(&gate, &caller, &id).await?.actor.agent;
    let by = caller.principal();
    let lifted = gate.issuer.lift_hold(&id, by).await.map_err(refused)?;
    Ok(json(&Lifted { id, agent, lifted }))
}

/// Refuses a body where none is taken.
async fn nothing(gate: &Gate, body: Body) -> Result<(), Refused> {
    match body::read_body(body, 0, gate.front.serve.body_time).await {
        Ok(_) => Ok(()),
        Err(refused) if refused.code() == ServerCode::BodyTooLarge.as_str() => {
            Err(malformed("this route takes no body"))
        }
        Err(refused) => Err(refused),
    }
}

/// A request as it is stored, if the client may see it.
async fn known(gate: &Gate, caller: &Caller, id: &RequestId) -> Result<actionpass_model::ApprovalRequest, Refused> {
    let stored = gate.home.store.request(id).await;
    let stored = stored.map_err(|error| Refused::of(&error))?;
    stored
        .map(|stored| stored.request)
        .filter(|request| caller.sees(request))
        .ok_or_else(|| refused(RequestCode::RequestUnknown.into()))
}

/// A request as it is now, if the client may see it.
async fn seen(gate: &Gate, caller: &Caller, id: &RequestId) -> Result<Review, Refused> {
    known(gate, caller, id).await?;
    gate.issuer.review(id).await.map_err(refused)
}

/// What a review says where it is none, with the statuses of requests: unknown ones aren't found, and what has ended is in the way
/// of everything.
pub(crate) fn refused(error: ReviewError) -> Refused {
    let refused = Refused::of(&error);
    match error {
        ReviewError::Request { code, .. } => match code {
            RequestCode::RequestUnknown => refused.with_status(StatusCode::NOT_FOUND),
            RequestCode::RequestUsed
            | RequestCode::RequestDeclined
            | RequestCode::RequestCancelled
            | RequestCode::RequestExpired
            | RequestCode::RequestSuperseded => refused.with_status(StatusCode::CONFLICT),
            RequestCode::RequestErased => refused.with_status(StatusCode::GONE),
            _ => refused,
        },
        _ => refused,
    }
}

pub(crate) const STATES: [RequestState; 6] = [
    RequestState::Pending,
    RequestState::Approved,
    RequestState::Used,
    RequestState::Declined,
    RequestState::Cancelled,
    RequestState::Expired,
];

fn state(text: &str) -> Option<RequestState> {
    STATES.into_iter().find(|state| state.as_str() == text)
}

/// Where the store has requests in this state.
const fn stored_as(state: RequestState) -> StateFilter {
    match state {
        RequestState::Pending | RequestState::Approved => StateFilter::Live,
        RequestState::Used => StateFilter::Ended(EndState::Used),
        RequestState::Declined => StateFilter::Ended(EndState::Declined),
        RequestState::Cancelled => StateFilter::Ended(EndState::Cancelled),
        RequestState::Expired => StateFilter::Ended(EndState::Expired),
    }
}
