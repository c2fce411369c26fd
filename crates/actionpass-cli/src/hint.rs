//! What to do about an error of a layer below, where that is known.

use std::any::Any;
use std::path::Path;

use actionpass_core::AuthorizeCode;
use actionpass_custody::CustodianError;
use actionpass_door::DoorCode;
use actionpass_home::{Exposure, HomeError, home};
use actionpass_mcp::McpCode;
use actionpass_model::CodedError;

use crate::shell::quote;

/// What to do next.
pub(crate) fn of(error: &(impl CodedError + 'static)) -> Option<String> {
    if error.code() == AuthorizeCode::FactsStale.as_str() {
        return Some("establish the facts again, and write when that was as `asOf`".to_owned());
    }
    if let Some(hint) = of_front_door(error.code().as_str()) {
        return Some(hint.to_owned());
    }
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref::<HomeError>() {
        return of_home(error);
    }
    error.downcast_ref::<CustodianError>().and_then(of_custodian)
}

/// What to look at when a front door isn't there, or its server.
fn of_front_door(code: &str) -> Option<&'static str> {
    let doors = [
        DoorCode::DoorUnknown.as_str(),
        DoorCode::DoorNotNamed.as_str(),
        DoorCode::DoorOfAnotherKind.as_str(),
    ];
    if doors.contains(&code) {
        return Some(
            "--door NAME says which; config.toml has the names and kinds, and `actionpass protect` writes them",
        );
    }
    (code == McpCode::ServerUnknown.as_str()).then_some(
        "tools.toml has the names under `[[server]]`, and the command of each, which has to be the same word for word; at a service a client sees those of its `--server`",
    )
}

fn of_home(error: &HomeError) -> Option<String> {
    match error {
        HomeError::NoPlace => Some("use --home DIR or set ACTIONPASS_HOME".to_owned()),
        HomeError::Missing(root) => Some(make(root)),
        HomeError::Exists(_) => Some("choose another folder with --home".to_owned()),
        HomeError::Exposed { path, exposure } => exposed(path, *exposure),
        HomeError::Custodian(error) => of_custodian(error),
        _ if error.code() == "trust_rolled_back" => {
            Some("put the newest trust.json back: an older one lacks what was revoked since. If that is lost, `actionpass trust restored` (of the same home) puts back what the ledger knows of".to_owned())
        }
        HomeError::Unreadable { path, source }
            if source.kind() == std::io::ErrorKind::NotFound && path.ends_with(home::CONFIG) =>
        {
            Some("restore config.toml from a backup, or write it anew (docs/cli.md): every record of the ledger names the issuer, and the key is in keys/ unless a custodian has it".to_owned())
        }
        _ => None,
    }
}

fn make(root: &Path) -> String {
    if home::place(None).is_ok_and(|default| default == root) {
        "`actionpass init` makes one".to_owned()
    } else {
        format!(
            "`actionpass --home {} init` makes one",
            quote(&root.display().to_string())
        )
    }
}

fn exposed(path: &Path, exposure: Exposure) -> Option<String> {
    let path = path.display().to_string();
    let path = quote(&path);
    match exposure {
        Exposure::Writable => Some(format!("`chmod go-w {path}`, once you know what they wrote")),
        Exposure::Foreign => Some(format!("`chown {} {path}`, once you know what they wrote", owner())),
        Exposure::Readable => Some(format!("`chmod 600 {path}`, and rotate the key if they did")),
        _ => None,
    }
}

#[cfg(unix)]
fn owner() -> String {
    rustix::process::geteuid().as_raw().to_string()
}

#[cfg(not(unix))]
fn owner() -> String {
    "USER".to_owned()
}

fn of_custodian(error: &CustodianError) -> Option<String> {
    let is_missing = matches!(error, CustodianError::SchemeUnknown { .. });
    is_missing.then(|| {
        "a custodian that is missing here may be a feature of the build: `cargo install --path crates/actionpass-cli --features all-custodians`".to_owned()
    })
}
