//! Valid documents of version 1.

use actionpass_canon::{BoundAction, Limits, sha256};
use actionpass_model::{
    Action, ActionSchema, Actor, ApprovalClaims, ApprovalMode, ApprovalSchema, ApprovalTerms, AssertedApproval,
    Capability, Facts, FactsSchema, Intent, KeyBody, KeyEvent, KeyEventSchema, KeyUse, LiftedEvidence, OutcomeBody,
    OutcomeSchema, OutcomeStatus, PassClaims, Revocation, RevocationSchema, RevocationTarget, Shown, Tenants,
    ToolDefinition, TrustBody, TrustChangeSchema, TrustEvidence, TrustKey, TrustStore, UseBody, UseSchema,
};
use actionpass_store::ledger::{Head, Log, RecordDraft, SealedRecord, seal};
use proptest::option::of;
use proptest::prelude::*;

use super::ids::{
    action_ids, agents, approval_ids, approvers, audiences, digests, issuers, key_ids, origins, owners, pass_ids,
    principals, record_ids, request_ids, resources, revocation_ids, roles, rule_ids, runtimes, seconds, servers,
    statements, tasks, tenants, timestamps, tools, traces,
};
use super::json::{json_objects, payloads};
use crate::fixtures::{self, FixtureKey};

/// Actions.
pub fn actions() -> impl Strategy<Value = Action> + Clone {
    let definition = (servers(), digests()).prop_map(|(server, definition_hash)| ToolDefinition {
        server,
        definition_hash,
    });
    let what = (tools(), resources(), payloads()).prop_map(|(tool, resource, payload)| Capability {
        tool,
        resource,
        payload,
    });
    let intent = (tasks(), of("\\PC{0,20}")).prop_map(|(task, summary)| Intent { task, summary });
    (
        of(action_ids()),
        tenants(),
        actors(),
        intent,
        what,
        of(definition),
        of(json_objects()),
    )
        .prop_map(
            |(id, tenant, actor, intent, capability, tool_definition, context)| Action {
                schema: ActionSchema,
                id,
                tenant,
                actor,
                intent,
                capability,
                tool_definition,
                context,
            },
        )
}

/// The same, admitted from its JSON.
///
/// # Panics
/// Never: every action can be written, and what is written is admitted.
pub fn bound_actions() -> impl Strategy<Value = BoundAction> + Clone {
    actions().prop_map(|action| {
        let json = serde_json::to_vec(&action).expect("an action can be written");
        BoundAction::admit(&json, &Limits::default()).expect("an action is admitted")
    })
}

/// Who acts.
pub fn actors() -> impl Strategy<Value = Actor> + Clone {
    (agents(), owners(), runtimes(), prop::collection::vec(agents(), 0..=3)).prop_map(
        |(agent, human_owner, runtime, via)| Actor {
            agent,
            human_owner,
            runtime,
            via,
        },
    )
}

/// Facts.
pub fn facts() -> impl Strategy<Value = Facts> + Clone {
    (statements(), timestamps(), of(digests()), json_objects()).prop_map(|(source, as_of, action_hash, facts)| Facts {
        schema: FactsSchema,
        source,
        as_of,
        action_hash,
        facts,
    })
}

/// Claims of approvals, of both modes. They are for no action in particular.
pub fn approval_claims() -> impl Strategy<Value = ApprovalClaims> + Clone {
    let rules = prop::collection::vec(rule_ids(), 1..3);
    let shown = (digests(), statements()).prop_map(|(hash, renderer)| Shown { hash, renderer });
    let terms = (
        any::<bool>(),
        statements(),
        tenants(),
        digests(),
        digests(),
        digests(),
        rules,
        of(action_ids()),
        of(shown),
        (of(digests()), of(request_ids())),
    )
        .prop_map(
            |(
                is_override,
                reason,
                tenant,
                action_hash,
                payload_hash,
                policy_digest,
                rules,
                action_id,
                shown,
                of_request,
            )| {
                let (facts_hash, request) = of_request;
                ApprovalTerms {
                    mode: if is_override {
                        ApprovalMode::PolicyOverride
                    } else {
                        ApprovalMode::Human
                    },
                    reason,
                    tenant,
                    action_hash,
                    payload_hash,
                    policy_digest: is_override.then_some(policy_digest),
                    rules: is_override.then_some(rules),
                    action_id,
                    shown,
                    v: actionpass_model::ClaimsVersion,
                    context_hash: None,
                    facts_hash,
                    request,
                    ext: None,
                }
            },
        );
    (
        approvers(),
        agents(),
        issuers(),
        seconds(),
        1_u64..=86_400,
        approval_ids(),
        terms,
    )
        .prop_map(|(iss, sub, aud, iat, lifetime, jti, approval)| ApprovalClaims {
            iss,
            sub,
            aud,
            iat,
            exp: iat.saturating_add(lifetime),
            jti,
            approval,
        })
}

