//! Salted commitments: what the ledger shows, and what the salt proves.

use std::sync::Arc;

use actionpass_canon::{BoundAction, Limits, canonicalize};
use actionpass_core::{Authorizer, InMemory, IssuerConfig, Request, System};
use actionpass_crypto::SoftwareKey;
use actionpass_model::{Caller, DecisionBody, Digest, Document, Record};
use actionpass_policy::{EXAMPLE_ALLOW, RulePolicy, STARTER_POLICY};
use actionpass_store::{Ledger, MemoryDecisionStore, SideKind};
use actionpass_verify::FixedTrust;

#[test]
fn a_salted_record_opens_with_its_salt_only() {
    pollster::block_on(async {
        let plain = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY).unwrap();
        let config = IssuerConfig::new(
            plain.authorizer().config().issuer().clone(),
            vec!["org:example".parse().unwrap()],
        )
        .with_salted_commitments();
        let store = Arc::new(MemoryDecisionStore::new(config.log().unwrap()));
        let authorizer = Authorizer::new(
            config,
            Arc::clone(plain.signer()),
            Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()),
            Arc::new(FixedTrust::new(Arc::clone(plain.trust()))),
            Arc::clone(&store) as _,
            Arc::new(System),
            Arc::new(System),
        )
        .await
        .unwrap();
        let action = BoundAction::admit(EXAMPLE_ALLOW.as_bytes(), &Limits::default()).unwrap();
        let caller = Caller::dangerously_from(action.action());
        let decided = authorizer.authorize(Request::new(&action, &caller)).await.unwrap();

        let stored = store.read(decided.record.seq, 1).await.unwrap().remove(0);
        let record = Record::from_json(&stored.json).unwrap();
        let body: DecisionBody = serde_json::from_value(serde_json::Value::Object(record.body.into_inner())).unwrap();
        assert_ne!(body.payload_hash, action.payload_hash());
        assert!(
            !String::from_utf8(stored.json)
                .unwrap()
                .contains(&action.payload_hash().to_string())
        );

        let salt = store.side(decided.record.seq, SideKind::Salt).await.unwrap().unwrap();
        let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        let opened = |hash: Digest| {
            canonicalize(&serde_json::json!({ "salt": salt, "hash": hash }))
                .unwrap()
                .digest()
        };
        assert_eq!(opened(action.payload_hash()), body.payload_hash);
        assert_eq!(opened(action.action_hash()), body.action_hash);
        assert_eq!(opened(action.context_hash()), body.context_hash);
        assert_eq!(body.commitment, Some(actionpass_model::Commitment::Salted));
    });
}

#[test]
fn a_fresh_key_is_not_believed() {
    let plain = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY).unwrap();
    let config = IssuerConfig::new(
        plain.authorizer().config().issuer().clone(),
        vec!["org:example".parse().unwrap()],
    );
    let store = Arc::new(MemoryDecisionStore::new(config.log().unwrap()));
    let refused = pollster::block_on(Authorizer::new(
        config,
        Arc::new(SoftwareKey::generate().unwrap()),
        Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()),
        Arc::new(FixedTrust::new(Arc::clone(plain.trust()))),
        store,
        Arc::new(System),
        Arc::new(System),
    ));
    assert_eq!(refused.unwrap_err().code().as_str(), "signer_not_trusted");
}
