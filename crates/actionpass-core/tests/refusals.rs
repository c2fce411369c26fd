//! What an issuer refuses although policy would allow it, and that each refusal is on record.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail their test"
)]

use std::sync::Arc;

use actionpass_canon::{BoundAction, Limits, canonicalize};
use actionpass_core::{Authorization, AuthorizeError, Authorizer, AuthorizerParts, InMemory, Request};
use actionpass_model::{
    Caller, Decision, Principal, Revocation, RevocationSchema, RevocationTarget, Timestamp, TrustStore,
};
use actionpass_policy::{EXAMPLE_ALLOW, RulePolicy, STARTER_POLICY};
use actionpass_store::{Ledger, MemoryDecisionStore};
use actionpass_verify::{FixedTrust, Trust};

/// Authorizes the example that policy allows, under a trust store that was changed, and counts the records.
fn under(change: impl FnOnce(&mut TrustStore), offered: usize) -> (Result<Authorization, AuthorizeError>, u64) {
    pollster::block_on(async {
        let plain = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY)
            .await
            .unwrap();
        let mut trust = TrustStore::new(Timestamp::parse("2026-11-23T01:02:03.000Z").unwrap());
        let believed = plain.issuer().administrator().trust().read().await.unwrap();
        trust.keys.push(believed.document.keys[0].clone());
        change(&mut trust);
        let trust = Trust::parse(canonicalize(&trust).unwrap().as_bytes()).unwrap();
        let config = plain.issuer().config();
        let store = Arc::new(MemoryDecisionStore::new(config.log().unwrap()));
        let parts = AuthorizerParts {
            signer: Arc::clone(plain.signer()),
            policy: Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()),
            trust: Arc::new(FixedTrust::new(Arc::new(trust))),
            store: Arc::clone(&store) as _,
        };
        let authorizer = Authorizer::builder(config, parts).build().await.unwrap();
        let action = BoundAction::admit(EXAMPLE_ALLOW.as_bytes(), &Limits::default()).unwrap();
        let caller = Caller::dangerously_from(action.action());
        let mut request = Request::new(&action, &caller);
        for _ in 0..offered {
            request = request.with_approval("not an approval");
        }
        let decided = authorizer.authorize(request).await;
        (decided, store.state().await.unwrap().head.size())
    })
}

fn revoking(principal: &str) -> impl FnOnce(&mut TrustStore) + use<> {
    let target = RevocationTarget::Principal(Principal::parse(principal).unwrap());
    move |trust| {
        trust.revocations.push(Revocation {
            schema: RevocationSchema,
            id: "rev_01920000000070008000000000000001".parse().unwrap(),
            target,
            reason: "left its lane".parse().unwrap(),
            revoked_by: "user:owner@example.com".parse().unwrap(),
            revoked_at: trust.updated_at,
            compromised_since: None,
            expires_at: None,
            ext: None,
        });
    }
}

fn denied(change: impl FnOnce(&mut TrustStore), code: &str) {
    let (decided, records) = under(change, 0);
    let decided = decided.unwrap();
    assert_eq!((decided.decision, records), (Decision::Deny, 1));
    assert!(decided.pass.is_none());
    assert_eq!(decided.reasons[0].code, code);
}

#[test]
fn nothing_is_changed_and_it_is_allowed() {
    let (decided, records) = under(|_| {}, 0);
    assert_eq!((decided.unwrap().decision, records), (Decision::Allow, 1));
}

#[test]
fn g07_an_expired_trust_store_allows_nothing() {
    denied(|trust| trust.expires_at = Some(trust.updated_at), "trust_expired");
}

#[test]
fn g07_a_revoked_principal_is_allowed_nothing_in_any_spelling() {
    for principal in [
        "agent:codex-prod",
        "agent:Codex-PROD",
        "user:owner@example.com",
        "runtime:codex-cli",
        "org:example",
        "org:EXAMPLE",
    ] {
        denied(revoking(principal), "principal_revoked");
    }
}

#[test]
fn junk_that_is_offered_doesnt_crowd_out_the_record() {
    let (decided, records) = under(revoking("agent:codex-prod"), 32);
    let decided = decided.unwrap();
    assert_eq!((decided.decision, records), (Decision::Deny, 1));
    let codes: Vec<&str> = decided.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["approval_malformed", "principal_revoked"]);

    let (refused, records) = under(|_| {}, 33);
    assert_eq!(
        (refused.unwrap_err().code().as_str(), records),
        ("too_many_approvals", 1)
    );
}
