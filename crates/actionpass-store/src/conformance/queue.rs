//! The clauses of the contract of [`QueueStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::{ApprovalRequest, Decision, Digest, EndState, VoteKind};
use actionpass_queue::{Limits, RequestCode, Step};

use super::fixtures::{at, digest, erased, erased_at, log, policed};
use super::requests::{
    HOLDS, LIFETIME, cancel, changes, decides, decides_on, expire, id, joins, key, lifted, opens, opens_within, part,
    settles, votes,
};
use super::{OpenQueue, Suite};
use crate::ledger::Salt;
use crate::{
    Change, ChangeOutcome, CommitOutcome, DecisionCommit, LedgerExt, LookUp, QueueStore, RequestFilter, RequestPart,
    SideKind, Standing, StateFilter, StoreCode, StoredRequest,
};

type Queues<'a> = Suite<'a, OpenQueue<'a>>;

impl Queues<'_> {
    fn store(&self) -> Arc<dyn QueueStore> {
        (self.open)(self.folder.path(), &log())
    }

    fn commit(&self, store: &dyn QueueStore, commit: DecisionCommit) -> CommitOutcome {
        self.run(store.commit(commit)).unwrap()
    }

    fn committed(&self, store: &dyn QueueStore, commit: DecisionCommit) -> u64 {
        match self.commit(store, commit) {
            CommitOutcome::Committed(record) => record.seq(),
            other => super::fail(&other),
        }
    }

    /// What `commit` refuses leaves the log and the queue as they were.
    fn refused(&self, store: &dyn QueueStore, commit: DecisionCommit) -> CommitOutcome {
        let before = (self.state(store), self.everything(store));
        let outcome = self.commit(store, commit);
        assert!(!matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
        assert_eq!((self.state(store), self.everything(store)), before);
        outcome
    }

    fn change(&self, store: &dyn QueueStore, change: Change) -> ChangeOutcome {
        self.run(store.change(change)).unwrap()
    }

    fn changed(&self, store: &dyn QueueStore, change: Change) -> ApprovalRequest {
        match self.change(store, change) {
            ChangeOutcome::Changed(request, _) => *request,
            other => super::fail(&other),
        }
    }

    /// What `change` refuses leaves the log and the queue as they were.
    fn unchanged(&self, store: &dyn QueueStore, change: Change) -> ChangeOutcome {
        let before = (self.state(store), self.everything(store));
        let outcome = self.change(store, change);
        assert!(!matches!(outcome, ChangeOutcome::Changed(..)), "{outcome:?}");
        assert_eq!((self.state(store), self.everything(store)), before);
        outcome
    }

    fn request(&self, store: &dyn QueueStore, number: u64) -> StoredRequest {
        self.run(store.request(&id(number))).unwrap().unwrap()
    }

    fn standing(&self, store: &dyn QueueStore, action: u64, seconds: u64) -> Standing {
        let question = LookUp::new().of_request(key(action), at(seconds).to_timestamp());
        self.run(store.look_up(question)).unwrap().standing.unwrap()
    }

    fn list(&self, store: &dyn QueueStore, filter: &RequestFilter, seconds: u64) -> Vec<ApprovalRequest> {
        self.run(store.requests(filter, at(seconds).to_timestamp())).unwrap()
    }

    fn everything(&self, store: &dyn QueueStore) -> Vec<StoredRequest> {
        let all = self.list(store, &RequestFilter::default(), 0);
        let stored = all
            .iter()
            .map(|request| self.run(store.request(&request.id)).unwrap().unwrap());
        stored.collect()
    }
}

fn approve(request: u64, version: u64, number: u64, seconds: u64) -> Change {
    let approver = format!("user:p{number}");
    votes(request, version, number, &approver, VoteKind::Approve, seconds)
}

fn decline(request: u64, version: u64, number: u64, seconds: u64) -> Change {
    let approver = format!("user:p{number}");
    votes(request, version, number, &approver, VoteKind::Decline, seconds)
}

fn expires(request: u64, version: u64, seconds: u64) -> Change {
    changes(request, version, expire(seconds), seconds)
}

fn cancels(request: u64, version: u64, seconds: u64) -> Change {
    changes(request, version, cancel(seconds), seconds)
}

