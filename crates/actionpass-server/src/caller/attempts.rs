//! [`Attempts`]: what makes guessing tokens slow.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many failed tries of one peer within [`WINDOW`] are answered at once.
const AT_ONCE: u32 = 10;
/// How long failed tries are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// How late each further one is answered.
const LATE: Duration = Duration::from_secs(1);
/// How many peers are remembered.
const PEERS: usize = 4096;

/// Failed tries of each peer to be a client. After ten within a minute each further answer of that peer is a second late, and
/// the log is spared. A connection waits meanwhile, and connections are limited, so guesses are too. A token that is somebody's
/// is never late: whoever shares an address with an attacker, behind one proxy, isn't locked out by them.
#[derive(Debug)]
pub(super) struct Attempts<P>(Mutex<HashMap<P, Failed>>);

#[derive(Clone, Copy, Debug)]
struct Failed {
    since: Instant,
    count: u32,
}

impl<P> Default for Attempts<P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P: Copy + Display + Eq + Hash> Attempts<P> {
    /// Counts a failed try, and returns when it may be answered.
    pub(super) async fn failed(&self, peer: P, reason: &'static str, now: Instant) {
        let count = self.count(peer, now);
        if count <= AT_ONCE {
            tracing::warn!(%peer, reason, "somebody asked who is no client");
            return;
        }
        if count == AT_ONCE.saturating_add(1) {
            tracing::warn!(
                %peer,
                "somebody keeps asking who is no client: answers are late from now on"
            );
        }
        tokio::time::sleep(LATE).await;
    }

    /// How many tries of this peer failed within the window, this one included.
    fn count(&self, peer: P, now: Instant) -> u32 {
        let is_over = |failed: &Failed| now.saturating_duration_since(failed.since) >= WINDOW;
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !peers.contains_key(&peer) && peers.len() >= PEERS {
            peers.retain(|_, failed| !is_over(failed));
            // So many peers are one attacker's: none of them is answered at once.
            if peers.len() >= PEERS {
                return u32::MAX;
            }
        }
        let failed = peers.entry(peer).or_insert(Failed { since: now, count: 0 });
        if is_over(failed) {
            *failed = Failed { since: now, count: 0 };
        }
        failed.count = failed.count.saturating_add(1);
        failed.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_of_one_peer_are_counted_for_a_minute() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for n in 1..=12 {
            assert_eq!(attempts.count("a", at(n)), u32::try_from(n).unwrap());
        }
        assert_eq!(attempts.count("b", at(12)), 1);
        assert_eq!(attempts.count("a", at(60)), 13);
        assert_eq!(attempts.count("a", at(61)), 1);
    }

    #[test]
    fn a_flood_of_peers_is_late_until_the_window_ends() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for peer in 0..PEERS {
            assert_eq!(attempts.count(peer, start), 1);
        }
        assert_eq!(attempts.count(PEERS, start), u32::MAX);
        assert_eq!(attempts.count(0, start), 2);
        assert_eq!(attempts.count(PEERS, start + WINDOW), 1);
    }

    #[test]
    fn guessing_costs() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let attempts = Attempts::default();
        let times = (0..12).map(|_| {
            let before = Instant::now();
            runtime.block_on(attempts.failed("a", "a test", before));
            before.elapsed() >= LATE
        });
        let late: Vec<bool> = times.collect();
        assert_eq!(late, [[false; 10].as_slice(), &[true; 2]].concat());
    }
}
