//! [`Home`]: a folder to run the command in, and [`Ran`]: what a run gave.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::log;
use crate::program::actionpass;
use crate::secrets;
use crate::template::Template;

/// The issuer of every home here.
pub(crate) const ISSUER: &str = "https://issuer.example";
/// Who approves unless a test says otherwise.
pub(crate) const MAINTAINER: &str = "user:maintainer@example.com";

/// A folder of its own: the home in `home`, everything else beside it. Commands run in the folder.
pub(crate) struct Home {
    folder: TempDir,
    /// Variables for commands.
    environment: Vec<(String, String)>,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The code that it ended with.
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    /// A new home, with the same keys as every other that comes from here or from the next two. Whoever needs another
    /// issuer's makes it with `init`, in [`none`](Self::none).
    pub(crate) fn new() -> Self {
        static NEW: LazyLock<Template> = LazyLock::new(|| {
            let home = Home::none();
            home.run(["init", "--issuer", ISSUER]).exits(0);
            Template::of(home.folder.path())
        });
        Self::from(&NEW)
    }

    /// A home as it was when the template was taken.
    pub(crate) fn from(template: &Template) -> Self {
        let home = Self::none();
        template.write(home.folder.path());
        home
    }

    /// A folder in which there is no home yet.
    pub(crate) fn none() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    /// A home that believes a maintainer's key, and the action that waits for that maintainer.
    pub(crate) fn with_maintainer() -> Self {
        static WITH_MAINTAINER: LazyLock<Template> = LazyLock::new(|| {
            let home = Home::new();
            home.approver(MAINTAINER, &["maintainer"]).exits(0);
            Template::of(home.folder.path())
        });
        Self::from(&WITH_MAINTAINER)
    }

    /// The same, which believes a security officer's key as well.
    pub(crate) fn with_approvers() -> Self {
        static WITH_APPROVERS: LazyLock<Template> = LazyLock::new(|| {
            let home = Home::with_maintainer();
            home.approver("user:officer@example.com", &["security"]).exits(0);
            Template::of(home.folder.path())
        });
        Self::from(&WITH_APPROVERS)
    }

    /// Commands find these variables from now on.
    pub(crate) fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// The path of something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder and gives its name back.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }

    /// Writes a file that is its owner's alone, as secrets are.
    pub(crate) fn write_secret(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let name = self.write(name, content);
        self.set_mode(&name, 0o600);
        name
    }

