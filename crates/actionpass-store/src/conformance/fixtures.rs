//! Decisions, records and marks to fill a store with.

use actionpass_model::{
    Actor, ApprovalEvidence, ApprovalMode, ApprovalRef, ArchiveBody, ArchiveSchema, ArchivedRows, Assurance,
    BeginningBody, BeginningSchema, BeginningVoucher, Commitment, Decision, DecisionBody, DecisionSchema, Digest,
    ErasureBody, ErasureSchema, Issuer, Jwk, KeyId, OutcomeBody, OutcomeSchema, OutcomeStatus, PassEvidence, PassId,
    PolicyBody, PolicyChangeSchema, PolicyRef, Principal, RecordId, RequestId, Revocation, RevocationBody,
    RevocationRecordSchema, RevocationSchema, RevocationTarget, Timestamp, TrustBody, TrustChangeSchema, TrustEvidence,
    TrustKey, UnixSeconds, UseBody, UseSchema,
};

use crate::ledger::{Head, Log, RecordBody, RecordDraft, seal};
use crate::{ActionKey, Allow, DecisionCommit, Mark, Report, SideKind, StoredRecord};

/// The time of every record, in seconds since 1970.
pub const NOW: u64 = 1_795_000_000;

/// The log of the suites.
#[must_use]
pub fn log() -> Log {
    Log::new(
        "issuer.example/log".parse().unwrap(),
        "https://issuer.example".parse().unwrap(),
    )
}

/// [`NOW`] and so many seconds.
#[must_use]
pub fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(NOW).unwrap().saturating_add(seconds)
}

/// A digest of a number.
#[must_use]
pub fn digest(number: u64) -> Digest {
    actionpass_canon::sha256(&number.to_be_bytes())
}

/// The trust store of a version.
#[must_use]
pub fn trust(version: u64) -> TrustEvidence {
    TrustEvidence {
        version,
        digest: digest(version),
    }
}

/// An action of the suites' agent.
#[must_use]
pub fn action(number: u64) -> ActionKey {
    ActionKey {
        tenant: "org:example".parse().unwrap(),
        agent: "agent:codex".parse().unwrap(),
        action: format!("act_{number}").parse().unwrap(),
    }
}

/// A pass.
#[must_use]
pub fn pass(number: u64) -> PassId {
    format!("ap_{number:032x}").parse().unwrap()
}

/// An approval by a person.
#[must_use]
pub fn approval(approver: &str, number: u64) -> ApprovalRef {
    ApprovalRef {
        approver: approver.parse().unwrap(),
        id: format!("apr_{number:032x}").parse().unwrap(),
    }
}

/// A draft of a record with this body.
#[must_use]
pub fn draft<B: RecordBody>(number: u64, body: &B) -> RecordDraft {
    draft_at(number, 0, body)
}

/// A draft of a record with this body, so many seconds after [`NOW`].
#[must_use]
pub fn draft_at<B: RecordBody>(number: u64, seconds: u64, body: &B) -> RecordDraft {
    let id: RecordId = format!("rec_{number:032x}").parse().unwrap();
    let time: Timestamp = at(seconds).to_timestamp();
    RecordDraft::new(id, time, body)
        .unwrap()
        .with_tenant("org:example".parse().unwrap())
}

/// A record of the smallest kind.
#[must_use]
pub fn used(number: u64) -> RecordDraft {
    used_of(number, log().issuer().clone())
}

/// The same of a pass of any issuer.
#[must_use]
pub fn used_of(number: u64, issuer: Issuer) -> RecordDraft {
    let body = UseBody {
        schema: UseSchema,
        pass: pass(number),
        issuer,
        audience: "executor".parse().unwrap(),
        token_hash: digest(number),
        commitment: None,
    };
    draft(number, &body)
}

/// A record of an outcome of pass `number`; `failed` unless it was executed.
#[must_use]
pub fn outcome(number: u64, of: u64, is_executed: bool, contradicts: Option<u64>) -> RecordDraft {
    let status = if is_executed {
        OutcomeStatus::Executed
    } else {
        OutcomeStatus::Failed
    };
    let body = OutcomeBody {
        schema: OutcomeSchema,
        pass: Some(pass(of)),
        decision: None,
        status,
        provider_id: None,
        result_hash: None,
        contradicts,
    };
    draft(number, &body)
}

