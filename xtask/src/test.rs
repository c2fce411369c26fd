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
//! `ACTIONPASS_VECTORS` is the folder of the published vectors, absolute; it is unset where there is none. What else
//! tests find in the environment is in `tools.rs`.

mod tally;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use self::tally::Tally;
use crate::process::{Result, cargo, root, spelled, state, tee};
use crate::tools;
use crate::variants::VARIANTS;

const VECTORS: &str = "ACTIONPASS_VECTORS";
const NOT_RUN: &str = "ACTIONPASS_NOT_RUN";

/// Installs what is missing, runs everything, and ends with the count. `filter` goes to each test binary.
pub(crate) fn run(filter: &[&str]) -> Result {
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

    for mut command in commands()? {
        command.env_remove(VECTORS).envs(environment.iter().cloned());
        println!("\n== {}", spelled(&command));
        let name = spelled(&command);
        if !filter.is_empty() {
            command.arg("--").args(filter);
        }
        if !tee(&mut command, |line| tally.line(line))?.success() {
            tally.failed_run(name);
        }
    }
    for line in fs::read_to_string(&not_run)?.lines() {
        tally.skipped(line);
    }

    println!("\n{tally}");
    if filter.is_empty() {
        fs::write(&report, tally.to_string())?;
    }
    if tally.is_success() {
        Ok(())
    } else {
        Err("tests failed".into())
    }
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

/// The runs: the workspace, its documentation, and each variant.
fn commands() -> Result<Vec<Command>> {
    let workspace = ["test", "--workspace", "--no-fail-fast"];
    let targets = ["--lib", "--bins", "--tests", "--examples"];
    let mut commands = vec![
        cargo(workspace.into_iter().chain(targets))?,
        cargo(workspace.into_iter().chain(["--doc"]))?,
    ];
    for variant in VARIANTS {
        commands.push(cargo(variant.arguments("test").chain(["--no-fail-fast"]))?);
    }
    Ok(commands)
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
