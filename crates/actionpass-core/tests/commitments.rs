//! Salted commitments: what the ledger shows, and what the salt proves.

use std::sync::Arc;

use actionpass_canon::{BoundAction, Limits, canonicalize};
use actionpass_core::{Authorizer, AuthorizerParts, InMemory, IssuerConfig, Request};
use actionpass_crypto::SoftwareKey;
use actionpass_model::{Caller, DecisionBody, Digest, Document, Record};
use actionpass_policy::{EXAMPLE_ALLOW, RulePolicy, STARTER_POLICY};
use actionpass_store::{MemoryDecisionStore, SideKind};
use actionpass_verify::DocumentTrust;

#[test]
fn a_salted_record_opens_with_its_salt_only() {
    pollster::block_on(async {
        let local = InMemory::builder(
            "https://issuer.example".parse().unwrap(),
            "org:example".parse().unwrap(),
            Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()),
        )
        .with_config(IssuerConfig::with_salted_commitments)
        .build()
        .await
        .unwrap();
        let ledger = local.issuer().administrator().ledger();
        let action = BoundAction::admit(EXAMPLE_ALLOW.as_bytes(), &Limits::default()).unwrap();
        let caller = Caller::dangerously_from(action.action());
        let decided = local.authorize(Request::new(&action, &caller)).await.unwrap();

        let stored = ledger.read(decided.record.seq, 1).await.unwrap().remove(0);
        let record = Record::from_json(&stored.json).unwrap();
        let body: DecisionBody = serde_json::from_value(serde_json::Value::Object(record.body.into_inner())).unwrap();
        assert_ne!(body.payload_hash, action.payload_hash());
        assert!(
            !String::from_utf8(stored.json)
                .unwrap()
                .contains(&action.payload_hash().to_string())
        );

        let salt = ledger.side(decided.record.seq, SideKind::Salt).await.unwrap().unwrap();
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
    let refused = pollster::block_on(async {
        let plain = InMemory::new("https://issuer.example", "org:example", STARTER_POLICY)
            .await
            .unwrap();
        let config = plain.issuer().config();
        let parts = AuthorizerParts {
            signer: Arc::new(SoftwareKey::generate().unwrap()),
            policy: Arc::new(RulePolicy::load(STARTER_POLICY, "policy.toml").unwrap()),
            trust: Arc::new(DocumentTrust::new(Arc::clone(plain.issuer().administrator().trust()))),
            store: Arc::new(MemoryDecisionStore::new(config.log().unwrap())),
        };
        Authorizer::builder(config, parts).build().await
    });
    assert_eq!(refused.unwrap_err().code().as_str(), "signer_not_trusted");
}
