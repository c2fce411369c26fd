//! [`Consequence`]: what a store keeps because of a record.

use actionpass_model::{
    ActionId, Agent, ApprovalId, ApprovalRef, Approver, ArchivedRows, Decision, DecisionMode, Digest, Issuer, PassId,
    Principal, RequestChange, RequestId, RevocationId, Tenant, Timestamp,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::ActionKey;

/// What a store keeps beside a record, as the record itself says it: what its tables are held against.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Consequence {
    /// An allow: its action has its pass, and its approvals are used.
    Allow {
        /// Which occurrence of an action.
        action: ActionKey,
        /// The pass.
        pass: PassId,
        /// When the pass expires.
        expires_at: Timestamp,
        /// The approvals.
        approvals: Vec<ApprovalRef>,
        /// The approval request that it settled.
        request: Option<RequestId>,
    },
    /// A decision that is no allow and names an approval request: the request is there, and the first step_up that names
    /// it opened it.
    Named {
        /// The request.
        request: RequestId,
        /// What was decided.
        decision: Decision,
        /// The organization.
        tenant: Tenant,
        /// The agent.
        agent: Agent,
        /// The hash of the action; `None` where the record has a commitment in its place.
        action_hash: Option<Digest>,
    },
    /// A change of an approval request: the request has it.
    Request {
        /// The request.
        request: RequestId,
        /// What happened.
        change: RequestChange,
        /// Whose vote it was, and which.
        vote: Option<(Principal, ApprovalId)>,
        /// When it was recorded.
        at: Timestamp,
    },
    /// An erasure: the side data of these records is gone, and requests that they opened don't wait.
    Erasure {
        /// The records.
        records: Vec<u64>,
        /// When it was recorded.
        at: Timestamp,
    },
    /// Records up to there were taken out of the store.
    Archive {
        /// Where the rest begins.
        head: super::Head,
        /// What the records in front of it left in the tables.
        rows: ArchivedRows,
    },
    /// A use: the pass is used.
    Use {
        /// Who issued it.
        issuer: Issuer,
        /// The pass.
        pass: PassId,
    },
    /// An outcome of a pass: it is among those of the pass.
    Outcome(PassId),
    /// A revocation: it has its record.
    Revocation(RevocationId),
    /// Nothing, or nothing that this release knows of.
    Nothing,
}

impl Consequence {
    /// The approval request that the record is about, if it is about one.
    #[must_use]
    pub const fn request(&self) -> Option<&RequestId> {
        match self {
            Self::Named { request, .. } | Self::Request { request, .. } => Some(request),
            Self::Allow { request, .. } => request.as_ref(),
            _ => None,
        }
    }

    /// What follows from a record, which is given as JSON and not verified. `None` if it is of a kind and version that this
    /// release knows, and lacks what such a record says.
    #[must_use]
    pub fn of(json: &[u8]) -> Option<Self> {
        let record: Head = serde_json::from_slice(json).ok()?;
        Some(match (record.kind.as_str(), record.body.schema.as_str()) {
            ("decision", "actionpass.decision.v1") => {
                let body = serde_json::from_slice::<With<DecisionPart>>(json).ok()?.body;
                // Of what was only observed nothing follows, whatever was decided.
                if body.mode == Some(DecisionMode::Observe) {
                    return Some(Self::Nothing);
                }
                if body.decision != Decision::Allow {
                    let Some(request) = body.request else {
                        return Some(Self::Nothing);
                    };
                    return Some(Self::Named {
                        request,
                        decision: body.decision,
                        tenant: record.tenant?,
                        agent: body.actor.agent,
                        action_hash: body.commitment.is_none().then_some(body.action_hash),
                    });
                }
                let pass = body.pass?;
                let used = |approval: ApprovalPart| ApprovalRef {
                    approver: approval.approved_by,
                    id: approval.id,
                };
                Self::Allow {
                    action: ActionKey {
                        tenant: record.tenant?,
                        agent: body.actor.agent,
                        action: body.action_id,
                    },
                    pass: pass.id,
                    expires_at: pass.expires_at,
                    approvals: body.approvals.into_iter().map(used).collect(),
                    request: body.request,
                }
            }
            ("request", "actionpass.request-change.v1") => {
                let body = serde_json::from_slice::<With<RequestPart>>(json).ok()?.body;
                Self::Request {
                    request: body.request,
                    change: body.change,
                    vote: body.principal.zip(body.vote),
                    at: record.time,
                }
            }
            ("erasure", "actionpass.erasure.v1") => {
                let body = serde_json::from_slice::<With<ErasurePart>>(json).ok()?.body;
                Self::Erasure {
                    records: body.records,
                    at: record.time,
                }
            }
            ("erasure", "actionpass.archive.v1") => {
                let body = serde_json::from_slice::<With<ArchivePart>>(json).ok()?.body;
                Self::Archive {
                    head: super::Head::new(body.size, body.last_hash),
                    rows: body.rows,
                }
            }
            ("use", "actionpass.use.v1") => {
                let body = serde_json::from_slice::<With<UsePart>>(json).ok()?.body;
                Self::Use {
                    issuer: body.issuer,
                    pass: body.pass,
                }
            }
            ("outcome", "actionpass.outcome.v1") => {
                let body = serde_json::from_slice::<With<OutcomePart>>(json).ok()?.body;
                body.pass.map_or(Self::Nothing, Self::Outcome)
            }
            ("revocation", "actionpass.revocation-record.v1") => {
                let body = serde_json::from_slice::<With<RevocationPart>>(json).ok()?.body;
                Self::Revocation(body.revocation.id)
            }
            _ => Self::Nothing,
        })
    }
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    tenant: Option<Tenant>,
    time: Timestamp,
    body: Schema,
}