/// A report of that outcome.
#[must_use]
pub fn report(number: u64, of: u64, is_executed: bool, contradicts: Option<u64>) -> Report {
    Report {
        pass: pass(of),
        contradicts,
        record: outcome(number, of, is_executed, contradicts),
    }
}

/// A record that says which trust store is in force.
#[must_use]
pub fn trusted(number: u64, trust: TrustEvidence) -> RecordDraft {
    draft(
        number,
        &TrustBody {
            schema: TrustChangeSchema,
            lifted: None,
            trust,
        },
    )
}

/// A record that says which policy is in force.
#[must_use]
pub fn policed(number: u64, policy: u64) -> RecordDraft {
    draft(
        number,
        &PolicyBody {
            schema: PolicyChangeSchema,
            policy: policy_ref(policy),
        },
    )
}

/// A record of a revocation, which a trust store of this version holds.
#[must_use]
pub fn revoked(number: u64, revocation: u64, version: u64) -> RecordDraft {
    let revocation = Revocation {
        schema: RevocationSchema,
        id: format!("rev_{revocation:032x}").parse().unwrap(),
        target: RevocationTarget::Principal("agent:rogue".parse().unwrap()),
        reason: "left its lane".parse().unwrap(),
        revoked_by: "user:owner".parse().unwrap(),
        revoked_at: at(0).to_timestamp(),
        compromised_since: None,
        expires_at: None,
        ext: None,
    };
    draft(
        number,
        &RevocationBody {
            schema: RevocationRecordSchema,
            revocation,
            trust: trust(version),
        },
    )
}

/// A record that erases the side data of others.
#[must_use]
pub fn erased(number: u64, records: Vec<u64>) -> RecordDraft {
    draft(number, &erasure(records))
}

/// The same, so many seconds after the first.
#[must_use]
pub fn erased_at(number: u64, seconds: u64, records: Vec<u64>) -> RecordDraft {
    draft_at(number, seconds, &erasure(records))
}

/// A record that says that everything up to this head was taken out, and left these rows.
#[must_use]
pub fn archived(number: u64, seconds: u64, head: Head, rows: ArchivedRows) -> RecordDraft {
    let body = ArchiveBody {
        schema: ArchiveSchema,
        size: head.size(),
        last_hash: head.hash(),
        root: digest(head.size()),
        rows,
        archived_by: "user:owner".parse().unwrap(),
        reason: "kept elsewhere".parse().unwrap(),
    };
    draft_at(number, seconds, &body)
}

/// A record that says that the head at which the store begins was signed anew.
#[must_use]
pub fn resigned(number: u64, seconds: u64, head: Head) -> RecordDraft {
    let body = BeginningBody {
        schema: BeginningSchema,
        size: head.size(),
        last_hash: head.hash(),
        root: digest(head.size()),
        kid: trust_kid(number),
        vouched_by: BeginningVoucher::Archives,
        signed_by: "user:owner".parse().unwrap(),
        reason: "the key leaked".parse().unwrap(),
    };
    draft_at(number, seconds, &body)
}

fn erasure(records: Vec<u64>) -> ErasureBody {
    let erased_by: Principal = "user:owner".parse().unwrap();
    let reason = "asked for by law".parse().unwrap();
    ErasureBody {
        schema: ErasureSchema,
        records,
        erased_by,
        reason,
        rules: Vec::new(),
    }
}

/// The decision on action `number`, by trust store and policy 1: an allow with `approvals`, or a deny.
#[must_use]
pub fn decision(number: u64, decision: Decision, approvals: Vec<ApprovalRef>) -> DecisionCommit {
    decision_by(number, decision, approvals, trust(1), 1)
}

/// An allow of action `number` without approvals, by trust store and policy 1.
#[must_use]
pub fn allow(number: u64) -> DecisionCommit {
    decision(number, Decision::Allow, Vec::new())
}

