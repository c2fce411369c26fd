//! The clauses of the contract of [`DecisionStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::{ApprovalRef, Decision};

use super::fixtures::{
    action, allow, approval, at, decision, decision_by, digest, erased, log, policed, revoked, trust, trusted, used,
};
use super::ledger::too_large;
use super::{OpenDecisions, Suite};
use crate::ledger::SealedRecord;
use crate::{
    AppendOutcome, Batch, CommitOutcome, DecisionCommit, DecisionStore, Known, Ledger, LedgerExt, LookUp, SideKind,
    StoreCode, StoredRecord, TrustRange,
};

type Decisions<'a> = Suite<'a, OpenDecisions<'a>>;

impl Decisions<'_> {
    fn store(&self) -> Arc<dyn DecisionStore> {
        (self.open)(self.folder.path(), &log())
    }

    fn commit(&self, store: &dyn DecisionStore, commit: DecisionCommit) -> CommitOutcome {
        self.run(store.commit(commit)).unwrap()
    }

    fn committed(&self, store: &dyn DecisionStore, commit: DecisionCommit) -> SealedRecord {
        match self.commit(store, commit) {
            CommitOutcome::Committed(record) => record,
            other => super::fail(&other),
        }
    }

    /// What `commit` refuses leaves the log as it was.
    fn refused(&self, store: &dyn DecisionStore, commit: DecisionCommit) -> CommitOutcome {
        let before = self.state(store);
        let outcome = self.commit(store, commit);
        assert!(!matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
        assert_eq!(self.state(store), before);
        assert_eq!(self.all(store).len() as u64, before.head.size());
        outcome
    }
}

/// A new store has decided nothing.
pub fn nothing_is_found_in_a_new_store(suite: &Decisions<'_>) {
    let store = suite.store();
    assert_eq!(suite.run(store.find(&action(1))).unwrap(), None);
}

/// G9: the record that an allow is acknowledged with is the one in the log, and the pass is found by its action.
pub fn g09_a_commit_gives_its_record_and_is_found(suite: &Decisions<'_>) {
    let store = suite.store();
    let record = suite.committed(&store, allow(1));
    assert_eq!((record.seq(), record.head()), (0, suite.verify(&store)));
    assert_eq!(suite.all(&store), [StoredRecord::new(0, record.json().to_vec())]);
    let issued = suite.run(store.find(&action(1))).unwrap().unwrap();
    assert_eq!(issued.record, record.to_ref());
    assert_eq!(issued.token.as_deref(), Some("token.of.1"));
    assert_eq!((issued.action_hash, issued.expires_at), (digest(1), at(600)));
    assert_eq!(issued.audience.as_str(), "github-executor");
    assert_eq!(
        suite.run(store.side(0, SideKind::Payload)).unwrap().as_deref(),
        Some(&b"{}"[..])
    );
    assert_eq!(suite.run(store.side(0, SideKind::Salt)).unwrap(), None);
}

/// After a deny the same id is judged afresh, also for another action.
pub fn only_an_allow_is_final(suite: &Decisions<'_>) {
    let store = suite.store();
    for kind in [Decision::Deny, Decision::StepUp, Decision::Deny] {
        let _ = suite.committed(&store, decision(1, kind, Vec::new()));
        assert_eq!(suite.run(store.find(&action(1))).unwrap(), None);
    }
    let other = DecisionCommit {
        action_hash: digest(2),
        ..allow(1)
    };
    assert_eq!(suite.committed(&store, other).seq(), 3);
    assert_eq!(suite.verify(&store).size(), 4);
}

/// After an allow the same id and action give that allow, and another action of the same id gives nothing.
pub fn an_allow_is_given_once(suite: &Decisions<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, allow(1));
    let issued = suite.run(store.find(&action(1))).unwrap().unwrap();
    assert_eq!(
        suite.refused(&store, allow(1)),
        CommitOutcome::AlreadyIssued(Box::new(issued.clone()))
    );
    let denied = decision(1, Decision::Deny, Vec::new());
    assert_eq!(
        suite.refused(&store, denied),
        CommitOutcome::AlreadyIssued(Box::new(issued.clone()))
    );
    let other = DecisionCommit {
        action_hash: digest(2),
        ..allow(1)
    };
    assert_eq!(
        suite.refused(&store, other),
        CommitOutcome::AlreadyIssued(Box::new(issued.clone()))
    );
    assert_eq!(
        (issued.is_of(digest(1)), issued.is_of(digest(2))),
        (Some(true), Some(false))
    );
}

