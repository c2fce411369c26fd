//! The documents that an authorization makes: the claims of a pass, the body of a record.

use std::time::Duration;

use actionpass_model::{
    ApprovalEvidence, Canon, ClaimsVersion, Decision, DecisionBody, DecisionSchema, EmbeddedApproval, PassClaims,
    PassEvidence, PassId, PassTerms, Reason, Timestamp,
};
use actionpass_store::ApprovalUse;
use actionpass_verify::approval::VerifiedApproval;

use crate::IssuerConfig;
use crate::call::{AdmittedCall, Judged};

/// The claims of a pass for what was judged an allow.
pub(crate) fn claims(
    config: &IssuerConfig,
    call: &AdmittedCall<'_>,
    judged: &Judged,
    id: PassId,
    now: Timestamp,
) -> PassClaims {
    let head = call.action.action();
    let iat = now.to_unix_seconds();
    let lifetime = judged
        .verdict
        .lifetime
        .map_or(config.pass_lifetime, |lifetime| lifetime.min(config.pass_lifetime));
    let definition = head.tool_definition.as_ref();
    PassClaims {
        iss: config.issuer.clone(),
        sub: head.actor.agent.clone(),
        aud: call.audience.clone(),
        iat,
        nbf: iat,
        exp: iat.saturating_add(lifetime.max(Duration::from_secs(1)).as_secs()),
        jti: id,
        actionpass: PassTerms {
            v: ClaimsVersion,
            tenant: head.tenant.clone(),
            human_owner: head.actor.human_owner.clone(),
            runtime: head.actor.runtime.clone(),
            via: head.actor.via.clone(),
            task: head.intent.task.clone(),
            tool: head.capability.tool.clone(),
            resource: head.capability.resource.clone(),
            server: definition.map(|definition| definition.server.clone()),
            definition_hash: definition.map(|definition| definition.definition_hash),
            action_id: call.key.action.clone(),
            action_hash: call.action.action_hash(),
            payload_hash: call.action.payload_hash(),
            context_hash: call.action.context_hash(),
            facts_hash: call.facts.hash(),
            canon: Canon,
            policy: judged.policy.clone(),
            obligations: judged.verdict.obligations.clone(),
            approvals: judged.approvals.iter().map(embed).collect(),
            ext: None,
        },
    }
}

fn embed(approval: &VerifiedApproval) -> EmbeddedApproval {
    EmbeddedApproval {
        id: approval.id().clone(),
        mode: approval.mode(),
        approved_by: approval.approver().clone(),
        assurance: approval.assurance(),
        token: approval.token().to_owned(),
    }
}

/// What a store marks used.
pub(crate) fn used(approval: &VerifiedApproval) -> ApprovalUse {
    ApprovalUse {
        approver: approval.approver().clone(),
        id: approval.id().clone(),
    }
}

/// The body of a decision's record.
pub(crate) fn body(
    call: &AdmittedCall<'_>,
    judged: &Judged,
    decision: Decision,
    reasons: Vec<Reason>,
    pass: Option<PassEvidence>,
) -> DecisionBody {
    let head = call.action.action();
    let definition = head.tool_definition.as_ref();
    DecisionBody {
        schema: DecisionSchema,
        actor: head.actor.clone(),
        task: head.intent.task.clone(),
        tool: head.capability.tool.clone(),
        resource: head.capability.resource.clone(),
        server: definition.map(|definition| definition.server.clone()),
        definition_hash: definition.map(|definition| definition.definition_hash),
        action_id: call.key.action.clone(),
        action_hash: call.action.action_hash(),
        payload_hash: call.action.payload_hash(),
        context_hash: call.action.context_hash(),
        facts_hash: call.facts.hash(),
        audience: call.audience.clone(),
        decision,
        reasons,
        policy: judged.policy.clone(),
        obligations: judged.verdict.obligations.clone(),
        approvals: judged.approvals.iter().map(evidence).collect(),
        pass,
        trust: judged.trust,
        evidence: None,
        commitment: None,
    }
}

fn evidence(approval: &VerifiedApproval) -> ApprovalEvidence {
    ApprovalEvidence {
        id: approval.id().clone(),
        mode: approval.mode(),
        approved_by: approval.approver().clone(),
        assurance: approval.assurance(),
        token_hash: approval.token_hash(),
    }
}