/// Approvals that nobody signed. They are for no action in particular.
pub fn asserted_approvals() -> impl Strategy<Value = AssertedApproval> + Clone {
    approval_claims().prop_map(|claims| AssertedApproval {
        schema: ApprovalSchema,
        id: claims.jti,
        approved_by: claims.iss,
        agent: claims.sub,
        issuer: claims.aud,
        approved_at: claims.iat.to_timestamp(),
        expires_at: claims.exp.to_timestamp(),
        mode: ApprovalMode::Human,
        reason: claims.approval.reason,
        tenant: claims.approval.tenant,
        action_hash: claims.approval.action_hash,
        payload_hash: claims.approval.payload_hash,
        ext: None,
    })
}

/// Claims of passes whose hashes fit their own claims, without approvals.
pub fn pass_claims() -> impl Strategy<Value = PassClaims> + Clone {
    (
        bound_actions(),
        issuers(),
        audiences(),
        pass_ids(),
        seconds(),
        1_u64..=3600,
    )
        .prop_map(|(action, iss, aud, jti, iat, lifetime)| PassClaims {
            iss,
            aud,
            jti,
            iat,
            nbf: iat,
            exp: iat.saturating_add(lifetime),
            ..fixtures::pass_claims(&action)
        })
}

/// What is revoked: passes, approvals, keys, principals.
pub fn revocation_targets() -> impl Strategy<Value = RevocationTarget> + Clone {
    prop_oneof![
        (pass_ids(), issuers()).prop_map(|(id, issuer)| RevocationTarget::Pass { id, issuer }),
        (approval_ids(), approvers()).prop_map(|(id, approver)| RevocationTarget::Approval { id, approver }),
        key_ids().prop_map(RevocationTarget::Key),
        principals().prop_map(RevocationTarget::Principal),
    ]
}

/// Revocations.
pub fn revocations() -> impl Strategy<Value = Revocation> + Clone {
    (
        revocation_ids(),
        revocation_targets(),
        statements(),
        principals(),
        timestamps(),
        of(timestamps()),
    )
        .prop_map(|(id, target, reason, revoked_by, revoked_at, time)| {
            let is_key = matches!(target, RevocationTarget::Key(_));
            let may_expire = matches!(
                target,
                RevocationTarget::Pass { .. } | RevocationTarget::Approval { .. }
            );
            Revocation {
                schema: RevocationSchema,
                id,
                target,
                reason,
                revoked_by,
                revoked_at,
                compromised_since: time.filter(|_| is_key),
                expires_at: time.filter(|_| may_expire),
                ext: None,
            }
        })
}

/// Trust stores of fixture keys, each for its use, with any revocations.
pub fn trust_stores() -> impl Strategy<Value = TrustStore> + Clone {
    let keys = prop::sample::subsequence(fixtures::trust_store_with_passkey().keys, 0..=5);
    let revocations = prop::collection::btree_map(revocation_ids(), revocations(), 0..4);
    (
        1_u64..1 << 53,
        timestamps(),
        timestamps(),
        of(timestamps()),
        keys,
        revocations,
    )
        .prop_map(
            |(version, updated_at, revocations_as_of, expires_at, keys, revocations)| {
                let mut trust = TrustStore::new(updated_at);
                trust.version = version;
                trust.revocations_as_of = revocations_as_of;
                trust.expires_at = expires_at;
                trust.keys = keys;
                trust.revocations = revocations
                    .into_iter()
                    .map(|(id, revocation)| Revocation { id, ..revocation })
                    .collect();
                trust
            },
        )
}

/// Entries of approvers' keys, with any name, roles and tenants.
pub fn approval_keys() -> impl Strategy<Value = TrustKey> + Clone {
    let tenants = prop_oneof![
        Just(Tenants::Any),
        prop::collection::vec(tenants(), 1..3).prop_map(Tenants::Only)
    ];
    (approvers(), prop::collection::vec(roles(), 0..3), tenants).prop_map(|(approver, roles, tenants)| {
        fixtures::approval_key(FixtureKey::APPROVER, approver, roles).with_tenants(tenants)
    })
}