/// Another agent's or tenant's id is another id.
pub fn ids_are_scoped_by_tenant_and_agent(suite: &Decisions<'_>) {
    let store = suite.store();
    let mut agent = allow(1);
    agent.action.agent = "agent:other".parse().unwrap();
    let mut tenant = allow(1);
    tenant.action.tenant = "org:other".parse().unwrap();
    for commit in [allow(1), agent, tenant] {
        let key = commit.action.clone();
        let record = suite.committed(&store, commit);
        assert_eq!(suite.run(store.find(&key)).unwrap().unwrap().record, record.to_ref());
    }
}

/// Ids of actions are the callers' to choose: two that differ in anything are two, whatever a store makes of them.
pub fn ids_that_differ_in_anything_differ(suite: &Decisions<'_>) {
    let store = suite.store();
    let ours = format!("act_{:032x}", 0x0192_0000_0000_u128);
    let longest = "x".repeat(128);
    let texts = [
        "run-7",
        "run-07",
        "RUN-7",
        "act_7",
        "act_07",
        "act_a",
        "act_A",
        &ours,
        &ours[4..],
        &longest,
    ];
    let mut found = Vec::new();
    for (number, text) in (1..).zip(texts) {
        let mut commit = decision(number, Decision::Allow, vec![]);
        commit.action.action = text.parse().unwrap();
        let key = commit.action.clone();
        assert_eq!(suite.run(store.find(&key)).unwrap(), None, "{text}");
        let record = suite.committed(&store, commit).to_ref();
        found.push((key, record));
    }
    for (key, record) in found {
        assert_eq!(suite.run(store.find(&key)).unwrap().unwrap().record, record);
    }
}

/// G5: which approvals are used can be asked, by approver and id; a refused commit uses none.
pub fn g05_used_approvals_are_told(suite: &Decisions<'_>) {
    let store = suite.store();
    let (first, second, third) = (
        approval("user:ann", 1),
        approval("user:ann", 2),
        approval("user:ann", 3),
    );
    let others = approval("user:bob", 1);
    let told = |approvals: &[&ApprovalRef]| {
        let asked = approvals.iter().map(|approval| (*approval).clone()).collect();
        suite.run(store.used_approvals(asked)).unwrap()
    };
    assert_eq!(told(&[&first, &second]), []);
    let commit = decision(1, Decision::Allow, vec![first.clone(), third.clone()]);
    let _ = suite.committed(&store, commit);
    let refused = decision(2, Decision::Allow, vec![second.clone(), first.clone()]);
    assert_eq!(
        suite.refused(&store, refused),
        CommitOutcome::ApprovalUsed(first.clone())
    );
    assert_eq!(
        told(&[&others, &third, &second, &first]),
        [third.clone(), first.clone()]
    );
    assert_eq!(told(&[]), []);
}

/// One question is answered in one step, and only what was asked.
pub fn a_look_up_answers_what_was_asked(suite: &Decisions<'_>) {
    let store = suite.store();
    let (used, unused) = (approval("user:ann", 1), approval("user:ann", 2));
    let asked = || vec![unused.clone(), used.clone()];
    let whole = || LookUp::new().of_action(action(1)).of_approvals(asked());
    let look_up = |question| suite.run(store.look_up(question)).unwrap();
    assert_eq!(look_up(whole()), Known::new(suite.state(&store)));

    let commit = decision(1, Decision::Allow, vec![used.clone()]);
    let record = suite.committed(&store, commit);
    let known = look_up(whole());
    assert_eq!(known.state, suite.state(&store));
    assert_eq!(known.state.head, record.head());
    assert_eq!(known.issued.map(|issued| issued.record), Some(record.to_ref()));
    assert_eq!(known.used, [used]);
    assert_eq!(look_up(LookUp::new()), Known::new(known.state));
    assert_eq!(look_up(LookUp::new().of_action(action(2))), Known::new(known.state));
}

/// G5: an approval serves once, and is named by its approver as well.
pub fn g05_an_approval_is_used_once(suite: &Decisions<'_>) {
    let store = suite.store();
    let (first, second) = (approval("user:ann", 1), approval("user:ann", 2));
    let _ = suite.committed(&store, decision(1, Decision::Allow, vec![first.clone()]));

    let again = decision(2, Decision::Allow, vec![second.clone(), first.clone()]);
    assert_eq!(suite.refused(&store, again), CommitOutcome::ApprovalUsed(first));
    let twice = decision(2, Decision::Allow, vec![second.clone(), second.clone()]);
    assert_eq!(
        suite.refused(&store, twice),
        CommitOutcome::ApprovalUsed(second.clone())
    );
    // Neither refusal has used the second one up, and somebody else's approval may have the same id.
    let _ = suite.committed(
        &store,
        decision(2, Decision::Allow, vec![second, approval("user:bob", 1)]),
    );
    // A decision that is no allow uses nothing.
    let _ = suite.committed(&store, decision(3, Decision::Deny, Vec::new()));
}

