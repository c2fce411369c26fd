//! Medians of interleaved rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Peer;

/// How long one round of one peer takes, at least.
const ROUND: Duration = Duration::from_millis(10);

/// The median time of one operation for each peer. All of them take their turn in every round, so that whatever else
/// the machine does hits them alike.
pub fn side_by_side(
    rounds: usize,
    peers: &[Box<dyn Peer>],
    mut operation: impl FnMut(usize, &dyn Peer) -> bool,
) -> Vec<f64> {
    let mut run = |at: usize, count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            assert!(
                black_box(operation(at, &*peers[at])),
                "{} refused what it should accept",
                peers[at].name()
            );
        }
        start.elapsed()
    };
    let counts: Vec<u32> = (0..peers.len())
        .map(|at| {
            let one = run(at, 20) / 20;
            u32::try_from(ROUND.as_nanos() / one.as_nanos().max(1))
                .unwrap_or(u32::MAX)
                .max(1)
        })
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); peers.len()];
    for _ in 0..rounds {
        for (at, count) in counts.iter().enumerate() {
            times[at].push(run(at, *count).as_secs_f64() / f64::from(*count));
        }
    }
    times.into_iter().map(median).collect()
}

pub fn micros(seconds: f64) -> String {
    format!("{:.1}", seconds * 1e6)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
