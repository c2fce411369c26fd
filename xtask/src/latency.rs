//! `cargo xtask latency`: what a signature takes through each custodian, beside the bare call of its client, as a table.

use crate::process::{Result, capture, cargo};
use crate::tools;

/// The custodians that have such a bench, which starts its server itself.
const PACKAGES: &[&str] = &[
    "actionpass-pkcs11",
    "actionpass-ssh-agent",
    "actionpass-vault",
    "actionpass-tpm",
    "actionpass-aws-kms",
];

/// A call that takes longer than this waits for a device or a network, and we add next to nothing to it.
const SLOW_MICROS: f64 = 1000.0;
const BUDGET_SLOW: f64 = 1.1;
const BUDGET_FAST: f64 = 1.3;

/// What a bench measured: medians in µs, in one run, taking turns.
#[derive(Debug, PartialEq)]
struct Row {
    what: String,
    ours: f64,
    bare: f64,
    ratio: f64,
}

impl Row {
    /// Reads `WHAT OURS BARE RATIO`; other lines are none.
    fn parse(line: &str) -> Option<Self> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let mut number = || words.pop()?.parse().ok();
        let (ratio, bare, ours) = (number()?, number()?, number()?);
        let what = words.join(" ");
        (!what.is_empty()).then_some(Self {
            what,
            ours,
            bare,
            ratio,
        })
    }

    fn budget(&self) -> f64 {
        if self.bare > SLOW_MICROS {
            BUDGET_SLOW
        } else {
            BUDGET_FAST
        }
    }

    fn is_met(&self) -> bool {
        self.ratio <= self.budget()
    }
}

/// Measures and prints. A budget that isn't met is a failure, and so is a custodian that was not measured.
pub(crate) fn run() -> Result {
    let tools = tools::provide()?;
    if let Some(missing) = tools.missing.first() {
        return Err(format!("{missing} is missing").into());
    }
    let mut rows = Vec::new();
    for package in PACKAGES {
        let mut bench = cargo(["bench", "--package", package, "--bench", "latency"])?;
        bench.envs(tools.environment.iter().cloned());
        let measured: Vec<Row> = capture(&mut bench)?.lines().filter_map(Row::parse).collect();
        if measured.is_empty() {
            return Err(format!("{package} measured nothing").into());
        }
        rows.extend(measured);
    }
    println!("| signature by | ours | bare call | ratio | budget | met |\n|---|---|---|---|---|---|");
    for row in &rows {
        println!(
            "| {} | {:.1} µs | {:.1} µs | {:.2} | ≤ {:.1} × | {} |",
            row.what,
            row.ours,
            row.bare,
            row.ratio,
            row.budget(),
            if row.is_met() { "yes" } else { "no" }
        );
    }
    let missed = rows.iter().filter(|row| !row.is_met()).count();
    if missed == 0 {
        Ok(())
    } else {
        Err(format!("{missed} of {} budgets are not met", rows.len()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_from_other_lines() {
        let row = Row::parse("pkcs11 ES256   52.0 41.5 1.253").unwrap();
        assert_eq!(
            (row.what.as_str(), row.ours, row.bare, row.ratio),
            ("pkcs11 ES256", 52.0, 41.5, 1.253)
        );
        for other in [
            "",
            "what ours bare ratio",
            "1 2 3",
            "running 0 tests",
            "vault es256: no key was made",
        ] {
            assert_eq!(Row::parse(other), None, "{other}");
        }
    }

    #[test]
    fn slow_calls_have_the_tighter_budget() {
        let is_met = |bare: f64, ratio: f64| {
            Row {
                what: String::new(),
                ours: bare * ratio,
                bare,
                ratio,
            }
            .is_met()
        };
        assert!(is_met(40.0, 1.3) && !is_met(40.0, 1.31));
        assert!(is_met(3750.0, 1.1) && !is_met(3750.0, 1.11));
    }
}
