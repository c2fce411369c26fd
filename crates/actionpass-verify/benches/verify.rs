//! Verifying a pass, what it is made of, and what refusing costs.
//!
//! `cargo bench -p actionpass-verify`. What this adds to the bare signature check is judged by `cargo xtask bench`.
#![allow(missing_docs, reason = "what `criterion_group!` makes has no documentation")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a benchmark that can't run stops"
)]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actionpass_canon::{BoundAction, BoundFacts, Limits, admit, binding_hash};
use actionpass_crypto::{Signer, SoftwareKey, sign_document};
use actionpass_model::{
    Audience, Canon, ClaimsVersion, DEMO_ACTION, Digest, Issuer, PassClaims, PassId, PassTerms, PolicyId, PolicyRef,
    Resource, SignedDocument, Tenant, Tool, UnixSeconds,
};
use actionpass_store::{MemoryReplayStore, ReplayStart};
use actionpass_verify::{Call, Trust, Verifier};
use criterion::{Criterion, criterion_group, criterion_main};

const ISSUER: &str = "https://issuer.example";
const TOOL: &str = "github.pull_requests.create";
const NOW: u64 = 1_795_000_000;

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("neither a software key nor a store in memory waits"),
    }
}

fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

/// The claims of a pass for an action, as an issuer writes them.
fn claims(action: &BoundAction, number: u64) -> PassClaims {
    let head = action.action();
    PassClaims {
        iss: Issuer::parse(ISSUER).unwrap(),
        sub: head.actor.agent.clone(),
        aud: head.capability.tool.default_audience(),
        iat: at(NOW),
        nbf: at(NOW),
        exp: at(NOW + 600),
        jti: PassId::parse(&format!("ap_019200000000700080{number:014x}")).unwrap(),
        actionpass: PassTerms {
            v: ClaimsVersion,
            tenant: head.tenant.clone(),
            human_owner: head.actor.human_owner.clone(),
            runtime: head.actor.runtime.clone(),
            via: head.actor.via.clone(),
            task: head.intent.task.clone(),
            tool: head.capability.tool.clone(),
            resource: head.capability.resource.clone(),
            server: None,
            definition_hash: None,
            action_id: "act_01920000000070008000000000000001".parse().unwrap(),
            action_hash: action.action_hash(),
            payload_hash: action.payload_hash(),
            context_hash: action.context_hash(),
            facts_hash: BoundFacts::none().hash(),
            canon: Canon,
            policy: PolicyRef {
                id: PolicyId::parse("starter").unwrap(),
                digest: Digest::ZERO,
                rules: vec!["github.pr.tested".parse().unwrap()],
            },
            obligations: Vec::new(),
            approvals: Vec::new(),
            ext: None,
        },
    }
}

fn trust(key: &SoftwareKey) -> Trust {
    let public = key.public_key();
    let store = serde_json::json!({
        "schema": "actionpass.trust.v1", "version": 1,
        "updatedAt": "2026-11-18T00:00:00.000Z", "revocationsAsOf": "2026-11-18T00:00:00.000Z",
        "keys": [{ "kid": public.kid(), "jwk": public.to_jwk(), "alg": "ES256", "use": "pass", "issuer": ISSUER,
                   "roles": [], "tenants": ["org:example"], "status": "active" }],
        "revocations": []
    });
    Trust::parse(store.to_string().as_bytes()).unwrap()
}

fn verifying(criterion: &mut Criterion) {
    let key = SoftwareKey::generate().unwrap();
    let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
    let pass = claims(&action, 1);
    let token = ready(sign_document(&key, &pass)).unwrap().into_string();
    let foreign = ready(sign_document(&SoftwareKey::generate().unwrap(), &pass))
        .unwrap()
        .into_string();
    let payload = action.payload().as_bytes();
    let (tool, resource) = (
        Tool::parse(TOOL).unwrap(),
        Resource::parse("repo:company/web-app").unwrap(),
    );
    let changed = admit(br#"{"repo":"company/infra"}"#, &Limits::default()).unwrap();
    let trust = trust(&key);
    let verifier = Verifier::new(
        Issuer::parse(ISSUER).unwrap(),
        Audience::parse(TOOL).unwrap(),
        Tenant::parse("org:example").unwrap(),
    );
    let now = at(NOW + 1);

    let mut group = criterion.benchmark_group("verify");
    group.bench_function("the whole action", |bencher| {
        bencher.iter(|| {
            verifier
                .verify(black_box(&token), &Call::action(&action), &trust, now)
                .unwrap()
        });
    });
    group.bench_function("tool, resource and payload bytes", |bencher| {
        bencher.iter(|| {
            let payload = admit(black_box(payload), &Limits::default()).unwrap();
            let call = Call::new(&tool, &resource, &payload);
            verifier.verify(black_box(&token), &call, &trust, now).unwrap()
        });
    });
    group.bench_function("refuse another payload", |bencher| {
        let call = Call::new(&tool, &resource, &changed);
        bencher.iter(|| verifier.verify(black_box(&token), &call, &trust, now).unwrap_err());
    });
    group.bench_function("refuse a foreign key", |bencher| {
        bencher.iter(|| {
            verifier
                .verify(black_box(&foreign), &Call::action(&action), &trust, now)
                .unwrap_err()
        });
    });
    group.finish();

    let text = pass.to_claims().unwrap();
    let mut group = criterion.benchmark_group("parts of verify");
    group.bench_function("read the claims", |bencher| {
        bencher.iter(|| PassClaims::from_claims(black_box(&text)).unwrap());
    });
    group.bench_function("rebuild the action hash", |bencher| {
        bencher.iter(|| binding_hash(&black_box(&pass).actionpass.binding(&pass.sub)).unwrap());
    });
    group.finish();
}

fn consuming(criterion: &mut Criterion) {
    let key = SoftwareKey::generate().unwrap();
    let action = BoundAction::admit(DEMO_ACTION.as_bytes(), &Limits::default()).unwrap();
    let trust = trust(&key);
    let verifier = Verifier::new(
        Issuer::parse(ISSUER).unwrap(),
        Audience::parse(TOOL).unwrap(),
        Tenant::parse("org:example").unwrap(),
    );
    let store = MemoryReplayStore::new(ReplayStart::first(at(NOW)));
    let mut number = 1;
    criterion.bench_function("consume, store in memory", |bencher| {
        bencher.iter_batched(
            || {
                number += 1;
                ready(sign_document(&key, &claims(&action, number)))
                    .unwrap()
                    .into_string()
            },
            |token| ready(verifier.consume(&token, &Call::action(&action), &trust, at(NOW + 1), &store)).unwrap(),
            criterion::BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, verifying, consuming);
criterion_main!(benches);
