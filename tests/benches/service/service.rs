//! The service as it is measured: a release build on a home of its own, on the disk of the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use hyper::body::Bytes;
use serde_json::Value;

use crate::load::Question;
use crate::program::Program;

/// The program to be measured, built for release.
const PROGRAM: &str = "ACTIONPASS_BIN";

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) program: Program,
    token: String,
    home: PathBuf,
}

impl Service {
    pub(crate) fn start(folder: &Path) -> Self {
        let home = folder.join("home");
        let actionpass = |arguments: &[&str]| {
            let program = std::env::var_os(PROGRAM).unwrap_or_else(|| panic!("`cargo xtask load` sets {PROGRAM}"));
            let mut command = Command::new(program);
            command.arg("--home").arg(&home).args(arguments);
            command
        };
        let output = |arguments: &[&str]| {
            let output = actionpass(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        output(&["init"]);
        // Ten thousand requests wait at once: more than a deployment lets one client open.
        let config = home.join("config.toml");
        let mut text = fs::read_to_string(&config).unwrap();
        let limits = [
            ("live_per_client = 500", "live_per_client = 20000"),
            ("live = 10000", "live = 20000"),
            ("opened_per_hour = 60", "opened_per_hour = 1000"),
        ];
        for (default, wide) in limits {
            assert_eq!(text.matches(default).count(), 1, "{default}");
            text = text.replace(default, wide);
        }
        text.push_str("\n[serve.limits]\nconnections = 24000\nparked = 20000\n");
        fs::write(&config, text).unwrap();
        let any = ["--tenant", "--agent", "--owner", "--runtime", "--server", "--audience"].map(|option| [option, "*"]);
        let mut arguments = vec![
            "--json",
            "clients",
            "add",
            "load",
            "--may",
            "authorize,requests",
            "--attests",
        ];
        arguments.extend(any.as_flattened());
        let added: Value = serde_json::from_str(&output(&arguments)).unwrap();
        let token = added["token"].as_str().unwrap().to_owned();
        // The log is written, as it is in a deployment, and isn't in the way of the table.
        let log = File::create(folder.join("log")).unwrap();
        let program = Program::start(actionpass(&["serve", "--listen", "127.0.0.1:0"]).stderr(log));
        Self { program, token, home }
    }

    /// The example action of this name of a new home.
    pub(crate) fn example(&self, name: &str) -> Value {
        let text = fs::read(self.home.join("examples").join(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    pub(crate) fn question(&self, body: &Value, is_right: fn(&[u8]) -> bool) -> Question {
        Question {
            address: self.program.address,
            path: "/v1/authorize",
            token: Some(self.token.clone()),
            body: Bytes::from(body.to_string()),
            is_right,
        }
    }
}
