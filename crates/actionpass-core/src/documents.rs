//! The documents that an authorization makes: the claims of a pass, the body of a record.

use std::time::Duration;

use actionpass_canon::canonicalize;
use actionpass_model::{
    Actor, ApprovalEvidence, Canon, ClaimsVersion, Commitment, Decision, DecisionBody, DecisionSchema, Digest,
    EmbeddedApproval, FactsEvidence, PassClaims, PassEvidence, PassId, PassTerms, Reason, Timestamp,
};
use actionpass_store::{StoreCode, StoreError};
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
        facts: facts(call),
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
        facts: facts(call),
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
    }
}

fn facts(call: &AdmittedCall<'_>) -> Option<FactsEvidence> {
    call.facts.document().map(|facts| FactsEvidence {
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
        token_hash: approval.token_hash(),
    }
}

/// Replaces the four hashes of a decision by commitments to them: SHA-256 of the RFC 8785 bytes of `{hash, salt}`, the
/// salt as 64 lower-case hexadecimal digits. Whoever holds the salt can show what was hashed; once it is erased, nobody
/// can guess a short payload out of the record.
///
/// # Errors
/// [`StoreCode::RecordInvalid`] if a commitment can't be written, which its two texts don't lead to.
pub(crate) fn salt(body: &mut DecisionBody, salt: &[u8; 32]) -> Result<(), StoreError> {
    #[derive(serde::Serialize)]
    struct Salted<'a> {
        hash: Digest,
        salt: &'a str,
    }
    let text: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
    for hash in [
        &mut body.action_hash,
        &mut body.payload_hash,
        &mut body.context_hash,
        &mut body.facts_hash,
    ] {
        let salted = canonicalize(&Salted {
            hash: *hash,
            salt: &text,
        });
        *hash = salted
            .map_err(|error| StoreError::with_source(StoreCode::RecordInvalid, error))?
            .digest();
    }
    body.commitment = Some(Commitment::Salted);
    Ok(())
}
