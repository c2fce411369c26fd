//! [`Bout`]: contestants that take turns in changing order, and a control that says whether the machine was quiet.

use std::time::{Duration, Instant};

use crate::bare::BareVerify;

/// Two bare verifies take twice as long as one. Where they don't, something else was running.
const CONTROL: std::ops::RangeInclusive<f64> = 1.95..=2.05;
/// How often a run whose control is off is thrown away before the quietest one is reported as not quiet.
const ATTEMPTS: usize = 5;

/// Some operations, measured in turns within each round, so that whatever slows the machine slows all of them.
pub(crate) struct Bout<'a> {
    rounds: usize,
    slice: Duration,
    attempts: usize,
    contestants: Vec<Contestant<'a>>,
}

enum Contestant<'a> {
    /// Repeated until a slice of time is full.
    Repeated(Box<dyn FnMut() + 'a>),
    /// Prepared outside of the time, then done once; so many operations.
    Burst(f64, Box<dyn FnMut() -> Box<dyn FnOnce() + 'a> + 'a>),
    /// Done once, and says itself how many seconds that took.
    Measured(Box<dyn FnMut() -> f64 + 'a>),
}

/// Which contestant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(usize);

/// Times per operation, by contestant and round.
pub(crate) struct Outcome {
    times: Vec<Vec<f64>>,
    control: f64,
}

const ONE: Id = Id(0);
const TWO: Id = Id(1);

impl<'a> Bout<'a> {
    /// Contestants that take their turns so many times, at least a slice of time each; a smoke run tries only once.
    pub(crate) fn new(rounds: usize, slice: Duration, effort: crate::Effort, control: &'a BareVerify) -> Self {
        let mut bout = Self {
            rounds,
            slice,
            attempts: effort.of(ATTEMPTS, 1),
            contestants: Vec::new(),
        };
        bout.add(|| control.run());
        bout.add(|| {
            control.run();
            control.run();
        });
        bout
    }

    /// The same, which gives a quiet machine fewer chances: where a round takes long.
    pub(crate) fn with_attempts(self, most: usize) -> Self {
        Self {
            attempts: self.attempts.min(most),
            ..self
        }
    }

    /// An operation.
    pub(crate) fn add(&mut self, operation: impl FnMut() + 'a) -> Id {
        self.contestants.push(Contestant::Repeated(Box::new(operation)));
        Id(self.contestants.len() - 1)
    }

    /// Something done once a round, `count` operations at a time, with a preparation that isn't measured.
    pub(crate) fn add_burst<F: FnOnce() + 'a>(&mut self, count: usize, mut prepare: impl FnMut() -> F + 'a) -> Id {
        let prepare = move || Box::new(prepare()) as Box<dyn FnOnce() + 'a>;
        self.contestants
            .push(Contestant::Burst(count as f64, Box::new(prepare)));
        Id(self.contestants.len() - 1)
    }

    /// Something done once a round that measures itself, in seconds: the processor's time of a process, for instance.
    pub(crate) fn add_measured(&mut self, measure: impl FnMut() -> f64 + 'a) -> Id {
        self.contestants.push(Contestant::Measured(Box::new(measure)));
        Id(self.contestants.len() - 1)
    }

    /// Runs until the control is within its bounds, a few times at most, and gives the quietest run.
    pub(crate) fn run(mut self) -> Outcome {
        let mut best: Option<Outcome> = None;
        for _ in 0..self.attempts {
            let outcome = self.attempt();
            let (control, is_quiet) = (outcome.control, outcome.is_quiet());
            if best
                .as_ref()
                .is_none_or(|best| (control - 2.0).abs() < (best.control - 2.0).abs())
            {
                best = Some(outcome);
            }
            if is_quiet {
                break;
            }
            eprintln!("  not quiet: two bare verifies took {control:.3} times one");
        }
        best.unwrap()
    }

    fn attempt(&mut self) -> Outcome {
        let slice = self.slice;
        let counts: Vec<u32> = self
            .contestants
            .iter_mut()
            .map(|contestant| contestant.count(slice))
            .collect();
        let mut times = vec![Vec::with_capacity(self.rounds); counts.len()];
        let mut order: Vec<usize> = (0..counts.len()).collect();
        let mut dice: u64 = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..self.rounds {
            shuffle(&mut order, &mut dice);
            for &at in &order {
                times[at].push(self.contestants[at].measure(counts[at]));
            }
        }
        let mut outcome = Outcome { times, control: 0.0 };
        outcome.control = outcome.ratio(TWO, ONE);
        outcome
    }
}

/// Another order in every round: in a fixed one, a scheduler that interrupts periodically hits the same contestant again
/// and again.
fn shuffle(order: &mut [usize], dice: &mut u64) {
    for last in (1..order.len()).rev() {
        // xorshift64 (Marsaglia 2003).
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        order.swap(last, (*dice % (last as u64 + 1)) as usize);
    }
}

impl Contestant<'_> {
    /// How many operations fill a slice of time; finding out warms up as well.
    fn count(&mut self, slice: Duration) -> u32 {
        match self {
            Self::Burst(..) | Self::Measured(_) => 1,
            Self::Repeated(operation) => {
                let mut count: u32 = 1;
                loop {
                    let taken = time(operation, count);
                    if taken * 4 >= slice {
                        let fitting = slice.as_secs_f64() / taken.as_secs_f64() * f64::from(count);
                        return (fitting.ceil() as u32).max(1);
                    }
                    count = count.saturating_mul(2);
                }
            }
        }
    }

    /// Seconds per operation.
    fn measure(&mut self, count: u32) -> f64 {
        match self {
            Self::Repeated(operation) => time(operation, count).as_secs_f64() / f64::from(count),
            Self::Burst(count, prepare) => {
                let work = prepare();
                let start = Instant::now();
                work();
                start.elapsed().as_secs_f64() / *count
            }
            Self::Measured(measure) => measure(),
        }
    }
}

fn time(operation: &mut dyn FnMut(), count: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        operation();
    }
    start.elapsed()
}

impl Outcome {
    /// Two bare verifies against one.
    pub(crate) const fn control(&self) -> f64 {
        self.control
    }

    /// Whether the control is within its bounds.
    pub(crate) fn is_quiet(&self) -> bool {
        CONTROL.contains(&self.control)
    }

    /// The median time of one operation, in seconds.
    pub(crate) fn time(&self, of: Id) -> f64 {
        median(self.times[of.0].clone())
    }

    /// How many times as long one takes as another: the median over the rounds, each of which saw one machine.
    pub(crate) fn ratio(&self, of: Id, to: Id) -> f64 {
        median(
            self.times[of.0]
                .iter()
                .zip(&self.times[to.0])
                .map(|(of, to)| of / to)
                .collect(),
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
