//! The service as it is measured: a release build on a home of its own, on the disk of the target folder.

use std::fmt::Write as _;
use std::fs;
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
        assert!(!text.contains("\n[queue]") && !text.contains("\n[serve]"));
        write!(
            text,
            "\n[queue]\nlive_per_client = 20000\nlive = 20000\nopened_per_hour = 1000\n\n\
             [serve.limits]\nconnections = 24000\nparked = 20000\n"
        )
        .unwrap();
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
        let program = Program::start(&mut actionpass(&["serve", "--listen", "127.0.0.1:0"]));
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
