//! G18: a request's state follows from verified votes and policy only, and every change is in the ledger. G19: a decline,
//! an expiry, a cancellation or silence never yields a pass. G20: retries and joins never make two passes of one approval.
//!
//! Each is checked by a function that runs on the store in memory and on one that breaks it. What else is tried is in
//! `requests` and, by a crowd of processes on SQLite, in `crowd`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actionpass_canon::BoundAction;
use actionpass_core::RequestState;
use actionpass_model::{
    ApprovalRequest, Decision, EndState, RequestId, RevocationId, RevocationTarget, Statement, Timestamp,
};
use actionpass_store::ledger::{RecordDraft, SealedRecord};
use actionpass_store::{
    AppendOutcome, Batch, Change, ChangeOutcome, CommitOutcome, DecisionCommit, DecisionStore, Known, Ledger,
    LedgerState, LookUp, MemoryDecisionStore, QueuePart, QueueStore, RequestFilter, RequestPart, SideKind, StoreFuture,
    StoredRecord, StoredRequest,
};
use actionpass_testkit::fixtures::{self, FixtureKey};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::{Testbed, block_on};
use serde_json::Value;

use crate::common::Checked;

/// What a store does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    /// The log doesn't show what happened to requests.
    HidesChanges,
    /// What a person said no to is as if nobody had been asked.
    ForgetsDeclines,
    /// What has ended waits again.
    ForgetsEnds,
    /// An allow uses nothing up, and settles nothing.
    SettlesNothing,
    /// None: but the request is read once as it was just before it was used.
    IsReadTooEarly,
}

/// A store in memory with one fault.
#[derive(Debug)]
struct Faulty(MemoryDecisionStore, Fault, AtomicBool);

impl Faulty {
    fn bed(fault: Fault) -> Testbed {
        let store = MemoryDecisionStore::new(Testbed::log());
        Testbed::new()
            .with_queue(Self(store, fault, AtomicBool::new(false)))
            .with_policy(NeedsApprovals::new(1))
    }

    /// As it would be if nothing had ended it.
    fn revived(&self, mut stored: StoredRequest) -> StoredRequest {
        if self.1 == Fault::ForgetsEnds {
            stored.request.end = None;
            stored.request.expires_at = stored.request.created_at.saturating_add(Duration::from_secs(86_400));
        }
        stored
    }
}

impl Ledger for Faulty {
    fn append(&self, batch: Batch) -> StoreFuture<'_, Vec<AppendOutcome>> {
        self.0.append(batch)
    }

    fn state(&self) -> StoreFuture<'_, LedgerState> {
        self.0.state()
    }

    fn read(&self, seq: u64, limit: usize) -> StoreFuture<'_, Vec<StoredRecord>> {
        Box::pin(async move {
            let mut records = self.0.read(seq, limit).await?;
            if self.1 == Fault::HidesChanges {
                records.retain(|record| record.to_record().is_ok_and(|record| record.kind.as_str() != "request"));
            }
            Ok(records)
        })
    }

    fn follow(&self, seq: u64) -> StoreFuture<'_, u64> {
        self.0.follow(seq)
    }

    fn side(&self, seq: u64, kind: SideKind) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.0.side(seq, kind)
    }

    fn unrecorded(&self, revocations: Vec<RevocationId>) -> StoreFuture<'_, Vec<RevocationId>> {
        self.0.unrecorded(revocations)
    }

    fn revocations(&self) -> StoreFuture<'_, Vec<(RevocationId, u64)>> {
        self.0.revocations()
    }
}

