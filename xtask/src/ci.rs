//! `cargo xtask ci`: every check that is not a test, one after the other, with a summary.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::generated::Mode;
use crate::process::{Result, cargo, root, run as succeed};
use crate::variants::{EVERYTHING, VARIANTS};
use crate::{codes, features, layers, openapi, schemas, test};

type Step = (&'static str, fn() -> Result);

const STEPS: &[Step] = &[
    ("last test run", test::last_run),
    ("fmt", fmt),
    ("clippy", clippy),
    ("doc", doc),
    ("layers", layers::run),
    ("features", features::run),
    ("codes", || codes::run(Mode::Check)),
    ("schemas", || schemas::run(Mode::Check)),
    ("openapi", || openapi::run(Mode::Check)),
    ("deny", deny),
];

/// Runs every step, also after one failed, so that one run shows all there is to mend.
pub(crate) fn run() -> Result {
    let mut rows = Vec::new();
    for (name, step) in STEPS {
        println!("\n== {name}");
        let start = Instant::now();
        let done = step();
        if let Err(error) = &done {
            println!("{error}");
        }
        let row = summary(name, done.is_ok(), start.elapsed());
        println!("{row}");
        rows.push((done.is_ok(), row));
    }
    println!();
    rows.iter().for_each(|(_, row)| println!("{row}"));
    let failed = rows.iter().filter(|(ok, _)| !ok).count();
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of {} checks failed", rows.len()).into())
    }
}

fn summary(name: &str, ok: bool, took: Duration) -> String {
    format!(
        "{} {name:<14} {:>7.1} s",
        if ok { "ok    " } else { "FAILED" },
        took.as_secs_f64()
    )
}

fn fmt() -> Result {
    succeed(&mut cargo(["fmt", "--all", "--check"])?)
}

/// Warnings are denied behind `--`: through RUSTFLAGS they would rebuild every dependency.
fn clippy() -> Result {
    let deny = ["--all-targets", "--", "-Dwarnings"];
    for features in [None, Some(EVERYTHING)] {
        let workspace = ["clippy", "--workspace"].into_iter().chain(features);
        succeed(&mut cargo(workspace.chain(deny))?)?;
    }
    for variant in VARIANTS {
        succeed(&mut cargo(variant.arguments("clippy").chain(deny))?)?;
    }
    Ok(())
}

fn doc() -> Result {
    succeed(cargo(["doc", "--workspace", "--no-deps"])?.env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn deny() -> Result {
    let program = cargo_deny()?;
    let deny = Command::new(program)
        .args(["check", "bans", "licenses", "sources"])
        .current_dir(root()?)
        .status();
    if deny?.success() {
        Ok(())
    } else {
        Err("cargo-deny refuses; see deny.toml".into())
    }
}

/// cargo-deny from the path, or one of our own below `target/`.
fn cargo_deny() -> Result<PathBuf> {
    let home = root()?.join("target/deps/cargo");
    let own = home.join("bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), own.clone()] {
        let version = Command::new(&program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if version.is_ok_and(|status| status.success()) {
            return Ok(program);
        }
    }
    succeed(cargo(["install", "cargo-deny", "--locked", "--root"])?.arg(home))?;
    Ok(own)
}
