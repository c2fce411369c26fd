//! What the MCP proxy costs over a raw relay: `cargo xtask load mcp` builds what this needs, runs it and prints the table; this
//! program prints one JSON object, `{rows: [{what, figure, ratio, budget, met, …}]}`.
//!
//! One client asks one question after the other, so that nothing is shared by calls that happen to meet. Counted is processor time
//! of the proxy's process (of the relay's) alone; client and server are other processes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark that can't run stops"
)]

mod bare;
mod relay;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = r#"
schema = "actionpass.policy.v1"
id = "load"
[[rule]]
id = "reads"
effect = "allow"
tool = "mcp/files/read"
"#;
const DOOR: &str = r#"
[[door]]
name = "desk"
kind = "mcp"
tenant = "org:example"
agent = "agent:helper"
owner = "user:owner@example.com"
runtime = "runtime:desk"
task = "task:load"
"#;

/// What is asked: the line, but for its id.
const PING: &str = r#""method":"ping","params":{}"#;
const READ: &str = r#""method":"tools/call","params":{"name":"read","arguments":{"path":"/srv/work/src/main.rs"}}"#;
const WRITE: &str = r#""method":"tools/call","params":{"name":"write","arguments":{"path":"/srv/work/src/main.rs"}}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--serve") => return relay::serve(),
        Some("--relay") => return relay::relay(&arguments[1..]),
        _ => {}
    }
    // `cargo test --benches` runs this too, and has no use for it.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    println!("{}", json!({ "rows": rows(is_quick) }));
}

/// A process between this one, its client, and a server.
struct Between {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    id: u64,
}

impl Drop for Between {
    fn drop(&mut self) {
        // What it has started ends with its input.
        drop(self.stdin.take());
        for _ in 0..250 {
            if !self.child.try_wait().is_ok_and(|status| status.is_none()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Between {
    fn open(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut between = Self {
            child,
            stdin,
            stdout,
            id: 0,
        };
        let hello = r#""method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}"#;
        between.ask(hello);
        between.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        between.ask(r#""method":"tools/list","params":{}"#);
        between
    }

    fn say(&mut self, line: &str) {
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// The answer to a question.
    fn ask(&mut self, question: &str) -> Value {
        self.id += 1;
        let id = self.id;
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},{question}}}"#));
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Resident memory, in MiB.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Processor time of one question, in µs. Every answer is as it should be.
    fn cost(&mut self, question: &str, count: u32, is_answer: impl Fn(&Value) -> bool) -> f64 {
        for _ in 0..count / 10 {
            self.ask(question);
        }
        let before = processor_time(self.child.id());
        for _ in 0..count {
            let answer = self.ask(question);
            assert!(is_answer(&answer), "{answer}");
        }
        (processor_time(self.child.id()) - before).as_secs_f64() * 1e6 / f64::from(count)
    }
}

/// Of a process: fields 14 and 15 of `stat` (proc(5)), in ticks of a hundredth of a second.
fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next().unwrap().parse::<u64>().unwrap();
    Duration::from_millis((ticks() + ticks()) * 10)
}

fn own() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

/// A home whose rules allow one tool of the server, both of which somebody has approved.
fn home(folder: &Path, program: &str) {
    let run = |args: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg("--json")
            .env("ACTIONPASS_HOME", folder.join("home"));
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
    };
    run(&["init", "--issuer", "https://issuer.example"]);
    let mut config = fs::read_to_string(folder.join("home/config.toml")).unwrap();
    config += DOOR;
    fs::write(folder.join("home/config.toml"), config).unwrap();
    fs::write(folder.join("home/policy.toml"), POLICY).unwrap();
    let command = json!([own(), "--serve"]);
    let tools = format!("schema = \"actionpass.tools.v1\"\n[[server]]\nname = \"files\"\ncommand = {command}\n");
    fs::write(folder.join("home/tools.toml"), tools).unwrap();
    drop(proxy(folder, program));
    run(&["pins", "approve", "files", "--yes"]);
}

fn proxy(folder: &Path, program: &str) -> Between {
    let mut command = Command::new(program);
    command
        .args(["mcp", "--server", "files"])
        .env("ACTIONPASS_HOME", folder.join("home"));
    Between::open(&mut command)
}

fn rows(is_quick: bool) -> Vec<Value> {
    let program = std::env::var("ACTIONPASS_BIN").unwrap_or_else(|_| panic!("ACTIONPASS_BIN names the program"));
    let count = |full: u32| if is_quick { full / 100 } else { full };
    // Never where files may be memory.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bare = bare::commit(folder.path(), count(10_000));
    home(folder.path(), &program);
    let is_result = |answer: &Value| answer["result"].is_object() && answer["result"]["isError"].is_null();
    let is_denied = |answer: &Value| answer["result"]["isError"] == true;

    let mut raw = Between::open(Command::new(own()).args(["--relay", &own(), "--serve"]));
    let relayed_ping = raw.cost(PING, count(50_000), is_result);
    let relayed_call = raw.cost(READ, count(50_000), is_result);
    drop(raw);
    let mut proxy = proxy(folder.path(), &program);
    let ping = proxy.cost(PING, count(50_000), is_result);
    let denied = proxy.cost(WRITE, count(10_000), is_denied);
    let allowed = proxy.cost(READ, count(10_000), is_result);

    // As many again, one in ten of them allowed: nothing is kept of a call that is over.
    let before = proxy.memory();
    for number in 0..count(100_000) {
        proxy.ask(if number % 10 == 0 { READ } else { PING });
    }
    let after = proxy.memory();
    let memory = json!({
        "what": "memory after 100,000 more calls", "figure": format!("{after:.1} MiB : {before:.1} MiB"), "ratio": after / before,
        "budget": "≤ 1.10 ×", "met": after <= before * 1.1, "quiet": true, "beside": "",
    });
    vec![
        row("not gated", ping, relayed_ping, 120.0, BESIDE),
        row(
            "denied, recorded",
            denied,
            relayed_call,
            120.0,
            &format!("{BESIDE}; of a bare commit and a synced file: {bare:.0} µs"),
        ),
        row(
            "allowed: decision, pass, verify, consume, outcome",
            allowed,
            relayed_call,
            300.0,
            &format!("{BESIDE}; of three bare commits and synced files: {:.0} µs", 3.0 * bare),
        ),
        memory,
    ]
}

const BESIDE: &str = "processor time of a call; of the raw relay";

fn row(what: &str, cost: f64, relayed: f64, budget: f64, beside: &str) -> Value {
    json!({
        "what": what, "figure": format!("{cost:.0} µs : {relayed:.0} µs"), "ratio": cost / relayed,
        "budget": format!("≤ {budget:.0} µs more"), "met": cost - relayed <= budget, "quiet": true,
        "beside": beside,
    })
}