impl DecisionStore for Faulty {
    fn look_up(&self, question: LookUp) -> StoreFuture<'_, Known> {
        Box::pin(async move {
            let key = question.request.clone();
            let mut known = self.0.look_up(question).await?;
            let Some(standing) = &mut known.standing else {
                return Ok(known);
            };
            match (self.1, key) {
                (Fault::ForgetsDeclines, _) => standing.declined = None,
                (Fault::ForgetsEnds, Some((key, now))) => {
                    standing.declined = None;
                    standing.overdue.clear();
                    let all = self.0.requests(&RequestFilter::default(), now).await?;
                    if let Some(last) = all.iter().rfind(|request| request.action_hash == key.action_hash) {
                        let stored = self.0.request(&last.id).await?;
                        standing.live = stored.map(|stored| self.revived(stored));
                    }
                }
                _ => {}
            }
            Ok(known)
        })
    }

    fn commit(&self, mut commit: DecisionCommit) -> StoreFuture<'_, CommitOutcome> {
        match self.1 {
            Fault::ForgetsDeclines | Fault::ForgetsEnds => {
                let opens = |part: &QueuePart| matches!(part.request, RequestPart::Opens(_));
                commit.queue = commit.queue.filter(opens);
            }
            Fault::SettlesNothing => {
                if let Some(allow) = &mut commit.allow {
                    allow.approvals.clear();
                    commit.queue = None;
                }
            }
            Fault::None | Fault::HidesChanges | Fault::IsReadTooEarly => {}
        }
        self.0.commit(commit)
    }
}

impl QueueStore for Faulty {
    fn request<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<StoredRequest>> {
        Box::pin(async move {
            let mut stored = self.0.request(id).await?;
            if let Some(StoredRequest { request, .. }) = &mut stored
                && self.1 == Fault::IsReadTooEarly
                && request.end.as_ref().is_some_and(|end| end.state == EndState::Used)
                && !self.2.swap(true, Ordering::SeqCst)
            {
                request.end = None;
                request.version = request.version.saturating_sub(1);
            }
            Ok(stored)
        })
    }

    fn request_version<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<u64>> {
        self.0.request_version(id)
    }

    fn request_client<'a>(&'a self, id: &'a RequestId) -> StoreFuture<'a, Option<Statement>> {
        self.0.request_client(id)
    }

    fn requests<'a>(&'a self, filter: &'a RequestFilter, now: Timestamp) -> StoreFuture<'a, Vec<ApprovalRequest>> {
        self.0.requests(filter, now)
    }

    fn change(&self, change: Change) -> StoreFuture<'_, ChangeOutcome> {
        self.0.change(change)
    }

    fn lift(&self, request: RequestId, record: RecordDraft) -> StoreFuture<'_, Option<SealedRecord>> {
        self.0.lift(request, record)
    }
}

/// Each call is another occurrence.
fn action() -> BoundAction {
    let mut json: Value = serde_json::from_str(fixtures::ACTION).unwrap();
    json.as_object_mut().unwrap().remove("id");
    fixtures::admit(&json.to_string())
}

fn opened(bed: &Testbed) -> Result<RequestId, String> {
    let answer = bed.authorize(&action()).unwrap();
    let request = answer.request.ok_or("no request was opened")?;
    Ok(request.id)
}

fn yes(bed: &Testbed, id: &RequestId) -> String {
    bed.yes(FixtureKey::APPROVER, fixtures::approver(), id)
}

/// The log alone tells what happened to a request, and its state is what votes and policy make of it.
fn follows_from_votes_and_is_on_record(bed: &Testbed) -> Checked {
    let id = opened(bed)?;
    let state = |expected: RequestState| {
        let state = bed.review(&id).unwrap().state;
        (state == expected)
            .then_some(())
            .ok_or(format!("{state:?} and not {expected:?}"))
    };
    state(RequestState::Pending)?;
    let _ = bed.vote(&id, &yes(bed, &id)).unwrap();
    state(RequestState::Approved)?;
    // What policy is told by a vote that verifies no more is nothing, and no record is needed for that.
    bed.revoke(RevocationTarget::Key(FixtureKey::APPROVER.kid()));
    state(RequestState::Pending)?;
    let second = bed.yes(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), &id);
    let _ = bed.vote(&id, &second).unwrap();
    let _ = bed.authorize(&action()).unwrap();
    state(RequestState::Used)?;

    let mut history = Vec::new();
    for record in bed.records().unwrap() {
        let record: Value = serde_json::from_slice(&record.json).unwrap();
        let body = &record["body"];
        if body["request"] == id.as_str() {
            let what = body.get("change").or_else(|| body.get("decision")).unwrap();
            history.push(what.as_str().unwrap().to_owned());
        }
    }
    if history == ["step_up", "approve", "approve", "allow"] {
        Ok(())
    } else {
        Err(format!("the log says {history:?}"))
    }
}