/// G18: a request is opened with the record of its decision, which it names.
pub fn g18_a_request_is_opened_with_its_decision(suite: &Queues<'_>) {
    let store = suite.store();
    assert_eq!(suite.standing(&store, 1, 0), Standing::default());
    assert_eq!(suite.run(store.request(&id(1))).unwrap(), None);
    assert_eq!(suite.run(store.request_version(&id(1))).unwrap(), None);
    let _ = suite.committed(&store, decides(7, 7, 0, Decision::Deny));
    assert_eq!(suite.committed(&store, opens(1, 1, 0)), 1);
    let stored = suite.request(&store, 1);
    assert_eq!((stored.request.decision.seq, stored.request.version), (1, 0));
    assert_eq!(
        stored.request.decision.id.as_str(),
        "rec_00000000000000000000000000000001"
    );
    assert_eq!(stored.action.as_deref(), Some(&b"{\"action\":1}"[..]));
    assert_eq!(stored.facts.as_deref(), Some(&b"{}"[..]));
    assert_eq!(suite.run(store.request_version(&id(1))).unwrap(), Some(0));
    assert_eq!(suite.standing(&store, 1, 1).live, Some(stored));
    assert_eq!(suite.standing(&store, 2, 1), Standing::default());
    let _ = suite.verify(&store);
}

/// Of one action one request waits: a second is told which to join, until its time is over.
pub fn g20_one_request_waits_for_an_action(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    assert_eq!(suite.refused(&store, opens(2, 1, 1)), CommitOutcome::Joined(id(1)));
    let _ = suite.committed(&store, joins(2, 1, 1, 0, 1));
    let _ = suite.committed(&store, opens(3, 2, 1));
    // Nobody recorded its expiry yet, and it waits no more.
    let _ = suite.committed(&store, opens(4, 1, LIFETIME));
    assert_eq!(suite.standing(&store, 1, LIFETIME).live.unwrap().request.id, id(4));
    // The same hash of another agent is another action.
    let mut other = opens(5, 2, 1);
    let part = other.queue.as_mut().unwrap();
    part.key.agent = "agent:other".parse().unwrap();
    if let RequestPart::Opens(open) = &mut part.request {
        open.request.request.actor.agent = part.key.agent.clone();
    }
    let _ = suite.committed(&store, other);
}

/// A decision names the version that it was made by.
pub fn g20_a_decision_by_another_version_is_refused(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.changed(&store, approve(1, 0, 5, 1));
    for stale in [
        joins(2, 1, 1, 0, 2),
        settles(2, 1, 1, 0, 2),
        settles(2, 1, 9, 1, 2),
        decides(2, 1, 2, Decision::Allow).with_queue(part(1, RequestPart::None)),
    ] {
        assert_eq!(suite.refused(&store, stale), CommitOutcome::RequestMoved);
    }
    let apart = decides(2, 1, 2, Decision::Deny).with_queue(part(1, RequestPart::Apart));
    let _ = suite.committed(&store, apart);
    let _ = suite.committed(&store, joins(3, 1, 1, 1, 2));
    let _ = suite.committed(&store, settles(4, 1, 1, 1, 2));
}

/// G20: an allow settles its request in its own commit, once, and nothing happens to it any more.
pub fn g20_an_allow_settles_its_request_once(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.committed(&store, settles(2, 1, 1, 0, 5));
    let end = suite.request(&store, 1).request.end.unwrap();
    assert_eq!((end.state, end.at), (EndState::Used, at(5).to_timestamp()));
    assert_eq!(suite.standing(&store, 1, 5), Standing::default());
    // Another occurrence of the same action.
    let mut again = settles(3, 1, 1, 1, 6);
    again.action = super::fixtures::action(99);
    assert_eq!(suite.refused(&store, again), CommitOutcome::RequestMoved);
    for change in [approve(1, 1, 5, 6), decline(1, 1, 6, 6), cancels(1, 1, 6)] {
        let outcome = suite.unchanged(&store, change);
        assert_eq!(outcome, ChangeOutcome::Refused(RequestCode::RequestUsed));
    }
    // What waits next is a new one.
    let mut next = opens(4, 1, 7);
    next.action = super::fixtures::action(98);
    let _ = suite.committed(&store, next);
}

