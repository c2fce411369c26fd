//! `actionpass serve` and its page, as somebody meets them who knows nothing but what they print and show: the demo on a terminal,
//! then a home of one's own that agents ask over HTTP. The browser is Chromium with an authenticator of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actionpass_client::Client;
use actionpass_client::api::{AuthorizeAnswer, AuthorizeRequest};
use actionpass_model::Decision;
use actionpass_policy::EXAMPLE_STEP_UP;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chromium::Browser;
use crate::program::{Language, command, is_ready, root, run, text};
use crate::pty;
use crate::under_test::actionpass;

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shell of somebody in an empty folder, with `actionpass` on the path.
struct Shell {
    folder: TempDir,
    /// The home that `ACTIONPASS_HOME` names, if it is set.
    home: Option<PathBuf>,
}

impl Shell {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            home: None,
        }
    }

    /// With a new home.
    fn with_home() -> Self {
        let mut shell = Self::new();
        shell.home = Some(shell.folder.path().join("home"));
        shell.typed("actionpass init --issuer https://issuer.example");
        shell
    }

    /// A command, with nothing of the environment of whoever runs the tests.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = [actionpass().parent().unwrap().to_path_buf()];
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path))).unwrap();
        command.current_dir(self.folder.path()).env_clear().env("PATH", path);
        for name in ["HOME", "TMPDIR"] {
            command.env(name, self.folder.path());
        }
        command.envs(self.home.iter().map(|home| ("ACTIONPASS_HOME", home)));
        command.env("USER", "newcomer").env("TERM", "dumb").stdin(Stdio::null());
        command
    }

    /// Runs a line as a shell takes it, and gives what it prints.
    #[track_caller]
    fn typed(&self, line: &str) -> String {
        let ran = run(self.command("sh").args(["-c", line]));
        assert!(ran.status.success(), "{line}: {}", text(&ran.stderr));
        text(&ran.stdout)
    }
}

/// A program on a terminal of its own.
struct OnTerminal {
    child: Child,
    here: File,
    pieces: Receiver<String>,
    said: String,
    /// How much of what it said was read.
    read: usize,
}

impl OnTerminal {
    fn start(shell: &Shell, args: &[&str]) -> Self {
        let (here, there) = pty::open((50, 200));
        let mut command = shell.command("setsid");
        command.arg("--ctty").arg(actionpass()).args(args);
        let child = command
            .stdin(there.try_clone().unwrap())
            .stdout(there.try_clone().unwrap())
            .stderr(there)
            .spawn()
            .unwrap();
        // The ends that the command has are its own from now on.
        drop(command);
        let (sender, pieces) = channel();
        let mut terminal = here.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // At its end a terminal is an error.
            while let Ok(read @ 1..) = terminal.read(&mut bytes) {
                let piece = String::from_utf8_lossy(&bytes[..read]).replace('\r', "");
                if sender.send(piece).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            here,
            pieces,
            said: String::new(),
            read: 0,
        }
    }

