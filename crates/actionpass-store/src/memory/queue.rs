//! [`Queue`]: the approval requests of a store in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use actionpass_model::{Agent, ApprovalRequest, DecisionRef, RequestId, Statement, Tenant, Timestamp};
use actionpass_queue::{
    ENDS_THAT_HOLD, HOLD_WINDOW, Load, RequestCode, RequestKey, Step, came_to_nothing, erased, holds, step,
};

use crate::{
    Change, CommitOutcome, Found, MAX_OVERDUE, Obstacle, Open, QueuePart, RequestFilter, RequestPart, Standing,
    StoreCode, StoreError, StoredRequest, VoteToken, hide,
};

#[derive(Debug, Default)]
pub(super) struct Queue {
    requests: BTreeMap<RequestId, Kept>,
    /// Agents whose new requests are held, and the request that brought it about.
    held: HashMap<(Tenant, Agent), RequestId>,
    /// When a hold of an agent was lifted last.
    lifted: HashMap<(Tenant, Agent), Timestamp>,
}

#[derive(Debug)]
struct Kept {
    stored: StoredRequest,
    client: Option<Statement>,
    /// Whether the record that opened it has commitments in the place of hashes.
    is_committed: bool,
}

/// What a decision does to the queue: found possible, not yet done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The request that is superseded, as it is from now on.
    ended: Option<ApprovalRequest>,
    then: Then,
}

#[derive(Debug)]
enum Then {
    Nothing,
    Open(Box<Open>),
    Settle(Box<ApprovalRequest>),
}

fn who(request: &ApprovalRequest) -> (Tenant, Agent) {
    (request.tenant.clone(), request.actor.agent.clone())
}

impl Queue {
    pub(super) fn get(&self, id: &RequestId) -> Option<&StoredRequest> {
        self.requests.get(id).map(|kept| &kept.stored)
    }

    pub(super) fn client(&self, id: &RequestId) -> Option<&Statement> {
        self.requests.get(id)?.client.as_ref()
    }

    fn all(&self) -> impl Iterator<Item = &ApprovalRequest> {
        self.requests.values().map(|kept| &kept.stored.request)
    }

    fn of_key<'a>(&'a self, key: &'a RequestKey) -> impl Iterator<Item = &'a StoredRequest> {
        let stored = self.requests.values().map(|kept| &kept.stored);
        stored.filter(|stored| RequestKey::of(&stored.request) == *key)
    }

    pub(super) fn list(&self, filter: &RequestFilter, now: Timestamp) -> Vec<ApprovalRequest> {
        let is_behind = |request: &&ApprovalRequest| filter.after.as_ref().is_none_or(|after| request.id > *after);
        let found = self
            .all()
            .filter(is_behind)
            .filter(|request| filter.admits(request, now));
        found.take(filter.limit()).cloned().collect()
    }

    pub(super) fn standing(&self, key: &RequestKey, now: Timestamp) -> Standing {
        let holding = self.of_key(key).filter(|stored| holds(&stored.request, now));
        let until = |stored: &&StoredRequest| stored.request.end.as_ref().and_then(|end| end.holds_until);
        let is_of_agent = |request: &&ApprovalRequest| request.tenant == key.tenant && request.actor.agent == key.agent;
        let is_overdue = |request: &&ApprovalRequest| request.end.is_none() && request.is_over(now);
        let overdue = self.all().filter(is_of_agent).filter(is_overdue).take(MAX_OVERDUE);
        Standing {
            live: self.of_key(key).find(|stored| stored.request.is_live(now)).cloned(),
            declined: holding.max_by_key(until).cloned(),
            overdue: overdue.cloned().collect(),
            held_by: self.held.get(&(key.tenant.clone(), key.agent.clone())).cloned(),
        }
    }

    fn load(&self, key: &RequestKey, client: Option<&Statement>, now: Timestamp) -> Load {
        let count = |is: &dyn Fn(&Kept) -> bool| {
            let found = self.requests.values().filter(|kept| is(kept)).count();
            u64::try_from(found).unwrap_or(u64::MAX)
        };
        let is_live = |kept: &Kept| kept.stored.request.is_live(now);
        let is_of_agent =
            |kept: &Kept| kept.stored.request.tenant == key.tenant && kept.stored.request.actor.agent == key.agent;
        let is_recent = |kept: &Kept| {
            now < kept
                .stored
                .request
                .created_at
                .saturating_add(actionpass_queue::OPENED_WINDOW)
        };
        let mut load = Load::default();
        load.live = count(&is_live);
        load.live_of_agent = count(&|kept| is_live(kept) && is_of_agent(kept));
        load.live_of_client = count(&|kept| client.is_some() && is_live(kept) && kept.client.as_ref() == client);
        load.opened_in_hour = count(&|kept| is_of_agent(kept) && is_recent(kept));
        load.is_held = self.held.contains_key(&(key.tenant.clone(), key.agent.clone()));
        load
    }

