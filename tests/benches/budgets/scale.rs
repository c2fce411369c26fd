//! How far one log goes, on SQLite and on PostgreSQL, and what that comes to: the figures of `docs/scaling.md`.

mod arithmetic;
mod bulk;
mod engine;

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use actionpass_canon::{BoundAction, Limits};
use actionpass_core::{Authorizer, Request};
use actionpass_model::{Issuer, PassId, VoteKind};
use actionpass_queue::Limits as QueueLimits;
use actionpass_store::conformance::{fixtures, requests};
use actionpass_store::ledger::{ChainVerifier, LedgerVerifier, verify_jsonl};
use actionpass_store::{
    AppendOutcome, ChangeOutcome, CommitOutcome, DecisionCommit, LedgerExt as _, Mark, ReplayStart, UsedUp,
};
use actionpass_verify::{Call, Trust};
use futures_util::future::join_all;
use serde::Serialize;
use uuid::Uuid;

use self::arithmetic::{Figures, Table};
use self::engine::{Engine, Store};
use crate::Effort;
use crate::bare::BareSign;
use crate::bout::{Bout, Id};
use crate::command_line::revoke;
use crate::fixture::{self, Fixture, ISSUER, block_on};
use crate::row::{Budget, Row, time};
use crate::template::{Template, action_with_id, shares};

const CALLERS: [usize; 3] = [1, 16, 256];
/// A rate that grows by less than this with four times the callers grows no more.
const GROWS: f64 = 1.05;
const MOST_CALLERS: usize = 4096;
/// Numbers of what is made by the suites' fixtures.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What was measured, and what it comes to.
#[derive(Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
    tables: Vec<Table>,
}

pub(crate) fn report(fixture: &Fixture, effort: Effort) -> Report {
    let engines = [engine::sqlite(fixture), engine::postgres(fixture)];
    let template = Template::of(fixture);
    let mut figures = Figures::default();
    let mut rows = vec![];
    eprintln!("measuring: durable decisions");
    rows.extend(decisions(fixture, effort, &engines, &template, &mut figures));
    eprintln!("measuring: the ceiling");
    rows.extend(ceilings(effort, &engines, &template, &mut figures));
    eprintln!("measuring: constant rates");
    rows.extend(constant(effort, &engines, &template));
    eprintln!("measuring: signatures");
    rows.extend(signatures(fixture, effort, &mut figures));
    eprintln!("measuring: bytes, and verification of the ledger");
    rows.extend(kept(fixture, effort, &engines, &mut figures));
    eprintln!("measuring: trust");
    rows.extend(trust(fixture, effort, &mut figures));
    eprintln!("measuring: votes");
    rows.extend(votes(effort, &engines, &mut figures));
    let rows = match effort.is_quick {
        true => rows.into_iter().map(Row::unjudged).collect(),
        false => rows,
    };
    Report {
        rows,
        tables: figures.tables(),
    }
}

/// Seconds for each piece of work, where each caller does its own, one after the other: callers are futures on two threads, as
/// those of a service are.
fn callers<T: Send>(mut work: Vec<Vec<T>>, operation: impl AsyncFn(T) + Sync) -> f64 {
    let count: usize = work.iter().map(Vec::len).sum();
    let others = work.split_off(work.len().div_ceil(2));
    let operation = &operation;
    let start = Instant::now();
    thread::scope(|scope| {
        for half in [work, others] {
            scope.spawn(move || {
                block_on(join_all(half.into_iter().map(async |work| {
                    for piece in work {
                        operation(piece).await;
                    }
                })))
            });
        }
    });
    start.elapsed().as_secs_f64() / count as f64
}

/// Seconds for each of so many decisions.
fn decide(store: &dyn Store, template: &Template, count: usize, each: usize) -> f64 {
    callers(shares(count, each, || template.commit(true)), async |commit| {
        let outcome = store.commit(commit).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
    })
}

/// The same of all that an issuer does, with its signature.
fn authorize(fixture: &Fixture, authorizer: &Authorizer, count: usize, each: usize) -> f64 {
    callers(shares(count, each, || action_with_id(fixture)), async |action| {
        let action = BoundAction::admit(action.as_bytes(), &Limits::default()).unwrap();
        let request = Request::new(&action, &fixture.caller);
        assert!(authorizer.authorize(request).await.unwrap().pass.is_some());
    })
}

/// Seconds for each record of passes that were used.
fn append(store: &dyn Store, count: usize, each: usize) -> f64 {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let records = shares(count, each, || {
        fixtures::used_of(NEXT.fetch_add(1, Ordering::Relaxed), issuer.clone())
    });
    callers(records, async |record| {
        let outcome = store.append_one(record).await.unwrap();
        assert!(matches!(outcome, AppendOutcome::Appended(_)), "{outcome:?}");
    })
}

