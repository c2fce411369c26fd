//! The documents that an authorization makes: the claims of a pass, the body of a record.

use std::time::Duration;

use actionpass_canon::BoundFacts;
use actionpass_model::{
    ActionId, Actor, ApprovalEvidence, Audience, Canon, ClaimsVersion, Code, Decision, DecisionBody, DecisionSchema,
    EmbeddedApproval, FactsEvidence, OfferedEvidence, PassClaims, PassEvidence, PassId, PassTerms, PolicyRef, Reason,
    Timestamp, TrustEvidence,
};
use actionpass_verify::approval::VerifiedApproval;

use crate::call::{AdmittedCall, Judged};
use crate::{IssuerConfig, Request};

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

/// The body of an allow's record: it says what the pass says, and takes it from there.
pub(crate) fn allowed(
    claims: PassClaims,
    call: &AdmittedCall<'_>,
    judged: &Judged,
    pass: PassEvidence,
) -> DecisionBody {
    let terms = claims.actionpass;
    DecisionBody {
        schema: DecisionSchema,
        actor: Actor {
            agent: claims.sub,
            human_owner: terms.human_owner,
            runtime: terms.runtime,
            via: terms.via,
        },
        task: terms.task,
        tool: terms.tool,
        resource: terms.resource,
        server: terms.server,
        definition_hash: terms.definition_hash,
        action_id: terms.action_id,
        action_hash: terms.action_hash,
        payload_hash: terms.payload_hash,
        context_hash: terms.context_hash,
        facts: facts_evidence(&call.facts),
        facts_hash: terms.facts_hash,
        audience: claims.aud,
        decision: Decision::Allow,
        reasons: judged.reasons.clone(),
        policy: terms.policy,
        obligations: terms.obligations,
        approvals: judged.approvals.iter().map(evidence).collect(),
        pass: Some(pass),
        trust: judged.trust,
        evidence: None,
        commitment: None,
        offered: offered(judged),
        unrecorded: None,
        request: None,
        mode: None,
        door: call.door.clone(),
    }
}

/// The body of the record of a decision that led to no pass.
pub(crate) fn refused(
    call: &AdmittedCall<'_>,
    judged: &Judged,
    decision: Decision,
    reasons: Vec<Reason>,
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
        facts: facts_evidence(&call.facts),
        facts_hash: call.facts.hash(),
        audience: call.audience.clone(),
        decision,
        reasons,
        policy: judged.policy.clone(),
        obligations: judged.verdict.obligations.clone(),
        approvals: judged.approvals.iter().map(evidence).collect(),
        pass: None,
        trust: judged.trust,
        evidence: None,
        commitment: None,
        offered: offered(judged),
        unrecorded: None,
        request: None,
        mode: call.mode,
        door: call.door.clone(),
    }
}

fn facts_evidence(facts: &BoundFacts) -> Option<FactsEvidence> {
    facts.document().map(|facts| FactsEvidence {
        as_of: facts.as_of,
        source: facts.source.clone(),
    })
}

fn evidence(approval: &VerifiedApproval) -> ApprovalEvidence {
    ApprovalEvidence {
        id: approval.id().clone(),
        mode: approval.mode(),
        approved_by: approval.approver().clone(),
        assurance: approval.assurance(),
        kid: approval.kid().cloned(),
        token_hash: approval.token_hash(),
    }
}

fn offered(judged: &Judged) -> Option<Vec<OfferedEvidence>> {
    (!judged.in_vain.is_empty()).then(|| judged.in_vain.clone())
}

/// The body of the record of a request that was refused before anybody judged it: what the host says of the caller, and
/// what was asked for.
pub(crate) fn refused_before(
    request: &Request<'_>,
    action_id: ActionId,
    audience: Audience,
    policy: PolicyRef,
    trust: TrustEvidence,
    code: Code,
) -> DecisionBody {
    let action = &*request.action;
    let head = action.action();
    let facts = request.facts.as_deref();
    let definition = head.tool_definition.as_ref();
    DecisionBody {
        schema: DecisionSchema,
        actor: request.caller.actor.clone(),
        task: head.intent.task.clone(),
        tool: head.capability.tool.clone(),
        resource: head.capability.resource.clone(),
        server: definition.map(|definition| definition.server.clone()),
        definition_hash: definition.map(|definition| definition.definition_hash),
        action_id,
        action_hash: action.action_hash(),
        payload_hash: action.payload_hash(),
        context_hash: action.context_hash(),
        facts: facts.and_then(facts_evidence),
        facts_hash: facts.map_or_else(|| BoundFacts::none().hash(), BoundFacts::hash),
        audience,
        decision: Decision::Deny,
        reasons: vec![Reason::new(code)],
        policy,
        obligations: Vec::new(),
        approvals: Vec::new(),
        pass: None,
        trust,
        evidence: None,
        commitment: None,
        offered: None,
        unrecorded: None,
        request: None,
        mode: request.mode,
        door: request.door.clone(),
    }
}
