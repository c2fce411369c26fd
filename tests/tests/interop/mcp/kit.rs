//! Where the packages are, and how programs of theirs are started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{dependency, root};

/// `node_modules` of the kit.
pub(crate) fn packages() -> PathBuf {
    dependency("ACTIONPASS_MCP_DEPS", "mcp").join("node_modules")
}

/// A script of the tests.
pub(crate) fn script(name: &str) -> PathBuf {
    root().join("tests/interop/mcp").join(name)
}

/// A program of the Python environment that has the servers.
pub(crate) fn python_program(name: &str) -> PathBuf {
    let python = std::env::var_os("ACTIONPASS_MCP_PYTHON")
        .map_or_else(|| root().join("target/deps/mcp-venv/bin/python"), PathBuf::from);
    python.with_file_name(name)
}

/// Whether the kit is there; a test that needs it returns if not.
pub(crate) fn is_there() -> bool {
    let found = packages().join("@modelcontextprotocol/sdk").is_dir() && python_program("mcp-server-time").is_file();
    crate::program::report_unless(found, "MCP packages")
}

/// A command in a folder, with no environment but what a program needs to start.
pub(crate) fn in_folder(words: &[String], folder: &Path) -> Command {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// The words that start a script of an npm package, by its path below `node_modules`.
pub(crate) fn of_package(path: &str, arguments: &[&str]) -> Vec<String> {
    let script = packages().join(path).to_str().unwrap().to_owned();
    let arguments = arguments.iter().map(ToString::to_string);
    ["node".to_owned(), script].into_iter().chain(arguments).collect()
}
