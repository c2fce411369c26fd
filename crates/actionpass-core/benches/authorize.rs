//! Authorizing, from an action's bytes to a decision that is recorded in memory, by what policy says.
//!
//! `cargo bench -p actionpass-core`. What this adds to the bare signature is judged by `cargo xtask bench`.
#![allow(missing_docs, reason = "what `criterion_group!` makes has no documentation")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that can't run stops")]

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{Approval, Clock, InMemory, Request, System};
use actionpass_crypto::SoftwareKey;
use actionpass_model::{Approver, Caller, Decision, Issuer, Statement};
use actionpass_policy::{EXAMPLE_ALLOW, EXAMPLE_DENY, EXAMPLE_STEP_UP, STARTER_POLICY};
use criterion::{Criterion, criterion_group, criterion_main};

const ISSUER: &str = "https://issuer.example";

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("neither a software key nor a store in memory waits"),
    }
}

fn admit(action: &str) -> BoundAction {
    BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap()
}

fn authorizing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("authorize");
    for (name, action, decision) in [
        ("allow", EXAMPLE_ALLOW, Decision::Allow),
        ("step_up", EXAMPLE_STEP_UP, Decision::StepUp),
        ("deny", EXAMPLE_DENY, Decision::Deny),
    ] {
        let issuer = ready(InMemory::new(ISSUER, "org:example", STARTER_POLICY)).unwrap();
        let caller = Caller::dangerously_from(admit(action).action());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let action = admit(black_box(action));
                let answer = ready(issuer.authorize(Request::new(&action, &caller))).unwrap();
                assert_eq!(answer.decision, decision);
                answer
            });
        });
    }
    group.finish();
}

fn approving(criterion: &mut Criterion) {
    let (action, key) = (admit(EXAMPLE_STEP_UP), SoftwareKey::generate().unwrap());
    let issuer = Issuer::parse(ISSUER).unwrap();
    let approver = Approver::parse("user:maintainer@example.com").unwrap();
    let approval = Approval::human(approver, Statement::parse("looked at it").unwrap());
    criterion.bench_function("approve", |bencher| {
        bencher.iter(|| {
            ready(
                approval
                    .clone()
                    .sign(black_box(&action), &issuer, &key, System.now().unwrap(), &System),
            )
            .unwrap()
        });
    });
}

criterion_group!(benches, authorizing, approving);
criterion_main!(benches);
