//! What a call costs over another that does the same with less.

use std::time::{Duration, Instant};

/// How often two calls take turns, and how many of each make one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// The rounds, of which the median counts.
    pub rounds: usize,
    /// The calls in each, for those that are too short to be timed one by one.
    pub calls: u32,
}

/// Prints `WHAT OURS BARE RATIO` for `cargo xtask latency`: medians in microseconds of two calls that take turns.
pub fn print_row(what: &str, Rounds { rounds, calls }: Rounds, mut ours: impl FnMut(), mut bare: impl FnMut()) {
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_times.push(time(calls, &mut ours));
        bare_times.push(time(calls, &mut bare));
    }
    let (ours, bare) = (median(our_times), median(bare_times));
    println!("{what} {ours:.1} {bare:.1} {:.3}", ours / bare);
}

fn time(calls: u32, call: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().div_f64(calls.into())
}

/// In microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2);
    middle.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