fn rate(seconds: f64) -> String {
    format!("{:.0}/s", 1.0 / seconds)
}

/// How many pieces each caller of a round does: a fraction of a second's worth.
const fn pieces(effort: Effort, callers: usize) -> usize {
    effort.of(
        match callers {
            1 => 150,
            16 => 60,
            _ => 12,
        },
        match callers {
            1 => 40,
            16 => 10,
            _ => 2,
        },
    )
}

/// A store and the bare insertion beside it.
struct Pair {
    name: &'static str,
    callers: usize,
    ours: Id,
    bare: Id,
    /// How many decisions the store's transactions held.
    sizes: Rc<RefCell<Vec<f64>>>,
}

fn decisions(
    fixture: &Fixture,
    effort: Effort,
    engines: &[Engine],
    template: &Template,
    figures: &mut Figures,
) -> Vec<Row> {
    let authorizers: Vec<_> = engines
        .iter()
        .map(|engine| fixture.authorizer(engine.decisions()))
        .collect();
    let mut bout = Bout::new(effort.of(9, 2), Duration::from_millis(4), effort, &fixture.control).with_attempts(3);
    let mut pairs = Vec::new();
    for engine in engines {
        for count in CALLERS {
            let each = pieces(effort, count);
            let store = &*engine.store;
            // As many decisions in a transaction of the bare insertion as the store took last, where that can be counted.
            let size = Rc::new(Cell::new(count));
            let (taken, sizes) = (Rc::clone(&size), Rc::new(RefCell::new(Vec::new())));
            let seen = Rc::clone(&sizes);
            let ours = bout.add_measured(move || {
                let before = engine.transactions();
                let seconds = decide(store, template, count, each);
                if let (Some(before), Some(after)) = (before, engine.transactions()) {
                    let mean = (count * each) as f64 / (after - before) as f64;
                    seen.borrow_mut().push(mean);
                    taken.set(mean.round() as usize);
                }
                seconds
            });
            let bare = bout.add_measured(move || {
                let size = size.get();
                let batches = (count * each).div_ceil(size);
                engine.bare.lock().unwrap().insert(template, size, batches)
            });
            pairs.push(Pair {
                name: engine.name,
                callers: count,
                ours,
                bare,
                sizes,
            });
        }
    }
    let mut whole = Vec::new();
    let mut appended = Vec::new();
    let each = pieces(effort, 256);
    for (engine, authorizer) in engines.iter().zip(&authorizers) {
        let store = &*engine.store;
        whole.push((
            engine.name,
            bout.add_measured(move || authorize(fixture, authorizer, 256, each)),
        ));
        appended.push((engine.name, bout.add_measured(move || append(store, 256, each))));
    }
    let outcome = bout.run();
    let mut rows = Vec::new();
    for pair in pairs {
        let Pair {
            name,
            callers: count,
            ours,
            bare,
            sizes,
        } = pair;
        figures.decided.push((name, count, 1.0 / outcome.time(ours)));
        let plural = if count == 1 { "caller" } else { "callers" };
        let row = Row::new(
            &format!(
                "durable decisions a second, {name}, {count} {plural}, against the bare bulk insert of their rows"
            ),
            format!("{} : {}", rate(outcome.time(ours)), rate(outcome.time(bare))),
            outcome.ratio(bare, ours),
            Budget::AtLeast(0.5),
            &outcome,
        );
        let sizes = sizes.take();
        rows.push(match sizes.is_empty() {
            true => row,
            false => row.beside(format!(
                "{:.1} in a transaction",
                sizes.iter().sum::<f64>() / sizes.len() as f64
            )),
        });
    }
    for (name, id) in appended {
        let what = format!("records a second through the sequencer, {name}, 256 callers");
        let figure = rate(outcome.time(id));
        rows.push(Row::new(
            &what,
            figure,
            1.0 / outcome.time(id) / 10_000.0,
            Budget::PerSecond(10_000.0),
            &outcome,
        ));
    }
    for (name, id) in whole {
        figures.authorized.push((name, 1.0 / outcome.time(id)));
        let what = format!("passes a second, {name}, 256 callers: admitted, judged, signed, recorded");
        rows.push(Row::figure(&what, rate(outcome.time(id))));
    }
    rows
}

