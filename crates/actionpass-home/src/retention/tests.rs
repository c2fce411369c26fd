use actionpass_model::{Decision, UseBody, UseSchema};
use actionpass_store::conformance::{TempFolder, block_on, fixtures, requests};
use actionpass_store::ledger::Head;
use actionpass_store::{
    Archive, ArchiveOutcome, ArchiveStore, DecisionStore, Ledger, LedgerExt, OutcomeStore, ReplayStart, SideKind,
    UseStore,
};
use actionpass_store_sqlite::SqliteStore;

use super::*;

const DAY: u64 = 24 * 60 * 60;

#[expect(clippy::arithmetic_side_effects, reason = "the days of a test are few")]
fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

/// So many days after the first record, and an hour.
#[expect(clippy::arithmetic_side_effects, reason = "the days of a test are few")]
fn day(day: u64) -> Timestamp {
    fixtures::at(day * DAY + 3600).to_timestamp()
}

fn made(folder: &TempFolder) -> SqliteStore {
    let start = ReplayStart::first(fixtures::at(0));
    SqliteStore::create(&folder.path().join("ledger.db"), Some(&fixtures::log()), start).unwrap()
}

/// A record with something beside it, on this day.
#[expect(clippy::arithmetic_side_effects, reason = "the days of a test are few")]
fn append(store: &SqliteStore, number: u64, day: u64) {
    let body = UseBody {
        schema: UseSchema,
        pass: fixtures::pass(number),
        issuer: "https://other.example".parse().unwrap(),
        audience: "executor".parse().unwrap(),
        token_hash: fixtures::digest(number),
        commitment: None,
    };
    let draft = fixtures::draft_at(number, day * DAY, &body).with_side(SideKind::Payload, b"{}".to_vec());
    let _ = block_on(store.append_one(draft)).unwrap();
}

#[expect(clippy::arithmetic_side_effects, reason = "the days of a test are few")]
fn scope(store: &SqliteStore, period: Duration, now: Timestamp) -> Scope {
    Scope {
        before: Timestamp::from_unix_millis(now.unix_millis() - millis(period)).unwrap(),
        below: block_on(below(store, period, now)).unwrap(),
        keeping: Some(period),
    }
}

/// The records that are due, and how many are left for now.
fn due_at(store: &SqliteStore, period: Duration, now: Timestamp) -> (Vec<u64>, usize) {
    let needs = block_on(Needs::now(store, now)).unwrap();
    let found = block_on(batch(store, 0, scope(store, period, now), &needs, now)).unwrap();
    (found.0, found.1)
}

#[test]
fn what_is_older_by_clock_and_records_is_due() {
    let folder = TempFolder::new();
    let store = made(&folder);
    assert_eq!(due_at(&store, days(90), day(1000)), (vec![], 0));
    for number in 0..=100 {
        append(&store, number, number);
    }
    assert_eq!(due_at(&store, days(90), day(100)).0, (0..=10).collect::<Vec<_>>());
    assert_eq!(due_at(&store, days(90), day(90)).0, [0]);
    assert_eq!(due_at(&store, days(90), day(89)).0, Vec::<u64>::new());
    // Of a day without a record a quarter of the period counts.
    assert_eq!(due_at(&store, days(1), day(100)).0, (0..=96).collect::<Vec<_>>());
}

#[test]
fn a_clock_that_jumps_ahead_erases_a_week_too_early_and_no_more() {
    let folder = TempFolder::new();
    let store = made(&folder);
    for number in 0..=84 {
        append(&store, number, number);
    }
    // By ten years. A week is taken to have passed.
    assert_eq!(due_at(&store, days(90), day(84 + 3650)).0, [0]);
    // What is recorded by that clock changes nothing, however often: the hour since then passed.
    for number in 85..=88 {
        append(&store, number, 84 + 3650);
    }
    assert_eq!(due_at(&store, days(90), day(84 + 3650)).0, [0, 1]);
    // Set right again, the clock counts on from where it was.
    append(&store, 89, 85);
    assert_eq!(due_at(&store, days(90), day(85)).0, Vec::<u64>::new());
    assert_eq!(due_at(&store, days(90), day(91)).0, [0]);
    // Went back altogether.
    assert_eq!(due_at(&store, days(1), day(0)).0, Vec::<u64>::new());
}

#[test]
fn a_quiet_log_keeps_longer() {
    let folder = TempFolder::new();
    let store = made(&folder);
    for number in 0..20 {
        append(&store, number, number * 20);
    }
    // Nineteen times twenty days without a record, each taken for a week.
    assert_eq!(due_at(&store, days(90), day(380)).0, (0..=6).collect::<Vec<_>>());
    // In a period of eight days each counts two.
    assert_eq!(due_at(&store, days(8), day(380)).0, (0..=15).collect::<Vec<_>>());
}