/// Whatever way a request came to nothing, the action gets no pass for it.
fn no_is_no(bed: &Testbed, end: fn(&Testbed, &RequestId)) -> Checked {
    let id = opened(bed)?;
    let _ = bed.vote(&id, &yes(bed, &id)).unwrap();
    end(bed, &id);
    match bed.authorize(&action()) {
        Ok(answer) if answer.decision == Decision::Allow => Err("there is a pass".to_owned()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn declined(bed: &Testbed, id: &RequestId) {
    let no = bed.no(FixtureKey::SECOND_APPROVER, fixtures::second_approver(), id);
    let _ = bed.vote(id, &no).unwrap();
}

fn cancelled(bed: &Testbed, id: &RequestId) {
    let _ = block_on(bed.authorizer().unwrap().cancel(id, None)).unwrap();
}

fn expired(bed: &Testbed, _: &RequestId) {
    bed.clock().advance(Duration::from_secs(3599));
    assert_eq!(bed.clock().seconds(), fixtures::seconds().saturating_add(3599));
    bed.clock().advance(Duration::from_secs(1));
}

/// One approval is one pass, however many ask.
fn one_approval_is_one_pass(bed: &Testbed) -> Checked {
    let id = opened(bed)?;
    let vote = yes(bed, &id);
    let _ = bed.vote(&id, &vote).unwrap();
    let asked = (0..4).map(|_| bed.authorize(&action()).unwrap());
    let allowed = asked.filter(|answer| answer.decision == Decision::Allow).count();
    (allowed == 1).then_some(()).ok_or(format!("{allowed} passes"))
}

#[test]
fn g18_the_state_follows_from_votes_and_every_change_is_on_record() {
    follows_from_votes_and_is_on_record(&Faulty::bed(Fault::None)).unwrap();
}

#[test]
fn g18_the_check_finds_a_log_that_hides_changes() {
    let found = follows_from_votes_and_is_on_record(&Faulty::bed(Fault::HidesChanges));
    assert_eq!(found.unwrap_err(), "the log says [\"step_up\", \"allow\"]");
}

/// Which approvals are used is read after the request: a call that settles it in between doesn't make it look as if it waited.
#[test]
fn g18_a_request_that_is_used_while_it_is_read_is_used() {
    let bed = Faulty::bed(Fault::IsReadTooEarly);
    let id = opened(&bed).unwrap();
    let _ = bed.vote(&id, &yes(&bed, &id)).unwrap();
    assert_eq!(bed.authorize(&action()).unwrap().decision, Decision::Allow);
    assert_eq!(bed.review(&id).unwrap().state, RequestState::Used);
}

#[test]
fn g19_a_decline_an_expiry_and_a_cancellation_yield_no_pass() {
    for end in [declined, cancelled, expired] {
        no_is_no(&Faulty::bed(Fault::None), end).unwrap();
    }
    // Neither does silence.
    no_is_no(
        &Testbed::new().with_requests().with_policy(NeedsApprovals::new(2)),
        |_, _| (),
    )
    .unwrap();
}

#[test]
fn g19_the_check_finds_stores_that_forget_what_people_said() {
    for end in [declined, cancelled] {
        let found = no_is_no(&Faulty::bed(Fault::ForgetsEnds), end);
        assert_eq!(found.unwrap_err(), "there is a pass");
    }
    // One that forgets declines alone: the votes are gone with the request, and a yes that was handed over beside it counts.
    let found = |fault| {
        let bed = Faulty::bed(fault);
        let beside = bed.approve(&action());
        let id = opened(&bed).unwrap();
        declined(&bed, &id);
        bed.authorize_with(&action(), None, &[beside]).unwrap().decision
    };
    assert_eq!(found(Fault::None), Decision::Deny);
    assert_eq!(found(Fault::ForgetsDeclines), Decision::Allow);
}

#[test]
fn g20_one_approval_makes_one_pass() {
    one_approval_is_one_pass(&Faulty::bed(Fault::None)).unwrap();
}

#[test]
fn g20_the_check_finds_a_store_that_settles_nothing() {
    let found = one_approval_is_one_pass(&Faulty::bed(Fault::SettlesNothing));
    assert_eq!(found.unwrap_err(), "4 passes");
}
