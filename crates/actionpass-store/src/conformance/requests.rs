//! Approval requests, votes and changes to fill a queue with.

use actionpass_model::{
    Actor, ApprovalRequest, Approver, Assurance, Decision, DecisionRef, PolicyVersion, Principal, RequestBody,
    RequestChange, RequestId, RequestSchema, RequiredApproval, Vote, VoteKind,
};
use actionpass_queue::{Limits, RequestCode, RequestKey, Step};

use super::fixtures::{action, approval, at, decision_on, digest, draft_at, trust};
use crate::ledger::RecordDraft;
use crate::{Change, DecisionCommit, Open, QueuePart, RequestPart, StoredRequest, VoteToken};

/// How long each request waits, in seconds.
pub const LIFETIME: u64 = 3600;
/// How long each decline holds, in seconds.
pub const HOLDS: u64 = 7200;

/// The id of a request.
#[must_use]
pub fn id(number: u64) -> RequestId {
    format!("req_{number:032x}").parse().unwrap()
}

/// What the request of an action is about.
#[must_use]
pub fn key(action_number: u64) -> RequestKey {
    let action = action(action_number);
    RequestKey {
        tenant: action.tenant,
        agent: action.agent,
        action_hash: digest(action_number),
    }
}

/// Request `number` of an action, opened so many seconds after [`NOW`](super::fixtures::NOW).
#[must_use]
pub fn request(number: u64, action_number: u64, seconds: u64) -> StoredRequest {
    let key = key(action_number);
    let request = ApprovalRequest {
        schema: RequestSchema,
        id: id(number),
        tenant: key.tenant,
        actor: Actor {
            agent: key.agent,
            human_owner: "user:owner@example.com".parse().unwrap(),
            runtime: "runtime:codex-cli".parse().unwrap(),
            via: Vec::new(),
        },
        task: "AXT-418".parse().unwrap(),
        tool: "github.pull_requests.create".parse().unwrap(),
        resource: "repo:company/web-app".parse().unwrap(),
        server: None,
        definition_hash: None,
        action_id: action(action_number).action,
        action_hash: key.action_hash,
        payload_hash: key.action_hash,
        context_hash: digest(0),
        facts_hash: digest(0),
        policy: PolicyVersion {
            id: "starter".parse().unwrap(),
            digest: digest(1),
        },
        rules: vec!["review".parse().unwrap()],
        reasons: Vec::new(),
        notes: Vec::new(),
        required: vec![RequiredApproval {
            rule: "review".parse().unwrap(),
            count: 1,
            total: 1,
            roles: Vec::new(),
            not_owner: false,
        }],
        decision: DecisionRef {
            seq: 0,
            id: "rec_00000000000000000000000000000000".parse().unwrap(),
        },
        created_at: at(seconds).to_timestamp(),
        expires_at: at(seconds.saturating_add(LIFETIME)).to_timestamp(),
        end: None,
        votes: Vec::new(),
        version: 0,
    };
    let mut stored = StoredRequest::new(request);
    stored.action = Some(format!("{{\"action\":{action_number}}}").into_bytes());
    stored.facts = Some(b"{}".to_vec());
    stored
}

/// What a decision on an action does to the queue.
#[must_use]
pub fn part(action_number: u64, request: RequestPart) -> QueuePart {
    QueuePart {
        key: key(action_number),
        supersedes: None,
        request,
    }
}

/// A step_up on an action, at this time, that opens request `number`.
#[must_use]
pub fn opens(number: u64, action_number: u64, seconds: u64) -> DecisionCommit {
    opens_within(number, action_number, seconds, Limits::DEFAULT)
}

/// The same within other limits.
#[must_use]
pub fn opens_within(number: u64, action_number: u64, seconds: u64, limits: Limits) -> DecisionCommit {
    let open = Open {
        request: request(number, action_number, seconds),
        limits,
        client: None,
    };
    let part = part(action_number, RequestPart::Opens(Box::new(open)));
    decides_on(Some(number), number, action_number, seconds, Decision::StepUp).with_queue(part)
}

