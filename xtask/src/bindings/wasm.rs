//! The executor's side in WebAssembly, `bindings/wasm`: tested in the npm package, in the place of its native module.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::node::{self, Tests};
use super::{Counts, Profile, build_for, empty};
use crate::process::{Result, capture, run as succeed};

const TARGET: &str = "wasm32-wasip1";

/// The module, or, where Rust's standard library for it can't be had, why not.
pub(super) fn module(profile: Profile) -> Result<std::result::Result<PathBuf, String>> {
    if let Err(error) = provide() {
        return Ok(Err(error.to_string()));
    }
    let built = build_for("actionpass-wasm", profile, Some(TARGET), |name| {
        name == "actionpass_wasm.wasm"
    });
    built.map(Ok)
}

/// Finds or installs Rust's standard library for the target.
fn provide() -> Result {
    let libraries = capture(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    if Path::new(libraries.trim()).exists() {
        return Ok(());
    }
    succeed(Command::new("rustup").args(["target", "add", TARGET]))
}

/// Installs the package twice, with its native module and with this one instead, and tests the second with what the first issues.
pub(super) fn run(module: &Path, kit: &Path, program: &Path) -> Result<Counts> {
    let packed = node::packed(program)?;
    let whole = node::install(&packed, kit, "node-app")?;
    let app = node::install(&packed, kit, "node-wasm")?;
    let package = app.join("node_modules/actionpass");
    fs::remove_file(package.join("actionpass.node"))?;
    fs::copy(module, package.join("actionpass.wasm"))?;
    test_in(&app, &whole)
}

/// Tests a package that has no native module with what `whole` issues.
pub(super) fn test(packed: &Path, whole: &Path, kit: &Path) -> Result<Counts> {
    test_in(&node::install(packed, kit, "node-wasm")?, whole)
}

fn test_in(app: &Path, whole: &Path) -> Result<Counts> {
    let cases = empty("node-cases")?.join("cases.json");
    let mut issue = Command::new("node");
    issue.args(["test/cross.mjs", "issue"]).current_dir(whole);
    fs::write(&cases, capture(&mut issue)?)?;
    let coverage = empty("node-wasm-coverage")?;
    let mut tests = Command::new("node");
    tests
        .args(["--test-reporter=spec", "test/wasm.mjs"])
        .stdin(Stdio::from(File::open(&cases)?))
        .env("NODE_V8_COVERAGE", &coverage)
        .current_dir(app);
    let counts = Tests(tests).run()?;
    node::judge_coverage(app, &coverage, &["native.js", "wasm.js"])?;
    Ok(counts)
}
