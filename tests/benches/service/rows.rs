//! Every row, with its budget.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::load::{self, Question, Tally};
use crate::program::Program;
use crate::service::Service;
use crate::{Effort, bare, cerbos, parked};

const CONNECTIONS: usize = 16;
const PARKED: usize = 10_000;
const RATE: f64 = 1000.0;

/// A line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: &'static str,
    figure: String,
    ratio: Option<f64>,
    budget: String,
    met: bool,
    quiet: bool,
    beside: String,
}

/// What a load cost.
struct Cost {
    tally: Tally,
    /// Processor time of an answer.
    each: Duration,
}

async fn closed(program: &Program, question: &Question, effort: Effort) -> Cost {
    // Connections, caches and the first pages of the store are made before.
    load::closed(question, CONNECTIONS, effort.time() / 10).await;
    let before = program.processor_time();
    let tally = load::closed(question, CONNECTIONS, effort.time()).await;
    let spent = program.processor_time() - before;
    let answered = u32::try_from(tally.answered().max(1)).unwrap();
    Cost {
        each: spent / answered,
        tally,
    }
}

/// A sync of a small write on the disk of the service: the 99th percentile.
fn bare_sync(folder: &Path, effort: Effort) -> Duration {
    let mut file = File::create(folder.join("sync")).unwrap();
    let mut tally = Tally::default();
    for _ in 0..effort.count(2000, 20) {
        let start = Instant::now();
        file.write_all(&[0; 4096]).unwrap();
        file.sync_data().unwrap();
        tally.latencies.push(start.elapsed());
    }
    tally.quantile(0.99)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn is_allow(body: &[u8]) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    answer["decision"] == "allow" && answer["pass"]["token"].as_str().is_some_and(|token| token.len() > 100)
}

/// Measures everything, one after the other.
pub(crate) async fn all(effort: Effort) -> Vec<Row> {
    // On the disk of the target folder, never in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let service = Service::start(folder.path());
    let bare = bare::start();
    let cerbos = cerbos::start(folder.path()).await;
    let question = service.question(&json!({ "action": service.example("allow.json") }), is_allow);

    let control_before = closed(&bare, &bare::question(&bare, question.body.clone()), effort).await;
    let ours = closed(&service.program, &question, effort).await;
    let theirs = closed(&cerbos, &cerbos::question(&cerbos), effort).await;
    // Its threads would go on taking time.
    drop(cerbos);
    let control = closed(&bare, &bare::question(&bare, question.body.clone()), effort).await;
    let drift = control.tally.per_second() / control_before.tally.per_second();
    let quiet = (0.9..=1.1).contains(&drift);
    let theirs = format!(
        "Cerbos, which signs and records nothing: {:.0} µs and {:.0}/s, {}",
        micros(theirs.each),
        theirs.tally.per_second(),
        said(&theirs.tally)
    );
    let mut rows = vec![
        Row {
            what: "processor time of a durable, signed decision over HTTP, 16 connections, against a bare handler that signs",
            figure: format!("{:.0} µs : {:.0} µs", micros(ours.each), micros(control.each)),
            ratio: Some(micros(ours.each) / micros(control.each)),
            budget: "≤ 200 µs".to_owned(),
            met: ours.each <= Duration::from_micros(200),
            quiet,
            beside: theirs,
        },
        Row {
            what: "durable, signed decisions a second, 16 connections, with the generator on the same two cores",
            figure: format!("{:.0}/s : {:.0}/s", ours.tally.per_second(), control.tally.per_second()),
            ratio: Some(ours.tally.per_second() / control.tally.per_second()),
            budget: "≥ 3000/s".to_owned(),
            met: ours.tally.per_second() >= 3000.0 && ours.tally.wrong == 0,
            quiet,
            beside: format!(
                "median {:.1} ms, p99 {:.1} ms; {}",
                millis(ours.tally.quantile(0.5)),
                millis(ours.tally.quantile(0.99)),
                said(&ours.tally)
            ),
        },
    ];
    rows.push(constant_rate(&question, folder.path(), quiet, effort).await);
    rows.push(overload(&question, ours.tally.per_second(), quiet, effort).await);
    drop(service);
    // Another one, whose memory isn't what the overload left behind.
    let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    rows.push(waiting(&Service::start(fresh.path()), quiet, effort).await);
    rows
}

/// At a rate that the service is made for.
async fn constant_rate(question: &Question, folder: &Path, quiet: bool, effort: Effort) -> Row {
    let sync = bare_sync(folder, effort);
    let tally = load::open(question, RATE, effort.time()).await;
    let bound = Duration::from_millis(10).max(sync * 5);
    let p99 = tally.quantile(0.99);
    let law = tally.littles_law();
    Row {
        what: "p99 at a constant 1,000 decisions a second, from when each is due",
        figure: format!("{:.2} ms : {:.2} ms", millis(p99), millis(sync)),
        ratio: Some(millis(p99) / millis(sync)),
        budget: format!("≤ {:.1} ms", millis(bound)),
        met: p99 <= bound && tally.unanswered == 0 && tally.wrong == 0 && (0.8..=1.25).contains(&law),
        quiet,
        beside: format!(
            "median {:.2} ms, p99.9 {:.2} ms; {:.0}/s answered; Little's law {law:.2}; {}",
            millis(tally.quantile(0.5)),
            millis(tally.quantile(0.999)),
            tally.per_second(),
            said(&tally)
        ),
    }
}

/// At twice of what it can do.
async fn overload(question: &Question, ceiling: f64, quiet: bool, effort: Effort) -> Row {
    let tally = load::open(question, 2.0 * ceiling, effort.time()).await;
    let other = tally.statuses.keys().any(|status| ![200, 503].contains(status));
    Row {
        what: "at twice that many: no time-out and no wrong answer, only 503",
        figure: format!(
            "{} of 200, {} of 503",
            tally.answered(),
            tally.statuses.get(&503).copied().unwrap_or_default()
        ),
        ratio: None,
        budget: "nothing else".to_owned(),
        met: !other && tally.unanswered == 0 && tally.wrong == 0 && tally.answered() > 0,
        quiet,
        beside: format!(
            "p99 of what was decided {:.0} ms; {}",
            millis(tally.quantile(0.99)),
            said(&tally)
        ),
    }
}

async fn waiting(service: &Service, quiet: bool, effort: Effort) -> Row {
    let parked = parked::park(service, effort.count(PARKED, 100)).await;
    Row {
        what: "memory with 10,000 parked calls, each for a request of its own",
        figure: format!("{:.0} MiB", parked.memory),
        ratio: None,
        budget: "≤ 190 MiB".to_owned(),
        met: parked.memory <= 190.0 && parked.stepped_up == parked.calls,
        quiet,
        beside: format!(
            "{:.0} MiB before; {:.1} % of a core while nothing happens; {} of {} answered step_up",
            parked.before,
            parked.idle.as_secs_f64() * 100.0,
            parked.stepped_up,
            parked.calls
        ),
    }
}

fn said(tally: &Tally) -> String {
    let statuses: Vec<String> = tally
        .statuses
        .iter()
        .map(|(status, count)| format!("{count} of {status}"))
        .collect();
    format!(
        "{}, {} wrong, {} unanswered",
        statuses.join(", "),
        tally.wrong,
        tally.unanswered
    )
}
