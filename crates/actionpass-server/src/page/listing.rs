//! The first screen, what waits for whoever is signed in, and the history.

use std::time::Duration;

use actionpass_model::{ApprovalRequest, RequestId, Timestamp};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

use super::html::{self as layout, shown, time};
use super::look::{Looked, ended, outcome};
use super::sessions::Person;
use super::{Host, SharedHost, now, page, signed_in};
use crate::problem::Refused;

/// How many requests that wait one sees at once.
const MAX_WAITING: usize = 200;
/// How many requests the history has.
const MAX_REMEMBERED: usize = 100;
/// How far back the history goes.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `GET /`.
pub(super) async fn waiting(State(host): State<SharedHost>, headers: HeaderMap) -> Result<Response, Refused> {
    let Some(person) = signed_in(&host, &headers).await? else {
        return Ok(sign_in(StatusCode::OK));
    };
    let now = now()?;
    let (looked, is_cut) = live(&host, &person, now).await?;
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
pub(super) async fn history(State(host): State<SharedHost>, headers: HeaderMap) -> Result<Response, Refused> {
    let Some(person) = signed_in(&host, &headers).await? else {
        return Ok(sign_in(StatusCode::UNAUTHORIZED));
    };
    let now = now()?;
    let requests = host.source.ended(&person, now, first_id(now)?, MAX_REMEMBERED).await?;
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
pub(super) async fn live(host: &Host, person: &Person, now: Timestamp) -> Result<(Vec<Looked>, bool), Refused> {
    host.source.waiting(person, now, MAX_WAITING).await
}

/// The id that every request of the history is behind: ids begin with the time of their making.
fn first_id(now: Timestamp) -> Result<RequestId, Refused> {
    let reach = u64::try_from(REMEMBERED.as_millis()).unwrap_or(u64::MAX);
    let millis = now.unix_millis().saturating_sub(reach);
    RequestId::parse(&format!("req_{millis:012x}{:020}", 0)).map_err(|_| crate::ServerCode::ServiceFailed.into())
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
            p .soft { "Time left: " span data-left=(layout::seconds_left(left)) { (layout::left(left)) } }
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
