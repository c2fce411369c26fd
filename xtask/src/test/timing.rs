//! How long compiling takes, how long running takes, and which suites take longest.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How many of the slowest suites are listed.
const LISTED: usize = 10;

/// What a build made: programs that run tests, by the names of their files, and the command under test.
#[derive(Debug, Default)]
pub(super) struct Suites {
    names: HashMap<String, String>,
    program: Option<PathBuf>,
}

/// What Cargo says of something that it built (`--message-format=json`).
#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Suites {
    /// Reads the messages of a build; those that are about something else are none of ours.
    pub(super) fn of(messages: &str) -> Self {
        let mut suites = Self::default();
        for line in messages.lines() {
            let Ok(Artifact {
                package_id,
                target,
                profile,
                executable: Some(executable),
            }) = serde_json::from_str(line)
            else {
                continue;
            };
            let is = |kind: &str| target.kind.iter().any(|known| known == kind);
            if profile.test {
                let what = if is("test") { target.name.as_str() } else { "unit tests" };
                let name = format!("{} {what}", package(&package_id));
                suites.names.insert(file_name(&executable), name);
            } else if is("bin") && target.name == "actionpass" {
                suites.program = Some(executable);
            }
        }
        suites
    }

    /// The `actionpass` command, if it was built.
    pub(super) fn program(&self) -> Option<PathBuf> {
        self.program.clone()
    }
}

/// The name in `path+file:///folder/name#1.0.0` and in `path+file:///folder#name@1.0.0`.
fn package(id: &str) -> &str {
    let (place, version) = id.split_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The times of all runs.
#[derive(Debug, Default)]
pub(super) struct Timing {
    compiling: Duration,
    running: Duration,
    suites: Vec<(Duration, String)>,
    current: Suites,
    /// The suite that is running, and since when.
    open: Option<(String, Instant)>,
}

impl Timing {
    /// Counts a build.
    pub(super) fn compiled(&mut self, took: Duration) {
        self.compiling = self.compiling.saturating_add(took);
    }

    /// Counts a run of Cargo over several suites.
    pub(super) fn ran(&mut self, took: Duration) {
        self.running = self.running.saturating_add(took);
    }

    /// The lines that follow are of these suites.
    pub(super) fn expect(&mut self, suites: Suites) {
        self.current = suites;
    }

    /// Reads a line that was written at a time: the start of a suite, or its end.
    pub(super) fn line(&mut self, line: &str, at: Instant) {
        if let Some(suite) = self.start(line) {
            self.end(at);
            self.open = Some((suite, at));
        } else if line.starts_with("test result: ") {
            self.end(at);
        }
    }

    /// The suite that Cargo says it starts: `Running tests/suite.rs (target/debug/deps/suite-0123)`, or
    /// `Doc-tests name`.
    fn start(&self, line: &str) -> Option<String> {
        let line = line.trim_start();
        if let Some(name) = line.strip_prefix("Doc-tests ") {
            return Some(format!("{} documentation", name.replace('_', "-")));
        }
        let (_, program) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?;
        let program = file_name(Path::new(program));
        Some(self.current.names.get(&program).cloned().unwrap_or(program))
    }

    fn end(&mut self, at: Instant) {
        if let Some((suite, start)) = self.open.take() {
            self.suites.push((at.saturating_duration_since(start), suite));
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut slowest: Vec<_> = self.suites.iter().collect();
        slowest.sort_by(|left, right| right.cmp(left));
        writeln!(f, "the slowest of {} suites:", slowest.len())?;
        for (took, suite) in slowest.iter().take(LISTED) {
            writeln!(f, "{:>8.1} s  {suite}", took.as_secs_f64())?;
        }
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        // The tests of documentation are compiled as they run.
        writeln!(
            f,
            "{:.1} min compiling, {:.1} min running",
            minutes(self.compiling),
            minutes(self.running)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","package_id":"path+file:///w/tests#actionpass-tests@0.1.0","target":{"name":"e2e","kind":["test"]},"profile":{"test":true},"executable":"/t/e2e-01"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/actionpass-core#0.1.0","target":{"name":"actionpass_core","kind":["lib"]},"profile":{"test":true},"executable":"/t/actionpass_core-02"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/actionpass-cli#0.1.0","target":{"name":"actionpass","kind":["bin"]},"profile":{"test":true},"executable":"/t/actionpass-03"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/actionpass-cli#0.1.0","target":{"name":"actionpass","kind":["bin"]},"profile":{"test":false},"executable":"/t/actionpass"}
{"reason":"compiler-artifact","package_id":"path+file:///w/crates/actionpass-core#0.1.0","target":{"name":"actionpass_core","kind":["lib"]},"profile":{"test":false},"executable":null}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn programs_are_called_by_package_and_target() {
        let suites = Suites::of(MESSAGES);
        let named = |file: &str| suites.names.get(file).map(String::as_str);
        assert_eq!(named("e2e-01"), Some("actionpass-tests e2e"));
        assert_eq!(named("actionpass_core-02"), Some("actionpass-core unit tests"));
        assert_eq!(named("actionpass-03"), Some("actionpass-cli unit tests"));
        assert_eq!(suites.names.len(), 3);
        assert_eq!(suites.program(), Some(PathBuf::from("/t/actionpass")));
        assert_eq!(Suites::of("").program(), None);
    }

    #[test]
    fn the_slowest_come_first_and_no_more_than_ten() {
        let mut timing = Timing::default();
        timing.expect(Suites::of(MESSAGES));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (line, seconds) in [
            (
                "     Running unittests src/lib.rs (target/debug/deps/actionpass_core-02)",
                0,
            ),
            ("running 3 tests", 1),
            ("test a ... ok", 4),
            ("test result: ok. 3 passed; 0 failed; finished in 4.00s", 5),
            ("     Running tests/e2e/main.rs (target/debug/deps/e2e-01)", 7),
            ("test result: FAILED. 3 passed; 1 failed; finished in 90.00s", 97),
            // One that says nothing ends where the next begins.
            ("     Running benches/x.rs (target/debug/deps/x-09)", 100),
            ("   Doc-tests actionpass_core", 120),
            ("test result: ok. 1 passed; 0 failed; finished in 1.00s", 121),
        ] {
            timing.line(line, at(seconds));
        }
        timing.compiled(Duration::from_secs(90));
        timing.compiled(Duration::from_secs(30));
        timing.ran(Duration::from_secs(180));
        let expected = "\
the slowest of 4 suites:
    90.0 s  actionpass-tests e2e
    20.0 s  x-09
     5.0 s  actionpass-core unit tests
     1.0 s  actionpass-core documentation
2.0 min compiling, 3.0 min running
";
        assert_eq!(timing.to_string(), expected);

        for number in 0..20 {
            timing.line("   Doc-tests more", at(200 + number));
        }
        assert_eq!(timing.to_string().lines().count(), LISTED + 2);
    }

    #[test]
    fn packages_are_named_in_either_form_of_their_id() {
        assert_eq!(
            package("path+file:///w/crates/actionpass-core#0.1.0"),
            "actionpass-core"
        );
        assert_eq!(
            package("path+file:///w/tests#actionpass-tests@0.1.0"),
            "actionpass-tests"
        );
    }
}
