//! The first screen, what waits for whoever is signed in, and the history.

use std::collections::VecDeque;
use std::time::Duration;

use actionpass_core::RequestState;
use actionpass_model::{ApprovalRequest, RequestId, Timestamp};
use actionpass_store::{QueueStore as _, RequestFilter, StateFilter, StoreError};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

use super::html::{self as layout, shown, time};
use super::look::{Looked, ended, is_remembered, of_review, outcome};
use super::sessions::Person;
use super::{Door, now, page, signed_in};
use crate::gate::Shared;
use crate::problem::Refused;

/// How many requests that wait one sees at once.
const MAX_WAITING: usize = 200;
/// How many requests the history has.
const MAX_REMEMBERED: usize = 100;
/// How far back the history goes.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many pages of the store are read for it.
const MAX_PAGES: usize = 20;

/// `GET /`.
pub(super) async fn waiting(
    State(gate): State<Shared>,
    Extension(sessions): Door,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Some(person) = signed_in(&gate, &sessions, &headers).await? else {
        return Ok(sign_in(StatusCode::OK));
    };
    let now = now()?;
    let (looked, is_cut) = live(&gate, &person, now).await?;
    let (voted, open): (Vec<_>, Vec<_>) = looked.into_iter().partition(|looked| looked.has_approved);
    let content = html! {
        h1 { (layout::WAITING) }
        (news())
        @if open.is_empty() {
            p .empty { "Nothing waits for you. What comes in is told here." }
        } @else {
            ol .list { @for looked in &open { (item(looked, now)) } }
        }
        @if is_cut { p { "More wait than are shown here: decide on some, and the next ones come up." } }
        @if !voted.is_empty() {
            h2 { "You approved; not used yet" }
            ol .list { @for looked in &voted { (item(looked, now)) } }
        }
    };
    Ok(page(
        StatusCode::OK,
        layout::page(layout::WAITING, Some(&person), &content),
    ))
}

/// `GET /history`.
pub(super) async fn history(
    State(gate): State<Shared>,
    Extension(sessions): Door,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let Some(person) = signed_in(&gate, &sessions, &headers).await? else {
        return Ok(sign_in(StatusCode::UNAUTHORIZED));
    };
    let requests = remembered(&gate, &person, now()?).await?;
    let content = html! {
        h1 { (layout::HISTORY) }
        @if requests.is_empty() {
            p .empty { "Nothing that you decided on, or could have, ended within 30 days." }
        } @else {
            ol .list { @for request in requests.iter().rev() { (past(request)) } }
            p .soft { "The last " (MAX_REMEMBERED) " within 30 days. The ledger has all of it." }
        }
    };
    Ok(page(
        StatusCode::OK,
        layout::page(layout::HISTORY, Some(&person), &content),
    ))
}

/// The screen on which one signs in.
pub(super) fn sign_in(status: StatusCode) -> Response {
    let content = html! {
        section #sign-in .card {
            h1 { "Sign in" }
            p { "See what agents ask you to approve. Your passkey signs you in, and later signs each decision by itself." }
            button #enter .primary type="button" disabled { "Sign in with a passkey" }
            (layout::script_needed("Signing in needs JavaScript: only a script can ask the browser for a passkey."))
            p #note .note role="status" {}
            p .soft { "No passkey here yet? Open the link of your invitation." }
        }
    };
    page(status, layout::page("Sign in", None, &content))
}

/// Where changes are told, so that nothing else moves.
fn news() -> Markup {
    html! { p #news .note role="status" {} }
}

/// What waits and concerns this person, the oldest first; and whether there is more of it.
pub(super) async fn live(gate: &Shared, person: &Person, now: Timestamp) -> Result<(Vec<Looked>, bool), Refused> {
    let mut filter = RequestFilter::default();
    filter.state = Some(StateFilter::Live);
    let mut looked = Vec::new();
    loop {
        let listed = gate.home.store.requests(&filter, now).await.map_err(failed)?;
        let Some(last) = listed.last() else {
            return Ok((looked, false));
        };
        filter.after = Some(last.id.clone());
        for request in listed {
            if !person.tenants.contains(&request.tenant) {
                continue;
            }
            if looked.len() >= MAX_WAITING {
                return Ok((looked, true));
            }
            let review = gate.issuer.review(&request.id).await;
            let review = review.map_err(|error| Refused::of(&error))?;
            if let Some(found) = of_review(gate, person, review).await?
                && matches!(found.review.state, RequestState::Pending | RequestState::Approved)
            {
                looked.push(found);
            }
        }
    }
}

/// What ended within the time of the history and concerns this person, the oldest first.
async fn remembered(gate: &Shared, person: &Person, now: Timestamp) -> Result<VecDeque<ApprovalRequest>, Refused> {
    let mut filter = RequestFilter::default();
    filter.after = Some(first_id(now)?);
    let mut requests = VecDeque::new();
    for _ in 0..MAX_PAGES {
        let listed = gate.home.store.requests(&filter, now).await.map_err(failed)?;
        let Some(last) = listed.last() else { break };
        filter.after = Some(last.id.clone());
        for request in listed {
            if is_remembered(person, &request, now) {
                if requests.len() >= MAX_REMEMBERED {
                    requests.pop_front();
                }
                requests.push_back(request);
            }
        }
    }
    Ok(requests)
}

/// The id that every request of the history is behind: ids begin with the time of their making.
fn first_id(now: Timestamp) -> Result<RequestId, Refused> {
    let reach = u64::try_from(REMEMBERED.as_millis()).unwrap_or(u64::MAX);
    let millis = now.unix_millis().saturating_sub(reach);
    RequestId::parse(&format!("req_{millis:012x}{:020}", 0)).map_err(|_| crate::ServerCode::ServiceFailed.into())
}

fn failed(error: StoreError) -> Refused {
    Refused::of(&actionpass_core::AuthorizeError::from(error))
}

fn item(looked: &Looked, now: Timestamp) -> Markup {
    let request = &looked.review.request;
    let left = request.expires_at.saturating_since(now);
    html! {
        li data-request=(request.id.as_str()) {
            a .headline href={ "/requests/" (request.id.as_str()) } { (request.tool.as_str()) }
            p .on { (shown(request.resource.as_str())) }
            p .soft {
                (request.actor.agent.as_str()) " for " (request.actor.human_owner.as_str())
                @for note in &request.notes { " · " (shown(note.reason.as_str())) }
            }
            p .state { (outcome(&looked.review)) }
            p .soft { span .left data-left=(left.as_secs()) { (layout::left(left)) } " left" }
        }
    }
}

fn past(request: &ApprovalRequest) -> Markup {
    let at = request.end.as_ref().map_or(request.expires_at, |end| end.at);
    html! {
        li {
            a .headline href={ "/requests/" (request.id.as_str()) } { (request.tool.as_str()) }
            p .on { (shown(request.resource.as_str())) }
            p .soft { (request.actor.agent.as_str()) " for " (request.actor.human_owner.as_str()) }
            p .state { (ended(request)) }
            p .soft {
                (time(at))
                @for vote in &request.votes { " · " (vote.principal.as_str()) (super::request::said(vote)) }
            }
        }
    }
}
