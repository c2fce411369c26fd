//! [`RequestTally`]: approval requests held against the log.
//!
//! Who declined, and what was used, is not forgotten by editing a row: each change of a request has one record, and each
//! record finds its change in the row. That a row has no others follows from their number: the version of a request counts
//! its changes.

use std::collections::{BTreeSet, HashMap};

use actionpass_model::{
    Agent, ApprovalId, ApprovalRequest, Code, Decision, EndState, Principal, RequestChange, RequestId, Tenant,
    Timestamp, Vote, VoteKind,
};
use actionpass_queue::{ENDS_THAT_HOLD, HOLD_WINDOW, RequestCode, came_to_nothing};

use crate::ledger::Consequence;

/// Whether a request, as a store keeps it, is what a record at this place says of it. `last` is the record that changed it
/// last; `is_committed` says that its record has commitments in the place of hashes.
#[must_use]
pub fn is_said(request: &ApprovalRequest, last: u64, is_committed: bool, seq: u64, consequence: &Consequence) -> bool {
    let opener = request.decision.seq;
    let ended = request.end.as_ref().map(|end| end.state);
    let ended_so = |state| ended == Some(state) && last == seq && opener < seq;
    match consequence {
        Consequence::Named {
            decision,
            tenant,
            agent,
            action_hash,
            ..
        } => {
            let is_opener = *decision == Decision::StepUp
                && *tenant == request.tenant
                && *agent == request.actor.agent
                && (is_committed || action_hash.is_none_or(|hash| hash == request.action_hash));
            opener < seq || (opener == seq && is_opener)
        }
        Consequence::Allow { .. } => ended_so(EndState::Used),
        Consequence::Request { change, vote, .. } => {
            let has_vote = |kind| {
                let is_there = |(by, id): &(Principal, ApprovalId)| {
                    let is_it =
                        |vote: &Vote| vote.kind == kind && vote.id == *id && vote.principal.as_str() == by.as_str();
                    request.votes.iter().any(is_it)
                };
                vote.as_ref().is_some_and(is_there) && opener < seq && seq <= last
            };
            match change {
                RequestChange::Approve => has_vote(VoteKind::Approve),
                RequestChange::Decline => has_vote(VoteKind::Decline) && ended_so(EndState::Declined),
                RequestChange::Cancel => ended_so(EndState::Cancelled),
                RequestChange::Expire => ended_so(EndState::Expired),
                RequestChange::Lift => opener < seq,
            }
        }
        _ => true,
    }
}

/// What the log says of requests, counted record by record: how many were opened, how often they were changed, and whose new
/// requests are held. Memory grows with the requests that were declined or expired.
#[derive(Debug, Default)]
pub struct RequestTally {
    opened: u64,
    changes: u64,
    agents: HashMap<(Tenant, Agent), OfAgent>,
}

#[derive(Debug, Default)]
struct OfAgent {
    /// When its requests came to nothing, with the records that said so.
    nothing: BTreeSet<(Timestamp, u64, RequestId)>,
    held_by: Option<RequestId>,
    lifted: Option<Timestamp>,
}

/// The hold on new requests of an agent, as the log says it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TalliedHold<'a> {
    /// The organization.
    pub tenant: &'a Tenant,
    /// The agent.
    pub agent: &'a Agent,
    /// The request that brought it about, while it lasts.
    pub by: Option<&'a RequestId>,
    /// When one was lifted last.
    pub lifted: Option<Timestamp>,
}

impl RequestTally {
    /// Counts a record about a request that [is as it says](is_said).
    pub fn count(&mut self, request: &ApprovalRequest, seq: u64, consequence: &Consequence) {
        match consequence {
            Consequence::Named { .. } if request.decision.seq == seq => self.opened = self.opened.saturating_add(1),
            Consequence::Allow { .. } => self.changed(),
            Consequence::Request { change, at, .. } if *change == RequestChange::Lift => {
                let agent = self.agent(request);
                (agent.held_by, agent.lifted) = (None, Some(*at));
            }
            Consequence::Request { change, .. } => {
                self.changed();
                if matches!(change, RequestChange::Decline | RequestChange::Expire) {
                    self.came_to_nothing(request, seq);
                }
            }
            _ => {}
        }
    }

    /// Counts an erasure, at this place and time, of what lay beside a request; `false` if the request isn't what that makes
    /// of it.
    #[must_use]
    pub fn erased(&mut self, request: &ApprovalRequest, last: u64, seq: u64, at: Timestamp) -> bool {
        let is_by_it = last == seq;
        let erased = Code::from(RequestCode::RequestErased);
        let is_ended = request.end.as_ref().is_some_and(|end| match end.state {
            _ if !is_by_it => true,
            EndState::Cancelled => end.code == Some(erased),
            EndState::Expired => request.is_over(at),
            EndState::Used | EndState::Declined => false,
        });
        if is_ended && is_by_it {
            self.changed();
            self.came_to_nothing(request, seq);
        }
        is_ended
    }

    /// How many requests were opened.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// How often requests were changed.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// The agents whose new requests are held or were, in any order. One of neither has no row.
    pub fn holds(&self) -> impl Iterator<Item = TalliedHold<'_>> {
        self.agents.iter().map(|((tenant, agent), of)| TalliedHold {
            tenant,
            agent,
            by: of.held_by.as_ref(),
            lifted: of.lifted,
        })
    }

    const fn changed(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    fn agent(&mut self, request: &ApprovalRequest) -> &mut OfAgent {
        let agent = (request.tenant.clone(), request.actor.agent.clone());
        self.agents.entry(agent).or_default()
    }

    /// The record at this place ended a request, which counts if it came to nothing.
    fn came_to_nothing(&mut self, request: &ApprovalRequest, seq: u64) {
        if let Some(at) = came_to_nothing(request) {
            self.agent(request).came_to_nothing(at, seq, &request.id);
        }
    }
}

impl OfAgent {
    fn came_to_nothing(&mut self, at: Timestamp, seq: u64, request: &RequestId) {
        self.nothing.insert((at, seq, request.clone()));
        let counts = |ended: Timestamp| {
            at < ended.saturating_add(HOLD_WINDOW) && self.lifted.is_none_or(|lifted| ended > lifted)
        };
        // From the latest on: those before one that doesn't count don't either.
        let ends = self.nothing.iter().rev().map(|(ended, ..)| *ended);
        let needed = usize::try_from(ENDS_THAT_HOLD).unwrap_or(usize::MAX);
        if ends.take_while(|ended| counts(*ended)).take(needed).count() == needed {
            self.held_by = Some(request.clone());
        }
    }
}