/// Four times the callers until the rate grows no more.
fn ceilings(effort: Effort, engines: &[Engine], template: &Template, figures: &mut Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for engine in engines {
        let (mut count, mut best, mut seen, mut idle) = (1, (0, 0.0_f64), Vec::new(), 0);
        // Twice in a row, so that no single slow moment ends it.
        while idle < 2 && count <= MOST_CALLERS {
            let each = (effort.of(8192, 256) / count).clamp(1, effort.of(200, 20));
            let mut rates: Vec<f64> = (0..effort.of(3, 1))
                .map(|_| 1.0 / decide(&*engine.store, template, count, each))
                .collect();
            rates.sort_by(f64::total_cmp);
            let rate = rates[rates.len() / 2];
            seen.push(format!("{count}: {rate:.0}/s"));
            idle = if rate > best.1 * GROWS { 0 } else { idle + 1 };
            if rate > best.1 {
                best = (count, rate);
            }
            count *= 4;
        }
        figures.ceiling.push((engine.name, best.1));
        let what = format!(
            "ceiling of one log, {}: four times the callers until it grows no more",
            engine.name
        );
        let row = Row::figure(&what, format!("{:.0}/s with {} callers", best.1, best.0));
        rows.push(row.beside(seen.join(", ")));
    }
    rows
}

/// How long decisions take that are asked for at a constant rate, whatever became of those before: from when each is due.
fn constant(effort: Effort, engines: &[Engine], template: &Template) -> Vec<Row> {
    const ASKING: usize = 64;
    let mut rows = Vec::new();
    for engine in engines {
        for rate in [10, 1_000] {
            let count = effort.of(rate * 5, rate / 10);
            let work = shares(ASKING, count.div_ceil(ASKING), || template.commit(true));
            let start = Instant::now();
            let ask = |(place, commits): (usize, Vec<DecisionCommit>)| {
                let mut times = Vec::new();
                for (turn, commit) in commits.into_iter().enumerate() {
                    let number = turn * ASKING + place;
                    if number >= count {
                        break;
                    }
                    let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let outcome = block_on(engine.store.commit(commit)).unwrap();
                    assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
                    times.push(due.elapsed().as_secs_f64());
                }
                times
            };
            let mut times: Vec<f64> = thread::scope(|scope| {
                let asking: Vec<_> = work
                    .into_iter()
                    .enumerate()
                    .map(|work| scope.spawn(|| ask(work)))
                    .collect();
                asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect()
            });
            times.sort_by(f64::total_cmp);
            let at = |part: usize| time(times[(times.len() - 1) * part / 100]);
            let what = format!(
                "{} durable decisions a second, {}, one by one: how long each takes",
                arithmetic::thousands(rate as f64),
                engine.name
            );
            rows.push(Row::figure(&what, format!("median {}, p99 {}", at(50), at(99))));
        }
    }
    rows
}

fn signatures(fixture: &Fixture, effort: Effort, figures: &mut Figures) -> Vec<Row> {
    let sign = BareSign::of(&fixture.pass, &fixture.key);
    let verifier = fixture.verifier();
    let action = BoundAction::admit(fixture.action.as_bytes(), &Limits::default()).unwrap();
    let (trust, now) = (&*fixture.trust, fixture.at());
    let mut bout = Bout::new(effort.of(101, 3), Duration::from_millis(2), effort, &fixture.control);
    let signed = bout.add(|| sign.run());
    let verified = bout.add(|| {
        let verified = verifier.verify(black_box(&fixture.pass), &Call::action(&action), trust, now);
        black_box(verified.unwrap());
    });
    let outcome = bout.run();
    figures.signed = 1.0 / outcome.time(signed);
    figures.verified = 1.0 / outcome.time(verified);
    vec![
        Row::figure(
            "signatures a second on one core (P-256, key in memory)",
            rate(outcome.time(signed)),
        ),
        Row::figure("passes verified a second on one core", rate(outcome.time(verified))),
    ]
}