/// Records of the kinds that need no other record, before their place in the log is known.
pub fn record_drafts() -> impl Strategy<Value = RecordDraft> + Clone {
    let trust = (0_u64..1 << 53, digests()).prop_map(|(version, digest)| TrustEvidence { version, digest });
    let status = prop_oneof![
        Just(OutcomeStatus::Executed),
        Just(OutcomeStatus::Failed),
        Just(OutcomeStatus::Unknown)
    ];
    let outcomes = (pass_ids(), status, of(digests()), record_ids(), timestamps()).prop_map(
        |(pass, status, result_hash, id, time)| {
            RecordDraft::new(
                id,
                time,
                &OutcomeBody {
                    schema: OutcomeSchema,
                    pass: Some(pass),
                    decision: None,
                    provider_id: None,
                    status,
                    result_hash,
                    contradicts: None,
                },
            )
        },
    );
    let uses = (
        pass_ids(),
        issuers(),
        audiences(),
        digests(),
        record_ids(),
        timestamps(),
    )
        .prop_map(|(pass, issuer, audience, token_hash, id, time)| {
            RecordDraft::new(
                id,
                time,
                &UseBody {
                    schema: UseSchema,
                    commitment: None,
                    pass,
                    issuer,
                    audience,
                    token_hash,
                },
            )
        });
    let who = of((statements(), prop::collection::vec(roles(), 0..3)));
    let keys = (
        key_ids(),
        of(statements()),
        who,
        trust.clone(),
        record_ids(),
        timestamps(),
    )
        .prop_map(|(kid, reason, who, trust, id, time)| {
            let (owner, roles) = who.unzip();
            let body = KeyBody {
                schema: KeyEventSchema,
                event: KeyEvent::Retired,
                kid,
                key_use: KeyUse::Pass,
                owner,
                tenants: roles.as_ref().map(|_| Tenants::Any),
                roles,
                superseded_by: None,
                reason,
                trust,
            };
            RecordDraft::new(id, time, &body)
        });
    let lifted = of((principals(), statements(), revocation_ids()));
    let trusts = (trust, lifted, record_ids(), timestamps()).prop_map(|(trust, lifted, id, time)| {
        RecordDraft::new(
            id,
            time,
            &TrustBody {
                schema: TrustChangeSchema,
                lifted: lifted.map(|(by, reason, revocation)| LiftedEvidence { by, reason, revocation }),
                trust,
            },
        )
    });
    let drafts = prop_oneof![outcomes, uses, keys, trusts];
    (drafts, of(tenants()), of(traces())).prop_map(|(draft, tenant, trace)| {
        let mut draft = draft.expect("these bodies can be written");
        if let Some(tenant) = tenant {
            draft = draft.with_tenant(tenant);
        }
        match trace {
            Some(trace) => draft.with_trace(trace),
            None => draft,
        }
    })
}

/// Whole logs of so many records.
pub fn ledgers(records: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<SealedRecord>> {
    (origins(), issuers(), prop::collection::vec(record_drafts(), records)).prop_map(|(origin, issuer, drafts)| {
        let log = Log::new(origin, issuer);
        let mut head = Head::EMPTY;
        let seal = |draft: &RecordDraft| {
            let record = seal(&log, &head, draft).expect("these records are small");
            head = record.head();
            record
        };
        drafts.iter().map(seal).collect()
    })
}

/// The demo action with any payload.
pub fn demo_actions() -> impl Strategy<Value = BoundAction> + Clone {
    payloads().prop_map(|payload| demo_action_with(payload.get()))
}

/// The demo action with this payload.
///
/// # Panics
/// If the gate doesn't admit it.
#[must_use]
pub fn demo_action_with(payload: &serde_json::Value) -> BoundAction {
    let mut action: serde_json::Value =
        serde_json::from_str(actionpass_model::DEMO_ACTION).expect("the demo action is JSON");
    if let Some(place) = action.pointer_mut("/capability/payload") {
        *place = payload.clone();
    }
    let bound = fixtures::admit(&action.to_string());
    debug_assert_eq!(bound.payload_hash(), sha256(bound.payload().as_bytes()));
    bound
}