    /// Reads on until these words come, and gives what stands before them.
    #[track_caller]
    fn until(&mut self, words: &str) -> String {
        let start = Instant::now();
        loop {
            let unread = &self.said[self.read..];
            if let Some(at) = unread.find(words) {
                let before = unread[..at].to_owned();
                self.read += at + words.len();
                return before;
            }
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.said.push_str(&piece),
                Err(_) => panic!("no {words:?} in {}", self.said),
            }
        }
    }

    /// The line that begins with these words, without them.
    #[track_caller]
    fn line(&mut self, words: &str) -> String {
        self.until(words);
        self.until("\n").trim().to_owned()
    }

    fn enter(&mut self, typed: &str) {
        self.here.write_all(typed.as_bytes()).unwrap();
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What stands in a payload, as the page shows it.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Array(elements) => elements.iter().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Reads the request on top of what waits.
fn open_first(browser: &mut Browser) {
    browser.until("Time left");
    browser.click(".headline");
    browser.until("Your decision");
}

/// Reads the request that came in while nothing waited.
fn open_new(browser: &mut Browser) {
    browser.until("1 new.");
    browser.click("#news a");
    open_first(browser);
}

fn decline(browser: &mut Browser, words: &str) {
    browser.call(&format!("document.getElementById('reason').value = {words:?}"));
    browser.press("decline");
    browser.until("You declined.");
}

/// Whether this machine has what drives the browser, and npm `jose`; if not, the test has reported that it did not run.
fn is_equipped() -> bool {
    is_ready(Language::Browser, &root().join("tests/interop/browser.mjs")) && is_ready(Language::Node, &verifier())
}

fn verifier() -> PathBuf {
    root().join("tests/interop/verify_by_keys.mjs")
}

/// npm `jose` takes the pass, by the keys that the service publishes, and refuses what it wasn't told to expect.
fn jose_verifies(token: &Path, keys: &str, issuer: &str, audience: &str) -> Value {
    let mut verify = command(Language::Node, &verifier()).unwrap();
    let ran = run(verify.arg(keys).arg(token).args([issuer, audience]));
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        said["refused"],
        json!({
            "issuer": "ERR_JWT_CLAIM_VALIDATION_FAILED iss",
            "audience": "ERR_JWT_CLAIM_VALIDATION_FAILED aud",
            "typ": "ERR_JWT_CLAIM_VALIDATION_FAILED typ",
            "algorithms": "ERR_JOSE_ALG_NOT_ALLOWED",
        })
    );
    said["claims"].clone()
}

#[test]
fn the_demo_leads_a_newcomer_to_their_first_decision_within_a_minute() {
    if !is_equipped() {
        return;
    }
    let shell = Shell::new();
    let start = Instant::now();
    let mut demo = OnTerminal::start(&shell, &["serve", "--demo"]);
    let home = demo.line("Its home, gone again when you stop this: ");
    let link = demo.line("Register a passkey, in a browser on this machine:\n");
    let (origin, _) = link.split_once("/enrol#").unwrap();
    let mut you = Browser::open(origin).unwrap();

    you.go(&link);
    you.until("You are invited as user:you@example.com, as maintainer.");
    you.press("create");
    you.until("One step is left");
    let code = demo.line("A passkey was registered. Its code, which the page shows too: ");
    assert_eq!(you.call("document.getElementById('code').textContent"), json!(code));
    demo.until("Is that what your page shows, and shall it be believed? [y/N] ");
    demo.enter("y\n");
    you.until("Confirmed. You can sign in now.");
    let page = demo.line("Sign in and decide:\n");
    you.go(&page);
    you.press("enter");

    // What waits comes first, and all that runs can be read before it is decided on.
    open_first(&mut you);
    let seen = you.text();
    let action: Value = serde_json::from_str(EXAMPLE_STEP_UP).unwrap();
    for leaf in leaves(&action["capability"]["payload"]) {
        assert!(seen.contains(&leaf), "{leaf:?} can't be read in {seen}");
    }
    for part in [
        "no evidence that the tests passed",
        "agent:codex-prod",
        "user:owner@example.com",
    ] {
        assert!(seen.contains(part), "{part:?} can't be read in {seen}");
    }
    you.press("approve");
    you.until("Used: the agent got its pass.");
    demo.until("agent, call 1: allowed, with pass ");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "it took {took:?}");

    // What is printed then is enough to verify the pass: by a command, and by a library that knows nothing of it.
    let verify = demo.line("Whoever executes the call verifies it:\n");
    shell.typed(&verify);
    let token = demo.line("     token ");
    let keys = demo.line("     keys ");
    demo.until("     issuer ");
    let issuer = demo.until(", audience ");
    let audience = demo.until(", type actionpass+jwt\n");
    let claims = jose_verifies(Path::new(&token), &keys, &issuer, &audience);
    assert_eq!(claims["sub"], "agent:codex-prod");
    assert_eq!(
        claims["actionpass"]["approvals"][0]["approvedBy"],
        "user:you@example.com"
    );

    // The next call is declined, by the link that is printed, and the words reach the agent.
    demo.until("agent, call 2: may I open this pull request?");
    let review = demo.line("Read it and decide:\n");
    you.go(&review);
    you.until("Your decision");
    decline(&mut you, "run the tests first");
    demo.until("agent, call 2: no, says user:you@example.com:\n   | run the tests first\n");

    you.click("nav a[href='/history']");
    you.until("Used: the agent got its pass.");
    you.until("Declined by user:you@example.com.");
    you.is_quiet("the demo");

    assert!(Path::new(&home).is_dir(), "{home}");
    demo.enter("\u{3}");
    demo.until("Stopped. The home is gone again.");
    assert!(demo.child.wait().unwrap().success());
    assert!(!Path::new(&home).exists(), "{home}");
}

