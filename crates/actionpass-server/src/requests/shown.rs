//! How approval requests are shown to programs: the documents of `actionpass-client`, made of reviews. The service answers
//! them, and the command line prints them.

use actionpass_canon::{BoundAction, BoundFacts, Limits};
use actionpass_client::api::{Declined, DroppedVote, FullRequest, RequestEvent, RequestItem, VoteSubject};
use actionpass_core::Review;
use actionpass_display::{DisplayError, Renderer, View};
use actionpass_model::{ApprovalRequest, Code, CodedError, Issuer, JsonObject};
use actionpass_policy::Requirement;

use crate::ServerCode;

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

/// What a service admitted is admitted by whoever checks it, as far as it fits into an answer and a reader of JSON: the hashes
/// say whether it is the same.
const LIMITS: Limits = Limits::new()
    .with_max_bytes(32 << 20)
    .with_max_depth(127)
    .with_max_members(1 << 22);

/// What a vote on a request is signed over. INVARIANT: all of it belongs together, and to the request that it was checked with:
/// hashes and view are computed here and nowhere else.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckedSubject {
    /// Whose request the service says it is: the audience of the vote.
    pub issuer: Issuer,
    /// The action.
    pub action: BoundAction,
    /// The facts that it was judged by.
    pub facts: BoundFacts,
    /// What approvers are shown of it.
    pub view: View,
}

/// What a service says of a request doesn't fit together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// It contradicts itself.
    #[error("what the service sent of the request contradicts itself: {0}")]
    Contradicts(String),
    /// It can't be shown.
    #[error(transparent)]
    Display(#[from] DisplayError),
}

impl CodedError for SubjectError {
    fn code(&self) -> Code {
        match self {
            Self::Contradicts(_) => ServerCode::RequestContradicts.into(),
            Self::Display(error) => error.code().into(),
        }
    }
}

/// Holds all that a service says of a request against its action and facts, for somebody who signs elsewhere and doesn't trust the
/// service with what they see: every hash and the view are computed from those. `None` once the action is erased.
///
/// # Errors
/// [`SubjectError`]: nothing is to be signed.
pub fn checked(full: &FullRequest) -> Result<Option<CheckedSubject>, SubjectError> {
    let contradicts = |what: &str| SubjectError::Contradicts(what.to_owned());
    let Some(sent) = &full.subject else {
        return if full.view.is_some() || full.shown.is_some() {
            Err(contradicts("it has a view and no action"))
        } else {
            Ok(None)
        };
    };
    let bytes = |object: &JsonObject| serde_json::to_vec(object).map_err(|_| DisplayError::Unreadable("subject"));
    let action = BoundAction::admit(&bytes(&sent.action)?, &LIMITS);
    let action = action.map_err(|_| contradicts("its action is none"))?;
    let facts = match &sent.facts {
        Some(facts) => BoundFacts::admit(&bytes(facts)?, &LIMITS).map_err(|_| contradicts("its facts are none"))?,
        None => BoundFacts::none(),
    };
    if let Some(differing) = differing(&full.request, &action, &facts) {
        let what = format!("`{differing}` is another in the action or the facts");
        return Err(SubjectError::Contradicts(what));
    }
    let shown = full.shown.as_ref().ok_or_else(|| contradicts("`shown` is missing"))?;
    let renderer = Renderer::parse(shown.renderer.as_str())?;
    let view = View::recompute(renderer, &action, &full.request.rules, &facts)?;
    let document = serde_json::from_str(&view.canonical()).map_err(|_| DisplayError::Unreadable("view"))?;
    if view.shown() != *shown || full.view.as_ref() != Some(&document) {
        return Err(contradicts("its view isn't that of its action"));
    }
    Ok(Some(CheckedSubject {
        issuer: sent.issuer.clone(),
        action,
        facts,
        view,
    }))
}

/// The first member of a request that its action or facts say otherwise.
fn differing(request: &ApprovalRequest, action: &BoundAction, facts: &BoundFacts) -> Option<&'static str> {
    let head = action.action();
    let definition = head.tool_definition.as_ref();
    let same = [
        ("payloadHash", request.payload_hash == action.payload_hash()),
        ("contextHash", request.context_hash == action.context_hash()),
        ("factsHash", request.facts_hash == facts.hash()),
        ("tenant", request.tenant == head.tenant),
        ("actor", request.actor == head.actor),
        ("task", request.task == head.intent.task),
        ("tool", request.tool == head.capability.tool),
        ("resource", request.resource == head.capability.resource),
        (
            "server",
            request.server.as_ref() == definition.map(|definition| &definition.server),
        ),
        (
            "definitionHash",
            request.definition_hash.as_ref() == definition.map(|definition| &definition.definition_hash),
        ),
        // Behind what it is a hash of: whoever is told hears what differs.
        ("actionHash", request.action_hash == action.action_hash()),
    ];
    same.into_iter().find_map(|(name, is_same)| (!is_same).then_some(name))
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
