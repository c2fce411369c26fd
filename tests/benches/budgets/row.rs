//! [`Row`]: one line of the table.

use serde::Serialize;

use crate::bout::Outcome;

/// One budget, what was measured against it, and whether it is met.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    /// What was measured, for people.
    figure: String,
    /// The measured ratio; where the budget is a time, the time divided by it. `null` if it wasn't measured.
    ratio: Option<f64>,
    budget: String,
    met: bool,
    /// Two bare verifies against one while it was measured; 2 on a quiet machine.
    control: Option<f64>,
    /// Whether the control was within its bounds; no figure of a run that wasn't quiet meets a budget.
    quiet: bool,
    /// What else was seen: never judged.
    beside: String,
}

/// What a ratio must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// At most this many times the reference.
    AtMost(f64),
    /// At least this many times the reference.
    AtLeast(f64),
    /// The ratio is of a rate to this many a second, and at least 1.
    PerSecond(f64),
    /// The ratio is of a time to this many microseconds, and at most 1.
    Micros(f64),
    /// The ratio is of a time to this many milliseconds, and at most 1.
    Millis(f64),
}

impl Row {
    /// A row of what an [`Outcome`] gave.
    pub(crate) fn new(what: &str, figure: String, ratio: f64, budget: Budget, outcome: &Outcome) -> Self {
        let within = match budget {
            Budget::AtMost(limit) => ratio <= limit,
            Budget::AtLeast(limit) => ratio >= limit,
            Budget::PerSecond(_) => ratio >= 1.0,
            Budget::Micros(_) | Budget::Millis(_) => ratio <= 1.0,
        };
        Self {
            what: what.to_owned(),
            figure,
            ratio: Some(rounded(ratio)),
            budget: budget.text(),
            met: within && outcome.is_quiet(),
            control: Some(rounded(outcome.control())),
            quiet: outcome.is_quiet(),
            beside: String::new(),
        }
    }

    /// A row of a figure that has no budget.
    pub(crate) fn figure(what: &str, figure: String) -> Self {
        Self {
            what: what.to_owned(),
            figure,
            ratio: None,
            budget: String::new(),
            met: true,
            control: None,
            quiet: true,
            beside: String::new(),
        }
    }

    /// A row of something that could not be measured, which is no budget met.
    pub(crate) fn not_run(what: &str, budget: Budget, why: &str) -> Self {
        Self {
            what: what.to_owned(),
            figure: "not run".to_owned(),
            ratio: None,
            budget: budget.text(),
            met: false,
            control: None,
            quiet: false,
            beside: why.to_owned(),
        }
    }

    /// The same, of a smoke run: too little was measured for any budget to be met.
    pub(crate) fn unjudged(mut self) -> Self {
        self.met = false;
        self
    }

    /// The same, with something to look at.
    pub(crate) fn beside(mut self, text: String) -> Self {
        self.beside = text;
        self
    }
}

impl Budget {
    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit:.2} ×"),
            Self::AtLeast(limit) => format!("≥ {limit:.1} ×"),
            Self::PerSecond(limit) => format!("≥ {limit}/s"),
            Self::Micros(limit) => format!("≤ {limit} µs"),
            Self::Millis(limit) => format!("≤ {limit} ms"),
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A time for people.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// Two times for people.
pub(crate) fn against(ours: f64, theirs: f64) -> String {
    format!("{} : {}", time(ours), time(theirs))
}