/// An allow can't rely on an older trust store than the newest known, nor on another one of the same version.
pub fn an_older_trust_store_is_refused(suite: &Decisions<'_>) {
    let store = suite.store();
    let by = |number, evidence| decision_by(number, Decision::Allow, Vec::new(), evidence, 1);
    let _ = suite.committed(&store, by(1, trust(5)));
    assert_eq!(suite.state(&store).trust, Some(trust(5)));
    assert_eq!(
        suite.refused(&store, by(2, trust(4))),
        CommitOutcome::TrustChanged(trust(5))
    );

    let mut forged = trust(5);
    forged.digest = digest(99);
    assert_eq!(
        suite.refused(&store, by(2, forged)),
        CommitOutcome::TrustChanged(trust(5))
    );
    let _ = suite.committed(&store, by(2, trust(5)));

    let _ = suite.append(&store, revoked(3, 1, 6));
    assert_eq!(
        suite.refused(&store, by(4, trust(5))),
        CommitOutcome::TrustChanged(trust(6))
    );
    let _ = suite.append(&store, trusted(4, trust(7)));
    assert_eq!(
        suite.refused(&store, by(5, trust(6))),
        CommitOutcome::TrustChanged(trust(7))
    );
    // A record that comes late doesn't make an old one the newest, and a deny is recorded whatever it relied on.
    let _ = suite.append(&store, revoked(6, 2, 3));
    let _ = suite.committed(&store, decision_by(7, Decision::Deny, Vec::new(), trust(2), 1));
    assert_eq!(suite.state(&store).trust, Some(trust(7)));
}

/// An allow relies on the policy recorded last, once one was recorded.
pub fn another_policy_is_refused(suite: &Decisions<'_>) {
    let store = suite.store();
    let by = |number, policy| decision_by(number, Decision::Allow, Vec::new(), trust(1), policy);
    let _ = suite.committed(&store, by(1, 1));
    let _ = suite.append(&store, policed(2, 2));
    assert_eq!(suite.state(&store).policy, Some(digest(2)));
    assert_eq!(suite.refused(&store, by(3, 1)), CommitOutcome::PolicyChanged(digest(2)));
    let _ = suite.committed(&store, by(3, 2));
    let _ = suite.committed(&store, decision_by(4, Decision::Deny, Vec::new(), trust(1), 1));
}

/// That a decision relied on a trust store doesn't say that its revocations are in the log.
pub fn a_decision_never_moves_the_watermark(suite: &Decisions<'_>) {
    let store = suite.store();
    for (number, kind) in [(1, Decision::Allow), (2, Decision::Deny), (3, Decision::StepUp)] {
        let _ = suite.committed(&store, decision_by(number, kind, Vec::new(), trust(9), 1));
    }
    assert_eq!(suite.state(&store).trust, Some(trust(9)));
    assert_eq!(suite.state(&store).reconciled, 0);
    let batch = Batch::of(revoked(4, 1, 9)).with_reconciled(TrustRange { after: 0, to: 9 });
    assert_eq!(suite.run(store.append(batch)).unwrap().len(), 1);
    let _ = suite.committed(&store, decision_by(5, Decision::Allow, Vec::new(), trust(10), 1));
    assert_eq!(suite.state(&store).reconciled, 9);
}

/// Erasing takes payload and token, leaves the records, and leaves the action allowed once.
pub fn erasing_side_data_leaves_the_chain(suite: &Decisions<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, allow(1));
    let _ = suite.committed(&store, allow(2));
    let _ = suite.append(&store, erased(3, vec![0, 77]));
    for kind in [SideKind::Payload, SideKind::Token] {
        assert_eq!(suite.run(store.side(0, kind)).unwrap(), None);
        assert!(suite.run(store.side(1, kind)).unwrap().is_some());
    }
    let issued = suite.run(store.find(&action(1))).unwrap().unwrap();
    assert_eq!(issued.token, None);
    assert_eq!(
        suite.refused(&store, allow(1)),
        CommitOutcome::AlreadyIssued(Box::new(issued))
    );
    assert_eq!(suite.verify(&store).size(), 3);
}

/// G11: decisions and other records make one chain.
pub fn g11_decisions_chain_with_other_records(suite: &Decisions<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, allow(1));
    for draft in [used(2), erased(3, vec![0])] {
        let _ = suite.append(&store, draft);
    }
    let _ = suite.committed(&store, allow(4));
    assert_eq!(suite.verify(&store).size(), 4);
}