/// An allow of an action, at this time, that settles a request which is at this version.
#[must_use]
pub fn settles(number: u64, action_number: u64, request: u64, version: u64, seconds: u64) -> DecisionCommit {
    let settles = RequestPart::Settles(id(request), version);
    decides_on(Some(request), number, action_number, seconds, Decision::Allow).with_queue(part(action_number, settles))
}

/// A step_up on an action, at this time, that joins a request which is at this version.
#[must_use]
pub fn joins(number: u64, action_number: u64, request: u64, version: u64, seconds: u64) -> DecisionCommit {
    let joins = RequestPart::Joins(id(request), version);
    decides_on(Some(request), number, action_number, seconds, Decision::StepUp).with_queue(part(action_number, joins))
}

/// A decision on an action, at this time, as record `number`.
#[must_use]
pub fn decides(number: u64, action_number: u64, seconds: u64, outcome: Decision) -> DecisionCommit {
    decides_on(None, number, action_number, seconds, outcome)
}

/// The same, whose record names a request.
#[must_use]
pub fn decides_on(
    request: Option<u64>,
    number: u64,
    action_number: u64,
    seconds: u64,
    outcome: Decision,
) -> DecisionCommit {
    let approvals = if outcome == Decision::Allow {
        vec![approval("user:ann", number)]
    } else {
        Vec::new()
    };
    let mut commit = decision_on(request.map(id), action_number, outcome, approvals, trust(1), 1);
    let record: String = format!("rec_{number:032x}");
    commit.record = commit
        .record
        .renamed(record.parse().unwrap(), at(seconds).to_timestamp());
    commit
}

/// A vote on a request that is at this version.
#[must_use]
pub fn votes(request: u64, version: u64, number: u64, approver: &str, kind: VoteKind, seconds: u64) -> Change {
    let principal: Approver = approver.parse().unwrap();
    let vote = Vote {
        id: approval(approver, number).id,
        principal: principal.clone(),
        kind,
        at: at(seconds).to_timestamp(),
        assurance: Assurance::Signed,
        token_hash: digest(number),
    };
    let what = match kind {
        VoteKind::Approve => RequestChange::Approve,
        VoteKind::Decline => RequestChange::Decline,
    };
    let mut body = body(request, what);
    body.principal = Some(Principal::from(&principal));
    body.vote = Some(vote.id.clone());
    Change {
        request: id(request),
        version,
        token: Some(VoteToken {
            principal,
            vote: vote.id.clone(),
            token: format!("token.of.{number}"),
        }),
        step: Step::Vote {
            vote,
            holds: std::time::Duration::from_secs(HOLDS),
        },
        record: draft_at(number, seconds, &body),
    }
}

/// A step that isn't a vote, on a request that is at this version.
#[must_use]
pub fn changes(request: u64, version: u64, step: Step, seconds: u64) -> Change {
    let what = match step {
        Step::Expire { .. } => RequestChange::Expire,
        _ => RequestChange::Cancel,
    };
    Change {
        request: id(request),
        version,
        step,
        token: None,
        record: draft_at(request.saturating_add(900), seconds, &body(request, what)),
    }
}

/// The cancellation of a request at this time.
#[must_use]
pub fn cancel(seconds: u64) -> Step {
    Step::Cancel {
        at: at(seconds).to_timestamp(),
        by: None,
        code: RequestCode::RequestWithdrawn.into(),
    }
}

/// The expiry of a request, noticed at this time.
#[must_use]
pub fn expire(seconds: u64) -> Step {
    Step::Expire {
        at: at(seconds).to_timestamp(),
    }
}

/// The record that lifts the hold of a request.
#[must_use]
pub fn lifted(request: u64, seconds: u64) -> RecordDraft {
    draft_at(
        request.saturating_add(950),
        seconds,
        &body(request, RequestChange::Lift),
    )
}

fn body(request: u64, change: RequestChange) -> RequestBody {
    RequestBody::new(id(request), change, digest(request))
}
