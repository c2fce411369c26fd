//! The program under test, built once for each run of the tests.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// Where `cargo xtask test` says that it has built the program with everything else.
const BUILT: &str = "ACTIONPASS_PROGRAM";

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The Cargo that runs these tests.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(root());
    cargo
}

/// Says that the current test did not run, the way that `cargo xtask test` reads it.
pub(crate) fn not_run(what: &str) {
    let line = format!("not run: {what}\n");
    match std::env::var_os("ACTIONPASS_NOT_RUN").map(|path| fs::File::options().append(true).open(path)) {
        Some(file) => file.unwrap().write_all(line.as_bytes()).unwrap(),
        None => eprint!("{line}"),
    }
}

/// The path of `actionpass`, with every custodian, built from the source as it is, alone in its folder.
pub(crate) fn actionpass() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = std::env::var_os(BUILT).map_or_else(build, PathBuf::from);
        // By a name of its own: a build that someone starts meanwhile replaces Cargo's.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e");
        fs::create_dir_all(&folder).unwrap();
        let next = folder.join(format!("next-{}", std::process::id()));
        fs::hard_link(&built, &next)
            .or_else(|_| fs::copy(&built, &next).map(drop))
            .unwrap();
        let program = folder.join("actionpass");
        fs::rename(&next, &program).unwrap();
        // Renaming a link onto another of the same file does nothing and leaves both.
        fs::remove_file(next).ok();
        program
    })
}

fn build() -> PathBuf {
    let mut build = cargo();
    build.args([
        "build",
        "--package",
        "actionpass-cli",
        "--bin",
        "actionpass",
        "--features",
        "all-custodians",
        "--message-format",
        "json",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut executables = lines.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_ours = message["target"]["name"] == "actionpass";
        message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
    });
    executables.next_back().unwrap()
}
