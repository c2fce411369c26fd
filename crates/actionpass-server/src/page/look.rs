//! [`Looked`]: a request as one person sees it, if they do.

use actionpass_core::ReviewError;
use actionpass_model::{AnyPrincipal as _, ApprovalRequest, Code, RequestState, Timestamp, Vote, VoteKind};
use actionpass_policy::Requirement;
use actionpass_queue::RequestCode;

use super::html::any_of;
use super::sessions::Person;
use super::source::Review;
use crate::problem::Refused;

/// A request that a person sees: it is of one of their tenants, and their vote can count, could have counted, or was cast.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(super) review: Review,
    /// Whether a vote of theirs can count now.
    pub(super) may_vote: bool,
    /// Whether their yes is among the votes: a no can still follow.
    pub(super) has_approved: bool,
}

impl Looked {
    /// The request, if this person sees it. `may_vote`: whether a vote of theirs can count now.
    pub(super) fn of(person: &Person, review: Review, may_vote: bool) -> Option<Self> {
        let request = &review.request;
        let sees =
            may_vote || own_votes(person, request).next().is_some() || (!review.is_open() && could(person, request));
        let has_approved = own_votes(person, request).any(|vote| vote.kind == VoteKind::Approve);
        (sees && person.tenants.contains(&request.tenant)).then_some(Self {
            review,
            may_vote,
            has_approved,
        })
    }

    /// Whether it waits, be it that nobody can approve it any more.
    pub(super) const fn waits(&self) -> bool {
        matches!(self.review.state, RequestState::Pending | RequestState::Approved)
    }
}

/// What answers for a request that isn't there, and for one that this person doesn't see.
pub(super) fn unknown() -> Refused {
    Refused::of(&ReviewError::from(RequestCode::RequestUnknown))
}

/// The votes that this person cast.
fn own_votes<'a>(person: &'a Person, request: &'a ApprovalRequest) -> impl Iterator<Item = &'a Vote> {
    let votes = request.votes.iter();
    votes.filter(|vote| vote.principal.is_same_person_as(&person.principal))
}

/// Whether this person's vote could have counted, by what was missing when the request was opened: of one that has ended
/// policy isn't asked any more.
pub(super) fn could(person: &Person, request: &ApprovalRequest) -> bool {
    let is_owner = request.actor.human_owner.is_same_person_as(&person.principal);
    request.required.iter().any(|required| {
        let has_role = required.roles.is_empty() || required.roles.iter().any(|role| person.roles.contains(role));
        has_role && !(required.not_owner && is_owner)
    })
}

/// Whether a request that has ended belongs into this person's history.
pub(super) fn is_remembered(person: &Person, request: &ApprovalRequest, now: Timestamp) -> bool {
    person.tenants.contains(&request.tenant)
        && request.ended(now).is_some()
        && (own_votes(person, request).next().is_some() || could(person, request))
}

/// What an approval request is now, in a sentence: what became of it, or what is missing.
pub(super) fn outcome(review: &Review) -> String {
    if let Some(contradiction) = &review.contradiction {
        return format!("Nothing is offered to be signed: {contradiction}.");
    }
    if review.is_void {
        return "Nobody can approve it any more: the policy changed since it was opened. The agent has to ask again."
            .into();
    }
    match review.state {
        RequestState::Pending => {
            let missing: Vec<String> = review.missing.iter().filter_map(missing).collect();
            if missing.is_empty() {
                "Waiting; policy would refuse the action as things stand.".to_owned()
            } else {
                format!("Waiting for {}.", missing.join(", and "))
            }
        }
        RequestState::Approved => "Approved: the agent gets its pass when it asks again.".to_owned(),
        _ => ended(&review.request),
    }
}

/// How a request ended, in a sentence.
pub(super) fn ended(request: &ApprovalRequest) -> String {
    use actionpass_model::EndState;
    let Some(end) = &request.end else {
        return "Expired: nobody decided in time.".to_owned();
    };
    let by = end
        .by
        .as_ref()
        .map(|by| format!(" by {}", by.as_str()))
        .unwrap_or_default();
    match end.state {
        EndState::Used => "Used: the agent got its pass.".to_owned(),
        EndState::Declined => format!("Declined{by}."),
        EndState::Cancelled => {
            let why = end.code.as_ref().map(Code::as_str).unwrap_or_default();
            format!("Cancelled{by}: {why}.")
        }
        EndState::Expired => "Expired: nobody decided in time.".to_owned(),
    }
}

/// Approvals that are missing, in words. What else would turn the decision nobody can vote for.
fn missing(requirement: &Requirement) -> Option<String> {
    let Requirement::Approval {
        count,
        roles,
        not_owner,
        ..
    } = requirement
    else {
        return None;
    };
    let what = if *count == 1 { "approval" } else { "approvals" };
    let who = match roles.as_slice() {
        [] => String::new(),
        roles => format!(" by {}", any_of(roles.iter().map(|role| role.as_str()))),
    };
    let owner = if *not_owner { " other than the owner" } else { "" };
    Some(format!("{count} {what}{who}{owner}"))
}
