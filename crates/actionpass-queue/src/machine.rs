//! [`step`]: the state machine of a request.

use std::time::Duration;

use actionpass_model::{
    Agent, AnyPrincipal, ApprovalRequest, Code, Digest, EndState, Principal, RequestEnd, Tenant, Timestamp, Vote,
    VoteKind,
};

use crate::RequestCode;

/// What a request is about: at most one of each waits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "what is asked for is asked for by these three")]
pub struct RequestKey {
    /// The organization.
    pub tenant: Tenant,
    /// The agent.
    pub agent: Agent,
    /// The exact action, and never a commitment to it.
    pub action_hash: Digest,
}

impl RequestKey {
    /// What this request is about.
    #[must_use]
    pub fn of(request: &ApprovalRequest) -> Self {
        Self {
            tenant: request.tenant.clone(),
            agent: request.actor.agent.clone(),
            action_hash: request.action_hash,
        }
    }
}

/// Something that happens to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the table of the crate is all there is")]
pub enum Step {
    /// Somebody says yes or no. A no ends it, and answers every action of the same hash for `holds`, and for what is left
    /// of the request's time if that is longer.
    Vote {
        /// The vote.
        vote: Vote,
        /// How long a no holds, from the vote on.
        holds: Duration,
    },
    /// The action gets its pass.
    Use {
        /// When.
        at: Timestamp,
    },
    /// It is taken back, or what it is about changed.
    Cancel {
        /// When.
        at: Timestamp,
        /// Who did it, if it was somebody.
        by: Option<Principal>,
        /// Why.
        code: Code,
    },
    /// Its time is over.
    Expire {
        /// When that was noticed.
        at: Timestamp,
    },
}

impl Step {
    /// When it happens.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Vote { vote, .. } => vote.at,
            Self::Use { at } | Self::Cancel { at, .. } | Self::Expire { at } => *at,
        }
    }
}

/// When a request came to nothing, if it did: it was declined, or its time was over. Of these
/// [`ENDS_THAT_HOLD`](crate::ENDS_THAT_HOLD) within [`HOLD_WINDOW`](crate::HOLD_WINDOW) hold new requests of their agent.
#[must_use]
pub fn came_to_nothing(request: &ApprovalRequest) -> Option<Timestamp> {
    match request.end.as_ref()? {
        end if end.state == EndState::Declined => Some(end.at),
        end if end.state == EndState::Expired => Some(request.expires_at),
        _ => None,
    }
}

/// Whether a decline of this request answers every action of its hash at this time.
#[must_use]
pub fn holds(request: &ApprovalRequest, now: Timestamp) -> bool {
    let until = request.end.as_ref().and_then(|end| end.holds_until);
    until.is_some_and(|until| now < until)
}

/// Why nothing but its expiry can happen to a request at this time; `None` while it waits.
#[must_use]
pub fn refused(request: &ApprovalRequest, now: Timestamp) -> Option<RequestCode> {
    request.ended(now).map(RequestCode::of_end)
}

/// The request as it is after a step, with the next version.
///
/// # Errors
/// [`RequestCode`] for every step that the table of the crate doesn't have: the request stays as it is.
pub fn step(request: &ApprovalRequest, step: Step) -> Result<ApprovalRequest, RequestCode> {
    if let Some(end) = &request.end {
        return Err(RequestCode::of_end(end.state));
    }
    let is_over = request.is_over(step.at());
    let mut next = request.clone();
    next.version = next.version.saturating_add(1);
    match step {
        Step::Expire { at } if is_over => next.end = Some(RequestEnd::new(EndState::Expired, at)),
        Step::Expire { .. } => return Err(RequestCode::RequestWaiting),
        _ if is_over => return Err(RequestCode::RequestExpired),
        Step::Vote { vote, holds } => {
            if request.votes.iter().any(|former| repeats(&vote, former)) {
                return Err(RequestCode::VoteRepeated);
            }
            if vote.kind == VoteKind::Decline {
                next.end = Some(RequestEnd {
                    by: Some(Principal::from(&vote.principal)),
                    holds_until: Some(vote.at.saturating_add(holds).max(request.expires_at)),
                    ..RequestEnd::new(EndState::Declined, vote.at)
                });
            }
            next.votes.push(vote);
        }
        Step::Use { at } => next.end = Some(RequestEnd::new(EndState::Used, at)),
        Step::Cancel { at, by, code } => {
            next.end = Some(RequestEnd {
                by,
                code: Some(code),
                ..RequestEnd::new(EndState::Cancelled, at)
            });
        }
    }
    Ok(next)
}

/// The request as it is once what lies beside it is erased: one that waits is cancelled, one whose time is over has expired,
/// whether anybody had noticed or not. `None` if it had ended: it stays as it is.
#[must_use]
pub fn erased(request: &ApprovalRequest, at: Timestamp) -> Option<ApprovalRequest> {
    let what = if request.is_over(at) {
        Step::Expire { at }
    } else {
        Step::Cancel {
            at,
            by: None,
            code: RequestCode::RequestErased.into(),
        }
    };
    step(request, what).ok()
}

/// One person says yes once, whatever the spelling of the name. Whoever said yes may still say no, which ends the request.
fn repeats(vote: &Vote, former: &Vote) -> bool {
    let is_same_vote = former.id == vote.id && former.principal == vote.principal;
    is_same_vote || (vote.kind == VoteKind::Approve && former.principal.is_same_person_as(&vote.principal))
}

#[cfg(test)]
mod tests;