/// A vote is recorded with its token, and with the next version; the record is in the log.
pub fn g18_a_vote_is_recorded(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let ChangeOutcome::Changed(request, record) = suite.change(&store, approve(1, 0, 5, 1)) else {
        super::fail(&"the vote was not taken")
    };
    assert_eq!((request.version, request.votes.len(), record.seq()), (1, 1, 1));
    let _ = suite.changed(&store, approve(1, 1, 6, 2));
    let stored = suite.request(&store, 1);
    assert_eq!(stored.request.version, 2);
    let tokens: Vec<&str> = stored.approvals().map(|token| token.token.as_str()).collect();
    assert_eq!(tokens, ["token.of.5", "token.of.6"]);
    assert_eq!(suite.all(&store).get(1).unwrap().json, record.json());
    assert_eq!(suite.verify(&store).size(), 3);
    assert_eq!(suite.standing(&store, 1, 3).live, Some(stored));
}

/// A change at another version, of a request that isn't there, or that the law forbids, changes nothing.
pub fn g18_what_is_refused_changes_nothing(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let unknown = suite.unchanged(&store, approve(9, 0, 5, 1));
    assert_eq!(unknown, ChangeOutcome::Refused(RequestCode::RequestUnknown));
    let now = suite.changed(&store, approve(1, 0, 5, 1));
    let moved = suite.unchanged(&store, approve(1, 0, 6, 1));
    assert_eq!(moved, ChangeOutcome::Moved(Box::new(now)));
    let again = suite.unchanged(&store, approve(1, 1, 5, 2));
    assert_eq!(again, ChangeOutcome::Refused(RequestCode::VoteRepeated));
    let early = suite.unchanged(&store, expires(1, 1, LIFETIME - 1));
    assert_eq!(early, ChangeOutcome::Refused(RequestCode::RequestWaiting));
    for late in [approve(1, 1, 6, LIFETIME), cancels(1, 1, LIFETIME)] {
        let outcome = suite.unchanged(&store, late);
        assert_eq!(outcome, ChangeOutcome::Refused(RequestCode::RequestExpired));
    }
}

/// G18: every cell of the table of [`actionpass_queue`] behind an end, on this store.
pub fn g18_the_table_of_steps_is_the_law(suite: &Queues<'_>) {
    use EndState::{Cancelled, Declined, Expired};
    let store = suite.store();
    for number in 1..=3 {
        let _ = suite.committed(&store, opens(number, number, 0));
    }
    let ends = [
        (decline(1, 0, 1, 1), Declined, RequestCode::RequestDeclined),
        (cancels(2, 0, 1), Cancelled, RequestCode::RequestCancelled),
        (expires(3, 0, LIFETIME), Expired, RequestCode::RequestExpired),
    ];
    for (number, (ends, state, code)) in (1..).zip(ends) {
        let ended = suite.changed(&store, ends);
        assert_eq!(ended.end.map(|end| end.state), Some(state));
        let used = Step::Use {
            at: at(2).to_timestamp(),
        };
        for change in [
            approve(number, 1, 50, 2),
            decline(number, 1, 51, 2),
            cancels(number, 1, 2),
            expires(number, 1, 2 * LIFETIME),
            changes(number, 1, used, 2),
        ] {
            assert_eq!(
                suite.unchanged(&store, change),
                ChangeOutcome::Refused(code),
                "{state:?}"
            );
        }
    }
}

/// G19: a decline stands in the way of every decision on its action but a deny, for as long as it holds.
pub fn g19_a_decline_stands_in_the_way_while_it_holds(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.changed(&store, approve(1, 0, 5, 1));
    let _ = suite.changed(&store, decline(1, 1, 6, 10));
    let until = 10 + HOLDS;
    for seconds in [11, LIFETIME, until - 1] {
        for commit in [
            settles(2, 1, 1, 2, seconds),
            decides(2, 1, seconds, Decision::Allow).with_queue(part(1, RequestPart::None)),
            opens(2, 1, seconds),
            joins(2, 1, 1, 2, seconds),
        ] {
            assert_eq!(suite.refused(&store, commit), CommitOutcome::RequestMoved);
        }
        let standing = suite.standing(&store, 1, seconds);
        assert_eq!((standing.live, standing.declined.unwrap().request.id), (None, id(1)));
    }
    let deny = decides(3, 1, 11, Decision::Deny).with_queue(part(1, RequestPart::Apart));
    let _ = suite.committed(&store, deny);
    // Another action isn't declined.
    let _ = suite.committed(&store, opens(4, 2, 11));
    assert_eq!(suite.standing(&store, 1, until).declined, None);
    let _ = suite.committed(&store, opens(5, 1, until));
}

