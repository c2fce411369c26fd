//! The npm package `actionpass`: `bindings/node`.
//!
//! It is packed for this machine alone, without a dependency: names of ours are nobody's yet, so none is ever asked a
//! registry for. npm works offline here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Counts, Profile, build, copy, empty, stripped};
use crate::process::{Result, capture, root, run as succeed, spelled, tee};

/// Packages that tests import, and the compiler: they stand beside the package, where its users have theirs.
const BESIDE: &[&str] = &[
    "@langchain",
    "@modelcontextprotocol",
    "@octokit",
    "@openai",
    "@types",
    "ai",
    "canonicalize",
    "express",
    "jose",
    "langchain",
    "typescript",
    "zod",
];

/// The least part of each module's lines that the tests run, in percent.
const COVERAGE: &str = "80";

/// Builds, packs, installs into an empty folder, and tests what is there.
pub(super) fn run(kit: &Path, program: &Path) -> Result<Counts> {
    let packed = packed(program)?;
    println!("packed {}", packed.display());
    let app = install(&packed, kit, "node-app")?;
    check_types(&app, kit)?;
    run_command(&packed)?;
    test(&app)
}

/// Builds and packs.
pub(super) fn packed(program: &Path) -> Result<PathBuf> {
    pack(&module(Profile::Dev)?, program)
}

/// Builds, packs and installs.
pub(super) fn installed(kit: &Path, program: &Path) -> Result<PathBuf> {
    install(&packed(program)?, kit, "node-app")
}

/// Measures the package, built for release, beside what its users would write without it, and gives the report as JSON.
pub(super) fn bench(kit: &Path, program: &Path, is_quick: bool) -> Result<String> {
    let packed = pack(&module(Profile::Release)?, program)?;
    let app = install(&packed, kit, "node-bench")?;
    let mut node = Command::new("node");
    node.arg("test/bench.mjs").current_dir(app);
    if is_quick {
        node.arg("--quick");
    }
    capture(&mut node)
}

pub(super) fn module(profile: Profile) -> Result<PathBuf> {
    build("actionpass-node", profile, |name| {
        [
            "libactionpass_node.so",
            "libactionpass_node.dylib",
            "actionpass_node.dll",
        ]
        .contains(&name)
    })
}

fn npm(arguments: &[&str], folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.args([
        "--offline",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
    ])
    .args(arguments)
    .current_dir(folder);
    npm
}

/// The package as it is installed: the wrapper, this machine's native module, and the command.
fn pack(module: &Path, program: &Path) -> Result<PathBuf> {
    let stage = empty("node-package")?;
    copy_wrapper(&stage)?;
    fs::copy(root()?.join("bindings/node/package.json"), stage.join("package.json"))?;
    stripped(module, &stage.join("actionpass.node"))?;
    stripped(program, &stage.join("bin/actionpass"))?;
    let dist = root()?.join("bindings/node/dist");
    fs::create_dir_all(&dist)?;
    let packed = pack_folder(&stage, &dist)?;
    let expected = format!("actionpass-{}.tgz", env!("CARGO_PKG_VERSION"));
    if packed.file_name().is_some_and(|name| *name == *expected) {
        Ok(packed)
    } else {
        Err(format!("packed {}, but the crates are at {expected}", packed.display()).into())
    }
}

/// The wrapper, its declarations and the licences.
pub(super) fn copy_wrapper(stage: &Path) -> Result {
    let source = root()?.join("bindings/node");
    for file in ["codes.d.ts", "express.d.ts", "index.d.ts", "mcp.d.ts"] {
        fs::copy(source.join(file), stage.join(file))?;
    }
    copy_licences(stage)?;
    copy(&source.join("lib"), &stage.join("lib"))
}

pub(super) fn copy_licences(stage: &Path) -> Result {
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root()?.join(licence), stage.join(licence))?;
    }
    Ok(())
}

/// Packs a folder as npm publishes it.
pub(super) fn pack_folder(stage: &Path, dist: &Path) -> Result<PathBuf> {
    let mut pack = npm(&["pack", "--pack-destination"], stage);
    let name = capture(pack.arg(dist))?;
    Ok(dist.join(name.trim()))
}

/// An empty folder with the package, what the tests import beside it, and the tests.
pub(super) fn install(packed: &Path, kit: &Path, name: &str) -> Result<PathBuf> {
    install_all(&[packed], kit, name)
}