#[derive(Deserialize)]
struct Schema {
    #[serde(default)]
    schema: String,
}

#[derive(Deserialize)]
struct With<B> {
    body: B,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DecisionPart {
    action_hash: Digest,
    action_id: ActionId,
    actor: ActorPart,
    approvals: Vec<ApprovalPart>,
    commitment: Option<IgnoredAny>,
    decision: Decision,
    mode: Option<DecisionMode>,
    pass: Option<PassPart>,
    request: Option<RequestId>,
}

#[derive(Deserialize)]
struct RequestPart {
    request: RequestId,
    change: RequestChange,
    principal: Option<Principal>,
    vote: Option<ApprovalId>,
}

#[derive(Deserialize)]
struct ErasurePart {
    records: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchivePart {
    size: u64,
    last_hash: Digest,
    rows: ArchivedRows,
}

#[derive(Deserialize)]
struct ActorPart {
    agent: Agent,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalPart {
    approved_by: Approver,
    id: ApprovalId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PassPart {
    id: PassId,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct UsePart {
    issuer: Issuer,
    pass: PassId,
}

#[derive(Deserialize)]
struct OutcomePart {
    pass: Option<PassId>,
}

#[derive(Deserialize)]
struct RevocationPart {
    revocation: IdPart,
}

#[derive(Deserialize)]
struct IdPart {
    id: RevocationId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixtures;
    use crate::ledger::{Head, RecordDraft, seal};

    fn of(draft: &RecordDraft) -> Option<Consequence> {
        Consequence::of(seal(&fixtures::log(), &Head::EMPTY, draft).unwrap().json())
    }

    #[test]
    fn each_kind_has_its_own() {
        let approvals = vec![fixtures::approval("user:ann", 3)];
        let commit = fixtures::decision(7, Decision::Allow, approvals.clone());
        let allow = Consequence::Allow {
            action: fixtures::action(7),
            pass: fixtures::pass(7),
            expires_at: fixtures::at(600).to_timestamp(),
            approvals,
            request: None,
        };
        assert_eq!(of(&commit.record), Some(allow));
        let deny = fixtures::decision(7, Decision::Deny, Vec::new());
        assert_eq!(of(&deny.record), Some(Consequence::Nothing));
        let used = Consequence::Use {
            issuer: fixtures::log().issuer().clone(),
            pass: fixtures::pass(2),
        };
        assert_eq!(of(&fixtures::used(2)), Some(used));
        let id = format!("rev_{:032x}", 5).parse().unwrap();
        assert_eq!(of(&fixtures::revoked(1, 5, 1)), Some(Consequence::Revocation(id)));
        assert_eq!(of(&fixtures::policed(1, 1)), Some(Consequence::Nothing));
        assert_eq!(
            Consequence::of(
                b"{\"kind\":\"use\",\"time\":\"2026-01-01T00:00:00.000Z\",\"body\":{\"schema\":\"actionpass.use.v1\"}}"
            ),
            None
        );
    }

    #[test]
    fn what_is_said_of_requests_is_told() {
        use crate::conformance::requests;
        let opens = requests::opens(1, 7, 0);
        let action = fixtures::action(7);
        let named = Consequence::Named {
            request: requests::id(1),
            decision: Decision::StepUp,
            tenant: action.tenant,
            agent: action.agent,
            action_hash: Some(fixtures::digest(7)),
        };
        assert_eq!(of(&opens.record), Some(named));
        let settles = requests::settles(2, 7, 1, 0, 5).record;
        assert!(matches!(of(&settles), Some(Consequence::Allow { request: Some(id), .. }) if id == requests::id(1)));
        let vote = requests::votes(1, 0, 5, "user:ann", actionpass_model::VoteKind::Decline, 9);
        let ann = fixtures::approval("user:ann", 5);
        let declined = Consequence::Request {
            request: requests::id(1),
            change: RequestChange::Decline,
            vote: Some(("user:ann".parse().unwrap(), ann.id)),
            at: fixtures::at(9).to_timestamp(),
        };
        assert_eq!(of(&vote.record), Some(declined));
        let erasure = Consequence::Erasure {
            records: vec![0, 4],
            at: fixtures::at(0).to_timestamp(),
        };
        assert_eq!(of(&fixtures::erased(3, vec![0, 4])), Some(erasure));
    }
}