/// The end of a request that another took the place of.
fn superseded(request: u64, version: u64, seconds: u64) -> Option<Change> {
    let step = Step::Cancel {
        at: at(seconds).to_timestamp(),
        by: None,
        code: RequestCode::RequestSuperseded.into(),
    };
    Some(changes(request, version, step, seconds))
}

/// What is superseded ends in the commit that opens the next one, or that needs none any more.
pub fn g18_what_is_superseded_ends_with_the_decision(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let mut next = opens(2, 1, 5);
    next.queue.as_mut().unwrap().supersedes = superseded(1, 3, 5);
    assert_eq!(suite.refused(&store, next.clone()), CommitOutcome::RequestMoved);
    next.queue.as_mut().unwrap().supersedes = superseded(1, 0, 5);
    // The record of the end stands in front of the decision's.
    assert_eq!(suite.committed(&store, next), 2);
    let end = suite.request(&store, 1).request.end.unwrap();
    assert_eq!(end.state, EndState::Cancelled);
    assert_eq!(end.code.unwrap().as_str(), "request_superseded");
    assert_eq!(suite.request(&store, 2).request.decision.seq, 2);
    let mut allow = decides(3, 1, 6, Decision::Allow).with_queue(part(1, RequestPart::None));
    allow.queue.as_mut().unwrap().supersedes = superseded(2, 0, 6);
    assert_eq!(suite.committed(&store, allow), 4);
    assert_eq!(suite.standing(&store, 1, 6), Standing::default());
    let _ = suite.verify(&store);
}

/// What a decision would supersede waits on if the decision is refused, whatever stands against it.
pub fn g18_a_refused_decision_supersedes_nothing(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.committed(&store, decides(3, 9, 1, Decision::Allow));
    let superseding = |mut commit: DecisionCommit| {
        commit = commit.with_queue(part(1, RequestPart::None));
        commit.queue.as_mut().unwrap().supersedes = superseded(1, 0, 6);
        commit
    };
    let used = suite.refused(&store, superseding(decides(3, 1, 6, Decision::Allow)));
    assert!(matches!(used, CommitOutcome::ApprovalUsed(_)));
    let issued = suite.refused(&store, superseding(decides(4, 9, 6, Decision::Allow)));
    assert!(matches!(issued, CommitOutcome::AlreadyIssued(_)));
    let before = (suite.state(&store), suite.everything(&store));
    let large = DecisionCommit {
        record: super::ledger::too_large(4),
        ..decides(4, 1, 6, Decision::Deny)
    };
    let error = suite.run(store.commit(superseding(large))).unwrap_err();
    assert_eq!(error.code(), StoreCode::RecordTooLarge);
    assert_eq!((suite.state(&store), suite.everything(&store)), before);
    let _ = suite.committed(&store, superseding(decides(5, 1, 6, Decision::Allow)));
    assert_eq!(suite.standing(&store, 1, 6), Standing::default());
}

/// A record that names another request than the one that its decision opens, joins or settles is refused.
pub fn g18_a_record_names_its_request(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let unnamed = |queue| decides(2, 1, 1, Decision::StepUp).with_queue(queue);
    let opening = opens(2, 2, 1).queue.unwrap();
    for commit in [
        unnamed(part(1, RequestPart::Joins(id(1), 0))),
        decides_on(Some(7), 2, 1, 1, Decision::StepUp).with_queue(part(1, RequestPart::Joins(id(1), 0))),
        decides_on(Some(7), 2, 1, 1, Decision::Allow).with_queue(part(1, RequestPart::Settles(id(1), 0))),
        decides_on(Some(7), 2, 2, 1, Decision::StepUp).with_queue(opening),
        // The id of another request.
        opens(1, 3, 1),
    ] {
        let before = (suite.state(&store), suite.everything(&store));
        let refused = suite.run(store.commit(commit)).unwrap_err();
        assert_eq!(refused.code(), StoreCode::StoreMisused);
        assert_eq!((suite.state(&store), suite.everything(&store)), before);
    }
}

/// A request is opened and joined under the policy in force only.
pub fn a_step_up_under_another_policy_is_refused(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.run(store.append_one(policed(50, 2))).unwrap();
    for commit in [opens(2, 2, 1), joins(2, 1, 1, 0, 1)] {
        assert_eq!(suite.refused(&store, commit), CommitOutcome::PolicyChanged(digest(2)));
    }
}

