//! A folder to run the command in, and a transcript to compare with a golden file.
//!
//! `UPDATE_GOLDEN=1 cargo test -p actionpass-cli` writes the golden files anew.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex_lite::Regex;
use serde_json::Value;
use tempfile::TempDir;

/// The issuer of every home here.
pub(crate) const ISSUER: &str = "https://issuer.example";

/// A folder of its own for one test.
pub(crate) struct Lab {
    folder: TempDir,
    transcript: String,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// stdout as the one JSON object that it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a refusal under `--json`.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {self:?}"))
            .to_owned()
    }
}

impl Lab {
    /// An empty folder; the home would be in `home`.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            transcript: String::new(),
        }
    }

    /// A folder with a home, an approver's key `maintainer.pem` that the home believes, and one of a security officer.
    pub(crate) fn with_home() -> Self {
        let lab = Self::new();
        lab.quiet(&["init", "--issuer", ISSUER]);
        for (name, role) in [("maintainer", "maintainer"), ("officer", "security")] {
            let principal = format!("user:{name}@example.com");
            let key = format!("{name}.pem");
            let jwk = lab
                .quiet(&[
                    "keys",
                    "new",
                    "--use",
                    "approval",
                    "--principal",
                    &principal,
                    "--out",
                    &key,
                ])
                .stdout;
            let jwk = lab.file(&format!("{name}.jwk"), jwk.as_bytes());
            let jwk = jwk.display().to_string();
            lab.quiet(&[
                "trust",
                "add",
                &jwk,
                "--use",
                "approval",
                "--principal",
                &principal,
                "--role",
                role,
            ]);
        }
        lab
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The command, in the folder, without anything of the environment of whoever runs the test.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_actionpass"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("ACTIONPASS_HOME", "home")
            .env("USER", "tester");
        command
    }

    /// Runs the command and notes it in the transcript.
    pub(crate) fn run(&mut self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// The same, with something on stdin.
    pub(crate) fn run_with(&mut self, args: &[&str], stdin: &[u8]) -> Ran {
        let ran = self.try_run(args, stdin);
        let words: Vec<String> = args
            .iter()
            .map(|word| {
                if word.contains(' ') {
                    format!("'{word}'")
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        let _ = writeln!(self.transcript, "$ actionpass {}", words.join(" "));
        for (name, text) in [("", &ran.stdout), ("stderr", &ran.stderr)] {
            if text.is_empty() {
                continue;
            }
            if !name.is_empty() {
                let _ = writeln!(self.transcript, "--- {name}");
            }
            self.transcript.push_str(text);
            if !text.ends_with('\n') {
                self.transcript.push_str("<no line end>\n");
            }
        }
        let _ = writeln!(self.transcript, "--- exit {}\n", ran.exit);
        ran
    }

    /// Runs the command without noting it; it must succeed.
    pub(crate) fn quiet(&self, args: &[&str]) -> Ran {
        let ran = self.try_run(args, b"");
        assert_eq!(ran.exit, 0, "{args:?}: {ran:?}");
        ran
    }

    /// Runs the command without noting it.
    pub(crate) fn try_run(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(args);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        // A command that reads no stdin closes it, which is not what is tested here.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ran {
            exit: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// An approval of an action by the maintainer, as a file.
    pub(crate) fn approval(&self, action: &str, name: &str) -> String {
        let args = [
            "approve",
            "--action",
            action,
            "--key",
            "maintainer.pem",
            "--as",
            "user:maintainer@example.com",
        ];
        let more = ["--reason", "read it", "--yes"];
        let token = self.quiet(&[&args[..], &more].concat()).stdout;
        self.file(name, token.as_bytes());
        name.to_owned()
    }

    /// The pass of an action, as a file.
    pub(crate) fn pass(&self, action: &str, name: &str) -> String {
        let token = self.quiet(&["authorize", "--action", action]).stdout;
        self.file(name, token.as_bytes());
        name.to_owned()
    }

    /// Compares the transcript with the golden file of that name.
    pub(crate) fn check(self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(format!("{name}.txt"));
        let found = redact(&self.transcript);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, found).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected == found {
            return;
        }
        let differs = expected
            .lines()
            .zip(found.lines())
            .position(|(expected, found)| expected != found);
        let line = differs.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        panic!(
            "{} differs from line {} on\nexpected: {:?}\nfound:    {:?}\nall of it:\n{found}",
            path.display(),
            line.saturating_add(1),
            expected.lines().nth(line),
            found.lines().nth(line)
        );
    }
}

/// What differs from run to run, replaced by what it is.
fn redact(text: &str) -> String {
    let rules = [
        (r"-----BEGIN ([A-Z ]+)-----[^-]+-----END [A-Z ]+-----", "<pem $1>"),
        (r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", "<token>"),
        (r"\b(pass|approval|ledger)-[A-Za-z0-9_-]{43}\.pem", "$1-<kid>.pem"),
        (r"\b(act|ap|apr|rec|rev)_[0-9a-f]{32}", "<$1>"),
        (r"sha256:[0-9a-f]{64}", "<digest>"),
        (r"sha256:[0-9a-f]{12}\b", "<digest>"),
        (r"urn:uuid:[0-9a-f-]{36}", "<uuid>"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "<time>"),
        (r"\b1[0-9]{9}\b", "<seconds>"),
        (r"[A-Za-z0-9_-]{43}\b", "<base64url>"),
        (r"in [0-9]+\.[0-9] s", "in <n> s"),
    ];
    let mut text = text.to_owned();
    for (pattern, name) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}
