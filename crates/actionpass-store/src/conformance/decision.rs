//! The clauses of the contract of [`DecisionStore`].

use std::sync::Arc;
use std::thread;

use actionpass_model::{Decision, ErasureBody, ErasureSchema};

use super::fixtures::{
    action, allow, approval, at, decision, decision_by, digest, draft, erased, log, policed, revoked, trust, trusted,
    used,
};
use super::{OpenDecisions, Suite};
use crate::ledger::{ChainVerifier, Head, SealedRecord};
use crate::{
    AppendOutcome, CommitOutcome, DecisionCommit, DecisionStore, LedgerState, SideKind, StoreCode, StoredRecord,
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
            other => fail(&other),
        }
    }

    fn append(&self, store: &dyn DecisionStore, draft: crate::ledger::RecordDraft) -> SealedRecord {
        match self.run(store.append(draft)).unwrap() {
            AppendOutcome::Appended(record) => record,
            other => fail(&other),
        }
    }

    fn state(&self, store: &dyn DecisionStore) -> LedgerState {
        self.run(store.state()).unwrap()
    }

    fn all(&self, store: &dyn DecisionStore) -> Vec<StoredRecord> {
        self.run(store.read(0, 10_000)).unwrap()
    }

    /// The log chains from its first record to its head.
    fn verify(&self, store: &dyn DecisionStore) -> Head {
        let mut verifier = ChainVerifier::new().with_log(log());
        for record in self.all(store) {
            assert_eq!(verifier.push(&record.json).unwrap().seq, record.seq);
        }
        let head = verifier.finish().unwrap().head;
        assert_eq!(head, self.state(store).head);
        head
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

#[expect(clippy::panic, reason = "a clause that doesn't hold fails its test")]
fn fail(outcome: &dyn std::fmt::Debug) -> ! {
    panic!("{outcome:?}")
}

/// A new store has an empty log and knows nothing.
pub fn a_new_log_is_empty(suite: &Decisions<'_>) {
    let store = suite.store();
    assert_eq!(
        suite.state(&store),
        LedgerState {
            head: Head::EMPTY,
            trust: None,
            policy: None
        }
    );
    assert_eq!(suite.all(&store), []);
    assert_eq!(suite.run(store.find(&action(1))).unwrap(), None);
    assert_eq!(suite.run(store.side(0, SideKind::Token)).unwrap(), None);
}

/// G9: the record that an allow is acknowledged with is the one in the log, and the pass is found by its action.
pub fn g09_a_commit_gives_its_record_and_is_found(suite: &Decisions<'_>) {
    let store = suite.store();
    let record = suite.committed(&store, allow(1));
    assert_eq!((record.seq(), record.head()), (0, suite.verify(&store)));
    assert_eq!(
        suite.all(&store),
        [StoredRecord {
            seq: 0,
            json: record.json().to_vec()
        }]
    );
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
        CommitOutcome::AlreadyIssued(Box::new(issued))
    );
    let other = DecisionCommit {
        action_hash: digest(2),
        ..allow(1)
    };
    assert_eq!(suite.refused(&store, other), CommitOutcome::IdReused);
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

/// A revocation has one record, and those without are named.
pub fn a_revocation_is_recorded_once(suite: &Decisions<'_>) {
    let store = suite.store();
    let record = suite.append(&store, revoked(1, 1, 2));
    let again = suite.run(store.append(revoked(2, 1, 2))).unwrap();
    assert_eq!(again, AppendOutcome::AlreadyRecorded(record.to_ref()));
    assert_eq!(suite.verify(&store).size(), 1);
    let id = |number: u64| format!("rev_{number:032x}").parse().unwrap();
    assert_eq!(
        suite.run(store.unrecorded(vec![id(3), id(1), id(2)])).unwrap(),
        [id(3), id(2)]
    );
    assert_eq!(suite.run(store.unrecorded(Vec::new())).unwrap(), []);
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

/// G11: the chain holds whatever the kinds of its records.
pub fn g11_records_of_every_kind_chain(suite: &Decisions<'_>) {
    let store = suite.store();
    let _ = suite.committed(&store, allow(1));
    for draft in [
        used(2),
        revoked(3, 1, 2),
        trusted(4, trust(3)),
        policed(5, 1),
        erased(6, vec![0]),
    ] {
        let _ = suite.append(&store, draft);
    }
    assert_eq!(suite.verify(&store).size(), 6);
}

/// Reading starts where it is told and stops at its limit or at the end.
pub fn records_are_read_in_pages(suite: &Decisions<'_>) {
    let store = suite.store();
    for number in 0..5 {
        let _ = suite.append(&store, used(number));
    }
    let seqs = |seq, limit| -> Vec<u64> {
        suite
            .run(store.read(seq, limit))
            .unwrap()
            .iter()
            .map(|record| record.seq)
            .collect()
    };
    assert_eq!(seqs(0, 2), [0, 1]);
    assert_eq!(seqs(3, 100), [3, 4]);
    assert_eq!(seqs(0, 0), [0; 0]);
    assert_eq!(seqs(5, 100), [0; 0]);
    assert_eq!(seqs(u64::MAX, usize::MAX), [0; 0]);
}

/// What a log doesn't take is an error, and the next record takes its place.
pub fn a_record_that_is_too_large_writes_nothing(suite: &Decisions<'_>) {
    let store = suite.store();
    let body = ErasureBody {
        schema: ErasureSchema,
        records: vec![1_000_000; 10_000],
        erased_by: "user:owner".parse().unwrap(),
        reason: "too much".parse().unwrap(),
        rules: Vec::new(),
    };
    let error = suite.run(store.append(draft(1, &body))).unwrap_err();
    assert_eq!(error.code(), StoreCode::RecordTooLarge);
    let large = DecisionCommit {
        record: draft(2, &body),
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

/// G11: 16 threads that append at once make one chain, in which everything acknowledged is.
pub fn g11_16_threads_append_to_one_chain(suite: &Decisions<'_>) {
    let store = suite.store();
    thread::scope(|scope| {
        for thread in 0..16_u64 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..8_u64 {
                    let _ = suite.append(store, used((thread << 8) | number));
                }
            });
        }
    });
    assert_eq!(suite.verify(&store).size(), 128);
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
        other => fail(&other),
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
    let recorded = suite.run(store.append(revoked(5, 1, 2))).unwrap();
    assert_eq!(recorded, AppendOutcome::AlreadyRecorded(revocation.to_ref()));
    let _ = suite.append(&store, used(6));
    assert_eq!(suite.verify(&store).size(), 4);
}

/// G11: two handles on one store append to one chain and see what the other did.
pub fn g11_two_handles_write_one_chain(suite: &Decisions<'_>) {
    let (one, other) = (suite.store(), suite.store());
    thread::scope(|scope| {
        for (store, first) in [(&one, 0_u64), (&other, 100)] {
            scope.spawn(move || {
                for number in first..first.saturating_add(20) {
                    let _ = suite.append(store, used(number));
                }
            });
        }
    });
    assert_eq!(suite.verify(&one), suite.verify(&other));
    assert_eq!(suite.state(&one).head.size(), 40);
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