/// There may be so many and no more, and what has ended or is overdue counts no more.
pub fn limits_are_kept(suite: &Queues<'_>) {
    let store = suite.store();
    let mut limits = Limits::DEFAULT;
    limits.live_per_agent = 2;
    limits.opened_per_hour = 4;
    let full = CommitOutcome::NotOpened(RequestCode::QueueFull);
    let _ = suite.committed(&store, opens_within(1, 1, 0, limits));
    let _ = suite.committed(&store, opens_within(2, 2, 0, limits));
    assert_eq!(suite.refused(&store, opens_within(3, 3, 0, limits)), full);
    let _ = suite.changed(&store, cancels(1, 0, 1));
    let _ = suite.committed(&store, opens_within(3, 3, 1, limits));
    let _ = suite.changed(&store, cancels(3, 0, 1));
    let _ = suite.committed(&store, opens_within(4, 4, 1, limits));
    let _ = suite.changed(&store, cancels(4, 0, 1));
    // Four within the hour.
    assert_eq!(suite.refused(&store, opens_within(5, 5, 2, limits)), full);
    let _ = suite.committed(&store, opens_within(5, 5, 3600, limits));
    let mut all = Limits::DEFAULT;
    all.live = 1;
    assert_eq!(suite.refused(&store, opens_within(6, 6, 3601, all)), full);
    let of_client = |number| {
        let mut commit = opens(number, number, 3601);
        if let RequestPart::Opens(open) = &mut commit.queue.as_mut().unwrap().request {
            open.client = Some("ci".parse().unwrap());
            open.limits.live_per_client = 1;
        }
        commit
    };
    let _ = suite.committed(&store, of_client(7));
    let client = |number| suite.run(store.request_client(&id(number))).unwrap();
    assert_eq!(client(7), Some("ci".parse().unwrap()));
    // No client opened this one, and nobody that one.
    assert_eq!((client(5), client(8)), (None, None));
    assert_eq!(suite.refused(&store, of_client(8)), full);
}

/// After three declines or expiries of one agent within an hour it opens nothing until that is lifted.
pub fn three_requests_for_nothing_hold_the_next(suite: &Queues<'_>) {
    let store = suite.store();
    for number in 1..=3 {
        let _ = suite.committed(&store, opens(number, number, 0));
    }
    let _ = suite.changed(&store, decline(1, 0, 1, 10));
    let _ = suite.changed(&store, expires(2, 0, LIFETIME));
    let _ = suite.committed(&store, opens(4, 4, LIFETIME));
    assert_eq!(suite.standing(&store, 4, LIFETIME).held_by, None);
    let _ = suite.changed(&store, expires(3, 0, LIFETIME + 5));
    let held = CommitOutcome::NotOpened(RequestCode::RequestsHeld);
    assert_eq!(suite.refused(&store, opens(5, 5, LIFETIME + 6)), held);
    // It doesn't pass by itself.
    assert_eq!(suite.refused(&store, opens(5, 5, 30 * 86_400)), held);
    assert_eq!(suite.standing(&store, 5, LIFETIME + 6).held_by, Some(id(3)));
    let lift = |number, seconds| suite.run(store.lift(id(number), lifted(number, seconds))).unwrap();
    assert_eq!(lift(1, LIFETIME + 7), None);
    let record = lift(3, LIFETIME + 7).unwrap();
    assert_eq!(suite.all(&store).last().unwrap().json, record.json());
    assert_eq!(lift(3, LIFETIME + 8), None);
    let _ = suite.committed(&store, opens(5, 5, LIFETIME + 8));
    // What was before it was lifted counts no more.
    let _ = suite.changed(&store, decline(4, 0, 9, LIFETIME + 9));
    let _ = suite.committed(&store, opens(6, 6, LIFETIME + 10));
}

/// Requests whose time is over and whose end nobody recorded are told, of their agent.
pub fn overdue_requests_are_told(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.committed(&store, opens(2, 2, 5));
    let told = |seconds| -> Vec<_> {
        let overdue = suite.standing(&store, 3, seconds).overdue;
        overdue.into_iter().map(|request| request.id).collect()
    };
    assert_eq!(told(LIFETIME - 1), []);
    assert_eq!(told(LIFETIME), [id(1)]);
    assert_eq!(told(LIFETIME + 5), [id(1), id(2)]);
    let _ = suite.changed(&store, expires(1, 0, LIFETIME));
    assert_eq!(told(LIFETIME + 5), [id(2)]);
}

