//! `cargo xtask test`: everything that can be tested, with a count of what ran and a list of what did not.
//!
//! # For tests that need something that may be missing
//!
//! libtest shows nothing of a test that passes, so a test that finds its tool, package or vectors missing says so
//! through a file: it appends one line to the file that `ACTIONPASS_NOT_RUN` names, and returns.
//!
//! ```text
//! not run: NAME (REASON)
//! ```
//!
//! One line for each such test: it counts as skipped and no longer as passed. Without the variable (plain
//! `cargo test`) a line on stderr is enough. In full:
//!
//! ```
//! fn not_run(name: &str) {
//!     use std::io::Write as _;
//!     match std::env::var_os("ACTIONPASS_NOT_RUN").map(|path| std::fs::File::options().append(true).open(path)) {
//!         Some(Ok(mut file)) => file.write_all(format!("not run: {name}\n").as_bytes()).unwrap(),
//!         _ => eprintln!("not run: {name}"),
//!     }
//! }
//! ```
//!
//! `ACTIONPASS_VECTORS` is the folder of the published vectors, absolute; it is unset where there is none.
//! `ACTIONPASS_PROGRAM` is the `actionpass` command with every custodian, built from the source as it is. What else
//! tests find in the environment is in `tools.rs`.

mod tally;
mod timing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use self::tally::Tally;
use self::timing::{Suites, Timing};
use crate::process::{Result, capture, cargo, root, spelled, state, tee};
use crate::variants::{VARIANTS, WORKSPACE};
use crate::{bindings, tools};

const VECTORS: &str = "ACTIONPASS_VECTORS";
const NOT_RUN: &str = "ACTIONPASS_NOT_RUN";
const PROGRAM: &str = "ACTIONPASS_PROGRAM";
const LONG: &str = "ACTIONPASS_LONG";

/// Installs what is missing, runs everything, and ends with the count. `filter` goes to each test binary; with `is_long`
/// loops that are cut short otherwise run to their full count.
pub(crate) fn run(filter: &[&str], is_long: bool) -> Result {
    let report = report()?;
    // Until this run has an end, there is no complete run.
    if report.exists() {
        fs::remove_file(&report)?;
    }
    let not_run = state()?.join("not-run");
    fs::write(&not_run, "")?;

    let tools = tools::provide()?;
    let mut environment = tools.environment;
    environment.push((NOT_RUN, not_run.clone()));
    if is_long {
        environment.push((LONG, "1".into()));
    }
    let mut tally = Tally::default();
    for missing in tools.missing {
        tally.missing(missing);
    }
    match vectors()? {
        Some(folder) => environment.push((VECTORS, folder)),
        None => tally.missing(format!(
            "vectors ({VECTORS}, or else ../shared/vectors, is not a folder)"
        )),
    }

    let mut timing = Timing::default();
    for run in runs() {
        let mut suites = Suites::default();
        if let Some(mut build) = run.build()? {
            println!("\n== {}", spelled(&build));
            let start = Instant::now();
            let built = capture(&mut build);
            timing.compiled(start.elapsed());
            match built {
                Ok(messages) => suites = Suites::of(&messages),
                // What it is for goes on and fails by itself, so that everything else is still tested.
                Err(error) => println!("{error}"),
            }
        }
        if let Some(program) = suites.program() {
            environment.push((PROGRAM, program));
        }
        timing.expect(suites);

        let mut command = run.test()?;
        command.env_remove(VECTORS).env_remove(PROGRAM).env_remove(LONG);
        command.envs(environment.iter().cloned());
        println!("\n== {}", spelled(&command));
        let name = spelled(&command);
        if !filter.is_empty() {
            command.arg("--").args(filter);
        }
        let start = Instant::now();
        let status = tee(&mut command, |line| {
            tally.line(line);
            timing.line(line, Instant::now());
        });
        timing.ran(start.elapsed());
        if !status?.success() {
            tally.failed_run(name);
        }
    }
    // A filter is for libtest.
    if filter.is_empty() {
        for (language, package) in PACKAGES {
            let name = format!("cargo xtask bindings {language}");
            println!("\n== {name}");
            let start = Instant::now();
            match command_of(&environment).and_then(package) {
                Ok(Ok(counts)) => tally.line(&counts.result()),
                Ok(Err(reason)) => tally.missing(format!("{name} ({reason})")),
                Err(error) => tally.failed_run(format!("{name}: {error}")),
            }
            timing.ran(start.elapsed());
            println!("{name} took {:.1} s", start.elapsed().as_secs_f64());
        }
    }
    for line in fs::read_to_string(&not_run)?.lines() {
        tally.skipped(line);
    }

    println!("\n{timing}\n{tally}");
    if filter.is_empty() {
        fs::write(&report, tally.to_string())?;
    }
    if tally.is_success() {
        Ok(())
    } else {
        Err("tests failed".into())
    }
}

