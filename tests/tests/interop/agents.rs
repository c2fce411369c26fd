//! Real coding agents with our hook, against a model on this machine that wants one command run: what counts is whether the command
//! wrote its file.
//!
//! Gemini CLI comes with the tests' packages. Codex is too large for that (424 MB): its test is run by hand, with
//! `ACTIONPASS_CODEX=…/codex cargo test -p actionpass-tests --test interop -- --ignored codex`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{dependency, root, run, text};
use crate::under_test::{actionpass, not_run};

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// What stands behind a hook's command, as `hook doctor` tells it.
const FALLBACK: &str = "|| { cat >/dev/null; echo 'ActionPass blocks this call.' >&2; exit 2; }";

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "agents"
[[rule]]
id = "allowed"
effect = "allow"
tool = "shell.run"
resource = "host:local"
when = [{ path = "payload.command", one_of = ["echo allowed > made"] }]
[[rule]]
id = "parked"
effect = "step_up"
tool = "shell.run"
when = [{ path = "payload.command", one_of = ["echo parked > made"] }]
approvals = { count = 1 }
"#;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Agent {
    Codex,
    Gemini,
}

/// A home, an agent's own folder, and the folder that it works in.
struct Desk {
    folder: TempDir,
    agent: Agent,
    program: PathBuf,
}

