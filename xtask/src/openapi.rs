//! `cargo xtask openapi`: docs/openapi.json, written from the routes of actionpass-server.

use crate::generated::{Mode, settle};
use crate::process::{Result, cargo};

const FILE: &str = "docs/openapi.json";

/// Writes or checks the file. The server isn't linked to this program: nothing that builds it waits for it otherwise.
pub(crate) fn run(mode: Mode) -> Result {
    let printed = cargo([
        "run",
        "--quiet",
        "--package",
        "actionpass-server",
        "--example",
        "openapi",
    ])?
    .output()?;
    if !printed.status.success() {
        return Err(String::from_utf8_lossy(&printed.stderr).into());
    }
    settle(FILE, &String::from_utf8(printed.stdout)?, mode, "openapi")
}