/// A decision whose record a log doesn't take uses nothing up, and the next record takes its place.
pub fn a_decision_that_is_too_large_writes_nothing(suite: &Decisions<'_>) {
    let store = suite.store();
    let large = DecisionCommit {
        record: too_large(1),
        ..decision(2, Decision::Allow, vec![approval("user:ann", 1)])
    };
    assert_eq!(
        suite.run(store.commit(large)).unwrap_err().code(),
        StoreCode::RecordTooLarge
    );
    let commit = decision(2, Decision::Allow, vec![approval("user:ann", 1)]);
    assert_eq!(suite.committed(&store, commit).seq(), 0);
}

/// G5: of 16 decisions at once that rely on one approval, one is made.
pub fn g05_of_16_threads_one_uses_an_approval(suite: &Decisions<'_>) {
    let store = suite.store();
    let outcomes = at_once(suite, &store, |number| {
        decision(number, Decision::Allow, vec![approval("user:ann", 1)])
    });
    let used = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, CommitOutcome::ApprovalUsed(_)))
        .count();
    assert_eq!((used, suite.verify(&store).size()), (15, 1));
}

/// Of 16 decisions at once for one action, one is made, and the others give its pass.
pub fn of_16_threads_one_gets_the_pass(suite: &Decisions<'_>) {
    let store = suite.store();
    let outcomes = at_once(suite, &store, |_| allow(1));
    let issued = suite.run(store.find(&action(1))).unwrap().unwrap();
    let expected = CommitOutcome::AlreadyIssued(Box::new(issued));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == expected).count(), 15);
    assert_eq!(suite.verify(&store).size(), 1);
}

/// Dropping a commit after its first poll leaves all of it or nothing.
pub fn a_dropped_commit_is_done_or_not_done(suite: &Decisions<'_>) {
    let store = suite.store();
    let mine = approval("user:ann", 1);
    suite.run(async {
        let mut commit = store.commit(decision(1, Decision::Allow, vec![mine.clone()]));
        std::future::poll_fn(|context| {
            let _ = commit.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    });
    // What comes after it in the store's own order shows what became of it.
    let outcome = suite.commit(&store, decision(2, Decision::Allow, vec![mine.clone()]));
    let issued = suite.run(store.find(&action(1))).unwrap();
    match outcome {
        CommitOutcome::ApprovalUsed(used) => {
            assert_eq!((used, issued.map(|issued| issued.record.seq)), (mine, Some(0)))
        }
        CommitOutcome::Committed(record) => assert_eq!((record.seq(), issued), (0, None)),
        other => super::fail(&other),
    }
    let _ = suite.verify(&store);
}

/// G10: everything that was acknowledged is there when the store is opened again.
pub fn g10_what_was_acknowledged_is_there_after_opening_again(suite: &Decisions<'_>) {
    let mine = approval("user:ann", 1);
    let store = suite.store();
    let _ = suite.committed(&store, decision(1, Decision::Allow, vec![mine.clone()]));
    let revocation = suite.append(&store, revoked(2, 1, 2));
    let _ = suite.append(&store, policed(3, 1));
    let (state, issued) = (suite.state(&store), suite.run(store.find(&action(1))).unwrap());
    let records = suite.all(&store);
    drop(store);

    let store = suite.store();
    assert_eq!(suite.state(&store), state);
    assert_eq!(suite.all(&store), records);
    assert_eq!(suite.run(store.find(&action(1))).unwrap(), issued);
    let again = decision_by(4, Decision::Allow, vec![mine.clone()], trust(2), 1);
    assert_eq!(suite.refused(&store, again), CommitOutcome::ApprovalUsed(mine));
    let recorded = suite.run(store.append_one(revoked(5, 1, 2))).unwrap();
    assert_eq!(recorded, AppendOutcome::AlreadyRecorded(revocation.to_ref()));
    let _ = suite.append(&store, used(6));
    assert_eq!(suite.verify(&store).size(), 4);
}

/// Two handles on one store see what the other decided.
pub fn two_handles_see_one_state(suite: &Decisions<'_>) {
    let (one, other) = (suite.store(), suite.store());
    let _ = suite.committed(&one, allow(1));
    assert!(matches!(
        suite.refused(&other, allow(1)),
        CommitOutcome::AlreadyIssued(_)
    ));
}

/// Commits 16 decisions at once and gives the outcomes.
fn at_once(
    suite: &Decisions<'_>,
    store: &Arc<dyn DecisionStore>,
    commit: impl Fn(u64) -> DecisionCommit + Sync,
) -> Vec<CommitOutcome> {
    thread::scope(|scope| {
        let commit = &commit;
        let threads: Vec<_> = (0..16)
            .map(|number| scope.spawn(move || suite.commit(store, commit(number))))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