/// What is stopped with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Desk {
    fn new(agent: Agent, program: PathBuf) -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            agent,
            program,
        };
        for name in ["work", "user/.gemini", "codex", "model"] {
            fs::create_dir_all(desk.path(name)).unwrap();
        }
        desk.ours(&["init", "--issuer", "https://issuer.example"]);
        let (kind, tool) = match agent {
            Agent::Codex => ("codex", "Bash"),
            Agent::Gemini => ("gemini", "run_shell_command"),
        };
        let config = fs::read_to_string(desk.path("home/config.toml")).unwrap();
        let door = format!(
            "\n[[door]]\nname = \"{kind}\"\nkind = \"{kind}\"\ntenant = \"org:example\"\nagent = \"agent:{kind}\"\n\
             owner = \"user:owner@example.com\"\nruntime = \"runtime:{kind}\"\n"
        );
        fs::write(desk.path("home/config.toml"), config + &door).unwrap();
        let tools = format!(
            "schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"{kind}\"\n[[tool]]\nmatch = \"{kind}/{tool}\"\n\
             tool = \"shell.run\"\nresource = \"host:local\"\n"
        );
        fs::write(desk.path("home/tools.toml"), tools).unwrap();
        fs::write(desk.path("home/policy.toml"), POLICY).unwrap();
        let principal = ["--use", "approval", "--principal", "user:me@example.com"];
        let new = desk.ours(&[&["keys", "new", "--out", "me.pem"], &principal[..]].concat());
        fs::write(desk.path("me.jwk"), new["jwk"].to_string()).unwrap();
        desk.ours(&[&["trust", "add", "me.jwk"], &principal[..]].concat());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs our own command, and gives what it prints.
    #[track_caller]
    fn ours(&self, args: &[&str]) -> Value {
        let home = self.path("home");
        let mut command = Command::new(actionpass());
        command.args(["--json", "--home"]).arg(&home).args(args);
        let ran = run(command.current_dir(self.folder.path()).env("USER", "tester"));
        assert!(
            ran.status.success(),
            "{args:?}: {} {}",
            text(&ran.stdout),
            text(&ran.stderr)
        );
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    /// The hook's command, by a program of this path.
    fn hook(&self, program: &Path) -> String {
        let kind = match self.agent {
            Agent::Codex => "codex",
            Agent::Gemini => "gemini",
        };
        let home = self.path("home");
        format!(
            "{} --home {} hook run --agent {kind} --deadline 60s {FALLBACK}",
            program.display(),
            home.display()
        )
    }

    /// Has the agent do what a model says that wants this command; whether the file was made, and what the model was told.
    fn works(&self, command: &str, hook: &str) -> (bool, String) {
        for left in ["work/made", "model/told", "model/approved"] {
            fs::remove_file(self.path(left)).ok();
        }
        let mut model = Command::new("node");
        model
            .arg(root().join("tests/interop/model.mjs"))
            .arg(command)
            .arg(self.path("model"));
        let mut model = Running(model.stdout(Stdio::piped()).spawn().unwrap());
        let mut port = String::new();
        BufReader::new(model.0.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        let mut agent = Command::new(&self.program);
        match self.agent {
            Agent::Gemini => {
                let settings = json!({
                    "security": {"auth": {"selectedType": "gemini-api-key"}},
                    "privacy": {"usageStatisticsEnabled": false},
                    "general": {"disableAutoUpdate": true, "disableUpdateNag": true},
                    "hooks": {"BeforeTool": [{"hooks": [{"type": "command", "command": hook, "timeout": 60_000}]}]},
                });
                fs::write(self.path("user/.gemini/settings.json"), settings.to_string()).unwrap();
                agent.args(["--approval-mode", "yolo", "-m", "gemini-2.5-pro", "-p", "make a file"]);
                agent.env("GEMINI_API_KEY", "none").env("GOOGLE_GEMINI_BASE_URL", url);
                agent.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
            }
            Agent::Codex => {
                let config = format!(
                    "model = \"gpt-5\"\nmodel_provider = \"fake\"\napproval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\n\
                     [model_providers.fake]\nname = \"fake\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"NO_KEY\"\n\
                     [[hooks.PreToolUse]]\n[[hooks.PreToolUse.hooks]]\ntype = \"command\"\ncommand = \"\"\"{hook}\"\"\"\ntimeout = 60\n"
                );
                fs::write(self.path("codex/config.toml"), config).unwrap();
                agent.args([
                    "exec",
                    "--skip-git-repo-check",
                    "--dangerously-bypass-hook-trust",
                    "make a file",
                ]);
                agent.env("CODEX_HOME", self.path("codex")).env("NO_KEY", "none");
            }
        }
        agent.env("HOME", self.path("user")).current_dir(self.path("work"));
        agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut agent = Running(agent.spawn().unwrap());
        let started = Instant::now();
        while agent.0.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "the agent doesn't end");
            self.approve();
            thread::sleep(Duration::from_millis(200));
        }
        let told = fs::read_to_string(self.path("model/told")).unwrap_or_default();
        (self.path("work/made").exists(), told)
    }

    /// Approves what waits, and lets the model know.
    fn approve(&self) {
        let listed = self.ours(&["requests", "list", "--state", "pending"]);
        for request in listed["requests"].as_array().unwrap() {
            let id = request["id"].as_str().unwrap();
            let vote = [
                "--key",
                "me.pem",
                "--as",
                "user:me@example.com",
                "--reason",
                "read it",
                "--yes",
            ];
            self.ours(&[&["requests", "approve", id], &vote[..]].concat());
            fs::write(self.path("model/approved"), "").unwrap();
        }
    }

    /// Allowed, denied, parked, and a hook whose program is gone: what the agent did.
    fn is_held(&self) {
        let hook = self.hook(actionpass());
        let (is_made, told) = self.works("echo allowed > made", &hook);
        assert!(is_made, "{told}");
        let (is_made, told) = self.works("echo denied > made", &hook);
        assert!(!is_made, "{told}");
        assert!(told.contains("ActionPass denies this call"), "{told}");
        let (is_made, told) = self.works("echo parked > made", &hook);
        assert!(is_made && told.contains("until people approve it"), "{told}");
        let (is_made, told) = self.works("echo allowed > made", &self.hook(Path::new("/nonexistent/actionpass")));
        assert!(!is_made, "{told}");
        assert!(told.contains("ActionPass blocks this call"), "{told}");
        let records = self.ours(&["ledger", "verify"]);
        assert_eq!(records["valid"], true, "{records}");
    }
}

#[test]
fn gemini_cli_does_what_is_allowed_and_nothing_else() {
    let program = dependency("ACTIONPASS_NODE_DEPS", "node").join("node_modules/.bin/gemini");
    if !program.exists() {
        return not_run("interop (Gemini CLI)");
    }
    Desk::new(Agent::Gemini, program).is_held();
}

#[test]
#[ignore = "Codex has 424 MB: ACTIONPASS_CODEX names its program"]
fn codex_does_what_is_allowed_and_nothing_else() {
    let program = std::env::var_os("ACTIONPASS_CODEX").expect("ACTIONPASS_CODEX names the program");
    Desk::new(Agent::Codex, program.into()).is_held();
}