/// Requests are listed by state, tenant and agent, in pages.
pub fn requests_are_listed(suite: &Queues<'_>) {
    let store = suite.store();
    for number in 1..=4 {
        let _ = suite.committed(&store, opens(number, number, 0));
    }
    let _ = suite.changed(&store, decline(2, 0, 1, 10));
    let _ = suite.changed(&store, cancels(3, 0, 11));
    let listed = |filter: &RequestFilter, seconds| -> Vec<_> {
        let found = suite.list(&store, filter, seconds).into_iter();
        found.map(|request| request.id).collect()
    };
    let by = |state| RequestFilter {
        state: Some(state),
        ..RequestFilter::default()
    };
    assert_eq!(listed(&RequestFilter::default(), 0), [1, 2, 3, 4].map(id));
    assert_eq!(listed(&by(StateFilter::Live), 12), [1, 4].map(id));
    assert_eq!(listed(&by(StateFilter::Ended(EndState::Declined)), 12), [id(2)]);
    assert_eq!(listed(&by(StateFilter::Ended(EndState::Cancelled)), 12), [id(3)]);
    assert_eq!(listed(&by(StateFilter::Ended(EndState::Expired)), 12), []);
    // By their time, whether that was recorded or not.
    assert_eq!(
        listed(&by(StateFilter::Ended(EndState::Expired)), LIFETIME),
        [1, 4].map(id)
    );
    assert_eq!(listed(&by(StateFilter::Live), LIFETIME), []);
    let page = RequestFilter {
        after: Some(id(1)),
        limit: Some(2),
        ..RequestFilter::default()
    };
    assert_eq!(listed(&page, 0), [2, 3].map(id));
    let of_nobody = RequestFilter {
        agent: Some("agent:other".parse().unwrap()),
        ..RequestFilter::default()
    };
    assert_eq!(listed(&of_nobody, 0), []);
    let elsewhere = RequestFilter {
        tenant: Some("org:other".parse().unwrap()),
        ..RequestFilter::default()
    };
    assert_eq!(listed(&elsewhere, 0), []);
}

/// Erasing the side data of the record that opened a request erases its own, and ends it if nothing has.
pub fn g18_erasing_ends_what_waits(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let _ = suite.committed(&store, opens(2, 2, 0));
    let _ = suite.changed(&store, approve(1, 0, 5, 1));
    let _ = suite.changed(&store, decline(2, 0, 6, 1));
    let _ = suite.run(store.append_one(erased(60, vec![0, 1]))).unwrap();
    let first = suite.request(&store, 1);
    assert_eq!((first.action, first.facts, first.tokens), (None, None, Vec::new()));
    let end = first.request.end.unwrap();
    assert_eq!(
        (end.state, end.code.unwrap().as_str()),
        (EndState::Cancelled, "request_erased")
    );
    assert_eq!(first.request.action_hash, digest(1), "the log has it in the clear");
    // A decline goes on holding.
    let second = suite.request(&store, 2);
    assert_eq!((second.action, second.tokens), (None, Vec::new()));
    assert_eq!(suite.standing(&store, 2, 2).declined.unwrap().request.id, id(2));
    // What is overdue has expired by then, and no record of that follows, nor does it wait by a clock that goes back. Three
    // of them hold new ones like any others.
    for number in 3..=5 {
        let _ = suite.committed(&store, opens(number, number, 0));
    }
    let openers = (3..=5).map(|number| suite.request(&store, number).request.decision.seq);
    let _ = suite
        .run(store.append_one(erased_at(61, LIFETIME, openers.collect())))
        .unwrap();
    let third = suite.request(&store, 3);
    assert_eq!((third.action, third.request.version), (None, 1));
    assert_eq!(third.request.end.map(|end| end.state), Some(EndState::Expired));
    let expiry = suite.unchanged(&store, changes(3, 1, expire(LIFETIME), LIFETIME));
    assert_eq!(expiry, ChangeOutcome::Refused(RequestCode::RequestExpired));
    let standing = suite.standing(&store, 3, LIFETIME);
    assert_eq!((standing.overdue, standing.held_by.is_some()), (Vec::new(), true));
    assert_eq!(suite.standing(&store, 3, 1).live, None);
}