    /// What a decision does, if nothing stands against it.
    pub(super) fn plan(&self, part: QueuePart, now: Timestamp) -> Result<Plan, CommitOutcome> {
        let QueuePart {
            key,
            supersedes,
            request,
        } = part;
        let ended = match supersedes {
            Some(change) => Some(self.step(&change).map_err(|_| CommitOutcome::RequestMoved)?),
            None => None,
        };
        let is_ended = |stored: &&StoredRequest| ended.as_ref().is_some_and(|ended| ended.id == stored.request.id);
        let mut live = self.of_key(&key).filter(|stored| stored.request.is_live(now));
        let live = live.find(|stored| !is_ended(stored)).map(|stored| &stored.request);
        let found = Found {
            live: live.map(|request| (&request.id, request.version)),
            is_declined: self.of_key(&key).any(|stored| holds(&stored.request, now)),
        };
        request.check(found).map_err(|obstacle| match obstacle {
            Obstacle::Joined(id) => CommitOutcome::Joined(id),
            Obstacle::Moved => CommitOutcome::RequestMoved,
        })?;
        let then = match request {
            RequestPart::None | RequestPart::Apart | RequestPart::Joins(..) => Then::Nothing,
            RequestPart::Opens(open) => {
                let mut load = self.load(&key, open.client.as_ref(), now);
                if ended.is_some() {
                    load.live = load.live.saturating_sub(1);
                    load.live_of_agent = load.live_of_agent.saturating_sub(1);
                }
                open.limits.admit(&load).map_err(CommitOutcome::NotOpened)?;
                Then::Open(open)
            }
            RequestPart::Settles(..) => {
                let used = live.and_then(|request| step(request, Step::Use { at: now }).ok());
                Then::Settle(Box::new(used.ok_or(CommitOutcome::RequestMoved)?))
            }
        };
        Ok(Plan { ended, then })
    }

    pub(super) fn carry_out(&mut self, plan: Plan, decision: DecisionRef, is_committed: bool) {
        if let Some(ended) = plan.ended {
            self.put(ended, None);
        }
        match plan.then {
            Then::Nothing => {}
            Then::Settle(used) => self.put(*used, None),
            Then::Open(open) => {
                let Open {
                    request: mut stored,
                    client,
                    ..
                } = *open;
                stored.request.decision = decision;
                let kept = Kept {
                    client,
                    is_committed,
                    stored,
                };
                self.requests.insert(kept.stored.request.id.clone(), kept);
            }
        }
    }

    /// The request as it is after a change, if it is at the version that the change names.
    pub(super) fn step(&self, change: &Change) -> Result<ApprovalRequest, Refused> {
        let Some(kept) = self.requests.get(&change.request) else {
            return Err(Refused::Law(RequestCode::RequestUnknown));
        };
        let request = &kept.stored.request;
        if request.version != change.version {
            return Err(Refused::Moved(Box::new(request.clone())));
        }
        step(request, change.step.clone()).map_err(Refused::Law)
    }

    /// Puts a request in the place of the same one of before.
    pub(super) fn put(&mut self, next: ApprovalRequest, token: Option<VoteToken>) {
        let Some(kept) = self.requests.get_mut(&next.id) else {
            return;
        };
        kept.stored.request = next;
        kept.stored.tokens.extend(token);
        let next = kept.stored.request.clone();
        if let Some(at) = came_to_nothing(&next)
            && self.came_to_nothing_before(&next, at) >= ENDS_THAT_HOLD
        {
            self.held.insert(who(&next), next.id);
        }
    }

    /// How many requests of the agent came to nothing in the window that ends at this time, and since a hold was lifted.
    fn came_to_nothing_before(&self, request: &ApprovalRequest, at: Timestamp) -> u64 {
        let lifted = self.lifted.get(&who(request)).copied();
        let counts = |other: &&ApprovalRequest| {
            let is_of_agent = other.tenant == request.tenant && other.actor.agent == request.actor.agent;
            let ended = came_to_nothing(other).filter(|ended| lifted.is_none_or(|lifted| *ended > lifted));
            is_of_agent && ended.is_some_and(|ended| at < ended.saturating_add(HOLD_WINDOW))
        };
        u64::try_from(self.all().filter(counts).count()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_holding(&self, id: &RequestId) -> bool {
        self.held.values().any(|request| request == id)
    }

    pub(super) fn lift(&mut self, id: &RequestId, at: Timestamp) {
        for (agent, _) in self.held.extract_if(|_, request| request == id) {
            self.lifted.insert(agent, at);
        }
    }

    /// Whether the side data of these records may be erased now.
    pub(super) fn check_erasure(&self, records: &[u64], now: Timestamp) -> Result<(), StoreError> {
        let is_held = |kept: &Kept| {
            kept.is_committed && records.contains(&kept.stored.request.decision.seq) && holds(&kept.stored.request, now)
        };
        if self.requests.values().any(is_held) {
            return Err(StoreError::new(StoreCode::SideDataHeld));
        }
        Ok(())
    }

    /// The first records that opened a request with something beside it, and one that waits or whose decline holds.
    pub(super) fn needed(&self, now: Timestamp) -> (Option<u64>, Option<u64>) {
        let is_sided =
            |stored: &&StoredRequest| stored.action.is_some() || stored.facts.is_some() || !stored.tokens.is_empty();
        let stored = || self.requests.values().map(|kept| &kept.stored);
        let is_needed = |request: &&ApprovalRequest| request.end.is_none() || holds(request, now);
        let seq = |request: &ApprovalRequest| request.decision.seq;
        let sided = stored().filter(is_sided).map(|stored| seq(&stored.request)).min();
        (sided, self.all().filter(is_needed).map(seq).min())
    }

    pub(super) fn erase(&mut self, records: &HashSet<u64>, at: Timestamp) {
        let is_gone = |kept: &&Kept| records.contains(&kept.stored.request.decision.seq);
        let gone = self.requests.values().filter(is_gone);
        let gone: Vec<ApprovalRequest> = gone.map(|kept| kept.stored.request.clone()).collect();
        for request in gone {
            if let Some(ended) = erased(&request, at) {
                self.put(ended, None);
            }
            let Some(kept) = self.requests.get_mut(&request.id) else {
                continue;
            };
            kept.stored = StoredRequest::new(kept.stored.request.clone());
            if kept.is_committed {
                hide(&mut kept.stored.request);
            }
        }
    }
}

/// Why a change isn't made.
#[derive(Debug)]
pub(super) enum Refused {
    Moved(Box<ApprovalRequest>),
    Law(RequestCode),
}
