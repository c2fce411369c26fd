//! A store whose first records are taken out now and then, beside a twin that keeps them all: nobody who asks can tell.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail their test"
)]

use actionpass_model::{ArchivedRows, Decision, Digest, VoteKind};
use actionpass_store::conformance::requests::{self, opens, settles, votes};
use actionpass_store::conformance::{Archivable, TempFolder, block_on, fixtures};
use actionpass_store::ledger::{ChainVerifier, Head, LedgerVerifier};
use actionpass_store::{
    AppendOutcome, Archive, ArchiveOutcome, ChangeOutcome, CommitOutcome, DecisionCommit, Ledger, LedgerExt,
    MemoryDecisionStore, ReplayStart, Reported, Resign, StoreCode, StoreError, StoredRecord, StoredRequest, UseStore,
    UsedUp,
};
use actionpass_store_sqlite::SqliteStore;
use proptest::prelude::*;

/// So many actions, passes, approvals, requests and revocations there are, each of which comes again.
const EACH: u64 = 4;
/// What the numbers of actions that wait begin with.
const WAITS: u64 = 20;

#[derive(Clone, Debug)]
enum Op {
    Allow(u64, Option<u64>),
    Deny(u64),
    Use(u64),
    Report(u64, bool),
    Revoke(u64),
    Open(u64),
    Vote(u64, u64),
    Settle(u64, u64),
    /// The side data of the first records, so many of 8 parts.
    Erase(u64),
    /// The first records that are there, so many of 8 parts.
    Archive(u64),
    /// The signed head that it begins at, replaced.
    Resign,
    Sweep(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let one = 0..EACH;
    prop_oneof![
        4 => (one.clone(), prop::option::of(0..EACH)).prop_map(|(action, approval)| Op::Allow(action, approval)),
        1 => one.clone().prop_map(Op::Deny),
        2 => one.clone().prop_map(Op::Use),
        2 => (one.clone(), any::<bool>()).prop_map(|(pass, is_executed)| Op::Report(pass, is_executed)),
        2 => one.clone().prop_map(Op::Revoke),
        2 => one.clone().prop_map(Op::Open),
        2 => (one.clone(), 0..3_u64).prop_map(|(request, version)| Op::Vote(request, version)),
        1 => (one, 0..3_u64).prop_map(|(request, version)| Op::Settle(request, version)),
        3 => (1..=8_u64).prop_map(Op::Erase),
        4 => (1..=8_u64).prop_map(Op::Archive),
        2 => Just(Op::Resign),
        1 => (1..9_usize).prop_map(Op::Sweep),
    ]
}

/// The code of a refusal, or what was answered, without hashes: those of records behind an archive are others.
fn said<T>(result: Result<T, StoreError>, say: impl FnOnce(T) -> String) -> String {
    result.map_or_else(|error| error.code().as_str().to_owned(), say)
}

fn commit(store: &dyn Archivable, commit: DecisionCommit) -> String {
    said(block_on(store.commit(commit)), |outcome| match outcome {
        CommitOutcome::Committed(record) => format!("committed {}", record.seq()),
        CommitOutcome::AlreadyIssued(issued) => format!("issued {} {}", issued.record.seq, issued.pass),
        other => format!("{other:?}"),
    })
}

fn append(store: &dyn Archivable, record: actionpass_store::ledger::RecordDraft) -> String {
    said(block_on(store.append_one(record)), |outcome| match outcome {
        AppendOutcome::Appended(record) => format!("appended {}", record.seq()),
        AppendOutcome::AlreadyRecorded(record) => format!("recorded {}", record.seq),
    })
}

/// Does one thing, the same in both stores.
fn act(store: &dyn Archivable, using: &dyn Fn(u64) -> String, number: u64, op: &Op) -> String {
    match op {
        Op::Allow(action, approval) => {
            let approvals = approval.iter().map(|number| fixtures::approval("user:ann", *number));
            commit(store, fixtures::decision(*action, Decision::Allow, approvals.collect()))
        }
        Op::Deny(action) => commit(store, fixtures::decision(*action, Decision::Deny, Vec::new())),
        Op::Use(pass) => {
            // Whoever verified it: it was issued, and isn't used yet.
            let issued = block_on(store.find(&fixtures::action(*pass))).unwrap();
            let used = block_on(store.used(&fixtures::pass(*pass))).unwrap();
            match (issued, used) {
                (Some(_), None) => using(*pass),
                other => format!("{:?}", other.1),
            }
        }
        Op::Report(pass, is_executed) => {
            let used = block_on(store.used(&fixtures::pass(*pass))).unwrap();
            let contradicts = used.and_then(|used| used.outcome);
            let report = fixtures::report(number, *pass, *is_executed, contradicts);
            said(block_on(store.report(report)), |reported| match reported {
                Reported::Recorded(record) => format!("recorded {}", record.seq()),
                other => format!("{other:?}"),
            })
        }
        Op::Revoke(revocation) => append(store, fixtures::revoked(number, *revocation, 1)),
        Op::Open(request) => commit(store, opens(*request, WAITS + request, 0)),
        Op::Vote(request, version) => {
            let vote = votes(*request, *version, number, "user:ann", VoteKind::Approve, 1);
            said(block_on(store.change(vote)), |changed| match changed {
                ChangeOutcome::Changed(request, record) => format!("changed {} {}", request.version, record.seq()),
                // The requests themselves are compared below.
                ChangeOutcome::Moved(_) => "moved".to_owned(),
                other => format!("{other:?}"),
            })
        }
        Op::Settle(request, version) => commit(store, settles(number, WAITS + request, *request, *version, 2)),
        Op::Erase(_) | Op::Archive(_) | Op::Resign | Op::Sweep(_) => unreachable!("done elsewhere"),
    }
}

/// What is known of everything that was ever named.
fn known(store: &dyn Archivable) -> (Vec<String>, Vec<Option<StoredRequest>>) {
    let mut known = Vec::new();
    for number in (0..EACH).chain(WAITS..WAITS + EACH) {
        let issued = block_on(store.find(&fixtures::action(number))).unwrap();
        known.push(format!(
            "{:?}",
            issued.map(|issued| {
                (
                    issued.record.seq,
                    issued.pass.clone(),
                    issued.expires_at,
                    issued.token.clone(),
                    issued.is_of(fixtures::digest(number)),
                )
            })
        ));
        known.push(format!("{:?}", block_on(store.used(&fixtures::pass(number))).unwrap()));
    }
    let request = |number| block_on(store.request(&requests::id(number))).unwrap();
    (known, (0..EACH).map(request).collect())
}

fn head_at(store: &dyn Archivable, size: u64) -> Head {
    let last = block_on(store.read(size - 1, 1)).unwrap().remove(0);
    Head::new(size, last.to_record().unwrap().ledger_hash)
}

/// A record without what chains it.
fn unchained(record: &StoredRecord) -> String {
    let mut record = record.to_record().unwrap();
    record.previous_ledger_hash = Digest::ZERO;
    record.ledger_hash = Digest::ZERO;
    format!("{record:?}")
}

/// Does all of it to both; `using` records a use in the store, `rows` counts what is to stay in its tables, and compares them.
fn live(
    store: &dyn Archivable,
    using: &dyn Fn(u64) -> String,
    twin: &dyn Archivable,
    ops: &[Op],
    rows: &dyn Fn(u64) -> ArchivedRows,
) -> Result<(), TestCaseError> {
    let mut archived: Vec<StoredRecord> = Vec::new();
    let mut archives = Vec::new();
    let log = fixtures::log();
    for (number, op) in (1000..).zip(ops) {
        let state = block_on(store.state()).unwrap();
        let (first, size) = (state.first.size(), state.head.size());
        match op {
            Op::Erase(_) | Op::Archive(_) if size == 0 => {}
            Op::Resign if first == 0 => {}
            Op::Resign => {
                let beginning = block_on(store.beginning()).unwrap().unwrap();
                let call = Resign {
                    head: beginning.head,
                    former: beginning.signed,
                    signed: format!("signed by {number}").into_bytes(),
                    record: fixtures::resigned(number, 60, beginning.head),
                };
                let record = block_on(store.resign(call)).unwrap().unwrap();
                archives.push(record.seq());
                let filler = fixtures::erased_at(number, 60, vec![0]);
                prop_assert_eq!(append(twin, filler), format!("appended {}", record.seq()));
            }
            Op::Erase(parts) => {
                let erased = fixtures::erased_at(number, 10, (0..(size * parts).div_ceil(8)).collect());
                prop_assert_eq!(append(store, erased.clone()), append(twin, erased));
            }
            Op::Archive(parts) => {
                let until = first + ((size - first) * parts).div_ceil(8);
                let now = fixtures::at(60).to_timestamp();
                let needed = block_on(twin.needed(until, now)).unwrap();
                prop_assert_eq!(block_on(store.needed(until, now)).unwrap(), needed);
                if until == first {
                    continue;
                }
                let taken = block_on(store.read(first, usize::try_from(until - first).unwrap())).unwrap();
                let head = head_at(store, until);
                let call = Archive {
                    head,
                    signed: b"signed".to_vec(),
                    record: fixtures::archived(number, 60, head, rows(until)),
                };
                match block_on(store.archive(call)).unwrap() {
                    ArchiveOutcome::Archived(record) => {
                        prop_assert_eq!(needed, None);
                        archived.extend(taken);
                        archives.push(record.seq());
                        // In its place, of a record whose side data is gone.
                        let filler = fixtures::erased_at(number, 60, vec![0]);
                        prop_assert_eq!(append(twin, filler), format!("appended {}", record.seq()));
                    }
                    ArchiveOutcome::Needed(found) => prop_assert_eq!(Some(found), needed),
                }
            }
            Op::Sweep(limit) => drop(block_on(store.sweep(*limit)).unwrap()),
            op => {
                let of_twin = |pass| append(twin, fixtures::used(pass));
                prop_assert_eq!(
                    act(store, using, number, op),
                    act(twin, &of_twin, number, op),
                    "{:?}",
                    op
                );
            }
        }
        prop_assert_eq!(known(store), known(twin), "{:?}", op);
    }

    // What was taken out and what is there is one chain, and the twin's log.
    let state = block_on(store.state()).unwrap();
    let live = block_on(store.read(state.first.size(), 10_000)).unwrap();
    let of_twin = block_on(twin.read(0, 10_000)).unwrap();
    let mut chain = LedgerVerifier::new(ChainVerifier::new().with_log(log));
    let whole: Vec<&StoredRecord> = archived.iter().chain(&live).collect();
    for record in &whole {
        let _ = chain.push(&record.json).unwrap();
    }
    if !whole.is_empty() {
        prop_assert_eq!(chain.finish().unwrap().head, state.head);
    }
    prop_assert_eq!(whole.len(), of_twin.len());
    for (ours, theirs) in whole.iter().zip(&of_twin) {
        prop_assert_eq!(ours.seq, theirs.seq);
        if !archives.contains(&ours.seq) {
            prop_assert_eq!(unchained(ours), unchained(theirs));
        }
    }
    for seq in 0..state.first.size() {
        prop_assert_eq!(
            block_on(store.read(seq, 1)).unwrap_err().code(),
            StoreCode::LedgerArchived
        );
    }
    for record in &of_twin {
        let ours = block_on(store.revocation_at(record.seq)).unwrap();
        let theirs = block_on(twin.revocation_at(record.seq)).unwrap();
        prop_assert_eq!(ours.as_ref().map(unchained), theirs.as_ref().map(unchained));
    }
    Ok(())
}

fn memory() -> MemoryDecisionStore {
    MemoryDecisionStore::new(fixtures::log())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn g05_an_archived_store_in_memory_answers_as_its_twin(ops in prop::collection::vec(op(), 1..40)) {
        let store = memory();
        let using = |pass| append(&store, fixtures::used(pass));
        live(&store, &using, &memory(), &ops, &|_| ArchivedRows::default())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The twin in memory is a second implementation as well.
    #[test]
    fn g05_an_archived_file_answers_as_its_twin(ops in prop::collection::vec(op(), 1..40)) {
        let folder = TempFolder::new();
        let path = folder.path().join("ledger.db");
        let start = ReplayStart::first(fixtures::at(0));
        let store = SqliteStore::create(&path, Some(&fixtures::log()), start).unwrap();
        let twin = memory();
        let using = |pass| {
            let used = store.use_up(fixtures::mark(pass, 0), fixtures::at(1), fixtures::used(pass));
            match block_on(used).unwrap() {
                UsedUp::Recorded(record) => format!("appended {}", record.seq()),
                other => format!("{other:?}"),
            }
        };
        live(&store, &using, &twin, &ops, &|until| store.rows_before(until).unwrap())?;
        store.check_rows().unwrap();
        while block_on(actionpass_store::ArchiveStore::sweep(&store, 100)).unwrap() {}
        store.check_rows().unwrap();
        let before = block_on(Ledger::state(&store)).unwrap();
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        store.check_rows().unwrap();
        prop_assert_eq!(block_on(Ledger::state(&store)).unwrap(), before);
        prop_assert_eq!(known(&store), known(&twin));
    }
}