/// Tests a package with the command that it is packed with, or gives what it can't be built for.
type TestPackage = fn(&Path) -> Result<std::result::Result<bindings::Counts, String>>;

/// The packages for other languages.
const PACKAGES: [(&str, TestPackage); 4] = [
    ("node", |program| {
        bindings::node_in_test(&tools::of_node_package()?, program).map(Ok)
    }),
    ("python", |program| {
        bindings::python_in_test(&tools::of_python_package()?, program).map(Ok)
    }),
    // Between those that were installed just now.
    ("cross", |program| bindings::cross_in_test(program).map(Ok)),
    ("wasm", bindings::wasm_in_test),
];

/// The command that was built.
fn command_of<'a>(environment: &'a [(&'static str, PathBuf)]) -> Result<&'a Path> {
    let program = environment.iter().find(|(name, _)| *name == PROGRAM);
    let (_, program) = program.ok_or("there is no command to pack: it was not built")?;
    Ok(program)
}

/// Why the last complete run is not good enough for `ci`: it has to be there, green and whole.
pub(crate) fn last_run() -> Result {
    let report = fs::read_to_string(report()?);
    let report = report.map_err(|_| "no complete run of the tests; run `cargo xtask test` first")?;
    tally::judge(&report).map_err(Into::into)
}

fn report() -> Result<PathBuf> {
    Ok(state()?.join("last-test"))
}

/// One `cargo test`.
struct Run {
    /// Which packages, with which features.
    packages: Vec<&'static str>,
    /// Which targets; all that have tests if there are none.
    targets: &'static [&'static str],
}

/// Everything that is built of a package, but for its benches.
const TARGETS: &[&str] = &["--lib", "--bins", "--tests", "--examples"];

/// The runs: the workspace, its documentation, and each variant.
fn runs() -> Vec<Run> {
    let workspace = |targets| Run {
        packages: WORKSPACE.to_vec(),
        targets,
    };
    let variants = VARIANTS.iter().map(|variant| Run {
        packages: variant.packages().collect(),
        targets: &[],
    });
    [workspace(TARGETS), workspace(&["--doc"])]
        .into_iter()
        .chain(variants)
        .collect()
}

impl Run {
    /// Builds what is run, so that running takes no longer than the tests do. There is nothing to build for
    /// documentation: its tests are compiled as they run.
    fn build(&self) -> Result<Option<Command>> {
        if self.targets == ["--doc"] {
            return Ok(None);
        }
        let what = self.packages.iter().chain(TARGETS).copied();
        let messages = "--message-format=json-render-diagnostics";
        Ok(Some(cargo(["build"].into_iter().chain(what).chain([messages]))?))
    }

    fn test(&self) -> Result<Command> {
        let what = self.packages.iter().chain(self.targets).copied();
        cargo(["test"].into_iter().chain(what).chain(["--no-fail-fast"]))
    }
}

/// The folder of the published vectors.
fn vectors() -> Result<Option<PathBuf>> {
    let folder = match std::env::var_os(VECTORS) {
        Some(folder) => PathBuf::from(folder),
        None => root()?.join("../shared/vectors"),
    };
    if folder.is_dir() {
        Ok(Some(folder.canonicalize()?))
    } else {
        Ok(None)
    }
}
