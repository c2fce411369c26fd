//! The command under test, and tests that can't run here.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// `actionpass`, as `cargo xtask test` built it, or built here.
pub(crate) fn actionpass() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("ACTIONPASS_PROGRAM").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.args([
        "build",
        "--package=actionpass-cli",
        "--bin=actionpass",
        "--features=all-custodians",
        "--message-format=json",
    ]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_ours = message["target"]["name"] == "actionpass";
        message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
    };
    lines.lines().filter_map(executable).next_back().unwrap()
}

/// Whether system calls may be watched and tampered with; where they may not, says that this suite did not run.
pub(crate) fn strace_works(suite: &str) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "true"]).stderr(Stdio::null());
    let works = strace.status().is_ok_and(|status| status.success());
    if !works {
        not_run(&format!("{suite} (strace is missing or not permitted)"));
    }
    works
}

/// Says that a suite did not run, the way that `cargo xtask test` reads it.
pub(crate) fn not_run(what: &str) {
    let line = format!("not run: {what}\n");
    match std::env::var_os("ACTIONPASS_NOT_RUN").map(|path| fs::File::options().append(true).open(path)) {
        Some(file) => file.unwrap().write_all(line.as_bytes()).unwrap(),
        None => eprint!("{line}"),
    }
}
