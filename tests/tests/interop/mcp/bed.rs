//! [`Bed`]: a home with a catalogue and rules, a real server, and clients of it, with the proxy between them or without it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mcp::kit;
use crate::mcp::raw::{PATIENCE, Raw};
use crate::program::{Language, command};
use crate::under_test::actionpass;

const MAYA: &str = "user:maya@example.com";
/// Who issues passes here.
pub(crate) const ISSUER: &str = "https://issuer.example";

const DOOR: &str = r#"
[[door]]
name = "desk"
kind = "mcp"
tenant = "org:example"
agent = "agent:helper"
owner = "user:owner@example.com"
runtime = "runtime:desk"
task = "task:tests"
"#;

/// Reads are allowed, writes need a person, what is gone is gone.
const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "tests"
[[rule]]
id = "reads"
effect = "allow"
tool = "reads.*"
[[rule]]
id = "writes"
effect = "step_up"
tool = "writes.*"
approvals = { count = 1, roles = ["maintainer"] }
[[rule]]
id = "deletes"
effect = "deny"
tool = "deletes.*"
"#;

/// A home, a folder that a server works in, and what the server received.
pub(crate) struct Bed {
    folder: TempDir,
    /// The command of the server, which keeps what it receives.
    server: Vec<String>,
}

/// The token of clients that come over HTTP.
pub(crate) const TOKEN: &str = "token-of-the-tests-client";

