//! The Python package `actionpass`: `bindings/python`.
//!
//! The wheel is for this machine alone, with the module of the dev profile, for which Cargo compiles nothing that another build here
//! has compiled. pip installs it without an index: names of ours are nobody's yet, so none is ever asked a registry for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Counts, copy, empty, stripped};
use crate::process::{Result, capture, root, run as succeed, tee};

/// The least part of the wrapper's lines that the tests run, in percent.
const COVERAGE: &str = "80";

/// Builds, installs into an empty environment, and tests what is there. `kit` is the interpreter with the pinned packages.
pub(super) fn run(kit: &Path, program: &Path) -> Result<Counts> {
    let wheel = pack(kit, program)?;
    println!("packed {}", wheel.display());
    let app = install(&wheel, kit)?;
    check_types(&app)?;
    run_command(&wheel, kit)?;
    test(&app)
}

/// Builds, packs and installs, and gives the folder.
pub(super) fn installed(kit: &Path, program: &Path) -> Result<PathBuf> {
    install(&pack(kit, program)?, kit)
}

/// The wheel: the wrapper, this machine's native module, and the command.
fn pack(kit: &Path, program: &Path) -> Result<PathBuf> {
    let source = root()?.join("bindings/python");
    let data = source.join("actionpass.data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    stripped(program, &data.join("scripts/actionpass"))?;
    let dist = source.join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    let mut maturin = Command::new(kit);
    maturin
        .args([
            "-m",
            "maturin",
            "build",
            "--profile=dev",
            "--strip",
            "--compatibility=linux",
            "--interpreter",
        ])
        .arg(kit)
        .arg("--out")
        .arg(&dist)
        .current_dir(&source);
    // As in `process::cargo`: what `cargo run` says of xtask is none of the build's business.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            maturin.env_remove(&name);
        }
    }
    succeed(&mut maturin)?;
    let expected = format!("actionpass-{}-cp310-abi3-", env!("CARGO_PKG_VERSION"));
    fs::read_dir(&dist)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&expected))
        })
        .ok_or_else(|| format!("no {expected}*.whl was built").into())
}

/// An empty environment with the wheel and nothing else, and the tests beside it. What the tests import is added as a path behind.
fn install(wheel: &Path, kit: &Path) -> Result<PathBuf> {
    let app = empty("python-app")?;
    let folder = app.join("venv");
    succeed(Command::new(kit).args(["-m", "venv"]).arg(&folder))?;
    let python = folder.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
    ])
    .arg(wheel);
    succeed(&mut pip)?;
    // It imports without anything else, `cryptography` too.
    let alone = "import actionpass, sys; assert 'cryptography' not in sys.modules; print(actionpass.hash({}))";
    succeed(Command::new(&python).args(["-c", alone]).current_dir(&app))?;
    let paths = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let beside = capture(Command::new(kit).args(["-c", paths]))?;
    let here = capture(Command::new(&python).args(["-c", paths]))?;
    fs::write(Path::new(here.trim()).join("kit.pth"), beside)?;
    copy(&root()?.join("bindings/python/test"), &app.join("test"))?;
    // Its example is run as a reader would.
    fs::copy(root()?.join("docs/howto/python.md"), app.join("test/python.md"))?;
    for file in ["bindings/python/pyproject.toml", "bindings/python/README.md"] {
        let path = root()?.join(file);
        fs::copy(&path, app.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(app)
}

fn python(app: &Path, arguments: &[&str]) -> Command {
    let mut python = Command::new(app.join("venv/bin/python"));
    python.args(["-B", "-X", "dev", "-m"]).args(arguments).current_dir(app);
    python
}

/// The types of the package, those of what programs write, and that the stubs of the native half are what it is.
fn check_types(app: &Path) -> Result {
    succeed(&mut python(app, &["mypy", "--strict", "--package", "actionpass"]))?;
    succeed(&mut python(
        app,
        &["mypy", "--strict", "test/quickstart.py", "test/types_of_users.py"],
    ))?;
    succeed(&mut python(app, &["mypy.stubtest", "actionpass._native"]))
}

/// The command comes with the package: `pipx run --spec FILE.whl actionpass demo` in an empty folder.
fn run_command(wheel: &Path, kit: &Path) -> Result {
    let folder = empty("python-pipx")?;
    let mut pipx = Command::new(kit);
    pipx.args(["-m", "pipx", "run", "--skip-maintenance", "--no-cache", "--spec"])
        .arg(wheel)
        .args(["actionpass", "demo"])
        .env("PIPX_HOME", folder.join("home"))
        .env("PIP_NO_INDEX", "1")
        .current_dir(&folder);
    succeed(&mut pipx)
}

fn test(app: &Path) -> Result<Counts> {
    let mut pytest = python(
        app,
        &[
            "coverage",
            "run",
            "--rcfile=pyproject.toml",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "test",
        ],
    );
    let mut counts = Counts::default();
    let status = tee(&mut pytest, |line| read(line, &mut counts))?;
    if !status.success() && counts.failed == 0 {
        return Err(format!("pytest: {status}").into());
    }
    if counts.passed == 0 {
        return Err("pytest ran no tests".into());
    }
    let least = format!("--fail-under={COVERAGE}");
    succeed(&mut python(
        app,
        &["coverage", "report", "--rcfile=pyproject.toml", &least],
    ))?;
    Ok(counts)
}

/// Reads the last line, `1 failed, 22 passed in 3.4s`. What was skipped or failed as expected has failed: nothing may be left out.
fn read(line: &str, counts: &mut Counts) {
    let Some((summary, _)) = line.trim_matches(['=', ' ']).split_once(" in ") else {
        return;
    };
    let mut read = Counts::default();
    for part in summary.split(", ") {
        let Some((count, what)) = part.split_once(' ') else {
            return;
        };
        let Ok(count) = count.parse::<u64>() else { return };
        match what {
            "passed" => read.passed = count,
            "failed" | "error" | "errors" | "skipped" | "xfailed" | "xpassed" => {
                read.failed = read.failed.saturating_add(count);
            }
            _ => {}
        }
    }
    *counts = read;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_pytest_is_counted_and_nothing_counts_as_passed_that_did_not_run() {
        let mut counts = Counts::default();
        for line in [
            "......",
            "warning in the middle, of text",
            "2 failed, 3 passed, 1 skipped, 1 error, 4 warnings in 1.20s",
        ] {
            read(line, &mut counts);
        }
        assert_eq!(counts, Counts { passed: 3, failed: 4 });
        read("===== 7 passed in 61.00s (0:01:01) =====", &mut counts);
        assert_eq!(counts, Counts { passed: 7, failed: 0 });
    }
}