    /// Changes who may read and write a file.
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// The text of a file in the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command, without anything of the environment of whoever runs the tests.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.command_of(actionpass(), args)
    }

    /// Another program, as a command would run.
    pub(crate) fn command_of(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.envs(self.environment.iter().cloned());
        command.env("ACTIONPASS_HOME", self.path("home")).env("USER", "tester");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command with `--json`: stdout is one object of that command's schema.
    #[track_caller]
    pub(crate) fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        let ran = self.finish(self.start(args));
        let schema = ran.json()["schema"].as_str().unwrap_or_default().to_owned();
        assert!(
            schema.starts_with("actionpass.cli.") && schema.ends_with(".v1"),
            "{ran:?}"
        );
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
        ran
    }

    /// Runs a command as people do.
    #[track_caller]
    pub(crate) fn talk(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        self.finish(self.command(args).spawn().unwrap())
    }

    /// Runs a command as people do, with something on stdin.
    #[track_caller]
    pub(crate) fn tell(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: &[u8]) -> Ran {
        self.feed_to(&mut self.command(args), stdin)
    }

    /// Runs a command with `--json` and something on stdin.
    #[track_caller]
    pub(crate) fn feed(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: &[u8]) -> Ran {
        self.feed_to(self.command(args).arg("--json"), stdin)
    }

    /// Runs a command of this home with something on stdin.
    #[track_caller]
    pub(crate) fn feed_to(&self, command: &mut Command, stdin: &[u8]) -> Ran {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A command that has seen enough closes its end.
        child.stdin.take().unwrap().write_all(stdin).ok();
        self.finish(child)
    }

    /// Starts a command with `--json`.
    pub(crate) fn start(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Child {
        self.command(args).arg("--json").spawn().unwrap()
    }

    /// Starts all of them with `--json` before any is waited for.
    #[track_caller]
    pub(crate) fn at_once<'a>(&self, commands: impl IntoIterator<Item = Vec<&'a str>>) -> Vec<Ran> {
        let children: Vec<Child> = commands.into_iter().map(|args| self.start(args)).collect();
        children.into_iter().map(|child| self.finish(child)).collect()
    }

    /// Waits for the end of a process that nobody kills; nothing that it said may be secret.
    #[track_caller]
    pub(crate) fn finish(&self, child: Child) -> Ran {
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let said = [stdout.as_slice(), stderr.as_slice()].concat();
        secrets::refuse_in(self, &said);
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        log::refuse_in(self, &self.environment, &stderr);
        Ran {
            exit: status.code().unwrap_or_else(|| panic!("{status}: {stderr}")),
            stdout,
            stderr,
        }
    }

    /// Makes a key for an approver and asks the home to believe it.
    pub(crate) fn approver(&self, principal: &str, roles: &[&str]) -> Ran {
        let purpose = ["--use", "approval", "--principal", principal];
        let new = self
            .run([&["keys", "new", "--out", &key_file(principal)], &purpose[..]].concat())
            .exits(0);
        let jwk = self.write(&jwk_file(principal), new.json()["jwk"].to_string());
        let roles = roles.iter().flat_map(|role| ["--role", role]);
        self.run(["trust", "add", &jwk].into_iter().chain(purpose).chain(roles))
    }

    /// The maintainer approves the action in a file; gives the file of the approval.
    #[track_caller]
    pub(crate) fn approve(&self, action: &str) -> String {
        self.approve_as(MAINTAINER, action, &[])
    }

    /// Someone approves the action in a file; gives the file of the approval.
    #[track_caller]
    pub(crate) fn approve_as(&self, principal: &str, action: &str, more: &[&str]) -> String {
        let key = key_file(principal);
        let who = [
            "approve", "--action", action, "--key", &key, "--as", principal, "--reason", "read it", "--yes",
        ];
        let approved = self.run([&who, more].concat()).exits(0).json();
        let name = format!("{}.jwt", approved["approval"]["jti"].as_str().unwrap());
        self.write(&name, approved["token"].as_str().unwrap())
    }

    /// The maintainer approves the action in a file, into a file of this name.
    #[track_caller]
    pub(crate) fn approve_into(&self, approval: &str, action: &str) {
        fs::rename(self.path(&self.approve(action)), self.path(approval)).unwrap();
    }

    /// Gets a pass for the action in a file, into a file of this name.
    #[track_caller]
    pub(crate) fn pass_into(&self, pass: &str, action: &str) {
        fs::rename(self.path(&self.pass(action)), self.path(pass)).unwrap();
    }

    /// Gets a pass for the action in a file; gives the file of the pass.
    #[track_caller]
    pub(crate) fn pass(&self, action: &str) -> String {
        let decided = self.run(["authorize", "--action", action]).exits(0);
        self.write_pass(&decided)
    }

    /// Writes the pass of a decision into a file.
    #[track_caller]
    pub(crate) fn write_pass(&self, decided: &Ran) -> String {
        let pass = &decided.json()["pass"];
        self.write(
            &format!("{}.jwt", pass["id"].as_str().unwrap()),
            pass["token"].as_str().unwrap(),
        )
    }

    /// Verifies a pass for the action in a file.
    #[track_caller]
    pub(crate) fn verify(&self, pass: &str, action: &str) -> Ran {
        self.run(["verify", "--token", pass, "--action", action])
    }

    /// The records of the ledger, which must verify.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        self.run(["ledger", "verify"]).exits(0);
        let export = self.talk(["ledger", "export"]).exits(0).stdout;
        export.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The bodies of the decisions in the ledger, which must verify.
    #[track_caller]
    pub(crate) fn decisions(&self) -> Vec<Value> {
        let decisions = self.records().into_iter().filter(|record| record["kind"] == "decision");
        decisions.map(|mut record| record["body"].take()).collect()
    }
}

/// The file of an approver's private key: `maya.pem` of `user:maya@example.com`.
pub(crate) fn key_file(principal: &str) -> String {
    format!("{}.pem", name(principal))
}

/// The file of an approver's public key.
pub(crate) fn jwk_file(principal: &str) -> String {
    format!("{}.jwk", name(principal))
}

fn name(principal: &str) -> &str {
    let (_, name) = principal.split_once(':').unwrap();
    name.split('@').next().unwrap()
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, code, "{self:#?}");
        self
    }

    /// It ended with this code, without a decision, for this reason.
    #[track_caller]
    pub(crate) fn fails(self, exit: i32, code: &str) -> Self {
        assert_eq!((self.exit, self.code().as_str()), (exit, code), "{self:#?}");
        self
    }

    /// It refused a pass with this exit and exactly these codes.
    #[track_caller]
    pub(crate) fn refuses(self, exit: i32, codes: &[&str]) -> Self {
        let json = self.json();
        assert_eq!((self.exit, &json["valid"]), (exit, &Value::Bool(false)), "{self:#?}");
        assert_eq!(json["codes"], Value::from(codes), "{self:#?}");
        self
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The code of a failure.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {self:#?}"))
            .to_owned()
    }

    /// The decision.
    #[track_caller]
    pub(crate) fn decision(&self) -> String {
        self.json()["decision"]
            .as_str()
            .unwrap_or_else(|| panic!("no decision: {self:#?}"))
            .to_owned()
    }

    /// The codes of a decision's reasons.
    #[track_caller]
    pub(crate) fn reasons(&self) -> Vec<String> {
        let json = self.json();
        let reasons = json["reasons"]
            .as_array()
            .unwrap_or_else(|| panic!("no reasons: {self:#?}"));
        reasons
            .iter()
            .map(|reason| reason["code"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The id of the pass that came out.
    #[track_caller]
    pub(crate) fn pass_id(&self) -> String {
        self.json()["pass"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no pass: {self:#?}"))
            .to_owned()
    }
}