/// The same with several packages of ours. None that they name is looked for elsewhere.
pub(super) fn install_all(packed: &[&Path], kit: &Path, name: &str) -> Result<PathBuf> {
    let app = empty(name)?;
    fs::write(app.join("package.json"), "{\"private\":true,\"type\":\"module\"}\n")?;
    capture(npm(&["install", "--omit=optional"], &app).args(packed))?;
    for name in BESIDE {
        symlink(
            &kit.join("node_modules").join(name),
            &app.join("node_modules").join(name),
        )?;
    }
    copy(&root()?.join("bindings/node/test"), &app.join("test"))?;
    // Examples are run as a reader would.
    fs::copy(root()?.join("docs/howto/node.md"), app.join("test/node.md"))?;
    copy(
        &root()?.join("docs/howto/guard-an-agent"),
        &app.join("test/guard-an-agent"),
    )?;
    Ok(app)
}

#[cfg(unix)]
fn symlink(from: &Path, to: &Path) -> Result {
    Ok(std::os::unix::fs::symlink(from, to)?)
}

#[cfg(not(unix))]
fn symlink(from: &Path, to: &Path) -> Result {
    copy(from, to)
}

/// The declarations, against what programs in TypeScript write and against the quickstart.
fn check_types(app: &Path, kit: &Path) -> Result {
    let options = [
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "false",
        "--target",
        "es2024",
        "--lib",
        "es2024,esnext.disposable,dom",
        "--module",
        "nodenext",
        "--types",
        "node",
        "--allowJs",
        "--checkJs",
        "test/types.mts",
        "test/quickstart.mjs",
    ];
    let mut tsc = Command::new("node");
    tsc.arg(kit.join("node_modules/typescript/bin/tsc"))
        .args(options)
        .current_dir(app);
    succeed(&mut tsc)
}

/// The command comes with the package: `npx ./FILE.tgz demo` in an empty folder.
fn run_command(packed: &Path) -> Result {
    let folder = empty("node-npx")?;
    let file = folder.join("actionpass.tgz");
    fs::copy(packed, &file)?;
    let mut npx = Command::new("npx");
    // A cache of its own: the file that is packed next has the same name.
    npx.args(["--offline", "--yes", "./actionpass.tgz", "demo"])
        .env("npm_config_cache", folder.join("cache"))
        .current_dir(&folder);
    succeed(&mut npx)
}

fn test(app: &Path) -> Result<Counts> {
    let coverage = empty("node-coverage")?;
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"])
        .env("NODE_V8_COVERAGE", &coverage)
        .current_dir(app);
    let mut suites: Vec<_> = fs::read_dir(app.join("test"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    suites.sort();
    node.args(suites);
    let counts = Tests(node).run()?;
    // `bindings wasm` and `bindings node --release` run these.
    judge_coverage(
        app,
        &coverage,
        &["-", "command.js", "native.js", "platform.js", "wasm.js"],
    )?;
    Ok(counts)
}

/// Fails if the tests ran too few of the lines of some modules: those that are named, or any but those behind a `-`.
pub(super) fn judge_coverage(app: &Path, folder: &Path, modules: &[&str]) -> Result {
    let mut judge = Command::new("node");
    judge.arg("test/coverage.mjs").arg(folder).arg(COVERAGE).args(modules);
    succeed(judge.current_dir(app))
}

/// Tests of Node's own runner, whose summary is read.
pub(super) struct Tests(pub(super) Command);

impl Tests {
    pub(super) fn run(mut self) -> Result<Counts> {
        let mut counts = Counts::default();
        let status = tee(&mut self.0, |line| read(line, &mut counts))?;
        if !status.success() && counts.failed == 0 {
            return Err(format!("`{}`: {status}", spelled(&self.0)).into());
        }
        if counts.passed == 0 {
            return Err(format!("`{}` ran no tests", spelled(&self.0)).into());
        }
        Ok(counts)
    }
}

/// Reads a line of the summary, `ℹ pass 22`. What was cancelled, skipped or left to do has failed: nothing may be left out.
fn read(line: &str, counts: &mut Counts) {
    let Some((what, count)) = line.strip_prefix("ℹ ").and_then(|line| line.split_once(' ')) else {
        return;
    };
    let Ok(count) = count.trim().parse::<u64>() else {
        return;
    };
    match what {
        "pass" => counts.passed = count,
        "fail" | "cancelled" | "skipped" | "todo" => counts.failed = counts.failed.saturating_add(count),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_node_is_counted_and_nothing_counts_as_passed_that_did_not_run() {
        let mut counts = Counts::default();
        for line in [
            "✔ one (1ms)",
            "ℹ tests 7",
            "ℹ pass 3",
            "ℹ fail 1",
            "ℹ cancelled 1",
            "ℹ skipped 2",
            "ℹ todo 0",
            "ℹ duration_ms 4.5",
        ] {
            read(line, &mut counts);
        }
        assert_eq!(counts, Counts { passed: 3, failed: 4 });
        assert_eq!(counts.result(), "test result: FAILED. 3 passed; 4 failed");
    }
}
