//! Approval requests held against the log: who declined, and what was used, is not forgotten by editing a row.
//!
//! Each change of a request has one record, and each record finds its change in the row. That a row has no others follows
//! from their number: the version of a request counts its changes.

use std::collections::{BTreeSet, HashMap};

use actionpass_model::{
    Agent, ApprovalRequest, Decision, EndState, RequestChange, RequestId, Tenant, Timestamp, VoteKind,
};
use actionpass_queue::{ENDS_THAT_HOLD, HOLD_WINDOW, RequestCode, came_to_nothing};
use actionpass_store::StoreCode;
use actionpass_store::ledger::Consequence;
use rusqlite::Connection;

use super::{consequence, missing};
use crate::error::{Failure, from_sql, to_sql};
use crate::requests::{self, Hold, Kept, Numbers};

const UNLIKE: &str = "the approval request is not there as the log has it";

/// The request that was opened last and the one that was changed last are there, as those records say.
pub(super) fn check_last(connection: &Connection) -> Result<(), Failure> {
    let numbers = Numbers::read(connection)?;
    for seq in [numbers.last_opened, numbers.last_changed].into_iter().flatten() {
        check(connection, seq, &consequence(connection, seq)?)?;
    }
    Ok(())
}

/// What a record says of a request is what the request's row says; the row, if the record is about one.
fn check(connection: &Connection, seq: u64, consequence: &Consequence) -> Result<Option<Kept>, Failure> {
    let id = match consequence {
        Consequence::Named { request, .. } | Consequence::Request { request, .. } => request,
        Consequence::Allow {
            request: Some(request), ..
        } => request,
        _ => return Ok(None),
    };
    let unlike = Failure::Record(StoreCode::StoreRowsMissing, UNLIKE, seq);
    match requests::compared(connection, id) {
        Ok(Some((kept, true))) if is_said(&kept, seq, consequence) => Ok(Some(kept)),
        Ok(_) | Err(Failure::Store(..)) => Err(unlike),
        Err(failure) => Err(failure),
    }
}

