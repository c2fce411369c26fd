//! G9: no record, no pass.

use std::sync::Arc;
use std::time::Duration;

use actionpass_model::{Decision, Reason};
use actionpass_policy::{PolicyInput, ReasonCode, Verdict};
use actionpass_store::{MemoryDecisionStore, StoreCode};
use actionpass_testkit::policies::{Scripted, rule};
use actionpass_testkit::stores::{Flaky, LosingStore, Moment, RefusingStore, StallingStore};
use actionpass_testkit::{Testbed, fixtures};
use serde_json::json;

use crate::common::{Checked, at_once, demo_with_id, failure, recorded, records};

/// Every pass that is given out stands in the ledger, and the ledger is whole.
fn passes_are_recorded(bed: &Testbed) -> Checked {
    let mut passes = Vec::new();
    for number in 0..4 {
        let authorization = bed
            .authorize(&demo_with_id(&format!("act_{number}")))
            .map_err(|error| error.to_string())?;
        let pass = authorization.pass.ok_or("no pass")?;
        let verified = bed
            .verify(&pass.token, &fixtures::demo_action())
            .map_err(|refusal| refusal.to_string())?;
        passes.push((
            json!(pass.id),
            json!(verified.token_hash()),
            json!(authorization.record.ledger_hash),
        ));
    }
    bed.verify_ledger().map_err(|error| error.to_string())?;
    let records = records(bed);
    for (id, token_hash, ledger_hash) in passes {
        let found = records.iter().any(|record| {
            let pass = &record.body.get()["pass"];
            pass["id"] == id && pass["tokenHash"] == token_hash && json!(record.ledger_hash) == ledger_hash
        });
        if !found {
            return Err(format!("{id} isn't in the ledger"));
        }
    }
    Ok(())
}

#[test]
fn g09_every_pass_is_in_the_ledger() {
    assert_eq!(passes_are_recorded(&Testbed::new()), Ok(()));
}

#[test]
fn g09_the_check_finds_a_store_that_loses_writes() {
    let losing = Testbed::new().with_decisions(LosingStore::new(Testbed::log()));
    assert!(passes_are_recorded(&losing).is_err());
}

#[test]
fn g09_a_store_that_refuses_yields_no_pass() {
    for code in StoreCode::ALL {
        let bed = Testbed::new().with_decisions(RefusingStore(*code));
        assert_eq!(failure(bed.authorize(&fixtures::demo_action())), code.as_str());
    }
}

#[test]
fn g09_a_store_that_stalls_yields_no_pass() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    let bed = Testbed::new().with_decisions(StallingStore);
    let (authorizer, action) = (bed.authorizer().unwrap(), fixtures::demo_action());
    let caller = fixtures::caller(action.action());
    let mut waiting = pin!(authorizer.authorize(actionpass_core::Request::new(&action, &caller)));
    for _ in 0..3 {
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn g09_a_store_that_answers_too_late_yields_no_pass() {
    let bed = Testbed::new()
        .with_decisions(StallingStore)
        .with_config(|config| config.with_store_timeout(Duration::from_millis(20)));
    assert_eq!(failure(bed.authorize(&fixtures::demo_action())), "store_unavailable");
}

/// Whichever call fails, and whether before or after the write: nobody ever holds a pass that isn't recorded, and
/// asking again gives one pass.
#[test]
fn g09_whichever_write_fails() {
    let mut failures = 0;
    for moment in [Moment::Before, Moment::After] {
        for fails in 1..8 {
            let store = Arc::new(Flaky::new(MemoryDecisionStore::new(Testbed::log()), fails, moment));
            let bed = Testbed::new().with_decisions(Arc::clone(&store));
            let action = demo_with_id("act_1");
            match bed.authorize(&action) {
                Ok(authorization) => assert!(authorization.pass.is_some() && store.calls() < fails),
                Err(error) => {
                    failures += 1;
                    assert_eq!(error.code(), "store_unavailable");
                }
            }
            let again = bed
                .authorize(&action)
                .unwrap_or_else(|_| bed.authorize(&action).unwrap());
            assert_eq!(again.decision, Decision::Allow);
            let allows = recorded_in(&store)
                .into_iter()
                .filter(|decision| decision == "allow")
                .count();
            assert_eq!(allows, 1, "call {fails}, {moment:?}");
        }
    }
    assert!(failures >= 4, "only {failures} calls failed");
}

fn recorded_in(store: &Arc<Flaky<MemoryDecisionStore>>) -> Vec<String> {
    use actionpass_store::Ledger;
    let records = actionpass_testkit::block_on(store.inner().read(0, 1000)).unwrap();
    let decisions = records.iter().map(|record| record.to_record().unwrap());
    decisions
        .map(|record| record.body.get()["decision"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn g09_a_record_that_is_too_large_yields_no_pass() {
    let verbose = |_: &PolicyInput<'_>| {
        let path = "payload.".to_owned() + &"x".repeat(1000);
        Verdict::allow(
            vec![rule()],
            vec![Reason::new(ReasonCode::RuleAllowed).with_path(&path); 70],
        )
    };
    let bed = Testbed::new().with_policy(Scripted::new("verbose", verbose));
    assert_eq!(failure(bed.authorize(&fixtures::demo_action())), "record_too_large");
    assert_eq!(
        recorded(&bed),
        [("deny".to_owned(), vec!["record_too_large".to_owned()])]
    );
}

#[test]
fn g09_many_at_once_make_one_chain() {
    let bed = Testbed::new();
    let tokens = at_once(16, |index| {
        bed.authorize(&demo_with_id(&format!("act_{index}")))
            .unwrap()
            .pass
            .unwrap()
            .id
    });
    assert_eq!(tokens.into_iter().collect::<std::collections::HashSet<_>>().len(), 16);
    assert_eq!(bed.verify_ledger().unwrap().head.size(), 16);
}
