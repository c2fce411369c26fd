//! The service as a program: `actionpass serve` on a home of its own, asked over HTTP.

mod faults;
mod fuzzed;
mod hooked;
mod proxied;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::Value;

use crate::home::Home;

/// Nobody waits longer for an answer of a test's service.
const PATIENCE: Duration = Duration::from_secs(90);

/// A service that runs, until this is dropped.
pub(crate) struct Served {
    child: Child,
    address: SocketAddr,
    token: String,
}

/// What it answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Makes a client with these rights, for whom everything is admitted, and gives its token.
pub(crate) fn client(home: &Home, name: &str, may: &str) -> String {
    let any = ["--tenant", "--agent", "--owner", "--runtime", "--server", "--audience"].map(|option| [option, "*"]);
    let mut args = vec!["clients", "add", name, "--may", may, "--attests"];
    args.extend(any.as_flattened());
    let added = home.run(args).exits(0).json();
    added["token"].as_str().unwrap().to_owned()
}

/// Every right.
pub(crate) const ALL_RIGHTS: &str = "authorize,verify,consume,outcome,requests,ledger,revoke,admin";

/// The command that serves a home on a port of its own.
pub(crate) fn serve(home: &Home) -> Command {
    home.command(["--json", "serve", "--listen", "127.0.0.1:0"])
}

impl Served {
    /// Starts the service of a home, asked with a token.
    pub(crate) fn start(home: &Home, token: &str) -> Self {
        Self::start_by(&mut serve(home), token)
    }

    /// The same by another command, which serves in the end.
    pub(crate) fn start_by(command: &mut Command, token: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let mut words = line.split(|c: char| c.is_whitespace() || "/\"',".contains(c));
        let address = words.find_map(|word| word.parse().ok());
        let Some(address) = address else {
            let mut said = String::new();
            child.kill().ok();
            child.stderr.take().unwrap().read_to_string(&mut said).ok();
            panic!("{line:?} doesn't say where it listens: {said}");
        };
        // What it says when it stops is read, or it would fail at a pipe without a reader.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        // What it logs is read, or it would stop at a full pipe.
        if let Some(mut stderr) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Self {
            child,
            address,
            token: token.to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks; `None` if the connection ended without a whole answer.
    pub(crate) fn try_ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        ask(self.address, &self.token, method, path, headers, body)
    }

    /// Posts JSON, which is answered.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_ask("POST", path, &[], &body.to_string()).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_ask("GET", path, &[], "").expect("an answer")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One question on a connection of its own.
pub(crate) fn ask(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    // Half an answer is none.
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))
    };
    Some(Answer { status, body })
}

/// What a token says, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).unwrap()).unwrap()
}
