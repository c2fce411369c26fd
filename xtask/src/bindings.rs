//! `cargo xtask bindings LANGUAGE`: the packages for other languages, built, packed, and tested as they are installed.

mod cross;
mod node;
mod python;
mod release;
mod sbom;
mod wasm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::generated::Mode;
use crate::process::{Result, capture, cargo, state};
use crate::tools::PythonKit;
use crate::{codes, tools};

/// How many tests of a package passed and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
}

impl Counts {
    /// As libtest says it.
    pub(crate) fn result(self) -> String {
        let verdict = if self.failed == 0 { "ok" } else { "FAILED" };
        format!("test result: {verdict}. {} passed; {} failed", self.passed, self.failed)
    }
}

/// Does all of it for the package of Node, on a machine that may have nothing yet. With `Check`, generated files are compared
/// instead of written.
pub(crate) fn node(mode: Mode) -> Result {
    codes::run(mode)?;
    let kit = tools::of_node_package()?;
    judged(node::run(&kit, &command()?)?)
}

/// What is published for Node.
pub(crate) fn node_release() -> Result {
    codes::run(Mode::Check)?;
    release::run(&tools::of_node_package()?, &release::command()?)
}

/// The same as [`node()`] for the package of Python.
pub(crate) fn python(mode: Mode) -> Result {
    codes::run(mode)?;
    let kit = tools::of_python_package()?;
    judged(python::run(&kit, &command()?)?)
}

/// Measures the package of Python beside what it is an alternative to.
pub(crate) fn python_bench() -> Result {
    python::bench(&tools::of_python_package()?)
}

/// Packs what is published of the package of Python for this platform, into `bindings/python/dist/release`.
pub(crate) fn python_release() -> Result {
    python::release(&tools::of_python_package()?, &release::command()?)
}

/// The command that is packed: the one that the environment names, or built.
fn command() -> Result<PathBuf> {
    match std::env::var_os("ACTIONPASS_PROGRAM") {
        Some(program) => Ok(program.into()),
        None => build("actionpass-cli", Profile::Dev, |name| name == "actionpass"),
    }
}

fn judged(counts: Counts) -> Result {
    println!("\n{}", counts.result());
    if counts.failed == 0 {
        Ok(())
    } else {
        Err("tests of the package failed".into())
    }
}

/// Builds the executor's side in WebAssembly, and tests the package for Node with it in the place of the native module. Where the
/// target can't be had it says so, and nothing more.
pub(crate) fn wasm(mode: Mode) -> Result {
    codes::run(mode)?;
    match wasm::module(Profile::Dev)? {
        Ok(module) => judged(wasm::run(&module, &tools::of_node_package()?, &command()?)?),
        Err(reason) => {
            println!("not run: the package in WebAssembly ({reason})");
            Ok(())
        }
    }
}

/// Builds and installs all packages, and lets each verify what the others issued.
pub(crate) fn cross(mode: Mode) -> Result {
    codes::run(mode)?;
    let program = command()?;
    node::installed(&tools::of_node_package()?, &program)?;
    python::installed(&tools::of_python_package()?, &program)?;
    judged(cross::run()?)
}

/// The same with the packages that a run of all tests installed before.
pub(crate) fn cross_in_test(_: &Path) -> Result<Counts> {
    cross::run()
}

/// The same within a run of all tests, which has the command. Where the target can't be had, `Err` says why.
pub(crate) fn wasm_in_test(program: &Path) -> Result<std::result::Result<Counts, String>> {
    match wasm::module(Profile::Dev)? {
        Ok(module) => wasm::run(&module, &tools::of_node_package()?, program).map(Ok),
        Err(reason) => Ok(Err(reason)),
    }
}

/// What `cargo xtask bench node` reports.
pub(crate) fn bench_node(is_quick: bool) -> Result<String> {
    node::bench(&tools::of_node_package()?, &command()?, is_quick)
}

/// The same within a run of all tests, which has the packages that it wants and the command.
pub(crate) fn node_in_test(kit: &Path, program: &Path) -> Result<Counts> {
    node::run(kit, program)
}

/// The package of Python within a run of all tests.
pub(crate) fn python_in_test(kit: &PythonKit, program: &Path) -> Result<Counts> {
    python::run(kit, program)
}

/// What Cargo says of something that it built (`--message-format=json`).
#[derive(Deserialize)]
struct Artifact {
    filenames: Vec<PathBuf>,
}

/// How something is built.
#[derive(Clone, Copy, Debug)]
enum Profile {
    /// As the tests are: Cargo compiles nothing that another build here has compiled.
    Dev,
    Release,
    /// For what is downloaded to verify: small before fast.
    Small,
}

/// Builds a package, and gives the file of this name.
fn build(package: &str, profile: Profile, is_wanted: fn(&str) -> bool) -> Result<PathBuf> {
    build_for(package, profile, None, is_wanted)
}

/// The same for another target than this machine.
fn build_for(package: &str, profile: Profile, target: Option<&str>, is_wanted: fn(&str) -> bool) -> Result<PathBuf> {
    eprintln!("building {package}");
    let mut build = cargo([
        "build",
        "--package",
        package,
        "--message-format=json-render-diagnostics",
    ])?;
    match profile {
        Profile::Dev => {}
        Profile::Release => {
            build.arg("--release");
        }
        Profile::Small => {
            build.args(["--profile", "small"]);
        }
    }
    if let Some(target) = target {
        build.args(["--target", target]);
    }
    let messages = capture(&mut build)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .flat_map(|artifact| artifact.filenames)
        .find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_wanted))
        .ok_or_else(|| format!("{package} has no such file").into())
}

/// A folder for one purpose, below `target/xtask`.
fn folder(name: &str) -> Result<PathBuf> {
    Ok(state()?.join(name))
}

/// The same, empty.
fn empty(name: &str) -> Result<PathBuf> {
    let folder = folder(name)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Copies a folder of files.
fn copy(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// A copy of a library or program without what only debuggers read, which is most of it.
fn stripped(from: &Path, to: &Path) -> Result {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)?;
    let mut strip = Command::new("strip");
    crate::process::run(strip.arg("--strip-debug").arg(to))
}