/// A proxy or service that answers over HTTP, until this is dropped.
pub(crate) struct Listening {
    child: Child,
    pub(crate) url: String,
    /// So that its output stays open.
    _said: BufReader<ChildStdout>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It ends its servers when it is told to end.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) && self.child.try_wait().is_ok_and(|status| status.is_none()) {
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Listening {
    /// Started in a folder; its first line says the address.
    fn start(words: &[String], folder: &Path, address: impl Fn(&str) -> String) -> Self {
        let mut child = kit::in_folder(words, folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let url = address(line.trim());
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self {
            child,
            url,
            _said: said,
        }
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// The TypeScript SDK of the first generation, and the form of elicitation that it declares.
    First(Option<&'static str>),
    /// That of the second generation, in this mode of negotiating versions.
    Second(&'static str),
    /// The same, held to the protocol of 2026-07-28.
    Pinned(Option<&'static str>),
    /// The Python SDK.
    Python,
}

impl Client {
    /// Whether it declares that it opens addresses.
    pub(crate) fn opens_pages(self) -> bool {
        matches!(self, Self::First(Some("url")) | Self::Pinned(Some("url")))
    }
}

/// A client that runs, step by step.
pub(crate) struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<Value>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It closes its server's standard input when its own ends.
        drop(self.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && self.child.try_wait().is_ok_and(|status| status.is_none()) {
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Bed {
    /// A home whose catalogue says of each tool of the server `files` which action it is, and what it acts on.
    /// `words` start the server in the folder `work`, whose path stands for `{work}`, as that of the home for `{home}`.
    pub(crate) fn new(words: &[String], tools: &[(&str, &str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        let work = folder.path().join("work").to_str().unwrap().to_owned();
        let log = folder.path().join("received.jsonl").to_str().unwrap().to_owned();
        let mut server = command_words(Language::Mcp, "record.mjs");
        server.push(log);
        let home = folder.path().join("home").to_str().unwrap().to_owned();
        server.extend(
            words
                .iter()
                .map(|word| word.replace("{work}", &work).replace("{home}", &home)),
        );
        let bed = Self { folder, server };
        bed.run(&["init", "--issuer", ISSUER]);
        bed.append("home/config.toml", DOOR);
        let quoted: Vec<String> = bed.server.iter().map(|word| json!(word).to_string()).collect();
        let mut catalogue = format!(
            "schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"files\"\nroot = \"{work}\"\ncommand = [{}]\n",
            quoted.join(", ")
        );
        for (tool, action, resource) in tools {
            catalogue += &format!("[[tool]]\nmatch = \"files/{tool}\"\ntool = \"{action}\"\n");
            if !resource.is_empty() {
                catalogue += &format!("resource = \"{resource}\"\n");
            }
        }
        bed.append("home/tools.toml", &catalogue);
        fs::write(bed.path("home/policy.toml"), POLICY).unwrap();
        bed.add_maya();
        bed
    }

    /// Neither home nor server: a folder for somebody's configuration, which is their `HOME`.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self {
            folder,
            server: Vec::new(),
        }
    }

    /// Makes Maya a key, and has the home believe it.
    pub(crate) fn add_maya(&self) {
        let new = self.run(&[
            "keys",
            "new",
            "--out",
            "maya.pem",
            "--use",
            "approval",
            "--principal",
            MAYA,
        ]);
        self.append("maya.jwk", &new["jwk"].to_string());
        self.run(&[
            "trust",
            "add",
            "maya.jwk",
            "--use",
            "approval",
            "--principal",
            MAYA,
            "--role",
            "maintainer",
        ]);
    }

    /// The same with what the server lists approved, but for the tool `hidden`.
    pub(crate) fn with_pins(self, is_modern: bool) -> Self {
        // Nothing of it is shown until somebody has looked.
        let mut raw = self.raw(&self.proxy(&[]), is_modern);
        assert_eq!(raw.tools(), "[]");
        drop(raw);
        let listed = self.run(&["pins", "list"]);
        let text = listed.to_string();
        let names: Vec<String> = self
            .listed_directly(is_modern)
            .into_iter()
            .filter(|name| name != "hidden")
            .collect();
        assert!(names.iter().all(|name| text.contains(name.as_str())), "{listed}");
        let mut args = vec!["pins", "approve", "files"];
        args.extend(names.iter().map(String::as_str));
        args.push("--yes");
        self.run(&args);
        fs::remove_file(self.path("received.jsonl")).ok();
        self
    }

    fn listed_directly(&self, is_modern: bool) -> Vec<String> {
        let tools: Value = serde_json::from_str(&self.raw(&self.server, is_modern).tools()).unwrap();
        let names = tools
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    /// A server of no library, in an era.
    pub(crate) fn fake(era: &str) -> Self {
        let mut words = command_words(Language::Mcp, "fake.mjs");
        words.extend([era.to_owned(), "{work}".to_owned()]);
        let tools = [
            ("read", "reads.read", "note:{payload.name}"),
            ("echo", "reads.echo", ""),
            ("slow", "reads.slow", ""),
            ("die", "reads.die", ""),
            ("write", "writes.write", "note:{payload.name}"),
            ("delete", "deletes.delete", "note:{payload.name}"),
        ];
        let bed = Self::new(&words, &tools).with_pins(era == "modern");
        bed.append("work/a.txt", "first");
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn append(&self, name: &str, text: &str) {
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// The words that start the proxy in front of the server.
    pub(crate) fn proxy(&self, options: &[&str]) -> Vec<String> {
        let home = self.path("home");
        let start = [
            actionpass().to_str().unwrap(),
            "mcp",
            "--home",
            home.to_str().unwrap(),
            "--server",
            "files",
        ];
        let words = start
            .into_iter()
            .chain(options.iter().copied())
            .chain(["--"])
            .map(ToOwned::to_owned);
        words.chain(self.server.iter().cloned()).collect()
    }

    /// The service on the home, with a client whose token stands in `gate.token`: what proxies elsewhere ask.
    pub(crate) fn serve(&self) -> Listening {
        let mut args = vec!["clients", "add", "laptop", "--may", "authorize,consume,outcome"];
        let entry = [
            ["--tenant", "org:example"],
            ["--agent", "agent:helper"],
            ["--owner", "user:owner@example.com"],
            ["--runtime", "runtime:desk"],
            ["--server", "files"],
            ["--audience", "*"],
        ];
        args.extend(entry.as_flattened());
        let added = self.run(&args);
        self.secret("gate.token", added["token"].as_str().unwrap());
        let home = self.path("home").to_str().unwrap().to_owned();
        let words = ["--home", &home, "serve", "--json", "--listen", "127.0.0.1:0"].map(ToOwned::to_owned);
        let words = [&[actionpass().to_str().unwrap().to_owned()], &words[..]].concat();
        Listening::start(&words, &self.path(""), |line| {
            let said: Value = serde_json::from_str(line).unwrap();
            format!("http://{}", said["address"].as_str().unwrap())
        })
    }

    /// The words that start a proxy in front of the server, which has no home and asks a service.
    pub(crate) fn proxy_of(&self, service: &Listening, options: &[&str]) -> Vec<String> {
        let token = self.path("gate.token");
        let start = [
            actionpass().to_str().unwrap(),
            "mcp",
            "--gate",
            &service.url,
            "--token-file",
            token.to_str().unwrap(),
            "--server",
            "files",
        ];
        let words = start
            .iter()
            .chain(options)
            .chain(&["--"])
            .map(|word| (*word).to_owned());
        words.chain(self.server.iter().cloned()).collect()
    }

    fn secret(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The words that start the server itself.
    pub(crate) fn server(&self) -> &[String] {
        &self.server
    }

    /// A client that reads and writes lines.
    pub(crate) fn raw(&self, words: &[String], is_modern: bool) -> Raw {
        let mut command = kit::in_folder(words, self.folder.path());
        if is_modern {
            Raw::open_modern(&mut command)
        } else {
            Raw::open(&mut command)
        }
    }

    /// What the program answers, which succeeds.
    pub(crate) fn run(&self, args: &[&str]) -> Value {
        let mut command = Command::new(actionpass());
        command
            .args(args)
            .arg("--json")
            .current_dir(self.folder.path())
            .env_clear();
        let ran = command
            .env("ACTIONPASS_HOME", self.path("home"))
            .env("HOME", self.folder.path())
            .env("USER", "tester")
            .output()
            .unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{args:?}: {ran:?}"))
    }

    /// The calls of tools that reached the server.
    pub(crate) fn received(&self) -> Vec<Value> {
        let log = self.read("received.jsonl").unwrap_or_default();
        let messages = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        messages.filter(|message| message["method"] == "tools/call").collect()
    }

    /// How many calls of a tool reached the server.
    pub(crate) fn reached(&self, tool: &str) -> usize {
        self.received()
            .iter()
            .filter(|call| call["params"]["name"] == tool)
            .count()
    }

    /// The id of the one request that waits, once there is one.
    pub(crate) fn waiting(&self) -> String {
        until("a request waits", || {
            let listed = self.run(&["requests", "list", "--state", "pending"]);
            listed["requests"][0]["id"].as_str().map(ToOwned::to_owned)
        })
    }

    pub(crate) fn approve(&self, request: &str) {
        let who = ["--key", "maya.pem", "--as", MAYA, "--reason", "looked at it", "--yes"];
        self.run(&[&["requests", "approve", request], &who[..]].concat());
    }

    pub(crate) fn state(&self, request: &str) -> String {
        self.run(&["requests", "show", request])["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The ledger, which verifies and in which every allow has one use and one outcome; how often each status is an outcome.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, usize> {
        self.run(&["ledger", "verify"]);
        let shown = self.run(&["ledger", "show", "--limit", "100000"]);
        let pass = |record: &Value| {
            let text = record["body"].to_string();
            let at = text.find("\"ap_").unwrap_or_else(|| panic!("no pass: {record}"));
            text[at + 1..at + 36].to_owned()
        };
        let mut allows = Vec::new();
        let (mut uses, mut outcomes, mut statuses) = (Vec::new(), Vec::new(), BTreeMap::new());
        for record in shown["records"].as_array().unwrap() {
            match record["kind"].as_str().unwrap() {
                "decision" if record["body"]["decision"] == "allow" => allows.push(pass(record)),
                "use" => uses.push(pass(record)),
                "outcome" => {
                    outcomes.push(pass(record));
                    *statuses
                        .entry(record["body"]["status"].as_str().unwrap().to_owned())
                        .or_default() += 1;
                }
                _ => {}
            }
        }
        for passes in [&mut allows, &mut uses, &mut outcomes] {
            passes.sort_unstable();
        }
        assert_eq!(allows, uses);
        assert_eq!(allows, outcomes);
        statuses
    }

    /// The codes of the denies on record of a tool, in order.
    pub(crate) fn denied(&self, tool: &str) -> Vec<String> {
        let shown = self.run(&["ledger", "show", "--limit", "100000"]);
        let records = shown["records"].as_array().unwrap();
        let denied = records.iter().map(|record| &record["body"]);
        let denied = denied.filter(|body| body["decision"] == "deny" && body["tool"] == tool);
        denied
            .map(|body| body["reasons"][0]["code"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A client of whatever these words start.
    pub(crate) fn drive(&self, client: Client, words: &[String]) -> Driver {
        self.drive_with(client, &json!({ "command": words }))
    }

    /// A client of a proxy that listens.
    pub(crate) fn drive_over_http(&self, client: Client, proxy: &Listening) -> Driver {
        let headers = json!({ "Authorization": format!("Bearer {TOKEN}") });
        self.drive_with(client, &json!({ "url": proxy.url, "headers": headers }))
    }

    /// The proxy, which answers clients over HTTP; `words` start it.
    pub(crate) fn listen(&self, words: &[String]) -> Listening {
        if !self.path("client.token").exists() {
            self.secret("client.token", TOKEN);
        }
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        let (before, after) = words.split_at(at);
        let listen = ["--listen", "127.0.0.1:0", "--client-token-file", "client.token"].map(ToOwned::to_owned);
        let words = [before, &listen[..], after].concat();
        Listening::start(&words, &self.path(""), |line| {
            line.rsplit(' ').next().unwrap().to_owned()
        })
    }

    fn drive_with(&self, client: Client, to: &Value) -> Driver {
        let elicits = |options: Value, form: Option<&str>| {
            let mut options = options;
            if let Some(form) = form {
                options["elicitation"] = json!(form);
            }
            options
        };
        let (language, script, options) = match client {
            Client::First(form) => (Language::Mcp, "drive.mjs", elicits(json!({ "sdk": 1 }), form)),
            Client::Second(mode) => (Language::Mcp, "drive.mjs", json!({ "sdk": 2, "mode": mode })),
            Client::Pinned(form) => (
                Language::Mcp,
                "drive.mjs",
                elicits(json!({ "sdk": 2, "mode": { "pin": "2026-07-28" } }), form),
            ),
            Client::Python => (Language::McpPython, "drive.py", json!({})),
        };
        let mut options = options;
        for (name, value) in to.as_object().unwrap() {
            options[name] = value.clone();
        }
        let mut start = command(language, &kit::script(script)).unwrap();
        start.arg(options.to_string()).current_dir(self.folder.path());
        start.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = start.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    break;
                }
            }
        });
        Driver { child, stdin, answers }
    }
}

impl Driver {
    /// Does a step.
    #[track_caller]
    pub(crate) fn step(&mut self, step: &Value) -> Value {
        writeln!(self.stdin.as_mut().unwrap(), "{step}").unwrap();
        let answer = self
            .answers
            .recv_timeout(PATIENCE * 2)
            .unwrap_or_else(|_| panic!("no answer to {step}"));
        assert!(answer.get("failed").is_none(), "{step}: {answer}");
        answer
    }

    /// All tools, by their names.
    #[track_caller]
    pub(crate) fn list(&mut self) -> BTreeMap<String, Value> {
        let listed = self.step(&json!({ "op": "list" }));
        let tools = listed["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool.clone()))
            .collect()
    }

    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.step(&json!({ "op": "call", "tool": tool, "arguments": arguments }))
    }

    /// Begins a call that goes on beside the next steps.
    pub(crate) fn begin(&mut self, key: &str, tool: &str, arguments: Value) {
        self.step(&json!({ "op": "begin", "key": key, "tool": tool, "arguments": arguments }));
    }

    pub(crate) fn cancel(&mut self, key: &str) {
        self.step(&json!({ "op": "cancel", "key": key }));
    }

    pub(crate) fn answer(&mut self, key: &str) -> Value {
        self.step(&json!({ "op": "await", "key": key }))
    }

    /// Elicitations and how often it was told of progress.
    pub(crate) fn seen(&mut self) -> Value {
        self.step(&json!({ "op": "seen" }))
    }
}

/// The words that start a script of the tests.
pub(crate) fn command_words(language: Language, name: &str) -> Vec<String> {
    let command = command(language, &kit::script(name)).unwrap();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_str().unwrap().to_owned()).collect()
}

/// Waits until there is something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a client reads of an answer: the text of a result.
#[track_caller]
pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
}

/// The decision that an answer tells of a call that wasn't made.
#[track_caller]
pub(crate) fn decision(answer: &Value) -> &Value {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    &answer["result"]["_meta"]["dev.actionpass/decision"]
}