#[test]
fn what_something_still_needs_is_left() {
    let folder = TempFolder::new();
    let store = made(&folder);
    let _ = block_on(store.commit(fixtures::decision(1, Decision::Allow, Vec::new()))).unwrap();
    let _ = block_on(store.commit(fixtures::decision(2, Decision::Allow, Vec::new()))).unwrap();
    let used = block_on(store.use_up(fixtures::mark(1, 0), fixtures::at(1), fixtures::used(1)));
    let _ = used.unwrap();
    for number in 3..=30 {
        append(&store, number, number);
    }
    let first = |now| {
        let (due, held) = due_at(&store, days(8), now);
        (due.first().copied(), held)
    };
    // Of the first nobody reported what became of it; it is kept twice as long.
    assert_eq!(first(day(10)), (Some(1), 1));
    assert_eq!(first(day(15)), (Some(1), 1));
    assert_eq!(first(day(16)), (Some(0), 0));
    let reported = block_on(store.report(fixtures::report(99, 1, true, None))).unwrap();
    assert!(matches!(reported, actionpass_store::Reported::Recorded(_)));
    assert_eq!(first(day(10)), (Some(0), 0));

    // A pass that holds, and a request that waits.
    let folder = TempFolder::new();
    let store = made(&folder);
    let _ = block_on(store.commit(fixtures::decision(1, Decision::Allow, Vec::new()))).unwrap();
    let _ = block_on(store.commit(requests::opens(1, 7, 0))).unwrap();
    let all = Scope {
        below: u64::MAX,
        ..scope(&store, days(1), day(0))
    };
    let at = |seconds| fixtures::at(seconds).to_timestamp();
    let left = |now: Timestamp, keeping| {
        let scope = Scope {
            before: now,
            keeping,
            ..all
        };
        let needs = block_on(Needs::now(&store, now)).unwrap();
        let (due, held, _) = block_on(batch(&store, 0, scope, &needs, now)).unwrap();
        (due, held)
    };
    assert_eq!(left(at(60), Some(days(1))), (vec![], 2));
    assert_eq!(left(at(60), None), (vec![0, 1], 0));
    assert_eq!(left(at(629), Some(days(1))).1, 2);
    assert_eq!(left(at(630), Some(days(1))), (vec![0], 1));
    assert_eq!(left(at(2 * DAY), Some(days(1))), (vec![0, 1], 0));
}

/// Takes the records in front of this number out, on this day.
#[expect(clippy::arithmetic_side_effects, reason = "the days of a test are few")]
fn archive(store: &SqliteStore, number: u64, day: u64, size: u64) {
    let last = block_on(store.read(size - 1, 1)).unwrap().remove(0);
    let head = Head::new(size, last.to_record().unwrap().ledger_hash);
    let call = Archive {
        head,
        signed: b"signed".to_vec(),
        record: fixtures::archived(number, day * DAY, head, Default::default()),
    };
    let outcome = block_on(store.archive(call)).unwrap();
    assert!(matches!(outcome, ArchiveOutcome::Archived(_)), "{outcome:?}");
    while block_on(store.sweep(7)).unwrap() {}
}

/// What is due behind an archive is what would be due without it, whatever the clock says.
#[test]
fn an_archive_changes_nothing_of_what_is_due() {
    for apart in [1, 20] {
        let last = 60 * apart;
        let filled = |folder: &TempFolder| {
            let store = made(folder);
            for number in 0..=60 {
                append(&store, number, number * apart);
            }
            let erased = fixtures::erased_at(100, last * DAY, (0..=30).collect());
            let _ = block_on(store.append_one(erased)).unwrap();
            store
        };
        let twins = TempFolder::new();
        let twin = filled(&twins);
        // In the place of the record of the archive.
        let _ = block_on(twin.append_one(fixtures::erased_at(101, last * DAY, vec![0]))).unwrap();
        for size in [1, 20, 31] {
            let folder = TempFolder::new();
            let store = filled(&folder);
            archive(&store, 101, last, size);
            for now in [0, last / 2, last, last + 1, last + 30, last + 3650] {
                for period in [1, 8, 30, 90, 1000] {
                    let said = due_at(&store, days(period), day(now));
                    assert_eq!(
                        said,
                        due_at(&twin, days(period), day(now)),
                        "{apart} {size} {now} {period}"
                    );
                }
            }
            let end = |before, below| {
                let scope = Scope {
                    before: day(before),
                    below,
                    keeping: None,
                };
                [&store, &twin].map(|store| block_on(end_of(store, size, scope)).unwrap())
            };
            // The record of this day is older by an hour.
            assert_eq!(end(40 * apart, u64::MAX), [41; 2]);
            assert_eq!(end(last, u64::MAX), [63; 2]);
            assert_eq!(end(last, 35), [35; 2]);
            assert_eq!(end(0, u64::MAX)[0], size);
        }
    }
}
