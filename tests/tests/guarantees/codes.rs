//! Every code that an executor or an issuer can answer with is answered with by at least one case here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actionpass_canon::{BoundAction, BoundFacts, Limits, sha256};
use actionpass_core::{AuthorizeCode, Request};
use actionpass_crypto::JwsCode;
use actionpass_model::{
    Agent, ApprovalClaims, ApprovalMode, Approver, Assurance, Audience, EmbeddedApproval, KeyStatus, Obligation,
    ObligationId, PassClaims, Principal, RevocationTarget, Tenant, Tenants, TrustKey,
};
use actionpass_store::{LedgerExt, MemoryReplayStore, ReplayCode, ReplayStart};
use actionpass_testkit::fixtures::{self, FixtureKey, approval_key};
use actionpass_testkit::policies::NeedsApprovals;
use actionpass_testkit::tokens::{self, Forgery};
use actionpass_testkit::{CountingRandom, ManualClock, Testbed};
use actionpass_verify::{Call, Executor, Verifier, VerifyCode};
use serde_json::{Value, json};

use crate::common::{action_with, codes, demo_with_id, outcome, reasons};

type Case = (&'static str, Box<dyn Fn() -> Vec<String>>);

fn case(code: &'static str, run: impl Fn() -> Vec<String> + 'static) -> Case {
    (code, Box::new(run))
}

fn retire(key: &mut TrustKey) {
    key.status = KeyStatus::Retired;
    key.not_after = Some("2026-11-01T00:00:00.000Z".parse().unwrap());
}

/// Each case yields its code and no other; together they yield every code.
fn all_seen(cases: Vec<Case>, all: BTreeSet<&str>) {
    let mut seen = BTreeSet::new();
    for (code, run) in cases {
        assert_eq!(run(), [code]);
        seen.insert(code);
    }
    assert_eq!(seen, all, "no case yields some code");
}

fn token(token: String) -> Vec<String> {
    codes(Testbed::new().verify(&token, &fixtures::action()))
}

fn forged(change: impl FnOnce(Forgery) -> Forgery) -> Vec<String> {
    token(change(Forgery::of(fixtures::PASS)).sign(FixtureKey::ISSUER))
}

#[test]
fn every_code_of_a_token() {
    let cases = vec![
        case("token_malformed", || token("a.b".into())),
        case("header_not_allowed", || {
            forged(|pass| pass.with_header_member("crit", json!([])))
        }),
        case("type_mismatch", || token(fixtures::APPROVAL.into())),
        case("key_unknown", || {
            forged(|pass| pass.with_header_member("kid", json!(FixtureKey::STRANGER.kid())))
        }),
        case("algorithm_mismatch", || {
            forged(|pass| pass.with_header_member("alg", json!("none")))
        }),
        case("key_use_mismatch", || {
            forged(|pass| pass.with_header_member("kid", json!(FixtureKey::APPROVER.kid())))
        }),
        case("key_revoked", || {
            let bed = Testbed::new();
            bed.revoke(RevocationTarget::Key(FixtureKey::ISSUER.kid()));
            codes(bed.verify(fixtures::PASS, &fixtures::action()))
        }),
        case("signature_invalid", || {
            token(Forgery::of(fixtures::PASS).with_signature(&[1; 64]))
        }),
        case("claims_malformed", || forged(|pass| pass.with_payload("{}"))),
        case("version_unsupported", || {
            forged(|pass| pass.with_claim(&["actionpass", "v"], json!(2)))
        }),
    ];
    all_seen(cases, JwsCode::ALL.iter().map(|code| code.as_str()).collect());
}

/// The order of §7: whatever else is wrong, the first check speaks.
#[test]
fn checks_of_authenticity_stop_at_the_first() {
    let worst = Forgery::of(fixtures::PASS).with_claim(&["actionpass", "v"], json!(2));
    let untyped = worst
        .clone()
        .with_header_member("typ", json!("JWT"))
        .with_header_member("kid", json!("x"));
    assert_eq!(token(untyped.with_signature(&[1; 64])), ["type_mismatch"]);
    let unknown = worst
        .clone()
        .with_header_member("kid", json!("x"))
        .with_header_member("alg", json!("none"));
    assert_eq!(token(unknown.with_signature(&[1; 64])), ["key_unknown"]);
    let other = worst
        .clone()
        .with_header_member("kid", json!(FixtureKey::APPROVER.kid()));
    assert_eq!(
        token(
            other
                .clone()
                .with_header_member("alg", json!("none"))
                .with_signature(&[])
        ),
        ["algorithm_mismatch"]
    );
    assert_eq!(token(other.with_signature(&[])), ["key_use_mismatch"]);
    assert_eq!(token(worst.with_signature(&[1; 63])), ["signature_invalid"]);
}

/// And of an authentic pass everything that is wrong is said at once.
#[test]
fn checks_of_an_authentic_pass_are_all_made() {
    let bed = Testbed::new();
    bed.clock().advance(Duration::from_secs(3600));
    bed.revoke(RevocationTarget::Principal(Principal::parse("org:example").unwrap()));
    let found = codes(bed.verify(fixtures::PASS, &fixtures::demo_action()));
    let expected = [
        "expired",
        "principal_revoked",
        "via_mismatch",
        "server_mismatch",
        "definition_hash_mismatch",
        "payload_hash_mismatch",
    ];
    assert_eq!(found, expected);
}

/// The fixture's pass with changed claims, signed by its issuer.
fn claims(change: impl FnOnce(&mut PassClaims)) -> Vec<String> {
    let mut claims = fixtures::pass_claims(&fixtures::action());
    change(&mut claims);
    token(tokens::sign(FixtureKey::ISSUER, &claims))
}

/// The fixture's pass for an action that isn't quite the one it is for.
fn executed(pointer: &str, value: Value) -> Vec<String> {
    codes(Testbed::new().verify(fixtures::PASS, &action_with(pointer, value)))
}

fn embedding(bed: &Testbed, approved_by: Approver, token: String) -> Vec<String> {
    let signed = fixtures::approval_claims(&fixtures::action());
    let mut claims = fixtures::pass_claims(&fixtures::action());
    claims.actionpass.approvals.push(EmbeddedApproval {
        id: signed.jti,
        mode: ApprovalMode::Human,
        approved_by,
        assurance: Assurance::Signed,
        token,
    });
    codes(bed.verify(&tokens::sign(FixtureKey::ISSUER, &claims), &fixtures::action()))
}

/// The fixture's pass resting on an approval with changed claims.
fn approved(change: impl FnOnce(&mut ApprovalClaims)) -> Vec<String> {
    let mut claims = fixtures::approval_claims(&fixtures::action());
    change(&mut claims);
    embedding(
        &Testbed::new(),
        claims.iss.clone(),
        tokens::sign(FixtureKey::APPROVER, &claims),
    )
}

fn bed_with(change: impl FnOnce(&Testbed)) -> Vec<String> {
    let bed = Testbed::new().with_verifier(|verifier| verifier.with_max_revocations_age(Duration::from_secs(600)));
    change(&bed);
    codes(bed.verify(fixtures::PASS_WITH_APPROVAL, &fixtures::action()))
}

#[test]
fn every_code_of_a_pass() {
    let now = fixtures::seconds;
    let other = || json!(sha256(b"other"));
    let cases = vec![
        case("issuer_mismatch", || claims(|pass| pass.iss = fixtures::other_issuer())),
        case("audience_mismatch", || {
            claims(|pass| pass.aud = Audience::parse("other").unwrap())
        }),
        case("tenant_mismatch", || {
            let verifier = Verifier::new(fixtures::issuer(), fixtures::audience(), fixtures::other_tenant());
            codes(
                Testbed::new()
                    .with_verifier(|_| verifier)
                    .verify(fixtures::PASS, &fixtures::action()),
            )
        }),
        case("key_not_valid", move || {
            bed_with(|bed| {
                bed.trust()
                    .update(|trust| trust.keys[0].not_after = Some(now().saturating_sub(1).to_timestamp()))
            })
        }),
        case("not_yet_valid", || {
            bed_with(|bed| bed.clock().rewind(Duration::from_secs(31)))
        }),
        case("expired", || {
            claims(|pass| {
                pass.iat = pass.iat.saturating_sub(630);
                pass.nbf = pass.iat;
                pass.exp = pass.iat.saturating_add(600);
            })
        }),
        case("lifetime_too_long", || {
            claims(|pass| pass.exp = pass.iat.saturating_add(3601))
        }),
        case("pass_revoked", || {
            bed_with(|bed| {
                let pass = fixtures::pass_with_approval_claims(&fixtures::action(), "");
                bed.revoke(RevocationTarget::Pass {
                    id: pass.jti,
                    issuer: pass.iss,
                });
            })
        }),
        case("principal_revoked", || {
            bed_with(|bed| {
                bed.revoke(RevocationTarget::Principal(
                    (&Agent::parse("agent:planner").unwrap()).into(),
                ))
            })
        }),
        case("agent_mismatch", || executed("/actor/agent", json!("agent:other"))),
        case("via_mismatch", || executed("/actor/via", json!([]))),
        case("human_owner_mismatch", || {
            executed("/actor/humanOwner", json!("user:other"))
        }),
        case("runtime_mismatch", || {
            executed("/actor/runtime", json!("runtime:other"))
        }),
        case("task_mismatch", || executed("/intent/task", json!("other"))),
        case("tool_mismatch", || executed("/capability/tool", json!("other"))),
        case("resource_mismatch", || {
            executed("/capability/resource", json!("repo:other"))
        }),
        case("server_mismatch", || {
            executed("/toolDefinition/server", json!("mcp://other"))
        }),
        case("definition_hash_mismatch", move || {
            executed("/toolDefinition/definitionHash", other())
        }),
        case("payload_hash_mismatch", || {
            executed("/capability/payload/base", json!("other"))
        }),
        case("action_hash_mismatch", || {
            claims(|pass| pass.actionpass.action_hash = sha256(b"other"))
        }),
        case("obligation_unsupported", || {
            claims(|pass| {
                let id = ObligationId::parse("dry-run").unwrap();
                pass.actionpass.obligations = vec![Obligation {
                    id,
                    params: Default::default(),
                }];
            })
        }),
        case("approval_malformed", || {
            embedding(&Testbed::new(), fixtures::approver(), "yes".into())
        }),
        case("approval_signature_invalid", || {
            embedding(
                &Testbed::new(),
                fixtures::approver(),
                Forgery::of(fixtures::APPROVAL).with_signature(&[1; 64]),
            )
        }),
        case("approval_key_unknown", || {
            let foreign = Forgery::of(fixtures::APPROVAL).with_header_member("kid", json!(FixtureKey::STRANGER.kid()));
            embedding(
                &Testbed::new(),
                fixtures::approver(),
                foreign.sign(FixtureKey::STRANGER),
            )
        }),
        case("approval_expired", move || {
            approved(|approval| {
                approval.iat = now().saturating_sub(900);
                approval.exp = now().saturating_sub(30);
            })
        }),
        case("approval_not_yet_valid", move || {
            approved(|approval| approval.iat = now().saturating_add(31))
        }),
        case("approval_audience_mismatch", || {
            approved(|approval| approval.aud = fixtures::other_issuer())
        }),
        case("approval_binding_mismatch", || {
            approved(|approval| approval.approval.action_hash = sha256(b"other"))
        }),
        case("approval_policy_mismatch", || {
            approved(|approval| approval.approval.policy_digest = Some(sha256(b"other")))
        }),
        case("approval_policy_mismatch", || {
            // It names a rule, and the pass rests on others.
            approved(|approval| approval.approval.rules = Some(vec!["another-rule".parse().unwrap()]))
        }),
        case("approver_mismatch", || {
            embedding(&Testbed::new(), fixtures::second_approver(), fixtures::APPROVAL.into())
        }),
        case("approver_is_agent", || {
            let bed = Testbed::new();
            let agent = Approver::parse("service:codex-prod").unwrap();
            bed.trust().update(|trust| {
                trust
                    .keys
                    .push(approval_key(FixtureKey::STRANGER, agent.clone(), Vec::new()))
            });
            let mut claims = fixtures::approval_claims(&fixtures::action());
            claims.iss = agent.clone();
            embedding(&bed, agent, tokens::sign(FixtureKey::STRANGER, &claims))
        }),
        case("approval_unsigned", || {
            let asserted = serde_json::to_string(&fixtures::asserted_approval(&fixtures::action())).unwrap();
            embedding(&Testbed::new(), fixtures::approver(), asserted)
        }),
        case("approval_revoked", || {
            bed_with(|bed| bed.revoke(RevocationTarget::Key(FixtureKey::APPROVER.kid())))
        }),
        case("trust_expired", || {
            bed_with(|bed| bed.trust().update(|trust| trust.expires_at = Some(fixtures::now())))
        }),
        case("revocations_stale", || {
            bed_with(|bed| bed.clock().advance(Duration::from_secs(601)))
        }),
        case("clock_unknown", || {
            let bed = Testbed::new();
            let replay = Arc::new(MemoryReplayStore::new(ReplayStart::first(fixtures::seconds())));
            let executor = Executor::with_fixed_trust(bed.verifier().clone(), bed.trust().trust(), replay)
                .with_clock(Arc::new(ManualClock::unknown()));
            let action = fixtures::action();
            let call = Call::action(&action);
            codes(actionpass_testkit::block_on(executor.verify(fixtures::PASS, &call)))
        }),
    ];
    all_seen(cases, VerifyCode::ALL.iter().map(|code| code.as_str()).collect());
}

#[test]
fn every_code_of_a_replay_store() {
    let action = fixtures::action;
    let cases = vec![
        case("already_used", move || {
            let bed = Testbed::new();
            let _ = bed.consume(fixtures::PASS, &action()).unwrap();
            codes(bed.consume(fixtures::PASS, &action()))
        }),
        case("replay_state_lost", move || {
            let bed = Testbed::new().with_replay(MemoryReplayStore::new(ReplayStart::restored(fixtures::seconds())));
            codes(bed.consume(fixtures::PASS, &action()))
        }),
        case("clock_behind", move || {
            // Marks are forgotten in parts, so many are made: one of them is in the part of the pass.
            let bed = Testbed::new();
            let _ = bed.consume(fixtures::PASS, &action()).unwrap();
            bed.clock().advance(Duration::from_secs(700));
            for number in 0..256_u32 {
                let mut claims = fixtures::pass_claims(&action());
                claims.jti = format!("ap_{:032x}", number + 1000).parse().unwrap();
                claims.iat = bed.clock().seconds();
                claims.nbf = claims.iat;
                claims.exp = claims.iat.saturating_add(600);
                let _ = bed
                    .consume(&tokens::sign(FixtureKey::ISSUER, &claims), &action())
                    .unwrap();
            }
            bed.clock().rewind(Duration::from_secs(700));
            codes(bed.consume(fixtures::PASS, &action()))
        }),
    ];
    all_seen(cases, ReplayCode::ALL.iter().map(|code| code.as_str()).collect());
}

fn authorized(bed: &Testbed, action: &BoundAction) -> Vec<String> {
    vec![outcome(bed.authorize(action))]
}

#[test]
fn every_code_of_an_issuer() {
    let demo = fixtures::demo_action;
    let cases = vec![
        case("caller_mismatch", move || {
            let action = demo();
            let mut caller = fixtures::caller(action.action());
            caller.actor.agent = Agent::parse("agent:other").unwrap();
            vec![outcome(Testbed::new().request(Request::new(&action, &caller)))]
        }),
        case("caller_not_served", move || {
            let bed =
                Testbed::new().with_config(|config| config.with_agents(vec![Agent::parse("agent:other").unwrap()]));
            authorized(&bed, &demo())
        }),
        case("member_names_collide", || {
            authorized(
                &Testbed::new(),
                &action_with("/capability/payload", json!({ "amount": 1, "Amount": 2 })),
            )
        }),
        case("facts_mismatch", move || {
            let facts = json!({
                "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-23T01:02:03.000Z",
                "actionHash": sha256(b"another"), "facts": {}
            });
            let facts = BoundFacts::admit(facts.to_string().as_bytes(), &Limits::default()).unwrap();
            vec![outcome(Testbed::new().authorize_with(&demo(), Some(&facts), &[]))]
        }),
        case("facts_stale", move || {
            let facts = json!({
                "schema": "actionpass.facts.v1", "source": "ci", "asOf": "2026-11-22T01:02:03.000Z", "facts": {}
            });
            let facts = BoundFacts::admit(facts.to_string().as_bytes(), &Limits::default()).unwrap();
            vec![outcome(Testbed::new().authorize_with(&demo(), Some(&facts), &[]))]
        }),
        case("audience_unknown", move || {
            let (action, audience) = (demo(), Audience::parse("other").unwrap());
            let caller = fixtures::caller(action.action());
            vec![outcome(
                Testbed::new().request(Request::new(&action, &caller).with_audience(&audience)),
            )]
        }),
        case("action_id_reused", || {
            let bed = Testbed::new();
            let _ = bed.authorize(&fixtures::action()).unwrap();
            authorized(&bed, &action_with("/capability/payload/base", json!("other")))
        }),
        case("action_already_issued", || {
            let bed = Testbed::new();
            let _ = bed.authorize(&fixtures::action()).unwrap();
            bed.clock().advance(Duration::from_secs(630));
            authorized(&bed, &fixtures::action())
        }),
        case("issued_before", || {
            let bed = Testbed::new();
            let _ = bed.authorize(&fixtures::action()).unwrap();
            reasons(&bed.authorize(&fixtures::action()).unwrap())
                .into_iter()
                .map(str::to_owned)
                .collect()
        }),
        case("approval_already_used", || {
            let bed = Testbed::new().with_policy(NeedsApprovals::new(1));
            let approval = [bed.approve(&demo_with_id("act_1"))];
            let _ = bed.authorize_with(&demo_with_id("act_1"), None, &approval).unwrap();
            let second = bed.authorize_with(&demo_with_id("act_2"), None, &approval).unwrap();
            reasons(&second)
                .into_iter()
                .filter(|code| *code != "approval_required")
                .map(str::to_owned)
                .collect()
        }),
        case("approval_not_relied_on", || {
            let bed = Testbed::new();
            let action = demo_with_id("act_1");
            let needless = [bed.approve(&action)];
            let _ = bed.authorize_with(&action, None, &needless).unwrap();
            let record: Value = serde_json::from_slice(&bed.records().unwrap()[0].json).unwrap();
            let offered = record["body"]["offered"][0]["codes"].as_array().unwrap();
            offered.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
        }),
        case("approval_state_lost", move || {
            let store = actionpass_store::MemoryDecisionStore::new(Testbed::log());
            store
                .restart(actionpass_store::ReplayStart::restored(
                    fixtures::now().to_unix_seconds(),
                ))
                .unwrap();
            let bed = Testbed::new().with_decisions(store);
            authorized(&bed, &demo_with_id("act_1"))
        }),
        case("too_many_approvals", move || {
            use actionpass_policy::{PolicyInput, Verdict};
            let bed = Testbed::new().with_policy(actionpass_testkit::policies::Scripted::new(
                "all",
                |input: &PolicyInput<'_>| {
                    let mut verdict = Verdict::allow(Vec::new(), Vec::new());
                    verdict.relied_on = input.grants().iter().map(|grant| grant.to_ref()).collect();
                    verdict
                },
            ));
            let approvals: Vec<_> = (0..9).map(|_| bed.approve(&demo())).collect();
            vec![outcome(bed.authorize_with(&demo(), None, &approvals))]
        }),
        case("signer_not_trusted", move || {
            authorized(&Testbed::new().with_signer(FixtureKey::STRANGER.signer()), &demo())
        }),
        case("signing_key_superseded", move || {
            let bed = Testbed::new();
            bed.trust().update(|trust| {
                retire(&mut trust.keys[0]);
                trust.keys[0].superseded_by = Some(FixtureKey::STRANGER.kid());
            });
            authorized(&bed, &demo())
        }),
        case("signing_key_retired", move || {
            let bed = Testbed::new();
            bed.trust().update(|trust| retire(&mut trust.keys[0]));
            authorized(&bed, &demo())
        }),
        case("signing_key_revoked", move || {
            let bed = Testbed::new();
            bed.trust().update(|trust| trust.keys[0].status = KeyStatus::Revoked);
            authorized(&bed, &demo())
        }),
        case("signing_key_not_for_tenant", move || {
            let bed = Testbed::new();
            let other = Tenant::parse("org:other").unwrap();
            bed.trust()
                .update(|trust| trust.keys[0].tenants = Tenants::Only(vec![other]));
            authorized(&bed, &demo())
        }),
        case("randomness_unavailable", move || {
            authorized(
                &Testbed::new().with_random(CountingRandom::running_out_after(0)),
                &demo(),
            )
        }),
        case("policy_changed", move || {
            use actionpass_model::{PolicyBody, PolicyChangeSchema, PolicyRef};
            let bed = Testbed::new();
            let policy = PolicyRef {
                id: "new".parse().unwrap(),
                digest: sha256(b"new"),
                rules: Vec::new(),
            };
            let id = "rec_01920000000070008000000000000001".parse().unwrap();
            let body = PolicyBody {
                schema: PolicyChangeSchema,
                policy,
            };
            let draft = actionpass_store::ledger::RecordDraft::new(id, fixtures::now(), &body).unwrap();
            let _ = actionpass_testkit::block_on(bed.decisions().append_one(draft)).unwrap();
            authorized(&bed, &demo())
        }),
        case("approval_declined", || {
            let bed = Testbed::new().with_requests().with_policy(NeedsApprovals::new(1));
            let asked = bed.authorize(&fixtures::action()).unwrap();
            let id = asked.request.unwrap().id;
            let no = bed.no(FixtureKey::APPROVER, fixtures::approver(), &id);
            let _ = bed.vote(&id, &no).unwrap();
            reasons(&bed.authorize(&fixtures::action()).unwrap())
                .into_iter()
                .map(str::to_owned)
                .collect()
        }),
        case("contention", move || {
            let bed = Testbed::new();
            bed.trust().change_after_looks(100);
            authorized(&bed, &demo())
        }),
    ];
    all_seen(cases, AuthorizeCode::ALL.iter().map(|code| code.as_str()).collect());
}
