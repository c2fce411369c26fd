//! The Python package `actionpass`: `bindings/python`.
//!
//! The wheel is for this machine alone, with the module of the dev profile, for which Cargo compiles nothing that another build here
//! has compiled. pip installs it without an index: names of ours are nobody's yet, so none is ever asked a registry for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Counts, copy, empty, stripped};
use crate::process::{Result, capture, root, run as succeed, tee};
use crate::tools::PythonKit;

/// The least part of the wrapper's lines that the tests run, in percent.
const COVERAGE: &str = "80";

/// Builds, installs into an empty environment, and tests what is there.
pub(super) fn run(kit: &PythonKit, program: &Path) -> Result<Counts> {
    let wheel = packed(kit, program)?;
    println!("packed {}", wheel.display());
    let app = app(&wheel, kit)?;
    check_types(&app)?;
    run_command(&wheel, &kit.python)?;
    test(&app)
}

/// Builds, packs and installs, and gives the folder.
pub(super) fn installed(kit: &PythonKit, program: &Path) -> Result<PathBuf> {
    app(&packed(kit, program)?, kit)
}

/// Builds and packs, for this machine.
fn packed(kit: &PythonKit, program: &Path) -> Result<PathBuf> {
    let dist = root()?.join("bindings/python/dist");
    let options = ["--profile=dev", "--compatibility=linux"];
    pack(&kit.python, Some(program), &options, &dist)
}

/// Installs, with the tests.
fn app(wheel: &Path, kit: &PythonKit) -> Result<PathBuf> {
    let app = install(wheel, &kit.python, "python-app")?;
    add_tests(&app, kit)?;
    Ok(app)
}

/// Measures what is installed, with the profile that is shipped: `bindings/python/bench.py`.
pub(super) fn bench(kit: &PythonKit) -> Result {
    let dist = empty("python-bench-wheel")?;
    let wheel = pack(&kit.python, None, &["--release", "--compatibility=linux"], &dist)?;
    let app = install(&wheel, &kit.python, "python-bench")?;
    let script = root()?.join("bindings/python/bench.py");
    succeed(Command::new(app.join("venv/bin/python")).arg(script).current_dir(&app))
}

/// What is published for this platform: a wheel with the profile that is shipped, for every system that has at least the C library
/// of this one, which maturin checks. It has a bill of materials of the native half (`*.dist-info/sboms`).
pub(super) fn release(kit: &PythonKit, program: &Path) -> Result {
    let dist = root()?.join("bindings/python/dist/release");
    let wheel = pack(&kit.python, Some(program), &["--release"], &dist)?;
    println!("packed {}", wheel.display());
    let app = install(&wheel, &kit.python, "python-release")?;
    let listed = "import zipfile, sys; names = zipfile.ZipFile(sys.argv[1]).namelist(); \
        sys.exit(0 if any('.dist-info/sboms/' in name for name in names) else 'the wheel has no bill of materials')";
    succeed(
        Command::new(app.join("venv/bin/python"))
            .args(["-c", listed])
            .arg(&wheel),
    )?;
    run_command(&wheel, &kit.python)
}

/// The wheel in an empty folder: the wrapper, this machine's native module, and the command where it is one.
fn pack(kit: &Path, program: Option<&Path>, options: &[&str], dist: &Path) -> Result<PathBuf> {
    let source = root()?.join("bindings/python");
    let data = source.join("actionpass.data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    if let Some(program) = program {
        stripped(program, &data.join("scripts/actionpass"))?;
    }
    if dist.exists() {
        fs::remove_dir_all(dist)?;
    }
    let mut maturin = Command::new(kit);
    maturin
        .args(["-m", "maturin", "build", "--strip", "--interpreter"])
        .arg(kit)
        .args(options)
        .arg("--out")
        .arg(dist)
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
    fs::read_dir(dist)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&expected))
        })
        .ok_or_else(|| format!("no {expected}*.whl was built").into())
}

/// An empty environment with the wheel and nothing else. What the tests import is added as a path behind.
fn install(wheel: &Path, kit: &Path, name: &str) -> Result<PathBuf> {
    let app = empty(name)?;
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
    Ok(app)
}

/// The tests, and what they read.
fn add_tests(app: &Path, kit: &PythonKit) -> Result {
    copy(&root()?.join("bindings/python/test"), &app.join("test"))?;
    // Their examples are run as a reader would.
    for name in ["python.md", "python-agents.md"] {
        fs::copy(root()?.join("docs/howto").join(name), app.join("test").join(name))?;
    }
    for file in ["bindings/python/pyproject.toml", "bindings/python/README.md"] {
        let path = root()?.join(file);
        fs::copy(&path, app.join(path.file_name().unwrap_or_default()))?;
    }
    fs::copy(&kit.webhooks, app.join("test/webhooks.json"))?;
    Ok(())
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