fn is_said(kept: &Kept, seq: u64, consequence: &Consequence) -> bool {
    let request = &kept.request;
    let opener = request.decision.seq;
    let ended = request.end.as_ref().map(|end| end.state);
    let ended_so = |state| ended == Some(state) && kept.last == seq && opener < seq;
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
                && (kept.is_committed || action_hash.is_none_or(|hash| hash == request.action_hash));
            opener < seq || (opener == seq && is_opener)
        }
        Consequence::Allow { .. } => ended_so(EndState::Used),
        Consequence::Request { change, vote, .. } => {
            let has_vote = |kind| {
                let is_there = |(by, id): &(actionpass_model::Principal, actionpass_model::ApprovalId)| {
                    let is_it = |vote: &actionpass_model::Vote| {
                        vote.kind == kind && vote.id == *id && vote.principal.as_str() == by.as_str()
                    };
                    request.votes.iter().any(is_it)
                };
                vote.as_ref().is_some_and(is_there) && opener < seq && seq <= kept.last
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

/// What the log says of requests so far, as far as it is counted at its end. Memory grows with the requests that were
/// declined or expired.
#[derive(Debug, Default)]
pub(super) struct Comparison {
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

impl Comparison {
    /// Compares the rows with the record at a place.
    pub(super) fn take(&mut self, connection: &Connection, seq: u64, consequence: &Consequence) -> Result<(), Failure> {
        let kept = check(connection, seq, consequence)?;
        match (consequence, kept) {
            (Consequence::Named { .. }, Some(kept)) if kept.request.decision.seq == seq => {
                self.opened = self.opened.saturating_add(1);
                if requests::side(connection, kept)?.is_none() {
                    let problem = "what lies beside the approval request is not what was put there";
                    return Err(Failure::Record(StoreCode::StoreRowsMissing, problem, seq));
                }
            }
            (Consequence::Allow { .. }, Some(_)) => self.changed(),
            (Consequence::Request { change, at, .. }, Some(kept)) => self.count(&kept, *change, *at, seq),
            (Consequence::Erasure { records, at }, _) => {
                for opener in records {
                    self.erased(connection, *opener, seq, *at)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    const fn changed(&mut self) {
        self.changes = self.changes.saturating_add(1);
    }

    fn count(&mut self, kept: &Kept, change: RequestChange, at: Timestamp, seq: u64) {
        let request = &kept.request;
        if change == RequestChange::Lift {
            let agent = (request.tenant.clone(), request.actor.agent.clone());
            let agent = self.agents.entry(agent).or_default();
            (agent.held_by, agent.lifted) = (None, Some(at));
            return;
        }
        self.changed();
        if matches!(change, RequestChange::Decline | RequestChange::Expire) {
            self.came_to_nothing(request, seq);
        }
    }

    /// The record at this place ended a request, which counts if it came to nothing.
    fn came_to_nothing(&mut self, request: &ApprovalRequest, seq: u64) {
        if let Some(at) = came_to_nothing(request) {
            let agent = (request.tenant.clone(), request.actor.agent.clone());
            self.agents
                .entry(agent)
                .or_default()
                .came_to_nothing(at, seq, &request.id);
        }
    }

    fn erased(&mut self, connection: &Connection, opener: u64, seq: u64, at: Timestamp) -> Result<(), Failure> {
        let Some(kept) = requests::by_decision(connection, opener)? else {
            return Ok(());
        };
        let request = &kept.request;
        let is_by_it = kept.last == seq;
        let erased = actionpass_model::Code::from(RequestCode::RequestErased);
        let is_ended = request.end.as_ref().is_some_and(|end| match end.state {
            _ if !is_by_it => true,
            EndState::Cancelled => end.code == Some(erased),
            EndState::Expired => request.is_over(at),
            EndState::Used | EndState::Declined => false,
        });
        let is_gone = requests::is_bare(connection, &kept)?;
        if !is_ended || !is_gone {
            return Err(Failure::Record(StoreCode::StoreRowsMissing, UNLIKE, seq));
        }
        if is_by_it {
            self.changed();
            self.came_to_nothing(request, seq);
        }
        Ok(())
    }

    /// The log has no more records: there are as many rows and changes, and the holds that follow from them.
    pub(super) fn finish(&self, connection: &Connection) -> Result<(), Failure> {
        let sql = "SELECT count(*), coalesce(sum(version), 0) FROM request";
        let numbers: (i64, i64) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let there = (from_sql(numbers.0)?, from_sql(numbers.1)?);
        let kept = Numbers::read(connection)?;
        if there != (self.opened, self.changes) || (kept.rows, kept.changes) != there {
            return Err(missing(
                "there are more or fewer approval requests or changes of them than the log has",
            ));
        }
        let sql = "SELECT count(*) FROM request WHERE ended IS NULL";
        if from_sql(connection.query_row(sql, [], |row| row.get(0))?)? != kept.unended {
            return Err(missing("more or fewer approval requests have no end than were counted"));
        }
        let mut known: u64 = 0;
        for ((tenant, agent), held) in &self.agents {
            let wanted = Hold {
                by: held.held_by.clone(),
                lifted: held.lifted.map(|at| to_sql(at.unix_millis())).transpose()?,
            };
            if requests::hold(connection, tenant.as_str(), agent.as_str())? != wanted {
                return Err(missing(
                    "an agent's new requests are held, or not, other than the log says",
                ));
            }
            known = known.saturating_add(u64::from(wanted != Hold::default()));
        }
        let holds = connection.query_row("SELECT count(*) FROM request_hold", [], |row| row.get(0))?;
        if from_sql(holds)? != known {
            return Err(missing(
                "new requests of more or fewer agents are held than the log says",
            ));
        }
        Ok(())
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

#[cfg(test)]
mod tests;
