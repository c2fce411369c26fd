//! [`Tally`]: what a suite prints.

use std::io::Write as _;
use std::time::Instant;

/// What a suite counted. It is printed once, when the suite ends, and a suite that found something fails.
#[derive(Debug)]
pub(crate) struct Tally {
    suite: &'static str,
    seed: u64,
    started: Instant,
    pub(crate) rounds: u64,
    /// Faults that took place: what was put in a way and never met counts for nothing.
    pub(crate) injected: u64,
    /// Decisions, uses and changes that were acknowledged before a fault and looked for after it.
    pub(crate) acknowledged: u64,
    lost: u64,
    corrupt: u64,
    consumed_twice: u64,
    passed_twice: u64,
    /// What was found, the first few.
    found: Vec<String>,
}

/// What must never be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    /// Something that was acknowledged is gone.
    Lost,
    /// What is there is not whole, or can't be opened or gone on with.
    Corrupt,
    /// One pass was used up twice.
    ConsumedTwice,
    /// One approval, or one action, has two passes.
    PassedTwice,
}

impl Tally {
    pub(crate) fn new(suite: &'static str, seed: u64) -> Self {
        Self {
            suite,
            seed,
            started: Instant::now(),
            rounds: 0,
            injected: 0,
            acknowledged: 0,
            lost: 0,
            corrupt: 0,
            consumed_twice: 0,
            passed_twice: 0,
            found: Vec::new(),
        }
    }

    /// Counts what was found.
    pub(crate) fn count(&mut self, found: Vec<(Wrong, String)>) {
        for (wrong, what) in found {
            *match wrong {
                Wrong::Lost => &mut self.lost,
                Wrong::Corrupt => &mut self.corrupt,
                Wrong::ConsumedTwice => &mut self.consumed_twice,
                Wrong::PassedTwice => &mut self.passed_twice,
            } += 1;
            if self.found.len() < 20 {
                self.found.push(format!("{wrong:?}: {what}"));
            }
        }
    }

    /// Prints the line, and fails the test if anything was found.
    pub(crate) fn end(self) {
        let line = format!(
            "{} (seed {}): {} rounds, {} faults, {} acknowledged, {} lost, {} corrupt, {} consumed twice, {} passed twice, {:.0} s\n",
            self.suite,
            self.seed,
            self.rounds,
            self.injected,
            self.acknowledged,
            self.lost,
            self.corrupt,
            self.consumed_twice,
            self.passed_twice,
            self.started.elapsed().as_secs_f64(),
        );
        // Not by a macro: those of a test that passes are kept from everybody.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(self.found.is_empty(), "{line}{}", self.found.join("\n"));
        assert!(self.rounds > 0 && self.injected > 0 && self.acknowledged > 0, "{line}");
    }
}
