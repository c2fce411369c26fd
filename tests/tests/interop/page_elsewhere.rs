//! The page alone, for a gate in another process: both are the program, and a person decides in Chromium.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actionpass_client::{Client, ClientError};
use actionpass_model::DEMO_ACTION;
use serde_json::Value;
use tempfile::TempDir;

use crate::chromium::Browser;
use crate::under_test::actionpass;

const MAYA: &str = "user:maya@example.com";

/// Where a gate, its page, and an agent's host run, each in a folder of its own.
struct Places {
    folder: TempDir,
}

/// A process that ends with the test.
struct Running {
    child: Child,
    /// The line in which it says where it listens.
    said: Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    fn url(&self) -> String {
        format!("http://{}", self.said["address"].as_str().unwrap())
    }
}

impl Places {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for place in ["gate", "page", "host"] {
            fs::create_dir(folder.path().join(place)).unwrap();
        }
        Self { folder }
    }

    fn at(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    /// The program in a place, which has no other environment.
    fn command(&self, place: &str, args: &[&str]) -> Command {
        let mut command = Command::new(actionpass());
        let at = self.at(place);
        command.args(args).current_dir(&at).env_clear().env("HOME", &at);
        if place == "gate" {
            command.env("ACTIONPASS_HOME", at.join("home"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What the program prints, which succeeds.
    fn run(&self, place: &str, args: &[&str]) -> String {
        let ran = self.command(place, args).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
    }

    fn serve(&self, place: &str, args: &[&str]) -> Running {
        let args = [&["serve", "--json", "--listen", "127.0.0.1:0"], args].concat();
        let mut child = self.command(place, &args).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{args:?} says {line:?}"));
        Running { child, said }
    }

    /// A client of the gate, whose token stands in a file of another place.
    fn client(&self, place: &str, may: &str) {
        let any = ["--tenant", "--agent", "--owner", "--runtime", "--server", "--audience"].map(|option| [option, "*"]);
        let mut args = vec!["clients", "add", place, "--may", may, "--json"];
        args.extend(any.as_flattened());
        let added: Value = serde_json::from_str(&self.run("gate", &args)).unwrap();
        private(&self.at(place).join("token"), added["token"].as_str().unwrap());
    }
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    found.collect()
}

/// Ends once a process does.
fn output(mut child: Child) -> (i32, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it doesn't end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ran = child.wait_with_output().unwrap();
    (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn people_decide_on_a_page_that_is_elsewhere() {
    let places = Places::new();
    places.run("gate", &["init", "--issuer", "https://issuer.example"]);
    places.client("page", "requests");
    places.client("host", "authorize");
    fs::write(places.at("host").join("action.json"), DEMO_ACTION).unwrap();
    let gate = places.serve("gate", &[]);
    let asks = ["--gate", &gate.url(), "--token-file", "token"];
    let elsewhere = [&["--page-only", "--issuer", "https://issuer.example"], &asks[..]].concat();
    let page = places.serve("page", &elsewhere);
    let origin = page.said["origin"].as_str().unwrap();
    let Some(mut maya) = Browser::open(origin) else { return };

    // She is invited on the gate's home, to the page.
    let invite = ["approvers", "invite", MAYA, "--role", "maintainer", "--origin", origin];
    maya.go(&places.run("gate", &invite));
    maya.until("You are invited as user:maya@example.com, as maintainer.");
    maya.press("create");
    maya.until("One step is left");
    let code = maya.call("document.getElementById('code').textContent");
    let confirm = ["approvers", "confirm", MAYA, code.as_str().unwrap()];
    places.run("gate", &confirm);
    maya.until("Confirmed. You can sign in now.");
    maya.go("/");
    maya.press("enter");
    maya.until("Nothing waits for you");

    // A call is parked at the gate; the page tells of it, and with her passkey it gets its pass.
    let asking = [&["authorize", "--action", "action.json", "--wait", "50s"], &asks[..]].concat();
    let parked = places.command("host", &asking).spawn().unwrap();
    maya.until("1 new.");
    maya.go("/");
    maya.until("Waiting for 1 approval by maintainer other than the owner.");
    maya.examine("elsewhere");
    let path = maya.call("document.querySelector('a.headline').getAttribute('href')");
    maya.go(path.as_str().unwrap());
    maya.until("Fix the retry loop");
    maya.examine("elsewhere-request");
    maya.press("approve");
    maya.until("You approved.");
    let (exit, pass) = output(parked);
    assert_eq!(exit, 0);
    assert_eq!(pass.trim_end().split('.').count(), 3, "{pass}");
    maya.go("/history");
    maya.until("Used: the agent got its pass.");

    // The page's host has the token, and nothing was put beside it; it answers nothing but the page.
    assert_eq!(files(&places.at("page")), [places.at("page").join("token")]);
    let token = fs::read_to_string(places.at("page").join("token")).unwrap();
    let refused = Client::new(&page.url(), &token).unwrap().trust().unwrap_err();
    let is_unknown = matches!(&refused, ClientError::Refused { problem, .. } if problem.code == "route_unknown");
    assert!(is_unknown, "{refused:?}");

    // Without its gate it says so, and shows nothing.
    drop(gate);
    maya.go("/");
    maya.until("The gate can\u{2019}t be reached");
    let text = maya.text();
    assert!(!text.contains("Approved") && !text.contains("github"), "{text}");
}