/// What records take on disk, and how fast a ledger of them is verified.
fn kept(fixture: &Fixture, effort: Effort, engines: &[Engine], figures: &mut Figures) -> Vec<Row> {
    let count = effort.of(20_000, 1_000);
    let (mut rows, mut export) = (Vec::new(), Vec::new());
    for engine in engines {
        let kept = engine.fresh(fixture);
        let authorizer = fixture.authorizer(kept.decisions());
        let empty = kept.bytes();
        authorize(fixture, &authorizer, 16, count / 16);
        let decided = kept.bytes();
        // Before the uses, whose passes nobody issued.
        export = kept.export();
        let uses = count / 4 / 16;
        use_up(fixture, &*kept.store, uses);
        let used = kept.bytes();
        let number = (count / 16 * 16) as f64;
        let whole = (decided.all - empty.all) as f64 / number;
        let beside = (decided.beside - empty.beside) as f64 / number;
        let of_use = (used.all - decided.all) as f64 / (uses * 16) as f64;
        figures.bytes.push((engine.name, [whole, whole - beside, of_use]));
        rows.push(
            Row::figure(
                &format!(
                    "bytes on disk of a decision, {}, with and without what lies beside it (payload, pass, …)",
                    engine.name
                ),
                format!("{whole:.0} B : {:.0} B", whole - beside),
            )
            .beside(format!("of the use of a pass, record and mark: {of_use:.0} B")),
        );
    }
    let records = export.iter().filter(|byte| **byte == b'\n').count();
    let verify = || {
        let verifier = LedgerVerifier::new(ChainVerifier::new().with_log(fixture.config.log().unwrap()));
        let start = Instant::now();
        let verified = verify_jsonl(export.as_slice(), verifier).unwrap();
        assert_eq!(verified.head.size(), records as u64);
        start.elapsed().as_secs_f64() / records as f64
    };
    let mut times: Vec<f64> = (0..effort.of(7, 1)).map(|_| verify()).collect();
    times.sort_by(f64::total_cmp);
    let each = times[times.len() / 2];
    figures.audited = 1.0 / each;
    rows.push(
        Row::figure(
            "records verified a second, chain and meaning, from an export, on one core",
            rate(each),
        )
        .beside(format!("{} B of export for each", export.len() / records)),
    );
    rows
}

/// Uses passes up, as an executor beside the issuer does.
fn use_up(fixture: &Fixture, store: &dyn Store, each: usize) {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let uses = shares(16, each, || {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = Mark {
            issuer: issuer.clone(),
            pass: PassId::from_uuid(Uuid::now_v7()),
            issued_at: fixture.at(),
            expires_at: fixture.at().saturating_add(600),
        };
        (mark, fixtures::used_of(number, issuer.clone()))
    });
    let now = fixture.at().saturating_add(1);
    callers(uses, async |(mark, record)| {
        let used = store.use_up(mark, now, record).await.unwrap();
        assert!(matches!(used, UsedUp::Recorded(_)), "{used:?}");
    });
}

/// What executors are handed, and how long they take to read it.
fn trust(fixture: &Fixture, effort: Effort, figures: &mut Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for count in [10, 1_000, 100_000] {
        let mut store = fixture::trust_store(&fixture.key, &fixture.approver, fixture.now);
        revoke(&mut store, fixture, count);
        let text = serde_json::to_vec(&store).unwrap();
        let mut times: Vec<f64> = (0..effort.of(9, 1))
            .map(|_| {
                let start = Instant::now();
                black_box(Trust::parse(black_box(&text)).unwrap());
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let read = times[times.len() / 2];
        figures.trust.push((count, text.len(), read));
        rows.push(Row::figure(
            &format!(
                "trust store with {} revocations: size, and time to read it",
                arithmetic::thousands(count as f64)
            ),
            format!("{} : {}", arithmetic::bytes(text.len() as f64), time(read)),
        ));
    }
    rows
}

/// How fast one person's votes could be written, if people took no time.
fn votes(effort: Effort, engines: &[Engine], figures: &mut Figures) -> Vec<Row> {
    let count = effort.of(300, 20);
    let mut limits = QueueLimits::DEFAULT;
    limits.live_per_agent = u64::MAX;
    limits.live = u64::MAX;
    limits.opened_per_hour = u64::MAX;
    let mut rows = Vec::new();
    for engine in engines {
        let asked = engine.with_log(&fixtures::log(), ReplayStart::first(fixtures::at(0)));
        let store = &*asked.store;
        let numbers: Vec<u64> = (0..count).map(|_| NEXT.fetch_add(1, Ordering::Relaxed)).collect();
        for number in &numbers {
            let opened = block_on(store.commit(requests::opens_within(*number, *number, 0, limits))).unwrap();
            assert!(matches!(opened, CommitOutcome::Committed(_)), "{opened:?}");
        }
        let cast: Vec<_> = numbers
            .iter()
            .map(|number| requests::votes(*number, 0, *number + (1 << 40), "user:ann", VoteKind::Approve, 1))
            .collect();
        let each = callers(vec![cast], async |vote| {
            let voted = store.change(vote).await.unwrap();
            assert!(matches!(voted, ChangeOutcome::Changed(..)), "{voted:?}");
        });
        figures.voted = 1.0 / each;
        rows.push(Row::figure(
            &format!(
                "votes of one person a second, one after the other, {}: the store's bound, no person's",
                engine.name
            ),
            rate(each),
        ));
    }
    rows
}
