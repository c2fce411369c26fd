//! [`Home`]: a folder with a home in it, for one round.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::Files;
use crate::power::{files_of, folder_in_memory, put};
use crate::program::actionpass;

pub(crate) const MAINTAINER: &str = "user:maintainer@example.com";
pub(crate) const ALLOW: &str = "home/examples/allow.json";
pub(crate) const STEP_UP: &str = "home/examples/step_up.json";

/// A folder in memory: the home in `home`, everything else beside it. Commands run in the folder.
pub(crate) struct Home {
    folder: TempDir,
    root: PathBuf,
}

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if it was killed.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    /// An empty folder.
    pub(crate) fn none() -> Self {
        let folder = folder_in_memory();
        let root = folder.path().canonicalize().unwrap();
        Self { folder, root }
    }

    /// A home that believes a maintainer's key.
    pub(crate) fn new() -> Self {
        static NEW: LazyLock<(PathBuf, Files)> = LazyLock::new(|| {
            let home = Home::none();
            home.run(["init", "--issuer", "https://issuer.example"]).exits(0);
            home.approver("maintainer");
            (home.root.clone(), files_of(&home.root))
        });
        Self::of(&NEW.1, &NEW.0)
    }

    /// A folder with these files, which were in another.
    pub(crate) fn of(files: &Files, from: &Path) -> Self {
        let home = Self::none();
        put(files, from, &home.root);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        if home.path("home").is_dir() {
            fs::set_permissions(home.path("home"), private).unwrap();
        }
        home
    }

    pub(crate) fn root(&self) -> &Path {
        debug_assert!(self.folder.path().exists());
        &self.root
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn files(&self) -> Files {
        files_of(&self.root)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program that finds the home, and nothing else of the environment.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env_clear();
        command.env("ACTIONPASS_HOME", self.path("home")).env("USER", "tester");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Child {
        self.command_of(actionpass()).args(args).arg("--json").spawn().unwrap()
    }

    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(self.start(args))
    }

    /// Makes a key for `user:NAME@example.com`, a maintainer, and believes it.
    pub(crate) fn approver(&self, name: &str) {
        let (pem, jwk, user) = (
            format!("{name}.pem"),
            format!("{name}.jwk"),
            format!("user:{name}@example.com"),
        );
        let purpose = ["--use", "approval", "--principal", &user];
        let made = self
            .run(["keys", "new", "--out", &pem].into_iter().chain(purpose))
            .exits(0);
        self.write(&jwk, made.json()["jwk"].to_string());
        self.run(
            ["trust", "add", &jwk, "--role", "maintainer"]
                .into_iter()
                .chain(purpose),
        )
        .exits(0);
    }

    /// An example with an id of its own, in a file.
    pub(crate) fn action(&self, example: &str, id: &str) -> String {
        let mut action: Value = serde_json::from_str(&self.read(example)).unwrap();
        action["id"] = id.into();
        self.write(&format!("{id}.json"), action.to_string())
    }

    /// The maintainer approves an action, into a file.
    pub(crate) fn approve(&self, action: &str) -> String {
        let approved = self.run([
            "approve",
            "--action",
            action,
            "--key",
            "maintainer.pem",
            "--as",
            MAINTAINER,
            "--reason",
            "read",
            "--yes",
        ]);
        let approved = approved.exits(0).json();
        self.write("approval.jwt", approved["token"].as_str().unwrap())
    }

    /// The records of the ledger, if it verifies.
    pub(crate) fn records(&self) -> Result<Vec<Value>, Ran> {
        let verified = self.run(["ledger", "verify"]);
        if verified.exit != Some(0) {
            return Err(verified);
        }
        let exported = Ran::of(
            self.command_of(actionpass())
                .args(["ledger", "export"])
                .spawn()
                .unwrap(),
        )
        .exits(0);
        Ok(exported
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect())
    }
}

impl Ran {
    pub(crate) fn of(child: Child) -> Self {
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Self {
            exit: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self:#?}");
        self
    }

    /// What it printed, if that is whole.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }

    /// The code of its error.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}