/// Of a salted log nothing is left that confirms a guess, and no decline is forgotten for it.
pub fn g18_erasing_in_a_salted_log_leaves_no_hash(suite: &Queues<'_>) {
    let store = suite.store();
    let salted = |number| {
        let mut commit = opens(number, number, 0);
        let salt = Salt::from_bytes([7; 32]);
        commit.record = commit.record.with_side(SideKind::Salt, salt.as_bytes().to_vec());
        commit
    };
    let _ = suite.committed(&store, salted(1));
    let _ = suite.committed(&store, salted(2));
    let _ = suite.changed(&store, decline(2, 0, 6, 1));
    let held = suite.run(store.append_one(erased(60, vec![0, 1]))).unwrap_err();
    assert_eq!(held.code(), StoreCode::SideDataHeld);
    assert!(suite.request(&store, 1).action.is_some());
    let _ = suite.run(store.append_one(erased(60, vec![0]))).unwrap();
    let request = suite.request(&store, 1).request;
    let hashes = [
        request.action_hash,
        request.payload_hash,
        request.context_hash,
        request.facts_hash,
    ];
    assert_eq!(hashes, [Digest::ZERO; 4]);
    assert_eq!(suite.standing(&store, 1, 1).live, None);
}

/// G20: of 16 who change one version at once one does, whoever they are.
pub fn g20_of_16_threads_one_changes_a_version(suite: &Queues<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, opens(1, 1, 0));
    let changes = |change| matches!(suite.change(&store, change), ChangeOutcome::Changed(..));
    let done = at_once(|number| match number % 4 {
        0 => changes(approve(1, 0, number, 1)),
        1 => changes(decline(1, 0, number, 1)),
        2 => changes(cancels(1, 0, 1)),
        _ => matches!(
            suite.commit(&store, settles(number, 1, 1, 0, 1)),
            CommitOutcome::Committed(_)
        ),
    });
    assert_eq!(done, 1);
    assert_eq!(
        (suite.request(&store, 1).request.version, suite.verify(&store).size()),
        (1, 2)
    );
}

/// G20: of 16 who open a request for one action at once one does, and the others are told which.
pub fn g20_of_16_threads_one_opens(suite: &Queues<'_>) {
    let store = suite.store();
    let opened = at_once(|number| matches!(suite.commit(&store, opens(number, 1, 0)), CommitOutcome::Committed(_)));
    assert_eq!(opened, 1);
    assert_eq!(suite.list(&store, &RequestFilter::default(), 0).len(), 1);
}

/// G18: everything that was acknowledged is there when the store is opened again.
pub fn g18_requests_are_there_after_opening_again(suite: &Queues<'_>) {
    let store = suite.store();
    for number in 1..=4 {
        let _ = suite.committed(&store, opens(number, number, 0));
    }
    let _ = suite.changed(&store, approve(1, 0, 5, 1));
    let _ = suite.changed(&store, decline(2, 0, 6, 1));
    let _ = suite.committed(&store, settles(7, 3, 3, 0, 2));
    let before = (suite.everything(&store), suite.standing(&store, 2, 3));
    drop(store);
    let store = suite.store();
    assert_eq!((suite.everything(&store), suite.standing(&store, 2, 3)), before);
    assert_eq!(suite.refused(&store, opens(8, 1, 3)), CommitOutcome::Joined(id(1)));
}

/// Two handles see one queue.
pub fn g20_two_handles_see_one_queue(suite: &Queues<'_>) {
    let (one, other) = (suite.store(), suite.store());
    let _ = suite.committed(&one, opens(1, 1, 0));
    assert_eq!(suite.refused(&other, opens(2, 1, 0)), CommitOutcome::Joined(id(1)));
    let _ = suite.changed(&other, approve(1, 0, 5, 1));
    assert_eq!(suite.run(one.request_version(&id(1))).unwrap(), Some(1));
    assert!(matches!(
        suite.unchanged(&one, approve(1, 0, 6, 1)),
        ChangeOutcome::Moved(_)
    ));
}

/// How many of 16 threads succeed.
fn at_once(succeeds: impl Fn(u64) -> bool + Sync) -> usize {
    let succeeds = &succeeds;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=16).map(|number| scope.spawn(move || succeeds(number))).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
        outcomes.filter(|done| *done).count()
    })
}
