//! The npm package `actionpass`: `bindings/node`.
//!
//! It is packed for this machine alone, without a dependency: names of ours are nobody's yet, so none is ever asked a
//! registry for. npm works offline here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Counts, build, copy, empty, stripped};
use crate::process::{Result, capture, root, run as succeed, tee};

/// Packages that tests import, and the compiler: they stand beside the package, where its users have theirs.
const BESIDE: &[&str] = &[
    "@modelcontextprotocol",
    "@types",
    "canonicalize",
    "express",
    "jose",
    "typescript",
    "zod",
];

/// Builds, packs, installs into an empty folder, and tests what is there.
pub(super) fn run(kit: &Path, program: &Path) -> Result<Counts> {
    let module = build("actionpass-node", |name| {
        [
            "libactionpass_node.so",
            "libactionpass_node.dylib",
            "actionpass_node.dll",
        ]
        .contains(&name)
    })?;
    let packed = pack(&module, program)?;
    println!("packed {}", packed.display());
    let app = install(&packed, kit)?;
    check_types(&app, kit)?;
    run_command(&packed)?;
    test(&app)
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
    let source = root()?.join("bindings/node");
    let stage = empty("node-package")?;
    for file in ["codes.d.ts", "express.d.ts", "index.d.ts", "mcp.d.ts", "package.json"] {
        fs::copy(source.join(file), stage.join(file))?;
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root()?.join(licence), stage.join(licence))?;
    }
    copy(&source.join("lib"), &stage.join("lib"))?;
    stripped(module, &stage.join("actionpass.node"))?;
    stripped(program, &stage.join("bin/actionpass"))?;
    let dist = source.join("dist");
    fs::create_dir_all(&dist)?;
    let mut pack = npm(&["pack", "--pack-destination"], &stage);
    let name = capture(pack.arg(&dist))?;
    let packed = dist.join(name.trim());
    let expected = format!("actionpass-{}.tgz", env!("CARGO_PKG_VERSION"));
    if packed.file_name().is_some_and(|name| *name == *expected) {
        Ok(packed)
    } else {
        Err(format!("packed {}, but the crates are at {expected}", packed.display()).into())
    }
}

/// An empty folder with the package, what the tests import beside it, and the tests.
fn install(packed: &Path, kit: &Path) -> Result<PathBuf> {
    let app = empty("node-app")?;
    fs::write(app.join("package.json"), "{\"private\":true,\"type\":\"module\"}\n")?;
    succeed(npm(&["install"], &app).arg(packed))?;
    for name in BESIDE {
        symlink(
            &kit.join("node_modules").join(name),
            &app.join("node_modules").join(name),
        )?;
    }
    copy(&root()?.join("bindings/node/test"), &app.join("test"))?;
    // Its example is run as a reader would.
    fs::copy(root()?.join("docs/howto/node.md"), app.join("test/node.md"))?;
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
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).current_dir(app);
    let mut suites: Vec<_> = fs::read_dir(app.join("test"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    suites.sort();
    node.args(suites);
    let mut counts = Counts::default();
    let status = tee(&mut node, |line| read(line, &mut counts))?;
    if !status.success() && counts.failed == 0 {
        return Err(format!("`node --test`: {status}").into());
    }
    if counts.passed == 0 {
        return Err("`node --test` ran no tests".into());
    }
    Ok(counts)
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
