//! How approval requests are shown to programs: the documents of `actionpass-client`, made of reviews. The service answers
//! them, and the command line prints them.

use actionpass_client::api::{Declined, DroppedVote, FullRequest, RequestEvent, RequestItem, VoteSubject};
use actionpass_core::Review;
use actionpass_display::{DisplayError, View};
use actionpass_model::{Issuer, JsonObject};
use actionpass_policy::Requirement;

/// A request in a listing.
#[must_use]
pub fn item(review: &Review) -> RequestItem {
    let request = &review.request;
    RequestItem {
        id: request.id.clone(),
        state: review.state,
        tool: request.tool.clone(),
        resource: request.resource.clone(),
        agent: request.actor.agent.clone(),
        missing: approvals(review),
        void: review.is_void(),
        created_at: request.created_at,
        expires_at: request.expires_at,
    }
}

/// All of a request but what a vote on it is signed over: that is [`subject`].
///
/// # Errors
/// [`DisplayError`] if its action can't be shown.
pub fn full(review: &Review) -> Result<FullRequest, DisplayError> {
    let view = view(review)?;
    let document = view.as_ref().map(|view| serde_json::from_str(&view.canonical()));
    Ok(FullRequest {
        request: review.request.clone(),
        state: review.state,
        missing: approvals(review),
        void: review.is_void(),
        reasons: review.reasons.clone(),
        dropped: review.dropped.iter().map(dropped).collect(),
        declined: review.declined.as_ref().map(declined),
        view: document.transpose().map_err(|_| DisplayError::Unreadable("view"))?,
        shown: view.map(|view| view.shown()),
        subject: None,
    })
}

/// What a vote on a request is signed over, for those who sign elsewhere; `None` once its action is erased.
///
/// # Errors
/// [`DisplayError`] if what was admitted is no object, which only a fault of ours explains.
pub fn subject(review: &Review, issuer: &Issuer) -> Result<Option<VoteSubject>, DisplayError> {
    let Some(action) = &review.action else { return Ok(None) };
    let object = |text: &str, what| -> Result<JsonObject, DisplayError> {
        serde_json::from_str(text).map_err(|_| DisplayError::Unreadable(what))
    };
    let facts = review.facts.canonical();
    Ok(Some(VoteSubject {
        issuer: issuer.clone(),
        action: object(action.document().as_str(), "action")?,
        facts: facts.map(|facts| object(facts.as_str(), "facts")).transpose()?,
    }))
}

/// What approvers are shown of its action; `None` once that is erased.
///
/// # Errors
/// [`DisplayError`] if it can't be shown.
pub fn view(review: &Review) -> Result<Option<View>, DisplayError> {
    let view = |action| View::of(action, &review.request.rules, &review.facts);
    review.action.as_ref().map(view).transpose()
}

/// Something that happened to a request.
#[must_use]
pub fn event(event: &actionpass_core::RequestEvent) -> RequestEvent {
    let request = &event.request;
    RequestEvent {
        seq: event.seq,
        time: event.time,
        event: event.event.to_string(),
        request: request.id.clone(),
        tool: request.tool.clone(),
        resource: request.resource.clone(),
        agent: request.actor.agent.clone(),
        principal: event.principal.clone(),
        code: event.code.clone(),
    }
}

/// The approvals that are missing. What else would turn the decision, people can't vote for.
fn approvals(review: &Review) -> Vec<Requirement> {
    let is_approval = |required: &&Requirement| matches!(required, Requirement::Approval { .. });
    review.missing.iter().filter(is_approval).cloned().collect()
}

fn dropped(vote: &actionpass_core::DroppedVote) -> DroppedVote {
    DroppedVote {
        id: vote.id.clone(),
        principal: vote.principal.clone(),
        codes: vote.codes.clone(),
    }
}

fn declined(declined: &actionpass_core::Declined) -> Declined {
    Declined {
        request: declined.request.clone(),
        by: declined.by.clone(),
        at: declined.at,
        until: declined.until,
        words: declined.words.clone(),
    }
}