/// The same, of a log that holds commitments in the place of hashes: its salt lies beside it.
#[must_use]
pub fn salted(number: u64) -> DecisionCommit {
    let mut commit = allow(number);
    let sealed = seal(&log(), &Head::EMPTY, &commit.record).unwrap();
    let mut body: DecisionBody = StoredRecord::new(0, sealed.json().to_vec()).to_body().unwrap();
    body.commitment = Some(Commitment::Salted);
    commit.record = draft(number, &body).with_side(SideKind::Salt, vec![7; 32]);
    commit
}

/// The decision on action `number`, with what it relied on.
#[must_use]
pub fn decision_by(
    number: u64,
    decision: Decision,
    approvals: Vec<ApprovalRef>,
    trust: TrustEvidence,
    policy: u64,
) -> DecisionCommit {
    decision_on(None, number, decision, approvals, trust, policy)
}

/// The same, whose record names an approval request.
#[must_use]
pub fn decision_on(
    request: Option<RequestId>,
    number: u64,
    decision: Decision,
    approvals: Vec<ApprovalRef>,
    trust: TrustEvidence,
    policy: u64,
) -> DecisionCommit {
    let action = action(number);
    let expires_at = at(600);
    let body = DecisionBody {
        schema: DecisionSchema,
        actor: Actor {
            agent: action.agent.clone(),
            human_owner: "user:owner@example.com".parse().unwrap(),
            runtime: "runtime:codex-cli".parse().unwrap(),
            via: Vec::new(),
        },
        task: "AXT-418".parse().unwrap(),
        tool: "github.pull_requests.create".parse().unwrap(),
        resource: "repo:company/web-app".parse().unwrap(),
        server: None,
        definition_hash: None,
        action_id: action.action.clone(),
        action_hash: digest(number),
        payload_hash: digest(number),
        context_hash: digest(0),
        facts: None,
        facts_hash: digest(0),
        audience: "github-executor".parse().unwrap(),
        decision,
        reasons: Vec::new(),
        policy: policy_ref(policy),
        obligations: Vec::new(),
        approvals: approvals
            .iter()
            .map(|used| ApprovalEvidence {
                id: used.id.clone(),
                mode: ApprovalMode::Human,
                approved_by: used.approver.clone(),
                assurance: Assurance::Signed,
                kid: None,
                token_hash: digest(number),
            })
            .collect(),
        pass: (decision == Decision::Allow).then(|| PassEvidence {
            id: pass(number),
            kid: KeyId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").unwrap(),
            token_hash: digest(number),
            expires_at: expires_at.to_timestamp(),
        }),
        trust,
        evidence: None,
        commitment: None,
        offered: None,
        unrecorded: None,
        request,
        mode: None,
        door: None,
    };
    let allow = Allow {
        pass: pass(number),
        token: format!("token.of.{number}"),
        expires_at,
        audience: body.audience.clone(),
        approvals,
    };
    DecisionCommit {
        action,
        action_hash: digest(number),
        record: draft(number, &body).with_side(SideKind::Payload, b"{}".to_vec()),
        allow: (decision == Decision::Allow).then_some(allow),
        queue: None,
    }
}

/// A pass issued at [`at`]`(issued)` for 600 seconds, to be consumed.
#[must_use]
pub fn mark(number: u64, issued: u64) -> Mark {
    Mark {
        issuer: log().issuer().clone(),
        pass: pass(number),
        issued_at: at(issued),
        expires_at: at(issued).saturating_add(600),
    }
}

fn policy_ref(policy: u64) -> PolicyRef {
    PolicyRef {
        id: "starter".parse().unwrap(),
        digest: digest(policy),
        rules: Vec::new(),
    }
}

/// The id of [`trust_key`].
#[must_use]
pub fn trust_kid(number: u64) -> KeyId {
    format!("{number:0>42}A").parse().unwrap()
}

/// A key that a trust store may hold. It is no point of its curve, which no store looks at.
#[must_use]
pub fn trust_key(number: u64) -> TrustKey {
    let jwk = Jwk {
        kty: "EC".to_owned(),
        crv: Some("P-256".to_owned()),
        x: Some("x".to_owned()),
        y: Some("y".to_owned()),
        public: None,
        kid: None,
        alg: None,
        key_use: None,
        key_ops: None,
    };
    TrustKey::pass(
        trust_kid(number),
        jwk,
        "ES256",
        "https://issuer.example".parse().unwrap(),
    )
}
