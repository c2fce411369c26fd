//! Counting what test binaries report.

use std::collections::BTreeSet;
use std::fmt;

/// The start of a line that names a suite that did not run.
const NOT_RUN: &str = "not run: ";
/// The start of a line that names a run that failed.
const FAILED_RUN: &str = "failed: ";

/// The count over all runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that returned without having tested: libtest counts them as passed.
    skipped: u64,
    not_run: BTreeSet<String>,
    failed_runs: Vec<String>,
}

impl Tally {
    /// Counts a line of output: a result of libtest, or the name of a suite that did not run.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix(NOT_RUN) {
            self.missing(name.trim().to_owned());
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let counts = result.split([';', '.']).filter_map(|part| part.trim().split_once(' '));
            for (count, what) in counts {
                let Ok(count) = count.parse::<u64>() else { continue };
                let total = match what {
                    "passed" => &mut self.passed,
                    "failed" => &mut self.failed,
                    "ignored" => &mut self.ignored,
                    _ => continue,
                };
                *total = total.saturating_add(count);
            }
        }
    }

    /// Counts a line of the file in which tests say that they did not run.
    pub(super) fn skipped(&mut self, line: &str) {
        self.skipped = self.skipped.saturating_add(1);
        let name = line.strip_prefix(NOT_RUN).unwrap_or(line);
        self.missing(name.trim().to_owned());
    }

    /// Lists a suite that did not run.
    pub(super) fn missing(&mut self, name: String) {
        self.not_run.insert(name);
    }

    /// Lists a run that failed, with or without a count: a test that does not compile has none.
    pub(super) fn failed_run(&mut self, command: String) {
        self.failed_runs.push(command);
    }

    /// Whether nothing failed. What did not run is `ci`'s to refuse.
    pub(super) fn is_success(&self) -> bool {
        self.failed == 0 && self.failed_runs.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for command in &self.failed_runs {
            writeln!(f, "{FAILED_RUN}{command}")?;
        }
        for name in &self.not_run {
            writeln!(f, "{NOT_RUN}{name}")?;
        }
        let passed = self.passed.saturating_sub(self.skipped);
        let skipped = self.ignored.saturating_add(self.skipped);
        write!(f, "{passed} passed, {} failed, {skipped} skipped", self.failed)
    }
}

/// Why a report (the text of a [`Tally`]) is not a complete, green run.
pub(super) fn judge(report: &str) -> Result<(), String> {
    let bad: Vec<_> = report
        .lines()
        .filter(|line| line.starts_with(NOT_RUN) || line.starts_with(FAILED_RUN))
        .collect();
    let count = report.lines().next_back().unwrap_or_default();
    if bad.is_empty() && count.contains(" passed, 0 failed, ") && !count.starts_with("0 passed") {
        return Ok(());
    }
    Err(format!(
        "the last run of the tests is not complete and green:\n{}",
        report.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.line(line));
        tally
    }

    const OK: &str = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.52s";
    const BAD: &str =
        "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.05s";

    #[test]
    fn results_add_up_over_runs() {
        assert_eq!(
            tally(&[OK, "running 5 tests", OK]).to_string(),
            "10 passed, 0 failed, 2 skipped"
        );
        let failed = tally(&[OK, BAD]);
        assert_eq!(failed.to_string(), "7 passed, 3 failed, 1 skipped");
        assert!(!failed.is_success());
    }

    #[test]
    fn a_test_that_did_not_run_has_not_passed() {
        let mut tally = tally(&[OK]);
        tally.skipped("not run: go (not installed)");
        tally.skipped("not run: go (not installed)");
        assert_eq!(
            tally.to_string(),
            "not run: go (not installed)\n3 passed, 0 failed, 3 skipped"
        );
        assert!(tally.is_success());
    }

    #[test]
    fn a_run_without_a_count_still_fails() {
        let mut tally = tally(&[OK]);
        tally.failed_run("cargo test".to_owned());
        assert!(!tally.is_success());
        assert!(judge(&tally.to_string()).is_err());
    }

    #[test]
    fn ci_wants_a_whole_and_green_run() {
        judge(&tally(&[OK]).to_string()).unwrap();
        for lines in [&[OK, BAD][..], &[OK, "not run: vectors"], &[]] {
            assert!(judge(&tally(lines).to_string()).is_err(), "{lines:?}");
        }
        assert!(judge("").is_err());
    }
}