/// A service on a home of somebody's own.
struct Service<'a> {
    shell: &'a Shell,
    child: Child,
    address: String,
    origin: String,
}

impl<'a> Service<'a> {
    /// Serves where its one line says.
    fn start(shell: &'a Shell, listen: &str) -> Self {
        let mut child = shell
            .command(actionpass())
            .args(["serve", "--listen", listen])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = line.strip_prefix("listening on ").unwrap().trim_end();
        let (address, page) = said.split_once("; people decide at ").unwrap();
        Self {
            shell,
            child,
            address: address.to_owned(),
            origin: page.trim_end_matches('/').to_owned(),
        }
    }

    /// As `systemctl stop` does.
    fn stop(mut self) -> String {
        self.shell.typed(&format!("kill -TERM {}", self.child.id()));
        assert!(self.child.wait().unwrap().success());
        self.address.clone()
    }

    /// Asks over HTTP, and waits for people.
    fn ask(&self, token: &str, action: &Value) -> JoinHandle<AuthorizeAnswer> {
        let client = Client::new(&format!("http://{}", self.address), token).unwrap();
        let mut request = AuthorizeRequest::new(serde_json::from_value(action.clone()).unwrap());
        request.wait = Some(60);
        thread::spawn(move || client.authorize(&request).unwrap())
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Invites somebody, who registers with the link that is printed, and lets them in by the code that they read out.
fn let_in(shell: &Shell, browser: &mut Browser, name: &str, roles: &str) {
    let origin = browser.origin().to_owned();
    let invite = format!("actionpass approvers invite user:{name}@example.com {roles} --origin {origin}");
    let link = shell.typed(&invite);
    browser.go(link.trim_end());
    browser.press("create");
    browser.until("One step is left");
    let confirm = browser.call("document.getElementById('command').textContent");
    shell.typed(confirm.as_str().unwrap());
    browser.until("Confirmed. You can sign in now.");
    browser.click("#registered a[href='/']");
    browser.press("enter");
    browser.until("Nothing waits for you.");
}

fn with_title(title: &str) -> Value {
    let mut action: Value = serde_json::from_str(EXAMPLE_STEP_UP).unwrap();
    action["capability"]["payload"]["title"] = json!(title);
    action
}

/// More than one person may give back alone, by the starter policy.
fn refund() -> Value {
    let mut action: Value = serde_json::from_str(EXAMPLE_STEP_UP).unwrap();
    action["capability"] = json!({
        "tool": "payments.refunds.create", "resource": "order:20418",
        "payload": { "order": "20418", "amount": 7500, "currency": "EUR", "reason": "damaged on arrival" },
    });
    action
}

#[test]
fn on_a_home_of_ones_own_two_approve_one_declines_and_time_runs_out() {
    if !is_equipped() {
        return;
    }
    let shell = Shell::with_home();
    let client = shell.typed(
        "actionpass clients add ci --may authorize,requests --tenant org:example --agent 'agent:*' --owner 'user:*' \
         --runtime 'runtime:*' --audience '*' --json",
    );
    let client: Value = serde_json::from_str(&client).unwrap();
    let token = client["token"].as_str().unwrap();
    let service = Service::start(&shell, "127.0.0.1:0");
    let mut maya = Browser::open(&service.origin).unwrap();
    let mut noor = Browser::open(&service.origin).unwrap();
    let_in(&shell, &mut maya, "maya", "--role maintainer --role finance");
    let_in(&shell, &mut noor, "noor", "--role support");

    // Two have to approve. The first to do so is shown to the second.
    let agent = service.ask(token, &refund());
    open_new(&mut maya);
    maya.until("Waiting for 2 approvals by finance or support other than the owner.");
    maya.until("more than 50.00");
    maya.press("approve");
    maya.until("Waiting for 1 approval by finance or support other than the owner.");
    assert!(!agent.is_finished());
    open_new(&mut noor);
    noor.until("user:maya@example.com approved");
    // The agent goes on before this page hears how its vote was taken, which is no news then.
    noor.call("(() => { const ask = fetch; fetch = (...of) => ask(...of).then((answer) => new Promise((told) => setTimeout(told, 1000, answer))); })()");
    noor.press("approve");
    noor.until("Used: the agent got its pass.");
    noor.until("You approved.");
    noor.until("Used: the agent got its pass.");
    maya.until("Used: the agent got its pass.");
    let answer = agent.join().unwrap();
    assert_eq!(answer.decision, Decision::Allow);
    let pass = shell.folder.path().join("pass.jwt");
    fs::write(&pass, answer.pass.unwrap().token).unwrap();
    let keys = format!("{}/.well-known/jwks.json", service.origin);
    let claims = jose_verifies(&pass, &keys, "https://issuer.example", "payments.refunds.create");
    let approvals = claims["actionpass"]["approvals"].as_array().unwrap();
    let by: BTreeSet<&str> = approvals
        .iter()
        .filter_map(|approval| approval["approvedBy"].as_str())
        .collect();
    assert_eq!(by, BTreeSet::from(["user:maya@example.com", "user:noor@example.com"]));

    // A no with words, which are in the answer.
    maya.click("nav a");
    maya.until("Nothing waits for you.");
    let agent = service.ask(token, &with_title("Fix the retry loop"));
    open_new(&mut maya);
    decline(&mut maya, "one thing at a time");
    let answer = agent.join().unwrap();
    assert_eq!(answer.decision, Decision::Deny);
    let declined = answer.declined.unwrap();
    assert_eq!(declined.by.as_str(), "user:maya@example.com");
    assert_eq!(declined.words.unwrap().as_str(), "one thing at a time");

    // A restart, after which requests wait for some seconds only: it signs everybody out, and nothing else.
    let config = shell.home.as_ref().unwrap().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen("lifetime = \"1h\"", "lifetime = \"12s\"", 1)).unwrap();
    let address = service.stop();
    let service = Service::start(&shell, &address);
    maya.go("/");
    maya.press("enter");
    maya.until("Nothing waits for you.");
    let agent = service.ask(token, &with_title("Fix it later"));
    open_new(&mut maya);
    maya.until("Waiting for 1 approval by maintainer other than the owner.");
    maya.until("Expired: nobody decided in time.");
    assert_eq!(maya.call("document.getElementById('approve').disabled"), json!(true));
    let answer = agent.join().unwrap();
    assert_ne!(answer.decision, Decision::Allow);
    assert_eq!(answer.pass, None);

    // All of it is remembered, for each who had a part in it.
    maya.click("nav a[href='/history']");
    for said in [
        "Used: the agent got its pass.",
        "user:maya@example.com approved · user:noor@example.com approved",
        "Declined by user:maya@example.com.",
        "Expired: nobody decided in time.",
    ] {
        maya.until(said);
    }
    noor.go("/");
    noor.press("enter");
    noor.until("Sign out");
    noor.click("nav a[href='/history']");
    noor.until("user:maya@example.com approved · user:noor@example.com approved");
    assert!(!noor.text().contains("Declined"));
}
